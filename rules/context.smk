# Needs: stored hidden states with attention rows, the models themselves, and the random null. Makes:
# results/context/, what earlier tokens say about the last, per model and over all models, and its tables.

# The texts of the context study have the largest number of tokens.
CONTEXT_N = max(CONFIG["spectra"]["n"])


SELECTION = recipe(
    "token_selection",
    "model",
    "corpus",
    n=CONTEXT_N,
    k=CONFIG["context"]["k"],
    lambdas=CONFIG["context"]["lambdas"],
    eps2=CONFIG["entropy"]["eps2"],
    headline_eps2=CONFIG["headline"]["eps2"],
    random_draws=CONFIG["context"]["random_draws"],
    rotations=CONFIG["context"]["rotations"],
    centred=CONFIG["context"]["centred"],
    seed=CONFIG["seed"],
    expected=lambda w: [fingerprint_of_states(w)],
)


rule token_selection:
    """Choose the earlier tokens that explain the last one best: lasso against attention and others."""
    input:
        "results/hidden_states/{corpus}/{model}.h5",
    output:
        selection="results/context/{corpus}/{model}.selection.parquet",
        tokens="results/context/{corpus}/{model}.selection_tokens.parquet",
        ridge="results/context/{corpus}/{model}.ridge.parquet",
    log:
        "results/logs/token_selection/{corpus}/{model}.log",
    benchmark:
        "results/benchmarks/token_selection/{corpus}/{model}.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=rising(1000),
    params:
        **SELECTION.params,
    script:
        "../workflow_scripts/token_selection.py"


ABLATION = recipe(
    "token_ablation",
    "model",
    "corpus",
    n=CONTEXT_N,
    k=CONFIG["context"]["k"],
    shares=CONFIG["context"]["shares"],
    draws=CONFIG["context"]["ablation_draws"],
    centred=CONFIG["context"]["centred"],
    batch_tokens=CONFIG["states"]["batch_tokens"],
    dtype=lambda w: MODELS[w.model]["dtype"],
    trust_remote_code=lambda w: MODELS[w.model]["trust_remote_code"],
    seed=CONFIG["seed"],
    expected=lambda w: [
        fingerprint_of_model(w),
        CORPUS.fingerprint(w),
        fingerprint_of_states(w),
    ],
)


rule token_ablation:
    """Run the model on chosen tokens only, and see how far its next-token distribution moves."""
    input:
        model="results/models/{model}/model.json",
        corpus="results/corpora/{corpus}.parquet",
        states="results/hidden_states/{corpus}/{model}.h5",
    output:
        ablation="results/context/{corpus}/{model}.ablation.parquet",
        status="results/context/{corpus}/{model}.ablation_status.parquet",
        prediction="results/context/{corpus}/{model}.layer_prediction.parquet",
    log:
        "results/logs/token_ablation/{corpus}/{model}.log",
    benchmark:
        "results/benchmarks/token_ablation/{corpus}/{model}.tsv"
    priority: TURN
    localrule: CONFIG["launch"]["placement"] == "slurm"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        **READS_REMOVED,
        **LAUNCHED,
        mem_mb=megabytes("token_ablation", LOCAL_WORKERS),
        runtime=minutes("token_ablation"),
        gpu=gpus(LOCAL_WORKERS),
    params:
        **ABLATION.params,
    script:
        "../workflow_scripts/token_ablation.py"


CONTEXT = recipe(
    "summarise_context",
    corpora=list(CORPORA),
    models=STUDIED["gain"],
    families=of_study("gain", "family"),
    replicates=replicates_of(STUDIED["gain"]),
    studies=of_study("gain", "studies"),
    runs=of_study("gain", "run"),
    steps=of_study("gain", "step"),
    n=CONTEXT_N,
    headline_eps2=CONFIG["headline"]["eps2"],
    draws=CONFIG["scaling"]["draws"],
    seed=CONFIG["seed"],
    expected_gain=[GAIN.fingerprint(pair) for pair in pairs(models=GAIN_MODELS)],
    places_of_twins=places_of_twins(models=GAIN_MODELS),
    expected_untrained=[
        TWINS.fingerprint(pair_of_twins(pair)) for pair in pairs(models=GAIN_MODELS)
    ],
    expected_crossed=[ENTROPY.fingerprint(pair) for pair in pairs(models=GAIN_MODELS)],
    expected_selection=[SELECTION.fingerprint(pair) for pair in pairs(models=CONTEXT_MODELS)],
    expected_ablation=[ABLATION.fingerprint(pair) for pair in pairs(models=CONTEXT_MODELS)],
    expected_null=NULL.fingerprint(),
)


rule summarise_context:
    """Means, intervals, tests and verdicts of the context study over all models, and its tables."""
    input:
        models=per_model("results/models/{model}/model.json", STUDIED["gain"]),
        weights="results/tables/weights.csv",
        null="results/nulls/random.parquet",
        gain=per_model_and_corpus(
            "results/context/{corpus}/{model}.gain.parquet", models=GAIN_MODELS
        ),
        gain_positions=per_model_and_corpus(
            "results/context/{corpus}/{model}.gain_positions.parquet", models=GAIN_MODELS
        ),
        gain_relations=per_model_and_corpus(
            "results/context/{corpus}/{model}.gain_relations.parquet", models=GAIN_MODELS
        ),
        gain_checks=per_model_and_corpus(
            "results/context/{corpus}/{model}.gain_checks.parquet", models=GAIN_MODELS
        ),
        gain_surprisal=per_model_and_corpus(
            "results/context/{corpus}/{model}.gain_surprisal.parquet", models=GAIN_MODELS
        ),
        untrained_gain=twins_per_model(
            "results/context/{corpus}/{model}.untrained_gain.parquet", models=GAIN_MODELS
        ),
        untrained_relations=twins_per_model(
            "results/context/{corpus}/{model}.untrained_relations.parquet", models=GAIN_MODELS
        ),
        crossed_relations=per_model_and_corpus(
            "results/context/{corpus}/{model}.crossed_relations.parquet", models=GAIN_MODELS
        ),
        selection=per_model_and_corpus(
            "results/context/{corpus}/{model}.selection.parquet", models=CONTEXT_MODELS
        ),
        ridge=per_model_and_corpus(
            "results/context/{corpus}/{model}.ridge.parquet", models=CONTEXT_MODELS
        ),
        ablation=per_model_and_corpus(
            "results/context/{corpus}/{model}.ablation.parquet", models=CONTEXT_MODELS
        ),
        ablation_status=per_model_and_corpus(
            "results/context/{corpus}/{model}.ablation_status.parquet", models=CONTEXT_MODELS
        ),
        layer_prediction=per_model_and_corpus(
            "results/context/{corpus}/{model}.layer_prediction.parquet", models=CONTEXT_MODELS
        ),
    output:
        gain="results/context/gain.parquet",
        gain_positions="results/context/gain_positions.parquet",
        gain_checks="results/context/gain_checks.parquet",
        gain_surprisal="results/context/gain_surprisal.parquet",
        selection="results/context/selection.parquet",
        ablation="results/context/ablation.parquet",
        distribution="results/context/distribution.parquet",
        layer_prediction="results/context/layer_prediction.parquet",
        gain_table=reported("results/tables/information_gain.csv", "information gain"),
        selection_table=reported("results/tables/token_selection.csv", "token selection"),
        ablation_table=reported("results/tables/token_ablation.csv", "token ablation"),
        layer_prediction_table=report(
            "results/tables/layer_prediction.csv",
            category="Tables",
            labels={"table": "predictions from earlier layers"},
        ),
        markdown="results/tables/context.md",
        terminal="results/tables/context.txt",
    log:
        "results/logs/summarise_context.log",
    benchmark:
        "results/benchmarks/summarise_context.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=megabytes_over_all("summarise_context"),
        runtime=minutes_over_all("summarise_context"),
    params:
        **CONTEXT.params,
    script:
        "../workflow_scripts/summarise_context.py"

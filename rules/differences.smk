# Needs: entropies of models, of their untrained twins and of shuffled words. Makes: the paired differences between two models over the same
# texts, where no law needs them: pairs that the table of models names, and families of fewer sizes than a law needs.


DIFFERENCES = recipe(
    "paired_differences",
    corpora=list(CORPORA),
    models=PAIRED_MODELS,
    families=[MODELS[model]["family"] for model in PAIRED_MODELS],
    pairs=[list(pair) for pair in MODEL_PAIRS],
    depths=CONFIG["scaling"]["depths"],
    depth_tolerance=CONFIG["scaling"]["depth_tolerance"],
    draws=CONFIG["scaling"]["draws"],
    seed=CONFIG["seed"],
    expected=[ENTROPY.fingerprint(pair) for pair in pairs(models=PAIRED_MODELS)],
    places_of_twins=places_of_twins(models=with_twins(PAIRED_MODELS)),
    expected_untrained=[
        TWIN_ENTROPY.fingerprint(pair_of_twins(pair))
        for pair in pairs(models=with_twins(PAIRED_MODELS))
    ],
    shuffled=of_shuffled(PAIRED_MODELS),
    expected_shuffled=[
        ENTROPY.fingerprint(pair) for pair in pairs(models=of_shuffled(PAIRED_MODELS))
    ],
)


rule paired_differences:
    """Every metric of a model less that of another one, over the texts that both have."""
    input:
        models=per_model("results/models/{model}/model.json", PAIRED_MODELS),
        entropy=per_model_and_corpus(
            "results/entropy/{corpus}/{model}.parquet", models=PAIRED_MODELS
        ),
        untrained=twins_per_model(
            "results/entropy/{corpus}/{model}.untrained.parquet", models=with_twins(PAIRED_MODELS)
        ),
        shuffled=per_model_and_corpus(
            "results/entropy/{corpus}/{model}.shuffled.parquet", models=of_shuffled(PAIRED_MODELS)
        ),
    output:
        differences="results/scaling/differences.parquet",
        table=reported("results/tables/paired_differences.csv", "two models side by side"),
    log:
        "results/logs/paired_differences.log",
    benchmark:
        "results/benchmarks/paired_differences.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=megabytes_over_all("paired_differences"),
        runtime=minutes_over_all("paired_differences"),
    params:
        **DIFFERENCES.params,
    script:
        "../workflow_scripts/paired_differences.py"


rule figure_differences:
    """Draw the differences of the headline's metrics, pair by pair."""
    input:
        "results/scaling/differences.parquet",
    output:
        **figure_outputs("paired_differences", "two models side by side"),
    log:
        "results/logs/figure_differences/{corpus}.log",
    benchmark:
        "results/benchmarks/figure_differences/{corpus}.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=rising(1000),
    params:
        n=CONFIG["headline"]["n"],
        eps2=CONFIG["headline"]["eps2"],
        depth=CONFIG["headline"]["depth"],
        metrics=CONFIG["headline"]["metrics"],
        draws=CONFIG["scaling"]["draws"],
        untrained_draws=CONFIG["controls"]["untrained_draws"],
        seed=CONFIG["seed"],
        expected=DIFFERENCES.fingerprint(),
        logic=logic("figure_differences"),
    script:
        "../workflow_scripts/figure_differences.py"

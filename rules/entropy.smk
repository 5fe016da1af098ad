# Needs: spectra; for the controls an architecture, or no model at all. Makes: spectra, information gains and dimensions
# of the untrained twins, once for all models of an architecture; spectra of texts with their words in random order; and
# every entropy from spectra.

TOKENS_OF_TWINS = "results/context/{corpus}/{model}.untrained-{{draw}}.h5"
ROWS_OF_TWINS = "results/similarity/{corpus}/{model}.untrained-{{draw}}.h5"


TWINS = recipe(
    "untrained_twins",
    "model",
    "corpus",
    n=CONFIG["spectra"]["n"],
    layers=CONFIG["states"]["layers"],
    batch_tokens=CONFIG["states"]["batch_tokens"],
    shard_tokens=CONFIG["states"]["shard_tokens"],
    dtype=lambda w: MODELS[w.model]["dtype"],
    trust_remote_code=lambda w: MODELS[w.model]["trust_remote_code"],
    lambdas=CONFIG["context"]["lambdas"],
    eps2=CONFIG["entropy"]["eps2"],
    neighbours=CONFIG["dimension"]["neighbours"],
    sampled_rows=CONFIG["dimension"]["rows"],
    # Of the rows of texts that similarities are of.
    depths=CONFIG["scaling"]["depths"],
    depth_tolerance=CONFIG["scaling"]["depth_tolerance"],
    rows_n=CONFIG["headline"]["n"],
    most_texts=CONFIG["similarity"]["texts"],
    draws=CONFIG["controls"]["untrained_draws"],
    seed=CONFIG["seed"],
    expected=lambda w: [fingerprint_of_model(w), CORPUS.fingerprint(w)],
)


rule untrained_twins:
    """Spectra, gains and dimensions of the same architecture with random weights, in several draws."""
    input:
        model="results/models/{model}/model.json",
        corpus="results/corpora/{corpus}.parquet",
    output:
        spectra=per_draw("results/spectra/{corpus}/{model}.untrained-{draw}.h5"),
        tokens=per_draw("results/context/{corpus}/{model}.untrained-{draw}.h5"),
        rows=per_draw("results/similarity/{corpus}/{model}.untrained-{draw}.h5"),
        gain="results/context/{corpus}/{model}.untrained_gain.parquet",
        relations="results/context/{corpus}/{model}.untrained_relations.parquet",
        dimension="results/dimension/{corpus}/{model}.untrained.parquet",
    log:
        "results/logs/untrained_twins/{corpus}/{model}.log",
    benchmark:
        "results/benchmarks/untrained_twins/{corpus}/{model}.tsv"
    wildcard_constraints:
        model=models_among(ARCHITECTURES),
    localrule: CONFIG["launch"]["placement"] == "slurm"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        **LAUNCHED,
        mem_mb=megabytes("untrained_twins", LOCAL_WORKERS),
        runtime=minutes("untrained_twins"),
        gpu=gpus(LOCAL_WORKERS),
    params:
        **TWINS.params,
    script:
        "../workflow_scripts/untrained_twins.py"


SHUFFLED_WORDS = recipe(
    "shuffled_words",
    "model",
    "corpus",
    n=CONFIG["spectra"]["n"],
    layers=CONFIG["states"]["layers"],
    depths=CONFIG["scaling"]["depths"],
    depth_tolerance=CONFIG["scaling"]["depth_tolerance"],
    batch_tokens=CONFIG["states"]["batch_tokens"],
    shard_tokens=CONFIG["states"]["shard_tokens"],
    dtype=lambda w: MODELS[w.model]["dtype"],
    trust_remote_code=lambda w: MODELS[w.model]["trust_remote_code"],
    seed=CONFIG["seed"],
    expected=lambda w: [fingerprint_of_model(w), CORPUS.fingerprint(w)],
)


rule shuffled_words:
    """Spectra and likelihoods of a model on the same texts with their words in random order."""
    input:
        model="results/models/{model}/model.json",
        corpus="results/corpora/{corpus}.parquet",
    output:
        "results/spectra/{corpus}/{model}.shuffled.h5",
    log:
        "results/logs/shuffled_words/{corpus}/{model}.log",
    benchmark:
        "results/benchmarks/shuffled_words/{corpus}/{model}.tsv"
    wildcard_constraints:
        model=models_among(SHUFFLED),
    priority: TURN
    localrule: CONFIG["launch"]["placement"] == "slurm"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        **READS_REMOVED,
        **LAUNCHED,
        mem_mb=megabytes("shuffled_words", LOCAL_WORKERS),
        runtime=minutes("shuffled_words"),
        gpu=gpus(LOCAL_WORKERS),
    params:
        **SHUFFLED_WORDS.params,
    script:
        "../workflow_scripts/shuffled_words.py"


ENTROPY = recipe(
    "compute_entropy",
    "model",
    "corpus",
    eps2=CONFIG["entropy"]["eps2"],
    lambdas=CONFIG["context"]["lambdas"],
    orders=CONFIG["entropy"]["orders"],
    expected=lambda w: [
        fingerprint_of_spectra(w),
        fingerprint_of_model(w),
        *(
            (fingerprint_of_model(pair_of_twins(w)), TWINS.fingerprint(pair_of_twins(w)))
            if MODELS[w.model]["architecture"]
            else ("", "")
        ),
        SHUFFLED_WORDS.fingerprint(w) if w.model in SHUFFLED else "",
    ],
)


rule compute_entropy:
    """Every entropy of a model from its spectra, and how its twins' gains go with its likelihoods."""
    input:
        model="results/models/{model}/model.json",
        model_of_twins=model_of_twins,
        spectra="results/spectra/{corpus}/{model}.h5",
        twins=gains_of_twins,
        shuffled=spectra_of_shuffled,
    output:
        entropy="results/entropy/{corpus}/{model}.parquet",
        shuffled="results/entropy/{corpus}/{model}.shuffled.parquet",
        crossed="results/context/{corpus}/{model}.crossed_relations.parquet",
    log:
        "results/logs/compute_entropy/{corpus}/{model}.log",
    benchmark:
        "results/benchmarks/compute_entropy/{corpus}/{model}.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("compute_entropy"),
        runtime=minutes("compute_entropy"),
    params:
        **ENTROPY.params,
    script:
        "../workflow_scripts/compute_entropy.py"


TWIN_ENTROPY = recipe(
    "untrained_entropy",
    "model",
    "corpus",
    eps2=CONFIG["entropy"]["eps2"],
    lambdas=CONFIG["context"]["lambdas"],
    orders=CONFIG["entropy"]["orders"],
    expected=lambda w: TWINS.fingerprint(w),
)


rule untrained_entropy:
    """Every entropy of the untrained twins of an architecture, from their spectra."""
    input:
        per_draw("results/spectra/{corpus}/{model}.untrained-{draw}.h5"),
    output:
        "results/entropy/{corpus}/{model}.untrained.parquet",
    log:
        "results/logs/untrained_entropy/{corpus}/{model}.log",
    benchmark:
        "results/benchmarks/untrained_entropy/{corpus}/{model}.tsv"
    wildcard_constraints:
        model=models_among(ARCHITECTURES),
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("untrained_entropy"),
        runtime=minutes("untrained_entropy"),
    params:
        **TWIN_ENTROPY.params,
    script:
        "../workflow_scripts/untrained_entropy.py"


NULL = recipe(
    "random_null",
    n=CONFIG["spectra"]["n"],
    eps2=CONFIG["entropy"]["eps2"],
    lambdas=CONFIG["context"]["lambdas"],
    orders=CONFIG["entropy"]["orders"],
    draws=CONFIG["controls"]["random_draws"],
    seed=CONFIG["seed"],
)


rule random_null:
    """The same metrics of random unit vectors, for every width in the models table."""
    input:
        models=per_model("results/models/{model}/model.json"),
    output:
        "results/nulls/random.parquet",
    log:
        "results/logs/random_null.log",
    benchmark:
        "results/benchmarks/random_null.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=rising(1000),
    params:
        **NULL.params,
    script:
        "../workflow_scripts/random_null.py"

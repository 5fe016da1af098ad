# Needs: spectra; for the controls a model's architecture and the likelihoods of its store, or no model at
# all. Makes: spectra, information gains and dimensions of the untrained twins, and every entropy from spectra.


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
    draws=CONFIG["controls"]["untrained_draws"],
    seed=CONFIG["seed"],
    expected=lambda w: [
        fingerprint_of_model(w),
        CORPUS.fingerprint(w),
        fingerprint_of_states(w),
    ],
)


rule untrained_twins:
    """Spectra, gains and dimensions of the same architecture with random weights, in several draws."""
    input:
        model="results/models/{model}/model.json",
        corpus="results/corpora/{corpus}.parquet",
        states="results/hidden_states/{corpus}/{model}.h5",
    output:
        spectra=expand(
            "results/spectra/{{corpus}}/{{model}}.untrained-{draw}.h5",
            draw=range(CONFIG["controls"]["untrained_draws"]),
        ),
        gain="results/context/{corpus}/{model}.untrained_gain.parquet",
        relations="results/context/{corpus}/{model}.untrained_relations.parquet",
        dimension="results/dimension/{corpus}/{model}.untrained.parquet",
    log:
        "results/logs/untrained_twins/{corpus}/{model}.log",
    benchmark:
        "results/benchmarks/untrained_twins/{corpus}/{model}.tsv"
    localrule: CONFIG["launch"]["placement"] == "slurm"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("untrained_twins", LOCAL_WORKERS),
        runtime=minutes("untrained_twins"),
        gpu=gpus(LOCAL_WORKERS),
        arrays=int(CONFIG["launch"]["placement"] == "slurm"),
        placement=CONFIG["launch"]["placement"],
        workers=CONFIG["launch"]["workers"],
    params:
        **TWINS.params,
    script:
        "../workflow_scripts/untrained_twins.py"


ENTROPY = recipe(
    "compute_entropy",
    "model",
    "corpus",
    eps2=CONFIG["entropy"]["eps2"],
    lambdas=CONFIG["context"]["lambdas"],
    orders=CONFIG["entropy"]["orders"],
    expected=lambda w: [
        SPECTRA.fingerprint(w),
        TWINS.fingerprint(w) if w.model in RUN_MODELS else "",
    ],
)


rule compute_entropy:
    """Every entropy of a model, and of its untrained twins, from their spectra."""
    input:
        trained="results/spectra/{corpus}/{model}.h5",
        untrained=spectra_of_twins,
    output:
        trained="results/entropy/{corpus}/{model}.parquet",
        untrained="results/entropy/{corpus}/{model}.untrained.parquet",
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

# Needs: stored hidden states; for the controls only a model's architecture, or no model at all. Makes: the
# spectra of every text and layer, and every entropy from them.


rule untrained_twins:
    """The spectra of the same architecture with seeded random weights, in several draws."""
    input:
        model="results/models/{model}/model.json",
        corpus="results/corpora/{corpus}.parquet",
    output:
        expand(
            "results/spectra/{{corpus}}/{{model}}.untrained-{draw}.h5",
            draw=range(CONFIG["controls"]["untrained_draws"]),
        ),
    log:
        "results/logs/untrained_twins/{corpus}/{model}.log",
    benchmark:
        "results/benchmarks/untrained_twins/{corpus}/{model}.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(),
        runtime=minutes("twins"),
        gpu=gpus(),
    params:
        n=CONFIG["spectra"]["n"],
        layers=CONFIG["states"]["layers"],
        batch_tokens=CONFIG["states"]["batch_tokens"],
        dtype=lambda w: MODELS[w.model]["dtype"],
        trust_remote_code=lambda w: MODELS[w.model]["trust_remote_code"],
        seed=CONFIG["seed"],
        fingerprint=lambda w: untrained_fingerprint(w.model, w.corpus),
        expected=lambda w: [model_fingerprint(w.model), corpus_fingerprint(w.corpus)],
        logic=logic("untrained_twins"),
    script:
        "../workflow_scripts/untrained_twins.py"


rule compute_entropy:
    """Every entropy of a model, and of its untrained twins, from their spectra."""
    input:
        trained="results/spectra/{corpus}/{model}.h5",
        untrained=rules.untrained_twins.output,
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
        mem_mb=rising(1000),
    params:
        eps2=CONFIG["entropy"]["eps2"],
        lambdas=CONFIG["context"]["lambdas"],
        fingerprint=lambda w: entropy_fingerprint(w.model, w.corpus),
        expected=lambda w: [
            spectra_fingerprint(w.model, w.corpus),
            untrained_fingerprint(w.model, w.corpus),
        ],
        logic=logic("compute_entropy"),
    script:
        "../workflow_scripts/compute_entropy.py"


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
        n=CONFIG["spectra"]["n"],
        eps2=CONFIG["entropy"]["eps2"],
        lambdas=CONFIG["context"]["lambdas"],
        draws=CONFIG["controls"]["random_draws"],
        seed=CONFIG["seed"],
        fingerprint=null_fingerprint(),
        logic=logic("random_null"),
    script:
        "../workflow_scripts/random_null.py"

# Needs: models and corpora. Makes: results/hidden_states/{corpus}/{model}.h5, and what is measured of all
# of its states: spectra, information gains, dimensions. Without stored states measurement.smk does all of this.


STATES = recipe(
    "dump_hidden_states",
    "model",
    "corpus",
    n=lengths_of_passes,
    layers=CONFIG["states"]["layers"],
    attention_texts=CONFIG["states"]["attention_texts"],
    states_dtype=CONFIG["states"]["dtype"],
    batch_tokens=CONFIG["states"]["batch_tokens"],
    shard_tokens=CONFIG["states"]["shard_tokens"],
    dtype=lambda w: MODELS[w.model]["dtype"],
    trust_remote_code=lambda w: MODELS[w.model]["trust_remote_code"],
    seed=CONFIG["seed"],
    expected=lambda w: [fingerprint_of_model(w), CORPUS.fingerprint(w)],
)


rule dump_hidden_states:
    """Run one model over one corpus and store its hidden states, likelihoods and attention rows."""
    input:
        model="results/models/{model}/model.json",
        corpus="results/corpora/{corpus}.parquet",
    output:
        "results/hidden_states/{corpus}/{model}.h5",
    log:
        "results/logs/dump_hidden_states/{corpus}/{model}.log",
    benchmark:
        "results/benchmarks/dump_hidden_states/{corpus}/{model}.tsv"
    wildcard_constraints:
        model=models_among(RUN_MODELS),
    priority: TURN
    localrule: CONFIG["launch"]["placement"] == "slurm"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        **READS_REMOVED,
        **LAUNCHED,
        mem_mb=megabytes("dump_hidden_states", LOCAL_WORKERS),
        runtime=minutes("dump_hidden_states"),
        gpu=gpus(LOCAL_WORKERS),
    params:
        **STATES.params,
    script:
        "../workflow_scripts/dump_hidden_states.py"


IMPORTED = recipe(
    "import_states",
    "model",
    "corpus",
    n=[min(CONFIG["spectra"]["n"]), max(CONFIG["spectra"]["n"])],
    where=lambda w: MODELS[w.model]["where"],
    unnamed=lambda w: watched.states_of_others(
        watched.files_of_states(MODELS[w.model]["where"], w.corpus)
    ),
    expected=lambda w: [fingerprint_of_model(w), CORPUS.fingerprint(w)],
)


rule import_states:
    """Store the hidden states that another engine made of a corpus, as those of any model."""
    input:
        files=given_files,
        model="results/models/{model}/model.json",
        corpus="results/corpora/{corpus}.parquet",
    output:
        "results/hidden_states/{corpus}/{model}.h5",
    log:
        "results/logs/import_states/{corpus}/{model}.log",
    benchmark:
        "results/benchmarks/import_states/{corpus}/{model}.tsv"
    wildcard_constraints:
        model=models_among(GIVEN_STATES),
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=megabytes_of_states(),
    params:
        **IMPORTED.params,
    script:
        "../workflow_scripts/import_states.py"


SPECTRA = recipe(
    "compute_spectra",
    "model",
    "corpus",
    n=CONFIG["spectra"]["n"],
    expected=lambda w: [fingerprint_of_states(w)],
)


rule compute_spectra:
    """The eigenvalue spectra of every text at every layer, both conventions, from one Gram each."""
    input:
        "results/hidden_states/{corpus}/{model}.h5",
    output:
        "results/spectra/{corpus}/{model}.h5",
    log:
        "results/logs/compute_spectra/{corpus}/{model}.log",
    benchmark:
        "results/benchmarks/compute_spectra/{corpus}/{model}.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("compute_spectra"),
        runtime=minutes("compute_spectra"),
    params:
        **SPECTRA.params,
    script:
        "../workflow_scripts/compute_spectra.py"


GAIN = recipe(
    "information_gain",
    "model",
    "corpus",
    n=max(CONFIG["spectra"]["n"]),
    lambdas=CONFIG["context"]["lambdas"],
    eps2=CONFIG["entropy"]["eps2"],
    draws=CONFIG["scaling"]["draws"],
    seed=CONFIG["seed"],
    expected=lambda w: [fingerprint_of_states(w)],
)


rule information_gain:
    """The information gain of every token over those before it, and its relation to surprisal."""
    input:
        "results/hidden_states/{corpus}/{model}.h5",
    output:
        texts="results/context/{corpus}/{model}.gain.parquet",
        positions="results/context/{corpus}/{model}.gain_positions.parquet",
        relations="results/context/{corpus}/{model}.gain_relations.parquet",
        checks="results/context/{corpus}/{model}.gain_checks.parquet",
        surprisal="results/context/{corpus}/{model}.gain_surprisal.parquet",
    log:
        "results/logs/information_gain/{corpus}/{model}.log",
    benchmark:
        "results/benchmarks/information_gain/{corpus}/{model}.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("information_gain"),
        runtime=minutes("information_gain"),
    params:
        **GAIN.params,
    script:
        "../workflow_scripts/information_gain.py"


DIMENSION = recipe(
    "intrinsic_dimension",
    "model",
    "corpus",
    n=CONFIG["spectra"]["n"],
    neighbours=CONFIG["dimension"]["neighbours"],
    sampled_rows=CONFIG["dimension"]["rows"],
    draws=CONFIG["scaling"]["draws"],
    seed=CONFIG["seed"],
    expected=lambda w: [fingerprint_of_states(w)],
)


rule intrinsic_dimension:
    """The intrinsic dimension of last tokens, mean states and sampled tokens at every layer."""
    input:
        "results/hidden_states/{corpus}/{model}.h5",
    output:
        "results/dimension/{corpus}/{model}.parquet",
    log:
        "results/logs/intrinsic_dimension/{corpus}/{model}.log",
    benchmark:
        "results/benchmarks/intrinsic_dimension/{corpus}/{model}.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("intrinsic_dimension"),
        runtime=minutes("intrinsic_dimension"),
    params:
        **DIMENSION.params,
    script:
        "../workflow_scripts/intrinsic_dimension.py"

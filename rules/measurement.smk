# Needs: models and corpora, and of corpora with labels the sampled sentences. Makes: what the rules of
# hidden_states.smk make, while the model runs: hidden states are kept only where later jobs read them.


# Whatever the job makes has one fingerprint.
STATES = SPECTRA = GAIN = DIMENSION = recipe(
    "measure_states",
    "model",
    "corpus",
    n=CONFIG["spectra"]["n"],
    layers=CONFIG["states"]["layers"],
    attention_texts=CONFIG["states"]["attention_texts"],
    states_dtype=CONFIG["states"]["dtype"],
    batch_tokens=CONFIG["states"]["batch_tokens"],
    shard_tokens=CONFIG["states"]["shard_tokens"],
    dtype=lambda w: MODELS[w.model]["dtype"],
    trust_remote_code=lambda w: MODELS[w.model]["trust_remote_code"],
    lambdas=CONFIG["context"]["lambdas"],
    eps2=CONFIG["entropy"]["eps2"],
    neighbours=CONFIG["dimension"]["neighbours"],
    sampled_rows=CONFIG["dimension"]["rows"],
    draws=CONFIG["scaling"]["draws"],
    depths=CONFIG["sentences"]["depths"],
    depth_tolerance=CONFIG["scaling"]["depth_tolerance"],
    sentence_n=CONFIG["sentences"]["n"],
    seed=CONFIG["seed"],
    expected=lambda w: [
        fingerprint_of_model(w),
        CORPUS.fingerprint(w),
        SAMPLE.fingerprint(w) if w.corpus in JUDGED else "",
    ],
)


rule measure_states:
    """Run one model over one corpus and keep spectra, gains, dimensions, likelihoods and attention rows."""
    input:
        model="results/models/{model}/model.json",
        corpus="results/corpora/{corpus}.parquet",
        sample=sampled_sentences,
    output:
        states="results/hidden_states/{corpus}/{model}.h5",
        spectra="results/spectra/{corpus}/{model}.h5",
        texts="results/context/{corpus}/{model}.gain.parquet",
        positions="results/context/{corpus}/{model}.gain_positions.parquet",
        relations="results/context/{corpus}/{model}.gain_relations.parquet",
        checks="results/context/{corpus}/{model}.gain_checks.parquet",
        surprisal="results/context/{corpus}/{model}.gain_surprisal.parquet",
        dimension="results/dimension/{corpus}/{model}.parquet",
    log:
        "results/logs/measure_states/{corpus}/{model}.log",
    benchmark:
        "results/benchmarks/measure_states/{corpus}/{model}.tsv"
    priority: TURN
    localrule: CONFIG["launch"]["placement"] == "slurm"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        **READS_REMOVED,
        **LAUNCHED,
        mem_mb=megabytes("measure_states", LOCAL_WORKERS),
        runtime=minutes("measure_states"),
        gpu=gpus(LOCAL_WORKERS),
    params:
        **STATES.params,
    script:
        "../workflow_scripts/measure_states.py"

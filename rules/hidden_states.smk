# Needs: models and corpora. Makes: results/hidden_states/{corpus}/{model}.h5.


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
    localrule: CONFIG["launch"]["placement"] == "slurm"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=megabytes,
        runtime=minutes("dump"),
        gpu=gpus(LOCAL_WORKERS),
        arrays=int(CONFIG["launch"]["placement"] == "slurm"),
        placement=CONFIG["launch"]["placement"],
        workers=CONFIG["launch"]["workers"],
    params:
        n=[min(CONFIG["spectra"]["n"]), max(CONFIG["spectra"]["n"])],
        layers=CONFIG["states"]["layers"],
        attention_texts=CONFIG["states"]["attention_texts"],
        batch_tokens=CONFIG["states"]["batch_tokens"],
        shard_tokens=CONFIG["states"]["shard_tokens"],
        dtype=lambda w: MODELS[w.model]["dtype"],
        trust_remote_code=lambda w: MODELS[w.model]["trust_remote_code"],
        seed=CONFIG["seed"],
        fingerprint=lambda w: states_fingerprint(w.model, w.corpus),
        expected=lambda w: [model_fingerprint(w.model), corpus_fingerprint(w.corpus)],
        logic=logic("dump_hidden_states"),
    script:
        "../workflow_scripts/dump_hidden_states.py"

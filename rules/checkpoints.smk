# Needs: a row of a ladder with steps, its models, and corpora. Makes: the spectra at all steps of the row, in one job. Of
# what takes part in the entropy study alone no hidden states are kept.


OF_STEP = recipe(
    "measure_checkpoints",
    "model",
    "corpus",
    n=CONFIG["spectra"]["n"],
    layers=CONFIG["states"]["layers"],
    states_dtype=CONFIG["states"]["dtype"],
    batch_tokens=CONFIG["states"]["batch_tokens"],
    shard_tokens=CONFIG["states"]["shard_tokens"],
    dtype=lambda w: MODELS[w.model]["dtype"],
    seed=CONFIG["seed"],
    expected=lambda w: [fingerprint_of_model(w), CORPUS.fingerprint(w)],
)


if CONFIG["keep_hidden_states"]:

    ruleorder: measure_checkpoints > compute_spectra

else:

    ruleorder: measure_checkpoints > measure_states


rule measure_checkpoints:
    """Run a ladder model over one corpus at every step of a row, and take the spectra."""
    input:
        models=lambda w: per_model("results/models/{model}/model.json", TOGETHER[w.run]),
        corpus="results/corpora/{corpus}.parquet",
    output:
        [f"results/spectra/{{corpus}}/{{run}}@{step}.h5" for step in STEPS_TOGETHER],
    log:
        "results/logs/measure_checkpoints/{corpus}/{run}.log",
    benchmark:
        "results/benchmarks/measure_checkpoints/{corpus}/{run}.tsv"
    wildcard_constraints:
        run=one_of(TOGETHER),
    localrule: CONFIG["launch"]["placement"] == "slurm"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        **LAUNCHED,
        mem_mb=megabytes("measure_checkpoints", LOCAL_WORKERS),
        runtime=minutes("measure_checkpoints"),
        gpu=gpus(LOCAL_WORKERS),
    params:
        n=CONFIG["spectra"]["n"],
        layers=CONFIG["states"]["layers"],
        states_dtype=CONFIG["states"]["dtype"],
        batch_tokens=CONFIG["states"]["batch_tokens"],
        shard_tokens=CONFIG["states"]["shard_tokens"],
        dtype=lambda w: MODELS[TOGETHER[w.run][0]]["dtype"],
        seed=CONFIG["seed"],
        fingerprints=lambda w: [OF_STEP.fingerprint(step) for step in steps_of(w)],
        expected_models=lambda w: [fingerprint_of_model(step) for step in steps_of(w)],
        expected_corpus=lambda w: CORPUS.fingerprint(w),
        logic=logic("measure_checkpoints"),
    script:
        "../workflow_scripts/measure_checkpoints.py"

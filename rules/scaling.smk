# Needs: entropies of every model and of the nulls. Makes: results/scaling/, the laws with intervals, controls
# and verdicts, and from them results/tables/.


LAWS = recipe(
    "fit_scaling_laws",
    corpora=list(CORPORA),
    models=list(MODELS),
    families=[row["family"] for row in MODELS.values()],
    replicates=replicates_of(MODELS),
    dtypes=[row["dtype"] for row in MODELS.values()],
    runs=[row["run"] for row in MODELS.values()],
    steps=[row["step"] for row in MODELS.values()],
    train_tokens=[row["train_tokens"] for row in MODELS.values()],
    depths=CONFIG["scaling"]["depths"],
    depth_tolerance=CONFIG["scaling"]["depth_tolerance"],
    axes=CONFIG["scaling"]["axes"],
    draws=CONFIG["scaling"]["draws"],
    headline_n=CONFIG["headline"]["n"],
    headline_eps2=CONFIG["headline"]["eps2"],
    headline_depth=CONFIG["headline"]["depth"],
    headline_axis=CONFIG["headline"]["axis"],
    headline_metrics=CONFIG["headline"]["metrics"],
    seed=CONFIG["seed"],
    expected=[ENTROPY.fingerprint(pair) for pair in pairs()],
    places_of_twins=places_of_twins(),
    expected_untrained=[
        TWIN_ENTROPY.fingerprint(pair_of_twins(pair)) for pair in pairs(models=RUN_MODELS)
    ],
    expected_spectra=[fingerprint_of_spectra(pair) for pair in pairs()],
    shuffled=list(SHUFFLED),
    expected_shuffled=[ENTROPY.fingerprint(pair) for pair in pairs(models=SHUFFLED)],
    expected_null=NULL.fingerprint(),
)


rule fit_scaling_laws:
    """Fit every law, set its controls beside it, and give the verdicts."""
    input:
        models=per_model("results/models/{model}/model.json"),
        weights="results/tables/weights.csv",
        entropy=per_model_and_corpus("results/entropy/{corpus}/{model}.parquet"),
        untrained=twins_per_model("results/entropy/{corpus}/{model}.untrained.parquet"),
        spectra=per_model_and_corpus("results/spectra/{corpus}/{model}.h5"),
        shuffled=per_model_and_corpus(
            "results/entropy/{corpus}/{model}.shuffled.parquet", models=SHUFFLED
        ),
        null="results/nulls/random.parquet",
    output:
        laws="results/scaling/laws.parquet",
        points="results/scaling/points.parquet",
        pairs="results/scaling/pairs.parquet",
        profiles="results/scaling/profiles.parquet",
        valleys="results/scaling/valleys.parquet",
    log:
        "results/logs/fit_scaling_laws.log",
    benchmark:
        "results/benchmarks/fit_scaling_laws.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=megabytes_over_all("fit_scaling_laws"),
        runtime=minutes_over_all("fit_scaling_laws"),
    params:
        **LAWS.params,
    script:
        "../workflow_scripts/fit_scaling_laws.py"


rule write_tables:
    """Write the laws and the entropies as tables for readers: CSV, and Markdown for the headline."""
    input:
        laws="results/scaling/laws.parquet",
        profiles="results/scaling/profiles.parquet",
    output:
        laws=reported("results/tables/scaling_laws.csv", "all scaling laws"),
        headline="results/tables/scaling_laws.md",
        terminal="results/tables/scaling_laws.txt",
        entropy=reported("results/tables/entropy.csv", "entropies per model"),
    log:
        "results/logs/write_tables.log",
    benchmark:
        "results/benchmarks/write_tables.tsv"
    localrule: True
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=megabytes_over_all("write_tables"),
        runtime=minutes_over_all("write_tables"),
    params:
        expected=[LAWS.fingerprint()] * 2,
        logic=logic("write_tables"),
    script:
        "../workflow_scripts/write_tables.py"

# Needs: entropies and spectra of the models of runs at several steps, of their twins and of the nulls. Makes: the laws
# over training: trajectories, phases, pace and the exponent of N at every common step, with their figures.


PATHS = recipe(
    "training_paths",
    corpora=list(CORPORA),
    models=AT_STEPS,
    families=[MODELS[model]["family"] for model in AT_STEPS],
    replicates=replicates_of(AT_STEPS),
    dtypes=[MODELS[model]["dtype"] for model in AT_STEPS],
    runs=[MODELS[model]["run"] for model in AT_STEPS],
    steps=[MODELS[model]["step"] for model in AT_STEPS],
    train_tokens=[MODELS[model]["train_tokens"] for model in AT_STEPS],
    depth_tolerance=CONFIG["scaling"]["depth_tolerance"],
    draws=CONFIG["scaling"]["draws"],
    headline_n=CONFIG["headline"]["n"],
    headline_eps2=CONFIG["headline"]["eps2"],
    headline_depth=CONFIG["headline"]["depth"],
    headline_axis=CONFIG["headline"]["axis"],
    headline_metrics=CONFIG["headline"]["metrics"],
    seed=CONFIG["seed"],
    expected=[ENTROPY.fingerprint(pair) for pair in pairs(models=AT_STEPS)],
    places_of_twins=places_of_twins(models=with_twins(AT_STEPS)),
    expected_untrained=[
        TWIN_ENTROPY.fingerprint(pair_of_twins(pair)) for pair in pairs(models=with_twins(AT_STEPS))
    ],
    expected_spectra=[fingerprint_of_spectra(pair) for pair in pairs(models=AT_STEPS)],
    expected_null=NULL.fingerprint(),
)


rule training_paths:
    """Every declared metric of a run against tokens seen: its phases, its pace, and the exponent of N at each step."""
    input:
        models=per_model("results/models/{model}/model.json", AT_STEPS),
        weights="results/tables/weights.csv",
        entropy=per_model_and_corpus("results/entropy/{corpus}/{model}.parquet", models=AT_STEPS),
        untrained=twins_per_model(
            "results/entropy/{corpus}/{model}.untrained.parquet", models=with_twins(AT_STEPS)
        ),
        spectra=per_model_and_corpus("results/spectra/{corpus}/{model}.h5", models=AT_STEPS),
        null="results/nulls/random.parquet",
    output:
        trajectories="results/training/trajectories.parquet",
        phases="results/training/phases.parquet",
        pace="results/training/pace.parquet",
        exponents="results/training/exponents.parquet",
        trajectories_table=reported("results/tables/trajectories.csv", "metrics over training"),
        phases_table=reported("results/tables/phases.csv", "phases of training"),
        pace_table=reported("results/tables/training_pace.csv", "pace of training"),
        exponents_table=reported(
            "results/tables/exponents_over_training.csv", "exponents over training"
        ),
    log:
        "results/logs/training_paths.log",
    benchmark:
        "results/benchmarks/training_paths.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=megabytes_over_all("training_paths"),
        runtime=minutes_over_all("training_paths"),
    params:
        **PATHS.params,
    script:
        "../workflow_scripts/training_paths.py"


rule figure_training:
    """Draw metrics against tokens seen, their phases by size, and the exponent of N over training."""
    input:
        trajectories="results/training/trajectories.parquet",
        phases="results/training/phases.parquet",
        exponents="results/training/exponents.parquet",
    output:
        **{
            f"{name}_{kind}": path
            for name, title in (
                ("trajectories", "metrics over training"),
                ("training_phases", "phases of training"),
                ("exponents_over_training", "exponents of N over training"),
            )
            for kind, path in figure_outputs(name, title).items()
        },
    log:
        "results/logs/figure_training/{corpus}.log",
    benchmark:
        "results/benchmarks/figure_training/{corpus}.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=rising(1000),
    params:
        n=CONFIG["headline"]["n"],
        eps2=CONFIG["headline"]["eps2"],
        depth=CONFIG["headline"]["depth"],
        axis=CONFIG["headline"]["axis"],
        draws=CONFIG["scaling"]["draws"],
        untrained_draws=CONFIG["controls"]["untrained_draws"],
        random_draws=CONFIG["controls"]["random_draws"],
        seed=CONFIG["seed"],
        expected=PATHS.fingerprint(),
        logic=logic("figure_training"),
    script:
        "../workflow_scripts/figure_training.py"

# Needs: intrinsic dimensions of models and of their untrained twins. Makes: results/dimension/dimension.parquet, the
# same over all models, and its table.

DIMENSIONS = recipe(
    "summarise_dimension",
    corpora=list(CORPORA),
    models=STUDIED["dimension"],
    families=of_study("dimension", "family"),
    runs=of_study("dimension", "run"),
    steps=of_study("dimension", "step"),
    expected=[DIMENSION.fingerprint(pair) for pair in pairs(models=STUDIED["dimension"])],
    places_of_twins=places_of_twins(models=with_twins(STUDIED["dimension"])),
    expected_untrained=[
        TWINS.fingerprint(pair_of_twins(pair))
        for pair in pairs(models=with_twins(STUDIED["dimension"]))
    ],
)


rule summarise_dimension:
    """Intrinsic dimensions of all models beside those of their untrained twins, in one table."""
    input:
        models=per_model("results/models/{model}/model.json", STUDIED["dimension"]),
        measured=per_model_and_corpus(
            "results/dimension/{corpus}/{model}.parquet", models=STUDIED["dimension"]
        ),
        untrained=twins_per_model(
            "results/dimension/{corpus}/{model}.untrained.parquet",
            models=with_twins(STUDIED["dimension"]),
        ),
    output:
        table="results/dimension/dimension.parquet",
        csv=reported("results/tables/intrinsic_dimension.csv", "intrinsic dimension"),
    log:
        "results/logs/summarise_dimension.log",
    benchmark:
        "results/benchmarks/summarise_dimension.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=megabytes_over_all("summarise_dimension"),
        runtime=minutes_over_all("summarise_dimension"),
    params:
        **DIMENSIONS.params,
    script:
        "../workflow_scripts/summarise_dimension.py"

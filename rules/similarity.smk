# Needs: stored hidden states of all texts and layers, rows of the untrained twins. Makes: results/similarity/, how similar
# layers of a model are, and models, on the same texts, whether larger ones are more alike, and their tables.


SIMILARITY = recipe(
    "layer_similarity",
    "model",
    "corpus",
    n=CONFIG["headline"]["n"],
    depth=CONFIG["headline"]["depth"],
    depth_tolerance=CONFIG["scaling"]["depth_tolerance"],
    rows=CONFIG["dimension"]["rows"],  # of which the texts are a sample, as those of the twins
    texts=CONFIG["similarity"]["texts"],
    neighbours=CONFIG["similarity"]["neighbours"],
    permutations=CONFIG["similarity"]["permutations"],
    seed=CONFIG["seed"],
    expected=lambda w: [fingerprint_of_model(w), fingerprint_of_states(w)],
)


rule layer_similarity:
    """How similar the layers of a model are, and the rows of texts at the headline's depth."""
    input:
        model="results/models/{model}/model.json",
        states="results/hidden_states/{corpus}/{model}.h5",
    output:
        pairs="results/similarity/{corpus}/{model}.parquet",
        rows="results/similarity/{corpus}/{model}.h5",
    log:
        "results/logs/layer_similarity/{corpus}/{model}.log",
    benchmark:
        "results/benchmarks/layer_similarity/{corpus}/{model}.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("layer_similarity"),
        runtime=minutes("layer_similarity"),
    params:
        **SIMILARITY.params,
    script:
        "../workflow_scripts/layer_similarity.py"


SIMILARITIES = recipe(
    "model_similarity",
    corpora=list(CORPORA),
    models=STUDIED["similarity"],
    families=of_study("similarity", "family"),
    replicates=replicates_of(STUDIED["similarity"]),
    runs=of_study("similarity", "run"),
    steps=of_study("similarity", "step"),
    n=CONFIG["headline"]["n"],
    neighbours=CONFIG["similarity"]["neighbours"],
    permutations=CONFIG["similarity"]["permutations"],
    seed=CONFIG["seed"],
    expected=[SIMILARITY.fingerprint(pair) for pair in pairs(models=STUDIED["similarity"])],
    places_of_twins=places_of_twins(models=with_twins(STUDIED["similarity"])),
    expected_untrained=[
        TWINS.fingerprint(pair_of_twins(pair))
        for pair in pairs(models=with_twins(STUDIED["similarity"]))
    ],
)


rule model_similarity:
    """How similar models are at the headline's depth, beside twins and against size, and layers."""
    input:
        models=per_model("results/models/{model}/model.json", STUDIED["similarity"]),
        pairs=per_model_and_corpus(
            "results/similarity/{corpus}/{model}.parquet", models=STUDIED["similarity"]
        ),
        rows=per_model_and_corpus(
            "results/similarity/{corpus}/{model}.h5", models=STUDIED["similarity"]
        ),
        untrained=[
            path
            for twins in twins_per_model(ROWS_OF_TWINS, models=with_twins(STUDIED["similarity"]))
            for path in per_draw(twins)
        ],
    output:
        layers="results/similarity/layers.parquet",
        models="results/similarity/models.parquet",
        alignment="results/similarity/alignment.parquet",
        layers_table=reported("results/tables/layer_similarity.csv", "similarity of layers"),
        models_table=reported("results/tables/model_similarity.csv", "similarity of models"),
        alignment_table=reported("results/tables/model_alignment.csv", "similarity against size"),
    log:
        "results/logs/model_similarity.log",
    benchmark:
        "results/benchmarks/model_similarity.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=megabytes_over_all("model_similarity"),
        runtime=minutes_over_all("model_similarity"),
    params:
        **SIMILARITIES.params,
    script:
        "../workflow_scripts/model_similarity.py"


# What the captions of both figures print.
SIMILARITY_CAPTION_PARAMS = {
    "n": CONFIG["headline"]["n"],
    "depth": CONFIG["headline"]["depth"],
    **CONFIG["similarity"],
    "untrained_draws": CONFIG["controls"]["untrained_draws"],
    "seed": CONFIG["seed"],
    "expected": SIMILARITIES.fingerprint(),
}


rule figure_layer_similarity:
    """Draw the similarities of the layers of some models as heat maps."""
    input:
        "results/similarity/layers.parquet",
    output:
        **figure_outputs("layer_similarity", "similarity of layers"),
    log:
        "results/logs/figure_layer_similarity/{corpus}.log",
    benchmark:
        "results/benchmarks/figure_layer_similarity/{corpus}.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=rising(1000),
    params:
        **SIMILARITY_CAPTION_PARAMS,
        logic=logic("figure_layer_similarity"),
    script:
        "../workflow_scripts/figure_layer_similarity.py"


rule figure_model_similarity:
    """Draw the similarities of models as heat maps."""
    input:
        "results/similarity/models.parquet",
    output:
        **figure_outputs("model_similarity", "similarity of models"),
    log:
        "results/logs/figure_model_similarity/{corpus}.log",
    benchmark:
        "results/benchmarks/figure_model_similarity/{corpus}.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=rising(1000),
    params:
        **SIMILARITY_CAPTION_PARAMS,
        logic=logic("figure_model_similarity"),
    script:
        "../workflow_scripts/figure_model_similarity.py"

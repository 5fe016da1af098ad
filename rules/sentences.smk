# Needs: stored hidden states, and for the twins the models themselves, of corpora with labels. Makes:
# results/sentences/, the geometry of whole texts and its scores by label, and their tables.


GEOMETRY = recipe(
    "sentence_geometry",
    "model",
    "corpus",
    n=CONFIG["sentences"]["n"],
    depths=CONFIG["sentences"]["depths"],
    depth_tolerance=CONFIG["scaling"]["depth_tolerance"],
    expected=lambda w: [
        fingerprint_of_model(w),
        fingerprint_of_states(w),
        SAMPLE.fingerprint(w),
    ],
)


rule sentence_geometry:
    """Mean embeddings of texts, and the distances between their covariances."""
    input:
        model="results/models/{model}/model.json",
        states="results/hidden_states/{corpus}/{model}.h5",
        sample="results/sentences/{corpus}/texts.parquet",
    output:
        "results/sentences/{corpus}/{model}.h5",
    log:
        "results/logs/sentence_geometry/{corpus}/{model}.log",
    benchmark:
        "results/benchmarks/sentence_geometry/{corpus}/{model}.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("sentence_geometry"),
        runtime=minutes("sentence_geometry"),
    params:
        **GEOMETRY.params,
    script:
        "../workflow_scripts/sentence_geometry.py"


TWIN_GEOMETRY = recipe(
    "untrained_sentences",
    "model",
    "corpus",
    n=CONFIG["sentences"]["n"],
    depths=CONFIG["sentences"]["depths"],
    depth_tolerance=CONFIG["scaling"]["depth_tolerance"],
    draws=CONFIG["controls"]["untrained_draws"],
    layers=CONFIG["states"]["layers"],
    batch_tokens=CONFIG["states"]["batch_tokens"],
    dtype=lambda w: MODELS[w.model]["dtype"],
    trust_remote_code=lambda w: MODELS[w.model]["trust_remote_code"],
    seed=CONFIG["seed"],
    expected=lambda w: [
        fingerprint_of_model(w),
        CORPUS.fingerprint(w),
        SAMPLE.fingerprint(w),
    ],
)


rule untrained_sentences:
    """The same of the untrained twins of an architecture, whose states are never stored."""
    input:
        model="results/models/{model}/model.json",
        corpus="results/corpora/{corpus}.parquet",
        sample="results/sentences/{corpus}/texts.parquet",
    output:
        "results/sentences/{corpus}/{model}.untrained.h5",
    log:
        "results/logs/untrained_sentences/{corpus}/{model}.log",
    benchmark:
        "results/benchmarks/untrained_sentences/{corpus}/{model}.tsv"
    wildcard_constraints:
        model=models_among(ARCHITECTURES),
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("untrained_sentences"),
        runtime=minutes("untrained_sentences"),
        gpu=gpus(),
    params:
        **TWIN_GEOMETRY.params,
    script:
        "../workflow_scripts/untrained_sentences.py"


SENTENCES = recipe(
    "summarise_sentences",
    corpora=JUDGED,
    models=STUDIED["sentences"],
    families=of_study("sentences", "family"),
    replicates=replicates_of(STUDIED["sentences"]),
    dtypes=of_study("sentences", "dtype"),
    runs=of_study("sentences", "run"),
    steps=of_study("sentences", "step"),
    neighbours=CONFIG["sentences"]["neighbours"],
    permutations=CONFIG["sentences"]["permutations"],
    headline_depth=CONFIG["headline"]["depth"],
    draws=CONFIG["scaling"]["draws"],
    seed=CONFIG["seed"],
    expected=[GEOMETRY.fingerprint(pair) for pair in pairs(JUDGED, STUDIED["sentences"])],
    places_of_twins=places_of_twins(JUDGED, with_twins(STUDIED["sentences"])),
    expected_untrained=[
        TWIN_GEOMETRY.fingerprint(pair_of_twins(pair))
        for pair in pairs(JUDGED, with_twins(STUDIED["sentences"]))
    ],
)


rule summarise_sentences:
    """How well each distance separates labels, with intervals and tests, and how that changes with N."""
    input:
        models=per_model("results/models/{model}/model.json", STUDIED["sentences"]),
        weights="results/tables/weights.csv",
        trained=per_model_and_corpus(
            "results/sentences/{corpus}/{model}.h5", JUDGED, STUDIED["sentences"]
        ),
        untrained=twins_per_model(
            "results/sentences/{corpus}/{model}.untrained.h5",
            JUDGED,
            with_twins(STUDIED["sentences"]),
        ),
    output:
        scores="results/sentences/scores.parquet",
        trends="results/sentences/trends.parquet",
        scores_table=reported("results/tables/sentences.csv", "sentences: separation of labels"),
        trends_table=report(
            "results/tables/sentence_trends.csv",
            category="Tables",
            labels={"table": "sentences: separation against model size"},
        ),
        markdown="results/tables/sentences.md",
        terminal="results/tables/sentences.txt",
    log:
        "results/logs/summarise_sentences.log",
    benchmark:
        "results/benchmarks/summarise_sentences.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=megabytes_over_all("summarise_sentences"),
        runtime=minutes_over_all("summarise_sentences"),
    params:
        **SENTENCES.params,
    script:
        "../workflow_scripts/summarise_sentences.py"


WHICH_LAYER = recipe(
    "which_layer",
    corpora=JUDGED,
    models=STUDIED["sentences"],
    families=of_study("sentences", "family"),
    runs=of_study("sentences", "run"),
    steps=of_study("sentences", "step"),
    with_twins=with_twins(STUDIED["sentences"]),
    # Of the measures beside the AUCs: that of the sentences where there is such a one.
    n=(
        CONFIG["sentences"]["n"]
        if CONFIG["sentences"]["n"] in CONFIG["spectra"]["n"]
        else CONFIG["headline"]["n"]
    ),
    draws=CONFIG["scaling"]["draws"],
    seed=CONFIG["seed"],
    expected=[GEOMETRY.fingerprint(pair) for pair in pairs(JUDGED, STUDIED["sentences"])],
    places_of_twins=places_of_twins(JUDGED, with_twins(STUDIED["sentences"])),
    expected_untrained=[
        TWIN_GEOMETRY.fingerprint(pair_of_twins(pair))
        for pair in pairs(JUDGED, with_twins(STUDIED["sentences"]))
    ],
    expected_profiles=LAWS.fingerprint(),
)


rule which_layer:
    """The label AUC of every layer, and which measures without labels go with it over layers."""
    input:
        profiles="results/scaling/profiles.parquet",
        trained=per_model_and_corpus(
            "results/sentences/{corpus}/{model}.h5", JUDGED, STUDIED["sentences"]
        ),
        untrained=twins_per_model(
            "results/sentences/{corpus}/{model}.untrained.h5",
            JUDGED,
            with_twins(STUDIED["sentences"]),
        ),
    output:
        layers="results/sentences/layers.parquet",
        measures="results/sentences/which_layer.parquet",
        table=report(
            "results/tables/which_layer.csv",
            category="Tables",
            labels={"table": "which layer separates labels"},
        ),
    log:
        "results/logs/which_layer.log",
    benchmark:
        "results/benchmarks/which_layer.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=megabytes_over_all("which_layer"),
        runtime=minutes_over_all("which_layer"),
    params:
        **WHICH_LAYER.params,
    script:
        "../workflow_scripts/which_layer.py"


MAPS = recipe(
    "sentence_maps",
    "corpus",
    models=STUDIED["sentences"],
    umap_neighbours=CONFIG["sentences"]["umap_neighbours"],
    seed=CONFIG["seed"],
    expected=lambda w: [
        GEOMETRY.fingerprint(pair) for pair in pairs([w.corpus], STUDIED["sentences"])
    ],
)


rule sentence_maps:
    """PCA and UMAP of the mean embeddings of every model; one job, since UMAP is slow to start."""
    input:
        per_model("results/sentences/{{corpus}}/{model}.h5", STUDIED["sentences"]),
    output:
        "results/sentences/{corpus}/maps.parquet",
    log:
        "results/logs/sentence_maps/{corpus}.log",
    benchmark:
        "results/benchmarks/sentence_maps/{corpus}.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=megabytes_over_all("sentence_maps"),
        runtime=minutes_over_all("sentence_maps"),
    params:
        **MAPS.params,
    script:
        "../workflow_scripts/sentence_maps.py"

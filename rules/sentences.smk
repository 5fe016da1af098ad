# Needs: stored hidden states, and for the twins the models themselves, of corpora with labels. Makes:
# results/sentences/, the geometry of whole texts and its scores by label, and their tables.


rule sentence_sample:
    """Choose equally many texts of each label, and say of every other text why it is left out."""
    input:
        "results/corpora/{corpus}.parquet",
    output:
        "results/sentences/{corpus}/texts.parquet",
    log:
        "results/logs/sentence_sample/{corpus}.log",
    benchmark:
        "results/benchmarks/sentence_sample/{corpus}.tsv"
    # Labels that do not suffice stop the run before its long work.
    priority: 1
    localrule: True
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=rising(1000),
    params:
        texts_per_label=CONFIG["sentences"]["texts_per_label"],
        seed=CONFIG["seed"],
        fingerprint=lambda w: sample_fingerprint(w.corpus),
        expected=lambda w: [corpus_fingerprint(w.corpus)],
        logic=logic("sentence_sample"),
    script:
        "../workflow_scripts/sentence_sample.py"


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
        n=CONFIG["sentences"]["n"],
        depths=CONFIG["sentences"]["depths"],
        depth_tolerance=CONFIG["scaling"]["depth_tolerance"],
        fingerprint=lambda w: geometry_fingerprint(w.model, w.corpus),
        expected=lambda w: [
            model_fingerprint(w.model),
            states_fingerprint(w.model, w.corpus),
            sample_fingerprint(w.corpus),
        ],
        logic=logic("sentence_geometry"),
    script:
        "../workflow_scripts/sentence_geometry.py"


rule untrained_sentences:
    """The same of the untrained twins, whose states are never stored."""
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
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=megabytes("untrained_sentences"),
        runtime=minutes("untrained_sentences"),
        gpu=gpus(),
    params:
        n=CONFIG["sentences"]["n"],
        depths=CONFIG["sentences"]["depths"],
        depth_tolerance=CONFIG["scaling"]["depth_tolerance"],
        draws=CONFIG["controls"]["untrained_draws"],
        layers=CONFIG["states"]["layers"],
        batch_tokens=CONFIG["states"]["batch_tokens"],
        dtype=lambda w: MODELS[w.model]["dtype"],
        trust_remote_code=lambda w: MODELS[w.model]["trust_remote_code"],
        seed=CONFIG["seed"],
        fingerprint=lambda w: untrained_geometry_fingerprint(w.model, w.corpus),
        expected=lambda w: [
            model_fingerprint(w.model),
            corpus_fingerprint(w.corpus),
            sample_fingerprint(w.corpus),
        ],
        logic=logic("untrained_sentences"),
    script:
        "../workflow_scripts/untrained_sentences.py"


rule summarise_sentences:
    """How well each distance separates labels, with intervals and tests, and how that changes with N."""
    input:
        models=per_model("results/models/{model}/model.json"),
        trained=per_model_and_corpus("results/sentences/{corpus}/{model}.h5", LABELLED),
        untrained=per_model_and_corpus("results/sentences/{corpus}/{model}.untrained.h5", LABELLED),
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
        corpora=LABELLED,
        models=list(MODELS),
        families=[row["family"] for row in MODELS.values()],
        replicates=[replicates.replicate_of(row) for row in MODELS.values()],
        neighbours=CONFIG["sentences"]["neighbours"],
        permutations=CONFIG["sentences"]["permutations"],
        headline_depth=CONFIG["headline"]["depth"],
        draws=CONFIG["scaling"]["draws"],
        seed=CONFIG["seed"],
        fingerprint=sentences_fingerprint(),
        expected=[geometry_fingerprint(m, c) for c in LABELLED for m in MODELS],
        expected_untrained=[untrained_geometry_fingerprint(m, c) for c in LABELLED for m in MODELS],
        logic=logic("summarise_sentences"),
    script:
        "../workflow_scripts/summarise_sentences.py"


rule sentence_maps:
    """PCA and UMAP of the mean embeddings of every model; one job, since UMAP is slow to start."""
    input:
        per_model("results/sentences/{{corpus}}/{model}.h5"),
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
        models=list(MODELS),
        umap_neighbours=CONFIG["sentences"]["umap_neighbours"],
        seed=CONFIG["seed"],
        fingerprint=lambda w: maps_fingerprint(w.corpus),
        expected=lambda w: [geometry_fingerprint(m, w.corpus) for m in MODELS],
        logic=logic("sentence_maps"),
    script:
        "../workflow_scripts/sentence_maps.py"

# Needs: a row of the corpora table. Makes: results/corpora/{corpus}.parquet, the texts that are measured, and
# {corpus}.train.parquet, those on which a ladder may be trained; and of a corpus with labels its sample of sentences.
LISTING = recipe(
    "download_corpus",
    "corpus",
    where=lambda w: CORPORA[w.corpus]["where"],
    revision=lambda w: CORPORA[w.corpus]["revision"],
    files=lambda w: CORPORA[w.corpus]["files"],
)


rule download_corpus:
    """Download the files of a data set on the hub, check every byte, and list them."""
    output:
        "results/corpora/{corpus}.files.json",
    log:
        "results/logs/download_corpus/{corpus}.log",
    benchmark:
        "results/benchmarks/download_corpus/{corpus}.tsv"
    wildcard_constraints:
        corpus=one_of(HUB_CORPORA),
    localrule: True
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=rising(500),
        downloads=1,
    params:
        **LISTING.params,
    script:
        "../workflow_scripts/download_corpus.py"


CORPUS = recipe(
    "fetch_corpus",
    "corpus",
    source=lambda w: CORPORA[w.corpus]["source"],
    where=lambda w: CORPORA[w.corpus]["where"],
    unnamed=lambda w: watched.states_of_others(watched.files_of_corpus(CORPORA[w.corpus])),
    text_column=lambda w: CORPORA[w.corpus]["text_column"],
    label_column=lambda w: CORPORA[w.corpus]["label_column"],
    texts=lambda w: CORPORA[w.corpus]["texts"],
    min_characters=lambda w: CORPORA[w.corpus]["min_characters"],
    train_share=lambda w: CORPORA[w.corpus]["train_share"],
    seed=CONFIG["seed"],
    expected=lambda w: LISTING.fingerprint(w) if w.corpus in HUB_CORPORA else "",
)


rule fetch_corpus:
    """Bring one corpus into the common form, split it, and draw the texts to be measured."""
    input:
        sources=corpus_sources,
        listing=corpus_listing,
    output:
        evaluation="results/corpora/{corpus}.parquet",
        train="results/corpora/{corpus}.train.parquet",
    log:
        "results/logs/fetch_corpus/{corpus}.log",
    benchmark:
        "results/benchmarks/fetch_corpus/{corpus}.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 2
    resources:
        mem_mb=rising(2000),
    params:
        **CORPUS.params,
    script:
        "../workflow_scripts/fetch_corpus.py"


SAMPLE = recipe(
    "sentence_sample",
    "corpus",
    texts_per_label=CONFIG["sentences"]["texts_per_label"],
    seed=CONFIG["seed"],
    expected=lambda w: [CORPUS.fingerprint(w)],
)


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
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=megabytes_of_texts(),
    params:
        **SAMPLE.params,
    script:
        "../workflow_scripts/sentence_sample.py"

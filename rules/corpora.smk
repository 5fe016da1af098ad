# Needs: a row of the corpora table. Makes: results/corpora/{corpus}.parquet, the texts that are measured, and
# {corpus}.train.parquet, those on which a ladder may be trained.
CORPUS_KEYS = (
    "source",
    "where",
    "text_column",
    "label_column",
    "texts",
    "min_characters",
    "train_share",
)


def corpus_sources(wildcards) -> list[str]:
    """The files behind a local corpus, so that an edited file is noticed."""
    row = CORPORA[wildcards.corpus]
    if row["source"] != "local":
        return []
    where = Path(row["where"])
    return sorted(map(str, where.rglob("*.txt"))) if where.is_dir() else [str(where)]


rule fetch_corpus:
    """Bring one corpus into the common form, split it, and draw the texts to be measured."""
    input:
        sources=corpus_sources,
    output:
        evaluation="results/corpora/{corpus}.parquet",
        train="results/corpora/{corpus}.train.parquet",
    log:
        "results/logs/fetch_corpus/{corpus}.log",
    benchmark:
        "results/benchmarks/fetch_corpus/{corpus}.tsv"
    threads: 2
    resources:
        mem_mb=2000,
    params:
        source=lambda w: CORPORA[w.corpus]["source"],
        where=lambda w: CORPORA[w.corpus]["where"],
        text_column=lambda w: CORPORA[w.corpus]["text_column"],
        label_column=lambda w: CORPORA[w.corpus]["label_column"],
        texts=lambda w: CORPORA[w.corpus]["texts"],
        min_characters=lambda w: CORPORA[w.corpus]["min_characters"],
        train_share=lambda w: CORPORA[w.corpus]["train_share"],
        seed=CONFIG["seed"],
        fingerprint=lambda w: corpus_fingerprint(w.corpus),
        logic=logic("fetch_corpus"),
    script:
        "../workflow_scripts/fetch_corpus.py"

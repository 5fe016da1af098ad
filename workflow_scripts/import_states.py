"""Store the hidden states that another engine made of a corpus, as those of any model."""

from infogeo.jobs import binding
from infogeo.files.artefacts import read_table, sha256_file
from infogeo.sources import cards, foreign
from infogeo.states.imported import import_states

ORIGIN = (
    "revision", "commit", "params_total", "params_non_embedding", "tokenizer_sha256",
)  # fmt: skip


def main(files, params, output) -> None:
    """Match the files of states to the texts of the corpus, check them, and write the store."""
    of_model, of_corpus = params.expected
    card = cards.read(files.model, of_model)
    corpus = read_table(files.corpus, of_corpus)
    attrs = {name: card[name] for name in ORIGIN} | {
        "model": params.model,
        "fingerprint": params.fingerprint,
        "corpus_sha256": sha256_file(files.corpus),
    }
    described = foreign.read(params.where, params.corpus)
    import_states(described, corpus, output[0], n=params.n, attrs=attrs)


if __name__ == "__main__":
    binding.run(main, snakemake)

"""Spectra and likelihoods of the texts of a corpus with their words in random order.

A text that a model reads badly looks compressed: with shuffled words the last layer's entropy falls
while the loss doubles. What a model says of such texts shows how much of a difference between
models may be how well they read. One forward pass at the layers of the laws; hidden states are not
stored. See `word_order`, and `work` for the shards.
"""

from dataclasses import dataclass

from infogeo.files.artefacts import read_table, remove_partial
from infogeo.geometry.corpus_spectra import Documents, TextSpectra
from infogeo.geometry.depths import width_at
from infogeo.geometry.prefixes import counting_at, most_texts
from infogeo.geometry.spectra import LayerSpectra
from infogeo.geometry.spectra_file import Tokens, write_spectra_file
from infogeo.geometry.stacks import Stacks
from infogeo.jobs.threads import side_by_side
from infogeo.sources import cards
from infogeo.states import shard_spectra, shards
from infogeo.states.shards import CorpusWork, Passed, PassesTask


@dataclass(frozen=True, kw_only=True)
class ShuffledTask(PassesTask):
    """What a worker needs.

    Attributes
    ----------
    n : tuple of int
        The prefixes.
    widths : dict of layer → d
    nested : bool
        See `corpus_spectra.Documents`.
    """

    n: tuple[int, ...]
    widths: dict[str, int]
    nested: bool


def measure_shuffled(
    card_path,
    corpus_path,
    output,
    *,
    depths: list[str],
    depth_tolerance: float,
    fingerprint: str,
    **settings,
) -> None:
    """Measure a model on the texts of a corpus with their words in random order.

    Parameters
    ----------
    card_path, corpus_path, output : path
        model.json, the corpus's table, and the file of spectra to make: scope ``text`` alone.
    depths, depth_tolerance
        Of the laws, whose layers are measured; see `depths.layers_at`.
    fingerprint : str
        Of the result.
    **settings
        Of the work; see `shards.begin`. n: the prefixes. seed: of the order of the words. threads:
        as many layers are treated at once.

    Raises
    ------
    InfogeoError
        Where an input is not what was expected, a text or layer cannot be computed, or a worker
        fails. What was finished stays, and the next call uses it.

    Notes
    -----
    Verified against a loop that shuffles, encodes and runs one text after another, and takes
    singular values of its states.
    """
    run = shards.begin(
        "shuffled_words",
        card_path,
        corpus_path,
        attention_texts=0,
        determined_by=[fingerprint],
        shuffled=True,
        at_depths=(depths, depth_tolerance),
        **settings,
    )
    task = ShuffledTask(
        **vars(run.task) | {"shards": tuple(range(len(run.files.sizes)))},
        n=tuple(run.n),
        widths={layer: width_at(layer, run.card) for layer in run.layers},
        nested=not cards.is_encoder(run.card),
    )
    run.work.make(make_shards, task, run.files, run.files.missing(), "shuffled words")
    _assemble(run, task, corpus_path, output, fingerprint)
    run.work.close()


def make_shards(task: ShuffledTask) -> None:
    """Make those of some shards that do not exist; the work of one worker."""
    indices = shards.unmade(task)
    if indices:
        with side_by_side(task.model.threads) as each:
            shards.overlap(
                shards.passes(task, indices), lambda passed: _write_shard(task, passed, each)
            )


def _write_shard(task: ShuffledTask, passed: Passed, each) -> None:
    spectra = list(each(lambda layer: _spectra(task, passed, layer), task.layers))
    with shards.shard_store(task, passed, {}, state_lengths={}) as store:
        for layer, of_texts in zip(task.layers, spectra, strict=True):
            group = store.file.create_group(f"reductions/{layer}")
            shard_spectra.save_text_spectra(group, of_texts.spectra, of_texts.norms)


def _spectra(task: ShuffledTask, passed: Passed, layer: str) -> TextSpectra:
    """The spectra of the texts of a shard at a layer."""
    shard, lengths = passed.shard, passed.encoded.lengths
    texts = {
        n: shard.start + counting_at(n, lengths[shard.start : shard.stop], task.nested).nonzero()[0]
        for n in task.n
    }
    most = most_texts(task.n, lengths, task.nested)
    of_texts = TextSpectra(texts, task.widths[layer], task.nested, most)
    stacks = Stacks(task.widths[layer], of_texts.add)
    for text, Z in passed.states(layer):
        stacks.add(text, Z, shard_spectra.longest_prefix(sorted(task.n), len(Z)))
    stacks.flush()
    return of_texts


def _assemble(run: CorpusWork, task: ShuffledTask, corpus_path, output, fingerprint) -> None:
    """Make one file of spectra of all shards."""
    remove_partial(output)
    encoded = run.encoded
    corpus = read_table(corpus_path, columns=["doc_id", "source"]).iloc[encoded.corpus_rows]
    documents = Documents.of(
        corpus["doc_id"], corpus["source"], encoded.lengths, task.n, task.nested
    )
    arrays = shards.token_arrays(task)
    scores = {name: arrays[name] for name in ("nll", "predictive_entropy", "token_end_byte")}

    def layers():
        for layer, width in task.widths.items():
            groups = shards.shard_groups(task, layer)
            texts = shard_spectra.text_spectra(groups, documents.texts, width)
            spectra = {("text", *key): spectrum for key, spectrum in texts.spectra.items()}
            yield LayerSpectra(layer, width, spectra, texts.norms)

    write_spectra_file(output, documents, Tokens(encoded.offsets, **scores), layers(), fingerprint)

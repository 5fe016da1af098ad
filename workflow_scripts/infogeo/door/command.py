"""The command `infogeo`: measures of files of states, and stores for other tools."""

import argparse
import contextlib
import sys
from pathlib import Path

import infogeo
from infogeo.door.measure import EPS2, LAMBDAS, measure
from infogeo.files.artefacts import replacing
from infogeo.files.errors import InfogeoError
from infogeo.files.tables import write_csv
from infogeo.jobs.progress import Heartbeat
from infogeo.sources import cards
from infogeo.sources import foreign as foreign_model
from infogeo.states import array_files, foreign
from infogeo.states.array_files import Part
from infogeo.states.imported import export_store
from infogeo.states.store import is_store, open_store

TABLES = (".csv", ".parquet")


def main(arguments: list[str] | None = None) -> None:
    """Run the command; an error that is meant for users ends it with its message alone."""
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except InfogeoError as error:
        sys.exit(f"infogeo: {error}")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    whole = argparse.ArgumentParser(prog="infogeo", description=infogeo.__doc__.split("\n")[0])
    whole.add_argument("--version", action="version", version=f"infogeo {infogeo.__version__}")
    commands = whole.add_subparsers(required=True, metavar="command")
    one = commands.add_parser(
        "measure", help="every metric of hidden states in a file",
        description="Every metric of the hidden states in a file, a folder of files or a store of "
        "the workflow, as a long table. A file holds matrices (tokens, width) or batches (texts, "
        "tokens, width), one a layer; docs/library.md has the formats.",
    )  # fmt: skip
    one.add_argument("states", type=Path, help=f"{', '.join(array_files.READERS)}, or a folder")
    one.add_argument("--layers", default="all", help="all, or names with commas: 0,12,final")
    one.add_argument("--out", type=Path, help=".csv or .parquet; without it CSV is printed")
    one.add_argument(
        "--n", type=_numbers(int), help="first tokens of a text: 32,128 (default: all)"
    )
    one.add_argument("--eps2", type=_numbers(float), default=EPS2, help="ε² of the coding rates")
    one.add_argument("--lambdas", type=_numbers(float), default=LAMBDAS, help="λ of the mean gains")
    one.add_argument("--corpus", action="store_true", help="measure the texts together too")
    one.add_argument("--threads", type=int, help="texts side by side (default: all processors)")
    one.set_defaults(run=_measure)
    one = commands.add_parser(
        "export", help="a store of the workflow as files for other tools",
        description="A store of hidden states as safetensors, or as .npy files that NumPy maps "
        "into memory. Beside them a states.json, by which a row of source `states` reads them.",
    )  # fmt: skip
    one.add_argument("store", type=Path, help="results/hidden_states/CORPUS/MODEL.h5")
    one.add_argument("folder", type=Path, help="where to write; ends in the name of the corpus")
    one.add_argument("--format", choices=("safetensors", "npy"), default="safetensors")
    one.set_defaults(run=_export)
    return whole


def _numbers(kind):
    def read(text: str) -> list:
        return [kind(part) for part in text.split(",")]

    read.__name__ = f"list of {kind.__name__}"  # argparse's message shows it
    return read


def _measure(options) -> None:
    import pandas as pd

    if options.out and options.out.suffix not in TABLES:
        raise InfogeoError(f"--out {options.out}: tables are written as {' or '.join(TABLES)}.")
    with _states(options.states, options.n) as (doc_ids, layers):
        if options.layers != "all":
            chosen = options.layers.split(",")
            if unknown := [name for name in chosen if name not in layers]:
                raise InfogeoError(
                    f"--layers {','.join(unknown)}: not in {options.states}; it has "
                    f"{', '.join(layers)}."
                )
            layers = {name: layers[name] for name in chosen}
        beat = Heartbeat(str(options.states), len(layers), "layers")
        frames = []
        for done, (name, texts) in enumerate(layers.items()):
            beat.update(done)
            frames.append(
                measure({name: texts}, doc_ids=doc_ids, n=options.n, corpus=options.corpus,
                        eps2=options.eps2, lambdas=options.lambdas, threads=options.threads)
            )  # fmt: skip
        beat.close()
    table = pd.concat(frames, ignore_index=True)
    if options.out is None:
        table.to_csv(sys.stdout, index=False, float_format="%.10g", lineterminator="\n")
    elif options.out.suffix == ".csv":
        write_csv(table, options.out)
    else:
        with replacing(options.out) as temporary:
            table.to_parquet(temporary, index=False)
    if options.out:
        print(
            f"{len(doc_ids):,} texts, layers {', '.join(layers)}: {len(table):,} values in "
            f"{options.out}", file=sys.stderr,
        )  # fmt: skip


def _export(options) -> None:
    with open_store(options.store) as store:
        card = cards.read(_card_of(options.store))
        facts = {name: card[name] for name in foreign_model.SIZES}
        facts |= {name: card[name] for name in foreign_model.OPTIONAL if card[name] is not None}
        files = export_store(store, facts, options.folder, options.format)
    print(f"{len(files)} files in {options.folder}", file=sys.stderr)


def _card_of(store: Path) -> Path:
    """The model.json beside the stores of results/."""
    return store.resolve().parents[2] / "models" / store.stem / "model.json"


@contextlib.contextmanager
def _states(path: Path, n: list[int] | None):
    """Yield the names of the texts in a file, folder or store, and their states by layer.

    Of an encoder's store those of one n: a prefix of a longer pass is no shorter text.
    """
    if is_store(path):
        with open_store(path) as store:
            texts = dict(zip(store.state_texts.tolist(), store.state_lengths.tolist(), strict=True))
            if not store.nested:
                if n is None or len(n) != 1:
                    lengths = ", ".join(map(str, sorted(set(texts.values()))))
                    raise InfogeoError(
                        f"{path}: the store of an encoder, whose texts have a pass of their own at "
                        f"each length. Give one of these as --n: {lengths}."
                    )
                texts = {text: length for text, length in texts.items() if length == n[0]}
            yield (
                [store.doc_ids[text] for text in texts],
                {
                    layer: [
                        Part(_Layer(store, layer), text, (length, store.widths[layer]))
                        for text, length in texts.items()
                    ]
                    for layer in store.layers
                },
            )
        return
    texts = foreign.texts_in(path)
    layers = list(texts[0].layers)
    for text in texts:
        if list(text.layers) != layers:
            raise InfogeoError(
                f"{path}: text {text.doc_id!r} has layers {', '.join(text.layers)}, and "
                f"{texts[0].doc_id!r} {', '.join(layers)}. Measure them in calls of their own."
            )
    yield (
        [text.doc_id for text in texts],
        {layer: [text.layers[layer] for text in texts] for layer in layers},
    )


class _Layer:
    """A layer of a store, indexed by text."""

    def __init__(self, store, layer: str):
        self.store, self.layer = store, layer

    def __getitem__(self, text: int):
        return self.store.read(text, self.layer)

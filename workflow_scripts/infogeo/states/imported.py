"""States of another engine into a store, and a store into files for other tools."""

import json
from pathlib import Path

import numpy as np

from infogeo.files.artefacts import replacing
from infogeo.files.errors import InfogeoError
from infogeo.geometry.rows import check_finite
from infogeo.jobs.progress import Heartbeat
from infogeo.sources import foreign as descriptions
from infogeo.sources.foreign import DESCRIPTION, Description
from infogeo.states import array_files
from infogeo.states.foreign import Text, form_of, texts_of_files
from infogeo.states.layout import STORED, TOKEN_ARRAYS, to_float32
from infogeo.states.store import HiddenStates, open_store
from infogeo.states.store_writer import create_store

BLOCK_BYTES = 1 << 24  # of a layer that are read together
TENSOR_NAMES = {np.dtype(kind): name for name, kind in array_files.TENSORS.items()}
NEEDED = ("token_ids", "token_end_byte")
LIKELIHOODS = ("nll", "predictive_entropy")


def import_states(described: Description, corpus, output, *, n: list[int], attrs: dict) -> None:
    """Write the store of a model whose states lie in files.

    Parameters
    ----------
    described : Description
    corpus : pandas.DataFrame
        doc_id, text, label, source: texts are matched by doc_id and take its order.
    output : path
    n : list of int
        Texts of fewer than min(n) tokens are left out, the others cut to max(n).
    attrs : dict
        Of the store.

    Raises
    ------
    InfogeoError
        Naming file, text or layer: where texts, tokens and states do not belong together, or a
        value is not finite. Nothing is written then.
    """
    texts = texts_of_files(described.paths(), described.folder, form_of(described))
    texts = _matched(texts, corpus, described)
    taken = [text for text in texts if text.length >= min(n)]
    if not taken:
        raise InfogeoError(
            f"{described.folder}: no text has {min(n)} tokens (spectra.n); the longest has "
            f"{max((text.length for text in texts), default=0)}. Lower spectra.n, or save the "
            "states of more tokens."
        )
    rows = corpus.set_index("doc_id").loc[[text.doc_id for text in taken]]
    lengths = [min(text.length, max(n)) for text in taken]
    layers = sorted(taken[0].layers, key=lambda name: (name == "final", len(name), name))
    beat, done = Heartbeat(f"{attrs['model']}: import", sum(lengths) * len(layers), "rows"), 0
    with replacing(output) as temporary:
        with create_store(
            temporary,
            attrs=attrs | {"texts_left_out": len(corpus) - len(taken), "attention_problem":
                           f"no attention: {descriptions.NO_MODEL}", "batches_split": 0},
            doc_ids=list(rows.index), sources=rows["source"].tolist(),
            labels=rows["label"].tolist(), lengths=lengths,
            widths={name: taken[0].layers[name].shape[1] for name in layers},
            dtype=described.dtype,
            post_norm=[name for name in described.post_norm if name in layers],
        ) as store:  # fmt: skip
            store.write_attention([], [], [])
            for text, start, length in zip(taken, store.offsets, lengths, strict=False):
                store.write_tokens(int(start), **_tokens(text, length))
                for name in layers:
                    store.write_hidden(name, int(start), _states(text, name, length, described))
                    done += length
                    beat.update(done)
        with open_store(temporary) as store:
            store.verify(hidden=False)


def _matched(texts: list[Text], corpus, described: Description) -> list[Text]:
    """The texts in the order of the corpus, each checked against the first and the description."""
    folder, model = described.folder, described.model
    by_name = {text.doc_id: text for text in texts}
    known = corpus["doc_id"].tolist()
    if unknown := sorted(set(by_name) - set(known)):
        raise InfogeoError(
            f"{folder}: {len(unknown)} of {len(texts)} texts are not in the corpus, such as "
            f"{unknown[0]!r}. Name each text by its doc_id in results/corpora (a file a text: by "
            "the name of the file; or an array doc_ids)."
        )
    matched = [by_name[name] for name in known if name in by_name]
    for text in matched:
        where = f"{folder}, text {text.doc_id!r}"
        for name in NEEDED:
            if name not in text.tokens:
                raise InfogeoError(f"{where}: no array {name}. Give one number a token.")
        if set(text.layers) != set(matched[0].layers):
            raise InfogeoError(
                f"{where}: layers {', '.join(text.layers)}, but text {matched[0].doc_id!r} has "
                f"{', '.join(matched[0].layers)}. Save the same layers of all texts."
            )
        for name, states in text.layers.items():
            if problem := descriptions.layer_problem(name, model["layers"]):
                raise InfogeoError(f"{where}: {problem}. Name them in states.json (layers).")
            width = model["width"]
            if name == "final":
                width = model.get("final_width", width)
            if states.shape[1] != width:
                raise InfogeoError(
                    f"{where}, layer {name}: width {states.shape[1]}, but states.json says "
                    f"{width}. Correct model.width or final_width."
                )
    return matched


def _tokens(text: Text, length: int) -> dict[str, np.ndarray]:
    """The arrays of `layout.TOKEN_ARRAYS` of a text; likelihoods NaN where one of them lacks."""
    arrays = {name: values[:length] for name, values in text.tokens.items()}
    if not all(name in arrays for name in LIKELIHOODS):
        arrays |= {name: np.full(length, np.nan) for name in LIKELIHOODS}
    arrays.setdefault("special_mask", np.zeros(length, bool))
    return {name: arrays[name].astype(kind) for name, kind in TOKEN_ARRAYS.items()}


def _states(text: Text, layer: str, length: int, described: Description) -> np.ndarray:
    """The first states of a text at a layer, float32, exact in the dtype of the description."""
    values = np.asarray(text.layers[layer])[:length]
    check_finite(values, f"{described.folder}, text {text.doc_id!r}, layer {layer}")
    return values.astype(np.float32)


# ---------------------------------------------------------------- for other tools


def export_store(store: HiddenStates, model: dict, folder, kind: str) -> list[Path]:
    """Write a store as files that other tools read, with the states.json that reads them back.

    Parameters
    ----------
    store : HiddenStates
        With all of its hidden states.
    model : dict
        SIZES of `infogeo.sources.foreign`, and of its OPTIONAL what is known.
    folder : path-like
    kind : {"safetensors", "npy"}
        One file of all arrays, or one each, which NumPy maps into memory. bfloat16 stays what it
        is in the first and becomes float32, exactly, in the second.

    Returns
    -------
    list of Path

    Raises
    ------
    InfogeoError
        Where the store is reduced.
    """
    if store.reduced or not store.nested:
        raise InfogeoError(
            f"{store.path}: holds hidden states of some texts only, or each once for each n; only "
            "a whole store is exported (keep_hidden_states: true, no encoder)."
        )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write = _write_safetensors if kind == "safetensors" else _write_npy
    files = write(store, folder)
    description = {
        "model": model, "dtype": store.dtype, "files": [path.name for path in files],
        "layers": {layer: layer for layer in store.layers}, "doc_ids": store.doc_ids,
        "post_norm": [layer for layer in store.layers if store.post_norm[layer]],
    }  # fmt: skip
    path = folder / DESCRIPTION
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
    return [*files, path]


def _arrays(store: HiddenStates, mapped: bool):
    """Name, type, shape and blocks of rows of every array of a store."""
    yield "offsets", np.dtype("<i8"), store.offsets.shape, [store.offsets]
    for name, kind in TOKEN_ARRAYS.items():
        values = store.token_array(name)
        yield name, kind, values.shape, [values]
    kind = np.dtype("<f4") if mapped and store.dtype == "bfloat16" else STORED[store.dtype]
    for layer in store.layers:
        shape = store.state_rows, store.widths[layer]
        yield layer, kind, shape, _blocks(store, layer, kind)


def _blocks(store: HiddenStates, layer: str, kind):
    rows = max(1, BLOCK_BYTES // (4 * store.widths[layer]))
    for start in range(0, store.state_rows, rows):
        block = store.read_stored(layer, start, min(start + rows, store.state_rows))
        yield block if block.dtype == kind else to_float32(block)


def _write_safetensors(store: HiddenStates, folder: Path) -> list[Path]:
    path, header, end, arrays = folder / "states.safetensors", {}, 0, []
    for name, kind, shape, blocks in _arrays(store, mapped=False):
        size = int(np.prod(shape)) * kind.itemsize
        named = "BF16" if kind == np.dtype("<u2") else TENSOR_NAMES[kind]
        header[name] = {"dtype": named, "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
        arrays.append(blocks)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for blocks in arrays:
            for block in blocks:
                file.write(np.ascontiguousarray(block).tobytes())
    return [path]


def _write_npy(store: HiddenStates, folder: Path) -> list[Path]:
    paths = []
    for name, kind, shape, blocks in _arrays(store, mapped=True):
        path, row = folder / f"{name}.npy", 0
        with replacing(path) as temporary:
            temporary.touch()
            target = np.lib.format.open_memmap(temporary, "w+", kind, shape)
            for block in blocks:
                target[row : row + len(block)] = block
                row += len(block)
            target.flush()
        paths.append(path)
    return paths

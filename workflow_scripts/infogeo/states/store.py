"""The hidden-state store: one HDF5 file per model and corpus, plain, checksummed, repeatable.

A store holds the tokens of a list of texts one after another: row r of every array is token r, and
`offsets` says where each text starts. Hidden states are one dataset per layer in chunks of whole
rows with a Fletcher-32 checksum and no compression (hidden states do not compress). The same
inputs give the same bytes: no times, hosts or job ids are stored.

A reduced store (`keep_hidden_states: false`) holds the same of every text but hidden states, which
it has of some texts and layers only: `/documents/state_texts` names the texts, `state_lengths` says
of how many of their first tokens, and the rows under `/hidden` are these, one text after another.
"""

import contextlib
from pathlib import Path

import h5py
import numpy as np

from infogeo.files import hdf5
from infogeo.files.artefacts import disk_full, is_disk_full
from infogeo.files.errors import InfogeoError

FORMAT = hdf5.Format("infogeo hidden states", 1, "hidden-state store")
CHUNK_BYTES = 1 << 20  # of a hidden-state chunk: whole rows, at most this (and at least one row)
TOKEN_CHUNK = 1 << 14  # entries of a chunk of the per-token arrays
CHECKSUM = 4  # bytes of Fletcher-32 after each chunk
BLOCK_BYTES = 1 << 24  # of float32 that `states` holds at once

AGAIN = "Give the same command again: it makes the file anew."  # of files that no rule makes
REMEDY = (
    " With keep_hidden_states: false only those that the workflow needs are kept; set it to true "
    "and run the workflow again for all."
)

# What one number occupies in a file, and the NumPy type that carries its bits.
STORED = {"float32": np.dtype("<f4"), "float16": np.dtype("<f2"), "bfloat16": np.dtype("<u2")}
TOKEN_ARRAYS = {
    "token_ids": np.dtype("<i4"),
    "special_mask": np.dtype("bool"),
    "token_end_byte": np.dtype("<i4"),
    "nll": np.dtype("<f4"),
    "predictive_entropy": np.dtype("<f4"),
}


def chunk_rows(width: int, dtype: str, rows: int) -> int:
    """Rows of one chunk of a layer: about 1 MiB of whole rows, never more than there are."""
    return max(1, min(rows, CHUNK_BYTES // (width * STORED[dtype].itemsize)))


def _file_type(dtype: str):
    """The HDF5 type of a stored dtype; bfloat16 is a true 16-bit float that any reader converts."""
    if dtype != "bfloat16":
        return h5py.h5t.py_create(STORED[dtype])
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_fields(15, 7, 8, 0, 7)  # sign bit, exponent at 7 with 8 bits, mantissa at 0 with 7
    kind.set_size(2)
    kind.set_ebias(127)
    return kind


def to_stored(values, dtype: str) -> np.ndarray:
    """Float32 numbers in the representation that a file holds: rounded to nearest, ties to even.

    Parameters
    ----------
    values : (n, d) float32 ndarray
    dtype : {'float32', 'float16', 'bfloat16'}

    Returns
    -------
    (n, d) ndarray
        float32, float16, or the 16 bits of bfloat16 as uint16. Values beyond the range of the
        type become infinite.
    """
    values = np.ascontiguousarray(values, dtype="<f4")
    if dtype == "bfloat16":
        bits = values.view("<u4")
        rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
        # A NaN must stay one: rounding up could carry its mantissa into the exponent.
        return np.where(np.isnan(values), 0x7FC0, rounded).astype("<u2")
    with np.errstate(over="ignore"):
        return values.astype(STORED[dtype])


def to_float32(stored: np.ndarray) -> np.ndarray:
    """The inverse of `to_stored`, exact: uint16 is taken as the bits of bfloat16."""
    if stored.dtype == np.dtype("<u2"):
        wide = stored.astype("<u4")
        wide <<= 16
        return wide.view("<f4")
    return stored.astype("<f4", copy=False)


@contextlib.contextmanager
def create_store(
    path,
    *,
    attrs: dict,
    doc_ids,
    sources,
    labels,
    lengths,
    widths: dict,
    dtype: str,
    post_norm=(),
    first_row: int = 0,
    total_rows: int | None = None,
    kept: dict[int, int] | None = None,
):
    """Create a store at `path` and yield its `StoreWriter`.

    The caller chooses a temporary name and moves the finished file into place.

    Parameters
    ----------
    path : path
    attrs : dict of str, int, float or list of str
        Attributes of the file; None is stored as ''.
    doc_ids, sources, labels : sequences of str, one per text
    lengths : sequence of int
        Tokens of each text.
    widths : dict of layer name -> d
        In the order in which the layers are to appear.
    dtype : {'float32', 'float16', 'bfloat16'}
    post_norm : collection of layer names
        Layers whose states come after the final norm.
    first_row, total_rows : int
        For a shard: where its rows lie in the whole file, and the rows of that. Its chunks then
        cut the rows where those of the whole file do, so that most can be copied as they are.
    kept : dict of int to int, optional
        For a reduced store: the texts, rising, whose hidden states it is to hold, and of how many
        of their first tokens.

    Raises
    ------
    InfogeoError
        Where the disk is full.
    """
    file = None
    try:
        # HDF5 brings the process down at exit if it could not flush a file. So a disk that is full
        # already shows here; and without a cache of chunks (rows come in whole chunks, or nearly)
        # little is left to flush on one that fills up.
        Path(path).write_bytes(bytes(1 << 16))
        file = hdf5.create(path, rdcc_nbytes=0)
        writer = StoreWriter(file, path, attrs, lengths, widths, dtype, first_row, total_rows, kept)
        writer._documents(doc_ids, sources, labels)
        writer._layers(widths, post_norm)
        yield writer
        file.close()
    except (OSError, RuntimeError) as error:
        if is_disk_full(error):
            raise disk_full(path) from error
        raise
    finally:
        if file is not None and file.id.valid:
            # Only after an error: closing may then fail too, and must not hide it.
            with contextlib.suppress(OSError, RuntimeError):
                file.close()


class StoreWriter:
    """Writes the arrays of a store; made by `create_store`."""

    def __init__(self, file, path, attrs, lengths, widths, dtype, first_row, total_rows, kept):
        self.file, self.path, self.dtype = file, Path(path), dtype
        self.offsets = _offsets(lengths)
        self.kept = kept
        self.state_offsets = self.offsets if kept is None else _offsets(list(kept.values()))
        self.first_row = first_row
        self.total_rows = int(self.state_offsets[-1]) if total_rows is None else total_rows
        for name, value in {
            "format": FORMAT.name,
            "format_version": FORMAT.version,
            **attrs,
            "layers": list(widths),
            "dtype": dtype,
            "first_row": first_row,
        }.items():
            file.attrs[name] = "" if value is None else value

    def _documents(self, doc_ids, sources, labels):
        group = self.file.create_group("documents")
        for name, values in (("doc_id", doc_ids), ("source", sources), ("label", labels)):
            encoded = [str(value).encode() for value in values]
            # Fixed length: strings of variable length live in a heap apart, one by one.
            length = max([1, *map(len, encoded)])
            kind = h5py.string_dtype("utf-8", length)
            group.create_dataset(name, data=np.array(encoded, dtype=kind))
        group.create_dataset("offsets", data=self.offsets)
        if self.kept is not None:
            group.create_dataset("state_texts", data=np.array(list(self.kept), "<i4"))
            group.create_dataset("state_lengths", data=np.array(list(self.kept.values()), "<i4"))
        rows = int(self.offsets[-1])
        for name, kind in TOKEN_ARRAYS.items():
            self.file.create_dataset(
                name, (rows,), kind, chunks=(max(1, min(rows, TOKEN_CHUNK)),), fletcher32=True
            )

    def _layers(self, widths, post_norm):
        hidden = self.file.create_group("hidden")
        rows = int(self.state_offsets[-1])
        self._hidden = {}
        for layer, width in widths.items():
            chunk = chunk_rows(width, self.dtype, self.total_rows)
            shift = self.first_row % chunk
            whole = self.first_row == 0 and self.total_rows == rows
            # A shard is filled up to whole chunks: HDF5 wants no chunk longer than its dataset.
            length = rows if whole else -(-(shift + rows) // chunk) * chunk
            dataset = hidden.create_dataset(
                layer,
                shape=(length, width),
                maxshape=None if length else (chunk, width),  # no chunk is longer than that
                dtype=_file_type(self.dtype),
                chunks=(chunk, width),
                fletcher32=True,
            )
            dataset.attrs["post_norm"] = layer in post_norm
            self._hidden[layer] = (dataset, shift)

    def write_tokens(self, row: int, **arrays) -> None:
        """Write per-token arrays (names of `TOKEN_ARRAYS`) from a row of this file on."""
        for name, values in arrays.items():
            self.file[name][row : row + len(values)] = values

    def write_hidden(self, layer: str, row: int, values: np.ndarray) -> None:
        """Write rows of a layer from a row of this file on.

        Parameters
        ----------
        layer : str
        row : int
        values : (m, d) ndarray
            float32, or what `to_stored` returns.

        Raises
        ------
        InfogeoError
            Where a finite value has no finite float16, naming model, layer and text.
        """
        dataset, shift = self._hidden[layer]
        if values.dtype != STORED[self.dtype]:
            stored = to_stored(values, self.dtype)
            if self.dtype == "float16":
                bad = np.isinf(stored).any(axis=1) & np.isfinite(values).all(axis=1)
                if bad.any():
                    self._overflow(layer, row + int(bad.argmax()))
            values = stored
        values = np.ascontiguousarray(values)
        target = dataset.id.get_space()
        target.select_hyperslab((shift + row, 0), values.shape)
        source = h5py.h5s.create_simple(values.shape)
        dataset.id.write(source, target, values, mtype=dataset.id.get_type())

    def _overflow(self, layer, row):
        text = int(np.searchsorted(self.state_offsets, row, side="right")) - 1
        text = text if self.kept is None else list(self.kept)[text]
        doc_id = _strings(self.file["documents/doc_id"])[text]
        raise overflow(self.file.attrs.get("model", ""), layer, doc_id)

    def write_attention(self, texts, last_rows, rollouts) -> None:
        """Write the attention of the last token of some texts.

        Parameters
        ----------
        texts : list of int
            Indices of the texts, rising.
        last_rows : list of (heads, n) float32 ndarrays
        rollouts : list of (n,) float32 ndarrays
        """
        group = self.file.create_group("attention")
        group.attrs["heads"] = int(last_rows[0].shape[0]) if texts else 0
        lengths = [len(row) for row in rollouts]
        arrays = {
            "texts": np.array(texts, dtype="<i4"),
            "offsets": np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]),
            "last_row": np.concatenate([row.ravel() for row in last_rows] or [np.zeros(0)]),
            "rollout_row": np.concatenate(rollouts or [np.zeros(0)]),
        }
        for name, values in arrays.items():
            if name.endswith("row"):
                values = values.astype("<f4")
            group.create_dataset(
                name, data=values, fletcher32=bool(len(values)), chunks=bool(len(values)) or None
            )

    def copy_rows(self, shard: "HiddenStates") -> None:
        """Write the rows of a shard of this file, and read them back.

        Chunks that lie whole in the shard are copied as they are, checksums included, and must
        come back byte for byte; those at its seams are read back through their checksums. Shards
        must come in order, each beginning where the last ended.

        Raises
        ------
        InfogeoError
            Where what comes back is not what was written.
        """
        first, last = shard.first_row, shard.first_row + int(shard.offsets[-1])
        for name in TOKEN_ARRAYS:
            with hdf5.reading(self.path, name, AGAIN):  # the chunk at the seam is rewritten
                self.write_tokens(first, **{name: shard._flat(name)})
        for layer in self._hidden:
            with hdf5.reading(self.path, f"hidden/{layer}", AGAIN):
                self._copy_hidden(shard, layer, first, last)

    def _copy_hidden(self, shard, layer, first, last):
        target, source = self._hidden[layer][0], shard._hidden[layer]
        chunk = target.chunks[0]
        # Rows of this file whose chunks lie whole in the shard.
        low, high = -(-first // chunk) * chunk, last // chunk * chunk
        edges = [(first, last)] if low >= high else [(first, low), (high, last)]
        for start, stop in edges:
            if start < stop:
                values = shard.read_stored(layer, start - first, stop - first)
                self.write_hidden(layer, start, values)
                _read_through(target, start, stop, self.dtype)
        size = chunk * target.shape[1] * STORED[self.dtype].itemsize + CHECKSUM
        written, found = bytearray(size), bytearray(size)
        base = first - first % chunk  # the row at which the shard's first chunk begins
        for row in range(low, high, chunk):
            mask, _ = source.id.read_direct_chunk((row - base, 0), out=written)
            target.id.write_direct_chunk((row, 0), written, mask)
            target.id.read_direct_chunk((row, 0), out=found)
            if found != written:
                raise OSError(f"the chunk at row {row} is not what was written there")


def _read_through(dataset, start: int, stop: int, dtype: str) -> None:
    """Read rows of a layer chunk by chunk, which checks their checksums."""
    chunk, width = dataset.chunks[0], dataset.shape[1]
    room = np.empty((chunk, width), STORED[dtype])
    for row in range(start - start % chunk, stop, chunk):
        low, high = max(row, start), min(row + chunk, stop)
        _read_rows(dataset, low, room[: high - low])


def _read_rows(dataset, row: int, values: np.ndarray) -> None:
    """Read rows from `row` on into an array of the stored kind; nothing is converted."""
    chosen = dataset.id.get_space()
    chosen.select_hyperslab((row, 0), values.shape)
    # The file's own type as the memory type: bits are moved as they are.
    dataset.id.read(h5py.h5s.create_simple(values.shape), chosen, values, dataset.id.get_type())


def overflow(model: str, layer: str, doc_id: str) -> InfogeoError:
    """The error for a hidden state that float16 cannot hold."""
    return InfogeoError(
        f"model {model!r}, layer {layer}, text {doc_id!r}: a hidden state is beyond the range of "
        "float16 (65504). Set the model's dtype to bfloat16 or float32 in the models table."
    )


def _offsets(lengths) -> np.ndarray:
    """Where each text begins, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def _strings(dataset) -> list[str]:
    return [value.decode() for value in dataset[:]]


class HiddenStates:
    """Reader of a store; made by `open_store`.

    Attributes
    ----------
    attrs : dict
    layers : list of str
    doc_ids, sources, labels : lists of str, one per text
    offsets : (texts + 1,) int64 ndarray
    lengths : (texts,) int64 ndarray
    widths : dict of layer -> d
    post_norm : dict of layer -> bool
    attention_texts : list of int
        Indices of the texts whose attention rows are stored.
    reduced : bool
        Whether hidden states are there of some texts and layers only.
    state_texts : int ndarray
        Indices of the texts whose hidden states are stored; in a reduced store perhaps those of
        their first tokens alone.
    state_rows : int
        Tokens whose hidden states are stored.
    """

    def __init__(self, file, path, remedy: str = ""):
        self.file, self.path, self.remedy = file, Path(path), remedy
        self.attrs = {name: _plain(value) for name, value in file.attrs.items()}
        self.layers = list(self.attrs["layers"])
        self.first_row = int(self.attrs["first_row"])
        self.dtype = self.attrs["dtype"]
        documents = file["documents"]
        self.doc_ids = _strings(documents["doc_id"])
        self.sources = _strings(documents["source"])
        self.labels = _strings(documents["label"])
        self.offsets = documents["offsets"][:]
        self.lengths = np.diff(self.offsets)
        self.reduced = "state_texts" in documents
        self.state_texts, self._state_offsets = np.arange(len(self.lengths)), self.offsets
        if self.reduced:
            self.state_texts = documents["state_texts"][:]
            self._state_offsets = _offsets(documents["state_lengths"][:])
        self.state_rows = int(self._state_offsets[-1])
        self._hidden = {layer: file["hidden"][layer] for layer in self.layers}
        self._chunks = {layer: dataset.chunks[0] for layer, dataset in self._hidden.items()}
        self.widths = {layer: dataset.shape[1] for layer, dataset in self._hidden.items()}
        self.post_norm = {
            layer: bool(dataset.attrs["post_norm"]) for layer, dataset in self._hidden.items()
        }
        self.attention_texts, self._attention_offsets = [], np.zeros(1, dtype=np.int64)
        if "attention" in file:
            self.attention_texts = file["attention/texts"][:].tolist()
            self._attention_offsets = file["attention/offsets"][:]

    def token_ids(self) -> np.ndarray:
        """Token ids of all texts, one after another. (T,) int32."""
        return self._flat("token_ids")

    def nll(self) -> np.ndarray:
        """Negative log-likelihood (nats) of each token given those before; NaN at a text's first.

        (T,) float32.
        """
        return self._flat("nll")

    def predictive_entropy(self) -> np.ndarray:
        """Entropy (nats) of the prediction of each token; NaN at a text's first. (T,) float32."""
        return self._flat("predictive_entropy")

    def special_mask(self) -> np.ndarray:
        """Whether each token is one that the tokenizer added. (T,) bool."""
        return self._flat("special_mask")

    def token_end_byte(self) -> np.ndarray:
        """UTF-8 byte offset in its text at which each token ends. (T,) int32."""
        return self._flat("token_end_byte")

    def _flat(self, name):
        with self._reading(name):
            return self.file[name][:]

    def read(self, text: int, layer: str) -> np.ndarray:
        """Hidden states of one text at one layer. (n, d) float32; see `state_texts`.

        Raises
        ------
        InfogeoError
            Where the text or the layer is not stored, or the file is damaged.
        """
        place = int(np.searchsorted(self.state_texts, text))
        if place == len(self.state_texts) or self.state_texts[place] != text:
            raise InfogeoError(
                f"{self.path}: no hidden states of text {self.doc_ids[text]!r}; it keeps those of "
                f"{len(self.state_texts)} of {len(self.lengths)} texts.{REMEDY}"
            )
        start, stop = self._state_offsets[place : place + 2].tolist()
        return to_float32(self.read_stored(layer, start, stop))

    def read_stored(self, layer: str, start: int, stop: int) -> np.ndarray:
        """Rows of a layer in the stored representation (see `to_stored`). (stop - start, d)."""
        if layer not in self.widths:
            raise InfogeoError(
                f"{self.path}: no layer {layer!r}; it holds {', '.join(self.layers)}."
                f"{REMEDY if self.reduced else ''}"
            )
        values = np.empty((stop - start, self.widths[layer]), STORED[self.dtype])
        if len(values):
            with self._reading(f"hidden/{layer}"):
                _read_rows(self._hidden[layer], self._shift(layer) + start, values)
        return values

    def _shift(self, layer):
        """Rows before the first in a layer of a shard, whose chunks are cut as the whole file's."""
        return self.first_row % self._chunks[layer]

    def states(self, layers=None):
        """Iterate over hidden states, layer by layer and, within a layer, text by text.

        The file is read in blocks of some 16 MiB, each chunk once. A reduced store gives those
        that it has.

        Parameters
        ----------
        layers : list of str, optional
            Default: all, in stored order.

        Yields
        ------
        text : int
        layer : str
        Z : (n, d) float32 ndarray
            A view of the block in memory; copy it to keep it.
        """
        for layer in self.layers if layers is None else layers:
            rows = max(1, BLOCK_BYTES // (4 * self.widths.get(layer, 1)))
            offsets, place = self._state_offsets, 0
            while place < len(self.state_texts):
                start = offsets[place]
                stop = int(np.searchsorted(offsets, start + rows, side="right")) - 1
                stop = max(place + 1, stop)
                ends = offsets[place : stop + 1] - start
                block = to_float32(self.read_stored(layer, int(start), int(offsets[stop])))
                for index in range(stop - place):
                    text = int(self.state_texts[place + index])
                    yield text, layer, block[ends[index] : ends[index + 1]]
                place = stop

    def attention_last_row(self, text: int) -> np.ndarray:
        """Attention of the last token in the last layer. (heads, n) float32, rows sum to 1."""
        start, stop = self._attention_range(text)
        heads = int(self.file["attention"].attrs["heads"])
        with self._reading("attention/last_row"):
            flat = self.file["attention/last_row"][heads * start : heads * stop]
        return flat.reshape(heads, stop - start)

    def rollout_row(self, text: int) -> np.ndarray:
        """Attention rollout of the last token through all layers. (n,) float32, sums to 1."""
        start, stop = self._attention_range(text)
        with self._reading("attention/rollout_row"):
            return self.file["attention/rollout_row"][start:stop]

    def _attention_range(self, text):
        if text not in self.attention_texts:
            raise InfogeoError(
                f"{self.path}: no attention rows of text {text} "
                f"({len(self.attention_texts)} texts have them: config states.attention_texts)."
            )
        index = self.attention_texts.index(text)
        return int(self._attention_offsets[index]), int(self._attention_offsets[index + 1])

    def verify(self, hidden: bool = True) -> None:
        """Read every array once, and with it check every checksum; see that no chunk is missing.

        Parameters
        ----------
        hidden : bool
            Whether to read the hidden states too, or only to count their chunks.

        Raises
        ------
        InfogeoError
            Where a chunk is missing, does not match its checksum or cannot be read.
        """
        for name in TOKEN_ARRAYS:
            self._flat(name)
        if self.attention_texts:
            with self._reading("attention"):
                for dataset in self.file["attention"].values():
                    dataset[:]
        rows = self.state_rows
        for layer, dataset in self._hidden.items():
            shift = self._shift(layer)
            expected = -(-(shift + rows) // self._chunks[layer])
            with self._reading(f"hidden/{layer}"):
                found = dataset.id.get_num_chunks()
                if found != expected:
                    raise OSError(f"{found} of {expected} chunks are there")
                if hidden:
                    _read_through(dataset, shift, shift + rows, self.dtype)

    def _reading(self, what):
        return hdf5.reading(self.path, what, self.remedy)


def _plain(value):
    """An HDF5 attribute as str, int, float, bool or list."""
    if isinstance(value, np.ndarray):
        return [_plain(item) for item in value.tolist()]
    if isinstance(value, bytes):
        return value.decode()
    return value.item() if isinstance(value, np.generic) else value


@contextlib.contextmanager
def open_store(path, expected: str | None = None, remedy: str = ""):
    """Open a store to read, without locks, and yield its `HiddenStates`.

    Parameters
    ----------
    path : path
    expected : str, optional
        Fingerprint that the store must carry.
    remedy : str, optional
        What to do where the file is damaged; by default to make it anew, as a rule makes it.

    Raises
    ------
    InfogeoError
        Where the file is missing, truncated, not a store, or carries another fingerprint.
    """
    # A cache of a few chunks: blocks of texts end within chunks, and the next begins there.
    with hdf5.opened(path, FORMAT, expected, remedy, rdcc_nbytes=8 * CHUNK_BYTES) as file:
        with hdf5.reading(path, "its list of texts or layers", remedy):
            reader = HiddenStates(file, path, remedy)
        yield reader

"""The hidden-state store: one HDF5 file per model and corpus, plain, checksummed, repeatable.

A store holds the tokens of a list of texts one after another: row r of every array is token r, and
`offsets` says where each text starts. Hidden states are one dataset per layer in chunks of whole
rows with a Fletcher-32 checksum and no compression (hidden states do not compress). The same
inputs give the same bytes: no times, hosts or job ids are stored.

A reduced store (`keep_hidden_states: false`) holds the same of every text but hidden states, which
it has of some texts and layers only: `/documents/state_texts` names the texts, `state_lengths` says
of how many of their first tokens, and the rows under `/hidden` are these, one text after another.

A store of an encoder (`kind`) holds a text once for each n, cut to it: a pass of its own, since the
start of a longer pass is no shorter text. It has no likelihoods: these are NaN.
"""

import contextlib
from pathlib import Path

import h5py
import numpy as np

from infogeo.files import hdf5
from infogeo.files.errors import InfogeoError
from infogeo.states.layout import (
    CHUNK_BYTES,
    FORMAT,
    STORED,
    TOKEN_ARRAYS,
    read_rows,
    read_through_rows,
    row_offsets,
    strings,
    to_float32,
)

BLOCK_BYTES = 1 << 24  # of float32 that `states` holds at once

AGAIN = "Give the same command again: it makes the file anew."  # of files that no rule makes
REDUCED = (
    " With keep_hidden_states: false only those that the workflow needs are stored; set it to true "
    "and run the workflow again for all."
)


class HiddenStates:
    """Reader of a store; made by `open_store`.

    Attributes
    ----------
    attrs : dict
    layers : list of str
    datasets : dict of layer -> h5py.Dataset
    doc_ids, sources, labels : lists of str, one per text
    offsets : (texts + 1,) int64 ndarray
    lengths : (texts,) int64 ndarray
    widths : dict of layer -> d
    post_norm : dict of layer -> bool
    attention_texts : list of int
        Indices of the texts whose attention rows are stored.
    nested, reduced : bool
        Whether the first tokens of a text are a shorter text; whether hidden states are there of
        some texts and layers only. See above.
    state_texts : int ndarray
        Indices of the texts whose hidden states are stored; in a reduced store perhaps those of
        their first tokens alone.
    state_rows : int
        Tokens whose hidden states are stored.
    state_lengths : int ndarray
        The same of each of `state_texts`.
    """

    def __init__(self, file, path, remedy: str = ""):
        self.file, self.path, self.remedy = file, Path(path), remedy
        self.attrs = {name: _plain(value) for name, value in file.attrs.items()}
        self.layers = list(self.attrs["layers"])
        self.first_row, self.dtype = int(self.attrs["first_row"]), self.attrs["dtype"]
        self.nested = self.attrs.get("kind") != "encoder"
        documents = file["documents"]
        names = "doc_id", "source", "label"
        self.doc_ids, self.sources, self.labels = (strings(documents[name]) for name in names)
        self.offsets = documents["offsets"][:]
        self.lengths = np.diff(self.offsets)
        self.reduced = "state_texts" in documents
        self.state_texts, self._state_offsets = np.arange(len(self.lengths)), self.offsets
        if self.reduced:
            self.state_texts = documents["state_texts"][:]
            self._state_offsets = row_offsets(documents["state_lengths"][:])
        self.state_rows = int(self._state_offsets[-1])
        self.state_lengths = np.diff(self._state_offsets)
        self.datasets = {layer: file["hidden"][layer] for layer in self.layers}
        self._chunks = {layer: dataset.chunks[0] for layer, dataset in self.datasets.items()}
        self.widths = {layer: dataset.shape[1] for layer, dataset in self.datasets.items()}
        normed = (bool(dataset.attrs["post_norm"]) for dataset in self.datasets.values())
        self.post_norm = dict(zip(self.layers, normed, strict=True))
        self.attention_texts, self._attention_offsets = [], np.zeros(1, dtype=np.int64)
        if "attention" in file:
            self.attention_texts = file["attention/texts"][:].tolist()
            self._attention_offsets = file["attention/offsets"][:]

    def token_ids(self) -> np.ndarray:
        """Token ids of all texts, one after another. (T,) int32."""
        return self.token_array("token_ids")

    def nll(self) -> np.ndarray:
        """NLL (nats) of each token given those before; NaN at a text's first. (T,) float32."""
        return self.token_array("nll")

    def predictive_entropy(self) -> np.ndarray:
        """Entropy (nats) of the prediction of each token; NaN at a text's first. (T,) float32."""
        return self.token_array("predictive_entropy")

    def special_mask(self) -> np.ndarray:
        """Whether each token is one that the tokenizer added. (T,) bool."""
        return self.token_array("special_mask")

    def token_end_byte(self) -> np.ndarray:
        """UTF-8 byte offset in its text at which each token ends. (T,) int32."""
        return self.token_array("token_end_byte")

    def token_array(self, name: str) -> np.ndarray:
        """One of `layout.TOKEN_ARRAYS`, of all texts."""
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
                f"{self.path}: no hidden states of text {self.doc_ids[text]!r}; it stores those of "
                f"{len(self.state_texts)} of {len(self.lengths)} texts.{REDUCED}"
            )
        start, stop = self._state_offsets[place : place + 2].tolist()
        return to_float32(self.read_stored(layer, start, stop))

    def read_stored(self, layer: str, start: int, stop: int) -> np.ndarray:
        """Rows of a layer in the stored representation (see `to_stored`). (stop - start, d)."""
        if layer not in self.widths:
            raise InfogeoError(
                f"{self.path}: no layer {layer!r}; it holds {', '.join(self.layers)}."
                f"{REDUCED if self.reduced else ''}"
            )
        values = np.empty((stop - start, self.widths[layer]), STORED[self.dtype])
        if len(values):
            with self._reading(f"hidden/{layer}"):
                read_rows(self.datasets[layer], self._shift(layer) + start, values)
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
            self.token_array(name)
        if self.attention_texts:
            with self._reading("attention"):
                for dataset in self.file["attention"].values():
                    dataset[:]
        for layer, dataset in self.datasets.items():
            shift = self._shift(layer)
            expected = -(-(shift + self.state_rows) // self._chunks[layer])
            with self._reading(f"hidden/{layer}"):
                chunks = dataset.id.get_num_chunks()
                if chunks != expected:
                    raise OSError(f"{chunks} of {expected} chunks exist")
                if hidden:
                    read_through_rows(dataset, shift, shift + self.state_rows, self.dtype)

    def _reading(self, what):
        return hdf5.reading(self.path, what, self.remedy)


def tokens_of_texts(store: HiddenStates) -> dict:
    """The tokens of a store, each text once: of an encoder's several cuts of a text the longest.

    Returns
    -------
    dict
        token_ids (T,), special (T,), offsets (texts + 1,), doc_ids and sources, one per text.
    """
    longest = {doc_id: text for text, doc_id in enumerate(store.doc_ids)}  # cuts rise
    texts = list(longest.values())
    chosen = np.zeros(int(store.offsets[-1]), dtype=bool)
    for text in texts:
        chosen[store.offsets[text] : store.offsets[text + 1]] = True
    return {
        "token_ids": store.token_ids()[chosen],
        "special": store.special_mask()[chosen],
        "offsets": row_offsets(store.lengths[texts]),
        "doc_ids": [store.doc_ids[text] for text in texts],
        "sources": [store.sources[text] for text in texts],
    }


def _plain(value):
    """An HDF5 attribute as str, int, float, bool or list."""
    if isinstance(value, np.ndarray):
        return [_plain(item) for item in value.tolist()]
    if isinstance(value, bytes):
        return value.decode()
    return value.item() if isinstance(value, np.generic) else value


def is_store(path) -> bool:
    """Whether a file is one of HDF5 that says that it is a store, whole or not."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            return file.attrs.get("format") == FORMAT.name
    except OSError:
        return False


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

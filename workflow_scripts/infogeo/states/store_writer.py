"""Writing stores of hidden states: whole, in shards, or from shards; see `store`."""

import contextlib
from pathlib import Path

import h5py
import numpy as np

from infogeo.files import hdf5
from infogeo.files.artefacts import disk_full, is_disk_full
from infogeo.files.errors import InfogeoError
from infogeo.states.layout import (
    BFLOAT16_NOTE,
    CHECKSUM,
    FORMAT,
    STORED,
    TOKEN_ARRAYS,
    TOKEN_CHUNK,
    chunk_rows,
    file_type,
    read_through_rows,
    row_offsets,
    strings,
    to_stored,
)
from infogeo.states.store import AGAIN, HiddenStates


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
    state_lengths: dict[int, int] | None = None,
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
    state_lengths : dict of int to int, optional
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
        writer = StoreWriter(
            file, path, attrs, lengths, widths, dtype, first_row, total_rows, state_lengths
        )
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

    def __init__(
        self, file, path, attrs, lengths, widths, dtype, first_row, total_rows, state_lengths
    ):
        self.file, self.path, self.dtype = file, Path(path), dtype
        self.offsets = row_offsets(lengths)
        self.state_lengths = state_lengths
        self.state_offsets = (
            self.offsets if state_lengths is None else row_offsets(list(state_lengths.values()))
        )
        self.first_row = first_row
        self.total_rows = int(self.state_offsets[-1]) if total_rows is None else total_rows
        for name, value in {
            "format": FORMAT.name,
            "format_version": FORMAT.version,
            **attrs,
            "layers": list(widths),
            "dtype": dtype,
            "first_row": first_row,
            **({"how_to_read": BFLOAT16_NOTE} if dtype == "bfloat16" else {}),
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
        if self.state_lengths is not None:
            group.create_dataset("state_texts", data=np.array(list(self.state_lengths), "<i4"))
            group.create_dataset(
                "state_lengths", data=np.array(list(self.state_lengths.values()), "<i4")
            )
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
                dtype=file_type(self.dtype),
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
        text = text if self.state_lengths is None else list(self.state_lengths)[text]
        doc_id = strings(self.file["documents/doc_id"])[text]
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

    def copy_rows(self, shard: HiddenStates) -> None:
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
                self.write_tokens(first, **{name: shard.token_array(name)})
        for layer in self._hidden:
            with hdf5.reading(self.path, f"hidden/{layer}", AGAIN):
                self._copy_hidden(shard, layer, first, last)

    def _copy_hidden(self, shard, layer, first, last):
        target, source = self._hidden[layer][0], shard.datasets[layer]
        chunk = target.chunks[0]
        # Rows of this file whose chunks lie whole in the shard.
        low, high = -(-first // chunk) * chunk, last // chunk * chunk
        edges = [(first, last)] if low >= high else [(first, low), (high, last)]
        for start, stop in edges:
            if start < stop:
                values = shard.read_stored(layer, start - first, stop - first)
                self.write_hidden(layer, start, values)
                read_through_rows(target, start, stop, self.dtype)
        size = chunk * target.shape[1] * STORED[self.dtype].itemsize + CHECKSUM
        written, read_back = bytearray(size), bytearray(size)
        base = first - first % chunk  # the row at which the shard's first chunk begins
        for row in range(low, high, chunk):
            mask, _ = source.id.read_direct_chunk((row - base, 0), out=written)
            target.id.write_direct_chunk((row, 0), written, mask)
            target.id.read_direct_chunk((row, 0), out=read_back)
            if read_back != written:
                raise OSError(f"the chunk at row {row} is not what was written there")


def overflow(model: str, layer: str, doc_id: str) -> InfogeoError:
    """The error for a hidden state that float16 cannot hold."""
    return InfogeoError(
        f"model {model!r}, layer {layer}, text {doc_id!r}: a hidden state is beyond the range of "
        "float16 (65504). Set the model's dtype to bfloat16 or float32 in the models table."
    )

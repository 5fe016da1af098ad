"""Hidden states that another engine wrote: which rows of which arrays are which text and layer.

An array of states in a file is a matrix (tokens, width); a batch (texts, tokens, width); or, where
`Form.layers` names a place in it, stacked layers such as (tokens, layers, width) of vLLM.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from infogeo.files.errors import InfogeoError
from infogeo.sources import foreign as descriptions
from infogeo.sources.foreign import AXES, DESCRIPTION
from infogeo.states import array_files
from infogeo.states.array_files import Part, StoredArray
from infogeo.states.layout import TOKEN_ARRAYS, row_offsets

# Of arrays that are no states.
NAMES = (*TOKEN_ARRAYS, "lengths", "offsets", "attention_mask", "doc_ids")


class Text(NamedTuple):
    """A text of a file.

    Attributes
    ----------
    doc_id : str
    layers : dict of str to (n, d) array
        By name; read when it is converted to an array.
    tokens : dict of str to (n,) ndarray
        Those of `layout.TOKEN_ARRAYS` that the file has.
    """

    doc_id: str
    layers: dict
    tokens: dict

    @property
    def length(self) -> int:
        return next(iter(self.layers.values())).shape[0]


class Form(NamedTuple):
    """How states lie in the arrays of a file.

    Attributes
    ----------
    layers : dict of str to (str or [str, int]), optional
        Name of a layer → array, or array and place in it, of stacked layers. Default: every array
        of floats with two or three axes, by its own name.
    axes : str
        Of stacked layers: one of `AXES`.
    arrays : dict of str to str, optional
        Array of what is named otherwise, of `NAMES`. Of a file of several texts lengths or offsets
        say where they lie one after another, and attention_mask which tokens of a batch count.
    doc_ids : list of str, optional
        Names of the texts, where all lie in one file.
    """

    layers: dict | None = None
    axes: str = AXES[0]
    arrays: dict | None = None
    doc_ids: list | None = None


def form_of(described: descriptions.Description) -> Form:
    """How states lie in files, as states.json says.

    Raises
    ------
    InfogeoError
        Where it names an array that nothing reads.
    """
    if unknown := [name for name in described.arrays if name not in NAMES]:
        raise InfogeoError(
            f"{described.folder / DESCRIPTION}: arrays: {', '.join(unknown)} is no name that is "
            f"read; there are {', '.join(NAMES)}. Name layers under layers."
        )
    return Form(described.layers, described.axes, described.arrays, described.doc_ids)


def texts_in(path, form: Form | None = None) -> list[Text]:
    """The texts of a file, or of all files of arrays in a folder in the order of their names.

    A folder with a states.json is read as that says, unless a form is given.

    Raises
    ------
    InfogeoError
        As `texts_of_file` says; where a folder has no such file, or two texts have one name.
    """
    path = Path(path)
    if form is None and (path / DESCRIPTION).is_file():
        described = descriptions.read(path.parent, path.name)
        return texts_of_files(described.paths(), path, form_of(described))
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in array_files.READERS
                       and file.name != DESCRIPTION)  # fmt: skip
    if not files:
        raise InfogeoError(
            f"{path}: no file of arrays. Save the states as one of "
            f"{', '.join(array_files.READERS)}."
        )
    return texts_of_files(files, path, form)


def texts_of_files(files: list[Path], path, form: Form | None = None) -> list[Text]:
    """The texts of some files of `path`; .npy files, an array each, are of the same texts.

    Raises
    ------
    InfogeoError
        See `texts_in`.
    """
    if len(files) > 1 and all(file.suffix == ".npy" for file in files):
        arrays = {name: array for file in files for name, array in array_files.read(file).items()}
        texts = _File(Path(path), arrays, form or Form()).texts()
    else:
        texts = [text for file in files for text in texts_of_file(file, form)]
    names = [text.doc_id for text in texts]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InfogeoError(
            f"{path}: {len(twice)} names of texts come twice, such as {twice[0]!r}. Give each text "
            "a name: that of its file, or an array doc_ids."
        )
    return texts


def texts_of_file(path, form: Form | None = None) -> list[Text]:
    """The texts of a file of arrays, in their order.

    Raises
    ------
    InfogeoError
        Naming file, array and what would be right, where arrays are lacking or do not belong
        together.
    """
    path, form = Path(path), form or Form()
    arrays = array_files.read(path)
    if path.suffix == ".json":  # answers of servers
        names = [path.stem] if len(arrays) == 1 else arrays
        return [
            Text(name, {"final": array}, {})
            for name, array in zip(names, arrays.values(), strict=True)
        ]
    return _File(path, arrays, form).texts()


def _stacked_by_vllm(arrays: dict) -> dict | None:
    """The layers of a file that is as vLLM's hidden-states connector writes it."""
    states, ids = arrays.get("hidden_states"), arrays.get("token_ids")
    if states is None or ids is None or len(states.shape) != 3 or len(ids.shape) != 1:
        return None
    if states.shape[0] != ids.shape[0]:
        return None
    return {str(place): ["hidden_states", place] for place in range(states.shape[1])}


class _File:
    """A file of arrays, taken apart into texts."""

    def __init__(self, path: Path, arrays: dict[str, StoredArray], form: Form):
        self.path, self.arrays, self.form = path, arrays, form
        layers = form.layers or _stacked_by_vllm(arrays)
        if layers is None:
            layers = {
                name: name
                for name, array in arrays.items()
                if array.is_float and len(array.shape) in (2, 3) and name not in NAMES
            }
        if not layers:
            raise InfogeoError(
                f"{path}: no array of floats with two axes (tokens, width) or three (texts, "
                f"tokens, width); it has {', '.join(arrays) or 'none'}. Name the layers' arrays in "
                "states.json (layers)."
            )
        self.states = {name: self._layer(name, place) for name, place in layers.items()}

    def named(self, name: str) -> StoredArray | None:
        """An array that a file may have, under the name that the form gives it."""
        key = (self.form.arrays or {}).get(name)
        if key is not None and key not in self.arrays:
            raise InfogeoError(
                f"{self.path}: no array {key!r}, which states.json names for {name}; it has "
                f"{', '.join(self.arrays)}. Name one of these."
            )
        return self.arrays.get(key or name)

    def _layer(self, name: str, place) -> StoredArray | Part:
        key, index = (place, None) if isinstance(place, str) else place
        array = self.arrays.get(key)
        if array is None:
            raise InfogeoError(
                f"{self.path}: no array {key!r} for layer {name}; it has "
                f"{', '.join(self.arrays)}. Name one of these in states.json (layers)."
            )
        if index is None:
            if array.is_float and len(array.shape) in (2, 3):
                return array
            raise InfogeoError(
                f"{self.path}: array {key!r} of layer {name} has shape {array.shape} and type "
                f"{array.kind}. Give floats (tokens, width) or (texts, tokens, width)."
            )
        axis = self.form.axes.split().index("layer")
        if not array.is_float or len(array.shape) != 3 or not index < array.shape[axis]:
            raise InfogeoError(
                f"{self.path}: array {key!r} has shape {array.shape} and type {array.kind}, but "
                f"layer {name} is number {index} (from 0) of its axes {self.form.axes!r}. Correct "
                "axes or layers in states.json."
            )
        shape = tuple(size for at, size in enumerate(array.shape) if at != axis)
        return Part(array, (slice(None),) * axis + (index,), shape)

    def texts(self) -> list[Text]:
        """The texts, one of them unless the file says otherwise."""
        if len({len(states.shape) for states in self.states.values()}) > 1:
            shapes = {name: states.shape for name, states in self.states.items()}
            raise InfogeoError(
                f"{self.path}: some layers are matrices and others batches: {shapes}. Name the "
                "layers of one kind."
            )
        heads = {name: states.shape[:-1] for name, states in self.states.items()}
        if len(set(heads.values())) > 1:
            raise InfogeoError(
                f"{self.path}: layers differ in their tokens: {heads}. Save every layer "
                "of the same tokens."
            )
        batch = len(next(iter(heads.values()))) == 2
        pieces = self._of_batch() if batch else self._one_after_another()
        names = self._names(len(pieces))
        return [
            Text(name, layers, tokens) for name, (layers, tokens) in zip(names, pieces, strict=True)
        ]

    def _names(self, count: int) -> list[str]:
        stored = self.named("doc_ids")
        if self.form.doc_ids is not None:
            names = self.form.doc_ids
        elif stored is None:
            return [self.path.stem] if count == 1 else [str(place) for place in range(count)]
        else:
            names = [x.decode() if isinstance(x, bytes) else str(x) for x in stored[...].tolist()]
        if len(names) != count:
            raise InfogeoError(
                f"{self.path}: {len(names)} doc_ids for {count} texts. Give one name a text."
            )
        return names

    def _tokens(self) -> dict[str, np.ndarray]:
        present = {name: self.named(name) for name in TOKEN_ARRAYS}
        return {name: array[...] for name, array in present.items() if array is not None}

    def _fit(self, name: str, array, shape: tuple) -> None:
        if array.shape != shape:
            raise InfogeoError(
                f"{self.path}: {name} has shape {array.shape}, but the states are of "
                f"{' × '.join(map(str, shape))} tokens. Give one number a token."
            )

    def _of_batch(self) -> list[tuple[dict, dict]]:
        shape = next(iter(self.states.values())).shape[:2]
        tokens, mask = self._tokens(), self.named("attention_mask")
        chosen = np.ones(shape, bool) if mask is None else mask[...].astype(bool)
        for name, array in ({"attention_mask": chosen} | tokens).items():
            self._fit(name, array, shape)
        pieces = []
        for text, rows in enumerate(chosen):
            of_text = {
                name: Part(array, (text, rows), (int(rows.sum()), array.shape[-1]))
                for name, array in self.states.items()
            }
            pieces.append((of_text, {name: array[text, rows] for name, array in tokens.items()}))
        return pieces

    def _one_after_another(self) -> list[tuple[dict, dict]]:
        rows = next(iter(self.states.values())).shape[0]
        offsets, lengths = self.named("offsets"), self.named("lengths")
        mask = self.named("attention_mask")
        if mask is not None and not mask[...].all():
            raise InfogeoError(
                f"{self.path}: attention_mask leaves tokens out, but the states are matrices "
                "(tokens, width). It belongs to batches (texts, tokens, width); leave the rows of "
                "padding out, or write the states of one text as (1, tokens, width)."
            )
        if offsets is not None:
            ends = offsets[...].astype(np.int64).ravel()
        else:
            ends = row_offsets([rows] if lengths is None else lengths[...])
        if not ends.size or ends[0] != 0 or ends[-1] != rows or (np.diff(ends) < 0).any():
            end = ends[-1] if ends.size else "no offset"
            raise InfogeoError(
                f"{self.path}: texts begin at {ends[:3].tolist()}… and end at {end}, but the "
                f"states are of {rows} tokens. Correct offsets or lengths."
            )
        tokens = self._tokens()
        for name, array in tokens.items():
            self._fit(name, array, (rows,))
        pieces = []
        for start, stop in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
            of_text = {}
            for name, array in self.states.items():
                shape = (stop - start, array.shape[-1])
                if isinstance(array, Part):  # of stacked layers: one text a file
                    of_text[name] = _rows(array, start, stop, shape)
                else:
                    of_text[name] = Part(array, (slice(start, stop),), shape)
            pieces.append((of_text, {name: array[start:stop] for name, array in tokens.items()}))
        return pieces


def _rows(part: Part, start: int, stop: int, shape: tuple) -> Part:
    """Some tokens of a layer of stacked ones."""
    index = list(part.index)
    if len(index) == 1:  # layer token width
        index.append(slice(start, stop))
    else:  # token layer width
        index[0] = slice(start, stop)
    return Part(part.array, tuple(index), shape)

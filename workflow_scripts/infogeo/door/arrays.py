"""Hidden states as people have them: NumPy, torch on any device, one matrix, many, or layers."""

from collections.abc import Mapping, Sequence

import numpy as np

from infogeo.files.errors import InfogeoError
from infogeo.geometry.rows import check_finite

FORMS = (
    "Give one (n, d) matrix, a list of them (texts of any length), a batch (texts, n, d), or "
    "layers: a dict of any of these by name, or a list of batches."
)


class Texts:
    """The hidden states of some texts at one layer, each turned into a NumPy array when it is read.

    Parameters
    ----------
    Z : matrix (n, d), sequence of matrices, or batch (texts, n, d)
    mask : array (texts, n), optional
        Which tokens of a padded batch count, such as the attention mask of a tokenizer.
    layer : str
        For messages.

    Attributes
    ----------
    lengths : int64 ndarray (texts,)
    width : int

    Raises
    ------
    InfogeoError
        Where shapes are none of these, or texts differ in width.
    """

    def __init__(self, Z, mask=None, layer: str = ""):
        self.where = f"layer {layer}: " if layer else ""
        self.matrices = [Z] if dimensions(Z) == 2 else Z
        try:
            len(self.matrices)  # a generator would be empty when it is read
            shapes = [tuple(np.shape(matrix)) for matrix in self.matrices]
        except (TypeError, ValueError):  # no sequence, or rows of different lengths
            shapes = []
        if not shapes or {len(shape) for shape in shapes} != {2} or shapes[0][1] == 0:
            raise InfogeoError(f"{self.where}Z has {_form(Z)}. {FORMS}")
        if len({d for _, d in shapes}) > 1:
            widths = sorted({d for _, d in shapes})
            raise InfogeoError(
                f"{self.where}texts have states of different widths: {widths}. Measure each width "
                "in a call of its own."
            )
        self.width = shapes[0][1]
        self.mask = None if mask is None else to_numpy(mask).astype(bool)
        if self.mask is None:
            self.lengths = np.array([n for n, _ in shapes])
        elif self.mask.shape != (len(shapes), shapes[0][0]) or len(set(shapes)) > 1:
            raise InfogeoError(
                f"{self.where}mask has shape {self.mask.shape}, and Z {_form(Z)}. A mask belongs "
                "to a batch (texts, n, d) and has shape (texts, n)."
            )
        else:
            self.lengths = self.mask.sum(axis=1)

    def read(self, text: int) -> np.ndarray:
        """The states (n, d) of a text."""
        Z = to_numpy(self.matrices[text])
        return Z if self.mask is None else Z[self.mask[text]]

    def stack(self, texts: list[int], n: int) -> np.ndarray:
        """The first n states of some texts, rising: (texts, n, d)."""
        first, last = texts[0], texts[-1]
        whole = self.mask is None and dimensions(self.matrices) == 3
        if whole and last - first == len(texts) - 1:  # as they lie there, without a copy
            return to_numpy(self.matrices[first : last + 1])[:, :n]
        return np.stack([self.read(text)[:n] for text in texts])

    def check(self, texts, names: list[str]) -> None:
        """Refuse the first of some texts whose states are not all finite, by its name."""
        for text in texts:
            layer = f", {self.where.rstrip(': ')}" if self.where else ""
            check_finite(self.read(text), f"text {names[text]!r}{layer}")


def layers_of(Z, mask=None) -> dict[str, Texts]:
    """The texts of each layer, by its name; '' where Z is of one layer without a name.

    Raises
    ------
    InfogeoError
        See `Texts`; also where layers hold different numbers of texts or tokens.
    """
    if isinstance(Z, Mapping):
        layers = {str(name): Texts(states, mask, str(name)) for name, states in Z.items()}
    elif isinstance(Z, Sequence) and Z and dimensions(Z[0]) == 3:
        layers = {str(place): Texts(states, mask, str(place)) for place, states in enumerate(Z)}
    else:
        layers = {"": Texts(Z, mask)}
    if not layers:
        raise InfogeoError(f"Z has no layer. {FORMS}")
    lengths = {name: texts.lengths.tolist() for name, texts in layers.items()}
    (first, expected), *others = lengths.items()
    for name, of_layer in others:
        if of_layer != expected:
            raise InfogeoError(
                f"layers {first} and {name} differ in their texts: {len(expected)} texts of "
                f"{sum(expected)} tokens, and {len(of_layer)} of {sum(of_layer)}. All layers must "
                "be of the same texts."
            )
    return layers


def dimensions(array) -> int | None:
    """The number of axes of an array; None of what is none, such as a list of arrays."""
    return len(array.shape) if hasattr(array, "shape") else None


def to_numpy(array) -> np.ndarray:
    """An array as NumPy has it: exact, of whatever library and device.

    Raises
    ------
    InfogeoError
        Where it holds no real numbers.
    """
    if hasattr(array, "detach"):  # torch, which need not be installed here
        array = array.detach().cpu()
        if str(array.dtype) == "torch.bfloat16":  # NumPy has no such type
            array = array.float()
    array = np.asarray(array)
    if array.dtype.name == "bfloat16":  # of ml_dtypes, as JAX hands it on
        array = array.astype(np.float32)
    if array.dtype.kind not in "fiub":
        raise InfogeoError(f"an array of {array.dtype}, where real numbers are needed. {FORMS}")
    return array


def _form(Z) -> str:
    if hasattr(Z, "shape"):
        return f"shape {tuple(Z.shape)}"
    if not isinstance(Z, Sequence):
        return f"the type {type(Z).__name__}"
    try:
        shapes = [tuple(np.shape(part)) for part in Z[:3]]
    except ValueError:
        return "rows of different lengths"
    return f"parts of shapes {shapes}" if shapes else "no part"

"""Partial rank correlations of many variables at once, and their resamples over texts."""

import numpy as np

# Below this variance of a rank (scaled to [0, 1]), or share of it that the controls leave over, a
# variable counts as constant.
NOTHING = 1e-10
CHUNK = 2**8  # tokens whose ranks are multiplied at once: those of twenty variables fit the cache


def partial_spearman(x, y, controls, texts, copies) -> np.ndarray:
    """Partial Spearman correlations in resamples of the texts.

    All variables become midranks, and the partial correlations are those of the ranks. Ranks are
    taken anew in each resample, in which a text is there as often as it was drawn.

    Parameters
    ----------
    x : (variables, tokens) array
    y : (targets, tokens) array
    controls : (controls, tokens) array
        What is held fixed; no rows give the plain Spearman correlation. A constant control, or
        one that follows from the others, changes nothing.
    texts : (tokens,) array of int
        The text that each token belongs to.
    copies : (draws, texts) int array
        As `infogeo.inference.resampling.text_copies` gives them.

    Returns
    -------
    (draws, variables, targets) float64 array
        NaN where the variable or the target is constant, or the controls leave nothing of it.

    Notes
    -----
    Each variable is sorted once; a draw is then one cumulative sum of integers, which is exact. So
    are sums of products of the ranks of up to 10⁵ tokens. Memory holds 17 bytes for each token of a
    variable, target or control. Many variables at once share the ranks of targets and controls.
    Verified against scipy.stats.spearmanr, residuals of an explicit
    regression of ranks, and a loop that repeats the tokens of the drawn texts.
    """
    from infogeo.inference import rank_kernels as kernels  # numba takes half a second to load

    x, y, controls = (np.atleast_2d(np.asarray(part, float)) for part in (x, y, controls))
    texts, copies = np.asarray(texts), np.asarray(copies)
    controls = controls.reshape(-1, len(texts))
    # In the order of one variable, ranks of others like it are near each other in memory.
    order = np.argsort(x[len(x) // 2], kind="stable")
    texts = texts[order].astype(np.uint32)
    tokens, fixed, variables = len(texts), len(y) + len(controls), len(y) + len(controls) + len(x)
    of_sorted = [_sorted(row[order], texts) for row in (*y, *controls, *x)]
    untied = np.array(
        [np.bincount(of[ends == 2], minlength=copies.shape[1]) for of, ends, _ in of_sorted]
    )
    variance = np.empty((len(copies), variables))
    crossed = np.zeros((len(copies), fixed, variables))
    totals = copies @ np.bincount(texts, minlength=copies.shape[1])
    bits = int(2 * totals.max()).bit_length()
    ranks, of_value = np.empty((variables, tokens), np.int64), np.empty(tokens, np.int64)
    room = np.empty((variables + 2, CHUNK))
    for start in range(0, len(copies), 63 // bits):
        some = slice(start, start + 63 // bits)
        drawn = copies[some].astype(np.int64)
        packed = (drawn << bits * np.arange(len(drawn))[:, None]).sum(axis=0)
        cubes = untied @ (drawn.T.astype(float) ** 3)
        for variable, of_variable in enumerate(of_sorted):
            kernels.midranks(*of_variable, packed, bits, of_value, ranks[variable], cubes[variable])
        kernels.products(packed[texts], totals[some], bits, ranks, fixed, room, crossed[some])
        scale = totals[some].astype(float) ** 3
        variance[some] = (1.0 - cubes / scale).T / 12.0
        crossed[some] /= 4.0 * scale[:, None, None]
    below = np.tril_indices(fixed, -1)
    crossed[:, below[0], below[1]] = crossed[:, below[1], below[0]]
    of_x = crossed[..., fixed:].swapaxes(-1, -2)
    others = variance[:, :fixed], crossed[..., :fixed]
    return _partial(variance[:, fixed:], of_x, *others, len(y))


def spearman(x, y, controls=()) -> np.ndarray:
    """Spearman correlations without resamples, partial where something is held fixed.

    Parameters
    ----------
    x, y, controls
        As for `partial_spearman`.

    Returns
    -------
    (variables, targets) float64 array
        NaN as there.

    Notes
    -----
    The same as one draw of `partial_spearman`, without the time in which its loop is compiled.
    Verified against scipy.stats.spearmanr.
    """
    controls = np.reshape(controls, (-1, np.shape(x)[-1]))
    return of_ranks(midranks(x), midranks(y), midranks(controls))


def within_levels(x, y, controls, levels) -> np.ndarray:
    """Partial Spearman correlations with one more control that is a factor.

    Parameters
    ----------
    x, y, controls
        As for `partial_spearman`.
    levels : (tokens,) array of int
        The level of the factor, such as the position: ranks lose their mean at each level.

    Returns
    -------
    (variables, targets) float64 array
        NaN as in `partial_spearman`.

    Notes
    -----
    Verified against an explicit regression of ranks on one dummy per level.
    """
    return of_ranks(midranks(x), midranks(y), midranks(controls), levels)


def midranks(rows) -> np.ndarray:
    """Ranks of the tokens in each variable as shares of their number, ties with their mean.

    Parameters
    ----------
    rows : (tokens,) or (variables, tokens) array

    Returns
    -------
    (variables, tokens) float64 array
        In (0, 1].
    """
    return np.array([_midranks(row) for row in np.atleast_2d(rows)]).reshape(-1, np.shape(rows)[-1])


def of_ranks(x, y, controls, levels=None) -> np.ndarray:
    """`spearman`, or `within_levels`, of variables whose `midranks` are there."""
    tokens = x.shape[1]
    levels = np.zeros(tokens, int) if levels is None else np.unique(levels, return_inverse=True)[1]
    counts = np.bincount(levels)

    def residuals(ranks):
        return ranks - (np.bincount(levels, ranks) / counts)[levels]

    others = np.array([residuals(ranks) for ranks in (*y, *controls)])
    among = others @ others.T / tokens
    variance_x, crossed = [], []
    for row in x:
        ranks = residuals(row)
        variance_x.append(ranks @ ranks / tokens)
        crossed.append(others @ ranks / tokens)
    return _partial(np.array(variance_x), np.array(crossed), np.diagonal(among), among, len(y))


def _midranks(values) -> np.ndarray:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return ((np.cumsum(counts) - (counts - 1) / 2) / len(places))[places]


def _sorted(values, texts):
    """Texts in the order of the values, ends of ties in it, places: see `rank_kernels.midranks`."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    last = np.append(ordered[1:] != ordered[:-1], True)
    first = np.append(True, last[:-1])
    places = np.empty(len(values), np.uint32)
    places[order] = np.cumsum(first) - 1
    return texts[order], (last * (1 + first)).astype(np.uint8), places


def _partial(variance_x, crossed, variance, among, targets: int):
    """Partial correlations from (co)variances.

    variance_x (..., V), crossed (..., V, targets + controls), variance (..., targets + controls),
    among (..., targets + controls, targets + controls) → (..., V, targets).
    """
    scale_x, scale = _inverse_root(variance_x), _inverse_root(variance)
    crossed = crossed * scale_x[..., :, None] * scale[..., None, :]
    among = among * scale[..., :, None] * scale[..., None, :]
    x, y = crossed[..., targets:], among[..., :targets, targets:]  # with the controls
    # Of controls that follow from each other, the pseudoinverse takes what they share once.
    inverse = np.linalg.pinv(among[..., targets:, targets:], rcond=NOTHING, hermitian=True)
    x_explained = x @ inverse
    left = crossed[..., :targets] - x_explained @ y.swapaxes(-1, -2)
    left_x = (scale_x > 0) - (x_explained * x).sum(axis=-1)
    left_y = (scale[..., :targets] > 0) - ((y @ inverse) * y).sum(axis=-1)
    left_x, left_y = (np.where(part > NOTHING, part, np.nan) for part in (left_x, left_y))
    return left / np.sqrt(left_x[..., :, None] * left_y[..., None, :])


def _inverse_root(variance):
    """1/√variance, and 0 where there is none."""
    constant = variance < NOTHING
    return np.where(constant, 0.0, 1.0 / np.sqrt(np.where(constant, 1.0, variance)))

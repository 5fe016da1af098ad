"""The loop over tokens in `rank_correlation`, compiled: numpy would go through memory often."""

from numba import njit


@njit(nogil=True)  # so that layers side by side do not wait for each other
def midranks(texts, last, places, copies, total, middle, ranks) -> float:
    """Midranks of the tokens in a resample of texts.

    Integers are exact, and half as large as float64, so that more of them stay in the cache.

    Parameters
    ----------
    texts : (tokens,) int32 array
        Text of each token, in the order of the variable.
    last : (tokens,) bool array
        Whether a token is the last of those that are tied with it, in that order.
    places : (tokens,) int32 array
        For each token, the place of its value among the different ones.
    copies : (texts,) int array
        How often each text is there.
    total : int
        How many tokens that makes.
    middle : (tokens,) int32 array
        Room for the midranks of the values.
    ranks : (tokens,) int32 array
        Written: twice the midrank of each token, less `total`.

    Returns
    -------
    float
        The variance of the midranks as shares of `total`.
    """
    below = mass = value = 0
    cubes = 0.0
    for token in range(len(texts)):
        mass += copies[texts[token]]
        if last[token]:
            middle[value] = 2 * below + mass - total
            below += mass
            cubes += float(mass) ** 3
            mass = 0
            value += 1
    for token in range(len(places)):
        ranks[token] = middle[places[token]]
    return (1.0 - cubes / float(total) ** 3) / 12.0  # tied ranks vary less

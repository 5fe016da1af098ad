"""The loop over tokens in `rank_correlation`, compiled: numpy would go through memory six times."""

from numba import njit


@njit
def midranks(texts, last, places, weights, middle, ranks) -> float:
    """Put midranks under weights of the texts, scaled and centred to (−½, ½), into `ranks`.

    Parameters
    ----------
    texts : (tokens,) int array
        Text of each token, in the order of the variable.
    last : (tokens,) bool array
        Whether a token is the last of those that are tied with it, in that order.
    places : (tokens,) int array
        For each token where it stands among the different values.
    weights : (texts,) float64 array
        Such that those of the tokens sum to 1.
    middle : (tokens,) float64 array
        Room for the midrank of each value.
    ranks : (tokens,) float64 array
        Written.

    Returns
    -------
    float
        The variance of the ranks.
    """
    total = cubes = mass = 0.0
    value = 0
    for token in range(len(texts)):
        mass += weights[texts[token]]
        if last[token]:
            total += mass
            middle[value] = total - 0.5 * mass - 0.5
            cubes += mass * mass * mass
            mass = 0.0
            value += 1
    for token in range(len(places)):
        ranks[token] = middle[places[token]]
    return (1.0 - cubes) / 12.0  # tied ranks vary less

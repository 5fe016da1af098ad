"""The loops over tokens in `rank_correlation`, compiled: numpy would go through memory often.

Memory is what they wait for. So two resamples are treated at once, a whole number below 2³² of each
in the low and the high half of an int64: sums and looks-up are of both. A variable is ranked and
brought into the order of the tokens before the next one, while its ranks are in the cache. Indices
have no sign, so that none is asked whether it counts from the end.
"""

import numpy as np

from infogeo.inference.compiled import compiled


@compiled()
def midranks(texts, ends, places, pairs, of_value, ranks, cubes) -> None:
    """Midranks of the values of a variable in two resamples of texts.

    Parameters
    ----------
    texts : (tokens,) uint32 array
        Text of each token, in the order of the variable.
    ends : (tokens,) uint8 array
        In that order: 2 where no other token is tied with a token, 1 at the last of tied ones, else
        0.
    places : (tokens,) uint32 array
        For each token, the place of its value among the different ones.
    pairs : (texts,) int64 array
        How often each text is there, in both.
    of_value : (tokens,) int64 array
        Room for the ranks of the values.
    ranks : (tokens,) int64 array
        Written: twice the midranks of the tokens, in both.
    cubes : (2,) float64 array
        Added to: for each tie, the cube of how many tokens it has.
    """
    before = below = value = 0
    for token in range(len(texts)):
        below += pairs[texts[token]]
        of_value[value] = before + below
        if ends[token]:
            if ends[token] == 1:
                tied = below - before
                cubes[0] += float(tied & 0xFFFFFFFF) ** 3
                cubes[1] += float(tied >> 32) ** 3
            before = below
            value += 1
    for token in range(len(places)):
        ranks[token] = of_value[places[token]]


@compiled(fastmath=True)  # everything is finite, and sums of whole numbers have no order
def products(weights, totals, ranks, fixed, room, crossed) -> None:
    """Sums over the tokens of two resamples of the products of their ranks.

    Parameters
    ----------
    weights : (tokens,) int64 array
        How often each token is there, in both.
    totals : (2,) int64 array
        How many tokens that makes; they are taken from the ranks.
    ranks : (variables, tokens) int64 array
        See `midranks`.
    fixed : int
        Of the first variables, products with all are taken.
    room : (variables + 2, tokens) float64 array
        Room for the ranks of so many tokens, which should fit the cache.
    crossed : (2, fixed, variables) float64 array
        Added to, from the diagonal on.
    """
    variables = len(ranks)
    weight, weighted = room[variables], room[variables + 1]
    for start in range(0, len(weights), len(weight)):
        some = min(len(weight), len(weights) - start)
        for side in range(2):
            shift, total = 32 * side, totals[side]
            for variable in range(variables):
                both, centred = ranks[variable, start : start + some], room[variable]
                for token in range(some):
                    centred[token] = np.int32(both[token] >> shift) - total
            for token in range(some):
                weight[token] = np.int32(weights[start + token] >> shift)
            for one in range(fixed):
                centred = room[one]
                for token in range(some):
                    weighted[token] = centred[token] * weight[token]
                for other in range(one, variables):
                    centred = room[other]
                    total_of_products = 0.0
                    for token in range(some):
                        total_of_products += weighted[token] * centred[token]
                    crossed[side, one, other] += total_of_products

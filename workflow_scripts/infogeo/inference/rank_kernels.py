"""The loops over tokens in `rank_correlation`, compiled: numpy would go through memory often.

Memory is what they wait for. So resamples are treated together, with a whole number of each in some
bits of an int64: sums and looks-up are of all of them, three at the 50,000 tokens of the default. A
variable is ranked and brought into the order of the tokens before the next one, while its ranks are
in the cache. Indices have no sign, so that none is asked whether it counts from the end.
"""

from infogeo.inference.compiled import compiled


@compiled()
def midranks(texts, ends, places, copies, bits, of_value, ranks, cubes) -> None:
    """Midranks of the values of a variable in some resamples of texts.

    Parameters
    ----------
    texts : (tokens,) uint32 array
        Text of each token, in the order of the variable.
    ends : (tokens,) uint8 array
        In that order: 2 where no other token is tied with a token, 1 at the last of tied ones, else
        0.
    places : (tokens,) uint32 array
        For each token, the place of its value among the different ones.
    copies : (texts,) int64 array
        How often each text is there, in all of them.
    bits : int
        Of each.
    of_value : (tokens,) int64 array
        Room for the ranks of the values.
    ranks : (tokens,) int64 array
        Written: twice the midranks of the tokens, in all.
    cubes : (resamples,) float64 array
        Added to: for each tie, the cube of how many tokens it has.
    """
    before = below = value = 0
    for token in range(len(texts)):
        below += copies[texts[token]]
        of_value[value] = before + below
        if ends[token]:
            if ends[token] == 1:
                tied = below - before
                for one in range(len(cubes)):
                    cubes[one] += float(tied >> one * bits & (1 << bits) - 1) ** 3
            before = below
            value += 1
    for token in range(len(places)):
        ranks[token] = of_value[places[token]]


@compiled(fastmath=True)  # everything is finite, and sums of whole numbers have no order
def products(weights, totals, bits, ranks, fixed, room, crossed) -> None:
    """Sums over the tokens of some resamples of the products of their ranks.

    Parameters
    ----------
    weights : (tokens,) int64 array
        How often each token is there, in all of them.
    totals : (resamples,) int64 array
        How many tokens that makes; they are taken from the ranks.
    bits : int
        Of each.
    ranks : (variables, tokens) int64 array
        See `midranks`.
    fixed : int
        Of the first variables, products with all are taken.
    room : (variables + 2, tokens) float64 array
        Room for the ranks of so many tokens, which should fit the cache.
    crossed : (resamples, fixed, variables) float64 array
        Added to, from the diagonal on.
    """
    variables = len(ranks)
    weight, weighted = room[variables], room[variables + 1]
    for start in range(0, len(weights), len(weight)):
        some = min(len(weight), len(weights) - start)
        for place in range(len(totals)):
            shift, mask, total = place * bits, (1 << bits) - 1, totals[place]
            for variable in range(variables):
                packed, centred = ranks[variable, start : start + some], room[variable]
                for token in range(some):
                    centred[token] = (packed[token] >> shift & mask) - total
            for token in range(some):
                weight[token] = weights[start + token] >> shift & mask
            for one in range(fixed):
                centred = room[one]
                for token in range(some):
                    weighted[token] = centred[token] * weight[token]
                for other in range(one, variables):
                    centred = room[other]
                    of_ranks = 0.0
                    for token in range(some):
                        of_ranks += weighted[token] * centred[token]
                    crossed[place, one, other] += of_ranks

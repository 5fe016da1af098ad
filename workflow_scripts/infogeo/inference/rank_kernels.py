"""The loops over tokens in `rank_correlation`, compiled: numpy would go through memory often.

Ranks are whole numbers, which are exact, and half as large as float64 where they are looked up.
Indices have no sign, so that none is asked whether it counts from the end.
"""

from infogeo.inference.compiled import compiled


@compiled()
def midranks(texts, last, copies, lengths, total, middle) -> float:
    """Midranks of the values of a variable in a resample of texts.

    Parameters
    ----------
    texts : (tokens,) uint32 array
        Text of each token, in the order of the variable.
    last : (tokens,) bool array
        Whether a token is the last of those that are tied with it, in that order.
    copies : (texts,) int array
        How often each text is there.
    lengths : (texts,) int array
        Tokens of each.
    total : int
        How many tokens that makes.
    middle : (values,) int32 array
        Written, for each value: twice its midrank, less `total`.

    Returns
    -------
    float
        The variance of the midranks as shares of `total`.
    """
    below = mass = value = 0
    cubes = 0.0
    if len(middle) == len(texts):  # without ties
        for token in range(len(texts)):
            mass = copies[texts[token]]
            middle[token] = 2 * below + mass - total
            below += mass
        for text in range(len(copies)):
            cubes += lengths[text] * float(copies[text]) ** 3
    else:
        for token in range(len(texts)):
            mass += copies[texts[token]]
            if last[token]:
                middle[value] = 2 * below + mass - total
                below += mass
                cubes += float(mass) ** 3
                mass = 0
                value += 1
    return (1.0 - cubes / float(total) ** 3) / 12.0  # tied ranks vary less


@compiled(fastmath=True)  # everything is finite, and sums of whole numbers have no order
def products(texts, places, copies, middle, fixed, ranks, crossed) -> None:
    """Sums over the tokens of a resample of the products of their ranks.

    Parameters
    ----------
    texts : (tokens,) uint32 array
    places : (variables, tokens) uint32 array
        For each token, the place of its value among the different ones of a variable.
    copies : (texts,) int array
    middle : (variables, values) int32 array
        See `midranks`.
    fixed : int
        Of the first variables, products with all are taken.
    ranks : (variables + 2, room) float64 array
        Room for the ranks of so many tokens, which should fit the cache.
    crossed : (fixed, variables) float64 array
        Added to, from the diagonal on.
    """
    variables, weight, weighted = len(places), len(places), len(places) + 1
    room = ranks.shape[1]
    for start in range(0, len(texts), room):
        some = min(room, len(texts) - start)
        for token in range(some):
            ranks[weight, token] = copies[texts[start + token]]
        for variable in range(variables):
            for token in range(some):
                ranks[variable, token] = middle[variable, places[variable, start + token]]
        for one in range(fixed):
            for token in range(some):
                ranks[weighted, token] = ranks[one, token] * ranks[weight, token]
            for other in range(one, variables):
                total = 0.0
                for token in range(some):
                    total += ranks[weighted, token] * ranks[other, token]
                crossed[one, other] += total

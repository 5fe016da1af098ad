"""Which models are set side by side where no law needs them: pairs of the table of models.

The Snakefile imports this module, so it needs nothing beyond PyYAML and jsonschema.
"""

from itertools import combinations

from infogeo.planning.prospects import LEAST_SIZES, sizes
from infogeo.sources import runs


def compared_pairs(models: list[dict]) -> list[tuple[str, str]]:
    """The pairs of slugs whose differences are taken, the first less the second.

    Parameters
    ----------
    models : list of dict
        Rows of the table of models.

    Returns
    -------
    list of (str, str)
        Each model with the one that its column `pair_with` names; and all of a family that has
        fewer sizes than a law needs, of runs the last steps. Each pair once.
    """
    families: dict[str, list[dict]] = {}
    for row in runs.last_of_runs(models):
        families.setdefault(row["family"], []).append(row)
    pairs = [(row["slug"], row["pair_with"]) for row in models if row["pair_with"]]
    for rows in families.values():
        if sizes(rows) < LEAST_SIZES:
            pairs += combinations([row["slug"] for row in rows], 2)
    return list({frozenset(pair): pair for pair in reversed(pairs)}.values())[::-1]

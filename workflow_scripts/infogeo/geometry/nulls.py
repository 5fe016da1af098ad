"""The random null: what the metrics say of random directions; and seeds of untrained twins."""

from collections.abc import Iterable

import numpy as np

from infogeo.geometry import metrics
from infogeo.geometry.entropy import evaluate
from infogeo.geometry.spectra import text_spectra


def random_null(
    widths: Iterable[int],
    prefixes: Iterable[int],
    eps2: Iterable[float],
    lambdas: Iterable[float],
    draws: int,
    seed: int,
    orders: Iterable[float] = (),
):
    """Every metric on n independent random unit vectors in R^d.

    Parameters
    ----------
    widths, prefixes : iterable of int
        The d and the n; all pairs are taken.
    eps2 : iterable of float
        The ε² of the coding rates.
    lambdas : iterable of float
        The λ of the mean gains.
    draws : int
        Independent draws for each pair.
    seed : int
        Each pair has a stream of its own, (seed, d, n): another width, prefix or draw leaves the
        other values as they are.
    orders : iterable of float
        The orders of further Rényi entropies and Schatten norms.

    Returns
    -------
    pandas.DataFrame
        d, n, convention, first, metric, draw, value; sorted by d and n. Without the first row
        (``out``) it is that of n − 1 vectors.

    Notes
    -----
    Same code as for hidden states. Verified against the Marchenko–Pastur law: the mean matrix
    entropy of n unit vectors in R^d is that of its density at n/d.
    """
    import pandas as pd

    chosen = list(eps2), list(lambdas), list(orders)
    parts = []
    for d in sorted(set(widths)):
        for n in sorted(set(prefixes)):
            spectra = _draws(d, n, draws, seed)
            for (convention, first), (eigenvalues, rows) in spectra.items():
                for metric in metrics.names(convention, *chosen):
                    value = evaluate(metric, eigenvalues, d, rows, convention)
                    parts.append(
                        pd.DataFrame(
                            {
                                "d": d,
                                "n": n,
                                "convention": convention,
                                "first": first,
                                "metric": metric,
                                "draw": np.arange(draws),
                                "value": value,
                            }
                        )
                    )
    return pd.concat(parts, ignore_index=True)


def _draws(d: int, n: int, draws: int, seed: int) -> dict:
    """(convention, first) → eigenvalues (draws, rank), rows that are not zero rows (draws,)."""
    generator = np.random.default_rng([seed, d, n])
    drawn: dict[tuple, tuple[list, list]] = {}
    for _ in range(draws):
        Z = generator.standard_normal((n, d))
        Z /= np.linalg.norm(Z, axis=1, keepdims=True)
        for (*key, _), (eigenvalues, zero_rows) in text_spectra(Z, [n]).items():
            of_key = drawn.setdefault(tuple(key), ([], []))
            of_key[0].append(eigenvalues)
            of_key[1].append(n - (key[1] == "out") - zero_rows)
    return {key: (np.stack(spectra), np.array(rows)) for key, (spectra, rows) in drawn.items()}

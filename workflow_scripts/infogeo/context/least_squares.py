"""Least squares of the last token on earlier ones, in Gram form."""

import numpy as np

SINGULAR = 1e-10  # of the largest squared pivot of a Gram matrix, or of its largest eigenvalue


def refit(train, test, chosen, sink: str):
    """Least squares of the last token on chosen ones: the share that it explains.

    Parameters
    ----------
    train, test : (B, n, n) ndarray
        Gram matrices of the rows on the coordinates to fit and to score.
    chosen : (B, S, k) int ndarray
        Tokens; token 0 is added where the sink is forced.
    sink : {'free', 'forced', 'excluded'}

    Returns
    -------
    on_train, on_test : (B, S) ndarrays
        1 − RSS/‖y‖²; 0 where the target is zero. Of tokens that are combinations of others, the
        smallest coefficients.

    Notes
    -----
    Verified against numpy.linalg.lstsq on the rows themselves.
    """
    if sink == "forced":
        chosen = np.concatenate([np.zeros_like(chosen[:, :, :1]), chosen], axis=2)
    problem = np.arange(len(train))[:, None, None]
    within = train[problem[..., None], chosen[..., :, None], chosen[..., None, :]]
    # The residual is this combination of the rows.
    combination = np.zeros((*chosen.shape[:2], train.shape[1]))
    np.put_along_axis(combination, chosen, -_solve(within, train[problem, chosen, -1]), axis=2)
    combination[..., -1] = 1
    return tuple(explained(combination, gram) for gram in (train, test))


def explained(combination, gram):
    """1 − RSS/‖y‖² of residuals (B, S, n) under Gram matrices (B, n, n); 0 for a zero target."""
    left = np.sum(np.matmul(combination, gram) * combination, axis=2)
    whole = np.broadcast_to(gram[:, -1:, -1], left.shape)
    return np.where(
        whole > 0, 1 - np.divide(left, whole, out=np.ones_like(left), where=whole > 0), 0
    )


def _solve(gram, products) -> np.ndarray:
    """Coefficients (..., k) of least squares from Gram matrices (..., k, k), singular or not."""
    if not gram.shape[-1]:
        return products
    try:
        pivots = np.square(np.diagonal(np.linalg.cholesky(gram), axis1=-2, axis2=-1))
        sound = pivots.min(axis=-1) > SINGULAR * pivots.max(axis=-1)
    except np.linalg.LinAlgError:
        sound = np.zeros(gram.shape[:-2], bool)
    coefficients = np.empty_like(products)
    coefficients[sound] = np.linalg.solve(gram[sound], products[sound][..., None])[..., 0]
    inverse = np.linalg.pinv(gram[~sound], rcond=SINGULAR, hermitian=True)
    coefficients[~sound] = np.matmul(inverse, products[~sound][..., None])[..., 0]
    return coefficients


def ridge_weights(gram, lam: float) -> np.ndarray:
    """Weights of the last token's ridge regression on all earlier ones. (n − 1,)."""
    earlier = gram[:-1, :-1] + lam * np.eye(len(gram) - 1)
    return np.linalg.solve(earlier, gram[:-1, -1])


def participation(gram, weights) -> dict:
    """Over how many tokens the weights of a regression spread, and what they explain.

    Parameters
    ----------
    gram : (n, n) ndarray
    weights : (n − 1,) ndarray
        Of the earlier tokens.

    Returns
    -------
    dict
        participation_ratio (Σw²)²/Σw⁴, from 1 to n − 1 (0 where all weights are); the same as a
        share of n − 1; the explained share 1 − ‖z − Zᵀw‖²/‖z‖².
    """
    fourth = np.sum(weights**4)
    ratio = np.sum(weights**2) ** 2 / fourth if fourth > 0 else 0.0
    combination = np.append(-weights, 1.0)[None, None]
    return {
        "participation_ratio": ratio,
        "participation_share": ratio / len(weights),
        "explained": explained(combination, gram[None])[0, 0],
    }

"""The skills model as scaling laws: how many skills parameters, data and compute buy.

A model that comprehends the first n skills has H − H_∞ = Δ ζ(1+α, n+1)/ζ(1+α) ~ n^−α (see
`infogeo.theory.skills`). Each variant says how n grows with what is spent, x:

- `parameter_limited`: n = N^γ, x = N, in units of the parameters that comprehend one skill;
- `data_limited`: n = expected number of different skills in D samples, x = D;
- `compute_limited`: n = the smaller of the two at the best split of x = N D.
"""

import numpy as np
from scipy import optimize, special

from infogeo.files.errors import InfogeoError

VARIANTS = ("parameter_limited", "data_limited", "compute_limited")
HEAD = 1000  # skills that are summed one by one; the rest is an integral


def seen(samples, alpha: float) -> np.ndarray:
    """Expected number of different skills in D samples, Σ_k (1 − (1 − p_k)^D).

    Parameters
    ----------
    samples : array of float (...)
        D ≥ 1.
    alpha : float
        p_k = k^−(1+α)/ζ(1+α).

    Returns
    -------
    (...) float64 array
        ~ Γ(α/(1+α)) (D/ζ(1+α))^(1/(1+α)) − ½.

    Notes
    -----
    The first 1000 terms are summed. Beyond, the sum is the integral from 1000.5 plus f′/24
    (Euler–Maclaurin at midpoints), and the integral, by parts, an incomplete beta function.

    Verified against direct sums and simulated samples.
    """
    D = np.asarray(samples, float)
    if not alpha > 0 or not (D >= 1).all():
        raise InfogeoError(
            f"skills seen: alpha = {alpha}, samples from {D.min()}. alpha must be above 0 and "
            "samples at least 1."
        )
    zeta, power = special.zeta(1 + alpha), 1 / (1 + alpha)
    p = np.arange(1, HEAD + 1.0) ** -(1 + alpha) / zeta
    with np.errstate(divide="ignore"):  # α so large that p_1 is 1
        head = -np.expm1(D[..., None] * np.log1p(-p)).sum(-1)
    edge = HEAD + 0.5
    q = edge ** -(1 + alpha) / zeta
    unseen = np.exp(D * np.log1p(-q))
    a = 1 - power
    integral = D * zeta**-power * special.beta(a, D) * special.betainc(a, D, q)
    slope = -D * unseen / (1 - q) * (1 + alpha) * q / edge
    return head + integral - edge * (1 - unseen) + slope / 24


def cost(variant: str, n, alpha: float, gamma: float) -> np.ndarray:
    """What must be spent to comprehend the first n skills: the inverse of n(x).

    Parameters
    ----------
    variant : {"parameter_limited", "data_limited", "compute_limited"}
    n : (points,) array
        At least 1.
    alpha, gamma : float
        gamma plays no part in `data_limited`.

    Returns
    -------
    (points,) float64 array
        N, D or N D. Compute is split best where parameters and data comprehend equally many: more
        of one costs some of the other, which then limits n.

    Raises
    ------
    InfogeoError
        Where there is no such variant, or a value is out of range.

    Notes
    -----
    Verified against a search over all splits.
    """
    n = np.asarray(n, float)
    if variant not in VARIANTS:
        raise InfogeoError(f"variant {variant!r}: there are {', '.join(VARIANTS)}.")
    if not (gamma > 0 and (n >= 1).all()):
        raise InfogeoError(
            f"{variant}: gamma = {gamma}, n from {n.min()}. gamma must be above 0, n at least 1."
        )
    parameters = n ** (1 / gamma)
    if variant == "parameter_limited":
        return parameters
    samples = np.array([_samples(value, alpha) for value in n])
    return samples if variant == "data_limited" else parameters * samples


def _samples(n: float, alpha: float) -> float:
    """The D in which n different skills are expected."""
    high = 1.0
    while seen(high, alpha) < n:
        high *= 4
    if high == 1:
        return 1.0
    log_samples = optimize.brentq(
        lambda log: float(seen(np.exp(log), alpha)) - n, np.log(high / 4), np.log(high), xtol=1e-13
    )
    return float(np.exp(log_samples))


def exponent(variant: str, alpha: float, gamma: float) -> float:
    """The exponent that the law tends to, H − H_∞ ~ x^exponent; negative.

    −αγ in parameters, −α/(1+α) in data and, with β = α/(1+α), −αγβ/(αγ + β) in compute.
    """
    in_parameters, in_data = alpha * gamma, alpha / (1 + alpha)
    return {
        "parameter_limited": -in_parameters,
        "data_limited": -in_data,
        "compute_limited": -in_parameters * in_data / (in_parameters + in_data),
    }[variant]

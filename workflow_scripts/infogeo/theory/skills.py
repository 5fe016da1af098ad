"""The skills model: conditional entropy as a power law of the number of skills comprehended.

Skill k = 1, 2, … has the Zipf weight p_k = k^−(1+α)/ζ(1+α), and a model comprehends the first n. A
text has `skills_per_text` skills drawn from that law, and is understood when a share of them (all
by default) is comprehended. Its content X has the law `true` (P). A model that understands it
predicts P and pays h₁ = H(P) nats. One that does not predicts `background` (Q) and pays the
cross-entropy h₀ = h₁ + Δ, Δ = KL(P ‖ Q). docs/theory.md derives what is computed here.
"""

import heapq

import numpy as np
from scipy import special

from infogeo.files.errors import InfogeoError

TOLERANCE = 1e-9  # what the sum of a distribution may be off by
CHUNK = 2**16  # texts that are drawn together
HEAD = 1024  # skills whose tails are tabulated; beyond, a closed form is off by at most one skill
LAST = 2**63 - 1  # skills from here on are one: far beyond any n
LEVEL = 0.025  # on either side of a 95 % interval


# ---------------------------------------------------------------- exact


def tail(n, alpha: float) -> np.ndarray:
    """Probability that a skill is not among the first n, ζ(1+α, n+1)/ζ(1+α).

    Parameters
    ----------
    n : array of float (...)
        At least 0; need not be whole.
    alpha : float
        Above 0.

    Returns
    -------
    (...) float64 array
        1 at n = 0. Below (n + ½)^−α/(α ζ(1+α)) by at most the share α(1+α)/(24 (n + ½)²) of it.

    Raises
    ------
    InfogeoError
        Where n or alpha is out of range.

    Notes
    -----
    The Hurwitz zeta function of scipy, by Euler–Maclaurin: no truncated sum.

    Verified against mpmath at 50 digits (1e-14 relative for n from 0 to 1e9, α from 0.01 to 8)
    direct sums, and the two bounds.
    """
    n = np.asarray(n, float)
    if not (np.isfinite(alpha) and 1 + alpha > 1):
        raise InfogeoError(f"skills: alpha = {alpha}. The Zipf exponent is 1 + alpha; alpha > 0.")
    if not (np.isfinite(n) & (n >= 0)).all():
        raise InfogeoError(f"skills: n = {n.min()}. A model comprehends n ≥ 0 skills, n finite.")
    return special.zeta(1 + alpha, n + 1) / special.zeta(1 + alpha, 1.0)


def needed(skills_per_text: int, share: float) -> int:
    """How many of its skills must be comprehended for a text to be understood, ⌈share · m⌉.

    Raises
    ------
    InfogeoError
        Where there is no skill, or the share is outside (0, 1].
    """
    if not (skills_per_text >= 1 and skills_per_text == int(skills_per_text)):
        raise InfogeoError(
            f"skills: skills_per_text = {skills_per_text}. It is a whole number, at least 1."
        )
    if not 0 < share <= 1:
        raise InfogeoError(f"skills: share = {share}. It is above 0 and at most 1 (all skills).")
    # 0.07 · 100 is 7.000000000000001: seven skills, not eight.
    return int(np.ceil(share * skills_per_text * (1 - 1e-12)))


def not_understood(n, alpha: float, skills_per_text: int = 1, share: float = 1.0) -> np.ndarray:
    """Probability that a text is not understood by a model with the first n skills.

    Fewer than r = `needed` of m independent skills are comprehended: a binomial tail, which is the
    regularised incomplete beta function I_t(m − r + 1, r) of t = `tail`.

    Parameters
    ----------
    n, alpha
        As for `tail`.
    skills_per_text : int
        m; a skill that is drawn twice counts twice.
    share : float
        In (0, 1].

    Returns
    -------
    (...) float64 array
        t for one skill per text; ~ C(m, r−1) t^(m−r+1) as n grows.

    Notes
    -----
    Verified against binomial sums in mpmath (1e-14 relative) and by simulation.
    """
    r = needed(skills_per_text, share)
    return special.betainc(skills_per_text - r + 1, r, tail(n, alpha))


def exponent(alpha: float, skills_per_text: int = 1, share: float = 1.0) -> float:
    """The exponent that H − H_∞ tends to in n, −α(m − r + 1); −α where all skills are needed.

    Notes
    -----
    A text stays in the dark only if m − r + 1 of its skills are beyond n at once.

    Verified against the slope of the exact curve at n from 1e4 to 1e6.
    """
    return -alpha * (skills_per_text - needed(skills_per_text, share) + 1)


def conditional_entropy(
    n, alpha: float, h1: float, delta: float, skills_per_text: int = 1, share: float = 1.0
) -> np.ndarray:
    """H(X|Y) = h₁ + Δ × `not_understood`: h₁ + Δ ζ(1+α, n+1)/ζ(1+α) for one skill per text.

    Parameters
    ----------
    n, alpha, skills_per_text, share
        As for `not_understood`.
    h1 : float
        Entropy of what an understood text says, nats: `entropy` of the true law. H_∞.
    delta : float
        What is paid on top where it is not understood, nats: `divergence` of true and background.

    Returns
    -------
    (...) float64 array
        Nats.

    Raises
    ------
    InfogeoError
        Where h1 or delta is negative or not finite, or another value is out of range.

    Notes
    -----
    2402.03471, Lemma 3.6 (one skill per text; docs/theory.md). Strictly a cross-entropy where a
    text is not understood: the code length that a model pays, not what could be known.

    Verified against mpmath at 50 digits and direct sums; the slope of ln(H − h₁) on ln(n + ½) is −α
    to 1 % for α ≤ 1 over n = 1, 2, 4, …, 64. On ln n it is −0.91 for α = 1.
    """
    for name, value in (("h1", h1), ("delta", delta)):
        if not (np.isfinite(value) and value >= 0):
            raise InfogeoError(f"skills: {name} = {value}. Entropies are finite, at least 0 nats.")
    return h1 + delta * not_understood(n, alpha, skills_per_text, share)


def entropy(P) -> float:
    """H(P) = −Σ P ln P of a distribution (outcomes,), nats.

    Raises
    ------
    InfogeoError
        Where P is not a distribution.
    """
    return float(special.entr(_distribution(P, "true")).sum())


def divergence(P, Q) -> float:
    """KL(P ‖ Q) = Σ P ln(P/Q), nats: what coding X ~ P by the law Q costs on top of H(P).

    Parameters
    ----------
    P, Q : (outcomes,) arrays
        The true law and the background.

    Raises
    ------
    InfogeoError
        Where one is not a distribution, they differ in length, or Q = 0 where P > 0.

    Notes
    -----
    Verified against scipy.stats.entropy.
    """
    P, Q = _pair(P, Q)
    return float(special.rel_entr(P, Q).sum())


def _distribution(P, name: str) -> np.ndarray:
    P = np.asarray(P, float)
    if P.ndim != 1 or not P.size or not np.isfinite(P).all() or (P < 0).any():
        raise InfogeoError(
            f"skills: {name} = {P.tolist()}. A distribution is a list of probabilities, none "
            "negative."
        )
    if abs(P.sum() - 1) > TOLERANCE:
        raise InfogeoError(
            f"skills: {name} = {P.tolist()} sums to {P.sum():.10g}. Probabilities sum to 1."
        )
    return P


def _pair(P, Q) -> tuple[np.ndarray, np.ndarray]:
    P, Q = _distribution(P, "true"), _distribution(Q, "background")
    if len(P) != len(Q):
        raise InfogeoError(
            f"skills: true has {len(P)} outcomes and background {len(Q)}. Both are laws of one X."
        )
    impossible = np.flatnonzero((Q == 0) & (P > 0))
    if impossible.size:
        raise InfogeoError(
            f"skills: background is 0 at outcome {impossible[0]}, where true is "
            f"{P[impossible[0]]:g}: the divergence is infinite. Give it a probability above 0."
        )
    return P, Q


# ---------------------------------------------------------------- codes


def huffman_lengths(P) -> np.ndarray:
    """Lengths in bits of a binary Huffman code of the law P, (outcomes,) int64.

    An outcome of probability 0 gets no word, and an only outcome the empty one: length 0.

    Raises
    ------
    InfogeoError
        Where P is not a distribution.

    Notes
    -----
    Instantaneous and optimal (Huffman 1952): H ≤ L < H + 1 bits.

    Verified against these bounds, Kraft's sum, dyadic laws (L = H) and a search over all codes.
    """
    P = _distribution(P, "true")
    lengths = np.zeros(len(P), np.int64)
    # The second entry breaks ties, so that lists of outcomes are never compared.
    nodes = [(P[outcome], int(outcome), [outcome]) for outcome in np.flatnonzero(P)]
    heapq.heapify(nodes)
    while len(nodes) > 1:
        low, _, left = heapq.heappop(nodes)
        high, tie, right = heapq.heappop(nodes)
        merged = left + right
        lengths[merged] += 1
        heapq.heappush(nodes, (low + high, tie, merged))
    return lengths


def shannon_lengths(Q) -> np.ndarray:
    """Lengths in bits of the Shannon code of the law Q, ⌈−log₂ Q⌉; 0 where Q = 0 (no word).

    Returns
    -------
    (outcomes,) int64 array

    Raises
    ------
    InfogeoError
        Where Q is not a distribution.

    Notes
    -----
    Under a true law P the expected length is H(P) + KL(P ‖ Q) ≤ L < H(P) + KL(P ‖ Q) + 1 bits
    (Cover & Thomas 2006, Theorem 5.4.3).

    Verified against these bounds, Kraft's sum and dyadic laws.
    """
    Q = _distribution(Q, "background")
    # Q = f·2^e with ½ ≤ f < 1, so ⌈−log₂ Q⌉ = 1 − e, without the rounding of a logarithm.
    return np.where(Q > 0, 1 - np.frexp(Q)[1], 0).astype(np.int64)


def code_length(
    n, alpha: float, true, background, skills_per_text: int = 1, share: float = 1.0
) -> np.ndarray:
    """Expected length in bits: Huffman code of P where understood, Shannon code of Q elsewhere.

    Parameters
    ----------
    n, alpha, skills_per_text, share
        As for `not_understood`.
    true, background : (outcomes,) arrays
        P and Q.

    Returns
    -------
    (...) float64 array
        Within [H, H + 1) of H = `conditional_entropy` in bits.

    Raises
    ------
    InfogeoError
        As `divergence`.

    Notes
    -----
    Verified against those bounds, and against H itself for dyadic laws.
    """
    P, Q = _pair(true, background)
    dark = not_understood(n, alpha, skills_per_text, share)
    return (1 - dark) * (P @ huffman_lengths(P)) + dark * (P @ shannon_lengths(Q))


# ---------------------------------------------------------------- simulated texts


def graph(texts: int, *, alpha: float, skills_per_text: int, seed: int) -> np.ndarray:
    """A random bipartite graph of texts and skills, as the edges of each text.

    Parameters
    ----------
    texts, skills_per_text : int
        At least 1.
    alpha : float
        Above 0.
    seed : int

    Returns
    -------
    (texts, skills_per_text) int64 array
        The skills of each text, from 1, in the order drawn: independent draws from the Zipf law,
        so that a skill may occur twice. Its degrees follow the law. Skills beyond 2^63 − 1 are
        counted as that one. The texts are the first of `simulate` with the same seed.

    Raises
    ------
    InfogeoError
        Where a value is out of range.

    Notes
    -----
    Inverse transform: skill k is drawn where tail(k) < V ≤ tail(k−1), V uniform in (0, 1], by a
    table up to 1024. Beyond, (V α ζ(1+α))^(−1/α) − ½ inverts the tail to within one skill, and the
    exact tail decides.

    Verified against the exact weights (χ², and the shares of skills beyond 1e3 to 1e6), and
    against `simulate` text by text.
    """
    _check_texts(texts, 1)
    needed(skills_per_text, 1.0)
    V = np.concatenate([V for _, V in _draws(texts, skills_per_text, seed)])
    return _zipf(V, alpha)


def simulate(
    n, *, texts: int, alpha: float, true, background, skills_per_text: int, share: float, seed: int
):
    """Monte Carlo over a bipartite graph: code lengths of texts for models with n skills each.

    Each text gets its skills from the Zipf law and its X from P. A model pays −ln P(X) where it
    understands the text and −ln Q(X) where it does not; all models read the same texts.

    Parameters
    ----------
    n : (models,) array of whole numbers
        Ascending, from 0.
    texts : int
        At least 2.
    alpha, true, background, skills_per_text, share
        As for `code_length`.
    seed : int

    Returns
    -------
    pandas.DataFrame
        A row per n: n, texts; not_understood, the share, with its exact (Clopper–Pearson) 95 %
        interval not_understood_low, _high; entropy, the mean code length in nats, with its normal
        95 % interval entropy_low, _high over texts; exact_not_understood and exact_entropy.
        H − H_∞ is Δ × not_understood: at large n that says far more than the entropy less h₁, which
        has the noise of −ln P(X).

    Raises
    ------
    InfogeoError
        Where a value is out of range, or P and Q are not fit (see `divergence`).

    Notes
    -----
    A text is understood from n on where its r-th smallest skill is at most n, r = `needed`; as the
    inverse transform is monotone, that is one comparison of the r-th largest uniform number with
    tail(n), and no skill has to be named. Text i takes the numbers i(m+1) … i(m+1)+m of the
    stream: results depend on neither the chunks nor, for the first texts, how many follow.

    Verified against a literal loop over the skills of `graph`, against the exact law, and the
    coverage of both intervals over seeds. 1e7 texts: tests/bench/skills.py.
    """
    import pandas as pd

    n = np.asarray(n, float)
    if n.ndim != 1 or not n.size or (n != np.floor(n)).any() or (np.diff(n) <= 0).any():
        raise InfogeoError(f"skills: n = {n.tolist()}. It is an ascending list of whole numbers.")
    _check_texts(texts, 2)
    P, Q = _pair(true, background)
    place = skills_per_text - needed(skills_per_text, share)
    ascending = tail(n, alpha)[::-1]
    cumulative = np.cumsum(P)
    cumulative[np.flatnonzero(P)[-1] :] = 1.0  # whatever rounding left of the sum

    models, outcomes = len(n), len(P)
    counts = np.zeros((models + 1) * outcomes, np.int64)
    for uniform, V in _draws(texts, skills_per_text, seed):
        rarest = np.partition(V, place, axis=1)[:, place]  # (chunk,)
        dark = models - np.searchsorted(ascending, rarest)  # of the first so many models
        X = np.searchsorted(cumulative, uniform, side="right")
        counts += np.bincount(dark * outcomes + X, minlength=counts.size)

    by_models = counts.reshape(models + 1, outcomes)[::-1].cumsum(axis=0)[::-1]
    missed = by_models[1:]  # (models, outcomes): texts not understood
    read = by_models[0] - missed
    lengths = np.zeros((2, outcomes))
    possible = P > 0
    lengths[:, possible] = -np.log([P[possible], Q[possible]])
    mean = (read @ lengths[0] + missed @ lengths[1]) / texts
    squares = [(lengths[i] - mean[:, None]) ** 2 for i in range(2)]  # (models, outcomes)
    variance = (read * squares[0] + missed * squares[1]).sum(axis=1) / (texts - 1)
    half = special.ndtri(1 - LEVEL) * np.sqrt(variance / texts)
    count = missed.sum(axis=1)
    exact = not_understood(n, alpha, skills_per_text, share)
    return pd.DataFrame(
        {
            "n": n.astype(np.int64),
            "texts": texts,
            "not_understood": count / texts,
            "not_understood_low": _beta_quantile(count, texts - count + 1, LEVEL),
            "not_understood_high": _beta_quantile(count + 1, texts - count, 1 - LEVEL),
            "entropy": mean,
            "entropy_low": mean - half,
            "entropy_high": mean + half,
            "exact_not_understood": exact,
            "exact_entropy": entropy(P) + divergence(P, Q) * exact,
        }
    )


def _check_texts(texts: int, least: int) -> None:
    if not (texts >= least and texts == int(texts)):
        raise InfogeoError(f"skills: texts = {texts}. It is a whole number, at least {least}.")


def _draws(texts: int, skills_per_text: int, seed: int):
    """Chunks of (uniform (chunk,) in [0, 1) for X, V (chunk, skills_per_text) in (0, 1])."""
    rng = np.random.default_rng(seed)
    for start in range(0, texts, CHUNK):
        numbers = rng.random((min(CHUNK, texts - start), skills_per_text + 1))
        yield numbers[:, 0], 1 - numbers[:, 1:]


def _zipf(V, alpha: float) -> np.ndarray:
    """The skill k with tail(k) < V ≤ tail(k − 1), of the shape of V; int64."""
    head = tail(np.arange(HEAD + 1), alpha)  # descending from 1
    skills = (HEAD + 1 - np.searchsorted(head[::-1], V)).astype(np.int64)
    far = head[HEAD] >= V
    v = V[far]
    with np.errstate(over="ignore"):
        k = np.ceil((v * alpha * special.zeta(1 + alpha, 1.0)) ** (-1 / alpha) - 0.5)
    k = np.minimum(k, 2.0**63)
    k = np.where(tail(k - 1, alpha) < v, k - 1, np.where(tail(k, alpha) >= v, k + 1, k))
    whole = k < 2.0**63
    skills[far] = np.where(whole, np.where(whole, k, 0).astype(np.int64), LAST)
    return skills


def _beta_quantile(a, b, p) -> np.ndarray:
    """Quantile of Beta(a, b), 0 at a = 0 and 1 at b = 0: the ends of Clopper and Pearson."""
    inside = (a > 0) & (b > 0)
    quantile = special.betaincinv(np.maximum(a, 1), np.maximum(b, 1), p)
    return np.where(inside, quantile, np.where(a > 0, 1.0, 0.0))

"""The ridge regularisers λ of the context study, by name."""


def regularisers(lambdas, eps2, n: int, d: int) -> list[tuple[str, float]]:
    """The regularisers by name: fixed ones, and those tied to the coding rate, λ = n ε²/d.

    Returns
    -------
    list of (str, float)
        ``("lambda=0.1", 0.1)``, …, ``("eps2=0.5", n · 0.5/d)``, …
    """
    fixed = [(f"lambda={value:g}", float(value)) for value in lambdas]
    return fixed + [(f"eps2={value:g}", n * value / d) for value in eps2]

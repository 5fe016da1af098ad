"""How numbers are written for readers: alike in Markdown, on the terminal and in figures.

CSV tables are for programs, see `infogeo.files.tables`.
"""

from math import inf, isfinite, isnan, nan

MISSING = "n/a"


def with_minus(written: str) -> str:
    """A written number with true minus signs in place of hyphens."""
    return written.replace("-", "−")


def number(value: float, digits: int = 3, *, signed: bool = False) -> str:
    """A number of so many decimals, with its sign where both are possible: +0.020, −0.047."""
    return with_minus(f"{value:{'+' if signed else ''}.{digits}f}") if isfinite(value) else MISSING


def interval(low: float, high: float, digits: int = 3, *, signed: bool = False) -> str:
    """[0.011, 0.029], or [0.011, ∞) without an upper end; "" where there is no interval."""
    if not isfinite(low) or isnan(high):
        return ""
    above = "∞)" if high == inf else number(high, digits, signed=signed) + "]"
    return f"[{number(low, digits, signed=signed)}, {above}"


def estimate(value, low=nan, high=nan, digits: int = 3, *, signed: bool = False) -> str:
    """A number and its interval, where it has one: +0.020 [+0.011, +0.029]."""
    ends = interval(low, high, digits, signed=signed)
    return " ".join(filter(None, [number(value, digits, signed=signed), ends]))


def percent(share: float, digits: int = 1) -> str:
    """A share in percent: 0.058 → 5.8 %."""
    return f"{number(100 * share, digits)} %" if isfinite(share) else MISSING


def percent_interval(low: float, high: float, digits: int = 1) -> str:
    """An interval of shares in percent: [4.1 %, 7.5 %]; "" where there is none."""
    if not (isfinite(low) and isfinite(high)):
        return ""
    return f"[{percent(low, digits)}, {percent(high, digits)}]"


def scientific(value: float, digits: int = 1) -> str:
    """A small number, such as a residual: 3.2e−13."""
    return with_minus(f"{value:.{digits}e}") if isfinite(value) else MISSING


def significant(value: float, digits: int = 6) -> str:
    """A number of at most so many significant digits, zeros at its end left out: −0.05."""
    return with_minus(f"{value:.{digits}g}") if isfinite(value) else MISSING


def p_value(p: float) -> str:
    """Three decimals, or one digit of what is below a thousandth: 0.012, 3e−05."""
    return scientific(p, 0) if p < 0.001 else number(p)


def count(N: float) -> str:
    """A number of parameters or tokens, of three digits: 12345 → 12.3k."""
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if 0.9995 * size <= N:  # what rounds to 1000 of the smaller unit
            return f"{N / size:.3g}{unit}"
    return f"{N:.3g}"


def counted(how_many: int, noun: str) -> str:
    """A number with what it counts: 1 size, 2 sizes."""
    return f"{how_many} {noun}{'' if how_many == 1 else 's'}"

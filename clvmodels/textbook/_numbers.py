"""What the formulas share: checks on their numbers, and the geometric sum."""

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from clvmodels._typing import AnyArray, FloatArray
from clvmodels.exceptions import ParameterError, UnitError
from clvmodels.units import Horizon, TimeUnit

Number: TypeAlias = float | FloatArray
"""What a formula returns: a float for numbers, an array where an input was one."""

_LARGEST_EXPONENT = 700.0  # exp of more overflows a double


def finite(name: str, values: ArrayLike) -> FloatArray:
    """Finite numbers, as an array."""
    try:
        out = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ParameterError(f"{name} must be a number or an array, got {values!r}.") from None
    return require(np.isfinite(out), out, f"{name} must be finite")


def not_negative(name: str, values: ArrayLike) -> FloatArray:
    """Finite numbers, zero or more."""
    out = finite(name, values)
    return require(out >= 0, out, f"{name} must not be negative")


def positive(name: str, values: ArrayLike) -> FloatArray:
    """Finite numbers above zero."""
    out = finite(name, values)
    return require(out > 0, out, f"{name} must be positive")


def share(name: str, values: ArrayLike) -> FloatArray:
    """Shares in [0, 1]."""
    out = finite(name, values)
    return require(
        (out >= 0) & (out <= 1), out, f"{name} must lie in [0, 1]", "Write 0.8 for 80 %."
    )


def churn_rate(values: ArrayLike) -> FloatArray:
    """Churn in (0, 1]: without churn a lifetime has no end."""
    out = finite("churn", values)
    return require((out > 0) & (out <= 1), out, "churn must lie in (0, 1]", "Write 0.2 for 20 %.")


def margin_share(values: ArrayLike) -> FloatArray:
    """Shares of revenue, at most 1; negative where things are sold below cost."""
    out = finite("margin", values)
    return require(out <= 1, out, "margin must not exceed 1", "A share of revenue: 0.3 for 30 %.")


def require(holds: AnyArray, values: FloatArray, rule: str, remedy: str = "") -> FloatArray:
    """Return the values, or raise with the rule and the first value that breaks it."""
    if not holds.all():
        first = np.broadcast_to(values, holds.shape)[~holds][0]
        raise ParameterError(f"{rule}, got {first:g}. {remedy}".rstrip())
    return values


def count_periods(
    name: str, length: ArrayLike | Horizon, period: TimeUnit | str | None
) -> FloatArray:
    """How many periods a length of time has; a bare number counts them already."""
    if isinstance(length, (Horizon, str)):
        horizon = Horizon.parse(length)
        if period is None:
            raise UnitError(
                f"{name} is {str(horizon)!r}: say what the other numbers are per. "
                "Add period='year' (or 'month', 'week', ...)."
            )
        return np.asarray(horizon.to(period))
    return not_negative(name, length)


def geometric_sum(ratio: FloatArray, terms: FloatArray | None) -> FloatArray:
    """Add up 1 + q + q^2 + ...; a fraction of a term counts in proportion, None adds for ever."""
    if terms is None:
        return np.asarray(1 / (1 - ratio))
    whole = np.floor(terms)
    log_ratio = np.log(np.where(ratio > 0, ratio, 1.0))
    exponent = whole * log_ratio
    require(
        exponent < _LARGEST_EXPONENT, ratio,
        "the terms outgrow every float, each a multiple of the one before",
        "Shorten the horizon, or lower retention or growth.",
    )  # fmt: skip
    # expm1: 1 - q^n loses every digit as q nears 1
    summed = np.expm1(exponent) / np.where(ratio == 1, 1.0, ratio - 1)
    summed = np.where(ratio == 1, whole, np.where(ratio == 0, np.minimum(whole, 1.0), summed))
    return np.asarray(summed + (terms - whole) * ratio**whole)


def plain(values: FloatArray) -> Number:
    """Give a float for a single number, else the array."""
    return float(values) if np.ndim(values) == 0 else values

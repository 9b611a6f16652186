"""Metrics of counts, of predictive distributions, and of the probability that something happens.

As in `clvmodels.evaluation.metrics`, a weight of w counts as w equal rows, and several rows of
weights, of shape (samples, customers), give one result per sample.
"""

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import ArrayLike
from scipy import special as sp

from clvmodels._numbers import whole_number
from clvmodels._typing import AnyArray, FloatArray
from clvmodels.evaluation._weighted import Metric, Order, checked
from clvmodels.exceptions import DataError, ParameterError
from clvmodels.models.fitted import probabilities

if TYPE_CHECKING:
    import pandas as pd

_ROUNDING: Final = 1e-9  # by which a probability may be off


def mean_loss(loss: ArrayLike, weight: ArrayLike | None = None) -> Metric:
    """Mean of what each customer adds to a metric, such as a score of `CountDistribution`.

    Parameters
    ----------
    loss : array of shape (customers,)
        Infinite where a method ruled out what happened.
    weight : array of shape (customers,) or (samples, customers), optional
        How many customers each row stands for; one each if not given.

    Returns
    -------
    float, or ndarray of shape (samples,)
        Infinite where an infinite loss has any weight.

    Examples
    --------
    >>> mean_loss([1, np.inf, 3], [[1, 0, 1], [1, 1, 1]])
    array([ 2., inf])
    """
    values = np.asarray(loss, dtype=np.float64)
    unbounded = values == np.inf
    finite, _, w = checked(np.where(unbounded, 0.0, values), np.zeros(values.shape), weight)
    mean: Metric = w @ finite / w.sum(-1)
    if not unbounded.any():
        return mean
    return np.where(w @ unbounded > 0, np.inf, mean)[()]


def poisson_deviances(actual: FloatArray, predicted: FloatArray) -> FloatArray:
    """Unit deviance of each customer; see `poisson_deviance`."""
    return _deviances(actual, predicted, actual - predicted)


def poisson_deviance(
    actual: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None = None
) -> Metric:
    """Mean Poisson deviance: mean of 2 (y log(y / m) - y + m) for counts y and predicted means m.

    Least for the mean, like a squared error, but a miss of one purchase weighs less with heavy
    buyers, whose counts scatter more. Infinite if somebody bought of whom nothing, or less, was
    predicted: such a forecast was impossible.

    Parameters
    ----------
    actual, predicted : array of shape (customers,)
        Purchases made, 0 or more, and expected.
    weight : array of shape (customers,) or (samples, customers), optional
        How many customers each row stands for; one each if not given.

    Returns
    -------
    float, or ndarray of shape (samples,)

    Raises
    ------
    DataError
        If an actual count is negative.

    References
    ----------
    McCullagh and Nelder (1989), Generalized Linear Models, 2nd ed., table 2.1.

    Examples
    --------
    >>> round(float(poisson_deviance([0, 1, 4], [1, 1, 2])), 4)
    1.1817
    """
    y, m, w = _counts(actual, predicted, weight)
    return mean_loss(poisson_deviances(y, m), w)


def dispersion_of(actual: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Dispersion k of counts whose variance is mean + k mean^2: (variance - mean) / mean^2.

    By moments, and 0 (Poisson) where counts scatter less than that, or nothing happened.

    Parameters
    ----------
    actual : array of shape (customers,)
        Counts.
    weight : array of shape (customers,), optional
        How many customers each row stands for; one each if not given.

    Examples
    --------
    >>> dispersion_of([0, 0, 2, 6])
    1.0
    """
    y, _, w = _counts(actual, actual, weight, samples=False)
    mean = float(w @ y / w.sum())
    variance = float(w @ (y - mean) ** 2 / w.sum())
    return max((variance - mean) / mean**2, 0.0) if mean > 0 else 0.0


def negative_binomial_deviances(
    actual: FloatArray, predicted: FloatArray, dispersion: float
) -> FloatArray:
    """Unit deviance of each customer; see `negative_binomial_deviance`."""
    if dispersion == 0:
        return poisson_deviances(actual, predicted)
    logs = np.log1p(dispersion * actual) - np.log1p(dispersion * np.maximum(predicted, 0.0))
    return _deviances(actual, predicted, (1 + dispersion * actual) * logs / dispersion)


def _deviances(y: FloatArray, m: FloatArray, less: FloatArray) -> FloatArray:
    """2 (y log(y / m) - less), infinite where the mean m was impossible."""
    possible = np.maximum(m, 0.0)
    unit = np.maximum(sp.xlogy(y, y) - sp.xlogy(y, possible) - less, 0.0)
    return np.where(m < 0, np.inf, 2.0 * unit)


def negative_binomial_deviance(
    actual: ArrayLike,
    predicted: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    dispersion: float,
) -> Metric:
    """Mean deviance of counts y with predicted mean m and variance m + k m^2.

    The mean of 2 (y log(y / m) - (y + 1/k) log((1 + k y) / (1 + k m))). Compare methods at one
    dispersion k, such as `dispersion_of` the actual counts: with it, heavy buyers weigh less than
    in `poisson_deviance`, which k = 0 gives. Parameters, returns and errors as there.

    Raises
    ------
    ParameterError
        If the dispersion is negative or not finite.

    References
    ----------
    McCullagh and Nelder (1989), Generalized Linear Models, 2nd ed., section 11.2; Hilbe (2011),
    Negative Binomial Regression, 2nd ed., section 8.2.

    Examples
    --------
    >>> round(float(negative_binomial_deviance([0, 1, 4], [1, 1, 2], dispersion=1.0)), 4)
    0.6077
    """
    if not 0 <= dispersion < np.inf:
        raise ParameterError(f"dispersion must be finite, 0 or more, got {dispersion!r}.")
    y, m, w = _counts(actual, predicted, weight)
    return mean_loss(negative_binomial_deviances(y, m, dispersion), w)


def brier(actual: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None = None) -> Metric:
    """Brier score: mean of (predicted probability - what happened)^2, from 0 to 1, best if 0.

    Parameters
    ----------
    actual : array of shape (customers,)
        1 where it happened, 0 where not.
    predicted : array of shape (customers,)
        Probability that it happens.
    weight : array of shape (customers,) or (samples, customers), optional
        How many customers each row stands for; one each if not given.

    Returns
    -------
    float, or ndarray of shape (samples,)

    Raises
    ------
    DataError
        If predictions are no probabilities, or what happened is neither 0 nor 1.

    References
    ----------
    Brier (1950), Verification of forecasts expressed in terms of probability, Monthly Weather
    Review 78(1), 1-3: half of his sum over both outcomes.

    Examples
    --------
    >>> round(float(brier([1, 0, 0, 1], [0.9, 0.2, 0.0, 0.5])), 4)
    0.075
    """
    y, p, w = _events(actual, predicted, weight)
    mean: Metric = w @ (p - y) ** 2 / w.sum(-1)
    return mean


def calibration_error(
    actual: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None = None
) -> Metric:
    """Expected calibration error: mean over tenths of abs(mean probability - share it happened to).

    Tenths of the customers, ranked by probability, those with equal ones shared as in
    `decile_calibration`. Chance alone makes it positive: read it beside its standard error.
    Parameters, returns and errors as for `brier`.

    References
    ----------
    Naeini, Cooper and Hauskrecht (2015), Obtaining well calibrated probabilities using Bayesian
    binning, AAAI Conference on Artificial Intelligence 29, 2901-2907; here with bins of one size.

    Examples
    --------
    >>> round(float(calibration_error(5 * [0] + 5 * [1], 10 * [0.7])), 4)
    0.2
    """
    y, p, w = _events(actual, predicted, weight)
    foreseen, happened = Order(-p).tenths(w, p, y)
    error: Metric = np.abs(foreseen - happened).sum(0) / w.sum(-1)
    return error


def reliability(
    actual: ArrayLike,
    predicted: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    level: float = 0.9,
) -> "pd.DataFrame":
    """Predicted probability against the share it happened to, in about tenths of the customers.

    Customers with equal probabilities are in one class, the one of their middle rank: of a method
    that gives all customers the same there is one class.

    Parameters
    ----------
    actual, predicted, weight : array of shape (customers,)
        As for `brier`.
    level : float
        Probability of the intervals.

    Returns
    -------
    DataFrame
        decile (1 has the highest probabilities; those without customers are left out), customers,
        predicted, observed, lo, hi: Wilson's interval around the share observed, which takes
        customers of a class as alike.

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference, Journal
    of the American Statistical Association 22(158), 209-212.

    Examples
    --------
    >>> table = reliability(5 * [0] + 5 * [1], 10 * [0.7])
    >>> table[["customers", "predicted", "observed"]].round(6).values.tolist()
    [[10.0, 0.7, 0.5]]
    """
    import pandas as pd

    y, p, w = _events(actual, predicted, weight, samples=False)
    z = float(sp.ndtri(probabilities(level)[1]))
    y, p, w = y[w > 0], p[w > 0], w[w > 0]
    _, equal = np.unique(-p.round(12), return_inverse=True)
    held = np.bincount(equal, w)
    middle_rank = (np.cumsum(held) - held / 2) / held.sum()
    found, its = np.unique((10 * middle_rank).astype(np.int64)[equal], return_inverse=True)
    size = np.bincount(its, w)
    share = np.clip(np.bincount(its, w * y) / size, 0.0, 1.0)
    middle = (share + z**2 / (2 * size)) / (1 + z**2 / size)
    half = z * np.sqrt(share * (1 - share) / size + (z / (2 * size)) ** 2) / (1 + z**2 / size)
    return pd.DataFrame(
        {
            "decile": found + 1,
            "customers": size,
            "predicted": np.bincount(its, w * p) / size,
            "observed": share,
            "lo": np.minimum(np.maximum(middle - half, 0.0), share),
            "hi": np.maximum(np.minimum(middle + half, 1.0), share),
        }
    )


def coverage(
    actual: ArrayLike, lo: ArrayLike, hi: ArrayLike, weight: ArrayLike | None = None
) -> Metric:
    """Share of customers whose actual number lies in their interval, ends included.

    Parameters
    ----------
    actual, lo, hi : array of shape (customers,)
        What happened, and the interval predicted.
    weight : array of shape (customers,) or (samples, customers), optional
        How many customers each row stands for; one each if not given.

    Returns
    -------
    float, or ndarray of shape (samples,)

    Examples
    --------
    >>> float(coverage([0, 3, 9, 1], [0, 1, 1, 1], [2, 4, 6, 1]))
    0.75
    """
    y, low, high = (np.asarray(values, dtype=np.float64) for values in (actual, lo, hi))
    _of_intervals(low, high)
    y, _, w = checked(y, low, weight)
    share: Metric = w @ ((low <= y) & (y <= high)).astype(np.float64) / w.sum(-1)
    return share


def mean_width(lo: ArrayLike, hi: ArrayLike, weight: ArrayLike | None = None) -> Metric:
    """Mean of hi - lo. Of two methods that cover as often, the narrower says more.

    Parameters and returns as for `coverage`.

    Examples
    --------
    >>> float(mean_width([0, 1], [2, 5]))
    3.0
    """
    low, high = (np.asarray(values, dtype=np.float64) for values in (lo, hi))
    _of_intervals(low, high)
    low, high, w = checked(low, high, weight)
    width: Metric = w @ (high - low) / w.sum(-1)
    return width


def pit_histogram(
    lower: ArrayLike, upper: ArrayLike, weight: ArrayLike | None = None, bins: int = 10
) -> "pd.DataFrame":
    """Where what happened lies in the distributions predicted: flat if these are right.

    Non-randomised: each customer's share of 1 is spread evenly from F(y - 1) to F(y), where counts
    leave it open. U-shaped, the distributions are too narrow; a hump, too wide; high at the right,
    too low.

    Parameters
    ----------
    lower, upper : array of shape (customers,)
        F(y - 1) and F(y), as `CountDistribution.pit` gives them.
    weight : array of shape (customers,), optional
        How many customers each row stands for; one each if not given.
    bins : int
        How many bins from 0 to 1.

    Returns
    -------
    DataFrame
        from, to (ends of each bin), share: of the customers, 1 / bins if all is right.

    Raises
    ------
    DataError
        If there are no 0 <= lower <= upper <= 1.

    References
    ----------
    Czado, Gneiting and Held (2009), Predictive model assessment for count data, Biometrics 65(4),
    1254-1261, eqs. 2 and 3.

    Examples
    --------
    >>> pit_histogram([0.0, 0.6], [0.5, 0.6], bins=2).share.tolist()
    [0.5, 0.5]
    """
    import pandas as pd

    bins = whole_number("bins", bins, 1)
    below, upto, w = checked(lower, upper, weight, samples=False)
    _require((below >= 0) & (below <= upto) & (upto <= 1), "0 <= lower <= upper <= 1")
    edges = np.linspace(0.0, 1.0, bins + 1)
    share = np.diff([float(w @ _reached(edge, below, upto)) for edge in edges]) / w.sum()
    return pd.DataFrame({"from": edges[:-1], "to": edges[1:], "share": share})


def _reached(u: float, below: FloatArray, upto: FloatArray) -> FloatArray:
    """Share of each customer's PIT that lies up to u; one without width is in the bin below it."""
    spread = upto > below
    part = np.divide(u - below, upto - below, out=np.zeros(len(below)), where=spread)
    share: FloatArray = np.where(spread, np.clip(part, 0.0, 1.0), (upto <= u) & (u > 0))
    return share


def _counts(
    actual: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None, samples: bool = True
) -> tuple[FloatArray, FloatArray, FloatArray]:
    y, m, w = checked(actual, predicted, weight, samples)
    _require(y >= 0, "actual counts must be 0 or more")
    return y, m, w


def _events(
    actual: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None, samples: bool = True
) -> tuple[FloatArray, FloatArray, FloatArray]:
    y, p, w = checked(actual, predicted, weight, samples)
    _require((y == 0) | (y == 1), "actual must be 1 where it happened and 0 where not")
    _require((p >= -_ROUNDING) & (p <= 1 + _ROUNDING), "predicted must be a probability")
    return y, p, w


def _of_intervals(low: FloatArray, high: FloatArray) -> None:
    if low.shape != high.shape:
        raise DataError(f"Each lo needs its hi; got shapes {low.shape} and {high.shape}.")
    _require(low <= high, "lo must not exceed hi")


def _require(fine: AnyArray, rule: str) -> None:
    if not fine.all():
        rows = np.flatnonzero(~fine)
        raise DataError(
            f"{rule}: broken by {len(rows):,} of {len(fine):,} customers, first in row {rows[0]}."
        )

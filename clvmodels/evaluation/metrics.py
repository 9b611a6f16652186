"""How far predictions lie from what happened, and how well they rank customers.

Every metric takes ``actual`` and ``predicted``, one number per customer, and the weight of each
row: how many customers it stands for. A weight of w counts as w equal rows. Several rows of
weights, of shape (samples, customers), give one result per sample, which is what a bootstrap needs.

Ties are shared, never broken by the order of the rows, and all metrics are finite for predictions
that are the same for everyone: ranks then carry no information, and their metrics are 0.
"""

from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from clvmodels._typing import AnyArray, FloatArray, IntArray
from clvmodels.exceptions import DataError

if TYPE_CHECKING:
    import pandas as pd

Metric: TypeAlias = np.float64 | FloatArray
"""A number, or one per sample of weights."""

_DECILES: Final = 10
_ROUNDING: Final = 1e-14


def total_bias(actual: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None = None) -> Metric:
    """By what share the predicted total misses the actual one: sum(predicted) / sum(actual) - 1.

    0.04 is a forecast 4 % too high. Infinite if nothing happened and something was predicted,
    0 if nothing was predicted either.

    Parameters
    ----------
    actual, predicted : array of shape (customers,)
        What happened, and what was predicted.
    weight : array of shape (customers,) or (samples, customers), optional
        How many customers each row stands for; one each if not given.

    Returns
    -------
    float, or ndarray of shape (samples,)

    Examples
    --------
    >>> round(float(total_bias([1, 0, 4], [2, 1, 3])), 6)
    0.2
    """
    a, p, w = _checked(actual, predicted, weight)
    missed, happened = w @ (p - a), w @ a
    unbounded = np.where(missed == 0, 0.0, np.copysign(np.inf, missed))
    return np.where(happened == 0, unbounded, _ratio(missed, happened))[()]


def mae(actual: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None = None) -> Metric:
    """Mean absolute error, in the unit of the data: mean of abs(predicted - actual).

    Least for the median, which is 0 wherever most customers do not come back: read it beside a
    forecast of zero. Parameters and returns as for `total_bias`.

    Examples
    --------
    >>> float(mae([1, 0, 4], [2, 1, 3]))
    1.0
    """
    a, p, w = _checked(actual, predicted, weight)
    return _mean(np.abs(p - a), w)


def rmse(actual: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None = None) -> Metric:
    """Root mean squared error, in the unit of the data: sqrt(mean((predicted - actual)^2)).

    Least for the mean. Parameters and returns as for `total_bias`.

    Examples
    --------
    >>> float(rmse([1, 0, 4], [2, 1, 1])) == (11 / 3) ** 0.5
    True
    """
    a, p, w = _checked(actual, predicted, weight)
    return np.sqrt(_mean((p - a) ** 2, w))


def pearson(actual: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None = None) -> Metric:
    """Correlation of actual and predicted; 0 if either is the same for everyone.

    Parameters and returns as for `total_bias`.

    References
    ----------
    Fader, Hardie and Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2),
    275-284, judge their predictions of customers' holdout purchases by it.
    """
    a, p, w = _checked(actual, predicted, weight)
    a, p = _centred(a), _centred(p)
    return _correlation(_covariance(a, p, w), _covariance(a, a, w), _covariance(p, p, w))


def spearman(actual: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None = None) -> Metric:
    """Rank correlation: the correlation of mid-ranks; 0 if either is the same for everyone.

    Parameters and returns as for `total_bias`.

    References
    ----------
    Spearman (1904), The proof and measurement of association between two things, American Journal
    of Psychology 15(1), 72-101; ties have the mean of their ranks (Kendall 1945, Biometrika 33(3)).

    Examples
    --------
    >>> float(spearman([0, 0, 1, 5], [1, 1, 2, 3]))
    1.0
    """
    a, p, w = _checked(actual, predicted, weight)
    rank_a, rank_p = _Order(a).midranks(w), _Order(p).midranks(w)
    return _correlation(
        (w * rank_a * rank_p).sum(-1), (w * rank_a**2).sum(-1), (w * rank_p**2).sum(-1)
    )


def normalised_gini(
    actual: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None = None
) -> Metric:
    """Gini of the actual values ranked by prediction, over that of a perfect ranking.

    Rank customers from the best predicted down and follow the share of actual value gathered: the
    area between that curve and the diagonal, over the same area where they are ranked by the
    actual value. 1 for a perfect ranking, 0 for an uninformative one, -1 for the reverse. Ranking
    counts, not scale. As areas are proportional to covariances with the ranks,

        cov(actual, rank of predicted) / cov(actual, rank of actual).

    0 if either is the same for everyone. Parameters and returns as for `total_bias`.

    References
    ----------
    Wang, Liu and Miao (2019), A deep probabilistic model for customer lifetime value prediction,
    arXiv:1912.07753; the covariance form: Lerman and Yitzhaki (1984), A note on the
    calculation and interpretation of the Gini index, Economics Letters 15(3-4), 363-368.

    Examples
    --------
    >>> [float(normalised_gini([0, 1, 3], p)) for p in ([10, 20, 90], [7, 7, 7])]
    [1.0, 0.0]
    """
    a, p, w = _checked(actual, predicted, weight)
    a = _centred(a)
    return _ratio(*(order.covariance(a, w) for order in (_Order(p), _Order(a))))


def top_decile_capture(
    actual: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None = None
) -> Metric:
    """Share of the actual value that lies with the tenth of customers predicted highest.

    What a campaign aimed at them would reach: 0.1 for an uninformative ranking. Where customers
    with equal predictions straddle the border, each counts in part. 0 if there is no value.

    Parameters and returns as for `total_bias`.

    Examples
    --------
    >>> float(top_decile_capture([8] + 9 * [1], [5] + 9 * [2]).round(6))
    0.470588
    """
    a, p, w = _checked(actual, predicted, weight)
    order = _Order(-p)
    size, value = order.sums(w), order.sums(w * a)
    taken = np.clip(w.sum(-1, keepdims=True) / _DECILES - (np.cumsum(size, -1) - size), 0.0, size)
    return _ratio((value * _ratio(taken, size)).sum(-1), w @ a)


def decile_calibration(
    actual: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None = None
) -> "pd.DataFrame":
    """Predicted against actual in tenths of the customers, ranked by prediction.

    Where customers with equal predictions straddle a border, each belongs to both tenths in part:
    all tenths are of one size, and none depends on the order of the rows.

    Parameters
    ----------
    actual, predicted, weight : array of shape (customers,)
        As for `total_bias`.

    Returns
    -------
    DataFrame
        decile (1 has the highest predictions), customers, predicted_mean, actual_mean,
        predicted_total, actual_total.

    Examples
    --------
    >>> decile_calibration(range(20), range(0, 40, 2)).head(2)[["predicted_mean", "actual_mean"]]
       predicted_mean  actual_mean
    0            37.0         18.5
    1            33.0         16.5
    """
    import pandas as pd

    a, p, w = _checked(actual, predicted, weight, samples=False)
    order = _Order(-p)
    reached = _from_zero(order.sums(w))
    borders = np.linspace(0, reached[-1], _DECILES + 1)
    totals = [
        np.diff(np.interp(borders, reached, _from_zero(order.sums(w * values))))
        for values in (p, a)
    ]
    customers = np.diff(borders)
    return pd.DataFrame(
        {
            "decile": np.arange(1, _DECILES + 1),
            "customers": customers,
            "predicted_mean": totals[0] / customers,
            "actual_mean": totals[1] / customers,
            "predicted_total": totals[0],
            "actual_total": totals[1],
        }
    )


def concentration(value: ArrayLike, weight: ArrayLike | None = None) -> "pd.DataFrame":
    """How much of the value the best customers have: a Lorenz curve from the top down.

    Parameters
    ----------
    value : array of shape (customers,)
        Predicted or actual value of each customer.
    weight : array of shape (customers,), optional
        How many customers each row stands for; one each if not given.

    Returns
    -------
    DataFrame
        share_of_customers and share_of_value, both from 0, one row per distinct value: between
        rows the curve is straight. The share of value is 0 throughout if its total is.

    Examples
    --------
    >>> concentration([1, 7, 1, 1]).share_of_value.tolist()
    [0.0, 0.7, 1.0]
    """
    import pandas as pd

    v, _, w = _checked(value, value, weight, samples=False)
    order = _Order(-v)
    customers, gathered = _from_zero(order.sums(w)), _from_zero(order.sums(w * v))
    return pd.DataFrame(
        {
            "share_of_customers": customers / customers[-1],
            "share_of_value": _ratio(gathered, np.full_like(gathered, gathered[-1])),
        }
    )


_TIE = 1e-12  # relative


class _Order:
    """Values in ascending order, in groups of equal ones.

    Equal to twelve digits, that is: predictions that are the same but for rounding, such as those
    from summaries in days and in weeks, are tied.
    """

    __slots__ = ("first", "group", "order")

    def __init__(self, values: FloatArray) -> None:
        self.order: IntArray = np.argsort(values, kind="stable")
        ranked = values[self.order]
        starts = np.concatenate([[True], np.diff(ranked) > _TIE * np.abs(ranked[1:])])
        self.first = np.flatnonzero(starts)
        self.group = np.cumsum(starts) - 1

    def sums(self, amounts: FloatArray) -> FloatArray:
        """Sum within each group, of shape (..., groups)."""
        return np.add.reduceat(amounts[..., self.order], self.first, axis=-1)

    def midranks(self, w: FloatArray) -> FloatArray:
        """Mid-rank of each customer, less the mean rank; of the shape of the weights."""
        out = np.empty_like(w)
        out[..., self.order] = self._group_ranks(w)[..., self.group]
        return out

    def covariance(self, values: FloatArray, w: FloatArray) -> Metric:
        """Sum over customers of value times centred mid-rank."""
        total: Metric = (self.sums(w * values) * self._group_ranks(w)).sum(-1)
        return total

    def _group_ranks(self, w: FloatArray) -> FloatArray:
        size = self.sums(w)
        upto = np.cumsum(size, -1)
        ranks: FloatArray = upto - size / 2 - upto[..., -1:] / 2
        return ranks


def _checked(
    actual: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None, samples: bool = True
) -> tuple[FloatArray, FloatArray, FloatArray]:
    a, p = np.asarray(actual, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    w = np.ones(a.shape) if weight is None else np.asarray(weight, dtype=np.float64)
    fits = w.shape == a.shape or (samples and w.ndim == 2 and w.shape[1:] == a.shape)
    if a.ndim != 1 or a.shape != p.shape or not fits or not a.size:
        raise DataError(
            "A metric needs one actual and one predicted value (and weight) per customer; got "
            f"shapes {a.shape}, {p.shape} and {w.shape}."
        )
    for name, values in (("actual", a), ("predicted", p)):
        if bad := int((~np.isfinite(values)).sum()):
            raise DataError(
                f"{name} must be finite: broken by {bad:,} of {len(values):,} customers, first in "
                f"row {np.flatnonzero(~np.isfinite(values))[0]}. Leave them out, or fill them."
            )
    if not (np.isfinite(w).all() and (w >= 0).all() and (w.sum(-1) > 0).all()):
        raise DataError("weight must be finite and not negative, and somebody must have some.")
    return a, p, w


def _mean(values: FloatArray, w: FloatArray) -> Metric:
    mean: Metric = w @ values / w.sum(-1)
    return mean


def _centred(values: FloatArray) -> FloatArray:
    """Values less their mean; exactly 0 where all are equal."""
    return values - values.mean() if np.ptp(values) else np.zeros_like(values)


def _covariance(a: FloatArray, b: FloatArray, w: FloatArray) -> Metric:
    """Weighted covariance of centred values."""
    product = _mean(a * b, w)
    covariance = product - _mean(a, w) * _mean(b, w)
    # what is left of a cancellation says nothing: all weight lies on equal values
    return np.where(np.abs(covariance) > _ROUNDING * np.abs(product), covariance, 0.0)[()]


def _correlation(covariance: Metric, variance_a: Metric, variance_b: Metric) -> Metric:
    return np.clip(_ratio(covariance, np.sqrt(variance_a * variance_b)), -1.0, 1.0)


def _ratio(top: AnyArray | np.float64, bottom: AnyArray | np.float64) -> AnyArray:
    """Quotient, 0 where the divisor is."""
    out = np.zeros(np.shape(bottom))
    np.divide(top, bottom, out=out, where=np.not_equal(bottom, 0))
    quotient: AnyArray = out[()]
    return quotient


def _from_zero(amounts: FloatArray) -> FloatArray:
    return np.concatenate([[0.0], np.cumsum(amounts)])

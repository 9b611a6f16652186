"""How far predictions lie from what happened, and how well they rank customers.

Every metric takes ``actual`` and ``predicted``, one number per customer, and the weight of each
row: how many customers it stands for. A weight of w counts as w equal rows. Several rows of
weights, of shape (samples, customers), give one result per sample, which is what a bootstrap needs.

Ties are shared, never broken by the order of the rows, and all metrics are finite for predictions
that are the same for everyone: ranks then carry no information, and their metrics are 0.
"""

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import ArrayLike

from clvmodels._typing import FloatArray
from clvmodels.evaluation._weighted import Metric as Metric
from clvmodels.evaluation._weighted import Order, checked, from_zero, ratio

if TYPE_CHECKING:
    import pandas as pd

_DECILES: Final = 10
_ROUNDING: Final = 1e-12  # relative: of sums of very many terms
_DIGITS: Final = 1e-12  # that a sum over customers keeps


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
    a, p, w = checked(actual, predicted, weight)
    missed, happened = w @ (p - a), w @ a
    unbounded = np.where(missed == 0, 0.0, np.copysign(np.inf, missed))
    return np.where(happened == 0, unbounded, ratio(missed, happened))[()]


def mae(actual: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None = None) -> Metric:
    """Mean absolute error, in the unit of the data: mean of abs(predicted - actual).

    Least for the median, which is 0 wherever most customers do not come back: read it beside a
    forecast of zero. Parameters and returns as for `total_bias`.

    Examples
    --------
    >>> float(mae([1, 0, 4], [2, 1, 3]))
    1.0
    """
    a, p, w = checked(actual, predicted, weight)
    return _mean(np.abs(p - a), w)


def rmse(actual: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None = None) -> Metric:
    """Root mean squared error, in the unit of the data: sqrt(mean((predicted - actual)^2)).

    Least for the mean. Parameters and returns as for `total_bias`.

    Examples
    --------
    >>> float(rmse([1, 0, 4], [2, 1, 1])) == (11 / 3) ** 0.5
    True
    """
    a, p, w = checked(actual, predicted, weight)
    return np.sqrt(_mean((p - a) ** 2, w))


def pearson(actual: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None = None) -> Metric:
    """Correlation of actual and predicted; 0 if either is the same for everyone.

    Parameters and returns as for `total_bias`.

    References
    ----------
    Fader, Hardie and Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2),
    275-284, judge their predictions of customers' holdout purchases by it.
    """
    a, p, w = checked(actual, predicted, weight)
    a, p = _centred(a), _centred(p)
    means = (w @ np.column_stack([a, p, a * p, a * a, p * p])).T / w.sum(-1)
    mean_a, mean_p, both, square_a, square_p = means
    return _correlation(
        _left(both, mean_a * mean_p), _left(square_a, mean_a**2), _left(square_p, mean_p**2)
    )


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
    a, p, w = checked(actual, predicted, weight)
    return _correlation(*Order(a).moments(Order(p), w))


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
    a, p, w = checked(actual, predicted, weight)
    a = _centred(a)
    return ratio(Order(p).covariance(a, w), Order(a).covariance(a, w))


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
    a, p, w = checked(actual, predicted, weight)
    (value,) = Order(-p).tenths(w, a)
    return ratio(value[0], value.sum(0))


def lift(actual: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None = None) -> Metric:
    """How many times the overall mean the tenth of customers predicted highest is worth.

    Ten times `top_decile_capture`: 1 for an uninformative ranking, 10 at the most. Parameters and
    returns as for `total_bias`; see `decile_lift` for the other tenths.

    Examples
    --------
    >>> float(lift([8] + 9 * [1], [5] + 9 * [2]).round(6))
    4.705882
    """
    return _DECILES * top_decile_capture(actual, predicted, weight)


def decile_mape(actual: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None = None) -> Metric:
    """By what share predictions miss the totals of tenths of the customers.

    Tenths are ranked by prediction as in `decile_calibration`; the sum over them of
    abs(predicted total - actual total) over the actual total of all. The mean percentage error of
    Wang, Liu and Miao weights tenths equally, and is not defined where one has nothing: here they
    weigh as much as what happened in them. At least as large as the bias. Infinite if nothing
    happened and something was predicted, 0 if nothing was predicted either. In small samples it is
    biased upwards: even a perfect forecast misses tenths by chance.

    Parameters and returns as for `total_bias`.

    References
    ----------
    Wang, Liu and Miao (2019), A deep probabilistic model for customer lifetime value prediction,
    arXiv:1912.07753 (decile-level mean absolute percentage error).

    Examples
    --------
    >>> float(decile_mape(range(1, 11), range(2, 22, 2)))
    1.0
    """
    a, p, w = checked(actual, predicted, weight)
    foreseen, happened = Order(-p).tenths(w, p, a)
    missed, whole = np.abs(foreseen - happened).sum(0), np.abs(happened.sum(0))
    nothing = whole <= _DIGITS * (w @ np.abs(a))  # what adds up to 0 need not do so exactly
    unbounded = np.where(missed > 0, np.inf, 0.0)
    return np.where(nothing, unbounded, ratio(missed, whole))[()]


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

    a, p, w = checked(actual, predicted, weight, samples=False)
    foreseen, happened = Order(-p).tenths(w, p, a)
    customers = np.full(_DECILES, w.sum() / _DECILES)
    return pd.DataFrame(
        {
            "decile": np.arange(1, _DECILES + 1),
            "customers": customers,
            "predicted_mean": foreseen / customers,
            "actual_mean": happened / customers,
            "predicted_total": foreseen,
            "actual_total": happened,
        }
    )


def decile_lift(
    actual: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None = None
) -> "pd.DataFrame":
    """Mean of each tenth of the customers, ranked by prediction, over the mean of all.

    Parameters
    ----------
    actual, predicted, weight : array of shape (customers,)
        As for `total_bias`.

    Returns
    -------
    DataFrame
        decile (1 has the highest predictions), customers, actual_mean, lift: 1 throughout for an
        uninformative ranking, 0 throughout if nothing happened.

    Examples
    --------
    >>> decile_lift(10 * [0] + 10 * [3], range(20)).lift.head(6).tolist()
    [2.0, 2.0, 2.0, 2.0, 2.0, 0.0]
    """
    table = decile_calibration(actual, predicted, weight)
    overall = table["actual_total"].sum() / table["customers"].sum()
    means = table["actual_mean"].to_numpy()
    return table[["decile", "customers", "actual_mean"]].assign(
        lift=ratio(means, np.full_like(means, overall))
    )


def concentration(
    value: ArrayLike, weight: ArrayLike | None = None, by: ArrayLike | None = None
) -> "pd.DataFrame":
    """How much of the value the best customers have: a Lorenz curve from the top down.

    Parameters
    ----------
    value : array of shape (customers,)
        Predicted or actual value of each customer.
    weight : array of shape (customers,), optional
        How many customers each row stands for; one each if not given.
    by : array of shape (customers,), optional
        What customers are ranked by, such as a prediction: the curve is then that of cumulative
        gains. Their own value if not given.

    Returns
    -------
    DataFrame
        share_of_customers and share_of_value, both from 0, one row per distinct rank: between
        rows the curve is straight. The share of value is 0 throughout if its total is.

    Examples
    --------
    >>> concentration([1, 7, 1, 1]).share_of_value.tolist()
    [0.0, 0.7, 1.0]
    """
    import pandas as pd

    v, rank, w = checked(value, value if by is None else by, weight, samples=False)
    order = Order(-rank)
    customers, gathered = from_zero(order.sums(w)), from_zero(order.sums(w * v))
    return pd.DataFrame(
        {
            "share_of_customers": customers / customers[-1],
            "share_of_value": ratio(gathered, np.full_like(gathered, gathered[-1])),
        }
    )


def _mean(values: FloatArray, w: FloatArray) -> Metric:
    mean: Metric = w @ values / w.sum(-1)
    return mean


def _centred(values: FloatArray) -> FloatArray:
    """Values less their mean; exactly 0 where all are equal."""
    return values - values.mean() if np.ptp(values) else np.zeros_like(values)


def _left(product: Metric, of_means: Metric) -> Metric:
    """Covariance of centred values; what is left of a cancellation says nothing.

    All weight then lies on equal values.
    """
    covariance = product - of_means
    return np.where(np.abs(covariance) > _ROUNDING * np.abs(product), covariance, 0.0)[()]


def _correlation(covariance: Metric, variance_a: Metric, variance_b: Metric) -> Metric:
    return np.clip(ratio(covariance, np.sqrt(variance_a * variance_b)), -1.0, 1.0)

"""Purchases of the holdout given the past: what came of customers alike, what was expected."""

from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

import numpy as np

from clvmodels._numbers import whole_number
from clvmodels._typing import FloatArray, IntArray
from clvmodels.data.splits import CalibrationHoldoutSplit
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import DataError, ParameterError, rule_broken

if TYPE_CHECKING:
    import pandas as pd

Past: TypeAlias = Literal["frequency", "recency", "silence"]

_CLASSES: Final = 8  # of time, at most
_ROUNDING: Final = 1e-9  # of a class, by which a difference of times may be off
_ROUND: Final = (1.0, 2.0, 5.0, 10.0)
_COLUMNS: Final = ("group", "customers", "predicted_mean", "actual_mean", "actual_se")


def conditional_expectations(
    split: CalibrationHoldoutSplit,
    predictions: "pd.DataFrame",
    by: Past = "frequency",
    last: int = 7,
) -> "pd.DataFrame":
    """Holdout purchases per customer, in classes of customers with a similar past.

    Parameters
    ----------
    split : CalibrationHoldoutSplit
        Customers as they were at the cutoff.
    predictions : DataFrame
        Long: method, customer_id, predicted_purchases, actual_purchases, as `HoldoutComparison` has
        them, or a backtest of one cutoff. Methods without predictions of purchases are left out.
    by : {"frequency", "recency", "silence"}
        Repeat purchases; time from the first purchase to the last; or time since the last.
    last : int
        Of frequency, the class of all with so many repeat purchases or more.

    Returns
    -------
    DataFrame
        method; group ("0", "1", ..., "7+"; of time "0-5", "5-10", ... in the unit of the summary,
        where one-time buyers have a recency of "0"); customers, predicted_mean, actual_mean and
        actual_se, the standard error of that mean, NaN for a single customer. Classes without
        customers are left out.

    Raises
    ------
    ParameterError
        If `by` is something else.
    DataError
        If predictions are of customers who are not in the split, or a method has several of one.

    References
    ----------
    Fader, Hardie and Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2),
    275-284, figure of the conditional expectations. Also by recency: Fader, Hardie and Shang
    (2010), Marketing Science 29(6), 1086-1108.
    """
    import pandas as pd

    data = split.calibration
    group, labels = _classes(data, by, whole_number("last", last, 1))
    known = predictions.dropna(subset="predicted_purchases")
    parts = []
    for name, rows in known.groupby("method", sort=False):
        place = _places(pd.Index(data.customer_id), pd.Index(rows["customer_id"]), str(name))
        its, weight = group[place], data.weights[place]
        size = np.bincount(its, weight, minlength=len(labels)).astype(np.float64)
        kept = np.flatnonzero(size)
        predicted, actual = (
            rows[f"{kind}_purchases"].to_numpy(np.float64) for kind in ("predicted", "actual")
        )
        means = [np.bincount(its, weight * v)[kept] / size[kept] for v in (predicted, actual)]
        mean_of = np.zeros(len(labels))
        mean_of[kept] = means[1]
        squares = np.bincount(its, weight * (actual - mean_of[its]) ** 2).astype(np.float64)[kept]
        parts.append(
            pd.DataFrame(
                {
                    "method": name,
                    "group": [labels[k] for k in kept],
                    "customers": size[kept],
                    "predicted_mean": means[0],
                    "actual_mean": means[1],
                    "actual_se": _error_of_mean(squares, size[kept]),
                }
            )
        )
    if not parts:
        return pd.DataFrame(columns=["method", *_COLUMNS])
    return pd.concat(parts, ignore_index=True)


def _places(known: "pd.Index", asked: "pd.Index", method: str) -> IntArray:
    """Where each customer stands, who must be there, and once."""
    place: IntArray = known.get_indexer(asked)
    for broken, rule, remedy in (
        (place < 0, "are of customers of the split", "Use the split that was predicted."),
        (asked.duplicated(), "are one per customer", "Take those of one cutoff of a backtest."),
    ):
        if broken.any():
            rule = f"predictions of {method} {rule}"
            raise DataError(rule_broken(rule, int(broken.sum()), len(asked), asked[broken], remedy))
    return place


def _error_of_mean(squares: FloatArray, size: FloatArray) -> FloatArray:
    none = np.full(len(size), np.nan)
    variance: FloatArray = np.divide(squares, size * (size - 1), out=none, where=size > 1)
    return np.sqrt(variance)


def _classes(data: RFMSummary, by: Past, last: int) -> tuple[IntArray, list[str]]:
    """The class of each customer, and the names of all classes."""
    if by == "frequency":
        labels = [*map(str, range(last)), f"{last}+"]
        return np.minimum(data.frequency, last).astype(np.int64), labels
    if by == "recency":
        width = _round_width(float(data.recency.max()))
        group = np.ceil(data.recency / width - _ROUNDING).astype(np.int64)
        return group, ["0", *_spans(int(group.max()), width)]
    if by == "silence":
        silence = data.T - data.recency
        width = _round_width(float(silence.max()))
        group = np.floor(silence / width + _ROUNDING).astype(np.int64)
        return group, _spans(int(group.max()) + 1, width)
    raise ParameterError(f"by is one of {', '.join(map(repr, get_args(Past)))}; got {by!r}.")


def _spans(classes: int, width: float) -> list[str]:
    return [f"{k * width:g}\N{EN DASH}{(k + 1) * width:g}" for k in range(classes)]


def _round_width(longest: float) -> float:
    """A round number that the longest time has about `_CLASSES` of."""
    if longest == 0:
        return 1.0
    least = longest / _CLASSES
    scale = 10.0 ** np.floor(np.log10(least))
    return float(next(step * scale for step in _ROUND if step * scale >= least * (1 - 1e-9)))

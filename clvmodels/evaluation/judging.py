"""Every metric of one method at one cutoff, group by group, with its bootstrap."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np
from scipy.sparse import csr_array

from clvmodels._typing import AnyArray, FloatArray, IntArray
from clvmodels.data.splits import CalibrationHoldoutSplit
from clvmodels.evaluation import count_metrics, metrics
from clvmodels.evaluation.metrics import Metric
from clvmodels.evaluation.outcomes import Outcome
from clvmodels.kernels.grouping import distinct_rows

Goal: TypeAlias = Literal["low", "high", "zero"]

GOALS: Final[Mapping[str, Goal]] = {
    "bias": "zero",
    "mae": "low",
    "rmse": "low",
    "pearson": "high",
    "spearman": "high",
    "gini": "high",
    "top_decile": "high",
    "lift": "high",
    "decile_mape": "low",
    "poisson_deviance": "low",
    "nb_deviance": "low",
    "log_score": "low",
    "crps": "low",
    "coverage": "high",
    "coverage_expected": "high",
    "width": "low",
    "brier": "low",
    "calibration_error": "low",
}
"""The metrics of a backtest, and what is good: little, much, or near to 0."""

_POINT: Final[Mapping[str, Callable[..., Metric]]] = {
    "bias": metrics.total_bias,
    "mae": metrics.mae,
    "rmse": metrics.rmse,
    "pearson": metrics.pearson,
    "spearman": metrics.spearman,
    "gini": metrics.normalised_gini,
    "top_decile": metrics.top_decile_capture,
    "lift": metrics.lift,
    "decile_mape": metrics.decile_mape,
}

SAMPLES: Final = 200  # standard errors are then good to about 5 %
_ELEMENTS: Final = 4_000_000  # numbers in one temporary array
_LAST: Final = 7  # the last class holds customers with so many repeat purchases, and more


class Score(NamedTuple):
    """A metric of some customers.

    Attributes
    ----------
    group, quantity, metric : str
    customers : int
    value : float
    drawn : ndarray of shape (samples,)
        The metric of resampled customers; NaN where nobody of the group was drawn.
    """

    group: str
    quantity: str
    metric: str
    customers: int
    value: float
    drawn: FloatArray


class Grouping(NamedTuple):
    """Customers told apart by one thing.

    Attributes
    ----------
    labels : tuple of str
    codes : ndarray of shape (customers,)
        Index of each customer's label; negative where there is none.
    """

    labels: tuple[str, ...]
    codes: IntArray


def groupings_of(split: CalibrationHoldoutSplit, by: tuple[str, ...]) -> list[Grouping]:
    """All customers as one group, by frequency class, and by the values of some columns."""
    import pandas as pd

    data = split.calibration
    classes = [f"frequency {k}" for k in range(_LAST)] + [f"frequency {_LAST}+"]
    out = [
        Grouping(("all",), np.zeros(len(data), np.int64)),
        Grouping(tuple(classes), np.minimum(data.frequency, _LAST).astype(np.int64)),
    ]
    for name in by:
        codes, values = pd.factorize(np.asarray(data.columns[name]), sort=True)
        out.append(Grouping(tuple(f"{name} {value}" for value in values), codes.astype(np.int64)))
    return out


def judge(
    found: Outcome,
    split: CalibrationHoldoutSplit,
    groupings: Sequence[Grouping],
    place: IntArray,
    customers: int,
    seed: int,
) -> list[Score]:
    """Score an outcome.

    Customers who are alike in all that is measured are taken together: what a resample draws of
    them counts, not whom.

    Parameters
    ----------
    found : Outcome
    split : CalibrationHoldoutSplit
        What customers did.
    groupings : sequence of Grouping
    place : ndarray of shape (rows,)
        Number of each customer among those of all cutoffs, `customers` in all: who is drawn twice
        at one cutoff is so at all of them, and with all methods.
    seed : int
        Of what is drawn.
    """
    columns = _columns(found, split)
    first, inverse = _alike([*columns.values(), *(grouping.codes for grouping in groupings)])
    members = csr_array(
        (np.ones(len(inverse)), (inverse, np.arange(len(inverse)))), (len(first), len(inverse))
    )
    groups = {
        label: rows
        for grouping in groupings
        for k, label in enumerate(grouping.labels)
        if len(rows := np.flatnonzero(grouping.codes[first] == k))
    }
    size: FloatArray = members.sum(axis=1)
    measures = _measures({name: values[first] for name, values in columns.items()}, size)
    scores = {
        (group, *name): (float(size[rows].sum()), float(measure(rows, size[rows])))
        for group, rows in groups.items()
        for name, measure in measures.items()
    }
    drawn: dict[tuple[str, str, str], list[FloatArray]] = {key: [] for key in scores}
    step = max(1, _ELEMENTS // customers)
    for start in range(0, SAMPLES, step):
        samples = range(start, min(start + step, SAMPLES))
        weight = np.ascontiguousarray((members @ _drawn(samples, place, customers, seed).T).T)
        for group, rows in groups.items():
            own = weight if len(rows) == len(first) else weight[:, rows]
            anybody = own.any(axis=1)
            for name, measure in measures.items():
                part = np.full(len(own), np.nan)
                if anybody.any():
                    part[anybody] = measure(rows, own[anybody])
                drawn[group, *name].append(part)
    return [
        Score(*key, int(count), value, np.concatenate(drawn[key]))
        for key, (count, value) in scores.items()
    ]


def _drawn(samples: range, place: IntArray, customers: int, seed: int) -> FloatArray:
    """How often each customer is drawn in some resamples: Poisson numbers with mean 1."""
    rngs = (np.random.default_rng([seed, k]) for k in samples)
    return np.array([rng.poisson(1.0, customers)[place] for rng in rngs], dtype=np.float64)


def _columns(found: Outcome, split: CalibrationHoldoutSplit) -> dict[str, FloatArray]:
    """What is known of each customer's holdout, and what was foreseen of it."""
    foreseen, counts, money = found
    columns = {
        "made": split.holdout_purchases,
        "spent": split.holdout_value,
        "purchases": foreseen.purchases,
        "revenue": foreseen.revenue,
        "p_active": foreseen.p_active,
        **({} if counts is None else counts._asdict()),
        **({} if money is None else money._asdict()),
    }
    known = {name: values for name, values in columns.items() if values is not None}
    return {name: values.astype(np.float64) for name, values in known.items()}


def _alike(columns: Sequence[AnyArray]) -> tuple[IntArray, IntArray]:
    """First customers of each kind, and each customer's kind."""
    keys = np.column_stack(columns).astype(np.float64) + 0.0  # -0.0 is 0.0
    kinds, inverse = distinct_rows(keys.view(np.uint64))
    first = np.empty(len(kinds), np.int64)
    first[inverse[::-1]] = np.arange(len(inverse))[::-1]
    return first, inverse


_Measure: TypeAlias = Callable[[IntArray, FloatArray], Metric]


def _measures(of: Mapping[str, FloatArray], size: FloatArray) -> dict[tuple[str, str], _Measure]:
    """What can be measured, by quantity and metric."""
    made, out = of["made"], {}
    for quantity, actual, predicted in (
        ("purchases", "made", "purchases"),
        ("value", "spent", "revenue"),
    ):
        if actual in of and predicted in of:
            for name, metric in _POINT.items():
                out[quantity, name] = _of_pairs(metric, of[actual], of[predicted])
    dispersion = count_metrics.dispersion_of(made, size)
    nb_deviance = partial(count_metrics.negative_binomial_deviance, dispersion=dispersion)
    for name, deviance in (
        ("poisson_deviance", count_metrics.poisson_deviance),
        ("nb_deviance", nb_deviance),
    ):
        out["purchases", name] = _of_pairs(deviance, made, of["purchases"])
    if "log_score" in of:
        out["purchases", "log_score"] = _mean_of(of["log_score"])
    for quantity, actual, prefix in (("purchases", "made", ""), ("value", "spent", "value_")):
        if f"{prefix}crps" in of:
            lo, hi = of[f"{prefix}lo"], of[f"{prefix}hi"]
            inside = (lo <= of[actual]) & (of[actual] <= hi)
            for name, each in (
                ("crps", of[f"{prefix}crps"]),
                ("coverage", inside.astype(np.float64)),
                ("coverage_expected", of[f"{prefix}claimed"]),
                ("width", hi - lo),
            ):
                out[quantity, name] = _mean_of(each)
    if "p_active" in of:
        active = (made > 0).astype(np.float64)
        for name, metric in (
            ("brier", count_metrics.brier),
            ("calibration_error", count_metrics.calibration_error),
        ):
            out["active", name] = _of_pairs(metric, active, of["p_active"])
    return out


def _of_pairs(metric: Callable[..., Metric], actual: FloatArray, predicted: FloatArray) -> _Measure:
    return lambda rows, weight: metric(actual[rows], predicted[rows], weight)


def _mean_of(each: FloatArray) -> _Measure:
    return lambda rows, weight: count_metrics.mean_loss(each[rows], weight)

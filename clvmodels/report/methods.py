"""Which methods of a backtest to show, and what its metrics are called."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, get_args

import numpy as np

from clvmodels._typing import FloatArray
from clvmodels.evaluation.backtest_result import Backtest
from clvmodels.evaluation.entries import Kind
from clvmodels.evaluation.judging import GOALS
from clvmodels.exceptions import DataError, ParameterError
from clvmodels.report import style
from clvmodels.report.numbers import money, percent, signed_percent, significant

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axis import Axis

    from clvmodels.data.conventions import Moment

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
LOOKS: Final = style.looks(KINDS)
"""One look for each kind of method, the same in every picture."""

NAMES: Final = {
    "bias": "bias",
    "mae": "MAE",
    "rmse": "RMSE",
    "pearson": "correlation",
    "spearman": "rank correlation",
    "gini": "normalised Gini",
    "top_decile": "top-decile capture",
    "lift": "top-decile lift",
    "decile_mape": "decile MAPE",
    "poisson_deviance": "Poisson deviance",
    "nb_deviance": "negative-binomial deviance",
    "log_score": "log score",
    "crps": "CRPS",
    "brier": "Brier score",
    "calibration_error": "calibration error",
}
"""Metrics by which methods are ranked. Coverage and width say nothing one without the other."""

_AMOUNTS: Final = {"mae", "rmse"}
_SHARES: Final = {"bias": signed_percent, "top_decile": percent, "decile_mape": percent}

QUANTITIES: Final = {"purchases": "purchases", "value": "revenue", "active": "who buys"}
SERIES: Final = 6  # so many can be told apart in one picture
SAME: Final = 1e-4  # relative: metrics that are equal to four digits are equal


def fault(metric: str, value: "pd.Series[float] | FloatArray") -> FloatArray:
    """A metric as something of which less is better: bias by its size, correlations negated."""
    values = np.asarray(value, dtype=np.float64)
    faults = {"zero": np.abs(values), "high": -values, "low": values}
    return faults[GOALS[metric]]


def less_is_better(metric: str) -> bool:
    """Whether a method with more of the metric is worse; of bias, with more distance from 0."""
    return GOALS[metric] != "high"


def shown(metric: str, value: float, currency: str = "") -> str:
    """A metric as text, with the currency where it is an amount."""
    if metric in _AMOUNTS:
        return money(value, currency)
    if np.isinf(value):
        return significant(value)
    return _SHARES.get(metric, significant)(value)


def shown_gap(metric: str, value: float, currency: str = "") -> str:
    """The size of a difference of a metric as text, with the currency where it is an amount."""
    if currency and metric in _AMOUNTS:
        return money(value, currency)
    if metric in _SHARES:
        points = significant(100 * value, 2)
        return f"{points} percentage point{'' if points == '1' else 's'}"
    return significant(value, 2)


def unit(metric: str, currency: str) -> str:
    """The currency as part of a label, where the metric is an amount."""
    return f" ({currency})" if currency and metric in _AMOUNTS else ""


def along(axis: "Axis", metric: str) -> None:
    """Values of a metric along an axis."""
    if metric in _SHARES:
        style.shares(axis)
    else:
        style.amounts(axis)


def in_words(metric: str, quantity: str) -> str:
    """A metric of a quantity, such as "RMSE of revenue"."""
    return f"{NAMES[metric]} of {QUANTITIES[quantity]}"


def first_capital(text: str) -> str:
    """A text that begins a sentence."""
    return text[:1].upper() + text[1:]


def ranking(backtest: Backtest, metric: str, quantity: str) -> "pd.DataFrame":
    """Rows of the league that have a metric: those with most cutoffs first, then the best first.

    Raises
    ------
    ParameterError
        If methods are not ranked by the metric, or there is no such quantity.
    DataError
        If no method has it.
    """
    if quantity not in QUANTITIES:
        raise ParameterError(f"quantity is one of {', '.join(QUANTITIES)}; got {quantity!r}.")
    if metric not in NAMES:
        raise ParameterError(
            f"Methods are not ranked by {metric!r}, but by one of {', '.join(NAMES)}."
        )
    league = backtest.league(quantity)
    known = league[league[metric].notna()] if metric in league else league.head(0)
    if known.empty:
        raise DataError(f"No method of the backtest has the {NAMES[metric]} of {quantity}.")
    return best_first(known, metric)


def best_first(league: "pd.DataFrame", metric: str) -> "pd.DataFrame":
    """Rows in the order of how often methods succeeded, and then of how well."""
    order = np.lexsort((fault(metric, league[metric]), -league["cutoffs"].to_numpy()))
    return league.iloc[order].reset_index(drop=True)


def holdouts(backtest: Backtest) -> str:
    """What methods foresaw: how much time, and whether anything came of it."""
    came = any(split.holdout_purchases.any() for split in backtest.splits.values())
    return str(backtest.horizon) + ("" if came else " in which nobody bought")


def overlapping(backtest: Backtest) -> bool:
    """Whether some holdout begins before another one has ended, so that they share purchases."""
    length = np.timedelta64(round(backtest.horizon.to("day") * 86_400), "s")
    cutoffs = np.sort(np.array(backtest.cutoffs, dtype="M8[s]"))
    return bool((np.diff(cutoffs) < length).any())


def named(methods: Sequence[str]) -> list[str]:
    """Every name once.

    Raises
    ------
    ParameterError
        If there is one name instead of several, which Python would take letter by letter.
    """
    if isinstance(methods, str):
        raise ParameterError(f"Give the names of methods in a list, such as [{methods!r}].")
    return list(dict.fromkeys(methods))


def chosen(methods: Sequence[str] | None, ranked: "pd.DataFrame", most: int = SERIES) -> list[str]:
    """The methods asked for, or the best of each kind, best first.

    Raises
    ------
    ParameterError
        If a method is not among those `ranked`, there are more than can be told apart, or the name
        of one is not in a list.
    """
    if methods is None:
        return list(ranked.drop_duplicates("kind")["method"].head(most))
    names = named(methods)
    known = ranked["method"].tolist()
    for name in names:
        if name not in known:
            raise ParameterError(f"There is nothing of {name!r} here; there is {', '.join(known)}.")
    if not 0 < len(names) <= most:
        raise ParameterError(f"Give 1 to {most} methods to show, got {len(names)}.")
    return names


def rows_of(
    backtest: Backtest, method: str, cutoff: "Moment | None", needed: str
) -> "pd.DataFrame":
    """Predictions of a method at one cutoff, or at all of them, that have the `needed` column.

    Raises
    ------
    ParameterError
        If the method has none at the cutoff.
    """
    import pandas as pd

    rows = backtest.predictions
    rows = rows[(rows["method"] == method) & rows[needed].notna()]
    if cutoff is None:
        return rows
    own = rows[rows["cutoff"] == pd.Timestamp(cutoff)]
    if own.empty:
        known = ", ".join(f"{day:%Y-%m-%d}" for day in rows["cutoff"].unique())
        raise ParameterError(f"{method} has no predictions at {cutoff}; it has some at {known}.")
    return own

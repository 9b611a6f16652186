"""A backtest as tables of text."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from clvmodels.evaluation.backtest_result import Backtest
from clvmodels.report.methods import QUANTITIES, best_first, fault
from clvmodels.report.numbers import NONE, percent, signed_percent, significant
from clvmodels.report.tables import Table

if TYPE_CHECKING:
    import pandas as pd

_HEADS: Final = {
    "bias": "bias",
    "mae": "MAE",
    "rmse": "RMSE",
    "nb_deviance": "deviance",
    "spearman": "rank",
    "gini": "Gini",
    "top_decile": "top 10 %",
    "lift": "lift",
    "log_score": "log score",
    "crps": "CRPS",
    "coverage": "coverage",
    "brier": "Brier",
    "calibration_error": "miscalibration",
}
_PERCENT: Final[dict[str, Callable[[float], str]]] = {
    "bias": signed_percent,
    "top_decile": partial(percent, digits=3),
    "coverage": percent,
    "calibration_error": percent,
}
_THREE_PLACES: Final = {"spearman", "gini", "brier"}
_SHORT: Final = {
    "purchases": ("bias", "rmse", "gini", "top_decile", "log_score"),
    "value": ("bias", "rmse", "spearman", "gini", "top_decile"),
    "active": ("brier", "calibration_error"),
}
_NOTES: Final = {
    "bias": "Bias: total foreseen relative to what came.",
    "mae": "MAE: mean absolute error per customer{unit}; least for the median.",
    "rmse": "RMSE: root of the mean squared error per customer{unit}; least for the mean.",
    "nb_deviance": "Deviance: negative-binomial.",
    "spearman": "Rank: correlation of ranks.",
    "gini": "Gini: how well customers are ranked (1 is perfect).",
    "top_decile": "Top 10 %: share of {what} that came from the tenth of customers predicted "
    "highest.",
    "lift": "Lift: their {what} over that of the average customer.",
    "log_score": "Log score: mean of -log of the probability given to what came.",
    "crps": "CRPS: error of the distribution{unit}.",
    "coverage": "Coverage: share of customers inside their {level} prediction interval.",
    "brier": "Brier: mean squared error of the probability of a purchase.",
    "calibration_error": "Miscalibration: mean distance of that probability from the share who "
    "bought.",
}


def league(
    backtest: Backtest, quantity: str = "purchases", *, currency: str = "", full: bool = True
) -> Table:
    """How every method that foresees a quantity did, as means over the cutoffs, the best first.

    Parameters
    ----------
    backtest : Backtest
    quantity : {"purchases", "value", "active"}
        What was predicted: purchases, revenue, or who buys at all.
    currency : str
        Of the amounts.
    full : bool
        Every metric, with its standard error; without, the table fits a terminal of 80 columns.

    Raises
    ------
    ParameterError
        If nothing was measured of the quantity.
    """
    table = backtest.league(quantity)
    table = table[table["cutoffs"] > 0]
    names = [m for m in (_HEADS if full else _SHORT[quantity]) if m in table]
    last = len(backtest.cutoffs)
    lead = "brier" if quantity == "active" else "rmse"
    if lead in table:
        table = best_first(table, lead)
    columns = []
    for metric in names:
        cells = [_cell(metric, value) for value in table[metric]]
        best = _best(table, metric, last)
        columns.append(
            [
                f"{'*' if cell == best else ''}{cell}{_error(metric, error) if full else ''}"
                for cell, error in zip(cells, table[f"{metric}_se"], strict=True)
            ]
        )
    methods = [
        name if count == last else f"{name} ({count} of {last})"
        for name, count in zip(table["method"], table["cutoffs"], strict=True)
    ]
    unit = f" in {currency}" if quantity == "value" and currency else ""
    words = {"unit": unit, "what": QUANTITIES[quantity], "level": percent(backtest.level)}
    notes = [_NOTES[m].format(**words) for m in names if m in _NOTES]
    times = "1 cutoff" if last == 1 else f"{last} cutoffs"
    return Table(
        title=f"Backtest: {QUANTITIES[quantity]} of {backtest.horizon} after {times}",
        columns=("method", *(_HEADS[m] for m in names)),
        rows=tuple(zip(methods, *columns, strict=True)),
        note=" ".join([*notes, "*: best of its column.", *["±: standard errors."] * full]),
    )


def failures(backtest: Backtest) -> list[str]:
    """Methods that failed, where and with the reason."""
    last, found = len(backtest.cutoffs), []
    for (method, error), rows in backtest.failures.groupby(["method", "error"], sort=False):
        days = ", ".join(f"{day:%Y-%m-%d}" for day in rows["cutoff"])
        where = "" if len(rows) == last else f" at {days}"
        found.append(f"{method} failed{where}. {error}")
    return found


def _best(table: "pd.DataFrame", metric: str, last: int) -> str | None:
    """The text of the best value, of methods that succeeded at every cutoff."""
    if metric == "coverage":
        return None
    whole = table.loc[(table["cutoffs"] == last) & table[metric].notna(), metric]
    if whole.empty:
        return None
    return _cell(metric, whole.iloc[int(np.argmin(fault(metric, whole)))])


def _cell(metric: str, value: float) -> str:
    if metric in _PERCENT:
        return _PERCENT[metric](value)
    if metric in _THREE_PLACES:
        return NONE if np.isnan(value) else f"{value:.3f}"
    return significant(value, zeros=True)


def _error(metric: str, error: float) -> str:
    if not error > 1e-12:
        return ""
    return f" ± {percent(error) if metric in _PERCENT else significant(error, 2, zeros=True)}"

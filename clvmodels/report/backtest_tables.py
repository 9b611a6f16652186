"""A backtest as tables of text."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from clvmodels._typing import AnyArray
from clvmodels.evaluation.backtest_result import Backtest
from clvmodels.report.methods import QUANTITIES, best_first, fault
from clvmodels.report.numbers import percent, signed_percent
from clvmodels.report.tables import Table, cell, share, with_error

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
_TEXTS: Final = {**_PERCENT, "spearman": share, "gini": share, "brier": share}
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
        Most metrics, with their standard errors: the rest (correlation, decile MAPE, Poisson
        deviance, expected coverage, width) are in `Backtest.league`. Without, a few that fit a
        terminal of 80 columns.

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
        errors = table[f"{metric}_se"] if full else np.full(len(table), np.nan)
        size = percent if metric in _PERCENT else partial(cell, digits=2)
        text = with_error(_TEXTS.get(metric, cell), size)
        rows = zip(_best(table, metric, last), table[metric], errors, strict=True)
        columns.append([f"{'*' if best else ''}{text(value, se)}" for best, value, se in rows])
    methods = [
        name if count == last else f"{name} ({count} of {last})"
        for name, count in zip(table["method"], table["cutoffs"], strict=True)
    ]
    unit = f" in {currency}" if quantity == "value" and currency else ""
    words = {"unit": unit, "what": QUANTITIES[quantity], "level": percent(backtest.level)}
    notes = [_NOTES[m].format(**words) for m in names if m in _NOTES]
    notes.append("*: best of its column, before rounding.")
    times = "1 cutoff" if last == 1 else f"{last} cutoffs"
    return Table(
        title=f"Backtest of {backtest.horizon} after {times}: {QUANTITIES[quantity]}",
        columns=("method", *(_HEADS[m] for m in names)),
        rows=tuple(zip(methods, *columns, strict=True)),
        note=" ".join([*notes, *["±: standard errors."] * full]),
    )


def failures(backtest: Backtest) -> list[str]:
    """Methods that failed, where and with the reason."""
    last, found = len(backtest.cutoffs), []
    for (method, error), rows in backtest.failures.groupby(["method", "error"], sort=False):
        days = ", ".join(f"{day:%Y-%m-%d}" for day in rows["cutoff"])
        where = "" if len(rows) == last else f" at {days}"
        found.append(f"{method} failed{where}. {error}")
    return found


def _best(table: "pd.DataFrame", metric: str, last: int) -> AnyArray:
    """Which value is the best, or equal to it, of methods that succeeded at every cutoff."""
    whole = ((table["cutoffs"] == last) & table[metric].notna()).to_numpy()
    faults = np.where(whole, fault(metric, table[metric]), np.inf)
    equal = np.isclose(faults, faults.min(), rtol=1e-9, atol=1e-12)
    best: AnyArray = whole & equal & (metric != "coverage")
    return best

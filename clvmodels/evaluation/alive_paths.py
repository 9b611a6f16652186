"""P(alive) of some customers through the calendar, from their purchases alone."""

from typing import TYPE_CHECKING, Final

import numpy as np

from clvmodels._typing import AnyArray, FloatArray
from clvmodels.data.purchase_dates import PurchaseDates
from clvmodels.data.summary import RFMSummary
from clvmodels.evaluation.bands import knows_its_uncertainty
from clvmodels.models.fitted import probabilities
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.units import TimeUnit

if TYPE_CHECKING:
    import pandas as pd

_DATES: Final = 250  # of a path, about, besides those of purchases


def alive_paths(
    fit: FittedPurchases, purchases: PurchaseDates, level: float = 0.9
) -> "pd.DataFrame":
    """P(alive) of customers from their first purchase to the end of observation.

    At each date it is what the model says of the history up to then, (x, t_x, T). It falls in
    silence and jumps at a purchase, where there are two rows of one date: before, and after.

    Parameters
    ----------
    fit : FittedPurchases
        Of a model in continuous time.
    purchases : PurchaseDates
        In the time unit of the fit, and by its calendar if it has one.
    level : float
        Probability of the intervals.

    Returns
    -------
    DataFrame
        customer_id, date, purchases (so far, the first included), p_alive, lo, hi. The interval
        covers the uncertainty of the parameters; NaN where a fit has none.
    """
    import pandas as pd

    tails, summary = probabilities(level), purchases.summary
    rows = [
        _histories(purchases.date[purchases.customer == k], summary) for k in range(len(summary))
    ]
    size = [len(its["date"]) for its in rows]
    customer = np.repeat(np.arange(len(rows)), size)
    joined = {name: np.concatenate([its[name] for its in rows]) for name in rows[0]}
    data = RFMSummary(
        customer_id=np.arange(len(customer)),
        frequency=joined["frequency"],
        recency=joined["recency"],
        T=joined["T"],
        monetary_value=None,
        time_unit=summary.time_unit,
        columns={name: values[customer] for name, values in summary.columns.items()},
        observation_end=summary.observation_end,
        calendar=summary.calendar,
    )
    quantities = fit.quantities(data)
    h = quantities.histories(data)
    alive = quantities.spread({"alive": quantities.alive()}, fit.estimate, h, tails)["alive"]
    low, high = alive.quantiles
    if not knows_its_uncertainty(fit.estimate):
        low = high = np.full(len(low), np.nan)
    return pd.DataFrame(
        {
            "customer_id": summary.customer_id[customer],
            "date": joined["date"],
            "purchases": joined["frequency"].astype(np.int64) + 1,
            "p_alive": alive.mean,
            "lo": low,
            "hi": high,
        }
    )


def _histories(bought: AnyArray, summary: RFMSummary) -> dict[str, AnyArray]:
    """What was known of one customer at some dates: their frequency, recency and T."""
    end, unit = np.datetime64(summary.observation_end, "s"), summary.time_unit
    period = TimeUnit.HOUR if unit is TimeUnit.HOUR else TimeUnit.DAY
    step = np.timedelta64(round(period.days * 86_400), "s")
    every = max(1, round((end - bought[0]) / step / _DATES)) * step
    grid = np.append(np.arange(bought[0], end, every), end)
    silent = grid[~np.isin(grid, bought)]
    date = np.concatenate([bought[1:], bought, silent])
    # before a purchase, after it, and in between
    so_far = np.concatenate(
        [
            np.arange(len(bought) - 1),
            np.arange(len(bought)),
            np.searchsorted(bought, silent, side="right") - 1,
        ]
    )
    order = np.lexsort((so_far, date))
    date, so_far = date[order], so_far[order]
    return {
        "date": date,
        "frequency": so_far.astype(np.float64),
        "recency": _age(bought[so_far], bought[0], summary),
        "T": _age(date, bought[0], summary),
    }


def _age(date: AnyArray, first: np.datetime64, summary: RFMSummary) -> FloatArray:
    """Ages at some dates, by the clock of the summary."""
    unit = summary.time_unit
    age: FloatArray = (date - first) / np.timedelta64(round(unit.days * 86_400_000), "ms")
    return age if summary.calendar is None else summary.calendar.elapsed(first, age, unit)

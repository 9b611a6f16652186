"""Transaction logs whose summary is known beforehand."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from clvmodels._typing import FloatArray, IntArray
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import ParameterError
from clvmodels.units import TimeUnit

if TYPE_CHECKING:
    from datetime import date

    import pandas as pd


def simulate_log(
    frequency: ArrayLike,
    recency: ArrayLike,
    T: ArrayLike,
    *,
    start_date: "str | date",
    time_unit: TimeUnit | str,
    value: ArrayLike | None = None,
    regularity: int = 1,
    seed: int | np.random.Generator | None = None,
) -> "pd.DataFrame":
    """Transactions, in order of time, that lead to given frequencies, recencies and ages.

    Given when the last of x repeat purchases fell, a Poisson process has spread the others
    uniformly over the time before it, and a process with Erlang-k times between purchases has
    spread them like every k-th point of such a process. Together with a model's simulated
    (x, t_x, T) this makes a log as that model would have it.

    Parameters
    ----------
    frequency, recency, T : array_like of shape (customers,)
        Repeat purchases, age at the last one and age at the end of observation.
    start_date : str or date
        When the customer with the largest T first bought. All are observed to the same moment,
        ``start_date`` plus the largest T.
    time_unit : TimeUnit or str
        Unit of `recency` and `T`.
    value : array_like of shape (customers,), optional
        What each of a customer's purchases is worth.
    regularity : int
        Erlang shape k of the times between purchases: 1 for a Poisson process, more for purchases
        more evenly spaced.
    seed : int or numpy.random.Generator, optional
        Where the randomness comes from.

    Returns
    -------
    DataFrame
        Columns ``customer_id`` (the position in the arrays), ``date`` (a timestamp) and, if given,
        ``value``. Purchases may fall on one day; a summary in days or longer units merges those.

    Raises
    ------
    DataError
        If a history cannot happen: see `RFMSummary`.
    ParameterError
        If `regularity` is not a whole number from 1 on.

    Examples
    --------
    >>> simulate_log([1, 0], [2, 0], [9, 4], start_date="2024-01-01", time_unit="day", seed=1)
       customer_id       date
    0            0 2024-01-01
    1            0 2024-01-03
    2            1 2024-01-06
    """
    import pandas as pd

    if not isinstance(regularity, int | np.integer) or regularity < 1:
        raise ParameterError(f"regularity must be a whole number from 1 on, not {regularity!r}.")
    counts = np.asarray(frequency, dtype=np.float64)
    people = RFMSummary(
        customer_id=np.arange(counts.size),
        frequency=counts,
        recency=np.asarray(recency, dtype=np.float64),
        T=np.asarray(T, dtype=np.float64),
        monetary_value=None if value is None else np.asarray(value, dtype=np.float64),
        time_unit=TimeUnit.parse(time_unit),
    )
    purchases = people.frequency.astype(np.int64) + 1
    owner = np.repeat(people.customer_id, purchases)
    share = _shares(purchases, regularity, np.random.default_rng(seed))
    age = people.T.max() - people.T[owner] + share * people.recency[owner]
    microseconds = np.rint(age * people.time_unit.days * 86_400e6).astype(np.int64)
    order = np.argsort(microseconds)
    columns = {
        "customer_id": owner[order],
        "date": np.datetime64(pd.Timestamp(start_date), "us")
        + microseconds[order].astype("m8[us]"),
    }
    if people.monetary_value is not None:
        columns["value"] = people.monetary_value[owner[order]]
    return pd.DataFrame(columns)


def _shares(purchases: IntArray, regularity: int, rng: np.random.Generator) -> FloatArray:
    """How far from the first purchase to the last each one falls: 0 at the first, 1 at the last."""
    last = purchases.cumsum() - 1
    first = last - purchases + 1
    if regularity == 1:
        share: FloatArray = rng.random(last[-1] + 1)
    else:  # Dirichlet gaps: gamma variables over their sum
        gaps = rng.gamma(regularity, size=last[-1] + 1)
        gaps[first] = 0.0
        reached = gaps.cumsum()
        share = reached - np.repeat(reached[first], purchases)
        share /= np.repeat(np.maximum(share[last], np.finfo(float).tiny), purchases)
    share[last] = 1.0
    share[first] = 0.0
    return share

"""Whether purchases look like renewals of a contract, which other models are for."""

import numpy as np

from clvmodels._typing import FloatArray

_FEWEST = 30  # customers with two repeat purchases or more, to tell a habit from chance
_ENOUGH = 10_000  # of them to look at
_NEAR = 0.1  # of the common period: months of 28 to 31 days are that far apart
_NEARLY_ALL = 0.8


def fixed_period(x: FloatArray, t_x: FloatArray, weight: FloatArray) -> float | None:
    """The time between purchases that nearly all customers keep to, if there is one.

    A contract renews every month or year: a customer's mean time between purchases is then the
    same for nearly everybody. Where customers buy when they like, some buy many times as often as
    others.

    Parameters
    ----------
    x, t_x, weight : ndarray of shape (customers,)
        Repeat purchases, age at the last one, and how many customers each row stands for.

    Returns
    -------
    float or None
        The period, in the unit of `t_x`.
    """
    several = x >= 2
    if weight[several].sum() < _FEWEST:
        return None
    rows = np.flatnonzero(several)
    rows = rows[:: max(1, len(rows) // _ENOUGH)]
    period, share = t_x[rows] / x[rows], weight[rows]
    order = np.argsort(period)
    half = np.searchsorted(np.cumsum(share[order]), share.sum() / 2)
    common = float(period[order][min(half, len(order) - 1)])
    near = np.abs(period - common) <= _NEAR * common
    return common if share[near].sum() >= _NEARLY_ALL * share.sum() else None

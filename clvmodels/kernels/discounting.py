"""Discounted expected transactions from the expected number of purchases, whatever the model.

With A(t) the expected purchases in (T, T + t] of a customer alive at T, integration by parts gives

    integral_0^H e^(-delta t) A'(t) dt = e^(-delta H) A(H) + delta integral_0^H e^(-delta t) A(t) dt,

which needs no derivative, is exactly A(H) at delta = 0, and leaves to quadrature only the part
that discounting takes away.
"""

from collections.abc import Callable

import numpy as np

from clvmodels._typing import FloatArray

_NODES, _WEIGHTS = (np.polynomial.legendre.leggauss(32)[k] for k in (0, 1))
_FAR = 40.0  # e^-40 is below the rounding error of the integral


def discounted(
    expected: Callable[[FloatArray], FloatArray], delta: float, horizon: float, scale: FloatArray
) -> FloatArray:
    """Integral of e^(-delta t) against the purchases expected up to `horizon`.

    Parameters
    ----------
    expected : callable
        A(t), for t of shape (..., nodes) to values of that shape.
    delta : float
        Force of interest per unit of time; positive where the horizon is infinite.
    horizon : float
        Length of the window, or ``inf``.
    scale : ndarray of shape (...)
        Time on which A bends, such as the mean time between purchases. Gauss-Legendre nodes are
        laid on log(1 + t / scale), where A is smooth from the first purchase to the last.
    """
    end = min(horizon, _FAR / delta) if delta > 0 else horizon
    scale = np.asarray(scale)[..., None]
    width = np.log1p(end / scale)
    u = 0.5 * width * (_NODES + 1)
    t = scale * np.expm1(u)
    jacobian = 0.5 * width * _WEIGHTS * (scale + t)
    loss = (np.exp(-delta * t) * jacobian * expected(t)).sum(axis=-1) if delta else 0.0
    if np.isinf(horizon):
        return delta * loss
    at_end = expected(np.full_like(scale, horizon))[..., 0]
    return np.exp(-delta * horizon) * at_end + delta * loss


def monthly(
    expected: Callable[[FloatArray], FloatArray], rate: float, month: float, months: int
) -> FloatArray:
    """Purchases of each month booked at its end, discounted at `rate` per month.

    The convention of lifetimes' ``customer_lifetime_value``; `month` is the length of a month in
    the model's unit.
    """
    ends = month * np.arange(months + 1)
    total = expected(ends)
    return (np.diff(total, axis=-1) / (1 + rate) ** np.arange(1, months + 1)).sum(axis=-1)

"""Discounted expected transactions from the expected number of purchases, whatever the model.

With A(t) the expected purchases in (T, T + t] of a customer alive at T, integration by parts gives
over (0, H)

    integral e^(-delta t) A'(t) dt = e^(-delta H) A(H) + delta integral e^(-delta t) A(t) dt,

which needs no derivative, is exactly A(H) at delta = 0, and leaves to quadrature only the part
that discounting takes away.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from clvmodels._typing import FloatArray
from clvmodels.kernels import chebyshev

FAR = 30.0  # what comes after e^-30 is below the error of the quadrature
_LOG_ACCURACY = 27.0  # relative errors of interpolated values: 2e-12
_POINTS = 10_000
_gauss_legendre = lru_cache(np.polynomial.legendre.leggauss)


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
        Time on which A bends: (alpha + T) / max(1, r + x) for gamma rates. Gauss-Legendre nodes
        are laid on log(1 + t / scale), where A is smooth from the first purchase to the last.
    """
    scale = np.asarray(scale, dtype=np.float64)[..., None]
    if delta == 0:
        return expected(np.full_like(scale, horizon))[..., 0]
    end = min(horizon, FAR / delta) if delta > 0 else horizon
    width = np.log1p(end / scale)
    # 3e-10 or better: found by trial for rates from an hour's to a year's and up to 10^3 purchases
    bend = delta / 3 if delta > 0 else -2 * delta
    nodes, weights = _gauss_legendre(int(14 + np.max(width, initial=0.0) + bend * end))
    t = scale * np.expm1(0.5 * width * (nodes + 1))
    jacobian = 0.5 * width * weights * (scale + t)
    value: FloatArray = delta * (np.exp(-delta * t) * jacobian * expected(t)).sum(axis=-1)
    if np.isfinite(horizon):
        value += np.exp(-delta * horizon) * expected(np.full_like(scale, horizon))[..., 0]
    return value


def nodes_and_weights(
    elapsed: Callable[[FloatArray], FloatArray],
    breaks: FloatArray,
    delta: float,
    begin: float,
    end: float,
    scale: float,
) -> tuple[FloatArray, FloatArray]:
    """A rule that discounts where the model's time runs at a speed of its own.

    With A smooth in the model's time and tau(t) that time after t units of the calendar's,

        integral over (begin, end) of e^(-delta t) dA(tau(t)) = sum of weights x A(nodes).

    A is interpolated between Chebyshev nodes on log(1 + tau / scale); discounting, whose speed
    jumps at the breaks, is integrated piece by piece and becomes the weights.

    Parameters
    ----------
    elapsed : callable
        tau(t), increasing.
    breaks : ndarray of shape (breaks,)
        Times at which the speed of tau changes.
    delta : float
        Force of interest per calendar unit.
    begin, end : float
        The window, in calendar units.
    scale : float
        The shortest time on which A bends.

    Returns
    -------
    nodes, weights : ndarray of shape (nodes,)
        Nodes in the model's time.
    """
    ends = elapsed(np.array([begin, end]))
    if delta == 0 or begin == end:
        return ends, np.array([-1.0, 1.0])
    low, high = np.log1p(ends / scale)
    count = chebyshev.how_many(high - low, _LOG_ACCURACY)
    at = chebyshev.nodes(low, high, count)
    # panels short enough for the interpolating polynomials, and none across a break
    steps = begin + scale * np.expm1(np.linspace(0.0, np.log1p((end - begin) / scale), 2 * count))
    inside = (breaks > begin) & (breaks < end)
    edges = np.unique(np.concatenate([steps[:-1], breaks[inside], [begin, end]]))
    nodes, weights = _gauss_legendre(8)
    width = 0.5 * np.diff(edges)[:, None]
    t = (edges[:-1, None] + width * (nodes + 1)).ravel()
    discount = delta * np.exp(-delta * t) * (width * weights).ravel()
    inner = np.zeros(count)
    for i in range(0, len(t), _POINTS):  # centuries of months need not lie in memory at once
        some = slice(i, i + _POINTS)
        inner += chebyshev.weights(at, np.log1p(elapsed(t[some]) / scale)) @ discount[some]
    # e^(-delta end) A(end) - e^(-delta begin) A(begin), by parts
    outer = np.exp(-delta * np.array([begin, end])) * [-1.0, 1.0]
    return (
        np.concatenate([scale * np.expm1(at), ends]),
        np.concatenate([inner, outer]),
    )


def monthly(
    expected: Callable[[FloatArray], FloatArray], rate: float, month: float, months: int
) -> FloatArray:
    """Purchases of each month booked at its end, discounted at `rate` per month.

    The convention of lifetimes' ``customer_lifetime_value``; `month` is the length of a month in
    the model's unit.
    """
    booked = np.diff(expected(month * np.arange(months + 1.0)), axis=-1)
    value: FloatArray = (booked / (1 + rate) ** np.arange(1, months + 1)).sum(axis=-1)
    return value

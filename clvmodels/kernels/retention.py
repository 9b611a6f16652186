"""What the retention models share: renewals by age, and the discounted sums of their survival.

Time is counted in contract periods. A lifetime T = 1, 2, ... is the period after which a customer
does not renew; S(t) = P(T > t) is the share that survives t renewals. A customer of age n is in
the n-th period, before the n-th renewal. Each model gives log S(t) / S(t0) as ``log_kept(t0, t)``
for real 0 <= t0 <= t; everything here follows from it.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from clvmodels._typing import FloatArray, IntArray

LogKept: TypeAlias = Callable[[FloatArray, FloatArray], FloatArray]
"""Times t0 and t to log S(t) / S(t0), of shape (draws, times)."""

_SHIFT = 10  # from here on Stirling's series is exact to 1e-15
_DIRECT = 128  # terms of a sum before the survival curve is smooth from one to the next
_STEP = (
    0.125  # of the trapezoid rule on log t: 1e-11 or better for curves with a power of t up to 4
)
_LOW, _HIGH = -37.0, 690.0  # logs of times: e^-37 is nothing, e^690 nearly the largest float
_FAR = 40.0  # e^-40 is nothing
_SAFE = 50.0


def renewals(
    duration: FloatArray, churned: FloatArray, weight: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Customers kept and lost at the first, second, ... renewal."""
    t = duration.astype(np.int64)
    lost = np.bincount(t, weights=weight * churned)
    faced = np.bincount(t, weights=weight)[::-1].cumsum()[::-1]
    return np.asarray((faced - lost)[1:], dtype=np.float64), lost[1:].astype(np.float64)


def loglik(log_kept: LogKept, duration: FloatArray, churned: FloatArray) -> FloatArray:
    """Log of P(T = duration) where churned, else of S(duration)."""
    before = np.where(churned > 0, duration - 1, duration)
    stayed = log_kept(np.zeros_like(duration), before)
    left = _log_lost(log_kept(before, np.where(churned > 0, duration, duration + 1)))
    return np.where(churned > 0, stayed + left, stayed)


def _log_lost(log_kept: FloatArray) -> FloatArray:
    """Log of one minus a share that is given by its log."""
    near, away = np.maximum(log_kept, -1.0), np.minimum(log_kept, -1.0)
    out: FloatArray = np.where(log_kept > -1, np.log(-np.expm1(near)), np.log1p(-np.exp(away)))
    return out


def log_beta_ratio(a: FloatArray, b: FloatArray, s: FloatArray) -> FloatArray:
    """Log of B(a, b) / B(a, b + s) for a, b > 0 and s >= 0, to nearly all digits.

    A second difference of log-gammas. The recurrence carries b to where Stirling's series holds,
    by positive terms; there the leading terms are combined by hand, so that nothing cancels but
    terms of the size of the result.
    """
    shifted = np.zeros(np.broadcast_shapes(np.shape(a), np.shape(b), np.shape(s)))
    for k in range(_SHIFT):
        shifted += np.log1p(a / (b + k) * (s / (b + k + a + s)))
    b = b + _SHIFT
    all_, left, right = b + a + s, b + a, b + s
    leading = (b - 0.5) * np.log1p(-(a / left) * (s / right))
    leading += a * np.log1p(s / left) + s * np.log1p(a / right)
    first = a / left * (s / all_) * ((left + right) / right) / (12 * b)
    rest = _series(all_) - _series(left) - _series(right) + _series(b)
    out: FloatArray = shifted + leading + first + rest
    return out


def _series(z: FloatArray) -> FloatArray:
    """Stirling's series without its first term, 1 / (12 z)."""
    w = 1 / z
    w2 = w * w
    out: FloatArray = -w * w2 * (1 / 360 - w2 * (1 / 1260 - w2 * (1 / 1680 - w2 / 1188)))
    return out


def retention_rates(log_kept: LogKept, last: int) -> FloatArray:
    """Share kept at renewals 1 to `last`, of shape (draws, last)."""
    t = np.arange(last + 1.0)
    return np.exp(log_kept(t[:-1], t[1:]))


def payments(rates: FloatArray, force: float, ages: IntArray, horizon: float) -> FloatArray:
    """The first `horizon` payments to come at some ages, discounted; a fraction counts in part.

    `rates` are those of renewals 0 (the acquisition, which is certain) to the last one needed.
    """
    reached = np.ones((len(rates), len(ages)))
    total = np.zeros_like(reached)
    for j in range(int(np.ceil(horizon))):
        reached = reached * rates[:, ages + j]
        total += min(1.0, horizon - j) * np.exp(-force * j) * reached
    return total


def residual_lifetimes(
    log_kept: LogKept, force: float, oldest: int, power: FloatArray, settled: float
) -> FloatArray:
    """All payments to come at ages 0 to `oldest`, discounted, of shape (draws, oldest + 1).

    At age n the sum over t >= n of S(t) / S(n-1) e^(-force (t-n)): the n-th renewal is about to be
    decided, and pays at once. At age 0 a customer is about to be acquired, which is certain.

    Parameters
    ----------
    log_kept : callable
        See the module.
    force : float
        Force of interest per period, not negative.
    oldest : int
        Highest age.
    power : ndarray of shape (draws, 1)
        S falls as t^-power in the end, or faster if infinite: where it is at most 1 and `force`
        is 0, the sums are infinite.
    settled : float
        Log of the time from which S falls so.
    """
    last = oldest + _DIRECT
    rates = retention_rates(log_kept, last)
    value = _tail(log_kept, force, last + 1.0, power, settled)
    ages = np.empty((len(value), oldest + 1))
    v = np.exp(-force)
    for n in range(last, 0, -1):
        value = rates[:, n - 1] * (1 + v * value)
        if n <= oldest:
            ages[:, n] = value
    ages[:, 0] = 1 + v * value
    return ages


def _tail(
    log_kept: LogKept, force: float, n: float, power: FloatArray, settled: float
) -> FloatArray:
    """The sum at a high age n: the integral of the curve from n - 1/2, and its differences there.

    The differences turn the integral into the sum (Euler and Maclaurin's formula between steps).
    """
    start = np.array([n - 3])
    reference = log_kept(start, np.array([n - 1]))

    def curve(t: FloatArray) -> FloatArray:
        # where it would overflow, survival to n - 1 is next to none, and so is what this counts for
        logs = log_kept(start, t) - reference - force * (t - n)
        return np.exp(np.minimum(logs, _SAFE))

    f = curve(n + np.arange(-3.0, 3.0)).T
    total = (f[3] - f[2]) / 24 - 17 / 5760 * (f[4] - f[1] - 3 * (f[3] - f[2]))
    total += 367 / 967680 * (f[5] - f[0] - 5 * (f[4] - f[1]) + 10 * (f[3] - f[2]))
    high = np.log(_FAR / force) if force > 0 else min(settled, _HIGH)
    span = np.exp(np.arange(_LOW, high + _STEP, _STEP))
    terms = span * curve(n - 0.5 + span)
    total += _STEP * terms.sum(axis=1)
    if force == 0:
        total += _beyond(terms[:, -1], power[:, 0])
    out: FloatArray = np.maximum(total, 0.0)
    return out


def _beyond(end: FloatArray, power: FloatArray) -> FloatArray:
    """What the trapezoid rule on log t leaves out where its terms end as t^(1-power)."""
    excess = np.where(np.isfinite(power), power - 1, 1.0)
    left = np.full(power.shape, np.inf)
    np.divide(end, excess, out=left, where=excess > 0)
    out: FloatArray = left + end * (_STEP**2 / 12 * excess - _STEP / 2)
    return out


def simulate(rates: FloatArray, customers: int, rng: np.random.Generator) -> FloatArray:
    """Survivors after 0, 1, ... renewals of customers who share the distribution of lifetimes."""
    survivors = [customers]
    for rate in rates:
        survivors.append(int(rng.binomial(survivors[-1], rate)))
    return np.array(survivors, dtype=np.float64)

"""BG/BB (Fader, Hardie and Shang 2010): opportunities to buy that come one by one.

Before each opportunity a customer dies with probability theta ~ Beta(gamma, delta); who is still
alive buys at it with probability p ~ Beta(alpha, beta). T counts the opportunities since the first
purchase, t_x is the index of the last one used, 0 if none was.

Given that a customer is alive at T (has survived to opportunity T), p and theta are independent,

    p ~ Beta(alpha + x, beta + T - x),    theta ~ Beta(gamma, delta + T),

so whatever is conditional on being alive depends on (x, T) alone, and P(alive) carries the rest.
Sums over the opportunity of death have positive terms with simple ratios, so they are taken term
by term and nothing cancels.
"""

import math

import numpy as np
from numba import njit, vectorize
from scipy import special as sp

from clvmodels._typing import FloatArray
from clvmodels.kernels.special import log_rising, sum_log_rising, tail_counts

__all__ = [
    "log_odds_gone",
    "loglik",
    "nll_grad_hess",
    "pmf_if_alive",
    "prob_alive",
    "prob_alive_next",
    "purchases_if_alive",
    "residual_if_alive",
    "simulate",
    "survival_if_alive",
    "tail_counts",
]

_HUGE = 1e200  # a sum that exceeds it is scaled down
_PRECISION = 1e-14  # at which a continued fraction stops; its own rounding is a tenth of it


def log_odds_gone(
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    *,
    alpha: FloatArray,
    beta: FloatArray,
    gamma: FloatArray,
    delta: FloatArray,
) -> FloatArray:
    """Log of P(gone at T) / P(alive at T); -inf for those who bought at T."""
    args = (x, t_x, T, alpha, beta, gamma, delta)
    odds: FloatArray = _log_odds(*(np.asarray(v, dtype=np.float64) for v in args))
    return odds


@vectorize(cache=True)  # type: ignore[untyped-decorator]
def _log_odds(
    x: float, t_x: float, T: float, alpha: float, beta: float, gamma: float, delta: float
) -> float:
    """Deaths before opportunity T, T - 1, ..., t_x + 1, each relative to being alive at T."""
    if t_x == T:
        return -math.inf
    m = T
    term = gamma / (gamma + delta + T)
    total, log_scale = 0.0, 0.0
    while m > t_x:
        m -= 1
        term *= (alpha + beta + m) / (beta + m - x) * ((gamma + delta + m + 1) / (delta + m))
        total += term
        if total > _HUGE:
            term /= total
            log_scale += math.log(total)
            total = 1.0
    return math.log(total) + log_scale


def loglik(
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    *,
    alpha: FloatArray,
    beta: FloatArray,
    gamma: FloatArray,
    delta: FloatArray,
) -> FloatArray:
    """Log-likelihood per customer: Fader, Hardie and Shang (2010), as alive x (1 + odds)."""
    alive = log_rising(alpha, x) + log_rising(beta, T - x) - log_rising(alpha + beta, T)
    alive = alive + log_rising(delta, T) - log_rising(gamma + delta, T)
    odds = log_odds_gone(x, t_x, T, alpha=alpha, beta=beta, gamma=gamma, delta=delta)
    return alive + np.logaddexp(0.0, odds)


def nll_grad_hess(
    theta: FloatArray,
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    weight: FloatArray,
    tail: FloatArray,
) -> tuple[float, FloatArray, FloatArray]:
    """Negative log-likelihood at theta = (alpha, beta, gamma, delta), its gradient and Hessian.

    Both are exact. `tail` is ``tail_counts(x, weight)``.
    """
    alpha, beta, gamma, delta = (float(v) for v in theta)
    most = int(T.max()) + 2
    tables = [_rising_table(z, most) for z in (beta, alpha + beta, delta, gamma + delta)]
    f, grad, hess = _rows(x, t_x, T, weight, *theta, *tables)
    bought, bought_1, bought_2 = sum_log_rising(alpha, tail)
    grad[0] += bought_1
    hess[0, 0] += bought_2
    return -(f + bought), -grad, -hess


def _rising_table(z: float, length: int) -> FloatArray:
    """Log of z (z+1) ... (z+n-1) and its two derivatives in z, for n = 0, 1, ..., length - 1."""
    n = np.arange(float(length))
    inverse = 1 / (z + n[:-1])
    first, second = np.zeros(length), np.zeros(length)
    first[1:], second[1:] = inverse.cumsum(), -(inverse**2).cumsum()
    return np.array([log_rising(np.asarray(z), n), first, second])


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _rows(
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    weight: FloatArray,
    alpha: float,
    beta: float,
    gamma: float,
    delta: float,
    not_bought: FloatArray,
    chances: FloatArray,
    survived: FloatArray,
    exposed: FloatArray,
) -> tuple[float, FloatArray, FloatArray]:
    """Sum over rows of all but log (alpha)_x, with derivatives, from tables of the other factors.

    A row is a mixture of deaths after opportunity m = t_x, ..., T - 1 and of being alive at T.
    Its gradient is the mean of the components' gradients, its Hessian the mean of their Hessians
    plus the covariance of their gradients.
    """
    f, grad, hess = 0.0, np.zeros(4), np.zeros((4, 4))
    g, mean, square = np.empty(4), np.empty(4), np.empty((4, 4))
    for i in range(len(x)):
        last, end, bought = int(t_x[i]), int(T[i]), int(x[i])
        mean[:] = 0.0
        square[:] = 0.0
        total, term = 0.0, 1.0  # relative to the first component; each next one is smaller
        for m in range(last, end + 1):
            alive = m == end
            share = term * (gamma + delta + end) / gamma if alive else term
            hazard, k = (0.0, m) if alive else (1 / gamma, m + 1)
            g[0] = -chances[1, m]
            g[1] = not_bought[1, m - bought] - chances[1, m]
            g[2] = hazard - exposed[1, k]
            g[3] = survived[1, m] - exposed[1, k]
            total += share
            for p in range(4):
                mean[p] += share * g[p]
                for q in range(p + 1):
                    square[p, q] += share * g[p] * g[q]
            square[0, 0] -= share * chances[2, m]
            square[1, 0] -= share * chances[2, m]
            square[1, 1] += share * (not_bought[2, m - bought] - chances[2, m])
            square[2, 2] -= share * (hazard**2 + exposed[2, k])
            square[3, 2] -= share * exposed[2, k]
            square[3, 3] += share * (survived[2, m] - exposed[2, k])
            term *= (beta + m - bought) / (alpha + beta + m)
            term *= (delta + m) / (gamma + delta + m + 1)
        w = weight[i]
        f += w * (not_bought[0, last - bought] - chances[0, last] + np.log(gamma * total))
        f += w * (survived[0, last] - exposed[0, last + 1])
        for p in range(4):
            grad[p] += w * mean[p] / total
            for q in range(p + 1):
                hess[p, q] += w * (square[p, q] - mean[p] * mean[q] / total) / total
    for p in range(4):
        for q in range(p):
            hess[q, p] = hess[p, q]
    return f, grad, hess


def prob_alive(
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    *,
    alpha: FloatArray,
    beta: FloatArray,
    gamma: FloatArray,
    delta: FloatArray,
) -> FloatArray:
    """P(alive at T | x, t_x, T): the customer has survived to the last opportunity observed.

    1 for those who bought at it. The figure in print is `prob_alive_next`.
    """
    odds = log_odds_gone(x, t_x, T, alpha=alpha, beta=beta, gamma=gamma, delta=delta)
    out: FloatArray = sp.expit(-odds)
    return out


def prob_alive_next(
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    *,
    alpha: FloatArray,
    beta: FloatArray,
    gamma: FloatArray,
    delta: FloatArray,
) -> FloatArray:
    """P(alive at T + 1 | x, t_x, T): will be there when the next opportunity comes.

    Fader, Hardie and Shang (2010) tabulate this one, as P(alive in 2002) after data to 2001.
    """
    alive = prob_alive(x, t_x, T, alpha=alpha, beta=beta, gamma=gamma, delta=delta)
    return alive * (delta + T) / (gamma + delta + T)


def survival_if_alive(
    x: FloatArray,
    T: FloatArray,
    t: FloatArray,
    *,
    alpha: FloatArray,
    beta: FloatArray,
    gamma: FloatArray,
    delta: FloatArray,
) -> FloatArray:
    """P(alive at T + t | alive at T), for a whole number t of further opportunities."""
    log_ratio = log_rising(delta + T, t) - log_rising(gamma + delta + T, t)
    shape = np.broadcast_shapes(*map(np.shape, (x, log_ratio, alpha, beta)))
    return np.broadcast_to(np.exp(log_ratio), shape)


def purchases_if_alive(
    x: FloatArray,
    T: FloatArray,
    t: FloatArray,
    *,
    alpha: FloatArray,
    beta: FloatArray,
    gamma: FloatArray,
    delta: FloatArray,
) -> FloatArray:
    """E[Y(t) | alive at T]: purchases at the next t opportunities.

    The closed form of Fader, Hardie and Shang (2010) has a removable singularity at gamma = 1 and
    cancels for short horizons; the probabilities of surviving are added up instead.
    """
    rest = {"alpha": alpha, "beta": beta, "gamma": gamma, "delta": delta}
    return residual_if_alive(x, T, 0.0, t, **rest)


def residual_if_alive(
    x: FloatArray,
    T: FloatArray,
    rate: float,
    t: FloatArray | float,
    *,
    start: FloatArray | float = 0.0,
    alpha: FloatArray,
    beta: FloatArray,
    gamma: FloatArray,
    delta: FloatArray,
) -> FloatArray:
    """Purchases at opportunities T + start + 1, ..., T + t, discounted to T, given alive at T.

    With `rate` the effective interest rate from one opportunity to the next and t = inf this is
    DERT / P(alive), eq. 3.20 of Fader and Hardie (2015). An infinite t needs a positive rate.
    """
    buys = (alpha + x) / (alpha + beta + T)
    args = (gamma, delta + T, rate, start, t)
    lived: FloatArray = _discounted_life(*(np.asarray(v, dtype=np.float64) for v in args))
    return buys * lived


@vectorize(cache=True)  # type: ignore[untyped-decorator]
def _discounted_life(gamma: float, delta: float, rate: float, start: float, t: float) -> float:
    """Sum over start < j <= t of P(alive after j opportunities) / (1 + rate)^j."""
    term, j = 1.0, 0.0
    while j < start:
        term *= (delta + j) / (gamma + delta + j) / (1 + rate)
        j += 1
    if t == math.inf:
        forever: float = term * _perpetuity(gamma, delta + j, rate)
        return forever
    total = 0.0
    while j + 1 <= t:
        term *= (delta + j) / (gamma + delta + j) / (1 + rate)
        total += term
        j += 1
    return total


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _perpetuity(gamma: float, delta: float, rate: float) -> float:
    """Sum over all j >= 1 of P(alive after j opportunities) / (1 + rate)^j.

    It is delta / (gamma + delta) times the mean of 1 / (rate + theta) under
    Beta(gamma, delta + 1), a Stieltjes transform: Gauss's continued fraction for
    2F1(1, gamma; gamma + delta + 1; -1 / rate) has positive terms only, and no special cases.
    """
    c = gamma + delta
    upper, lower, fraction = 1.0, 0.0, 1.0
    k = 0
    while True:
        odd = (gamma + k) * (c + k) / ((c + 2 * k) * (c + 2 * k + 1))
        even = (k + 1) * (delta + k + 1) / ((c + 2 * k + 1) * (c + 2 * k + 2))
        # Lentz's method, two terms at a time: successive values enclose the limit
        lower = 1 / (1 + odd / rate * lower)
        upper = 1 + odd / rate / upper
        fraction *= upper * lower
        lower = 1 / (1 + even / rate * lower)
        upper = 1 + even / rate / upper
        fraction *= upper * lower
        if abs(upper * lower - 1) < _PRECISION:
            break
        k += 1
    return delta / c / (rate * fraction)


def pmf_if_alive(
    n: FloatArray,
    x: FloatArray,
    T: FloatArray,
    t: FloatArray,
    *,
    alpha: FloatArray,
    beta: FloatArray,
    gamma: FloatArray,
    delta: FloatArray,
) -> FloatArray:
    """P(Y(t) = n | alive at T): the distribution of new customers with updated parameters."""
    alpha, beta, delta = alpha + x, beta + T - x, delta + T
    # to buy at the next n opportunities and die
    log_first = log_rising(alpha, n) - log_rising(alpha + beta, n) + np.log(gamma)
    log_first = log_first + log_rising(delta, n) - log_rising(gamma + delta, n + 1)
    args = (log_first, n, t, alpha + beta, beta, gamma, delta)
    out: FloatArray = _mass(*(np.asarray(v, dtype=np.float64) for v in args))
    return out


@vectorize(cache=True)  # type: ignore[untyped-decorator]
def _mass(
    log_first: float, n: float, t: float, both: float, beta: float, gamma: float, delta: float
) -> float:
    """Buy n times while surviving m = n, ..., t opportunities, then die, or be alive at t."""
    if n > t:
        return 0.0
    m, term, total, log_scale = n, 1.0, 0.0, log_first
    while m < t:
        total += term
        term *= (m + 1) / (m + 1 - n) * ((beta + m - n) / (both + m))
        term *= (delta + m) / (gamma + delta + m + 1)
        m += 1
        if total > _HUGE:
            term /= total
            log_scale += math.log(total)
            total = 1.0
    total += term * ((gamma + delta + t) / gamma)
    return math.exp(log_scale + math.log(total))


def simulate(
    x: FloatArray,
    T: FloatArray,
    t: FloatArray,
    rng: np.random.Generator,
    *,
    alpha: FloatArray,
    beta: FloatArray,
    gamma: FloatArray,
    delta: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Purchases at the next t opportunities of customers alive at T, and when the last one was.

    New customers are those with x = T = 0. The time counts opportunities after T; it is 0 where
    there is no purchase.
    """
    size = np.broadcast_shapes(*map(np.shape, (x, T, t, alpha, beta, gamma, delta)))
    p = rng.beta(alpha + x, beta + T - x, size=size)
    theta = rng.beta(gamma, delta + T, size=size)
    lived = np.minimum(_failures(theta, rng), t)
    last = np.maximum(lived - _failures(p, rng), 0.0)  # looking back from the end of life
    before = rng.binomial(np.maximum(last - 1, 0.0).astype(np.int64), p)
    return np.where(last > 0, 1.0 + before, 0.0), last


def _failures(chance: FloatArray, rng: np.random.Generator) -> FloatArray:
    """How often something fails before it succeeds: inverse-cdf geometric, inf for no chance."""
    with np.errstate(divide="ignore", over="ignore"):  # chances may round to 0 and to 1
        return np.floor(-rng.exponential(size=chance.shape) / np.log1p(-chance))

"""NBD (Ehrenberg 1959): Poisson purchases at gamma rates, nobody ever leaves."""

import numpy as np

from clvmodels._typing import FloatArray
from clvmodels.kernels.special import log_rising, nb_logpmf, sum_log_rising, tail_counts

__all__ = [
    "bend",
    "loglik",
    "nll_grad_hess",
    "pmf_if_alive",
    "prob_alive",
    "purchases_if_alive",
    "simulate",
    "survival_if_alive",
    "tail_counts",
]


def loglik(
    x: FloatArray, t_x: FloatArray, T: FloatArray, *, r: FloatArray, alpha: FloatArray
) -> FloatArray:
    """Log density of the purchase times, per customer (t_x carries no information)."""
    return log_rising(r, x) - r * np.log1p(T / alpha) - x * np.log(alpha + T)


def nll_grad_hess(
    theta: FloatArray, x: FloatArray, T: FloatArray, weight: FloatArray, tail: FloatArray
) -> tuple[float, FloatArray, FloatArray]:
    """Negative log-likelihood at theta = (r, alpha), its gradient and its Hessian.

    `tail` is ``tail_counts(x, weight)``.
    """
    r, alpha = theta
    f, f_r, f_rr = sum_log_rising(r, tail)
    tau, age = T / alpha, alpha + T
    log_ratio = np.log1p(tau)
    f -= weight @ (r * log_ratio + x * np.log(age))
    grad = np.array([f_r - weight @ log_ratio, weight @ ((r * tau - x) / age)])
    cross = weight @ (tau / age)
    curve = weight @ ((x - r * tau * (1 + age / alpha)) / age**2)
    hess = np.array([[f_rr, cross], [cross, curve]])
    return -float(f), -grad, -hess


def prob_alive(
    x: FloatArray, t_x: FloatArray, T: FloatArray, *, r: FloatArray, alpha: FloatArray
) -> FloatArray:
    """One for everybody: the NBD has no dropout."""
    return np.ones(np.broadcast_shapes(*map(np.shape, (x, t_x, T, r, alpha))))


def survival_if_alive(
    x: FloatArray, T: FloatArray, t: FloatArray, *, r: FloatArray, alpha: FloatArray
) -> FloatArray:
    """P(alive at T + t | alive at T): one, for the NBD has no dropout."""
    return np.ones(np.broadcast_shapes(*map(np.shape, (x, T, t, r, alpha))))


def bend(x: FloatArray, T: FloatArray, *, r: FloatArray, alpha: FloatArray) -> FloatArray:
    """Time on which the curve of expected purchases bends: the mean time to the next one."""
    return (alpha + T) / np.maximum(1.0, r + x)


def purchases_if_alive(
    x: FloatArray, T: FloatArray, t: FloatArray, *, r: FloatArray, alpha: FloatArray
) -> FloatArray:
    """E[Y(t) | x, T] = t (r + x) / (alpha + T)."""
    return t * (r + x) / (alpha + T)


def pmf_if_alive(
    n: FloatArray, x: FloatArray, T: FloatArray, t: FloatArray, *, r: FloatArray, alpha: FloatArray
) -> FloatArray:
    """P(Y(t) = n | x, T): negative binomial with the posterior gamma."""
    return np.exp(nb_logpmf(n, r + x, t / (alpha + T)))


def simulate(
    x: FloatArray,
    T: FloatArray,
    t: FloatArray,
    rng: np.random.Generator,
    *,
    r: FloatArray,
    alpha: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Purchases in (T, T+t] of customers alive at T, and the time of the last one after T.

    New customers are those with x = T = 0; the time is 0 where there is no purchase.
    """
    size = np.broadcast_shapes(*map(np.shape, (x, T, t, r, alpha)))
    rate = rng.gamma(r + x, size=size) / (alpha + T)
    count = rng.poisson(rate * t, size=size).astype(np.float64)
    return count, last_of_uniforms(count, count, t, rng)


def last_of_uniforms(
    kept: FloatArray, count: FloatArray, t: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Time of the `kept`-th of `count` purchases, uniform over (0, t]; 0 if none is kept."""
    some = kept > 0
    share = rng.beta(np.where(some, kept, 1.0), np.where(some, count - kept + 1, 1.0))
    return np.where(some, share * t, 0.0)

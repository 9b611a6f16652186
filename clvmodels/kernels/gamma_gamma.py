"""Gamma-Gamma spend (Colombo and Jiang 1999; Fader, Hardie and Lee 2005b).

Single purchases of a customer are Gamma(p, nu), and nu ~ Gamma(q, v) over customers (v is the
papers' gamma, a scale in money). `x` counts the purchases behind the mean value `m`. With
s = x m their total, s / (v + s) is Beta(p x, q): that is all the density there is.
"""

import numpy as np
from scipy import special as sp

from clvmodels._typing import FloatArray
from clvmodels.kernels.special import log_beta_drop, log_beta_peak

__all__ = [
    "expected_spend",
    "loglik",
    "nll_grad_hess",
    "population_mean",
    "row_derivatives",
    "simulate",
    "simulate_further",
]

_LARGE = 10.0  # from here on the asymptotic series of di- and trigamma are exact to 1e-13
_SMALLEST = float(np.finfo(np.float64).tiny)  # gamma variables of small shape are 0 below it


def loglik(
    x: FloatArray, m: FloatArray, *, p: FloatArray, q: FloatArray, v: FloatArray
) -> FloatArray:
    """Log density of a mean of x purchases (the average form), per customer with x > 0."""
    return log_beta_peak(p * x, q) + log_beta_drop(p * x, q, x * m / v) - np.log(m)


def nll_grad_hess(
    theta: FloatArray, x: FloatArray, m: FloatArray, weight: FloatArray
) -> tuple[float, FloatArray, FloatArray]:
    """Negative log-likelihood at theta = (p, q, v), its gradient and its exact Hessian."""
    p, q, v = theta
    # gamma functions once per number of purchases, not once per customer
    count = np.bincount(x.astype(np.int64), weights=weight)
    k = np.flatnonzero(count).astype(np.float64)
    n = count[count > 0]
    shape, sum_v = p * x + q, v + x * m
    log_share, log_growth = -np.log1p(v / (x * m)), np.log1p(x * m / v)
    wx = weight * x
    f = n @ log_beta_peak(p * k, q) + weight @ (log_beta_drop(p * x, q, x * m / v) - np.log(m))
    both, own = sp.digamma(p * k + q), sp.digamma(p * k)
    both_1, own_1 = sp.polygamma(1, p * k + q), sp.polygamma(1, p * k)
    grad = np.array(
        [
            (n * k) @ (both - own) + wx @ log_share,
            n @ (both - sp.digamma(q)) - weight @ log_growth,
            weight @ (q / v - shape / sum_v),
        ]
    )
    pq = (n * k) @ both_1
    pv = -(wx @ (1 / sum_v))
    qv = weight @ (1 / v - 1 / sum_v)
    hess = np.array(
        [
            [(n * k**2) @ (both_1 - own_1), pq, pv],
            [pq, n @ (both_1 - sp.polygamma(1, q)), qv],
            [pv, qv, weight @ (shape / sum_v**2 - q / v**2)],
        ]
    )
    return -float(f), -grad, -hess


def row_derivatives(
    x: FloatArray, m: FloatArray, *, p: FloatArray, q: FloatArray, v: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Log-likelihood of each row, its gradient and its Hessian in the logs of (p, q, v).

    Of shapes (rows,), (rows, 3) and (rows, 3, 3), exact; each parameter is one number for all rows
    or one per row. The density is that of a Beta(A, q) share, A = p x: what grows with A and q in
    its derivatives is taken together, so that nothing of that size cancels.
    """
    ll = loglik(x, m, p=p, q=q, v=v)
    A = p * x
    total = A + q
    share, rest = 1 / (1 + v / (x * m)), 1 / (1 + x * m / v)  # they add up to one
    excess = q * share - A * rest
    psi_A, psi_1_A = _psi_remainders(A)
    psi_q, psi_1_q = _psi_remainders(q)
    psi, psi_1 = _psi_remainders(total)
    gradient = np.empty((3, *ll.shape))
    gradient[0] = A * (_log_ratio(excess, A, total * share) + psi - psi_A)
    gradient[1] = q * (_log_ratio(-excess, q, total * rest) + psi - psi_q)
    gradient[2] = excess
    hessian = np.empty((3, 3, *ll.shape))
    both = A / total * q
    hessian[0, 0] = gradient[0] - both + A**2 * (psi_1 - psi_1_A)
    hessian[1, 1] = gradient[1] - both + q**2 * (psi_1 - psi_1_q)
    hessian[2, 2] = -total * share * rest
    hessian[0, 1] = hessian[1, 0] = both + A * q * psi_1
    hessian[0, 2] = hessian[2, 0] = -A * rest
    hessian[1, 2] = hessian[2, 1] = q * share
    return ll, gradient.T, np.moveaxis(hessian, -1, 0)


def _log_ratio(change: FloatArray, base: FloatArray, sum_: FloatArray) -> FloatArray:
    """Log of (base + change) / base, where `sum_` is base + change."""
    y = change / base
    near = np.abs(y) < 0.5
    return np.where(near, np.log1p(np.where(near, y, 0.0)), np.log(sum_ / base))


def _psi_remainders(z: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Digamma less log z, and trigamma less 1 / z."""
    large, small = np.maximum(z, _LARGE), np.minimum(z, _LARGE)
    w = 1 / large**2
    series = -0.5 / large - w * (1 / 12 - w * (1 / 120 - w * (1 / 252 - w * (1 / 240 - w / 132))))
    series_1 = 0.5 * w + w / large * (
        1 / 6 - w * (1 / 30 - w * (1 / 42 - w * (1 / 30 - w * 5 / 66)))
    )
    near = z < _LARGE
    return (
        np.where(near, sp.digamma(small) - np.log(small), series),
        np.where(near, sp.polygamma(1, small) - 1 / small, series_1),
    )


def population_mean(*, p: FloatArray, q: FloatArray, v: FloatArray) -> FloatArray:
    """Mean spend p v / (q - 1) over the population; inf where q <= 1, for it does not exist."""
    p, q, v = np.broadcast_arrays(p, q, v)
    mean = np.full(q.shape, np.inf)
    np.divide(p * v, q - 1, out=mean, where=q > 1)
    return mean


def expected_spend(
    x: FloatArray, m: FloatArray, *, p: FloatArray, q: FloatArray, v: FloatArray
) -> FloatArray:
    """E(Z | m, x) = p (v + x m) / (p x + q - 1), eq. 5 of Fader, Hardie and Lee (2005b).

    The population mean where x = 0; inf where p x + q <= 1.
    """
    x, m, p, q, v = np.broadcast_arrays(x, np.where(x > 0, m, 0.0), p, q, v)
    shape = p * x + q
    mean = np.full(q.shape, np.inf)
    np.divide(p * (v + x * m), shape - 1, out=mean, where=shape > 1)
    return mean


def simulate(
    x: FloatArray, rng: np.random.Generator, *, p: FloatArray, q: FloatArray, v: FloatArray
) -> FloatArray:
    """Mean values of x purchases of new customers; NaN where x = 0."""
    size = np.broadcast_shapes(*map(np.shape, (x, p, q, v)))
    nu = np.maximum(rng.gamma(q, size=size), _SMALLEST)  # times v
    some = np.where(x > 0, x, 1.0)
    with np.errstate(over="ignore"):
        mean = rng.gamma(p * some, size=size) / nu * (v / some)
    return np.where(x > 0, mean, np.nan)


def simulate_further(
    n: FloatArray,
    x: FloatArray,
    m: FloatArray,
    rng: np.random.Generator,
    *,
    p: FloatArray,
    q: FloatArray,
    v: FloatArray,
) -> FloatArray:
    """Mean values of n more purchases of customers with x of mean m; NaN where n = 0.

    Given x and m, nu is Gamma(p x + q, v + x m): theirs are those of new customers with these for
    q and v. Where x = 0, of the population.
    """
    total = x * np.where(x > 0, m, 0.0)
    return simulate(n, rng, p=p, q=p * x + q, v=v + total)

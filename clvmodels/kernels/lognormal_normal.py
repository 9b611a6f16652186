"""Lognormal-normal spend: logs of purchases normal, their level normal over customers.

The log of a single purchase is Normal(mu, sigma^2) for a customer, and mu ~ Normal(log median,
tau^2) over customers. `x` counts the purchases behind the mean value `m`, and
log m = mu + log W, where W is the mean of x lognormals exp(sigma Z). A sum of lognormals has no
density in closed form (but for x = 1, where log W is normal). Here log W is taken as normal with
its true mean and variance, so that means and variances of log m are those of the model for every
x, and only skewness is neglected: a normal pseudo-likelihood, whose maximum is consistent
(Gourieroux, Monfort and Trognon 1984).
"""

import numpy as np
from scipy import special as sp

from clvmodels._typing import FloatArray, IntArray

__all__ = [
    "expected_spend",
    "group",
    "log_moments",
    "loglik",
    "nll_grad_hess",
    "population_mean",
    "row_derivatives",
    "simulate",
    "simulate_further",
]

_SERIES_BELOW = 0.03  # sigma up to which three terms of a power series are exact to 1e-9
_SMOOTH_ABOVE = 1.0  # sigma from which the normal is the wide part of normal + Gumbel
_STEP = 0.25  # of trapezoids over Gumbel densities: their error, e^(-pi^2 / step), is 1e-17
_FAR_DOWN, _FAR_UP = 4.0, 40.0  # all but 1e-17 of a Gumbel variable lies between
_FAR_NORMAL = 9.5  # and this far from 0 of a normal one
_LOWEST = 1e-300
_LOG_TAU = np.log(2 * np.pi)
_BLOCK = 2_000  # purchase counts at once, a few hundred nodes each


def loglik(
    x: FloatArray, m: FloatArray, *, median: FloatArray, sigma: FloatArray, tau: FloatArray
) -> FloatArray:
    """Log density of a mean of x purchases, per customer with x > 0."""
    mean, variance = _moments_by_draw(x, sigma)
    log_m, total = np.log(m), tau**2 + variance
    off = log_m - np.log(median) - mean
    out: FloatArray = -0.5 * (_LOG_TAU + np.log(total) + off**2 / total) - log_m
    return out


def group(
    x: FloatArray, m: FloatArray, weight: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """What the likelihood needs of the data, for each number of purchases.

    These numbers; customers, mean of log m and sum of squares about it for each.
    """
    k, which = np.unique(x, return_inverse=True)
    log_m = np.log(m)
    n = _sums(which, weight)
    level = _sums(which, weight * log_m) / n
    return k, n, level, _sums(which, weight * (log_m - level[which]) ** 2)


def _sums(which: IntArray, values: FloatArray) -> FloatArray:
    return np.bincount(which, weights=values).astype(np.float64)


def nll_grad_hess(
    theta: FloatArray, k: FloatArray, n: FloatArray, level: FloatArray, squares: FloatArray
) -> tuple[float, FloatArray, FloatArray]:
    """Negative log-likelihood at theta = (median, sigma, tau), its gradient and exact Hessian.

    `k`, `n`, `level` and `squares` are what `group` makes of the data.
    """
    median, sigma, tau = theta
    terms = _derivatives(n, level - np.log(median), squares, log_moments(k, sigma), tau)
    f, gradient, hessian = (term.sum(axis=0) for term in terms)
    # from the logs of the parameters to the parameters
    return (
        float(n @ level - f),
        -gradient / theta,
        (np.diag(gradient) - hessian) / np.outer(theta, theta),
    )


def row_derivatives(
    x: FloatArray, m: FloatArray, *, median: FloatArray, sigma: FloatArray, tau: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Log-likelihood per row, its gradient and Hessian in the logs of median, sigma and tau.

    Shapes (rows,), (rows, 3) and (rows, 3, 3); parameters are scalars or of shape (rows,).
    """
    rows = np.shape(x)
    sigma, which_sigma = np.unique(np.broadcast_to(sigma, rows), return_inverse=True)
    k, which_k = np.unique(x, return_inverse=True)
    moments = np.stack([log_moments(k, s) for s in sigma])[which_sigma, :, :, which_k]
    log_m = np.log(m)
    ones, tau = np.ones(rows), np.broadcast_to(tau, rows)
    f, gradient, hessian = _derivatives(
        ones, log_m - np.log(median), 0 * ones, np.moveaxis(moments, 0, -1), tau
    )
    return f - log_m, gradient, hessian


def _derivatives(
    n: FloatArray, level: FloatArray, squares: FloatArray, moments: FloatArray, tau: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Log density of the logs in each group, with its derivatives in the logs of the parameters.

    A group has n values with mean `level` (less the log median) and sum of squares `squares` about
    it; they are normal with the mean and variance in `moments`, and tau^2 on top.
    """
    (mean, mean_1, mean_2), (variance, variance_1, variance_2) = moments
    between = tau**2
    total, off = between + variance, level - mean
    scatter = (squares + n * off**2) / total
    f = -0.5 * (n * (_LOG_TAU + np.log(total)) + scatter)
    # in the offset and in the log of the total variance
    f_o, f_oo, f_ov = -n * off / total, -n / total, n * off / total
    f_v, f_vv = 0.5 * (scatter - n), -0.5 * scatter
    zero, one = np.zeros_like(total), np.ones_like(total)
    o = np.stack([-one, -mean_1, zero], axis=-1)
    v = np.stack([zero, variance_1 / total, 2 * between / total], axis=-1)
    gradient = f_o[:, None] * o + f_v[:, None] * v
    oo, ov, vv = (a[:, :, None] * b[:, None, :] for a, b in ((o, o), (o, v), (v, v)))
    hessian = (
        f_oo[:, None, None] * oo
        + f_ov[:, None, None] * (ov + np.swapaxes(ov, 1, 2))
        + (f_vv - f_v)[:, None, None] * vv
    )
    hessian[:, 1, 1] += f_v * variance_2 / total - f_o * mean_2
    hessian[:, 2, 2] += f_v * 4 * between / total
    return f, gradient, hessian


def population_mean(*, median: FloatArray, sigma: FloatArray, tau: FloatArray) -> FloatArray:
    """Mean spend over the population, median exp((sigma^2 + tau^2) / 2); inf beyond floats."""
    with np.errstate(over="ignore"):
        return np.asarray(median * np.exp((sigma**2 + tau**2) / 2))


def expected_spend(
    x: FloatArray, m: FloatArray, *, median: FloatArray, sigma: FloatArray, tau: FloatArray
) -> FloatArray:
    """E(Z | m, x) where log W is normal; the population mean where x = 0 or m = 0.

    The posterior of mu is normal, with weight tau^2 / (tau^2 + Var log W) on log m - E log W.
    """
    shift, unknown = _level(x, m, median, sigma, tau)
    with np.errstate(over="ignore"):
        return np.asarray(median * np.exp(shift + (unknown + sigma**2) / 2))


def _level(
    x: FloatArray, m: FloatArray, median: FloatArray, sigma: FloatArray, tau: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Mean (less log median) and variance of mu, which is normal given x and m."""
    known = (x > 0) & (m > 0)
    mean, variance = _moments_by_draw(np.where(known, x, 1.0), sigma)
    own = np.where(known, tau**2 / (tau**2 + variance), 0.0)
    off = np.log(np.where(known, m, 1.0)) - mean - np.log(median)
    return own * off, np.where(known, own * variance, tau**2)


def simulate(
    x: FloatArray,
    rng: np.random.Generator,
    *,
    median: FloatArray,
    sigma: FloatArray,
    tau: FloatArray,
) -> FloatArray:
    """Mean values of x purchases of new customers; NaN where x = 0."""
    x, median, sigma, tau = np.broadcast_arrays(x, median, sigma, tau)
    count = x.ravel().astype(np.int64)
    customer = np.repeat(np.arange(count.size), count)
    each, level = rng.standard_normal(customer.size), rng.standard_normal(x.shape)
    with np.errstate(over="ignore"):
        values = np.exp(
            (np.log(median) + tau * level).ravel()[customer] + sigma.ravel()[customer] * each
        )
    total = np.bincount(customer, weights=values, minlength=count.size).reshape(x.shape)
    return np.where(x > 0, total / np.where(x > 0, x, 1.0), np.nan)


def simulate_further(
    n: FloatArray,
    x: FloatArray,
    m: FloatArray,
    rng: np.random.Generator,
    *,
    median: FloatArray,
    sigma: FloatArray,
    tau: FloatArray,
) -> FloatArray:
    """Mean values of n more purchases of customers with x of mean m; NaN where n = 0.

    mu is drawn from the posterior that `expected_spend` takes, then each purchase given mu. Where
    x = 0 or m = 0, of the population.
    """
    shift, unknown = _level(x, m, median, sigma, tau)
    n, shift, unknown, median, sigma = np.broadcast_arrays(n, shift, unknown, median, sigma)
    mu = np.log(median) + shift + np.sqrt(unknown) * rng.standard_normal(n.shape)
    count, mu, sigma = n.ravel(), mu.ravel(), sigma.ravel()
    total, made = np.zeros(count.shape), 0
    going = np.flatnonzero(count > 0)
    with np.errstate(over="ignore"):
        while len(going):  # one purchase of each at a time: all at once may be too many
            total[going] += np.exp(mu[going] + sigma[going] * rng.standard_normal(len(going)))
            made += 1
            going = going[count[going] > made]
    return np.where(n > 0, total.reshape(n.shape) / np.where(n > 0, n, 1.0), np.nan)


def log_moments(x: FloatArray, sigma: float) -> FloatArray:
    """Mean and variance of the log of a mean of x lognormals exp(sigma Z), for each x.

    Shape (2, 3, len(x)): each with its first and second derivative in log sigma.
    """
    if sigma < _SERIES_BELOW:
        return _series(x, sigma)
    v, *law = _normal_plus_gumbel(sigma, float(x.max()))
    blocks = (x[i : i + _BLOCK] for i in range(0, len(x), _BLOCK))
    return np.concatenate([_of_maximum(block, sigma, v, *law) for block in blocks], axis=-1)


def _moments_by_draw(x: FloatArray, sigma: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and variance of log W, broadcast over x and sigma."""
    k, which_k = np.unique(x, return_inverse=True)
    s, which_s = np.unique(sigma, return_inverse=True)
    table = np.stack([log_moments(k, float(one))[:, 0] for one in s])
    which_s, which_k = which_s.reshape(np.shape(sigma)), which_k.reshape(np.shape(x))
    return table[which_s, 0, which_k], table[which_s, 1, which_k]


def _series(x: FloatArray, sigma: float) -> FloatArray:
    """Moments of log W up to sigma^6, from those of the cumulants of a normal sample of size x."""
    rest = (x - 1) / x
    mean = np.stack([rest / 2, -rest / (4 * x), rest * (6 - x) / (12 * x**2)])
    variance = np.stack([1 / x, rest / (2 * x), rest * (x - 8) / (6 * x**2)])
    power = np.array([2.0, 4.0, 6.0])
    each = sigma**power * power ** np.arange(3)[:, None]  # and derivatives in log sigma
    return np.stack([each @ mean, each @ variance])


def _of_maximum(
    x: FloatArray,
    sigma: float,
    v: FloatArray,
    log_cdf: FloatArray,
    density: FloatArray,
    cdf_1: FloatArray,
    cdf_2: FloatArray,
) -> FloatArray:
    """Moments of log W from those of the maximum of x values of sigma Z + G, G Gumbel.

    With S the sum of the lognormals, log S + G and that maximum have the same distribution:
    P(log S + G <= v) = E exp(-S e^-v) = P(sigma Z + G <= v)^x. So its moments are those of log S
    and of G added up.
    """
    h = v[1] - v[0]
    x = x[:, None]
    power = x * np.exp((x - 1) * log_cdf)
    all_but_one = power * density * h
    all_1 = power * cdf_1 * h
    all_2 = power * (cdf_2 + (x - 1) * cdf_1**2 * np.exp(-log_cdf)) * h
    top = all_but_one @ v
    off = v - top[:, None]
    top_1, top_2 = -all_1.sum(axis=1), -all_2.sum(axis=1)
    x = x[:, 0]
    return np.array(
        [
            [top - np.euler_gamma - np.log(x), top_1, top_2],
            [
                (all_but_one * off**2).sum(axis=1) - np.pi**2 / 6,
                -2 * (all_1 * off).sum(axis=1),
                -2 * (all_2 * off).sum(axis=1) - 2 * top_1**2,
            ],
        ]
    )


def _normal_plus_gumbel(sigma: float, most: float) -> tuple[FloatArray, ...]:
    """Nodes, and what `_of_maximum` needs of the distribution of sigma Z + G there.

    Log distribution function, density, and the first and second derivative of the distribution
    function in log sigma; the nodes are wide enough for the maximum of `most` such values.
    """
    # a maximum of many normals is about sigma / 5 wide
    step = _STEP * np.hypot(1.0, sigma / 5)
    far_up = _FAR_UP + np.log(most)
    high = far_up + (_FAR_NORMAL + 1) * sigma
    v = np.arange(-_FAR_DOWN - _FAR_NORMAL * sigma, high + step, step)
    if sigma < _SMOOTH_ABOVE:  # over the normal variable: Gumbel functions are the wide ones
        z = np.arange(-_FAR_NORMAL, _FAR_NORMAL + _STEP, _STEP)
        weight = np.exp(-(z**2) / 2) * _STEP / np.sqrt(2 * np.pi)
        e = np.exp(sigma * z[:, None] - v)
        kept = np.exp(-e)
        drop = e * kept
        cdf, rest, density = weight @ kept, weight @ -np.expm1(-e), weight @ drop
        first = weight * sigma * z
        cdf_1 = -(first @ drop)
        cdf_2 = cdf_1 + (first * sigma * z) @ (drop * (e - 1))
    else:  # over the Gumbel variable
        g = np.arange(-_FAR_DOWN, far_up, _STEP)
        weight = np.exp(-g - np.exp(-g)) * _STEP
        y = (v - g[:, None]) / sigma
        bell = np.exp(-(y**2) / 2) / np.sqrt(2 * np.pi)
        cdf, rest, density = weight @ sp.ndtr(y), weight @ sp.ndtr(-y), weight @ bell / sigma
        cdf_1 = -(weight @ (y * bell))
        cdf_2 = weight @ (y * (1 - y**2) * bell)
    small = np.minimum(rest, 0.5)
    log_cdf = np.where(rest < 0.5, np.log1p(-small), np.log(np.maximum(cdf, _LOWEST)))
    return v, log_cdf, density, cdf_1, cdf_2

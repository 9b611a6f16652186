"""Lognormal-normal spend in mpmath, from the definition of the model.

The log of a purchase is Normal(mu, sigma^2) and mu is Normal(log median, tau^2) over customers. W
is the mean of x lognormals exp(sigma Z), with Laplace transform L(t)^x of their sum.
"""

from functools import lru_cache

import mpmath as mp

DIGITS = 30
_FAR = 70  # from here on transforms to the power of 1e5 are 1 to 1e-25
_STEP = mp.mpf("0.16")  # trapezoids of such functions are then exact to e^(-pi^2 / step) = 1e-27


@lru_cache
@mp.workdps(DIGITS)
def _transform(sigma):
    """Nodes v and the transform L(e^-v) of one lognormal there."""
    sigma = mp.mpf(sigma)
    step = min(mp.mpf("0.5"), _STEP / sigma)
    nodes = [step * k for k in range(-int(12 / step), int(12 / step) + 1)]
    weights = [step * mp.npdf(z) for z in nodes]
    amounts = [mp.exp(sigma * z) for z in nodes]
    low, high = -5 - 12 * sigma, _FAR + 13 * sigma
    v = [low + _STEP * k for k in range(int((high - low) / _STEP) + 2)]
    rates = [mp.exp(-u) for u in v]
    return v, [mp.fdot(weights, (mp.exp(-a * t) for a in amounts)) for t in rates]


@lru_cache
@mp.workdps(DIGITS)
def log_moments(x, sigma):
    """Mean and variance of log W.

    Frullani's integral, log s = int (e^-t - e^-ts) / t dt, and the same with 2 log(1/t) for
    log^2 s + 2 gamma log s; under the expectation e^-ts becomes L(t)^x, and t = e^-v.
    """
    v, transform = _transform(sigma)
    gap = [mp.exp(-mp.exp(-u)) - value**x for u, value in zip(v, transform, strict=True)]
    mean = _STEP * mp.fsum(gap)
    square = _STEP * mp.fsum(2 * u * g for u, g in zip(v, gap, strict=True)) - 2 * mp.euler * mean
    return mean - mp.log(x), square - mean**2


@mp.workdps(DIGITS)
def log_moments_of_two(sigma):
    """The same for x = 2: log W = sigma (Z1 + Z2) / 2 + log cosh(sigma (Z1 - Z2) / 2)."""
    sigma = mp.mpf(sigma)

    def expectation(power):
        def term(u):
            return mp.log(mp.cosh(sigma * u / mp.sqrt(2))) ** power * 2 * mp.npdf(u)

        return mp.quad(term, [0, 1, 3, 6, 12])

    mean = expectation(1)
    return mean, sigma**2 / 2 + expectation(2) - mean**2


@mp.workdps(DIGITS)
def loglik(x, m, median, sigma, tau):
    """Log density of m where log W is normal with its true mean and variance."""
    m, median, tau = mp.mpf(m), mp.mpf(median), mp.mpf(tau)
    mean, variance = log_moments(x, sigma)
    return mp.log(mp.npdf(mp.log(m / median), mean, mp.sqrt(tau**2 + variance)) / m)


@mp.workdps(DIGITS)
def expected_spend(x, m, median, sigma, tau):
    """E(Z | m, x) by integrating over mu: the prior times the density of log m given mu."""
    m, median, tau = mp.mpf(m), mp.mpf(median), mp.mpf(tau)
    mean, variance = log_moments(x, sigma)
    between, within = tau**2, mp.sqrt(variance)
    centre = (mp.log(median) * variance + (mp.log(m) - mean) * between) / (between + variance)
    width = mp.sqrt(between * variance / (between + variance))

    def density(mu):
        return mp.npdf(mu, mp.log(median), tau) * mp.npdf(mp.log(m) - mean, mu, within)

    peak = density(centre)  # quadrature stops on absolute errors

    def posterior(mu):
        return density(mu) / peak

    cuts = [centre + k * width for k in range(-14, 15, 2)]
    spend = mp.quad(lambda mu: mp.exp(mu + mp.mpf(sigma) ** 2 / 2) * posterior(mu), cuts)
    return spend / mp.quad(posterior, cuts)

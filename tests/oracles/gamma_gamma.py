"""Gamma-Gamma spend in mpmath, from Fader, Hardie and Lee (2005b) and Hardie's note 025."""

import mpmath as mp

DIGITS = 50


def _mpf(*values):
    return (mp.mpf(v) for v in values)


@mp.workdps(DIGITS)
def loglik(x, m, p, q, v):
    """Log density of the mean m of x purchases (average form)."""
    x, m, p, q, v = _mpf(x, m, p, q, v)
    log_gammas = mp.loggamma(p * x + q) - mp.loggamma(p * x) - mp.loggamma(q)
    money = q * mp.log(v) + (p * x - 1) * mp.log(m) + p * x * mp.log(x)
    return log_gammas + money - (p * x + q) * mp.log(v + x * m)


@mp.workdps(30)
def density_by_mixing(x, m, p, q, v):
    """The same, from its definition: the mean is Gamma(p x, nu x) given nu, nu is Gamma(q, v)."""
    x, m, p, q, v = _mpf(x, m, p, q, v)
    total = mp.mpf(x) * m

    def term(nu):
        given_nu = (nu * x) ** (p * x) * m ** (p * x - 1) * mp.exp(-nu * total) / mp.gamma(p * x)
        return given_nu * v**q * nu ** (q - 1) * mp.exp(-v * nu) / mp.gamma(q)

    peak = (p * x + q) / (v + total)
    return mp.quad(term, [0, peak / 2, peak, 2 * peak, 4 * peak, 10 * peak, mp.inf])


@mp.workdps(30)
def expected_spend_by_mixing(x, m, p, q, v):
    """E(Z | m, x): the mean of p / nu over nu's posterior density."""
    x, m, p, q, v = _mpf(x, m, p, q, v)
    shape, rate = p * x + q, v + x * m

    def term(nu):
        return p / nu * rate**shape * nu ** (shape - 1) * mp.exp(-rate * nu) / mp.gamma(shape)

    peak = shape / rate
    return mp.quad(term, [0, peak / 2, peak, 2 * peak, 4 * peak, 10 * peak, mp.inf])


@mp.workdps(DIGITS)
def expected_spend(x, m, p, q, v):
    """Eq. 5 of Fader, Hardie and Lee (2005b)."""
    x, m, p, q, v = _mpf(x, m, p, q, v)
    if x == 0:
        return p * v / (q - 1)
    return p * (v + x * m) / (p * x + q - 1)

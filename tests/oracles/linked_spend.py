"""Purchases and spend that go together, in mpmath: from the story of one customer, mixed over it.

Given the rate, purchases are those of the NBD (a and b None), the BG/NBD (d = 0) or the MBG/NBD
(d = 1), and spend is Gamma-Gamma (Fader, Hardie and Lee 2005b) with the scale
v (lambda alpha / r)^g.
"""

import mpmath as mp
from oracles import gamma_gamma

DIGITS = 50
_FAR = 70  # logs below the largest value at which an integral over log lambda ends
_PIECES = 6  # on either side of the largest value


def _mpf(*values):
    return (mp.mpf(v) for v in values)


def _over_rates(term, shape, age):
    """Integral over lambda of lambda^(shape - 1) e^(-lambda age) term(lambda)."""
    centre = mp.log(shape / age)

    def log_of(y):
        return shape * y - age * mp.exp(y) + mp.log(term(mp.exp(y)))

    # the largest value, which is the only peak, by thirds
    low, high = centre - 60, centre + 20
    while high - low > mp.mpf("1e-3"):
        third = (high - low) / 3
        if log_of(low + third) < log_of(high - third):
            low += third
        else:
            high -= third
    peak = (low + high) / 2
    top, ends = log_of(peak), []
    for side in (-1, 1):
        step = mp.mpf(1) / 64
        while log_of(peak + side * step) > top - _FAR:
            step *= mp.mpf("1.25")
        ends.append(peak + side * step)
    knots = [*mp.linspace(ends[0], peak, _PIECES), *mp.linspace(peak, ends[1], _PIECES)[1:]]
    return mp.quad(lambda y: mp.exp(log_of(y) - top), knots, method="gauss-legendre") * mp.exp(top)


def _dropout(x, a, b, d):
    """Weights of staying through all purchases, and of leaving after the last."""
    if a is None:
        return mp.mpf(1), mp.mpf(0)
    a, b, x = _mpf(a, b, x)
    stay = mp.beta(a, b + x + d) / mp.beta(a, b)
    left = mp.beta(a + 1, b + x + d - 1) / mp.beta(a, b) if x + d > 0 else mp.mpf(0)
    return stay, left


def _spend(n, m, r, alpha, p, q, v, g):
    """Density of a mean value m of n purchases at a rate; one where nothing was bought."""

    known = mp.exp(gamma_gamma.loglik(n, m, p, q, v)) if n else mp.mpf(1)
    if n:  # all but the factor in which the scale is
        known *= mp.exp((p * n + q) * mp.log(v + n * mp.mpf(m)) - q * mp.log(v))

    def density(rate):
        if n == 0:
            return mp.mpf(1)
        scale = v * (rate * alpha / r) ** g
        return known * mp.exp(q * mp.log(scale) - (p * n + q) * mp.log(scale + n * mp.mpf(m)))

    return density


@mp.workdps(20)
def likelihood(x, t_x, T, n, m, r, alpha, p, q, v, multiplier, a=None, b=None, d=0):
    """Both branches, each integrated over lambda numerically."""
    x, t_x, T, r, alpha, p, q, v, g = _mpf(x, t_x, T, r, alpha, p, q, v, mp.log(multiplier))
    stay, left = _dropout(x, a, b, d)
    density = _spend(n, m, r, alpha, p, q, v, g)
    value = stay * _over_rates(density, r + x, alpha + T)
    if left > 0:
        value += left * _over_rates(density, r + x, alpha + t_x)
    return alpha**r / mp.gamma(r) * value


@mp.workdps(20)
def loglik(*row, **params):
    """Log of the likelihood."""
    return mp.log(likelihood(*row, **params))


@mp.workdps(20)
def predictions(x, t_x, T, n, m, delta, end, r, alpha, p, q, v, multiplier, a=None, b=None, d=0):
    """P(alive), purchases until `end` if alive, and what they are worth if alive.

    Undiscounted for a finite end, discounted at the force delta for ever; the mean over dropout is
    then a hypergeometric function.
    """
    x, t_x, T, r, alpha, p, q, v, g = _mpf(x, t_x, T, r, alpha, p, q, v, mp.log(multiplier))
    stay, left = _dropout(x, a, b, d)
    density = _spend(n, m, r, alpha, p, q, v, g)
    alive = _over_rates(density, r + x, alpha + T)
    gone = _over_rates(density, r + x, alpha + t_x) if left > 0 else mp.mpf(0)

    def purchases(rate):
        length = 1 / mp.mpf(delta) if end == mp.inf else mp.mpf(end)
        if a is None:
            return rate * length
        lost, kept = mp.mpf(a), mp.mpf(b) + x + d
        if end == mp.inf:
            return rate * length * mp.hyp2f1(1, lost, lost + kept, -rate * length)
        return rate * length * mp.hyp2f2(lost, 1, lost + kept, 2, -rate * length)

    def worth(rate):
        scale = v * (rate * alpha / r) ** g
        return p * (scale + (n * mp.mpf(m) if n else 0)) / (p * n + q - 1)

    made = _over_rates(lambda rate: density(rate) * purchases(rate), r + x, alpha + T)
    money = _over_rates(
        lambda rate: density(rate) * purchases(rate) * worth(rate), r + x, alpha + T
    )
    return stay * alive / (stay * alive + left * gone), made / alive, money / alive

"""NBD (Ehrenberg 1959) in mpmath, from Poisson purchases at gamma rates."""

import mpmath as mp

DIGITS = 50


def _mpf(*values):
    return (mp.mpf(v) for v in values)


@mp.workdps(DIGITS)
def loglik(x, t_x, T, r, alpha):
    """Log of lambda^x e^(-lambda T), mixed over Gamma(r, alpha); t_x drops out."""
    x, T, r, alpha = _mpf(x, T, r, alpha)
    return mp.log(mp.gammaprod([r + x], [r])) + r * mp.log(alpha) - (r + x) * mp.log(alpha + T)


@mp.workdps(30)
def likelihood_by_mixing(x, t_x, T, r, alpha):
    """The same, integrated over lambda numerically."""
    x, T, r, alpha = _mpf(x, T, r, alpha)

    def term(rate):
        density = alpha**r * rate ** (r - 1) * mp.exp(-alpha * rate) / mp.gamma(r)
        return density * rate**x * mp.exp(-rate * T)

    return mp.quad(term, [0, mp.mpf("0.01"), mp.mpf("0.1"), 1, 10, mp.inf])


@mp.workdps(DIGITS)
def purchases_if_alive(x, T, t, r, alpha):
    """E[Y(t) | x, T]."""
    x, T, t, r, alpha = _mpf(x, T, t, r, alpha)
    return t * (r + x) / (alpha + T)


@mp.workdps(DIGITS)
def pmf(n, t, r, alpha):
    """P(X(t) = n)."""
    n, t, r, alpha = _mpf(n, t, r, alpha)
    idle, busy = (alpha / (alpha + t)) ** r, t / (alpha + t)
    return mp.rf(r, n) / mp.factorial(n) * idle * busy**n

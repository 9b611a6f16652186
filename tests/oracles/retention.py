"""Retention models in mpmath, straight from the papers: slow, and right to many digits.

Fader and Hardie (2007, FH07) for the shifted-beta-geometric, Fader, Hardie, Liu, Davin and
Steenburgh (2018, FHLDS18) for the beta-discrete-Weibull, Fader and Hardie (2015, FH15) for
discounted lifetimes. With c = 1 every function is that of the shifted-beta-geometric.
"""

import mpmath as mp

DIGITS = 70  # S(t-1) and S(t) may agree in thirty of them
_NUDGE = mp.mpf(10) ** -25  # steps off the removable singularities at whole alpha


def _mpf(*values):
    return (mp.mpf(v) for v in values)


@mp.workdps(DIGITS)
def survival(t, alpha, beta, c=1):
    """S(t) = B(alpha, beta + t^c) / B(alpha, beta): FH07 eq. 6, FHLDS18 eq. 6."""
    t, alpha, beta, c = _mpf(t, alpha, beta, c)
    power = t**c if t > 0 else mp.mpf(0)
    return mp.gammaprod([beta + power, alpha + beta], [alpha + beta + power, beta])


@mp.workdps(DIGITS)
def log_kept(t0, t, alpha, beta, c=1):
    """Log of S(t) / S(t0)."""
    return mp.log(survival(t, alpha, beta, c) / survival(t0, alpha, beta, c))


@mp.workdps(30)
def survival_by_mixing(t, alpha, beta, c=1):
    """(1 - theta)^(t^c) integrated over theta ~ Beta(alpha, beta) numerically."""
    t, alpha, beta, c = _mpf(t, alpha, beta, c)

    def term(theta):
        return theta ** (alpha - 1) * (1 - theta) ** (beta - 1 + t**c) / mp.beta(alpha, beta)

    return mp.quad(term, [0, mp.mpf("0.01"), mp.mpf("0.1"), mp.mpf("0.5"), 1])


@mp.workdps(DIGITS)
def loglik(t, churned, alpha, beta, c=1):
    """Log of P(T = t) for those who left, of S(t) for those who are still there."""
    if churned:
        return mp.log(survival(t - 1, alpha, beta, c) - survival(t, alpha, beta, c))
    return mp.log(survival(t, alpha, beta, c))


@mp.workdps(DIGITS)
def residual_sbg(n, rate, alpha, beta):
    """FH15 eq. 3.9: discounted payments of a customer about to decide on the n-th renewal."""
    n, rate, alpha, beta = _mpf(n, rate, alpha + _NUDGE, beta)
    f = mp.hyp2f1(1, beta + n, alpha + beta + n, 1 / (1 + rate))
    return (beta + n - 1) / (alpha + beta + n - 1) * f


@mp.workdps(DIGITS)
def lifetime_sbg(rate, alpha, beta):
    """FH15 eq. 3.8: discounted payments of a new customer, the first one at once."""
    rate, alpha, beta = _mpf(rate, alpha + _NUDGE, beta)
    return mp.hyp2f1(1, beta, alpha + beta, 1 / (1 + rate))


@mp.workdps(DIGITS)
def residual_by_summing(n, rate, terms, alpha, beta, c=1):
    """Sum over t >= n of S(t) / S(n-1) (1 + rate)^(n-t), cut after some terms."""
    v = 1 / (1 + mp.mpf(rate))
    before = survival(n - 1, alpha, beta, c)
    return mp.fsum(survival(n + j, alpha, beta, c) / before * v**j for j in range(terms))

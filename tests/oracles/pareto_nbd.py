"""Pareto/NBD in mpmath, straight from Fader and Hardie (2005), "A Note on Deriving the Pareto/NBD".

Every function takes numbers (floats are exact binary fractions) and returns an ``mpf``.
"""

import mpmath as mp

DIGITS = 60
_NUDGE = mp.mpf(10) ** -25  # steps off the removable singularity at s = 1


def _mpf(*values):
    return (mp.mpf(v) for v in values)


def _a0(x, t_x, T, r, alpha, s, beta):
    """The difference of 2F1 values, both for alpha >= beta and for alpha < beta."""
    n = r + s + x
    second, larger = (s + 1, alpha) if alpha >= beta else (r + x, beta)

    def term(t):
        z = abs(alpha - beta) / (larger + t)
        return mp.hyp2f1(n, second, n + 1, z) / (larger + t) ** n

    return term(t_x) - term(T)


@mp.workdps(DIGITS)
def loglik(x, t_x, T, r, alpha, s, beta):
    """Log of eq. 18."""
    x, t_x, T, r, alpha, s, beta = _mpf(x, t_x, T, r, alpha, s, beta)
    rate = mp.gammaprod([r + x], [r]) * alpha**r * beta**s
    alive = 1 / ((alpha + T) ** (r + x) * (beta + T) ** s)
    return mp.log(rate * (alive + s / (r + s + x) * _a0(x, t_x, T, r, alpha, s, beta)))


@mp.workdps(DIGITS)
def log_odds_gone(x, t_x, T, r, alpha, s, beta):
    """Log of P(gone at T) / P(alive at T)."""
    x, t_x, T, r, alpha, s, beta = _mpf(x, t_x, T, r, alpha, s, beta)
    odds = s / (r + s + x) * (alpha + T) ** (r + x) * (beta + T) ** s
    return mp.log(odds * _a0(x, t_x, T, r, alpha, s, beta))


@mp.workdps(DIGITS)
def prob_alive(x, t_x, T, r, alpha, s, beta):
    """Eq. 36 and its counterpart, with one A0 for both."""
    if t_x == T:
        return mp.mpf(1)
    return 1 / (1 + mp.exp(log_odds_gone(x, t_x, T, r, alpha, s, beta)))


@mp.workdps(DIGITS)
def survival_if_alive(x, T, t, r, alpha, s, beta):
    """P(alive at T + t | alive at T), a ratio of Pareto survival functions."""
    T, t, s, beta = _mpf(T, t, s, beta)
    return ((beta + T) / (beta + T + t)) ** s


@mp.workdps(DIGITS)
def purchases_if_alive(x, T, t, r, alpha, s, beta):
    """Eq. 41 without P(alive); with x = T = 0 that is eq. 27, the expectation of new customers."""
    x, T, t, r, alpha, s, beta = _mpf(x, T, t, r, alpha, s, beta)
    if s == 1:
        s += _NUDGE
    left = ((beta + T) / (beta + T + t)) ** (s - 1)
    return (r + x) * (beta + T) / ((alpha + T) * (s - 1)) * (1 - left)


@mp.workdps(30)
def pmf_if_alive(n, x, T, t, r, alpha, s, beta):
    """P(Y(t) = n | alive at T): a negative binomial up to the end of the window or of the life."""
    n, x, T, t, r, alpha, s, beta = _mpf(n, x, T, t, r, alpha, s, beta)
    shape, alpha, beta = r + x, alpha + T, beta + T

    def count(u):
        idle, busy = (alpha / (alpha + u)) ** shape, u / (alpha + u)
        return mp.rf(shape, n) / mp.factorial(n) * idle * busy**n

    def term(v):
        u = mp.exp(v)
        return s / beta * (beta / (beta + u)) ** (s + 1) * count(u) * u

    top = mp.log(t)
    knots = [
        top - 90,
        *(top - k for k in (50, 30, 20)),
        *(top - mp.mpf(k) / 8 for k in range(88, -1, -1)),
    ]
    return count(t) * (beta / (beta + t)) ** s + mp.quad(term, knots)


@mp.workdps(40)
def residual_if_alive(x, T, delta, r, alpha, s, beta):
    """DERT without P(alive), by Tricomi's U: Fader and Hardie (2015), eq. 3.15."""
    x, T, delta, r, alpha, s, beta = _mpf(x, T, delta, r, alpha, s, beta)
    beta = beta + T
    u = mp.hyperu(s, s, delta * beta)
    return (r + x) / (alpha + T) * beta**s * delta ** (s - 1) * u

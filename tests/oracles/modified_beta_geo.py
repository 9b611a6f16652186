"""MBG/NBD in mpmath, from the formulas of Batislam, Denizel and Filiztekin (2007).

The story of the BG/NBD with one more chance to drop out: right after the first purchase.
"""

import mpmath as mp

DIGITS = 50
_NUDGE = mp.mpf(10) ** -25  # steps off the removable singularity at a = 1


def _mpf(*values):
    return (mp.mpf(v) for v in values)


@mp.workdps(DIGITS)
def likelihood(x, t_x, T, r, alpha, a, b):
    """Likelihood of one history, both integrals in closed form."""
    x, t_x, T, r, alpha, a, b = _mpf(x, t_x, T, r, alpha, a, b)
    rate = mp.gammaprod([r + x], [r]) * alpha**r
    alive = mp.beta(a, b + x + 1) / mp.beta(a, b) / (alpha + T) ** (r + x)
    gone = mp.beta(a + 1, b + x) / mp.beta(a, b) / (alpha + t_x) ** (r + x)
    return rate * (alive + gone)


@mp.workdps(DIGITS)
def loglik(x, t_x, T, r, alpha, a, b):
    """Log of the likelihood."""
    return mp.log(likelihood(x, t_x, T, r, alpha, a, b))


@mp.workdps(30)
def likelihood_by_mixing(x, t_x, T, r, alpha, a, b):
    """Likelihood of one customer's lambda and p, integrated over both numerically.

    Alive: x + 1 times no dropout, no purchase since t_x. Gone: x times none, then one.
    """
    x, t_x, T, r, alpha, a, b = _mpf(x, t_x, T, r, alpha, a, b)

    def over_lambda(age):
        def term(rate):
            density = alpha**r * rate ** (r - 1) * mp.exp(-alpha * rate) / mp.gamma(r)
            return density * rate**x * mp.exp(-rate * age)

        return mp.quad(term, [0, mp.mpf("0.01"), mp.mpf("0.1"), 1, 10, mp.inf])

    def over_p(stay, leave):
        def term(p):
            density = p ** (a - 1) * (1 - p) ** (b - 1) / mp.beta(a, b)
            return density * p**leave * (1 - p) ** stay

        return mp.quad(term, [0, mp.mpf("0.5"), 1])

    return over_p(x + 1, 0) * over_lambda(T) + over_p(x, 1) * over_lambda(t_x)


@mp.workdps(DIGITS)
def prob_alive(x, t_x, T, r, alpha, a, b):
    """P(alive at T | x, t_x, T)."""
    x, t_x, T, r, alpha, a, b = _mpf(x, t_x, T, r, alpha, a, b)
    return 1 / (1 + a / (b + x) * ((alpha + T) / (alpha + t_x)) ** (r + x))


def _rising_series(r, z, n):
    """Sum over j < n of Gamma(r + j) / (Gamma(r) j!) z^j."""
    total, term = mp.mpf(0), mp.mpf(1)
    for j in range(n):
        total += term
        term *= (r + j) / (j + 1) * z
    return total


@mp.workdps(2 * DIGITS)  # one is subtracted from nearly one
def pmf(n, t, r, alpha, a, b):
    """P(X(t) = n): n + 1 chances to leave, of which none or the last one is taken.

    P(N(t) = n) B(a, b+n+1) / B(a, b) + P(N(t) >= n) B(a+1, b+n) / B(a, b), with N(t) the Poisson
    count mixed over gamma rates.
    """
    n, t, r, alpha, a, b = _mpf(n, t, r, alpha, a, b)
    idle, busy = (alpha / (alpha + t)) ** r, t / (alpha + t)
    stay = mp.rf(r, n) / mp.factorial(n) * idle * busy**n
    fewer = idle * _rising_series(r, busy, int(n))
    value = mp.beta(a, b + n + 1) * stay + mp.beta(a + 1, b + n) * (1 - fewer)
    return value / mp.beta(a, b)


@mp.workdps(DIGITS)
def expected_purchases_new_customer(t, r, alpha, a, b):
    """E[X(t)] of a customer who has just made the first purchase."""
    t, r, alpha, a, b = _mpf(t, r, alpha, a, b)
    if a == 1:
        a += _NUDGE
    f = mp.hyp2f1(r, b + 1, a + b, t / (alpha + t))
    return b / (a - 1) * (1 - (alpha / (alpha + t)) ** r * f)


@mp.workdps(DIGITS)
def expected_purchases(x, t_x, T, t, r, alpha, a, b):
    """E[Y(t) | x, t_x, T]."""
    return prob_alive(x, t_x, T, r, alpha, a, b) * purchases_if_alive(x, T, t, r, alpha, a, b)


@mp.workdps(DIGITS)
def purchases_if_alive(x, T, t, r, alpha, a, b):
    """What is left of E[Y(t) | x, t_x, T] for a customer known to be alive."""
    x, T, t, r, alpha, a, b = _mpf(x, T, t, r, alpha, a, b)
    if a == 1:
        a += _NUDGE
    f = mp.hyp2f1(r + x, b + x + 1, a + b + x, t / (alpha + T + t))
    idle = ((alpha + T) / (alpha + T + t)) ** (r + x)
    return (a + b + x) / (a - 1) * (1 - idle * f)

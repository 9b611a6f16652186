"""GGompertz/NBD in mpmath, straight from the likelihood of Bemmaor and Glady (2012).

Every function takes numbers (floats are exact binary fractions) and returns an ``mpf``.
"""

import mpmath as mp

DIGITS = 50
_ORDER = 5  # of mpmath's Gauss-Legendre rule: at most 96 nodes a panel


def _mpf(*values):
    return (mp.mpf(v) for v in values)


def _panel(f, low, high):
    shift = max(f(low), f(high))  # mpmath stops by absolute errors
    value = mp.quad(
        lambda u: mp.exp(f(u) - shift), [low, high], method="gauss-legendre", maxdegree=_ORDER
    )
    return mp.exp(shift) * value


def _integral(f, low, high, *scales):
    """Integral of exp(f) in panels no longer than any scale, over which f changes by 30 at most."""
    total, at = mp.mpf(0), low
    while at < high:
        step = min(high - at, *(scale(at) for scale in scales))
        while abs(f(at + step) - f(at)) > 30:
            step /= 2
        total += _panel(f, at, at + step)
        at += step
    return total


def _log_density(u, b, s, beta):
    """Of lifetimes: b s beta^s e^(b u) (beta + e^(b u) - 1)^-(s + 1)."""
    return mp.log(b * s) + s * mp.log(beta) + b * u - (s + 1) * mp.log(beta + mp.expm1(b * u))


def _bend(b, beta):
    """Distance from u to the nearest singularity of the density."""
    root = mp.log(mp.mpc(1 - beta)) / b if beta != 1 else -mp.inf

    def distance(u):
        return min(abs(u - root), mp.hypot(u - mp.re(root), mp.pi / b))

    return distance


@mp.workdps(DIGITS)
def log_odds_gone(x, t_x, T, r, alpha, b, s, beta):
    """Log of the integral over the age of dropout, less that of the term of those alive at T."""
    x, t_x, T, r, alpha, b, s, beta = _mpf(x, t_x, T, r, alpha, b, s, beta)

    def f(u):
        return _log_density(u, b, s, beta) - (r + x) * mp.log((alpha + u) / (alpha + T))

    gone = _integral(f, t_x, T, _bend(b, beta), lambda u: alpha + u)
    return mp.log(gone) - s * mp.log(beta / (beta + mp.expm1(b * T)))


@mp.workdps(DIGITS)
def loglik(x, t_x, T, r, alpha, b, s, beta):
    """Log of the likelihood."""
    x, t_x, T, r, alpha, b, s, beta = _mpf(x, t_x, T, r, alpha, b, s, beta)
    alive = mp.log(mp.gammaprod([r + x], [r])) + r * mp.log(alpha) - (r + x) * mp.log(alpha + T)
    alive += s * mp.log(beta / (beta + mp.expm1(b * T)))
    if t_x == T:
        return alive
    return alive + mp.log1p(mp.exp(log_odds_gone(x, t_x, T, r, alpha, b, s, beta)))


@mp.workdps(DIGITS)
def prob_alive(x, t_x, T, r, alpha, b, s, beta):
    """P(alive at T | x, t_x, T)."""
    if t_x == T:
        return mp.mpf(1)
    return 1 / (1 + mp.exp(log_odds_gone(x, t_x, T, r, alpha, b, s, beta)))


@mp.workdps(DIGITS)
def survival_if_alive(x, T, t, r, alpha, b, s, beta):
    """P(alive at T + t | alive at T)."""
    T, t, b, s, beta = _mpf(T, t, b, s, beta)
    return ((beta + mp.expm1(b * T)) / (beta + mp.expm1(b * (T + t)))) ** s


@mp.workdps(DIGITS)
def purchases_if_alive(x, T, t, r, alpha, b, s, beta):
    """Mean rate times mean time alive, of which the survival function is the integrand."""
    x, T, t, r, alpha, b, s, beta = _mpf(x, T, t, r, alpha, b, s, beta)

    def f(u):
        return s * mp.log((beta + mp.expm1(b * T)) / (beta + mp.expm1(b * u)))

    return (r + x) / (alpha + T) * _integral(f, T, T + t, _bend(b, beta))


@mp.workdps(DIGITS)
def expected_purchases_new_customer(t, r, alpha, b, s, beta):
    """E[X(t)] as printed: purchases of survivors, and of those who dropped out at u before t."""
    t, r, alpha, b, s, beta = _mpf(t, r, alpha, b, s, beta)
    stays = (beta / (beta + mp.expm1(b * t))) ** s * t
    gone = _integral(
        lambda u: mp.log(u) + _log_density(u, b, s, beta),
        t * mp.mpf(10) ** -25,
        t,
        _bend(b, beta),
        lambda u: u,
    )
    return r / alpha * (stays + gone)


@mp.workdps(DIGITS)
def pmf_if_alive(n, x, T, t, r, alpha, b, s, beta):
    """P(Y(t) = n | alive at T): a negative binomial up to the end of the window or of the life."""
    n, x, T, t, r, alpha, b, s, beta = _mpf(n, x, T, t, r, alpha, b, s, beta)
    shape, scale = r + x, alpha + T
    constant = mp.log(mp.rf(shape, n) / mp.factorial(n)) + shape * mp.log(scale)
    constant += s * mp.log((beta + mp.expm1(b * T)) / beta)

    def count(u):
        return n * mp.log(u) - (shape + n) * mp.log(scale + u)

    def f(u):
        return constant + count(u) + _log_density(T + u, b, s, beta)

    bend = _bend(b, beta)
    low = t * mp.mpf(10) ** -25
    gone = _integral(f, low, t, lambda u: bend(T + u), lambda u: u)
    left = survival_if_alive(x, T, t, r, alpha, b, s, beta)
    return mp.exp(constant - s * mp.log((beta + mp.expm1(b * T)) / beta) + count(t)) * left + gone

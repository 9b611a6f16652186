"""BG/CNBD-k and MBG/CNBD-k in mpmath, from their story: slow, and right to many digits.

Platzer and Reutterer (2016), "Ticking Away the Moments", Marketing Science 35(5), and Reutterer,
Platzer and Schroeder (2021), IJRM 38(1): purchases at every k-th event of a Poisson process with a
Gamma(r, alpha) rate, dropout after a purchase with a Beta(a, b) probability, after the first
purchase too if d = 1. `stage` counts the events since the last purchase.
"""

from functools import lru_cache
from itertools import pairwise

import mpmath as mp

DIGITS = 50


def _mpf(*values):
    return (mp.mpf(v) for v in values)


@mp.workdps(DIGITS)
def _terms(x, t_x, T, r, alpha, a, b, k, d):
    """Likelihood but for the gaps between purchases: gone, and alive at each stage."""
    x, t_x, T, r, alpha, a, b = _mpf(x, t_x, T, r, alpha, a, b)
    gone = mp.mpf(0)
    if x + d > 0:
        gone = mp.beta(a + 1, b + x + d - 1) / mp.beta(a, b)
        gone *= mp.gammaprod([r + k * x], [r]) * alpha**r / (alpha + t_x) ** (r + k * x)
    stay = mp.beta(a, b + x + d) / mp.beta(a, b)
    alive = [
        stay * mp.gammaprod([r + k * x + j], [r]) * alpha**r / (alpha + T) ** (r + k * x + j)
        * (T - t_x) ** j / mp.factorial(j)
        for j in range(k)
    ]  # fmt: skip
    return gone, alive


@mp.workdps(DIGITS)
def loglik(x, t_x, T, litt, r, alpha, a, b, k, d):
    """Log density of the purchase times; `litt` is the sum of the logs of the gaps."""
    gone, alive = _terms(x, t_x, T, r, alpha, a, b, k, d)
    return (k - 1) * mp.mpf(litt) - x * mp.loggamma(k) + mp.log(gone + mp.fsum(alive))


@mp.workdps(30)
def likelihood_by_mixing(gaps, T, r, alpha, a, b, k, d):
    """Likelihood of one customer's lambda and p, integrated over both numerically."""
    r, alpha, a, b = _mpf(r, alpha, a, b)
    x, t_x = len(gaps), mp.fsum(gaps)
    spacing = mp.fprod(mp.mpf(g) ** (k - 1) / mp.factorial(k - 1) for g in gaps)

    def over_lambda(silence):
        def term(rate):
            density = alpha**r * rate ** (r - 1) * mp.exp(-alpha * rate) / mp.gamma(r)
            quiet = mp.fsum((rate * silence) ** j / mp.factorial(j) for j in range(k))
            seen = rate ** (k * x) * mp.exp(-rate * t_x)
            return density * seen * quiet * mp.exp(-rate * silence)

        return mp.quad(term, [0, mp.mpf("0.01"), mp.mpf("0.1"), 1, 10, mp.inf])

    def over_p(stay, leave):
        def term(p):
            density = p ** (a - 1) * (1 - p) ** (b - 1) / mp.beta(a, b)
            return density * p**leave * (1 - p) ** stay

        return mp.quad(term, [0, mp.mpf("0.5"), 1])

    value = over_p(x + d, 0) * over_lambda(T - t_x)
    if x + d > 0:
        gone = mp.quad(
            lambda rate: alpha**r * rate ** (r - 1 + k * x) * mp.exp(-(alpha + t_x) * rate),
            [0, mp.mpf("0.01"), mp.mpf("0.1"), 1, 10, mp.inf],
        )
        value += over_p(x + d - 1, 1) * gone / mp.gamma(r)
    return spacing * value


@mp.workdps(DIGITS)
def prob_alive(x, t_x, T, r, alpha, a, b, k, d):
    """P(alive at T)."""
    gone, alive = _terms(x, t_x, T, r, alpha, a, b, k, d)
    return mp.fsum(alive) / (gone + mp.fsum(alive))


@mp.workdps(DIGITS)
def stage_weights(x, t_x, T, r, alpha, a, b, k, d):
    """P(stage j | alive at T), for j = 0, ..., k - 1."""
    _, alive = _terms(x, t_x, T, r, alpha, a, b, k, d)
    return [term / mp.fsum(alive) for term in alive]


def _events(r, alpha, t):
    """P(N = n) of the events in (0, t], for n = 0, 1, ..."""
    mass, n = (alpha / (alpha + t)) ** r, 0
    while True:
        yield mass
        mass *= (r + n) / (n + 1) * t / (alpha + t)
        n += 1


def _by_sums(x, stage, T, t, r, alpha, a, b, k, d):
    """P(M = m) of the occasions to buy in (T, T + t], and P(still there | m occasions)."""
    x, T, t, r, alpha, a, b = _mpf(x, T, t, r, alpha, a, b)
    shape, scale, b = r + k * x + stage, alpha + T, b + x + d
    mean = shape * t / scale
    events, m, stays, seen = _events(shape, scale, t), 0, mp.mpf(1), 0
    until = k - stage
    while True:
        mass = mp.fsum(next(events) for _ in range(until))
        seen += until
        yield mass, stays
        if seen > mean and mass < mp.mpf(10) ** -40:
            return
        stays *= (b + m) / (a + b + m)
        m, until = m + 1, k


@mp.workdps(DIGITS)
def pmf_if_alive(n, x, stage, T, t, r, alpha, a, b, k, d):
    """P(Y(t) = n | alive at T, stage): of M occasions, n are taken."""
    rows = list(_by_sums(x, stage, T, t, r, alpha, a, b, k, d))
    if n >= len(rows):  # of which less than 1e-38 is left
        return mp.mpf(0)
    mass, stays = rows[n]
    value = mass * stays
    if n > 0:
        leaves = mp.mpf(a) / (mp.mpf(a) + mp.mpf(b) + x + d + n - 1)
        value += mp.fsum(mass for mass, _ in rows[n:]) * rows[n - 1][1] * leaves
    return value


@mp.workdps(DIGITS)
def purchases_if_alive(x, stage, T, t, r, alpha, a, b, k, d):
    """E[Y(t) | alive at T, stage], by summing over the occasions to buy."""
    made, total, before = mp.mpf(0), mp.mpf(0), mp.mpf(0)
    for mass, stays in _by_sums(x, stage, T, t, r, alpha, a, b, k, d):
        made += before  # occasion m is taken by those still there after m - 1
        total += mass * made
        before = stays
    return total


@mp.workdps(DIGITS)
def survival_if_alive(x, stage, T, t, r, alpha, a, b, k, d):
    """P(alive at T + t | alive at T, stage), by summing over the occasions to buy."""
    return mp.fsum(m * s for m, s in _by_sums(x, stage, T, t, r, alpha, a, b, k, d))


def _over_p(f, at_0, at_1, a, b, mean):
    """Mean of f(p) over Beta(a, b), panel by panel in log p and log (1 - p)."""
    tiny = mp.mpf(10) ** -16
    low, high, half = mp.log(tiny / (1 + mean)), mp.log(tiny), -mp.log(2)

    def panels(start):
        n = int(mp.ceil((half - start) * 2))
        return [start + (half - start) * i / n for i in range(n + 1)]

    def left(y):
        p = mp.exp(y)
        return mp.exp(a * y + (b - 1) * mp.log1p(-p)) * f(p, mp.log1p(-p))

    def right(y):
        p = -mp.expm1(y)
        return mp.exp(b * y + (a - 1) * mp.log(p)) * f(p, y)

    value = at_0 * mp.exp(a * low) / a + at_1 * mp.exp(b * high) / b
    for g, start in ((left, low), (right, high)):
        for lo, hi in pairwise(panels(start)):
            half_width, middle = (hi - lo) / 2, (hi + lo) / 2
            value += half_width * mp.fsum(w * g(middle + half_width * v) for v, w in _rule())
    return value / mp.beta(a, b)


@lru_cache
def _rule():
    """Gauss-Legendre's 12 nodes and weights."""
    return mp.calculus.quadrature.GaussLegendre(mp.mp).calc_nodes(3, 120)


@mp.workdps(30)
def survival_by_mixing(x, stage, T, t, r, alpha, a, b, k, d):
    """The same over p, the number of events by its generating function: for any horizon."""
    return _by_mixing(x, stage, T, t, r, alpha, a, b, k, d, lambda power: power, lambda p: p)


@mp.workdps(30)
def purchases_by_mixing(x, stage, T, t, r, alpha, a, b, k, d):
    """The same over p, the number of events by its generating function: for any horizon."""
    return _by_mixing(x, stage, T, t, r, alpha, a, b, k, d, lambda power: 1 - power, lambda p: 1)


def _by_mixing(x, stage, T, t, r, alpha, a, b, k, d, of_power, of_p):
    """Mean over p of (1-p)^M, or of (1 - (1-p)^M) / p, with M = floor((stage + N) / k).

    (1-p)^floor(n / k) is p / (k (1-p)) times the sum of z^(n + 1) / (1 - z) over the k-th roots z
    of 1 - p, which filters the powers; with 1 for z^n that sum times its factor is 1.
    """
    x, T, t, r, alpha, a, b = _mpf(x, T, t, r, alpha, a, b)
    shape, ratio, b = r + k * x + stage, t / (alpha + T), b + x + d

    def given_p(p, log_q):
        with mp.workdps(60):
            roots = [mp.exp(log_q / k) * mp.expjpi(mp.mpf(2 * j) / k) for j in range(k)]
            total = mp.fsum(
                mp.re(z ** (stage + 1) / (1 - z) * of_power((1 + ratio * (1 - z)) ** -shape))
                for z in roots
            )
            return of_p(p) * total / (k * mp.exp(log_q))

    near = mp.mpf(10) ** -30
    at_0, at_1 = given_p(near, -near), given_p(1 - near, mp.log(near))
    return _over_p(given_p, at_0, at_1, a, b, shape * ratio)

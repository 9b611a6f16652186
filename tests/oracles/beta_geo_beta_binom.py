"""BG/BB (Fader, Hardie and Shang 2010) in mpmath, straight from the paper, with a random box.

p ~ Beta(alpha, beta) is the probability of buying at an opportunity, theta ~ Beta(gamma, delta)
that of dying before one. T counts the opportunities, t_x is the index of the last one used.
"""

import mpmath as mp
import numpy as np

DIGITS = 50
NAMES = ("alpha", "beta", "gamma", "delta")


def _mpf(*values):
    return (v if isinstance(v, mp.mpf) else mp.mpf(float(v)) for v in values)


@mp.workdps(DIGITS)
def likelihood(x, t_x, T, alpha, beta, gamma, delta):
    """Eq. 5 of the paper: those alive at T, and those who died after t_x + i opportunities."""
    x, t_x, T, alpha, beta, gamma, delta = _mpf(x, t_x, T, alpha, beta, gamma, delta)
    buying, dying = mp.beta(alpha, beta), mp.beta(gamma, delta)
    total = mp.beta(alpha + x, beta + T - x) / buying * mp.beta(gamma, delta + T) / dying
    for i in range(int(T - t_x)):
        bought = mp.beta(alpha + x, beta + t_x - x + i) / buying
        total += bought * mp.beta(gamma + 1, delta + t_x + i) / dying
    return total


@mp.workdps(DIGITS)
def loglik(x, t_x, T, alpha, beta, gamma, delta):
    return mp.log(likelihood(x, t_x, T, alpha, beta, gamma, delta))


@mp.workdps(30)
def likelihood_by_mixing(x, t_x, T, alpha, beta, gamma, delta):
    """The individual likelihood (eq. 3), integrated over p and theta numerically."""
    alpha, beta, gamma, delta = _mpf(alpha, beta, gamma, delta)

    def mixed(successes, failures, a, b):
        def term(logit):
            u, rest = 1 / (1 + mp.exp(-logit)), 1 / (1 + mp.exp(logit))
            return u ** (a + successes) * rest ** (b + failures)

        return mp.quad(term, [-90, -10, 0, 10, 90]) / mp.beta(a, b)

    total = mixed(x, T - x, alpha, beta) * mixed(0, T, gamma, delta)
    for m in range(t_x, T):
        total += mixed(x, m - x, alpha, beta) * mixed(1, m, gamma, delta)
    return total


@mp.workdps(DIGITS)
def prob_alive(x, t_x, T, alpha, beta, gamma, delta, ahead=0):
    """P(alive at opportunity T + ahead); the paper's eq. 11 has ahead = 1."""
    total = likelihood(x, t_x, T, alpha, beta, gamma, delta)
    x, T, alpha, beta, gamma, delta = _mpf(x, T, alpha, beta, gamma, delta)
    bought = mp.beta(alpha + x, beta + T - x) / mp.beta(alpha, beta)
    return bought * mp.beta(gamma, delta + T + ahead) / mp.beta(gamma, delta) / total


@mp.workdps(DIGITS)
def survival_if_alive(x, T, t, alpha, beta, gamma, delta):
    """P(alive at T + t | alive at T)."""
    T, t, gamma, delta = _mpf(T, t, gamma, delta)
    return mp.beta(gamma, delta + T + t) / mp.beta(gamma, delta + T)


@mp.workdps(DIGITS)
def purchases_if_alive(x, T, t, alpha, beta, gamma, delta):
    """Eq. 13 without L, divided by P(alive at T) without L; gamma = 1 by its limit."""
    x, T, t, alpha, beta, gamma, delta = _mpf(x, T, t, alpha, beta, gamma, delta)
    if gamma == 1:
        gamma += mp.mpf(10) ** -25
    since, then = delta + T, delta + T + t
    ratio = mp.gammaprod([gamma + since, 1 + then], [1 + since, gamma + then])
    lived = (delta + T) / (gamma - 1) * (1 - ratio)
    return (alpha + x) / (alpha + beta + T) * lived


@mp.workdps(DIGITS)
def pmf(n, t, alpha, beta, gamma, delta):
    """P(X(t) = n), eq. 7."""
    n, t, alpha, beta, gamma, delta = _mpf(n, t, alpha, beta, gamma, delta)
    buying, dying = mp.beta(alpha, beta), mp.beta(gamma, delta)
    total = mp.mpf(0)
    if n <= t:
        stayed = mp.beta(gamma, delta + t) / dying
        total += mp.binomial(t, n) * mp.beta(alpha + n, beta + t - n) / buying * stayed
    for i in range(int(n), int(t)):
        left = mp.beta(gamma + 1, delta + i) / dying
        total += mp.binomial(i, n) * mp.beta(alpha + n, beta + i - n) / buying * left
    return total


def pmf_if_alive(n, x, T, t, alpha, beta, gamma, delta):
    """Eq. 7 with the parameters of those alive at T."""
    return pmf(n, t, alpha + x, beta + T - x, gamma, delta + T)


@mp.workdps(DIGITS)
def residual_if_alive(x, T, rate, alpha, beta, gamma, delta):
    """DERT over P(alive at T): eq. 14 of the paper, eq. 3.20 of Fader and Hardie (2015)."""
    x, T, rate, alpha, beta, gamma, delta = _mpf(x, T, rate, alpha, beta, gamma, delta)
    bought = (alpha + x) / (alpha + beta + T)
    next_time = (delta + T) / (gamma + delta + T) / (1 + rate)
    return bought * next_time * mp.hyp2f1(1, delta + T + 1, gamma + delta + T + 1, 1 / (1 + rate))


@mp.workdps(DIGITS)
def residual_by_summation(x, T, rate, start, t, alpha, beta, gamma, delta):
    """The purchases of opportunities T + start + 1, ..., T + t, one by one."""
    x, T, rate, alpha, beta, gamma, delta = _mpf(x, T, rate, alpha, beta, gamma, delta)
    total = mp.mpf(0)
    for j in range(int(start) + 1, int(t) + 1):
        total += survival_if_alive(x, T, j, alpha, beta, gamma, delta) / (1 + rate) ** j
    return (alpha + x) / (alpha + beta + T) * total


def random_box(size, seed, longest=60):
    """Arrays of parameters (by name), x, t_x and T: whole numbers, shapes spread in logs."""
    rng = np.random.default_rng(seed)
    params = {name: np.exp(rng.uniform(-5, 5, size)) for name in NAMES}
    T = np.floor(np.exp(rng.uniform(0, np.log(longest + 1), size))) * (rng.random(size) > 0.05)
    t_x = np.floor(rng.random(size) * (T + 1)) * (rng.random(size) > 0.2)
    x = np.where(t_x > 0, np.minimum(1 + np.floor(rng.random(size) * t_x), t_x), 0.0)
    return params, x, t_x, T

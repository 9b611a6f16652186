"""BG/NBD in mpmath, straight from Fader, Hardie and Lee (2005): slow, and right to many digits.

Every function takes numbers (floats are exact binary fractions) and returns an ``mpf``.
"""

import mpmath as mp

DIGITS = 50
_NUDGE = mp.mpf(10) ** -25  # steps off the removable singularities at a = 1 and a + b + x = 1


def _mpf(*values):
    return (mp.mpf(v) for v in values)


@mp.workdps(DIGITS)
def likelihood(x, t_x, T, r, alpha, a, b):
    """Eq. 6."""
    x, t_x, T, r, alpha, a, b = _mpf(x, t_x, T, r, alpha, a, b)
    rate = mp.gammaprod([r + x], [r]) * alpha**r
    value = mp.beta(a, b + x) / mp.beta(a, b) * rate / (alpha + T) ** (r + x)
    if x > 0:
        value += mp.beta(a + 1, b + x - 1) / mp.beta(a, b) * rate / (alpha + t_x) ** (r + x)
    return value


@mp.workdps(DIGITS)
def loglik(x, t_x, T, r, alpha, a, b):
    """Log of eq. 6."""
    return mp.log(likelihood(x, t_x, T, r, alpha, a, b))


@mp.workdps(30)
def likelihood_by_mixing(x, t_x, T, r, alpha, a, b):
    """Eq. 3, the likelihood of one customer's lambda and p, integrated over both numerically."""
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

    value = over_p(x, 0) * over_lambda(T)
    if x > 0:
        value += over_p(x - 1, 1) * over_lambda(t_x)
    return value


@mp.workdps(DIGITS)
def prob_alive(x, t_x, T, r, alpha, a, b):
    """Fader and Hardie (2008), "Computing P(alive) using the BG/NBD model" (note 021)."""
    x, t_x, T, r, alpha, a, b = _mpf(x, t_x, T, r, alpha, a, b)
    if x == 0:
        return mp.mpf(1)
    return 1 / (1 + a / (b + x - 1) * ((alpha + T) / (alpha + t_x)) ** (r + x))


def _rising_series(r, z, n):
    """Sum over j < n of Gamma(r + j) / (Gamma(r) j!) z^j."""
    total, term = mp.mpf(0), mp.mpf(1)
    for j in range(n):
        total += term
        term *= (r + j) / (j + 1) * z
    return total


@mp.workdps(2 * DIGITS)  # one is subtracted from nearly one
def pmf(n, t, r, alpha, a, b):
    """P(X(t) = n), eq. 8."""
    n, t, r, alpha, a, b = _mpf(n, t, r, alpha, a, b)
    idle, busy = (alpha / (alpha + t)) ** r, t / (alpha + t)
    value = mp.beta(a, b + n) / mp.beta(a, b) * mp.rf(r, n) / mp.factorial(n) * idle * busy**n
    if n > 0:
        fewer = idle * _rising_series(r, busy, int(n))
        value += mp.beta(a + 1, b + n - 1) / mp.beta(a, b) * (1 - fewer)
    return value


@mp.workdps(DIGITS)
def expected_purchases_new_customer(t, r, alpha, a, b):
    """E[X(t)], eq. 9."""
    t, r, alpha, a, b = _mpf(t, r, alpha, a, b)
    if a == 1 or a + b == 1:
        a += _NUDGE
    f = mp.hyp2f1(r, b, a + b - 1, t / (alpha + t))
    return (a + b - 1) / (a - 1) * (1 - (alpha / (alpha + t)) ** r * f)


@mp.workdps(DIGITS)
def expected_purchases(x, t_x, T, t, r, alpha, a, b):
    """E[Y(t) | x, t_x, T], eq. 10."""
    return prob_alive(x, t_x, T, r, alpha, a, b) * purchases_if_alive(x, T, t, r, alpha, a, b)


@mp.workdps(DIGITS)
def purchases_if_alive(x, T, t, r, alpha, a, b):
    """Numerator of eq. 10: what is left of it for a customer known to be alive."""
    x, T, t, r, alpha, a, b = _mpf(x, T, t, r, alpha, a, b)
    if a == 1 or a + b + x == 1:
        a += _NUDGE
    f = mp.hyp2f1(r + x, b + x, a + b + x - 1, t / (alpha + T + t))
    idle = ((alpha + T) / (alpha + T + t)) ** (r + x)
    return (a + b + x - 1) / (a - 1) * (1 - idle * f)


@mp.workdps(20)
def residual_if_alive(x, T, delta, horizon, r, alpha, a, b):
    """Purchases in (T, T + horizon] of a customer alive at T, discounted at the force delta.

    Given the posterior Gamma(r + x, alpha + T) rate and Beta(a, b + x) dropout, purchases come at
    the rate lambda e^(-lambda p u) at time u; its mean over both is a 2F1, which is integrated over
    e^(-delta u) du.
    """
    x, T, delta, r, alpha, a, b = _mpf(x, T, delta, r, alpha, a, b)
    shape, scale, b = r + x, alpha + T, b + x

    def rate(u):
        f = mp.hyp2f1(shape + 1, b, a + b, u / (scale + u))
        return shape / scale * (scale / (scale + u)) ** (shape + 1) * f

    far = mp.inf if horizon == mp.inf else mp.mpf(horizon)
    knots = [k for k in (scale / shape / 10, scale / shape, 10 * scale / shape) if k < far]
    if delta > 0:
        knots += [k for k in (1 / delta, 10 / delta) if k < far]
    return mp.quad(lambda u: mp.exp(-delta * u) * rate(u), [0, *sorted(knots), far])


@mp.workdps(20)
def residual_if_alive_by_mixing(x, T, delta, r, alpha, a, b):
    """The same for ever: the mean of lambda / (delta + lambda p), over lambda by Tricomi's U."""
    x, T, delta, r, alpha, a, b = _mpf(x, T, delta, r, alpha, a, b)
    shape, scale, b = r + x, alpha + T, b + x

    def term(p):
        z = scale * delta / p
        given_p = shape / p * z**shape * mp.hyperu(shape + 1, shape + 1, z)
        return given_p * p ** (a - 1) * (1 - p) ** (b - 1) / mp.beta(a, b)

    return mp.quad(term, [0, mp.mpf("1e-4"), mp.mpf("1e-3"), mp.mpf("1e-2"), mp.mpf("0.1"), 1])

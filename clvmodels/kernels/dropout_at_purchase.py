"""The BG family: Poisson purchases at gamma rates, dropout with probability p after a purchase.

The BG/NBD and the MBG/NBD differ in one thing: whether a customer can drop out right after the
first purchase. Here that is `d`: 0 if not (BG/NBD), 1 if so (MBG/NBD). Given that a customer is
alive at T, rate and dropout probability are independent a posteriori,

    lambda ~ Gamma(r + x, alpha + T),    p ~ Beta(a, b + x + d),

so whatever is conditional on being alive depends on (x, T) alone, and P(alive) carries the rest.
"""

import numpy as np
from numba import njit
from scipy import special as sp

from clvmodels._typing import FloatArray
from clvmodels.kernels.nbd import last_of_uniforms
from clvmodels.kernels.special import log_rising, nb_logpmf, nb_sf, sum_log_rising, tail_counts

__all__ = [
    "log_odds_gone",
    "loglik",
    "nll_grad_hess",
    "pmf_if_alive",
    "prob_alive",
    "purchases_if_alive",
    "simulate",
    "tails",
]

_CANCELLATION = 1e5  # digits given up by the closed form before quadrature takes over
_POLE = 1e-4  # distance to a removable singularity at which it does so too


def log_odds_gone(
    x: FloatArray, t_x: FloatArray, T: FloatArray, *, r: FloatArray, alpha: FloatArray, a: FloatArray, b: FloatArray, d: int
) -> FloatArray:
    """Log of P(gone at T) / P(alive at T); -inf where dropout was impossible.

    Fader and Hardie (2008), note 021, and its MBG/NBD counterpart.
    """
    x, t_x, T = np.broadcast_arrays(x, t_x, T)
    exposed = x + d > 0
    survived = np.where(exposed, b + x + d - 1, 1.0)
    odds = np.log(a / survived) + (r + x) * np.log1p((T - t_x) / (alpha + t_x))
    return np.where(exposed, odds, -np.inf)


def loglik(
    x: FloatArray, t_x: FloatArray, T: FloatArray, *, r: FloatArray, alpha: FloatArray, a: FloatArray, b: FloatArray, d: int
) -> FloatArray:
    """Log-likelihood per customer: Fader, Hardie and Lee (2005), eq. 6, as alive x (1 + odds gone)."""
    alive = log_rising(r, x) - r * np.log1p(T / alpha) - x * np.log(alpha + T)
    alive = alive + log_rising(b, x + d) - log_rising(a + b, x + d)
    return alive + np.logaddexp(0.0, log_odds_gone(x, t_x, T, r=r, alpha=alpha, a=a, b=b, d=d))


def tails(x: FloatArray, weight: FloatArray, d: int) -> tuple[FloatArray, FloatArray]:
    """What `nll_grad_hess` needs of the counts: tail counts of x and of x + d."""
    return tail_counts(x, weight), tail_counts(x + d, weight)


def nll_grad_hess(
    theta: FloatArray,
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    weight: FloatArray,
    tail: FloatArray,
    tail_d: FloatArray,
    d: int,
) -> tuple[float, FloatArray, FloatArray]:
    """Negative log-likelihood at theta = (r, alpha, a, b), its gradient and its exact Hessian."""
    r, alpha, a, b = (float(v) for v in theta)
    f, grad, hess = _rows(x, t_x, T, weight, r, alpha, a, b, d)
    purchase, purchase_1, purchase_2 = sum_log_rising(r, tail)
    stay, stay_1, stay_2 = sum_log_rising(b, tail_d)
    total, total_1, total_2 = sum_log_rising(a + b, tail_d)
    f += purchase + stay - total
    grad += np.array([purchase_1, 0.0, -total_1, stay_1 - total_1])
    hess[0, 0] += purchase_2
    hess[2:, 2:] -= total_2
    hess[3, 3] += stay_2
    return -f, -grad, -hess


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _rows(
    x: FloatArray, t_x: FloatArray, T: FloatArray, weight: FloatArray, r: float, alpha: float, a: float, b: float, d: int
) -> tuple[float, FloatArray, FloatArray]:
    """Sum over rows of the terms that depend on times, with derivatives.

    Each row is u + log(1 + e^D): u of the alive branch, D the log odds of being gone.
    """
    f = 0.0
    g_r = g_alpha = g_a = g_b = 0.0
    h_rr = h_rl = h_ll = h_ra = h_rb = h_la = h_lb = h_aa = h_ab = h_bb = 0.0
    log_a = np.log(a)
    for i in range(len(x)):
        w, n = weight[i], x[i]
        shape = r + n
        age = alpha + T[i]
        log_ratio = np.log1p(T[i] / alpha)
        f -= w * (r * log_ratio + n * np.log(age))
        g_r -= w * log_ratio
        g_alpha += w * (r / alpha - shape / age)
        h_rl += w * (1 / alpha - 1 / age)
        h_ll += w * (shape / age**2 - r / alpha**2)
        if n + d == 0:
            continue
        then = alpha + t_x[i]
        survived = b + n + d - 1
        q = np.log1p((T[i] - t_x[i]) / then)
        odds = log_a - np.log(survived) + shape * q
        if odds > 0:
            f += w * (odds + np.log1p(np.exp(-odds)))
            gone = 1 / (1 + np.exp(-odds))
        else:
            e = np.exp(odds)
            f += w * np.log1p(e)
            gone = e / (1 + e)
        p = w * gone
        v = p * (1 - gone)
        slope = 1 / age - 1 / then
        d_l, d_a, d_b = shape * slope, 1 / a, -1 / survived
        g_r += p * q
        g_alpha += p * d_l
        g_a += p * d_a
        g_b += p * d_b
        h_rr += v * q * q
        h_rl += p * slope + v * q * d_l
        h_ll += p * shape * (1 / then**2 - 1 / age**2) + v * d_l * d_l
        h_ra += v * q * d_a
        h_rb += v * q * d_b
        h_la += v * d_l * d_a
        h_lb += v * d_l * d_b
        h_aa += (v - p) * d_a * d_a
        h_ab += v * d_a * d_b
        h_bb += (v + p) * d_b * d_b
    grad = np.array([g_r, g_alpha, g_a, g_b])
    hess = np.array(
        [
            [h_rr, h_rl, h_ra, h_rb],
            [h_rl, h_ll, h_la, h_lb],
            [h_ra, h_la, h_aa, h_ab],
            [h_rb, h_lb, h_ab, h_bb],
        ]
    )
    return f, grad, hess


def prob_alive(
    x: FloatArray, t_x: FloatArray, T: FloatArray, *, r: FloatArray, alpha: FloatArray, a: FloatArray, b: FloatArray, d: int
) -> FloatArray:
    """P(alive at T | x, t_x, T)."""
    return sp.expit(-log_odds_gone(x, t_x, T, r=r, alpha=alpha, a=a, b=b, d=d))


def purchases_if_alive(
    x: FloatArray, T: FloatArray, t: FloatArray, *, r: FloatArray, alpha: FloatArray, a: FloatArray, b: FloatArray, d: int
) -> FloatArray:
    """E[Y(t) | alive at T], the bracket of Fader, Hardie and Lee (2005), eq. 10.

    The 2F1 is taken in Euler's form, whose exponents are free of x, so that busy customers do not
    overflow. It has removable singularities at a = 1 and a + b + x = 1 and cancels for short
    horizons; there a quadrature of the integral over p takes its place.
    """
    args = np.broadcast_arrays(r + x, alpha + T, t, a, b + x + d)
    shape, scale, t, a, b = (np.asarray(v, dtype=np.float64) for v in args)
    c, z = a + b - 1, t / (scale + t)
    with np.errstate(all="ignore"):  # whatever could warn is replaced below
        factor = c / (a - 1)
        value = factor * (1 - (1 - z) ** (a - 1) * sp.hyp2f1(c - shape, a - 1, c, z))
        doubtful = ~(np.abs(factor) < _CANCELLATION * value)
    doubtful |= (np.abs(a - 1) < _POLE) | (np.abs(c) < _POLE)
    doubtful &= t > 0
    value = np.where(t > 0, value, 0.0)
    if doubtful.any():
        value[doubtful] = _by_quadrature(*(v[doubtful] for v in (shape, scale, t, a, b)))
    return value


def _by_quadrature(
    shape: FloatArray, scale: FloatArray, t: FloatArray, a: FloatArray, b: FloatArray
) -> FloatArray:
    """Integral of g(p) = (1 - (scale / (scale + p t))^shape) / p against Beta(p; a, b).

    The trapezoidal rule on logit p. What would make the tails long is first taken out in closed
    form: g is like g(0) (1-p)^m near p = 0 and like g(1) p near p = 1.
    """
    at_0 = shape * t / scale
    at_1 = -np.expm1(-shape * np.log1p(t / scale))
    m = np.maximum(1.0, (shape + 1) * t / (2 * scale))
    log_beta = sp.betaln(a, b)
    taken_out = at_0 * np.exp(sp.betaln(a, b + m) - log_beta) + at_1 * a / (a + b)
    return taken_out + _trapezoid(shape, t / scale, a, b, log_beta, at_0, at_1, m)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _trapezoid(
    shape: FloatArray,
    ratio: FloatArray,
    a: FloatArray,
    b: FloatArray,
    log_beta: FloatArray,
    at_0: FloatArray,
    at_1: FloatArray,
    m: FloatArray,
) -> FloatArray:
    """Remainder of `_by_quadrature`, whose integrand vanishes at both ends."""
    out = np.empty(len(shape))
    for i in range(len(shape)):
        mode = np.log((a[i] + 1) / (b[i] + 1))
        spread = np.sqrt(1 / (a[i] + 1) + 1 / (b[i] + 1))
        step = min(0.4, 0.5 * spread)  # 2e-9 at worst over the wide box of the tests
        total = 0.0
        for direction in (-1.0, 1.0):
            k = 0 if direction > 0 else 1
            while True:
                u = mode + direction * k * step
                log_p = -np.log1p(np.exp(-u)) if u > 0 else u - np.log1p(np.exp(u))
                log_q = log_p - u
                p = np.exp(log_p)
                weight = np.exp(a[i] * log_p + b[i] * log_q - log_beta[i])
                g = -np.expm1(-shape[i] * np.log1p(p * ratio[i])) / p
                term = weight * (g - at_0[i] * np.exp(m[i] * log_q) - at_1[i] * p)
                total += term
                k += 1
                far = abs(u - mode) > 3 * spread
                if far and weight * p * np.exp(log_q) * (at_0[i] + at_1[i]) < 1e-17 * abs(total):
                    break
                if abs(u - mode) > 700:
                    break
        out[i] = total * step
    return out


def pmf_if_alive(
    n: FloatArray, x: FloatArray, T: FloatArray, t: FloatArray, *, r: FloatArray, alpha: FloatArray, a: FloatArray, b: FloatArray, d: int
) -> FloatArray:
    """P(Y(t) = n | alive at T): eq. 8 of Fader, Hardie and Lee (2005) at the posterior parameters."""
    n, shape, odds, a, b = np.broadcast_arrays(n, r + x, t / (alpha + T), a, b + x + d)
    log_stay = log_rising(b, n) - log_rising(a + b, n)
    still_there = np.exp(log_stay + nb_logpmf(n, shape, odds))
    some = np.where(n > 0, n, 1.0)
    log_leave = log_rising(b, some - 1) - log_rising(a + b, some) + np.log(a)
    left = np.exp(log_leave) * nb_sf(some, shape, odds)
    return still_there + np.where(n > 0, left, 0.0)


def simulate(
    x: FloatArray,
    T: FloatArray,
    t: FloatArray,
    rng: np.random.Generator,
    *,
    r: FloatArray,
    alpha: FloatArray,
    a: FloatArray,
    b: FloatArray,
    d: int,
) -> tuple[FloatArray, FloatArray]:
    """Purchases in (T, T+t] of customers alive at T, and the time of the last one after T.

    A customer makes the smaller of a Poisson number of purchases and the geometric number after
    which dropout comes. The time is 0 where there is no purchase.
    """
    rate = rng.gamma(r + x) / (alpha + T)
    p = rng.beta(a, b + x + d)
    count = rng.poisson(rate * t).astype(np.float64)
    # inverse-cdf geometric: 1 - p may round to 1, where NumPy's own sampler never returns
    with np.errstate(divide="ignore"):
        stop = 1 + np.floor(-rng.exponential(size=count.shape) / np.log1p(-p))
    made = np.minimum(count, stop)
    return made, last_of_uniforms(made, count, t, rng)

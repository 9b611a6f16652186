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
from clvmodels.kernels import erlang
from clvmodels.kernels.nbd import last_of_uniforms
from clvmodels.kernels.special import (
    log_beta_peak,
    log_rising,
    nb_logpmf,
    nb_sf,
    sum_log_rising,
    tail_counts,
)

__all__ = [
    "bend",
    "last_purchase",
    "log_odds_gone",
    "loglik",
    "nll_grad_hess",
    "pmf_if_alive",
    "prob_alive",
    "purchases_if_alive",
    "row_derivatives",
    "simulate",
    "survival_if_alive",
    "tails",
    "with_counts",
]

_CANCELLATION = 2e4  # growth of rounding errors at which quadrature takes over from the closed form
_POLE = 1e-4  # distance to a removable singularity at which it does so too
_LARGE = 30.0  # first parameter of the 2F1 beyond which its continuation loses digits
_FEW = 32  # terms of a sum over past purchases, beyond which Euler and Maclaurin take the rest


def log_odds_gone(
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    a: FloatArray,
    b: FloatArray,
    d: int,
) -> FloatArray:
    """Log of P(gone at T) / P(alive at T); -inf where dropout was impossible.

    Fader and Hardie (2008), note 021, and its MBG/NBD counterpart.
    """
    x, t_x, T = np.broadcast_arrays(x, t_x, T)
    exposed = x + d > 0
    survived = np.where(exposed, b + (x + d - 1), 1.0)
    odds = np.log(a / survived) + (r + x) * np.log1p((T - t_x) / (alpha + t_x))
    return np.where(exposed, odds, -np.inf)


def loglik(
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    a: FloatArray,
    b: FloatArray,
    d: int,
) -> FloatArray:
    """Log-likelihood per customer: Fader, Hardie and Lee (2005), eq. 6, as alive x (1 + odds)."""
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
    f, grad, hess = _rows(x, t_x, T, weight, r, alpha, a, b + np.arange(len(tail_d)), d)
    return with_counts(f, grad, hess, r, a, b, tail, tail_d)


def with_counts(
    f: float,
    grad: FloatArray,
    hess: FloatArray,
    r: float,
    a: float,
    b: float,
    tail: FloatArray,
    tail_d: FloatArray,
) -> tuple[float, FloatArray, FloatArray]:
    """Add the terms that depend on counts alone to those of the rows, and turn the sign.

    `tail` counts the events at the rate's shape r, `tail_d` the purchases after which customers
    stayed; `grad` and `hess`, in the order (r, alpha, a, b), are changed.
    """
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
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    weight: FloatArray,
    r: float,
    alpha: float,
    a: float,
    survived: FloatArray,
    d: int,
) -> tuple[float, FloatArray, FloatArray]:
    """Sum over rows of the terms that depend on times, with derivatives.

    Each row is u + log(1 + e^D): u of the alive branch, D the log odds of being gone.
    ``survived[k]`` is b + k. The loop of every fit: four logs and exponentials a row, no more.
    """
    log_alpha = np.log(alpha)
    log_odds = np.log(a / survived)
    minus_d_b = 1 / survived  # D falls in b by this much; it rises in a by 1 / a
    f = 0.0
    g_r = g_alpha = g_b = 0.0
    h_rr = h_rl = h_ll = h_rb = h_lb = h_bb = 0.0
    sum_p = sum_v = sum_vr = sum_vl = sum_vb = 0.0
    for i in range(len(x)):
        w, n = weight[i], x[i]
        shape = r + n
        age = alpha + T[i]
        tau = T[i] / alpha
        near = tau < 1  # log1p keeps the digits of small ratios, log costs half
        if near:
            log_ratio = np.log1p(tau)
            log_age = log_alpha + log_ratio
        else:
            log_age = np.log(age)
            log_ratio = log_age - log_alpha
        per_age = 1 / age
        f -= w * (r * log_ratio + n * log_age)
        g_r -= w * log_ratio
        g_alpha += w * (r * tau - n) * per_age
        h_rl += w * tau * per_age
        h_ll += w * (n - r * tau * (1 + age / alpha)) * per_age**2
        if n + d == 0:
            continue
        per_then = 1 / (alpha + t_x[i])
        q = np.log1p((T[i] - t_x[i]) * per_then) if near else np.log(age * per_then)
        k = int(n) + d - 1
        odds = log_odds[k] + shape * q
        e = np.exp(-abs(odds))
        likelier = 1 / (1 + e)
        f += w * (max(odds, 0.0) + np.log(1 + e))
        p = w * (likelier if odds > 0 else e * likelier)
        v = w * e * likelier**2
        slope = (t_x[i] - T[i]) * per_age * per_then
        d_l, d_b = shape * slope, -minus_d_b[k]
        v_r, v_l, v_b = v * q, v * d_l, v * d_b
        sum_p += p
        sum_v += v
        sum_vr += v_r
        sum_vl += v_l
        sum_vb += v_b
        g_r += p * q
        g_alpha += p * d_l
        g_b += p * d_b
        h_rr += v_r * q
        h_rl += p * slope + v_r * d_l
        h_ll += v_l * d_l - p * d_l * (per_age + per_then)
        h_rb += v_r * d_b
        h_lb += v_l * d_b
        h_bb += (v_b + p * d_b) * d_b
    grad = np.array([g_r, g_alpha, sum_p / a, g_b])
    hess = np.array(
        [
            [h_rr, h_rl, sum_vr / a, h_rb],
            [h_rl, h_ll, sum_vl / a, h_lb],
            [sum_vr / a, sum_vl / a, (sum_v - sum_p) / a**2, sum_vb / a],
            [h_rb, h_lb, sum_vb / a, h_bb],
        ]
    )
    return f, grad, hess


def prob_alive(
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    a: FloatArray,
    b: FloatArray,
    d: int,
) -> FloatArray:
    """P(alive at T | x, t_x, T)."""
    return sp.expit(-log_odds_gone(x, t_x, T, r=r, alpha=alpha, a=a, b=b, d=d))


def bend(
    x: FloatArray,
    T: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    a: FloatArray,
    b: FloatArray,
    d: int,
) -> FloatArray:
    """Time on which the curve of expected purchases bends: the mean time to the next one."""
    return (alpha + T) / np.maximum(1.0, r + x)


def purchases_if_alive(
    x: FloatArray,
    T: FloatArray,
    t: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    a: FloatArray,
    b: FloatArray,
    d: int,
) -> FloatArray:
    """E[Y(t) | alive at T], the bracket of Fader, Hardie and Lee (2005), eq. 10.

    The 2F1 is taken in Euler's form, whose exponents are free of x, so that busy customers do not
    overflow. It has removable singularities at a = 1 and a + b + x = 1 and cancels for short
    horizons; there a quadrature of the integral over p takes its place. Right to 1e-9.
    """
    args = np.broadcast_arrays(r + x, alpha + T, t, a, b + x + d)
    shape, scale, t, a, b = (np.asarray(v, dtype=np.float64) for v in args)
    c, z = a + b - 1, t / (scale + t)
    with np.errstate(all="ignore"):  # whatever could warn is replaced below
        factor = c / (a - 1)
        value = factor * (1 - (1 - z) ** (a - 1) * sp.hyp2f1(c - shape, a - 1, c, z))
        trusted = np.abs(factor) < _CANCELLATION * value
        trusted &= value <= shape * t / scale * (1 + 1e-9)  # nobody buys more than if p were 0
    trusted &= (np.abs(a - 1) > _POLE) & (np.abs(c) > _POLE)
    # beyond z = 0.9 SciPy goes over to series in 1 - z, with poles where a - r is whole
    far = z > 0.9
    trusted &= ~far | ((np.abs(a - r - np.rint(a - r)) > _POLE) & (c - shape < _LARGE))
    value = np.where(t > 0, value, 0.0)
    doubtful = ~trusted & (t > 0)
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
    ratio = t / scale
    at_0, at_1 = shape * ratio, -np.expm1(-shape * np.log1p(ratio))
    m = np.maximum(1.0, (shape + 1) * ratio / 2)
    taken_out = at_0 * np.exp(log_rising(b, a) - log_rising(b + m, a)) + at_1 * a / (a + b)
    rest: FloatArray = _trapezoid(shape, ratio, a, b, log_beta_peak(a, b), at_0, at_1, m)
    return taken_out + rest


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _trapezoid(
    shape: FloatArray,
    ratio: FloatArray,
    a: FloatArray,
    b: FloatArray,
    log_peak: FloatArray,
    at_0: FloatArray,
    at_1: FloatArray,
    m: FloatArray,
) -> FloatArray:
    """Remainder of `_by_quadrature`, whose integrand vanishes at both ends."""
    out = np.empty(len(shape))
    for i in range(len(shape)):
        total_ab = a[i] + b[i]
        peak, log_q_peak = a[i] / total_ab, np.log(b[i] / total_ab)  # of p^a (1-p)^b
        start = np.log((a[i] + 1) / (b[i] + 1)) - np.log(a[i] / b[i])
        spread = np.sqrt(1 / (a[i] + 1) + 1 / (b[i] + 1))
        step = min(0.4, 0.5 * spread)
        total = 0.0
        for direction in (-1.0, 1.0):
            k = 0 if direction > 0 else 1
            bound = np.inf
            while k * step <= 3 * spread or bound > 1e-15 * abs(total):
                u = start + direction * k * step  # logit p, measured from the peak
                odds = a[i] / b[i] * np.exp(u)
                p, log_q = odds / (1 + odds), -np.log1p(odds)
                # near the peak of a narrow density the difference of logs would lose its digits
                fall = np.log1p(peak * np.expm1(u)) if abs(u) < 1 else log_q_peak - log_q
                weight = np.exp(log_peak[i] + a[i] * u - total_ab * fall)
                g = -np.expm1(-shape[i] * np.log1p(p * ratio[i])) / p
                term = weight * (g - at_0[i] * np.exp(m[i] * log_q) - at_1[i] * p)
                total += term
                bound = weight * p / (1 + odds) * (at_0[i] + at_1[i])
                k += 1
        out[i] = total * step
    return out


def survival_if_alive(
    x: FloatArray,
    T: FloatArray,
    t: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    a: FloatArray,
    b: FloatArray,
    d: int,
) -> FloatArray:
    """P(alive at T + t | alive at T): the mean of (1 + p t / (alpha + T))^-(r + x) over p.

    Poisson purchases are Erlang-1 ones. Right to 1e-9, however small.
    """
    stage = np.zeros((), dtype=np.int64)
    return erlang.survival(stage, r + x, t / (alpha + T), a, b + x + d, k=1)


def pmf_if_alive(
    n: FloatArray,
    x: FloatArray,
    T: FloatArray,
    t: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    a: FloatArray,
    b: FloatArray,
    d: int,
) -> FloatArray:
    """P(Y(t) = n | alive at T), eq. 8 of Fader, Hardie and Lee (2005) with updated parameters."""
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
    size = np.broadcast_shapes(*map(np.shape, (x, T, t, r, alpha, a, b)))
    rate = rng.gamma(r + x, size=size) / (alpha + T)
    p = rng.beta(a, b + x + d, size=size)
    count = rng.poisson(rate * t, size=size).astype(np.float64)
    stop = last_purchase(p, rng)
    made = np.minimum(count, stop)
    return made, last_of_uniforms(made, count, t, rng)


def last_purchase(p: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Number of the purchase after which a customer leaves with probability p at each."""
    # inverse-cdf geometric: 1 - p may round to 1, where NumPy's own sampler never returns
    with np.errstate(divide="ignore", over="ignore"):
        stop: FloatArray = 1 + np.floor(-rng.exponential(size=p.shape) / np.log1p(-p))
    return stop


def row_derivatives(
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    a: FloatArray,
    b: FloatArray,
    d: int,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Log-likelihood of each row, its gradient and its Hessian in the logs of (r, alpha, a, b).

    Of shapes (rows,), (rows, 4) and (rows, 4, 4), exact; each parameter is one number for all rows
    or one per row. In the log of alpha, s = alpha / (alpha + T) has the derivative s (1 - s).
    """
    ll, n = loglik(x, t_x, T, r=r, alpha=alpha, a=a, b=b, d=d), x + d
    age, then, shape = alpha + T, alpha + t_x, r + x
    s, waited = alpha / age, T / age  # they add up to one
    gradient, hessian = np.zeros((4, *ll.shape)), np.zeros((4, 4, *ll.shape))

    # the branch of those alive
    gradient[0] = hessian[0, 0] = -r * np.log1p(T / alpha)
    gradient[1] = r * waited - x * s
    hessian[0, 1] = r * waited
    hessian[1, 1] = -shape * s * waited
    once, twice = _inverse_sums(r, x)
    gradient[0] += r * once
    hessian[0, 0] += r * once - r**2 * twice
    once, twice = _inverse_sums(b, n)
    gradient[3] = b * once
    hessian[3, 3] = b * once - b**2 * twice
    once, twice = _inverse_sums(a + b, n)
    gradient[2] = hessian[2, 2] = -a * once
    gradient[3] -= b * once
    hessian[2, 2] += a**2 * twice
    hessian[2, 3] = a * b * twice
    hessian[3, 3] += b**2 * twice - b * once

    # log(1 + e^D), D the log odds of being gone
    odds = log_odds_gone(x, t_x, T, r=r, alpha=alpha, a=a, b=b, d=d)
    gone, alive = sp.expit(odds), sp.expit(-odds)
    survived = np.where(n > 0, b + (n - 1), 1.0)
    q, slope = np.log1p((T - t_x) / then), alpha * (t_x - T) / (age * then)
    d_b = -b / survived
    first = np.stack(np.broadcast_arrays(r * q, shape * slope, 1.0, d_b))
    gradient += gone * first
    hessian += gone * alive * first[:, None] * first
    hessian[0, 0] += gone * r * q
    hessian[0, 1] += gone * r * slope
    hessian[1, 1] += gone * shape * slope * (waited - alpha / then)
    hessian[3, 3] += gone * d_b * (1 + d_b)
    for i, j in ((0, 1), (2, 3)):
        hessian[j, i] = hessian[i, j]
    return ll, gradient.T, np.moveaxis(hessian, -1, 0)


def _inverse_sums(z: FloatArray, n: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Sums of 1 / (z + k) and of its square over k < n: a difference of di- and of trigammas."""
    z, n = (np.ascontiguousarray(v, dtype=np.float64) for v in np.broadcast_arrays(z, n))
    once, twice = _inverse_sums_by_row(z, n)
    return once, twice


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _inverse_sums_by_row(z: FloatArray, n: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Term by term, in the order that keeps the digits of any z; the tail of a long sum at once."""
    once, twice = np.zeros(len(n)), np.zeros(len(n))
    for i in range(len(n)):
        few = min(int(n[i]), _FEW)
        for k in range(few):
            term = 1 / (z[i] + k)
            once[i] += term
            twice[i] += term * term
        if n[i] > few:
            u, v = 1 / (z[i] + few), 1 / (z[i] + n[i])
            gap = (n[i] - few) * u * v  # u - v
            once[i] += np.log1p((n[i] - few) * u) + gap / 2 + (u**2 - v**2) / 12
            once[i] += (v**4 - u**4) / 120 + (u**6 - v**6) / 252
            twice[i] += gap * (1 + (u + v) / 2) + (u**3 - v**3) / 6
            twice[i] += (v**5 - u**5) / 30 + (u**7 - v**7) / 42
    return once, twice

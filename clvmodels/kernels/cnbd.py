"""The CNBD-k family: a purchase at every k-th of hidden Poisson events, dropout after a purchase.

Times between purchases are then Erlang-k, the more regular the larger k; k = 1 gives the BG/NBD
(d = 0) and the MBG/NBD (d = 1). Platzer and Reutterer (2016), Marketing Science 35(5), 779-799;
Reutterer, Platzer and Schroeder (2021), IJRM 38(1), 194-215.

Given that a customer is alive at T and j hidden events past the last purchase, the rate of events
and the dropout probability are independent a posteriori,

    lambda ~ Gamma(r + k x + j, alpha + T),    p ~ Beta(a, b + x + d),

so whatever is conditional on being alive at stage j depends on (x + j / k, T) alone: functions of
(x, T) take x as purchases with the one in the making counted in k-ths. `stage_weights` mixes them.
Nothing here is approximate; BTYDplus instead takes the k = 1 formulas with the scale k alpha and
corrects the total.
"""

from functools import partial
from types import SimpleNamespace

import numpy as np
from numba import njit
from scipy import special as sp

from clvmodels._typing import FloatArray, IntArray
from clvmodels.kernels import erlang
from clvmodels.kernels.dropout_at_purchase import last_purchase, with_counts
from clvmodels.kernels.nbd import last_of_uniforms
from clvmodels.kernels.special import log_rising, nb_logpmf, nb_sf, tail_counts

__all__ = [
    "bend",
    "bound",
    "draw_litt",
    "loglik",
    "nll_grad_hess",
    "pmf_if_alive",
    "prob_alive",
    "purchases_if_alive",
    "simulate",
    "stage_weights",
    "survival_if_alive",
    "tails",
]


def loglik(
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    litt: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    a: FloatArray,
    b: FloatArray,
    k: int,
    d: int,
) -> FloatArray:
    """Log density of the purchase times per customer; `litt` sums the logs of the gaps."""
    n = k * x
    spacing = (k - 1) * litt - x * sp.gammaln(k)
    paced = log_rising(r, n) - r * np.log1p(T / alpha) - n * np.log(alpha + T)
    stayed = log_rising(b, x + d) - log_rising(a + b, x + d)
    log_gone, log_alive = _log_branches(x, t_x, T, r=r, alpha=alpha, a=a, b=b, k=k, d=d)
    value: FloatArray = spacing + paced + stayed + np.logaddexp(log_gone, log_alive)
    return value


def _log_branches(
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    a: FloatArray,
    b: FloatArray,
    k: int,
    d: int,
) -> tuple[FloatArray, FloatArray]:
    """Logs of S1 (gone at T, -inf where that is impossible) and S2 (alive), up to one factor."""
    x, t_x, T = np.broadcast_arrays(x, t_x, T)
    exposed = x + d > 0
    survived = np.where(exposed, b + (x + d - 1), 1.0)
    gone = np.log(a / survived) + (r + k * x) * np.log1p((T - t_x) / (alpha + t_x))
    alive = np.log(_stage_terms(x, t_x, T, r=r, alpha=alpha, k=k).sum(axis=0))
    return np.where(exposed, gone, -np.inf), alive


def _stage_terms(
    x: FloatArray, t_x: FloatArray, T: FloatArray, *, r: FloatArray, alpha: FloatArray, k: int
) -> FloatArray:
    """The terms of S2, (r + k x)_j / j! ((T - t_x) / (alpha + T))^j, along a new first axis."""
    shape, silence = np.broadcast_arrays(r + k * x, (T - t_x) / (alpha + T))
    terms = np.ones((k, *shape.shape))
    for j in range(1, k):
        terms[j] = terms[j - 1] * (shape + j - 1) / j * silence
    return terms


def tails(x: FloatArray, weight: FloatArray, *, k: int, d: int) -> tuple[FloatArray, FloatArray]:
    """What `nll_grad_hess` needs of the counts: tail counts of k x and of x + d."""
    return np.repeat(tail_counts(x, weight), k), tail_counts(x + d, weight)


def nll_grad_hess(
    theta: FloatArray,
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    litt: FloatArray,
    weight: FloatArray,
    tail: FloatArray,
    tail_d: FloatArray,
    *,
    k: int,
    d: int,
) -> tuple[float, FloatArray, FloatArray]:
    """Negative log-likelihood at theta = (r, alpha, a, b), its gradient and its exact Hessian."""
    r, alpha, a, b = (float(v) for v in theta)
    f, grad, hess = _rows(x, t_x, T, weight, r, alpha, a, b + np.arange(len(tail_d)), k, d)
    f += (k - 1) * float(weight @ litt) - float(sp.gammaln(k)) * float(weight @ x)
    return with_counts(f, grad, hess, r, a, b, tail, tail_d)


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
    k: int,
    d: int,
) -> tuple[float, FloatArray, FloatArray]:
    """Sum over rows of the terms that depend on times, with derivatives.

    Each row is u + log(S1 + S2): u of the rates, S1 for those gone, S2 for those alive, a sum over
    stages whose derivatives are moments of j and of h_j = sum over i < j of 1 / (r + k x + i).
    ``survived[m]`` is b + m.
    """
    log_alpha = np.log(alpha)
    log_odds = np.log(a / survived)
    f = 0.0
    g_r = g_l = g_a = g_b = 0.0
    h_rr = h_rl = h_ll = h_ra = h_la = h_aa = h_rb = h_lb = h_ab = h_bb = 0.0
    for i in range(len(x)):
        w, n = weight[i], k * x[i]
        shape = r + n
        age = alpha + T[i]
        per_age = 1 / age
        tau = T[i] / alpha
        near = tau < 1  # log1p keeps the digits of small ratios, log costs half
        log_ratio = np.log1p(tau) if near else np.log(age) - log_alpha
        f -= w * (r * log_ratio + n * (log_alpha + log_ratio))
        g_r -= w * log_ratio
        g_l += w * (r * tau - n) * per_age
        h_rl += w * tau * per_age
        h_ll += w * (n - r * tau * (1 + age / alpha)) * per_age**2

        silence = (T[i] - t_x[i]) * per_age
        term, s2 = 1.0, 1.0
        h = h2 = 0.0
        m_j = m_jj = m_h = m_hh = m_jh = 0.0
        for j in range(1, k):
            step = 1 / (shape + j - 1)
            term *= silence / (step * j)
            h += step
            h2 += step * step
            s2 += term
            m_j += j * term
            m_jj += j * (j + 1) * term
            m_h += h * term
            m_hh += (h * h - h2) * term
            m_jh += j * h * term
        per_s2 = 1 / s2
        m_j, m_jj, m_h = m_j * per_s2, m_jj * per_s2, m_h * per_s2
        log_s2 = np.log(s2) if k > 1 else 0.0
        alive_r, alive_l = m_h, -m_j * per_age
        alive_rr = m_hh * per_s2 - m_h * m_h
        alive_ll = (m_jj - m_j * m_j) * per_age**2
        alive_rl = (m_j * m_h - m_jh * per_s2) * per_age

        p, v = 0.0, 0.0  # of being gone, and that times its opposite
        c = int(x[i]) + d - 1
        f += w * log_s2
        if c >= 0:
            per_then = 1 / (alpha + t_x[i])
            q = np.log1p((T[i] - t_x[i]) * per_then) if near else np.log(age * per_then)
            odds = log_odds[c] + shape * q - log_s2
            e = np.exp(-abs(odds))
            likelier = 1 / (1 + e)
            f += w * (max(odds, 0.0) + np.log(1 + e))
            p = likelier if odds > 0 else e * likelier
            v = w * e * likelier**2
            p *= w
            slope = (t_x[i] - T[i]) * per_age * per_then
            gone_b = -1 / survived[c]
            gone_l = shape * slope
            g_r += p * q
            g_l += p * gone_l
            g_a += p / a
            g_b += p * gone_b
            d_r, d_l = q - alive_r, gone_l - alive_l
            h_rr += v * d_r * d_r
            h_rl += v * d_r * d_l + p * slope
            h_ll += v * d_l * d_l - p * gone_l * (per_age + per_then)
            h_ra += v * d_r / a
            h_la += v * d_l / a
            h_aa += (v - p) / a**2
            h_rb += v * d_r * gone_b
            h_lb += v * d_l * gone_b
            h_ab += v * gone_b / a
            h_bb += (v + p) * gone_b**2
        rest = w - p
        g_r += rest * alive_r
        g_l += rest * alive_l
        h_rr += rest * alive_rr
        h_rl += rest * alive_rl
        h_ll += rest * alive_ll
    grad = np.array([g_r, g_l, g_a, g_b])
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
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    a: FloatArray,
    b: FloatArray,
    k: int,
    d: int,
) -> FloatArray:
    """P(alive at T | x, t_x, T) = 1 / (1 + S1 / S2); the single gaps say nothing about it."""
    log_gone, log_alive = _log_branches(x, t_x, T, r=r, alpha=alpha, a=a, b=b, k=k, d=d)
    return sp.expit(log_alive - log_gone)


def stage_weights(
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    a: FloatArray,
    b: FloatArray,
    k: int,
) -> FloatArray:
    """P(j hidden events since t_x | alive at T) for j = 0, ..., k - 1, along a new first axis."""
    terms = _stage_terms(x, t_x, T, r=r, alpha=alpha, k=k)
    share: FloatArray = terms / terms.sum(axis=0)
    size = np.broadcast_shapes(share.shape[1:], np.shape(a), np.shape(b))
    return np.broadcast_to(share, (k, *size))


def _split(x: FloatArray, k: int) -> tuple[FloatArray, IntArray]:
    """Purchases, and the stage of the next one, of a count in k-ths."""
    events = np.rint(k * np.asarray(x, dtype=np.float64)).astype(np.int64)
    return (events // k).astype(np.float64), events % k


def bend(
    x: FloatArray,
    T: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    a: FloatArray,
    b: FloatArray,
    k: int,
    d: int,
) -> FloatArray:
    """Time on which the curve of expected purchases bends: the mean time to the next event."""
    return (alpha + T) / np.maximum(1.0, r + k * x)


def purchases_if_alive(
    x: FloatArray,
    T: FloatArray,
    t: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    a: FloatArray,
    b: FloatArray,
    k: int,
    d: int,
) -> FloatArray:
    """E[Y(t) | alive at T], x in k-ths: sum over m of P(N >= m k - j) B(a, b' + m - 1) / B(a, b').

    Right to 1e-9.
    """
    done, stage = _split(x, k)
    return erlang.purchases(stage, r + k * done + stage, t / (alpha + T), a, b + done + d, k=k)


def survival_if_alive(
    x: FloatArray,
    T: FloatArray,
    t: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    a: FloatArray,
    b: FloatArray,
    k: int,
    d: int,
) -> FloatArray:
    """P(alive at T + t | alive at T), x in k-ths: the mean of (1 - p)^floor((j + N) / k)."""
    done, stage = _split(x, k)
    return erlang.survival(stage, r + k * done + stage, t / (alpha + T), a, b + done + d, k=k)


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
    k: int,
    d: int,
) -> FloatArray:
    """P(Y(t) = n | alive at T), x in k-ths: n occasions to buy, or more and dropout at the n-th."""
    done, stage = _split(x, k)
    n, stage, shape, odds, a, b = np.broadcast_arrays(
        n, stage, r + k * done + stage, t / (alpha + T), a, b + done + d
    )
    events = k * n - stage + np.arange(k).reshape(-1, *[1] * n.ndim)
    possible = events >= 0
    mass = np.exp(nb_logpmf(np.where(possible, events, 0.0), shape, odds))
    log_stay = log_rising(b, n) - log_rising(a + b, n)
    still_there = np.exp(log_stay) * np.where(possible, mass, 0.0).sum(axis=0)
    some = np.where(n > 0, n, 1.0)
    log_leave = log_rising(b, some - 1) - log_rising(a + b, some) + np.log(a)
    left = np.exp(log_leave) * nb_sf(k * some - stage, shape, odds)
    value: FloatArray = still_there + np.where(n > 0, left, 0.0)
    return value


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
    k: int,
    d: int,
) -> tuple[FloatArray, FloatArray]:
    """Purchases in (T, T+t] of customers alive at T, x in k-ths, and the time of the last one.

    A purchase falls on every k-th of a Poisson number of hidden events, until dropout comes. The
    time is 0 where there is no purchase.
    """
    size = np.broadcast_shapes(*map(np.shape, (x, T, t, r, alpha, a, b)))
    done, stage = _split(x, k)
    rate = rng.gamma(r + k * done + stage, size=size) / (alpha + T)
    p = rng.beta(a, b + done + d, size=size)
    count = rng.poisson(rate * t, size=size).astype(np.float64)
    stop = last_purchase(p, rng)
    made = np.minimum((stage + count) // k, stop)
    return made, last_of_uniforms(np.maximum(k * made - stage, 0.0), count, t, rng)


def draw_litt(x: FloatArray, t_x: FloatArray, rng: np.random.Generator, *, k: int) -> FloatArray:
    """Sum of the logs of x Erlang-k gaps that add up to t_x; 0 where x = 0.

    As shares of t_x the gaps are Dirichlet(k, ..., k), whatever the rate.
    """
    times = x.astype(np.int64)
    gaps = rng.gamma(k, size=int(times.sum()))
    owner = np.repeat(np.arange(len(times)), times)
    logs, total = (np.bincount(owner, v, minlength=len(times)) for v in (np.log(gaps), gaps))
    some = times > 0
    litt = np.zeros(len(times))
    litt[some] = logs[some] + x[some] * np.log(t_x[some] / total[some])
    return litt


def bound(k: int, d: int) -> SimpleNamespace:
    """The functions of this module for one k and d."""
    by_both = (
        loglik, tails, nll_grad_hess, prob_alive, bend, purchases_if_alive, survival_if_alive,
        pmf_if_alive, simulate,
    )  # fmt: skip
    by_k = (stage_weights, draw_litt)
    return SimpleNamespace(
        **{function.__name__: partial(function, k=k, d=d) for function in by_both},
        **{function.__name__: partial(function, k=k) for function in by_k},
    )

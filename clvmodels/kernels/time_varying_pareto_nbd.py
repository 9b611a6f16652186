"""Pareto/NBD with time-varying covariates (Bachmann, Meierer and Naef 2021).

A customer buys at rate lambda e^(g1'z) and leaves at hazard mu e^(g2'z), lambda ~ Gamma(r, alpha),
mu ~ Gamma(s, beta), with covariates z that are constant within periods. Two clocks tell a
customer's age u: A(u) = integral of e^(g1'z) runs with purchases, D(u) = integral of e^(g2'z) with
dropout, both piecewise linear. The likelihood is that of the Pareto/NBD on these clocks,

    (alpha + A(T))^-(r+x) (beta + D(T))^-s
        + integral from t_x to T of s (beta + D)^-(s+1) (alpha + A)^-(r+x) dD,

times what does not depend on being alive. The integrand is smooth within a period, where a
Gauss-Legendre rule takes as many nodes as its steepness asks for. All terms are positive.
"""

import numpy as np
from numba import njit
from scipy import special as sp

from clvmodels._typing import FloatArray
from clvmodels.kernels.special import log_rising, sum_log_rising
from clvmodels.kernels.time_varying_predictions import (
    discounted_if_alive,
    pmf_if_alive,
    purchases_if_alive,
    simulate,
    survival_if_alive,
)
from clvmodels.kernels.walks import NODES, RULE, WEIGHTS, Walks, factor, merged, panel, take

__all__ = [
    "Walks",
    "discounted_if_alive",
    "loglik",
    "merged",
    "nll_grad_hess",
    "pmf_if_alive",
    "prob_alive",
    "purchases_if_alive",
    "simulate",
    "survival_if_alive",
    "take",
]

_NEGLIGIBLE = 1e-18  # of the integral so far: what its remainder may be left out at


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _level(
    x: float, A: float, D: float, r: float, alpha: float, s: float, beta: float
) -> tuple[float, float, float]:
    """Log of (1 + A/alpha)^-(r+x) (1 + D/beta)^-s, and the two logs in it."""
    log_A, log_D = np.log1p(A / alpha), np.log1p(D / beta)
    return -(r + x) * log_A - s * log_D, log_A, log_D


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _branches(
    w: Walks,
    r: float,
    alpha: float,
    s: float,
    beta: float,
    purchase: FloatArray,
    dropout: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Logs of the likelihood of being alive at T and of having left, times alpha^(r+x) beta^s."""
    alive, gone = np.empty(len(w.x)), np.empty(len(w.x))
    for i in range(len(w.x)):
        x, t_x, T = w.x[i], w.t_x[i], w.T[i]
        age = A = D = total = 0.0
        top, negligible = np.nan, False
        for k in range(w.start[i], w.start[i + 1]):
            end = T if k == w.start[i + 1] - 1 else min(w.until[k], T)
            if end <= age:
                continue
            rate, hazard = factor(w.buying[k], purchase), factor(w.leaving[k], dropout)
            if age < t_x:
                before = min(end, t_x) - age
                A, D, age = A + rate * before, D + hazard * before, min(end, t_x)
            if age >= t_x and np.isnan(top):
                top = _level(x, A, D, r, alpha, s, beta)[0]
            while age < end:
                steepness = (r + x + 1) * rate / (alpha + A) + (s + 1) * hazard / (beta + D)
                length, rule = panel(end - age, steepness)
                if negligible:
                    length = end - age
                else:
                    term = 0.0
                    for j in range(RULE[rule], RULE[rule + 1]):
                        v = NODES[j] * length
                        D_v = D + hazard * v
                        level = _level(x, A + rate * v, D_v, r, alpha, s, beta)[0]
                        term = np.exp(level - top) * s * hazard / (beta + D_v)
                        total += WEIGHTS[j] * length * term
                    # what is left is at most the likelihood of being alive here
                    negligible = term * (beta + D) < _NEGLIGIBLE * s * hazard * total
                A, D = A + rate * length, D + hazard * length
                age = end if length >= end - age else age + length
        alive[i] = _level(x, A, D, r, alpha, s, beta)[0]
        gone[i] = np.log(total) + top if total > 0 else -np.inf
    return alive, gone


def loglik(
    walks: Walks,
    *,
    r: float,
    alpha: float,
    s: float,
    beta: float,
    purchase: FloatArray,
    dropout: FloatArray,
) -> FloatArray:
    """Log-likelihood per customer."""
    branches = _branches(walks, r, alpha, s, beta, purchase, dropout)
    constant = log_rising(np.asarray(r), walks.x) - walks.x * np.log(alpha)
    out: FloatArray = constant + walks.bought @ purchase + np.logaddexp(*branches)
    return out


def nll_grad_hess(
    theta: FloatArray, walks: Walks, weight: FloatArray, tail: FloatArray
) -> tuple[float, FloatArray, FloatArray]:
    """Negative log-likelihood at theta, its gradient and its exact Hessian.

    theta is r, alpha, s, beta and the factors e^g, those of the purchase rate first; `tail` is
    ``tail_counts(x, weight)``.
    """
    r, alpha, s, beta = (float(v) for v in theta[:4])
    g = np.log(theta[4:])
    p = walks.buying.shape[1]
    f, grad, hess = _rows(walks, weight, r, alpha, s, beta, g[:p], g[p:])
    bought = weight @ walks.bought
    f += bought @ g[:p] - weight @ walks.x * np.log(alpha)
    grad[4 : 4 + p] += bought
    # from logs to the parameters themselves
    hess = (hess - np.diag(grad)) / np.outer(theta, theta)
    grad = grad / theta
    rising, rising_1, rising_2 = sum_log_rising(r, tail)
    grad[0] += rising_1
    hess[0, 0] += rising_2
    return -(f + rising), -grad, -hess


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _rows(
    w: Walks,
    weight: FloatArray,
    r: float,
    alpha: float,
    s: float,
    beta: float,
    purchase: FloatArray,
    dropout: FloatArray,
) -> tuple[float, FloatArray, FloatArray]:
    """Weighted sum over customers of the log of both branches, with derivatives in all logs.

    The way of `_branches`, with the clocks' derivatives in g: first A_1, D_1, second A_2, D_2.
    """
    p, q = len(purchase), len(dropout)
    size = 4 + p + q
    f, grad, hess = 0.0, np.zeros(size), np.zeros((size, size))
    slope, first, second = np.empty(size), np.empty(size), np.empty((size, size))
    A_1, A_2, D_1, D_2 = np.empty(p), np.empty((p, p)), np.empty(q), np.empty((q, q))
    for i in range(len(w.x)):
        x, t_x, T = w.x[i], w.t_x[i], w.T[i]
        first[:], second[:] = 0.0, 0.0
        A_1[:], A_2[:], D_1[:], D_2[:] = 0.0, 0.0, 0.0, 0.0
        age = A = D = total = 0.0
        top, negligible = np.nan, False
        last = w.start[i]
        for k in range(w.start[i], w.start[i + 1]):
            end = T if k == w.start[i + 1] - 1 else min(w.until[k], T)
            if end <= age:
                continue
            last = k
            rate, hazard = factor(w.buying[k], purchase), factor(w.leaving[k], dropout)
            if age < t_x:
                before = min(end, t_x) - age
                A, D, age = A + rate * before, D + hazard * before, min(end, t_x)
                _move(A_1, A_2, w.buying[k], rate * before)
                _move(D_1, D_2, w.leaving[k], hazard * before)
            if age >= t_x and np.isnan(top):
                top = _level(x, A, D, r, alpha, s, beta)[0]
            while age < end:
                steepness = (r + x + 1) * rate / (alpha + A) + (s + 1) * hazard / (beta + D)
                length, rule = panel(end - age, steepness)
                if negligible:
                    length = end - age
                else:
                    term = 0.0
                    for j in range(RULE[rule], RULE[rule + 1]):
                        v = NODES[j] * length
                        A_v, D_v = A + rate * v, D + hazard * v
                        level, log_A, log_D = _level(x, A_v, D_v, r, alpha, s, beta)
                        term = np.exp(level - top) * s * hazard / (beta + D_v)
                        share = WEIGHTS[j] * length * term
                        total += share
                        _add(
                            share, 1.0, x, r, alpha, s, beta, A_v, D_v, log_A, log_D, A_1, A_2,
                            w.buying[k], rate * v, D_1, D_2, w.leaving[k], hazard * v,
                            slope, first, second,
                        )  # fmt: skip
                    negligible = term * (beta + D) < _NEGLIGIBLE * s * hazard * total
                A, D = A + rate * length, D + hazard * length
                _move(A_1, A_2, w.buying[k], rate * length)
                _move(D_1, D_2, w.leaving[k], hazard * length)
                age = end if length >= end - age else age + length
        level, log_A, log_D = _level(x, A, D, r, alpha, s, beta)
        if np.isnan(top):
            top = level
        share = np.exp(level - top)
        total += share
        _add(
            share, 0.0, x, r, alpha, s, beta, A, D, log_A, log_D, A_1, A_2,
            w.buying[last], 0.0, D_1, D_2, w.leaving[last], 0.0, slope, first, second,
        )  # fmt: skip
        f += weight[i] * (top + np.log(total))
        for a in range(size):
            first[a] /= total
            grad[a] += weight[i] * first[a]
            for b in range(a + 1):
                hess[a, b] += weight[i] * (second[a, b] / total - first[a] * first[b])
    for a in range(size):
        for b in range(a):
            hess[b, a] = hess[a, b]
    return f, grad, hess


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _move(first: FloatArray, second: FloatArray, z: FloatArray, step: float) -> None:
    """Let a clock run on by `step`: its derivatives in g."""
    for j in range(len(z)):
        first[j] += z[j] * step
        for k in range(j + 1):
            second[j, k] += z[j] * z[k] * step


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _add(
    share: float,
    leaves: float,
    x: float,
    r: float,
    alpha: float,
    s: float,
    beta: float,
    A: float,
    D: float,
    log_A: float,
    log_D: float,
    A_1: FloatArray,
    A_2: FloatArray,
    z_A: FloatArray,
    run_A: float,
    D_1: FloatArray,
    D_2: FloatArray,
    z_D: FloatArray,
    run_D: float,
    slope: FloatArray,
    first: FloatArray,
    second: FloatArray,
) -> None:
    """Add a term e^h to a sum: share e^h is its value, h' and h'' + h' h'^T go with it.

    h is the log of (alpha + A)^-(r+x) (beta + D)^-(s+leaves) and of the factor of D where a
    customer leaves. Derivatives of the clocks are given where the panel begins; `run_A` and
    `run_D` are what they have run since. Lower triangle of `second` only.
    """
    p, q = len(A_1), len(D_1)
    per_A, per_D = 1 / (alpha + A), 1 / (beta + D)
    by_A, by_D = -(r + x) * per_A, -(s + leaves) * per_D
    slope[0] = -r * log_A
    slope[1] = (r * A - x * alpha) * per_A
    slope[2] = leaves - s * log_D
    slope[3] = (s * D - leaves * beta) * per_D
    for j in range(p):
        slope[4 + j] = by_A * (A_1[j] + z_A[j] * run_A)
    for j in range(q):
        slope[4 + p + j] = by_D * (D_1[j] + z_D[j] * run_D) + leaves * z_D[j]
    for a in range(4 + p + q):
        part = share * slope[a]
        first[a] += part
        for b in range(a + 1):
            second[a, b] += part * slope[b]
    second[0, 0] += share * slope[0]
    second[1, 0] += share * r * A * per_A
    second[1, 1] += share * alpha * A * by_A * per_A
    second[2, 2] -= share * s * log_D
    second[3, 2] += share * s * D * per_D
    second[3, 3] += share * beta * D * by_D * per_D
    for j in range(p):
        run_j = A_1[j] + z_A[j] * run_A
        second[4 + j, 0] -= share * r * per_A * run_j
        second[4 + j, 1] -= share * alpha * by_A * per_A * run_j
        for k in range(j + 1):
            bend = A_2[j, k] + z_A[j] * z_A[k] * run_A
            run_k = A_1[k] + z_A[k] * run_A
            second[4 + j, 4 + k] += share * by_A * (bend - per_A * run_j * run_k)
    for j in range(q):
        run_j = D_1[j] + z_D[j] * run_D
        second[4 + p + j, 2] -= share * s * per_D * run_j
        second[4 + p + j, 3] -= share * beta * by_D * per_D * run_j
        for k in range(j + 1):
            bend = D_2[j, k] + z_D[j] * z_D[k] * run_D
            run_k = D_1[k] + z_D[k] * run_D
            second[4 + p + j, 4 + p + k] += share * by_D * (bend - per_D * run_j * run_k)


def prob_alive(
    walks: Walks,
    *,
    r: float,
    alpha: float,
    s: float,
    beta: float,
    purchase: FloatArray,
    dropout: FloatArray,
) -> FloatArray:
    """P(alive at T | history)."""
    alive, gone = _branches(walks, r, alpha, s, beta, purchase, dropout)
    out: FloatArray = sp.expit(alive - gone)
    return out

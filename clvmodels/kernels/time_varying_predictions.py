"""What customers of `time_varying_pareto_nbd` do next, given that they are alive at T.

Everything here depends on x, T and the covariates alone.
"""

import numpy as np
from numba import njit
from scipy import special as sp

from clvmodels._typing import FloatArray, IntArray
from clvmodels.kernels.special import log_rising
from clvmodels.kernels.walks import (
    NODES,
    REACH,
    RULE,
    WEIGHTS,
    Walks,
    ages_at,
    clock_at,
    factor,
    panel,
)

_GONE = 70.0  # -log of a probability that a prediction may leave out


def survival_if_alive(
    walks: Walks, t: float, *, s: float, beta: float, dropout: FloatArray
) -> FloatArray:
    """P(alive at T + t | alive at T) = ((beta + D(T)) / (beta + D(T + t)))^s."""
    now, then = (
        clock_at(walks.start, walks.until, walks.leaving, dropout, age)
        for age in (walks.T, walks.T + t)
    )
    out: FloatArray = np.exp(-s * np.log1p((then - now) / (beta + now)))
    return out


def purchases_if_alive(
    walks: Walks,
    t: float,
    *,
    r: float,
    alpha: float,
    s: float,
    beta: float,
    purchase: FloatArray,
    dropout: FloatArray,
    since: float = 0.0,
) -> FloatArray:
    """E[purchases in (T + since, T + t] | alive at T], in closed form.

    (r + x) / (alpha + A(T)) times the integral of ((beta + D(T)) / (beta + D))^s over dA.
    """
    out: FloatArray = _expected(walks, since, t, r, alpha, s, beta, purchase, dropout)
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _expected(
    w: Walks,
    since: float,
    t: float,
    r: float,
    alpha: float,
    s: float,
    beta: float,
    purchase: FloatArray,
    dropout: FloatArray,
) -> FloatArray:
    A_T = clock_at(w.start, w.until, w.buying, purchase, w.T)
    D_T = clock_at(w.start, w.until, w.leaving, dropout, w.T)
    out = np.empty(len(w.x))
    for i in range(len(w.x)):
        age, end = w.T[i], w.T[i] + t
        D, total = D_T[i], 0.0
        for k in range(w.start[i], w.start[i + 1]):
            stop = end if k == w.start[i + 1] - 1 else min(w.until[k], end)
            if stop <= age:
                continue
            rate, hazard = factor(w.buying[k], purchase), factor(w.leaving[k], dropout)
            if age < w.T[i] + since:
                before = min(stop, w.T[i] + since) - age
                D, age = D + hazard * before, age + before
            # with y = log of D's growth: (1 - e^((1-s) y)) / (s-1), which is y at s = 1
            y = np.log1p(hazard * (stop - age) / (beta + D))
            bent = (1 - s) * y
            lived = y * (np.expm1(bent) / bent if bent != 0 else 1.0) * (beta + D) / hazard
            alive = np.exp(-s * np.log1p((D - D_T[i]) / (beta + D_T[i])))
            total += rate * alive * lived
            D, age = D + hazard * (stop - age), stop
        out[i] = (r + w.x[i]) / (alpha + A_T[i]) * total
    return out


def discounted_if_alive(
    walks: Walks,
    t: float,
    delta: float,
    *,
    r: float,
    alpha: float,
    s: float,
    beta: float,
    purchase: FloatArray,
    dropout: FloatArray,
    since: float = 0.0,
) -> FloatArray:
    """Purchases expected in (T + since, T + t], discounted to T at force of interest `delta`."""
    if delta == 0:
        return purchases_if_alive(
            walks, t, r=r, alpha=alpha, s=s, beta=beta, purchase=purchase, dropout=dropout,
            since=since,
        )  # fmt: skip
    out: FloatArray = _discounted(walks, since, t, delta, r, alpha, s, beta, purchase, dropout)
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _discounted(
    w: Walks,
    since: float,
    t: float,
    delta: float,
    r: float,
    alpha: float,
    s: float,
    beta: float,
    purchase: FloatArray,
    dropout: FloatArray,
) -> FloatArray:
    A_T = clock_at(w.start, w.until, w.buying, purchase, w.T)
    D_T = clock_at(w.start, w.until, w.leaving, dropout, w.T)
    out = np.empty(len(w.x))
    for i in range(len(w.x)):
        age, end = w.T[i], w.T[i] + t
        D, total, first = D_T[i], 0.0, np.nan
        for k in range(w.start[i], w.start[i + 1]):
            stop = end if k == w.start[i + 1] - 1 else min(w.until[k], end)
            if stop <= age:
                continue
            rate, hazard = factor(w.buying[k], purchase), factor(w.leaving[k], dropout)
            if age < w.T[i] + since:
                before = min(stop, w.T[i] + since) - age
                D, age = D + hazard * before, age + before
            if np.isnan(first):
                first = s * np.log1p((D - D_T[i]) / (beta + D_T[i]))
            while age < stop:
                steepness = abs(delta) + (s + 1) * hazard / (beta + D)
                length, rule = panel(stop - age, steepness)
                if s * np.log1p((D - D_T[i]) / (beta + D_T[i])) > first + _GONE:
                    break
                for j in range(RULE[rule], RULE[rule + 1]):
                    v = NODES[j] * length
                    grown = np.log1p((D + hazard * v - D_T[i]) / (beta + D_T[i]))
                    alive = np.exp(-s * grown - delta * (age + v - w.T[i]))
                    total += WEIGHTS[j] * length * rate * alive
                D += hazard * length
                age = stop if length >= stop - age else age + length
        out[i] = (r + w.x[i]) / (alpha + A_T[i]) * total
    return out


def pmf_if_alive(
    n: int,
    walks: Walks,
    t: float | FloatArray,
    *,
    r: float,
    alpha: float,
    s: float,
    beta: float,
    purchase: FloatArray,
    dropout: FloatArray,
) -> FloatArray:
    """P(n purchases in (T, T + t] | alive at T); t may differ by customer."""
    length = np.broadcast_to(np.asarray(t, dtype=np.float64), len(walks.x)).copy()
    shape = r + walks.x
    peak = log_rising(shape, np.asarray(float(n))) - sp.gammaln(n + 1)
    out: FloatArray = _pmf(walks, n, length, peak, r, alpha, s, beta, purchase, dropout)
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _pmf(
    w: Walks,
    n: int,
    t: FloatArray,
    ways: FloatArray,
    r: float,
    alpha: float,
    s: float,
    beta: float,
    purchase: FloatArray,
    dropout: FloatArray,
) -> FloatArray:
    """Stays and has bought n, or leaves at some age and has bought n by then.

    `ways` is the log of Gamma(r+x+n) / (Gamma(r+x) n!).
    """
    A_T = clock_at(w.start, w.until, w.buying, purchase, w.T)
    D_T = clock_at(w.start, w.until, w.leaving, dropout, w.T)
    A_end = clock_at(w.start, w.until, w.buying, purchase, w.T + t)
    out = np.empty(len(w.x))
    for i in range(len(w.x)):
        age, end = w.T[i], w.T[i] + t[i]
        shape, scale, D_0 = r + w.x[i], alpha + A_T[i], beta + D_T[i]
        most = A_end[i] - A_T[i]
        A = D = total = 0.0  # since T
        for k in range(w.start[i], w.start[i + 1]):
            stop = end if k == w.start[i + 1] - 1 else min(w.until[k], end)
            if stop <= age:
                continue
            rate, hazard = factor(w.buying[k], purchase), factor(w.leaving[k], dropout)
            while age < stop:
                # A^n is as steep as n / A; before a quarter of A's way it counts for nothing
                # where it is too steep for a rule
                steepness = (
                    (shape + n + 1) * rate / (scale + A)
                    + (s + 1) * hazard / (D_0 + D)
                    + n * rate / (A + most / 4)
                )
                length, rule = panel(stop - age, steepness)
                rule = max(rule, min(n // 2, len(REACH) - 1))  # exact for A^n with small n
                left = s * np.log1p(D / D_0) > _GONE  # hardly anybody is left to leave
                past = A * shape > n * scale  # from here on n becomes less likely
                if left or (past and _count(n, ways[i], shape, A / scale) < np.exp(-_GONE)):
                    length = stop - age
                else:
                    for j in range(RULE[rule], RULE[rule + 1]):
                        v = NODES[j] * length
                        D_v = D + hazard * v
                        gone = np.exp(-s * np.log1p(D_v / D_0)) * s * hazard / (D_0 + D_v)
                        bought = _count(n, ways[i], shape, (A + rate * v) / scale)
                        total += WEIGHTS[j] * length * gone * bought
                A, D = A + rate * length, D + hazard * length
                age = stop if length >= stop - age else age + length
        out[i] = total + np.exp(-s * np.log1p(D / D_0)) * _count(n, ways[i], shape, most / scale)
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _count(n: int, ways: float, shape: float, odds: float) -> float:
    """P(n) of a Poisson count with a gamma rate."""
    log_busy = n * np.log(odds / (1 + odds)) if n > 0 else 0.0
    chance: float = np.exp(ways - shape * np.log1p(odds) + log_busy)
    return chance


def simulate(
    walks: Walks,
    t: float | FloatArray,
    rng: np.random.Generator,
    *,
    r: float,
    alpha: float,
    s: float,
    beta: float,
    purchase: FloatArray,
    dropout: FloatArray,
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Purchases in (T, T + t] of customers alive at T, and the age at the last one.

    New customers are those with x = T = 0; without a purchase the age is T. The third array has
    the period of every purchase, in the order of the customers.
    """
    a_clock = walks.start, walks.until, walks.buying, purchase
    d_clock = walks.start, walks.until, walks.leaving, dropout
    size, everyone = len(walks.x), np.arange(len(walks.x))
    A, D = clock_at(*a_clock, walks.T), clock_at(*d_clock, walks.T)
    with np.errstate(divide="ignore", over="ignore"):  # where s is tiny nobody leaves
        left = D + rng.exponential(size=size) / (rng.gamma(s, size=size) / (beta + D))
    end = np.minimum(ages_at(*d_clock, everyone, left)[0], walks.T + t)
    way = np.maximum(clock_at(*a_clock, end) - A, 0.0)
    count = rng.poisson(rng.gamma(r + walks.x) / (alpha + A) * way)
    who = np.repeat(everyone, count)
    ages, periods = ages_at(*a_clock, who, A[who] + rng.random(len(who)) * way[who])
    last = walks.T.copy()
    np.maximum.at(last, who, ages)
    return count.astype(np.float64), last, periods

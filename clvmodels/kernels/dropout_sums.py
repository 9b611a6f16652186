"""The BG family's log-likelihood summed over many rows, for samplers: no Hessian, few logarithms.

Samplers evaluate one data set thousands of times, at one parameter vector per run of rows (a run is
a group of customers, or all of them). What does not depend on parameters is prepared once: times
repeat, so their logarithms are taken once per distinct time, and only the odds of having dropped
out are left to do row by row. The formulas are those of `dropout_at_purchase`.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numba import njit

from clvmodels._typing import FloatArray, IntArray
from clvmodels.kernels.special import tail_counts


class Prepared(NamedTuple):
    """Rows of runs, sorted by run; `*_ends` say where each run ends, with a 0 in front.

    Attributes
    ----------
    T, T_weight, T_count, T_ends
        Distinct ages, with customers and repeat purchases that have each.
    then, then_ends
        Distinct ages at the last purchase, of rows that may have dropped out.
    x, weight, at_T, at_then, row_ends
        Those rows: purchases, customers, and the places of their ages.
    tail, tail_ends, stays, stays_ends
        Tail counts of x, and of x + d.
    """

    T: FloatArray
    T_weight: FloatArray
    T_count: FloatArray
    T_ends: IntArray
    then: FloatArray
    then_ends: IntArray
    x: FloatArray
    weight: FloatArray
    at_T: IntArray  # noqa: N815
    at_then: IntArray
    row_ends: IntArray
    tail: FloatArray
    tail_ends: IntArray
    stays: FloatArray
    stays_ends: IntArray


def prepare(
    x: FloatArray, t_x: FloatArray, T: FloatArray, weight: FloatArray, ends: IntArray, d: int
) -> Prepared:
    """What `value_and_gradient` and `values` take, of rows sorted by run."""
    runs = [slice(i, j) for i, j in pairwise(ends)]
    ages: list[tuple[FloatArray, FloatArray, FloatArray]] = []
    thens, rows = [], []
    age_at = then_at = 0
    for run in runs:
        age, place = np.unique(T[run], return_inverse=True)
        customers: FloatArray = np.bincount(place, weight[run]).astype(np.float64)
        purchases: FloatArray = np.bincount(place, weight[run] * x[run]).astype(np.float64)
        ages.append((age, customers, purchases))
        exposed = x[run] + d > 0
        then, then_place = np.unique(t_x[run][exposed], return_inverse=True)
        thens.append(then)
        rows.append(
            (x[run][exposed], weight[run][exposed], place[exposed] + age_at, then_place + then_at)
        )
        age_at, then_at = age_at + len(age), then_at + len(then)
    tails = [tail_counts(x[run], weight[run]) for run in runs]
    stays = [tail_counts(x[run] + d, weight[run]) for run in runs]
    n, w, at_T, at_then = (np.concatenate(part) for part in zip(*rows, strict=True))
    return Prepared(
        np.concatenate([age for age, _, _ in ages]),
        np.concatenate([customers for _, customers, _ in ages]),
        np.concatenate([purchases for _, _, purchases in ages]),
        _ends([one for one, _, _ in ages]),
        np.concatenate(thens),
        _ends(thens),
        n,
        w,
        at_T.astype(np.int64),
        at_then.astype(np.int64),
        _ends([n for n, *_ in rows]),
        np.concatenate(tails),
        _ends(tails),
        np.concatenate(stays),
        _ends(stays),
    )


def _ends(parts: list[FloatArray]) -> IntArray:
    return np.cumsum([0, *map(len, parts)]).astype(np.int64)


def value_and_gradient(
    theta: FloatArray, prepared: Prepared, d: int
) -> tuple[FloatArray, FloatArray]:
    """Negative log-likelihood of each run at its theta = (r, alpha, a, b), and its gradient.

    Parameters
    ----------
    theta : ndarray of shape (runs, 4)

    Returns
    -------
    tuple of ndarray of shapes (runs,) and (runs, 4)
    """
    nll, gradient = _runs(np.ascontiguousarray(theta), prepared, d)
    return nll, gradient


def values(theta: FloatArray, prepared: Prepared, d: int) -> FloatArray:
    """Negative log-likelihood of all rows, one run, at each theta of shape (draws, 4)."""
    out: FloatArray = _draws(np.ascontiguousarray(theta), prepared, d)
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _runs(
    theta: FloatArray,
    prepared: Prepared,
    d: int,
) -> tuple[FloatArray, FloatArray]:
    T, then, x, weight = prepared.T, prepared.then, prepared.x, prepared.weight
    at_T, at_then, tail, stays = prepared.at_T, prepared.at_then, prepared.tail, prepared.stays
    T_weight, T_count, T_ends = prepared.T_weight, prepared.T_count, prepared.T_ends
    then_ends, row_ends = prepared.then_ends, prepared.row_ends
    tail_ends, stays_ends = prepared.tail_ends, prepared.stays_ends
    runs = len(theta)
    nll, gradient = np.zeros(runs), np.zeros((runs, 4))
    log_age, log_then = np.empty(len(T)), np.empty(len(then))
    per_age, per_then = np.empty(len(T)), np.empty(len(then))
    for run in range(runs):
        r, alpha, a, b = theta[run]
        f = g_r = g_alpha = g_a = g_b = 0.0
        for j in range(T_ends[run], T_ends[run + 1]):
            log_age[j], per_age[j] = np.log(alpha + T[j]), 1 / (alpha + T[j])
            ratio = np.log1p(T[j] / alpha)
            f -= r * T_weight[j] * ratio + T_count[j] * log_age[j]
            g_r -= T_weight[j] * ratio
            g_alpha += per_age[j] * (r * T_weight[j] * T[j] / alpha - T_count[j])
        for j in range(then_ends[run], then_ends[run + 1]):
            log_then[j], per_then[j] = np.log(alpha + then[j]), 1 / (alpha + then[j])
        first = stays_ends[run]
        last = stays_ends[run + 1]
        log_odds, survived = np.empty(last - first), np.empty(last - first)
        for k in range(last - first):
            survived[k] = 1 / (b + k)
            log_odds[k] = np.log(a * survived[k])
        for i in range(row_ends[run], row_ends[run + 1]):
            k = int(x[i]) + d - 1
            q = log_age[at_T[i]] - log_then[at_then[i]]
            odds = log_odds[k] + (r + x[i]) * q
            e = np.exp(-abs(odds))
            likelier = 1 / (1 + e)
            f += weight[i] * (max(odds, 0.0) + np.log(1 + e))
            p = weight[i] * (likelier if odds > 0 else e * likelier)
            g_r += p * q
            g_alpha += p * (r + x[i]) * (per_age[at_T[i]] - per_then[at_then[i]])
            g_a += p
            g_b -= p * survived[k]
        g_a /= a
        for k in range(tail_ends[run + 1] - tail_ends[run]):
            count = tail[tail_ends[run] + k]
            f += count * np.log(r + k)
            g_r += count / (r + k)
        for k in range(last - first):
            count = stays[first + k]
            f += count * (np.log(b + k) - np.log(a + b + k))
            g_b += count * (1 / (b + k) - 1 / (a + b + k))
            g_a -= count / (a + b + k)
        nll[run] = -f
        gradient[run] = -g_r, -g_alpha, -g_a, -g_b
    return nll, gradient


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _draws(
    theta: FloatArray,
    prepared: Prepared,
    d: int,
) -> FloatArray:
    T, then, x, weight = prepared.T, prepared.then, prepared.x, prepared.weight
    at_T, at_then, tail, stays = prepared.at_T, prepared.at_then, prepared.tail, prepared.stays
    T_weight, T_count = prepared.T_weight, prepared.T_count
    nll = np.empty(len(theta))
    log_age, log_then = np.empty(len(T)), np.empty(len(then))
    log_odds = np.empty(len(stays))
    for draw in range(len(theta)):
        r, alpha, a, b = theta[draw]
        f = 0.0
        for j in range(len(T)):
            log_age[j] = np.log(alpha + T[j])
            f -= r * T_weight[j] * np.log1p(T[j] / alpha) + T_count[j] * log_age[j]
        for j in range(len(then)):
            log_then[j] = np.log(alpha + then[j])
        for k in range(len(stays)):
            log_odds[k] = np.log(a / (b + k))
            f += stays[k] * np.log((b + k) / (a + b + k))
        for k in range(len(tail)):
            f += tail[k] * np.log(r + k)
        for i in range(len(x)):
            gone = log_odds[int(x[i]) + d - 1]
            odds = gone + (r + x[i]) * (log_age[at_T[i]] - log_then[at_then[i]])
            f += weight[i] * (max(odds, 0.0) + np.log(1 + np.exp(-abs(odds))))
        nll[draw] = -f
    return nll

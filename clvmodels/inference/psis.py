"""Pareto-smoothed importance sampling: weights one can trust, and a figure for whether one can.

Vehtari, Simpson, Gelman, Yao and Gabry (2024), Pareto smoothed importance sampling, Journal of
Machine Learning Research 25(72), 1-58. The largest weights are replaced by the expected order
statistics of a generalised Pareto distribution fitted to them; its shape k says how heavy their
tail is, and so how many draws an answer would take.
"""

from typing import Final

import numpy as np
from scipy.special import logsumexp, softmax

from clvmodels._typing import FloatArray

RELIABLE: Final = 0.7
"""Largest k at which smoothed weights can be relied on (Vehtari et al. 2024, section 3.2.4)."""

_TAIL_LEAST = 5  # fewer weights say nothing about their tail
_SAME = 1e-10  # log weights that differ by less are equal
_NOTHING = 1e-280  # a cutoff below this share of the largest weight loses its digits
_COLUMNS = 32  # the grid of one column takes 50 kB: a block stays in the cache


def smoothed(log_weights: FloatArray, axis: int = 0) -> tuple[FloatArray, FloatArray]:
    """Log weights smoothed and normalised to sum to one along `axis`, and the shape k of each tail.

    Where the largest weights are all the same there is no tail, and k is -inf; where fewer than
    five lie in the tail (fewer than 21 draws, or the same few over and over) it cannot be told,
    and k is inf. A weight may be zero (-inf), not all of them.
    """
    columns = np.moveaxis(np.asarray(log_weights, dtype=np.float64), axis, 0)
    flat = columns.reshape(len(columns), -1)
    out = np.empty_like(flat)
    k = np.empty(flat.shape[1])
    for first in range(0, flat.shape[1], _COLUMNS):
        block = slice(first, first + _COLUMNS)
        out[:, block], k[block] = _smoothed_block(flat[:, block])
    return np.moveaxis(out.reshape(columns.shape), 0, axis), k.reshape(columns.shape[1:])


def effective_size(log_weights: FloatArray, axis: int = 0) -> FloatArray:
    """How many equally weighted draws the normalised weights are worth: 1 / sum w^2."""
    return np.asarray(np.exp(-logsumexp(2 * log_weights, axis=axis)))


def _smoothed_block(log_weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    draws, count = log_weights.shape
    logs = log_weights - log_weights.max(axis=0)
    k = np.full(count, np.inf)
    size = int(np.ceil(min(draws / 5, 3 * np.sqrt(draws))))
    order = np.argsort(logs, axis=0, kind="stable")[-size - 1 :]
    top = np.take_along_axis(logs, order, axis=0)
    ratios = np.exp(top)
    cutoff = np.maximum(ratios[0], _NOTHING)
    in_tail = (ratios > cutoff).sum(axis=0)
    k[top[0] >= -_SAME] = -np.inf
    in_tail[top[0] >= -_SAME] = 0
    for n in np.unique(in_tail[in_tail >= _TAIL_LEAST]):
        which = np.flatnonzero(in_tail == n)
        k[which], tail = _smoothed_tail(ratios[-n:, which] - cutoff[which])
        logs[order[-n:, which], which] = np.log(np.minimum(tail + cutoff[which], 1.0))
    return logs - logsumexp(logs, axis=0), k


def _smoothed_tail(excess: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Shape of the tail of each column of sorted excesses, and their expected order statistics."""
    k, scale = _generalised_pareto(excess)
    n = len(excess)
    survived = -np.log1p(-np.arange(0.5, n) / n)[:, None]
    tiny = np.abs(k) < np.finfo(float).eps
    with np.errstate(over="ignore"):  # beyond the largest weight, where it is cut off anyway
        powers = np.expm1(k * survived) / np.where(tiny, 1.0, k)
        return k, scale * np.where(tiny, survived, powers)


def _generalised_pareto(excess: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Shape and scale of the generalised Pareto distribution of each column of sorted excesses.

    Zhang and Stephens (2009), A new and efficient estimation method for the generalized Pareto
    distribution, Technometrics 51(3), 316-325: the posterior mean of b = -k / scale over a grid.
    The shape is drawn towards 1/2 with the weight of ten observations, as in Vehtari et al.
    (2024), appendix G.
    """
    n = len(excess)
    grid = 30 + int(np.sqrt(n))
    largest, quartile = excess[-1], excess[int(n / 4 + 0.5) - 1]
    steps = 1 - np.sqrt(grid / np.arange(0.5, grid))
    b = 1 / largest + steps[:, None] / (3 * quartile)
    b[b == 0] = np.finfo(float).tiny  # an exponential distribution, approached
    k = np.log1p(-b[:, None] * excess).mean(axis=1)
    loglik = n * (np.log(-b / k) - k - 1)
    share = softmax(loglik, axis=0)
    share[share < 10 * np.finfo(float).eps] = 0
    b_mean = (b * share).sum(axis=0) / share.sum(axis=0)
    k_mean = np.log1p(-b_mean * excess).mean(axis=0)
    return (n * k_mean + 5) / (n + 10), -k_mean / b_mean

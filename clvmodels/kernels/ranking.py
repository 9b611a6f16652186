"""Sums over customers in the order of a value, for many rows of weights at once.

Customers with equal values form a group: ``order`` has the customers group after group, those of
group g from ``ends[g]`` to ``ends[g + 1]``. Weights are of shape (samples, customers).
"""

import numpy as np
from numba import njit

from clvmodels._typing import FloatArray, IntArray

__all__ = ["rank_moments", "totals_of_tenths", "weighted_ranks"]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def weighted_ranks(
    order: IntArray, ends: IntArray, w: FloatArray, values: FloatArray
) -> FloatArray:
    """Sum over customers of weight, value and mid-rank less the mean rank; of shape (samples,)."""
    out = np.empty(len(w))
    for k in range(len(w)):
        middle = w[k].sum() / 2
        upto = total = 0.0
        for g in range(len(ends) - 1):
            size = value = 0.0
            for i in order[ends[g] : ends[g + 1]]:
                size += w[k, i]
                value += w[k, i] * values[i]
            total += value * (upto + size / 2 - middle)
            upto += size
        out[k] = total
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def rank_moments(
    order: IntArray, ends: IntArray, other: IntArray, other_ends: IntArray, w: FloatArray
) -> FloatArray:
    """Sums of the products of two mid-ranks, less their means, and of their squares: (3, samples).

    The products first, then the squares of the first and of the second rank.
    """
    out = np.zeros((3, len(w)))
    rank = np.empty(w.shape[1])
    for k in range(len(w)):
        middle = w[k].sum() / 2
        upto = 0.0
        for g in range(len(ends) - 1):
            size = 0.0
            for i in order[ends[g] : ends[g + 1]]:
                size += w[k, i]
            here = upto + size / 2 - middle
            for i in order[ends[g] : ends[g + 1]]:
                rank[i] = here
            out[1, k] += size * here**2
            upto += size
        upto = 0.0
        for g in range(len(other_ends) - 1):
            size = ranks = 0.0
            for i in other[other_ends[g] : other_ends[g + 1]]:
                size += w[k, i]
                ranks += w[k, i] * rank[i]
            here = upto + size / 2 - middle
            out[0, k] += ranks * here
            out[2, k] += size * here**2
            upto += size
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def totals_of_tenths(
    order: IntArray, ends: IntArray, w: FloatArray, values: FloatArray
) -> FloatArray:
    """Weighted totals of values (columns, customers) in tenths: (columns, 10, samples).

    A group that straddles a border belongs to both tenths, in proportion.
    """
    columns = len(values)
    out = np.zeros((columns, 10, len(w)))
    own = np.empty(columns)
    for k in range(len(w)):
        total = w[k].sum()
        tenth, reached, border = 0, 0.0, total / 10
        for g in range(len(ends) - 1):
            size = 0.0
            own[:] = 0.0
            for i in order[ends[g] : ends[g + 1]]:
                size += w[k, i]
                for c in range(columns):
                    own[c] += w[k, i] * values[c, i]
            left = size
            while tenth < 9 and reached + left > border:
                part = border - reached
                for c in range(columns):
                    out[c, tenth, k] += own[c] * (part / size)
                left -= part
                reached = border
                tenth += 1
                border = total * (tenth + 1) / 10
            share = left / size if left < size else 1.0
            for c in range(columns):
                out[c, tenth, k] += own[c] * share
            reached += left
    return out

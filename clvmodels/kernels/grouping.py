"""Distinct rows of a small matrix, by hashing: the fast road to distinct customer histories."""

import numpy as np
from numba import njit

from clvmodels._typing import AnyArray, IntArray

_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: spreads neighbouring keys
_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


@njit(cache=True, nogil=True, inline="always")  # type: ignore[untyped-decorator]
def _hash(row: AnyArray) -> np.uint64:
    h = np.uint64(0)
    for key in row:
        h = (h ^ key) * _MIX
        h ^= h >> _HALF
    h *= _MIX
    return h ^ (h >> _HALF)


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def distinct_rows(keys: AnyArray) -> tuple[AnyArray, IntArray]:
    """Distinct rows of a C-ordered uint64 matrix, first seen first, and each row's place in them.

    Open addressing with linear probing. A slot packs the upper half of the hash with the group's
    number plus one (0: free), so most probes touch one cache line; the table starts small and
    doubles at half load, so few distinct rows stay in cache however long the matrix is.
    """
    n, width = keys.shape
    distinct = np.empty_like(keys)  # only the pages that are written cost memory
    group = np.empty(n, np.int64)
    groups = 0
    slots = np.zeros(1024, np.uint64)
    mask = np.uint64(slots.size - 1)
    for i in range(n):
        h = _hash(keys[i])
        tag = h & ~_LOW
        slot = h & mask
        g = np.int64(-1)
        while slots[slot] != 0:
            if slots[slot] & ~_LOW == tag:
                g = np.int64(slots[slot] & _LOW) - 1
                for j in range(width):
                    if distinct[g, j] != keys[i, j]:
                        g = np.int64(-1)
                        break
                if g >= 0:
                    break
            slot = (slot + np.uint64(1)) & mask
        if g < 0:
            g = np.int64(groups)
            groups += 1
            slots[slot] = tag | np.uint64(groups)
            for j in range(width):
                distinct[g, j] = keys[i, j]
            if 2 * groups > slots.size:
                slots = np.zeros(2 * slots.size, np.uint64)
                mask = np.uint64(slots.size - 1)
                for k in range(groups):
                    h = _hash(distinct[k])
                    slot = h & mask
                    while slots[slot] != 0:
                        slot = (slot + np.uint64(1)) & mask
                    slots[slot] = (h & ~_LOW) | np.uint64(k + 1)
        group[i] = g
    return distinct[:groups].copy(), group

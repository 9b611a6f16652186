"""Predictions over parameter draws and distinct histories, in blocks of bounded memory.

A quantity is a function ``evaluate(params, block)`` of parameters of shape (draws, 1) and a
`Block` of histories, with values of shape (draws, histories). Predictions are averaged over draws,
never taken at average parameters.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias, TypeVar, final

import numpy as np

from clvmodels._cores import usable_cores
from clvmodels._typing import FloatArray, IntArray, Params
from clvmodels.data.histories import Histories

ELEMENTS = 2_000_000  # numbers in one temporary array: 16 MB, over all blocks at work
CACHED = 250_000  # numbers in one that a core's cache holds: several times faster
_MOST_WORKERS = 4  # blocks at work: memory grows with each

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@final
@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Some histories, complete with the distinct (x, T) pairs they use.

    Attributes
    ----------
    rows : ndarray of shape (histories,)
        Which histories.
    x, t_x, T : ndarray of shape (histories,)
        The histories themselves.
    z : ndarray of shape (histories, columns)
        Their covariates.
    ages_x, ages_T : ndarray of shape (pairs,)
        Their distinct (x, T) pairs.
    pair : ndarray of shape (histories,)
        Index of each history's pair.
    """

    rows: IntArray
    x: FloatArray
    t_x: FloatArray
    T: FloatArray
    z: FloatArray
    ages_x: FloatArray
    ages_T: FloatArray  # noqa: N815
    pair: IntArray


Evaluate: TypeAlias = Callable[[Params, Block], FloatArray]


def blocks(histories: Histories, draws: int) -> Iterator[Block]:
    """Histories in the order of `histories.by_age`, in blocks for which `draws` values fit."""
    ages, order = histories.ages, histories.by_age
    pair = ages.inverse[order]
    step = max(1, ELEMENTS // (draws * _workers()))
    for start in range(0, len(order), step):
        rows, its_pair = order[start : start + step], pair[start : start + step]
        pairs = slice(its_pair[0], its_pair[-1] + 1)
        yield Block(
            rows=rows,
            x=histories.x[rows],
            t_x=histories.t_x[rows],
            T=histories.T[rows],
            z=histories.z[rows],
            ages_x=ages.x[pairs],
            ages_T=ages.T[pairs],
            pair=its_pair - its_pair[0],
        )


def draws_of(params: Params) -> int:
    """Number of draws."""
    return len(next(iter(params.values())))


def columns_at_once(draws: int) -> int:
    """How many customers of that many draws to take at a time, where it does not matter else."""
    return max(1, CACHED // draws)


def side_by_side(work: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """Results of the work on each item, in their order."""
    rest = iter(items)
    for first in rest:
        yield work(first)  # alone: compiles what several threads must not compile at once
        break
    with ThreadPoolExecutor(_workers()) as pool:
        yield from pool.map(work, rest)


def mean(evaluate: Evaluate, params: Params, histories: Histories) -> FloatArray:
    """Mean over draws, per history."""
    out = np.empty(len(histories))

    def average(block: Block) -> None:
        out[block.rows] = evaluate(params, block).mean(axis=0)

    for _ in side_by_side(average, blocks(histories, draws_of(params))):
        pass
    return out


def columnwise_quantiles(values: FloatArray, probabilities: tuple[float, ...]) -> FloatArray:
    """Quantiles of each column of (draws, columns)."""
    # a sort of contiguous rows is several times faster than np.quantile along axis 0
    ranked = np.sort(np.ascontiguousarray(values.T), axis=1)
    position = np.array(probabilities) * (ranked.shape[1] - 1)
    below = np.floor(position).astype(np.int64)
    above = np.minimum(below + 1, ranked.shape[1] - 1)
    low, high = ranked[:, below], ranked[:, above]
    share = np.broadcast_to(position - below, low.shape)
    between = low.copy()
    mixed = (low < high) & (share > 0)  # elsewhere 0 x inf would be NaN
    between[mixed] = (1 - share[mixed]) * low[mixed] + share[mixed] * high[mixed]
    return between.T


def _workers() -> int:
    return min(_MOST_WORKERS, usable_cores())

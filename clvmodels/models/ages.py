"""Quantities that depend on (x, T) alone, evaluated at as few ages as their smoothness allows.

Conditional on being alive, whatever a model predicts is analytic in log(c + T) for c around alpha.
Where many customers with the same x differ in age, it is evaluated at Chebyshev nodes and
interpolated: a base that joined over two years needs about twenty ages, not 730.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import numpy as np

from clvmodels._cores import usable_cores
from clvmodels._typing import FloatArray
from clvmodels.kernels import chebyshev
from clvmodels.models.averaging import CACHED, ELEMENTS

IfAlive: TypeAlias = Callable[[FloatArray, FloatArray], FloatArray]
"""x and T of shape (pairs,) to values of shape (draws, pairs)."""

_LOG_ACCURACY = 27.0  # relative errors of interpolated values: 2e-12


def over_ages(
    if_alive: IfAlive, x: FloatArray, T: FloatArray, shift: float, per_pair: int
) -> FloatArray:
    """Values of `if_alive` at the pairs (x, T), which are sorted by x, then T.

    Parameters
    ----------
    if_alive : callable
        Smooth in log(`shift` + T).
    x, T : ndarray of shape (pairs,)
    shift : float
        The smallest alpha: for a smaller one values are not smooth near T = 0.
    per_pair : int
        Numbers that an evaluation holds in memory per pair.

    Returns
    -------
    ndarray of shape (draws, pairs)
    """
    starts = np.flatnonzero(np.diff(x, prepend=-1.0))
    groups = [slice(i, j) for i, j in zip(starts, [*starts[1:], len(x)], strict=True)]
    nodes = [_nodes(T[group], shift) for group in groups]
    node_x = np.repeat(x[starts], [len(n) for n in nodes])
    node_T = np.concatenate(nodes)
    values = in_pieces(lambda some: if_alive(node_x[some], node_T[some]), len(node_x), per_pair)
    if len(node_x) == len(x):
        return values
    out = np.empty((len(values), len(x)))
    done = 0
    for group, its_nodes in zip(groups, nodes, strict=True):
        here = values[:, done : done + len(its_nodes)]
        done += len(its_nodes)
        if len(its_nodes) < group.stop - group.start:
            here = here @ chebyshev.weights(np.log(shift + its_nodes), np.log(shift + T[group]))
        out[:, group] = here
    return out


def in_pieces(evaluate: Callable[[slice], FloatArray], columns: int, per_column: int) -> FloatArray:
    """Evaluate in pieces that fit into memory, side by side on all cores where it is much work.

    Parameters
    ----------
    evaluate : callable
        A slice of the columns to values of shape (draws, columns in it).
    columns : int
    per_column : int
        Numbers that an evaluation holds in memory per column.

    Returns
    -------
    ndarray of shape (draws, columns)
    """
    first = evaluate(slice(0, 1))
    numbers = per_column * len(first)
    workers = usable_cores() if numbers * columns > ELEMENTS // 50 else 1
    step = max(1, min(CACHED // numbers, -(-columns // workers)))
    starts = range(1, columns, step)
    with ThreadPoolExecutor(workers) as pool:
        rest = pool.map(lambda i: evaluate(slice(i, i + step)), starts)
        return np.concatenate([first, *rest], axis=1)


def _nodes(T: FloatArray, shift: float) -> FloatArray:
    """Chebyshev nodes over the range of these ages, or the ages themselves if they are fewer."""
    low, high = np.log(shift + T[0]), np.log(shift + T[-1])
    count = chebyshev.how_many(high - low, _LOG_ACCURACY)
    if count >= len(T):
        return T
    out: FloatArray = np.exp(chebyshev.nodes(low, high, count)) - shift
    return out

"""Customers with the same history share every prediction, so work is done once per history."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self, final

import numpy as np

from clvmodels._typing import AnyArray, FloatArray, IntArray


@final
@dataclass(frozen=True, eq=False)
class Ages:
    """The distinct (x, T) pairs of some histories: all that counts once a customer is alive.

    Attributes
    ----------
    x, T : ndarray of shape (pairs,)
        Repeat purchases and age, sorted by x, then T (without covariates).
    inverse : ndarray of shape (histories,)
        Index of each history's pair.
    """

    x: FloatArray
    T: FloatArray
    inverse: IntArray

    def __len__(self) -> int:
        return len(self.x)

    def expand(self, values: AnyArray, axis: int = -1) -> AnyArray:
        """Values per pair, given back per history."""
        return np.take(values, self.inverse, axis=axis)


@final
@dataclass(frozen=True, eq=False)
class Histories:
    """The distinct (x, t_x, T, z) rows of some customers, in order of first occurrence.

    Attributes
    ----------
    x, t_x, T : ndarray of shape (histories,)
        Repeat purchases, age at the last one, and age.
    z : ndarray of shape (histories, columns)
        Covariates; no columns where there are none.
    weight : ndarray of shape (histories,)
        How many customers have each history.
    inverse : ndarray of shape (customers,)
        Index of each customer's history.

    Examples
    --------
    >>> histories = Histories.of([1, 0, 1], [2.5, 0, 2.5], [4, 4, 4])
    >>> len(histories), histories.weight, histories.inverse
    (2, array([2., 1.]), array([0, 1, 0]))
    >>> histories.expand(histories.x + 10)
    array([11., 10., 11.])
    """

    x: FloatArray
    t_x: FloatArray
    T: FloatArray
    z: FloatArray
    weight: FloatArray
    inverse: IntArray

    @classmethod
    def of(
        cls,
        x: AnyArray,
        t_x: AnyArray,
        T: AnyArray,
        weight: AnyArray | None = None,
        z: AnyArray | None = None,
    ) -> Self:
        """Group equal rows; `weight` says how many customers each given row stands for."""
        covariates = () if z is None else z.T
        (x, t_x, T, *columns), inverse = _distinct(x, t_x, T, *covariates)
        counts = np.bincount(inverse, weights=weight, minlength=len(x)).astype(np.float64)
        z = np.column_stack(columns) if columns else np.empty((len(x), 0))
        return cls(x, t_x, T, _read_only(z), _read_only(counts), inverse)

    def __len__(self) -> int:
        return len(self.x)

    def scaled(self, factor: float) -> "Histories":
        """The same histories with times in another unit, `factor` of which make one of these."""
        if factor == 1:
            return self
        t_x, T = _read_only(self.t_x * factor), _read_only(self.T * factor)
        return replace(self, t_x=t_x, T=T)

    def expand(self, values: AnyArray, axis: int = -1) -> AnyArray:
        """Values per history, given back per customer."""
        return np.take(values, self.inverse, axis=axis)

    @cached_property
    def ages(self) -> Ages:
        """The distinct (x, T) pairs among these histories; with covariates, each has its own."""
        if self.z.shape[1]:
            return Ages(self.x, self.T, _read_only(np.arange(len(self))))
        (x, T), inverse = _distinct(self.x, self.T)
        order = np.lexsort((T, x))
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        return Ages(_read_only(x[order]), _read_only(T[order]), _read_only(rank[inverse]))

    @cached_property
    def by_age(self) -> IntArray:
        """Order of the histories by x, then T."""
        return _read_only(np.argsort(self.ages.inverse, kind="stable"))


def _distinct(*columns: AnyArray) -> tuple[list[FloatArray], IntArray]:
    from clvmodels.kernels.grouping import distinct_rows

    keys = np.empty((len(columns[0]), len(columns)))
    for j, column in enumerate(columns):
        keys[:, j] = column
    keys += 0.0  # -0.0 and 0.0 are one value, but two bit patterns
    rows, inverse = distinct_rows(keys.view(np.uint64))
    values = rows.view(np.float64)
    return [_read_only(values[:, j].copy()) for j in range(len(columns))], _read_only(inverse)


def _read_only(values: AnyArray) -> AnyArray:
    values.setflags(write=False)
    return values

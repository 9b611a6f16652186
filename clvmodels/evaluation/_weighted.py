"""Weighted sums over customers: of all, and of those with equal values, in the values' order."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from clvmodels._typing import AnyArray, FloatArray, IntArray
from clvmodels.exceptions import DataError

Metric: TypeAlias = np.float64 | FloatArray
"""A number, or one per sample of weights."""

_TIE = 1e-12  # relative


class Order:
    """Values in ascending order, in groups of equal ones.

    Equal to twelve digits, that is: predictions that are the same but for rounding, such as those
    from summaries in days and in weeks, are tied.

    Weights are of shape (customers,) or (samples, customers).
    """

    __slots__ = ("_ends", "_order")

    def __init__(self, values: FloatArray) -> None:
        order: IntArray = np.argsort(values, kind="stable")
        ranked = values[order]
        starts = np.concatenate([[True], np.diff(ranked) > _TIE * np.abs(ranked[1:])])
        self._order, self._ends = order, np.append(np.flatnonzero(starts), len(order))

    def sums(self, amounts: FloatArray) -> FloatArray:
        """Sums of amounts of shape (customers,) in each group."""
        return np.add.reduceat(amounts[self._order], self._ends[:-1])

    def covariance(self, values: FloatArray, w: FloatArray) -> Metric:
        """Sum over customers of value times mid-rank, less the mean rank."""
        from clvmodels.kernels.ranking import weighted_ranks

        found = weighted_ranks(self._order, self._ends, _rows(w), values)
        return _as_weights(found, w)

    def moments(self, other: "Order", w: FloatArray) -> Sequence[Metric]:
        """Of the mid-ranks in two orders: sum of products, and of the squares of each."""
        from clvmodels.kernels.ranking import rank_moments

        places = (self._order, self._ends, other._order, other._ends)
        return [_as_weights(found, w) for found in rank_moments(*places, _rows(w))]

    def tenths(self, w: FloatArray, *values: FloatArray) -> Sequence[AnyArray]:
        """Totals of values in tenths of the customers, of shape (10,) or (10, samples).

        Where customers with equal values straddle a border, each belongs to both tenths in part.
        """
        from clvmodels.kernels.ranking import totals_of_tenths

        totals = totals_of_tenths(self._order, self._ends, _rows(w), np.array(values))
        return [_as_weights(found, w) for found in totals]


def _rows(w: FloatArray) -> FloatArray:
    return np.ascontiguousarray(np.atleast_2d(w))


def _as_weights(found: AnyArray, w: FloatArray) -> AnyArray:
    """Without the axis of samples, where the weights have none."""
    out: AnyArray = found if w.ndim == 2 else found[..., 0]
    return out


def from_zero(amounts: FloatArray) -> FloatArray:
    """Sums so far, beginning with 0."""
    return np.concatenate([[0.0], np.cumsum(amounts)])


def ratio(top: AnyArray | np.float64, bottom: AnyArray | np.float64) -> AnyArray:
    """Quotient, 0 where the divisor is."""
    out = np.zeros(np.shape(bottom))
    np.divide(top, bottom, out=out, where=np.not_equal(bottom, 0))
    quotient: AnyArray = out[()]
    return quotient


def checked(
    actual: ArrayLike, predicted: ArrayLike, weight: ArrayLike | None, samples: bool = True
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The three as arrays that fit together, or an error that says why they do not."""
    a, p = np.asarray(actual, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    w = np.ones(a.shape) if weight is None else np.asarray(weight, dtype=np.float64)
    fits = w.shape == a.shape or (samples and w.ndim == 2 and w.shape[1:] == a.shape)
    if a.ndim != 1 or a.shape != p.shape or not fits or not a.size:
        raise DataError(
            "A metric needs one actual and one predicted value (and weight) per customer; got "
            f"shapes {a.shape}, {p.shape} and {w.shape}."
        )
    for name, values in (("actual", a), ("predicted", p)):
        if bad := int((~np.isfinite(values)).sum()):
            raise DataError(
                f"{name} must be finite: broken by {bad:,} of {len(values):,} customers, first in "
                f"row {np.flatnonzero(~np.isfinite(values))[0]}. Leave them out, or fill them."
            )
    if w.size and not (w.min() >= 0 and (total := w.sum(-1)).min() > 0 and total.max() < np.inf):
        raise DataError("weight must be finite and not negative, and somebody must have some.")
    return a, p, w

"""Averages of a weighted customer base, and how sure they are."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from scipy import special

from clvmodels._typing import FloatArray
from clvmodels.models.fitted import probabilities


class Mean(NamedTuple):
    """An average of the base, with its standard error."""

    estimate: float
    se: float


def ratio(total: FloatArray, size: FloatArray, weight: FloatArray) -> Mean:
    """Ratio of two sums over customers; its error from how customers deviate from it."""
    whole = weight @ size
    estimate = (weight @ total) / whole
    return Mean(float(estimate), float(np.sqrt(weight @ (total - estimate * size) ** 2) / whole))


def median(values: FloatArray, weight: FloatArray) -> float:
    """Median of the values, each repeated `weight` times."""
    order = np.argsort(values)
    reached = np.cumsum(weight[order])
    low, high = (np.searchsorted(reached, reached[-1] / 2, side) for side in ("left", "right"))
    return float((values[order[low]] + values[order[min(high, len(order) - 1)]]) / 2)


def normal_quantile(level: float) -> float:
    """Half the width, in standard errors, of a normal interval."""
    return float(special.ndtri(probabilities(level)[1]))


def poisson_limits(counts: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """Exact limits for the mean of a Poisson count (Garwood 1936)."""
    tail, _ = probabilities(level)
    low = np.where(counts > 0, special.gammaincinv(np.where(counts > 0, counts, 1.0), tail), 0.0)
    return low, np.asarray(special.gammaincinv(counts + 1, 1 - tail), dtype=np.float64)


def add_in_quadrature(
    estimate: FloatArray, changes: Iterable[FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """Limits of an estimate from its changes as each input goes to its own limit.

    The method of variance estimates recovery: Zou and Donner (2008), Construction of confidence
    limits about effect measures, Statistics in Medicine 27(10), 1693-1702.
    """
    up, down = np.zeros_like(estimate), np.zeros_like(estimate)
    for change in changes:
        up += np.maximum(change, 0.0) ** 2
        down += np.minimum(change, 0.0) ** 2
    return estimate - np.sqrt(down), estimate + np.sqrt(up)

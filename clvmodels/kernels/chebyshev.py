"""Interpolation between Chebyshev nodes of the first kind.

Expectations are mixtures of powers of 1 + t / c, so in log(c + t) they are analytic and bounded
for imaginary parts below pi / 2. Interpolated between n nodes, the error falls by the sum of the
half axes of the ellipse of that height for each node.
"""

import numpy as np

from clvmodels._typing import FloatArray


def how_many(length: float, log_accuracy: float) -> int:
    """Nodes over an interval of this length for a relative error of e^-log_accuracy."""
    height = np.pi / max(length, 1e-9)
    return 2 + int(np.ceil(log_accuracy / np.log(height + np.hypot(1.0, height))))


def nodes(low: float, high: float, count: int) -> FloatArray:
    """The nodes between `low` and `high`, in increasing order."""
    out: FloatArray = 0.5 * (low + high) - 0.5 * (high - low) * np.cos(_angles(count))
    return out


def weights(at: FloatArray, points: FloatArray) -> FloatArray:
    """What values at the nodes `at` weigh in those at `points`: of shape (nodes, points).

    Barycentric; a point that is a node takes its value.
    """
    sign = (-1.0) ** np.arange(len(at)) * np.sin(_angles(len(at)))
    distance = points - at[:, None]
    hit = distance == 0
    share = sign[:, None] / np.where(hit, 1.0, distance)
    share = np.where(hit.any(axis=0), hit, share)
    out: FloatArray = share / share.sum(axis=0)
    return out


def _angles(count: int) -> FloatArray:
    return np.pi * (np.arange(count) + 0.5) / count

"""Functions shared by the kernels, each in a form that keeps its digits over its whole range."""

import numpy as np
from scipy import special as sp

from clvmodels._typing import FloatArray


def log_rising(z: FloatArray, n: FloatArray) -> FloatArray:
    """Log of z (z+1) ... (z+n-1), for z > 0 and n >= 0.

    By the beta function, since the difference of two log-gammas loses its digits for large z.
    """
    n, z = np.broadcast_arrays(n, z)
    positive = np.where(n > 0, n, 1.0)
    return np.where(n > 0, sp.gammaln(positive) - sp.betaln(z, positive), 0.0)


def nb_logpmf(n: FloatArray, r: FloatArray, odds: FloatArray) -> FloatArray:
    """Log P(N = n) of a Poisson count with a gamma rate; `odds` is exposure / scale, t / alpha."""
    return log_rising(r, n) - sp.gammaln(n + 1) - r * np.log1p(odds) + sp.xlogy(n, odds / (1 + odds))


def nb_sf(n: FloatArray, r: FloatArray, odds: FloatArray) -> FloatArray:
    """P(N >= n) for n >= 1, by the incomplete beta function: nothing is subtracted from one."""
    return sp.betainc(n, r, odds / (1 + odds))


def tail_counts(n: FloatArray, weight: FloatArray) -> FloatArray:
    """Weight of the rows with n > k, for k = 0, 1, ..., max(n) - 1.

    With it a sum over rows of sums over k < n is one sum over k: no log-gamma per row.
    """
    counts = np.bincount(n.astype(np.int64), weights=weight)
    return counts[::-1].cumsum()[::-1][1:]


def sum_log_rising(z: float, tail: FloatArray) -> tuple[float, float, float]:
    """Sum over rows of log z (z+1) ... (z+n-1), and its first and second derivative in z."""
    terms = z + np.arange(len(tail))
    inverse = 1 / terms
    return (
        float(tail @ np.log(terms)),
        float(tail @ inverse),
        -float(tail @ inverse**2),
    )

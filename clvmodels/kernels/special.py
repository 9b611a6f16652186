"""Functions shared by the kernels, each in a form that keeps its digits over its whole range."""

import numpy as np
from scipy import special as sp

from clvmodels._typing import FloatArray

_HALF_LOG_TAU = 0.5 * np.log(2 * np.pi)
_LARGE = 10.0  # from here on five terms of Stirling's series are exact to 1e-13


def stirling_error(z: FloatArray) -> FloatArray:
    """Log-gamma of z > 0 less its leading terms, (z - 1/2) log z - z + log(2 pi) / 2."""
    large = np.maximum(z, _LARGE)
    small = np.minimum(z, _LARGE)
    leading = (small - 0.5) * np.log(small) - small + _HALF_LOG_TAU
    return np.where(z < _LARGE, sp.gammaln(small) - leading, _stirling_series(large))


def _stirling_series(z: FloatArray) -> FloatArray:
    w = 1 / z**2
    out: FloatArray = (1 / 12 - w * (1 / 360 - w * (1 / 1260 - w * (1 / 1680 - w / 1188)))) / z
    return out


def log_rising(z: FloatArray, n: FloatArray) -> FloatArray:
    """Log of Gamma(z + n) / Gamma(z), z (z+1) ... (z+n-1) for whole n, for z > 0 and n >= 0.

    The difference of two log-gammas loses its digits for large z; there their leading terms are
    subtracted by hand.
    """
    large, small = np.maximum(z, _LARGE), np.minimum(z, _LARGE)
    leading = (large - 0.5) * np.log1p(n / large) + n * (np.log(large + n) - 1)
    by_hand = leading + (_stirling_series(large + n) - _stirling_series(large))
    return np.where(z < _LARGE, sp.gammaln(small + n) - sp.gammaln(small), by_hand)


def log_beta_peak(a: FloatArray, b: FloatArray) -> FloatArray:
    """Log of u^a (1-u)^b / B(a, b) at its maximum, u = a / (a + b)."""
    spread: FloatArray = 0.5 * np.log(a / (1 + a / b)) - _HALF_LOG_TAU
    return spread + stirling_error(a + b) - stirling_error(a) - stirling_error(b)


def log_beta_drop(a: FloatArray, b: FloatArray, odds: FloatArray) -> FloatArray:
    """Log of u^a (1-u)^b at u = odds / (1 + odds), less its value at the maximum.

    Loader's saddle-point form: for large a and b the two powers, of 1e8 each, would cancel.
    """
    excess = (odds * b - a) / (1 + odds)
    up = _log_near_one(excess / a, odds / (1 + odds) * (1 + b / a))
    down = _log_near_one(-excess / b, (1 + a / b) / (1 + odds))
    return a * up + b * down


def _log_near_one(y: FloatArray, one_plus_y: FloatArray) -> FloatArray:
    return np.where(np.abs(y) < 0.5, np.log1p(np.clip(y, -0.5, 0.5)), np.log(one_plus_y))


def nb_logpmf(n: FloatArray, r: FloatArray, odds: FloatArray) -> FloatArray:
    """Log P(N = n) of a Poisson count with a gamma rate; `odds` is exposure / scale, t / alpha."""
    return (
        log_rising(r, n) - sp.gammaln(n + 1) - r * np.log1p(odds) + sp.xlogy(n, odds / (1 + odds))
    )


def nb_sf(n: FloatArray, r: FloatArray, odds: FloatArray) -> FloatArray:
    """P(N >= n) for n >= 1, by the incomplete beta function: nothing is subtracted from one."""
    return np.asarray(sp.betainc(n, r, odds / (1 + odds)), dtype=np.float64)


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

"""Where to draw from, to be weighted to the posterior: around the mode, then around such draws."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from scipy.special import logsumexp

from clvmodels._typing import FloatArray, IntArray

LogDensity: TypeAlias = Callable[[FloatArray], FloatArray]
"""Positions of shape (n, dimension) to log densities (n,), up to a constant."""

_DEGREES = 8  # of freedom of Student's t: tails heavier than a normal's keep weights bounded
_ALONG = np.array([0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0])  # standard deviations from the mode
_WIDEST = 10.0
_KERNELS = 500


def around_mode(
    n: int, centre: FloatArray, factor: FloatArray, density: LogDensity, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Draws of a split Student's t at the mode, and their log density up to a constant.

    Geweke (1989), Bayesian inference in econometric models using Monte Carlo integration,
    Econometrica 57(6), 1317-1339, section 5: along either side of each axis it has the largest
    scale at which a normal falls as slowly as the density does somewhere on the way.
    """
    size = len(centre)
    steps = np.concatenate([-_ALONG, _ALONG])
    along = centre + (steps[:, None, None] * factor.T).reshape(-1, size)
    value = density(np.vstack([centre, along]))
    fall = np.maximum(value[0] - value[1:], 1e-3).reshape(2, len(_ALONG), size)
    scale = _ALONG[:, None] / np.sqrt(2 * fall)
    widths = np.clip(scale.max(axis=1), 1 / _WIDEST, _WIDEST)
    noise = _student(n, size, rng)
    width = np.where(noise < 0, widths[0], widths[1])
    log_q = _log_student((noise**2).sum(axis=1), size) - np.log(width).sum(axis=1)
    return centre + (noise * width) @ factor.T, log_q


def around_draws(
    n: int, draws: FloatArray, weights: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Draws of a mixture of Student's t around weighted draws, and their log density likewise.

    West (1993), Approximating posterior distributions by mixtures, Journal of the Royal Statistical
    Society B 55(2), 409-422: kernels shrunk towards the mean, so that the mixture keeps the
    variance of what it smooths.
    """
    size = draws.shape[1]
    mean = weights @ draws
    covariance = (draws - mean).T @ ((draws - mean) * weights[:, None])
    worth = 1 / float(weights @ weights)
    h = min(1.0, (4 / ((size + 2) * worth)) ** (1 / (size + 4)))  # Silverman's rule
    factor = h * _root(covariance)
    count = min(_KERNELS, n)
    centres = mean + np.sqrt(1 - h**2) * (draws[resampled(weights, count, rng)] - mean)
    own = centres[np.arange(n) % count]
    eta = own + _student(n, size, rng) @ factor.T
    off = np.linalg.solve(factor, (eta[:, None] - centres).reshape(-1, size).T)
    squares = (off**2).sum(axis=0).reshape(n, count)
    return eta, logsumexp(_log_student(squares, size), axis=1)


def resampled(weights: FloatArray, n: int, rng: np.random.Generator) -> IntArray:
    """Indices of `n` draws in random order, each as often as its weight says, to a fraction.

    Systematic resampling, which adds next to no noise.
    """
    places = (np.arange(n) + rng.random()) / n
    picked = np.searchsorted(np.cumsum(weights) / weights.sum(), places)
    return rng.permutation(np.minimum(picked, len(weights) - 1))


def _student(n: int, size: int, rng: np.random.Generator) -> FloatArray:
    noise = rng.standard_normal((n, size))
    return noise / np.sqrt(rng.chisquare(_DEGREES, (n, 1)) / _DEGREES)


def _log_student(squares: FloatArray, size: int) -> FloatArray:
    return -0.5 * (_DEGREES + size) * np.log1p(squares / _DEGREES)


def _root(covariance: FloatArray) -> FloatArray:
    """A factor of the covariance, of full rank even where few draws carry all the weight."""
    variance, axes = np.linalg.eigh(covariance)
    root: FloatArray = axes * np.sqrt(np.maximum(variance, 1e-6 * variance.max() + 1e-300))
    return root

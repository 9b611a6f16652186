"""Where to draw from, to be weighted to the posterior: around the mode, then around such draws."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, TypeAlias, final

import numpy as np
from scipy.special import logsumexp

from clvmodels._typing import FloatArray, IntArray

LogDensity: TypeAlias = Callable[[FloatArray], FloatArray]
"""Positions of shape (n, dimension) to log densities (n,), up to a constant."""

_DEGREES = 4  # of freedom of Student's t: tails heavy enough for posteriors of few customers
_ALONG = np.array([0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0])  # standard deviations from the mode
_WIDEST = 10.0
_KERNELS = 500
_AT_ONCE = 1000


class Proposal(Protocol):
    """A distribution to draw from, with a density that can be told anywhere."""

    def draw(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Draws of shape (n, dimension)."""
        ...

    def log_density(self, eta: FloatArray) -> FloatArray:
        """At positions of shape (n, dimension), up to a constant that all proposals share."""
        ...


@final
@dataclass(frozen=True, eq=False)
class AroundMode:
    """A split Student's t at the mode, wider on sides to which the posterior leans.

    Geweke (1989), Bayesian inference in econometric models using Monte Carlo integration,
    Econometrica 57(6), 1317-1339, section 5: along either side of each axis it has the largest
    scale at which a normal falls as slowly as the density does somewhere on the way.
    """

    centre: FloatArray
    factor: FloatArray
    widths: FloatArray

    @classmethod
    def of(cls, centre: FloatArray, factor: FloatArray, density: LogDensity) -> Self:
        """Look along the axes of `factor`, a factor of the covariance."""
        size = len(centre)
        steps = np.concatenate([-_ALONG, _ALONG])
        along = centre + (steps[:, None, None] * factor.T).reshape(-1, size)
        value = density(np.vstack([centre, along]))
        fall = np.maximum(value[0] - value[1:], 1e-3).reshape(2, len(_ALONG), size)
        scale = _ALONG[:, None] / np.sqrt(2 * fall)
        return cls(centre, factor, np.clip(scale.max(axis=1), 1 / _WIDEST, _WIDEST))

    def draw(self, n: int, rng: np.random.Generator) -> FloatArray:
        """See `Proposal.draw`."""
        noise = _student(n, len(self.centre), rng)
        out: FloatArray = self.centre + (noise * self._width(noise)) @ self.factor.T
        return out

    def log_density(self, eta: FloatArray) -> FloatArray:
        """See `Proposal.log_density`."""
        along: FloatArray = (eta - self.centre) @ np.linalg.inv(self.factor.T).astype(np.float64)
        width = self._width(along)
        squares = ((along / width) ** 2).sum(axis=1)
        scale = np.log(width).sum(axis=1) + np.linalg.slogdet(self.factor)[1]
        out: FloatArray = _log_student(squares, eta.shape[1]) - scale
        return out

    def _width(self, along: FloatArray) -> FloatArray:
        out: FloatArray = np.where(along < 0, self.widths[0], self.widths[1])
        return out


@final
@dataclass(frozen=True, eq=False)
class AroundDraws:
    """A mixture of Student's t around weighted draws, which follows whatever shape they have.

    West (1993), Approximating posterior distributions by mixtures, Journal of the Royal Statistical
    Society B 55(2), 409-422: kernels shrunk towards the mean, so that the mixture keeps the
    variance of what it smooths.
    """

    centres: FloatArray
    factor: FloatArray

    @classmethod
    def of(cls, draws: FloatArray, weights: FloatArray, rng: np.random.Generator) -> Self:
        """Kernels around some of the draws, chosen by their weights."""
        size = draws.shape[1]
        mean = weights @ draws
        covariance = (draws - mean).T @ ((draws - mean) * weights[:, None])
        worth = 1 / float(weights @ weights)
        h = min(1.0, (4 / ((size + 2) * worth)) ** (1 / (size + 4)))  # Silverman's rule
        kept = draws[resampled(weights, min(_KERNELS, len(draws)), rng)]
        return cls(mean + np.sqrt(1 - h**2) * (kept - mean), h * _root(covariance))

    def draw(self, n: int, rng: np.random.Generator) -> FloatArray:
        """See `Proposal.draw`."""
        own = self.centres[np.arange(n) % len(self.centres)]
        out: FloatArray = own + _student(n, own.shape[1], rng) @ self.factor.T
        return out

    def log_density(self, eta: FloatArray) -> FloatArray:
        """See `Proposal.log_density`."""
        size = eta.shape[1]
        scale = np.log(len(self.centres)) + np.linalg.slogdet(self.factor)[1]
        out = np.empty(len(eta))
        for start in range(0, len(eta), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            gaps = (eta[some, None] - self.centres).reshape(-1, size)
            squares = (np.linalg.solve(self.factor, gaps.T) ** 2).sum(axis=0)
            logs = _log_student(squares, size).reshape(-1, len(self.centres))
            out[some] = logsumexp(logs, axis=1) - scale
        return out


def log_mixture(proposals: Sequence[Proposal], eta: FloatArray) -> FloatArray:
    """Log density of equally many draws of each proposal, all taken together.

    Veach and Guibas (1995), Optimally combining sampling techniques for Monte Carlo rendering,
    SIGGRAPH 95, 419-428: the balance heuristic, by which no draw weighs more than under the
    proposal that likes it best.
    """
    each = np.array([proposal.log_density(eta) for proposal in proposals])
    out: FloatArray = logsumexp(each, axis=0) - np.log(len(proposals))
    return out


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

"""Draws from a normal approximation at the mode, weighted to those of the posterior."""

import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from clvmodels._cores import usable_cores
from clvmodels._typing import FloatArray, IntArray
from clvmodels.bayes.density import Density
from clvmodels.bayes.map import mode
from clvmodels.bayes.posterior import Draws
from clvmodels.bayes.priors import Priors
from clvmodels.exceptions import FitError, FitWarning, ParameterError
from clvmodels.inference.estimate import Estimate, Sampling
from clvmodels.inference.problem import Problem
from clvmodels.inference.psis import RELIABLE, effective_size, smoothed

_DEGREES = 8  # of freedom of the proposals: tails heavier than a normal's keep weights bounded
_ALONG = np.array([0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0])  # standard deviations from the mode
_WIDEST = 10.0
_FEW = 100.0  # independent draws below which interval ends wander


@final
@dataclass(frozen=True, slots=True)
class Laplace:
    """The posterior in well under a second: a normal at its mode, corrected by importance weights.

    Draws come from Student's t distribution around the mode with the curvature there, wider on
    sides to which the posterior leans; weights by the exact posterior density, Pareto-smoothed, turn them into draws of the posterior
    itself. The diagnostics give Pareto's k-hat, which says whether that worked (at most 0.7), and
    how many independent draws the result is worth. If it did not, use `MCMC`.

    Parameters
    ----------
    draws : int
        Kept, equally weighted.
    psis : bool
        Without it, draws are those of the normal approximation as it is.
    seed : int
        The same seed gives the same draws.
    priors : mapping of str to Prior or Flat, optional
        By quantity; those not named have their default. `describe_priors` lists them.
    strict : bool
        Raise where k-hat exceeds 0.7 or the mode was not found, instead of warning.

    Raises
    ------
    ParameterError
        If `draws` is less than 1, or a prior is for an unknown quantity.
    FitError
        With ``strict=True``, if the draws are not to be relied on.

    References
    ----------
    Vehtari, Simpson, Gelman, Yao and Gabry (2024), Pareto smoothed importance sampling, Journal of
    Machine Learning Research 25(72), 1-58.

    Examples
    --------
    >>> import clvmodels as clv
    >>> fit = clv.BetaGeoModel().fit(clv.datasets.load_cdnow_summary(), Laplace(seed=1))
    >>> fit.diagnostics.sampling.pareto_k < 0.7, round(fit.params["r"], 2)
    (True, 0.24)
    """

    draws: int = 1000
    psis: bool = True
    seed: int = 0
    priors: Priors | None = None
    strict: bool = False

    def __post_init__(self) -> None:
        check_count("draws", self.draws)

    def estimate(self, problem: Problem) -> Estimate:
        """Draw from the posterior of `problem`."""
        at_mode, known = mode(problem, self.priors, self.strict)
        density = Density(problem, known)
        centre, factor = gaussian_at(at_mode, density)
        rng = np.random.default_rng(seeds(self.seed, problem.model))
        noise = rng.standard_normal((self.draws, len(centre)))
        if not self.psis:
            eta = centre + noise @ factor.T
            log_lik = _log_likelihoods(problem, density, eta)
            sampling = Sampling(self.draws, 1, float(self.draws))
            return self._finished(at_mode, density, eta, log_lik, sampling)
        noise /= np.sqrt(rng.chisquare(_DEGREES, (self.draws, 1)) / _DEGREES)
        widths = _widths(problem, density, centre, factor)
        width = np.where(noise < 0, widths[0], widths[1])
        eta = centre + (noise * width) @ factor.T
        log_lik = _log_likelihoods(problem, density, eta)
        power = -0.5 * (_DEGREES + len(centre))
        proposal = power * np.log1p((noise**2).sum(axis=1) / _DEGREES) - np.log(width).sum(axis=1)
        weights, k = smoothed(log_lik + known.log_density(eta) - proposal)
        kept = _resampled(np.exp(weights), self.draws, rng)
        sampling = Sampling(
            self.draws, 1, float(effective_size(weights)), pareto_k=max(float(k), 0.0)
        )
        return self._finished(at_mode, density, eta[kept], log_lik[kept], sampling)

    def _finished(
        self,
        at_mode: Estimate,
        density: Density,
        eta: FloatArray,
        log_lik: FloatArray,
        sampling: Sampling,
    ) -> Estimate:
        notes = list(at_mode.diagnostics.notes)
        k = sampling.pareto_k
        if k is not None and k > RELIABLE:
            notes.append(
                f"Pareto k-hat is {k:.2f}, above {RELIABLE}: the posterior is too far from a "
                "normal distribution for these draws. Fit with MCMC()."
            )
        elif sampling.ess < _FEW <= self.draws:
            notes.append(
                f"The draws are worth {sampling.ess:,.0f} independent ones only: ask for more, or "
                "fit with MCMC()."
            )
        good = at_mode.diagnostics.converged and not (k is not None and k > RELIABLE)
        diagnostics = replace(
            at_mode.diagnostics,
            converged=good,
            notes=tuple(notes),
            sampling=sampling,
            boundary=(),
        )
        if not good:
            if self.strict:
                raise FitError(str(diagnostics))
            warnings.warn(str(diagnostics), FitWarning, stacklevel=5)
        draws = Draws(
            density,
            positions=eta[None],
            log_lik=log_lik,
            seed=self.seed,
        )
        name = f"Laplace(draws={self.draws}, psis={self.psis}, seed={self.seed})"
        return draws.estimate(name, diagnostics)


def gaussian_at(at_mode: Estimate, density: Density) -> tuple[FloatArray, FloatArray]:
    """Mode and a factor of the covariance there, both in eta.

    Raises
    ------
    FitError
        If the posterior has no maximum to speak of: flat priors where the data say nothing.
    """
    logs = np.log(list(at_mode.means.values()))
    if at_mode.covariance is None:
        raise FitError(
            f"The posterior has no proper mode: {at_mode.covariance_note} Give these quantities a "
            "prior."
        )
    slope, _ = density.traits.slopes(logs)
    covariance = slope @ at_mode.covariance @ slope.T
    variance, axes = np.linalg.eigh(covariance)
    return density.traits.forward(logs), axes * np.sqrt(variance)


def seeds(seed: int, model: str) -> list[int]:
    """Seeds that differ by model: draws of purchases and of spend may be paired one by one."""
    return [seed, zlib.crc32(model.encode())]


def check_count(name: str, value: object, least: int = 1) -> None:
    """A whole number of at least `least`, or an error that says so."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ParameterError(f"{name} must be a whole number, at least {least}, got {value!r}.")


def _widths(
    problem: Problem, density: Density, centre: FloatArray, factor: FloatArray
) -> FloatArray:
    """How much wider than the normal the posterior is on either side of each axis.

    Geweke (1989), Bayesian inference in econometric models using Monte Carlo integration,
    Econometrica 57(6), 1317-1339, section 5: the largest scale at which a normal falls as slowly as
    the density does somewhere on the way.
    """
    size = len(centre)
    steps = np.concatenate([-_ALONG, _ALONG])
    eta = centre + (steps[:, None, None] * factor.T).reshape(-1, size)
    eta = np.vstack([centre, eta])
    value = _log_likelihoods(problem, density, eta) + density.priors.log_density(eta)
    fall = np.maximum(value[0] - value[1:], 1e-3).reshape(2, len(_ALONG), size)
    scale = np.abs(_ALONG)[:, None] / np.sqrt(2 * fall)
    widths: FloatArray = np.clip(scale.max(axis=1), 1 / _WIDEST, _WIDEST)
    return widths


def _log_likelihoods(problem: Problem, density: Density, eta: FloatArray) -> FloatArray:
    """Log-likelihood at each of many eta, on all cores; minus infinity far outside."""
    terms = problem.compile(problem.data, problem.weight)
    logs = density.traits.back(eta)

    def one(position: FloatArray) -> float:
        value = -terms(np.exp(position))[0]
        return value if np.isfinite(value) else -np.inf

    with ThreadPoolExecutor(usable_cores()) as pool:
        return np.array(list(pool.map(one, logs)))


def _resampled(weights: FloatArray, n: int, rng: np.random.Generator) -> IntArray:
    """Indices of `n` draws in random order, each as often as its weight says, to a fraction.

    Systematic resampling, which adds next to no noise.
    """
    places = (np.arange(n) + rng.random()) / n
    picked = np.searchsorted(np.cumsum(weights) / weights.sum(), places)
    return rng.permutation(np.minimum(picked, len(weights) - 1))

"""Draws from a normal approximation at the mode, weighted to those of the posterior."""

import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from clvmodels._cores import usable_cores
from clvmodels._notebook import described
from clvmodels._numbers import whole_number
from clvmodels._typing import FloatArray
from clvmodels.bayes.density import OUTERMOST, Density
from clvmodels.bayes.map import mode
from clvmodels.bayes.posterior import Draws
from clvmodels.bayes.priors import Priors
from clvmodels.bayes.proposals import AroundDraws, AroundMode, Proposal, log_mixture, resampled
from clvmodels.exceptions import FitError, FitWarning
from clvmodels.inference.estimate import Estimate, Sampling
from clvmodels.inference.problem import Problem
from clvmodels.inference.psis import RELIABLE, effective_size, smoothed

_GOOD = 0.5  # k-hat at which draws around the mode do
_REFINEMENTS = 2
_TOO_FEW = 20.0  # draws that say next to nothing of where others should be
_FEW = 100.0  # independent draws below which interval ends wander


@final
@dataclass(frozen=True, slots=True)
class Laplace:
    """The posterior in well under a second: a normal at its mode, corrected by importance weights.

    Draws come from Student's t distribution around the mode with the curvature there, wider on
    sides to which the posterior leans, and where that does not do, around such draws once more;
    weights by the exact posterior density, Pareto-smoothed,
    turn them into draws of the posterior itself. The diagnostics give Pareto's k-hat, which says
    whether that worked (at most 0.7), and how many independent draws the result is worth. If it did
    not, use `MCMC`.

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
        whole_number("draws", self.draws, 1)
        whole_number("seed", self.seed, 0)

    def estimate(self, problem: Problem) -> Estimate:
        """Draw from the posterior of `problem`."""
        at_mode, known = mode(problem, self.priors, self.strict)
        density = Density(problem, known)
        centre, factor = gaussian_at(at_mode, density)
        rng = np.random.default_rng(seeds(self.seed, problem.model))

        def posterior(eta: FloatArray) -> FloatArray:
            return _log_likelihoods(density, eta) + known.log_density(eta)

        if not self.psis:
            eta = centre + rng.standard_normal((self.draws, len(centre))) @ factor.T
            log_lik = _log_likelihoods(density, eta)
            sampling = Sampling(self.draws, 1, float(self.draws))
            return self._finished(at_mode, density, eta, log_lik, sampling)
        proposals: list[Proposal] = [AroundMode.of(centre, factor, posterior)]
        eta = proposals[0].draw(self.draws, rng)
        log_p = posterior(eta)
        weights, k = smoothed(log_p - log_mixture(proposals, eta))
        for _ in range(_REFINEMENTS):
            if k <= _GOOD or effective_size(weights) < _TOO_FEW:
                break
            proposals.append(AroundDraws.of(eta, np.exp(weights), rng))
            more = proposals[-1].draw(self.draws, rng)
            eta, log_p = np.vstack([eta, more]), np.concatenate([log_p, posterior(more)])
            weights, k = smoothed(log_p - log_mixture(proposals, eta))
        kept = resampled(np.exp(weights), self.draws, rng)
        worth = min(float(effective_size(weights)), float(self.draws))
        sampling = Sampling(self.draws, 1, worth, pareto_k=max(float(k), 0.0))
        log_lik = (log_p - known.log_density(eta))[kept]
        return self._finished(at_mode, density, eta[kept], log_lik, sampling)

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

    _repr_html_ = described


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


def _log_likelihoods(density: Density, eta: FloatArray) -> FloatArray:
    """Log-likelihood at each of many eta, on all cores; minus infinity far outside."""
    logs = density.traits.back(eta)
    inside = (np.abs(logs) < OUTERMOST).all(axis=1)
    out = np.full(len(eta), -np.inf)
    theta = np.exp(logs[inside])
    cores = max(1, min(usable_cores(), len(theta)))

    def values(some: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):  # Hessians that nobody needs may overflow
            return density.sums.values(some)

    with ThreadPoolExecutor(cores) as pool:
        value = -np.concatenate(list(pool.map(values, np.array_split(theta, cores))))
    out[inside] = np.where(np.isfinite(value), value, -np.inf)
    return out

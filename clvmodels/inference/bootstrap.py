"""Resample customers, fit again."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from clvmodels._notebook import described
from clvmodels.exceptions import FitError, ParameterError
from clvmodels.inference.estimate import Estimate
from clvmodels.inference.mle import MLE
from clvmodels.inference.newton import minimise
from clvmodels.inference.problem import Problem


@final
@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Maximum likelihood, with its sampling distribution from resampled customers.

    The estimate is that of `MLE`; standard errors and intervals come from refitting `n` samples
    of customers drawn with replacement. Resampling acts on the weights of the distinct histories,
    so a refit costs no more than they do, and starts from the maximum.

    Parameters
    ----------
    n : int
        Number of resamples.
    seed : int
        Seed of the resampling.
    progress : bool
        Show a progress bar.

    Raises
    ------
    ParameterError
        If `n` is less than 2.

    References
    ----------
    Efron (1979), Bootstrap methods: another look at the jackknife, Annals of Statistics 7(1), 1-26.

    Examples
    --------
    >>> import clvmodels as clv
    >>> rfm = clv.datasets.load_cdnow_summary()
    >>> fit = clv.BetaGeoModel().fit(rfm, Bootstrap(n=20, seed=1))
    >>> len(fit.estimate.replicates["alpha"]), round(fit.params["alpha"], 3)
    (20, 4.414)
    """

    n: int = 200
    seed: int = 0
    progress: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.n, int) or self.n < 2:
            raise ParameterError(f"Bootstrap needs n >= 2 resamples, a whole number: {self.n!r}.")

    def estimate(self, problem: Problem) -> Estimate:
        """Fit `problem`, then its resamples."""
        from rich.progress import track

        fitted = MLE().estimate(problem)
        start = np.array(list(fitted.means.values()))
        rng = np.random.default_rng(self.seed)
        counts = np.round(problem.weight).astype(np.int64)
        if not np.allclose(counts, problem.weight):
            raise FitError("Bootstrap resamples customers, so weights must be whole numbers.")
        draws = []
        share = counts / counts.sum()
        for _ in track(range(self.n), "Bootstrap", disable=not self.progress):
            weight = rng.multinomial(counts.sum(), share).astype(np.float64)
            optimum = minimise(problem.reweighted(weight).objective(), start, problem.limits)
            draws.append(optimum.log_params)
        logs = np.array(draws)
        return replace(
            fitted,
            method=f"Bootstrap(n={self.n}, seed={self.seed})",
            covariance=None if fitted.diagnostics.boundary else np.cov(logs.T),
            replicates={k: np.exp(logs[:, [i]]) for i, k in enumerate(problem.names)},
        )

    _repr_html_ = described

"""What every fitted model has, whatever its role: parameters, fit statistics, a summary."""

from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy.special import ndtri

from clvmodels._notebook import captioned, headed
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import DataError, FitError, ParameterError
from clvmodels.inference.estimate import Diagnostics, Estimate, Posterior
from clvmodels.inference.groups import Groups
from clvmodels.inference.problem import Parameter, Problem
from clvmodels.inference.traits import Block

if TYPE_CHECKING:
    import pandas as pd

_SUITS = {
    "RetentionTable": "Contracts are for ShiftedBetaGeoModel and its relatives.",
    "OpportunitySummary": "Opportunities are for BetaGeoBetaBinomModel.",
    "TimeVaryingSummary": (
        "Covariates that change over time are for TimeVaryingParetoNBDModel; its .rfm is the "
        "summary without them."
    ),
}
INTERVAL_DRAWS = 200  # parameter draws behind an interval: its ends move by about 5 % of its width


@dataclass(frozen=True, eq=False, repr=False)
class FittedModel:
    """Parameters with their uncertainty; the base of the fitted classes of each role.

    Attributes
    ----------
    estimate : Estimate
        What the method returned.
    """

    estimate: Estimate

    @property
    def _parameters(self) -> tuple[Parameter, ...]:
        raise NotImplementedError

    @property
    def _title(self) -> str:
        raise NotImplementedError

    @property
    def params(self) -> dict[str, float]:
        """Parameter values by name (posterior means, where there are draws)."""
        return self.estimate.means

    @property
    def loglik(self) -> float:
        """Log-likelihood at the estimates, in the time unit and currency of the data.

        Raises
        ------
        FitError
            If the parameters were given, not fitted.
        """
        if self.estimate.loglik is None:
            raise FitError("These parameters were given, not fitted: there is no log-likelihood.")
        return self.estimate.loglik

    def _loglik_of(self, problem: Problem) -> float:
        """Log-likelihood of a problem's data at the estimates, each row at those of its group."""
        total = 0.0
        for group, part in problem.by_code():
            theta = self.estimate.means_of(group)
            total += part.loglik(part.objective()(theta)[0], theta)
        return total

    @property
    def posterior(self) -> Any:
        """The posterior in ArviZ's own container, with named dims.

        InferenceData with ArviZ 0.x, DataTree with 1.x: posterior (parameters, and the traits that
        priors are about), prior (unless one is flat), sample_stats, observed_data (distinct
        histories), and log_likelihood per customer, those of one history side by side, as long as
        it has at most 50 million numbers. For ``az.plot_trace``, ``az.summary``, ``az.loo``, ...

        Raises
        ------
        FitError
            If the fit has no posterior: it is of another method, or was saved or copied, which
            keeps the draws of the parameters but not the data.
        """
        return self._bayes.container

    @property
    def pymc_model(self) -> Any:
        """The fitted model as a PyMC model, on distinct weighted histories.

        Raises
        ------
        FitError
            As for `posterior`, or if there is no PyMC rendering of this model.
        """
        return self._bayes.pymc_model

    @property
    def _bayes(self) -> Posterior:
        if self.estimate.posterior is None:
            raise FitError(
                f"This fit ({self.estimate.method}) has no posterior at hand. Fit with MCMC() or "
                "Laplace(); saved and copied fits keep the draws, not the data."
            )
        return self.estimate.posterior

    @property
    def aic(self) -> float:
        """Akaike's information criterion, 2 k - 2 loglik.

        Raises
        ------
        FitError
            Of a posterior: priors and groups leave no number of parameters to count. See `clv.loo`.
        """
        self._no_posterior("AIC")
        return 2 * len(self.estimate.names) - 2 * self.loglik

    @property
    def bic(self) -> float:
        """Schwarz's information criterion, k ln(customers) - 2 loglik; see `aic`."""
        self._no_posterior("BIC")
        deviance = -2 * self.loglik
        return len(self.estimate.names) * float(np.log(self.estimate.customers)) + deviance

    def _no_posterior(self, criterion: str) -> None:
        if self.estimate.is_sample:
            raise FitError(
                f"{criterion} counts parameters, which priors and groups leave uncounted. Compare "
                "posteriors by clv.loo(fit, data)."
            )

    @property
    def diagnostics(self) -> Diagnostics:
        """How the fit went."""
        return self.estimate.diagnostics

    def summary(self, level: float = 0.9) -> "pd.DataFrame":
        """Estimates with standard errors and intervals, one row per parameter.

        Parameters
        ----------
        level : float
            Probability of the intervals, which are symmetric on the log scale; of a posterior they
            lie between quantiles of the draws. With groups, the typical group.

        Returns
        -------
        DataFrame
            Columns parameter, estimate, se, lo, hi, meaning. ``se``, ``lo`` and ``hi`` are empty
            (NaN) where the data give none; ``diagnostics.notes`` says why.
        """
        import pandas as pd

        tails = probabilities(level)
        z = float(ndtri(tails[1]))
        value = np.array(list(self.params.values()))
        covariance, spread = self.estimate.covariance, self.estimate.spread
        if covariance is not None:
            se_log = np.sqrt(np.diag(covariance))
        elif spread is not None:
            loose = [name in self.diagnostics.boundary for name in self.params]
            se_log = np.where(loose, np.nan, np.linalg.norm(spread, axis=1))
        else:
            se_log = np.full(len(value), np.nan)
        if self.estimate.is_sample:
            draws = np.array([v[:, 0] for v in self.estimate.point.values()])
            se, (low, high) = draws.std(axis=1), np.quantile(draws, tails, axis=1)
        else:
            se, low, high = value * se_log, value * np.exp(-z * se_log), value * np.exp(z * se_log)
        return pd.DataFrame(
            {
                "parameter": [p.name for p in self._parameters],
                "estimate": value,
                "se": se,
                "lo": low,
                "hi": high,
                "meaning": [p.meaning for p in self._parameters],
            }
        )

    def group_summary(self, level: float = 0.9) -> "pd.DataFrame":
        """What each group is like, and how far its estimate leans on the other groups.

        One row per group and trait: the unit-free quantities that priors are about, such as the
        mean number of purchases over the median T.

        Parameters
        ----------
        level : float
            Probability of the intervals, which lie between quantiles of the draws.

        Returns
        -------
        DataFrame
            The group columns; customers fitted; trait and its meaning; estimate (posterior mean)
            with sd, lo and hi; ``alone``, what the group would have had if fitted by itself (the
            mode, with the same priors); ``population``, the typical group; and ``shrinkage``, the
            share of the way from ``alone`` to the population that the estimate has gone, on the
            scale of the priors (logarithms, or log odds of a share): 0 where a group keeps its
            own, 1 where it takes over the population's. It is empty (NaN) where that way is
            shorter than one posterior sd of the group. ``alone`` and ``shrinkage`` are empty too
            where the group has no mode of its own, and in fits that were saved or copied, which
            keep no data.

        Raises
        ------
        FitError
            If the fit has no groups.
        """
        from clvmodels.models.group_summary import group_summary

        return group_summary(self.estimate, *self._pooled, level)

    @property
    def _pooled(self) -> tuple[Groups | None, tuple[Block, ...]]:
        """The groups that parameters were pooled over, and the traits that they differ in."""
        return None, ()

    def __sklearn_clone__(self) -> Self:
        # what never changes is its own copy
        return self

    def __repr__(self) -> str:
        values = ", ".join(f"{k} {v:.4g}" for k, v in self.params.items())
        lines = [f"{self._title}: {values}"]
        if self.estimate.loglik is not None:
            lines.append(
                f"{self.estimate.method} on {self.estimate.customers:,.0f} customers, "
                f"log-likelihood {self.loglik:,.2f}"
            )
        if self.diagnostics.sampling is not None:
            lines.append(str(self.diagnostics.sampling))
        lines += [f"- {note}" for note in self.diagnostics.notes]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        parameters = captioned(self.summary(), "Parameters, with 90 % intervals")
        return headed(*repr(self).splitlines()) + parameters


def check_level(level: float) -> float:
    """A probability strictly between 0 and 1, or an error that says so."""
    if not (isinstance(level, Real) and 0 < level < 1):
        raise ParameterError(
            f"level is the probability of an interval, between 0 and 1: {level!r}."
        )
    return level


def check_quantile(quantile: float) -> float:
    """A probability strictly between 0 and 1, or an error that says so."""
    if not (isinstance(quantile, Real) and 0 < quantile < 1):
        raise ParameterError(f"quantile is a probability between 0 and 1: {quantile!r}.")
    return quantile


def probabilities(level: float) -> tuple[float, float]:
    """Lower and upper tail probability of a central interval."""
    return (1 - check_level(level)) / 2, (1 + level) / 2


def check_summary(data: object) -> RFMSummary:
    """The summary itself, or an error that says how to make one, or which model suits the data."""
    if not isinstance(data, RFMSummary):
        kind = type(data).__name__
        remedy = _SUITS.get(
            kind,
            "Make one with RFMSummary.from_frame(table, time_unit=...), or from a log with "
            "rfm_summary.",
        )
        raise DataError(f"This model takes an RFMSummary, got {kind}. {remedy}")
    return data

"""The mode of the posterior."""

import warnings
from dataclasses import dataclass, replace
from typing import final

from clvmodels._notebook import described
from clvmodels.bayes.priors import Priors, TraitPriors
from clvmodels.exceptions import FitError, FitWarning, ParameterError
from clvmodels.inference.estimate import Estimate
from clvmodels.inference.mle import best_of_starts, describe
from clvmodels.inference.problem import Problem


@final
@dataclass(frozen=True, slots=True)
class MAP:
    """Mode of the posterior: maximum likelihood with weak priors on interpretable quantities.

    The priors are about unit-free quantities, such as the mean number of purchases over the median
    T, so that the estimate is the same in weeks and days, in dollars and cents. Data that leave a
    parameter open (nobody dropped out, ten customers) give a moderate one instead of infinity. The
    mode is that on the scale of logarithms (of shares: log odds), on which the priors are normal;
    with ``Flat()`` priors it is the maximum of the likelihood.

    Parameters
    ----------
    priors : mapping of str to Prior or Flat, optional
        By quantity; those not named have their default. `describe_priors` lists them.
    strict : bool
        Raise where the search did not converge, instead of warning.

    Raises
    ------
    ParameterError
        If a prior is for an unknown quantity.
    FitError
        With ``strict=True``, if the search did not converge.

    Examples
    --------
    >>> import clvmodels as clv
    >>> rfm = clv.datasets.load_cdnow_summary()
    >>> fit = clv.BetaGeoModel().fit(rfm, MAP(priors={"dropout": clv.Prior(0.2, factor=2)}))
    >>> {name: round(value, 3) for name, value in fit.params.items()}
    {'r': 0.243, 'alpha': 4.433, 'a': 0.802, 'b': 2.493}
    """

    priors: Priors | None = None
    strict: bool = False

    def estimate(self, problem: Problem) -> Estimate:
        """Maximise the posterior density of `problem`."""
        estimate, _ = mode(problem, self.priors, self.strict)
        return replace(estimate, method="MAP")

    _repr_html_ = described


def mode(
    problem: Problem, priors: Priors | None, strict: bool = False, grouped: bool = False
) -> tuple[Estimate, TraitPriors]:
    """The mode with its curvature, and the priors that went into it."""
    known = priors_of(problem, priors, grouped)
    whole = replace(problem, penalty=known.penalty(problem.traits))
    estimate = describe(whole, *best_of_starts(whole))
    if not estimate.diagnostics.converged:
        message = f"The search for the mode did not converge. {estimate.diagnostics}"
        if strict:
            raise FitError(message)
        warnings.warn(message, FitWarning, stacklevel=5)
    return estimate, known


def priors_of(problem: Problem, priors: Priors | None, grouped: bool = False) -> TraitPriors:
    """The priors of a problem's traits.

    Raises
    ------
    ParameterError
        If the problem has a ridge, which is a prior of its own.
    """
    if problem.penalty is not None:
        raise ParameterError(
            "A ridge is a prior for maximum likelihood. For this method leave it out and give "
            "priors={'purchase:column': Prior(1, factor)} for multipliers of covariates."
        )
    return TraitPriors.of(problem.traits.traits, priors, grouped)

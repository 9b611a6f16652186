"""Maximum likelihood with exact derivatives."""

import warnings
from dataclasses import dataclass
from typing import final

import numpy as np

from clvmodels._notebook import described
from clvmodels._typing import FloatArray
from clvmodels.exceptions import FitError, FitWarning, ParameterError
from clvmodels.inference.estimate import Diagnostics, Estimate, Method
from clvmodels.inference.newton import SETTLED, Optimum, minimise
from clvmodels.inference.problem import Problem

_SCREENING_ROWS = 4000  # enough to tell good starts from bad ones
_SAME_MAXIMUM = 1e-3  # log-likelihood
_ROUNDING = 10.0  # times what the search aims at may be left on a ridge, by rounding
_FLAT = 1e-2  # curvature in logs: a standard error of 10, a factor of e^10 either way


@final
@dataclass(frozen=True, slots=True)
class MLE:
    """Maximum likelihood: exact gradient and Hessian, several data-driven starts.

    Success is judged by what a Newton step still promises and by the curvature, not by an
    optimiser's flag. A maximum at infinity (no dropout seen, homogeneous rates) is reported in
    the diagnostics; it gives predictions, and standard errors only where the data allow them.

    Parameters
    ----------
    strict : bool
        Raise where the search did not converge, instead of warning.

    Raises
    ------
    FitError
        With ``strict=True``, if the search did not converge.

    Examples
    --------
    >>> import clvmodels as clv
    >>> fit = clv.BetaGeoModel().fit(clv.datasets.load_cdnow_summary(), MLE(strict=True))
    >>> fit.diagnostics.converged, round(fit.loglik, 2)
    (True, -9582.43)
    """

    strict: bool = False

    def estimate(self, problem: Problem) -> Estimate:
        """Maximise the likelihood of `problem`."""
        optimum, evaluations, agree = best_of_starts(problem)
        estimate = describe(problem, optimum, evaluations, agree)
        if not estimate.diagnostics.converged:
            message = f"The fit did not converge. {estimate.diagnostics}"
            if self.strict:
                raise FitError(message)
            warnings.warn(message, FitWarning, stacklevel=4)
        return estimate

    _repr_html_ = described


def run(method: Method | None, problem: Problem) -> Estimate:
    """Estimate by a method, by `MLE()` if there is none.

    Raises
    ------
    ParameterError
        If `method` is no method: a class, a name.
    """
    chosen = MLE() if method is None else method
    if isinstance(chosen, type) or not hasattr(chosen, "estimate"):
        raise ParameterError(
            f"method takes an object such as MLE(), Bootstrap() or Lifetimes(), got {method!r}."
        )
    return chosen.estimate(problem)


def best_of_starts(problem: Problem) -> tuple[Optimum, int, bool]:
    """The best maximum over the starts, the evaluations it took, and whether all starts agree.

    On many rows the starts are screened on a sample, and only the winner goes on, by way of a tenth
    of the rows.
    """
    rows = len(problem.weight)
    if rows > 2 * _SCREENING_ROWS:
        size = max(_SCREENING_ROWS, rows // 10)
        sample = np.random.default_rng(0).choice(rows, size, replace=False)
        screened, _, agree = best_of_starts(problem.at(np.sort(sample)))
        optimum = minimise(problem.objective(), np.exp(screened.log_params), problem.limits)
        return optimum, optimum.evaluations, agree
    objective = problem.objective()
    starts = problem.starts(problem.data, problem.weight)
    optima = [minimise(objective, start, problem.limits) for start in starts]
    best = min(optima, key=lambda optimum: optimum.nll)
    agree = all(optimum.nll - best.nll < _SAME_MAXIMUM for optimum in optima)
    return best, sum(optimum.evaluations for optimum in optima), agree


def describe(problem: Problem, optimum: Optimum, evaluations: int, agree: bool) -> Estimate:
    """Turn an optimum into an estimate: curvature, covariance, and what to know about them."""
    theta = dict(zip(problem.names, np.exp(optimum.log_params), strict=True))
    curvature, directions = np.linalg.eigh(optimum.hessian)
    firm = curvature > _FLAT
    loose = (np.abs(directions[:, ~firm]) > 0.3).any(axis=1) | ~optimum.free
    inside = optimum.hessian[np.ix_(optimum.free, optimum.free)]
    at_top = bool((np.linalg.eigvalsh(inside) > -_FLAT).all())
    boundary = tuple(name for name, far in zip(problem.names, loose, strict=True) if far and at_top)
    converged = at_top and optimum.gain_left < _ROUNDING * SETTLED
    notes = []
    if not agree:
        notes.append("The starts led to different maxima; the best one was kept.")
    covariance, why = None, ""
    spread = directions[:, firm] / np.sqrt(curvature[firm])
    if not at_top:
        why = "The likelihood curves upwards here, so this is no maximum: no standard errors."
        notes.append(why + " Nor are there intervals: their limits equal the estimate.")
    elif boundary:
        why = f"The data do not pin down {', '.join(boundary)}: no standard errors of these."
        notes.append(why + " Intervals cover the uncertainty of what is pinned down.")
    else:
        covariance = spread @ spread.T
    return Estimate(
        method="MLE",
        point={name: np.array([[value]]) for name, value in theta.items()},
        covariance=covariance,
        covariance_note=why,
        spread=spread if at_top else None,
        loglik=problem.loglik(optimum.nll, np.exp(optimum.log_params)),
        customers=problem.customers,
        fingerprint=problem.fingerprint,
        diagnostics=Diagnostics(
            converged=converged,
            gain_left=optimum.gain_left,
            gradient_norm=float(np.linalg.norm(optimum.gradient)),
            condition_number=_condition_number(curvature),
            evaluations=evaluations,
            starts_agree=agree,
            distinct_rows=len(problem.weight),
            boundary=boundary,
            notes=tuple(notes),
        ),
    )


def _condition_number(curvature: FloatArray) -> float:
    size = np.abs(curvature)
    return float(size.max() / max(size.min(), 1e-300))

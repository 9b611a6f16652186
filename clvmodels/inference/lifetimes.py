"""The lifetimes package's own fitters, behind the same interface."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from numbers import Real
from typing import Any, final

import numpy as np

from clvmodels._notebook import described
from clvmodels._typing import FloatArray
from clvmodels.exceptions import FitError, ParameterError
from clvmodels.inference.estimate import Estimate
from clvmodels.inference.mle import best_of_starts, describe
from clvmodels.inference.newton import evaluate
from clvmodels.inference.problem import Problem

_SHORT = 0.01  # log-likelihood; lifetimes' own tolerance leaves a tenth of it or less


@final
@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Fit with the fitter that the lifetimes package (0.11.3, archived) has for the model.

    The fitted class is ours, so predictions do not suffer from that package's numerics. With a
    penalizer the diagnostics say how far it moves the estimates from maximum likelihood.

    Parameters
    ----------
    penalizer : float
        lifetimes' coefficient on the sum of squared parameters. It is not a prior, and its effect
        depends on units.

    Raises
    ------
    FitError
        If lifetimes has no such model, or its optimiser gives up.

    Examples
    --------
    >>> import clvmodels as clv
    >>> fit = clv.BetaGeoModel().fit(clv.datasets.load_cdnow_summary(), Lifetimes())
    >>> {name: round(value, 2) for name, value in fit.params.items()}
    {'r': 0.24, 'alpha': 4.41, 'a': 0.79, 'b': 2.43}
    """

    penalizer: float = 0.0

    def __post_init__(self) -> None:
        given = self.penalizer
        if not (isinstance(given, Real) and np.isfinite(given) and given >= 0):
            raise ParameterError(f"penalizer must be finite and >= 0, got {self.penalizer!r}.")

    def estimate(self, problem: Problem) -> Estimate:
        """Hand the rows of `problem` to lifetimes."""
        theta = self._fit(problem)
        there = evaluate(problem.objective(), np.log(theta), problem.limits)
        here = describe(problem, there, 0, agree=True)
        best, _, _ = best_of_starts(problem)
        assert here.loglik is not None
        lost = -best.nll - here.loglik
        short = self.penalizer == 0 and lost > _SHORT
        notes = list(here.diagnostics.notes)
        if here.covariance is not None:
            notes.append("Standard errors are those of the exact curvature there.")
        if self.penalizer > 0 or short:
            moved = ", ".join(
                f"{name} {mle:.4g} -> {value:.4g}"
                for name, mle, value in zip(
                    problem.names, np.exp(best.log_params), theta, strict=True
                )
            )
            who = "Stopping early" if short else "The penalizer"
            notes.append(
                f"{who} moves the estimates from the maximum ({moved}) and loses {lost:.2f} "
                "log-likelihood."
            )
        diagnostics = replace(here.diagnostics, converged=not short, notes=tuple(notes))
        method = f"Lifetimes(penalizer={self.penalizer:g})"
        return replace(here, method=method, diagnostics=diagnostics)

    def _fit(self, problem: Problem) -> FloatArray:
        if any(":" in name for name in problem.names):
            raise FitError("lifetimes knows no covariates. Fit with MLE() instead.")
        columns, make = _fitter(problem.model)
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            # lifetimes sets a deprecated pandas option at import, its optimiser takes logs of
            # negative numbers on the way (github.com/CamDavidsonPilon/lifetimes, archived), and
            # where it gives up it prints its state
            warnings.simplefilter("ignore")
            fitter = make(self.penalizer)
            try:
                with _seeded():  # its Pareto/NBD starts from a random point
                    fitter.fit(*(problem.data[c] for c in columns), weights=problem.weight)
            except Exception as error:  # lifetimes raises its own and NumPy's errors alike
                text = str(error).strip().splitlines()[0] if str(error).strip() else ""
                raise FitError(
                    f"lifetimes could not fit this model: {type(error).__name__} {text} "
                    "Fit with MLE() instead."
                ) from error
        theta = np.array([float(fitter.params_[name]) for name in problem.names])
        if not (np.isfinite(theta) & (theta > 0)).all():
            found = ", ".join(f"{n} = {v:.3g}" for n, v in zip(problem.names, theta, strict=True))
            raise FitError(f"lifetimes ended at no valid parameters: {found}. Fit with MLE().")
        return theta

    _repr_html_ = described


@contextmanager
def _seeded() -> Iterator[None]:
    """NumPy's global generator at a fixed state, and then as it was."""
    state = np.random.get_state()  # noqa: NPY002 - lifetimes draws from it
    np.random.seed(0)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


def _fitter(model: str) -> tuple[tuple[str, ...], Callable[[float], Any]]:
    """Columns and constructor of lifetimes' fitter for a model of ours."""
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as above; the option is put back
        had = pd.options.mode.chained_assignment
        import lifetimes

        pd.options.mode.chained_assignment = had
    fitters: dict[str, tuple[tuple[str, ...], Callable[[float], Any]]] = {
        "beta_geo": (("x", "t_x", "T"), lifetimes.BetaGeoFitter),
        "modified_beta_geo": (("x", "t_x", "T"), lifetimes.ModifiedBetaGeoFitter),
        "pareto_nbd": (("x", "t_x", "T"), lifetimes.ParetoNBDFitter),
        "beta_geo_beta_binom": (("x", "t_x", "T"), lifetimes.BetaGeoBetaBinomFitter),
        "gamma_gamma": (("x", "m"), lifetimes.GammaGammaFitter),
    }
    if model not in fitters:
        raise FitError(
            f"lifetimes has no {model} model; it has {', '.join(fitters)}. Fit with MLE() instead."
        )
    return fitters[model]

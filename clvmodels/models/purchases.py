"""The role of a purchase model: x, t_x and T in, what to expect of each customer out."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Real
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from clvmodels._typing import FloatArray
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import DataError, DataWarning, ParameterError, rule_broken
from clvmodels.inference.estimate import Estimate, Method
from clvmodels.inference.mle import run
from clvmodels.inference.problem import Objective, Parameter, Problem
from clvmodels.models.fitted import check_summary
from clvmodels.units import TimeUnit

if TYPE_CHECKING:
    from clvmodels.models.fitted_purchases import FittedPurchases


class PurchaseModel(ABC):
    """A model of when customers buy and whether they still do.

    A subclass names its kernel, its parameters and how to start; all predictions are shared.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    parameters: ClassVar[tuple[Parameter, ...]]

    @property
    @abstractmethod
    def kernel(self) -> ModuleType:
        """The module of `clvmodels.kernels` with this model's functions."""

    @abstractmethod
    def objective(self, data: Mapping[str, FloatArray], weight: FloatArray) -> Objective:
        """Negative log-likelihood with derivatives, as a function of the parameters."""

    @abstractmethod
    def starts(self, mean_rate: float, shape: float) -> Sequence[FloatArray]:
        """Parameter vectors to start from, given a rate per unit of time and its gamma shape."""

    @abstractmethod
    def notes(self, problem: Problem, estimate: Estimate) -> Sequence[str]:
        """What a reader of the estimates should know: parameters at infinity, no dropout seen."""

    def fit(self, data: RFMSummary, method: Method | None = None) -> "FittedPurchases":
        """Estimate the parameters from a summary.

        Parameters
        ----------
        data : RFMSummary
            One row per customer, one-time buyers included. All models are fitted to the distinct
            (x, t_x, T) rows with their counts.
        method : Method, optional
            ``MLE()`` if not given; ``Bootstrap()``, ``Lifetimes()``, ...

        Returns
        -------
        FittedPurchases
            Parameters, diagnostics, and every prediction.

        Raises
        ------
        DataError
            If nobody bought again, or nobody was observed for any time.
        FitError
            If the method cannot fit this model.

        Examples
        --------
        >>> import clvmodels as clv
        >>> fit = clv.BetaGeoModel().fit(clv.datasets.load_cdnow_summary())
        >>> {name: round(value, 3) for name, value in fit.params.items()}
        {'r': 0.243, 'alpha': 4.414, 'a': 0.793, 'b': 2.426}
        """
        from clvmodels.models.fitted_purchases import FittedPurchases

        _check_information(check_summary(data))
        problem = self._problem(data)
        estimate = run(method, problem)
        notes = (
            *estimate.diagnostics.notes,
            *self.notes(problem, estimate),
            *_influential(data, problem, estimate),
        )
        estimate = replace(estimate, diagnostics=replace(estimate.diagnostics, notes=notes))
        return FittedPurchases(estimate=estimate, model=self, time_unit=data.time_unit)

    def __sklearn_clone__(self) -> Self:
        # what never changes is its own copy
        return self

    def _given(self, values: Mapping[str, float], time_unit: TimeUnit | str) -> "FittedPurchases":
        """A fitted model with known parameters."""
        from clvmodels.models.fitted_purchases import FittedPurchases

        point = {name: np.array([[check_positive(name, v)]]) for name, v in values.items()}
        return FittedPurchases(
            estimate=Estimate(
                method="given",
                point=point,
                covariance_note="The parameters were given.",
            ),
            model=self,
            time_unit=TimeUnit.parse(time_unit),
        )

    def _problem(self, data: RFMSummary) -> Problem:
        h = data.compress()
        return Problem(
            model=self.key,
            parameters=self.parameters,
            data={"x": h.x, "t_x": h.t_x, "T": h.T},
            weight=h.weight,
            compile=self.objective,
            starts=self._starts,
        )

    def _starts(self, data: Mapping[str, FloatArray], weight: FloatArray) -> Sequence[FloatArray]:
        """Start from the method of moments for Poisson counts with gamma rates."""
        x, T = data["x"], data["T"]
        mean_rate = max(float(weight @ x), 1.0) / float(weight @ T)
        excess = float(weight @ (x - mean_rate * T) ** 2 - weight @ x)
        poisson = mean_rate**2 * float(weight @ T**2)
        shape = float(np.clip(poisson / max(excess, 1e-3 * poisson), 0.05, 20.0))
        return self.starts(mean_rate, shape)


def check_positive(name: str, value: float) -> float:
    """A positive finite parameter value, or an error that says so."""
    if not (isinstance(value, Real) and np.isfinite(value) and value > 0):
        raise ParameterError(f"{name} must be positive and finite, got {value!r}.")
    return float(value)


def _check_information(data: RFMSummary) -> None:
    if not (data.T > 0).any():
        raise DataError(
            rule_broken(
                "T must be positive for some customers",
                len(data),
                len(data),
                data.customer_id.tolist(),
                "Nobody was observed for any time: set observation_end after the last purchase.",
            )
        )
    if not (data.frequency > 0).any():
        raise DataError(
            f"None of the {len(data):,} customers bought again, so neither purchase rates nor "
            "dropout can be estimated. Observe them longer, or check that the log holds repeat "
            "purchases."
        )
    if (data.frequency > 0).all() and len(data) > 1:
        warnings.warn(
            f"All {len(data):,} customers have repeat purchases. If one-time buyers were filtered "
            "out, put them back: without them rates are overestimated.",
            DataWarning,
            stacklevel=3,
        )


def _influential(data: RFMSummary, problem: Problem, estimate: Estimate) -> list[str]:
    """Name the customer who alone moves the estimates by more than two standard errors.

    Looks at the busiest histories, where such customers are.
    """
    if estimate.spread is None:
        return []
    theta = np.array(list(estimate.means.values()))
    x = problem.data["x"]
    busiest = np.argpartition(x, -min(10, len(x)))[-min(10, len(x)) :]
    shifts = []
    for row in busiest:
        one = problem.at(np.array([row])).reweighted(np.ones(1))
        score = one.objective()(theta)[1] * theta
        shifts.append(float(np.linalg.norm(score @ estimate.spread)))
    most = int(np.argmax(shifts))
    if shifts[most] < 2:
        return []
    row = busiest[most]
    customer = data.customer_id[np.flatnonzero(data.compress().inverse == row)[0]]
    return [
        f"Customer {customer} (frequency {x[row]:,.0f}) alone moves the estimates by "
        f"{shifts[most]:.1f} standard errors. Check that this is one customer."
    ]

"""Beta-discrete-Weibull."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar, final

import numpy as np

from clvmodels._typing import FloatArray
from clvmodels.inference.estimate import Estimate
from clvmodels.inference.problem import Parameter
from clvmodels.inference.traits import Block, Linear, Trait
from clvmodels.models.fitted_retention import FittedRetention
from clvmodels.models.retention import RetentionModel
from clvmodels.models.shifted_beta_geo import CHURN, CHURN_SHARES, churn_limits, no_mean
from clvmodels.units import HorizonLike


@final
@dataclass(frozen=True, slots=True)
class BetaDiscreteWeibullModel(RetentionModel):
    """Beta-discrete-Weibull: customers differ in churn, and each one's changes with age.

    The shifted-beta-geometric with duration dependence: S(t) = (1 - theta)^(t^c) for a customer
    with first churn rate theta. Needs a few more ages than that model to tell the two apart.

    Notes
    -----
    Parameters, pure numbers above 0:

    - alpha, beta: shapes of the beta distribution of the first churn rate over customers.
    - c: how each customer's churn changes with age. Below 1 it falls, above 1 it rises, and at 1
      this is the shifted-beta-geometric.

    References
    ----------
    Fader, Hardie, Liu, Davin and Steenburgh (2018), "How to project customer retention"
    revisited: the role of duration dependence, Journal of Interactive Marketing 43, 1-16.

    Examples
    --------
    >>> fit = BetaDiscreteWeibullModel().with_params(alpha=0.5, beta=0.8, c=1.2, period="1 year")
    >>> [round(float(rate), 3) for rate in fit.retention_rate([1, 2, 3])]
    [0.615, 0.741, 0.816]
    """

    key: ClassVar[str] = "beta_discrete_weibull"
    title: ClassVar[str] = "Beta-discrete-Weibull"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        *CHURN,
        Parameter("c", "pure", "a customer's churn falls with age below 1, rises above 1"),
    )

    @property
    def kernel(self) -> ModuleType:
        """See `RetentionModel.kernel`."""
        from clvmodels.kernels import beta_discrete_weibull

        return beta_discrete_weibull

    @property
    def blocks(self) -> tuple[Block, ...]:
        """See `RetentionModel.blocks`."""
        power = Trait("aging", "power of time in a customer's survival: 1 without aging", factor=3)
        return CHURN_SHARES, Linear(("c",), (power,), ((1,),), (0,), (0,))

    def with_params(
        self, *, alpha: float, beta: float, c: float, period: HorizonLike
    ) -> FittedRetention:
        """A fitted model with known parameters, to predict with published values.

        Parameters
        ----------
        alpha, beta : float
            Shapes of the first churn rate over customers.
        c : float
            Power of time: 1 where a customer's churn does not change with age.
        period : Horizon or str
            Length of a contract period, "1 year" or "1 month".

        Returns
        -------
        FittedRetention
            Without covariance, so that intervals have no width.

        Raises
        ------
        ParameterError
            If a parameter is not positive and finite.
        UnitError
            If `period` is a bare number.
        """
        return self._given({"alpha": alpha, "beta": beta, "c": c}, period)

    def starts(self, churn: float, spread: float) -> Sequence[FloatArray]:
        """See `RetentionModel.starts`."""
        mean = np.array([churn, 1 - churn])
        shapes = (spread, 1.0), (0.5, 1.3), (30.0, 0.7)
        return [np.array([*(total * mean), c]) for total, c in shapes]

    def notes(self, ages: int, estimate: Estimate) -> Sequence[str]:
        """See `RetentionModel.notes`."""
        limits = churn_limits(ages, len(self.parameters), estimate)
        return [*limits, *no_mean(estimate, estimate.means["c"])]

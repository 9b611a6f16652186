"""Geometric lifetimes."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar, final

import numpy as np

from clvmodels._typing import FloatArray
from clvmodels.exceptions import ParameterError
from clvmodels.inference.estimate import Estimate
from clvmodels.inference.problem import Parameter
from clvmodels.inference.traits import Block, OneShare, Trait
from clvmodels.models.fitted_retention import FittedRetention
from clvmodels.models.retention import RetentionModel
from clvmodels.units import HorizonLike


@final
@dataclass(frozen=True, slots=True)
class GeometricRetentionModel(RetentionModel):
    """Geometric lifetimes: one churn rate for all customers at all ages.

    The model behind the textbook formulas with a constant retention rate r = 1 - theta, and the
    benchmark that shows what differences between customers are worth.

    Notes
    -----
    Parameter:

    - theta, between 0 and 1: probability of leaving at a renewal. The estimate is the share of all
      renewals faced that were not made.

    References
    ----------
    Fader and Hardie (2007), How to project customer retention, Journal of Interactive Marketing
    21(1), 76-90, section 3.

    Examples
    --------
    >>> fit = GeometricRetentionModel().with_params(theta=0.2, period="1 year")
    >>> round(float(fit.survival(3)), 3), str(fit.expected_lifetime())
    (0.512, '5 years')
    """

    key: ClassVar[str] = "geometric_retention"
    title: ClassVar[str] = "Geometric"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("theta", "share", "probability of leaving at a renewal; retention is 1 - theta"),
    )

    @property
    def kernel(self) -> ModuleType:
        """See `RetentionModel.kernel`."""
        from clvmodels.kernels import geometric_retention

        return geometric_retention

    @property
    def blocks(self) -> tuple[Block, ...]:
        """See `RetentionModel.blocks`."""
        churn = Trait("churn", "probability of leaving at a renewal", "logit", 0.25, 20)
        return (OneShare("theta", churn),)

    def with_params(self, *, theta: float, period: HorizonLike) -> FittedRetention:
        """A fitted model with a known parameter.

        Parameters
        ----------
        theta : float
            Probability of leaving at a renewal, above 0 and below 1.
        period : Horizon or str
            Length of a contract period, "1 year" or "1 month".

        Returns
        -------
        FittedRetention
            Without covariance, so that intervals have no width.

        Raises
        ------
        ParameterError
            If theta is not between 0 and 1.
        UnitError
            If `period` is a bare number.
        """
        fit = self._given({"theta": theta}, period)
        if theta >= 1:
            raise ParameterError(f"theta is a probability, below 1; got {theta!r}.")
        return fit

    def starts(self, churn: float, spread: float) -> Sequence[FloatArray]:
        """See `RetentionModel.starts`."""
        return [np.array([churn])]

    def notes(self, ages: int, estimate: Estimate) -> Sequence[str]:
        """See `RetentionModel.notes`."""
        if "theta" not in estimate.diagnostics.boundary:
            return []
        return ["No customer has renewed: theta runs to 1."]

"""Shifted-beta-geometric."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar, final

import numpy as np

from clvmodels._typing import FloatArray
from clvmodels.inference.estimate import Estimate
from clvmodels.inference.problem import Parameter
from clvmodels.inference.traits import Block, Trait, dropout_shares
from clvmodels.models.fitted_retention import FittedRetention
from clvmodels.models.retention import RetentionModel
from clvmodels.units import HorizonLike

CHURN = (
    Parameter("alpha", "pure", "first shape of churn over customers: its mean is a / (a + b)"),
    Parameter("beta", "pure", "second shape of churn: small where customers differ much"),
)
CHURN_SHARES = dropout_shares(
    "alpha",
    "beta",
    Trait("churn", "mean probability of leaving at the first renewal", "logit", 0.25, 20),
)
_ALIKE, _APART = 100.0, 1e-3  # shapes: churn, or retention, that varies by 10 % at most, or wholly


@final
@dataclass(frozen=True, slots=True)
class ShiftedBetaGeoModel(RetentionModel):
    """Shifted-beta-geometric: each customer has a churn rate for life, and customers differ.

    Those likely to leave do so early, so that retention rises with age although nobody changes.
    A constant retention rate undervalues those who are still there.

    Notes
    -----
    Parameters, pure numbers above 0 (gamma and delta in some papers):

    - alpha, beta: shapes of the beta distribution of the churn rate over customers, with mean
      alpha / (alpha + beta). The smaller they are, the more customers differ. With alpha at 1 or
      less the mean lifetime is infinite: values need a discount rate or a horizon.

    References
    ----------
    Fader and Hardie (2007), How to project customer retention, Journal of Interactive Marketing
    21(1), 76-90.

    Examples
    --------
    >>> fit = ShiftedBetaGeoModel().with_params(alpha=0.668, beta=3.806, period="1 year")
    >>> round(float(fit.survival(12)), 2), round(float(fit.retention_rate(12)), 2)
    (0.38, 0.96)
    """

    key: ClassVar[str] = "shifted_beta_geo"
    title: ClassVar[str] = "Shifted-beta-geometric"
    parameters: ClassVar[tuple[Parameter, ...]] = CHURN

    @property
    def kernel(self) -> ModuleType:
        """See `RetentionModel.kernel`."""
        from clvmodels.kernels import shifted_beta_geo

        return shifted_beta_geo

    @property
    def blocks(self) -> tuple[Block, ...]:
        """See `RetentionModel.blocks`."""
        return (CHURN_SHARES,)

    def with_params(self, *, alpha: float, beta: float, period: HorizonLike) -> FittedRetention:
        """A fitted model with known parameters, to predict with published values.

        Parameters
        ----------
        alpha, beta : float
            Shapes of the churn rate over customers (gamma and delta in some papers).
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
        return self._given({"alpha": alpha, "beta": beta}, period)

    def starts(self, churn: float, spread: float) -> Sequence[FloatArray]:
        """See `RetentionModel.starts`."""
        mean = np.array([churn, 1 - churn])
        return [spread * mean, mean, 30 * mean]

    def notes(self, ages: int, estimate: Estimate) -> Sequence[str]:
        """See `RetentionModel.notes`."""
        return [*churn_limits(ages, len(self.parameters), estimate), *no_mean(estimate, 1.0)]


def churn_limits(ages: int, needed: int, estimate: Estimate) -> list[str]:
    """Say so where the data do not pin down alpha and beta."""
    if not {"alpha", "beta"} & set(estimate.diagnostics.boundary):
        return []
    theta = estimate.means
    total = theta["alpha"] + theta["beta"]
    churn = theta["alpha"] / total
    if ages < needed:
        return [
            f"Renewals at {ages} age{'' if ages == 1 else 's'} cannot tell {needed} parameters "
            "apart: rates at these ages are estimated, those at later ages are anybody's guess."
        ]
    if min(theta["alpha"], theta["beta"]) > _ALIKE:
        return [
            "Customers show no differences in churn: alpha and beta run off together at "
            f"alpha / (alpha + beta) = {churn:.4g}."
        ]
    if total < _APART:
        return [
            f"Customers are of two kinds: {100 * churn:.3g} % leave at the first renewal, the "
            "others never. alpha and beta run to 0."
        ]
    return []


def no_mean(estimate: Estimate, c: float) -> list[str]:
    """Say so where survival falls too slowly for a mean lifetime."""
    power = estimate.means["alpha"] * c
    if power > 1:
        return []
    return [
        f"Survival falls as t^-{power:.3g} in the end, too slowly for a mean lifetime: values "
        "need a discount rate or a horizon."
    ]

"""NBD: nobody ever leaves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from clvmodels._typing import FloatArray, Kernel
from clvmodels.inference.estimate import Estimate
from clvmodels.inference.problem import Objective, Parameter, Problem
from clvmodels.inference.traits import PURCHASES, Block
from clvmodels.models.clock import PlainClock
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.models.purchases import PurchaseModel
from clvmodels.units import TimeUnit

RATE = (
    Parameter("r", "pure", "shape of purchase rates over customers"),
    Parameter("alpha", "time", "scale of purchase rates: the mean rate is r / alpha"),
)


@final
@dataclass(frozen=True, slots=True)
class NBDModel(PurchaseModel):
    """Negative binomial model: Poisson purchases, gamma rates, no dropout.

    The benchmark that shows what dropout is worth. P(alive) is 1 for everybody, and expected
    purchases grow in proportion to time.

    Notes
    -----
    Parameters, all positive:

    - r, a pure number: shape of the gamma purchase rates; small where customers differ much.
    - alpha, in the time unit of the data: scale of those rates, whose mean is r / alpha.

    References
    ----------
    Ehrenberg (1959), The pattern of consumer purchases, Applied Statistics 8(1), 26-41.

    Examples
    --------
    >>> fit = NBDModel().with_params(r=0.385, alpha=12.072, time_unit="week")
    >>> round(fit.expected_purchases_new_customer("39 weeks"), 3)
    1.244
    """

    key: ClassVar[str] = "nbd"
    title: ClassVar[str] = "NBD"
    parameters: ClassVar[tuple[Parameter, ...]] = RATE

    @property
    def kernel(self) -> Kernel:
        """See `PurchaseModel.kernel`."""
        from clvmodels.kernels import nbd

        return nbd

    @property
    def blocks(self) -> tuple[Block, ...]:
        """See `PurchaseModel.blocks`."""
        return (PURCHASES,)

    def with_params(self, *, r: float, alpha: float, time_unit: TimeUnit | str) -> FittedPurchases:
        """A fitted model with known parameters, to predict with published values.

        Parameters
        ----------
        r : float
            Shape of purchase rates over customers, a pure number.
        alpha : float
            Scale of purchase rates, in `time_unit`: the mean rate is r / alpha per unit.
        time_unit : TimeUnit or str
            What alpha counts.

        Returns
        -------
        FittedPurchases
            Without covariance, so that intervals have no width.

        Raises
        ------
        ParameterError
            If a parameter is not positive and finite.
        UnitError
            If the time unit is unknown.
        """
        return self._given({"r": r, "alpha": alpha}, PlainClock.of(time_unit))

    def objective(self, data: Mapping[str, FloatArray], weight: FloatArray) -> Objective:
        """See `PurchaseModel.objective`."""
        from clvmodels.kernels import nbd

        x, T = data["x"], data["T"]
        tail = nbd.tail_counts(x, weight)
        return lambda theta: nbd.nll_grad_hess(theta, x, T, weight, tail)

    def starts(self, mean_rate: float, shape: float) -> Sequence[FloatArray]:
        """See `PurchaseModel.starts`."""
        return [np.array([shape, shape / mean_rate]), np.array([1.0, 1.0 / mean_rate])]

    def notes(self, problem: Problem, estimate: Estimate) -> Sequence[str]:
        """See `PurchaseModel.notes`."""
        return rate_limits(estimate)


def rate_limits(estimate: Estimate) -> list[str]:
    """Say so where the data do not pin down r and alpha."""
    theta = estimate.means
    if "r" not in estimate.diagnostics.boundary or theta["r"] < 1:
        return []
    return [
        "Customers show no differences in purchase rate: r and alpha run off together at "
        f"r / alpha = {theta['r'] / theta['alpha']:.4g}."
    ]

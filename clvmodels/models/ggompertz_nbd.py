"""GGompertz/NBD."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from clvmodels._typing import FloatArray, Kernel
from clvmodels.inference.problem import Parameter
from clvmodels.inference.traits import PURCHASES, Block, Linear, Trait
from clvmodels.models.clock import PlainClock
from clvmodels.models.covariates import Covariates
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.models.lifetime import LifetimeModel
from clvmodels.models.nbd import RATE
from clvmodels.units import TimeUnit


@final
@dataclass(frozen=True, slots=True)
class GGompertzNBDModel(LifetimeModel):
    """GGompertz/NBD: Poisson purchases at gamma rates; a customer's dropout rate grows with age.

    The Pareto/NBD with a hazard of dropout that grows by the factor e^b per unit of time, from a
    level that is gamma over customers. Where dropout does not accelerate, b and beta run to 0
    together, the model becomes the Pareto/NBD, and the diagnostics say so.

    Parameters
    ----------
    covariates : Covariates, optional
        Columns of the summary that purchase rates and dropout depend on.

    Notes
    -----
    Parameters, all positive:

    - r, a pure number: shape of the gamma purchase rates; small where customers differ much.
    - alpha, in the time unit of the data: scale of those rates, whose mean is r / alpha.
    - b, per time unit of the data: growth of the hazard of dropout.
    - s, a pure number: shape of the gamma distribution of that hazard's level.
    - beta, a pure number: scale of that distribution; the mean hazard at age 0 is b s / beta.

    References
    ----------
    Bemmaor and Glady (2012), Modeling Purchasing Behavior with Sudden "Death", Management Science
    58(5), 1012-1021. Their conditional expectation needs the correction of Adler (2022),
    Management Science 69(3), 1929-1930; the one used here follows from the survival function.

    Examples
    --------
    >>> fit = GGompertzNBDModel().with_params(
    ...     r=.55313, alpha=10.5758, b=1.1e-6, s=.60682, beta=1.3e-5, time_unit="week")
    >>> round(fit.expected_purchases_new_customer("52 weeks"), 2)
    1.48
    """

    key: ClassVar[str] = "ggompertz_nbd"
    title: ClassVar[str] = "GGompertz/NBD"
    smooth_in: ClassVar[tuple[str, ...]] = ()
    parameters: ClassVar[tuple[Parameter, ...]] = (
        *RATE,
        Parameter("b", "rate", "growth of the hazard of dropout with age"),
        Parameter("s", "pure", "shape of that hazard's level over customers"),
        Parameter("beta", "pure", "scale of it: the mean hazard at age 0 is b s / beta"),
    )

    covariates: Covariates = Covariates()

    @property
    def kernel(self) -> Kernel:
        """See `PurchaseModel.kernel`."""
        from clvmodels.kernels import ggompertz_nbd

        return ggompertz_nbd

    @property
    def blocks(self) -> tuple[Block, ...]:
        """See `PurchaseModel.blocks`."""
        traits = (
            Trait("hazard_growth", "growth of the hazard of dropout over the median T", factor=30),
            Trait("dropout_cv", "coefficient of variation of the hazard over customers", factor=5),
            Trait("dropout", "mean hazard of dropout at age 0, over the median T", factor=30),
        )
        powers = (1, 0, 0), (0, -0.5, 0), (1, 1, -1)
        return PURCHASES, Linear(("b", "s", "beta"), traits, powers, (1, 0, 1), (0, 0, 0))

    def with_params(
        self,
        *,
        r: float,
        alpha: float,
        b: float,
        s: float,
        beta: float,
        time_unit: TimeUnit | str,
    ) -> FittedPurchases:
        """A fitted model with known parameters, to predict with published values.

        Parameters
        ----------
        r : float
            Shape of purchase rates over customers, a pure number.
        alpha : float
            Scale of purchase rates, in `time_unit`: the mean rate is r / alpha per unit.
        b : float
            Growth of the hazard of dropout, per `time_unit`.
        s, beta : float
            Shape and scale of the hazard's level over customers, pure numbers: its mean is
            b s / beta per unit at age 0.
        time_unit : TimeUnit or str
            What alpha counts, and b is per.

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
        return self._given(
            {"r": r, "alpha": alpha, "b": b, "s": s, "beta": beta}, PlainClock.of(time_unit)
        )

    def starts(self, mean_rate: float, shape: float) -> Sequence[FloatArray]:
        """See `PurchaseModel.starts`: early, moderate and little dropout, and a late wave of it."""
        alpha = shape / (1.5 * mean_rate)
        return [
            np.array([shape, alpha, 0.1 * mean_rate, 0.6, 0.05]),
            np.array([shape, alpha, 0.5 * mean_rate, 1.0, 2.5]),
            np.array([shape, shape / mean_rate, 0.1 * mean_rate, 2.0, 10.0]),
        ]

"""Pareto/NBD."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from clvmodels._typing import FloatArray, Kernel
from clvmodels.inference.problem import Parameter
from clvmodels.inference.traits import PURCHASES, Block, GoneBy, Trait
from clvmodels.models.clock import PlainClock
from clvmodels.models.covariates import Covariates
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.models.lifetime import LifetimeModel
from clvmodels.models.nbd import RATE
from clvmodels.units import TimeUnit

DROPOUT_RATES = GoneBy(
    ("s", "beta"),
    (
        Trait("dropout", "share of customers gone by the median T", "logit", 0.4, 20),
        Trait("dropout_cv", "coefficient of variation of dropout rates over customers", factor=5),
    ),
)


@final
@dataclass(frozen=True, slots=True)
class ParetoNBDModel(LifetimeModel):
    """Pareto/NBD: Poisson purchases at gamma rates; dropout at gamma rates, at any time.

    The first and the classical model of non-contractual settings. Customers can leave without
    having bought again, so P(alive) of one-time buyers falls with their silence.

    Parameters
    ----------
    covariates : Covariates, optional
        Columns of the summary that purchase rates and dropout depend on.

    Notes
    -----
    Parameters, all positive:

    - r, a pure number: shape of the gamma purchase rates; small where customers differ much.
    - alpha, in the time unit of the data: scale of those rates, whose mean is r / alpha.
    - s, a pure number: shape of the gamma dropout rates; small where customers differ much.
    - beta, in the time unit of the data: scale of those rates, whose mean is s / beta.

    References
    ----------
    Schmittlein, Morrison and Colombo (1987), Counting Your Customers, Management Science 33(1),
    1-24. Fader and Hardie (2005), A Note on Deriving the Pareto/NBD Model, note 009, eqs. 18
    (likelihood), 27 and 41 (expectations).

    Examples
    --------
    >>> fit = ParetoNBDModel().with_params(
    ...     r=.553, alpha=10.578, s=.606, beta=11.669, time_unit="week")
    >>> round(fit.expected_purchases_new_customer("52 weeks"), 3)
    1.473
    """

    key: ClassVar[str] = "pareto_nbd"
    title: ClassVar[str] = "Pareto/NBD"
    smooth_in: ClassVar[tuple[str, ...]] = ("alpha", "beta")
    parameters: ClassVar[tuple[Parameter, ...]] = (
        *RATE,
        Parameter("s", "pure", "shape of dropout rates over customers"),
        Parameter("beta", "time", "scale of dropout rates: the mean rate is s / beta"),
    )

    covariates: Covariates = Covariates()

    @property
    def kernel(self) -> Kernel:
        """See `PurchaseModel.kernel`."""
        from clvmodels.kernels import pareto_nbd

        return pareto_nbd

    @property
    def blocks(self) -> tuple[Block, ...]:
        """See `PurchaseModel.blocks`."""
        return PURCHASES, DROPOUT_RATES

    def with_params(
        self, *, r: float, alpha: float, s: float, beta: float, time_unit: TimeUnit | str
    ) -> FittedPurchases:
        """A fitted model with known parameters, to predict with published values.

        Parameters
        ----------
        r : float
            Shape of purchase rates over customers, a pure number.
        alpha : float
            Scale of purchase rates, in `time_unit`: the mean rate is r / alpha per unit.
        s : float
            Shape of dropout rates over customers, a pure number.
        beta : float
            Scale of dropout rates, in `time_unit`: the mean rate is s / beta per unit.
        time_unit : TimeUnit or str
            What alpha and beta count.

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
        return self._given({"r": r, "alpha": alpha, "s": s, "beta": beta}, PlainClock.of(time_unit))

    def starts(self, mean_rate: float, shape: float) -> Sequence[FloatArray]:
        """See `PurchaseModel.starts`: early, moderate and little dropout.

        Those who left count in the mean rate, so living customers buy faster than it.
        """
        return [
            np.array([shape, shape / (1.5 * mean_rate), 0.6, 0.5 / mean_rate]),
            np.array([shape, shape / (1.5 * mean_rate), 1.0, 5 / mean_rate]),
            np.array([shape, shape / mean_rate, 2.0, 100 / mean_rate]),
        ]

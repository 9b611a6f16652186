"""What the BG/NBD and the MBG/NBD share as models."""

from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import ClassVar

from clvmodels._typing import FloatArray, IntArray
from clvmodels.inference.estimate import Estimate
from clvmodels.inference.problem import Objective, Parameter, Problem, Sums
from clvmodels.inference.traits import PURCHASES, Block, dropout_shares
from clvmodels.models.clock import PlainClock
from clvmodels.models.covariates import AT_PURCHASE, Process
from clvmodels.models.dropout import (
    always_alive,
    evidence_of_dropout,
    limits_of_beta,
    starts_of_beta,
)
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.models.nbd import RATE, rate_limits
from clvmodels.models.purchases import PurchaseModel
from clvmodels.units import TimeUnit


class DropoutAtPurchaseModel(PurchaseModel, ABC):
    """Gamma purchase rates; after a purchase a customer drops out with beta probability."""

    processes: ClassVar[tuple[Process, ...]] = AT_PURCHASE
    first_can_be_last: ClassVar[bool]  # whether dropout can follow the first purchase
    parameters: ClassVar[tuple[Parameter, ...]] = (
        *RATE,
        Parameter("a", "pure", "dropout after a purchase is Beta(a, b): the mean is a / (a + b)"),
        Parameter("b", "pure", "see a"),
    )

    @property
    def blocks(self) -> tuple[Block, ...]:
        """See `PurchaseModel.blocks`."""
        return PURCHASES, dropout_shares()

    @property
    def sums(self) -> Callable[[Mapping[str, FloatArray], FloatArray, IntArray], Sums]:
        """See `PurchaseModel.sums`."""
        return partial(_sums, int(self.first_can_be_last))

    def with_params(
        self, *, r: float, alpha: float, a: float, b: float, time_unit: TimeUnit | str
    ) -> FittedPurchases:
        """A fitted model with known parameters, to predict with published values.

        Parameters
        ----------
        r : float
            Shape of purchase rates over customers, a pure number.
        alpha : float
            Scale of purchase rates, in `time_unit`: the mean rate is r / alpha per unit.
        a, b : float
            Dropout after a purchase is Beta(a, b), pure numbers: its mean is a / (a + b).
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
        return self._given({"r": r, "alpha": alpha, "a": a, "b": b}, PlainClock.of(time_unit))

    def objective(self, data: Mapping[str, FloatArray], weight: FloatArray) -> Objective:
        """See `PurchaseModel.objective`."""
        x, t_x, T = data["x"], data["t_x"], data["T"]
        tail, tail_d = self.kernel.tails(x, weight)
        return partial(
            self.kernel.nll_grad_hess, x=x, t_x=t_x, T=T, weight=weight, tail=tail, tail_d=tail_d
        )

    def starts(self, mean_rate: float, shape: float) -> Sequence[FloatArray]:
        """See `PurchaseModel.starts`: moderate, little and polarised dropout.

        Those who left count in the mean rate, so living customers buy faster than it.
        """
        return starts_of_beta(mean_rate, shape)

    def notes(self, problem: Problem, estimate: Estimate) -> Sequence[str]:
        """See `PurchaseModel.notes`."""
        return [
            *rate_limits(estimate),
            *limits_of_beta(estimate),
            *evidence_of_dropout(self.kernel, problem, estimate, "a"),
            *([] if self.first_can_be_last else always_alive(problem, "ModifiedBetaGeoModel")),
        ]


def _sums(d: int, data: Mapping[str, FloatArray], weight: FloatArray, ends: IntArray) -> Sums:
    from clvmodels.kernels import dropout_sums as kernel

    prepared = kernel.prepare(data["x"], data["t_x"], data["T"], weight, ends, d)
    return Sums(
        partial(kernel.value_and_gradient, prepared=prepared, d=d),
        partial(kernel.values, prepared=prepared, d=d),
    )

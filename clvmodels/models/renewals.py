"""What a retention model says of customers at given parameters, ready to be averaged over draws."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, TypeAlias, final

import numpy as np

from clvmodels._typing import FloatArray, IntArray, Params
from clvmodels.exceptions import ParameterError
from clvmodels.inference.groups import group_of
from clvmodels.models.averaging import draws_of
from clvmodels.units import DiscountRate, Horizon, HorizonLike

if TYPE_CHECKING:
    from clvmodels.kernels.retention import LogKept

Evaluate: TypeAlias = Callable[[Params], FloatArray]
"""Parameters of shape (draws, 1) to values of shape (draws, ages)."""
OfAges: TypeAlias = Callable[[IntArray], Evaluate]
"""Ages, or numbers of renewals, to what is to be evaluated at them."""

_DRAWS = 50  # evaluated at a time: some megabytes even for daily contracts over a century


@final
@dataclass(frozen=True, slots=True, eq=False)
class Renewals:
    """A retention model's quantities as functions of ages and parameters.

    Attributes
    ----------
    kernel : module
        The functions of the model.
    period : Horizon
        Length of a contract period, which ages count.
    """

    kernel: ModuleType
    period: Horizon

    def survival(self, renewals: IntArray) -> Evaluate:
        """Share still there after so many renewals."""
        t = renewals.astype(np.float64)
        return lambda params: np.exp(self._log_kept(params)(np.zeros(1), t))

    def rates(self, n: IntArray) -> Evaluate:
        """Share kept at each age; all of them at age 0."""
        before = np.maximum(n - 1.0, 0.0)
        return lambda params: np.exp(self._log_kept(params)(before, n.astype(np.float64)))

    def residual(self, discount: DiscountRate | float, horizon: HorizonLike | None) -> OfAges:
        """Discounted payments to come, of 1 per period.

        Raises
        ------
        ParameterError
            If the rate is negative and there is no horizon.
        """
        from clvmodels.kernels.retention import payments, residual_lifetimes

        force = self.force(discount)
        if horizon is not None:
            length = self.periods(horizon)

            def within(n: IntArray) -> Evaluate:
                ages = np.arange(n.max(initial=0) + int(np.ceil(length)))
                return lambda params: payments(self.rates(ages)(params), force, n, length)

            return within
        if force < 0:
            raise ParameterError(
                f"An infinite future needs a discount rate of 0 or more, got {discount}. Give "
                "one, or a horizon."
            )

        def all_to_come(n: IntArray) -> Evaluate:
            def evaluate(params: Params) -> FloatArray:
                power, settled = self.kernel.power_tail(**params)
                oldest = int(n.max(initial=0))
                every = residual_lifetimes(self._log_kept(params), force, oldest, power, settled)
                return every[:, n]

            return evaluate

        return all_to_come

    def constant_residual(
        self, rate: float, discount: DiscountRate | float, horizon: HorizonLike | None
    ) -> float:
        """The textbook's residual lifetime, r + r^2 v + r^3 v^2 + ..."""
        from clvmodels.kernels.retention import payments

        force = self.force(discount)
        if horizon is None:
            share = rate * np.exp(-force)
            return float(rate / (1 - share)) if share < 1 else float("inf")
        length = self.periods(horizon)
        rates = np.full((1, int(np.ceil(length)) + 1), rate)
        return float(payments(rates, force, np.ones(1, dtype=np.int64), length)[0, 0])

    def force(self, discount: DiscountRate | float) -> float:
        """Force of interest per period."""
        return DiscountRate.parse(discount).force(self.period.unit) * self.period.length

    def periods(self, horizon: HorizonLike) -> float:
        """A length of time in periods."""
        return Horizon.parse(horizon).to(self.period.unit) / self.period.length

    def _log_kept(self, params: Params) -> "LogKept":
        return partial(self.kernel.log_kept, **params)


def over_draws(of: OfAges, n: IntArray, places: IntArray, params: Params) -> FloatArray:
    """A quantity at some ages, of shape (draws, ages).

    `places` are the columns of `params` that each age's cohort has, or the one of all.
    """
    places = np.broadcast_to(places, n.shape)
    out = np.empty((draws_of(params), len(n)))
    for place in np.unique(places):
        mine = places == place
        evaluate, own = of(n[mine]), group_of(params, place[None])
        for i in range(0, len(out), _DRAWS):
            some = slice(i, i + _DRAWS)
            out[some, mine] = evaluate({name: values[some] for name, values in own.items()})
    return out

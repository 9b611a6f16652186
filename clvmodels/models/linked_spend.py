"""The joint likelihood of purchases and spend where one goes with the other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, final

import numpy as np

from clvmodels._typing import FloatArray, Params
from clvmodels.data.histories import Histories
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import ParameterError
from clvmodels.inference.problem import Objective, Parameter, Problem
from clvmodels.inference.traits import multiplier
from clvmodels.models.clock import Clock, PlainClock
from clvmodels.models.dropout_at_purchase import DropoutAtPurchaseModel
from clvmodels.models.gamma_gamma import GammaGammaModel
from clvmodels.models.nbd import NBDModel
from clvmodels.models.spend import monetary

LINK = Parameter(
    "multiplier", "pure", "what e times the purchase rate multiplies spend by: e^elasticity"
)
_PRIOR = multiplier("multiplier", "what e times the purchase rate multiplies spend by")


@final
@dataclass(frozen=True, slots=True)
class LinkedSpend:
    """NBD, BG/NBD or MBG/NBD purchases with Gamma-Gamma spend in proportion to a power of the rate.

    Attributes
    ----------
    purchases : DropoutAtPurchaseModel or NBDModel
    spend : GammaGammaModel
    """

    purchases: DropoutAtPurchaseModel | NBDModel
    spend: GammaGammaModel

    @classmethod
    def of(cls, purchases: object, spend: object) -> Self:
        """Of two models that can be linked, or an error that says which can."""
        if not (
            isinstance(purchases, DropoutAtPurchaseModel | NBDModel)
            and isinstance(spend, GammaGammaModel)
        ):
            raise ParameterError(
                "correlated=True is for NBDModel, BetaGeoModel or ModifiedBetaGeoModel with "
                f"GammaGammaModel, neither of them fitted: got {purchases!r} and {spend!r}."
            )
        if purchases.covariates or spend.covariates:
            raise ParameterError("correlated=True knows no covariates: leave them out.")
        return cls(purchases, spend)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Those of purchases, of spend, and the multiplier."""
        return (*self.purchases.parameters, *self.spend.parameters, LINK)

    def problem(self, data: RFMSummary, clock: Clock, start: Mapping[str, float]) -> Problem:
        """The joint likelihood on distinct (x, t_x, T, m), searched from independence."""
        h, n, m = self.histories(data, clock)
        theta = np.array([*start.values(), 1.0])
        return Problem(
            model="linked_spend",
            parameters=self.parameters,
            data={"x": h.x, "t_x": h.t_x, "T": h.T, "n": n, "m": m},
            weight=h.weight,
            compile=self._objective,
            starts=lambda data, weight: [theta],
            blocks=(*self.purchases.blocks, *self.spend.blocks, _PRIOR),
            rows=self._rows,
        )

    def histories(self, data: RFMSummary, clock: Clock) -> tuple[Histories, FloatArray, FloatArray]:
        """Distinct histories, with how many values their mean rests on, and that mean.

        Both are 0 where the mean value says nothing: none was bought, or it is not positive.
        """
        if not isinstance(clock, PlainClock):
            raise ParameterError(
                "correlated=True counts calendar time: give a summary made without calendar=."
            )
        n, m = monetary(data)
        known = (n > 0) & (m > 0)
        z = np.column_stack([np.where(known, n, 0.0), np.where(known, m, 0.0)])
        h = clock.histories(data, z)
        return h, h.z[:, 0].copy(), h.z[:, 1].copy()

    def predictions(
        self,
        h: Histories,
        n: FloatArray,
        m: FloatArray,
        windows: tuple[tuple[float, float, float], ...],
        theta: Mapping[str, float],
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """P(alive), purchases and their worth per window and history: see the kernel's."""
        from clvmodels.kernels import linked_value

        alive, made, worth = linked_value.predictions(
            h.x, h.t_x, h.T, n, m, windows, **theta, d=self._d
        )
        # nothing is bought of those gone, even if spend has no mean
        money = np.multiply(alive, worth, out=np.zeros_like(worth), where=alive > 0)
        return alive, alive * made, money

    @property
    def _d(self) -> int:
        model = self.purchases
        return int(isinstance(model, DropoutAtPurchaseModel) and model.first_can_be_last)

    def _objective(self, data: Mapping[str, FloatArray], weight: FloatArray) -> Objective:
        """Rows without spend by the purchase model alone, the others jointly."""
        from clvmodels.kernels import linked_spend

        linked = data["n"] > 0
        silent = {name: values[~linked] for name, values in data.items()}
        alone = self.purchases.objective(silent, weight[~linked]) if (~linked).any() else None
        x, t_x, T, n, m = (data[name][linked] for name in ("x", "t_x", "T", "n", "m"))
        count = weight[linked]
        few = len(self.purchases.parameters)

        def objective(theta: FloatArray) -> tuple[float, FloatArray, FloatArray]:
            nll, gradient, hessian = linked_spend.nll_grad_hess(
                theta, x, t_x, T, n, m, count, self._d
            )
            if alone is not None:
                more, slope, curvature = alone(theta[:few])
                nll += more
                gradient[:few] += slope
                hessian[:few, :few] += curvature
            return nll, gradient, hessian

        return objective

    def _rows(self, data: Mapping[str, FloatArray], params: Params) -> FloatArray:
        """Log-likelihood of each row, of shape (draws, rows)."""
        from clvmodels.kernels import linked_spend

        linked = data["n"] > 0
        draws = len(next(iter(params.values())))
        out = np.empty((draws, len(linked)))
        own = {p.name: params[p.name] for p in self.purchases.parameters}
        times = ("x", "t_x", "T")
        out[:, ~linked] = self.purchases.kernel.loglik(*(data[k][~linked] for k in times), **own)
        some = {name: data[name][linked] for name in (*times, "n", "m")}
        out[:, linked] = linked_spend.loglik(**some, **params, d=self._d)
        return out

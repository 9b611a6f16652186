"""What the Pareto/NBD and the GGompertz/NBD share as models."""

from abc import ABC
from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar

from clvmodels._typing import FloatArray
from clvmodels.inference.estimate import Estimate
from clvmodels.inference.problem import Objective, Problem
from clvmodels.models.covariates import WHILE_WAITING, Process
from clvmodels.models.dropout import evidence_of_dropout
from clvmodels.models.nbd import rate_limits
from clvmodels.models.purchases import PurchaseModel

_NO_DIFFERENCES = 100.0  # a gamma shape from which on hazards differ by less than a tenth


class LifetimeModel(PurchaseModel, ABC):
    """Gamma purchase rates until the end of a lifetime that no purchase triggers."""

    processes: ClassVar[tuple[Process, ...]] = WHILE_WAITING

    def objective(self, data: Mapping[str, FloatArray], weight: FloatArray) -> Objective:
        """See `PurchaseModel.objective`."""
        x, t_x, T = data["x"], data["t_x"], data["T"]
        tail = self.kernel.tail_counts(x, weight)
        return partial(self.kernel.nll_grad_hess, x=x, t_x=t_x, T=T, weight=weight, tail=tail)

    def notes(self, problem: Problem, estimate: Estimate) -> Sequence[str]:
        """See `PurchaseModel.notes`."""
        return [
            *rate_limits(estimate),
            *_lifetime_limits(estimate),
            *evidence_of_dropout(self.kernel, problem, estimate, "s"),
        ]


def _lifetime_limits(estimate: Estimate) -> list[str]:
    """Say so where the data do not pin down s and beta, or b."""
    loose, theta = estimate.diagnostics.boundary, estimate.means
    notes = []
    if {"s", "beta"} <= set(loose) and theta["s"] > _NO_DIFFERENCES:
        notes.append(
            "Customers show no differences in dropout: s and beta run off together at "
            f"s / beta = {theta['s'] / theta['beta']:.4g}."
        )
    elif {"b", "beta"} <= set(loose):
        notes.append(
            "Dropout does not accelerate with age: b and beta run to 0 together at "
            f"beta / b = {theta['beta'] / theta['b']:.4g}, where this is the Pareto/NBD."
        )
    return notes

"""What the BG/NBD and the MBG/NBD share as models."""

from abc import ABC
from collections.abc import Mapping, Sequence
from functools import partial
from types import ModuleType
from typing import ClassVar

import numpy as np

from clvmodels._typing import FloatArray
from clvmodels.inference.estimate import Estimate
from clvmodels.inference.newton import SETTLED, minimise
from clvmodels.inference.problem import Objective, Parameter, Problem, limits
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.models.nbd import RATE, NBDModel, rate_limits
from clvmodels.models.purchases import PurchaseModel
from clvmodels.units import TimeUnit

_FAR_FROM_ZERO = 0.25  # standard error of log a: a is then four standard errors above 0
_NO_EVIDENCE = 1.35  # half the 95 % point, 2.71, of the likelihood-ratio test at a boundary
_NOBODY = 1e-4  # mean dropout that no data can tell from none
_NEARLY_ALL = 0.95  # mean P(alive) above which a reader will wonder


class DropoutAtPurchaseModel(PurchaseModel, ABC):
    """Gamma purchase rates; after a purchase a customer drops out with beta probability."""

    first_can_be_last: ClassVar[bool]  # whether dropout can follow the first purchase
    parameters: ClassVar[tuple[Parameter, ...]] = (
        *RATE,
        Parameter("a", "pure", "dropout after a purchase is Beta(a, b): the mean is a / (a + b)"),
        Parameter("b", "pure", "see a"),
    )

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
        return self._given({"r": r, "alpha": alpha, "a": a, "b": b}, time_unit)

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
        return [
            np.array([shape, shape / (1.5 * mean_rate), 1.0, 3.0]),
            np.array([shape, shape / mean_rate, 2.0, 40.0]),
            np.array([shape, shape / (2.5 * mean_rate), 0.3, 0.4]),
        ]

    def notes(self, problem: Problem, estimate: Estimate) -> Sequence[str]:
        """See `PurchaseModel.notes`."""
        return [
            *rate_limits(estimate),
            *_dropout_limits(estimate),
            *_evidence(self.kernel, problem, estimate),
            *([] if self.first_can_be_last else _always_alive(problem)),
        ]


def _always_alive(problem: Problem) -> list[str]:
    """Say what the BG/NBD takes for granted, to whom it matters."""
    once = float(problem.weight[problem.data["x"] == 0].sum())
    if not once:
        return []
    return [
        f"{once:,.0f} one-time buyers ({once / problem.customers:.0%}) have P(alive) = 1, however "
        "old: this model lets nobody leave before a repeat purchase. ModifiedBetaGeoModel does."
    ]


def _dropout_limits(estimate: Estimate) -> list[str]:
    """Say so where the data do not pin down a and b."""
    loose = {"a", "b"} & set(estimate.diagnostics.boundary)
    theta = estimate.means
    mean = theta["a"] / (theta["a"] + theta["b"])
    if not loose or mean < _NOBODY:
        return []
    if theta["a"] + theta["b"] > 1:
        return [
            "Customers show no differences in dropout: a and b run off together at "
            f"a / (a + b) = {mean:.3g}."
        ]
    return [
        "Dropout is polarised: some customers leave at once and the rest never do. a and b run "
        f"to 0 together at a / (a + b) = {mean:.3g}."
    ]


def _evidence(kernel: ModuleType, problem: Problem, estimate: Estimate) -> list[str]:
    """Compare with the NBD, to which the model collapses where nobody drops out.

    Where the standard error of log a is small, a is far from 0 and the comparison is foregone.
    """
    assert estimate.loglik is not None
    if estimate.diagnostics.gain_left > SETTLED:  # penalised: no maximum to compare
        return []
    if estimate.covariance is not None and estimate.covariance[2, 2] < _FAR_FROM_ZERO**2:
        return []
    start = np.array([estimate.means["r"], estimate.means["alpha"]])
    nbd = minimise(NBDModel().objective(problem.data, problem.weight), start, limits(RATE))
    gain = estimate.loglik + nbd.nll
    if gain <= _NO_EVIDENCE:
        return [
            "No evidence of dropout: the NBD, which has none, fits as well (log-likelihood within "
            f"{max(gain, 0):.2f}). P(alive) near 1 then says that nobody seems to leave."
        ]
    alive = kernel.prob_alive(**problem.data, **estimate.means) @ problem.weight
    alive /= problem.customers
    if alive < _NEARLY_ALL:
        return []
    return [f"Little dropout to be seen: P(alive) averages {alive:.3f}."]

"""What the BG/CNBD-k and the MBG/CNBD-k share as models."""

from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import numpy as np

from clvmodels._numbers import whole_number
from clvmodels._typing import FloatArray
from clvmodels.data.regularity import LARGEST_K
from clvmodels.exceptions import ParameterError
from clvmodels.inference.estimate import Estimate, Method
from clvmodels.inference.mle import best_of_starts
from clvmodels.inference.newton import minimise
from clvmodels.inference.problem import Objective, Parameter, Problem
from clvmodels.inference.traits import PURCHASES, Block, dropout_shares
from clvmodels.models.clock import PlainClock, Summary
from clvmodels.models.dropout import (
    always_alive,
    evidence_of_dropout,
    limits_of_beta,
    starts_of_beta,
)
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.models.nbd import rate_limits
from clvmodels.models.purchases import PurchaseModel
from clvmodels.units import TimeUnit

_TRIED_K = range(2, 7)  # besides 1
_MOST_FALLS = 2  # of the log-likelihood from one k to the next, before the search stops


@dataclass(frozen=True)
class CNBDModel(PurchaseModel, ABC):
    """Erlang-k times between purchases at gamma rates; beta probability of dropout after each.

    `k` is given, or None: then `fit` chooses it.
    """

    k: int | None = None
    first_can_be_last: ClassVar[bool]  # whether dropout can follow the first purchase
    timed: ClassVar[bool] = True
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("r", "pure", "shape of purchase rates over customers"),
        Parameter("alpha", "time", "scale of purchase rates: the mean rate is r / (k alpha)"),
        Parameter("a", "pure", "dropout after a purchase is Beta(a, b): the mean is a / (a + b)"),
        Parameter("b", "pure", "see a"),
    )

    def __post_init__(self) -> None:
        if self.k is None:
            return
        object.__setattr__(self, "k", whole_number("k", self.k, 1))
        if self.k > LARGEST_K:
            raise ParameterError(
                f"k must be at most {LARGEST_K}, got {self.k}. Purchases as regular as that are "
                "renewals: see the models of contractual settings."
            )

    @property
    def stages(self) -> int:
        """See `PurchaseModel.stages`: k of them."""
        if self.k is None:
            raise ParameterError("k is not chosen yet: give k, or fit the model.")
        return self.k

    @property
    def blocks(self) -> tuple[Block, ...]:
        """See `PurchaseModel.blocks`; of the hidden events there are k to a purchase."""
        return replace(PURCHASES, per=float(self.stages)), dropout_shares()

    @property
    def label(self) -> str:
        """See `PurchaseModel.label`."""
        return self.title if self.k is None else self.title.replace("-k", f"-{self.k}")

    def fit(self, data: Summary, method: Method | None = None) -> FittedPurchases:
        """Estimate the parameters from a summary with `litt`, and k too if it was not given.

        Parameters
        ----------
        data : RFMSummary
            One row per customer, one-time buyers included, with the sums of the logs of the times
            between purchases: ``rfm_summary(..., litt=True)``.
        method : Method, optional
            ``MLE()`` if not given. Where k is to be chosen, that is done by the maximum of the
            likelihood over k = 1, ..., 6 (until it has fallen twice in a row), whatever the
            method.

        Returns
        -------
        FittedPurchases
            Its model has the k that was chosen; its diagnostics give the log-likelihood of each k
            that was tried. AIC and BIC do not count k as a parameter.

        Raises
        ------
        DataError
            If the summary has no `litt`, nobody bought again, or nobody was observed for any time.
        FitError
            If the method cannot fit this model.
        """
        if self.k is not None:
            return super().fit(data, method)
        fitted = replace(self, k=1).fit(data)  # looks at the data before the search does
        reached = self._logliks(data, fitted.loglik)
        k = max(reached, key=reached.__getitem__)
        if k > 1 or method is not None:
            fitted = replace(self, k=k).fit(data, method)
        tried = ", ".join(f"{loglik:,.2f} at k = {k}" for k, loglik in reached.items())
        diagnostics = fitted.diagnostics
        notes = (f"k = {k} has the highest log-likelihood: {tried}.", *diagnostics.notes)
        estimate = replace(fitted.estimate, diagnostics=replace(diagnostics, notes=notes))
        return replace(fitted, estimate=estimate)

    def with_params(
        self, *, r: float, alpha: float, a: float, b: float, time_unit: TimeUnit | str
    ) -> FittedPurchases:
        """A fitted model with known parameters, to predict with published values.

        Parameters
        ----------
        r : float
            Shape of purchase rates over customers, a pure number.
        alpha : float
            Scale of purchase rates, in `time_unit`: the mean rate is r / (k alpha) per unit.
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
            If a parameter is not positive and finite, or the model has no k.
        UnitError
            If the time unit is unknown.
        """
        assert self.stages  # raises where there is no k
        return self._given({"r": r, "alpha": alpha, "a": a, "b": b}, PlainClock.of(time_unit))

    def objective(self, data: Mapping[str, FloatArray], weight: FloatArray) -> Objective:
        """See `PurchaseModel.objective`."""
        tail, tail_d = self.kernel.tails(data["x"], weight)
        return partial(self.kernel.nll_grad_hess, **data, weight=weight, tail=tail, tail_d=tail_d)

    def starts(self, mean_rate: float, shape: float) -> Sequence[FloatArray]:
        """See `PurchaseModel.starts`: moderate, little and polarised dropout, as for k = 1.

        Of the hidden events there are k to a purchase.
        """
        return starts_of_beta(self.stages * mean_rate, shape)

    def notes(self, problem: Problem, estimate: Estimate) -> Sequence[str]:
        """See `PurchaseModel.notes`."""
        return [
            *rate_limits(estimate),
            *limits_of_beta(estimate),
            *evidence_of_dropout(
                self.kernel,
                problem,
                estimate,
                "a",
                _without_dropout,
                "regular purchases without it fit",
            ),
            *([] if self.first_can_be_last else always_alive(problem, "ModifiedBetaGeoCNBDModel")),
        ]

    def _logliks(self, data: Summary, at_1: float) -> dict[int, float]:
        """Maximum of the log-likelihood for k = 1 (known), 2, ... until it keeps falling."""
        reached = {1: at_1}
        falls = 0
        for k in _TRIED_K:
            problem, _ = replace(self, k=k)._problem(data)
            optimum, _, _ = best_of_starts(problem)
            falls = falls + 1 if -optimum.nll < reached[k - 1] else 0
            reached[k] = -optimum.nll
            if falls == _MOST_FALLS:
                break
        return reached


def _without_dropout(problem: Problem, estimate: Estimate) -> float:
    """The least negative log-likelihood with a as low and b as high as can be."""
    held = problem.limits  # a mean dropout of 1e-14
    held[1, 2], held[0, 3] = held[0, 2], held[1, 3]
    start = np.array(list(estimate.means.values()))
    return minimise(problem.objective(), start, held).nll

"""BG/BB: buyers who have opportunities to buy, one by one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, final

import numpy as np

from clvmodels._typing import FloatArray, Kernel
from clvmodels.data.opportunities import OpportunitySummary
from clvmodels.inference.estimate import Estimate
from clvmodels.inference.newton import SETTLED, minimise
from clvmodels.inference.problem import Objective, Parameter, Problem
from clvmodels.inference.traits import Block, Trait, dropout_shares
from clvmodels.models.clock import OpportunityClock, Summary
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.models.purchases import PurchaseModel
from clvmodels.units import Horizon, HorizonLike

_NO_DROPOUT = (1e-7, 1e7)  # gamma and delta at which nobody ever leaves
_FAR_FROM_ZERO = 0.25  # standard error of log gamma: gamma is then four standard errors above 0
_NO_EVIDENCE = 1.35  # half the 95 % point, 2.71, of the likelihood-ratio test at a boundary
_NOBODY = 1e-4  # mean dropout that no data can tell from none


@final
@dataclass(frozen=True, slots=True)
class BetaGeoBetaBinomModel(PurchaseModel):
    """BG/BB: at each opportunity a living customer buys or not, and may leave before the next.

    For settings where everybody can buy at the same points in time, and at most once at each:
    yearly donations, seasons, conferences. Fit it to an `OpportunitySummary`. Horizons are whole
    numbers of opportunities, and discounting is from one to the next.

    Notes
    -----
    Parameters, all positive pure numbers:

    - alpha, beta: the probability of buying at an opportunity is Beta(alpha, beta) over customers,
      with mean alpha / (alpha + beta).
    - gamma, delta: that of leaving before an opportunity is Beta(gamma, delta), with mean
      gamma / (gamma + delta).

    P(alive) is that of having survived to the last opportunity observed, n. Fader, Hardie and
    Shang tabulate P(alive at n + 1), that of still being there when the next one comes:
    ``probability_alive(data, "1 year")`` if opportunities come once a year.

    References
    ----------
    Fader, Hardie and Shang (2010), Customer-Base Analysis in a Discrete-Time Noncontractual
    Setting, Marketing Science 29(6), 1086-1108.

    Examples
    --------
    >>> import clvmodels as clv
    >>> fit = BetaGeoBetaBinomModel().fit(clv.datasets.load_donations())
    >>> {name: round(value, 3) for name, value in fit.params.items()}
    {'alpha': 1.204, 'beta': 0.75, 'gamma': 0.657, 'delta': 2.783}
    """

    key: ClassVar[str] = "beta_geo_beta_binom"
    title: ClassVar[str] = "BG/BB"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("alpha", "pure", "buying at an opportunity is Beta(alpha, beta)"),
        Parameter("beta", "pure", "see alpha: the mean is alpha / (alpha + beta)"),
        Parameter("gamma", "pure", "leaving before an opportunity is Beta(gamma, delta)"),
        Parameter("delta", "pure", "see gamma: the mean is gamma / (gamma + delta)"),
    )
    smooth_in: ClassVar[tuple[str, ...]] = ()
    container: ClassVar[type[Summary]] = OpportunitySummary

    @property
    def kernel(self) -> Kernel:
        """See `PurchaseModel.kernel`."""
        from clvmodels.kernels import beta_geo_beta_binom

        return beta_geo_beta_binom

    @property
    def blocks(self) -> tuple[Block, ...]:
        """See `PurchaseModel.blocks`."""
        buying = Trait("purchase", "mean probability of buying at an opportunity", "logit", 0.5, 20)
        leaving = Trait("dropout", "mean probability of leaving before one", "logit", 0.25, 20)
        return (
            dropout_shares("alpha", "beta", buying),
            dropout_shares("gamma", "delta", leaving),
        )

    def with_params(
        self, *, alpha: float, beta: float, gamma: float, delta: float, every: HorizonLike
    ) -> FittedPurchases:
        """A fitted model with known parameters, to predict with published values.

        Parameters
        ----------
        alpha, beta : float
            Buying at an opportunity is Beta(alpha, beta), pure numbers.
        gamma, delta : float
            Leaving before an opportunity is Beta(gamma, delta), pure numbers.
        every : Horizon or str
            Time from one opportunity to the next ("1 year").

        Returns
        -------
        FittedPurchases
            Without covariance, so that intervals have no width.

        Raises
        ------
        ParameterError
            If a parameter is not positive and finite.
        UnitError
            If `every` is no length of time.
        """
        values = {"alpha": alpha, "beta": beta, "gamma": gamma, "delta": delta}
        return self._given(values, OpportunityClock(Horizon.parse(every)))

    def objective(self, data: Mapping[str, FloatArray], weight: FloatArray) -> Objective:
        """See `PurchaseModel.objective`."""
        from clvmodels.kernels import beta_geo_beta_binom as kernel

        x, t_x, T = data["x"], data["t_x"], data["T"]
        tail = kernel.tail_counts(x, weight)
        return partial(kernel.nll_grad_hess, x=x, t_x=t_x, T=T, weight=weight, tail=tail)

    def starts(self, mean_rate: float, shape: float) -> Sequence[FloatArray]:
        """See `PurchaseModel.starts`: moderate, little and polarised dropout.

        Those who left count in the mean rate, so living customers buy more often than it.
        """
        often, usually, rarely = np.minimum(mean_rate * np.array([2.5, 1.5, 1.0]), 0.9)
        return [
            np.array([2 * usually, 2 * (1 - usually), 1.0, 4.0]),
            np.array([2 * rarely, 2 * (1 - rarely), 2.0, 40.0]),
            np.array([2 * often, 2 * (1 - often), 0.3, 0.4]),
        ]

    def notes(self, problem: Problem, estimate: Estimate) -> Sequence[str]:
        """See `PurchaseModel.notes`."""
        return [
            *_buying_limits(estimate),
            *_dropout_limits(estimate),
            *_evidence(problem, estimate),
        ]


def _buying_limits(estimate: Estimate) -> list[str]:
    """Say so where the data do not pin down alpha and beta."""
    if not {"alpha", "beta"} & set(estimate.diagnostics.boundary):
        return []
    alpha, beta = estimate.means["alpha"], estimate.means["beta"]
    mean = alpha / (alpha + beta)
    if alpha + beta > 1:
        return [
            "The data do not tell customers apart in buying: alpha and beta are not identified, "
            f"only alpha / (alpha + beta) = {mean:.3g} is."
        ]
    return [
        "Buying is polarised: some customers use every opportunity and the rest none. alpha and "
        f"beta run to 0 together at alpha / (alpha + beta) = {mean:.3g}."
    ]


def _dropout_limits(estimate: Estimate) -> list[str]:
    """Say so where the data do not pin down gamma and delta."""
    gamma, delta = estimate.means["gamma"], estimate.means["delta"]
    mean = gamma / (gamma + delta)
    if not {"gamma", "delta"} & set(estimate.diagnostics.boundary) or mean < _NOBODY:
        return []
    if gamma + delta > 1:
        return [
            "The data do not tell customers apart in dropout: gamma and delta are not identified, "
            f"only gamma / (gamma + delta) = {mean:.3g} is."
        ]
    return [
        "Dropout is polarised: some customers leave at once and the rest never do. gamma and delta "
        f"run to 0 together at gamma / (gamma + delta) = {mean:.3g}."
    ]


def _evidence(problem: Problem, estimate: Estimate) -> list[str]:
    """Compare with the beta-binomial, to which the model collapses where nobody drops out.

    Where the standard error of log gamma is small, gamma is far from 0 and this is foregone.
    """
    assert estimate.loglik is not None
    if estimate.diagnostics.gain_left > SETTLED:  # penalised: no maximum to compare
        return []
    if estimate.covariance is not None and estimate.covariance[2, 2] < _FAR_FROM_ZERO**2:
        return []
    objective = problem.objective()

    def staying(theta: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        nll, gradient, hessian = objective(np.array([*theta, *_NO_DROPOUT]))
        return nll, gradient[:2], hessian[:2, :2]

    start = np.array([estimate.means["alpha"], estimate.means["beta"]])
    stay = minimise(staying, start, problem.limits[:, :2])
    gain = estimate.loglik + stay.nll
    if gain > _NO_EVIDENCE:
        return []
    return [
        "No evidence of dropout: the beta-binomial, which has none, fits as well (log-likelihood "
        f"within {max(gain, 0):.2f}). P(alive) near 1 then says that nobody seems to leave."
    ]

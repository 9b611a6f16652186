"""Gamma-Gamma."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, final

import numpy as np

from clvmodels._typing import AnyArray, FloatArray, Kernel, Params
from clvmodels.inference.estimate import Estimate
from clvmodels.inference.groups import CENTRE
from clvmodels.inference.problem import Objective, Parameter, Problem, likelihood_rows
from clvmodels.inference.traits import Block, Linear, Trait
from clvmodels.models.covariates import Covariates, Process, spend_process
from clvmodels.models.spend import FittedSpend, SpendModel

SPEND = (
    Linear(
        ("p", "q", "v"),
        (
            Trait("spend", "typical value of a purchase, p v / q, over the geometric mean"),
            Trait("spend_cv_within", "variation of a customer's purchases, p^-1/2", "log", 0.5, 5),
            Trait("spend_cv_between", "variation of spend over customers, q^-1/2", "log", 0.6, 3),
        ),
        ((1, -1, 1), (-0.5, 0, 0), (0, -0.5, 0)),
        times=(0, 0, 0),
        money=(-1, 0, 0),
    ),
)


@final
@dataclass(frozen=True, slots=True)
class GammaGammaModel(SpendModel):
    """Gamma-Gamma: purchases of a customer are gamma, their mean varies over customers.

    Assumes that spend does not depend on purchase frequency; the fit's notes give the correlation.
    The log-likelihood is that of the mean purchase values (the average form).

    Parameters
    ----------
    covariates : Covariates, optional
        Columns of the summary that the value of a purchase depends on (`spend=`).

    Notes
    -----
    Parameters, all positive:

    - p, a pure number: shape of a customer's purchases; large where they are alike.
    - q, a pure number: shape over customers; at 1 or less the population has no mean spend.
    - v, in the currency of the data: scale (the papers' gamma); the population mean is
      p v / (q - 1).

    References
    ----------
    Colombo and Jiang (1999), A stochastic RFM model, Journal of Interactive Marketing 13(3), 2-12;
    Fader, Hardie and Lee (2005b), RFM and CLV, Journal of Marketing Research 42(4), 415-430, eq. 5.

    Examples
    --------
    >>> fit = GammaGammaModel().with_params(p=6.25, q=3.74, v=15.44)
    >>> round(fit.population_mean, 2)
    35.22
    """

    key: ClassVar[str] = "gamma_gamma"
    title: ClassVar[str] = "Gamma-Gamma"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("p", "pure", "shape of a customer's purchases: large where they are alike"),
        Parameter("q", "pure", "shape over customers: the population mean is p v / (q - 1)"),
        Parameter("v", "money", "scale in the currency of the data (the papers' gamma)"),
    )
    processes: ClassVar[tuple[Process, ...]] = spend_process("v")

    covariates: Covariates = Covariates()

    @property
    def kernel(self) -> Kernel:
        """See `SpendModel.kernel`."""
        from clvmodels.kernels import gamma_gamma

        return gamma_gamma

    @property
    def blocks(self) -> tuple[Block, ...]:
        """See `SpendModel.blocks`."""
        return SPEND

    def with_params(self, *, p: float, q: float, v: float) -> FittedSpend:
        """A fitted model with known parameters, to predict with published values.

        Parameters
        ----------
        p : float
            Shape of a customer's purchases, a pure number: large where they are alike.
        q : float
            Shape over customers, a pure number; at 1 or less the population has no mean spend.
        v : float
            Scale in currency (the papers' gamma): the population mean is p v / (q - 1).

        Returns
        -------
        FittedSpend
            Without covariance, so that intervals have no width.

        Raises
        ------
        ParameterError
            If a parameter is not positive and finite.
        """
        return self._given({"p": p, "q": q, "v": v})

    def problem(self, x: FloatArray, m: FloatArray, weight: FloatArray) -> Problem:
        """See `SpendModel.problem`."""
        from clvmodels.kernels import gamma_gamma

        return Problem(
            model=self.key,
            parameters=self.parameters,
            data={"x": x, "m": m},
            weight=weight,
            compile=_objective,
            starts=_starts,
            blocks=self.blocks,
            rows=partial(likelihood_rows, gamma_gamma.loglik),
        )

    def notes(self, problem: Problem, estimate: Estimate) -> list[str]:
        """See `SpendModel.notes`."""
        theta, loose = estimate.means, set(estimate.diagnostics.boundary)
        notes = []
        if "p" in loose and theta["p"] > 1:
            notes.append("A customer's purchases hardly differ in value: p runs off, v with it.")
        if "q" in loose and theta["q"] > 1:
            notes.append("Customers hardly differ in what they spend: q runs off, v with it.")
        if theta["q"] <= 1:
            notes.append(
                f"q = {theta['q']:.3f} is not above 1: the mean spend of the population does not "
                f"exist (its median is {self.population_median(theta):,.4g}). Values of "
                "customers with enough purchases still do. LognormalNormalModel is made for "
                "such tails and always has a mean."
            )
        return notes

    def no_mean(self, estimate: Estimate) -> str:
        """See `SpendModel.no_mean`."""
        lowest = float(estimate.point["q"][:, CENTRE].min())
        median = self.population_median(estimate.means)
        if lowest > 1:
            return (
                "The spend of some group has a tail too heavy for a mean, though that of the "
                "typical one has not. Look for outliers in it, or fit LognormalNormalModel, which "
                "always has a mean."
            )
        return (
            "The spend of the population has a tail too heavy for a mean: it does not exist at "
            f"q = {lowest:.3f} <= 1 (its median is {median:,.4g}). Look for outliers, or fit "
            "LognormalNormalModel, which always has a mean."
        )

    def informative(self, x: FloatArray, m: FloatArray) -> AnyArray:
        """See `SpendModel.informative`."""
        return (x > 0) & (m >= 0)

    def population_median(self, params: Mapping[str, float]) -> float:
        """See `SpendModel.population_median`: v times the median of a beta prime."""
        from scipy.special import betaincinv

        p, q, v = params["p"], params["q"], params["v"]
        with np.errstate(divide="ignore"):  # for q below 1e-3 it exceeds the largest float
            return float(v * betaincinv(p, q, 0.5) / betaincinv(q, p, 0.5))

    def expected_spend(self, x: FloatArray, m: FloatArray, params: Params) -> FloatArray:
        """See `SpendModel.expected_spend`."""
        from clvmodels.kernels import gamma_gamma

        return gamma_gamma.expected_spend(x, m, **params)

    def simulate(self, x: FloatArray, rng: np.random.Generator, params: Params) -> FloatArray:
        """See `SpendModel.simulate`."""
        from clvmodels.kernels import gamma_gamma

        return gamma_gamma.simulate(x, rng, **params)

    def simulate_further(
        self, n: FloatArray, x: FloatArray, m: FloatArray, rng: np.random.Generator, params: Params
    ) -> FloatArray:
        """See `SpendModel.simulate_further`."""
        from clvmodels.kernels import gamma_gamma

        return gamma_gamma.simulate_further(n, x, m, rng, **params)


def _objective(data: Mapping[str, FloatArray], weight: FloatArray) -> Objective:
    from clvmodels.kernels import gamma_gamma

    return partial(gamma_gamma.nll_grad_hess, x=data["x"], m=data["m"], weight=weight)


def _starts(data: Mapping[str, FloatArray], weight: FloatArray) -> list[FloatArray]:
    """Start from the moments of the logs, whose variance is psi'(p x) + psi'(q)."""
    log_m = np.log(data["m"])
    level = float(np.average(log_m, weights=weight))
    variance = float(np.average((log_m - level) ** 2, weights=weight))
    busy = float(np.average(data["x"], weights=weight))
    starts = []
    for between in (0.5, 0.2, 0.8):  # share of the variance that lies between customers
        q = 0.5 + 1 / max(between * variance, 1e-6)
        p = 0.5 + 1 / max((1 - between) * variance * busy, 1e-6)
        starts.append(np.array([p, q, np.exp(level) * q / p]))
    return starts

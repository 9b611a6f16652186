"""The role of a spend model: what a customer's purchases have been worth in, what the next is."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self, final

import numpy as np

from clvmodels._typing import AnyArray, FloatArray, Params
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import DataError, UndefinedMeanError, rule_broken
from clvmodels.inference.estimate import Estimate, Method
from clvmodels.inference.mle import run
from clvmodels.inference.problem import Parameter, Problem
from clvmodels.models.averaging import ELEMENTS, columnwise_quantiles, draws_of
from clvmodels.models.fitted import INTERVAL_DRAWS, FittedModel, check_summary, probabilities

if TYPE_CHECKING:
    import pandas as pd

_ALIKE = 1e-9  # relative differences of spend from which no correlation can be computed


class SpendModel(ABC):
    """A model of what a purchase is worth."""

    key: ClassVar[str]
    title: ClassVar[str]
    parameters: ClassVar[tuple[Parameter, ...]]

    @abstractmethod
    def problem(self, x: FloatArray, m: FloatArray, weight: FloatArray) -> Problem:
        """The likelihood of mean values `m` of `x` purchases, all positive."""

    @abstractmethod
    def notes(self, estimate: Estimate) -> Sequence[str]:
        """What a reader of the estimates should know."""

    @abstractmethod
    def expected_spend(self, x: FloatArray, m: FloatArray, params: Params) -> FloatArray:
        """Expected value of a purchase, of shape (draws, customers); inf where it has no mean."""

    @abstractmethod
    def population_median(self, p: float, q: float, v: float) -> float:
        """Median value of a purchase over the population."""

    @abstractmethod
    def simulate(self, x: FloatArray, rng: np.random.Generator, params: Params) -> FloatArray:
        """Mean values of `x` purchases of new customers; NaN where x = 0."""

    def __sklearn_clone__(self) -> Self:
        # what never changes is its own copy
        return self

    def fit(self, data: RFMSummary, method: Method | None = None) -> "FittedSpend":
        """Estimate the parameters from the mean values of repeat purchases.

        Customers without repeat purchases, or whose mean value is not positive, tell nothing
        about it; they are left out of the fit, and counted in ``diagnostics.notes``.

        Parameters
        ----------
        data : RFMSummary
            With ``monetary_value``.
        method : Method, optional
            ``MLE()`` if not given.

        Returns
        -------
        FittedSpend
            Parameters, diagnostics, and expected spend.

        Raises
        ------
        DataError
            If there is no monetary value, or fewer than two customers with a positive one.

        Examples
        --------
        >>> import clvmodels as clv
        >>> fit = clv.GammaGammaModel().fit(clv.datasets.load_cdnow_summary())
        >>> {name: round(value, 2) for name, value in fit.params.items()}
        {'p': 6.25, 'q': 3.74, 'v': 15.45}
        """
        x, m = monetary(data)
        usable = (x > 0) & (m > 0)
        if usable.sum() < 2:
            raise DataError(
                rule_broken(
                    "a spend model needs at least 2 customers with repeat purchases of positive "
                    "mean value",
                    int((~usable).sum()),
                    len(data),
                    data.customer_id[~usable].tolist(),
                    "Check the value column and the refunds policy of the log.",
                )
            )
        weight = data.weights
        problem = self.problem(x[usable], m[usable], weight[usable])
        estimate = run(method, problem)
        notes = [*estimate.diagnostics.notes, *self.notes(estimate)]
        left_out = (x > 0) & (m <= 0)
        if left_out.any():
            first = ", ".join(map(str, data.customer_id[left_out][:5].tolist()))
            notes.append(
                "Repeat buyers left out for a mean value that is not positive: "
                f"{data.customers(left_out):,.0f}, first {first}."
            )
        notes.append(_independence(x[usable], m[usable], weight[usable]))
        diagnostics = replace(estimate.diagnostics, notes=tuple(notes))
        return FittedSpend(replace(estimate, diagnostics=diagnostics), self)


@final
@dataclass(frozen=True, eq=False, repr=False)
class FittedSpend(FittedModel):
    """A fitted spend model, in the currency of the data it was fitted to.

    Attributes
    ----------
    model : SpendModel
        What was fitted.
    """

    model: SpendModel

    @property
    def _parameters(self) -> tuple[Parameter, ...]:
        return self.model.parameters

    @property
    def _title(self) -> str:
        return self.model.title

    @property
    def population_mean(self) -> float:
        """Mean value of a purchase over the population.

        Raises
        ------
        UndefinedMeanError
            If the distribution has no mean; the text gives its median.
        """
        value = self._mean(np.zeros(1), np.zeros(1))[0]
        if not np.isfinite(value):
            raise UndefinedMeanError(self._no_mean())
        return float(value)

    def expected_spend(self, data: RFMSummary) -> FloatArray:
        """Expected value of each customer's next purchase.

        A weighted mean of the customer's own mean value and the population's. Customers without
        repeat purchases, or with a negative mean value, have the population mean.

        Returns
        -------
        ndarray of shape (customers,)

        Raises
        ------
        UndefinedMeanError
            If some customer's expectation does not exist (a population without a mean).
        """
        x, m = monetary(data)
        value = self._mean(*_informative(x, m))
        undefined = ~np.isfinite(value)
        if undefined.any():
            ids = data.customer_id[undefined].tolist()
            raise UndefinedMeanError(
                rule_broken("expected spend must exist", len(ids), len(data), ids, self._no_mean())
            )
        return value

    def draws(self, data: RFMSummary, customers: AnyArray, params: Params) -> FloatArray:
        """Expected spend of some customers at given parameters, of shape (draws, customers)."""
        x, m = monetary(data)
        return self.model.expected_spend(*_informative(x[customers], m[customers]), params)

    def predict(self, data: RFMSummary, level: float = 0.9) -> "pd.DataFrame":
        """One row per customer: customer_id, expected_spend, expected_spend_lo, expected_spend_hi.

        Parameters
        ----------
        data : RFMSummary
            Customers, fitted or not.
        level : float
            Probability of the interval for the expectation, from parameter uncertainty.
        """
        import pandas as pd

        params = self.estimate.sample(INTERVAL_DRAWS, np.random.default_rng(0))
        tails = probabilities(level)
        ends = np.empty((2, len(data)))
        step = max(1, ELEMENTS // INTERVAL_DRAWS)
        for start in range(0, len(data), step):
            rows = np.arange(start, min(start + step, len(data)))
            ends[:, rows] = columnwise_quantiles(self.draws(data, rows, params), tails)
        return pd.DataFrame(
            {
                "customer_id": data.customer_id,
                "expected_spend": self.expected_spend(data),
                "expected_spend_lo": ends[0],
                "expected_spend_hi": ends[1],
            }
        )

    def simulate(self, frequency: FloatArray, seed: int = 0) -> FloatArray:
        """Mean values of `frequency` purchases of new customers; NaN where there is none."""
        point = {name: values[:1] for name, values in self.estimate.point.items()}
        rng = np.random.default_rng(seed)
        x = np.asarray(frequency, dtype=np.float64)
        means: FloatArray = self.model.simulate(x, rng, point)[0]
        return means

    def save(self, path: str | Path) -> None:
        """Write the fit as JSON: parameters, covariance, diagnostics; no customer rows.

        Parameters
        ----------
        path : str or Path
            The file, replaced if there; `clvmodels.load` reads it back.
        """
        from clvmodels.models.storage import dump_spend, write_json

        write_json(dump_spend(self), path)

    def _mean(self, x: FloatArray, m: FloatArray) -> FloatArray:
        point = self.estimate.point
        step = max(1, ELEMENTS // draws_of(point))
        parts = [
            self.model.expected_spend(x[i : i + step], m[i : i + step], point).mean(axis=0)
            for i in range(0, len(x), step)
        ]
        return np.concatenate(parts)

    def _no_mean(self) -> str:
        median = self.model.population_median(**self.params)
        return (
            "The spend of the population has a tail too heavy for a mean "
            f"(q = {self.params['q']:.3f} <= 1; its median is {median:,.4g}). Look for outliers, "
            "or value only customers with repeat purchases."
        )


def monetary(data: RFMSummary) -> tuple[FloatArray, FloatArray]:
    """Purchases behind the mean value, and the mean value.

    Raises
    ------
    DataError
        If the summary has no monetary value.
    """
    check_summary(data)
    if data.monetary_value is None:
        raise DataError(
            "The summary has no monetary_value, so there is no spend to model. Give `value=` to "
            "rfm_summary, or a monetary_value column to RFMSummary.from_frame."
        )
    return data.frequency + data.first_value_included, data.monetary_value


def _informative(x: FloatArray, m: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Set aside mean values that say nothing: of no purchase, or negative."""
    known = (x > 0) & (m >= 0)
    return np.where(known, x, 0.0), np.where(known, m, 0.0)


def _independence(x: FloatArray, m: FloatArray, weight: FloatArray) -> str:
    """Correlation of frequency and spend, which the model takes for zero."""
    customers = weight.sum()
    if customers < 4 or np.ptp(x) == 0 or np.ptp(m) < _ALIKE * m.max():
        return "Frequency and spend: no correlation can be computed."
    pearson = _correlation(x, m, weight)
    # Fisher's z, whose variance is 1 / (n - 3)
    z, half = np.arctanh(np.clip(pearson, -1 + 1e-15, 1 - 1e-15)), 1.96 / np.sqrt(customers - 3)
    ranks = _correlation(_midranks(x, weight), _midranks(m, weight), weight)
    return (
        f"Frequency and spend are taken as independent; their correlation is "
        f"{pearson:.3f} (95 % interval {np.tanh(z - half):.3f} to {np.tanh(z + half):.3f}), of "
        f"ranks {ranks:.3f}."
    )


def _correlation(x: FloatArray, y: FloatArray, weight: FloatArray) -> float:
    share = weight / weight.sum()
    x, y = x - share @ x, y - share @ y
    return float(share @ (x * y) / np.sqrt((share @ x**2) * (share @ y**2)))


def _midranks(values: FloatArray, weight: FloatArray) -> FloatArray:
    _, group = np.unique(values, return_inverse=True)
    size = np.bincount(group, weights=weight)
    ranks: FloatArray = (np.cumsum(size) - size / 2)[group]
    return ranks

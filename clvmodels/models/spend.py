"""The role of a spend model: what a customer's purchases have been worth in, what the next is."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, final

import numpy as np

from clvmodels._notebook import described
from clvmodels._typing import AnyArray, FloatArray, IntArray, Kernel, Params
from clvmodels.data.opportunities import OpportunitySummary
from clvmodels.exceptions import (
    DataError,
    DataWarning,
    ParameterError,
    UndefinedMeanError,
    rule_broken,
)
from clvmodels.inference.estimate import Estimate, Method
from clvmodels.inference.groups import CENTRE, Groups
from clvmodels.inference.mle import run
from clvmodels.inference.problem import Parameter, Problem
from clvmodels.inference.traits import Block
from clvmodels.models.averaging import columns_at_once, draws_of, side_by_side
from clvmodels.models.clock import Summary
from clvmodels.models.covariates import Covariates, Process, coefficients
from clvmodels.models.design import Design
from clvmodels.models.fitted import FittedModel, check_summary, probabilities
from clvmodels.models.independence import correlate
from clvmodels.models.influence import MUCH, shifts
from clvmodels.models.pooling import columns_of, columns_of_new, groups_for, own_params
from clvmodels.models.purchases import check_positive
from clvmodels.models.streaming import Spread, Stream, Values, drawn, how_many_draws

if TYPE_CHECKING:
    import pandas as pd

_SUSPECTS = 5  # customers of each kind to look at for influence
_HARDLY_ANY = 2  # purchases that prove little
_ENORMOUS = 50.0  # expected spend over the median that they should not be enough for
_SPARED = 0.1  # share of draws at which customers of a group that was not seen may lack a mean


class SpendModel(ABC):
    """A model of what a purchase is worth."""

    key: ClassVar[str]
    title: ClassVar[str]
    parameters: ClassVar[tuple[Parameter, ...]]
    processes: ClassVar[tuple[Process, ...]]

    def __post_init__(self) -> None:
        if not isinstance(self.covariates, Covariates):
            raise ParameterError(
                f"covariates takes Covariates(spend=...), got {self.covariates!r}."
            )
        coefficients(self.covariates, self.processes)  # an error, where they do not fit together

    @property
    @abstractmethod
    def kernel(self) -> Kernel:
        """The functions of the model: a module of `clvmodels.kernels`."""

    @property
    @abstractmethod
    def blocks(self) -> tuple[Block, ...]:
        """What priors are about."""

    @property
    @abstractmethod
    def covariates(self) -> Covariates:
        """Columns that the value of a purchase depends on."""

    @abstractmethod
    def problem(self, x: FloatArray, m: FloatArray, weight: FloatArray) -> Problem:
        """The likelihood of mean values `m` of `x` purchases, all positive."""

    @abstractmethod
    def notes(self, problem: Problem, estimate: Estimate) -> Sequence[str]:
        """What a reader of the estimates should know."""

    @abstractmethod
    def expected_spend(self, x: FloatArray, m: FloatArray, params: Params) -> FloatArray:
        """Expected value of a purchase, of shape (draws, customers); inf where it has no mean."""

    @abstractmethod
    def informative(self, x: FloatArray, m: FloatArray) -> AnyArray:
        """Whether a mean value `m` of `x` purchases says anything of the customer's spend."""

    @abstractmethod
    def no_mean(self, estimate: Estimate) -> str:
        """Why an expected value does not exist at these parameters, and the ways out."""

    @abstractmethod
    def population_median(self, params: Mapping[str, float]) -> float:
        """Median value of a purchase over the population."""

    @abstractmethod
    def simulate(self, x: FloatArray, rng: np.random.Generator, params: Params) -> FloatArray:
        """Mean values of `x` purchases of new customers; NaN where x = 0."""

    @abstractmethod
    def simulate_further(
        self, n: FloatArray, x: FloatArray, m: FloatArray, rng: np.random.Generator, params: Params
    ) -> FloatArray:
        """Mean values of `n` more purchases of customers with `x` of mean `m`; NaN where n = 0."""

    def __sklearn_clone__(self) -> Self:
        # what never changes is its own copy
        return self

    _repr_html_ = described

    def fit(self, data: Summary, method: Method | None = None) -> "FittedSpend":
        """Estimate the parameters from the mean values of repeat purchases.

        Customers without repeat purchases, or whose mean value is not positive, tell nothing
        about it; they are left out of the fit, and counted in ``diagnostics.notes``.

        Parameters
        ----------
        data : RFMSummary or OpportunitySummary
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
                "A spend model needs at least 2 customers with repeat purchases of positive mean "
                f"value, and found {usable.sum()} among {len(data):,}. Check the value column and "
                "the refunds policy of the log, and how long it is."
            )
        weight = data.weights
        problem, design = self.problem(x[usable], m[usable], weight[usable]), None
        if self.covariates:
            buyers = data.select(usable)
            design = Design.of(buyers, self.covariates, self.processes)
            problem = design.extend(problem, self.kernel.row_derivatives, design.matrix(buyers))
        groups = groups_for(method, data.select(usable))
        problem = _grouped(problem, groups, data.select(usable))
        estimate = run(method, problem)
        notes = [*estimate.diagnostics.notes]
        notes += self.notes(problem, estimate) if groups is None else []
        notes += [] if design is None else design.sentences(estimate)
        left_out = (x > 0) & (m <= 0)
        if left_out.any():
            first = ", ".join(map(str, data.customer_id[left_out][:5].tolist()))
            notes.append(
                "Repeat buyers left out for a mean value that is not positive: "
                f"{data.customers(left_out):,.0f}, first {first}."
            )
        ids = data.customer_id[usable]
        notes += _influential(ids, problem, estimate)
        if design is None and groups is None:
            notes += _taken_at_its_word(ids, problem, FittedSpend(estimate, self))
        notes += _silent_groups(groups, data)
        independence = correlate(x[usable], m[usable], weight[usable])
        notes.append(
            "Frequency and spend: no correlation can be computed."
            if independence is None
            else str(independence)
        )
        diagnostics = replace(estimate.diagnostics, notes=tuple(notes))
        return FittedSpend(replace(estimate, diagnostics=diagnostics), self, design, groups)

    def _given(self, values: Mapping[str, float]) -> "FittedSpend":
        """A fitted model with known parameters."""
        if self.covariates:
            raise ParameterError(
                "Known parameters are those of the model without covariates: leave them out."
            )
        point = {name: np.array([[check_positive(name, value)]]) for name, value in values.items()}
        return FittedSpend(
            Estimate(method="given", point=point, covariance_note="The parameters were given."),
            self,
        )


@final
@dataclass(frozen=True, eq=False, repr=False)
class FittedSpend(FittedModel):
    """A fitted spend model, in the currency of the data it was fitted to.

    Attributes
    ----------
    model : SpendModel
        What was fitted.
    design : Design or None
        The covariates, as they were standardised for the fit.
    groups : Groups or None
        Those that parameters were pooled over.
    """

    model: SpendModel
    design: Design | None = None
    groups: Groups | None = None

    @property
    def _parameters(self) -> tuple[Parameter, ...]:
        effects = () if self.design is None else self.design.parameters_at(self.params)
        return (*self.model.parameters, *effects)

    @property
    def _pooled(self) -> tuple[Groups | None, tuple[Block, ...]]:
        return self.groups, self.model.blocks

    @property
    def _title(self) -> str:
        return self.model.title

    @property
    def population_mean(self) -> float:
        """Mean value of a purchase over the population; with covariates, at their means.

        With groups, that of the typical group.

        Raises
        ------
        UndefinedMeanError
            If the distribution has no mean; the text gives its median.
        """
        z = columns_of_new(None, 1, self.design, self.groups)[1]
        if self.groups is not None:
            z[:, -1] = CENTRE
        value = self._mean(np.zeros(1), np.zeros(1), z)[0]
        if not np.isfinite(value):
            raise UndefinedMeanError(self.model.no_mean(self.estimate))
        return float(value)

    @property
    def population_median(self) -> float:
        """Median value of a purchase over the population, which exists where no mean does."""
        return self.model.population_median(self.params)

    def expected_spend(self, data: Summary) -> FloatArray:
        """Expected value of each customer's next purchase.

        Rests on the population and on the customer's own mean value, which counts the more, the
        more purchases there are. Customers whose own says nothing (`informative`) have the
        population mean. Of a group that was not seen, whose mean does not exist at some draws, the
        mean is over the others, and a `DataWarning` says so, as long as they are 90 % at least.

        Returns
        -------
        ndarray of shape (customers,)

        Raises
        ------
        UndefinedMeanError
            If some customer's expectation does not exist (a population without a mean). Those
            whose does are ``data.select(fit.has_mean(data))``.
        """
        z = self._z(data)
        value, lost = self._averages(*self._known(*monetary(data)), z)
        undefined = ~np.isfinite(value)
        if undefined.any():
            ids = data.customer_id[undefined].tolist()
            unseen = self._unseen(z, len(data))[undefined].all()
            reason = (
                f"Too little is known of {self._groups_of(data, undefined)}, which was not "
                "fitted: of how far groups differ. Give priors={'groups': GroupSpread(1.5)} to "
                "MCMC, or merge small groups."
                if unseen
                else self.model.no_mean(self.estimate)
            )
            remedy = f"{reason} The others can be had by data.select(fit.has_mean(data))."
            raise UndefinedMeanError(
                rule_broken("expected spend must exist", len(ids), len(data), ids, remedy)
            )
        if (lost > 0).any():
            warnings.warn(
                f"At {lost.max():.1%} of the draws, customers of "
                f"{self._groups_of(data, lost > 0)}, which was not fitted, have no mean spend. "
                "Their expected values are over the other draws.",
                DataWarning,
                stacklevel=3,
            )
        return value

    def has_mean(self, data: Summary) -> AnyArray:
        """Whether each customer's expected spend exists.

        In a population without a mean that of customers with enough purchases still does.

        Returns
        -------
        ndarray of bool of shape (customers,)

        Examples
        --------
        >>> import clvmodels as clv
        >>> rfm = clv.datasets.load_cdnow_summary()
        >>> fit = clv.GammaGammaModel().with_params(p=6.25, q=0.79, v=15.44)
        >>> fit.has_mean(rfm).sum(), (rfm.frequency > 0).sum()
        (np.int64(946), np.int64(946))
        >>> fit.expected_spend(rfm.select(fit.has_mean(rfm)))[:2].round(2)
        array([30.58, 28.16])
        """
        return np.isfinite(self._means(data))

    def informative(self, data: Summary) -> AnyArray:
        """Whether each customer's own mean value counts: not of no purchase, nor of net refunds.

        Returns
        -------
        ndarray of bool of shape (customers,)
        """
        return self.model.informative(*monetary(data))

    def draws(self, data: Summary, params: Params) -> Callable[[AnyArray], FloatArray]:
        """Expected spend at given parameters: rows of `data` to values (draws, customers)."""
        x, m = self._known(*monetary(data))
        z = self._z(data)

        def of(rows: AnyArray) -> FloatArray:
            own = self._at(params, None if z is None else z[rows])
            return self.model.expected_spend(x[rows], m[rows], own)

        return of

    def stream(self, data: Summary, params: Params) -> Stream:
        """Expected spend at given parameters, per customer."""
        of, draws = self.draws(data, params), draws_of(params)

        def piece(rows: IntArray) -> Iterator[Values]:
            yield rows, {"expected_spend": of(rows)}

        pieces = [partial(piece, rows) for rows in _portions(len(data), draws)]
        return Stream(("expected_spend",), draws, len(data), pieces, self.spared)

    @property
    def spared(self) -> float:
        """Share of draws without a mean that expected values may leave out: none but of groups."""
        return 0.0 if self.groups is None else _SPARED

    def predict(self, data: Summary, level: float = 0.9) -> "pd.DataFrame":
        """One row per customer: customer_id, expected_spend, expected_spend_lo, expected_spend_hi.

        Parameters
        ----------
        data : RFMSummary or OpportunitySummary
            Customers, fitted or not.
        level : float
            Probability of the interval for the expectation, from parameter uncertainty.
        """
        import pandas as pd

        spread = self.spread(data, probabilities(level))
        return pd.DataFrame(
            {
                "customer_id": data.customer_id,
                "expected_spend": spread.mean,
                "expected_spend_lo": spread.quantiles[0],
                "expected_spend_hi": spread.quantiles[1],
            }
        )

    def spread(self, data: Summary, probabilities: Sequence[float]) -> Spread:
        """Mean, sd and quantiles of expected spend over the draws of the estimate, per customer."""
        draws, mean = how_many_draws(self.estimate), self.expected_spend(data)
        stream = self.stream(data, drawn(self.estimate, draws, np.random.default_rng(0)))
        return replace(stream.spread(probabilities)["expected_spend"], mean=mean)

    def simulate(
        self,
        frequency: FloatArray,
        seed: int = 0,
        covariates: Mapping[str, Any] | None = None,
    ) -> FloatArray:
        """Mean values of `frequency` purchases of new customers; NaN where there is none.

        Parameters
        ----------
        frequency : array_like of shape (customers,)
            How many purchases each makes.
        seed : int
            The same seed gives the same values.
        covariates : mapping of str to float or ndarray of shape (customers,), optional
            The customers' covariates, where the model has any.
        """
        rng = np.random.default_rng(seed)
        x = np.asarray(frequency, dtype=np.float64)
        if not ((x >= 0) & (x == np.floor(x))).all():
            raise ParameterError("frequency takes numbers of purchases: whole, 0 or more.")
        z = columns_of_new(covariates, len(x), self.design, self.groups)[1]
        k = int(rng.integers(draws_of(self.estimate.point)))
        one = {name: values[[k]] for name, values in self.estimate.point.items()}
        point = self._at(one, z)
        means: FloatArray = self.model.simulate(x, rng, point)[0]
        return means

    def loglik_of(self, data: Summary) -> float:
        """Log-likelihood of some customers at the estimates: those fitted, or others.

        Parameters
        ----------
        data : RFMSummary or OpportunitySummary
            In the currency of the fit. Customers that a fit leaves out are left out here too.
        """
        return self._loglik_of(self.likelihood_of(data)[0])

    def likelihood_of(self, data: Summary) -> tuple[Problem, IntArray]:
        """The likelihood of some customers, and each one's row in it: -1 where left out."""
        x, m = monetary(data)
        usable = (x > 0) & (m > 0)
        problem = self.model.problem(x[usable], m[usable], data.weights[usable])
        z = self._z(data)
        if self.design is not None and z is not None:
            derivatives = self.model.kernel.row_derivatives
            own = z[usable][:, : len(self.design.means)]
            problem = self.design.extend(problem, derivatives, own)
        rows = np.where(usable, np.cumsum(usable) - 1, -1)
        return _grouped(problem, self.groups, data.select(usable)), rows

    def save(self, path: str | Path) -> None:
        """Write the fit as JSON: parameters, covariance, diagnostics; no customer rows.

        Parameters
        ----------
        path : str or Path
            The file, replaced if there; `clvmodels.load` reads it back.
        """
        from clvmodels.models.storage import dump_spend, write_json

        write_json(dump_spend(self), path)

    def _mean(self, x: FloatArray, m: FloatArray, z: FloatArray | None) -> FloatArray:
        return self._averages(x, m, z)[0]

    def _averages(
        self, x: FloatArray, m: FloatArray, z: FloatArray | None
    ) -> tuple[FloatArray, FloatArray]:
        """Mean over the draws, and the share of them that it leaves out."""
        point, unseen = self.estimate.point, self._unseen(z, len(x))

        def average(rows: IntArray) -> FloatArray:
            own = self._at(point, None if z is None else z[rows])
            values = self.model.expected_spend(x[rows], m[rows], own)
            means, lost = values.mean(axis=0), np.zeros(len(rows))
            some = unseen[rows] & ~np.isfinite(means)
            if some.any():
                means[some] = Spread.of(values[:, some], (), self.spared).mean
                lost[some] = np.isinf(values[:, some]).mean(axis=0)
            return np.stack([means, lost])

        parts = side_by_side(average, _portions(len(x), draws_of(point)))
        means, lost = np.concatenate([*parts], axis=1)
        return means, lost

    def _unseen(self, z: FloatArray | None, customers: int) -> AnyArray:
        """Whether customers are of a group that was not fitted."""
        if z is None or self.groups is None:
            return np.zeros(customers, dtype=bool)
        places: AnyArray = z[:, -1] > len(self.groups)
        return places

    def _groups_of(self, data: Summary, rows: AnyArray) -> str:
        """What groups some customers are of."""
        if self.groups is None:
            return ""
        names = self.groups.names_in(data.columns, data.customer_id)[rows]
        return f"{' / '.join(self.groups.columns)} {_first(sorted(set(names)))}"

    def _means(self, data: Summary) -> FloatArray:
        return self._mean(*self._known(*monetary(data)), self._z(data))

    def _z(self, data: Summary) -> FloatArray | None:
        return columns_of(data, self.design, self.groups)

    def _at(self, params: Params, z: FloatArray | None) -> Params:
        """Parameters of shape (draws, 1), or (draws, customers) where they differ."""
        return params if z is None else own_params(params, z, self.design, self.groups)

    def _known(self, x: FloatArray, m: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Purchases and mean values, both 0 where they say nothing."""
        known = self.model.informative(x, m)
        return np.where(known, x, 0.0), np.where(known, m, 0.0)


def monetary(data: Summary) -> tuple[FloatArray, FloatArray]:
    """Purchases behind the mean value, and the mean value.

    Raises
    ------
    DataError
        If the summary has no monetary value.
    """
    given = data if isinstance(data, OpportunitySummary) else check_summary(data)
    if given.monetary_value is None:
        raise DataError(
            "The summary has no monetary_value, so there is no spend to model. Give `value=` to "
            "rfm_summary, or a monetary_value column to RFMSummary.from_frame."
        )
    return given.frequency + given.first_value_included, given.monetary_value


def _influential(ids: AnyArray, problem: Problem, estimate: Estimate) -> list[str]:
    """Name the customer who alone moves the estimates by more than two standard errors.

    Looks at the largest and smallest mean values and the busiest customers, where such are.
    """
    if estimate.spread is None:
        return []
    x, m = problem.data["x"], problem.data["m"]
    suspects = np.unique(np.concatenate([_lowest(key) for key in (m, -m, -x)]))
    moved = shifts(problem, estimate, suspects)
    most = int(np.argmax(moved))
    if moved[most] < MUCH:
        return []
    row = suspects[most]
    return [
        f"Customer {ids[row]} (mean value {m[row]:,.4g}, purchases {x[row]:,.0f}) alone moves the "
        f"estimates by {moved[most]:.1f} standard errors. Check these orders."
    ]


def _taken_at_its_word(ids: AnyArray, problem: Problem, fit: "FittedSpend") -> list[str]:
    """Name the customer of whom one or two enormous orders are expected to be the rule."""
    x, m = problem.data["x"], problem.data["m"]
    row = int(np.argmax(np.where(x <= _HARDLY_ANY, m, 0.0)))
    value, median = float(fit._mean(x[[row]], m[[row]], None)[0]), fit.population_median
    if x[row] > _HARDLY_ANY or not 0 < _ENORMOUS * median < value < np.inf:
        return []
    return [
        f"Customer {ids[row]} is expected to spend {value:,.4g} per purchase, "
        f"{value / median:,.0f} times the median, on the evidence of {x[row]:,.0f} (mean value "
        f"{m[row]:,.4g}). Check it."
    ]


def _grouped(problem: Problem, groups: Groups | None, data: Summary) -> Problem:
    if groups is None:
        return problem
    code = groups.places(data.columns, data.customer_id).astype(np.float64) - 1
    return replace(problem, data={**problem.data, "group": code}, groups=groups)


def _silent_groups(groups: Groups | None, data: Summary) -> list[str]:
    """Name the groups without anyone whose spend is known."""
    if groups is None:
        return []
    silent = sorted({*groups.names_in(data.columns, data.customer_id)} - {*groups.names})
    if not silent:
        return []
    return [
        f"No repeat purchase with a value in {' / '.join(groups.columns)}: {_first(silent)}; "
        "customers there get what is known of a new group."
    ]


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def _portions(customers: int, draws: int) -> list[IntArray]:
    """All rows, in portions whose draws fit into memory."""
    step = columns_at_once(draws)
    return [np.arange(i, min(i + step, customers)) for i in range(0, customers, step)]


def _lowest(key: FloatArray) -> IntArray:
    few = min(_SUSPECTS, len(key))
    return np.argpartition(key, few - 1)[:few]

"""The role of a retention model: who renewed and who left in, who will renew out."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from clvmodels._notebook import described
from clvmodels._typing import AnyArray, FloatArray, IntArray, Params
from clvmodels.data.retention import COHORT, RetentionTable
from clvmodels.exceptions import DataError
from clvmodels.inference.estimate import Estimate, Method
from clvmodels.inference.groups import Groups, column_names
from clvmodels.inference.mle import run
from clvmodels.inference.problem import Objective, Parameter, Problem
from clvmodels.inference.traits import Block
from clvmodels.models.pooling import tell_of_strangers
from clvmodels.models.purchases import check_positive
from clvmodels.units import HorizonLike

if TYPE_CHECKING:
    from clvmodels.models.fitted_retention import FittedRetention


class RetentionModel(ABC):
    """A model of after how many contract periods customers leave.

    A subclass names its kernel, its parameters and how to start; all predictions are shared.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    parameters: ClassVar[tuple[Parameter, ...]]

    @property
    @abstractmethod
    def kernel(self) -> ModuleType:
        """The module of `clvmodels.kernels` with this model's functions."""

    @property
    @abstractmethod
    def blocks(self) -> tuple[Block, ...]:
        """What priors are about."""

    @abstractmethod
    def starts(self, churn: float, spread: float) -> Sequence[FloatArray]:
        """Parameter vectors to start from.

        Parameters
        ----------
        churn : float
            Share that leaves at the first renewal.
        spread : float
            alpha + beta of a beta distribution with that mean that fits the second renewal: small
            where customers differ much.
        """

    @abstractmethod
    def notes(self, ages: int, estimate: Estimate) -> Sequence[str]:
        """What a reader of estimates from so many different ages should know."""

    def fit(self, data: RetentionTable, method: Method | None = None) -> "FittedRetention":
        """Estimate the parameters from a retention table.

        Parameters
        ----------
        data : RetentionTable
            Cohorts of any ages, or individual durations. The likelihood is evaluated once per age,
            however many customers there are.
        method : Method, optional
            ``MLE()`` if not given; ``Bootstrap()``, ... With ``MCMC(groups="cohort")`` every cohort
            has parameters of its own, partially pooled.

        Returns
        -------
        FittedRetention
            Parameters, diagnostics, and every prediction.

        Raises
        ------
        DataError
            If `data` is something else, or nobody has faced a renewal or left yet; if groups are
            asked for that are not cohorts.

        Examples
        --------
        >>> from clvmodels.models.shifted_beta_geo import ShiftedBetaGeoModel
        >>> table = RetentionTable.from_survivors([1000, 631, 468, 382, 326], period="1 year")
        >>> fit = ShiftedBetaGeoModel().fit(table)
        >>> {name: round(value, 3) for name, value in fit.params.items()}, round(fit.loglik, 1)
        ({'alpha': 0.764, 'beta': 1.296}, -1401.6)
        """
        from clvmodels.models.fitted_retention import FittedRetention

        ages, groups = _ages_faced(check_retention(data)), cohorts_for(method, data)
        if groups is None:
            problem = self.problem(*data.distinct())
        else:
            problem = self.by_cohort(data.distinct_by_cohort(), groups)
        estimate = run(method, problem)
        notes = (*estimate.diagnostics.notes, *self.notes(ages, estimate))
        estimate = replace(estimate, diagnostics=replace(estimate.diagnostics, notes=notes))
        return FittedRetention(estimate, self, data.period, groups)

    def problem(self, duration: FloatArray, churned: AnyArray, customers: FloatArray) -> Problem:
        """The likelihood of so many customers of each duration and fate."""
        return Problem(
            model=self.key,
            parameters=self.parameters,
            data={"duration": duration, "churned": churned.astype(np.float64)},
            weight=customers,
            compile=self._objective,
            starts=self._starts,
            blocks=self.blocks,
            rows=self._rows,
        )

    def by_cohort(self, data: RetentionTable, groups: Groups) -> Problem:
        """The likelihood of the rows of a table, each with the parameters of its cohort."""
        problem = self.problem(data.duration, data.churned, data.customers)
        places = places_of(groups, data)
        tell_of_strangers(groups, places, data.cohort, "cohorts")
        code = places.astype(np.float64) - 1
        return replace(problem, data={**problem.data, "group": code}, groups=groups)

    def __sklearn_clone__(self) -> Self:
        # what never changes is its own copy
        return self

    _repr_html_ = described

    def _given(self, values: Mapping[str, float], period: HorizonLike) -> "FittedRetention":
        """A fitted model with known parameters."""
        from clvmodels.data.retention import contract_period
        from clvmodels.models.fitted_retention import FittedRetention

        point = {name: np.array([[check_positive(name, v)]]) for name, v in values.items()}
        return FittedRetention(
            estimate=Estimate(
                method="given", point=point, covariance_note="The parameters were given."
            ),
            model=self,
            period=contract_period(period),
        )

    def _objective(self, data: Mapping[str, FloatArray], weight: FloatArray) -> Objective:
        from clvmodels.kernels.retention import renewals

        kept, lost = renewals(data["duration"], data["churned"], weight)
        if not (kept + lost).any():  # a cohort that has not faced a renewal yet
            return _says_nothing
        return partial(self.kernel.nll_grad_hess, kept=kept, lost=lost)

    def _rows(self, data: Mapping[str, FloatArray], params: Params) -> FloatArray:
        from clvmodels.kernels.retention import loglik

        log_kept = partial(self.kernel.log_kept, **params)
        return loglik(log_kept, data["duration"], data["churned"])

    def _starts(self, data: Mapping[str, FloatArray], weight: FloatArray) -> Sequence[FloatArray]:
        """Start from the churn of the youngest, and how much lower it is among all others."""
        from clvmodels.kernels.retention import renewals

        kept, lost = renewals(data["duration"], data["churned"], weight)
        # half a customer more on either side keeps shares off 0 and 1
        young = (lost[:1].sum() + 0.5) / (kept[:1].sum() + lost[:1].sum() + 1)
        old = (lost[1:].sum() + 0.5) / (kept[1:].sum() + lost[1:].sum() + 1)
        # at the second renewal it is alpha / (alpha + beta + 1)
        spread = old / (young - old) if young > 1.01 * old else 100.0
        return self.starts(float(young), float(np.clip(spread, 0.05, 100.0)))


def _says_nothing(theta: FloatArray) -> tuple[float, FloatArray, FloatArray]:
    return 0.0, np.zeros(len(theta)), np.zeros((len(theta), len(theta)))


def cohorts_for(method: Method | None, data: RetentionTable) -> Groups | None:
    """The cohorts, if a method pools over them.

    Raises
    ------
    DataError
        If it is to pool over something else: a table knows nothing more of its customers.
    """
    asked = getattr(method, "groups", None)
    if asked is None:
        return None
    columns = column_names(asked)
    if columns != (COHORT,):
        raise DataError(
            f"A RetentionTable has no group column {', '.join(columns)}: its only one is {COHORT}. "
            f"Give groups={COHORT!r}, with cohorts named by what they are to be grouped by."
        )
    return Groups.of(columns, {COHORT: data.cohort}, np.arange(len(data)), data.customers)


def places_of(groups: Groups, data: RetentionTable) -> IntArray:
    """The column of the parameters of each row's cohort."""
    return groups.places({COHORT: data.cohort}, np.arange(len(data)))


def check_retention(data: RetentionTable) -> RetentionTable:
    """The table itself, or an error that says how to make one."""
    if not isinstance(data, RetentionTable):
        raise DataError(
            f"Retention models take a RetentionTable, got {type(data).__name__}. Make one of "
            "numbers of survivors with RetentionTable.from_survivors(counts, period='1 year'), or "
            "of individual contracts with RetentionTable.from_durations. For customers who may "
            "come back at any time without a contract, use a purchase model."
        )
    return data


def _ages_faced(data: RetentionTable) -> int:
    """Number of ages at which a renewal was faced; an error if the data say nothing of churn."""
    from clvmodels.kernels.retention import renewals

    kept, lost = renewals(data.duration, data.churned, data.customers)
    faced = int(np.count_nonzero(kept + lost))
    if not faced:
        raise DataError(
            f"None of the {data.acquired:,.0f} customers has faced a renewal yet, so nothing is "
            "known of retention. Wait for the first renewals, or use a shorter contract period."
        )
    if lost.sum() == 0:
        raise DataError(
            f"None of the {data.acquired:,.0f} customers has left, so churn cannot be estimated. "
            "Observe them longer, or check that those who left were not filtered out."
        )
    return faced

"""The role of a purchase model: x, t_x and T in, what to expect of each customer out."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from clvmodels._notebook import described
from clvmodels._typing import FloatArray, IntArray, Kernel
from clvmodels.data.histories import Histories
from clvmodels.data.renewals import fixed_period
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import DataError, DataWarning, ParameterError, rule_broken
from clvmodels.inference.estimate import Estimate, Method
from clvmodels.inference.groups import Groups
from clvmodels.inference.mle import run
from clvmodels.inference.problem import Objective, Parameter, Problem, Sums, likelihood_rows
from clvmodels.inference.traits import Block
from clvmodels.models.clock import Clock, Summary, clock_of
from clvmodels.models.covariates import Covariates, Process
from clvmodels.models.design import Design
from clvmodels.models.influence import MUCH, shifts
from clvmodels.models.pooling import groups_for
from clvmodels.models.quantities import Quantities

if TYPE_CHECKING:
    from clvmodels.models.fitted_purchases import FittedPurchases


class PurchaseModel(ABC):
    """A model of when customers buy and whether they still do.

    A subclass names its kernel, its parameters and how to start; all predictions are shared.

    Attributes
    ----------
    smooth_in : tuple of str
        Time parameters c for which all that is conditional on being alive is smooth in log(c + T);
        none if that is not known.
    timed : bool
        Whether the likelihood uses the times between purchases (`litt`).
    stages : int
        Steps in which a purchase comes about, of which the data show only the last.
    container : type
        The kind of summary that the model is fitted to.
    processes : tuple of Process
        What covariates can act on.
    covariates : Covariates
        Columns that parameters depend on.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    parameters: ClassVar[tuple[Parameter, ...]]
    smooth_in: ClassVar[tuple[str, ...]] = ("alpha",)
    timed: ClassVar[bool] = False
    container: ClassVar[type[Summary]] = RFMSummary
    processes: ClassVar[tuple[Process, ...]] = ()

    @property
    @abstractmethod
    def kernel(self) -> Kernel:
        """The functions of the model: a module of `clvmodels.kernels`."""

    @property
    def blocks(self) -> tuple[Block, ...]:
        """What priors are about; nothing, unless the model says so."""
        return ()

    @property
    def sums(self) -> Callable[[Mapping[str, FloatArray], FloatArray, IntArray], Sums] | None:
        """The likelihood for samplers, where the kernel has one of its own."""
        return None

    @property
    def label(self) -> str:
        """The title, with what was chosen."""
        return self.title

    @property
    def stages(self) -> int:
        """One, unless a purchase comes about in steps."""
        return 1

    @abstractmethod
    def objective(self, data: Mapping[str, FloatArray], weight: FloatArray) -> Objective:
        """Negative log-likelihood with derivatives, as a function of the parameters."""

    @abstractmethod
    def starts(self, mean_rate: float, shape: float) -> Sequence[FloatArray]:
        """Parameter vectors to start from, given a rate per unit of time and its gamma shape."""

    @abstractmethod
    def notes(self, problem: Problem, estimate: Estimate) -> Sequence[str]:
        """What a reader of the estimates should know: parameters at infinity, no dropout seen."""

    @property
    def covariates(self) -> Covariates:
        """None, unless the model has them among its choices."""
        return Covariates()

    def fit(self, data: Summary, method: Method | None = None) -> "FittedPurchases":
        """Estimate the parameters from a summary.

        Parameters
        ----------
        data : RFMSummary or OpportunitySummary
            One row per customer, one-time buyers included. All models are fitted to the distinct
            (x, t_x, T) rows (with their covariates, if any) and their counts.
        method : Method, optional
            ``MLE()`` if not given; ``Bootstrap()``, ``Lifetimes()``, ...

        Returns
        -------
        FittedPurchases
            Parameters, diagnostics, and every prediction.

        Raises
        ------
        DataError
            If nobody bought again, or nobody was observed for any time.
        FitError
            If the method cannot fit this model.

        Examples
        --------
        >>> import clvmodels as clv
        >>> fit = clv.BetaGeoModel().fit(clv.datasets.load_cdnow_summary())
        >>> {name: round(value, 3) for name, value in fit.params.items()}
        {'r': 0.243, 'alpha': 4.414, 'a': 0.793, 'b': 2.426}
        """
        from clvmodels.models.fitted_purchases import FittedPurchases

        clock = clock_of(data, self.container)
        _check_information(data)
        design, groups = self._design(data), groups_for(method, data)
        problem, histories = self._problem(data, design, groups)
        estimate = run(method, problem)
        about: Sequence[str] = ()
        if design is not None:
            about = design.sentences(estimate)
        elif groups is None:
            about = self.notes(problem, estimate)
        about = [*about, *_silent(problem)]
        loud = _influential(data, histories, problem, estimate)
        notes = (*estimate.diagnostics.notes, *about, *loud)
        estimate = replace(estimate, diagnostics=replace(estimate.diagnostics, notes=notes))
        return FittedPurchases(estimate, self, clock, design, groups)

    def __sklearn_clone__(self) -> Self:
        # what never changes is its own copy
        return self

    _repr_html_ = described

    def _given(self, values: Mapping[str, float], clock: Clock) -> "FittedPurchases":
        """A fitted model with known parameters."""
        from clvmodels.models.fitted_purchases import FittedPurchases

        if self.covariates:
            raise ParameterError(
                "Known parameters are those of the model without covariates: leave them out."
            )
        point = {name: np.array([[check_positive(name, v)]]) for name, v in values.items()}
        return FittedPurchases(
            estimate=Estimate(
                method="given",
                point=point,
                covariance_note="The parameters were given.",
            ),
            model=self,
            clock=clock,
        )

    def _design(self, data: Summary) -> Design | None:
        if not isinstance(self.covariates, Covariates):
            raise ParameterError(f"covariates takes Covariates(...), got {self.covariates!r}.")
        if not self.covariates:
            return None
        assert isinstance(data, RFMSummary)  # models of opportunities have no covariates
        return Design.of(data, self.covariates, self.processes)

    def _problem(
        self, data: Summary, design: Design | None = None, groups: Groups | None = None
    ) -> tuple[Problem, Histories]:
        """The likelihood on distinct histories, and those histories."""
        h = Quantities(self, clock_of(data, self.container), design, groups).histories(data)
        columns = {"x": h.x, "t_x": h.t_x, "T": h.T}
        if self.timed:
            columns["litt"] = np.bincount(h.inverse, data.weights * _litt(data)) / h.weight
        problem = Problem(
            model=self.key,
            parameters=self.parameters,
            data=columns,
            weight=h.weight,
            compile=self.objective,
            starts=self._starts,
            blocks=self.blocks,
            rows=partial(likelihood_rows, self.kernel.loglik),
            sums=self.sums,
        )
        if design is not None:
            z = h.z[:, : len(design.means)]
            problem = design.extend(problem, self.kernel.row_derivatives, z)
        if groups is not None:
            code = h.z[:, -1] - 1  # the first place is that of the typical group
            problem = replace(problem, data={**problem.data, "group": code}, groups=groups)
        return problem, h

    def _starts(self, data: Mapping[str, FloatArray], weight: FloatArray) -> Sequence[FloatArray]:
        """Start from the method of moments for Poisson counts with gamma rates."""
        x, T = data["x"], data["T"]
        mean_rate = max(float(weight @ x), 1.0) / float(weight @ T)
        excess = float(weight @ (x - mean_rate * T) ** 2 - weight @ x)
        poisson = mean_rate**2 * float(weight @ T**2)
        shape = float(np.clip(poisson / max(excess, 1e-3 * poisson), 0.05, 20.0))
        return self.starts(mean_rate, shape)


def check_positive(name: str, value: float) -> float:
    """A positive finite parameter value, or an error that says so."""
    if not (isinstance(value, Real) and np.isfinite(value) and value > 0):
        raise ParameterError(f"{name} must be positive and finite, got {value!r}.")
    return float(value)


def _check_information(data: Summary) -> None:
    if not (data.T > 0).any():
        raise DataError(
            rule_broken(
                "T must be positive for some customers",
                len(data),
                len(data),
                data.customer_id.tolist(),
                "Nobody was observed for any time: set observation_end after the last purchase.",
            )
        )
    if not (data.frequency > 0).any():
        raise DataError(
            f"None of the {len(data):,} customers bought again, so neither purchase rates nor "
            "dropout can be estimated. Observe them longer, or check that the log holds repeat "
            "purchases."
        )
    if (data.frequency > 0).all() and len(data) > 1:
        warnings.warn(
            f"All {len(data):,} customers have repeat purchases. If one-time buyers were filtered "
            "out, put them back: without them rates are overestimated.",
            DataWarning,
            stacklevel=3,
        )
    if not isinstance(data, RFMSummary):
        return  # opportunities have a period of their own
    period = fixed_period(data.frequency, data.recency, data.weights)
    if period is not None:
        warnings.warn(
            f"Nearly all customers buy every {period:.3g} {data.time_unit}s, which looks like a "
            "contract that renews. Its customers say when they leave: fit a retention model "
            "(ShiftedBetaGeoModel on a RetentionTable). This model takes silence for a choice.",
            DataWarning,
            stacklevel=3,
        )


def _litt(data: Summary) -> FloatArray:
    """The sum of log interpurchase times, or an error that says how to get it."""
    if isinstance(data, RFMSummary) and data.litt is not None:
        return data.litt
    raise DataError(
        "This model looks at how regular purchases are: the summary needs litt, the sum of the "
        "logarithms of the times between them. Make it of the log with rfm_summary(..., "
        "litt=True), or give a litt column."
    )


def _silent(problem: Problem) -> list[str]:
    """Name the groups in which nobody bought again."""
    if problem.groups is None:
        return []
    code = problem.data["group"].astype(np.int64)
    repeats = np.bincount(code, problem.weight * problem.data["x"])
    names = [problem.groups.names[k] for k in np.flatnonzero(repeats == 0)]
    if not names:
        return []
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return [
        f"Nobody bought again in {len(names):,} of {len(problem.groups):,} groups ({shown}): their "
        "parameters rest on the other groups, and on how long their customers have been silent."
    ]


def _influential(data: Summary, h: Histories, problem: Problem, estimate: Estimate) -> list[str]:
    """Name the customer who alone moves the estimates by more than two standard errors.

    Looks at the busiest histories, where such customers are.
    """
    if estimate.spread is None:
        return []
    x = problem.data["x"]
    busiest = np.argpartition(x, -min(10, len(x)))[-min(10, len(x)) :]
    moved = shifts(problem, estimate, busiest)
    most = int(np.argmax(moved))
    if moved[most] < MUCH:
        return []
    row = busiest[most]
    customer = data.customer_id[np.flatnonzero(h.inverse == row)[0]]
    return [
        f"Customer {customer} (frequency {x[row]:,.0f}) alone moves the estimates by "
        f"{moved[most]:.1f} standard errors. Check that this is one customer."
    ]

"""How the covariates of a fit act on its parameters, as they were standardised for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, Self, final

import numpy as np

from clvmodels._typing import AnyArray, FloatArray, IntArray, Params
from clvmodels.data.columns import finite_column
from clvmodels.data.opportunities import OpportunitySummary
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import DataError, ParameterError, rule_broken
from clvmodels.inference.estimate import Estimate
from clvmodels.inference.problem import Parameter, Problem, Rows
from clvmodels.inference.traits import multiplier
from clvmodels.models.covariate_likelihood import (
    RowDerivatives,
    bounded,
    covariate_objective,
    ridge_penalty,
)
from clvmodels.models.covariates import Coefficient, Covariates, Process, coefficients
from clvmodels.models.fitted import probabilities

_ALIKE = 1e-12  # relative differences of a column that are rounding errors of a constant
_DEPENDENT = 1e-10  # variance, of columns of variance one, that passes for none


@final
@dataclass(frozen=True, slots=True)
class Design:
    """How the covariates of a fit act on its parameters; stored with it.

    Attributes
    ----------
    covariates : Covariates
        The columns.
    processes : tuple of Process
        What they can act on in this model.
    means, sds : tuple of float
        Of each column over the customers fitted.
    """

    covariates: Covariates
    processes: tuple[Process, ...]
    means: tuple[float, ...]
    sds: tuple[float, ...]

    @classmethod
    def of(
        cls,
        data: RFMSummary | OpportunitySummary,
        covariates: Covariates,
        processes: tuple[Process, ...],
    ) -> Self:
        """Standardise the columns of the customers to be fitted.

        Raises
        ------
        DataError
            If a column is missing, holds text or gaps, is constant, or follows from others.
        ParameterError
            If the model lacks a process that columns are named for.
        """
        coefficients(covariates, processes)  # an error, where they do not fit together
        means, sds = [], []
        share = data.weights / data.customers()
        for name in covariates.columns:
            values = _values(data, name)
            size = np.abs(values).max()  # of any size: its square may be beyond floats
            if np.ptp(values) <= _ALIKE * size:
                raise DataError(
                    f"The covariate {name} is {values[0]:g} for all {len(data):,} customers, so it "
                    "has no effect to be seen. Leave it out."
                )
            mean = share @ (values / size)
            sds.append(float(size * np.sqrt(share @ (values / size - mean) ** 2)))
            means.append(float(size * mean))
        design = cls(covariates, tuple(processes), tuple(means), tuple(sds))
        design.check_independence(share, design.matrix(data))
        return design

    @property
    def coefficients(self) -> tuple[Coefficient, ...]:
        """One per effect and column."""
        return coefficients(self.covariates, self.processes)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The multipliers e^g, which come after the model's own parameters."""
        return tuple(self._parameter(c, "this") for c in self.coefficients)

    def parameters_at(self, params: Mapping[str, float]) -> tuple[Parameter, ...]:
        """The multipliers, with what they come to said in words."""
        return tuple(self._parameter(c, _figure(params[c.name])) for c in self.coefficients)

    def matrix(self, data: RFMSummary | OpportunitySummary) -> FloatArray:
        """Standardised columns, of shape (customers, columns).

        Raises
        ------
        DataError
            If a column is missing, or holds text or gaps.
        """
        return self.standardised({name: _values(data, name) for name in self.covariates.columns})

    def row(self, values: Mapping[str, float] | None) -> FloatArray:
        """Standardised values of one new customer, of shape (1, columns); see `columns_of`."""
        return self.standardised(self.columns_of(values, 1))

    def columns_of(self, values: Mapping[str, Any] | None, customers: int) -> dict[str, FloatArray]:
        """Columns of new customers from values by name, one for all of them or one for each.

        Without values they are average in every column.

        Raises
        ------
        ParameterError
            If a column is missing or unknown, or its values are no finite numbers.
        """
        columns = self.covariates.columns
        if values is None:
            values = dict(zip(columns, self.means, strict=True))
        if set(values) != set(columns):
            raise ParameterError(
                f"The fit has the covariates {', '.join(columns)}; got "
                f"{', '.join(values) or 'none'}. Give a value for each, or none for the average."
            )
        out = {}
        for name in columns:
            try:
                numbers = np.asarray(values[name], dtype=np.float64)
                out[name] = np.broadcast_to(numbers, customers).copy()
            except (TypeError, ValueError):
                numbers = np.full(1, np.nan)
            if not np.isfinite(numbers).all():
                raise ParameterError(
                    f"The covariate {name} takes a finite number, or one for each of {customers:,} "
                    f"customers: {values[name]!r}."
                )
        return out

    def standardised(self, columns: Mapping[str, FloatArray]) -> FloatArray:
        """The columns less their means, in standard deviations, of shape (rows, columns)."""
        scales = zip(self.covariates.columns, self.means, self.sds, strict=True)
        return np.column_stack([(columns[name] - mean) / sd for name, mean, sd in scales])

    def row_params(self, params: Params, z: FloatArray) -> dict[str, FloatArray]:
        """The model's own parameters of each customer.

        Parameters
        ----------
        params : mapping of str to ndarray of shape (draws, 1) or (draws, rows)
            Those of the average customer, and the multipliers.
        z : ndarray of shape (rows, columns)
            Standardised covariates.

        Returns
        -------
        dict of str to ndarray
            Of shape (draws, rows) where covariates act, else (draws, 1).
        """
        own = {c.name for c in self.coefficients}
        shifts: dict[str, FloatArray] = {}
        for c in self.coefficients:
            step = np.log(params[c.name]) * z[:, c.column]
            for name, sign in c.effect.signs:
                shifts[name] = shifts.get(name, np.zeros(1)) + sign * step
        factors = {k: np.exp(bounded(v)) for k, v in shifts.items()}
        return {k: v * factors.get(k, np.ones(1)) for k, v in params.items() if k not in own}

    def extend(self, problem: Problem, row_derivatives: RowDerivatives, z: FloatArray) -> Problem:
        """The likelihood with covariates of a model whose likelihood without them is `problem`.

        Parameters
        ----------
        problem : Problem
            With one row for each row of `z`.
        row_derivatives : callable
            The kernel's, called with the columns and the parameters of `problem` by name.
        z : ndarray of shape (rows, columns)
            Standardised covariates.
        """
        ones, ridge = np.ones(len(self.coefficients)), self.covariates.ridge

        def starts(data: Mapping[str, FloatArray], weight: FloatArray) -> Sequence[FloatArray]:
            return [np.append(start, ones) for start in problem.starts(data, weight)]

        return replace(
            problem,
            parameters=(*problem.parameters, *self.parameters),
            data={**problem.data, **{f"z{k}": column for k, column in enumerate(z.T)}},
            compile=covariate_objective(row_derivatives, problem.names, self),
            starts=starts,
            penalty=ridge_penalty(ridge, len(problem.parameters)) if ridge else None,
            blocks=(*problem.blocks, *(multiplier(p.name, p.meaning) for p in self.parameters)),
            rows=self._rows(problem.rows),
            sums=None,
            effects=tuple((c.name, f"z{c.column}", c.effect.signs) for c in self.coefficients),
        )

    def _rows(self, rows: Rows | None) -> Rows | None:
        """Log-likelihoods of rows with covariates, from those without."""
        if rows is None:
            return None
        names = [f"z{k}" for k in range(len(self.means))]

        def with_covariates(data: Mapping[str, FloatArray], params: Params) -> FloatArray:
            z = np.column_stack([data[name] for name in names])
            own = {name: values for name, values in data.items() if name not in names}
            return rows(own, self.row_params(params, z))

        return with_covariates

    def sentences(self, estimate: Estimate, level: float = 0.9) -> list[str]:
        """What one standard deviation more of each column does to each process, in words.

        Of columns of 0 and 1: what being 1 does.
        """
        columns, out = self.covariates.columns, []
        for process in self.processes:
            for column in getattr(self.covariates, process.name):
                reads = {f"{effect.name}:{column}": effect.reads for effect in process.effects}
                place = columns.index(column)
                contrast = np.array([float(reads.get(name, 0)) for name in estimate.names])
                change = f"One {self._step(place)} more of {column}"
                if self._is_flag(place):
                    contrast /= self.sds[place]
                    change = f"{column} = 1 rather than 0"
                value = np.exp(contrast @ np.log(list(estimate.means.values())))
                out.append(
                    f"{change} multiplies {process.words} by {_figure(value)}"
                    f"{_interval(estimate, contrast, level)}."
                )
        return out

    def to_dict(self) -> dict[str, Any]:
        """What a stored fit needs besides the model."""
        return {"means": list(self.means), "sds": list(self.sds)}

    @classmethod
    def from_dict(
        cls, document: Mapping[str, Any], covariates: Covariates, processes: tuple[Process, ...]
    ) -> Self:
        """The design of a document made by `to_dict`, for the same model."""
        return cls(covariates, processes, tuple(document["means"]), tuple(document["sds"]))

    def _is_flag(self, column: int) -> bool:
        """Whether a column holds 0 and 1 only: no other values in between have that variance."""
        mean = self.means[column]
        return 0 < mean < 1 and bool(
            np.isclose(self.sds[column] ** 2, mean * (1 - mean), rtol=1e-9)
        )

    def _parameter(self, c: Coefficient, by: str) -> Parameter:
        step, column = self._step(c.column), self.covariates.columns[c.column]
        return Parameter(
            c.name, "pure", f"one {step} more of {column} multiplies {c.effect.meaning} by {by}"
        )

    def _step(self, column: int) -> str:
        """What a multiplier is for one more of: columns that are not standardised have sd 1."""
        return "unit" if self.sds[column] == 1 else f"sd ({self.sds[column]:.3g})"

    def acting_on(self, name: str, z: FloatArray) -> tuple[IntArray, FloatArray]:
        """Which coefficients act on a parameter, and the columns they come with, signed."""
        acting = [
            (place, c.column, dict(c.effect.signs)[name])
            for place, c in enumerate(self.coefficients)
            if name in dict(c.effect.signs)
        ]
        which, columns, signs = np.array(acting, dtype=np.int64).reshape(-1, 3).T
        return which, z[:, columns] * signs

    def check_independence(self, share: FloatArray, z: FloatArray) -> None:
        """Columns that act on one parameter must not follow from each other."""
        columns = np.array(self.covariates.columns)
        for name in dict.fromkeys(name for c in self.coefficients for name, _ in c.effect.signs):
            acting = sorted({c.column for c in self.coefficients if name in dict(c.effect.signs)})
            some = z[:, acting]
            variance, directions = np.linalg.eigh((some.T * share) @ some)
            involved = (np.abs(directions[:, variance < _DEPENDENT]) > 1e-3).any(axis=1)
            if involved.any():
                raise DataError(
                    f"The covariates {', '.join(columns[acting][involved])} are collinear: each "
                    "follows from the others, so their effects cannot be told apart. Leave one "
                    "out (of the 0/1 columns of one attribute, that of the usual level)."
                )


def no_covariates(given: Mapping[str, Any] | None) -> None:
    """Refuse covariates that a fit does not know."""
    if given:
        raise ParameterError(f"This fit has no covariates; leave out {', '.join(given)}.")


def _values(data: RFMSummary | OpportunitySummary, name: str) -> FloatArray:
    """A column as finite numbers, or an error that says what is wrong with it."""
    raw = data.columns.get(name)
    if raw is None or raw.dtype.kind in "biuf":
        return data.column(name)
    return finite_column(data.customer_id, {name: _parsed(data, name, raw)}, name)


def _parsed(data: RFMSummary | OpportunitySummary, name: str, raw: AnyArray) -> FloatArray:
    """Numbers among objects; what is neither a number nor missing is refused."""
    import pandas as pd

    values, missing = raw.tolist(), np.asarray(pd.isna(raw))
    wrong = ~missing & np.array([not isinstance(v, Real | np.bool_) for v in values])
    if wrong.any():
        raise DataError(
            rule_broken(
                f"the covariate {name} must hold numbers, not {values[np.argmax(wrong)]!r}",
                int(wrong.sum()),
                len(data),
                data.customer_id[wrong].tolist(),
                "Code text as 0/1 columns, one per level but one, and dates as numbers.",
            )
        )
    numbers = [np.nan if gap else float(v) for gap, v in zip(missing, values, strict=True)]
    return np.array(numbers)


def _figure(value: float) -> str:
    return f"{value:.2f}" if 0.1 <= value < 100 else f"{value:.3g}"


def _interval(estimate: Estimate, contrast: AnyArray, level: float) -> str:
    """The interval of a product of powers of parameters, in words; nothing where there is none."""
    from scipy.special import ndtri

    tails = probabilities(level)
    if estimate.covariance is not None:
        centre = contrast @ np.log(list(estimate.means.values()))
        se = np.sqrt(contrast @ estimate.covariance @ contrast)
        low, high = np.exp(centre + se * ndtri(tails))
    elif estimate.spread is not None and not _loose(estimate, contrast):
        centre = contrast @ np.log(list(estimate.means.values()))
        low, high = np.exp(centre + np.linalg.norm(contrast @ estimate.spread) * ndtri(tails))
    elif estimate.replicates is not None:
        logs = np.log(np.hstack(list(estimate.replicates.values())))
        low, high = np.exp(np.quantile(logs @ contrast, tails))
    else:
        return ""
    return f" ({100 * level:.3g} % interval {_figure(low)} to {_figure(high)})"


def _loose(estimate: Estimate, contrast: AnyArray) -> bool:
    """Whether the data leave open what goes into a contrast."""
    names = np.array(estimate.names)[contrast != 0]
    return bool(set(names.tolist()) & set(estimate.diagnostics.boundary))

"""What a model hands to a method: data, weights, and how likely parameters are given them."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, NamedTuple, TypeAlias, final

import numpy as np

from clvmodels._cores import usable_cores
from clvmodels._typing import FloatArray, IntArray, Params
from clvmodels.exceptions import FitError
from clvmodels.inference.groups import Groups, group_of
from clvmodels.inference.traits import Block, Scales, TraitMap

Dimension: TypeAlias = Literal["pure", "share", "time", "rate", "money"]
Objective: TypeAlias = Callable[[FloatArray], tuple[float, FloatArray, FloatArray]]
"""Parameters to the negative log-likelihood, its gradient and its Hessian."""
Rows: TypeAlias = Callable[[Mapping[str, FloatArray], Params], FloatArray]
"""Data and parameter draws to the log-likelihood of each row, of shape (draws, rows)."""

_FAR = 1e7  # a shape this large means no differences to speak of: 0.03 % from one to the next
_OBSERVED = ("x", "t_x", "T", "m", "duration", "churned")  # not what only some models look at
_INSTANT, _AGES = 1e-12, 1e15  # times the longest observed: shorter or longer is all the same
_ROWS_PER_THREAD = 10_000  # from a fraction of a millisecond to many, by the model


class Sums(NamedTuple):
    """A negative log-likelihood without its Hessian, for those who evaluate it thousands of times.

    Attributes
    ----------
    value_and_gradient : callable
        One parameter vector per run of rows, of shape (runs, k), to values (runs,) and gradients
        (runs, k).
    values : callable
        Many parameter vectors for all rows, of shape (draws, k), to values (draws,).
    """

    value_and_gradient: Callable[[FloatArray], tuple[FloatArray, FloatArray]]
    values: Callable[[FloatArray], FloatArray]


@final
@dataclass(frozen=True, slots=True)
class Parameter:
    """A positive parameter, estimated on the log scale; `dimension` is what its value counts."""

    name: str
    dimension: Dimension = "pure"
    meaning: str = ""


def limits(parameters: Sequence[Parameter], longest: float | None = None) -> FloatArray:
    """Lowest and highest value of each parameter, of shape (2, parameters).

    A maximum of the likelihood may lie at infinity, where derivatives lose their digits and
    nothing changes any more; the search ends before: for pure numbers at 1e7 either way, for shares
    at odds of that, for times and rates far from the longest time observed, if that is known. Money
    follows the others.
    """
    none = (0.0, np.inf)
    span = {"pure": (1 / _FAR, _FAR), "share": (1 / (1 + _FAR), _FAR / (1 + _FAR))}
    if longest:
        span["time"] = (longest * _INSTANT, longest * _AGES)
        span["rate"] = (1 / (longest * _AGES), 1 / (longest * _INSTANT))
    return np.array([span.get(p.dimension, none) for p in parameters]).T


def likelihood_rows(
    loglik: Callable[..., FloatArray], data: Mapping[str, FloatArray], params: Params
) -> FloatArray:
    """`Problem.rows` of a kernel's log-likelihood, which takes columns and parameters by name."""
    return loglik(**data, **params)


def weighted_median(values: FloatArray, weight: FloatArray) -> float:
    """The lowest value that half of the weight does not exceed."""
    order = np.argsort(values)
    reached = np.cumsum(weight[order])
    return float(values[order[np.searchsorted(reached, reached[-1] / 2)]])


@final
@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """One likelihood to maximise.

    Attributes
    ----------
    model : str
        Registry key of the model, which methods that call another package go by.
    parameters : tuple of Parameter
        In the order of every parameter vector.
    data : mapping of str to ndarray of shape (rows,)
        The columns of the likelihood.
    weight : ndarray of shape (rows,)
        How many customers each row stands for.
    compile : callable
        Data and weight to an `Objective`.
    starts : callable
        Data and weight to parameter vectors to start from, best guess first.
    penalty : Objective, optional
        Added once to the negative log-likelihood.
    blocks : tuple of Block
        What priors are about, instead of the parameters; none if the model knows no priors.
    rows : callable, optional
        Data and parameter draws, of shape (draws, 1) or (draws, rows), to the log-likelihood of
        each row, of shape (draws, rows).
    groups : Groups, optional
        Those that parameters are to be pooled over; ``data["group"]`` is the group of each row.
    scales_given : mapping, optional
        The time and money that traits are relative to, instead of the data's own.
    sums : callable, optional
        Data sorted by run, weight and ends of runs to `Sums`; made of `compile` if not given.
    effects : tuple of (str, str, tuple of (str, int))
        Multipliers e^g of covariates: the parameter, the column z of `data`, and the parameters
        that it multiplies by e^(g z), or divides where the sign is -1.
    """

    model: str
    parameters: tuple[Parameter, ...]
    data: Mapping[str, FloatArray]
    weight: FloatArray
    compile: Callable[[Mapping[str, FloatArray], FloatArray], Objective]
    starts: Callable[[Mapping[str, FloatArray], FloatArray], Sequence[FloatArray]]
    penalty: Objective | None = None
    blocks: tuple[Block, ...] = ()
    rows: Rows | None = None
    groups: Groups | None = None
    scales_given: Scales | None = None
    sums: Callable[[Mapping[str, FloatArray], FloatArray, IntArray], Sums] | None = None
    effects: tuple[tuple[str, str, tuple[tuple[str, int], ...]], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(p.name for p in self.parameters)

    @property
    def limits(self) -> FloatArray:
        """Lowest and highest value of each parameter, of shape (2, parameters)."""
        T = self.data.get("T")
        return limits(self.parameters, None if T is None else float(T.max()))

    @property
    def customers(self) -> float:
        """Number of customers behind the rows."""
        return float(self.weight.sum())

    @property
    def fingerprint(self) -> tuple[float, ...]:
        """Weighted moments by which fits of the same observations know each other."""
        observed = [self.data[name] for name in _OBSERVED if name in self.data]
        moments = [(self.weight @ v, self.weight @ v**2) for v in observed]
        return (self.customers, *(float(m) for pair in moments for m in pair))

    @property
    def scales(self) -> Scales:
        """The data's own time (the median T) and money (the geometric mean of mean values)."""
        if self.scales_given is not None:
            return self.scales_given
        out = {}
        if "T" in self.data:
            T = self.data["T"]
            middle = weighted_median(T, self.weight)
            out["time"] = middle if middle > 0 else float(self.weight @ T) / self.customers
        if "m" in self.data:
            known = self.data["m"] > 0
            logs = np.log(self.data["m"][known])
            out["money"] = float(np.exp(np.average(logs, weights=self.weight[known])))
        return out

    @property
    def traits(self) -> TraitMap:
        """What priors are about, as functions of the parameters.

        Raises
        ------
        FitError
            If the model knows no priors.
        """
        if not self.blocks:
            raise FitError(
                f"{self.model} has no priors, so it is fitted by MLE() or Bootstrap() only."
            )
        return TraitMap(self.blocks, self.scales)

    def summed(self) -> Sums:
        """The likelihood for samplers: a run of rows per group, or one of all rows."""
        parts = self.by_group()
        if self.sums is not None:
            ends = np.cumsum([0, *(len(part.weight) for part in parts)])
            data = {
                name: np.concatenate([part.data[name] for part in parts]) for name in parts[0].data
            }
            return self.sums(data, np.concatenate([part.weight for part in parts]), ends)
        terms = [part.compile(part.data, part.weight) for part in parts]

        def value_and_gradient(theta: FloatArray) -> tuple[FloatArray, FloatArray]:
            values, gradients = np.empty(len(theta)), np.empty(theta.shape)
            for k, term in enumerate(terms):
                values[k], gradients[k], _ = term(theta[k])
            return values, gradients

        def values(theta: FloatArray) -> FloatArray:
            return np.array([terms[0](one)[0] for one in theta])

        return Sums(value_and_gradient, values)

    def by_group(self) -> list["Problem"]:
        """One problem per group that was fitted, or this one where there are none."""
        if self.groups is None:
            return [self]
        scales = self.scales
        return [replace(part, scales_given=scales) for _, part in self.by_code()]

    def by_code(self) -> list[tuple[int, "Problem"]]:
        """The group codes among the rows with their rows, groups that were not fitted included.

        Without groups, this problem with code 0.
        """
        if self.groups is None:
            return [(0, self)]
        code = self.data["group"].astype(np.int64)
        order = np.argsort(code, kind="stable")
        codes, starts = np.unique(code[order], return_index=True)
        data = {name: values for name, values in self.data.items() if name != "group"}
        alone = replace(self, data=data, groups=None)
        parts = np.split(order, starts[1:])
        return [(k, alone.at(rows)) for k, rows in zip(codes.tolist(), parts, strict=True)]

    def log_lik_rows(self, params: Params) -> FloatArray:
        """Log-likelihood of each row at draws of the parameters, of shape (draws, rows).

        Parameters are of shape (draws, 1), or with groups (draws, `Groups.size`).

        Raises
        ------
        FitError
            If the model gives none.
        """
        if self.rows is None:
            raise FitError(f"{self.model} gives no log-likelihood by customer.")
        data = dict(self.data)
        if self.groups is not None:
            # the first column of grouped parameters is that of the typical group
            params = group_of(params, 1 + data.pop("group").astype(np.int64))
        size = len(next(iter(params.values()))), len(self.weight)
        return np.broadcast_to(np.asarray(self.rows(data, params)), size)

    def objective(self) -> Objective:
        """What is minimised: the negative log-likelihood, and the penalty if there is one."""
        likelihood, penalty = self._likelihood(), self.penalty
        if penalty is None:
            return likelihood

        def objective(theta: FloatArray) -> tuple[float, FloatArray, FloatArray]:
            nll, gradient, hessian = likelihood(theta)
            more, slope, curvature = penalty(theta)
            return nll + more, gradient + slope, hessian + curvature

        return objective

    def loglik(self, objective: float, theta: FloatArray) -> float:
        """Log-likelihood where the objective has a value: without the penalty."""
        return -objective if self.penalty is None else self.penalty(theta)[0] - objective

    def _likelihood(self) -> Objective:
        """Negative log-likelihood as a function of the parameters, on all cores for many rows."""
        rows = len(self.weight)
        parts = min(usable_cores(), rows // _ROWS_PER_THREAD)
        if parts < 2:
            return self.compile(self.data, self.weight)
        cuts = np.linspace(0, rows, parts + 1).astype(np.int64)
        shares = [self.at(slice(i, j)) for i, j in pairwise(cuts)]
        terms = [share.compile(share.data, share.weight) for share in shares]
        pool = ThreadPoolExecutor(parts)

        def objective(theta: FloatArray) -> tuple[float, FloatArray, FloatArray]:
            values, gradients, hessians = zip(
                *pool.map(lambda term: term(theta), terms), strict=True
            )
            return sum(values), sum(gradients), sum(hessians)

        return objective

    def at(self, rows: IntArray | slice) -> "Problem":
        """The same problem on some of the rows."""
        data = {name: values[rows] for name, values in self.data.items()}
        return replace(self, data=data, weight=self.weight[rows])

    def reweighted(self, weight: FloatArray) -> "Problem":
        """The same problem with other weights; rows that count nobody are left out."""
        return replace(self, weight=weight).at(np.flatnonzero(weight > 0))

"""The posterior as a PyMC model: the same density as `density`, to look at and to sample.

Random variables are the coordinates of a `density.Position`: traits on their link scales, and of
groups the standard deviations between them and what each is carried as, centred as far as its data
pin it down. Traits and parameters themselves are deterministic functions of them.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from clvmodels._typing import FloatArray, IntArray
from clvmodels.bayes.density import Density
from clvmodels.bayes.logp.parts import Tensor
from clvmodels.bayes.priors import Prior
from clvmodels.exceptions import FitError
from clvmodels.inference.problem import Problem
from clvmodels.inference.traits import BetaShares, Block, GoneBy, Linear, Scales, Trait

RENDERED = (
    "beta_geo",
    "beta_geo_beta_binom",
    "gamma_gamma",
    "modified_beta_geo",
    "nbd",
    "pareto_nbd",
    "shifted_beta_geo",
)
"""Models with a likelihood in PyTensor."""

_FARTHEST = 50.0  # log of the largest effect of covariates, as in maximum likelihood


class Place(NamedTuple):
    """Where a random variable is in a position; positions have the logs of positive ones."""

    indices: IntArray
    positive: bool


def layout(density: Density) -> dict[str, Place]:
    """The random variables of `build` by name."""
    at = density.pieces(np.arange(density.dimension, dtype=np.float64))
    traits = density.traits.traits
    found = {
        _scale(trait): _place(index)
        for trait, index in zip(traits, (*at.centre, *at.shared), strict=True)
    }
    for level, spread, raw in zip(_levels(density), at.log_spread, at.raw, strict=True):
        found[_spread(level)] = _place(spread, positive=True)
        found[_raw(level)] = _place(raw)
    return found


def _place(indices: FloatArray, positive: bool = False) -> Place:
    return Place(np.asarray(indices).astype(np.int64), positive)


def build(density: Density) -> Any:
    """The PyMC model, its data included.

    Raises
    ------
    FitError
        If the model's likelihood is not known to PyTensor.
    """
    import pymc as pm
    import pytensor.tensor as pt

    problem = density.problem
    if problem.model not in RENDERED:
        raise FitError(
            f"There is no PyMC model of {problem.model}, only of {', '.join(RENDERED)}. "
            'MCMC() with its default sampler="nutpie" needs none.'
        )
    logp = import_module(f"clvmodels.bayes.logp.{problem.model}").logp
    with pm.Model(coords=_coords(density)) as model:
        columns = {name: pm.Data(name, v, dims="history") for name, v in _columns(problem).items()}
        customers = pm.Data("customers", problem.weight, dims="history")
        population = [
            _population(trait, prior)
            for trait, prior in zip(density.traits.traits, density.priors.priors, strict=True)
        ]
        own, shared = population[: density.own], population[density.own :]
        logs = _logs(density.traits.blocks, problem.scales, [*_of_groups(density, own), *shared])
        params = _of_rows(problem, logs, columns)
        pm.Potential(
            "likelihood", pt.sum(customers * logp(**_observed(problem, columns), **params))
        )
    return model


def _coords(density: Density) -> dict[str, Any]:
    groups = density.problem.groups
    coords: dict[str, Any] = {"history": np.arange(len(density.problem.weight))}
    if groups is not None:
        names = (groups.outer, groups.names) if groups.nested else (groups.names,)
        coords |= {level: list(n) for level, n in zip(_levels(density), names, strict=True)}
        coords["trait"] = [trait.name for trait in density.traits.traits[: density.own]]
    return coords


def _levels(density: Density) -> tuple[str, ...]:
    """The dimensions of groups, from the outermost."""
    return ("outer_group", "group")[2 - len(density.levels) :]


def _scale(trait: Trait) -> str:
    return f"{trait.link} {trait.name}"


def _spread(level: str) -> str:
    return f"sd between {level}s"


def _raw(level: str) -> str:
    return f"raw {level}s"


def _columns(problem: Problem) -> dict[str, Any]:
    """The data, with the groups as whole numbers under a name that is no dimension's."""
    columns: dict[str, Any] = dict(problem.data)
    if problem.groups is not None:
        columns["group_of"] = columns.pop("group").astype(np.int64)
    return columns


def _observed(problem: Problem, columns: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The columns that the likelihood is of: no groups and no covariates."""
    others = {"group_of", *(column for _, column, _ in problem.effects)}
    return {name: values for name, values in columns.items() if name not in others}


def _natural(trait: Trait, eta: Tensor) -> Tensor:
    import pytensor.tensor as pt

    return pt.sigmoid(eta) if trait.link == "logit" else pt.exp(eta)


def _population(trait: Trait, prior: Any) -> Tensor:
    """A trait of the whole population (of the typical group, if there are groups)."""
    import pymc as pm

    known = isinstance(prior, Prior)
    name = _scale(trait)
    eta = pm.Normal(name, prior.mean(trait), prior.sd) if known else pm.Flat(name)
    pm.Deterministic(trait.name, _natural(trait, eta))
    return eta


def _of_groups(density: Density, own: Sequence[Tensor]) -> list[Tensor]:
    """Traits of the innermost groups; those of the population where there are none."""
    if not density.levels:
        return list(own)
    import pymc as pm
    import pytensor.tensor as pt

    above = pt.stack(own)[None, :]
    for name, level in zip(_levels(density), density.levels, strict=True):
        c, parent = level.centring, above[level.parent]
        spread = pm.HalfNormal(_spread(name), density.priors.spread.scale, dims="trait")
        eta = pm.Normal(_raw(name), c * parent, spread**c, dims=(name, "trait"))
        above = parent + spread ** (1 - c) * (eta - c * parent)
        for k, trait in enumerate(density.traits.traits[: density.own]):
            pm.Deterministic(f"{trait.name} of {name}", _natural(trait, above[:, k]), dims=name)
    return [above[:, k] for k in range(density.own)]


def _logs(blocks: Sequence[Block], scales: Scales, eta: Sequence[Tensor]) -> dict[str, Tensor]:
    """Logs of the parameters, as `TraitMap.back` has them."""
    found: dict[str, Tensor] = {}
    for block in blocks:
        mine = eta[len(found) : len(found) + len(block.parameters)]
        found |= zip(block.parameters, _back(block, scales, mine), strict=True)
    return found


def _back(block: Block, scales: Scales, eta: Sequence[Tensor]) -> list[Tensor]:
    import pytensor.tensor as pt

    if isinstance(block, BetaShares):
        odds, total = eta
        return [total - pt.softplus(-odds), total - pt.softplus(odds)]
    if isinstance(block, GoneBy):
        shape = -2 * eta[1]
        growth = pt.softplus(eta[0]) * pt.exp(-shape)
        return [shape, np.log(scales["time"]) - growth - pt.log1mexp(-growth)]
    assert isinstance(block, Linear)  # of the models that are rendered
    size = len(eta)
    base = block.back(np.zeros(size), scales)
    slopes = np.linalg.inv(np.array(block.powers))
    return [
        c + sum(slope * e for slope, e in zip(row, eta, strict=True) if slope)
        for c, row in zip(base, slopes, strict=True)
    ]


def _of_rows(
    problem: Problem, logs: Mapping[str, Tensor], columns: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The model's own parameters, of each row where groups or covariates make them differ."""
    import pymc as pm
    import pytensor.tensor as pt

    multipliers = {name for name, _, _ in problem.effects}
    shifts: dict[str, Tensor] = {}
    for multiplier, column, signs in problem.effects:
        for name, sign in signs:
            step = sign * logs[multiplier] * columns[column]
            shifts[name] = shifts[name] + step if name in shifts else step
    params = {}
    for name in (name for name in logs if name not in multipliers):
        dims = None if problem.groups is None else "group"
        value = pm.Deterministic(name, pt.exp(logs[name]), dims=dims)
        if problem.groups is not None:
            value = value[columns["group_of"]]
        if name in shifts:
            value = value * pt.exp(pt.clip(shifts[name], -_FARTHEST, _FARTHEST))
        params[name] = value
    return params

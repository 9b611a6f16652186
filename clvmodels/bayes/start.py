"""Where chains with groups start, and how the density is carried and scaled for them."""

import numpy as np

from clvmodels._typing import FloatArray, IntArray
from clvmodels.bayes.density import Density, density_of
from clvmodels.bayes.nuts import Whitening
from clvmodels.bayes.priors import TraitPriors
from clvmodels.inference.estimate import Estimate
from clvmodels.inference.newton import evaluate
from clvmodels.inference.problem import Problem

_USUAL_SPREAD = 0.3  # between groups, to begin with
_WEIGHT = 2.0  # groups' worth of what is usual: few groups hardly tell how far they differ
_ROUNDS = 30
_SDS_BELOW = 1.4
_HARDLY_ANY = 1e-3  # information where a group's data have none
_FARTHEST = 1.0  # that a group starts from the centre


def start_of_groups(
    problem: Problem, priors: TraitPriors, pooled: Estimate
) -> tuple[Density, Whitening]:
    """The density of a problem with groups, and the normal approximation that its chains start by.

    Every group is one Newton step away from the mode of all together, shrunk by how far groups
    differ; its block of the whitening is the covariance that this step implies.
    """
    traits, effects = problem.traits, len(problem.effects)
    own = len(traits.traits) - effects
    logs = np.log(list(pooled.means.values()))
    slope = np.linalg.inv(traits.slopes(logs)[0])  # of logs in eta
    eta = traits.forward(logs)
    pulls, bends = [], []
    for part in problem.by_group():
        here = evaluate(part.compile(part.data, part.weight), logs, part.limits)
        pulls.append((here.gradient @ slope)[:own])
        bends.append(_positive((slope.T @ here.hessian @ slope)[:own, :own]))
    parents = problem.groups.parents if problem.groups and problem.groups.nested else None
    steps, covariance, spread = _steps(np.array(pulls), np.array(bends), parents)
    # a spread as low as it may well be: the density narrows towards low ones, so there the groups
    # must not be centred
    low = spread * (1 - _SDS_BELOW / np.sqrt(2 * max(len(steps[0]), 2)))
    alone = np.linalg.inv(np.array(bends) + _HARDLY_ANY * np.eye(own))
    density = density_of(problem, priors, 1 / np.einsum("gkk->gk", alone), low)
    values = [eta[:own] + step for step in steps]
    return density, _whitening(density, eta, values, covariance, spread)


def _steps(
    pull: FloatArray, bend: FloatArray, parents: IntArray | None
) -> tuple[list[FloatArray], FloatArray, FloatArray]:
    """Where the groups of each level are from the centre, how surely, and how far they differ.

    The likelihood of each group is taken for normal, and the variances between groups for those
    that make all of them likeliest: Dempster, Laird and Rubin (1977), Maximum likelihood from
    incomplete data via the EM algorithm, JRSS B 39(1), 1-38.
    """
    groups, own = pull.shape
    outer_of = np.zeros(groups, dtype=np.int64) if parents is None else parents
    count = np.bincount(outer_of)[:, None]
    above = np.zeros((len(count), own))
    variance = np.full(own, _USUAL_SPREAD**2)
    for _ in range(_ROUNDS):
        covariance: FloatArray = np.linalg.inv(bend + np.diag(1 / variance)).astype(np.float64)
        towards = above[outer_of] / variance - pull
        step = np.clip(np.einsum("gij,gj->gi", covariance, towards), -_FARTHEST, _FARTHEST)
        above = np.zeros_like(above)
        np.add.at(above, outer_of, step)
        above /= count
        off = (step - above[outer_of]) ** 2 + np.einsum("gkk->gk", covariance)
        variance = (off.sum(axis=0) + _WEIGHT * _USUAL_SPREAD**2) / (groups + _WEIGHT)
    spread = np.sqrt(variance)
    if parents is None:
        return [step], covariance, spread[None]
    off = (above - above.mean(axis=0)) ** 2
    between = np.sqrt((off.sum(axis=0) + _WEIGHT * _USUAL_SPREAD**2) / (len(above) + _WEIGHT))
    return [above, step], covariance, np.array([between, spread])


def _whitening(
    density: Density,
    eta: FloatArray,
    values: list[FloatArray],
    covariance: FloatArray,
    spread: FloatArray,
) -> Whitening:
    own, levels = density.own, density.levels
    raw, above, blocks = [], eta[None, :own], []
    for level, value, between in zip(levels, values, spread, strict=True):
        parent = above[level.parent]
        shrink = between ** (level.centring - 1)
        raw.append(level.centring * parent + shrink * (value - parent))
        if value is values[-1]:
            blocks.append(shrink[:, :, None] * np.linalg.cholesky(covariance))
        else:
            blocks.append(shrink[:, :, None] * np.eye(own) * between[:, None])
        above = value
    centre = np.concatenate([eta, np.log(spread).ravel(), *map(np.ravel, raw)])
    outermost = len(values[0])
    scale = np.concatenate(
        [
            spread[0] / np.sqrt(outermost),
            np.full(density.shared, spread.mean() / np.sqrt(outermost)),
            np.full(spread.size, 0.5),
        ]
    )
    ends = np.cumsum([len(scale), *(len(b) * own for b in blocks)])

    def through(u: FloatArray, transposed: bool) -> FloatArray:
        out = np.empty_like(u)
        out[: len(scale)] = scale * u[: len(scale)]
        for block, start_, end in zip(blocks, ends[:-1], ends[1:], strict=True):
            way = "gji,gj->gi" if transposed else "gij,gj->gi"
            out[start_:end] = np.einsum(way, block, u[start_:end].reshape(-1, own)).ravel()
        return out

    return Whitening(centre, lambda u: through(u, False), lambda g: through(g, True))


def _positive(curvature: FloatArray) -> FloatArray:
    """The matrix without what curves the wrong way."""
    size, axes = np.linalg.eigh(curvature)
    out: FloatArray = (axes * np.maximum(size, 0.0)) @ axes.T
    return out

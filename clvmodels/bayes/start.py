"""Where chains with groups start, and how the density is carried and scaled for them."""

import numpy as np

from clvmodels._typing import FloatArray
from clvmodels.bayes.density import Density, Pieces, density_of
from clvmodels.bayes.nuts import Whitening
from clvmodels.bayes.priors import TraitPriors
from clvmodels.inference.estimate import Estimate
from clvmodels.inference.newton import evaluate
from clvmodels.inference.problem import Problem

_USUAL_SPREAD = 0.3
_FARTHEST = 1.0  # that a group starts from the centre


def start_of_groups(
    problem: Problem, priors: TraitPriors, pooled: Estimate
) -> tuple[Density, Whitening]:
    """The density of a problem with groups, and the normal approximation that its chains start by.

    Every group is one Newton step away from the mode of all together, shrunk by how far groups
    usually differ; its block of the whitening is the covariance that this step implies.
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
    pull, bend = np.array(pulls), np.array(bends)
    density = density_of(problem, priors, np.einsum("gkk->gk", bend))
    usual = np.eye(own) / _USUAL_SPREAD**2
    covariance: FloatArray = np.linalg.inv(bend + usual).astype(np.float64)
    step = np.clip(-np.einsum("gij,gj->gi", covariance, pull), -_FARTHEST, _FARTHEST)
    values = [eta[None, :own] + step]
    if problem.groups is not None and problem.groups.nested:
        parents = problem.groups.parents
        outer = [values[0][parents == k].mean(axis=0) for k in range(len(problem.groups.outer))]
        values.insert(0, np.array(outer))
    return density, _whitening(density, eta, values, covariance, len(step))


def _whitening(
    density: Density,
    eta: FloatArray,
    values: list[FloatArray],
    covariance: FloatArray,
    groups: int,
) -> Whitening:
    own, levels = density.own, density.levels
    log_spread = np.full((len(levels), own), np.log(_USUAL_SPREAD))
    raw, above, blocks = [], eta[None, :own], []
    for level, value, spread in zip(levels, values, log_spread, strict=True):
        parent = above[level.parent]
        shrink = np.exp((level.centring - 1) * spread)
        raw.append(level.centring * parent + shrink * (value - parent))
        if value is values[-1]:
            blocks.append(shrink[:, :, None] * np.linalg.cholesky(covariance))
        else:
            blocks.append(shrink[:, :, None] * np.eye(own) * _USUAL_SPREAD)
        above = value
    start = Pieces(eta[:own], eta[own:], log_spread, tuple(raw))
    centre = np.concatenate([start.centre, start.shared, log_spread.ravel(), *map(np.ravel, raw)])
    first = own + density.shared
    scale = np.concatenate(
        [np.full(first, _USUAL_SPREAD / np.sqrt(groups)), np.full(log_spread.size, 0.5)]
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

"""The log posterior density, with its gradient: what samplers see.

The position q of a sampler is (m, g, log s, eta_1, ..., eta_L): the traits m of the typical group
on their link scales, the multipliers g of covariates, and for each of L = 0, 1 or 2 levels of
groups the standard deviations s between groups of one parent and the groups themselves. A group's
traits v with parent P are carried as

    eta = lambda P + s^(lambda - 1) (v - P),    eta ~ Normal(lambda P, s^lambda),

which is v itself for lambda = 1 (centred: for groups with many data), (v - P) / s for lambda = 0
(non-centred: for groups with few), and in between otherwise: Papaspiliopoulos, Roberts and Skold
(2007), A general framework for the parametrization of hierarchical models, Statistical Science
22(1), 59-73; Gorinova, Moore and Hoffman (2020), Automatic reparameterisation of probabilistic
programs, ICML, section 4.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias, final

import numpy as np

from clvmodels._typing import FloatArray, IntArray
from clvmodels.bayes.priors import TraitPriors
from clvmodels.inference.groups import Groups
from clvmodels.inference.problem import Problem, Sums
from clvmodels.inference.traits import TraitMap

Position: TypeAlias = FloatArray
OUTERMOST = 80.0  # logs of parameters beyond which the density is taken for 0


class Level(NamedTuple):
    """Groups of one level: the parent of each, and how far each trait is centred."""

    parent: IntArray
    centring: FloatArray


class Pieces(NamedTuple):
    """Positions taken apart: values of shape (..., traits), spreads (..., levels, traits)."""

    centre: FloatArray
    shared: FloatArray
    log_spread: FloatArray
    raw: tuple[FloatArray, ...]


@final
@dataclass(frozen=True, eq=False)
class Density:
    """Log posterior density of a problem, up to a constant.

    Attributes
    ----------
    problem : Problem
    priors : TraitPriors
    levels : tuple of Level
        From the outermost; none without groups.
    """

    problem: Problem
    priors: TraitPriors
    levels: tuple[Level, ...] = ()

    @cached_property
    def sums(self) -> Sums:
        """The likelihood."""
        return self.problem.summed()

    @cached_property
    def traits(self) -> TraitMap:
        """Parameters to eta and back."""
        return self.problem.traits

    @property
    def shared(self) -> int:
        """Number of multipliers, which all groups share."""
        return len(self.problem.effects)

    @property
    def own(self) -> int:
        """Number of traits that groups differ in."""
        return len(self.traits.traits) - self.shared

    @property
    def dimension(self) -> int:
        """Length of a position."""
        sizes = [1 + len(level.parent) for level in self.levels]
        return self.own + self.shared + self.own * sum(sizes)

    def pieces(self, q: Position) -> Pieces:
        """Positions of shape (..., dimension) taken apart."""
        k, batch = self.own, q.shape[:-1]
        first = k + self.shared
        spreads = first + k * len(self.levels)
        raw, at = [], spreads
        for level in self.levels:
            n = len(level.parent)
            raw.append(q[..., at : at + n * k].reshape(*batch, n, k))
            at += n * k
        log_spread = q[..., first:spreads].reshape(*batch, len(self.levels), k)
        return Pieces(q[..., :k], q[..., k:first], log_spread, tuple(raw))

    def values(self, pieces: Pieces) -> tuple[FloatArray, ...]:
        """Traits of the groups of each level, of shape (..., groups, traits)."""
        out = []
        above = pieces.centre[..., None, :]
        for level, eta, log_spread in self._by_level(pieces):
            parent = above[..., level.parent, :]
            off = eta - level.centring * parent
            above = parent + np.exp((1 - level.centring) * log_spread) * off
            out.append(above)
        return tuple(out)

    def log_prior(self, pieces: Pieces) -> FloatArray:
        """Log density of what has a prior of its own: centre, multipliers and spreads."""
        population = np.concatenate([pieces.centre, pieces.shared], axis=-1)
        spread = pieces.log_spread
        half_normal = -0.5 * (np.exp(spread) / self.priors.spread.scale) ** 2 + spread
        out: FloatArray = self.priors.log_density(population) + half_normal.sum(axis=(-2, -1))
        return out

    def log_groups(self, pieces: Pieces, values: tuple[FloatArray, ...]) -> FloatArray:
        """Log density of the groups given centre and spreads, as the position carries them.

        `values` are those of the pieces.
        """
        out = np.zeros(pieces.centre.shape[:-1])
        above = pieces.centre[..., None, :]
        for (level, eta, log_spread), value in zip(self._by_level(pieces), values, strict=True):
            centring = level.centring
            off = (eta - centring * above[..., level.parent, :]) * np.exp(-centring * log_spread)
            out = out - (0.5 * off**2 + centring * log_spread).sum(axis=(-2, -1))
            above = value
        return out

    def __call__(self, q: Position) -> tuple[float, FloatArray]:
        """Log density and its gradient at one position; minus infinity far outside."""
        if not self.levels:
            return self._complete(q)
        pieces = self.pieces(q)
        values = self.values(pieces)
        log_lik, at_leaves, at_shared = self._likelihood(values[-1], pieces.shared)
        if not np.isfinite(log_lik):
            return -np.inf, np.zeros_like(q)
        known = self.log_prior(pieces) + self.log_groups(pieces, values)
        return log_lik + float(known), self._gradient(pieces, values, at_leaves, at_shared)

    def _complete(self, eta: FloatArray) -> tuple[float, FloatArray]:
        """The density without groups: the same, with nothing to take apart."""
        logs = self.traits.back(eta)
        if not np.abs(logs).max() < OUTERMOST:
            return -np.inf, np.zeros_like(eta)
        theta = np.exp(logs)
        (nll,), (gradient,) = self.sums.value_and_gradient(theta[None])
        if not (np.isfinite(nll) and np.isfinite(gradient).all()):
            return -np.inf, np.zeros_like(eta)
        off = eta - self.priors.centre
        pull = self.priors.precision * off
        slope = self.traits.pull(eta, gradient * theta)
        return float(-nll - 0.5 * pull @ off), -slope - pull

    def _likelihood(
        self, leaves: FloatArray, shared: FloatArray
    ) -> tuple[float, FloatArray, FloatArray]:
        """Log-likelihood, and its gradient in the leaves' traits and in the multipliers."""
        eta = np.hstack([leaves, np.broadcast_to(shared, (len(leaves), self.shared))])
        logs = self.traits.back(eta)
        if not (np.abs(logs) < OUTERMOST).all():
            return -np.inf, leaves, shared
        theta = np.exp(logs)
        values, gradient = self.sums.value_and_gradient(theta)
        nll = float(values.sum())
        if not (np.isfinite(nll) and np.isfinite(gradient).all()):
            return -np.inf, leaves, shared
        slope = -self.traits.pull(eta, gradient * theta)
        return -nll, slope[:, : self.own], slope[:, self.own :].sum(axis=0)

    def _gradient(
        self,
        pieces: Pieces,
        values: tuple[FloatArray, ...],
        at_values: FloatArray,
        at_shared: FloatArray,
    ) -> FloatArray:
        """Gradient of the whole density from that of the log-likelihood in the leaves."""
        parts: list[FloatArray] = []
        spreads = np.zeros_like(pieces.log_spread)
        for place in reversed(range(len(self.levels))):
            level, eta = self.levels[place], pieces.raw[place]
            above = values[place - 1] if place else pieces.centre[None]
            c, log_spread = level.centring, pieces.log_spread[place]
            outer = np.exp((1 - c) * log_spread)
            narrow = np.exp(-c * log_spread)
            gap = eta - c * above[level.parent]
            off = gap * narrow
            parts.insert(0, (at_values * outer - off * narrow).ravel())
            spreads[place] = (c * off**2 - c + at_values * (1 - c) * outer * gap).sum(axis=0)
            to_parent = c * off * narrow + at_values * (1 - c * outer)
            up = np.zeros((len(above), self.own))
            np.add.at(up, level.parent, to_parent)
            at_values = up
        spreads += 1 - np.exp(2 * pieces.log_spread) / self.priors.spread.scale**2
        population = np.concatenate([pieces.centre, pieces.shared])
        pull = -self.priors.precision * (population - self.priors.centre)
        pull += np.concatenate([at_values.sum(axis=0), at_shared])
        return np.concatenate([pull, spreads.ravel(), *parts])

    def _by_level(self, pieces: Pieces) -> list[tuple[Level, FloatArray, FloatArray]]:
        return [
            (level, eta, pieces.log_spread[..., place, None, :])
            for place, (level, eta) in enumerate(zip(self.levels, pieces.raw, strict=True))
        ]

    def prior_draws(self, n: int, rng: np.random.Generator) -> Pieces:
        """Draws from the prior, groups included."""
        population = self.priors.draw(n, rng)
        noise = rng.standard_normal((n, len(self.levels), self.own))
        log_spread = np.log(np.abs(self.priors.spread.scale * noise))
        centre, raw = population[:, : self.own], []
        above = centre[:, None, :]
        for place, level in enumerate(self.levels):
            spread = log_spread[:, place, None, :]
            parent = above[:, level.parent, :]
            off = rng.standard_normal(parent.shape)
            raw.append(level.centring * parent + np.exp(level.centring * spread) * off)
            above = parent + np.exp(spread) * off
        return Pieces(centre, population[:, self.own :], log_spread, tuple(raw))

    # what is drawn, in the parameters of the model

    def params(self, pieces: Pieces, rng: np.random.Generator) -> dict[str, FloatArray]:
        """Parameters of shape (draws, 1), or (draws, `Groups.size`), of draws of positions."""
        eta = [pieces.centre[:, None, :]]
        values = self.values(pieces)
        if values:
            eta.append(values[-1])
            for place, above in enumerate([eta[0], *values[:-1]][::-1]):
                new = above
                for level in range(len(values) - 1 - place, len(values)):
                    spread = np.exp(pieces.log_spread[:, level, None, :])
                    new = new + spread * rng.standard_normal(new.shape)
                eta.append(new)
        own = np.concatenate(eta, axis=1)
        shared = np.broadcast_to(pieces.shared[:, None, :], (*own.shape[:2], self.shared))
        theta = np.exp(self.traits.back(np.concatenate([own, shared], axis=-1)))
        multipliers = {name for name, _, _ in self.problem.effects}
        return {
            name: theta[:, :1, k] if name in multipliers else theta[:, :, k]
            for k, name in enumerate(self.traits.parameters)
        }


def density_of(
    problem: Problem, priors: TraitPriors, curvature: FloatArray, spread: FloatArray
) -> Density:
    """The density of a problem with groups, each centred as far as its data pin it down.

    `curvature` (groups, traits) is the information that each group's data have on each trait, and
    `spread` (levels, traits) says how far groups differ.
    """
    groups = problem.groups
    assert groups is not None
    if not groups.nested:
        none = np.zeros(len(curvature), dtype=np.int64)
        return Density(problem, priors, (_level(none, curvature, spread[0]),))
    # what is known of an outer group: its groups, each blurred by how far groups differ
    known = curvature / (1 + spread[1] ** 2 * curvature)
    sums = np.zeros((len(groups.outer), curvature.shape[1]))
    np.add.at(sums, groups.parents, known)
    none = np.zeros(len(sums), dtype=np.int64)
    levels = _level(none, sums, spread[0]), _level(groups.parents, curvature, spread[1])
    return Density(problem, priors, levels)


def _level(parent: IntArray, information: FloatArray, spread: FloatArray) -> Level:
    share = spread**2 * information
    return Level(parent, share / (1 + share))


def group_names(groups: Groups | None) -> tuple[str, ...]:
    """Names of the columns of parameter arrays."""
    if groups is None:
        return ()
    inner = [f"{name} / not seen" for name in groups.outer]
    return ("typical", *groups.names, *inner, "not seen")

"""Unit-free quantities of a population, which priors speak of, and their maps from parameters.

The parameters theta of a model correspond one to one to traits such as the mean number of purchases
over the median T and the coefficient of variation of the rates. A prior is normal in
eta = link(trait), where the link is the logarithm, or the logit of a share. Samplers work in eta.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol, TypeAlias, final

import numpy as np
from scipy.special import expit

from clvmodels._typing import FloatArray

Link: TypeAlias = Literal["log", "logit"]
Scales: TypeAlias = Mapping[str, float]
"""The data's own "time" and "money", in the data's units."""

_NEARLY_ALL = -(2.0**-53)  # log of the largest share below 1


@final
@dataclass(frozen=True, slots=True)
class Trait:
    """One quantity: what it is called in priors, what it means, and the scale it is normal on.

    `usual` and `factor` are the default prior: 90 % between usual / factor and usual x factor
    (of the odds, where the trait is a share).
    """

    name: str
    meaning: str
    link: Link = "log"
    usual: float = 1.0
    factor: float = 10.0

    def value(self, eta: FloatArray) -> FloatArray:
        """The trait itself."""
        out: FloatArray = expit(eta) if self.link == "logit" else np.exp(eta)
        return out


class Block(Protocol):
    """Some parameters and the traits they stand for, as many."""

    @property
    def parameters(self) -> tuple[str, ...]: ...
    @property
    def traits(self) -> tuple[Trait, ...]: ...

    def forward(self, logs: FloatArray, scales: Scales) -> FloatArray:
        """Logs of the parameters to eta, both of shape (..., k)."""
        ...

    def back(self, eta: FloatArray, scales: Scales) -> FloatArray:
        """Its inverse."""
        ...

    def slopes(self, logs: FloatArray, scales: Scales) -> tuple[FloatArray, FloatArray]:
        """First and second derivatives of `forward` at logs (k,): (k, k) and (k, k, k)."""
        ...

    def pull(self, eta: FloatArray, gradient: FloatArray) -> FloatArray:
        """A gradient in the logs turned into one in eta, both of shape (..., k)."""
        ...


@final
@dataclass(frozen=True)
class Linear:
    """Traits whose logs are linear in those of the parameters.

    Attributes
    ----------
    parameters, traits
        As many of one as of the other.
    powers : tuple of tuple of float
        Per trait, the power of each parameter.
    times, money : tuple of float
        Per trait, the power of the time scale and of the money scale.
    per : float
        A number that the first trait is divided by.
    """

    parameters: tuple[str, ...]
    traits: tuple[Trait, ...]
    powers: tuple[tuple[float, ...], ...]
    times: tuple[float, ...]
    money: tuple[float, ...]
    per: float = 1.0

    def forward(self, logs: FloatArray, scales: Scales) -> FloatArray:
        """See `Block.forward`."""
        eta: FloatArray = logs @ np.array(self.powers).T + self._offset(scales)
        return eta

    def back(self, eta: FloatArray, scales: Scales) -> FloatArray:
        """See `Block.back`."""
        logs: FloatArray = (eta - self._offset(scales)) @ self._inverse.T
        return logs

    def slopes(self, logs: FloatArray, scales: Scales) -> tuple[FloatArray, FloatArray]:
        """See `Block.slopes`."""
        k = len(self.parameters)
        return np.array(self.powers, dtype=np.float64), np.zeros((k, k, k))

    def pull(self, eta: FloatArray, gradient: FloatArray) -> FloatArray:
        """See `Block.pull`."""
        out: FloatArray = gradient @ self._inverse
        return out

    @cached_property
    def _inverse(self) -> FloatArray:
        return np.linalg.inv(np.array(self.powers, dtype=np.float64))

    def _offset(self, scales: Scales) -> FloatArray:
        offset = np.zeros(len(self.traits))
        for powers, scale in (self.times, "time"), (self.money, "money"):
            if any(powers):
                offset += np.array(powers) * np.log(scales[scale])
        offset[0] -= np.log(self.per)
        return offset


@final
@dataclass(frozen=True)
class BetaShares:
    """Shares that are Beta(a, b) over customers: their mean, and a + b, which is large if alike."""

    parameters: tuple[str, str]
    traits: tuple[Trait, Trait]

    def forward(self, logs: FloatArray, scales: Scales) -> FloatArray:
        """See `Block.forward`."""
        a, b = logs[..., 0], logs[..., 1]
        return np.stack([a - b, np.logaddexp(a, b)], axis=-1)

    def back(self, eta: FloatArray, scales: Scales) -> FloatArray:
        """See `Block.back`."""
        odds, total = eta[..., 0], eta[..., 1]
        out = np.empty_like(eta)
        out[..., 0] = total - np.logaddexp(0, -odds)
        out[..., 1] = total - np.logaddexp(0, odds)
        return out

    def slopes(self, logs: FloatArray, scales: Scales) -> tuple[FloatArray, FloatArray]:
        """See `Block.slopes`."""
        mean = float(expit(logs[0] - logs[1]))
        bend = np.zeros((2, 2, 2))
        bend[1] = mean * (1 - mean) * np.array([[1.0, -1.0], [-1.0, 1.0]])
        return np.array([[1.0, -1.0], [mean, 1 - mean]]), bend

    def pull(self, eta: FloatArray, gradient: FloatArray) -> FloatArray:
        """See `Block.pull`."""
        out = np.empty_like(gradient)
        both = gradient[..., 0] + gradient[..., 1]
        out[..., 0] = gradient[..., 0] - both * expit(eta[..., 0])
        out[..., 1] = both
        return out


@final
@dataclass(frozen=True)
class OneShare:
    """A parameter that is a share itself, the same for all customers."""

    parameter: str
    trait: Trait

    @property
    def parameters(self) -> tuple[str, ...]:
        """See `Block.parameters`."""
        return (self.parameter,)

    @property
    def traits(self) -> tuple[Trait, ...]:
        """See `Block.traits`."""
        return (self.trait,)

    def forward(self, logs: FloatArray, scales: Scales) -> FloatArray:
        """See `Block.forward`."""
        out: FloatArray = logs - np.log(-np.expm1(np.minimum(logs, _NEARLY_ALL)))
        return out

    def back(self, eta: FloatArray, scales: Scales) -> FloatArray:
        """See `Block.back`."""
        out: FloatArray = -np.logaddexp(0, -eta)
        return out

    def slopes(self, logs: FloatArray, scales: Scales) -> tuple[FloatArray, FloatArray]:
        """See `Block.slopes`."""
        odds = np.exp(self.forward(logs, scales))
        return (1 + odds)[:, None], (odds * (1 + odds))[:, None, None]

    def pull(self, eta: FloatArray, gradient: FloatArray) -> FloatArray:
        """See `Block.pull`."""
        out: FloatArray = gradient * expit(-eta)
        return out


@final
@dataclass(frozen=True)
class GoneBy:
    """Lifetimes with gamma rates, S(t) = (scale / (scale + t))^shape.

    Their traits are the share 1 - S that is gone by the time scale of the data, which the data tell
    whatever the shape, and the coefficient of variation of the rates, shape^-1/2.
    """

    parameters: tuple[str, str]
    traits: tuple[Trait, Trait]

    def forward(self, logs: FloatArray, scales: Scales) -> FloatArray:
        """See `Block.forward`."""
        shape, ratio = logs[..., 0], np.log(scales["time"]) - logs[..., 1]
        hazard = np.exp(shape) * np.logaddexp(0, ratio)  # -log S
        return np.stack([log_expm1(hazard), -0.5 * shape], axis=-1)

    def back(self, eta: FloatArray, scales: Scales) -> FloatArray:
        """See `Block.back`."""
        shape = -2 * eta[..., 1]
        with np.errstate(over="ignore"):  # shapes of 1e-300: beyond belief, and refused there
            growth = np.logaddexp(0, eta[..., 0]) * np.exp(-shape)
            return np.stack([shape, np.log(scales["time"]) - log_expm1(growth)], axis=-1)

    def slopes(self, logs: FloatArray, scales: Scales) -> tuple[FloatArray, FloatArray]:
        """See `Block.slopes`."""
        shape, ratio = np.exp(logs[0]), np.log(scales["time"]) - logs[1]
        hazard, gone = shape * np.logaddexp(0, ratio), expit(ratio)
        share = -np.expm1(-hazard)
        to_hazard = np.array([hazard, -shape * gone])
        bend_hazard = np.array(
            [[hazard, -shape * gone], [-shape * gone, shape * gone * (1 - gone)]]
        )
        bend = np.zeros((2, 2, 2))
        bend[0] = bend_hazard / share - np.outer(to_hazard, to_hazard) * (1 - share) / share**2
        return np.array([to_hazard / share, [-0.5, 0.0]]), bend

    def pull(self, eta: FloatArray, gradient: FloatArray) -> FloatArray:
        """See `Block.pull`."""
        shape, hazard = np.exp(-2 * eta[..., 1]), np.logaddexp(0, eta[..., 0])
        share, gone = expit(eta[..., 0]), -np.expm1(-hazard / shape)
        out = np.empty_like(gradient)
        out[..., 0] = -gradient[..., 1] * share / (shape * gone)
        out[..., 1] = 2 * (hazard / share * out[..., 0] - gradient[..., 0])
        return out


def log_expm1(y: FloatArray) -> FloatArray:
    """Log of e^y - 1 for y > 0, however small or large."""
    tiny = np.maximum(y, 1e-300)
    out: FloatArray = np.where(
        y > 1, y + np.log1p(-np.exp(-np.maximum(y, 1))), np.log(np.expm1(np.minimum(tiny, 1)))
    )
    return out


def gamma_rates(shape: str, scale: str, rate: Trait, cv: Trait, per: float = 1.0) -> Linear:
    """Gamma rates of which `scale` is a time: their mean over the time scale, and their cv."""
    return Linear((shape, scale), (rate, cv), ((1, -1), (-0.5, 0)), (1, 0), (0, 0), per)


def multiplier(name: str, meaning: str) -> Linear:
    """A factor e^g that a covariate has, or an elasticity: 1 without effect."""
    trait = Trait(name, meaning, usual=1.0, factor=5.0)
    return Linear((name,), (trait,), ((1,),), (0,), (0,))


@final
@dataclass(frozen=True, eq=False)
class TraitMap:
    """All blocks of a model together: parameters to eta and back.

    Attributes
    ----------
    blocks : tuple of Block
        Which together have each parameter once, in the model's order.
    scales : mapping
        Of the data.
    """

    blocks: tuple[Block, ...]
    scales: Scales

    @property
    def traits(self) -> tuple[Trait, ...]:
        """Of all blocks."""
        return tuple(trait for block in self.blocks for trait in block.traits)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Of all blocks."""
        return tuple(name for block in self.blocks for name in block.parameters)

    def forward(self, logs: FloatArray) -> FloatArray:
        """Logs of the parameters to eta, both of shape (..., parameters)."""
        parts = [b.forward(logs[..., at], self.scales) for b, at in self._places]
        return np.concatenate(parts, axis=-1)

    def back(self, eta: FloatArray) -> FloatArray:
        """Its inverse."""
        parts = [b.back(eta[..., at], self.scales) for b, at in self._places]
        return np.concatenate(parts, axis=-1)

    def slopes(self, logs: FloatArray) -> tuple[FloatArray, FloatArray]:
        """First and second derivatives of `forward`, of shapes (k, k) and (k, k, k)."""
        k = len(logs)
        first, second = np.zeros((k, k)), np.zeros((k, k, k))
        for block, at in self._places:
            first[at, at], second[at, at, at] = block.slopes(logs[at], self.scales)
        return first, second

    def pull(self, eta: FloatArray, gradient: FloatArray) -> FloatArray:
        """A gradient in the logs turned into one in eta, both of shape (..., parameters)."""
        parts = [b.pull(eta[..., at], gradient[..., at]) for b, at in self._places]
        return np.concatenate(parts, axis=-1)

    @cached_property
    def _places(self) -> Sequence[tuple[Block, slice]]:
        ends = np.cumsum([len(block.parameters) for block in self.blocks])
        return [
            (block, slice(end - len(block.parameters), end))
            for block, end in zip(self.blocks, ends.tolist(), strict=True)
        ]


PURCHASES = gamma_rates(
    "r",
    "alpha",
    Trait("purchases", "mean purchases over the median T, while customers are there", factor=30),
    Trait("purchase_cv", "coefficient of variation of purchase rates over customers", factor=5),
)
DROPOUT_SHARE = Trait("dropout", "mean probability of dropout after a purchase", "logit", 0.25, 20)
CONCENTRATION = (
    "a + b of the beta distribution of {} over customers: large where they are alike, below 1 "
    "where there are two kinds"
)
"""Traits that several models share; the medians and factors are of the default priors."""


def dropout_shares(a: str = "a", b: str = "b", mean: Trait = DROPOUT_SHARE) -> BetaShares:
    """Dropout of which each customer has a probability."""
    spread = Trait(f"{mean.name}_concentration", CONCENTRATION.format(mean.name), "log", 3.0, 20)
    return BetaShares((a, b), (mean, spread))

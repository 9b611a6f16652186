"""Priors on what a reader can judge: unit-free quantities of the population."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Real
from typing import Any, TypeAlias, final

import numpy as np

from clvmodels._notebook import described
from clvmodels._typing import FloatArray
from clvmodels.exceptions import ParameterError
from clvmodels.inference.problem import Objective
from clvmodels.inference.traits import Trait, TraitMap

GROUPS = "groups"  # the key of the prior of differences between groups
_TAIL = 1.6448536269514722  # 90 % of a normal distribution lie within so many sd of its mean


@final
@dataclass(frozen=True, slots=True)
class Prior:
    """What is known of a quantity beforehand: a median, and how far off it may be.

    Normal on the scale of logarithms; for a share, of log odds. With probability 90 % the quantity
    lies between median / factor and median x factor (for a share, its odds do).

    Parameters
    ----------
    median : float
        As likely to be exceeded as not; for a share, below 1.
    factor : float
        Above 1: 2 for good knowledge, 30 for hardly any.

    Raises
    ------
    ParameterError
        If the median is not positive, or the factor not above 1.

    Examples
    --------
    >>> Prior(0.2, factor=3).describe("share")
    '0.2, and with probability 90 % between 0.0769 and 0.429'
    """

    median: float
    factor: float

    def __post_init__(self) -> None:
        for name, value, least in (("median", self.median, 0), ("factor", self.factor, 1)):
            good = isinstance(value, Real) and not isinstance(value, bool)
            if not (good and least < value < np.inf):
                raise ParameterError(f"{name} of a prior must be above {least}, got {value!r}.")
        object.__setattr__(self, "median", float(self.median))
        object.__setattr__(self, "factor", float(self.factor))

    @property
    def sd(self) -> float:
        """Standard deviation on the scale of logarithms or log odds."""
        return float(np.log(self.factor) / _TAIL)

    def mean(self, trait: Trait) -> float:
        """Mean on the trait's scale of logarithms or log odds."""
        if trait.link == "log":
            return float(np.log(self.median))
        if self.median >= 1:
            raise ParameterError(
                f"{trait.name} is a share, so its median is below 1, got {self.median!r}."
            )
        return float(np.log(self.median) - np.log1p(-self.median))

    def describe(self, kind: str = "number") -> str:
        """The prior in words; `kind` is "share" where it is about one."""
        low, high = self.median / self.factor, self.median * self.factor
        if kind == "share":
            odds = self.median / (1 - self.median)
            low, high = (v / (1 + v) for v in (odds / self.factor, odds * self.factor))
        return f"{self.median:.3g}, and with probability 90 % between {low:.3g} and {high:.3g}"

    _repr_html_ = described


@final
@dataclass(frozen=True, slots=True)
class Flat:
    """No preference on the scale of logarithms (or log odds): the mode is then that of the MLE.

    Not a distribution: where the data leave a quantity open, so does the posterior.

    Examples
    --------
    >>> Flat().describe()
    'any value, none preferred'
    """

    def describe(self, kind: str = "number") -> str:
        """The prior in words."""
        return "any value, none preferred"

    _repr_html_ = described


@final
@dataclass(frozen=True, slots=True)
class GroupSpread:
    """How far groups differ: the sd of their log traits is half-normal.

    Parameters
    ----------
    factor : float
        Above 1: with probability 90 %, a standard deviation of the groups is at most this factor.

    Examples
    --------
    >>> GroupSpread(2).describe()
    'a standard deviation of the groups is a factor of at most 2, with probability 90 %'
    """

    factor: float = 2.0

    def __post_init__(self) -> None:
        if isinstance(self.factor, bool) or not isinstance(self.factor, Real):
            raise ParameterError(f"factor must be a number above 1, got {self.factor!r}.")
        if not 1 < self.factor < np.inf:
            raise ParameterError(f"factor must be above 1, got {self.factor!r}.")

    @property
    def scale(self) -> float:
        """Scale of the half-normal."""
        return float(np.log(self.factor) / _TAIL)

    def describe(self, kind: str = "number") -> str:
        """The prior in words."""
        return (
            f"a standard deviation of the groups is a factor of at most {self.factor:.3g}, with "
            "probability 90 %"
        )

    _repr_html_ = described


Priors: TypeAlias = Mapping[str, Prior | Flat | GroupSpread]
"""Priors by trait; those not named have the default. "groups" is for differences between groups."""


@final
@dataclass(frozen=True)
class TraitPriors:
    """The priors of all traits of a problem.

    Attributes
    ----------
    traits : tuple of Trait
    priors : tuple of Prior or Flat
        One per trait.
    spread : GroupSpread
        Of differences between groups.
    """

    traits: tuple[Trait, ...]
    priors: tuple[Prior | Flat, ...]
    spread: GroupSpread

    @classmethod
    def of(
        cls, traits: tuple[Trait, ...], given: Priors | None, grouped: bool = True
    ) -> "TraitPriors":
        """The priors given, and the default ones of all other traits.

        Raises
        ------
        ParameterError
            If one is for a trait that is not there, or is no prior.
        """
        given = dict(given or {})
        known = {trait.name: trait for trait in traits}
        if GROUPS in given and not grouped:
            raise ParameterError(
                f"The prior {GROUPS!r} is of differences between groups, and there are none: give "
                "MCMC(groups=...), or leave it out."
            )
        spread = given.pop(GROUPS, GroupSpread())
        if not isinstance(spread, GroupSpread):
            raise ParameterError(f"{GROUPS!r} takes GroupSpread(factor), got {spread!r}.")
        for name, prior in given.items():
            if name not in known:
                raise ParameterError(
                    f"There is no {name!r} to have a prior. This model has priors for "
                    f"{', '.join(known)}{f', and {GROUPS}' if grouped else ''}."
                )
            if not isinstance(prior, Prior | Flat):
                raise ParameterError(f"{name} takes Prior(median, factor) or Flat(): {prior!r}.")
            if isinstance(prior, Prior):
                prior.mean(known[name])  # an error, if the median is no share
        priors = tuple(given.get(t.name, Prior(t.usual, t.factor)) for t in traits)
        return cls(traits, priors, spread)  # type: ignore[arg-type]

    @cached_property
    def centre(self) -> FloatArray:
        """Means on the scale of eta; 0 where the prior is flat."""
        pairs = zip(self.priors, self.traits, strict=True)
        return np.array([p.mean(t) if isinstance(p, Prior) else 0.0 for p, t in pairs])

    @cached_property
    def precision(self) -> FloatArray:
        """One over the variances on the scale of eta; 0 where the prior is flat."""
        return np.array([p.sd**-2 if isinstance(p, Prior) else 0.0 for p in self.priors])

    def log_density(self, eta: FloatArray) -> FloatArray:
        """Log density of eta (..., traits), up to a constant."""
        out: FloatArray = -0.5 * ((eta - self.centre) ** 2 @ self.precision)
        return out

    def draw(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Draws of eta, of shape (n, traits).

        Raises
        ------
        ParameterError
            If a prior is flat: it is no distribution.
        """
        if flat := [t.name for t, p in zip(self.traits, self.priors, strict=True) if p == Flat()]:
            raise ParameterError(
                f"Nothing can be drawn from the flat prior of {', '.join(flat)}. Give Prior(...)."
            )
        noise = rng.standard_normal((n, len(self.traits)))
        return self.centre + noise / np.sqrt(self.precision)

    def describe(self) -> str:
        """All priors in words, one per line."""
        kind = {"log": "number", "logit": "share"}
        pairs = zip(self.traits, self.priors, strict=True)
        return "\n".join(f"{t.name} ({t.meaning}): {p.describe(kind[t.link])}." for t, p in pairs)

    def penalty(self, traits: TraitMap) -> Objective:
        """Minus the log density as something to add to a negative log-likelihood.

        In the parameters themselves, as an `Objective` is.
        """
        centre, precision = self.centre, self.precision

        def penalty(theta: FloatArray) -> tuple[float, FloatArray, FloatArray]:
            logs = np.log(theta)
            off = traits.forward(logs) - centre
            first, second = traits.slopes(logs)
            pull = precision * off
            gradient = pull @ first
            hessian = (first.T * precision) @ first + np.einsum("k,kij->ij", pull, second)
            natural = (hessian - np.diag(gradient)) / np.outer(theta, theta)
            return float(0.5 * pull @ off), gradient / theta, natural

        return penalty


def parted(
    method: Any, spend: Iterable[str], fitted: tuple[bool, bool] = (False, False)
) -> tuple[Any, Any]:
    """A method as it is for purchases, and for spend: each with the priors that concern it.

    `fitted` says which of the two is not to be fitted any more, and so has no use for priors.
    `spend` names the traits of the spend model; multipliers of its covariates begin with "spend:".
    """
    given: Priors = getattr(method, "priors", None) or {}
    if not given:
        return method, method
    mine = {name for name in given if name in set(spend) or name.startswith("spend:")}
    of_spend = {k: v for k, v in given.items() if k in mine or k == GROUPS}
    of_purchases = {k: v for k, v in given.items() if k not in mine}
    for idle, priors in zip(fitted, (of_purchases, of_spend), strict=True):
        if idle and (useless := [name for name in priors if name != GROUPS]):
            raise ParameterError(
                f"The prior of {', '.join(useless)} has no effect: that model is fitted already."
            )
    return replace(method, priors=of_purchases), replace(method, priors=of_spend)

"""How sure a fit is of one parameter, or of one trait of the population."""

from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from scipy.special import ndtr

from clvmodels._typing import FloatArray, Params
from clvmodels.exceptions import FitError, ParameterError
from clvmodels.inference.groups import CENTRE
from clvmodels.inference.traits import Linear, Scales, Trait, TraitMap
from clvmodels.models.fitted import probabilities
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.models.fitted_retention import FittedRetention
from clvmodels.models.spend import FittedSpend
from clvmodels.value._sampling import normal_quantile

Fitted: TypeAlias = FittedPurchases | FittedSpend | FittedRetention


@final
@dataclass(frozen=True, slots=True, eq=False)
class Marginal:
    """What is known of one quantity, on the scale where it is about normal.

    Attributes
    ----------
    trait : Trait
        Its name, meaning and scale: a parameter is its own trait, on the log scale.
    centre, se : float
        Estimate and standard error there; NaN where the data give none.
    draws : ndarray of shape (draws,) or None
        Of the posterior, or of the sampling distribution, there.
    """

    trait: Trait
    centre: float
    se: float
    draws: FloatArray | None

    def value(self, at: float) -> float:
        """The quantity itself, at a point of its scale."""
        return float(self.trait.value(np.array([at]))[0])

    @property
    def values(self) -> FloatArray:
        """The draws of the quantity itself.

        Raises
        ------
        FitError
            If there are none.
        """
        if self.draws is None:
            raise FitError(
                f"There are no draws of {self.trait.name}. Fit with MCMC(), Laplace() or "
                "Bootstrap()."
            )
        return self.trait.value(self.draws)

    def limits(self, level: float) -> tuple[float, float]:
        """The interval on the scale: between quantiles of the draws, or normal."""
        if self.draws is not None:
            low, high = np.quantile(self.draws, probabilities(level))
            return float(low), float(high)
        half = normal_quantile(level) * self.se
        return self.centre - half, self.centre + half

    def scaled(self, values: FloatArray) -> FloatArray:
        """Values of the quantity on the scale; the inverse of `value`."""
        logs: FloatArray = np.log(values)
        return logs - np.log1p(-values) if self.trait.link == "logit" else logs

    def normal_share(self, edges: FloatArray) -> FloatArray:
        """Share of its normal distribution between values of the quantity, one after the other."""
        out: FloatArray = np.diff(ndtr((self.scaled(edges) - self.centre) / self.se))
        return out


def marginal(fit: Fitted, name: str, scales: Scales | None = None) -> Marginal:
    """What a fit knows of a parameter, or of a trait; with groups, of the typical one.

    Parameters
    ----------
    fit : fitted model
    name : str
        A parameter, or a trait that priors of the model are about.
    scales : mapping, optional
        The time and money that traits are relative to; the fit's own if not given.

    Raises
    ------
    ParameterError
        If there is no parameter or trait of that name.
    FitError
        If it is a trait, and nobody says what it is relative to.
    """
    traits, k = _traits(fit, name, scales)
    estimate = fit.estimate
    logs = _logs(estimate.point, traits.parameters)
    draws = estimate.point if estimate.is_sample else estimate.replicates
    eta = None if draws is None else traits.forward(_logs(draws, traits.parameters))[:, k]
    if eta is not None:
        se = float(eta.std())
    elif estimate.spread is None or name in estimate.diagnostics.boundary:
        se = np.nan
    else:
        own = [estimate.names.index(parameter) for parameter in traits.parameters]
        slopes, _ = traits.slopes(logs.mean(axis=0))
        se = float(np.linalg.norm(slopes[k] @ estimate.spread[own]))
    return Marginal(traits.traits[k], float(traits.forward(logs)[:, k].mean()), se, eta)


def is_over_time(fit: Fitted, name: str) -> bool:
    """Whether a trait counts something over the time scale, as purchases over the median T."""
    return any(
        trait.name == name and bool(power)
        for block in fit.model.blocks
        if isinstance(block, Linear)
        for trait, power in zip(block.traits, block.times, strict=True)
    )


def _traits(fit: Fitted, name: str, scales: Scales | None) -> tuple[TraitMap, int]:
    """Traits with the one of that name, and its place; a parameter is a trait of its own."""
    estimate = fit.estimate
    if name in estimate.names:
        meaning = str(fit.summary().set_index("parameter")["meaning"][name])
        itself = Linear((name,), (Trait(name, meaning),), ((1,),), (0,), (0,))
        return TraitMap((itself,), {}), 0
    known = [trait.name for block in fit.model.blocks for trait in block.traits]
    if name not in known:
        there = ", ".join([*estimate.names, *known])
        raise ParameterError(f"There is no parameter or trait {name!r}; there are {there}.")
    its_own = scales or estimate.scales
    if not its_own:
        raise FitError(f"{name} is relative to scales of the data, which posteriors alone keep.")
    return TraitMap(fit.model.blocks, its_own), known.index(name)


def _logs(params: Params, names: tuple[str, ...]) -> FloatArray:
    """Logs of parameters of the typical group, of shape (draws, parameters)."""
    return np.log(np.stack([params[name][:, CENTRE] for name in names], axis=-1))

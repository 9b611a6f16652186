"""How customers differ: the distributions of purchase rates and of dropout over the population."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from scipy import special

from clvmodels._typing import FloatArray, Params
from clvmodels.evaluation.bands import LEVEL, knows_its_uncertainty, parameter_draws
from clvmodels.exceptions import ParameterError
from clvmodels.inference.groups import CENTRE
from clvmodels.models.averaging import columnwise_quantiles
from clvmodels.models.fitted import probabilities
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.models.purchases import PurchaseModel

if TYPE_CHECKING:
    import pandas as pd

Process: TypeAlias = Literal["purchase", "dropout"]

_POINTS: Final = 241
_SPAN: Final = 1e4  # of rates, from the highest shown to the lowest
_MOST: Final = 0.995  # share of the customers whose rates are at most the highest shown


class Mixing(NamedTuple):
    """How one quantity is spread over customers.

    Attributes
    ----------
    words : str
        What it is; ``{unit}`` stands for the time unit.
    is_rate : bool
        Whether it is a rate, from 0 without end, rather than a probability.
    share : callable
        Draws of the parameters, of shape (draws, 1), and values to the share of customers who have
        no more, of shape (draws, values).
    quantile : callable
        Its inverse.
    """

    words: str
    is_rate: bool
    share: Callable[[Params, FloatArray], FloatArray]
    quantile: Callable[[Params, FloatArray], FloatArray]


def mixing_distributions(
    fits: Mapping[str, FittedPurchases], of: Process = "purchase"
) -> "pd.DataFrame":
    """Share of the customers with at most some rate of purchases, or of dropout.

    Cumulative, because densities are infinite at 0 where customers differ much (r < 1, a < 1). With
    groups, of the typical one; with covariates, of customers who are average in all of them.

    Parameters
    ----------
    fits : mapping of str to FittedPurchases
        Fitted models by the names to show.
    of : {"purchase", "dropout"}

    Returns
    -------
    DataFrame
        method, value (a rate per time unit of the first fit, or a probability), share (of the
        customers with no more), lo, hi: the 90 % interval by the uncertainty of the parameters, NaN
        where a fit has none.

    Raises
    ------
    ParameterError
        If a model has no such process, or the models do not speak of the same quantity.
    """
    import pandas as pd

    kinds = {name: mixing(fit.model, of) for name, fit in fits.items()}
    if len({kind.words for kind in kinds.values()}) != 1:
        told = "; ".join(f"{name}: {kind.words}" for name, kind in kinds.items()) or "no fits"
        raise ParameterError(
            f"These cannot share an axis ({told.format(unit='time unit')}). Show fits of one "
            "family at a time."
        )
    days = next(iter(fits.values())).time_unit.days
    values = _grid(fits, kinds, days)
    parts = []
    for name, fit in fits.items():
        # a rate per unit of the first fit, told in the unit of this one
        its = values * (fit.time_unit.days / days if kinds[name].is_rate else 1.0)
        share = kinds[name].share(_centre(fit.estimate.point), its).mean(axis=0)
        low = high = np.full(len(values), np.nan)
        if knows_its_uncertainty(fit.estimate):
            drawn = kinds[name].share(_centre(parameter_draws(fit.estimate)), its)
            low, high = columnwise_quantiles(drawn, probabilities(LEVEL))
        parts.append(
            pd.DataFrame({"method": name, "value": values, "share": share, "lo": low, "hi": high})
        )
    return pd.concat(parts, ignore_index=True)


def mixing(model: PurchaseModel, of: Process) -> Mixing:
    """What differs between the customers of a model, told by the names of its parameters.

    Raises
    ------
    ParameterError
        If the model has no such process.
    """
    if of not in get_args(Process):
        raise ParameterError(f"of is 'purchase' or 'dropout', got {of!r}.")
    names = {parameter.name for parameter in model.parameters}
    if of == "purchase":
        if "r" in names:
            return _gamma(
                "purchases per {unit} while alive", "r", lambda p: p["alpha"] * model.stages
            )
        if {"alpha", "beta"} <= names:
            return _beta("probability of buying at an opportunity", "alpha", "beta")
    elif {"a", "b"} <= names:
        return _beta("probability of dropout after a purchase", "a", "b")
    elif {"gamma", "delta"} <= names:
        return _beta("probability of leaving before an opportunity", "gamma", "delta")
    elif {"b", "s", "beta"} <= names:
        return _gamma("dropout rate per {unit}, at age 0", "s", lambda p: p["beta"] / p["b"])
    elif {"s", "beta"} <= names:
        return _gamma("dropout rate per {unit}", "s", lambda p: p["beta"])
    raise ParameterError(f"In the {model.label} customers do not differ in {of}.")


def _gamma(words: str, shape: str, scale: Callable[[Params], FloatArray]) -> Mixing:
    """Gamma rates with mean shape / scale."""
    return Mixing(
        words,
        True,
        lambda p, value: np.asarray(special.gammainc(p[shape], scale(p) * value)),
        lambda p, share: np.asarray(special.gammaincinv(p[shape], share) / scale(p)),
    )


def _beta(words: str, a: str, b: str) -> Mixing:
    return Mixing(
        words,
        False,
        lambda p, value: np.asarray(special.betainc(p[a], p[b], value)),
        lambda p, share: np.asarray(special.betaincinv(p[a], p[b], share)),
    )


def _centre(params: Params) -> Params:
    """Parameters of the typical group, of shape (draws, 1)."""
    return {name: values[:, [CENTRE]] for name, values in params.items()}


def _grid(
    fits: Mapping[str, FittedPurchases], kinds: Mapping[str, Mixing], days: float
) -> FloatArray:
    """Values to show: all probabilities, dense at both ends; rates over some tenfolds."""
    if not next(iter(kinds.values())).is_rate:
        return np.sin(np.linspace(0, np.pi / 2, _POINTS)) ** 2
    highest = []
    for name, fit in fits.items():
        typical = {k: np.full((1, 1), value) for k, value in fit.params.items()}
        top = kinds[name].quantile(typical, np.array([_MOST]))[0, 0]
        highest.append(float(top) * days / fit.time_unit.days)
    return np.geomspace(max(highest) / _SPAN, max(highest), _POINTS)

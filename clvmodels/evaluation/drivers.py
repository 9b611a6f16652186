"""How much the value of a base moves when one of its inputs does."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING, Final, NamedTuple, Self, TypeAlias

import numpy as np

from clvmodels._typing import FloatArray
from clvmodels.evaluation.bands import parameter_draws
from clvmodels.evaluation.marginal import is_over_time, marginal
from clvmodels.exceptions import ParameterError
from clvmodels.inference.estimate import Estimate
from clvmodels.inference.problem import weighted_median
from clvmodels.inference.traits import TraitMap
from clvmodels.models.clock import OpportunityClock, Summary
from clvmodels.models.fitted import check_level
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.units import DiscountRate, Horizon, HorizonLike, TimeUnit
from clvmodels.value.clv import FittedCLV

if TYPE_CHECKING:
    import pandas as pd

Changes: TypeAlias = Mapping[str, float | None]

MARGIN, SPEND, DISCOUNT, HORIZON = "margin", "spend per purchase", "discount rate", "horizon"
PURCHASES, DROPOUT, MODEL = "purchase rate", "dropout", "model"
CHANGES: Final[Changes] = {
    MARGIN: 0.1, SPEND: 0.1, DISCOUNT: 0.1, HORIZON: 0.1, PURCHASES: None, DROPOUT: None,
}  # fmt: skip
"""Each input's share up and down; None for the interval of what was estimated."""

_TRAITS: Final = {PURCHASES: ("purchases", "purchase"), DROPOUT: ("dropout",)}


class Drivers(NamedTuple):
    """The value of a base, and what moves it.

    Attributes
    ----------
    total : float
        The value as it stands.
    frame : DataFrame
        input, low_setting, high_setting (in words), low, high (the value at these), widest first.
    meanings : mapping of str to str
        What the parameters in the frame are.
    left_out : mapping of str to str
        Inputs that cannot be changed, and why.
    """

    total: float
    frame: "pd.DataFrame"
    meanings: Mapping[str, str]
    left_out: Mapping[str, str]


def value_drivers(
    value: FittedCLV,
    data: Summary,
    horizon: HorizonLike | None = None,
    changes: Changes | None = None,
    level: float = 0.9,
    others: Mapping[str, float] | None = None,
) -> Drivers:
    """Change one input at a time, the others as they are, and add up the customers' values.

    Parameters
    ----------
    value : FittedCLV
    data : RFMSummary or OpportunitySummary
        The base; rows count as many customers as their weight says.
    horizon : Horizon or str, optional
        As for `FittedCLV.clv`; without it the horizon is no input.
    changes : mapping of str to float or None, optional
        Which inputs to change, and by what share up and down; None, of the purchase rate and of
        dropout, is their interval. If not given, `CHANGES`: a tenth of "margin", "spend per
        purchase", "discount rate" and "horizon", the intervals of "purchase rate" and "dropout".
        A margin goes up to 1 at most, and is left out where it is 1; horizons that must be whole
        go to the next whole number.
    level : float
        Probability of the intervals.
    others : mapping of str to float, optional
        What other models, or fits to other data, say the base is worth, by name: their span is one
        more input, "model".

    Raises
    ------
    ParameterError
        If an input is unknown, a change is not a share between 0 and 1, or another value is not
        finite.
    DataError, UndefinedMeanError
        As for `FittedCLV.clv`.
    """
    import pandas as pd

    if not isinstance(value, FittedCLV):
        raise ParameterError(f"value takes a FittedCLV, got {type(value).__name__}.")
    check_level(level)
    asked = _checked(CHANGES if changes is None else changes)
    base = _Base.of(value, data, None if horizon is None else Horizon.parse(horizon))
    rows, meanings, left_out = [], {}, {}
    for name, change in asked.items():
        if name in _TRAITS:
            found = _trait(base, value.purchases, _TRAITS[name], change, level)
        else:
            assert change is not None
            found = _DECIDED[name](base, change)
        if isinstance(found, str):
            left_out[name] = found
            continue
        rows.append((name, *found.settings, *found.totals))
        if found.meaning:
            meanings[name] = found.meaning
    if others:
        rows.append(_model(base.total, others))
    columns = ["input", "low_setting", "high_setting", "low", "high"]
    frame = pd.DataFrame(rows, columns=columns)
    width = (frame["high"] - frame["low"]).abs().to_numpy(np.float64)
    # equal but for rounding is equal: the order of the inputs stands
    widest = np.argsort(-np.round(width / max(width.max(initial=0.0), 1e-300), 9), kind="stable")
    return Drivers(base.total, frame.iloc[widest].reset_index(drop=True), meanings, left_out)


def _model(total: float, others: Mapping[str, float]) -> tuple[str, str, str, float, float]:
    """The least and the greatest value that any fit gives."""
    if bad := [name for name, value in others.items() if not math.isfinite(value)]:
        raise ParameterError(f"There is no finite value by {', '.join(bad)}: leave it out.")
    values = {"this one": total, **others}
    low, high = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
    return MODEL, low, high, values[low], values[high]


def _checked(changes: Changes) -> Changes:
    for name, change in changes.items():
        if name not in CHANGES:
            raise ParameterError(f"There is no input {name!r}; there are {', '.join(CHANGES)}.")
        if change is None and name in _TRAITS:
            continue
        if not (isinstance(change, Real) and 0 < change < 1):
            rule = "a share between 0 and 1"
            rule += ", or None for its interval" if name in _TRAITS else ""
            raise ParameterError(f"The change of {name} is {rule}, got {change!r}.")
    return changes


class _Moved(NamedTuple):
    """Two settings of an input, in words, and the value of the base at them."""

    settings: tuple[str, str]
    totals: tuple[float, float]
    meaning: str = ""


class _Base(NamedTuple):
    """Customers, and what their purchases are worth.

    Attributes
    ----------
    value : FittedCLV
        At margin 1, to which value is in proportion; of a posterior, with some of its draws.
    data : RFMSummary or OpportunitySummary
    horizon : Horizon or None
    margin : ndarray of shape (customers,)
    clv : ndarray of shape (customers,)
        Of `value`.
    scale : float
        The total by all draws over that by some.
    """

    value: FittedCLV
    data: Summary
    horizon: Horizon | None
    margin: FloatArray
    clv: FloatArray
    scale: float = 1.0

    @classmethod
    def of(cls, value: FittedCLV, data: Summary, horizon: Horizon | None) -> Self:
        """Of as many draws of a posterior as an interval takes."""
        name = value.model.margin
        margin = data.column(name) if isinstance(name, str) else np.full(len(data), name)
        at_one = replace(value, model=replace(value.model, margin=1.0))
        whole = cls(at_one, data, horizon, margin, at_one.clv(data, horizon))
        purchases, spend = value.purchases, value.spend
        if not (purchases.estimate.is_sample or spend.estimate.is_sample):
            return whole
        some = whole.with_(
            value=replace(
                at_one,
                purchases=replace(purchases, estimate=_some_draws(purchases.estimate)),
                spend=replace(spend, estimate=_some_draws(spend.estimate)),
            )
        )
        return some._replace(scale=whole.total / some.total) if some.total else some

    def with_(self, value: FittedCLV | None = None, horizon: Horizon | None = None) -> Self:
        """The same customers by another value, or over another horizon."""
        value, horizon = value or self.value, horizon or self.horizon
        clv = value.clv(self.data, horizon)
        return self._replace(value=value, horizon=horizon, clv=clv)

    @property
    def total(self) -> float:
        """Value of all customers after margin."""
        return self.scale * float(self.data.weights @ (self.margin * self.clv))


def _margin(base: _Base, change: float) -> _Moved | str:
    if (base.margin == 1).all():  # as it is where nobody set one
        return "values are before any margin"
    low, high = (np.minimum(base.margin * (1 + end), 1.0) for end in (-change, change))
    totals = [base._replace(margin=margin).total for margin in (low, high)]
    settings = _up_and_down(change)
    if (base.margin == base.margin[0]).all():
        settings = _percent(low[0]), _percent(high[0])
    return _Moved(settings, (totals[0], totals[1]))


def _spend(base: _Base, change: float) -> _Moved:
    return _Moved(_up_and_down(change), (base.total * (1 - change), base.total * (1 + change)))


def _discount(base: _Base, change: float) -> _Moved | str:
    rate = base.value.model.discount
    if rate.rate == 0:
        return "nothing is discounted"
    low, high = (
        DiscountRate(rate.rate * (1 + end), rate.per, rate.compounding) for end in (-change, change)
    )

    def at(discount: DiscountRate) -> float:
        model = replace(base.value.model, discount=discount)
        return base.with_(value=replace(base.value, model=model)).total

    return _Moved((str(low), str(high)), (at(low), at(high)))


def _horizon(base: _Base, change: float) -> _Moved | str:
    if base.horizon is None:
        return "all the future has no end to move"
    whole, clock = None, base.value.purchases.clock
    if isinstance(clock, OpportunityClock):
        whole = clock.every
    elif base.value.model.timing == "month_end":
        whole = Horizon(1, TimeUnit.MONTH)
    low, high = (
        Horizon(base.horizon.length * (1 + end), base.horizon.unit) for end in (-change, change)
    )
    if whole is not None:
        step = whole.to(low.unit)
        low = Horizon(max(math.floor(low.length / step), 1) * step, low.unit)
        high = Horizon(math.ceil(high.length / step) * step, high.unit)
    totals = [base.with_(horizon=its).total for its in (low, high)]
    return _Moved((str(low), str(high)), (totals[0], totals[1]))


_DECIDED: Final[Mapping[str, Callable[[_Base, float], _Moved | str]]] = {
    MARGIN: _margin, SPEND: _spend, DISCOUNT: _discount, HORIZON: _horizon,
}  # fmt: skip


def _trait(
    base: _Base, fit: FittedPurchases, names: Sequence[str], change: float | None, level: float
) -> _Moved | str:
    """Move a trait of the population to the ends of its interval, or by a share."""
    known = [trait for block in fit.model.blocks for trait in block.traits]
    place = next((k for k, trait in enumerate(known) if trait.name in names), None)
    if place is None:
        return f"the {fit.model.label} has none"
    traits = TraitMap(fit.model.blocks, fit.estimate.scales or _scales(fit, base.data))
    its = marginal(fit, known[place].name, traits.scales)
    if change is None:
        ends = its.limits(level)
        if not np.isfinite(ends).all():
            return "its uncertainty is not known"
        low, high = ends
    else:
        values = its.value(its.centre) * np.array([1 - change, 1 + change])
        if its.trait.link == "logit" and values[1] >= 1:
            return "a share of more than all there is"
        low, high = (float(eta) for eta in its.scaled(values))

    def at(eta: float) -> float:
        moved = _moved(base.value.purchases, traits, place, eta - its.centre)
        return base.with_(value=replace(base.value, purchases=moved)).total

    over = (
        f" in {traits.scales['time']:.3g} {fit.clock}" if is_over_time(fit, its.trait.name) else ""
    )
    settings = [_told(its.value(eta), its.trait.link) + over for eta in (low, high)]
    return _Moved((settings[0], settings[1]), (at(low), at(high)), its.trait.meaning)


def _moved(fit: FittedPurchases, traits: TraitMap, place: int, by: float) -> FittedPurchases:
    """The fit with one trait moved on its scale, at every draw and in every group."""
    point = fit.estimate.point
    own = np.broadcast_arrays(*(np.log(point[name]) for name in traits.parameters))
    eta = traits.forward(np.stack(own, axis=-1))
    eta[..., place] += by
    logs = traits.back(eta)
    changed = {name: np.exp(logs[..., k]) for k, name in enumerate(traits.parameters)}
    return replace(fit, estimate=Estimate("moved", {**point, **changed}))


def _scales(fit: FittedPurchases, data: Summary) -> Mapping[str, float]:
    """The time that traits of a maximum are relative to: the median T, as for a posterior."""
    h = fit.quantities(data).histories(data)
    middle = weighted_median(h.T, h.weight)
    return {"time": middle if middle > 0 else 1.0}


def _some_draws(estimate: Estimate) -> Estimate:
    """As many draws of a posterior as an interval takes; a maximum as it is."""
    if not estimate.is_sample:
        return estimate
    return replace(estimate, point=parameter_draws(estimate), replicates=None, posterior=None)


def _told(value: float, link: str) -> str:
    return _percent(value) if link == "logit" else f"{value:.3g}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _up_and_down(change: float) -> tuple[str, str]:
    return f"\N{MINUS SIGN}{_percent(change)}", f"+{_percent(change)}"

"""Rules of thumb that managers sort customers by, as forecasts that can be compared.

Wuebben and von Wangenheim (2008), Instant Customer Base Analysis: Managerial Heuristics Often "Get
It Right", Journal of Marketing 72(3), 82-93, found them to be about as good as models at telling
who will buy and who will be best, not at how much all will buy. The rules themselves say yes or no
(`p_active`); the purchases that go with it are the plainest that fit the rule.
"""

from dataclasses import dataclass
from numbers import Real
from typing import ClassVar, final

import numpy as np

from clvmodels._notebook import described
from clvmodels._typing import AnyArray, FloatArray
from clvmodels.data.splits import CalibrationHoldoutSplit
from clvmodels.data.summary import RFMSummary
from clvmodels.evaluation.baselines import (
    Averages,
    Baseline,
    Daily,
    FittedBaseline,
    either,
    mean_rates,
    no_rates,
    own_rates,
)
from clvmodels.exceptions import FitError, ParameterError
from clvmodels.models.spend import monetary
from clvmodels.units import Horizon, HorizonLike, TimeUnit

_SLACK = 1e-6  # days: a silence equal to the hiatus may differ by rounding between units
_EDGE = 1 - 1e-9  # a fifth of five customers is one, rounded up or down


@final
@dataclass(frozen=True, slots=True)
class HiatusRule(Baseline[Averages]):
    """Hiatus: who has been silent for longer is gone, everyone else goes on at their own rate.

    Active customers buy x / T as in `SameRateBaseline`, so that nothing is expected of active
    one-time buyers; those first seen on the last day have the mean of the base.

    Parameters
    ----------
    hiatus : Horizon or str
        The longest silence of an active customer. `LearntHiatusRule` finds one.

    Examples
    --------
    >>> rfm = RFMSummary(customer_id=["still", "gone"], frequency=[4, 4], recency=[40, 20],
    ...                  T=[52, 52], monetary_value=None, time_unit="week")
    >>> HiatusRule("26 weeks").fit(rfm).predict(rfm, "13 weeks").expected_purchases.tolist()
    [1.0, 0.0]
    """

    kind: ClassVar[str] = "heuristic"

    hiatus: HorizonLike

    def __post_init__(self) -> None:
        object.__setattr__(self, "hiatus", Horizon.parse(self.hiatus))

    @property
    def title(self) -> str:
        """See `Baseline.title`."""
        return f"hiatus of {self.hiatus}"

    def learn(self, data: RFMSummary) -> Averages:
        """See `Baseline.learn`."""
        return Averages.of(data)

    def daily(self, learnt: Averages, data: RFMSummary, level: float) -> Daily:
        """See `Baseline.daily`."""
        active = _silence(data) <= Horizon.parse(self.hiatus).to(TimeUnit.DAY) + _SLACK
        rates = either(active, own_rates(learnt, data, level), no_rates(learnt, len(data)))
        return rates._replace(buys=active.astype(np.float64))


@final
@dataclass(frozen=True, slots=True)
class LearntHiatusRule:
    """Hiatus, learnt: the one that would have told best who bought in an earlier holdout.

    Tried are all silences that customers had at the start of that holdout; among equally good ones
    the shortest wins. The longer the holdout, the longer the hiatus, so the two should go together.
    """

    title: ClassVar[str] = "hiatus, learnt"
    kind: ClassVar[str] = "heuristic"

    def fit_split(self, split: CalibrationHoldoutSplit) -> FittedBaseline[Averages]:
        """Choose the hiatus; ``fit.model.hiatus`` is in days.

        Parameters
        ----------
        split : CalibrationHoldoutSplit
            Of the log before the day that is to be predicted from.

        Raises
        ------
        FitError
            If nobody bought in the holdout, or no time was observed before it.
        """
        data, bought = split.calibration, split.holdout_purchases > 0
        if not bought.any():
            raise FitError(
                f"None of {data.customers():,.0f} customers bought within {split.horizon} of the "
                "cutoff: no silence tells buyers from the others. Give HiatusRule a hiatus."
            )
        silences, row = np.unique(np.round(_silence(data), 6), return_inverse=True)
        # each one that the hiatus reaches adds the customers who bought, less those who did not
        right = np.cumsum(np.bincount(row, data.weights * np.where(bought, 1.0, -1.0)))
        best = silences[int(np.argmax(right))]
        return HiatusRule(Horizon(float(best), TimeUnit.DAY)).fit(data)

    _repr_html_ = described


@final
@dataclass(frozen=True, slots=True)
class Best:
    """What tells the best customers from the rest, and how the rest are on average.

    Attributes
    ----------
    least : float
        Past revenue (purchases, without values) of the last of the best; inf if there are none.
    rest : Averages
        Of all customers if no time was observed for the rest.
    """

    least: float
    rest: Averages

    @property
    def params(self) -> dict[str, float]:
        """By name; averages are those of the rest."""
        rest = {f"{name}_of_the_rest": value for name, value in self.rest.params.items()}
        return {"least_of_the_best": self.least, **rest}


@final
@dataclass(frozen=True, slots=True)
class TopShare(Baseline[Best]):
    """Best of the past: they go on at their own rate, and the rest are as the rest on average.

    Best are those of the highest past revenue, or of the most repeat purchases if there are no
    values. Customers equal to the last of them count too, those without any do not.

    Parameters
    ----------
    share : float
        Share of customers that are best, 0.2 for a fifth.

    Raises
    ------
    ParameterError
        If `share` is not between 0 and 1.

    Examples
    --------
    >>> rfm = RFMSummary(customer_id=[1, 2, 3, 4, 5], frequency=[8, 1, 2, 0, 1], T=[40] * 5,
    ...                  recency=[36, 10, 20, 0, 30], monetary_value=None, time_unit="week")
    >>> TopShare(0.2).fit(rfm).predict(rfm, "40 weeks").expected_purchases.tolist()
    [8.0, 1.0, 1.0, 1.0, 1.0]
    """

    kind: ClassVar[str] = "heuristic"

    share: float = 0.2

    def __post_init__(self) -> None:
        if not (isinstance(self.share, Real) and 0 < self.share < 1):
            raise ParameterError(
                f"share is a share of customers between 0 and 1, 0.2 for a fifth: {self.share!r}."
            )

    @property
    def title(self) -> str:
        """See `Baseline.title`."""
        return f"best {100 * self.share:g} % of the past"

    def learn(self, data: RFMSummary) -> Best:
        """See `Baseline.learn`."""
        past, weight = _past(data, data.monetary_value is not None), data.weights
        order = np.argsort(-past)
        reached = np.cumsum(weight[order])
        last = order[np.searchsorted(reached, self.share * reached[-1] * _EDGE)]
        least = float(past[last]) if past[last] > 0 else float(past[past > 0].min(initial=np.inf))
        rest = past < least
        return Best(least, Averages.of(data.select(rest) if data.T[rest].any() else data))

    def daily(self, learnt: Best, data: RFMSummary, level: float) -> Daily:
        """See `Baseline.daily`."""
        best = _past(data, learnt.rest.purchase_value is not None) >= learnt.least
        own, rest = own_rates(learnt.rest, data, level), mean_rates(learnt.rest, len(data), level)
        return either(best, own, rest)._replace(buys=best.astype(np.float64))


def _past(data: RFMSummary, money: bool) -> FloatArray:
    """What each customer has brought so far."""
    if not money:
        return data.frequency
    valued, mean_value = monetary(data)
    return np.where(valued > 0, valued * mean_value, 0.0)


def _silence(data: RFMSummary) -> FloatArray:
    """Days since the last purchase."""
    silence: AnyArray = (data.T - data.recency) * data.time_unit.days
    return silence

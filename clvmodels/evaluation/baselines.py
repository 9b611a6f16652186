"""What every method has to beat: forecasts that take no model, behind the same interface.

None of them knows that customers leave one by one: rates go on for ever, so they need a horizon.
Values are revenue, undiscounted; a summary without values gets purchases alone.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, NamedTuple, Protocol, TypeVar, final

import numpy as np

from clvmodels._notebook import by_name, described, headed
from clvmodels._typing import AnyArray, FloatArray
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import FitError, UndefinedMeanError
from clvmodels.models.fitted import check_level
from clvmodels.models.spend import monetary
from clvmodels.units import Horizon, HorizonLike, TimeUnit
from clvmodels.value._sampling import Mean, normal_quantile, poisson_limits, ratio

if TYPE_CHECKING:
    import pandas as pd


class Money(NamedTuple):
    """Value of a purchase, and revenue per day with limits: arrays of shape (customers,)."""

    value: FloatArray
    revenue: FloatArray
    revenue_lo: FloatArray
    revenue_hi: FloatArray


class Daily(NamedTuple):
    """What each customer does per day, as arrays of shape (customers,).

    `buys` is a rule's yes (1) or no (0) to whether the customer will buy within the horizon;
    without one, purchases are taken to come at random.
    """

    purchases: FloatArray
    alive: FloatArray
    money: Money | None
    buys: FloatArray | None = None


class Learnt(Protocol):
    """What a baseline keeps of the base."""

    @property
    def params(self) -> dict[str, float]: ...


L = TypeVar("L", bound=Learnt)


class Baseline(ABC, Generic[L]):
    """A constant rate and value for each customer, from averages of the base."""

    kind: ClassVar[str] = "baseline"

    @property
    @abstractmethod
    def title(self) -> str:
        """What it is called in a league table."""

    @abstractmethod
    def learn(self, data: RFMSummary) -> L:
        """Work out what there is to know of the base."""

    @abstractmethod
    def daily(self, learnt: L, data: RFMSummary, level: float) -> Daily:
        """Purchases and revenue of each customer per day, with limits."""

    _repr_html_ = described

    def fit(self, data: RFMSummary) -> "FittedBaseline[L]":
        """Work out the averages of the base.

        Parameters
        ----------
        data : RFMSummary
            Without monetary values, predictions have no money.

        Raises
        ------
        FitError
            If no time was observed.
        """
        if not data.T.any():
            raise FitError("No time was observed, so there is no rate. Observe for longer.")
        return FittedBaseline(self, self.learn(data))


@final
@dataclass(frozen=True, slots=True)
class Averages:
    """What customers do on average.

    Attributes
    ----------
    purchases_per_day : float
        Sum of x over sum of T.
    purchase_value : float or None
        Mean value of a repeat purchase, each at its customer's mean; of first ones if nobody came
        back and they are in the values, 0 if there is none; None without values.
    revenue_per_day : Mean or None
        Product of the two, with its standard error.
    """

    purchases_per_day: float
    purchase_value: float | None
    revenue_per_day: Mean | None

    @classmethod
    def of(cls, data: RFMSummary) -> "Averages":
        """Those of a summary in which some time was observed."""
        weight, x, days = data.weights, data.frequency, days_of(data)
        rate = float(weight @ x / (weight @ days))
        if data.monetary_value is None:
            return cls(rate, None, None)
        valued, mean_value = monetary(data)
        value = np.where(valued > 0, mean_value, 0.0)
        counted = weight * (x if x.any() else valued)
        return cls(
            purchases_per_day=rate,
            purchase_value=float(counted @ value / counted.sum()) if counted.any() else 0.0,
            revenue_per_day=ratio(x * value, days, weight),
        )

    @property
    def params(self) -> dict[str, float]:
        """By name, without what is not known."""
        known = {"purchases_per_day": self.purchases_per_day}
        if self.purchase_value is not None and self.revenue_per_day is not None:
            known["purchase_value"] = self.purchase_value
            known["revenue_per_day"] = self.revenue_per_day.estimate
        return known


@final
@dataclass(frozen=True, slots=True)
class SameRateBaseline(Baseline[Averages]):
    """Same rate as before: everyone goes on buying x / T, at their own mean value.

    One-time buyers stay at nothing; customers first seen on the last day (T = 0) have the mean of
    the base. Limits are exact Poisson ones for the customer's own number of purchases.

    Examples
    --------
    >>> rfm = RFMSummary(customer_id=[1, 2], frequency=[4, 0], recency=[40, 0], T=[52, 52],
    ...                  monetary_value=[25, float("nan")], time_unit="week")
    >>> SameRateBaseline().fit(rfm).predict(rfm, horizon="13 weeks").clv.round(2).tolist()
    [25.0, 0.0]
    """

    @property
    def title(self) -> str:
        """See `Baseline.title`."""
        return "same rate as before"

    def learn(self, data: RFMSummary) -> Averages:
        """See `Baseline.learn`."""
        return Averages.of(data)

    def daily(self, learnt: Averages, data: RFMSummary, level: float) -> Daily:
        """See `Baseline.daily`."""
        return own_rates(learnt, data, level)


@final
@dataclass(frozen=True, slots=True)
class MeanBaseline(Baseline[Averages]):
    """Mean: everyone has the rate and the mean value of the base.

    Right in total if nothing changes, silent about who. Limits are from the sampling error of the
    base's revenue.
    """

    @property
    def title(self) -> str:
        """See `Baseline.title`."""
        return "mean"

    def learn(self, data: RFMSummary) -> Averages:
        """See `Baseline.learn`."""
        return Averages.of(data)

    def daily(self, learnt: Averages, data: RFMSummary, level: float) -> Daily:
        """See `Baseline.daily`."""
        return mean_rates(learnt, len(data), level)


@final
@dataclass(frozen=True, slots=True)
class ZeroBaseline(Baseline[Averages]):
    """Zero: nobody ever comes back. Hard to beat on mean absolute error."""

    @property
    def title(self) -> str:
        """See `Baseline.title`."""
        return "zero"

    def learn(self, data: RFMSummary) -> Averages:
        """See `Baseline.learn`."""
        return Averages.of(data)

    def daily(self, learnt: Averages, data: RFMSummary, level: float) -> Daily:
        """See `Baseline.daily`."""
        return no_rates(learnt, len(data))


@final
@dataclass(frozen=True, repr=False)
class FittedBaseline(Generic[L]):
    """A baseline or rule with what it knows of the base it was fitted to.

    Attributes
    ----------
    model : Baseline
        Which one.
    learnt : Averages, or what else the rule needs
        See `params`.
    """

    model: Baseline[L]
    learnt: L

    @property
    def params(self) -> dict[str, float]:
        """What was learnt, by name: rates are per day."""
        return self.learnt.params

    def predict(
        self,
        data: RFMSummary,
        horizon: HorizonLike | None,
        start: HorizonLike | None = None,
        level: float = 0.9,
    ) -> "pd.DataFrame":
        """One row per customer, in the columns of every value model.

        Parameters
        ----------
        data : RFMSummary
            Customers, in any time unit.
        horizon : Horizon or str
            How far ahead. None, all the future, has an answer only for a forecast of zero.
        start : Horizon or str, optional
            When the horizon begins; makes no difference to a constant rate.
        level : float
            Probability of the intervals.

        Returns
        -------
        DataFrame
            customer_id, p_alive (assumed), p_active (probability of a purchase within the horizon:
            1 - exp(-expected purchases), or a rule's 0 or 1), expected_purchases; if fitted to a
            summary with values also expected_spend per purchase, clv (revenue, undiscounted),
            clv_lo, clv_hi; flags.

        Raises
        ------
        DataError
            If it was fitted to values and `data` has none, though it takes the customers' own.
        UndefinedMeanError
            If a rate above 0 is to go on for ever.
        """
        import pandas as pd

        check_level(level)
        if start is not None:
            Horizon.parse(start)
        purchases, alive, money, buys = self.model.daily(self.learnt, data, level)
        if horizon is not None:
            days = Horizon.parse(horizon).to(TimeUnit.DAY)
        elif purchases.any() or (money is not None and money.revenue_hi.any()):
            raise UndefinedMeanError(
                "Purchases that go on at the same rate for ever add up to no finite value. Give a "
                "horizon."
            )
        else:
            days = 0.0
        columns: dict[str, AnyArray] = {
            "customer_id": data.customer_id,
            "p_alive": alive,
            "p_active": -np.expm1(-purchases * days) if buys is None else buys,
            "expected_purchases": purchases * days,
        }
        if money is not None:
            columns |= {
                "expected_spend": money.value,
                "clv": money.revenue * days,
                "clv_lo": money.revenue_lo * days,
                "clv_hi": money.revenue_hi * days,
            }
        columns["flags"] = np.full(len(data), f"{self.model.kind}; not discounted", dtype=object)
        return pd.DataFrame(columns)

    def __repr__(self) -> str:
        known = ", ".join(f"{name} {value:.4g}" for name, value in self.params.items())
        return f"{self.model.title}: {known}"

    def _repr_html_(self) -> str:
        return headed(self.model.title) + by_name(self.params, "What it knows of the base")


def own_rates(base: Averages, data: RFMSummary, level: float) -> Daily:
    """Everyone at their own rate x / T and mean value; those of T = 0 as the base is on average."""
    days = days_of(data)
    counts, row = np.unique(data.frequency, return_inverse=True)
    watched = np.where(days > 0, days, np.inf)
    rate, low, high = (n[row] / watched for n in (counts, *poisson_limits(counts, level)))
    money = None
    if base.purchase_value is not None:
        valued, mean_value = monetary(data)
        value = np.where(valued > 0, mean_value, base.purchase_value)
        money = Money(value, rate * value, *np.sort([low * value, high * value], axis=0))
    own = Daily(rate, np.ones(len(data)), money)
    return either(days > 0, own, mean_rates(base, len(data), level))


def mean_rates(base: Averages, customers: int, level: float) -> Daily:
    """Everyone as the base is on average."""
    money = None
    if base.purchase_value is not None and base.revenue_per_day is not None:
        revenue, error = base.revenue_per_day
        spread = normal_quantile(level) * error
        least = 0.0 if revenue >= 0 else -np.inf  # refunds can outweigh what was bought
        numbers = (base.purchase_value, revenue, max(revenue - spread, least), revenue + spread)
        money = Money(*(np.full(customers, number) for number in numbers))
    return Daily(np.full(customers, base.purchases_per_day), np.ones(customers), money)


def no_rates(base: Averages, customers: int) -> Daily:
    """Nobody buys."""
    none, money = np.zeros(customers), None
    if base.purchase_value is not None:
        money = Money(np.full(customers, base.purchase_value), none, none, none)
    return Daily(none, none, money)


def either(where: AnyArray, one: Daily, other: Daily) -> Daily:
    """The rates of the one for customers `where` is true, of the other for the rest."""
    money = None
    if one.money is not None and other.money is not None:
        pairs = zip(one.money, other.money, strict=True)
        money = Money(*(np.where(where, a, b) for a, b in pairs))
    return Daily(
        np.where(where, one.purchases, other.purchases),
        np.where(where, one.alive, other.alive),
        money,
    )


def days_of(data: RFMSummary) -> FloatArray:
    """How long each customer was observed."""
    return data.T * data.time_unit.days

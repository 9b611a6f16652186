"""What every method has to beat: forecasts that take no model, behind the same interface.

None of them knows that customers leave one by one: rates go on for ever, so they need a horizon.
Values are revenue, undiscounted.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple, final

import numpy as np

from clvmodels._typing import FloatArray
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import FitError, UndefinedMeanError
from clvmodels.models.fitted import check_level
from clvmodels.models.spend import monetary
from clvmodels.units import Horizon, HorizonLike, TimeUnit
from clvmodels.value._sampling import Mean, normal_quantile, poisson_limits, ratio

if TYPE_CHECKING:
    import pandas as pd


class Daily(NamedTuple):
    """What each customer does per day, as arrays of shape (customers,); value is per purchase."""

    purchases: FloatArray
    value: FloatArray
    revenue: FloatArray
    revenue_lo: FloatArray
    revenue_hi: FloatArray


class Baseline(ABC):
    """A constant rate and value for each customer, from averages of the base."""

    title: ClassVar[str]
    alive: ClassVar[float] = 1.0

    @abstractmethod
    def daily(self, base: "FittedBaseline", data: RFMSummary, level: float) -> Daily:
        """Purchases and revenue of each customer per day, with limits."""

    def fit(self, data: RFMSummary) -> "FittedBaseline":
        """Work out the averages of the base.

        Parameters
        ----------
        data : RFMSummary
            With monetary values.

        Raises
        ------
        DataError
            If the summary has no monetary values.
        FitError
            If no time was observed.
        """
        weight = data.weights
        x, days = data.frequency, _days(data)
        if not days.any():
            raise FitError("No time was observed, so there is no rate. Observe for longer.")
        valued, mean_value = monetary(data)
        spent = np.where(valued > 0, valued * mean_value, 0.0)
        return FittedBaseline(
            model=self,
            purchases_per_day=float(weight @ x / (weight @ days)),
            purchase_value=float(weight @ spent / (weight @ valued)) if valued.any() else 0.0,
            revenue_per_day=ratio(np.where(valued > 0, x * mean_value, 0.0), days, weight),
        )


@final
@dataclass(frozen=True, slots=True)
class SameRateBaseline(Baseline):
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

    title: ClassVar[str] = "same rate as before"

    def daily(self, base: "FittedBaseline", data: RFMSummary, level: float) -> Daily:
        """See `Baseline.daily`."""
        days = _days(data)
        valued, mean_value = monetary(data)
        value = np.where(valued > 0, mean_value, base.purchase_value)
        counts, row = np.unique(data.frequency, return_inverse=True)
        watched = np.where(days > 0, days, np.inf)
        rate, low, high = (n[row] / watched for n in (counts, *poisson_limits(counts, level)))
        today, mean = days == 0, _of_the_base(base, data, level)
        ends = np.sort([low * value, high * value], axis=0)
        return Daily(
            rate + today * mean.purchases,
            value,
            rate * value + today * mean.revenue,
            ends[0] + today * mean.revenue_lo,
            ends[1] + today * mean.revenue_hi,
        )


@final
@dataclass(frozen=True, slots=True)
class MeanBaseline(Baseline):
    """Mean: everyone has the rate and the mean value of the base.

    Right in total if nothing changes, silent about who. Limits are from the sampling error of the
    base's revenue.
    """

    title: ClassVar[str] = "mean"

    def daily(self, base: "FittedBaseline", data: RFMSummary, level: float) -> Daily:
        """See `Baseline.daily`."""
        return _of_the_base(base, data, level)


@final
@dataclass(frozen=True, slots=True)
class ZeroBaseline(Baseline):
    """Zero: nobody ever comes back. Hard to beat on mean absolute error."""

    title: ClassVar[str] = "zero"
    alive: ClassVar[float] = 0.0

    def daily(self, base: "FittedBaseline", data: RFMSummary, level: float) -> Daily:
        """See `Baseline.daily`."""
        nothing = np.zeros(len(data))
        return Daily(nothing, np.full(len(data), base.purchase_value), nothing, nothing, nothing)


@final
@dataclass(frozen=True)
class FittedBaseline:
    """A baseline with the averages of the base it was fitted to.

    Attributes
    ----------
    model : Baseline
        Which one.
    purchases_per_day : float
        Sum of x over sum of T.
    purchase_value : float
        Mean value of a repeat purchase; 0 if there is none.
    revenue_per_day : Mean
        Product of the two, with its standard error.
    """

    model: Baseline
    purchases_per_day: float
    purchase_value: float
    revenue_per_day: Mean

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
            customer_id, p_alive (assumed), expected_purchases, expected_spend per purchase, clv
            (revenue, undiscounted), clv_lo, clv_hi, flags.

        Raises
        ------
        UndefinedMeanError
            If a rate above 0 is to go on for ever.
        """
        import pandas as pd

        check_level(level)
        if start is not None:
            Horizon.parse(start)
        daily = self.model.daily(self, data, level)
        if horizon is not None:
            days = Horizon.parse(horizon).to(TimeUnit.DAY)
        elif daily.revenue_hi.any():
            raise UndefinedMeanError(
                "Purchases that go on at the same rate for ever add up to no finite value. Give a "
                "horizon."
            )
        else:
            days = 0.0
        return pd.DataFrame(
            {
                "customer_id": data.customer_id,
                "p_alive": np.full(len(data), self.model.alive),
                "expected_purchases": daily.purchases * days,
                "expected_spend": daily.value,
                "clv": daily.revenue * days,
                "clv_lo": daily.revenue_lo * days,
                "clv_hi": daily.revenue_hi * days,
                "flags": np.full(len(data), "baseline; not discounted", dtype=object),
            }
        )


def _of_the_base(base: FittedBaseline, data: RFMSummary, level: float) -> Daily:
    revenue, error = base.revenue_per_day
    spread = normal_quantile(level) * error
    numbers = (base.purchases_per_day, base.purchase_value, revenue)
    limits = (max(revenue - spread, 0.0), revenue + spread)
    return Daily(*(np.full(len(data), number) for number in (*numbers, *limits)))


def _days(data: RFMSummary) -> FloatArray:
    return data.T * data.time_unit.days

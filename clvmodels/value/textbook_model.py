"""The textbook formulas, their inputs estimated from an RFM summary: rivals to the models."""

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, final, get_args

import numpy as np

from clvmodels import textbook
from clvmodels._notebook import captioned, described, headed
from clvmodels._typing import AnyArray, FloatArray
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import FitError, ParameterError, UndefinedMeanError
from clvmodels.models.spend import monetary
from clvmodels.units import DiscountRate, Horizon, HorizonLike, TimeUnit
from clvmodels.value._flags import ONE_TIME
from clvmodels.value._sampling import (
    Mean,
    add_in_quadrature,
    median,
    normal_quantile,
    poisson_limits,
    ratio,
)

if TYPE_CHECKING:
    import pandas as pd

Formula: TypeAlias = Literal[
    "value_frequency_lifespan",
    "value_frequency_churn",
    "annual_spend_years",
    "discounted_profit",
    "retention",
]
_NAMES: Final[tuple[str, ...]] = get_args(Formula)
_DISCOUNTED: Final = ("discounted_profit", "retention")
_TIE: Final = 1 + 1e-9  # a silence equal to the window may differ by rounding between units


@final
@dataclass(frozen=True)
class TextbookModel:
    """A textbook formula that can be fitted to an RFM summary and predicts like any model.

    What the marketing department would compute from the same log. Five formulas, each in
    `clvmodels.textbook` with its setting and source:

    ==========================  ===========================================================
    name                        value of a customer
    ==========================  ===========================================================
    value_frequency_lifespan    purchase value x frequency x lifespan
    value_frequency_churn       purchase value x frequency / churn
    annual_spend_years          annual spend x years (the lifespan)
    discounted_profit           sum of yearly profit / (1 + d)^year over the lifespan
    retention                   m r / (1 + d - r) per `period`, in any of its three timings
    ==========================  ===========================================================

    Only the last two discount; the others stay undiscounted, whatever `discount` says. All take
    everyone as a customer who is still there: none knows who has silently left.

    Parameters
    ----------
    name : str
        One of the names above, also ``TextbookModel.names()``.
    discount : DiscountRate or 0, optional
        Needed by the formulas that discount.
    margin : float or str
        Gross margin as a share of revenue, or the name of a column of the summary.
    acquisition_cost : float
        Taken off every customer's value. For customers you already have it is spent: leave it 0.
    inactivity : Horizon or str, optional
        A customer counts as lost when silent for longer than this; half the median T by default.
    period : TimeUnit or str
        What churn is counted per. Formulas that count by the year cannot see churn within a
        39-week horizon, hence months by default.
    timing : {"just_acquired", "first_payment_now", "period_end"}
        When the money comes, for "retention"; see `clvmodels.textbook.retention_value`.

    Raises
    ------
    ParameterError
        If the name is unknown, a discount rate is missing, or a number is outside its domain.
    UnitError
        If a rate or length of time comes without its unit.

    Examples
    --------
    >>> rfm = RFMSummary(customer_id=[1, 2, 3], frequency=[4, 0, 1], recency=[40, 0, 9],
    ...                  T=[52, 52, 26], monetary_value=[25, 0, 50], time_unit="week")
    >>> fit = TextbookModel("value_frequency_lifespan", margin=0.3).fit(rfm)
    >>> round(fit.params["purchase_value"], 9)
    30.0
    >>> fit.predict(rfm, horizon="13 weeks")["clv"].round(2).tolist()
    [7.5, 0.0, 7.5]
    """

    name: Formula
    _: KW_ONLY
    discount: DiscountRate | float | None = None
    margin: float | str = 1.0
    acquisition_cost: float = 0.0
    inactivity: HorizonLike | None = None
    period: TimeUnit | str = TimeUnit.MONTH
    timing: textbook.Timing = "just_acquired"

    def __post_init__(self) -> None:
        if self.name not in _NAMES:
            raise ParameterError(f"{self.name!r} is no formula; there are {', '.join(_NAMES)}.")
        if self.discount is not None:
            object.__setattr__(self, "discount", DiscountRate.parse(self.discount))
        elif self.discounts:
            raise ParameterError(
                f"{self.name} discounts: add discount=DiscountRate(0.10, per='year'), or 0."
            )
        if self.inactivity is not None:
            window = Horizon.parse(self.inactivity)
            if window.length == 0:
                raise ParameterError("inactivity must be longer than 0: everyone would be lost.")
            object.__setattr__(self, "inactivity", window)
        object.__setattr__(self, "period", TimeUnit.parse(self.period))
        # the formula itself checks these three
        margin = 1.0 if isinstance(self.margin, str) else self.margin
        textbook.annual_spend_years(1.0, 1.0, margin=margin, acquisition_cost=self.acquisition_cost)
        textbook.margin_multiple(0.5, 0, period=self.period, timing=self.timing)

    @property
    def discounts(self) -> bool:
        """Whether the formula itself discounts."""
        return self.name in _DISCOUNTED

    @staticmethod
    def names() -> tuple[str, ...]:
        """Names of the formulas."""
        return _NAMES

    def fit(self, data: RFMSummary) -> "FittedTextbook":
        """Estimate the formula's inputs from the summary alone.

        ====================  =============================================================
        input                 estimate
        ====================  =============================================================
        purchase_value        revenue / purchases, over those that m averages
        purchases_per_year    sum of x / sum of T
        annual_spend          mean over customers of (x + 1) m / T, where less than a year
                              counts as one, and the first purchase as worth m
        churn_per_<period>    1 - exp(-hazard); hazard = customers lost / time watched
        lifespan_years        1 / churn, counted in periods
        ====================  =============================================================

        A customer is lost when silent for longer than the inactivity window, on the day the
        silence reaches it, t_x + window; until then they are watched, and so is everyone else until
        T. (Dated at t_x, a one-time buyer would be lost without having been watched at all.) The
        answer depends on the window: slow buyers count as lost under a short one.

        Standard errors treat customers as a sample: ratio estimators' for the first three, a
        Poisson count of lost customers for churn and lifespan.

        Raises
        ------
        DataError
            If the summary has no monetary values.
        FitError
            If nobody bought twice, or no time was observed.
        """
        valued, mean_value = monetary(data)
        weight = data.weights
        x, T = data.frequency, _years(data.T, data)
        if not (weight @ x > 0 and weight @ T > 0):
            raise FitError(
                "No repeat purchase, or no time observed: the value and frequency of purchases "
                "cannot be estimated. Observe the customers for longer."
            )
        if self.inactivity is None:
            window = Horizon(median(T, weight) / 2, TimeUnit.YEAR)
        else:
            window = Horizon.parse(self.inactivity)
        limit = window.to(TimeUnit.YEAR)
        if limit == 0:
            raise FitError("Half of the customers came on the last day: give an inactivity window.")
        t_x = _years(data.recency, data)
        lost = T - t_x > limit * _TIE
        known = valued > 0
        value = ratio(np.where(known, valued * mean_value, 0.0), valued, weight)
        spend = _annual_purchases(x, T) * np.where(known, mean_value, value.estimate)
        return FittedTextbook(
            model=self,
            inactivity=window,
            purchase_value=value,
            purchases_per_year=ratio(x, T, weight),
            annual_spend=ratio(spend, np.ones_like(x), weight),
            customers_lost=float(weight[lost].sum()),
            years_watched=float(weight @ np.where(lost, t_x + limit, T)),
        )

    _repr_html_ = described


@final
@dataclass(frozen=True)
class FittedTextbook:
    """A textbook formula with its inputs; `TextbookModel.fit` explains their estimation.

    Attributes
    ----------
    model : TextbookModel
        The formula and its options.
    inactivity : Horizon
        Silence after which a customer counted as lost.
    purchase_value, purchases_per_year, annual_spend : Mean
        Averages of the base, with standard errors.
    customers_lost : float
        How many were silent for longer than `inactivity`.
    years_watched : float
        Customer-years until lost, or until the end of observation.
    """

    model: TextbookModel
    inactivity: Horizon
    purchase_value: Mean
    purchases_per_year: Mean
    annual_spend: Mean
    customers_lost: float
    years_watched: float

    @property
    def params(self) -> dict[str, float]:
        """Estimated inputs by name."""
        hazard = self.customers_lost / self.years_watched
        return {
            "purchase_value": self.purchase_value.estimate,
            "purchases_per_year": self.purchases_per_year.estimate,
            "annual_spend": self.annual_spend.estimate,
            f"churn_per_{self.model.period}": self._churn(hazard),
            "lifespan_years": self._lifespan(hazard),
        }

    def summary(self, level: float = 0.9) -> "pd.DataFrame":
        """One row per input: parameter, estimate, se, lo, hi.

        Limits are normal for the averages, exact Poisson ones for churn and lifespan.
        """
        import pandas as pd

        z = normal_quantile(level)
        means = (self.purchase_value, self.purchases_per_year, self.annual_spend)
        rows = [(m.estimate, m.se, m.estimate - z * m.se, m.estimate + z * m.se) for m in means]
        hazard = self.customers_lost / self.years_watched
        low, high = self._hazard_limits(level)
        period = self._period_years
        churn, lifespan = self._churn(hazard), self._lifespan(hazard)
        # delta method on the hazard, whose standard error is that of a Poisson count
        churn_se = np.sqrt(self.customers_lost) / self.years_watched * period * (1 - churn)
        rows.append((churn, churn_se, self._churn(low), self._churn(high)))
        lifespan_se = lifespan / churn * churn_se if churn else np.inf
        rows.append((lifespan, lifespan_se, self._lifespan(high), self._lifespan(low)))
        table = pd.DataFrame(rows, columns=["estimate", "se", "lo", "hi"])
        table.insert(0, "parameter", list(self.params))
        return table

    def predict(
        self,
        data: RFMSummary,
        horizon: HorizonLike | None,
        start: HorizonLike | None = None,
        level: float = 0.9,
    ) -> "pd.DataFrame":
        """Value of each customer by the formula, restricted to the horizon.

        Each customer enters with their own purchase value m and frequency x / T, and the churn of
        the base. One-time buyers get the mean value of the base, and, their own repeat rate being
        0, no value; those who came on the last day (T = 0) get the base's frequency. For
        "annual_spend_years" the spend is (x + 1) m / T, where less than a year counts as one.

        The lifespan is cut at the horizon: a lifespan ends there at the latest, a sum over periods
        counts those within it, the last one in proportion.

        Parameters
        ----------
        data : RFMSummary
            Customers to value, in any time unit.
        horizon : Horizon, str or None
            How far ahead; None for the formula's own lifetime.
        start : Horizon or str, optional
            When the horizon begins, counted from now; the acquisition cost belongs to now.
        level : float
            Probability of the intervals.

        Returns
        -------
        DataFrame
            One row per customer: customer_id, p_alive (1: the formula assumes it),
            expected_purchases, expected_spend (per purchase), clv, clv_lo, clv_hi, flags. The
            interval is for the expected value, from the sampling error of the inputs: exact Poisson
            limits for the customer's own number of purchases and the base's churn, normal ones for
            averages of the base; the customer's own mean value is taken as observed. Each input is
            moved to its limit by itself and the changes are added in quadrature. It knows nothing
            of customers who have left.

        Raises
        ------
        UnitError
            If a horizon is a bare number.
        UndefinedMeanError
            If `horizon` is None and no churn was seen.
        """
        import pandas as pd

        if horizon is None and self.customers_lost == 0:
            raise UndefinedMeanError(
                f"Nobody was silent for longer than {self.inactivity}: the lifespan has no end. "
                "Give a horizon."
            )
        begin = None if start is None else Horizon.parse(start).to(TimeUnit.YEAR)
        end = None if horizon is None else (begin or 0.0) + Horizon.parse(horizon).to(TimeUnit.YEAR)
        hazard = self.customers_lost / self.years_watched
        bought, paid = self._lifetime(hazard, begin, end)
        paid_limits = [self._lifetime(h, begin, end)[1] for h in self._hazard_limits(level)]

        frequency, frequency_limits = self._frequency(data, level)
        valued, mean_value = monetary(data)
        known = valued > 0
        value = np.where(known, mean_value, self.purchase_value.estimate)
        margin = data.column(m) if isinstance(m := self.model.margin, str) else m
        per_purchase = margin * value
        earned = per_purchase * frequency * paid
        spread = np.where(known, 0.0, normal_quantile(level) * self.purchase_value.se)
        changes = [
            *(per_purchase * (limit - frequency) * paid for limit in frequency_limits),
            *(margin * change * frequency * paid for change in (spread, -spread)),
            *(per_purchase * frequency * (limit - paid) for limit in paid_limits),
        ]
        low, high = add_in_quadrature(earned, changes)
        # a limit goes no further than to no purchases
        low = np.where(per_purchase > 0, np.maximum(low, 0.0), low)
        high = np.where(per_purchase < 0, np.minimum(high, 0.0), high)
        cost = self.model.acquisition_cost if not begin else 0.0
        return pd.DataFrame(
            {
                "customer_id": data.customer_id,
                "p_alive": np.ones(len(data)),
                "expected_purchases": frequency * bought,
                "expected_spend": value,
                "clv": earned - cost,
                "clv_lo": low - cost,
                "clv_hi": high - cost,
                "flags": self._flags(data),
            }
        )

    def __repr__(self) -> str:
        inputs = ", ".join(f"{name} {value:.4g}" for name, value in self.params.items())
        return (
            f"{self.model.name}: {inputs}\n{self.customers_lost:,.0f} customers lost: silent for "
            f"longer than {self.inactivity}"
        )

    def _repr_html_(self) -> str:
        _, lost = repr(self).splitlines()
        return headed(self.model.name, lost) + captioned(self.summary(), "With 90 % intervals")

    @property
    def _discount(self) -> DiscountRate:
        return DiscountRate.parse(self.model.discount or 0)

    @property
    def _period_years(self) -> float:
        return Horizon(1, self.model.period).to(TimeUnit.YEAR)

    def _churn(self, hazard: float) -> float:
        return float(-np.expm1(-hazard * self._period_years))

    def _lifespan(self, hazard: float) -> float:
        return self._period_years / self._churn(hazard) if hazard > 0 else np.inf

    def _hazard_limits(self, level: float) -> tuple[float, float]:
        low, high = poisson_limits(np.array([self.customers_lost]), level)
        return float(low[0]) / self.years_watched, float(high[0]) / self.years_watched

    def _lifetime(
        self, hazard: float, begin: float | None, end: float | None
    ) -> tuple[float, float]:
        """Years of purchases that the formula counts between two times, plain and discounted."""
        bought, paid = self._lifetime_until(hazard, end)
        if begin is None:
            return bought, paid
        bought_before, paid_before = self._lifetime_until(hazard, begin)
        return bought - bought_before, paid - paid_before

    def _lifetime_until(self, hazard: float, end: float | None) -> tuple[float, float]:
        model = self.model
        if model.name in ("value_frequency_churn", "retention"):
            horizon = None if end is None else Horizon(end, TimeUnit.YEAR)
            # one payment per period, the first one now: value x frequency / churn
            timing = model.timing if model.name == "retention" else "first_payment_now"
            rates = (0.0, self._discount if model.name == "retention" else 0.0)
            bought, paid = (
                textbook.retention_value(
                    self._period_years, 1 - self._churn(hazard), rate,
                    period=model.period, timing=timing, horizon=horizon,
                )
                for rate in rates
            )  # fmt: skip
            return float(bought), float(paid)
        years = self._lifespan(hazard) if end is None else min(self._lifespan(hazard), end)
        if model.name == "discounted_profit":
            return years, float(textbook.discounted_profit(1.0, years, self._discount))
        return years, years

    def _frequency(
        self, data: RFMSummary, level: float
    ) -> tuple[FloatArray, tuple[FloatArray, FloatArray]]:
        """Purchases per year of each customer, with their limits."""
        x, T = data.frequency, _years(data.T, data)
        counts, row = np.unique(x, return_inverse=True)
        low, high = (limit[row] for limit in poisson_limits(counts, level))
        if self.model.name == "annual_spend_years":
            return _annual_purchases(x, T), (_annual_purchases(low, T), _annual_purchases(high, T))
        base, se = self.purchases_per_year
        spread = normal_quantile(level) * se
        watched = T > 0
        years = np.where(watched, T, 1.0)
        own = np.where(watched, x / years, base)
        return own, (
            np.where(watched, low / years, max(base - spread, 0.0)),
            np.where(watched, high / years, base + spread),
        )

    def _flags(self, data: RFMSummary) -> AnyArray:
        common = "assumes everyone is alive"
        if not self.model.discounts:
            common += "; not discounted"
        own_value = data.first_value_included
        if self.model.name == "annual_spend_years":
            once = today = "" if own_value else f"; {ONE_TIME}: base mean value"
        else:
            once = f"; {ONE_TIME}: own repeat rate 0"
            today = "; first bought today: base rate"
            today += "" if own_value else " and base mean value"
        texts = np.array([common, common + once, common + today], dtype=object)
        return texts[np.where(data.frequency > 0, 0, np.where(data.T > 0, 1, 2))]


def _years(times: FloatArray, data: RFMSummary) -> FloatArray:
    return times * (data.time_unit.days / TimeUnit.YEAR.days)


def _annual_purchases(x: FloatArray, T: FloatArray) -> FloatArray:
    """Purchases per year observed, the first one included; less than a year counts as one."""
    return (x + 1) / np.maximum(T, 1.0)

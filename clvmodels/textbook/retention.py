"""Constant retention: the margin multiple in its three timings, with growth, and elasticities."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final, get_args

import numpy as np
from numpy.typing import ArrayLike

from clvmodels._notebook import described
from clvmodels.exceptions import ParameterError
from clvmodels.textbook._numbers import (
    Number,
    count_periods,
    finite,
    geometric_sum,
    not_negative,
    plain,
    require,
    share,
)
from clvmodels.units import DiscountRate, Horizon, HorizonLike, TimeUnit

Timing: TypeAlias = Literal["first_payment_now", "just_acquired", "period_end"]

TIMINGS: Final[tuple[Timing, ...]] = get_args(Timing)


def retention_value(
    margin_per_period: ArrayLike,
    retention: ArrayLike,
    discount: DiscountRate | float,
    *,
    period: TimeUnit | str,
    timing: Timing = "just_acquired",
    growth: ArrayLike = 0.0,
    horizon: HorizonLike | None = None,
) -> Number:
    """CLV expected under one constant retention rate: m r / (1 + d - r) and its relatives.

    Each period a share r of the customers renews and pays m. Three conventions are in use for when
    the money comes, and they differ by known factors:

    ===================  =====================  ==============================================
    timing               for ever               payments
    ===================  =====================  ==============================================
    first_payment_now    m (1+d) / (1+d-r)      m r^t at t = 0, 1, ... : about to pay
    just_acquired        m r / (1+d-r)          m r^t at t = 1, 2, ... : has paid, must renew
    period_end           m / (1+d-r)            m r^(t-1) at t = 1, 2, ... : pays in arrears
    ===================  =====================  ==============================================

    For a customer just before a renewal, take r times ``first_payment_now``. Growth g replaces
    1+d-r by 1+d-r(1+g); the first payment in each row is m, later ones m(1+g), m(1+g)^2, ...

    Valid in contractual settings, where a lost customer is seen to leave and the same r holds for
    everyone at every age. Where customers differ, aggregate retention rises with tenure and a
    constant r undervalues an existing base. In a non-contractual setting nobody knows who has left,
    and r is at best an assumption.

    Parameters
    ----------
    margin_per_period : float or array
        Money earned per period from a customer who is there. From a log: purchase value x
        purchases per period x margin.
    retention : float or array
        Share of customers kept from one period to the next, in [0, 1]. From a contract: renewed /
        up for renewal. From a log: 1 - churn, with churn from an inactivity window (see
        `value_frequency_churn`).
    discount : DiscountRate or 0
        Discount rate, per any unit.
    period : TimeUnit or str
        What margin, retention and growth are per.
    timing : {"just_acquired", "first_payment_now", "period_end"}
        When the money comes.
    growth : float or array
        Growth of the margin per period, above -1.
    horizon : Horizon or str, optional
        Count only the payments of this many periods (the first one included); a period that it
        cuts counts in proportion. None counts for ever.

    Returns
    -------
    float or array
        Present value today, in the currency of `margin_per_period`.

    Raises
    ------
    ParameterError
        If retention is outside [0, 1], the timing is unknown, or the sum for ever diverges.
    UnitError
        If `discount` is a bare number other than 0, or `horizon` one at all.

    References
    ----------
    Gupta, Lehmann and Stuart (2004), Valuing Customers, Journal of Marketing Research 41(1), 7-18
    (just acquired). The three timings and who uses which: Fader and Hardie (2012), Reconciling and
    Clarifying CLV Formulas, brucehardie.com/notes/024.

    Examples
    --------
    >>> rate = DiscountRate(0.12, per="year")
    >>> round(retention_value(100, 0.80, rate, period="year"), 9)
    250.0
    >>> round(retention_value(100, 0.80, rate, period="year", timing="first_payment_now"), 9)
    350.0
    """
    margin = finite("margin_per_period", margin_per_period)
    multiple = margin_multiple(
        retention, discount, period=period, timing=timing, growth=growth, horizon=horizon
    )
    return plain(np.asarray(margin * multiple))


def margin_multiple(
    retention: ArrayLike,
    discount: DiscountRate | float,
    *,
    period: TimeUnit | str,
    timing: Timing = "just_acquired",
    growth: ArrayLike = 0.0,
    horizon: HorizonLike | None = None,
) -> Number:
    """How many periods' margin a customer is worth: `retention_value` of a margin of 1.

    Gupta and Lehmann's r / (1 + i - r). Settings, parameters, errors and sources as in
    `retention_value`.

    Examples
    --------
    >>> rate = DiscountRate(0.10, per="year")
    >>> round(margin_multiple(0.80, rate, period="year"), 2)
    2.67
    """
    if timing not in TIMINGS:
        raise ParameterError(f"timing is one of {', '.join(TIMINGS)}; got {timing!r}.")
    keep = share("retention", retention)
    grow = finite("growth", growth)
    require(grow > -1, grow, "growth must exceed -1 (-100 %)")
    interest = 1 + DiscountRate.parse(discount).effective(period)
    ratio = keep * (1 + grow) / interest
    if horizon is None:
        require(
            ratio < 1, ratio,
            "the sum for ever diverges: retention x (1 + growth) / (1 + discount) must be below 1",
            "Give a horizon, or a higher discount rate.",
        )  # fmt: skip
        terms = None
    else:
        terms = count_periods("horizon", Horizon.parse(horizon), period)
    first = {
        "first_payment_now": np.ones(()),
        "just_acquired": keep / interest,
        "period_end": np.asarray(1 / interest),
    }
    return plain(first[timing] * geometric_sum(ratio, terms))


@final
@dataclass(frozen=True, eq=False, slots=True)
class Elasticities:
    """Per cent by which CLV changes when an input changes by one per cent."""

    retention: Number
    margin: Number
    discount: Number

    _repr_html_ = described


def elasticities(
    retention: ArrayLike, discount: DiscountRate | float, *, period: TimeUnit | str
) -> Elasticities:
    """Say what one per cent better retention, margin or discount rate does to m r / (1 + d - r).

    Retention (1+d) / (1+d-r), margin 1, discount rate -d / (1+d-r). They describe the formula, so
    they hold where it does: contractual settings with one constant retention rate.

    Parameters
    ----------
    retention : float or array
        Share of customers kept from one period to the next, in [0, 1]; see `retention_value` for
        its estimation.
    discount : DiscountRate or 0
        Discount rate, per any unit; its elasticity is that of the effective rate per `period`.
    period : TimeUnit or str
        What retention is per.

    Raises
    ------
    ParameterError
        If retention is outside [0, 1], or not below 1 + d.
    UnitError
        If `discount` is a bare number other than 0.

    References
    ----------
    Gupta and Lehmann (2003), Customers as Assets, Journal of Interactive Marketing 17(1), 9-24,
    as quoted in later literature.

    Examples
    --------
    >>> effect = elasticities(0.84, DiscountRate(0.12, per="year"), period="year")
    >>> round(effect.retention, 9), effect.margin
    (4.0, 1.0)
    """
    keep = share("retention", retention)
    rate = DiscountRate.parse(discount).effective(period)
    require(keep < 1 + rate, keep, "retention must stay below 1 + discount: the CLV is infinite")
    gap = 1 + rate - keep
    return Elasticities(
        retention=plain((1 + rate) / gap),
        margin=plain(np.ones_like(keep)),
        discount=plain(-rate / gap),
    )


def berger_nasr(
    annual_contribution: ArrayLike,
    annual_promotion: ArrayLike,
    retention: ArrayLike,
    years: ArrayLike | Horizon,
    discount: DiscountRate | float,
) -> Number:
    """Yearly contributions less mid-year promotion, under constant retention (Berger and Nasr, 1).

    The first contribution comes now, the others at the end of years 1 to n; promotion is paid in
    the middle of each year for the customers kept so far:
    GC sum_{i=0..n} r^i / (1+d)^i - M sum_{i=1..n} r^(i-1) / (1+d)^(i-0.5). Contractual settings,
    or any where a customer who does not buy for a year is lost for good.

    Parameters
    ----------
    annual_contribution : float or array
        Gross contribution per customer and year, GC. From a log: purchase value x purchases per
        year x margin.
    annual_promotion : float or array
        Promotion and retention cost per customer and year, M; from the budget, not the log.
    retention : float or array
        Share of customers kept from year to year, in [0, 1]; see `retention_value`.
    years : float, array, Horizon or str
        Years after the first contribution, n; a fraction counts in proportion.
    discount : DiscountRate or 0
        Discount rate, per any unit.

    Returns
    -------
    float or array
        Present value today, in the currency of the contribution.

    Raises
    ------
    ParameterError
        If retention is outside [0, 1], or years or promotion are negative.
    UnitError
        If `discount` is a bare number other than 0.

    References
    ----------
    Berger and Nasr (1998), Customer Lifetime Value: Marketing Models and Applications, Journal of
    Interactive Marketing 12(1), 17-30, case 1, as quoted in later literature.

    Examples
    --------
    >>> round(berger_nasr(260, 50, 0.75, 10, DiscountRate(0.20, per="year")), 2)
    568.78
    """
    contribution = finite("annual_contribution", annual_contribution)
    promotion = not_negative("annual_promotion", annual_promotion)
    keep = share("retention", retention)
    n = count_periods("years", years, TimeUnit.YEAR)
    interest = 1 + DiscountRate.parse(discount).effective(TimeUnit.YEAR)
    ratio = keep / interest
    paid = contribution * geometric_sum(ratio, n + 1)
    return plain(paid - promotion / np.sqrt(interest) * geometric_sum(ratio, n))

"""Value times frequency times lifespan, and its near relations."""

import numpy as np
from numpy.typing import ArrayLike

from clvmodels.textbook._numbers import (
    Number,
    churn_rate,
    count_periods,
    finite,
    geometric_sum,
    margin_share,
    not_negative,
    plain,
    share,
)
from clvmodels.units import Horizon, HorizonLike, TimeUnit


def value_frequency_lifespan(
    purchase_value: ArrayLike,
    purchase_frequency: ArrayLike,
    lifespan: ArrayLike | Horizon,
    *,
    margin: ArrayLike = 1.0,
    period: TimeUnit | str | None = None,
) -> Number:
    """Average purchase value x purchase frequency x lifespan.

    What a customer brings in if they buy at the same rate for a known time and then stop. It
    neither discounts nor asks whether the customer is still there, so it suits a rough figure for
    an average customer of either setting, contractual or not.

    Parameters
    ----------
    purchase_value : float or array
        Money per purchase. From a log: revenue / number of purchases.
    purchase_frequency : float or array
        Purchases per period. From a log: repeat purchases / time observed, summed over customers.
    lifespan : float, array, Horizon or str
        Length of the relationship: a number counts the periods of `purchase_frequency`; "36 months"
        is converted, and needs `period`. From a log: 1 / churn, see `value_frequency_churn`.
    margin : float or array
        Gross margin as a share of revenue; 1 gives revenue.
    period : TimeUnit or str, optional
        What `purchase_frequency` is per; needed where `lifespan` carries a unit.

    Returns
    -------
    float or array
        Money, in the currency of `purchase_value`.

    Raises
    ------
    ParameterError
        If a frequency or lifespan is negative, a margin exceeds 1, or a number is not finite.
    UnitError
        If `lifespan` carries a unit and `period` is missing.

    References
    ----------
    A practitioners' formula; no scholarly primary source is known.

    Examples
    --------
    >>> value_frequency_lifespan(100, 4, 3)
    1200.0
    >>> value_frequency_lifespan(100, 4, "36 months", period="year", margin=0.3)
    360.0
    """
    value = finite("purchase_value", purchase_value)
    frequency = not_negative("purchase_frequency", purchase_frequency)
    periods = count_periods("lifespan", lifespan, period)
    return plain(margin_share(margin) * value * frequency * periods)


def value_frequency_churn(
    purchase_value: ArrayLike,
    purchase_frequency: ArrayLike,
    churn: ArrayLike,
    *,
    margin: ArrayLike = 1.0,
    horizon: HorizonLike | None = None,
    period: TimeUnit | str | None = None,
) -> Number:
    """Average purchase value x purchase frequency / churn.

    The lifetime is geometric: in each period a share `churn` of the remaining customers leaves, so
    a customer stays 1 / churn periods on average, the first one included. Churn is the same for
    everyone and at every age, which holds at best in a contractual setting; where customers
    differ, the loyal ones remain and one churn rate undervalues an existing base.

    Parameters
    ----------
    purchase_value : float or array
        Money per purchase. From a log: revenue / number of purchases.
    purchase_frequency : float or array
        Purchases per period of a customer who is still there. From a log: repeat purchases / time
        observed, summed over customers.
    churn : float or array
        Share of customers lost per period, in (0, 1]. From a contract: cancelled / customers at the
        start. From a log, where nobody cancels: customers silent for longer than a window / time
        watched, turned into a share; it depends on the window.
    margin : float or array
        Gross margin as a share of revenue; 1 gives revenue.
    horizon : Horizon or str, optional
        Stop counting after this time (``"39 weeks"``); a period that it cuts counts in proportion.
        None counts the whole lifetime.
    period : TimeUnit or str, optional
        What frequency and churn are per; needed with `horizon`.

    Returns
    -------
    float or array
        Money, in the currency of `purchase_value`.

    Raises
    ------
    ParameterError
        If churn is outside (0, 1], a frequency is negative, or a margin exceeds 1.
    UnitError
        If `horizon` is a bare number, or comes without `period`.

    References
    ----------
    A practitioners' formula, as LTV = ARPA x gross margin / churn common for subscriptions. On what
    one churn rate hides: Fader and Hardie (2010), Customer-Base Valuation in a Contractual Setting,
    Marketing Science 29(1), 85-93.

    Examples
    --------
    >>> value_frequency_churn(100, 4, 0.25)
    1600.0
    >>> round(value_frequency_churn(100, 4, 0.25, horizon="24 months", period="year"), 9)
    700.0
    """
    value = finite("purchase_value", purchase_value)
    frequency = not_negative("purchase_frequency", purchase_frequency)
    leave = churn_rate(churn)
    if horizon is None:
        life = 1 / leave
    else:
        life = geometric_sum(1 - leave, count_periods("horizon", Horizon.parse(horizon), period))
    return plain(margin_share(margin) * value * frequency * life)


def annual_spend_years(
    annual_spend: ArrayLike,
    years: ArrayLike | Horizon,
    *,
    margin: ArrayLike = 1.0,
    acquisition_cost: ArrayLike = 0.0,
) -> Number:
    """Annual spend x years - acquisition cost.

    The plainest figure of all, for either setting: no churn, no discounting. With `margin` it
    compares profit with the cost of acquisition; without it, revenue.

    Parameters
    ----------
    annual_spend : float or array
        Money per customer and year. From a log: spend so far / years observed, where less than a
        year counts as one (else a customer won last week looks fifty times too good).
    years : float, array, Horizon or str
        Length of the relationship, in years unless it carries a unit. From a log: 1 / yearly churn.
    margin : float or array
        Gross margin as a share of revenue.
    acquisition_cost : float or array
        What it cost to win the customer.

    Returns
    -------
    float or array
        Money; negative where the customer never earns back the cost.

    Raises
    ------
    ParameterError
        If years or the cost are negative, or a margin exceeds 1.

    References
    ----------
    A practitioners' formula; no scholarly primary source is known.

    Examples
    --------
    >>> annual_spend_years(400, 3, margin=0.5, acquisition_cost=150)
    450.0
    """
    spend = finite("annual_spend", annual_spend)
    span = count_periods("years", years, TimeUnit.YEAR)
    cost = not_negative("acquisition_cost", acquisition_cost)
    return plain(margin_share(margin) * spend * span - cost)


def convert_churn(churn: ArrayLike, *, per: TimeUnit | str, to: TimeUnit | str) -> Number:
    """Churn per one period as churn per another: 1 - (1 - churn)^(to / per).

    Twelve months at 5 % lose 46 % of the customers, not 60 %. Assumes the same churn in every
    period.

    Parameters
    ----------
    churn : float or array
        Share of customers lost per `per`, in [0, 1].
    per, to : TimeUnit or str
        The period that `churn` is per, and the one wanted.

    Returns
    -------
    float or array
        Share of customers lost per `to`.

    Raises
    ------
    ParameterError
        If churn is outside [0, 1].

    Examples
    --------
    >>> round(convert_churn(0.05, per="month", to="year"), 3)
    0.46
    """
    leave = share("churn", churn)
    ratio = Horizon(1, to).to(per)
    log_stay = np.log1p(-np.where(leave < 1, leave, 0.0))
    return plain(np.where(leave < 1, -np.expm1(ratio * log_stay), 1.0))

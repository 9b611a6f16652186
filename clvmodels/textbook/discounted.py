"""Certain profits, discounted year by year."""

import numpy as np
from numpy.typing import ArrayLike

from clvmodels._typing import FloatArray
from clvmodels.exceptions import ParameterError
from clvmodels.textbook._numbers import Number, count_periods, finite, geometric_sum, plain
from clvmodels.units import DiscountRate, Horizon, TimeUnit


def discounted_profit(
    annual_profit: ArrayLike, years: ArrayLike | Horizon, discount: DiscountRate | float
) -> Number:
    """Sum of yearly profit / (1 + d)^year over a known number of years.

    Profit is booked at the end of each year, a year that is cut short counts in proportion. Every
    payment is taken as certain: right for a fixed contract, too high wherever customers can leave
    (Gupta, Lehmann and Stuart's example is 44 % too high).

    Parameters
    ----------
    annual_profit : float or array
        Money per customer and year. From a log: purchase value x purchases per year x margin.
    years : float, array, Horizon or str
        Length of the relationship, in years unless it carries a unit. From a log: 1 / yearly churn.
    discount : DiscountRate or 0
        Discount rate, per any unit; it is converted to an effective yearly one.

    Returns
    -------
    float or array
        Present value, in the currency of `annual_profit`.

    Raises
    ------
    ParameterError
        If years are negative, or a number is not finite.
    UnitError
        If `discount` is a bare number other than 0.

    References
    ----------
    The level annuity. Gupta, Lehmann and Stuart (2004), Valuing Customers, Journal of Marketing
    Research 41(1), 7-18, value it for comparison.

    Examples
    --------
    >>> round(discounted_profit(100, 5, DiscountRate(0.12, per="year")))
    360
    """
    profit = finite("annual_profit", annual_profit)
    factor = annuity(count_periods("years", years, TimeUnit.YEAR), discount)
    return plain(profit * factor)


def present_value(
    cash_flows: ArrayLike, discount: DiscountRate | float, *, period: TimeUnit | str
) -> Number:
    """Sum of cash flow t / (1 + d)^t for profits that differ from period to period.

    Certain payments, as in `discounted_profit`; multiply each by the share of customers who are
    still there to allow for churn.

    Parameters
    ----------
    cash_flows : array of shape (..., periods)
        Profit at the end of period 1, 2, ... along the last axis. From a log: the average profit of
        a cohort in each period since its first purchase.
    discount : DiscountRate or 0
        Discount rate, per any unit.
    period : TimeUnit or str
        Time from one cash flow to the next.

    Returns
    -------
    float or array of shape (...)
        Present value today, one period before the first cash flow.

    Raises
    ------
    ParameterError
        If there is no last axis, or a number is not finite.
    UnitError
        If `discount` is a bare number other than 0.

    Examples
    --------
    >>> round(present_value([110, 121], DiscountRate(0.10, per="year"), period="year"), 9)
    200.0
    """
    flows = finite("cash_flows", cash_flows)
    if flows.ndim == 0:
        raise ParameterError("cash_flows must be a sequence, one entry per period.")
    times = np.arange(1, flows.shape[-1] + 1)
    factors = np.exp(-DiscountRate.parse(discount).force(period) * times)
    return plain(np.asarray((flows * factors).sum(axis=-1)))


def annuity(years: FloatArray, discount: DiscountRate | float) -> FloatArray:
    """Present value of 1 at the end of each year, the last one in proportion."""
    factor = np.exp(-np.asarray(DiscountRate.parse(discount).force(TimeUnit.YEAR)))
    return np.asarray(factor * geometric_sum(factor, years))

"""Unit economics: what is left of a customer's value after the cost of winning and keeping them."""

import numpy as np
from numpy.typing import ArrayLike

from clvmodels.textbook._numbers import Number, count_periods, finite, not_negative, plain, positive
from clvmodels.textbook.discounted import annuity
from clvmodels.units import DiscountRate, Horizon, TimeUnit


def net_value(
    gross_value: ArrayLike,
    *,
    acquisition_cost: ArrayLike = 0.0,
    annual_retention_cost: ArrayLike = 0.0,
    years: ArrayLike | Horizon = 0.0,
    discount: DiscountRate | float = 0,
) -> Number:
    """Value net of the acquisition cost and of a yearly retention cost.

    For any setting and any formula's gross value: profit before these two costs, over the same
    years. For customers you already have, the acquisition cost is spent: leave it at 0.

    Parameters
    ----------
    gross_value : float or array
        Customer lifetime value before these costs, as margin, not revenue.
    acquisition_cost : float or array
        Paid once, now. From the books: marketing and sales spend / customers won with it.
    annual_retention_cost : float or array
        Paid at the end of each year for `years`. From the books: loyalty, service and promotion
        spend / active customers.
    years : float, array, Horizon or str
        How long the retention cost is paid, in years unless it carries a unit. From a log: 1 /
        yearly churn.
    discount : DiscountRate or 0
        Discount rate of the retention cost; use the one in `gross_value`.

    Returns
    -------
    float or array
        Money; negative where the customer costs more than they bring.

    Raises
    ------
    ParameterError
        If a cost or the years are negative.
    UnitError
        If `discount` is a bare number other than 0.

    Examples
    --------
    >>> net_value(1200, acquisition_cost=150, annual_retention_cost=50, years=3)
    900.0
    """
    gross = finite("gross_value", gross_value)
    acquisition = not_negative("acquisition_cost", acquisition_cost)
    keeping = not_negative("annual_retention_cost", annual_retention_cost)
    span = count_periods("years", years, TimeUnit.YEAR)
    return plain(gross - acquisition - keeping * annuity(span, discount))


def ltv_to_cac(customer_value: ArrayLike, acquisition_cost: ArrayLike) -> Number:
    """Lifetime value per unit of acquisition cost.

    Practitioners of subscription businesses look for 3 or more; that is a rule of thumb without an
    academic source. Take a value as margin, before the acquisition cost is subtracted, and both
    numbers for the same customers (a cohort's own cost, not this month's).

    Parameters
    ----------
    customer_value : float or array
        Customer lifetime value, by any formula or model.
    acquisition_cost : float or array
        Cost of winning one customer. From the books, not the log.

    Returns
    -------
    float or array
        A ratio without unit.

    Raises
    ------
    ParameterError
        If the acquisition cost is not positive.

    Examples
    --------
    >>> ltv_to_cac(1200, 300)
    4.0
    """
    value = finite("customer_value", customer_value)
    return plain(value / positive("acquisition_cost", acquisition_cost))


def payback_period(acquisition_cost: ArrayLike, profit_per_period: ArrayLike) -> Number:
    """Periods until a customer has earned back the cost of winning them.

    Acquisition cost / (revenue per period x gross margin), undiscounted and for a customer who
    stays that long: with churn, it takes longer on average, or never happens.

    Parameters
    ----------
    acquisition_cost : float or array
        Cost of winning one customer. From the books, not the log.
    profit_per_period : float or array
        Margin per customer and period. From a log: purchase value x purchases per period x margin.

    Returns
    -------
    float or array
        A number of the periods that `profit_per_period` is per.

    Raises
    ------
    ParameterError
        If the profit is not positive (the cost is never paid back), or the cost is negative.

    Examples
    --------
    >>> payback_period(300, 50)
    6.0
    """
    cost = not_negative("acquisition_cost", acquisition_cost)
    return plain(cost / positive("profit_per_period", profit_per_period))


def roi(customer_value: ArrayLike, cost: ArrayLike) -> Number:
    """Return on what was spent on a customer: (value - cost) / cost.

    Parameters
    ----------
    customer_value : float or array
        Customer lifetime value as margin, before `cost` is subtracted.
    cost : float or array
        What was spent for it: acquisition, or acquisition and retention.

    Returns
    -------
    float or array
        0.5 for fifty per cent.

    Raises
    ------
    ParameterError
        If the cost is not positive.

    Examples
    --------
    >>> roi(450, 300)
    0.5
    """
    value = finite("customer_value", customer_value)
    spent = positive("cost", cost)
    return plain(np.asarray((value - spent) / spent))

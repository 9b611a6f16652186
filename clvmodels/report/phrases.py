"""Turns of phrase that the findings share."""

from collections.abc import Iterable
from typing import Any

from clvmodels.report.numbers import count, money, percent
from clvmodels.report.study import Study
from clvmodels.units import DiscountRate


def margin_in_words(margin: float | str) -> str:
    """What share of revenue counts, as people write it."""
    if isinstance(margin, str):
        return f"at the margin in column {margin}"
    return "before any margin" if margin == 1 else f"at a margin of {percent(margin)}"


def profit_in_words(study: Study) -> str:
    """What the amounts of lifetime value are: without a margin, not profit."""
    return "revenue" if study.value.model.margin == 1 else "profit"


def rate_in_words(rate: DiscountRate) -> str:
    """A discount rate as people write it."""
    continuous = ", compounded continuously" if rate.compounding == "continuous" else ""
    return f"{percent(rate.rate, 3)} per {rate.per}{continuous}"


def counted(size: float, noun: str) -> str:
    """So many of something.

    Examples
    --------
    >>> counted(1, "row"), counted(1200, "customer")
    ('1 row', '1,200 customers')
    """
    return f"{count(size)} {noun}{'' if size == 1 else 's'}"


def result(study: Study, name: str) -> Any:
    """The row of a method in the table of the comparison."""
    table = study.comparison.table
    return table[table["method"] == name].iloc[0]


def amount(study: Study, name: str, metric: str) -> str:
    """An error of a method per customer, as an amount."""
    error = result(study, name)[f"value_{metric}"]
    return money(0.0 if error < 0.005 else error, study.currency)


def listed(names: Iterable[str]) -> str:
    """One, one and another, or several and the last."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def missed(study: Study, name: str) -> str:
    """By how much a method missed the revenue of the holdout."""
    row = result(study, name)
    bias = row["value_bias"]
    if row["value_actual"] == 0:
        return "revenue where none came" if row["value_predicted"] > 0 else "none, and none came"
    if abs(bias) < 0.005:
        return "the revenue that came, within 0.5 %"
    return f"{percent(abs(bias))} {'more' if bias > 0 else 'less'} revenue than came"


def day(moment: Any) -> str:
    """A day as people count them."""
    return f"{moment:%Y-%m-%d}"

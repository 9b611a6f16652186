"""The value of an existing base of contracts."""

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, slots=True, repr=False)
class BaseValue:
    """What an existing base of customers is worth.

    Attributes
    ----------
    value, lo, hi : float
        Discounted payments to come, with an interval from parameter uncertainty.
    customers : float
        How many are still there.
    retention_rate : float
        The constant rate of the comparison: that of the renewals last faced.
    constant_retention_value : float
        The same base at that rate for all customers at all ages.
    level : float
        Probability of the interval.
    """

    value: float
    lo: float
    hi: float
    customers: float
    retention_rate: float
    constant_retention_value: float
    level: float

    def __repr__(self) -> str:
        gap = self.constant_retention_value / self.value - 1 if self.value else float("nan")
        return (
            f"{self.customers:,.0f} customers are worth {self.value:,.0f} ({100 * self.level:g} % "
            f"interval {self.lo:,.0f} to {self.hi:,.0f}). A constant retention rate of "
            f"{self.retention_rate:.3f} makes it {self.constant_retention_value:,.0f} "
            f"({100 * gap:+.0f} %)."
        )

"""Time units, horizons and discount rates: numbers that know what they measure.

The only file that knows how long a month or a year is: a year has 365.2425 days (the Gregorian
mean), a month is a twelfth of it and a quarter a fourth.
"""

import math
import re
from dataclasses import dataclass
from enum import StrEnum
from numbers import Real
from typing import Final, Self, TypeAlias, final

from clvmodels._notebook import described
from clvmodels.exceptions import UnitError

DAYS_PER_YEAR: Final = 365.2425

_HIGHEST_RATE: Final = 2.0  # 10 meant as a percentage must not pass for 1,000 %

_QUANTITY = re.compile(
    r"\s*(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)?\s*(?P<unit>[A-Za-z]+)\s*"
)


class _Described:
    """Before Python 3.12 an enumeration takes no ``_repr_html_`` in its own body."""

    _repr_html_ = described


@final
class TimeUnit(_Described, StrEnum):
    """The unit in which recency, T and a model's time parameters are counted.

    Examples
    --------
    >>> TimeUnit.parse("W"), TimeUnit.parse("7D"), TimeUnit.parse("ME")
    (<TimeUnit.WEEK: 'week'>, <TimeUnit.WEEK: 'week'>, <TimeUnit.MONTH: 'month'>)
    >>> TimeUnit.MONTH.days
    30.436875
    """

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"

    @property
    def days(self) -> float:
        """Length in days."""
        return _DAYS[self]

    @classmethod
    def parse(cls, unit: "str | TimeUnit") -> "TimeUnit":
        """Read a unit's name, plural or pandas alias, or a multiple equal to a unit ("7D").

        Raises
        ------
        UnitError
            If `unit` is not a string, or names no unit.
        """
        if isinstance(unit, cls):
            return unit
        if isinstance(unit, str) and (match := _QUANTITY.fullmatch(unit)):
            base = _ALIASES.get(match["unit"]) or _ALIASES.get(match["unit"].lower())
            if base is not None:
                days = float(match["number"] or 1) * base.days
                for candidate in cls:
                    if math.isclose(days, candidate.days, rel_tol=1e-12):
                        return candidate
        names = ", ".join(cls)
        raise UnitError(
            f"{unit!r} is not a time unit. Use one of {names}, or a pandas alias such as "
            "'h', 'D', 'W', 'ME', 'QE', 'YE', '7D'."
        )


_DAYS: Final = {
    TimeUnit.HOUR: 1 / 24,
    TimeUnit.DAY: 1.0,
    TimeUnit.WEEK: 7.0,
    TimeUnit.MONTH: DAYS_PER_YEAR / 12,
    TimeUnit.QUARTER: DAYS_PER_YEAR / 4,
    TimeUnit.YEAR: DAYS_PER_YEAR,
}
_ALIASES: Final = {
    **{unit.value: unit for unit in TimeUnit},
    **{f"{unit.value}s": unit for unit in TimeUnit},
    **dict.fromkeys(("h", "H", "hr"), TimeUnit.HOUR),
    **dict.fromkeys(("d", "D"), TimeUnit.DAY),
    **dict.fromkeys(("w", "W"), TimeUnit.WEEK),
    **dict.fromkeys(("M", "ME", "MS"), TimeUnit.MONTH),  # "m": minutes to some, months to others
    **dict.fromkeys(("q", "Q", "QE", "QS"), TimeUnit.QUARTER),
    **dict.fromkeys(("y", "Y", "YE", "YS", "A", "yr"), TimeUnit.YEAR),
}


@final
@dataclass(frozen=True, slots=True)
class Horizon:
    """A length of time with its unit: how far ahead to predict.

    Parameters
    ----------
    length : float
        Number of units, zero or more; fractions are welcome.
    unit : TimeUnit or str
        Unit of `length`.

    Raises
    ------
    UnitError
        If the length is negative or not finite, or the unit is unknown.

    Examples
    --------
    >>> Horizon.parse("12 months").to("week")
    52.1775
    >>> Horizon(39, "week") == Horizon.parse("39W")
    True
    """

    length: float
    unit: TimeUnit

    def __init__(self, length: float, unit: TimeUnit | str) -> None:
        if isinstance(length, bool) or not isinstance(length, Real):
            raise UnitError(f"A horizon's length must be a number, got {length!r}.")
        if not (math.isfinite(length) and length >= 0):
            raise UnitError(f"A horizon must be finite and not negative, got {length!r}.")
        object.__setattr__(self, "length", float(length))
        object.__setattr__(self, "unit", TimeUnit.parse(unit))

    @classmethod
    def parse(cls, horizon: "HorizonLike") -> Self:
        """Read "39 weeks", "12M" or "1.5 years"; a Horizon passes through.

        Raises
        ------
        UnitError
            If `horizon` is a bare number, or cannot be read.
        """
        if isinstance(horizon, cls):
            return horizon
        if isinstance(horizon, str) and (match := _QUANTITY.fullmatch(horizon)) and match["number"]:
            return cls(float(match["number"]), match["unit"])
        raise UnitError(
            f"{horizon!r} is not a horizon: it needs a number and a unit. "
            "Write '39 weeks', '12M' or Horizon(39, 'week')."
        )

    def to(self, unit: TimeUnit | str) -> float:
        """Length in another unit."""
        target = TimeUnit.parse(unit)
        return self.length if target is self.unit else self.length * self.unit.days / target.days

    def __str__(self) -> str:
        return f"{self.length:g} {self.unit.value}{'' if self.length == 1 else 's'}"

    _repr_html_ = described


HorizonLike: TypeAlias = Horizon | str


@final
@dataclass(frozen=True, slots=True)
class DiscountRate:
    """An interest rate with the period it is for.

    Parameters
    ----------
    rate : float
        0.10 for ten per cent.
    per : TimeUnit or str
        Period that `rate` belongs to.
    compounding : {"effective", "continuous"}
        Whether one unit of money grows to ``1 + rate`` or to ``exp(rate)`` over `per`.

    Raises
    ------
    UnitError
        If the rate is not finite or above 200 %, an effective rate is -100 % or less, or `per` is
        no unit.

    Examples
    --------
    >>> round(DiscountRate(0.15, per="year").force("week"), 6)
    0.002679
    >>> DiscountRate(0.15, per="year").effective("month") < 0.15 / 12
    True
    """

    rate: float
    per: TimeUnit
    compounding: str

    def __init__(self, rate: float, per: TimeUnit | str, compounding: str = "effective") -> None:
        if isinstance(rate, bool) or not isinstance(rate, Real) or not math.isfinite(rate):
            raise UnitError(f"A discount rate must be a finite number, got {rate!r}.")
        if compounding not in ("effective", "continuous"):
            raise UnitError(f"compounding is 'effective' or 'continuous', got {compounding!r}.")
        if compounding == "effective" and rate <= -1:
            raise UnitError(f"An effective rate must exceed -1 (-100 %), got {rate!r}.")
        if rate > _HIGHEST_RATE:
            raise UnitError(
                f"A rate of {100 * rate:g} % per {TimeUnit.parse(per)} is beyond belief. "
                "Write 0.10 for 10 %."
            )
        object.__setattr__(self, "rate", float(rate))
        object.__setattr__(self, "per", TimeUnit.parse(per))
        object.__setattr__(self, "compounding", compounding)

    @classmethod
    def parse(cls, discount: "DiscountRate | int | float") -> Self:
        """Pass a DiscountRate through; 0 is the one bare number that needs no unit.

        Raises
        ------
        UnitError
            If `discount` is any other bare number.
        """
        if isinstance(discount, cls):
            return discount
        if isinstance(discount, Real) and not isinstance(discount, bool) and discount == 0:
            return cls(0.0, TimeUnit.YEAR)
        raise UnitError(
            f"{discount!r} is not a discount rate: per week, month or year? "
            "Write DiscountRate(0.10, per='year')."
        )

    def force(self, unit: TimeUnit | str) -> float:
        """Continuously compounded rate per `unit` (the force of interest, delta)."""
        force = self.rate if self.compounding == "continuous" else math.log1p(self.rate)
        return force * TimeUnit.parse(unit).days / self.per.days

    def effective(self, unit: TimeUnit | str) -> float:
        """Effective rate per `unit`."""
        if self.compounding == "effective" and TimeUnit.parse(unit) is self.per:
            return self.rate
        return math.expm1(self.force(unit))

    def __str__(self) -> str:
        continuous = " (continuous)" if self.compounding == "continuous" else ""
        return f"{100 * self.rate:.6g} % per {self.per.value}{continuous}"

    _repr_html_ = described

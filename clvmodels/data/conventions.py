"""The choices that turn a log into a summary, each checked once and told in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final, Literal, Self, TypeAlias, final

import numpy as np

from clvmodels.data.calendar import CalendarIndex
from clvmodels.data.summary import OWN_COLUMNS
from clvmodels.exceptions import DataError, ParameterError
from clvmodels.units import TimeUnit

Refunds: TypeAlias = Literal["error", "drop", "net_same_period", "net"]
ZeroValue: TypeAlias = Literal["keep", "drop", "error"]
MissingValue: TypeAlias = Literal["error", "drop"]
MissingKeys: TypeAlias = Literal["drop", "error"]
Moment: TypeAlias = str | date | np.datetime64
"""A day ("1997-09-30", a date) or an instant ("1997-09-30 18:00", a datetime, a Timestamp)."""

_POLICIES: Final = {
    "refunds": ("error", "drop", "net_same_period", "net"),
    "zero_value": ("keep", "drop", "error"),
    "missing_value": ("error", "drop"),
    "missing_keys": ("drop", "error"),
}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Conventions:
    """Column names, time unit, policies and wishes of one reading of a log.

    Raises
    ------
    ParameterError
        If a policy or time zone is unknown, or the calendar is no CalendarIndex.
    UnitError
        If the time unit is unknown.
    """

    time_unit: TimeUnit
    customer_id: str = "customer_id"
    date: str = "date"
    value: str | None = None
    date_format: str | None = None
    time_zone: str | None = None
    refunds: Refunds = "error"
    zero_value: ZeroValue = "keep"
    missing_value: MissingValue = "error"
    missing_keys: MissingKeys = "drop"
    include_first_value: bool = False
    litt: bool = False
    calendar: CalendarIndex | None = None
    keep: Sequence[str] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "time_unit", TimeUnit.parse(self.time_unit))
        object.__setattr__(self, "keep", self._kept())
        for name, choices in _POLICIES.items():
            if (choice := getattr(self, name)) not in choices:
                known = ", ".join(map(repr, choices))
                raise ParameterError(f"{name}={choice!r} is unknown; choose one of {known}.")
        if not isinstance(self.calendar, CalendarIndex | None):
            raise ParameterError(
                f"calendar must be a CalendarIndex, not {type(self.calendar).__name__}: build one "
                "with CalendarIndex.monthly, from_frame or from_log."
            )
        if self.time_zone is not None:
            zone_info(self.time_zone)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the log that are read."""
        own = (self.customer_id, self.date, self.value)
        return (*(c for c in own if c is not None), *self.keep)

    @property
    def period(self) -> TimeUnit:
        """Purchases within one day (one hour, in hourly units) are one purchase."""
        return TimeUnit.HOUR if self.time_unit is TimeUnit.HOUR else TimeUnit.DAY

    @property
    def periods_per_unit(self) -> float:
        """How many periods the time unit has: 7 for weeks."""
        return self.time_unit.days / self.period.days

    @property
    def nets(self) -> bool:
        """Whether refunds are set against purchases."""
        return self.value is not None and self.refunds in ("net_same_period", "net")

    def _kept(self) -> tuple[str, ...]:
        if isinstance(self.keep, str) or not all(isinstance(name, str) for name in self.keep):
            raise ParameterError(f"keep takes a list of column names, got {self.keep!r}.")
        taken = {self.customer_id, self.date, self.value, *OWN_COLUMNS}
        for name in self.keep:
            if name in taken:
                raise ParameterError(
                    f"keep={name!r} is a column that the summary is made of, or has itself. Keep "
                    "others, or rename it in the log."
                )
        return tuple(dict.fromkeys(self.keep))

    def in_words(self) -> list[str]:
        """How purchases and amounts are read."""
        period = self.period.value
        lines = [
            f"Purchases of one customer within one {period} are one purchase; "
            "a customer's first purchase is not counted in frequency."
        ]
        if self.litt:
            unit = self.time_unit.value
            lines.append(
                f"litt is the sum of the natural logarithms of the {unit}s between purchases."
            )
        if self.calendar is not None:
            lines.append(f"recency and T are in operational time. {self.calendar!r}.")
        if self.value is None:
            return lines
        which = "all" if self.include_first_value else "the repeat"
        without = "" if self.include_first_value else ", the first purchase left out"
        lines.append(f"monetary_value is the mean of {which} {period}s' totals{without}.")
        lines.append(_REFUNDS_IN_WORDS[self.refunds])
        if self.zero_value == "keep":
            lines.append("A purchase of amount zero counts as a purchase.")
        return lines


_REFUNDS_IN_WORDS: Final = {
    "error": "There are no refunds (negative amounts).",
    "drop": "Refunds (negative amounts) are ignored.",
    "net_same_period": "Refunds (negative amounts) lower the total of their own period; "
    "a period that comes to nothing is no purchase.",
    "net": "Refunds (negative amounts) take back the customer's most recent earlier purchases; "
    "a purchase wholly taken back is no purchase.",
}


@final
@dataclass(frozen=True, slots=True)
class ObservationEnd:
    """The last moment observed, in local time.

    Attributes
    ----------
    limit : datetime
        Purchases later than this are after the end, and so is the limit itself unless `inclusive`.
    inclusive : bool
        True for an instant; a day ends just before the midnight after it.
    period : datetime
        Start of the last day (hour) observed, from which ages are counted back.
    """

    limit: datetime
    inclusive: bool
    period: datetime

    @classmethod
    def parse(cls, end: Moment, period: TimeUnit, time_zone: str | None) -> Self:
        """Read a day or an instant; an aware instant is taken to `time_zone`.

        Raises
        ------
        DataError
            If `end` cannot be read, or is an aware instant for a log without a time zone.
        """
        moment = _day_or_instant(end)
        if not isinstance(moment, datetime):
            midnight = datetime.combine(moment, time()) + timedelta(days=1)
            return cls(midnight, False, midnight - timedelta(days=period.days))
        if moment.tzinfo is not None:
            if time_zone is None:
                raise DataError(
                    f"The end {end!s} has a time zone and the dates of the log have none. "
                    "Give time_zone, or an end without one."
                )
            moment = moment.astimezone(zone_info(time_zone)).replace(tzinfo=None)
        return cls(moment, True, _floor(moment, period))

    @classmethod
    def after(cls, last: datetime, period: TimeUnit) -> Self:
        """End of the day (hour) that holds `last`.

        Raises
        ------
        DataError
            If `last` is as late as a date can be, which is never meant.
        """
        if last.year == date.max.year:
            raise DataError(
                f"The last purchase is on {last:%Y-%m-%d}: a placeholder? Give observation_end: "
                "what lies after it is left out and counted."
            )
        start = _floor(last, period)
        return cls(start + timedelta(days=period.days), False, start)

    def shift(self, periods: int, period: TimeUnit) -> "ObservationEnd":
        """End that lies so many periods later."""
        step = timedelta(days=period.days) * periods
        return ObservationEnd(self.limit + step, self.inclusive, self.period + step)

    def includes(self, moment: datetime) -> bool:
        """Whether a moment is observed."""
        return moment <= self.limit if self.inclusive else moment < self.limit

    def __str__(self) -> str:
        if self.inclusive:
            return f"{self.limit:%Y-%m-%d %H:%M:%S}"
        if self.limit.hour == 0:
            return f"{self.limit - timedelta(days=1):%Y-%m-%d}, that day included"
        return f"{self.period:%Y-%m-%d %H}:00, that hour included"


def zone_info(name: str) -> tzinfo:
    """Time zone of that name.

    Raises
    ------
    ParameterError
        If there is none.
    """
    from zoneinfo import ZoneInfo

    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise ParameterError(
            f"time_zone={name!r} is unknown. Use a name such as 'Europe/Berlin' or 'UTC'."
        ) from None


def _day_or_instant(end: Moment) -> date | datetime:
    if isinstance(end, np.datetime64) and (unit := np.datetime_data(end)[0]) not in ("Y", "M", "W"):
        end = end.astype(f"datetime64[{'D' if unit == 'D' else 'us'}]").item()
    if isinstance(end, str):
        for read in (date.fromisoformat, datetime.fromisoformat):
            try:
                return read(end.strip())
            except ValueError:
                continue
    elif isinstance(end, date) and end == end:  # NaT is a date that differs from itself
        # pandas Timestamps are datetimes with nanoseconds, which ours have not
        to_plain = getattr(end, "to_pydatetime", None)
        return end if to_plain is None else to_plain(warn=False)
    raise DataError(
        f"{end!r} is neither a day nor an instant. Write '1997-09-30', '1997-09-30 18:00', or give "
        "a date or datetime."
    )


def _floor(moment: datetime, period: TimeUnit) -> datetime:
    hour = moment.hour if period is TimeUnit.HOUR else 0
    return moment.replace(hour=hour, minute=0, second=0, microsecond=0)

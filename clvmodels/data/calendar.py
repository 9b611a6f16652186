"""Seasons as operational time: a clock that runs faster when everybody buys more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Self, final

import numpy as np

from clvmodels._notebook import as_lines, first_rows
from clvmodels._typing import AnyArray, FloatArray
from clvmodels.exceptions import DataError, ParameterError
from clvmodels.units import TimeUnit

if TYPE_CHECKING:
    from clvmodels.data.conventions import Moment

MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_EPOCH: Final = np.datetime64("2000-01-01", "us")
_DAY: Final = np.timedelta64(1, "D")
# the Gregorian calendar repeats itself after 400 years: 4,800 months
_STARTS: Final = (np.datetime64("2000-01") + np.arange(4801).astype("m8[M]")).astype("M8[D]")
_CYCLE: Final = float((_STARTS[-1] - _STARTS[0]) / _DAY)
_LENGTHS: Final = np.diff(_STARTS) / _DAY
_MEAN_LENGTHS: Final = _LENGTHS.reshape(-1, 12).mean(axis=0)  # February has 28.2425 days

_ROUNDING: Final = 1e-6
"""Days by which a moment may miss the covered dates: a tenth of a second."""


@final
@dataclass(frozen=True, repr=False)
class CalendarIndex:
    """How much faster than on average all customers buy, by date: a multiplicative seasonal index.

    A model fitted in operational time sees customers whose clock runs at the index: in a month of
    level 1.6, a week is worth 1.6 weeks. Its likelihood is unchanged, and predictions are asked for
    in calendar time. Levels have mean 1, so that operational time has the calendar's unit.

    Build it with `monthly` (recurs every year), `from_frame` (dated periods, for promotions or
    holidays that move) or `from_log` (months, estimated).

    Attributes
    ----------
    levels : tuple of float
        Pace of each period, scaled to mean 1 over the year or over the dates covered.
    edges : tuple of datetime or None
        Start of each dated period and, last, the end of the last; None where the levels are those
        of January to December of every year.

    Examples
    --------
    >>> index = CalendarIndex.monthly({**dict.fromkeys(range(1, 12), 1.0), 12: 2.0})
    >>> index.elapsed(datetime(2024, 12, 1), [1, 2], "week").round(3)
    array([1.844, 3.687])
    """

    levels: tuple[float, ...]
    edges: tuple[datetime, ...] | None = None

    def __post_init__(self) -> None:
        levels = tuple(float(level) for level in self.levels)
        object.__setattr__(self, "levels", levels)
        if self.edges is not None:
            object.__setattr__(self, "edges", tuple(self.edges))
        if len(levels) != (12 if self.edges is None else len(self.edges) - 1):
            raise DataError(
                "A calendar index has one level for each month, or one edge more than levels. "
                "Build it with CalendarIndex.monthly, from_frame or from_log."
            )
        if not (self._widths > 0).all():
            raise DataError("The edges of a calendar index must rise. Use CalendarIndex.from_frame")
        _require_positive(levels, self._names)
        if abs(np.average(levels, weights=self._widths) - 1) > 1e-9:
            raise DataError(
                "The levels of a calendar index must have mean 1. Build it with "
                "CalendarIndex.monthly, from_frame or from_log, which see to that."
            )

    @classmethod
    def monthly(cls, levels: Mapping[int, float]) -> Self:
        """Index of the months of the year, the same every year.

        Parameters
        ----------
        levels : mapping of int to float
            Relative pace of each month, 1 to 12, in any scale: ``{1: 0.8, ..., 12: 1.6}``.

        Raises
        ------
        DataError
            If a month is missing, is none, or its level is not positive and finite.

        Examples
        --------
        >>> CalendarIndex.monthly({m: 1.6 if m == 12 else 0.8 for m in range(1, 13)})
        CalendarIndex: every year, from 0.92 (January) to 1.84 (December)
        """
        months = range(1, 13)
        if wrong := [str(m) for m in levels if m not in months]:
            raise DataError(f"{', '.join(wrong)} is no month. Number them from 1 to 12.")
        if gaps := [MONTHS[m - 1] for m in months if m not in levels]:
            raise DataError(
                f"The index has no level for {some(gaps)}. Give all twelve months; 1 is average."
            )
        return cls(_mean_one([levels[m] for m in months], _MEAN_LENGTHS, MONTHS))

    @classmethod
    def from_frame(
        cls, frame: Any, *, date: str = "date", index: str = "index", ends: str | None = None
    ) -> Self:
        """Index of dated periods, such as the weeks of some years with their promotions.

        Parameters
        ----------
        frame : pandas, polars or Arrow table
            One row per period, in any order.
        date : str
            Column with the first day (or hour) of each period, without a time zone.
        index : str
            Column with the relative pace in each period, in any scale.
        ends : str, optional
            Column with the last day of each period, that day included. Without it the periods must
            follow each other evenly, by hours, days, weeks or months.

        Raises
        ------
        DataError
            If periods leave gaps or overlap, or a level is missing, not finite or not positive.

        Examples
        --------
        >>> import pandas as pd
        >>> weeks = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=52, freq="7D"),
        ...                       "index": [1.0] * 48 + [2.0] * 4})
        >>> CalendarIndex.from_frame(weeks)
        CalendarIndex: 52 periods from 2024-01-01 to 2024-12-29, levels from 0.93 to 1.86
        """
        from clvmodels.data.seasons import dated_levels

        edges, levels = dated_levels(frame, date, index, ends)
        names = [written(start) for start in edges[:-1]]
        scaled = _mean_one(levels, np.diff(edges) / _DAY, names)
        return cls(scaled, tuple(edges.tolist()))

    @classmethod
    def from_log(
        cls,
        transactions: Any,
        *,
        customer_id: str = "customer_id",
        date: str = "date",
        observation_end: "Moment | None" = None,
        date_format: str | None = None,
        time_zone: str | None = None,
    ) -> Self:
        """Index of the months of the year, estimated from the repeat purchases in a log.

        A ratio to the trend: repeat purchases per customer and day of each month, relative to what
        customers of that age buy. Customers buy less as they age, since some leave; the trend is
        ``exp(a + b ln(1 + age) + c age)``, age in months of operational time since the month of the
        first purchase, and is estimated with the levels by Poisson regression. Nothing is smoothed.

        Parameters
        ----------
        transactions, customer_id, date, observation_end, date_format, time_zone
            As in `rfm_summary`. Every row counts as a purchase, those of one day as one. Months
            that are not observed to their last day are left out.

        Raises
        ------
        DataError
            If the log covers less than 24 whole months, or no month of some name holds any repeat
            purchase.

        Examples
        --------
        >>> import clvmodels as clv
        >>> log = clv.simulate_log([60] * 400, [900] * 400, [910] * 400,
        ...                        start_date="2021-06-01", time_unit="day", seed=1)
        >>> index = CalendarIndex.from_log(log)
        >>> max(abs(level - 1) for level in index.levels) < 0.1   # these have no season
        True
        """
        from clvmodels.data.seasons import monthly_levels

        levels = monthly_levels(
            transactions,
            customer_id=customer_id,
            date=date,
            observation_end=observation_end,
            date_format=date_format,
            time_zone=time_zone,
        )
        return cls.monthly(dict(enumerate(levels, start=1)))

    def elapsed(self, start: Any, times: Any, unit: TimeUnit | str) -> FloatArray:
        """Operational time that goes by from `start` until `times` later.

        Parameters
        ----------
        start : datetime or array of datetime64
            Moments of the calendar, without a time zone.
        times : array_like
            Calendar times since `start`, in `unit`; negative ones lie before it. The shapes
            broadcast.
        unit : TimeUnit or str
            Unit of `times` and of the result.

        Returns
        -------
        ndarray
            Equal to `times` exactly where the index is constant.

        Raises
        ------
        DataError
            If a dated index does not cover these dates.
        """
        days = TimeUnit.parse(unit).days
        spans = _finite(times)
        since = _days(start)
        until = since + spans * days
        self._require_cover(since, until)
        # what the clock is ahead of the calendar, which is exactly nothing for a constant index
        gained = self._ahead(until) - self._ahead(since)
        out: FloatArray = spans + gained / days
        return out

    def breaks(self, start: datetime, end: float, unit: TimeUnit | str) -> FloatArray:
        """Calendar times since `start`, between 0 and `end`, at which the pace changes.

        Parameters
        ----------
        start : datetime
            A moment of the calendar, without a time zone.
        end : float
            How far to look, in `unit`.
        unit : TimeUnit or str
            Unit of `end` and of the result.

        Returns
        -------
        ndarray
            Rising, neither 0 nor `end` included. Between two of them operational time is linear.

        Raises
        ------
        DataError
            If a dated index does not cover these dates.
        """
        days = TimeUnit.parse(unit).days
        return self.paces(start, float(_finite(end)) * days)[0][1:] / days

    def paces(self, start: datetime, days: float) -> tuple[FloatArray, FloatArray]:
        """When the pace changes in the days after `start`, the first time at 0, and the paces."""
        since = _days(start)
        until = since + days
        self._require_cover(since, until)
        edges, levels = self._periods(float(since), float(until))
        changes = np.append(True, levels[1:] != levels[:-1])
        return np.maximum(edges[changes] - since, 0.0), levels[changes]

    def covers(self, start: datetime, end: datetime) -> bool:
        """Whether the index says what the pace is from `start` to `end`."""
        return self._uncovered(_days(start), _days(end)) is None

    def to_dict(self) -> dict[str, Any]:
        """Levels and edges as JSON knows them."""
        edges = None if self.edges is None else [edge.isoformat() for edge in self.edges]
        return {"levels": list(self.levels), "edges": edges}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Index that `to_dict` has told."""
        edges = stored["edges"]
        return cls(
            tuple(stored["levels"]),
            None if edges is None else tuple(map(datetime.fromisoformat, edges)),
        )

    def __repr__(self) -> str:
        lowest, highest = min(self.levels), max(self.levels)
        if self.edges is None:
            low, high = (MONTHS[self.levels.index(level)] for level in (lowest, highest))
            return f"CalendarIndex: every year, from {lowest:.2f} ({low}) to {highest:.2f} ({high})"
        last = written(np.datetime64(self.edges[-1], "us") - np.timedelta64(1, "us"), day=True)
        return (
            f"CalendarIndex: {len(self.levels):,} periods from {written(self.edges[0])} to "
            f"{last}, levels from {lowest:.2f} to {highest:.2f}"
        )

    @property
    def _names(self) -> Sequence[str]:
        return MONTHS if self.edges is None else [written(edge) for edge in self.edges[:-1]]

    @property
    def _widths(self) -> FloatArray:
        return _MEAN_LENGTHS if self.edges is None else np.diff(self._knots[0])

    @cached_property
    def _knots(self) -> tuple[FloatArray, FloatArray]:
        """Days since 2000, and by how much the seasonal clock is ahead there."""
        if self.edges is None:
            edges, levels = (_STARTS - _STARTS[0]) / _DAY, np.tile(self.levels, 400)
        else:
            edges, levels = _days(np.array(self.edges, dtype="M8[us]")), np.array(self.levels)
        return edges, np.append(0.0, np.cumsum(np.diff(edges) * (levels - 1)))

    def _ahead(self, at: FloatArray) -> FloatArray:
        edges, ahead = self._knots
        out: FloatArray = np.interp(at % _CYCLE if self.edges is None else at, edges, ahead)
        return out

    def _periods(self, since: float, until: float) -> tuple[FloatArray, AnyArray]:
        """Starts, in days since 2000, and levels of the periods that meet since <= t < until."""
        if self.edges is None:
            first, last = (
                (_STARTS[0] + np.timedelta64(int(np.floor(day)), "D")).astype("M8[M]")
                for day in (since, until)
            )
            months = np.arange(first, last + np.timedelta64(1, "M"))
            edges = (months.astype("M8[D]") - _STARTS[0]) / _DAY
            levels = np.array(self.levels)[months.astype(np.int64) % 12]
        else:
            edges, levels = self._knots[0][:-1], np.array(self.levels)
        begun = max(int(np.searchsorted(edges, since, side="right")) - 1, 0)
        ended = max(int(np.searchsorted(edges, until, side="left")), begun + 1)
        return edges[begun:ended], levels[begun:ended]

    def _uncovered(self, since: FloatArray, until: FloatArray) -> np.datetime64 | None:
        """First day that is asked for and not covered."""
        if self.edges is None or not since.size or not until.size:
            return None
        edges = self._knots[0]
        earliest = min(since.min(), until.min())
        latest = max(since.max(), until.max())
        if earliest < edges[0] - _ROUNDING:
            return _EPOCH + np.timedelta64(int(np.floor(earliest)), "D")
        if latest > edges[-1] + _ROUNDING:
            return np.datetime64(self.edges[-1], "us")
        return None

    def _require_cover(self, since: FloatArray, until: FloatArray) -> None:
        if (day := self._uncovered(since, until)) is not None:
            raise DataError(
                f"The calendar index does not cover {written(day)}, the first such date asked for "
                f"({self!r}). Extend it, or use CalendarIndex.monthly, which recurs every year."
            )

    def _repr_html_(self) -> str:
        import pandas as pd

        paces = pd.DataFrame({"period": self._names, "pace": self.levels})
        return as_lines(self) + first_rows(paces.head(12), len(paces))


def _days(moments: Any) -> FloatArray:
    """Days since 2000."""
    out: FloatArray = (np.asarray(moments, dtype="M8[us]") - _EPOCH) / _DAY
    return out


def _finite(times: Any) -> FloatArray:
    out = np.asarray(times, dtype=np.float64)
    if not np.isfinite(out).all():
        raise ParameterError("Times on a calendar index must be finite.")
    return out


def some(names: Sequence[str]) -> str:
    """The first of these names, for a message."""
    return f"{', '.join(names[:5])}{' and more' if len(names) > 5 else ''}"


def written(moment: Any, day: bool = False) -> str:
    """A moment as people write it; a midnight, or any moment if asked, as its day."""
    text = str(np.datetime64(moment, "us").astype("M8[m]"))
    return text[:10] if day or text.endswith("T00:00") else text.replace("T", " ")


def _require_positive(levels: Any, names: Sequence[str]) -> None:
    if bad := [
        name
        for name, level in zip(names, levels, strict=True)
        if not (np.isfinite(level) and level > 0)
    ]:
        raise DataError(
            f"Levels of a calendar index must be positive and finite: {len(bad):,} of "
            f"{len(levels):,} are not, first those of {some(bad)}. Time never stands still: give "
            "quiet periods a small level."
        )


def _mean_one(levels: Any, widths: AnyArray, names: Sequence[str]) -> tuple[float, ...]:
    _require_positive(levels, names)
    relative = np.asarray(levels, dtype=np.float64) / levels[0]  # equal levels become 1 exactly
    return tuple((relative / np.average(relative, weights=widths)).tolist())

"""Where a calendar index comes from: a frame of dated periods, or the months of a log."""

from typing import Any, Final

import numpy as np

from clvmodels._typing import AnyArray, FloatArray
from clvmodels.data import expression
from clvmodels.data.audit import count_rows, silence_at_end
from clvmodels.data.calendar import MONTHS, some, written
from clvmodels.data.conventions import Conventions, Moment, ObservationEnd
from clvmodels.data.log import open_log
from clvmodels.exceptions import DataError
from clvmodels.units import TimeUnit

_DAY: Final = np.timedelta64(1, "D")
_MONTH: Final = np.timedelta64(1, "M")
_STEPS: Final = 100
"""Most steps of a search, each of which takes a dozen at most where there are customers enough."""


def dated_levels(
    frame: Any, date: str, index: str, ends: str | None
) -> tuple[AnyArray, FloatArray]:
    """Edges of the periods, as datetime64[us], and a level for each.

    Raises
    ------
    DataError
        If the frame cannot be read, or its periods do not follow each other.
    """
    columns = _read(frame, [date, index, *([] if ends is None else [ends])])
    starts = _dates(date, columns[date])
    order = np.argsort(starts, kind="stable")
    starts = starts[order]
    if ends is None:
        until = _next_starts(date, starts)
    else:
        until = _dates(ends, columns[ends])[order].astype("M8[D]").astype("M8[us]") + _DAY
    _require_contiguous(starts, until)
    try:
        levels = np.asarray(columns[index], dtype=np.float64)[order]
    except (TypeError, ValueError) as error:
        raise DataError(f"Column {index!r} must hold numbers: {error}.") from None
    return np.append(starts, until[-1]), levels


def monthly_levels(
    transactions: Any,
    *,
    customer_id: str,
    date: str,
    observation_end: Moment | None,
    date_format: str | None,
    time_zone: str | None,
) -> FloatArray:
    """Relative pace of repeat purchases in January to December: see `CalendarIndex.from_log`."""
    by = Conventions(
        time_unit=TimeUnit.DAY,
        customer_id=customer_id,
        date=date,
        date_format=date_format,
        time_zone=time_zone,
    )
    with open_log(transactions, by) as log:
        end = None
        if observation_end is not None:
            end = ObservationEnd.parse(observation_end, by.period, log.time_zone)
        counts = count_rows(log, end)
        end = end or ObservationEnd.after(counts["last"], by.period)
        silent, usual = silence_at_end(log, end, counts)
        if silent > usual:
            raise DataError(
                f"The log ends {silent:,} days before observation_end ({end}) and was never silent "
                f"for more than {usual:,}: it is no silence of the season. End with the log, "
                f"observation_end='{counts['last']:%Y-%m-%d}'."
            )
        firsts = log.source.fetch_arrays(expression.first_purchases(log.rows, by, end))
        repeats = log.source.fetch_arrays(expression.repeats_by_month(log.rows, by, end))
    first_day = firsts["period"].astype("M8[D]")
    start = first_day.min().astype("M8[M]")
    # the month of the day after the end is the first that is not whole
    months = (np.datetime64(end.period, "D") + _DAY).astype("M8[M]") - start
    whole = int(months.astype(np.int64))
    if whole < 24:
        raise DataError(
            f"The log covers {max(whole, 0)} whole months, from {start} to "
            f"{end}. Levels of the months need two years: give a longer log, an observation_end "
            "if the last month is whole, or CalendarIndex.monthly."
        )
    at_risk = _days_at_risk(first_day, firsts["customers"], start + np.arange(whole + 1))
    bought = np.zeros((whole, whole))
    cohort, month = (
        (repeats[name].astype("M8[M]") - start).astype(np.int64) for name in ("cohort", "month")
    )
    inside = month < whole
    np.add.at(bought, (cohort[inside], month[inside]), repeats["purchases"][inside])
    cohort, month = np.nonzero(at_risk > 0)
    name = (month + start.astype(np.int64)) % 12
    silent = np.bincount(name, bought[cohort, month], minlength=12) == 0
    if silent.any():
        raise DataError(
            f"Nobody bought again in any {some([MONTHS[m] for m in np.flatnonzero(silent)])}, and "
            "time never stands still. Use CalendarIndex.monthly with a small level there."
        )
    names = (np.arange(whole) + start.astype(np.int64)) % 12
    bought, at_risk = bought[cohort, month], at_risk[cohort, month]
    levels = np.ones(12)
    for _ in range(_STEPS):  # customers age by the clock that is looked for
        pace = levels[names] / levels[names].mean()
        middle = np.cumsum(pace) - pace / 2
        before = levels
        levels = _poisson_levels(bought, at_risk, name, middle[month] - middle[cohort])
        if np.abs(levels / before - 1).max() < 1e-9:
            break
    return levels


def _days_at_risk(first_day: AnyArray, customers: AnyArray, months: AnyArray) -> FloatArray:
    """Customer-days after the day of the first purchase, by month of it and by month."""
    edges = months.astype("M8[D]")
    inside = first_day < edges[-1]
    first_day, customers = first_day[inside], customers[inside]
    cohort = (first_day.astype("M8[M]") - months[0]).astype(np.int64)
    lengths = np.diff(edges) / _DAY
    size = np.bincount(cohort, customers, minlength=len(lengths))
    left = (edges[cohort + 1] - first_day) / _DAY - 1
    own = np.bincount(cohort, customers * left, minlength=len(lengths))
    out: FloatArray = np.triu(np.outer(size, lengths), 1) + np.diag(own)
    return out


def _poisson_levels(
    bought: FloatArray, at_risk: FloatArray, name: AnyArray, age: FloatArray
) -> FloatArray:
    """Monthly levels of a Poisson regression on the month's name, ln(1 + age) and age."""
    trend = np.column_stack([np.log1p(age), age / 12])
    trend -= np.average(trend, axis=0, weights=at_risk)
    design = np.column_stack([np.eye(12)[name], trend])
    rates = np.bincount(name, bought, minlength=12) / np.bincount(name, at_risk, minlength=12)
    theta = np.append(np.log(rates), [0.0, 0.0])
    for _ in range(_STEPS):
        expected = at_risk * np.exp(design @ theta)
        score = design.T @ (bought - expected)
        step = np.linalg.lstsq(design.T @ (expected[:, None] * design), score, rcond=None)[0]
        theta = theta + step / max(1.0, np.abs(step).max())
        if np.abs(step).max() < 1e-10:
            break
    out: FloatArray = np.exp(theta[:12] - theta[:12].max())
    return out


def _read(frame: Any, names: list[str]) -> dict[str, Any]:
    import narwhals as nw

    try:
        table = nw.from_native(frame, eager_only=True)
    except TypeError:
        raise DataError(
            f"Cannot read an index from {type(frame).__name__}. Give a pandas, polars or Arrow "
            "table."
        ) from None
    if missing := [name for name in names if name not in table.columns]:
        raise DataError(
            f"The index lacks the column(s) {', '.join(missing)}; it has "
            f"{', '.join(table.columns)}. Name yours with date=, index= and ends=."
        )
    if not len(table):
        raise DataError("The index has no rows. Give one for each period.")
    for name in names:
        if getattr(table[name].dtype, "time_zone", None):
            raise DataError(f"Column {name!r} has a time zone. Give local dates without one.")
    return {name: table[name].to_numpy() for name in names}


def _dates(name: str, values: AnyArray) -> AnyArray:
    try:
        out = np.asarray(values, dtype="M8[us]")
    except (TypeError, ValueError) as error:
        raise DataError(f"Column {name!r} must hold dates: {error}.") from None
    if np.isnat(out).any():
        raise DataError(f"Column {name!r} lacks {np.isnat(out).sum():,} dates. Fill them in.")
    return out


def _next_starts(name: str, starts: AnyArray) -> AnyArray:
    """Where evenly spaced periods end: a step later, the step being the shortest there is."""
    months = starts.astype("M8[M]")
    for calendar in (months, starts):
        offset, steps = starts - calendar, np.diff(calendar)
        if len(starts) > 1 and (offset == offset[0]).all() and (steps.astype(np.int64) > 0).all():
            until: AnyArray = (calendar + steps.min()).astype("M8[us]") + offset
            return until
    raise DataError(
        f"Column {name!r} has {'one date' if len(starts) == 1 else 'a date twice'}, which does not "
        "say how long periods last. Give one row per period, and their last days with ends=."
    )


def _require_contiguous(starts: AnyArray, until: AnyArray) -> None:
    if (empty := until <= starts).any():
        first = some([written(start) for start in starts[empty]])
        raise DataError(f"Periods must not end before they begin, as those of {first} do.")
    step = starts[1:] - until[:-1]
    nothing = np.timedelta64(0, "us")
    for wrong, what, remedy in (
        (step > nothing, "leave gaps", "Add the missing rows; 1 is average."),
        (step < nothing, "overlap", "Give each day to one period."),
    ):
        if wrong.any():
            places = [
                f"{written(a)} and {written(b)}"
                for a, b in zip(starts[:-1][wrong], starts[1:][wrong], strict=True)
            ]
            raise DataError(
                f"The periods of a calendar index must follow each other: {len(places):,} of "
                f"{len(step):,} pairs {what}, first those that start on {some(places)}. {remedy}"
            )

"""A log as rows of customer, local moment and value, whatever its dates looked like."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, final

from clvmodels.data import expression
from clvmodels.data.conventions import Conventions, zone_info
from clvmodels.data.sources import Source, mixed_zones, open_source
from clvmodels.exceptions import DataError, ParameterError

_OLDEST: Final = datetime(1000, 1, 1)  # before it lie years of two digits, which ISO has not


@final
@dataclass(frozen=True, eq=False)
class Log:
    """A transaction log, ready to be queried.

    Attributes
    ----------
    source : Source
        Where the log lies.
    by : Conventions
        How it is read.
    rows : Ibis table
        customer_id, moment (local, without a zone) and, if any, value.
    time_zone : str or None
        Zone of the local clock; None if nobody said.
    dates : str
        How the dates were read, in words.
    """

    source: Source
    by: Conventions
    rows: Any
    time_zone: str | None
    dates: str


class _Zone(NamedTuple):
    """Whether dates are aware of a time zone, and which one if they name it."""

    aware: bool = False
    name: str | None = None


@contextmanager
def open_log(transactions: Any, by: Conventions) -> Iterator[Log]:
    """Find the log, check its columns, and work out the local time of each row.

    Raises
    ------
    DataError
        If the log cannot be read, lacks a column, holds amounts that are no numbers, or dates
        that are none, are ambiguous, or mix local and zoned time.
    """
    with open_source(transactions, by) as source:
        if by.value is not None and not (amounts := source.table[by.value]).type().is_numeric():
            count = source.fetch_row(source.table.aggregate(given=amounts.count()))
            if count["given"]:  # a column of nothing has no type to speak of
                raise DataError(
                    f"Column {by.value!r} holds {amounts.type()}, not numbers"
                    f"{_no_numbers(source, by, count['given'])}. Convert its amounts."
                )
        if (kind := source.table[by.customer_id].type()).is_nested():
            raise DataError(f"Column {by.customer_id!r} holds {kind}, not ids. Give one id a row.")
        own = _own_zone(source, by)
        zone = by.time_zone or own.name
        if own.aware and zone is None:
            raise DataError(
                f"The dates in {by.date!r} have offsets, but no one time zone. Say on whose clock "
                "days begin: time_zone='Europe/Berlin', say."
            )
        dates = source.table[by.date]
        engine = source.backend.name
        moment = expression.local_moment(dates, by, engine, zone if own.aware else None)
        rows = expression.read_rows(source.table, by, moment)
        yield Log(source, by, rows, zone, _in_words(own, by.time_zone))


def _no_numbers(source: Source, by: Conventions, given: int) -> str:
    """How many of the texts are no numbers, and which, where the engine can say."""
    amounts = source.table[by.value]
    if source.backend.name != "duckdb" or not amounts.type().is_string():
        return ""
    bad = amounts.notnull() & amounts.try_cast("float64").isnull()
    count, shown = _examples(source, by, amounts, bad)
    return f": {count:,} of {given:,} cannot be read, such as {shown}" if count else ""


def _examples(source: Source, by: Conventions, texts: Any, bad: Any) -> tuple[int, str]:
    """How many texts are bad, and the first of them with their customers."""
    rows = source.table.filter(bad).select(text=texts, who=source.table[by.customer_id])
    count: int = source.fetch_row(rows.aggregate(bad=rows.count()))["bad"]
    first = source.fetch_arrays(rows.limit(3))
    shown = ", ".join(f"{t!r} of customer {w}" for t, w in zip(*first.values(), strict=True))
    return count, shown


def _in_words(own: _Zone, asked: str | None) -> str:
    if own.aware and asked is not None:
        return f"Dates were taken to the clock of {asked}."
    if own.aware:
        return f"Dates are on the clock of {own.name}, the zone they came with."
    return f"Dates came without a time zone: local time{'' if asked is None else f' in {asked}'}."


def _own_zone(source: Source, by: Conventions) -> _Zone:
    kind = source.table[by.date].type()
    if kind.is_string():
        return _zone_of_texts(source, by)
    if kind.is_timestamp() and kind.timezone is not None:
        return _Zone(True, kind.timezone if _is_name(kind.timezone) else None)
    if kind.is_timestamp() or kind.is_date() or kind.is_null():
        return _Zone()
    raise DataError(
        f"Column {by.date!r} holds {kind}, not dates. Convert it to dates, or to strings with a "
        "date_format."
    )


def _zone_of_texts(source: Source, by: Conventions) -> _Zone:
    if source.backend.name == "duckdb":  # others have no cast that gives null: theirs raises
        _require_dates(source, by)
    if by.date_format is not None:
        return _Zone("%z" in by.date_format or "%Z" in by.date_format)
    texts = source.table[by.date]
    clock = texts.substr(11)  # what follows the day and its T
    count = source.fetch_row(
        source.table.aggregate(
            texts=texts.count(),
            aware=clock.re_search("[A-Za-z+-]").sum().fill_null(0),
            utc=clock.re_search(r"([Zz]|\+00(:?00)?)$").sum().fill_null(0),
        )
    )
    if 0 < count["aware"] < count["texts"]:
        raise mixed_zones(by.date, count["aware"], count["texts"])
    return _Zone(count["aware"] > 0, "UTC" if count["utc"] == count["texts"] else None)


def _require_dates(source: Source, by: Conventions) -> None:
    import ibis

    texts = source.table[by.date]
    if by.date_format is None:
        moment = texts.try_cast("timestamp")
    else:
        moment = expression.try_strptime(texts, by.date_format)
    unread = moment.isnull() | (moment < ibis.timestamp(_OLDEST))
    count, shown = _examples(source, by, texts, texts.notnull() & unread)
    if count:
        raise DataError(
            f"{count:,} date{'s' * (count > 1)} in {by.date!r} cannot be read as "
            f"{by.date_format or 'ISO dates (2024-01-31)'}, such as {shown}. "
            "Give their date_format, such as '%m/%d/%Y'."
        )


def _is_name(zone: str) -> bool:
    try:
        return not zone.startswith(("+", "-")) and zone_info(zone) is not None
    except ParameterError:
        return False

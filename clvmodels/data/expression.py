"""The summary as lazy Ibis expressions: the one place that says what a purchase is.

    rows -> observed rows -> purchases (one row per customer and period) -> customers -> summary

Nothing here executes. The same expressions run on embedded DuckDB, on a warehouse behind an Ibis
table, and are printed as SQL.
"""

from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

import numpy as np

from clvmodels.data.calendar import CalendarIndex
from clvmodels.data.conventions import Conventions, ObservationEnd
from clvmodels.exceptions import DataError
from clvmodels.units import TimeUnit

ROUNDING: Final = 1e-9
"""What is left of a purchase after refunds is rounding, not money, below this share of it."""


def read_rows(table: Any, by: Conventions, moment: Any) -> Any:
    """Rows with the columns customer_id, moment (local) and, if any, value, kept_0, kept_1, ...

    Missing ids and amounts are null, whatever the engine made of NaN.
    """
    columns = {"customer_id": _nan_to_null(table[by.customer_id]), "moment": moment}
    if by.value is not None:
        columns["value"] = _nan_to_null(table[by.value]).cast("float64")
    for k, name in enumerate(by.keep):
        columns[f"kept_{k}"] = _nan_to_null(table[name])
    return table.select(**columns)


def local_moment(column: Any, by: Conventions, backend: str, aware_zone: str | None) -> Any:
    """Date column as timestamps of the local clock, without a time zone.

    `aware_zone` is the zone to bring aware dates to; None if the dates are naive.
    """
    if column.type().is_string():
        if by.date_format is not None:
            column = column.as_timestamp(by.date_format)
            if aware_zone is None:
                column = column.cast("timestamp")
        else:
            column = column.cast("timestamp" if aware_zone is None else "timestamp('UTC')")
    if aware_zone is not None:
        return _to_local(column, aware_zone, backend)
    return column if column.type().is_timestamp() else column.cast("timestamp")


def span(rows: Any) -> dict[str, Any]:
    """Aggregates of the rows that can be used: the first moment, and the last."""
    keyed = rows.customer_id.notnull() & rows.moment.notnull()
    return {
        "first": rows.moment.min(where=keyed).cast("timestamp(6)"),
        "last": rows.moment.max(where=keyed).cast("timestamp(6)"),
    }


def is_observed(moment: Any, end: ObservationEnd) -> Any:
    """Whether a moment does not lie after the end."""
    import ibis

    limit = ibis.timestamp(end.limit)
    return moment <= limit if end.inclusive else moment < limit


def observed(rows: Any, by: Conventions, end: ObservationEnd) -> Any:
    """Rows with an id and a date, up to the end, less those that a policy drops."""
    keep = [rows.customer_id.notnull(), is_observed(rows.moment, end)]
    if by.value is not None:
        if by.missing_value == "drop":
            keep.append(rows.value.notnull())
        if by.refunds == "drop":
            keep.append(rows.value >= 0)
        if by.zero_value == "drop":
            keep.append(rows.value != 0)
    return rows.filter(*keep)


def periods(rows: Any, by: Conventions, end: ObservationEnd, *, opened: bool = False) -> Any:
    """One row per customer and period observed, with its value and, if asked, its first moment.

    Where refunds are netted, `value` is what is left of the period's purchases, `is_offer` and
    `is_purchase` say whether it held one before and after refunds, and `balance` is negative where
    refunds exceed what had been bought, in all `bought`.
    """
    seen = observed(rows, by, end)
    hourly = by.period is TimeUnit.HOUR
    period = seen.moment.truncate("h") if hourly else seen.moment.date()
    measures = {"opened": seen.moment.min()} if opened else {}
    if by.nets:
        measures["bought"] = seen.value.sum(where=seen.value > 0).fill_null(0.0)
        measures["refunded"] = seen.value.sum(where=seen.value < 0).fill_null(0.0)
    elif by.value is not None:
        measures["value"] = seen.value.sum()
    grouped = seen.group_by("customer_id", period=period).agg(**measures)
    return _net(grouped, by) if by.nets else grouped


def purchases(rows: Any, by: Conventions, end: ObservationEnd, *, opened: bool = False) -> Any:
    """Periods that hold a purchase, after refunds."""
    held = periods(rows, by, end, opened=opened)
    return held.filter(held.is_purchase) if by.nets else held


def summary(
    rows: Any,
    by: Conventions,
    end: ObservationEnd,
    backend: str,
    first: datetime | None = None,
) -> Any:
    """One row per customer: customer_id, frequency, recency, T and, if any, monetary_value, litt.

    Times are the calendar's, but litt is by the clock of `by.calendar`, which then needs to know
    when the `first` purchase was made.
    """
    bought = purchases(rows, by, end)
    if by.litt:
        bought = _with_gaps(bought, by, end, first)
    measures = {
        "purchases": bought.count(),
        "first_period": bought.period.min(),
        "last_period": bought.period.max(),
    }
    if by.value is not None:
        measures["total"] = bought.value.sum()
        if not by.include_first_value:
            measures["first_value"] = _value_at_first(bought.value, bought.period, backend)
    if by.litt:
        measures["litt"] = bought.gap.ln().sum().fill_null(0.0)
    one = bought.group_by("customer_id").agg(**measures)
    last = _period_literal(end.period, by)
    columns = {
        "customer_id": one.customer_id,
        "frequency": one.purchases - 1,
        "recency": _in_units(one.last_period, one.first_period, by),
        "T": _in_units(last, one.first_period, by),
    }
    if by.value is not None:
        columns["monetary_value"] = (
            one.total / one.purchases
            if by.include_first_value
            else (one.total - one.first_value) / (one.purchases - 1).nullif(0)
        )
    if by.litt:
        columns["litt"] = one.litt
    return one.select(**columns).order_by("customer_id")


def holdout(rows: Any, by: Conventions, cutoff: ObservationEnd, end: ObservationEnd) -> Any:
    """Purchases between the cutoff and the end: periods whose first row lies after the cutoff.

    Refunds count up to the end. One that takes back a purchase from before the cutoff changes
    nothing here: at the cutoff, nobody could know.
    """
    bought = purchases(rows, by, end, opened=True)
    return bought.filter(~is_observed(bought.opened, cutoff))


def kept(rows: Any, by: Conventions, end: ObservationEnd) -> Any:
    """The least and the greatest value of each column to keep, per customer.

    In columns least_0, greatest_0, least_1, ...; rows without a value say nothing.
    """
    seen = observed(rows, by, end)
    measures: dict[str, Any] = {}
    for k in range(len(by.keep)):
        measures |= {
            f"least_{k}": seen[f"kept_{k}"].min(),
            f"greatest_{k}": seen[f"kept_{k}"].max(),
        }
    return seen.group_by("customer_id").agg(**measures)


def per_customer(bought: Any, by: Conventions) -> Any:
    """How many of these purchases each customer made and, if there are values, their sum."""
    measures = {"purchases": bought.count()}
    if by.value is not None:
        measures["value"] = bought.value.sum()
    return bought.group_by("customer_id").agg(**measures)


def per_period(bought: Any) -> Any:
    """How many of these purchases were made in each period."""
    return bought.group_by("period").agg(purchases=bought.count()).order_by("period")


def first_purchases(rows: Any, by: Conventions, end: ObservationEnd) -> Any:
    """How many customers first bought in each period."""
    bought = purchases(rows, by, end)
    one = bought.group_by("customer_id").agg(period=bought.period.min())
    return one.group_by("period").agg(customers=one.count())


def repeats_by_month(rows: Any, by: Conventions, end: ObservationEnd) -> Any:
    """Repeat purchases in each month, by the month of the customer's first purchase."""
    import ibis

    bought = purchases(rows, by, end)
    first = bought.period.min().over(ibis.window(group_by="customer_id"))
    dated = bought.select("period", first=first)
    repeats = dated.filter(dated.period > dated.first)
    months = {"cohort": repeats.first.truncate("M"), "month": repeats.period.truncate("M")}
    return repeats.group_by(**months).agg(purchases=repeats.count())


def last_two_gaps(rows: Any, by: Conventions, end: ObservationEnd) -> Any:
    """Times between the last three purchases of each customer who made as many."""
    import ibis

    bought = purchases(rows, by, end)
    backwards = ibis.window(group_by="customer_id", order_by=ibis.desc("period"))
    placed = bought.select(
        "period",
        place=ibis.row_number().over(backwards),
        before=bought.period.lead(1).over(backwards),
        earlier=bought.period.lead(2).over(backwards),
    )
    last = placed.filter(placed.place == 0, placed.earlier.notnull())
    return last.select(
        last=_in_units(last.period, last.before, by),
        earlier=_in_units(last.before, last.earlier, by),
    )


def longest_silence(rows: Any, by: Conventions, end: ObservationEnd) -> Any:
    """How many periods at most went by from one period with purchases to the next."""
    import ibis

    days = per_period(purchases(rows, by, end))
    before = days.period.lag().over(ibis.window(order_by=days.period))
    gaps = days.select(gap=days.period.delta(before, unit=by.period.value))
    return gaps.aggregate(longest=gaps.gap.max().fill_null(0))


def refund_audit(rows: Any, by: Conventions, end: ObservationEnd) -> Any:
    """Purchases and customers there were before refunds, and customers with refunds left over."""
    held = periods(rows, by, end)
    one = held.group_by("customer_id").agg(
        offers=held.is_offer.sum(),
        short=held.balance.min() < -ROUNDING * held.bought.sum(),
    )
    return one.aggregate(
        offers=one.offers.sum(),
        customers=(one.offers > 0).sum(),
        short=one.short.sum(),
    )


def _in_units(later: Any, earlier: Any, by: Conventions) -> Any:
    elapsed = later.delta(earlier, unit=by.period.value).cast("float64")
    return elapsed if by.period is by.time_unit else elapsed / by.periods_per_unit


def _with_gaps(bought: Any, by: Conventions, end: ObservationEnd, first: datetime | None) -> Any:
    """Purchases with the time since the customer's one before: `gap`, null at the first."""
    import ibis

    in_order = ibis.window(group_by="customer_id", order_by="period")
    gap = _in_units(bought.period, bought.period.lag().over(in_order), by)
    if by.calendar is not None and first is not None:
        bought = bought.mutate(gained=_gained(bought.period, by, by.calendar, first, end))
        gap = gap + bought.gained - bought.gained.lag().over(in_order)
    return bought.mutate(gap=gap)


def _gained(
    period: Any, by: Conventions, calendar: CalendarIndex, first: datetime, end: ObservationEnd
) -> Any:
    """By how much the seasonal clock has gained on the calendar since the first day of the log.

    Its pace is constant between changes, so that this is a sum of max(age - change, 0), each
    weighted with the change of pace.
    """
    import ibis

    start = first.replace(hour=0, minute=0, second=0, microsecond=0)
    at, paces = calendar.paces(start, (end.period - start) / timedelta(days=1))
    age = _in_units(period, _period_literal(start, by), by)
    terms = [
        ibis.greatest(age - change, 0.0) * step
        for change, step in zip(
            (at / by.time_unit.days).tolist(), np.diff(paces, prepend=1.0).tolist(), strict=True
        )
    ]
    while len(terms) > 1:  # as a tree, since engines limit how deep an expression may be
        terms = [sum(terms[i + 1 : i + 2], terms[i]) for i in range(0, len(terms), 2)]
    return terms[0]


def _period_literal(moment: datetime, by: Conventions) -> Any:
    import ibis

    return ibis.timestamp(moment) if by.period is TimeUnit.HOUR else ibis.date(moment.date())


def _net(held: Any, by: Conventions) -> Any:
    """Set refunds against purchases; `refunded` is zero or negative."""
    held = held.mutate(balance=held.bought + held.refunded)
    held = held.mutate(value=held.balance)
    if by.refunds == "net":
        held = _taken_back(held)
    free = (held.bought == 0) & (held.refunded == 0)  # nothing to give back
    left = (held.bought > 0) & (held.value > ROUNDING * held.bought)
    return held.mutate(is_offer=free | (held.bought > 0), is_purchase=free | left)


def _taken_back(held: Any) -> Any:
    """Give each refund back to the latest purchases before it, last in, first out.

    With the running balance P_i and its lowest later value m_i = min(P_i, P_i+1, ...), refunds from
    i on demand D_i = max(0, P_i-1 - m_i) of what was bought before i, so that a purchase v_i keeps
    v_i + D_i - D_i+1.
    """
    import ibis

    running = ibis.window(group_by="customer_id", order_by="period", preceding=None, following=0)
    later = ibis.window(group_by="customer_id", order_by="period", following=(1, None))
    held = held.mutate(balance=held.value.sum().over(running))
    held = held.mutate(lowest=held.balance.min().over(later).fill_null(held.balance))
    owed = ibis.greatest(0.0, held.balance - held.value - ibis.least(held.balance, held.lowest))
    owed_later = ibis.greatest(0.0, held.balance - held.lowest)
    return held.mutate(value=held.value + owed - owed_later)


def _nan_to_null(column: Any) -> Any:
    import ibis

    if not column.type().is_floating():
        return column
    return ibis.ifelse(column.isnan(), ibis.null(), column)


def _value_at_first(value: Any, period: Any, backend: str) -> Any:
    # Ibis sorts every group for argmin on DuckDB; the engine's own min_by takes half the time
    return _min_by(period.type())(value, period) if backend == "duckdb" else value.argmin(period)


@cache
def _min_by(period_type: Any) -> Any:
    import ibis

    def min_by(value: Any, by: Any) -> Any: ...

    return ibis.udf.agg.builtin(min_by, signature=(("float64", period_type), "float64"))


_TO_LOCAL: Final = {  # per engine: function, whether the zone comes first, and what it returns
    "duckdb": ("timezone", True, "timestamp"),
    "postgres": ("timezone", True, "timestamp"),
    "bigquery": ("datetime", False, "timestamp"),
    "snowflake": ("convert_timezone", True, "timestamp('UTC')"),
    "databricks": ("convert_timezone", True, "timestamp"),
    "pyspark": ("convert_timezone", True, "timestamp"),
}


def _to_local(column: Any, zone: str, backend: str) -> Any:
    if backend not in _TO_LOCAL:
        raise DataError(
            f"Dates with a time zone cannot be brought to {zone} on {backend}. "
            "Turn them into local timestamps without a zone first."
        )
    _, zone_first, returns = _TO_LOCAL[backend]
    function = _local_function(backend, column.type())
    local = function(zone, column) if zone_first else function(column, zone)
    return local if returns == "timestamp" else local.cast("timestamp")


@cache
def _local_function(backend: str, column_type: Any) -> Any:
    import ibis

    def to_local(first: Any, second: Any) -> Any: ...

    name, zone_first, returns = _TO_LOCAL[backend]
    arguments = ("string", column_type) if zone_first else (column_type, "string")
    return ibis.udf.scalar.builtin(to_local, name=name, signature=(arguments, returns))


@cache
def _try_strptime() -> Any:
    import ibis

    def try_strptime(text: Any, pattern: Any) -> Any: ...

    return ibis.udf.scalar.builtin(try_strptime, signature=(("string", "string"), "timestamp"))


def try_strptime(texts: Any, pattern: str) -> Any:
    """Timestamps by a strptime pattern, null where it does not fit; DuckDB only."""
    return _try_strptime()(texts, pattern)

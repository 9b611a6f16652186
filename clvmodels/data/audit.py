"""Counting what a log holds and what becomes of it, and refusing what a policy refuses."""

from datetime import timedelta
from math import floor, inf, log10
from typing import Any, Final

from clvmodels.data import expression
from clvmodels.data.conventions import Conventions, ObservationEnd
from clvmodels.data.log import Log
from clvmodels.data.quality import Amounts, DataReport
from clvmodels.exceptions import DataError

_LOST: Final = ("null_ids", "null_dates", "after_end")


def count_rows(log: Log, end: ObservationEnd | None) -> dict[str, Any]:
    """Count the rows by what is wrong with them, in one pass, and apply the policies.

    With a value column, the amounts of rows are added up in the same pass.

    Raises
    ------
    DataError
        If no row can be used, or a policy forbids what is there.
    """
    rows = log.rows
    keyed = rows.customer_id.notnull() & rows.moment.notnull()
    inside = keyed if end is None else keyed & expression.is_observed(rows.moment, end)
    flags = {
        "null_ids": rows.customer_id.isnull(),
        "null_dates": rows.customer_id.notnull() & rows.moment.isnull(),
        "inside": inside,
    }
    if end is not None:
        flags["after_end"] = keyed & ~inside
    if log.by.value is not None:
        flags |= {
            "infinite": inside & rows.value.isinf(),
            "missing": inside & rows.value.isnull(),
            "zero": inside & (rows.value == 0),
            "refunds": inside & (rows.value < 0),
        }
    query = rows.aggregate(
        rows_read=rows.count(),
        **expression.span(rows),
        **{name: flag.sum().fill_null(0) for name, flag in flags.items()},
        **_sums(log, flags),
    )
    counts = log.source.fetch_row(query)
    _apply_policies(log, end, counts, flags)
    return counts


def _sums(log: Log, flags: dict[str, Any]) -> dict[str, Any]:
    """Sums of the amounts of rows, of no more than the policies leave to tell."""
    import ibis

    if log.by.value is None:
        return {}
    value, used = log.rows.value, flags["inside"]
    # infinite amounts in rows that are used are refused
    summed: dict[str, Any] = {name: flags[name] & ~value.isinf() for name in _LOST if name in flags}
    if log.by.refunds != "error":
        summed["refunds"] = flags["refunds"]
    if log.by.refunds == "drop":
        used = used & (value >= 0)
    summed["used"] = used
    return {  # DuckDB adds up a column with gaps in half the time of a filtered one
        f"{name}_amount": ibis.ifelse(rows, value, ibis.null()).sum().fill_null(0.0)
        for name, rows in summed.items()
    }


def silence_at_end(log: Log, end: ObservationEnd, counts: dict[str, Any]) -> tuple[int, int]:
    """Periods without any purchase up to the end, and the longest such silence before.

    A log that is silent for longer than ever has ended, rather than its customers.
    """
    if not end.includes(counts["last"]):
        return 0, 0
    period = log.by.period
    reached = ObservationEnd.after(counts["last"], period).period
    silent = max((end.period - reached) // timedelta(days=period.days), 0)
    if not silent:
        return 0, 0
    usual = log.source.fetch_row(expression.longest_silence(log.rows, log.by, end))["longest"]
    return silent, max(usual, 1)


def _apply_policies(
    log: Log, end: ObservationEnd | None, counts: dict[str, Any], flags: dict[str, Any]
) -> None:
    by = log.by
    if not counts["rows_read"]:
        raise DataError(f"{log.source.name} is empty: it has no rows.")
    if by.missing_keys == "error" and (n := counts["null_ids"] + counts["null_dates"]):
        raise DataError(
            f"{n:,} of {counts['rows_read']:,} rows have no customer id or no date. "
            "Fill them in, or use missing_keys='drop'."
        )
    if counts["first"] is None:
        raise DataError(f"No row of {log.source.name} has both a customer id and a date.")
    if end is not None and not counts["inside"]:
        raise DataError(
            f"The end ({end}) lies before the first purchase, {counts['first']:%Y-%m-%d %H:%M}. "
            f"The log runs to {counts['last']:%Y-%m-%d %H:%M}."
        )
    for name, refused, rule, remedy in (
        ("infinite", True, "have an infinite amount", "Correct them."),
        (
            "missing", by.missing_value == "error", "have no amount",
            "Fill them in, or use missing_value='drop'.",
        ),
        (
            "refunds", by.refunds == "error", "have a negative amount",
            "Say what refunds do: refunds='drop' ignores them, 'net_same_period' sets them against "
            "the same period's purchases, 'net' against the customer's latest purchases.",
        ),
        (
            "zero", by.zero_value == "error", "have the amount zero",
            "Use zero_value='keep' to count them as purchases, or 'drop'.",
        ),
    ):  # fmt: skip
        if refused and counts.get(name):
            bad = log.rows.filter(flags[name]).group_by("customer_id").agg(rows=lambda t: t.count())
            first = log.source.fetch_arrays(bad.order_by("customer_id").limit(5))["customer_id"]
            raise DataError(
                f"{counts[name]:,} of {counts['inside']:,} rows {rule}, first of customers "
                f"{', '.join(map(str, first.tolist()))}. {remedy}"
            )


def account_for(
    log: Log, end: ObservationEnd, counts: dict[str, Any], purchases: int, customers: int
) -> DataReport:
    """Report of a summary with so many purchases and customers."""
    by = log.by
    missing = counts.get("missing", 0)  # a policy has refused them, or they are dropped
    refunds = counts.get("refunds", 0)
    zero = counts.get("zero", 0) if by.zero_value == "drop" else 0
    dropped = refunds if by.refunds == "drop" else 0
    used = counts["inside"] - missing - zero - dropped
    netted: dict[str, int] = {}
    offers = purchases
    if by.nets:
        found = log.source.fetch_row(expression.refund_audit(log.rows, by, end))
        offers = found["offers"]
        netted = {
            "refunds_netted": refunds,
            "purchases_taken_back": offers - purchases,
            "refunds_unmatched": found["short"],
            "customers_refunded": found["customers"] - customers,
        }
    return DataReport(
        rows_read=counts["rows_read"],
        null_ids=counts["null_ids"],
        null_dates=counts["null_dates"],
        after_end=counts.get("after_end", 0),  # without an end, nothing lies after it
        missing_amounts=missing,
        zero_amounts=zero,
        refunds_dropped=dropped,
        rows_used=used,
        merged=used - netted.get("refunds_netted", 0) - offers,
        customers=customers,
        purchases=purchases,
        period=by.period.value,
        conventions=(log.dates, *by.in_words()),
        amounts=None if by.value is None else _amounts(by, counts),
        **netted,
    )


def _amounts(by: Conventions, counts: dict[str, Any]) -> Amounts:
    refunds, used = counts.get("refunds_amount", 0.0), counts["used_amount"]
    lost = {name: counts.get(f"{name}_amount", 0.0) for name in _LOST}
    lost["refunds_dropped"] = refunds if by.refunds == "drop" else 0.0
    sums = {
        "rows_read": used + sum(lost.values()),
        **lost,
        "rows_used": used,
        "refunds_netted": refunds if by.nets else 0.0,
    }
    largest = max(map(abs, sums.values()))
    places = 11 - floor(log10(largest)) if 0 < largest < inf else 0  # what is beyond is rounding
    return Amounts(**{name: round(amount, places) + 0.0 for name, amount in sums.items()})

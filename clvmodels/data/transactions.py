"""From a transaction log to the summary, with every row accounted for."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from clvmodels._typing import AnyArray, FloatArray
from clvmodels.data import expression
from clvmodels.data.audit import account_for, count_rows
from clvmodels.data.calendar import CalendarIndex
from clvmodels.data.columns import require
from clvmodels.data.conventions import (
    Conventions,
    MissingKeys,
    MissingValue,
    Moment,
    ObservationEnd,
    Refunds,
    ZeroValue,
)
from clvmodels.data.log import Log, open_log
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import DataError
from clvmodels.units import TimeUnit


def rfm_summary(
    transactions: Any,
    *,
    time_unit: TimeUnit | str,
    customer_id: str = "customer_id",
    date: str = "date",
    value: str | None = None,
    observation_end: Moment | None = None,
    date_format: str | None = None,
    time_zone: str | None = None,
    refunds: Refunds = "error",
    zero_value: ZeroValue = "keep",
    missing_value: MissingValue = "error",
    missing_keys: MissingKeys = "drop",
    include_first_value: bool = False,
    litt: bool = False,
    calendar: CalendarIndex | None = None,
    keep: Sequence[str] = (),
) -> RFMSummary:
    """Summarise a transaction log: repeat purchases, recency, age and mean value per customer.

    Purchases of one customer on one day (in one hour, in hourly units) are one purchase, worth
    their total. The first purchase is not counted. The log is read once or twice by an embedded
    engine, or where it lies if it is an Ibis table, and is never changed.

    Parameters
    ----------
    transactions : pandas, polars or Arrow table, Ibis table, or path
        One row per transaction or line item, in any order. A path names a Parquet or CSV file, or
        several by a pattern such as ``"orders/*.parquet"``.
    time_unit : TimeUnit or str
        Unit of recency and T: "hour", "day", "week", "month", "quarter" or "year".
    customer_id, date : str
        Column names.
    value : str, optional
        Column with the amount of each row; without it the summary has no monetary_value.
    observation_end : date, datetime or str, optional
        A day ("1997-09-30") is included wholly. An instant ("1997-09-30 18:00", any datetime or
        Timestamp) leaves out what came later. By default the day (or hour) of the last purchase.
    date_format : str, optional
        strptime pattern of dates given as text; ISO dates need none.
    time_zone : str, optional
        On whose clock days begin, such as "Europe/Berlin". Dates with a zone are taken to it;
        dates without one are already on it.
    refunds : {"error", "drop", "net_same_period", "net"}
        Negative amounts: refuse them; ignore them; set them against the same day's purchases; or
        let each take back the customer's most recent purchases, last in, first out. A purchase
        wholly taken back is none, and a customer with none left is dropped and counted.
    zero_value : {"keep", "drop", "error"}
        Rows of amount zero.
    missing_value : {"error", "drop"}
        Rows without an amount.
    missing_keys : {"drop", "error"}
        Rows without a customer id or a date.
    include_first_value : bool
        Count the first purchase into monetary_value, which one-time buyers then have too.
    litt : bool
        Add up the logarithms of the times between purchases, which the (M)BG/CNBD-k models need to
        see how regular they are. It takes a sort of the log.
    calendar : CalendarIndex, optional
        Count recency, T and litt in operational time, by a clock that runs faster in season, so
        that a fit sees through the seasons. Purchases are still merged by calendar day (or hour).
    keep : sequence of str
        Further columns of the log to have in the summary: what says something of the customer
        (segment, market, channel), the same in all of a customer's rows. Rows without a value say
        nothing; a customer with none has none.

    Returns
    -------
    RFMSummary
        Rows sorted by customer id; its ``report`` counts all that was merged or dropped.

    Raises
    ------
    DataError
        If the log cannot be read or breaks a rule above; the text says how often and what to do. If
        a dated `calendar` does not cover the log, or a customer has two values in a column to keep.
    ParameterError
        If a policy or time zone is unknown, `calendar` is no CalendarIndex, or `keep` names a
        column that the summary is made of.

    References
    ----------
    Fader, Hardie and Lee (2005), Marketing Science 24(2), 275-284: section 3 for (x, t_x, T).
    Fader and Hardie (2013), The Gamma-Gamma Model of Monetary Value, note 025, for the mean value.

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame({"customer_id": [7, 7, 7, 8], "date": pd.to_datetime(
    ...     ["2024-01-01", "2024-01-15", "2024-01-15", "2024-01-08"]), "value": [9.0, 4, 6, 5]})
    >>> rfm = rfm_summary(log, time_unit="week", value="value", observation_end="2024-01-29")
    >>> rfm.frequency, rfm.recency, rfm.T, rfm.monetary_value
    (array([1., 0.]), array([2., 0.]), array([4., 3.]), array([10., nan]))
    >>> rfm.report.merged
    1
    """
    by = Conventions(
        time_unit=TimeUnit.parse(time_unit),
        customer_id=customer_id,
        date=date,
        value=value,
        date_format=date_format,
        time_zone=time_zone,
        refunds=refunds,
        zero_value=zero_value,
        missing_value=missing_value,
        missing_keys=missing_keys,
        include_first_value=include_first_value,
        litt=litt,
        calendar=calendar,
        keep=keep,
    )
    with open_log(transactions, by) as log:
        end = None
        if observation_end is not None:
            end = ObservationEnd.parse(observation_end, by.period, log.time_zone)
        return summarize(log, end)


def summarize(log: Log, end: ObservationEnd | None) -> RFMSummary:
    """Summary of an open log up to `end`, or to its last purchase."""
    return in_own_time(*observe(log, end), log.by)


def observe(log: Log, end: ObservationEnd | None) -> tuple[RFMSummary, FloatArray | None]:
    """Summary in calendar time and without litt; and litt, by the clock that was asked for."""
    counts = count_rows(log, end)
    if end is None:
        end = ObservationEnd.after(counts["last"], log.by.period)
        ends = f"Observation ends with the last purchase, {end}: no other end was given."
    else:
        ends = f"Observation ends with {end}."
    query = expression.summary(log.rows, log.by, end, log.source.backend.name, counts["first"])
    columns = log.source.fetch_arrays(query)
    customers = len(columns["customer_id"])
    if not customers:
        raise DataError("No purchase is left once refunds and dropped rows are taken out.")
    purchases = int(columns["frequency"].sum()) + customers
    report = account_for(log, end, counts, purchases, customers)
    summary = RFMSummary(
        customer_id=columns["customer_id"],
        frequency=columns["frequency"],
        recency=columns["recency"],
        T=columns["T"],
        monetary_value=columns.get("monetary_value"),
        time_unit=log.by.time_unit,
        observation_end=end.period,
        time_zone=log.time_zone,
        first_value_included=log.by.include_first_value,
        report=replace(report, conventions=(ends, *report.conventions)),
        columns=_kept(log, end, columns["customer_id"]),
    )
    return summary, columns.get("litt")


def _kept(log: Log, end: ObservationEnd, customers: AnyArray) -> dict[str, AnyArray]:
    """The columns to keep, of these customers."""
    if not log.by.keep:
        return {}
    import pandas as pd

    found = log.source.fetch_arrays(expression.kept(log.rows, log.by, end))
    place = pd.Index(found["customer_id"]).get_indexer(pd.Index(customers))
    columns = {}
    for k, name in enumerate(log.by.keep):
        least, greatest = (pd.Series(found[f"{side}_{k}"][place]) for side in ("least", "greatest"))
        one = ((least == greatest) | least.isna()).to_numpy()
        rule = f"{name} must have one value for each customer to be kept"
        require(customers, one, rule, "Settle on one value each in the log, such as the first.")
        columns[name] = least.to_numpy()
    return columns


def in_own_time(summary: RFMSummary, litt: FloatArray | None, by: Conventions) -> RFMSummary:
    """What `observe` gives, by the clock that was asked for, with litt."""
    if by.calendar is not None:
        summary = summary.in_operational_time(by.calendar)
    return summary if litt is None else replace(summary, litt=litt)

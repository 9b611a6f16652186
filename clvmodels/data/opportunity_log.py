"""From a transaction log and a calendar of opportunities to the summary of who used them."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from clvmodels.data.conventions import (
    Conventions,
    MissingKeys,
    MissingValue,
    Moment,
    ObservationEnd,
    Refunds,
    ZeroValue,
)
from clvmodels.data.opportunities import OpportunitySummary
from clvmodels.exceptions import DataError, UnitError, rule_broken
from clvmodels.units import Horizon, TimeUnit

if TYPE_CHECKING:
    import pandas as pd

    from clvmodels.data.log import Log

_PERIODS: Final = {  # pandas' names of calendar periods; weeks begin on Monday
    TimeUnit.DAY: "D",
    TimeUnit.WEEK: "W-SUN",
    TimeUnit.MONTH: "M",
    TimeUnit.QUARTER: "Q",
    TimeUnit.YEAR: "Y",
}
_UNEVEN: Final = 1.5  # times the usual distance: one opportunity must have been left out
_ABOUT: Final = 0.05  # by which a mean distance may miss a calendar unit: Februaries are short


def opportunity_summary(
    transactions: Any,
    opportunities: Any,
    *,
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
) -> OpportunitySummary:
    """Summarise a transaction log by the opportunities that customers had and used.

    A customer's opportunities begin after the one of the first purchase. Several purchases within
    one opportunity are one, worth their total.

    Parameters
    ----------
    transactions : pandas, polars or Arrow table, Ibis table, or path
        One row per transaction or line item, in any order; see `rfm_summary`.
    opportunities : str or list of dates
        "day", "week", "month", "quarter" or "year" for the periods of the calendar (weeks begin
        on Monday), or the first day of each opportunity in order. Each lasts until the next
        begins, the last one of a list until the end of observation; a purchase belongs to the
        opportunity it falls in.
    customer_id, date : str
        Column names.
    value : str, optional
        Column with the amount of each row; without it the summary has no monetary_value.
    observation_end : date, datetime or str, optional
        Calendar periods count if they are over by then; purchases after the last of them are left
        out. By default the period of the last purchase is taken to be over.
    date_format, time_zone, refunds, zero_value, missing_value, missing_keys
        As in `rfm_summary`.

    Returns
    -------
    OpportunitySummary
        Rows sorted by customer id; its ``report`` counts all that was merged or dropped.

    Raises
    ------
    DataError
        If the log cannot be read or breaks a rule, or the opportunities are not in order, leave a
        gap, or begin after some purchases.
    ParameterError
        If a policy or time zone is unknown.
    UnitError
        If `opportunities` names no calendar period.

    References
    ----------
    Fader, Hardie and Shang (2010), Marketing Science 29(6), 1086-1108: section 2 for (x, t_x, n).

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame({"customer_id": [7, 7, 7, 8], "date": pd.to_datetime(
    ...     ["1995-03-01", "1996-05-01", "1996-06-01", "1997-02-01"])})
    >>> given = opportunity_summary(log, "year", observation_end="1998-12-31")
    >>> given.frequency, given.recency, given.opportunities, given.report.merged
    (array([1., 0.]), array([1., 0.]), array([3., 1.]), 1)
    """
    from clvmodels.data.log import open_log

    by = Conventions(
        time_unit=TimeUnit.DAY,
        customer_id=customer_id,
        date=date,
        value=value,
        date_format=date_format,
        time_zone=time_zone,
        refunds=refunds,
        zero_value=zero_value,
        missing_value=missing_value,
        missing_keys=missing_keys,
    )
    unit = _calendar_unit(opportunities) if isinstance(opportunities, str) else None
    starts = None if unit else _days(opportunities)
    with open_log(transactions, by) as log:
        end = None
        if observation_end is not None:
            end = ObservationEnd.parse(observation_end, by.period, log.time_zone)
        return _summarize(log, end, unit, starts)


def _summarize(
    log: "Log", end: ObservationEnd | None, unit: TimeUnit | None, starts: "pd.DatetimeIndex | None"
) -> OpportunitySummary:
    from clvmodels.data import expression
    from clvmodels.data.audit import account_for, count_rows

    given = end is not None
    if unit is not None and end is not None:
        end = _whole_periods(end, unit)
    counts = count_rows(log, end)
    if end is None:
        end = ObservationEnd.after(counts["last"], log.by.period)
        end = end if unit is None else _period_of(end, unit)
    if unit is not None:
        starts = _calendar(counts["first"], end, unit)
    assert starts is not None  # a list of days otherwise
    every = _spacing(starts, end) if unit is None else Horizon(1, unit)
    query = expression.purchases(log.rows, log.by, end)
    purchases = log.source.fetch(query).to_pandas()
    if purchases.empty:
        raise DataError("No purchase is left once refunds and dropped rows are taken out.")
    table = _per_customer(purchases, starts, has_value=log.by.value is not None)
    used = int(table["frequency"].sum()) + len(table)
    report = account_for(log, end, counts, len(purchases), len(table))
    return OpportunitySummary(
        customer_id=table.index.to_numpy(),
        frequency=table["frequency"].to_numpy(),
        recency=table["recency"].to_numpy(),
        opportunities=table["opportunities"].to_numpy(),
        every=every,
        monetary_value=table["monetary_value"].to_numpy() if log.by.value is not None else None,
        observation_end=end.period,
        report=replace(
            report,
            merged=report.merged + len(purchases) - used,
            purchases=used,
            period="opportunity",
            conventions=(
                f"{len(starts):,} opportunities from {starts[0]:%Y-%m-%d}, every {every}; "
                + ("the last is over with " if given else "the last is taken to be over with ")
                + f"{end.period:%Y-%m-%d}.",
                log.dates,
                "Purchases of one customer at one opportunity are one purchase; "
                "the opportunity of the first purchase is not counted.",
                *_amounts_in_words(log.by),
            ),
        ),
    )


def _amounts_in_words(by: Conventions) -> list[str]:
    if by.value is None:
        return []
    mean = "monetary_value is the mean of the totals of opportunities used, the first left out."
    return [mean, *by.in_words()[2:]]


def _per_customer(
    purchases: "pd.DataFrame", starts: "pd.DatetimeIndex", has_value: bool
) -> "pd.DataFrame":
    """Frequency, recency, opportunities and mean value, by customer id."""
    import pandas as pd

    days = pd.to_datetime(purchases["period"])
    place = starts.searchsorted(days, side="right") - 1
    if (place < 0).any():
        early = purchases["customer_id"][place < 0]
        raise DataError(
            rule_broken(
                f"purchases must not come before the first opportunity, {starts[0]:%Y-%m-%d}",
                early.nunique(),
                purchases["customer_id"].nunique(),
                early.drop_duplicates().head(5).tolist(),
                "The opportunity of a first purchase belongs to the list too: begin it earlier.",
            )
        )
    keys = pd.DataFrame({"customer_id": purchases["customer_id"], "place": place})
    keys["value"] = purchases["value"] if has_value else 0.0
    used = keys.groupby(["customer_id", "place"], observed=True)["value"].sum().reset_index("place")
    first = used.groupby(level=0)["place"].transform("min")
    repeat = used["value"].where(used["place"] > first)
    by_customer = used["place"].groupby(level=0)
    out = pd.DataFrame(
        {
            "frequency": by_customer.size() - 1,
            "recency": by_customer.max() - by_customer.min(),
            "opportunities": len(starts) - 1 - by_customer.min(),
            "monetary_value": repeat.groupby(level=0).mean(),
        }
    )
    return out.sort_index()


def _calendar_unit(name: str) -> TimeUnit:
    unit = TimeUnit.parse(name)
    if unit not in _PERIODS:
        raise UnitError(f"Opportunities last a day or longer, not one {unit}.")
    return unit


def _whole_periods(end: ObservationEnd, unit: TimeUnit) -> ObservationEnd:
    """The end of the last period that is over when observation ends."""
    import pandas as pd

    return _before(pd.Timestamp(end.limit).to_period(_PERIODS[unit]).start_time.to_pydatetime())


def _period_of(end: ObservationEnd, unit: TimeUnit) -> ObservationEnd:
    """The end of the period in which observation ends."""
    import pandas as pd

    period = pd.Timestamp(end.period).to_period(_PERIODS[unit])
    return _before((period + 1).start_time.to_pydatetime())


def _before(midnight: datetime) -> ObservationEnd:
    return ObservationEnd(midnight, False, midnight - timedelta(days=1))


def _calendar(first: datetime, end: ObservationEnd, unit: TimeUnit) -> "pd.DatetimeIndex":
    import pandas as pd

    return pd.period_range(first, end.period, freq=_PERIODS[unit]).to_timestamp()


def _days(opportunities: Any) -> "pd.DatetimeIndex":
    """First days of opportunities, in order and without a time of day."""
    import pandas as pd

    if isinstance(opportunities, pd.PeriodIndex):
        opportunities = opportunities.to_timestamp()
    try:
        days = pd.DatetimeIndex(opportunities)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"opportunities must be a list of days, or a name such as 'year': {error}."
        ) from None
    if days.hasnans or days.tz is not None or (days != days.normalize()).any():
        raise DataError("opportunities must be days, without a time of day or a time zone.")
    if len(days) < 2:
        raise DataError(
            "opportunities must hold two days or more: the first purchase takes place at one of "
            "them, and only those after it count."
        )
    for before, after in pairwise(days):
        if after <= before:
            raise DataError(
                f"opportunities must be in order: {after:%Y-%m-%d} follows {before:%Y-%m-%d}. "
                "Sort them and drop repeated days."
            )
    return days


def _spacing(starts: "pd.DatetimeIndex", end: ObservationEnd) -> Horizon:
    """Distance of the opportunities, which must be about equal."""
    if starts[-1] > end.period:
        raise DataError(
            f"The last opportunity begins on {starts[-1]:%Y-%m-%d}, after the end of observation, "
            f"{end.period:%Y-%m-%d}. Leave it out, or give a later observation_end."
        )
    days = np.diff(starts.to_numpy()) / np.timedelta64(1, "D")
    usual = float(np.quantile(days, 0.5, method="lower"))
    longest = int(np.argmax(days))
    if days[longest] > _UNEVEN * usual:
        raise DataError(
            f"opportunities leave a gap: {days[longest]:.0f} days from {starts[longest]:%Y-%m-%d} "
            f"to {starts[longest + 1]:%Y-%m-%d}, usually {usual:.0f}. Add what lies between."
        )
    last = (end.period - starts[-1]).days + 1
    if last > _UNEVEN * usual:
        raise DataError(
            f"The last opportunity began on {starts[-1]:%Y-%m-%d} and would last {last:,} days to "
            f"the end of observation, {end.period:%Y-%m-%d}; the others last {usual:.0f}. Add "
            "later opportunities, or give an earlier observation_end."
        )
    mean = float(days.mean())
    for unit in _PERIODS:
        if abs(mean - unit.days) <= _ABOUT * unit.days:
            return Horizon(1, unit)
    return Horizon(mean, TimeUnit.DAY)

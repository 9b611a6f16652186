"""Calibration and holdout: what a model may see, and what it is judged by."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, final

import numpy as np

from clvmodels._notebook import as_lines, first_rows
from clvmodels._typing import AnyArray, FloatArray, IntArray
from clvmodels.data import expression
from clvmodels.data.audit import account_for, count_rows, silence_at_end
from clvmodels.data.calendar import CalendarIndex
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
from clvmodels.data.quality import DataReport
from clvmodels.data.summary import RFMSummary
from clvmodels.data.transactions import in_own_time, observe
from clvmodels.exceptions import DataError, ParameterError, UnitError
from clvmodels.units import Horizon, HorizonLike, TimeUnit

if TYPE_CHECKING:
    import pandas as pd


@final
@dataclass(frozen=True, eq=False, repr=False)
class CalibrationHoldoutSplit:
    """Customers as they were at a cutoff, and what they bought afterwards.

    Attributes
    ----------
    calibration : RFMSummary
        What was known at the cutoff.
    horizon : Horizon
        Length of the holdout, in whole days (hours) told in the summary's unit: ask models for it.
    holdout_purchases : ndarray of shape (customers,)
        Purchases of each calibration customer in the holdout, in the summary's order.
    holdout_value : ndarray of shape (customers,) or None
        What those purchases were worth in all.
    newcomers : int
        Customers who first bought in the holdout. They are in none of the arrays.
    newcomer_purchases : int
        Purchases of the newcomers, first ones included.
    newcomer_value : float or None
        What the newcomers' purchases were worth in all.
    repeats : ndarray of shape (periods,)
        Repeat purchases of the calibration customers in each day (hour), from the first one in the
        log to the end of the holdout; see `repeat_purchases_by_period`.
    report : DataReport
        What became of every row of the log, read to the end of the holdout.
    """

    calibration: RFMSummary
    horizon: Horizon
    holdout_purchases: IntArray
    holdout_value: FloatArray | None
    newcomers: int
    newcomer_purchases: int
    newcomer_value: float | None
    repeats: IntArray
    report: DataReport

    @property
    def holdout(self) -> "pd.DataFrame":
        """customer_id, purchases and, if there are values, value: one row per customer.

        A purchase's mean value in the holdout is the sum of value over the sum of purchases.
        """
        import pandas as pd

        columns: dict[str, AnyArray] = {
            "customer_id": self.calibration.customer_id,
            "purchases": self.holdout_purchases,
        }
        if self.holdout_value is not None:
            columns["value"] = self.holdout_value
        return pd.DataFrame(columns)

    def repeat_purchases_by_period(self, unit: TimeUnit | str = "week") -> "pd.DataFrame":
        """Count the calibration customers' repeat purchases through calibration and holdout.

        Parameters
        ----------
        unit : TimeUnit or str
            Length of a row. Rows meet at the cutoff and go from there in both directions, in whole
            days (hours), so that the first and the last may be shorter.

        Returns
        -------
        DataFrame
            start and end (first and last day of the row, both included), purchases, holdout (true
            after the cutoff), and elapsed: the end of the row relative to the cutoff, in the
            summary's unit and by its clock (operational time if it has a calendar), so that a
            customer's age there is T + elapsed where positive.

        Raises
        ------
        UnitError
            If the unit is shorter than the periods that purchases are counted in.
        DataError
            If the calibration has a dated calendar that does not cover the holdout.
        """
        import pandas as pd

        row, period = TimeUnit.parse(unit), _period(self.calibration)
        if row.days < period.days:
            raise UnitError(f"Purchases are counted by the {period}; a row cannot be a {row}.")
        ahead = round(self.horizon.to(period))
        past = len(self.repeats) - ahead
        step = row.days / period.days
        marks = np.rint(step * np.arange(-np.ceil(past / step), np.ceil(ahead / step) + 1))
        edges = np.unique(np.clip(marks, -past, ahead)).astype(np.int64)
        first, last = edges[:-1], edges[1:] - 1  # 0 is the first period after the cutoff
        elapsed = (last + 1) * period.days / self.calibration.time_unit.days
        if (calendar := self.calibration.calendar) is not None:
            cutoff = self.calibration.observation_end
            elapsed = calendar.elapsed(cutoff, elapsed, self.calibration.time_unit)
        after_cutoff = np.datetime64(self.calibration.observation_end) + _step(period)
        return pd.DataFrame(
            {
                "start": after_cutoff + first * _step(period),
                "end": after_cutoff + last * _step(period),
                "purchases": np.add.reduceat(self.repeats, first + past),
                "holdout": first >= 0,
                "elapsed": elapsed,
            }
        )

    def __repr__(self) -> str:
        return (
            f"CalibrationHoldoutSplit: {len(self.calibration):,} customers observed to "
            f"{self.calibration.observation_end:%Y-%m-%d}, holdout of {self.horizon} with "
            f"{self.holdout_purchases.sum():,} purchases, {self.newcomers:,} newcomers"
        )

    def _repr_html_(self) -> str:
        return as_lines(self) + first_rows(self.holdout.head(), len(self.calibration))


def calibration_holdout_split(
    transactions: Any,
    *,
    cutoff: Moment,
    time_unit: TimeUnit | str,
    horizon: HorizonLike | None = None,
    holdout_end: Moment | None = None,
    customer_id: str = "customer_id",
    date: str = "date",
    value: str | None = None,
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
) -> CalibrationHoldoutSplit:
    """Split a transaction log at a cutoff, by the same rules as `rfm_summary`.

    The calibration summary is `rfm_summary` with the cutoff as its end. A purchase whose day
    (hour) began before the cutoff belongs to the calibration.

    Parameters
    ----------
    cutoff : date, datetime or str
        Last day (all of it) or last instant of the calibration.
    horizon : Horizon or str, optional
        Length of the holdout, such as "39 weeks"; rounded to whole days (hours).
    holdout_end : date, datetime or str, optional
        Last day or instant of the holdout, instead of a horizon.
    transactions, time_unit, customer_id, date, value, date_format, time_zone, refunds, \
zero_value, missing_value, missing_keys, include_first_value, litt, calendar, keep
        As in `rfm_summary`. Refunds count to the end of the holdout, but what they take back from
        before the cutoff stays in the calibration, as it was known then.

    Raises
    ------
    DataError
        If the cutoff lies outside the log, or the log falls silent long before the holdout ends.
    ParameterError
        If not exactly one of `horizon` and `holdout_end` is given.

    Examples
    --------
    >>> import clvmodels as clv
    >>> log = clv.datasets.load_cdnow(sample=True)
    >>> calibration_holdout_split(
    ...     log, cutoff="1997-09-30", horizon="39 weeks", time_unit="week", value="value")
    CalibrationHoldoutSplit: 2,357 customers observed to 1997-09-30, holdout of 39 weeks with
    1,882 purchases, 0 newcomers
    """
    if (horizon is None) == (holdout_end is None):
        raise ParameterError("Give either the horizon of the holdout or holdout_end.")
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
    length = None if horizon is None else Horizon.parse(horizon)
    with open_log(transactions, by) as log:
        start = ObservationEnd.parse(cutoff, by.period, log.time_zone)
        if length is not None:
            end = start.shift(round(length.to(by.period)), by.period)
        elif holdout_end is not None:
            end = ObservationEnd.parse(holdout_end, by.period, log.time_zone)
        return split_at(log, start, end)


class UncoveredError(DataError):
    """The log does not reach from before the cutoff to the end of the holdout."""


def split_at(log: Log, cutoff: ObservationEnd, end: ObservationEnd) -> CalibrationHoldoutSplit:
    """Split an open log at `cutoff`, with a holdout to `end`."""
    by = log.by
    counts = count_rows(log, end)
    check_cutoff(cutoff, counts)
    periods = (end.period - cutoff.period) // timedelta(days=by.period.days)
    if periods < 1:
        raise DataError(f"The holdout ends ({end}) less than a {by.period} after the cutoff.")
    remarks = _check_coverage(log, end, counts)
    observed, litt = observe(log, cutoff)
    calibration = in_own_time(observed, litt, by)
    bought = expression.holdout(log.rows, by, cutoff, end)
    sold = log.source.fetch_arrays(expression.per_customer(bought, by))
    place = _places(calibration, sold["customer_id"])
    known = place >= 0
    counted = np.zeros(len(calibration), np.int64)
    counted[place[known]] = sold["purchases"][known]
    worth = None
    if by.value is not None:
        worth = np.zeros(len(calibration))
        worth[place[known]] = sold["value"][known]
        worth.setflags(write=False)
    counted.setflags(write=False)
    newcomers = int((~known).sum())
    report = account_for(
        log,
        end,
        counts,
        purchases=calibration.report.purchases + int(sold["purchases"].sum()),
        customers=len(calibration) + newcomers,
    )
    horizon = Horizon(periods / by.periods_per_unit, by.time_unit)
    ends = f"Calibration ends with {cutoff}; the holdout of {horizon} with {end}."
    return CalibrationHoldoutSplit(
        calibration=calibration,
        horizon=horizon,
        holdout_purchases=counted,
        holdout_value=worth,
        newcomers=newcomers,
        newcomer_purchases=int(sold["purchases"][~known].sum()),
        newcomer_value=None if worth is None else float(sold["value"][~known].sum()),
        repeats=_repeats(log, observed, cutoff, bought, periods),
        report=replace(report, conventions=(ends, *remarks, *report.conventions)),
    )


def check_cutoff(cutoff: ObservationEnd, counts: dict[str, Any]) -> None:
    """Refuse a cutoff that no purchase precedes, or none follows."""
    first, last = counts["first"], counts["last"]
    if not cutoff.includes(first) or cutoff.includes(last):
        raise UncoveredError(
            f"The cutoff ({cutoff}) must lie between the first purchase of the log, "
            f"{first:%Y-%m-%d %H:%M}, and the last, {last:%Y-%m-%d %H:%M}."
        )


def _check_coverage(log: Log, end: ObservationEnd, counts: dict[str, Any]) -> list[str]:
    """Refuse a holdout that the log does not cover; remark on a silence that may be chance."""
    period = log.by.period
    silent, usual = silence_at_end(log, end, counts)
    if silent > usual:
        reached = ObservationEnd.after(counts["last"], period).period
        raise UncoveredError(
            f"The log ends {silent:,} {period}s before the holdout ({end}) and was never silent "
            f"for more than {usual:,}: it does not cover the holdout. End the holdout with the "
            f"log, holdout_end='{reached:%Y-%m-%d}'."
        )
    if not silent:
        return []
    return [f"The last {silent:,} {period}s of the holdout are without any purchase."]


def _repeats(
    log: Log, observed: RFMSummary, cutoff: ObservationEnd, sold: Any, periods: int
) -> IntArray:
    """Repeat purchases of the calibration customers by period, from their first one on."""
    bought = expression.purchases(log.rows, log.by, cutoff)
    known = expression.per_customer(bought, log.by)
    ages = np.rint(observed.T * log.by.periods_per_unit).astype(np.int64)
    oldest = int(ages.max())
    repeats = np.zeros(oldest + 1 + periods, np.int64)
    for purchases in (bought, sold.semi_join(known, "customer_id")):
        daily = log.source.fetch_arrays(expression.per_period(purchases))
        since = daily["period"].astype("datetime64[s]") - np.datetime64(cutoff.period, "s")
        repeats[oldest + since // _step(log.by.period)] += daily["purchases"]
    repeats -= np.bincount(oldest - ages, minlength=len(repeats))
    repeats.setflags(write=False)
    return repeats


def _places(calibration: RFMSummary, ids: AnyArray) -> IntArray:
    import pandas as pd

    return pd.Index(calibration.customer_id).get_indexer(pd.Index(ids)).astype(np.int64)


def _period(data: RFMSummary) -> TimeUnit:
    return TimeUnit.HOUR if data.time_unit is TimeUnit.HOUR else TimeUnit.DAY


def _step(period: TimeUnit) -> np.timedelta64:
    return np.timedelta64(round(period.days * 24), "h")

"""Summaries with covariates that change over time: what happened to whom, and under what."""

from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any, NamedTuple, final

import numpy as np

from clvmodels._notebook import as_lines, first_rows
from clvmodels._typing import AnyArray, FloatArray, IntArray
from clvmodels.data import expression
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
from clvmodels.data.transactions import summarize
from clvmodels.exceptions import DataError, rule_broken
from clvmodels.units import TimeUnit

_ROUNDING = 1e-9  # of ages, relative


@final
@dataclass(frozen=True, eq=False, repr=False)
class TimeVaryingSummary:
    """A summary with each customer's covariates, period by period from the first purchase on.

    Build it with `time_varying_summary` from a log and a table of covariates. It is validated once,
    its arrays are read-only, and it never changes. The periods may go on beyond the end of
    observation: predictions reach as far as they do.

    Attributes
    ----------
    rfm : RFMSummary
        Frequency, recency and T of each customer.
    columns : tuple of str
        Names of the covariates.
    indptr : ndarray of shape (customers + 1,)
        Customer i has the periods ``indptr[i]`` to ``indptr[i + 1]``, without gaps from age 0.
    until : ndarray of shape (periods,)
        Age at which each period ends, in the summary's time unit.
    values : ndarray of shape (periods, columns)
        Covariates in each period.
    at_purchases : ndarray of shape (customers, columns)
        Sum of the covariates over a customer's repeat purchases.

    Raises
    ------
    DataError
        If shapes do not fit, a value is not finite, periods do not follow one another, or they end
        before the customer's observation does.
    """

    rfm: RFMSummary
    columns: tuple[str, ...]
    indptr: IntArray
    until: FloatArray
    values: FloatArray
    at_purchases: FloatArray

    def __post_init__(self) -> None:
        if self.rfm.calendar is not None:
            raise DataError(
                "Covariates over time take ages in calendar time, and these are in operational "
                "time. Make the summary without calendar=; let the season be a covariate."
            )
        customers, width = len(self.rfm), len(self.columns)
        indptr = np.array(self.indptr, dtype=np.int64)
        if indptr.shape != (customers + 1,) or indptr[0] != 0 or (np.diff(indptr) < 1).any():
            raise DataError("indptr must count at least one period for every customer, from 0.")
        shapes = {
            "until": (int(indptr[-1]),),
            "values": (int(indptr[-1]), width),
            "at_purchases": (customers, width),
        }
        tidy: dict[str, Any] = {"indptr": indptr, "columns": tuple(self.columns)}
        for name, shape in shapes.items():
            tidy[name] = np.array(getattr(self, name), dtype=np.float64)
            if tidy[name].shape != shape or not np.isfinite(tidy[name]).all():
                raise DataError(f"{name} must hold finite numbers, in an array of shape {shape}.")
        for name, value in tidy.items():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)
            object.__setattr__(self, name, value)
        first = np.zeros(len(self.until), dtype=bool)
        first[indptr[:-1]] = True
        before = np.where(first, 0.0, np.concatenate([[0.0], self.until[:-1]]))
        if not (self.until > before).all():
            raise DataError("until must increase within each customer, from above 0.")
        self.require_until(0.0)

    def __len__(self) -> int:
        return len(self.rfm)

    def __repr__(self) -> str:
        periods = np.diff(self.indptr).mean()
        return f"{self.rfm!r}, with {', '.join(self.columns)} over {periods:.1f} periods each"

    def __reduce__(self) -> tuple[Any, ...]:
        return TimeVaryingSummary, tuple(getattr(self, f.name) for f in fields(self))

    @property
    def covered_until(self) -> FloatArray:
        """Age up to which each customer's covariates are known."""
        return self.until[self.indptr[1:] - 1]

    def require_until(self, horizon: float) -> None:
        """Check that covariates are known for some time after the end of observation.

        Parameters
        ----------
        horizon : float
            In the summary's time unit.

        Raises
        ------
        DataError
            Naming customers and the first period that is not covered.
        """
        needed = self.rfm.T + horizon
        short = np.flatnonzero(self.covered_until < needed * (1 - _ROUNDING) - _ROUNDING)
        if len(short):
            named = [self._first_uncovered(i) for i in short[:5]]
            reach = "the end of observation" if horizon == 0 else "the horizon"
            raise DataError(
                rule_broken(
                    f"Covariates must be known up to {reach}",
                    len(short),
                    len(self),
                    named,
                    "Add rows for the periods to come, as planned or assumed"
                    + (", or shorten the horizon." if horizon else "."),
                )
            )

    def _first_uncovered(self, i: int) -> str:
        who, age = self.rfm.customer_id[i], self.covered_until[i]
        if (end := self.rfm.observation_end) is None:
            return f"{who} (from age {age:g})"
        since = timedelta(days=float((age - self.rfm.T[i]) * self.rfm.time_unit.days))
        return f"{who} (from {_told(np.datetime64(end + since, 's'))})"

    def _repr_html_(self) -> str:
        head = self.rfm.select(np.arange(min(5, len(self)))).to_pandas()
        return as_lines(self) + first_rows(head, len(self))


def time_varying_summary(
    transactions: Any,
    covariates: Any,
    *,
    time_unit: TimeUnit | str,
    columns: "list[str] | tuple[str, ...]",
    period: str = "period",
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
) -> TimeVaryingSummary:
    """Summarise a transaction log together with covariates that change over time.

    Purchases are read as `rfm_summary` reads them. A covariate's value holds from the start of its
    period to the start of the next one, and counts for the purchases made on those days.

    Parameters
    ----------
    transactions : pandas, polars or Arrow table, Ibis table, or path
        One row per transaction or line item, in any order.
    covariates : pandas, polars or Arrow table
        One row per customer and period, in any order, with columns `customer_id`, `period` and
        `columns`. It must cover each customer from the first purchase to the end of observation,
        and for predictions the time after it. Customers who are not in the log are ignored.
    time_unit : TimeUnit or str
        Unit of recency and T: "hour", "day", "week", "month", "quarter" or "year".
    columns : sequence of str
        Names of the covariates.
    period : str
        Name of the column with the first day (hour, in hourly units) of each period. Periods are
        evenly spaced: a number of days, or calendar months that begin on the same day.
    customer_id : str
        Name of the column with the customer's id, in both tables.
    date, value, observation_end, date_format, time_zone, refunds, zero_value, missing_value, \
missing_keys, include_first_value
        As in `rfm_summary`.

    Returns
    -------
    TimeVaryingSummary
        Rows sorted by customer id, as in its ``rfm``.

    Raises
    ------
    DataError
        If the log cannot be read, or the covariates miss a customer's period, give one twice, hold
        what is not a finite number, or are not evenly spaced; the text names customers and periods.

    References
    ----------
    Bachmann, Meierer and Naef (2021), The Role of Time-Varying Contextual Factors in Latent
    Attrition Models for Customer Base Analysis, Marketing Science 40(4), 783-809.

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame({"customer_id": [7, 7], "date": ["2024-01-03", "2024-01-16"]})
    >>> promo = pd.DataFrame({"customer_id": 7, "promo": [0, 0, 1, 0],
    ...     "period": pd.date_range("2024-01-01", periods=4, freq="7D")})
    >>> walks = time_varying_summary(log, promo, columns=["promo"], time_unit="day",
    ...                              observation_end="2024-01-20")
    >>> walks.until, walks.at_purchases
    (array([ 5., 12., 19., 26.]), array([[1.]]))
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
    )
    table = _read(covariates, by, period, tuple(columns))
    with open_log(transactions, by) as log:
        end = None
        if observation_end is not None:
            end = ObservationEnd.parse(observation_end, by.period, log.time_zone)
        rfm = summarize(log, end)
        who, when = _purchases(log, rfm, end)
    return _joined(rfm, by, table, who, when)


class _Table(NamedTuple):
    """Covariates as arrays, one row per customer and period, in no order."""

    customer_id: AnyArray
    period: AnyArray
    values: FloatArray
    columns: tuple[str, ...]


def _read(covariates: Any, by: Conventions, period: str, columns: tuple[str, ...]) -> _Table:
    import narwhals as nw
    import pandas as pd

    try:
        frame = nw.from_native(covariates, eager_only=True)
    except TypeError:
        raise DataError(
            f"Cannot read covariates from {type(covariates).__name__}. Give a pandas, polars or "
            "Arrow table with one row per customer and period."
        ) from None
    if not columns or len(set(columns)) < len(columns):
        raise DataError(f"columns must name at least one covariate, each once: {columns!r}.")
    needed = (by.customer_id, period, *columns)
    if missing := [name for name in needed if name not in frame.columns]:
        remedy = "Rename yours, or say which ones they are."
        if missing == [by.customer_id]:
            remedy += (
                " A series that all customers share needs its rows for each of them: "
                "series.merge(customers, how='cross')."
            )
        raise DataError(
            f"The covariates lack the column(s) {', '.join(missing)}; they have "
            f"{', '.join(frame.columns)}. {remedy}"
        )
    if getattr(frame[period].dtype, "time_zone", None) is not None:
        raise DataError(f"Column {period!r} must hold dates without a time zone: days are local.")
    try:
        starts = pd.Series(frame[period].to_numpy())
        if starts.dtype.kind != "M":
            starts = pd.to_datetime(starts, format="ISO8601")
        values = [np.asarray(frame[name].to_numpy(), dtype=np.float64) for name in columns]
    except (TypeError, ValueError) as error:
        raise DataError(
            f"Column {period!r} must hold dates, and {', '.join(columns)} numbers: {error}. "
            "Code categories as 0 and 1."
        ) from None
    if starts.isna().any():
        raise DataError(f"Column {period!r} is empty in {int(starts.isna().sum()):,} rows.")
    unit = "h" if by.period is TimeUnit.HOUR else "D"
    when = starts.to_numpy().astype(f"datetime64[{unit}]")
    return _Table(frame[by.customer_id].to_numpy(), when, np.stack(values, axis=1), columns)


def _purchases(log: Log, rfm: RFMSummary, end: ObservationEnd | None) -> tuple[IntArray, AnyArray]:
    """Row in the summary and day (hour) of every purchase, first ones included."""
    import pandas as pd

    if end is None:
        assert rfm.observation_end is not None
        end = ObservationEnd.after(rfm.observation_end, log.by.period)
    bought = expression.purchases(log.rows, log.by, end).select("customer_id", "period")
    arrays = log.source.fetch_arrays(bought)
    unit = "h" if log.by.period is TimeUnit.HOUR else "D"
    when = arrays["period"].astype(f"datetime64[{unit}]")
    return pd.Index(rfm.customer_id).get_indexer(pd.Index(arrays["customer_id"])), when


def _joined(
    rfm: RFMSummary, by: Conventions, table: _Table, who: IntArray, when: AnyArray
) -> TimeVaryingSummary:
    """Line the covariates up with the customers' ages."""
    import pandas as pd

    assert rfm.observation_end is not None
    edges = _calendar(table.period)
    end = np.datetime64(rfm.observation_end).astype(edges.dtype)
    born = end - np.rint(rfm.T * by.periods_per_unit).astype(np.int64)
    first = np.searchsorted(edges, born, side="right") - 1  # period of the first purchase
    known = pd.Index(rfm.customer_id).get_indexer(pd.Index(table.customer_id))
    place = np.searchsorted(edges, table.period)
    wanted = np.flatnonzero(known >= 0)
    if not len(wanted):
        raise DataError(
            f"None of the {len(rfm):,} customers has covariates: the log has ids such as "
            f"{rfm.customer_id[0]!r}, the covariates {table.customer_id[0]!r}. Give both tables "
            "the same ids."
        )
    order = wanted[np.lexsort((place[wanted], known[wanted]))]
    known, place, values = known[order], place[order], table.values[order]
    told = edges[place]
    _require_once(rfm, known, place, told)
    relevant = place >= first[known]
    known, place, values, told = (a[relevant] for a in (known, place, values, told))
    count = np.bincount(known, minlength=len(rfm))
    rank = np.arange(len(known)) - np.repeat(np.cumsum(count) - count, count)
    unbroken = place == first[known] + rank  # what follows a gap is of no use
    known, place, values = known[unbroken], place[unbroken], values[unbroken]
    count = np.bincount(known, minlength=len(rfm))
    _require_observed(rfm, edges, born, first, count, end)
    _require_numbers(rfm, table.columns, known, edges[place], values)
    indptr = np.concatenate([[0], np.cumsum(count)])
    until = (edges[place + 1] - born[known]).astype(np.float64) / by.periods_per_unit
    repeat = when > born[who]
    who, when = who[repeat], when[repeat]
    at = indptr[who] + np.searchsorted(edges, when, side="right") - 1 - first[who]
    at_purchases = np.zeros((len(rfm), values.shape[1]))
    np.add.at(at_purchases, who, values[at])
    return TimeVaryingSummary(rfm, table.columns, indptr, until, values, at_purchases)


def _calendar(starts: AnyArray) -> AnyArray:
    """Where periods begin, evenly spaced from the first to the end of the last.

    Raises
    ------
    DataError
        If they do not lie on such a calendar.
    """
    distinct = np.unique(starts)
    if len(distinct) < 2:
        raise DataError(
            "All covariates are from one period: give several. What does not change over time "
            "belongs into a model without periods."
        )
    for calendar in (_in_months, _in_steps):
        edges = calendar(distinct)
        off = ~np.isin(distinct, edges)
        if not off.any():
            return edges
    raise DataError(
        f"Periods must be evenly spaced: {_told(distinct[off][0])} does not follow "
        f"{_told(distinct[0])} by a multiple of {edges[1] - edges[0]}. Give each period by its "
        "first day."
    )


def _in_steps(distinct: AnyArray) -> AnyArray:
    step = np.diff(distinct).min()
    return np.arange(distinct[0], distinct[-1] + 2 * step, step)


def _in_months(distinct: AnyArray) -> AnyArray:
    months = distinct.astype("datetime64[M]")
    into = distinct[0] - months[0].astype(distinct.dtype)
    step = np.diff(months).min()
    if not step.astype(np.int64):
        return distinct[:1]
    edges = np.arange(months[0], months[-1] + 2 * step, step).astype(distinct.dtype) + into
    return edges if (edges.astype("datetime64[M]") == edges - into).all() else distinct[:1]


def _told(moment: Any) -> str:
    """A day, or an hour where it is none."""
    text = str(moment.astype("datetime64[m]"))
    return text.removesuffix("T00:00").replace("T", " ")


def _require_once(rfm: RFMSummary, who: IntArray, place: IntArray, told: AnyArray) -> None:
    twice = np.flatnonzero((np.diff(who) == 0) & (np.diff(place) == 0))
    if len(twice):
        raise DataError(
            rule_broken(
                "A customer's period must have one row of covariates",
                len(np.unique(who[twice])),
                len(rfm),
                [f"{rfm.customer_id[who[i]]} ({_told(told[i])})" for i in twice[:5]],
                "Drop or merge the others.",
            )
        )


def _require_observed(
    rfm: RFMSummary,
    edges: AnyArray,
    born: AnyArray,
    first: IntArray,
    count: IntArray,
    end: AnyArray,
) -> None:
    """Covariates from each first purchase to the end of observation."""
    last = np.searchsorted(edges, end, side="right") - 1
    late, early = end >= edges[-1], first < 0
    short = np.flatnonzero(early | (first + count <= last) | late)
    if not len(short):
        return

    def missing(i: int) -> str:
        return _told(born[i] if early[i] else edges[first[i] + count[i]])

    raise DataError(
        rule_broken(
            "Covariates must be given for every period from the first purchase to the end of "
            f"observation, {_told(end)}",
            len(short),
            len(rfm),
            [f"{rfm.customer_id[i]} ({missing(i)} missing)" for i in short[:5]],
            "Add these rows to the table of covariates.",
        )
    )


def _require_numbers(
    rfm: RFMSummary, columns: tuple[str, ...], who: IntArray, told: AnyArray, values: FloatArray
) -> None:
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        raise DataError(
            rule_broken(
                "Covariates must be finite numbers",
                len(np.unique(who[bad[:, 0]])),
                len(rfm),
                [f"{rfm.customer_id[who[i]]} ({columns[j]}, {_told(told[i])})" for i, j in bad[:5]],
                "Fill them in.",
            )
        )

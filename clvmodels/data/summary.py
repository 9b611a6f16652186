"""One row per customer: the summary that every non-contractual model is fitted to."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np

from clvmodels._notebook import as_lines, first_rows
from clvmodels._typing import AnyArray, FloatArray
from clvmodels.data.calendar import CalendarIndex
from clvmodels.data.columns import (
    FILL,
    check,
    finite_column,
    numbers,
    optional_rules,
    read_only,
    require,
)
from clvmodels.data.histories import Histories
from clvmodels.data.quality import DataReport
from clvmodels.exceptions import DataError
from clvmodels.units import TimeUnit

if TYPE_CHECKING:
    import pandas as pd

_REQUIRED = ("customer_id", "frequency", "recency", "T")
_OPTIONAL = ("monetary_value", "weight", "litt")
OWN_COLUMNS = (*_REQUIRED, *_OPTIONAL)  # names that no further column may have
_DAY = 86_400e6  # microseconds


@final
@dataclass(frozen=True, eq=False, repr=False)
class RFMSummary:
    """Repeat purchases (x), their last date (t_x), observed age (T) and mean spend per customer.

    Build it with `rfm_summary` from a transaction log, or with `RFMSummary.from_frame`. It is
    validated once, its arrays are read-only, and it never changes.

    Attributes
    ----------
    customer_id : ndarray of shape (customers,)
        Unique ids.
    frequency : ndarray of shape (customers,)
        Repeat purchases x: the first purchase is not counted.
    recency : ndarray of shape (customers,)
        Age t_x at the last purchase, in `time_unit`; 0 where x = 0.
    T : ndarray of shape (customers,)
        Age at the end of observation, in `time_unit`.
    monetary_value : ndarray of shape (customers,) or None
        Mean value of the repeat purchases; NaN where there is none.
    time_unit : TimeUnit
        Unit of recency and T.
    weight : ndarray of shape (customers,) or None
        How many customers each row stands for; None means one each.
    columns : mapping of str to ndarray
        Any further column of the frame, by name (segment, margin, covariates).
    observation_end : datetime or None
        As-of date of the summary: the day (or hour) from which ages are counted back.
    time_zone : str or None
        On whose clock days begin; None if nobody said.
    first_value_included : bool
        Whether monetary_value averages all x + 1 purchases, the first one too.
    report : DataReport
        What was read, merged and dropped on the way here.
    litt : ndarray of shape (customers,) or None
        Sum of the logarithms of the times from each purchase to the next, in `time_unit`; 0 where
        x = 0. It says how regular the timing was: the (M)BG/CNBD-k models need it.
    calendar : CalendarIndex or None
        The seasonal clock by which recency, T and litt are counted; None for the calendar's own.

    References
    ----------
    Fader, Hardie and Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2),
    275-284: the (x, t_x, T) notation of section 3.
    """

    customer_id: AnyArray
    frequency: FloatArray
    recency: FloatArray
    T: FloatArray
    monetary_value: FloatArray | None
    time_unit: TimeUnit
    weight: FloatArray | None = None
    columns: Mapping[str, AnyArray] = field(default_factory=dict)
    observation_end: datetime | None = None
    time_zone: str | None = None
    first_value_included: bool = False
    report: DataReport = field(default_factory=DataReport)
    litt: FloatArray | None = None
    calendar: CalendarIndex | None = None

    def __post_init__(self) -> None:
        ids = read_only(np.asarray(self.customer_id))
        tidy: dict[str, Any] = {"customer_id": ids, "time_unit": TimeUnit.parse(self.time_unit)}
        for name in (*_REQUIRED[1:], *_OPTIONAL):
            if (values := getattr(self, name)) is not None:
                tidy[name] = numbers(name, values, len(ids))
        further = {name: read_only(np.asarray(v)) for name, v in self.columns.items()}
        tidy["columns"] = MappingProxyType(further)
        for name, value in tidy.items():
            object.__setattr__(self, name, value)
        _validate(self)

    @classmethod
    def from_frame(
        cls, frame: Any, *, time_unit: TimeUnit | str, weight: str | None = None
    ) -> Self:
        """Read a table with one row per customer.

        Parameters
        ----------
        frame : pandas, polars or Arrow table
            Columns ``customer_id``, ``frequency``, ``recency``, ``T``, optionally
            ``monetary_value`` and ``litt``; further columns are kept by name. Without
            ``customer_id`` a pandas index named so serves; failing that, the rows are numbered.
        time_unit : TimeUnit or str
            Unit of recency and T.
        weight : str, optional
            Name of a column that says how many customers each row stands for.

        Raises
        ------
        DataError
            If a column is missing or a row breaks a rule (0 <= recency <= T, recency 0 exactly
            where frequency is 0, whole frequencies, finite values, unique ids).

        Examples
        --------
        >>> import pandas as pd
        >>> df = pd.DataFrame({"customer_id": [7, 8], "frequency": [2, 0],
        ...                    "recency": [30.43, 0.0], "T": [38.86, 38.86]})
        >>> RFMSummary.from_frame(df, time_unit="week")
        RFMSummary: 2 customers, 1 with repeat purchases, time unit week
        """
        import narwhals as nw

        try:
            table = nw.from_native(frame, eager_only=True)
        except TypeError:
            raise DataError(
                f"Cannot read a summary from {type(frame).__name__}. Give a pandas, polars or "
                "Arrow table."
            ) from None
        names = table.columns
        needed = [*_REQUIRED[1:], *([] if weight is None else [weight])]
        if missing := [name for name in needed if name not in names]:
            raise DataError(
                f"The summary lacks the column(s) {', '.join(missing)}; it has {', '.join(names)}. "
                "Rename yours, or build the summary from a log with rfm_summary."
            )
        if "customer_id" in names:
            ids = table["customer_id"].to_numpy()
        elif getattr(getattr(frame, "index", None), "name", None) == "customer_id":
            ids = np.asarray(frame.index)
        else:
            ids = np.arange(len(table))
        known = {*_REQUIRED, "monetary_value", "litt", weight}
        return cls(
            customer_id=ids,
            frequency=table["frequency"].to_numpy(),
            recency=table["recency"].to_numpy(),
            T=table["T"].to_numpy(),
            monetary_value=(
                table["monetary_value"].to_numpy() if "monetary_value" in names else None
            ),
            time_unit=TimeUnit.parse(time_unit),
            weight=None if weight is None else table[weight].to_numpy(),
            columns={name: table[name].to_numpy() for name in names if name not in known},
            litt=table["litt"].to_numpy() if "litt" in names else None,
        )

    @classmethod
    def from_arrays(
        cls,
        frequency: Any,
        recency: Any,
        T: Any,
        *,
        time_unit: TimeUnit | str,
        monetary_value: Any = None,
        litt: Any = None,
        customer_id: Any = None,
    ) -> Self:
        """Read columns given one by one.

        Parameters
        ----------
        frequency, recency, T, monetary_value, litt : array_like of shape (customers,)
            Taken in the order they come in. pandas Series must share one index, which names the
            customers if `customer_id` does not.
        time_unit : TimeUnit or str
            Unit of recency and T.
        customer_id : array_like of shape (customers,), optional
            Unique ids; the rows are numbered if nothing names them.

        Raises
        ------
        DataError
            If two Series have different indexes, or a row breaks a rule (see `from_frame`).

        Examples
        --------
        >>> RFMSummary.from_arrays([2, 0], [30.43, 0], [38.86, 38.86], time_unit="week")
        RFMSummary: 2 customers, 1 with repeat purchases, time unit week
        """
        import pandas as pd

        given = {
            "frequency": frequency, "recency": recency, "T": T,
            "monetary_value": monetary_value, "litt": litt, "customer_id": customer_id,
        }  # fmt: skip
        indexed = {name: v.index for name, v in given.items() if isinstance(v, pd.Series)}
        first, index = next(iter(indexed.items()), ("", None))
        for name, other in indexed.items():
            if not other.equals(index):
                raise DataError(
                    f"{first} and {name} are Series with different indexes, so their rows may "
                    "belong to different customers. Align them, or give plain arrays."
                )
        if customer_id is None:
            customer_id = np.arange(len(T)) if index is None else np.asarray(index)
        return cls(
            customer_id=customer_id,
            frequency=frequency,
            recency=recency,
            T=T,
            monetary_value=monetary_value,
            time_unit=TimeUnit.parse(time_unit),
            litt=litt,
        )

    def __len__(self) -> int:
        return len(self.customer_id)

    def __repr__(self) -> str:
        repeat = f"{self.customers(self.frequency > 0):,.0f} with repeat purchases"
        text = (
            f"RFMSummary: {self.customers():,.0f} customers, {repeat}, time unit {self.time_unit}"
        )
        if self.observation_end is None:
            return text
        if self.calendar is not None:
            text += " of operational time"
        hour = " %H:%M" if self.time_unit is TimeUnit.HOUR else ""
        return f"{text}, observed to {self.observation_end.strftime('%Y-%m-%d' + hour)}"

    def __reduce__(self) -> tuple[Any, ...]:
        # built anew, so that what is unpickled or deep-copied is validated and read-only too
        state = {f.name: getattr(self, f.name) for f in fields(self)}
        return _rebuild, ({**state, "columns": dict(self.columns)},)

    @property
    def weights(self) -> FloatArray:
        """How many customers each row stands for, as an array."""
        return np.ones(len(self)) if self.weight is None else self.weight

    def customers(self, where: AnyArray | None = None) -> float:
        """How many customers the rows (or those `where` is true) stand for."""
        return float(self.weights.sum() if where is None else self.weights[where].sum())

    def compress(self) -> Histories:
        """Distinct (x, t_x, T) rows, how often each occurs, and which one each customer has.

        Computed once and kept.
        """
        return self._histories

    @cached_property
    def _histories(self) -> Histories:
        return Histories.of(self.frequency, self.recency, self.T, self.weight)

    def column(self, name: str) -> FloatArray:
        """Numbers in a further column.

        Raises
        ------
        DataError
            If there is no such column, or it does not hold finite numbers.
        """
        return finite_column(self.customer_id, self.columns, name)

    def with_column(self, name: str, values: Any) -> "RFMSummary":
        """Return a summary with one more column, matched by customer id.

        Parameters
        ----------
        name : str
            Name of the new column.
        values : mapping, pandas Series or array
            A mapping or a Series is matched on customer ids and must cover them all; a plain
            array must have one value per customer, in this summary's order.

        Raises
        ------
        DataError
            If ids are missing or occur twice, the length differs, or `name` is taken by a column
            that every summary has.
        """
        import pandas as pd

        if name in OWN_COLUMNS:
            raise DataError(f"{name} belongs to the summary itself. Choose another name.")
        if isinstance(values, Mapping):
            values = pd.Series(values)
        if isinstance(values, pd.Series):
            if not values.index.is_unique:
                raise DataError(f"{name} gives some customers two values. Give each id once.")
            place = values.index.get_indexer(pd.Index(self.customer_id))
            require(
                self.customer_id,
                place >= 0,
                f"{name} must be given for every customer",
                "Match the ids.",
            )
            values = values.to_numpy()[place]
        column = np.asarray(values)
        if column.shape != (len(self),):
            raise DataError(
                f"{name} has shape {column.shape} for {len(self):,} customers. Give one value "
                "each, or a Series indexed by customer id."
            )
        return replace(self, columns={**self.columns, name: column})

    def select(self, where: AnyArray) -> "RFMSummary":
        """Return the customers for whom the boolean (or index) array `where` holds."""
        given = (*_REQUIRED, *(n for n in _OPTIONAL if getattr(self, n) is not None))
        picked = {name: getattr(self, name)[where] for name in given}
        columns = {name: values[where] for name, values in self.columns.items()}
        return replace(self, **picked, columns=columns)

    def in_operational_time(self, index: CalendarIndex) -> "RFMSummary":
        """Return these customers with recency and T by a clock that runs faster in season.

        Parameters
        ----------
        index : CalendarIndex
            The pace of that clock, which must cover all dates from the first purchase on.

        Raises
        ------
        DataError
            If the summary is in operational time already, has litt (which only the log can give in
            operational time), or does not know when observation ended; if a dated index does not
            cover its dates.

        Examples
        --------
        >>> import pandas as pd
        >>> from clvmodels.data.transactions import rfm_summary
        >>> log = pd.DataFrame({"customer_id": [7, 7], "date": ["2024-01-01", "2024-12-01"]})
        >>> rfm = rfm_summary(log, time_unit="month", observation_end="2024-12-31")
        >>> index = CalendarIndex.monthly({m: 3 if m == 12 else 1 for m in range(1, 13)})
        >>> rfm.recency.round(2), rfm.in_operational_time(index).recency.round(2)
        (array([11.01]), array([9.41]))
        """
        instead = "Build it from the log: rfm_summary(..., calendar=index)."
        if self.calendar is not None:
            raise DataError(f"The summary is in operational time already ({self.calendar!r}).")
        if self.litt is not None:
            raise DataError(f"litt cannot be taken to operational time afterwards. {instead}")
        if self.observation_end is None:
            raise DataError(
                "The summary does not say when observation ended, so that no age has a date. "
                f"{instead}"
            )
        unit = self.time_unit
        age = np.rint(self.T * unit.days * _DAY).astype("m8[us]")
        start = np.datetime64(self.observation_end, "us") - age
        T = index.elapsed(start, self.T, unit)
        recency = np.minimum(index.elapsed(start, self.recency, unit), T)
        return replace(self, recency=recency, T=T, calendar=index)

    def to_pandas(self) -> "pd.DataFrame":
        """Return all columns as a new DataFrame, one row per customer."""
        import pandas as pd

        given = (*_REQUIRED, *(n for n in _OPTIONAL if getattr(self, n) is not None))
        data = {name: getattr(self, name) for name in given}
        return pd.DataFrame({**data, **self.columns}).astype({"frequency": "int64"})

    def _repr_html_(self) -> str:
        head = self.select(np.arange(min(5, len(self)))).to_pandas()
        return as_lines(self) + first_rows(head, len(self))


def _rebuild(state: dict[str, Any]) -> RFMSummary:
    return RFMSummary(**state)


def _litt_at_most(x: FloatArray, t_x: FloatArray) -> FloatArray:
    """Logarithms of x gaps that add up to t_x, with a slack of 5 % for rounded ages."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((x > 0) & (t_x > 0), x * (np.log(t_x / x) + 0.05), np.inf)


def _validate(data: RFMSummary) -> None:
    x, t_x, T = data.frequency, data.recency, data.T
    age = "recency is the age at the last purchase, not since it."
    rules = [
        (np.isfinite(x), "frequency must be finite", FILL),
        (np.isfinite(t_x), "recency must be finite", FILL),
        (np.isfinite(T), "T must be finite", FILL),
        (x >= 0, "frequency must not be negative", "It counts purchases."),
        (x == np.floor(x), "frequency must be a whole number", "It counts purchases."),
        (x < 1e7, "frequency must stay below 10 million", "It counts purchases, not units sold."),
        (t_x >= 0, "recency must not be negative", age),
        (t_x <= T, "recency must not exceed T", "Count both from the first purchase, in one unit."),
        ((x == 0) | (t_x > 0), "recency must be positive where frequency is", age),
        ((x > 0) | (t_x == 0), "recency must be 0 where frequency is 0", age),
        *optional_rules(x, data.monetary_value, data.weight),
    ]
    if (litt := data.litt) is not None:
        rules += [
            (np.isfinite(litt), "litt must be finite", FILL),
            ((x > 0) | (litt == 0), "litt must be 0 where frequency is 0", "Nothing is summed."),
            (
                litt <= _litt_at_most(x, t_x),
                "litt must not exceed frequency * ln(recency / "
                "frequency), its value for equal gaps",
                "Sum natural logarithms of the gaps, in the summary's time unit.",
            ),
        ]
    check(data.customer_id, rules, data.columns, "rfm_summary")
    if data.calendar is not None and data.observation_end is None:
        raise DataError(
            "A summary in operational time must say when observation ended. Give observation_end."
        )

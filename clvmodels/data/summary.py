"""One row per customer: the summary that every non-contractual model is fitted to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np

from clvmodels._typing import AnyArray, FloatArray
from clvmodels.data.histories import Histories
from clvmodels.data.quality import DataReport
from clvmodels.exceptions import DataError, rule_broken
from clvmodels.units import TimeUnit

if TYPE_CHECKING:
    import pandas as pd

_REQUIRED = ("customer_id", "frequency", "recency", "T")


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
        As-of date of the summary.
    report : DataReport
        What was read, merged and dropped on the way here.

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
    columns: Mapping[str, AnyArray] = field(default_factory=lambda: MappingProxyType({}))
    observation_end: datetime | None = None
    report: DataReport = field(default_factory=DataReport)

    def __post_init__(self) -> None:
        ids = _read_only(np.asarray(self.customer_id))
        put = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731
        put("customer_id", ids)
        put("time_unit", TimeUnit.parse(self.time_unit))
        for name in ("frequency", "recency", "T", "monetary_value", "weight"):
            values = getattr(self, name)
            if values is not None:
                put(name, _column(name, values, len(ids)))
        put("columns", MappingProxyType({k: _read_only(np.asarray(v)) for k, v in self.columns.items()}))
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
            ``monetary_value``; further columns are kept by name. Without ``customer_id`` a pandas
            index named so serves; failing that, the rows are numbered.
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

        table = nw.from_native(frame, eager_only=True)
        names = table.columns
        ids: AnyArray | None = None
        if "customer_id" not in names:
            index = getattr(frame, "index", None)
            named = index is not None and getattr(index, "name", None) == "customer_id"
            ids = np.asarray(index) if named else np.arange(len(table))
        missing = [c for c in _REQUIRED[1:] if c not in names]
        if weight is not None and weight not in names:
            missing.append(weight)
        if missing:
            raise DataError(
                f"The summary lacks the column(s) {', '.join(missing)}; it has {', '.join(names)}. "
                "Rename yours, or build the summary from a log with rfm_summary."
            )
        known = {*_REQUIRED, "monetary_value", weight}
        return cls(
            customer_id=table["customer_id"].to_numpy() if ids is None else ids,
            frequency=table["frequency"].to_numpy(),
            recency=table["recency"].to_numpy(),
            T=table["T"].to_numpy(),
            monetary_value=(
                table["monetary_value"].to_numpy() if "monetary_value" in names else None
            ),
            time_unit=TimeUnit.parse(time_unit),
            weight=None if weight is None else table[weight].to_numpy(),
            columns={c: table[c].to_numpy() for c in names if c not in known},
        )

    def __len__(self) -> int:
        return len(self.customer_id)

    def __repr__(self) -> str:
        repeat = f"{self.customers(self.frequency > 0):,.0f} with repeat purchases"
        end = "" if self.observation_end is None else f", observed to {self.observation_end:%Y-%m-%d}"
        return f"RFMSummary: {self.customers():,.0f} customers, {repeat}, time unit {self.time_unit}{end}"

    def customers(self, where: AnyArray | None = None) -> float:
        """How many customers the rows (or those `where` is true) stand for."""
        rows = np.ones(len(self), bool) if where is None else where
        return float(rows.sum() if self.weight is None else self.weight[rows].sum())

    @cached_property
    def histories(self) -> Histories:
        """The distinct (x, t_x, T) rows, how often each occurs, and which one each customer has."""
        return Histories.of(self.frequency, self.recency, self.T, self.weight)

    def compress(self) -> Histories:
        """Distinct (x, t_x, T) rows with weights; the same object as `histories`."""
        return self.histories

    def column(self, name: str) -> FloatArray:
        """A further column as numbers.

        Raises
        ------
        DataError
            If there is no such column, or it does not hold finite numbers.
        """
        if name not in self.columns:
            have = ", ".join(self.columns) or "none"
            raise DataError(f"The summary has no column {name!r}; further columns: {have}.")
        try:
            values = np.asarray(self.columns[name], dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"Column {name!r} must hold numbers: {error}.") from None
        _require(self, np.isfinite(values), f"{name} must be finite", "Fill or drop those rows.")
        return values

    def with_column(self, name: str, values: Any) -> "RFMSummary":
        """A copy with one more column, matched by customer id.

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
            If ids are missing, or the length differs.
        """
        from dataclasses import replace

        if hasattr(values, "to_dict"):
            values = values.to_dict()
        if isinstance(values, Mapping):
            lacking = np.array([i not in values for i in self.customer_id.tolist()])
            _require(self, ~lacking, f"{name} must be given for every customer", "Match the ids.")
            values = [values[i] for i in self.customer_id.tolist()]
        column = np.asarray(values)
        if column.shape != (len(self),):
            raise DataError(
                f"{name} has shape {column.shape} for {len(self):,} customers. Give one value each, "
                "or a Series indexed by customer id."
            )
        return replace(self, columns={**self.columns, name: column})

    def select(self, where: AnyArray) -> "RFMSummary":
        """The customers for whom the boolean (or index) array `where` holds."""
        from dataclasses import replace

        pick = lambda a: None if a is None else a[where]  # noqa: E731
        return replace(
            self,
            customer_id=self.customer_id[where],
            frequency=self.frequency[where],
            recency=self.recency[where],
            T=self.T[where],
            monetary_value=pick(self.monetary_value),
            weight=pick(self.weight),
            columns={k: v[where] for k, v in self.columns.items()},
        )

    def to_pandas(self) -> "pd.DataFrame":
        """All columns as a new DataFrame, one row per customer."""
        import pandas as pd

        data: dict[str, AnyArray] = {name: getattr(self, name) for name in _REQUIRED}
        for name in ("monetary_value", "weight"):
            if (values := getattr(self, name)) is not None:
                data[name] = values
        return pd.DataFrame({**data, **self.columns}).astype({"frequency": "int64"})

    def _repr_html_(self) -> str:
        head = self.to_pandas().head(5)._repr_html_()  # type: ignore[operator]
        return f"<p>{self!r}</p>{head}"


def _read_only(values: AnyArray) -> AnyArray:
    out = values.copy() if values.flags.writeable or values.base is not None else values
    out.setflags(write=False)
    return out


def _column(name: str, values: Any, n: int) -> FloatArray:
    try:
        out = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"Column {name!r} must hold numbers: {error}.") from None
    if out.shape != (n,):
        raise DataError(f"Column {name!r} has shape {out.shape}; there are {n:,} customers.")
    out.setflags(write=False)
    return out


def _require(data: RFMSummary, holds: AnyArray, rule: str, remedy: str) -> None:
    if not holds.all():
        bad = data.customer_id[~holds]
        raise DataError(rule_broken(rule, len(bad), len(data), bad.tolist(), remedy))


def _validate(data: RFMSummary) -> None:
    import pandas as pd

    if len(data) == 0:
        raise DataError("The summary has no customers. Check the dates and filters of the log.")
    x, t_x, T = data.frequency, data.recency, data.T
    for name, values in (("frequency", x), ("recency", t_x), ("T", T)):
        _require(data, np.isfinite(values), f"{name} must be finite", "Fill or drop those rows.")
        _require(data, values >= 0, f"{name} must not be negative", "Check how it was computed.")
    _require(data, x == np.floor(x), "frequency must be a whole number", "It counts purchases.")
    _require(data, t_x <= T, "recency must not exceed T", "Count both from the first purchase, in one unit.")
    _require(
        data, (x == 0) | (t_x > 0), "recency must be positive where frequency is",
        "recency is the age at the last purchase, not the time since it.",
    )  # fmt: skip
    _require(
        data, (x > 0) | (t_x == 0), "recency must be 0 where frequency is 0",
        "recency is the age at the last purchase, not the time since it.",
    )  # fmt: skip
    ids = pd.Series(data.customer_id)
    _require(data, ids.notna().to_numpy(), "customer_id must not be missing", "Drop or name them.")
    _require(
        data, ~ids.duplicated().to_numpy(), "customer_id must be unique",
        "Give one row per customer, or build the summary with rfm_summary.",
    )  # fmt: skip
    if data.monetary_value is not None:
        finite = np.isfinite(data.monetary_value) | (x == 0)
        _require(
            data, finite, "monetary_value must be finite where frequency is positive",
            "Drop those rows, or give the value of their purchases.",
        )  # fmt: skip
    if data.weight is not None:
        good = np.isfinite(data.weight) & (data.weight > 0)
        _require(data, good, "weight must be positive and finite", "Drop rows that count nobody.")
    for name, values in data.columns.items():
        if values.shape != (len(data),):
            raise DataError(f"Column {name!r} has shape {values.shape}; there are {len(data):,} customers.")

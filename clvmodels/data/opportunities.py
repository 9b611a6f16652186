"""One row per customer of those who buy at opportunities, not at any time."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self, final

import numpy as np

from clvmodels._notebook import as_lines, first_rows
from clvmodels._typing import AnyArray, FloatArray
from clvmodels.data.columns import (
    FILL,
    check,
    finite_column,
    numbers,
    optional_rules,
    read_only,
)
from clvmodels.data.histories import Histories
from clvmodels.data.quality import DataReport
from clvmodels.exceptions import DataError, UnitError
from clvmodels.units import Horizon, HorizonLike

if TYPE_CHECKING:
    import pandas as pd

_REQUIRED: Final = ("customer_id", "frequency", "recency", "opportunities")
_OPTIONAL: Final = ("monetary_value", "weight")


@final
@dataclass(frozen=True, eq=False, repr=False)
class OpportunitySummary:
    """Opportunities used (x), the last one used (t_x) and how many there were (n), per customer.

    For buyers who can buy at most once at each of a row of opportunities: yearly donations,
    seasons, issues of a catalogue. Build it with `opportunity_summary` from a transaction log, or
    with `OpportunitySummary.from_frame`. It is validated once, its arrays are read-only, and it
    never changes.

    Attributes
    ----------
    customer_id : ndarray of shape (customers,)
        Unique ids.
    frequency : ndarray of shape (customers,)
        Opportunities x at which the customer bought; that of the first purchase is not counted.
    recency : ndarray of shape (customers,)
        Index t_x of the last opportunity used; 0 where x = 0.
    opportunities : ndarray of shape (customers,)
        Opportunities n since the one of the first purchase; may differ between customers.
    every : Horizon or str
        Time from one opportunity to the next ("1 year").
    monetary_value : ndarray of shape (customers,) or None
        Mean value of the opportunities used; NaN where there is none.
    weight : ndarray of shape (customers,) or None
        How many customers each row stands for; None means one each.
    columns : mapping of str to ndarray
        Any further column of the frame, by name.
    observation_end : datetime or None
        Last day of the last opportunity.
    report : DataReport
        What was read, merged and dropped on the way here.

    References
    ----------
    Fader, Hardie and Shang (2010), Customer-Base Analysis in a Discrete-Time Noncontractual
    Setting, Marketing Science 29(6), 1086-1108: the (x, t_x, n) notation.
    """

    customer_id: AnyArray
    frequency: FloatArray
    recency: FloatArray
    opportunities: FloatArray
    every: Horizon
    monetary_value: FloatArray | None = None
    weight: FloatArray | None = None
    columns: Mapping[str, AnyArray] = field(default_factory=dict)
    observation_end: datetime | None = None
    report: DataReport = field(default_factory=DataReport)

    def __post_init__(self) -> None:
        ids = read_only(np.asarray(self.customer_id))
        tidy: dict[str, Any] = {"customer_id": ids, "every": _distance(self.every)}
        for name in (*_REQUIRED[1:], *_OPTIONAL):
            if (values := getattr(self, name)) is not None:
                tidy[name] = numbers(name, values, len(ids))
        further = {name: read_only(np.asarray(v)) for name, v in self.columns.items()}
        tidy["columns"] = MappingProxyType(further)
        for name, value in tidy.items():
            object.__setattr__(self, name, value)
        _validate(self)

    @classmethod
    def from_frame(cls, frame: Any, *, every: HorizonLike, weight: str | None = None) -> Self:
        """Read a table with one row per customer.

        Parameters
        ----------
        frame : pandas, polars or Arrow table
            Columns ``customer_id`` (without it the rows are numbered), ``frequency``, ``recency``,
            ``opportunities``, optionally ``monetary_value``; further columns are kept by name.
        every : Horizon or str
            Time from one opportunity to the next.
        weight : str, optional
            Name of a column that says how many customers each row stands for.

        Raises
        ------
        DataError
            If a column is missing or a row breaks a rule (frequency <= recency <= opportunities,
            recency 0 exactly where frequency is 0, whole numbers, unique ids).
        UnitError
            If `every` is no length of time.

        Examples
        --------
        >>> import pandas as pd
        >>> df = pd.DataFrame({"frequency": [2, 0], "recency": [4, 0], "opportunities": [6, 6]})
        >>> OpportunitySummary.from_frame(df, every="1 year")
        OpportunitySummary: 2 customers, 1 with repeat purchases, opportunities every 1 year
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
                "Rename yours, or build the summary from a log with opportunity_summary."
            )
        numbered = "customer_id" not in names
        known = {*_REQUIRED, "monetary_value", weight}
        return cls(
            customer_id=np.arange(len(table)) if numbered else table["customer_id"].to_numpy(),
            frequency=table["frequency"].to_numpy(),
            recency=table["recency"].to_numpy(),
            opportunities=table["opportunities"].to_numpy(),
            every=Horizon.parse(every),
            monetary_value=(
                table["monetary_value"].to_numpy() if "monetary_value" in names else None
            ),
            weight=None if weight is None else table[weight].to_numpy(),
            columns={name: table[name].to_numpy() for name in names if name not in known},
        )

    def __len__(self) -> int:
        return len(self.customer_id)

    def __repr__(self) -> str:
        repeat = f"{self.customers(self.frequency > 0):,.0f} with repeat purchases"
        text = (
            f"OpportunitySummary: {self.customers():,.0f} customers, {repeat}, "
            f"opportunities every {self.every}"
        )
        if self.observation_end is None:
            return text
        return f"{text}, observed to {self.observation_end:%Y-%m-%d}"

    def __reduce__(self) -> tuple[Any, ...]:
        # built anew, so that what is unpickled or deep-copied is validated and read-only too
        state = {f.name: getattr(self, f.name) for f in fields(self)}
        return _rebuild, ({**state, "columns": dict(self.columns)},)

    @property
    def T(self) -> FloatArray:  # noqa: N802
        """The opportunities, under the name that ages have in other summaries."""
        return self.opportunities

    @property
    def first_value_included(self) -> bool:
        """Never: monetary_value is of the opportunities used after the first purchase."""
        return False

    @property
    def weights(self) -> FloatArray:
        """How many customers each row stands for, as an array."""
        return np.ones(len(self)) if self.weight is None else self.weight

    def customers(self, where: AnyArray | None = None) -> float:
        """How many customers the rows (or those `where` is true) stand for."""
        return float(self.weights.sum() if where is None else self.weights[where].sum())

    def compress(self) -> Histories:
        """Distinct (x, t_x, n) rows, how often each occurs, and which one each customer has.

        Computed once and kept.
        """
        return self._histories

    @cached_property
    def _histories(self) -> Histories:
        return Histories.of(self.frequency, self.recency, self.opportunities, self.weight)

    def column(self, name: str) -> FloatArray:
        """Numbers in a further column.

        Raises
        ------
        DataError
            If there is no such column, or it does not hold finite numbers.
        """
        return finite_column(self.customer_id, self.columns, name)

    def select(self, where: AnyArray) -> "OpportunitySummary":
        """Return the customers for whom the boolean (or index) array `where` holds."""
        picked: dict[str, Any] = {name: values[where] for name, values in self._given().items()}
        columns = {name: values[where] for name, values in self.columns.items()}
        return replace(self, **picked, columns=columns)

    def to_pandas(self) -> "pd.DataFrame":
        """Return all columns as a new DataFrame, one row per customer."""
        import pandas as pd

        whole = dict.fromkeys(_REQUIRED[1:], "int64")
        return pd.DataFrame({**self._given(), **self.columns}).astype(whole)

    def _given(self) -> dict[str, AnyArray]:
        optional = [name for name in _OPTIONAL if getattr(self, name) is not None]
        return {name: getattr(self, name) for name in (*_REQUIRED, *optional)}

    def _repr_html_(self) -> str:
        head = self.select(np.arange(min(5, len(self)))).to_pandas()
        return as_lines(self) + first_rows(head, len(self))


def _rebuild(state: dict[str, Any]) -> OpportunitySummary:
    return OpportunitySummary(**state)


def _distance(every: HorizonLike) -> Horizon:
    parsed = Horizon.parse(every)
    if parsed.length == 0:
        raise UnitError("Opportunities must come at some distance: every='1 year', say.")
    return parsed


def _validate(data: OpportunitySummary) -> None:
    x, t_x, n = data.frequency, data.recency, data.opportunities
    index = "recency is the number of the last opportunity used, counted from the first purchase."
    once = "Several purchases at one opportunity count once: opportunity_summary sees to it."
    rules = []
    for name, values in (("frequency", x), ("recency", t_x), ("opportunities", n)):
        rules += [
            (np.isfinite(values), f"{name} must be finite", FILL),
            (values >= 0, f"{name} must not be negative", "It counts opportunities."),
            (values == np.floor(values), f"{name} must be whole", "It counts opportunities."),
        ]
    rules += [
        (x <= n, "frequency must not exceed opportunities", once),
        (t_x <= n, "recency must not exceed opportunities", index),
        (x <= t_x, "frequency must not exceed recency", f"{once} {index}"),
        ((x > 0) | (t_x == 0), "recency must be 0 where frequency is 0", index),
        *optional_rules(x, data.monetary_value, data.weight),
    ]
    check(data.customer_id, rules, data.columns, "opportunity_summary")

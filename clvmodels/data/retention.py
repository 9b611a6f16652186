"""Who renewed and who left: the table that every retention model is fitted to."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np

from clvmodels._notebook import as_lines, first_rows
from clvmodels._typing import AnyArray, FloatArray
from clvmodels.exceptions import DataError, UnitError
from clvmodels.units import Horizon, HorizonLike

if TYPE_CHECKING:
    import pandas as pd

COHORT = "cohort"
_ONLY = "all"  # the cohort of customers of whom no start is known
_MOST_PERIODS = 100_000  # a duration beyond is a date or an id


@final
@dataclass(frozen=True, eq=False, repr=False)
class RetentionTable:
    """How many customers left after which contract period, and how many are still there.

    For contracts and subscriptions, where it is seen that a customer leaves. Build it with
    `RetentionTable.from_survivors` or `RetentionTable.from_durations`. It is validated once, its
    arrays are read-only, and it never changes.

    A customer of age n is in the n-th contract period, before the n-th renewal. Who left at the
    n-th renewal has a duration of n periods; who has renewed n times and is still there has one of
    n periods too, and the age n + 1.

    Attributes
    ----------
    cohort : ndarray of shape (rows,)
        Name of the cohort.
    duration : ndarray of shape (rows,)
        Completed contract periods: renewals faced.
    churned : ndarray of bool of shape (rows,)
        Whether the customers left at the last of these renewals.
    customers : ndarray of shape (rows,)
        How many customers the row stands for.
    period : Horizon
        Length of a contract period.

    References
    ----------
    Fader and Hardie (2007), How to project customer retention, Journal of Interactive Marketing
    21(1), 76-90; several cohorts: Fader and Hardie (2007), Fitting the sBG model to multi-cohort
    data, brucehardie.com/notes/017.
    """

    cohort: AnyArray
    duration: FloatArray
    churned: AnyArray
    customers: FloatArray
    period: Horizon

    def __post_init__(self) -> None:
        tidy = {
            "cohort": np.array(self.cohort),
            "duration": np.array(self.duration, dtype=np.float64),
            "churned": np.array(self.churned, dtype=np.bool_),
            "customers": np.array(self.customers, dtype=np.float64),
        }
        for name, values in tidy.items():
            if values.shape != tidy["cohort"].shape or values.ndim != 1:
                raise DataError(f"{name} has shape {values.shape}; every row needs one value.")
            values.setflags(write=False)
            object.__setattr__(self, name, values)
        object.__setattr__(self, "period", contract_period(self.period))
        _validate(self)

    @classmethod
    def from_survivors(cls, survivors: Any, *, period: HorizonLike) -> Self:
        """Read how many customers of each cohort were there in their first, second, ... period.

        Parameters
        ----------
        survivors : sequence, mapping of name to sequence, or table
            Numbers of customers, not shares: all that were acquired, those that renewed once,
            twice, ... Cohorts may be of different ages; one that has not faced a renewal yet has
            a single number. A pandas, polars or Arrow table has one row per cohort and one column
            per period, in their order, empty after the last period observed; a column ``cohort``
            (or a pandas index) names the cohorts.
        period : Horizon or str
            Length of a contract period, "1 year" or "1 month".

        Returns
        -------
        RetentionTable

        Raises
        ------
        DataError
            If survivors rise, are negative, not whole or missing in between.
        UnitError
            If `period` is a bare number.

        Examples
        --------
        >>> RetentionTable.from_survivors([1000, 631, 468, 382, 326], period="1 year")
        RetentionTable: 1,000 customers in 1 cohort, 326 still there, up to 4 renewals, period 1
        year
        """
        rows: list[tuple[Any, float, bool, float]] = []
        for name, counts in _cohorts(survivors):
            alive = _survivors(name, counts)
            lost = zip(range(1, len(alive)), -np.diff(alive), strict=True)
            rows += [(name, t, True, gone) for t, gone in lost]
            rows.append((name, len(alive) - 1, False, alive[-1]))
        if not rows:
            raise DataError("There is no cohort in the table. Give the survivors of at least one.")
        cohort, duration, churned, customers = zip(*rows, strict=True)
        return cls(_names(cohort), duration, churned, customers, period)  # type: ignore[arg-type]

    @classmethod
    def from_durations(cls, duration: Any, churned: Any, *, period: HorizonLike) -> Self:
        """Read one duration per customer, with those still there cut off (right-censored).

        Parameters
        ----------
        duration : array_like of shape (customers,)
            Completed contract periods: of who left, all there were; of who is still there, those
            completed so far, 0 in the first. Time since the start divided by `period`, rounded
            down.
        churned : array_like of shape (customers,)
            True where the customer left at the end of the last of these periods.
        period : Horizon or str
            Length of a contract period, "1 year" or "1 month".

        Returns
        -------
        RetentionTable
            One row per distinct duration and fate.

        Raises
        ------
        DataError
            If a duration is negative, not whole or missing, or 0 for who left.
        UnitError
            If `period` is a bare number.

        Examples
        --------
        >>> RetentionTable.from_durations([1, 1, 3, 0], [True, False, False, False],
        ...                               period="1 month")
        RetentionTable: 4 customers in 1 cohort, 3 still there, up to 3 renewals, period 1 month
        """
        times, left = _durations(duration), _flags(churned)
        if times.shape != left.shape or times.ndim != 1:
            raise DataError(
                f"duration and churned have shapes {times.shape} and {left.shape}. Give one value "
                "of each per customer."
            )
        _each(np.isfinite(times), times, "duration must be finite", "Fill or drop those rows.")
        whole = (times == np.floor(times)) & (times >= 0)
        rounded = "Count completed contract periods: round down."
        _each(whole, times, "duration must be a whole number, 0 or more", rounded)
        _each(
            ~left | (times > 0), times, "duration must be at least 1 where churned",
            "Who left had one period at least; who is in the first has not churned.",
        )  # fmt: skip
        _each(times <= _MOST_PERIODS, times, "duration must be a number of periods", rounded)
        times, left, customers = _distinct(times, left, np.ones(len(times)))
        return cls(np.full(len(times), _ONLY), times, left, customers, contract_period(period))

    @property
    def acquired(self) -> float:
        """All customers, whatever became of them."""
        return float(self.customers.sum())

    @property
    def active(self) -> "RetentionTable":
        """The rows of customers who are still there."""
        return self._rows(~self.churned & (self.customers > 0))

    @property
    def age(self) -> AnyArray:
        """Age of each row's customers: that of the period they are in, or were last in."""
        age: AnyArray = self.duration.astype(np.int64) + ~self.churned
        return age

    @property
    def last_retention_rate(self) -> float:
        """Share of the renewals last faced that were made, over all cohorts.

        What goes by the name of *the* retention rate. Where customers of one cohort differ in
        age, as those given by durations do, nobody knows which renewals were the last: then it is
        the share of all renewals ever faced. NaN if there was none.
        """
        faced = made = 0.0
        for name in dict.fromkeys(self.cohort.tolist()):
            mine = self.cohort == name
            ages = np.unique(self.duration[mine & ~self.churned])
            if len(ages) > 1:
                table = self.to_pandas()
                faced, made = float(table["customers"].sum()), float(table["renewed"].sum())
                break
            last = ages[0] if len(ages) else self.duration[mine].max()
            here = mine & (self.duration == last) & (last > 0)
            faced += float(self.customers[here].sum())
            made += float(self.customers[here & ~self.churned].sum())
        return made / faced if faced else float("nan")

    def distinct(self) -> tuple[FloatArray, AnyArray, FloatArray]:
        """Distinct durations and fates, over all cohorts, and how many customers have each.

        All that the likelihood of a model sees.
        """
        return _distinct(self.duration, self.churned, self.customers)

    def distinct_by_cohort(self) -> "RetentionTable":
        """The same customers, in one row per cohort, duration and fate."""
        tables = []
        for name in dict.fromkeys(self.cohort.tolist()):
            mine = self.cohort == name
            rows = _distinct(self.duration[mine], self.churned[mine], self.customers[mine])
            names = np.full(len(rows[0]), name, dtype=object)
            tables.append((names, *rows))
        cohort, duration, churned, customers = (
            np.concatenate(parts) for parts in zip(*tables, strict=True)
        )
        return RetentionTable(cohort, duration, churned, customers, self.period)

    def to_pandas(self) -> "pd.DataFrame":
        """Renewals by cohort and age, one row each.

        Returns
        -------
        DataFrame
            Columns cohort, age (1 in the first period), customers (up for renewal at its end),
            renewed, retention_rate. Ages at which nobody was up for renewal are left out.
        """
        import pandas as pd

        from clvmodels.kernels.retention import renewals

        parts = []
        for name in dict.fromkeys(self.cohort.tolist()):
            mine = self._rows(self.cohort == name)
            kept, lost = renewals(mine.duration, mine.churned, mine.customers)
            faced = kept + lost
            age = np.flatnonzero(faced) + 1
            parts.append(
                pd.DataFrame(
                    {
                        COHORT: np.full(len(age), name),
                        "age": age,
                        "customers": faced[age - 1],
                        "renewed": kept[age - 1],
                        "retention_rate": kept[age - 1] / faced[age - 1],
                    }
                )
            )
        return pd.concat(parts, ignore_index=True)

    def __len__(self) -> int:
        return len(self.cohort)

    def __repr__(self) -> str:
        cohorts = len(set(self.cohort.tolist()))
        return (
            f"RetentionTable: {self.acquired:,.0f} customers in {cohorts:,} "
            f"cohort{'' if cohorts == 1 else 's'}, "
            f"{self.customers[~self.churned].sum():,.0f} still there, "
            f"up to {self.duration.max():.0f} renewals, period {self.period}"
        )

    def _repr_html_(self) -> str:
        return as_lines(self) + first_rows(self.to_pandas().head(), len(self))

    def __reduce__(self) -> tuple[Any, ...]:
        # built anew, so that what is unpickled or deep-copied is validated and read-only too
        return RetentionTable, tuple(getattr(self, f.name) for f in fields(self))

    def _rows(self, where: AnyArray) -> "RetentionTable":
        return RetentionTable(
            cohort=self.cohort[where],
            duration=self.duration[where],
            churned=self.churned[where],
            customers=self.customers[where],
            period=self.period,
        )


def contract_period(period: HorizonLike) -> Horizon:
    """The length of a contract period, or an error that says how to write one."""
    parsed = Horizon.parse(period)
    if parsed.length == 0:
        raise UnitError("A contract period must be longer than 0. Write '1 year' or '1 month'.")
    return parsed


def _cohorts(survivors: Any) -> Iterator[tuple[Any, AnyArray]]:
    """Names and counts of the cohorts, from whatever form they come in."""
    if isinstance(survivors, Mapping):
        yield from ((name, np.asarray(counts)) for name, counts in survivors.items())
    elif hasattr(survivors, "columns"):
        yield from _rows_of(survivors)
    else:
        counts = np.asarray(survivors)
        if counts.ndim != 1:
            raise DataError(
                f"The survivors of one cohort are a list of numbers, got shape {counts.shape}. For "
                "several cohorts give a mapping of names to lists, or a table with a row for each."
            )
        yield 1, counts


def _rows_of(frame: Any) -> Iterator[tuple[Any, AnyArray]]:
    import narwhals as nw

    table = nw.from_native(frame, eager_only=True)
    columns = {column.name: column for column in table.iter_columns()}
    index = getattr(frame, "index", range(1, len(table) + 1))
    names = columns.pop(COHORT).to_list() if COHORT in columns else list(index)
    for name, column in columns.items():
        if not column.dtype.is_numeric():
            raise DataError(
                f"Column {name!r} must hold numbers of survivors; only {COHORT!r} may hold "
                "something else. Drop it, or make it the index."
            )
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise DataError(
            f"Cohort {twice[0]} has {names.count(twice[0])} rows. Give each cohort one row, with a "
            "column of survivors for each period: of a long table, its pivot."
        )
    counts = np.column_stack([c.cast(nw.Float64).to_numpy() for c in columns.values()])
    for name, row in zip(names, counts, strict=True):
        seen = np.flatnonzero(~np.isnan(row))
        yield name, row[: seen[-1] + 1 if len(seen) else 0]


def _survivors(name: Any, counts: AnyArray) -> FloatArray:
    """The survivors of one cohort, or an error that names the cohort and the period."""
    try:
        alive = counts.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"Cohort {name}: survivors must be numbers: {error}.") from None
    if alive.ndim != 1 or len(alive) == 0:
        raise DataError(f"Cohort {name} has no survivors at all. Leave it out.")
    rules = [
        (
            np.isfinite(alive),
            "must be given for every period up to the last",
            "Fill the gap, with one row per cohort.",
        ),
        (alive >= 0, "must not be negative", "They count customers."),
        (
            (alive == np.floor(alive)) | ~np.isfinite(alive),
            "must be whole numbers of customers",
            "Multiply shares or percentages by the size of the cohort, and round.",
        ),
        (
            np.diff(alive, prepend=np.inf) <= 0,
            "must not rise",
            "Who has left does not count again: make returning customers a cohort of their own, "
            "and new ones as well.",
        ),
    ]
    for holds, rule, remedy in rules:
        if not holds.all():
            at = int(np.argmin(holds))
            before = f" after {alive[at - 1]:,g}" if at else ""
            raise DataError(
                f"Survivors {rule}: cohort {name} has {alive[at]:,g} in period {at + 1}{before}. "
                f"{remedy}"
            )
    if alive[0] == 0:
        raise DataError(f"Cohort {name} begins with no customer. Leave it out.")
    return alive


def _distinct(
    duration: FloatArray, churned: AnyArray, customers: FloatArray
) -> tuple[FloatArray, AnyArray, FloatArray]:
    counts = np.bincount((2 * duration + churned).astype(np.int64), weights=customers)
    seen = np.flatnonzero(counts)
    return (seen // 2).astype(np.float64), seen % 2 == 1, counts[seen].astype(np.float64)


def _names(cohort: tuple[Any, ...]) -> AnyArray:
    names = np.empty(len(cohort), dtype=object)
    names[:] = cohort
    return names


def _durations(duration: Any) -> FloatArray:
    try:
        return np.asarray(duration, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"duration must hold numbers: {error}.") from None


def _flags(churned: Any) -> AnyArray:
    given = np.asarray(churned)
    if given.dtype.kind not in "biuf" or not np.isin(given, (0, 1)).all():
        raise DataError("churned must hold True and False (or 1 and 0), without gaps.")
    return given.astype(np.bool_)


def _each(holds: AnyArray, times: FloatArray, rule: str, remedy: str) -> None:
    """Every customer must keep a rule; those who do not are named by their row."""
    if not holds.all():
        rows = np.flatnonzero(~holds)
        first = ", ".join(f"{times[row]:g} in row {row}" for row in rows[:5])
        raise DataError(
            f"{rule}: broken by {len(rows):,} of {len(times):,} customers, first {first}. {remedy}"
        )


def _validate(table: RetentionTable) -> None:
    if len(table) == 0 or not table.customers.sum() > 0:
        raise DataError("The table has no customers. Check the filters of the data.")
    holds = (
        np.isfinite(table.customers) & (table.customers >= 0)
        & (table.duration == np.floor(table.duration)) & (table.duration >= table.churned)
    )  # fmt: skip
    if not holds.all():
        raise DataError(
            "A row of the table needs a whole duration (1 or more where churned) and a number of "
            f"customers that is not negative: row {int(np.argmin(holds))} has not. Build the "
            "table with RetentionTable.from_survivors or RetentionTable.from_durations."
        )

"""Finding the log wherever it is: frames, Ibis tables and files become one lazy Ibis table."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from glob import has_magic, iglob
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Final, final
from uuid import uuid4

from clvmodels._typing import AnyArray
from clvmodels.data.conventions import Conventions
from clvmodels.exceptions import DataError

_PARQUET: Final = (".parquet", ".pq")
_CSV: Final = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz", ".csv.zst")


@final
@dataclass(frozen=True, eq=False)
class Source:
    """A log where it lies: a lazy table, the engine that can query it, and its name."""

    table: Any
    backend: Any
    name: str

    def fetch(self, query: Any) -> Any:
        """Run a query; its result as an Arrow table."""
        import duckdb

        try:
            return self.backend.to_pyarrow(query)
        except duckdb.Error as error:
            raise _unreadable(self.name, error) from error

    def fetch_arrays(self, query: Any) -> dict[str, AnyArray]:
        """Run a query; its columns by name, nulls among numbers as NaN, texts as str."""
        result = self.fetch(query)
        return {name: result[name].to_numpy() for name in result.column_names}

    def fetch_row(self, query: Any) -> dict[str, Any]:
        """Run a query of one row; its values by name."""
        row: dict[str, Any] = self.fetch(query).to_pylist()[0]
        return row


@contextmanager
def open_source(transactions: Any, by: Conventions) -> Iterator[Source]:
    """Find the log and check that it has the columns asked for.

    Raises
    ------
    DataError
        If there is nothing readable there, or a column is missing.
    """
    import ibis

    if isinstance(transactions, ibis.Table):
        _require_columns(transactions.columns, by, "The table")
        yield Source(transactions, transactions.get_backend(), "the table")
        return
    backend = _embedded()
    try:
        if isinstance(transactions, str | Path):
            yield _file(str(transactions), backend, by)
        else:
            yield Source(ibis.memtable(_arrow(transactions, by)), backend, "the log")
    finally:
        backend.disconnect()


def _embedded() -> Any:
    """Open DuckDB in memory, kept to 256 MB a core: beyond that it spills, and is hardly slower."""
    import ibis

    spill = Path(gettempdir()) / f"clvmodels-{uuid4().hex}"
    backend = ibis.duckdb.connect(temp_directory=str(spill))
    (cores,) = backend.raw_sql("SELECT current_setting('threads')").fetchone()
    backend.raw_sql(f"SET memory_limit = '{min(256 * cores, 4096)}MB'")
    return backend


def _require_columns(have: Sequence[str], by: Conventions, name: str) -> None:
    if missing := [c for c in by.columns if c not in have]:
        named = set(missing) - set(by.keep)
        remedy = "Name yours with customer_id=, date= and value=." if named else "Name one of them."
        raise DataError(
            f"{name} has no column {', '.join(map(repr, missing))}; it has {', '.join(have)}. "
            f"{remedy}"
        )


def _file(path: str, backend: Any, by: Conventions) -> Source:
    import duckdb
    import ibis

    remote = "://" in path
    found = remote or (any(iglob(path)) if has_magic(path) else Path(path).is_file())
    if not found:
        folder = Path(path).is_dir()
        hint = " It is a folder: give a pattern such as 'folder/*.parquet'." if folder else ""
        raise DataError(f"Cannot read {path}: no such file.{hint}")
    kind = path.lower()
    if kind.endswith((*_PARQUET, *_CSV)) and Path(path).is_file() and not Path(path).stat().st_size:
        raise DataError(f"{path} is empty: it has no rows.")
    engine = backend.con
    try:
        if kind.endswith(_PARQUET):
            relation = engine.read_parquet(path)
            _require_columns(relation.columns, by, path)
        elif kind.endswith(_CSV):
            _require_columns(engine.read_csv(path).columns, by, path)
            # dates as text: a guess at the order of day and month is a guess. Types of the rest
            # from all rows: by the first ones alone, a later id 0012 would become 12
            relation = engine.read_csv(path, dtype={by.date: "VARCHAR"}, sample_size=-1)
        else:
            raise DataError(f"Cannot tell what {path} is. Its name should end in .parquet or .csv.")
        relation.create_view("log")
        schema = ibis.Schema.from_pyarrow(relation.limit(0).to_arrow_table().schema)
    except (duckdb.Error, OSError) as error:
        raise _unreadable(path, error) from error
    return Source(ibis.table(schema, name="log"), backend, path)


def _unreadable(name: str, error: Exception) -> DataError:
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    value = [line for line in lines[1:] if line.startswith("Error when converting")]
    return DataError(f"Cannot read {name}: {'. '.join([lines[0], *value])}")


def _arrow(transactions: Any, by: Conventions) -> Any:
    """Bring the columns asked for into Arrow, without a copy where the frame allows it."""
    import narwhals as nw
    import pyarrow as pa

    try:
        frame = nw.from_native(transactions)
    except TypeError:
        raise DataError(
            f"Cannot read a log from {type(transactions).__name__}. Give a pandas, polars or Arrow "
            "table, an Ibis table, or the path of a Parquet or CSV file."
        ) from None
    except nw.exceptions.DuplicateError as error:
        raise DataError(f"The log has two columns of one name. {error}") from error
    _require_columns(frame.collect_schema().names(), by, "The log")
    if isinstance(frame, nw.DataFrame) and not len(frame):
        raise DataError("The log is empty: it has no rows.")
    if nw.dependencies.is_pandas_dataframe(transactions):
        columns = {name: _from_pandas(transactions[name], name == by.date) for name in by.columns}
    else:
        picked = frame.select(*by.columns)
        eager = picked.collect("pyarrow") if isinstance(picked, nw.LazyFrame) else picked
        columns = {name: eager[name].to_arrow() for name in by.columns}
    return pa.table({name: _plain(name, column) for name, column in columns.items()})


def _from_pandas(series: Any, is_date: bool) -> Any:
    import pandas as pd
    import pyarrow as pa

    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(series.cat.categories.dtype)
    if is_date and series.dtype == object:
        return _from_objects(series)
    try:
        return pa.array(series, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"Column {series.name!r} cannot be read: {error}. Give its values one type."
        ) from error


def _plain(name: str, column: Any) -> Any:
    import pyarrow as pa

    if isinstance(column.type, pa.BaseExtensionType):
        raise DataError(f"Column {name!r} holds {column.type}. Give plain dates, numbers or text.")
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _from_objects(series: Any) -> Any:
    """Dates in a column of Python objects, which may be anything, but one thing only."""
    import pyarrow as pa

    values = [None if missing else v for v, missing in zip(series, series.isna(), strict=True)]
    given = [v for v in values if v is not None]
    aware = [isinstance(v, datetime) and v.tzinfo is not None for v in given]
    if not given:
        return pa.nulls(len(values), pa.timestamp("us"))
    if all(isinstance(v, str) for v in given):
        return pa.array(values, pa.string())
    if not all(isinstance(v, date) for v in given):
        other = next(v for v in given if not isinstance(v, date))
        raise DataError(
            f"Column {series.name!r} mixes dates and other values, such as {other!r}. "
            "Give it one type."
        )
    if any(aware) and not all(aware):
        raise mixed_zones(series.name, sum(aware), len(given))
    if not any(aware):
        naive = [None if v is None else _datetime(v) for v in values]
        return pa.array(naive, pa.timestamp("us"))
    zones = {_zone_name(v.tzinfo) for v in given}
    zone = zones.pop() if len(zones) == 1 else "+00:00"  # an offset names no zone
    instants = [None if v is None else v.astimezone(UTC) for v in values]
    return pa.array(instants, pa.timestamp("us", tz=zone))


def mixed_zones(column: object, aware: int, total: int) -> DataError:
    """Error for dates of which only some have a time zone."""
    return DataError(
        f"Column {column!r} mixes {aware:,} dates with a time zone and {total - aware:,} without. "
        "Bring them to one zone first."
    )


def _datetime(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.combine(value, time())


def _zone_name(zone: Any) -> str:
    return "UTC" if zone is UTC else getattr(zone, "key", None) or str(zone)

"""The SQL of the summary, to be run where the log lies."""

from typing import Final, Literal, TypeAlias

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
from clvmodels.exceptions import ParameterError
from clvmodels.units import TimeUnit

Dialect: TypeAlias = Literal["duckdb", "postgres", "bigquery", "snowflake", "spark"]
DateType: TypeAlias = Literal["timestamp", "timestamp_tz", "date", "string"]

_ENGINES: Final = {
    "duckdb": "duckdb",
    "postgres": "postgres",
    "bigquery": "bigquery",
    "snowflake": "snowflake",
    "spark": "databricks",  # Spark SQL; Ibis prints its own Spark dialect only where Spark is
}
_DATE_TYPES: Final = {
    "timestamp": "timestamp",
    "timestamp_tz": "timestamp('UTC')",
    "date": "date",
    "string": "string",
}


def rfm_sql(
    dialect: Dialect = "duckdb",
    *,
    time_unit: TimeUnit | str,
    observation_end: Moment,
    table: str = "transactions",
    customer_id: str = "customer_id",
    date: str = "date",
    value: str | None = None,
    date_type: DateType = "timestamp",
    date_format: str | None = None,
    time_zone: str | None = None,
    refunds: Refunds = "error",
    zero_value: ZeroValue = "keep",
    missing_value: MissingValue = "error",
    missing_keys: MissingKeys = "drop",
    include_first_value: bool = False,
    litt: bool = False,
) -> str:
    """Print the SQL that computes what `rfm_summary` computes.

    It returns customer_id, frequency, recency, T and, if asked for, monetary_value and litt, sorted
    by customer. SQL raises no errors about data: where a policy is "error" the text trusts the
    table, and its first lines say so.

    Parameters
    ----------
    dialect : {"duckdb", "postgres", "bigquery", "snowflake", "spark"}
        Spark needs version 3.4 or newer, and for hours a session whose time zone is UTC.
    table : str
        Name of the log's table, with its schema and database in front if need be.
    date_type : {"timestamp", "timestamp_tz", "date", "string"}
        Type of the date column: "timestamp" is local time without a zone (DATETIME in BigQuery),
        "timestamp_tz" an instant (TIMESTAMP in BigQuery and Spark), which needs a time_zone.
        With a date_format it is "string".
    time_unit, observation_end, customer_id, date, value, date_format, time_zone, refunds, \
zero_value, missing_value, missing_keys, include_first_value, litt
        As in `rfm_summary`.

    Returns
    -------
    str
        One SELECT statement, after comments that state its conventions.

    Raises
    ------
    ParameterError
        If the dialect, the date type or a policy is unknown, or an instant has no time zone.

    Examples
    --------
    >>> sql = rfm_sql("postgres", table="shop.orders", time_unit="week", date="ordered_at",
    ...               observation_end="1997-09-30")
    >>> print(sql.splitlines()[0])
    -- RFM summary in weeks. Observation ends with 1997-09-30, that day included.
    """
    import ibis

    for name, choice, choices in (
        ("dialect", dialect, _ENGINES),
        ("date_type", date_type, _DATE_TYPES),
    ):
        if choice not in choices:
            raise ParameterError(
                f"{name}={choice!r} is unknown; choose one of {', '.join(choices)}."
            )
    if date_type == "timestamp_tz" and time_zone is None:
        raise ParameterError(
            "date_type='timestamp_tz' needs a time_zone: on whose clock days begin."
        )
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
    )
    end = ObservationEnd.parse(observation_end, by.period, time_zone)
    engine = _ENGINES[dialect]
    aware = date_format is None and date_type == "timestamp_tz"
    kinds = {customer_id: "string", date: _DATE_TYPES["string" if date_format else date_type]}
    if value is not None:
        kinds[value] = "decimal"
    *place, name = table.split(".")
    catalog, database = [None, None, *place][-2:]
    log = ibis.table(kinds, name=name, catalog=catalog, database=database)
    moment = expression.local_moment(log[date], by, engine, time_zone if aware else None)
    query = expression.summary(expression.read_rows(log, by, moment), by, end, engine)
    lines = [f"RFM summary in {by.time_unit}s. Observation ends with {end}.", *by.in_words()]
    trusted = [f"no {what}" for what, policy in _trusted(by) if policy == "error"]
    lines += [f"Trusts the table to hold {' and '.join(trusted)}."] if trusted else []
    comments = "\n".join(f"-- {line}" for line in lines)
    return f"{comments}\n{ibis.to_sql(query, dialect=engine)}"


def _trusted(by: Conventions) -> list[tuple[str, str]]:
    if by.value is None:
        return []
    return [
        ("negative amounts", by.refunds),
        ("missing amounts", by.missing_value),
        ("zero amounts", by.zero_value),
    ]

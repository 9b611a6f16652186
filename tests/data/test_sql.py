"""The SQL is that of the summary: executed on DuckDB, kept as snapshots for the others.

Run this file as a script to write the snapshots anew.
"""

from itertools import product
from pathlib import Path

import duckdb
import pandas as pd
import pytest
import sqlglot

from clvmodels.data.datasets import load_cdnow
from clvmodels.data.sql import rfm_sql
from clvmodels.data.transactions import rfm_summary
from clvmodels.exceptions import ParameterError

SNAPSHOTS = Path(__file__).parent / "snapshots"
SQLGLOT_NAMES = {"spark": "databricks"}
DIALECTS = ("duckdb", "postgres", "bigquery", "snowflake", "spark")
CASES = {
    "weeks": {"time_unit": "week", "observation_end": "1997-09-30", "value": "value"},
    "weeks_litt": {"time_unit": "week", "observation_end": "1997-09-30", "litt": True},
    "hours_zone": {
        "time_unit": "hour",
        "observation_end": "2024-06-01 18:30",
        "table": "shop.sales.orders",
        "customer_id": "buyer",
        "date": "ordered_at",
        "date_type": "timestamp_tz",
        "time_zone": "America/New_York",
    },
    "months_net_text": {
        "time_unit": "month",
        "observation_end": "2024-06-01",
        "value": "amount",
        "date_format": "%m/%d/%Y",
        "refunds": "net",
        "missing_value": "drop",
        "include_first_value": True,
    },
}


def snapshot(case: str, dialect: str) -> Path:
    return SNAPSHOTS / f"{case}.{dialect}.sql"


@pytest.mark.parametrize(("case", "dialect"), list(product(CASES, DIALECTS)))
def test_the_text_is_the_one_reviewed(case, dialect):
    text = rfm_sql(dialect, **CASES[case])
    assert f"{text}\n" == snapshot(case, dialect).read_text(encoding="utf-8")
    parsed = sqlglot.parse(text, dialect=SQLGLOT_NAMES.get(dialect, dialect))
    assert [type(statement).__name__ for statement in parsed] == ["Select"]


def run(sql: str, **tables: pd.DataFrame) -> pd.DataFrame:
    with duckdb.connect() as engine:
        for name, table in tables.items():
            engine.register(name, table)
        return engine.sql(sql).df()


@pytest.mark.parametrize(
    "options",
    [
        {"time_unit": "week"},
        {"time_unit": "month", "include_first_value": True},
        {"time_unit": "day", "refunds": "net"},
        {"time_unit": "day", "refunds": "net_same_period", "zero_value": "drop"},
        {"time_unit": "hour", "zero_value": "drop"},
        {"time_unit": "week", "litt": True},
        {"time_unit": "day", "refunds": "net", "litt": True},
    ],
)
def test_the_text_gives_the_same_summary(options):
    log = load_cdnow(sample=True)
    options = {"value": "value", "observation_end": "1997-09-30", **options}
    found = run(rfm_sql(**options), transactions=log)
    expected = rfm_summary(log, **options).to_pandas()
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-13)


def test_the_text_knows_time_zones_and_refunds():
    # two instants of one UTC day, and of two days in New York
    log = pd.DataFrame(
        {
            "customer_id": [1, 1, 1, 2, 2, None],
            "date": pd.to_datetime(
                [
                    "2024-03-10T04:30Z",
                    "2024-03-10T05:30Z",
                    "2024-03-12T12:00Z",
                    "2024-03-11T12:00Z",
                    "2024-03-13T12:00Z",
                    "2024-03-13T12:00Z",
                ]
            ),
            "value": [10.0, 20, -15, 5, -5, 1],
        }
    )
    options = {
        "time_unit": "day",
        "value": "value",
        "observation_end": "2024-06-01",
        "time_zone": "America/New_York",
        "refunds": "net",
    }
    found = run(rfm_sql(date_type="timestamp_tz", **options), transactions=log)
    assert found.to_numpy().tolist() == [[1, 1, 1, 84, 5]]
    expected = rfm_summary(log, **options).to_pandas()
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_text_dates():
    log = pd.DataFrame({"customer_id": ["a", "a"], "date": ["31/01/2024", "02/02/2024"]})
    sql = rfm_sql(time_unit="day", observation_end="2024-02-02", date_format="%d/%m/%Y")
    found = run(sql, transactions=log)
    assert found.to_numpy().tolist() == [["a", 1, 2, 2]]


def test_the_first_lines_say_what_is_assumed():
    head = [line for line in rfm_sql(**CASES["weeks"]).splitlines() if line.startswith("-- ")]
    assert (
        head[0] == "-- RFM summary in weeks. Observation ends with 1997-09-30, that day included."
    )
    assert head[-1] == "-- Trusts the table to hold no negative amounts and no missing amounts."
    assert "Trusts" not in rfm_sql(**CASES["hours_zone"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dialect": "oracle"}, "dialect='oracle' is unknown; choose one of duckdb, postgres"),
        ({"date_type": "text"}, "date_type='text' is unknown"),
        ({"date_type": "timestamp_tz"}, "needs a time_zone"),
        ({"refunds": "sometimes"}, "refunds='sometimes' is unknown"),
    ],
)
def test_unknown_choices_are_refused(options, message):
    with pytest.raises(ParameterError, match=message):
        rfm_sql(time_unit="week", observation_end="1997-09-30", **options)


if __name__ == "__main__":
    SNAPSHOTS.mkdir(exist_ok=True)
    for case, dialect in product(CASES, DIALECTS):
        snapshot(case, dialect).write_text(f"{rfm_sql(dialect, **CASES[case])}\n", encoding="utf-8")

"""The same log gives the same summary wherever it lies, and what is none is told in one line."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clvmodels.data.datasets import load_cdnow
from clvmodels.data.summary import RFMSummary
from clvmodels.data.transactions import rfm_summary
from clvmodels.exceptions import DataError


@pytest.fixture(scope="module")
def cdnow():
    return load_cdnow(sample=True)


def read(log, **options) -> RFMSummary:
    return rfm_summary(
        log, time_unit="week", value="value", observation_end="1997-09-30", **options
    )


@pytest.fixture(scope="module")
def expected(cdnow):
    return read(cdnow).to_pandas()


def test_cdnow_has_the_published_counts(cdnow):
    # Fader, Hardie and Lee (2005), section 4: 2,357 customers; 946 bought again
    rfm = read(cdnow)
    assert len(rfm) == 2357
    assert np.count_nonzero(rfm.frequency) == 946
    assert rfm.frequency.sum() == 2457
    report = rfm.report
    assert (report.rows_read, report.after_end, report.merged) == (6919, 1959, 146)
    assert "146 rows merged: another purchase of the same customer on the same day" in str(report)


def kinds(log: pd.DataFrame, folder: Path) -> dict[str, object]:
    import ibis
    import polars as pl
    import pyarrow as pa

    log.to_parquet(folder / "log.parquet")
    log.to_csv(folder / "log.csv", index=False)
    log[:3000].to_parquet(folder / "part-1.parquet")
    log[3000:].to_parquet(folder / "part-2.parquet")
    return {
        "pandas": log,
        "shuffled": log.sample(frac=1, random_state=1),
        "nanoseconds": log.assign(date=log["date"].astype("datetime64[ns]")),
        "polars": pl.from_pandas(log),
        "polars lazy": pl.from_pandas(log).lazy(),
        "arrow": pa.Table.from_pandas(log),
        "ibis": ibis.duckdb.connect().create_table("log", pa.Table.from_pandas(log)),
        "parquet": str(folder / "log.parquet"),
        "parquet path": folder / "log.parquet",
        "parquets": folder / "part-*.parquet",
        "csv": folder / "log.csv",
    }


@pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # Ibis 12, DuckDB 2
def test_every_kind_of_input_gives_the_same_summary(cdnow, expected, tmp_path):
    for name, log in kinds(cdnow, tmp_path).items():
        found = read(log).to_pandas()
        pd.testing.assert_frame_equal(found, expected, rtol=1e-13, obj=name)  # sums in any order


@pytest.mark.parametrize("kind", ["str", "object", "category", "int32", "int category"])
def test_ids_keep_their_type(cdnow, expected, kind):
    ids = cdnow["customer_id"]
    text = "c" + ids.astype(str).str.zfill(5)
    ids = {
        "str": text.astype("str"),
        "object": text.astype(object),
        "category": text.astype("category").cat.add_categories(["unused"]),
        "int32": ids.astype("int32"),
        "int category": ids.astype("category").cat.add_categories([10**6]),
    }[kind]
    rfm = read(cdnow.assign(customer_id=ids))
    assert type(rfm.customer_id[0].item() if "int" in kind else rfm.customer_id[0]) is (
        int if "int" in kind else str
    )
    assert rfm.T.tolist() == expected["T"].tolist()


def test_the_log_is_left_alone(cdnow):
    before = cdnow.copy(deep=True)
    read(cdnow)
    pd.testing.assert_frame_equal(cdnow, before)


def test_columns_may_have_any_name(cdnow, expected):
    log = cdnow.rename(columns={"customer_id": "Kunde", "date": "value", "value": 'the "sum"'})
    rfm = rfm_summary(
        log, time_unit="week", customer_id="Kunde", date="value", value='the "sum"',
        observation_end="1997-09-30",
    )  # fmt: skip
    pd.testing.assert_frame_equal(rfm.to_pandas(), expected, rtol=1e-13)


def test_leading_zeros_and_texts_of_a_csv_survive(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("customer_id,date\n007,05/01/2024\n7,06/01/2024\n")
    rfm = rfm_summary(path, time_unit="day", date_format="%d/%m/%Y")
    assert rfm.customer_id.tolist() == ["007", "7"]
    with pytest.raises(DataError, match="cannot be read as ISO dates"):
        rfm_summary(path, time_unit="day")


# ---------------------------------------------------------------- errors


def test_a_missing_column_is_named_with_those_there(cdnow, tmp_path):
    with pytest.raises(DataError, match=r"no column 'Date'; it has customer_id, date, quantity"):
        rfm_summary(cdnow, time_unit="week", date="Date")
    cdnow[:3].to_csv(tmp_path / "log.csv")
    with pytest.raises(DataError, match=r"log.csv has no column 'Date', 'sum'"):
        rfm_summary(tmp_path / "log.csv", time_unit="week", date="Date", value="sum")


def test_unreadable_logs_say_what_and_why(tmp_path):
    (tmp_path / "bad.parquet").write_text("not a parquet file")
    (tmp_path / "log.xlsx").write_text("")
    for log, message in (
        (tmp_path / "none.csv", "none.csv: no such file"),
        (tmp_path / "*.csv", "no such file"),
        (tmp_path, r"It is a folder: give a pattern such as 'folder/\*.parquet'"),
        (tmp_path / "bad.parquet", "Cannot read .*bad.parquet: "),
        (tmp_path / "log.xlsx", "Its name should end in .parquet or .csv"),
        ([1, 2], "Cannot read a log from list"),
        (pd.DataFrame({"customer_id": [], "date": []}), "The log is empty"),
    ):
        with pytest.raises(DataError, match=message):
            rfm_summary(log, time_unit="day")


def test_a_csv_that_breaks_off_midway_is_an_error(tmp_path):
    path = tmp_path / "log.csv"
    lines = [f"{i},2024-01-01,1.5" for i in range(30_000)]
    path.write_text("\n".join(["customer_id,date,value", *lines, "1,2024-01-02,much"]))
    with pytest.raises(DataError, match="1 of 30,001 cannot be read, such as 'much' of customer 1"):
        rfm_summary(path, time_unit="day", value="value")


def test_bad_texts_are_counted_and_shown_with_their_customers(tmp_path):
    path = tmp_path / "log.csv"
    rows = ['001,2024-01-01,"12,50"', "002,2024-01-01,9", "003,2024-01-02,abc"]
    path.write_text("\n".join(["customer_id,date,value", *rows]))
    with pytest.raises(DataError, match=r"2 of 3 cannot be .* '12,50' of customer 001, 'abc' of"):
        rfm_summary(path, time_unit="day", value="value")
    path.write_text("customer_id,date\n001,2024-01-01\n002,2024-13-01\n")
    with pytest.raises(DataError, match=r"^1 date in 'date' .* '2024-13-01' of customer 002"):
        rfm_summary(path, time_unit="day")


def test_a_file_of_no_bytes_is_empty(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("")
    with pytest.raises(DataError, match=r"log\.csv is empty"):
        rfm_summary(path, time_unit="day")


def test_amounts_must_be_numbers_and_ids_of_one_type(cdnow):
    with pytest.raises(DataError, match="'value' holds string, not numbers"):
        rfm_summary(cdnow.assign(value="5 EUR"), time_unit="day", value="value")
    with pytest.raises(DataError, match=r"'customer_id' holds .*, not ids"):
        rfm_summary(pd.DataFrame({"customer_id": [[1]], "date": ["2024-01-01"]}), time_unit="day")
    twice = pd.concat([cdnow, cdnow[["date"]]], axis=1)
    with pytest.raises(DataError, match="two columns of one name"):
        rfm_summary(twice, time_unit="day")
    mixed = pd.DataFrame({"customer_id": ["a", 1], "date": pd.to_datetime(["2024-01-01"] * 2)})
    with pytest.raises(DataError, match=r"'customer_id' cannot be read.*one type"):
        rfm_summary(mixed, time_unit="day")


def test_ids_late_in_a_file_keep_their_zeros(tmp_path):
    # DuckDB guesses types from the first 20,480 rows unless told otherwise
    path = tmp_path / "log.csv"
    ids = [str(i % 3000 + 1) for i in range(25_000)] + ["0012"]
    path.write_text("customer_id,date\n" + "".join(f"{i},2024-01-01\n" for i in ids))
    data = rfm_summary(path, time_unit="day", observation_end="2024-02-01")
    assert len(data) == 3001
    assert {"12", "0012"} <= set(data.customer_id)

"""Columns of the log that say something of the customer travel into the summary."""

import numpy as np
import pandas as pd
import pytest

from clvmodels.data.datasets import load_cdnow
from clvmodels.data.splits import calibration_holdout_split
from clvmodels.data.transactions import rfm_summary
from clvmodels.exceptions import DataError, ParameterError

SEGMENTS = np.array(["web", "shop", "app"])


@pytest.fixture(scope="module")
def log():
    """The CDNOW sample, with a segment and a score by customer id."""
    frame = load_cdnow(sample=True)
    number = frame["customer_id"].to_numpy()
    return frame.assign(segment=SEGMENTS[number % 3], score=number % 7 / 2, vip=number % 2 == 0)


def summarised(log, keep=("segment", "score", "vip"), **options):
    return rfm_summary(log, time_unit="week", observation_end="1997-09-30", keep=keep, **options)


def kinds(log, folder):
    import ibis
    import polars as pl
    import pyarrow as pa

    log.to_parquet(folder / "log.parquet")
    log.to_csv(folder / "log.csv", index=False)
    return {
        "pandas": log,
        "categories": log.assign(segment=log["segment"].astype("category")),
        "polars": pl.from_pandas(log),
        "polars lazy": pl.from_pandas(log).lazy(),
        "duckdb": ibis.duckdb.connect().create_table("log", pa.Table.from_pandas(log)),
        "parquet": folder / "log.parquet",
        "csv": folder / "log.csv",
    }


@pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # Ibis 12, DuckDB 2
def test_every_kind_of_log_keeps_its_columns(log, tmp_path):
    for name, given in kinds(log, tmp_path).items():
        rfm = summarised(given)
        assert list(rfm.columns) == ["segment", "score", "vip"], name
        assert rfm.columns["segment"].tolist() == SEGMENTS[rfm.customer_id % 3].tolist(), name
        assert rfm.column("score").tolist() == (rfm.customer_id % 7 / 2).tolist(), name
        assert rfm.columns["vip"].tolist() == (rfm.customer_id % 2 == 0).tolist(), name


def test_the_rest_of_the_summary_is_the_same(log):
    kept = summarised(log, value="value").to_pandas()
    plain = summarised(log, (), value="value").to_pandas()
    pd.testing.assert_frame_equal(kept[plain.columns], plain)


def test_a_split_keeps_them_as_known_at_the_cutoff(log):
    later = log["date"] > "1997-09-30"
    moved = log.assign(segment=log["segment"].mask(later, "moved"))
    split = calibration_holdout_split(
        moved, cutoff="1997-09-30", horizon="39 weeks", time_unit="week", keep=["segment"]
    )
    assert set(split.calibration.columns["segment"]) == set(SEGMENTS)


def test_rows_without_a_value_say_nothing(log):
    first = ~log["customer_id"].duplicated()
    rfm = summarised(log.assign(segment=log["segment"].where(first)))
    assert rfm.columns["segment"].tolist() == SEGMENTS[rfm.customer_id % 3].tolist()
    unknown = rfm.customer_id == 1
    rfm = summarised(log.assign(segment=log["segment"].mask(log["customer_id"] == 1)))
    assert pd.isna(rfm.columns["segment"]).tolist() == unknown.tolist()


def test_customers_without_a_purchase_left_are_left_out(log):
    refund = log[log["customer_id"] == log["customer_id"].iloc[0]].assign(value=-1e6)
    rfm = summarised(pd.concat([log, refund]), value="value", refunds="net")
    assert len(rfm) == log["customer_id"].nunique() - 1
    assert rfm.columns["segment"].tolist() == SEGMENTS[rfm.customer_id % 3].tolist()


def test_two_values_for_a_customer_are_refused(log):
    busy = log["customer_id"].value_counts().index[:7].to_numpy()
    last = ~log["customer_id"].duplicated(keep="last") & log["customer_id"].isin(busy)
    with pytest.raises(DataError, match=r"segment must have one value for each customer") as error:
        rfm_summary(log.assign(segment=log["segment"].mask(last, "new")), time_unit="week",
                    keep=["segment"])  # fmt: skip
    assert "broken by 7 of 2,357 customers" in str(error.value)
    assert ", ".join(map(str, sorted(busy)[:5])) in str(error.value)


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ("segment", "keep takes a list of column names, got 'segment'"),
        ([3], "keep takes a list of column names"),
        (["date"], "keep='date' is a column that the summary is made of"),
        (["T"], "keep='T' is a column that the summary is made of, or has itself"),
    ],
)
def test_what_cannot_be_kept(log, keep, message):
    with pytest.raises(ParameterError, match=message):
        summarised(log.assign(T=1.0), keep)


def test_a_column_that_is_not_there(log):
    with pytest.raises(DataError, match=r"no column 'region'; it has .*vip\. Name one of them\."):
        summarised(log, ["region"])

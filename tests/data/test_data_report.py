"""What becomes of the money of a log, beside its rows."""

from dataclasses import replace
from decimal import Decimal
from math import isnan

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clvmodels.data.opportunity_log import opportunity_summary
from clvmodels.data.quality import Amounts, DataReport
from clvmodels.data.splits import calibration_holdout_split
from clvmodels.data.summary import RFMSummary
from clvmodels.data.transactions import rfm_summary

ROWS = [
    ("ann", "2024-01-01", 100),
    ("ann", "2024-01-08", 50),
    ("ann", "2024-01-09", -30),
    ("bob", "2024-01-03", 20),
    ("eve", "2024-01-04", 0),
    (None, "2024-01-02", 40),
    (None, "2024-01-05", -10),
    (None, None, 5),  # dropped for want of an id
    ("bob", None, 7),
    ("bob", "2024-03-01", 60),  # after the end
    (None, "2024-03-01", 1),
]
SUMS = {"rows_read": 243.0, "null_ids": 36.0, "null_dates": 7.0, "after_end": 60.0}
DROPPED = Amounts(**SUMS, refunds_dropped=-30.0, rows_used=170.0)
NETTED = Amounts(**SUMS, rows_used=140.0, refunds_netted=-30.0)


def make_log(rows=ROWS) -> pd.DataFrame:
    log = pd.DataFrame(rows, columns=["customer_id", "date", "value"])
    return log.assign(date=pd.to_datetime(log["date"]))


def report_of(log, **options) -> DataReport:
    terms = {"value": "value", "observation_end": "2024-01-31", "refunds": "drop"}
    return rfm_summary(log, time_unit="day", **terms | options).report


@pytest.mark.parametrize(
    ("refunds", "amounts"), [("drop", DROPPED), ("net_same_period", NETTED), ("net", NETTED)]
)
def test_every_amount_is_accounted_for(refunds, amounts):
    report = report_of(make_log(), refunds=refunds)
    assert report.amounts == amounts
    a = report.amounts
    kept = a.null_ids + a.null_dates + a.after_end + a.refunds_dropped + a.rows_used
    assert a.rows_read == kept == make_log()["value"].sum()


def test_without_an_end_nothing_lies_after_it():
    amounts = report_of(make_log(), observation_end=None).amounts
    assert (amounts.after_end, amounts.rows_used) == (0.0, 230.0)
    assert amounts.rows_read == 243.0


@pytest.mark.parametrize("nothing", [np.inf, -np.inf, np.nan])
def test_infinite_and_missing_amounts_of_dropped_rows_count_for_nothing(nothing):
    bad = [(None, "2024-01-02", nothing), ("bob", None, nothing), ("bob", "2024-03-02", nothing)]
    report = report_of(make_log([*ROWS, *bad, *bad]))
    assert report.amounts == DROPPED
    assert (report.null_ids, report.null_dates, report.after_end) == (6, 3, 3)
    both = report_of(make_log([*ROWS, (None, None, np.inf), (None, None, -np.inf)]))
    assert both.amounts == DROPPED


def test_missing_amounts_of_rows_that_could_be_used_count_for_nothing():
    report = report_of(make_log([*ROWS, ("ann", "2024-01-02", None)]), missing_value="drop")
    assert (report.missing_amounts, report.amounts) == (1, DROPPED)


def of_decimals(log):
    return log.assign(value=log["value"].map(Decimal))


def of_ibis(log):
    import ibis
    import pyarrow as pa

    return ibis.duckdb.connect().create_table("log", pa.Table.from_pandas(log))


def of_polars(log):
    import polars as pl

    return pl.from_pandas(log).lazy()


def of_arrow(log):
    import pyarrow as pa

    return pa.Table.from_pandas(log)


@pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")  # Ibis 12, DuckDB 2
@pytest.mark.parametrize("form", [of_decimals, of_ibis, of_polars, of_arrow])
@pytest.mark.parametrize("refunds", ["drop", "net"])
def test_amounts_are_the_same_wherever_the_log_lies(form, refunds):
    expected = report_of(make_log(), refunds=refunds)
    assert report_of(form(make_log()), refunds=refunds) == expected


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
@pytest.mark.parametrize("scale", [1, 0.01])
def test_amounts_are_the_same_in_a_file(tmp_path, suffix, scale):
    log = make_log()
    log["value"] *= scale
    path = tmp_path / f"log.{suffix}"
    log.to_parquet(path) if suffix == "parquet" else log.to_csv(path, index=False)
    assert report_of(path) == report_of(log)
    assert report_of(path).amounts.null_ids == 36 * scale


def test_reports_of_a_log_in_another_order_are_equal():
    rng = np.random.default_rng(1)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 60, 50_000), "D")
    log = pd.DataFrame({"customer_id": rng.integers(0, 900, 50_000), "date": days})
    log["customer_id"] = log["customer_id"].where(rng.random(50_000) < 0.8).astype("Int64")
    log["value"] = rng.gamma(2.0, 20.0, 50_000).round(2) - 10
    reports = {report_of(log.sample(frac=1, random_state=seed)) for seed in range(5)}
    assert len(reports) == 1
    amounts = reports.pop().amounts
    gone = log["customer_id"].isna()
    late = ~gone & (log["date"] > "2024-01-31")
    used = log["value"].where(~gone & ~late & (log["value"] >= 0)).sum()
    assert amounts.null_ids == pytest.approx(log["value"][gone].sum(), rel=1e-11)
    assert amounts.after_end == pytest.approx(log["value"][late].sum(), rel=1e-11)
    assert amounts.rows_used == pytest.approx(used, rel=1e-11)


def test_what_refunds_cancel_is_nothing():
    cancelled = [(None, "2024-01-02", v) for v in (0.1, 0.2, -0.3)]  # 5.6e-17 in binary
    for rows in (cancelled, [(i, d, -v) for i, d, v in cancelled]):
        report = report_of(make_log([("ann", "2024-01-01", 1.0), *rows]))
        assert report.amounts == Amounts(rows_read=1.0, rows_used=1.0)
        assert report.lines[1] == "3 rows dropped: no customer id (amounts of 0)"


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["a", "b", None]),
            st.sampled_from(["2024-01-01", "2024-01-02", "2024-02-03", None]),
            st.sampled_from([-3.0, -1.5, 0.0, 1.25, 2.0, np.nan]),
        ),
        max_size=25,
    ),
    refunds=st.sampled_from(["drop", "net_same_period", "net"]),
    zero_value=st.sampled_from(["keep", "drop"]),
)
def test_amounts_are_those_of_the_rows_counted(rows, refunds, zero_value):
    log = make_log([("z", "2024-01-01", 1.0), *rows])
    found = report_of(log, refunds=refunds, zero_value=zero_value, missing_value="drop").amounts
    ids, dates, value = log["customer_id"], log["date"], log["value"].fillna(0.0)
    late = ids.notna() & (dates > "2024-01-31")
    seen = ids.notna() & dates.notna() & ~late
    refunded = value[seen & (value < 0)].sum()
    drop = refunds == "drop"
    assert found == Amounts(
        rows_read=value.sum(),
        null_ids=value[ids.isna()].sum(),
        null_dates=value[ids.notna() & dates.isna()].sum(),
        after_end=value[late].sum(),
        refunds_dropped=refunded if drop else 0.0,
        rows_used=value[seen].sum() - (refunded if drop else 0.0),
        refunds_netted=0.0 if drop else refunded,
    )


def test_a_log_without_values_has_no_amounts():
    report = report_of(make_log(), value=None)
    assert report.amounts is None
    assert "amounts" not in str(report)
    assert report.to_frame()["amount"].isna().all()
    assert RFMSummary.from_arrays([0], [0], [9], time_unit="day").report.amounts is None


# ---------------------------------------------------------------- shares


def test_shares_are_of_what_is_left_of_all_amounts_after_refunds():
    share = DROPPED.share
    assert share("null_ids") == 36 / 243
    assert share("refunds_dropped") == -30 / 243
    parts = ("null_ids", "null_dates", "after_end", "refunds_dropped", "rows_used")
    assert sum(map(share, parts)) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize(
    ("all_of_them", "part"),
    [(0.0, 0.0), (0.0, 5.0), (-10.0, 5.0), (-10.0, -5.0), (100.0, 101.0), (100.0, -101.0)],
)
def test_what_is_larger_than_the_whole_is_no_share_of_it(all_of_them, part):
    amounts = Amounts(rows_read=all_of_them, null_ids=part)
    assert isnan(amounts.share("null_ids"))
    report = DataReport(rows_read=9, null_ids=2, amounts=amounts)
    assert f"no customer id (amounts of {part:g})" in str(report)


def test_the_whole_may_be_in_one_part():
    assert Amounts(rows_read=100.0, null_ids=100.0).share("null_ids") == 1.0


# ---------------------------------------------------------------- in words and in frames


def test_rows_dropped_tell_their_money():
    assert report_of(make_log()).lines[:6] == [
        "11 rows read",
        "4 rows dropped: no customer id (amounts of 36, 14.8 % of all)",
        "1 row dropped: no date (amounts of 7, 2.9 % of all)",
        "1 row left out: after the end of observation (amounts of 60, 24.7 % of all)",
        "1 row dropped: a refund (amounts of -30, -12.3 % of all)",
        "4 rows used",
    ]


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (2_638_958.4, "amounts of 2,638,958, 26.4 % of all"),
        (12.5, "amounts of 12.5, below 0.1 % of all"),
        (0.0, "amounts of 0"),
        (-12.5, "amounts of -12.5, below 0.1 % of all"),
        (-2_000_000.0, "amounts of -2,000,000, -20.0 % of all"),
    ],
)
def test_amounts_in_words(amount, words):
    amounts = Amounts(rows_read=1e7, null_ids=amount)
    report = DataReport(rows_read=9, null_ids=2, rows_used=7, amounts=amounts)
    assert report.lines[1] == f"2 rows dropped: no customer id ({words})"
    assert f"<li>2 rows dropped: no customer id ({words})</li>" in report._repr_html_()


def test_where_nothing_is_dropped_nothing_is_told_of_money():
    log = make_log([row for row in ROWS[:5] if row[2]])
    report = report_of(log, refunds="net")
    assert report.amounts == Amounts(rows_read=140.0, rows_used=140.0, refunds_netted=-30.0)
    assert report.lines == replace(report, amounts=None).lines


def test_frame_has_the_amounts_beside_the_counts():
    report = report_of(make_log(), refunds="net", zero_value="drop")
    frame = report.to_frame().set_index("item")
    assert frame.columns.tolist() == ["count", "amount"]
    assert frame["count"].to_dict() == {item: getattr(report, item) for item in frame.index}
    expected = {**SUMS, "refunds_dropped": 0.0, "rows_used": 140.0, "refunds_netted": -30.0}
    assert frame["amount"].dropna().to_dict() == expected
    assert frame.loc["zero_amounts"].tolist()[0] == 1


# ---------------------------------------------------------------- other readings of a log


def test_a_split_tells_of_the_log_up_to_the_end_of_the_holdout():
    split = calibration_holdout_split(
        make_log(), cutoff="2024-01-05", holdout_end="2024-01-09", time_unit="day", value="value",
        refunds="drop",
    )  # fmt: skip
    assert split.report.amounts == DROPPED
    assert split.calibration.report.amounts.after_end == 60.0 + 50.0 - 30.0


def test_opportunities_tell_of_money_too():
    found = opportunity_summary(
        make_log(), "week", value="value", observation_end="2024-01-31", refunds="drop"
    )
    assert found.report.amounts == DROPPED
    assert "4 rows dropped: no customer id (amounts of 36, 14.8 % of all)" in found.report.lines
    assert opportunity_summary(make_log(), "week").report.amounts is None

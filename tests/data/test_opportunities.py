"""Opportunities: what a summary refuses, and how a log and a calendar become one."""

import copy
import pickle
from datetime import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest

from clvmodels.data.datasets import load_donations
from clvmodels.data.opportunities import OpportunitySummary
from clvmodels.data.opportunity_log import opportunity_summary
from clvmodels.exceptions import DataError, ParameterError, UnitError
from clvmodels.units import Horizon

GOOD = pd.DataFrame(
    {
        "customer_id": ["a", "b", "c"],
        "frequency": [2, 0, 1],
        "recency": [4, 0, 1],
        "opportunities": [6, 6, 3],
        "monetary_value": [22.0, np.nan, 11.0],
        "segment": ["x", "y", "x"],
    }
)

LOG = pd.DataFrame(
    [
        ("eve", "1995-03-01", 10.0),
        ("eve", "1996-02-01", 20.0),
        ("eve", "1996-11-30", 5.0),  # the same opportunity, if those are years
        ("eve", "1998-12-31", 35.0),
        ("bob", "1996-07-01", 8.0),
        ("ann", "1995-01-01", 7.0),
        ("ann", "1995-06-01", 9.0),  # still the opportunity of the first purchase
        ("ann", "1996-01-01", 6.0),
    ],
    columns=["customer_id", "date", "value"],
).assign(date=lambda log: pd.to_datetime(log["date"]))


def summary(**changes):
    return OpportunitySummary.from_frame(GOOD.assign(**changes), every="1 year")


def read(log=LOG, opportunities="year", **options):
    return opportunity_summary(log, opportunities, **options)


def test_a_frame_becomes_a_summary_and_back():
    data = summary()
    assert data.every == Horizon(1, "year")
    assert list(data.columns) == ["segment"]
    pd.testing.assert_frame_equal(data.to_pandas(), GOOD)
    assert "3 customers, 2 with repeat purchases, opportunities every 1 year" in repr(data)
    assert "segment" in data._repr_html_()


@pytest.mark.parametrize("frame", [pl.from_pandas(GOOD), pl.from_pandas(GOOD).to_arrow()])
def test_polars_and_arrow_frames_do_too(frame):
    found = OpportunitySummary.from_frame(frame, every="1 year").to_pandas()
    pd.testing.assert_frame_equal(found, GOOD, check_dtype=False)


# every rule that a row can break, with what the message must say
BAD = {
    "more than there are": (
        {"frequency": [7, 0, 1]},
        r"frequency must not exceed opportunities: .* first a\. Several purchases at one",
    ),
    "more than by then": ({"recency": [1, 0, 1]}, "frequency must not exceed recency: .* first a"),
    "later than the last": (
        {"recency": [7, 0, 1]},
        "recency must not exceed opportunities: .* first a",
    ),
    "last without any": ({"recency": [4, 2, 1]}, "recency must be 0 where frequency is 0.* b"),
    "any without last": ({"recency": [4, 0, 0]}, "frequency must not exceed recency: .* first c"),
    "half an opportunity": ({"recency": [3.5, 0, 1]}, "recency must be whole: .* first a"),
    "half a purchase": ({"frequency": [1.5, 0, 1]}, "frequency must be whole: .* first a"),
    "half a year": ({"opportunities": [6, 6, 3.5]}, "opportunities must be whole: .* first c"),
    "missing": ({"opportunities": [6, np.nan, 3]}, "opportunities must be finite: .* first b"),
    "negative": ({"frequency": [2, -1, 1]}, "frequency must not be negative: .* first b"),
    "twice": ({"customer_id": ["a", "b", "a"]}, "customer_id must be unique: .* first a"),
    "nobody": ({"customer_id": ["a", None, "c"]}, "customer_id must not be missing"),
    "no value": ({"monetary_value": [np.nan, np.nan, 1]}, "monetary_value must be finite .* a"),
}


@pytest.mark.parametrize(("changes", "message"), BAD.values(), ids=BAD)
def test_bad_rows_are_refused_by_name(changes, message):
    with pytest.raises(DataError, match=message) as caught:
        summary(**changes)
    assert "broken by 1 of 3 customers" in str(caught.value)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (GOOD.drop(columns=["recency"]), r"lacks the column\(s\) recency; it has"),
        (GOOD[:0], "no customers"),
        (GOOD.assign(recency="late"), "Column 'recency' must hold numbers"),
        ({"frequency": [1]}, "Cannot read a summary from dict"),
    ],
)
def test_frames_that_are_no_summary(frame, message):
    with pytest.raises(DataError, match=message):
        OpportunitySummary.from_frame(frame, every="1 year")


def test_columns_and_weights_must_fit():
    with pytest.raises(DataError, match="weight must be positive"):
        OpportunitySummary.from_frame(GOOD.assign(n=[1, 0, 1]), every="1 year", weight="n")
    data = summary()
    with pytest.raises(DataError, match=r"Column 'z' has shape \(2,\); there are 3"):
        OpportunitySummary(
            data.customer_id, data.frequency, data.recency, data.T, "1 year",
            columns={"z": np.zeros(2)},
        )  # fmt: skip


@pytest.mark.parametrize("every", ["0 years", "often", 1])
def test_opportunities_come_at_some_distance(every):
    with pytest.raises(UnitError):
        OpportunitySummary.from_frame(GOOD, every=every)


def test_customers_acquired_at_the_last_opportunity_are_welcome():
    data = summary(frequency=0, recency=0, opportunities=0)
    assert data.T.tolist() == [0, 0, 0]


def test_summaries_never_change():
    given = np.array([2.0, 0.0])
    data = OpportunitySummary([1, 2], given, [4, 0], [6, 6], "1 year", columns={"z": given})
    given[0] = 99
    assert data.frequency[0] == 2
    assert data.columns["z"][0] == 2
    for values in (data.frequency, data.T, data.columns["z"]):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 1
    for copied in (copy.deepcopy(data), pickle.loads(pickle.dumps(data))):
        pd.testing.assert_frame_equal(copied.to_pandas(), data.to_pandas())
        assert copied.every == data.every
        assert not copied.frequency.flags.writeable


def test_rows_that_stand_for_many_customers():
    data = OpportunitySummary.from_frame(GOOD.assign(n=[10, 5, 1]), every="1 year", weight="n")
    assert data.customers() == 16
    assert data.customers(data.frequency > 0) == 11
    assert data.select(data.frequency > 0).weights.tolist() == [10, 1]
    assert data.select([1]).customer_id.tolist() == ["b"]
    assert data.select([1]).columns["segment"].tolist() == ["y"]


def test_equal_histories_are_one():
    data = OpportunitySummary([1, 2, 3], [2, 0, 2], [4, 0, 4], [6, 6, 6], "1 year")
    histories = data.compress()
    assert histories.x.tolist() == [2, 0]
    assert histories.T.tolist() == [6, 6]
    assert histories.weight.tolist() == [2, 1]
    assert histories.inverse.tolist() == [0, 1, 0]
    assert data.compress() is histories


def test_the_donations_are_whole():
    # Fader, Hardie and Shang (2010), table 1: 11,104 people in 22 cells
    data = load_donations()
    assert len(data) == 22
    assert data.customers() == 11_104
    assert data.customers((data.frequency == 6) & (data.recency == 6)) == 1203
    assert data.customers(data.frequency == 0) == 3464
    assert set(data.opportunities) == {6}
    assert data.every == Horizon(1, "year")


def test_a_log_and_the_calendar_become_a_summary():
    data = read(value="value", observation_end="1998-12-31")
    expected = pd.DataFrame(
        {
            "customer_id": ["ann", "bob", "eve"],
            "frequency": [1, 0, 2],
            "recency": [1, 0, 3],
            "opportunities": [3, 2, 3],  # bob came a year later
            "monetary_value": [6.0, np.nan, 30.0],  # eve: 25 in 1996, 35 in 1998
        }
    )
    pd.testing.assert_frame_equal(data.to_pandas(), expected, check_dtype=False)
    assert data.every == Horizon(1, "year")
    assert data.observation_end == datetime(1998, 12, 31)


def test_every_row_is_accounted_for():
    report = read(value="value", observation_end="1998-12-31").report
    assert report.rows_read == report.rows_used == 8
    assert report.merged == 2
    assert report.purchases == 6
    assert report.customers == 3
    assert report.period == "opportunity"
    assert any("4 opportunities from 1995-01-01, every 1 year" in line for line in report.lines)
    assert any("totals of opportunities used" in line for line in report.lines)


def test_a_list_of_days_does_as_the_calendar_does():
    years = ["1995-01-01", "1996-01-01", "1997-01-01", "1998-01-01"]
    expected = read(value="value", observation_end="1998-12-31")
    for days in (years, pd.DatetimeIndex(years), pd.period_range("1995", "1998", freq="Y")):
        listed = read(opportunities=days, value="value", observation_end="1998-12-31")
        pd.testing.assert_frame_equal(listed.to_pandas(), expected.to_pandas())
        assert listed.every == expected.every
        assert listed.report.conventions == expected.report.conventions


@pytest.mark.parametrize("kind", ["polars", "arrow", "csv", "parquet", "text"])
def test_logs_lie_anywhere(kind, tmp_path):
    expected = read(value="value").to_pandas()
    if kind == "polars":
        log = pl.from_pandas(LOG)
    elif kind == "arrow":
        log = pl.from_pandas(LOG).to_arrow()
    elif kind == "text":
        log = LOG.assign(date=LOG["date"].dt.strftime("%d.%m.%Y"))
    else:
        log = tmp_path / f"log.{kind}"
        getattr(LOG, f"to_{kind}")(log, index=False)
    format_ = {"date_format": "%d.%m.%Y"} if kind == "text" else {}
    found = read(log, value="value", **format_).to_pandas()
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_only_periods_that_are_over_count():
    # observed into 1998: that year is not an opportunity missed
    data = read(observation_end="1998-12-30")
    assert data.opportunities.tolist() == [2, 1, 2]
    assert data.frequency.tolist() == [1, 0, 1]
    assert data.report.after_end == 1
    assert data.observation_end == datetime(1997, 12, 31)


def test_the_period_of_the_last_purchase_is_taken_to_be_over():
    data = read(LOG[LOG["date"] < "1998"], "month")
    assert data.observation_end == datetime(1996, 11, 30)
    assert data.opportunities.tolist() == [22, 4, 20]
    assert any("is taken to be over with 1996-11-30" in line for line in data.report.lines)


@pytest.mark.parametrize(
    ("unit", "places"),
    [("day", [0, 4, 11, 31]), ("week", [0, 1, 2, 5]), ("month", [0, 0, 0, 1])],
)
def test_calendar_periods(unit, places):
    # 2024-01-01 was a Monday: weeks begin then
    days = pd.to_datetime(["2024-01-01", "2024-01-05", "2024-01-12", "2024-02-01"])
    if unit == "week":
        days = pd.to_datetime(["2024-01-07", "2024-01-08", "2024-01-15", "2024-02-05"])
    data = read(pd.DataFrame({"customer_id": 1, "date": days}), unit)
    assert data.recency == places[-1]
    assert data.frequency == len(set(places)) - 1
    assert data.every == Horizon(1, unit)


def test_refunds_follow_their_policy():
    log = pd.concat([LOG, pd.DataFrame({"customer_id": ["ann"], "date": ["1996-01-01"],
                                        "value": [-6.0]}).assign(
        date=lambda log: pd.to_datetime(log["date"]))])  # fmt: skip
    with pytest.raises(DataError, match="negative amount"):
        read(log, value="value")
    netted = read(log, value="value", refunds="net")
    assert netted.frequency.tolist() == [0, 0, 2]
    assert netted.report.purchases_taken_back == 1
    report = netted.report
    accounted = report.purchases + report.merged + report.refunds_netted
    assert report.rows_used == accounted + report.purchases_taken_back
    with pytest.raises(ParameterError, match="refunds='never' is unknown"):
        read(refunds="never")


@pytest.mark.parametrize(
    ("days", "message"),
    [
        (["1995-01-01", "1996-01-01", "1998-01-01"], "leave a gap: 731 days from 1996-01-01"),
        (["1996-01-01", "1995-01-01", "1997-01-01"], "in order: 1995-01-01 follows 1996-01-01"),
        (["1995-01-01", "1995-01-01", "1996-01-01"], "in order: 1995-01-01 follows 1995-01-01"),
        (["1996-01-01", "1997-01-01", "1998-01-01"], "1996-01-01: broken by 2 of 3 customers"),
        (["1995-01-01", "1996-01-01"], "would last 1,096 days to the end of observation"),
        (["1995-01-01", "1997-01-01", "1999-01-01"], "begins on 1999-01-01, after the end"),
        (["1995-01-01"], "two days or more"),
        (["1995-01-01 12:00", "1996-01-01 12:00"], "without a time of day"),
        (pd.date_range("1995", periods=4, freq="YS", tz="UTC"), "without a time of day"),
        (["1995-01-01", None], "without a time of day"),
        (["spring", "autumn"], "must be a list of days, or a name such as 'year'"),
        (7, "must be a list of days, or a name such as 'year'"),
    ],
)
def test_calendars_must_be_in_order_and_without_gaps(days, message):
    with pytest.raises(DataError, match=message):
        read(opportunities=days)


@pytest.mark.parametrize("unit", ["fortnight", "hour"])
def test_calendar_periods_have_names(unit):
    with pytest.raises(UnitError):
        read(opportunities=unit)


def test_uneven_opportunities_have_a_mean_distance():
    # a fair every ten weeks or so
    days = ["1995-01-01", "1995-03-10", "1995-05-20", "1995-07-28"]
    data = read(LOG[LOG["date"] < "1995-08"], days, observation_end="1995-09-30")
    assert data.every.to("day") == pytest.approx(208 / 3)
    assert data.frequency.tolist() == [1, 0]


def test_an_end_before_the_log_is_told():
    with pytest.raises(DataError, match="lies before the first purchase"):
        read(observation_end="1995-12-30")

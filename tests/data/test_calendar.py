"""Operational time: a constant index is the calendar, any other one moves the clock as it says."""

import json
import pickle
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clvmodels.data.calendar import CalendarIndex
from clvmodels.data.datasets import load_cdnow, load_cdnow_summary
from clvmodels.data.splits import calibration_holdout_split
from clvmodels.data.transactions import rfm_summary
from clvmodels.exceptions import DataError, ParameterError, UnitError

LEVELS = {month: 1 + 0.5 * np.sin(month) for month in range(1, 12)} | {12: 2.5}
SEASON = CalendarIndex.monthly(LEVELS)
FLAT = CalendarIndex.monthly(dict.fromkeys(range(1, 13), 0.3))
WEEKS = pd.DataFrame(
    {
        "date": pd.date_range("2023-01-02", periods=120, freq="7D"),
        "index": np.random.default_rng(4).uniform(0.2, 3, 120),
    }
)
WEEKLY = CalendarIndex.from_frame(WEEKS)


def daily_clock(levels: np.ndarray) -> np.ndarray:
    """Operational days gone by at the end of each day, added up day by day."""
    return np.append(0.0, np.cumsum(levels))


# ---------------------------------------------------------------- elapsed


def test_months_add_up_day_by_day():
    days = pd.date_range("2019-01-01", "2026-12-31")
    clock = daily_clock(np.array(SEASON.levels)[days.month - 1])
    ages = np.arange(len(clock))
    found = SEASON.elapsed(datetime(2019, 1, 1), ages, "day")
    # sums of 2,900 numbers
    np.testing.assert_allclose(found, clock, rtol=0, atol=1e-9)
    starts = np.datetime64("2019-01-01") + ages[:100]
    later = SEASON.elapsed(starts, ages[-1] - ages[:100], "day")
    np.testing.assert_allclose(later, clock[-1] - clock[:100], rtol=0, atol=1e-9)
    np.testing.assert_allclose(
        SEASON.elapsed(datetime(2019, 1, 1), ages / 7, "week"), clock / 7, atol=1e-9
    )


def test_dated_periods_add_up_day_by_day():
    clock = daily_clock(np.repeat(WEEKLY.levels, 7))
    found = WEEKLY.elapsed(datetime(2023, 1, 2), np.arange(len(clock)), "day")
    np.testing.assert_allclose(found, clock, rtol=0, atol=1e-10)
    assert clock[-1] == pytest.approx(840)  # mean 1 over its own span
    half_a_day = WEEKLY.elapsed(datetime(2023, 1, 2, 12), 6, "hour")
    assert half_a_day == pytest.approx(6 * WEEKLY.levels[0])


def test_a_year_is_a_year_in_the_mean():
    # 400 Gregorian years, after which the calendar repeats itself
    span = 400 * 365.2425
    found = SEASON.elapsed(datetime(1987, 5, 13), [span, 50 * span], "day")
    np.testing.assert_allclose(found, [span, 50 * span], rtol=1e-12)


@given(
    start=st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),
    time=st.floats(-1e5, 1e5),
    unit=st.sampled_from(["hour", "day", "week", "month", "year"]),
)
def test_a_constant_index_is_calendar_time_exactly(start, time, unit):
    assert FLAT.elapsed(start, time, unit) == time
    assert FLAT.breaks(start, abs(time), unit).size == 0


@given(
    start=st.datetimes(datetime(2023, 1, 2), datetime(2024, 1, 1)),
    gaps=st.lists(st.floats(1e-3, 100), min_size=3, max_size=3),
)
@pytest.mark.parametrize("index", [SEASON, WEEKLY])
def test_time_goes_on_and_stretches_add_up(index, start, gaps):
    first, second, third = gaps
    ages = np.cumsum(gaps)
    found = index.elapsed(start, ages, "day")
    assert (np.diff(found, prepend=0.0) > 0).all()
    then = start + timedelta(days=first)
    parts = index.elapsed(start, first, "day") + index.elapsed(then, second + third, "day")
    assert found[-1] == pytest.approx(parts, abs=1e-7)  # datetimes are rounded to a microsecond
    back = index.elapsed(start + timedelta(days=ages[-1]), -third, "day")
    assert found[1] - found[-1] == pytest.approx(back, abs=1e-7)


# ---------------------------------------------------------------- breaks


@pytest.mark.parametrize("index", [SEASON, WEEKLY])
def test_between_breaks_time_is_linear(index):
    start, end = datetime(2023, 3, 15, 7), 60.0
    breaks = index.breaks(start, end, "week")
    assert (np.diff(breaks) > 0).all()
    assert (breaks[0] > 0) & (breaks[-1] < end)
    edges = np.concatenate([[0.0], breaks, [end]])
    at = index.elapsed(start, edges, "week")
    middle = index.elapsed(start, (edges[1:] + edges[:-1]) / 2, "week")
    np.testing.assert_allclose(middle, (at[1:] + at[:-1]) / 2, atol=1e-11)
    paces = np.diff(at) / np.diff(edges)
    assert (np.abs(np.diff(paces)) > 1e-9).all()


def test_breaks_are_where_the_months_begin():
    found = SEASON.breaks(datetime(2024, 1, 31), 31, "day")
    assert found.tolist() == [1, 30]
    assert SEASON.breaks(datetime(2024, 2, 1), 29, "day").size == 0
    assert SEASON.breaks(datetime(2024, 2, 1), 0, "day").size == 0
    same = CalendarIndex.monthly({m: 1 + (m > 6) for m in range(1, 13)})
    assert same.breaks(datetime(2024, 1, 1), 365, "day").tolist() == [182]


# ---------------------------------------------------------------- coverage


def test_a_dated_index_says_what_it_does_not_cover():
    assert WEEKLY.covers(datetime(2023, 1, 2), datetime(2025, 4, 21))
    assert not WEEKLY.covers(datetime(2023, 1, 1), datetime(2023, 5, 1))
    assert SEASON.covers(datetime(1800, 1, 1), datetime(2400, 1, 1))
    assert WEEKLY.elapsed(datetime(2023, 1, 2), 120, "week") == pytest.approx(120)
    remedy = r"Extend it, or use CalendarIndex\.monthly"
    with pytest.raises(DataError, match=rf"does not cover 2025-04-21, .*{remedy}"):
        WEEKLY.elapsed(datetime(2023, 1, 2), [3, 121, 200], "week")
    with pytest.raises(DataError, match=rf"does not cover 2022-12-25, .*{remedy}"):
        WEEKLY.breaks(datetime(2022, 12, 25, 9), 3, "week")


def test_times_are_numbers_with_a_unit():
    with pytest.raises(ParameterError, match="must be finite"):
        SEASON.elapsed(datetime(2023, 1, 2), np.inf, "week")
    with pytest.raises(UnitError):
        SEASON.elapsed(datetime(2023, 1, 2), 3, "fortnight")
    assert SEASON.elapsed(datetime(2023, 1, 2), [], "week").shape == (0,)


# ---------------------------------------------------------------- where it comes from


def test_levels_have_mean_one_and_keep_their_proportions():
    days = np.array([31, 28.2425, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    assert np.average(SEASON.levels, weights=days) == pytest.approx(1, abs=1e-14)
    np.testing.assert_allclose(
        np.array(SEASON.levels) / SEASON.levels[0], np.array(list(LEVELS.values())) / LEVELS[1]
    )


@pytest.mark.parametrize(
    "frame", [WEEKS[::-1], pl.from_pandas(WEEKS), pl.from_pandas(WEEKS).to_arrow()]
)
def test_frames_of_any_kind_and_order(frame):
    assert CalendarIndex.from_frame(frame) == WEEKLY


def test_last_days_may_be_given():
    frame = WEEKS.assign(last=WEEKS["date"] + pd.Timedelta(days=6), pace=WEEKS["index"] * 9)
    found = CalendarIndex.from_frame(frame[["date", "last", "pace"]], index="pace", ends="last")
    np.testing.assert_allclose(found.levels, WEEKLY.levels, rtol=1e-14)
    assert found.edges == WEEKLY.edges
    uneven = pd.DataFrame(
        {"date": ["2024-01-01", "2024-11-25"], "to": ["2024-11-24", "2024-12-31"], "index": [1, 2]}
    )
    found = CalendarIndex.from_frame(uneven, ends="to")
    assert found.levels[1] == pytest.approx(2 * 366 / (329 + 2 * 37))


def test_evenly_spaced_dates_say_how_long_periods_are():
    months = pd.DataFrame({"date": pd.date_range("2023-11-01", periods=4, freq="MS"), "index": 1})
    found = CalendarIndex.from_frame(months)
    assert found.edges[-1] == datetime(2024, 3, 1)
    assert set(found.levels) == {1.0}
    hours = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=48, freq="h"), "index": 1})
    assert CalendarIndex.from_frame(hours).edges[-1] == datetime(2024, 1, 3)


def dated(dates: list, levels: list | float = 1.0, ends: list | None = None) -> pd.DataFrame:
    frame = pd.DataFrame({"date": dates, "index": levels})
    return frame if ends is None else frame.assign(ends=ends)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (
            WEEKS.drop([3, 60]),
            r"2 of 117 pairs leave gaps, first those that start on 2023-01-16 and 2023-01-30, "
            r"2024-02-19 and 2024-03-04\. Add the missing rows",
        ),
        (
            dated(["2024-01-01", "2024-01-10"], 1, ["2024-01-10", "2024-01-20"]),
            "1 of 1 pairs overlap, first those that start on 2024-01-01 and 2024-01-10",
        ),
        (
            dated(["2024-01-01", "2024-01-10"], 1, ["2024-01-08", "2024-01-20"]),
            "1 of 1 pairs leave gaps",
        ),
        (dated(["2024-01-05"], 1, ["2024-01-01"]), "end before they begin, as those of 2024-01-05"),
        (
            dated(["2024-01-01", "2024-01-08", "2024-01-15"], [1, 0, -1]),
            "2 of 3 are not, first those of 2024-01-08, 2024-01-15",
        ),
        (dated(["2024-01-01", "2024-01-08"], [1, np.nan]), "1 of 2 are not"),
        (dated(["2024-01-01", "2024-01-08"], ["a", "b"]), "'index' must hold numbers"),
        (dated(["2024-01-01"]), "one date, which does not say how long"),
        (dated(["2024-01-01"] * 2), "a date twice, which does not say how long"),
        (dated(["soon", "later"]), "'date' must hold dates"),
        (dated([pd.NaT, pd.Timestamp("2024-01-01")]), "'date' lacks 1 dates"),
        (WEEKS.assign(date=WEEKS["date"].dt.tz_localize("UTC")), "'date' has a time zone"),
        (WEEKS[:0], "no rows"),
        (WEEKS[["date"]], r"lacks the column\(s\) index; it has date"),
        ({"date": []}, "Cannot read an index from dict"),
    ],
)
def test_frames_that_are_no_index(frame, message):
    ends = "ends" if "ends" in frame else None
    with pytest.raises(DataError, match=message):
        CalendarIndex.from_frame(frame, ends=ends)


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        (dict.fromkeys(range(2, 12), 1), "no level for January, December. Give all twelve"),
        (LEVELS | {13: 1}, "13 is no month"),
        (LEVELS | {7: 0}, "1 of 12 are not, first those of July. Time never stands still"),
        (LEVELS | {7: np.inf}, "first those of July"),
    ],
)
def test_months_need_a_level_each(levels, message):
    with pytest.raises(DataError, match=message):
        CalendarIndex.monthly(levels)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (((1.0,) * 11,), "one level for each month"),
        (((2.0,) * 12,), "must have mean 1"),
        (((1.0,), (datetime(2024, 1, 2), datetime(2024, 1, 1))), "must rise"),
    ],
)
def test_fields_must_agree(fields, message):
    with pytest.raises(DataError, match=message):
        CalendarIndex(*fields)


@pytest.mark.parametrize("index", [SEASON, WEEKLY, FLAT])
def test_an_index_survives_storage_and_compares(index):
    stored = json.loads(json.dumps(index.to_dict()))
    for again in (CalendarIndex.from_dict(stored), pickle.loads(pickle.dumps(index))):
        assert again == index
        assert hash(again) == hash(index)
        assert repr(again) == repr(index)
    assert index != CalendarIndex.monthly(LEVELS | {1: 5.0})
    with pytest.raises(AttributeError):
        index.levels = ()


def test_reprs_say_what_it_is():
    assert repr(SEASON) == "CalendarIndex: every year, from 0.44 (November) to 2.19 (December)"
    assert repr(WEEKLY).startswith("CalendarIndex: 120 periods from 2023-01-02 to 2025-04-20, lev")


# ---------------------------------------------------------------- estimated from a log


def seasonal_log(customers: int, seed: int) -> pd.DataFrame:
    """Poisson buyers in operational time, of gamma rates and exponential lifetimes, four years."""
    rng = np.random.default_rng(seed)
    days = pd.date_range("2019-01-01", "2022-12-31")
    clock = daily_clock(np.array(SEASON.levels)[days.month - 1])
    born = clock[rng.integers(0, 730, customers)]
    left = np.minimum(born + rng.exponential(600, customers), clock[-1])
    counts = rng.poisson(rng.gamma(1.0, 1 / 60, customers) * (left - born))
    owner = np.repeat(np.arange(customers), counts)
    at = born[owner] + rng.random(len(owner)) * (left - born)[owner]
    when = np.interp(np.append(born, at), clock, np.arange(len(clock)))
    return pd.DataFrame(
        {
            "customer_id": np.append(np.arange(customers), owner),
            "date": days[0] + pd.to_timedelta(np.floor(when * 86_400), unit="s"),
        }
    )


def test_the_months_of_a_log_are_found():
    log = seasonal_log(12_000, seed=1)
    found = CalendarIndex.from_log(log, observation_end="2022-12-31")
    # some 8,000 repeat purchases a month, 3,600 in the quietest: Poisson standard errors of 1.1 and
    # 1.7 %, of which these are three; purchases merged by the day take 2 % from the busiest
    ratio = np.array(found.levels) / SEASON.levels
    np.testing.assert_allclose(ratio, 1, atol=0.06)
    assert np.mean(np.abs(ratio - 1)) < 0.02


def test_a_log_of_less_than_two_years_says_nothing_of_seasons():
    with pytest.raises(DataError, match=r"covers 18 whole months, from 1997-01 .*two years"):
        CalendarIndex.from_log(load_cdnow(sample=True))


def test_years_after_the_log_has_ended_are_no_quiet_season():
    with pytest.raises(DataError, match=r"ends 4,901 days before .*observation_end='1998-06-30'"):
        CalendarIndex.from_log(load_cdnow(sample=True), observation_end="2011-11-30")


def test_a_month_without_purchases_is_named():
    log = seasonal_log(300, seed=2)
    log = log[log["date"].dt.month != 7]
    with pytest.raises(DataError, match="Nobody bought again in any July"):
        CalendarIndex.from_log(log, observation_end="2022-12-31")


# ---------------------------------------------------------------- summaries


@pytest.fixture(scope="module")
def cdnow():
    return load_cdnow(sample=True)


OPTIONS = {"time_unit": "week", "observation_end": "1997-09-30", "value": "value"}


def test_ages_of_a_summary_go_by_the_seasonal_clock(cdnow):
    plain = rfm_summary(cdnow, **OPTIONS)
    found = rfm_summary(cdnow, calendar=SEASON, **OPTIONS)
    by_customer = cdnow[cdnow["date"] <= "1997-09-30"].groupby("customer_id")["date"]
    days = pd.date_range("1997-01-01", "1997-12-31")
    clock = daily_clock(np.array(SEASON.levels)[days.month - 1]) / 7
    first, last = ((by_customer.agg(f).dt.normalize() - days[0]).dt.days for f in ("min", "max"))
    # 270 additions, and divisions by 7
    np.testing.assert_allclose(found.recency, (clock[last] - clock[first]), atol=1e-10)
    np.testing.assert_allclose(found.T, clock[272] - clock[first], atol=1e-10)
    assert found.calendar == SEASON
    assert "time unit week of operational time" in repr(found)
    assert "operational time" in str(found.report)
    np.testing.assert_array_equal(found.frequency, plain.frequency)
    # the engine adds up amounts in the order in which its threads come to them
    np.testing.assert_allclose(found.monetary_value, plain.monetary_value, rtol=1e-12)
    same = plain.in_operational_time(SEASON)
    pd.testing.assert_frame_equal(same.to_pandas(), found.to_pandas())
    assert pickle.loads(pickle.dumps(found)).calendar == SEASON
    assert found.select(found.T > 10).calendar == SEASON


def test_a_constant_index_leaves_a_summary_alone(cdnow):
    plain = rfm_summary(cdnow, litt=True, **OPTIONS)
    same = rfm_summary(cdnow, litt=True, calendar=FLAT, **OPTIONS)
    for name in ("frequency", "recency", "T"):
        np.testing.assert_array_equal(getattr(same, name), getattr(plain, name))
    # the engine adds up amounts and logarithms in the order in which its threads come to them
    for name in ("monetary_value", "litt"):
        one, other = getattr(same, name), getattr(plain, name)
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


def test_hours_have_seasons_too():
    log = pd.DataFrame({"customer_id": 1, "date": ["2024-01-31 20:30", "2024-02-01 03:10"]})
    found = rfm_summary(log, time_unit="hour", calendar=SEASON, litt=True)
    expected = 4 * SEASON.levels[0] + 3 * SEASON.levels[1]
    assert found.recency[0] == pytest.approx(expected, abs=1e-8)
    assert found.litt[0] == pytest.approx(np.log(expected), abs=1e-8)


def test_litt_goes_by_the_seasonal_clock(cdnow):
    found = rfm_summary(cdnow, litt=True, calendar=SEASON, **OPTIONS)
    days = pd.date_range("1997-01-01", "1997-12-31")
    clock = daily_clock(np.array(SEASON.levels)[days.month - 1]) / 7
    bought = cdnow[cdnow["date"] <= "1997-09-30"][["customer_id", "date"]].drop_duplicates()
    bought = bought.sort_values(["customer_id", "date"])
    at = pd.Series(clock[(bought["date"] - days[0]).dt.days], index=bought["customer_id"])
    logs = np.log(at.groupby(level=0).diff())
    expected = logs.groupby(level=0).sum()
    np.testing.assert_allclose(found.litt, expected, rtol=1e-10, atol=1e-10)


def test_a_daily_index_of_years_is_no_trouble_for_the_engine(cdnow):
    days = pd.DataFrame({"date": pd.date_range("1996-01-01", "1999-12-31")})
    pace = 1 + 0.5 * np.sin(np.arange(len(days)))
    daily = CalendarIndex.from_frame(days.assign(index=pace))
    found = rfm_summary(cdnow, litt=True, calendar=daily, time_unit="week")
    one = found.frequency == 1
    np.testing.assert_allclose(found.litt[one], np.log(found.recency[one]), atol=1e-9)


def test_what_cannot_be_taken_to_operational_time(cdnow):
    rfm = rfm_summary(cdnow, calendar=SEASON, **OPTIONS)
    with pytest.raises(DataError, match=r"in operational time already"):
        rfm.in_operational_time(SEASON)
    with pytest.raises(DataError, match=r"litt cannot be taken .*calendar=index"):
        rfm_summary(cdnow, litt=True, **OPTIONS).in_operational_time(SEASON)
    with pytest.raises(DataError, match=r"when observation ended.*calendar=index"):
        load_cdnow_summary().in_operational_time(SEASON)
    for litt in (False, True):
        with pytest.raises(DataError, match="does not cover 1997-01-01"):
            rfm_summary(cdnow, calendar=WEEKLY, litt=litt, **OPTIONS)
    with pytest.raises(ParameterError, match="calendar must be a CalendarIndex, not dict"):
        rfm_summary(cdnow, calendar=LEVELS, **OPTIONS)


def test_a_split_by_the_seasonal_clock(cdnow):
    options = {"cutoff": "1997-09-30", "horizon": "39 weeks", "time_unit": "week"}
    plain = calibration_holdout_split(cdnow, litt=True, **options)
    found = calibration_holdout_split(cdnow, litt=True, calendar=SEASON, **options)
    same = rfm_summary(
        cdnow, litt=True, calendar=SEASON, time_unit="week", observation_end="1997-09-30"
    )
    pd.testing.assert_frame_equal(found.calibration.to_pandas(), same.to_pandas(), rtol=1e-12)
    pd.testing.assert_frame_equal(found.holdout, plain.holdout)
    assert found.horizon == plain.horizon
    ours, theirs = found.repeat_purchases_by_period(), plain.repeat_purchases_by_period()
    pd.testing.assert_frame_equal(ours.drop(columns="elapsed"), theirs.drop(columns="elapsed"))
    end = datetime(1997, 9, 30)
    np.testing.assert_allclose(ours["elapsed"], SEASON.elapsed(end, theirs["elapsed"], "week"))

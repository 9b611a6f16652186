"""What a purchase is, when observation ends, and what becomes of every other row."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clvmodels.data.summary import RFMSummary
from clvmodels.data.transactions import rfm_summary
from clvmodels.exceptions import DataError, ParameterError, UnitError


def make_log(rows: list[tuple], columns: str = "customer_id date value") -> pd.DataFrame:
    log = pd.DataFrame(rows, columns=columns.split()[: len(rows[0])])
    return log.assign(date=pd.to_datetime(log["date"]))


def xtT(rfm: RFMSummary) -> list[list[float]]:
    return np.column_stack([rfm.frequency, rfm.recency, rfm.T]).tolist()


# ---------------------------------------------------------------- what a purchase is


def test_purchases_of_one_day_are_one_and_of_different_hours_are_two():
    # lifetimes issue 244
    log = make_log([(1, "2018-04-24 19:19"), (1, "2018-04-24 20:13"), (1, "2018-05-24 04:00")])
    daily = rfm_summary(log, time_unit="day", observation_end="2019-01-31")
    assert xtT(daily) == [[1, 30, 282]]
    assert daily.report.merged == 1
    hourly = rfm_summary(log, time_unit="hour", observation_end="2019-01-31 00:00")
    assert hourly.frequency == 2
    assert hourly.recency[0] / 24 == 29.375
    assert hourly.T[0] / 24 == pytest.approx(281.2083333333333)
    assert hourly.report.merged == 0
    assert "hour" in repr(hourly)


def test_a_day_as_end_of_hourly_data_counts_to_its_last_hour():
    log = make_log([(1, "2024-01-01 10:30"), (1, "2024-01-02 23:59")])
    rfm = rfm_summary(log, time_unit="hour", observation_end="2024-01-02")
    assert xtT(rfm) == [[1, 37, 37]]


def test_monetary_value_is_the_mean_of_repeat_days_totals():
    # lifetimes issue 184
    days = {"2017-06-11": (75, 75), "2017-07-24": (75, 75), "2017-07-08": (75, 75)}
    rows = [(1, day, v) for day, values in days.items() for v in values]
    rows += [(1, "2017-06-24", 75), (1, "2017-06-24", 175)]
    rfm = rfm_summary(make_log(rows), time_unit="day", value="value", observation_end="2017-12-31")
    assert xtT(rfm) == [[3, 43, 203]]
    assert rfm.monetary_value == pytest.approx((250 + 150 + 150) / 3)


def test_the_first_value_counts_only_on_request():
    # lifetimes issue 347
    months = ["2019-01-05", "2019-02-05", "2019-03-05", "2019-04-05"]
    log = make_log([(1, d, v) for d, v in zip(months, (236, 118, 236, 99), strict=True)])
    one_timer = make_log([(2, "2019-01-01", 80.0)])
    log = pd.concat([log, one_timer])
    without = rfm_summary(log, time_unit="month", value="value")
    assert without.monetary_value[0] == pytest.approx(151.0)
    assert np.isnan(without.monetary_value[1])
    with_first = rfm_summary(log, time_unit="month", value="value", include_first_value=True)
    assert with_first.monetary_value.tolist() == pytest.approx([172.25, 80.0])


def test_two_orders_on_one_day_only_are_no_repeat_purchase():
    # lifetimes issue 91
    log = make_log([(1, "2017-01-05 10:00"), (1, "2017-01-05 12:00")])
    assert xtT(rfm_summary(log, time_unit="day", observation_end="2017-01-31")) == [[0, 0, 26]]


@pytest.mark.parametrize(
    ("unit", "days"),
    [("W", 7), ("M", 30.436875), ("Q", 91.310625), ("Y", 365.2425), ("7D", 7), ("D", 1)],
)
def test_recency_and_T_are_real_numbers_in_every_unit(unit, days):
    log = make_log([(1, "2024-01-01"), (1, "2024-02-11")])
    rfm = rfm_summary(log, time_unit=unit, observation_end="2024-06-10")
    assert xtT(rfm) == [[1, pytest.approx(41 / days), pytest.approx(161 / days)]]


def test_without_a_value_column_there_is_no_monetary_value():
    rfm = rfm_summary(make_log([(1, "2024-01-01", 5.0)]), time_unit="day")
    assert rfm.monetary_value is None


# ---------------------------------------------------------------- the end of observation

DAY_AND_INSTANT = make_log([(1, "2024-01-01 10:00"), (1, "2024-01-05 18:00")])


@pytest.mark.parametrize(
    ("end", "x"),
    [
        ("2024-01-05", 1),
        (dt.date(2024, 1, 5), 1),
        (np.datetime64("2024-01-05"), 1),
        ("2024-01-05 09:00", 0),
        ("2024-01-05T18:00", 1),
        (dt.datetime(2024, 1, 5, 9), 0),
        (pd.Timestamp("2024-01-05 09:00"), 0),
        (np.datetime64("2024-01-05T09:00"), 0),
    ],
)
def test_a_day_is_included_and_an_instant_cuts(end, x):
    rfm = rfm_summary(DAY_AND_INSTANT, time_unit="day", observation_end=end)
    assert rfm.frequency == x
    assert rfm.T == 4
    assert rfm.report.after_end == 1 - x


def test_the_default_end_is_the_last_purchase_and_the_report_says_so():
    rfm = rfm_summary(DAY_AND_INSTANT, time_unit="day")
    assert xtT(rfm) == [[1, 4, 4]]
    assert rfm.observation_end == dt.datetime(2024, 1, 5)
    assert "last purchase, 2024-01-05, that day included" in str(rfm.report)


@pytest.mark.parametrize("end", ["2023-12-31", "2024-01-01 09:59"])
def test_an_end_before_all_data_is_an_error(end):
    with pytest.raises(DataError, match="before the first purchase, 2024-01-01 10:00"):
        rfm_summary(DAY_AND_INSTANT, time_unit="day", observation_end=end)


@pytest.mark.parametrize("end", ["soon", 20240105, pd.NaT, np.datetime64("2024-01")])
def test_an_unreadable_end_is_an_error(end):
    with pytest.raises(DataError, match="neither a day nor an instant"):
        rfm_summary(DAY_AND_INSTANT, time_unit="day", observation_end=end)


def test_a_placeholder_for_never_is_no_end():
    log = pd.DataFrame({"customer_id": 1, "date": ["2024-01-01", "2024-01-03", "9999-12-31"]})
    with pytest.raises(DataError, match="last purchase is on 9999-12-31: a placeholder"):
        rfm_summary(log, time_unit="day")
    rfm = rfm_summary(log, time_unit="day", observation_end="2024-01-31")
    assert (rfm.frequency, rfm.T, rfm.report.after_end) == (1, 30, 1)


# ---------------------------------------------------------------- dates given as text

TEXTS = pd.DataFrame(
    {
        "customer_id": 1,
        "date": ["11/01/2025", "12/20/2025", "01/15/2026"],
        "value": [50, 60, 70],
    }
)


def test_text_dates_are_parsed_and_never_compared_as_text():
    # pymc-marketing pull request 2744
    rfm = rfm_summary(TEXTS, time_unit="day", value="value", date_format="%m/%d/%Y")
    assert xtT(rfm) == [[2, 75, 75]]
    assert rfm.monetary_value == 65


def test_text_dates_that_are_not_iso_need_a_format():
    with pytest.raises(DataError, match=r"3 dates in 'date' .* ISO dates .*'11/01/2025'"):
        rfm_summary(TEXTS, time_unit="day")
    with pytest.raises(DataError, match="cannot be read as %Y/%m/%d"):
        rfm_summary(TEXTS, time_unit="day", date_format="%Y/%m/%d")


def test_a_two_digit_year_is_not_an_iso_date():
    log = pd.DataFrame({"customer_id": [1, 1], "date": ["2024-01-05", "12-11-10"]})
    with pytest.raises(DataError, match=r"1 date in 'date' .*'12-11-10'"):
        rfm_summary(log, time_unit="day")


def test_iso_texts_with_and_without_time():
    log = pd.DataFrame({"customer_id": 1, "date": ["2024-01-01", "2024-01-03 12:30", None]})
    rfm = rfm_summary(log, time_unit="day")
    assert xtT(rfm) == [[1, 2, 2]]
    assert rfm.report.null_dates == 1


@pytest.mark.parametrize("dates", [[20240101, 20240103], pd.period_range("2024-01", periods=2)])
def test_what_is_no_date_is_an_error(dates):
    with pytest.raises(DataError, match="date"):
        rfm_summary(pd.DataFrame({"customer_id": 1, "date": dates}), time_unit="day")


# ---------------------------------------------------------------- time zones

NIGHT = pd.to_datetime(["2024-03-10 04:30", "2024-03-10 05:30"])


@pytest.mark.parametrize(
    ("zone", "expected"), [("UTC", [0, 0, 83]), ("America/New_York", [1, 1, 84])]
)
@pytest.mark.parametrize("form", ["aware", "texts", "objects"])
def test_days_begin_on_the_clock_of_the_time_zone(zone, expected, form):
    aware = NIGHT.tz_localize("UTC")
    forms = {
        "aware": aware,
        "texts": aware.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "objects": pd.Series(list(aware.to_pydatetime()), dtype=object),
    }
    log = pd.DataFrame({"customer_id": 1, "date": forms[form]})
    rfm = rfm_summary(log, time_unit="day", observation_end="2024-06-01", time_zone=zone)
    assert xtT(rfm) == [expected]
    assert rfm.time_zone == zone


def test_aware_dates_keep_their_own_zone_and_the_report_says_so():
    dates = NIGHT.tz_localize("UTC").tz_convert("America/New_York")
    log = pd.DataFrame({"customer_id": 1, "date": dates})
    rfm = rfm_summary(log, time_unit="day", observation_end="2024-06-01")
    assert xtT(rfm) == [[1, 1, 84]]
    assert "America/New_York, the zone they came with" in str(rfm.report)


def test_a_change_of_clock_does_not_change_day_counts():
    # New York lost an hour on 2024-03-10: 47 hours between these are still two days
    dates = pd.to_datetime(["2024-03-09 12:00", "2024-03-11 12:00"]).tz_localize("America/New_York")
    log = pd.DataFrame({"customer_id": 1, "date": dates})
    assert xtT(rfm_summary(log, time_unit="day", observation_end="2024-03-12")) == [[1, 2, 3]]


def test_a_time_zone_does_not_shift_naive_dates_but_places_an_aware_end():
    log = pd.DataFrame({"customer_id": 1, "date": NIGHT})
    end = pd.Timestamp("2024-03-10 12:00", tz="UTC")
    rfm = rfm_summary(log, time_unit="hour", time_zone="America/New_York", observation_end=end)
    assert xtT(rfm) == [[1, 1, 4]]  # noon in UTC was 8 in New York, where clocks had changed
    with pytest.raises(DataError, match="has a time zone and the dates of the log have none"):
        rfm_summary(log, time_unit="hour", observation_end=end)


@pytest.mark.parametrize(
    "dates",
    [
        [NIGHT[0].to_pydatetime(), NIGHT[1].tz_localize("UTC").to_pydatetime()],
        ["2024-03-10T04:30:00", "2024-03-10T05:30:00+01:00"],
    ],
)
def test_local_and_zoned_dates_do_not_mix(dates):
    log = pd.DataFrame({"customer_id": 1, "date": pd.Series(dates, dtype=object)})
    with pytest.raises(DataError, match="mixes 1 dates with a time zone and 1 without"):
        rfm_summary(log, time_unit="day", time_zone="UTC")


def test_offsets_without_a_zone_need_one():
    texts = ["2024-03-10T04:30:00+05:00", "2024-03-10T05:30:00-03:00"]
    log = pd.DataFrame({"customer_id": 1, "date": texts})
    with pytest.raises(DataError, match="Say on whose clock"):
        rfm_summary(log, time_unit="day")
    assert xtT(rfm_summary(log, time_unit="hour", time_zone="UTC")) == [[1, 9, 9]]
    other = pd.DataFrame({"customer_id": 1, "date": [dt.date(2024, 1, 1), "x"]})
    with pytest.raises(DataError, match="mixes dates and other values, such as 'x'"):
        rfm_summary(other, time_unit="day")


def test_date_formats_with_an_offset_need_a_zone():
    log = pd.DataFrame(
        {"customer_id": 1, "date": ["10.03.2024 05:30 +0100", "11.03.2024 05:30 +0100"]}
    )
    pattern = "%d.%m.%Y %H:%M %z"
    with pytest.raises(DataError, match="Say on whose clock"):
        rfm_summary(log, time_unit="day", date_format=pattern)
    rfm = rfm_summary(log, time_unit="hour", date_format=pattern, time_zone="UTC")
    assert xtT(rfm) == [[1, 24, 24]]


def test_days_as_python_dates():
    log = pd.DataFrame({"customer_id": 1, "date": [dt.date(2024, 1, 1), dt.date(2024, 1, 3)]})
    assert xtT(rfm_summary(log, time_unit="day")) == [[1, 2, 2]]


# ---------------------------------------------------------------- refunds

REFUNDS = make_log(
    [
        (1, "2024-01-01", 100.0),
        (1, "2024-02-01", 50.0),
        (1, "2024-02-10", -50.0),
        (2, "2024-01-05", 80.0),
        (2, "2024-01-09", -80.0),
    ]
)


def test_refunds_need_a_policy():
    with pytest.raises(DataError, match=r"2 of 5 rows have a negative amount.*1, 2.*'drop'.*'net'"):
        rfm_summary(REFUNDS, time_unit="day", value="value", observation_end="2024-04-01")


def test_refunds_may_be_ignored():
    rfm = rfm_summary(REFUNDS, time_unit="day", value="value", refunds="drop")
    assert rfm.frequency.tolist() == [1, 0]
    assert rfm.monetary_value[0] == 50
    assert rfm.report.refunds_dropped == 2


def test_a_refund_takes_back_the_latest_purchase():
    rfm = rfm_summary(
        REFUNDS, time_unit="day", value="value", refunds="net", observation_end="2024-04-01"
    )
    assert rfm.customer_id.tolist() == [1]
    assert xtT(rfm) == [[0, 0, 91]]
    report = rfm.report
    assert (report.refunds_netted, report.purchases_taken_back) == (2, 2)
    assert (report.customers_refunded, report.refunds_unmatched) == (1, 0)
    assert "1 customer dropped: fully refunded" in str(report)


def test_a_refund_of_the_same_period_lowers_its_total():
    rows = [(1, "2024-01-01", 10.0), (1, "2024-01-02", 30.0), (1, "2024-01-02", -10.0)]
    rows += [(1, "2024-01-03", 19.99), (1, "2024-01-03", 5.01), (1, "2024-01-03", -25.0)]
    rows += [(2, "2024-01-01", 10.0), (2, "2024-01-02", -15.0)]
    rfm = rfm_summary(make_log(rows), time_unit="day", value="value", refunds="net_same_period")
    assert rfm.frequency.tolist() == [1, 0]
    assert rfm.monetary_value[0] == 20
    report = rfm.report
    assert (report.refunds_netted, report.purchases_taken_back) == (3, 1)
    assert (report.merged, report.refunds_unmatched) == (1, 1)


def test_rounding_leaves_no_purchase_behind():
    # 19.99 + 5.01 - 25 is 4e-15 in binary
    rows = [(1, "2024-01-01", 19.99), (1, "2024-01-02", 5.01), (1, "2024-01-03", -25.0)]
    rows += [(2, "2024-01-01", 1.0)]
    rfm = rfm_summary(make_log(rows), time_unit="day", value="value", refunds="net")
    assert rfm.customer_id.tolist() == [2]


def last_in_first_out(values: list[float]) -> tuple[list[float], float]:
    """What each period keeps, by a stack; and what no purchase was left to bear."""
    kept, unmatched, stack = [max(v, 0.0) for v in values], 0.0, []
    for i, v in enumerate(values):
        if v > 0:
            stack.append(i)
        owed = max(-v, 0.0)
        while owed and stack:
            back = min(owed, kept[stack[-1]])
            kept[stack[-1]] -= back
            owed -= back
            if not kept[stack[-1]]:
                stack.pop()
        unmatched += owed
    return kept, unmatched


AMOUNTS = st.lists(st.integers(-6, 8).filter(bool), min_size=1, max_size=12)


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(AMOUNTS, min_size=20, max_size=40))
def test_refunds_take_back_last_in_first_out_as_a_stack_does(customers):
    day = np.datetime64("2024-01-01")
    rows = [
        (i, day + np.timedelta64(j, "D"), float(v))
        for i, values in enumerate(customers)
        for j, v in enumerate(values)
    ]
    rows.append((len(customers), day, 1.0))  # someone is always left
    rfm = rfm_summary(
        make_log(rows), time_unit="day", value="value", refunds="net", include_first_value=True
    )
    by_hand = {i: last_in_first_out(values) for i, values in enumerate(customers)}
    by_hand[len(customers)] = ([1.0], 0.0)
    left = {i: np.array(kept) for i, (kept, _) in by_hand.items() if any(kept)}
    assert rfm.customer_id.tolist() == list(left)
    assert rfm.frequency.tolist() == [np.count_nonzero(kept) - 1 for kept in left.values()]
    assert rfm.monetary_value.tolist() == pytest.approx([k[k > 0].mean() for k in left.values()])
    assert rfm.recency.tolist() == [np.ptp(np.flatnonzero(kept)) for kept in left.values()]
    report = rfm.report
    assert report.refunds_unmatched == sum(short > 0 for _, short in by_hand.values())
    assert (
        report.rows_used == report.purchases + report.refunds_netted + report.purchases_taken_back
    )


# ---------------------------------------------------------------- odd amounts and missing keys


def test_zero_amounts_count_drop_or_stop():
    log = make_log([(1, "2024-01-01", 5.0), (1, "2024-01-02", 0.0), (1, "2024-01-04", 8.0)])
    kept = rfm_summary(log, time_unit="day", value="value")
    assert (kept.frequency[0], kept.monetary_value[0]) == (2, 4)
    netted = rfm_summary(log, time_unit="day", value="value", refunds="net")
    assert netted.frequency == 2
    dropped = rfm_summary(log, time_unit="day", value="value", zero_value="drop")
    assert (dropped.frequency[0], dropped.monetary_value[0]) == (1, 8)
    assert dropped.report.zero_amounts == 1
    with pytest.raises(DataError, match="1 of 3 rows have the amount zero, first of customers 1"):
        rfm_summary(log, time_unit="day", value="value", zero_value="error")


def test_missing_amounts_stop_or_drop():
    log = make_log([(1, "2024-01-01", 5.0), (1, "2024-01-02", np.nan), (2, "2024-01-04", 8.0)])
    with pytest.raises(DataError, match=r"1 of 3 rows have no amount.*missing_value='drop'"):
        rfm_summary(log, time_unit="day", value="value")
    rfm = rfm_summary(log, time_unit="day", value="value", missing_value="drop")
    assert rfm.frequency.tolist() == [0, 0]
    assert rfm.report.missing_amounts == 1
    after = rfm_summary(log[:2], time_unit="day", value="value", observation_end="2024-01-01")
    assert after.report.missing_amounts == 0  # nobody asks what came after the end


def test_infinite_amounts_stop():
    with pytest.raises(DataError, match="1 of 1 rows have an infinite amount"):
        rfm_summary(make_log([(1, "2024-01-01", np.inf)]), time_unit="day", value="value")


@pytest.mark.parametrize("missing", [None, np.nan])
def test_missing_ids_and_dates_drop_or_stop(missing):
    log = pd.DataFrame(
        {
            "customer_id": [1.0, missing, 2.0, missing],
            "date": pd.to_datetime(["2024-01-01", "2024-01-02", None, None]),
        }
    )
    rfm = rfm_summary(log, time_unit="day")
    assert rfm.customer_id.tolist() == [1]
    assert (rfm.report.null_ids, rfm.report.null_dates) == (2, 1)
    with pytest.raises(DataError, match="3 of 4 rows have no customer id or no date"):
        rfm_summary(log, time_unit="day", missing_keys="error")
    with pytest.raises(DataError, match="No row of the log has both"):
        rfm_summary(log[1:], time_unit="day")


def test_nothing_left_is_an_error():
    log = make_log([(1, "2024-01-01", -5.0)])
    with pytest.raises(DataError, match="No purchase is left"):
        rfm_summary(log, time_unit="day", value="value", refunds="drop")


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c", None]),
            st.sampled_from([*pd.date_range("2024-01-01", periods=4, freq="9h"), pd.NaT]),
            st.sampled_from([-3.0, -1.0, 0.0, 1.0, 2.0, np.nan]),
        ),
        min_size=1,
        max_size=25,
    ),
    refunds=st.sampled_from(["drop", "net_same_period", "net"]),
    zero_value=st.sampled_from(["keep", "drop"]),
)
def test_every_row_is_accounted_for(rows, refunds, zero_value):
    log = make_log([("z", "2024-01-01", 1.0), *rows])
    report = rfm_summary(
        log,
        time_unit="day",
        value="value",
        refunds=refunds,
        zero_value=zero_value,
        missing_value="drop",
        observation_end="2024-01-01",
    ).report
    dropped = (
        report.null_ids
        + report.null_dates
        + report.after_end
        + report.missing_amounts
        + report.zero_amounts
        + report.refunds_dropped
    )
    assert report.rows_read == len(log) == report.rows_used + dropped
    used = (report.purchases, report.merged, report.refunds_netted, report.purchases_taken_back)
    assert report.rows_used == sum(used)
    assert min(used) >= 0


@pytest.mark.parametrize(
    "options",
    [
        {"refunds": "ignore"},
        {"zero_value": "maybe"},
        {"missing_value": 0},
        {"missing_keys": "keep"},
        {"time_zone": "Mars/Olympus"},
    ],
)
def test_unknown_policies_are_refused(options):
    with pytest.raises(ParameterError, match=f"{next(iter(options))}=.* is unknown"):
        rfm_summary(REFUNDS, time_unit="day", **options)


def test_unknown_units_are_refused():
    with pytest.raises(UnitError):
        rfm_summary(REFUNDS, time_unit="fortnight")

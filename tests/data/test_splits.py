"""Calibration and holdout count by one set of rules, and lose nobody."""

import pickle

import numpy as np
import pandas as pd
import pytest

from clvmodels.data.datasets import load_cdnow
from clvmodels.data.splits import calibration_holdout_split
from clvmodels.data.transactions import rfm_summary
from clvmodels.exceptions import DataError, ParameterError, UnitError
from clvmodels.units import Horizon


def make_log(*rows: tuple) -> pd.DataFrame:
    log = pd.DataFrame(rows, columns=["customer_id", "date", "value"][: len(rows[0])])
    return log.assign(date=pd.to_datetime(log["date"]))


SMALL = make_log(
    (1, "2024-01-01", 10.0), (1, "2024-01-10", 10.0), (1, "2024-01-20", 10.0),
    (1, "2024-03-01", 10.0), (1, "2024-03-01", 20.0), (1, "2024-03-15", 30.0),
)  # fmt: skip


def test_the_holdout_counts_and_values_days_as_the_calibration_does():
    # lifetimes issues 371 and 431: the mean of line items, 20, is not the mean of purchases, 30
    split = calibration_holdout_split(
        SMALL, cutoff="2024-02-01", holdout_end="2024-04-01", time_unit="day", value="value"
    )
    rfm = split.calibration
    assert (rfm.frequency, rfm.recency, rfm.T, rfm.monetary_value) == (2, 19, 31, 10)
    assert split.holdout.to_dict("list") == {"customer_id": [1], "purchases": [2], "value": [60.0]}
    assert split.horizon == Horizon(60, "day")
    assert (split.holdout_value / split.holdout_purchases) == 30
    assert "The last 17 days of the holdout are without any purchase" in str(split.report)


def test_the_length_of_the_holdout_is_real():
    # lifetimes issue 281: 41 days are 41/7 weeks, not 41
    log = make_log((1, "2019-01-01"), (1, "2019-06-09"))
    split = calibration_holdout_split(
        log, cutoff="2019-04-30", holdout_end="2019-06-10", time_unit="7D"
    )
    assert split.horizon == Horizon(41 / 7, "week")
    assert "value" not in split.holdout
    months = calibration_holdout_split(
        log, cutoff="2019-04-30", horizon="1.5 months", time_unit="M"
    )
    assert months.horizon.to("day") == pytest.approx(46)  # 45.66 days, whole ones


def test_newcomers_are_counted_apart():
    # lifetimes issue 348
    newcomer = make_log((2, "2024-02-10", 7.0), (2, "2024-02-20", 8.0))
    split = calibration_holdout_split(
        pd.concat([SMALL, newcomer]), cutoff="2024-02-01", holdout_end="2024-04-01",
        time_unit="day", value="value",
    )  # fmt: skip
    assert split.holdout["customer_id"].tolist() == [1]
    assert (split.newcomers, split.newcomer_purchases, split.newcomer_value) == (1, 2, 15.0)
    report = split.report
    assert (report.customers, report.purchases, report.merged, report.rows_used) == (2, 7, 1, 8)


@pytest.fixture(scope="module")
def cdnow():
    return load_cdnow(sample=True)


@pytest.fixture(scope="module")
def split(cdnow):
    return calibration_holdout_split(
        cdnow, cutoff="1997-09-30", horizon="39 weeks", time_unit="week", value="value"
    )


def test_cdnow_splits_into_halves(cdnow, split):
    same = rfm_summary(cdnow, time_unit="week", value="value", observation_end="1997-09-30")
    pd.testing.assert_frame_equal(split.calibration.to_pandas(), same.to_pandas(), rtol=1e-13)
    assert split.horizon == Horizon(39, "week")
    whole = rfm_summary(cdnow, time_unit="week", value="value")
    assert split.holdout["customer_id"].tolist() == whole.customer_id.tolist()
    # nobody first bought after March 1997, so the halves add up to the whole
    added = split.calibration.frequency + split.holdout["purchases"]
    assert added.tolist() == whole.frequency.tolist()
    assert split.newcomers == 0
    late = cdnow[cdnow["date"] > "1997-09-30"]
    assert split.holdout["value"].sum() == pytest.approx(late["value"].sum())
    assert split.report.rows_read == len(cdnow)
    assert split.report.purchases == whole.report.purchases


def test_repr_and_pickle(split):
    assert "2,357 customers observed to 1997-09-30, holdout of 39 weeks with" in repr(split)
    assert "<table" in split._repr_html_()
    again = pickle.loads(pickle.dumps(split))
    pd.testing.assert_frame_equal(again.holdout, split.holdout)
    frame = split.holdout
    frame["purchases"] = 0
    assert split.holdout["purchases"].sum() > 0
    with pytest.raises(ValueError, match="read-only"):
        split.holdout_purchases[0] = 5


def test_repeat_purchases_by_week(cdnow, split):
    weekly = split.repeat_purchases_by_period()
    assert len(weekly) == 78
    assert weekly["start"].iloc[0] == pd.Timestamp("1997-01-01")
    assert weekly["end"].iloc[-1] == pd.Timestamp("1998-06-30")
    at_cutoff = weekly[weekly["elapsed"] == 0]
    assert at_cutoff["end"].tolist() == [pd.Timestamp("1997-09-30")]
    # counted with pandas: distinct days of each customer, less the first
    days = cdnow[["customer_id", "date"]].drop_duplicates()
    repeat = days[days["date"] > days.groupby("customer_id")["date"].transform("min")]
    week = (repeat["date"] - pd.Timestamp("1997-01-01")).dt.days // 7
    assert weekly["purchases"].tolist() == np.bincount(week, minlength=78).tolist()
    assert weekly.loc[~weekly["holdout"], "purchases"].sum() == split.calibration.frequency.sum()
    assert weekly.loc[weekly["holdout"], "purchases"].sum() == split.holdout["purchases"].sum()


@pytest.mark.parametrize("unit", ["day", "month", "quarter", "year"])
def test_rows_of_any_unit_meet_at_the_cutoff_and_add_up(split, unit):
    rows = split.repeat_purchases_by_period(unit)
    assert rows["purchases"].sum() == split.repeats.sum()
    assert (rows["start"].iloc[1:].to_numpy() - rows["end"].iloc[:-1]).eq("1D").all()
    assert rows.loc[~rows["holdout"], "end"].iloc[-1] == pd.Timestamp("1997-09-30")
    assert rows["elapsed"].iloc[-1] == 39


def test_rows_cannot_be_shorter_than_what_was_counted(split):
    with pytest.raises(UnitError, match="counted by the day; a row cannot be a hour"):
        split.repeat_purchases_by_period("hour")


def test_newcomers_are_no_part_of_the_tracking_rows():
    log = make_log((1, "2024-01-01"), (1, "2024-01-09"), (2, "2024-01-08"), (2, "2024-01-10"))
    split = calibration_holdout_split(
        log, cutoff="2024-01-05", holdout_end="2024-01-10", time_unit="day"
    )
    assert split.repeat_purchases_by_period("day")["purchases"].tolist() == [0] * 8 + [1, 0]


def test_an_instant_cuts_within_a_day_and_a_purchase_counts_once():
    log = make_log(
        (1, "2024-01-01 09:00"), (1, "2024-01-05 09:00"), (1, "2024-01-05 15:00"),
        (2, "2024-01-01 09:00"), (2, "2024-01-05 15:00"), (2, "2024-01-08 09:00"),
    )  # fmt: skip
    split = calibration_holdout_split(
        log, cutoff="2024-01-05 12:00", holdout_end="2024-01-08", time_unit="day"
    )
    assert split.calibration.frequency.tolist() == [1, 0]
    assert split.holdout_purchases.tolist() == [0, 2]
    assert split.horizon == Horizon(3, "day")


def test_hours():
    log = make_log((1, "2024-01-01 09:10"), (1, "2024-01-01 12:50"), (1, "2024-01-02 08:00"))
    split = calibration_holdout_split(
        log, cutoff="2024-01-01 12:59:59", horizon="20 hours", time_unit="hour"
    )
    assert (split.calibration.frequency, split.calibration.T) == (1, 3)
    assert split.holdout_purchases == 1
    by_hour = split.repeat_purchases_by_period("hour")
    assert by_hour["purchases"].to_numpy().nonzero()[0].tolist() == [3, 23]


def test_refunds_after_the_cutoff_leave_the_calibration_as_it_was_known():
    log = make_log(
        (1, "2024-01-01", 10.0), (1, "2024-01-05", 20.0), (1, "2024-01-12", 30.0),
        (1, "2024-01-13", 5.0), (1, "2024-01-14", -45.0),
    )  # fmt: skip
    split = calibration_holdout_split(
        log, cutoff="2024-01-10", holdout_end="2024-01-14", time_unit="day", value="value",
        refunds="net",
    )  # fmt: skip
    assert (split.calibration.frequency, split.calibration.monetary_value) == (1, 20)
    assert split.holdout_purchases == 0
    assert split.repeats.sum() == 1
    assert split.report.refunds_netted == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cutoff": "2023-12-31", "horizon": "9 days"}, "must lie between the first purchase"),
        ({"cutoff": "2024-03-15", "horizon": "9 days"}, "must lie between the first purchase"),
        ({"cutoff": "2024-02-01", "horizon": "0 days"}, "less than a day after the cutoff"),
        ({"cutoff": "2024-02-01", "holdout_end": "2024-01-31"}, "less than a day after the cutoff"),
        (
            {"cutoff": "2024-02-01", "horizon": "13 weeks"},
            r"ends 48 days before .* never silent for more than 41: .*holdout_end='2024-03-15'",
        ),
    ],
)
def test_splits_that_the_log_does_not_allow(options, message):
    with pytest.raises(DataError, match=message):
        calibration_holdout_split(SMALL, time_unit="day", **options)


def test_placeholders_for_never_lie_after_every_end():
    log = pd.concat([SMALL, make_log((1, "9999-12-31", 1.0))])
    split = calibration_holdout_split(
        log, cutoff="2024-02-01", holdout_end="2024-04-01", time_unit="day"
    )
    assert split.holdout_purchases == 2
    assert split.report.after_end == 1


def test_a_cutoff_after_the_log_is_told_as_such():
    with pytest.raises(DataError, match="must lie between the first purchase"):
        calibration_holdout_split(
            SMALL, cutoff="2030-01-01", holdout_end="2024-03-15", time_unit="day"
        )


def test_dates_may_be_texts_in_a_format_of_their_own():
    texts = SMALL.assign(date=SMALL["date"].dt.strftime("%d.%m.%y"))
    options = {"cutoff": "2024-02-01", "horizon": "43 days", "time_unit": "day", "value": "value"}
    found = calibration_holdout_split(texts, date_format="%d.%m.%y", **options)
    ours = calibration_holdout_split(SMALL, **options)
    pd.testing.assert_frame_equal(found.calibration.to_pandas(), ours.calibration.to_pandas())
    pd.testing.assert_frame_equal(found.holdout, ours.holdout)
    with pytest.raises(DataError, match=r"such as '01\.01\.24' of customer 1"):
        calibration_holdout_split(texts, **options)


@pytest.mark.parametrize("options", [{}, {"horizon": "9 days", "holdout_end": "2024-03-15"}])
def test_the_holdout_has_one_end(options):
    with pytest.raises(ParameterError, match="either the horizon of the holdout or holdout_end"):
        calibration_holdout_split(SMALL, cutoff="2024-02-01", time_unit="day", **options)


def test_a_horizon_has_a_unit():
    with pytest.raises(UnitError):
        calibration_holdout_split(SMALL, cutoff="2024-02-01", horizon=39, time_unit="day")

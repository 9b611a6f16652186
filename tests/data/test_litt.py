"""The sum of logarithms of the times between purchases, which tells how regular they are."""

import numpy as np
import pandas as pd
import pytest

from clvmodels.data.datasets import load_cdnow
from clvmodels.data.simulate import simulate_log
from clvmodels.data.splits import calibration_holdout_split
from clvmodels.data.summary import RFMSummary
from clvmodels.data.transactions import rfm_summary
from clvmodels.exceptions import DataError, ParameterError

FRAME = pd.DataFrame(
    {
        "customer_id": ["a", "b", "c"],
        "frequency": [2, 0, 1],
        "recency": [6.0, 0.0, 3.0],
        "T": 9.0,
        "litt": [np.log(2.0) + np.log(4.0), 0.0, np.log(3.0)],
    }
)


@pytest.fixture(scope="module")
def cdnow():
    return load_cdnow(sample=True)


@pytest.mark.parametrize(("unit", "days"), [("day", 1), ("week", 7), ("month", 365.2425 / 12)])
def test_logarithms_of_the_gaps_are_added_up(cdnow, unit, days):
    found = rfm_summary(cdnow, time_unit=unit, litt=True)
    bought = cdnow[["customer_id", "date"]].drop_duplicates().sort_values(["customer_id", "date"])
    gaps = bought.groupby("customer_id")["date"].diff() / pd.Timedelta(days=days)
    expected = np.log(gaps).groupby(bought["customer_id"]).sum()
    np.testing.assert_allclose(found.litt, expected, rtol=1e-12, atol=1e-12)
    assert "natural logarithms of the" in str(found.report)
    plain = rfm_summary(cdnow, time_unit=unit)
    assert plain.litt is None
    pd.testing.assert_frame_equal(found.to_pandas().drop(columns="litt"), plain.to_pandas())


def test_purchases_of_a_day_are_one_and_refunded_ones_none():
    log = pd.DataFrame(
        {
            "customer_id": 1,
            "date": ["2024-01-01", "2024-01-03 08:00", "2024-01-03 19:00", "2024-01-07",
                     "2024-01-09", "2024-01-17"],
            "value": [5.0, 5, 5, 5, -5, 5],
        }
    )  # fmt: skip
    found = rfm_summary(log, time_unit="day", value="value", refunds="net", litt=True)
    assert found.frequency == 2
    assert found.litt[0] == pytest.approx(np.log(2) + np.log(14))
    hourly = rfm_summary(log, time_unit="hour", value="value", refunds="net", litt=True)
    assert hourly.litt[0] == pytest.approx(np.log([56, 11, 14 * 24 - 19]).sum())


def test_order_of_rows_does_not_matter(cdnow):
    mixed = cdnow.sample(frac=1, random_state=1)
    found, expected = (rfm_summary(x, time_unit="week", litt=True).litt for x in (mixed, cdnow))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_a_split_has_the_litt_of_its_calibration(cdnow):
    split = calibration_holdout_split(
        cdnow, cutoff="1997-09-30", horizon="39 weeks", time_unit="week", litt=True
    )
    expected = rfm_summary(cdnow, time_unit="week", observation_end="1997-09-30", litt=True)
    np.testing.assert_allclose(split.calibration.litt, expected.litt, rtol=1e-12, atol=1e-12)


def test_frames_and_arrays_may_have_it():
    rfm = RFMSummary.from_frame(FRAME, time_unit="day")
    assert rfm.litt.tolist() == FRAME["litt"].tolist()
    pd.testing.assert_frame_equal(rfm.to_pandas(), FRAME)
    assert "litt" not in rfm.columns
    assert rfm.select([0, 2]).litt.tolist() == rfm.litt[[0, 2]].tolist()
    again = RFMSummary.from_arrays(
        rfm.frequency, rfm.recency, rfm.T, litt=rfm.litt, time_unit="day"
    )
    assert again.litt.tolist() == rfm.litt.tolist()
    assert RFMSummary.from_arrays([1], [2], [3], time_unit="day").litt is None
    with pytest.raises(DataError, match="litt belongs to the summary itself"):
        rfm.with_column("litt", [1, 2, 3])
    with pytest.raises(ValueError, match="read-only"):
        rfm.litt[0] = 1


@pytest.mark.parametrize(
    ("litt", "rule", "who"),
    [
        ([np.nan, 0, 1], "litt must be finite", "a"),
        ([1, 0, -np.inf], "litt must be finite", "c"),
        ([1, 1, 1], "litt must be 0 where frequency is 0", "b"),
        # no two gaps that add up to 6 have a product above 9
        ([2.4, 0, 1], "litt must not exceed frequency .* time unit", "a"),
    ],
)
def test_impossible_sums_are_refused_by_name(litt, rule, who):
    with pytest.raises(DataError, match=rule) as caught:
        RFMSummary.from_frame(FRAME.assign(litt=litt), time_unit="day")
    assert f"broken by 1 of 3 customers, first {who}" in str(caught.value)


def test_equal_gaps_are_the_most_there_can_be():
    even = FRAME.assign(litt=[2 * np.log(3.0), 0, np.log(3.0)])
    assert RFMSummary.from_frame(even, time_unit="day").litt[0] == 2 * np.log(3.0)


# ---------------------------------------------------------------- logs of regular buyers


@pytest.mark.parametrize("k", [1, 2, 5])
def test_gaps_of_simulated_logs_are_shares_of_a_dirichlet(k):
    n, x = 20_000, 4
    made = simulate_log(
        np.full(n, x), np.full(n, 10.0), np.full(n, 12.0),
        start_date="2024-01-01", time_unit="day", regularity=k, seed=8,
    )  # fmt: skip
    age = made.sort_values(["customer_id", "date"])["date"].to_numpy().reshape(n, x + 1)
    gaps = np.diff(age, axis=1) / np.timedelta64(10, "D")
    np.testing.assert_allclose(gaps.sum(axis=1), 1, atol=1e-9)
    # shares of Dirichlet(k, k, k, k): mean 1/4, variance 3/16 / (4k + 1); 4.5 standard errors
    variance = 3 / 16 / (4 * k + 1)
    np.testing.assert_allclose(gaps.mean(axis=0), 0.25, atol=4.5 * np.sqrt(variance / n))
    np.testing.assert_allclose(gaps.var(axis=0), variance, rtol=0.06)


def test_the_shape_is_a_whole_number():
    for wrong in (0, 1.5, "2"):
        with pytest.raises(ParameterError, match="regularity must be a whole number"):
            simulate_log([1], [2], [9], start_date="2024-01-01", time_unit="day", regularity=wrong)
    one_timers = simulate_log(
        [0, 1], [0, 2], [9, 9], start_date="2024-01-01", time_unit="day", regularity=3, seed=1
    )
    assert one_timers["date"].dt.day.tolist() == [1, 1, 3]

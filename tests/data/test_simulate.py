"""Simulated logs have the summary that was asked for."""

import numpy as np
import pandas as pd
import pytest

from clvmodels.data.simulate import simulate_log
from clvmodels.exceptions import DataError

RNG = np.random.default_rng(5)
X = RNG.integers(0, 9, 500)
AGE = RNG.uniform(5, 40, 500)
LAST = np.where(X > 0, AGE * RNG.uniform(0.1, 1, 500), 0.0)
VALUE = RNG.gamma(3, 10, 500)


def log(unit="week", **options):
    options = {"start_date": "2024-02-28", "time_unit": unit, "seed": 7, **options}
    return simulate_log(X, LAST, AGE, **options)


@pytest.mark.parametrize(
    ("unit", "days"), [("hour", 1 / 24), ("week", 7), ("month", 365.2425 / 12)]
)
def test_summary_is_the_one_asked_for(unit, days):
    by_customer = log(unit).groupby("customer_id")["date"].agg(["size", "min", "max"])
    length = pd.Timedelta(days=days)
    end = pd.Timestamp("2024-02-28") + AGE.max() * length
    assert (by_customer["size"] - 1 == X).all()
    # timestamps are rounded to a microsecond, 3e-10 of an hour
    tolerance = {"rtol": 0, "atol": 1e-9}
    np.testing.assert_allclose(
        (by_customer["max"] - by_customer["min"]) / length, LAST, **tolerance
    )
    np.testing.assert_allclose((end - by_customer["min"]) / length, AGE, **tolerance)
    assert by_customer["min"].min() == pd.Timestamp("2024-02-28")


def test_rows_are_in_order_of_time():
    assert log()["date"].is_monotonic_increasing


def test_purchases_between_the_first_and_the_last_are_uniform():
    n = 40_000
    made = simulate_log(
        np.full(n, 3), np.full(n, 10.0), np.full(n, 12.0),
        start_date="2024-01-01", time_unit="day", seed=8,
    )  # fmt: skip
    age = (made["date"] - pd.Timestamp("2024-01-01")) / pd.Timedelta(days=10)
    share = age[(age > 0) & (age < 1)]
    assert len(share) == 2 * n
    # 4.5 standard errors of the mean and the variance of a uniform variable
    assert abs(share.mean() - 1 / 2) < 4.5 * np.sqrt(1 / 12 / len(share))
    assert abs(share.var() - 1 / 12) < 4.5 * np.sqrt(1 / 180 / len(share))


def test_value_belongs_to_the_customer():
    assert list(log().columns) == ["customer_id", "date"]
    made = log(value=VALUE)
    np.testing.assert_array_equal(made["value"], VALUE[made["customer_id"]])


def test_the_seed_decides():
    pd.testing.assert_frame_equal(log(seed=1), log(seed=1))
    pd.testing.assert_frame_equal(log(seed=1), log(seed=np.random.default_rng(1)))
    assert not log(seed=1).equals(log(seed=2))


def test_an_impossible_history_is_named():
    with pytest.raises(DataError, match=r"recency must not exceed T.*first 1"):
        simulate_log([1, 1], [2, 9], [3, 3], start_date="2024-01-01", time_unit="day")

"""Displays of money: their parts add up to the whole."""

import numpy as np
import pandas as pd
import pytest

from clvmodels.exceptions import ParameterError
from clvmodels.report.values import Concentration, DecileCalibration, League, ValueDistribution


def test_deciles_add_up_to_the_holdout(study):
    comparison = study.comparison
    names = ["BG/NBD", "mean"]
    sums = DecileCalibration.of(comparison, names).frame.groupby("method").sum()
    table = comparison.table.set_index("method")
    for name in names:
        assert sums.loc[name, "actual_total"] == pytest.approx(table.loc[name, "value_actual"])
        assert sums.loc[name, "predicted_total"] == pytest.approx(
            table.loc[name, "value_predicted"]
        )
        assert sums.loc[name, "customers"] == pytest.approx(len(comparison.split.holdout))


def test_deciles_say_what_the_best_were_worth(study):
    display = DecileCalibration.of(study.comparison, ["BG/NBD"], "EUR")
    assert display.title.startswith("The tenth of customers that BG/NBD values highest")
    assert "EUR" in display.title


def test_deciles_of_an_unknown_method(study):
    with pytest.raises(ParameterError, match=r"no predictions of 'Oracle'; there are BG/NBD"):
        DecileCalibration.of(study.comparison, ["Oracle"])


@pytest.mark.parametrize(
    "value",
    [
        pytest.param([5.0, 0.0, 120.0, -3.0, 0.02, 7.0], id="gains, losses and nothing"),
        pytest.param([4.0, 4.0, 4.0], id="all the same"),
        pytest.param([0.0, 0.0], id="nothing"),
        pytest.param([-2.0, -1.0], id="losses only"),
        pytest.param(np.geomspace(1e-30, 1e6, 500), id="thirty-six tenfolds"),
    ],
)
def test_distribution_counts_every_customer_and_all_value(value):
    display = ValueDistribution.of(value)
    assert display.svg()
    frame = display.frame
    assert frame["customers"].sum() == len(value)
    assert frame["value"].sum() == pytest.approx(sum(value))
    assert (frame["lo"] < frame["hi"]).all()
    assert len(frame) < 60


def test_distribution_keeps_customers_within_their_class():
    value = np.random.default_rng(1).lognormal(2, 1.5, 1000)
    for row in ValueDistribution.of(value).frame.itertuples():
        assert ((value >= row.lo) & (value < row.hi)).sum() == row.customers


def test_distribution_says_median_and_mean():
    display = ValueDistribution.of([1.0, 2.0, 9.0], "EUR")
    assert display.title == "Half of the customers are worth less than EUR 2; the mean is EUR 4"


def test_concentration_of_equal_values_is_the_diagonal():
    frame = Concentration.of({"value": np.full(7, 3.0)}).frame
    np.testing.assert_allclose(frame["share_of_value"], frame["share_of_customers"])


def test_concentration_of_one_rich_customer():
    # the best of ten has 91 of 100
    display = Concentration.of({"value": [91] + 9 * [1]})
    assert display.title == "A tenth of the customers hold 91 % of the value"
    frame = display.frame
    assert (frame["share_of_value"].iloc[0], frame["share_of_value"].iloc[-1]) == (0, 1)
    assert frame["share_of_value"].is_monotonic_increasing


def test_league_goes_by_the_error_per_customer(study):
    display = League.of(study.comparison)
    assert sorted(display.frame["method"]) == sorted(study.comparison.table["method"])
    errors = display.frame["rmse"].to_numpy()
    assert (errors[1:] >= errors[:-1] * (1 - 1e-3)).all()  # ties keep the order they came in
    assert display.frame["method"].iloc[0] in display.title


def test_displays_count_customers_not_rows():
    value, weight = np.array([1.0, 4.0, 9.0, 90.0]), np.array([2, 3, 4, 1])
    rows = np.repeat(value, weight)
    one, other = ValueDistribution.of(value, weight=weight), ValueDistribution.of(rows)
    sums = (display.frame[["customers", "value"]].sum() for display in (one, other))
    pd.testing.assert_series_equal(*sums, check_dtype=False)
    assert (one.median, one.mean) == (other.median, other.mean) == (6.5, np.mean(rows))
    curves = (Concentration.of({"v": value}, weight), Concentration.of({"v": rows}))
    pd.testing.assert_frame_equal(*(curve.frame for curve in curves))

"""Regressions that learn from an earlier holdout: by hand, in backtests, and where they cannot."""

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

import clvmodels as clv
from clvmodels.evaluation.entries import Learner, kind_of
from clvmodels.exceptions import DataError, ParameterError, UndefinedMeanError, UnitError
from clvmodels.interop.sklearn import RegressionMethod, two_part_boosting

LOG = {"time_unit": "week", "value": "value"}


@pytest.fixture(scope="module")
def log():
    return clv.datasets.load_cdnow(sample=True)


@pytest.fixture(scope="module")
def earlier(log):
    return clv.calibration_holdout_split(log, cutoff="1997-07-01", horizon="13 weeks", **LOG)


@pytest.fixture(scope="module")
def rfm(log):
    return clv.rfm_summary(log, observation_end="1997-09-30", **LOG)


def few(**changes):
    """A regular, a customer with one repeat purchase, one without, and one who came today."""
    columns = {
        "customer_id": ["regular", "twice", "once", "today"], "frequency": [8, 1, 0, 0],
        "recency": [39.0, 10.0, 0, 0], "T": [40.0, 40.0, 20.0, 0],
        "monetary_value": [30.0, 12.0, np.nan, np.nan], "time_unit": "week",
    }  # fmt: skip
    return clv.RFMSummary(**{**columns, **changes})


def split_of(data, purchases, value=None, horizon="20 weeks"):
    """A split of a log, of which only what a regression looks at is filled in."""
    return clv.CalibrationHoldoutSplit(
        calibration=data, horizon=clv.Horizon.parse(horizon),
        holdout_purchases=np.asarray(purchases), newcomers=0, newcomer_purchases=0,
        holdout_value=None if value is None else np.asarray(value, dtype=np.float64),
        newcomer_value=None, repeats=np.zeros(1, np.int64), report=data.report,
    )  # fmt: skip


def many(**changes):
    """Forty customers: ten each of the few."""
    data = few(**changes)
    given = ["frequency", "recency", "T", "monetary_value"]
    return clv.RFMSummary(
        customer_id=np.arange(40), time_unit="week",
        columns={name: np.repeat(v, 10) for name, v in data.columns.items()},
        **{name: np.repeat(getattr(data, name), 10) for name in given},
    )  # fmt: skip


# half of the regulars come twice, half of the "twice" once; 20 weeks are half of the longest T
MADE = np.repeat([2, 0, 1, 0, 0], [5, 5, 5, 5, 20])
SPENT = MADE * np.repeat([30.0, 12.0, 7.0, 7.0], 10)


def test_features_by_hand():
    features = (
        RegressionMethod(LinearRegression()).fit_split(split_of(many(), MADE, SPENT)).features
    )
    mean_rate = (90 + 1) / (1000 / 20 + 1)  # repeat purchases per holdout of 20 weeks
    rates = (np.array([8, 1, 0, 0]) + mean_rate / 2) / (np.array([2, 2, 1, 0]) + 0.5)
    value = np.log1p([30, 12, 28, 28])  # (8 x 30 + 12) / 9 where there is none
    expected = {
        "log_rate": np.log(rates),
        "silent_share": [1 / 40, 30 / 40, 1, 1],
        "log_silence": np.log1p([1 / 20, 30 / 20, 20 / 20, 0]),
        "log_silence_in_gaps": np.log1p([1 / (39 / 8), 30 / 10, 0, 0]),
        "log_value": value,
        "log_revenue": np.log(rates) + value,
    }
    table = features.table(few())
    assert list(table) == list(expected)
    for name, column in expected.items():
        assert table[name].to_numpy() == pytest.approx(column), name
    daily = few(time_unit="day", recency=7 * few().recency, T=7 * few().T)
    assert features.table(daily).to_numpy() == pytest.approx(table.to_numpy(), rel=1e-12)


def test_trees_do_not_see_the_unit_of_time(log, earlier, rfm):
    in_days = {"time_unit": "day", "value": "value"}
    again = clv.calibration_holdout_split(log, cutoff="1997-07-01", horizon="91 days", **in_days)
    daily = clv.rfm_summary(log, observation_end="1997-09-30", **in_days)
    predicted = two_part_boosting().fit_split(earlier).predict(rfm, "13 weeks")
    for split, data in ((earlier, daily), (again, daily), (again, rfm)):
        same = two_part_boosting().fit_split(split).predict(data, "13 weeks")
        for name in ("expected_purchases", "clv", "p_active"):
            assert same[name].to_numpy() == pytest.approx(predicted[name].to_numpy(), rel=1e-9)


def test_two_parts_by_hand():
    # means of all who learnt: a quarter bought; those bought 1.5 times and spent (60 + 12) / 2
    rule = RegressionMethod(DummyRegressor(), DummyClassifier(), title="means")
    fit = rule.fit_split(split_of(many(), MADE, SPENT))
    table = fit.predict(few(), "20 weeks")
    assert list(table) == [
        "customer_id", "p_alive", "expected_purchases", "expected_spend", "clv", "clv_lo",
        "clv_hi", "p_active", "flags",
    ]  # fmt: skip
    bought = DummyClassifier(strategy="prior")  # its default: the share of each class
    assert bought.strategy == DummyClassifier().strategy
    assert table["customer_id"].tolist() == ["regular", "twice", "once", "today"]
    assert table["p_active"].tolist() == pytest.approx([0.25] * 4)
    assert table["expected_purchases"].tolist() == pytest.approx([0.375] * 4)
    assert table["clv"].tolist() == pytest.approx([9.0] * 4)
    assert table["expected_spend"].tolist() == pytest.approx([24.0] * 4)
    assert table[["p_alive", "clv_lo", "clv_hi"]].isna().all(axis=None)
    assert set(table["flags"]) == {"regression; learnt over 20 weeks"}


def test_one_part_by_hand():
    fit = RegressionMethod(DummyRegressor()).fit_split(split_of(many(), MADE, SPENT))
    table = fit.predict(few(), "20 weeks")
    assert "p_active" not in table
    assert table["expected_purchases"].tolist() == pytest.approx([15 / 40] * 4)
    assert table["clv"].tolist() == pytest.approx([(5 * 60 + 5 * 12) / 40] * 4)
    assert fit.method.title == "DummyRegressor"


def test_everybody_bought():
    rule = RegressionMethod(DummyRegressor(), LogisticRegression())
    table = rule.fit_split(split_of(many(), np.ones(40), np.full(40, 5.0))).predict(
        few(), "5 weeks"
    )
    assert table["p_active"].tolist() == [1.0] * 4
    assert table["clv"].tolist() == pytest.approx([1.25] * 4)


def test_another_horizon_is_scaled():
    fit = RegressionMethod(DummyRegressor(), DummyClassifier()).fit_split(
        split_of(many(), MADE, SPENT)
    )
    table = fit.predict(few(), "280 days")
    assert table["expected_purchases"].tolist() == pytest.approx([0.75] * 4)
    assert table["clv"].tolist() == pytest.approx([18.0] * 4)
    assert table["p_active"].tolist() == pytest.approx([1 - 0.75**2] * 4)
    assert table["flags"][0] == "regression; learnt over 20 weeks, scaled to 280 days in proportion"


def test_predictions_are_not_negative(earlier, rfm):
    fit = RegressionMethod(LinearRegression()).fit_split(earlier)
    raw = fit.purchases.predict(fit.features.table(rfm))
    assert (raw < 0).any()
    table = fit.predict(rfm, "13 weeks")
    assert table["expected_purchases"].to_numpy() == pytest.approx(np.maximum(raw, 0))
    predicted = table[["expected_purchases", "expected_spend", "clv"]].to_numpy()
    assert np.isfinite(predicted).all()
    assert (predicted >= 0).all()


def test_without_values(log, earlier):
    bare = replace(earlier, holdout_value=None)
    fit = two_part_boosting().fit_split(bare)
    assert "log_value" not in fit.features.table(bare.calibration)
    table = fit.predict(bare.calibration, "13 weeks")
    assert list(table) == ["customer_id", "p_alive", "expected_purchases", "p_active", "flags"]


def test_numeric_columns_are_features_and_others_are_not(rfm):
    share = {
        "discount": np.array([0.1, 0.2, 0.3, 0.4]),
        "club": np.array([True, True, False, True]),
    }
    segments = {"segment": np.array(["a", "b", "a", "b"], dtype=object)}
    data = many(columns={**share, **segments})
    fit = RegressionMethod(LinearRegression()).fit_split(split_of(data, MADE, SPENT))
    assert fit.features.further == ("discount", "club")
    assert fit.features.table(data)["club"].tolist() == np.repeat([1.0, 1.0, 0.0, 1.0], 10).tolist()
    with pytest.raises(DataError, match="no column 'discount'"):
        fit.predict(few(), "20 weeks")


def test_boosting_learns_who_buys(earlier, rfm):
    # where it has learnt, totals of a Poisson deviance are right but for shrinkage
    fit = two_part_boosting().fit_split(earlier)
    table = fit.predict(earlier.calibration, "13 weeks")
    made = earlier.holdout_purchases
    assert table["expected_purchases"].sum() == pytest.approx(made.sum(), rel=0.02)
    assert table["p_active"].mean() == pytest.approx((made > 0).mean(), rel=0.02)
    assert np.corrcoef(table["expected_purchases"], made)[0, 1] > 0.5
    again = two_part_boosting().fit_split(earlier).predict(rfm, "13 weeks")
    pd.testing.assert_frame_equal(fit.predict(rfm, "13 weeks"), again)
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(fit)).predict(rfm, "13 weeks"), again)


def test_a_rate_is_learnt_where_there_is_one():
    # 4,000 regular buyers at gamma rates who never leave: E[purchases] = h (r + x) / (alpha + T)
    rng = np.random.default_rng(5)
    n, T, h = 4000, 40.0, 20.0
    rate = rng.gamma(2.0, 1 / 20, n)
    x = rng.poisson(rate * T)
    t_x = np.where(x > 0, T * rng.beta(np.maximum(x, 1), 1), 0.0)
    data = clv.RFMSummary.from_arrays(x, t_x, np.full(n, T), time_unit="week")
    fit = RegressionMethod(make_pipeline(StandardScaler(), PoissonRegressor(alpha=1e-4))).fit_split(
        split_of(data, rng.poisson(rate * h))
    )
    expected = h * (2.0 + x) / (20.0 + T)
    predicted = fit.predict(data, "20 weeks")["expected_purchases"].to_numpy()
    assert np.abs(predicted - expected).mean() < 0.1 * expected.mean()


def test_in_a_backtest(log):
    methods = [clv.BetaGeoModel(), two_part_boosting(), RegressionMethod(LinearRegression())]
    assert [kind_of(method) for method in methods] == ["model", "regression", "regression"]
    assert isinstance(methods[1], Learner)
    found = clv.backtest(methods, log, ["1997-12-31"], "26 weeks", jobs=1, **LOG)
    assert found.failures.empty
    table = found.league().set_index("method")
    assert table.loc["gradient boosting, two-part", "kind"] == "regression"
    assert table["rmse"].max() < 1.5 * table["rmse"].min()  # all have learnt something
    boosted = found.predictions.query("method == 'gradient boosting, two-part'")
    assert boosted["p_active"].between(0, 1).all()


def test_what_cannot_be_learnt(earlier):
    rule = RegressionMethod(LinearRegression(), LogisticRegression())
    nobody, nine = np.zeros(40, np.int64), np.repeat([1, 0], [9, 31])
    with pytest.raises(DataError, match="Only 0 of 40 customers bought in the earlier holdout"):
        rule.fit_split(split_of(many(), nobody, nobody))
    with pytest.raises(DataError, match="Only 9 of 40"):
        rule.fit_split(split_of(many(), nine, nine))
    with pytest.raises(DataError, match="worth 0"):
        rule.fit_split(split_of(many(), MADE, nobody))
    fit = rule.fit_split(earlier)
    with pytest.raises(UndefinedMeanError, match="Give a horizon"):
        fit.predict(earlier.calibration, None)
    with pytest.raises(UnitError, match="a number and a unit"):
        fit.predict(earlier.calibration, 13)
    with pytest.raises(ParameterError, match="level"):
        fit.predict(earlier.calibration, "13 weeks", level=90)
    with pytest.raises(DataError, match="no monetary_value"):
        fit.predict(few(monetary_value=None), "13 weeks")


def test_what_is_no_regression():
    with pytest.raises(ParameterError, match="unfitted regressor, got LogisticRegression"):
        RegressionMethod(LogisticRegression())
    with pytest.raises(ParameterError, match="unfitted regressor"):
        RegressionMethod(clv.BetaGeoModel())
    with pytest.raises(ParameterError, match="unfitted classifier, got LinearRegression"):
        RegressionMethod(LinearRegression(), LinearRegression())
    for sure in (LinearSVC(), make_pipeline(StandardScaler(), LinearSVC())):
        with pytest.raises(ParameterError, match=r"no probabilities \(predict_proba\)"):
            RegressionMethod(LinearRegression(), sure)
    RegressionMethod(LinearRegression(), make_pipeline(StandardScaler(), LogisticRegression()))
    RegressionMethod(LinearRegression(), CalibratedClassifierCV(LinearSVC()))


def test_nobody_had_come_back_before():
    bare = few(frequency=[0] * 4, recency=[0] * 4, monetary_value=[np.nan] * 4)
    lost = many(frequency=[0] * 4, recency=[0] * 4, monetary_value=[np.nan] * 4)
    fit = RegressionMethod(HistGradientBoostingRegressor()).fit_split(split_of(lost, MADE, SPENT))
    assert np.isfinite(fit.features.table(bare).to_numpy()).all()
    assert fit.predict(bare, "20 weeks")["clv"].between(0, 60).all()
    assert "learnt over 20 weeks" in fit._repr_html_()
    assert "HistGradientBoostingRegressor" in fit.method._repr_html_()

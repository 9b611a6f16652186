"""The league on CDNOW, against published numbers and others recomputed from the published data."""

import numpy as np
import pytest

from clvmodels.data.datasets import load_cdnow
from clvmodels.data.splits import calibration_holdout_split
from clvmodels.evaluation.calibration import calibration_by_frequency
from clvmodels.evaluation.holdout import compare_holdout, default_models
from clvmodels.units import DiscountRate


def row(comparison, method):
    return comparison.table.set_index("method").loc[method]


def test_the_holdout_is_that_of_the_literature(cdnow_split):
    assert len(cdnow_split.calibration) == 2357
    assert cdnow_split.holdout["purchases"].sum() == 1882
    assert cdnow_split.newcomers == 0


# correlations of BG/NBD and Pareto/NBD: Fader, Hardie and Lee (2005); all else was computed outside
# this package, from the same log at the maximum of each likelihood
@pytest.mark.parametrize(
    ("method", "mae", "rmse", "r"),
    [
        ("BG/NBD", 0.785, 1.608, 0.626),
        ("MBG/NBD", 0.765, 1.607, 0.627),
        ("Pareto/NBD", 0.755, 1.603, 0.630),
        ("NBD", 1.041, 1.860, 0.583),
        ("lifetimes BG/NBD", 0.785, 1.608, 0.626),
        ("same rate as before", 1.024, 2.212, 0.584),
        ("zero", 0.798, 2.206, 0.0),
    ],
)
def test_errors_for_purchases(cdnow_league, method, mae, rmse, r):
    scores = row(cdnow_league, method)
    assert scores["purchases_mae"] == pytest.approx(mae, abs=5.1e-4)  # as printed
    assert scores["purchases_rmse"] == pytest.approx(rmse, abs=5.1e-4)
    assert scores["purchases_pearson"] == pytest.approx(r, abs=5.1e-4)


def test_conditional_expectations_by_frequency(cdnow_league):
    table = calibration_by_frequency(cdnow_league)
    table = table[table["method"] == "BG/NBD"]
    assert table["frequency"].tolist() == ["0", "1", "2", "3", "4", "5", "6", "7+"]
    assert table["customers"].iloc[0] == 1411
    # Fader, Hardie and Lee (2005), figure of the conditional expectations, from its spreadsheet
    actual = [0.237, 0.697, 1.393, 1.560, 2.532, 2.947, 3.862, 6.359]
    predicted = [0.225, 0.523, 1.044, 1.520, 2.164, 2.654, 3.504, 6.157]
    assert table["actual_mean"].tolist() == pytest.approx(actual, abs=5.1e-4)
    assert table["predicted_mean"].tolist() == pytest.approx(predicted, abs=5.1e-4)


def test_dropout_and_shrinkage_beat_carrying_on(cdnow_league):
    table = cdnow_league.table.set_index("method")
    for rival in ("NBD", "same rate as before", "mean", "zero"):
        assert table.loc["BG/NBD", "value_rmse"] < table.loc[rival, "value_rmse"]
    assert (table["error"] == "").all()


@pytest.mark.slow
def test_full_log():
    log = load_cdnow()
    split = calibration_holdout_split(
        log, cutoff="1997-09-30", horizon="39 weeks", time_unit="week", value="value"
    )
    comparison = compare_holdout(default_models(DiscountRate(0.10, per="year")), split)
    assert (comparison.table["error"] == "").all()
    assert len(comparison.predictions) == 14 * 23_570
    table = comparison.table.drop(columns=["method", "kind", "note", "error"])
    assert np.isfinite(table.to_numpy(float)).all()
    after = log[log["date"] > "1997-09-30"]
    assert (table["purchases_actual"] == len(after.groupby(["customer_id", "date"]))).all()
    assert table["value_actual"].to_numpy() == pytest.approx(after["value"].sum())
    for column in ("purchases_mae", "value_mae", "value_gini"):
        # 1e-4: the tolerance of lifetimes' optimiser
        assert row(comparison, "lifetimes BG/NBD")[column] == pytest.approx(
            row(comparison, "BG/NBD")[column], rel=1e-4
        )
    claims = comparison.lifetime.set_index("method").dropna()
    assert ((claims["lo"] <= claims["total"]) & (claims["total"] <= claims["hi"])).all()
    assert claims["total"]["lifetimes BG/NBD"] == pytest.approx(claims["total"]["BG/NBD"], rel=1e-3)

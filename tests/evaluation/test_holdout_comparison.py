"""What a comparison promises: fair money, nobody dropped, standard errors, whole files."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pandas as pd
import pytest

from clvmodels.data.datasets import load_cdnow
from clvmodels.data.splits import calibration_holdout_split
from clvmodels.data.summary import RFMSummary
from clvmodels.evaluation import metrics
from clvmodels.evaluation.backtest import backtest
from clvmodels.evaluation.baselines import MeanBaseline, SameRateBaseline, ZeroBaseline
from clvmodels.evaluation.holdout import compare_holdout, default_models
from clvmodels.exceptions import DataError, ParameterError
from clvmodels.inference.bootstrap import Bootstrap
from clvmodels.inference.lifetimes import Lifetimes
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.gamma_gamma import GammaGammaModel
from clvmodels.models.nbd import NBDModel
from clvmodels.units import DiscountRate
from clvmodels.value.clv import CLVModel
from clvmodels.value.textbook_model import TextbookModel

RATE = DiscountRate(0.10, per="year")
BASELINES = {"same": SameRateBaseline(), "mean": MeanBaseline(), "zero": ZeroBaseline()}


def nbd(**options):
    return CLVModel(NBDModel(), GammaGammaModel(), **{"discount": RATE, **options})


@pytest.fixture(scope="module")
def quick(small_split):
    formulas = {
        name: TextbookModel(name, discount=RATE, margin=0.3) for name in TextbookModel.names()
    }
    return compare_holdout({"nbd": nbd(margin=0.3), **formulas, **BASELINES}, small_split)


def test_the_default_league(small_league):
    assert small_league.table["method"].tolist() == list(default_models(RATE))
    assert small_league.table["kind"].tolist() == (
        4 * ["model"] + ["bayes", "lifetimes"] + 5 * ["textbook"] + 3 * ["baseline"]
    )
    assert (small_league.table["error"] == "").all()
    fit = small_league.models["lifetimes BG/NBD"]
    assert fit.purchases.estimate.method.startswith("Lifetimes")
    assert fit.spend.estimate.method.startswith("Lifetimes")


def test_the_posterior_of_the_league(small_league):
    table, claims = small_league.table.set_index("method"), small_league.lifetime
    posterior, peak = table.loc["Bayesian BG/NBD"], table.loc["BG/NBD"]
    assert posterior["value_rmse"] == pytest.approx(peak["value_rmse"], rel=0.02)
    assert posterior["value_rmse"] != peak["value_rmse"]
    assert small_league.models["Bayesian BG/NBD"].purchases.estimate.is_sample
    claim = claims.set_index("method").loc["Bayesian BG/NBD"]
    assert claim["lo"] < claim["total"] < claim["hi"]


def test_a_comparison_is_a_backtest_at_one_cutoff():
    log = load_cdnow(sample=True)
    log = log[log["customer_id"] % 9 == 0]
    models = {
        "BG/NBD": CLVModel(BetaGeoModel(), GammaGammaModel(), discount=0),
        "NBD": nbd(),
        "same": SameRateBaseline(),
    }
    how = {"horizon": "39 weeks", "time_unit": "week", "value": "value"}
    split = calibration_holdout_split(log, cutoff="1997-09-30", **how)
    found = compare_holdout(models, split).judged.frame
    whole = backtest(models, log, ["1997-09-30"], jobs=1, progress=False, **how).frame
    whole = whole[whole["group"] == "all"].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, whole)
    assert {"log_score", "crps", "brier", "coverage"} <= set(found["metric"])


def test_lifetime_values_of_the_league(small_league, small_split):
    claims = small_league.lifetime.set_index("method")
    none = ["same rate as before", "mean"]
    assert claims.index[claims["total"].isna()].tolist() == none
    assert claims.loc[none, "note"].str.startswith("no finite value").all()
    finite = claims.drop(none)
    assert ((finite["lo"] <= finite["total"]) & (finite["total"] <= finite["hi"])).all()
    assert finite["per_customer"].to_numpy() == pytest.approx(
        finite["total"].to_numpy() / len(small_split.calibration)
    )
    # everyone stays for ever: the dearest claim of all
    assert claims["total"].idxmax() == "NBD"


def test_predictions_are_long_and_what_the_table_is_made_of(quick, small_split):
    assert list(quick.predictions) == [
        "method", "customer_id", "predicted_purchases", "predicted_value", "actual_purchases",
        "actual_value",
    ]  # fmt: skip
    for name, rows in quick.predictions.groupby("method"):
        scores = quick.table.set_index("method").loc[name]
        assert (rows["customer_id"].to_numpy() == small_split.calibration.customer_id).all()
        for quantity in ("purchases", "value"):
            pair = rows[f"actual_{quantity}"], rows[f"predicted_{quantity}"]
            assert scores[f"{quantity}_actual"] == pytest.approx(pair[0].sum())
            assert scores[f"{quantity}_predicted"] == pytest.approx(pair[1].sum())
            assert scores[f"{quantity}_gini"] == pytest.approx(metrics.normalised_gini(*pair))
            assert scores[f"{quantity}_mae"] == pytest.approx(metrics.mae(*pair))


def test_money_in_the_holdout_is_undiscounted_revenue(quick, small_split):
    table = quick.table.set_index("method")
    fit = nbd(discount=0).fit(small_split.calibration)
    plain = fit.predict(small_split.calibration, small_split.horizon)["clv"]
    assert table.loc["nbd", "value_predicted"] == pytest.approx(plain.sum(), rel=1e-9)
    formula = TextbookModel("annual_spend_years").fit(small_split.calibration)
    revenue = formula.predict(small_split.calibration, small_split.horizon)["clv"].sum()
    assert table.loc["annual_spend_years", "value_predicted"] == pytest.approx(revenue, rel=1e-12)
    assert table["note"].to_dict() == {
        **dict.fromkeys(table.index, ""),
        "discounted_profit": "discounted at 10 % per year",
        "retention": "discounted at 10 % per year",
    }


def test_lifetime_values_keep_margin_and_discount(quick, small_split):
    claims = quick.lifetime.set_index("method")
    totals = nbd(margin=0.3).fit(small_split.calibration).totals(small_split.calibration)
    assert claims.loc["nbd", ["total", "lo", "hi"]].tolist() == pytest.approx(
        totals[["estimate", "lo", "hi"]].iloc[0].tolist()
    )
    assert "10 % per year, margin 0.3" in claims.loc["nbd", "note"]
    assert claims.loc["zero", "total"] == 0
    assert claims.loc[["same", "mean"], "total"].isna().all()


def test_interval_of_a_formulas_total_is_narrower_than_the_sum_of_intervals(quick, small_split):
    data = small_split.calibration
    claim = quick.lifetime.set_index("method").loc["value_frequency_churn"]
    table = quick.models["value_frequency_churn"].predict(data, None)
    assert claim["total"] == pytest.approx(table["clv"].sum())
    assert table["clv_lo"].sum() < claim["lo"] < claim["total"] < claim["hi"]
    assert claim["hi"] < table["clv_hi"].sum()


def test_an_infinite_future_without_discounting_says_so(small_split):
    claim = compare_holdout({"nbd": nbd(discount=0)}, small_split).lifetime.iloc[0]
    assert np.isnan(claim["total"])
    assert "positive discount rate" in claim["note"]


class Broken:
    def fit(self, data):
        raise ValueError("<no> fit today")


class Sevens:
    """A user's own method, which knows no lifetime."""

    def __init__(self, value=7.0):
        self.value = value

    def fit(self, data):
        return self

    def predict(self, data, horizon, *, level):
        n = len(data) * horizon.length / horizon.length
        ids = data.customer_id[: int(n)]
        return pd.DataFrame({"customer_id": ids, "expected_purchases": 1.0, "clv": self.value})


def test_one_failure_costs_nobody_else(small_split):
    rivals = {
        "broken": Broken(),
        "sevens": Sevens(),
        "nan": Sevens(np.nan),
        "no such fitter": (nbd(), Lifetimes()),
        "zero": ZeroBaseline(),
    }
    comparison = compare_holdout(rivals, small_split)
    table = comparison.table.set_index("method")
    assert list(table.index) == list(rivals)
    assert list(comparison.models) == ["sevens", "zero"]
    assert table.loc["broken", "error"] == "ValueError: <no> fit today"
    assert table.loc["nan", "error"].startswith("DataError: The method gives no finite value")
    assert table.loc["no such fitter", "error"].startswith("FitError: lifetimes has no nbd model")
    assert table["value_mae"].isna().tolist() == [True, False, True, True, False]
    assert table.loc["sevens", "value_predicted"] == pytest.approx(7 * len(small_split.calibration))
    assert comparison.lifetime["note"].iloc[0] == "not fitted"
    assert comparison.lifetime["note"].iloc[1].startswith("no finite value")
    assert "&lt;no&gt; fit today" in comparison._repr_html_()
    assert "- broken: ValueError: <no> fit today" in repr(comparison)


def test_nothing_but_failures(small_split):
    comparison = compare_holdout({"broken": Broken()}, small_split)
    assert comparison.predictions.empty
    assert comparison.table["error"].tolist() == ["ValueError: <no> fit today"]
    assert "broken" in comparison._repr_html_()


def test_a_method_of_fitting_comes_in_a_pair(small_split):
    pair = (CLVModel(BetaGeoModel(), GammaGammaModel(), discount=RATE), Bootstrap(n=2))
    comparison = compare_holdout({"resampled": pair}, small_split)
    assert comparison.models["resampled"].purchases.estimate.method == "Bootstrap(n=2, seed=0)"
    assert comparison.table["kind"].tolist() == ["model"]


def test_standard_errors_are_those_of_the_sampling_theory(quick):
    rows = quick.predictions[quick.predictions["method"] == "nbd"]
    error = (rows["predicted_value"] - rows["actual_value"]).abs()
    expected = error.std() / np.sqrt(len(error))
    se = quick.table_se.set_index("method")
    # 200 samples give a standard error to 5 %; four of those
    assert se.loc["nbd", "value_mae"] == pytest.approx(expected, rel=0.21)
    assert se.loc["zero", "value_bias"] == 0
    assert se.loc["mean", "value_gini"] == 0


def test_same_comparison_twice(quick, small_split):
    again = compare_holdout(BASELINES, small_split)
    pd.testing.assert_frame_equal(
        again.table, quick.table[quick.table["method"].isin(BASELINES)].reset_index(drop=True)
    )
    pd.testing.assert_frame_equal(again.table_se, compare_holdout(BASELINES, small_split).table_se)


def test_csv_has_a_row_per_method(quick, tmp_path):
    quick.to_csv(tmp_path / "comparison.csv")
    table = pd.read_csv(tmp_path / "comparison.csv")
    assert table["method"].tolist() == quick.table["method"].tolist()
    assert {"value_mae", "value_mae_se", "lifetime_total", "lifetime_note"} <= set(table)
    assert [path.name for path in tmp_path.iterdir()] == ["comparison.csv"]


def test_csv_that_cannot_be_written_leaves_nothing(quick, tmp_path):
    target = tmp_path / "taken"
    target.mkdir()
    with pytest.raises(OSError, match="taken"):
        quick.to_csv(target)
    with pytest.raises(OSError, match="nowhere"):
        quick.to_csv(tmp_path / "nowhere" / "comparison.csv")
    assert list(tmp_path.rglob("*")) == [target]


def test_display_in_terminal_and_notebook(quick, small_split):
    purchases = small_split.holdout["purchases"].sum()
    for text in (repr(quick), quick._repr_html_()):
        assert f"Holdout of 39 weeks: {len(small_split.calibration):,} customers" in text
        assert f"{purchases:,} purchases" in text
        assert "value_frequency_churn" in text
    assert "newcomers" not in repr(quick)
    later = replace(quick, split=replace(small_split, newcomers=5))
    assert "; 5 newcomers are left out" in repr(later)


def test_a_comparison_is_frozen(quick):
    with pytest.raises(FrozenInstanceError):
        quick.level = 0.5


def test_what_cannot_be_compared_is_refused(small_split):
    with pytest.raises(ParameterError, match="default_models"):
        compare_holdout({}, small_split)
    with pytest.raises(ParameterError, match="level"):
        compare_holdout(BASELINES, small_split, level=90)
    data = small_split.calibration
    without = RFMSummary(
        customer_id=data.customer_id, frequency=data.frequency, recency=data.recency, T=data.T,
        monetary_value=None, time_unit="week",
    )  # fmt: skip
    for split in (
        replace(small_split, holdout_value=None),
        replace(small_split, calibration=without),
    ):
        with pytest.raises(DataError, match="no values"):
            compare_holdout(BASELINES, split)

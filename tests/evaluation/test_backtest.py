"""Rolling origins: no method sees the future, nobody is dropped, one failure stops nobody."""

import numpy as np
import pandas as pd
import pytest

import clvmodels as clv
from clvmodels.data.datasets import load_cdnow
from clvmodels.evaluation import metrics
from clvmodels.evaluation.baselines import SameRateBaseline, ZeroBaseline
from clvmodels.evaluation.entries import default_models
from clvmodels.exceptions import ParameterError

CUTOFFS = ["1997-09-30", "1997-12-31"]
GG = clv.GammaGammaModel()


def run(models, log, cutoffs=CUTOFFS, horizon="13 weeks", **options):
    return clv.backtest(
        models, log, cutoffs, horizon, **{"time_unit": "week", "value": "value", **options}
    )


@pytest.fixture(scope="module")
def log(fortnight):
    return fortnight


@pytest.fixture(scope="module")
def found(log):
    models = {
        "BG/NBD": clv.CLVModel(clv.BetaGeoModel(), GG, discount=0),
        "purchases only": clv.BetaGeoModel(),
        "Laplace": (clv.ModifiedBetaGeoModel(), clv.Laplace(draws=50)),
        "formula": clv.TextbookModel("discounted_profit", discount=0),
        "same": SameRateBaseline(),
        "zero": ZeroBaseline(),
    }
    return run(models, log, jobs=1)


# --- the literature's holdout ---


@pytest.fixture(scope="module")
def literature():
    """39 and 39 weeks of the 1/10 sample."""
    models = {
        "NBD": clv.NBDModel(),
        "BG/NBD": clv.BetaGeoModel(),
        "MBG/NBD": clv.ModifiedBetaGeoModel(),
        "Pareto/NBD": clv.ParetoNBDModel(),
        "zero": ZeroBaseline(),
        "same rate": SameRateBaseline(),
    }
    return run(models, load_cdnow(sample=True), ["1997-09-30"], "39 weeks", jobs=1)


@pytest.mark.parametrize(
    ("method", "mae", "rmse", "r"),
    [
        # own computation from the published maxima, on 1,882 holdout transactions; the
        # correlations .626 and .630 are those of Fader, Hardie and Lee (2005), section 5.2
        ("NBD", 1.041, 1.860, 0.583),
        ("BG/NBD", 0.785, 1.608, 0.626),
        ("MBG/NBD", 0.765, 1.607, 0.627),
        ("Pareto/NBD", 0.755, 1.603, 0.630),
        ("zero", 0.798, 2.206, 0.0),
        ("same rate", 1.024, 2.212, 0.584),
    ],
)
def test_cdnow_39_weeks_on(literature, method, mae, rmse, r):
    row = literature.league().set_index("method").loc[method]
    assert row[["mae", "rmse", "pearson"]].tolist() == pytest.approx([mae, rmse, r], abs=5.5e-4)


def test_cdnow_class_means(literature):
    # Fader, Hardie and Lee (2005), figure 5: those without a repeat purchase in 39 weeks
    rows = literature.predictions.query("frequency == 0").groupby("method")
    means = rows["predicted_purchases"].mean()
    assert len(rows.get_group("BG/NBD")) == 1411
    assert rows["actual_purchases"].mean()["BG/NBD"] == pytest.approx(0.24, abs=5e-3)
    assert means["BG/NBD"] == pytest.approx(0.23, abs=5e-3)
    assert means["Pareto/NBD"] == pytest.approx(0.14, abs=5e-3)


def test_1882_purchases_in_the_holdout(literature):
    (split,) = literature.splits.values()
    assert split.holdout_purchases.sum() == 1882


# --- what is in it ---


def test_every_customer_of_every_cutoff_is_counted(found, log):
    counted = found.predictions.groupby(["method", "cutoff"])
    everybody = sorted(log["customer_id"].unique())
    for _, rows in counted:
        assert rows["customer_id"].tolist() == everybody
        assert (rows["actual_purchases"] == 0).any()
    for cutoff, split in found.splits.items():
        after = log[(log["date"] > cutoff) & (log["date"] <= cutoff + pd.Timedelta(weeks=13))]
        assert split.holdout_purchases.sum() == len(after.drop_duplicates(["customer_id", "date"]))


def test_metrics_are_those_of_the_predictions(found):
    table = found.frame[found.frame["group"] == "all"].set_index(
        ["method", "cutoff", "quantity", "metric"]
    )["value"]
    for (method, cutoff), rows in found.predictions.groupby(["method", "cutoff"]):
        pair = rows["actual_purchases"], rows["predicted_purchases"]
        for name, metric in (("bias", metrics.total_bias), ("spearman", metrics.spearman)):
            assert table[method, cutoff, "purchases", name] == pytest.approx(metric(*pair))
        if rows["predicted_value"].notna().all():
            money = rows["actual_value"], rows["predicted_value"]
            gini = table[method, cutoff, "value", "gini"]
            assert gini == pytest.approx(metrics.normalised_gini(*money))
        if rows["crps"].notna().all():
            assert table[method, cutoff, "purchases", "crps"] == pytest.approx(rows["crps"].mean())
            inside = rows["actual_purchases"].between(rows["lo"], rows["hi"]).mean()
            assert table[method, cutoff, "purchases", "coverage"] == pytest.approx(inside)


def test_methods_say_what_they_can(found):
    said = found.frame.groupby("method")
    quantities = said["quantity"].agg(lambda names: set(names))
    assert quantities["BG/NBD"] == {"purchases", "value", "active"}
    assert quantities["purchases only"] == {"purchases", "active"}
    assert "value" in quantities["formula"]
    scored = said["metric"].agg(lambda names: "log_score" in set(names))
    assert scored.to_dict() == {
        "BG/NBD": True, "purchases only": True, "Laplace": True, "formula": False, "same": False,
        "zero": False,
    }  # fmt: skip
    assert set(found.frame["kind"]) == {"model", "bayes", "textbook", "baseline"}


def test_frequency_classes_add_up(found):
    one = found.frame.query("method == 'BG/NBD' and metric == 'mae' and quantity == 'purchases'")
    for _, rows in one.groupby("cutoff"):
        classes = rows[rows["group"].str.startswith("frequency")]
        whole = rows[rows["group"] == "all"]
        assert classes["customers"].sum() == whole["customers"].iloc[0]
        mean = np.average(classes["value"], weights=classes["customers"])
        assert mean == pytest.approx(whole["value"].iloc[0])


def test_groups_by_a_column_of_the_log(log):
    marked = log.assign(segment=np.where(log["customer_id"] % 3 == 0, "A", "B"))
    found = run([ZeroBaseline()], marked, by=["segment"], jobs=1)
    sizes = found.frame.query("metric == 'mae' and quantity == 'purchases'").set_index("group")
    first = sizes[sizes["cutoff"] == found.cutoffs[0]]["customers"]
    assert first["segment A"] + first["segment B"] == first["all"]
    assert first["segment A"] == sum(np.unique(log["customer_id"]) % 3 == 0)
    rows = found.predictions.query("cutoff == @found.cutoffs[0] and customer_id % 3 == 0")
    mae = metrics.mae(rows["actual_purchases"], rows["predicted_purchases"])
    in_a = sizes.loc[["segment A"]].query("cutoff == @found.cutoffs[0]")["value"].iloc[0]
    assert in_a == pytest.approx(mae)


def test_newcomers_are_counted_and_left_out():
    log = pd.DataFrame(
        {
            "customer_id": [1, 1, 1, 2, 2, 3],
            "date": pd.to_datetime(
                ["2024-01-01", "2024-01-10", "2024-02-20", "2024-01-05", "2024-03-01", "2024-02-15"]
            ),
        }
    )
    found = run([ZeroBaseline()], log, ["2024-02-01"], "29 days", time_unit="day", value=None)
    (split,) = found.splits.values()
    assert split.newcomers == 1
    assert found.predictions["customer_id"].tolist() == [1, 2]
    assert "1 newcomers are left out" in repr(found)


# --- no method sees the future ---


def test_what_comes_after_the_holdout_makes_no_difference(log, found):
    last = pd.Timestamp("1997-12-31") + pd.Timedelta(weeks=13)
    shorter = run(
        {"BG/NBD": clv.CLVModel(clv.BetaGeoModel(), GG, discount=0)}, log[log["date"] <= last]
    )
    own = found.frame[found.frame["method"] == "BG/NBD"].reset_index(drop=True)
    pd.testing.assert_frame_equal(shorter.frame, own)


# --- uncertainty ---


def test_the_league_is_the_mean_over_cutoffs(found):
    league = found.league("value").set_index("method")
    rows = found.frame.query("quantity == 'value' and metric == 'rmse' and group == 'all'")
    assert league["rmse"].dropna().to_dict() == pytest.approx(
        rows.groupby("method")["value"].mean().to_dict()
    )
    # the same customers at both cutoffs: the mean is not twice as sure
    errors = rows.groupby("method")["se"]
    for method, error in league["rmse_se"].dropna().items():
        assert errors.get_group(method).min() / 2 < error <= errors.get_group(method).max()


def test_standard_error_of_a_mean(found):
    rows = found.predictions.query("method == 'same' and cutoff == @found.cutoffs[0]")
    errors = (rows["actual_purchases"] - rows["predicted_purchases"]).abs()
    one = found.frame.query(
        "method == 'same' and metric == 'mae' and quantity == 'purchases' and group == 'all'"
    )
    # of 200 resamples: good to 5 %, four times over
    assert one["se"].iloc[0] == pytest.approx(errors.std() / len(errors) ** 0.5, rel=0.22)


def test_differences_are_paired(found):
    gaps = found.differences("mae", against="BG/NBD", by_cutoff=True)
    assert set(gaps["method"]) == {"purchases only", "Laplace", "same", "zero", "formula"}
    # the same model: no difference, and no doubt about it
    twin = gaps[gaps["method"] == "purchases only"]
    assert twin[["difference", "se"]].abs().to_numpy().max() < 1e-12
    two = found.predictions.query("cutoff == @found.cutoffs[0]").set_index("customer_id")
    loss = {
        name: (rows["actual_purchases"] - rows["predicted_purchases"]).abs()
        for name, rows in two.groupby("method")
    }
    gap = loss["same"] - loss["BG/NBD"]
    own = gaps[(gaps["method"] == "same") & (gaps["cutoff"] == found.cutoffs[0])].iloc[0]
    assert own["difference"] == pytest.approx(gap.mean())
    assert own["se"] == pytest.approx(gap.std() / len(gap) ** 0.5, rel=0.22)
    assert own["lo"] < own["difference"] < own["hi"]


def test_the_bias_of_all_cutoffs_is_its_mean(found):
    league = found.league().set_index("method")["bias"].abs()
    gaps = found.differences("bias", against="same").set_index("method")["difference"]
    assert gaps.to_dict() == pytest.approx((league - league["same"]).drop("same").to_dict())
    assert (found.differences("bias")["difference"] >= 0).all()


def test_infinite_twice_is_no_difference(log):
    never = {"one": ZeroBaseline(), "two": ZeroBaseline(), "model": clv.NBDModel()}
    gaps = run(never, log, jobs=1).differences("poisson_deviance", against="one")
    assert gaps.set_index("method")[["difference", "lo", "hi"]].to_numpy().tolist() == [
        [0.0, 0.0, 0.0],
        [-np.inf, -np.inf, np.inf],
    ]


def test_differences_take_the_best_by_default(found):
    league = found.league().set_index("method")
    assert found.differences("crps")["against"].unique() == [league["crps"].idxmin()]
    assert found.differences("spearman")["against"].unique() == [league["spearman"].idxmax()]
    nearest = league["bias"].abs().idxmin()
    assert found.differences("bias")["against"].unique() == [nearest]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"metric": "nonsense"}, "No method has 'nonsense'"),
        ({"against": "nobody"}, "'nobody' has no rmse"),
        ({"metric": "width"}, "neither good nor bad"),
        ({"group": "frequency 99"}, "Nothing was measured"),
    ],
)
def test_differences_that_there_are_not(found, arguments, text):
    with pytest.raises(ParameterError, match=text):
        found.differences(**arguments)


def test_a_handful_of_customers_has_no_standard_error(log):
    some = log[log["customer_id"].isin(log["customer_id"].unique()[:60])]
    found = run([SameRateBaseline()], some, jobs=1)
    few = found.frame["customers"] < 5
    assert few.any()
    assert found.frame[few]["se"].isna().all()
    assert found.frame[~few & np.isfinite(found.frame["value"])]["se"].notna().all()


def test_seeds_and_order_of_methods_do_not_matter(log):
    models = {"BG": clv.BetaGeoModel(), "zero": ZeroBaseline()}
    one = run(models, log, jobs=1)
    other = run(dict(reversed(models.items())), log.sample(frac=1, random_state=2), jobs=1)
    index = ["method", "cutoff", "group", "quantity", "metric"]
    frames = [b.frame.set_index(index).sort_index()[["value", "se"]] for b in (one, other)]
    pd.testing.assert_frame_equal(*frames, rtol=1e-9)
    reseeded = run(models, log, jobs=1, seed=1).frame
    pd.testing.assert_series_equal(reseeded["value"], one.frame["value"])
    assert (reseeded["se"] != one.frame["se"]).any()


def test_units_do_not_matter(log):
    weeks, days = (
        run([clv.CLVModel(clv.BetaGeoModel(), GG, discount=0)], log, time_unit=unit, jobs=1)
        for unit in ("week", "day")
    )
    assert days.frame["value"].to_numpy() == pytest.approx(
        weeks.frame["value"].to_numpy(), rel=1e-4
    )


def test_written_and_shown(found, tmp_path):
    found.to_csv(tmp_path / "backtest.csv")
    again = pd.read_csv(tmp_path / "backtest.csv", keep_default_na=False)
    assert list(again) == list(found.frame)
    assert len(again) == len(found.frame)
    assert "Backtest of 13 weeks after 1997-09-30, 1997-12-31" in repr(found)
    assert "<table" in found._repr_html_()


def test_the_whole_league_runs(log):
    found = run(default_models(0), log, CUTOFFS[:1], jobs=1)
    assert found.failures.empty
    assert found.methods == list(default_models(0))

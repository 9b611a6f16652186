"""On worlds drawn from a model: its intervals hold what they claim, and nobody beats it."""

import numpy as np
import pytest

import clvmodels as clv

# parameters near those of CDNOW (Fader, Hardie and Lee 2005; Batislam et al. 2007), in weeks,
# with twice the purchases, so that customers say more
WORLDS = {
    "BG/NBD": clv.BetaGeoModel().with_params(r=0.5, alpha=4.4, a=0.79, b=2.43, time_unit="week"),
    "MBG/NBD": clv.ModifiedBetaGeoModel().with_params(
        r=0.7, alpha=6.2, a=0.89, b=2.6, time_unit="week"
    ),
    "Pareto/NBD": clv.ParetoNBDModel().with_params(
        r=0.55, alpha=5.3, s=0.61, beta=11.7, time_unit="week"
    ),
    "NBD": clv.NBDModel().with_params(r=0.5, alpha=12.0, time_unit="week"),
}


@pytest.fixture(scope="module", params=WORLDS)
def world(request):
    """Three cutoffs in the life of 3,000 customers."""
    truth = WORLDS[request.param]
    drawn = truth.simulate(3000, "104 weeks", seed=11)
    log = clv.simulate_log(
        drawn.frequency, drawn.recency, drawn.T, start_date="2022-01-03", time_unit="week", seed=11
    )
    rivals = {name: fit.model for name, fit in WORLDS.items()}
    found = clv.backtest(
        rivals, log, ["2022-10-03", "2023-04-03", "2023-07-03"], "26 weeks", time_unit="week",
        jobs=1,
    )  # fmt: skip
    return request.param, found


def test_intervals_cover_as_often_as_they_claim(world):
    name, found = world
    own = found.predictions[found.predictions["method"] == name]
    for cutoff, rows in own.groupby("cutoff"):
        inside = rows["actual_purchases"].between(rows["lo"], rows["hi"])
        whole = found.frame[(found.frame["cutoff"] == cutoff) & (found.frame["group"] == "all")]
        claims = whole[whole["metric"] == "coverage_expected"].set_index("method")["value"]
        claimed = claims[name]
        assert claimed >= 0.9
        # customers are independent given the parameters: a binomial, three standard deviations
        error = np.sqrt(claimed * (1 - claimed) / len(rows))
        assert inside.mean() == pytest.approx(claimed, abs=3 * error)


def test_the_distribution_is_calibrated(world):
    name, found = world
    own = found.predictions[found.predictions["method"] == name]
    for _, rows in own.groupby("cutoff"):
        # randomised within its jump, F(y) is uniform: Kolmogorov's distance, 1 in 1,000
        u = np.random.default_rng(3).uniform(rows["pit_lo"], rows["pit_hi"])
        gap = np.abs(np.sort(u) - (np.arange(len(u)) + 0.5) / len(u)).max()
        assert gap < 1.95 / np.sqrt(len(u))


@pytest.mark.parametrize("metric", ["log_score", "crps", "rmse"])
def test_no_competitor_is_better_by_two_standard_errors(world, metric):
    name, found = world
    gaps = found.differences(metric, against=name)
    assert gaps["cutoffs"].tolist() == [3, 3, 3]
    assert (gaps["difference"] > -2 * gaps["se"]).all()


def test_who_may_leave_is_told_from_who_may_not(world):
    name, found = world
    if name == "NBD":
        pytest.skip("in this world nobody leaves")
    gaps = found.differences("log_score", against=name).set_index("method")
    nbd = gaps.loc["NBD"]
    assert nbd["difference"] > 5 * nbd["se"]


# --- what they spend ---


@pytest.fixture(scope="module")
def spending():
    """A BG/NBD world of 3,000 customers whose purchases are Gamma-Gamma, as on CDNOW."""
    truth, rng = WORLDS["BG/NBD"], np.random.default_rng(12)
    drawn = truth.simulate(3000, "104 weeks", seed=12)
    log = clv.simulate_log(
        drawn.frequency, drawn.recency, drawn.T, start_date="2022-01-03", time_unit="week", seed=12
    )
    # Fader, Hardie and Lee (2005b): p = 6.25, q = 3.74, gamma = 15.44
    level = 15.44 / rng.gamma(3.74, size=3000)
    log["value"] = rng.gamma(6.25, size=len(log)) * level[log["customer_id"]]
    rivals = {
        "truth": clv.CLVModel(clv.BetaGeoModel(), clv.GammaGammaModel(), discount=0),
        "lognormal": clv.CLVModel(clv.BetaGeoModel(), clv.LognormalNormalModel(), discount=0),
        "nobody leaves": clv.CLVModel(clv.NBDModel(), clv.GammaGammaModel(), discount=0),
        "no spend": clv.BetaGeoModel(),
    }
    return clv.backtest(
        rivals, log, ["2022-10-03", "2023-04-03"], "26 weeks", time_unit="week", value="value",
        jobs=1,
    )  # fmt: skip


def test_intervals_of_revenue_cover_as_often_as_they_claim(spending):
    own = spending.predictions[spending.predictions["method"] == "truth"]
    measured = spending.frame.query("method == 'truth' and quantity == 'value' and group == 'all'")
    measured = measured.set_index(["cutoff", "metric"])["value"]
    for cutoff, rows in own.groupby("cutoff"):
        inside = rows["actual_value"].between(rows["value_lo"], rows["value_hi"]).mean()
        claimed = measured[cutoff, "coverage_expected"]
        assert claimed >= 0.9
        # customers are independent given the parameters: a binomial, three standard deviations
        error = np.sqrt(claimed * (1 - claimed) / len(rows))
        assert inside == pytest.approx(claimed, abs=3 * error)
        # and the table has what the predictions have
        assert measured[cutoff, "coverage"] == pytest.approx(inside)
        assert measured[cutoff, "crps"] == pytest.approx(rows["value_crps"].mean())
        width = (rows["value_hi"] - rows["value_lo"]).mean()
        assert measured[cutoff, "width"] == pytest.approx(width)


def test_no_competitor_foresees_revenue_better_by_two_standard_errors(spending):
    gaps = spending.differences("crps", "value", against="truth").set_index("method")
    assert gaps.index.tolist() == ["lognormal", "nobody leaves"]
    assert (gaps["difference"] > -2 * gaps["se"]).all()
    nbd = gaps.loc["nobody leaves"]
    assert nbd["difference"] > 5 * nbd["se"]


def test_who_foresees_no_money_has_no_distribution_of_it(spending):
    rows = spending.predictions.query("method == 'no spend'")
    assert rows[["value_crps", "value_lo", "value_hi"]].isna().all(axis=None)
    assert rows["crps"].notna().all()

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
    together = gaps[gaps["cutoff"].isna()]
    assert len(together) == 3
    assert (together["difference"] > -2 * together["se"]).all()


def test_who_may_leave_is_told_from_who_may_not(world):
    name, found = world
    if name == "NBD":
        pytest.skip("in this world nobody leaves")
    gaps = found.differences("log_score", against=name).set_index("method")
    nbd = gaps[gaps["cutoff"].isna()].loc["NBD"]
    assert nbd["difference"] > 5 * nbd["se"]

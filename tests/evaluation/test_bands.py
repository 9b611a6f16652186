"""Bands around counts: what they cover, what they are centred at, and where there are none."""

import warnings

import numpy as np
import pytest

import clvmodels as clv
from clvmodels.evaluation.bands import LEVEL, limits, simulated_counts
from clvmodels.evaluation.calibration import no_purchase_calibration
from clvmodels.evaluation.frequency import ACTUAL, frequency_counts
from clvmodels.models.simulation import purchases_by_age
from clvmodels.report.tracking import Tracking

# CDNOW in weeks: Fader, Hardie and Lee (2005), table 3
TRUE = clv.BetaGeoModel().with_params(r=0.243, alpha=4.414, a=0.793, b=2.426, time_unit="week")
CUSTOMERS = 1000


def banded(frame):
    return frame[frame["lo"].notna()]


def covered(frame, observed):
    return (frame["lo"] - 0.5 <= observed) & (observed <= frame["hi"] + 0.5)


@pytest.mark.parametrize("method", [clv.MLE(), clv.Laplace(draws=300)])
def test_nine_in_ten_counts_of_other_customers_lie_within_the_band(method):
    """Of customers that the fit has not seen: parameters and chance both count."""
    inside, half_width, chance = [], [], []
    for seed in range(12):
        fitted, others = (TRUE.simulate(CUSTOMERS, "40 weeks", s) for s in (seed, 100 + seed))
        fit = clv.BetaGeoModel().fit(fitted, method)
        frame = frequency_counts({"fit": fit}, others)
        model = frame[frame["method"] == "fit"].reset_index()
        actual = frame.loc[frame["method"] == ACTUAL, "customers"].to_numpy()
        inside += covered(model, actual).tolist()
        half_width.append((model["hi"] - model["lo"])[0] / 2)
        chance.append(1.645 * np.sqrt(actual[0] * (1 - actual[0] / CUSTOMERS)))
    # 96 counts, about half of them independent: a standard error of 4 %
    assert LEVEL - 0.1 <= np.mean(inside) <= 1
    # two samples of one size, so that parameters are as uncertain as the count itself: sqrt(2)
    assert 1.2 < np.mean(half_width) / np.mean(chance) < 1.6


MODEL = clv.CLVModel(clv.BetaGeoModel(), clv.GammaGammaModel(), discount=0)


def split_of(seed):
    """39 and 39 weeks of customers who came in two weeks far apart."""
    lives = [TRUE.simulate(500, f"{T} weeks", seed + 10 * T) for T in (78, 70)]
    x, t_x, T = (np.concatenate([getattr(own, c) for own in lives]) for c in COLUMNS)
    value = np.random.default_rng(seed).gamma(5, 6, len(x))
    log = clv.simulate_log(
        x, t_x, T, start_date="1997-01-01", time_unit="week", value=value, seed=seed
    )
    return clv.calibration_holdout_split(
        log, cutoff="1997-09-30", horizon="39 weeks", time_unit="week", value="value"
    )


COLUMNS = ("frequency", "recency", "T")


@pytest.fixture(scope="module")
def splits():
    return [split_of(seed) for seed in range(3)]


@pytest.fixture(scope="module")
def trackings(splits):
    fits = [clv.BetaGeoModel().fit(split.calibration) for split in splits]
    return [Tracking.of(s, {"fit": f}) for s, f in zip(splits, fits, strict=True)]


@pytest.mark.parametrize("column", ["purchases", "cumulative"])
def test_purchases_by_week_lie_within_the_band(trackings, column):
    inside = []
    for tracking in trackings:
        frame = tracking.frame
        actual = frame.loc[frame["method"] == ACTUAL, column].to_numpy()
        own = frame[frame["method"] == "fit"]
        model = own.rename(columns={f"{column}_lo": "lo", f"{column}_hi": "hi"})
        assert (model["lo"] <= model[column]).all()
        assert (model["hi"] >= model[column]).all()
        inside += covered(model, actual).tolist()
    # 240 weeks nearly independent; totals so far hang together, and hold the fitted ones
    assert np.mean(inside) >= (0.85 if column == "purchases" else 0.7)
    assert column == "cumulative" or np.mean(inside) <= 0.97


def test_silence_lies_within_the_band(splits):
    inside = []
    for split in splits:
        comparison = clv.compare_holdout({"fit": MODEL}, split)
        frame = no_purchase_calibration(comparison)
        assert (frame["lo"] <= frame["predicted"]).all()
        assert (frame["predicted"] <= frame["hi"]).all()
        inside += frame["observed"].between(frame["lo"], frame["hi"]).tolist()
    # 30 tenths: a standard error of 5 %, and ties of one-time buyers
    assert np.mean(inside) >= 0.75


def test_band_of_a_count_whose_law_is_known():
    """All of one age and parameters nearly known: the binomial distribution itself."""
    data = TRUE.simulate(2000, "40 weeks", 1)
    fit = clv.BetaGeoModel().fit(clv.RFMSummary.from_arrays(
        np.tile(data.frequency, 200), np.tile(data.recency, 200), np.tile(data.T, 200),
        time_unit="week",
    ))  # fmt: skip
    frame = banded(frequency_counts({"fit": fit}, data.select(np.arange(500))))
    for _, row in frame.iterrows():
        share = row["customers"] / 500
        sd = np.sqrt(500 * share * (1 - share))
        # from 200 draws an end of the interval is right to 0.12 sd
        assert row["hi"] - row["lo"] == pytest.approx(2 * 1.645 * sd, rel=0.25, abs=1)


def test_bands_are_centred_and_bounded():
    low, high = limits(np.array([10.0, 0.2]), np.array([[1.0, 0], [2, 1], [3, 0]]))
    assert low.tolist() == pytest.approx([9.1, 0])
    assert high[0] == pytest.approx(10.9)


def test_no_uncertainty_no_band():
    data = TRUE.simulate(300, "40 weeks", 1)
    frame = frequency_counts({"given": TRUE}, data)
    assert frame[["lo", "hi"]].isna().all(axis=None)


def test_bands_do_not_depend_on_how_many_histories_there_are():
    """Every customer of an age of their own: the band is worked out on some of them."""
    data = TRUE.simulate(6000, "40 weeks", 1)
    own = clv.RFMSummary.from_arrays(
        data.frequency, data.recency * 0.999, 40 + 0.01 * np.linspace(-1, 1, 6000),
        time_unit="week",
    )  # fmt: skip
    fit = clv.BetaGeoModel().fit(data)
    few, many = (banded(frequency_counts({"fit": fit}, each)) for each in (data, own))
    np.testing.assert_allclose(many[["lo", "hi"]], few[["lo", "hi"]], rtol=0.02, atol=2)


def test_groups_and_covariates_have_bands():
    data = TRUE.simulate(400, "40 weeks", 1)
    data = data.with_column("age", np.linspace(20, 60, 400))
    data = data.with_column("market", np.repeat(["north", "south"], 200))
    aged = clv.BetaGeoModel(covariates=clv.Covariates(purchase="age")).fit(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # short chains, which say so
        method = clv.MCMC(draws=50, chains=1, tune=50, groups="market", progress=False)
        grouped = clv.NBDModel().fit(data, method)
    frame = banded(frequency_counts({"aged": aged, "grouped": grouped}, data))
    assert frame["method"].unique().tolist() == ["aged", "grouped"]
    assert (frame["lo"] <= frame["customers"]).all()
    assert (frame["customers"] <= frame["hi"]).all()


@pytest.mark.parametrize(
    "model",
    [
        TRUE,
        clv.ParetoNBDModel().with_params(
            r=0.553, alpha=10.578, s=0.606, beta=11.669, time_unit="week"
        ),
        clv.ModifiedBetaGeoCNBDModel(k=2).with_params(
            r=0.8, alpha=2.0, a=0.9, b=2.5, time_unit="week"
        ),
    ],
)
def test_lives_step_by_step_are_lives(model):
    """Means of paths are the expected purchases, and their spread that of lives drawn at once."""
    ages = np.array([0.0, 4, 4, 20, 60])
    data = model.simulate(20_000, "60 weeks", 3)
    quantities = model.quantities(data)
    paths = purchases_by_age(quantities, model.estimate, np.repeat(ages[:, None], 20_000, 1), 4)
    assert (np.diff(paths, axis=0) >= 0).all()
    assert (paths[0] == 0).all()
    assert (paths[1] == paths[2]).all()
    sd = paths.std(axis=1)
    right = model.expected_curve(ages)
    # four standard errors
    assert (abs(paths.mean(axis=1) - right) <= 4 * sd / np.sqrt(20_000) + 1e-12).all()
    assert sd[-1] == pytest.approx(data.frequency.std(), rel=0.05)
    assert np.mean(paths[-1] == 0) == pytest.approx(np.mean(data.frequency == 0), abs=0.02)


def test_events_of_equal_probability_are_binomial():
    data = TRUE.simulate(50, "40 weeks", 1)
    fit = clv.BetaGeoModel().fit(TRUE.simulate(3000, "40 weeks", 2))
    h = fit.quantities(data).histories(data)

    def third(params, block):
        return np.full((len(next(iter(params.values()))), len(block.x)), 1 / 3)

    counts = simulated_counts(fit, {"third": third}, h, h.weight[None])
    assert counts["third"].std() == pytest.approx(np.sqrt(50 * 2 / 9), rel=0.2)
    assert counts["rest"].mean() == pytest.approx(100 / 3, rel=0.05)

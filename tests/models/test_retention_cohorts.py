"""Retention by cohort, each with parameters of its own, and the other Bayesian ways to fit."""

import pickle

import numpy as np
import pytest

import clvmodels as clv
from clvmodels.exceptions import DataError, DataWarning, ParameterError
from clvmodels.inference.traits import OneShare, Trait
from clvmodels.value.storage import load

# short chains, whose r-hat and effective sizes are what they are
pytestmark = pytest.mark.filterwarnings("ignore:NOT to be relied on")
TEN_PERCENT = clv.DiscountRate(0.10, per="year")
MODELS = (
    clv.GeometricRetentionModel(),
    clv.ShiftedBetaGeoModel(),
    clv.BetaDiscreteWeibullModel(),
)
# of very different churn; nobody of the youngest has faced a renewal
COHORTS = {2001: [1000, 900, 830, 780], 2002: [400, 240, 170], 2003: [60, 50], 2004: [30]}
TABLE = clv.RetentionTable.from_survivors(COHORTS, period="1 year")
# regular customers of Fader and Hardie (2007), table 1
REGULAR = clv.RetentionTable.from_survivors([1000, 631, 468, 382, 326, 289], period="1 year")


def by_cohort(model, data=TABLE):
    method = clv.MCMC(draws=100, chains=2, tune=200, seed=1, groups="cohort", progress=False)
    return model.fit(data, method)


@pytest.fixture(scope="module")
def fit():
    return by_cohort(clv.ShiftedBetaGeoModel())


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.key)
def test_flat_priors_give_the_maximum_of_the_likelihood(model):
    traits = [trait.name for block in model.blocks for trait in block.traits]
    flat = clv.MAP(priors={name: clv.Flat() for name in traits})
    mle, mode = model.fit(REGULAR), model.fit(REGULAR, flat)
    assert mode.loglik == pytest.approx(mle.loglik, abs=1e-6)
    assert mode.params == pytest.approx(mle.params, rel=1e-3)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.key)
def test_laplace_and_chains_agree_on_curve_and_intervals(model):
    laplace = model.fit(REGULAR, clv.Laplace(draws=2000, seed=2))
    chains = model.fit(REGULAR, clv.MCMC(draws=1500, chains=2, seed=1, progress=False))
    for fit in (laplace, chains):
        assert fit.loglik_of(REGULAR) == pytest.approx(fit.loglik, rel=1e-12)
        assert fit.summary()["se"].gt(0).all()
    one, two = (fit.survival_curve(8) for fit in (laplace, chains))
    width = (one["survival_hi"] - one["survival_lo"]).to_numpy()[1:]
    for column in ("survival", "survival_lo", "survival_hi"):
        # draws worth 300 or more: an end has a standard error of 0.05 widths
        gap = np.abs(one[column] - two[column]).to_numpy()[1:]
        assert (gap < width / 4).all()


def test_churn_of_the_geometric_is_that_of_a_beta_posterior():
    # conjugate: under a uniform prior on theta, Beta(1 + left, 1 + stayed); weak priors move it
    # by far less than its sd
    faced, left = 1000 + 631 + 468 + 382 + 326, 1000 - 289
    fit = clv.GeometricRetentionModel().fit(REGULAR, clv.Laplace(draws=4000, seed=2))
    theta = fit.estimate.point["theta"]
    sd = np.sqrt(left * (faced - left) / faced**3)
    assert fit.params["theta"] == pytest.approx(left / faced, abs=sd / 5)
    assert theta.std() == pytest.approx(sd, rel=0.1)
    assert ((theta > 0) & (theta < 1)).all()
    # and is what ArviZ shows
    shown = fit.posterior["posterior"]
    np.testing.assert_allclose(shown["theta"], shown["churn"], rtol=1e-12)


def test_a_share_as_a_trait():
    block = OneShare("theta", Trait("churn", "", "logit"))
    eta = np.array([[-800.0], [-3.0], [0.0], [2.0], [30.0]])
    logs = block.back(eta, {})
    np.testing.assert_allclose(block.forward(logs, {})[1:4], eta[1:4], rtol=1e-12)
    assert np.isfinite(block.forward(block.back(np.array([[50.0]]), {}), {})).all()
    for at in ([-2.0], [-0.3]):
        first, second = block.slopes(np.array(at), {})
        e = 1e-5

        def forward(x):
            return block.forward(np.array([x]), {})[0]

        x = at[0]
        assert first[0, 0] == pytest.approx((forward(x + e) - forward(x - e)) / (2 * e), rel=1e-8)
        bend = (forward(x + e) - 2 * forward(x) + forward(x - e)) / e**2
        assert second[0, 0, 0] == pytest.approx(bend, rel=1e-4)
        up = block.pull(block.forward(np.array([at]), {}), np.array([[3.0]]))
        assert up[0, 0] == pytest.approx(3.0 / first[0, 0], rel=1e-12)


def test_every_cohort_has_its_own(fit):
    assert fit.groups.names == ("2001", "2002", "2003", "2004")
    assert fit.groups.customers == (1000, 400, 60, 30)
    assert fit.estimate.point["alpha"].shape == (200, 6)
    assert fit.loglik_of(TABLE) == pytest.approx(fit.loglik, rel=1e-12)
    first = [fit.retention_rate(1, cohort=c) for c in (2001, 2002, 2003)]
    # those seen: standard errors .01, .025 and .05, the last of which leans on the others
    np.testing.assert_allclose(first, [0.9, 0.6, 50 / 60], atol=0.08)
    assert fit.retention_rate(1, "2001") == first[0]
    unknown = fit.retention_rate(1)
    assert first[1] < unknown < first[0]


@pytest.mark.parametrize(
    "model", [MODELS[0], pytest.param(MODELS[2], marks=pytest.mark.slow)], ids=lambda m: m.key
)
def test_other_models_by_cohort(model):
    fit = by_cohort(model)
    assert fit.loglik_of(TABLE) == pytest.approx(fit.loglik, rel=1e-12)
    rates = [fit.retention_rate(1, cohort=c) for c in COHORTS]
    assert rates[1] < rates[2] < rates[0]
    assert np.isfinite(fit.predict(TABLE, TEN_PERCENT)["residual_lifetime"]).all()


def test_all_questions_may_be_about_a_cohort(fit):
    mean = [float(fit.discounted_lifetime(TEN_PERCENT, cohort=c)) for c in (2001, 2002)]
    assert mean[0] > mean[1]
    assert fit.residual_lifetime(0, TEN_PERCENT, cohort=2001) == mean[0]
    within = [fit.expected_lifetime("4 years", c).length for c in (2001, 2002)]
    survival = [fit.survival(np.arange(4), c) for c in (2001, 2002)]
    np.testing.assert_allclose(within, [s.sum() for s in survival], rtol=1e-10)
    curve = fit.survival_curve(3, cohort=2002)
    np.testing.assert_allclose(curve["survival"], survival[1], rtol=1e-12)
    table = fit.simulate(100_000, 1, seed=1, cohort=2002)
    # four standard errors of a binomial share
    assert table.last_retention_rate == pytest.approx(survival[1][1], abs=0.007)


def test_a_base_is_worth_what_its_cohorts_are(fit):
    frame = fit.predict(TABLE, TEN_PERCENT)
    assert frame["cohort"].tolist() == list(COHORTS)
    for row in frame.itertuples():
        own = fit.residual_lifetime(row.age, TEN_PERCENT, cohort=row.cohort)
        assert row.residual_lifetime == pytest.approx(own, rel=1e-12)
        assert row.residual_lifetime_lo < own < row.residual_lifetime_hi
    value = fit.base_value(TABLE, 100, TEN_PERCENT)
    total = 100 * frame["customers"] @ frame["residual_lifetime"]
    assert value.value == pytest.approx(total, rel=1e-12)
    assert value.lo < value.value < value.hi


def test_cohorts_not_seen_are_told_of(fit):
    other = clv.RetentionTable.from_survivors({2001: [10, 9], 2005: [20, 15]}, period="1 year")
    with pytest.warns(DataWarning, match=r"1 of 2 rows .* cohort .* \(first cohorts: 2005\)"):
        frame = fit.predict(other, TEN_PERCENT)
    unseen = fit.residual_lifetime(2, TEN_PERCENT)
    assert frame["residual_lifetime"][1] == pytest.approx(unseen, rel=1e-12)
    with pytest.warns(DataWarning, match="1999"):
        assert fit.retention_rate(1, cohort=1999) == fit.retention_rate(1)


def test_likelihood_of_cohorts_not_seen_is_that_of_a_new_one(fit):
    other = clv.RetentionTable.from_survivors({2005: [20, 15]}, period="1 year")
    with pytest.warns(DataWarning, match=r"2 of 2 rows .* cohort .* \(first cohorts: 2005\)"):
        found = fit.loglik_of(other)
    own = {k: np.exp(np.log(v[:, 5]).mean()) for k, v in fit.estimate.point.items()}
    alone = clv.ShiftedBetaGeoModel().with_params(**own, period="1 year")
    assert found == pytest.approx(alone.loglik_of(other), rel=1e-10)


def test_what_is_no_cohort_is_refused():
    model, together = clv.ShiftedBetaGeoModel(), clv.ShiftedBetaGeoModel().fit(TABLE)
    for groups in ("market", ("cohort", "market")):
        with pytest.raises(DataError, match=r"no group column .*market: its only one is cohort"):
            model.fit(TABLE, clv.MCMC(groups=groups))
    with pytest.raises(ParameterError, match="the same for all cohorts: leave out 2001"):
        together.survival(3, cohort=2001)


def test_rows_of_one_cohort_are_put_together():
    split = clv.RetentionTable(
        cohort=np.tile(TABLE.cohort, 2),
        duration=np.tile(TABLE.duration, 2),
        churned=np.tile(TABLE.churned, 2),
        customers=np.tile(TABLE.customers / 2, 2),
        period="1 year",
    )
    assert len(split.distinct_by_cohort()) == len(TABLE)
    # bit for bit: the likelihood sees the same rows
    one, two = (by_cohort(clv.GeometricRetentionModel(), data) for data in (TABLE, split))
    assert one.params == two.params


def test_fits_by_cohort_are_saved_and_copied(fit, tmp_path):
    fit.save(tmp_path / "fit.json")
    right = fit.predict(TABLE, TEN_PERCENT)
    for again in (load(tmp_path / "fit.json"), pickle.loads(pickle.dumps(fit))):
        assert again.predict(TABLE, TEN_PERCENT).equals(right)
        assert again.survival(5) == fit.survival(5)
        assert again.groups.customers == fit.groups.customers


def test_summary_of_cohorts(fit):
    table = fit.group_summary()
    churn = table[table["trait"] == "churn"].set_index("cohort")
    assert churn["customers"].tolist() == [1000, 400, 60, 30]
    assert churn["estimate"]["2001"] < churn["estimate"]["2002"]
    assert churn["shrinkage"]["2001"] < 0.3

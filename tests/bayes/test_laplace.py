"""Laplace with importance weights: the posterior that Markov chains find, and when it is not."""

import warnings

import numpy as np
import pytest
from scipy.stats import kurtosis

import clvmodels as clv
from clvmodels.bayes.laplace import gaussian_at
from clvmodels.bayes.proposals import AroundDraws, AroundMode, log_mixture, resampled
from clvmodels.data.datasets import load_cdnow_summary, load_donations
from clvmodels.data.retention import RetentionTable
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import FitError, FitWarning, ParameterError
from clvmodels.inference.psis import effective_size, smoothed

CDNOW = load_cdnow_summary()
# regular customers of Fader and Hardie (2007), How to project customer retention, table 1
SURVIVORS = RetentionTable.from_survivors([1000, 631, 468, 382, 326], period="1 year")
MODELS = {
    "beta_geo": (clv.BetaGeoModel(), CDNOW),
    "shifted_beta_geo": (clv.ShiftedBetaGeoModel(), SURVIVORS),
    "modified_beta_geo": (clv.ModifiedBetaGeoModel(), CDNOW),
    "pareto_nbd": (clv.ParetoNBDModel(), CDNOW),
    "nbd": (clv.NBDModel(), CDNOW),
    "beta_geo_beta_binom": (clv.BetaGeoBetaBinomModel(), load_donations()),
    "gamma_gamma": (clv.GammaGammaModel(), CDNOW),
}
FLAT = dict.fromkeys(("purchases", "purchase_cv", "dropout", "dropout_concentration"), clv.Flat())


def small(n, seed=0):
    """Customers over 40 weeks, of whom nobody leaves."""
    rng = np.random.default_rng(seed)
    x = rng.poisson(40 * rng.gamma(0.5, 0.2, n))
    t_x = np.where(x > 0, 40 * rng.random(n) ** (1 / np.maximum(x, 1)), 0.0)
    return RFMSummary.from_arrays(x, t_x, np.full(n, 40.0), time_unit="week")


def check_same_posterior(key, draws, chains):
    """Means of the logs, which are nearer to normal than the parameters, and their sds."""
    model, data = MODELS[key]
    laplace = model.fit(data, clv.Laplace(draws=4 * draws, seed=1))
    nuts = model.fit(data, clv.MCMC(draws=draws, chains=chains, seed=2, progress=False))
    size = [fit.diagnostics.sampling.ess for fit in (laplace, nuts)]
    for name in laplace.params:
        here, there = (np.log(fit.estimate.point[name][:, 0]) for fit in (laplace, nuts))
        errors = np.array([here.std(), there.std()]) / np.sqrt(size)
        assert abs(here.mean() - there.mean()) < 4 * np.hypot(*errors), name
        # of a standard deviation: Kendall and Stuart, Advanced Theory of Statistics 1, section 10.9
        errors *= np.sqrt((kurtosis(there, fisher=False) - 1) / 4)
        assert abs(here.std() - there.std()) < 4 * np.hypot(*errors), name


@pytest.mark.filterwarnings("ignore:NOT to be relied on")  # so few draws have an r-hat above 1.01
@pytest.mark.parametrize("key", ["beta_geo", "shifted_beta_geo"])
def test_it_is_the_posterior_of_markov_chains_in_few_draws(key):
    check_same_posterior(key, draws=200, chains=2)


@pytest.mark.slow
@pytest.mark.parametrize("key", MODELS)
def test_it_is_the_posterior_of_markov_chains(key):
    check_same_posterior(key, draws=1500, chains=4)


@pytest.mark.parametrize("key", ["beta_geo", "modified_beta_geo", "gamma_gamma", "nbd"])
def test_cdnow_has_its_posterior_around_the_maximum(key):
    model, data = MODELS[key]
    mle, fit = model.fit(data), model.fit(data, clv.Laplace(seed=3))
    for name, value in mle.params.items():
        logs = np.log(fit.estimate.point[name])
        assert abs(logs.mean() - np.log(value)) < 0.5 * logs.std(), name


def test_cdnow_pareto_has_its_median_around_the_maximum():
    # s and beta are skewed: medians
    model, data = MODELS["pareto_nbd"]
    mle, fit = model.fit(data), model.fit(data, clv.Laplace(seed=3))
    for name, value in mle.params.items():
        logs = np.log(fit.estimate.point[name])
        assert abs(np.median(logs) - np.log(value)) < 0.5 * logs.std(), name


def test_units_do_not_matter():
    """Weeks as hours, with the same seed: the same draws in the other unit."""
    hours = RFMSummary.from_arrays(
        CDNOW.frequency, CDNOW.recency * 168, CDNOW.T * 168, time_unit="hour"
    )
    here, there = (clv.BetaGeoModel().fit(data, clv.Laplace(draws=200)) for data in (CDNOW, hours))
    for name, factor in {"r": 1, "alpha": 168, "a": 1, "b": 1}.items():
        np.testing.assert_allclose(
            there.estimate.point[name], here.estimate.point[name] * factor, rtol=1e-6
        )
    # the log-likelihood alone moves, by the log of the unit for each purchase
    shift = CDNOW.frequency.sum() * np.log(168)
    assert here.loglik - there.loglik == pytest.approx(shift, rel=1e-8)


@pytest.mark.parametrize("factor", [100, 1e-6])
def test_currency_does_not_matter(factor):
    """In cents, and in millions."""
    other = RFMSummary.from_arrays(
        CDNOW.frequency,
        CDNOW.recency,
        CDNOW.T,
        time_unit="week",
        monetary_value=CDNOW.monetary_value * factor,
    )
    here, there = (
        clv.GammaGammaModel().fit(data, clv.Laplace(draws=200)) for data in (CDNOW, other)
    )
    for name, times in {"p": 1, "q": 1, "v": factor}.items():
        np.testing.assert_allclose(
            there.estimate.point[name], here.estimate.point[name] * times, rtol=1e-6
        )
    np.testing.assert_allclose(
        there.expected_spend(other), here.expected_spend(CDNOW) * factor, rtol=1e-6
    )


def test_a_posterior_far_from_normal_is_told():
    model = clv.BetaGeoModel()
    with pytest.warns(FitWarning, match=r"k-hat is \d\.\d\d, above 0\.7.*Fit with MCMC"):
        fit = model.fit(small(30), clv.Laplace(priors=FLAT))
    assert not fit.diagnostics.converged
    assert str(fit.diagnostics).startswith("NOT to be relied on")
    with pytest.raises(FitError, match="Fit with MCMC"):
        model.fit(small(30), clv.Laplace(priors=FLAT, strict=True))


def test_no_mode_is_an_error_that_says_what_to_do():
    # all bought equally often, so that under flat priors r runs to infinity
    data = RFMSummary.from_arrays([2, 2, 2, 0], [5, 6, 7, 0], [9] * 4, time_unit="week")
    flat = {"purchases": clv.Flat(), "purchase_cv": clv.Flat()}
    with pytest.raises(FitError, match=r"no proper mode.*Give these quantities a prior"):
        clv.NBDModel().fit(data, clv.Laplace(priors=flat))


def test_the_normal_approximation_as_it_is():
    model = clv.NBDModel()
    fit = model.fit(CDNOW, clv.Laplace(draws=4000, psis=False))
    assert fit.diagnostics.sampling.pareto_k is None
    mode = model.fit(CDNOW, clv.MAP())
    logs = np.log(np.column_stack([*fit.estimate.point.values()]))
    # 4,000 draws: means right to sd / 63, covariances to a few percent
    sd = np.sqrt(np.diag(mode.estimate.covariance))
    assert (abs(logs.mean(axis=0) - np.log([*mode.params.values()])) < 4 * sd / 63).all()
    np.testing.assert_allclose(np.cov(logs.T), mode.estimate.covariance, rtol=0.15)


def test_the_same_seed_gives_the_same_draws():
    model = clv.NBDModel()
    one, two, other = (
        model.fit(CDNOW, clv.Laplace(draws=50, seed=seed)).estimate.point for seed in (4, 4, 5)
    )
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])
        assert (one[name] != other[name]).all()


@pytest.mark.parametrize("draws", [0, -1, 2.5, True, "many", None])
def test_numbers_of_draws_that_are_none(draws):
    with pytest.raises(ParameterError, match="draws must be a whole number, at least 1"):
        clv.Laplace(draws=draws)


def test_few_independent_draws_are_told():
    fit = clv.BetaGeoModel().fit(small(60), clv.Laplace(draws=110))
    assert fit.diagnostics.sampling.ess < 100
    assert any("ask for more" in note for note in fit.diagnostics.notes)
    assert fit.diagnostics.converged


def test_a_single_draw():
    fit = clv.NBDModel().fit(CDNOW, clv.Laplace(draws=1, psis=False))
    assert fit.estimate.covariance is None
    assert fit.diagnostics.sampling.ess == 1


def test_resampling_keeps_the_mean():
    rng = np.random.default_rng(0)
    weights, values = rng.gamma(2, size=500), rng.normal(size=500)
    kept = resampled(weights, 10_000, rng)
    counts = np.bincount(kept, minlength=500)
    # systematic: each as often as its weight says, to less than one
    assert (abs(counts - 10_000 * weights / weights.sum()) < 1).all()
    right = weights @ values / weights.sum()
    assert values[kept].mean() == pytest.approx(right, abs=500 / 10_000)
    assert (np.diff(kept) < 0).any()  # in random order


def test_predictions_are_averages_over_the_draws():
    fit = clv.BetaGeoModel().fit(CDNOW, clv.Laplace(draws=40))
    each = []
    for k in range(40):
        one = {name: float(v[k, 0]) for name, v in fit.estimate.point.items()}
        known = clv.BetaGeoModel().with_params(**one, time_unit="week")
        each.append(known.expected_purchases_new_customer("1 year"))
    assert fit.expected_purchases_new_customer("1 year") == pytest.approx(np.mean(each), rel=1e-12)


def test_gaussian_at_the_mode_has_the_curvature_in_the_traits():
    """Of shares and logs in place of the logs of parameters: by the chain rule."""
    fit = clv.BetaGeoModel().fit(CDNOW, clv.Laplace(draws=5, psis=False))
    density = fit.estimate.posterior.density
    mode = clv.BetaGeoModel().fit(CDNOW, clv.MAP()).estimate
    centre, factor = gaussian_at(mode, density)
    # the density's own gradient, differentiated once more
    steps = 1e-5 * np.eye(4)
    bends = [(density(centre + h)[1] - density(centre - h)[1]) / 2e-5 for h in steps]
    np.testing.assert_allclose(
        np.linalg.inv(factor @ factor.T), -np.array(bends), rtol=1e-4, atol=1e-3
    )


def test_fits_that_converge_are_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for key in ("beta_geo", "nbd", "gamma_gamma", "shifted_beta_geo"):
            model, data = MODELS[key]
            sampling = model.fit(data, clv.Laplace(seed=1)).diagnostics.sampling
            assert sampling.pareto_k < 0.7
            assert sampling.ess > 500


def banana(eta):
    """A bent density whose moments are known: y ~ N(0, 1), x | y ~ N(y^2 / 2, 1/4)."""
    y = eta[:, 1]
    return -0.5 * y**2 - 0.5 * ((eta[:, 0] - y**2 / 2) / 0.5) ** 2


def test_proposals_have_the_density_that_they_say():
    rng = np.random.default_rng(1)
    first = AroundMode.of(np.zeros(2), np.array([[1.0, 0.0], [0.6, 0.8]]), banana)
    draws = first.draw(50_000, rng)
    second = AroundDraws.of(draws[:400], np.full(400, 1 / 400), rng)
    areas = []
    for proposal in (first, second):
        eta = proposal.draw(50_000, rng)
        # a normal density over that of the proposal has the mean 1, but for the shared constant
        normal = -0.5 * (eta**2).sum(axis=1) - np.log(2 * np.pi)
        areas.append(np.exp(normal - proposal.log_density(eta)).mean())
    assert areas[1] == pytest.approx(areas[0], rel=0.05)


def test_draws_around_draws_follow_a_bend():
    worth, means = {"mode": [], "both": []}, []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        mode = AroundMode.of(np.zeros(2), np.diag([0.5, 1.0]), banana)
        eta = mode.draw(4000, rng)
        weights, _ = smoothed(banana(eta) - mode.log_density(eta))
        draws = AroundDraws.of(eta, np.exp(weights), rng)
        both = np.vstack([eta, draws.draw(4000, rng)])
        better, _ = smoothed(banana(both) - log_mixture([mode, draws], both))
        worth["mode"].append(effective_size(weights))
        worth["both"].append(effective_size(better))
        w = np.exp(better)
        means.append(w @ both)
    # E x = E y^2 / 2 and E y = 0
    assert np.median(means, axis=0) == pytest.approx([0.5, 0.0], abs=0.1)
    assert np.median(worth["both"]) > 3 * np.median(worth["mode"])


def test_few_contracts_have_the_posterior_of_a_grid():
    survivors = {"x": [100, 70, 55, 45], "y": [80, 40, 30], "z": [30, 25]}
    table = RetentionTable.from_survivors(survivors, period="1 year")
    model = clv.ShiftedBetaGeoModel()
    fits = [model.fit(table, clv.Laplace(draws=2000, seed=seed)) for seed in range(10)]
    sd = np.mean([np.log(fit.estimate.point["alpha"]).std() for fit in fits])
    mean = np.mean([np.log(fit.estimate.point["alpha"]).mean() for fit in fits])
    density = fits[0].estimate.posterior.density
    odds, total = np.linspace(-3, 3, 301), np.linspace(-6, 12, 601)
    eta = np.array(np.meshgrid(odds, total, indexing="ij")).reshape(2, -1).T
    logs = density.traits.back(eta)
    log_p = -density.sums.values(np.exp(logs)) + density.priors.log_density(eta)
    weight = np.exp(log_p - log_p.max())
    weight /= weight.sum()
    expected = weight @ logs[:, 0]
    # ten fits of 2,000 draws: standard errors of 0.004 and 0.003
    assert mean == pytest.approx(expected, abs=0.02)
    assert sd == pytest.approx(np.sqrt(weight @ (logs[:, 0] - expected) ** 2), rel=0.03)

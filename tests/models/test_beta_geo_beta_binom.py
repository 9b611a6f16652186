"""BG/BB: published fits, recovery of known parameters, and what is said where data are silent."""

import numpy as np
import pytest

from clvmodels.data.datasets import load_donations
from clvmodels.data.opportunities import OpportunitySummary
from clvmodels.exceptions import DataError, ParameterError, UnitError
from clvmodels.kernels import beta_geo_beta_binom as kernel
from clvmodels.models.beta_geo_beta_binom import BetaGeoBetaBinomModel
from clvmodels.units import DiscountRate

TRUTH = {"alpha": 1.2, "beta": 0.75, "gamma": 0.65, "delta": 2.8}


@pytest.fixture(scope="module")
def donations():
    return load_donations()


@pytest.fixture(scope="module")
def fit(donations):
    return BetaGeoBetaBinomModel().fit(donations)


def simulated(size, fewest, most, seed, **params):
    """Customers with `fewest` to `most` opportunities each."""
    rng = np.random.default_rng(seed)
    zero, T = np.zeros(size), rng.integers(fewest, most + 1, size).astype(float)
    x, t_x = kernel.simulate(zero, zero, T, rng, **params)
    return OpportunitySummary(np.arange(size), x, t_x, T, "1 year")


def row(data, x, t_x):
    (found,) = np.flatnonzero((data.frequency == x) & (data.recency == t_x))
    return found


def test_published_estimates(fit):
    # Fader, Hardie and Shang (2010), table 3
    published = {"alpha": 1.204, "beta": 0.750, "gamma": 0.657, "delta": 2.783}
    assert fit.params == pytest.approx(published, abs=5e-4)
    assert fit.loglik == pytest.approx(-33225.6, abs=0.05)
    assert fit.estimate.customers == 11_104
    assert fit.diagnostics.converged
    assert fit.diagnostics.starts_agree
    assert fit.diagnostics.notes == ()


def test_published_predictions(donations, fit):
    # P(alive in 2002), table 6 of the paper, after donations to 2001: at the next opportunity
    cells = [row(donations, *cell) for cell in [(0, 0), (2, 4), (6, 6)]]
    alive = fit.probability_alive(donations, "1 year")[cells]
    np.testing.assert_allclose(alive, [0.11, 0.59, 0.93], atol=5e-3)
    # R package BTYD, vignette: ten years, (0, 0) and (4, 5); its optimiser stops early
    cells = [row(donations, *cell) for cell in [(0, 0), (4, 5)]]
    expected = fit.expected_purchases(donations, "10 years")[cells]
    np.testing.assert_allclose(expected, [0.1302169, 3.627858], rtol=5e-5)
    # Hardie's note on DERT for the BG/BB at 10 % a year
    cells = [row(donations, *cell) for cell in [(6, 6), (5, 6), (0, 0)]]
    dert = fit.residual_transactions(donations, DiscountRate(0.10, per="year"))[cells]
    np.testing.assert_allclose(dert, [5.91, 5.09, 0.115], atol=5e-3)


def test_published_purchases_of_new_customers(fit):
    # Hardie's BG/BB spreadsheet (note 010): years 1, 6 and 11
    got = [fit.expected_purchases_new_customer(f"{year} years") for year in (1, 6, 11)]
    np.testing.assert_allclose(got, [0.4985, 2.2202, 3.3887], atol=5e-5)


def test_given_parameters_predict_as_fitted_ones(donations, fit):
    given = BetaGeoBetaBinomModel().with_params(**fit.params, every="1 year")
    one, other = (f.expected_purchases(donations, "5 years") for f in (given, fit))
    np.testing.assert_array_equal(one, other)


def test_parameters_must_be_positive_and_opportunities_apart():
    model = BetaGeoBetaBinomModel()
    with pytest.raises(ParameterError, match="gamma must be positive"):
        model.with_params(**{**TRUTH, "gamma": 0.0}, every="1 year")
    with pytest.raises(UnitError, match="is not a horizon"):
        model.with_params(**TRUTH, every=1)


def test_rows_that_stand_for_many_are_as_many_rows(donations, fit):
    each = np.repeat(np.arange(len(donations)), donations.weights.astype(int))
    people = OpportunitySummary(
        np.arange(len(each)),
        donations.frequency[each],
        donations.recency[each],
        donations.opportunities[each],
        "1 year",
    )
    alone = BetaGeoBetaBinomModel().fit(people)
    assert alone.params == pytest.approx(fit.params, rel=1e-9)  # order of summation
    assert alone.loglik == pytest.approx(fit.loglik, rel=1e-12)


@pytest.mark.parametrize("opportunities", [(6, 6), (0, 12)])
def test_known_parameters_are_recovered(opportunities):
    fit = BetaGeoBetaBinomModel().fit(simulated(20_000, *opportunities, seed=1, **TRUTH))
    se = fit.summary().set_index("parameter")["se"]
    for name, truth in TRUTH.items():
        assert abs(fit.params[name] - truth) < 4 * se[name]


@pytest.mark.slow
def test_intervals_cover_as_often_as_they_say():
    replications, level = 200, 0.9
    hits = dict.fromkeys(TRUTH, 0)
    for seed in range(replications):
        fit = BetaGeoBetaBinomModel().fit(simulated(1_000, 4, 12, seed, **TRUTH))
        summary = fit.summary(level).set_index("parameter")
        for name, truth in TRUTH.items():
            hits[name] += summary.lo[name] < truth < summary.hi[name]
    # four standard errors of a share of 200
    margin = 4 * np.sqrt(level * (1 - level) / replications)
    for name in TRUTH:
        assert abs(hits[name] / replications - level) < margin


def test_dropout_that_few_opportunities_cannot_tell_apart_is_told():
    # like the cruises of Berger, Weinberg and Hanna (2003), of which gamma and delta in print,
    # 173.76 and 1882.93, mean no more than gamma / (gamma + delta) = .084
    cruises = {"alpha": 0.66, "beta": 5.19, "gamma": 173.76, "delta": 1882.93}
    fit = BetaGeoBetaBinomModel().fit(simulated(6_094, 4, 4, seed=1, **cruises))
    assert fit.diagnostics.converged
    assert {"gamma", "delta"} <= set(fit.diagnostics.boundary)
    assert any("gamma and delta are not identified" in note for note in fit.diagnostics.notes)


def test_no_dropout_is_told():
    staying = {**TRUTH, "gamma": 1e-6, "delta": 1e6}
    fit = BetaGeoBetaBinomModel().fit(simulated(3_000, 8, 8, seed=1, **staying))
    assert fit.diagnostics.converged
    assert any("No evidence of dropout" in note for note in fit.diagnostics.notes)


def test_buyers_who_do_not_differ_are_told():
    alike = {**TRUTH, "alpha": 1e4, "beta": 1e4}
    fit = BetaGeoBetaBinomModel().fit(simulated(3_000, 8, 8, seed=1, **alike))
    assert fit.diagnostics.converged
    assert any(
        "alpha and beta are not identified" in note and "= 0.501 is" in note
        for note in fit.diagnostics.notes
    )


def test_polarised_customers_are_told():
    # those who buy do so every time, and half of all leave at once
    x = np.repeat([0.0, 3.0], [70, 30])
    data = OpportunitySummary(np.arange(100), x, x, np.full(100, 3.0), "1 year")
    fit = BetaGeoBetaBinomModel().fit(data)
    assert fit.diagnostics.converged
    assert any("polarised" in note for note in fit.diagnostics.notes)
    assert np.isfinite(fit.expected_purchases(data, "3 years")).all()


def test_other_summaries_are_refused(cdnow):
    with pytest.raises(DataError, match="opportunity_summary"):
        BetaGeoBetaBinomModel().fit(cdnow)

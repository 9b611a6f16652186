"""CDNOW, fitted: the estimates, log-likelihoods and predictions that others have published."""

import numpy as np
import pytest

from clvmodels.data.datasets import load_cdnow, load_cdnow_summary
from clvmodels.data.summary import RFMSummary
from clvmodels.data.transactions import rfm_summary
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.gamma_gamma import GammaGammaModel
from clvmodels.models.modified_beta_geo import ModifiedBetaGeoModel
from clvmodels.models.nbd import NBDModel
from clvmodels.units import DiscountRate


@pytest.fixture(scope="module")
def rounded():
    """Weeks with two decimals, as in Hardie's spreadsheets and in lifetimes."""
    return load_cdnow_summary()


@pytest.fixture(scope="module")
def exact():
    """The same from the log, weeks unrounded, as in the R packages BTYD and CLVTools."""
    return rfm_summary(
        load_cdnow(sample=True), customer_id="customer_id", date="date", value="value",
        time_unit="week", observation_end="1997-09-30",
    )  # fmt: skip


@pytest.fixture(scope="module")
def bg_nbd(exact):
    return BetaGeoModel().fit(exact)


def test_bg_nbd(rounded, exact, bg_nbd):
    # Fader, Hardie and Lee (2005), table 2: .243, 4.414, .793, 2.426, LL -9582.4
    fit = BetaGeoModel().fit(rounded)
    paper = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
    assert fit.params == pytest.approx(paper, abs=5e-4)
    assert fit.loglik == pytest.approx(-9582.43, abs=5e-3)
    # the two public versions of the data differ in the fourth digit (R packages BTYD, CLVTools)
    tight = {"r": 0.2425945, "alpha": 4.4136019, "a": 0.7929199, "b": 2.42591}
    assert bg_nbd.params == pytest.approx(tight, rel=5e-6)
    assert bg_nbd.loglik == pytest.approx(-9582.4292, abs=5e-5)
    assert fit.loglik == pytest.approx(-9582.4256, abs=5e-5)
    assert fit.params["alpha"] == pytest.approx(4.41353, abs=5e-6)
    assert fit.aic == pytest.approx(2 * 4 + 2 * 9582.4256, abs=1e-4)
    assert fit.bic == pytest.approx(4 * np.log(2357) + 2 * 9582.4256, abs=1e-4)


def test_mbg_nbd(rounded):
    # estimates: R package BTYDplus, lifetimes' tests (.525, 6.183, .891, 1.614)
    fit = ModifiedBetaGeoModel().fit(rounded)
    published = {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614}
    assert fit.params == pytest.approx(published, abs=5e-4)
    assert fit.loglik == pytest.approx(-9582.13, abs=5e-3)


def test_nbd(rounded):
    # Fader and Hardie's CDNOW tables: r .385, alpha 12.072, LL -9763.7
    fit = NBDModel().fit(rounded)
    assert fit.params == pytest.approx({"r": 0.385, "alpha": 12.072}, abs=5e-4)
    assert fit.loglik == pytest.approx(-9763.66, abs=5e-3)


def test_gamma_gamma(rounded):
    # Fader, Hardie and Lee (2005b): p 6.25, q 3.74, gamma 15.44 on 946 customers, mean about $35;
    # digits beyond that: lifetimes' documentation
    fit = GammaGammaModel().fit(rounded)
    assert fit.params == pytest.approx({"p": 6.25, "q": 3.74, "v": 15.44}, rel=2e-3)
    assert fit.estimate.customers == 946
    assert fit.loglik == pytest.approx(-4055.92, abs=5e-3)
    # the log-likelihood of totals instead of means, -4659 in the paper, is less by sum log x
    x = rounded.frequency[rounded.frequency > 0]
    assert fit.loglik - np.log(x).sum() == pytest.approx(-4659, abs=0.5)
    assert fit.population_mean == pytest.approx(35.171, abs=5e-4)
    # lifetimes' documentation, whose own fit stops within 1e-4 of the maximum
    np.testing.assert_allclose(
        fit.expected_spend(rounded)[:3], [24.658619, 18.911489, 35.170981], rtol=2e-6
    )


def test_bg_nbd_likelihood_where_everyone_starts(rounded):
    # Fader, Hardie and Lee (2005), note 004: LL of -13887.7 at (1, 1, 1, 1)
    nll, _, _ = BetaGeoModel()._problem(rounded)[0].objective()(np.ones(4))
    assert -nll == pytest.approx(-13887.7, abs=0.05)


def test_expected_purchases_in_the_holdout(rounded):
    fit = BetaGeoModel().fit(rounded)
    expected = fit.expected_purchases(rounded, "39 weeks")
    # lifetimes 0.11.3 on the same summary: all customers, and those with repeat purchases
    assert expected.sum() == pytest.approx(1653.42, abs=5e-3)
    assert expected[rounded.frequency > 0].sum() == pytest.approx(1335.8, abs=0.05)
    # Fader, Hardie and Lee (2005), note 004: E[Y(39) | 2, 30.43, 38.86] = 1.226
    assert expected[0] == pytest.approx(1.226, abs=5e-4)


def test_bg_nbd_expected_purchases_by_frequency(rounded):
    # Fader, Hardie and Lee (2005), table 3: conditional expectations of x = 0, ..., 6 and 7+
    expected = BetaGeoModel().fit(rounded).expected_purchases(rounded, "39 weeks")
    group = np.minimum(rounded.frequency, 7)
    means = [expected[group == k].mean() for k in range(8)]
    paper = [0.225, 0.523, 1.044, 1.520, 2.164, 2.654, 3.504, 6.157]
    np.testing.assert_allclose(means, paper, atol=2e-3)  # the table was made with rounded ones


def test_btyd_vignette(exact, bg_nbd):
    # R package BTYD 2.4.3, vignette: E[X(52)] = 1.444004; customer 1516, x = 26, t_x = 30.86,
    # T = 31: 25.75659 purchases in 52 weeks, P(alive) = .9688523 (its optimiser stops early)
    assert bg_nbd.expected_purchases_new_customer("52 weeks") == pytest.approx(1.444004, rel=1e-5)
    customer = exact.select(exact.customer_id == 1516)
    assert customer.frequency == 26
    assert bg_nbd.expected_purchases(customer, "52 weeks") == pytest.approx(25.75659, rel=1e-4)
    assert bg_nbd.probability_alive(customer) == pytest.approx(0.9688523, rel=1e-5)


def test_more_purchases_long_ago_promise_fewer_to_come(bg_nbd):
    # the increasing frequency paradox: BTYD's vignette, x = 10, ..., 25 at t_x = 20, T = 39
    paradox = RFMSummary.from_arrays([10, 15, 20, 25], [20] * 4, [39] * 4, time_unit="week")
    assert (np.diff(bg_nbd.expected_purchases(paradox, "52 weeks")) < 0).all()


def test_purchase_distribution_of_cdnow():
    # lifetimes and note 014: P(X(39) = 0) = .5737864, P(X(2) = 10) = 1.07869e-7
    fit = BetaGeoModel().with_params(r=0.243, alpha=4.414, a=0.793, b=2.426, time_unit="week")
    assert fit.purchase_pmf_new_customer(0, "39 weeks") == pytest.approx(0.5737864, abs=5e-8)
    assert fit.purchase_pmf_new_customer(10, "2 weeks") == pytest.approx(1.07869e-7, rel=5e-6)


def test_discounted_residual_transactions():
    # quadrature of the continuous-time DERT to 10 digits at 15 % a year of 52 weeks; no BG/NBD
    # figure has been published
    fit = BetaGeoModel().with_params(r=0.2426, alpha=4.4135, a=0.7929, b=2.4258, time_unit="week")
    customer = RFMSummary.from_arrays([2], [30.43], [38.86], time_unit="week")
    force = DiscountRate(np.log(1.15) / 52, per="week", compounding="continuous")
    assert fit.residual_transactions(customer, force) == pytest.approx(5.169597, abs=5e-7)


def test_models_are_compared_in_the_same_currency(rounded):
    # lifetimes gives a mean for two of these and rescales time: its figures cannot be compared
    aic = {m.title: m().fit(rounded).aic for m in (NBDModel, BetaGeoModel, ModifiedBetaGeoModel)}
    assert min(aic, key=aic.__getitem__) == "MBG/NBD"
    assert max(aic, key=aic.__getitem__) == "NBD"


def test_full_cohort_agrees_with_its_sample(exact):
    whole = rfm_summary(
        load_cdnow(), customer_id="customer_id", date="date", value="value", time_unit="week",
        observation_end="1997-09-30",
    )  # fmt: skip
    assert len(whole) == 23_570
    fit, sample = BetaGeoModel().fit(whole), BetaGeoModel().fit(exact)
    se = sample.summary().set_index("parameter").se
    for name, value in fit.params.items():
        assert abs(value - sample.params[name]) < 4 * se[name]

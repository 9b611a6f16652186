"""Pareto/NBD and GGompertz/NBD, fitted: published results, limits, difficult data, recovery."""

import numpy as np
import pytest

from clvmodels.data.datasets import load_cdnow, load_cdnow_summary
from clvmodels.data.splits import calibration_holdout_split
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import DataError
from clvmodels.inference.lifetimes import Lifetimes
from clvmodels.models.ggompertz_nbd import GGompertzNBDModel
from clvmodels.models.nbd import NBDModel
from clvmodels.models.pareto_nbd import ParetoNBDModel
from clvmodels.units import DiscountRate

MODELS = [ParetoNBDModel, GGompertzNBDModel]
TRUE = {
    ParetoNBDModel: {"r": 0.553, "alpha": 10.578, "s": 0.606, "beta": 11.669},
    GGompertzNBDModel: {"r": 0.8, "alpha": 8.0, "b": 0.08, "s": 1.2, "beta": 4.0},
}
ANNUAL = DiscountRate(0.15, per="year")

every_model = pytest.mark.parametrize("model", MODELS)


@pytest.fixture(scope="module")
def rounded():
    """Weeks with two decimals, as in Hardie's spreadsheets and in lifetimes."""
    return load_cdnow_summary()


@pytest.fixture(scope="module")
def split():
    """Weeks unrounded, as in the R packages BTYD and CLVTools."""
    return calibration_holdout_split(
        load_cdnow(sample=True), customer_id="customer_id", date="date", value="value",
        time_unit="week", cutoff="1997-09-30", horizon="39 weeks",
    )  # fmt: skip


@pytest.fixture(scope="module")
def exact(split):
    return ParetoNBDModel().fit(split.calibration)


def one(x, t_x, T):
    return RFMSummary.from_arrays([x], [t_x], [T], time_unit="week")


def assert_sound(fit, data, horizon="39 weeks"):
    table = fit.predict(data, horizon)
    for values in (
        *(table[name].to_numpy() for name in table.columns[1:]),
        fit.residual_transactions(data, ANNUAL),
        fit.probability_no_purchase(data, horizon),
        fit.purchase_pmf(data, 3, horizon),
        np.array([fit.expected_purchases_new_customer(horizon)]),
    ):
        assert np.isfinite(values).all()
        assert (values >= 0).all()
    assert str(fit.diagnostics)


# published


def test_pareto_nbd(rounded, exact):
    # Fader, Hardie and Lee (2005), table 2: .553, 10.578, .606, 11.669, LL -9595.0
    fit = ParetoNBDModel().fit(rounded)
    paper = {"r": 0.553, "alpha": 10.578, "s": 0.606, "beta": 11.669}
    assert fit.params == pytest.approx(paper, abs=2e-3)
    assert fit.loglik == pytest.approx(-9594.974, abs=5e-4)
    assert exact.loglik == pytest.approx(-9594.976, abs=5e-4)  # CLVTools: weeks unrounded
    assert fit.diagnostics.converged
    assert fit.diagnostics.starts_agree
    assert fit.diagnostics.notes == ()


def test_ggompertz_nbd_has_its_maximum_at_the_pareto_nbd(split, exact):
    # CLVTools: r .55313, alpha 10.5758, b 1.1e-6, s .60682, beta 1.3e-5, LL -9594.976
    fit = GGompertzNBDModel().fit(split.calibration)
    assert fit.loglik == pytest.approx(-9594.976, abs=5e-4)
    assert fit.loglik <= exact.loglik + 1e-6
    assert fit.diagnostics.converged
    assert {"b", "beta"} <= set(fit.diagnostics.boundary)
    assert "Dropout does not accelerate with age" in str(fit.diagnostics)
    assert fit.params["r"] == pytest.approx(0.55313, rel=1e-3)
    assert fit.params["s"] == pytest.approx(0.60682, rel=2e-3)
    assert fit.params["beta"] / fit.params["b"] == pytest.approx(exact.params["beta"], rel=1e-3)
    np.testing.assert_allclose(
        fit.expected_purchases(split.calibration, "39 weeks"),
        exact.expected_purchases(split.calibration, "39 weeks"),
        rtol=1e-5,
    )
    assert_sound(fit, split.calibration)


def test_printed_log_likelihood_of_the_ggompertz_nbd_is_not_that_of_its_rounded_parameters(rounded):
    # Bemmaor and Glady (2012), table 2; at the parameters as printed it is -9595.77
    fit = GGompertzNBDModel().with_params(
        r=0.553, alpha=10.578, b=0.0002, s=0.603, beta=0.0026, time_unit="week"
    )
    h = rounded.compress()
    params = {name: np.float64(v) for name, v in fit.params.items()}
    loglik = h.weight @ fit.model.kernel.loglik(h.x, h.t_x, h.T, **params)
    assert loglik == pytest.approx(-9595.77, abs=5e-3)


def test_frequencies_in_the_calibration_period(exact, split):
    # Fader, Hardie and Lee (2005): chi-square 11.99 over x = 0, ..., 6, 7+
    x, T = split.calibration.frequency, split.calibration.T
    params = {name: np.float64(v) for name, v in exact.params.items()}
    n, zero = np.arange(7.0)[:, None], np.zeros(len(T))
    expected = exact.model.kernel.pmf_if_alive(n, zero, zero, T, **params).sum(axis=1)
    expected = np.append(expected, len(T) - expected.sum())
    actual = np.bincount(np.minimum(x, 7).astype(int))
    assert ((actual - expected) ** 2 / expected).sum() == pytest.approx(11.99, abs=5e-3)


def test_holdout_by_purchases_in_the_calibration_period(exact, split):
    # Fader, Hardie and Lee (2005), figure 4 and table 4: means for x = 0, ..., 6, 7+
    expected = exact.expected_purchases(split.calibration, "39 weeks")
    x = np.minimum(split.calibration.frequency, 7)
    means = [expected[x == k].mean() for k in range(8)]
    printed = [0.138, 0.600, 1.196, 1.714, 2.399, 2.907, 3.819, 6.403]
    np.testing.assert_allclose(means, printed, rtol=0, atol=1e-3)
    actual = split.holdout.purchases
    assert np.corrcoef(expected, actual)[0, 1] == pytest.approx(0.630, abs=5e-4)


def test_customer_1516(exact):
    # R package BTYD 2.4.3, vignette; its optimiser stops a little early
    customer = one(26, 30.857142857, 31)
    assert exact.probability_alive(customer)[0] == pytest.approx(0.997874, abs=1e-6)
    assert exact.expected_purchases(customer, "52 weeks")[0] == pytest.approx(25.45647, rel=1e-4)
    assert exact.expected_purchases_new_customer("52 weeks") == pytest.approx(1.473434, abs=1e-6)


def test_the_increasing_frequency_paradox(exact):
    # the more purchases by week 20, the surer that 19 weeks of silence mean the end: BTYD 2.4.3,
    # vignette
    got = [exact.expected_purchases(one(x, 20, 39), "52 weeks")[0] for x in (10, 15, 20, 25)]
    assert got == pytest.approx([0.7062289, 0.1442396, 0.02250658, 0.00309267], rel=1e-3)


def test_discounted_transactions(rounded):
    # mpmath with Tricomi's U (Fader and Hardie 2015, eqs. 3.14 and 3.15) at these parameters
    fit = ParetoNBDModel().with_params(
        r=0.5533, alpha=10.5775, s=0.6062, beta=11.6663, time_unit="week"
    )
    rate = DiscountRate(np.log(1.15) / 52, "week", "continuous")
    got = fit.residual_transactions(one(2, 30.43, 38.86), rate)[0]
    assert got == pytest.approx(6.500298, rel=1e-6)
    tenth = DiscountRate(np.log(1.1) / 52, "week", "continuous")
    newcomer = ParetoNBDModel().fit(rounded).residual_transactions_new_customer(tenth)
    assert newcomer == pytest.approx(4.8145, abs=5e-4)


def test_lifetimes_own_fitter_finds_the_same_maximum(rounded, exact):
    fit = ParetoNBDModel().fit(rounded, Lifetimes())
    assert fit.loglik == pytest.approx(-9594.974, abs=1e-2)
    assert fit.params == pytest.approx(exact.params, rel=2e-2)


# limits


def test_the_nbd_is_what_is_left_without_dropout(rounded):
    rates = {"r": 0.385, "alpha": 12.07, "time_unit": "week"}
    nbd = NBDModel().with_params(**rates)
    for model in MODELS:
        lifetime = {k: v for k, v in TRUE[model].items() if k not in rates}
        fit = model().with_params(**rates, **{**lifetime, "s": 1e-12})
        np.testing.assert_allclose(fit.probability_alive(rounded), 1, atol=1e-4)
        np.testing.assert_allclose(
            fit.expected_purchases(rounded, "52 weeks"),
            nbd.expected_purchases(rounded, "52 weeks"),
            rtol=1e-4,
        )


# what the data cannot tell


@every_model
def test_no_evidence_of_dropout(model):
    rng = np.random.default_rng(4)
    x = rng.poisson(rng.gamma(2, 1 / 20, 1500) * 100)
    t_x = np.where(x > 0, 100 * rng.beta(np.maximum(x, 1), 1), 0)
    data = RFMSummary.from_arrays(x, t_x, np.full(1500, 100.0), time_unit="week")
    fit = model().fit(data)
    assert fit.diagnostics.converged
    assert "No evidence of dropout: the NBD" in str(fit.diagnostics)
    assert fit.probability_alive(data).mean() > 0.98
    assert fit.loglik >= NBDModel().fit(data).loglik - 1e-5
    assert_sound(fit, data)


@every_model
def test_everybody_left_long_ago(model):
    rng = np.random.default_rng(5)
    x = rng.poisson(3, 500)
    t_x = np.where(x > 0, 5 * rng.beta(np.maximum(x, 1), 1), 0)
    data = RFMSummary.from_arrays(x, t_x, np.full(500, 200.0), time_unit="week")
    fit = model().fit(data)
    assert fit.diagnostics.converged
    assert fit.probability_alive(data).max() < 0.1
    assert_sound(fit, data)


@every_model
@pytest.mark.parametrize("n", [5, 10, 20, 50])
def test_every_small_sample_gives_a_fit_or_a_data_error(model, n):
    source = ParetoNBDModel().with_params(**TRUE[ParetoNBDModel], time_unit="week")
    for seed in range(6):
        data = source.simulate(n, "40 weeks", seed)
        if not data.frequency.any():
            with pytest.raises(DataError, match="bought again"):
                model().fit(data)
            continue
        fit = model().fit(data)
        assert fit.diagnostics.converged
        assert_sound(fit, data)


def test_differences_in_dropout_that_cannot_be_seen():
    # one dropout rate for all: s and beta run off together
    fit = ParetoNBDModel().with_params(r=2.0, alpha=4.0, s=1e6, beta=5e7, time_unit="week")
    data = fit.simulate(3000, "60 weeks", seed=1)
    found = ParetoNBDModel().fit(data)
    assert found.diagnostics.converged
    assert found.params["s"] / found.params["beta"] == pytest.approx(0.02, rel=0.1)
    if "s" in found.diagnostics.boundary:
        assert "no differences in dropout" in str(found.diagnostics)


# recovery


@every_model
def test_parameters_are_recovered_from_20_000_customers(model):
    true = TRUE[model]
    data = model().with_params(**true, time_unit="week").simulate(20_000, "60 weeks", seed=11)
    fit = model().fit(data)
    assert fit.diagnostics.converged
    assert fit.estimate.covariance is not None
    error = np.log(list(fit.params.values())) - np.log(list(true.values()))
    # a chi-square with as many degrees of freedom as parameters: 25 has probability 1e-4 or less
    assert error @ np.linalg.solve(fit.estimate.covariance, error) < 25
    assert (np.abs(error) < 4 * np.sqrt(np.diag(fit.estimate.covariance))).all()

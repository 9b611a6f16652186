"""Spend models on awkward spend: missing, negative, heavy-tailed, all alike, in any currency."""

import numpy as np
import pandas as pd
import pytest

import clvmodels as clv
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import DataError, ParameterError, UndefinedMeanError
from clvmodels.inference.bootstrap import Bootstrap
from clvmodels.inference.lifetimes import Lifetimes
from clvmodels.models.gamma_gamma import GammaGammaModel
from clvmodels.models.lognormal_normal import LognormalNormalModel


@pytest.fixture(scope="module")
def fit(cdnow):
    return GammaGammaModel().fit(cdnow)


def spenders(x, m, **more):
    x = np.asarray(x, dtype=float)
    return RFMSummary.from_arrays(
        x,
        np.where(x > 0, 5.0, 0),
        np.full(x.size, 10.0),
        time_unit="week",
        monetary_value=m,
        **more,
    )


def heavy_tailed():
    # lognormal spend with a standard deviation of 2 in logs (pymc-marketing #594)
    rng = np.random.default_rng(0)
    x = rng.geometric(0.5, 2000)
    return spenders(x, np.exp(rng.normal(3, 2, 2000)))


def test_one_time_buyers_have_the_population_mean(fit):
    # whatever stands in for the value of no purchase; lifetimes gives NaN for NaN
    values = fit.expected_spend(spenders([0, 0, 0], [np.nan, 0.0, 55.0]))
    np.testing.assert_array_equal(values, fit.population_mean)
    assert fit.population_mean == pytest.approx(35.171, abs=5e-4)


def test_expectation_is_a_weighted_mean_of_own_and_population(fit):
    # Fader, Hardie and Lee (2005b), eq. 5
    p, q = fit.params["p"], fit.params["q"]
    x, m = np.array([1, 2, 10, 1000]), np.array([5000.0, 22.35, 1e-3, 50])
    own = p * x / (p * x + q - 1)
    expected = own * m + (1 - own) * fit.population_mean
    np.testing.assert_allclose(fit.expected_spend(spenders(x, m)), expected, rtol=1e-12)


def test_no_population_mean_where_q_is_one_or_less():
    # at these parameters lifetimes values a one-time buyer at -459.52
    fit = GammaGammaModel().with_params(p=6.25, q=0.79, v=15.44)
    # 60-digit mpmath value: p x + q > 1, so that this customer has a mean
    assert fit.expected_spend(spenders([1], [20.0])) == pytest.approx(36.67218543, rel=1e-9)
    mixed = spenders([1, 0, 0], [20.0, np.nan, 0])
    with pytest.raises(UndefinedMeanError, match=r"2 of 3 customers, first 1, 2.*q = 0.790") as e:
        fit.expected_spend(mixed)
    ways_out = ("median is 185.4", "outliers", "LognormalNormalModel", "data.select(fit.has_mean")
    assert all(way in str(e.value) for way in ways_out)
    with pytest.raises(UndefinedMeanError, match=r"does not exist at q = 0\.790 <= 1"):
        _ = fit.population_mean
    assert fit.population_median == pytest.approx(185.3734751, rel=1e-9)  # mpmath
    # the way on for a table: those who have a mean
    assert fit.has_mean(mixed).tolist() == [True, False, False]
    assert fit.predict(mixed.select(fit.has_mean(mixed))).notna().all(axis=None)


def test_heavy_tail_is_reported(cdnow):
    fit = GammaGammaModel().fit(heavy_tailed())
    # lifetimes: q = .599 too, and -16.09 for a one-time buyer
    assert fit.params["q"] == pytest.approx(0.599, abs=5e-4)
    assert "q = 0.599 is not above 1: the mean spend of the population does not exist" in repr(fit)
    assert "LognormalNormalModel is made for such tails" in repr(fit)
    assert (fit.expected_spend(heavy_tailed()) > 0).all()
    with pytest.raises(UndefinedMeanError, match="Look for outliers"):
        fit.expected_spend(cdnow)


def test_lognormal_spend_has_a_mean_however_heavy_its_tail(cdnow):
    fit = LognormalNormalModel().fit(heavy_tailed())
    assert fit.loglik > GammaGammaModel().fit(heavy_tailed()).loglik + 100
    # the mean value of a customer is drawn from a lognormal with median e^3 and sd 2 in logs,
    # whatever the number of purchases
    assert fit.params["median"] == pytest.approx(np.exp(3), rel=4 * 2 / np.sqrt(2000))
    assert fit.params["tau"] == pytest.approx(2, rel=4 / np.sqrt(2 * 2000))
    assert fit.params["sigma"] < 0.01
    assert "A customer's purchases hardly differ in value: sigma runs to 0" in repr(fit)
    assert "the mean of the population is 7.3 times its median" in repr(fit)
    table = fit.predict(cdnow)
    assert np.isfinite(table.drop(columns="customer_id")).all(axis=None)
    assert (table.expected_spend_lo > 0).all()


def test_a_lognormal_mean_beyond_all_numbers_is_an_error_that_says_so():
    fit = LognormalNormalModel().with_params(median=20.0, sigma=60.0, tau=1.0)
    with pytest.raises(UndefinedMeanError, match=r"largest number .* the median is 20"):
        fit.expected_spend(spenders([0], [np.nan]))
    assert fit.population_median == 20


def test_an_upper_limit_is_infinite_where_a_mean_may_not_exist():
    rng = np.random.default_rng(3)
    x = rng.geometric(0.5, 60)
    data = spenders(x, np.exp(rng.normal(3, 1.4, 60)))
    fit = GammaGammaModel().fit(data)
    q = fit.summary().set_index("parameter").loc["q"]
    assert q.lo < 1 < q.estimate
    table = fit.predict(spenders([0, 20], [np.nan, 30.0]))
    assert np.isinf(table.expected_spend_hi[0])
    assert np.isfinite(table.expected_spend_hi[1])
    assert np.isfinite(table.expected_spend).all()
    assert (table.expected_spend_lo <= table.expected_spend).all()


@pytest.mark.parametrize("q", [1e-3, 0.01, 0.5, 1, 3.7, 1e3, 1e8])
def test_median_halves_the_population(q):
    model = GammaGammaModel()
    median = model.population_median({"p": 6.0, "q": q, "v": 15.0})
    # Z = v G(p) / G(q) for two independent unit-scale gamma variables
    rng = np.random.default_rng(0)
    p_part, q_part = rng.gamma(6.0, size=20_000), rng.gamma(q, size=20_000)
    below = (np.log(15.0) + np.log(p_part) < np.log(median) + np.log(q_part + 1e-320)).mean()
    assert abs(below - 0.5) < 4 * 0.5 / np.sqrt(20_000)


def test_twelve_orders_of_magnitude():
    data = spenders([1, 2, 3, 4, 5, 90], [1e-3, 1e9, 5.0, 1, 100, 7])
    fit = GammaGammaModel().fit(data)
    assert fit.params["q"] < 1
    assert fit.expected_spend(data.select([5])) == pytest.approx(7, rel=0.1)


def test_rows_that_say_nothing_are_counted_not_refused(cdnow, fit):
    # lifetimes: "There exist non-positive (<= 0) values in the monetary_value vector."
    frame = cdnow.to_pandas()
    m = frame.monetary_value.to_numpy(copy=True)
    buyers = np.flatnonzero(frame.frequency > 0)
    m[buyers[:3]] = [0.0, -12.5, -1e-9]
    awkward = RFMSummary.from_frame(frame.assign(monetary_value=m), time_unit="week")
    again = GammaGammaModel().fit(awkward)
    assert again.estimate.customers == 943
    first = ", ".join(str(i) for i in frame.customer_id[buyers[:3]])
    assert f"left out for a mean value that is not positive: 3, first {first}." in repr(again)
    assert again.params == pytest.approx(fit.params, rel=0.02)
    values = again.expected_spend(awkward)
    # net refunds say nothing of what a purchase is worth; free purchases do
    assert values[buyers[1]] == values[buyers[2]] == again.population_mean
    assert values[buyers[0]] < again.population_mean
    assert (values > 0).all()


def test_free_purchases_are_no_lognormal_ones():
    fit = LognormalNormalModel().with_params(median=25.0, sigma=0.5, tau=0.6)
    some = spenders([0, 3, 3, 3], [np.nan, -4.0, 0.0, 1e-9])
    assert fit.informative(some).tolist() == [False, False, False, True]
    values = fit.expected_spend(some)
    assert (values[:3] == fit.population_mean).all()
    assert 0 < values[3] < 0.01
    known = GammaGammaModel().with_params(p=6.25, q=3.74, v=15.44).informative(some)
    assert known.tolist() == [False, False, True, True]


@pytest.mark.parametrize("model", [GammaGammaModel(), LognormalNormalModel()])
def test_fewer_than_two_customers_are_an_error(model):
    with pytest.raises(DataError, match=r"at least 2 customers .*, and found 1 among 3\."):
        model.fit(spenders([2, 0, 3], [10.0, 20, -1]))
    with pytest.raises(DataError, match="no monetary_value"):
        model.fit(RFMSummary.from_arrays([1], [1], [2], time_unit="week"))


def test_correlation_with_frequency_is_reported(fit):
    # CDNOW's 946 repeat buyers: 0.11388 (lifetimes' documentation, 0.113884)
    x_and_m = "their correlation is 0.114 (95 % interval 0.051 to 0.176), of ranks 0.206"
    assert x_and_m in fit.diagnostics.notes[-1]
    one_price = GammaGammaModel().fit(spenders([1, 2, 3, 4, 2], [9.99] * 5))
    assert "no correlation can be computed" in one_price.diagnostics.notes[-1]


def test_the_lognormal_fit_of_cdnow(cdnow):
    fit = LognormalNormalModel().fit(cdnow)
    assert fit.diagnostics.converged
    assert fit.diagnostics.starts_agree
    # CDNOW's is no lognormal spend: the Gamma-Gamma's log-likelihood is -4055.92
    assert fit.loglik == pytest.approx(-4067.27, abs=0.01)  # our own
    # the mean of the 946 mean values is 35.08, which both models all but reproduce
    assert fit.population_mean == pytest.approx(35.08, abs=0.01)


def with_one_order(cdnow, value):
    frame = cdnow.to_pandas()
    m = frame.monetary_value.to_numpy(copy=True)
    row = np.flatnonzero(frame.frequency == 1)[0]
    m[row] = value
    data = RFMSummary.from_frame(frame.assign(monetary_value=m), time_unit="week")
    return data, row, f"Customer {frame.customer_id[row]} "


def test_one_large_order_is_pointed_out(cdnow):
    data, row, customer = with_one_order(cdnow, 5000.0)
    fit = GammaGammaModel().fit(data)
    # gamma tails take one order at its word: lifetimes foresees 3,485 per purchase after such
    assert fit.expected_spend(data)[row] > 3000
    assert f"{customer}is expected to spend" in repr(fit)
    assert "times the median, on the evidence of 1 (mean value 5,000)" in repr(fit)
    lognormal = LognormalNormalModel().fit(data)
    assert lognormal.expected_spend(data)[row] < 300
    assert "on the evidence of" not in repr(lognormal)
    for model in (GammaGammaModel(), LognormalNormalModel()):
        assert "Customer" not in repr(model.fit(cdnow))


def test_a_customer_who_alone_moves_the_estimates_is_named(cdnow):
    data, _, customer = with_one_order(cdnow, 1e6)
    fit, without = LognormalNormalModel().fit(data), LognormalNormalModel().fit(cdnow)
    note = next(note for note in fit.diagnostics.notes if "alone moves the estimates" in note)
    assert note.startswith(f"{customer}(mean value 1e+06, purchases 1)")
    # the estimates of the fit without that order do differ by about as much
    moved = np.log([fit.params[k] / without.params[k] for k in fit.params])
    distance = np.sqrt(moved @ np.linalg.solve(without.estimate.covariance, moved))
    assert distance > 2


def test_equal_numbers_of_purchases_do_not_tell_sigma_from_tau():
    rng = np.random.default_rng(0)
    fit = LognormalNormalModel().fit(spenders(np.ones(300), rng.lognormal(3, 0.8, 300)))
    total = np.hypot(fit.params["sigma"], fit.params["tau"])
    assert total == pytest.approx(0.8, rel=4 / np.sqrt(600))
    assert "same number of purchases, which cannot tell" in repr(fit)
    assert fit.estimate.covariance is None


ALIKE = {
    "one price": ([1, 2, 3, 4, 2], [9.99] * 5),
    "one price, many": (np.random.default_rng(0).integers(1, 9, 500), np.full(500, 1e9)),
    "nearly one price": (
        np.random.default_rng(1).integers(1, 9, 100),
        10 + np.random.default_rng(2).normal(0, 1e-3, 100),
    ),
    "to the last digit": (
        np.random.default_rng(1).integers(1, 9, 100),
        1e9 + np.random.default_rng(2).normal(0, 1e-5, 100),
    ),
    "two customers": ([1, 2], [10.0, 20.0]),
    "in proportion to frequency": ([1, 2, 3, 4, 5], [1.0, 2, 3, 4, 5]),
    "three customers": ([1, 4, 5], [10.0, 5.0, 6.0]),
    "very busy": ([1, 2, 100_000, 4, 5], [3.0, 4, 5, 1, 100]),
    "alike within, not between": ([100] * 50, np.random.default_rng(0).lognormal(3, 1, 50)),
    "alike between, not within": (
        [1] * 400,
        np.random.default_rng(0).gamma(1.0, 20.0, 400),
    ),
}


@pytest.mark.parametrize("name", ALIKE)
def test_spend_without_differences(name):
    x, m = ALIKE[name]
    data = spenders(x, m)
    fit = GammaGammaModel().fit(data)  # a warning would be an error here
    assert fit.diagnostics.converged
    values = fit.expected_spend(data)
    assert np.isfinite(values).all()
    assert (values >= np.min(m) * (1 - 1e-9)).all()
    table = fit.predict(data)
    assert table.notna().all(axis=None)
    assert (table.expected_spend_lo <= table.expected_spend * (1 + 1e-9)).all()
    if np.ptp(m) < 1e-6 * np.max(m):
        np.testing.assert_allclose(values, m, rtol=1e-3)
        assert fit.population_mean == pytest.approx(np.mean(m), rel=1e-3)
        assert "purchases hardly differ in value" in repr(fit)
        assert "Customers hardly differ in what they spend" in repr(fit)


@pytest.mark.parametrize("name", ALIKE)
def test_lognormal_spend_without_differences(name):
    x, m = ALIKE[name]
    data = spenders(x, m)
    fit = LognormalNormalModel().fit(data)  # a warning would be an error here
    assert fit.diagnostics.converged
    values = fit.expected_spend(data)
    assert np.isfinite(values).all()
    assert (values > 0).all()
    table = fit.predict(data)
    assert table.notna().all(axis=None)
    assert (table.expected_spend_lo <= table.expected_spend * (1 + 1e-9)).all()
    if np.ptp(m) < 1e-6 * np.max(m):
        np.testing.assert_allclose(values, m, rtol=1e-6)
        assert fit.population_mean == pytest.approx(np.mean(m), rel=1e-6)
        assert "sigma runs to 0" in repr(fit)
        assert "tau runs to 0" in repr(fit)


@pytest.mark.parametrize("scale", [1e-3, 1e9])
def test_penalised_fits_of_lifetimes_give_positive_spend(scale, cdnow):
    # with a penalizer lifetimes' own prediction turns to -2.23 in cents and -491 at 0.01 in dollars
    m = cdnow.monetary_value * scale
    data = RFMSummary.from_arrays(
        cdnow.frequency, cdnow.recency, cdnow.T, time_unit="week", monetary_value=m
    )
    fit = GammaGammaModel().fit(data, Lifetimes(penalizer=0.001))
    buyers = data.select(data.frequency > 0)
    assert (fit.expected_spend(buyers) > 0).all()
    assert "The penalizer moves the estimates" in repr(fit)


def test_weights_count_customers(cdnow):
    once = GammaGammaModel().fit(cdnow)
    twice = GammaGammaModel().fit(
        RFMSummary(
            customer_id=cdnow.customer_id, frequency=cdnow.frequency, recency=cdnow.recency,
            T=cdnow.T, monetary_value=cdnow.monetary_value, time_unit="week",
            weight=np.full(len(cdnow), 2.0),
        )
    )  # fmt: skip
    assert twice.params == pytest.approx(once.params, rel=1e-6)
    assert twice.loglik == pytest.approx(2 * once.loglik, rel=1e-12)
    assert twice.estimate.customers == 2 * 946


def test_bootstrap_of_spend(cdnow, fit):
    boot = GammaGammaModel().fit(cdnow, Bootstrap(n=100, seed=0))
    assert boot.params == fit.params
    ratio = boot.summary().se / fit.summary().se
    assert ratio.between(0.6, 1.7).all()  # the model is not true, so they need not be equal


def test_purchases_are_simulated_for_whole_frequencies(fit):
    m = fit.simulate(np.array([0, 1, 5]), seed=0)
    assert np.isnan(m[0])
    assert (m[1:] > 0).all()
    np.testing.assert_array_equal(m, fit.simulate(np.array([0, 1, 5]), seed=0))


def test_level_is_checked(fit, cdnow):
    with pytest.raises(ParameterError, match="level"):
        fit.predict(cdnow, level=90)


def test_the_first_purchase_counts_where_its_value_does():
    log = pd.DataFrame(
        {
            "customer_id": [1, 1, 1, 2, 3, 3],
            "date": pd.to_datetime(["2024-01-01"] * 5 + ["2024-02-01"]),
            "value": [9.0, 30, 12, 8, 20, 25],
        }
    )
    log.loc[[1, 2], "date"] = pd.to_datetime(["2024-01-15", "2024-02-09"])
    terms = {"time_unit": "day", "value": "value", "observation_end": "2024-03-01"}
    every = clv.rfm_summary(log, include_first_value=True, **terms)
    fit = clv.GammaGammaModel().with_params(p=6.25, q=3.74, v=15.44)
    counts, means = np.array([3, 1, 2]), np.array([17.0, 8.0, 22.5])
    # eq. 5 of Fader, Hardie and Lee (2005b) with the number of purchases behind each mean
    want = 6.25 * (15.44 + counts * means) / (6.25 * counts + 3.74 - 1)
    np.testing.assert_allclose(fit.expected_spend(every), want, rtol=1e-12)
    repeats = clv.rfm_summary(log, **terms)
    assert fit.expected_spend(repeats)[1] == pytest.approx(fit.population_mean)


def purchases_of(customers, sigma, tau, busy, seed):
    """Mean values of geometric numbers of lognormal purchases, drawn one by one."""
    rng = np.random.default_rng(seed)
    x = rng.geometric(1 / busy, customers)
    who = np.repeat(np.arange(customers), x)
    mu = np.log(25) + tau * rng.standard_normal(customers)
    values = np.exp(mu[who] + sigma * rng.standard_normal(who.size))
    return spenders(x, np.bincount(who, weights=values) / x)


@pytest.mark.parametrize(
    ("sigma", "tau", "busy"), [(0.3, 0.5, 2.5), (0.6, 0.6, 10), (1.0, 0.7, 2.5), (2.0, 1.0, 10)]
)
def test_twenty_thousand_customers_give_lognormal_parameters_back(sigma, tau, busy):
    # of purchases from the definition: what the normal law of log m neglects must not show
    fit = LognormalNormalModel().fit(purchases_of(20_000, sigma, tau, busy, seed=1))
    table = fit.summary().set_index("parameter")
    true = pd.Series({"median": 25.0, "sigma": sigma, "tau": tau})
    z = np.log(table.estimate / true) / (table.se / table.estimate)
    assert (z.abs() < 4).all(), z


@pytest.mark.slow
@pytest.mark.parametrize(("sigma", "busy"), [(0.6, 2.5), (1.0, 10), (2.0, 10)])
def test_lognormal_intervals_cover_although_means_are_not_normal(sigma, busy):
    true = pd.Series({"median": 25.0, "sigma": sigma, "tau": 0.8})
    inside = []
    for seed in range(200):
        data = purchases_of(1_000, sigma, 0.8, busy, seed)
        table = LognormalNormalModel().fit(data).summary(level=0.9).set_index("parameter")
        inside.append((table.lo < true) & (true < table.hi))
    share = pd.DataFrame(inside).mean()
    # four binomial standard errors of 200 intervals at 90 %
    assert (share > 0.9 - 4 * np.sqrt(0.9 * 0.1 / 200)).all(), share

"""What every model of the registry predicts and simulates: bounds, limits and identities."""

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from model_examples import (
    ANNUAL,
    MODELS,
    PEOPLE,
    TRUE,
    every_model,
    every_purchase_model,
    expectations,
    given,
    in_unit,
    predictions,
    simulated,
)

from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import DataError, FitError, ParameterError
from clvmodels.inference.estimate import Estimate
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.nbd import NBDModel
from clvmodels.models.registry import PURCHASE_MODELS, SPEND_MODELS
from clvmodels.units import DiscountRate, Horizon

# predictions


@every_purchase_model
def test_probability_alive_is_a_probability_that_silence_never_raises(key):
    silence = np.concatenate([np.linspace(0, 5, 20), np.geomspace(5, 5000, 40)])
    for x, t_x in [(0, 0.0), (1, 1e-3), (2, 20.0), (30, 25.0), (1000, 100.0)]:
        age = t_x + silence
        data = RFMSummary.from_arrays(
            np.full(age.size, x), np.full(age.size, t_x), age, time_unit="week"
        )
        alive = given(key).probability_alive(data)
        assert ((alive >= 0) & (alive <= 1)).all()
        assert (np.diff(alive) <= 1e-15).all()


@every_purchase_model
def test_expected_purchases_start_at_nothing_and_grow(key):
    fit = given(key)
    zero = fit.expected_purchases(PEOPLE, "0 days")
    assert (zero == 0).all()
    assert not np.signbit(zero).any()  # lifetimes gives -0.0
    horizons = np.geomspace(1e-3, 1e4, 50)
    expected = np.array([fit.expected_purchases(PEOPLE, Horizon(t, "week")) for t in horizons])
    assert np.isfinite(expected).all()
    # but for rounding where all that will ever be bought has been
    assert (np.diff(expected, axis=0) >= -1e-13 * expected[1:]).all()
    alive = fit.probability_alive(PEOPLE) > 1e-12
    assert (np.diff(expected[:30, alive], axis=0) > 0).all()
    if fit.model.stages > 1:  # the next purchase may need more than one step
        return
    # at first at the posterior rate of those alive
    rate = (TRUE[key]["r"] + PEOPLE.frequency) / (TRUE[key]["alpha"] + PEOPLE.T)
    at_first = fit.probability_alive(PEOPLE) * rate * 1e-6
    np.testing.assert_allclose(
        fit.expected_purchases(PEOPLE, Horizon(1e-6, "week")), at_first, rtol=1e-4
    )


@every_purchase_model
def test_the_distribution_of_purchases_sums_to_one_and_has_the_expected_mean(key):
    fit = given(key)
    some = PEOPLE.select(np.arange(6))
    n = np.arange(400)
    pmf = np.array([fit.purchase_pmf(some, int(k), "20 weeks") for k in n])
    assert (pmf >= 0).all()
    np.testing.assert_allclose(pmf.sum(axis=0), 1, rtol=1e-10)
    np.testing.assert_allclose(n @ pmf, fit.expected_purchases(some, "20 weeks"), rtol=1e-8)
    np.testing.assert_array_equal(pmf[0], fit.probability_no_purchase(some, "20 weeks"))
    new = np.array([fit.purchase_pmf_new_customer(int(k), "52 weeks") for k in range(1001)])
    # lifetimes gives NaN from n = 172
    assert new.sum() == pytest.approx(1, abs=1e-8)
    mean = np.arange(1001) @ new
    assert mean == pytest.approx(fit.expected_purchases_new_customer("52 weeks"), rel=1e-7)


@every_purchase_model
@pytest.mark.parametrize("n", [-1, 0.5, True])
def test_purchases_are_counted_in_whole_numbers(key, n):
    with pytest.raises(ParameterError, match="whole number"):
        given(key).purchase_pmf(PEOPLE, n, "4 weeks")


@every_purchase_model
def test_a_new_customer_is_one_just_acquired(key):
    fit = given(key)
    today = RFMSummary.from_arrays([0], [0], [0], time_unit="week")
    for new, known in (
        (fit.expected_purchases_new_customer("1 year"), fit.expected_purchases(today, "1 year")),
        (fit.purchase_pmf_new_customer(2, "1 year"), fit.purchase_pmf(today, 2, "1 year")),
        (
            fit.residual_transactions_new_customer(ANNUAL),
            fit.residual_transactions(today, ANNUAL),
        ),
    ):
        assert new == known[0]
    ages = np.array([[0, 1.0], [30, 52]])
    curve = fit.expected_curve(ages)
    assert curve.shape == ages.shape
    assert curve[1, 1] == pytest.approx(fit.expected_purchases_new_customer("52 weeks"), rel=1e-12)
    assert curve[0, 0] == 0


# discounted transactions


@every_purchase_model
def test_discounting_at_zero_gives_expected_purchases_exactly(key):
    fit = given(key)
    for horizon in ("39 weeks", "1.5 years", "0 days"):
        np.testing.assert_array_equal(
            fit.residual_transactions(PEOPLE, DiscountRate(0, per="year"), horizon),
            fit.expected_purchases(PEOPLE, horizon),
        )


@every_purchase_model
def test_windows_add_up(key):
    fit = given(key)
    whole = fit.residual_transactions(PEOPLE, ANNUAL, "3 years")
    parts = [
        fit.residual_transactions(PEOPLE, ANNUAL, length, start)
        for start, length in (
            ("0 days", "8 months"),
            ("8 months", "16 months"),
            ("2 years", "1 year"),
        )
    ]
    np.testing.assert_allclose(sum(parts), whole, rtol=1e-9)
    later = fit.residual_transactions(PEOPLE, ANNUAL, start="3 years")
    np.testing.assert_allclose(whole + later, fit.residual_transactions(PEOPLE, ANNUAL), rtol=1e-9)


@pytest.mark.slow
@every_purchase_model
def test_all_the_future_is_the_limit_of_long_horizons(key):
    fit = given(key)
    forever = fit.residual_transactions(PEOPLE, ANNUAL)
    # at 15 % a year e^-28 of a purchase's worth is left after 200 years
    far = fit.residual_transactions(PEOPLE, ANNUAL, "200 years")
    np.testing.assert_allclose(far, forever, rtol=1e-8)
    # and of the sum of short periods, discounted in their middle: Fader and Hardie (2015), eq. 3.13
    weeks = np.arange(3000)
    expected = np.array([fit.expected_purchases(PEOPLE, Horizon(float(t), "week")) for t in weeks])
    middle = np.exp(-ANNUAL.force("week") * (weeks[1:] - 0.5))
    np.testing.assert_allclose(middle @ np.diff(expected, axis=0), forever, rtol=5e-4)


@every_purchase_model
def test_discounting_costs_and_negative_rates_pay(key):
    fit = given(key)
    plain = fit.expected_purchases(PEOPLE, "2 years")
    low, high, negative = (
        fit.residual_transactions(PEOPLE, DiscountRate(rate, per="year"), "2 years")
        for rate in (0.01, 0.2, -0.1)
    )
    alive = plain > 1e-12
    assert (high[alive] < low[alive]).all()
    assert (low[alive] < plain[alive]).all()
    assert (plain[alive] < negative[alive]).all()
    for rate in (0.0, -0.1):
        with pytest.raises(ParameterError, match="positive discount rate"):
            fit.residual_transactions(PEOPLE, DiscountRate(rate, per="year"))


# intervals


@every_model
def test_intervals_contain_the_estimate_and_widen_with_the_level(key, fits, cdnow):
    fit = fits[key]
    tables = [
        fit.predict(cdnow, *(["39 weeks"] if key in PURCHASE_MODELS else []), level=level)
        for level in (0.5, 0.9, 0.99)
    ]
    quantity = "expected_purchases" if key in PURCHASE_MODELS else "expected_spend"
    low, high = ([t[f"{quantity}_{end}"] for t in tables] for end in ("lo", "hi"))
    for k in range(3):
        assert (low[k] <= tables[k][quantity]).all()
        assert (tables[k][quantity] <= high[k]).all()
    for k in range(2):
        assert (low[k + 1] <= low[k]).all()
        assert (high[k] <= high[k + 1]).all()
    for level in (0, 1, 90, -0.1):
        with pytest.raises(ParameterError, match="level"):
            fit.summary(level=level)


@every_model
def test_known_parameters_have_intervals_of_no_width(key):
    fit = given(key)
    data = simulated(key, 50)
    table = predictions(fit, data)
    point, low, high = (table.iloc[:, k] for k in (-3, -2, -1))
    np.testing.assert_allclose(low, point, rtol=1e-12)
    np.testing.assert_allclose(high, point, rtol=1e-12)
    for statistic in ("loglik", "aic", "bic"):
        with pytest.raises(FitError, match="given, not fitted"):
            getattr(fit, statistic)
    assert fit.summary().se.isna().all()


@every_model
def test_predictions_are_averaged_over_draws_not_made_at_average_parameters(key):
    draws = np.array([0.5, 1.0, 1.5])
    values = {name: value * draws for name, value in TRUE[key].items()}
    given_one = given(key)
    parts = {f.name: getattr(given_one, f.name) for f in fields(given_one)}
    many = type(given_one)(**{**parts, "estimate": Estimate(method="draws", point=values)})
    data = simulated(key, 60)
    each = [
        expectations(given(key, **{k: float(v[i]) for k, v in values.items()}), data)
        for i in range(3)
    ]
    np.testing.assert_allclose(expectations(many, data), np.mean(each, axis=0), rtol=1e-12)
    assert many.params == pytest.approx(TRUE[key])


@every_model
def test_tidy_table_keeps_order_and_ids(key, fits, cdnow):
    table = predictions(fits[key], cdnow)
    assert table.customer_id.tolist() == cdnow.customer_id.tolist()
    assert table.notna().all(axis=None)
    some = cdnow.select(np.arange(300, 200, -1))
    np.testing.assert_allclose(
        predictions(fits[key], some).iloc[:, -3],
        table.iloc[300:200:-1, -3],
        rtol=1e-11,  # interpolated between other ages
    )
    if key in PURCHASE_MODELS:
        assert table.attrs["horizon"] == "39 weeks"
        assert table.attrs["model"] == MODELS[key].label


@every_model
def test_tables_and_odd_values_get_an_answer_that_helps(key, cdnow):
    with pytest.raises(DataError, match="from_frame"):
        MODELS[key].fit(cdnow.to_pandas())
    with pytest.raises(DataError, match="from_frame"):
        expectations(given(key), cdnow.to_pandas())
    name = next(iter(TRUE[key]))
    for value in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ParameterError, match=f"^{name} must be positive"):
            given(key, **{name: value})


# simulation


@every_purchase_model
def test_simulated_histories_have_the_moments_of_the_model(key):
    fit, n = given(key), 40_000
    data = fit.simulate(n, "52 weeks", seed=1)
    assert (data.T == 52).all()
    x = data.frequency
    mean = fit.expected_purchases_new_customer("52 weeks")
    assert abs(x.mean() - mean) < 4 * x.std() / np.sqrt(n)
    for k in range(5):
        share = fit.purchase_pmf_new_customer(k, "52 weeks")
        assert abs((x == k).mean() - share) < 4 * np.sqrt(share * (1 - share) / n)
    assert (data.frequency == fit.simulate(n, "52 weeks", seed=1).frequency).all()
    assert (data.frequency != fit.simulate(n, "52 weeks", seed=2).frequency).any()


@every_purchase_model
def test_simulated_futures_have_the_moments_of_the_model(key):
    fit, draws = given(key), 10_000
    some = PEOPLE.select(np.arange(6))
    # the same future in another unit
    futures = fit.simulate_purchases(in_unit(some, "day")[0], "30 weeks", draws=draws, seed=2)
    assert futures.shape == (draws, 6)
    error = futures.std(axis=0) / np.sqrt(draws) + 1 / draws  # of none seen, none may be expected
    assert (
        np.abs(futures.mean(axis=0) - fit.expected_purchases(some, "30 weeks")) <= 4 * error
    ).all()
    silent = fit.probability_no_purchase(some, "30 weeks")
    error = np.sqrt(silent * (1 - silent) / draws)
    assert (np.abs((futures == 0).mean(axis=0) - silent) <= 4 * error).all()


@pytest.mark.parametrize("key", SPEND_MODELS)
def test_simulated_spend_has_the_moments_of_the_model(key):
    fit, n = given(key), 100_000
    x = np.random.default_rng(0).integers(0, 4, n)
    m = fit.simulate(x, seed=1)
    assert np.isnan(m[x == 0]).all()
    m = m[x > 0]
    # q = 3.74: the variance exists
    assert abs(m.mean() - fit.population_mean) < 4 * m.std() / np.sqrt(len(m))
    median = fit.population_median
    once = fit.simulate(np.ones(n), seed=2)
    assert abs((once < median).mean() - 0.5) < 4 * 0.5 / np.sqrt(n)


@pytest.mark.slow
@every_model
def test_twenty_thousand_customers_give_the_parameters_back(key):
    for seed in range(3):
        fit = MODELS[key].fit(simulated(key, 20_000, seed))
        assert fit.diagnostics.converged
        table = fit.summary().set_index("parameter")
        z = (np.log(table.estimate) - np.log(pd.Series(TRUE[key]))) / (table.se / table.estimate)
        assert (z.abs() < 4).all(), z


@pytest.mark.slow
@every_model
def test_parameter_intervals_cover_at_their_level(key):
    inside = []
    for seed in range(200):
        data = simulated(key, 2_000, seed)
        table = MODELS[key].fit(data).summary(level=0.9).set_index("parameter")
        true = pd.Series(TRUE[key])
        inside.append((table.lo < true) & (true < table.hi))
    share = pd.DataFrame(inside).mean()
    # four binomial standard errors of 200 intervals at 90 %
    assert ((share - 0.9).abs() < 4 * np.sqrt(0.9 * 0.1 / 200)).all(), share


def test_a_window_in_the_far_future_is_worth_little_but_not_less_than_nothing(cdnow):
    # a customer's discounted purchases after time s are e^(-delta s) times those of a base that
    # waits; for the NBD, whose rates never change, that is exact
    fit = NBDModel().with_params(r=0.385, alpha=12.07, time_unit="week")
    rate = DiscountRate(1.0, per="year")
    now, later = (fit.residual_transactions(cdnow, rate, start=s) for s in (None, "50 years"))
    np.testing.assert_allclose(later, now * 2.0**-50, rtol=1e-8)
    fit = BetaGeoModel().with_params(r=0.243, alpha=4.414, a=0.793, b=2.426, time_unit="week")
    far = fit.residual_transactions(cdnow, rate, start="50 years")
    assert (far > 0).all()
    assert (far < fit.residual_transactions(cdnow, rate) * 2.0**-50).all()

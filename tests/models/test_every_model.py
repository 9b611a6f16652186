"""What holds for every model in the registry: a new model passes this file before any other."""

import copy
import inspect
import pickle
from dataclasses import FrozenInstanceError, fields

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from clvmodels.data.datasets import load_cdnow_summary
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import DataError, FitError, ParameterError, UndefinedMeanError, UnitError
from clvmodels.inference.bootstrap import Bootstrap
from clvmodels.inference.estimate import Estimate
from clvmodels.inference.newton import evaluate
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.models.registry import PURCHASE_MODELS, SPEND_MODELS
from clvmodels.units import DiscountRate, Horizon, TimeUnit
from clvmodels.value.storage import load

# true parameters to simulate from: the orders of magnitude of CDNOW, in weeks and dollars
TRUE = {
    "nbd": {"r": 0.385, "alpha": 12.07},
    "beta_geo": {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426},
    "modified_beta_geo": {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614},
    "gamma_gamma": {"p": 6.25, "q": 3.74, "v": 15.44},
}
MODELS = {**PURCHASE_MODELS, **SPEND_MODELS}
ANNUAL = DiscountRate(0.15, per="year")
# a one-time buyer of today and of long ago, regulars, one long gone, one dead and busy
PEOPLE = RFMSummary.from_arrays(
    [0, 0, 1, 2, 7, 40, 1500],
    [0, 0, 1.71, 30.43, 35.0, 20.0, 100.0],
    [0, 200, 38.86, 38.86, 35.0, 300.0, 1500.0],
    time_unit="week",
)

every_model = pytest.mark.parametrize("key", MODELS)
every_purchase_model = pytest.mark.parametrize("key", PURCHASE_MODELS)


@pytest.fixture(scope="module")
def cdnow():
    return load_cdnow_summary()


@pytest.fixture(scope="module")
def fits(cdnow):
    return {key: model().fit(cdnow) for key, model in MODELS.items()}


def given(key, time_unit="week", **changes):
    unit = {"time_unit": time_unit} if key in PURCHASE_MODELS else {}
    return MODELS[key]().with_params(**{**TRUE[key], **changes}, **unit)


def problem_of(key, data):
    model = MODELS[key]()
    if key in PURCHASE_MODELS:
        return model._problem(data)
    buyers = data.frequency > 0
    return model.problem(data.frequency[buyers], data.monetary_value[buyers], np.ones(buyers.sum()))


def simulated(key, customers, seed=0):
    """A summary drawn from the true parameters."""
    if key in PURCHASE_MODELS:
        return given(key).simulate(customers, "80 weeks", seed)
    x = np.random.default_rng(seed).geometric(0.4, customers) - 1
    m = given(key).simulate(x, seed)
    return RFMSummary.from_arrays(x, x, np.full(customers, 1e6), time_unit="day", monetary_value=m)


def in_unit(data, unit):
    """The same summary with times counted in another unit, and that many of it to one before."""
    factor = data.time_unit.days / TimeUnit.parse(unit).days
    other = RFMSummary(
        customer_id=data.customer_id, frequency=data.frequency, recency=data.recency * factor,
        T=data.T * factor, monetary_value=data.monetary_value, time_unit=unit, weight=data.weight,
    )  # fmt: skip
    return other, factor


def expectations(fit, data, horizon="39 weeks"):
    return (
        fit.expected_purchases(data, horizon)
        if hasattr(fit, "time_unit")
        else fit.expected_spend(data)
    )


def predictions(fit, data):
    if isinstance(fit, FittedPurchases):
        return fit.predict(data, "39 weeks")
    return fit.predict(data)


# the registry itself


@every_model
def test_is_a_frozen_choice_named_by_its_key(key):
    model = MODELS[key]()
    assert model.key == key
    assert model == MODELS[key]()
    assert hash(model) == hash(MODELS[key]())
    assert repr(model).startswith(type(model).__name__)
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        model.parameters = ()
    assert not fields(model), "a choice of these models would need a test of its round trip"


@every_model
def test_docstring_gives_its_source(key):
    doc = inspect.getdoc(MODELS[key])
    assert "References\n----------" in doc
    assert "Examples\n--------" in doc


# likelihood


@every_model
@pytest.mark.parametrize("at", ["true", "start", "elsewhere"])
def test_gradient_and_hessian_match_finite_differences(key, at, cdnow):
    problem = problem_of(key, cdnow)
    theta = {
        "true": np.array(list(TRUE[key].values())),
        "start": problem.starts(problem.data, problem.weight)[0],
        "elsewhere": np.geomspace(0.3, 20, len(TRUE[key])),
    }[at]
    objective, here, limits = problem.objective(), np.log(theta), problem.limits
    exact = evaluate(objective, here, limits)
    h = 1e-5
    for k, step in enumerate(h * np.eye(len(theta))):
        up, down = (evaluate(objective, here + s, limits) for s in (step, -step))
        # central differences: h^2 of truncation, and rounding of values of 1e4 divided by h
        scale = np.abs(exact.hessian).max()
        slope = (up.nll - down.nll) / (2 * h)
        assert exact.gradient[k] == pytest.approx(slope, rel=1e-6, abs=1e-7 * scale)
        bend = (up.gradient - down.gradient) / (2 * h)
        np.testing.assert_allclose(exact.hessian[k], bend, rtol=1e-6, atol=1e-7 * scale)


@every_model
def test_row_order_is_irrelevant(key, fits, cdnow):
    mixed = cdnow.select(np.random.default_rng(0).permutation(len(cdnow)))
    again = type(fits[key].model)().fit(mixed)
    assert again.loglik == pytest.approx(fits[key].loglik, rel=1e-12)
    # the search ends within 1e-5 standard errors of the maximum, mostly within 1e-8
    assert again.params == pytest.approx(fits[key].params, rel=1e-5)
    by_id = pd.Series(expectations(again, mixed), mixed.customer_id)[cdnow.customer_id]
    np.testing.assert_allclose(by_id, expectations(fits[key], cdnow), rtol=1e-5)


@every_model
def test_weights_replicate_customers(key):
    some = simulated(key, 400)
    times = np.random.default_rng(1).integers(1, 4, len(some))
    weighted = RFMSummary(
        customer_id=some.customer_id, frequency=some.frequency, recency=some.recency, T=some.T,
        monetary_value=some.monetary_value, time_unit=some.time_unit, weight=times,
    )  # fmt: skip
    copies = np.repeat(np.arange(len(some)), times)
    m = some.monetary_value
    replicated = RFMSummary.from_arrays(
        some.frequency[copies], some.recency[copies], some.T[copies], time_unit=some.time_unit,
        monetary_value=None if m is None else m[copies],
    )  # fmt: skip
    one, many = (MODELS[key]().fit(data) for data in (weighted, replicated))
    assert one.loglik == pytest.approx(many.loglik, rel=1e-12)
    assert one.params == pytest.approx(many.params, rel=1e-5)
    np.testing.assert_allclose(one.estimate.covariance, many.estimate.covariance, rtol=1e-5)
    assert one.estimate.customers == many.estimate.customers


@every_purchase_model
def test_distinct_rows_stand_for_all_customers(key, fits, cdnow):
    # the 1,016 distinct histories of the 2,357 CDNOW customers
    h = cdnow.compress()
    assert len(h) == 1016
    rows = RFMSummary(
        customer_id=np.arange(len(h)), frequency=h.x, recency=h.t_x, T=h.T, monetary_value=None,
        time_unit="week", weight=h.weight,
    )  # fmt: skip
    fit = MODELS[key]().fit(rows)
    assert fit.params == pytest.approx(fits[key].params, rel=1e-9)
    np.testing.assert_allclose(fit.estimate.covariance, fits[key].estimate.covariance, rtol=1e-9)
    assert fit.bic == pytest.approx(fits[key].bic, rel=1e-12)


# units


@every_purchase_model
@pytest.mark.parametrize("unit", ["hour", "day", "month", "quarter", "year"])
def test_the_time_unit_changes_nothing_but_the_scale(key, unit, fits, cdnow):
    weekly = fits[key]
    other, factor = in_unit(cdnow, unit)
    fit = MODELS[key]().fit(other)
    scaled = {
        p.name: weekly.params[p.name] * (factor if p.dimension == "time" else 1)
        for p in fit.model.parameters
    }
    # the search ends within 1e-5 standard errors of the maximum, mostly within 1e-8
    assert fit.params == pytest.approx(scaled, rel=1e-5)
    # a density in another unit: one factor per repeat purchase, of which there are 2,457
    assert cdnow.frequency.sum() == 2457
    assert fit.loglik == pytest.approx(weekly.loglik - 2457 * np.log(factor), rel=1e-12)
    for quantity in (
        lambda f, d: f.probability_alive(d),
        lambda f, d: f.expected_purchases(d, "39 weeks"),
        lambda f, d: f.residual_transactions(d, ANNUAL),
        lambda f, d: f.purchase_pmf(d, 1, "4 weeks"),
    ):
        np.testing.assert_allclose(quantity(fit, other), quantity(weekly, cdnow), rtol=1e-6)
        # a fit in one unit scores a summary in another
        np.testing.assert_allclose(quantity(weekly, other), quantity(weekly, cdnow), rtol=1e-9)
    assert fit.expected_purchases_new_customer("1 year") == pytest.approx(
        weekly.expected_purchases_new_customer("1 year"), rel=1e-6
    )


@pytest.mark.parametrize("key", SPEND_MODELS)
@pytest.mark.parametrize("factor", [1e-3, 100, 1e6])
def test_the_currency_changes_nothing_but_the_scale(key, factor, fits, cdnow):
    # lifetimes with a penalizer of 0.001: q = 2.447 in dollars, 0.351 in cents
    one = fits[key]
    other = RFMSummary.from_arrays(
        cdnow.frequency, cdnow.recency, cdnow.T, time_unit="week",
        monetary_value=cdnow.monetary_value * factor,
    )  # fmt: skip
    fit = MODELS[key]().fit(other)
    scaled = {
        p.name: one.params[p.name] * (factor if p.dimension == "money" else 1)
        for p in fit.model.parameters
    }
    assert fit.params == pytest.approx(scaled, rel=1e-5)
    np.testing.assert_allclose(fit.estimate.covariance, one.estimate.covariance, rtol=1e-5)
    assert fit.loglik == pytest.approx(one.loglik - 946 * np.log(factor), rel=1e-12)
    np.testing.assert_allclose(
        fit.expected_spend(other), factor * one.expected_spend(cdnow), rtol=1e-6
    )


@every_purchase_model
def test_bare_numbers_are_no_horizons_and_no_rates(key):
    fit = given(key)
    for call in (
        lambda: fit.expected_purchases(PEOPLE, 39),
        lambda: fit.predict(PEOPLE, 39.0),
        lambda: fit.purchase_pmf(PEOPLE, 0, 4),
        lambda: fit.simulate(10, 39),
        lambda: fit.residual_transactions(PEOPLE, 0.15),
        lambda: MODELS[key]().with_params(**TRUE[key], time_unit=7),
    ):
        with pytest.raises(UnitError):
            call()


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
    assert (np.diff(expected, axis=0) >= 0).all()
    alive = fit.probability_alive(PEOPLE) > 1e-12
    assert (np.diff(expected[:, alive], axis=0) > 0).all()
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
        assert table.attrs["model"] == MODELS[key].title


@every_model
def test_tables_and_odd_values_get_an_answer_that_helps(key, cdnow):
    with pytest.raises(DataError, match="from_frame"):
        MODELS[key]().fit(cdnow.to_pandas())
    with pytest.raises(DataError, match="from_frame"):
        expectations(given(key), cdnow.to_pandas())
    name = next(iter(TRUE[key]))
    for value in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ParameterError, match=f"^{name} must be positive"):
            given(key, **{name: value})


# a fit as an object


@every_model
def test_reads_well(key, fits):
    text = repr(fits[key])
    assert text.startswith(MODELS[key].title)
    assert "log-likelihood" in text
    for name in TRUE[key]:
        assert f"{name} " in text
    assert "customers" in text
    html = fits[key]._repr_html_()
    assert "<table" in html
    summary = fits[key].summary()
    assert summary.columns.tolist() == ["parameter", "estimate", "se", "lo", "hi", "meaning"]
    assert summary.parameter.tolist() == list(TRUE[key])
    assert (summary.lo < summary.estimate).all()
    assert (summary.estimate < summary.hi).all()
    assert (summary.meaning.str.len() > 2).all()
    assert "converged" in str(fits[key].diagnostics)


@every_model
def test_cannot_be_changed(key, fits):
    fit = fits[key]
    with pytest.raises(FrozenInstanceError):
        fit.estimate = None
    with pytest.raises(FrozenInstanceError):
        fit.estimate.loglik = 0
    with pytest.raises(TypeError):
        fit.estimate.point["r"] = 1
    for array in (*fit.estimate.point.values(), fit.estimate.covariance, fit.estimate.spread):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1
    fit.params.clear()  # a copy
    assert fit.params


COPIES = {
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "cloudpickle": lambda x: cloudpickle.loads(cloudpickle.dumps(x)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "clone": clone,
    "clone(safe=False)": lambda x: clone(x, safe=False),
}


@every_model
@pytest.mark.parametrize("how", COPIES)
def test_copies_predict_the_same(key, how, fits, cdnow):
    model = COPIES[how](MODELS[key]())
    assert model == MODELS[key]()
    fit = COPIES[how](fits[key])
    pd.testing.assert_frame_equal(
        predictions(fit, cdnow), predictions(fits[key], cdnow), check_exact=True
    )
    assert fit.diagnostics == fits[key].diagnostics
    assert not next(iter(fit.estimate.point.values())).flags.writeable


@every_model
def test_joblib_and_json_round_trips_are_equal_to_the_bit(key, fits, cdnow, tmp_path):
    expected = predictions(fits[key], cdnow)
    joblib.dump(fits[key], tmp_path / "fit.joblib")
    fits[key].save(tmp_path / "fit.json")
    for back in (joblib.load(tmp_path / "fit.joblib"), load(tmp_path / "fit.json")):
        pd.testing.assert_frame_equal(predictions(back, cdnow), expected, check_exact=True)
        assert back.loglik == fits[key].loglik
        assert back.bic == fits[key].bic
        assert back.diagnostics == fits[key].diagnostics
        pd.testing.assert_frame_equal(back.summary(), fits[key].summary(), check_exact=True)
    # parameters and their covariance, no customer rows
    assert (tmp_path / "fit.json").stat().st_size < 5_000
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


@every_model
def test_round_trips_keep_bootstrap_draws(key, tmp_path):
    data = simulated(key, 300)
    fit = MODELS[key]().fit(data, Bootstrap(n=40, seed=3))
    fit.save(tmp_path / "fit.json")
    for back in (load(tmp_path / "fit.json"), pickle.loads(pickle.dumps(fit))):
        pd.testing.assert_frame_equal(
            predictions(back, data), predictions(fit, data), check_exact=True
        )
    assert (tmp_path / "fit.json").stat().st_size < 10_000


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
    error = futures.std(axis=0) / np.sqrt(draws) + 1e-12
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
    median = fit.model.population_median(**TRUE[key])
    once = fit.simulate(np.ones(n), seed=2)
    assert abs((once < median).mean() - 0.5) < 4 * 0.5 / np.sqrt(n)


@pytest.mark.slow
@every_model
def test_twenty_thousand_customers_give_the_parameters_back(key):
    for seed in range(3):
        fit = MODELS[key]().fit(simulated(key, 20_000, seed))
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
        table = MODELS[key]().fit(data).summary(level=0.9).set_index("parameter")
        true = pd.Series(TRUE[key])
        inside.append((table.lo < true) & (true < table.hi))
    share = pd.DataFrame(inside).mean()
    # four binomial standard errors of 200 intervals at 90 %
    assert (share > 0.9 - 4 * np.sqrt(0.9 * 0.1 / 200)).all(), share


def test_undefined_means_are_errors_of_arithmetic():
    assert issubclass(UndefinedMeanError, ArithmeticError)

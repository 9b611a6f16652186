"""What holds for every model in the registry: a new model passes these before any other test."""

import copy
import inspect
import pickle
from dataclasses import FrozenInstanceError

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import pytest
from model_examples import (
    ANNUAL,
    CHOICES,
    MODELS,
    PEOPLE,
    TRUE,
    every_model,
    every_purchase_model,
    expectations,
    given,
    in_unit,
    predictions,
    problem_of,
    simulated,
)
from sklearn.base import clone

from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import UnitError
from clvmodels.inference.bootstrap import Bootstrap
from clvmodels.inference.newton import evaluate
from clvmodels.models.registry import SPEND_MODELS
from clvmodels.value.storage import load

# the registry itself


@every_model
def test_is_a_frozen_choice_named_by_its_key(key):
    model = MODELS[key]
    assert model.key == key
    again = type(model)(**CHOICES.get(key, {}))
    assert model == again
    assert hash(model) == hash(again)
    assert repr(model).startswith(type(model).__name__)
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        model.parameters = ()


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
    again = MODELS[key].fit(mixed)
    assert again.loglik == pytest.approx(fits[key].loglik, rel=1e-12)
    # the search ends within 1e-5 standard errors of the maximum, mostly within 1e-8
    assert again.params == pytest.approx(fits[key].params, rel=1e-5)
    by_id = pd.Series(expectations(again, mixed), mixed.customer_id)[cdnow.customer_id]
    np.testing.assert_allclose(by_id, expectations(fits[key], cdnow), rtol=1e-5)


def assert_same_covariance(one, other, rtol):
    """Equal, or missing from both: at a boundary there is none."""
    if one.diagnostics.boundary:
        assert one.diagnostics.boundary == other.diagnostics.boundary
        assert one.estimate.covariance is None
        assert other.estimate.covariance is None
    else:
        np.testing.assert_allclose(one.estimate.covariance, other.estimate.covariance, rtol=rtol)


@every_model
def test_weights_replicate_customers(key):
    some = simulated(key, 400)
    times = np.random.default_rng(1).integers(1, 4, len(some))
    weighted = RFMSummary(
        customer_id=some.customer_id, frequency=some.frequency, recency=some.recency, T=some.T,
        monetary_value=some.monetary_value, time_unit=some.time_unit, weight=times,
        litt=some.litt,
    )  # fmt: skip
    copies = np.repeat(np.arange(len(some)), times)
    m = some.monetary_value
    replicated = RFMSummary.from_arrays(
        some.frequency[copies], some.recency[copies], some.T[copies], time_unit=some.time_unit,
        monetary_value=None if m is None else m[copies],
        litt=None if some.litt is None else some.litt[copies],
    )  # fmt: skip
    one, many = (MODELS[key].fit(data) for data in (weighted, replicated))
    assert one.loglik == pytest.approx(many.loglik, rel=1e-12)
    assert one.params == pytest.approx(many.params, rel=1e-5)
    assert_same_covariance(one, many, rtol=1e-5)
    assert one.estimate.customers == many.estimate.customers


@every_purchase_model
def test_distinct_rows_stand_for_all_customers(key, fits, cdnow):
    # the 1,016 distinct histories of the 2,357 CDNOW customers
    h = cdnow.compress()
    assert len(h) == 1016
    rows = RFMSummary(
        customer_id=np.arange(len(h)), frequency=h.x, recency=h.t_x, T=h.T, monetary_value=None,
        time_unit="week", weight=h.weight,
        litt=np.bincount(h.inverse, cdnow.litt) / h.weight,
    )  # fmt: skip
    fit = MODELS[key].fit(rows)
    assert fit.params == pytest.approx(fits[key].params, rel=1e-9)
    assert_same_covariance(fit, fits[key], rtol=1e-9)
    assert fit.bic == pytest.approx(fits[key].bic, rel=1e-12)


# units


@every_purchase_model
@pytest.mark.parametrize("unit", ["hour", "day", "month", "quarter", "year"])
def test_the_time_unit_changes_nothing_but_the_scale(key, unit, fits, cdnow):
    weekly = fits[key]
    other, factor = in_unit(cdnow, unit)
    fit = MODELS[key].fit(other)
    scaled = {
        p.name: weekly.params[p.name] * {"time": factor, "rate": 1 / factor}.get(p.dimension, 1)
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
    fit = MODELS[key].fit(other)
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
        lambda: MODELS[key].with_params(**TRUE[key], time_unit=7),
    ):
        with pytest.raises(UnitError):
            call()


# a fit as an object


@every_model
def test_reads_well(key, fits):
    text = repr(fits[key])
    assert text.startswith(getattr(MODELS[key], "label", MODELS[key].title))
    assert "log-likelihood" in text
    for name in TRUE[key]:
        assert f"{name} " in text
    assert "customers" in text
    html = fits[key]._repr_html_()
    assert "<table" in html
    summary = fits[key].summary()
    assert summary.columns.tolist() == ["parameter", "estimate", "se", "lo", "hi", "meaning"]
    assert summary.parameter.tolist() == list(TRUE[key])
    if fits[key].diagnostics.boundary:  # the GGompertz/NBD of CDNOW is the Pareto/NBD
        loose = summary.parameter.isin(fits[key].diagnostics.boundary)
        assert (summary.se.isna() == loose).all()
        assert "no standard errors of these" in text
    else:
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
    curvature = (fit.estimate.covariance, fit.estimate.spread)
    for array in (*fit.estimate.point.values(), *(v for v in curvature if v is not None)):
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
    model = COPIES[how](MODELS[key])
    assert model == MODELS[key]
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
        assert back.model == fits[key].model
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
    fit = MODELS[key].fit(data, Bootstrap(n=40, seed=3))
    fit.save(tmp_path / "fit.json")
    for back in (load(tmp_path / "fit.json"), pickle.loads(pickle.dumps(fit))):
        pd.testing.assert_frame_equal(
            predictions(back, data), predictions(fit, data), check_exact=True
        )
    assert (tmp_path / "fit.json").stat().st_size < 10_000

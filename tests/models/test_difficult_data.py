"""Data on which other packages stop or go astray: a fit with its caveats, or a clear error."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_examples import CHOICES

from clvmodels.data.datasets import load_cdnow_summary
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import DataError, DataWarning, ParameterError
from clvmodels.inference.lifetimes import Lifetimes
from clvmodels.inference.mle import MLE
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.gamma_gamma import GammaGammaModel
from clvmodels.models.modified_beta_geo import ModifiedBetaGeoModel
from clvmodels.models.nbd import NBDModel
from clvmodels.models.registry import PURCHASE_MODELS
from clvmodels.units import DiscountRate, Horizon

ANNUAL = DiscountRate(0.10, per="year")
DROPOUT_MODELS = [BetaGeoModel, ModifiedBetaGeoModel]

every_model = pytest.mark.parametrize("model", PURCHASE_MODELS.values())
every_dropout_model = pytest.mark.parametrize("model", DROPOUT_MODELS)


def made(model):
    """The model, with the choices that it cannot do without."""
    return model(**CHOICES.get(model.key, {}))


def fit_of(model, data):
    chosen = made(model)
    if chosen.timed and data.litt is None:  # gaps that differ as they may
        x, t_x = data.frequency, data.recency
        with np.errstate(divide="ignore", invalid="ignore"):
            data = replace(data, litt=np.where(x > 0, x * np.log(t_x / x) - 0.3 * (x - 1), 0.0))
    return chosen.fit(data)


def weekly(x, t_x, T, **more):
    T = np.broadcast_to(np.asarray(T, dtype=float), np.shape(x))
    return RFMSummary.from_arrays(x, t_x, T, **{"time_unit": "week", **more})


def all_quantities(fit, data, horizon="39 weeks"):
    table = fit.predict(data, horizon)
    yield from (table[name].to_numpy() for name in table.columns[1:])
    yield fit.residual_transactions(data, ANNUAL)
    yield fit.residual_transactions(data, ANNUAL, horizon)
    yield fit.probability_no_purchase(data, horizon)
    yield fit.purchase_pmf(data, 3, horizon)
    yield np.array([fit.expected_purchases_new_customer(horizon)])


def assert_sound(fit, data, horizon="39 weeks"):
    for values in all_quantities(fit, data, horizon):
        assert np.isfinite(values).all()
        assert (values >= 0).all()
    assert str(fit.diagnostics)
    assert fit.summary().estimate.notna().all()


# small samples: on each lifetimes 0.11.3 raises "The model did not converge" (lifetimes #335)

RIDGES = {
    # x, t_x, highest minus log-likelihood, what the notes say
    "homogeneous": (
        [0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 9, 2, 0, 0, 3, 5, 0, 0, 1, 0],
        [0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 8.8, 29.3, 0, 0, 9.4, 22.2, 0, 0, 3.1, 0],
        68.92,
        "no differences in dropout: a and b run off together at a / (a + b) = 0.228",
    ),
    "polarised": (
        [0, 3, 0, 0, 0, 0, 0, 0, 1, 0, 0, 8, 0, 0, 0, 0, 1, 1, 0, 11],
        [0, 22.9, 0, 0, 0, 0, 0, 0, 0.2, 0, 0, 37.6, 0, 0, 0, 0, 0.2, 29.9, 0, 37.1],
        84.23,
        "Dropout is polarised",
    ),
    "homogeneous again": (
        [0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 3, 1, 1],
        [0, 2, 0, 0, 0, 0, 5.9, 0, 0, 0, 12.1, 0, 0, 0, 18.4, 0, 0, 26.7, 3.1, 9.7],
        53.91,
        "no differences in dropout",
    ),
}


@pytest.mark.parametrize("name", RIDGES)
def test_maximum_at_the_boundary_is_reached_and_reported(name):
    x, t_x, bound, note = RIDGES[name]
    data = weekly(x, t_x, 40)
    fit = BetaGeoModel().fit(data)
    assert -fit.loglik <= bound
    assert fit.diagnostics.converged
    assert fit.diagnostics.boundary == ("a", "b")
    assert note in str(fit.diagnostics)
    assert "do not pin down a, b" in fit.estimate.covariance_note
    assert fit.summary().set_index("parameter").se.isna().to_dict() == {
        "r": False, "alpha": False, "a": True, "b": True,
    }  # fmt: skip
    assert_sound(fit, data)
    # what the data do pin down still has an interval
    assert (
        fit.predict(data, "39 weeks").eval("expected_purchases_hi - expected_purchases_lo") > 0
    ).all()


@every_model
@pytest.mark.parametrize("n", [5, 10, 20, 50])
def test_every_small_sample_gives_a_fit_or_a_data_error(model, n):
    # of such samples lifetimes fails on 15, 17, 13 and 6 of 20
    source = BetaGeoModel().with_params(r=0.24, alpha=4.41, a=0.8, b=2.43, time_unit="week")
    for seed in range(20):
        data = source.simulate(n, "40 weeks", seed)
        if not data.frequency.any():
            with pytest.raises(DataError, match="bought again"):
                fit_of(model, data)
            continue
        fit = fit_of(model, data)
        assert fit.diagnostics.converged
        assert_sound(fit, data)


@every_model
def test_customers_are_predicted_alike_alone_and_in_a_crowd(model):
    # few data: alpha spans two orders of magnitude over the draws behind an interval
    source = BetaGeoModel().with_params(r=0.24, alpha=4.41, a=0.8, b=2.43, time_unit="week")
    n = 600
    x = np.arange(n) % 3
    crowd = weekly(x, np.where(x > 0, 1e-3, 0), np.linspace(0.01, 80, n))
    some = np.array([0, 1, 2, 3, 50, 300, n - 1])
    for seed in range(6):
        fit = fit_of(model, source.simulate(60, "40 weeks", seed))
        together = fit.predict(crowd, "39 weeks").iloc[some, 1:]
        alone = [fit.predict(crowd.select([k]), "39 weeks").iloc[0, 1:] for k in some]
        # shapes of 1e7, the limit of what is estimated, cost predictions eight digits
        rtol = 1e-7 if fit.diagnostics.boundary else 1e-10
        np.testing.assert_allclose(together, np.array(alone, dtype=float), rtol=rtol)


# what the data cannot tell


@every_model
def test_nobody_bought_again(model):
    # lifetimes "converges" at its starting values
    cdnow = load_cdnow_summary()
    once = cdnow.select(cdnow.frequency == 0)
    assert len(once) == 1411
    with pytest.raises(DataError, match=r"None of the 1,411 customers bought again.*dropout"):
        fit_of(model, once)


@every_model
def test_nobody_observed(model):
    with pytest.raises(DataError, match=r"T must be positive.*3 of 3 customers, first 0, 1, 2"):
        fit_of(model, weekly([0, 0, 0], [0, 0, 0], 0))


@every_model
def test_repeat_buyers_only(model):
    # lifetimes #451: one-time buyers belong to the base
    cdnow = load_cdnow_summary()
    with pytest.warns(DataWarning, match=r"All 946 customers have repeat purchases.*put them back"):
        fit_of(model, cdnow.select(cdnow.frequency > 0))


@every_dropout_model
def test_no_evidence_of_dropout(model):
    rng = np.random.default_rng(4)
    rate = rng.gamma(2, 1 / 20, 2_000)
    x = rng.poisson(rate * 100)
    t_x = np.where(x > 0, 100 * rng.beta(np.maximum(x, 1), 1), 0)
    data = weekly(x, t_x, 100)
    fit = fit_of(model, data)
    assert fit.params["a"] / (fit.params["a"] + fit.params["b"]) < 0.01
    assert "No evidence of dropout: the NBD" in str(fit.diagnostics)
    assert "P(alive)" in str(fit.diagnostics)
    assert fit.probability_alive(data).mean() > 0.98
    assert fit.loglik >= NBDModel().fit(data).loglik - 1e-6
    assert_sound(fit, data)


@every_dropout_model
def test_little_dropout_is_said_to_be_little(model):
    # NBD data (gamma rates, shape 2, scale 20, T = 100) in which chance looks like dropout, as in
    # a published complaint: lifetimes gives a = .011, b = 5.7
    rng = np.random.default_rng(1)
    rate = rng.gamma(2, 1 / 20, 2_000)
    x = rng.poisson(rate * 100)
    t_x = np.where(x > 0, 100 * rng.beta(np.maximum(x, 1), 1), 0)
    fit = fit_of(model, weekly(x, t_x, 100))
    assert fit.params["a"] == pytest.approx(0.011, abs=2e-3)
    assert "Little dropout to be seen: P(alive) averages 0.98" in str(fit.diagnostics)


@every_dropout_model
def test_dropout_that_is_there_is_not_denied(model):
    notes = " ".join(fit_of(model, load_cdnow_summary()).diagnostics.notes)
    assert "dropout" not in notes


def test_the_nbd_is_what_is_left_without_dropout():
    params = {"r": 0.385, "alpha": 12.07, "time_unit": "week"}
    data = load_cdnow_summary()
    nbd = NBDModel().with_params(**params)
    for model in DROPOUT_MODELS:
        fit = made(model).with_params(**params, a=1e-13, b=1.0)
        np.testing.assert_allclose(fit.probability_alive(data), 1, atol=1e-5)
        # dropout of a / (a + b) after each of some hundred purchases
        np.testing.assert_allclose(
            fit.expected_purchases(data, "52 weeks"),
            nbd.expected_purchases(data, "52 weeks"),
            rtol=1e-5,
        )


# unusual customers


@every_model
def test_an_outlier_is_named(model):
    cdnow = load_cdnow_summary().to_pandas()
    cdnow.loc[len(cdnow)] = [99_999, 1500, 38.0, 38.5, 20.0]
    data = RFMSummary.from_frame(cdnow.astype({"customer_id": int}), time_unit="week")
    fit = fit_of(model, data)
    notes = " ".join(fit.diagnostics.notes)
    assert "Customer 99999 (frequency 1,500) alone moves the estimates by" in notes
    assert_sound(fit, data)


@every_model
def test_clockwork_buyers(model):
    # 12, 24 or 52 purchases a year to the day: Poisson models see no dropout at all
    data = weekly([12, 24, 52, 0] * 30, [52.0, 52.0, 52.0, 0] * 30, 52.5)
    fit = fit_of(model, data)
    assert_sound(fit, data)
    late = weekly([52], [52.0], 104.0)
    assert_sound(fit, late)


@pytest.mark.filterwarnings("ignore::clvmodels.exceptions.DataWarning")  # every day, like rent
def test_busy_daily_customers():
    # lifetimes #405: 289,000 daily users; log of zero, or no convergence
    rng = np.random.default_rng(0)
    n = 20_000
    T = np.where(rng.random(n) < 2 / 3, rng.integers(497, 502, n), rng.integers(1, 497, n))
    stop = rng.geometric(np.maximum(rng.beta(0.8, 1.2, n), 1e-4))
    x = np.minimum(stop, T)
    t_x = np.where(x == T, T, np.minimum(x * 1.0, T))
    x[::5], t_x[::5] = 0, 0
    assert x.max() == 501
    data = weekly(x, t_x, T, time_unit="day")
    for model in PURCHASE_MODELS.values():
        fit = fit_of(model, data)
        assert fit.diagnostics.converged
        for values in all_quantities(fit, data.select(np.arange(0, n, 97)), "28 days"):
            assert np.isfinite(values).all()


ODD_BASES = {
    "all alike": weekly([2] * 50 + [0], [10.0] * 50 + [0], 20),
    "alike and busy": weekly([100] * 1000 + [0], [990.0] * 1000 + [0], 1000),
    "one customer": weekly([3], [10.0], 20),
    "one busy customer": weekly([100_000], [10.0], 20),
    "two customers": weekly([3, 0], [10.0, 0], 20),
    "some seen today": weekly([3, 0, 0, 0, 1], [10, 0, 0, 0, 3], [20, 0, 0, 5, 3]),
    "all seen today but one": weekly([1] + [0] * 99, [3.0] + [0] * 99, [20] + [0] * 99),
    "all buying at the end": weekly([3, 1, 0, 2], [20, 20, 0, 20], 20),
    "hours": weekly([3, 0, 10**5, 1, 0, 5], [1e5, 0, 9e4, 1, 0, 5e3], 1e5, time_unit="hour"),
    "seconds of observation": weekly([3, 0, 1, 0], [1e-6, 0, 2e-6, 0], 1e-5),
    "centuries": weekly([3, 0, 1, 0], [1e5, 0, 2e5, 0], 1e6),
    "one in a thousand came back": weekly([1] + [0] * 999, [3.0] + [0] * 999, 20),
    "very busy": weekly([100_000, 99_999, 5, 0, 0], [990.0, 950, 3, 0, 0], 1000),
    "back at once, then gone": weekly([1] * 20 + [0] * 20, [0.01] * 20 + [0] * 20, 2000),
    "no heterogeneity": weekly(
        np.random.default_rng(0).poisson(3, 3000),
        np.where(np.random.default_rng(0).poisson(3, 3000) > 0, 19.0, 0),
        20,
    ),
}


@every_model
@pytest.mark.parametrize("name", ODD_BASES)
@pytest.mark.filterwarnings("ignore::clvmodels.exceptions.DataWarning")  # no one-time buyers
def test_odd_bases(model, name):
    data = ODD_BASES[name]
    fit = fit_of(model, data)
    assert fit.diagnostics.converged
    assert_sound(fit, data)


@every_model
def test_rare_repeat_buyers_among_many_distinct_rows(model):
    # starts are screened on a sample of rows, in which nobody may have come back
    rng = np.random.default_rng(0)
    x, t_x = np.zeros((2, 20_000))
    x[:3], t_x[:3] = 1, 3
    data = weekly(x, t_x, rng.uniform(10, 20, x.size))
    fit = fit_of(model, data)
    assert fit.diagnostics.converged
    # each model has the Poisson of one rate for all as a limit
    poisson = 3 * np.log(3 / data.T.sum()) - 3
    assert fit.loglik > poisson - 1e-6
    assert_sound(fit, data.select(np.arange(0, 20_000, 500)))


@every_model
def test_fractional_and_huge_weights(model):
    cdnow = load_cdnow_summary()
    base = fit_of(model, cdnow)
    for factor in (0.37, 1e5):
        weighted = RFMSummary(
            customer_id=cdnow.customer_id, frequency=cdnow.frequency, recency=cdnow.recency,
            T=cdnow.T, monetary_value=None, time_unit="week", weight=np.full(len(cdnow), factor),
        )  # fmt: skip
        fit = fit_of(model, weighted)
        assert fit.params == pytest.approx(base.params, rel=1e-6)
        assert fit.loglik == pytest.approx(factor * base.loglik, rel=1e-12)
        if base.diagnostics.boundary:  # the GGompertz/NBD of CDNOW is the Pareto/NBD
            assert fit.diagnostics.boundary == base.diagnostics.boundary
            continue
        np.testing.assert_allclose(
            fit.estimate.covariance * factor, base.estimate.covariance, rtol=1e-5
        )


# parameters far out

positive = {
    "r": st.floats(np.exp(-3), np.exp(3)),
    "alpha": st.floats(np.exp(-2), np.exp(6)),
    "a": st.floats(np.exp(-6), np.exp(3)),
    "b": st.floats(np.exp(-4), np.exp(5)),
    "s": st.floats(np.exp(-3), np.exp(3)),
    "beta": st.floats(np.exp(-2), np.exp(6)),
}
ages = st.floats(0, 1500)


@st.composite
def customers(draw):
    T = draw(ages)
    x = draw(st.integers(0, 1000)) if T > 0 else 0
    t_x = draw(st.floats(T * 1e-6, T)) if x > 0 and T > 1e-300 else 0.0
    return (x if t_x > 0 else 0), t_x, T


@every_model
@settings(max_examples=150)
@given(data=st.data())
def test_finite_and_silent_over_a_wide_box(model, data):
    params = {p.name: data.draw(positive[p.name], p.name) for p in model.parameters}
    people = data.draw(st.lists(customers(), min_size=1, max_size=4))
    horizon = Horizon(data.draw(st.just(0.0) | st.floats(1e-9, 3000)), "week")
    x, t_x, T = np.array(people, dtype=float).T
    fit = made(model).with_params(**params, time_unit="week")
    summary = weekly(x, t_x, T)
    with np.errstate(all="raise", under="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_sound(fit, summary, horizon)
        expected = fit.expected_purchases(summary, horizon)
        rate = (params["r"] + x) / (params["alpha"] + T)
    if fit.model.stages == 1:  # nobody buys faster than alive
        assert (expected <= rate * horizon.length * (1 + 1e-9)).all()


@every_model
@pytest.mark.parametrize("value", [1e-8, 1.0, 1e8])
def test_extreme_parameters(model, value):
    params = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426, "s": 0.6, "beta": 11.6}
    params = {p.name: params[p.name] for p in model.parameters}
    people = weekly(
        [0, 0, 1, 2, 500, 1500, 100_000], [0, 0, 1e-3, 30, 499, 100, 900],
        [0, 300, 38, 38, 500, 1500, 1000],
    )  # fmt: skip
    for name in params:
        fit = made(model).with_params(**{**params, name: value}, time_unit="week")
        assert_sound(fit, people)
        assert_sound(fit, people, Horizon(1e-9, "week"))
        assert_sound(fit, people, Horizon(1e5, "week"))


def test_a_penalised_fit_says_nothing_about_dropout_and_gives_no_false_limits():
    data = load_cdnow_summary()
    fit = ModifiedBetaGeoModel().fit(data, Lifetimes(penalizer=1.0))
    assert "No evidence of dropout" not in str(fit.diagnostics)
    assert "NOT converged" not in str(fit.diagnostics)
    fit = BetaGeoModel().fit(data, Lifetimes(penalizer=1.0))  # where the likelihood curves upwards
    table = fit.predict(data, "39 weeks")
    np.testing.assert_allclose(table.expected_purchases_lo, table.expected_purchases, rtol=1e-9)
    assert "Nor are there intervals" in str(fit.diagnostics)


@pytest.mark.parametrize("method", ["mle", MLE])
def test_a_method_is_an_object(method):
    for model in (BetaGeoModel(), GammaGammaModel()):
        with pytest.raises(ParameterError, match=r"MLE\(\)"):
            model.fit(load_cdnow_summary(), method)


def test_one_time_buyers_are_said_to_be_taken_for_alive():
    data = load_cdnow_summary()
    notes = "\n".join(BetaGeoModel().fit(data).diagnostics.notes)
    assert "1,411 one-time buyers (60%) have P(alive) = 1" in notes
    assert "one-time buyers" not in str(ModifiedBetaGeoModel().fit(data).diagnostics)

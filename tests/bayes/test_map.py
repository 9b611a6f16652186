"""The mode: that of the likelihood under flat priors, the same in every unit, never at infinity."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

import clvmodels as clv
from clvmodels.data.datasets import load_cdnow, load_cdnow_summary, load_donations
from clvmodels.data.retention import RetentionTable
from clvmodels.data.summary import RFMSummary
from clvmodels.data.transactions import rfm_summary
from clvmodels.exceptions import DataError, DataWarning, FitError, FitWarning, ParameterError
from clvmodels.models.registry import (
    OPPORTUNITY_MODELS,
    PURCHASE_MODELS,
    RETENTION_MODELS,
    SPEND_MODELS,
)

MODELS = {**PURCHASE_MODELS, **OPPORTUNITY_MODELS, **SPEND_MODELS, **RETENTION_MODELS}
# regular customers of Fader and Hardie (2007), How to project customer retention, table 1
SURVIVORS = [1000, 631, 468, 382, 326, 289, 262, 241]
HOURS = 365.2425 * 24  # in a year


def model_of(key):
    return MODELS[key](k=2) if "cnbd" in key else MODELS[key]()


@pytest.fixture(scope="module")
def cdnow():
    summary = load_cdnow_summary()
    exact = rfm_summary(
        load_cdnow(sample=True), time_unit="week", observation_end="1997-09-30", litt=True
    )
    return replace(summary, litt=exact.litt)


def data_of(key, cdnow):
    if key in RETENTION_MODELS:
        return RetentionTable.from_survivors(SURVIVORS, period="1 year")
    return load_donations() if key in OPPORTUNITY_MODELS else cdnow


def flat(model):
    lines = clv.describe_priors(model).splitlines()[:-1]  # the last is of groups
    return clv.MAP({line.split(" (")[0]: clv.Flat() for line in lines})


@pytest.mark.parametrize("key", MODELS)
def test_flat_priors_give_the_maximum_of_the_likelihood(key, cdnow):
    data, model = data_of(key, cdnow), model_of(key)
    mle, mode = model.fit(data), model.fit(data, flat(model))
    assert mode.loglik == pytest.approx(mle.loglik, abs=1e-9 * abs(mle.loglik))
    if not mle.diagnostics.boundary:  # at infinity parameters go as far as the search does
        for name, value in mle.params.items():
            assert mode.params[name] == pytest.approx(value, rel=1e-6)


def in_hours_and_cents(data, hours=HOURS, cents=100.0):
    """A summary in years and dollars in hours and cents."""
    return RFMSummary(
        customer_id=data.customer_id,
        frequency=data.frequency,
        recency=data.recency * hours,
        T=data.T * hours,
        monetary_value=data.monetary_value * cents,
        time_unit="hour",
        litt=data.litt + data.frequency * np.log(hours),
    )


def in_years(weeks):
    years = 7 / 365.2425
    return RFMSummary(
        customer_id=weeks.customer_id,
        frequency=weeks.frequency,
        recency=weeks.recency * years,
        T=weeks.T * years,
        monetary_value=weeks.monetary_value,
        time_unit="year",
        litt=weeks.litt + weeks.frequency * np.log(years),
    )


@pytest.mark.parametrize("key", [*PURCHASE_MODELS, *SPEND_MODELS])
def test_unit_and_currency_do_not_matter(key, cdnow):
    model, years = model_of(key), in_years(cdnow)
    fine = model.fit(in_hours_and_cents(years, cents=1e-6), clv.MAP())
    coarse = model.fit(years, clv.MAP())
    factor = {"time": HOURS, "rate": 1 / HOURS, "money": 1e-6, "pure": 1.0}
    for p in model.parameters:
        right = coarse.params[p.name] * factor[p.dimension]
        # the search ends where a step would add next to nothing
        assert fine.params[p.name] == pytest.approx(right, rel=1e-6)


def small(n, seed):
    rng = np.random.default_rng(seed)
    rate, T = rng.gamma(0.5, 0.2, n), 40.0
    x = rng.poisson(rate * T)
    t_x = np.where(x > 0, T * rng.random(n) ** (1 / np.maximum(x, 1)), 0.0)
    return RFMSummary.from_arrays(x, t_x, np.full(n, T), time_unit="week")


@pytest.mark.parametrize("model", [clv.BetaGeoModel(), clv.ParetoNBDModel()])
@pytest.mark.parametrize("n", [5, 10])
def test_tiny_samples_have_a_mode(model, n):
    fitted = 0
    for seed in range(8):
        data = small(n, seed)
        if not (data.frequency > 0).any():
            with pytest.raises(DataError, match="bought again"):
                model.fit(data, clv.MAP())
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)  # all may have bought again
            fit = model.fit(data, clv.MAP(strict=True))
        fitted += 1
        assert fit.estimate.covariance is not None
        # moderate: the MLE of such samples runs to 1e7
        assert all(1e-3 < value < 1e4 for value in fit.params.values())
    assert fitted > 4


def test_no_dropout_does_not_run_to_infinity():
    # a regular Poisson process: nobody ever leaves, and all are alike
    rng = np.random.default_rng(0)
    x = rng.poisson(3.0, 500)
    t_x = np.where(x > 0, 40 * rng.random(500) ** (1 / np.maximum(x, 1)), 0.0)
    data = RFMSummary.from_arrays(x, t_x, np.full(500, 40.0), time_unit="week")
    model = clv.BetaGeoModel()
    assert model.fit(data).diagnostics.boundary
    mode = model.fit(data, clv.MAP())
    assert not mode.diagnostics.boundary
    assert mode.estimate.covariance is not None
    assert mode.params["a"] / (mode.params["a"] + mode.params["b"]) < 0.02


def test_a_prior_pulls():
    data = load_cdnow_summary()
    strong = clv.MAP({"dropout": clv.Prior(0.6, factor=1.01)})
    params = clv.BetaGeoModel().fit(data, strong).params
    assert params["a"] / (params["a"] + params["b"]) == pytest.approx(0.6, abs=0.03)


def test_what_priors_are_refused():
    data = load_cdnow_summary()
    with pytest.raises(ParameterError, match="no 'churn' to have a prior"):
        clv.BetaGeoModel().fit(data, clv.MAP({"churn": clv.Prior(0.2, 2)}))
    with pytest.raises(ParameterError, match="purchases takes Prior"):
        clv.BetaGeoModel().fit(data, clv.MAP({"purchases": 2.0}))
    with pytest.raises(ParameterError, match="dropout is a share"):
        clv.BetaGeoModel().fit(data, clv.MAP({"dropout": clv.Prior(1, 2)}))


@pytest.mark.parametrize("method", [clv.MAP(), clv.Laplace(), clv.MCMC()])
def test_a_ridge_and_priors_do_not_go_together(method):
    data = load_cdnow_summary()
    aged = data.with_column("age", np.linspace(20, 60, len(data)))
    model = clv.BetaGeoModel(covariates=clv.Covariates(purchase="age", ridge=1.0))
    with pytest.raises(ParameterError, match="ridge is a prior"):
        model.fit(aged, method)


def test_a_search_that_does_not_end_is_told(monkeypatch):
    from clvmodels.bayes import map as module

    def unfinished(problem, *found):
        estimate = describe(problem, *found)
        return replace(estimate, diagnostics=replace(estimate.diagnostics, converged=False))

    describe = module.describe
    monkeypatch.setattr(module, "describe", unfinished)
    data = load_cdnow_summary()
    with pytest.warns(FitWarning, match="mode did not converge"):
        clv.NBDModel().fit(data, clv.MAP())
    with pytest.raises(FitError, match="mode did not converge"):
        clv.NBDModel().fit(data, clv.MAP(strict=True))

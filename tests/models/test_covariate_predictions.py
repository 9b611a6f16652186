"""Predictions of models with covariates: those of the same model at each customer's parameters."""

import numpy as np
import pandas as pd
import pytest
from model_examples import ANNUAL, TRUE, given

from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import DataError, FitError, ParameterError
from clvmodels.inference.bootstrap import Bootstrap
from clvmodels.inference.lifetimes import Lifetimes
from clvmodels.models.covariates import Covariates
from clvmodels.models.registry import PURCHASE_MODELS
from clvmodels.value.storage import load

KEYS = [key for key, model in PURCHASE_MODELS.items() if model.processes]
every_one = pytest.mark.parametrize("key", KEYS)


def model(key, **options):
    covariates = Covariates(
        **{"purchase": ("income", "city"), "dropout": "income", **options}  # type: ignore[arg-type]
    )
    return PURCHASE_MODELS[key](covariates=covariates)


def population(key, n=1500, seed=0):
    """Customers whose purchase rates rise with income."""
    rng = np.random.default_rng(seed)
    income = rng.normal(50, 10, n).round(1)
    some = given(key).simulate(n, "80 weeks", seed)
    busy = np.minimum(some.frequency + rng.poisson(np.exp((income - 50) / 20) / 5), 200)
    t_x = np.where(busy > 0, np.where(some.recency > 0, some.recency, 40 * rng.random(n) + 1), 0)
    return (
        RFMSummary.from_arrays(busy, t_x, some.T, time_unit="week")
        .with_column("income", income)
        .with_column("city", rng.integers(0, 2, n))
    )


@pytest.fixture(scope="module", params=KEYS)
def fitted(request):
    data = population(request.param)
    return model(request.param).fit(data), data


def test_each_customer_is_predicted_at_his_own_parameters(fitted):
    fit, data = fitted
    some = data.select(np.arange(40))
    quantities = (
        lambda f, d: f.probability_alive(d),
        lambda f, d: f.probability_alive(d, "9 weeks"),
        lambda f, d: f.expected_purchases(d, "39 weeks"),
        lambda f, d: f.expected_purchases(d, "10 weeks", start="4 weeks"),
        lambda f, d: f.purchase_pmf(d, 1, "12 weeks"),
        lambda f, d: f.residual_transactions(d, ANNUAL),
        lambda f, d: f.next_purchase_time(d, 0.3),
    )
    values = [quantity(fit, some) for quantity in quantities]
    rows = fit.design.row_params(fit.estimate.point, fit.design.matrix(some))
    key = fit.model.key
    for k in range(0, 40, 7):
        own = {name: float(v[0, k if v.shape[1] > 1 else 0]) for name, v in rows.items()}
        alone = PURCHASE_MODELS[key]().with_params(**own, time_unit="week")
        one = some.select([k])
        for quantity, got in zip(quantities, values, strict=True):
            assert got[k] == pytest.approx(quantity(alone, one)[0], rel=1e-7)


def test_new_customers_have_covariates(fitted):
    fit, _ = fitted
    rich, poor = ({"income": v, "city": 1} for v in (70, 30))
    expected = [fit.expected_purchases_new_customer("1 year", who) for who in (rich, poor)]
    assert expected[0] > expected[1]  # purchase rates rise with income
    newborn = (
        RFMSummary.from_arrays([0], [0], [0], time_unit="week")
        .with_column("income", [70])
        .with_column("city", [1])
    )
    assert expected[0] == pytest.approx(fit.expected_purchases(newborn, "1 year")[0], rel=1e-12)
    assert fit.purchase_pmf_new_customer(0, "1 year", rich) == pytest.approx(
        fit.purchase_pmf(newborn, 0, "1 year")[0], rel=1e-12
    )
    assert fit.residual_transactions_new_customer(ANNUAL, covariates=rich) == pytest.approx(
        fit.residual_transactions(newborn, ANNUAL)[0], rel=1e-9
    )
    curve = fit.expected_curve(np.array([0.0, 52.1775]), rich)
    assert curve[1] == pytest.approx(expected[0], rel=1e-9)
    with pytest.raises(ParameterError, match="income"):
        fit.expected_purchases_new_customer("1 year", {"incme": 3})


def test_simulations_know_covariates(fitted):
    fit, data = fitted
    base = fit.simulate(20_000, "52 weeks", seed=2, covariates={"income": 60, "city": 0})
    assert (base.column("income") == 60).all()
    mean = fit.expected_purchases_new_customer("52 weeks", {"income": 60, "city": 0})
    x = base.frequency
    assert abs(x.mean() - mean) < 4 * x.std() / np.sqrt(len(x))
    some = data.select(np.argsort(-fit.expected_purchases(data, "20 weeks"))[:5])
    futures = fit.simulate_purchases(some, "20 weeks", draws=3000, seed=1)
    likely = fit.expected_purchases(some, "20 weeks")
    spread = futures.std(0) / np.sqrt(3000)
    # parameters are drawn too, so their average differs from that at the estimates
    assert (np.abs(futures.mean(0) - likely) < 4 * spread + 0.1 * likely).all()


def test_tables_summaries_and_files(fitted, tmp_path):
    fit, data = fitted
    table = fit.predict(data, "39 weeks")
    assert (table.expected_purchases_lo <= table.expected_purchases).all()
    assert (table.expected_purchases <= table.expected_purchases_hi).all()
    summary = fit.summary().set_index("parameter")
    assert "multiplies the purchase rate" in summary.meaning["purchase:income"]
    assert any("One sd" in note for note in fit.diagnostics.notes)
    assert "income" in repr(fit)
    fit.save(tmp_path / "fit.json")
    again = load(tmp_path / "fit.json")
    assert again.model == fit.model
    pd.testing.assert_frame_equal(again.predict(data, "39 weeks"), table, check_exact=True)


def test_customers_without_covariates_are_named(fitted):
    fit, data = fitted
    bare = RFMSummary.from_arrays(data.frequency, data.recency, data.T, time_unit="week")
    with pytest.raises(DataError, match="no column 'income'"):
        fit.expected_purchases(bare, "1 week")
    gaps = data.column("income").copy()
    gaps[3] = np.nan
    holes = data.with_column("income", gaps)
    for call in (
        lambda: fit.expected_purchases(holes, "1 week"),
        lambda: fit.model.fit(holes),
    ):
        with pytest.raises(DataError, match=r"income.*finite") as caught:
            call()
        assert "3" in str(caught.value)


@every_one
def test_methods_with_covariates(key):
    data = population(key, 400)
    with pytest.raises(FitError, match="covariates"):
        model(key).fit(data, Lifetimes())
    fit = model(key).fit(data, Bootstrap(n=5, seed=1))
    assert len(fit.estimate.replicates["purchase:income"]) == 5
    with pytest.raises(ParameterError, match="without covariates"):
        model(key).with_params(**TRUE[key], time_unit="week")


@every_one
def test_other_units_change_nothing_but_the_scale(key):
    data = population(key, 600)
    days = (
        RFMSummary.from_arrays(data.frequency, data.recency * 7, data.T * 7, time_unit="day")
        .with_column("income", 1000 * data.column("income") - 7)
        .with_column("city", data.column("city"))
    )
    one, other = model(key).fit(data), model(key).fit(days)
    assert other.params["purchase:income"] == pytest.approx(one.params["purchase:income"], rel=1e-4)
    np.testing.assert_allclose(
        other.expected_purchases(days, "39 weeks"), one.expected_purchases(data, "39 weeks"),
        rtol=1e-4,
    )  # fmt: skip

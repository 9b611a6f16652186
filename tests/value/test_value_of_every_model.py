"""Value under each purchase and each spend model: finite, bounded, the same from a file."""

import numpy as np
import pytest

import clvmodels as clv
from clvmodels.exceptions import DataError, ParameterError
from clvmodels.models.registry import OPPORTUNITY_MODELS, PURCHASE_MODELS, SPEND_MODELS

ANNUAL = clv.DiscountRate(0.15, per="year")
K = {"beta_geo_cnbd": {"k": 2}, "modified_beta_geo_cnbd": {"k": 2}}
MODELS = {**PURCHASE_MODELS, **OPPORTUNITY_MODELS}
# whole for weeks of purchases and for yearly opportunities
HORIZON = "3 years"

every_purchase_model = pytest.mark.parametrize("key", MODELS)
every_spend_model = pytest.mark.parametrize("spend", SPEND_MODELS)


@pytest.fixture(scope="module")
def shop():
    """150 customers of CDNOW, with the regularity of their purchases."""
    log = clv.datasets.load_cdnow(sample=True)
    rfm = clv.rfm_summary(
        log, value="value", time_unit="week", observation_end="1997-09-30", litt=True
    )
    return rfm.select(np.arange(150))


@pytest.fixture(scope="module")
def charity():
    """The donors of the BG/BB paper; what they gave is invented."""
    donors = clv.datasets.load_donations().to_pandas()
    rng = np.random.default_rng(0)
    donors["monetary_value"] = np.where(
        donors.frequency > 0, 50 * np.exp(rng.normal(0, 0.4, len(donors))), np.nan
    )
    return clv.OpportunitySummary.from_frame(donors, every="1 year", weight="weight")


@pytest.fixture(scope="module")
def bases(shop, charity):
    return {key: shop if key in PURCHASE_MODELS else charity for key in MODELS}


@pytest.fixture(scope="module")
def purchases(bases):
    return {key: model(**K.get(key, {})).fit(bases[key]) for key, model in MODELS.items()}


@pytest.fixture(scope="module")
def spends(shop, charity):
    return {
        (key, base): model().fit(base)
        for key, model in SPEND_MODELS.items()
        for base in (shop, charity)
    }


@pytest.fixture(scope="module")
def value_of(bases, purchases, spends):
    def value(key, spend, **terms):
        terms = {"discount": ANNUAL, "margin": 0.3, **terms}
        fitted = purchases[key], spends[spend, bases[key]]
        return clv.CLVModel(*fitted, **terms).fit(bases[key])

    return value


@every_spend_model
@every_purchase_model
def test_tables_are_finite_and_intervals_lie_around(key, spend, value_of, bases):
    table = value_of(key, spend).predict(bases[key], HORIZON)
    numbers = table.drop(columns=["customer_id", "flags"])
    assert np.isfinite(numbers.to_numpy()).all()
    assert (numbers >= 0).all(axis=None)
    slack = 1 + 1e-9  # parameters at their limit leave intervals of no width
    assert (table.clv_lo <= slack * table.clv).all()
    assert (table.clv <= slack * table.clv_hi).all()
    # discounting takes away at most all of three years at 15 %
    undiscounted = 0.3 * table.expected_spend * table.expected_purchases
    assert (table.clv <= slack * undiscounted).all()
    assert (table.clv >= undiscounted / 1.15**3 / slack).all()


@every_spend_model
@every_purchase_model
def test_value_is_margin_spend_and_discounted_purchases(key, spend, value_of, bases):
    value, data = value_of(key, spend), bases[key]
    np.testing.assert_allclose(
        value.clv(data, HORIZON),
        0.3
        * value.spend.expected_spend(data)
        * value.purchases.residual_transactions(data, ANNUAL, HORIZON),
        rtol=1e-12,
    )


@every_spend_model
@every_purchase_model
def test_totals_are_sums_with_the_weights(key, spend, value_of, bases):
    value, data = value_of(key, spend), bases[key]
    totals = value.totals(data, HORIZON).set_index("quantity")
    table = value.predict(data, HORIZON)
    assert totals.estimate["discounted value"] == pytest.approx(data.weights @ table.clv, rel=1e-9)
    assert totals.estimate["purchases"] == pytest.approx(
        data.weights @ table.expected_purchases, rel=1e-9
    )
    assert totals.estimate["value"] == pytest.approx(0.3 * totals.estimate["revenue"], rel=1e-9)
    assert (totals.lo <= totals.estimate).all()
    assert (totals.estimate <= totals.hi).all()


@every_purchase_model
def test_distributions_are_what_the_table_sums_up(key, value_of, bases):
    value, data = value_of(key, "gamma_gamma"), bases[key].select(np.arange(20))
    table = value.predict(data, HORIZON)
    long = value.distribution(data, HORIZON).set_index(["quantity", "customer_id"])
    assert (long.sd >= 0).all()
    for name in ("p_alive", "expected_purchases", "expected_spend", "clv"):
        np.testing.assert_allclose(long.loc[name, "mean"], table[name], rtol=1e-12)
    np.testing.assert_allclose(long.loc["clv", ["q05", "q95"]], table[["clv_lo", "clv_hi"]])
    totals = value.purchases.totals(data, HORIZON).set_index("quantity")
    assert totals.estimate["customers"] == data.customers()
    expected = data.weights @ table.expected_purchases
    assert totals.estimate["purchases"] == pytest.approx(expected, rel=1e-9)


@every_purchase_model
def test_all_the_future_is_worth_more_and_is_reached(key, value_of, bases):
    value = value_of(key, "gamma_gamma")
    some = bases[key].select(np.arange(5))
    forever, centuries = value.clv(some), value.clv(some, "300 years")
    assert np.isfinite(forever).all()
    assert (forever >= value.clv(some, HORIZON)).all()
    # what comes after 300 years at 15 % is worth e^-42 of it
    np.testing.assert_allclose(forever, centuries, rtol=1e-7)


@every_spend_model
@every_purchase_model
def test_files_give_the_same_to_the_bit(key, spend, value_of, bases, tmp_path):
    value, data = value_of(key, spend), bases[key]
    value.save(tmp_path / "value.json")
    again = clv.load(tmp_path / "value.json")
    assert repr(again) == repr(value)
    some = data.select(np.arange(10))
    assert again.predict(some, HORIZON).equals(value.predict(some, HORIZON))


def test_covariates_on_the_purchase_side_alone(shop, spends, tmp_path):
    data = shop.with_column("age", np.random.default_rng(1).normal(40, 10, len(shop)))
    model = clv.ModifiedBetaGeoModel(covariates=clv.Covariates(purchase="age"))
    value = clv.CLVModel(model, spends["lognormal_normal", shop], discount=ANNUAL).fit(data)
    table = value.predict(data, HORIZON)
    assert np.isfinite(table[["clv", "clv_lo", "clv_hi"]].to_numpy()).all()
    value.save(tmp_path / "value.json")
    assert clv.load(tmp_path / "value.json").predict(data, HORIZON).equals(table)
    with pytest.raises(DataError, match="no column 'age'"):
        value.predict(shop, HORIZON)


def test_models_of_other_roles_are_told_where_value_is():
    spend = clv.GammaGammaModel()
    with pytest.raises(ParameterError, match="base_value"):
        clv.CLVModel(clv.ShiftedBetaGeoModel(), spend, discount=ANNUAL)
    promo = clv.TimeVaryingParetoNBDModel(purchase="promo")
    with pytest.raises(ParameterError, match=r"expected_spend .* residual_transactions"):
        clv.CLVModel(promo, spend, discount=ANNUAL)


def test_each_model_takes_its_own_kind_of_summary(shop, charity, value_of):
    with pytest.raises(DataError, match="OpportunitySummary"):
        value_of("beta_geo_beta_binom", "gamma_gamma").clv(shop, HORIZON)
    with pytest.raises(DataError, match="RFMSummary"):
        value_of("beta_geo", "gamma_gamma").clv(charity, HORIZON)

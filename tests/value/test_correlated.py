"""Frequency and spend that go together: recovery, brute force, units, files, refusals."""

import numpy as np
import pytest

import clvmodels as clv
from clvmodels.exceptions import DataError, ParameterError, UnitError

ANNUAL = clv.DiscountRate(0.10, per="year")
TERMS = {"discount": ANNUAL, "margin": 0.3}
TRUE = {
    "r": 0.6, "alpha": 6.0, "a": 0.8, "b": 2.5, "p": 6.0, "q": 4.0, "v": 15.0, "multiplier": 1.4,
}  # fmt: skip


def model(purchases=None, **terms):
    chosen = purchases or clv.BetaGeoModel()
    return clv.CLVModel(chosen, clv.GammaGammaModel(), correlated=True, **{**TERMS, **terms})


def shop(customers, seed, T=52.0, ahead=26.0, r=TRUE["r"], alpha=TRUE["alpha"]):
    """Customers one by one: histories, and what each buys later and spends on it."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(r, 1 / alpha, customers)
    out = rng.beta(TRUE["a"], TRUE["b"], customers)
    scale = TRUE["v"] * (rate * alpha / r) ** np.log(TRUE["multiplier"])
    nu = rng.gamma(TRUE["q"], 1, customers) / scale
    x, t_x, m = np.zeros(customers), np.zeros(customers), np.full(customers, np.nan)
    later = np.zeros(customers)
    for i in range(customers):
        t, alive, values = 0.0, True, []
        while alive:
            t += rng.exponential(1 / rate[i])
            if t > T + ahead:
                break
            value = rng.gamma(TRUE["p"]) / nu[i]
            if t <= T:
                x[i], t_x[i] = x[i] + 1, t
                values.append(value)
            else:
                later[i] += value
            alive = rng.random() >= out[i]
        if values:
            m[i] = np.mean(values)
    rfm = clv.RFMSummary.from_arrays(
        x, t_x, np.full(customers, T), time_unit="week", monetary_value=m
    )
    return rfm, later


@pytest.fixture(scope="module")
def cdnow():
    return clv.datasets.load_cdnow_summary()


@pytest.fixture(scope="module")
def value(cdnow):
    return model().fit(cdnow)


@pytest.fixture(scope="module")
def simulated():
    return shop(4000, seed=3)


@pytest.fixture(scope="module")
def recovered(simulated):
    return model().fit(simulated[0])


def test_a_known_link_is_recovered(recovered):
    error = np.sqrt(np.diag(recovered.estimate.covariance))
    off = np.log([recovered.params[k] / TRUE[k] for k in TRUE]) / error
    assert np.abs(off).max() < 3
    assert recovered.loglik_ratio > 20  # a link of 0.34 cannot be missed with 4,000 customers


def test_revenue_to_come_is_that_of_simulated_customers(recovered, simulated):
    rfm, later = simulated
    table = recovered.predict(rfm, "26 weeks")
    expected = (table.expected_purchases * table.expected_spend).to_numpy()
    gap = later - expected
    z = gap.sum() / (gap.std() * np.sqrt(len(gap)))
    assert abs(z) < 4
    # as if they were independent, the best tenth is valued at less than it brings
    best = expected >= np.quantile(expected, 0.9)
    apart = recovered.apart.predict(rfm, "26 weeks")
    as_if = (apart.expected_purchases * apart.expected_spend).to_numpy()
    gap = later[best] - expected[best]
    assert abs(gap.sum()) < 4 * gap.std() * np.sqrt(best.sum())
    assert as_if[best].sum() < expected[best].sum()


@pytest.mark.slow
def test_value_of_correlated_customers_by_brute_force():
    # at the true parameters, with no estimate between them and the simulation
    from clvmodels.kernels import linked_value

    rfm, later = shop(200_000, seed=4)
    x, m = rfm.frequency, np.nan_to_num(rfm.monetary_value)
    alive, _, worth = linked_value.predictions(
        x, rfm.recency, rfm.T, x, m, ((0.0, 0.0, 26.0),), **TRUE
    )
    gap = later - alive * worth[0]
    for group in (x == 0, x == 1, (x > 1) & (x < 5), x >= 5, x >= 0):
        some = gap[group]
        assert abs(some.sum()) < 4 * some.std() * np.sqrt(len(some))


def test_cdnow(value, cdnow):
    # no published value: a log-likelihood ratio of 5.78 is a p-value of 0.0007
    table = value.dependence(cdnow, "12 months").set_index("quantity")
    assert table.estimate["elasticity"] == pytest.approx(0.094, abs=0.001)
    assert table.lo["elasticity"] > 0
    assert table.estimate["log-likelihood ratio"] == pytest.approx(5.78, abs=0.01)
    assert -0.02 < table.estimate["change of clv"] < 0
    assert "not independent" in repr(value)
    assert value.diagnostics.converged


def test_the_table_is_that_of_independent_models(value, cdnow):
    cdnow = cdnow.select(np.arange(300))
    table, apart = (v.predict(cdnow, "12 months") for v in (value, value.apart))
    assert table.columns.tolist() == apart.columns.tolist()
    numbers = table.drop(columns=["customer_id", "flags"])
    assert np.isfinite(numbers.to_numpy()).all()
    assert (table.clv_lo <= table.clv).all()
    assert (table.clv <= table.clv_hi).all()
    np.testing.assert_array_equal(value.clv(cdnow, "12 months"), table.clv)
    totals = value.totals(cdnow, "12 months").set_index("quantity")
    assert totals.estimate["discounted value"] == pytest.approx(table.clv.sum(), rel=1e-10)
    revenue = (table.expected_purchases * table.expected_spend).sum()
    assert totals.estimate["revenue"] == pytest.approx(revenue, rel=1e-10)
    assert (totals.lo < totals.estimate).all()
    assert (totals.estimate < totals.hi).all()
    assert value.totals(cdnow).quantity.tolist() == ["discounted value"]


def test_units_and_currency_do_not_change_the_finding(value, cdnow):
    in_cents = clv.RFMSummary.from_arrays(
        cdnow.frequency, 7 * cdnow.recency, 7 * cdnow.T, time_unit="day",
        monetary_value=100 * cdnow.monetary_value,
    )  # fmt: skip
    other = model().fit(in_cents)
    assert other.params["multiplier"] == pytest.approx(value.params["multiplier"], rel=1e-6)
    assert other.loglik_ratio == pytest.approx(value.loglik_ratio, abs=1e-5)
    some = np.arange(20)
    np.testing.assert_allclose(
        other.clv(in_cents.select(some), "12 months"),
        100 * value.clv(cdnow.select(some), "12 months"),
        rtol=1e-5,
    )


@pytest.mark.parametrize("purchases", [clv.NBDModel(), clv.ModifiedBetaGeoModel()])
def test_a_file_gives_the_same_to_the_bit(purchases, cdnow, tmp_path):
    some = cdnow.select(np.arange(300))
    fitted = model(purchases).fit(some)
    fitted.save(tmp_path / "value.json")
    again = clv.load(tmp_path / "value.json")
    assert repr(again) == repr(fitted)
    few = some.select(np.arange(10))
    assert again.predict(few, "1 year").equals(fitted.predict(few, "1 year"))


def test_other_methods_fit_the_same_problem(cdnow, value):
    resampled = model().fit(cdnow, clv.Bootstrap(n=20, seed=1))
    assert resampled.params == pytest.approx(value.params)
    mode = model().fit(cdnow, clv.MAP(priors={"multiplier": clv.Prior(1, factor=1.02)}))
    # a firm prior pulls towards independence
    assert 1 < mode.params["multiplier"] < 1.05
    assert mode.loglik_ratio == pytest.approx(value.loglik_ratio, abs=1e-9)


def test_amounts_that_say_nothing_are_no_spend(cdnow):
    some = cdnow.select(np.arange(200))
    spent = some.monetary_value.copy()
    buyers = np.flatnonzero(some.frequency > 0)[:2]
    spent[buyers] = 0.0
    data = clv.RFMSummary.from_arrays(
        some.frequency, some.recency, some.T, time_unit="week", monetary_value=spent
    )
    table = model().fit(data).predict(data, "1 year")
    assert np.isfinite(table.clv).all()
    assert table["flags"].iloc[buyers].str.startswith("mean value not positive").all()


def test_what_cannot_be_linked_is_refused(cdnow, value):
    gamma = clv.GammaGammaModel()
    for purchases, spend in (
        (clv.ParetoNBDModel(), gamma),
        (clv.BetaGeoModel(), clv.LognormalNormalModel()),
        (clv.BetaGeoModel().fit(cdnow), gamma),
    ):
        with pytest.raises(ParameterError, match="correlated=True is for NBDModel"):
            clv.CLVModel(purchases, spend, correlated=True, **TERMS)
    with pytest.raises(ParameterError, match="no covariates"):
        model(clv.BetaGeoModel(covariates=clv.Covariates(purchase="age")))
    with pytest.raises(ParameterError, match="as they happen"):
        model(timing="month_end")
    with pytest.raises(ParameterError, match="no groups"):
        model().fit(cdnow, clv.MCMC(groups="market"))
    with pytest.raises(ParameterError, match="positive discount rate"):
        model(discount=0).fit(cdnow.select(np.arange(300))).clv(cdnow)
    with pytest.raises(UnitError, match="needs a number and a unit"):
        value.clv(cdnow, 12)
    bare = clv.RFMSummary.from_arrays([1, 2], [1, 2], [3, 3], time_unit="week")
    with pytest.raises(DataError, match="no monetary_value"):
        value.clv(bare, "1 year")

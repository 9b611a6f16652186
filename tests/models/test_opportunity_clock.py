"""Predictions by opportunity: horizons are whole numbers of them, discounting is per one."""

import numpy as np
import pytest

import clvmodels as clv
from clvmodels.exceptions import DataError, UnitError
from clvmodels.units import DiscountRate

TENTH = DiscountRate(0.10, per="year")


@pytest.fixture(scope="module")
def donations():
    return clv.datasets.load_donations()


@pytest.fixture(scope="module")
def fit(donations):
    return clv.BetaGeoBetaBinomModel().fit(donations)


def test_published_predictions_of_the_donations(fit, donations):
    # Fader, Hardie and Shang (2010) as in the BTYD vignette: parameters, log-likelihood, P(alive)
    # in 2002, the opportunity after the last of the calibration
    assert fit.params == pytest.approx(
        {"alpha": 1.204, "beta": 0.750, "gamma": 0.657, "delta": 2.783}, abs=6e-4
    )
    assert fit.loglik == pytest.approx(-33225.6, abs=0.05)
    cell = {(int(x), int(t)): k for k, (x, t) in enumerate(
        zip(donations.frequency, donations.recency, strict=True)
    )}  # fmt: skip
    alive = fit.probability_alive(donations, "1 year")
    for where, value in (((0, 0), 0.11), ((2, 4), 0.59), ((6, 6), 0.93)):
        assert alive[cell[where]] == pytest.approx(value, abs=0.005)
    # lifetime transactions of the cells at 10 % a year (Fader and Hardie's table)
    dert = fit.residual_transactions(donations, TENTH)
    for where, value in (((6, 6), 5.91), ((5, 6), 5.09), ((0, 0), 0.115)):
        assert dert[cell[where]] == pytest.approx(value, abs=0.006)


def test_horizons_are_whole_numbers_of_opportunities(fit, donations):
    for horizon in ("6 months", "1.5 years"):
        with pytest.raises(UnitError, match="whole number"):
            fit.expected_purchases(donations, horizon)
    one, two = (fit.expected_purchases(donations, f"{k} years") for k in (1, 2))
    later = fit.expected_purchases(donations, "1 year", start="1 year")
    np.testing.assert_allclose(one + later, two, rtol=1e-10)
    assert fit.expected_purchases_new_customer("2 years") > 0


def test_every_quantity_is_there(fit, donations):
    now = fit.probability_alive(donations)
    path = [now, *(fit.probability_alive(donations, f"{k} years") for k in (1, 3, 10))]
    assert (np.diff(path, axis=0) <= 0).all()
    pmf = np.array([fit.purchase_pmf(donations, n, "5 years") for n in range(7)])
    np.testing.assert_allclose(pmf.sum(0), 1, rtol=1e-10)
    assert (pmf[6] == 0).all()
    np.testing.assert_allclose(
        np.arange(7) @ pmf, fit.expected_purchases(donations, "5 years"), rtol=1e-9
    )
    wait = fit.next_purchase_time(donations, 0.5)
    for k, t in enumerate(wait):
        one = donations.select([k])
        if np.isinf(t):
            continue
        assert t == round(t)
        bought = 1 - fit.probability_no_purchase(one, f"{t:.0f} years")[0]
        before = 1 - fit.probability_no_purchase(one, f"{t - 1:.0f} years")[0]
        assert before < 0.5 <= bought
    assert np.isfinite(wait).any()


def test_discounting_is_the_sum_over_opportunities(fit, donations):
    parts = np.array([
        fit.expected_purchases(donations, "1 year", start=f"{k} years") for k in range(300)
    ])  # fmt: skip
    want = 1.1 ** -np.arange(1, 301) @ parts
    np.testing.assert_allclose(fit.residual_transactions(donations, TENTH), want, rtol=1e-9)
    np.testing.assert_allclose(
        fit.residual_transactions(donations, TENTH, "3 years", "2 years"),
        1.1 ** -np.arange(3, 6) @ parts[2:5],
        rtol=1e-9,
    )


def test_simulation_and_files(fit, donations, tmp_path):
    base = fit.simulate(20_000, "6 years", seed=1)
    assert isinstance(base, clv.OpportunitySummary)
    mean = fit.expected_purchases_new_customer("6 years")
    assert abs(base.frequency.mean() - mean) < 4 * base.frequency.std() / np.sqrt(20_000)
    futures = fit.simulate_purchases(donations, "5 years", draws=2000, seed=1)
    expected = fit.expected_purchases(donations, "5 years")
    assert (np.abs(futures.mean(0) - expected) < 4 * futures.std(0) / np.sqrt(2000) + 0.02).all()
    fit.save(tmp_path / "fit.json")
    again = clv.load(tmp_path / "fit.json")
    np.testing.assert_array_equal(again.expected_purchases(donations, "5 years"), expected)
    table = fit.predict(donations, "5 years")
    assert (table.expected_purchases_lo <= table.expected_purchases).all()


def test_lifetimes_finds_the_same(fit, donations):
    theirs = clv.BetaGeoBetaBinomModel().fit(donations, clv.Lifetimes())
    assert theirs.loglik <= fit.loglik + 1e-6
    assert theirs.params == pytest.approx(fit.params, rel=1e-3)


def test_containers_are_not_mixed_up(fit, donations):
    rfm = clv.datasets.load_cdnow_summary()
    for call in (
        lambda: clv.BetaGeoBetaBinomModel().fit(rfm),
        lambda: fit.expected_purchases(rfm, "1 year"),
    ):
        with pytest.raises(DataError, match="OpportunitySummary"):
            call()
    with pytest.raises(DataError, match="RFMSummary"):
        clv.BetaGeoModel().fit(donations)
    table = clv.RetentionTable.from_survivors([10, 5, 3], period="1 year")
    with pytest.raises(DataError, match="RFMSummary"):
        clv.ParetoNBDModel().fit(table)


def test_value_of_donors(donations):
    rng = np.random.default_rng(0)
    repeated = donations.frequency > 0
    amounts = np.where(repeated, rng.gamma(5, 8, len(donations)), np.nan)
    data = clv.OpportunitySummary(
        customer_id=donations.customer_id, frequency=donations.frequency,
        recency=donations.recency, opportunities=donations.opportunities, every="1 year",
        monetary_value=amounts, weight=donations.weight,
    )  # fmt: skip
    model = clv.CLVModel(
        clv.BetaGeoBetaBinomModel(), clv.GammaGammaModel(), discount=TENTH, margin=0.5
    )
    value = model.fit(data)
    table = value.predict(data)
    assert np.isfinite(table.clv).all()
    dert = value.purchases.residual_transactions(data, TENTH)
    np.testing.assert_allclose(table.clv, 0.5 * table.expected_spend * dert, rtol=1e-9)
    assert (value.totals(data, "5 years").estimate > 0).all()

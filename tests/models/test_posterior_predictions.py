"""Purchases predicted from posteriors: the average over draws, and how far these lie apart."""

import numpy as np
import pytest

import clvmodels as clv
from clvmodels.data.datasets import load_cdnow_summary
from clvmodels.exceptions import DataError, ParameterError
from clvmodels.inference.estimate import Estimate
from clvmodels.inference.groups import Groups
from clvmodels.models import averaging
from clvmodels.models.clock import PlainClock
from clvmodels.models.fitted_purchases import FittedPurchases

# Fader, Hardie and Lee (2005), CDNOW in weeks, with standard errors of the logs about as published
CENTRE = {"r": (0.243, 0.05), "alpha": (4.414, 0.09), "a": (0.793, 0.2), "b": (2.426, 0.25)}
HORIZON = "39 weeks"
DRAWS = 60


def posterior(draws, seed=0):
    rng = np.random.default_rng(seed)
    point = {k: v * np.exp(s * rng.standard_normal((draws, 1))) for k, (v, s) in CENTRE.items()}
    return Estimate(f"draws({draws})", point=point, replicates=point)


def fitted(estimate):
    return FittedPurchases(estimate, clv.BetaGeoModel(), PlainClock.of("week"))


@pytest.fixture(scope="module")
def cdnow():
    data = load_cdnow_summary().select(np.arange(300))
    rng = np.random.default_rng(0)
    data = data.with_column("segment", rng.choice(["ads", "shop"], len(data)))
    return data.with_column("month", rng.integers(1, 4, len(data)))


@pytest.fixture(scope="module")
def fit():
    return fitted(posterior(DRAWS))


@pytest.fixture(scope="module")
def by_hand(cdnow, fit):
    """Each draw as a model with known parameters: brute force over draws."""
    alive, expected = [], []
    for k in range(DRAWS):
        params = {name: float(values[k, 0]) for name, values in fit.estimate.point.items()}
        one = clv.BetaGeoModel().with_params(**params, time_unit="week")
        alive.append(one.probability_alive(cdnow))
        expected.append(one.expected_purchases(cdnow, HORIZON))
    return {"p_alive": np.array(alive), "expected_purchases": np.array(expected)}


def test_means_and_quantiles_are_those_over_all_draws(cdnow, fit, by_hand):
    table = fit.distribution(cdnow, HORIZON, quantiles=(0.05, 0.5, 0.975))
    names = ["customer_id", "quantity", "mean", "sd", "q05", "q50", "q97.5"]
    assert table.columns.tolist() == names
    assert len(table) == 2 * len(cdnow)
    for name, draws in by_hand.items():
        its = table[table.quantity == name]
        assert its.customer_id.tolist() == cdnow.customer_id.tolist()
        # interpolation over ages is right to a relative 2e-12
        np.testing.assert_allclose(its["mean"], draws.mean(axis=0), rtol=1e-10)
        np.testing.assert_allclose(its.sd, draws.std(axis=0), rtol=1e-8, atol=1e-12)
        limits = np.quantile(draws, (0.05, 0.5, 0.975), axis=0).T
        np.testing.assert_allclose(its[["q05", "q50", "q97.5"]], limits, rtol=1e-10)


def test_tables_agree_with_each_other(cdnow, fit, by_hand):
    table = fit.predict(cdnow, HORIZON, level=0.8)
    expected = by_hand["expected_purchases"]
    np.testing.assert_allclose(table.expected_purchases, expected.mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(
        table.expected_purchases, fit.expected_purchases(cdnow, HORIZON), rtol=1e-12
    )
    np.testing.assert_allclose(table.p_alive, by_hand["p_alive"].mean(axis=0), rtol=1e-10)
    limits = np.quantile(expected, (0.1, 0.9), axis=0).T
    np.testing.assert_allclose(table.filter(regex="_(lo|hi)$"), limits, rtol=1e-10)


def test_average_parameters_predict_something_else(cdnow, fit, by_hand):
    at_means = clv.BetaGeoModel().with_params(**fit.params, time_unit="week")
    mean = by_hand["expected_purchases"].mean(axis=0)
    assert np.abs(at_means.expected_purchases(cdnow, HORIZON) / mean - 1).max() > 1e-3


def test_draws_on_request(cdnow, fit, by_hand):
    draws = fit.distribution(cdnow, HORIZON, draws=True)
    assert list(draws) == ["p_alive", "expected_purchases"]
    for name, values in draws.items():
        np.testing.assert_allclose(values, by_hand[name], rtol=1e-10)


@pytest.mark.parametrize("elements", [100, 2000])
def test_tiny_blocks_give_the_same(cdnow, fit, elements, monkeypatch):
    whole = fit.distribution(cdnow, HORIZON), fit.totals(cdnow, HORIZON, by="segment")
    monkeypatch.setattr(averaging, "ELEMENTS", elements)
    monkeypatch.setattr(averaging, "CACHED", elements)
    pieces = fit.distribution(cdnow, HORIZON), fit.totals(cdnow, HORIZON, by="segment")
    for one, other in zip(whole, pieces, strict=True):
        numbers = one.select_dtypes("float").columns
        # interpolation over other ages rounds otherwise, by 2e-12 of the values
        np.testing.assert_allclose(other[numbers], one[numbers], rtol=1e-10, atol=1e-11)


def test_a_posterior_of_one_draw_is_certain(cdnow):
    table = fitted(posterior(1)).distribution(cdnow, HORIZON)
    assert (table.sd == 0).all()
    np.testing.assert_allclose(table.q05, table["mean"], rtol=1e-12)
    np.testing.assert_array_equal(table.q05, table.q95)


def test_a_maximum_is_predicted_at_and_its_draws_lie_around():
    data = load_cdnow_summary()
    fit = clv.BetaGeoModel().fit(data)
    table = fit.distribution(data, HORIZON).query("quantity == 'expected_purchases'")
    np.testing.assert_allclose(table["mean"], fit.expected_purchases(data, HORIZON), rtol=1e-12)
    assert (table.sd > 0).all()
    assert (table.q05 < table.q95).all()
    draws = fit.distribution(data, HORIZON, draws=True)["expected_purchases"]
    assert draws.shape == (200, len(data))
    np.testing.assert_allclose(table.sd, draws.std(axis=0), rtol=1e-9)


# totals


def test_totals_are_sums_draw_by_draw(cdnow, fit, by_hand):
    totals = fit.totals(cdnow, HORIZON).set_index("quantity")
    assert totals.index.tolist() == ["customers", "alive", "purchases"]
    assert totals.columns.tolist() == ["estimate", "sd", "lo", "hi"]
    assert totals.loc["customers"].tolist() == [300, 0, 300, 300]
    for name, quantity in (("alive", "p_alive"), ("purchases", "expected_purchases")):
        sums = by_hand[quantity].sum(axis=1)
        expected = [sums.mean(), sums.std(), *np.quantile(sums, (0.05, 0.95))]
        np.testing.assert_allclose(totals.loc[name], expected, rtol=1e-9)
    # draws move customers together, so sums of their bounds are not the bounds of the sum
    table = fit.predict(cdnow, HORIZON)
    assert table.expected_purchases_lo.sum() < totals.lo["purchases"]
    assert table.expected_purchases_hi.sum() > totals.hi["purchases"]


@pytest.mark.parametrize("by", ["segment", "month", ["segment", "month"]])
def test_groups_have_totals_of_their_own_and_add_up(by, cdnow, fit, by_hand):
    table = fit.totals(cdnow, HORIZON, by=by)
    names = [by] if isinstance(by, str) else by
    assert table.columns.tolist() == [*names, "quantity", "estimate", "sd", "lo", "hi"]
    for key, rows in table.groupby(names):
        where = np.all([cdnow.columns[n] == k for n, k in zip(names, key, strict=True)], axis=0)
        alone = fit.totals(cdnow.select(where), HORIZON)
        columns = ["estimate", "sd", "lo", "hi"]
        np.testing.assert_allclose(rows[columns], alone[columns], rtol=1e-9)
    sums = table.groupby("quantity").estimate.sum()
    whole = fit.totals(cdnow, HORIZON).set_index("quantity").estimate
    np.testing.assert_allclose(sums[whole.index], whole, rtol=1e-9)


def test_rows_count_as_their_weight(cdnow, fit):
    heavy = clv.RFMSummary(
        customer_id=cdnow.customer_id, frequency=cdnow.frequency, recency=cdnow.recency, T=cdnow.T,
        monetary_value=None, time_unit="week", weight=np.full(len(cdnow), 2.5),
        columns=cdnow.columns,
    )  # fmt: skip
    columns = ["estimate", "sd", "lo", "hi"]
    once, often = (fit.totals(d, HORIZON, by="segment")[columns] for d in (cdnow, heavy))
    np.testing.assert_allclose(often, 2.5 * once, rtol=1e-12)


def test_groups_by_a_column_of_every_summary(cdnow, fit):
    table = fit.totals(cdnow, HORIZON, by="frequency")
    counts = table[table.quantity == "customers"]
    assert counts.frequency.tolist() == sorted(set(cdnow.frequency))
    assert counts.estimate.sum() == 300


# refusals


def test_unknown_columns_and_gaps_are_refused(cdnow, fit):
    with pytest.raises(DataError, match=r"no column 'market' .* segment, month"):
        fit.totals(cdnow, HORIZON, by="market")
    gaps = np.where(np.arange(300) < 2, None, cdnow.columns["segment"])
    with pytest.raises(DataError, match=r"campaign must be given .* 2 of 300"):
        fit.totals(cdnow.with_column("campaign", gaps), HORIZON, by="campaign")
    with pytest.raises(ParameterError, match="give yours another name"):
        fit.totals(cdnow.with_column("sd", gaps), HORIZON, by="sd")
    for by in ([], 3, [3]):
        with pytest.raises(ParameterError, match="by takes the name of a column"):
            fit.totals(cdnow, HORIZON, by=by)


@pytest.mark.parametrize("quantiles", [0.5, (0.5, 1.5), "0.5", (np.nan,), None])
def test_quantiles_are_probabilities(quantiles, cdnow, fit):
    with pytest.raises(ParameterError, match="sequence of probabilities"):
        fit.distribution(cdnow, HORIZON, quantiles=quantiles)


def test_too_many_draws_are_refused(cdnow):
    with pytest.raises(ParameterError, match=r"1,000,000 draws .* take 4\.8 GB, more than 2 GB"):
        fitted(posterior(1_000_000)).distribution(cdnow, HORIZON, draws=True)


# groups


def test_customers_have_the_draws_of_their_group(cdnow):
    parts = [posterior(DRAWS, seed).point for seed in range(4)]  # typical, ads, shop, not seen
    point = {name: np.hstack([part[name] for part in parts]) for name in CENTRE}
    estimate = Estimate("pooled", point=point, replicates=point)
    groups = Groups(("segment",), (("ads",), ("shop",)), customers=(150.0, 150.0))
    fit = FittedPurchases(estimate, clv.BetaGeoModel(), PlainClock.of("week"), None, groups)
    table = fit.distribution(cdnow, HORIZON).set_index("customer_id")
    totals = fit.totals(cdnow, HORIZON, by="segment")
    for place, segment in ((1, "ads"), (2, "shop")):
        some = cdnow.select(cdnow.columns["segment"] == segment)
        alone = fitted(posterior(DRAWS, place))
        numbers = ["mean", "sd", "q05", "q50", "q95"]
        np.testing.assert_allclose(
            table.loc[some.customer_id, numbers],
            alone.distribution(some, HORIZON)[numbers],
            rtol=1e-8, atol=1e-12,
        )  # fmt: skip
        columns = ["estimate", "sd", "lo", "hi"]
        np.testing.assert_allclose(
            totals.loc[totals.segment == segment, columns],
            alone.totals(some, HORIZON)[columns],
            rtol=1e-8,
        )

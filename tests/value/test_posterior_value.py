"""Money from posteriors: draws of purchases times draws of spend, never products of averages."""

import numpy as np
import pytest

import clvmodels as clv
from clvmodels.data.datasets import load_cdnow_summary
from clvmodels.exceptions import DataError, ParameterError, UndefinedMeanError
from clvmodels.inference.estimate import Estimate
from clvmodels.models import averaging
from clvmodels.models.clock import PlainClock
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.models.spend import FittedSpend

# Fader, Hardie and Lee (2005) and (2005b), CDNOW in weeks and dollars, with a spread of the logs
BUYING = {"r": (0.243, 0.05), "alpha": (4.414, 0.09), "a": (0.793, 0.2), "b": (2.426, 0.25)}
SPENDING = {"p": (6.25, 0.1), "q": (3.74, 0.06), "v": (15.44, 0.15)}
ANNUAL = clv.DiscountRate(0.15, per="year")
YEAR = "12 months"
DRAWS = 40
NAMES = ["p_alive", "expected_purchases", "expected_spend", "clv"]


def posterior(centre, draws, seed=0):
    rng = np.random.default_rng(seed)
    point = {k: v * np.exp(s * rng.standard_normal((draws, 1))) for k, (v, s) in centre.items()}
    return Estimate(f"draws({draws})", point=point, replicates=point)


def purchases_of(draws):
    return FittedPurchases(posterior(BUYING, draws), clv.BetaGeoModel(), PlainClock.of("week"))


def spend_of(draws):
    return FittedSpend(posterior(SPENDING, draws, 1), clv.GammaGammaModel())


def value_of(purchases, spend, data, margin=0.3, **terms):
    return clv.CLVModel(purchases, spend, discount=ANNUAL, margin=margin, **terms).fit(data)


@pytest.fixture(scope="module")
def cdnow():
    data = load_cdnow_summary().select(np.arange(250))
    segment = np.random.default_rng(0).choice(["ads", "shop", "web"], len(data))
    return data.with_column("segment", segment)


@pytest.fixture(scope="module")
def value(cdnow):
    return value_of(purchases_of(DRAWS), spend_of(DRAWS), cdnow)


@pytest.fixture(scope="module")
def by_hand(cdnow, value):
    """Each draw as models with known parameters, and what they predict: brute force."""
    found = {name: [] for name in [*NAMES, "revenue"]}
    for k in range(DRAWS):
        one = {n: float(v[k, 0]) for n, v in value.purchases.estimate.point.items()}
        other = {n: float(v[k, 0]) for n, v in value.spend.estimate.point.items()}
        buying = clv.BetaGeoModel().with_params(**one, time_unit="week")
        spend = clv.GammaGammaModel().with_params(**other).expected_spend(cdnow)
        made = buying.expected_purchases(cdnow, YEAR)
        discounted = buying.residual_transactions(cdnow, ANNUAL, YEAR)
        predicted = (buying.probability_alive(cdnow), made, spend, 0.3 * spend * discounted)
        for name, values in zip(found, (*predicted, made * spend), strict=True):
            found[name].append(values)
    return {name: np.array(values) for name, values in found.items()}


def test_means_and_quantiles_are_those_over_all_draws(cdnow, value, by_hand):
    table = value.distribution(cdnow, YEAR, quantiles=(0.1, 0.9))
    assert table.columns.tolist() == ["customer_id", "quantity", "mean", "sd", "q10", "q90"]
    assert table.quantity.tolist() == NAMES * len(cdnow)
    for name in NAMES:
        its, draws = table[table.quantity == name], by_hand[name]
        # interpolation over ages is right to a relative 2e-12
        np.testing.assert_allclose(its["mean"], draws.mean(axis=0), rtol=1e-10)
        np.testing.assert_allclose(its.sd, draws.std(axis=0), rtol=1e-8, atol=1e-12)
        limits = np.quantile(draws, (0.1, 0.9), axis=0).T
        np.testing.assert_allclose(its[["q10", "q90"]], limits, rtol=1e-10)


def test_tables_agree_with_each_other(cdnow, value, by_hand):
    table = value.predict(cdnow, YEAR, level=0.8)
    for name in NAMES:
        np.testing.assert_allclose(table[name], by_hand[name].mean(axis=0), rtol=1e-10)
    limits = np.quantile(by_hand["clv"], (0.1, 0.9), axis=0).T
    np.testing.assert_allclose(table[["clv_lo", "clv_hi"]], limits, rtol=1e-10)
    np.testing.assert_allclose(value.clv(cdnow, YEAR), table.clv, rtol=1e-12)


def test_spend_alone(cdnow, value, by_hand):
    table, draws = value.spend.predict(cdnow), by_hand["expected_spend"]
    np.testing.assert_allclose(table.expected_spend, draws.mean(axis=0), rtol=1e-12)
    limits = np.quantile(draws, (0.05, 0.95), axis=0).T
    np.testing.assert_allclose(table.filter(regex="_(lo|hi)$"), limits, rtol=1e-12)


def test_draws_on_request(cdnow, value, by_hand):
    draws = value.distribution(cdnow, YEAR, draws=True)
    assert list(draws) == NAMES
    for name, values in draws.items():
        np.testing.assert_allclose(values, by_hand[name], rtol=1e-10)


@pytest.mark.parametrize("elements", [100, 2000])
def test_tiny_blocks_give_the_same(cdnow, value, elements, monkeypatch):
    def tables():
        return (
            value.distribution(cdnow, YEAR),
            value.predict(cdnow, YEAR),
            value.totals(cdnow, YEAR, by="segment"),
            value.spend.predict(cdnow),
        )

    whole = tables()
    monkeypatch.setattr(averaging, "ELEMENTS", elements)
    monkeypatch.setattr(averaging, "CACHED", elements)
    for one, other in zip(whole, tables(), strict=True):
        numbers = one.select_dtypes("float").columns
        # interpolation over other ages rounds otherwise, by 2e-12 of the values
        np.testing.assert_allclose(other[numbers], one[numbers], rtol=1e-10, atol=1e-11)


def test_totals_are_sums_draw_by_draw(cdnow, value, by_hand):
    totals = value.totals(cdnow, YEAR, level=0.8).set_index("quantity")
    assert totals.columns.tolist() == ["estimate", "sd", "lo", "hi"]
    sums = {
        "purchases": by_hand["expected_purchases"],
        "revenue": by_hand["revenue"],
        "value": 0.3 * by_hand["revenue"],
        "discounted value": by_hand["clv"],
    }
    assert totals.index.tolist() == list(sums)
    for name, draws in sums.items():
        total = draws.sum(axis=1)
        expected = [total.mean(), total.std(), *np.quantile(total, (0.1, 0.9))]
        np.testing.assert_allclose(totals.loc[name], expected, rtol=1e-9)


def test_groups_have_totals_of_their_own_and_add_up(cdnow, value):
    table = value.totals(cdnow, YEAR, by="segment")
    numbers = ["estimate", "sd", "lo", "hi"]
    assert table.columns.tolist() == ["segment", "quantity", *numbers]
    assert table.segment.tolist() == ["ads"] * 4 + ["shop"] * 4 + ["web"] * 4
    for segment, rows in table.groupby("segment"):
        alone = value.totals(cdnow.select(cdnow.columns["segment"] == segment), YEAR)
        np.testing.assert_allclose(rows[numbers], alone[numbers], rtol=1e-9)
    whole = value.totals(cdnow, YEAR).set_index("quantity").estimate
    sums = table.groupby("quantity").estimate.sum()
    np.testing.assert_allclose(sums[whole.index], whole, rtol=1e-9)
    equity = value.totals(cdnow, by="segment")
    assert equity.quantity.tolist() == ["discounted value"] * 3
    with pytest.raises(DataError, match="no column 'market'"):
        value.totals(cdnow, YEAR, by="market")


def test_all_the_future_has_no_number_of_purchases(cdnow, value):
    draws = value.distribution(cdnow, draws=True)
    expected = draws["expected_purchases"]  # discounted, as predict has them
    np.testing.assert_allclose(draws["clv"], 0.3 * expected * draws["expected_spend"], rtol=1e-12)
    np.testing.assert_allclose(
        expected.mean(axis=0), value.predict(cdnow).expected_purchases, rtol=1e-12
    )


def test_margins_of_nothing_and_below(cdnow):
    margin = np.linspace(-0.5, 0.5, len(cdnow))
    margin[0] = 0.0
    data = cdnow.with_column("margin", margin)
    parts = purchases_of(DRAWS), spend_of(DRAWS)
    table = value_of(*parts, data, margin="margin").predict(data, YEAR)
    plain = value_of(*parts, data, margin=1.0).predict(data, YEAR)
    np.testing.assert_allclose(table.clv, margin * plain.clv, rtol=1e-12)
    ends = np.sort(margin[:, None] * plain[["clv_lo", "clv_hi"]].to_numpy(), axis=1)
    np.testing.assert_allclose(table[["clv_lo", "clv_hi"]], ends, rtol=1e-12)


# estimates of different kinds


def test_a_posterior_and_a_maximum(cdnow):
    # each is averaged over its own draws: the mean of a product of separate estimates
    spend = clv.GammaGammaModel().fit(load_cdnow_summary())
    value = value_of(purchases_of(DRAWS), spend, cdnow)
    expected = (
        0.3
        * spend.expected_spend(cdnow)
        * value.purchases.residual_transactions(cdnow, ANNUAL, YEAR)
    )
    np.testing.assert_allclose(value.clv(cdnow, YEAR), expected, rtol=1e-12)
    assert value.distribution(cdnow, YEAR, draws=True)["clv"].shape == (DRAWS, len(cdnow))
    table = value.distribution(cdnow, YEAR).query("quantity == 'clv'")
    np.testing.assert_allclose(table["mean"], expected, rtol=1e-12)
    assert (table.sd > 0).all()
    totals = value.totals(cdnow, YEAR).set_index("quantity")
    assert totals.estimate["discounted value"] == pytest.approx(expected.sum(), rel=1e-12)


def test_posteriors_of_different_sizes(cdnow):
    value = value_of(purchases_of(30), spend_of(70), cdnow)
    expected = (
        0.3
        * value.spend.expected_spend(cdnow)
        * value.purchases.residual_transactions(cdnow, ANNUAL, YEAR)
    )
    np.testing.assert_allclose(value.clv(cdnow, YEAR), expected, rtol=1e-12)
    assert value.distribution(cdnow, YEAR, draws=True)["clv"].shape == (70, len(cdnow))


def test_posteriors_of_one_draw_are_certain(cdnow):
    value = value_of(purchases_of(1), spend_of(1), cdnow)
    table = value.distribution(cdnow, YEAR)
    assert (table.sd == 0).all()
    np.testing.assert_allclose(table.q95, table["mean"], rtol=1e-12)
    assert (value.totals(cdnow, YEAR).sd < 1e-9).all()


def test_a_maximum_has_200_draws():
    data = load_cdnow_summary()
    model = clv.CLVModel(clv.BetaGeoModel(), clv.GammaGammaModel(), discount=ANNUAL)
    value = model.fit(data)
    table, predicted = value.distribution(data, YEAR), value.predict(data, YEAR)
    clvs = table[table.quantity == "clv"]
    np.testing.assert_allclose(clvs["mean"], predicted.clv, rtol=1e-12)
    np.testing.assert_allclose(clvs[["q05", "q95"]], predicted[["clv_lo", "clv_hi"]], rtol=1e-12)
    draws = value.distribution(data, YEAR, draws=True)
    assert draws["clv"].shape == (200, len(data))
    total = value.totals(data, YEAR).set_index("quantity").loc["discounted value"]
    sums = draws["clv"].sum(axis=1)
    expected = [sums.std(), *np.quantile(sums, (0.05, 0.95))]
    np.testing.assert_allclose(total[["sd", "lo", "hi"]], expected, rtol=1e-9)


# limits


def test_spend_without_a_mean_in_some_draw_is_refused(cdnow):
    point = {"p": [[6.0]] * 2, "q": [[2.0], [0.9]], "v": [[15.0]] * 2}
    arrays = {name: np.array(values) for name, values in point.items()}
    spend = FittedSpend(Estimate("two", point=arrays, replicates=arrays), clv.GammaGammaModel())
    value = value_of(purchases_of(2), spend, cdnow)
    for ask in (value.clv, value.predict, value.distribution, value.totals):
        with pytest.raises(UndefinedMeanError, match=r"q = 0\.900"):
            ask(cdnow, YEAR)
    buyers = cdnow.select(spend.has_mean(cdnow))
    assert np.isfinite(value.distribution(buyers, YEAR).sd).all()


def test_too_many_draws_are_refused(cdnow):
    value = value_of(purchases_of(300_000), spend_of(2), cdnow)
    with pytest.raises(ParameterError, match=r"4 quantities for 250 .* 2\.4 GB, more than 2 GB"):
        value.distribution(cdnow, YEAR, draws=True)


@pytest.mark.slow
def test_many_draws_of_many_customers_take_bounded_memory():
    import tracemalloc

    fit = clv.BetaGeoModel().with_params(r=0.243, alpha=4.4, a=0.8, b=2.4, time_unit="week")
    data = fit.simulate(60_000, "100 weeks")
    mean = np.where(data.frequency > 0, 20.0, np.nan)
    data = clv.RFMSummary.from_arrays(
        data.frequency, data.recency, data.T, time_unit="week", monetary_value=mean
    )
    value = value_of(purchases_of(1000), spend_of(1000), data)
    tracemalloc.start()
    value.distribution(data, YEAR)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # a few arrays of 16 MB per worker; all draws of one quantity would take 480 MB
    assert peak < 480e6

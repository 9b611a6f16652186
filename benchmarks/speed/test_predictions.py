"""Predictions at the same parameters. Grouping into histories is counted, except for DERT."""

from functools import lru_cache

import pytest

import clvmodels as clv
from benchmarks.speed.measure import best_of
from benchmarks.speed.worlds import CDNOW, afresh, base, customers

SIZES = [10**k for k in range(3, 8)]
WHAT = "expected purchases, P(alive), 12-month CLV"
MONTHLY = 0.01
YEAR = 52.1775  # weeks


@lru_cache(maxsize=1)
def fitted():
    """Parameters with a covariance, for the intervals."""
    discount = clv.DiscountRate(MONTHLY, per="month")
    model = clv.CLVModel(clv.BetaGeoModel(), clv.GammaGammaModel(), discount=discount)
    return model.fit(customers(20_000))


@pytest.mark.parametrize("size", SIZES)
def test_all_three(size, timed, say, scaled):
    value, data = fitted(), base(scaled(size))

    def predict(given):
        value.purchases.expected_purchases(given, "12 months")
        value.purchases.probability_alive(given)
        return value.clv(given, "12 months")

    predict(customers(1000))  # compile
    target = ">= 20 times" if size == 10**6 else ""
    worth = timed(
        predict, what=WHAT, size=len(data), target=target, prepare=lambda: afresh(data)
    )  # fmt: skip
    say(reached=f"total CLV {worth.sum():,.0f}")


@pytest.mark.parametrize(
    ("who", "size"), [(who, n) for who in ("lifetimes", "PyMC-Marketing") for n in SIZES[:4]]
)
def test_all_three_elsewhere(who, size, peer, timed, say, scaled):
    value, data = fitted(), base(scaled(size))
    purchases = peer.with_params("BetaGeoModel", **value.purchases.params)
    spend = peer.with_spend_params(**value.spend.params)

    def predict(given):
        purchases.expected_purchases(given, YEAR)
        purchases.probability_alive(given)
        return spend.clv(purchases, given, 12, MONTHLY)

    predict(customers(1000))
    worth = timed(lambda: predict(data), what=WHAT, size=len(data), who=who, rounds=1)
    say(reached=f"{who} {worth.sum():,.0f}, booked at month ends")


def test_intervals(timed, say, scaled):
    value, data = fitted(), base(scaled(10**6))
    what = "the same with 90 % intervals"
    predict = lambda given: value.predict(given, "12 months")  # noqa: E731
    timed(predict, what=what, size=len(data), prepare=lambda: afresh(data), rounds=1)
    say(reached="lifetimes has no intervals")


@pytest.mark.parametrize("size", SIZES)
def test_expected_purchases(size, timed, scaled):
    fit, data = fitted().purchases, base(scaled(size))
    predict = lambda given: fit.expected_purchases(given, "12 months")  # noqa: E731
    predict(customers(1000))  # compile
    what = "expected purchases"
    timed(predict, what=what, size=len(data), prepare=lambda: afresh(data))


CNBD = {"r": 0.8, "alpha": 2.0, "a": 0.9, "b": 2.5}
MODELS = {
    "BG/NBD": (clv.BetaGeoModel(), CDNOW),
    "MBG/NBD": (clv.ModifiedBetaGeoModel(), {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614}),
    "Pareto/NBD": (clv.ParetoNBDModel(), {"r": 0.553, "alpha": 10.578, "s": 0.606, "beta": 11.669}),
    "BG/CNBD-2": (clv.BetaGeoCNBDModel(k=2), CNBD),
    "MBG/CNBD-2": (clv.ModifiedBetaGeoCNBDModel(k=2), CNBD),
}


@pytest.mark.parametrize("name", MODELS)
def test_all_the_future_beside_a_year(name, timed, say, scaled):
    model, params = MODELS[name]
    data, fit = base(scaled(10**6)), model.with_params(**params, time_unit="week")
    rate, few, beside = clv.DiscountRate(0.1, per="year"), customers(1000), []
    data.compress().by_age  # noqa: B018  # grouped beforehand
    fit.expected_purchases(few, "1 year"), fit.residual_transactions(few, rate)  # compile

    def prepare():  # in turns, for the machine may have other work
        beside.append(best_of(lambda: fit.expected_purchases(data, "1 year"), 1)[0])
        return data

    ever = timed(
        lambda given: fit.residual_transactions(given, rate),
        what=f"{name} DERT beside a year's expected purchases",
        size=len(data),
        target="<= 3 times",
        prepare=prepare,
        rounds=5,
    )
    words = f"{ever.sum():,.1f} in all; a year takes {min(beside):.4f} s; P(alive) in both"
    say(beside=min(beside), reached=words)

"""Discounted expected purchases: oracles, the limits, and the conventions of others."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from oracles import beta_geo as oracle
from oracles.box import LOUD, random_box

from clvmodels.kernels import beta_geo, nbd
from clvmodels.kernels.discounting import discounted, monthly

CDNOW = {"r": 0.2426, "alpha": 4.4135, "a": 0.7929, "b": 2.4258}
PER_WEEK = np.log(1.15) / 52

# what 14 and more nodes leave, found by trial, and the error of the expected purchases themselves
RTOL = 3e-9


@pytest.fixture(autouse=True)
def loud():
    with np.errstate(**LOUD):
        yield


def purchases(x, T, **params):
    """Expected purchases as a function of t with one more axis, and the time on which they bend."""
    column = {name: np.asarray(value)[..., None] for name, value in params.items()}
    x, T = np.asarray(x, dtype=float), np.asarray(T, dtype=float)
    scale = (params["alpha"] + T) / np.maximum(1, params["r"] + x)
    return lambda t: beta_geo.purchases_if_alive(x[..., None], T[..., None], t, **column), scale


def by_many_nodes(expected, delta, horizon, scale):
    """The integral in the way of the kernel, with so many nodes that their rule does not matter."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    end = horizon if np.isfinite(horizon) else 45 / delta
    width = np.log1p(end / scale)[..., None]
    growth = np.exp(0.5 * width * (nodes + 1))
    t = scale[..., None] * (growth - 1)
    flow = np.exp(-delta * t) * expected(t) * 0.5 * width * weights * growth * scale[..., None]
    rest = 0.0
    if np.isfinite(horizon):
        rest = np.exp(-delta * horizon) * expected(np.full((*scale.shape, 1), horizon))[..., 0]
    return rest + delta * flow.sum(axis=-1)


def test_residual_transactions_of_a_cdnow_customer():
    # 60-digit mpmath value: BG/NBD, 15 % a year, for ever
    expected, scale = purchases(2, 38.86, **CDNOW)
    alive = beta_geo.prob_alive(2.0, 30.43, 38.86, **CDNOW)
    assert alive * discounted(expected, PER_WEEK, np.inf, scale) == pytest.approx(
        5.169597, rel=1e-7
    )


def test_the_oracle_is_the_mean_over_rates_and_dropout():
    flow = oracle.residual_if_alive(2, 38.86, PER_WEEK, np.inf, *CDNOW.values())
    mixed = oracle.residual_if_alive_by_mixing(2, 38.86, PER_WEEK, *CDNOW.values())
    assert float(mixed) == pytest.approx(float(flow), rel=1e-9)


@pytest.mark.parametrize("seed", range(2))
def test_equals_the_oracle_on_random_customers(seed):
    params, x, _, T, horizon = random_box(6, seed=30 + seed)
    # from a per cent a year counted in hours to one third a week
    deltas = np.exp(np.random.default_rng(seed).uniform(np.log(1e-6), np.log(0.3), 6))
    for i, delta in enumerate(deltas):
        one = {name: float(v[i]) for name, v in params.items()}
        expected, scale = purchases(x[i], T[i], **one)
        end = np.inf if i % 2 else horizon[i]
        exact = float(oracle.residual_if_alive(x[i], T[i], delta, end, **one))
        assert discounted(expected, delta, end, scale) == pytest.approx(exact, rel=RTOL)


@pytest.mark.parametrize("delta", [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0])
@pytest.mark.parametrize("horizon", [1e-2, 1.0, 52.0, 3000.0, np.inf])
def test_nodes_suffice_over_the_box(delta, horizon):
    params, x, _, T, _ = random_box(60, seed=40)
    for rows in np.array_split(np.arange(60), 10):  # few at a time: the widest sets the nodes
        expected, scale = purchases(x[rows], T[rows], **{k: v[rows] for k, v in params.items()})
        got = discounted(expected, delta, horizon, scale)
        exact = by_many_nodes(expected, delta, horizon, scale)
        np.testing.assert_allclose(got, exact, rtol=RTOL)


def test_no_discount_is_exactly_the_expected_purchases():
    params, x, _, T, _ = random_box(100, seed=41)
    expected, scale = purchases(x, T, **params)
    got = discounted(expected, 0.0, 52.0, scale)
    np.testing.assert_array_equal(got, expected(np.full((100, 1), 52.0))[:, 0])


def test_the_limit_of_small_rates_is_no_discount():
    params, x, _, T, _ = random_box(100, seed=42)
    expected, scale = purchases(x, T, **params)
    got = discounted(expected, 1e-12, 52.0, scale)
    np.testing.assert_allclose(got, discounted(expected, 0.0, 52.0, scale), rtol=1e-9)


def test_infinite_is_the_limit_of_long_horizons():
    expected, scale = purchases(2, 38.86, **CDNOW)
    for_ever = discounted(expected, PER_WEEK, np.inf, scale)
    long = discounted(expected, PER_WEEK, 30 / PER_WEEK, scale)
    assert for_ever == pytest.approx(long, rel=RTOL)


def test_infinite_is_the_limit_of_discounted_sums():
    # eq. 3.13 of Fader and Hardie (2015), in steps so short that the time of booking is no matter
    expected, scale = purchases(2, 38.86, **CDNOW)
    step = 0.1
    ends = np.arange(0, 14_000, step)
    booked = np.diff(expected(ends)) * np.exp(-PER_WEEK * (ends[1:] - step / 2))
    # midpoint rule: its error is of second order in the step; 14,000 weeks leave e^-37
    assert discounted(expected, PER_WEEK, np.inf, scale) == pytest.approx(booked.sum(), rel=1e-7)


def test_periods_add_up():
    # by the derivative of the expectation, which the kernel never takes
    expected, scale = purchases(2, 38.86, **CDNOW)
    year, two_years = (discounted(expected, PER_WEEK, h, scale) for h in (52.0, 104.0))
    t = np.linspace(52, 104, 20_001)
    middle = np.exp(-PER_WEEK * 0.5 * (t[1:] + t[:-1]))
    assert year + np.diff(expected(t)) @ middle == pytest.approx(two_years, rel=1e-9)


@pytest.mark.parametrize("delta", [-1e-3, -0.05])
def test_a_negative_rate_over_a_finite_horizon(delta):
    params, x, _, T, _ = random_box(60, seed=43)
    expected, scale = purchases(x, T, **params)
    got = discounted(expected, delta, 104.0, scale)
    np.testing.assert_allclose(got, by_many_nodes(expected, delta, 104.0, scale), rtol=RTOL)
    assert (got > expected(np.full((60, 1), 104.0))[:, 0]).all()


def test_no_horizon_is_no_purchases():
    expected, scale = purchases([0.0, 2.0], [10.0, 38.86], **CDNOW)
    got = discounted(expected, PER_WEEK, 0.0, scale)
    np.testing.assert_array_equal(got, 0.0)
    assert not np.signbit(got).any()


def test_without_dropout_the_integral_is_elementary():
    # NBD: a constant rate (r + x) / (alpha + T) for ever is worth rate / delta
    x, T = np.array([0.0, 3.0, 500.0]), np.array([5.0, 39.0, 365.0])
    rate = (0.4 + x) / (12 + T)
    scale = (12 + T) / np.maximum(1, 0.4 + x)
    got = discounted(
        lambda t: nbd.purchases_if_alive(x[:, None], T[:, None], t, r=0.4, alpha=12.0),
        PER_WEEK, np.inf, scale,
    )  # fmt: skip
    np.testing.assert_allclose(got, rate / PER_WEEK, rtol=RTOL)


@pytest.mark.parametrize("hours", [1, 24, 168, 8766])
def test_the_unit_of_time_does_not_matter(hours):
    k = 168 / hours
    weekly, scale = purchases(2, 38.86, **CDNOW)
    other, other_scale = purchases(2, k * 38.86, **{**CDNOW, "alpha": k * CDNOW["alpha"]})
    for horizon in (52, np.inf):
        got = discounted(other, PER_WEEK / k, k * horizon, other_scale)
        assert got == pytest.approx(discounted(weekly, PER_WEEK, horizon, scale), rel=RTOL)


def test_draws_broadcast_against_customers():
    draws = {name: v * np.array([[0.8], [1.0], [1.3]]) for name, v in CDNOW.items()}
    x, T = np.array([0.0, 2, 40, 1]), np.array([5.0, 38.86, 100, 0.5])
    expected, scale = purchases(x, T, **draws)
    got = discounted(expected, PER_WEEK, 52.0, scale)
    assert got.shape == (3, 4)
    alone = discounted(*purchases(x, T, **CDNOW)[:1], PER_WEEK, 52.0, scale[1])
    np.testing.assert_allclose(got[1], alone, rtol=RTOL)


def test_monthly_is_the_plain_loop():
    expected, _ = purchases([0.0, 2.0, 9.0], [10.0, 38.86, 30.0], **CDNOW)
    month = 365.2425 / 12 / 7
    total = np.zeros(3)
    for k in range(1, 13):
        until, before = (expected(np.full((3, 1), j * month))[:, 0] for j in (k, k - 1))
        total += (until - before) / 1.01**k
    np.testing.assert_allclose(monthly(expected, 0.01, month, 12), total, rtol=1e-13)


def test_monthly_is_what_lifetimes_computes():
    with warnings.catch_warnings(), np.errstate(all="warn"):
        warnings.simplefilter("ignore")  # lifetimes sets a deprecated pandas option at import
        import pandas as pd

        had = pd.options.mode.chained_assignment
        from lifetimes import BetaGeoFitter
        from lifetimes.utils import _customer_lifetime_value

        pd.options.mode.chained_assignment = had
        fitter = BetaGeoFitter()
        fitter.params_ = pd.Series(CDNOW)
        people = pd.DataFrame(
            {"x": [2, 1, 7, 0], "t_x": [30.43, 1.71, 29.43, 0.0], "T": 38.86, "m": [22.0, 1, 73, 5]}
        )
        model = SimpleNamespace(predict=fitter.conditional_expected_number_of_purchases_up_to_time)
        clv = _customer_lifetime_value(
            model,
            people.x,
            people.t_x,
            people["T"],
            people.m,
            time=12,
            discount_rate=0.01,
            freq="W",
        )
    x, t_x, T = (people[name].to_numpy(float) for name in ("x", "t_x", "T"))
    alive = beta_geo.prob_alive(x, t_x, T, **CDNOW)
    expected, _ = purchases(x, T, **CDNOW)
    got = people.m * alive * monthly(expected, 0.01, 4.345, 12)
    np.testing.assert_allclose(got, clv, rtol=1e-9)  # where lifetimes' 2F1 does not fail

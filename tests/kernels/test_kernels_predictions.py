"""P(alive), expected purchases and purchase counts: oracle over a wide box, limits, invariances."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import beta_geo as bg_oracle
from oracles import modified_beta_geo as mbg_oracle
from oracles import nbd as nbd_oracle
from oracles.box import LOUD, histories, horizons, parameters, random_box

from clvmodels.kernels import beta_geo, modified_beta_geo, nbd

NAMES = ("r", "alpha", "a", "b")
FAMILY = {"bg": (beta_geo, bg_oracle), "mbg": (modified_beta_geo, mbg_oracle)}
CDNOW = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}

# The closed form may cancel four digits before quadrature, good to 1e-10, takes over.
EXPECTED_RTOL = 3e-9


@pytest.fixture(autouse=True)
def loud():
    with np.errstate(**LOUD):
        yield


def compare_expected(name, size, seed):
    kernel, oracle = FAMILY[name]
    params, x, _, T, t = random_box(size, seed)
    got = kernel.purchases_if_alive(x, T, t, **params)
    rows = zip(x, T, t, *params.values(), strict=True)
    expected = [float(oracle.purchases_if_alive(*row)) for row in rows]
    np.testing.assert_allclose(got, expected, rtol=EXPECTED_RTOL)


@pytest.mark.parametrize("name", FAMILY)
def test_expected_purchases_of_ten_thousand_random_customers(name):
    compare_expected(name, 10_000, seed=10)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILY)
def test_expected_purchases_of_many_more_random_customers(name):
    compare_expected(name, 30_000, seed=100)


@pytest.mark.parametrize("name", FAMILY)
@settings(max_examples=300)
@given(data=st.data())
def test_predictions_equal_the_oracle_over_the_box(name, data):
    kernel, oracle = FAMILY[name]
    params, (x, t_x, T) = data.draw(parameters(*NAMES)), data.draw(histories())
    t = data.draw(horizons)
    with np.errstate(**LOUD):
        alive = kernel.prob_alive(*np.array([[x], [t_x], [T]]), **params)
        expected = kernel.purchases_if_alive(*np.array([[x], [T], [t]]), **params)
    assert 0 <= alive[0] <= 1
    # relative error of the odds: their logarithm, up to 1e4, times the rounding error
    exact = float(oracle.prob_alive(x, t_x, T, **params))
    np.testing.assert_allclose(alive, exact, rtol=1e-11, atol=1e-300)
    exact = float(oracle.purchases_if_alive(x, T, t, **params))
    np.testing.assert_allclose(expected, exact, rtol=EXPECTED_RTOL)


@pytest.mark.parametrize("name", FAMILY)
@settings(max_examples=60)
@given(
    whole=st.integers(0, 5),
    off=st.floats(-15, -3),
    sign=st.sampled_from([-1, 0, 1]),
    data=st.data(),
)
def test_expected_purchases_where_the_hypergeometric_series_has_poles(name, whole, off, sign, data):
    # a = 1, a + b + x = 1 and, for long horizons, r - a whole
    kernel, oracle = FAMILY[name]
    near = sign * 10.0**off
    params, (x, _, T) = data.draw(parameters(*NAMES)), data.draw(histories())
    t = data.draw(horizons)
    for change in (
        {"a": 1 + near},
        {"a": 0.3, "b": 0.7 + near},
        {"r": params["a"] + whole + abs(near)},
    ):
        case = {**params, **change}
        with np.errstate(**LOUD):
            got = kernel.purchases_if_alive(*np.array([[x], [T], [t]]), **case)
        exact = float(oracle.purchases_if_alive(x, T, t, **case))
        np.testing.assert_allclose(got, exact, rtol=EXPECTED_RTOL)


@pytest.mark.parametrize("name", FAMILY)
def test_round_parameters(name):
    # quarters and halves meet every special case of the 2F1 at once
    kernel, oracle = FAMILY[name]
    params, x, _, T, t = random_box(3000, seed=11)
    for key, unit in (("r", 0.5), ("a", 0.25), ("b", 0.5)):
        params[key] = np.maximum(unit, np.round(params[key] / unit) * unit)
    got = kernel.purchases_if_alive(x, T, t, **params)
    rows = zip(x, T, t, *params.values(), strict=True)
    expected = [float(oracle.purchases_if_alive(*row)) for row in rows]
    np.testing.assert_allclose(got, expected, rtol=EXPECTED_RTOL)


def test_new_customers_are_those_with_no_history():
    # the conditional formula at x = T = 0 against the papers' own unconditional one
    params, _, _, _, t = random_box(500, seed=12)
    rows = list(zip(t, *params.values(), strict=True))
    zero = np.zeros(500)
    exact = [float(bg_oracle.expected_purchases_new_customer(*row)) for row in rows]
    got = beta_geo.purchases_if_alive(zero, zero, t, **params)
    np.testing.assert_allclose(got, exact, rtol=EXPECTED_RTOL)
    exact = [float(mbg_oracle.expected_purchases_new_customer(*row)) for row in rows]
    got = modified_beta_geo.purchases_if_alive(zero, zero, t, **params)
    got = got * modified_beta_geo.prob_alive(zero, zero, zero, **params)
    np.testing.assert_allclose(got, exact, rtol=EXPECTED_RTOL)


@pytest.mark.parametrize("name", FAMILY)
@settings(max_examples=100)
@given(data=st.data())
def test_expected_purchases_never_fall_with_the_horizon(name, data):
    params, (x, _, T) = data.draw(parameters(*NAMES)), data.draw(histories())
    t = np.concatenate([[0.0], np.geomspace(1e-3, 3000, 40)])
    with np.errstate(**LOUD):
        got = FAMILY[name][0].purchases_if_alive(np.array(x), np.array(T), t, **params)
    # once all but a few have left, differences are at rounding error or at the seam of two methods
    assert (np.diff(got) >= -EXPECTED_RTOL * got[1:]).all()
    # nobody buys more than if nobody left
    most = nbd.purchases_if_alive(x, T, t, r=params["r"], alpha=params["alpha"])
    assert (got <= most * (1 + EXPECTED_RTOL)).all()


@pytest.mark.parametrize("kernel", [beta_geo, modified_beta_geo])
def test_no_time_means_exactly_no_purchases(kernel):
    params, x, _, T, _ = random_box(500, seed=13)
    got = kernel.purchases_if_alive(x, T, np.zeros(500), **params)
    np.testing.assert_array_equal(got, 0.0)
    assert not np.signbit(got).any()


@pytest.mark.parametrize("name", FAMILY)
def test_alive_is_less_likely_the_longer_the_silence(name):
    params, x, t_x, T, _ = random_box(500, seed=14)
    got = FAMILY[name][0].prob_alive(x, t_x, T + np.linspace(0, 2000, 50)[:, None], **params)
    assert (np.diff(got, axis=0) <= 0).all()
    assert ((got >= 0) & (got <= 1)).all()


def test_one_time_buyers_cannot_have_left_in_the_bg_nbd():
    params, x, _, T, _ = random_box(500, seed=15)
    np.testing.assert_array_equal(beta_geo.prob_alive(0 * x, 0 * x, T, **params), 1.0)


@pytest.mark.parametrize("name", FAMILY)
def test_another_time_unit_changes_no_prediction(name):
    kernel, k = FAMILY[name][0], 7 * 24.0
    params, x, t_x, T, t = random_box(500, seed=16)
    scaled = {**params, "alpha": k * params["alpha"]}
    for function, times in ((kernel.prob_alive, (t_x, T)), (kernel.purchases_if_alive, (T, t))):
        one = function(x, *times, **params)
        other = function(x, *(k * v for v in times), **scaled)
        np.testing.assert_allclose(other, one, rtol=2 * EXPECTED_RTOL, atol=1e-300)


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("size", [1e-8, 1e-4, 1e4, 1e8])
@pytest.mark.parametrize("which", [("a",), ("b",), ("a", "b"), ("r",), ("r", "alpha"), ("alpha",)])
def test_parameters_at_the_edge_of_reason_give_finite_predictions(name, size, which):
    params = {**CDNOW, **dict.fromkeys(which, size)}
    kernel = FAMILY[name][0]
    _, x, t_x, T, t = random_box(200, seed=17)
    alive = kernel.prob_alive(x, t_x, T, **params)
    assert ((alive >= 0) & (alive <= 1)).all()
    got = kernel.purchases_if_alive(x, T, t, **params)
    most = nbd.purchases_if_alive(x, T, t, r=params["r"], alpha=params["alpha"])
    assert ((got > 0) & (got <= most * (1 + 1e-8))).all()
    mass = kernel.pmf_if_alive(np.float64(3), x, T, t, **params)
    assert ((mass >= 0) & (mass <= 1 + 1e-12)).all()


@pytest.mark.parametrize("name", FAMILY)
def test_dropout_known_exactly(name):
    # a, b -> infinity with a / (a + b) = p: the integral over p loses its mixture
    p, size = 0.2, 1e8
    _, x, _, T, t = random_box(500, seed=18)
    got = FAMILY[name][0].purchases_if_alive(
        x, T, t, r=0.7, alpha=9.0, a=p * size, b=(1 - p) * size
    )
    exact = -np.expm1(-(0.7 + x) * np.log1p(p * t / (9 + T))) / p
    # the mixture of variance p (1 - p) / 1e8, and x more successes behind the posterior
    np.testing.assert_allclose(got, exact, rtol=2e-5)


def test_rates_and_dropout_known_exactly():
    # r, alpha -> infinity too: a Poisson process killed at rate lambda p
    rate, p, t = 0.3, 0.2, np.geomspace(0.01, 1000, 30)
    params = {"r": rate * 1e8, "alpha": 1e8, "a": p * 1e8, "b": (1 - p) * 1e8}
    got = beta_geo.purchases_if_alive(np.float64(0), np.float64(0), t, **params)
    np.testing.assert_allclose(got, -np.expm1(-rate * p * t) / p, rtol=1e-5)  # as above


@pytest.mark.parametrize("name", FAMILY)
def test_no_dropout_is_the_nbd(name):
    params, x, _, T, t = random_box(500, seed=19)
    rates = {"r": params["r"], "alpha": params["alpha"]}
    got = FAMILY[name][0].purchases_if_alive(x, T, t, **rates, a=1e-12, b=3.0)
    np.testing.assert_allclose(got, nbd.purchases_if_alive(x, T, t, **rates), rtol=1e-8)
    n = np.arange(30.0)[:, None]
    got = FAMILY[name][0].pmf_if_alive(n, x, T, t, **rates, a=1e-14, b=3.0)
    np.testing.assert_allclose(got, nbd.pmf_if_alive(n, x, T, t, **rates), rtol=1e-8, atol=1e-12)


def unconditional_pmf(name, n, t, params):
    """P(X(t) = n) of a new customer, who may in the MBG/NBD leave at once."""
    zero = np.zeros_like(n)
    kernel = FAMILY[name][0]
    stays = kernel.prob_alive(zero, zero, zero, **params)
    return stays * kernel.pmf_if_alive(n, zero, zero, t, **params) + (1 - stays) * (n == 0)


@pytest.mark.parametrize("name", FAMILY)
def test_purchase_counts_equal_the_oracle(name):
    params, n, _, _, t = random_box(600, seed=20)
    got = unconditional_pmf(name, n, t, params)
    rows = zip(n, t, *params.values(), strict=True)
    exact = np.array([float(FAMILY[name][1].pmf(*row)) for row in rows])
    # logs of up to 1e4 exponentiated; below 1e-60 the oracle's own difference has lost its digits
    np.testing.assert_allclose(got, exact, rtol=1e-11, atol=1e-60)


def test_nbd_counts_equal_the_oracle():
    params, n, _, _, t = random_box(600, seed=21)
    rates = {"r": params["r"], "alpha": params["alpha"]}
    got = nbd.pmf_if_alive(n, np.zeros(600), np.zeros(600), t, **rates)
    rows = zip(n, t, *rates.values(), strict=True)
    exact = [float(nbd_oracle.pmf(*row)) for row in rows]
    np.testing.assert_allclose(got, exact, rtol=1e-11, atol=1e-300)


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("history", [(0.0, 0.0), (2.0, 38.86), (30.0, 100.0)])
@pytest.mark.parametrize("t", [1e-3, 4.0, 39.0, 104.0])
def test_counts_sum_to_one_and_average_to_the_expectation(name, history, t):
    kernel, (x, T) = FAMILY[name][0], history
    n = np.arange(1001.0)
    mass = kernel.pmf_if_alive(
        n, np.full_like(n, x), np.full_like(n, T), np.full_like(n, t), **CDNOW
    )
    assert np.isfinite(mass).all()  # lifetimes 0.11.3 gives NaN from 172 on
    assert mass.sum() == pytest.approx(1, abs=1e-8)
    mean = kernel.purchases_if_alive(np.array([x]), np.array([T]), np.array([t]), **CDNOW)[0]
    # more than 1,000 purchases in 104 weeks are not quite impossible
    assert n @ mass == pytest.approx(mean, rel=1e-8)


def test_nobody_ever_leaves_the_nbd():
    people, draws = np.zeros(4), np.ones((3, 1))
    np.testing.assert_array_equal(
        nbd.prob_alive(people, people, people, r=draws, alpha=draws), np.ones((3, 4))
    )


def test_nbd_expectation_equals_the_oracle():
    params, x, _, T, t = random_box(300, seed=22)
    rates = {"r": params["r"], "alpha": params["alpha"]}
    rows = zip(x, T, t, *rates.values(), strict=True)
    exact = [float(nbd_oracle.purchases_if_alive(*row)) for row in rows]
    np.testing.assert_allclose(nbd.purchases_if_alive(x, T, t, **rates), exact, rtol=1e-14)


@pytest.mark.parametrize("kernel", [beta_geo, modified_beta_geo])
def test_draws_broadcast_against_customers(kernel):
    draws = {k: v * np.array([[0.8], [1.0], [1.3]]) for k, v in CDNOW.items()}
    _, x, t_x, T, t = random_box(7, seed=23)
    for function, args in (
        (kernel.prob_alive, (x, t_x, T)),
        (kernel.purchases_if_alive, (x, T, t)),
        (kernel.pmf_if_alive, (np.float64(2), x, T, t)),
    ):
        got = function(*args, **draws)
        assert got.shape == (3, 7)
        np.testing.assert_array_equal(got[1], function(*args, **CDNOW))

"""Expected purchases, survival and counts of the CNBD-k family: oracle, limits, identities."""

import mpmath as mp
import numpy as np
import pytest
from oracles import cnbd as oracle
from oracles.box import LOUD, random_box
from scipy import special as sp

from clvmodels.kernels import (
    beta_geo,
    beta_geo_cnbd,
    cnbd,
    modified_beta_geo,
    modified_beta_geo_cnbd,
    nbd,
)

MODELS = {"bg": (beta_geo_cnbd, beta_geo, 0), "mbg": (modified_beta_geo_cnbd, modified_beta_geo, 1)}
PARAMS = {"r": 0.58, "alpha": 2.29, "a": 1.13, "b": 1.59}
every_model = pytest.mark.parametrize("name", MODELS)

RTOL = 1e-9  # sums are right to 1e-14; the quadrature of long horizons to 3e-10


@pytest.fixture(autouse=True)
def loud():
    with np.errstate(**LOUD):
        yield


def staged_box(size, k, seed):
    """Customers of the box who are some hidden events past their last purchase."""
    params, x, _, T, t = random_box(size, seed)
    stage = np.random.default_rng(seed).integers(0, k, size)
    return params, x, stage, T, t


def hidden_mean(params, x, stage, T, t, k):
    return (params["r"] + k * x + stage) * t / (params["alpha"] + T)


def compare(name, k, function, exact, params, x, stage, T, t):
    """A function of the kernel with one of the oracle; relative, so that tails count too."""
    got = getattr(MODELS[name][0].bound(k), function)(x + stage / k, T, t, **params)
    rows = zip(x, stage.tolist(), T, t, *params.values(), strict=True)
    values = [float(exact(*row, k, MODELS[name][2])) for row in rows]
    np.testing.assert_allclose(got, values, rtol=RTOL, atol=1e-300)


@every_model
@pytest.mark.parametrize("k", [1, 2, 6, 20])
def test_short_horizons_equal_the_oracle(name, k):
    params, *rest = staged_box(200, k, seed=30 + k)
    few = hidden_mean(params, *rest, k) < 10
    few &= rest[3] < 3 * (params["alpha"] + rest[2])
    params, rest = {key: v[few] for key, v in params.items()}, [v[few] for v in rest]
    for function in ("purchases_if_alive", "survival_if_alive"):
        compare(name, k, function, getattr(oracle, function), params, *rest)


def by_occasions(name, k, params, x, stage, T, t):
    """Both means as sums over the occasions to buy, in floats: all terms are positive."""
    shape, b = params["r"] + k * x + stage, params["b"] + x + MODELS[name][2]
    odds = t / (params["alpha"] + T)
    most = int(((shape * odds + 40 * np.sqrt(shape) * odds + 45 * (1 + odds)) / k).max()) + 20
    m = np.arange(1.0, most)
    at_least = sp.betainc(k * m - stage, shape, odds / (1 + odds))
    stays = np.exp(np.cumsum(np.log((b + m - 1) / (params["a"] + b + m - 1))))
    made = np.concatenate([[1.0], stays[:-1]])
    exactly = at_least - np.append(at_least[1:], 0.0)
    idle = sp.betainc(shape, k - stage, 1 / (1 + odds))
    return at_least @ made, idle + exactly @ stays


@every_model
@pytest.mark.parametrize("k", [1, 2, 3, 6, 20])
def test_long_horizons_equal_a_sum_over_the_occasions_to_buy(name, k):
    params, *rest = staged_box(500, k, seed=40 + k)
    mean = hidden_mean(params, *rest, k)
    many = (mean > 300) & (mean < 2e3) & (rest[3] < 3000 * (params["alpha"] + rest[2]))
    kernel = MODELS[name][0].bound(k)
    for row in np.flatnonzero(many)[:10]:
        x, stage, T, t = (v[row] for v in rest)
        one = {key: v[row] for key, v in params.items()}
        bought, there = by_occasions(name, k, one, x, stage, T, t)
        got = kernel.purchases_if_alive(x + stage / k, T, t, **one)
        assert got == pytest.approx(bought, rel=RTOL)
        # SciPy's incomplete beta function loses what its difference cancels
        assert kernel.survival_if_alive(x + stage / k, T, t, **one) == pytest.approx(
            there, rel=1e-8, abs=1e-13
        )


# dropout that is likely, rare, and nearly certain; a year's and a life's worth of events
HARD = [
    ("mbg", 3, 1, 2.0, 38.86, 3000.0, {"r": 0.5, "alpha": 6.0, "a": 0.9, "b": 2.0}),
    ("bg", 4, 3, 0.0, 0.0, 3000.0, {"r": 1.5, "alpha": 0.2, "a": 2.9, "b": 0.02}),
    ("mbg", 2, 0, 900.0, 1000.0, 3000.0, {"r": 8.0, "alpha": 3.0, "a": 0.01, "b": 0.5}),
]


@pytest.mark.parametrize(("name", "k", "stage", "x", "T", "t", "params"), HARD)
def test_hard_cases_equal_the_oracle_by_mixing(name, k, stage, x, T, t, params):
    for function, exact in (
        ("purchases_if_alive", oracle.purchases_by_mixing),
        ("survival_if_alive", oracle.survival_by_mixing),
    ):
        one = [np.array([v]) for v in (x, stage, T, t)]
        compare(name, k, function, exact, {key: [v] for key, v in params.items()}, *one)


@pytest.mark.slow
@every_model
@pytest.mark.parametrize("k", [1, 2, 3, 4, 6])
def test_the_whole_box_equals_the_oracle_by_mixing(name, k):
    params, *rest = staged_box(3, k, seed=50 + k)
    compare(name, k, "purchases_if_alive", oracle.purchases_by_mixing, params, *rest)
    compare(name, k, "survival_if_alive", oracle.survival_by_mixing, params, *rest)


@every_model
@pytest.mark.parametrize("k", [2, 6])
def test_ten_thousand_random_customers(name, k):
    params, x, stage, T, t = staged_box(10_000, k, seed=55)
    kernel, d = MODELS[name][0].bound(k), MODELS[name][2]
    bought = kernel.purchases_if_alive(x + stage / k, T, t, **params)
    there = kernel.survival_if_alive(x + stage / k, T, t, **params)
    most = (hidden_mean(params, x, stage, T, t, k) + stage) / k
    assert ((bought > 0) & (bought <= most * (1 + RTOL))).all()
    assert ((there >= 0) & (there <= 1)).all()
    # 1 - (1-p)^M = p (1 + (1-p) + ...): survival is what purchases leave, with a + 1 for a; one of
    # them is mostly a sum, the other a quadrature, as a changes nothing about which it is
    more = {**params, "a": params["a"] + 1}
    leave = params["a"] / (params["a"] + params["b"] + x + d)
    left = leave * kernel.purchases_if_alive(x + stage / k, T, t, **more)
    np.testing.assert_allclose(there, 1 - left, rtol=0, atol=RTOL)


@every_model
def test_k_of_one_is_the_model_of_poisson_purchases(name):
    params, x, _, T, t = random_box(3000, seed=56)
    erlang, poisson = MODELS[name][0].bound(1), MODELS[name][1]
    for function, rtol in (
        ("purchases_if_alive", 3e-9),  # what the closed form there is good for
        ("survival_if_alive", 1e-15),
    ):
        got = getattr(erlang, function)(x, T, t, **params)
        np.testing.assert_allclose(got, getattr(poisson, function)(x, T, t, **params), rtol=rtol)
    n = np.floor(x / 3)
    np.testing.assert_allclose(
        erlang.pmf_if_alive(n, x, T, t, **params),
        poisson.pmf_if_alive(n, x, T, t, **params),
        rtol=1e-13,
        atol=1e-300,
    )


@every_model
@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("t", [4.0, 52.0])
def test_new_customers_buy_as_btydplus_has_it(name, k, t):
    # R package BTYDplus 1.2.0, (m)bgcnbd: E[X(t)] = sum over j >= 1 of P(N(t) >= k j) w_j with
    # w_j = B(a, b + j - 1) / B(a, b), and j for j - 1 where dropout can follow the first purchase
    kernel, d = MODELS[name][0].bound(k), MODELS[name][2]
    r, alpha, a, b = PARAMS.values()
    j = np.arange(1.0, 1500)
    share = np.exp(sp.betaln(a, b + j - 1 + d) - sp.betaln(a, b))
    exact = sp.betainc(k * j, r, t / (alpha + t)) @ share
    alive = kernel.prob_alive(0.0, 0.0, 0.0, **PARAMS)
    assert alive * kernel.purchases_if_alive(0.0, 0.0, t, **PARAMS) == pytest.approx(
        exact, rel=1e-10
    )


@every_model
@pytest.mark.parametrize("k", [2, 6])
def test_purchase_counts_equal_the_oracle(name, k):
    params, x, stage, T, t = staged_box(200, k, seed=57)
    t = np.minimum(t, 3 * (params["alpha"] + T))
    few = hidden_mean(params, x, stage, T, t, k) < 100
    kernel, d = MODELS[name][0].bound(k), MODELS[name][2]
    for row in np.flatnonzero(few)[:60]:
        one = {key: v[row] for key, v in params.items()}
        n = int(row % 7)
        got = kernel.pmf_if_alive(n, x[row] + stage[row] / k, T[row], t[row], **one)
        exact = oracle.pmf_if_alive(n, x[row], int(stage[row]), T[row], t[row], *one.values(), k, d)
        assert got == pytest.approx(float(exact), rel=1e-10, abs=1e-38)  # where the oracle ends


@every_model
@pytest.mark.parametrize("k", [2, 5])
@pytest.mark.parametrize(("x", "T"), [(0.0, 0.0), (2.0, 38.86), (30.0, 100.0)])
def test_counts_sum_to_one_and_average_to_the_expectation(name, k, x, T):
    kernel, n = MODELS[name][0].bound(k), np.arange(1500.0)
    for stage in range(k):
        here = x + stage / k
        for t in (1e-3, 4.0, 104.0):
            mass = kernel.pmf_if_alive(n, here, T, t, **PARAMS)
            mean = kernel.purchases_if_alive(here, T, t, **PARAMS)
            assert mass.sum() == pytest.approx(1, abs=1e-9)
            assert n @ mass == pytest.approx(float(mean), rel=1e-9)


@every_model
def test_no_dropout_counts_every_kth_event(name):
    k, r, alpha = 3, 0.7, 5.0
    kernel, (_, x, stage, T, t) = MODELS[name][0].bound(k), staged_box(60, k, seed=58)
    t = np.minimum(t, 2 * (alpha + T))
    got = kernel.purchases_if_alive(x + stage / k, T, t, r=r, alpha=alpha, a=1e-13, b=3.0)
    n = np.arange(20_000.0)[:, None]
    events = nbd.pmf_if_alive(n, k * x + stage, T, t, r=r, alpha=alpha)
    exact = (events * ((n + stage) // k)).sum(axis=0)
    np.testing.assert_allclose(got, exact, rtol=1e-9)
    there = kernel.survival_if_alive(x + stage / k, T, t, r=r, alpha=alpha, a=1e-13, b=3.0)
    np.testing.assert_allclose(there, 1, rtol=1e-9)


@every_model
def test_great_regularity_and_known_rates_are_a_clock(name):
    # r, alpha -> infinity: gaps of exactly k events at a known rate, their spread 1 / sqrt(k)
    params = {"r": 1e7, "alpha": 1e7 / 20, "a": 1.0, "b": 1e7}
    kernel = MODELS[name][0].bound(20)
    halfway = np.arange(1, 6) + 0.5
    got = kernel.purchases_if_alive(0.0, 0.0, halfway, **params)
    np.testing.assert_allclose(got, np.arange(1, 6), atol=0.05)


@every_model
def test_busy_customers_who_are_gone(name):
    # x = 1500 purchases by t_x = 100, silence until T = 1500: dead beyond floating point
    kernel, old = MODELS[name][0].bound(3), {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
    assert kernel.prob_alive(1500.0, 100.0, 1500.0, **old) == 0
    for stage in range(3):
        assert np.isfinite(kernel.purchases_if_alive(1500 + stage / 3, 1500.0, 30.0, **old))
    # lifetimes 0.11.3 has NaN here, for its MBG/NBD
    odd = {"r": 0.3109, "alpha": 20.597, "a": 0.0569, "b": 27.0294}
    assert 0 <= kernel.prob_alive(1000.0, 95.66, 206.81, **odd) <= 1
    assert np.isfinite(kernel.purchases_if_alive(1000.0, 206.81, 606.5, **odd))


@every_model
@pytest.mark.parametrize("k", [2, 20])
@pytest.mark.parametrize("size", [1e-8, 1e-4, 1e4, 1e8])
@pytest.mark.parametrize("which", [("a",), ("b",), ("a", "b"), ("r",), ("r", "alpha"), ("alpha",)])
def test_parameters_at_the_edge_of_reason_give_finite_predictions(name, k, size, which):
    params, kernel = {**PARAMS, **dict.fromkeys(which, size)}, MODELS[name][0].bound(k)
    _, x, stage, T, t = staged_box(60, k, seed=17)
    here = x + stage / k
    most = (hidden_mean(params, x, stage, T, t, k) + stage) / k
    bought = kernel.purchases_if_alive(here, T, t, **params)
    assert ((bought >= 0) & (bought <= most * (1 + 1e-8))).all()
    there = kernel.survival_if_alive(here, T, t, **params)
    assert ((there >= 0) & (there <= 1 + 1e-12)).all()
    mass = kernel.pmf_if_alive(np.float64(3), here, T, t, **params)
    assert ((mass >= 0) & (mass <= 1 + 1e-12)).all()


@every_model
def test_what_is_no_number_gives_no_number(name):
    # and above all comes to an end
    kernel = MODELS[name][0].bound(2)
    for which in PARAMS:
        one = {**PARAMS, which: np.nan}
        for t in (10.0, 1e6):
            assert np.isnan(kernel.purchases_if_alive(1.0, 5.0, t, **one))
            assert np.isnan(kernel.survival_if_alive(1.0, 5.0, t, **one))


@every_model
def test_nothing_happens_in_no_time(name):
    kernel, (params, x, stage, T, _) = MODELS[name][0].bound(4), staged_box(300, 4, seed=59)
    here = x + stage / 4
    np.testing.assert_array_equal(kernel.purchases_if_alive(here, T, 0.0, **params), 0.0)
    np.testing.assert_array_equal(kernel.survival_if_alive(here, T, 0.0, **params), 1.0)
    np.testing.assert_array_equal(kernel.pmf_if_alive(0.0, here, T, 0.0, **params), 1.0)


@every_model
def test_another_time_unit_changes_no_prediction(name):
    kernel, (params, x, stage, T, t) = MODELS[name][0].bound(3), staged_box(500, 3, seed=16)
    scaled = {**params, "alpha": 168 * params["alpha"]}
    for function in (kernel.purchases_if_alive, kernel.survival_if_alive):
        one = function(x + stage / 3, T, t, **params)
        other = function(x + stage / 3, 168 * T, 168 * t, **scaled)
        np.testing.assert_allclose(other, one, rtol=2 * RTOL)


@every_model
def test_draws_broadcast_against_customers(name):
    draws = {key: v * np.array([[0.8], [1.0], [1.3]]) for key, v in PARAMS.items()}
    kernel, (_, x, stage, T, t) = MODELS[name][0].bound(3), staged_box(7, 3, seed=23)
    here = x + stage / 3
    for function, args in (
        (kernel.prob_alive, (x, 0 * x, T)),
        (kernel.purchases_if_alive, (here, T, t)),
        (kernel.survival_if_alive, (here, T, t)),
        (kernel.pmf_if_alive, (np.float64(2), here, T, t)),
    ):
        got = function(*args, **draws)
        assert got.shape == (3, 7)
        np.testing.assert_array_equal(got[1], function(*args, **PARAMS))


def test_the_stage_is_read_from_the_count():
    for k in (1, 3, 7, 20):
        x = np.arange(2000)
        for stage in range(k):
            done, read = cnbd._split(x + stage / k, k)
            np.testing.assert_array_equal(done, x)
            np.testing.assert_array_equal(read, stage)


# survival of the BG/NBD and the MBG/NBD, in closed form


def check_survival(name, size, seed):
    kernel, d = MODELS[name][1:]
    params, x, _, T, t = random_box(size, seed)
    got = kernel.survival_if_alive(x, T, t, **params)
    shape, ratio, b = params["r"] + x, t / (params["alpha"] + T), params["b"] + x + d
    with mp.workdps(60):  # where shape is large, half of them cancel
        # the mean of (1 + p ratio)^-shape over Beta(a, b): Euler's integral of the 2F1
        exact = [
            float(mp.hyp2f1(s, a, mp.mpf(a) + b, -mp.mpf(u)))
            for s, u, a, b in zip(shape, ratio, params["a"], b, strict=True)
        ]
    np.testing.assert_allclose(got, exact, rtol=RTOL)


@every_model
def test_survival_of_poisson_buyers_equals_its_closed_form(name):
    check_survival(name, 1000, seed=24)


@pytest.mark.slow
@every_model
def test_survival_of_many_more_poisson_buyers(name):
    check_survival(name, 10_000, seed=25)

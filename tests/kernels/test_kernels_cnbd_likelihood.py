"""Likelihoods of the CNBD-k family: oracle, derivatives, special cases, invariances."""

import mpmath as mp
import numpy as np
import pytest
from oracles import cnbd as oracle
from oracles.box import LOUD, random_box
from oracles.derivatives import gradient_hessian

from clvmodels.kernels import (
    beta_geo,
    beta_geo_cnbd,
    cnbd,
    modified_beta_geo,
    modified_beta_geo_cnbd,
)

# k and d to the model's functions, and the parameters to try them at
MODELS = {"bg": (beta_geo_cnbd, beta_geo, 0), "mbg": (modified_beta_geo_cnbd, modified_beta_geo, 1)}
PARAMS = {"r": 0.58, "alpha": 2.29, "a": 1.13, "b": 1.59}
every_model = pytest.mark.parametrize("name", MODELS)

# x, t_x, T: one-time buyers old and of today, a clockwork buyer, one long gone, one very busy
PEOPLE = np.array(
    [
        (0, 0, 38.86), (0, 0, 0), (2, 30.43, 38.86), (1, 1.71, 38.86), (7, 29.43, 38.86),
        (12, 38.86, 38.86), (40, 20, 1000), (1500, 100, 1500), (3000, 364, 365), (1, 1e-6, 1e-6),
    ]
).T  # fmt: skip


@pytest.fixture(autouse=True)
def loud():
    with np.errstate(**LOUD):
        yield


def random_litt(x, t_x, k, seed):
    return cnbd.draw_litt(x, t_x, np.random.default_rng(seed), k=k)


def negative(name, k, params, x, t_x, T, litt, weight):
    kernel = MODELS[name][0].bound(k)
    theta = np.array(list(params.values()))
    return kernel.nll_grad_hess(theta, x, t_x, T, litt, weight, *kernel.tails(x, weight))


@every_model
@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize(("gaps", "T"), [((), 9.0), ((4.0,), 9.0), ((2.0, 3.5, 2.5), 12.0)])
def test_the_oracle_is_the_individual_likelihood_mixed_over_customers(name, k, gaps, T):
    params, d = PARAMS.values(), MODELS[name][2]
    litt = mp.fsum(mp.log(gap) for gap in gaps)
    closed = oracle.loglik(len(gaps), sum(gaps), T, litt, *params, k, d)
    mixed = oracle.likelihood_by_mixing(gaps, T, *params, k, d)
    # numerical integral over a rate density that is infinite at 0
    assert float(mp.exp(closed) / mixed) == pytest.approx(1, rel=1e-7)


@every_model
@pytest.mark.parametrize("k", [1, 2, 4, 20])
def test_loglik_equals_the_oracle_on_random_customers(name, k):
    params, x, t_x, T, _ = random_box(60, seed=60 + k)
    litt = random_litt(x, t_x, k, seed=1)
    got = MODELS[name][0].bound(k).loglik(x, t_x, T, litt, **params)
    rows = zip(x, t_x, T, litt, *params.values(), strict=True)
    exact = [float(oracle.loglik(*row, k, MODELS[name][2])) for row in rows]
    # a few roundings of terms of the size of k x log(alpha + T)
    np.testing.assert_allclose(got, exact, rtol=1e-12, atol=2e-11 * k)


@every_model
@pytest.mark.parametrize("k", [1, 3, 20])
def test_probability_alive_and_stages_equal_the_oracle(name, k):
    params, x, t_x, T, _ = random_box(60, seed=70 + k)
    kernel, d = MODELS[name][0].bound(k), MODELS[name][2]
    alive = kernel.prob_alive(x, t_x, T, **params)
    weights = kernel.stage_weights(x, t_x, T, **params)
    assert weights.shape == (k, 60)
    rows = list(zip(x, t_x, T, *params.values(), strict=True))
    exact = [float(oracle.prob_alive(*row, k, d)) for row in rows]
    # exponentials of logs of the size of k x; what underflows is 0
    np.testing.assert_allclose(alive, exact, rtol=1e-10, atol=1e-300)
    exact = np.array([[float(w) for w in oracle.stage_weights(*row, k, d)] for row in rows]).T
    np.testing.assert_allclose(weights, exact, rtol=1e-12, atol=1e-300)


def check_derivatives(name, k, params, x, t_x, T, rtol):
    litt = random_litt(x, t_x, k, seed=2)
    weight = 1.0 + np.arange(len(x)) % 3
    rows = list(zip(weight, x, t_x, T, litt, strict=True))

    def nll(*theta):
        return -mp.fsum(w * oracle.loglik(*row, *theta, k, MODELS[name][2]) for w, *row in rows)

    got = negative(name, k, params, x, t_x, T, litt, weight)
    theta = np.array(list(params.values()))
    # on the log scale, on which parameters are estimated: one tolerance for all entries
    scales = 1.0, theta, np.outer(theta, theta)
    for mine, exact, scale in zip(got, gradient_hessian(nll, theta), scales, strict=True):
        size = max(1.0, np.abs(exact * scale).max())
        np.testing.assert_allclose(mine * scale, exact * scale, rtol=rtol, atol=rtol * size)


@every_model
@pytest.mark.parametrize("k", [1, 2, 5])
def test_gradient_and_hessian(name, k):
    check_derivatives(name, k, PARAMS, *PEOPLE, rtol=1e-11)  # rounding only: both are exact


@every_model
@pytest.mark.parametrize("factor", [1e-3, 1e3, 1e6])
def test_gradient_and_hessian_far_from_any_estimate(name, factor):
    # ridges: homogeneous rates (r, alpha large) and dropout (a, b large), and their opposites;
    # what is left there of terms of order r or b is of order one, hence six digits fewer
    params = {key: v * factor for key, v in PARAMS.items()}
    check_derivatives(name, 3, params, *PEOPLE, rtol=1e-9)


@every_model
def test_gradient_and_hessian_over_the_box(name):
    for seed in range(8):
        params, x, t_x, T, _ = random_box(3, seed=80 + seed)
        params = {key: float(v[0]) for key, v in params.items()}
        check_derivatives(name, 2 + seed % 4, params, x, t_x, T, rtol=1e-10)


@every_model
@pytest.mark.parametrize("k", [1, 2, 6])
def test_the_sum_of_loglik_is_the_objective(name, k):
    _, x, t_x, T, _ = random_box(500, seed=1)
    weight, litt = np.random.default_rng(2).uniform(0.5, 4, 500), random_litt(x, t_x, k, seed=3)
    nll, _, _ = negative(name, k, PARAMS, x, t_x, T, litt, weight)
    loglik = MODELS[name][0].bound(k).loglik(x, t_x, T, litt, **PARAMS)
    assert nll == pytest.approx(-(weight @ loglik), rel=1e-13)  # two orders of summation


@every_model
def test_weights_are_replication(name):
    times = np.array([1, 2, 3, 1, 4, 1, 2, 1, 1, 5])
    litt = random_litt(PEOPLE[0], PEOPLE[1], 3, seed=4)
    rows = [np.repeat(column, times) for column in (*PEOPLE, litt)]
    weighted = negative(name, 3, PARAMS, *PEOPLE, litt, times.astype(float))
    repeated = negative(name, 3, PARAMS, *rows, np.ones(times.sum()))
    for one, other in zip(weighted, repeated, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)  # order of summation


@every_model
@pytest.mark.parametrize("unit", [7, 604800, 1 / 52])
def test_another_time_unit_shifts_loglik_by_a_known_amount(name, unit):
    # a density of times: every repeat purchase is one factor, whatever k
    params, x, t_x, T, _ = random_box(500, seed=3)
    kernel, litt = MODELS[name][0].bound(4), random_litt(x, t_x, 4, seed=5)
    before = kernel.loglik(x, t_x, T, litt, **params)
    scaled = {**params, "alpha": unit * params["alpha"]}
    after = kernel.loglik(x, unit * t_x, unit * T, litt + x * np.log(unit), **scaled)
    np.testing.assert_allclose(after, before - x * np.log(unit), rtol=1e-12, atol=1e-10)


@every_model
def test_k_of_one_is_the_model_of_poisson_purchases(name):
    params, x, t_x, T, _ = random_box(2000, seed=4)
    erlang, poisson = MODELS[name][0].bound(1), MODELS[name][1]
    got = erlang.loglik(x, t_x, T, random_litt(x, t_x, 1, seed=6), **params)
    # order of summation
    np.testing.assert_allclose(got, poisson.loglik(x, t_x, T, **params), rtol=1e-14, atol=1e-11)
    np.testing.assert_array_equal(
        erlang.prob_alive(x, t_x, T, **params), poisson.prob_alive(x, t_x, T, **params)
    )
    theta, weight = np.array(list(PARAMS.values())), np.ones(2000)
    same = poisson.nll_grad_hess(theta, x, t_x, T, weight, *poisson.tails(x, weight))
    for one, other in zip(negative(name, 1, PARAMS, x, t_x, T, 0 * x, weight), same, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


@every_model
def test_dropout_that_never_comes_leaves_regular_purchases(name):
    # Gamma(r, alpha) rates of events, of which every k-th is a purchase, and nothing else
    x, t_x, T = PEOPLE[:, [0, 2, 4, 5]]
    litt, r, alpha, k = random_litt(x, t_x, 3, seed=7), 0.6, 2.3, 3
    got = MODELS[name][0].bound(k).loglik(x, t_x, T, litt, r=r, alpha=alpha, a=1e-12, b=1.0)

    @mp.workdps(40)  # integrals as small as e^-50, and an absolute tolerance
    def density(gaps_log, n, last, age):
        def term(rate):
            prior = mp.mpf(alpha) ** r * rate ** (r - 1) * mp.exp(-alpha * rate) / mp.gamma(r)
            quiet = mp.fsum((rate * (age - last)) ** j / mp.factorial(j) for j in range(k))
            return prior * rate ** (k * n) * mp.exp(-rate * age) * quiet

        integral = mp.quad(term, [0, mp.mpf("0.01"), mp.mpf("0.1"), 1, 10, mp.inf])
        return float(mp.log(integral) + (k - 1) * gaps_log - n * mp.log(2))

    exact = [density(*row) for row in zip(litt, x.astype(int), t_x, T, strict=True)]
    np.testing.assert_allclose(got, exact, rtol=1e-7)  # a density that is infinite at 0


@every_model
@pytest.mark.parametrize("k", [2, 20])
@pytest.mark.parametrize("size", [1e-8, 1e8])
@pytest.mark.parametrize("which", [("a",), ("b",), ("a", "b"), ("r",), ("r", "alpha"), ("alpha",)])
def test_parameters_at_the_edge_of_reason_give_finite_values(name, k, size, which):
    params, litt = {**PARAMS, **dict.fromkeys(which, size)}, random_litt(*PEOPLE[:2], k, seed=8)
    everybody = np.ones(PEOPLE.shape[1])
    for values in negative(name, k, params, *PEOPLE, litt, everybody):
        assert np.isfinite(values).all()
    assert np.isfinite(MODELS[name][0].bound(k).loglik(*PEOPLE, litt, **params)).all()


@every_model
def test_draws_broadcast_against_customers(name):
    kernel, litt = MODELS[name][0].bound(2), random_litt(*PEOPLE[:2], 2, seed=9)
    draws = {key: v * np.array([[0.8], [1.0], [1.3]]) for key, v in PARAMS.items()}
    got = kernel.loglik(*PEOPLE, litt, **draws)
    np.testing.assert_array_equal(got[1], kernel.loglik(*PEOPLE, litt, **PARAMS))
    got = kernel.stage_weights(*PEOPLE, **draws)
    assert got.shape == (2, 3, PEOPLE.shape[1])
    np.testing.assert_array_equal(got[:, 1], kernel.stage_weights(*PEOPLE, **PARAMS))

"""Purchases and spend that go together: oracle, collapse to independence, derivatives, money."""

import numpy as np
import pytest
from oracles import linked_spend as oracle
from oracles.box import LOUD

from clvmodels.kernels import beta_geo, gamma_gamma, linked_spend, linked_value
from clvmodels.kernels import modified_beta_geo as mbg
from clvmodels.kernels import nbd as nbd_kernel

# near the maximum on the CDNOW sample, with a link ten times as strong
RATE = {"r": 0.243, "alpha": 4.41}
DROPOUT = {"a": 0.79, "b": 2.43}
SPEND = {"p": 6.25, "q": 3.74, "v": 15.44}
FAMILY = {  # parameters without the multiplier, d, and the kernel of purchases alone
    "nbd": ({**RATE, **SPEND}, 0, nbd_kernel),
    "bg": ({**RATE, **DROPOUT, **SPEND}, 0, beta_geo),
    "mbg": ({**RATE, **DROPOUT, **SPEND}, 1, mbg),
}

# x, t_x, T, n, m: ordinary buyers, one long gone, busy ones, one whose first purchase counts
PEOPLE = np.array(
    [
        (1, 1.71, 38.86, 1, 20.0), (2, 30.43, 38.86, 2, 22.35), (7, 29.43, 38.86, 7, 40.0),
        (40, 20, 1000, 40, 3.0), (29, 38, 38.86, 29, 500.0), (0, 0, 38.86, 1, 12.0),
        (300, 364, 365, 300, 0.5),
    ]
).T  # fmt: skip

every_model = pytest.mark.parametrize("name", FAMILY)


@pytest.fixture(autouse=True)
def loud():
    with np.errstate(**LOUD):
        yield


def with_link(name, g):
    params, d, kernel = FAMILY[name]
    return {**params, "multiplier": float(np.exp(g))}, d, kernel


def alone(name):
    params, _, kernel = FAMILY[name]
    own = {k: v for k, v in params.items() if k not in SPEND}
    return kernel, own


@every_model
@pytest.mark.parametrize("g", [-0.6, 1.2])
def test_loglik_equals_the_oracle(name, g):
    params, d, _ = with_link(name, g)
    some = PEOPLE[:, [1, 3, 5, 6]]
    got = linked_spend.loglik(*some, **params, d=d)
    exact = [float(oracle.loglik(*row, **params, d=d)) for row in some.T]
    np.testing.assert_allclose(got, exact, rtol=0, atol=1e-9)


@pytest.mark.parametrize("changed", [{"p": 1e4}, {"q": 300.0}, {"r": 40.0, "alpha": 700.0}])
@pytest.mark.parametrize("g", [-2.5, 2.5])
def test_loglik_equals_the_oracle_where_the_integrand_is_narrow(changed, g):
    params, d, _ = with_link("bg", g)
    params |= changed
    params["v"] *= 6.25 / params["p"] * params["q"] / 3.74  # the same mean spend
    some = PEOPLE[:, [0, 2]]
    got = linked_spend.loglik(*some, **params, d=d)
    exact = [float(oracle.loglik(*row, **params, d=d)) for row in some.T]
    np.testing.assert_allclose(got, exact, rtol=0, atol=1e-9)


@every_model
def test_no_link_is_the_product_of_both_likelihoods(name):
    params, d, _ = with_link(name, 0.0)
    kernel, own = alone(name)
    apart = kernel.loglik(*PEOPLE[:3], **own) + gamma_gamma.loglik(*PEOPLE[3:], **SPEND)
    got = linked_spend.loglik(*PEOPLE, **params, d=d)
    np.testing.assert_allclose(got, apart, rtol=0, atol=1e-9)


@every_model
@pytest.mark.parametrize("g", [-0.6, 0.0, 0.3, 1.2])
def test_gradient_and_hessian_are_those_of_the_value(name, g):
    params, d, _ = with_link(name, g)
    names, theta = list(params), np.array(list(params.values()))
    weight = 1.0 + np.arange(PEOPLE.shape[1])

    def at(logs):
        f, gradient, hessian = linked_spend.nll_grad_hess(np.exp(logs), *PEOPLE, weight, d)
        gradient = gradient * np.exp(logs)
        scale = np.outer(np.exp(logs), np.exp(logs))
        return f, gradient, hessian * scale + np.diag(gradient)

    here, gradient, hessian = at(np.log(theta))
    loglik = linked_spend.loglik(*PEOPLE, **dict(zip(names, theta, strict=True)), d=d)
    assert here == pytest.approx(-weight @ loglik, rel=1e-12)
    # four-point differences of step h: errors of h^4 and of rounding over h
    h, eye = 1e-3, np.eye(len(theta))
    for k in range(len(theta)):
        near, far = (
            [at(np.log(theta) + sign * size * h * eye[k]) for sign in (1, -1)] for size in (1, 2)
        )
        for part, exact in ((0, gradient[k]), (1, hessian[k])):
            close, wide = near[0][part] - near[1][part], far[0][part] - far[1][part]
            differences = (8 * close - wide) / (12 * h)
            size = np.abs(hessian).max()
            np.testing.assert_allclose(exact, differences, rtol=1e-7, atol=1e-9 * size)


@every_model
@pytest.mark.parametrize(("g", "person"), [(-0.4, 0), (0.3, 2)])
def test_predictions_equal_the_oracle(name, g, person):
    params, d, _ = with_link(name, g)
    some = PEOPLE[:, [person]]
    windows = ((0.0, 0.0, 52.0), (0.0018, 0.0, np.inf))
    alive, made, worth = linked_value.predictions(*some, windows, **params, d=d)
    for i, row in enumerate(some.T):
        for j, (delta, _, end) in enumerate(windows):
            exact = [float(v) for v in oracle.predictions(*row, delta, end, **params, d=d)]
            got = [alive[i], made[j, i], worth[j, i]]
            np.testing.assert_allclose(got, exact, rtol=1e-9)


@every_model
@pytest.mark.parametrize("x", [0.0, 3.0, 29.0])
def test_without_a_link_predictions_are_those_of_both_models(name, x):
    params, d, _ = with_link(name, 0.0)
    kernel, own = alone(name)
    T = np.array([38.86, 5.0])
    t_x = np.minimum(x, 1) * T / 2
    n, m = np.full(2, x), np.array([30.0, 3.0])
    windows = ((0.0, 0.0, 52.0), (0.0, 10.0, 1000.0))
    alive, made, worth = linked_value.predictions(
        np.full(2, x), t_x, T, n, np.where(n > 0, m, 0.0), windows, **params, d=d
    )
    np.testing.assert_allclose(alive, kernel.prob_alive(np.full(2, x), t_x, T, **own), rtol=1e-9)
    for j, (_, begin, end) in enumerate(windows):
        upto = [
            kernel.purchases_if_alive(np.full(2, x), T, np.float64(t), **own) for t in (begin, end)
        ]
        np.testing.assert_allclose(made[j], upto[1] - upto[0], rtol=2e-9)
    spend = gamma_gamma.expected_spend(n, m, **SPEND)
    np.testing.assert_allclose(worth / made, [spend, spend], rtol=1e-9)


def test_one_time_buyers_have_a_closed_form():
    # mean spend grows like lambda^g, which shifts the gamma density of the rate by g
    g, T = 0.3, np.array([38.86])
    params, _, _ = with_link("bg", g)
    none = np.zeros(1)
    _, _, worth = linked_value.predictions(none, none, T, none, none, ((0.0, 0.0, 52.0),), **params)
    r, alpha = RATE["r"], RATE["alpha"]
    shifted = beta_geo.purchases_if_alive(none, T, np.float64(52), **RATE | {"r": r + g}, **DROPOUT)
    log_moment = oracle.mp.loggamma(r + g) - oracle.mp.loggamma(r)
    moment = float(oracle.mp.exp(log_moment)) * (alpha / r / (alpha + T)) ** g
    mean = gamma_gamma.population_mean(**SPEND)
    np.testing.assert_allclose(worth[0], shifted * moment * mean, rtol=1e-9)


def test_a_mean_that_does_not_exist_is_infinite():
    params, _, _ = with_link("bg", 0.3)
    none, T = np.zeros(1), np.array([38.86])
    window = ((0.0, 0.0, 52.0),)
    for changed in ({"q": 0.9}, {"multiplier": np.exp(-1.3)}):  # r + 1 + g < 0: too many slow ones
        _, made, worth = linked_value.predictions(
            none, none, T, none, none, window, **params | changed
        )
        assert worth[0, 0] == np.inf
        assert np.isfinite(made).all()


@every_model
def test_another_currency_and_another_unit_shift_loglik_by_a_known_amount(name):
    params, d, _ = with_link(name, 0.3)
    x, t_x, T, n, m = PEOPLE
    before = linked_spend.loglik(*PEOPLE, **params, d=d)
    cents = linked_spend.loglik(x, t_x, T, n, 100 * m, **params | {"v": 1544.0}, d=d)
    np.testing.assert_allclose(cents, before - np.log(100), rtol=1e-10, atol=1e-10)
    days = {**params, "alpha": 7 * params["alpha"]}
    after = linked_spend.loglik(x, 7 * t_x, 7 * T, n, m, **days, d=d)
    np.testing.assert_allclose(after, before - x * np.log(7), rtol=1e-10, atol=1e-10)


@every_model
@pytest.mark.parametrize("size", [1e-4, 1e4])
@pytest.mark.parametrize("which", [("r",), ("alpha",), ("p",), ("q",), ("v",), ("r", "alpha")])
@pytest.mark.parametrize("g", [-3.0, 0.0, 3.0])
def test_parameters_far_from_any_estimate_give_finite_values(name, size, which, g):
    params, d, _ = with_link(name, g)
    params |= {k: params[k] * size for k in which}
    theta, some = np.array(list(params.values())), PEOPLE[:, :5]
    f, gradient, hessian = linked_spend.nll_grad_hess(theta, *some, np.ones(5), d)
    assert np.isfinite(f)
    assert np.isfinite(gradient).all()
    assert np.isfinite(hessian).all()
    alive, made, worth = linked_value.predictions(*some, ((0.001, 0.0, 52.0),), **params, d=d)
    assert np.isfinite(alive).all()
    assert np.isfinite(made).all()
    assert not np.isnan(worth).any()


@every_model
def test_draws_broadcast_against_customers(name):
    params, d, _ = with_link(name, 0.3)
    draws = {k: v * np.array([[0.9], [1.0], [1.1]]) for k, v in params.items()}
    got = linked_spend.loglik(*PEOPLE, **draws, d=d)
    assert got.shape == (3, PEOPLE.shape[1])
    np.testing.assert_array_equal(got[1], linked_spend.loglik(*PEOPLE, **params, d=d))

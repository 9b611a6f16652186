"""Derivatives row by row in the logs of parameters: what covariates build on."""

import mpmath as mp
import numpy as np
import pytest
from oracles import beta_geo as bg_oracle
from oracles import gamma_gamma as gg_oracle
from oracles import modified_beta_geo as mbg_oracle
from oracles.box import LOUD, random_box
from oracles.derivatives import gradient_hessian

from clvmodels.kernels import beta_geo, gamma_gamma, modified_beta_geo

FAMILY = {"bg": (beta_geo, bg_oracle), "mbg": (modified_beta_geo, mbg_oracle)}

# maximum likelihood on the CDNOW sample (Fader, Hardie and Lee 2005)
CDNOW = {"r": 0.2425945, "alpha": 4.4136019, "a": 0.7929199, "b": 2.4258881}
SPEND = {"p": 6.25, "q": 3.74, "v": 15.44}  # Fader, Hardie and Lee (2005b)


@pytest.fixture(autouse=True)
def loud():
    with np.errstate(**LOUD):
        yield


def spend_box(size, seed, log_shapes=(-3, 5)):
    """Parameters by name, numbers of purchases and their mean values."""
    rng = np.random.default_rng(seed)
    params = {name: np.exp(rng.uniform(*log_shapes, size)) for name in ("p", "q")}
    params["v"] = np.exp(rng.uniform(-12, 25, size))
    x = np.floor(np.exp(rng.uniform(0, 7, size)))
    return params, x, np.exp(rng.uniform(np.log(1e-6), np.log(1e12), size))


def alike(rng, size):
    """The same where customers and purchases hardly differ: shapes up to 1e7, likely amounts."""
    params, x, _ = spend_box(size, 5, (8, 16))
    params["v"] = 20 * params["q"] / params["p"]
    spread = np.sqrt(1 / (params["p"] * x) + 1 / params["q"])
    return params, x, 20 * np.exp(rng.normal(0, spread))


def in_logs(gradient, hessian, theta):
    slope = gradient * theta
    return slope, hessian * np.outer(theta, theta) + np.diag(slope)


def check_rows(kernel, oracle, params, columns, rtol):
    """Every row against 50-digit differences of the oracle, at parameters of its own."""
    got = kernel.row_derivatives(*columns, **params)
    theta = np.array(list(params.values())).T
    size = theta.shape[1]
    assert [v.shape for v in got] == [(len(theta),), (len(theta), size), (len(theta), size, size)]
    for k, row in enumerate(zip(*columns, strict=True)):
        ll, *exact = gradient_hessian(lambda *p, row=row: oracle.loglik(*row, *p), theta[k])
        np.testing.assert_allclose(got[0][k], ll, rtol=1e-12, atol=2e-11)
        for mine, right in zip(got[1:], in_logs(*exact, theta[k]), strict=True):
            # one tolerance for all entries of a row: what cancels is of the size of the largest
            np.testing.assert_allclose(mine[k], right, rtol=rtol, atol=rtol * max(1, abs(ll)))


@pytest.mark.parametrize("name", FAMILY)
def test_rows_of_the_bg_family_equal_the_oracle_over_the_box(name):
    params, x, t_x, T, _ = random_box(100, seed=5)
    check_rows(*FAMILY[name], params, (x, t_x, T), rtol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILY)
def test_many_rows_of_the_bg_family_equal_the_oracle(name):
    params, x, t_x, T, _ = random_box(1000, seed=6)
    check_rows(*FAMILY[name], params, (x, t_x, T), rtol=1e-11)


def test_spend_rows_equal_the_oracle_over_the_box():
    params, x, m = spend_box(300, seed=5)
    check_rows(gamma_gamma, gg_oracle, params, (x, m), rtol=1e-11)


@pytest.mark.slow
def test_many_spend_rows_equal_the_oracle():
    params, x, m = spend_box(3000, seed=6)
    check_rows(gamma_gamma, gg_oracle, params, (x, m), rtol=1e-11)


def test_spend_that_hardly_differs_keeps_its_digits():
    params, x, m = alike(np.random.default_rng(4), 100)
    got = gamma_gamma.row_derivatives(x, m, **params)[1]
    for k, row in enumerate(zip(x, m, strict=True)):
        theta = np.array([values[k] for values in params.values()])
        _, slope, _ = gradient_hessian(lambda *p, row=row: gg_oracle.loglik(*row, *p), theta)
        # of order one, left of digammas times 1e7; m itself is rounded, times sqrt(shape)
        np.testing.assert_allclose(got[k], slope * theta, atol=1e-7, rtol=1e-7)


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("x", [32.0, 33.0, 1000.0, 1e6])
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e6])
def test_long_sums_over_past_purchases_keep_their_digits(name, x, size):
    # log-gammas in place of the oracle's products, which take too long for a million purchases
    kernel, d = FAMILY[name][0], int(name == "mbg")
    params = {"r": size, "alpha": 2.0, "a": 1.5, "b": size}

    def loglik(r, alpha, a, b):
        rate = mp.loggamma(r + x) - mp.loggamma(r) + r * mp.log(alpha) - (r + x) * mp.log(alpha + x)
        stay = mp.loggamma(b + x + d) - mp.loggamma(b)
        stay += mp.loggamma(a + b) - mp.loggamma(a + b + x + d)
        gone = a / (b + x + d - 1) * ((alpha + x) / (alpha + x / mp.mpf(2))) ** (r + x)
        return rate + stay + mp.log(1 + gone)

    theta = np.array(list(params.values()))
    ll, *exact = gradient_hessian(loglik, theta)
    got = kernel.row_derivatives(np.full(1, x), np.full(1, x / 2), np.full(1, x), **params)
    for mine, right in zip(got, (ll, *in_logs(*exact, theta)), strict=True):
        # sums of x terms of order one
        np.testing.assert_allclose(mine[0], right, rtol=1e-10, atol=1e-13 * x + 1e-11)


@pytest.mark.parametrize("name", FAMILY)
def test_rows_add_up_to_the_objective_of_the_bg_family(name):
    kernel = FAMILY[name][0]
    _, x, t_x, T, _ = random_box(500, seed=1)
    weight = np.random.default_rng(2).uniform(0.5, 4, 500)
    theta = np.array(list(CDNOW.values()))
    nll, gradient, hessian = kernel.nll_grad_hess(
        theta, x, t_x, T, weight, *kernel.tails(x, weight)
    )
    ll, first, second = kernel.row_derivatives(x, t_x, T, **CDNOW)
    check_sum(weight, (ll, first, second), -nll, *in_logs(-gradient, -hessian, theta))


def test_rows_add_up_to_the_objective_of_spend():
    _, x, m = spend_box(500, seed=1)
    weight = np.random.default_rng(2).uniform(0.5, 4, 500)
    theta = np.array(list(SPEND.values()))
    nll, gradient, hessian = gamma_gamma.nll_grad_hess(theta, x, m, weight)
    rows = gamma_gamma.row_derivatives(x, m, **SPEND)
    check_sum(weight, rows, -nll, *in_logs(-gradient, -hessian, theta))


def check_sum(weight, rows, *expected):
    for each, total in zip(rows, expected, strict=True):
        size = np.abs(total).max()  # two orders of summation
        np.testing.assert_allclose(
            np.tensordot(weight, each, 1), total, rtol=1e-12, atol=1e-12 * size
        )


@pytest.mark.parametrize("name", FAMILY)
def test_a_number_for_all_rows_is_that_number_in_each_row(name):
    kernel = FAMILY[name][0]
    _, x, t_x, T, _ = random_box(50, seed=3)
    each = {key: np.full(50, value) for key, value in CDNOW.items()}
    one, rows = (kernel.row_derivatives(x, t_x, T, **params) for params in (CDNOW, each))
    for a, b in zip(one, rows, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("size", [1e-25, 1e25])
@pytest.mark.parametrize("which", [("a",), ("b",), ("a", "b"), ("alpha",), ("alpha", "a", "b")])
def test_parameters_far_beyond_any_estimate_give_finite_values(name, size, which):
    # e^50 is as far as a covariate may take a customer from the average
    _, x, t_x, T, _ = random_box(200, seed=8)
    params = {**CDNOW, **dict.fromkeys(which, size)}
    assert all(np.isfinite(v).all() for v in FAMILY[name][0].row_derivatives(x, t_x, T, **params))


@pytest.mark.parametrize("p", [1e-7, 1.0, 1e7])
@pytest.mark.parametrize("q", [1e-7, 1.0, 1e7])
@pytest.mark.parametrize("v", [1e-25, 1e25])
def test_any_amount_of_money_gives_finite_values(p, q, v):
    _, x, m = spend_box(200, seed=8)
    assert all(np.isfinite(out).all() for out in gamma_gamma.row_derivatives(x, m, p=p, q=q, v=v))

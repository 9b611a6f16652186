"""Gamma-Gamma spend: oracle, published numbers, derivatives, and money of any size."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import gamma_gamma as oracle
from oracles.box import LOUD, log_uniform
from oracles.derivatives import gradient_hessian

from clvmodels.kernels import gamma_gamma

NAMES = ("p", "q", "v")
CDNOW = {"p": 6.25, "q": 3.74, "v": 15.44}  # Fader, Hardie and Lee (2005b)

parameters = st.tuples(log_uniform(-3, 5), log_uniform(-3, 5), log_uniform(-12, 25))
spends = st.tuples(st.integers(1, 1000), log_uniform(np.log(1e-6), np.log(1e12)))


def named(values):
    return dict(zip(NAMES, values, strict=True))


@pytest.fixture(autouse=True)
def loud():
    with np.errstate(**LOUD):
        yield


@pytest.mark.parametrize(("x", "m"), [(1, 20.0), (2, 22.35), (11, 40.0)])
def test_the_oracle_is_the_gamma_mixture(x, m):
    mixed = oracle.density_by_mixing(x, m, *CDNOW.values())
    assert float(mp.log(mixed)) == pytest.approx(
        float(oracle.loglik(x, m, *CDNOW.values())), rel=1e-12
    )
    mixed = oracle.expected_spend_by_mixing(x, m, *CDNOW.values())
    assert float(mixed) == pytest.approx(
        float(oracle.expected_spend(x, m, *CDNOW.values())), rel=1e-12
    )


@settings(max_examples=400)
@given(params=parameters, spend=spends)
def test_loglik_and_expected_spend_equal_the_oracle(params, spend):
    x, m = np.float64(spend[0]), np.float64(spend[1])
    with np.errstate(**LOUD):
        loglik = gamma_gamma.loglik(x, m, **named(params))
        mean = gamma_gamma.expected_spend(x, m, **named(params))
    # a few roundings of the largest term
    np.testing.assert_allclose(loglik, float(oracle.loglik(x, m, *params)), rtol=1e-12, atol=1e-11)
    if params[0] * x + params[1] > 1 + 1e-6:  # p x + q - 1 is exact to a rounding error of one
        exact = float(oracle.expected_spend(x, m, *params))
        np.testing.assert_allclose(mean, exact, rtol=1e-9)


def test_loglik_where_every_purchase_of_a_customer_is_alike():
    # p -> infinity: two powers of 1e8 cancel to a density of order one
    rng = np.random.default_rng(1)
    x = rng.integers(1, 50, 300).astype(float)
    for p, q in ((1e8, 3.74), (1e8, 1e8), (6.25, 1e8)):
        v = 20 * q / p
        m = 20 * np.exp(rng.normal(0, np.sqrt(1 / p + 1 / q), 300))
        got = gamma_gamma.loglik(x, m, p=p, q=q, v=v)
        exact = [float(oracle.loglik(*row, p, q, v)) for row in zip(x, m, strict=True)]
        # x p / (v + x m) carries the rounding error of m itself, times sqrt(1e8)
        np.testing.assert_allclose(got, exact, rtol=1e-11, atol=1e-9)


def test_published_conditional_means():
    # lifetimes' documentation: CDNOW at the estimates of Fader, Hardie and Lee (2005b), unrounded
    params = {"p": 6.2488, "q": 3.7446, "v": 15.4477}
    assert gamma_gamma.population_mean(**params) == pytest.approx(35.171, abs=1.5e-3)
    got = gamma_gamma.expected_spend(np.float64(2), np.float64(22.35), **params)
    assert got == pytest.approx(24.6586, abs=2e-4)  # parameters to five digits


def test_no_purchases_give_the_population_mean_whatever_the_amount_says():
    mean = gamma_gamma.population_mean(**CDNOW)
    got = gamma_gamma.expected_spend(np.zeros(3), np.array([np.nan, 0.0, 99.0]), **CDNOW)
    np.testing.assert_allclose(got, mean, rtol=1e-15)


def test_a_mean_that_does_not_exist_is_infinite_and_never_negative():
    # lifetimes gives -459.52 at x = 0; 36.67218543 is a 60-digit mpmath value
    params = {"p": 6.25, "q": 0.79, "v": 15.44}
    assert gamma_gamma.population_mean(**params) == np.inf
    got = gamma_gamma.expected_spend(np.array([0.0, 1.0]), np.array([0.0, 20.0]), **params)
    assert got[0] == np.inf
    assert got[1] == pytest.approx(36.67218543, rel=1e-9)


def check_derivatives(params, x, m, rtol):
    weight = 1.0 + np.arange(len(x)) % 3
    rows = list(zip(weight, x, m, strict=True))

    def nll(*theta):
        return -mp.fsum(w * oracle.loglik(*row, *theta) for w, *row in rows)

    theta = np.array(params)
    got = gamma_gamma.nll_grad_hess(theta, x, m, weight)
    scales = 1.0, theta, np.outer(theta, theta)  # the log scale, on which parameters are estimated
    for mine, exact, scale in zip(got, gradient_hessian(nll, theta), scales, strict=True):
        size = max(1.0, np.abs(exact * scale).max())
        np.testing.assert_allclose(mine * scale, exact * scale, rtol=rtol, atol=rtol * size)


def test_gradient_and_hessian_at_the_published_estimates():
    x = np.array([1, 1, 2, 7, 30, 400.0])
    m = np.array([0.01, 20, 22.35, 40, 33, 5000.0])
    check_derivatives(tuple(CDNOW.values()), x, m, rtol=1e-12)  # rounding only


@settings(max_examples=40)
@given(params=parameters, people=st.lists(spends, min_size=1, max_size=5))
def test_gradient_and_hessian_over_the_box(params, people):
    x, m = np.array(people, dtype=float).T
    with np.errstate(**LOUD):
        # differences of di- and trigammas of p x + q and p x: up to 1e5 times their rounding error
        check_derivatives(params, x, m, rtol=1e-9)


@pytest.mark.parametrize("p", [1e-3, 1.0, 1e4, 1e8])
@pytest.mark.parametrize("q", [1e-3, 1.0, 1e4, 1e8])
@pytest.mark.parametrize("v", [1e-6, 1e12])
def test_any_amount_of_money_is_finite_and_silent(p, q, v):
    x = np.array([1, 2, 50, 1000.0])[:, None] * np.ones(7)
    m = np.geomspace(1e-6, 1e12, 7) * np.ones((4, 1))
    x, m = x.ravel(), m.ravel()
    assert np.isfinite(gamma_gamma.loglik(x, m, p=p, q=q, v=v)).all()
    f, gradient, hessian = gamma_gamma.nll_grad_hess(np.array([p, q, v]), x, m, np.ones(x.size))
    assert np.isfinite(f)
    assert np.isfinite(gradient).all()
    assert np.isfinite(hessian).all()
    mean = gamma_gamma.expected_spend(x, m, p=p, q=q, v=v)
    assert (mean > 0).all()
    assert np.isfinite(mean[p * x + q > 1]).all()


def test_the_sum_of_loglik_is_the_objective_and_weights_are_replication():
    rng = np.random.default_rng(3)
    x, m = rng.integers(1, 20, 200).astype(float), rng.lognormal(3, 1, 200)
    times = rng.integers(1, 5, 200)
    theta = np.array(list(CDNOW.values()))
    weighted = gamma_gamma.nll_grad_hess(theta, x, m, times.astype(float))
    repeated = gamma_gamma.nll_grad_hess(
        theta, np.repeat(x, times), np.repeat(m, times), np.ones(times.sum())
    )
    for one, other in zip(weighted, repeated, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)  # order of summation
    loglik = gamma_gamma.loglik(x, m, **CDNOW)
    assert weighted[0] == pytest.approx(-(times @ loglik), rel=1e-13)


@pytest.mark.parametrize("k", [100, 1e6, 1e-3])
def test_another_currency_shifts_loglik_by_a_known_amount(k):
    rng = np.random.default_rng(4)
    x, m = rng.integers(1, 20, 200).astype(float), rng.lognormal(3, 1, 200)
    before = gamma_gamma.loglik(x, m, **CDNOW)
    after = gamma_gamma.loglik(x, k * m, **{**CDNOW, "v": k * CDNOW["v"]})
    np.testing.assert_allclose(after, before - np.log(k), rtol=1e-12, atol=1e-12)


def test_draws_broadcast_against_customers():
    draws = {k: value * np.array([[0.9], [1.0], [1.1]]) for k, value in CDNOW.items()}
    x, m = np.array([0, 1, 2, 30.0]), np.array([np.nan, 20, 22.35, 40])
    got = gamma_gamma.expected_spend(x, m, **draws)
    assert got.shape == (3, 4)
    np.testing.assert_array_equal(got[1], gamma_gamma.expected_spend(x, m, **CDNOW))
    assert gamma_gamma.population_mean(**draws).shape == (3, 1)
    assert gamma_gamma.loglik(x[1:], m[1:], **draws).shape == (3, 3)

"""Lognormal-normal spend: moments of logs of means, oracle, derivatives, money of any size."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import lognormal_normal as oracle
from oracles.box import LOUD, log_uniform

from clvmodels.kernels import lognormal_normal as kernel

NAMES = ("median", "sigma", "tau")
SOME = {"median": 26.77, "sigma": 0.557, "tau": 0.48}  # the order of CDNOW

COUNTS = np.array([1, 2, 3, 4, 7, 12, 30, 100, 1000, 100_000.0])


@pytest.fixture(autouse=True)
def loud():
    with np.errstate(**LOUD):
        yield


def exact_moments(x, sigma):
    return np.array([[float(v) for v in oracle.log_moments(int(k), sigma)] for k in x]).T


# mean and variance of the log of a mean of lognormals


@pytest.mark.parametrize("sigma", [0.01, 0.4, 1.2])
def test_the_oracle_is_the_integral_over_two_normals(sigma):
    for got, exact in zip(
        oracle.log_moments(2, sigma), oracle.log_moments_of_two(sigma), strict=True
    ):
        assert abs(got / exact - 1) < 1e-20


def check_moments(sigma):
    got, exact = kernel.log_moments(COUNTS, sigma)[:, 0], exact_moments(COUNTS, sigma)
    scale = sigma**2 / COUNTS
    # differences of numbers of the size of log x (the mean) and of pi^2 / 6 (the variance)
    series = 1e-9 * scale if sigma < 0.03 else 0
    assert (np.abs(got[1] - exact[1]) < 1e-13 + 1e-12 * exact[1] + series).all()
    assert (np.abs(got[0] - exact[0]) < 1e-13 + 1e-12 * exact[0] + series).all()


# either side of where the series ends and of where the wide part changes
@pytest.mark.parametrize("sigma", [1e-4, 0.0299, 0.0301, 0.5, 0.999, 1.001])
def test_moments_equal_the_oracle(sigma):
    check_moments(sigma)


@pytest.mark.slow
@pytest.mark.parametrize("sigma", [0.1, 0.25, 2.0, 3.0, 5.0])
def test_moments_equal_the_oracle_over_more_of_the_range(sigma):
    check_moments(sigma)


def test_one_purchase_is_lognormal():
    for sigma in np.geomspace(1e-7, 1e7, 29):
        (mean, *_), (variance, first, second) = kernel.log_moments(np.ones(1), sigma)
        assert abs(mean[0]) < 1e-13 * max(1, sigma)
        for value, exact in ((variance, 1), (first, 2), (second, 4)):
            # exact for small sigma, else an absolute error of 1e-14 (in the units of v)
            assert abs(value[0] / sigma**2 - exact) < 1e-13 * max(1, 1 / sigma**2 * (sigma > 0.03))


def test_a_very_wide_law_is_that_of_the_largest_purchase():
    # order statistics of normals: means 1 / sqrt(pi) and 1.5 / sqrt(pi), variances 1 - 1 / pi and
    # 1 + (2 sqrt(3) - 9) / (4 pi) of the larger of two and the largest of three
    means = np.array([1.0, 1.5]) / np.sqrt(np.pi)
    variances = np.array([1 - 1 / np.pi, 1 + (2 * np.sqrt(3) - 9) / (4 * np.pi)])
    got = kernel.log_moments(np.array([2.0, 3.0]), 1e7)
    np.testing.assert_allclose(got[0, 0], means * 1e7 - np.log([2, 3]), rtol=1e-12)
    np.testing.assert_allclose(got[1, 0], variances * 1e14, rtol=1e-12)
    np.testing.assert_allclose(got[0, 1], means * 1e7, rtol=1e-12)
    np.testing.assert_allclose(got[1, 2], 4 * variances * 1e14, rtol=1e-12)


def test_many_purchases_follow_the_law_of_large_numbers():
    # delta method: Var log W = eta - (w - 1/2) eta^2 + O(eta^3), eta = Var W = (w - 1) / x
    x = 1e6
    for sigma in (0.2, 0.7, 1.3):
        w = np.exp(sigma**2)
        eta = (w - 1) / x
        mean, variance = kernel.log_moments(np.array([x]), sigma)[:, 0, 0]
        assert mean == pytest.approx((sigma**2 - eta) / 2, abs=1e-10)
        assert variance == pytest.approx(eta - (w - 0.5) * eta**2, abs=3e-14)


@pytest.mark.parametrize("sigma", [0.02, 0.5, 1.1])
def test_derivatives_of_the_moments_equal_those_of_the_oracle(sigma):
    x, h = COUNTS[:8], mp.mpf(10) ** -7
    # central differences: the oracle is right to 1e-27, so second differences are to 1e-12
    with mp.workdps(oracle.DIGITS):
        up, here, down = (
            [oracle.log_moments(int(k), mp.mpf(sigma) * mp.exp(step)) for k in x]
            for step in (h, mp.mpf(0), -h)
        )
        first = [
            [float((u[i] - d[i]) / (2 * h)) for u, d in zip(up, down, strict=True)] for i in (0, 1)
        ]
        second = [
            [float((u[i] - 2 * c[i] + d[i]) / h**2) for u, c, d in zip(up, here, down, strict=True)]
            for i in (0, 1)
        ]
    got = kernel.log_moments(x, sigma)
    np.testing.assert_allclose(got[:, 1], first, rtol=1e-8, atol=1e-13)
    np.testing.assert_allclose(got[:, 2], second, rtol=1e-8, atol=1e-11)


def test_a_number_of_purchases_has_the_same_moments_alone_and_among_many():
    many = np.arange(1.0, 4_501)
    together = kernel.log_moments(many, 0.8)
    for k in (1, 1999, 2001, 4500):
        alone = kernel.log_moments(np.array([float(k)]), 0.8)
        np.testing.assert_allclose(together[..., k - 1], alone[..., 0], rtol=1e-9, atol=1e-13)


# likelihood


def check_against_oracle(sigmas, customers, integrals):
    """Log-likelihood of random customers, and expected spend of the first `integrals` of them."""
    rng = np.random.default_rng(0)
    for sigma in sigmas:
        for i in range(customers):
            x, tau = float(rng.choice(COUNTS)), float(np.exp(rng.uniform(-3, 1)))
            m, median = np.exp(rng.uniform(-6, 12, 2))
            params = {"median": median, "sigma": np.float64(sigma), "tau": np.float64(tau)}
            got = kernel.loglik(np.float64(x), m, **params)
            exact = float(oracle.loglik(int(x), m, median, sigma, tau))
            # squares of up to 1e4 over variances right to 1e-10 (and 1e-9 where the series ends)
            assert got == pytest.approx(exact, rel=1e-8, abs=1e-8)
            if i < integrals:
                got = kernel.expected_spend(np.float64(x), m, **params)
                exact = float(oracle.expected_spend(int(x), m, median, sigma, tau))
                assert got == pytest.approx(exact, rel=1e-8)


def test_loglik_and_expected_spend_equal_the_oracle():
    check_against_oracle((0.0299, 0.5, 0.999, 1.001), customers=10, integrals=2)


@pytest.mark.slow
def test_loglik_and_expected_spend_equal_the_oracle_for_ten_thousand_customers():
    sigmas = np.exp(np.random.default_rng(1).uniform(-6, 1, 10))
    check_against_oracle(sigmas.tolist(), customers=1_000, integrals=5)


def test_one_purchase_has_its_exact_density():
    from scipy.stats import lognorm

    m = np.geomspace(1e-3, 1e6, 20)
    sd = np.hypot(SOME["sigma"], SOME["tau"])
    exact = lognorm(sd, scale=SOME["median"]).logpdf(m)
    np.testing.assert_allclose(kernel.loglik(np.ones(20), m, **SOME), exact, rtol=1e-12)


def test_no_purchases_or_free_ones_give_the_population_mean():
    mean = kernel.population_mean(**SOME)
    # exp of the mean of logs plus half their variance
    assert mean == pytest.approx(26.77 * np.exp((0.557**2 + 0.48**2) / 2), rel=1e-14)
    got = kernel.expected_spend(
        np.array([0, 0, 0, 5.0]), np.array([np.nan, 0.0, 99.0, 0.0]), **SOME
    )
    np.testing.assert_allclose(got, mean, rtol=1e-14)


def test_expected_spend_is_right_on_average():
    # where log W is not normal (x > 1, sigma = 1, skewness up to 0.2) by simulation from the
    # definition: mean expected spend over fifths of customers by m against the true one
    rng = np.random.default_rng(2)
    n, sigma, tau = 200_000, 1.0, 0.7
    x = rng.geometric(0.2, n)
    mu = np.log(20) + tau * rng.standard_normal(n)
    customer = np.repeat(np.arange(n), x)
    z = np.exp(mu[customer] + sigma * rng.standard_normal(customer.size))
    m = np.bincount(customer, weights=z) / x
    params = {"median": 20.0, "sigma": np.float64(sigma), "tau": np.float64(tau)}
    expected = kernel.expected_spend(x.astype(float), m, **params)
    true = np.exp(mu + sigma**2 / 2)
    for fifth in np.array_split(np.argsort(m), 5):
        assert expected[fifth].mean() == pytest.approx(true[fifth].mean(), rel=0.02)
    assert expected.mean() == pytest.approx(true.mean(), rel=0.005)


# derivatives

parameters = st.tuples(log_uniform(-12, 25), log_uniform(-9, 2), log_uniform(-9, 2))
spends = st.tuples(st.integers(1, 1000), log_uniform(np.log(1e-6), np.log(1e12)))


@settings(max_examples=60)
@given(params=parameters, people=st.lists(spends, min_size=1, max_size=5))
def test_gradient_and_hessian_over_the_box(params, people):
    x, m = np.array(people, dtype=float).T
    weight = 1.0 + np.arange(len(x)) % 3
    data, here, h = kernel.group(x, m, weight), np.log(params), 1e-5

    def in_logs(log_params):
        theta = np.exp(log_params)
        f, gradient, hessian = kernel.nll_grad_hess(theta, *data)
        gradient = gradient * theta
        return f, gradient, hessian * np.outer(theta, theta) + np.diag(gradient)

    with np.errstate(**LOUD):
        f, gradient, hessian = in_logs(here)
        scale = 1 + np.abs(hessian).max()
        for k, step in enumerate(h * np.eye(3)):
            up, down = in_logs(here + step), in_logs(here - step)
            # central differences: truncation of h^2, and rounding of values divided by h; where
            # a variance is 1e-8 / x, its 1e-14 of error counts
            slope, bend = (up[0] - down[0]) / (2 * h), (up[1] - down[1]) / (2 * h)
            assert abs(gradient[k] - slope) < 1e-6 * (scale + abs(f))
            assert (np.abs(hessian[k] - bend) < 1e-5 * scale).all()


def test_rows_add_up_to_the_objective():
    rng = np.random.default_rng(3)
    x, m = rng.integers(1, 20, 300).astype(float), rng.lognormal(3, 1, 300)
    times = rng.integers(1, 5, 300).astype(float)
    theta = np.array(list(SOME.values()))
    f, gradient, hessian = kernel.row_derivatives(x, m, **SOME)
    assert f.shape == (300,)
    assert gradient.shape == (300, 3)
    assert hessian.shape == (300, 3, 3)
    np.testing.assert_allclose(f, kernel.loglik(x, m, **SOME), rtol=1e-12)
    whole = kernel.nll_grad_hess(theta, *kernel.group(x, m, times))
    g = times @ gradient
    h = np.einsum("i,ijk->jk", times, hessian)
    # roundings of sums of 1e3; derivatives go over from logs to the parameters
    assert whole[0] == pytest.approx(-(times @ f), rel=1e-13)
    np.testing.assert_allclose(whole[1] * theta, -g, rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose(
        whole[2] * np.outer(theta, theta), np.diag(g) - h, rtol=1e-10, atol=1e-9
    )


def test_rows_may_have_parameters_of_their_own():
    x, m = np.array([1, 3, 3, 40.0]), np.array([5.0, 30, 22, 41])
    median = np.array([20.0, 25, 30, 20])
    sigma, tau = np.array([0.5, 0.6, 0.5, 0.6]), np.array([0.4, 0.4, 0.7, 0.4])
    together = kernel.row_derivatives(x, m, median=median, sigma=sigma, tau=tau)
    for i in range(4):
        one = kernel.row_derivatives(x[[i]], m[[i]], median=median[i], sigma=sigma[i], tau=tau[i])
        for all_rows, its_own in zip(together, one, strict=True):
            np.testing.assert_allclose(all_rows[i], its_own[0], rtol=1e-12, atol=1e-12)


def test_weights_are_replication_and_the_order_of_rows_is_irrelevant():
    rng = np.random.default_rng(3)
    x, m = rng.integers(1, 20, 200).astype(float), rng.lognormal(3, 1, 200)
    times = rng.integers(1, 5, 200)
    theta = np.array(list(SOME.values()))
    weighted = kernel.nll_grad_hess(theta, *kernel.group(x, m, times.astype(float)))
    mixed = rng.permutation(np.repeat(np.arange(200), times))
    repeated = kernel.nll_grad_hess(theta, *kernel.group(x[mixed], m[mixed], np.ones(mixed.size)))
    for one, other in zip(weighted, repeated, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-11)  # order of summation


# money


@pytest.mark.parametrize("sigma", [1e-7, 1e-3, 0.5, 2.0, 20.0])
@pytest.mark.parametrize("tau", [1e-7, 0.5, 20.0])
@pytest.mark.parametrize("median", [1e-6, 1e12])
def test_any_amount_of_money_is_finite_and_silent(sigma, tau, median):
    x = np.repeat([1, 2, 50, 1000.0], 7)
    m = np.tile(np.geomspace(1e-6, 1e12, 7), 4)
    params = {"median": np.float64(median), "sigma": np.float64(sigma), "tau": np.float64(tau)}
    assert np.isfinite(kernel.loglik(x, m, **params)).all()
    theta = np.array([median, sigma, tau])
    for values in kernel.nll_grad_hess(theta, *kernel.group(x, m, np.ones(x.size))):
        assert np.isfinite(values).all()
    mean = kernel.expected_spend(x, m, **params)
    assert (mean > 0).all()
    assert np.isfinite(mean).all()
    assert 0 < kernel.population_mean(**params) < np.inf


def test_a_mean_beyond_all_numbers_is_infinite_and_silent():
    params = {"median": np.float64(20), "sigma": np.float64(60), "tau": np.float64(1)}
    assert kernel.population_mean(**params) == np.inf
    assert kernel.expected_spend(np.ones(1), np.ones(1), **params)[0] == np.inf


@pytest.mark.parametrize("k", [100, 1e6, 1e-3])
def test_another_currency_shifts_loglik_by_a_known_amount(k):
    rng = np.random.default_rng(4)
    x, m = rng.integers(1, 20, 200).astype(float), rng.lognormal(3, 1, 200)
    before = kernel.loglik(x, m, **SOME)
    after = kernel.loglik(x, k * m, **{**SOME, "median": k * SOME["median"]})
    np.testing.assert_allclose(after, before - np.log(k), rtol=1e-12, atol=1e-12)


def test_draws_broadcast_against_customers():
    draws = {k: value * np.array([[0.9], [1.0], [1.1]]) for k, value in SOME.items()}
    x, m = np.array([0, 1, 2, 30.0]), np.array([np.nan, 20, 22.35, 40])
    got = kernel.expected_spend(x, m, **draws)
    assert got.shape == (3, 4)
    np.testing.assert_allclose(got[1], kernel.expected_spend(x, m, **SOME), rtol=1e-14)
    assert kernel.population_mean(**draws).shape == (3, 1)
    assert kernel.loglik(x[1:], m[1:], **draws).shape == (3, 3)
    assert kernel.simulate(x, np.random.default_rng(0), **draws).shape == (3, 4)


def test_simulated_means_have_the_moments_of_the_model():
    n = 40_000
    for x in (1, 3, 25):
        m = kernel.simulate(np.full(n, float(x)), np.random.default_rng(x), **SOME)
        mean, variance = kernel.log_moments(np.array([float(x)]), SOME["sigma"])[:, 0, 0]
        off, sd = np.log(m / SOME["median"]) - mean, np.sqrt(variance + SOME["tau"] ** 2)
        assert abs(off.mean()) < 4 * sd / np.sqrt(n)
        assert abs(off.std() / sd - 1) < 4 / np.sqrt(2 * n)
    assert np.isnan(kernel.simulate(np.zeros(2), np.random.default_rng(0), **SOME)).all()

"""Retention kernels: oracles over a wide box, derivatives, limits, published lifetimes."""

from functools import partial

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import retention as oracle
from oracles.box import LOUD, log_uniform
from oracles.derivatives import gradient_hessian

from clvmodels.kernels import (
    beta_discrete_weibull,
    geometric_retention,
    retention,
    shifted_beta_geo,
)

NAMES = ("alpha", "beta", "c")
# heterogeneity from hardly any (shapes of 10^7) to all there is, churn from 10^-9 to all but 10^-9
shapes = log_uniform(-6, 16)
powers = st.one_of(st.just(1.0), log_uniform(-3, 1.5))
times = log_uniform(0, 6).map(np.floor)
RATE = 0.10


@pytest.fixture(autouse=True)
def loud():
    with np.errstate(**LOUD):
        yield


def draw(*values):
    """Parameters of one draw, of shape (1, 1)."""
    return {name: np.array([[value]]) for name, value in zip(NAMES, values, strict=False)}


def lifetimes(kernel, params, rate, oldest):
    """Residual lifetimes at ages 0 to `oldest` of one draw."""
    log_kept = partial(kernel.log_kept, **params)
    tail = kernel.power_tail(**params)
    return retention.residual_lifetimes(log_kept, np.log1p(rate), oldest, *tail)[0]


@pytest.mark.parametrize(("t", "c"), [(1, 1), (4, 1), (3, 1.7), (9, 0.4)])
def test_the_oracle_is_the_beta_mixture(t, c):
    mixed = oracle.survival_by_mixing(t, 1.7, 2.3, c)
    assert float(mixed) == pytest.approx(float(oracle.survival(t, 1.7, 2.3, c)), rel=1e-12)


@pytest.mark.parametrize(("alpha", "beta"), [(0.668, 3.806), (1.3, 7.8)])
def test_the_oracle_sums_what_the_paper_has_in_closed_form(alpha, beta):
    closed = oracle.residual_sbg(3, RATE, alpha, beta)
    summed = oracle.residual_by_summing(3, RATE, 600, alpha, beta)
    assert float(summed) == pytest.approx(float(closed), rel=1e-12)


@settings(max_examples=300)
@given(alpha=shapes, beta=shapes, c=powers, t=times)
def test_survival_equals_the_oracle(alpha, beta, c, t):
    with np.errstate(**LOUD):
        got = beta_discrete_weibull.log_kept(np.float64(0), t, alpha=alpha, beta=beta, c=c)
    exact = float(oracle.log_kept(0, t, alpha, beta, c))
    assert got == pytest.approx(exact, rel=1e-13)  # of the log: small churn keeps its digits


@settings(max_examples=100)
@given(alpha=shapes, beta=shapes, c=powers, t=times)
def test_loglik_equals_the_oracle(alpha, beta, c, t):
    params = {"alpha": alpha, "beta": beta, "c": c}
    duration, churned = np.array([t, t]), np.array([1.0, 0.0])
    with np.errstate(**LOUD):
        log_kept = partial(beta_discrete_weibull.log_kept, **params)
        got = retention.loglik(log_kept, duration, churned)
    exact = [float(oracle.loglik(t, gone, **params)) for gone in (1, 0)]
    # log P(T = t) near 0 has the rounding error of the drop in log S
    np.testing.assert_allclose(got, exact, rtol=1e-12, atol=1e-12)


@settings(max_examples=100)
@given(alpha=shapes, beta=shapes, t=times)
def test_sbg_is_bdw_with_c_1(alpha, beta, t):
    with np.errstate(**LOUD):
        got = shifted_beta_geo.log_kept(np.float64(3), 3 + t, alpha=alpha, beta=beta)
        same = beta_discrete_weibull.log_kept(
            np.float64(3), 3 + t, alpha=alpha, beta=beta, c=np.float64(1)
        )
    assert got == pytest.approx(same, rel=1e-13)


DURATION = np.array([1, 1, 2, 3, 7, 12, 12, 30.0])
CHURNED = np.array([1, 0, 1, 0, 1, 1, 0, 0.0])
WEIGHT = np.array([3, 1, 2, 5, 1, 4, 9, 2.0])


def test_renewals_are_counted_at_every_age():
    kept, lost = retention.renewals(DURATION, CHURNED, WEIGHT)
    assert len(kept) == len(lost) == 30
    assert kept[:4].tolist() == [24, 21, 21, 16]
    assert lost[:4].tolist() == [3, 2, 0, 0]
    assert kept[-1] == 2


def check_derivatives(nll_grad_hess, theta, rtol):
    def nll(*params):
        rows = zip(DURATION, CHURNED, WEIGHT, strict=True)
        return -mp.fsum(w * oracle.loglik(t, gone, *params) for t, gone, w in rows)

    theta = np.array(theta)
    got = nll_grad_hess(theta, *retention.renewals(DURATION, CHURNED, WEIGHT))
    scales = 1.0, theta, np.outer(theta, theta)  # the log scale, on which parameters are estimated
    for mine, exact, scale in zip(got, gradient_hessian(nll, theta), scales, strict=True):
        size = max(1.0, np.abs(exact * scale).max())
        np.testing.assert_allclose(mine * scale, exact * scale, rtol=0, atol=rtol * size)


@settings(max_examples=25)
@given(alpha=log_uniform(-4, 12), beta=log_uniform(-4, 12))
def test_derivatives_of_the_sbg(alpha, beta):
    with np.errstate(**LOUD):
        check_derivatives(shifted_beta_geo.nll_grad_hess, (alpha, beta), rtol=1e-12)


@settings(max_examples=25)
@given(alpha=log_uniform(-4, 12), beta=log_uniform(-4, 12), c=log_uniform(-2, 1.2))
def test_derivatives_of_the_bdw(alpha, beta, c):
    with np.errstate(**LOUD):
        # the trapezoid rule's error, and a few roundings of the largest term
        check_derivatives(beta_discrete_weibull.nll_grad_hess, (alpha, beta, c), rtol=1e-11)


@settings(max_examples=50)
@given(odds=log_uniform(-9, 9))
def test_derivatives_of_the_geometric(odds):
    kept, lost = retention.renewals(DURATION, CHURNED, WEIGHT)
    theta = odds / (1 + odds)

    def nll(x):
        return -kept.sum() * mp.log(1 - x) - lost.sum() * mp.log(x)

    got = geometric_retention.nll_grad_hess(np.array([theta]), kept, lost)
    for mine, exact in zip(got, gradient_hessian(nll, [theta]), strict=True):
        np.testing.assert_allclose(np.ravel(mine), np.ravel(exact), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kernel", [shifted_beta_geo, beta_discrete_weibull])
def test_the_objective_is_the_sum_of_loglik(kernel):
    theta = np.array([0.7, 1.9, 1.3])[: 2 if kernel is shifted_beta_geo else 3]
    params = dict(zip(NAMES, theta, strict=False))
    loglik = retention.loglik(partial(kernel.log_kept, **params), DURATION, CHURNED)
    nll = kernel.nll_grad_hess(theta, *retention.renewals(DURATION, CHURNED, WEIGHT))[0]
    assert nll == pytest.approx(-(WEIGHT @ loglik), rel=1e-13)


@settings(max_examples=60)
@given(
    alpha=log_uniform(-4, 8), beta=log_uniform(-4, 8), rate=log_uniform(-12, 0.5),
    n=log_uniform(0, 4).map(int),
)  # fmt: skip
def test_sbg_lifetimes_equal_the_closed_form(alpha, beta, rate, n):
    # SciPy's 2F1 is NaN or infinite in parts of this box, such as 0.04, 470, 2e-5
    with np.errstate(**LOUD):
        got = lifetimes(shifted_beta_geo, draw(alpha, beta), rate, n)
    assert got[n] == pytest.approx(float(oracle.residual_sbg(n, rate, alpha, beta)), rel=1e-11)
    assert got[0] == pytest.approx(float(oracle.lifetime_sbg(rate, alpha, beta)), rel=1e-11)


@settings(max_examples=40)
@given(
    alpha=log_uniform(-4, 12), beta=log_uniform(-4, 12), c=log_uniform(-3, 1.4),
    rate=log_uniform(-2, 0.5), n=log_uniform(0, 4).map(int),
)  # fmt: skip
def test_bdw_lifetimes_equal_their_sums(alpha, beta, c, rate, n):
    # rates for which few enough terms are needed to be quick
    with np.errstate(**LOUD):
        got = lifetimes(beta_discrete_weibull, draw(alpha, beta, c), rate, n)[n]
    terms = int(np.ceil(30 / np.log1p(rate)))
    exact = float(oracle.residual_by_summing(n, rate, terms, alpha, beta, c))
    assert got == pytest.approx(exact, rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("c", [0.3, 0.8, 1.5])
@pytest.mark.parametrize("rate", [1e-4, 1e-3])
def test_bdw_lifetimes_at_small_rates_equal_long_sums(c, rate):
    params = draw(0.5, 2.0, c)
    t = np.arange(1.0, 30 / rate)
    one = {name: value[0] for name, value in params.items()}
    terms = np.exp(beta_discrete_weibull.log_kept(np.zeros(1), t, **one) - np.log1p(rate) * (t - 1))
    got = lifetimes(beta_discrete_weibull, params, rate, 1)[1]
    assert got == pytest.approx(terms.sum(), rel=1e-11)  # rounding of 3e5 terms


@pytest.mark.parametrize(
    ("alpha", "beta"), [(1.001, 3.0), (1.5, 0.2), (3.8, 15.2), (1e5, 1e6), (1.01, 1e5)]
)
def test_lifetimes_without_discounting_have_the_mean(alpha, beta):
    # E(T) = (alpha + beta - 1) / (alpha - 1), and the same with beta + n
    got = lifetimes(shifted_beta_geo, draw(alpha, beta), 0.0, 3)
    exact = (np.array([alpha + beta - 1, beta, beta + 1, beta + 2])) / (alpha - 1)
    np.testing.assert_allclose(got, exact, rtol=1e-11)


def test_bdw_without_discounting_continues_that_at_small_rates():
    params = draw(3.0, 2.0, 0.7)  # survival falls as t^-2.1
    now, soon = (lifetimes(beta_discrete_weibull, params, r, 2)[2] for r in (0.0, 1e-9))
    assert soon < now
    assert soon == pytest.approx(now, rel=1e-6)


@pytest.mark.parametrize(
    ("kernel", "params"),
    [
        (shifted_beta_geo, draw(1.0, 2.0)),
        (shifted_beta_geo, draw(0.6, 2.0)),
        (beta_discrete_weibull, draw(2.0, 2.0, 0.5)),
    ],
)
def test_lifetimes_are_infinite_where_survival_falls_too_slowly(kernel, params):
    assert np.isinf(lifetimes(kernel, params, 0.0, 2)).all()
    assert np.isfinite(lifetimes(kernel, params, 1e-6, 2)).all()


@pytest.mark.parametrize("theta", [1e-7, 0.01, 0.2, 0.999, 1.0])
def test_geometric_lifetimes_have_the_textbook_multiple(theta):
    got = lifetimes(geometric_retention, {"theta": np.array([[theta]])}, RATE, 5)
    keep = 1 - theta
    np.testing.assert_allclose(got[1:], keep * (1 + RATE) / (theta + RATE), rtol=1e-11, atol=1e-15)
    assert got[0] == pytest.approx((1 + RATE) / (theta + RATE), rel=1e-11)


@pytest.mark.parametrize("theta", [1e-4, 0.2, 0.9])
def test_sbg_without_heterogeneity_is_geometric(theta):
    total = 1e9
    sbg = lifetimes(shifted_beta_geo, draw(total * theta, total * (1 - theta)), RATE, 20)
    geometric = lifetimes(geometric_retention, {"theta": np.array([[theta]])}, RATE, 20)
    np.testing.assert_allclose(sbg, geometric, rtol=1e-6)  # what 1 / total leaves


def test_finite_horizons_are_the_first_payments():
    log_kept = partial(shifted_beta_geo.log_kept, **draw(0.668, 3.806))
    rates = np.hstack([[[1.0]], retention.retention_rates(log_kept, 12)])
    ages = np.array([0, 1, 5])
    survival = np.hstack([[1.0], np.cumprod(rates)])
    for horizon in (0, 1, 4, 7):
        got = retention.payments(rates, np.log1p(RATE), ages, horizon)[0]
        for n, value in zip(ages, got, strict=True):
            terms = [survival[n + 1 + j] / survival[n] / 1.1**j for j in range(horizon)]
            assert value == pytest.approx(sum(terms), rel=1e-13, abs=0)
    half = retention.payments(rates, np.log1p(RATE), ages, 3.5)
    whole = [retention.payments(rates, np.log1p(RATE), ages, h) for h in (3, 4)]
    np.testing.assert_allclose(half, (whole[0] + whole[1]) / 2, rtol=1e-13)


def test_published_residual_lifetimes():
    # Fader and Hardie (2014), note 032: $100 a year at 10 %, at the ends of contracts 1, 2 and 5
    got = 100 * lifetimes(shifted_beta_geo, draw(0.764, 1.296), RATE, 5)
    assert got[[1, 2, 5]].round().tolist() == [288, 394, 568]
    # and at a constant retention rate of .833
    constant = lifetimes(geometric_retention, {"theta": np.array([[0.167]])}, RATE, 5)
    assert (100 * constant[5]).round() == 343


@pytest.mark.parametrize("alpha", [1e-7, 1.0, 1e7])
@pytest.mark.parametrize("beta", [1e-7, 1.0, 1e7])
@pytest.mark.parametrize("c", [1e-7, 0.01, 1.0, 20.0, 1e3, 1e7])
def test_every_corner_is_finite_and_silent(alpha, beta, c):
    # the limits of the search, and beyond for c
    params = draw(alpha, beta, c)
    log_kept = partial(beta_discrete_weibull.log_kept, **params)
    survival = np.exp(log_kept(np.zeros(1), np.arange(0.0, 400)))
    assert np.isfinite(survival).all()
    assert (np.diff(survival) <= 0).all()
    for rate in (1e-9, 0.1):
        got = lifetimes(beta_discrete_weibull, params, rate, 50)
        assert np.isfinite(got).all()
        assert (got >= 0).all()


def test_draws_broadcast_against_times():
    alpha = np.array([[0.5], [0.7], [2.0]])
    log_kept = partial(shifted_beta_geo.log_kept, alpha=alpha, beta=2 * alpha)
    assert retention.retention_rates(log_kept, 4).shape == (3, 4)
    tail = shifted_beta_geo.power_tail(alpha=alpha, beta=2 * alpha)
    got = retention.residual_lifetimes(log_kept, 0.1, 6, *tail)
    assert got.shape == (3, 7)
    one = lifetimes(shifted_beta_geo, draw(0.7, 1.4), np.expm1(0.1), 6)
    np.testing.assert_allclose(got[1], one, rtol=1e-12)


@pytest.mark.slow
def test_sbg_lifetimes_over_a_random_box():
    rng = np.random.default_rng(5)
    for _ in range(1_000):
        alpha, beta = np.exp(rng.uniform(-4, 8, 2))
        rate, n = np.exp(rng.uniform(-12, 0.5)), int(np.exp(rng.uniform(0, 5)))
        got = lifetimes(shifted_beta_geo, draw(alpha, beta), rate, n)[n]
        exact = float(oracle.residual_sbg(n, rate, alpha, beta))
        assert got == pytest.approx(exact, rel=1e-11), (alpha, beta, rate, n)


@pytest.mark.slow
def test_survival_and_hazard_over_a_random_box():
    rng = np.random.default_rng(6)
    for _ in range(10_000):
        alpha, beta, c = np.exp(rng.uniform([-6, -6, -3], [16, 16, 1.5]))
        t = np.floor(np.exp(rng.uniform(0, 6)))
        drop = beta_discrete_weibull.drops(np.array([t]), alpha, beta, c)[0][0]
        kept = beta_discrete_weibull.log_kept(t - 1, t, alpha=alpha, beta=beta, c=c)
        exact = -float(oracle.log_kept(t - 1, t, alpha, beta, c))
        assert drop == pytest.approx(exact, rel=1e-12)
        assert -kept == pytest.approx(exact, rel=1e-12)

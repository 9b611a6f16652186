"""Shared functions against mpmath, far beyond the parameters that any data would give."""

import mpmath as mp
import numpy as np
import pytest
from oracles.box import LOUD

from clvmodels.kernels import special

RNG = np.random.default_rng(20050324)


def spread(low, high, size=600):
    return np.exp(RNG.uniform(np.log(low), np.log(high), size))


@mp.workdps(50)
def exactly(function, *columns):
    return np.array(
        [float(function(*map(mp.mpf, map(float, row)))) for row in zip(*columns, strict=True)]
    )


@pytest.fixture(autouse=True)
def loud():
    with np.errstate(**LOUD):
        yield


def test_stirling_error():
    z = spread(1e-8, 1e8)
    half_log_tau = lambda: mp.log(2 * mp.pi) / 2  # noqa: E731
    expected = exactly(lambda v: mp.loggamma(v) - ((v - 0.5) * mp.log(v) - v + half_log_tau()), z)
    # small next to what it is added to: an absolute tolerance
    np.testing.assert_allclose(special.stirling_error(z), expected, rtol=0, atol=5e-14)


def test_log_rising_keeps_its_digits_for_huge_z():
    z, n = spread(1e-8, 1e8), np.floor(spread(1, 1e4)) - 1
    expected = exactly(lambda v, k: mp.loggamma(v + k) - mp.loggamma(v), z, n)
    # a few roundings of the largest term, which is the result or of order one
    np.testing.assert_allclose(special.log_rising(z, n), expected, rtol=1e-14, atol=1e-14)


def test_log_rising_of_no_factors_is_zero():
    z = spread(1e-8, 1e8)
    np.testing.assert_array_equal(special.log_rising(z, np.zeros_like(z)), 0.0)


@pytest.mark.parametrize(("low", "high"), [(1e-3, 1e3), (1e-8, 1e8), (1e4, 1e8)])
def test_log_beta_peak_and_drop(low, high):
    a, b = spread(low, high), spread(low, high)
    typical = a / b * np.exp(np.clip(RNG.normal(size=a.size) * np.sqrt(1 / a + 1 / b), -30, 30))
    odds = np.where(RNG.random(a.size) < 0.6, typical, spread(1e-18, 1e18))

    def log_powers_over_beta(a, b, odds):
        log_beta = mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)
        return a * mp.log(odds / (1 + odds)) - b * mp.log1p(odds) - log_beta

    expected = exactly(log_powers_over_beta, a, b, odds)
    got = special.log_beta_peak(a, b) + special.log_beta_drop(a, b, odds)
    # rounding error of the excess, some sqrt(1e8) roundings at worst
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


def test_nb_logpmf_and_nb_sf():
    n, r, odds = np.floor(spread(1, 1000)), spread(0.05, 50), spread(1e-4, 1e4)
    log_pmf = exactly(
        lambda k, r, o: mp.log(mp.rf(r, k) / mp.factorial(k) * (1 + o) ** -r * (o / (1 + o)) ** k),
        n, r, odds,
    )  # fmt: skip
    sf = exactly(lambda k, r, o: mp.betainc(k, r, 0, o / (1 + o), regularized=True), n, r, odds)
    np.testing.assert_allclose(special.nb_logpmf(n, r, odds), log_pmf, rtol=1e-13, atol=1e-12)
    # 1 - z loses the digits that z = odds / (1 + odds) gains next to one: 1e4 roundings
    np.testing.assert_allclose(special.nb_sf(n, r, odds), sf, rtol=1e-11, atol=1e-300)


def test_tail_counts_replace_a_sum_over_rows():
    n = RNG.integers(0, 30, 200).astype(float)
    weight = RNG.uniform(0.5, 3, 200)
    value, slope, curve = special.sum_log_rising(0.7, special.tail_counts(n, weight))
    assert value == pytest.approx(weight @ special.log_rising(np.full(200, 0.7), n), rel=1e-13)
    terms = [1 / (0.7 + np.arange(k)) for k in n]
    assert slope == pytest.approx(
        sum(w * t.sum() for w, t in zip(weight, terms, strict=True)), rel=1e-13
    )
    assert curve == pytest.approx(
        -sum(w * (t**2).sum() for w, t in zip(weight, terms, strict=True)), rel=1e-13
    )


def test_tail_counts_without_any_purchase_are_empty():
    tail = special.tail_counts(np.zeros(3), np.ones(3))
    assert tail.size == 0
    assert special.sum_log_rising(0.7, tail) == (0.0, 0.0, 0.0)

"""The likelihood for samplers against that of fits, which mpmath has judged."""

from itertools import pairwise

import numpy as np
import pytest

from clvmodels.kernels import beta_geo, dropout_sums, modified_beta_geo

KERNELS = pytest.mark.parametrize(
    ("kernel", "d"), [(beta_geo, 0), (modified_beta_geo, 1)], ids=["BG/NBD", "MBG/NBD"]
)


def rows(n, seed):
    rng = np.random.default_rng(seed)
    T = np.round(rng.uniform(0, 80, n) * 7) / 7
    x = np.where(T > 0, rng.poisson(rng.gamma(0.3, 30, n)), 0).astype(float)
    t_x = np.where(x > 0, np.maximum(np.round(rng.uniform(0, 1, n) * T * 7) / 7, 1e-3), 0.0)
    return x, np.minimum(t_x, T), T, rng.integers(1, 5, n).astype(float)


def of_fits(kernel, theta, x, t_x, T, weight):
    return kernel.nll_grad_hess(theta, x, t_x, T, weight, *kernel.tails(x, weight))[:2]


@KERNELS
def test_runs_have_the_values_and_gradients_of_fits(kernel, d):
    x, t_x, T, weight = rows(600, seed=1)
    ends = np.array([0, 1, 250, 250 + 349, 600])  # a run of one row at either end
    theta = np.exp(np.random.default_rng(2).normal(0, 1.2, (4, 4)))
    prepared = dropout_sums.prepare(x, t_x, T, weight, ends, d)
    values, gradients = dropout_sums.value_and_gradient(theta, prepared, d)
    for run, (i, j) in enumerate(pairwise(ends)):
        here = (v[i:j] for v in (x, t_x, T, weight))
        value, gradient = of_fits(kernel, theta[run], *here)
        assert values[run] == pytest.approx(value, rel=1e-12, abs=1e-12)
        assert gradients[run] == pytest.approx(gradient, rel=1e-10, abs=1e-10)


@KERNELS
def test_many_draws_have_the_values_of_fits(kernel, d):
    x, t_x, T, weight = rows(500, seed=3)
    theta = np.exp(np.random.default_rng(4).normal(0, 2, (20, 4)))
    prepared = dropout_sums.prepare(x, t_x, T, weight, np.array([0, 500]), d)
    expected = [of_fits(kernel, one, x, t_x, T, weight)[0] for one in theta]
    assert dropout_sums.values(theta, prepared, d) == pytest.approx(expected, rel=1e-12)


@KERNELS
def test_busy_and_dead_customers_stay_finite(kernel, d):
    x = np.array([0.0, 1500.0, 3000.0, 1.0])
    t_x, T = np.array([0.0, 100.0, 364.0, 1e-6]), np.array([0.0, 1500.0, 365.0, 1500.0])
    prepared = dropout_sums.prepare(x, t_x, T, np.ones(4), np.array([0, 4]), d)
    theta = np.exp(np.random.default_rng(5).uniform(-6, 6, (50, 4)))
    for one in theta:
        value, gradient = dropout_sums.value_and_gradient(one[None], prepared, d)
        expected = of_fits(kernel, one, x, t_x, T, np.ones(4))
        assert value[0] == pytest.approx(expected[0], rel=1e-11)
        assert gradient[0] == pytest.approx(expected[1], rel=1e-8)

"""Pareto-smoothed importance sampling, against ArviZ and against what is known in closed form."""

import importlib.util

import numpy as np
import pytest

from clvmodels.inference.psis import effective_size, smoothed

LEGACY = importlib.util.find_spec("arviz_stats") is None  # ArviZ 0.x brings its own psislw


def arviz_psis(log_weights):
    """ArviZ's smoothed weights and shapes of the columns of a matrix (draws, columns)."""
    if LEGACY:
        az = pytest.importorskip("arviz")
        logs, k = az.psislw(log_weights.T.copy())
        return logs.T, k
    from arviz_stats.base import array_stats

    # ArviZ 1.x takes log-likelihoods, the weights of leave-one-out turned round
    logs, k = array_stats.psislw(-log_weights, axis=0)
    return np.moveaxis(logs, -1, 0), k


def generalised_pareto(k, shape, rng):
    """Log weights whose distribution is generalised Pareto of shape `k`."""
    return np.log(np.expm1(-k * np.log1p(-rng.random(shape))) / k)


WEIGHTS = {
    "log-normal": lambda rng, shape: rng.normal(0, 1.5, shape),
    "almost the same": lambda rng, shape: rng.normal(0, 1e-3, shape),
    "bounded": lambda rng, shape: np.log(rng.random(shape)),
    "heavy": lambda rng, shape: generalised_pareto(0.6, shape, rng),
    "without a mean": lambda rng, shape: generalised_pareto(2.0, shape, rng),
    "far apart": lambda rng, shape: 40 * rng.standard_normal(shape),
}


# numbers of draws whose tail length is whole: ArviZ 1.x rounds it down, 0.x (as R's loo) up
@pytest.mark.parametrize("draws", [100, 400, 1600])
@pytest.mark.parametrize("kind", WEIGHTS)
def test_equals_arviz(kind, draws):
    log_weights = WEIGHTS[kind](np.random.default_rng(3), (draws, 40))
    logs, k = smoothed(log_weights)
    theirs, their_k = arviz_psis(log_weights)
    np.testing.assert_allclose(logs, theirs, rtol=0, atol=1e-10)
    np.testing.assert_allclose(k, their_k, rtol=1e-10, atol=1e-10)


@pytest.mark.skipif(not LEGACY, reason="ArviZ 1.x counts ties at the cutoff to the tail")
def test_ties_equal_arviz():
    """Draws that come several times, as after resampling, in tails of many lengths."""
    rng = np.random.default_rng(8)
    log_weights = rng.normal(0, 1, (300, 50))[rng.integers(0, 300, 1000)]
    logs, k = smoothed(log_weights)
    theirs, their_k = arviz_psis(log_weights)
    # which of two equal weights gets which order statistic is arbitrary
    np.testing.assert_allclose(np.sort(logs, axis=0), np.sort(theirs, axis=0), atol=1e-10)
    np.testing.assert_allclose(k, their_k, rtol=1e-10)


@pytest.mark.parametrize("k", [0.3, 0.5, 0.8])
def test_finds_the_shape_of_a_generalised_pareto(k):
    log_weights = generalised_pareto(k, (10_000, 60), np.random.default_rng(1))
    _, found = smoothed(log_weights)
    # 300 in the tail: sd (1 + k) / sqrt(300) <= 0.11 of one, drawn to 1/2 by a thirtieth
    assert abs(found.mean() - k) < 0.05


def test_smoothing_brings_a_heavy_mean_nearer():
    """Estimates of a normal's mean from draws of a narrower one: smoothing lowers their spread."""
    rng = np.random.default_rng(5)
    draws = rng.normal(0, 0.6, (1000, 400))
    log_ratio = -0.5 * draws**2 + 0.5 * (draws / 0.6) ** 2
    logs, k = smoothed(log_ratio)
    raw = np.exp(log_ratio) / np.exp(log_ratio).sum(axis=0)
    errors = [((w * draws**2).sum(axis=0) - 1).std() for w in (raw, np.exp(logs))]
    assert errors[1] < errors[0]
    assert 0.4 < k.mean() < 0.8  # 1 - 0.6**2 = 0.64 in the limit of many draws


def test_equal_weights_have_no_tail():
    logs, k = smoothed(np.full((500, 3), -7.0))
    np.testing.assert_allclose(logs, -np.log(500), rtol=1e-14)
    assert (k == -np.inf).all()
    np.testing.assert_allclose(effective_size(logs), 500)


def test_too_few_draws_cannot_tell():
    assert smoothed(np.random.default_rng(0).normal(size=20))[1] == np.inf
    logs, k = smoothed(np.zeros(1))
    assert logs == 0
    assert k == -np.inf


def test_one_draw_that_takes_all():
    log_weights = np.full(1000, -np.inf)
    log_weights[17] = -1e5
    logs, k = smoothed(log_weights)
    assert logs[17] == 0
    assert k == np.inf
    assert effective_size(logs) == pytest.approx(1)


@pytest.mark.parametrize("scale", [1e-14, 1e-9, 1e2, 1e4, 1e8])
def test_any_spread_gives_weights_that_sum_to_one(scale):
    log_weights = scale * np.random.default_rng(2).standard_normal((1000, 20)) + 1e6
    logs, k = smoothed(log_weights)
    np.testing.assert_allclose(np.exp(logs).sum(axis=0), 1, rtol=1e-12)
    assert not np.isnan(k).any()


def test_axis_and_shape():
    log_weights = np.random.default_rng(4).normal(size=(3, 200, 70))
    logs, k = smoothed(log_weights, axis=1)
    assert logs.shape == log_weights.shape
    assert k.shape == (3, 70)
    alone = smoothed(log_weights[1, :, 5])
    np.testing.assert_allclose(logs[1, :, 5], alone[0], rtol=1e-13)
    np.testing.assert_allclose(k[1, 5], alone[1], rtol=1e-13)
    order = np.argsort(log_weights, axis=1)
    assert (np.diff(np.take_along_axis(logs, order, axis=1), axis=1) >= 0).all()

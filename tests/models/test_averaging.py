"""Predictions in blocks: the same numbers in bounded memory, however the histories fall."""

import tracemalloc

import numpy as np
import pytest

from clvmodels.data.histories import Histories
from clvmodels.models import averaging
from clvmodels.models.beta_geo import BetaGeoModel


def histories(n=500, seed=0):
    rng = np.random.default_rng(seed)
    T = rng.integers(1, 6, n).astype(float)
    x = rng.integers(0, 4, n).astype(float)
    return Histories.of(x, np.where(x > 0, T * rng.random(n), 0), T)


def spread(params, block):
    """Something that uses each part of a block, of shape (draws, histories)."""
    pairs = params["r"] * block.ages_x + 10 * block.ages_T
    return pairs[:, block.pair] + block.t_x


@pytest.mark.parametrize("elements", [1, 7, 40, 1000, 10**9])
def test_blocks_hold_every_history_once(elements, monkeypatch):
    monkeypatch.setattr(averaging, "ELEMENTS", elements)
    h = histories()
    blocks = list(averaging.blocks(h, 4))
    rows = np.concatenate([block.rows for block in blocks])
    assert sorted(rows) == list(range(len(h)))
    for block in blocks:
        np.testing.assert_array_equal(block.ages_x[block.pair], h.x[block.rows])
        np.testing.assert_array_equal(block.ages_T[block.pair], h.T[block.rows])
        np.testing.assert_array_equal(block.t_x, h.t_x[block.rows])
        assert 4 * len(block.rows) <= elements or len(block.rows) == 1


@pytest.mark.parametrize("elements", [1, 50, 10**9])
def test_blocks_do_not_change_results(elements, monkeypatch):
    h, params = histories(), {"r": np.linspace(1, 2, 5)[:, None]}
    whole = spread(params, next(averaging.blocks(h, 5)))
    order = next(averaging.blocks(h, 5)).rows
    monkeypatch.setattr(averaging, "ELEMENTS", elements)
    mean = averaging.mean(spread, params, h)[order]
    np.testing.assert_allclose(mean, whole.mean(axis=0), rtol=1e-12)


def test_quantiles_agree_with_numpy():
    values = np.random.default_rng(0).normal(size=(37, 11))
    tails = (0.0, 0.05, 0.5, 0.95, 1.0)
    got = averaging.columnwise_quantiles(values, tails)
    np.testing.assert_allclose(got, np.quantile(values, tails, axis=0), rtol=1e-12)


def test_quantiles_of_infinite_values():
    # 0 x inf must not turn a finite quantile into NaN
    values = np.array([[1.0, np.inf, 1.0], [2.0, np.inf, np.inf], [3.0, np.inf, np.inf]])
    got = averaging.columnwise_quantiles(values, (0.0, 0.5, 0.75))
    np.testing.assert_array_equal(got, [[1, np.inf, 1], [2, np.inf, np.inf], [2.5, np.inf, np.inf]])


@pytest.mark.slow
def test_intervals_take_bounded_memory_where_all_are_of_one_age():
    # 300,000 distinct histories that share a few (x, T) pairs
    fit = BetaGeoModel().with_params(r=0.9, alpha=4.4, a=0.8, b=2.4, time_unit="week")
    data = fit.simulate(300_000, "52 weeks")
    data = data.select(data.frequency > 0)
    data.compress()
    tracemalloc.start()
    fit.predict(data, "39 weeks")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # some blocks' worth of 16 MB; 200 draws of every history would take 280 MB a time
    assert peak < 300e6

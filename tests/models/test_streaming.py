"""Streams of draws: what is said of them is what NumPy says of all of them at once."""

import numpy as np
import pytest
from scipy.sparse import csc_array

from clvmodels.data.histories import Histories
from clvmodels.exceptions import ParameterError
from clvmodels.models import averaging, streaming
from clvmodels.models.streaming import Spread, Stream, over_histories

TAILS = (0.0, 0.05, 0.5, 0.975, 1.0)


def histories(n=400, seed=0):
    rng = np.random.default_rng(seed)
    T = rng.integers(1, 6, n).astype(float)
    x = rng.integers(0, 4, n).astype(float)
    return Histories.of(x, np.where(x > 0, T * rng.random(n), 0), T)


def level(params, block):
    return params["r"] * (block.ages_x + 2 * block.ages_T)[block.pair] + block.t_x


def product(params, block):
    return params["r"] * params["q"] * (1 + block.x)


@pytest.fixture
def params():
    rng = np.random.default_rng(1)
    return {name: rng.gamma(2.0, size=(37, 1)) for name in ("r", "q")}


@pytest.fixture(params=[1, 200, 10**9])
def elements(request, monkeypatch):
    """Pieces of one history, of a few, and all in one."""
    monkeypatch.setattr(averaging, "ELEMENTS", request.param)


def whole(h, params):
    r, q = params["r"], params["q"]
    return {"level": r * (h.x + 2 * h.T) + h.t_x, "product": r * q * (1 + h.x)}


def stream(h, params):
    return over_histories({"level": level, "product": product}, params, h)


def test_mean_sd_and_quantiles_are_those_of_all_draws(elements, params):
    h = histories()
    found = stream(h, params).spread(TAILS)
    for name, draws in whole(h, params).items():
        np.testing.assert_allclose(found[name].mean, draws.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(found[name].sd, draws.std(axis=0), rtol=1e-12)
        expected = np.quantile(draws, TAILS, axis=0)
        np.testing.assert_allclose(found[name].quantiles, expected, rtol=1e-12)


def test_sums_are_those_of_all_draws(elements, params):
    h, rng = histories(), np.random.default_rng(2)
    members = csc_array(rng.poisson(0.5, (3, len(h))).astype(float))
    found = stream(h, params).sums(members)
    for name, draws in whole(h, params).items():
        np.testing.assert_allclose(found[name], draws @ members.toarray().T, rtol=1e-12)


def test_kept_draws_are_all_draws(elements, params):
    h = histories()
    for name, draws in stream(h, params).kept().items():
        np.testing.assert_allclose(draws, whole(h, params)[name], rtol=1e-12)


def test_equal_draws_have_no_sd_and_one_draw_has_none():
    equal = np.full((200, 3), 0.1)  # whose mean rounds
    for values in (equal, equal[:1]):
        found = Spread.of(values, (0.05, 0.95))
        np.testing.assert_array_equal(found.sd, 0.0)
        np.testing.assert_array_equal(found.mean, 0.1)
        np.testing.assert_array_equal(found.quantiles, 0.1)


def test_infinite_and_enormous_draws_warn_of_nothing():
    values = np.array([[1.0, 1e300, 1.0], [np.inf, 3e300, 2.0], [2.0, 2e300, 3.0]])
    found = Spread.of(values, (0.5,))
    np.testing.assert_allclose(found.mean, [np.inf, 2e300, 2.0])
    np.testing.assert_allclose(found.sd, [np.inf, 1e300 * np.sqrt(2 / 3), np.sqrt(2 / 3)])
    np.testing.assert_allclose(found.quantiles[0], [2.0, 2e300, 2.0])


def test_too_many_sums_are_refused():
    many = Stream(("clv",), 1000, 1, [])
    with pytest.raises(ParameterError, match=r"300,000 groups would take 2\.4 GB, more than 2 GB"):
        many.sums(csc_array((300_000, 1)))


def test_an_error_in_a_piece_reaches_the_caller(params):
    def broken(params, block):
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        over_histories({"x": broken}, params, histories()).spread(())


def test_draws_are_those_of_the_posterior_or_a_sample():
    from clvmodels.inference.estimate import Estimate

    sample = {"r": np.arange(1.0, 6.0)[:, None]}
    posterior = Estimate("posterior", point=sample, replicates=sample)
    one = Estimate("one", point={"r": np.ones((1, 1))}, spread=np.array([[0.1]]))
    assert streaming.how_many_draws(posterior, one) == 5
    assert streaming.how_many_draws(one) == 200
    rng = np.random.default_rng(0)
    assert streaming.drawn(posterior, 5, rng)["r"] is posterior.point["r"]
    assert streaming.drawn(one, 5, rng)["r"].shape == (5, 1)
    # resampled, where another estimate has more
    assert set(streaming.drawn(posterior, 50, rng)["r"].ravel()) <= set(range(1, 6))

"""Evaluating at few ages and interpolating changes nothing that anyone could see."""

import numpy as np
import pytest

from clvmodels.kernels import beta_geo, modified_beta_geo
from clvmodels.kernels.discounting import discounted
from clvmodels.models import ages
from clvmodels.models.ages import over_ages


def worlds(n, seed=0):
    """Parameters, frequency, horizon and ages from the wide box of the kernels' tests."""
    rng = np.random.default_rng(seed)
    for k in range(n):
        params = {
            "r": np.exp(rng.uniform(-3, 3)),
            "alpha": np.exp(rng.uniform(-2, 6)),
            "a": np.exp(rng.uniform(-6, 3)),
            "b": np.exp(rng.uniform(-4, 5)),
        }
        x = float(rng.choice([0, 1, 2, 5, 20, 100, 1000]))
        t = rng.uniform(0, 3000) if k % 2 else 10 ** rng.uniform(-2, 3)
        first = rng.choice([0.0, rng.uniform(0, 100)])
        T = np.sort(first + rng.uniform(0, rng.choice([10, 100, 1500]), 200))
        shift = params["alpha"] * np.exp(rng.normal(0, 0.2))  # the draws scatter around it
        yield {name: np.array([[value]]) for name, value in params.items()}, x, t, T, shift


@pytest.mark.parametrize("kernel", [beta_geo, modified_beta_geo], ids=["bg", "mbg"])
def test_interpolated_expectations_equal_direct_ones(kernel):
    for params, x, t, T, shift in worlds(100):

        def if_alive(x, T, t=t, params=params):
            return kernel.purchases_if_alive(x, T, np.float64(t), **params)

        every_x = np.full(len(T), x)
        got = over_ages(if_alive, every_x, T, shift, per_pair=1)
        # 2e-12 asked of the interpolation; the closed form gives up as much to cancellation
        np.testing.assert_allclose(got, if_alive(every_x, T), rtol=1e-9)


def test_interpolated_residual_transactions_equal_direct_ones():
    for params, x, _, T, shift in worlds(10, seed=1):

        def if_alive(x, T, params=params):
            spread = {name: values[..., None] for name, values in params.items()}
            scale = (params["alpha"] + T) / (params["r"] + x)
            return discounted(
                lambda t: beta_geo.purchases_if_alive(x[:, None], T[:, None], t, **spread),
                0.002, np.inf, scale,
            )  # fmt: skip

        every_x = np.full(len(T), x)
        got = over_ages(if_alive, every_x, T, shift, per_pair=33)
        np.testing.assert_allclose(got, if_alive(every_x, T), rtol=1e-8)


def test_many_ages_need_few_evaluations():
    asked = []

    def if_alive(x, T):
        asked.append(len(T))
        return np.log(5 + T)[None, :]

    T = np.arange(730.0)
    got = over_ages(if_alive, np.zeros(730), T, shift=4.4, per_pair=1)
    np.testing.assert_allclose(got[0], np.log(5 + T), rtol=1e-11)
    assert sum(asked) < 50


def test_groups_are_kept_apart_and_small_ones_left_alone(monkeypatch):
    def if_alive(x, T):
        return np.stack([x + 1 / (3 + T), 2 * x + T])

    x = np.repeat([0.0, 1.0, 4.0, 9.0], [300, 2, 250, 1])
    T = np.concatenate([np.linspace(0, 90, 300), [5, 80], np.linspace(1, 7, 250), [3]])
    want = if_alive(x, T)
    np.testing.assert_allclose(over_ages(if_alive, x, T, 3.0, 1), want, rtol=1e-11, atol=1e-13)
    monkeypatch.setattr(ages, "ELEMENTS", 10)  # evaluated in pieces of a few pairs
    got = over_ages(if_alive, x, T, 3.0, 1)
    np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-13)
    np.testing.assert_array_equal(got[:, 300:302], want[:, 300:302])


def test_an_age_that_is_a_node_is_taken_as_it_is():
    T = np.linspace(0, 50, 400)
    node = ages._nodes(T, 2.0)[3]
    T = np.sort(np.append(T, node))
    got = over_ages(lambda x, T: (1 / (2 + T))[None], np.zeros(401), T, 2.0, 1)
    np.testing.assert_allclose(got[0], 1 / (2 + T), rtol=1e-11)

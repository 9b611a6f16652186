"""Interpolation between Chebyshev nodes, and the predictions that go by it."""

import numpy as np
import pytest

from clvmodels.kernels import beta_geo_cnbd, chebyshev, modified_beta_geo_cnbd


@pytest.mark.parametrize("length", [1e-6, 0.5, 3.0, 12.0])
def test_powers_of_time_are_met_to_the_accuracy_asked_for(length):
    # what expectations are mixtures of: (1 + t)^-s, from slow to steep
    points = np.linspace(0.0, length, 1001)
    at = chebyshev.nodes(0.0, length, chebyshev.how_many(length, 25.0))
    for s in (0.3, 2.0, 30.0):
        got = (1 + np.exp(at)) ** -s @ chebyshev.weights(at, points)
        want = (1 + np.exp(points)) ** -s
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-10)  # of 1, their bound


def test_nodes_rise_within_the_interval_and_keep_their_values():
    at = chebyshev.nodes(-1.0, 4.0, 9)
    assert (np.diff(at, prepend=-1.0, append=4.0) > 0).all()
    np.testing.assert_array_equal(chebyshev.weights(at, at), np.eye(9))


@pytest.mark.parametrize("kernel", [beta_geo_cnbd, modified_beta_geo_cnbd], ids=["bg", "mbg"])
@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_regular_buyers_over_many_long_horizons_equal_one_horizon_at_a_time(kernel, k):
    rng = np.random.default_rng(k)
    bound = kernel.bound(k)
    for low, high in ((1.0, 1e4), (30.0, 1e7), (1e-3, 1e-1)):
        x = float(rng.choice([0, 1, 8, 120])) + rng.integers(k) / k
        params = {
            "r": np.exp(rng.uniform(-3, 2)),
            "alpha": np.exp(rng.uniform(-2, 4)),
            "a": np.exp(rng.uniform(-4, 2)),
            "b": np.exp(rng.uniform(-2, 3)),
        }
        T = np.linspace(0.0, 100.0, 12)[:, None]
        t = params["alpha"] * np.geomspace(low, high, 40)
        got = bound.purchases_if_alive(x, T, t, **params)
        want = [[float(bound.purchases_if_alive(x, u, v, **params)) for v in t] for u in T[:, 0]]
        # 1e-9 is what each of them is good to
        np.testing.assert_allclose(got, want, rtol=2e-9)

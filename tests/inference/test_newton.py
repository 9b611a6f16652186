"""Newton's search on problems whose answers are known."""

import numpy as np
import pytest

from clvmodels.inference.newton import evaluate, minimise
from clvmodels.inference.problem import Parameter, limits

NO_LIMITS = np.array([[0.0, 0.0], [np.inf, np.inf]])


def bowl(centre, curvature):
    """A quadratic in logs with its lowest point, 3, at `centre`."""
    curvature = np.asarray(curvature, dtype=float)

    def objective(theta):
        away = np.log(theta / centre)
        in_logs = curvature @ away
        gradient = in_logs / theta
        hessian = curvature / np.outer(theta, theta) - np.diag(in_logs / theta**2)
        return 3 + 0.5 * away @ in_logs, gradient, hessian

    return objective


def falling(theta):
    """Falls towards 1 as the first parameter grows without end; the second settles at 2."""
    a, b = theta
    f = 1 + 1 / a + 0.5 * np.log(b / 2) ** 2
    gradient = np.array([-1 / a**2, np.log(b / 2) / b])
    return f, gradient, np.diag([2 / a**3, (1 - np.log(b / 2)) / b**2])


def test_derivatives_in_logs():
    curvature = np.array([[2.0, 0.5], [0.5, 1.0]])
    at = evaluate(bowl(np.array([1.0, 10.0]), curvature), np.log([2.0, 3.0]), NO_LIMITS)
    away = np.log([2.0, 0.3])
    np.testing.assert_allclose(at.gradient, curvature @ away, rtol=1e-14)
    np.testing.assert_allclose(at.hessian, curvature, rtol=1e-14)
    assert at.gain_left == pytest.approx(0.5 * away @ curvature @ away, rel=1e-14)


@pytest.mark.parametrize("start", [[1.0, 1.0], [1e-6, 1e9], [1e4, 1e-3]])
def test_finds_the_bottom_of_a_bowl(start):
    centre = np.array([0.02, 700.0])
    found = minimise(bowl(centre, [[200.0, 30], [30, 5]]), np.array(start), NO_LIMITS)
    np.testing.assert_allclose(np.exp(found.log_params), centre, rtol=1e-7)
    assert found.nll == pytest.approx(3, abs=1e-12)
    assert found.gain_left < 1e-12
    assert found.free.all()


def test_leaves_a_saddle():
    def objective(theta):
        # (log a)^2 (log^2 a - 2) has a maximum at a = 1 and minima at e and 1 / e
        u, v = np.log(theta)
        f = u**4 - 2 * u**2 + v**2
        slopes = np.array([4 * u**3 - 4 * u, 2 * v])
        bends = np.diag([12 * u**2 - 4, 2.0])
        return f, slopes / theta, (bends - np.diag(slopes)) / np.outer(theta, theta)

    found = minimise(objective, np.array([1.01, 3.0]), NO_LIMITS)
    np.testing.assert_allclose(found.log_params, [1, 0], atol=1e-6)
    assert found.nll == pytest.approx(-1)


def test_walks_towards_infinity_until_nothing_is_left_to_gain():
    found = minimise(falling, np.array([1.0, 50.0]), NO_LIMITS)
    assert found.nll == pytest.approx(1, abs=1e-12)
    assert np.exp(found.log_params[1]) == pytest.approx(2, rel=1e-6)
    assert found.gain_left < 1e-12


def test_is_held_by_a_limit_and_settles_the_rest():
    box = np.array([[1e-3, 1e-3], [1e3, 1e3]])
    found = minimise(falling, np.array([1.0, 50.0]), box)
    a, b = np.exp(found.log_params)
    assert a == pytest.approx(1e3, rel=1e-12)
    assert a <= 1e3
    assert b == pytest.approx(2, rel=1e-6)
    assert found.free.tolist() == [False, True]
    assert found.gain_left < 1e-12


def test_follows_a_valley_along_a_limit():
    # strongly coupled parameters, the lowest point outside: b is best given a at its limit
    curvature = np.array([[100.0, -99.0], [-99.0, 100.0]])
    box = np.array([[1e-7, 0.0], [10.0, np.inf]])
    found = minimise(bowl(np.array([1e4, 1e4]), curvature), np.array([0.1, 3.0]), box)
    a, b = np.exp(found.log_params)
    assert a == pytest.approx(10, rel=1e-12)
    assert np.log(b / 1e4) == pytest.approx(0.99 * np.log(10 / 1e4), rel=1e-6)


def test_leaves_a_limit_it_starts_from():
    box = np.array([[1e-3, 1e-3], [1e3, 1e3]])
    found = minimise(bowl(np.array([5.0, 5.0]), np.eye(2)), np.array([1e3, 1e-3]), box)
    np.testing.assert_allclose(np.exp(found.log_params), 5, rtol=1e-6)
    assert found.free.all()
    outside = minimise(bowl(np.array([5.0, 5.0]), np.eye(2)), np.array([1e9, 1e-9]), box)
    np.testing.assert_allclose(np.exp(outside.log_params), 5, rtol=1e-6)


def test_steps_back_from_where_the_likelihood_is_not_finite():
    def objective(theta):
        f, gradient, hessian = bowl(np.array([1.0, 1.0]), np.eye(2))(theta)
        return (np.nan if theta[0] < 0.5 else f), gradient, hessian

    found = minimise(objective, np.array([30.0, 30.0]), NO_LIMITS)
    np.testing.assert_allclose(np.exp(found.log_params), 1, rtol=1e-6)


def test_gives_up_after_its_steps():
    found = minimise(falling, np.array([1.0, 50.0]), NO_LIMITS, max_steps=2)
    assert found.gain_left > 1e-3


def test_limits_hold_pure_numbers_only():
    # times and money have no natural size
    box = limits([Parameter("r"), Parameter("alpha", "time"), Parameter("v", "money")])
    np.testing.assert_array_equal(box, [[1e-7, 0, 0], [1e7, np.inf, np.inf]])


def test_stops_at_the_noise_of_a_large_sum():
    # a sum of a million log-likelihoods carries rounding errors of 1e-12 of its size: neither the
    # search for a lower value nor the wish for an exact gradient must go on for ever
    rng = np.random.default_rng(0)
    exact = bowl(np.array([0.3, 5.0]), 1e5 * np.array([[2.0, 1], [1, 1]]))
    calls = []

    def objective(theta):
        calls.append(theta)
        f, gradient, hessian = exact(theta)
        noise = rng.normal(size=3)
        return 4e6 + f + 4e-6 * noise[0], gradient + 1e-1 * noise[1:] / theta, hessian

    found = minimise(objective, np.array([1.0, 1.0]), NO_LIMITS)
    np.testing.assert_allclose(np.exp(found.log_params), [0.3, 5], rtol=1e-4)
    assert len(calls) < 25

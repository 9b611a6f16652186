"""What a method returns: draws with the right moments, arrays nobody can change."""

import copy
import pickle

import numpy as np
import pytest

from clvmodels.inference.estimate import Diagnostics, Estimate


def normal_estimate(spread):
    spread = np.asarray(spread, dtype=float)
    return Estimate(
        method="test", point={"a": np.array([[2.0]]), "b": np.array([[0.1]])},
        covariance=spread @ spread.T, spread=spread,
    )  # fmt: skip


def test_draws_have_the_moments_of_the_covariance():
    spread = np.array([[0.3, 0.0], [0.2, 0.1]])
    estimate, n = normal_estimate(spread), 200_000
    draws = estimate.sample(n, np.random.default_rng(0))
    logs = np.log(np.hstack([draws["a"], draws["b"]]))
    assert logs.shape == (n, 2)
    covariance = spread @ spread.T
    error = np.sqrt(np.diag(covariance) / n)
    assert (np.abs(logs.mean(axis=0) - np.log([2, 0.1])) < 4 * error).all()
    # relative standard error of a variance: sqrt(2 / n)
    np.testing.assert_allclose(np.cov(logs.T), covariance, rtol=4 * np.sqrt(2 / n) * 1.5)


def test_draws_stay_put_where_the_data_say_nothing():
    draws = normal_estimate([[0.3], [0.3]]).sample(100, np.random.default_rng(0))
    np.testing.assert_allclose(draws["a"] / draws["b"], 20, rtol=1e-12)
    given = Estimate(method="given", point={"a": np.array([[2.0]])})
    np.testing.assert_allclose(given.sample(5, np.random.default_rng(0))["a"], 2, rtol=1e-15)


def test_own_draws_are_used_where_a_method_has_them():
    own = np.arange(1.0, 11)
    estimate = Estimate(method="bootstrap", point={"a": 5.0}, replicates={"a": own})
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(estimate.sample(10, rng)["a"][:, 0], own)
    fewer = estimate.sample(4, rng)["a"]
    assert fewer.shape == (4, 1)
    assert len(np.unique(fewer)) == 4
    assert set(np.unique(estimate.sample(50, rng)["a"])) <= set(own)


def test_draws_of_several_parameters_stay_together():
    own = np.arange(1.0, 101)
    estimate = Estimate(
        method="bootstrap", point={"a": 1.0, "b": 1.0}, replicates={"a": own, "b": 2 * own}
    )
    draws = estimate.sample(30, np.random.default_rng(0))
    np.testing.assert_array_equal(2 * draws["a"], draws["b"])


def test_sampling_is_reproducible():
    estimate = normal_estimate([[0.3, 0.0], [0.2, 0.1]])
    one, other = (estimate.sample(7, np.random.default_rng(3)) for _ in range(2))
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.parametrize("value", [5.0, np.array(5.0), [5.0, 6.0], np.ones((3, 4))])
def test_values_have_a_row_per_draw(value):
    point = Estimate(method="test", point={"a": value}).point["a"]
    assert point.ndim == 2
    assert point.shape == (np.ones((3, 4)).shape if np.ndim(value) == 2 else (np.size(value), 1))


def test_means_are_taken_over_draws():
    assert Estimate(method="test", point={"a": [1.0, 2.0, 6.0]}).means == {"a": 3.0}


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))]
)
def test_copies_are_whole_and_read_only(again):
    estimate = Estimate(
        method="test", point={"a": 2.0}, covariance=np.eye(1), spread=np.eye(1),
        replicates={"a": [1.0, 2.0]}, loglik=-3.0, customers=7.0,
        diagnostics=Diagnostics(notes=("so it is",)),
    )  # fmt: skip
    other = again(estimate)
    assert other.means == estimate.means
    assert other.diagnostics == estimate.diagnostics
    assert (other.method, other.loglik, other.customers) == ("test", -3.0, 7.0)
    for array in (other.point["a"], other.replicates["a"], other.covariance, other.spread):
        assert not array.flags.writeable
    with pytest.raises(TypeError):
        other.point["a"] = 1


def test_arrays_are_copied_in():
    mine = np.array([[2.0]])
    estimate = Estimate(method="test", point={"a": mine}, covariance=mine)
    mine[0, 0] = 99
    assert estimate.means == {"a": 2.0}
    assert estimate.covariance[0, 0] == 2


def test_diagnostics_in_words():
    text = str(Diagnostics(converged=False, gain_left=0.5, notes=("one", "two")))
    assert text.startswith("NOT converged: at most 5.0e-01 log-likelihood left to gain")
    assert text.endswith("- one\n- two")

"""Simulated regular purchases against the formulas, and the likelihood against its own.

Every comparison is a z-test at 4.5 standard errors: seven in a million fail by chance, and the
seeds are fixed.
"""

import numpy as np
import pytest
from oracles.box import LOUD
from scipy import special as sp

from clvmodels.kernels import beta_geo_cnbd, cnbd, modified_beta_geo_cnbd
from clvmodels.kernels.special import nb_sf

PARAMS = {"r": 0.8, "alpha": 2.5, "a": 0.9, "b": 2.5}
MODELS = {"bg": beta_geo_cnbd.bound(3), "mbg": modified_beta_geo_cnbd.bound(3)}
K, SIZE, Z = 3, 100_000, 4.5
every_model = pytest.mark.parametrize("name", MODELS)


@pytest.fixture(autouse=True)
def loud():
    with np.errstate(**LOUD):
        yield


def assert_mean(sample, expected):
    error = sample.std() / np.sqrt(len(sample))
    assert abs(sample.mean() - expected) < Z * error


def population(name, t, seed):
    """Histories at age t of customers who have just bought for the first time."""
    rng, zero = np.random.default_rng(seed), np.zeros(SIZE)
    x, t_x = MODELS[name].simulate(zero, zero, np.full(SIZE, t), rng, **PARAMS)
    stays = rng.random(SIZE) < MODELS[name].prob_alive(zero, zero, zero, **PARAMS)
    x, t_x = x * stays, t_x * stays
    return x, t_x, np.full(SIZE, t), MODELS[name].draw_litt(x, t_x, rng)


@every_model
@pytest.mark.parametrize(("x", "stage", "T"), [(0.0, 0, 0.0), (3.0, 2, 20.0)])
def test_counts_have_the_moments_of_the_formulas(name, x, stage, T):
    kernel, n, here = MODELS[name], np.arange(400.0), x + stage / K
    made, last = kernel.simulate(np.full(SIZE, here), T, 15.0, np.random.default_rng(1), **PARAMS)
    mass = kernel.pmf_if_alive(n, here, T, 15.0, **PARAMS)
    mean = kernel.purchases_if_alive(here, T, 15.0, **PARAMS)
    assert_mean(made, mean)
    assert_mean((made - mean) ** 2, (n - mean) ** 2 @ mass)
    for few in (0, 1, 2, 5):
        assert_mean(made == few, mass[few])
    assert ((last > 0) == (made > 0)).all()
    assert (last <= 15).all()


@every_model
@pytest.mark.parametrize("stage", [0, 1, 2])
def test_the_first_purchase_comes_when_the_kth_event_does(name, stage):
    # certain dropout leaves nothing but the first purchase
    certain = {**PARAMS, "a": 1e8, "b": 1e-8}
    here, T, rng = np.full(SIZE, stage / K), 4.0, np.random.default_rng(2)
    made, last = MODELS[name].simulate(here, T, 15.0, rng, **certain)
    assert (made <= 1).all()
    for s in (1.0, 5.0, 15.0):
        by_then = nb_sf(K - stage, PARAMS["r"] + stage, s / (PARAMS["alpha"] + T))
        assert_mean((made == 1) & (last <= s), by_then)


@every_model
@pytest.mark.parametrize("seed", [3, 4])
def test_the_likelihood_expects_what_is_simulated(name, seed):
    # at the true parameters the score has mean zero, and the ratio of densities under any others
    # has mean one; this ties count, times and dropout together
    kernel, data = MODELS[name], population(name, 15.0, seed)
    for which, value in PARAMS.items():
        up, down = (
            kernel.loglik(*data, **{**PARAMS, which: value * np.exp(step)})
            for step in (1e-5, -1e-5)
        )
        assert_mean((up - down) / 2e-5, 0.0)  # per unit of the log; right to 1e-9
    other = {key: 1.1 * v for key, v in PARAMS.items()}
    assert_mean(np.exp(kernel.loglik(*data, **other) - kernel.loglik(*data, **PARAMS)), 1.0)


@pytest.mark.parametrize("other", [2, 4])
def test_the_density_under_another_k_integrates_to_one(other):
    # only if the drawn gaps are Erlang-3 and both densities carry their constants
    data = population("mbg", 15.0, seed=5)
    ratio = np.exp(
        modified_beta_geo_cnbd.bound(other).loglik(*data, **PARAMS)
        - MODELS["mbg"].loglik(*data, **PARAMS)
    )
    if other > K:  # for fewer stages the ratio has no variance where a gap is very short
        assert_mean(ratio, 1.0)
    assert ratio.mean() == pytest.approx(1, abs=0.1)


@every_model
def test_the_future_of_survivors_is_that_of_their_history(name):
    # P(alive), stages and the future of each, against what simulated customers go on to do
    kernel, (x, t_x, T, _) = MODELS[name], population(name, 15.0, seed=6)
    rng = np.random.default_rng(7)
    alive = rng.random(SIZE) < kernel.prob_alive(x, t_x, T, **PARAMS)
    weights = kernel.stage_weights(x, t_x, T, **PARAMS)
    stage = (rng.random(SIZE) > np.cumsum(weights, axis=0)).sum(axis=0)
    later = kernel.simulate(x + stage / K, T, 10.0, rng, **PARAMS)[0] * alive
    longer, *_ = population(name, 25.0, seed=8)
    both, group = np.concatenate([x + later, longer]), np.repeat([1.0, -1.0], SIZE)
    assert_mean(both * group, 0.0)
    for few in (0, 1, 3):
        assert_mean((both == few) * group, 0.0)


@every_model
def test_survivors_are_as_many_as_survival_says(name):
    # the same people, alive at 25 by their history until then and by what was known at 15
    kernel, (x, t_x, T, _) = MODELS[name], population(name, 15.0, seed=9)
    weights = kernel.stage_weights(x, t_x, T, **PARAMS)
    there = sum(
        weights[j] * kernel.survival_if_alive(x + j / K, T, 10.0, **PARAMS) for j in range(K)
    )
    known_at_15 = kernel.prob_alive(x, t_x, T, **PARAMS) * there
    x, t_x, T, _ = population(name, 25.0, seed=10)
    known_at_25 = kernel.prob_alive(x, t_x, T, **PARAMS)
    values, group = np.concatenate([known_at_15, known_at_25]), np.repeat([1.0, -1.0], SIZE)
    assert_mean(values * group, 0.0)


def test_gaps_add_up_to_the_time_of_the_last_purchase():
    rng = np.random.default_rng(11)
    x = np.array([0.0, 1.0, 1.0, 4.0])
    t_x = np.array([0.0, 2.5, 1e-3, 9.0])
    litt = cnbd.draw_litt(x, t_x, rng, k=2)
    np.testing.assert_allclose(litt[:3], [0.0, np.log(2.5), np.log(1e-3)], rtol=1e-12, atol=1e-15)
    assert litt[3] <= 4 * np.log(9 / 4)  # most where all gaps are equal
    # shares of t_x are Dirichlet(k, ..., k)
    for k in (1, 2, 6):
        drawn = cnbd.draw_litt(np.full(SIZE, 4.0), np.full(SIZE, 9.0), rng, k=k)
        assert_mean(drawn, 4 * (np.log(9) + sp.digamma(k) - sp.digamma(4 * k)))


@every_model
def test_every_customer_has_a_rate_of_their_own(name):
    rng = np.random.default_rng(12)
    draws = {key: v * np.ones((3, 1)) for key, v in PARAMS.items()}
    made, last = MODELS[name].simulate(np.zeros(50), np.zeros(50), 100.0, rng, **draws)
    assert made.shape == last.shape == (3, 50)
    assert np.unique(made).size > 1
    one, other = (
        MODELS[name].simulate(np.ones(9), 5.0, 50.0, np.random.default_rng(13), **PARAMS)
        for _ in range(2)
    )
    np.testing.assert_array_equal(one, other)

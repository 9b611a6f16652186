"""Simulated purchases against the formulas for their moments, and the likelihood against its own.

Every comparison is a z-test at 4.5 standard errors: seven in a million fail by chance, and the
seeds are fixed.
"""

import numpy as np
import pytest
from oracles.box import LOUD

from clvmodels.kernels import beta_geo, gamma_gamma, modified_beta_geo, nbd

BG = {"r": 0.8, "alpha": 6.0, "a": 0.9, "b": 2.5}
MODELS = {
    "bg": (beta_geo, BG),
    "mbg": (modified_beta_geo, BG),
    "nbd": (nbd, {"r": 0.8, "alpha": 6.0}),
}
SIZE = 200_000
Z = 4.5


@pytest.fixture(autouse=True)
def loud():
    with np.errstate(**LOUD):
        yield


def assert_mean(sample, expected):
    error = sample.std() / np.sqrt(len(sample))
    assert abs(sample.mean() - expected) < Z * error


def population(name, t, seed):
    """Histories (x, t_x) at age t of customers who have just bought for the first time."""
    kernel, params = MODELS[name]
    rng, zero = np.random.default_rng(seed), np.zeros(SIZE)
    x, t_x = kernel.simulate(zero, zero, np.full(SIZE, t), rng, **params)
    stays = rng.random(SIZE) < kernel.prob_alive(zero, zero, zero, **params)
    return x * stays, t_x * stays


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("history", [(0.0, 0.0), (3.0, 20.0)])
def test_counts_have_the_moments_of_the_formulas(name, history):
    kernel, params = MODELS[name]
    x, T, t = (np.full(SIZE, v) for v in (*history, 15.0))
    made, _ = kernel.simulate(x, T, t, np.random.default_rng(1), **params)
    n = np.arange(400.0)
    one = np.ones(400)
    mass = kernel.pmf_if_alive(n, x[0] * one, T[0] * one, 15 * one, **params)
    mean = kernel.purchases_if_alive(x[:1], T[:1], t[:1], **params)[0]
    assert_mean(made, mean)
    assert_mean((made - mean) ** 2, (n - mean) ** 2 @ mass)
    for k in (0, 1, 2, 5):
        assert_mean(made == k, mass[k])


@pytest.mark.parametrize("name", MODELS)
def test_the_last_purchase_lies_in_the_window(name):
    x, t_x = population(name, 15.0, seed=2)
    assert ((t_x > 0) == (x > 0)).all()
    assert (t_x <= 15).all()


@pytest.mark.parametrize("name", MODELS)
def test_the_likelihood_expects_what_is_simulated(name):
    # at the true parameters the score has mean zero; this ties count, time of the last purchase
    # and dropout together
    kernel, params = MODELS[name]
    x, t_x = population(name, 15.0, seed=3)
    T = np.full(SIZE, 15.0)
    for which, value in params.items():
        up, down = (
            kernel.loglik(x, t_x, T, **{**params, which: value * np.exp(step)})
            for step in (1e-5, -1e-5)
        )
        score = (up - down) / 2e-5  # per unit of the log; right to 1e-9
        assert_mean(score, 0.0)


@pytest.mark.parametrize("name", MODELS)
def test_the_likelihood_ratio_of_other_parameters_averages_to_one(name):
    # the density integrates to one under any parameters, so its ratio has mean one
    kernel, params = MODELS[name]
    x, t_x = population(name, 15.0, seed=4)
    T = np.full(SIZE, 15.0)
    other = {k: 1.1 * v for k, v in params.items()}
    ratio = np.exp(kernel.loglik(x, t_x, T, **other) - kernel.loglik(x, t_x, T, **params))
    assert_mean(ratio, 1.0)


@pytest.mark.parametrize("name", ["bg", "mbg"])
def test_the_future_of_survivors_is_that_of_their_history(name):
    # P(alive) and the conditional expectation, against what simulated customers go on to do:
    # simulate to 15, then on from there for those whom P(alive) lets live
    kernel, params = MODELS[name]
    x, t_x = population(name, 15.0, seed=5)
    T, t = np.full(SIZE, 15.0), np.full(SIZE, 10.0)
    rng = np.random.default_rng(6)
    alive = rng.random(SIZE) < kernel.prob_alive(x, t_x, T, **params)
    later = kernel.simulate(x, T, t, rng, **params)[0] * alive
    longer, _ = population(name, 25.0, seed=7)
    both = np.concatenate([x + later, longer])
    group = np.repeat([1.0, -1.0], SIZE)
    assert_mean(both * group, 0.0)
    assert_mean((both == 0) * group, 0.0)


@pytest.mark.parametrize("name", MODELS)
def test_every_customer_has_a_rate_of_their_own(name):
    kernel, params = MODELS[name]
    rng = np.random.default_rng(8)
    for x, T, t in ((0.0, 0.0, np.full(50, 100.0)), (0.0, np.zeros(50), 100.0)):
        made, last = kernel.simulate(x, T, t, rng, **params)
        assert made.shape == last.shape == (50,)
        assert np.unique(made).size > 1
    draws = {k: v * np.ones((3, 1)) for k, v in params.items()}
    made, last = kernel.simulate(np.zeros(5), np.zeros(5), np.full(5, 9.0), rng, **draws)
    assert made.shape == last.shape == (3, 5)


def test_the_same_seed_gives_the_same_customers():
    x = np.array([0.0, 2.0, 30.0])
    one, other = (
        beta_geo.simulate(x, x + 1, x + 5, np.random.default_rng(9), **BG) for _ in range(2)
    )
    np.testing.assert_array_equal(one, other)


def test_certain_dropout_stops_after_one_purchase():
    # 1 - p rounds to nothing
    zero = np.zeros(1000)
    params = {"r": 5.0, "alpha": 1.0, "a": 1e8, "b": 1e-8}
    made, _ = beta_geo.simulate(zero, zero, zero + 50, np.random.default_rng(10), **params)
    np.testing.assert_array_equal(made, 1.0)


def test_impossible_dropout_never_stops_anybody():
    zero = np.zeros(SIZE)
    params = {"r": 5.0, "alpha": 1.0, "a": 1e-8, "b": 1e8}
    made, _ = beta_geo.simulate(zero, zero, zero + 50, np.random.default_rng(11), **params)
    assert_mean(made, 250.0)


def test_spend_has_the_moments_of_the_formulas():
    params = {"p": 6.25, "q": 8.0, "v": 15.44}
    rng = np.random.default_rng(12)
    x = np.full(SIZE, 3.0)
    m = gamma_gamma.simulate(x, rng, **params)
    p, q, v = params.values()
    assert_mean(m, gamma_gamma.population_mean(**params))
    # given nu the mean has variance p / (x nu^2), on top of that of p / nu
    of_means = p**2 * v**2 / ((q - 1) ** 2 * (q - 2))  # Fader, Hardie and Lee (2005b)
    within = p / 3 * v**2 / ((q - 1) * (q - 2))
    assert_mean((m - m.mean()) ** 2, of_means + within)
    for which, value in params.items():
        up, down = (
            gamma_gamma.loglik(x, m, **{**params, which: value * np.exp(step)})
            for step in (1e-5, -1e-5)
        )
        assert_mean((up - down) / 2e-5, 0.0)


def test_nobody_without_a_purchase_has_a_mean_spend():
    m = gamma_gamma.simulate(np.array([0.0, 2.0]), np.random.default_rng(13), p=6.0, q=4.0, v=15.0)
    assert np.isnan(m[0])
    assert m[1] > 0
    draws = {k: v * np.ones((3, 1)) for k, v in {"p": 6.0, "q": 4.0, "v": 15.0}.items()}
    assert gamma_gamma.simulate(np.ones(5), np.random.default_rng(14), **draws).shape == (3, 5)

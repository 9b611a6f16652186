"""Likelihoods of the BG family and the NBD: oracle, published rows, derivatives, invariances."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import beta_geo as bg_oracle
from oracles import modified_beta_geo as mbg_oracle
from oracles import nbd as nbd_oracle
from oracles.box import LOUD, histories, parameters, random_box
from oracles.derivatives import gradient_hessian

from clvmodels.kernels import beta_geo, modified_beta_geo, nbd

FAMILY = {"bg": (beta_geo, bg_oracle), "mbg": (modified_beta_geo, mbg_oracle)}
ALL = {**FAMILY, "nbd": (nbd, nbd_oracle)}

# maximum likelihood on the CDNOW sample (Fader, Hardie and Lee 2005; MBG/NBD: lifetimes' tests)
CDNOW = {
    "bg": {"r": 0.2425945, "alpha": 4.4136019, "a": 0.7929199, "b": 2.4258881},
    "mbg": {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614},
    "nbd": {"r": 0.385, "alpha": 12.072},
}

# x, t_x, T: one-time buyers old and of today, a clockwork buyer, one long gone, one very busy
PEOPLE = np.array(
    [
        (0, 0, 38.86), (0, 0, 0), (2, 30.43, 38.86), (1, 1.71, 38.86), (7, 29.43, 38.86),
        (12, 38.86, 38.86), (40, 20, 1000), (1500, 100, 1500), (3000, 364, 365), (1, 1e-6, 1e-6),
    ]
).T  # fmt: skip


@pytest.fixture(autouse=True)
def loud():
    with np.errstate(**LOUD):
        yield


def negative(name, params, x, t_x, T, weight):
    """The kernel's negative log-likelihood with gradient and Hessian."""
    kernel, theta = ALL[name][0], np.array(list(params.values()))
    if name == "nbd":
        return kernel.nll_grad_hess(theta, x, T, weight, kernel.tail_counts(x, weight))
    return kernel.nll_grad_hess(theta, x, t_x, T, weight, *kernel.tails(x, weight))


def test_rows_of_the_published_spreadsheet():
    # Fader, Hardie and Lee (2005), "Implementing the BG/NBD Model in Excel" (note 004), figure 1;
    # times are printed as 30.43, 1.71, ... weeks and are whole days
    x = np.array([2, 1, 0, 7, 1, 2, 5, 10, 1.0])
    t_x = np.array([213, 12, 0, 206, 35, 250, 171, 239, 34]) / 7
    printed = [-9.4596, -4.4711, -0.5538, -21.8644, -4.8651, -9.5367, -17.3593, -27.3144, -4.8520]
    got = beta_geo.loglik(x, t_x, np.full(9, 272 / 7), **CDNOW["bg"])
    np.testing.assert_allclose(got, printed, rtol=0, atol=5e-5)  # four decimals


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("person", [(2, 30.43, 38.86), (7, 29.43, 38.86), (0, 0.0, 38.86)])
def test_the_oracle_is_the_individual_likelihood_mixed_over_customers(name, person):
    oracle, params = ALL[name][1], CDNOW[name].values()
    closed, mixed = oracle.loglik(*person, *params), oracle.likelihood_by_mixing(*person, *params)
    # numerical integral over a rate density that is infinite at 0
    assert float(mp.exp(closed) / mixed) == pytest.approx(1, rel=1e-7)


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=300)
@given(data=st.data())
def test_loglik_equals_the_oracle_over_the_box(name, data):
    kernel, oracle = ALL[name]
    params = data.draw(parameters(*CDNOW[name]))
    x, t_x, T = data.draw(histories())
    with np.errstate(**LOUD):
        got = kernel.loglik(*np.array([[x], [t_x], [T]]), **params)
    expected = float(oracle.loglik(x, t_x, T, **params))
    # a few roundings of terms of the size of x log(alpha + T)
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=2e-11)


@pytest.mark.parametrize("name", ALL)
def test_loglik_equals_the_oracle_on_many_random_customers(name):
    kernel, oracle = ALL[name]
    params, x, t_x, T, _ = random_box(2000, seed=6)
    params = {k: params[k] for k in CDNOW[name]}
    got = kernel.loglik(x, t_x, T, **params)
    rows = zip(x, t_x, T, *params.values(), strict=True)
    expected = [float(oracle.loglik(*row)) for row in rows]
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=2e-11)  # as above


def check_derivatives(name, params, x, t_x, T, rtol):
    oracle = ALL[name][1]
    weight = 1.0 + np.arange(len(x)) % 3
    rows = list(zip(weight, x, t_x, T, strict=True))

    def nll(*theta):
        return -mp.fsum(w * oracle.loglik(*row, *theta) for w, *row in rows)

    got = negative(name, params, x, t_x, T, weight)
    theta = np.array(list(params.values()))
    # on the log scale, on which parameters are estimated: one tolerance for all entries
    scales = 1.0, theta, np.outer(theta, theta)
    for mine, exact, scale in zip(got, gradient_hessian(nll, theta), scales, strict=True):
        size = max(1.0, np.abs(exact * scale).max())
        np.testing.assert_allclose(mine * scale, exact * scale, rtol=rtol, atol=rtol * size)


@pytest.mark.parametrize("name", ALL)
def test_gradient_and_hessian_at_the_published_estimates(name):
    check_derivatives(name, CDNOW[name], *PEOPLE, rtol=1e-12)  # rounding only: both are exact


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("factor", [1e-3, 1e3, 1e6])
def test_gradient_and_hessian_far_from_any_estimate(name, factor):
    # ridges: homogeneous rates (r, alpha large) and dropout (a, b large), and their opposites;
    # what is left there of terms of order r or b is of order one, hence six digits fewer
    params = {k: v * factor for k, v in CDNOW[name].items()}
    check_derivatives(name, params, *PEOPLE, rtol=1e-9)


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=25)
@given(data=st.data())
def test_gradient_and_hessian_over_the_box(name, data):
    params = data.draw(parameters(*CDNOW[name]))
    people = data.draw(st.lists(histories(), min_size=1, max_size=4))
    with np.errstate(**LOUD):
        check_derivatives(name, params, *np.array(people).T, rtol=1e-10)


@pytest.mark.parametrize("name", ALL)
def test_the_sum_of_loglik_is_the_objective(name):
    _, x, t_x, T, _ = random_box(500, seed=1)
    weight = np.random.default_rng(2).uniform(0.5, 4, 500)
    nll, _, _ = negative(name, CDNOW[name], x, t_x, T, weight)
    loglik = ALL[name][0].loglik(x, t_x, T, **CDNOW[name])
    assert nll == pytest.approx(-(weight @ loglik), rel=1e-13)  # two orders of summation


@pytest.mark.parametrize("name", ALL)
def test_weights_are_replication(name):
    times = np.array([1, 2, 3, 1, 4, 1, 2, 1, 1, 5])
    rows = [np.repeat(column, times) for column in PEOPLE]
    weighted = negative(name, CDNOW[name], *PEOPLE, times.astype(float))
    repeated = negative(name, CDNOW[name], *rows, np.ones(times.sum()))
    for one, other in zip(weighted, repeated, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)  # order of summation


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("k", [7, 168, 604800, 1 / 52])
def test_another_time_unit_shifts_loglik_by_a_known_amount(name, k):
    params, x, t_x, T, _ = random_box(500, seed=3)
    kernel, params = ALL[name][0], {p: params[p] for p in CDNOW[name]}
    before = kernel.loglik(x, t_x, T, **params)
    after = kernel.loglik(x, k * t_x, k * T, **{**params, "alpha": k * params["alpha"]})
    np.testing.assert_allclose(after, before - x * np.log(k), rtol=1e-12, atol=1e-11)


def test_dropout_that_never_comes_is_the_nbd():
    params, x, t_x, T, _ = random_box(500, seed=4)
    nothing = {"r": params["r"], "alpha": params["alpha"]}
    expected = nbd.loglik(x, t_x, T, **nothing)
    overdue = (params["r"] + x) * np.log((params["alpha"] + T) / (params["alpha"] + t_x))
    alive = overdue < np.log(1e3)
    for kernel in (beta_geo, modified_beta_geo):
        got = kernel.loglik(x, t_x, T, **nothing, a=1e-12, b=1.0)
        # where a customer is so overdue that even p = 1e-12 explains more, the NBD is wrong
        np.testing.assert_allclose(got[alive], expected[alive], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("size", [1e-8, 1e8])
@pytest.mark.parametrize("which", [("a",), ("b",), ("a", "b"), ("r",), ("r", "alpha"), ("alpha",)])
def test_parameters_at_the_edge_of_reason_give_finite_values(name, size, which):
    params = {**CDNOW[name], **dict.fromkeys(which, size)}
    f, gradient, hessian = negative(name, params, *PEOPLE, np.ones(PEOPLE.shape[1]))
    assert np.isfinite(f)
    assert np.isfinite(gradient).all()
    assert np.isfinite(hessian).all()
    assert np.isfinite(ALL[name][0].loglik(*PEOPLE, **params)).all()


@pytest.mark.parametrize("name", ALL)
def test_draws_broadcast_against_customers(name):
    kernel = ALL[name][0]
    draws = {k: v * np.array([[0.8], [1.0], [1.3]]) for k, v in CDNOW[name].items()}
    got = kernel.loglik(*PEOPLE, **draws)
    assert got.shape == (3, PEOPLE.shape[1])
    np.testing.assert_array_equal(got[1], kernel.loglik(*PEOPLE, **CDNOW[name]))

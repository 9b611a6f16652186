"""Likelihoods of the Pareto/NBD and the GGompertz/NBD: oracle, derivatives, limits."""

import mpmath as mp
import numpy as np
import pytest
from oracles import ggompertz_nbd as ggompertz_oracle
from oracles import pareto_nbd as pareto_oracle
from oracles.box import LOUD, random_box
from oracles.derivatives import gradient_hessian

from clvmodels.kernels import ggompertz_nbd, nbd, pareto_nbd

ALL = {"pareto": (pareto_nbd, pareto_oracle), "ggompertz": (ggompertz_nbd, ggompertz_oracle)}
RANGES = {
    "pareto": {"s": (-3, 3), "beta": (-2, 6)},
    "ggompertz": {"b": (-9, 1.5), "s": (-3, 3), "beta": (-6, 6)},
}
# maximum likelihood on the CDNOW sample, and an acceleration to be seen in 39 weeks
CDNOW = {
    "pareto": {"r": 0.553, "alpha": 10.578, "s": 0.606, "beta": 11.669},
    "ggompertz": {"r": 0.553, "alpha": 10.578, "b": 0.05, "s": 0.606, "beta": 0.6},
}
# x, t_x, T: one-time buyers old and of today, a clockwork buyer, one long gone, one very busy
PEOPLE = np.array(
    [
        (0, 0, 38.86), (0, 0, 0), (2, 30.43, 38.86), (1, 1.71, 38.86), (7, 29.43, 38.86),
        (12, 38.86, 38.86), (40, 20, 1000), (1500, 100, 1500), (3000, 364, 365), (1, 1e-6, 1e-6),
    ]
).T  # fmt: skip
# The quadrature's nodes are chosen for 1e-11 of the integral over dropout ages.
RTOL = 1e-10


@pytest.fixture(autouse=True)
def loud():
    with np.errstate(**LOUD):
        yield


def box(name, size, seed):
    """Parameters and histories over the common box, with the lifetimes' parameters of the model."""
    params, *history = random_box(size, seed)
    rng = np.random.default_rng(seed)
    lifetime = {k: np.exp(rng.uniform(*bounds, size)) for k, bounds in RANGES[name].items()}
    return {"r": params["r"], "alpha": params["alpha"], **lifetime}, *history


def negative(name, params, x, t_x, T, weight):
    """The kernel's negative log-likelihood with gradient and Hessian."""
    kernel, theta = ALL[name][0], np.array(list(params.values()))
    return kernel.nll_grad_hess(theta, x, t_x, T, weight, kernel.tail_counts(x, weight))


def compare(name, size, seed):
    kernel, oracle = ALL[name]
    params, x, t_x, T, _ = box(name, size, seed)
    rows = list(zip(x, t_x, T, *params.values(), strict=True))
    exact = np.array([float(oracle.loglik(*row)) for row in rows])
    got = kernel.loglik(x, t_x, T, **params)
    np.testing.assert_allclose(got, exact, rtol=RTOL, atol=RTOL)
    exact = np.array([float(oracle.prob_alive(*row)) for row in rows])
    got = kernel.prob_alive(x, t_x, T, **params)
    assert ((got >= 0) & (got <= 1)).all()
    np.testing.assert_allclose(got, exact, rtol=1e-9, atol=1e-300)


@pytest.mark.parametrize(("name", "size"), [("pareto", 1000), ("ggompertz", 40)])
def test_likelihood_and_prob_alive_equal_the_oracle_on_random_customers(name, size):
    compare(name, size, seed=30)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), [("pareto", 10_000), ("ggompertz", 100)])
def test_likelihood_and_prob_alive_equal_the_oracle_on_many_random_customers(name, size):
    compare(name, size, seed=31)


def test_the_oracles_meet_where_acceleration_vanishes():
    # a difference of two 2F1 and an integral over the age of dropout
    beta, b = 11.669, 1e-12
    for person in ((2, 30.43, 38.86), (0, 0.0, 38.86)):
        one = ggompertz_oracle.loglik(*person, 0.553, 10.578, b, 0.606, beta * b)
        other = pareto_oracle.loglik(*person, 0.553, 10.578, 0.606, beta)
        assert float(one) == pytest.approx(float(other), rel=1e-9)


def check_derivatives(name, params, people, rtol):
    oracle = ALL[name][1]
    weight = 1.0 + np.arange(people.shape[1]) % 3
    rows = list(zip(weight, *people, strict=True))

    def nll(*theta):
        return -mp.fsum(w * oracle.loglik(*row, *theta) for w, *row in rows)

    got = negative(name, params, *people, weight)
    theta = np.array(list(params.values()))
    # on the log scale, on which parameters are estimated: one tolerance for all entries
    scales = 1.0, theta, np.outer(theta, theta)
    for mine, exact, scale in zip(got, gradient_hessian(nll, theta), scales, strict=True):
        size = max(1.0, np.abs(exact * scale).max())
        np.testing.assert_allclose(mine * scale, exact * scale, rtol=rtol, atol=rtol * size)


@pytest.mark.parametrize("factor", [1.0, 1e-2, 1e2])
def test_gradient_and_hessian_of_the_pareto_nbd(factor):
    params = {k: v * factor for k, v in CDNOW["pareto"].items()}
    check_derivatives("pareto", params, PEOPLE, rtol=1e-8)  # second moments of the quadrature


@pytest.mark.parametrize("changes", [{}, {"b": 1e-4, "beta": 1e-3}, {"b": 0.5, "beta": 50.0}])
def test_gradient_and_hessian_of_the_ggompertz_nbd(changes):
    people = PEOPLE[:, [0, 1, 2, 3, 5]]
    check_derivatives("ggompertz", {**CDNOW["ggompertz"], **changes}, people, rtol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "customers"), [("pareto", 300), ("ggompertz", 8)])
def test_gradient_and_hessian_over_the_box(name, customers):
    params, x, t_x, T, _ = box(name, customers, seed=32)
    for k in range(customers):
        one = {name: values[k] for name, values in params.items()}
        check_derivatives(name, one, np.array([[x[k]], [t_x[k]], [T[k]]]), rtol=1e-8)


@pytest.mark.parametrize("name", ALL)
def test_the_sum_of_loglik_is_the_objective(name):
    _, x, t_x, T, _ = box(name, 500, seed=33)
    weight = np.random.default_rng(2).uniform(0.5, 4, 500)
    nll, _, _ = negative(name, CDNOW[name], x, t_x, T, weight)
    loglik = ALL[name][0].loglik(x, t_x, T, **CDNOW[name])
    assert nll == pytest.approx(-(weight @ loglik), rel=1e-12)  # the same nodes, other orders


@pytest.mark.parametrize("name", ALL)
def test_rows_add_up_to_the_objective(name):
    _, x, t_x, T, _ = box(name, 300, seed=34)
    theta = np.array(list(CDNOW[name].values()))
    rows = ALL[name][0].row_derivatives(x, t_x, T, **CDNOW[name])
    nll, gradient, hessian = negative(name, CDNOW[name], x, t_x, T, np.ones(300))
    gradient = gradient * theta
    hessian = hessian * np.outer(theta, theta) + np.diag(gradient)
    for one, other in zip(rows, (nll, gradient, hessian), strict=True):
        np.testing.assert_allclose(-one.sum(axis=0), other, rtol=1e-9, atol=1e-7)  # of sums of 1e4


@pytest.mark.parametrize("name", ALL)
def test_every_row_can_have_parameters_of_its_own(name):
    params, x, t_x, T, _ = box(name, 40, seed=35)
    kernel = ALL[name][0]
    together = kernel.row_derivatives(x, t_x, T, **params)
    for k in range(40):
        one = {name: float(values[k]) for name, values in params.items()}
        alone = kernel.row_derivatives(x[[k]], t_x[[k]], T[[k]], **one)
        for mine, other in zip(together, alone, strict=True):
            np.testing.assert_allclose(mine[k], other[0], rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(together[0], kernel.loglik(x, t_x, T, **params), rtol=1e-11)


@pytest.mark.parametrize("name", ALL)
def test_weights_are_replication(name):
    times = np.array([1, 2, 3, 1, 4, 1, 2, 1, 1, 5])
    rows = [np.repeat(column, times) for column in PEOPLE]
    weighted = negative(name, CDNOW[name], *PEOPLE, times.astype(float))
    repeated = negative(name, CDNOW[name], *rows, np.ones(times.sum()))
    for one, other in zip(weighted, repeated, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-12)  # order of summation


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("k", [7, 168, 604800, 1 / 52])
def test_another_time_unit_shifts_loglik_by_a_known_amount(name, k):
    kernel = ALL[name][0]
    params, x, t_x, T, _ = box(name, 500, seed=36)
    factor = {"alpha": k, **({"beta": k} if name == "pareto" else {"b": 1 / k})}
    scaled = {p: v * factor.get(p, 1.0) for p, v in params.items()}
    before = kernel.loglik(x, t_x, T, **params)
    after = kernel.loglik(x, k * t_x, k * T, **scaled)
    np.testing.assert_allclose(after, before - x * np.log(k), rtol=1e-11, atol=1e-10)


def test_vanishing_acceleration_is_the_pareto_nbd():
    params, x, t_x, T, _ = box("pareto", 500, seed=37)
    b = 1e-12
    got = ggompertz_nbd.loglik(x, t_x, T, **{**params, "b": b, "beta": params["beta"] * b})
    np.testing.assert_allclose(got, pareto_nbd.loglik(x, t_x, T, **params), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", ALL)
def test_dropout_that_never_comes_is_the_nbd(name):
    params, x, t_x, T, _ = box(name, 500, seed=38)
    rates = {"r": params["r"], "alpha": params["alpha"]}
    nothing = {**CDNOW[name], **rates, "s": 1e-14}
    overdue = (params["r"] + x) * np.log((params["alpha"] + T) / (params["alpha"] + t_x))
    alive = overdue < np.log(1e3)
    # where a customer is so overdue that even that explains more, the NBD is wrong
    got = ALL[name][0].loglik(x, t_x, T, **nothing)[alive]
    expected = nbd.loglik(x, t_x, T, **rates)[alive]
    np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("size", [1e-8, 1e8])
@pytest.mark.parametrize(
    "which",
    [("s",), ("beta",), ("s", "beta"), ("r",), ("r", "alpha"), ("alpha",), ("b",), ("b", "beta")],
)
def test_parameters_at_the_edge_of_reason_give_finite_values(name, size, which):
    if not set(which) <= set(CDNOW[name]):
        pytest.skip("the Pareto/NBD has no acceleration")
    params = {**CDNOW[name], **dict.fromkeys(which, size)}
    for part in negative(name, params, *PEOPLE, np.ones(PEOPLE.shape[1])):
        assert np.isfinite(part).all()
    assert np.isfinite(ALL[name][0].loglik(*PEOPLE, **params)).all()
    alive = ALL[name][0].prob_alive(*PEOPLE, **params)
    assert ((alive >= 0) & (alive <= 1)).all()


@pytest.mark.parametrize("name", ALL)
def test_draws_broadcast_against_customers(name):
    kernel = ALL[name][0]
    draws = {k: v * np.array([[0.8], [1.0], [1.3]]) for k, v in CDNOW[name].items()}
    _, _, _, _, t = random_box(PEOPLE.shape[1], seed=39)
    x, t_x, T = PEOPLE
    for function, args in (
        (kernel.loglik, (x, t_x, T)),
        (kernel.prob_alive, (x, t_x, T)),
        (kernel.survival_if_alive, (x, T, t)),
        (kernel.purchases_if_alive, (x, T, t)),
        (kernel.pmf_if_alive, (np.float64(2), x, T, t)),
    ):
        got = function(*args, **draws)
        assert got.shape == (3, PEOPLE.shape[1])
        np.testing.assert_array_equal(got[1], function(*args, **CDNOW[name]))


def test_busy_customers_of_the_clvtools_tests():
    # CLVTools tests its Pareto/NBD on customers with these numbers of purchases, whose powers
    # overflow elsewhere; times of the order of its data, in weeks
    x = np.array([221.0, 254.0, 161.0, 204.0])
    t_x, T = np.array([95.0, 100.1, 80.0, 103.9]), np.full(4, 104.0)
    params = {"r": 0.7, "alpha": 5.2, "s": 0.35, "beta": 11.5}
    got = pareto_nbd.loglik(x, t_x, T, **params)
    exact = [
        float(pareto_oracle.loglik(*row, *params.values())) for row in zip(x, t_x, T, strict=True)
    ]
    np.testing.assert_allclose(got, exact, rtol=1e-12)

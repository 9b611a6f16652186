"""Pareto/NBD with time-varying covariates: oracle, derivatives, collapses, simulation."""

import mpmath as mp
import numpy as np
import pytest
from oracles import time_varying_pareto_nbd as oracle
from oracles.box import LOUD
from scipy.special import roots_genlaguerre

from clvmodels.inference.newton import evaluate
from clvmodels.kernels import pareto_nbd
from clvmodels.kernels import time_varying_pareto_nbd as kernel
from clvmodels.kernels.special import tail_counts

ONE = np.ones(1)
CDNOW = {"r": 0.553, "alpha": 10.578, "s": 0.606, "beta": 11.669}  # Fader, Hardie, Lee (2005)
LIMITS = np.array([[1e-9], [1e9]])


@pytest.fixture(autouse=True)
def loud():
    with np.errstate(**LOUD):
        yield


def walk(x, t_x, T, until, buying, leaving, bought=0.0):
    """One customer, with the log factors g'z themselves as covariates."""
    column = [np.asarray(v, dtype=float)[:, None] for v in (buying, leaving)]
    return kernel.Walks(
        *np.array([[x], [t_x], [T]], dtype=float), np.array([0, len(until)]),
        np.asarray(until, dtype=float), *column, np.array([[float(bought)]]),
    )  # fmt: skip


def together(walks):
    start = np.cumsum([0, *(len(w.until) for w in walks)])
    fields = {f: np.concatenate([getattr(w, f) for w in walks]) for f in kernel.Walks._fields}
    return kernel.Walks(**{**fields, "start": start})


def random_case(rng):
    """Parameters, and a customer as the kernel and as the oracle take it."""
    ranges = {"r": (-3, 3), "alpha": (-2, 6), "s": (-5, 3), "beta": (-3, 6)}
    params = {name: np.exp(rng.uniform(*ends)) for name, ends in ranges.items()}
    T = np.exp(rng.uniform(np.log(0.01), np.log(1500)))
    x = 0.0 if rng.random() < 0.3 else np.floor(np.exp(rng.uniform(0, np.log(1001))))
    t_x = T * rng.uniform(1e-3, 1) if x else 0.0
    size = rng.integers(1, 7)
    until = np.sort(rng.uniform(0, 1.5 * T, size))
    factors = rng.normal(0, 1.5, (2, size))  # rates change by e^1.5, 4.5-fold, from one to the next
    return params, (x, t_x, T, *factors, until, rng.normal())


def check_likelihood(params, case):
    x, t_x, T, buying, leaving, until, bought = case
    w = walk(x, t_x, T, until, buying, leaving, bought)
    expected = oracle.loglik(x, t_x, T, bought, until, buying, leaving, **params)
    got = kernel.loglik(w, **params, purchase=ONE, dropout=ONE)
    # quadrature, 1e-11 or better here, and roundings of terms of the size of x log(alpha + A)
    np.testing.assert_allclose(got, [float(expected)], rtol=1e-12, atol=1e-10)
    alive = oracle.prob_alive(x, t_x, T, until, buying, leaving, **params)
    got = kernel.prob_alive(w, **params, purchase=ONE, dropout=ONE)
    np.testing.assert_allclose(got, [float(alive)], rtol=0, atol=1e-10)


@pytest.mark.parametrize("seed", range(20))
def test_likelihood_equals_the_oracle_over_the_box(seed):
    check_likelihood(*random_case(np.random.default_rng(seed)))


@pytest.mark.slow
def test_likelihood_equals_the_oracle_on_many_customers():
    rng = np.random.default_rng(0)
    for _ in range(200):
        check_likelihood(*random_case(rng))


@pytest.mark.parametrize(
    "case",
    [
        (0, 0.0, 0.0, [0.3], [0.2], [7.0], 0.0),  # first seen today
        (0, 0.0, 50.0, [8.0, -8.0], [-8.0, 8.0], [1.0, 50.0], 0.0),  # dropout jumps e^16-fold
        (3, 50.0, 50.0, [1.0, -1.0], [0.0, 1.0], [20.0, 70.0], 2.0),  # bought today
        (3, 20.0, 50.0, [1.0, -1.0], [0.0, 1.0], [20.0, 70.0], 2.0),  # on the day of a change
        (300, 100.0, 1500.0, [0.0, 0.5, 0.0], [0.0, 1.0, 0.0], [80.0, 120.0, 160.0], 9.0),
        (1, 1e-6, 1e-6, [0.0], [0.0], [1.0], 0.0),
    ],
)
@pytest.mark.parametrize("factor", [1.0, 1e-3, 1e3])
def test_likelihood_of_hard_histories(case, factor):
    check_likelihood({name: value * factor for name, value in CDNOW.items()}, case)


def test_the_oracle_is_the_individual_likelihood_mixed_over_customers():
    x, t_x, T, until, buying, leaving = (
        2,
        12.5,
        39.0,
        [9.0, 20.0, 45.0],
        [0.3, -0.5, 0.8],
        [-1, 1, 0],
    )
    r, alpha, s, beta = 1.3, 10.0, 1.6, 12.0
    (rate, w_rate), (mu, w_mu) = roots_genlaguerre(120, r - 1), roots_genlaguerre(120, s - 1)
    rate, mu = rate[:, None] / alpha, mu / beta
    A, D = (float(v) for v in oracle.clocks(until, buying, leaving, T))
    given = rate**x * np.exp(-rate * A - mu * D)  # alive at T
    for low, high, a, d in oracle._pieces(until, buying, leaving, t_x, T):  # left in between
        A, D = (float(v) for v in oracle.clocks(until, buying, leaving, low))
        both = rate * float(a) + mu * float(d)
        there = -np.expm1(-both * float(high - low)) / both
        given = given + rate**x * mu * float(d) * np.exp(-rate * A - mu * D) * there
    mixed = w_rate @ given @ w_mu / float(mp.gamma(r) * mp.gamma(s))
    closed = oracle.loglik(x, t_x, T, 0, until, buying, leaving, r, alpha, s, beta)
    assert mixed == pytest.approx(float(mp.exp(closed)), rel=1e-9)  # Gauss-Laguerre's own error


# predictions


@pytest.mark.parametrize("seed", range(100, 106))
def test_predictions_equal_the_oracle(seed):
    rng = np.random.default_rng(seed)
    params, (x, t_x, T, buying, leaving, until, _) = random_case(rng)
    w, known = walk(x, t_x, T, until, buying, leaving), (until, buying, leaving)
    both = {**params, "purchase": ONE, "dropout": ONE}
    t, delta = np.exp(rng.uniform(-4, 8)), np.exp(rng.uniform(-8, -2))
    since = t * rng.random()
    dropout = {"s": params["s"], "beta": params["beta"]}
    survival = oracle.survival_if_alive(T, t, *known, **dropout)
    got = kernel.survival_if_alive(w, t, **dropout, dropout=ONE)[0]
    assert got == pytest.approx(float(survival), rel=1e-11)
    for begin in (0.0, since):
        expected = oracle.discounted_if_alive(x, T, begin, t, 0, *known, **params)
        got = kernel.purchases_if_alive(w, t, **both, since=begin)[0]
        assert got == pytest.approx(float(expected), rel=1e-10)
        expected = oracle.discounted_if_alive(x, T, begin, t, delta, *known, **params)
        got = kernel.discounted_if_alive(w, t, delta, **both, since=begin)[0]
        assert got == pytest.approx(float(expected), rel=1e-9)  # quadrature
    n = int(rng.choice([0, 1, 2, 5, 20, 100]))
    expected = oracle.pmf_if_alive(n, x, T, t, *known, **params)
    got = kernel.pmf_if_alive(n, w, t, **both)[0]
    assert got == pytest.approx(float(expected), rel=1e-9, abs=1e-12)


def test_probabilities_of_all_counts_add_up_to_one_and_to_the_expected_purchases():
    w = walk(3, 20.0, 39.0, [10.0, 42.0, 50.0, 60.0], [0, 1, -1, 0.5], [0.2, -1, 1, 0], 1.0)
    both = {**CDNOW, "purchase": ONE, "dropout": ONE}
    pmf = np.array([kernel.pmf_if_alive(n, w, 30.0, **both)[0] for n in range(120)])
    assert pmf.sum() == pytest.approx(1, rel=1e-9)
    assert np.arange(120) @ pmf == pytest.approx(
        kernel.purchases_if_alive(w, 30.0, **both)[0], rel=1e-8
    )


# derivatives


def people(size, seed):
    """Customers under two covariates of the purchase rate and one of dropout."""
    rng = np.random.default_rng(seed)
    walks = []
    for _ in range(size):
        x, t_x, T, _, _, until, _ = random_case(rng)[1]
        one = walk(x, t_x, T, until, until, until)
        z = rng.normal(0, 1, (len(until), 3))
        walks.append(
            one._replace(buying=z[:, :2], leaving=z[:, 2:], bought=rng.normal(0, 1, (1, 2)))
        )
    return together(walks)


@pytest.mark.parametrize("factor", [1.0, 1e-2, 1e2])
def test_gradient_and_hessian_match_finite_differences(factor):
    w = people(40, seed=1)
    weight = 1.0 + np.arange(40) % 3
    theta = np.append(factor * np.array(list(CDNOW.values())), np.exp([0.4, -0.3, 0.6]))
    tail = tail_counts(w.x, weight)

    def objective(theta):
        return kernel.nll_grad_hess(theta, w, weight, tail)

    here, h = np.log(theta), 1e-5
    exact = evaluate(objective, here, LIMITS)
    scale = np.abs(exact.hessian).max()
    for k, step in enumerate(h * np.eye(len(theta))):
        up, down = (evaluate(objective, here + s, LIMITS) for s in (step, -step))
        # central differences: h^2 of truncation, and rounding of values of 1e4 divided by h
        slope, bend = (up.nll - down.nll) / (2 * h), (up.gradient - down.gradient) / (2 * h)
        assert exact.gradient[k] == pytest.approx(slope, rel=1e-6, abs=1e-7 * scale)
        np.testing.assert_allclose(exact.hessian[k], bend, rtol=1e-6, atol=1e-7 * scale)


def test_gradient_equals_the_oracle():
    x, t_x, T, until, z, bought = 4, 20.0, 39.0, [9.0, 25.0, 60.0], np.array([0.3, -0.5, 0.8]), 0.7
    theta = np.array([*CDNOW.values(), np.exp(0.5), np.exp(-0.8)])
    w = walk(x, t_x, T, until, z, -z, bought)
    _, gradient, _ = kernel.nll_grad_hess(theta, w, ONE, tail_counts(w.x, ONE))

    def nll(*theta):
        g, k = (mp.log(v) for v in theta[4:])
        buying, leaving = [g * v for v in z], [-k * v for v in z]
        return -oracle.loglik(x, t_x, T, g * bought, until, buying, leaving, *theta[:4])

    with mp.workdps(30):
        for k in range(6):
            step = [mp.mpf(0)] * 6
            step[k] = mp.mpf(10) ** -9 * theta[k]
            up, down = (
                nll(*(v + i * s for v, s in zip(theta, step, strict=True))) for i in (1, -1)
            )
            slope = float((up - down) / (2 * step[k]))
            assert gradient[k] == pytest.approx(slope, rel=1e-9, abs=1e-11)


def test_the_sum_of_loglik_is_the_objective():
    w, weight = people(60, seed=3), np.random.default_rng(2).uniform(0.5, 4, 60)
    theta = np.array([*CDNOW.values(), *np.exp([0.4, -0.3, 0.6])])
    nll = kernel.nll_grad_hess(theta, w, weight, tail_counts(w.x, weight))[0]
    g = np.array([0.4, -0.3]), np.array([0.6])
    loglik = kernel.loglik(w, **CDNOW, purchase=g[0], dropout=g[1])
    assert nll == pytest.approx(-(weight @ loglik), rel=1e-13)  # two orders of summation


@pytest.mark.parametrize("which", [("r", "alpha"), ("s", "beta"), ("alpha",), ("beta",), ("s",)])
@pytest.mark.parametrize("size", [1e-7, 1e7])
def test_parameters_at_the_edge_of_reason_give_finite_values(which, size):
    w, params = people(60, seed=4), {**CDNOW, **dict.fromkeys(which, size)}
    theta = np.array([*params.values(), 2.0, 0.5, 3.0])
    for part in kernel.nll_grad_hess(theta, w, np.ones(60), tail_counts(w.x, np.ones(60))):
        assert np.isfinite(part).all()
    both = {**params, "purchase": np.log([2.0, 0.5]), "dropout": np.log([3.0])}
    assert ((p := kernel.prob_alive(w, **both)) >= 0).all()
    assert (p <= 1).all()
    for values in (
        kernel.purchases_if_alive(w, 40.0, **both),
        kernel.discounted_if_alive(w, 40.0, 0.01, **both),
        kernel.pmf_if_alive(2, w, 40.0, **both),
    ):
        assert (values >= 0).all()
        assert np.isfinite(values).all()


def test_absurd_covariates_give_finite_values():
    # 1,000 standard deviations out: factors are held at e^300, for their squares to stay finite
    w = walk(3, 20.0, 39.0, [10.0, 30.0, 60.0], [1000.0, -1000.0, 0.0], [0.0, 1000.0, -1000.0])
    both = {**CDNOW, "purchase": ONE, "dropout": ONE}
    assert np.isfinite(kernel.loglik(w, **both)).all()
    assert np.isfinite(kernel.purchases_if_alive(w, 9.0, **both)).all()


# collapses


def test_zero_coefficients_give_the_pareto_nbd():
    w, none = people(60, seed=5), {"purchase": np.zeros(2), "dropout": np.zeros(1)}
    got = kernel.loglik(w, **CDNOW, **none)
    theirs = pareto_nbd.loglik(w.x, w.t_x, w.T, **CDNOW)
    np.testing.assert_allclose(got, theirs, rtol=1e-11, atol=1e-9)  # two quadratures
    for i in range(12):
        exact = oracle.pareto_nbd_loglik(w.x[i], w.t_x[i], w.T[i], **CDNOW)
        assert got[i] == pytest.approx(float(exact), rel=1e-11, abs=1e-9)


def test_a_covariate_that_is_constant_in_time_scales_alpha_and_beta():
    # Fader and Hardie (2007), note 019: alpha e^(-g1'z), beta e^(-g2'z)
    rng = np.random.default_rng(6)
    w = people(60, seed=6)
    z = np.repeat(rng.normal(0, 1, 60), np.diff(w.start))[:, None]
    x_z = w.x[:, None] * z[w.start[:-1]]
    w = w._replace(buying=z, leaving=z, bought=x_z)
    got = kernel.loglik(w, **CDNOW, purchase=0.4 * ONE, dropout=0.9 * ONE)
    for i in range(60):
        z_i = z[w.start[i], 0]
        scaled = {
            **CDNOW, "alpha": CDNOW["alpha"] * np.exp(-0.4 * z_i),
            "beta": CDNOW["beta"] * np.exp(-0.9 * z_i),
        }  # fmt: skip
        expected = pareto_nbd.loglik(w.x[[i]], w.t_x[[i]], w.T[[i]], **scaled)[0]
        assert got[i] == pytest.approx(expected, rel=1e-11, abs=1e-9)


@pytest.mark.parametrize("k", [7, 168, 1 / 52])
def test_another_time_unit_shifts_loglik_by_a_known_amount(k):
    w = people(60, seed=7)
    g = {"purchase": np.array([0.4, -0.3]), "dropout": np.array([0.6])}
    other = w._replace(t_x=k * w.t_x, T=k * w.T, until=k * w.until)
    scaled = {**CDNOW, "alpha": k * CDNOW["alpha"], "beta": k * CDNOW["beta"]}
    before, after = kernel.loglik(w, **CDNOW, **g), kernel.loglik(other, **scaled, **g)
    # ages at which rules change move by a rounding: then another rule, right to 1e-9
    np.testing.assert_allclose(after, before - w.x * np.log(k), rtol=1e-12, atol=1e-9)


def test_merging_equal_periods_changes_nothing():
    w = people(60, seed=8)
    coarse = w._replace(buying=np.sign(w.buying), leaving=np.sign(w.leaving))
    g = {"purchase": np.array([0.4, -0.3]), "dropout": np.array([0.6])}
    fine, fewer = kernel.loglik(coarse, **CDNOW, **g), kernel.merged(coarse)
    assert len(fewer.until) < len(coarse.until)
    np.testing.assert_allclose(kernel.loglik(fewer, **CDNOW, **g), fine, rtol=1e-12, atol=1e-9)


def test_some_customers_are_the_same_as_among_all():
    w, rows = people(60, seed=9), np.array([5, 3, 59])
    g = {"purchase": np.array([0.4, -0.3]), "dropout": np.array([0.6])}
    some = kernel.loglik(kernel.take(w, rows), **CDNOW, **g)
    np.testing.assert_array_equal(some, kernel.loglik(w, **CDNOW, **g)[rows])


# simulation


def test_simulated_customers_behave_as_computed():
    size, t = 40_000, 12.0
    one = walk(2, 5.0, 10.0, [4.0, 12.0, 15.0, 30.0], [0, 0.7, -1, 1], [0.5, -0.5, 1, 0], 0.7)
    w = together([one] * size)
    params = {"r": 1.2, "alpha": 9.0, "s": 0.9, "beta": 8.0, "purchase": ONE, "dropout": ONE}
    count, last, periods = kernel.simulate(w, t, np.random.default_rng(0), **params)
    expected = kernel.purchases_if_alive(one, t, **params)[0]
    assert count.mean() == pytest.approx(expected, abs=4 * count.std() / size**0.5)
    for n in range(4):
        p = kernel.pmf_if_alive(n, one, t, **params)[0]
        assert (count == n).mean() == pytest.approx(p, abs=4 * (p * (1 - p) / size) ** 0.5)
    assert ((last > 10) == (count > 0)).all()
    assert (last <= 10 + t).all()
    assert len(periods) == count.sum()
    # purchases by period: what is expected up to its end less what is up to its start
    edges = [0.0, 2.0, 5.0, 12.0]
    up_to = np.diff([kernel.purchases_if_alive(one, e, **params)[0] if e else 0 for e in edges])
    share = np.bincount(periods % 4, minlength=4)[1:] / size
    # purchases of one customer are correlated: three times the Poisson error
    np.testing.assert_allclose(share, up_to, atol=3 * (expected / size) ** 0.5)

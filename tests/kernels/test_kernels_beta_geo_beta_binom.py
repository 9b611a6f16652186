"""BG/BB: oracle over a wide box, derivatives, published figures, limits, and simulation."""

import mpmath as mp
import numpy as np
import pytest
from oracles import beta_geo_beta_binom as oracle
from oracles.box import LOUD
from oracles.derivatives import gradient_hessian

from clvmodels.data.datasets import load_donations
from clvmodels.kernels import beta_geo_beta_binom as kernel

# maximum likelihood on the donations (Fader, Hardie and Shang 2010, table 3)
PUBLISHED = {"alpha": 1.204, "beta": 0.750, "gamma": 0.657, "delta": 2.783}
# the same with more digits: pymc-marketing's tests of its BG/BB model
DONATIONS = {"alpha": 1.2035, "beta": 0.7497, "gamma": 0.6567, "delta": 2.7834}
# on the cruise data of Berger, Weinberg and Hanna (2003), four years: almost no differences in
# dropout from one customer to the next
CRUISE = {"alpha": 0.66, "beta": 5.19, "gamma": 173.76, "delta": 1882.93}

# x, t_x, T: never again, always, active and lapsed, acquired at the last opportunity, long ago
PEOPLE = np.array(
    [(0, 0, 6), (6, 6, 6), (2, 4, 6), (1, 1, 6), (1, 6, 6), (0, 0, 0), (12, 40, 60), (3, 3, 300)],
    dtype=float,
).T  # fmt: skip

# a row takes a product and a sum of up to 60 terms: relative rounding errors of 1e-16 each
RTOL = 1e-12
Z = 4.5  # z-tests: seven in a million fail by chance, and the seeds are fixed


@pytest.fixture(autouse=True)
def loud():
    with np.errstate(**LOUD):
        yield


@pytest.fixture(scope="module")
def cells():
    """The 22 cells of the donations, all with six opportunities."""
    data = load_donations()
    return data.frequency, data.recency, data.T, data.weights


def compare(function, exact, *columns, rtol=RTOL, **params):
    """A kernel's function and an oracle's on the same rows."""
    got = function(*columns, **params)
    rows = zip(*np.broadcast_arrays(*columns, *params.values()), strict=True)
    np.testing.assert_allclose(got, [float(exact(*row)) for row in rows], rtol=rtol, atol=RTOL)


def whole(rng, size, most):
    """Whole numbers from 0 to `most`, spread in logs."""
    return np.floor(np.exp(rng.uniform(0, np.log(most + 2), size))) - 1


@pytest.mark.parametrize("cell", [(0, 0, 6), (2, 4, 6), (6, 6, 6), (1, 1, 3)])
def test_the_oracle_is_the_individual_likelihood_mixed_over_customers(cell):
    closed = oracle.likelihood(*cell, *PUBLISHED.values())
    mixed = oracle.likelihood_by_mixing(*cell, *PUBLISHED.values())
    assert float(closed / mixed) == pytest.approx(1, rel=1e-6)  # densities infinite at 0 and 1


def check_likelihood(size, seed):
    params, x, t_x, T = oracle.random_box(size, seed)
    compare(kernel.loglik, oracle.loglik, x, t_x, T, **params)
    compare(kernel.prob_alive, oracle.prob_alive, x, t_x, T, **params)

    def next_time(*row):
        return oracle.prob_alive(*row, ahead=1)

    compare(kernel.prob_alive_next, next_time, x, t_x, T, **params)


def check_predictions(size, seed):
    params, x, _, T = oracle.random_box(size, seed)
    rng = np.random.default_rng(seed)
    t = whole(rng, size, 3000)
    compare(kernel.purchases_if_alive, oracle.purchases_if_alive, x, T, t, **params)
    # from log-gammas of shapes of a few hundred and 3000 opportunities
    compare(kernel.survival_if_alive, oracle.survival_if_alive, x, T, t, rtol=2e-11, **params)
    # from a day's 1 % a year to a year's 170 %
    rate = np.exp(rng.uniform(-10.5, 0.5, size))

    def forever(x, T, rate, **params):
        return kernel.residual_if_alive(x, T, rate, np.inf, **params)

    compare(forever, oracle.residual_if_alive, x, T, rate, **params)


def check_pmf(size, seed):
    params, x, _, T = oracle.random_box(size, seed)
    rng = np.random.default_rng(seed)
    n, t = whole(rng, size, 12), whole(rng, size, 40)
    compare(kernel.pmf_if_alive, oracle.pmf_if_alive, n, x, T, t, **params)


# quick runs here, more random customers among the slow ones
def test_likelihood_and_probability_alive_equal_the_oracle():
    check_likelihood(300, seed=1)


def test_predictions_equal_the_oracle():
    check_predictions(300, seed=2)


def test_pmf_equals_the_oracle():
    check_pmf(300, seed=3)


@pytest.mark.slow
@pytest.mark.parametrize("check", [check_likelihood, check_predictions, check_pmf])
def test_many_random_customers_equal_the_oracle(check):
    check(2_000, seed=4)


@pytest.mark.parametrize("rate", [-0.05, 0.0, 0.1])
@pytest.mark.parametrize(("start", "t"), [(0.0, 1.0), (0.0, 25.0), (3.0, 9.0), (5.0, 5.0)])
def test_windows_of_discounted_purchases_are_sums(rate, start, t):
    params, x, _, T = oracle.random_box(40, seed=5)

    def window(x, T, **params):
        return kernel.residual_if_alive(x, T, rate, t, start=start, **params)

    def exact(x, T, *theta):
        return oracle.residual_by_summation(x, T, rate, start, t, *theta)

    compare(window, exact, x, T, **params)


def test_a_later_start_leaves_out_what_comes_before():
    x, _, T = PEOPLE
    forever = kernel.residual_if_alive(x, T, 0.02, np.inf, **DONATIONS)
    soon = kernel.residual_if_alive(x, T, 0.02, 7.0, **DONATIONS)
    later = kernel.residual_if_alive(x, T, 0.02, np.inf, start=7.0, **DONATIONS)
    np.testing.assert_allclose(soon + later, forever, rtol=1e-13)  # rounding


def check_derivatives(theta, x, t_x, T, rtol):
    weight = 1.0 + np.arange(len(x)) % 3
    rows = list(zip(weight, x, t_x, T, strict=True))

    def nll(*theta):
        return -mp.fsum(w * oracle.loglik(*row, *theta) for w, *row in rows)

    got = kernel.nll_grad_hess(theta, x, t_x, T, weight, kernel.tail_counts(x, weight))
    # on the log scale, on which parameters are estimated: one tolerance for all entries
    scales = 1.0, theta, np.outer(theta, theta)
    for mine, exact, scale in zip(got, gradient_hessian(nll, theta), scales, strict=True):
        size = max(1.0, np.abs(exact * scale).max())
        np.testing.assert_allclose(mine * scale, exact * scale, rtol=rtol, atol=rtol * size)


@pytest.mark.parametrize("factor", [1, 1e-3, 1e3, 1e6])
def test_gradient_and_hessian(factor):
    # at the estimates, and where customers do not differ or differ as much as they can
    theta = factor * np.array(list(DONATIONS.values()))
    check_derivatives(theta, *PEOPLE[:, :7], rtol=1e-12)  # rounding only: both are exact


@pytest.mark.parametrize("seed", range(6))
def test_gradient_and_hessian_over_the_box(seed):
    _, x, t_x, T = oracle.random_box(8, seed, longest=30)
    theta = np.exp(np.random.default_rng(seed).uniform(-5, 5, 4))
    check_derivatives(theta, x, t_x, T, rtol=1e-11)  # cancellation within a Hessian entry


def test_the_sum_of_loglik_is_the_objective():
    _, x, t_x, T = oracle.random_box(500, seed=6)
    weight = np.random.default_rng(6).uniform(0.5, 4, 500)
    theta = np.array(list(DONATIONS.values()))
    nll, _, _ = kernel.nll_grad_hess(theta, x, t_x, T, weight, kernel.tail_counts(x, weight))
    loglik = kernel.loglik(x, t_x, T, **DONATIONS)
    assert nll == pytest.approx(-(weight @ loglik), rel=1e-13)  # two orders of summation


def test_published_log_likelihood(cells):
    # Fader, Hardie and Shang (2010), table 3
    x, t_x, T, weight = cells
    assert weight @ kernel.loglik(x, t_x, T, **PUBLISHED) == pytest.approx(-33225.6, abs=0.05)


def test_published_expected_purchases_of_new_donors():
    # Hardie's BG/BB spreadsheet (note 010), sheet "Tracking Plot", years 1 to 11, four decimals
    printed = [
        0.4985, 0.9233, 1.2969, 1.6323, 1.9381, 2.2202, 2.4826, 2.7285, 2.9603, 3.1798, 3.3887,
    ]  # fmt: skip
    zero = np.zeros(1)
    got = kernel.purchases_if_alive(zero, zero, np.arange(1.0, 12), **DONATIONS)
    np.testing.assert_allclose(got, printed, rtol=1e-4)  # and four digits of the parameters
    # the same, for all 11,104 donors year by year: 5535.8 and 4717.1 in the first two
    np.testing.assert_allclose(11_104 * np.diff(got[:2], prepend=0), [5535.8, 4717.1], rtol=1e-4)


def test_published_probability_alive_at_the_next_opportunity():
    # Fader, Hardie and Shang (2010), table 6: P(alive in 2002) after donations in 1996 to 2001
    x, t_x = np.array([(0.0, 0.0), (2.0, 4.0), (6.0, 6.0)]).T
    printed = [0.11, 0.59, 0.93]
    got = kernel.prob_alive_next(x, t_x, np.float64(6), **DONATIONS)
    np.testing.assert_allclose(got, printed, atol=0.005)
    # alive in 2001 is likelier, and certain for those who gave in 2001
    before = kernel.prob_alive(x, t_x, np.float64(6), **DONATIONS)
    assert (before > got).all()
    assert before[2] == 1


def test_published_expected_purchases_of_past_donors():
    # R package BTYD, vignette: ten years after six for (0, 0) and (4, 5), with its own estimates
    x, t_x, T = np.array([0.0, 4.0]), np.array([0.0, 5.0]), np.float64(6)
    alive = kernel.prob_alive(x, t_x, T, **DONATIONS)
    got = alive * kernel.purchases_if_alive(x, T, np.float64(10), **DONATIONS)
    np.testing.assert_allclose(got, [0.1302169, 3.627858], rtol=2e-4)  # four digits of those


def test_published_discounted_residual_donations():
    # Hardie's note on computing DERT for the BG/BB, 10 % a year, six years observed
    x, t_x = np.array([(6.0, 6.0), (5.0, 6.0), (0.0, 0.0)]).T
    alive = kernel.prob_alive(x, t_x, np.float64(6), **DONATIONS)
    got = alive * kernel.residual_if_alive(x, np.float64(6), 0.1, np.inf, **DONATIONS)
    np.testing.assert_allclose(got, [5.91, 5.09, 0.115], atol=5e-3)


def test_published_discounted_residual_cruises():
    # same source, four years observed: 2.35 for (4, 4), .22 for (0, 0)
    x = np.array([4.0, 0.0])
    alive = kernel.prob_alive(x, x, np.float64(4), **CRUISE)
    got = alive * kernel.residual_if_alive(x, np.float64(4), 0.1, np.inf, **CRUISE)
    np.testing.assert_allclose(got, [2.35, 0.22], atol=5e-3)


def test_nobody_dies_where_theta_vanishes():
    # the beta-binomial, with its order of purchases
    x, t_x, T = PEOPLE[:, :6]
    certain = {**DONATIONS, "gamma": 1e-9, "delta": 1e6}
    likelihood = mp.matrix([mp.beta(1.2035 + i, 0.7497 + n - i) for i, n in zip(x, T, strict=True)])
    expected = [float(mp.log(v / mp.beta(1.2035, 0.7497))) for v in likelihood]
    np.testing.assert_allclose(
        kernel.loglik(x, t_x, T, **certain), expected, rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(kernel.prob_alive(x, t_x, T, **certain), 1, rtol=1e-12)
    five = kernel.purchases_if_alive(x, T, np.float64(5), **certain)
    np.testing.assert_allclose(five, 5 * (1.2035 + x) / (1.2035 + 0.7497 + T), rtol=1e-12)


def test_buying_every_time_leaves_the_geometric_lifetime():
    # p = 1 and theta the same for all: a customer's last purchase is the end of life
    always = {"alpha": 1e9, "beta": 1e-6, "gamma": 2e8, "delta": 8e8}
    t_x, T = np.array([0.0, 2.0, 5.0]), np.float64(5)
    expected = np.log([0.2, 0.8**2 * 0.2, 0.8**5])
    np.testing.assert_allclose(kernel.loglik(t_x, t_x, T, **always), expected, rtol=1e-7)
    # 0.8 v / (1 - 0.8 v), the margin multiple of the textbook
    dert = kernel.residual_if_alive(T, T, 0.1, np.inf, **always)
    assert dert == pytest.approx(0.8 / 1.1 / (1 - 0.8 / 1.1), rel=1e-7)


def test_likelihoods_of_all_histories_add_up_to_one():
    T = 5
    histories = [[int(bit) for bit in f"{i:0{T}b}"] for i in range(2**T)]
    x = np.array([sum(h) for h in histories], dtype=float)
    t_x = np.array([max((j + 1 for j in range(T) if h[j]), default=0) for h in histories], float)
    total = np.exp(kernel.loglik(x, t_x, np.float64(T), **DONATIONS)).sum()
    assert total == pytest.approx(1, rel=1e-13)  # 32 terms


@pytest.mark.parametrize("t", [0, 1, 7, 1000])
def test_probabilities_of_all_counts_add_up_to_one(t):
    params, x, _, T = oracle.random_box(60, seed=7)
    n = np.arange(t + 2.0)[:, None]
    mass = kernel.pmf_if_alive(n, x, T, np.float64(t), **params)
    assert (mass[-1] == 0).all()  # nobody buys more often than there are opportunities
    np.testing.assert_allclose(mass.sum(axis=0), 1, rtol=1e-11)  # a thousand terms each
    mean = kernel.purchases_if_alive(x, T, np.float64(t), **params)
    np.testing.assert_allclose((n * mass).sum(axis=0), mean, rtol=1e-11)


def test_silence_never_speaks_for_being_alive():
    T = np.arange(2.0, 40)
    for alive in (kernel.prob_alive, kernel.prob_alive_next):
        assert (np.diff(alive(np.float64(1), np.float64(2), T, **DONATIONS)) < 0).all()


@pytest.mark.parametrize("size", [1e-7, 1e7])
@pytest.mark.parametrize("which", [("alpha",), ("beta",), ("gamma",), ("delta",), oracle.NAMES])
def test_parameters_at_the_edge_of_reason_give_finite_values(which, size):
    params = {**DONATIONS, **dict.fromkeys(which, size)}
    x, t_x, T = PEOPLE
    weight = np.ones(len(x))
    theta = np.array(list(params.values()))
    for value in kernel.nll_grad_hess(theta, x, t_x, T, weight, kernel.tail_counts(x, weight)):
        assert np.isfinite(value).all()
    assert np.isfinite(kernel.loglik(x, t_x, T, **params)).all()
    for alive in (kernel.prob_alive, kernel.prob_alive_next):
        assert ((alive(x, t_x, T, **params) >= 0) & (alive(x, t_x, T, **params) <= 1)).all()
    t = np.float64(3000)
    assert (kernel.purchases_if_alive(x, T, t, **params) <= t).all()
    assert np.isfinite(kernel.residual_if_alive(x, T, 1e-4, np.inf, **params)).all()
    assert (kernel.pmf_if_alive(np.float64(1500), x, T, t, **params) <= 1).all()
    made, last = kernel.simulate(x, T, t, np.random.default_rng(1), **params)
    assert ((made <= last) & (last <= t)).all()


def test_draws_broadcast_against_customers():
    draws = {k: v * np.array([[0.8], [1.0], [1.3]]) for k, v in DONATIONS.items()}
    x, t_x, T = PEOPLE
    five = np.array([5.0])
    for got, one in (
        (kernel.loglik(x, t_x, T, **draws), kernel.loglik(x, t_x, T, **DONATIONS)),
        (kernel.prob_alive(x, t_x, T, **draws), kernel.prob_alive(x, t_x, T, **DONATIONS)),
        *(
            (function(x, T, five, **draws), function(x, T, five, **DONATIONS))
            for function in (kernel.purchases_if_alive, kernel.survival_if_alive)
        ),
    ):
        assert got.shape == (3, len(x))
        np.testing.assert_array_equal(got[1], one)


def assert_mean(sample, expected):
    error = sample.std() / np.sqrt(len(sample))
    assert abs(sample.mean() - expected) < Z * error


@pytest.mark.parametrize("history", [(0.0, 0.0), (3.0, 5.0)])
def test_simulated_counts_have_the_probabilities_of_the_formulas(history):
    x, T = (np.full(200_000, v) for v in history)
    made, last = kernel.simulate(x, T, np.full(200_000, 8.0), np.random.default_rng(1), **DONATIONS)
    for n in range(9):
        expected = kernel.pmf_if_alive(np.float64(n), x[:1], T[:1], np.float64(8), **DONATIONS)
        assert_mean(made == n, expected[0])
    assert ((made > 0) == (last > 0)).all()
    assert (made <= last).all()
    assert (last <= 8).all()


def test_simulated_histories_have_the_probabilities_of_the_likelihood():
    # every cell (x, t_x) of four opportunities, with the number of orders its purchases can have
    zero = np.zeros(200_000)
    x, t_x = kernel.simulate(zero, zero, zero + 4, np.random.default_rng(2), **DONATIONS)
    for last in range(5):
        for n in range(min(last, 1), last + 1):
            orders = float(mp.binomial(last - 1, n - 1)) if last else 1.0
            likelihood = np.exp(kernel.loglik(*np.array([n, last, 4.0])[:, None], **DONATIONS))[0]
            assert_mean((x == n) & (t_x == last), orders * likelihood)

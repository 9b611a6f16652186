"""Predictions of the Pareto/NBD and the GGompertz/NBD: oracle, limits, published rows, simulation.

Comparisons with simulations are z-tests at 4.5 standard errors, with fixed seeds.
"""

import numpy as np
import pytest
from oracles import ggompertz_nbd as ggompertz_oracle
from oracles import pareto_nbd as pareto_oracle
from oracles.box import LOUD, random_box

from clvmodels.kernels import ggompertz_nbd, nbd, pareto_nbd
from clvmodels.kernels.discounting import discounted

ALL = {"pareto": (pareto_nbd, pareto_oracle), "ggompertz": (ggompertz_nbd, ggompertz_oracle)}
RANGES = {
    "pareto": {"s": (-3, 3), "beta": (-2, 6)},
    "ggompertz": {"b": (-9, 1.5), "s": (-3, 3), "beta": (-6, 6)},
}
PARETO = {"r": 0.553, "alpha": 10.578, "s": 0.606, "beta": 11.669}
LIVELY = {  # parameters with much going on within 25 units of time
    "pareto": {"r": 0.8, "alpha": 6.0, "s": 0.9, "beta": 15.0},
    "ggompertz": {"r": 0.8, "alpha": 6.0, "b": 0.15, "s": 0.9, "beta": 5.0},
}
NAMES = ("r", "alpha", "s", "beta")
SIZE = 200_000
Z = 4.5


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


def compare(name, size, seed):
    kernel, oracle = ALL[name]
    params, x, _, T, t = box(name, size, seed)
    rows = list(zip(x, T, t, *params.values(), strict=True))
    for function in ("survival_if_alive", "purchases_if_alive"):
        got = getattr(kernel, function)(x, T, t, **params)
        exact = [float(getattr(oracle, function)(*row)) for row in rows]
        np.testing.assert_allclose(got, exact, rtol=1e-10, atol=1e-300)


def compare_pmf(name, size, seed):
    kernel, oracle = ALL[name]
    params, x, _, T, t = box(name, size, seed)
    n = np.random.default_rng(seed + 1).permutation(x)
    got = kernel.pmf_if_alive(n, x, T, t, **params)
    rows = zip(n, x, T, t, *params.values(), strict=True)
    exact = [float(oracle.pmf_if_alive(*row)) for row in rows]
    np.testing.assert_allclose(got, exact, rtol=1e-9, atol=1e-60)


@pytest.mark.parametrize(("name", "size"), [("pareto", 10_000), ("ggompertz", 25)])
def test_survival_and_expected_purchases_of_random_customers(name, size):
    compare(name, size, seed=40)


@pytest.mark.slow
def test_survival_and_expected_purchases_of_many_random_customers():
    compare("ggompertz", 200, seed=41)


@pytest.mark.parametrize(("name", "size"), [("pareto", 3), ("ggompertz", 2)])
def test_purchase_counts_of_random_customers(name, size):
    compare_pmf(name, size, seed=42)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), [("pareto", 20), ("ggompertz", 8)])
def test_purchase_counts_of_many_random_customers(name, size):
    compare_pmf(name, size, seed=43)


def test_the_printed_expectation_of_the_ggompertz_nbd():
    # E[X(t)] as in CLVTools' tests, by parts the mean time alive
    params, _, _, _, t = box("ggompertz", 6, seed=44)
    zero = np.zeros(6)
    got = ggompertz_nbd.purchases_if_alive(zero, zero, t, **params)
    rows = zip(t, *params.values(), strict=True)
    exact = [float(ggompertz_oracle.expected_purchases_new_customer(*row)) for row in rows]
    np.testing.assert_allclose(got, exact, rtol=1e-10)


@pytest.mark.parametrize("off", [0.0, 1e-15, -1e-12, 1e-8, -1e-4])
def test_expected_purchases_at_the_removable_singularity(off):
    params, x, _, T, t = box("pareto", 200, seed=45)
    params["s"] = np.full(200, 1 + off)
    got = pareto_nbd.purchases_if_alive(x, T, t, **params)
    rows = zip(x, T, t, *params.values(), strict=True)
    exact = [float(pareto_oracle.purchases_if_alive(*row)) for row in rows]
    np.testing.assert_allclose(got, exact, rtol=1e-13)


@pytest.mark.parametrize("name", ALL)
def test_expected_purchases_never_fall_with_the_horizon(name):
    params, x, _, T, _ = box(name, 200, seed=46)
    t = np.concatenate([[0.0], np.geomspace(1e-3, 3000, 60)])[:, None]
    got = ALL[name][0].purchases_if_alive(x, T, t, **params)
    np.testing.assert_array_equal(got[0], 0.0)
    assert (np.diff(got, axis=0) >= -1e-10 * got[1:]).all()  # the quadrature's error
    most = nbd.purchases_if_alive(x, T, t, r=params["r"], alpha=params["alpha"])
    assert (got <= most * (1 + 1e-10)).all()


@pytest.mark.parametrize("name", ALL)
def test_alive_is_less_likely_the_longer_the_silence(name):
    params, x, t_x, T, _ = box(name, 300, seed=47)
    got = ALL[name][0].prob_alive(x, t_x, T + np.linspace(0, 2000, 50)[:, None], **params)
    assert (np.diff(got, axis=0) <= 1e-11).all()
    assert ((got >= 0) & (got <= 1)).all()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("history", [(0.0, 0.0), (2.0, 38.86), (30.0, 100.0)])
@pytest.mark.parametrize("t", [1e-3, 4.0, 39.0, 104.0])
def test_counts_sum_to_one_and_average_to_the_expectation(name, history, t):
    kernel, (x, T), n = ALL[name][0], history, np.arange(1001.0)
    mass = kernel.pmf_if_alive(n, np.float64(x), np.float64(T), np.float64(t), **LIVELY[name])
    assert ((mass >= 0) & (mass <= 1)).all()
    assert mass.sum() == pytest.approx(1, abs=1e-9)
    mean = kernel.purchases_if_alive(*map(np.float64, (x, T, t)), **LIVELY[name])
    assert n @ mass == pytest.approx(float(mean), rel=1e-8)


def test_vanishing_acceleration_is_the_pareto_nbd():
    params, x, t_x, T, t = box("pareto", 300, seed=48)
    b = 1e-13
    slow = {**params, "b": b, "beta": params["beta"] * b}
    n = np.minimum(x, 20)
    for function, args in (
        ("prob_alive", (x, t_x, T)),
        ("survival_if_alive", (x, T, t)),
        ("purchases_if_alive", (x, T, t)),
        ("pmf_if_alive", (n, x, T, t)),
    ):
        one = getattr(ggompertz_nbd, function)(*args, **slow)
        other = getattr(pareto_nbd, function)(*args, **params)
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-200)


@pytest.mark.parametrize("name", ALL)
def test_no_dropout_is_the_nbd(name):
    params, x, _, T, t = box(name, 300, seed=49)
    rates = {"r": params["r"], "alpha": params["alpha"]}
    nothing = {**LIVELY[name], **rates, "s": 1e-14}
    kernel, n = ALL[name][0], np.arange(0.0, 30, 7)[:, None]
    np.testing.assert_allclose(kernel.survival_if_alive(x, T, t, **nothing), 1, rtol=1e-10)
    np.testing.assert_array_equal(nbd.survival_if_alive(x, T, t, **rates), 1)
    got, expected = (
        k.purchases_if_alive(x, T, t, **p) for k, p in ((kernel, nothing), (nbd, rates))
    )
    np.testing.assert_allclose(got, expected, rtol=1e-10)
    got, expected = (k.pmf_if_alive(n, x, T, t, **p) for k, p in ((kernel, nothing), (nbd, rates)))
    np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-12)


def test_rates_and_lifetimes_known_exactly():
    # r, alpha and s, beta -> infinity: a Poisson process with an exponential lifetime
    rate, hazard, t = 0.3, 0.02, np.geomspace(0.01, 1000, 30)
    params = {"r": rate * 1e8, "alpha": 1e8, "s": hazard * 1e8, "beta": 1e8}
    got = pareto_nbd.purchases_if_alive(np.float64(0), np.float64(0), t, **params)
    # mixtures of variance 1e-8 times the mean
    np.testing.assert_allclose(got, -rate / hazard * np.expm1(-hazard * t), rtol=1e-5)


@pytest.mark.parametrize(
    ("params", "person", "alive", "expected"),
    [
        # 60-digit mpmath values of cases from the lifetimes tracker
        ((0.5534, 10.5802, 1.0, 11.6562), (2, 30.43, 38.86), 0.7945763002, 1.186031571),
        ((0.5534, 10.5802, 0.6061, 11.6562), (2, 30.43, 38.86), 0.869110644, 1.455092844),
        ((0.5534, 10.5802, 0.6061, 11.6562), (3000, 364, 365), 0.6246389293, 188.8324749),
        ((0.5534, 11.0, 0.6061, 11.0), (2, 30.43, 38.86), None, 1.437553758),
    ],
)
def test_reported_cases(params, person, alive, expected):
    x, t_x, T = map(np.float64, person)
    named = dict(zip(NAMES, params, strict=True))
    got = pareto_nbd.prob_alive(x, t_x, T, **named)
    if alive is not None:
        assert got == pytest.approx(alive, rel=1e-9)  # ten digits given
    got = got * pareto_nbd.purchases_if_alive(x, T, np.float64(39), **named)
    assert got == pytest.approx(expected, rel=1e-9)


def test_a_new_customer_at_the_removable_singularity():
    # 60-digit mpmath value
    params = dict(zip(NAMES, (0.5534, 10.5802, 1.0, 11.6562), strict=True))
    got = pareto_nbd.purchases_if_alive(*map(np.float64, (0, 0, 39)), **params)
    assert got == pytest.approx(0.8957567841, rel=1e-9)


@pytest.mark.parametrize(
    ("params", "person"),
    [
        (PARETO, (1500, 100, 1500)),
        # NaN in lifetimes 0.11.3
        ({"r": 0.4503, "alpha": 0.1881, "s": 0.6543, "beta": 881.06}, (1000, 1.0877, 218.7)),
    ],
)
def test_customers_long_gone_raise_no_warning(params, person):
    x, t_x, T = map(np.float64, person)
    alive = pareto_nbd.prob_alive(x, t_x, T, **params)
    assert 0 <= alive < 1e-100
    assert np.isfinite(pareto_nbd.purchases_if_alive(x, T, np.float64(30), **params))


def expected(person, t, **params):
    x, t_x, T = map(np.float64, person)
    alive = pareto_nbd.prob_alive(x, t_x, T, **params)
    return alive * pareto_nbd.purchases_if_alive(x, T, np.float64(t), **params)


def test_btyd_vignette():
    # R package BTYD 2.4.3, vignette: E[X(52)] and customer 1516, at the maximum of the likelihood
    params = {"r": 0.553277, "alpha": 10.577683, "s": 0.60624, "beta": 11.668735}
    got = pareto_nbd.purchases_if_alive(*map(np.float64, (0, 0, 52)), **params)
    assert got == pytest.approx(1.473434, rel=1e-6)
    customer = (26, 30.85714, 31)
    assert expected(customer, 52, **params) == pytest.approx(25.45647, rel=1e-4)  # it stops early
    alive = pareto_nbd.prob_alive(*map(np.float64, customer), **params)
    assert alive == pytest.approx(0.997874, rel=1e-6)


def test_expected_purchases_of_the_lifetimes_tests():
    # lifetimes' test suite: E[X(t)], which belongs to these parameters
    params = dict(zip(NAMES, (0.55, 10.56, 0.61, 11.64), strict=True))
    got = pareto_nbd.purchases_if_alive(
        *map(np.float64, (0, 0)), np.array([0, 1, 2, 9.0]), **params
    )
    printed = [0, 0.05077821, 0.09916088, 0.38909211]
    np.testing.assert_allclose(got, printed, rtol=0, atol=5e-9)


def test_very_busy_customers_of_the_lifetimes_tests():
    # lifetimes' test suite: customers of many purchases, for whom it once gave NaN
    params = dict(zip(NAMES, (0.55, 10.58, 0.61, 11.66), strict=True))
    got = [expected((x, 200, 200), 10, **params) for x in (132, 133)]
    assert got == pytest.approx([6.20605179, 6.25287225], rel=2e-6)  # parameters as printed


def test_discounted_purchases_of_a_new_customer():
    # Fader and Hardie (2015): DET of a just-acquired customer at 10 % a year is 4.8; more digits
    # by mpmath
    delta = np.log(1.1) / 52
    exact = float(pareto_oracle.residual_if_alive(0, 0, delta, *PARETO.values()))
    assert exact == pytest.approx(4.8, abs=0.05)
    got = residual(0.0, 0.0, delta, PARETO)[0]
    assert got == pytest.approx(exact, rel=1e-8)


@pytest.mark.parametrize(
    ("person", "printed"),
    [((0, 0), 0.18), ((1, 30), 1.43), ((7, 35), 0.89), ((9, 40), 1.07), ((1, 77), 3.12),
     ((7, 70), 14.07), ((14, 77), 29.19)],
)  # fmt: skip
def test_discounted_residual_purchases(person, printed):
    # Fader, Hardie and Lee (2005b), T = 77.86 weeks, 15 % a year, 39-week parameters; recomputed
    # by others to two decimals with the rounded delta of the paper
    alive = pareto_nbd.prob_alive(*map(np.float64, (*person, 77.86)), **PARETO)
    got = alive * residual(person[0], 77.86, 0.0027, PARETO)[0]
    assert got == pytest.approx(printed, abs=0.011)


def residual(x, T, delta, params):
    """DERT of customers alive at T."""
    x, T = np.atleast_1d(x).astype(float), np.atleast_1d(T).astype(float)
    wide = {name: np.asarray(values)[..., None] for name, values in params.items()}

    def upto(t):
        return pareto_nbd.purchases_if_alive(x[:, None], T[:, None], t, **wide)

    return discounted(upto, delta, np.inf, pareto_nbd.bend(x, T, **params))


@pytest.mark.parametrize("delta", [0.0002, 0.0027, 0.01])
def test_discounting_equals_tricomi_s_function(delta):
    # Fader and Hardie (2015), eq. 3.15, over the box
    params, x, _, T, _ = box("pareto", 200, seed=50)
    rows = zip(x, T, np.full(200, delta), *params.values(), strict=True)
    exact = [float(pareto_oracle.residual_if_alive(*row)) for row in rows]
    np.testing.assert_allclose(residual(x, T, delta, params), exact, rtol=1e-10)


@pytest.mark.parametrize("delta", [0.0002, 0.0027, 0.01])
def test_discounting_of_the_ggompertz_nbd(delta):
    # against a far finer rule: panels of a tenth of the shortest time on which anything bends
    params, x, _, T, _ = box("ggompertz", 12, seed=51)
    nodes, weights = np.polynomial.legendre.leggauss(24)
    for k in range(12):
        one = {name: values[k] for name, values in params.items()}
        scale = ggompertz_nbd.bend(x[k], T[k], **one)
        edges = scale * np.expm1(np.linspace(0, np.log1p(30 / delta / scale), 400))
        half = 0.5 * np.diff(edges)[:, None]
        t = edges[:-1, None] + half * (1 + nodes)
        upto = ggompertz_nbd.purchases_if_alive(x[k], T[k], t, **one)
        exact = delta * (np.exp(-delta * t) * half * weights * upto).sum()
        got = discounted(
            lambda t: ggompertz_nbd.purchases_if_alive(x[k], T[k], t, **one),  # noqa: B023
            delta,
            np.inf,
            np.atleast_1d(scale),
        )
        assert got[0] == pytest.approx(exact, rel=1e-6)


def assert_mean(sample, expected):
    error = sample.std() / np.sqrt(len(sample))
    assert abs(sample.mean() - expected) < Z * error


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("history", [(0.0, 0.0), (3.0, 20.0)])
def test_simulated_counts_have_the_moments_of_the_formulas(name, history):
    kernel, params = ALL[name][0], LIVELY[name]
    x, T, t = (np.full(SIZE, v) for v in (*history, 15.0))
    made, last = kernel.simulate(x, T, t, np.random.default_rng(1), **params)
    assert ((last > 0) == (made > 0)).all()
    assert (last <= 15).all()
    n = np.arange(400.0)
    mass = kernel.pmf_if_alive(n, x[0], T[0], np.float64(15), **params)
    mean = float(kernel.purchases_if_alive(x[0], T[0], t[0], **params))
    assert_mean(made, mean)
    assert_mean((made - mean) ** 2, (n - mean) ** 2 @ mass)
    for k in (0, 1, 2, 5):
        assert_mean(made == k, mass[k])


@pytest.mark.parametrize("name", ALL)
def test_the_likelihood_expects_what_is_simulated(name):
    # at the true parameters the score has mean zero
    kernel, params = ALL[name][0], LIVELY[name]
    zero, T = np.zeros(SIZE), np.full(SIZE, 25.0)
    x, t_x = kernel.simulate(zero, zero, T, np.random.default_rng(2), **params)
    _, score, _ = kernel.row_derivatives(x, t_x, T, **params)
    for column in score.T:
        assert_mean(column, 0.0)
    # the density integrates to one under other parameters, so their ratio has mean one
    other = {k: 1.1 * v for k, v in params.items()}
    ratio = kernel.loglik(x, t_x, T, **other) - kernel.loglik(x, t_x, T, **params)
    assert_mean(np.exp(ratio), 1.0)


@pytest.mark.parametrize("name", ALL)
def test_the_future_of_survivors_is_that_of_their_history(name):
    # simulate to 15, then on from there for those whom P(alive) lets live
    kernel, params = ALL[name][0], LIVELY[name]
    zero, T, t = np.zeros(SIZE), np.full(SIZE, 15.0), np.full(SIZE, 10.0)
    rng = np.random.default_rng(3)
    x, t_x = kernel.simulate(zero, zero, T, rng, **params)
    alive = rng.random(SIZE) < kernel.prob_alive(x, t_x, T, **params)
    later = x + kernel.simulate(x, T, t, rng, **params)[0] * alive
    longer, _ = kernel.simulate(zero, zero, T + t, rng, **params)
    group = np.repeat([1.0, -1.0], SIZE)
    both = np.concatenate([later, longer])
    assert_mean(both * group, 0.0)
    assert_mean((both == 0) * group, 0.0)


@pytest.mark.parametrize("name", ALL)
def test_simulation_of_draws_and_of_the_same_seed(name):
    kernel = ALL[name][0]
    draws = {k: v * np.ones((3, 1)) for k, v in LIVELY[name].items()}
    args = np.zeros(5), np.zeros(5), np.full(5, 9.0)
    one, other = (kernel.simulate(*args, np.random.default_rng(4), **draws) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert one[0].shape == one[1].shape == (3, 5)
    fast = {**LIVELY[name], "s": 1e-3}  # lifetimes beyond any number
    assert np.isfinite(kernel.simulate(*args, np.random.default_rng(5), **fast)).all()

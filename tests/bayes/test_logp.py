"""The PyTensor likelihoods are those of the kernels, with gradients that never break."""

import sys
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from clvmodels.data.datasets import load_cdnow_summary
from clvmodels.kernels import retention, shifted_beta_geo

sys.path.insert(0, str(Path(__file__).parents[1]))  # the oracles
from oracles import beta_geo_beta_binom as opportunities
from oracles.box import random_box


class Model(NamedTuple):
    columns: tuple[str, ...]
    at: dict[str, float]
    """Published estimates: CDNOW, donations, and the renewals of Fader and Hardie (2007)."""


TIMES = ("x", "t_x", "T")
MODELS = {
    "nbd": Model(TIMES, {"r": 0.385, "alpha": 12.07}),
    "beta_geo": Model(TIMES, {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}),
    "modified_beta_geo": Model(TIMES, {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614}),
    "pareto_nbd": Model(TIMES, {"r": 0.553, "alpha": 10.578, "s": 0.606, "beta": 11.669}),
    "beta_geo_beta_binom": Model(
        TIMES, {"alpha": 1.204, "beta": 0.750, "gamma": 0.657, "delta": 2.783}
    ),
    "shifted_beta_geo": Model(("duration", "churned"), {"alpha": 0.668, "beta": 3.806}),
    "gamma_gamma": Model(("x", "m"), {"p": 6.25, "q": 3.74, "v": 15.44}),
}
CONTINUOUS = ("nbd", "beta_geo", "modified_beta_geo", "pareto_nbd")
every_model = pytest.mark.parametrize("key", MODELS)

# customers on whom likelihoods break: one-time buyers old and of today, one gone right after a
# second purchase, dead and busy ones, one who bought a moment ago
PEOPLE = np.array(
    [
        (0, 0, 38.86), (0, 0, 0), (0, 0, 1e-9), (1, 1e-9, 1500), (1, 1e-6, 1e-6), (7, 35, 35),
        (40, 20, 300), (1000, 20, 1000), (1500, 100, 1500), (3000, 364, 365), (1000, 1e-3, 1500),
    ]
).T  # fmt: skip
BREAKING = {
    **dict.fromkeys(CONTINUOUS, PEOPLE),
    "beta_geo_beta_binom": np.array(
        [(0, 0, 6), (6, 6, 6), (2, 4, 6), (0, 0, 0), (1, 1, 400), (300, 300, 301), (0, 0, 400)],
        dtype=float,
    ).T,
    "shifted_beta_geo": np.array([(1, 1), (1, 0), (0, 0), (5, 1), (5, 0), (400, 1.0)]).T,
    "gamma_gamma": np.array([(1, 1e-6), (1, 1e12), (1000, 20.0), (3, 20.0)]).T,
}


@pytest.fixture(scope="module")
def compiled():
    """Of a model: rows and parameters of each row, to log-likelihoods and their gradients.

    Python does the arithmetic, in place of minutes of compiling. Without fusion: the Python
    versions of fused operations round to single precision, for NumPy's scalars of single precision
    outrank Python's own numbers (NEP 50).
    """
    from pytensor.compile.mode import Mode

    mode = Mode(linker="py", optimizer="fast_run").excluding("fusion")
    made = {}

    def get(key):
        if key not in made:
            made[key] = compile_(key, mode)
        return made[key]

    return get


def compile_(key, mode):
    import pytensor
    import pytensor.tensor as pt

    model = MODELS[key]
    columns = [pt.vector(name) for name in model.columns]
    params = {name: pt.vector(name) for name in model.at}
    rows = import_module(f"clvmodels.bayes.logp.{key}").logp(*columns, **params)
    gradient = pt.grad(rows.sum(), list(params.values()))
    function = pytensor.function(
        [*columns, *params.values()], [rows, *gradient], mode=mode, on_unused_input="ignore"
    )

    def call(data, params):
        size = len(data[0])
        given = [np.broadcast_to(np.float64(v), size).copy() for v in params.values()]
        value, *slopes = function(*(np.array(column) for column in data), *given)
        return value, np.array(slopes)

    return call


def exact(key, data, params):
    """The kernel's log-likelihood, which its own tests compare with 50-digit oracles."""
    if key == "shifted_beta_geo":
        both = {name: np.asarray(v)[..., None] for name, v in params.items()}
        rows = [
            retention.loglik(
                lambda t0, t, row=row: shifted_beta_geo.log_kept(t0, t, **row), *columns
            )
            for columns, row in each_row(data, both)
        ]
        return np.concatenate(rows)
    return import_module(f"clvmodels.kernels.{key}").loglik(*data, **params)


def each_row(data, params):
    size = len(data[0])
    for k in range(size):
        yield (
            [column[k : k + 1] for column in data],
            {n: np.broadcast_to(v.ravel(), size)[k : k + 1] for n, v in params.items()},
        )


def slopes(key, data, params):
    """Gradient of the kernel's log-likelihood by five-point differences in each parameter."""
    out = []
    for name, value in params.items():
        step = 1e-3 * np.asarray(value)
        at = [exact(key, data, {**params, name: value + k * step}) for k in (-2, -1, 1, 2)]
        out.append((at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * step))
    return np.array(out)


def box(key, size, seed):
    """Rows with parameters of their own, over the box on which the kernels are tested."""
    rng = np.random.default_rng(seed)
    params, x, t_x, T, _ = random_box(size, seed)
    if key in CONTINUOUS:
        params |= {"s": params["a"], "beta": params["alpha"][::-1]}
        return (x, t_x, T), {name: params[name] for name in MODELS[key].at}
    if key == "beta_geo_beta_binom":
        params, *data = opportunities.random_box(size, seed)
        return tuple(data), params
    params = {name: np.exp(rng.uniform(-3, 4, size)) for name in MODELS[key].at}
    count = np.floor(np.exp(rng.uniform(0, 6, size)))
    if key == "shifted_beta_geo":
        return (count, (rng.random(size) < 0.5).astype(float)), params
    return (count, np.exp(rng.uniform(-12, 25, size))), params


def check_values(key, got, right):
    # Pareto/NBD: a fixed rule for the integral. The others: differences of log-gammas of up to 1e4
    rtol = 1e-9 if key == "pareto_nbd" else 1e-11
    np.testing.assert_allclose(got, right, rtol=rtol, atol=rtol)


@every_model
def test_values_are_those_of_the_kernel_over_the_box(key, compiled):
    data, params = box(key, 1000, seed=3)
    check_values(key, compiled(key)(data, params)[0], exact(key, data, params))


@pytest.mark.parametrize("key", CONTINUOUS)
def test_values_on_cdnow_are_those_of_the_kernel(key, compiled):
    summary = load_cdnow_summary()
    data = (summary.frequency, summary.recency, summary.T)
    got = compiled(key)(data, MODELS[key].at)[0]
    np.testing.assert_allclose(got, exact(key, data, MODELS[key].at), rtol=2e-12, atol=2e-12)


@pytest.mark.parametrize("key", ["beta_geo", "modified_beta_geo", "pareto_nbd", "gamma_gamma"])
def test_gradients_are_those_of_the_kernel_over_the_box(key, compiled):
    data, params = box(key, 1000, seed=4)
    got = compiled(key)(data, params)[1]
    kernel = import_module(f"clvmodels.kernels.{key}")
    right = kernel.row_derivatives(*data, **params)[1].T
    size = np.abs(right).max(axis=0)
    # what cancels is of the size of the largest entry, in digammas of order one at least
    off = np.abs(got * np.array(list(params.values())) - right)
    assert (off <= 1e-9 * (1 + size)).all()


@every_model
def test_gradients_equal_finite_differences(key, compiled):
    data, at = BREAKING[key], MODELS[key].at
    got, right = compiled(key)(data, at)[1], slopes(key, data, at)
    # differences of log-likelihoods of up to 1e4, with steps of a thousandth
    np.testing.assert_allclose(got, right, rtol=1e-7, atol=1e-7)


@every_model
@pytest.mark.parametrize("size", [1e-4, 1.0, 1e3, 1e6])
def test_nothing_breaks_far_from_any_estimate(key, size, compiled):
    names = list(MODELS[key].at)
    for moved in [names, *([name] for name in names)]:
        params = {**MODELS[key].at, **{name: size * MODELS[key].at[name] for name in moved}}
        value, gradient = compiled(key)(BREAKING[key], params)
        assert np.isfinite(value).all(), (moved, value)
        assert np.isfinite(gradient).all(), (moved, gradient)


@every_model
def test_a_number_for_all_rows_is_that_number_in_each(key, compiled):
    import pytensor.tensor as pt

    logp = import_module(f"clvmodels.bayes.logp.{key}").logp
    params = {name: pt.as_tensor(np.float64(v)) for name, v in MODELS[key].at.items()}
    one = logp(*map(pt.as_tensor, BREAKING[key]), **params)
    got = one.eval(mode="FAST_COMPILE")
    np.testing.assert_allclose(got, compiled(key)(BREAKING[key], MODELS[key].at)[0], rtol=1e-12)


@pytest.mark.slow
@every_model
@pytest.mark.parametrize("mode", [None, "NUMBA", "JAX"])
def test_every_backend_computes_the_same(key, mode, compiled):
    if mode == "JAX":
        pytest.importorskip("jax")
    if mode == "JAX" and key == "beta_geo_beta_binom":
        pytest.skip("JAX wants to know the longest history beforehand; PyMC tells it")
    data, at = BREAKING[key], MODELS[key].at
    value, gradient = compile_(key, mode)(data, at)
    right, slope = compiled(key)(data, at)
    np.testing.assert_allclose(value, right, rtol=1e-11, atol=1e-11)
    # PyTensor's digamma in C (Bernardo 1976, AS 103) has constants of ten digits
    np.testing.assert_allclose(gradient, slope, rtol=1e-9, atol=2e-9)

"""What priors are about: parameters to traits and back, their slopes, and gradients pulled back."""

import numpy as np
import pytest

from clvmodels.inference.traits import Trait, TraitMap, log_expm1, multiplier
from clvmodels.models.registry import (
    OPPORTUNITY_MODELS,
    PURCHASE_MODELS,
    RETENTION_MODELS,
    SPEND_MODELS,
)

SCALES = {"time": 30.0, "money": 25.0}
STEP = 1e-5
MODELS = {**PURCHASE_MODELS, **OPPORTUNITY_MODELS, **SPEND_MODELS, **RETENTION_MODELS}


def model_of(key):
    return MODELS[key](k=2) if "cnbd" in key else MODELS[key]()


def traits_of(key, scales=SCALES):
    model = model_of(key)
    if key in SPEND_MODELS:
        blocks = model.problem(np.ones(2), np.ones(2), np.ones(2)).blocks
    else:
        blocks = model.blocks
    return TraitMap((*blocks, multiplier("purchase:age", "the rate")), scales)


def points(key, seed=0):
    """Logs of parameters all over the place; those of shares are below 0."""
    shares = [p.dimension == "share" for p in model_of(key).parameters] + [False]
    logs = np.random.default_rng(seed).normal(0, 1.5, (20, len(shares)))
    return np.where(shares, -np.abs(logs), logs)


every_model = pytest.mark.parametrize("key", MODELS)


@every_model
def test_every_parameter_has_its_place(key):
    traits = traits_of(key)
    assert traits.parameters[:-1] == tuple(p.name for p in model_of(key).parameters)
    names = [trait.name for trait in traits.traits]
    assert len(set(names)) == len(names) == len(traits.parameters)


@every_model
def test_back_undoes_forward(key):
    traits, logs = traits_of(key), points(key)
    eta = traits.forward(logs)
    assert eta.shape == logs.shape
    np.testing.assert_allclose(traits.back(eta), logs, atol=1e-10)
    # one at a time as all together
    np.testing.assert_allclose(traits.forward(logs[3]), eta[3], rtol=1e-14)


@every_model
def test_slopes_are_finite_differences(key):
    traits = traits_of(key)
    for logs in points(key):
        first, second = traits.slopes(logs)
        steps = STEP * np.eye(len(logs))
        numeric = [(traits.forward(logs + h) - traits.forward(logs - h)) / 2 / STEP for h in steps]
        np.testing.assert_allclose(first, np.transpose(numeric), rtol=1e-7, atol=1e-7)
        bends = [
            (traits.slopes(logs + h)[0] - traits.slopes(logs - h)[0]) / 2 / STEP for h in steps
        ]
        largest = np.abs(second).max() + 1
        np.testing.assert_allclose(second, np.moveaxis(bends, 0, 2), atol=1e-7 * largest)


@every_model
def test_gradients_are_pulled_back_by_the_inverse_of_the_slopes(key):
    traits, logs, gradients = traits_of(key), points(key), points(key, seed=1)
    pulled = traits.pull(traits.forward(logs), gradients)
    for at, gradient, ours in zip(logs, gradients, pulled, strict=True):
        right = np.linalg.solve(traits.slopes(at)[0].T, gradient)
        np.testing.assert_allclose(ours, right, rtol=1e-8, atol=1e-8 * np.abs(right).max())


@every_model
def test_traits_do_not_know_units(key):
    """Hours for years and cents for dollars move times, rates and money, and no trait."""
    hours, cents = 8765.82, 100.0
    factor = {"time": hours, "rate": 1 / hours, "money": cents, "pure": 1.0, "share": 1.0}
    shift = np.log([factor[p.dimension] for p in model_of(key).parameters] + [1.0])
    here = traits_of(key)
    there = traits_of(key, {"time": 30 * hours, "money": 25 * cents})
    for logs in points(key):
        np.testing.assert_allclose(there.forward(logs + shift), here.forward(logs), atol=1e-9)


def test_traits_are_what_they_are_called():
    # r / alpha purchases per unit of time, cv r^-1/2, mean a / (a + b) of Beta(a, b), a + b
    traits = traits_of("beta_geo")
    r, alpha, a, b = 0.25, 5.0, 0.8, 2.4
    eta = traits.forward(np.log([r, alpha, a, b, 1.0]))
    values = [float(t.value(e)) for t, e in zip(traits.traits, eta, strict=True)]
    assert values == pytest.approx([r / alpha * 30, r**-0.5, a / (a + b), a + b, 1.0], rel=1e-12)
    # Pareto/NBD: the share gone by then is 1 - (beta / (beta + T))^s
    traits = traits_of("pareto_nbd")
    s, beta = 0.6, 12.0
    eta = traits.forward(np.log([r, alpha, s, beta, 1.0]))
    assert traits.traits[2].value(eta[2]) == pytest.approx(1 - (12 / 42) ** s, rel=1e-12)


def test_links():
    assert float(Trait("n", "a number").value(np.log(np.float64(3)))) == pytest.approx(3)
    assert float(Trait("p", "a share", "logit").value(np.float64(0))) == 0.5


def test_log_expm1_keeps_its_digits():
    # 60-digit mpmath values of log(e^y - 1)
    y = np.array([1e-20, 1e-3, 1.0, 30.0, 700.0])
    right = [
        -46.051701859880913680,
        -6.9072552373154707,
        0.541324854612918079,
        29.9999999999999064,
        700.0,
    ]
    np.testing.assert_allclose(log_expm1(y), right, rtol=1e-14)

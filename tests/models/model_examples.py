"""The models of the registry with parameters to try them at, and customers to try them on."""

import numpy as np
import pytest

from clvmodels.data.summary import RFMSummary
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.models.registry import PURCHASE_MODELS, SPEND_MODELS
from clvmodels.units import DiscountRate, TimeUnit

EVERY = {**PURCHASE_MODELS, **SPEND_MODELS}
# choices that a model cannot do without here
CHOICES = {"beta_geo_cnbd": {"k": 2}, "modified_beta_geo_cnbd": {"k": 2}}
# true parameters to simulate from: the orders of magnitude of CDNOW, in weeks and dollars
TRUE = {
    "nbd": {"r": 0.385, "alpha": 12.07},
    "pareto_nbd": {"r": 0.553, "alpha": 10.578, "s": 0.606, "beta": 11.669},
    "ggompertz_nbd": {"r": 0.8, "alpha": 8.0, "b": 0.08, "s": 1.2, "beta": 4.0},
    "beta_geo": {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426},
    "modified_beta_geo": {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614},
    "beta_geo_cnbd": {"r": 0.8, "alpha": 2.0, "a": 0.9, "b": 2.5},
    "modified_beta_geo_cnbd": {"r": 0.8, "alpha": 2.0, "a": 0.9, "b": 2.5},
    "lognormal_normal": {"median": 26.77, "sigma": 0.56, "tau": 0.48},
    "gamma_gamma": {"p": 6.25, "q": 3.74, "v": 15.44},
}
MODELS = {key: model(**CHOICES.get(key, {})) for key, model in EVERY.items()}
ANNUAL = DiscountRate(0.15, per="year")
# a one-time buyer of today and of long ago, regulars, one long gone, one dead and busy
PEOPLE = RFMSummary.from_arrays(
    [0, 0, 1, 2, 7, 40, 1500],
    [0, 0, 1.71, 30.43, 35.0, 20.0, 100.0],
    [0, 200, 38.86, 38.86, 35.0, 300.0, 1500.0],
    time_unit="week",
)

every_model = pytest.mark.parametrize("key", MODELS)
every_purchase_model = pytest.mark.parametrize("key", PURCHASE_MODELS)


def given(key, time_unit="week", **changes):
    unit = {"time_unit": time_unit} if key in PURCHASE_MODELS else {}
    return MODELS[key].with_params(**{**TRUE[key], **changes}, **unit)


def problem_of(key, data):
    model = MODELS[key]
    if key in PURCHASE_MODELS:
        return model._problem(data)[0]
    buyers = data.frequency > 0
    return model.problem(data.frequency[buyers], data.monetary_value[buyers], np.ones(buyers.sum()))


def simulated(key, customers, seed=0):
    """A summary drawn from the true parameters."""
    if key in PURCHASE_MODELS:
        return given(key).simulate(customers, "80 weeks", seed)
    x = np.random.default_rng(seed).geometric(0.4, customers) - 1
    m = given(key).simulate(x, seed)
    return RFMSummary.from_arrays(x, x, np.full(customers, 1e6), time_unit="day", monetary_value=m)


def in_unit(data, unit):
    """The same summary with times counted in another unit, and that many of it to one before."""
    factor = data.time_unit.days / TimeUnit.parse(unit).days
    other = RFMSummary(
        customer_id=data.customer_id, frequency=data.frequency, recency=data.recency * factor,
        T=data.T * factor, monetary_value=data.monetary_value, time_unit=unit, weight=data.weight,
        litt=None if data.litt is None else data.litt + data.frequency * np.log(factor),
    )  # fmt: skip
    return other, factor


def expectations(fit, data, horizon="39 weeks"):
    return (
        fit.expected_purchases(data, horizon)
        if hasattr(fit, "time_unit")
        else fit.expected_spend(data)
    )


def predictions(fit, data):
    if isinstance(fit, FittedPurchases):
        return fit.predict(data, "39 weeks")
    return fit.predict(data)

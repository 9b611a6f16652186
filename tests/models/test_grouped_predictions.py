"""Predictions with groups are those of each group's own fit, for every model and quantity."""

import numpy as np
import pytest

import clvmodels as clv
from clvmodels.inference.estimate import Estimate
from clvmodels.inference.groups import Groups
from clvmodels.models.clock import PlainClock
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.units import TimeUnit

MODELS = (
    clv.NBDModel(),
    clv.ParetoNBDModel(),
    clv.GGompertzNBDModel(),
    clv.BetaGeoModel(),
    clv.ModifiedBetaGeoModel(),
    clv.ModifiedBetaGeoCNBDModel(k=2),
)
PARAMS = {"r": 0.5, "alpha": 5.0, "s": 0.6, "beta": 10.0, "a": 0.8, "b": 1.5}
QUANTITIES = {
    "alive": lambda fit, rfm: fit.probability_alive(rfm),
    "alive later": lambda fit, rfm: fit.probability_alive(rfm, "9 weeks"),
    "expected": lambda fit, rfm: fit.expected_purchases(rfm, "39 weeks"),
    "pmf": lambda fit, rfm: fit.purchase_pmf(rfm, 1, "9 weeks"),
    "silent": lambda fit, rfm: fit.probability_no_purchase(rfm, "9 weeks"),
    "residual": lambda fit, rfm: fit.residual_transactions(rfm, clv.DiscountRate(0.15, per="year")),
}
DRAWS = 8


@pytest.fixture(scope="module")
def rfm():
    """Customers of many ages, in no order, of two groups."""
    rng = np.random.default_rng(1)
    T = np.round(rng.uniform(20, 120, 300), 2)
    x = rng.poisson(1.5, 300)
    t_x = np.where(x > 0, np.round(T * rng.random(300), 3), 0.0)
    rfm = clv.RFMSummary.from_arrays(x, t_x, T, time_unit="week")
    return rfm.with_column("segment", rng.choice(["a", "b"], 300))


def fitted(model, groups, columns):
    """The model at draws of which these columns are kept."""
    rng, point = np.random.default_rng(2), {}
    for p in model.parameters:
        usual = 0.05 if p.dimension == "rate" else PARAMS[p.name]
        point[p.name] = (usual * np.exp(0.2 * rng.standard_normal((DRAWS, 4))))[:, columns]
    return FittedPurchases(
        Estimate(method="given", point=point, replicates=point),
        model,
        PlainClock(TimeUnit.WEEK),
        groups=groups,
    )


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.label)
def test_each_customer_has_that_of_the_own_group(model, quantity, rfm):
    groups = Groups.of(("segment",), rfm.columns, rfm.customer_id, rfm.weights)
    together = QUANTITIES[quantity](fitted(model, groups, [0, 1, 2, 3]), rfm)
    for k, name in enumerate("ab"):
        mine = rfm.columns["segment"] == name
        alone = QUANTITIES[quantity](fitted(model, None, [1 + k]), rfm.select(mine))
        # both interpolate between ages, to 2e-12
        np.testing.assert_allclose(together[mine], alone, rtol=1e-10, atol=1e-13)

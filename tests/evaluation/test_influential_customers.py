"""Customers on whom a fit leans: the one who was put there is found."""

from dataclasses import replace

import numpy as np
import pytest

from clvmodels.data.datasets import load_cdnow_summary
from clvmodels.evaluation.influence import influential_customers
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.gamma_gamma import GammaGammaModel


@pytest.fixture(scope="module")
def rfm():
    return load_cdnow_summary()


def test_a_reseller_stands_out(rfm):
    row = 5
    x, t_x = rfm.frequency.copy(), rfm.recency.copy()
    x[row], t_x[row] = 600, rfm.T[row] - 0.1
    money = rfm.monetary_value.copy()
    money[row] = 20.0
    data = replace(rfm, frequency=x, recency=t_x, monetary_value=money)
    found = influential_customers(BetaGeoModel().fit(data), data)
    assert found["customer_id"][0] == rfm.customer_id[row]
    assert found["moves"][0] > 2
    assert len(found) == 10
    assert found["moves"].is_monotonic_decreasing


def test_it_is_close_to_what_leaving_the_customer_out_does(rfm):
    fit = BetaGeoModel().fit(rfm)
    first = influential_customers(fit, rfm).iloc[0]
    without = BetaGeoModel().fit(rfm.select(rfm.customer_id != first["customer_id"]))
    change = np.log(list(without.params.values())) - np.log(list(fit.params.values()))
    moved = np.sqrt(change @ np.linalg.solve(fit.estimate.covariance, change))
    # one Newton step from the whole data: first order, of a change of a standard error
    assert first["moves"] == pytest.approx(moved, rel=0.25)


def test_customers_alike_are_listed_once(rfm):
    # 0.1 + 0.2 and 0.3 differ in the last digit: the same values, added in another order
    money = rfm.monetary_value.copy()
    rows = np.flatnonzero(rfm.frequency == 1)[:4]
    money[rows] = [0.3, 0.1 + 0.2, 0.3, 0.31]
    data = replace(rfm, monetary_value=money)
    found = influential_customers(GammaGammaModel().fit(data), data)
    assert found["customer_id"][:2].tolist() == rfm.customer_id[rows[[0, 3]]].tolist()
    assert not found.duplicated(["frequency", "monetary_value"]).any()


def test_an_order_with_a_slip_of_the_decimal_point(rfm):
    money = rfm.monetary_value.copy()
    row = np.flatnonzero(rfm.frequency == 1)[0]
    money[row] = 100_000.0
    data = replace(rfm, monetary_value=money)
    found = influential_customers(GammaGammaModel().fit(data), data, most=3)
    assert found["customer_id"][0] == rfm.customer_id[row]
    assert found["monetary_value"][0] == 100_000.0
    assert len(found) == 3


def test_parameters_that_were_given_lean_on_nobody(rfm):
    fit = BetaGeoModel().with_params(r=0.243, alpha=4.414, a=0.793, b=2.426, time_unit="week")
    found = influential_customers(fit, rfm)
    assert found.empty
    assert found.columns.tolist() == ["customer_id", "frequency", "monetary_value", "moves"]

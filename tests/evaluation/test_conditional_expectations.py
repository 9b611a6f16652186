"""Purchases given the past: means and their errors by class, added up by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from clvmodels.data.summary import RFMSummary
from clvmodels.evaluation.conditional import _classes, conditional_expectations
from clvmodels.exceptions import DataError, ParameterError


@pytest.fixture(scope="module")
def few(small_split):
    """Five customers, one of them standing for three, and two methods."""
    data = RFMSummary(
        customer_id=["a", "b", "c", "d", "e"], frequency=[0, 0, 1, 9, 9],
        recency=[0, 0, 12.5, 30, 31], T=[40, 33, 40, 40, 32], monetary_value=None,
        time_unit="week", weight=[1, 3, 1, 1, 1],
    )  # fmt: skip
    split = replace(small_split, calibration=data)
    one = pd.DataFrame(
        {
            "customer_id": list("edcba"),  # in no order that matters
            "predicted_purchases": [5.0, 7, 1, 0.5, 0.25],
            "actual_purchases": [4, 10, 2, 0, 2],
        }
    )
    predictions = pd.concat(
        [one.assign(method="x"), one.assign(method="silent", predicted_purchases=np.nan)]
    )
    return split, predictions


def test_means_and_errors_by_frequency(few):
    table = conditional_expectations(*few)
    assert table["method"].unique().tolist() == ["x"]  # the other predicts nothing
    assert table["group"].tolist() == ["0", "1", "7+"]
    assert table["customers"].tolist() == [4, 1, 2]
    assert table["predicted_mean"].tolist() == [(0.25 + 3 * 0.5) / 4, 1, 6]
    assert table["actual_mean"].tolist() == [0.5, 2, 7]
    # 2, 0, 0, 0: variance 1; 10 and 4: variance 18; nothing is known from one customer
    np.testing.assert_allclose(table["actual_se"], [(1 / 4) ** 0.5, np.nan, 3], rtol=1e-14)


@pytest.mark.parametrize(
    ("by", "groups", "customers"),
    [
        ("recency", ["0", "10–15", "25–30", "30–35"], [4, 1, 1, 1]),
        ("silence", ["0–5", "10–15", "25–30", "30–35", "40–45"], [1, 1, 1, 3, 1]),
    ],
)
def test_classes_of_time_are_round(few, by, groups, customers):
    table = conditional_expectations(*few, by=by)
    assert table["group"].tolist() == groups
    assert table["customers"].tolist() == customers


@pytest.mark.parametrize("by", ["frequency", "recency", "silence"])
def test_every_customer_is_in_one_class(cdnow_league, by):
    split = cdnow_league.split
    table = conditional_expectations(split, cdnow_league.predictions, by)
    own = table[table["method"] == "BG/NBD"]
    assert own["customers"].sum() == len(split.calibration)
    came = own["customers"] @ own["actual_mean"]
    assert came == pytest.approx(split.holdout_purchases.sum(), rel=1e-12)


@pytest.mark.parametrize("by", ["recency", "silence"])
def test_a_time_at_the_border_of_a_class_is_where_exact_days_put_it(by):
    days = np.array([(T, t) for T in range(1, 401) for t in range(T + 1)])
    T, t = days.T
    data = RFMSummary(
        customer_id=np.arange(len(T)), frequency=(t > 0).astype(int), recency=t / 7, T=T / 7,
        monetary_value=None, time_unit="week",
    )  # fmt: skip
    group, labels = _classes(data, by, 7)
    assert labels[1] in ("0–10", "10–20")  # weeks
    exact = -(-t // 70) if by == "recency" else (T - t) // 70
    np.testing.assert_array_equal(group, exact)


def test_predictions_are_of_each_customer_once(few):
    split, predictions = few
    with pytest.raises(DataError, match="of x are one per customer: broken by 5 of 10"):
        conditional_expectations(split, pd.concat([predictions, predictions]))
    strangers = predictions.assign(customer_id=predictions["customer_id"].replace("c", "z"))
    with pytest.raises(DataError, match=r"of the split: broken by 1 of 5.*first z"):
        conditional_expectations(split, strangers)


def test_other_pasts_and_no_methods(few):
    split, predictions = few
    with pytest.raises(ParameterError, match="by is one of 'frequency', 'recency', 'silence'"):
        conditional_expectations(split, predictions, by="age")
    nothing = conditional_expectations(split, predictions[predictions["method"] == "silent"])
    assert nothing.empty
    assert "actual_se" in nothing.columns

"""Baselines by pencil and paper, in any unit, and where they have no answer."""

import numpy as np
import pytest

from clvmodels.data.summary import RFMSummary
from clvmodels.evaluation.baselines import MeanBaseline, SameRateBaseline, ZeroBaseline
from clvmodels.exceptions import DataError, FitError, ParameterError, UndefinedMeanError, UnitError
from clvmodels.value._sampling import poisson_limits

ALL = [SameRateBaseline(), MeanBaseline(), ZeroBaseline()]
COLUMNS = [
    "customer_id", "p_alive", "p_active", "expected_purchases", "expected_spend", "clv", "clv_lo",
    "clv_hi", "flags",
]  # fmt: skip


def base(**changes):
    """A regular, a customer with one repeat purchase, one without, and one who came today."""
    columns = {
        "customer_id": ["regular", "twice", "once", "today"], "frequency": [8, 1, 0, 0],
        "recency": [39.0, 10.0, 0, 0], "T": [40.0, 40.0, 20.0, 0],
        "monetary_value": [30.0, 12.0, np.nan, np.nan], "time_unit": "week",
    }  # fmt: skip
    return RFMSummary(**{**columns, **changes})


def test_same_rate_by_hand():
    table = SameRateBaseline().fit(base()).predict(base(), "10 weeks")
    mean_rate, mean_value = 9 / 100, (8 * 30 + 12) / 9
    assert list(table) == COLUMNS
    assert table["expected_purchases"].tolist() == pytest.approx([2, 0.25, 0, 10 * mean_rate])
    assert table["expected_spend"].tolist() == pytest.approx([30, 12, mean_value, mean_value])
    assert table["clv"].tolist() == pytest.approx([60, 3, 0, 10 * mean_rate * mean_value])
    low, high = poisson_limits(np.array([8.0, 1.0, 0.0]), 0.9)
    per_purchase = np.array([10 / 40 * 30, 10 / 40 * 12, 10 / 20 * mean_value])
    assert table["clv_lo"][:3].to_numpy() == pytest.approx(low * per_purchase)
    assert table["clv_hi"][:3].to_numpy() == pytest.approx(high * per_purchase)


def test_mean_and_zero_by_hand():
    mean = MeanBaseline().fit(base()).predict(base(), "10 weeks")
    assert mean["expected_purchases"].tolist() == pytest.approx([0.9] * 4)
    assert mean["clv"].tolist() == pytest.approx([252 / 100 * 10] * 4)
    zero = ZeroBaseline().fit(base()).predict(base(), None)
    nothing = ["p_alive", "p_active", "expected_purchases", "clv", "clv_lo", "clv_hi"]
    assert (zero[nothing] == 0).all(axis=None)


def test_purchases_at_random_give_the_probability_of_any():
    same = SameRateBaseline().fit(base()).predict(base(), "10 weeks")
    expected = same["expected_purchases"].to_numpy()
    assert same["p_active"].to_numpy() == pytest.approx(1 - np.exp(-expected), rel=1e-12)
    assert same["p_active"][2] == 0
    mean = MeanBaseline().fit(base()).predict(base(), "10 weeks")
    assert mean["p_active"].tolist() == pytest.approx([1 - np.exp(-0.9)] * 4, rel=1e-12)


@pytest.mark.parametrize("model", ALL)
def test_without_values_there_are_purchases_alone(model):
    bare, rich = base(monetary_value=None), base()
    table = model.fit(bare).predict(bare, "10 weeks")
    assert list(table) == [*COLUMNS[:4], "flags"]
    with_money = model.fit(rich).predict(rich, "10 weeks")
    assert table[COLUMNS[:4]].equals(with_money[COLUMNS[:4]])
    assert list(model.fit(bare).predict(rich, "10 weeks")) == list(table)


def test_a_customers_own_value_has_to_be_there():
    fit = SameRateBaseline().fit(base())
    with pytest.raises(DataError, match="no monetary_value"):
        fit.predict(base(monetary_value=None), "10 weeks")
    assert "clv" in MeanBaseline().fit(base()).predict(base(monetary_value=None), "10 weeks")


@pytest.mark.parametrize("model", ALL)
def test_a_fit_says_what_it_knows(model):
    text = repr(model.fit(base()))
    assert (
        text == f"{model.title}: purchases_per_day 0.01286, purchase_value 28, revenue_per_day 0.36"
    )
    assert model.fit(base(monetary_value=None)).params == pytest.approx(
        {"purchases_per_day": 9 / 700}
    )


@pytest.mark.parametrize("model", ALL)
def test_interval_holds_the_estimate_and_weights_count_rows(model):
    rfm = base()
    table = model.fit(rfm).predict(rfm, "10 weeks", start="3 months")
    assert ((table["clv_lo"] <= table["clv"]) & (table["clv"] <= table["clv_hi"])).all()
    twice = RFMSummary(
        customer_id=np.arange(8), time_unit="week",
        **{c: np.tile(getattr(rfm, c), 2) for c in ("frequency", "recency", "T", "monetary_value")},
    )  # fmt: skip
    weighted = model.fit(base(weight=[2, 2, 2, 2])).predict(rfm, "10 weeks")
    assert model.fit(twice).predict(rfm, "10 weeks")[COLUMNS[1:8]].to_numpy() == pytest.approx(
        weighted[COLUMNS[1:8]].to_numpy()
    )


@pytest.mark.parametrize("model", ALL)
def test_unit_of_the_summary_does_not_matter(model):
    weekly = base()
    daily = base(recency=7 * weekly.recency, T=7 * weekly.T, time_unit="day")
    assert model.fit(daily).predict(weekly, "10 weeks")["clv"].to_numpy() == pytest.approx(
        model.fit(weekly).predict(daily, "70 days")["clv"].to_numpy(), rel=1e-12
    )


@pytest.mark.parametrize("model", ALL)
def test_nobody_came_back(model):
    lost = RFMSummary(
        customer_id=[1, 2], frequency=[0, 0], recency=[0, 0], T=[9, 9], time_unit="week",
        monetary_value=[np.nan, np.nan],
    )  # fmt: skip
    table = model.fit(lost).predict(lost, "9 weeks")
    assert (table[["expected_purchases", "clv"]] == 0).all(axis=None)


def test_a_negative_mean_value_keeps_its_limits_in_order():
    refunded = base(monetary_value=[-5.0, 12.0, np.nan, np.nan])
    table = SameRateBaseline().fit(refunded).predict(refunded, "10 weeks")
    assert table["clv_lo"][0] < table["clv"][0] < table["clv_hi"][0] < 0


def test_refunds_that_outweigh_purchases_keep_the_mean_inside_its_limits():
    refunded = base(monetary_value=[-5.0, 12.0, np.nan, np.nan])  # -28 in 100 weeks
    table = MeanBaseline().fit(refunded).predict(refunded, "10 weeks")
    assert table["clv"].tolist() == pytest.approx([-2.8] * 4)
    assert (table["clv_lo"] < table["clv"]).all()
    assert (table["clv"] < table["clv_hi"]).all()
    spread = (table["clv_hi"] - table["clv"]).to_numpy()
    assert (table["clv"] - table["clv_lo"]).to_numpy() == pytest.approx(spread)
    assert (MeanBaseline().fit(base()).predict(base(), "10 weeks")["clv_lo"] == 0).all()


def test_purchases_times_their_value_is_revenue_with_first_purchases_too():
    # means of all purchases, the first included: 8 repeats at 30, one at 12; they take 100 weeks
    rfm = base(monetary_value=[30.0, 12.0, 100.0, 100.0], first_value_included=True)
    table = MeanBaseline().fit(rfm).predict(rfm, "10 weeks")
    assert table["expected_spend"].tolist() == pytest.approx([(8 * 30 + 12) / 9] * 4)
    product = table["expected_purchases"] * table["expected_spend"]
    assert product.to_numpy() == pytest.approx(table["clv"].to_numpy())
    assert table["clv"].tolist() == pytest.approx([25.2] * 4)


def test_first_purchases_say_what_one_is_worth_where_nobody_came_back():
    lost = base(
        frequency=[0] * 4, recency=[0] * 4, monetary_value=[30.0, 12.0, 7.0, 7.0],
        first_value_included=True,
    )  # fmt: skip
    table = MeanBaseline().fit(lost).predict(lost, "10 weeks")
    assert table["expected_spend"].tolist() == pytest.approx([14.0] * 4)
    assert (table[["expected_purchases", "clv"]] == 0).all(axis=None)


@pytest.mark.parametrize("money", [{}, {"monetary_value": None}])
@pytest.mark.parametrize("model", ALL[:2])
def test_a_rate_without_end_has_no_lifetime_value(model, money):
    with pytest.raises(UndefinedMeanError, match="Give a horizon"):
        model.fit(base(**money)).predict(base(**money), None)


@pytest.mark.parametrize("model", ALL)
def test_what_is_missing_is_said(model):
    with pytest.raises(FitError, match="No time was observed"):
        model.fit(base(frequency=[0] * 4, recency=[0] * 4, T=[0] * 4))
    fit = model.fit(base())
    with pytest.raises(UnitError):
        fit.predict(base(), 10)
    with pytest.raises(UnitError):
        fit.predict(base(), "10 weeks", start=3)
    with pytest.raises(ParameterError, match="level"):
        fit.predict(base(), "10 weeks", level=90)

"""Customers in segments: who goes where, and that nobody is lost on the way."""

import numpy as np
import pandas as pd
import pytest

from clvmodels.data.datasets import load_cdnow_summary
from clvmodels.exceptions import DataError, ParameterError
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.gamma_gamma import GammaGammaModel
from clvmodels.models.pareto_nbd import ParetoNBDModel
from clvmodels.units import DiscountRate
from clvmodels.value.clv import CLVModel
from clvmodels.value.segments import customer_segments


def predictions(value, alive):
    ids = [f"c{k}" for k in range(len(value))]
    return pd.DataFrame({"customer_id": ids, "p_alive": alive, "clv": value})


@pytest.fixture(scope="module")
def mixed():
    rng = np.random.default_rng(1)
    alive = rng.beta(0.5, 0.5, 1000)
    return predictions(alive * rng.lognormal(3, 1, 1000), alive)


def test_customers_and_value_add_up(mixed):
    found = customer_segments(mixed)
    assert found.frame["customers"].sum() == 1000
    assert found.frame["share_of_customers"].sum() == pytest.approx(1)
    assert found.frame["value"].sum() == pytest.approx(mixed["clv"].sum())
    assert found.frame["share_of_value"].sum() == pytest.approx(1)
    assert found.customers["customer_id"].tolist() == mixed["customer_id"].tolist()


def test_classes_are_by_the_value_if_alive(mixed):
    # 10 would be worth 100 each if alive, however unlikely that is
    found = customer_segments(mixed).customers
    assert found["value_if_alive"].to_numpy() == pytest.approx(mixed["clv"] / mixed["p_alive"])
    top = found[found["worth"] == "top 20 %"]
    rest = found[found["worth"] != "top 20 %"]
    assert len(top) == 200
    assert top["value_if_alive"].min() > rest["value_if_alive"].max()
    assert found["worth"].value_counts().to_dict() == {
        "top 20 %": 200, "next 30 %": 300, "last 50 %": 500,
    }  # fmt: skip


def test_states_are_by_p_alive():
    found = customer_segments(predictions([1.0] * 5, [0.0, 0.29, 0.3, 0.69, 0.7]))
    assert found.customers["state"].tolist() == ["lost", "lost", "at risk", "at risk", "alive"]


@pytest.mark.parametrize("model", [ParetoNBDModel(), BetaGeoModel()])
def test_one_purchase_cannot_say_who_left(model):
    # P(alive) of one-time buyers is about 0.5 under the Pareto/NBD, and 1 under the BG/NBD
    rfm = load_cdnow_summary()
    rate = DiscountRate(0.10, per="year")
    value = CLVModel(model, GammaGammaModel(), discount=rate).fit(rfm)
    predicted = value.predict(rfm, "12 months")
    found = customer_segments(predicted)
    once = rfm.frequency == 0
    assert ((found.customers["segment"] == "bought once") == once).all()
    last = found.frame.iloc[-1]
    assert [last["segment"], last["worth"], last["state"]] == ["bought once"] * 3
    assert last["customers"] == once.sum()
    assert last["value"] == pytest.approx(predicted["clv"][once].sum())
    assert found.frame["share_of_value"].sum() == pytest.approx(1)
    # the others are put into classes without them
    apart = customer_segments(predicted[~once])
    assert apart.frame["rule"].tolist() == found.frame["rule"].tolist()[:-1]
    assert apart.customers["segment"].tolist() == found.customers["segment"][~once].tolist()


def test_frequency_or_flags_tell_who_bought_once(mixed):
    often = np.arange(1000) % 3
    told = customer_segments(mixed.assign(frequency=often))
    assert (told.customers["state"] == "bought once").to_numpy().tolist() == (often == 0).tolist()
    flags = np.where(often == 0, "something; one-time buyer: base mean spend", "")
    flags = pd.Series(flags, dtype=object).where(often < 2, None)
    pd.testing.assert_frame_equal(customer_segments(mixed.assign(flags=flags)).frame, told.frame)
    assert not customer_segments(mixed).customers["state"].eq("bought once").any()
    # what is known goes before what was noted
    nobody = customer_segments(mixed.assign(flags=flags, frequency=1))
    pd.testing.assert_frame_equal(nobody.frame, customer_segments(mixed).frame)


def test_a_base_of_one_time_buyers_is_one_segment(mixed):
    frame = customer_segments(mixed.assign(frequency=0)).frame
    assert frame["segment"].tolist() == ["bought once"]
    assert frame["rule"].tolist() == ["no repeat purchase so far, whatever their P(alive)"]


def test_a_frequency_is_a_number(mixed):
    for bad in (-1.0, np.nan):
        frequency = np.where(np.arange(1000) == 3, bad, 1.0)
        with pytest.raises(DataError, match=r"frequency must be .*1 of 1,000 customers, first c3"):
            customer_segments(mixed.assign(frequency=frequency))


def test_one_row_for_each_segment_with_its_rule(mixed):
    frame = customer_segments(mixed, top=[0.1, 0.2, 0.6], alive=0.9, lost=0.5).frame
    assert len(frame) == 12
    assert frame["segment"].tolist()[:3] == ["top 10 %, alive", "top 10 %, at risk",
                                             "top 10 %, lost"]  # fmt: skip
    assert frame["worth"].unique().tolist() == ["top 10 %", "next 10 %", "next 40 %", "last 40 %"]
    rule = frame["rule"].iloc[1]
    assert rule.startswith("worth at least ")
    assert rule.endswith("if alive; P(alive) from 0.5 to less than 0.9")
    assert "worth less than" in frame["rule"].iloc[-1]


def test_customers_of_equal_value_share_a_class():
    found = customer_segments(predictions([9.0] + [1.0] * 9, [1.0] * 10)).customers
    assert found["worth"].tolist() == ["top 20 %"] * 10
    assert customer_segments(predictions([1.0] * 4, [1.0] * 4)).frame["customers"].tolist() == [4]


def test_a_row_of_weight_three_is_three_customers():
    few = customer_segments(predictions([5.0, 2.0], [0.9, 0.1]), weight=[3, 1]).frame
    many = customer_segments(predictions([5.0, 5.0, 5.0, 2.0], [0.9, 0.9, 0.9, 0.1])).frame
    pd.testing.assert_frame_equal(few, many)


def test_a_row_of_no_weight_is_nobody():
    found = customer_segments(predictions([5.0, 2.0, 9.0], [0.9, 0.1, 0.9]), weight=[3, 1, 0])
    assert found.frame["customers"].sum() == 4
    assert found.frame["value"].sum() == pytest.approx(17)
    assert len(found.customers) == 3


@pytest.mark.parametrize(
    ("weight", "told"),
    [
        ([1.0], r"one number for each of the 2 customers; got shape \(1,\)"),
        ([[1.0, 1.0]], "got shape"),
        ([-1, 2], "not negative: broken by 1 of 2 customers, first c0"),
        ([1, np.nan], "finite .* first c1"),
        ([0, 0], "All weights are 0"),
    ],
)
def test_weights_that_count_nobody(weight, told):
    with pytest.raises(ParameterError, match=told):
        customer_segments(predictions([5.0, 2.0], [0.9, 0.1]), weight=weight)


def test_who_is_surely_gone_is_worth_nothing_if_alive():
    found = customer_segments(predictions([0.0, 1.0], [0.0, 1.0]))
    assert found.customers["value_if_alive"].tolist() == [0.0, 1.0]


def test_shares_of_nothing_are_unknown():
    frame = customer_segments(predictions([0.0, 0.0], [0.5, 1.0])).frame
    assert frame["share_of_value"].isna().all()
    assert frame["value"].tolist() == [0.0, 0.0]


def test_another_column_may_be_the_value(mixed):
    other = customer_segments(mixed.rename(columns={"clv": "lifetime"}), value="lifetime")
    pd.testing.assert_frame_equal(other.frame, customer_segments(mixed).frame)


def test_it_shows_itself(mixed):
    found = customer_segments(mixed)
    assert "top 20 %, alive" in repr(found)
    assert "<table" in found._repr_html_()


@pytest.mark.parametrize("top", [(), (0.5, 0.2), (0.0, 0.5), (0.5, 1.0), (0.2, 0.2), [[0.2]]])
def test_borders_that_make_no_classes(mixed, top):
    with pytest.raises(ParameterError, match="increasing shares"):
        customer_segments(mixed, top=top)


@pytest.mark.parametrize(("alive", "lost"), [(0.3, 0.7), (1.2, 0.3), (0.7, -0.1), (np.nan, 0.3)])
def test_thresholds_that_cross(mixed, alive, lost):
    with pytest.raises(ParameterError, match="0 <= lost <= alive <= 1"):
        customer_segments(mixed, alive=alive, lost=lost)


def test_predictions_that_cannot_be_used(mixed):
    with pytest.raises(DataError, match=r"lack the column\(s\) p_alive"):
        customer_segments(mixed.drop(columns="p_alive"))
    with pytest.raises(DataError, match="no customer"):
        customer_segments(mixed.head(0))
    for column, bad in (("clv", np.inf), ("p_alive", 1.5), ("p_alive", np.nan)):
        broken = mixed.copy()
        broken.loc[3, column] = bad
        with pytest.raises(DataError, match=rf"{column} must be .*1 of 1,000 customers, first c3"):
            customer_segments(broken)

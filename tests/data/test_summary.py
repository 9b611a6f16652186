"""The summary refuses bad rows, keeps good ones as they are, and never changes."""

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clvmodels.data.datasets import load_cdnow_summary
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import DataError, UnitError
from clvmodels.units import TimeUnit

GOOD = pd.DataFrame(
    {
        "customer_id": ["a", "b", "c"],
        "frequency": [2, 0, 1],
        "recency": [30.43, 0.0, 1.71],
        "T": [38.86, 38.86, 38.86],
        "monetary_value": [22.35, np.nan, 11.77],
        "segment": ["x", "y", "x"],
        "margin": [0.3, 0.2, 0.1],
    }
)


def summary(**changes) -> RFMSummary:
    return RFMSummary.from_frame(GOOD.assign(**changes), time_unit="week")


def test_a_frame_becomes_a_summary_and_back():
    rfm = summary()
    assert rfm.time_unit is TimeUnit.WEEK
    assert list(rfm.columns) == ["segment", "margin"]
    pd.testing.assert_frame_equal(rfm.to_pandas(), GOOD)
    assert "3 customers, 2 with repeat purchases, time unit week" in repr(rfm)
    assert "22.35" in rfm._repr_html_()


@pytest.mark.parametrize("frame", [pl.from_pandas(GOOD), pl.from_pandas(GOOD).to_arrow()])
def test_polars_and_arrow_frames_do_too(frame):
    found = RFMSummary.from_frame(frame, time_unit="week").to_pandas()
    pd.testing.assert_frame_equal(found, GOOD, check_dtype=False)


def test_ids_may_come_from_the_index_or_be_numbered():
    indexed = RFMSummary.from_frame(GOOD.set_index("customer_id"), time_unit="week")
    assert indexed.customer_id.tolist() == ["a", "b", "c"]
    numbered = RFMSummary.from_frame(GOOD.drop(columns="customer_id"), time_unit="week")
    assert numbered.customer_id.tolist() == [0, 1, 2]


# every rule that a row can break, with what the message must name
BAD = {
    "recency missing": ({"recency": [np.nan, 0, 1]}, "recency must be finite", "a"),
    "recency infinite": ({"recency": [1, 0, np.inf]}, "recency must be finite", "c"),
    "T infinite": ({"T": [np.inf, 30, 30]}, "T must be finite", "a"),
    "frequency missing": ({"frequency": [2, np.nan, 1]}, "frequency must be finite", "b"),
    "recency after T": ({"T": [20.0, 30, 30]}, "recency must not exceed T", "a"),
    "bought again at 0": ({"recency": [30.43, 0, 0]}, "recency must be positive", "c"),
    "recency without x": ({"recency": [30.43, 2, 1]}, "recency must be 0", "b"),
    "half a purchase": ({"frequency": [2.5, 0, 1]}, "frequency must be a whole number", "a"),
    "negative x": ({"frequency": [2, -1, 1]}, "frequency must not be negative", "b"),
    "negative recency": ({"recency": [-1.0, 0, 1]}, "recency must not be negative", "a"),
    "twice": ({"customer_id": ["a", "b", "a"]}, "customer_id must be unique", "a"),
    "nobody": ({"customer_id": ["a", None, "c"]}, "customer_id must not be missing", "b"),
    "no value": ({"monetary_value": [np.nan, np.nan, 1]}, "monetary_value must be finite", "a"),
}


@pytest.mark.parametrize(("changes", "rule", "who"), BAD.values(), ids=BAD)
def test_bad_rows_are_refused_by_name(changes, rule, who):
    with pytest.raises(DataError, match=rf"{rule}.*broken by 1 of 3 customers") as caught:
        summary(**changes)
    if who in (*changes.get("customer_id", "abc"),):
        assert f"first {who}" in str(caught.value)


def test_the_message_names_at_most_five_customers():
    many = pd.DataFrame({"frequency": 1, "recency": 5.0, "T": np.ones(50)})
    with pytest.raises(DataError, match=r"50 of 50 customers, first 0, 1, 2, 3, 4\. Count both"):
        RFMSummary.from_frame(many, time_unit="week")


def test_a_customer_who_bought_today_is_welcome():
    assert summary(recency=[0.0, 0, 0], frequency=0, T=0.0).T.tolist() == [0, 0, 0]


def test_a_negative_mean_value_is_for_the_spend_model_to_judge():
    assert summary(monetary_value=[-5.0, 0.0, 0.0]).monetary_value[0] == -5


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (GOOD.drop(columns=["T", "recency"]), r"lacks the column\(s\) recency, T; it has"),
        (GOOD[:0], "no customers"),
        (GOOD.assign(T="long"), "Column 'T' must hold numbers"),
        ({"frequency": [1]}, "Cannot read a summary from dict"),
    ],
)
def test_frames_that_are_no_summary(frame, message):
    with pytest.raises(DataError, match=message):
        RFMSummary.from_frame(frame, time_unit="week")


def test_the_unit_must_be_one():
    with pytest.raises(UnitError):
        RFMSummary.from_frame(GOOD, time_unit="fortnight")


def test_lengths_must_agree():
    with pytest.raises(DataError, match=r"'T' has shape \(2,\); there are 1 customers"):
        RFMSummary(np.array([1]), np.zeros(1), np.zeros(1), np.zeros(2), None, TimeUnit.DAY)


def test_nothing_can_be_changed():
    frequency = np.array([1.0, 0.0])
    rfm = RFMSummary(
        np.array([1, 2]), frequency, np.array([1.0, 0.0]), np.array([2.0, 2.0]), None,
        TimeUnit.DAY, columns={"margin": np.array([0.1, 0.2])},
    )  # fmt: skip
    frequency[0] = 7
    assert rfm.frequency[0] == 1
    for values in (rfm.customer_id, rfm.frequency, rfm.recency, rfm.T, rfm.columns["margin"]):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 5
    with pytest.raises(AttributeError):
        rfm.T = frequency
    with pytest.raises(TypeError):
        rfm.columns["margin"] = frequency


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda rfm: pickle.loads(pickle.dumps(rfm))])
def test_copies_are_equal_and_read_only(copied):
    rfm = load_cdnow_summary().with_column("margin", np.full(2357, 0.3))
    again = copied(rfm)
    pd.testing.assert_frame_equal(again.to_pandas(), rfm.to_pandas())
    assert again.report == rfm.report
    assert not again.T.flags.writeable


def test_weights_count_customers():
    rfm = RFMSummary.from_frame(GOOD.assign(n=[3, 2, 1]), time_unit="week", weight="n")
    assert rfm.customers() == 6
    assert rfm.customers(rfm.frequency > 0) == 4
    assert rfm.to_pandas()["weight"].tolist() == [3, 2, 1]
    with pytest.raises(DataError, match="weight must be positive and finite"):
        RFMSummary.from_frame(GOOD.assign(n=[3, 0, 1]), time_unit="week", weight="n")
    with pytest.raises(DataError, match=r"lacks the column\(s\) n"):
        RFMSummary.from_frame(GOOD, time_unit="week", weight="n")


def test_columns_are_matched_by_id():
    rfm = summary()
    by_id = pd.Series({"c": 3.0, "a": 1.0, "b": 2.0, "z": 9.0})
    assert rfm.with_column("score", by_id).column("score").tolist() == [1, 2, 3]
    assert rfm.with_column("score", by_id.to_dict()).column("score").tolist() == [1, 2, 3]
    assert rfm.with_column("score", [4, 5, 6]).column("score").tolist() == [4, 5, 6]
    assert "score" not in rfm.columns


def test_values_of_other_customers_are_refused():
    # ids 1..2357 against an index 0..2356: matched by position they would silently be shifted
    rfm = load_cdnow_summary()
    shifted = pd.Series(rfm.monetary_value)
    with pytest.raises(DataError, match=r"given for every customer.*1 of 2,357.*first 2357"):
        rfm.with_column("spend", shifted)
    with pytest.raises(DataError, match="gives some customers two values"):
        summary().with_column("score", pd.Series([1, 2], index=["a", "a"]))
    with pytest.raises(DataError, match=r"shape \(2,\) for 3 customers"):
        summary().with_column("score", [1, 2])
    with pytest.raises(DataError, match="T belongs to the summary itself"):
        summary().with_column("T", [1, 2, 3])


def test_further_columns_are_numbers_only_where_they_are():
    rfm = summary()
    assert rfm.column("margin").tolist() == [0.3, 0.2, 0.1]
    with pytest.raises(DataError, match="'segment' must hold numbers"):
        rfm.column("segment")
    with pytest.raises(DataError, match="no column 'x'; further columns: segment, margin"):
        rfm.column("x")
    with pytest.raises(DataError, match="margin must be finite"):
        summary(margin=[0.1, np.nan, 0.2]).column("margin")


@pytest.mark.parametrize("where", [np.array([True, False, True]), np.array([0, 2])])
def test_select_keeps_all_columns(where):
    part = summary().select(where)
    pd.testing.assert_frame_equal(part.to_pandas(), GOOD.iloc[[0, 2]].reset_index(drop=True))


def test_compress_is_computed_once():
    rfm = load_cdnow_summary()
    histories = rfm.compress()
    assert rfm.compress() is histories
    # the published summary, rounded to two decimals, has 1,016 distinct rows
    assert len(histories) == 1016
    assert histories.weight.sum() == len(rfm)


@given(
    x=st.integers(0, 50),
    t_x=st.floats(-1, 60) | st.sampled_from([0.0, np.nan, np.inf]),
    T=st.floats(-1, 60) | st.sampled_from([0.0, np.nan, np.inf]),
)
def test_a_row_is_accepted_exactly_if_it_keeps_the_rules(x, t_x, T):
    right = np.isfinite(t_x) and np.isfinite(T) and 0 <= t_x <= T and (t_x > 0) == (x > 0)
    row = pd.DataFrame({"frequency": [x], "recency": [t_x], "T": [T]})
    if right:
        RFMSummary.from_frame(row, time_unit="day")
    else:
        with pytest.raises(DataError, match="broken by 1 of 1 customers"):
            RFMSummary.from_frame(row, time_unit="day")

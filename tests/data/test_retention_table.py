"""Survivor counts and durations: every form they come in, and everything wrong with them."""

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from clvmodels.data.retention import RetentionTable
from clvmodels.exceptions import DataError, UnitError
from clvmodels.units import Horizon

# Fader and Hardie (2014), note 032, table 1
NOTE_032 = [1000, 631, 468, 382, 326]
COHORTS = {"2005": [1000, 631, 468], "2006": [800, 500], "2007": [900]}


def survivors(counts, period="1 year"):
    return RetentionTable.from_survivors(counts, period=period)


def rows(table):
    columns = (table.cohort, table.duration, table.churned, table.customers)
    return sorted(zip(*(c.tolist() for c in columns), strict=True))


def test_one_cohort():
    table = survivors(NOTE_032)
    assert rows(table) == [
        (1, 1, True, 369), (1, 2, True, 163), (1, 3, True, 86), (1, 4, False, 326),
        (1, 4, True, 56),
    ]  # fmt: skip
    assert table.acquired == 1000
    assert table.period == Horizon(1, "year")
    assert table.age.tolist() == [1, 2, 3, 4, 5]


def test_cohorts_of_different_ages():
    table = survivors(COHORTS)
    assert repr(table) == (
        "RetentionTable: 2,700 customers in 3 cohorts, 1,868 still there, up to 2 renewals, "
        "period 1 year"
    )
    base = table.active
    assert base.cohort.tolist() == ["2005", "2006", "2007"]
    assert base.age.tolist() == [3, 2, 1]
    assert base.customers.tolist() == [468, 500, 900]


def wide(**kwargs):
    return pd.DataFrame(
        [[1000, 631, 468], [800, 500, np.nan], [900, np.nan, np.nan]], **kwargs
    )  # fmt: skip


TABLES = {
    "index": wide(index=["2005", "2006", "2007"]),
    "column": wide().assign(cohort=["2005", "2006", "2007"]),
    "nullable": wide(index=["2005", "2006", "2007"]).astype("Int64"),
    "polars": pl.DataFrame(
        {"cohort": list(COHORTS), "0": [1000, 800, 900], "1": [631, 500, None],
         "2": [468, None, None]}
    ),
    "arrow": pa.table(
        {"cohort": list(COHORTS), "0": [1000, 800, 900], "1": [631, 500, None],
         "2": [468, None, None]}
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", TABLES)
def test_tables_with_a_row_per_cohort(form):
    assert rows(survivors(TABLES[form])) == rows(survivors(COHORTS))


def test_rows_of_a_table_without_names_are_numbered():
    table = survivors(pl.DataFrame({"a": [10, 20], "b": [5, 6]}))
    assert dict.fromkeys(table.cohort.tolist()) == {1: None, 2: None}


def test_durations():
    table = RetentionTable.from_durations(
        [1, 1, 3, 0, 3, 3], [True, False, False, False, True, False], period="1 month"
    )
    assert rows(table) == [
        ("all", 0, False, 1), ("all", 1, False, 1), ("all", 1, True, 1), ("all", 3, False, 2),
        ("all", 3, True, 1),
    ]  # fmt: skip
    frame = table.to_pandas()
    assert frame["age"].tolist() == [1, 2, 3]
    assert frame["customers"].tolist() == [5, 3, 3]
    assert frame["renewed"].tolist() == [4, 3, 2]


def test_survivors_and_the_durations_behind_them_are_one_table():
    duration = np.repeat([1, 2, 3, 4, 4], [369, 163, 86, 56, 326])
    churned = np.arange(1000) < 1000 - 326
    by_customer = RetentionTable.from_durations(duration, churned, period="1 year")
    by_cohort = survivors(NOTE_032)
    for one, other in zip(by_customer.distinct(), by_cohort.distinct(), strict=True):
        np.testing.assert_array_equal(one, other)
    drop = ["cohort"]
    pd.testing.assert_frame_equal(
        by_customer.to_pandas().drop(columns=drop), by_cohort.to_pandas().drop(columns=drop)
    )


def test_frame_counts_renewals():
    frame = survivors(COHORTS).to_pandas()
    assert frame.columns.tolist() == ["cohort", "age", "customers", "renewed", "retention_rate"]
    assert frame["cohort"].tolist() == ["2005", "2005", "2006"]  # 2007 has faced no renewal yet
    assert frame["renewed"].tolist() == [631, 468, 500]
    np.testing.assert_allclose(frame["retention_rate"], [0.631, 468 / 631, 0.625])


def test_the_last_retention_rate_is_that_of_the_last_renewals():
    assert survivors(COHORTS).last_retention_rate == pytest.approx((468 + 500) / (631 + 800))
    # a cohort that is gone does not count any more; one that goes now does
    assert survivors({1: [10, 0, 0], 2: [10, 5]}).last_retention_rate == 0.5
    assert survivors({1: [10, 4, 0], 2: [10, 5]}).last_retention_rate == pytest.approx(5 / 14)
    assert np.isnan(survivors({1: [10]}).last_retention_rate)


def test_the_retention_rate_of_durations_is_over_all_renewals():
    table = RetentionTable.from_durations([1, 2, 3, 5], [1, 0, 0, 1], period="1 year")
    assert table.last_retention_rate == pytest.approx(9 / 11)


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ({"A": [10, 9], "B": [100, 50, 60]}, "must not rise: cohort B has 60 in period 3 after 50"),
        ({"A": [10, -1]}, r"must not be negative: cohort A has -1 in period 2 after 10"),
        ([100, 86.9, 74.3], "whole numbers of customers: cohort 1 has 86.9 .* percentages"),
        ([1.0, 0.869], "whole numbers of customers: .* Multiply shares"),
        ([100, np.nan, 50], "given for every period up to the last: cohort 1 has nan in period 2"),
        ([100, np.inf], "must be given for every period"),
        ({"A": [0, 0]}, "Cohort A begins with no customer"),
        ({"A": []}, "Cohort A has no survivors at all"),
        ({}, "There is no cohort"),
        ([[1, 2], [3, 4]], "one cohort are a list of numbers"),
        (["ten", "nine"], "survivors must be numbers"),
        (pd.DataFrame({"a": ["x"], "b": [1]}), "Column 'a' must hold numbers"),
        (
            pd.DataFrame({"first": [10.0, np.nan], "second": [8.0, 10.0]}, index=[2005, 2006]),
            "up to the last: cohort 2006 has nan in period 1.* one row per cohort",
        ),
    ],
)
def test_survivors_that_cannot_be(counts, text):
    with pytest.raises(DataError, match=text):
        survivors(counts)


@pytest.mark.parametrize(
    ("duration", "churned", "text"),
    [
        ([1, -2, 3], [0, 0, 0], "0 or more: broken by 1 of 3 customers, first -2 in row 1"),
        ([1, 2.5], [0, 1], "whole number.*round down"),
        ([1, np.nan], [0, 1], "must be finite: broken by 1 of 2"),
        ([1, 0], [0, 1], "at least 1 where churned: broken by 1 of 2 customers, first 0 in row 1"),
        ([1, 2], [0, 2], "True and False"),
        ([1, 2], [0, None], "True and False"),
        ([1, 2], [True], "shapes"),
        (["a"], [True], "must hold numbers"),
        ([20240131], [False], "number of periods"),
        ([], [], "no customers"),
    ],
)
def test_durations_that_cannot_be(duration, churned, text):
    with pytest.raises(DataError, match=text):
        RetentionTable.from_durations(duration, churned, period="1 year")


@pytest.mark.parametrize("period", [1, "year", "0 years", None])
def test_the_period_is_a_length_of_time(period):
    with pytest.raises(UnitError):
        survivors(NOTE_032, period=period)
    with pytest.raises(UnitError):
        RetentionTable.from_durations([1], [True], period=period)


def test_tables_are_frozen_and_survive_copies():
    table = survivors(COHORTS)
    with pytest.raises(AttributeError):
        table.period = Horizon(1, "month")
    with pytest.raises(ValueError, match="read-only"):
        table.customers[0] = 1
    for again in (copy.deepcopy(table), pickle.loads(pickle.dumps(table))):
        assert rows(again) == rows(table)
        assert again.period == table.period
        assert not again.customers.flags.writeable


def test_arrays_are_copied():
    counts = np.array([10.0, 5.0])
    table = RetentionTable(["a", "a"], [1, 1], [True, False], counts, "1 year")
    counts[:] = 0
    assert table.acquired == 15


def test_rows_given_one_by_one_are_checked():
    with pytest.raises(DataError, match="row 1 has not"):
        RetentionTable(["a", "a"], [1, 0], [False, True], [1, 1], "1 year")
    with pytest.raises(DataError, match="churned has shape"):
        RetentionTable(["a", "a"], [1, 0], [False], [1, 1], "1 year")


def test_shows_itself_in_a_notebook():
    html = survivors(NOTE_032)._repr_html_()
    assert html.startswith("<p>RetentionTable: 1,000 customers")
    assert "<table" in html


def test_long_tables_are_told_to_be_wide():
    long = survivors(COHORTS).to_pandas()  # a row per cohort and age
    with pytest.raises(DataError, match=r"Cohort 2005 has 2 rows.*pivot"):
        survivors(long)

"""The data sets are there, whole, and reading them imports nothing of lifetimes."""

import importlib.util
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from clvmodels.data import datasets
from clvmodels.data.datasets import load_cdnow, load_cdnow_summary
from clvmodels.data.transactions import rfm_summary
from clvmodels.exceptions import DataError


@pytest.mark.parametrize(
    ("sample", "rows", "customers"),
    [(False, 69_659, 23_570), (True, 6_919, 2_357)],  # counts of the published files
)
def test_cdnow_is_whole(sample, rows, customers):
    log = load_cdnow(sample=sample)
    assert list(log.columns) == ["customer_id", "date", "quantity", "value"]
    assert len(log) == rows
    assert log["customer_id"].nunique() == log["customer_id"].max() == customers
    assert [kind.kind for kind in log.dtypes] == ["i", "M", "i", "f"]
    assert log["date"].min() == pd.Timestamp("1997-01-01")
    assert log["date"].max() == pd.Timestamp("1998-06-30")


def test_the_published_summary_is_that_of_the_sample():
    published = load_cdnow_summary()
    ours = rfm_summary(
        load_cdnow(sample=True), time_unit="week", value="value", observation_end="1997-09-30"
    )
    assert published.customer_id.tolist() == ours.customer_id.tolist()
    assert published.frequency.tolist() == ours.frequency.tolist()
    # it is rounded to two decimals
    np.testing.assert_allclose(published.recency, ours.recency, atol=0.00501, rtol=0)
    np.testing.assert_allclose(published.T, ours.T, atol=0.00501, rtol=0)
    spend = np.nan_to_num(ours.monetary_value)
    np.testing.assert_allclose(published.monetary_value, spend, atol=0.00501, rtol=0)


def test_lifetimes_is_not_imported():
    code = (
        "import sys, clvmodels.data.datasets as d; d.load_cdnow(); d.load_cdnow_summary();"
        "sys.exit('lifetimes' in sys.modules)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_no_helper_looks_like_a_data_set():
    assert not hasattr(datasets, "find_spec")


def test_a_missing_file_is_told(monkeypatch):
    json = importlib.util.find_spec("json")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="come with the lifetimes package, which is not installed"):
        load_cdnow()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: json)
    with pytest.raises(DataError, match=r"which has no CDNOW_sample\.txt"):
        load_cdnow(sample=True)

"""Distinct histories, against a dictionary."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clvmodels.data.histories import Histories

VALUES = st.sampled_from([0.0, -0.0, 1.0, 2.0, 1 / 7, 2 / 7, 1e-300, 1e300])


def by_hand(rows: list[tuple[float, ...]]) -> tuple[list[tuple[float, ...]], list[int]]:
    seen: dict[tuple[float, ...], int] = {}
    inverse = [seen.setdefault(row, len(seen)) for row in rows]
    return list(seen), inverse


@given(st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=300))
def test_distinct_rows_come_in_order_of_first_occurrence(rows):
    x, t_x, T = np.array(rows).reshape(-1, 3).T
    histories = Histories.of(x, t_x, T)
    distinct, inverse = by_hand(rows)
    assert list(zip(histories.x, histories.t_x, histories.T, strict=True)) == distinct
    assert histories.inverse.tolist() == inverse
    assert histories.weight.tolist() == np.bincount(inverse, minlength=len(distinct)).tolist()
    pairs = sorted({(row[0], row[2]) for row in distinct})
    assert list(zip(histories.ages.x, histories.ages.T, strict=True)) == pairs
    assert histories.ages.expand(histories.ages.x).tolist() == histories.x.tolist()
    assert histories.ages.expand(histories.ages.T).tolist() == histories.T.tolist()
    assert (np.diff(histories.ages.inverse[histories.by_age]) >= 0).all()


def test_values_are_given_back_per_customer():
    histories = Histories.of([2, 0, 2, 1], [3, 0, 3, 1], [5, 5, 5, 5])
    assert len(histories) == 3
    assert histories.expand(histories.x).tolist() == [2, 0, 2, 1]
    draws = np.arange(6.0).reshape(2, 3)
    assert histories.expand(draws).tolist() == [[0, 1, 0, 2], [3, 4, 3, 5]]
    assert histories.expand(draws.T, axis=0).shape == (4, 2)
    assert histories.ages is histories.ages
    assert histories.ages.expand(histories.ages.x).tolist() == histories.x.tolist()
    assert len(histories.ages) == 3


def test_times_in_another_unit():
    histories = Histories.of([1, 0], [2, 0], [4, 3])
    daily = histories.scaled(7.0)
    assert (daily.t_x.tolist(), daily.T.tolist()) == ([14, 0], [28, 21])
    assert daily.weight is histories.weight
    assert histories.scaled(1.0) is histories


def test_weights_add_up():
    histories = Histories.of([1, 0, 1], [2, 0, 2], [4, 4, 4], weight=[2.5, 1.0, 0.5])
    assert histories.weight.tolist() == [3, 1]


def test_arrays_are_read_only():
    histories = Histories.of([1, 0], [2, 0], [4, 4])
    for values in (histories.x, histories.T, histories.weight, histories.inverse, histories.ages.x):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 1


def test_a_table_that_grows_often_loses_nothing():
    x = np.arange(200_000.0)
    histories = Histories.of(np.concatenate([x, x[::-1]]), np.zeros(400_000), np.ones(400_000))
    assert np.array_equal(histories.x, x)
    assert np.array_equal(histories.inverse[200_000:], np.arange(200_000)[::-1])


def test_keys_that_differ_in_high_bits_only_do_not_crowd():
    # powers of two have equal low bits: a weak hash would probe for seconds
    x = np.ldexp(1.0, np.arange(-1000, 1000))
    x, T = (grid.ravel() for grid in np.meshgrid(x, np.ldexp(1.0, np.arange(100))))
    Histories.of(x[:1], x[:1], T[:1])  # compiled
    began = time.perf_counter()
    assert len(Histories.of(x, np.zeros_like(x), T)) == len(x)
    assert time.perf_counter() - began < 2  # takes 0.02 s

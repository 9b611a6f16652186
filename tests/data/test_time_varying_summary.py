"""Summaries with time-varying covariates: what is lined up with what, and what is refused."""

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from clvmodels.data.datasets import load_cdnow
from clvmodels.data.summary import RFMSummary
from clvmodels.data.time_varying import TimeVaryingSummary, time_varying_summary
from clvmodels.data.transactions import rfm_summary
from clvmodels.exceptions import DataError, UnitError

# 2024-01-01 is a Monday; customer a buys twice on one day, and on the first day of a week
LOG = pd.DataFrame(
    [
        ("a", "2024-01-03 10:00"), ("a", "2024-01-10 09:00"), ("a", "2024-01-10 18:00"),
        ("a", "2024-01-15 12:00"), ("b", "2024-01-14 12:00"), ("c", "2024-01-01 08:00"),
        ("c", "2024-01-20 08:00"), ("c", "2024-02-20 08:00"),
    ],
    columns=["customer_id", "date"],
)  # fmt: skip
WEEKS = pd.date_range("2024-01-01", periods=5, freq="7D")
UNEVEN = WEEKS.append(pd.DatetimeIndex(["2024-03-01"]))
END = "2024-01-21"


def covariates(ids=("a", "b", "c"), periods=WEEKS):
    """A promotion in the second and third week; a price that differs by customer and week."""
    table = pd.DataFrame(
        {"customer_id": np.repeat(ids, len(periods)), "period": np.tile(periods, len(ids))}
    )
    week = (table.period - WEEKS[0]).dt.days // 7
    table["promo"] = week.isin([1, 2]).astype(int)
    table["price"] = 10.0 * (table.customer_id.map(ord) - ord("a")) + week
    return table


def summarise(table, log=LOG, **options):
    given = {"time_unit": "day", "columns": ["promo", "price"], "observation_end": END, **options}
    return time_varying_summary(log, table, **given)


def test_covariates_are_lined_up_with_ages():
    walks = summarise(covariates())
    assert walks.rfm.customer_id.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(walks.rfm.T, [18, 7, 20])
    np.testing.assert_array_equal(walks.indptr, [0, 5, 9, 14])
    np.testing.assert_array_equal(walks.until[:5], [5, 12, 19, 26, 33])  # a was born on a Wednesday
    np.testing.assert_array_equal(walks.until[5:9], [1, 8, 15, 22])  # b on a Sunday, in week two
    np.testing.assert_array_equal(walks.values[5:9, 1], [11, 12, 13, 14])
    # a: the 10th (twice, merged) in week 1 and the 15th, a Monday, in week 2; c: the 20th, week 2;
    # first purchases do not count, nor does what came after the end
    np.testing.assert_array_equal(walks.at_purchases, [[2, 1 + 2], [0, 0], [1, 22]])
    assert repr(walks) == (
        "RFMSummary: 3 customers, 2 with repeat purchases, time unit day, observed to 2024-01-21, "
        "with promo, price over 4.7 periods each"
    )


def test_the_summary_inside_is_that_of_rfm_summary():
    for end in (END, None):
        walks = summarise(covariates(periods=pd.date_range("2024-01-01", periods=9, freq="7D")),
                          observation_end=end)  # fmt: skip
        plain = rfm_summary(LOG, time_unit="day", observation_end=end)
        pd.testing.assert_frame_equal(walks.rfm.to_pandas(), plain.to_pandas())


@pytest.mark.parametrize("engine", [pl.from_pandas, pa.Table.from_pandas])
def test_tables_of_other_libraries(engine):
    walks, other = summarise(covariates()), summarise(engine(covariates()), engine(LOG))
    np.testing.assert_array_equal(other.values, walks.values)
    np.testing.assert_array_equal(other.at_purchases, walks.at_purchases)


def test_row_order_text_dates_and_other_customers_do_not_matter():
    walks, table = summarise(covariates()), covariates(("a", "b", "c", "z"))
    mixed = table.sample(frac=1, random_state=0).assign(period=lambda t: t.period.astype(str))
    other = summarise(mixed)
    np.testing.assert_array_equal(other.values, walks.values)
    np.testing.assert_array_equal(other.until, walks.until)


@pytest.mark.parametrize("unit", ["week", "month"])
def test_another_time_unit_rescales_ages_alone(unit):
    walks, other = summarise(covariates()), summarise(covariates(), time_unit=unit)
    factor = other.rfm.time_unit.days
    np.testing.assert_allclose(other.until * factor, walks.until, rtol=1e-14)
    np.testing.assert_array_equal(other.at_purchases, walks.at_purchases)


def test_calendar_months_are_periods_too():
    months = pd.date_range("2024-01-01", periods=4, freq="MS")
    walks = summarise(covariates(periods=months))
    np.testing.assert_array_equal(
        walks.until[:4], [29, 58, 89, 119]
    )  # from 3 January of a leap year


def test_hours():
    hours = pd.date_range("2024-01-01 00:00", "2024-01-22", freq="6h")
    table = pd.DataFrame({"customer_id": "a", "period": hours, "promo": np.arange(len(hours))})
    walks = summarise(table, LOG[LOG.customer_id == "a"], time_unit="hour", columns=["promo"])
    assert walks.until[0] == 2  # born at 10 o'clock
    assert walks.rfm.frequency.tolist() == [3]  # two hours of the 10th, one of the 15th
    assert walks.at_purchases.tolist() == [[9 * 4 + 1 + 9 * 4 + 3 + 14 * 4 + 2]]


def test_cdnow_against_a_merge_in_pandas():
    log = load_cdnow(sample=True)
    ids, weeks = log.customer_id.unique(), pd.date_range("1996-12-30", "1998-07-06", freq="7D")
    table = pd.DataFrame(
        {"customer_id": np.repeat(ids, len(weeks)), "period": np.tile(weeks, len(ids))}
    )
    table["z"] = np.random.default_rng(0).normal(size=len(table))
    walks = time_varying_summary(
        log, table, columns=["z"], time_unit="week", observation_end="1997-09-30"
    )
    days = log.assign(day=pd.to_datetime(log.date).dt.normalize())
    days = days[days.day <= "1997-09-30"][["customer_id", "day"]].drop_duplicates()
    days = days[days.day > days.groupby("customer_id").day.transform("min")]
    days["period"] = weeks[np.searchsorted(weeks, days.day, side="right") - 1]
    z = days.merge(table, on=["customer_id", "period"]).groupby("customer_id").z.sum()
    expected = z.reindex(walks.rfm.customer_id, fill_value=0.0)
    np.testing.assert_allclose(walks.at_purchases[:, 0], expected, atol=1e-12)


def test_never_changes_and_can_be_copied():
    walks = summarise(covariates())
    for name in ("indptr", "until", "values", "at_purchases"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(walks, name)[0] = 1
    for other in (copy.deepcopy(walks), pickle.loads(pickle.dumps(walks))):
        np.testing.assert_array_equal(other.values, walks.values)
        assert not other.values.flags.writeable
    assert "2 with repeat purchases" in walks._repr_html_()


# bad input


def without(who, week):
    table = covariates()
    return table[~((table.customer_id == who) & (table.period == week))]


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (without("a", "2024-01-08"), "broken by 1 of 3 customers, first a (2024-01-08 missing)"),
        (without("c", "2024-01-01"), "first c (2024-01-01 missing)"),
        (covariates(("a", "b")), "first c (2024-01-01 missing)"),
        (covariates(periods=WEEKS[:2]), "3 of 3 customers, first a (2024-01-15 missing), b (2024"),
        (covariates(periods=WEEKS[1:]), "2 of 3 customers, first a (2024-01-03 missing), c (2024"),
        (pd.concat([covariates(), covariates(("b",))]), "first b (2024-01-01), b (2024-01-08)"),
        (covariates().assign(price=np.nan), "first a (price, 2024-01-01), a (price, 2024-01-08)"),
        (covariates(periods=UNEVEN), "2024-03-01 does not follow 2024-01-01 by a multiple of 7"),
        (covariates(periods=WEEKS[:1]), "one period"),
        (covariates().assign(price="high"), "numbers"),
        (covariates().assign(period="soon"), "must hold dates"),
        (covariates().assign(period=pd.NaT), "is empty in 15 rows"),
        (covariates().drop(columns="price"), "lack the column(s) price"),
        (covariates(ids="a").drop(columns="customer_id"), "merge(customers, how='cross')"),
        (covariates().assign(customer_id=7), "None of the 3 customers has covariates"),
        ({"a": 1}, "Cannot read covariates from dict"),
    ],
)  # fmt: skip
def test_bad_covariates_are_refused_by_customer_and_period(table, says):
    with pytest.raises(DataError) as error:
        summarise(table)
    assert says in str(error.value)


def test_periods_with_a_time_zone_are_refused():
    table = covariates()
    with pytest.raises(DataError, match="without a time zone"):
        summarise(table.assign(period=table.period.dt.tz_localize("UTC")))


@pytest.mark.parametrize("columns", [[], ["promo", "promo"]])
def test_columns_are_named_once(columns):
    with pytest.raises(DataError, match="at least one covariate"):
        summarise(covariates(), columns=columns)


def test_the_log_is_checked_as_ever():
    with pytest.raises(DataError, match="nowhere"):
        summarise(covariates(), date="nowhere")
    with pytest.raises(UnitError):
        summarise(covariates(), time_unit="fortnight")


def test_a_gap_after_the_end_ends_what_is_known():
    table = covariates()
    walks = summarise(table[~((table.customer_id == "a") & (table.period == "2024-01-22"))])
    assert walks.covered_until.tolist() == [19, 22, 35]
    walks.require_until(1.0)
    with pytest.raises(DataError, match=r"first a \(from 2024-01-22\).*shorten the horizon"):
        walks.require_until(2.0)


def test_arrays_that_do_not_fit_are_refused():
    rfm = RFMSummary.from_arrays([0], [0], [5], time_unit="week")
    good = {"columns": ("z",), "indptr": [0, 2], "until": [3.0, 9.0], "values": [[1.0], [2.0]],
            "at_purchases": [[0.0]]}  # fmt: skip
    TimeVaryingSummary(rfm, **good)
    for bad, says in [
        ({"indptr": [0, 3]}, "until must hold"),
        ({"indptr": [0, 0]}, "at least one period"),
        ({"until": [3.0, 3.0]}, "must increase"),
        ({"until": [3.0, 4.0]}, r"first 0 \(from age 4\)"),
        ({"values": [[1.0], [np.inf]]}, "finite"),
        ({"at_purchases": [[0.0, 1.0]]}, "at_purchases"),
    ]:
        with pytest.raises(DataError, match=says):
            TimeVaryingSummary(rfm, **{**good, **bad})

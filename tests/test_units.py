"""Units, horizons and rates: what is understood, what it equals, and what is refused and why."""

import copy
import math
import pickle
from dataclasses import FrozenInstanceError, replace
from fractions import Fraction

import numpy as np
import pytest

from clvmodels.exceptions import ClvError, UnitError
from clvmodels.units import DAYS_PER_YEAR, DiscountRate, Horizon, TimeUnit

# time units

SPELLINGS = {
    TimeUnit.HOUR: ["hour", "hours", "h", "H", "hr", "Hour", "1h"],
    TimeUnit.DAY: ["day", "days", "D", "d", "Days", "24h", "1D"],
    TimeUnit.WEEK: ["week", "weeks", "W", "w", "7D", "7 days", "168h", " 1 week "],
    TimeUnit.MONTH: ["month", "months", "M", "ME", "MS", "MONTH", "1M"],
    TimeUnit.QUARTER: ["quarter", "quarters", "Q", "QE", "QS", "q", "3M"],
    TimeUnit.YEAR: ["year", "years", "Y", "YE", "YS", "A", "y", "yr", "12 months", "4Q"],
}


@pytest.mark.parametrize(
    ("text", "unit"), [(text, unit) for unit, texts in SPELLINGS.items() for text in texts]
)
def test_spellings_and_pandas_aliases(text, unit):
    # pandas 3 spells them h, D, W, ME, QE, YE; older ones H, M, Q, Y, A
    assert TimeUnit.parse(text) is unit


@pytest.mark.parametrize(
    "value",
    [
        "", " ", "fortnight", "m", "min", "7", "8D", "2 weeks", "0D", "-7D", "1e400 weeks", "W-SUN",
        "weeks 3", "week!", 7, 7.0, None, True, np.timedelta64(7, "D"), ["week"],
    ],
)  # fmt: skip
def test_what_is_no_unit(value):
    with pytest.raises(UnitError, match=r"is not a time unit\. Use one of hour, day, week, month"):
        TimeUnit.parse(value)


def test_a_unit_passes_through_and_prints_as_its_name():
    assert TimeUnit.parse(TimeUnit.WEEK) is TimeUnit.WEEK
    assert str(TimeUnit.WEEK) == "week"
    assert f"{TimeUnit.WEEK}s" == "weeks"
    assert TimeUnit.WEEK == "week"


def test_a_year_is_gregorian():
    # 400 years have 146,097 days
    assert DAYS_PER_YEAR == 146_097 / 400
    assert [unit.days for unit in TimeUnit] == [1 / 24, 1, 7, 30.436875, 91.310625, 365.2425]
    assert 12 * TimeUnit.MONTH.days == 4 * TimeUnit.QUARTER.days == TimeUnit.YEAR.days


# horizons


@pytest.mark.parametrize(
    ("text", "length", "unit"),
    [
        ("39 weeks", 39, "week"), ("39W", 39, "week"), ("12M", 12, "month"), ("12 ME", 12, "month"),
        ("1.5 years", 1.5, "year"), (".5y", 0.5, "year"), ("365D", 365, "day"),
        ("48 h", 48, "hour"), ("48H", 48, "hour"), ("2e2 days", 200, "day"), ("0 days", 0, "day"),
        (" 3 quarters ", 3, "quarter"), ("+3 days", 3, "day"), ("6.weeks", 6, "week"),
    ],
)  # fmt: skip
def test_horizons_as_text(text, length, unit):
    horizon = Horizon.parse(text)
    assert horizon == Horizon(length, unit)
    assert isinstance(horizon.length, float)
    assert horizon.unit is TimeUnit.parse(unit)


@pytest.mark.parametrize("value", [39, 39.0, np.int64(39), "39", "weeks", "", "a week", None, True])
def test_bare_numbers_are_no_horizons(value):
    with pytest.raises(UnitError, match=r"needs a number and a unit. Write '39 weeks'"):
        Horizon.parse(value)


@pytest.mark.parametrize("length", [-1, -1e-9, math.nan, math.inf, np.float64("nan")])
def test_impossible_lengths(length):
    with pytest.raises(UnitError, match="finite and not negative"):
        Horizon(length, "week")


@pytest.mark.parametrize("text", ["-3 weeks", "1e400 days"])
def test_impossible_lengths_as_text(text):
    with pytest.raises(UnitError, match="finite and not negative"):
        Horizon.parse(text)


@pytest.mark.parametrize("length", ["39", None, True, [1], 1j])
def test_lengths_are_numbers(length):
    with pytest.raises(UnitError, match="must be a number"):
        Horizon(length, "week")


def test_other_numbers_are_taken():
    assert Horizon(np.int64(3), "day") == Horizon(np.float32(3), "day") == Horizon(3, "day")
    assert Horizon(Fraction(1, 2), "day").length == 0.5


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("1 week", "day", 7), ("1 day", "hour", 24), ("1 year", "month", 12),
        ("1 year", "quarter", 4), ("1 year", "day", 365.2425), ("12 months", "week", 52.1775),
        ("39 weeks", "week", 39), ("36 hours", "day", 1.5), ("0 years", "hour", 0),
    ],
)  # fmt: skip
def test_conversions(text, unit, expected):
    assert Horizon.parse(text).to(unit) == pytest.approx(expected, rel=1e-15)
    assert Horizon.parse(text).to(TimeUnit.parse(unit)) == Horizon.parse(text).to(unit)


@pytest.mark.parametrize("unit", TimeUnit)
@pytest.mark.parametrize("other", TimeUnit)
def test_conversions_there_and_back(unit, other):
    there = Horizon(1.7, unit).to(other)
    assert Horizon(there, other).to(unit) == pytest.approx(1.7, rel=1e-15)


def test_the_unit_itself_is_kept_to_the_bit():
    assert Horizon(0.1, "month").to("month") == 0.1


def test_a_horizon_is_a_frozen_value():
    horizon = Horizon(39, "week")
    assert Horizon.parse(horizon) is horizon
    assert horizon in {Horizon.parse("39 weeks")}
    assert str(horizon) == "39 weeks"
    assert str(Horizon(1, "week")) == "1 week"
    assert repr(horizon) == "Horizon(length=39.0, unit=<TimeUnit.WEEK: 'week'>)"
    with pytest.raises(FrozenInstanceError):
        horizon.length = 3
    for again in (copy.deepcopy(horizon), pickle.loads(pickle.dumps(horizon))):
        assert again == horizon
    assert replace(horizon, length=3) == Horizon(3, "week")


# rates


@pytest.mark.parametrize(
    ("rate", "unit", "effective"),
    [
        (DiscountRate(0.10, per="year"), "year", 0.10),
        (DiscountRate(0.10, per="year"), "month", 1.1 ** (1 / 12) - 1),
        (DiscountRate(0.01, per="month"), "year", 1.01**12 - 1),
        (DiscountRate(0.01, per="month"), "quarter", 1.01**3 - 1),
        (DiscountRate(math.log(1.15), "year", "continuous"), "year", 0.15),
        (DiscountRate(0, per="year"), "day", 0),
        (DiscountRate(-0.1, per="year"), "month", 0.9 ** (1 / 12) - 1),
    ],
)
def test_effective_rates(rate, unit, effective):
    assert rate.effective(unit) == pytest.approx(effective, rel=1e-13, abs=1e-18)
    assert rate.force(unit) == pytest.approx(math.log1p(effective), rel=1e-13, abs=1e-18)


def test_the_rate_itself_is_kept_to_the_bit():
    assert DiscountRate(0.1, per="month").effective("month") == 0.1
    assert DiscountRate(0.1, "week", "continuous").force("week") == 0.1


def test_published_weekly_rate():
    # Fader, Hardie and Lee (2005b): 15 % a year is a continuous .0027 a week (of 52 to the year)
    assert DiscountRate(0.15, per="year").force("week") == pytest.approx(0.0027, abs=5e-5)
    # CLVTools #162: an annual rate where a weekly continuous one is meant is off by a factor of 52
    assert DiscountRate(0.055, per="year").force("week") < 0.055 / 50


@pytest.mark.parametrize("rate", [-1, -1.5, math.nan, math.inf, -math.inf])
def test_impossible_rates(rate):
    # lifetimes returns an infinite value at -1
    with pytest.raises(UnitError, match=r"discount rate|effective rate"):
        DiscountRate(rate, per="year")


def test_percentages_do_not_pass_for_rates():
    with pytest.raises(UnitError, match=r"1000 % per year is beyond belief. Write 0.10 for 10 %"):
        DiscountRate(10, per="year")
    assert DiscountRate(1.5, per="year").rate == 1.5  # inflation happens


@pytest.mark.parametrize("rate", ["10 %", None, True, [0.1]])
def test_rates_are_numbers(rate):
    with pytest.raises(UnitError, match="finite number"):
        DiscountRate(rate, per="year")


def test_a_continuous_rate_may_be_below_minus_one():
    assert DiscountRate(-2, "year", "continuous").effective("year") == pytest.approx(np.exp(-2) - 1)


def test_other_compoundings_and_units_are_refused():
    with pytest.raises(
        UnitError, match="compounding is 'effective' or 'continuous', got 'nominal'"
    ):
        DiscountRate(0.1, "year", "nominal")
    with pytest.raises(UnitError, match="is not a time unit"):
        DiscountRate(0.1, per=12)


@pytest.mark.parametrize("value", [0.1, 1, "10 %", None, True, False, np.float64(0.1)])
def test_bare_rates_ask_for_their_period(value):
    with pytest.raises(UnitError, match=r"per week, month or year\? Write DiscountRate"):
        DiscountRate.parse(value)


@pytest.mark.parametrize("zero", [0, 0.0, np.float64(0), np.int64(0)])
def test_nothing_needs_no_unit(zero):
    assert DiscountRate.parse(zero).force("week") == 0


def test_a_rate_is_a_frozen_value():
    rate = DiscountRate(0.1, per="year")
    assert DiscountRate.parse(rate) is rate
    assert rate == DiscountRate(0.1, TimeUnit.YEAR, "effective")
    assert str(rate) == "10 % per year"
    assert str(DiscountRate(0.05, "month", "continuous")) == "5 % per month (continuous)"
    with pytest.raises(FrozenInstanceError):
        rate.rate = 0.2
    for again in (copy.deepcopy(rate), pickle.loads(pickle.dumps(rate))):
        assert again == rate


def test_a_unit_error_is_what_a_caller_would_catch():
    assert issubclass(UnitError, ValueError)
    assert issubclass(UnitError, ClvError)

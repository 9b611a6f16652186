"""Units, currencies, shapes, and the errors that keep them apart."""

import numpy as np
import pytest

from clvmodels import textbook
from clvmodels.exceptions import ParameterError, UnitError
from clvmodels.units import DiscountRate, Horizon

RATE = DiscountRate(0.12, per="year")


def test_discount_rate_in_any_unit_gives_the_same_money():
    monthly = DiscountRate(RATE.effective("month"), per="month")
    continuous = DiscountRate(np.log(1.12), per="year", compounding="continuous")
    for same in (monthly, continuous):
        assert textbook.retention_value(100, 0.8, same, period="year") == pytest.approx(250)
        assert textbook.discounted_profit(100, 5, same) == pytest.approx(
            textbook.discounted_profit(100, 5, RATE), rel=1e-12
        )


def test_lengths_of_time_in_any_unit_give_the_same_money():
    assert textbook.value_frequency_lifespan(100, 4, "36 months", period="year") == pytest.approx(
        1200, rel=1e-12
    )
    assert textbook.value_frequency_lifespan(
        100, 1, Horizon(3, "year"), period="quarter"
    ) == pytest.approx(1200, rel=1e-12)
    assert textbook.annual_spend_years(400, "36 months") == pytest.approx(1200, rel=1e-12)
    in_months = textbook.retention_value(100, 0.8, RATE, period="year", horizon="30 months")
    in_years = textbook.retention_value(100, 0.8, RATE, period="year", horizon="2.5 years")
    assert in_months == pytest.approx(in_years, rel=1e-12)


def test_yearly_and_monthly_churn_agree_on_who_is_left():
    monthly = textbook.convert_churn(0.4, per="year", to="month")
    assert (1 - monthly) ** 12 == pytest.approx(0.6, rel=1e-12)
    assert textbook.convert_churn(monthly, per="month", to="year") == pytest.approx(0.4, rel=1e-12)
    assert textbook.convert_churn([0, 1], per="year", to="day").tolist() == [0, 1]


def test_short_periods_bring_the_three_timings_together():
    # the same customers paying 100 a year in daily instalments: 100 / (hazard + force of interest)
    churn = textbook.convert_churn(0.2, per="year", to="day")
    values = [
        textbook.retention_value(100 / 365.2425, 1 - churn, RATE, period="day", timing=timing)
        for timing in ("first_payment_now", "just_acquired", "period_end")
    ]
    expected = 100 / (-np.log(0.8) + np.log(1.12))
    # 1e-3: a day is a thousandth of the expected life
    assert values == pytest.approx([expected] * 3, rel=1e-3)


@pytest.mark.parametrize("scale", [100.0, 1e6, 1e-3])
def test_currency_scales_money_and_nothing_else(scale):
    def everything(unit):
        return np.array([
            textbook.value_frequency_lifespan(100 * unit, 4, 3, margin=0.3),
            textbook.value_frequency_churn(100 * unit, 4, 0.2, margin=0.3),
            textbook.annual_spend_years(400 * unit, 3, margin=0.3, acquisition_cost=50 * unit),
            textbook.discounted_profit(100 * unit, 5, RATE),
            textbook.present_value([100 * unit, 90 * unit], RATE, period="month"),
            textbook.retention_value(100 * unit, 0.8, RATE, period="year", growth=0.02),
            textbook.berger_nasr(260 * unit, 50 * unit, 0.75, 10, RATE),
            textbook.net_value(100 * unit, acquisition_cost=3 * unit, annual_retention_cost=unit),
            textbook.component_value(2000 * unit, 0.3, 0.25, word_of_mouth=4 * unit).total,
        ])  # fmt: skip

    assert everything(scale) == pytest.approx(scale * everything(1.0), rel=1e-12)
    assert textbook.ltv_to_cac(9 * scale, 3 * scale) == pytest.approx(3, rel=1e-12)
    assert textbook.payback_period(9 * scale, 3 * scale) == pytest.approx(3, rel=1e-12)
    assert textbook.roi(9 * scale, 3 * scale) == pytest.approx(2, rel=1e-12)


def test_floats_give_a_float_and_arrays_broadcast():
    assert type(textbook.value_frequency_lifespan(100, 4, 3)) is float
    assert type(textbook.retention_value(100, 0.8, RATE, period="year")) is float
    value = np.array([[100.0], [200.0]])
    retention = np.array([0.6, 0.8, 1.0])
    table = textbook.retention_value(value, retention, RATE, period="year", horizon="5 years")
    assert table.shape == (2, 3)
    one = textbook.retention_value(200, 0.8, RATE, period="year", horizon="5 years")
    assert table[1, 1] == one
    assert textbook.value_frequency_churn(value, 4, [0.1, 0.2]).shape == (2, 2)
    assert textbook.present_value(np.ones((2, 3)), RATE, period="year").shape == (2,)
    assert textbook.component_value([1, 2], 0.5, 1).total.tolist() == [0.5, 1.0]


@pytest.mark.parametrize(
    "call",
    [
        lambda: textbook.discounted_profit(100, 5, 0.12),
        lambda: textbook.retention_value(100, 0.8, 0.12, period="year"),
        lambda: textbook.berger_nasr(260, 50, 0.75, 10, 0.2),
        lambda: textbook.elasticities(0.8, 0.12, period="year"),
        lambda: textbook.net_value(100, annual_retention_cost=5, years=2, discount=0.1),
        lambda: textbook.present_value([1, 2], 0.1, period="year"),
    ],
)
def test_a_bare_discount_rate_is_refused(call):
    with pytest.raises(UnitError, match="per week, month or year"):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: textbook.value_frequency_lifespan(100, 4, "3 years"), "Add period='year'"),
        (
            lambda: textbook.value_frequency_churn(100, 4, 0.2, horizon="9 months"),
            "Add period='year'",
        ),
        (
            lambda: textbook.value_frequency_churn(100, 4, 0.2, horizon=3, period="year"),
            "a number and a unit",
        ),
        (
            lambda: textbook.retention_value(100, 0.8, RATE, period="year", horizon=3),
            "a number and a unit",
        ),
        (lambda: textbook.retention_value(100, 0.8, RATE, period="fortnight"), "not a time unit"),
        (lambda: textbook.value_frequency_lifespan(100, 4, "3"), "a number and a unit"),
    ],
)
def test_a_length_of_time_must_say_its_unit(call, message):
    with pytest.raises(UnitError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: textbook.retention_value(100, 80, RATE, period="year"), r"in \[0, 1\], got 80"),
        (lambda: textbook.retention_value(100, [0.8, -0.1], RATE, period="year"), "got -0.1"),
        (lambda: textbook.retention_value(np.nan, 0.8, RATE, period="year"), "must be finite"),
        (lambda: textbook.retention_value(100, RATE, 0, period="year"), "must be a number"),
        (lambda: textbook.retention_value(1, 0.8, RATE, period="year", timing="x"), "timing is"),
        (lambda: textbook.retention_value(1, 0.8, RATE, period="year", growth=-1), "exceed -1"),
        (lambda: textbook.value_frequency_churn(100, 4, 0), r"churn must lie in \(0, 1\], got 0"),
        (lambda: textbook.value_frequency_churn(100, 4, 25), "Write 0.2 for 20 %"),
        (lambda: textbook.value_frequency_lifespan(100, -4, 3), "must not be negative, got -4"),
        (lambda: textbook.value_frequency_lifespan(100, 4, 3, margin=30), "0.3 for 30 %"),
        (lambda: textbook.present_value(100, RATE, period="year"), "one entry per period"),
        (lambda: textbook.ltv_to_cac(100, 0), "acquisition_cost must be positive"),
        (lambda: textbook.payback_period(100, [5, 0]), "profit_per_period must be positive"),
        (lambda: textbook.roi(100, 0), "cost must be positive"),
        (lambda: textbook.elasticities(1.0, 0, period="year"), "CLV is infinite"),
        (lambda: textbook.component_value(100, 1.2, 0.5), r"share_of_wallet must lie in \[0, 1\]"),
    ],
)
def test_numbers_outside_their_domain_are_refused(call, message):
    with pytest.raises(ParameterError, match=message):
        call()


@pytest.mark.parametrize(
    ("retention", "discount", "growth"),
    [(1.0, 0, 0.0), (0.95, RATE, 0.2), ([0.5, 0.99], DiscountRate(-0.02, per="year"), 0.0)],
)
def test_divergent_sums_are_refused_for_ever_but_not_over_a_horizon(retention, discount, growth):
    with pytest.raises(ParameterError, match=r"for ever diverges.*Give a horizon"):
        textbook.retention_value(100, retention, discount, period="year", growth=growth)
    value = textbook.retention_value(
        100, retention, discount, period="year", growth=growth, horizon="10 years"
    )
    assert np.isfinite(value).all()


def test_sums_past_the_largest_float_are_refused():
    with pytest.raises(ParameterError, match="Shorten the horizon"):
        textbook.retention_value(1, 1.0, 0, period="year", growth=0.2, horizon="99999 years")

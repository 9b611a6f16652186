"""The formulas against brute-force sums, limits and each other."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from clvmodels import textbook
from clvmodels.textbook.retention import TIMINGS
from clvmodels.units import DiscountRate, Horizon

RATE = DiscountRate(0.12, per="year")
NEARLY_ONE = 1 - 1e-9

shares = st.floats(0, 1)
rates = st.floats(1e-6, 0.9).map(lambda rate: DiscountRate(rate, per="year"))
terms = st.floats(0, 500)


def brute_force(timing, m, r, d, g, years):
    """Payments one by one; the part of a last period pays its part."""
    total, whole = 0.0, int(years)
    for k in range(whole + 1):
        weight = 1.0 if k < whole else years - whole
        start = {"first_payment_now": 1.0, "just_acquired": r, "period_end": 1.0}[timing]
        time = k if timing == "first_payment_now" else k + 1
        total += weight * m * start * r**k * (1 + g) ** k / (1 + d) ** time
    return total


@pytest.mark.parametrize("timing", TIMINGS)
@pytest.mark.parametrize(
    ("r", "d", "g"),
    [(0.8, 0.12, 0.0), (0.8, 0.12, 0.05), (1.0, 0.0, 0.0), (0.0, 0.1, 0.0), (0.9, 0.0, 0.2)],
)
@pytest.mark.parametrize("years", [0.0, 0.75, 1.0, 7.5, 30.0])
def test_retention_value_adds_up_payments(timing, r, d, g, years):
    value = textbook.retention_value(
        100, r, DiscountRate(d, per="year"), period="year", timing=timing, growth=g,
        horizon=Horizon(years, "year"),
    )  # fmt: skip
    # 1e-12: a closed form against at most 31 rounded terms
    assert value == pytest.approx(brute_force(timing, 100, r, d, g, years), rel=1e-12, abs=1e-12)


@given(retention=shares, rate=rates)
def test_three_timings_differ_by_known_factors(retention, rate):
    now, acquired, end = (
        textbook.margin_multiple(retention, rate, period="year", timing=timing)
        for timing in ("first_payment_now", "just_acquired", "period_end")
    )
    assert now == pytest.approx(end * (1 + rate.rate), rel=1e-9)
    assert acquired == pytest.approx(end * retention, rel=1e-9)
    assert now == pytest.approx(1 + acquired, rel=1e-9)


@pytest.mark.parametrize("timing", TIMINGS)
def test_for_ever_is_the_limit_of_long_horizons(timing):
    for_ever = textbook.margin_multiple(0.9, RATE, period="year", timing=timing)
    long = textbook.margin_multiple(0.9, RATE, period="year", timing=timing, horizon="300 years")
    assert long == pytest.approx(for_ever, rel=1e-12)


@given(retention=shares, rate=rates, share_of_rate=st.floats(-0.9, 0.99))
def test_growth_replaces_the_discount_rate(retention, rate, share_of_rate):
    # Fader and Hardie (2015), footnote 7: d becomes (d - g) / (1 + g); where the first payment is
    # one period away, it then is m (1 + g)
    growth = share_of_rate * rate.rate / 2 if share_of_rate < 0 else share_of_rate * rate.rate
    assume((rate.rate - growth) / (1 + growth) <= 2)  # beyond it a rate is refused
    net = DiscountRate((rate.rate - growth) / (1 + growth), per="year")
    for timing in TIMINGS:
        grown = textbook.margin_multiple(
            retention, rate, period="year", timing=timing, growth=growth
        )
        replaced = textbook.margin_multiple(retention, net, period="year", timing=timing)
        factor = 1 if timing == "first_payment_now" else 1 + growth
        # 1e-6: 1 + d - r loses up to ten digits at these d and r
        assert grown * factor == pytest.approx(replaced, rel=1e-6)


def test_churn_form_for_ever_is_one_over_churn():
    for_ever = textbook.value_frequency_churn(100, 4, 0.25)
    assert for_ever == textbook.value_frequency_lifespan(100, 4, 1 / 0.25)
    cut = textbook.value_frequency_churn(100, 4, 0.25, horizon="200 years", period="year")
    assert cut == pytest.approx(for_ever, rel=1e-12)


@given(churn=st.floats(1e-6, 1), years=terms)
def test_churn_form_is_undiscounted_retention_with_first_payment_now(churn, years):
    horizon = Horizon(years, "year")
    by_churn = textbook.value_frequency_churn(100, 4, churn, horizon=horizon, period="year")
    by_retention = textbook.retention_value(
        400, 1 - churn, 0, period="year", timing="first_payment_now", horizon=horizon
    )
    assert by_churn == pytest.approx(by_retention, rel=1e-12)


def test_geometric_sum_keeps_its_digits_near_one():
    # 1 - q^n over 1 - q at q = 1 - 1e-9, n = 10: 10 - 45e-9 to first order
    value = textbook.margin_multiple(
        NEARLY_ONE, 0, period="year", timing="first_payment_now", horizon="10 years"
    )
    assert value == pytest.approx(10 - 45e-9, rel=1e-14)


def test_certain_years_are_retention_one_paid_at_period_end():
    annuity = textbook.discounted_profit(100, 7.25, RATE)
    certain = textbook.retention_value(
        100, 1.0, RATE, period="year", timing="period_end", horizon="7.25 years"
    )
    assert annuity == pytest.approx(certain, rel=1e-12)
    flows = [100.0] * 7 + [25.0]
    assert textbook.present_value(flows, RATE, period="year") == pytest.approx(annuity, rel=1e-12)


def test_perpetuity_is_the_limit_of_certain_years():
    # m / d
    assert textbook.discounted_profit(100, 1000, RATE) == pytest.approx(100 / 0.12, rel=1e-12)


def test_undiscounted_years_just_add_up():
    assert textbook.discounted_profit(100, 3, 0) == 300
    assert textbook.annual_spend_years(100, 3, acquisition_cost=50) == 250


def test_berger_nasr_by_brute_force():
    gc, m, r, d, n = 260.0, 50.0, 0.75, 0.20, 6
    expected = sum(gc * r**i / (1 + d) ** i for i in range(n + 1))
    expected -= sum(m * r ** (i - 1) / (1 + d) ** (i - 0.5) for i in range(1, n + 1))
    value = textbook.berger_nasr(gc, m, r, n, DiscountRate(d, per="year"))
    assert value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("which", ["retention", "discount"])
def test_elasticities_are_log_derivatives(which):
    r, d, step = 0.84, 0.12, 1e-6

    def log_value(factor):
        keep = r * (factor if which == "retention" else 1)
        rate = d * (factor if which == "discount" else 1)
        return np.log(
            textbook.retention_value(80, keep, DiscountRate(rate, per="year"), period="year")
        )

    slope = (log_value(1 + step) - log_value(1 - step)) / (2 * step)
    effect = textbook.elasticities(r, DiscountRate(d, per="year"), period="year")
    # 1e-8: central differences at step 1e-6
    assert getattr(effect, which) == pytest.approx(slope, rel=1e-8)


def test_net_value_takes_costs_off_one_by_one():
    net = textbook.net_value(
        1200, acquisition_cost=150, annual_retention_cost=50, years=3, discount=RATE
    )
    assert net == pytest.approx(1200 - 150 - sum(50 / 1.12**t for t in (1, 2, 3)), rel=1e-12)


def test_unit_economics_agree_with_each_other():
    value, cost = textbook.value_frequency_churn(50, 1, 0.05, margin=0.8), 200
    assert textbook.ltv_to_cac(value, cost) == pytest.approx(4, rel=1e-12)
    assert textbook.roi(value, cost) == pytest.approx(textbook.ltv_to_cac(value, cost) - 1)
    assert textbook.payback_period(cost, 50 * 0.8) == 5


def test_components_show_their_parts_and_sum():
    value = textbook.component_value(
        2000, 0.3, 0.25, word_of_mouth=40, information=3, knowledge=2, transaction=-5
    )
    assert value.parts == {
        "purchase": 150, "word_of_mouth": 40, "information": 3, "knowledge": 2, "transaction": -5,
    }  # fmt: skip
    assert value.total == 190
    with pytest.raises(AttributeError):
        value.purchase = 0


@given(retention=shares, rate=rates, years=terms, growth=st.floats(-0.99, 0.5))
def test_finite_for_valid_input(retention, rate, years, growth):
    horizon = Horizon(years, "year")
    for timing in TIMINGS:
        value = textbook.retention_value(
            100, retention, rate, period="year", timing=timing, growth=growth, horizon=horizon
        )
        assert np.isfinite(value)
        assert value >= 0
    assert np.isfinite(textbook.discounted_profit(100, years, rate))
    assert np.isfinite(textbook.berger_nasr(100, 10, retention, years, rate))


@given(years=st.floats(0, 60), more=st.floats(0, 60), churn=st.floats(1e-9, 1))
def test_longer_horizons_are_worth_no_less(years, more, churn):
    worth = [
        textbook.value_frequency_churn(1, 1, churn, horizon=Horizon(h, "year"), period="year")
        for h in (years, years + more)
    ]
    assert worth[0] <= worth[1] * (1 + 1e-12)
    assert worth[1] <= min(years + more, 1 / churn) * (1 + 1e-9)

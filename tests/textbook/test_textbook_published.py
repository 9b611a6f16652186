"""The formulas against printed numbers."""

import pytest

from clvmodels import textbook
from clvmodels.units import DiscountRate


def per_year(rate):
    return DiscountRate(rate, per="year")


def test_value_times_frequency_times_lifespan():
    # the practitioners' standing example: 100 x 4 x 3
    assert textbook.value_frequency_lifespan(100, 4, 3) == 1200


def test_gupta_lehmann_stuart_250():
    # Gupta, Lehmann and Stuart (2004), Valuing Customers: margin 100, retention .80, 12 % -> $250
    value = textbook.retention_value(100, 0.80, per_year(0.12), period="year")
    assert value == pytest.approx(250, rel=1e-12)


def test_five_certain_years_are_44_per_cent_too_high():
    # ibid.: five years of $100 for certain are worth $360, "44 % too high"
    certain = textbook.discounted_profit(100, 5, per_year(0.12))
    assert certain == pytest.approx(360, abs=0.5)
    assert certain / 250 - 1 == pytest.approx(0.44, abs=0.005)


@pytest.mark.parametrize(
    ("retention", "expected"),
    [
        (0.60, [1.20, 1.15, 1.11, 1.07]),
        (0.70, [1.75, 1.67, 1.59, 1.52]),
        (0.80, [2.67, 2.50, 2.35, 2.22]),
        (0.90, [4.50, 4.09, 3.75, 3.46]),
    ],
)
def test_margin_multiples(retention, expected):
    # r / (1 + i - r) to two decimals; 2.67 at .80 and 10 % is Gupta and Lehmann's, the others were
    # worked out by hand
    rates = [per_year(i) for i in (0.10, 0.12, 0.14, 0.16)]
    multiples = [textbook.margin_multiple(retention, rate, period="year") for rate in rates]
    assert multiples == pytest.approx(expected, abs=0.0051)


def test_gupta_lehmann_elasticities():
    # Gupta and Lehmann (2003), as quoted: m 80, r .84, i 12 % -> CLV 240, multiple 3, elasticity 4
    rate = per_year(0.12)
    assert textbook.retention_value(80, 0.84, rate, period="year") == pytest.approx(240, rel=1e-12)
    assert textbook.margin_multiple(0.84, rate, period="year") == pytest.approx(3, rel=1e-12)
    effect = textbook.elasticities(0.84, rate, period="year")
    assert effect.retention == pytest.approx(4, rel=1e-12)
    assert effect.margin == 1


def test_berger_nasr_case_1():
    # Berger and Nasr (1998), case 1, as quoted: GC 260, M 50, r .75, d 20 %, n 10 -> 568.78
    value = textbook.berger_nasr(260, 50, 0.75, 10, per_year(0.20))
    assert value == pytest.approx(568.78, abs=0.005)


def test_constant_retention_before_a_renewal():
    # Fader and Hardie, note 032: $100 a year, 10 %, constant retention .833, just before a renewal
    # decision -> $343
    about_to_pay = textbook.retention_value(
        100, 0.833, per_year(0.10), period="year", timing="first_payment_now"
    )
    assert 0.833 * about_to_pay == pytest.approx(343, abs=0.5)

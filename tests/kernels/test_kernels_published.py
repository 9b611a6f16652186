"""Predictions at cases that were printed, reported as bugs, or worked out to 60 digits."""

import numpy as np
import pytest
from oracles.box import LOUD

from clvmodels.kernels import beta_geo, modified_beta_geo, nbd

PARAMETERS = ("r", "alpha", "a", "b")
PAPER = (0.243, 4.414, 0.793, 2.426)  # Fader, Hardie and Lee (2005), table 2
EXACT = (0.2425945, 4.4136019, 0.7929199, 2.4258881)  # the same before rounding, weeks unrounded
PLUS = (0.525, 6.183, 0.891, 1.614)  # MBG/NBD on the same data: BTYDplus, lifetimes' tests


@pytest.fixture(autouse=True)
def loud():
    with np.errstate(**LOUD):
        yield


def named(values):
    return dict(zip(PARAMETERS, map(np.float64, values), strict=True))


def alive_and_expected(kernel, params, person, t):
    x, t_x, T = map(np.float64, person)
    alive = kernel.prob_alive(x, t_x, T, **named(params))
    return alive, alive * kernel.purchases_if_alive(x, T, np.float64(t), **named(params))


@pytest.mark.parametrize(
    ("kernel", "params", "person", "t", "alive", "expected"),
    [
        # 60-digit mpmath values, of cases from the lifetimes and pymc-marketing trackers
        (beta_geo, PAPER, (2, 30.43, 38.86), 39, 0.7265785701, 1.226028175),
        (beta_geo, (0.11, 2.24, 0.31, 0.50), (0, 0, 1), 30, 1, 0.5645886155),  # lifetimes #302
        (beta_geo, (0.24, 4.41, 1.0, 2.43), (2, 30.43, 38.86), 39, 0.6785610983, 1.101720353),
        (beta_geo, (0.24, 4.41, 1 + 1e-12, 2.43), (2, 30.43, 38.86), 39, None, 1.101720353),
        (beta_geo, (0.24, 4.41, 1 + 1e-14, 2.43), (2, 30.43, 38.86), 39, None, 1.101720353),
        (beta_geo, (0.24, 4.41, 0.5, 0.5), (0, 0, 38.86), 39, 1, 0.1751424885),  # a + b = 1
        (beta_geo, PAPER, (500, 499.5, 500), 2000, None, 949.6292407),
        (beta_geo, PAPER, (1000, 499.5, 500), 2000, None, 1898.126747),
        (beta_geo, PAPER, (3000, 364, 365), 30, 0.5265087749, 124.3448252),
        (beta_geo, PAPER, (0, 0, 100), 50, 1, 0.1089131964),  # lifetimes #307: a one-time buyer
        (beta_geo, PAPER, (1, 1, 100), 50, None, 0.03901639274),  # is worth more than a quitter
        (modified_beta_geo, PLUS, (500, 499.5, 500), 2000, None, 873.7185396),
        (modified_beta_geo, PLUS, (1000, 499.5, 500), 2000, None, 1745.862132),
        (modified_beta_geo, PLUS, (0, 0, 1000), 30, 0.1111315815, 0.001729617685),
        (modified_beta_geo, (0.11, 2.24, 0.31, 0.50), (0, 0, 1), 30, 0.6076476922, 0.439906209),
    ],
)
def test_reported_cases(kernel, params, person, t, alive, expected):
    got = alive_and_expected(kernel, params, person, t)
    if alive is not None:
        assert got[0] == pytest.approx(alive, rel=2e-9)  # ten digits given
    assert got[1] == pytest.approx(expected, rel=2e-9)


@pytest.mark.parametrize(
    ("params", "expected"),
    [((0.24, 4.41, 1, 2.43), 1.277333397), ((0.24, 4.41, 0.5, 0.5), 1.082706164)],
)
def test_new_customers_at_removable_singularities(params, expected):
    # 60-digit mpmath values
    got = beta_geo.purchases_if_alive(*map(np.float64, (0, 0, 52)), **named(params))
    assert got == pytest.approx(expected, rel=2e-9)


def test_expected_purchases_of_a_new_customer():
    # Fader, Hardie and Lee (2005), note 004: E[X(t)] to four decimals
    t = np.array([1 / 7, 1, 3, 31 + 6 / 7, 32, 78])
    got = beta_geo.purchases_if_alive(np.float64(0), np.float64(0), t, **named(EXACT))
    np.testing.assert_allclose(got[:5], [0.0078, 0.0532, 0.1506, 1.0405, 1.0437], atol=5e-5)
    # depends on digits of the parameters that the note does not print
    assert got[5] == pytest.approx(1.8576, abs=5e-4)


def test_btyd_vignette():
    # R package BTYD 2.4.3, vignette: E[X(52)] and customer 1516
    got = beta_geo.purchases_if_alive(*map(np.float64, (0, 0, 52)), **named(EXACT))
    assert got == pytest.approx(1.444004, rel=5e-6)
    alive, expected = alive_and_expected(beta_geo, EXACT, (26, 30.85714, 31), 52)
    assert alive == pytest.approx(0.9688523, rel=5e-6)
    assert expected == pytest.approx(25.75659, rel=5e-5)  # its optimiser stops a little early


def test_alive_just_after_the_first_repeat_purchase():
    # b / (a + b), lifetimes #372
    got = beta_geo.prob_alive(*map(np.float64, (1, 20, 20)), **named(PAPER))
    assert got == pytest.approx(0.7536502019, rel=2e-10)


def test_purchase_counts_of_a_new_customer():
    # R package BTYD, documentation of bgnbd.pmf
    nobody, params = np.float64(0), named(PAPER)
    assert beta_geo.pmf_if_alive(
        np.float64(10), nobody, nobody, np.float64(2), **params
    ) == pytest.approx(1.07869e-7, rel=5e-6)
    assert beta_geo.pmf_if_alive(nobody, nobody, nobody, np.float64(39), **params) == pytest.approx(
        0.5737864, rel=1e-7
    )
    n = np.arange(11.0, 21)
    got = beta_geo.pmf_if_alive(n, nobody, nobody, np.float64(30), **params)
    printed = [
        0.0019995214, 0.0015170236, 0.0011633150, 0.0009003148, 0.0007023638,
        0.0005517902, 0.0004361913, 0.0003467171, 0.0002769613, 0.0002222260,
    ]  # fmt: skip
    np.testing.assert_allclose(got, printed, rtol=0, atol=5e-11)


@pytest.mark.parametrize(
    ("kernel", "params", "person", "t"),
    [
        (beta_geo, PAPER, (1500, 100, 1500), 30),  # 3.6e-1734 in truth
        # overflows to NaN in lifetimes 0.11.3
        (modified_beta_geo, (0.3109, 20.597, 0.0569, 27.0294), (1000, 95.66, 206.81), 606.5),
    ],
)
def test_customers_long_gone_expect_nothing_and_raise_no_warning(kernel, params, person, t):
    alive, expected = alive_and_expected(kernel, params, person, t)
    assert 0 <= expected < 1e-100
    assert 0 <= alive < 1e-100


def test_a_customer_dead_beyond_the_smallest_number_expects_exactly_nothing():
    alive, expected = alive_and_expected(beta_geo, PAPER, (1500, 100, 1500), 30)
    assert alive == 0
    assert expected == 0


def test_nbd_conditional_mean_by_hand():
    # t (r + x) / (alpha + T) at the CDNOW estimates of Hardie's note 005
    got = nbd.purchases_if_alive(*map(np.float64, (2, 38.86, 39)), r=0.385, alpha=12.072)
    assert got == pytest.approx(39 * 2.385 / 50.932, rel=1e-15)

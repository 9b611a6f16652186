"""Displays of purchases: the published figures of the CDNOW sample, and sums that must hold."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from clvmodels.data.datasets import load_cdnow
from clvmodels.data.splits import calibration_holdout_split
from clvmodels.data.summary import RFMSummary
from clvmodels.evaluation.frequency import ACTUAL
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.report.purchases import AliveMatrix, FrequencyHistogram
from clvmodels.report.tracking import Tracking
from clvmodels.units import Horizon

CUSTOMERS = 2357


@pytest.fixture(scope="module")
def histogram(fits, cdnow):
    return FrequencyHistogram.of(fits, cdnow.calibration)


@pytest.fixture(scope="module")
def tracking(fits, cdnow):
    return Tracking.of(cdnow, fits)


def total(display, method, column, **where):
    rows = display.frame[display.frame["method"] == method]
    for name, value in where.items():
        rows = rows[rows[name] == value]
    return rows[column].sum()


@pytest.mark.parametrize(
    ("model", "published"),
    [
        # Fader, Hardie and Lee (2005), Marketing Science 24(2), section 5: bins 0, .., 6 and 7+
        ("BG/NBD", 4.82),
        # Fader and Hardie's NBD benchmark for the same figure
        ("NBD", 10.27),
    ],
)
def test_histogram_has_the_published_chi_square(histogram, model, published):
    assert histogram.chi_square[model] == pytest.approx(published, abs=0.006)


def test_histogram_counts_every_customer_once(histogram, fits):
    for method in (ACTUAL, *fits):
        assert total(histogram, method, "customers") == pytest.approx(CUSTOMERS, rel=1e-9)
    # 1,411 customers without a repeat purchase: Fader, Hardie and Lee (2005), table 2
    assert total(histogram, ACTUAL, "customers", purchases=0) == 1411


def test_histogram_in_days_is_the_histogram_in_weeks(histogram, fits, cdnow):
    weeks = cdnow.calibration
    days = RFMSummary(
        customer_id=weeks.customer_id,
        frequency=weeks.frequency,
        recency=weeks.recency * 7,
        T=weeks.T * 7,
        monetary_value=None,
        time_unit="day",
    )
    again = FrequencyHistogram.of({"BG/NBD": fits["BG/NBD"]}, days)
    assert again.chi_square["BG/NBD"] == pytest.approx(histogram.chi_square["BG/NBD"], rel=1e-9)


def test_histogram_of_more_ages_than_can_be_asked_for(fits, cdnow):
    # every customer of an age of their own, spread around the one they had
    weeks = cdnow.calibration
    spread = RFMSummary(
        customer_id=weeks.customer_id,
        frequency=weeks.frequency,
        recency=weeks.recency * (1 - 1e-3),
        T=weeks.T * (1 + 1e-3 * np.linspace(-1, 1, CUSTOMERS)),
        monetary_value=None,
        time_unit="week",
    )
    fit = {"BG/NBD": fits["BG/NBD"]}
    few, many = (FrequencyHistogram.of(fit, data) for data in (weeks, spread))
    assert total(many, "BG/NBD", "customers") == pytest.approx(CUSTOMERS)
    np.testing.assert_allclose(many.frame["customers"], few.frame["customers"], rtol=1e-3)


def test_histogram_counts_weights():
    data = RFMSummary(
        customer_id=[1, 2], frequency=[0, 2], recency=[0, 5], T=[9, 9], monetary_value=None,
        time_unit="week", weight=[3, 5],
    )  # fmt: skip
    fit = BetaGeoModel().with_params(r=0.243, alpha=4.414, a=0.793, b=2.426, time_unit="week")
    display = FrequencyHistogram.of({"BG/NBD": fit}, data, top=3)
    assert display.frame["customers"][:4].tolist() == [3, 0, 5, 0]
    assert total(display, "BG/NBD", "customers") == pytest.approx(8)


def test_histogram_with_classes_where_nobody_can_be(fits):
    data = RFMSummary(
        customer_id=[1, 2], frequency=[0, 0], recency=[0, 0], T=[0, 0], monetary_value=None,
        time_unit="week",
    )  # fmt: skip
    display = FrequencyHistogram.of(fits, data)
    assert display.chi_square == dict.fromkeys(fits, 0.0)


def test_histogram_tells_of_the_first_model(histogram, fits, cdnow):
    assert histogram.title.startswith("BG/NBD puts 1.3 % of the customers")
    other = FrequencyHistogram.of({"MBG/NBD": fits["MBG/NBD"]}, cdnow.calibration)
    assert other.title.startswith("MBG/NBD puts 1.1 % of the customers")
    assert "BG/NBD 4.82" in histogram.caption


def test_tracking_underforecasts_as_published(tracking):
    # Fader, Hardie and Lee (2005), section 5: 4 % below the actual total at week 78
    assert tracking.error()["BG/NBD"] == pytest.approx(-0.04, abs=0.0015)


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        (100.2, "as many {} as came"),
        (96.0, "4 % fewer {} than came"),
        (112.0, "12 % more {} than came"),
    ],
)
def test_tracking_says_how_many_came(tracking, expected, words):
    frame = tracking.frame.groupby("method", sort=False).tail(1).assign(purchases=100.0)
    frame.loc[frame["method"] == "BG/NBD", "purchases"] = expected
    said = replace(tracking, frame=frame, cumulative=False)
    assert said.title == f"BG/NBD foresees {words.format('purchases in the holdout')}"
    assert words.format("in all") in replace(said, cumulative=True).title


def test_tracking_ends_where_the_expected_purchases_of_all_customers_do(tracking, fits, cdnow):
    fit, data = fits["BG/NBD"], cdnow.calibration
    by_the_end = [
        fit.expected_purchases_new_customer(Horizon(T + 39, "week")) for T in data.T.tolist()
    ]
    assert total(tracking, "BG/NBD", "purchases") == pytest.approx(sum(by_the_end), rel=1e-9)


def test_tracking_counts_every_actual_purchase(tracking, cdnow):
    before = total(tracking, ACTUAL, "purchases", holdout=False)
    after = total(tracking, ACTUAL, "purchases", holdout=True)
    assert before == cdnow.calibration.frequency.sum() == 2457
    assert after == cdnow.holdout_purchases.sum() == 1882
    rows = tracking.frame[tracking.frame["method"] == ACTUAL]
    assert len(rows) == 78
    assert rows["cumulative"].iloc[-1] == before + after


def test_tracking_of_models_never_falls(tracking, fits):
    for name in fits:
        so_far = tracking.frame.loc[tracking.frame["method"] == name, "cumulative"]
        assert all(a <= b for a, b in pairwise(so_far))


def test_tracking_does_not_draw_a_part_of_a_week_as_a_week(fits):
    split = calibration_holdout_split(
        load_cdnow(sample=True), cutoff="1997-09-30", horizon="40 days", time_unit="week"
    )  # 39 weeks, then 5 and a part

    def left_out(cumulative):
        display = Tracking.of(split, {"NBD": fits["NBD"]}, cumulative=cumulative)
        assert total(display, ACTUAL, "purchases", holdout=True) == split.holdout_purchases.sum()
        rows = display.frame[display.frame["method"] == ACTUAL]
        drawn = display.plot().lines[0].get_xdata()
        return len(rows) - len(drawn), "is not whole" in display.caption

    assert left_out(cumulative=False) == (1, True)
    assert left_out(cumulative=True) == (0, False)


def test_tracking_by_month_has_the_same_total(tracking, fits, cdnow):
    months = Tracking.of(cdnow, {"NBD": fits["NBD"]}, unit="month")
    assert total(months, "NBD", "purchases") == pytest.approx(total(tracking, "NBD", "purchases"))


def test_tracking_says_how_far_off_it_is(tracking, fits, cdnow):
    assert tracking.title == "BG/NBD foresees 11 % fewer purchases in the holdout than came"
    so_far = Tracking.of(cdnow, fits, cumulative=True)
    assert so_far.title == (
        "BG/NBD foresees 11 % fewer purchases in the holdout than came, and 4.1 % fewer in all "
        "than came"
    )
    assert all("not the bias of a league table" in each.caption for each in (tracking, so_far))


def test_tracking_titles_fit_whatever_the_name(cdnow, fits):
    named = {"MBG/CNBD-2": fits["NBD"]}
    for cumulative in (False, True):
        ax = Tracking.of(cdnow, named, cumulative=cumulative).plot()
        ax.figure.draw_without_rendering()
        box = ax._left_title.get_window_extent()
        assert ax.get_title(loc="left").count("\n") <= 2
        assert box.x1 <= ax.figure.bbox.x1
        assert box.y1 <= ax.figure.bbox.y1


def test_alive_matrix_holds_what_the_model_says_of_such_customers(fits, cdnow):
    fit = fits["BG/NBD"]
    display = AliveMatrix.of("BG/NBD", fit, cdnow.calibration)
    cell = display.frame.iloc[137]
    same = RFMSummary(
        customer_id=[1], frequency=[cell["frequency"]], recency=[cell["recency"]],
        T=[display.age.length], monetary_value=None, time_unit="week",
    )  # fmt: skip
    assert fit.probability_alive(same)[0] == pytest.approx(cell["p_alive"], rel=1e-12)
    assert display.once == 1  # BG/NBD takes all one-time buyers for alive


def test_alive_matrix_finds_the_silence_of_even_odds(fits, cdnow):
    display = AliveMatrix.of("BG/NBD", fits["BG/NBD"], cdnow.calibration)
    weeks = float(display.title.split(", ")[1].split()[0])
    at = RFMSummary(
        customer_id=[1], frequency=[4], recency=[display.age.length - weeks],
        T=[display.age.length], monetary_value=None, time_unit="week",
    )  # fmt: skip
    # the title rounds to a week
    assert fits["BG/NBD"].probability_alive(at)[0] == pytest.approx(0.5, abs=0.03)


def test_alive_matrix_of_a_model_without_dropout(fits, cdnow):
    display = AliveMatrix.of("NBD", fits["NBD"], cdnow.calibration)
    assert display.title == "NBD never gives up a customer with 4 repeat purchases"


def test_alive_matrix_of_a_model_that_gives_up_at_once(cdnow):
    # P(alive) right after the purchase is (b + x) / (a + b + x), below one half for a > b + x
    fit = BetaGeoModel().with_params(r=1, alpha=1, a=90, b=1, time_unit="week")
    display = AliveMatrix.of("BG/NBD", fit, cdnow.calibration)
    assert display.title == "BG/NBD gives up customers with 4 repeat purchases at once"


def test_alive_matrix_stays_small_whatever_the_busiest_customer_does(fits):
    data = RFMSummary(
        customer_id=[1, 2], frequency=[90_000, 1], recency=[38, 1], T=[39, 39],
        monetary_value=None, time_unit="week",
    )  # fmt: skip
    assert len(AliveMatrix.of("BG/NBD", fits["BG/NBD"], data).frame) <= 40 * 60


def test_alive_matrix_of_customers_who_all_bought_once(fits):
    data = RFMSummary(
        customer_id=[1, 2], frequency=[0, 0], recency=[0, 0], T=[39, 20], monetary_value=None,
        time_unit="week",
    )  # fmt: skip
    frame = AliveMatrix.of("BG/NBD", fits["BG/NBD"], data).frame
    assert np.isfinite(frame["p_alive"]).all()

"""Operational time: fitted by a clock that runs faster in season, predicted by the calendar's."""

from dataclasses import replace
from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from model_examples import CHOICES, TRUE

from clvmodels.data.calendar import CalendarIndex
from clvmodels.data.datasets import load_cdnow
from clvmodels.data.summary import RFMSummary
from clvmodels.data.transactions import rfm_summary
from clvmodels.exceptions import DataError
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.clock import SeasonalClock
from clvmodels.models.nbd import NBDModel
from clvmodels.models.registry import PURCHASE_MODELS
from clvmodels.units import DiscountRate, Horizon, TimeUnit
from clvmodels.value.storage import load

CHRISTMAS = CalendarIndex.monthly({**dict.fromkeys(range(1, 11), 0.8), 11: 1.5, 12: 2.5})
FLAT = CalendarIndex.monthly(dict.fromkeys(range(1, 13), 1.0))
NOW = datetime(1997, 10, 1)
TENTH = DiscountRate(0.10, per="year")


def seasonal(key="beta_geo", calendar=CHRISTMAS):
    fit = PURCHASE_MODELS[key](**CHOICES.get(key, {})).with_params(**TRUE[key], time_unit="week")
    return replace(fit, clock=SeasonalClock(TimeUnit.WEEK, calendar, NOW))


def people(calendar=CHRISTMAS):
    data = RFMSummary.from_arrays(
        [0, 0, 1, 2, 7, 40], [0, 0, 1.7, 30.4, 35.0, 20.0], [0.5, 20, 38.9, 38.9, 35.0, 30.0],
        time_unit="week",
    )  # fmt: skip
    return replace(data, observation_end=NOW, calendar=calendar)


def log():
    return load_cdnow(sample=True)


def summary(**options):
    return rfm_summary(log(), time_unit="week", observation_end="1997-09-30", **options)


@pytest.mark.parametrize("key", PURCHASE_MODELS)
def test_a_constant_index_is_calendar_time(key):
    model = PURCHASE_MODELS[key](**CHOICES.get(key, {}))
    plain, flat = summary(litt=True), summary(litt=True, calendar=FLAT)
    one, other = model.fit(plain), model.fit(flat)
    assert other.loglik == pytest.approx(one.loglik, rel=1e-9)
    assert other.params == pytest.approx(one.params, rel=1e-4)
    one = replace(other, clock=one.clock)  # the same parameters by either clock
    for quantity in (
        lambda f, d: f.expected_purchases(d, "39 weeks"),
        lambda f, d: f.expected_purchases(d, "10 weeks", start="2 weeks"),
        lambda f, d: f.probability_alive(d, "5 weeks"),
        lambda f, d: f.residual_transactions(d, TENTH),
        lambda f, d: f.residual_transactions(d, TENTH, "1 year", "1 month"),
    ):
        np.testing.assert_allclose(quantity(other, flat), quantity(one, plain), rtol=1e-7)


def test_nbd_buys_in_proportion_to_the_clock():
    fit, data = seasonal("nbd"), people()
    rate = (TRUE["nbd"]["r"] + data.frequency) / (TRUE["nbd"]["alpha"] + data.T)
    for months in (1, 3, 15):
        length = Horizon(months, "month")
        weeks = CHRISTMAS.elapsed(NOW, [length.to("week")], TimeUnit.WEEK)[0]
        np.testing.assert_allclose(fit.expected_purchases(data, length), rate * weeks, rtol=1e-12)
    # discounted: the speed of the clock of each hour, at the hour's middle
    hours = np.arange(0, 24 * 365 * 3)
    ages = CHRISTMAS.elapsed(NOW, hours.astype(float), TimeUnit.HOUR) / 168
    weights = np.exp(-TENTH.force("hour") * (hours[:-1] + 0.5))
    want = rate * (weights @ np.diff(ages))
    got = fit.residual_transactions(data, TENTH, Horizon(float(hours[-1]), "hour"))
    np.testing.assert_allclose(got, want, rtol=1e-7)


def test_discounting_follows_the_seasons():
    fit, data = seasonal(), people()
    days = np.arange(0, 1500)
    upto = np.array([fit.expected_purchases(data, Horizon(float(t), "day")) for t in days])
    weights = np.exp(-TENTH.force("day") * (days[:-1] + 0.5))
    want = weights @ np.diff(upto, axis=0)
    got = fit.residual_transactions(data, TENTH, Horizon(1499, "day"))
    np.testing.assert_allclose(got, want, rtol=2e-6)  # days booked in their middle
    whole = fit.residual_transactions(data, TENTH)
    parts = fit.residual_transactions(data, TENTH, "2 years") + fit.residual_transactions(
        data, TENTH, start="2 years"
    )
    np.testing.assert_allclose(parts, whole, rtol=1e-9)
    # a fourth quarter is worth more than a first one
    before, after = (
        fit.expected_purchases(data, "92 days", start=s) for s in ("0 days", "92 days")
    )
    assert (before > after).all()


def test_waiting_times_and_simulations_are_in_calendar_time():
    fit, data = seasonal(), people()
    wait = fit.next_purchase_time(data, 0.2)
    finite = np.isfinite(wait)
    assert finite.any()
    for k in np.flatnonzero(finite):
        silent = fit.probability_no_purchase(data.select([k]), Horizon(float(wait[k]), "week"))[0]
        assert silent == pytest.approx(0.8, abs=1e-9)
    futures = fit.simulate_purchases(data, "13 weeks", draws=4000, seed=1)
    expected = fit.expected_purchases(data, "13 weeks")
    likely = expected > 0.05
    error = np.abs(futures.mean(0) - expected) / futures.std(0).clip(1e-9)
    assert (error[likely] < 4 / np.sqrt(4000)).all()
    base = fit.simulate(20_000, "39 weeks", seed=3)
    assert base.calendar == CHRISTMAS
    assert base.observation_end == NOW
    # of the 39 weeks before October, the clock counts fewer
    assert (base.T[0] == base.T).all()
    assert base.T[0] == pytest.approx(
        CHRISTMAS.elapsed(datetime(1997, 1, 1), [39.0], TimeUnit.WEEK)[0], rel=1e-6
    )


def test_fit_in_seasonal_time_and_back_from_a_file(tmp_path):
    data = summary(calendar=CHRISTMAS)
    fit = BetaGeoModel().fit(data)
    assert "weeks of operational time" in repr(fit)
    fit.save(tmp_path / "fit.json")
    again = load(tmp_path / "fit.json")
    pd.testing.assert_frame_equal(
        again.predict(data, "39 weeks"), fit.predict(data, "39 weeks"), check_exact=True
    )


def test_clocks_are_not_mixed_up():
    plain, data = summary(), summary(calendar=CHRISTMAS)
    by_calendar, by_season = NBDModel().fit(plain), NBDModel().fit(data)
    with pytest.raises(DataError, match="operational time"):
        by_calendar.expected_purchases(data, "1 week")
    with pytest.raises(DataError, match="calendar="):
        by_season.expected_purchases(plain, "1 week")
    with pytest.raises(DataError, match="another calendar"):
        by_season.expected_purchases(summary(calendar=FLAT), "1 week")


def test_a_dated_index_must_reach_as_far_as_the_horizon():
    dated = CalendarIndex.from_frame(
        pd.DataFrame({"date": pd.date_range("1996-12-30", periods=60, freq="W-MON"), "index": 1.0})
    )
    data = summary(calendar=dated)
    fit = NBDModel().fit(data)
    assert (fit.expected_purchases(data, "10 weeks") > 0).all()
    for call in (
        lambda: fit.expected_purchases(data, "39 weeks"),
        lambda: fit.residual_transactions(data, TENTH),
    ):
        with pytest.raises(DataError, match="cover"):
            call()

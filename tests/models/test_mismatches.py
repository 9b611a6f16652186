"""What does not belong together is refused, instead of giving a number."""

from dataclasses import replace
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

import clvmodels as clv
from clvmodels.exceptions import DataError, ParameterError

TENTH = clv.DiscountRate(0.10, per="year")
COUNTS = [1000, 900, 850, 820, 800]


@pytest.fixture(scope="module")
def rfm():
    return clv.datasets.load_cdnow_summary()


def test_contracts_of_another_length_are_not_valued():
    yearly, monthly = (
        clv.RetentionTable.from_survivors(COUNTS, period=p) for p in ("1 year", "1 month")
    )
    fit = clv.ShiftedBetaGeoModel().fit(yearly)
    for call in (
        lambda: fit.base_value(monthly, 10, TENTH),
        lambda: fit.predict(monthly, TENTH),
        lambda: fit.loglik_of(monthly),
        lambda: clv.compare([fit, clv.GeometricRetentionModel().fit(monthly)], monthly),
    ):
        with pytest.raises(DataError, match="1 month"):
            call()
    twelve = clv.RetentionTable.from_survivors(COUNTS, period="12 months")
    assert fit.loglik_of(twelve) == pytest.approx(fit.loglik, rel=1e-12)


def test_covariates_that_a_fit_does_not_know_are_refused(rfm):
    fit = clv.BetaGeoModel().fit(rfm)
    who = {"income": 3.0}
    for call in (
        lambda: fit.expected_purchases_new_customer("1 week", who),
        lambda: fit.purchase_pmf_new_customer(0, "1 week", who),
        lambda: fit.residual_transactions_new_customer(TENTH, covariates=who),
        lambda: fit.expected_curve(np.array([1.0]), who),
        lambda: fit.simulate(5, "1 week", covariates=who),
        lambda: clv.GammaGammaModel().fit(rfm).simulate([1, 2], covariates=who),
    ):
        with pytest.raises(ParameterError, match="no covariates"):
            call()
    with pytest.raises(ParameterError, match="Covariates"):
        clv.BetaGeoModel(covariates="income").fit(rfm)


def test_log_likelihoods_are_of_data_by_the_same_clock(rfm):
    dated = replace(rfm, observation_end=datetime(1997, 10, 1))
    index = clv.CalendarIndex.monthly({**dict.fromkeys(range(1, 12), 1.0), 12: 2.0})
    seasonal = dated.in_operational_time(index)
    plain = clv.BetaGeoModel().fit(rfm)
    with pytest.raises(DataError, match="operational time"):
        plain.loglik_of(seasonal)
    with pytest.raises(DataError, match="calendar="):
        clv.BetaGeoModel().fit(seasonal).loglik_of(rfm)
    with pytest.raises(DataError, match="observation_end"):
        replace(seasonal, observation_end=None)


def test_waiting_times_end_with_a_dated_calendar(rfm):
    dated = replace(rfm, observation_end=datetime(1997, 10, 1)).select(np.arange(50))
    weeks = pd.DataFrame({"date": pd.date_range("1996-12-30", periods=120, freq="W-MON")})
    data = dated.in_operational_time(clv.CalendarIndex.from_frame(weeks.assign(index=1.0)))
    fit = clv.BetaGeoModel().fit(data)
    busy = data.select(np.argsort(-fit.expected_purchases(data, "20 weeks"))[:3])
    wait = fit.next_purchase_time(busy, 0.2)
    assert np.isfinite(wait).all()
    with pytest.raises(DataError, match="calendar index ends"):
        fit.next_purchase_time(data, 0.999)


def test_what_is_pinned_down_has_a_standard_error(rfm):
    # the GGompertz/NBD of CDNOW is the Pareto/NBD: b and beta are open, r, alpha and s are not
    full, part = (
        m.fit(rfm).summary().set_index("parameter")
        for m in (clv.GGompertzNBDModel(), clv.ParetoNBDModel())
    )
    assert full.se[["b", "beta"]].isna().all()
    np.testing.assert_allclose(
        full.se[["r", "alpha", "s"]], part.se[["r", "alpha", "s"]], rtol=0.02
    )


def test_odd_arguments_get_an_answer(rfm):
    fit = clv.BetaGeoModel().fit(rfm)
    for ages in ([np.nan], [-1.0]):
        with pytest.raises(ParameterError, match="ages"):
            fit.expected_curve(np.array(ages))
    with pytest.raises(DataError, match="one for each date"):
        fit.probability_alive_path([])
    with pytest.raises(ParameterError, match="quantile"):
        fit.next_purchase_time(rfm, [0.1, 0.2])
    for model in (clv.GammaGammaModel(), clv.LognormalNormalModel()):
        with pytest.raises(ParameterError, match="whole"):
            model.fit(rfm).simulate([-1, 1.5])


def test_a_distant_future_of_seasons_is_discounted_in_little_memory(rfm):
    index = clv.CalendarIndex.monthly({**dict.fromkeys(range(1, 12), 1.0), 12: 2.0})
    data = replace(rfm, observation_end=datetime(1997, 10, 1)).in_operational_time(index)
    fit = clv.BetaGeoModel().fit(data)
    some = data.select(np.arange(3))
    far, ever = (fit.residual_transactions(some, TENTH, h) for h in ("100000 years", None))
    np.testing.assert_allclose(far, ever, rtol=1e-9)
    slowly = fit.residual_transactions(some, clv.DiscountRate(0.005, per="year"))
    assert (slowly > ever).all()

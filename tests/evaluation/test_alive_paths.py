"""P(alive) through the calendar: what the model says of a summary made as of each date."""

import numpy as np
import pandas as pd
import pytest

from clvmodels.bayes.mcmc import MCMC
from clvmodels.data.calendar import CalendarIndex
from clvmodels.data.conventions import Conventions
from clvmodels.data.datasets import load_cdnow, load_cdnow_summary
from clvmodels.data.purchase_dates import purchase_dates
from clvmodels.data.transactions import rfm_summary
from clvmodels.evaluation.alive_paths import alive_paths
from clvmodels.exceptions import DataError
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.covariates import Covariates
from clvmodels.models.nbd import NBDModel
from clvmodels.models.pareto_nbd import ParetoNBDModel

WEEKS = Conventions(time_unit="week")
BG = BetaGeoModel().with_params(r=0.243, alpha=4.414, a=0.793, b=2.426, time_unit="week")
PARETO = ParetoNBDModel().with_params(r=0.553, alpha=10.578, s=0.606, beta=11.669, time_unit="week")


@pytest.fixture(scope="module")
def log():
    return load_cdnow()


@pytest.mark.parametrize("fit", [BG, PARETO])
def test_a_path_is_that_of_summaries_of_each_date(log, fit):
    customers = [111, 157]
    path = alive_paths(fit, purchase_dates(log, customers, WEEKS))
    some = log[log["customer_id"].isin(customers)]
    for date in ("1997-03-31", "1997-09-30", "1998-06-30"):
        known = rfm_summary(some, time_unit="week", observation_end=date)
        expected = fit.probability_alive(known)
        for who, alive in zip(known.customer_id, expected, strict=True):
            own = path[(path["customer_id"] == who) & (path["date"] <= date)]
            near = own.iloc[-1]
            if near["date"] == pd.Timestamp(date):
                assert near["p_alive"] == pytest.approx(alive, rel=1e-12)
    last = path.groupby("customer_id").tail(1)
    assert (last["date"] == pd.Timestamp("1998-06-30")).all()
    np.testing.assert_allclose(last["p_alive"], expected, rtol=1e-12)


def test_it_falls_in_silence_and_jumps_at_purchases(log):
    path = alive_paths(PARETO, purchase_dates(log, [111], WEEKS))
    change = path["p_alive"].diff()[1:].to_numpy()
    bought = path["purchases"].diff()[1:].to_numpy() > 0
    assert (change[bought] > 0).all()
    assert (change[~bought] < 0).all()
    # a purchase takes no time
    assert (path["date"].diff()[1:].to_numpy()[bought] == np.timedelta64(0, "s")).all()
    assert path["purchases"].iloc[-1] == (log["customer_id"] == 111).sum()
    assert path["p_alive"].iloc[0] == 1  # on the day of the first purchase, of the Pareto/NBD


def test_intervals_where_a_fit_knows_its_uncertainty(log):
    dates = purchase_dates(log, [111], WEEKS)
    assert alive_paths(PARETO, dates)[["lo", "hi"]].isna().all(axis=None)
    path = alive_paths(ParetoNBDModel().fit(load_cdnow_summary()), dates)
    assert (path["lo"] <= path["p_alive"]).all()
    assert (path["p_alive"] <= path["hi"]).all()
    assert (path["hi"] > path["lo"]).mean() > 0.9


def test_refunds_and_several_rows_a_day_count_as_in_a_summary():
    log = pd.DataFrame(
        {
            "customer_id": ["u"] * 5,
            "date": ["2024-01-01", "2024-02-01 09:00", "2024-02-01 17:00", "2024-03-01",
                     "2024-03-05"],
            "value": [10.0, 5, 5, 8, -8],
        }
    )  # fmt: skip
    by = Conventions(time_unit="week", value="value", refunds="net")
    bought = purchase_dates(log, ["u"], by, "2024-04-30")
    assert bought.date.astype("M8[D]").astype(str).tolist() == ["2024-01-01", "2024-02-01"]
    assert bought.summary.frequency.tolist() == [1]


def test_hours_are_counted_by_the_hour():
    log = pd.DataFrame({"customer_id": [1, 1], "date": ["2024-01-01 08:10", "2024-01-01 10:50"]})
    fit = NBDModel().with_params(r=1, alpha=5, time_unit="hour")
    bought = purchase_dates(log, [1], Conventions(time_unit="hour"), "2024-01-01 13:00")
    path = alive_paths(fit, bought)
    assert path["date"].dt.hour.tolist() == [8, 9, 10, 10, 11, 12, 13]


def test_operational_time_is_that_of_the_summary(log):
    index = CalendarIndex.monthly({m: 3 if m in (11, 12) else 1 for m in range(1, 13)})
    data = rfm_summary(log, time_unit="week", observation_end="1998-06-30", calendar=index)
    fit = ParetoNBDModel().fit(data)
    by = Conventions(time_unit="week", calendar=index)
    path = alive_paths(fit, purchase_dates(log, [111], by))
    expected = fit.probability_alive(data)[data.customer_id == 111]
    assert path["p_alive"].iloc[-1] == pytest.approx(expected[0], rel=1e-9)


def test_covariates_travel_with_the_customer(log):
    log = log.assign(age=log["customer_id"] % 50)
    data = rfm_summary(log, time_unit="week", observation_end="1998-06-30", keep=["age"])
    fit = ParetoNBDModel(covariates=Covariates(dropout="age")).fit(data)
    bought = purchase_dates(log, [111, 1500], Conventions(time_unit="week", keep=["age"]))
    last = alive_paths(fit, bought).groupby("customer_id")["p_alive"].last()
    expected = fit.probability_alive(data)[np.isin(data.customer_id, [111, 1500])]
    np.testing.assert_allclose(last, expected, rtol=1e-12)


@pytest.mark.slow
# short chains, whose r-hat and effective sizes are what they are
@pytest.mark.filterwarnings("ignore:NOT to be relied on")
def test_groups_travel_with_the_customer(log):
    log = log.assign(market=np.where(log["customer_id"] > 1000, "B", "A"))
    data = rfm_summary(log, time_unit="week", observation_end="1998-06-30", keep=["market"])
    some = np.isin(data.customer_id, [111, 1500])
    few = data.select(some | (np.arange(len(data)) % 60 == 0))
    method = MCMC(draws=50, chains=2, tune=150, seed=1, groups="market", progress=False)
    fit = BetaGeoModel().fit(few, method)
    bought = purchase_dates(log, [111, 1500], Conventions(time_unit="week", keep=["market"]))
    last = alive_paths(fit, bought).groupby("customer_id")["p_alive"].last()
    np.testing.assert_allclose(last, fit.probability_alive(data.select(some)), rtol=1e-12)


def test_customers_who_are_not_there(log):
    with pytest.raises(DataError, match=r"1 of 2 .*99999"):
        purchase_dates(log, [111, 99999], WEEKS)
    with pytest.raises(DataError, match="customer ids are of type int"):
        purchase_dates(log, ["111"], WEEKS)
    with pytest.raises(DataError, match="at least one"):
        purchase_dates(log, [], WEEKS)

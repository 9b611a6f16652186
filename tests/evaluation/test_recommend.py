"""What `recommend` says of settings that are known."""

import numpy as np
import pandas as pd
import pytest

import clvmodels as clv
from clvmodels.exceptions import DataWarning


def donors(n=200, seed=0):
    """People who may give at the start of each quarter, and mostly do."""
    rng = np.random.default_rng(seed)
    quarters = pd.date_range("2015-01-01", "2020-12-31", freq="QS")
    rows = [
        {"customer_id": k, "date": day}
        for k in range(n)
        for day in quarters[rng.random(len(quarters)) < rng.beta(1, 1)]
    ]
    return pd.DataFrame(rows)


def subscribers(n=200, seed=1):
    """Months paid from any day on, until the customer leaves."""
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(n):
        first = pd.Timestamp("2020-01-01") + pd.Timedelta(days=int(rng.integers(400)))
        months = range(rng.geometric(0.08))
        rows += [{"customer_id": k, "date": first + pd.DateOffset(months=m)} for m in months]
    return pd.DataFrame(rows)


def regular_buyers(seed=2):
    fit = clv.BetaGeoModel().with_params(r=2.0, alpha=10.0, a=0.8, b=5.0, time_unit="week")
    people = fit.simulate(800, "80 weeks", seed=seed)
    return clv.simulate_log(
        people.frequency, people.recency, people.T, start_date="2021-01-01", time_unit="week",
        regularity=3, seed=seed,
    )  # fmt: skip


def test_shoppers_buy_in_continuous_time():
    advice = clv.recommend(clv.datasets.load_cdnow(), value="value")
    assert advice.setting == "continuous time"
    assert "ParetoNBDModel()" in advice.models
    text = repr(advice)
    assert "51%" in text  # of the 23,570 customers of the full log 12,054 bought once
    # k = 0.97, 90 % interval 0.96 to 0.98: less than 1, and hardly so
    assert "close to chance" in text
    assert "No schedule is seen" in text
    assert advice.frame.columns.tolist() == ["question", "finding", "follows"]
    assert "<table" in advice._repr_html_()


def test_subscribers_have_a_contract():
    advice = clv.recommend(subscribers())
    assert advice.setting == "contractual"
    assert advice.models[0] == "ShiftedBetaGeoModel()"
    # and fits of other models say so
    rfm = clv.rfm_summary(subscribers(), time_unit="day")
    with pytest.warns(DataWarning, match="contract that renews"):
        clv.BetaGeoModel().fit(rfm)


def test_donors_have_opportunities():
    advice = clv.recommend(donors())
    assert advice.setting == "opportunities"
    assert advice.models == ("BetaGeoBetaBinomModel()",)


def test_regular_buyers_need_a_model_that_sees_it():
    advice = clv.recommend(regular_buyers())
    assert advice.setting == "continuous time"
    assert advice.models[0] == "ModifiedBetaGeoCNBDModel(k=3)"


def test_containers_say_what_they_are():
    table = clv.RetentionTable.from_survivors([1000, 631, 468], period="1 year")
    assert clv.recommend(table).setting == "contractual"
    donations = clv.datasets.load_donations()
    assert clv.recommend(donations).setting == "opportunities"
    shoppers = clv.recommend(clv.datasets.load_cdnow_summary())
    assert shoppers.setting == "continuous time"
    assert "no log, to see a schedule of dates" in repr(shoppers)
    assert "no log to see it in" in repr(shoppers)


def test_regularity_that_may_be_chance_calls_for_no_model_of_it():
    regular = clv.simulate_log(
        [2] * 12, [20] * 12, [40] * 12, start_date="2021-01-01", regularity=2, seed=4,
        time_unit="week",
    )  # fmt: skip
    timing = clv.regularity(regular)
    assert timing.erlang > 1 >= timing.maximum_likelihood.lo
    advice = clv.recommend(regular)
    assert advice.models[0] == "ModifiedBetaGeoModel()"
    assert "cannot be told from chance" in repr(advice)


def test_what_spend_does_with_frequency_comes_with_its_number():
    rfm = clv.datasets.load_cdnow_summary()
    found = clv.spend_independence(rfm).spearman.value
    assert f"946 repeat buyers: {found:.2f}." in repr(clv.recommend(rfm))


@pytest.mark.parametrize("advice_of", [donors, subscribers, regular_buyers])
def test_every_model_named_can_be_made(advice_of):
    for name in clv.recommend(advice_of()).models:
        assert eval(f"clv.{name}", {"clv": clv}) is not None


def test_refunds_are_no_purchases():
    log = clv.datasets.load_cdnow(sample=True)
    # a third of the purchases is sent back, a fortnight later
    back = log.iloc[::3].assign(value=-5.0)
    back["date"] = pd.to_datetime(back.date) + pd.Timedelta(days=14)
    mixed = pd.concat([log.assign(date=pd.to_datetime(log.date)), back])
    kept = clv.recommend(mixed, value="value", observation_end="1998-06-30")
    plain = clv.recommend(log, value="value", observation_end="1998-06-30")
    assert repr(kept) == repr(plain)

"""Formulas fitted to a summary: inputs, predictions, intervals, units and errors."""

import pickle

import numpy as np
import pandas as pd
import pytest

import clvmodels as clv
from clvmodels import textbook
from clvmodels.data.summary import RFMSummary
from clvmodels.evaluation.baselines import SameRateBaseline
from clvmodels.exceptions import (
    DataError,
    FitError,
    ParameterError,
    UndefinedMeanError,
    UnitError,
)
from clvmodels.units import DiscountRate, Horizon
from clvmodels.value._sampling import median, poisson_limits
from clvmodels.value.textbook_model import TextbookModel

RATE = DiscountRate(0.10, per="year")
NAMES = TextbookModel.names()
MONEY = ["clv", "clv_lo", "clv_hi"]
DAYS_PER_YEAR = 365.2425


def formula(name, **options):
    return TextbookModel(name, discount=RATE, **options)


def summary(unit="day", *, n=400, seed=7, currency=1.0, **changes):
    """Buyers with gamma rates who leave after an exponential time; whole days, as from a log."""
    rng = np.random.default_rng(seed)
    age = rng.integers(0, 500, n)
    rate = rng.gamma(1.0, 1 / 60, n)
    life = np.minimum(age, rng.exponential(300, n))
    x = rng.poisson(rate * life)
    last = np.where(x > 0, np.ceil(life * rng.beta(np.maximum(x, 1), 1)), 0)
    x = np.where(last > 0, x, 0)
    last = np.minimum(last, age)
    value = np.where(x > 0, rng.gamma(5, 6, n), np.nan)
    days = {"day": 1, "week": 7, "month": DAYS_PER_YEAR / 12}[unit]
    columns = {
        "customer_id": np.arange(n), "frequency": x, "recency": last / days, "T": age / days,
        "monetary_value": value * currency, "time_unit": unit,
    }  # fmt: skip
    return RFMSummary(**{**columns, **changes})


def three_customers(**changes):
    """One regular, one who bought once long ago, one who came today; T in years."""
    columns = {
        "customer_id": ["regular", "once", "today"], "frequency": [8, 0, 0],
        "recency": [1.9, 0, 0], "T": [2.0, 1.5, 0], "monetary_value": [30.0, np.nan, np.nan],
        "time_unit": "year",
    }  # fmt: skip
    return RFMSummary(**{**columns, **changes})


def test_inputs_of_a_base_small_enough_for_pencil_and_paper():
    fit = formula("value_frequency_lifespan", inactivity="1 year").fit(three_customers())
    # lost: "once", watched for 0 + 1 years; the others are watched for 2 and 0 years
    assert (fit.customers_lost, fit.years_watched) == (1, 3)
    churn = 1 - np.exp(-1 / 3 / 12)
    assert fit.params == pytest.approx(
        {
            "purchase_value": 30,
            "purchases_per_year": 8 / 3.5,
            "annual_spend": (9 * 30 / 2 + 30 / 1.5 + 30) / 3,
            "churn_per_month": churn,
            "lifespan_years": 1 / churn / 12,
        },
        rel=1e-12,
    )


def test_inactivity_is_half_the_median_age_by_default():
    fit = formula("retention").fit(three_customers())
    assert fit.inactivity.to("year") == pytest.approx(0.75)


def test_every_formula_is_the_plain_function_of_the_inputs():
    rfm = three_customers()
    inputs = formula("retention", inactivity="1 year").fit(rfm).params
    churn, life = inputs["churn_per_month"], inputs["lifespan_years"]
    per_year = 8 / 2
    horizon = {"horizon": "9 months", "period": "month"}
    expected = {
        "value_frequency_lifespan": textbook.value_frequency_lifespan(30, per_year, 0.75),
        "value_frequency_churn": textbook.value_frequency_churn(
            30, per_year / 12, churn, **horizon
        ),
        "annual_spend_years": textbook.annual_spend_years(9 * 30 / 2, 0.75),
        "discounted_profit": textbook.discounted_profit(30 * per_year, 0.75, RATE),
        "retention": textbook.retention_value(30 * per_year / 12, 1 - churn, RATE, **horizon),
    }
    assert life > 0.75
    assert set(expected) == set(NAMES)
    for name, value in expected.items():
        table = formula(name, inactivity="1 year").fit(rfm).predict(rfm, "9 months")
        assert table["clv"][0] == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("timing", ["first_payment_now", "just_acquired", "period_end"])
def test_retention_in_its_three_timings(timing):
    rfm = three_customers()
    fit = formula("retention", timing=timing, period="year").fit(rfm)
    value = textbook.retention_value(
        30 * 4, 1 - fit.params["churn_per_year"], RATE, period="year", timing=timing
    )
    assert fit.predict(rfm, None)["clv"][0] == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_columns_are_those_of_every_value_model(name):
    rfm = summary()
    table = formula(name).fit(rfm).predict(rfm, "12 months")
    assert list(table) == [
        "customer_id", "p_alive", "expected_purchases", "expected_spend", *MONEY, "flags",
    ]  # fmt: skip
    assert table["customer_id"].tolist() == rfm.customer_id.tolist()
    assert (table["p_alive"] == 1).all()
    assert np.isfinite(table[MONEY]).all(axis=None)
    assert (table["clv_lo"] <= table["clv"]).all()
    assert (table["clv"] <= table["clv_hi"]).all()
    assert (table["clv_lo"] >= 0).all()
    assert table["flags"].str.startswith("assumes everyone is alive").all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("horizon", ["39 weeks", "3 years", None])
def test_the_time_unit_of_the_summary_does_not_matter(name, horizon):
    days, weeks, months = (summary(unit) for unit in ("day", "week", "month"))
    in_days = formula(name).fit(days).predict(days, horizon)
    in_weeks = formula(name).fit(weeks).predict(weeks, horizon)
    across = formula(name).fit(days).predict(months, horizon)
    for other in (in_weeks, across):
        np.testing.assert_allclose(other[MONEY], in_days[MONEY], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("window", range(30, 37))
def test_a_silence_equal_to_the_window_is_not_longer_in_any_unit(window):
    model = formula("retention", inactivity=Horizon(window, "day"))
    lost = {model.fit(summary(unit)).customers_lost for unit in ("day", "week", "month")}
    assert len(lost) == 1


@pytest.mark.parametrize("name", NAMES)
def test_money_scales_with_the_currency(name):
    euros, cents = summary(), summary(currency=100.0)
    in_euros = formula(name).fit(euros).predict(euros, "1 year")
    in_cents = formula(name).fit(cents).predict(cents, "1 year")
    np.testing.assert_allclose(in_cents[MONEY], 100 * in_euros[MONEY], rtol=1e-12)
    np.testing.assert_array_equal(in_cents["expected_purchases"], in_euros["expected_purchases"])


@pytest.mark.parametrize("name", NAMES)
def test_weights_count_customers(name):
    copies = np.arange(60) % 3 + 1
    weighted = summary(n=60, weight=copies.astype(float))
    rows = np.repeat(np.arange(60), copies)
    repeated = RFMSummary(
        customer_id=np.arange(len(rows)), frequency=weighted.frequency[rows],
        recency=weighted.recency[rows], T=weighted.T[rows],
        monetary_value=weighted.monetary_value[rows], time_unit="day",
    )  # fmt: skip
    a, b = formula(name).fit(weighted), formula(name).fit(repeated)
    np.testing.assert_allclose(
        a.summary()[["estimate", "se", "lo", "hi"]],
        b.summary()[["estimate", "se", "lo", "hi"]],
        rtol=1e-10,
    )
    ours, theirs = a.predict(weighted, "1 year"), b.predict(repeated, "1 year")
    np.testing.assert_allclose(ours[MONEY].to_numpy()[rows], theirs[MONEY], rtol=1e-9)


@pytest.mark.parametrize("name", ["value_frequency_lifespan", "value_frequency_churn"])
def test_undiscounted_value_is_margin_times_purchases_times_spend(name):
    rfm = summary()
    table = formula(name, margin=0.3, acquisition_cost=5).fit(rfm).predict(rfm, "52 weeks")
    product = 0.3 * table["expected_purchases"] * table["expected_spend"] - 5
    np.testing.assert_allclose(table["clv"], product, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["discounted_profit", "retention"])
def test_no_discount_gives_margin_times_purchases_times_spend(name):
    rfm = summary()
    table = TextbookModel(name, discount=0, margin=0.3).fit(rfm).predict(rfm, "52 weeks")
    product = 0.3 * table["expected_purchases"] * table["expected_spend"]
    np.testing.assert_allclose(table["clv"], product, rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_windows_add_up(name):
    rfm = summary()
    fit = formula(name, acquisition_cost=3).fit(rfm)
    whole = fit.predict(rfm, "24 months")
    first, second = fit.predict(rfm, "12 months"), fit.predict(rfm, "12 months", "12 months")
    for column in ("clv", "expected_purchases"):
        np.testing.assert_allclose(first[column] + second[column], whole[column], rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_no_horizon_is_the_limit_of_long_ones(name):
    rfm = summary()
    fit = formula(name).fit(rfm)
    lifetime, long = fit.predict(rfm, None), fit.predict(rfm, "500 years")
    np.testing.assert_allclose(lifetime[MONEY], long[MONEY], rtol=1e-9)
    assert fit.predict(rfm, "1 week")["clv"].sum() < lifetime["clv"].sum()
    assert (fit.predict(rfm, "0 days")["clv"] == 0).all()


def test_one_time_buyers_and_new_customers():
    rfm = three_customers()
    fit = formula("retention", inactivity="1 year").fit(rfm)
    regular, once, today = fit.predict(rfm, "1 year").to_dict("records")
    assert regular["flags"] == "assumes everyone is alive"
    assert once["flags"].endswith("one-time buyer: own repeat rate 0")
    assert once["expected_spend"] == today["expected_spend"] == 30
    assert once["clv"] == once["clv_lo"] == 0 < once["clv_hi"]
    assert today["flags"].endswith("first bought today: base rate and base mean value")
    assert today["clv"] == pytest.approx(regular["clv"] * (8 / 3.5) / 4, rel=1e-12)


def test_values_of_one_time_buyers_are_ignored():
    nan, zero = three_customers(), three_customers(monetary_value=[30.0, 0.0, 0.0])
    for name in NAMES:
        a, b = (formula(name).fit(rfm).predict(rfm, "1 year") for rfm in (nan, zero))
        np.testing.assert_array_equal(a[MONEY], b[MONEY])


def test_margin_may_be_a_column():
    rfm = summary(columns={"margin": np.linspace(-0.1, 0.5, 400)})
    by_column = formula("retention", margin="margin").fit(rfm).predict(rfm, "1 year")
    full = formula("retention").fit(rfm).predict(rfm, "1 year")
    np.testing.assert_allclose(by_column["clv"], rfm.column("margin") * full["clv"], rtol=1e-12)
    assert (by_column["clv_lo"] <= by_column["clv"]).all()
    assert (by_column["clv"] <= by_column["clv_hi"]).all()


def test_poisson_limits_are_garwoods():
    # Garwood (1936), Fiducial limits for the Poisson distribution, Biometrika 28: 95 % limits of
    # 0, 1 and 10 events
    low, high = poisson_limits(np.array([0.0, 1.0, 10.0]), 0.95)
    assert low == pytest.approx([0, 0.0253, 4.795], abs=5e-4)
    assert high == pytest.approx([3.689, 5.572, 18.390], abs=5e-4)


def test_intervals_cover_the_expected_value_of_customers_who_stay():
    # rates known, one fixed value, nobody leaves: only the number of purchases is uncertain
    rng = np.random.default_rng(3)
    rate = rng.gamma(2.0, 2.0, 4000)
    x = rng.poisson(rate)
    rfm = RFMSummary(
        customer_id=np.arange(4000), frequency=x, recency=np.where(x > 0, 0.99, 0.0),
        T=np.ones(4000), monetary_value=np.full(4000, 10.0), time_unit="year",
    )  # fmt: skip
    fit = formula("value_frequency_lifespan", inactivity="2 years").fit(rfm)
    table = fit.predict(rfm, "6 months", level=0.9)
    truth = 10 * rate * 0.5
    covered = ((table["clv_lo"] <= truth) & (truth <= table["clv_hi"])).mean()
    # exact Poisson limits cover at least the level, some per cent more for small counts
    assert 0.90 <= covered <= 0.97


def test_standard_errors_match_a_bootstrap():
    rfm = summary(n=600)
    model = formula("retention", inactivity="100 days")
    table = model.fit(rfm).summary().set_index("parameter")
    rng = np.random.default_rng(1)
    draws = [
        list(model.fit(summary(n=600, weight=rng.multinomial(600, np.full(600, 1 / 600)) + 1e-9))
             .params.values())
        for _ in range(300)
    ]  # fmt: skip
    # 300 draws give a standard error to 4 %; the Poisson count for churn is a little wider
    assert table["se"].to_numpy() == pytest.approx(np.std(draws, axis=0), rel=0.25)
    assert (table["lo"] < table["estimate"]).all()
    assert (table["estimate"] < table["hi"]).all()


def test_churn_and_lifespan_are_recovered():
    # everyone buys daily until an exponential lifetime of half a year ends
    rng = np.random.default_rng(5)
    life = rng.exponential(DAYS_PER_YEAR / 2, 3000)
    last = np.floor(np.minimum(life, 400))
    rfm = RFMSummary(
        customer_id=np.arange(3000), frequency=last, recency=last, T=np.full(3000, 400.0),
        monetary_value=np.full(3000, 5.0), time_unit="day",
    )  # fmt: skip
    fit = formula("retention", inactivity="2 days").fit(rfm)
    # 0.05: 2,700 lost customers, and lifetimes rounded to days
    assert fit.params["churn_per_month"] == pytest.approx(1 - np.exp(-2 / 12), rel=0.05)


def test_nobody_lost_needs_a_horizon():
    rfm = three_customers()
    fit = formula("value_frequency_churn", inactivity="5 years").fit(rfm)
    assert fit.params["churn_per_month"] == 0
    # 8 purchases in 2 years, 30 each
    assert fit.predict(rfm, "1 year")["clv"][0] == pytest.approx(120, rel=1e-12)
    assert np.isfinite(fit.predict(rfm, "1 year")[MONEY]).all(axis=None)
    assert fit.summary()["estimate"].iloc[-1] == np.inf
    with pytest.raises(UndefinedMeanError, match="Give a horizon"):
        fit.predict(rfm, None)


def test_median_with_weights_is_the_median_of_copies():
    rng = np.random.default_rng(2)
    for n in (1, 2, 5, 8):
        values, weight = rng.normal(size=n), rng.integers(1, 4, n)
        assert median(values, weight.astype(float)) == np.median(np.repeat(values, weight))


def test_models_and_fits_are_values():
    model = formula("retention", margin=0.3)
    fit = model.fit(three_customers())
    assert model == formula("retention", margin=0.3)
    assert pickle.loads(pickle.dumps(fit)) == fit
    with pytest.raises(AttributeError):
        model.margin = 0.5


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"name": "ltv"}, ParameterError, "no formula; there are value_frequency_lifespan, "),
        ({"name": "retention"}, ParameterError, "add discount="),
        ({"name": "retention", "discount": 0.1}, UnitError, "per week, month or year"),
        ({"margin": 30}, ParameterError, "0.3 for 30 %"),
        ({"acquisition_cost": -1}, ParameterError, "acquisition_cost must not be negative"),
        ({"inactivity": 90}, UnitError, "a number and a unit"),
        ({"inactivity": "0 days"}, ParameterError, "longer than 0"),
        ({"period": "fortnight"}, UnitError, "not a time unit"),
        ({"timing": "later"}, ParameterError, "timing is one of"),
    ],
)
def test_options_outside_their_domain_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        TextbookModel(**{"name": "value_frequency_churn", **options})


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"monetary_value": None}, DataError, "no monetary_value"),
        ({"frequency": [0, 0, 0], "recency": [0, 0, 0]}, FitError, "No repeat purchase"),
        ({"T": [2.0, 0, 0]}, FitError, "give an inactivity window"),
    ],
)
def test_summaries_that_cannot_be_used_are_refused(changes, error, message):
    with pytest.raises(error, match=message):
        formula("retention").fit(three_customers(**changes))


def test_predictions_refuse_bare_numbers_and_missing_columns():
    rfm = three_customers()
    fit = formula("retention", inactivity="1 year").fit(rfm)
    with pytest.raises(UnitError, match="a number and a unit"):
        fit.predict(rfm, 12)
    with pytest.raises(UnitError, match="a number and a unit"):
        fit.predict(rfm, "12 months", 3)
    rule = "level is the probability of an interval, between 0 and 1"
    with pytest.raises(ParameterError, match=rule):
        fit.predict(rfm, "12 months", level=90)
    with pytest.raises(DataError, match="no column 'margin'"):
        formula("retention", margin="margin").fit(rfm).predict(rfm, "1 year")


def test_the_first_purchase_counts_where_its_value_does():
    log = pd.DataFrame(
        {
            "customer_id": [1, 1, 1, 2, 3, 3],
            "date": pd.to_datetime(
                ["2024-01-01", "2024-01-15", "2024-02-09", "2024-01-01", "2024-01-01", "2024-02-01"]
            ),
            "value": [9.0, 30, 12, 8, 20, 25],
        }
    )
    data = clv.rfm_summary(
        log, time_unit="day", value="value", observation_end="2024-03-01", include_first_value=True
    )
    fit = clv.TextbookModel("annual_spend_years").fit(data)
    assert fit.params["purchase_value"] == pytest.approx(log.value.mean())
    table = fit.predict(data, "1 year")
    assert table.expected_spend.tolist() == [17.0, 8.0, 22.5]
    assert not table["flags"].str.contains("base mean value").any()
    same = SameRateBaseline().fit(data)
    assert same.predict(data, "1 year").expected_spend.tolist() == [17.0, 8.0, 22.5]

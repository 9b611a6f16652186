"""Money: units, discounting, windows, margins, alignment, totals, and what goes into a file."""

import copy
import pickle
import warnings

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import clvmodels as clv
from clvmodels.data.datasets import load_cdnow_summary
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import DataError, ParameterError, UndefinedMeanError, UnitError
from clvmodels.inference.bootstrap import Bootstrap
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.gamma_gamma import GammaGammaModel
from clvmodels.models.modified_beta_geo import ModifiedBetaGeoModel
from clvmodels.models.nbd import NBDModel
from clvmodels.units import DiscountRate, Horizon, TimeUnit
from clvmodels.value.clv import CLVModel
from clvmodels.value.storage import load

ANNUAL = DiscountRate(0.10, per="year")
COLUMNS = [
    "customer_id", "p_alive", "expected_purchases", "expected_spend", "clv", "clv_lo", "clv_hi",
    "flags",
]  # fmt: skip


@pytest.fixture(scope="module")
def cdnow():
    return load_cdnow_summary()


@pytest.fixture(scope="module")
def fits(cdnow):
    return BetaGeoModel().fit(cdnow), GammaGammaModel().fit(cdnow)


def value(fits, data, discount=ANNUAL, margin=1.0, **more):
    return CLVModel(*fits, discount=discount, margin=margin, **more).fit(data)


def in_unit(data, unit):
    factor = data.time_unit.days / TimeUnit.parse(unit).days
    return RFMSummary.from_arrays(
        data.frequency, data.recency * factor, data.T * factor, time_unit=unit,
        monetary_value=data.monetary_value, customer_id=data.customer_id,
    )  # fmt: skip


# units


@pytest.mark.parametrize("unit", ["hour", "day", "month", "quarter", "year"])
def test_the_unit_of_the_summary_does_not_change_the_money(unit, cdnow, fits):
    # lifetimes' quickstart gives customer 1 of CDNOW 140.10 instead of 36.28: weekly data, read as
    # daily (lifetimes #137, #180, #194)
    weekly = value(fits, cdnow).clv(cdnow, "12 months")
    other = in_unit(cdnow, unit)
    refitted = CLVModel(BetaGeoModel(), GammaGammaModel(), discount=ANNUAL).fit(other)
    np.testing.assert_allclose(refitted.clv(other, "12 months"), weekly, rtol=1e-6)
    np.testing.assert_allclose(refitted.clv(cdnow, "12 months"), weekly, rtol=1e-6)
    np.testing.assert_allclose(value(fits, cdnow).clv(other, "12 months"), weekly, rtol=1e-10)
    np.testing.assert_allclose(refitted.clv(other), value(fits, cdnow).clv(cdnow), rtol=1e-6)


@pytest.mark.parametrize(
    "same", ["1 year", "4 quarters", "12M", "12ME", "365.2425 days", "8765.82 h", "52.1775W", "1Y"]
)
def test_a_horizon_is_a_length_of_time(same, cdnow, fits):
    fitted = value(fits, cdnow)
    np.testing.assert_allclose(fitted.clv(cdnow, same), fitted.clv(cdnow, "12 months"), rtol=1e-12)


@pytest.mark.parametrize(
    "rate",
    [
        DiscountRate(1.10 ** (1 / 12) - 1, per="month"),
        DiscountRate(np.log(1.10), "year", "continuous"),
        DiscountRate(np.log(1.10) / 365.2425, "D", "continuous"),
        DiscountRate(1.10 ** (7 / 365.2425) - 1, per="week"),
    ],
)
def test_a_rate_is_a_rate_whatever_its_period(rate, cdnow, fits):
    np.testing.assert_allclose(
        value(fits, cdnow, rate).clv(cdnow, "2 years"),
        value(fits, cdnow).clv(cdnow, "2 years"),
        rtol=1e-12,
    )


def test_bare_numbers_are_refused(cdnow, fits):
    with pytest.raises(UnitError, match="per week, month or year"):
        CLVModel(*fits, discount=0.10)
    for call in (
        lambda: value(fits, cdnow).clv(cdnow, 12),
        lambda: value(fits, cdnow).predict(cdnow, 12.0),
        lambda: value(fits, cdnow).predict(cdnow, "12 months", start=3),
        lambda: value(fits, cdnow).totals(cdnow, 12),
    ):
        with pytest.raises(UnitError, match="needs a number and a unit"):
            call()
    with pytest.raises(UnitError, match="must exceed -1"):
        CLVModel(*fits, discount=DiscountRate(-1, per="year"))


# published and live values of lifetimes


def test_month_end_convention_of_lifetimes(cdnow, fits):
    # lifetimes 0.11.3, CDNOW, 12 months at 1 % a month with freq="W", its month of 4.345 weeks
    monthly = value(fits, cdnow, DiscountRate(0.01, per="month"), timing="month_end")
    first = monthly.clv(cdnow, "12 months")[:3]
    np.testing.assert_allclose(first, [36.2785, 4.6375, 8.3441], rtol=5e-3)
    # with the same length of a month, the same to its own precision
    np.testing.assert_allclose(first, np.array([36.2785, 4.6375, 8.3441]) * 1.0006, rtol=4e-4)
    # never the figures of its documentation, 140.0962, 18.9435, 38.1806
    assert (first < 40).all()
    # purchases come before the end of their month, so they are worth more when they happen
    as_they_come = value(fits, cdnow, DiscountRate(0.01, per="month")).clv(cdnow, "12 months")[:3]
    np.testing.assert_allclose(as_they_come, first * 1.01**0.5, rtol=3e-3)


def test_lifetimes_called_live_agrees(cdnow, fits):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated pandas options, logs of negative numbers
        from lifetimes import BetaGeoFitter, GammaGammaFitter

        x, t_x, T, m = (
            pd.Series(v) for v in (cdnow.frequency, cdnow.recency, cdnow.T, cdnow.monetary_value)
        )
        purchases = BetaGeoFitter().fit(x, t_x, T)
        spend = GammaGammaFitter().fit(x[x > 0], m[x > 0])
        theirs = spend.customer_lifetime_value(
            purchases, x, t_x, T, m, time=12, discount_rate=0.01, freq="W"
        )
    monthly = value(fits, cdnow, DiscountRate(0.01, per="month"), timing="month_end")
    # months of 4.345 and 4.348 weeks, and lifetimes' own tolerance
    np.testing.assert_allclose(monthly.clv(cdnow, "12 months"), theirs, rtol=5e-3)


def test_month_ends_need_whole_months_from_now(cdnow, fits):
    monthly = value(fits, cdnow, timing="month_end")
    for horizon in ("1.5 months", "52 weeks", "0 months", "10 days"):
        with pytest.raises(UnitError, match="whole months"):
            monthly.clv(cdnow, horizon)
    with pytest.raises(UnitError, match="needs a horizon, from now on"):
        monthly.clv(cdnow)
    with pytest.raises(UnitError, match="from now on"):
        monthly.clv(cdnow, "12 months", start="1 month")
    with pytest.raises(ParameterError, match="timing is 'continuous' or 'month_end'"):
        CLVModel(*fits, discount=0, timing="month_start")
    np.testing.assert_allclose(monthly.clv(cdnow, "1 year"), monthly.clv(cdnow, "12M"), rtol=1e-12)
    assert "booked at month ends" in repr(monthly)


def test_nothing_discounted_is_purchases_times_spend(cdnow, fits):
    # lifetimes #300; 38.43252 for customer 1 over 52 weeks
    plain = value(fits, cdnow, discount=0).clv(cdnow, "52 weeks")
    purchases, spend = fits
    product = purchases.expected_purchases(cdnow, "52 weeks") * spend.expected_spend(cdnow)
    np.testing.assert_array_equal(plain, product)
    assert plain[0] == pytest.approx(38.43252, abs=5e-6)


# windows


@pytest.mark.parametrize("rate", [DiscountRate(0.01, per="month"), DiscountRate(-0.05, per="year")])
def test_windows_add_up(rate, cdnow, fits):
    fitted = value(fits, cdnow, rate)
    whole = fitted.clv(cdnow, "24 months")
    first, second = fitted.clv(cdnow, "12M"), fitted.clv(cdnow, "12M", start="12M")
    np.testing.assert_allclose(first + second, whole, rtol=1e-10)


def test_the_future_is_the_limit_of_long_windows(cdnow, fits):
    fitted = value(fits, cdnow, DiscountRate(0.15, per="year"))
    forever = fitted.clv(cdnow)
    np.testing.assert_allclose(fitted.clv(cdnow, "200 years"), forever, rtol=1e-7)
    later = fitted.clv(cdnow, start="18 months")
    np.testing.assert_allclose(fitted.clv(cdnow, "1.5Y") + later, forever, rtol=1e-9)


def test_discounted_residual_transactions_in_money():
    # 5.169597 discounted transactions at 15 % a year of 52 weeks, at $20 each and 30 % margin
    purchases = BetaGeoModel().with_params(
        r=0.2426, alpha=4.4135, a=0.7929, b=2.4258, time_unit="week"
    )
    spend = GammaGammaModel().with_params(p=1e7, q=1e7, v=20.0)
    one = RFMSummary.from_arrays([2], [30.43], [38.86], time_unit="week", monetary_value=[20.0])
    rate = DiscountRate(np.log(1.15) / 52, per="week", compounding="continuous")
    worth = value((purchases, spend), one, rate, margin=0.30).clv(one)
    assert worth == pytest.approx(0.3 * 20 * 5.169597, rel=1e-6)


def test_longer_and_cheaper_is_worth_more(cdnow, fits):
    by_length = [value(fits, cdnow).clv(cdnow, f"{m} months") for m in (0, 0.5, 1, 6, 60)]
    assert (by_length[0] == 0).all()
    assert (np.diff(by_length, axis=0) > 0).all()
    by_rate = [value(fits, cdnow, DiscountRate(r, per="year")).clv(cdnow) for r in (0.05, 0.1, 0.5)]
    assert (np.diff(by_rate, axis=0) < 0).all()


def test_an_infinite_future_needs_a_positive_rate(cdnow, fits):
    for rate in (0, DiscountRate(-0.01, per="year")):
        with pytest.raises(ParameterError, match="infinite future needs a positive discount rate"):
            value(fits, cdnow, rate).clv(cdnow)


# the table


def test_table_is_tidy(cdnow, fits):
    table = value(fits, cdnow, margin=0.3).predict(cdnow, "12 months")
    assert table.columns.tolist() == COLUMNS
    assert table.customer_id.tolist() == cdnow.customer_id.tolist()
    assert table.drop(columns="flags").notna().all(axis=None)
    assert (table.clv_lo <= table.clv).all()
    assert (table.clv <= table.clv_hi).all()
    np.testing.assert_array_equal(table.p_alive, fits[0].probability_alive(cdnow))
    np.testing.assert_array_equal(
        table.expected_purchases, fits[0].expected_purchases(cdnow, "12 months")
    )
    np.testing.assert_array_equal(table.expected_spend, fits[1].expected_spend(cdnow))
    # discounting a year at 10 % costs a little less than half of that
    undiscounted = 0.3 * table.expected_purchases * table.expected_spend
    assert (table.clv / undiscounted).between(0.95, 0.97).all()
    once = cdnow.frequency == 0
    assert (table["flags"][once] == "one-time buyer: base mean spend").all()
    assert (table["flags"][~once] == "").all()
    assert table.attrs["horizon"] == "12 months"
    assert table.attrs["discount"] == "10 % per year"
    assert table.attrs["margin"] == "0.3"
    everything = value(fits, cdnow).predict(cdnow)
    assert everything.attrs["horizon"] == "unlimited"
    np.testing.assert_array_equal(
        everything.expected_purchases, fits[0].residual_transactions(cdnow, ANNUAL)
    )


def test_order_and_company_do_not_matter(cdnow, fits):
    fitted = value(fits, cdnow)
    table = fitted.predict(cdnow, "12 months").set_index("customer_id")
    mixed = cdnow.select(np.random.default_rng(0).permutation(len(cdnow)))
    other = fitted.predict(mixed, "12 months").set_index("customer_id").loc[table.index]
    numbers = COLUMNS[1:-1]
    np.testing.assert_allclose(other[numbers], table[numbers], rtol=1e-10)
    few = fitted.predict(cdnow.select(np.arange(40, 20, -1)), "12 months")
    np.testing.assert_allclose(few[numbers], table.loc[few.customer_id, numbers], rtol=1e-10)


@pytest.mark.parametrize("model", [NBDModel, BetaGeoModel, ModifiedBetaGeoModel])
def test_awkward_customers_are_worth_something_finite(model, cdnow, fits):
    fitted = CLVModel(model(), fits[1], discount=ANNUAL).fit(cdnow)
    people = RFMSummary.from_arrays(
        [0, 0, 3, 1500, 1, 5, 100_000, 2], [0, 0, 1, 100, 1500, 5, 999, 1e-9],
        [0, 3000, 3, 1500, 1500, 5, 1000, 2000], time_unit="week",
        monetary_value=[np.nan, 0, -5, 10, 1e-3, 3, 1e9, 0],
    )  # fmt: skip
    for horizon in ("1 h", "12 months", "100 years", None):
        table = fitted.predict(people, horizon)
        numbers = table[COLUMNS[1:-1]].to_numpy()
        assert np.isfinite(numbers).all()
        assert (numbers >= 0).all()
        assert (table.clv_lo <= table.clv * (1 + 1e-9)).all()
        assert (table.clv <= table.clv_hi * (1 + 1e-9)).all()
        assert np.isfinite(fitted.totals(people, horizon)[["estimate", "lo", "hi"]]).all(axis=None)
    assert table["flags"][2] == "mean value not positive: base mean spend"


def test_populations_without_a_mean_are_refused_or_bounded(cdnow, fits):
    heavy = GammaGammaModel().with_params(p=6.25, q=0.79, v=15.44)
    with pytest.raises(UndefinedMeanError, match="1,411 of 2,357 customers"):
        value((fits[0], heavy), cdnow).predict(cdnow, "12 months")
    buyers = cdnow.select(cdnow.frequency > 0)
    assert np.isfinite(value((fits[0], heavy), buyers).clv(buyers, "12 months")).all()
    # an estimate just above 1: upper limits are infinite, and no product turns into NaN
    rng = np.random.default_rng(3)
    x = rng.geometric(0.5, 60)
    sample = RFMSummary.from_arrays(
        x, x, 2.0 * x, time_unit="week", monetary_value=np.exp(rng.normal(3, 1.4, 60))
    )
    nearly = GammaGammaModel().fit(sample)
    for horizon in ("12 months", "0 days"):
        fitted = value((fits[0], nearly), cdnow)
        table = fitted.predict(cdnow, horizon)
        assert table[COLUMNS[1:-1]].notna().all(axis=None)
        assert np.isinf(table.clv_hi[cdnow.frequency == 0]).all() == (horizon != "0 days")
        totals = fitted.totals(cdnow, horizon).set_index("quantity")
        assert totals.notna().all(axis=None)
        assert np.isinf(totals.hi["revenue"]) == (horizon != "0 days")


# margins


def test_margin_as_a_number_and_as_a_column(cdnow, fits):
    whole = value(fits, cdnow).clv(cdnow, "12 months")
    np.testing.assert_allclose(value(fits, cdnow, margin=0.3).clv(cdnow, "12M"), 0.3 * whole)
    margins = np.random.default_rng(0).uniform(-0.1, 0.6, len(cdnow))
    with_margin = cdnow.with_column("margin", margins)
    by_column = value(fits, cdnow, margin="margin")
    np.testing.assert_allclose(by_column.clv(with_margin, "12M"), margins * whole)
    table = by_column.predict(with_margin, "12M")
    assert (table.clv_lo <= table.clv).all()  # also where a margin is negative
    assert (table.clv <= table.clv_hi).all()
    totals = by_column.totals(with_margin, "12M").set_index("quantity").estimate
    assert totals["discounted value"] == pytest.approx(margins @ whole)
    assert "margin margin" in repr(by_column)


def test_margins_that_cannot_be(cdnow, fits):
    for margin in (np.nan, np.inf):
        with pytest.raises(ParameterError, match="margin is a share"):
            CLVModel(*fits, discount=0, margin=margin)
    with pytest.raises(DataError, match="no column 'margin'"):
        value(fits, cdnow, margin="margin").clv(cdnow, "12M")
    gaps = np.where(cdnow.customer_id == 7, np.nan, 0.3)
    with pytest.raises(DataError, match=r"margin must be finite: broken by 1 .* first 7"):
        value(fits, cdnow, margin="margin").clv(cdnow.with_column("margin", gaps), "12M")


# alignment


def test_misaligned_series_are_refused(cdnow):
    # ids from 1 and spend from 0: lifetimes values customer k with the spend of customer k + 1,
    # 23.5157, 2.632, 8.3441 instead of 36.2785, 4.6375, 8.3441, and one customer with NaN
    frame = cdnow.to_pandas().set_index("customer_id")
    with pytest.raises(DataError, match="frequency and monetary_value are Series with different"):
        RFMSummary.from_arrays(
            frame.frequency, frame.recency, frame["T"], time_unit="week",
            monetary_value=frame.monetary_value.reset_index(drop=True),
        )  # fmt: skip


def test_series_arrays_and_lists_are_taken(cdnow, fits):
    frame = cdnow.to_pandas().set_index("customer_id")
    columns = [frame.frequency, frame.recency, frame["T"]]
    expected = value(fits, cdnow).clv(cdnow, "12 months")
    m = frame.monetary_value
    for kind in (lambda v: v, lambda v: v.to_numpy(), lambda v: v.tolist(), lambda v: v.array):
        data = RFMSummary.from_arrays(
            *(kind(c) for c in columns), time_unit="week", monetary_value=kind(m)
        )
        np.testing.assert_array_equal(value(fits, data).clv(data, "12 months"), expected)
    by_index = RFMSummary.from_arrays(*columns, time_unit="week", monetary_value=m)
    assert by_index.customer_id.tolist() == cdnow.customer_id.tolist()
    mixed = RFMSummary.from_arrays(*columns, time_unit="week", monetary_value=m.to_numpy())
    assert mixed.customer_id.tolist() == cdnow.customer_id.tolist()
    unnamed = RFMSummary.from_arrays(*(c.to_numpy() for c in columns), time_unit="week")
    assert unnamed.customer_id.tolist() == list(range(len(cdnow)))
    with pytest.raises(DataError, match="shape"):
        RFMSummary.from_arrays([1, 2], [1, 2], [3.0], time_unit="week")


# totals


def test_totals_are_the_sums_over_customers(cdnow, fits):
    fitted = value(fits, cdnow, margin=0.3)
    table = fitted.predict(cdnow, "12 months")
    totals = fitted.totals(cdnow, "12 months").set_index("quantity")
    assert totals.index.tolist() == ["purchases", "revenue", "value", "discounted value"]
    revenue = (table.expected_purchases * table.expected_spend).sum()
    sums = [table.expected_purchases.sum(), revenue, 0.3 * revenue, table.clv.sum()]
    np.testing.assert_allclose(totals.estimate, sums, rtol=1e-12)
    assert (totals.lo < totals.estimate).all()
    assert (totals.estimate < totals.hi).all()
    # customers' intervals move together but not in step: the total is surer than their sum says
    assert totals.lo["discounted value"] > table.clv_lo.sum()
    assert totals.hi["discounted value"] < table.clv_hi.sum()


def test_customer_equity(cdnow, fits):
    fitted = value(fits, cdnow, DiscountRate(0.15, per="year"), margin=0.3)
    equity = fitted.totals(cdnow)
    assert equity.quantity.tolist() == ["discounted value"]
    assert equity.estimate[0] == pytest.approx(fitted.clv(cdnow).sum(), rel=1e-12)
    assert equity.lo[0] < equity.estimate[0] < equity.hi[0]


def test_totals_count_weights(cdnow, fits):
    thrice = RFMSummary(
        customer_id=cdnow.customer_id, frequency=cdnow.frequency, recency=cdnow.recency, T=cdnow.T,
        monetary_value=cdnow.monetary_value, time_unit="week", weight=np.full(len(cdnow), 3.0),
    )  # fmt: skip
    fitted = value(fits, cdnow)
    one, three = (fitted.totals(data, "12M").drop(columns="quantity") for data in (cdnow, thrice))
    np.testing.assert_allclose(three, 3 * one, rtol=1e-12)


def test_no_margin_no_value(cdnow, fits):
    totals = value(fits, cdnow, margin=0).totals(cdnow, "12M").set_index("quantity")
    assert (totals.loc["value"] == 0).all()
    assert totals.estimate["revenue"] > 0


# objects and files


def test_fitted_models_are_kept_and_others_fitted(cdnow, fits):
    kept = CLVModel(*fits, discount=ANNUAL).fit(cdnow)
    assert kept.purchases is fits[0]
    assert kept.spend is fits[1]
    fresh = CLVModel(BetaGeoModel(), GammaGammaModel(), discount=ANNUAL).fit(cdnow)
    np.testing.assert_array_equal(fresh.clv(cdnow, "12M"), kept.clv(cdnow, "12M"))
    boot = CLVModel(BetaGeoModel(), GammaGammaModel(), discount=ANNUAL).fit(cdnow, Bootstrap(n=20))
    assert boot.purchases.estimate.method == boot.spend.estimate.method == "Bootstrap(n=20, seed=0)"
    table = boot.predict(cdnow, "12M")
    assert (table.clv_lo < table.clv_hi).all()


def test_roles_cannot_be_swapped():
    with pytest.raises(ParameterError, match=r"purchases takes a PurchaseModel.*GammaGammaModel"):
        CLVModel(GammaGammaModel(), BetaGeoModel(), discount=0)
    with pytest.raises(ParameterError, match="spend takes a SpendModel"):
        CLVModel(BetaGeoModel(), None, discount=0)
    with pytest.raises(ParameterError, match="purchases takes"):
        CLVModel(BetaGeoModel, GammaGammaModel(), discount=0)


def test_tables_are_no_summaries_and_summaries_need_money(cdnow, fits):
    with pytest.raises(DataError, match="from_frame"):
        CLVModel(BetaGeoModel(), GammaGammaModel(), discount=0).fit(cdnow.to_pandas())
    for margin in (1.0, "margin"):
        fitted = value(fits, cdnow, margin=margin)
        for call in (fitted.predict, fitted.clv, fitted.totals):
            with pytest.raises(DataError, match="from_frame"):
                call(cdnow.to_pandas(), "12M")
    moneyless = RFMSummary.from_arrays([1], [1], [2], time_unit="week")
    with pytest.raises(DataError, match="no monetary_value"):
        value(fits, cdnow).predict(moneyless, "12M")


COPIES = {
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "cloudpickle": lambda x: cloudpickle.loads(cloudpickle.dumps(x)),
    "deepcopy": copy.deepcopy,
    "clone": clone,
}


@pytest.mark.parametrize("how", COPIES)
def test_copies_before_and_after_fitting(how, cdnow, fits):
    model = CLVModel(BetaGeoModel(), GammaGammaModel(), discount=ANNUAL, margin="m")
    assert COPIES[how](model) == model
    fitted = value(fits, cdnow)
    pd.testing.assert_frame_equal(
        COPIES[how](fitted).predict(cdnow, "12M"), fitted.predict(cdnow, "12M"), check_exact=True
    )


@pytest.mark.parametrize("horizon", ["12 months", None])
def test_files_give_the_same_table_to_the_bit(horizon, cdnow, fits, tmp_path):
    fitted = value(fits, cdnow, DiscountRate(0.01, "month", "continuous"), margin=0.3)
    fitted.save(tmp_path / "value.json")
    joblib.dump(fitted, tmp_path / "value.joblib")
    expected = fitted.predict(cdnow, horizon)
    for back in (load(tmp_path / "value.json"), joblib.load(tmp_path / "value.joblib")):
        pd.testing.assert_frame_equal(back.predict(cdnow, horizon), expected, check_exact=True)
        assert repr(back) == repr(fitted)
    assert (tmp_path / "value.json").stat().st_size < 10_000


def test_files_keep_the_terms(cdnow, fits, tmp_path):
    for more in ({"margin": "share"}, {"timing": "month_end"}, {"discount": 0}):
        fitted = value(fits, cdnow, **more)
        fitted.save(tmp_path / "value.json")
        back = load(tmp_path / "value.json").model
        assert (back.discount, back.margin, back.timing) == (
            fitted.model.discount, fitted.model.margin, fitted.model.timing,
        )  # fmt: skip


def test_reads_well(cdnow, fits):
    text = repr(value(fits, cdnow, margin=0.3))
    assert text.startswith("CLV at 10 % per year, margin 0.3\nBG/NBD in weeks: r 0.2426")
    assert "Gamma-Gamma: p 6.249" in text
    html = value(fits, cdnow)._repr_html_()
    assert html.count("<table") == 2


# intervals

TRUE = (
    BetaGeoModel().with_params(r=0.5, alpha=5.0, a=0.8, b=2.4, time_unit="week"),
    GammaGammaModel().with_params(p=6.0, q=4.0, v=15.0),
)


def simulated(seed, customers=1_000):
    purchases, spend = TRUE
    histories = purchases.simulate(customers, "40 weeks", seed)
    return RFMSummary.from_arrays(
        histories.frequency, histories.recency, histories.T, time_unit="week",
        monetary_value=spend.simulate(histories.frequency, seed),
    )  # fmt: skip


def test_intervals_narrow_with_data():
    widths = []
    for customers in (500, 8_000):
        data = simulated(0, customers)
        totals = (
            CLVModel(BetaGeoModel(), GammaGammaModel(), discount=ANNUAL)
            .fit(data)
            .totals(data, "1 year")
        )
        widths.append((totals.hi - totals.lo) / totals.estimate)
    # sixteen times the customers, a quarter of the width
    assert (widths[1] / widths[0]).between(0.15, 0.4).all()


@pytest.mark.slow
def test_intervals_cover_what_the_true_parameters_expect():
    replications, inside, customers_inside = 100, [], []
    for seed in range(replications):
        data = simulated(seed)
        fitted = CLVModel(BetaGeoModel(), GammaGammaModel(), discount=ANNUAL, margin=0.3).fit(data)
        truth = CLVModel(*TRUE, discount=ANNUAL, margin=0.3).fit(data)
        true_totals = truth.totals(data, "1 year").estimate
        totals = fitted.totals(data, "1 year", level=0.9)
        inside.append((totals.lo < true_totals) & (true_totals < totals.hi))
        table, expected = fitted.predict(data, "1 year", level=0.9), truth.clv(data, "1 year")
        customers_inside.append(((table.clv_lo < expected) & (expected < table.clv_hi)).mean())
    # four binomial standard errors of 100 intervals at 90 %
    margin = 4 * np.sqrt(0.9 * 0.1 / replications)
    share = np.mean(inside, axis=0)
    assert (share > 0.9 - margin).all(), share
    assert np.mean(customers_inside) > 0.9 - margin


def test_a_month_has_the_length_it_has_everywhere(cdnow, fits):
    assert Horizon(12, "month").to("week") == pytest.approx(365.2425 / 7)
    monthly = value(fits, cdnow, discount=0, timing="month_end")
    np.testing.assert_allclose(
        monthly.clv(cdnow, "12 months"),
        value(fits, cdnow, discount=0).clv(cdnow, "1 year"),
        rtol=1e-9,
    )


@pytest.mark.parametrize("margin", [30, 1.01, np.inf, None])
def test_a_margin_is_a_share(margin):
    with pytest.raises(ParameterError, match=r"0\.3 for 30 %"):
        clv.CLVModel(clv.BetaGeoModel(), clv.GammaGammaModel(), discount=0, margin=margin)


def test_a_column_of_margins_holds_shares():
    data = clv.datasets.load_cdnow_summary()
    data = data.with_column("margin", np.where(data.frequency > 5, 30.0, 0.3))
    model = clv.CLVModel(clv.BetaGeoModel(), clv.GammaGammaModel(), discount=0, margin="margin")
    with pytest.raises(DataError, match="must not exceed 1: broken by"):
        model.fit(data).clv(data, "12 months")

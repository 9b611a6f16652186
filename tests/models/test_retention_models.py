"""Fitted retention models: published figures, limits, intervals, and data that say little."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import clvmodels as clv
from clvmodels.data.retention import RetentionTable
from clvmodels.exceptions import DataError, FitError, ParameterError, UndefinedMeanError, UnitError
from clvmodels.inference.bootstrap import Bootstrap
from clvmodels.models.beta_discrete_weibull import BetaDiscreteWeibullModel
from clvmodels.models.fitted_retention import FittedRetention
from clvmodels.models.geometric_retention import GeometricRetentionModel
from clvmodels.models.shifted_beta_geo import ShiftedBetaGeoModel
from clvmodels.textbook import margin_multiple, retention_value
from clvmodels.units import DiscountRate, Horizon

# Fader and Hardie (2007), table 1: survivors of 1,000 customers after 0 to 12 renewals
REGULAR = [1000, 631, 468, 382, 326, 289, 262, 241, 223, 207, 194, 183, 173]
HIGH_END = [1000, 869, 743, 653, 593, 551, 517, 491, 468, 445, 427, 409, 394]
# Fader and Hardie (2007), note 017: five cohorts
SIZES = [10000, 8000, 6480, 5307, 4391]
COHORTS = {year: SIZES[: 2008 - year] for year in range(2003, 2008)}
TEN_PERCENT = DiscountRate(0.10, per="year")

MODELS = (GeometricRetentionModel, ShiftedBetaGeoModel, BetaDiscreteWeibullModel)
TRUTH = {
    GeometricRetentionModel: {"theta": 0.2},
    ShiftedBetaGeoModel: {"alpha": 0.668, "beta": 3.806},
    BetaDiscreteWeibullModel: {"alpha": 0.5, "beta": 1.7, "c": 1.4},
}


def table_of(survivors, period="1 year"):
    return RetentionTable.from_survivors(survivors, period=period)


def fitted(model, survivors, **kwargs):
    return model().fit(table_of(survivors), **kwargs)


def known(model, period="1 year", **params):
    return model().with_params(**(params or TRUTH[model]), period=period)


# published figures


@pytest.mark.parametrize(
    ("survivors", "alpha", "beta", "loglik", "year_12", "actual"),
    [
        # Fader and Hardie (2007), appendix B and figure 5: 7 renewals, projected to 12 years
        (HIGH_END, 0.668, 3.806, -1611.2, 0.378, 0.394),
        (REGULAR, 0.704, 1.182, -1680.3, 0.170, 0.173),
    ],
)
def test_sbg_of_both_segments(survivors, alpha, beta, loglik, year_12, actual):
    fit = fitted(ShiftedBetaGeoModel, survivors[:8])
    assert fit.params == pytest.approx({"alpha": alpha, "beta": beta}, abs=5e-4)
    assert fit.loglik == pytest.approx(loglik, abs=0.05)
    assert fit.survival(12) == pytest.approx(year_12, abs=5e-4)
    assert survivors[12] / 1000 == actual


def test_sbg_at_more_digits():
    # the same data and model in a public notebook: -1680.2652 and -1611.1582
    assert fitted(ShiftedBetaGeoModel, REGULAR[:8]).loglik == pytest.approx(-1680.2652, abs=5e-5)
    assert fitted(ShiftedBetaGeoModel, HIGH_END[:8]).loglik == pytest.approx(-1611.1581, abs=1e-4)


def test_sbg_loglik_at_1_1():
    # Fader and Hardie (2007), appendix B: the spreadsheet's starting values
    problem = ShiftedBetaGeoModel()._objective(
        {"duration": np.array([1, 2, 3, 4, 5, 6, 7, 7.0]), "churned": np.array([1] * 7 + [0.0])},
        np.array([131, 126, 90, 60, 42, 34, 26, 491.0]),
    )
    assert -problem(np.ones(2))[0] == pytest.approx(-2115.5, abs=0.05)


def test_geometric_of_high_end():
    # Fader and Hardie (2007), section 3
    fit = fitted(GeometricRetentionModel, HIGH_END[:8])
    assert fit.params["theta"] == pytest.approx(0.103, abs=5e-4)
    assert fit.loglik == pytest.approx(-1637.09, abs=5e-3)


def test_sbg_of_the_guide():
    # Fader and Hardie (2014), note 032
    fit = fitted(ShiftedBetaGeoModel, REGULAR[:5])
    assert fit.params == pytest.approx({"alpha": 0.764, "beta": 1.296}, abs=5e-4)
    assert fit.loglik == pytest.approx(-1401.6, abs=0.05)
    dollars = 100 * fit.residual_lifetime([1, 2, 5], TEN_PERCENT)
    assert dollars.round().tolist() == [288, 394, 568]


@pytest.mark.parametrize(
    ("survivors", "alpha", "beta", "value"),
    # 10-digit values of mpmath's 2F1 at the maximum of the likelihood of the first four renewals
    [(REGULAR, 0.7637, 1.2958, 3.62114775), (HIGH_END, 1.2810, 7.7904, 5.46380932)],
)
def test_lifetime_value_of_new_customers(survivors, alpha, beta, value):
    fit = fitted(ShiftedBetaGeoModel, survivors[:5])
    assert fit.params == pytest.approx({"alpha": alpha, "beta": beta}, abs=5e-5)
    # the maximum is found to nine digits, to which its curvature adds next to nothing
    assert fit.discounted_lifetime(TEN_PERCENT) == pytest.approx(value, rel=1e-7)


def test_several_cohorts():
    # Fader and Hardie (2007), note 017
    fit = ShiftedBetaGeoModel().fit(table_of(COHORTS))
    assert fit.params["alpha"] == pytest.approx(3.80, abs=5e-3)
    assert fit.params["beta"] == pytest.approx(15.19, abs=5e-3)
    assert fit.estimate.customers == 50_000
    assert fit.diagnostics.distinct_rows == 4 + 5  # left or still there after 1 to 4, or 0


def test_weibull_of_both_segments_against_a_plain_search():
    # an independent maximisation of the likelihood written with SciPy's betaln
    from scipy.optimize import minimize
    from scipy.special import betaln

    for survivors in (REGULAR[:8], HIGH_END[:8]):
        lost, last = -np.diff(survivors), survivors[-1]

        def nll(logs, lost=lost, last=last):
            alpha, beta, c = np.exp(logs)
            log_s = betaln(alpha, beta + np.arange(8.0) ** c) - betaln(alpha, beta)
            return -(lost @ np.log(-np.diff(np.exp(log_s))) + last * log_s[-1])

        fit = fitted(BetaDiscreteWeibullModel, survivors)
        start = np.log([0.5, 1.0, 1.2])
        found = minimize(nll, start, method="Nelder-Mead", options={"maxiter": 5000, "xatol": 1e-8})
        assert fit.loglik == pytest.approx(-found.fun, abs=1e-6)
        np.testing.assert_allclose(list(fit.params.values()), np.exp(found.x), rtol=1e-4)
        assert fit.loglik > fitted(ShiftedBetaGeoModel, survivors).loglik


# closed forms and limits


def test_geometric_estimate_is_the_share_of_renewals_not_made():
    fit = fitted(GeometricRetentionModel, {1: [500, 400, 350], 2: [300, 200]})
    theta = 250 / (500 + 400 + 300)
    # the search ends where no more than 1e-13 of log-likelihood is left to gain
    assert fit.params["theta"] == pytest.approx(theta, rel=1e-7)
    loglik = 250 * np.log(theta) + 950 * np.log(1 - theta)
    assert fit.loglik == pytest.approx(loglik, rel=1e-12)
    # of a binomial share
    assert fit.summary()["se"][0] == pytest.approx(np.sqrt(theta * (1 - theta) / 1200), rel=1e-9)


@pytest.mark.parametrize("timing", ["first_payment_now", "just_acquired", "period_end"])
@pytest.mark.parametrize("horizon", [None, "7 years", "30 months"])
def test_geometric_lifetimes_are_the_textbook_multiples(timing, horizon):
    fit = known(GeometricRetentionModel, theta=0.2)
    multiple = margin_multiple(0.8, TEN_PERCENT, period="year", timing=timing, horizon=horizon)
    got = fit.discounted_lifetime(TEN_PERCENT, horizon, timing)
    assert got == pytest.approx(multiple, rel=1e-12)


def test_sbg_without_heterogeneity_is_the_textbook_multiple():
    fit = known(ShiftedBetaGeoModel, alpha=2e9, beta=8e9)
    multiple = margin_multiple(0.8, TEN_PERCENT, period="year", timing="first_payment_now")
    assert fit.discounted_lifetime(TEN_PERCENT) == pytest.approx(multiple, rel=1e-8)
    later = 0.8 * retention_value(1.0, 0.8, TEN_PERCENT, period="year", timing="first_payment_now")
    np.testing.assert_allclose(fit.residual_lifetime([1, 2, 9], TEN_PERCENT), later, rtol=1e-8)


def test_weibull_with_c_1_is_the_sbg():
    sbg = known(ShiftedBetaGeoModel)
    weibull = known(BetaDiscreteWeibullModel, **TRUTH[ShiftedBetaGeoModel], c=1.0)
    np.testing.assert_allclose(weibull.survival(range(30)), sbg.survival(range(30)), rtol=1e-13)
    ages = [0, 1, 8]
    np.testing.assert_allclose(
        weibull.residual_lifetime(ages, TEN_PERCENT), sbg.residual_lifetime(ages, TEN_PERCENT),
        rtol=1e-11,
    )  # fmt: skip


def test_customers_all_alike_are_reported():
    alike = [10000, 8000, 6400, 5120, 4096, 3277]
    geometric = fitted(GeometricRetentionModel, alike)
    for model in (ShiftedBetaGeoModel, BetaDiscreteWeibullModel):
        fit = fitted(model, alike)
        assert fit.diagnostics.converged
        assert "no differences in churn: alpha and beta run off together" in repr(fit)
        assert fit.loglik == pytest.approx(geometric.loglik, abs=1e-4)
        assert fit.survival(5) == pytest.approx(geometric.survival(5), rel=1e-3)


def test_two_kinds_of_customers_are_reported():
    fit = fitted(ShiftedBetaGeoModel, [1000, 400, 400, 400])
    assert fit.diagnostics.converged
    assert "60 % leave at the first renewal, the others never" in repr(fit)
    assert fit.survival(100) == pytest.approx(0.4, rel=1e-4)


def test_fewer_ages_than_parameters_are_reported():
    fit = fitted(ShiftedBetaGeoModel, [1000, 700])
    assert "Renewals at 1 age cannot tell 2 parameters apart" in repr(fit)
    assert fit.retention_rate(1) == pytest.approx(0.7)
    fit = fitted(BetaDiscreteWeibullModel, [1000, 700, 560])
    assert "Renewals at 2 ages cannot tell 3 parameters apart" in repr(fit)
    np.testing.assert_allclose(fit.retention_rate([1, 2]), [0.7, 0.8], rtol=1e-6)


def test_nobody_renewing_is_reported():
    fit = fitted(GeometricRetentionModel, [100, 0])
    assert "theta runs to 1" in repr(fit)
    assert fit.params["theta"] == pytest.approx(1, abs=1e-6)
    assert fit.survival(1) < 1e-6


# quantities


@pytest.mark.parametrize("model", MODELS)
def test_quantities_agree_with_each_other(model):
    fit = known(model)
    survival = fit.survival(np.arange(400))
    rates = fit.retention_rate(np.arange(1, 400))
    np.testing.assert_allclose(np.cumprod(rates), survival[1:], rtol=1e-11)
    payments = survival / 1.1 ** np.arange(400)
    assert fit.discounted_lifetime(TEN_PERCENT) == pytest.approx(payments.sum(), rel=1e-12)
    assert fit.discounted_lifetime(TEN_PERCENT, "6 years") == pytest.approx(payments[:6].sum())
    for n in (1, 4):
        left = payments[n:].sum() / survival[n - 1] * 1.1**n
        assert fit.residual_lifetime(n, TEN_PERCENT) == pytest.approx(left, rel=1e-12)
    just = fit.discounted_lifetime(TEN_PERCENT, timing="just_acquired")
    assert just == pytest.approx(fit.discounted_lifetime(TEN_PERCENT) - 1, rel=1e-12)
    assert fit.residual_lifetime(0, TEN_PERCENT) == fit.discounted_lifetime(TEN_PERCENT)


def test_retention_rises_with_age_where_customers_differ():
    rates = known(ShiftedBetaGeoModel).retention_rate([1, 2, 5, 50])
    assert (np.diff(rates) > 0).all()
    # (beta + n - 1) / (alpha + beta + n - 1)
    n = np.array([1, 2, 5, 50])
    np.testing.assert_allclose(rates, (2.806 + n) / (3.474 + n))


def test_survival_at_a_time_counts_full_periods():
    fit = known(ShiftedBetaGeoModel, period="6 months")
    assert fit.survival("17 months") == fit.survival(2)
    assert fit.survival("18 months") == fit.survival(3)
    assert fit.survival(Horizon(1.5, "year")) == fit.survival(3)
    assert fit.survival([[0, 1], [2, 3]]).shape == (2, 2)


def test_the_unit_of_the_rate_does_not_matter():
    fit = known(ShiftedBetaGeoModel, period="1 month")
    yearly, monthly = DiscountRate(0.10, "year"), DiscountRate(1.1 ** (1 / 12) - 1, "month")
    assert fit.discounted_lifetime(yearly) == pytest.approx(fit.discounted_lifetime(monthly))
    quarterly = known(ShiftedBetaGeoModel, period="3 months")
    three = DiscountRate(1.1**0.25 - 1, "quarter")
    assert quarterly.discounted_lifetime(yearly) == pytest.approx(
        quarterly.discounted_lifetime(three)
    )


def test_expected_lifetime_is_a_length_of_time():
    fit = known(ShiftedBetaGeoModel, period="6 months", alpha=3.0, beta=9.0)
    assert fit.expected_lifetime().unit == "month"
    assert fit.expected_lifetime().length == pytest.approx(11 / 2 * 6)
    assert fit.discounted_lifetime(0) == pytest.approx(11 / 2)
    # a year is two payments: the first, and the first renewal's
    assert fit.expected_lifetime("1 year").length == pytest.approx(6 * (1 + 0.75))


def test_a_mean_lifetime_that_does_not_exist():
    fit = known(ShiftedBetaGeoModel)
    with pytest.raises(UndefinedMeanError, match="positive discount rate, or a horizon"):
        fit.expected_lifetime()
    with pytest.raises(UndefinedMeanError):
        fit.predict([1, 2], 0)
    assert fit.expected_lifetime("10 years").length < 10
    assert "too slowly for a mean lifetime" in repr(fitted(ShiftedBetaGeoModel, REGULAR))


def test_an_upper_limit_is_infinite_where_a_mean_may_not_exist():
    fit = fitted(ShiftedBetaGeoModel, HIGH_END[:5])  # alpha 1.28, with a standard error of .55
    row = fit.predict([1], 0).iloc[0]
    assert np.isfinite(row.residual_lifetime)
    assert np.isinf(row.residual_lifetime_hi)


def test_a_negative_rate_needs_a_horizon():
    fit = known(GeometricRetentionModel)
    with pytest.raises(ParameterError, match="infinite future"):
        fit.discounted_lifetime(DiscountRate(-0.01, "year"))
    assert fit.discounted_lifetime(DiscountRate(-0.01, "year"), "3 years") > 1 + 0.8 + 0.64


@pytest.mark.parametrize("bad", [-1, 1.5, np.nan, "three", None, True])
def test_ages_are_whole_numbers(bad):
    fit = known(ShiftedBetaGeoModel)
    for ask in (fit.retention_rate, lambda n: fit.residual_lifetime(n, TEN_PERCENT)):
        with pytest.raises(ParameterError, match="whole numbers"):
            ask(bad)


def test_bare_numbers_are_no_rates_and_no_horizons():
    fit = known(ShiftedBetaGeoModel)
    with pytest.raises(UnitError):
        fit.discounted_lifetime(0.1)
    with pytest.raises(UnitError):
        fit.expected_lifetime(12)
    with pytest.raises(ParameterError, match="timing is one of"):
        fit.discounted_lifetime(TEN_PERCENT, timing="later")


# the base


def test_the_base_is_worth_what_its_customers_are():
    table = table_of(COHORTS)
    fit = ShiftedBetaGeoModel().fit(table)
    value = fit.base_value(table, 100, TEN_PERCENT)
    frame = fit.predict(table, TEN_PERCENT)
    assert frame["cohort"].tolist() == list(range(2003, 2008))
    assert frame["age"].tolist() == [5, 4, 3, 2, 1]
    assert frame["customers"].tolist() == SIZES[::-1]
    assert value.value == pytest.approx(100 * frame["customers"] @ frame["residual_lifetime"])
    assert value.lo < value.value < value.hi
    assert value.customers == 34_178
    assert "34,178 customers are worth" in str(value)


@pytest.mark.parametrize("horizon", [None, "5 years"])
def test_a_constant_rate_is_that_of_the_last_renewals(horizon):
    # Fader and Hardie (2010): one aggregate rate for all undervalues those who are still there
    table = table_of(COHORTS)
    fit = ShiftedBetaGeoModel().fit(table)
    value = fit.base_value(table, 100, TEN_PERCENT, horizon)
    rate = (8000 + 6480 + 5307 + 4391) / (10000 + 8000 + 6480 + 5307)
    assert value.retention_rate == pytest.approx(rate)
    each = 100 * rate * margin_multiple(
        rate, TEN_PERCENT, period="year", timing="first_payment_now", horizon=horizon
    )  # fmt: skip
    assert value.constant_retention_value == pytest.approx(34_178 * each)
    assert value.constant_retention_value < value.lo
    # where customers do not differ, the two are the same
    alike = known(GeometricRetentionModel, theta=1 - rate).base_value(
        table, 100, TEN_PERCENT, horizon
    )
    assert alike.value == pytest.approx(value.constant_retention_value)


def test_customers_who_differ_more_are_undervalued_more():
    # all of first churn .2; alpha + beta = 19 is that of note 017's cohorts
    gaps = []
    for total in (1e6, 19, 2, 1 / 3):
        fit = known(ShiftedBetaGeoModel, alpha=0.2 * total, beta=0.8 * total)
        sizes = (10_000 * fit.survival(range(5))).round()
        table = table_of({k: sizes[: 5 - k] for k in range(5)})
        value = fit.base_value(table, 1, TEN_PERCENT)
        gaps.append(value.constant_retention_value / value.value - 1)
    # Fader and Hardie (2010) have -12 % and -45 % for two bases
    assert gaps[0] == pytest.approx(0, abs=1e-3)
    assert gaps[1] == pytest.approx(-0.12, abs=0.01)
    assert (np.diff(gaps) < 0).all()
    assert gaps[3] == pytest.approx(-0.41, abs=0.01)


def test_an_empty_base_is_an_error():
    fit = known(ShiftedBetaGeoModel)
    gone = table_of([10, 0])
    with pytest.raises(DataError, match="still there"):
        fit.base_value(gone, 1, TEN_PERCENT)
    with pytest.raises(DataError, match="still there"):
        fit.predict(gone, TEN_PERCENT)
    with pytest.raises(ParameterError, match="payment"):
        fit.base_value(table_of(REGULAR), np.nan, TEN_PERCENT)


def test_durations_have_a_base_of_many_ages():
    table = RetentionTable.from_durations([1, 2, 2, 5, 0], [1, 0, 0, 0, 0], period="1 year")
    frame = known(ShiftedBetaGeoModel).predict(table, TEN_PERCENT)
    assert dict(zip(frame["age"], frame["customers"], strict=True)) == {1: 1, 3: 2, 6: 1}


# fitting


@pytest.mark.parametrize("model", MODELS)
def test_durations_and_survivors_give_one_fit(model):
    duration = np.repeat(np.arange(1, 8), -np.diff(REGULAR[:8]))
    duration = np.append(duration, np.full(REGULAR[7], 7))
    churned = np.arange(1000) < 1000 - REGULAR[7]
    by_customer = RetentionTable.from_durations(duration, churned, period="1 year")
    assert model().fit(by_customer).params == fitted(model, REGULAR[:8]).params


@pytest.mark.parametrize("model", MODELS)
def test_tables_without_information_are_errors(model):
    with pytest.raises(DataError, match="None of the 10 customers has faced a renewal"):
        fitted(model, [10])
    with pytest.raises(DataError, match="None of the 10 customers has left"):
        fitted(model, [10, 10, 10])


@pytest.mark.parametrize("model", MODELS)
def test_other_containers_are_errors_that_name_the_right_one(model):
    rfm = clv.RFMSummary.from_arrays([1, 0], [2, 0], [4, 4], time_unit="week")
    with pytest.raises(DataError, match=r"take a RetentionTable, got RFMSummary.*from_survivors"):
        model().fit(rfm)
    fit = known(model)
    with pytest.raises(DataError, match="got list"):
        fit.base_value([10, 5], 1, TEN_PERCENT)


def test_bootstrap_of_survivors():
    fit, boot = (
        fitted(ShiftedBetaGeoModel, REGULAR, method=m) for m in (None, Bootstrap(n=100, seed=0))
    )
    assert boot.params == fit.params
    ratio = boot.summary().se / fit.summary().se
    assert ratio.between(0.7, 1.4).all()  # 100 resamples: 7 % of sampling error
    geometric = fitted(GeometricRetentionModel, REGULAR, method=Bootstrap(n=100, seed=0))
    draws = geometric.estimate.replicates["theta"]
    assert ((draws > 0) & (draws < 1)).all()
    assert draws.mean() == pytest.approx(geometric.params["theta"], rel=0.02)


@pytest.mark.parametrize("model", MODELS)
def test_simulated_customers_give_back_the_parameters(model):
    truth = TRUTH[model]
    table = known(model).simulate(20_000, 12, seed=4)
    fit = model().fit(table)
    theta = np.array(list(fit.params.values()))
    se = np.sqrt(np.diag(fit.estimate.covariance))
    gap = np.log(theta) - np.log(list(truth.values()))
    assert (np.abs(gap) < 4 * se).all()


def test_simulated_survivors_scatter_about_survival():
    fit = known(BetaDiscreteWeibullModel)
    table = fit.simulate(100_000, 6, seed=1)
    frame = table.to_pandas()
    share = frame["renewed"] / 100_000
    expected = fit.survival(range(1, 7))
    assert (np.abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / 100_000)).all()
    again = fit.simulate(100_000, 6, seed=1)
    np.testing.assert_array_equal(again.customers, table.customers)
    assert table.period == fit.period
    with pytest.raises(ParameterError, match="customers must be a whole number"):
        fit.simulate(0, 5)


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_intervals_cover_the_truth(model):
    truth = known(model)
    age, survived, value = 0, 0, 0
    for seed in range(200):
        fit = model().fit(truth.simulate(3000, 10, seed=seed))
        row = fit.predict([3], TEN_PERCENT, level=0.9).iloc[0]
        curve = fit.survival_curve(20, level=0.9).iloc[20]
        age += row.retention_rate_lo <= truth.retention_rate(3) <= row.retention_rate_hi
        survived += curve.survival_lo <= truth.survival(20) <= curve.survival_hi
        exact = truth.residual_lifetime(3, TEN_PERCENT)
        value += row.residual_lifetime_lo <= exact <= row.residual_lifetime_hi
    # 180 of 200 expected; 4 standard deviations of the binomial are 17
    assert min(age, survived, value) >= 163


@settings(max_examples=60)
@given(
    first=st.integers(1, 2000),
    shares=st.lists(
        st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1.0])), min_size=1, max_size=9
    ),
)
@example(first=54, shares=[0.8125, 0.3125, 0.5, 0.0])  # a ridge, by rounding never quite climbed
@pytest.mark.parametrize("model", MODELS)
def test_any_survivors_give_finite_predictions(model, first, shares):
    survivors = np.floor(first * np.cumprod([1, *shares]))
    table = table_of(survivors)
    if survivors[-1] == first:
        with pytest.raises(DataError):
            model().fit(table)
        return
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        fit = model().fit(table)
        frame = fit.predict([0, 1, 5], TEN_PERCENT)
        curve = fit.survival_curve(15)
    assert fit.diagnostics.converged
    assert np.isfinite(frame).all(axis=None)
    assert np.isfinite(curve).all(axis=None)
    tolerance = 1 + 1e-9
    for name in ("retention_rate", "residual_lifetime"):
        assert (frame[f"{name}_lo"] <= frame[name] * tolerance).all()
        assert (frame[f"{name}_hi"] * tolerance >= frame[name]).all()
    assert (curve["survival"].diff()[1:] <= 1e-15).all()


# the rest


def test_survival_curve():
    fit = fitted(ShiftedBetaGeoModel, REGULAR[:8])
    curve = fit.survival_curve(12, level=0.95)
    assert curve["renewals"].tolist() == list(range(13))
    row = curve.iloc[12]
    assert row.survival_lo < row.survival < row.survival_hi
    assert row.survival_lo < 0.173 < row.survival_hi
    assert row.retention_rate_lo < row.retention_rate < row.retention_rate_hi
    assert curve.iloc[0].tolist() == [0, 1, 1, 1, 1, 1, 1]
    np.testing.assert_allclose(curve["survival"], fit.survival(range(13)))


def test_summary_and_criteria():
    fit = fitted(BetaDiscreteWeibullModel, REGULAR[:8])
    summary = fit.summary()
    assert summary["parameter"].tolist() == ["alpha", "beta", "c"]
    assert (summary["lo"] < summary["estimate"]).all()
    assert fit.aic == pytest.approx(6 - 2 * fit.loglik)
    assert fit.bic == pytest.approx(3 * np.log(1000) - 2 * fit.loglik)
    assert "<table" in fit._repr_html_()


def test_given_parameters():
    fit = known(ShiftedBetaGeoModel)
    assert fit.params == {"alpha": 0.668, "beta": 3.806}
    with pytest.raises(FitError, match="given, not fitted"):
        _ = fit.loglik
    frame = fit.predict([1], TEN_PERCENT)
    assert frame["residual_lifetime_lo"][0] == pytest.approx(frame["residual_lifetime_hi"][0])
    for bad in ({"alpha": 0, "beta": 1}, {"alpha": 1, "beta": np.inf}):
        with pytest.raises(ParameterError, match="positive and finite"):
            known(ShiftedBetaGeoModel, **bad)
    with pytest.raises(ParameterError, match="below 1"):
        known(GeometricRetentionModel, theta=1.5)
    with pytest.raises(UnitError):
        ShiftedBetaGeoModel().with_params(alpha=1, beta=1, period=1)


@pytest.mark.parametrize("model", MODELS)
def test_saved_fits_hold_all_that_predictions_need(model, tmp_path):
    from clvmodels.models.storage import load_horizon, read_json
    from clvmodels.value.storage import load_estimate

    fit = fitted(model, REGULAR[:8])
    fit.save(tmp_path / "fit.json")
    document = read_json(tmp_path / "fit.json")
    assert document["role"] == "retention"
    assert document["model"] == model.key
    again = FittedRetention(
        load_estimate(document["estimate"]),
        model(**document["choices"]),
        load_horizon(document["period"]),
    )
    before, after = (f.predict([0, 3], TEN_PERCENT) for f in (fit, again))
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("model", MODELS)
def test_models_and_fits_never_change(model):
    from copy import deepcopy
    from pickle import dumps, loads

    with pytest.raises((AttributeError, TypeError)):
        model().key = "other"
    fit = fitted(model, REGULAR[:8])
    with pytest.raises(AttributeError):
        fit.period = Horizon(1, "month")
    for again in (loads(dumps(fit)), deepcopy(fit)):
        assert again.params == fit.params
    assert "References" in model.__doc__

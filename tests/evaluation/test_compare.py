"""Models of the same data side by side: likelihood ratios, criteria and frequency chi-squares."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

import clvmodels as clv
from clvmodels.exceptions import DataError, FitError, ParameterError


@pytest.fixture(scope="module")
def fits(rfm):
    models = (clv.NBDModel(), clv.BetaGeoModel(), clv.ParetoNBDModel(), clv.ModifiedBetaGeoModel())
    return [model.fit(rfm) for model in models]


@pytest.fixture(scope="module")
def rfm():
    return clv.datasets.load_cdnow_summary()


def test_published_figures_of_cdnow(fits, rfm):
    # Fader, Hardie and Lee (2005), table 2: log-likelihoods -9582.4 and -9595.0, chi-squares of
    # the frequencies 4.82 (p = .19) and 11.99 (p = .007); NBD -9763.7
    table = clv.compare(fits, rfm).set_index("model")
    assert table.loglik["BG/NBD"] == pytest.approx(-9582.4, abs=0.05)
    assert table.loglik["Pareto/NBD"] == pytest.approx(-9595.0, abs=0.05)
    assert table.loglik["NBD"] == pytest.approx(-9763.7, abs=0.05)
    assert table.chi_square["BG/NBD"] == pytest.approx(4.82, abs=0.006)
    assert table.chi_p["BG/NBD"] == pytest.approx(0.19, abs=0.005)
    assert table.chi_square["Pareto/NBD"] == pytest.approx(11.99, abs=0.006)
    assert table.chi_p["Pareto/NBD"] == pytest.approx(0.007, abs=0.0005)


def test_criteria_and_ratios_are_those_of_the_likelihoods(fits, rfm):
    table = clv.compare(fits, rfm)
    assert (np.diff(table.aic) >= 0).all()
    by_model = table.set_index("model")
    np.testing.assert_allclose(by_model.aic, 2 * by_model.parameters - 2 * by_model.loglik)
    np.testing.assert_allclose(
        by_model.bic, np.log(2357) * by_model.parameters - 2 * by_model.loglik
    )
    one = by_model.loc["BG/NBD"]
    assert one.against == "NBD"
    assert one.lr == pytest.approx(2 * (one.loglik - by_model.loglik["NBD"]))
    assert one.lr_df == 2
    assert one.lr_p == pytest.approx(chi2.sf(one.lr, 2), rel=1e-9, abs=1e-300)
    assert by_model.against["NBD"] == ""
    assert np.isnan(by_model.lr["NBD"])


def test_names_may_be_given_and_twins_are_told_apart(fits, rfm):
    table = clv.compare({"ours": fits[1], "none": fits[0]}, rfm)
    assert table.model.tolist() == ["ours", "none"]
    assert table.against[0] == "none"
    twins = clv.compare([fits[1], clv.BetaGeoModel().fit(rfm, clv.Lifetimes())], rfm)
    assert sorted(twins.model) == ["BG/NBD (1)", "BG/NBD (2)"]


def test_only_models_of_the_same_data_are_compared(fits, rfm):
    half = rfm.select(np.arange(1000))
    with pytest.raises(DataError, match="other data"):
        clv.compare([fits[0], clv.BetaGeoModel().fit(half)], rfm)
    days = clv.RFMSummary.from_arrays(rfm.frequency, rfm.recency * 7, rfm.T * 7, time_unit="day")
    with pytest.raises(DataError, match="time unit"):
        clv.compare([fits[0], clv.BetaGeoModel().fit(days)], rfm)
    with pytest.raises(ParameterError, match="two models"):
        clv.compare(fits[:1], rfm)
    known = clv.NBDModel().with_params(r=0.385, alpha=12.07, time_unit="week")
    with pytest.raises(FitError, match="given, not fitted"):
        clv.compare([known, fits[1]], rfm)


def test_covariates_are_tested_against_the_model_without_them(rfm):
    rng = np.random.default_rng(0)
    some = rfm.with_column("noise", rng.normal(size=len(rfm))).with_column(
        "busy", np.log1p(rfm.frequency) + rng.normal(size=len(rfm))
    )
    plain = clv.BetaGeoModel().fit(some)
    one = clv.BetaGeoModel(covariates=clv.Covariates(purchase="busy")).fit(some)
    two = clv.BetaGeoModel(covariates=clv.Covariates(purchase=("busy", "noise"))).fit(some)
    table = clv.compare({"plain": plain, "one": one, "two": two}, some).set_index("model")
    assert table.against["one"] == "plain"
    assert table.lr_df["one"] == 1
    assert table.lr_p["one"] < 1e-6
    assert table.against["two"] == "one"
    assert table.lr["two"] < chi2.isf(1e-4, 1)
    # a penalty is no special case
    ridge = clv.BetaGeoModel(covariates=clv.Covariates(purchase="busy", ridge=10.0)).fit(some)
    table = clv.compare({"plain": plain, "ridge": ridge}, some).set_index("model")
    assert table.against["ridge"] == ""


def test_models_with_a_choice_are_named_with_it():
    log = clv.datasets.load_cdnow(sample=True)
    timed = clv.rfm_summary(log, time_unit="week", observation_end="1997-09-30", litt=True)
    fits = [clv.BetaGeoCNBDModel(k=k).fit(timed) for k in (1, 2)]
    table = clv.compare(fits, timed)
    assert table.model.tolist() == ["BG/CNBD-1", "BG/CNBD-2"]


def test_covariates_are_in_the_name_and_a_test_without_degrees_of_freedom_is_empty(rfm):
    some = rfm.with_column("u", np.random.default_rng(0).normal(size=len(rfm)))
    covariates = clv.Covariates(purchase="u", dropout="u")
    fits = [clv.BetaGeoModel(covariates=covariates).fit(some), clv.BetaGeoModel().fit(some)]
    table = clv.compare(fits, some).set_index("model")
    assert table.against["BG/NBD with covariates"] == "BG/NBD"
    assert table.chi_df["BG/NBD"] == 3
    assert np.isnan(table.chi_df["BG/NBD with covariates"])  # seven classes, seven parameters
    assert np.isfinite(table.chi_square["BG/NBD with covariates"])


def test_retention_models_are_nested():
    # Fader and Hardie (2007), How to project customer retention, table 1: the Regular segment
    survivors = [1000, 631, 468, 382, 326, 289, 262, 241]
    table = clv.RetentionTable.from_survivors(survivors, period="1 year")
    models = (
        clv.BetaDiscreteWeibullModel(),
        clv.GeometricRetentionModel(),
        clv.ShiftedBetaGeoModel(),
    )
    fits = [model.fit(table) for model in models]
    found = clv.compare(fits, table).set_index("model")
    assert found.against.to_dict() == {
        "Geometric": "",
        "Shifted-beta-geometric": "Geometric",
        "Beta-discrete-Weibull": "Shifted-beta-geometric",
    }
    assert found.lr_df.dropna().tolist() == [1, 1]
    assert found.lr_p["Shifted-beta-geometric"] < 1e-6
    # the sBG describes these data: nothing is left for the Weibull's third parameter
    assert found.lr_p["Beta-discrete-Weibull"] > 0.05
    assert found.index[0] == "Shifted-beta-geometric"
    assert found[["chi_square", "chi_df", "chi_p"]].isna().all(axis=None)
    ratio = 2 * (fits[2].loglik - fits[1].loglik)
    assert found.lr["Shifted-beta-geometric"] == pytest.approx(ratio)
    others = clv.RetentionTable.from_survivors([1000, 869, 743], period="1 year")
    with pytest.raises(DataError, match="other data"):
        clv.compare([fits[0], clv.GeometricRetentionModel().fit(others)], table)


def test_spend_models_are_weighed_by_their_criteria(rfm):
    fits = [clv.LognormalNormalModel().fit(rfm), clv.GammaGammaModel().fit(rfm)]
    table = clv.compare(fits, rfm).set_index("model")
    assert (table.against == "").all()  # neither is a special case of the other
    assert table.aic["Gamma-Gamma"] == pytest.approx(fits[1].aic)
    assert table[["lr", "chi_square"]].isna().all(axis=None)
    dearer = clv.RFMSummary.from_arrays(
        rfm.frequency, rfm.recency, rfm.T, time_unit="week",
        monetary_value=2 * np.nan_to_num(rfm.monetary_value),
    )  # fmt: skip
    with pytest.raises(DataError, match="other data"):
        clv.compare([fits[0], clv.GammaGammaModel().fit(dearer)], rfm)


@pytest.fixture(scope="module")
def promoted():
    """The sample of CDNOW, with a promotion that never had to do with anything."""
    log = clv.datasets.load_cdnow(sample=True)
    log = log[log.customer_id.isin(log.customer_id.unique()[:300])]
    weeks = pd.DataFrame({"period": pd.date_range("1996-12-30", "1997-09-29", freq="7D")})
    weeks["promo"] = np.random.default_rng(0).integers(0, 2, len(weeks))
    series = weeks.merge(pd.DataFrame({"customer_id": log.customer_id.unique()}), how="cross")
    return clv.time_varying_summary(
        log, series, columns=["promo"], time_unit="week", observation_end="1997-09-30"
    )


def test_time_varying_covariates_are_tested_against_none(promoted):
    varying = clv.TimeVaryingParetoNBDModel(purchase="promo").fit(promoted)
    more = clv.TimeVaryingParetoNBDModel(purchase="promo", dropout="promo").fit(promoted)
    none = clv.ParetoNBDModel().fit(promoted.rfm)
    fits = {"none": none, "purchase": varying, "both": more}
    table = clv.compare(fits, promoted).set_index("model")
    assert table.against.to_dict() == {"none": "", "purchase": "none", "both": "purchase"}
    assert table.lr_df[["purchase", "both"]].tolist() == [1, 1]
    assert table.lr["purchase"] == pytest.approx(2 * (varying.loglik - none.loglik), abs=1e-9)
    assert np.isfinite(table.chi_square["none"])  # of the summary within
    assert varying.loglik_of(promoted) == pytest.approx(varying.loglik, rel=1e-12)
    # with the coefficient held at zero, the larger model is the smaller one
    pushed = clv.TimeVaryingParetoNBDModel(purchase="promo", ridge=1e10).fit(promoted)
    assert pushed.loglik == pytest.approx(none.loglik, abs=1e-4)


def test_what_was_fitted_to_other_walks_is_told(promoted):
    fit = clv.TimeVaryingParetoNBDModel(purchase="promo").fit(promoted)
    other = replace(promoted, values=1 - promoted.values)
    other = replace(
        other,
        at_purchases=promoted.rfm.frequency[:, None] - promoted.at_purchases,
    )
    # the same covariate the other way round: the same likelihood needs another coefficient
    with pytest.raises(DataError, match="other data"):
        clv.compare([fit, clv.ParetoNBDModel().fit(promoted.rfm)], other)
    with pytest.raises(DataError, match="TimeVaryingSummary"):
        clv.compare([fit, clv.ParetoNBDModel().fit(promoted.rfm)], promoted.rfm)


def test_models_of_different_roles_are_not_compared(fits, rfm):
    with pytest.raises(ParameterError, match=r"one role.*NBD, Gamma-Gamma"):
        clv.compare([fits[0], clv.GammaGammaModel().fit(rfm)], rfm)


def test_fits_know_their_data_without_being_shown_them(fits, rfm):
    table, shown = clv.compare(fits), clv.compare(fits, rfm)
    columns = ["model", "loglik", "aic", "bic", "lr", "lr_p"]
    pd.testing.assert_frame_equal(table[columns], shown[columns])
    assert table.chi_square.isna().all()
    # one customer less, or another unit
    with pytest.raises(DataError, match="other data"):
        clv.compare([fits[0], clv.BetaGeoModel().fit(rfm.select(np.arange(1, len(rfm))))])
    days = clv.RFMSummary.from_arrays(rfm.frequency, rfm.recency * 7, rfm.T * 7, time_unit="day")
    with pytest.raises(DataError, match="time unit"):
        clv.compare([fits[0], clv.BetaGeoModel().fit(days)])
    mixed = rfm.select(np.random.default_rng(0).permutation(len(rfm)))
    assert len(clv.compare([fits[0], clv.BetaGeoModel().fit(mixed)])) == 2


@pytest.mark.filterwarnings("ignore:NOT to be relied on")  # a short chain
def test_posteriors_have_no_criteria_and_are_named_by_their_groups(rfm):
    few = rfm.select(np.arange(300)).with_column("seg", np.repeat(["a", "b", "c"], 100))
    method = clv.MCMC(draws=50, chains=2, tune=150, seed=1, groups="seg", progress=False)
    fits = [clv.NBDModel().fit(few, method), clv.NBDModel().fit(few, clv.Laplace(draws=100))]
    table = clv.compare([*fits, clv.NBDModel().fit(few)]).set_index("model")
    grouped = table.loc["NBD by seg"]
    assert np.isnan(grouped["parameters"])
    assert table.loc[table.index != "NBD by seg", "parameters"].eq(2).all()
    assert table["aic"].isna().tolist() == [False, True, True]  # those with criteria first
    assert table["bic"].isna().tolist() == [False, True, True]
    assert (np.diff(clv.compare(fits, few)["elpd_loo"]) <= 0).all()

"""Models of the same data side by side: likelihood ratios, criteria and frequency chi-squares."""

import numpy as np
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

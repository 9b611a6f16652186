"""The models as a scikit-learn regressor: its contract, and the same numbers as without it."""

import pickle
import subprocess
import sys

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import validate_data

import clvmodels as clv
from clvmodels.interop.sklearn import CLVRegressor

RATE = clv.DiscountRate(0.10, per="year")


@pytest.fixture(scope="module")
def split():
    return clv.calibration_holdout_split(
        clv.datasets.load_cdnow(sample=True),
        cutoff="1997-09-30", horizon="39 weeks", time_unit="week", value="value",
    )  # fmt: skip


@pytest.fixture(scope="module")
def X(split):
    return split.calibration.to_pandas()


def regressor(**choices):
    """Of purchases in 39 weeks, unless told otherwise."""
    usual = {"horizon": "39 weeks", "time_unit": "week", "predicts": "purchases"}
    return CLVRegressor(**{**usual, **choices})


class OnAnyNumbers(CLVRegressor):
    """The regressor, but that any numbers make customers: scikit-learn's own checks draw theirs."""

    def _summary(self, X, reset):
        size = np.abs(validate_data(self, X, reset=reset, dtype=np.float64)).sum(axis=1)
        x = np.floor(size % 4)
        t_x = np.where(x > 0, 10 + 28 * np.sin(size) ** 2, 0)
        return clv.RFMSummary.from_arrays(x, t_x, np.full(len(x), 40.0), time_unit="week")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.positive_only = False
        return tags


DRAWN = "fits random numbers, which are no RFM summary; test_contract_on_any_numbers passes it"
FAILS_ON_DRAWN = dict.fromkeys(
    [
        "check_dict_unchanged", "check_dont_overwrite_parameters", "check_dtype_object",
        "check_estimators_dtypes", "check_estimators_fit_returns_self",
        "check_estimators_overwrite_params", "check_estimators_pickle",
        "check_f_contiguous_array_estimator", "check_fit2d_1sample", "check_fit2d_predict1d",
        "check_fit_check_is_fitted", "check_fit_idempotent", "check_fit_score_takes_y",
        "check_methods_sample_order_invariance", "check_methods_subset_invariance",
        "check_n_features_in", "check_n_features_in_after_fitting", "check_pipeline_consistency",
        "check_readonly_memmap_input", "check_regressor_data_not_an_array",
        "check_regressors_int", "check_regressors_no_decision_function", "check_regressors_train",
        "check_supervised_y_2d",
    ],
    DRAWN,
) | {
    "check_positive_only_tag_during_fit": "wants other words for it than the name of the column",
}  # fmt: skip


def outcomes(results, *which):
    return {result["check_name"] for result in results if result["status"] in which}


def test_contract_as_scikit_learn_checks_it():
    results = check_estimator(
        regressor(predicts="revenue"), expected_failed_checks=FAILS_ON_DRAWN, on_skip=None
    )
    assert outcomes(results, "xfail") == set(FAILS_ON_DRAWN)  # each reason is needed


def test_contract_on_any_numbers():
    results = check_estimator(
        OnAnyNumbers(horizon="39 weeks", time_unit="week", predicts="purchases"), on_skip=None
    )
    assert set(FAILS_ON_DRAWN) <= outcomes(results, "passed")


def test_numbers_are_those_of_the_models(split, X):
    rfm = split.calibration
    value = clv.CLVModel(clv.ParetoNBDModel(), clv.GammaGammaModel(), RATE, margin=0.3).fit(rfm)
    table = value.predict(rfm, "12 months")

    def predicted(**choices):
        chosen = regressor(model=clv.ParetoNBDModel(), horizon="12 months", **choices)
        return chosen.fit(X).predict(X)

    terms = {"discount": RATE, "margin": 0.3}
    assert predicted() == pytest.approx(table["expected_purchases"].to_numpy(), rel=1e-12)
    assert predicted(predicts="clv", **terms) == pytest.approx(table["clv"].to_numpy(), rel=1e-12)
    revenue = (table["expected_purchases"] * table["expected_spend"]).to_numpy()
    assert predicted(predicts="revenue", **terms) == pytest.approx(revenue, rel=1e-9)
    endless = regressor(model=clv.ParetoNBDModel(), horizon=None, predicts="clv", **terms).fit(X)
    assert endless.predict(X) == pytest.approx(value.clv(rfm), rel=1e-12)
    assert endless.fitted_.purchases.params == value.purchases.params


def test_tables_of_any_kind_are_read_alike(X):
    expected = regressor(predicts="revenue").fit(X).predict(X)
    columns = ["frequency", "recency", "T", "monetary_value"]
    for same in (
        X.set_index("customer_id"),  # an index as ids
        X.drop(columns="customer_id").set_index(np.zeros(len(X))),  # and one that is none
        pl.from_pandas(X),
        X[columns].to_numpy(),
        X[columns].to_numpy().tolist(),
    ):
        fit = regressor(predicts="revenue").fit(same)
        assert fit.n_features_in_ == 4
        assert fit.predict(same) == pytest.approx(expected, rel=1e-12)
    assert regressor().fit(X[columns[:3]].to_numpy()).n_features_in_ == 3


def test_named_columns_keep_their_names(X):
    fit = regressor().fit(X)
    assert fit.feature_names_in_.tolist() == ["frequency", "recency", "T", "monetary_value"]
    with pytest.raises(ValueError, match="feature names should match"):
        fit.predict(X[["T", "recency", "frequency", "monetary_value"]])
    with pytest.raises(ValueError, match="feature names should match"):
        fit.predict(X.drop(columns="monetary_value"))


def test_further_columns_reach_the_model(X):
    share = X.assign(share=np.linspace(0.1, 0.5, len(X)))
    even = regressor(predicts="clv").fit(share)
    own = regressor(predicts="clv", margin="share").fit(share)
    assert own.predict(share) == pytest.approx(even.predict(share) * share["share"].to_numpy())
    acting = clv.BetaGeoModel(covariates=clv.Covariates(purchase="share"))
    assert "purchase:share" in regressor(model=acting).fit(share).fitted_.params


def test_params_clone_and_copies(X):
    given = {"model": clv.NBDModel(), "method": clv.MLE(), "discount": RATE, "margin": 0.3}
    original = regressor(**given).fit(X)
    params = original.get_params()
    assert {name: params[name] for name in given} == given
    again = clone(original)
    assert again.get_params() == params
    assert not hasattr(again, "fitted_")
    assert again.set_params(horizon=clv.Horizon(1, "week")).horizon.length == 1
    expected = original.predict(X)
    assert pickle.loads(pickle.dumps(original)).predict(X) == pytest.approx(expected)
    with joblib.parallel_config("threading"):
        fits = joblib.Parallel(n_jobs=2)(joblib.delayed(clone(original).fit)(X) for _ in "ab")
    assert fits[1].predict(X) == pytest.approx(expected)
    assert "NBDModel" in original._repr_html_inner()


def test_what_may_be_set_after_fit(X):
    fit = regressor().fit(X)
    year = fit.set_params(horizon="52 weeks").predict(X)
    assert year == pytest.approx(regressor(horizon="52 weeks").fit(X).predict(X), rel=1e-12)
    daily = X.assign(recency=7 * X["recency"], T=7 * X["T"])
    assert fit.set_params(time_unit="day").predict(daily) == pytest.approx(year, rel=1e-9)
    endless = regressor(predicts="clv", discount=RATE).fit(X).set_params(horizon=None)
    assert endless.predict(X).sum() > endless.set_params(horizon="52 weeks").predict(X).sum()


@pytest.mark.parametrize(
    ("choices", "error", "words"),
    [
        ({"time_unit": None}, clv.exceptions.UnitError, "time_unit='week'"),
        ({"horizon": None}, clv.exceptions.ParameterError, "Give a horizon"),
        ({"horizon": 39}, clv.exceptions.UnitError, "number and a unit"),
        ({"predicts": "purchases"}, clv.exceptions.ParameterError, "Fit again"),
        ({"predicts": "clv", "discount": RATE}, clv.exceptions.ParameterError, "Fit again"),
        ({"model": clv.NBDModel()}, clv.exceptions.ParameterError, "Fit again"),
    ],
)
def test_what_may_not_be_set_after_fit(X, choices, error, words):
    fit = regressor(predicts="revenue").fit(X)
    assert fit.set_params(model=clv.BetaGeoModel()).predict(X).any()  # what it was by default
    fit.set_params(**choices)
    for answer in (fit.predict, fit.score):
        with pytest.raises(error, match=words):
            answer(X)


def test_score_with_y_and_without(split, X):
    y = split.holdout["purchases"]
    fit = regressor(model=clv.ParetoNBDModel()).fit(X)
    assert fit.score(X, y) == pytest.approx(r2_score(y, fit.predict(X)))
    weight = np.arange(len(X)) % 3
    assert fit.score(X, y, weight) == pytest.approx(
        r2_score(y, fit.predict(X), sample_weight=weight)
    )
    # Fader, Hardie and Lee (2005), table 2: log-likelihood of -9,595.0 for 2,357 customers
    assert fit.score(X) * 2357 == pytest.approx(-9595.0, abs=0.05)
    both = regressor(model=clv.ParetoNBDModel(), predicts="clv").fit(X)
    spend = clv.GammaGammaModel().fit(split.calibration)
    assert both.score(X) == pytest.approx(fit.score(X) + spend.loglik / len(X), rel=1e-9)


def test_cross_validation_by_hand(split, X):
    y, folds = split.holdout["purchases"], KFold(3, shuffle=True, random_state=1)
    scores = cross_val_score(regressor(), X, y, cv=folds, scoring="neg_mean_absolute_error")
    for score, (learn, judge) in zip(scores, folds.split(X), strict=True):
        fit = clv.BetaGeoModel().fit(split.calibration.select(learn))
        expected = fit.expected_purchases(split.calibration.select(judge), "39 weeks")
        assert -score == pytest.approx(np.abs(expected - y.to_numpy()[judge]).mean(), rel=1e-6)


def test_search_over_models_and_methods(split, X):
    grid = {
        "model": [clv.NBDModel(), clv.ParetoNBDModel()],
        "method": [clv.MLE(), clv.MLE(strict=True)],
    }
    search = GridSearchCV(regressor(), grid, cv=2).fit(X)  # by likelihood: no holdout is needed
    assert len(search.cv_results_["params"]) == 4
    assert search.best_params_["model"] == clv.ParetoNBDModel()
    assert search.predict(X) == pytest.approx(search.best_estimator_.predict(X))
    judged = GridSearchCV(regressor(), {"model": grid["model"]}, cv=2, scoring="r2")
    assert judged.fit(X, split.holdout["purchases"]).best_score_ > 0


def test_pipeline_from_columns_of_other_names(X):
    theirs = X.rename(columns={"frequency": "orders", "T": "tenure"})
    names = FunctionTransformer(pd.DataFrame.rename, kw_args={
        "columns": {"orders": "frequency", "tenure": "T"}
    })  # fmt: skip
    pipeline = make_pipeline(names, regressor()).set_output(transform="pandas")
    assert pipeline.fit(theirs).predict(theirs) == pytest.approx(regressor().fit(X).predict(X))
    searched = GridSearchCV(pipeline, {"clvregressor__model": [clv.NBDModel()]}, cv=2).fit(theirs)
    assert searched.best_params_ == {"clvregressor__model": clv.NBDModel()}


@pytest.mark.parametrize(
    ("choices", "error", "words"),
    [
        ({"time_unit": None}, clv.exceptions.UnitError, "time_unit='week'"),
        ({"time_unit": "fortnight"}, clv.exceptions.UnitError, "not a time unit"),
        ({"horizon": 39}, clv.exceptions.UnitError, "number and a unit"),
        ({"horizon": None}, clv.exceptions.ParameterError, "Give a horizon"),
        ({"horizon": None, "predicts": "clv"}, clv.exceptions.ParameterError, "Give a horizon"),
        ({"predicts": "spend"}, clv.exceptions.ParameterError, "clv, revenue, purchases"),
        ({"discount": 0.1}, clv.exceptions.UnitError, "per week, month or year"),
        ({"model": "bg-nbd"}, clv.exceptions.ParameterError, "unfitted PurchaseModel"),
        ({"model": clv.BetaGeoBetaBinomModel()}, clv.exceptions.DataError, "OpportunitySummary"),
    ],
)
def test_choices_that_cannot_be(X, choices, error, words):
    with pytest.raises(error, match=words):
        regressor(**choices).fit(X)


def test_rows_that_cannot_be(X):
    with pytest.raises(NotFittedError):
        regressor().predict(X)
    with pytest.raises(clv.exceptions.DataError, match=r"lacks the column.*recency"):
        regressor().fit(X.drop(columns="recency"))
    with pytest.raises(clv.exceptions.DataError, match=r"5 feature.*Give a DataFrame"):
        regressor().fit(np.ones((9, 5)))
    with pytest.raises(clv.exceptions.DataError, match=r"recency must not exceed T.*first 0, 1"):
        regressor().fit(X.assign(T=0.5 * X["recency"], recency=X["recency"].clip(1)))
    with pytest.raises(clv.exceptions.DataError, match="no monetary_value"):
        regressor(predicts="revenue").fit(X.drop(columns="monetary_value"))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        regressor().fit(X, np.ones(3))


def test_scikit_learn_is_asked_for_only_here():
    code = """
import sys, clvmodels
for name in dir(clvmodels):
    getattr(clvmodels, name)
assert "sklearn" not in sys.modules
sys.modules["sklearn"] = None  # as if it were not installed
try:
    import clvmodels.interop.sklearn
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'scikit-learn" in done.stdout

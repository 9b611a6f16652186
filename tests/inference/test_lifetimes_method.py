"""The lifetimes package's fitters behind our predictions: the same estimates, none of its NaNs."""

import warnings

import numpy as np
import pandas as pd
import pytest

from clvmodels.data.datasets import load_cdnow_summary
from clvmodels.exceptions import FitError, ParameterError
from clvmodels.inference.lifetimes import Lifetimes
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.gamma_gamma import GammaGammaModel
from clvmodels.models.modified_beta_geo import ModifiedBetaGeoModel
from clvmodels.models.nbd import NBDModel
from clvmodels.models.pareto_nbd import ParetoNBDModel

MODELS = [BetaGeoModel, ModifiedBetaGeoModel, GammaGammaModel]


@pytest.fixture(scope="module")
def cdnow():
    return load_cdnow_summary()


@pytest.mark.parametrize("model", MODELS)
def test_same_maximum_as_ours(model, cdnow):
    theirs, ours = model().fit(cdnow, Lifetimes()), model().fit(cdnow)
    # lifetimes stops where its gradient per customer is below 1e-7
    assert theirs.params == pytest.approx(ours.params, rel=1e-3)
    assert ours.loglik - 1e-3 < theirs.loglik <= ours.loglik + 1e-9
    np.testing.assert_allclose(theirs.summary().se, ours.summary().se, rtol=5e-3)
    assert theirs.diagnostics.converged
    assert theirs.estimate.method == "Lifetimes(penalizer=0)"
    assert "moves the estimates" not in str(theirs.diagnostics)


@pytest.mark.parametrize(
    ("penalizer", "a", "b", "repeaters"),
    [  # lifetimes 0.11.3 on CDNOW: estimates, and the sum of 39-week predictions over repeat buyers
        (0.0, 0.7929, 2.4258, 1335.8),
        (0.001, 0.4984, 1.3232, 1454.3),
        (0.01, 0.2856, 0.6585, 1620.3),
        (0.1, 0.1287, 0.2671, 1862.4),
    ],
)
def test_penalised_fits_are_finite_and_say_how_far_they_are_off(penalizer, a, b, repeaters, cdnow):
    fit = BetaGeoModel().fit(cdnow, Lifetimes(penalizer))
    assert fit.params["a"] == pytest.approx(a, abs=2e-4)
    assert fit.params["b"] == pytest.approx(b, abs=5e-4)
    expected = fit.expected_purchases(cdnow, "39 weeks")
    assert np.isfinite(expected).all()
    assert expected[cdnow.frequency > 0].sum() == pytest.approx(repeaters, abs=0.3)
    shifted = "The penalizer moves the estimates from the maximum" in str(fit.diagnostics)
    assert shifted == (penalizer > 0)
    if penalizer == 0.01:
        # lifetimes itself gives NaN for the 1,411 one-time buyers; mpmath: 0.1925055 at T = 38.86
        assert "a 0.7929 -> 0.2856, b 2.426 -> 0.6585" in str(fit.diagnostics)
        once = (cdnow.frequency == 0) & (cdnow.T == 38.86)
        assert expected[once][0] == pytest.approx(0.1925055, rel=2e-4)


def test_models_that_lifetimes_lacks_are_named(cdnow):
    with pytest.raises(FitError, match=r"no nbd model; it has beta_geo.*Fit with MLE\(\) instead"):
        NBDModel().fit(cdnow, Lifetimes())


def small_sample(seed):
    source = BetaGeoModel().with_params(r=0.24, alpha=4.41, a=0.8, b=2.43, time_unit="week")
    return source.simulate(50, "40 weeks", seed)


def test_its_failure_is_a_fit_error_and_nothing_is_printed(capsys):
    # on this sample its optimiser gives up, and prints its state
    with pytest.raises(FitError, match=r"ConvergenceError.*Fit with MLE\(\) instead"):
        BetaGeoModel().fit(small_sample(3), Lifetimes())
    assert capsys.readouterr() == ("", "")


def test_stopping_short_of_the_maximum_is_no_convergence():
    fit, best = (BetaGeoModel().fit(small_sample(2), method) for method in (Lifetimes(), None))
    assert fit.loglik < best.loglik - 0.1
    assert not fit.diagnostics.converged
    assert "Stopping early moves the estimates" in str(fit.diagnostics)
    assert not any("Standard errors" in note for note in fit.diagnostics.notes)


def test_pandas_options_and_warning_filters_are_left_alone(cdnow):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = pd.get_option("mode.chained_assignment")
        filters = list(warnings.filters)
        GammaGammaModel().fit(cdnow, Lifetimes())
        assert pd.get_option("mode.chained_assignment") == before
        assert list(warnings.filters) == filters


@pytest.mark.parametrize("penalizer", [-0.1, np.nan, np.inf])
def test_penalizers_are_not_negative(penalizer):
    with pytest.raises(ParameterError, match="penalizer"):
        Lifetimes(penalizer)


def test_fits_repeat_and_leave_numpys_generator_alone():
    # lifetimes' Pareto/NBD starts at np.random.normal (fitters/pareto_nbd_fitter.py)
    data = load_cdnow_summary().select(slice(0, 300))
    np.random.seed(3)  # noqa: NPY002
    first = ParetoNBDModel().fit(data, Lifetimes()).params
    drawn = np.random.normal()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    assert np.random.normal() == drawn  # noqa: NPY002
    assert ParetoNBDModel().fit(data, Lifetimes()).params == first

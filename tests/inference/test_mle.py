"""Maximum likelihood on a problem small enough to solve by hand, and what it says of itself."""

import numpy as np
import pytest

from clvmodels.data.datasets import load_cdnow_summary
from clvmodels.exceptions import FitError, FitWarning
from clvmodels.inference import mle
from clvmodels.inference.mle import MLE
from clvmodels.inference.problem import Parameter, Problem
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.modified_beta_geo import ModifiedBetaGeoModel
from clvmodels.models.nbd import NBDModel


def exponential(times, weight=None, starts=(1.0,)):
    """Exponential waiting times: the rate is estimated by count / total, its log by 1 / sqrt n."""

    def compile_(data, weight):
        def objective(theta):
            (rate,), n, total = theta, weight.sum(), weight @ data["t"]
            f = rate * total - n * np.log(rate)
            return f, np.array([total - n / rate]), np.array([[n / rate**2]])

        return objective

    times = np.asarray(times, dtype=float)
    return Problem(
        model="exponential",
        parameters=(Parameter("rate", "pure", "per unit"),),
        data={"t": times},
        weight=np.ones(len(times)) if weight is None else np.asarray(weight, dtype=float),
        compile=compile_,
        starts=lambda data, weight: [np.array([s]) for s in starts],
    )


def two_hills(starts):
    """A likelihood of two maxima: 0 at 1, 1 at 100."""

    def compile_(data, weight):
        def objective(theta):
            u, far = np.log(theta[0]), np.log(100)
            low, high = np.exp(-2 * u**2), np.exp(1 - 2 * (u - far) ** 2)
            value = np.log(low + high)
            share = high / (low + high)
            slope = -4 * (u - share * far)
            bend = -4 + 16 * far**2 * share * (1 - share)
            d = -slope / theta[0]
            return -value, np.array([d]), np.array([[-bend / theta[0] ** 2 - d / theta[0]]])

        return objective

    return Problem(
        model="hills", parameters=(Parameter("a"),), data={"x": np.zeros(1)}, weight=np.ones(1),
        compile=compile_, starts=lambda data, weight: [np.array([s]) for s in starts],
    )  # fmt: skip


def test_exponential_rate_by_hand():
    fit = MLE().estimate(exponential([1.0, 2, 3, 6], weight=[2, 1, 1, 4]))
    assert fit.means == pytest.approx({"rate": 8 / 31})
    assert fit.loglik == pytest.approx(8 * np.log(8 / 31) - 8)
    assert fit.covariance == pytest.approx(np.array([[1 / 8]]))
    assert fit.customers == 8
    assert fit.method == "MLE"
    assert fit.names == ("rate",)


def test_diagnostics_of_a_clean_fit():
    d = MLE().estimate(exponential([1.0, 2, 3], starts=(1.0, 30.0))).diagnostics
    assert d.converged
    assert d.starts_agree
    assert d.gain_left < 1e-10
    assert d.gradient_norm < 1e-5
    assert d.condition_number == 1
    assert d.distinct_rows == 3
    assert d.evaluations > 2
    assert d.boundary == ()
    assert d.notes == ()
    assert str(d).startswith("converged: at most")


def test_a_parameter_at_infinity_is_reported_not_raised():
    # nobody ever waits: the rate has no finite estimate
    fit = MLE().estimate(exponential([0.0, 0.0]))
    assert fit.diagnostics.converged
    assert fit.diagnostics.boundary == ("rate",)
    assert fit.covariance is None
    assert "do not pin down rate" in fit.covariance_note
    assert fit.means["rate"] == pytest.approx(1e7)


def test_the_best_of_several_maxima_is_kept_and_the_others_are_mentioned():
    fit = MLE().estimate(two_hills([1.2, 80.0]))
    assert fit.means["a"] == pytest.approx(100, rel=1e-3)
    assert not fit.diagnostics.starts_agree
    assert "different maxima" in str(fit.diagnostics)
    alone = MLE().estimate(two_hills([80.0]))
    assert alone.diagnostics.starts_agree


def test_a_search_cut_short_warns_or_raises(monkeypatch):
    def cut_short(objective, start, limits):
        return whole(objective, start, limits, max_steps=1)

    whole = mle.minimise
    monkeypatch.setattr(mle, "minimise", cut_short)
    problem = exponential([1.0, 2, 3], starts=(1e4,))
    with pytest.warns(FitWarning, match=r"did not converge\. NOT converged") as caught:
        fit = MLE().estimate(problem)
    assert len(caught) == 1
    assert not fit.diagnostics.converged
    with pytest.raises(FitError, match="did not converge"):
        MLE(strict=True).estimate(problem)


def test_a_warning_points_at_the_call_to_fit(monkeypatch):
    whole = mle.minimise
    monkeypatch.setattr(mle, "minimise", lambda *a: whole(*a, max_steps=1))
    with pytest.warns(FitWarning) as caught:
        NBDModel().fit(load_cdnow_summary())
    assert caught[0].filename == __file__


def test_strict_fits_that_converge_say_nothing():
    strict = BetaGeoModel().fit(load_cdnow_summary(), MLE(strict=True))
    assert strict.params == BetaGeoModel().fit(load_cdnow_summary()).params


@pytest.mark.parametrize("model", [NBDModel, BetaGeoModel, ModifiedBetaGeoModel])
def test_screening_of_starts_changes_nothing(model, monkeypatch):
    data = load_cdnow_summary()
    whole = model().fit(data)
    monkeypatch.setattr(mle, "_SCREENING_ROWS", 200)
    screened = model().fit(data)
    assert screened.params == pytest.approx(whole.params, rel=1e-6)
    assert screened.diagnostics.distinct_rows == whole.diagnostics.distinct_rows


@pytest.mark.parametrize("model", [BetaGeoModel, ModifiedBetaGeoModel])
def test_likelihoods_in_parts_add_up(model, monkeypatch):
    from clvmodels.inference import problem

    whole = model()._problem(load_cdnow_summary())[0]
    theta = np.array([0.3, 5.0, 0.7, 2.0])
    together = whole.objective()(theta)
    monkeypatch.setattr(problem, "_ROWS_PER_THREAD", 100)
    monkeypatch.setattr(problem, "usable_cores", lambda: 7)
    for one, other in zip(whole.objective()(theta), together, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-9)


def test_standard_errors_are_those_of_the_curvature():
    # lifetimes' documentation, BG/NBD on CDNOW
    table = BetaGeoModel().fit(load_cdnow_summary()).summary()
    np.testing.assert_allclose(table.se, [0.012557, 0.378221, 0.185719, 0.705345], atol=1.5e-6)

"""Posteriors drawn beside the maximum of the likelihood."""

from dataclasses import replace

import numpy as np
import pytest

from clvmodels.bayes.laplace import Laplace
from clvmodels.data.datasets import load_cdnow_summary
from clvmodels.exceptions import DataError, FitError, ParameterError
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.gamma_gamma import GammaGammaModel
from clvmodels.models.modified_beta_geo import ModifiedBetaGeoModel
from clvmodels.models.nbd import NBDModel
from clvmodels.report.posteriors import ParameterIntervals, ParameterPosterior

MODEL = BetaGeoModel()


@pytest.fixture(scope="module")
def rfm():
    return load_cdnow_summary()


@pytest.fixture(scope="module")
def mle(rfm):
    return MODEL.fit(rfm)


@pytest.fixture(scope="module")
def posterior(rfm):
    return MODEL.fit(rfm, Laplace(draws=1000, seed=1))


def test_classes_hold_the_draws_and_the_curve_is_that_of_the_summary(posterior, mle):
    display = ParameterPosterior.of(posterior, "alpha", mle)
    frame = display.frame
    width = frame["hi"] - frame["lo"]
    # 0.2 % of the draws lie beyond the classes
    assert 0.99 <= (frame["density"] * width).sum() <= 1
    assert frame["draws"].sum() == pytest.approx(1000 * (frame["density"] * width).sum())
    assert 0.98 <= (frame["mle_density"] * width).sum() <= 1
    summary = display.summary.set_index("source")
    table = mle.summary().set_index("parameter").loc["alpha"]
    for name in ("estimate", "lo", "hi"):
        assert summary.loc["maximum likelihood", name] == pytest.approx(table[name], rel=1e-9)
    assert summary.loc["posterior", "estimate"] == pytest.approx(posterior.params["alpha"])
    # the peak of the normal curve is near the maximum
    peak = frame["lo"][frame["mle_density"].argmax()]
    assert peak == pytest.approx(mle.params["alpha"], rel=0.05)


def test_title_and_axis_tell_the_unit(posterior, mle):
    display = ParameterPosterior.of(posterior, "alpha", mle)
    assert display.title.startswith("alpha in weeks: 4.4")
    assert display.title.endswith("by maximum likelihood")
    assert display.plot().get_xlabel() == "alpha in weeks"
    assert ParameterPosterior.of(posterior, "a").plot().get_xlabel() == "a"


def test_traits_have_the_scale_of_the_posterior(posterior, mle):
    display = ParameterPosterior.of(posterior, "dropout", mle)
    at = display.summary.set_index("source").loc["maximum likelihood", "estimate"]
    a, b = mle.params["a"], mle.params["b"]
    assert at == pytest.approx(a / (a + b), rel=1e-12)
    assert "mean probability of dropout after a purchase" in display.caption
    assert display.title.startswith("dropout: ")
    purchases = ParameterPosterior.of(posterior, "purchases", mle)
    # over the median T of the 1/10 sample, 32.71 weeks
    assert purchases.title.startswith("purchases in 32.7 weeks: ")


def test_without_a_maximum_and_of_spend(posterior, rfm):
    display = ParameterPosterior.of(posterior, "r")
    assert "by maximum likelihood" not in display.title
    assert display.frame["mle_density"].isna().all()
    spend = GammaGammaModel().fit(rfm, Laplace(draws=200, seed=1))
    assert "the currency of the data" in ParameterPosterior.of(spend, "v").title


def test_intervals_are_relative_to_the_maximum(posterior, mle):
    display = ParameterIntervals.of({"Laplace": posterior}, mle)
    frame = display.frame.set_index(["fit", "parameter"])
    assert frame.loc["maximum likelihood", "relative"].tolist() == [1.0] * 4
    own = frame.loc[("Laplace", "b")]
    assert own["relative_hi"] == pytest.approx(own["hi"] / mle.params["b"])
    # b has the longest tail to the right, so its mean lies farthest from the mode
    assert display.title.startswith("b lies farthest from its maximum likelihood: Laplace has")
    names = [label.get_text() for label in display.plot().get_yticklabels()]
    assert names == ["r", "alpha", "a", "b"]
    assert ParameterIntervals.of({}, mle).title == "Maximum likelihood, with intervals of 90 %"


def test_parameters_that_are_not_pinned_down_have_no_maximum(posterior, mle):
    def loose(*names):
        own = replace(mle.estimate.diagnostics, boundary=names)
        return replace(mle, estimate=replace(mle.estimate, diagnostics=own))

    display = ParameterIntervals.of({"Laplace": posterior}, loose("a", "b"))
    assert display.frame["parameter"].unique().tolist() == ["r", "alpha"]
    assert "the data do not pin them down: a, b." in display.caption
    with pytest.raises(DataError, match="no maximum to compare"):
        ParameterIntervals.of({"Laplace": posterior}, loose(*mle.params))


def test_fits_that_cannot_be_compared(posterior, mle, rfm):
    with pytest.raises(FitError, match="no draws of r"):
        ParameterPosterior.of(mle, "r")
    some = rfm.select(np.arange(500))
    with pytest.raises(DataError, match="different data"):
        ParameterPosterior.of(posterior, "r", MODEL.fit(some))
    given = MODEL.with_params(r=0.24, alpha=4.4, a=0.8, b=2.4, time_unit="week")
    with pytest.raises(FitError, match="no data"):
        ParameterPosterior.of(posterior, "r", given)
    for compare in (
        lambda mle: ParameterPosterior.of(posterior, "r", mle),
        lambda mle: ParameterIntervals.of({"Laplace": posterior}, mle),
    ):
        with pytest.raises(ParameterError, match="by MLE, not a posterior"):
            compare(posterior)
        with pytest.raises(ParameterError, match="of one model"):
            compare(ModifiedBetaGeoModel().fit(rfm))  # the same parameters
    with pytest.raises(ParameterError, match="'maximum likelihood' is the name of mle"):
        ParameterIntervals.of({"maximum likelihood": posterior}, mle)
    with pytest.raises(ParameterError, match="Compare fits of one model"):
        ParameterIntervals.of({"NBD": NBDModel().fit(rfm)}, mle)

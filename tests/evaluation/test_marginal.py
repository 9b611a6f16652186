"""How sure fits are of one quantity: by their own summaries, and by draws of it."""

import numpy as np
import pytest

from clvmodels.bayes.laplace import Laplace
from clvmodels.data.datasets import load_cdnow_summary
from clvmodels.evaluation.marginal import marginal
from clvmodels.exceptions import FitError, ParameterError
from clvmodels.inference.bootstrap import Bootstrap
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.gamma_gamma import GammaGammaModel

SCALES = {"time": 32.86}


@pytest.fixture(scope="module")
def rfm():
    return load_cdnow_summary()


@pytest.fixture(scope="module")
def mle(rfm):
    return BetaGeoModel().fit(rfm)


@pytest.fixture(scope="module")
def posterior(rfm):
    return BetaGeoModel().fit(rfm, Laplace(draws=1000, seed=1))


def test_of_a_parameter_it_is_what_the_summary_says(mle, posterior, rfm):
    spend = GammaGammaModel().fit(rfm)
    for fit in (mle, posterior, spend):
        table = fit.summary(0.8).set_index("parameter")
        for name in table.index:
            its = marginal(fit, name)
            ends = [its.value(end) for end in its.limits(0.8)]
            # quantiles of logs, between draws, are not quite logs of quantiles
            assert ends == pytest.approx(table.loc[name, ["lo", "hi"]].tolist(), rel=1e-5)
            assert its.trait.meaning == table.loc[name, "meaning"]


@pytest.mark.parametrize("name", ["purchases", "purchase_cv", "dropout", "dropout_concentration"])
def test_of_a_trait_it_is_what_draws_of_the_parameters_say(mle, name):
    its = marginal(mle, name, SCALES)
    p = mle.estimate.sample(4000, np.random.default_rng(1))
    r, alpha, a, b = (p[k][:, 0] for k in ("r", "alpha", "a", "b"))
    drawn = {
        "purchases": np.log(r / alpha * 32.86),
        "purchase_cv": -np.log(r) / 2,
        "dropout": np.log(a / b),
        "dropout_concentration": np.log(a + b),
    }[name]
    # 4,000 draws know a mean to 0.016 sd (three of them here) and an sd to 1.1 % (four)
    assert its.centre == pytest.approx(drawn.mean(), abs=0.05 * drawn.std())
    assert its.se == pytest.approx(drawn.std(), rel=0.045)


def test_the_normal_curve_is_a_distribution_of_the_quantity(mle):
    for name in ("alpha", "dropout"):
        its = marginal(mle, name, SCALES)
        low, high = (its.value(its.centre + k * its.se) for k in (-1.0, 1.0))
        # one standard error around the centre holds 68.27 % of a normal distribution
        assert its.normal_share(np.array([low, high]))[0] == pytest.approx(0.6826895, abs=1e-7)


def test_draws_of_a_posterior_and_of_replicates(mle, posterior, rfm):
    assert len(marginal(posterior, "dropout").values) == 1000
    replicated = BetaGeoModel().fit(rfm.select(np.arange(500)), Bootstrap(n=20, seed=1))
    its = marginal(replicated, "r")
    np.testing.assert_allclose(its.values, replicated.estimate.replicates["r"][:, 0], rtol=1e-12)
    with pytest.raises(FitError, match="no draws of r"):
        _ = marginal(mle, "r").values


def test_names_and_scales_that_are_not_there(mle):
    with pytest.raises(ParameterError, match="r, alpha, a, b, purchases"):
        marginal(mle, "mood")
    with pytest.raises(FitError, match="relative to scales"):
        marginal(mle, "purchases")

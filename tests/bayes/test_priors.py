"""Priors: what they refuse, what they say, and the penalty that they are to a likelihood."""

import numpy as np
import pytest
from scipy.stats import halfnorm, norm

from clvmodels.bayes.priors import Flat, GroupSpread, Prior, TraitPriors
from clvmodels.exceptions import ParameterError
from clvmodels.inference.traits import Trait, TraitMap
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.pareto_nbd import ParetoNBDModel

RATE = Trait("rate", "a rate")
SHARE = Trait("share", "a share", "logit")


@pytest.mark.parametrize("median", [0, -1, np.inf, np.nan, True, "2", None])
def test_medians_that_are_none(median):
    with pytest.raises(ParameterError, match="median of a prior must be above 0"):
        Prior(median, factor=2)


@pytest.mark.parametrize("factor", [1, 0.5, -3, np.inf, np.nan, False, "wide"])
def test_factors_that_are_none(factor):
    with pytest.raises(ParameterError, match="factor"):
        Prior(1, factor)
    with pytest.raises(ParameterError, match="factor must be"):
        GroupSpread(factor)


def test_nine_in_ten_lie_within_the_factor():
    prior = Prior(2, factor=3)
    at = norm(prior.mean(RATE), prior.sd)
    assert at.cdf(np.log(6)) - at.cdf(np.log(2 / 3)) == pytest.approx(0.9, rel=1e-12)
    # of a share, odds of 1/4 between 1/12 and 3/4
    prior = Prior(0.2, factor=3)
    at = norm(prior.mean(SHARE), prior.sd)
    assert at.cdf(np.log(3 / 4)) - at.cdf(np.log(1 / 12)) == pytest.approx(0.9, rel=1e-12)
    # a standard deviation between groups below log 2
    assert halfnorm(scale=GroupSpread(2).scale).cdf(np.log(2)) == pytest.approx(0.9, rel=1e-12)


def test_words():
    # 3 x and 1 / 3 of 2; odds of 1/4 between 1/12 and 3/4 are shares of 1/13 and 3/7
    assert Prior(2, 3).describe() == "2, and with probability 90 % between 0.667 and 6"
    assert "between 0.0769 and 0.429" in Prior(0.2, 3).describe("share")
    assert Flat().describe() == "any value, none preferred"
    assert "factor of at most 1.5" in GroupSpread(1.5).describe()
    given = {"rate": Prior(2, 3), "share": Flat()}
    lines = TraitPriors.of((RATE, SHARE), given).describe().splitlines()
    assert lines[0] == "rate (a rate): 2, and with probability 90 % between 0.667 and 6."
    assert lines[1] == "share (a share): any value, none preferred."


def test_priors_for_what_is_not_there_or_of_the_wrong_kind():
    traits = (RATE, SHARE)
    with pytest.raises(ParameterError, match=r"no 'spend' to have a prior.*rate, share, and gro"):
        TraitPriors.of(traits, {"spend": Prior(1, 2)})
    with pytest.raises(ParameterError, match="rate takes Prior"):
        TraitPriors.of(traits, {"rate": 2})
    with pytest.raises(ParameterError, match="rate takes Prior"):
        TraitPriors.of(traits, {"rate": GroupSpread(2)})
    with pytest.raises(ParameterError, match="'groups' takes GroupSpread"):
        TraitPriors.of(traits, {"groups": Prior(1, 2)})
    for median in (1, 1.5):
        with pytest.raises(ParameterError, match="share is a share, so its median is below 1"):
            TraitPriors.of(traits, {"share": Prior(median, 2)})


def test_draws_have_the_medians_and_ranges_promised():
    priors = TraitPriors.of((RATE, SHARE), {"rate": Prior(2, 3), "share": Prior(0.2, 3)})
    eta = priors.draw(20_000, np.random.default_rng(0))
    rate, share = RATE.value(eta[:, 0]), SHARE.value(eta[:, 1])
    # quantiles of 20,000 draws are right to about 3 % at the ends
    np.testing.assert_allclose(np.quantile(rate, [0.05, 0.5, 0.95]), [2 / 3, 2, 6], rtol=0.05)
    np.testing.assert_allclose(
        np.quantile(share, [0.05, 0.5, 0.95]), [1 / 13, 0.2, 3 / 7], rtol=0.05
    )


def test_nothing_is_drawn_from_a_flat_prior():
    priors = TraitPriors.of((RATE, SHARE), {"share": Flat()})
    with pytest.raises(ParameterError, match="flat prior of share"):
        priors.draw(3, np.random.default_rng(0))


@pytest.mark.parametrize("model", [BetaGeoModel(), ParetoNBDModel()])
def test_penalty_has_the_derivatives_it_says(model):
    traits = TraitMap(model.blocks, {"time": 30.0})
    given = {"purchases": Prior(0.7, 4), "purchase_cv": Flat()}
    penalty = TraitPriors.of(traits.traits, given).penalty(traits)
    rng = np.random.default_rng(3)
    for _ in range(10):
        theta = np.exp(rng.normal(0, 1, 4))
        _, gradient, hessian = penalty(theta)
        steps = 1e-6 * np.diag(theta)
        slopes = [(penalty(theta + h)[0] - penalty(theta - h)[0]) / 2 / h.sum() for h in steps]
        bends = [(penalty(theta + h)[1] - penalty(theta - h)[1]) / 2 / h.sum() for h in steps]
        np.testing.assert_allclose(gradient, slopes, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(hessian, bends, rtol=1e-5, atol=1e-6 * abs(hessian).max())


def test_penalty_is_the_density_of_the_traits():
    traits = TraitMap(BetaGeoModel().blocks, {"time": 30.0})
    given = {"dropout": Prior(0.3, 2)}
    priors = TraitPriors.of(traits.traits, given)
    penalty = priors.penalty(traits)
    here, there = np.array([0.2, 5.0, 0.9, 2.0]), np.array([0.4, 9.0, 0.5, 4.0])
    density = [
        norm(priors.centre, priors.precision**-0.5).logpdf(traits.forward(np.log(theta))).sum()
        for theta in (here, there)
    ]
    # up to a constant
    assert penalty(here)[0] - penalty(there)[0] == pytest.approx(density[1] - density[0], rel=1e-12)

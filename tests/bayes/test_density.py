"""The density that samplers see: its gradient, and that it is one however groups are carried."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest

from clvmodels.bayes.density import Density, Level, density_of, group_names
from clvmodels.bayes.priors import TraitPriors
from clvmodels.data.datasets import load_cdnow_summary
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.covariates import Covariates
from clvmodels.models.nbd import NBDModel

MODELS = {
    "nbd": NBDModel(),
    "covariates": BetaGeoModel(covariates=Covariates(purchase=["age"], dropout=["age"])),
}


class Caught(Exception):
    pass


@dataclass(frozen=True)
class Catch:
    """A method that goes no further than the problem."""

    groups: str | tuple[str, ...] | None = None

    def estimate(self, problem):
        raise Caught(problem)


@pytest.fixture(scope="module")
def rfm():
    rng = np.random.default_rng(1)
    some = load_cdnow_summary().select(np.arange(300))
    return (
        some.with_column("market", rng.choice(["north", "south"], 300))
        .with_column("channel", rng.choice(["mail", "shop", "web"], 300))
        .with_column("age", rng.normal(40, 10, 300))
    )


def density(model, data, groups, centring):
    """With all groups of a level centred alike, or, without a number, in between at random."""
    with pytest.raises(Caught) as caught:
        model.fit(data, Catch(groups))
    (problem,) = caught.value.args
    priors, rng = TraitPriors.of(problem.traits.traits, None), np.random.default_rng(2)
    own = len(problem.traits.traits) - len(problem.effects)
    if problem.groups is None:
        return Density(problem, priors)
    parents = [np.zeros(len(problem.groups), int)]
    if problem.groups.nested:
        parents = [np.zeros(len(problem.groups.outer), int), problem.groups.parents]
    shapes = [(len(parent), own) for parent in parents]
    how = [rng.random(s) if centring is None else np.full(s, centring) for s in shapes]
    return Density(problem, priors, tuple(map(Level, parents, how)))


@pytest.mark.parametrize(
    ("groups", "centring"),
    [(None, None), *product(["channel", ("market", "channel")], [0.0, 1.0, None])],
)
@pytest.mark.parametrize("model", MODELS)
def test_gradient_is_that_of_finite_differences(model, groups, centring, rfm):
    this = density(MODELS[model], rfm, groups, centring)
    q = np.random.default_rng(3).normal(0, 0.3, this.dimension)
    value, gradient = this(q)
    assert np.isfinite(value)
    step = 1e-3
    for k, slope in enumerate(gradient):
        e = step * (np.arange(len(q)) == k)
        # five points: an error of step^4, and of rounding / step
        near, far = this(q + e)[0] - this(q - e)[0], this(q + 2 * e)[0] - this(q - 2 * e)[0]
        assert slope == pytest.approx((8 * near - far) / (12 * step), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("groups", ["channel", ("market", "channel")])
def test_it_is_one_density_however_groups_are_carried(groups, rfm):
    # positions differ by a change of variables, dv / d eta = s^(1 - centring)
    def whole(centring):
        this = density(MODELS["nbd"], rfm, groups, centring)
        rng = np.random.default_rng(4)
        m, log_s = rng.normal(0, 0.3, 2), rng.normal(-1, 0.2, (len(this.levels), 2))
        above, raw, jacobian, all_values = m[None], [], 0.0, []
        for level, spread in zip(this.levels, log_s, strict=True):
            parent = above[level.parent]
            above = parent + np.exp(spread) * rng.standard_normal(parent.shape)
            c = level.centring
            raw.append((c * parent + np.exp((c - 1) * spread) * (above - parent)).ravel())
            jacobian += ((1 - c) * spread).sum()
            all_values.append(above)
        q = np.concatenate([m, log_s.ravel(), *raw])
        for got, put in zip(this.values(this.pieces(q)), all_values, strict=True):
            np.testing.assert_allclose(got, put, atol=1e-12)
        return this(q)[0] - jacobian

    centred = whole(1.0)
    assert whole(0.0) == pytest.approx(centred, abs=1e-9)
    assert whole(None) == pytest.approx(centred, abs=1e-9)


def test_it_is_the_sum_of_its_parts(rfm):
    this = density(MODELS["nbd"], rfm, "channel", None)
    q = np.random.default_rng(5).normal(0, 0.3, this.dimension)
    pieces = this.pieces(q)
    logs = this.traits.back(this.values(pieces)[-1])
    log_lik = -sum(
        part.compile(part.data, part.weight)(theta)[0]
        for part, theta in zip(this.problem.by_group(), np.exp(logs), strict=True)
    )
    parts = log_lik + this.log_prior(pieces) + this.log_groups(pieces, this.values(pieces))
    assert this(q)[0] == pytest.approx(float(parts), rel=1e-12)


@pytest.mark.parametrize("groups", [None, "channel"])
def test_beyond_belief_it_is_zero(groups, rfm):
    this = density(MODELS["nbd"], rfm, groups, None)
    for far in (300.0, -300.0):
        value, gradient = this(np.full(this.dimension, far))
        assert value == -np.inf
        assert (gradient == 0).all()


def test_groups_are_centred_as_far_as_their_data_pin_them_down(rfm):
    this = density(MODELS["nbd"], rfm, ("market", "channel"), None)
    information = np.geomspace(1e-3, 1e6, 12).reshape(6, 2)
    outer, inner = density_of(this.problem, this.priors, information, np.full((2, 2), 0.1)).levels
    assert inner.centring[0, 0] < 0.001
    assert inner.centring[-1, -1] > 0.999
    assert (np.diff(inner.centring.ravel()) > 0).all()
    # a market is known as well as the channels in it, and no better
    assert ((outer.centring > 0) & (outer.centring < 0.75)).all()


def test_draws_from_the_prior_have_groups_as_far_apart_as_they_say(rfm):
    this = density(MODELS["nbd"], rfm, ("market", "channel"), None)
    pieces = this.prior_draws(4000, np.random.default_rng(6))
    above = pieces.centre[:, None]
    for place, (level, value) in enumerate(zip(this.levels, this.values(pieces), strict=True)):
        off = (value - above[:, level.parent]) / np.exp(pieces.log_spread[:, place, None])
        # standard normal: a standard error of 1 / sqrt(4000) and sqrt(1 / 2) of that
        np.testing.assert_allclose(off.mean(axis=0), 0, atol=0.07)
        np.testing.assert_allclose(off.std(axis=0), 1, atol=0.05)
        above = value


def test_columns_have_names(rfm):
    this = density(MODELS["nbd"], rfm, ("market", "channel"), None)
    names = group_names(this.problem.groups)
    assert names[0] == "typical"
    assert names[1:3] == ("north / mail", "north / shop")
    assert names[-3:] == ("north / not seen", "south / not seen", "not seen")
    pieces = this.prior_draws(5, np.random.default_rng(7))
    params = this.params(pieces, np.random.default_rng(8))
    assert params["r"].shape == (5, len(names))
    assert group_names(None) == ()

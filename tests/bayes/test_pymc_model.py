"""The PyMC model is the density that the package samples, and PyMC can sample and draw it."""

from dataclasses import dataclass

import numpy as np
import pytest

from clvmodels.bayes import pymc_sampler
from clvmodels.bayes.density import Density, density_of
from clvmodels.bayes.laplace import gaussian_at
from clvmodels.bayes.map import mode
from clvmodels.bayes.nuts import Whitening
from clvmodels.bayes.priors import Flat, Prior, TraitPriors
from clvmodels.bayes.pymc_model import RENDERED, build, layout
from clvmodels.bayes.pymc_sampler import _order, sample_pymc
from clvmodels.data.datasets import load_cdnow_summary, load_donations
from clvmodels.data.retention import RetentionTable
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import FitError
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.beta_geo_beta_binom import BetaGeoBetaBinomModel
from clvmodels.models.covariates import Covariates
from clvmodels.models.gamma_gamma import GammaGammaModel
from clvmodels.models.ggompertz_nbd import GGompertzNBDModel
from clvmodels.models.modified_beta_geo import ModifiedBetaGeoModel
from clvmodels.models.nbd import NBDModel
from clvmodels.models.pareto_nbd import ParetoNBDModel
from clvmodels.models.shifted_beta_geo import ShiftedBetaGeoModel


def first_of(data, size):
    columns = (data.frequency, data.recency, data.T)
    return RFMSummary.from_arrays(
        *(column[:size] for column in columns),
        time_unit="week",
        monetary_value=data.monetary_value[:size],
    )


CDNOW = first_of(load_cdnow_summary(), 300)
# renewals of the high-end segment of Fader and Hardie (2007), table 1: 1000 customers
RENEWALS = RetentionTable.from_survivors(
    {"2001": [1000, 869, 743, 653, 593, 551, 517, 491]}, period="1 year"
)


class Caught(Exception):
    pass


@dataclass(frozen=True)
class Catch:
    """A method that goes no further than the problem."""

    groups: str | tuple[str, ...] | None = None

    def estimate(self, problem):
        raise Caught(problem)


def problem_of(model, data, groups=None):
    with pytest.raises(Caught) as caught:
        model.fit(data, Catch(groups))
    return caught.value.args[0]


def with_segments():
    rng = np.random.default_rng(1)
    size = len(CDNOW)
    return (
        CDNOW.with_column("market", rng.choice(["north", "south"], size))
        .with_column("channel", rng.choice(["mail", "shop", "web"], size))
        .with_column("age", rng.normal(40, 10, size))
    )


def covariates():
    return BetaGeoModel(covariates=Covariates(purchase=["age"], dropout=["age"]))


def density(problem, priors=None):
    known = TraitPriors.of(problem.traits.traits, priors)
    groups = problem.groups
    size = 1 if groups is None else len(groups)
    own = len(problem.traits.traits) - len(problem.effects)
    # from hardly any information to much: groups are then carried in all ways
    information = np.geomspace(0.1, 1000, size * own).reshape(size, own)
    if groups is None:
        return Density(problem, known)
    return density_of(problem, known, information, np.full((2, own), 0.1))


FLAT = {"purchases": Flat(), "dropout": Prior(0.2, 2)}
CASES = {
    "nbd": lambda: density(problem_of(NBDModel(), CDNOW)),
    "beta_geo": lambda: density(problem_of(BetaGeoModel(), CDNOW)),
    "modified_beta_geo": lambda: density(problem_of(ModifiedBetaGeoModel(), CDNOW)),
    "pareto_nbd": lambda: density(problem_of(ParetoNBDModel(), CDNOW)),
    "beta_geo_beta_binom": lambda: density(problem_of(BetaGeoBetaBinomModel(), load_donations())),
    "shifted_beta_geo": lambda: density(problem_of(ShiftedBetaGeoModel(), RENEWALS)),
    "gamma_gamma": lambda: density(problem_of(GammaGammaModel(), CDNOW)),
    "groups": lambda: density(problem_of(ParetoNBDModel(), with_segments(), "channel")),
    "nested": lambda: density(
        problem_of(covariates(), with_segments(), ("market", "channel")), FLAT
    ),
}


def python():
    """Python's arithmetic in place of compiling; see the tests of the likelihoods."""
    from pytensor.compile.mode import Mode

    return Mode(linker="py", optimizer="fast_run").excluding("fusion")


def check_same(this, mode):
    model = build(this)
    function = model.logp_dlogp_function(ravel_inputs=True, mode=mode)
    function.set_extra_values({})
    order = _order(this, model)
    assert sorted(order) == list(range(this.dimension))
    rng = np.random.default_rng(5)
    values = []
    for _ in range(4):
        q = rng.normal(0, 0.5, this.dimension)
        value, gradient = function(q[order])
        right, slope = this(q)
        np.testing.assert_allclose(gradient, slope[order], rtol=1e-8, atol=1e-8 * abs(slope).max())
        values.append((float(value), right))
    off = np.subtract(*np.array(values).T)  # the priors' constants
    np.testing.assert_allclose(off, off[0], atol=1e-8 * abs(values[0][1]))


@pytest.mark.parametrize("case", CASES)
def test_density_and_gradient_are_those_that_the_package_samples(case):
    check_same(CASES[case](), python())


@pytest.mark.slow
@pytest.mark.parametrize("case", ["nested", "pareto_nbd", "beta_geo_beta_binom"])
def test_so_they_are_compiled_as_pymc_compiles_them(case):
    check_same(CASES[case](), None)


def test_every_likelihood_has_a_case():
    assert set(RENDERED) <= set(CASES)


def test_variables_have_names_and_dimensions():
    model = build(CASES["nested"]())
    assert model.coords["outer_group"] == ("north", "south")
    assert model.coords["group"][:2] == ("north / mail", "north / shop")
    dims = model.named_vars_to_dims
    assert dims["purchases of outer_group"] == ("outer_group",)
    assert dims["alpha"] == ("group",)
    assert dims["x"] == dims["customers"] == dims["group_of"] == ("history",)
    assert {"purchases", "dropout", "purchase:age", "likelihood", "r"} <= set(model.named_vars)
    assert [v.name for v in model.free_RVs][:2] == ["log purchases", "log purchase_cv"]
    assert dims["raw groups"] == ("group", "trait")
    assert set(layout(CASES["nested"]())) == {v.name for v in model.free_RVs}


def test_traits_and_parameters_are_those_of_the_density():
    this = CASES["nested"]()
    model = build(this)
    q = np.random.default_rng(2).normal(0, 0.5, this.dimension)
    pieces = this.pieces(q[None])
    names = ["r", "alpha", "a", "b", "purchase:age", "dropout", "purchases of group"]
    point = {
        name: np.exp(q[at]) if positive else q[at] for name, (at, positive) in layout(this).items()
    }
    from pymc import do
    from pytensor import function

    known = do(model, {name: np.asarray(value) for name, value in point.items()})
    got = dict(zip(names, function([], [known[n] for n in names], mode=python())(), strict=True))
    params = this.params(pieces, np.random.default_rng(0))
    for name in ("r", "alpha", "a", "b"):
        np.testing.assert_allclose(got[name], params[name][0, 1:7], rtol=1e-12)
    np.testing.assert_allclose(got["purchase:age"], params["purchase:age"][0, 0], rtol=1e-12)
    np.testing.assert_allclose(got["dropout"], 1 / (1 + np.exp(-q[2])), rtol=1e-12)
    np.testing.assert_allclose(
        got["purchases of group"], np.exp(this.values(pieces)[-1][0, :, 0]), rtol=1e-12
    )


def test_the_model_can_be_drawn():
    pytest.importorskip("graphviz")
    import pymc as pm

    # PyMC 6 has no picture of pm.Flat, whose shape it takes from a draw
    this = density(problem_of(covariates(), with_segments(), ("market", "channel")))
    source = pm.model_to_graphviz(build(this)).source
    assert "likelihood" in source
    assert "outer_group" in source


def whitening(this):
    """The normal approximation without groups."""
    centre, factor = gaussian_at(mode(this.problem, None)[0], this)
    return Whitening(centre, lambda u: factor @ u, lambda g: g @ factor)


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["pymc", "numpyro"])
def test_its_samplers_find_the_posterior(sampler):
    if sampler == "numpyro":
        pytest.importorskip("numpyro")
    this = CASES["beta_geo"]()
    start = whitening(this)
    options = {"draws": 500, "chains": 2, "tune": 300, "seed": 1, "target_accept": 0.8}
    found = sample_pymc(this, start, sampler=sampler, progress=False, **options)
    assert found.positions.shape == (2, 500, 4)
    assert set(found.stats) >= {"diverging", "energy", "acceptance_rate", "tree_depth"}
    assert not found.interrupted
    for chain, draw in ((0, 0), (1, 99)):
        q = found.positions[chain, draw]
        assert found.log_density[chain, draw] == this(q)[0]
    sd = np.linalg.norm([start.spread(axis) for axis in np.eye(4)], axis=0)
    # a few hundred independent draws, and a posterior that leans a little
    assert (np.abs(found.positions.mean(axis=(0, 1)) - start.centre) < 0.5 * sd).all()
    np.testing.assert_allclose(found.positions.std(axis=(0, 1)), sd, rtol=0.3)


def test_the_metric_is_in_the_order_of_pymcs_variables():
    this = CASES["nested"]()
    rng = np.random.default_rng(3)
    factor = rng.normal(size=(this.dimension, this.dimension))
    start = Whitening(np.zeros(this.dimension), lambda u: factor @ u, lambda g: g @ factor)
    order = rng.permutation(this.dimension)
    got = pymc_sampler._covariance(start, order)
    np.testing.assert_allclose(got, (factor @ factor.T)[np.ix_(order, order)], rtol=1e-10)


def test_positions_and_variables_are_each_others_inverse():
    this = CASES["nested"]()
    q = np.random.default_rng(4).normal(size=(2, 3, this.dimension))
    drawn = {
        name: np.array([[pymc_sampler._values(this, draw)[name] for draw in chain] for chain in q])
        for name in layout(this)
    }
    np.testing.assert_allclose(pymc_sampler._positions(this, drawn), q, rtol=1e-12)


def test_a_sampler_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(pymc_sampler, "find_spec", lambda name: None)
    this = CASES["beta_geo"]()
    with pytest.raises(FitError, match=r"needs numpyro and jax.* `pip install numpyro`"):
        sample_pymc(
            this, whitening(this), sampler="numpyro", draws=1, chains=1, tune=1, seed=0,
            target_accept=0.8, progress=False,
        )  # fmt: skip


def test_models_without_a_rendering_say_which_have_one():
    with pytest.raises(FitError, match="no PyMC model of ggompertz_nbd, only of beta_geo"):
        build(density(problem_of(GGompertzNBDModel(), CDNOW)))

"""Power-scaling sensitivity: against ArviZ, and where the answer is known."""

import importlib.util
from types import SimpleNamespace

import numpy as np
import pytest

import clvmodels as clv
from clvmodels.evaluation.sensitivity import prior_sensitivity
from clvmodels.exceptions import FitError
from clvmodels.inference.estimate import Estimate

POWERS = (0.8, 1.25)


@pytest.fixture(scope="module")
def rfm():
    return clv.datasets.load_cdnow_summary()


def posterior_of(log_prior, log_lik, **quantities):
    """A fit that has nothing but its posterior."""
    kept = SimpleNamespace(traits=quantities, log_prior=log_prior, log_lik=log_lik)
    point = {"nothing": np.zeros((len(log_lik), 1))}
    return SimpleNamespace(estimate=Estimate(method="", point=point, posterior=kept))


def arviz_sensitivity(posterior):
    """ArviZ's sensitivities of each quantity to prior and likelihood."""
    quantities = {name: draws[None] for name, draws in posterior.traits.items()}
    log_lik, log_prior = posterior.log_lik[None, :, None], posterior.log_prior[None]
    if importlib.util.find_spec("arviz_stats") is None:
        az = pytest.importorskip("arviz")
        data = az.from_dict(posterior=quantities, log_likelihood={"y": log_lik})
        data.add_groups({"log_prior": {"p": log_prior}})
        found = [az.psens(data, component=c, delta=POWERS[1] - 1) for c in ("prior", "likelihood")]
    else:
        from arviz_base import from_dict
        from arviz_stats import psense

        data = from_dict(
            {
                "posterior": quantities,
                "log_likelihood": {"y": log_lik},
                "log_prior": {"p": log_prior},
            }
        )
        found = [psense(data, group=c, alphas=POWERS) for c in ("prior", "likelihood")]
    return np.array([[float(one[name]) for one in found] for name in quantities])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of ArviZ's own dependencies
@pytest.mark.filterwarnings("ignore:the default dims:UserWarning")  # ArviZ 0.x, of add_groups
def test_equals_arviz(rfm):
    # 1600 draws: a tail of 120, whole, which ArviZ 0.x and 1.x round alike; not resampled: 1.x
    # counts ties at the cutoff to the tail
    method = clv.Laplace(draws=1600, psis=False, seed=2)
    fit = clv.BetaGeoModel().fit(rfm.select(np.arange(300)), method)
    table = prior_sensitivity(fit)
    theirs = arviz_sensitivity(fit.estimate.posterior)
    # 1.x takes the length of the tail from the effective sample size in it
    rtol = 1e-6 if importlib.util.find_spec("arviz_stats") is None else 0.01
    np.testing.assert_allclose(table[["prior", "likelihood"]], theirs, rtol=rtol)
    assert table.quantity.tolist() == [
        "purchases",
        "purchase_cv",
        "dropout",
        "dropout_concentration",
    ]


def test_verdicts_of_normal_posteriors():
    """Normal prior N(0, 1) and data that say N(y, s^2), of which the posterior is known."""
    rng = np.random.default_rng(0)

    def verdict(y, s):
        precision = 1 + s**-2
        draws = y * s**-2 / precision + rng.standard_normal(4000) / np.sqrt(precision)
        fit = posterior_of(-0.5 * draws**2, -0.5 * ((draws - y) / s) ** 2, it=draws)
        return prior_sensitivity(fit).loc[0]

    assert verdict(0.0, 0.05).verdict == "from the data"
    assert verdict(0.0, 20.0).verdict == "from the prior: the data say little"
    conflict = verdict(4.0, 1.0)
    assert conflict.verdict == "from both, which may disagree: look at the prior"
    assert min(conflict.prior, conflict.likelihood) > 0.2
    # data so far from the prior that the weights of the draws rest on a few of them
    assert verdict(400.0, 1.0).verdict.startswith("cannot be told")


def test_flat_priors_move_nothing(rfm):
    flat = {"purchases": clv.Flat(), "purchase_cv": clv.Flat()}
    table = prior_sensitivity(clv.NBDModel().fit(rfm, clv.Laplace(draws=400, priors=flat)))
    np.testing.assert_allclose(table.prior, 0, atol=1e-6)  # the square root of rounding
    assert (table.verdict == "from the data").all()


def test_a_strong_prior_is_found(rfm):
    few = rfm.select(np.arange(100))
    strong = {"dropout": clv.Prior(0.9, factor=1.2)}
    table = prior_sensitivity(clv.BetaGeoModel().fit(few, clv.Laplace(priors=strong)))
    table = table.set_index("quantity")
    assert table.prior["dropout"] > 0.05
    assert table.prior["dropout"] > 3 * table.prior["purchases"]


def test_equal_draws_have_no_sensitivity():
    same = posterior_of(np.zeros(100), np.zeros(100), it=np.full(100, 2.0))
    assert prior_sensitivity(same)[["prior", "likelihood"]].to_numpy().tolist() == [[0.0, 0.0]]


def test_it_needs_a_posterior(rfm, tmp_path):
    with pytest.raises(FitError, match="no posterior at hand"):
        prior_sensitivity(clv.NBDModel().fit(rfm))

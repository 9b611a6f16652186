"""Markov chains: what comes out of them, what is refused, and what a stop leaves."""

import io
import subprocess
import sys
import types

import numpy as np
import pytest

import clvmodels as clv
from clvmodels.bayes.container import import_arviz
from clvmodels.bayes.nuts import shows_progress
from clvmodels.data.datasets import load_cdnow_summary
from clvmodels.data.retention import RetentionTable
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import DataError, FitError, FitWarning, ParameterError

CDNOW = load_cdnow_summary()
# regular customers of Fader and Hardie (2007), How to project customer retention, table 1
SURVIVORS = RetentionTable.from_survivors([1000, 631, 468, 382, 326], period="1 year")


def nbd(draws=120, seed=1, **options):
    return clv.NBDModel().fit(
        CDNOW, clv.MCMC(draws, chains=2, seed=seed, progress=False, **options)
    )


# the shortest chains have an r-hat above 1.01 by chance
few = pytest.mark.filterwarnings("ignore:NOT to be relied on")


@pytest.fixture(scope="module")
def fit():
    return clv.NBDModel().fit(CDNOW, clv.MCMC(draws=1000, chains=2, seed=1, progress=False))


@few
def test_the_same_seed_gives_the_same_draws():
    one, two, other = (nbd(draws=20, seed=seed).estimate.point for seed in (3, 3, 4))
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])
        assert (one[name] != other[name]).any()


def sections(container):
    """Of either ArviZ's container."""
    if hasattr(container, "groups") and callable(container.groups):
        return set(container.groups())
    return set(container.children)


def test_the_container_has_what_arviz_works_on(fit):
    posterior = fit.posterior
    assert {
        "posterior",
        "prior",
        "log_likelihood",
        "observed_data",
        "sample_stats",
    } <= sections(posterior)
    draws = posterior["posterior"]
    assert dict(draws.sizes) == {"chain": 2, "draw": 1000}
    assert set(draws.data_vars) == {"r", "alpha", "purchases", "purchase_cv"}
    # the traits are what they are called: r / alpha purchases over the median T
    scale = float(np.median(CDNOW.T))
    np.testing.assert_allclose(draws["purchases"], draws["r"] / draws["alpha"] * scale, rtol=1e-9)
    np.testing.assert_array_equal(draws["r"].values.ravel(), fit.estimate.point["r"][:, 0])
    pointwise = posterior["log_likelihood"]["customer"]
    assert pointwise.dims == ("chain", "draw", "customer_number")
    assert pointwise.shape == (2, 1000, len(CDNOW))
    observed = posterior["observed_data"]
    assert float(observed["x"] @ observed["customers"]) == CDNOW.frequency.sum()
    assert {"diverging", "energy", "lp"} <= set(posterior["sample_stats"].data_vars)
    assert posterior["prior"].sizes["draw"] == 1000


def test_arviz_summarises_and_leaves_one_out(fit):
    arviz = import_arviz()
    table = arviz.summary(fit.posterior, var_names=["r", "alpha"])
    assert table.loc["r", "mean"].astype(float) == pytest.approx(fit.params["r"], abs=0.01)
    loo = arviz.loo(fit.posterior)
    elpd = getattr(loo, "elpd_loo", None) or loo.elpd
    # about the maximum less the number of parameters
    assert float(elpd) == pytest.approx(fit.loglik - 2, abs=8)


def test_log_likelihoods_are_those_of_the_fit(fit):
    posterior = fit.estimate.posterior
    total = fit.posterior["log_likelihood"]["customer"].values.sum(axis=-1).ravel()
    np.testing.assert_allclose(total, posterior.log_lik, rtol=1e-9)
    # and those that the likelihood of each draw gives
    r, alpha = (float(fit.estimate.point[name][7, 0]) for name in ("r", "alpha"))
    one = clv.NBDModel().with_params(r=r, alpha=alpha, time_unit="week")
    assert posterior.log_lik[7] == pytest.approx(one.loglik_of(CDNOW), rel=1e-9)


def test_diagnostics_in_figures_and_words(fit):
    sampling = fit.diagnostics.sampling
    assert (sampling.draws, sampling.chains) == (1000, 2)
    assert fit.diagnostics.converged
    assert sampling.r_hat < 1.01
    assert sampling.ess > 200
    assert sampling.divergences == 0
    assert "2 chains of 1,000 draws, worth" in str(fit.diagnostics)
    assert "r-hat at most 1.0" in str(fit.diagnostics)
    assert fit.estimate.method == "MCMC(draws=1000, chains=2, seed=1)"


def test_chains_that_disagree_warn_and_raise_if_strict():
    # the first few steps of a chain
    short = {"draws": 8, "chains": 2, "tune": 1, "seed": 2, "progress": False}
    with pytest.warns(FitWarning, match="NOT to be relied on") as caught:
        fit = clv.BetaGeoModel().fit(CDNOW, clv.MCMC(**short))
    assert "fewer than 100 per chain" in str(caught[0].message)
    assert not fit.diagnostics.converged
    with pytest.raises(FitError, match="fewer than 100 per chain"):
        clv.BetaGeoModel().fit(CDNOW, clv.MCMC(**short, strict=True))


@few
def test_one_chain_and_one_draw():
    fit = clv.NBDModel().fit(CDNOW, clv.MCMC(draws=1, chains=1, tune=20, progress=False))
    assert fit.estimate.point["r"].shape == (1, 1)
    assert fit.diagnostics.sampling.r_hat is None
    assert np.isfinite(fit.expected_purchases_new_customer("1 year"))


@pytest.mark.parametrize("name", ["draws", "chains", "tune"])
@pytest.mark.parametrize("value", [0, -3, 1.5, True, "4"])
def test_counts_that_are_none(name, value):
    with pytest.raises(ParameterError, match=f"{name} must be a whole number, at least 1"):
        clv.MCMC(**{name: value})


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"sampler": "stan"}, "sampler is one of nutpie, pymc, numpyro: 'stan'"),
        ({"target_accept": 1.0}, "target_accept is a probability"),
        ({"target_accept": 0}, "target_accept is a probability"),
        ({"target_accept": np.nan}, "target_accept is a probability"),
        ({"target_accept": "high"}, "target_accept is a probability"),
        ({"target_accept": True}, "target_accept is a probability"),
        ({"seed": -1}, "seed must be a whole number, at least 0"),
        ({"groups": 3}, "groups takes the name of a column"),
        ({"groups": ("a", "b", "c")}, "groups takes one column, or two"),
    ],
)
def test_options_that_are_none(options, told):
    with pytest.raises(ParameterError, match=told):
        clv.MCMC(**options)


@pytest.mark.parametrize("sampler", ["nutpie", "pymc", "numpyro"])
def test_a_sampler_that_is_not_installed(sampler, monkeypatch):
    monkeypatch.setitem(sys.modules, sampler, None)
    method = clv.MCMC(draws=5, chains=1, sampler=sampler, progress=False)
    with pytest.raises(FitError, match=rf"pip install {sampler}"):
        clv.NBDModel().fit(CDNOW, method)


def test_priors_and_groups_that_are_not_there():
    with pytest.raises(ParameterError, match="no 'churn' to have a prior"):
        clv.NBDModel().fit(CDNOW, clv.MCMC(priors={"churn": clv.Prior(0.2, 2)}))
    with pytest.raises(DataError, match="no group column market"):
        clv.NBDModel().fit(CDNOW, clv.MCMC(groups="market"))
    gaps = CDNOW.with_column("market", np.where(np.arange(len(CDNOW)) % 7, "north", None))
    with pytest.raises(DataError, match="market must have a value for everyone"):
        clv.NBDModel().fit(gaps, clv.MCMC(groups="market"))


def test_gaps_in_the_data_are_refused_not_imputed():
    x, t_x, T = np.array([1.0, 2, 0]), np.array([2.0, np.nan, 0]), np.full(3, 9.0)
    with pytest.raises(DataError, match="recency"):
        clv.NBDModel().fit(RFMSummary.from_arrays(x, t_x, T, time_unit="week"), clv.MCMC())


def test_models_without_priors_say_so():
    with pytest.raises(FitError, match="no posterior at hand"):
        _ = clv.NBDModel().fit(CDNOW).posterior


@few
def test_flat_priors_have_no_prior_draws():
    priors = {"churn": clv.Flat(), "churn_concentration": clv.Flat()}
    method = clv.MCMC(draws=30, chains=1, tune=30, priors=priors, progress=False)
    fit = clv.ShiftedBetaGeoModel().fit(SURVIVORS, method)
    assert "prior" not in sections(fit.posterior)


@few
def test_a_saved_fit_keeps_its_draws(tmp_path):
    fit = nbd(draws=20)
    fit.save(tmp_path / "fit.json")
    again = clv.load(tmp_path / "fit.json")
    np.testing.assert_array_equal(again.estimate.point["r"], fit.estimate.point["r"])
    with pytest.raises(FitError, match="keep the draws, not the data"):
        _ = again.posterior


INTERRUPTED = """
import os, signal, warnings
import clvmodels as clv
from clvmodels.bayes import mcmc, nuts
from clvmodels.exceptions import FitError, FitWarning

warnings.simplefilter("ignore", FitWarning)

def stopped(density, *args, **options):
    evaluations = 0
    def counted(q):
        nonlocal evaluations
        evaluations += 1
        if evaluations == 10_000:
            os.kill(os.getpid(), signal.SIGINT)
        return density(q)
    return nuts.sample(counted, *args, **options)

mcmc.sample = stopped
data = clv.datasets.load_cdnow_summary().select(range(100))

fit = clv.NBDModel().fit(data, clv.MCMC(200_000, chains=2, tune=100, progress=False))
sampling = fit.diagnostics.sampling
drawn = len(fit.estimate.point["r"]) == 2 * sampling.draws > 0
print(sampling.interrupted, drawn, sampling.draws < 200_000, fit.diagnostics.notes[0])

try:
    clv.NBDModel().fit(data, clv.MCMC(10, chains=2, tune=200_000, progress=False))
except FitError as error:
    print("error:", error)
"""


def test_an_interrupt_keeps_what_was_drawn():
    """Ctrl-C after tuning, then during it."""
    ran = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=120
    )
    assert not ran.stderr, ran.stderr
    after, during = ran.stdout.splitlines()
    assert after.startswith("True True True Interrupted: ")
    assert after.endswith("of 200,000 draws of each chain were kept.")
    assert during == "error: The sampling was stopped before anything was drawn after tuning."


@pytest.mark.parametrize("asked", [True, False])
def test_a_bar_is_shown_as_asked(asked):
    assert shows_progress(asked) is asked


def test_a_bar_is_shown_in_terminals_and_notebooks_only(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    assert not shows_progress(None)
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    assert shows_progress(None)
    monkeypatch.delitem(sys.modules, "ipykernel")
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    assert shows_progress(None)


@few
def test_chains_and_values_do_not_depend_on_units():
    weeks = load_cdnow_summary()
    days = RFMSummary(
        customer_id=weeks.customer_id, frequency=weeks.frequency, recency=weeks.recency * 7,
        T=weeks.T * 7, monetary_value=weeks.monetary_value * 100, time_unit="day",
    )  # fmt: skip
    model = clv.CLVModel(
        clv.BetaGeoModel(), clv.GammaGammaModel(), discount=clv.DiscountRate(0.1, per="year")
    )
    method = clv.MCMC(draws=150, chains=2, tune=100, seed=3, progress=False)
    here, there = (model.fit(data, method) for data in (weeks, days))
    assert there.purchases.params["alpha"] == pytest.approx(here.purchases.params["alpha"] * 7)
    one, two = here.totals(weeks, "12 months"), there.totals(days, "12 months")
    in_dollars = one["quantity"].eq("purchases").map({True: 1, False: 100}).to_numpy()
    for column in ("estimate", "lo", "hi"):
        # a common seed: the same draws but for rounding, which chains may magnify
        assert (two[column] / in_dollars).to_numpy() == pytest.approx(one[column], rel=1e-3)

"""Simulation-based calibration: right methods pass, wrong ones are caught."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

import clvmodels as clv
from clvmodels.evaluation.sbc import Calibration, rank_counts, simulation_based_calibration
from clvmodels.exceptions import FitError, ParameterError
from clvmodels.report.displays import CalibrationRanks

# populations that a few hundred customers say something of, as those of the literature
LIKELY = {
    "purchases": clv.Prior(2, factor=2),
    "purchase_cv": clv.Prior(1.2, factor=1.5),
    "dropout": clv.Prior(0.25, factor=2),
    "dropout_concentration": clv.Prior(3, factor=2),
    "dropout_cv": clv.Prior(1.2, factor=1.5),
    "purchase": clv.Prior(0.4, factor=2),
    "purchase_concentration": clv.Prior(2, factor=2),
    "churn": clv.Prior(0.3, factor=2),
    "churn_concentration": clv.Prior(2, factor=2),
    "spend": clv.Prior(1, factor=2),
    "spend_cv_within": clv.Prior(0.5, factor=1.5),
    "spend_cv_between": clv.Prior(0.6, factor=1.5),
}
TRAITS = {
    clv.BetaGeoModel(): ("purchases", "purchase_cv", "dropout", "dropout_concentration"),
    clv.ModifiedBetaGeoModel(): ("purchases", "purchase_cv", "dropout", "dropout_concentration"),
    clv.ParetoNBDModel(): ("purchases", "purchase_cv", "dropout", "dropout_cv"),
    clv.NBDModel(): ("purchases", "purchase_cv"),
    clv.BetaGeoBetaBinomModel(): (
        "purchase", "purchase_concentration", "dropout", "dropout_concentration",
    ),
    clv.ShiftedBetaGeoModel(): ("churn", "churn_concentration"),
    clv.GammaGammaModel(): ("spend", "spend_cv_within", "spend_cv_between"),
}  # fmt: skip


def likely(model):
    return {name: LIKELY[name] for name in TRAITS[model]}


@dataclass(frozen=True)
class Shrunk:
    """A wrong method: posteriors with `factor` of their spread."""

    factor: float
    seed: int = 0
    priors: dict | None = None

    def estimate(self, problem):
        right = clv.Laplace(draws=300, seed=self.seed, priors=self.priors).estimate(problem)
        logs = {name: np.log(values) for name, values in right.point.items()}
        point = {k: np.exp(v.mean() + self.factor * (v - v.mean())) for k, v in logs.items()}
        return replace(right, point=point, replicates=point, posterior=None)


def test_a_right_method_passes_and_a_wrong_one_is_caught():
    model, priors = clv.ShiftedBetaGeoModel(), likely(clv.ShiftedBetaGeoModel())
    given = {"horizon": "12 months", "replications": 60, "seed": 1}
    method = clv.Laplace(draws=300, priors=priors)
    right = simulation_based_calibration(model, method, **given)
    assert min(right.p_value.values()) > 0.001
    assert "No sign" in repr(right)
    wrong = simulation_based_calibration(model, Shrunk(0.4, priors=priors), **given)
    # with so little spread, half of all ranks are among the lowest or the highest tenth
    assert max(wrong.p_value.values()) < 1e-6
    assert "NOT uniform" in repr(wrong)


def test_the_frame_says_it_all():
    model = clv.ShiftedBetaGeoModel()
    method = clv.Laplace(priors=likely(model))
    found = simulation_based_calibration(model, method, 300, "12 months", replications=12, seed=4)
    frame = found.frame
    assert frame.columns.tolist() == [
        "replication", "parameter", "truth", "rank", "draws", "reliable",
    ]  # fmt: skip
    assert frame.parameter.unique().tolist() == ["alpha", "beta", "log-likelihood"]
    assert frame["rank"].between(0, 99).all()
    assert (frame.draws == 99).all()
    assert frame.reliable.all()
    again = simulation_based_calibration(model, method, 300, "12 months", replications=12, seed=4)
    pd.testing.assert_frame_equal(frame, again.frame)
    # truths are those of the prior: median churn 0.3
    truth = frame.pivot_table(index="replication", columns="parameter", values="truth")
    assert 0.2 < (truth.alpha / (truth.alpha + truth.beta)).median() < 0.4


def test_data_that_cannot_be_fitted_are_counted():
    rare = {"purchases": clv.Prior(0.02, factor=3), "purchase_cv": clv.Prior(1, factor=1.5)}
    found = simulation_based_calibration(
        clv.NBDModel(), clv.Laplace(priors=rare), customers=30, replications=20
    )
    (reason, count), *others = found.unfitted.items()
    assert not others
    assert "None of the 30 customers bought again" in reason
    assert 0 < count < 20
    assert found.frame.replication.nunique() == 20 - count
    assert f"{count} of 20 data sets not fitted" in repr(found)


def test_what_cannot_be_calibrated_is_told():
    with pytest.raises(ParameterError, match="flat prior of purchases"):
        simulation_based_calibration(clv.NBDModel(), clv.Laplace(priors={"purchases": clv.Flat()}))
    with pytest.raises(ParameterError, match="methods with priors"):
        simulation_based_calibration(clv.NBDModel(), clv.MLE())
    with pytest.raises(ParameterError, match="nested"):
        simulation_based_calibration(clv.NBDModel(), clv.MCMC(groups=("market", "channel")))
    covariates = clv.BetaGeoModel(covariates=clv.Covariates(purchase="z"))
    with pytest.raises(ParameterError, match="without covariates"):
        simulation_based_calibration(covariates, clv.Laplace())
    with pytest.raises(ParameterError, match="38 draws or more"):
        simulation_based_calibration(clv.NBDModel(), clv.Laplace(draws=10), replications=2)
    never = {"purchases": clv.Prior(1e-6, factor=2)}
    with pytest.raises(FitError, match="None of 3 data sets"):
        simulation_based_calibration(clv.NBDModel(), clv.Laplace(priors=never), replications=3)


def test_bins_are_equal_and_hold_enough():
    every = np.arange(100)
    assert rank_counts(np.tile(every, 4), 99).tolist() == [20.0] * 20
    assert rank_counts(every, 99).tolist() == [5.0] * 20
    assert rank_counts(every[::2], 99).tolist() == [5.0] * 10
    assert len(rank_counts(every[:10], 99)) == 5
    assert rank_counts(np.tile(np.arange(20), 5), 19).tolist() == [5.0] * 20


def ranks(values):
    frame = pd.DataFrame(
        {
            "replication": np.arange(len(values)), "parameter": "r", "truth": 1.0,
            "rank": values, "draws": 99, "reliable": True,
        }
    )  # fmt: skip
    return Calibration(frame, "MCMC", len(values), {})


def test_display():
    rng = np.random.default_rng(0)
    even = CalibrationRanks.of(ranks(rng.integers(0, 100, 200)), "r")
    assert "no sign" in even.title
    frame = even.frame
    assert frame.data_sets.sum() == 200
    assert frame.data_sets.between(frame.lo, frame.hi).all()
    assert even.plot().get_xlabel() == "rank of the true r"
    narrow = CalibrationRanks.of(ranks(rng.choice([0, 1, 98, 99], 200)), "r")
    assert "not uniform" in narrow.title
    assert "too narrow" in narrow.caption
    with pytest.raises(ParameterError, match="there are ranks of r"):
        CalibrationRanks.of(ranks(np.arange(100)), "alpha")


@pytest.mark.slow
@pytest.mark.parametrize("model", TRAITS, ids=lambda model: model.key)
def test_ranks_are_uniform_for_every_model(model):
    horizon = "12 weeks" if clv.BetaGeoBetaBinomModel() == model else "52 weeks"
    method = clv.Laplace(draws=1000, priors=likely(model))
    found = simulation_based_calibration(model, method, 400, horizon, replications=200, seed=11)
    assert min(found.p_value.values()) > 0.001, found
    # what is left out for its own diagnostics is little
    assert found.frame.reliable.mean() > 0.9


@pytest.mark.slow
def test_ranks_of_chains_are_uniform():
    model = clv.BetaGeoModel()
    method = clv.MCMC(draws=200, chains=2, tune=150, priors=likely(model))
    found = simulation_based_calibration(model, method, 300, replications=60, seed=12)
    assert found.frame.reliable.mean() > 0.7
    assert min(found.p_value.values()) > 0.001, found


@pytest.mark.slow
def test_ranks_of_groups_are_uniform():
    priors = {**likely(clv.NBDModel()), "groups": clv.GroupSpread(1.8)}
    # fewer than 198 draws, so that 19 are kept: short chains are worth as many independent ones
    method = clv.MCMC(draws=190, chains=1, tune=200, groups="segment", priors=priors)
    found = simulation_based_calibration(clv.NBDModel(), method, 1000, replications=25, seed=13)
    assert len(found.p_value) == 2 * (1 + 5) + 2 + 1
    assert found.frame.reliable.mean() > 0.7
    assert min(found.p_value.values()) > 0.001, found

"""Saved posteriors, with groups and without: every draw to the bit, and files of version 2."""

import json

import numpy as np
import pytest

import clvmodels as clv
from clvmodels.models.storage import VERSION

# short chains, whose r-hat and effective sizes are what they are
pytestmark = pytest.mark.filterwarnings("ignore:NOT to be relied on")
SHORT = {"draws": 20, "chains": 2, "tune": 30, "seed": 1, "progress": False}
METHODS = {
    "MCMC": clv.MCMC(**SHORT),
    "groups": clv.MCMC(**SHORT, groups="segment"),
    "Laplace": clv.Laplace(draws=80, seed=1),
}
# of so few buyers some draws have no mean spend, unless it is known that they hardly differ
ALIKE = {"spend_cv_between": clv.Prior(0.4, 1.2), "groups": clv.GroupSpread(1.1)}
WITH_MEAN = clv.MCMC(**SHORT, groups="segment", priors=ALIKE)

# as version 2 wrote it: CDNOW's BG/NBD, without groups, scales and sampling
EARLIER = """{"format": "clvmodels", "version": 2, "role": "purchases", "model": "beta_geo",
"choices": {"covariates": {"purchase": [], "dropout": [], "both": [], "spend": [], "ridge": 0.0}},
"clock": {"counts": "time", "unit": "week"}, "design": null, "estimate": {"method": "MLE",
"point": {"r": [[0.24259290720446272]], "alpha": [[4.413531561205275]],
"a": [[0.7928861480982179]], "b": [[2.425753436491485]]}, "covariance": null,
"covariance_note": "", "spread": null, "replicates": {"r": [[0.24], [0.25]],
"alpha": [[4.4], [4.5]], "a": [[0.79], [0.8]], "b": [[2.4], [2.5]]},
"loglik": -9582.425560567335, "customers": 2357.0, "fingerprint": [2357.0, 2457.0],
"diagnostics": {"converged": true, "gain_left": 4.2e-24, "gradient_norm": 9.5e-12,
"condition_number": 164.85, "evaluations": 19, "starts_agree": true, "distinct_rows": 1016,
"boundary": [], "notes": ["Stored."]}}}"""


@pytest.fixture(scope="module")
def rfm():
    some = clv.datasets.load_cdnow_summary().select(np.arange(200))
    return some.with_column("segment", np.random.default_rng(1).choice(["a", "b", "c"], 200))


@pytest.fixture(scope="module", params=METHODS)
def saved(request, rfm, tmp_path_factory):
    fit = clv.NBDModel().fit(rfm, METHODS[request.param])
    path = tmp_path_factory.mktemp("fits") / "fit.json"
    fit.save(path)
    return fit, path


def test_every_draw_comes_back(saved, rfm):
    fit, path = saved
    again = clv.load(path)
    for name in ("point", "replicates"):
        for one, two in zip(
            getattr(fit.estimate, name).values(),
            getattr(again.estimate, name).values(),
            strict=True,
        ):
            np.testing.assert_array_equal(one, two)
    assert again.predict(rfm, "39 weeks").equals(fit.predict(rfm, "39 weeks"))
    new = (f.expected_purchases_new_customer("39 weeks") for f in (fit, again))
    assert next(new) == next(new)
    assert again.loglik_of(rfm) == fit.loglik_of(rfm)
    np.testing.assert_array_equal(again.estimate.covariance, fit.estimate.covariance)


def test_so_do_diagnostics_and_groups(saved):
    fit, path = saved
    again = clv.load(path)
    assert again.diagnostics == fit.diagnostics
    assert again.diagnostics.sampling.draws > 0
    assert again.estimate.scales == fit.estimate.scales
    if fit.groups is None:
        assert again.groups is None
        return
    assert again.groups.to_dict() == fit.groups.to_dict()
    columns = ["segment", "customers", "trait", "estimate", "sd", "lo", "hi", "population"]
    assert again.group_summary()[columns].equals(fit.group_summary()[columns])


def test_draws_are_written_once_and_held_once(saved):
    fit, path = saved
    document = json.loads(path.read_text())
    assert document["version"] == VERSION
    assert document["estimate"]["replicates"] == "point"
    for held in (fit, clv.load(path)):
        assert held.estimate.replicates is held.estimate.point


def test_spend_with_groups(rfm, tmp_path):
    fit = clv.GammaGammaModel().fit(rfm, WITH_MEAN)
    fit.save(tmp_path / "fit.json")
    again = clv.load(tmp_path / "fit.json")
    np.testing.assert_array_equal(again.expected_spend(rfm), fit.expected_spend(rfm))
    assert again.groups.customers == fit.groups.customers


def test_values_with_groups(rfm, tmp_path):
    model = clv.CLVModel(
        purchases=clv.NBDModel(),
        spend=clv.GammaGammaModel(),
        discount=clv.DiscountRate(0.10, per="year"),
        margin=0.30,
    )
    fit = model.fit(rfm, WITH_MEAN)
    fit.save(tmp_path / "fit.json")
    again = clv.load(tmp_path / "fit.json")
    assert again.predict(rfm, "12 months").equals(fit.predict(rfm, "12 months"))
    assert again.totals(rfm, "12 months").equals(fit.totals(rfm, "12 months"))


def test_files_of_version_2_still_load(tmp_path):
    path = tmp_path / "fit.json"
    path.write_text(EARLIER)
    fit = clv.load(path)
    assert fit.groups is None
    assert fit.diagnostics.sampling is None
    assert fit.diagnostics.notes == ("Stored.",)
    assert len(fit.estimate.replicates["r"]) == 2
    # what version 2 said of a new customer, to the bit
    assert fit.expected_purchases_new_customer("39 weeks") == pytest.approx(
        1.195016297703507, rel=1e-14
    )
    fit.save(path)
    assert json.loads(path.read_text())["version"] == VERSION
    assert clv.load(path).params == fit.params

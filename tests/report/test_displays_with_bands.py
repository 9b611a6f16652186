"""Displays show how sure a model is, where it knows, and say what their bands cover."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PolyCollection

from clvmodels.bayes.laplace import Laplace
from clvmodels.evaluation.baselines import ZeroBaseline
from clvmodels.evaluation.frequency import ACTUAL
from clvmodels.evaluation.holdout import compare_holdout
from clvmodels.exceptions import ParameterError
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.report.purchases import FrequencyHistogram, SilenceCalibration
from clvmodels.report.tracking import Tracking

COVERS = "nine in ten counts of other customers like these lie within its band"


@pytest.fixture(scope="module")
def two(cdnow):
    """A fit that knows how sure it is, and one that was given."""
    given = BetaGeoModel().with_params(r=0.243, alpha=4.414, a=0.793, b=2.426, time_unit="week")
    fitted = BetaGeoModel().fit(cdnow.calibration, Laplace(draws=250, seed=1))
    return {"fitted": fitted, "given": given}


def shown(ax, kind):
    """Collections with something to be seen in them."""
    found = [c for c in ax.collections if isinstance(c, kind)]
    return [
        c for c in found if any(np.isfinite(p.vertices).all() and len(p) for p in c.get_paths())
    ]


def test_histogram_has_a_bar_of_uncertainty_per_class(two, cdnow):
    display = FrequencyHistogram.of(two, cdnow.calibration)
    assert COVERS in display.caption
    known = display.frame.dropna()
    assert known["method"].unique().tolist() == ["fitted"]
    assert ((known["lo"] < known["customers"]) & (known["customers"] < known["hi"])).all()
    assert len(shown(display.plot(), LineCollection)) == 1


@pytest.mark.parametrize("cumulative", [False, True])
def test_tracking_has_a_band(two, cdnow, cumulative):
    display = Tracking.of(cdnow, two, cumulative=cumulative)
    assert COVERS in display.caption
    frame = display.frame
    assert frame.loc[frame["method"] != "fitted", "purchases_lo"].isna().all()
    own = frame[frame["method"] == "fitted"]
    for name in ("purchases", "cumulative"):
        assert own[f"{name}_lo"].between(0, own[name]).all()
        assert (own[f"{name}_hi"] >= own[name]).all()
    assert len(shown(display.plot(), PolyCollection)) == 1
    # what was bought to date is surer than what is to come: bands widen
    width = (own["cumulative_hi"] - own["cumulative_lo"]).to_numpy()
    assert width[-1] > 1.2 * width[38]
    assert ACTUAL in frame["method"].to_numpy()


def test_nothing_is_said_of_bands_where_there_are_none(two, cdnow):
    given = {"given": two["given"]}
    for display in (FrequencyHistogram.of(given, cdnow.calibration), Tracking.of(cdnow, given)):
        assert "band" not in display.caption
        ax = display.plot()
        assert not shown(ax, PolyCollection)
        assert not shown(ax, LineCollection)


def test_silence_against_its_probability(study):
    display = SilenceCalibration.of(study.comparison)
    assert "expects silence of" in display.title
    assert COVERS in display.caption
    ax = display.plot()
    assert len(ax.get_legend().texts) == display.frame["method"].nunique()
    assert (
        display.frame[["lo", "predicted", "hi"]]
        .dropna()
        .T.apply(lambda row: row.is_monotonic_increasing)
        .all()
    )


def test_silence_of_methods_without_probabilities(study):
    comparison = compare_holdout({"zero": ZeroBaseline()}, study.comparison.split)
    with pytest.raises(ParameterError, match="None of the methods compared"):
        SilenceCalibration.of(comparison)

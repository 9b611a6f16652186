"""Paths of P(alive) drawn: marks at purchases, bands, and titles with their figures."""

import numpy as np
import pytest
from matplotlib.collections import PolyCollection

from clvmodels.data.datasets import load_cdnow, load_donations
from clvmodels.exceptions import ParameterError
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.beta_geo_beta_binom import BetaGeoBetaBinomModel
from clvmodels.report.alive_path import AlivePath

BG = BetaGeoModel().with_params(r=0.243, alpha=4.414, a=0.793, b=2.426, time_unit="week")


@pytest.fixture(scope="module")
def log():
    return load_cdnow()


def test_marks_are_purchases(log):
    display = AlivePath.of(BG, log, [111])
    ax = display.plot()
    marks = [line for line in ax.lines if line.get_linestyle() == "None"]
    days = log.loc[log["customer_id"] == 111, "date"].drop_duplicates().sort_values()
    np.testing.assert_array_equal(marks[0].get_xdata(), days.to_numpy("M8[s]"))
    assert max(marks[0].get_ydata()) < 0  # below the curve, which cannot be there
    assert ax.get_legend() is None


def test_title_tells_of_the_one_least_alive(log):
    one = AlivePath.of(BG, log, [111], observation_end="1997-12-31")
    alive = one.frame["p_alive"].iloc[-1]
    assert f"is alive with {100 * alive:.0f} % (BG/NBD)" in one.title
    assert one.title.startswith("By 1997-12-31, after ")
    several = AlivePath.of(BG, log, [111, 157, 1298])
    last = several.frame.groupby("customer_id").tail(1)
    least = last.loc[last["p_alive"].idxmin(), "customer_id"]
    assert f"customer {least} is alive" in several.title
    assert several.title.endswith("the least of 3")
    assert len(several.plot().get_legend().texts) == 3


def test_bands_are_told_where_there_are_any(log, fits):
    known = AlivePath.of(fits["BG/NBD"], log, [111])
    assert "how sure the parameters are (90 %)" in known.caption
    given = AlivePath.of(BG, log, [111])
    assert "band" not in given.caption
    band = [c for c in known.plot().collections if isinstance(c, PolyCollection)]
    assert np.isfinite(band[0].get_paths()[0].vertices).all()


def test_what_has_no_path(log):
    donors = BetaGeoBetaBinomModel().fit(load_donations())
    with pytest.raises(ParameterError, match="probability_alive_path"):
        AlivePath.of(donors, log, [111])
    with pytest.raises(ParameterError, match="At most 6 paths"):
        AlivePath.of(BG, log, range(7))

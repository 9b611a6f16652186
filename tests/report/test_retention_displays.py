"""Survival curves: what was counted, what is projected, and how it is drawn."""

from xml.etree import ElementTree

import numpy as np
import pytest

from clvmodels.data.retention import RetentionTable
from clvmodels.evaluation.frequency import ACTUAL
from clvmodels.exceptions import DataError, ParameterError
from clvmodels.models.geometric_retention import GeometricRetentionModel
from clvmodels.models.shifted_beta_geo import ShiftedBetaGeoModel
from clvmodels.report import style
from clvmodels.report.retention import SurvivalCurve

# Fader and Hardie (2007), table 1, High End, of 1,000 customers
HIGH_END = [1000, 869, 743, 653, 593, 551, 517, 491]


@pytest.fixture(scope="module")
def table():
    return RetentionTable.from_survivors(HIGH_END, period="1 year")


@pytest.fixture(scope="module")
def fits(table):
    return {
        model.title: model().fit(table) for model in (ShiftedBetaGeoModel, GeometricRetentionModel)
    }


@pytest.fixture(scope="module")
def curve(fits, table):
    return SurvivalCurve.of(fits, table, periods=12)


def part(curve, name):
    return curve.frame[curve.frame["method"] == name]


def test_actual_survival_is_what_was_counted(curve):
    np.testing.assert_allclose(part(curve, ACTUAL)["survival"], np.array(HIGH_END) / 1000)
    assert curve.observed == 7


def test_projections_are_those_of_the_fits(curve, fits):
    for name, fit in fits.items():
        rows = part(curve, name)
        assert rows["renewals"].tolist() == list(range(13))
        np.testing.assert_allclose(rows["survival"], fit.survival(range(13)))
        assert (rows["survival_lo"] <= rows["survival"]).all()
        assert (rows["survival"] <= rows["survival_hi"]).all()
        np.testing.assert_allclose(rows["retention_rate"][1:], fit.retention_rate(range(1, 13)))


def test_survival_of_cohorts_is_the_product_of_retention_rates():
    cohorts = {1: [100, 50, 40], 2: [300, 240], 3: [10]}
    table = RetentionTable.from_survivors(cohorts, period="1 month")
    survival = part(SurvivalCurve.of({}, table), ACTUAL)["survival"]
    np.testing.assert_allclose(survival, [1, 290 / 400, 290 / 400 * 0.8])


def test_title_says_what_was_and_what_will_be(curve, fits, table):
    # Fader and Hardie (2007): 49.1 % after 7 renewals, and .378 after 12
    title = "49 % are still there after 7 renewals; Shifted-beta-geometric expects 38 % after 12"
    assert curve.title == title
    assert "Beyond 7 renewals" in curve.caption
    assert SurvivalCurve.of(fits, table, periods=7).title.endswith("geometric expects 49 %")
    assert SurvivalCurve.of({}, table).title == "49 % are still there after 7 renewals"
    once = RetentionTable.from_survivors([10, 5], period="1 year")
    assert SurvivalCurve.of({}, once).title == "50 % are still there after 1 renewal"


def test_wrong_arguments_are_errors(fits, table):
    with pytest.raises(DataError, match="RetentionTable"):
        SurvivalCurve.of(fits, HIGH_END)
    with pytest.raises(ParameterError, match="periods"):
        SurvivalCurve.of(fits, table, periods=0)


def test_plot_goes_where_it_is_told_and_draws_every_series(curve):
    ax = style.new_axes()
    assert curve.plot(ax) is ax
    assert ax.get_title(loc="left").replace("\n", " ") == curve.title
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == [ACTUAL, "Shifted-beta-geometric", "Geometric"]
    ElementTree.fromstring(curve.svg())
    assert curve._repr_svg_().startswith("<svg ")


def test_nobody_has_faced_a_renewal():
    table = RetentionTable.from_survivors([10], period="1 year")
    fit = GeometricRetentionModel().with_params(theta=0.2, period="1 year")
    curve = SurvivalCurve.of({"geometric": fit}, table)
    assert curve.title == "100 % are still there after 0 renewals; geometric expects 80 % after 1"
    assert curve.svg()

"""Shrinkage of groups: where each would be by itself, where it is, and how it is drawn."""

from copy import deepcopy
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

import clvmodels as clv
from clvmodels.exceptions import FitError, ParameterError
from clvmodels.report import style
from clvmodels.report.sections import plots
from clvmodels.report.shrinkage import Shrinkage

# short chains, whose r-hat and effective sizes are what they are
pytestmark = pytest.mark.filterwarnings("ignore:NOT to be relied on")


@pytest.fixture(scope="module")
def fit():
    rfm = clv.datasets.load_cdnow_summary().select(np.arange(300))
    segment = np.repeat(["a", "$b$", "c"], [200, 90, 10])
    method = clv.MCMC(draws=60, chains=2, tune=150, seed=1, groups="segment", progress=False)
    return clv.NBDModel().fit(rfm.with_column("segment", segment), method)


def test_frame_is_that_of_the_summary_largest_first(fit):
    frame = Shrinkage.of(fit, "purchase_cv").frame
    assert frame["group"].tolist() == ["a", "$b$", "c"]
    assert set(frame["trait"]) == {"purchase_cv"}
    table = fit.group_summary()
    mine = table[table["trait"] == "purchase_cv"].set_index("segment")
    np.testing.assert_array_equal(frame["alone"], mine["alone"][["a", "$b$", "c"]])
    assert set(Shrinkage.of(fit).frame["trait"]) == {"purchases"}


def test_title_and_caption_say_what_is_seen(fit):
    display = Shrinkage.of(fit)
    assert "purchases: " in display.title
    assert "over 3 groups; c, the smallest, went" in display.title
    assert "mean purchases over the median T" in display.caption


def test_drawn_with_the_names_of_groups_as_they_are(fit):
    display = Shrinkage.of(fit)
    ax = style.new_axes()
    assert display.plot(ax) is ax
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["a", "$b$", "c"]
    assert not any(label.get_parse_math() for label in ax.get_yticklabels())
    assert ax.get_ylabel() == "segment"
    text = "".join(ElementTree.fromstring(display.svg()).itertext())
    assert "$b$" in text
    assert "by itself" in text


def test_without_the_data_what_is_left_is_drawn(fit):
    display = Shrinkage.of(deepcopy(fit))
    assert display.frame["alone"].isna().all()
    assert "the typical one" in display.title
    assert display.svg()


def test_other_traits_and_fits_are_refused(fit):
    with pytest.raises(ParameterError, match="trait is one of purchases, purchase_cv"):
        Shrinkage.of(fit, "mood")
    with pytest.raises(FitError, match="no groups"):
        Shrinkage.of(clv.NBDModel().with_params(r=1, alpha=2, time_unit="week"))


def test_a_report_shows_the_groups_of_its_models(study, fit):
    # the comparison's model, as if it had been fitted with groups
    comparison = study.comparison
    name, value = study.name, comparison.models[study.name]
    models = {**comparison.models, name: replace(value, purchases=fit)}
    shown = plots(replace(study, comparison=replace(comparison, models=models)))
    (display,) = (plot.make() for plot in shown if plot.name.startswith("groups"))
    assert isinstance(display, Shrinkage)
    assert set(display.frame["trait"]) == {"purchases"}

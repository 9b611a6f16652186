"""What all displays have in common: they draw where they are told, and show no window."""

import subprocess
import sys
from xml.etree import ElementTree

import pytest
from matplotlib.ticker import FixedFormatter

from clvmodels.bayes.laplace import Laplace
from clvmodels.data.datasets import load_cdnow
from clvmodels.report import style
from clvmodels.report.displays import (
    AlivePath,
    ConditionalExpectations,
    MixingDistribution,
    ParameterIntervals,
    ParameterPosterior,
)
from clvmodels.report.html import draw
from clvmodels.report.sections import plots


@pytest.fixture(scope="module")
def reported(study):
    return [plot.make() for plot in plots(study)]


def of_models(study):
    """Those that no report has yet."""
    name, base, fit = study.name, study.base, study.value.purchases
    drawn = {"approximated": fit.model.fit(base, Laplace(draws=200, seed=1))}
    again, busiest = fit.model.fit(base), base.customer_id[base.frequency.argmax()]
    return [
        ConditionalExpectations.of(study.comparison, [name], by="silence"),
        AlivePath.of(fit, load_cdnow(sample=True), [busiest]),
        MixingDistribution.of({name: fit}),
        ParameterIntervals.of(drawn, again),
        ParameterPosterior.of(drawn["approximated"], "alpha", again),
    ]


@pytest.fixture(scope="module")
def every(reported, study):
    return [*reported, *of_models(study)]


def test_a_report_shows_all_kinds(reported):
    assert [type(display).__name__ for display in reported] == [
        "ValueDistribution",
        "Concentration",
        "Tornado",
        "League",
        "DecileCalibration",
        "Tracking",
        "Tracking",
        "FrequencyHistogram",
        "ConditionalExpectations",
        "SilenceCalibration",
        "Reliability",
        "PITHistogram",
        "AliveMatrix",
        "ParameterIntervals",
    ]


def test_plots_go_where_they_are_told(every):
    for display in every:
        ax = style.new_axes()
        assert display.plot(ax) is ax
        assert ax.get_title(loc="left").replace("\n", " ") == display.title
        assert ax.get_xlabel()


def test_plots_make_their_own_axes_and_can_be_rendered(every, tmp_path):
    for k, display in enumerate(every):
        file = tmp_path / f"{k}.png"
        display.plot().figure.savefig(file)
        assert file.stat().st_size > 5_000


def test_plots_where_nothing_came(silent_study):
    for plot in plots(silent_study):
        display = plot.make()
        assert display.svg()
        assert "inf" not in display.title


def words_of(ax):
    """All texts of a plot but mere numbers."""
    texts = [ax.xaxis.label, ax.yaxis.label, ax._left_title]
    texts += [text for text in ax.texts if any(map(str.isalpha, text.get_text()))]
    texts += ax.get_legend().get_texts() if ax.get_legend() else []
    for axis in (ax.xaxis, ax.yaxis):
        if isinstance(axis.get_major_formatter(), FixedFormatter):
            texts += [label for label in axis.get_ticklabels() if label.get_text()[:1].isalpha()]
    return texts


def test_a_dollar_sign_is_no_formula(every):
    assert any("US$" in display.title for display in every)
    for display in every:
        ax = display.plot()
        assert not [text.get_text() for text in words_of(ax) if text.get_parse_math()]


def test_svg_is_well_formed_and_loads_nothing(every):
    names = []
    for display in every:
        root = ElementTree.fromstring(display.svg())
        for element in root.iter():
            for name, value in element.attrib.items():
                if name.endswith("href"):
                    assert value.startswith(("#", "data:"))
                if name == "id":
                    names.append(value)
    assert len(names) == len(set(names))  # pictures of one page do not clash


def test_svg_is_the_same_every_time(every):
    assert every[0].svg() == every[0].svg()


def test_drawn_pictures_take_the_colours_of_the_page(every):
    for display in every:
        svg = draw(display).svg
        assert "var(--ink)" in svg
        assert not any(colour in svg for colour in style.ROLES)


def test_displays_show_themselves_in_notebooks(every):
    for display in every:
        assert display._repr_svg_().startswith("<svg ")
        assert repr(display) == f"{type(display).__name__}: {display.title}"


def test_titles_leave_room_for_long_labels():
    text = "Twenty words " * 10
    starts = []
    for label in ("a", "a method with a rather long name"):
        ax = style.new_axes()
        ax.set_yticks([0, 1], [label, label])
        style.title(ax, text)
        starts.append(ax._left_title.get_position()[0])
        ax.figure.draw_without_rendering()
        assert ax.get_title(loc="left").count("\n") <= 3
        assert ax._left_title.get_window_extent().x1 <= ax.figure.bbox.x1
    assert starts[0] == 0 > starts[1]


def test_a_percentage_stays_on_one_line():
    for words in range(8):
        ax = style.new_axes()
        style.title(ax, "x" * words + " goes from here to there with −10 % to +10 % " * 4)
        assert "\n%" not in ax.get_title(loc="left")


def test_an_amount_stays_on_one_line_with_its_currency():
    for words in range(8):
        ax = style.new_axes()
        style.title(ax, "x" * words + " worth US$ 5,910,000 now, from EUR 19 to $ 24 with it " * 3)
        lines = ax.get_title(loc="left").splitlines()
        assert not any(line.endswith(("$", "EUR")) for line in lines)


def test_series_can_be_told_apart_without_colour():
    looks = style.looks("abcdef").values()
    assert len({look.dash for look in looks}) == len({look.marker for look in looks}) == 6


def test_nothing_heavy_is_imported_before_it_is_needed():
    heavy = "{'matplotlib', 'jinja2', 'rich', 'pymc', 'arviz'}"
    code = f"import sys, clvmodels.report.html; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

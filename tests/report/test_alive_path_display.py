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
    assert f"has a {100 * alive:.0f} % chance of being alive (BG/NBD)" in one.title
    assert one.title.startswith("By 1997-12-31, after ")
    several = AlivePath.of(BG, log, [111, 157, 1298])
    last = several.frame.groupby("customer_id").tail(1)
    least = last.loc[last["p_alive"].idxmin(), "customer_id"]
    assert f"customer {least} has a " in several.title
    assert several.title.endswith("the least of 3")
    assert len(several.plot().get_legend().texts) == 3


def test_a_customer_of_the_last_day_has_a_mark(log):
    first = log.groupby("customer_id")["date"].min()
    display = AlivePath.of(BG, log, [first.idxmax()], observation_end=first.max())
    assert display.frame["date"].nunique() == 1
    assert display.svg()  # without a warning that there are no dates to choose from


def test_ids_are_no_formulas(log):
    ids = log["customer_id"].map("${}^".format)
    display = AlivePath.of(BG, log.assign(customer_id=ids), ["$111^", "$157^"])
    assert "customer $111^<" in display.svg()


@pytest.mark.parametrize(
    ("pattern", "shown"),
    [
        # lengths of a UUID, and of an e-mail address of which the beginnings are alike
        ("{:04d}1111-1111-2222-3333-444444444444", "0111111…4444444"),
        ("somebody.with.a.long.name.{}@example-company.co.uk", "…111@exa…y.co.uk"),
        ("customer-number-{}-of-the-shop-in-the-street", "…111-of-…-street"),
    ],
)
def test_long_ids_leave_room_for_the_plot(log, pattern, shown):
    numbers = [111, 157, 1298, 1, 2, 3]
    few = log[log["customer_id"].isin(numbers)]
    named = few.assign(customer_id=few["customer_id"].map(pattern.format))
    ax = AlivePath.of(BG, named, [pattern.format(k) for k in numbers]).plot()
    ax.figure.draw_without_rendering()  # warns where nothing is left of the plot
    assert ax.get_window_extent().width > 0.6 * ax.figure.bbox.width
    legend = ax.get_legend()
    assert legend.get_window_extent().x0 >= 0
    assert legend.get_window_extent().x1 <= ax.figure.bbox.x1
    texts = [text.get_text() for text in legend.texts]
    assert len({*texts}) == 6
    assert f"customer {shown}" in texts


def test_ids_that_cannot_be_shortened_are_numbered(log):
    new = {111: "a" * 30 + "1" + "c" * 30, 157: "a" * 30 + "2" + "c" * 30, 1298: "b" * 61}
    few = log[log["customer_id"].isin(new)]
    named = few.assign(customer_id=few["customer_id"].map(new))
    texts = AlivePath.of(BG, named, [*new.values()]).plot().get_legend().texts
    assert [text.get_text() for text in texts] == [f"customer no. {k}" for k in (1, 2, 3)]


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
    for ids in (111, "111"):
        with pytest.raises(ParameterError, match=f"in a list, such as .{ids!r}."):
            AlivePath.of(BG, log, ids)
    with pytest.raises(ParameterError, match="At most 6 paths"):
        AlivePath.of(BG, log, range(7))

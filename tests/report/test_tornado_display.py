"""The tornado drawn: bars from the total to each end, with what was changed."""

from dataclasses import replace

import numpy as np
import pytest

from clvmodels.data.datasets import load_cdnow_summary
from clvmodels.exceptions import ParameterError
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.gamma_gamma import GammaGammaModel
from clvmodels.report.tornado import Tornado
from clvmodels.units import DiscountRate
from clvmodels.value.clv import CLVModel


@pytest.fixture(scope="module")
def rfm():
    return load_cdnow_summary()


@pytest.fixture(scope="module")
def value(rfm):
    rate = DiscountRate(0.10, per="year")
    return CLVModel(BetaGeoModel(), GammaGammaModel(), discount=rate, margin=0.3).fit(rfm)


@pytest.fixture(scope="module")
def display(value, rfm):
    return Tornado.of(value, rfm, "12 months", currency="US$")


def test_title_tells_the_widest(display, value, rfm):
    total = value.clv(rfm, "12 months").sum()
    assert display.total == pytest.approx(total)
    assert display.title == (
        "Value in 12 months, US$ 21,800 now, goes from US$ 19,600 to US$ 24,000 with margin "
        "(27 % to 33 %)"
    )


def test_bars_reach_from_the_total_to_both_ends(display):
    ax = display.plot()
    rows = len(display.frame)
    for bars, end in zip((ax.patches[:rows], ax.patches[rows:]), ("low", "high"), strict=True):
        np.testing.assert_allclose([b.get_x() for b in bars], display.total)
        np.testing.assert_allclose(
            [b.get_x() + b.get_width() for b in bars], display.frame[end], rtol=1e-12
        )
    texts = {text.get_text() for text in ax.texts}
    assert {"27 %", "33 %", "10.8 months", "11 % per year"} <= texts
    # the second of each pair is hatched: grey printers keep them apart
    assert {bar.get_hatch() for bar in ax.patches[rows:]} == {"////"}


@pytest.mark.parametrize("change", [{"horizon": 0.99}, {"margin": 0.1, "purchase rate": None}])
def test_labels_lie_within_the_axes(value, rfm, change):
    ax = Tornado.of(value, rfm, "12 months", change).plot()
    ax.figure.draw_without_rendering()
    frame = ax.get_window_extent()
    for label in ax.texts:
        box = label.get_window_extent()
        assert frame.x0 <= box.x0
        assert box.x1 <= frame.x1


def test_purchase_rates_have_a_unit(display):
    settings = display.frame.set_index("input").loc["purchase rate"]
    # the median T of the 1/10 sample, 32.71 weeks
    assert settings["low_setting"].endswith(" in 32.7 weeks")
    low, high = (float(settings[f"{end}_setting"].split()[0]) for end in ("low", "high"))
    assert low < 0.2426 / 4.4136 * 32.71 < high  # r / alpha per week: Fader et al. (2005), table 2


def test_caption_says_what_was_estimated_and_what_is_missing(value, rfm):
    display = Tornado.of(value, rfm, level=0.8)
    assert "over all the future" in display.title
    assert "interval of 80 %" in display.caption
    assert "dropout is mean probability of dropout after a purchase" in display.caption
    assert "Without horizon: all the future has no end to move." in display.caption


def test_before_any_margin_there_is_no_bar_for_it(value, rfm):
    plain = Tornado.of(replace(value, model=replace(value.model, margin=1.0)), rfm, "12 months")
    assert "margin" not in set(plain.frame["input"])
    assert "Without margin: values are before any margin." in plain.caption


def test_nothing_to_change(value, rfm):
    with pytest.raises(ParameterError, match="no input to change"):
        Tornado.of(value, rfm, None, {"horizon": 0.1})

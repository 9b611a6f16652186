"""Conditional expectations drawn: the published class means, comparisons and backtests alike."""

from dataclasses import dataclass, replace

import pandas as pd
import pytest

from clvmodels.evaluation.frequency import ACTUAL
from clvmodels.evaluation.holdout import compare_holdout
from clvmodels.exceptions import ParameterError
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.gamma_gamma import GammaGammaModel
from clvmodels.models.pareto_nbd import ParetoNBDModel
from clvmodels.report.expectations import ConditionalExpectations
from clvmodels.value.clv import CLVModel


@pytest.fixture(scope="module")
def comparison(cdnow):
    spend = GammaGammaModel()
    models = {m.title: CLVModel(m(), spend, discount=0) for m in (BetaGeoModel, ParetoNBDModel)}
    return compare_holdout(models, cdnow)


def means(display, method):
    rows = display.frame[display.frame["method"] == method]
    return rows.set_index("group")["mean"]


def test_class_means_are_the_published_ones(comparison):
    display = ConditionalExpectations.of(comparison, ["BG/NBD", "Pareto/NBD"])
    # Fader, Hardie and Lee (2005), Marketing Science 24(2), section 5: 1,411 customers without a
    # repeat purchase, .24 on average; BG/NBD .23, Pareto/NBD .14
    for method, published in ((ACTUAL, 0.24), ("BG/NBD", 0.23), ("Pareto/NBD", 0.14)):
        assert means(display, method)["0"] == pytest.approx(published, abs=0.0051)
    assert display.title == (
        "1,411 customers without repeat purchases made 0.237 purchases each in 39 weeks; BG/NBD "
        "expected 0.225"
    )


def test_a_method_named_twice_counts_once(comparison):
    once = ConditionalExpectations.of(comparison, ["BG/NBD"])
    twice = ConditionalExpectations.of(comparison, ["BG/NBD", "BG/NBD"])
    pd.testing.assert_frame_equal(twice.frame, once.frame)


def test_one_customer_is_no_crowd(comparison):
    display = ConditionalExpectations.of(comparison, ["BG/NBD"])
    alone = display.frame[display.frame["group"] == "1"].assign(customers=1.0)
    title = replace(display, frame=alone).title
    assert title.startswith("1 customer with 1 repeat purchase made 0.697 purchases in 39 weeks")


def test_bars_are_two_standard_errors(comparison):
    frame = ConditionalExpectations.of(comparison, ["BG/NBD"]).frame
    split = comparison.split
    zero = split.holdout_purchases[split.calibration.frequency == 0]
    error = zero.std(ddof=1) / len(zero) ** 0.5
    first = frame.iloc[0]
    assert (first["lo"], first["hi"]) == pytest.approx(
        (zero.mean() - 2 * error, zero.mean() + 2 * error), rel=1e-9
    )
    assert frame.loc[frame["method"] != ACTUAL, ["lo", "hi"]].isna().all(axis=None)


def test_by_time_the_axis_says_so(comparison):
    for by, words in (("recency", "weeks from first to last"), ("silence", "since the last")):
        display = ConditionalExpectations.of(comparison, ["BG/NBD"], by=by)
        ax = display.plot()
        assert words in ax.get_xlabel()
        ticks = [label.get_text() for label in ax.get_xticklabels()]
        assert ticks == means(display, ACTUAL).index.tolist()
    assert display.title.startswith("732 customers with 30–35 weeks of silence made")


@dataclass(frozen=True)
class Rolling:
    """What the display asks of a backtest."""

    splits: dict
    predictions: pd.DataFrame

    @property
    def cutoffs(self):
        return list(self.splits)


def test_a_backtest_is_shown_at_one_of_its_cutoffs(comparison):
    first, last = pd.Timestamp("1997-09-30"), pd.Timestamp("1997-12-31")
    every = comparison.predictions
    doubled = every.assign(predicted_purchases=2 * every["predicted_purchases"])
    rolling = Rolling(
        {first: comparison.split, last: comparison.split},
        pd.concat([every.assign(cutoff=first), doubled.assign(cutoff=last)]),
    )
    alone = means(ConditionalExpectations.of(comparison, ["BG/NBD"]), "BG/NBD")
    asked = ConditionalExpectations.of(rolling, ["BG/NBD"], cutoff="1997-09-30")
    pd.testing.assert_series_equal(means(asked, "BG/NBD"), alone)
    latest = ConditionalExpectations.of(rolling, ["BG/NBD"])
    pd.testing.assert_series_equal(means(latest, "BG/NBD"), 2 * alone)
    with pytest.raises(ParameterError, match="there are 1997-09-30, 1997-12-31"):
        ConditionalExpectations.of(rolling, ["BG/NBD"], cutoff="1997-10-01")


def test_methods_that_are_not_there(comparison):
    with pytest.raises(ParameterError, match="no predictions of 'NBD'; there are BG/NBD, Pareto"):
        ConditionalExpectations.of(comparison, ["NBD"])
    with pytest.raises(ParameterError, match=r"in a list, such as \['BG/NBD'\]"):
        ConditionalExpectations.of(comparison, "BG/NBD")
    named = comparison.predictions.assign(method=ACTUAL)
    with pytest.raises(ParameterError, match="'actual' is what came"):
        ConditionalExpectations.of(replace(comparison, predictions=named), [ACTUAL])
    with pytest.raises(ParameterError, match="at least one method"):
        ConditionalExpectations.of(comparison, [])

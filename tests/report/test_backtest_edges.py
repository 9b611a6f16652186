"""Displays of backtests with ties, infinite metrics, names like formulas, or without a purchase."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from clvmodels.evaluation.backtest import backtest
from clvmodels.evaluation.baselines import MeanBaseline, SameRateBaseline, ZeroBaseline
from clvmodels.evaluation.heuristics import TopShare
from clvmodels.exceptions import ParameterError
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.report.backtest_calibration import PITHistogram, Reliability
from clvmodels.report.backtest_ranking import DecileChart, Gains
from clvmodels.report.backtests import MethodForest, MetricOverTime

CUTOFFS = ["2020-04-01", "2020-05-01"]


def log_of(last_day=200):
    """Two hundred customers who began in sixty days and buy at random."""
    rng = np.random.default_rng(3)
    rows = []
    for customer in range(200):
        first = rng.integers(0, 60)
        later = np.unique(rng.integers(first + 1, 200, rng.poisson(0.02 * (200 - first))))
        rows += [(customer, day, rng.gamma(3, 10)) for day in (first, *later) if day <= last_day]
    rows.append((999, 220, 1.0))  # a newcomer, with whom the log ends
    log = pd.DataFrame(rows, columns=["customer_id", "date", "value"])
    return log.assign(date=pd.Timestamp("2020-01-01") + pd.to_timedelta(log["date"], unit="D"))


def judged(models, log=None, cutoffs=CUTOFFS, value="value"):
    log = log_of() if log is None else log
    return backtest(models, log, cutoffs, "8 weeks", time_unit="week", value=value, jobs=1)


@pytest.fixture(scope="module")
def rules():
    methods = MeanBaseline(), ZeroBaseline(), SameRateBaseline(), TopShare(0.25)
    return judged(dict(zip(("mean", "zero", "same rate", "top"), methods, strict=True)))


@pytest.fixture(scope="module")
def equal():
    return judged({name: MeanBaseline() for name in "abc"})


@pytest.fixture(scope="module")
def silent():
    methods = {"mean": MeanBaseline(), "zero": ZeroBaseline(), "same rate": SameRateBaseline()}
    return judged(methods, log_of(last_day=100), ["2020-05-01"])


# infinite metrics


def test_the_infinitely_bad_are_counted_and_named(rules):
    display = MethodForest.of(rules, "poisson_deviance")
    pooled = display.frame[display.frame["cutoff"].isna()].set_index("method")["difference"]
    endless = pooled.index[np.isinf(pooled)]
    assert "zero" in endless
    assert display.title.endswith("beats all 3 others")
    assert f"Infinitely far, and not drawn: {', '.join(endless)}." in display.caption
    ticks = [label.get_text() for label in display.plot().get_yticklabels()]
    assert ticks == [name for name in pooled.index if name not in endless]


def test_all_are_better_than_the_infinitely_bad(rules):
    display = MethodForest.of(rules, "poisson_deviance", against="zero")
    assert "other methods are better than zero (infinite)" in display.title
    assert display.svg()


def test_an_infinite_metric_over_time_is_named(rules):
    display = MetricOverTime.of(rules, "poisson_deviance", methods=["mean", "zero"])
    assert "mean was best of those shown at 2 of 2 cutoffs" in display.title
    assert display.caption.endswith("Infinite at some cutoff, and not drawn there: zero.")
    alone = MetricOverTime.of(rules, "poisson_deviance", methods=["zero"])
    assert alone.title.endswith("infinite for all methods shown")
    assert alone.svg()


# ties


def test_who_is_as_good_as_all_others_is_not_the_best(equal):
    over_time = MetricOverTime.of(equal, methods=list("abc"))
    assert over_time.title.endswith("was best of those shown, or as good as the best, at 2 of 2 "
                                    "cutoffs")  # fmt: skip
    assert MethodForest.of(equal).title.endswith("cannot be told from any of the 2 others")


def forest(differences, metric="crps", reference=0.4, sure=True):
    """A forest with the differences of each method: of all cutoffs together, then at each."""
    rows = []
    for name, (pooled, *each) in differences.items():
        cutoffs = [pd.NaT, *pd.to_datetime(CUTOFFS[: len(each)])]
        half = 0.1 * abs(pooled) if sure else 2 * abs(pooled)
        rows += [
            (name, "model", cutoff, gap, half, gap - half, gap + half)
            for cutoff, gap in zip(cutoffs, (pooled, *each), strict=True)
        ]
    columns = ["method", "kind", "cutoff", "difference", "se", "lo", "hi"]
    frame = pd.DataFrame(rows, columns=columns)
    return MethodForest(frame, metric, "value", "best", reference, "8 weeks", False, 0.9, "EUR")


@pytest.mark.parametrize(
    ("differences", "said"),
    [
        ({"a": (0.02, 0.01, 0.03)}, "best (0.4) beats the only other method"),
        ({"a": (0.02, 0.02)}, "best (0.4) beats the only other method"),
        ({"a": (0.01, -0.01, 0.03)}, "best (0.4) is ahead of a by 0.01, not at every cutoff"),
        # equal at one cutoff is not better there, but for rounding
        ({"a": (0.01, 1e-6, 0.02)}, "best (0.4) is ahead of a by 0.01, not at every cutoff"),
        (
            {"a": (0.00066, -0.001, 0.002), "b": (0.1, 0.1, 0.1), "c": (0.2, 0.1, 0.3)},
            "best (0.4) beats 2 of 3 others, and is ahead of a by 0.00066, not at every cutoff",
        ),
        (
            {"a": (0.01, -0.01, 0.03), "b": (0.02, -0.01, 0.05), "c": (0.0, 0.0, 0.0)},
            "best (0.4) is ahead of 2 others by up to 0.02, not at every cutoff; the rest cannot "
            "be told from it",
        ),
        (
            {"a": (-0.01, 0.01, -0.03), "b": (0.2, 0.1, 0.3)},
            "best (0.4) beats 1 of 2 others, and is behind a by 0.01, not at every cutoff",
        ),
        (
            {"a": (-0.02, -0.01, -0.03), "b": (0.02, -0.01, 0.05)},
            "1 of 2 other methods is better than best (0.4)",
        ),
        ({"a": (np.inf, np.inf, 0.2)}, "best (0.4) beats the only other method"),
        ({"a": (np.inf, np.inf, -0.2)}, "best (0.4) is ahead of a, not at every cutoff"),
    ],
)
def test_who_beats_another_does_so_at_every_cutoff(differences, said):
    assert forest(differences).title.endswith(f": {said}")
    # of what is good when high, the same with the signs turned
    turned = {name: [-gap for gap in gaps] for name, gaps in differences.items()}
    assert forest(turned, "gini").title.endswith(f": {said}")
    if np.isfinite([gaps[0] for gaps in differences.values()]).all():
        unsure = forest(differences, sure=False).title
        assert "best (0.4) cannot be told from" in unsure


def test_differences_have_the_unit_of_their_metric():
    mixed = {"a": (0.0123, -0.01, 0.0346)}
    assert "ahead of a by 1.2 percentage points, not" in forest(mixed, "bias").title
    assert "best (EUR 0.4) is ahead of a by EUR 0.0123, not" in forest(mixed, "rmse").title


def test_opposite_biases_that_cancel_are_no_win():
    # +10 % and -10 % cancel, and so are nearer to 0 than +1 % twice; but at neither cutoff
    assert forest({"a": (0.01, -0.09, -0.09)}, "bias", 0.0).title.endswith(
        "best (+0.0 %) is ahead of a by 1 percentage point, not at every cutoff"
    )


def test_captions_say_what_the_cutoffs_share(rules):
    assert rules.horizon.to("week") == 8  # and the cutoffs are 30 days apart
    over_time = MetricOverTime.of(rules, "rmse")
    for display in (MethodForest.of(rules), over_time):
        assert "Holdouts overlap in time: the cutoffs are no independent trials." in display.caption
    apart = judged([MeanBaseline(), ZeroBaseline()], cutoffs=["2020-04-01", "2020-05-27"])
    assert "overlap" not in MethodForest.of(apart).caption  # 56 days: one ends, the next begins
    one = judged([MeanBaseline(), ZeroBaseline()], cutoffs=CUTOFFS[:1])
    caption = MethodForest.of(one).caption
    assert "Bars are 90 % intervals. The intervals resample customers, not times." in caption
    assert "overlap" not in MetricOverTime.of(one).caption


def test_one_method_is_not_the_best(equal):
    for cutoffs, at in ((CUTOFFS, "by a at 2 cutoffs"), (CUTOFFS[:1], "by a at the only cutoff")):
        one = judged({"a": MeanBaseline()}, cutoffs=cutoffs, value=None)
        assert MetricOverTime.of(one).title.endswith(at)
    two = judged({"a": MeanBaseline(), "zero": ZeroBaseline()})
    assert MethodForest.of(two).title.endswith("beats the only other method")
    worse = MethodForest.of(two, against="zero")
    assert "the only other method is better than zero" in worse.title


def test_rules_have_as_many_points_as_probabilities(rules):
    display = Reliability.of(rules, ["top"], CUTOFFS[0])
    frame = display.frame
    assert frame["predicted"].tolist() == [1, 0]
    own = rules.predictions
    own = own[(own["method"] == "top") & (own["cutoff"] == pd.Timestamp(CUTOFFS[0]))]
    chosen = own[own["p_active"] == 1]
    bought = int((chosen["actual_purchases"] > 0).sum())
    exact = stats.binomtest(bought, len(chosen)).proportion_ci(rules.level, method="wilson")
    assert frame.loc[0, ["lo", "hi"]].tolist() == pytest.approx(list(exact), rel=1e-9)
    share = 100 * len(chosen) / len(own)
    assert display.title.startswith(f"Of the {share:.2g} % likeliest to buy within 8 weeks by top")


def test_those_who_rank_nobody_say_so(rules):
    assert Reliability.of(rules, ["zero"]).title.startswith(
        "By zero all customers are equally likely to buy within 8 weeks (0 %); "
    )
    for quantity in ("value", "purchases"):
        for name in ("mean", "zero"):
            chart = DecileChart.of(rules, quantity, [name]).title
            assert chart.startswith(f"By {name} all customers are the same, with ")
            gains = Gains.of(rules, quantity, [name]).title
            assert gains.startswith(f"By {name} all customers are the same, any tenth of them as")


# nobody buys


def test_that_nobody_bought_is_said_first(silent):
    assert Reliability.of(silent, ["mean"]).title.startswith("Nobody bought within 8 weeks; ")
    assert DecileChart.of(silent, "purchases").title.startswith("Nobody bought in 8 weeks; ")
    assert DecileChart.of(silent).title.startswith("There was no revenue in 8 weeks; ")
    assert Gains.of(silent).title == (
        "There was no revenue in 8 weeks: no ranking is better than another"
    )
    for display in (MethodForest.of(silent), MetricOverTime.of(silent)):
        assert "over 8 weeks in which nobody bought: " in display.title


def test_infinite_biases_of_nobody(silent):
    forest = MethodForest.of(silent, "bias", against="mean")
    assert "1 of 2 other methods is better than mean (infinite)" in forest.title
    over_time = MetricOverTime.of(silent, "bias", methods=["mean", "same rate"])
    assert over_time.title.endswith("infinite for all methods shown")
    assert over_time.svg()


# names and room


def test_names_are_no_formulas():
    # mathtext would take the first for a formula, and could not read the second
    names = "BG $1 to $2", "$b^$"
    found = judged(dict(zip(names, [BetaGeoModel(), MeanBaseline()], strict=True)), value=None)
    only = [names[0]]
    for display in (
        MethodForest.of(found, against=names[0]),
        MethodForest.of(found, against=names[1]),
        MetricOverTime.of(found, methods=names),
        PITHistogram.of(found, only),
        Reliability.of(found, names),
        DecileChart.of(found, "purchases", names),
        Gains.of(found, "purchases", names),
    ):
        assert any(name in display.svg() for name in names)


def test_forests_grow_with_their_rows():
    few, many = (
        judged({f"method {k}": SameRateBaseline() for k in range(n)}, value=None) for n in (3, 16)
    )
    assert MethodForest.of(few).plot().figure.get_figheight() == pytest.approx(3.6)
    ax = MethodForest.of(many).plot()
    ax.figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in ax.get_yticklabels()]
    assert all(above.y0 > below.y1 for above, below in pairwise(boxes))


def test_marks_of_several_methods_have_names(rules):
    texts = DecileChart.of(rules, methods=["same rate", "mean"]).plot().get_legend().get_texts()
    assert {"same rate: foreseen", "mean: foreseen"} <= {text.get_text() for text in texts}


def test_one_name_is_no_list(rules):
    for ask in (MetricOverTime, Reliability, DecileChart, Gains):
        with pytest.raises(ParameterError, match=r"in a list, such as \['mean'\]"):
            ask.of(rules, methods="mean")

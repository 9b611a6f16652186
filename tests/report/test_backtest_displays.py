"""Displays and tables of a backtest: their numbers are those of its frames."""

from dataclasses import replace
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from clvmodels.data.datasets import load_cdnow
from clvmodels.evaluation import metrics
from clvmodels.evaluation.backtest import backtest
from clvmodels.evaluation.baselines import MeanBaseline, SameRateBaseline, ZeroBaseline
from clvmodels.exceptions import DataError, ParameterError
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.gamma_gamma import GammaGammaModel
from clvmodels.models.nbd import NBDModel
from clvmodels.report import backtest_tables, numbers, style
from clvmodels.report.backtest_calibration import PITHistogram, Reliability, _half_band
from clvmodels.report.backtest_ranking import DecileChart, Gains
from clvmodels.report.backtests import MethodForest, MetricOverTime
from clvmodels.report.methods import NAMES
from clvmodels.value.clv import CLVModel
from clvmodels.value.textbook_model import TextbookModel

LONG = "value x frequency x lifespan"
CUTOFFS = ["1997-07-31", "1997-09-30", "1997-11-30"]


class Broken:
    """Fails at the last cutoff."""

    title = "broken"

    def fit(self, data):
        if data.observation_end.month == 11:
            raise ValueError("no more")
        return MeanBaseline().fit(data)


def judged(models, **options):
    log = load_cdnow(sample=True)
    first = log.groupby("customer_id")["date"].transform("min")
    log = log[first.between("1997-02-01", "1997-02-14")]
    how = {"time_unit": "week", "value": "value", "jobs": 1, "progress": False, **options}
    return backtest(models, log, CUTOFFS, "26 weeks", **how)


@pytest.fixture(scope="module")
def found():
    models = {
        model.title: CLVModel(model, GammaGammaModel(), discount=0)
        for model in (BetaGeoModel(), NBDModel())
    }
    others = [SameRateBaseline(), MeanBaseline(), ZeroBaseline(), Broken()]
    formula = TextbookModel("value_frequency_churn", discount=0)
    return judged({**models, LONG: formula, **{m.title: m for m in others}})


@pytest.fixture(scope="module")
def every(found):
    return [
        MethodForest.of(found),
        MethodForest.of(found, "gini", "value", against=LONG),
        MethodForest.of(found, "bias", "value"),
        MetricOverTime.of(found, "brier", "active"),
        MetricOverTime.of(found, "bias"),
        PITHistogram.of(found),
        Reliability.of(found),
        DecileChart.of(found, currency="US$"),
        DecileChart.of(found, "purchases", ["BG/NBD"]),
        Gains.of(found),
        Gains.of(found, "purchases"),
    ]


# what every display does


def test_plots_go_where_they_are_told(every):
    for display in every:
        ax = style.new_axes()
        assert display.plot(ax) is ax
        assert ax.get_title(loc="left").replace("\n", " ") == display.title
        assert ax.get_xlabel()
        assert display.caption.endswith(".")


def test_pictures_are_drawn_and_words_are_no_formulas(every):
    for display in every:
        assert display.svg().startswith("<svg ")
        ax = display.plot()
        texts = [ax.xaxis.label, ax.yaxis.label, ax._left_title, *ax.get_legend().get_texts()]
        assert not any(text.get_parse_math() for text in texts)
        assert not any(word in display.title + display.caption for word in ("nan", "inf "))
        assert display.title[0].isupper()


# the forest


@pytest.mark.parametrize("metric", ["rmse", "gini", "bias"])
def test_the_forest_shows_the_paired_differences(found, metric):
    display = MethodForest.of(found, metric, "value")
    paired = found.differences(metric, "value", display.against, by_cutoff=True)
    pooled = found.differences(metric, "value", display.against).assign(cutoff=pd.NaT)
    paired = pd.concat([paired, pooled.astype({"cutoff": paired["cutoff"].dtype})])
    both = display.frame.merge(paired, on=["method", "cutoff"], suffixes=("", "_theirs"))
    assert len(both) == len(paired)
    for column in ("difference", "se", "lo", "hi"):
        np.testing.assert_array_equal(both[column], both[f"{column}_theirs"])


def test_the_forest_has_the_best_first_and_says_whom_it_beats(found):
    display = MethodForest.of(found)
    league = found.league().set_index("method")
    whole = league[league["cutoffs"] == len(CUTOFFS)]
    assert display.against == whole["rmse"].idxmin()
    order = display.frame["method"].unique().tolist()
    assert order[-1] == "broken"  # means over fewer cutoffs come last
    assert "Compared at fewer cutoffs: broken (2 of 3)." in display.caption
    assert league.loc[order[:-1], "rmse"].is_monotonic_increasing
    pooled = display.frame[display.frame["cutoff"].isna()]
    beaten = int((pooled["lo"] > 0).sum())
    assert (
        f"{display.against} ({numbers.significant(whole['rmse'].min())}) beats {beaten}"
        in display.title
    )
    better = MethodForest.of(found, against="same rate as before")
    assert "1 of 6 other methods is better than same rate as before" in better.title


def test_differences_that_rounding_makes_are_none(found):
    display = MethodForest.of(found)
    tiny = display.frame.assign(difference=1e-7, lo=0.9e-7, hi=1.1e-7)
    assert "cannot be told from any of the 6 others" in replace(display, frame=tiny).title


def test_a_forest_of_one_tree():
    alone = MethodForest.of(judged([BetaGeoModel()], value=None))
    assert alone.frame.empty
    assert "no other method" in alone.title
    assert alone.svg()


# over time


def test_metrics_over_time_are_those_of_the_frame(found):
    display = MetricOverTime.of(found, "crps", methods=["NBD", "BG/NBD"])
    assert display.frame["method"].tolist() == 3 * ["NBD"] + 3 * ["BG/NBD"]
    rows = found.frame.query("metric == 'crps' and group == 'all' and quantity == 'purchases'")
    values = rows.set_index(["method", "cutoff"])["value"]
    for row in display.frame.itertuples():
        assert row.value == values[row.method, row.cutoff]
    best = values.unstack("method").idxmin(axis=1).value_counts()
    assert f"{best.index[0]} was best of those shown at {best.iloc[0]} of 3" in display.title


def test_many_cutoffs_have_room_for_few_dates(found):
    display = MetricOverTime.of(found, methods=["NBD"])
    frames = [display.frame.assign(cutoff=display.frame["cutoff"] - pd.Timedelta(days=k * 13))
              for k in range(4)]  # fmt: skip
    ax = replace(display, frame=pd.concat(frames)).plot()
    ax.figure.canvas.draw()
    assert 2 <= len(ax.get_xticks()) <= 6


def test_the_best_of_each_kind_stand_for_all(found):
    kinds = MetricOverTime.of(found).frame.drop_duplicates("method")["kind"]
    assert sorted(kinds) == ["baseline", "model", "textbook"]


# calibration


@pytest.mark.parametrize("customers", [30, 100, 400])
def test_pit_of_a_calibrated_method_stays_in_its_band(customers):
    rng = np.random.default_rng(3)
    edges = np.linspace(0, 1, 11)
    inside = []
    for _ in range(600):
        mean = rng.gamma(0.5, 2.0, customers)
        counts = rng.poisson(mean)
        lower, upper = poisson_pit(counts, mean)
        half = _half_band(lower, upper, np.arange(customers), edges, level=0.9)
        upto = np.clip((edges - lower[:, None]) / (upper - lower)[:, None], 0, 1)
        inside.append((np.abs(np.diff(upto, axis=1).mean(0) - 0.1) <= half).all())
    # Bonferroni promises nearly 0.9; two binomial standard errors of 600 trials are 0.025
    assert np.mean(inside) >= 0.875


def poisson_pit(counts, mean):
    from scipy.stats import poisson

    return poisson.cdf(counts - 1, mean), poisson.cdf(counts, mean)


def test_a_customer_who_is_there_twice_counts_once_for_the_band():
    lower, upper = poisson_pit(np.arange(5), np.full(5, 1.5))
    edges = np.linspace(0, 1, 11)
    once = _half_band(lower, upper, np.arange(5), edges, 0.95)
    twice = _half_band(np.tile(lower, 2), np.tile(upper, 2), np.tile(np.arange(5), 2), edges, 0.95)
    np.testing.assert_allclose(twice, once, rtol=1e-12)


def test_pit_bars_add_up(found):
    frame = PITHistogram.of(found, ["BG/NBD", "NBD"]).frame
    assert frame.groupby("method")["share"].sum().tolist() == pytest.approx([1, 1])
    assert frame["expected"].between(frame["lo"], frame["hi"]).all()


def test_reliability_says_how_many_of_the_likeliest_bought(found):
    display = Reliability.of(found, ["BG/NBD"], cutoff="1997-09-30")
    rows = found.predictions
    rows = rows[(rows["method"] == "BG/NBD") & (rows["cutoff"] == pd.Timestamp("1997-09-30"))]
    frame = display.frame
    assert frame["customers"].sum() == pytest.approx(len(rows))
    for column, whole in (
        ("predicted", rows["p_active"]),
        ("observed", rows["actual_purchases"] > 0),
    ):
        assert (frame[column] * frame["customers"]).sum() == pytest.approx(whole.sum())
    top = frame.loc[frame["predicted"].idxmax()]
    assert f"{100 * top['observed']:.2g} % did" in display.title
    assert ((frame["lo"] <= frame["observed"]) & (frame["observed"] <= frame["hi"])).all()


# ranking


@pytest.mark.parametrize("quantity", ["value", "purchases"])
def test_tenths_add_up_to_all_holdouts(found, quantity):
    frame = DecileChart.of(found, quantity, ["BG/NBD", "mean"]).frame
    rows = found.predictions
    for name, own in frame.groupby("method"):
        mine = rows[rows["method"] == name]
        for part in ("predicted", "actual"):
            total = (own[f"{part}_mean"] * own["customers"]).sum()
            assert total == pytest.approx(mine[f"{part}_{quantity}"].sum())
        assert (own["lift"] * own["customers"]).sum() == pytest.approx(len(mine))


def test_gains_pass_through_the_top_decile_capture(found):
    frame = Gains.of(found, "value", ["BG/NBD", "same rate as before"]).frame
    at = frame[np.isclose(frame["share_of_customers"], 0.1)].set_index("series")["share_of_total"]
    league = found.league("value").set_index("method")["top_decile"]
    for name in ("BG/NBD", "same rate as before"):
        assert at[name] == pytest.approx(league[name], rel=1e-9)


def test_no_ranking_beats_the_perfect_one(found):
    curves = Gains.of(found).frame.pivot(
        index="share_of_customers", columns="series", values="share_of_total"
    )
    assert (curves.le(curves["perfect ranking"] + 1e-12, axis=0)).all().all()
    assert curves.iloc[0].tolist() == pytest.approx([0] * curves.shape[1])
    assert curves.iloc[-1].tolist() == pytest.approx([1] * curves.shape[1])


def test_equal_predictions_gain_as_chance_does(found):
    frame = Gains.of(found, "purchases", ["mean"]).frame
    mean = frame[frame["series"] == "mean"]
    np.testing.assert_allclose(mean["share_of_total"], mean["share_of_customers"], atol=1e-12)


def test_concentration_by_another_order():
    curve = metrics.concentration([1.0, 7.0, 2.0], by=[3.0, 2.0, 1.0])
    assert curve["share_of_value"].tolist() == pytest.approx([0, 0.1, 0.8, 1.0])


# what they say when they cannot


def test_what_is_not_there(found):
    with pytest.raises(ParameterError, match="not ranked by 'coverage'"):
        MethodForest.of(found, "coverage")
    with pytest.raises(ParameterError, match="nothing of 'Oracle' here; there is BG/NBD"):
        MethodForest.of(found, against="Oracle")
    with pytest.raises(ParameterError, match="nothing of 'mean' here; there is"):
        PITHistogram.of(found, ["mean"])
    with pytest.raises(ParameterError, match="1 to 3 methods"):
        DecileChart.of(found, methods=["BG/NBD", "NBD", "mean", "zero"])
    with pytest.raises(ParameterError, match="no predictions at 1999-01-01; it has some at 1997-0"):
        Gains.of(found, cutoff="1999-01-01")
    with pytest.raises(ParameterError, match="quantity is one of"):
        MetricOverTime.of(found, quantity="profit")
    with pytest.raises(DataError, match="No method of the backtest has the log score"):
        PITHistogram.of(judged([MeanBaseline()], value=None))


def test_a_holdout_without_any_purchase():
    log = load_cdnow(sample=True)
    first = log.groupby("customer_id")["date"].transform("min")
    log = log[first.between("1997-02-01", "1997-02-14")].copy()
    log.loc[log["date"] > "1997-09-30", "customer_id"] += 1_000_000
    models = [BetaGeoModel(), SameRateBaseline(), ZeroBaseline()]
    silent = backtest(
        models, log, ["1997-09-30"], "26 weeks", time_unit="week", value="value", jobs=1
    )
    for display in (
        *(MethodForest.of(silent, metric) for metric in ("bias", "rmse", "gini")),
        MetricOverTime.of(silent, "bias"),
        PITHistogram.of(silent),
        Reliability.of(silent),
        DecileChart.of(silent, "purchases"),
        Gains.of(silent),
    ):
        assert display.svg()
        assert not any(word in display.title for word in ("inf", "nan"))


# tables


def on_screen(table, width):
    out = StringIO()
    Console(file=out, width=width).print(table.to_rich())
    return out.getvalue()


@pytest.mark.parametrize("quantity", ["purchases", "value", "active"])
def test_the_league_has_a_row_for_every_method(found, quantity):
    table = backtest_tables.league(found, quantity, currency="US$")
    assert table.rows[-1][0] == "broken (2 of 3)"
    names = [row[0].removesuffix(" (2 of 3)") for row in table.rows]
    silent = {LONG} if quantity == "active" else set()  # says nothing of who buys
    assert sorted(names) == sorted(set(found.methods) - silent)
    assert all(len(row) == len(table.columns) for row in table.rows)
    assert "±" in table.rows[0][1]
    assert ("US$" in table.note) == (quantity == "value")


def test_the_league_marks_the_best_of_each_column(found):
    table = backtest_tables.league(found, "value", full=False)
    league = found.league("value").set_index("method")
    league = league[league["cutoffs"] == 3]
    for k, metric in enumerate(("bias", "rmse", "spearman", "gini", "top_decile"), 1):
        marked = {row[0] for row in table.rows if row[k].startswith("*")}
        if metric == "bias":
            best = league["bias"].abs().idxmin()
        elif metric == "rmse":
            best = league[metric].idxmin()
        else:
            best = league[metric].idxmax()
        assert best in marked
        assert len(marked) < 4


def test_the_league_stars_equals_alone():
    class Almost:
        """The mean of the base, and a little more."""

        kind = "baseline"

        def __init__(self, more):
            self.more = more

        def fit(self, data):
            self.fitted = MeanBaseline().fit(data)
            return self

        def predict(self, data, horizon, level=0.9):
            table = self.fitted.predict(data, horizon, level=level)
            return table.assign(expected_purchases=table["expected_purchases"] * self.more)

    same = {"one": MeanBaseline(), "two": MeanBaseline()}
    table = backtest_tables.league(judged({**same, "near": Almost(1 - 1e-4)}), full=False)
    rmse = {row[0]: row[table.columns.index("RMSE")] for row in table.rows}
    assert len({text.removeprefix("*") for text in rmse.values()}) == 1
    starred = {name for name, text in rmse.items() if text.startswith("*")}
    assert starred in ({"one", "two"}, {"near"})
    assert "before rounding" in table.note


def test_numbers_below_zero_have_a_minus_sign(found, monkeypatch):
    backwards = found.league().assign(**dict.fromkeys(("spearman", "gini", "bias"), -1.0))
    monkeypatch.setattr(type(found), "league", lambda *_: backwards)
    for full in (True, False):
        text = on_screen(backtest_tables.league(found, full=full), 400)
        assert f"{numbers.MINUS}1.000" in text
        assert "-1" not in text


def test_short_leagues_fit_a_terminal(found):
    for quantity in ("purchases", "value", "active"):
        lines = on_screen(backtest_tables.league(found, quantity, full=False), 80)
        assert "…" not in lines
        assert quantity == "active" or LONG in lines


def test_failures_say_where_and_why(found):
    (line,) = backtest_tables.failures(found)
    assert line == "broken failed at 1997-11-30. ValueError: no more"


def test_every_metric_of_the_forest_has_a_name(found):
    measured = set(found.frame["metric"]) - {"failed", "coverage", "coverage_expected", "width"}
    assert measured == set(NAMES)

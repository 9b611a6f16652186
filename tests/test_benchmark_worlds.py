"""The league's worlds are what they say, and its tables say what its lines do."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest

import clvmodels as clv

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks import results
from benchmarks.predictive import __main__ as runner
from benchmarks.predictive import league, worlds
from benchmarks.predictive.methods import methods
from benchmarks.predictive.standings import Standings


@pytest.fixture(scope="module")
def world():
    made = {}

    def of(name, n=3000):
        return made.setdefault(name, worlds.WORLDS[name](n))

    return of


@pytest.mark.parametrize(
    ("name", "model", "truth"),
    [
        ("BG/NBD", clv.BetaGeoModel(), worlds.BG_NBD),
        ("MBG/NBD", clv.ModifiedBetaGeoModel(), worlds.MBG_NBD),
        ("Pareto/NBD", clv.ParetoNBDModel(), worlds.PARETO_NBD),
        ("regular", clv.ModifiedBetaGeoCNBDModel(k=worlds.SHAPE), worlds.MBG_NBD),
    ],
)
def test_a_model_at_home_finds_the_parameters_again(world, name, model, truth):
    rfm = clv.rfm_summary(world(name).log, time_unit="hour", value="value", litt=model.timed)
    found = model.fit(rfm).summary().set_index("parameter")
    # hours in a week; where purchases come about in stages, alpha is about the stages
    scale = {"alpha": 168.0 / model.stages, "beta": 168.0}
    for parameter, value in truth.items():
        error = found.loc[parameter, "estimate"] - value * scale.get(parameter, 1.0)
        assert abs(error) < 4 * found.loc[parameter, "se"]
    spend = clv.GammaGammaModel().fit(rfm).summary().set_index("parameter")
    for parameter, value in worlds.SPEND.items():
        error = spend.loc[parameter, "estimate"] - value
        assert abs(error) < 4 * spend.loc[parameter, "se"]


def test_regular_customers_buy_like_every_third_of_random_events(world):
    assert clv.regularity(world("regular").log, period="hour").erlang == 3
    assert clv.regularity(world("Pareto/NBD").log, period="hour").erlang == 1


def test_seasons_show_in_the_months(world):
    levels = clv.CalendarIndex.from_log(world("seasonal").log, observation_end="2024-06-30").levels
    known = np.array(worlds.SEASON) / np.mean(worlds.SEASON)
    # some 500 purchases a month: 5 %, and the trend is estimated too
    assert np.allclose(levels, known, rtol=0.15)


def test_every_cutoff_of_the_seasonal_world_has_two_years_before_it(world):
    seasonal = world("seasonal")
    assert min(seasonal.cutoffs) >= seasonal.seasons_until


def test_purchases_follow_the_pace():
    n, rng = 400, np.random.default_rng(1)
    forever = np.full(n, np.inf)
    people = worlds.Customers(np.zeros(n), np.full(n, 3.0), forever, np.zeros(n))
    pace = np.linspace(1.0, 0.2, 20)
    owner, time = worlds.thinned(people, rng, np.tile(pace, (n, 1)))
    assert (np.bincount(owner) > 1).all()
    counts = np.bincount(time[n:].astype(int), minlength=20)  # without first purchases
    expected = 3.0 * n * pace
    assert (np.abs(counts - expected) < 4 * np.sqrt(expected)).all()


def test_fading_customers_halve_their_rates_each_year(world):
    steady, fading = (_second_year(world(name).log) for name in ("Pareto/NBD", "fading"))
    # the middles of the two spans are nine months apart
    assert fading / steady == pytest.approx(0.5**0.75, rel=0.1)


def _second_year(log):
    """Repeat purchases at ages of 52 to 78 weeks for each at 13 to 39, of who joined in time."""
    week = (log["date"].to_numpy() - worlds.START) / np.timedelta64(7, "D")
    age = week - log.assign(week=week).groupby("customer_id")["week"].transform("min")
    early = week - age < 26
    return (early & age.between(52, 78)).sum() / (early & age.between(13, 39)).sum()


def test_drifting_customers_differ_more_between_halves_than_chance_has_it(world):
    """Given their sum, counts of two equal spans are binomial where rates stay."""
    assert _unevenness(world("drifting").log) > 2 * _unevenness(world("Pareto/NBD").log)


def _unevenness(log):
    week = (log["date"] - log["date"].min()).dt.days // 7
    joined = week.groupby(log["customer_id"]).transform("min")
    last = week.groupby(log["customer_id"]).transform("max")
    kept = (joined < 26) & (last > 95) & (week > joined)  # there from early on to the end
    age = (week - joined)[kept]
    ids = log["customer_id"][kept]
    late = (age > 40).groupby(ids).sum()
    total = ids.value_counts().sort_index()
    busy = total >= 8
    p = late[busy].sum() / total[busy].sum()
    return float((((late - total * p) ** 2 / (total * p * (1 - p)))[busy]).mean())


def test_heavy_tails_have_their_index(world):
    for name, lowest, highest in (("heavy tails", 1.4, 2.3), ("Pareto/NBD", 2.3, 6.0)):
        log = world(name).log
        mean = np.sort(log.groupby("customer_id")["value"].mean().to_numpy())[::-1]
        hill = 1 / np.log(mean[:100] / mean[100]).mean()  # Hill (1975)
        assert lowest < hill < highest


def test_a_lost_cohort_is_lost(world):
    log = world("lost cohort").log
    week = (log["date"].to_numpy() - worlds.START) / np.timedelta64(7, "D")
    joined = log.assign(week=week).groupby("customer_id")["week"].transform("min")
    cohort = (joined >= worlds.LOST[0]) & (joined < worlds.LOST[1])
    assert week[cohort].max() < worlds.LOST_WEEK
    assert week[~cohort].max() > 104


def test_all_made_worlds_cover_their_holdouts_and_are_the_same_again(world):
    for name in list(worlds.WORLDS)[3:]:
        made = worlds.WORLDS[name](200)
        last = np.datetime64(made.cutoffs[-1]) + np.timedelta64(int(made.horizon[:2]), "W")
        assert made.log["date"].max() >= last
        assert made.log.equals(worlds.WORLDS[name](200).log)
        assert made.log["value"].min() > 0


def test_retail_is_skipped_where_nobody_says_where_it_is(monkeypatch, capsys):
    monkeypatch.delenv(worlds.RETAIL, raising=False)
    monkeypatch.setattr(sys, "argv", ["predictive", "--only", "retail"])
    runner.main()
    assert "skipped" in capsys.readouterr().out


def test_the_runner_prints_and_keeps_its_lines(monkeypatch, tmp_path, capsys):
    two = {"BG/NBD": clv.BetaGeoModel(), "mean": clv.MeanBaseline()}
    monkeypatch.setattr(runner, "methods", lambda: two)
    monkeypatch.setattr(runner, "RESULTS", tmp_path / "results.csv")
    monkeypatch.setattr(runner, "ABOUT", tmp_path / "worlds.csv")
    monkeypatch.setattr(
        sys, "argv", ["predictive", "--only", "BG/NBD", "--scale", "0.04", "--save"]
    )
    runner.main()
    assert "as BG/NBD and Gamma-Gamma have it" in capsys.readouterr().out
    with (tmp_path / "results.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert set(lines[0]) == set(league.COLUMNS)
    rmse = {x["method"]: x for x in lines if (x["quantity"], x["metric"]) == ("purchases", "rmse")}
    assert rmse["BG/NBD"]["from_best"] == "0"
    gap = float(rmse["mean"]["value"]) - float(rmse["BG/NBD"]["value"])
    assert float(rmse["mean"]["from_best"]) == pytest.approx(gap, rel=0.02)  # four digits are kept
    with (tmp_path / "worlds.csv").open(newline="") as file:
        (about,) = csv.DictReader(file)
    assert about["home"] == "BG/NBD"
    assert "clvmodels" in about["setup"]


LINES = [
    ("w", "A", "model", "2", "1.0", "0", ""),
    ("w", "A, Laplace", "model", "2", "1.1", "0.1", "0.2"),
    ("w", "rule", "heuristic", "2", "2.0", "1.0", "0.1"),
    ("w", "lame", "model", "1", "0.5", "0.3", "0.1"),
    ("v", "rule", "heuristic", "2", "3.0", "0", ""),
    ("v", "A", "model", "2", "4.0", "1.0", "0.2"),
    ("v", "A, Laplace", "model", "2", "4.0", "1.0", "0.2"),
    ("v", "lame", "model", "2", "5.0", "2.0", "0.2"),
]


@pytest.fixture
def standings():
    names = ("world", "method", "kind", "cutoffs", "value", "from_best", "from_best_se")
    same = {"quantity": "purchases", "metric": "rmse"}
    return Standings.of([dict(zip(names, line, strict=True)) | same for line in LINES])


def test_who_failed_somewhere_is_last(standings):
    assert list(standings.methods("w")) == ["A", "A, Laplace", "rule", "lame"]


def test_ties_share_their_ranks(standings):
    _, rows = standings.ranks()
    assert {row[0]: row[1] for row in rows} == {
        "A": "1.8", "A, Laplace": "2.2", "rule": "2.0", "lame": "4.0",
    }  # fmt: skip


def test_others_are_told_in_percent_of_the_best(standings):
    assert standings.beside_best("v")[:2] == ["rule", "3.0"]
    assert standings.beside_best("w")[-1] == "100.0 %"  # the best rule of thumb: 2.0 beside 1.0
    assert standings.beside_best("w")[2] == ""  # no BG/NBD takes part


def test_a_world_says_who_failed_in_it(standings):
    _, rows = standings.league("w")
    assert [row[:3] for row in rows] == [
        ["A", "1.0", "best"],
        ["A, Laplace", "1.1", "0.1 ± 0.2"],
        ["rule", "2.0", "1.0 ± 0.1"],
        ["lame", "0.5", "failed at a cutoff"],
    ]


def test_who_is_beaten_at_home_is_told(standings):
    _, rows = standings.at_home({"w": "A", "v": "A"})
    assert rows == [
        ["w", "A", "rmse of purchases", "A", "0", "no"],
        ["v", "A", "rmse of purchases", "rule", "1.0 ± 0.2", "yes"],
    ]


@pytest.mark.parametrize("other", ["A, Laplace", "Bayesian A", "lifetimes A"])
def test_a_model_may_be_beaten_by_itself(other):
    names = ("world", "method", "kind", "cutoffs", "value", "from_best", "from_best_se")
    same = {"quantity": "purchases", "metric": "crps"}
    found = [
        ("w", "A", "model", "2", "1.1", "0.1", "0.02"),
        ("w", other, "model", "2", "1.0", "0", ""),
    ]
    lines = [dict(zip(names, line, strict=True)) | same for line in found]
    lines += [line | {"metric": "rmse", "from_best": "0", "from_best_se": ""} for line in lines]
    _, rows = Standings.of(lines).at_home({"w": "A"})
    assert [row[-1] for row in rows] == ["by itself, fitted otherwise", "no"]


def test_where_the_regression_is_ahead_is_told_with_how_sure_that_is():
    names = ("world", "method", "kind", "cutoffs", "value", "from_best", "from_best_se")
    found = [
        ("v", "gradient boosting, two-part", "regression", "2", "1.00", "0", ""),
        ("v", "A", "model", "2", "1.02", "0.02", "0.016"),
        ("v", "same rate as before", "baseline", "2", "1.50", "0.50", "0.1"),
        ("w", "A", "model", "2", "2.00", "0", ""),
        ("w", "gradient boosting, two-part", "regression", "2", "2.10", "0.10", "0.01"),
        ("w", "same rate as before", "baseline", "2", "2.40", "0.40", "0.1"),
    ]
    same = {"quantity": "purchases", "metric": "rmse"}
    lines = [dict(zip(names, line, strict=True)) | same for line in found]
    told = Standings.of(lines).in_words()
    assert told == (
        "3 methods are in every world. Gradient boosting is ahead in v (A 2.0 % behind, 1.2 "
        "standard errors), by more than 2 standard errors in 0 of 1; elsewhere its error is 5.0 to "
        "5.0 % larger than the best one's, by more than 2 standard errors in 1 of 1. That of the "
        "same rate for ever is 20.0 to 50.0 % larger."
    )
    elsewhere = [line for line in lines if line["world"] == "w"]
    assert "Gradient boosting is ahead nowhere; " in Standings.of(elsewhere).in_words()


def test_nobody_else_is_better_where_a_model_s_assumptions_hold():
    """What README says of the committed results."""
    standings = Standings.of(results.read(runner.RESULTS))
    homes = {line["world"]: line["home"] for line in results.read(runner.ABOUT)}
    _, rows = standings.at_home(homes)
    told = [row for row in rows if row[2].partition(" ")[0] in ("rmse", "log_score", "crps")]
    assert len(told) >= 12
    assert not [row for row in told if row[-1] == "yes"]


def test_the_league_is_the_usual_one_and_more():
    usual = clv.default_models(0)
    assert list(methods())[: len(usual)] == list(usual)

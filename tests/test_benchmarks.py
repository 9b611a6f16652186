"""Benchmarks: what they make of timings and answers, a small run of each, and README's tables."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from benchmarks import results, tables  # noqa: E402
from benchmarks.accuracy import __main__ as accuracy  # noqa: E402
from benchmarks.accuracy import agreement  # noqa: E402
from benchmarks.accuracy.case import Case, answered, answers, brief, is_error  # noqa: E402
from benchmarks.peers import Lifetimes, installed  # noqa: E402
from benchmarks.speed import processes  # noqa: E402
from benchmarks.speed.rows import COLUMNS, Row, growth, per_customer, timings  # noqa: E402

LIFETIMES = {"lifetimes": Lifetimes()}


def _timed(what, size, who, seconds, **more):
    about = {"what": what, "size": size, "who": who, "target": "", **more}
    return {"extra_info": about, "stats": {"min": seconds, "mean": 2 * seconds}}


def test_one_row_has_what_all_packages_did_at_one_size():
    found = [
        _timed("fit", 1000, "ours", 0.1, target=">= 50 times", reached="-1.5"),
        _timed("fit", 1000, "lifetimes", 4.0, reached="lifetimes -1.6"),
        _timed("fit", 1000, "PyMC-Marketing", 9.0),
        _timed("fit", 10, "lifetimes", 1.0),  # nobody to compare with
        _timed("DERT", 1000, "ours", 0.3, target="<= 3 times", beside=0.1),
    ]
    fit, dert = timings(found)
    assert fit.line() == [
        "fit", "1000", "0.1", "4", "9", "40.0", "90.0", ">= 50 times", "NO", "-1.5; lifetimes -1.6",
    ]  # fmt: skip
    assert dert.ratio == pytest.approx(3)
    assert dert.line()[3:5] == ["", ""]


@pytest.mark.parametrize(
    ("target", "theirs", "beside", "met"),
    [
        ("", {}, None, ""),
        ("< 0.3 s", {}, None, "yes"),
        ("< 0.1 s", {}, None, "NO"),
        (">= 5 times", {"lifetimes": 1.0}, None, "yes"),
        (">= 6 times", {"lifetimes": 1.0}, None, "NO"),
        (">= 5 times", {}, None, "no peer"),
        ("<= 2 times", {}, 0.1, "yes"),
        ("<= 1.1", {}, None, "yes"),
    ],
)
def test_targets(target, theirs, beside, met):
    assert Row("x", 1, 0.2, theirs, target, "", beside).met == met


def test_growth_is_the_slope_of_logs_from_large_bases_on():
    rows = [Row("fit", n, 1e-6 * n**0.9) for n in (10**4, 10**5, 10**6)]
    rows = [Row("fit", 1000, 5.0), *rows, Row("once", 10**6, 1.0)]
    (slope,) = growth(rows)
    assert slope.ours == pytest.approx(0.9)
    assert slope.met == "yes"


def test_packages_are_held_side_by_side_over_the_sizes_that_all_have():
    sizes = [10**k for k in range(4, 8)]
    theirs = {n: {"lifetimes": 1e-5 * n, "PyMC-Marketing": 1e-3 * n**0.5} for n in sizes[:3]}
    theirs[10**7] = {"lifetimes": 1e9}  # alone there
    rows = [Row("fit", n, 1e-6 * n ** (0.5 if n < 10**7 else 0.9), theirs[n]) for n in sizes]
    own, beside = growth(rows)
    assert (own.size, own.theirs, own.target) == (10**7, {}, "<= 1.1")
    assert own.ours > 0.6
    assert (beside.size, beside.reached) == (10**6, "10,000 to 1,000,000 customers")
    assert beside.ours == pytest.approx(0.5)
    assert beside.theirs == pytest.approx({"lifetimes": 1.0, "PyMC-Marketing": 0.5})
    assert beside.met == ""


def test_time_per_customer():
    (each,) = per_customer([Row("BG/NBD fit", 10**6, 0.5), Row("BG/NBD fit", 1000, 0.5)])
    assert each.ours == pytest.approx(0.5)


def test_lines_are_kept_with_what_made_them_and_replaced_where_they_are_about_the_same(tmp_path):
    path, same = tmp_path / "results.csv", lambda line: (line["what"], line["setup"])
    results.save(path, ["what", "value"], [["a", "1"], ["b", "2"]], "old")
    results.save(path, ["what", "value"], [["a", "3"]], "new", same)
    results.save(path, ["what", "value"], [["a", "4"]], "old", same)
    told = [tuple(line.values()) for line in results.read(path)]
    assert told == [("b", "2", "old"), ("a", "3", "new"), ("a", "4", "old")]
    results.save(path, ["what", "value"], [["a", "5"]], "new")
    assert [line["value"] for line in results.read(path)] == ["5"]


def test_a_setup_says_what_is_missing():
    made_with = results.setup("numpy", "no-such-package")
    assert f"numpy {np.__version__}" in made_with
    assert "no no-such-package" in made_with


def test_a_wrong_answer_is_called_wrong():
    def refuses():
        raise ValueError("no\n   such")

    one = Case(
        "q", 2.0, "counting", 2.0 + 1e-9, answers(LIFETIMES, {"lifetimes": lambda: float("nan")})
    )
    assert [one.is_right(a) for a in (one.ours, one.theirs["lifetimes"])] == [True, False]
    assert brief(one.line()) == ["q", "2", "2.000000001", "WRONG: nan", ""]
    assert answered(refuses) == "ValueError: no such"
    assert is_error(answered(refuses))
    assert answers({}, {"lifetimes": refuses}) == {}


@pytest.mark.parametrize("ask", accuracy.QUESTIONS, ids=lambda ask: ask.__name__)
def test_our_answer_is_right_where_others_are_known_to_go_wrong(ask):
    found = list(ask(LIFETIMES))
    assert found
    assert not [one.line() for one in found if not one.is_right(one.ours)]


def test_lifetimes_agrees_where_it_is_right():
    found = list(agreement.everything(LIFETIMES))
    assert not [row.line() for row in found if row.line()[8] != "yes"]
    assert {row.quantity for row in found} >= {"parameters", "P(alive)", "expected spend"}


def test_readme_shows_the_committed_results():
    readme = tables.README.read_text()
    assert {name for _, name, _ in tables.MARKED.findall(readme)} >= {"speed", "bayes", "cases"}
    assert tables.refreshed(readme) == readme, "run python -m benchmarks.tables"


def test_the_table_of_times_shows_what_was_measured(monkeypatch, tmp_path):
    theirs = {"lifetimes": 9.5, "PyMC-Marketing": 60.0}
    first = Row("import, summary and fit", 2357, 1.9, {"lifetimes": 1.5})
    rows = [Row("BG/NBD fit", 10**6, 0.14, theirs), Row("import", 1, 0.011), first]
    lines = [row.line() for row in rows]
    made_with = "2 cores, Python 3.13.0, clvmodels 0.1.0, lifetimes 0.11.3, no pymc-marketing"
    (tmp_path / "speed").mkdir()
    results.save(tmp_path / "speed" / "results.csv", COLUMNS, lines, made_with)
    monkeypatch.setattr(tables, "HERE", tmp_path)
    setup, _, _, _, fit, start = tables.speed().splitlines()
    assert setup == "2 cores, Python 3.13.0, lifetimes 0.11.3."
    assert fit.endswith("| 0.14 s | 9.5 s (68 times) | 60 s (429 times) |")
    assert start.endswith("in a fresh process | 1.9 s | 1.5 s (0.79 times) |   |")


def test_only_what_is_marked_is_made_anew(monkeypatch):
    monkeypatch.setattr(tables, "TABLES", {"one": lambda: "fresh"})
    text = "before\n<!-- bench:one -->\nold\n<!-- /bench -->\nafter\n"
    assert tables.refreshed(text) == text.replace("old", "fresh")
    with pytest.raises(tables.StaleError, match="no table 'two'"):
        tables.refreshed(text.replace(":one", ":two"))
    assert tables.markdown(["", "a"], [["x", "1"]]) == "|   | a |\n| --- | --- |\n| x | 1 |"


def test_a_small_run_of_the_timings(tmp_path):
    """Of ours and lifetimes, as the runner calls them."""
    path = tmp_path / "timings.json"
    file = "benchmarks/speed/test_fits.py"
    command = [
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist",
        f"{file}::test_fit[BG/NBD-days-1000]",
        f"{file}::test_fit_elsewhere[BG/NBD-days-lifetimes-1000]",
        f"--benchmark-json={path}",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=_own())
    assert done.returncode == 0, done.stdout
    (row,) = timings(json.loads(path.read_text())["benchmarks"])
    assert (row.what, row.size) == ("BG/NBD fit", 1000)
    assert 0 < row.ours < row.theirs["lifetimes"]
    assert "log-likelihood" in row.reached


@pytest.mark.slow
def test_a_first_fit_in_a_process_of_its_own(monkeypatch):
    monkeypatch.setattr(processes, "TURNS", 1)
    row = processes.first_fit()
    assert (row.size, set(row.theirs)) == (2357, set(installed()))
    told = [words.removeprefix(f"{who} ") for who, words in
            zip(["", *row.theirs], row.reached.split("; "), strict=True)]  # fmt: skip
    assert set(told) == {"r 0.243, 2,357 customers"}  # Fader, Hardie and Lee (2005)


@pytest.mark.slow
def test_a_small_run_of_the_posteriors():
    from benchmarks.bayes.fresh import fresh

    run = fresh("ours", "laplace", model="BetaGeoModel", n=300, draws=100)
    assert run["ess"] > 10


def _own():
    """The environment without what this run of pytest put there."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}

"""The commands, from a small log to the files they write, and what they say when they cannot."""

import json
import re
import subprocess
import sys

import pandas as pd
import pytest
from typer.testing import CliRunner

from clvmodels.cli.commands import app
from clvmodels.data.datasets import load_cdnow
from clvmodels.data.retention import RetentionTable
from clvmodels.data.transactions import rfm_summary
from clvmodels.models.beta_geo_beta_binom import BetaGeoBetaBinomModel
from clvmodels.models.shifted_beta_geo import ShiftedBetaGeoModel
from clvmodels.value.storage import load

COLUMNS = ["--customer-id", "who", "--date", "day", "--value", "spent"]
MODEL = ["--model", "mbg-nbd", "--margin", "30%", "--discount", "15% per year"]


def run(*args):
    return CliRunner().invoke(app, [str(arg) for arg in args])


def lines(text):
    return text.strip().splitlines()


@pytest.fixture(scope="session")
def log():
    """Customers of one fortnight of the CDNOW sample."""
    frame = load_cdnow(sample=True)
    first = frame.groupby("customer_id")["date"].transform("min")
    frame = frame[first.between("1997-02-01", "1997-02-14")]
    names = {"customer_id": "who", "date": "day", "value": "spent"}
    return frame.rename(columns=names).drop(columns="quantity")


@pytest.fixture(scope="session", params=["csv", "parquet"])
def path(request, log, tmp_path_factory):
    out = tmp_path_factory.mktemp("log") / f"log.{request.param}"
    if request.param == "csv":
        log.to_csv(out, index=False)
    else:
        log.to_parquet(out)
    return out


@pytest.fixture(scope="session")
def csv(log, tmp_path_factory):
    out = tmp_path_factory.mktemp("csv") / "log.csv"
    log.to_csv(out, index=False)
    return out


@pytest.fixture(scope="session")
def model(csv, tmp_path_factory):
    out = tmp_path_factory.mktemp("model") / "model.json"
    assert run("fit", csv, *COLUMNS, *MODEL, "--out", out).exit_code == 0
    return out


# what the commands do


def test_recommend_says_why(path):
    result = run("recommend", path, *COLUMNS)
    assert result.exit_code == 0, result.output
    said = " ".join(result.stdout.split())
    assert said.startswith("Setting: continuous time question finding follows")
    for question in ("Is it a contract?", "How many bought once?", "Do busy customers spend more"):
        assert question in said
    assert lines(result.stdout)[-3:] == [
        "- ModifiedBetaGeoModel(), here fit --model mbg-nbd",
        "- ParetoNBDModel(), here fit --model pareto-nbd",
        "- BetaGeoModel(), here fit --model bg-nbd",
    ]


def test_recommend_leaves_refunds_out(tmp_path, log):
    path = tmp_path / "log.csv"
    pd.concat([log, log.head(3).assign(spent=-5.0)]).to_csv(path, index=False)
    result = run("recommend", path, *COLUMNS)
    assert result.exit_code == 0, result.output
    assert "Setting: continuous time" in result.stdout


def test_recommend_for_a_summary_and_for_opportunities(csv, tmp_path):
    summary, yearly = tmp_path / "summary.parquet", tmp_path / "yearly.csv"
    assert run("summarize", csv, *COLUMNS, "--refunds", "drop", "--out", summary).exit_code == 0
    assert "Setting: continuous time" in run("recommend", summary).stdout
    years = [(who, 1990 + k) for who in range(64) for k in range(6) if who >> k & 1]
    rows = [f"{who},{year}-12-24" for who, year in years]
    yearly.write_text("customer_id,date\n" + "\n".join(rows) + "\n")
    result = run("recommend", yearly)
    assert lines(result.stdout)[0].strip() == "Setting: opportunities"
    assert lines(result.stdout)[-1] == "- BetaGeoBetaBinomModel()"


@pytest.mark.parametrize("suffix", ["parquet", "csv", "json"])
def test_summarize(path, log, tmp_path, suffix):
    out = tmp_path / f"summary.{suffix}"
    result = run("summarize", path, *COLUMNS, "--out", out)
    assert result.exit_code == 0, result.output
    assert f"- {len(log):,} rows read" in lines(result.stdout)
    assert f"wrote {out}" in result.stdout.replace("\n", "")
    read = {"parquet": pd.read_parquet, "csv": pd.read_csv, "json": pd.read_json}[suffix]
    ours = rfm_summary(
        log, customer_id="who", date="day", value="spent", time_unit="week"
    ).to_pandas()
    ours["time_unit"] = "week"
    pd.testing.assert_frame_equal(read(out), ours, check_dtype=False)


def test_summarize_by_other_rules(csv):
    result = run(
        "summarize", csv, *COLUMNS, "--time-unit", "day", "--observation-end", "1997-12-31",
        "--refunds", "drop", "--zero-value", "drop",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "time unit day, observed to 1997-12-31" in result.stdout
    assert "after the end of observation" in result.stdout


def test_a_summary_keeps_its_litt(log, csv, tmp_path):
    out = tmp_path / "summary.csv"
    assert run("summarize", csv, *COLUMNS, "--litt", "--out", out).exit_code == 0
    ours = rfm_summary(log, customer_id="who", date="day", time_unit="week", litt=True)
    assert pd.read_csv(out)["litt"].tolist() == pytest.approx(ours.litt.tolist())


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("nbd", "NBD"),
        ("pareto-nbd", "Pareto/NBD"),
        ("ggompertz-nbd", "GGompertz/NBD"),
        ("bg-nbd", "BG/NBD"),
        ("bg-cnbd-k", "BG/CNBD-1"),
        ("mbg-cnbd-k", "MBG/CNBD-1"),
    ],
)
def test_fit_takes_every_model(csv, tmp_path, name, title):
    summary, one, other = (tmp_path / file for file in ("s.parquet", "1.json", "2.json"))
    result = run("fit", csv, *COLUMNS, "--model", name, "--out", one)
    assert result.exit_code == 0, result.output
    assert lines(result.stdout)[0].split() == [title]
    assert run("summarize", csv, *COLUMNS, "--litt", "--out", summary).exit_code == 0
    assert run("fit", summary, "--model", name, "--out", other).exit_code == 0
    ours, theirs = load(one).purchases, load(other).purchases
    assert ours.model.label == title
    assert ours.loglik == pytest.approx(theirs.loglik, rel=1e-9)
    assert run("predict", one, csv, *COLUMNS).exit_code == 0


def test_regularity_needs_litt(csv, tmp_path):
    summary = tmp_path / "s.parquet"
    assert run("summarize", csv, *COLUMNS, "--out", summary).exit_code == 0
    result = run("fit", summary, "--model", "bg-cnbd-k", "--out", tmp_path / "m.json")
    refused(result, 1, "no column 'litt'", "summarize --litt")


def test_fit_takes_a_spend_model(csv, tmp_path):
    out = tmp_path / "m.json"
    result = run("fit", csv, *COLUMNS, "--spend", "lognormal-normal", "--out", out)
    assert result.exit_code == 0, result.output
    assert load(out).spend.model.title == "Lognormal-normal"
    assert run("predict", out, csv, *COLUMNS).exit_code == 0


def test_fit_saves_what_the_library_loads(model):
    fitted = load(model)
    assert fitted.purchases.model.title == "MBG/NBD"
    assert (fitted.model.margin, str(fitted.model.discount)) == (0.3, "15 % per year")


def test_fit_by_bootstrap_has_a_seed(csv, tmp_path):
    draws = []
    for seed in (1, 2):
        out = tmp_path / "boot.json"
        done = run("fit", csv, *COLUMNS, "--method", "bootstrap", "--seed", seed, "--out", out)
        assert done.exit_code == 0, done.output
        draws.append(load(out).purchases.estimate.replicates["r"].tolist())
    assert draws[0] != draws[1]


def test_fit_without_amounts_fits_purchases_alone(log, tmp_path):
    path, out = tmp_path / "plain.csv", tmp_path / "plain.json"
    log[["who", "day"]].to_csv(path, index=False)
    result = run("fit", path, *COLUMNS[:4], "--out", out)
    assert result.exit_code == 0, result.output
    assert "no amounts: purchases were fitted, spend was not" in result.stdout
    assert run("predict", out, path, *COLUMNS[:4]).exit_code == 0


@pytest.mark.parametrize("suffix", ["parquet", "csv", "json"])
def test_predict_from_a_log(path, model, tmp_path, suffix):
    out = tmp_path / f"predictions.{suffix}"
    result = run("predict", model, path, *COLUMNS, "--horizon", "26 weeks", "--out", out)
    assert result.exit_code == 0, result.output
    read = {"parquet": pd.read_parquet, "csv": pd.read_csv, "json": pd.read_json}[suffix]
    frame = read(out)
    assert {"customer_id", "clv", "clv_lo", "clv_hi"} <= set(frame)
    data = rfm_summary(path, customer_id="who", date="day", value="spent", time_unit="week")
    ours = load(model).predict(data, "26 weeks")
    assert frame["customer_id"].tolist() == ours["customer_id"].tolist()
    # JSON has 15 digits
    assert frame["clv"].tolist() == pytest.approx(ours["clv"].tolist(), rel=1e-12)


def test_predict_from_a_summary_is_predict_from_its_log(csv, model, tmp_path):
    summary, one, other = (tmp_path / name for name in ("summary.parquet", "1.csv", "2.csv"))
    assert run("summarize", csv, *COLUMNS, "--out", summary).exit_code == 0
    assert run("predict", model, summary, "--horizon", "lifetime", "--out", one).exit_code == 0
    done = run("predict", model, csv, *COLUMNS, "--horizon", "lifetime", "--out", other)
    assert done.exit_code == 0, done.output
    # sums in another order differ by rounding
    pd.testing.assert_frame_equal(pd.read_csv(one), pd.read_csv(other), rtol=1e-9)


@pytest.fixture(scope="module", params=["parquet", "csv", "json"])
def days(request, csv, tmp_path_factory):
    """A summary in days."""
    out = tmp_path_factory.mktemp("days") / f"days.{request.param}"
    assert run("summarize", csv, *COLUMNS, "--time-unit", "day", "--out", out).exit_code == 0
    return out


def test_a_summary_keeps_its_time_unit(csv, model, days, tmp_path):
    from_log, from_summary, fitted = (tmp_path / n for n in ("1.parquet", "2.parquet", "m.json"))
    in_days = [*COLUMNS, "--time-unit", "day", "--out"]
    assert run("predict", model, csv, *in_days, from_log).exit_code == 0
    for option in ([], ["--time-unit", "D"]):
        done = run("predict", model, days, *option, "--out", from_summary)
        assert done.exit_code == 0, done.output
        one, other = pd.read_parquet(from_log), pd.read_parquet(from_summary)
        pd.testing.assert_frame_equal(one, other, rtol=1e-9)  # JSON has 15 digits
    assert run("fit", days, *MODEL, "--out", fitted).exit_code == 0
    again = tmp_path / "again.json"
    assert run("fit", csv, *MODEL, *in_days, again).exit_code == 0
    ours, theirs = load(fitted).purchases, load(again).purchases
    assert ours.time_unit == "day"
    assert ours.params == pytest.approx(theirs.params, rel=1e-6)


def test_a_time_unit_that_disagrees_or_is_not_said(model, days, tmp_path):
    for call in (["predict", model, days], ["fit", days, "--out", tmp_path / "m.json"]):
        refused(run(*call, "--time-unit", "week"), 2, "are in days: --time-unit week disagrees")
    path = tmp_path / "summary.csv"
    path.write_text("customer_id,frequency,recency,T,monetary_value\n1,2,3,5,3\n")
    refused(run("predict", model, path), 2, "in which unit its ages are", "--time-unit week")
    assert run("predict", model, path, "--time-unit", "week").exit_code == 0
    rows = "1,2,3,5,3,week\n2,2,3,5,3,day\n"
    path.write_text("customer_id,frequency,recency,T,monetary_value,time_unit\n" + rows)
    refused(run("predict", model, path), 2, "mixes time units: day, week")


@pytest.mark.parametrize("suffix", ["parquet", "csv", "json"])
def test_ids_keep_their_zeros_through_a_summary(model, tmp_path, suffix):
    path, summary, out = tmp_path / "log.csv", tmp_path / f"s.{suffix}", tmp_path / "p.parquet"
    rows = [f"{who},2024-0{month}-01,5" for who in ("001", "01", "020") for month in (1, 2)]
    path.write_text("customer_id,date,value\n" + "\n".join(rows) + "\n")
    assert run("summarize", path, "--out", summary).exit_code == 0
    done = run("predict", model, summary, "--out", out)
    assert done.exit_code == 0, done.output
    assert sorted(pd.read_parquet(out)["customer_id"]) == ["001", "01", "020"]


def test_every_row_of_a_summary_counts_for_its_types(tmp_path):
    path = tmp_path / "s.csv"
    rows = [f"{who},1,2,5,3" for who in range(30_000)]
    path.write_text(
        "\n".join(["customer_id,frequency,recency,T,monetary_value", *rows, "007,1,2.5,5.5,3.5\n"])
    )
    from clvmodels.cli.options import LogOptions
    from clvmodels.cli.reading import read_customers

    data = read_customers(LogOptions(path=str(path), time_unit="week"))
    assert data.customer_id[[7, -1]].tolist() == ["7", "007"]
    assert (data.recency[-1], data.T[-1], data.monetary_value[-1]) == (2.5, 5.5, 3.5)


def test_options_that_say_nothing_about_a_summary(model, days):
    result = run("predict", model, days, "--observation-end", "1998-01-31")
    refused(result, 2, "is a summary", "--observation-end says nothing")


def test_a_column_of_margins_comes_with_a_summary(csv, tmp_path):
    summary, out = tmp_path / "summary.csv", tmp_path / "m.json"
    assert run("summarize", csv, *COLUMNS, "--out", summary).exit_code == 0
    pd.read_csv(summary).assign(share=0.3).to_csv(summary, index=False)
    assert run("fit", summary, "--margin", "share", "--out", out).exit_code == 0
    assert load(out).model.margin == "share"
    assert run("predict", out, summary).exit_code == 0
    refused(run("fit", summary, "--margin", "colx", "--out", out), 1, "no column 'colx'", "share")


def test_what_is_not_pinned_down_is_said_once(tmp_path):
    # everybody buys to the end: a and b run off
    path = tmp_path / "log.csv"
    rows = [
        f"{who},{day:%Y-%m-%d}"
        for who in range(60)
        for day in pd.date_range("2024-01-01", "2024-12-20", freq=f"{20 + who}D")
    ]
    path.write_text("customer_id,date\n" + "\n".join(rows) + "\n")
    result = run("fit", path, "--out", tmp_path / "m.json")
    assert result.exit_code == 0, result.output
    said = " ".join(result.stdout.split())
    assert said.count("do not pin down a, b") == 1
    assert "Not pinned down" not in said


def test_compare(path, tmp_path):
    out = tmp_path / "comparison.csv"
    result = run(
        "compare", path, *COLUMNS, "--cutoff", "1997-09-30", "--horizon", "39 weeks", "--out", out
    )
    assert result.exit_code == 0, result.output
    frame = pd.read_csv(out)
    assert frame["method"].tolist()[:3] == ["BG/NBD", "MBG/NBD", "Pareto/NBD"]
    assert frame["value_rmse"].notna().all()
    for method in frame["method"]:
        assert method in result.stdout


def test_report(csv, tmp_path):
    folder = tmp_path / "new" / "report"
    result = run("report", csv, *COLUMNS, "--margin", "0.3", "--currency", "US$", "--out", folder)
    assert result.exit_code == 0, result.output
    written = ["comparison.csv", "frames", "predictions.parquet", "report.html"]
    assert sorted(p.name for p in folder.iterdir()) == written
    assert (folder / "frames" / "league-value.csv").is_file()
    for name in written:
        assert f"wrote {folder / name}" in result.stdout.replace("\n", "")
    assert "BG/NBD" in result.stdout
    page = (folder / "report.html").read_text()
    assert page.startswith("<!doctype html>")
    assert f"What the customers of {csv.name} are worth" in page
    predictions = pd.read_parquet(folder / "predictions.parquet")
    assert {"customer_id", "clv", "lifetime_clv", "lifetime_clv_lo"} <= set(predictions)
    assert len(pd.read_csv(folder / "comparison.csv")) >= 10


def test_the_middle_of_cdnow_is_the_cutoff_of_the_literature():
    # 39 and 39 weeks: Fader, Hardie and Lee (2005), Marketing Science 24(2)
    from clvmodels.cli.options import LogOptions
    from clvmodels.cli.reading import open_log, split, summarize

    transactions, log = open_log(LogOptions(path="cdnow"))
    found = split(transactions, log, summarize(transactions, log), None, None)
    assert f"{found.calibration.observation_end:%Y-%m-%d}" == "1997-09-30"
    assert str(found.horizon) == "39 weeks"


def test_hours_have_a_middle_too(tmp_path):
    path = tmp_path / "hours.csv"
    times = pd.date_range("2024-03-01 00:30", periods=48, freq="h")
    pd.DataFrame({"customer_id": 1, "date": times, "value": 1.0}).to_csv(path, index=False)
    from clvmodels.cli.options import LogOptions
    from clvmodels.cli.reading import open_log, split, summarize

    transactions, log = open_log(LogOptions(path=str(path), time_unit="hour"))
    found = split(transactions, log, summarize(transactions, log), None, None)
    assert found.calibration.frequency.tolist() == [23]
    assert found.holdout_purchases.tolist() == [24]


# what they say when they cannot


def refused(result, code, *words):
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    (line,) = lines(result.stderr)
    assert line.startswith("clvmodels: ")
    for word in words:
        assert word in line, line
    assert "Traceback" not in line


def test_an_unreadable_log(tmp_path):
    for command in ("recommend", "summarize", "compare", "report"):
        refused(run(command, tmp_path / "no.csv"), 1, "no.csv: no such file")
    refused(run("summarize", tmp_path), 1, "It is a folder")
    (tmp_path / "junk.parquet").write_bytes(b"PAR?" * 99)
    refused(run("summarize", tmp_path / "junk.parquet"), 1, "Cannot read", "junk.parquet")
    (tmp_path / "log.xlsx").write_text("")
    refused(run("summarize", tmp_path / "log.xlsx"), 1, "end in .parquet or .csv")


@pytest.mark.parametrize("command", ["recommend", "summarize", "compare", "report"])
def test_a_missing_column(csv, tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(run(command, csv), 1, "no column 'customer_id', 'date'", "--customer-id", "--date")
    refused(run(command, csv, *COLUMNS[:4], "--value", "price"), 1, "no column 'price'")


def test_an_unparsable_date(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("customer_id,date,value\n1,2024-01-01,5\n1,31/01/2024,5\n")
    refused(run("summarize", path), 1, "'31/01/2024'", "--date-format")


def test_an_empty_log(tmp_path):
    path = tmp_path / "log.csv"
    for header in ("customer_id,date\n", "customer_id,date,value\n"):
        path.write_text(header)
        refused(run("summarize", path), 1, "is empty")
    path.write_text("")
    refused(run("summarize", path), 1, "log.csv is empty")
    pd.DataFrame({"customer_id": [], "date": pd.to_datetime([]), "value": []}).to_parquet(
        tmp_path / "log.parquet"
    )
    refused(run("summarize", tmp_path / "log.parquet"), 1, "is empty")


@pytest.mark.parametrize("command", ["compare", "report"])
@pytest.mark.parametrize("cutoff", ["1990-01-01", "2005-01-01"])
@pytest.mark.parametrize("horizon", [["--horizon", "4 weeks"], []])
def test_a_cutoff_outside_the_data(csv, tmp_path, monkeypatch, command, cutoff, horizon):
    monkeypatch.chdir(tmp_path)
    result = run(command, csv, *COLUMNS, "--cutoff", cutoff, *horizon)
    refused(result, 1, "the first purchase")
    assert not list(tmp_path.iterdir())  # no half-written file


@pytest.mark.parametrize("command", ["compare", "report"])
def test_a_log_without_amounts(log, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    log[["who", "day"]].to_csv("plain.csv", index=False)
    refused(run(command, "plain.csv", *COLUMNS[:4]), 1, "no column 'value' of amounts", "--value")


def test_a_holdout_beyond_the_log(csv):
    result = run("compare", csv, *COLUMNS, "--cutoff", "1998-06-01", "--horizon", "39 weeks")
    refused(result, 1, "does not cover the holdout", "--observation-end")


@pytest.mark.parametrize(
    "command", ["summarize LOG", "fit LOG", "predict MODEL LOG", "compare LOG"]
)
def test_an_output_that_cannot_be_written(csv, model, tmp_path, command):
    words = [{"LOG": csv, "MODEL": model}.get(word, word) for word in command.split()]
    suffix = "json"
    out = tmp_path / "missing" / f"out.{suffix}"
    refused(run(*words, *COLUMNS, "--out", out), 1, "there is no folder")
    (tmp_path / f"folder.{suffix}").mkdir()
    refused(run(*words, *COLUMNS, "--out", tmp_path / f"folder.{suffix}"), 1, "it is a folder")
    refused(run(*words, *COLUMNS, "--out", tmp_path / "out.xlsx"), 2, "Cannot tell the format")
    assert not (tmp_path / "out.xlsx").exists()


def test_a_folder_that_cannot_be_made(csv, tmp_path):
    (tmp_path / "file").write_text("mine")
    refused(run("report", csv, *COLUMNS, "--out", tmp_path / "file"), 1, "is a file")
    refused(run("report", csv, *COLUMNS, "--out", tmp_path / "file" / "x"), 1, "is a file")
    assert (tmp_path / "file").read_text() == "mine"


def test_bad_rows_are_told_with_their_option(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("customer_id,date,value\n1,2024-01-01,5\n1,2024-01-09,-5\n")
    refused(run("summarize", path), 1, "1 of 2 rows have a negative amount", "--refunds drop")


def test_a_summary_that_breaks_a_rule(model, tmp_path):
    path = tmp_path / "summary.csv"
    path.write_text("customer_id,frequency,recency,T,monetary_value\n1,2,9,5,3\n")
    call = ("predict", model, path, "--time-unit", "week")
    refused(run(*call), 1, "recency must not exceed T")
    path.write_text("id,frequency,recency,T,time_unit\n1,2,3,5,week\n")
    refused(run("predict", model, path), 1, "no column 'customer_id'", "--customer-id")


def test_a_model_that_is_none(csv, tmp_path):
    missing = run("predict", tmp_path / "no.json", csv, *COLUMNS)
    refused(missing, 1, "Cannot read a fitted model", "no such file")
    assert missing.stderr.count("no.json") == 1
    refused(run("predict", csv, csv, *COLUMNS), 1, "Cannot read a fitted model")
    (tmp_path / "other.json").write_text(json.dumps({"a": 1}))
    refused(run("predict", tmp_path / "other.json", csv, *COLUMNS), 1, "is not a model saved")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("fit LOG --model pareto --out m.json", "there are nbd, pareto-nbd, ggompertz-nbd, bg-nbd"),
        ("fit LOG --spend normal --out m.json", "there are gamma-gamma, lognormal-normal"),
        ("report LOG --model ggompertz-nbd", "there are bg-nbd, mbg-nbd, pareto-nbd, nbd"),
        ("recommend LOG --refunds drop", "Use --refunds with summarize"),
        ("fit LOG --method magic --out m.json", "there are mle, map, laplace, mcmc, bootstrap"),
        ("fit LOG --discount 10 --out m.json", "Write '10% per year' or 0.10"),
        ("fit LOG --discount 5%/fortnight --out m.json", "'fortnight' is not a time unit"),
        ("fit LOG --level 90 --out m.json", "between 0 and 1"),
        ("fit LOG", "--out"),
        ("summarize LOG --time-unit moon", "'moon' is not a time unit"),
        ("summarize LOG --refunds maybe", "--refunds maybe is unknown"),
        ("fit LOG --margin colx --out m.json", "'colx' is no number: write 0.30 or 30%"),
        ("compare LOG --margin colx", "'colx' is no number"),
        ("report LOG --margin colx --out folder", "'colx' is no number"),
        ("predict MODEL LOG --horizon 12", "needs a number and a unit"),
        ("compare LOG --horizon 39", "needs a number and a unit"),
        ("summarize", "Missing argument 'LOG'"),
        ("guess LOG", "No such command 'guess'"),
        ("summarize LOG --speed 3", "No such option"),
    ],
)
def test_a_call_that_makes_no_sense(csv, model, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    call = [{"LOG": csv, "MODEL": model}.get(word, word) for word in words.split()]
    given = COLUMNS if csv in call and call[0] != "guess" else []
    refused(run(*call, *given), 2, said)
    assert not list(tmp_path.iterdir())


def test_notes_are_one_line_each(tmp_path):
    path = tmp_path / "log.csv"
    rows = [f"{who},2024-0{1 + who % 3}-{day:02},5" for who in range(9) for day in (1, 2, 9)]
    path.write_text("customer_id,date,value\n" + "\n".join(rows) + "\n")
    result = run("fit", path, "--model", "nbd", "--out", tmp_path / "m.json")
    assert result.exit_code == 0, result.output
    assert "clvmodels: note: All 9 customers have repeat purchases." in result.stderr
    assert all(line.startswith("clvmodels: note: ") for line in lines(result.stderr))


def test_a_model_of_other_data(csv, tmp_path):
    table = RetentionTable.from_survivors([1000, 631, 468, 382, 326], period="1 year")
    ShiftedBetaGeoModel().fit(table).save(tmp_path / "contract.json")
    result = run("predict", tmp_path / "contract.json", csv, *COLUMNS)
    refused(result, 2, "which takes no transaction log", "clvmodels.load")
    donors = BetaGeoBetaBinomModel().with_params(
        alpha=1.2, beta=0.75, gamma=0.66, delta=2.78, every="1 year"
    )
    donors.save(tmp_path / "donors.json")
    result = run("predict", tmp_path / "donors.json", csv, *COLUMNS, "--horizon", "1 year")
    refused(result, 1, "opportunity_summary")


# help, and the program as a whole


def examples():
    found = {}
    for command in ("recommend", "summarize", "fit", "predict", "compare", "report"):
        text = " ".join(run(command, "--help").stdout.split())
        found[command] = re.search(rf"Example: (clvmodels {command} .*?) (?:╭|Usage|\Z)", text)[1]
    return found


def test_every_command_has_a_line_and_an_example():
    text = run("--help").stdout
    for command, example in examples().items():
        assert command in text
        assert "cdnow" in example


def test_the_examples_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for command in ("recommend", "summarize", "fit", "predict"):
        result = run(*examples()[command].split()[1:])
        assert result.exit_code == 0, result.output
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "model.json", "predictions.parquet", "summary.parquet",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("command", ["compare", "report"])
def test_the_long_examples_work(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    result = run(*examples()[command].split()[1:])
    assert result.exit_code == 0, result.output


def test_as_a_program(csv, tmp_path):
    program = [sys.executable, "-m", "clvmodels"]
    bad = subprocess.run(
        [*program, "summarize", str(tmp_path / "no.csv")], capture_output=True, text=True
    )
    assert bad.returncode == 1
    assert bad.stderr.startswith("clvmodels: Cannot read")
    assert len(lines(bad.stderr)) == 1
    good = subprocess.run(
        [*program, "summarize", str(csv), *COLUMNS], capture_output=True, text=True, check=True
    )
    assert "rows read" in good.stdout
    assert good.stderr == ""


def test_help_loads_nothing_heavy():
    code = (
        "import atexit, sys\n"
        "heavy = {'numpy', 'pandas', 'ibis', 'duckdb', 'matplotlib', 'scipy'}\n"
        "atexit.register(lambda: print(heavy & set(sys.modules)))\n"
        "from clvmodels.cli import main\n"
        "sys.argv[1:] = ['--help']\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert lines(done.stdout)[-1] == "set()"

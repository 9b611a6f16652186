"""The command backtest: from a log to leagues, files and pictures, and on after an interruption."""

import pandas as pd
import pytest
from typer.testing import CliRunner

from clvmodels.cli import backtesting
from clvmodels.cli.backtesting import parse_entries, without_money
from clvmodels.cli.commands import app
from clvmodels.cli.options import LogOptions
from clvmodels.cli.reading import open_log, origins, summarize
from clvmodels.data.datasets import load_cdnow
from clvmodels.evaluation import backtest as library
from clvmodels.evaluation.entries import default_models, kind_of
from clvmodels.exceptions import DataError, ParameterError
from clvmodels.models.ggompertz_nbd import GGompertzNBDModel
from clvmodels.models.purchases import PurchaseModel
from clvmodels.units import DiscountRate
from clvmodels.value.clv import CLVModel

DISCOUNT = DiscountRate(0.1, per="year")
QUICK = ["--methods", "bg-nbd,baselines"]
FILES = [
    "backtest.csv", "forest-purchases.png", "forest-value.png", "league.csv", "predictions.parquet",
]  # fmt: skip


def run(*args):
    return CliRunner().invoke(app, [str(arg) for arg in args])


def refused(result, code, *words):
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("clvmodels: ")
    for word in words:
        assert word in line, line


@pytest.fixture(scope="module")
def log():
    """Customers of one fortnight of the CDNOW sample."""
    frame = load_cdnow(sample=True)
    first = frame.groupby("customer_id")["date"].transform("min")
    return frame[first.between("1997-02-01", "1997-02-14")].drop(columns="quantity")


@pytest.fixture(scope="module")
def csv(log, tmp_path_factory):
    out = tmp_path_factory.mktemp("backtest") / "log.csv"
    log.to_csv(out, index=False)
    return out


# what it does


def test_backtest_writes_what_the_library_finds(csv, log, tmp_path):
    out = tmp_path / "new" / "folder"
    days = ["1997-07-31", "1997-09-30"]
    cutoffs = [word for day in days for word in ("--cutoff", day)]
    result = run("backtest", csv, *cutoffs, "--horizon", "26 weeks", *QUICK, "--out", out)
    assert result.exit_code == 0, result.output
    assert sorted(file.name for file in out.iterdir()) == FILES
    for name in FILES:
        assert f"wrote {out / name}" in result.stdout.replace("\n", "")
    found = library.backtest(
        parse_entries(["bg-nbd", "baselines"], DISCOUNT, 1.0), log, days, "26 weeks",
        time_unit="week", value="value", jobs=1, progress=False,
    )  # fmt: skip
    theirs = pd.read_csv(out / "backtest.csv", parse_dates=["cutoff"], keep_default_na=False)
    assert theirs["metric"].tolist() == found.frame["metric"].tolist()
    assert theirs["value"].astype(float).tolist() == pytest.approx(found.frame["value"].tolist())
    league = pd.read_csv(out / "league.csv").set_index(["quantity", "method"])
    for quantity in ("purchases", "value"):
        ours = found.league(quantity).set_index("method")["rmse"]
        assert league.loc[quantity, "rmse"].to_dict() == pytest.approx(ours.to_dict())
    kept = pd.read_parquet(out / "predictions.parquet")
    assert len(kept) == len(found.predictions)
    assert (out / "forest-value.png").read_bytes().startswith(b"\x89PNG")
    said = " ".join(result.stdout.split())
    assert "Backtest of 26 weeks after 2 cutoffs: revenue" in said
    assert "Backtest of 26 weeks after 2 cutoffs: purchases" in said


def test_backtest_goes_on_after_an_interruption(csv, tmp_path, monkeypatch):
    call = ["backtest", csv, "--cutoffs", 2, *QUICK, "--out", tmp_path]

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(backtesting, "_write", interrupted)
        stopped = run(*call)
    assert stopped.exit_code != 0
    assert [file.name for file in tmp_path.iterdir()] == ["unfinished"]
    refused(run(*call), 2, "interrupted backtest", "add --resume")
    with monkeypatch.context() as patch:
        patch.setattr(library, "outcome", interrupted)  # nothing is fitted again
        resumed = run(*call, "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert sorted(file.name for file in tmp_path.iterdir()) == FILES


def test_a_log_without_amounts_is_judged_by_purchases(log, tmp_path):
    path, out = tmp_path / "plain.csv", tmp_path / "out"
    log[["customer_id", "date"]].to_csv(path, index=False)
    result = run("backtest", path, "--cutoffs", 1, *QUICK, "--out", out)
    assert result.exit_code == 0, result.output
    assert "no amounts: purchases alone were judged" in result.stdout
    assert "revenue" not in result.stdout
    assert sorted(f.name for f in out.iterdir()) == [name for name in FILES if "value" not in name]


def test_pictures_of_a_backtest_before_do_not_stay(csv, log, tmp_path):
    plain, out = tmp_path / "plain.csv", tmp_path / "out"
    log[["customer_id", "date"]].to_csv(plain, index=False)
    call = ["--cutoffs", 1, "--methods", "baselines", "--out", out]
    assert run("backtest", csv, *call).exit_code == 0
    assert (out / "forest-value.png").exists()
    (out / "notes.txt").write_text("mine")
    assert run("backtest", plain, *call).exit_code == 0
    kept = [name for name in FILES if name != "forest-value.png"]
    assert sorted(file.name for file in out.iterdir()) == sorted([*kept, "notes.txt"])


def test_segments_have_metrics_of_their_own(log, tmp_path):
    path, out = tmp_path / "log.csv", tmp_path / "out"
    shop = log["customer_id"].mod(2).map({0: "north", 1: "south"})
    log.assign(shop=shop).to_csv(path, index=False)
    call = ["--cutoffs", 1, "--methods", "baselines", "--by", "shop", "--out", out]
    result = run("backtest", path, *call)
    assert result.exit_code == 0, result.output
    groups = set(pd.read_csv(out / "backtest.csv")["group"])
    assert {"all", "frequency 0", "shop north", "shop south"} <= groups


# cutoffs


def spread(count, horizon=None, **log):
    transactions, options = open_log(LogOptions(path="cdnow", **log))
    return origins(summarize(transactions, options), options, [], count, horizon)


def test_holdouts_end_with_the_log():
    # CDNOW reaches from 1997-01-01 to 1998-06-30, 545 days or 77 weeks, a quarter of them 19
    days, horizon = spread(4)
    assert str(horizon) == "19 weeks"
    days = pd.to_datetime(days)
    assert days[-1] + pd.Timedelta(weeks=19) == pd.Timestamp("1998-06-30")
    gaps = (days[1:] - days[:-1]).days
    assert max(gaps) - min(gaps) <= 1
    known = (days - pd.Timestamp("1997-01-01")).days
    assert known[0] == pytest.approx(known[-1] / 2, abs=1)


def test_one_cutoff_is_that_of_the_literature():
    # 39 and 39 weeks: Fader, Hardie and Lee (2005), Marketing Science 24(2)
    assert spread(1, "39 weeks")[0] == ["1997-09-30"]


def test_given_cutoffs_have_holdouts_to_the_end():
    transactions, log = open_log(LogOptions(path="cdnow"))
    base = summarize(transactions, log)
    days, horizon = origins(base, log, ["1997-12-31", "1997-09-30"], 4, None)
    assert days == ["1997-12-31", "1997-09-30"]
    assert horizon.to("day") == 181


def test_hours_have_cutoffs_too(tmp_path):
    path = tmp_path / "hours.csv"
    times = pd.date_range("2024-03-01 00:30", periods=48, freq="h")
    pd.DataFrame({"customer_id": 1, "date": times, "value": 1.0}).to_csv(path, index=False)
    transactions, log = open_log(LogOptions(path=str(path), time_unit="hour"))
    days, horizon = origins(summarize(transactions, log), log, [], 2, None)
    assert str(horizon) == "11 hours"
    assert days == ["2024-03-01T18:59:59.999999", "2024-03-02T12:59:59.999999"]


def test_a_log_too_short_for_its_cutoffs():
    with pytest.raises(DataError, match=r"covers 545 days: too few for 4 cutoffs .* 78 weeks"):
        spread(4, "78 weeks")
    with pytest.raises(DataError, match="too few for 300 cutoffs"):
        spread(300, "39 weeks")


# methods


def test_methods_by_group_and_by_name():
    every = parse_entries([], DISCOUNT, 0.3)
    kinds = {kind_of(entry) for entry in every.values()}
    assert kinds == {"model", "bayes", "lifetimes", "textbook", "heuristic", "baseline"}
    assert set(default_models(DISCOUNT, 0.3)) <= set(every)
    (posterior,) = parse_entries(["bayes"], DISCOUNT, 0.3)
    assert posterior == "Bayesian BG/NBD"
    found = parse_entries(["ggompertz-nbd", "textbook", "bg-cnbd-k"], DISCOUNT, 0.3)
    assert list(found)[:1] == ["GGompertz/NBD"]
    assert isinstance(found["GGompertz/NBD"].purchases, GGompertzNBDModel)
    assert found["GGompertz/NBD"].margin == 0.3
    assert list(found)[-1] == "BG/CNBD-k"
    assert len(found) == 7


def test_regression_is_for_those_who_ask():
    pytest.importorskip("sklearn")
    (entry,) = parse_entries(["regression"], DISCOUNT, 1.0).values()
    assert kind_of(entry) == "regression"


def test_without_money_models_keep_their_method():
    every = parse_entries([], DISCOUNT, 1.0)
    plain = without_money(every)
    assert set(every) - set(plain) == set(parse_entries(["textbook"], DISCOUNT, 1.0))
    assert isinstance(plain["BG/NBD"], PurchaseModel)
    model, method = plain["lifetimes BG/NBD"]
    assert isinstance(model, PurchaseModel)
    assert method == every["lifetimes BG/NBD"][1]
    assert not any(isinstance(entry, CLVModel) for entry in plain.values())
    with pytest.raises(ParameterError, match="no amounts"):
        without_money(parse_entries(["textbook"], DISCOUNT, 1.0))


# what it says when it cannot


def test_calls_that_make_no_sense(csv, tmp_path):
    out = ["--out", tmp_path / "out"]
    refused(run("backtest", csv, "--methods", "oracle", *out), 2, "'oracle'", "models, bayes")
    both = ["--cutoff", "1997-09-30", "--cutoffs", "2"]
    refused(run("backtest", csv, *both, *out), 2, "either --cutoff")
    refused(run("backtest", csv, "--horizon", "39", *out), 2, "not a horizon")
    refused(run("backtest", csv, "--cutoffs", "0", *out), 2, "--cutoffs")
    refused(run("backtest", csv, *QUICK, "--level", "9", *out), 2, "level")
    (tmp_path / "file").write_text("")
    refused(run("backtest", csv, "--out", tmp_path / "file"), 1, "is a file")


def test_cutoffs_that_the_log_does_not_cover(csv, tmp_path):
    call = ["backtest", csv, "--horizon", "39 weeks", *QUICK, "--out", tmp_path / "out"]
    refused(run(*call, "--cutoff", "1998-03-31"), 1, "1998-03-31", "choose cutoffs up to")
    refused(run(*call, "--cutoff", "soon"), 1, "soon")
    assert not (tmp_path / "out").exists()


def test_a_log_that_no_method_can_use(tmp_path):
    path = tmp_path / "log.csv"
    rows = [f"{who},2024-0{month}-01,0" for who in range(9) for month in range(1, 9)]
    path.write_text("customer_id,date,value\n" + "\n".join(rows) + "\n")
    call = ["backtest", path, "--cutoffs", 1, "--out", tmp_path / "out"]
    for _ in "ab":  # nothing is in the way of the next one
        failed = run(*call, "--methods", "bg-nbd")
        refused(failed, 1, "Every method failed: BG/NBD failed")
    assert run(*call, "--methods", "baselines").exit_code == 0

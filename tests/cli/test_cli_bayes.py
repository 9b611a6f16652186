"""Posteriors from the command line: fit, save, predict in another call, and what is refused."""

import re

import pandas as pd
import pytest
from typer.testing import CliRunner

from clvmodels.bayes.laplace import Laplace
from clvmodels.bayes.map import MAP
from clvmodels.bayes.mcmc import MCMC
from clvmodels.cli.commands import app
from clvmodels.cli.options import parse_columns, parse_method
from clvmodels.data.datasets import load_cdnow
from clvmodels.data.transactions import rfm_summary
from clvmodels.exceptions import ParameterError
from clvmodels.inference.bootstrap import Bootstrap
from clvmodels.inference.lifetimes import Lifetimes
from clvmodels.inference.mle import MLE
from clvmodels.models.gamma_gamma import GammaGammaModel
from clvmodels.models.nbd import NBDModel
from clvmodels.units import DiscountRate
from clvmodels.value.clv import CLVModel
from clvmodels.value.storage import load

QUICK = ["--model", "nbd", "--method", "mcmc", "--draws", 60, "--chains", 1, "--seed", 1]
MONEY = ["--value", "spent"]
SEGMENTS = ["web", "shop"]


def run(*args):
    return CliRunner().invoke(app, [str(arg) for arg in args])


def one_line(text):
    return " ".join(text.split())


@pytest.fixture(scope="module")
def log():
    """Customers of one fortnight of the CDNOW sample, in two segments and three markets."""
    frame = load_cdnow(sample=True)
    first = frame.groupby("customer_id")["date"].transform("min")
    frame = frame[first.between("1997-02-01", "1997-02-14")]
    number = frame["customer_id"].to_numpy()
    return frame.rename(columns={"value": "spent"}).assign(
        segment=[SEGMENTS[k % 2] for k in number], market=[f"m{k % 3}" for k in number]
    )


@pytest.fixture(scope="module")
def path(log, tmp_path_factory):
    out = tmp_path_factory.mktemp("bayes") / "log.csv"
    log.to_csv(out, index=False)
    return out


@pytest.fixture(scope="module")
def grouped(path, tmp_path_factory):
    """What fit said of a log pooled over segments, and the model it wrote."""
    out = tmp_path_factory.mktemp("grouped") / "model.json"
    return run("fit", path, *QUICK, "--groups", "segment", "--out", out), out


# what options mean


def test_every_method_has_a_name():
    methods = [MLE(), MAP(), Laplace(), MCMC(progress=False), Bootstrap(), Lifetimes()]
    names = ["mle", "map", "laplace", "mcmc", "bootstrap", "lifetimes"]
    assert [parse_method(name) for name in names] == methods


def test_options_go_to_the_method():
    assert parse_method("laplace", draws=50, seed=3) == Laplace(draws=50, seed=3)
    assert parse_method("map", strict=True) == MAP(strict=True)
    assert parse_method("bootstrap", draws=20, seed=0) == Bootstrap(n=20)
    assert parse_method("mcmc", draws=9, chains=2, groups=("a", "b"), strict=True) == MCMC(
        draws=9, chains=2, groups=("a", "b"), strict=True, progress=False
    )


@pytest.mark.parametrize(
    ("method", "option", "takers"),
    [
        ("mle", {"draws": 5}, "--draws is for --method laplace or mcmc or bootstrap, not mle"),
        ("laplace", {"groups": ("a",)}, "--groups is for --method mcmc, not laplace"),
        ("map", {"seed": 0}, "--seed is for --method laplace or mcmc or bootstrap, not map"),
        ("bootstrap", {"strict": True}, "--strict is for --method mle or map or laplace or mcmc"),
        ("mcmc", {"draws": 0}, "draws must be a whole number, at least 1, got 0"),
        ("mcmc", {"groups": ("a", "b", "c")}, "groups takes one column, or two"),
        ("nuts", {}, "There is no method 'nuts'; there are mle, map, laplace, mcmc"),
    ],
)
def test_options_that_say_nothing_are_refused(method, option, takers):
    with pytest.raises(ParameterError, match=re.escape(takers)):
        parse_method(method, **option)


def test_columns_by_themselves_or_between_commas():
    assert parse_columns(["market,channel"]) == parse_columns(["market", "channel"])
    assert parse_columns([]) == ()


# what the commands do


def test_a_posterior_is_saved_and_predicts_in_another_call(path, tmp_path):
    model, table = tmp_path / "model.json", tmp_path / "predictions.parquet"
    how = ["--method", "laplace", "--draws", 400, "--seed", 2]
    result = run("fit", path, *MONEY, *how, "--out", model)
    assert result.exit_code == 0, result.output
    said = one_line(result.stdout)
    assert "Laplace(draws=400, psis=True, seed=2)" in said
    assert re.search(r"400 draws, worth \d+ independent ones, Pareto k-hat 0\.\d\d\.", said)
    assert len(load(model).purchases.estimate.point["r"]) == 400
    result = run("predict", model, path, *MONEY, "--out", table)
    assert result.exit_code == 0, result.output
    frame = pd.read_parquet(table)
    assert (frame["clv_lo"] < frame["clv"]).all()
    assert (frame["clv"] < frame["clv_hi"]).all()


def test_a_correlated_fit_predicts_too(log, path, tmp_path):
    rfm = rfm_summary(log, value="spent", time_unit="week")
    nbd, spend = NBDModel(), GammaGammaModel()
    value = CLVModel(nbd, spend, DiscountRate(0.1, per="year"), correlated=True).fit(rfm)
    value.save(tmp_path / "model.json")
    out = tmp_path / "predictions.csv"
    result = run("predict", tmp_path / "model.json", path, *MONEY, "--out", out)
    assert result.exit_code == 0, result.output
    ours = value.predict(rfm, "12 months")
    assert pd.read_csv(out)["clv"].tolist() == pytest.approx(ours["clv"].tolist())


def test_map_predicts_too(path, tmp_path):
    model = tmp_path / "model.json"
    assert run("fit", path, "--method", "map", "--strict", "--out", model).exit_code == 0
    assert run("predict", model, path).exit_code == 0
    assert load(model).estimate.method == "MAP"


def test_groups_are_columns_of_the_log(grouped):
    result, model = grouped
    assert result.exit_code == 0, result.output
    said = one_line(result.stdout)
    assert "NBD by segment segment customers purchases purchase cv" in said
    assert re.search(r"shop 213 [\d.]+ ± [\d.]+ [\d.]+ ± [\d.]+ web 213 ", said), said
    fit = load(model)
    assert fit.groups.names == ("shop", "web")
    assert fit.estimate.point["r"].shape == (60, 4)


def test_prediction_reads_the_groups_of_the_model(grouped, path, log, tmp_path):
    model, strangers = grouped[1], tmp_path / "strangers.csv"
    result = run("predict", model, path)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    log.assign(segment="fax").to_csv(strangers, index=False)
    result = run("predict", model, strangers)
    assert result.exit_code == 0, result.output
    assert "are of a segment that was not fitted" in result.stderr
    plain = tmp_path / "plain.csv"
    log.drop(columns="segment").to_csv(plain, index=False)
    result = run("predict", model, plain)
    assert result.exit_code == 1
    assert "plain.csv has no column 'segment'" in result.stderr


def test_a_summary_carries_its_groups(path, grouped, tmp_path):
    summary, model = tmp_path / "summary.csv", tmp_path / "model.json"
    kept = ["--keep", "segment", "--keep", "market"]
    assert run("summarize", path, *kept, "--out", summary).exit_code == 0
    assert {"segment", "market"} <= set(pd.read_csv(summary))
    result = run("fit", summary, *QUICK, "--groups", "segment", "--out", model)
    assert result.exit_code == 0, result.output
    assert load(model).params == load(grouped[1]).params
    result = run("fit", summary, *QUICK, "--groups", "region", "--out", model)
    assert result.exit_code == 1
    assert "There is no group column region; there are segment, market" in result.stderr


@pytest.mark.slow
def test_nested_groups_of_purchases_and_spend(path, tmp_path):
    model = tmp_path / "model.json"
    result = run("fit", path, *MONEY, *QUICK, "--groups", "market,segment", "--out", model)
    assert result.exit_code == 0, result.output
    value = load(model)
    assert value.purchases.groups.columns == value.spend.groups.columns == ("market", "segment")
    assert run("predict", model, path, *MONEY).exit_code == 0


def test_a_group_that_changes_is_refused(log, tmp_path):
    path = tmp_path / "log.csv"
    last = ~log["customer_id"].duplicated(keep="last") & log["customer_id"].duplicated(keep=False)
    log.assign(segment=log["segment"].mask(last, "new")).to_csv(path, index=False)
    result = run("fit", path, *QUICK, "--groups", "segment", "--out", tmp_path / "m.json")
    assert result.exit_code == 1
    assert "segment must have one value for each customer to be kept: broken by" in result.stderr


def test_strict_fails_where_draws_cannot_be_relied_on(path, tmp_path):
    few = ["--method", "mcmc", "--draws", 10, "--chains", 2]
    model = tmp_path / "model.json"
    result = run("fit", path, *few, "--strict", "--out", model)
    assert result.exit_code == 1
    assert "NOT to be relied on: 2 chains of 10 draws" in result.stderr
    assert not model.exists()

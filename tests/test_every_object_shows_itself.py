"""Every public object has an HTML face: well formed, escaped, captioned, without colours."""

import re
from html.parser import HTMLParser
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

import clvmodels as clv
from clvmodels.exceptions import FitError

EVIL = "<script>"
RATE = clv.DiscountRate(0.10, per="year")
# what these return is a frame, a text or a mapping, which show themselves
PLAIN = {
    "rfm_sql", "simulate_log", "describe_priors", "compare", "prior_sensitivity", "default_models",
    "early_warnings", "influential_customers",
}  # fmt: skip
TAGS = {"p", "b", "br", "code", "table", "caption", "thead", "tbody", "tr", "th", "td", "ul", "li"}


class Page(HTMLParser):
    """Reads HTML and complains of tags that are open, unknown or coloured."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        assert tag in TAGS, f"{tag} came from the data"
        assert not re.search("colou?r|background", str(attrs)), "colours are the theme's"
        self.seen.append(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


class Failing:
    """A method that cannot be fitted."""

    def fit(self, data):
        raise FitError(f"No {EVIL} was found.")


def read(html):
    page = Page()
    page.feed(html)
    page.close()
    assert page.open == []
    assert page.seen.count("table") == page.seen.count("caption")
    assert page.text.strip()
    return page.text


@pytest.fixture(scope="module")
def log():
    """Customers of one fortnight, with names that a page must not take for its own."""
    log = clv.datasets.load_cdnow(sample=True)
    first = log.groupby("customer_id")["date"].transform("min")
    log = log[first.between("1997-02-01", "1997-02-14")]
    return log.assign(customer_id=EVIL + log["customer_id"].astype(str), **{EVIL: EVIL})


@pytest.fixture(scope="module")
def rfm(log):
    return clv.rfm_summary(
        log, time_unit="week", value="value", observation_end="1997-09-30", keep=[EVIL]
    )


@pytest.fixture(scope="module")
def split(log):
    return clv.calibration_holdout_split(
        log, cutoff="1997-09-30", horizon="39 weeks", time_unit="week", value="value"
    )


def promotions(log):
    weeks = pd.date_range("1996-12-30", "1997-12-29", freq="7D")
    ids = log["customer_id"].unique()
    table = pd.DataFrame({"customer_id": np.repeat(ids, len(weeks))})
    table["period"] = np.tile(weeks, len(ids))
    return table.assign(**{EVIL: (table["period"].dt.month == 8).astype(int)})


def walks(log):
    return clv.time_varying_summary(
        log, promotions(log), time_unit="week", columns=[EVIL], observation_end="1997-09-30"
    )


@pytest.fixture(scope="module")
def examples(log, rfm, split, tmp_path_factory):
    """For every public name, what a user gets to see of it."""
    bg, gg = clv.BetaGeoModel(), clv.GammaGammaModel()
    value = clv.CLVModel(bg, gg, discount=RATE, margin=0.3)
    posterior = bg.fit(rfm, clv.Laplace(draws=100))
    survivors = {EVIL: [1000, 631, 468, 382, 326]}
    contracts = clv.RetentionTable.from_survivors(survivors, period="1 year")
    chances = clv.opportunity_summary(log, "month", observation_end="1997-09-30", value="value")
    promoted = walks(log)
    file = tmp_path_factory.mktemp("fits") / "fit.json"
    posterior.save(file)
    known = {"r": 0.5, "alpha": 10.0, "s": 0.6, "beta": 11.0, "time_unit": "week"}
    walker = clv.TimeVaryingParetoNBDModel(purchase=[EVIL])
    models = [
        clv.NBDModel(), bg, clv.ModifiedBetaGeoModel(), clv.ParetoNBDModel(),
        clv.GGompertzNBDModel(), clv.BetaGeoCNBDModel(k=2), clv.ModifiedBetaGeoCNBDModel(k=2),
        clv.BetaGeoBetaBinomModel(), gg, clv.LognormalNormalModel(), clv.GeometricRetentionModel(),
        clv.ShiftedBetaGeoModel(), clv.BetaDiscreteWeibullModel(), walker,
    ]  # fmt: skip
    choices = [
        value, clv.MLE(), clv.Bootstrap(), clv.Lifetimes(), clv.MAP(), clv.Laplace(), clv.MCMC(),
        clv.Prior(1, factor=2), clv.Flat(), clv.GroupSpread(), RATE, clv.Horizon(39, "week"),
        clv.TimeUnit.WEEK, clv.Covariates(purchase=EVIL),
        clv.TextbookModel("retention", discount=RATE, margin=EVIL),
    ]  # fmt: skip
    data = [rfm, split, chances, contracts, promoted]
    months = clv.CalendarIndex.monthly(dict.fromkeys(range(1, 12), 1.0) | {12: 2.0})
    league = {
        EVIL: value,
        f"fails {EVIL}": clv.LearntHiatusRule(),
    }  # which needs an earlier holdout
    rules = [
        clv.SameRateBaseline(), clv.MeanBaseline(), clv.ZeroBaseline(),
        clv.HiatusRule("26 weeks"), clv.TopShare(),
    ]  # fmt: skip
    objects = (*models, *choices, *data, months, *rules, clv.LearntHiatusRule())
    by_class = {type(o).__name__: [o] for o in objects}
    results = {
        "rfm_summary": [rfm, rfm.report],
        "calibration_holdout_split": [split, split.report],
        "opportunity_summary": [chances],
        "time_varying_summary": [promoted],
        "load": [clv.load(file)],
        "regularity": [found := clv.regularity(log), found.maximum_likelihood],
        "recommend": [advice := clv.recommend(log, value="value"), *advice.findings],
        "spend_independence": [related := clv.spend_independence(rfm), related.pearson],
        "compare_holdout": [clv.compare_holdout(league, split)],
        "backtest": [
            clv.backtest({EVIL: clv.MeanBaseline(), f"fails {EVIL}": Failing()}, log,
                         ["1997-09-30"], "13 weeks", time_unit="week", value="value")
        ],
        "loo": [clv.loo(posterior, rfm)],
        "customer_segments": [clv.customer_segments(value.fit(rfm).predict(rfm, "12 months"))],
        "prior_predictive": [clv.prior_predictive(bg, rfm, draws=20)],
        "simulation_based_calibration": [
            clv.simulation_based_calibration(clv.NBDModel(), clv.Laplace(draws=50), 60,
                                             replications=3)
        ],
    }  # fmt: skip
    fits = [
        posterior, posterior.diagnostics, bg.fit(rfm), gg.fit(rfm), value.fit(rfm),
        clv.CLVModel(bg, gg, discount=RATE, correlated=True).fit(rfm),
        clv.ShiftedBetaGeoModel().fit(contracts),
        clv.TextbookModel("value_frequency_churn").fit(rfm),
        walker.with_params(**known, purchase={EVIL: 1.1}, dropout={}),
    ]  # fmt: skip
    return {
        **by_class,
        **results,
        "fits": [*fits, *(rule.fit(rfm) for rule in rules)],
        "textbook": [clv.textbook.elasticities(0.8, RATE, period="year")],
    }


def test_every_public_object_shows_itself(examples):
    for name, objects in examples.items():
        for shown in objects:
            assert callable(getattr(shown, "_repr_html_", None)), (name, type(shown))
            read(shown._repr_html_())


def test_no_public_name_is_forgotten(examples):
    public = {name for name in clv.__all__ if not isinstance(getattr(clv, name), ModuleType)}
    assert public - PLAIN <= set(examples)


def test_choices_are_told_as_they_are_written():
    text = read(clv.BetaGeoModel(covariates=clv.Covariates(purchase=EVIL))._repr_html_())
    assert text.startswith("BetaGeoModel(covariates=Covariates(purchase=('<script>',)))BG/NBD:")


def test_tables_say_how_much_of_the_whole_they_are(rfm):
    assert f"First 5 of {len(rfm):,} rows" in read(rfm._repr_html_())
    assert "All of 2 rows" in read(rfm.select(np.arange(2))._repr_html_())


def test_names_and_failures_are_told_as_they_are(examples, rfm):
    assert EVIL in read(rfm._repr_html_())
    league = read(examples["compare_holdout"][0]._repr_html_())
    assert "fails <script>: FitError" in league

"""What moves the value of a base: each change is that of a model with the input changed."""

from dataclasses import replace

import numpy as np
import pytest

from clvmodels.bayes.laplace import Laplace
from clvmodels.data.datasets import load_cdnow_summary, load_donations
from clvmodels.data.opportunities import OpportunitySummary
from clvmodels.evaluation.drivers import value_drivers
from clvmodels.exceptions import ParameterError
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.beta_geo_beta_binom import BetaGeoBetaBinomModel
from clvmodels.models.gamma_gamma import GammaGammaModel
from clvmodels.models.nbd import NBDModel
from clvmodels.models.pareto_nbd import ParetoNBDModel
from clvmodels.units import DiscountRate
from clvmodels.value.clv import CLVModel

RATE = DiscountRate(0.10, per="year")
SPEND = GammaGammaModel().with_params(p=6.25, q=3.74, v=15.44)
PARAMS = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}


@pytest.fixture(scope="module")
def rfm():
    return load_cdnow_summary().select(np.arange(600))


def valued(rfm, purchases, **choices):
    terms = {"discount": RATE, "margin": 0.3, **choices}
    return CLVModel(purchases, SPEND, **terms).fit(rfm)


@pytest.fixture(scope="module")
def value(rfm):
    return valued(rfm, BetaGeoModel())


@pytest.fixture(scope="module")
def year(value, rfm):
    return value_drivers(value, rfm, "12 months")


def row(found, name):
    return found.frame.set_index("input").loc[name]


def total(value, rfm, horizon="12 months"):
    return value.clv(rfm, horizon).sum()


def test_total_and_order(year, value, rfm):
    assert year.total == pytest.approx(total(value, rfm), rel=1e-12)
    width = (year.frame["high"] - year.frame["low"]).abs()
    assert width.round(6).is_monotonic_decreasing
    assert set(year.frame["input"]) == {
        "margin", "spend per purchase", "discount rate", "horizon", "purchase rate", "dropout",
    }  # fmt: skip
    assert set(year.meanings) == {"purchase rate", "dropout"}
    assert not year.left_out


def test_terms_are_those_of_a_model_with_other_terms(year, value, rfm):
    for name, settings, terms in (
        ("margin", ("27 %", "33 %"), ({"margin": 0.27}, {"margin": 0.33})),
        (
            "discount rate", ("9 % per year", "11 % per year"),
            tuple({"discount": DiscountRate(r, per="year")} for r in (0.09, 0.11)),
        ),
    ):  # fmt: skip
        found = row(year, name)
        assert (found["low_setting"], found["high_setting"]) == settings
        for end, changed in zip(("low", "high"), terms, strict=True):
            other = replace(value, model=replace(value.model, **changed))
            assert found[end] == pytest.approx(total(other, rfm), rel=1e-12)
    found = row(year, "horizon")
    assert found["low_setting"] == "10.8 months"
    assert found["high"] == pytest.approx(total(value, rfm, "13.2 months"), rel=1e-12)
    assert row(year, "spend per purchase")["low"] == pytest.approx(0.9 * year.total, rel=1e-12)


def test_traits_move_with_the_others_held(rfm):
    """A tenth more purchases is alpha / 1.1; more dropout leaves a + b as it is."""
    given = BetaGeoModel().with_params(**PARAMS, time_unit="week")
    found = value_drivers(
        valued(rfm, given), rfm, "12 months", {"purchase rate": 0.1, "dropout": 0.1}
    )
    mean, size = 0.793 / (0.793 + 2.426), 0.793 + 2.426
    for name, end, changed in (
        ("purchase rate", "low", {"alpha": 4.414 / 0.9}),
        ("purchase rate", "high", {"alpha": 4.414 / 1.1}),
        ("dropout", "high", {"a": 1.1 * mean * size, "b": (1 - 1.1 * mean) * size}),
    ):
        other = BetaGeoModel().with_params(**{**PARAMS, **changed}, time_unit="week")
        expected = total(valued(rfm, other), rfm)
        assert row(found, name)[end] == pytest.approx(expected, rel=1e-9)
    assert row(found, "dropout")["high_setting"] == f"{110 * mean:.3g} %"


def test_more_dropout_is_worth_less_and_more_purchases_more(year):
    assert row(year, "dropout")["low"] > year.total > row(year, "dropout")["high"]
    assert row(year, "purchase rate")["low"] < year.total < row(year, "purchase rate")["high"]


def test_posterior_moves_about_as_the_maximum(year, rfm):
    drawn = valued(rfm, BetaGeoModel().fit(rfm, Laplace(draws=500, seed=1)))
    found = value_drivers(drawn, rfm, "12 months", {"dropout": None, "margin": 0.1})
    assert found.total == pytest.approx(total(drawn, rfm), rel=1e-9)
    own, other = (row(f, "dropout")["high"] / f.total for f in (found, year))
    assert own == pytest.approx(other, abs=0.02)  # the interval is some 30 % of the dropout wide


def test_inputs_that_cannot_be_changed_are_told(rfm):
    given = NBDModel().with_params(r=0.385, alpha=12.07, time_unit="week")
    found = value_drivers(valued(rfm, given, discount=RATE), rfm)
    assert found.left_out == {
        "horizon": "all the future has no end to move",
        "purchase rate": "its uncertainty is not known",
        "dropout": "the NBD has none",
    }
    found = value_drivers(valued(rfm, given, discount=0), rfm, "1 year", {"discount rate": 0.5})
    assert found.left_out == {"discount rate": "nothing is discounted"}
    assert found.frame.empty


def test_a_margin_is_at_most_one_and_may_be_a_column(rfm):
    given = BetaGeoModel().with_params(**PARAMS, time_unit="week")
    own = np.where(np.arange(len(rfm)) % 2, 0.5, 0.95)
    data = rfm.with_column("share", own)
    value = valued(data, given, margin="share")
    found = row(value_drivers(value, data, "1 year", {"margin": 0.2}), "margin")
    assert (found["low_setting"], found["high_setting"]) == ("−20 %", "+20 %")
    at_one = replace(value, model=replace(value.model, margin=1.0)).clv(data, "1 year")
    assert found["high"] == pytest.approx(np.minimum(1.2 * own, 1) @ at_one, rel=1e-12)
    near = value_drivers(valued(rfm, given, margin=0.95), rfm, "1 year", {"margin": 0.1})
    assert row(near, "margin")["high_setting"] == "100 %"


def test_without_a_margin_there_is_none_to_change(rfm):
    given = BetaGeoModel().with_params(**PARAMS, time_unit="week")
    for data, margin in ((rfm, 1), (rfm.with_column("share", np.ones(len(rfm))), "share")):
        found = value_drivers(valued(data, given, margin=margin), data, "1 year")
        assert "margin" not in set(found.frame["input"])
        assert found.left_out["margin"] == "values are before any margin"


def test_what_other_models_say_is_one_more_input(value, rfm):
    only = {"margin": 0.01}
    now = value_drivers(value, rfm, "12 months", only).total
    more = value_drivers(
        value, rfm, "12 months", only, others={"NBD": 1.4 * now, "earlier": 0.9 * now}
    )
    assert more.frame["input"].tolist() == ["model", "margin"]  # widest first
    found = row(more, "model")
    assert tuple(found) == ("earlier", "NBD", 0.9 * now, 1.4 * now)
    least = value_drivers(value, rfm, "12 months", only, others={"NBD": 1.4 * now})
    assert tuple(row(least, "model"))[::2] == ("this one", now)
    with pytest.raises(ParameterError, match="no finite value by NBD"):
        value_drivers(value, rfm, "12 months", only, others={"NBD": float("inf")})


def test_horizons_that_must_be_whole(rfm):
    given = BetaGeoModel().with_params(**PARAMS, time_unit="week")
    booked = valued(rfm, given, timing="month_end")
    found = row(value_drivers(booked, rfm, "12 months", {"horizon": 0.1}), "horizon")
    assert (found["low_setting"], found["high_setting"]) == ("10 months", "14 months")
    donors = load_donations()
    data = OpportunitySummary(
        customer_id=donors.customer_id, frequency=donors.frequency, recency=donors.recency,
        opportunities=donors.opportunities, every=donors.every, weight=donors.weight,
        monetary_value=np.where(donors.frequency > 0, 20.0, np.nan),
    )  # fmt: skip
    value = valued(data, BetaGeoBetaBinomModel().fit(data))
    found = value_drivers(value, data, "5 years")
    assert row(found, "horizon")["high_setting"] == "6 years"
    assert row(found, "dropout")["low"] > found.total


def test_every_change_of_a_lifetime_model(rfm):
    found = value_drivers(valued(rfm, ParetoNBDModel()), rfm, "52 weeks")
    assert not found.left_out
    assert np.isfinite(found.frame[["low", "high"]].to_numpy()).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weather": 0.1}, "no input 'weather'; there are margin"),
        ({"margin": None}, "The change of margin is a share between 0 and 1, got None"),
        ({"dropout": 1.5}, "or None for its interval, got 1.5"),
    ],
)
def test_changes_that_make_no_sense(value, rfm, changes, words):
    with pytest.raises(ParameterError, match=words):
        value_drivers(value, rfm, "1 year", changes)

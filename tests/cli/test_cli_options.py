"""What the texts of options mean."""

import pytest

from clvmodels.cli.errors import in_option_names
from clvmodels.cli.options import (
    in_the_shell,
    parse_contender,
    parse_discount,
    parse_horizon,
    parse_margin,
    parse_model,
    parse_share,
    parse_spend,
)
from clvmodels.evaluation.entries import default_models
from clvmodels.exceptions import ParameterError, UnitError
from clvmodels.models.lognormal_normal import LognormalNormalModel
from clvmodels.models.registry import PURCHASE_MODELS
from clvmodels.units import DiscountRate, Horizon


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10% per year", DiscountRate(0.10, "year")),
        ("10 % a year", DiscountRate(0.10, "year")),
        ("0.10", DiscountRate(0.10, "year")),
        (".1", DiscountRate(0.10, "year")),
        ("0.8%/month", DiscountRate(0.008, "month")),
        ("0.002 per week", DiscountRate(0.002, "week")),
        ("0", DiscountRate(0, "year")),
        ("150% per year", DiscountRate(1.5, "year")),
    ],
)
def test_discount_rates(text, rate):
    assert parse_discount(text) == rate


@pytest.mark.parametrize("text", ["10", "ten per cent", "", "%", "10% of revenue", "-5%"])
def test_what_is_no_discount_rate(text):
    with pytest.raises(UnitError, match=r"Write .10% per year. or 0\.10"):
        parse_discount(text)


def test_discount_rates_per_no_unit():
    with pytest.raises(UnitError, match="is not a time unit"):
        parse_discount("1% per fortnight")


@pytest.mark.parametrize(("text", "margin"), [("0.30", 0.3), ("30%", 0.3), ("1", 1), ("m", "m")])
def test_margins(text, margin):
    assert parse_margin(text) == margin


def test_a_share_is_a_number():
    assert parse_share("30%") == 0.3
    with pytest.raises(ParameterError, match=r"'colx' is no number: write 0\.30 or 30%"):
        parse_share("colx")


def test_horizons():
    assert parse_horizon("39 weeks") == Horizon(39, "week")
    assert parse_horizon("lifetime") is None


def test_every_purchase_model_has_a_name():
    names = (
        "nbd", "pareto-nbd", "ggompertz-nbd", "bg-nbd", "mbg-nbd", "bg-cnbd-k", "mbg-cnbd-k",
    )  # fmt: skip
    assert [parse_model(name) for name in names] == [model() for model in PURCHASE_MODELS.values()]
    with pytest.raises(ParameterError, match=f"there are {', '.join(names)}"):
        parse_model("pareto")


def test_every_model_of_the_league_has_a_name():
    titles = [parse_contender(name) for name in ("bg-nbd", "mbg-nbd", "pareto-nbd", "nbd")]
    assert titles == list(default_models(0))[:4]
    with pytest.raises(ParameterError, match="there are bg-nbd, mbg-nbd, pareto-nbd, nbd"):
        parse_contender("ggompertz-nbd")


def test_every_spend_model_has_a_name():
    assert parse_spend("lognormal-normal") == LognormalNormalModel()
    with pytest.raises(ParameterError, match="there are gamma-gamma, lognormal-normal"):
        parse_spend("normal")


def test_models_of_python_in_the_shell():
    told = in_the_shell("ModifiedBetaGeoCNBDModel(k=2)")
    assert told == "ModifiedBetaGeoCNBDModel(k=2), here fit --model mbg-cnbd-k"
    assert in_the_shell("ShiftedBetaGeoModel()") == "ShiftedBetaGeoModel()"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Use refunds='drop'.", "Use --refunds drop."),
        ("Add value= to it.", "Add --value to it."),
        ("holdout_end='1998-06-30'", "--observation-end 1998-06-30"),
        ("observation_end='1998-06-30 18:00'", '--observation-end "1998-06-30 18:00"'),
        ("Nothing to do with options.", "Nothing to do with options."),
    ],
)
def test_messages_speak_of_options(text, told):
    assert in_option_names(text) == told

"""Managers' rules by pencil and paper, in any unit, and against the figures of their source."""

from dataclasses import replace

import numpy as np
import pytest

from clvmodels.data.summary import RFMSummary
from clvmodels.evaluation.baselines import MeanBaseline, SameRateBaseline
from clvmodels.evaluation.heuristics import HiatusRule, LearntHiatusRule, TopShare
from clvmodels.evaluation.metrics import total_bias
from clvmodels.exceptions import FitError, ParameterError, UndefinedMeanError, UnitError
from clvmodels.models.pareto_nbd import ParetoNBDModel

RULES = [HiatusRule("20 weeks"), TopShare(0.4)]
MONEY = ["expected_spend", "clv", "clv_lo", "clv_hi"]


def base(**changes):
    """Two regulars of whom one has gone silent, a spender, a one-time buyer, one who came today."""
    columns = {
        "customer_id": ["regular", "silent", "spender", "once", "today"],
        "frequency": [8, 8, 1, 0, 0], "recency": [38.0, 10.0, 20.0, 0, 0],
        "T": [40.0, 40.0, 40.0, 10.0, 0], "monetary_value": [30.0, 10.0, 500.0, np.nan, np.nan],
        "time_unit": "week",
    }  # fmt: skip
    return RFMSummary(**{**columns, **changes})


def test_hiatus_by_hand():
    table = HiatusRule("20 weeks").fit(base()).predict(base(), "10 weeks")
    mean_rate = 17 / 130
    # the spender has been silent for 20 weeks: just short enough
    assert table["p_active"].tolist() == [1, 0, 1, 1, 1]
    assert table["expected_purchases"].tolist() == pytest.approx([2, 0, 0.25, 0, 10 * mean_rate])
    same = SameRateBaseline().fit(base()).predict(base(), "10 weeks")
    here = table["p_active"] == 1
    assert table[here][MONEY].equals(same[here][MONEY])
    assert (table[~here][["p_alive", *MONEY[1:]]] == 0).all(axis=None)
    assert table["flags"].unique().tolist() == ["heuristic; not discounted"]


def test_best_of_the_past_by_hand():
    table = TopShare(0.4).fit(base()).predict(base(), "10 weeks")
    # past revenue 240, 80, 500, 0, 0: two of five are best, the others bought 8 times in 50 weeks
    assert table["p_active"].tolist() == [1, 0, 1, 0, 0]
    assert table["expected_purchases"].tolist() == pytest.approx([2, 1.6, 0.25, 1.6, 1.6])
    assert table["clv"].tolist() == pytest.approx([60, 16, 125, 16, 16])
    assert (table["p_alive"] == 1).all()
    bare = base(monetary_value=None)
    table = TopShare(0.4).fit(bare).predict(bare, "10 weeks")
    # 8, 8, 1, 0, 0 purchases: the others bought once in 50 weeks
    assert table["p_active"].tolist() == [1, 1, 0, 0, 0]
    assert table["expected_purchases"].tolist() == pytest.approx([2, 2, 0.2, 0.2, 0.2])


@pytest.mark.parametrize(
    ("share", "best"),
    [
        (0.2, [1, 1, 0, 0, 0]),  # the second is equal to the first
        (0.6, [1, 1, 1, 0, 0]),
        (0.9, [1, 1, 1, 0, 0]),  # nobody is best who never came back
    ],
)
def test_who_is_best(share, best):
    bare = base(monetary_value=None)
    assert TopShare(share).fit(bare).predict(bare, "1 week")["p_active"].tolist() == best


def test_nobody_is_best_where_nobody_came_back():
    lost = base(frequency=[0] * 5, recency=[0] * 5, monetary_value=[np.nan] * 5)
    for data in (lost, base(frequency=[0] * 5, recency=[0] * 5, monetary_value=None)):
        table = TopShare().fit(data).predict(data, None)
        assert (table[["p_active", "expected_purchases"]] == 0).all(axis=None)


def test_the_rest_of_whom_nothing_was_seen_are_as_the_base():
    rfm = RFMSummary(
        customer_id=[1, 2], frequency=[4, 0], recency=[9, 0], T=[10, 0], monetary_value=None,
        time_unit="week",
    )  # fmt: skip
    table = TopShare(0.5).fit(rfm).predict(rfm, "5 weeks")
    mean = MeanBaseline().fit(rfm).predict(rfm, "5 weeks")
    assert table["expected_purchases"].tolist() == mean["expected_purchases"].tolist() == [2, 2]


@pytest.mark.parametrize("rule", RULES)
def test_unit_of_the_summary_does_not_matter(rule):
    weekly = base()
    daily = base(recency=7 * weekly.recency, T=7 * weekly.T, time_unit="day")
    yearly = base(
        recency=weekly.recency * 7 / 365.2425, T=weekly.T * 7 / 365.2425, time_unit="year"
    )
    expected = rule.fit(weekly).predict(weekly, "10 weeks").drop(columns=["customer_id", "flags"])
    for fitted, asked in ((daily, weekly), (weekly, daily), (yearly, yearly), (daily, yearly)):
        found = rule.fit(fitted).predict(asked, "70 days")[expected.columns]
        # rounding between units
        assert found.to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-9)


@pytest.mark.parametrize("rule", RULES)
def test_interval_holds_the_estimate_and_weights_count_rows(rule):
    rfm = base()
    table = rule.fit(rfm).predict(rfm, "10 weeks", start="3 months", level=0.8)
    assert ((table["clv_lo"] <= table["clv"]) & (table["clv"] <= table["clv_hi"])).all()
    twice = RFMSummary(
        customer_id=np.arange(10), time_unit="week",
        **{c: np.tile(getattr(rfm, c), 2) for c in ("frequency", "recency", "T", "monetary_value")},
    )  # fmt: skip
    columns = ["p_active", "expected_purchases", "clv"]
    weighted = rule.fit(base(weight=[2] * 5)).predict(rfm, "10 weeks")[columns]
    replicated = rule.fit(twice).predict(rfm, "10 weeks")[columns]
    assert replicated.to_numpy() == pytest.approx(weighted.to_numpy(), rel=1e-12)


@pytest.mark.parametrize("rule", RULES)
def test_without_values_there_are_purchases_alone(rule):
    bare = base(monetary_value=None)
    table = rule.fit(bare).predict(bare, "10 weeks")
    columns = ["customer_id", "p_alive", "p_active", "expected_purchases", "flags"]
    assert list(table) == columns
    assert np.isfinite(table[columns[1:4]].to_numpy()).all()


def silent_for(weeks, bought, weight=None):
    """A split of customers with these silences, of whom some bought afterwards."""
    T = 40.0
    return RFMSummary(
        customer_id=np.arange(len(weeks)), frequency=np.ones(len(weeks)), weight=weight,
        recency=T - np.array(weeks), T=np.full(len(weeks), T), monetary_value=None,
        time_unit="week",
    ), np.array(bought)  # fmt: skip


@pytest.mark.parametrize(
    ("weeks", "bought", "weight", "days"),
    [
        ([1, 2, 3, 4], [3, 1, 0, 0], None, 14),
        ([1, 2, 3, 4], [1, 0, 1, 0], None, 7),  # 7 and 21 days are both right thrice: the shorter
        ([1, 2, 3, 4], [1, 0, 1, 0], [1, 1, 3, 1], 21),
        ([1, 2, 3, 4], [1, 1, 1, 1], None, 28),
        ([4, 1, 3, 2], [0, 3, 0, 1], None, 14),
    ],
)
def test_hiatus_that_tells_buyers_best(small_split, weeks, bought, weight, days):
    data, purchases = silent_for(weeks, bought, weight)
    split = replace(small_split, calibration=data, holdout_purchases=purchases)
    fit = LearntHiatusRule().fit_split(split)
    assert fit.model == HiatusRule(f"{days} days")
    assert fit.model.title == f"hiatus of {days} days"


def test_learnt_hiatus_is_the_best_of_all_there_are(cdnow_split):
    data, bought = cdnow_split.calibration, cdnow_split.holdout_purchases > 0
    fit = LearntHiatusRule().fit_split(cdnow_split)
    days = np.rint(7 * (data.T - data.recency))
    right = [((days <= hiatus) == bought).sum() for hiatus in range(int(days.max()) + 1)]
    assert fit.model.hiatus.to("day") == np.argmax(right)
    table = fit.predict(data, cdnow_split.horizon)
    assert (table["p_active"] == bought).sum() == max(right)


def test_a_holdout_without_purchases_teaches_nothing(small_split):
    data, purchases = silent_for([1, 2], [0, 0])
    with pytest.raises(FitError, match="None of 2 customers bought within 39 weeks of"):
        LearntHiatusRule().fit_split(
            replace(small_split, calibration=data, holdout_purchases=purchases)
        )


def test_published_share_of_cdnow_customers_classed_rightly(cdnow_split):
    # Wuebben and von Wangenheim (2008): 77 % by a hiatus of half a year, 77 % by Pareto/NBD at
    # P(alive) = 1/2, as later literature quotes them; whole percentages
    data, bought = cdnow_split.calibration, cdnow_split.holdout_purchases > 0
    table = HiatusRule("26 weeks").fit(data).predict(data, cdnow_split.horizon)
    assert round(100 * np.mean(table["p_active"] == bought)) == 77
    alive = ParetoNBDModel().fit(data).probability_alive(data)
    assert round(100 * np.mean((alive > 0.5) == bought)) == 77


def test_bias_of_the_rules_on_cdnow(cdnow_split):
    data = cdnow_split.calibration
    actual = cdnow_split.holdout_purchases.astype(float)
    bias = {
        rule.title: float(total_bias(actual, fit.predict(data, "39 weeks").expected_purchases))
        for rule in (SameRateBaseline(), HiatusRule("26 weeks"), TopShare())
        for fit in [rule.fit(data)]
    }
    # x/T goes on without anyone leaving; the rule takes off only those who are silent
    assert 0 < bias["hiatus of 26 weeks"] < bias["same rate as before"]
    # a split of the base into two parts leaves its total nearly as it was
    assert bias["best 20 % of the past"] == pytest.approx(bias["same rate as before"], abs=0.1)


def test_what_is_wrong_is_said():
    with pytest.raises(UnitError, match="not a horizon"):
        HiatusRule(26)
    for share in (0, 1, 20, float("nan")):
        with pytest.raises(ParameterError, match="between 0 and 1"):
            TopShare(share)
    with pytest.raises(ParameterError, match="between 0 and 1"):
        TopShare("0.2")
    for rule in RULES:
        with pytest.raises(FitError, match="No time was observed"):
            rule.fit(base(frequency=[0] * 5, recency=[0] * 5, T=[0] * 5))
        with pytest.raises(UndefinedMeanError, match="Give a horizon"):
            rule.fit(base()).predict(base(), None)
        with pytest.raises(UnitError):
            rule.fit(base()).predict(base(), 10)

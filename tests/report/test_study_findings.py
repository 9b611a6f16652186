"""The study behind a report, and what is said of it."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from clvmodels.bayes.laplace import Laplace
from clvmodels.data.datasets import load_cdnow
from clvmodels.data.splits import calibration_holdout_split
from clvmodels.data.summary import RFMSummary
from clvmodels.evaluation.baselines import MeanBaseline
from clvmodels.evaluation.holdout import compare_holdout
from clvmodels.exceptions import DataError, ParameterError
from clvmodels.report import checks, doubts, findings, phrases
from clvmodels.report.against_textbook import AgainstTextbook
from clvmodels.report.html import write_report
from clvmodels.report.numbers import percent, signed_percent, significant
from clvmodels.report.study import Interval, Study, best, contenders, paired
from clvmodels.units import DiscountRate
from clvmodels.value.monitor import early_warnings
from clvmodels.value.segments import customer_segments


@dataclass(frozen=True)
class Constant:
    """The same revenue for everybody."""

    revenue: float

    def fit(self, data):
        return self

    def predict(self, data, horizon, level=0.9):
        return pd.DataFrame(
            {"customer_id": data.customer_id, "expected_purchases": 1.0, "clv": self.revenue}
        )


def test_equity_is_the_sum_of_all_customers(study):
    assert study.predictions["lifetime_clv"].sum() == pytest.approx(study.equity.estimate)
    assert study.equity.lo < study.equity.estimate < study.equity.hi
    year = study.year.set_index("quantity")["estimate"]
    assert study.predictions["clv"].sum() == pytest.approx(year["discounted value"])
    assert study.predictions["expected_purchases"].sum() == pytest.approx(year["purchases"])


def test_predictions_have_one_row_per_customer(study):
    frame = study.predictions
    assert frame["customer_id"].tolist() == study.base.customer_id.tolist()
    assert (frame["lifetime_clv_lo"] <= frame["lifetime_clv_hi"]).all()
    assert frame.attrs["as_of"] == "1998-06-30T00:00:00"


def test_the_model_with_the_least_error_values_the_base(study):
    table = study.comparison.table.set_index("method")
    models = table[table["kind"] == "model"]["value_rmse"]
    assert study.name == models.idxmin() == best(study.comparison, "model")


def test_a_method_of_ones_own_may_win_but_not_value_the_base(study):
    table = study.comparison.table.copy()
    table.loc[table["method"] == "mean", ["kind", "value_rmse"]] = ["model", 0.0]
    won = replace(study.comparison, table=table)
    assert best(won, "model") == "mean"
    assert Study.of(won, study.base, source="log").name == study.name


def test_the_base_is_valued_by_the_method_of_the_comparison(study):
    names = study.comparison.models
    assert "lifetimes BG/NBD" in names
    other = Study.of(study.comparison, study.base, source="log", name="lifetimes BG/NBD")
    assert other.value.purchases.estimate.method.startswith("Lifetimes")


def test_another_model_may_be_asked_for(study):
    other = Study.of(study.comparison, study.base, source="log", name="NBD")
    assert other.value.purchases.model.title == "NBD"


def test_a_posterior_values_the_base_where_there_is_nothing_else(study, tmp_path):
    posterior = study.comparison.entries["BG/NBD"], Laplace(draws=50)
    models = {"posterior": posterior, "mean": MeanBaseline()}
    alone = Study.of(compare_holdout(models, study.comparison.split), study.base, source="log")
    assert alone.name == "posterior"
    assert alone.value.purchases.estimate.is_sample
    assert "posterior-1.csv" not in write_report(alone, tmp_path)  # no maximum to hold it against
    (line, *_) = checks.draws(alone)
    assert line.startswith("posterior, whole log: 50 draws, worth ")


def test_what_posteriors_claim_stands_beside_the_model(study):
    claimed = study.comparison.lifetime.set_index("method")["total"]["Bayesian BG/NBD"]
    assert f", Bayesian BG/NBD at {significant(claimed)}, the textbook" in findings.claims(study)


def test_posteriors_compete_where_they_are_models_of_their_own(study):
    entries, split = study.comparison.entries, study.comparison.split
    fast = Laplace(draws=50)
    own = {name: (entries[name], fast) for name in ("BG/NBD", "Pareto/NBD")}
    # the NBD by maximum likelihood foresees far too much here, and its posterior is not in
    mixed = compare_holdout({"NBD": entries["NBD"], **own}, split)
    chosen = Study.of(mixed, study.base, source="log")
    assert chosen.name in own
    told = contenders(compare_holdout({**own, "same": entries["BG/NBD"]}, split))
    assert set(told) == {"same", "Pareto/NBD"}  # the posterior of a model is no other model
    alone = Study.of(compare_holdout(own, split), study.base, source="log")
    assert set(alone.equities["method"]) == set(own)
    assert "choice of a model: " in doubts.caution(alone)


def test_the_posterior_of_the_same_model_is_no_better_model(study):
    name = "Bayesian BG/NBD"
    own = Study.of(study.comparison, study.base, source="log", name="BG/NBD")
    rivals = own.rivals.copy()
    rivals.loc[rivals["method"] == name, ["difference", "lo", "hi"]] = [-0.1, -0.2, -0.01]
    assert "do not rely" not in doubts.caution(replace(own, rivals=rivals))
    rivals.loc[rivals["method"] == "mean", ["difference", "lo", "hi"]] = [-0.1, -0.2, -0.01]
    assert "mean did better by RMSE than BG/NBD" in doubts.caution(replace(own, rivals=rivals))


def test_the_equity_by_parameters_of_before_the_holdout(study):
    fit = study.comparison.models[study.name]
    total = fit.totals(study.base, None, level=study.level).iloc[0]
    assert study.earlier == tuple(total[["estimate", "lo", "hi"]])
    said = f"puts the same customers on the same day at US$ {significant(total['estimate'])}"
    assert said in doubts.caution(study)


@pytest.mark.parametrize(
    ("lo", "hi", "says"),
    [
        (0.9, 1.1, "), which agrees."),
        (1.3, 1.5, "parameters have moved by more than their intervals allow for."),
    ],
)
def test_parameters_that_moved_are_told(study, lo, hi, says):
    now = study.equity
    middle = (lo + hi) / 2 * now.estimate
    then = Interval(middle, lo * now.lo if lo < 1 else lo * now.hi, hi * now.hi)
    assert says in doubts.caution(replace(study, earlier=then))
    unknown = replace(study, earlier=Interval(*3 * [float("nan")]))
    assert "same day" not in doubts.caution(unknown)


def test_a_model_that_others_outscore_says_so(study):
    log = load_cdnow(sample=True)
    split = calibration_holdout_split(
        log[log["customer_id"] % 9 == 0],
        cutoff="1997-09-30", horizon="39 weeks", time_unit="week", value="value",
    )  # fmt: skip
    pair = {name: study.comparison.entries[name] for name in ("NBD", "Pareto/NBD")}
    poor = replace(study, comparison=compare_holdout(pair, split), name="NBD")
    assert "Pareto/NBD did better than NBD, by more than chance" in doubts.caution(poor)
    assert "By log score" not in doubts.caution(replace(poor, name="Pareto/NBD"))


def test_intervals_of_customers_are_held_against_what_they_claim(study):
    judged = study.comparison.judged.predictions
    own = judged[judged["method"] == study.name]
    inside = own["actual_purchases"].between(own["lo"], own["hi"]).mean()
    told = doubts.checks(study, {})
    assert f" {percent(inside, 3)} of customers kept to their interval of purchases" in told
    (table,) = checks.distributions(study)
    frame = table.source.frame.set_index("method")
    assert frame["purchases_coverage"][study.name] == pytest.approx(inside)
    assert frame["purchases_log_score"].is_monotonic_increasing
    assert set(frame.index) == {
        "BG/NBD", "MBG/NBD", "Pareto/NBD", "NBD", "Bayesian BG/NBD", "lifetimes BG/NBD",
    }  # fmt: skip
    least = frame["purchases_log_score"].min()
    others = frame.iloc[1:]
    assert (others["purchases_log_score"] - least).to_numpy() == pytest.approx(
        others["less_difference"].to_numpy()
    )


def test_methods_without_distributions_have_no_table_of_them(study):
    models = {"BG/NBD": study.comparison.entries["BG/NBD"]}
    own = compare_holdout({**models, "constant": Constant(1.0)}, study.comparison.split)
    (table,) = checks.distributions(replace(study, comparison=own))
    assert [row[0] for row in table.rows] == ["BG/NBD"]
    never = compare_holdout({"constant": Constant(1.0)}, study.comparison.split)
    assert checks.distributions(replace(study, comparison=never)) == ()


@pytest.mark.parametrize("name", ["GGompertz/NBD", "mean", "retention m r/(1+d-r)"])
def test_only_models_can_value_the_base(study, name):
    with pytest.raises(ParameterError, match=r"cannot value the base; use BG/NBD or MBG/NBD"):
        Study.of(study.comparison, study.base, source="log", name=name)


def test_a_comparison_without_models(study):
    table = study.comparison.table.assign(error="")
    models = table["kind"].isin(["model", "bayes"])
    table.loc[models, ["value_rmse", "error"]] = [float("nan"), "DataError: no"]
    failed = replace(study.comparison, table=table)
    assert best(failed, "model") is None
    with pytest.raises(DataError, match=r"No model could be fitted\. DataError: no"):
        Study.of(failed, study.base, source="log")


def test_findings_give_the_interval_and_the_terms(study):
    text = findings.worth(study)
    for part in ("US$", "1998-06-30", "90 % interval", "a margin of 30 %", "10 % per year"):
        assert part in text


def test_findings_name_a_model_a_formula_and_a_baseline(study):
    text = findings.contest(study)
    for kind in ("model", "textbook", "baseline"):
        assert best(study.comparison, kind) in text
    assert "39 weeks after 1997-09-30" in text


def test_findings_count_who_came_back_and_who_bought_once(study):
    text = findings.customers(study)
    frame = study.segments.frame
    top, once = frame.iloc[0], frame.iloc[-1]
    assert once["state"] == "bought once"
    assert once["customers"] == (study.base.frequency == 0).sum()
    came_back = (study.base.frequency > 0).sum()
    assert text.startswith(f"Of the {came_back:,} customers who came back, the {top['worth']} who")
    assert f"{top['customers']:,.0f} {top['state']} (" in text
    share = percent(once["share_of_value"])
    assert f"The {once['customers']:,.0f} who bought once hold {share} of it" in text
    lost = study.warnings["value_lost_to_silence"].sum()
    assert f"worth by US$ {significant(lost)}, against" in text
    assert f"worth by US$ {significant(lost)}, against" in findings.at_risk(study)


def test_warned_of_are_those_silent_for_longer_than_chance_would_have_it(study):
    everybody = early_warnings(study.value, study.base)
    late = everybody[everybody["p_silence"] <= 0.1]
    assert 0 < len(late) < len(everybody)
    assert study.warnings["customer_id"].tolist() == late["customer_id"].tolist()
    text = findings.at_risk(study)
    assert f"{len(late):,} customers who came back before" in text
    assert "silent for longer than 90 % of active customers" in text


def test_findings_where_nobody_is_warned_of(study):
    nobody = replace(study, warnings=study.warnings.head(0))
    assert "nobody has been silent for longer than 90 %" in findings.at_risk(nobody)
    assert "silent" not in findings.customers(nobody)
    unmoved = replace(study, warnings=study.warnings.assign(value_lost_to_silence=0.0))
    assert findings.at_risk(unmoved).endswith(
        "It does not lower what they are expected to be worth."
    )


@pytest.mark.parametrize("once", [True, False])
def test_findings_where_all_or_none_bought_once(study, once):
    kept = study.predictions[(study.base.frequency == 0) == once]
    own = replace(study, segments=customer_segments(kept, value="lifetime_clv"))
    text = findings.customers(own)
    assert ("who bought once hold" in text) == once
    assert ("customers who came back, the top 20 %" in text) != once


def test_findings_count_customers_not_rows(study):
    weight = np.where(np.arange(len(study.base)) % 2, 1.0, 50.0)
    heavy = Study.of(study.comparison, replace(study.base, weight=weight), source="log")
    late = heavy.warnings
    assert set(late["customers"]) == {1.0, 50.0}
    text = findings.at_risk(heavy)
    assert f"{late['customers'].sum():,.0f} customers who came back before" in text
    lost = (late["customers"] * late["value_lost_to_silence"]).sum()
    assert f"worth by {significant(lost)}, against" in text


def test_the_base_is_valued_by_every_model_that_did_as_well(study):
    found = study.equities.set_index("method")
    differences = study.comparison.differences("rmse", "value", against=study.name)
    alike = differences["method"][(differences["lo"] <= 0) & (differences["hi"] >= 0)]
    models = study.comparison.table["method"][study.comparison.table["kind"] == "model"]
    assert set(found.index) == {study.name, *(set(alike) & set(models))}
    assert tuple(found.loc[study.name, ["equity", "lo", "hi"]]) == study.equity
    for name in found.index.drop(study.name):
        other = Study.of(study.comparison, study.base, source="log", name=name)
        assert other.equity.estimate == pytest.approx(found.loc[name, "equity"], rel=1e-9)
    text = doubts.caution(study)
    ends = f"US$ {significant(found['equity'].min())} to {significant(found['equity'].max())}"
    assert ends in text


def test_a_model_that_was_asked_for_need_not_be_among_the_best(study):
    other = Study.of(study.comparison, study.base, source="log", name="NBD")
    table = study.comparison.table.set_index("method")
    rmse, mae = (significant(table.loc["NBD", f"value_{m}"]) for m in ("rmse", "mae"))
    said = findings.contest(other)
    assert f"NBD, which values the base, has an RMSE of {rmse}, missed a customer's" in said
    assert f"revenue by {mae} on average" in said
    assert other.equities["method"].iloc[0] == "NBD"
    rest = study.equities["method"]
    assert set(other.equities["method"][other.equities["as_good"]]) == set(rest)


def test_findings_tell_rmse_from_mae(study):
    row = study.comparison.table.set_index("method").loc[study.name]
    rmse, mae = (significant(row[f"value_{m}"]) for m in ("rmse", "mae"))
    text = f"{study.name} (US$ {rmse}), missed a customer's revenue by US$ {mae} on average"
    assert text in findings.contest(study)


def test_findings_say_where_the_model_did_no_better_than_a_formula(study):
    formula = best(study.comparison, "textbook")
    row = study.rivals["method"] == formula
    for limits, words in (
        ([-1.0, 1.0], "no better than"),
        ([1.0, 2.0], "better than"),
        ([-2.0, -1.0], "worse than"),
    ):
        rivals = study.rivals.copy()
        rivals.loc[row, ["lo", "hi"]] = limits
        said = findings.contest(replace(study, rivals=rivals))
        sentence = next(s for s in said.split(". ") if s.startswith("By RMSE, which"))
        assert f" {words} {formula}" in sentence
        assert ("no better" in sentence) == (words == "no better than")


def test_differences_that_are_but_rounding_are_none():
    log = pd.DataFrame(
        [(k, day, 10.0) for k in range(40) for day in pd.date_range("2020-01-01", periods=20)],
        columns=["customer_id", "date", "value"],
    )
    split = calibration_holdout_split(
        log, cutoff="2020-01-10", horizon="10 days", time_unit="day", value="value"
    )
    once = (split.holdout["value"].to_numpy() * (1 + 1e-9)).mean()
    methods = {"mean": Constant(100.0), "same": Constant(once)}
    comparison = compare_holdout(methods, split)
    found = paired(comparison, against="mean").iloc[0]
    assert comparison.differences("rmse", "value", "mean")["difference"].iloc[0] > 0
    assert found["difference"] == found["lo"] == found["hi"] == 0


def test_findings_name_the_methods_that_may_be_as_good_as_the_best(study):
    text = findings.ranking(study)
    found = study.comparison.differences("rmse", "value").set_index("method")
    alike = found[(found["lo"] <= 0) & (found["hi"] >= 0)].index
    assert text.startswith(f"{found['against'].iloc[0]} has the least RMSE of revenue")
    assert all(name in text for name in alike)


def test_findings_say_which_fits_did_not_converge(study):
    assert doubts.checks(study, {}).startswith("All fits converged.")
    spend = study.value.spend
    diagnostics = replace(spend.estimate.diagnostics, converged=False)
    bad = replace(spend, estimate=replace(spend.estimate, diagnostics=diagnostics))
    text = doubts.checks(replace(study, value=replace(study.value, spend=bad)), {})
    assert text.startswith("Gamma-Gamma, whole log did NOT converge.")


def test_findings_say_what_the_chosen_model_missed_and_what_its_bands_hold(study):
    drawn = {
        "frequencies": pd.DataFrame(
            {
                "method": ["actual", "actual", study.name, study.name],
                "customers": [5.0, 9.0, 6.0, 6.0],
                "lo": [np.nan, np.nan, 4.0, 4.0],
                "hi": [np.nan, np.nan, 8.0, 8.0],
            }
        ),
        "silence": pd.DataFrame(
            {"method": ["other", study.name], "observed": [9, 0.5], "lo": 0.4, "hi": 0.6}
        ),
    }
    text = doubts.checks(study, drawn)
    table = study.comparison.table.set_index("method")
    missed = signed_percent(table.loc[study.name, "purchases_bias"])
    assert (
        f"{study.name}, which values the base, missed the number of purchases by {missed}" in text
    )
    assert "1 of 2 counts of customers by repeat purchases" in text
    assert "1 of 1 shares of customers silent" in text
    drawn["silence"] = drawn["silence"].assign(lo=np.nan, hi=np.nan)
    assert "silent" not in doubts.checks(study, drawn)


def test_findings_warn_of_a_model_that_a_formula_beats(study):
    assert "of the value falls within 12 months" in doubts.caution(study)
    assert "do not rely on the model" not in doubts.caution(study)
    rivals = study.rivals.copy()
    rivals.loc[rivals["method"] == "annual spend x years", ["lo", "hi"]] = [-20.0, -10.0]
    text = doubts.caution(replace(study, rivals=rivals))
    assert "annual spend x years did better by RMSE than" in text
    assert "do not rely on the model" in text


def test_findings_hold_claims_against_what_came(study):
    text = findings.claims(study)
    lifetime = study.comparison.lifetime.set_index("method")["total"]
    assert f"{study.name} put the base at US$ {significant(lifetime[study.name])}" in text
    came = 0.3 * study.comparison.split.holdout["value"].sum()
    assert f"alone brought {significant(came)}" in text


def test_findings_count_what_was_left_out(study):
    report = replace(study.base.report, rows_read=1_000, rows_used=900, merged=12)
    text = findings.data(replace(study, base=replace(study.base, report=report)))
    assert text.startswith("Of 1,000 rows, 900 were used and 100 left out. 12 rows were merged")
    assert "refund" not in text
    report = replace(report, refunds_netted=7, customers_refunded=3)
    text = findings.data(replace(study, base=replace(study.base, report=report)))
    assert "7 refunds were set against purchases. 3 customers with nothing left after" in text


def test_findings_where_nothing_came(silent_study):
    said = findings.all_of(silent_study)
    assert "foresaw revenue where none came" in said["How the methods fared"]
    assert "zero came nearest: it foresaw none, and none came." in said["How the methods fared"]
    assert "first bought in the holdout: valued, but not" in said["What became of the data"]


def test_findings_about_a_fit(study):
    text = findings.of_fit(study.value.spend)
    assert text.startswith("Converged: MLE on ")
    assert "Frequency and spend are taken as independent" in text


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (DiscountRate(0.1, "year"), "10 % per year"),
        (DiscountRate(0.008, "month"), "0.8 % per month"),
        (DiscountRate(0.0953, "year", "continuous"), "9.53 % per year, compounded continuously"),
    ],
)
def test_rates_in_words(rate, words):
    assert phrases.rate_in_words(rate) == words


def test_margins_in_words():
    assert phrases.margin_in_words(0.3) == "at a margin of 30 %"
    assert phrases.margin_in_words(1) == "before any margin"
    assert phrases.margin_in_words("margin") == "at the margin in column margin"


def test_a_row_that_stands_for_many_customers_counts_like_many_rows(study):
    # every customer of this study once, twice or three times: as a weight, and as rows
    weight = 1 + np.arange(len(study.base)) % 3
    rows = np.repeat(np.arange(len(weight)), weight)
    heavy = replace(study.base, weight=weight)
    base = study.base.to_pandas().iloc[rows].assign(customer_id=np.arange(len(rows)))
    long = RFMSummary.from_frame(base, time_unit="week")
    customers = study.segments.customers.iloc[rows].reset_index(drop=True)
    again = replace(
        study,
        base=replace(long, observation_end=study.base.observation_end),
        predictions=study.predictions.iloc[rows].reset_index(drop=True),
        segments=replace(study.segments, customers=customers),
    )
    one = AgainstTextbook.of(replace(study, base=heavy))
    other = AgainstTextbook.of(again)
    pd.testing.assert_frame_equal(one.totals, other.totals, rtol=1e-9)
    pd.testing.assert_frame_equal(one.groups, other.groups, rtol=1e-9)
    ranks = {tuple(row) for row in other.over[["formula_rank", "model_rank"]].round(6).to_numpy()}
    first = one.over[["formula_rank", "model_rank"]].round(6).iloc[0]
    assert tuple(first) in ranks

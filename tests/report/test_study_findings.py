"""The study behind a report, and what is said of it."""

from dataclasses import replace

import pytest

from clvmodels.exceptions import DataError, ParameterError
from clvmodels.report import findings
from clvmodels.report.numbers import significant
from clvmodels.report.study import Study, best
from clvmodels.units import DiscountRate


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


@pytest.mark.parametrize("name", ["GGompertz/NBD", "mean", "retention m r/(1+d-r)"])
def test_only_models_can_value_the_base(study, name):
    with pytest.raises(ParameterError, match=r"cannot value the base; use BG/NBD or MBG/NBD"):
        Study.of(study.comparison, study.base, source="log", name=name)


def test_a_comparison_without_models(study):
    table = study.comparison.table.assign(error="")
    table.loc[table["kind"] == "model", ["value_rmse", "error"]] = [float("nan"), "DataError: no"]
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


def test_findings_count_whom_to_keep_and_whom_to_win_back(study):
    text = findings.customers(study)
    top = study.segments.frame.iloc[0]
    assert text.startswith(f"The {top['worth']} of customers who would be worth most")
    assert f"{top['customers']:,.0f} {top['state']} (" in text
    lost = study.warnings["at_risk"].sum()
    assert f"Silence has cost US$ {significant(lost)} of the lifetime value" in text
    assert f"{significant(lost)} of the lifetime value" in findings.at_risk(study)


def test_findings_name_the_methods_that_may_be_as_good_as_the_best(study):
    text = findings.ranking(study)
    found = study.comparison.differences("rmse", "value").set_index("method")
    alike = found[(found["lo"] <= 0) & (found["hi"] >= 0)].index
    assert text.startswith(f"{found['against'].iloc[0]} erred least per customer")
    assert all(name in text for name in alike)


def test_findings_say_which_fits_did_not_converge(study):
    assert findings.checks(study).startswith("All fits converged.")
    spend = study.value.spend
    diagnostics = replace(spend.estimate.diagnostics, converged=False)
    bad = replace(spend, estimate=replace(spend.estimate, diagnostics=diagnostics))
    text = findings.checks(replace(study, value=replace(study.value, spend=bad)))
    assert text.startswith("Gamma-Gamma, whole log did NOT converge.")


def test_findings_warn_of_a_model_that_a_formula_beats(study):
    assert "of the value falls within 12 months" in findings.caution(study)
    assert "do not rely on the model" not in findings.caution(study)
    rivals = study.rivals.copy()
    rivals.loc[rivals["method"] == "annual spend x years", ["lo", "hi"]] = [-20.0, -10.0]
    text = findings.caution(replace(study, rivals=rivals))
    assert "annual spend x years erred less per customer than" in text
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
    assert text.startswith("Of 1,000 rows, 900 were used and 100 left out. 12 were merged")


def test_findings_where_nothing_came(silent_study):
    said = findings.all_of(silent_study)
    assert "foresaw revenue where none came" in said["How the methods fared"]
    assert "All customers together, zero came nearest" in said["How the methods fared"]
    assert "customers first bought in the holdout" in said["What became of the data"]


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
    assert findings.rate_in_words(rate) == words


def test_margins_in_words():
    assert findings.margin_in_words(0.3) == "a margin of 30 %"
    assert findings.margin_in_words("margin") == "the margin in column margin"

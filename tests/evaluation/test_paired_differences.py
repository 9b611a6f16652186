"""Paired differences between methods of a comparison."""

import pytest

from clvmodels.data.datasets import load_cdnow
from clvmodels.data.splits import calibration_holdout_split
from clvmodels.evaluation.entries import default_models
from clvmodels.evaluation.holdout import METRICS, compare_holdout
from clvmodels.exceptions import ParameterError
from clvmodels.units import DiscountRate

NAMES = ("BG/NBD", "MBG/NBD", "annual spend x years", "mean")


@pytest.fixture(scope="module")
def comparison():
    split = calibration_holdout_split(
        load_cdnow(sample=True), cutoff="1997-09-30", horizon="39 weeks", time_unit="week",
        value="value",
    )  # fmt: skip
    models = default_models(DiscountRate(0.1, per="year"))
    return compare_holdout({name: models[name] for name in NAMES}, split)


@pytest.mark.parametrize("quantity", ["value", "purchases"])
@pytest.mark.parametrize("metric", METRICS)
def test_differences_are_those_of_the_table(comparison, metric, quantity):
    found = comparison.differences(metric, quantity).set_index("method")
    known = comparison.table.set_index("method")[f"{quantity}_{metric}"]
    if metric == "bias":
        known = known.abs()
    best = dict.fromkeys(("bias", "rmse", "mae"), known.idxmin())
    reference = best.get(metric, known.idxmax())
    assert set(found["against"]) == {reference}
    assert set(found.index) == set(NAMES) - {reference}
    assert found["difference"].to_numpy() == pytest.approx(
        (known[found.index] - known[reference]).to_numpy()
    )
    # normal, 90 %: 1.645 standard errors either way
    assert (found["hi"] - found["difference"]).to_numpy() == pytest.approx(1.6448536 * found["se"])
    assert (found["cutoff"].dt.strftime("%Y-%m-%d") == "1997-09-30").all()


def test_a_difference_is_surer_than_its_parts(comparison):
    found = comparison.differences("rmse", against="BG/NBD").set_index("method")
    alone = comparison.table_se.set_index("method")["value_rmse"]
    assert found.loc["MBG/NBD", "se"] < 0.25 * alone["MBG/NBD"]


def test_methods_that_failed_are_left_out(comparison):
    class Broken:
        def fit(self, data):
            raise RuntimeError("no")

    models = {"broken": Broken(), "mean": comparison.entries["mean"]}
    alone = compare_holdout(models, comparison.split)
    assert alone.differences().empty
    assert compare_holdout({"broken": Broken()}, comparison.split).differences().empty


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"metric": "mape"}, "No method has 'mape' of value; there are bias, mae"),
        ({"quantity": "money"}, "quantity is 'purchases' or 'value'"),
        ({"against": "Pareto/NBD"}, "'Pareto/NBD' has no rmse; use one of BG/NBD"),
    ],
)
def test_what_is_not_there(comparison, given, text):
    with pytest.raises(ParameterError, match=text):
        comparison.differences(**given)


def test_entries_are_kept(comparison):
    assert tuple(comparison.entries) == NAMES

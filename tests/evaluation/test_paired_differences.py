"""Paired differences between methods of a comparison."""

import numpy as np
import pytest

from clvmodels.data.datasets import load_cdnow
from clvmodels.data.splits import calibration_holdout_split
from clvmodels.evaluation.entries import default_models
from clvmodels.evaluation.holdout import compare_holdout
from clvmodels.evaluation.scoring import METRICS, paired_differences
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
    best = {"bias": known.abs().idxmin(), "rmse": known.idxmin(), "mae": known.idxmin()}
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


def test_standard_error_of_a_mean_difference():
    # MAE is a mean, whose paired standard error is that of the customers' differences:
    # the bootstrap of 100 samples has it to about 7 %
    rng = np.random.default_rng(3)
    actual = rng.poisson(2.0, 4000).astype(float)
    methods = {"one": np.full(4000, 2.0), "two": actual + rng.normal(0, 1, 4000)}
    found = paired_differences(actual, methods, np.ones(4000), "mae", "two").iloc[0]
    each = np.abs(methods["one"] - actual) - np.abs(methods["two"] - actual)
    assert found["difference"] == pytest.approx(each.mean())
    assert found["se"] == pytest.approx(each.std() / np.sqrt(4000), rel=0.25)  # 3.5 of those 7 %


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
        ({"metric": "mape"}, "metric is one of bias, mae"),
        ({"quantity": "money"}, "quantity is 'purchases' or 'value'"),
        ({"against": "Pareto/NBD"}, "no predictions of 'Pareto/NBD'; there are BG/NBD"),
    ],
)
def test_what_is_not_there(comparison, given, text):
    with pytest.raises(ParameterError, match=text):
        comparison.differences(**given)


def test_entries_are_kept(comparison):
    assert tuple(comparison.entries) == NAMES

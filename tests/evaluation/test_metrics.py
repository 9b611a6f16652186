"""Metrics against SciPy, by hand, and by enumeration of all ways to break ties."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from clvmodels.evaluation.metrics import (
    concentration,
    decile_calibration,
    decile_lift,
    decile_mape,
    lift,
    mae,
    normalised_gini,
    pearson,
    rmse,
    spearman,
    top_decile_capture,
    total_bias,
)
from clvmodels.exceptions import DataError

METRICS = [
    total_bias, mae, rmse, pearson, spearman, normalised_gini, top_decile_capture, lift,
    decile_mape,
]  # fmt: skip
RANKED = [spearman, normalised_gini]


def customers(n=200, seed=3):
    """Counts with many ties on both sides, and weights."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(0.5, 2.0, n)
    return rng.poisson(rate).astype(float), np.round(rate, 1), rng.integers(1, 5, n)


def test_errors_by_hand():
    actual, predicted = [1.0, 0.0, 4.0], [2.0, 1.0, 1.0]
    assert total_bias(actual, predicted) == pytest.approx(4 / 5 - 1)
    assert mae(actual, predicted) == pytest.approx(5 / 3)
    assert rmse(actual, predicted) == pytest.approx(np.sqrt(11 / 3))
    assert mae(actual, predicted, [1, 1, 2]) == pytest.approx(8 / 4)


def test_correlations_are_those_of_scipy():
    actual, predicted, _ = customers()
    assert pearson(actual, predicted) == pytest.approx(
        stats.pearsonr(actual, predicted).statistic, rel=1e-12
    )
    assert spearman(actual, predicted) == pytest.approx(
        stats.spearmanr(actual, predicted).statistic, rel=1e-12
    )


def orders(predicted):
    """All rankings from the best down that agree with the predictions."""
    for order in permutations(range(len(predicted))):
        ranked = np.asarray(predicted)[list(order)]
        if (np.diff(ranked) <= 0).all():
            yield list(order)


def area(actual, order):
    """Between the curve of gathered value and the diagonal."""
    curve = np.concatenate([[0], np.cumsum(np.asarray(actual, float)[order])])
    share = curve / curve[-1]
    return ((share[1:] + share[:-1]) / 2).mean() - 0.5


@pytest.mark.parametrize(
    "predicted", [[3, 1, 2, 0, 5, 4], [2, 2, 1, 1, 1, 3], [1, 1, 1, 1, 1, 1], [0, 0, 5, 1, 1, 1]]
)
def test_gini_is_the_mean_over_all_ways_to_break_ties(predicted):
    actual = [4.0, 0.0, 0.0, 1.0, 9.0, 1.0]
    mean = np.mean([area(actual, order) for order in orders(predicted)])
    best = area(actual, np.argsort(actual)[::-1])
    assert normalised_gini(actual, predicted) == pytest.approx(mean / best, abs=1e-12)


def test_gini_is_that_of_the_zero_inflated_lognormal_paper():
    # Its code (google/lifetime_value, metrics) sums the curve at right ends of steps, without
    # ties: 2 mean(share gathered) - 1, which is 1/n more than twice the area.
    actual, predicted = customers(500)[:2]
    predicted = predicted + np.linspace(0, 1e-3, 500)
    actual = actual + np.linspace(1e-3, 0, 500)

    def raw(by):
        return 2 * (np.cumsum(actual[np.argsort(-by)]) / actual.sum()).mean() - 1

    theirs = raw(predicted) / raw(actual)
    exact = (raw(predicted) - 1 / 500) / (raw(actual) - 1 / 500)
    assert normalised_gini(actual, predicted) == pytest.approx(exact, rel=1e-10)
    assert normalised_gini(actual, predicted) == pytest.approx(theirs, abs=2 / 500)


@pytest.mark.parametrize("tied", [1, 2, 5, 10])
def test_top_decile_is_the_mean_over_all_ways_to_break_ties(tied):
    rng = np.random.default_rng(1)
    actual = rng.gamma(1, 10, 10)
    predicted = np.concatenate([np.ones(tied), np.zeros(10 - tied)])
    # one customer is a tenth of ten: any of the tied, with equal chances
    expected = actual[:tied].mean() / actual.sum()
    assert top_decile_capture(actual, predicted) == pytest.approx(expected, rel=1e-12)


def test_top_decile_counts_the_customer_on_the_border_in_part():
    # a tenth of 15 is one customer and a half
    actual, predicted = np.ones(15), np.arange(15)
    actual[-2:] = 10.0
    assert top_decile_capture(actual, predicted) == pytest.approx(15 / 33, rel=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_weight_counts_equal_rows(metric):
    actual, predicted, weight = customers()
    many = metric(np.repeat(actual, weight), np.repeat(predicted, weight))
    assert metric(actual, predicted, weight) == pytest.approx(many, rel=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_rows_of_weights_give_one_result_each(metric):
    actual, predicted, _ = customers()
    samples = np.random.default_rng(0).poisson(1.0, (5, len(actual)))
    one_by_one = [metric(actual, predicted, weight) for weight in samples]
    assert metric(actual, predicted, samples) == pytest.approx(one_by_one, rel=1e-12)
    assert np.ndim(metric(actual, predicted)) == 0


@pytest.mark.parametrize("metric", METRICS)
def test_order_of_rows_does_not_matter(metric):
    actual, predicted, weight = customers()
    shuffled = np.random.default_rng(0).permutation(len(actual))
    assert metric(actual[shuffled], predicted[shuffled], weight[shuffled]) == pytest.approx(
        metric(actual, predicted, weight), rel=1e-12
    )


@pytest.mark.parametrize("metric", RANKED)
def test_only_the_ranking_counts(metric):
    actual, predicted, _ = customers()
    assert metric(actual, 7 * predicted**3) == pytest.approx(metric(actual, predicted), rel=1e-12)
    assert metric(actual, actual) == pytest.approx(1)
    assert metric(actual, -actual) == pytest.approx(-1)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1.3, 1e9])
def test_the_same_prediction_for_everyone_ranks_nobody(constant):
    actual, _, weight = customers()
    same = np.full(len(actual), constant)
    assert [metric(actual, same, weight) for metric in (pearson, *RANKED)] == [0, 0, 0]
    assert top_decile_capture(actual, same, weight) == pytest.approx(0.1)
    assert all(np.isfinite(metric(actual, same, weight)) for metric in METRICS)


def test_nothing_happened():
    nothing, predicted = np.zeros(4), np.arange(4.0)
    assert total_bias(nothing, predicted) == np.inf
    assert total_bias(nothing, nothing) == 0
    assert [m(nothing, predicted) for m in (pearson, *RANKED, top_decile_capture)] == [0, 0, 0, 0]
    assert lift(nothing, predicted) == 0
    assert decile_mape(nothing, predicted) == np.inf
    assert decile_mape(nothing, nothing) == 0


def test_all_weight_on_equal_values_is_no_correlation():
    assert pearson([2.1, 2.1, 5], [1.7, 3.3, 4], [1, 1, 0]) == 0


amounts = st.floats(0, 1e6).map(lambda amount: round(amount, 6))
values = st.lists(
    st.tuples(
        amounts | st.integers(0, 3).map(float),
        amounts | st.just(0.1),
        st.integers(1, 9),
    ),
    min_size=1,
    max_size=30,
)


@given(values)
def test_metrics_stay_within_their_bounds(rows):
    actual, predicted, weight = np.array(rows, dtype=float).T
    for metric in (pearson, *RANKED):
        assert -1 - 1e-9 <= metric(actual, predicted, weight) <= 1 + 1e-9
    assert -1e-9 <= top_decile_capture(actual, predicted, weight) <= 1 + 1e-9
    assert decile_mape(actual, predicted, weight) >= 0
    assert mae(actual, predicted, weight) <= rmse(actual, predicted, weight) * (1 + 1e-9)
    table = decile_calibration(actual, predicted, weight)
    assert np.isfinite(table.to_numpy(float)).all()
    assert (np.diff(table["predicted_mean"]) <= 1e-9 * (1 + predicted.max())).all()


def test_deciles_by_hand():
    predicted = np.arange(20.0)
    table = decile_calibration(predicted**2, predicted)
    assert table["decile"].tolist() == list(range(1, 11))
    assert (table["customers"] == 2).all()
    assert table["predicted_mean"].tolist() == pytest.approx([18.5 - 2 * k for k in range(10)])
    assert table["actual_total"][0] == pytest.approx(18**2 + 19**2)


def test_deciles_share_ties_and_keep_totals():
    actual, predicted, weight = customers(213)
    table = decile_calibration(actual, predicted, weight)
    assert table["customers"].to_numpy() == pytest.approx(weight.sum() / 10)
    assert table["predicted_total"].sum() == pytest.approx(weight @ predicted)
    assert table["actual_total"].sum() == pytest.approx(weight @ actual)
    turned = slice(None, None, -1)
    again = decile_calibration(actual[turned], predicted[turned], weight[turned])
    assert np.allclose(table, again, rtol=1e-12)
    same = decile_calibration(actual, np.ones(213), weight)
    assert same["actual_mean"].to_numpy() == pytest.approx(np.average(actual, weights=weight))


def test_lift_by_hand():
    actual, predicted = np.repeat([0.0, 3.0], 10), np.arange(20.0)
    table = decile_lift(actual, predicted)
    assert table["lift"].tolist() == [2.0] * 5 + [0.0] * 5
    assert lift(actual, predicted) == table["lift"][0]
    assert decile_lift(np.zeros(20), predicted)["lift"].tolist() == [0.0] * 10
    assert decile_lift(actual, np.ones(20))["lift"].tolist() == pytest.approx([1.0] * 10)


@pytest.mark.parametrize("customers_of", [lambda: customers(), lambda: customers(1000, 5)])
def test_decile_mape_is_that_of_the_deciles(customers_of):
    actual, predicted, weight = customers_of()
    table = decile_calibration(actual, predicted, weight)
    missed = (table["predicted_total"] - table["actual_total"]).abs().sum()
    whole = table["actual_total"].sum()
    assert decile_mape(actual, predicted, weight) == pytest.approx(missed / whole, rel=1e-12)
    assert decile_mape(actual, predicted, weight) >= abs(total_bias(actual, predicted, weight))


def test_decile_mape_by_hand():
    actual = np.repeat(np.arange(1.0, 11.0), 3)
    predicted = actual * np.repeat(np.linspace(1, 1.9, 10), 3)
    missed = np.arange(1, 11) * np.linspace(0, 0.9, 10)
    assert decile_mape(actual, predicted) == pytest.approx(missed.sum() / 55)
    # where all are predicted alike, every tenth is like the whole
    assert decile_mape(actual, np.full(30, 8.0)) == pytest.approx(8.0 / actual.mean() - 1)


def test_what_is_foreseen_of_tenths_that_do_nothing_counts():
    actual = np.array([0.0] * 18 + [10.0] * 2)
    predicted = np.array([9.0] * 18 + [10.0] * 2)
    assert decile_mape(actual, predicted) == pytest.approx(18 * 9 / 20)


def test_amounts_that_add_up_to_nothing_but_for_rounding():
    actual = np.concatenate([np.full(10, 0.1), np.full(10, -0.1), np.zeros(80)])
    assert decile_mape(actual, actual) == 0
    assert decile_mape(actual, np.ones(100)) == np.inf


def test_concentration_by_hand():
    table = concentration([0, 6, 3, 0, 1], weight=[1, 1, 1, 1, 1])
    assert table["share_of_customers"].tolist() == pytest.approx([0, 0.2, 0.4, 0.6, 1])
    assert table["share_of_value"].tolist() == pytest.approx([0, 0.6, 0.9, 1, 1])
    assert concentration([2, 1], weight=[1, 3])["share_of_value"].tolist() == pytest.approx(
        [0, 0.4, 1]
    )
    assert concentration([0, 0])["share_of_value"].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("actual", "predicted", "weight", "says"),
    [
        ([1, 2], [1], None, "one actual and one predicted"),
        ([], [], None, "one actual and one predicted"),
        ([1, 2], [1, 2], [1, 2, 3], "one actual and one predicted"),
        ([1, 2], [1, np.nan], None, "predicted must be finite: broken by 1 of 2"),
        ([np.inf, 2], [1, 2], None, "actual must be finite.*row 0"),
        ([1, 2], [1, 2], [0, 0], "weight"),
        ([1, 2], [1, 2], [1, -1], "weight"),
    ],
)
def test_what_cannot_be_compared_is_refused(actual, predicted, weight, says):
    with pytest.raises(DataError, match=says):
        mae(actual, predicted, weight)


def test_frames_take_one_row_of_weights():
    with pytest.raises(DataError):
        decile_calibration([1, 2], [1, 2], [[1, 1], [1, 1]])


def test_ties_are_shared_whatever_rounding_made_of_them():
    rng = np.random.default_rng(0)
    actual, predicted = rng.gamma(1, size=500), rng.integers(0, 9, 500) / 7
    jittered = predicted * (1 + rng.choice([-1e-15, 0, 1e-15], 500))
    for metric in (spearman, normalised_gini):
        assert metric(actual, jittered) == pytest.approx(metric(actual, predicted), rel=1e-12)


def test_a_sample_that_leaves_out_the_only_buyer_has_no_correlation():
    # of thousands of equal terms, sums are good to fewer digits than one of them
    rng = np.random.default_rng(5)
    for n in (300, 3_000, 30_000):
        actual = np.zeros(n)
        actual[0] = 1234.56
        predicted = rng.gamma(0.3, 100.0, n)
        weight = rng.poisson(1.0, (40, n)).astype(float)
        weight[:, 0] = 0.0
        assert (pearson(actual, predicted, weight) == 0).all()

"""Metrics of counts and probabilities against scikit-learn, SciPy, by hand and by enumeration."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as theirs

from clvmodels.evaluation.count_metrics import (
    brier,
    calibration_error,
    coverage,
    dispersion_of,
    mean_loss,
    mean_width,
    negative_binomial_deviance,
    negative_binomial_deviances,
    pit_histogram,
    poisson_deviance,
    poisson_deviances,
    reliability,
)
from clvmodels.evaluation.predictive import CountDistribution
from clvmodels.exceptions import DataError, ParameterError


def nb_deviance(actual, predicted, weight=None):
    return negative_binomial_deviance(actual, predicted, weight, dispersion=1.7)


COUNTED = [poisson_deviance, nb_deviance]
EVENTS = [brier, calibration_error]


def buyers(n=300, seed=3):
    """Counts, what was expected, and weights."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(0.5, 2.0, n)
    return rng.poisson(rate).astype(float), np.round(rate + 0.05, 1), rng.integers(1, 5, n)


def events(n=300, seed=3):
    """What happened, its probability in tenths, and weights."""
    rng = np.random.default_rng(seed)
    p = rng.beta(0.5, 1.5, n)
    return (rng.random(n) < p).astype(float), np.round(p, 1), rng.integers(1, 5, n)


def pairs(metric):
    return events() if metric in EVENTS else buyers()


def test_poisson_deviance_is_that_of_scikit_learn():
    actual, predicted, weight = buyers()
    assert poisson_deviance(actual, predicted, weight) == pytest.approx(
        theirs.mean_poisson_deviance(actual, predicted, sample_weight=weight), rel=1e-12
    )


@pytest.mark.parametrize("dispersion", [1e-3, 0.4, 1.0, 30.0])
def test_negative_binomial_deviance_is_twice_the_loss_of_likelihood(dispersion):
    """2 (log-likelihood at the counts themselves - at the predictions), by SciPy."""
    actual, predicted, weight = buyers()

    def loglik(mean):
        shape = 1 / dispersion
        return stats.nbinom.logpmf(actual, shape, shape / (shape + mean))

    # SciPy wants a positive mean: where the count is 0, its likelihood is 1
    best = np.where(actual > 0, loglik(np.maximum(actual, 1e-9)), 0.0)
    each = 2 * (best - loglik(predicted))
    assert negative_binomial_deviances(actual, predicted, dispersion) == pytest.approx(
        each, rel=1e-7, abs=1e-9  # theirs are differences of logs of gamma functions
    )  # fmt: skip
    assert negative_binomial_deviance(
        actual, predicted, weight, dispersion=dispersion
    ) == pytest.approx(np.average(each, weights=weight), rel=1e-7)


def test_without_dispersion_it_is_poisson():
    actual, predicted, _ = buyers()
    poisson = poisson_deviance(actual, predicted)
    assert negative_binomial_deviance(actual, predicted, dispersion=0) == poisson
    for little in (1e-9, 1e-300):
        assert negative_binomial_deviance(actual, predicted, dispersion=little) == pytest.approx(
            poisson, rel=1e-6
        )


def test_what_was_ruled_out_costs_without_limit():
    for each in (poisson_deviances, lambda a, p: negative_binomial_deviances(a, p, 1.7)):
        found = each(np.array([0.0, 2.0, 0.0, 2.0]), np.array([0.0, 0.0, -1.0, -1.0]))
        assert found.tolist() == [0, np.inf, np.inf, np.inf]
    # but not where nobody is drawn of whom it was
    weight = np.array([[1, 0, 2], [1, 1, 1]])
    for metric in COUNTED:
        first, second = metric([0, 2, 1], [1, 0, 1], weight)
        assert np.isfinite(first)
        assert second == np.inf


def test_dispersion_by_moments():
    rng = np.random.default_rng(0)
    # NB with variance mean + 0.8 mean^2; the moment estimate errs by about 2 %
    many = rng.poisson(rng.gamma(1 / 0.8, 0.8 * 3, 200_000))
    assert dispersion_of(many) == pytest.approx(0.8, rel=0.03)
    assert dispersion_of([0, 6, 2], [2, 1, 1]) == dispersion_of([0, 0, 6, 2]) == 1.0
    assert dispersion_of([1, 1, 1]) == 0
    assert dispersion_of([0, 0]) == 0


def test_brier_score_is_that_of_scikit_learn():
    actual, predicted, weight = events()
    assert brier(actual, predicted, weight) == pytest.approx(
        theirs.brier_score_loss(actual, predicted, sample_weight=weight), rel=1e-12
    )


def test_calibration_error_by_hand():
    # tenths of three: what was said of each, and what share it happened to
    said = np.repeat(np.linspace(0.9, 0.0, 10), 3)
    happened = np.tile([1.0, 1.0, 0.0], 10)
    assert calibration_error(happened, said) == pytest.approx(
        np.abs(np.linspace(0.9, 0.0, 10) - 2 / 3).mean(), rel=1e-12
    )
    assert calibration_error(happened, np.full(30, 2 / 3)) == pytest.approx(0, abs=1e-12)
    assert calibration_error(happened, np.full(30, 0.4)) == pytest.approx(2 / 3 - 0.4)


def test_reliability_holds_what_the_calibration_error_adds_up():
    rng = np.random.default_rng(0)
    predicted = rng.random(70)  # no two alike
    actual = (rng.random(70) < 0.4).astype(float)
    table = reliability(actual, predicted)
    gap = (table["predicted"] - table["observed"]).abs().mean()
    assert calibration_error(actual, predicted) == pytest.approx(gap, rel=1e-12)
    assert table["decile"].tolist() == list(range(1, 11))
    assert (table["lo"] <= table["observed"]).all()
    assert (table["observed"] <= table["hi"]).all()


def test_reliability_keeps_equal_probabilities_together():
    rng = np.random.default_rng(0)
    bought = (rng.random(400) < 0.3).astype(float)
    same = reliability(bought, np.full(400, 0.2))
    assert len(same) == 1
    exact = stats.binomtest(int(bought.sum()), 400).proportion_ci(0.9, method="wilson")
    assert same[["lo", "hi"]].iloc[0].tolist() == pytest.approx(list(exact), abs=1e-12)
    # a rule that marks nearly a quarter: two classes, and none of both
    rule = reliability(bought, (np.arange(400) < 90).astype(float))
    assert rule["customers"].tolist() == [90, 310]
    assert rule["predicted"].tolist() == [1, 0]
    assert rule["observed"].tolist() == [bought[:90].mean(), bought[90:].mean()]
    # one who stands for several is as good as several
    weight = rng.integers(0, 4, 400)
    counts = np.repeat(np.arange(400), weight)
    p = rng.integers(0, 30, 400) / 30
    pd.testing.assert_frame_equal(
        reliability(bought, p, weight), reliability(bought[counts], p[counts])
    )


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_intervals_of_reliability_are_those_of_scipy(level):
    rng = np.random.default_rng(0)
    predicted = np.repeat(np.linspace(1.0, 0.0, 10), 40)
    actual = (rng.random(400) < predicted).astype(float)
    table = reliability(actual, predicted, level=level)
    counts = actual.reshape(10, 40).sum(axis=1).astype(int)
    for row, count in zip(table.itertuples(), counts, strict=True):
        exact = stats.binomtest(count, 40).proportion_ci(level, method="wilson")
        assert (row.lo, row.hi) == pytest.approx(tuple(exact), abs=1e-12)
    assert (table["observed"].iloc[0], table["hi"].iloc[0]) == (1.0, 1.0)


def test_coverage_and_width_by_hand():
    actual, lo, hi = [0, 3, 9, 1], [0, 1, 1, 1], [2, 4, 6, 1]
    assert coverage(actual, lo, hi, [1, 1, 2, 0]) == 0.5
    assert mean_width(lo, hi, [1, 1, 2, 0]) == 15 / 4
    assert coverage(actual, lo, hi, np.eye(4)).tolist() == [1, 1, 0, 1]


def test_pit_histogram_by_enumeration():
    """Czado, Gneiting and Held (2009), eqs. 2 and 3, on a fine grid of u."""
    rng = np.random.default_rng(0)
    lower = rng.uniform(0, 0.9, 50)
    upper = lower + rng.uniform(0, 1, 50) * (1 - lower)
    weight = rng.integers(1, 4, 50)
    u = (np.arange(40_000) + 0.5) / 40_000
    inside = ((lower[:, None] < u) & (u < upper[:, None])) / (upper - lower)[:, None]
    density = np.average(inside, axis=0, weights=weight).reshape(8, -1).mean(axis=1)
    table = pit_histogram(lower, upper, weight, bins=8)
    assert table["share"].to_numpy() == pytest.approx(density / 8, abs=1e-4)  # of the grid
    assert table["from"].tolist() == [k / 8 for k in range(8)]
    assert table["to"].tolist() == [k / 8 for k in range(1, 9)]


def test_pit_of_certainty_lies_in_one_bin():
    assert pit_histogram([0.3, 1.0, 0.0], [0.3, 1.0, 0.0], bins=4)["share"].tolist() == (
        pytest.approx([1 / 3, 1 / 3, 0, 1 / 3])
    )
    assert pit_histogram([0.0], [1.0])["share"].tolist() == pytest.approx([0.1] * 10)


def test_pit_tells_what_is_wrong_with_a_forecast():
    rng = np.random.default_rng(0)
    y = rng.poisson(rng.gamma(2, 2, 4000))

    def shares(mean):
        return pit_histogram(*CountDistribution.poisson(mean).pit(y))["share"].to_numpy()

    narrow = shares(np.full(len(y), 4.0))
    assert (narrow[[0, -1]] > 0.15).all()  # a U
    assert shares(np.full(len(y), 2.0))[-1] > 0.25  # too low
    assert shares(np.full(len(y), 9.0))[0] > 0.25  # too high


@pytest.mark.parametrize("metric", [*COUNTED, *EVENTS])
def test_weight_counts_equal_rows(metric):
    actual, predicted, weight = pairs(metric)
    many = metric(np.repeat(actual, weight), np.repeat(predicted, weight))
    assert metric(actual, predicted, weight) == pytest.approx(many, rel=1e-12)


@pytest.mark.parametrize("metric", [*COUNTED, *EVENTS])
def test_rows_of_weights_give_one_result_each(metric):
    actual, predicted, _ = pairs(metric)
    samples = np.random.default_rng(0).poisson(1.0, (5, len(actual)))
    one_by_one = [metric(actual, predicted, weight) for weight in samples]
    assert metric(actual, predicted, samples) == pytest.approx(one_by_one, rel=1e-12)
    assert np.ndim(metric(actual, predicted)) == 0


@pytest.mark.parametrize("metric", [*COUNTED, brier])
def test_the_mean_is_the_best_constant(metric):
    actual, _, weight = pairs(metric)
    mean = np.average(actual, weights=weight)
    at = [metric(actual, np.full(len(actual), mean * f), weight) for f in (0.98, 1.0, 1.02)]
    assert at[1] < min(at[0], at[2])


customers = st.tuples(st.integers(0, 500) | st.just(0), st.floats(0, 1e6), st.floats(0, 1))


@given(st.lists(customers, min_size=1, max_size=20), st.floats(0, 1e3))
def test_finite_forecasts_give_numbers(rows, dispersion):
    actual, predicted, p = np.array(rows, dtype=float).T
    for deviance in (
        poisson_deviance(actual, predicted),
        negative_binomial_deviance(actual, predicted, dispersion=dispersion),
    ):
        assert deviance >= 0
        assert np.isfinite(deviance) or ((actual > 0) & (predicted == 0)).any()
    happened = (actual > 0).astype(float)
    for metric in EVENTS:
        assert 0 <= metric(happened, p) <= 1 + 1e-12
    assert np.isfinite(reliability(happened, p).to_numpy()).all()


def test_mean_loss_of_scores():
    assert mean_loss([1.0, 3.0], [3, 1]) == 1.5
    assert mean_loss([1.0, np.inf]) == np.inf
    assert mean_loss([1.0, np.inf], [1, 0]) == 1.0
    with pytest.raises(DataError, match="finite"):
        mean_loss([1.0, np.nan])


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: poisson_deviance([-1, 0], [1, 1]), DataError, "0 or more.*1 of 2.*row 0"),
        (lambda: poisson_deviance([1, 0], [np.nan, 1]), DataError, "finite"),
        (lambda: negative_binomial_deviance([1], [1], dispersion=-1), ParameterError, "-1"),
        (lambda: brier([1, 2], [0.5, 0.5]), DataError, "1 of 2 customers, first in row 1"),
        (lambda: brier([1, 0], [0.5, 1.5]), DataError, "probability"),
        (lambda: reliability([1, 0], [0.5, 0.5], level=90), ParameterError, "90"),
        (lambda: reliability([1, 0], [0.5, 0.5], np.ones((2, 2))), DataError, "weight"),
        (lambda: coverage([1, 2], [2, 2], [1, 3]), DataError, "lo must not exceed hi.*row 0"),
        (lambda: mean_width([1, 2], [2, 2, 3]), DataError, "shapes"),
        (lambda: pit_histogram([0.5], [0.4]), DataError, "lower <= upper"),
        (lambda: pit_histogram([0.5], [0.6], bins=0), ParameterError, "bins"),
    ],
)
def test_what_cannot_be_judged_is_refused(call, error, says):
    with pytest.raises(error, match=says):
        call()

"""The check of frequency against spend: published and other packages' numbers, weights, words."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import DataError
from clvmodels.models.gamma_gamma import GammaGammaModel
from clvmodels.models.independence import spend_independence


def spenders(x, m, weight=None):
    x = np.asarray(x, dtype=float)
    return RFMSummary(
        customer_id=np.arange(x.size), frequency=x, recency=np.where(x > 0, 5.0, 0),
        T=np.full(x.size, 10.0), monetary_value=m, time_unit="week", weight=weight,
    )  # fmt: skip


def related(rho, customers, seed=0):
    """Frequencies and spend whose ranks correlate by about `rho`."""
    rng = np.random.default_rng(seed)
    both = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], customers)
    return np.ceil(np.exp(2 + both[:, 0])), np.exp(3 + both[:, 1])


def test_repeat_buyers_of_cdnow(cdnow):
    check = spend_independence(cdnow)
    assert check.customers == 946
    # lifetimes' documentation prints 0.113884 for the 946 repeat buyers
    assert check.pearson.value == pytest.approx(0.113884, abs=1e-6)
    buyers = cdnow.select(cdnow.frequency > 0)
    exact = spearmanr(buyers.frequency, buyers.monetary_value).statistic
    assert check.spearman.value == pytest.approx(exact, rel=1e-12)
    low, high = pearsonr(buyers.frequency, buyers.monetary_value).confidence_interval(0.95)
    assert (check.pearson.lo, check.pearson.hi) == pytest.approx((low, high), rel=1e-12)
    # Bonett and Wright (2000): tanh(artanh r -+ 1.96 sqrt((1 + r^2 / 2) / (n - 3)))
    half = 1.959964 * np.sqrt((1 + exact**2 / 2) / 943)
    ends = np.tanh(np.arctanh(exact) + np.array([-half, half]))
    assert (check.spearman.lo, check.spearman.hi) == pytest.approx(ends, rel=1e-6)


def test_it_is_what_the_fit_notes(cdnow):
    assert str(spend_independence(cdnow)) == GammaGammaModel().fit(cdnow).diagnostics.notes[-1]


def test_weights_count_customers():
    rng = np.random.default_rng(0)
    x, m = rng.geometric(0.4, 200).astype(float), rng.gamma(4, 9, 200).round()
    times = rng.integers(1, 5, 200)
    weighted = spend_independence(spenders(x, m, times))
    every_x, every_m = np.repeat(x, times), np.repeat(m, times)
    repeated = spend_independence(spenders(every_x, every_m))
    assert weighted.customers == repeated.customers == times.sum()
    for one, other in (
        (weighted.pearson, repeated.pearson),
        (weighted.spearman, repeated.spearman),
    ):
        assert (one.value, one.lo, one.hi) == pytest.approx((other.value, other.lo, other.hi))
    assert weighted.spearman.value == pytest.approx(spearmanr(every_x, every_m).statistic)


def test_only_repeat_buyers_with_a_positive_mean_value_count():
    x, m = related(0.3, 50)
    more = spenders([*x, 0, 0, 9, 9], [*m, np.nan, 7.0, -3.0, 0.0])
    assert str(spend_independence(more)) == str(spend_independence(spenders(x, m)))


def test_the_first_purchase_counts_where_its_value_does():
    x, m = related(0.0, 50)
    data = spenders(x - 1, m)
    with_first = RFMSummary(
        customer_id=data.customer_id, frequency=x - 1, recency=data.recency, T=data.T,
        monetary_value=m, time_unit="week", first_value_included=True,
    )  # fmt: skip
    assert spend_independence(with_first).customers == 50
    assert spend_independence(data).customers == (x > 1).sum()


@pytest.mark.parametrize(
    ("rho", "customers", "words"),
    [
        (0.0, 60, "No relation of the ranks can be told from chance."),
        (0.06, 20_000, "spend more per purchase; the relation is very weak."),
        (0.2, 2_000, "spend more per purchase; the relation is weak."),
        (0.4, 2_000, "the relation is moderate. Fit spend to customers of like frequency"),
        (-0.8, 2_000, "spend less per purchase; the relation is strong. Fit spend"),
    ],
)
def test_words(rho, customers, words):
    assert words in spend_independence(spenders(*related(rho, customers))).sentence


def test_perfect_agreement_is_a_correlation_of_one():
    check = spend_independence(spenders([1, 2, 3, 4, 5], [1.0, 2, 3, 4, 5]))
    for correlation in (check.pearson, check.spearman):
        assert correlation.value == pytest.approx(1)
        assert 0.99 < correlation.lo <= correlation.hi <= 1


def test_reads_well(cdnow):
    check = spend_independence(cdnow)
    assert repr(check).splitlines() == [
        "Frequency and spend of 946 customers",
        "- correlation 0.114 (95 % interval 0.051 to 0.176)",
        "- of ranks 0.206 (95 % interval 0.144 to 0.267)",
        "- By rank, busier customers spend more per purchase; the relation is weak.",
    ]
    assert "<table" in check._repr_html_()
    assert check.frame.columns.tolist() == ["correlation", "estimate", "lo", "hi", "customers"]
    assert check.frame.correlation.tolist() == ["Pearson", "Spearman"]
    with pytest.raises(FrozenInstanceError):
        check.customers = 1


@pytest.mark.parametrize(
    ("x", "m"),
    [
        ([1, 2, 3, 0, 4], [5.0, 6, 7, np.nan, -1]),  # three to go by
        ([2] * 5, [5.0, 6, 7, 8, 9]),
        ([1, 2, 3, 4, 5], [9.99] * 5),
    ],
)
def test_no_correlation_of_too_few_or_of_equals(x, m):
    with pytest.raises(DataError, match=r"No correlation .* 4, and differences in both"):
        spend_independence(spenders(x, m))


def test_needs_monetary_values():
    with pytest.raises(DataError, match="no monetary_value"):
        spend_independence(RFMSummary.from_arrays([1], [1], [2], time_unit="week"))


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.0, 0.4, 0.8])
def test_intervals_of_ranks_cover_at_their_level(rho):
    # for a bivariate normal Spearman's rho is 6 / pi arcsin(rho / 2)
    true, n = 6 / np.pi * np.arcsin(rho / 2), 200
    inside = 0
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        both = np.exp(rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], n))
        x = np.ceil(both[:, 0] * 1e4)  # whole numbers, next to no ties
        check = spend_independence(spenders(x, both[:, 1])).spearman
        inside += check.lo < true < check.hi
    # four binomial standard errors of 1,000 intervals at 95 %
    assert abs(inside / 1000 - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 1000)

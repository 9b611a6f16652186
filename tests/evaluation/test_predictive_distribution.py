"""Predictive distributions of counts against SciPy, mpmath, closed forms and by enumeration."""

import pickle
import sys
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest
from scipy import special as sp
from scipy import stats

import clvmodels as clv
from clvmodels.evaluation.count_metrics import pit_histogram
from clvmodels.evaluation.predictive import CountDistribution
from clvmodels.exceptions import DataError, ParameterError, UnitError

sys.path.insert(0, str(Path(__file__).parents[1]))  # the oracles
from oracles import beta_geo as oracle

# CDNOW in weeks: Fader, Hardie and Lee (2005), table 3
BG = clv.BetaGeoModel().with_params(r=0.243, alpha=4.414, a=0.793, b=2.426, time_unit="week")
PARETO = clv.ParetoNBDModel().with_params(
    r=0.553, alpha=10.578, s=0.606, beta=11.669, time_unit="week"
)  # Fader and Hardie (2005), note 009
NBD = clv.NBDModel().with_params(r=0.385, alpha=12.072, time_unit="week")
HORIZON = "39 weeks"
HISTORIES = clv.RFMSummary.from_arrays(
    [0, 2, 29, 500, 2, 400], [0, 30.43, 37, 38.8, 30.43, 11], [38.86, 38.86, 38, 39, 38.86, 39],
    time_unit="week",
)  # fmt: skip


def of(fit, data=HISTORIES, horizon=HORIZON):
    return CountDistribution.of(fit, data, horizon)


def by_hand(fit, data, horizon, most):
    """Probabilities of 0, 1, ..., of shape (customers, most + 1)."""
    return np.column_stack([fit.purchase_pmf(data, n, horizon) for n in range(most + 1)])


def enumerated(pmf, y):
    """CRPS, straight from its definition."""
    steps = np.arange(pmf.shape[1]) >= np.asarray(y)[:, None]
    return ((np.cumsum(pmf, axis=1) - steps) ** 2).sum(axis=1)


@pytest.mark.parametrize("fit", [BG, PARETO, NBD], ids=["BG/NBD", "Pareto/NBD", "NBD"])
def test_distribution_is_that_of_the_model(fit):
    y = np.array([0, 3, 20, 510, 0, 1])
    pmf, found = by_hand(fit, HISTORIES, HORIZON, 900), of(fit)
    cdf = np.cumsum(pmf, axis=1)
    each = np.arange(len(y))
    assert found.log_score(y) == pytest.approx(-np.log(pmf[each, y]), rel=1e-9)
    # a tail of 1e-10 left out, over some hundred purchases
    assert found.crps(y) == pytest.approx(enumerated(pmf, y), rel=1e-9, abs=1e-8)
    below, upto = found.pit(y)
    assert upto == pytest.approx(cdf[each, y], rel=1e-12)
    assert below == pytest.approx(np.where(y > 0, cdf[each, y - 1], 0), rel=1e-12)
    assert found.p_active == pytest.approx(1 - pmf[:, 0], rel=1e-12)
    assert found.mean == pytest.approx(fit.expected_purchases(HISTORIES, HORIZON), rel=1e-8)


def test_of_an_nbd_it_is_negative_binomial():
    """Purchases given x and T are NB(r + x, (alpha + T) / (alpha + T + t)): SciPy's."""
    x, T = HISTORIES.frequency, HISTORIES.T
    r, alpha = NBD.params["r"], NBD.params["alpha"]
    exact = stats.nbinom(r + x, (alpha + T) / (alpha + T + 39))
    y, found = np.array([0, 3, 20, 510, 90, 1]), of(NBD)
    # SciPy's logpmf goes by differences of lgamma, which lose three digits at x = 500
    assert found.log_score(y) == pytest.approx(-exact.logpmf(y), rel=1e-9)
    for level in (0.5, 0.9, 0.99):
        lo, hi, probability = found.interval(level)
        assert lo.tolist() == exact.ppf((1 - level) / 2).tolist()
        assert hi.tolist() == exact.ppf((1 + level) / 2).tolist()
        assert probability == pytest.approx(exact.cdf(hi) - exact.cdf(lo - 1), rel=1e-9)
        assert (probability >= level - 1e-9).all()


@pytest.mark.parametrize(
    ("y", "crps"),
    # scoringrules 0.10.0, crps_negbinom(y, n=2.5, prob=0.25)
    [(0, 4.567300440780746), (1, 3.6298004407807456), (3, 2.1429840345307456)],
)
def test_crps_of_a_negative_binomial_is_that_of_scoringrules(y, crps):
    # r + x = 2.5 and (alpha + T) / (alpha + T + t) = 1 / 4
    fit = clv.NBDModel().with_params(r=0.5, alpha=3.0, time_unit="week")
    customer = clv.RFMSummary.from_arrays([2], [4.0], [10.0], time_unit="week")
    assert of(fit, customer).crps([y]) == pytest.approx([crps], rel=1e-9)


@mp.workdps(30)
def test_crps_of_a_bg_nbd_customer_is_that_of_mpmath():
    """The sum over n of (F(n) - 1{y <= n})^2, to 30 digits."""
    x, t_x, T, t, y = 2, 30.43, 38.86, 39.0, 3
    r, alpha, a, b = (mp.mpf(BG.params[name]) for name in ("r", "alpha", "a", "b"))
    alive = oracle.prob_alive(x, t_x, T, r, alpha, a, b)
    upto, score = 1 - alive, mp.mpf(0)
    for n in range(120):
        upto += alive * oracle.pmf(n, t, r + x, alpha + T, a, b + x)
        score += (upto - (y <= n)) ** 2
    assert 1 - upto < 1e-12
    assert of(BG).crps([0, 3, 0, 0, 3, 0])[1] == pytest.approx(float(score), rel=1e-10)


def test_customers_with_one_history_share_a_row():
    found = of(BG)
    assert len(found.start) == 5
    assert found.inverse[1] == found.inverse[4]
    assert found.mean[1] == found.mean[4]


def test_units_do_not_matter():
    days = clv.RFMSummary.from_arrays(
        HISTORIES.frequency, 7 * HISTORIES.recency, 7 * HISTORIES.T, time_unit="day"
    )
    y = [0, 3, 20, 510, 0, 1]
    assert of(BG, days).log_score(y) == pytest.approx(of(BG).log_score(y), rel=1e-9)
    with pytest.raises(UnitError):
        of(BG, horizon=39)


def test_what_lies_beyond_the_rows_is_worked_out():
    found = of(NBD)
    ends = np.append(found.start[1:], len(found.pmf))[found.inverse] - found.start[found.inverse]
    r, alpha = NBD.params["r"], NBD.params["alpha"]
    x, T = HISTORIES.frequency, HISTORIES.T
    exact = stats.nbinom(r + x, (alpha + T) / (alpha + T + 39))
    for more in (0, 1, 60):
        y = ends + more
        assert found.log_score(y) == pytest.approx(-exact.logpmf(y), rel=1e-8)
        assert found.pit(y)[1] == pytest.approx(1, abs=1e-9)
        assert found.crps(y) == pytest.approx(enumerated(_padded(exact, y), y), rel=1e-8)


def _padded(exact, y):
    n = np.arange(y.max() + 500)
    return exact.pmf(n[:, None]).T


def test_impossible_and_all_but_impossible_purchases():
    assert CountDistribution.poisson([0.0, 0.0]).log_score([0, 1]).tolist() == [0.0, np.inf]
    assert CountDistribution.poisson([0.0]).crps([3]).tolist() == [3.0]
    # less than any float: -log(2.2e-308)
    some = clv.RFMSummary.from_arrays([0], [0], [39], time_unit="week")
    assert of(NBD, some).log_score([5000]) == pytest.approx([708.3964])
    # in log, where the probability is no float any more: SciPy's Poisson
    assert CountDistribution.poisson([0.5]).log_score([300]) == pytest.approx(
        [-stats.poisson.logpmf(300, 0.5)]
    )


def test_poisson_is_that_of_scipy():
    mean = np.array([0.0, 0.3, 2.2, 7.0, 400.0, 2.2])
    y = np.array([0, 2, 1, 7, 350, 30])
    found, exact = CountDistribution.poisson(mean), stats.poisson(mean)
    assert found.mean == pytest.approx(mean, rel=1e-9)
    assert found.p_active == pytest.approx(1 - np.exp(-mean), rel=1e-12)
    assert found.log_score(y) == pytest.approx(-exact.logpmf(y), rel=1e-10)
    assert np.transpose(found.pit(y)) == pytest.approx(
        np.transpose([exact.cdf(y - 1), exact.cdf(y)]), abs=1e-9
    )
    lo, hi, probability = found.interval(0.9)
    assert lo[1:].tolist() == exact.ppf(0.05)[1:].tolist()
    assert hi.tolist() == exact.ppf(0.95).tolist()
    assert (lo[0], hi[0], probability[0]) == (0, 0, 1)
    # Wei and Held (2014), Calibration tests for count data, Test 23(4), 787-805
    closed = (
        (y - mean) * (2 * exact.cdf(y) - 1)
        + 2 * mean * exact.pmf(y)
        - mean * (sp.ive(0, 2 * mean) + sp.ive(1, 2 * mean))
    )
    assert found.crps(y) == pytest.approx(closed, rel=1e-8, abs=1e-9)
    # scoringrules 0.10.0, crps_poisson(1, 2.2)
    assert found.crps(y)[2] == pytest.approx(0.60977157289343, rel=1e-9)


def posterior(draws):
    data = BG.simulate(300, "39 weeks", seed=1)
    return data, clv.BetaGeoModel().fit(data, clv.Laplace(draws=draws, seed=1))


def test_numbers_end_at_five_thousand():
    busy = CountDistribution.poisson([20_000.0, 4_000.0])
    assert busy.mean == pytest.approx([5000, 4000], rel=1e-9)
    lo, hi, probability = busy.interval(0.9)
    assert (lo[0], hi[0], probability[0]) == (5000, 5000, 1)
    assert hi[1] == stats.poisson.ppf(0.95, 4000)
    assert busy.crps([21_000, 4000])[0] == pytest.approx(16_000)
    assert busy.log_score([21_000, 4000]) == pytest.approx(
        -stats.poisson.logpmf([21_000, 4000], [20_000, 4000]), rel=1e-9
    )


def test_a_posterior_is_averaged_over_its_draws():
    data, fit = posterior(50)
    pmf, y = by_hand(fit, data, HORIZON, 3), np.arange(len(data)) % 4
    exact = -np.log(pmf[np.arange(len(y)), y])
    assert of(fit, data).log_score(y) == pytest.approx(exact, rel=1e-10)


def test_two_hundred_draws_stand_for_many():
    data, fit = posterior(1000)
    found, total = of(fit, data), fit.expected_purchases(data, HORIZON).sum()
    # the total is known to about 20 %, and means of 200 draws to a fourteenth of that
    assert found.mean.sum() == pytest.approx(total, rel=0.04)
    assert found.p_active == pytest.approx(1 - fit.probability_no_purchase(data, HORIZON), abs=0.02)


@pytest.mark.parametrize("fit", [BG, PARETO], ids=["BG/NBD", "Pareto/NBD"])
def test_what_the_model_itself_draws_is_calibrated(fit):
    """Futures that the model draws: intervals cover as they claim, and the PIT is flat."""
    data = fit.simulate(4000, "39 weeks", seed=1)
    found = of(fit, data)
    y = fit.simulate_purchases(data, HORIZON, draws=1, seed=2)[0]
    lo, hi, claimed = found.interval(0.9)
    inside = ((lo <= y) & (y <= hi)).mean()
    error = np.sqrt((claimed * (1 - claimed)).sum()) / len(y)
    assert inside == pytest.approx(claimed.mean(), abs=3 * error)
    share = pit_histogram(*found.pit(y))["share"].to_numpy()
    assert np.abs(share - 0.1).max() < 3.5 * np.sqrt(0.09 / len(y))
    rival = CountDistribution.poisson(found.mean)
    for score in ("log_score", "crps"):
        gain = getattr(rival, score)(y) - getattr(found, score)(y)
        assert gain.mean() > 3 * gain.std() / np.sqrt(len(y))  # proper: the truth is best


def test_opportunities_count_too():
    # Fader, Hardie and Shang (2010), table 4
    params = {"alpha": 1.204, "beta": 0.750, "gamma": 0.657, "delta": 2.783, "every": "1 year"}
    fit = clv.BetaGeoBetaBinomModel().with_params(**params)
    data = fit.simulate(300, "6 years", seed=1)
    found = of(fit, data, "5 years")
    expected = fit.expected_purchases(data, "5 years")
    assert found.mean == pytest.approx(expected, rel=1e-9)
    assert found.interval(0.999).hi.max() <= 5


def test_it_can_be_sent_to_another_process():
    found = pickle.loads(pickle.dumps(of(BG)))
    assert found.log_score([0, 3, 20, 510, 900, 1]) == pytest.approx(
        of(BG).log_score([0, 3, 20, 510, 900, 1]), rel=1e-12
    )


@pytest.mark.parametrize("purchases", [[1, 2], [0, 1, 2, 3, 4, -1], [0, 1, 2, 3, 4, 0.5]])
@pytest.mark.parametrize("method", ["log_score", "crps", "pit"])
def test_purchases_are_whole_numbers_one_per_customer(method, purchases):
    with pytest.raises(DataError, match="6 customers"):
        getattr(of(BG), method)(purchases)


def test_what_is_no_rate_or_no_level_is_refused():
    with pytest.raises(DataError, match=r"mean must be finite.*1 of 2"):
        CountDistribution.poisson([1.0, np.nan])
    with pytest.raises(ParameterError):
        of(BG).interval(90)

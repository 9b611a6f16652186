"""Predictive distributions of revenue against exact mixtures, by quadrature and by symmetry."""

import numpy as np
import pytest
from scipy import integrate, stats
from scipy import special as sp

import clvmodels as clv
from clvmodels.evaluation.count_metrics import pit_histogram
from clvmodels.evaluation.predictive import CountDistribution
from clvmodels.evaluation.predictive_money import RevenueDistribution
from clvmodels.exceptions import DataError, ParameterError
from clvmodels.inference.estimate import Estimate
from clvmodels.inference.groups import Groups
from clvmodels.models.spend import FittedSpend

# CDNOW: Fader, Hardie and Lee (2005), table 3, in weeks, and (2005b)
BG = clv.BetaGeoModel().with_params(r=0.243, alpha=4.414, a=0.793, b=2.426, time_unit="week")
TRUE = {"p": 6.25, "q": 3.74, "v": 15.44}
GG = clv.GammaGammaModel().with_params(**TRUE)
LN = clv.LognormalNormalModel().with_params(median=26.8, sigma=0.6, tau=0.5)
HORIZON = "39 weeks"
DRAWS = 20_000
X = np.array([0, 1, 2, 29, 0])
T_X = np.array([0, 20.0, 30.43, 37, 0])
T = np.array([38.86, 30.0, 38.86, 38, 12.0])
M = np.array([0, 31.5, 22.35, 60, 0])
Y = np.array([0.0, 12.5, 70.0, 1300.0, 40.0])


def customers(x=X, t_x=T_X, T=T, m=M, time_unit="week"):
    return clv.RFMSummary.from_arrays(x, t_x, T, time_unit=time_unit, monetary_value=m)


def scores(spend, data=None, y=Y, level=0.9, draws=DRAWS, seed=1):
    data = customers() if data is None else data
    counts = CountDistribution.of(BG, data, HORIZON)
    return RevenueDistribution.of(counts, spend, data, draws, seed).held_against(y, level)


def pmf_of(data, row):
    return np.array([BG.purchase_pmf(data.select([row]), n, HORIZON)[0] for n in range(200)])


def gamma_gamma_cdf(pmf, x, m, p, q, v):
    """P(revenue <= t): given n purchases, t / (t + v + x m) is Beta(p n, p x + q)."""
    n = np.arange(1, len(pmf))
    return lambda t: pmf[0] + pmf[1:] @ sp.betainc(p * n, p * x + q, t / (t + v + x * m))


def lognormal_cdf(pmf, mean, sd):
    """The same where a customer's purchases are all alike, and their log Normal(mean, sd)."""
    n = np.arange(1, len(pmf))
    return lambda t: pmf[0] + (pmf[1:] @ sp.ndtr((np.log(t / n) - mean) / sd) if t > 0 else 0)


def crps_of(cdf, y, top):
    """Straight from its definition."""
    below = integrate.quad(lambda t: cdf(t) ** 2, 0, y, limit=200)[0] if y > 0 else 0.0
    knots = np.geomspace(max(y, 1.0), top, 24).tolist()
    ends = zip([y, *knots], knots, strict=False)
    return below + sum(integrate.quad(lambda t: (1 - cdf(t)) ** 2, a, b)[0] for a, b in ends)


def check(found, row, cdf, y, top=1e5):
    # 20,000 draws tell probabilities to 0.0035 (one sd, and only of those who buy), thus amounts
    # to about 1 % and scores to less
    assert found.crps[row] == pytest.approx(crps_of(cdf, y, top), rel=0.02)
    assert found.pit_hi[row] == pytest.approx(cdf(y), abs=0.012)
    assert found.pit_lo[row] == pytest.approx(cdf(y) if y > 0 else 0.0, abs=0.012)
    for end, tail in ((found.lo, 0.05), (found.hi, 0.95)):
        if cdf(0.0) < tail:
            assert cdf(end[row]) == pytest.approx(tail, abs=0.005)
        else:
            assert end[row] == 0
    inside = cdf(found.hi[row]) - (cdf(found.lo[row]) if found.lo[row] > 0 else 0)
    assert found.probability[row] == pytest.approx(inside, abs=0.008)


@pytest.mark.parametrize("row", range(len(X)))
def test_gamma_gamma_against_its_mixture(row):
    data = customers()
    cdf = gamma_gamma_cdf(pmf_of(data, row), X[row], M[row], **TRUE)
    check(scores(GG), row, cdf, Y[row])


@pytest.mark.parametrize("row", [0, 4])
def test_lognormal_against_its_mixture(row):
    """Purchases of a customer all but alike: given n, the log of revenue is normal."""
    spend = clv.LognormalNormalModel().with_params(median=26.8, sigma=1e-4, tau=0.5)
    cdf = lognormal_cdf(pmf_of(customers(), row), np.log(26.8), 0.5)
    check(scores(spend), row, cdf, Y[row])


@pytest.mark.parametrize("row", [0, 1])
def test_lognormal_against_purchases_drawn_one_by_one(row):
    """The level of a customer's logs is normal: of the population, or given one purchase."""
    sigma, tau, median = (LN.params[name] for name in ("sigma", "tau", "median"))
    rng, pmf, size = np.random.default_rng(5), pmf_of(customers(), row), 100_000
    own = tau**2 / (tau**2 + sigma**2) if X[row] else 0.0
    centre = np.log(median) + own * (np.log(M[row] / median) if X[row] else 0.0)
    mu = rng.normal(centre, np.sqrt((1 - own) * tau**2), size)
    n = rng.choice(len(pmf), size, p=pmf / pmf.sum())
    revenue = np.bincount(
        np.repeat(np.arange(size), n), np.exp(rng.normal(np.repeat(mu, n), sigma)), minlength=size
    )
    for y in (5.0, 20.0, 60.0, 200.0):
        pit = scores(LN, y=np.full(len(X), y)).pit_hi[row]
        assert pit == pytest.approx((revenue <= y).mean(), abs=0.012)
    found = scores(LN)
    lesser = np.minimum(revenue[::2], revenue[1::2]).mean()
    by_hand = Y[row] - 2 * np.minimum(revenue, Y[row]).mean() + lesser
    assert found.crps[row] == pytest.approx(by_hand, rel=0.03)
    if found.hi[row] > 0:
        assert (revenue <= found.hi[row]).mean() == pytest.approx(0.95, abs=0.006)


@pytest.mark.parametrize("spend", [GG, LN], ids=["Gamma-Gamma", "lognormal-normal"])
def test_mean_is_purchases_times_spend(spend):
    """For y beyond all draws, |X - y| is y - X: scores there and at 0 give the mean away."""
    data, far = clv.datasets.load_cdnow_summary(), 1e9
    at = [scores(spend, data, np.full(len(data), y), draws=400).crps for y in (0.0, far)]
    mean = (far - at[1] + at[0]) / 2
    expected = BG.expected_purchases(data, HORIZON) * spend.expected_spend(data)
    # revenue has a coefficient of variation about 3; one-time buyers of a day share 400 draws
    assert mean.sum() == pytest.approx(expected.sum(), rel=0.01)
    busy = data.frequency > 3
    assert mean[busy].sum() == pytest.approx(expected[busy].sum(), rel=0.01)


@pytest.mark.parametrize("level", [0.5, 0.9])
@pytest.mark.parametrize("spend", [GG, LN], ids=["Gamma-Gamma", "lognormal-normal"])
def test_what_the_model_itself_draws_is_calibrated(spend, level):
    data = BG.simulate(4000, HORIZON, seed=1)
    x = data.frequency
    rng = np.random.default_rng(2)
    made = BG.simulate_purchases(data, HORIZON, draws=1, seed=2)[0]
    # the past and the future of each customer, at one level of spend
    if spend is GG:
        nu = rng.gamma(TRUE["q"], 1 / TRUE["v"], len(x))
        past, future = (rng.gamma(TRUE["p"] * n, 1 / nu) for n in (np.maximum(x, 1), made))
        m = past / np.maximum(x, 1)
    else:
        mu = np.log(26.8) + 0.5 * rng.standard_normal(len(x))
        m, future = (
            np.bincount(
                np.repeat(np.arange(len(x)), n),
                np.exp(np.repeat(mu, n) + 0.6 * rng.standard_normal(n.sum())),
                minlength=len(x),
            )
            for n in (x.astype(int), made.astype(int))
        )
        m = m / np.maximum(x, 1)
    data = clv.RFMSummary.from_arrays(
        x, data.recency, data.T, time_unit="week", monetary_value=np.where(x > 0, m, 0)
    )
    found = scores(spend, data, future, level, draws=200)
    inside = ((found.lo <= future) & (future <= found.hi)).mean()
    error = np.sqrt((found.probability * (1 - found.probability)).sum()) / len(x)
    assert inside == pytest.approx(found.probability.mean(), abs=3 * error)
    share = pit_histogram(found.pit_lo, found.pit_hi)["share"].to_numpy()
    assert np.abs(share - 0.1).max() < 3.5 * np.sqrt(0.09 / len(x))
    # proper: the truth is better than what it expects, told as if certain
    expected = BG.expected_purchases(data, HORIZON) * spend.expected_spend(data)
    gain = np.abs(future - expected) - found.crps
    assert gain.mean() > 3 * gain.std() / np.sqrt(len(x))


def test_currency_and_unit_of_time_do_not_matter():
    found = scores(GG, draws=400)
    pence = scores(
        clv.GammaGammaModel().with_params(**{**TRUE, "v": 100 * TRUE["v"]}),
        customers(m=100 * M), 100 * Y, draws=400,
    )  # fmt: skip
    for name in ("crps", "lo", "hi"):
        assert getattr(pence, name) == pytest.approx(100 * getattr(found, name), rel=1e-9)
    assert pence.pit_hi == pytest.approx(found.pit_hi, abs=1e-12)
    days = scores(GG, customers(t_x=7 * T_X, T=7 * T, time_unit="day"), draws=400)
    assert days.crps == pytest.approx(found.crps, rel=1e-9)
    assert days.hi == pytest.approx(found.hi, rel=1e-9)


def test_no_mean_is_needed():
    """q = 0.79: the population has no mean spend, but every quantile, and a score."""
    params = {**TRUE, "q": 0.79}
    spend, data = clv.GammaGammaModel().with_params(**params), customers()
    found = scores(spend)
    for row in (0, 1, 4):
        cdf = gamma_gamma_cdf(pmf_of(data, row), X[row], M[row], **params)
        assert found.pit_hi[row] == pytest.approx(cdf(Y[row]), abs=0.012)
        assert cdf(found.hi[row]) == pytest.approx(max(0.95, cdf(0.0)), abs=0.005)
        # 1 - F falls like t^-0.79: its square has an integral, told by draws to a few percent
        assert found.crps[row] == pytest.approx(crps_of(cdf, Y[row], 1e12), rel=0.05)
    nonsense = clv.GammaGammaModel().with_params(p=0.001, q=0.001, v=1e6)
    with np.errstate(all="raise"):
        assert all(np.isfinite(values).all() for values in scores(nonsense, draws=100))


def test_refunds_may_outweigh_purchases():
    """Below 0 nothing is expected: each unit further down costs one."""
    debt = [scores(GG, y=np.full(len(X), y), draws=400) for y in (-10.0, 0.0)]
    assert debt[0].crps == pytest.approx(debt[1].crps + 10, rel=1e-9)
    assert (debt[0].pit_hi == 0).all()


def test_customers_of_whom_the_same_is_known_share_their_draws():
    rows = np.array([0, 1, 2, 1, 0, 3, 4, 2])
    data = customers(*(values[rows] for values in (X, T_X, T, M)))
    counts = CountDistribution.of(BG, data, HORIZON)
    found = RevenueDistribution.of(counts, GG, data)
    assert len(found.known) == 5
    twice = found.held_against(Y[rows], 0.9)
    once = scores(GG, draws=200, seed=0)
    for name in ("crps", "lo", "hi", "pit_lo", "pit_hi"):
        assert getattr(twice, name).tolist() == getattr(once, name)[rows].tolist()


def test_many_customers_are_taken_a_block_at_a_time():
    many = [np.tile(values, 800) for values in (X, T_X, T, M, Y)]
    found = scores(GG, customers(*many[:4]), many[4], draws=200)
    few = scores(GG, draws=200)
    assert found.crps.tolist() == np.tile(few.crps, 800).tolist()
    # all but alike, so that nearly everybody has draws of his own
    apart = customers(*many[:3], m=many[3] * (1 + 1e-9 * np.arange(4000)))
    found = scores(GG, apart, many[4], draws=200)
    for name in ("crps", "hi"):
        mean = getattr(found, name).reshape(800, 5).mean(axis=0)
        # 160,000 draws are quiet; those of five rows, of 200 each, are not
        assert mean == pytest.approx(getattr(few, name), rel=0.2)


def test_uninformative_values_are_those_of_the_population():
    """Refunds that outweigh purchases (net value below 0) say nothing of spend."""
    data = customers([1, 1], [20.0, 20.0], [30.0, 30.0], [-5.0, 0.0])
    found = scores(LN, data, [10.0, 10.0], draws=400)
    assert found.crps[0] == found.crps[1]


def test_a_posterior_is_averaged_over_its_draws():
    """Two equally probable populations: the mixture of both."""
    values = {"p": (6.25, 6.25), "q": (3.74, 9.0), "v": (15.44, 400.0)}
    point = {name: np.array(two)[:, None] for name, two in values.items()}
    spend = FittedSpend(Estimate(method="given", point=point), clv.GammaGammaModel())
    pmf = pmf_of(customers(), 4)
    cdfs = [gamma_gamma_cdf(pmf, 0, 0, *three) for three in zip(*values.values(), strict=True)]
    check(scores(spend), 4, lambda t: np.mean([cdf(t) for cdf in cdfs]), Y[4], 1e6)


def test_groups_have_parameters_of_their_own():
    # the typical group, a, b, and one not seen
    point = {
        "p": np.array([[6.25, 6.25, 3.0, 6.25]]),
        "q": np.array([[3.74, 3.74, 6.0, 3.74]]),
        "v": np.array([[15.44, 15.44, 900.0, 15.44]]),
    }
    groups = Groups(("shop",), (("a",), ("b",)), (1.0, 1.0))
    spend = FittedSpend(Estimate(method="given", point=point), clv.GammaGammaModel(), None, groups)
    data = customers().with_column("shop", ["a", "b", "a", "b", "b"])
    found = scores(spend, data)
    for row, (p, q, v) in ((0, (6.25, 3.74, 15.44)), (1, (3.0, 6.0, 900.0)), (4, (3, 6, 900))):
        check(found, row, gamma_gamma_cdf(pmf_of(data, row), X[row], M[row], p, q, v), Y[row], 1e6)


def test_covariates_move_the_scale_of_spend():
    rng = np.random.default_rng(0)
    income = rng.choice([0.0, 1.0], 600)
    x = rng.geometric(0.4, 600).astype(float)
    m = GG.simulate(x, 0) * 3**income
    data = clv.RFMSummary.from_arrays(
        x, np.full(600, 20.0), np.full(600, 40.0), time_unit="week", monetary_value=m
    ).with_column("income", income)
    fit = clv.GammaGammaModel(covariates=clv.Covariates(spend=("income",))).fit(data)
    some = customers().with_column("income", [0.0, 1.0, 1.0, 0.0, 1.0])
    found = scores(fit, some)
    effect = fit.params["spend:income"]
    p, q, v = (fit.params[name] for name in "pqv")
    (mean,), (sd,) = fit.design.means, fit.design.sds
    for row in (0, 1, 4):
        own = v * effect ** ((some.column("income")[row] - mean) / sd)
        check(found, row, gamma_gamma_cdf(pmf_of(some, row), X[row], M[row], p, q, own), Y[row])


def test_opportunities_have_revenue_too():
    # Fader, Hardie and Shang (2010), table 4
    params = {"alpha": 1.204, "beta": 0.750, "gamma": 0.657, "delta": 2.783, "every": "1 year"}
    fit = clv.BetaGeoBetaBinomModel().with_params(**params)
    data = clv.OpportunitySummary(
        customer_id=[1, 2], frequency=[0, 3], recency=[0, 5], opportunities=[6, 6],
        every="1 year", monetary_value=[0.0, 31.0],
    )  # fmt: skip
    counts = CountDistribution.of(fit, data, "5 years")
    found = RevenueDistribution.of(counts, GG, data, DRAWS).held_against([20.0, 20.0], 0.9)
    for row in (0, 1):
        pmf = np.array([fit.purchase_pmf(data, n, "5 years")[row] for n in range(6)])
        x, m = data.frequency[row], data.monetary_value[row]
        check(found, row, gamma_gamma_cdf(pmf, x, m, **TRUE), 20.0)


def test_whom_nothing_is_expected_of():
    data = customers([0], [0.0], [38.0], [0.0])
    nothing = RevenueDistribution.of(CountDistribution.poisson([0.0]), GG, data)
    found = nothing.held_against([7.0], 0.9)
    assert (found.crps[0], found.lo[0], found.hi[0], found.probability[0]) == (7, 0, 0, 1)


@pytest.mark.parametrize("revenue", [Y[:2], [np.nan, 0, 0, 0, 0]])
def test_revenue_is_one_finite_amount_per_customer(revenue):
    with pytest.raises(DataError, match="one finite amount for each of the 5 customers"):
        scores(GG, y=revenue)


def test_what_cannot_be_is_refused():
    with pytest.raises(ParameterError):
        scores(GG, level=90, draws=200)
    with pytest.raises(ParameterError, match="even"):
        scores(GG, draws=201)
    counts = CountDistribution.of(BG, customers(), HORIZON)
    with pytest.raises(DataError, match="has 2"):
        RevenueDistribution.of(counts, GG, customers().select([0, 1]))
    poor = clv.RFMSummary.from_arrays(X, T_X, T, time_unit="week")
    with pytest.raises(DataError, match="monetary_value"):
        RevenueDistribution.of(counts, GG, poor)


def test_kernels_draw_from_the_posterior_of_a_customers_spend():
    """Kolmogorov-Smirnov, 1 in 1,000: exact laws of further purchases given x = 1 of mean m."""
    rng, n = np.random.default_rng(7), np.full((5000, 1), 3.0)
    x, m = np.array([1.0]), np.array([80.0])
    spent = 3 * GG.model.simulate_further(n, x, m, rng, GG.estimate.point)[:, 0]
    p, q, v = TRUE.values()
    assert stats.kstest(spent / (spent + v + 80), stats.beta(3 * p, p + q).cdf).pvalue > 1e-3
    one = LN.model.simulate_further(n / 3, x, m, rng, LN.estimate.point)[:, 0]
    own = 0.5**2 / (0.5**2 + 0.6**2)
    mean = np.log(26.8) + own * np.log(80 / 26.8)
    sd = np.sqrt(own * 0.6**2 + 0.6**2)
    assert stats.kstest(np.log(one), stats.norm(mean, sd).cdf).pvalue > 1e-3


@pytest.mark.parametrize("spend", [GG, LN], ids=["Gamma-Gamma", "lognormal-normal"])
def test_further_purchases_have_the_mean_that_is_expected(spend):
    x, m = np.array([0.0, 1.0, 2.0, 29.0]), np.array([0.0, 31.5, 22.35, 60.0])
    n = np.tile([[1.0], [4.0]], (20_000, 4))
    drawn = spend.model.simulate_further(n, x, m, np.random.default_rng(3), spend.estimate.point)
    expected = spend.model.expected_spend(x, m, spend.estimate.point)[0]
    assert np.abs(drawn.mean(axis=0) - expected).max() < 4 * (drawn.std(axis=0) / 200).max()
    none = spend.model.simulate_further(
        np.zeros((1, 4)), x, m, np.random.default_rng(3), spend.estimate.point
    )
    assert np.isnan(none).all()

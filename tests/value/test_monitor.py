"""Early warnings: how rare a silence is, what it says of the value, and who is warned of."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import betaln
from scipy.stats import nbinom

from clvmodels.bayes.laplace import Laplace
from clvmodels.data.calendar import CalendarIndex
from clvmodels.data.datasets import load_cdnow, load_cdnow_summary
from clvmodels.data.summary import RFMSummary
from clvmodels.data.transactions import rfm_summary
from clvmodels.exceptions import ParameterError
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.beta_geo_cnbd import BetaGeoCNBDModel
from clvmodels.models.covariates import Covariates
from clvmodels.models.gamma_gamma import GammaGammaModel
from clvmodels.models.ggompertz_nbd import GGompertzNBDModel
from clvmodels.models.modified_beta_geo import ModifiedBetaGeoModel
from clvmodels.models.modified_beta_geo_cnbd import ModifiedBetaGeoCNBDModel
from clvmodels.models.nbd import NBDModel
from clvmodels.models.pareto_nbd import ParetoNBDModel
from clvmodels.units import DiscountRate
from clvmodels.value.clv import CLVModel
from clvmodels.value.monitor import early_warnings


def valued(model, data):
    rate = DiscountRate(0.10, per="year")
    return CLVModel(model, GammaGammaModel(), discount=rate, margin=0.3).fit(data)


@pytest.fixture(scope="module")
def rfm():
    return load_cdnow_summary()


@pytest.fixture(scope="module")
def pareto(rfm):
    return valued(ParetoNBDModel(), rfm)


def test_value_lost_to_silence_is_the_difference_to_a_purchase_made_just_now(rfm, pareto):
    found = early_warnings(pareto, rfm, "12 months")
    first = found.iloc[0]
    row = int(np.flatnonzero(rfm.customer_id == first["customer_id"])[0])
    one = rfm.select([row])
    now = pareto.clv(one, "12 months")[0]
    fresh = RFMSummary.from_arrays(
        one.frequency, one.T, one.T, time_unit="week", monetary_value=one.monetary_value
    )
    then = pareto.clv(fresh, "12 months")[0]
    assert first["value"] == pytest.approx(now)
    assert first["value_if_recent"] == pytest.approx(then)
    assert first["value_lost_to_silence"] == pytest.approx(then - now)
    assert first["silence"] == one.T[0] - one.recency[0]
    assert first["usual_interval"] == one.recency[0] / one.frequency[0]
    np.testing.assert_array_equal(found["overdue"], found["p_silence"] <= 0.1)
    assert 0 < found["overdue"].mean() < 1


def chances(fit, x, t_x, T):
    """p_silence of some histories, in their order, whatever their P(alive)."""
    data = RFMSummary.from_arrays(x, t_x, T, time_unit="week", monetary_value=np.full(len(x), 20.0))
    return chances_of(fit, data)


def chances_of(fit, data):
    spend = GammaGammaModel().with_params(p=6.25, q=3.74, v=15.44)
    value = CLVModel(fit, spend, discount=DiscountRate(0.1, "year")).fit(data)
    found = early_warnings(value, data, "2 weeks", lost=0).set_index("customer_id")
    return found.loc[data.customer_id, "p_silence"].to_numpy()


X, T_X, AGE = [1, 2, 7, 40, 3], [1.7, 30.4, 20.0, 25.0, 38.9], [38.9, 38.9, 35.0, 30.0, 38.9]
TIMES = {"r": 0.55, "alpha": 10.6}


@pytest.mark.parametrize(
    "fit",
    [
        NBDModel().with_params(**TIMES, time_unit="week"),
        ParetoNBDModel().with_params(**TIMES, s=0.61, beta=11.7, time_unit="week"),
        GGompertzNBDModel().with_params(**TIMES, b=0.02, s=0.6, beta=1.1, time_unit="week"),
    ],
    ids=["nbd", "pareto", "ggompertz"],
)
def test_where_purchases_tell_nothing_of_dropout(fit):
    # gamma rates given x purchases until t_x: E exp(-rate (T - t_x))
    x, t_x, T = map(np.array, (X, T_X, AGE))
    expected = ((10.6 + t_x) / (10.6 + T)) ** (0.55 + x)
    assert chances(fit, X, T_X, AGE) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize(
    ("model", "d", "k"),
    [
        (BetaGeoModel(), 0, 1),
        (ModifiedBetaGeoModel(), 1, 1),
        (BetaGeoCNBDModel(k=2), 0, 2),
        (ModifiedBetaGeoCNBDModel(k=3), 1, 3),
    ],
)
def test_where_customers_leave_at_purchases(model, d, k):
    # the definition by quadrature: rate and p as known at t_x of who stayed there; of who is active
    # at T, those without k events since t_x, over those who survived every k-th event
    r, alpha, a, b = 0.55, 10.6, 0.8, 2.4
    fit = model.with_params(r=r, alpha=alpha, a=a, b=b, time_unit="week")
    n = np.arange(2000)
    for x, t_x, T, got in zip(X, T_X, AGE, chances(fit, X, T_X, AGE), strict=True):
        events = nbinom(r + k * x, (alpha + t_x) / (alpha + T)).pmf(n)
        done = n // k  # purchases since t_x, each of which E(1 - p)^done survive
        stayed = np.exp(betaln(a, b + d + x + done) - betaln(a, b + d + x))
        assert got == pytest.approx(events[:k].sum() / (events @ stayed), rel=1e-6)


def test_a_purchase_made_just_now_is_no_silence(pareto):
    fits = [pareto.purchases, BetaGeoCNBDModel(k=2).with_params(
        r=0.5, alpha=5.0, a=0.8, b=2.4, time_unit="week")]  # fmt: skip
    for fit in fits:
        assert chances(fit, [1, 9], [3.0, 30.0], [3.0, 30.0]) == pytest.approx(1)


def test_a_silence_of_ages_is_no_longer_than_floats(pareto):
    for fit in (
        pareto.purchases,
        GGompertzNBDModel().with_params(**TIMES, b=0.5, s=0.6, beta=1.1, time_unit="week"),
        BetaGeoModel().with_params(r=0.5, alpha=5.0, a=0.8, b=2.4, time_unit="week"),
    ):
        found = chances(fit, [1, 300], [1.0, 50.0], [1e5, 1e5])
        assert ((found >= 0) & (found < 1e-3)).all()


def test_draws_of_a_posterior_are_averaged(rfm):
    fit = NBDModel().fit(rfm, Laplace(draws=50, seed=1))
    r, alpha = (fit.estimate.point[name] for name in ("r", "alpha"))
    assert len(r) == 50
    x, t_x, T = map(np.array, (X, T_X, AGE))
    expected = (((alpha + t_x) / (alpha + T)) ** (r + x)).mean(axis=0)
    assert chances(fit, X, T_X, AGE) == pytest.approx(expected)


def test_covariates_move_the_rate(rfm):
    rng = np.random.default_rng(1)
    data = replace(rfm, columns={"loud": rng.normal(size=len(rfm))})
    fit = ParetoNBDModel(covariates=Covariates(purchase="loud")).fit(data)
    some = data.select(np.flatnonzero(rfm.frequency > 0)[:50])
    p = chances_of(fit, some)
    low = replace(some, columns={"loud": some.column("loud") - 3.0})
    effect = np.log(fit.params["purchase:loud"])  # a factor
    silent = some.recency < some.T
    assert (np.sign(chances_of(fit, low) - p) == np.sign(effect))[silent].all()


def test_silence_counts_in_operational_time():
    december = CalendarIndex.monthly({**dict.fromkeys(range(1, 12), 0.8), 12: 3.2})
    log = load_cdnow(sample=True)
    data = rfm_summary(
        log, time_unit="week", value="value", observation_end="1998-02-15", calendar=december
    )
    fit = NBDModel().fit(data)
    some = data.select(np.flatnonzero(data.frequency > 0)[:50])
    r, alpha = fit.params["r"], fit.params["alpha"]
    expected = ((alpha + some.recency) / (alpha + some.T)) ** (r + some.frequency)
    assert chances_of(fit, some) == pytest.approx(expected)


@pytest.mark.parametrize(
    "fit",
    [
        NBDModel().with_params(r=0.385, alpha=12.07, time_unit="week"),
        ParetoNBDModel().with_params(r=0.553, alpha=10.58, s=0.606, beta=11.67, time_unit="week"),
        BetaGeoModel().with_params(r=0.243, alpha=4.414, a=0.793, b=2.426, time_unit="week"),
        ModifiedBetaGeoModel().with_params(
            r=0.525, alpha=6.183, a=0.891, b=1.614, time_unit="week"
        ),
        GGompertzNBDModel().with_params(
            r=0.553, alpha=10.58, b=0.01, s=0.6, beta=0.5, time_unit="week"
        ),
        BetaGeoCNBDModel(k=2).with_params(r=0.5, alpha=5.0, a=0.8, b=2.4, time_unit="week"),
    ],
    ids=["nbd", "pareto", "bg", "mbg", "ggompertz", "bg_cnbd"],
)
@pytest.mark.parametrize("age", [20, 78])
def test_of_those_still_active_few_are_flagged(fit, age):
    data = fit.simulate(8_000, f"{age} weeks", seed=1)
    data = data.select(data.frequency > 0)
    data = replace(data, monetary_value=np.full(len(data), 20.0))
    alive = fit.probability_alive(data)  # how many of such customers still are
    for nominal in (0.05, 0.1, 0.2):
        flagged = chances_of(fit, data) <= nominal
        # seen at one date, long silences are met more often than they occur; two standard errors
        assert (alive @ flagged) / alive.sum() < 1.15 * nominal + 2 * 0.5 / np.sqrt(alive.sum())


def test_of_customers_who_came_back_few_had_been_flagged():
    # full CDNOW, 39 weeks: whoever bought after them was surely active at their end
    log = load_cdnow()
    data = rfm_summary(log, time_unit="week", value="value", observation_end="1997-09-30")
    data = data.select(data.frequency > 0)
    after = log["customer_id"][log["date"] > "1997-09-30"].unique()
    active = np.isin(data.customer_id, after)
    fit = ParetoNBDModel().with_params(r=0.553, alpha=10.58, s=0.606, beta=11.67, time_unit="week")
    flagged = chances_of(fit, data) <= 0.1
    assert flagged[active].mean() < 0.1
    for least, most in ((2, 3), (4, 7), (8, np.inf)):
        some = (data.frequency >= least) & (data.frequency <= most)
        assert flagged[some & ~active].mean() > 2.5 * flagged[some & active].mean()


def test_most_lost_first_and_one_time_buyers_left_out(rfm, pareto):
    found = early_warnings(pareto, rfm)
    assert found["value_lost_to_silence"].is_monotonic_decreasing
    assert (found["value_lost_to_silence"] >= -1e-9).all()  # P(alive) never rises with silence
    assert (found["frequency"] > 0).all()
    assert found["p_alive"].min() >= 0.3
    assert found.attrs["model"] == "Pareto/NBD"


def test_zero_keeps_the_lost(rfm, pareto):
    assert len(early_warnings(pareto, rfm, "1 month", lost=0)) == (rfm.frequency > 0).sum()
    assert (early_warnings(pareto, rfm, "1 month", lost=1)["p_alive"] == 1).all()


def test_silence_costs_nothing_where_nobody_leaves(rfm):
    # of the NBD, recency tells nothing
    found = early_warnings(valued(NBDModel(), rfm), rfm, "12 months")
    assert found["value_lost_to_silence"].to_numpy() == pytest.approx(0, abs=1e-9)


def test_days_and_weeks_agree(rfm):
    in_days = replace(rfm, recency=rfm.recency * 7, T=rfm.T * 7, time_unit="day")
    weeks = early_warnings(valued(BetaGeoModel(), rfm), rfm)
    days = early_warnings(valued(BetaGeoModel(), in_days), in_days)
    # two maxima, each found to about 1e-8
    for name in ("value_lost_to_silence", "p_silence"):
        assert days[name].to_numpy() == pytest.approx(weeks[name].to_numpy(), rel=1e-4)
    assert days["silence"][0] == pytest.approx(7 * weeks["silence"][0])


def test_regular_timing_stays_regular(rfm):
    log = load_cdnow(sample=True)
    data = rfm_summary(
        log, time_unit="week", value="value", observation_end="1997-09-30", litt=True
    )
    found = early_warnings(valued(ModifiedBetaGeoCNBDModel(k=2), data), data, "12 months")
    assert np.isfinite(found[["value", "value_if_recent"]].to_numpy()).all()


def test_no_row_where_nobody_is_left_to_warn_of(rfm, pareto):
    # all came in the first months of a year, and never again
    long_gone = replace(rfm, T=rfm.T + 500)
    found = early_warnings(pareto, long_gone)
    assert found.empty
    assert found.columns.tolist() == early_warnings(pareto, rfm).columns.tolist()
    assert found.dtypes.tolist() == early_warnings(pareto, rfm).dtypes.tolist()
    assert found.attrs["model"] == "Pareto/NBD"
    once = rfm.select(rfm.frequency == 0)
    assert early_warnings(pareto, once, lost=0).empty


def test_a_rarer_silence_may_be_asked_for(rfm, pareto):
    strict = early_warnings(pareto, rfm, "1 month", overdue=0.05)
    np.testing.assert_array_equal(strict["overdue"], strict["p_silence"] <= 0.05)
    assert not early_warnings(pareto, rfm, "1 month", overdue=0)["overdue"].any()
    assert early_warnings(pareto, rfm, "1 month", overdue=1)["overdue"].all()


@pytest.mark.parametrize("name", ["lost", "overdue"])
@pytest.mark.parametrize("limit", [-0.1, 1.1, float("nan")])
def test_a_threshold_is_a_probability(rfm, pareto, name, limit):
    with pytest.raises(ParameterError, match=f"{name} is a probability"):
        early_warnings(pareto, rfm, **{name: limit})

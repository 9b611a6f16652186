"""Leave-one-out by importance sampling: against ArviZ, and against fitting without a customer."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

import clvmodels as clv
from clvmodels.evaluation.loo import loo
from clvmodels.exceptions import DataError, FitError
from clvmodels.inference.groups import group_of

# 1600 draws: a tail of 120, whole, which ArviZ 0.x and 1.x round alike; not resampled: 1.x counts
# ties at the cutoff to the tail
LAPLACE = clv.Laplace(draws=1600, psis=False, seed=3)
YEARLY = [1000, 631, 468, 382, 326]  # Fader and Hardie (2007), table 1: the Regular segment


@pytest.fixture(scope="module")
def rfm():
    return clv.datasets.load_cdnow_summary()


@pytest.fixture(scope="module")
def some(rfm):
    return rfm.select(np.arange(400))


@pytest.fixture(scope="module")
def fits(some):
    models = (clv.BetaGeoModel(), clv.NBDModel())
    return {model.title: model.fit(some, LAPLACE) for model in models}


def log_lik_by_customer(fit, data):
    """The likelihood of every customer at every draw, customer by customer and not by history."""
    x, t_x, T = (v[None, :] for v in (data.frequency, data.recency, data.T))
    return fit.model.kernel.loglik(x, t_x, T, **fit.estimate.point)


def arviz_loo(log_lik):
    """elpd, se, p_loo, pointwise values and k-hats of a matrix (draws, customers)."""
    if importlib.util.find_spec("arviz_stats") is None:
        az = pytest.importorskip("arviz")
        data = az.from_dict(
            posterior={"nothing": np.zeros((1, len(log_lik)))}, log_likelihood={"y": log_lik[None]}
        )
        found = az.loo(data, pointwise=True, reff=1.0)
        n = log_lik.shape[1]
        se = found.se * np.sqrt(n / (n - 1))  # 0.x divides the variance by n, as 1.x does not
        return found.elpd_loo, se, found.p_loo, found.loo_i.values, found.pareto_k.values
    from arviz_base import from_dict
    from arviz_stats import loo as theirs

    data = from_dict(
        {
            "posterior": {"nothing": np.zeros((1, len(log_lik)))},
            "log_likelihood": {"y": log_lik[None]},
        }
    )
    found = theirs(data, pointwise=True, reff=1.0)
    return found.elpd, found.se, found.p, found.elpd_i.values, found.pareto_k.values


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of ArviZ's own dependencies
def test_equals_arviz_on_the_matrix_of_all_customers(fits, some):
    fit = fits["BG/NBD"]
    found = loo(fit, some)
    elpd, se, p, pointwise, k = arviz_loo(log_lik_by_customer(fit, some))
    assert found.elpd == pytest.approx(elpd, rel=1e-10)
    assert found.se == pytest.approx(se, rel=1e-8)
    assert found.p_loo == pytest.approx(p, rel=1e-6)  # a small difference of large numbers
    np.testing.assert_allclose(found.pointwise, pointwise, atol=1e-8)
    np.testing.assert_allclose(found.pareto_k, k, atol=1e-8)


def test_leaving_a_customer_out_is_fitting_without_it(some):
    """The predictive density of a customer under a fit to all others, which has other draws."""
    found = loo(clv.BetaGeoModel().fit(some, clv.Laplace(draws=16_000, seed=3)), some)
    busy = int(np.argmax(some.frequency))
    rest = some.select(np.arange(len(some)) != busy)
    others = clv.BetaGeoModel().fit(rest, clv.Laplace(draws=16_000, seed=8))
    density = np.exp(log_lik_by_customer(others, some.select(np.array([busy])))).mean()
    # the mean density over the draws is known to 1 % here, and so is the weighted one
    assert found.pointwise[busy] == pytest.approx(np.log(density), abs=0.04)
    assert found.gain[busy] > 0


def test_one_of_twins_is_left_out_not_both(fits, some):
    twins = replace(some, weight=np.full(len(some), 2.0))
    fit = clv.BetaGeoModel().fit(twins, LAPLACE)
    found = loo(fit, twins)
    each = fit.model.kernel.loglik(some.frequency, some.recency, some.T, **fit.estimate.point)
    pointwise = loo_of(each)
    n = 2 * len(some)
    assert found.elpd == pytest.approx(2 * pointwise.sum(), rel=1e-10)
    assert found.se == pytest.approx(np.sqrt(n * np.tile(pointwise, 2).var(ddof=1)), rel=1e-8)
    assert len(found.pointwise) == len(some)


def loo_of(log_lik):
    from scipy.special import logsumexp

    from clvmodels.inference.psis import smoothed

    return logsumexp(smoothed(-log_lik)[0] + log_lik, axis=0)


def test_every_role_has_it(rfm):
    table = clv.RetentionTable.from_survivors(YEARLY, period="1 year")
    cases = [
        (clv.GammaGammaModel(), rfm, 946),
        (clv.LognormalNormalModel(), rfm, 946),
        (clv.ShiftedBetaGeoModel(), table, 1000),
        (clv.GeometricRetentionModel(), table, 1000),
    ]
    for model, data, customers in cases:
        fit = model.fit(data, clv.Laplace(draws=400, seed=1))
        found = loo(fit, data)
        assert found.weight.sum() == customers
        assert np.isfinite(found.pointwise).all()
        # a well-fitting model has about as many effective parameters as parameters
        assert 0.3 * len(fit.params) < found.p_loo < 2 * len(fit.params)
        assert found.elpd == pytest.approx(fit.loglik - found.p_loo, abs=5)


def test_finite_for_extreme_customers(some):
    """A customer who bought 1,500 times and died, one of a thousand years, one of today."""
    odd = clv.RFMSummary.from_arrays(
        np.append(some.frequency, [1500, 1, 0]), np.append(some.recency, [20.0, 1e-6, 0]),
        np.append(some.T, [40.0, 50_000.0, 0]), time_unit="week",
    )  # fmt: skip
    for model in (clv.BetaGeoModel(), clv.ParetoNBDModel(), clv.NBDModel()):
        fit = model.fit(odd, clv.Laplace(draws=400, psis=False))
        found = loo(fit, odd)
        assert np.isfinite(found.pointwise).all()
        assert not np.isnan(found.pareto_k).any()
        # the one that no other customer is like moves the posterior too far
        assert 400 in found.bad
        assert "unreliable" in repr(found)


def test_times_between_purchases_are_each_customers_own():
    log = clv.datasets.load_cdnow(sample=True)
    timed = clv.rfm_summary(log, time_unit="week", observation_end="1997-09-30", litt=True)
    timed = timed.select(np.argsort(timed.frequency)[-300:])
    # the same history twice, with other times between
    twice = clv.RFMSummary.from_arrays(
        np.tile(timed.frequency, 2), np.tile(timed.recency, 2), np.tile(timed.T, 2),
        time_unit="week", litt=np.append(timed.litt, timed.litt - 0.5 * (timed.frequency > 1)),
    )  # fmt: skip
    with pytest.warns(clv.exceptions.DataWarning, match="repeat purchases"):
        fit = clv.BetaGeoCNBDModel(k=2).fit(twice, clv.Laplace(draws=200, psis=False))
    found = loo(fit, twice)
    x, t_x, T, litt = (v[None, :] for v in (twice.frequency, twice.recency, twice.T, twice.litt))
    kernel = fit.model.kernel
    np.testing.assert_allclose(
        found.pointwise, loo_of(kernel.loglik(x, t_x, T, litt, **fit.estimate.point)), atol=1e-8
    )


def test_groups_have_their_own_parameters(some):
    segment = np.where(np.arange(len(some)) % 3 == 0, "a", "b")
    grouped = some.with_column("segment", segment)
    method = clv.MCMC(draws=60, chains=1, tune=60, groups="segment", progress=False)
    with pytest.warns(clv.exceptions.FitWarning):  # so few draws are not to be relied on
        fit = clv.NBDModel().fit(grouped, method)
    found = loo(fit, grouped)
    own = group_of(fit.estimate.point, np.where(segment == "a", 1, 2))
    log_lik = fit.model.kernel.loglik(some.frequency, some.recency, some.T, **own)
    np.testing.assert_allclose(found.pointwise, loo_of(log_lik), atol=1e-8)


def test_a_fit_from_a_file_has_it(fits, some, tmp_path):
    fits["BG/NBD"].save(tmp_path / "fit.json")
    again = clv.load(tmp_path / "fit.json")
    assert loo(again, some).elpd == pytest.approx(loo(fits["BG/NBD"], some).elpd, rel=1e-12)


def test_what_it_needs_is_told(fits, some, rfm):
    with pytest.raises(FitError, match=r"draws of the posterior, which MLE"):
        loo(clv.NBDModel().fit(some), some)
    with pytest.raises(DataError, match="other data"):
        loo(fits["NBD"], rfm)


def test_comparison_pairs_customers(fits, some):
    table = clv.compare(fits, some).set_index("model")
    one, other = loo(fits["BG/NBD"], some), loo(fits["NBD"], some)
    assert table.index[0] == "BG/NBD"  # the better one
    assert table.elpd_loo["NBD"] == pytest.approx(other.elpd)
    assert table.elpd_diff["BG/NBD"] == 0
    assert table.elpd_diff["NBD"] == pytest.approx(other.elpd - one.elpd)
    apart = other.pointwise - one.pointwise
    assert table.elpd_diff_se["NBD"] == pytest.approx(np.sqrt(len(some) * apart.var(ddof=1)))
    assert table.elpd_diff_se["NBD"] < table.elpd_se["NBD"]
    assert (table.k_bad == 0).all()
    assert table.lr.isna().all()  # no likelihood is at its maximum


def test_comparison_of_maxima_and_posteriors(fits, some):
    table = clv.compare({"maximum": clv.NBDModel().fit(some), **fits}, some).set_index("model")
    left_out = table[["elpd_loo", "elpd_se", "elpd_diff", "elpd_diff_se", "k_bad"]]
    assert left_out.loc["maximum"].isna().all()
    assert left_out.loc[["BG/NBD", "NBD"]].notna().all(axis=None)
    assert clv.compare(fits).elpd_loo.isna().all()  # without data

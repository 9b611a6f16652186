"""Pareto/NBD with time-varying covariates, from fit to prediction."""

import copy
import pickle
from dataclasses import FrozenInstanceError, replace
from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from clvmodels.data.summary import RFMSummary
from clvmodels.data.time_varying import TimeVaryingSummary
from clvmodels.exceptions import DataError, ParameterError, UnitError
from clvmodels.inference.bootstrap import Bootstrap
from clvmodels.kernels import pareto_nbd
from clvmodels.models.storage import read_json
from clvmodels.models.time_varying_pareto_nbd import TimeVaryingParetoNBDModel, load_time_varying
from clvmodels.units import DiscountRate, Horizon

MODEL = TimeVaryingParetoNBDModel(purchase=("promo", "price"), dropout=("price",))
# per unit of the covariates: a promotion buys 60 % more, a price of 1 more 5 % less
TRUE = {
    "r": 0.6, "alpha": 8.0, "s": 0.6, "beta": 12.0,
    "purchase": {"promo": 1.6, "price": 0.95}, "dropout": {"price": 1.08},
}  # fmt: skip
ANNUAL = DiscountRate(0.15, per="year")


def base(customers, seed, weeks=60.0, ahead=30):
    """Customers of different ages in weekly periods, before anybody bought anything."""
    rng = np.random.default_rng(seed)
    T = rng.uniform(weeks / 2, weeks, customers)
    count = np.ceil(T).astype(int) + ahead
    indptr = np.concatenate([[0], np.cumsum(count)])
    first = rng.uniform(0.05, 0.95, customers)  # of the first week
    until = np.arange(indptr[-1]) - np.repeat(indptr[:-1], count) + np.repeat(first, count)
    promo = rng.random(indptr[-1]) < 0.3
    price = rng.normal(10, 3, indptr[-1])
    none = np.zeros(customers)
    rfm = RFMSummary.from_arrays(none, none, T, time_unit="week")
    return TimeVaryingSummary(
        rfm, ("promo", "price"), indptr, until, np.column_stack([promo, price]),
        np.zeros((customers, 2)),
    )  # fmt: skip


def given(**changes):
    return MODEL.with_params(**{**TRUE, **changes}, time_unit="week")


def simulated(customers, seed=0, **changes):
    return given(**changes).simulate(base(customers, seed), seed)


def select(walks, rows):
    rows = np.asarray(rows)
    count = np.diff(walks.indptr)[rows]
    periods = np.concatenate([np.arange(*walks.indptr[i : i + 2]) for i in rows])
    one = walks.rfm
    rfm = RFMSummary.from_arrays(
        one.frequency[rows], one.recency[rows], one.T[rows], time_unit=one.time_unit
    )
    return TimeVaryingSummary(
        rfm, walks.columns, np.concatenate([[0], np.cumsum(count)]), walks.until[periods],
        walks.values[periods], walks.at_purchases[rows],
    )  # fmt: skip


def in_unit(walks, unit):
    rfm = walks.rfm
    one = RFMSummary.from_arrays([0], [0], [1], time_unit=unit)
    factor = rfm.time_unit.days / one.time_unit.days
    return replace(
        walks, until=walks.until * factor,
        rfm=RFMSummary.from_arrays(rfm.frequency, rfm.recency * factor, rfm.T * factor,
                                   time_unit=unit),
    ), factor  # fmt: skip


def true_params(design):
    """The true parameters where covariates are standardised as in a fit."""
    mean, sd = (dict(zip(("promo", "price"), v, strict=True)) for v in (design.means, design.sds))
    per_unit = {process: {k: np.log(v) for k, v in TRUE[process].items()}
                for process in ("purchase", "dropout")}  # fmt: skip
    shift = {p: np.exp(-sum(g * mean[k] for k, g in per_unit[p].items())) for p in per_unit}
    multipliers = {f"{p}:{k}": np.exp(g * sd[k]) for p in per_unit for k, g in per_unit[p].items()}
    return {
        "r": TRUE["r"], "alpha": TRUE["alpha"] * shift["purchase"],
        "s": TRUE["s"], "beta": TRUE["beta"] * shift["dropout"], **multipliers,
    }  # fmt: skip


@pytest.fixture(scope="module")
def walks():
    return simulated(3000)


@pytest.fixture(scope="module")
def fit(walks):
    return MODEL.fit(walks)


# the fit


def test_recovers_the_truth(fit):
    truth = true_params(fit.design)
    assert fit.diagnostics.converged
    assert fit.diagnostics.starts_agree
    off = np.log([fit.params[k] / truth[k] for k in fit.params])
    se = np.sqrt(np.diag(fit.estimate.covariance))
    assert np.abs(off / se).max() < 4
    # and the effects are seen: the smallest is 7 times its standard error
    assert fit.summary().query("parameter == 'purchase:promo'").lo.item() > 1.15


def test_tells_effects_in_words(fit):
    promo, _, price = (n for n in fit.diagnostics.notes if "multiplies" in n)
    sd = f"{fit.design.sds[0]:.3g}"
    per_one = fit.params["purchase:promo"] ** (1 / fit.design.sds[0])
    assert promo.startswith(
        f"promo = 1 rather than 0 multiplies the purchase rate by {per_one:.2f} ("
    )
    assert price.startswith("One sd (")
    assert "90 % interval" in price
    assert "the dropout rate" in price
    meaning = fit.summary().meaning.iloc[4]
    rate = f"{fit.params['purchase:promo']:.2f}"
    assert meaning == f"one sd ({sd}) more of promo multiplies the purchase rate by {rate}"
    assert "Pareto/NBD with time-varying covariates in weeks" in repr(fit)


def test_standard_errors_are_those_of_the_bootstrap():
    walks = simulated(400, seed=3)
    boot = TimeVaryingParetoNBDModel(purchase="promo").fit(walks, Bootstrap(n=60, seed=1))
    plain = TimeVaryingParetoNBDModel(purchase="promo").fit(walks)
    assert boot.params == pytest.approx(plain.params, rel=1e-6)
    # the error of a standard deviation of 60 resamples is 9 %
    assert boot.summary().se[4] == pytest.approx(plain.summary().se[4], rel=0.4)


def test_without_effects_it_fits_hardly_better_than_the_pareto_nbd():
    none = {"promo": 1.0, "price": 1.0}
    walks = simulated(1500, seed=4, purchase=none, dropout={"price": 1.0})
    fit, rfm = MODEL.fit(walks), walks.rfm
    own = {name: fit.params[name] for name in ("r", "alpha", "s", "beta")}
    plain = pareto_nbd.loglik(rfm.frequency, rfm.recency, rfm.T, **own).sum()
    # twice the gain is chi-square with three degrees of freedom: above 16 once in 1,000 times
    assert -8 < plain - fit.loglik < 0
    assert np.abs(np.log([fit.params[p.name] for p in MODEL.parameters[4:]])).max() < 0.5


def test_linear_recoding_of_a_covariate_changes_nothing_per_standard_deviation(fit, walks):
    recoded = replace(
        walks, values=walks.values * [-2.0, 100.0] + [3.0, 7.0],
        at_purchases=walks.at_purchases * [-2.0, 100.0] + walks.rfm.frequency[:, None] * [3.0, 7.0],
    )  # fmt: skip
    other = MODEL.fit(recoded)
    assert other.loglik == pytest.approx(fit.loglik, rel=1e-10)
    turned = {**fit.params, "purchase:promo": 1 / fit.params["purchase:promo"]}
    assert other.params == pytest.approx(turned, rel=1e-5)
    np.testing.assert_allclose(
        other.expected_purchases(recoded, "9 weeks"), fit.expected_purchases(walks, "9 weeks"),
        rtol=1e-5,
    )  # fmt: skip


def test_another_time_unit_gives_the_same_fit(fit, walks):
    days, factor = in_unit(walks, "day")
    other = MODEL.fit(days)
    shift = walks.rfm.frequency.sum() * np.log(factor)
    assert other.loglik == pytest.approx(fit.loglik - shift, rel=1e-10)
    times = {name: factor * fit.params[name] for name in ("alpha", "beta")}
    assert other.params == pytest.approx({**fit.params, **times}, rel=1e-5)
    # a fit predicts for summaries in any unit
    expected = fit.expected_purchases(walks, "9 weeks")
    for at in (days, walks):
        got = other.expected_purchases(at, "9 weeks")
        np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_row_order_is_irrelevant_and_weights_are_replication():
    some = simulated(300, seed=5)
    times = np.random.default_rng(1).integers(1, 4, 300)
    many = select(some, np.random.default_rng(2).permutation(np.repeat(np.arange(300), times)))
    model = TimeVaryingParetoNBDModel(purchase="promo")
    weighted = model.fit(replace(some, rfm=replace(some.rfm, weight=times)))
    replicated = model.fit(many)
    assert weighted.loglik == pytest.approx(replicated.loglik, rel=1e-11)
    assert weighted.params == pytest.approx(replicated.params, rel=1e-5)
    assert weighted.estimate.customers == len(many)


def test_ridge_shrinks_the_coefficients_alone(fit, walks):
    held = replace(MODEL, ridge=1e6).fit(walks)
    assert [held.params[p.name] for p in MODEL.parameters[4:]] == pytest.approx([1] * 3, abs=1e-2)
    little = replace(MODEL, ridge=1.0).fit(walks)
    # the reported log-likelihood is without the penalty
    assert held.loglik < little.loglik < fit.loglik
    assert little.loglik == pytest.approx(fit.loglik, abs=0.5)


def test_nobody_leaves():
    walks = simulated(400, seed=6, s=1e-6, beta=1e6, dropout={"price": 1.0})
    fit = TimeVaryingParetoNBDModel(purchase="promo").fit(walks)
    assert set(fit.diagnostics.boundary) == {"s", "beta"}
    assert "s and beta run off together at" in repr(fit)  # at hardly any dropout
    assert fit.params["s"] / fit.params["beta"] < 0.003
    assert np.isfinite(fit.predict(walks, "9 weeks").iloc[:, 1:].to_numpy()).all()


# predictions


def test_predicts_one_row_per_customer(fit, walks):
    walks = select(walks, np.arange(200))
    table = fit.predict(walks, "20 weeks", level=0.9)
    assert list(table) == [
        "customer_id", "p_alive", "expected_purchases", "expected_purchases_lo",
        "expected_purchases_hi",
    ]  # fmt: skip
    assert table.p_alive.between(0, 1).all()
    assert (table.expected_purchases_lo < table.expected_purchases).all()
    assert (table.expected_purchases < table.expected_purchases_hi).all()
    assert table.attrs["horizon"] == "20 weeks"
    np.testing.assert_array_equal(table.p_alive, fit.probability_alive(walks))


def test_what_is_expected_comes_true():
    truth, people = given(), base(6000, seed=7)
    so_far = replace(people, rfm=replace(people.rfm, T=np.full(6000, 25.0)))
    now = truth.simulate(so_far, seed=8)
    futures = truth.simulate_purchases(now, "20 weeks", draws=20, seed=9)
    expected = truth.expected_purchases(now, "20 weeks")
    error = futures.sum(axis=1).std(ddof=1) / 20**0.5
    assert futures.sum(axis=1).mean() == pytest.approx(expected.sum(), abs=4 * error)
    none = truth.probability_no_purchase(now, "20 weeks")
    assert (futures == 0).mean() == pytest.approx(none.mean(), abs=0.005)
    # and histories: customers first seen at age 0 buy what is expected of new ones
    new = replace(people, rfm=replace(people.rfm, T=np.zeros(6000)))
    bought = truth.simulate(replace(people, rfm=replace(people.rfm, T=np.full(6000, 20.0))), 10)
    x = bought.rfm.frequency
    assert x.mean() == pytest.approx(
        truth.expected_purchases(new, "20 weeks").mean(), abs=4 * x.std() / 6000**0.5
    )


def test_windows_and_discounts_fit_together(fit, walks):
    first, second = (fit.expected_purchases(walks, "9 weeks", start=s) for s in (None, "9 weeks"))
    both = fit.expected_purchases(walks, "18 weeks")
    np.testing.assert_allclose(first + second, both, rtol=1e-9)
    free = fit.residual_transactions(walks, 0, "18 weeks")
    np.testing.assert_allclose(free, both, rtol=1e-12)
    worth = fit.residual_transactions(walks, ANNUAL, "18 weeks")
    assert (worth < both).all()
    assert (worth > both * 1.15 ** -(18 / 52)).all()
    parts = (fit.residual_transactions(walks, ANNUAL, "9 weeks", s) for s in (None, "9 weeks"))
    np.testing.assert_allclose(sum(parts), worth, rtol=1e-9)


def test_probabilities_fit_together(fit, walks):
    some = select(walks, np.arange(40))
    none = fit.probability_no_purchase(some, "9 weeks")
    np.testing.assert_array_equal(none, fit.purchase_pmf(some, 0, "9 weeks"))
    counts = np.array([fit.purchase_pmf(some, n, "9 weeks") for n in range(60)])
    np.testing.assert_allclose(counts.sum(axis=0), 1, rtol=1e-8)
    expected = fit.expected_purchases(some, "9 weeks")
    np.testing.assert_allclose(np.arange(60) @ counts, expected, rtol=1e-6)
    ahead = [fit.probability_alive(some, f"{t} weeks") for t in (0, 5, 20)]
    np.testing.assert_allclose(ahead[0], fit.probability_alive(some), rtol=1e-12)
    assert (ahead[0] > ahead[1]).all()
    assert (ahead[1] > ahead[2]).all()


def test_other_plans_give_other_predictions(fit, walks):
    age = np.repeat(walks.rfm.T, np.diff(walks.indptr))
    values = walks.values.copy()
    values[walks.until > age + 1, 0] = 1.0  # promotions in all weeks to come
    more = fit.expected_purchases(replace(walks, values=values), "20 weeks")
    assert (more > fit.expected_purchases(walks, "20 weeks")).all()


def test_published_values_are_taken_per_unit_of_the_covariates():
    walks = simulated(50, seed=11)
    fit = given()
    assert fit.summary().se.isna().all()
    assert fit.params["purchase:promo"] == 1.6
    # the standardised fit with the same meaning predicts the same
    design = MODEL._design(walks)
    point = {k: np.array([[v]]) for k, v in true_params(design).items()}
    same = replace(fit, design=design, estimate=replace(fit.estimate, point=point))
    np.testing.assert_allclose(
        same.expected_purchases(walks, "9 weeks"), fit.expected_purchases(walks, "9 weeks"),
        rtol=1e-9,
    )  # fmt: skip


def test_the_same_seed_gives_the_same_customers():
    one, same, other = (given().simulate(base(50, seed=1), seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.rfm.recency, same.rfm.recency)
    np.testing.assert_array_equal(one.at_purchases, same.at_purchases)
    assert (one.rfm.recency != other.rfm.recency).any()


# what is refused


def test_covariates_must_cover_the_horizon(fit, walks):
    with pytest.raises(DataError, match=r"first 0 \(from age .*shorten the horizon"):
        fit.expected_purchases(walks, "40 weeks")
    with pytest.raises(DataError, match="shorten"):
        fit.predict(walks, "2 years")
    with pytest.raises(ParameterError, match="covariates for ever"):
        fit.residual_transactions(walks, ANNUAL)
    with pytest.raises(UnitError):
        fit.expected_purchases(walks, 9)


def test_the_wrong_container_is_named(fit, walks):
    with pytest.raises(
        DataError, match=r"TimeVaryingSummary, got RFMSummary.*time_varying_summary"
    ):
        MODEL.fit(walks.rfm)
    with pytest.raises(DataError, match="RFMSummary"):
        fit.predict(walks.rfm, "9 weeks")
    other = replace(walks, columns=("promo", "weather"))
    for use in (MODEL.fit, fit.probability_alive):
        with pytest.raises(DataError, match=r"lacks the covariate\(s\) price.*promo, weather"):
            use(other)


def test_covariates_that_tell_nothing_are_refused(walks):
    values = walks.values.copy()
    age = np.repeat(walks.rfm.T, np.diff(walks.indptr))
    values[:, 0] = walks.until > age + 1  # differs after the end of observation only
    with pytest.raises(DataError, match="promo is 0 in every period at risk of all 3,000"):
        MODEL.fit(replace(walks, values=values))
    values[:, 0] = 3 - 2 * values[:, 1]
    with pytest.raises(DataError, match="promo, price are collinear"):
        MODEL.fit(replace(walks, values=values))


def test_customers_who_never_buy_again_are_refused():
    with pytest.raises(DataError, match="bought again"):
        MODEL.fit(base(20, seed=0))


def test_choices_are_checked():
    with pytest.raises(ParameterError, match="Name the covariates"):
        TimeVaryingParetoNBDModel()
    with pytest.raises(ParameterError, match="twice"):
        TimeVaryingParetoNBDModel(purchase=("promo", "promo"))
    with pytest.raises(ParameterError, match="ridge"):
        TimeVaryingParetoNBDModel(purchase="promo", ridge=-1)
    with pytest.raises(ParameterError, match="multiplier for each of promo, price"):
        given(purchase={"promo": 1.0})
    with pytest.raises(ParameterError, match="dropout:price must be positive"):
        given(dropout={"price": -1.0})


# around it


def test_is_a_frozen_choice():
    assert TimeVaryingParetoNBDModel(purchase=["promo", "price"], dropout="price") == MODEL
    assert hash(MODEL) == hash(copy.deepcopy(MODEL))
    assert clone(MODEL) is MODEL
    with pytest.raises((FrozenInstanceError, AttributeError)):
        MODEL.ridge = 2.0


def test_is_saved_and_read_back(fit, walks, tmp_path):
    fit.save(tmp_path / "fit.json")
    again = load_time_varying(read_json(tmp_path / "fit.json"))
    assert again.model == fit.model
    assert repr(again) == repr(fit)
    some = select(walks, np.arange(30))
    for other in (again, pickle.loads(pickle.dumps(fit))):
        one, same = (f.predict(some, "9 weeks") for f in (fit, other))
        np.testing.assert_array_equal(one.iloc[:, 1:], same.iloc[:, 1:])


@pytest.mark.slow
def test_intervals_cover_the_truth():
    hits = []
    for seed in range(200):
        fit = MODEL.fit(simulated(600, seed=1000 + seed))
        truth = np.array(list(true_params(fit.design).values()))
        table = fit.summary(level=0.9)
        hits.append((table.lo.to_numpy() < truth) & (truth < table.hi.to_numpy()))
    # binomial, with 200 replications: four standard errors of 2.1 % on either side of 90 %
    np.testing.assert_allclose(np.mean(hits, axis=0), 0.9, atol=0.085)


@pytest.mark.slow
def test_recovers_the_truth_of_20_000_customers():
    fit = MODEL.fit(simulated(20_000, seed=12))
    truth = true_params(fit.design)
    off = np.log([fit.params[k] / truth[k] for k in fit.params])
    assert np.abs(off / np.sqrt(np.diag(fit.estimate.covariance))).max() < 4


def test_the_path_of_p_alive_has_a_row_per_customer_and_date(fit, walks):
    some = select(walks, np.arange(6))
    dated = replace(some, rfm=replace(some.rfm, observation_end=datetime(2024, 5, 1)))
    path = fit.probability_alive_path([dated])
    np.testing.assert_array_equal(path.p_alive, fit.probability_alive(some))
    assert (path.date == pd.Timestamp("2024-05-01")).all()
    with pytest.raises(DataError, match="observation_end"):
        fit.probability_alive_path([replace(dated, rfm=replace(dated.rfm, observation_end=None))])


@pytest.mark.parametrize("quantile", [0.1, 0.3])
def test_the_next_purchase_comes_when_it_is_said_to(fit, walks, quantile):
    some = select(walks, np.arange(30))
    wait = fit.next_purchase_time(some, quantile)
    reached = np.isfinite(wait)
    assert reached.any()
    assert (wait > 0).all()
    for k in np.flatnonzero(reached)[:5]:
        one = select(walks, np.array([k]))
        silent = fit.probability_no_purchase(one, Horizon(float(wait[k]), "week"))[0]
        assert silent == pytest.approx(1 - quantile, abs=1e-9)
    assert (fit.next_purchase_time(some, 0.9999) == np.inf).all()
    with pytest.raises(ParameterError, match="quantile"):
        fit.next_purchase_time(some, 50)

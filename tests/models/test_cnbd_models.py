"""BG/CNBD-k and MBG/CNBD-k as models: choosing k, fits, predictions, data they cannot take."""

from itertools import pairwise

import mpmath as mp
import numpy as np
import pytest

from clvmodels.data.datasets import load_cdnow
from clvmodels.data.summary import RFMSummary
from clvmodels.data.transactions import rfm_summary
from clvmodels.exceptions import DataError, ParameterError
from clvmodels.inference.bootstrap import Bootstrap
from clvmodels.kernels import beta_geo_cnbd, modified_beta_geo_cnbd
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.beta_geo_cnbd import BetaGeoCNBDModel
from clvmodels.models.modified_beta_geo import ModifiedBetaGeoModel
from clvmodels.models.modified_beta_geo_cnbd import ModifiedBetaGeoCNBDModel

MODELS = [BetaGeoCNBDModel, ModifiedBetaGeoCNBDModel]
KERNELS = {BetaGeoCNBDModel: beta_geo_cnbd, ModifiedBetaGeoCNBDModel: modified_beta_geo_cnbd}
POISSON = {BetaGeoCNBDModel: BetaGeoModel, ModifiedBetaGeoCNBDModel: ModifiedBetaGeoModel}
TRUE = {"r": 0.8, "alpha": 2.0, "a": 0.9, "b": 2.5}
every_model = pytest.mark.parametrize("model", MODELS)


@pytest.fixture(scope="module")
def log():
    return load_cdnow(sample=True)


@pytest.fixture(scope="module")
def cdnow(log):
    return rfm_summary(
        log, customer_id="customer_id", date="date", value="value", time_unit="week",
        observation_end="1997-09-30", litt=True,
    )  # fmt: skip


def simulated(model, customers, k, seed=0, **changes):
    """A summary with litt drawn from the true parameters, ages of a year to two."""
    rng, kernel, params = np.random.default_rng(seed), KERNELS[model].bound(k), {**TRUE, **changes}
    zero, T = np.zeros(customers), rng.uniform(52, 104, customers).round(1)
    alive = rng.random(customers) < kernel.prob_alive(zero, zero, zero, **params)
    x, t_x = (v * alive for v in kernel.simulate(zero, zero, T, rng, **params))
    return RFMSummary.from_arrays(x, t_x, T, time_unit="week", litt=kernel.draw_litt(x, t_x, rng))


# k


@every_model
@pytest.mark.parametrize("k", [0, -1, 21, 2.0, "2", True])
def test_k_is_a_whole_number_from_one_to_twenty(model, k):
    with pytest.raises(ParameterError, match="k must be"):
        model(k=k)


@every_model
def test_a_model_is_its_choice_of_k(model):
    assert model(k=2) == model(2) != model(k=3)
    assert model().k is None
    assert hash(model(k=2)) == hash(model(k=2))
    assert repr(model(k=2)) == repr(model(k=np.int64(2))) == f"{model.__name__}(k=2)"
    with pytest.raises((AttributeError, TypeError)):
        model(k=2).k = 3


@every_model
def test_without_a_k_nothing_can_be_predicted(model):
    with pytest.raises(ParameterError, match="k is not chosen yet"):
        model().with_params(**TRUE, time_unit="week")


@every_model
@pytest.mark.parametrize("k", [1, 2, 4])
def test_k_is_chosen_by_likelihood(model, k):
    data = simulated(model, 1500, k, seed=k)
    fit = model().fit(data)
    assert fit.model == model(k=k)
    note = next(n for n in fit.diagnostics.notes if n.startswith(f"k = {k} has the highest"))
    for tried in range(1, min(k + 2, 6) + 1):
        one = model(k=tried).fit(data)
        assert f"{one.loglik:,.2f} at k = {tried}" in note
        assert one.loglik <= fit.loglik
    assert f"at k = {k + 3}" not in note  # it stopped after falling twice
    assert fit.params == pytest.approx(model(k=k).fit(data).params, rel=1e-9)


def test_the_method_fits_what_the_likelihood_chose():
    data = simulated(ModifiedBetaGeoCNBDModel, 300, 2)
    fit = ModifiedBetaGeoCNBDModel().fit(data, Bootstrap(n=20, seed=1))
    assert fit.model.k == 2
    assert fit.estimate.method.startswith("Bootstrap")
    assert fit.estimate.replicates is not None
    assert any("highest log-likelihood" in note for note in fit.diagnostics.notes)


# fits


@every_model
def test_k_of_one_is_the_model_of_poisson_purchases(model, cdnow):
    # on CDNOW, log-likelihoods of -9582.43 (Fader, Hardie and Lee 2005) and -9582.14
    one, other = model(k=1).fit(cdnow), POISSON[model]().fit(cdnow)
    assert one.loglik == pytest.approx(other.loglik, rel=1e-12)
    assert one.params == pytest.approx(other.params, rel=1e-5)
    np.testing.assert_allclose(one.estimate.covariance, other.estimate.covariance, rtol=1e-4)
    for quantity in (
        lambda fit: fit.probability_alive(cdnow),
        lambda fit: fit.expected_purchases(cdnow, "39 weeks"),
        lambda fit: fit.purchase_pmf(cdnow, 1, "39 weeks"),
    ):
        np.testing.assert_allclose(quantity(one), quantity(other), rtol=1e-5)
    assert one.expected_purchases_new_customer("1 year") == pytest.approx(
        other.expected_purchases_new_customer("1 year"), rel=1e-6
    )


@every_model
@pytest.mark.parametrize("k", [2, 3])
def test_cdnow_log_likelihood_from_the_log_itself(model, k, log, cdnow):
    # customer by customer from the purchase days, Platzer and Reutterer's likelihood in 30 digits
    fit = model(k=k).fit(cdnow)
    r, alpha, a, b = (mp.mpf(v) for v in fit.params.values())
    d = int(model.first_can_be_last)
    days = log[log.date <= "1997-09-30"].groupby("customer_id").date.unique()
    with mp.workdps(30):
        total = mp.mpf(0)
        for dates in list(days)[::16]:
            total += _loglik(sorted(dates), r, alpha, a, b, k, d)
    some = cdnow.select(np.isin(cdnow.customer_id, list(days.index)[::16]))
    x, t_x, T = some.frequency, some.recency, some.T
    got = fit.model.kernel.loglik(x, t_x, T, some.litt, **fit.params).sum()
    assert got == pytest.approx(float(total), rel=1e-12)
    kernel_total = fit.model.kernel.loglik(
        cdnow.frequency, cdnow.recency, cdnow.T, cdnow.litt, **fit.params
    ).sum()
    assert fit.loglik == pytest.approx(kernel_total, rel=1e-12)
    # CDNOW's customers buy in clusters, if anything: a Poisson process describes them better
    assert fit.loglik < model(k=1).fit(cdnow).loglik - 200


def _loglik(dates, r, alpha, a, b, k, d):
    import pandas as pd

    weeks = [mp.mpf((pd.Timestamp(date) - pd.Timestamp(dates[0])).days) / 7 for date in dates]
    T = mp.mpf((pd.Timestamp("1997-09-30") - pd.Timestamp(dates[0])).days) / 7
    x, t_x = len(weeks) - 1, weeks[-1]
    spacing = mp.fprod(
        (late - early) ** (k - 1) / mp.factorial(k - 1) for early, late in pairwise(weeks)
    )

    def paced(power, age):  # mean of rate^power e^(-rate age)
        return mp.gammaprod([r + power], [r]) * alpha**r / (alpha + age) ** (r + power)

    quiet = mp.fsum(paced(k * x + j, T) * (T - t_x) ** j / mp.factorial(j) for j in range(k))
    value = mp.beta(a, b + x + d) / mp.beta(a, b) * quiet
    if x + d > 0:
        value += mp.beta(a + 1, b + x + d - 1) / mp.beta(a, b) * paced(k * x, t_x)
    return mp.log(spacing * value)


@every_model
@pytest.mark.parametrize("k", [2, 4])
def test_parameters_are_recovered(model, k):
    fit = model(k=k).fit(simulated(model, 20_000, k, seed=10 + k))
    assert fit.diagnostics.converged
    se = np.sqrt(np.diag(fit.estimate.covariance))
    z = np.log([fit.params[name] / value for name, value in TRUE.items()]) / se
    assert (np.abs(z) < 4).all()


@every_model
def test_rows_of_several_customers_share_the_mean_of_litt(model):
    # the likelihood is linear in litt, so equal (x, t_x, T) rows need only its mean
    data = simulated(model, 400, 2, seed=3)
    twice = np.concatenate([np.arange(400), np.arange(400)])
    shift = 0.25 * (data.frequency > 1)
    both = RFMSummary.from_arrays(
        data.frequency[twice], data.recency[twice], data.T[twice], time_unit="week",
        litt=np.concatenate([data.litt, data.litt - 2 * shift]),
    )  # fmt: skip
    one, other = model(k=2).fit(data), model(k=2).fit(both)
    assert one.params == pytest.approx(other.params, rel=1e-6)
    assert other.loglik == pytest.approx(2 * (one.loglik - shift.sum()), rel=1e-12)


# predictions


@every_model
def test_a_history_is_the_mixture_of_its_stages(model):
    fit = model(k=3).with_params(**TRUE, time_unit="week")
    kernel = fit.model.kernel
    people = RFMSummary.from_arrays(
        [0, 1, 4, 40], [0, 3.0, 20.0, 100.0], [10.0, 9.0, 26.0, 104.0], time_unit="week"
    )
    x, t_x, T = people.frequency, people.recency, people.T
    weights = kernel.stage_weights(x, t_x, T, **TRUE)
    mixed = sum(
        weights[j] * kernel.purchases_if_alive(x + j / 3, T, 39.0, **TRUE) for j in range(3)
    )
    expected = kernel.prob_alive(x, t_x, T, **TRUE) * mixed
    np.testing.assert_allclose(fit.expected_purchases(people, "39 weeks"), expected, rtol=1e-9)


@every_model
def test_a_long_silence_says_more_of_a_regular_customer(model):
    # weekly purchases for twenty weeks, then six weeks without one
    people = RFMSummary.from_arrays([20], [20.0], [26.0], time_unit="week")
    params = {"r": 2.0, "a": 1.0, "b": 9.0, "time_unit": "week"}
    alive = [
        model(k=k).with_params(**params, alpha=2.0 / k).probability_alive(people)[0]
        for k in (1, 2, 4)
    ]
    assert alive[0] > 2 * alive[1] > 4 * alive[2]


# notes and errors


def test_says_whom_it_takes_for_alive_and_where_nobody_leaves():
    data = simulated(BetaGeoCNBDModel, 2000, 2, seed=5, a=1e-6, b=1.0)
    fit = BetaGeoCNBDModel(k=2).fit(data)
    notes = " ".join(fit.diagnostics.notes)
    assert "No evidence of dropout" in notes
    assert "ModifiedBetaGeoCNBDModel does" in notes
    assert fit.probability_alive(data).min() > 0.9


@every_model
def test_clear_dropout_goes_without_saying(model):
    notes = model(k=2).fit(simulated(model, 3000, 2, seed=6)).diagnostics.notes
    assert not any("dropout" in note and "P(alive)" not in note for note in notes)
    assert model.first_can_be_last or any("one-time buyers" in note for note in notes)


@every_model
@pytest.mark.parametrize("k", [None, 2])
def test_a_summary_without_litt_is_an_error_that_says_how_to_get_it(model, k):
    data = RFMSummary.from_arrays([0, 2], [0.0, 5.0], [9.0, 9.0], time_unit="week")
    with pytest.raises(DataError, match=r"litt=True"):
        model(k=k).fit(data)


@every_model
def test_customers_who_never_came_back_are_an_error(model):
    data = RFMSummary.from_arrays([0, 0], [0, 0], [9, 9], time_unit="week", litt=[0, 0])
    with pytest.raises(DataError, match="bought again"):
        model().fit(data)

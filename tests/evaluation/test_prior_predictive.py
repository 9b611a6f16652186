"""Priors in words, and the customers that they expect."""

import numpy as np
import pytest

import clvmodels as clv
from clvmodels.data.datasets import load_cdnow_summary, load_donations
from clvmodels.data.retention import RetentionTable
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import DataError, ParameterError

CDNOW = load_cdnow_summary()
# regular customers of Fader and Hardie (2007), How to project customer retention, table 1
CONTRACTS = RetentionTable.from_survivors([1000, 631, 468, 382], period="1 year")
# nearly certain: published estimates of CDNOW, Fader, Hardie and Lee (2005), table 3
SURE = 1 + 1e-9


def sure_of(traits, values):
    return {name: clv.Prior(value, SURE) for name, value in zip(traits, values, strict=True)}


def test_every_prior_in_words():
    model = clv.BetaGeoModel(covariates=clv.Covariates(purchase="age", dropout="age"))
    words = clv.describe_priors(model, {"purchase:age": clv.Prior(1, 2), "dropout": clv.Flat()})
    lines = words.splitlines()
    assert [line.split(" (")[0] for line in lines] == [
        "purchases", "purchase_cv", "dropout", "dropout_concentration",
        "purchase:age", "dropout_a:age", "dropout_b:age", "groups",
    ]  # fmt: skip
    assert lines[2].endswith("any value, none preferred.")
    assert (
        "multiplies the purchase rate by): 1, and with probability 90 % between 0.5 and 2."
        in (lines[4])
    )
    assert "factor of at most 1.5" in clv.describe_priors(
        clv.NBDModel(), {"groups": clv.GroupSpread(1.5)}
    )


@pytest.mark.parametrize(
    ("model", "first"),
    [
        (clv.GammaGammaModel(), "spend ("),
        (clv.GeometricRetentionModel(), "churn ("),
        (clv.BetaGeoBetaBinomModel(), "purchase ("),
    ],
)
def test_priors_of_every_role(model, first):
    assert clv.describe_priors(model).startswith(first)


def test_what_has_no_priors():
    with pytest.raises(ParameterError, match="Priors are for models of purchases"):
        clv.describe_priors("beta_geo")
    with pytest.raises(ParameterError, match="no 'churn' to have a prior"):
        clv.describe_priors(clv.NBDModel(), {"churn": clv.Prior(0.2, 2)})
    with pytest.raises(ParameterError, match="no 'churn' to have a prior"):
        clv.prior_predictive(clv.NBDModel(), CDNOW, {"churn": clv.Prior(0.2, 2)})
    with pytest.raises(ParameterError, match="flat prior of purchases"):
        clv.prior_predictive(clv.NBDModel(), CDNOW, {"purchases": clv.Flat()})
    with pytest.raises(ParameterError, match="draws must be a whole number"):
        clv.prior_predictive(clv.NBDModel(), CDNOW, draws=0)
    wide = {"purchases": clv.Prior(1e30, 1e3)}
    with pytest.raises(ParameterError, match="too wide to simulate from"):
        clv.prior_predictive(clv.NBDModel(), CDNOW, wide, draws=3)
    with pytest.raises(DataError, match="takes an RFMSummary"):
        clv.prior_predictive(clv.NBDModel(), CONTRACTS)


def test_a_prior_that_is_sure_expects_what_the_model_does():
    r, alpha, a, b = 0.243, 4.414, 0.793, 2.426
    data = RFMSummary.from_arrays(CDNOW.frequency, CDNOW.recency, CDNOW.T, time_unit="week")
    scale = float(np.sort(data.T)[len(data) // 2])
    names = ("purchases", "purchase_cv", "dropout", "dropout_concentration")
    priors = sure_of(names, (r / alpha * scale, r**-0.5, a / (a + b), a + b))
    found = clv.prior_predictive(clv.BetaGeoModel(), data, priors, draws=30, seed=1)
    for name, value in {"r": r, "alpha": alpha, "a": a, "b": b}.items():
        np.testing.assert_allclose(found.frame[name], value, rtol=1e-6)
    fit = clv.BetaGeoModel().with_params(r=r, alpha=alpha, a=a, b=b, time_unit="week")
    counts = np.array(
        [fit.purchase_pmf_new_customer(0, clv.Horizon(T, "week")) for T in np.unique(data.T)]
    )
    share = 1 - np.average(counts, weights=np.unique(data.T, return_counts=True)[1])
    # 30 x 1,000 customers: right to 0.0028 (one standard error)
    assert found.frame["repeat_buyers"].mean() == pytest.approx(share, abs=0.009)


def test_observed_figures_are_those_of_the_data():
    found = clv.prior_predictive(clv.BetaGeoModel(), CDNOW, draws=20)
    # 946 of 2,357 customers made 2,457 repeat purchases: Fader, Hardie and Lee (2005)
    assert found.observed["repeat_buyers"] == pytest.approx(946 / 2357)
    assert found.observed["mean_frequency"] == pytest.approx(2457 / 2357)
    assert found.observed["frequency_q95"] == np.quantile(CDNOW.frequency, 0.95)
    assert found.observed["silent"] == np.mean(CDNOW.recency <= CDNOW.T / 2)
    assert len(found.frame) == 20
    spend = clv.prior_predictive(clv.GammaGammaModel(), CDNOW, draws=20)
    own = CDNOW.monetary_value[CDNOW.frequency > 0]
    assert spend.observed["mean_spend"] == pytest.approx(own.mean())
    contracts = clv.prior_predictive(clv.ShiftedBetaGeoModel(), CONTRACTS, draws=20)
    assert contracts.observed == pytest.approx(
        {"left_first": 0.369, "still_there": 0.382, "mean_renewals": 1.481}
    )


def test_contracts_of_several_cohorts():
    cohorts = RetentionTable.from_survivors(
        {"2001": [100, 60, 40], "2002": [300, 200], "2003": [50]}, period="1 year"
    )
    # of 450 customers 40 + 200 + 50 are there; 400 faced a first renewal, 140 left at it
    priors = {"churn": clv.Prior(0.35, SURE)}
    found = clv.prior_predictive(clv.GeometricRetentionModel(), cohorts, priors, draws=200)
    assert found.observed["left_first"] == pytest.approx(140 / 400)
    assert found.observed["still_there"] == pytest.approx(290 / 450)
    # of 100, 300, 50 customers, 0.65^2, 0.65 and 1 are expected to stay
    right = (100 * 0.65**2 + 300 * 0.65 + 50) / 450
    assert found.frame["still_there"].mean() == pytest.approx(right, abs=0.006)
    assert found.frame["mean_renewals"].mean() == pytest.approx(
        (100 * (0.65 + 0.65**2) + 300 * 0.65) / 450, abs=0.006
    )


def test_words_say_where_the_data_lie():
    low = {"purchases": clv.Prior(1e-3, 2), "purchase_cv": clv.Prior(1, 1.5)}
    words = repr(clv.prior_predictive(clv.NBDModel(), CDNOW, low, draws=40))
    assert words.startswith("NBD: 40 populations drawn from the priors")
    assert "share of repeat buyers, 40.1 %, lies at the 100 % quantile of what the priors" in words
    assert "They hardly allow for it." in words
    usual = clv.prior_predictive(clv.NBDModel(), CDNOW, draws=100)
    assert "hardly" not in repr(usual)
    assert all(0.1 < value < 0.9 for value in usual.quantile.values())


def test_units_do_not_matter_nor_do_currencies():
    hours = RFMSummary.from_arrays(
        CDNOW.frequency, CDNOW.recency * 168, CDNOW.T * 168, time_unit="hour",
        monetary_value=CDNOW.monetary_value * 100,
    )  # fmt: skip
    for model, figures in (
        (clv.ParetoNBDModel(), ["repeat_buyers", "mean_frequency", "silent"]),
        (clv.LognormalNormalModel(), ["mean_spend", "median_spend"]),
    ):
        here, there = (clv.prior_predictive(model, data, draws=25) for data in (CDNOW, hours))
        factor = 100 if "spend" in figures[0] else 1
        if factor == 1:
            # a purchase on the border of a week may fall to its other side
            np.testing.assert_allclose(there.frame[figures], here.frame[figures], atol=0.01)
        else:
            np.testing.assert_allclose(there.frame[figures], here.frame[figures] * 100, rtol=1e-9)


def test_the_same_seed_gives_the_same_populations():
    one, two, other = (
        clv.prior_predictive(clv.NBDModel(), CDNOW, draws=5, seed=s).frame for s in (1, 1, 2)
    )
    assert one.equals(two)
    assert not one.equals(other)


def test_weights_count():
    few = RFMSummary(
        customer_id=[1, 2], frequency=[0, 3], recency=[0, 5], T=[9, 9], monetary_value=None,
        time_unit="week", weight=[30, 10],
    )  # fmt: skip
    found = clv.prior_predictive(clv.NBDModel(), few, draws=50)
    assert found.observed["repeat_buyers"] == 0.25
    assert set(np.round(found.frame["repeat_buyers"] * 40, 9) % 1) == {0.0}


def test_covariates_and_opportunities():
    data = CDNOW.with_column("age", np.linspace(20, 60, len(CDNOW)))
    model = clv.BetaGeoModel(covariates=clv.Covariates(purchase="age"))
    found = clv.prior_predictive(model, data, {"purchase:age": clv.Prior(1, 1.5)}, draws=20)
    assert found.frame["purchase:age"].between(0.2, 5).all()
    ridge = clv.BetaGeoModel(covariates=clv.Covariates(purchase="age", ridge=1))
    with pytest.raises(ParameterError, match="ridge"):
        clv.prior_predictive(ridge, data)
    gifts = clv.prior_predictive(clv.BetaGeoBetaBinomModel(), load_donations(), draws=20)
    assert (gifts.frame["mean_frequency"] <= 6).all()


@pytest.mark.parametrize("model", [clv.GammaGammaModel(), clv.ParetoNBDModel()])
def test_populations_beyond_all_measure_stay_finite(model):
    wide = {line.split(" (")[0]: clv.Prior(0.5, 50) for line in _lines(model)}
    found = clv.prior_predictive(model, CDNOW, wide, draws=50)
    assert np.isfinite(found.frame.to_numpy()).all()


def _lines(model):
    return clv.describe_priors(model).splitlines()[:-1]

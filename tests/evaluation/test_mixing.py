"""Mixing distributions: gamma and beta by scipy.stats, means, units, and what is not there."""

import numpy as np
import pytest
from scipy import stats

from clvmodels.bayes.laplace import Laplace
from clvmodels.data.datasets import load_cdnow_summary
from clvmodels.evaluation.mixing import mixing_distributions
from clvmodels.exceptions import ParameterError
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.beta_geo_beta_binom import BetaGeoBetaBinomModel
from clvmodels.models.ggompertz_nbd import GGompertzNBDModel
from clvmodels.models.modified_beta_geo_cnbd import ModifiedBetaGeoCNBDModel
from clvmodels.models.nbd import NBDModel
from clvmodels.models.pareto_nbd import ParetoNBDModel

BG = BetaGeoModel().with_params(r=0.243, alpha=4.414, a=0.793, b=2.426, time_unit="week")
PARETO = ParetoNBDModel().with_params(r=0.553, alpha=10.578, s=0.606, beta=11.669, time_unit="week")
GGOMPERTZ = GGompertzNBDModel().with_params(
    r=0.8, alpha=8.0, b=0.08, s=1.2, beta=4.0, time_unit="week"
)
ERLANG = ModifiedBetaGeoCNBDModel(k=2).with_params(r=0.8, alpha=2.0, a=0.9, b=2.5, time_unit="week")
DONORS = BetaGeoBetaBinomModel().with_params(
    alpha=1.204, beta=0.75, gamma=0.657, delta=2.783, every="1 year"
)


@pytest.mark.parametrize(
    ("fit", "of", "distribution"),
    [
        (BG, "purchase", stats.gamma(0.243, scale=1 / 4.414)),
        (BG, "dropout", stats.beta(0.793, 2.426)),
        (PARETO, "dropout", stats.gamma(0.606, scale=1 / 11.669)),
        # the hazard at age 0 is b times a gamma level: its mean is b s / beta
        (GGOMPERTZ, "dropout", stats.gamma(1.2, scale=0.08 / 4)),
        # of every two hidden events one is a purchase: the mean rate is r / (k alpha)
        (ERLANG, "purchase", stats.gamma(0.8, scale=1 / (2 * 2.0))),
        (DONORS, "purchase", stats.beta(1.204, 0.75)),
        (DONORS, "dropout", stats.beta(0.657, 2.783)),
    ],
)
def test_shares_are_those_of_the_distribution(fit, of, distribution):
    frame = mixing_distributions({"x": fit}, of)
    # two implementations of the incomplete gamma and beta functions
    np.testing.assert_allclose(frame["share"], distribution.cdf(frame["value"]), rtol=1e-9)
    assert frame["share"].is_monotonic_increasing
    assert frame["share"].iloc[-1] >= 0.995 - 1e-9
    assert frame[["lo", "hi"]].isna().all(axis=None)  # parameters that were given


def test_days_and_weeks_are_the_same_rates():
    daily = BetaGeoModel().with_params(r=0.243, alpha=7 * 4.414, a=0.793, b=2.426, time_unit="day")
    frame = mixing_distributions({"weeks": BG, "days": daily})
    weeks, days = (frame[frame["method"] == name]["share"].to_numpy() for name in ("weeks", "days"))
    np.testing.assert_allclose(weeks, days, rtol=1e-12)


def test_bands_of_maximum_and_posterior():
    rfm = load_cdnow_summary()
    fits = {
        "maximum": BetaGeoModel().fit(rfm),
        "posterior": BetaGeoModel().fit(rfm, Laplace(draws=400, seed=1)),
    }
    frame = mixing_distributions(fits, "dropout")
    # means over draws; where nearly nobody is, few draws make the mean, and quantiles miss them
    shown = frame[frame["share"].between(0.01, 0.99)]
    assert (shown["lo"] < shown["share"]).all()
    assert (shown["share"] < shown["hi"]).all()
    width = (frame["hi"] - frame["lo"]).groupby(frame["method"]).max()
    assert width["maximum"] == pytest.approx(width["posterior"], rel=0.25)  # 200 draws each


def test_what_cannot_be_shown():
    with pytest.raises(ParameterError, match="NBD customers do not differ in dropout"):
        mixing_distributions(
            {"NBD": NBDModel().with_params(r=1, alpha=2, time_unit="week")}, "dropout"
        )
    with pytest.raises(ParameterError, match="one family at a time"):
        mixing_distributions({"BG/NBD": BG, "Pareto/NBD": PARETO}, "dropout")
    with pytest.raises(ParameterError, match="no fits"):
        mixing_distributions({})
    with pytest.raises(ParameterError, match="'purchase' or 'dropout'"):
        mixing_distributions({"BG/NBD": BG}, "spend")

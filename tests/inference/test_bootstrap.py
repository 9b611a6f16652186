"""Resampled customers: reproducible, and close to the curvature where the model holds."""

import numpy as np
import pytest

from clvmodels.data.datasets import load_cdnow_summary
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import FitError, ParameterError
from clvmodels.inference.bootstrap import Bootstrap
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.nbd import NBDModel


@pytest.fixture(scope="module")
def cdnow():
    return load_cdnow_summary()


def test_is_reproducible_by_its_seed(cdnow):
    one, again, other = (NBDModel().fit(cdnow, Bootstrap(n=20, seed=s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.estimate.covariance, again.estimate.covariance)
    assert (one.estimate.covariance != other.estimate.covariance).all()
    assert one.params == other.params == NBDModel().fit(cdnow).params
    assert one.estimate.method == "Bootstrap(n=20, seed=1)"


def test_agrees_with_the_curvature_where_the_model_is_true():
    data = (
        BetaGeoModel()
        .with_params(r=0.5, alpha=5, a=0.8, b=2.4, time_unit="week")
        .simulate(5_000, "50 weeks", seed=0)
    )
    boot = BetaGeoModel().fit(data, Bootstrap(n=200, seed=1))
    curvature = BetaGeoModel().fit(data)
    # a standard error from 200 resamples has a relative standard error of 1 / sqrt(400)
    ratio = boot.summary().se / curvature.summary().se
    assert ratio.between(1 - 4 / 20, 1 + 4 / 20).all(), ratio


def test_standard_errors_of_cdnow(cdnow):
    boot = BetaGeoModel().fit(cdnow, Bootstrap(n=200, seed=1))
    curvature = BetaGeoModel().fit(cdnow)
    ratio = boot.summary().se / curvature.summary().se
    # Monte Carlo error as above; alpha varies somewhat more than a true BG/NBD would have it
    assert ratio.between(0.8, 1.3).all(), ratio
    table = boot.predict(cdnow, "39 weeks")
    assert (table.expected_purchases_lo <= table.expected_purchases).all()
    assert (table.expected_purchases <= table.expected_purchases_hi).all()


def test_resamples_customers_not_histories(cdnow):
    # weights of two are two customers each, so errors shrink by the square root of two
    twice = RFMSummary(
        customer_id=cdnow.customer_id, frequency=cdnow.frequency, recency=cdnow.recency, T=cdnow.T,
        monetary_value=None, time_unit="week", weight=np.full(len(cdnow), 2.0),
    )  # fmt: skip
    one, two = (NBDModel().fit(data, Bootstrap(n=200, seed=0)) for data in (cdnow, twice))
    ratio = one.summary().se / two.summary().se
    assert ratio.between(np.sqrt(2) * 0.75, np.sqrt(2) * 1.33).all()


def test_fractions_of_customers_cannot_be_drawn(cdnow):
    halves = RFMSummary(
        customer_id=cdnow.customer_id, frequency=cdnow.frequency, recency=cdnow.recency, T=cdnow.T,
        monetary_value=None, time_unit="week", weight=np.full(len(cdnow), 0.37),
    )  # fmt: skip
    with pytest.raises(FitError, match="whole numbers"):
        NBDModel().fit(halves, Bootstrap(n=2))


def test_says_what_the_data_do_not_pin_down():
    source = BetaGeoModel().with_params(r=0.24, alpha=4.41, a=0.8, b=2.43, time_unit="week")
    data = source.simulate(50, "40 weeks", seed=3)
    fit = BetaGeoModel().fit(data, Bootstrap(n=30))
    assert fit.diagnostics.boundary
    assert fit.estimate.covariance is None
    summary = fit.summary()
    assert (summary.se.isna() == summary.parameter.isin(fit.diagnostics.boundary)).all()
    table = fit.predict(data, "39 weeks")
    assert np.isfinite(table.iloc[:, 1:].to_numpy()).all()
    assert (table.expected_purchases_lo < table.expected_purchases_hi).all()


@pytest.mark.parametrize("n", [1, 0, -5])
def test_needs_two_resamples(n):
    with pytest.raises(ParameterError, match="n >= 2"):
        Bootstrap(n=n)


def test_progress_is_shown_on_request_only(cdnow, capsys):
    NBDModel().fit(cdnow, Bootstrap(n=3))
    assert capsys.readouterr() == ("", "")
    NBDModel().fit(cdnow, Bootstrap(n=3, progress=True))
    assert "Bootstrap" in "".join(capsys.readouterr())

"""Early warnings: what silence says of the value, and who is warned of."""

from dataclasses import replace

import numpy as np
import pytest

from clvmodels.data.datasets import load_cdnow, load_cdnow_summary
from clvmodels.data.summary import RFMSummary
from clvmodels.data.transactions import rfm_summary
from clvmodels.exceptions import ParameterError
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.gamma_gamma import GammaGammaModel
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


def test_what_is_at_risk_is_the_difference_to_a_purchase_made_just_now(rfm, pareto):
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
    assert first["at_risk"] == pytest.approx(then - now)
    assert first["silence"] == one.T[0] - one.recency[0]
    assert first["usual_interval"] == one.recency[0] / one.frequency[0]
    np.testing.assert_array_equal(found["overdue"], found["silence"] > found["usual_interval"])
    assert 0 < found["overdue"].mean() < 1


def test_most_at_risk_first_and_one_time_buyers_left_out(rfm, pareto):
    found = early_warnings(pareto, rfm)
    assert found["at_risk"].is_monotonic_decreasing
    assert (found["at_risk"] >= -1e-9).all()  # P(alive) never rises with silence
    assert (found["frequency"] > 0).all()
    assert found["p_alive"].min() >= 0.3
    assert found.attrs["model"] == "Pareto/NBD"


def test_zero_keeps_the_lost(rfm, pareto):
    assert len(early_warnings(pareto, rfm, "1 month", lost=0)) == (rfm.frequency > 0).sum()
    assert (early_warnings(pareto, rfm, "1 month", lost=1)["p_alive"] == 1).all()


def test_silence_costs_nothing_where_nobody_leaves(rfm):
    # of the NBD, recency tells nothing
    found = early_warnings(valued(NBDModel(), rfm), rfm, "12 months")
    assert found["at_risk"].to_numpy() == pytest.approx(0, abs=1e-9)


def test_days_and_weeks_agree(rfm):
    in_days = replace(rfm, recency=rfm.recency * 7, T=rfm.T * 7, time_unit="day")
    weeks = early_warnings(valued(BetaGeoModel(), rfm), rfm)
    days = early_warnings(valued(BetaGeoModel(), in_days), in_days)
    # two maxima, each found to about 1e-8
    assert days["at_risk"].to_numpy() == pytest.approx(weeks["at_risk"].to_numpy(), rel=1e-4)
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


@pytest.mark.parametrize("lost", [-0.1, 1.1, float("nan")])
def test_a_threshold_is_a_probability(rfm, pareto, lost):
    with pytest.raises(ParameterError, match="lost is a probability"):
        early_warnings(pareto, rfm, lost=lost)

"""Intervals of totals cover the truth as often as they say, on simulated customers."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.gamma_gamma import GammaGammaModel
from clvmodels.value.clv import CLVModel

LEVEL, HORIZON = 0.9, "39 weeks"


@pytest.mark.parametrize("worlds", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_interval_of_the_expected_total(worlds):
    # parameters of CDNOW, from Fader, Hardie and Lee (2005) and (2005b)
    truth = CLVModel(
        BetaGeoModel().with_params(r=0.243, alpha=4.414, a=0.793, b=2.426, time_unit="week"),
        GammaGammaModel().with_params(p=6.25, q=3.74, v=15.44),
        discount=0,
    )
    model = CLVModel(BetaGeoModel(), GammaGammaModel(), discount=0)
    covered = np.zeros(2)
    for seed in range(worlds):
        data = truth.purchases.simulate(1000, "39 weeks", seed=seed)
        spend = truth.spend.simulate(data.frequency, seed=worlds + seed)
        data = replace(data, monetary_value=spend)
        expected = truth.fit(data).totals(data, HORIZON)["estimate"][:2]
        intervals = model.fit(data).totals(data, HORIZON, level=LEVEL)[:2]
        assert intervals["quantity"].tolist() == ["purchases", "revenue"]
        covered += (intervals["lo"] <= expected) & (expected <= intervals["hi"])
    # within binomial error, at odds of a thousand to one
    least, most = stats.binom(worlds, LEVEL).interval(0.999)
    assert ((least <= covered) & (covered <= most)).all(), covered / worlds

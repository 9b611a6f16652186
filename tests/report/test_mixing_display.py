"""Mixing distributions drawn: their titles tell medians and top tenths."""

import pytest
from scipy import stats

from clvmodels.exceptions import ParameterError
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.pareto_nbd import ParetoNBDModel
from clvmodels.report.mixing import MixingDistribution
from clvmodels.report.numbers import percent, significant

BG = BetaGeoModel().with_params(r=0.243, alpha=4.414, a=0.793, b=2.426, time_unit="week")
PARETO = ParetoNBDModel().with_params(r=0.553, alpha=10.578, s=0.606, beta=11.669, time_unit="week")


def test_titles_tell_quantiles_of_the_first():
    display = MixingDistribution.of({"BG/NBD": BG}, of="dropout")
    middle, top = stats.beta(0.793, 2.426).ppf([0.5, 0.9])
    assert display.title == (
        f"Probability of dropout after a purchase: at most {percent(middle)} for half of the "
        f"customers, more than {percent(top)} for a tenth (BG/NBD)"
    )
    rates = MixingDistribution.of({"BG/NBD": BG, "Pareto/NBD": PARETO})
    middle = stats.gamma(0.243, scale=1 / 4.414).ppf(0.5)
    assert f"per week while alive: at most {significant(middle, 2)} for half" in rates.title


@pytest.mark.parametrize(("of", "scale"), [("purchase", "log"), ("dropout", "linear")])
def test_rates_are_drawn_over_tenfolds(of, scale):
    display = MixingDistribution.of({"BG/NBD": BG}, of=of)
    ax = display.plot()
    assert ax.get_xscale() == scale
    assert ax.get_ylim()[0] == 0
    assert "Bands" not in display.caption


def test_fits_have_names():
    with pytest.raises(ParameterError, match=r"by name.* got a list"):
        MixingDistribution.of([BG])


def test_bands_are_told(fits):
    assert "Bands show how sure" in MixingDistribution.of(fits).caption

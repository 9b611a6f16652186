"""Spend of groups that a fit never saw, where some draws of them have no mean."""

from dataclasses import replace
from warnings import catch_warnings, simplefilter

import numpy as np
import pytest

import clvmodels as clv
from clvmodels.exceptions import DataWarning, UndefinedMeanError
from clvmodels.models.spend import FittedSpend

# short chains, whose r-hat and effective sizes are what they are
pytestmark = pytest.mark.filterwarnings("ignore:NOT to be relied on")

CDNOW = clv.datasets.load_cdnow_summary().select(np.arange(300))
BOUGHT = CDNOW.frequency > 0
SEGMENT = np.where(BOUGHT, np.where(np.arange(300) % 2, "a", "b"), "none")
DATA = CDNOW.with_column("seg", SEGMENT)
METHOD = clv.MCMC(draws=50, chains=2, tune=150, seed=1, groups="seg", progress=False)


@pytest.fixture(scope="module")
def fitted():
    return clv.GammaGammaModel().fit(DATA, METHOD)


@pytest.fixture(scope="module")
def purchases():
    return clv.BetaGeoModel().fit(DATA, METHOD)


def lacking(fit, draws):
    """The same fit, with no mean at some draws of the group that was not seen."""
    q = np.maximum(fit.estimate.point["q"], 1.5)
    q[:draws, -1] = 0.9
    point = {**fit.estimate.point, "q": q}
    return FittedSpend(
        replace(fit.estimate, point=point, replicates=point), fit.model, None, fit.groups
    )


def test_groups_without_spend_are_noted(fitted):
    note = "No repeat purchase with a value in seg: none; customers there get what is known of a"
    assert any(text.startswith(note) for text in fitted.diagnostics.notes)


@pytest.mark.filterwarnings("ignore:.*that was not fitted:clvmodels.exceptions.DataWarning")
def test_draws_without_a_mean_are_left_out_of_the_mean(fitted):
    fit = lacking(fitted, 7)
    with pytest.warns(DataWarning, match=r"At 7\.0% of the draws, customers of seg none"):
        found = fit.expected_spend(DATA)
    p, q, v = (fit.estimate.point[name][7:, -1] for name in ("p", "q", "v"))
    # Fader, Hardie and Lee (2005b), eq. 5, at x = 0: p v / (q - 1)
    np.testing.assert_allclose(found[~BOUGHT], (p * v / (q - 1)).mean(), rtol=1e-12)
    with pytest.warns(DataWarning, match="have no mean spend"):
        table = fit.predict(DATA)
    np.testing.assert_allclose(table["expected_spend"], found)
    assert np.isinf(table["expected_spend_hi"][~BOUGHT]).all()  # 7 % above a limit of 5 %
    assert np.isfinite(table["expected_spend_lo"]).all()
    with catch_warnings():
        simplefilter("error")
        fit.expected_spend(DATA.select(BOUGHT))


@pytest.mark.filterwarnings("ignore:.*that was not fitted:clvmodels.exceptions.DataWarning")
def test_too_many_of_them_are_refused_by_the_name_of_the_group(fitted):
    fit = lacking(fitted, 12)
    with pytest.raises(UndefinedMeanError, match=r"known of seg none.*GroupSpread\(1\.5\)"):
        fit.expected_spend(DATA)
    assert (fit.has_mean(DATA) == BOUGHT).all()


@pytest.mark.filterwarnings("ignore:.*that was not fitted:clvmodels.exceptions.DataWarning")
@pytest.mark.filterwarnings("ignore:.*have no mean spend:clvmodels.exceptions.DataWarning")
def test_predictions_and_totals_of_value_add_up(fitted, purchases):
    model = clv.CLVModel(purchases, lacking(fitted, 7), discount=clv.DiscountRate(0.1, "year")).fit(
        DATA
    )
    each = model.predict(DATA, "52 weeks")
    total = model.totals(DATA, "52 weeks")
    assert np.isfinite(each["clv"]).all()
    total = total.set_index("quantity")["estimate"]
    assert total["discounted value"] == pytest.approx(each["clv"].sum(), rel=1e-9)


def test_shrinkage_is_empty_where_there_is_no_way_to_go(purchases):
    table = purchases.group_summary()
    mine = table[table["trait"] == "purchases"].dropna(subset=["alone"])
    draws = purchases.estimate.point  # mean purchases over the median T, r / alpha T, in logs
    sd = np.log(draws["r"] / draws["alpha"]).std(axis=0)[1:4][mine.index - table.index[0]]
    near = np.abs(np.log(mine["alone"] / mine["population"])) < 0.8 * sd
    assert mine["shrinkage"][near].isna().all()
    assert mine["shrinkage"].notna().any()

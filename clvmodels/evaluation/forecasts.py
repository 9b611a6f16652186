"""What can enter a comparison, and what each entrant says about money in the same terms."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np

from clvmodels._typing import FloatArray
from clvmodels.data.summary import RFMSummary
from clvmodels.evaluation.baselines import Baseline, MeanBaseline, SameRateBaseline, ZeroBaseline
from clvmodels.exceptions import DataError
from clvmodels.inference.estimate import Method
from clvmodels.inference.lifetimes import Lifetimes
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.gamma_gamma import GammaGammaModel
from clvmodels.models.modified_beta_geo import ModifiedBetaGeoModel
from clvmodels.models.nbd import NBDModel
from clvmodels.models.pareto_nbd import ParetoNBDModel
from clvmodels.models.purchases import PurchaseModel
from clvmodels.units import DiscountRate, Horizon
from clvmodels.value._sampling import add_in_quadrature, poisson_limits
from clvmodels.value.clv import CLVModel, FittedCLV
from clvmodels.value.textbook_model import FittedTextbook, Formula, TextbookModel

if TYPE_CHECKING:
    import pandas as pd


class FittedRival(Protocol):
    """A fitted method: one row per customer in the columns of `FittedCLV.predict`."""

    def predict(
        self, data: RFMSummary, horizon: Horizon | None, *, level: float
    ) -> "pd.DataFrame": ...


class Rival(Protocol):
    """A method that can be fitted to a summary: a model, a formula, a baseline, your own."""

    def fit(self, data: RFMSummary) -> FittedRival: ...


Entry: TypeAlias = Rival | tuple[CLVModel, Method]
Kind: TypeAlias = Literal["model", "lifetimes", "textbook", "baseline"]

LEAGUE_MODELS: Final = (BetaGeoModel, ModifiedBetaGeoModel, ParetoNBDModel, NBDModel)
"""The purchase models of `default_models`."""

_FORMULAS: Final[Mapping[str, Formula]] = {
    "value x frequency x lifespan": "value_frequency_lifespan",
    "value x frequency / churn": "value_frequency_churn",
    "annual spend x years": "annual_spend_years",
    "discounted yearly profit": "discounted_profit",
    "retention m r/(1+d-r)": "retention",
}


def default_models(
    discount: DiscountRate | float, margin: float | str = 1.0
) -> Mapping[str, Entry]:
    """The league: four models, lifetimes' own fit, five textbook formulas, three baselines.

    Parameters
    ----------
    discount : DiscountRate or 0
        For lifetime values; a holdout is compared undiscounted.
    margin : float or str
        Share of revenue that is profit, or the name of a column of the summary; for lifetime
        values, too.

    Returns
    -------
    dict
        What `compare_holdout` takes: unfitted methods by name. Add your own, or leave some out.

    Examples
    --------
    >>> list(default_models(DiscountRate(0.10, per="year")))[:4]
    ['BG/NBD', 'MBG/NBD', 'Pareto/NBD', 'NBD']
    """
    rate = DiscountRate.parse(discount)

    def with_spend(purchases: PurchaseModel) -> CLVModel:
        return CLVModel(purchases, GammaGammaModel(), discount=rate, margin=margin)

    baselines = (SameRateBaseline(), MeanBaseline(), ZeroBaseline())
    return {
        **{model.title: with_spend(model()) for model in LEAGUE_MODELS},
        "lifetimes BG/NBD": (with_spend(BetaGeoModel()), Lifetimes()),
        **{
            title: TextbookModel(name, discount=rate, margin=margin)
            for title, name in _FORMULAS.items()
        },
        **{baseline.title: baseline for baseline in baselines},
    }


def kind_of(entry: Entry) -> Kind:
    """Which group of the league an entrant belongs to."""
    model, method = entry if isinstance(entry, tuple) else (entry, None)
    if isinstance(method, Lifetimes):
        return "lifetimes"
    if isinstance(model, TextbookModel):
        return "textbook"
    return "baseline" if isinstance(model, Baseline) else "model"


def fit_entry(entry: Entry, data: RFMSummary) -> FittedRival:
    """Fit an entrant, by its own method if it came with one."""
    if isinstance(entry, tuple):
        model, method = entry
        return model.fit(data, method)
    return entry.fit(data)


class Forecast(NamedTuple):
    """Purchases and revenue of each customer within a horizon, and what to know about them."""

    purchases: FloatArray
    revenue: FloatArray
    note: str


def forecast(fit: FittedRival, data: RFMSummary, horizon: Horizon) -> Forecast:
    """Purchases and revenue of each customer: before margin and, for models, undiscounted.

    Formulas that discount keep doing so: that is what they say.

    Raises
    ------
    DataError
        If a method gives no finite value for every customer.
    """
    note = ""
    if isinstance(fit, FittedCLV):
        purchases = fit.purchases.expected_purchases(data, horizon)
        revenue = purchases * fit.spend.expected_spend(data)
    else:
        if isinstance(fit, FittedTextbook):
            note = _discounting(fit) if fit.model.discounts else ""
            fit = replace(fit, model=replace(fit.model, margin=1.0, acquisition_cost=0.0))
        table = fit.predict(data, horizon, level=0.9)
        if not np.array_equal(table["customer_id"], data.customer_id):
            raise DataError("The method's rows are not the customers of the summary in its order.")
        purchases = table["expected_purchases"].to_numpy(np.float64)
        revenue = table["clv"].to_numpy(np.float64)
    if bad := int((~np.isfinite(purchases + revenue)).sum()):
        raise DataError(f"The method gives no finite value for {bad:,} of {len(data):,} customers.")
    return Forecast(purchases, revenue, note)


class Claim(NamedTuple):
    """What a method says the whole base is worth from now on."""

    total: float
    lo: float
    hi: float
    note: str


def lifetime_claim(fit: FittedRival, data: RFMSummary, level: float) -> Claim:
    """Value of the base over all the future, on the method's own terms; or why there is none."""
    try:
        if isinstance(fit, FittedCLV):
            row = fit.totals(data, None, level=level).iloc[0]
            terms = f"all the future, discounted at {fit.model.discount}, {_margin(fit.model)}"
            return Claim(float(row["estimate"]), float(row["lo"]), float(row["hi"]), terms)
        if isinstance(fit, FittedTextbook):
            terms = (
                f"expected lifespan {fit.params['lifespan_years']:.1f} years, "
                f"{_discounting(fit)}, {_margin(fit.model)}"
            )
            return Claim(*_textbook_total(fit, data, level), terms)
        table = fit.predict(data, None, level=level)
        weight = data.weights
        total, low, high = (float(weight @ table[name]) for name in ("clv", "clv_lo", "clv_hi"))
        note = "" if low == high else "limits are sums of the customers' own"
        return Claim(total, low, high, note)
    except Exception as error:  # a rival of the user's own may know none but finite horizons
        return Claim(np.nan, np.nan, np.nan, f"no finite value: {error}")


def _textbook_total(
    fit: FittedTextbook, data: RFMSummary, level: float
) -> tuple[float, float, float]:
    """Total of a formula with limits: customers err independently, their churn together."""
    weight = data.weights
    table = fit.predict(data, None, level=level)
    total = float(weight @ table["clv"])
    up, down = (
        float(np.sqrt(weight @ (table[end] - table["clv"]) ** 2)) for end in ("clv_hi", "clv_lo")
    )
    lost_limits = poisson_limits(np.array([fit.customers_lost]), level)
    changes = [np.array([up]), np.array([-down])]
    for lost in lost_limits:
        moved = replace(fit, customers_lost=float(lost[0])).predict(data, None, level=level)
        changes.append(np.array([weight @ moved["clv"] - total]))
    low, high = add_in_quadrature(np.array([total]), changes)
    return total, float(low[0]), float(high[0])


def _discounting(fit: FittedTextbook) -> str:
    if fit.model.discounts:
        return f"discounted at {DiscountRate.parse(fit.model.discount or 0)}"
    return "not discounted"


def _margin(model: CLVModel | TextbookModel) -> str:
    return f"margin {model.margin if isinstance(model.margin, str) else f'{model.margin:g}'}"

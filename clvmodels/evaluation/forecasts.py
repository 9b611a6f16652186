"""What fitted methods say of the same customers, in the same terms."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from clvmodels._typing import FloatArray
from clvmodels.data.summary import RFMSummary
from clvmodels.evaluation.entries import Fitted
from clvmodels.exceptions import DataError
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.units import DiscountRate, Horizon
from clvmodels.value._sampling import add_in_quadrature, poisson_limits
from clvmodels.value.clv import CLVModel, FittedCLV
from clvmodels.value.correlated import FittedCorrelatedCLV
from clvmodels.value.textbook_model import FittedTextbook, TextbookModel


class Forecast(NamedTuple):
    """What a method foresees of each customer within a horizon, and what to know about it.

    Attributes
    ----------
    purchases : ndarray of shape (customers,)
        Expected number.
    revenue : ndarray of shape (customers,) or None
        Expected amount, before margin; None where the method or the data know no money.
    p_active : ndarray of shape (customers,) or None
        Probability of at least one purchase, of methods that give it by themselves; purchase
        models give a whole distribution instead (see `clvmodels.evaluation.predictive`).
    note : str
    """

    purchases: FloatArray
    revenue: FloatArray | None
    p_active: FloatArray | None
    note: str

    @property
    def money(self) -> FloatArray:
        """The revenue of a forecast `with_money`."""
        assert self.revenue is not None
        return self.revenue


def with_money(found: Forecast) -> Forecast:
    """The forecast, if it has revenue.

    Raises
    ------
    DataError
        If it has none.
    """
    if found.revenue is None:
        raise DataError(
            "It foresees purchases and no money. Give it a spend model, "
            "CLVModel(purchases, spend, discount), and a log with values."
        )
    return found


def forecast(fit: Fitted, data: RFMSummary, horizon: Horizon) -> Forecast:
    """Purchases and revenue of each customer: before margin and, for models, undiscounted.

    Formulas that discount keep doing so: that is what they say.

    Raises
    ------
    DataError
        If a method gives no finite value for every customer.
    """
    if isinstance(fit, FittedPurchases):
        return _checked(data, Forecast(fit.expected_purchases(data, horizon), None, None, ""))
    if isinstance(fit, FittedCLV):
        made = fit.purchases.expected_purchases(data, horizon)
        return _checked(data, Forecast(made, made * fit.spend.expected_spend(data), None, ""))
    note = ""
    if isinstance(fit, FittedCorrelatedCLV):
        plain = replace(fit.model, discount=DiscountRate.parse(0), margin=1.0)
        fit = replace(fit, model=plain)
    elif isinstance(fit, FittedTextbook):
        note = _discounting(fit) if fit.model.discounts else ""
        fit = replace(fit, model=replace(fit.model, margin=1.0, acquisition_cost=0.0))
    table = fit.predict(data, horizon, level=0.9)
    _require_columns(table, ("customer_id", "expected_purchases"))
    if not np.array_equal(table["customer_id"], data.customer_id):
        raise DataError("The method's rows are not the customers of the summary in its order.")
    known = {
        name: table[name].to_numpy(np.float64)
        for name in ("expected_purchases", "clv", "p_active")
        if name in table
    }
    found = known["expected_purchases"], known.get("clv"), known.get("p_active")
    return _checked(data, Forecast(*found, note))


def _require_columns(table: object, names: tuple[str, ...]) -> None:
    import pandas as pd

    if not isinstance(table, pd.DataFrame):
        raise DataError(f"predict must give a pandas DataFrame, not {type(table).__name__}.")
    if missing := [name for name in names if name not in table]:
        raise DataError(f"What predict gives lacks the columns {', '.join(missing)}.")


def _checked(data: RFMSummary, found: Forecast) -> Forecast:
    known = [values for values in found[:3] if values is not None]
    if bad := int((~np.isfinite(np.sum(known, axis=0))).sum()):
        raise DataError(f"The method gives no finite value for {bad:,} of {len(data):,} customers.")
    p = found.p_active
    if p is not None and (bad := int(((p < 0) | (p > 1)).sum())):
        raise DataError(
            f"p_active must be a probability; it is none for {bad:,} of {len(data):,} customers."
        )
    return found


class Claim(NamedTuple):
    """What a method says the whole base is worth from now on."""

    total: float
    lo: float
    hi: float
    note: str


def lifetime_claim(fit: Fitted, data: RFMSummary, level: float) -> Claim:
    """Value of the base over all the future, on the method's own terms; or why there is none."""
    assert not isinstance(fit, FittedPurchases)  # it knows no money
    try:
        if isinstance(fit, FittedCLV | FittedCorrelatedCLV):
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

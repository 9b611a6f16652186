"""What a report is about: methods compared on a holdout, the base valued by the best model."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Self, final

import numpy as np

from clvmodels.data.summary import RFMSummary
from clvmodels.evaluation.entries import fit_entry
from clvmodels.evaluation.holdout import HoldoutComparison, Quantity
from clvmodels.evaluation.recommend import Recommendation, recommend
from clvmodels.exceptions import ClvError, DataError, ParameterError
from clvmodels.units import Horizon
from clvmodels.value.clv import FittedCLV
from clvmodels.value.monitor import early_warnings
from clvmodels.value.segments import Segments, customer_segments

if TYPE_CHECKING:
    import pandas as pd

YEAR: Final = Horizon(12, "month")
_ROUNDING: Final = 1e-6  # of the mean per customer: methods that differ by less agree


class Interval(NamedTuple):
    """A value and the limits of its interval."""

    estimate: float
    lo: float
    hi: float


_NOTHING: Final = Interval(*[float("nan")] * 3)


@final
@dataclass(frozen=True, eq=False)
class Study:
    """Methods compared, and the whole base valued.

    Attributes
    ----------
    source : str
        Name of the log.
    comparison : HoldoutComparison
        Every method on the holdout.
    name : str
        The model that values the base.
    base : RFMSummary
        The whole log, holdout included.
    value : FittedCLV
        That model, fitted to the whole log.
    predictions : DataFrame
        One row per customer: the columns of `FittedCLV.predict` for the next 12 months, and
        lifetime_clv, lifetime_clv_lo, lifetime_clv_hi for all the future.
    year : DataFrame
        Totals of the next 12 months: quantity, estimate, lo, hi.
    equity : Interval
        Discounted value of all the future of the base.
    earlier : Interval
        The same by the parameters that the model had at the cutoff of the comparison, fitted
        without the holdout; NaN where these give none.
    equities : DataFrame
        The same by `name` and by every other model whose RMSE of value cannot be told from the
        least: method, equity, lo, hi, as_good (whether that is so), note (why there is no value).
    segments : Segments
        Customers by lifetime value if alive, and by P(alive).
    warnings : DataFrame
        Who has been silent for longer than an active customer would easily be, and what they would
        be worth more had they just bought: see `early_warnings`. Also customers, for whom the row
        stands.
    rivals : DataFrame
        How the RMSE of value of every other method differs from that of `name`: see `paired`.
    advice : Recommendation
        Which models suit the data.
    currency : str
        Of the amounts; may be empty.
    """

    source: str
    comparison: HoldoutComparison
    name: str
    base: RFMSummary
    value: FittedCLV
    predictions: "pd.DataFrame"
    year: "pd.DataFrame"
    equity: Interval
    earlier: Interval
    equities: "pd.DataFrame"
    segments: Segments
    warnings: "pd.DataFrame"
    rivals: "pd.DataFrame"
    advice: Recommendation
    currency: str

    @classmethod
    def of(
        cls,
        comparison: HoldoutComparison,
        base: RFMSummary,
        *,
        source: str,
        name: str | None = None,
        advice: Recommendation | None = None,
        currency: str = "",
    ) -> Self:
        """Fit the chosen model to the whole log and value every customer.

        Parameters
        ----------
        comparison : HoldoutComparison
            Of methods on a part of the same log.
        base : RFMSummary
            Summary of the whole log, with monetary values.
        source : str
            Name of the log.
        name : str, optional
            Model that values the base, fitted by the method it was compared with; the one of the
            `contenders` with the least error per customer if not given.
        advice : Recommendation, optional
            What `recommend` says of the log; if not given, what it says of the summary.
        currency : str
            Of the amounts.

        Raises
        ------
        DataError
            If no model could be fitted.
        ParameterError
            If `name` is no model of the comparison.
        """
        models = [k for k, fit in comparison.models.items() if isinstance(fit, FittedCLV)]
        chosen = name or best(comparison, among=contenders(comparison))
        if chosen is None:
            reason = next(filter(None, comparison.table["error"]), "")
            raise DataError(f"No model could be fitted. {reason}")
        fitted = comparison.models.get(chosen)
        if not isinstance(fitted, FittedCLV):
            raise ParameterError(f"{chosen!r} cannot value the base; use {' or '.join(models)}.")
        level = comparison.level
        value = fit_entry(comparison.entries[chosen], base)
        assert isinstance(value, FittedCLV)  # as the fit before it is
        lifetime = value.predict(base, None, level=level)
        columns = {f"lifetime_{c}": lifetime[c] for c in ("clv", "clv_lo", "clv_hi")}
        equity = _equity(value, base, level)
        predictions = value.predict(base, YEAR, level=level).assign(**columns)
        return cls(
            source=source,
            comparison=comparison,
            name=chosen,
            base=base,
            value=value,
            predictions=predictions,
            year=value.totals(base, YEAR, level=level),
            equity=equity,
            earlier=_earlier(fitted, base, level),
            equities=_equities(comparison, base, chosen, equity),
            segments=customer_segments(predictions, value="lifetime_clv", weight=base.weight),
            warnings=_overdue(value, base),
            rivals=paired(comparison, against=chosen),
            advice=advice or recommend(base),
            currency=currency,
        )

    @property
    def level(self) -> float:
        """Probability of the intervals."""
        return self.comparison.level

    @property
    def otherwise(self) -> dict[str, float]:
        """What the base is worth by models that did as well, and by the fit before the holdout."""
        as_good = self.equities[self.equities["as_good"] & (self.equities["method"] != self.name)]
        values = dict(zip(as_good["method"], as_good["equity"], strict=True))
        span = self.comparison.split.horizon
        values[f"fitted {span} earlier"] = self.earlier.estimate
        return {name: value for name, value in values.items() if np.isfinite(value)}

    @property
    def as_of(self) -> str:
        """Day from which the future counts."""
        end = self.base.observation_end
        return "the end of observation" if end is None else f"{end:%Y-%m-%d}"


def contenders(comparison: HoldoutComparison, first: str | None = None) -> dict[str, FittedCLV]:
    """Models that could value the base, each once: `first`, by maximum likelihood, or as it is.

    The posterior of a model is not another model, unless it has groups.
    """
    kinds = comparison.table.set_index("method")["kind"]
    fits = {
        name: fit
        for name, fit in comparison.models.items()
        if isinstance(fit, FittedCLV) and (name == first or kinds[name] in ("model", "bayes"))
    }
    found: dict[str, FittedCLV] = {}
    for name in sorted(fits, key=lambda n: (n != first, kinds[n] != "model")):
        if not any(same_model(fits[name], other) for other in found.values()):
            found[name] = fits[name]
    return found


def same_model(one: FittedCLV, other: FittedCLV) -> bool:
    """Whether two fits are of the same models, neither with groups."""
    parts = (one.purchases, other.purchases), (one.spend, other.spend)
    return all(a.model == b.model and not a.groups and not b.groups for a, b in parts)


def best(
    comparison: HoldoutComparison, kind: str | None = None, among: Collection[str] | None = None
) -> str | None:
    """Method, or one of a kind, with the least RMSE of value; None if all failed."""
    table = comparison.table
    rows = table.dropna(subset="value_rmse")
    if kind is not None:
        rows = rows[rows["kind"] == kind]
    if among is not None:
        rows = rows[rows["method"].isin(among)]
    return None if rows.empty else str(rows["method"].iloc[rows["value_rmse"].argmin()])


def paired(
    comparison: HoldoutComparison,
    metric: str = "rmse",
    quantity: Quantity = "value",
    against: str | None = None,
) -> "pd.DataFrame":
    """Paired differences of a comparison; what is but rounding is 0, and so are its limits."""
    found = comparison.differences(metric, quantity, against)
    came = comparison.table[f"{quantity}_actual"].max() / comparison.split.calibration.customers()
    rounding = found["difference"].abs() < _ROUNDING * (came if metric == "rmse" else 1.0)
    found.loc[rounding, ["difference", "lo", "hi"]] = 0.0
    return found


def _equity(value: FittedCLV, base: RFMSummary, level: float) -> Interval:
    total = value.totals(base, None, level=level).iloc[0]
    return Interval(*(float(total[c]) for c in Interval._fields))


def _earlier(fitted: FittedCLV, base: RFMSummary, level: float) -> Interval:
    try:
        return _equity(fitted, base, level)
    except ClvError:  # it knows too little of some customers, such as their group
        return _NOTHING


def _equities(
    comparison: HoldoutComparison, base: RFMSummary, chosen: str, equity: Interval
) -> "pd.DataFrame":
    """The base valued by every model that did as well as the best one, and by the chosen one."""
    import pandas as pd

    models = contenders(comparison, chosen)
    least = best(comparison, among=models) or chosen
    found = paired(comparison, against=least)
    as_good = {least, *found["method"][(found["lo"] <= 0) & (found["hi"] >= 0)]}
    rows = [(chosen, *equity, chosen in as_good, "")]
    for name in models:
        if name in as_good and name != chosen:
            worth, note = _NOTHING, ""
            try:
                fit = fit_entry(comparison.entries[name], base)
                assert isinstance(fit, FittedCLV)  # as the fit before it is
                worth = _equity(fit, base, comparison.level)
            except ClvError as error:  # the other models still have a value
                note = f"{type(error).__name__}: {error}"
            rows.append((name, *worth, True, note))
    return pd.DataFrame(rows, columns=["method", "equity", "lo", "hi", "as_good", "note"])


def _overdue(value: FittedCLV, base: RFMSummary) -> "pd.DataFrame":
    """Early warnings of those who are overdue, and how many customers a row is."""
    import pandas as pd

    found = early_warnings(value, base)
    found = found[found["overdue"]].drop(columns="overdue").reset_index(drop=True)
    customers = pd.Series(base.weights, index=base.customer_id)
    return found.assign(customers=customers.loc[found["customer_id"]].to_numpy())

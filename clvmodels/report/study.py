"""What a report is about: methods compared on a holdout, the base valued by the best model."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Self, final

from clvmodels.data.summary import RFMSummary
from clvmodels.evaluation.entries import fit_entry
from clvmodels.evaluation.holdout import HoldoutComparison
from clvmodels.evaluation.recommend import Recommendation, recommend
from clvmodels.exceptions import DataError, ParameterError
from clvmodels.units import Horizon
from clvmodels.value.clv import FittedCLV
from clvmodels.value.monitor import early_warnings
from clvmodels.value.segments import Segments, customer_segments

if TYPE_CHECKING:
    import pandas as pd

YEAR: Final = Horizon(12, "month")


class Interval(NamedTuple):
    """A value and the limits of its interval."""

    estimate: float
    lo: float
    hi: float


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
    segments : Segments
        Customers by lifetime value if alive, and by P(alive).
    warnings : DataFrame
        Whose silence has cost most of their lifetime value: see `early_warnings`.
    rivals : DataFrame
        How the error per customer of every other method differs from that of `name`: the paired
        differences in the RMSE of value.
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
            Model that values the base, fitted by the method it was compared with; the one with the
            least error per customer if not given.
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
        chosen = name or best(comparison, "model", models)
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
        equity = value.totals(base, None, level=level).iloc[0]
        predictions = value.predict(base, YEAR, level=level).assign(**columns)
        return cls(
            source=source,
            comparison=comparison,
            name=chosen,
            base=base,
            value=value,
            predictions=predictions,
            year=value.totals(base, YEAR, level=level),
            equity=Interval(*(float(equity[c]) for c in Interval._fields)),
            segments=customer_segments(predictions, value="lifetime_clv", weight=base.weight),
            warnings=early_warnings(value, base),
            rivals=comparison.differences("rmse", "value", against=chosen),
            advice=advice or recommend(base),
            currency=currency,
        )

    @property
    def level(self) -> float:
        """Probability of the intervals."""
        return self.comparison.level

    @property
    def as_of(self) -> str:
        """Day from which the future counts."""
        end = self.base.observation_end
        return "the end of observation" if end is None else f"{end:%Y-%m-%d}"


def best(
    comparison: HoldoutComparison, kind: str, among: Collection[str] | None = None
) -> str | None:
    """Method of a kind with the least error per customer (RMSE of value); None if all failed."""
    table = comparison.table
    rows = table[table["kind"] == kind].dropna(subset="value_rmse")
    if among is not None:
        rows = rows[rows["method"].isin(among)]
    return None if rows.empty else str(rows["method"].iloc[rows["value_rmse"].argmin()])

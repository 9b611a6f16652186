"""Display of P(alive) through the calendar: silence speaks, and a purchase answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, final

import numpy as np

from clvmodels.data.conventions import Conventions, MissingValue, Moment, Refunds, ZeroValue
from clvmodels.data.purchase_dates import purchase_dates
from clvmodels.evaluation.alive_paths import alive_paths
from clvmodels.exceptions import ParameterError
from clvmodels.models.clock import SeasonalClock
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.report import style
from clvmodels.report.display import Display
from clvmodels.report.numbers import percent, significant
from clvmodels.units import TimeUnit

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_MOST: Final = 6  # customers that can be told apart
_ROW: Final = 0.055  # of marks at purchases, below the curves


@final
@dataclass(frozen=True, eq=False, repr=False)
class AlivePath(Display):
    """P(alive) of some customers from their first purchase on, with marks at their purchases.

    Attributes
    ----------
    frame : DataFrame
        customer_id, date, purchases (so far, the first included), p_alive, lo, hi. At a purchase
        there are two rows of one date: before, and after. The interval covers the uncertainty of
        the parameters; NaN where a fit has none.
    model : str
        The model.
    unit : TimeUnit
        That the model counts.
    level : float
        Probability of the interval.

    Examples
    --------
    >>> import clvmodels as clv
    >>> log = clv.datasets.load_cdnow()
    >>> fit = clv.BetaGeoModel().fit(clv.datasets.load_cdnow_summary())
    >>> AlivePath.of(fit, log, [111]).title
    'By 1998-06-30, after 1.4 weeks of silence, customer 111 is alive with 94.1 % (BG/NBD)'
    """

    model: str
    unit: TimeUnit
    level: float

    @classmethod
    def of(
        cls,
        fit: FittedPurchases,
        transactions: Any,
        customers: Sequence[Any],
        *,
        customer_id: str = "customer_id",
        date: str = "date",
        value: str | None = None,
        observation_end: Moment | None = None,
        date_format: str | None = None,
        time_zone: str | None = None,
        refunds: Refunds = "error",
        zero_value: ZeroValue = "keep",
        missing_value: MissingValue = "error",
        level: float = 0.9,
    ) -> Self:
        """Follow what the model says of some customers of a log.

        Parameters
        ----------
        fit : FittedPurchases
            Of a model in continuous time. Its covariates and groups are columns of the log.
        transactions : pandas, polars or Arrow table, Ibis table, or path
            The log.
        customers : sequence
            Ids of one to six customers, as they stand in the log.
        customer_id, date, value, observation_end, date_format, time_zone, refunds, zero_value, \
missing_value
            As in `rfm_summary`.
        level : float
            Probability of the intervals.

        Raises
        ------
        DataError
            If the log cannot be read, or a customer has no purchase.
        ParameterError
            If there are more than six customers, or the model counts opportunities.
        """
        if not isinstance(fit, FittedPurchases) or fit.model.container.__name__ != "RFMSummary":
            raise ParameterError(
                "A path through the calendar is for models of RFMSummary. Of others, "
                "probability_alive_path of the fit gives P(alive) of one summary per date."
            )
        if len(customers) > _MOST:
            raise ParameterError(
                f"At most {_MOST} paths can be told apart, got {len(customers):,} customers."
            )
        columns = () if fit.design is None else fit.design.covariates.columns
        groups = () if fit.groups is None else fit.groups.columns
        by = Conventions(
            time_unit=fit.time_unit,
            customer_id=customer_id,
            date=date,
            value=value,
            date_format=date_format,
            time_zone=time_zone,
            refunds=refunds,
            zero_value=zero_value,
            missing_value=missing_value,
            calendar=fit.clock.calendar if isinstance(fit.clock, SeasonalClock) else None,
            keep=(*columns, *groups),
        )
        bought = purchase_dates(transactions, customers, by, observation_end)
        frame = alive_paths(fit, bought, level)
        return cls(frame, fit.model.label, fit.time_unit, level)

    @property
    def title(self) -> str:
        """See `Display.title`."""
        last = self.frame.groupby("customer_id", sort=False).tail(1)
        least = last.iloc[int(last["p_alive"].argmin())]
        who = least["customer_id"]
        own = self.frame[self.frame["customer_id"] == who]
        bought = _purchases(own)["date"].iloc[-1]
        units = (least["date"] - bought).total_seconds() / 86_400 / self.unit.days
        told = (
            f"By {least['date']:%Y-%m-%d}, after {significant(units, 2)} {self.unit}s of silence, "
            f"customer {who} is alive with {percent(least['p_alive'])} ({self.model})"
        )
        return told if len(last) == 1 else f"{told}, the least of {len(last)}"

    @property
    def caption(self) -> str:
        """See `Display.caption`."""
        band = ""
        if np.isfinite(self.frame["lo"]).any():
            band = f" The band shows how sure the parameters are ({percent(self.level)})."
        return (
            "Probability of being alive as of each date, from the purchases up to then. It falls "
            f"in silence, the sooner the oftener a customer used to buy; marks are purchases.{band}"
        )

    def _draw(self, ax: "Axes") -> None:
        parts = dict(iter(self.frame.groupby("customer_id", sort=False)))
        named = {str(who): part for who, part in parts.items()}
        for row, (name, look) in enumerate(style.looks(named).items(), 1):
            part = named[name]
            ax.fill_between(
                part["date"], part["lo"], part["hi"], color=look.color, alpha=style.BAND,
                linewidth=0,
            )  # fmt: skip
            ax.plot(
                part["date"], part["p_alive"], color=look.color, linestyle=look.dash,
                linewidth=1.6, label=f"customer {name}",
            )  # fmt: skip
            bought = _purchases(part)["date"]
            ax.plot(
                bought, np.full(len(bought), -row * _ROW), look.marker, color=look.color,
                markersize=4, linestyle="",
            )  # fmt: skip
        ax.axhline(0, color=style.SHADE, linewidth=0.8)
        ax.set_ylim(-(len(named) + 0.6) * _ROW, 1.02)
        ax.set_yticks([0, 0.25, 0.5, 0.75, 1])
        style.shares(ax.yaxis)
        style.dates(ax.xaxis)
        ax.set(xlabel="date", ylabel="probability of being alive")
        style.tidy(ax)
        if len(named) > 1:
            style.legend_below(ax)


def _purchases(path: "pd.DataFrame") -> "pd.DataFrame":
    """The rows after each purchase of one customer."""
    return path.drop_duplicates("purchases")

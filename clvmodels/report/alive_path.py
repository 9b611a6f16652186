"""Display of P(alive) through the calendar: silence speaks, and a purchase answers."""

from collections.abc import Sequence, Sized
from dataclasses import dataclass
from datetime import timedelta
from os.path import commonprefix
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
_DAY: Final = timedelta(days=1)
_LETTERS: Final = 15  # of an id in the legend
_IN_TITLE: Final = 36  # those of a UUID
_SHORT: Final = 5  # letters of ids of which three find room side by side


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
    >>> AlivePath.of(fit, log, [111]).title.partition(", after ")[2]
    '1.4 weeks of silence, customer 111 has a 94.1 % chance of being alive (BG/NBD)'
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
            If there are more than six customers, an id is not in a list, or the model counts
            opportunities.
        """
        if not isinstance(fit, FittedPurchases) or fit.model.container.__name__ != "RFMSummary":
            raise ParameterError(
                "A path through the calendar is for models of RFMSummary. Of others, "
                "probability_alive_path of the fit gives P(alive) of one summary per date."
            )
        if isinstance(customers, str) or not isinstance(customers, Sized):
            raise ParameterError(f"Give the ids of customers in a list, such as [{customers!r}].")
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
        name, chance = _without_middle(str(who), _IN_TITLE), percent(least["p_alive"])
        told = (
            f"By {least['date']:%Y-%m-%d}, after {significant(units, 2)} {self.unit}s of silence, "
            f"customer {name} has a {chance} chance of being alive ({self.model})"
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
        named = dict(zip(_short([str(who) for who in parts]), parts.values(), strict=True))
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
        first, last = self.frame["date"].min(), self.frame["date"].max()
        if first == last:  # nobody has a path yet
            ax.set_xlim(first - _DAY, last + _DAY)
        ax.set_yticks([0, 0.25, 0.5, 0.75, 1])
        style.shares(ax.yaxis)
        style.dates(ax.xaxis)
        ax.set(xlabel="date", ylabel="probability of being alive")
        style.tidy(ax)
        if len(named) > 1:
            short = max(map(len, named)) <= _SHORT
            style.legend_below(ax, columns=3 if short else 2, middle=0.3 if short else 0.42)


def _short(names: Sequence[str]) -> list[str]:
    """Long ids without their middle, or without the beginning that they share.

    Where neither tells them apart they are numbered, in the order of the frame.
    """
    shared = commonprefix(names)  # noqa: RUF071 -- of letters, not of a path
    for found in (
        [_without_middle(name) for name in names],
        [f"…{_without_middle(name.removeprefix(shared))}" for name in names],
    ):
        if len({*found}) == len(names):
            return found
    return [f"no. {k}" for k in range(1, len(names) + 1)]


def _without_middle(name: str, letters: int = _LETTERS) -> str:
    half = letters // 2
    return name if len(name) <= letters else f"{name[:half]}…{name[-half:]}"


def _purchases(path: "pd.DataFrame") -> "pd.DataFrame":
    """The rows after each purchase of one customer."""
    return path.drop_duplicates("purchases")

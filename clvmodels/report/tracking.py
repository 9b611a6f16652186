"""Display of purchases through calibration and holdout: those that came, those expected."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, final

import numpy as np

from clvmodels.data.splits import CalibrationHoldoutSplit
from clvmodels.evaluation.bands import no_band, tracking_band
from clvmodels.evaluation.frequency import ACTUAL
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.report import style
from clvmodels.report.display import Display
from clvmodels.report.numbers import banded, more_or_less
from clvmodels.units import TimeUnit

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_COLUMNS: Final = (
    "method", "start", "end", "holdout", "purchases", "purchases_lo", "purchases_hi", "cumulative",
    "cumulative_lo", "cumulative_hi",
)  # fmt: skip


@final
@dataclass(frozen=True, eq=False, repr=False)
class Tracking(Display):
    """Repeat purchases of the calibration customers by week: those that came, those expected.

    Models see the calibration only; what they say of the time after the cutoff is a forecast.

    Attributes
    ----------
    frame : DataFrame
        method ("actual" or a model's name), start, end (first and last day), holdout (true after
        the cutoff), purchases, purchases_lo, purchases_hi, cumulative, cumulative_lo,
        cumulative_hi. The actual purchases add up to all there were. If the model is right, those
        of other customers of these ages lie between lo and hi with probability 90 %: parameters are
        not known exactly, and who buys is chance. Both are NaN where a fit has no uncertainty.
    cutoff : datetime64
        Last day of the calibration.
    unit : TimeUnit
        Length of a row.
    cumulative : bool
        Whether to plot purchases so far instead of purchases per row.

    References
    ----------
    Fader, Hardie and Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2),
    275-284, figures 2 and 3: the sum over customers of eq. 9 at each one's age.

    Examples
    --------
    >>> import clvmodels as clv
    >>> split = clv.calibration_holdout_split(clv.datasets.load_cdnow(sample=True),
    ...     cutoff="1997-09-30", horizon="39 weeks", time_unit="week")
    >>> fit = clv.BetaGeoModel().fit(split.calibration)
    >>> Tracking.of(split, {"BG/NBD": fit}).title
    'BG/NBD foresees 11 % fewer purchases in the holdout than came'
    """

    cutoff: np.datetime64
    unit: TimeUnit
    cumulative: bool

    @classmethod
    def of(
        cls,
        split: CalibrationHoldoutSplit,
        fits: Mapping[str, FittedPurchases],
        unit: TimeUnit | str = TimeUnit.WEEK,
        cumulative: bool = False,
    ) -> Self:
        """Count purchases by week, and add up what each fit expects of the customers by then.

        Parameters
        ----------
        split : CalibrationHoldoutSplit
        fits : mapping of str to FittedPurchases
            Models fitted to its calibration, by the names to show.
        unit : TimeUnit or str
            Length of a row.
        cumulative : bool
            Whether to plot purchases so far instead of purchases per row.
        """
        import pandas as pd

        data = split.calibration
        rows = split.repeat_purchases_by_period(unit)
        ages, age_of = np.unique(data.T, return_inverse=True)
        customers = np.bincount(age_of, data.weight).astype(np.float64)
        reached = np.maximum(ages + rows["elapsed"].to_numpy()[:, None], 0.0)
        # customers of all ages go through the same ages: one question for each, but for rounding
        distinct, place = np.unique(np.round(reached.ravel(), 9), return_inverse=True)
        so_far = {ACTUAL: np.cumsum(rows["purchases"].to_numpy(np.float64))}
        ends = {ACTUAL: no_band(len(rows))}
        for name, fit in fits.items():
            units = data.time_unit.days / fit.time_unit.days
            curve = fit.expected_curve(distinct * units)
            each = curve[place].reshape(reached.shape)
            so_far[name] = each @ customers
            ends[name] = tracking_band(fit, data, reached * units, customers, each)
        parts = [
            rows[["start", "end", "holdout"]].assign(
                method=name,
                purchases=np.diff(total, prepend=0.0),
                cumulative=total,
                **ends[name],
            )
            for name, total in so_far.items()
        ]
        frame = pd.concat(parts, ignore_index=True)
        return cls(
            frame[list(_COLUMNS)],
            np.datetime64(data.observation_end),
            TimeUnit.parse(unit),
            cumulative,
        )

    def error(self, holdout: bool = False) -> dict[str, float]:
        """By what share each model's total misses the actual one, at the end.

        Parameters
        ----------
        holdout : bool
            Count the holdout alone, instead of everything since the first purchase.

        Returns
        -------
        dict
            Share by model; infinite if nothing came.
        """
        rows = self.frame[self.frame["holdout"]] if holdout else self.frame
        total = rows.groupby("method", sort=False)["purchases"].sum().to_dict()
        came = total.pop(ACTUAL)
        return {str(name): value / came - 1 if came else np.inf for name, value in total.items()}

    @property
    def title(self) -> str:
        """See `Display.title`."""
        name, missed = next(iter(self.error(holdout=True).items()))
        told = f"{name} foresees {more_or_less(missed, 'purchases in the holdout')} came"
        if self.cumulative:
            told += f", and {more_or_less(self.error()[name], 'in all')} came"
        return told

    @property
    def caption(self) -> str:
        """See `Display.caption`."""
        kind = "so far" if self.cumulative else f"per {self.unit}"
        return (
            f"Repeat purchases {kind} of the customers of the calibration period. The models were "
            "fitted to what lies before the dotted line; behind it, they forecast. They expect "
            "what new customers would do from their first purchase on, not what these ones did. "
            "So what they miss in the holdout is not the bias of a league table, where forecasts "
            "know what each customer did before."
            f"{self._left_out()}{banded(self.frame[f'{self._column}_lo'])}"
        )

    @property
    def _column(self) -> str:
        return "cumulative" if self.cumulative else "purchases"

    def _left_out(self) -> str:
        if len(self._shown()) == len(self.frame):
            return ""
        return f" The first or last {self.unit} is not whole, and not drawn."

    def _shown(self) -> "pd.DataFrame":
        """What is drawn: a part of a week would look like a week with few purchases."""
        frame = self.frame
        starts, ends = frame["start"].to_numpy(), frame["end"].to_numpy()
        if self.cumulative or len(np.unique(starts)) < 3:
            return frame
        period = starts[1] - ends[0]  # a day or an hour
        whole = np.timedelta64(round(self.unit.days * 86_400), "s") - period
        shown: pd.DataFrame = frame[ends - starts + period > whole]
        return shown

    def _draw(self, ax: "Axes") -> None:
        column = self._column
        parts = dict(iter(self._shown().groupby("method", sort=False)))
        actual = parts.pop(ACTUAL)
        ax.plot(actual["end"], actual[column], color=style.INK, linewidth=1.6, label=ACTUAL)
        for name, look in style.looks(map(str, parts)).items():
            part = parts[name]
            ax.fill_between(
                part["end"], part[f"{column}_lo"], part[f"{column}_hi"], color=look.color,
                alpha=style.BAND, linewidth=0,
            )  # fmt: skip
            ax.plot(
                part["end"], part[column], color=look.color, linestyle=look.dash, linewidth=1.6,
                label=name,
            )  # fmt: skip
        cutoff: Any = self.cutoff  # a date is a place on an axis of dates
        ax.axvline(cutoff, color=style.SHADE, linestyle=":", linewidth=1.4)
        style.dates(ax.xaxis)
        style.amounts(ax.yaxis)
        ax.set_ylim(bottom=0)
        kind = "so far" if self.cumulative else f"per {self.unit}"
        ax.set(xlabel=f"{self.unit} ending", ylabel=f"repeat purchases {kind}")
        style.tidy(ax)
        style.legend(ax)

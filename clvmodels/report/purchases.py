"""Displays of how well a purchase model describes, and foresees, when customers buy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, final

import numpy as np

from clvmodels._typing import AnyArray, FloatArray
from clvmodels.data.histories import Histories
from clvmodels.data.splits import CalibrationHoldoutSplit
from clvmodels.data.summary import RFMSummary
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.report import style
from clvmodels.report.display import Display
from clvmodels.report.numbers import more_or_less, percent, significant
from clvmodels.units import Horizon, TimeUnit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACTUAL: Final = "actual"
_MOST_AGES: Final = 300


@final
@dataclass(frozen=True, eq=False, repr=False)
class Tracking(Display):
    """Repeat purchases of the calibration customers by week: those that came, those expected.

    Models see the calibration only; what they say of the time after the cutoff is a forecast.

    Attributes
    ----------
    frame : DataFrame
        method ("actual" or a model's name), start, end (first and last day), holdout (true after
        the cutoff), purchases, cumulative. The actual purchases add up to all there were.
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
    >>> Tracking.of(split, {"BG/NBD": fit}, cumulative=True).title
    'By 1998-06-30, BG/NBD expects 4.1 % fewer purchases than came'
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
        customers = np.bincount(age_of, data.weight)
        reached = np.maximum(ages + rows["elapsed"].to_numpy()[:, None], 0.0)
        # customers of all ages go through the same ages: one question for each, but for rounding
        distinct, place = np.unique(np.round(reached.ravel(), 9), return_inverse=True)
        columns = {ACTUAL: rows["purchases"].to_numpy(np.float64)}
        for name, fit in fits.items():
            curve = fit.expected_curve(distinct * (data.time_unit.days / fit.time_unit.days))
            expected = curve[place].reshape(reached.shape) @ customers
            columns[name] = np.diff(expected, prepend=0.0)
        parts = [
            rows[["start", "end", "holdout"]].assign(
                method=name, purchases=purchases, cumulative=np.cumsum(purchases)
            )
            for name, purchases in columns.items()
        ]
        frame = pd.concat(parts, ignore_index=True)
        order = ["method", "start", "end", "holdout", "purchases", "cumulative"]
        return cls(
            frame[order], np.datetime64(data.observation_end), TimeUnit.parse(unit), cumulative
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
        name = next(iter(self.error()))
        if self.cumulative:
            end = np.datetime_as_string(self.frame["end"].to_numpy().max(), "D")
            return (
                f"By {end}, {name} expects {more_or_less(self.error()[name])} purchases than came"
            )
        return (
            f"{name} foresees {more_or_less(self.error(holdout=True)[name])} purchases in the "
            "holdout than came"
        )

    @property
    def caption(self) -> str:
        """See `Display.caption`."""
        kind = "so far" if self.cumulative else f"per {self.unit}"
        return (
            f"Repeat purchases {kind} of the customers of the calibration period. The models were "
            "fitted to what lies before the dotted line; behind it, they forecast."
        )

    def _draw(self, ax: "Axes") -> None:
        column = "cumulative" if self.cumulative else "purchases"
        parts = dict(iter(self.frame.groupby("method", sort=False)))
        actual = parts.pop(ACTUAL)
        ax.plot(actual["end"], actual[column], color=style.INK, linewidth=1.6, label=ACTUAL)
        for name, look in style.looks(map(str, parts)).items():
            part = parts[name]
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


@final
@dataclass(frozen=True, eq=False, repr=False)
class FrequencyHistogram(Display):
    """Customers by number of repeat purchases: how many there are, and how many a model expects.

    Attributes
    ----------
    frame : DataFrame
        method ("actual" or a model's name), purchases (the last counts all from there on),
        customers. Each method's customers add up to those of the summary.
    chi_square : Mapping of str to float
        Pearson's statistic of each model: the sum of (actual - expected)^2 / expected.

    References
    ----------
    Fader, Hardie and Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2),
    275-284, figure 1: expected counts from eq. 8 at each customer's own T.

    Examples
    --------
    >>> import clvmodels as clv
    >>> rfm = clv.datasets.load_cdnow_summary()
    >>> display = FrequencyHistogram.of({"BG/NBD": clv.BetaGeoModel().fit(rfm)}, rfm)
    >>> round(display.chi_square["BG/NBD"], 2)
    4.82
    """

    chi_square: Mapping[str, float]

    @classmethod
    def of(cls, fits: Mapping[str, FittedPurchases], data: RFMSummary, top: int = 7) -> Self:
        """Count the customers of a summary, and ask each fit for its expectation.

        Parameters
        ----------
        fits : mapping of str to FittedPurchases
            Fitted models by the names to show.
        data : RFMSummary
            The customers they were fitted to.
        top : int
            All with at least this many repeat purchases share a bar.
        """
        import pandas as pd

        h = data.compress()
        observed = np.bincount(np.minimum(h.x, top).astype(int), h.weight, minlength=top + 1)
        columns = {ACTUAL: observed}
        ages, customers = _ages(h)
        for name, fit in fits.items():
            chances = _chances(fit, ages, data.time_unit, top)
            columns[name] = np.append(customers @ chances, customers @ (1 - chances.sum(axis=1)))
        parts = [
            pd.DataFrame({"method": name, "purchases": np.arange(top + 1), "customers": values})
            for name, values in columns.items()
        ]
        chi_square = {
            name: float(np.sum((observed - columns[name]) ** 2 / columns[name])) for name in fits
        }
        return cls(pd.concat(parts, ignore_index=True), chi_square)

    @property
    def title(self) -> str:
        """See `Display.title`."""
        name, wrong = min(self._misplaced().items(), key=lambda item: item[1])
        return f"{name} puts {percent(wrong)} of the customers under a wrong number of purchases"

    @property
    def caption(self) -> str:
        """See `Display.caption`."""
        chi_square = ", ".join(f"{k} {significant(v)}" for k, v in self.chi_square.items())
        return (
            "Customers by repeat purchases in the data that the models were fitted to: counted, "
            f"and expected by each model. Chi-square: {chi_square}."
        )

    def _misplaced(self) -> dict[str, float]:
        wide = self.frame.pivot(index="purchases", columns="method", values="customers")
        total = wide[ACTUAL].sum()
        return {
            name: float((wide[name] - wide[ACTUAL]).abs().sum() / 2 / total)
            for name in self.chi_square
        }

    def _draw(self, ax: "Axes") -> None:
        actual = self.frame[self.frame["method"] == ACTUAL]
        ax.bar(actual["purchases"], actual["customers"], 0.84, label=ACTUAL, color=style.SHADE)
        step = 0.84 / (len(self.chi_square) + 1)
        for k, (name, look) in enumerate(style.looks(self.chi_square).items()):
            part = self.frame[self.frame["method"] == name]
            place = part["purchases"] + (k + 1) * step - 0.42
            ax.plot(
                place, part["customers"], look.marker, label=name, color=look.color,
                markeredgecolor=style.PAPER, markersize=6,
            )  # fmt: skip
        top = int(self.frame["purchases"].max())
        ax.set_xticks(range(top + 1), [*map(str, range(top)), f"{top}+"])
        ax.set(xlabel="repeat purchases", ylabel="customers")
        style.amounts(ax.yaxis)
        style.tidy(ax)
        style.legend(ax, first=ACTUAL)


@final
@dataclass(frozen=True, eq=False, repr=False)
class AliveMatrix(Display):
    """P(alive) by repeat purchases and recency, for customers of one age.

    Attributes
    ----------
    frame : DataFrame
        frequency (from 1), recency, p_alive: one row per cell.
    name : str
        The model.
    age : Horizon
        Age of the customers: that of the oldest in the summary.
    once : float
        P(alive) of a customer of that age without repeat purchases.

    Examples
    --------
    >>> import clvmodels as clv
    >>> rfm = clv.datasets.load_cdnow_summary()
    >>> AliveMatrix.of("BG/NBD", clv.BetaGeoModel().fit(rfm), rfm).title
    'After 4 repeat purchases, 16 weeks of silence make it even odds that a customer is gone...'
    """

    name: str
    age: Horizon
    once: float

    @classmethod
    def of(cls, name: str, fit: FittedPurchases, data: RFMSummary, steps: int = 60) -> Self:
        """Work out P(alive) on a grid that covers nearly all customers with repeat purchases.

        Parameters
        ----------
        name : str
            Name of the model to show.
        fit : FittedPurchases
        data : RFMSummary
            Sets the age and the range of frequencies: up to what 1 in 100 repeat buyers exceed.
        steps : int
            Cells along the recency axis.
        """
        import pandas as pd

        repeats = data.frequency[data.frequency > 0]
        most = int(np.clip(np.quantile(repeats, 0.99) if len(repeats) else 0, 5, 40))
        oldest = float(data.T.max())
        middles = (np.arange(steps) + 0.5) * oldest / steps
        pairs = np.meshgrid(np.arange(1.0, most + 1), middles)
        x, t_x = (np.append(0.0, values.ravel()) for values in pairs)
        grid = RFMSummary(
            customer_id=np.arange(len(x)),
            frequency=x,
            recency=t_x,
            T=np.full(len(x), oldest),
            monetary_value=None,
            time_unit=data.time_unit,
        )
        alive = fit.probability_alive(grid)
        frame = pd.DataFrame({"frequency": x.astype(int), "recency": t_x, "p_alive": alive})[1:]
        once = float(alive[0])
        return cls(frame.reset_index(drop=True), name, Horizon(oldest, data.time_unit), once)

    @property
    def title(self) -> str:
        """See `Display.title`."""
        frequency, silence = self._even_chance()
        if silence is None:
            return f"{self.name} takes every customer for alive"
        times = f"{frequency} repeat purchase{'' if frequency == 1 else 's'}"
        return (
            f"After {times}, {significant(silence, 2)} {self.age.unit}s of silence make it even "
            f"odds that a customer is gone ({self.name})"
        )

    @property
    def caption(self) -> str:
        """See `Display.caption`."""
        return (
            f"Probability of being alive {self.age.length:.0f} {self.age.unit}s after the first "
            "purchase, by number of repeat purchases and when the last one was. Frequent buyers "
            "who fall silent are given up soonest. Of a customer who bought only once it is "
            f"{significant(self.once)}."
        )

    def _matrix(self) -> tuple[AnyArray, AnyArray, FloatArray]:
        wide = self.frame.pivot(index="recency", columns="frequency", values="p_alive")
        return wide.columns.to_numpy(), wide.index.to_numpy(), wide.to_numpy()

    def _even_chance(self) -> tuple[int, float | None]:
        """A middling frequency, and the silence at which P(alive) is one half there."""
        frequencies, recency, alive = self._matrix()
        middle = min(3, len(frequencies) - 1)
        column = alive[:, middle]
        below = np.flatnonzero(column < 0.5)
        if not len(below) or below[-1] == len(column) - 1:
            return int(frequencies[middle]), None
        k = below[-1]
        share = (0.5 - column[k]) / (column[k + 1] - column[k])
        return int(frequencies[middle]), self.age.length - float(
            recency[k] + share * (recency[k + 1] - recency[k])
        )

    def _draw(self, ax: "Axes") -> None:
        frequencies, recency, alive = self._matrix()
        box = (0.5, frequencies[-1] + 0.5, 0.0, self.age.length)
        image = ax.imshow(
            alive, origin="lower", aspect="auto", extent=box, cmap="cividis", vmin=0, vmax=1
        )
        if alive.min() < 0.5 < alive.max():
            lines = ax.contour(
                frequencies, recency, alive, levels=[0.1, 0.5, 0.9], colors="white", linewidths=1
            )
            ax.clabel(lines, fmt="%.1f", fontsize=8)
        unit = f"{self.age.unit}s"
        ax.set(xlabel="repeat purchases", ylabel=f"recency ({unit} from first to last purchase)")
        style.tidy(ax)
        ax.grid(visible=False)
        bar = ax.figure.colorbar(image, ax=ax)
        bar.set_label("P(alive)", color=style.INK, fontsize=9.5)
        bar.ax.tick_params(colors=style.INK, labelsize=9)


def _ages(histories: Histories) -> tuple[FloatArray, FloatArray]:
    """Distinct ages, and how many customers have each; so many at most that all can be asked for.

    Neighbours are taken together where there are more: the error is of second order in a class
    of less than 1/300 of the longest age.
    """
    T, weight = histories.T, histories.weight
    age_of = np.unique(T, return_inverse=True)[1]
    if age_of.max() >= _MOST_AGES:
        classes = np.floor(T / T.max() * (_MOST_AGES - 1))
        age_of = np.unique(classes, return_inverse=True)[1]
    customers = np.bincount(age_of, weight).astype(np.float64)
    return np.bincount(age_of, weight * T) / customers, customers


def _chances(fit: FittedPurchases, ages: FloatArray, unit: TimeUnit, top: int) -> FloatArray:
    """Probability of 0, 1, .., top - 1 repeat purchases by each age, of shape (ages, top)."""
    return np.array(
        [[fit.purchase_pmf_new_customer(n, Horizon(age, unit)) for n in range(top)] for age in ages]
    )

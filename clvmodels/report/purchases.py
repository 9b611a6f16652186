"""Displays of how a purchase model sees the customers it was fitted to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, final

import numpy as np

from clvmodels._typing import AnyArray, FloatArray
from clvmodels.data.summary import RFMSummary
from clvmodels.evaluation.calibration import no_purchase_calibration
from clvmodels.evaluation.frequency import ACTUAL, chi_square, frequency_counts
from clvmodels.evaluation.holdout import HoldoutComparison
from clvmodels.exceptions import ParameterError
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.report import style
from clvmodels.report.display import Display
from clvmodels.report.numbers import banded, percent, significant
from clvmodels.units import Horizon

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@final
@dataclass(frozen=True, eq=False, repr=False)
class FrequencyHistogram(Display):
    """Customers by number of repeat purchases: how many there are, and how many a model expects.

    Attributes
    ----------
    frame : DataFrame
        method ("actual" or a model's name), purchases (the last counts all from there on),
        customers, lo, hi (a band that covers 90 %: see `frequency_counts`). Each method's customers
        add up to those of the summary.
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
        counts = frequency_counts(fits, data, top)
        return cls(counts, {name: chi_square(counts, name) for name in fits})

    @property
    def title(self) -> str:
        """See `Display.title`."""
        name, wrong = next(iter(self._misplaced().items()))
        return f"{name} puts {percent(wrong)} of the customers under a wrong number of purchases"

    @property
    def caption(self) -> str:
        """See `Display.caption`."""
        chi_square = ", ".join(f"{k} {significant(v)}" for k, v in self.chi_square.items())
        return (
            "Customers by repeat purchases in the data that the models were fitted to: counted, "
            f"and expected by each model. Chi-square: {chi_square}.{banded(self.frame['lo'])}"
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
            ax.vlines(place, part["lo"], part["hi"], color=look.color, linewidth=1.2)
            ax.plot(
                place, part["customers"], look.marker, label=name, color=look.color,
                markeredgecolor=style.PAPER, markersize=5,
            )  # fmt: skip
        top = int(self.frame["purchases"].max())
        ax.set_xticks(range(top + 1), [*map(str, range(top)), f"{top}+"])
        ax.set(xlabel="repeat purchases", ylabel="customers")
        style.amounts(ax.yaxis)
        style.tidy(ax)
        style.legend(ax, first=ACTUAL)


@final
@dataclass(frozen=True, eq=False, repr=False)
class SilenceCalibration(Display):
    """Who bought nothing in the holdout, against the probability that models gave it.

    Attributes
    ----------
    frame : DataFrame
        method, decile (1 is least likely to buy), customers, predicted, observed, lo, hi: see
        `no_purchase_calibration`.

    Examples
    --------
    >>> import clvmodels as clv
    >>> split = clv.calibration_holdout_split(clv.datasets.load_cdnow(sample=True),
    ...     cutoff="1997-09-30", horizon="39 weeks", time_unit="week", value="value")
    >>> models = {"BG/NBD": clv.CLVModel(clv.BetaGeoModel(), clv.GammaGammaModel(), discount=0)}
    >>> SilenceCalibration.of(clv.compare_holdout(models, split)).title
    'BG/NBD expects silence of 74 % of the customers, and 71 % are silent'
    """

    @classmethod
    def of(cls, comparison: HoldoutComparison) -> Self:
        """Take the probabilities of all purchase models of a comparison.

        Titles tell of the model that was compared first.
        """
        frame = no_purchase_calibration(comparison)
        if frame.empty:
            raise ParameterError("None of the methods compared gives a probability of no purchase.")
        return cls(frame)

    @property
    def title(self) -> str:
        """See `Display.title`."""
        name = self.frame["method"].iloc[0]
        own = self.frame[self.frame["method"] == name]
        predicted, observed = (
            float(np.average(own[end], weights=own["customers"]))
            for end in ("predicted", "observed")
        )
        return (
            f"{name} expects silence of {percent(predicted)} of the customers, and "
            f"{percent(observed)} are silent"
        )

    @property
    def caption(self) -> str:
        """See `Display.caption`."""
        return (
            "Share of customers without a purchase in the holdout, in tenths of the customers by "
            "their probability of it; on the dotted line a tenth does what is expected of it."
            f"{banded(self.frame['lo'])}"
        )

    def _draw(self, ax: "Axes") -> None:
        ax.plot([0, 1], [0, 1], color=style.SHADE, linestyle=":", linewidth=1.4)
        parts = dict(iter(self.frame.groupby("method", sort=False)))
        for name, look in style.looks(map(str, parts)).items():
            part = parts[name]
            ax.fill_between(
                part["predicted"], part["lo"], part["hi"], color=look.color, alpha=style.BAND,
                linewidth=0,
            )  # fmt: skip
            ax.plot(
                part["predicted"], part["observed"], look.marker, color=look.color, label=name,
                markeredgecolor=style.PAPER, markersize=6,
            )  # fmt: skip
        style.shares(ax.xaxis)
        style.shares(ax.yaxis)
        ax.set(xlabel="probability of no purchase", ylabel="share without a purchase")
        style.tidy(ax, grid="both")
        style.legend(ax, "lower right")


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
        frequency, silence = self._even_odds()
        times = f"{frequency} repeat purchase{'' if frequency == 1 else 's'}"
        if silence == np.inf:
            return f"{self.name} never gives up a customer with {times}"
        if silence == 0:
            return f"{self.name} gives up customers with {times} at once"
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

    def _even_odds(self) -> tuple[int, float]:
        """A middling frequency, and the silence after which P(alive) is below one half there."""
        frequencies, recency, alive = self._matrix()
        middle = min(3, len(frequencies) - 1)
        frequency, column = int(frequencies[middle]), alive[:, middle]
        if column.min() >= 0.5:
            return frequency, np.inf
        if column[-1] < 0.5:
            return frequency, 0.0
        # P(alive) rises with recency
        return frequency, self.age.length - float(np.interp(0.5, column, recency))

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

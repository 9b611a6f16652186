"""Displays of the metrics of a backtest: who is better than whom, and whether that lasts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, final

import numpy as np

from clvmodels.evaluation.backtest_result import Backtest
from clvmodels.exceptions import ParameterError
from clvmodels.report import style
from clvmodels.report.display import Display
from clvmodels.report.methods import (
    KINDS,
    LOOKS,
    NAMES,
    SAME,
    along,
    chosen,
    fault,
    first_capital,
    holdouts,
    in_words,
    less_is_better,
    overlapping,
    ranking,
    shown,
    shown_gap,
    unit,
)
from clvmodels.report.numbers import percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_LABELS: Final = 4  # as many dates as have room below a plot
_ROWS: Final = 8  # as many methods as have room in a plot of usual height
_ROW: Final = 0.22  # inches that each further one takes
_OVERLAP: Final = " Holdouts overlap in time: the cutoffs are no independent trials."


@final
@dataclass(frozen=True, eq=False, repr=False)
class MethodForest(Display):
    """How far every method is from one of them, with intervals: a forest plot.

    Differences are paired: both methods are judged by the same customers, so that what makes all
    of them err at once cancels.

    Attributes
    ----------
    frame : DataFrame
        method, kind, cutoff (NaT for all cutoffs together), difference (positive: a larger metric
        than the reference), se, lo, hi; the best method first. Infinite where one of the two is.
    metric, quantity : str
        What is compared, and of what.
    against : str
        The method that all others are compared with.
    reference : float
        Its metric, over all cutoffs.
    horizon : str
        Length of the holdouts, and whether nobody bought.
    overlap : bool
        Whether holdouts overlap in time.
    level : float
        Probability of the intervals.
    currency : str
        Of the revenue.
    """

    metric: str
    quantity: str
    against: str
    reference: float
    horizon: str
    overlap: bool
    level: float
    currency: str

    @classmethod
    def of(
        cls,
        backtest: Backtest,
        metric: str = "rmse",
        quantity: str = "purchases",
        against: str | None = None,
        currency: str = "",
    ) -> Self:
        """Compare every method with one.

        Parameters
        ----------
        backtest : Backtest
        metric : str
            One by which methods are ranked, such as "rmse", "crps" or "gini".
        quantity : {"purchases", "value", "active"}
            What was predicted.
        against : str, optional
            The method to compare with; the best one if not given.
        currency : str
            Of the revenue.

        Raises
        ------
        ParameterError
            If methods are not ranked by the metric, or there is none of the name `against`.
        DataError
            If no method has the metric.
        """
        import pandas as pd

        ranked = ranking(backtest, metric, quantity).set_index("method")
        against = str(ranked.index[0]) if against is None else against
        if against not in ranked.index:
            raise ParameterError(
                f"There is nothing of {against!r} here; there is {', '.join(ranked.index)}."
            )
        pooled = backtest.differences(metric, quantity, against).drop(columns="cutoffs")
        each = backtest.differences(metric, quantity, against, by_cutoff=True)
        frame = pd.concat([pooled, each], ignore_index=True).astype({"difference": np.float64})
        frame = frame[frame["difference"].notna()].assign(kind=frame["method"].map(ranked["kind"]))
        place = frame["method"].map({name: k for k, name in enumerate(ranked.index)})
        frame = frame.iloc[np.lexsort([frame["cutoff"], place])]
        columns = ["method", "kind", "cutoff", "difference", "se", "lo", "hi"]
        return cls(
            frame[columns].reset_index(drop=True),
            metric,
            quantity,
            against,
            float(ranked[metric][against]),
            holdouts(backtest),
            overlapping(backtest),
            backtest.level,
            currency if quantity == "value" else "",
        )

    @property
    def title(self) -> str:
        """See `Display.title`."""
        about = first_capital(f"{in_words(self.metric, self.quantity)} over {self.horizon}")
        name = f"{self.against} ({shown(self.metric, self.reference, self.currency)})"
        sides = list(self._standing.values())
        if not (size := len(sides)):
            return f"{about}: {name}, and no other method to compare with"
        alone = "the only other method" if size == 1 else ""
        if better := sides.count("better"):
            others = alone or f"{better} of {size} other methods"
            return f"{about}: {others} {'is' if better == 1 else 'are'} better than {name}"
        said = []
        if beaten := sides.count("worse"):
            some = "all" if beaten == size else f"{beaten} of"
            said.append(f"beats {alone or f'{some} {size} others'}")
        for word, side in (("ahead of", "behind"), ("behind", "ahead")):
            if side in sides:
                said.append(f"is {word} {self._by_how_much(side)}, not at every cutoff")
        if not said:
            return f"{about}: {name} cannot be told from {alone or f'any of the {size} others'}"
        rest = "; the rest cannot be told from it" if "like it" in sides else ""
        return f"{about}: {name} {', and '.join(said)}{rest}"

    @property
    def caption(self) -> str:
        """See `Display.caption`."""
        told = [
            f"{first_capital(self._measure)}, each method's less that of {self.against}, on the "
            f"same customers. To the {'right' if less_is_better(self.metric) else 'left'}: worse. "
            f"Bars are {percent(self.level)} intervals"
        ]
        at = self.frame.groupby("method", sort=False)["cutoff"].count()
        if (cutoffs := at.max()) > 1:
            told.append(" for all cutoffs together; small marks are single cutoffs")
        beside = _OVERLAP if self.overlap else ""
        told.append(f". The intervals resample customers, not times.{beside}")
        if (fewer := at[at < cutoffs]).size:
            names = (f"{name} ({k} of {cutoffs})" for name, k in fewer.items())
            told.append(f" Compared at fewer cutoffs: {', '.join(names)}.")
        if self._endless:
            told.append(f" Infinitely far, and not drawn: {', '.join(self._endless)}.")
        return "".join(told)

    @property
    def _standing(self) -> dict[str, str]:
        """How each other method stands to the reference.

        It is better or worse where the interval says so and each cutoff agrees, ahead or behind
        where some cutoff does not, and else like it.
        """
        # equal to four digits is equal, however sure
        least = SAME * abs(self.reference) if np.isfinite(self.reference) else 0.0
        found = {}
        for name, rows in self.frame.groupby("method", sort=False):
            gap, together = rows["difference"], rows["cutoff"].isna()
            side = np.sign(gap).where(gap.abs() > least, 0.0)
            sure = (rows["lo"] > 0) | (rows["hi"] < 0) | np.isinf(gap)
            for pooled in side.where(sure, 0.0)[together]:
                worse = (pooled > 0) == less_is_better(self.metric)
                words = ("worse", "better") if (side == pooled).all() else ("behind", "ahead")
                found[str(name)] = words[0 if worse else 1] if pooled else "like it"
        return found

    def _by_how_much(self, side: str) -> str:
        """The method on a side of the reference, or how many there are, and how far they are."""
        names = [name for name, its in self._standing.items() if its == side]
        who, at_most = (f"{len(names)} others", "up to ") if len(names) > 1 else (names[0], "")
        gap = self._pooled.set_index("method")["difference"][names].abs().max()
        if np.isinf(gap):
            return who
        return f"{who} by {at_most}{shown_gap(self.metric, gap, self.currency)}"

    @property
    def _pooled(self) -> "pd.DataFrame":
        return self.frame[self.frame["cutoff"].isna()]

    @property
    def _endless(self) -> list[str]:
        """Methods so far off that no axis has room for them."""
        pooled = self._pooled
        return list(pooled.loc[np.isinf(pooled["difference"]), "method"])

    @property
    def _drawn(self) -> "pd.DataFrame":
        frame = self.frame[~self.frame["method"].isin(self._endless)]
        drawn: pd.DataFrame = frame[np.isfinite(frame["difference"])]
        return drawn

    @property
    def _size(self) -> tuple[float, float]:
        width, height = style.SIZE
        return width, height + _ROW * max(self._drawn["method"].nunique() - _ROWS, 0)

    def _draw(self, ax: "Axes") -> None:
        frame = self._drawn
        names = list(frame["method"].unique())
        place = {name: -k for k, name in enumerate(names)}
        ax.axvline(0, color=style.SHADE, linewidth=1)
        pooled = frame["cutoff"].isna()
        single = frame[~pooled]
        if single["cutoff"].nunique() > 1:
            ax.plot(
                single["difference"], single["method"].map(place) - 0.32, "|", color=style.SHADE,
                markersize=5,
            )  # fmt: skip
        for kind in (kind for kind in KINDS if kind in set(frame["kind"])):
            part = frame[pooled & (frame["kind"] == kind)]
            half = (part["hi"] - part["difference"]).where(np.isfinite(part["hi"]))
            ax.errorbar(
                part["difference"], part["method"].map(place), xerr=half, fmt=LOOKS[kind].marker,
                color=LOOKS[kind].color, markersize=5, linewidth=1, label=kind,
            )  # fmt: skip
        ax.set_yticks(list(place.values()), names, parse_math=False)
        ax.locator_params("x", nbins=5)
        along(ax.xaxis, self.metric)
        ax.set(xlabel=f"difference in {self._measure}{unit(self.metric, self.currency)}")
        style.tidy(ax, grid="x")
        if names:
            style.legend_below(ax)

    @property
    def _measure(self) -> str:
        return "distance of bias from 0" if self.metric == "bias" else NAMES[self.metric]


@final
@dataclass(frozen=True, eq=False, repr=False)
class MetricOverTime(Display):
    """A metric of some methods at every cutoff, to see whether the ranking holds over time.

    Attributes
    ----------
    frame : DataFrame
        method, kind, cutoff, value, se.
    metric, quantity : str
        What is shown, and of what.
    horizon : str
        Length of the holdouts, and whether nobody bought.
    overlap : bool
        Whether holdouts overlap in time.
    currency : str
        Of the revenue.
    """

    metric: str
    quantity: str
    horizon: str
    overlap: bool
    currency: str

    @classmethod
    def of(
        cls,
        backtest: Backtest,
        metric: str = "rmse",
        quantity: str = "purchases",
        methods: Sequence[str] | None = None,
        currency: str = "",
    ) -> Self:
        """Take a metric of all customers, cutoff by cutoff.

        Parameters
        ----------
        backtest : Backtest
        metric : str
            One by which methods are ranked, such as "rmse", "crps" or "gini".
        quantity : {"purchases", "value", "active"}
            What was predicted.
        methods : sequence of str, optional
            Up to six; the best of each kind if not given.
        currency : str
            Of the revenue.

        Raises
        ------
        ParameterError
            If methods are not ranked by the metric, or there is none of a name.
        DataError
            If no method has the metric.
        """
        names = chosen(methods, ranking(backtest, metric, quantity))
        rows = backtest.frame
        rows = rows[
            (rows["quantity"] == quantity)
            & (rows["metric"] == metric)
            & (rows["group"] == "all")
            & rows["method"].isin(names)
            & rows["value"].notna()
        ]
        order = np.lexsort([rows["cutoff"], rows["method"].map(names.index)])
        frame = rows.iloc[order][["method", "kind", "cutoff", "value", "se"]]
        frame = frame.reset_index(drop=True)
        currency = currency if quantity == "value" else ""
        return cls(frame, metric, quantity, holdouts(backtest), overlapping(backtest), currency)

    @property
    def title(self) -> str:
        """See `Display.title`."""
        frame = self.frame
        about = first_capital(f"{in_words(self.metric, self.quantity)} over {self.horizon}")
        if np.isinf(frame["value"]).all():
            return f"{about}: infinite for all methods shown"
        cutoffs = frame["cutoff"].nunique()
        if frame["method"].nunique() == 1:
            ends = frame["value"].min(), frame["value"].max()
            values = dict.fromkeys(shown(self.metric, end, self.currency) for end in ends)
            at = "the only cutoff" if cutoffs == 1 else f"{cutoffs} cutoffs"
            return f"{about}: {' to '.join(values)} by {frame['method'].iloc[0]} at {at}"
        faults = frame.assign(fault=fault(self.metric, frame["value"]))["fault"]
        least = faults.groupby(frame["cutoff"]).transform("min")
        best = frame[faults <= least + SAME * least.abs()]
        wins = best["method"].value_counts()
        name = wins.index[0]
        shared = best["cutoff"].duplicated(keep=False) & (best["method"] == name)
        ties = ", or as good as the best," if shared.any() else ""
        at = "the only cutoff" if cutoffs == 1 else f"{wins.iloc[0]} of {cutoffs} cutoffs"
        return f"{about}: {name} was best of those shown{ties} at {at}"

    @property
    def caption(self) -> str:
        """See `Display.caption`."""
        told = "Lower is better" if less_is_better(self.metric) else "Higher is better"
        if self.metric == "bias":
            told = "Nearest to zero is best"
        endless = self.frame.loc[np.isinf(self.frame["value"]), "method"].unique()
        beyond = ""
        if len(endless):
            beyond = f" Infinite at some cutoff, and not drawn there: {', '.join(endless)}."
        return (
            f"{first_capital(NAMES[self.metric])} at each cutoff, the last day that the methods "
            f"saw; bars show two standard errors, which the methods share in large part. {told}."
            f"{_OVERLAP if self.overlap else ''}{beyond}"
        )

    def _draw(self, ax: "Axes") -> None:
        import pandas as pd

        frame = self.frame[np.isfinite(self.frame["value"])]
        looks = style.looks(frame["method"].unique())
        cutoffs = frame["cutoff"]
        step = (cutoffs.max() - cutoffs.min()) / 100  # side by side, not on top of one another
        for k, (name, look) in enumerate(looks.items()):
            part = frame[frame["method"] == name]
            shift = pd.Timedelta(step * (k - (len(looks) - 1) / 2))
            half = (2 * part["se"]).where(np.isfinite(part["se"]))
            ax.errorbar(
                part["cutoff"] + shift, part["value"], yerr=half, color=look.color, label=name,
                linestyle=look.dash, marker=look.marker, markersize=5, linewidth=1.2,
            )  # fmt: skip
        if self.metric == "bias":
            ax.axhline(0, color=style.SHADE, linewidth=1)
        along(ax.yaxis, self.metric)
        ax.margins(x=0.1)
        days = cutoffs.unique()
        if len(days) <= _LABELS:
            ax.set_xticks(days, [f"{day:%Y-%m-%d}" for day in days])
        else:
            style.dates(ax.xaxis)
        label = in_words(self.metric, self.quantity) + unit(self.metric, self.currency)
        ax.set(xlabel="cutoff", ylabel=label)
        style.tidy(ax)
        if len(looks):
            style.legend_below(ax, columns=2, middle=0.45)

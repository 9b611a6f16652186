"""Display of what customers with the same past went on to buy, against what was expected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, final

import numpy as np

from clvmodels.data.splits import CalibrationHoldoutSplit
from clvmodels.evaluation.backtest_result import Backtest
from clvmodels.evaluation.conditional import Past, conditional_expectations
from clvmodels.evaluation.frequency import ACTUAL
from clvmodels.evaluation.holdout import HoldoutComparison
from clvmodels.exceptions import ParameterError
from clvmodels.report import style
from clvmodels.report.display import Display
from clvmodels.report.methods import named
from clvmodels.report.numbers import count, duration, significant
from clvmodels.units import Horizon

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_AXES: Final[Mapping[Past, str]] = {
    "frequency": "repeat purchases before the cutoff",
    "recency": "recency ({unit}s from first to last purchase)",
    "silence": "silence before the cutoff ({unit}s since the last purchase)",
}


@final
@dataclass(frozen=True, eq=False, repr=False)
class ConditionalExpectations(Display):
    """Purchases in the holdout by what was known at the cutoff: those that came, those expected.

    Attributes
    ----------
    frame : DataFrame
        method ("actual" or a method's name), group (class of customers), customers, mean (purchases
        per customer), lo, hi (two standard errors around the actual mean; NaN for methods).
    by : {"frequency", "recency", "silence"}
        What makes the classes.
    horizon : Horizon
        Length of the holdout.

    References
    ----------
    Fader, Hardie and Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2),
    275-284, figure of the conditional expectations.

    Examples
    --------
    >>> import clvmodels as clv
    >>> split = clv.calibration_holdout_split(clv.datasets.load_cdnow(sample=True),
    ...     cutoff="1997-09-30", horizon="39 weeks", time_unit="week", value="value")
    >>> models = {"BG/NBD": clv.CLVModel(clv.BetaGeoModel(), clv.GammaGammaModel(), discount=0)}
    >>> ConditionalExpectations.of(clv.compare_holdout(models, split), ["BG/NBD"]).title
    '1,411 customers without repeat purchases made 0.237 purchases each in 39 weeks; BG/NBD
    expected 0.225'
    """

    by: Past
    horizon: Horizon

    @classmethod
    def of(
        cls,
        judged: HoldoutComparison | Backtest,
        methods: Sequence[str],
        by: Past = "frequency",
        cutoff: Any = None,
        last: int = 7,
    ) -> Self:
        """Group the customers by their past and take means.

        Parameters
        ----------
        judged : HoldoutComparison or Backtest
            Methods with their predictions.
        methods : sequence of str
            Which of its methods to show; titles tell of the first.
        by : {"frequency", "recency", "silence"}
            Repeat purchases; time from first to last purchase; or time since the last.
        cutoff : date or str, optional
            Which cutoff of a backtest; its last one if not given.
        last : int
            Of frequency, the class of all with so many repeat purchases or more.

        Raises
        ------
        ParameterError
            If there are no predictions of a method, no such cutoff, or `by` is something else; if
            the name of a method is not in a list, or is "actual".
        """
        import pandas as pd

        split, predictions = _at(judged, cutoff)
        known = {} if predictions.empty else dict(iter(predictions.groupby("method", sort=False)))
        names = named(methods)
        if ACTUAL in names:
            raise ParameterError(f"{ACTUAL!r} is what came: give the method another name.")
        for name in names:
            if name not in known:
                there = ", ".join(map(str, known))
                raise ParameterError(f"There are no predictions of {name!r}; there are {there}.")
        if not names:
            raise ParameterError("Name at least one method to show.")
        chosen = pd.concat([known[name] for name in names])
        table = conditional_expectations(split, chosen, by, last)
        first = table[table["method"] == names[0]]
        none = np.nan
        actual = pd.DataFrame(
            {
                "method": ACTUAL,
                "group": first["group"],
                "customers": first["customers"],
                "mean": first["actual_mean"],
                "lo": np.maximum(first["actual_mean"] - 2 * first["actual_se"], 0.0),
                "hi": first["actual_mean"] + 2 * first["actual_se"],
            }
        )
        expected = table.rename(columns={"predicted_mean": "mean"})[
            ["method", "group", "customers", "mean"]
        ].assign(lo=none, hi=none)
        return cls(pd.concat([actual, expected], ignore_index=True), by, split.horizon)

    @property
    def title(self) -> str:
        """See `Display.title`."""
        actual = self.frame[self.frame["method"] == ACTUAL].reset_index(drop=True)
        name = next(name for name in self.frame["method"].unique() if name != ACTUAL)
        largest = actual.iloc[int(actual["customers"].argmax())]
        own = self.frame[(self.frame["method"] == name) & (self.frame["group"] == largest["group"])]
        s, each = ("", "") if largest["customers"] == 1 else ("s", " each")
        return (
            f"{count(largest['customers'])} customer{s} {self._in_words(largest['group'])} made "
            f"{significant(largest['mean'])} purchases{each} in {duration(self.horizon)}; "
            f"{name} expected "
            f"{significant(own['mean'].iloc[0])}"
        )

    @property
    def caption(self) -> str:
        """See `Display.caption`."""
        return (
            f"Purchases per customer in the {duration(self.horizon)} after the cutoff, by what was "
            "known of "
            "the customers before it. Bars show two standard errors of the actual mean: few "
            "customers tell little."
        )

    def _in_words(self, group: str) -> str:
        if group == "0":
            return "without repeat purchases"
        if self.by == "frequency":
            return f"with {group} repeat purchase{'' if group == '1' else 's'}"
        return f"with {group} {self.horizon.unit}s of {self.by}"

    def _draw(self, ax: "Axes") -> None:
        parts = dict(iter(self.frame.groupby("method", sort=False)))
        actual = parts.pop(ACTUAL)
        groups = actual["group"].tolist()
        place = np.arange(len(groups))
        ax.vlines(place, actual["lo"], actual["hi"], color=style.INK, linewidth=1)
        ax.plot(
            place, actual["mean"], color=style.INK, marker="_", markersize=9, linewidth=1.6,
            label=ACTUAL,
        )  # fmt: skip
        for name, look in style.looks(map(str, parts)).items():
            means = parts[name].set_index("group")["mean"].reindex(groups)
            ax.plot(
                place, means, look.marker, color=look.color, linestyle=look.dash, linewidth=1.2,
                markeredgecolor=style.PAPER, markersize=6, label=name,
            )  # fmt: skip
        ax.set_xticks(place, groups)
        ax.set_ylim(bottom=0)
        ax.set(
            xlabel=_AXES[self.by].format(unit=self.horizon.unit),
            ylabel=f"purchases per customer in {duration(self.horizon)}",
        )
        style.amounts(ax.yaxis)
        style.tidy(ax)
        style.legend(ax, first=ACTUAL)


def _at(
    judged: HoldoutComparison | Backtest, cutoff: Any
) -> "tuple[CalibrationHoldoutSplit, pd.DataFrame]":
    """The split and the predictions of a comparison, or of a backtest at one of its cutoffs."""
    import pandas as pd

    if isinstance(judged, HoldoutComparison):
        return judged.split, judged.predictions
    asked = max(judged.cutoffs) if cutoff is None else pd.Timestamp(cutoff)
    if asked not in judged.splits:
        dates = ", ".join(f"{date:%Y-%m-%d}" for date in judged.cutoffs)
        raise ParameterError(f"{cutoff!r} is no cutoff of this backtest; there are {dates}.")
    every = judged.predictions
    return judged.splits[asked], every if every.empty else every[every["cutoff"] == asked]

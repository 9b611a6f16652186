"""Display of groups that are partially pooled: how far each leans on the others."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, final

import numpy as np

from clvmodels.exceptions import ParameterError
from clvmodels.models.fitted import FittedModel
from clvmodels.report import style
from clvmodels.report.display import Display
from clvmodels.report.numbers import count, percent, significant

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAMED: Final = 40  # groups beyond which names would run into each other
_SMALLEST, _LARGEST = 14.0, 130.0  # areas of the points, in points squared
_WIDE: Final = 5.0  # ratio of values from which an axis is logarithmic


@final
@dataclass(frozen=True, eq=False, repr=False)
class Shrinkage(Display):
    """A trait of each group: fitted by itself, and pooled with the others.

    Attributes
    ----------
    frame : DataFrame
        group, and the columns of `FittedModel.group_summary` for one trait; largest group first.
    """

    @classmethod
    def of(cls, fit: FittedModel, trait: str | None = None, level: float = 0.9) -> Self:
        """Work out what pooling did to one trait.

        Parameters
        ----------
        fit : fitted model
            With groups.
        trait : str, optional
            What to show; the first trait of the model if not given.
        level : float
            Probability of the intervals.

        Raises
        ------
        FitError
            If the fit has no groups.
        ParameterError
            If the model has no such trait.
        """
        table = fit.group_summary(level)
        known = list(dict.fromkeys(table["trait"]))
        if trait is not None and trait not in known:
            raise ParameterError(f"trait is one of {', '.join(known)}; got {trait!r}.")
        mine = table[table["trait"] == (trait or known[0])]
        columns = list(table.columns[: table.columns.get_loc("customers")])
        frame = mine.assign(group=mine[columns].agg(" / ".join, axis=1))
        return cls(frame.sort_values("customers", ascending=False, ignore_index=True))

    @property
    def title(self) -> str:
        """See `Display.title`."""
        frame = self.frame
        low, high = significant(frame["estimate"].min()), significant(frame["estimate"].max())
        told = f"{self._trait}: {low} to {high} over {count(len(frame))} groups"
        small, large = frame.iloc[-1], frame.iloc[0]
        known = np.isfinite([small["shrinkage"], large["shrinkage"]]).all()
        if not (known and small["customers"] < large["customers"]):
            return f"{told}, the typical one {significant(large['population'])}"
        moved = f"{percent(_share(small['shrinkage']))} of its way to the population"
        return (
            f"{told}; {small['group']}, the smallest, went {moved}, {large['group']}, the largest, "
            f"{percent(_share(large['shrinkage']))}"
        )

    @property
    def caption(self) -> str:
        """See `Display.caption`."""
        return (
            f"{self._trait}: {self.frame['meaning'].iloc[0]}. Arrows lead from each group fitted "
            "by itself to its estimate pooled with the others, with its interval; the line is the "
            "typical group. Points are the larger, the more customers a group has: those of few "
            "customers lean on the others the most."
        )

    @property
    def _trait(self) -> str:
        return str(self.frame["trait"].iloc[0])

    def _draw(self, ax: "Axes") -> None:
        from matplotlib.ticker import LogLocator

        frame = self.frame
        look = style.looks(["pooled", "by itself"])
        pooled, itself = look["pooled"], look["by itself"]
        y = np.arange(len(frame))[::-1]
        share = frame["customers"] / frame["customers"].max()
        area = np.maximum(_LARGEST * share, _SMALLEST)
        ax.axvline(
            frame["population"].iloc[0], color=style.INK, linewidth=1, linestyle="--",
            label="typical group",
        )  # fmt: skip
        ax.hlines(y, frame["lo"], frame["hi"], color=pooled.color, linewidth=1.4, alpha=0.5)
        ax.scatter(
            frame["alone"], y, s=area, marker=itself.marker, facecolors="none",
            edgecolors=itself.color, linewidths=1.2, label="by itself",
        )  # fmt: skip
        ax.scatter(
            frame["estimate"], y, s=area, marker=pooled.marker, color=pooled.color, label="pooled",
            zorder=3,
        )  # fmt: skip
        for alone, estimate, height in zip(frame["alone"], frame["estimate"], y, strict=True):
            if np.isfinite(alone):
                ax.annotate(
                    "", (estimate, height), (alone, height), zorder=2,
                    arrowprops={"arrowstyle": "->", "color": style.INK, "linewidth": 0.8},
                )  # fmt: skip
        values = frame[["estimate", "alone", "lo", "hi"]].to_numpy()
        if np.nanmax(values) > _WIDE * np.nanmin(values):
            ax.set_xscale("log")
            ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            ax.xaxis.set_minor_formatter(lambda value, _: "")
        style.amounts(ax.xaxis)
        names = frame["group"] if len(frame) <= _NAMED else [""] * len(frame)
        ax.set_yticks(y, labels=names, parse_math=False)
        columns = frame.columns[: frame.columns.get_loc("customers")]
        ax.set(xlabel=self._trait, ylabel=" / ".join(columns), ylim=(-0.7, len(frame) - 0.3))
        style.tidy(ax, grid="x")
        style.legend_below(ax)


def _share(value: float) -> float:
    return float(np.clip(value, 0.0, 1.0))

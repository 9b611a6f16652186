"""Display of how much customers differ, as fitted models see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, final

import numpy as np

from clvmodels.evaluation.mixing import Process, mixing, mixing_distributions
from clvmodels.exceptions import ParameterError
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.report import style
from clvmodels.report.display import Display
from clvmodels.report.numbers import percent, significant

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@final
@dataclass(frozen=True, eq=False, repr=False)
class MixingDistribution(Display):
    """Share of the customers who buy (or drop out) at most at some rate.

    Attributes
    ----------
    frame : DataFrame
        method, value, share, lo, hi: see `mixing_distributions`.
    words : str
        What `value` is, with its unit.
    is_rate : bool
        Whether it is a rate rather than a probability.

    Examples
    --------
    >>> import clvmodels as clv
    >>> fit = clv.BetaGeoModel().fit(clv.datasets.load_cdnow_summary())
    >>> MixingDistribution.of({"BG/NBD": fit}, of="dropout").title
    'Probability of dropout after a purchase: at most 19 % for half of the customers, more than
    56 % for a tenth (BG/NBD)'
    """

    words: str
    is_rate: bool

    @classmethod
    def of(cls, fits: Mapping[str, FittedPurchases], of: Process = "purchase") -> Self:
        """Work out the distributions over customers at the estimates, with bands.

        Parameters
        ----------
        fits : mapping of str to FittedPurchases
            Fitted models by the names to show; titles tell of the first.
        of : {"purchase", "dropout"}
            Rates of purchases while alive; or dropout: its probability after a purchase (BG
            family), before an opportunity (BG/BB), or its rate (Pareto and GGompertz/NBD).

        Raises
        ------
        ParameterError
            If a model has no such process, the models do not speak of the same quantity, or fits
            have no names.
        """
        if not isinstance(fits, Mapping):
            got = type(fits).__name__
            raise ParameterError(f"Give fits by name, such as {{'BG/NBD': fit}}; got a {got}.")
        frame = mixing_distributions(fits, of)
        first = next(iter(fits.values()))
        kind = mixing(first.model, of)
        return cls(frame, kind.words.format(unit=first.time_unit), kind.is_rate)

    @property
    def title(self) -> str:
        """See `Display.title`."""
        name = self.frame["method"].iloc[0]
        own = self.frame[self.frame["method"] == name]
        middle, top = (self._told(np.interp(q, own["share"], own["value"])) for q in (0.5, 0.9))
        return (
            f"{self.words[0].upper()}{self.words[1:]}: at most {middle} for half of the customers, "
            f"more than {top} for a tenth ({name})"
        )

    @property
    def caption(self) -> str:
        """See `Display.caption`."""
        band = ""
        if np.isfinite(self.frame["lo"]).any():
            band = " Bands show how sure the parameters are (90 %)."
        steps = "; every step to the right multiplies it" if self.is_rate else ""
        return (
            f"Share of the customers, by {self.words}{steps}. A steep curve means that customers "
            "are alike, a flat one that they differ; where it does not begin at 0, the rest have "
            f"less than can be shown.{band}"
        )

    def _told(self, value: float) -> str:
        return significant(value, 2) if self.is_rate else percent(value)

    def _draw(self, ax: "Axes") -> None:
        parts = dict(iter(self.frame.groupby("method", sort=False)))
        for name, look in style.looks(map(str, parts)).items():
            part = parts[name]
            ax.fill_between(
                part["value"], part["lo"], part["hi"], color=look.color, alpha=style.BAND,
                linewidth=0,
            )  # fmt: skip
            ax.plot(
                part["value"], part["share"], color=look.color, linestyle=look.dash, linewidth=1.8,
                label=name,
            )  # fmt: skip
        if self.is_rate:
            ax.set_xscale("log")
            style.amounts(ax.xaxis)
        else:
            style.shares(ax.xaxis)
            ax.set_xlim(0, 1)
        ax.set_ylim(0, 1.02)
        style.shares(ax.yaxis)
        ax.set(xlabel=self.words, ylabel="share of the customers with no more")
        style.tidy(ax, grid="both")
        style.legend(ax)

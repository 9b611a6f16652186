"""Display of whether a method's posteriors are right."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, final

import numpy as np
from scipy.special import ndtri

from clvmodels.evaluation.sbc import Calibration, rank_counts
from clvmodels.exceptions import ParameterError
from clvmodels.models.fitted import check_level
from clvmodels.report import style
from clvmodels.report.display import Display
from clvmodels.report.numbers import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_P_ALARM = 0.01


@final
@dataclass(frozen=True, eq=False, repr=False)
class CalibrationRanks(Display):
    """Histogram of the ranks of a parameter's true values among posterior draws.

    Attributes
    ----------
    frame : DataFrame
        rank_share (the middle of a bin, between 0 and 1), data_sets (how many ranks fall into it),
        expected, lo, hi (the band that holds all bins with the given probability, if ranks are
        uniform).
    parameter : str
        Whose ranks.
    p_value : float
        Of the chi-square of these counts.
    level : float
        Probability of the band.

    References
    ----------
    Talts, Betancourt, Simpson, Vehtari and Gelman (2018), Validating Bayesian inference algorithms
    with simulation-based calibration, arXiv:1804.06788, section 4.
    """

    parameter: str
    p_value: float
    level: float

    @classmethod
    def of(cls, calibration: Calibration, parameter: str, level: float = 0.95) -> Self:
        """Count the ranks of one parameter, over the reliable fits.

        Parameters
        ----------
        calibration : Calibration
            From `simulation_based_calibration`.
        parameter : str
            One of its parameters.
        level : float
            Probability that all bins lie in the band, if ranks are uniform.
        """
        import pandas as pd

        p_values = calibration.p_value
        if parameter not in p_values:
            raise ParameterError(
                f"There are no reliable ranks of {parameter!r}; there are ranks of "
                f"{', '.join(p_values) or 'nothing'}."
            )
        rows = calibration.frame
        own = rows[rows["reliable"] & (rows["parameter"] == parameter)]
        counts = rank_counts(own["rank"].to_numpy(), int(own["draws"].iloc[0]))
        lo, hi = _band(int(counts.sum()), len(counts), check_level(level))
        frame = pd.DataFrame(
            {
                "rank_share": (np.arange(len(counts)) + 0.5) / len(counts),
                "data_sets": counts,
                "expected": counts.sum() / len(counts),
                "lo": lo,
                "hi": hi,
            }
        )
        return cls(frame, parameter, p_values[parameter], level)

    @property
    def title(self) -> str:
        """See `Display.title`."""
        verdict = "not uniform" if self.p_value < _P_ALARM else "no sign that they are not uniform"
        count = int(self.frame["data_sets"].sum())
        return (
            f"Ranks of {self.parameter} in {count:,} data sets: {verdict} (p = {self.p_value:.2g})"
        )

    @property
    def caption(self) -> str:
        """See `Display.caption`."""
        return (
            "Where the true value lies among the draws of each posterior. If posteriors are right, "
            f"every bar ends within the band with probability {percent(self.level)}. High bars at "
            "both ends: posteriors too narrow; in the middle: too wide; at one end: off to a side."
        )

    def _draw(self, ax: "Axes") -> None:
        frame = self.frame
        edges = np.linspace(0, 1, len(frame) + 1)
        ax.axhspan(frame["lo"].iloc[0], frame["hi"].iloc[0], color=style.SHADE, alpha=0.25, lw=0)
        ax.axhline(frame["expected"].iloc[0], color=style.INK, linewidth=0.8)
        look = style.looks([self.parameter])[self.parameter]
        ax.stairs(frame["data_sets"], edges, color=look.color, linewidth=1.6)
        ax.set(xlabel=f"rank of the true {self.parameter}", ylabel="data sets", xlim=(0, 1))
        ax.set_ylim(0, 1.1 * max(frame["data_sets"].max(), frame["hi"].max()))
        style.shares(ax.xaxis)
        style.tidy(ax)


def _band(count: int, bins: int, level: float) -> tuple[float, float]:
    """Counts between which all bins lie with that probability at least, by Bonferroni."""
    z = float(ndtri(1 - (1 - level) / (2 * bins)))
    expected = count / bins
    half = z * float(np.sqrt(expected * (1 - 1 / bins)))
    return max(expected - half, 0.0), expected + half

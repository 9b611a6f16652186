"""Displays of the probabilities of a backtest: do methods know how sure they can be."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, final

import numpy as np
from scipy.special import ndtri

from clvmodels._typing import FloatArray
from clvmodels.evaluation import count_metrics
from clvmodels.evaluation.backtest_result import Backtest
from clvmodels.models.fitted import check_level
from clvmodels.report import style
from clvmodels.report.display import Display
from clvmodels.report.methods import chosen, ranking, rows_of
from clvmodels.report.numbers import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from clvmodels.data.conventions import Moment

_BINS: Final = 10


@final
@dataclass(frozen=True, eq=False, repr=False)
class PITHistogram(Display):
    """Where actual counts fall in the distributions that methods predicted for them.

    Attributes
    ----------
    frame : DataFrame
        method, lo_edge, hi_edge (of the bar), share (of customers), lo, hi (the band in which all
        bars of a calibrated method lie with the given probability), expected.
    level : float
        Probability of the band.

    References
    ----------
    Czado, Gneiting and Held (2009), Predictive model assessment for count data, Biometrics 65(4),
    1254-1261, section 2.1: a count takes the whole interval between F(y - 1) and F(y). The band:
    Agresti and Coull (1998), Approximate is better than "exact", The American Statistician 52(2),
    119-126.
    """

    level: float

    @classmethod
    def of(
        cls,
        backtest: Backtest,
        methods: Sequence[str] | None = None,
        cutoff: "Moment | None" = None,
        level: float = 0.95,
    ) -> Self:
        """Gather the probability integral transforms of the holdout counts.

        Parameters
        ----------
        backtest : Backtest
        methods : sequence of str, optional
            Up to six of those that predict distributions; the best of each kind by log score if
            not given.
        cutoff : date, datetime or str, optional
            One of the cutoffs; all of them together if not given.
        level : float
            Probability, nearly, that all bars of a calibrated method lie in its band.

        Raises
        ------
        ParameterError
            If a method or a cutoff is unknown.
        DataError
            If no method predicted a distribution.
        """
        import pandas as pd

        check_level(level)
        names = chosen(methods, ranking(backtest, "log_score", "purchases"))
        edges = np.linspace(0, 1, _BINS + 1)
        frames = []
        for name in names:
            rows = rows_of(backtest, name, cutoff, "pit_lo")
            lower, upper = rows["pit_lo"].to_numpy(), rows["pit_hi"].to_numpy()
            half = _half_band(lower, upper, rows["customer_id"], edges, level)
            frames.append(
                pd.DataFrame(
                    {
                        "method": name,
                        "lo_edge": edges[:-1],
                        "hi_edge": edges[1:],
                        "share": np.asarray(count_metrics.pit_histogram(lower, upper)["share"]),
                        "lo": np.maximum(1 / _BINS - half, 0.0),
                        "hi": 1 / _BINS + half,
                        "expected": 1 / _BINS,
                    }
                )
            )
        return cls(pd.concat(frames, ignore_index=True), level)

    @property
    def title(self) -> str:
        """See `Display.title`."""
        frame = self.frame
        off = (frame["share"] / frame["expected"] - 1).abs().groupby(frame["method"]).max()
        outside = (frame["share"] < frame["lo"]) | (frame["share"] > frame["hi"])
        best = str(off.idxmin())
        left = int((outside & (frame["method"] == best)).sum())
        lead = f"Predicted counts of {best}" + (" are nearest to calibrated" * (len(off) > 1))
        return f"{lead}: bars at most {percent(off[best])} off, {left} of {_BINS} outside the band"

    @property
    def caption(self) -> str:
        """See `Display.caption`."""
        return (
            "Where actual purchases fall in the distribution predicted for each customer, from its "
            "low end to its high end. A calibrated method is flat: all its bars lie in the band "
            f"with a probability of about {percent(self.level)}, if customers are independent. "
            "High at both ends: distributions too narrow; in the middle: too wide; to the right: "
            "too low."
        )

    def _draw(self, ax: "Axes") -> None:
        looks = style.looks(self.frame["method"].unique())
        ax.axhline(1 / _BINS, color=style.SHADE, linewidth=1)
        for name, look in looks.items():
            part = self.frame[self.frame["method"] == name]
            edges = [*part["lo_edge"], part["hi_edge"].iloc[-1]]
            ax.stairs(
                part["hi"], edges, baseline=part["lo"], fill=True, color=look.color,
                alpha=style.BAND, linewidth=0,
            )  # fmt: skip
            ax.stairs(
                part["share"], edges, baseline=None, color=look.color, linestyle=look.dash,
                linewidth=1.6, label=name,
            )  # fmt: skip
        ax.set(xlabel="place in the predicted distribution", ylabel="share of customers")
        ax.set(xlim=(0, 1), ylim=(0, None))
        style.shares(ax.xaxis)
        style.shares(ax.yaxis)
        style.tidy(ax)
        style.legend(ax)


def _half_band(
    lower: FloatArray, upper: FloatArray, ids: object, edges: FloatArray, level: float
) -> FloatArray:
    """Half the width of the band around the expected share, by Bonferroni.

    A customer's part in a bar varies less than that of a continuous outcome would: how much is
    taken from the data, and what a customer does after several cutoffs is taken together. Few
    customers seldom show how far bars can go: there are z^2 more, who vary as a continuous outcome.
    """
    import pandas as pd

    spread = (upper - lower)[:, None]
    part = np.divide(
        edges - lower[:, None], spread, out=np.zeros((len(lower), len(edges))), where=spread > 0
    )
    upto = np.where(spread > 0, np.clip(part, 0.0, 1.0), edges >= upper[:, None])
    excess = pd.DataFrame(np.diff(upto, axis=1) - np.diff(edges))
    own = excess.groupby(np.asarray(ids)).sum().to_numpy()
    bars = len(edges) - 1
    z = float(ndtri(1 - (1 - level) / (2 * bars)))
    further = z**2 * (1 - 1 / bars) / bars * (len(lower) / len(own)) ** 2
    half: FloatArray = z * np.sqrt((own**2).sum(0) + further) / len(lower)
    return half


@final
@dataclass(frozen=True, eq=False, repr=False)
class Reliability(Display):
    """Probability of buying in the holdout against the share of customers who did.

    Attributes
    ----------
    frame : DataFrame
        method, and the columns of `clvmodels.evaluation.count_metrics.reliability`.
    horizon : str
        Length of the holdouts.
    level : float
        Probability of the intervals.
    """

    horizon: str
    level: float

    @classmethod
    def of(
        cls,
        backtest: Backtest,
        methods: Sequence[str] | None = None,
        cutoff: "Moment | None" = None,
    ) -> Self:
        """Sort customers into tenths by their probability, method by method.

        Parameters
        ----------
        backtest : Backtest
        methods : sequence of str, optional
            Up to six of those that give the probability; the best of each kind by Brier score if
            not given. Titles tell of the first.
        cutoff : date, datetime or str, optional
            One of the cutoffs; all of them together if not given.

        Raises
        ------
        ParameterError
            If a method or a cutoff is unknown.
        DataError
            If no method gave a probability.
        """
        import pandas as pd

        frames = []
        for name in chosen(methods, ranking(backtest, "brier", "active")):
            rows = rows_of(backtest, name, cutoff, "p_active")
            bought = (rows["actual_purchases"] > 0).to_numpy(np.float64)
            table = count_metrics.reliability(bought, rows["p_active"], level=backtest.level)
            frames.append(table.assign(method=name))
        frame = pd.concat(frames, ignore_index=True)
        frame = frame[["method", *(c for c in frame.columns if c != "method")]]
        return cls(frame, str(backtest.horizon), backtest.level)

    @property
    def title(self) -> str:
        """See `Display.title`."""
        name = self.frame["method"].iloc[0]
        own = self.frame[self.frame["method"] == name]
        all_of_them, top = own["customers"].sum(), own.iloc[0]
        observed, predicted = percent(top["observed"]), percent(top["predicted"])
        if not own["observed"].any():
            mean = percent(own["predicted"] @ own["customers"] / all_of_them)
            return f"Nobody bought within {self.horizon}; foreseen by {name}: {mean}"
        if len(own) == 1:
            return (
                f"By {name} all customers are equally likely to buy within {self.horizon} "
                f"({predicted}); {observed} did"
            )
        share = top["customers"] / all_of_them
        part = "tenth" if round(share, 2) == 0.1 else percent(share)
        return (
            f"Of the {part} likeliest to buy within {self.horizon} by {name}, {observed} did; "
            f"foreseen: {predicted}"
        )

    @property
    def caption(self) -> str:
        """See `Display.caption`."""
        return (
            "Customers in tenths by each method's probability of a purchase in the holdout, those "
            "with equal ones together, against the share who made one. On the line, probabilities "
            f"are what they say; below it, too high. Bars: {percent(self.level)} intervals of the "
            "share; a customer counts once per cutoff."
        )

    def _draw(self, ax: "Axes") -> None:
        ax.plot([0, 1], [0, 1], color=style.SHADE, linewidth=1)
        for name, look in style.looks(self.frame["method"].unique()).items():
            part = self.frame[self.frame["method"] == name]
            ends = [part["observed"] - part["lo"], part["hi"] - part["observed"]]
            ax.errorbar(
                part["predicted"], part["observed"], yerr=ends, color=look.color,
                linestyle=look.dash, marker=look.marker, markersize=4, linewidth=1, label=name,
            )  # fmt: skip
        limit = 1.05 * float(self.frame[["predicted", "hi"]].to_numpy().max())
        ax.set(xlim=(-0.02 * limit, limit), ylim=(-0.02 * limit, limit))
        style.shares(ax.xaxis)
        style.shares(ax.yaxis)
        ax.set(xlabel=f"probability of a purchase within {self.horizon}", ylabel="share who bought")
        style.tidy(ax, grid="both")
        style.legend(ax)

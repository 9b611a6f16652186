"""Displays of a backtest's predictions that rank customers: tenths and cumulative gains."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Self, final

import numpy as np

from clvmodels._typing import FloatArray
from clvmodels.evaluation import metrics
from clvmodels.evaluation.backtest_result import Backtest
from clvmodels.report import style
from clvmodels.report.display import Display
from clvmodels.report.methods import QUANTITIES, SAME, chosen, ranking, rows_of
from clvmodels.report.numbers import in_brackets, money, percent, significant

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from clvmodels.data.conventions import Moment

_SHARES: Final = np.linspace(0, 1, 201)
_PERFECT: Final = "perfect ranking"
_NOTHING: Final = {"purchases": "Nobody bought", "value": "There was no revenue"}


@final
@dataclass(frozen=True, eq=False, repr=False)
class DecileChart(Display):
    """What each tenth of the customers, by prediction, did against what was predicted.

    Attributes
    ----------
    frame : DataFrame
        method, decile (1 has the highest predictions), customers, predicted_mean, actual_mean,
        lift (the actual mean over that of all customers). Tenths are formed at each cutoff, and
        counted together.
    quantity, horizon, currency : str
        Of the means.
    """

    quantity: str
    horizon: str
    currency: str

    @classmethod
    def of(
        cls,
        backtest: Backtest,
        quantity: Literal["value", "purchases"] = "value",
        methods: Sequence[str] | None = None,
        cutoff: "Moment | None" = None,
        currency: str = "",
    ) -> Self:
        """Group the customers by each method's predictions.

        Parameters
        ----------
        backtest : Backtest
        quantity : {"value", "purchases"}
            What was predicted.
        methods : sequence of str, optional
            Up to three; the best by normalised Gini, and the best of another kind, if not given.
            Titles tell of the first.
        cutoff : date, datetime or str, optional
            One of the cutoffs; all of them together if not given.
        currency : str
            Of the amounts.

        Raises
        ------
        ParameterError
            If a method or a cutoff is unknown.
        DataError
            If no method predicted the quantity.
        """
        import pandas as pd

        ranked = ranking(backtest, "gini", quantity)
        if methods is None:
            methods = chosen(None, ranked, 2)
        frames = []
        for name in chosen(methods, ranked, 3):
            rows = rows_of(backtest, name, cutoff, f"predicted_{quantity}")
            tenths = pd.concat(
                metrics.decile_calibration(own[f"actual_{quantity}"], own[f"predicted_{quantity}"])
                for _, own in rows.groupby("cutoff")
            )
            sums = tenths.groupby("decile", as_index=False).sum()
            actual = sums["actual_total"] / sums["customers"]
            overall = sums["actual_total"].sum() / sums["customers"].sum()
            frames.append(
                pd.DataFrame(
                    {
                        "method": name,
                        "decile": sums["decile"],
                        "customers": sums["customers"],
                        "predicted_mean": sums["predicted_total"] / sums["customers"],
                        "actual_mean": actual,
                        "lift": actual / overall if overall else 0.0,
                    }
                )
            )
        unit = currency if quantity == "value" else ""
        return cls(pd.concat(frames, ignore_index=True), quantity, str(backtest.horizon), unit)

    @property
    def title(self) -> str:
        """See `Display.title`."""
        top = self.frame.iloc[0]
        own = self.frame[self.frame["method"] == top["method"]]
        foreseen = money(top["predicted_mean"], self.currency)
        actual = money(top["actual_mean"], self.currency)
        did = "were worth" if self.quantity == "value" else "made"
        unit = "" if self.quantity == "value" else " purchases"
        if not own["actual_mean"].any():
            mean = own["predicted_mean"] @ own["customers"] / own["customers"].sum()
            return (
                f"{_NOTHING[self.quantity]} in {self.horizon}; {top['method']} foresaw "
                f"{money(mean, self.currency)}{unit} each"
            )
        if np.ptp(own["predicted_mean"]) <= SAME * abs(top["predicted_mean"]):
            return (
                f"By {top['method']} all customers are the same, with {foreseen}{unit} each over "
                f"{self.horizon}; they {did} {actual}"
            )
        return (
            f"The tenth of customers that {top['method']} ranks highest {did} {actual}{unit} each "
            f"over {self.horizon}, {significant(top['lift'], 2)} times the average; foreseen: "
            f"{foreseen}"
        )

    @property
    def caption(self) -> str:
        """See `Display.caption`."""
        return (
            f"Mean {QUANTITIES[self.quantity]} per customer over the holdout, in tenths of the "
            "customers by each method's own prediction, at each cutoff. Bars are what came, marks "
            "what was foreseen: steep bars rank well, marks on the bars' ends are calibrated."
        )

    def _draw(self, ax: "Axes") -> None:
        looks = style.looks(self.frame["method"].unique())
        width = 0.8 / len(looks)
        for k, (name, look) in enumerate(looks.items()):
            part = self.frame[self.frame["method"] == name]
            place = part["decile"] + width * (k - (len(looks) - 1) / 2)
            ax.bar(
                place, part["actual_mean"], 0.92 * width, color=look.color, alpha=0.55,
                label=f"{name}: came",
            )  # fmt: skip
            ax.plot(
                place, part["predicted_mean"], look.marker, color=look.color, markersize=5,
                markeredgecolor=style.INK, markeredgewidth=0.8, label=f"{name}: foreseen",
            )  # fmt: skip
        ax.set_xticks(range(1, 11))
        style.amounts(ax.yaxis)
        unit = in_brackets(self.currency)
        ax.set(xlabel="tenth of the customers, highest predictions first")
        ax.set(ylabel=f"mean {QUANTITIES[self.quantity]} per customer{unit}")
        style.tidy(ax)
        style.legend(ax)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Gains(Display):
    """Share of what came that lies with the customers predicted highest: cumulative gains.

    Attributes
    ----------
    frame : DataFrame
        series (a method, or "perfect ranking"), share_of_customers, share_of_total: from (0, 0) to
        (1, 1) in steps of one half per cent of the customers. The mean of the curves of all
        cutoffs.
    quantity, horizon : str
        Of what came.
    """

    quantity: str
    horizon: str

    @classmethod
    def of(
        cls,
        backtest: Backtest,
        quantity: Literal["value", "purchases"] = "value",
        methods: Sequence[str] | None = None,
        cutoff: "Moment | None" = None,
    ) -> Self:
        """Rank customers by each method's predictions, and follow what came of them.

        Parameters
        ----------
        backtest : Backtest
        quantity : {"value", "purchases"}
            What was predicted.
        methods : sequence of str, optional
            Up to five; the best of each kind by normalised Gini if not given. Titles tell of the
            first.
        cutoff : date, datetime or str, optional
            One of the cutoffs; all of them together if not given.

        Raises
        ------
        ParameterError
            If a method or a cutoff is unknown.
        DataError
            If no method predicted the quantity.
        """
        import pandas as pd

        frames = []
        names = chosen(methods, ranking(backtest, "gini", quantity), 5)
        for series, name, by in [
            *((name, name, f"predicted_{quantity}") for name in names),
            (_PERFECT, names[0], f"actual_{quantity}"),
        ]:
            rows = rows_of(backtest, name, cutoff, f"predicted_{quantity}")
            curves = [
                _gains(own[f"actual_{quantity}"], own[by]) for _, own in rows.groupby("cutoff")
            ]
            frames.append(
                pd.DataFrame(
                    {
                        "series": series,
                        "share_of_customers": _SHARES,
                        "share_of_total": np.mean(curves, axis=0),
                    }
                )
            )
        return cls(pd.concat(frames, ignore_index=True), quantity, str(backtest.horizon))

    @property
    def title(self) -> str:
        """See `Display.title`."""
        tenth = self.frame[np.isclose(self.frame["share_of_customers"], 0.1)]
        held = tenth.set_index("series")["share_of_total"]
        name, most = held.index[0], percent(held[_PERFECT])
        if held[_PERFECT] == 0:
            return f"{_NOTHING[self.quantity]} in {self.horizon}: no ranking is better than another"
        own = self.frame[self.frame["series"] == name]
        if np.allclose(own["share_of_total"], own["share_of_customers"], rtol=0, atol=1e-9):
            return (
                f"By {name} all customers are the same, any tenth of them as good as another; the "
                f"best brought {most} of the {QUANTITIES[self.quantity]} of {self.horizon}"
            )
        return (
            f"The tenth of customers that {name} ranks highest brought {percent(held.iloc[0])} of "
            f"the {QUANTITIES[self.quantity]} of {self.horizon}; a perfect ranking, {most}"
        )

    @property
    def caption(self) -> str:
        """See `Display.caption`."""
        return (
            f"Share of the {QUANTITIES[self.quantity]} of the holdout that came from the "
            "customers whom each method ranks highest. On the straight line a ranking is no better "
            "than chance; no ranking goes beyond the dotted line."
        )

    def _draw(self, ax: "Axes") -> None:
        ax.plot([0, 1], [0, 1], color=style.SHADE, linewidth=1)
        curves = dict(iter(self.frame.groupby("series", sort=False)))
        best = curves.pop(_PERFECT)
        ax.plot(
            best["share_of_customers"], best["share_of_total"], ":", color=style.INK, linewidth=1.2,
            label=_PERFECT,
        )  # fmt: skip
        for name, look in style.looks(map(str, curves)).items():
            ax.plot(
                curves[name]["share_of_customers"], curves[name]["share_of_total"],
                color=look.color, linestyle=look.dash, linewidth=1.6, label=name,
            )  # fmt: skip
        style.shares(ax.xaxis)
        style.shares(ax.yaxis)
        ax.set(xlabel="share of the customers, highest predictions first")
        ax.set(ylabel=f"share of the {QUANTITIES[self.quantity]}", xlim=(0, 1), ylim=(0, 1.02))
        style.tidy(ax, grid="both")
        style.legend(ax, loc="lower right")


def _gains(actual: "pd.Series[float]", by: "pd.Series[float]") -> FloatArray:
    curve = metrics.concentration(actual, by=by)
    gained: FloatArray = np.interp(_SHARES, curve["share_of_customers"], curve["share_of_value"])
    return gained

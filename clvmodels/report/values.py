"""Displays of money: predicted against actual, its distribution, and who holds it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, final

import numpy as np
from numpy.typing import ArrayLike

from clvmodels._typing import FloatArray
from clvmodels.evaluation import metrics
from clvmodels.evaluation.calibration import calibration_by_decile
from clvmodels.evaluation.holdout import HoldoutComparison
from clvmodels.exceptions import ParameterError
from clvmodels.report import style
from clvmodels.report.display import Display
from clvmodels.report.numbers import count, in_brackets, money, percent, signed_percent
from clvmodels.report.study import paired

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@final
@dataclass(frozen=True, eq=False, repr=False)
class League(Display):
    """By what share each method missed the revenue of the holdout, all customers together.

    Attributes
    ----------
    frame : DataFrame
        method, kind, bias, bias_se, rmse, as_good (whether the RMSE cannot be told from the least):
        one row per method, least error per customer first.
    """

    @classmethod
    def of(cls, comparison: HoldoutComparison) -> Self:
        """Take the bias of every method, but those that failed, from a comparison."""
        import pandas as pd

        table = comparison.table
        frame = pd.DataFrame(
            {
                "method": table["method"],
                "kind": table["kind"],
                "bias": table["value_bias"],
                "bias_se": comparison.table_se["value_bias"],
                "rmse": table["value_rmse"],
            }
        )
        frame = frame.dropna(subset="rmse")
        found = paired(comparison)
        alike = found["method"][(found["lo"] <= 0) & (found["hi"] >= 0)]
        frame["as_good"] = frame["method"].isin({*alike, *found["against"]}) | (len(frame) == 1)
        # equal to four digits is equal: the order of the comparison stands
        order = np.argsort(np.round(frame["rmse"] / frame["rmse"].max(), 4), kind="stable")
        return cls(frame.iloc[order].reset_index(drop=True))

    @property
    def title(self) -> str:
        """See `Display.title`."""
        nearest = self.frame.iloc[int(self.frame["bias"].abs().argmin())]
        if not np.isfinite(self.frame["bias"]).any():
            return "Every method foresaw revenue, and none came"
        return (
            f"All customers together, {nearest['method']} came nearest "
            f"({signed_percent(nearest['bias'])}); by RMSE per customer, "
            f"{self._first_by_rmse()}"
        )

    def _first_by_rmse(self) -> str:
        others = int(self.frame["as_good"].sum()) - 1
        first = str(self.frame["method"].iloc[0])
        return f"{first} and {others} as good" if others else first

    @property
    def caption(self) -> str:
        """See `Display.caption`."""
        return (
            "Revenue foreseen for the holdout, in per cent above or below what came; bars show "
            "two standard errors. Methods stand in the order of their error per customer (RMSE), "
            "least first."
        )

    def _draw(self, ax: "Axes") -> None:
        ax.axvline(0, color=style.SHADE, linewidth=1)
        place = -np.arange(len(self.frame))
        bounded = np.isfinite(self.frame["bias"]).to_numpy()
        for kind, look in style.looks(self.frame["kind"].unique()).items():
            rows = bounded & (self.frame["kind"] == kind).to_numpy()
            part = self.frame[rows]
            ax.errorbar(
                part["bias"], place[rows], xerr=2 * part["bias_se"], fmt=look.marker,
                color=look.color, markersize=5, linewidth=1, label=kind,
            )  # fmt: skip
        ax.set_yticks(place, self.frame["method"], parse_math=False)
        ax.locator_params("x", nbins=5)
        style.shares(ax.xaxis)
        ax.set(xlabel="revenue foreseen, relative to what came")
        style.tidy(ax, grid="x")
        style.legend_below(ax)


@final
@dataclass(frozen=True, eq=False, repr=False)
class DecileCalibration(Display):
    """Predicted against actual value of the holdout, in tenths of customers by prediction.

    Attributes
    ----------
    frame : DataFrame
        method, decile (1 has the highest predictions), customers, predicted_mean, actual_mean,
        predicted_total, actual_total. The totals of each method add up to those of the holdout.
    currency : str
        Of the amounts.
    """

    currency: str

    @classmethod
    def of(cls, comparison: HoldoutComparison, methods: Sequence[str], currency: str = "") -> Self:
        """Group the customers by each method's predictions.

        Parameters
        ----------
        comparison : HoldoutComparison
            From `compare_holdout`.
        methods : sequence of str
            Which of its methods to show.
        currency : str
            Of the amounts.

        Raises
        ------
        ParameterError
            If a method is not among those compared.
        """
        import pandas as pd

        by_method = dict(iter(calibration_by_decile(comparison).groupby("method", sort=False)))
        for name in methods:
            if name not in by_method:
                known = ", ".join(map(str, by_method))
                raise ParameterError(f"There are no predictions of {name!r}; there are {known}.")
        frame = pd.concat([by_method[name] for name in methods], ignore_index=True)
        return cls(frame, currency)

    @property
    def title(self) -> str:
        """See `Display.title`."""
        first = self.frame["method"].iloc[0]
        best = self.frame[(self.frame["method"] == first) & (self.frame["decile"] == 1)].iloc[0]
        return (
            f"The tenth of customers that {first} values highest were worth "
            f"{money(best['actual_mean'], self.currency)} each; it foresaw "
            f"{money(best['predicted_mean'], self.currency)}"
        )

    @property
    def caption(self) -> str:
        """See `Display.caption`."""
        return (
            "Mean value per customer over the holdout, in tenths of the customers by each "
            "method's own prediction. On the line, customers are worth what was predicted; below "
            "it, less."
        )

    def _draw(self, ax: "Axes") -> None:
        columns = ["predicted_mean", "actual_mean"]
        limit = 1.5 * float(self.frame[columns].to_numpy().max()) or 1.0
        small = limit / 100  # below it the axes are straight, so that 0 has a place
        ax.plot([0, limit], [0, limit], color=style.SHADE, linewidth=1)
        for name, look in style.looks(self.frame["method"].unique()).items():
            part = self.frame[self.frame["method"] == name]
            ax.plot(
                part["predicted_mean"], part["actual_mean"], linestyle=look.dash, color=look.color,
                marker=look.marker, markersize=5, linewidth=1, label=name,
            )  # fmt: skip
        ax.set_xscale("symlog", linthresh=small)
        ax.set_yscale("symlog", linthresh=small)
        ax.set(xlim=(0, limit), ylim=(0, limit))
        for axis in (ax.xaxis, ax.yaxis):
            style.amounts(axis)
        unit = in_brackets(self.currency)
        ax.set(xlabel=f"predicted mean value{unit}", ylabel=f"actual mean value{unit}")
        style.tidy(ax, grid="both")
        style.legend(ax)


@final
@dataclass(frozen=True, eq=False, repr=False)
class ValueDistribution(Display):
    """How many customers are worth how much, on a logarithmic axis.

    Attributes
    ----------
    frame : DataFrame
        lo, hi (limits of each class of value), customers, value (their sum). The first class holds
        all that is worth next to nothing, or less than nothing.
    median, mean : float
        Over customers.
    currency : str
        Of the amounts.
    name : str
        What the values are.

    Examples
    --------
    >>> ValueDistribution.of([1, 2, 9], currency="EUR").title
    'Half of the customers are worth less than EUR 2; the mean is EUR 4'
    """

    median: float
    mean: float
    currency: str
    name: str

    @classmethod
    def of(
        cls,
        value: ArrayLike,
        currency: str = "",
        per_tenfold: int = 8,
        name: str = "lifetime value",
        weight: ArrayLike | None = None,
    ) -> Self:
        """Sort customers into classes of value.

        Parameters
        ----------
        value : array of shape (customers,)
            Value of each customer.
        currency : str
            Of the amounts.
        per_tenfold : int
            Classes per tenfold increase of value.
        name : str
            What the values are, such as "value of the next 12 months".
        weight : array of shape (customers,), optional
            How many customers each row stands for; one each if not given.
        """
        import pandas as pd

        v = np.asarray(value, dtype=np.float64)
        w = np.ones_like(v) if weight is None else np.asarray(weight, dtype=np.float64)
        positive = v[v > 0]
        top = float(positive.max()) if len(positive) else 1.0
        # five tenfolds cover all that can be seen; what is less is next to nothing
        low = max(float(np.quantile(positive, 0.005)) if len(positive) else top / 10, top / 1e5)
        first = np.floor(np.log10(low) * per_tenfold)
        last = np.floor(np.log10(top) * per_tenfold) + 1
        edges = 10 ** (np.arange(first, last + 1) / per_tenfold)
        group = np.searchsorted(edges, v, side="right")
        frame = pd.DataFrame(
            {
                "lo": [min(0.0, float(v.min())), *edges[:-1]],
                "hi": edges,
                "customers": np.bincount(group, w, minlength=len(edges)),
                "value": np.bincount(group, w * v, minlength=len(edges)),
            }
        )
        return cls(frame, middle(v, w), float(np.average(v, weights=w)), currency, name)

    @property
    def title(self) -> str:
        """See `Display.title`."""
        return (
            f"Half of the customers are worth less than {money(self.median, self.currency)}; "
            f"the mean is {money(self.mean, self.currency)}"
        )

    @property
    def caption(self) -> str:
        """See `Display.caption`."""
        least = self.frame.iloc[0]
        limit = money(least["hi"], self.currency)
        return (
            f"Customers by {self.name}; every class is wider than the last by the same factor. "
            f"{count(least['customers'])} customers worth less than {limit} are not shown."
        )

    def _draw(self, ax: "Axes") -> None:
        shown = self.frame.iloc[1:]
        ax.bar(
            shown["lo"], shown["customers"], shown["hi"] - shown["lo"], align="edge",
            color=style.looks(["value"])["value"].color, edgecolor=style.PAPER, linewidth=0.5,
        )  # fmt: skip
        ax.set_xscale("log")
        for name, at, dash in (("median", self.median, "--"), ("mean", self.mean, "-")):
            if at > 0:
                label = f"{name} {money(at)}"
                ax.axvline(at, color=style.INK, linestyle=dash, linewidth=1.2, label=label)
        style.amounts(ax.xaxis)
        style.amounts(ax.yaxis)
        unit = in_brackets(self.currency)
        ax.set(xlabel=f"{self.name}{unit}", ylabel="customers")
        style.tidy(ax)
        style.legend(ax)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Concentration(Display):
    """Share of the value held by the most valuable share of the customers.

    Attributes
    ----------
    frame : DataFrame
        series, share_of_customers, share_of_value: from (0, 0) to (1, 1) in steps of one half per
        cent of the customers.

    Examples
    --------
    >>> Concentration.of({"value": [91] + 9 * [1]}).title
    'A tenth of the customers hold 91 % of the value'
    """

    @classmethod
    def of(cls, values: Mapping[str, ArrayLike], weight: ArrayLike | None = None) -> Self:
        """Rank customers by value, for each of some kinds of value.

        Parameters
        ----------
        values : mapping of str to array of shape (customers,)
            Values by the names to show.
        weight : array of shape (customers,), optional
            How many customers each row stands for; one each if not given.
        """
        import pandas as pd

        share = np.linspace(0, 1, 201)
        parts = []
        for name, value in values.items():
            curve = metrics.concentration(value, weight)
            held = np.interp(share, curve["share_of_customers"], curve["share_of_value"])
            parts.append(
                pd.DataFrame({"series": name, "share_of_customers": share, "share_of_value": held})
            )
        return cls(pd.concat(parts, ignore_index=True))

    @property
    def title(self) -> str:
        """See `Display.title`."""
        first = self.frame[self.frame["series"] == self.frame["series"].iloc[0]]
        held = np.interp(0.1, first["share_of_customers"], first["share_of_value"])
        return f"A tenth of the customers hold {percent(held)} of the {first['series'].iloc[0]}"

    @property
    def caption(self) -> str:
        """See `Display.caption`."""
        return (
            "Share of the value held by the most valuable customers. On the straight line all "
            "customers would be worth the same."
        )

    def _draw(self, ax: "Axes") -> None:
        ax.plot([0, 1], [0, 1], color=style.SHADE, linewidth=1)
        for name, look in style.looks(self.frame["series"].unique()).items():
            part = self.frame[self.frame["series"] == name]
            ax.plot(
                part["share_of_customers"], part["share_of_value"], color=look.color,
                linestyle=look.dash, linewidth=1.8, label=name,
            )  # fmt: skip
        for axis in (ax.xaxis, ax.yaxis):
            style.shares(axis)
        ax.set(xlabel="most valuable share of the customers", ylabel="share of the value")
        ax.set(xlim=(0, 1), ylim=(0, 1.02))
        style.tidy(ax, grid="both")
        style.legend(ax, loc="lower right")


def middle(value: FloatArray, weight: FloatArray | None) -> float:
    """The median of customers, of whom each row stands for as many as its weight says."""
    if weight is None:
        return float(np.median(value))
    order = np.argsort(value, kind="stable")
    reached = np.cumsum(weight[order])
    half = reached[-1] / 2
    ends = (np.searchsorted(reached, half, side) for side in ("left", "right"))
    return float(np.mean([value[order][min(end, len(value) - 1)] for end in ends]))

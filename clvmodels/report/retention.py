"""Displays of how a retention model sees the customers it was fitted to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, final

import numpy as np

from clvmodels._numbers import whole_number
from clvmodels.data.retention import RetentionTable
from clvmodels.evaluation.frequency import ACTUAL
from clvmodels.models.fitted_retention import FittedRetention
from clvmodels.models.retention import check_retention
from clvmodels.report import style
from clvmodels.report.display import Display
from clvmodels.report.numbers import percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@final
@dataclass(frozen=True, eq=False, repr=False)
class SurvivalCurve(Display):
    """Share of customers still there after each renewal: how many are, and how many will be.

    Attributes
    ----------
    frame : DataFrame
        method ("actual" or a model's name), renewals, survival, survival_lo, survival_hi,
        retention_rate (of the last of these renewals). Actual survival is the product of the
        retention rates seen at each age, over all cohorts; it has no interval here.
    observed : int
        The most renewals that any customer has faced: what is beyond is projected.

    References
    ----------
    Fader and Hardie (2007), How to project customer retention, Journal of Interactive Marketing
    21(1), 76-90, figures 1 and 5; actual survival of cohorts of different ages as in Kaplan and
    Meier (1958), Journal of the American Statistical Association 53(282), 457-481.

    Examples
    --------
    >>> from clvmodels.models.shifted_beta_geo import ShiftedBetaGeoModel
    >>> table = RetentionTable.from_survivors([1000, 631, 468, 382, 326], period="1 year")
    >>> display = SurvivalCurve.of({"sBG": ShiftedBetaGeoModel().fit(table)}, table)
    >>> display.title
    '33 % are still there after 4 renewals; sBG expects 21 % after 8'
    """

    observed: int

    @classmethod
    def of(
        cls,
        fits: Mapping[str, FittedRetention],
        data: RetentionTable,
        periods: int | None = None,
        level: float = 0.9,
    ) -> Self:
        """Work out survival as it was, and as each fit projects it.

        Parameters
        ----------
        fits : mapping of str to FittedRetention
            Fitted models by the names to show.
        data : RetentionTable
            The customers they were fitted to.
        periods : int, optional
            Renewals to show; twice as many as were observed if not given.
        level : float
            Probability of the intervals, from parameter uncertainty.
        """
        import pandas as pd

        actual = _actual(check_retention(data))
        observed = len(actual) - 1
        ahead = whole_number("periods", max(2 * observed, 1) if periods is None else periods, 1)
        columns = ["renewals", "survival", "survival_lo", "survival_hi", "retention_rate"]
        parts = [actual.assign(method=ACTUAL, survival_lo=np.nan, survival_hi=np.nan)]
        parts += [
            fit.survival_curve(ahead, level)[columns].assign(method=name)
            for name, fit in fits.items()
        ]
        frame = pd.concat([part[["method", *columns]] for part in parts], ignore_index=True)
        return cls(frame, observed)

    @property
    def title(self) -> str:
        """See `Display.title`."""
        last = self._part(ACTUAL).iloc[-1]
        told = f"{percent(last['survival'])} are still there after {_renewals(self.observed)}"
        names = [name for name in self.frame["method"].unique() if name != ACTUAL]
        if not names:
            return told
        end = self._part(names[0]).iloc[-1]
        expected = percent(end["survival"])
        if end["renewals"] == self.observed:
            return f"{told}; {names[0]} expects {expected}"
        return f"{told}; {names[0]} expects {expected} after {end['renewals']:.0f}"

    @property
    def caption(self) -> str:
        """See `Display.caption`."""
        return (
            "Share of the customers acquired who are still there after each renewal: counted, and "
            f"expected by each model with its interval. Beyond {_renewals(self.observed)}, where "
            "the shade ends, it is projected."
        )

    def _part(self, name: str) -> "pd.DataFrame":
        return self.frame[self.frame["method"] == name]

    def _draw(self, ax: "Axes") -> None:
        from matplotlib.ticker import MaxNLocator

        ax.axvspan(0, self.observed, color=style.SHADE, alpha=0.12, linewidth=0)
        actual = self._part(ACTUAL)
        ax.plot(
            actual["renewals"], actual["survival"], "o", label=ACTUAL, color=style.INK, markersize=4
        )
        names = [name for name in self.frame["method"].unique() if name != ACTUAL]
        for name, look in style.looks(names).items():
            part = self._part(name)
            ax.plot(
                part["renewals"], part["survival"], label=name, color=look.color,
                linestyle=look.dash, linewidth=1.6,
            )  # fmt: skip
            ax.fill_between(
                part["renewals"], part["survival_lo"], part["survival_hi"], color=look.color,
                alpha=0.18, linewidth=0,
            )  # fmt: skip
        ax.set(xlabel="renewals", ylabel="customers still there", xlim=(0, None), ylim=(0, 1.02))
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        style.shares(ax.yaxis)
        style.tidy(ax)
        style.legend(ax, first=ACTUAL)


def _actual(data: RetentionTable) -> "pd.DataFrame":
    """Survival after 0, 1, ... renewals, the product of the retention rates of all cohorts."""
    import pandas as pd

    by_age = data.to_pandas().groupby("age")[["customers", "renewed"]].sum()
    rate = np.append(1.0, by_age["renewed"] / by_age["customers"])
    t = np.arange(len(rate))
    return pd.DataFrame({"renewals": t, "survival": np.cumprod(rate), "retention_rate": rate})


def _renewals(count: int) -> str:
    return f"{count} renewal{'' if count == 1 else 's'}"

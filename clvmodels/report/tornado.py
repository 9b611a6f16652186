"""Display of what the value of a customer base hangs on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Any, Final, Self, final

import numpy as np

from clvmodels.evaluation.drivers import Changes, value_drivers
from clvmodels.exceptions import ParameterError
from clvmodels.models.clock import Summary
from clvmodels.report import style
from clvmodels.report.display import Display
from clvmodels.report.numbers import in_brackets, money, percent
from clvmodels.units import Horizon, HorizonLike
from clvmodels.value.clv import FittedCLV

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation

_GAP: Final = 4  # points between a bar and its label
_MOST: Final = 0.4  # of the width, that one label may take
_ROUNDS: Final = 50  # until the width of the axis no longer changes: 0.8^50 is nothing


@final
@dataclass(frozen=True, eq=False, repr=False)
class Tornado(Display):
    """How much the value of the base moves when one input changes, the others as they are.

    Attributes
    ----------
    frame : DataFrame
        input, low_setting, high_setting (in words), low, high (the value at these), widest first.
    total : float
        The value as it stands.
    span : str
        Of which time: "in 12 months", or "over all the future".
    meanings, left_out : mapping of str to str
        What the estimated inputs are; and inputs that cannot be changed, with the reason.
    level : float
        Probability of the intervals of estimated inputs.
    currency : str
        Of the amounts.

    Examples
    --------
    >>> import clvmodels as clv
    >>> rfm = clv.datasets.load_cdnow_summary()
    >>> model = clv.CLVModel(clv.BetaGeoModel(), clv.GammaGammaModel(),
    ...                      discount=clv.DiscountRate(0.10, per="year"), margin=0.30)
    >>> Tornado.of(model.fit(rfm), rfm, "12 months", {"margin": 0.1, "discount rate": 0.1}).title
    'Value in 12 months, 21,800 now, goes from 19,600 to 24,000 with margin (27 % to 33 %)'
    """

    total: float
    span: str
    meanings: Mapping[str, str]
    left_out: Mapping[str, str]
    level: float
    currency: str

    @classmethod
    def of(
        cls,
        value: FittedCLV,
        data: Summary,
        horizon: HorizonLike | None = None,
        changes: Changes | None = None,
        level: float = 0.9,
        currency: str = "",
        others: Mapping[str, float] | None = None,
    ) -> Self:
        """Change one input at a time and add up what the customers are then worth.

        Parameters
        ----------
        value : FittedCLV
        data : RFMSummary or OpportunitySummary
            The base.
        horizon : Horizon or str, optional
            All the future if not given.
        changes : mapping of str to float or None, optional
            Which inputs to change, and by what share up and down; None, of the purchase rate and
            of dropout, is their interval. If not given, a tenth of "margin", "spend per purchase",
            "discount rate" and "horizon", and the intervals of "purchase rate" and "dropout".
        level : float
            Probability of the intervals.
        currency : str
            Of the amounts.
        others : mapping of str to float, optional
            What other models, or fits to other data, say the base is worth, by name: their span is
            one more input, "model".

        Raises
        ------
        ParameterError
            If an input is unknown, a change is not a share between 0 and 1, another value is not
            finite, or nothing is left to be changed.
        """
        found = value_drivers(value, data, horizon, changes, level, others)
        if found.frame.empty:
            raise ParameterError("There is no input to change.")
        span = "over all the future" if horizon is None else f"in {Horizon.parse(horizon)}"
        return cls(found.frame, found.total, span, found.meanings, found.left_out, level, currency)

    @property
    def title(self) -> str:
        """See `Display.title`."""
        first = self.frame.iloc[0]
        low, high = (money(first[end], self.currency) for end in ("low", "high"))
        return (
            f"Value {self.span}, {money(self.total, self.currency)} now, goes from {low} to {high} "
            f"with {first['input']} ({first['low_setting']} to {first['high_setting']})"
        )

    @property
    def caption(self) -> str:
        """See `Display.caption`."""
        told = [
            f"Value of all customers {self.span} when one input changes, the others as they "
            "are; what is decided goes up and down by a share."
        ]
        if self.meanings:
            told.append(
                f"What is estimated goes to the ends of its interval of {percent(self.level)}, "
                "unless a share is said: "
                f"{'; '.join(f'{name} is {words}' for name, words in self.meanings.items())}."
            )
        told += [f"Without {name}: {reason}." for name, reason in self.left_out.items()]
        return " ".join(told)

    def _draw(self, ax: "Axes") -> None:
        frame = self.frame
        place = -np.arange(len(frame))
        labels: list[Annotation] = []
        for end, look, hatch in zip(
            ("low", "high"), style.looks(["low", "high"]).values(), ("", "////"), strict=True
        ):
            ax.barh(
                place, frame[end] - self.total, 0.62, left=self.total, color=look.color,
                edgecolor=style.PAPER, hatch=hatch, linewidth=0, label=f"input {end}",
            )  # fmt: skip
            for at, setting, height in zip(frame[end], frame[f"{end}_setting"], place, strict=True):
                right = at > self.total or (at == self.total and end == "high")
                label = ax.annotate(
                    setting, (at, height), (_GAP if right else -_GAP, 0),
                    textcoords="offset points", ha="left" if right else "right", va="center",
                    fontsize=8, color=style.INK, parse_math=False,
                )  # fmt: skip
                labels.append(label)
        ax.axvline(self.total, color=style.INK, linewidth=1)
        ax.set_yticks(place, [fill(name, 12) for name in frame["input"]], parse_math=False)
        ax.locator_params("x", nbins=5)
        style.amounts(ax.xaxis)
        unit = in_brackets(self.currency)
        ax.set(xlabel=f"value of all customers {self.span}{unit}")
        style.tidy(ax, grid="x")
        style.legend_below(ax)
        _make_room(ax, labels)


def _make_room(ax: "Axes", labels: "Sequence[Annotation]") -> None:
    """Widen the axis until the labels at the ends of the bars lie within it."""
    figure: Any = ax.figure.figure
    figure.draw_without_rendering()  # only then is it known how much the labels take
    gap, width = 2 * _GAP * figure.dpi / 72, ax.get_window_extent().width
    places = np.array([label.xy[0] for label in labels])
    side = np.array([1 if label.get_horizontalalignment() == "left" else -1 for label in labels])
    taken = np.array([label.get_window_extent().width + gap for label in labels]) / width
    low = high = float(places[0])
    for _ in range(_ROUNDS):  # the wider the axis, the more of it a label takes
        reach = places + side * np.minimum(taken, _MOST) * (high - low)
        low, high = min(reach.min(), places.min()), max(reach.max(), places.max())
    if high > low:
        ax.set_xlim(low, high)

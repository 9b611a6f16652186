"""How plots look: colours that survive colour-blind eyes, grey printers and dark screens."""

from collections.abc import Iterable
from itertools import cycle
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from clvmodels.report.numbers import NO_BREAK, significant, tied

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.legend import Legend

INK: Final = "#1a1a1b"
GRID: Final = "#c9c9ca"
SHADE: Final = "#9a9a9b"
PAPER: Final = "#fefeff"
"""Colours of the page rather than of the data: a page with a dark background replaces them."""

# Okabe and Ito (2008), Color Universal Design, without its black (the actual values) and yellow
# (too pale on white)
_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
ROLES: Final = {
    INK: "ink",
    GRID: "grid",
    SHADE: "shade",
    PAPER: "paper",
    **{colour: f"series-{k}" for k, colour in enumerate(_COLOURS)},
}
"""What each colour is for: the names by which a page has its own for light and dark."""

Dash: TypeAlias = str | tuple[int, tuple[int, ...]]
_DASHES: Final[tuple[Dash, ...]] = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (3, 3)))
_MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")  # one more, so that seven series differ

BAND: Final = 0.18  # opacity: bands of several series show through one another
_SLACK: Final = 6.0  # pixels by which renderers differ in the width of labels
_LETTER: Final = 0.083  # inches that a letter of a title takes, on average
_LINES: Final = 3  # of a title, as long as it begins where the plot does
SIZE: Final = (5.0, 3.6)  # inches: legible on a telephone, and side by side on a desk


class Look(NamedTuple):
    """How one series is drawn, so that it can be told apart without its colour as well."""

    color: str
    dash: Dash
    marker: str


def looks(names: Iterable[str]) -> dict[str, Look]:
    """A look for each of some series, in their order."""
    every = zip(cycle(_COLOURS), cycle(_DASHES), cycle(_MARKERS), strict=False)
    return {name: Look(*look) for name, look in zip(names, every, strict=False)}


def new_axes(size: tuple[float, float] = SIZE) -> "Axes":
    """Axes on a figure of their own, which no window or notebook knows of."""
    from matplotlib.figure import Figure

    figure: Figure = Figure(figsize=size, layout="constrained")
    return figure.add_subplot()


def tidy(ax: "Axes", *, grid: Literal["x", "y", "both"] = "y") -> None:
    """Take away what carries no information."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(SHADE)
    ax.tick_params(colors=INK, which="both", labelsize=9)
    for label in (ax.xaxis.label, ax.yaxis.label):
        label.set(color=INK, fontsize=9.5, parse_math=False)  # a dollar sign is a dollar sign
    ax.grid(visible=True, axis=grid, color=GRID, linewidth=0.6)
    ax.set_axisbelow(True)


def title(ax: "Axes", text: str) -> None:
    """What the plot shows, above it."""
    figure: Any = ax.figure.figure  # the whole one, where the axes are in a part of it
    figure.draw_without_rendering()  # only then is it known what the labels leave
    place = ax.get_window_extent()
    end = place.x1 if len(figure.axes) > 1 else figure.bbox.x1

    whole = tied(text)

    def lines(start: float) -> list[str]:
        room = (end - start) / figure.dpi
        found = wrap(whole, max(20, int(room / _LETTER)), break_on_hyphens=False)
        return [line.replace(NO_BREAK, " ") for line in found]

    start = place.x0
    if len(lines(start)) > _LINES:  # long labels leave little room beside them
        start = _SLACK + min(box.x0 for box in [place, ax.get_tightbbox()] if box is not None)
    told, x = "\n".join(lines(start)), (start - place.x0) / place.width
    ax.set_title(told, fontsize=10.5, color=INK, loc="left", x=x, parse_math=False)


def amounts(axis: "Axis") -> None:
    """Numbers of any size along an axis, never in powers of ten."""
    axis.set_major_formatter(lambda value, _: significant(value))


def shares(axis: "Axis") -> None:
    """Percentages along an axis."""
    axis.set_major_formatter(lambda value, _: f"{significant(100 * value)} %")


def dates(axis: "Axis") -> None:
    """Few dates along an axis, no part of them told twice."""
    from matplotlib import dates as mdates

    locator: Any = mdates.AutoDateLocator(maxticks=6)  # type: ignore[no-untyped-call]
    axis.set_major_locator(locator)
    axis.set_major_formatter(mdates.ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def legend(ax: "Axes", loc: Literal["best", "lower right"] = "best", *, first: str = "") -> None:
    """A legend without a frame; `first` names the entry to begin with."""
    entries = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    labels = sorted(entries, key=lambda label: label != first)
    handles = [entries[label] for label in labels]
    _as_said(
        ax.legend(
            handles, labels, frameon=False, labelcolor=INK, fontsize=9, handlelength=2.4, loc=loc
        )
    )


def legend_below(ax: "Axes", *, columns: int = 4, middle: float = 0.3) -> None:
    """A legend under a plot whose points leave no room for it, around that share of its width."""
    _as_said(
        ax.legend(
            frameon=False, labelcolor=INK, fontsize=9, handlelength=1.2, columnspacing=1.2,
            loc="upper center", bbox_to_anchor=(middle, 0), borderaxespad=3.8, ncols=columns,
        )
    )  # fmt: skip


def _as_said(legend: "Legend") -> None:
    """Names with dollar signs are no formulas."""
    for text in legend.get_texts():
        text.set_parse_math(False)

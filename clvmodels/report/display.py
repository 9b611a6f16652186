"""What every display is: the numbers as a frame, and a plot of them."""

import io
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clvmodels.report import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False, repr=False)
class Display(ABC):
    """Numbers worth looking at.

    Attributes
    ----------
    frame : DataFrame
        Everything that the plot shows, one row per point.
    """

    frame: "pd.DataFrame"

    @property
    @abstractmethod
    def title(self) -> str:
        """What the plot shows of these data, in one sentence with its figures."""

    @property
    @abstractmethod
    def caption(self) -> str:
        """How to read the plot."""

    @abstractmethod
    def _draw(self, ax: "Axes") -> None:
        """Draw the frame."""

    @property
    def _size(self) -> tuple[float, float]:
        """Width and height in inches of a figure of its own."""
        return style.SIZE

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the numbers.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; on a new figure (``.figure`` of what is returned) if not given.

        Returns
        -------
        matplotlib Axes
        """
        ax = style.new_axes(self._size) if ax is None else ax
        self._draw(ax)
        style.title(ax, self.title)
        return ax

    def svg(self, title: bool = True) -> str:
        """The plot as an SVG element with text left as text.

        Parameters
        ----------
        title : bool
            Whether the title is part of the picture, which then has paper of its own. Without it
            the picture is transparent, for a page that sets title and colours.
        """
        from matplotlib import rc_context

        ax = style.new_axes(self._size)
        if title:
            self.plot(ax)
        else:
            self._draw(ax)
        figure: Any = ax.figure
        text = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        # the salt keeps names of clip paths apart where several pictures share a page
        salt = f"{type(self).__name__}: {self.title}"
        ground: Any = {"facecolor": style.PAPER} if title else {"transparent": True}
        with rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}):
            figure.savefig(text, format="svg", metadata=nothing, **ground)
        svg = text.getvalue()
        # names that nothing refers to, and that every picture would have
        return re.sub(r' id="[A-Za-z0-9.]+_[0-9]+"', "", svg[svg.index("<svg") :])

    def __repr__(self) -> str:
        return f"{type(self).__name__}: {self.title}"

    def _repr_svg_(self) -> str:
        return self.svg()

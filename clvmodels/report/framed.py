"""A table as text, and the frame that its numbers come from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, final

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table as RichTable


class Source(NamedTuple):
    """Where the numbers of a table are to be found.

    Attributes
    ----------
    name : str
        Of the frame, and of its file without the ending.
    frame : DataFrame
        Row k of the table is row k of the frame, which may have more.
    columns : tuple of tuple of str
        For each column of the table, those of the frame that its cells tell, in their order; by
        the first of them the table is sorted.
    """

    name: str
    frame: "pd.DataFrame"
    columns: tuple[tuple[str, ...], ...]


@final
@dataclass(frozen=True, eq=False)
class Table:
    """Rows of text under a title.

    Attributes
    ----------
    title : str
    columns : tuple of str
    rows : tuple of tuple of str
    words : frozenset of str
        Columns of words, which stand to the left; the first column always does.
    note : str
        How to read it.
    source : Source or None
        The frame behind it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: frozenset[str] = frozenset()
    note: str = ""
    source: Source | None = None

    def to_rich(self) -> "RichTable":
        """The table for a terminal."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table as RichTable

        out = RichTable(
            title=self.title, caption=self.note or None, box=SIMPLE_HEAD, padding=(0, 1, 0, 0),
            title_justify="left", caption_justify="left", title_style="bold",
        )  # fmt: skip
        for k, column in enumerate(self.columns):
            words = column in self.words
            side: Literal["left", "right"] = "left" if words or k == 0 else "right"
            out.add_column(column, justify=side, no_wrap=not words)
        for row in self.rows:
            out.add_row(*row)
        return out

    def key(self, row: int, column: int) -> str:
        """What a cell is sorted by: the number behind it, or nothing where it holds words."""
        if self.source is None or self.columns[column] in self.words:
            return ""
        value = self.source.frame[self.source.columns[column][0]].iloc[row]
        if not isinstance(value, Real) or value != value:
            return ""
        return f"{float(value):.12g}".replace("inf", "Infinity")


class Column(NamedTuple):
    """A column of a table: its head, the columns of the frame that it tells, and how.

    Attributes
    ----------
    head : str
    names : str
        Of columns of the frame, with blanks between them.
    text : callable
        From their values, in this order.
    words : bool
        Whether it holds words.
    """

    head: str
    names: str
    text: Callable[..., str] = str
    words: bool = False


def framed(
    frame: "pd.DataFrame",
    name: str,
    columns: Sequence[Column],
    *,
    title: str = "",
    note: str = "",
    most: int | None = None,
) -> Table:
    """Show a frame, or its first rows, as a table that remembers it."""
    shown = frame if most is None else frame.head(most)
    cells: list[list[str]] = []
    for column in columns:
        values: list[Any] = [shown[one].tolist() for one in column.names.split()]
        cells.append([column.text(*row) for row in zip(*values, strict=True)])
    return Table(
        title=title,
        columns=tuple(column.head for column in columns),
        rows=tuple(zip(*cells, strict=True)),
        words=frozenset(column.head for column in columns if column.words),
        note=note,
        source=Source(name, frame, tuple(tuple(c.names.split()) for c in columns)),
    )

"""What the terminal shows: tables on stdout, progress on stderr while somebody is looking."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from clvmodels.report.tables import Table

_T = TypeVar("_T")
_PIPE_WIDTH = 120  # characters, where there is no terminal to ask


def show(*tables: "Table | str") -> None:
    """Print tables and lines."""
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=_PIPE_WIDTH)
    for table in tables:
        if isinstance(table, str):
            console.print(table)
        else:
            console.print("", table.to_rich())


def is_watched() -> bool:
    """Whether progress would be seen."""
    return sys.stderr.isatty()


@contextmanager
def step(text: str) -> Iterator[None]:
    """A bar that runs while a step does, and stays full behind it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<34}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not is_watched()) as bar:
        task = bar.add_task(text, total=None)
        yield
        bar.update(task, total=1, completed=1)


def track(items: Iterable[_T], text: str, total: int) -> Iterator[_T]:
    """Go through items with a bar."""
    from rich.console import Console
    from rich.progress import track as rich_track

    yield from rich_track(
        items, f"{text:<34}", total=total, console=Console(stderr=True), disable=not is_watched()
    )

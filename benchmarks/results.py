"""What every benchmark does with its lines: show them, and keep them with what made them."""

import csv
import os
import platform
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console
from rich.table import Table

import clvmodels as clv

PYTHON = f"Python {platform.python_version()}"
WIDTH = 200  # characters, where the output is no terminal
Line = Sequence[str]


def release(package: str) -> str | None:
    """Version of an installed package, None if it is not there."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def setup(*packages: str) -> str:
    """The machine and what is installed on it."""
    used = [f"{name} {release(name)}" if release(name) else f"no {name}" for name in packages]
    return ", ".join([f"{os.cpu_count()} cores", PYTHON, f"clvmodels {clv.__version__}", *used])


def figure(value: float | None) -> str:
    """Four digits, or nothing."""
    return "" if value is None else f"{value:.4g}"


def show(title: str, columns: Sequence[str], lines: Sequence[Line]) -> None:
    """Print lines as a table."""
    table = Table(*columns, title=title)
    for line in lines:
        table.add_row(*line)
    _console().print(table)


def say(words: str) -> None:
    """One line on the way."""
    _console().print(words, style="dim", highlight=False, markup=False)


def save(
    path: Path,
    columns: Sequence[str],
    lines: Sequence[Line],
    made_with: str | None,
    same: Callable[[dict[str, str]], object] | None = None,
) -> None:
    """Write lines, each with its setup in a last column unless another file tells it.

    Old lines go, or with `same` only those that it maps to what it maps a new line to.
    """
    own = {} if made_with is None else {"setup": made_with}
    names = [*columns, *own]
    fresh = [dict(zip(columns, line, strict=True)) | own for line in lines]
    kept: list[dict[str, str]] = []
    if same is not None and path.exists():
        replaced = {same(line) for line in fresh}
        kept = [line for line in read(path) if same(line) not in replaced]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows([*kept, *fresh])


def read(path: Path) -> list[dict[str, str]]:
    """The lines of a saved table."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else WIDTH)

"""Print the table and keep it: ``python -m benchmarks.bayes [--only CASE ...] [--save]``."""

import argparse
import csv
import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console
from rich.table import Table

import clvmodels as clv
from benchmarks.bayes.cases import ABSENT, CASES, SAMPLERS, Row
from benchmarks.bayes.fresh import FailedError

RESULTS = Path(__file__).with_name("results.csv")
COLUMNS = ("what", "size", "unit", "ours", "theirs", "ratio", "target", "met", "reached", "setup")
PACKAGES = ("pymc-marketing", "pymc", "pytensor", "arviz", "nutpie", "numba", "numpy", "scipy")
PYTHON = f"Python {platform.python_version()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), metavar="CASE")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    console = Console()
    if not SAMPLERS:
        console.print(f"{ABSENT}: our side alone.", style="dim")
    table = Table(*COLUMNS[:-2], title=f"Beside PyMC-Marketing, {PYTHON}")
    lines = []
    for name in options.only:
        try:
            for row in CASES[name]():
                line = _line(row)
                lines.append([*line, setup()])
                table.add_row(*line[:-1])
                console.print(f"{row.what}, {row.size:,}: {row.reached}", style="dim")
        except FailedError as reason:
            console.print(f"{name} stopped: {reason}")
    console.print(table)
    if options.save:
        save(lines)


def setup() -> str:
    """The machine and what is installed on it."""
    used = [f"clvmodels {clv.__version__}"]
    for name in PACKAGES:
        try:
            used.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            used.append(f"no {name}")
    return f"{os.cpu_count()} cores, {PYTHON}, " + ", ".join(used)


def save(lines: Sequence[Sequence[str]]) -> None:
    """Write the lines, and keep those of other cases and of other Pythons."""
    fresh = {(*line[:3], PYTHON) for line in lines}
    kept: list[Sequence[str]] = []
    if RESULTS.exists():
        with RESULTS.open(newline="") as file:
            _, *old = csv.reader(file)
        kept = [line for line in old if (*line[:3], line[-1].split(", ")[1]) not in fresh]
    with RESULTS.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([*kept, *lines])


def _line(row: Row) -> list[str]:
    ratio, theirs = row.ratio, row.theirs
    return [
        row.what,
        str(row.size),
        row.unit,
        f"{row.ours:.4g}",
        "" if theirs is None else f"{theirs:.4g}",
        "" if ratio is None else f"{ratio:.1f}",
        row.target,
        row.met,
        row.reached,
    ]


if __name__ == "__main__":
    main()

"""Print the table and keep it: ``python -m benchmarks.speed [--scale 0.1] [--save]``."""

import argparse
import csv
import os
import platform
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

import clvmodels as clv
from benchmarks.speed.cases import everything

RESULTS = Path(__file__).with_name("results.csv")
PACKAGES = ("numpy", "scipy", "numba", "pandas", "duckdb", "lifetimes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="1 is a million customers")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    console = Console()
    columns = ("what", "size", "ours", "lifetimes", "ratio", "target", "met", "note")
    table = Table(*columns[:-1], title="Seconds, unless the name says otherwise")
    lines = []
    for row in everything(options.scale):
        ratio = row.ratio
        line = [
            row.what,
            str(row.size),
            f"{row.ours:.4g}",
            "" if row.lifetimes is None else f"{row.lifetimes:.4g}",
            "" if ratio is None else f"{ratio:.1f}",
            row.target,
            row.met,
            row.note,
        ]
        lines.append(line)
        table.add_row(*line[:-1])
        console.print(f"{row.what}, {row.size:,}: {row.note or 'done'}", style="dim")
    console.print(table)
    if options.save:
        used = [f"clvmodels {clv.__version__}", *(f"{name} {version(name)}" for name in PACKAGES)]
        setup = f"{os.cpu_count()} cores, Python {platform.python_version()}, " + ", ".join(used)
        with RESULTS.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*columns, "setup"])
            writer.writerows([*line, setup] for line in lines)


if __name__ == "__main__":
    main()

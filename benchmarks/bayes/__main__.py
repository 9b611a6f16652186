"""Print the table and keep it: ``python -m benchmarks.bayes [--only CASE ...] [--save]``."""

import argparse
from pathlib import Path

from benchmarks import results
from benchmarks.bayes.cases import ABSENT, CASES, SAMPLERS, Row
from benchmarks.bayes.fresh import FailedError
from benchmarks.results import figure

RESULTS = Path(__file__).with_name("results.csv")
COLUMNS = ("what", "size", "unit", "ours", "theirs", "ratio", "target", "met", "reached")
PACKAGES = ("pymc-marketing", "pymc", "pytensor", "arviz", "nutpie", "numba", "numpy", "scipy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), metavar="CASE")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    if not SAMPLERS:
        results.say(f"{ABSENT}: our side alone.")
    lines = []
    for name in options.only:
        try:
            for row in CASES[name]():
                lines.append(_line(row))
                results.say(f"{row.what}, {row.size:,}: {row.reached}")
        except FailedError as reason:
            results.say(f"{name} stopped: {reason}")
    title = f"Beside PyMC-Marketing, {results.PYTHON}"
    results.show(title, COLUMNS[:-1], [line[:-1] for line in lines])
    if options.save:  # lines of other cases and of other Pythons stay
        results.save(RESULTS, COLUMNS, lines, results.setup(*PACKAGES), _identity)


def _identity(line: dict[str, str]) -> tuple[str, ...]:
    """Case and Python that a line is about."""
    return line["what"], line["size"], line["unit"], line["setup"].split(", ")[1]


def _line(row: Row) -> list[str]:
    ratio = row.ratio
    return [
        row.what,
        str(row.size),
        row.unit,
        figure(row.ours),
        figure(row.theirs),
        "" if ratio is None else f"{ratio:.1f}",
        row.target,
        row.met,
        row.reached,
    ]


if __name__ == "__main__":
    main()

"""Print the table and keep it: ``python -m benchmarks.speed [--scale 0.1] [--save]``."""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import peers, results
from benchmarks.speed.processes import start_up, summary
from benchmarks.speed.rows import COLUMNS, growth, per_customer, timings

HERE = Path(__file__).parent
RESULTS = HERE / "results.csv"
PACKAGES = (
    "numpy", "scipy", "numba", "pandas", "duckdb", "lifetimes", "pymc-marketing", "pymc",
    "pytest-benchmark",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="1 is up to ten million customers")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    for line in peers.absent():
        results.say(line)
    rows = [*start_up(), *summary(round(10_000_000 * options.scale))]
    timed = timings(run(options.scale))
    lines = [row.line() for row in (*rows, *timed, *per_customer(timed), *growth(timed))]
    results.show("Seconds, unless the name says otherwise", COLUMNS[:-1], [x[:-1] for x in lines])
    if options.save:
        results.save(RESULTS, COLUMNS, lines, results.setup(*PACKAGES))


def run(scale: float) -> list[dict[str, object]]:
    """The timed cases of this folder, by pytest-benchmark, which prints its own tables."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "timings.json"
        command = [
            sys.executable, "-m", "pytest", str(HERE), "-q", "-p", "no:cacheprovider",
            f"--scale={scale}", f"--benchmark-json={path}",
        ]  # fmt: skip
        subprocess.run(command, check=True, cwd=HERE.parents[1])
        found: list[dict[str, object]] = json.loads(path.read_text())["benchmarks"]
    return found


if __name__ == "__main__":
    main()

"""From timings to the lines of the table."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.results import figure

COLUMNS = (
    "what", "size", "ours", "lifetimes", "pymc_marketing", "ratio", "ratio_pymc", "target", "met",
    "reached",
)  # fmt: skip
LARGE = 10_000  # customers from which on the cost of starting no longer counts
EACH = ("BG/NBD fit", "expected purchases")  # told per customer too
EACH_FROM = 100_000


@dataclass(frozen=True)
class Row:
    """One line; seconds unless the name says otherwise.

    `beside` is a time of our own in the same run that `ours` is a multiple of.
    """

    what: str
    size: int
    ours: float
    theirs: Mapping[str, float] = field(default_factory=dict)
    target: str = ""
    reached: str = ""
    beside: float | None = None

    def times(self, who: str) -> float | None:
        """How many times as much another package needs."""
        return self.theirs[who] / self.ours if who in self.theirs else None

    @property
    def ratio(self) -> float | None:
        """How many times more lifetimes needs, or how many times the time beside."""
        return self.times("lifetimes") if self.beside is None else self.ours / self.beside

    @property
    def met(self) -> str:
        """Whether the target is met: "n times" is about the ratio, else it is about ours."""
        if not self.target:
            return ""
        sign, limit, *unit = self.target.split()
        value = self.ratio if unit == ["times"] else self.ours
        if value is None:
            return "no peer"
        return "yes" if (value >= float(limit) if sign == ">=" else value <= float(limit)) else "NO"

    def line(self) -> list[str]:
        """Its cells, in the order of `COLUMNS`."""
        ratios = (self.ratio, self.times("PyMC-Marketing"))
        theirs = (self.theirs.get(who) for who in ("lifetimes", "PyMC-Marketing"))
        return [
            self.what,
            str(self.size),
            figure(self.ours),
            *map(figure, theirs),
            *("" if ratio is None else f"{ratio:.1f}" for ratio in ratios),
            self.target,
            self.met,
            self.reached,
        ]


def timings(benchmarks: Iterable[Mapping[str, Any]]) -> list[Row]:
    """One row per task and size, from the benchmarks of a pytest-benchmark file.

    Times are the shortest of the rounds. A task that only others did has no row.
    """
    found: dict[tuple[str, int], dict[str, Mapping[str, Any]]] = {}
    for each in benchmarks:
        about = each["extra_info"]
        found.setdefault((about["what"], about["size"]), {})[about["who"]] = each
    rows = []
    for (what, size), by in found.items():
        if "ours" not in by:
            continue
        seconds = {who: float(each["stats"]["min"]) for who, each in by.items()}
        about = by["ours"]["extra_info"]
        words = [each["extra_info"].get("reached", "") for each in by.values()]
        rows.append(
            Row(
                what,
                size,
                seconds.pop("ours"),
                seconds,
                about["target"],
                "; ".join(filter(None, words)),
                about.get("beside"),
            )
        )
    return rows


def per_customer(rows: Sequence[Row]) -> list[Row]:
    """Microseconds per customer where bases are large."""
    return [
        Row(
            f"{row.what}, µs a customer",
            row.size,
            row.ours / row.size * 1e6,
            {who: seconds / row.size * 1e6 for who, seconds in row.theirs.items()},
        )
        for row in rows
        if row.what in EACH and row.size >= EACH_FROM
    ]


def growth(rows: Sequence[Row]) -> list[Row]:
    """By which power of the customers a cost grows: the slope of log seconds on log size.

    Ours over all sizes; and everybody's over those sizes that all have in common.
    """
    tasks: dict[str, list[Row]] = {}
    for row in rows:
        if row.size >= LARGE:
            tasks.setdefault(row.what, []).append(row)
    slopes = []
    for what, task in tasks.items():
        ours = {row.size: row.ours for row in task}
        if len(ours) < 3:
            continue
        name = f"{what}: cost grows as customers to the power"
        slopes.append(Row(name, max(ours), _slope(ours), {}, "<= 1.1", _sizes(ours)))
        peers = sorted({who for row in task for who in row.theirs})
        shared = [row for row in task if row.theirs.keys() == set(peers)]
        if not peers or len(shared) < 3:
            continue
        ours = {row.size: row.ours for row in shared}
        theirs = {who: _slope({row.size: row.theirs[who] for row in shared}) for who in peers}
        slopes.append(
            Row(f"{name}, sizes of all", max(ours), _slope(ours), theirs, "", _sizes(ours))
        )
    return slopes


def _sizes(times: Mapping[int, float]) -> str:
    return f"{min(times):,} to {max(times):,} customers"


def _slope(times: Mapping[int, float]) -> float:
    return float(np.polyfit(np.log(list(times)), np.log(list(times.values())), 1)[0])

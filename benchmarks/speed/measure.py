"""Wall time of a call, and time and peak memory of a fresh process."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import clvmodels as clv

T = TypeVar("T")
D = TypeVar("D")


class Row(NamedTuple):
    """One line of the table; seconds unless the name says otherwise.

    `beside` is a time of our own in the same run that `ours` may be a multiple of.
    """

    what: str
    size: int
    ours: float
    lifetimes: float | None
    target: str
    note: str
    beside: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times more lifetimes needs, or how many times the time beside."""
        if self.lifetimes is not None:
            return self.lifetimes / self.ours
        return None if self.beside is None else self.ours / self.beside

    @property
    def met(self) -> str:
        """Whether the target is met, if that is a number."""
        sign, _, limit = self.target.partition(" ")
        if not limit:
            return ""
        value = self.ours if limit.endswith("s") and "time" not in limit else self.ratio
        bound = float(limit.split()[0])
        return "yes" if (value >= bound if sign == ">=" else value <= bound) else "NO"


def afresh(data: clv.RFMSummary) -> clv.RFMSummary:
    """The same customers, not yet grouped into histories."""
    return data.select(slice(None))


def best_of(call: Callable[[], T], repeats: int = 3) -> tuple[float, T]:
    """Shortest wall time of `repeats` calls, and the last result."""
    return best_on(lambda: None, lambda _: call(), repeats)


def best_on(prepare: Callable[[], D], call: Callable[[D], T], repeats: int = 3) -> tuple[float, T]:
    """Shortest wall time of calls, each on a value made afresh (making it is not counted)."""
    times = []
    for _ in range(repeats):
        value = prepare()
        start = time.perf_counter()
        result = call(value)
        times.append(time.perf_counter() - start)
    return min(times), result


def in_process(code: str) -> tuple[float, float, dict[str, float]]:
    """Run `code` in a fresh interpreter: seconds, peak memory in MB, and what it put in `out`.

    Code times itself by setting ``start``; imports before that are not counted.
    """
    script = (
        "import json, resource, time\nout = {}\n"
        f"{code}\n"
        "seconds = time.perf_counter() - start\n"
        "peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "print(json.dumps([seconds, peak, out]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    seconds, peak, out = json.loads(done.stdout.splitlines()[-1])
    return seconds, peak, out

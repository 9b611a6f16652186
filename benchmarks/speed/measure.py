"""Wall time of a call, and time and peak memory of a fresh process."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def best_of(call: Callable[[], T], repeats: int = 3) -> tuple[float, T]:
    """Shortest wall time of `repeats` calls, and the last result."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = call()
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

"""How much can be done side by side."""

import os

_MOST = 8  # memory grows with every worker, and the work here is seldom worth more of them


def usable_cores() -> int:
    """Cores that this process may use, up to 8."""
    if hasattr(os, "sched_getaffinity"):
        return min(_MOST, len(os.sched_getaffinity(0)))
    return min(_MOST, os.cpu_count() or 1)

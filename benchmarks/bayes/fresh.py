"""Run one task in a fresh process: ``python -m benchmarks.bayes.fresh module task [json]``."""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

CAP = 600  # seconds


class FailedError(Exception):
    """The task raised, or took longer than it may."""


def fresh(
    module: str, task: str, environment: Mapping[str, str] | None = None, **options: Any
) -> dict[str, Any]:
    """Run a function of `benchmarks.bayes.<module>`: what it returns, and its peak memory in MB."""
    command = [sys.executable, "-m", "benchmarks.bayes.fresh", module, task, json.dumps(options)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
        start_new_session=True,  # so that samplers in processes of their own end with it
    )
    try:
        out, err = process.communicate(timeout=CAP)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise FailedError(f"more than {CAP} s") from None
    if process.returncode:
        raise FailedError(
            err.strip().splitlines()[-1] if err.strip() else f"exit {process.returncode}"
        )
    result: dict[str, Any] = json.loads(out.splitlines()[-1])
    return result


def main() -> None:
    module, task, options = sys.argv[1:]
    result = getattr(import_module(f"benchmarks.bayes.{module}"), task)(**json.loads(options))
    kilobytes = [
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    print(json.dumps({**result, "memory": max(kilobytes) / 1024}))


if __name__ == "__main__":
    main()

"""What needs a process of its own: start-up, and peak memory."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.peers import installed
from benchmarks.speed.measure import best_of, in_process
from benchmarks.speed.rows import Row
from benchmarks.speed.worlds import write_log

SILENT = "import warnings; warnings.simplefilter('ignore')\n"
IMPORTS = {"lifetimes": ("lifetimes", 5), "PyMC-Marketing": ("pymc_marketing.clv", 1)}
SUMMARIES = {
    "lifetimes": "from lifetimes.utils import summary_data_from_transaction_data as summary",
    "PyMC-Marketing": "from pymc_marketing.clv.utils import rfm_summary as summary",
}


def start_up() -> Iterator[Row]:
    """Time of the import beyond that of the interpreter."""

    def run(code: str, repeats: int = 5) -> float:
        return best_of(lambda: subprocess.run([sys.executable, "-c", code], check=True), repeats)[0]

    bare = run("pass")
    theirs = {}
    for name in installed():
        module, repeats = IMPORTS[name]
        theirs[name] = run(f"{SILENT}import {module}", repeats) - bare
    yield Row("import", 1, run("import clvmodels") - bare, theirs, "< 0.3 s")


def summary(rows: int) -> Iterator[Row]:
    """RFM summary from a Parquet log, each package in a process of its own."""
    count = "out['customers'] = len(rfm); out['x'] = float(rfm.frequency.sum())"
    seconds, memories, words = {}, {}, []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.parquet"
        write_log(path, rows)
        ours, memory, told = in_process(
            "import clvmodels as clv\nstart = time.perf_counter()\n"
            f"rfm = clv.rfm_summary({str(path)!r}, value='value', time_unit='day')\n{count}"
        )
        for name in installed():
            seconds[name], memories[name], other = in_process(
                f"{SILENT}import pandas as pd\n{SUMMARIES[name]}\nstart = time.perf_counter()\n"
                f"log = pd.read_parquet({str(path)!r})\n"
                f"rfm = summary(log, 'customer_id', 'date', 'value')\n{count}"
            )
            same = "the same customers and purchases" if other == told else f"DIFFERENT: {other}"
            words.append(f"{name}: {same}")
    words.insert(0, f"{told['customers']:,} customers, {told['x']:,.0f} purchases")
    yield Row("RFM summary from Parquet", rows, ours, seconds, ">= 5 times", "; ".join(words))
    yield Row("its peak memory, MB", rows, memory, memories, ">= 3 times", "whole process")

"""What needs a process of its own: start-up, and peak memory."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import clvmodels as clv
from benchmarks.peers import data_at_fit, installed
from benchmarks.speed.measure import best_of, in_process
from benchmarks.speed.rows import Row
from benchmarks.speed.worlds import write_log

SILENT = "import warnings; warnings.simplefilter('ignore')\n"
SUMMARIES = {
    "lifetimes": "from lifetimes.utils import summary_data_from_transaction_data as summary",
    "PyMC-Marketing": "from pymc_marketing.clv.utils import rfm_summary as summary",
}
WEEKS = {
    "lifetimes": "freq='D', freq_multiplier=7",
    "PyMC-Marketing": "time_unit='D', time_scaler=7",
}
FITS = {
    "lifetimes": "from lifetimes import BetaGeoFitter\n"
    "params = BetaGeoFitter().fit(rfm.frequency, rfm.recency, rfm['T']).params_",
    "PyMC-Marketing": "from pymc_extras.prior import Prior\n"
    "from pymc_marketing.clv import BetaGeoModel\n"
    "flat = {name: Prior('HalfFlat') for name in ('r', 'alpha', 'a', 'b')}\n"
    "model = BetaGeoModel(%smodel_config=flat)\n"
    "model.fit(%smethod='map', progressbar=False)\n"
    "params = {'r': float(model.idata.posterior['r'].mean())}",
}
CUTOFF = "1997-09-30"
TURNS = 4  # the first of which may compile, and leave that in caches


def start_up() -> Iterator[Row]:
    """Time of the import beyond that of the interpreter, and of a first fit with all it loads."""

    def run(code: str) -> float:
        return best_of(lambda: subprocess.run([sys.executable, "-c", code], check=True), 5)[0]

    yield Row("import", 1, run("import clvmodels") - run("pass"), {}, "< 0.3 s")
    yield first_fit()


def first_fit() -> Row:
    """From the start of a process to a BG/NBD fitted to the CDNOW sample, imports included."""
    count = "out['customers'] = len(rfm); out['r'] = round(float(params['r']), 3)"
    seconds, words = {}, []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.parquet"
        clv.datasets.load_cdnow(sample=True).to_parquet(path)
        ours, told = _shortest(
            "import clvmodels as clv\n"
            f"rfm = clv.rfm_summary({str(path)!r}, time_unit='week', observation_end={CUTOFF!r})\n"
            f"params = clv.BetaGeoModel().fit(rfm).params\n{count}"
        )
        for name in installed():
            fit = FITS[name]
            if name == "PyMC-Marketing":
                fit %= ("", "rfm, ") if data_at_fit() else ("data=rfm, ", "")
            seconds[name], other = _shortest(
                f"{SILENT}import pandas as pd\n{SUMMARIES[name]}\n"
                f"log = pd.read_parquet({str(path)!r})\nrfm = summary(log, 'customer_id', 'date', "
                f"observation_period_end={CUTOFF!r}, {WEEKS[name]})\n{fit}\n{count}"
            )
            words.append(f"{name} r {other['r']}, {other['customers']:,.0f} customers")
    words.insert(0, f"r {told['r']}, {told['customers']:,.0f} customers")
    return Row(
        "import, summary and fit", int(told["customers"]), ours, seconds, "", "; ".join(words)
    )


def _shortest(code: str) -> tuple[float, dict[str, float]]:
    """The shortest time of some processes, all they import counted, and what they put in `out`."""
    seconds, _, out = min(
        (in_process(f"start = time.perf_counter()\n{code}") for _ in range(TURNS)),
        key=lambda turn: turn[0],
    )
    return seconds, out


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

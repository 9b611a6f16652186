"""What is timed. Each case yields rows: what, size, ours, lifetimes, ratio, and a note."""

import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import clvmodels as clv
from benchmarks.speed.family import every_fit, loglik, pareto_fits, residual_transactions
from benchmarks.speed.measure import Row, afresh, best_of, best_on, in_process
from benchmarks.speed.worlds import customers, write_log


def fits(n: int) -> Iterator[Row]:
    """MLE with standard errors; grouping the customers into distinct histories is counted."""
    import lifetimes

    data = customers(n)
    for model, theirs in (
        (clv.BetaGeoModel(), lifetimes.BetaGeoFitter),
        (clv.ModifiedBetaGeoModel(), lifetimes.ModifiedBetaGeoFitter),
    ):
        model.fit(customers(1000))  # compile
        ours, fit = best_on(lambda: afresh(data), model.fit)
        seconds, fitter = best_of(
            lambda: theirs().fit(data.frequency, data.recency, data.T),  # noqa: B023
            repeats=1,
        )
        there = model.with_params(
            **{k: float(v) for k, v in fitter.params_.items()}, time_unit="week"
        )
        note = (
            f"log-likelihood {fit.loglik:,.3f}, lifetimes {loglik(there, data):,.3f}; "
            f"{len(data.compress()):,} distinct histories"
        )
        yield Row(f"{model.title} fit", n, ours, seconds, ">= 50", note)
    unrounded = customers(n, rounded=False)
    ours, fit = best_on(lambda: afresh(unrounded), clv.BetaGeoModel().fit)
    seconds, _ = best_of(
        lambda: lifetimes.BetaGeoFitter().fit(unrounded.frequency, unrounded.recency, unrounded.T),
        repeats=1,
    )
    note = (
        f"times not rounded to days: {len(unrounded.compress()):,} distinct histories, "
        f"log-likelihood {fit.loglik:,.3f}"
    )
    yield Row("BG/NBD fit", n, ours, seconds, "", note)


def predictions(n: int) -> Iterator[Row]:
    """Expected purchases, P(alive) and 12-month discounted CLV, from fitted models."""
    import lifetimes

    data = customers(n)
    sample = customers(20_000)
    value = clv.CLVModel(
        clv.BetaGeoModel(), clv.GammaGammaModel(), discount=clv.DiscountRate(0.01, per="month")
    ).fit(sample)
    x, t_x, T, m = data.frequency, data.recency, data.T, np.nan_to_num(data.monetary_value)
    theirs = lifetimes.BetaGeoFitter().fit(sample.frequency, sample.recency, sample.T)
    repeat = sample.frequency > 0
    spend = lifetimes.GammaGammaFitter().fit(
        sample.frequency[repeat], sample.monetary_value[repeat]
    )
    import pandas as pd

    series = [pd.Series(v) for v in (x, t_x, T, m)]

    def ours_all(base: clv.RFMSummary) -> np.ndarray:
        value.purchases.expected_purchases(base, "12 months")
        value.purchases.probability_alive(base)
        return value.clv(base, "12 months")

    def theirs_all() -> np.ndarray:
        theirs.conditional_expected_number_of_purchases_up_to_time(52.1775, x, t_x, T)
        theirs.conditional_probability_alive(x, t_x, T)
        return spend.customer_lifetime_value(theirs, *series, time=12, discount_rate=0.01, freq="W")

    ours_all(sample)
    ours, mine = best_on(lambda: afresh(data), ours_all)
    seconds, other = best_of(theirs_all, repeats=1)
    note = f"total CLV {mine.sum():,.0f}, lifetimes {other.sum():,.0f} (booked at month ends)"
    yield Row("expected purchases, P(alive), 12-month CLV", n, ours, seconds, ">= 20", note)
    ours, _ = best_on(lambda: afresh(data), lambda base: value.predict(base, "12 months"), 1)
    yield Row("the same with 90 % intervals", n, ours, None, "", "lifetimes has no intervals")


def summary(rows: int) -> Iterator[Row]:
    """RFM summary from a Parquet log, each library in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.parquet"
        write_log(path, rows)
        ours, our_memory, a = in_process(
            "import clvmodels as clv\nstart = time.perf_counter()\n"
            f"rfm = clv.rfm_summary({str(path)!r}, value='value', time_unit='day')\n"
            "out['customers'] = len(rfm); out['x'] = float(rfm.frequency.sum())"
        )
        seconds, memory, b = in_process(
            "import warnings; warnings.simplefilter('ignore')\n"
            "import pandas as pd\nfrom lifetimes.utils import summary_data_from_transaction_data\n"
            "start = time.perf_counter()\n"
            f"log = pd.read_parquet({str(path)!r})\n"
            "rfm = summary_data_from_transaction_data(log, 'customer_id', 'date', 'value')\n"
            "out['customers'] = len(rfm); out['x'] = float(rfm.frequency.sum())"
        )
    same = "same customers and purchases" if a == b else f"DIFFERENT: {a} and {b}"
    yield Row("RFM summary from Parquet", rows, ours, seconds, ">= 5", same)
    yield Row("its peak memory, MB", rows, our_memory, memory, ">= 3", "whole process")


def start_up() -> Iterator[Row]:
    """Time of ``import clvmodels`` beyond that of the interpreter."""

    def run(code: str) -> float:
        return best_of(lambda: subprocess.run([sys.executable, "-c", code], check=True), 5)[0]

    bare = run("pass")
    ours = run("import clvmodels") - bare
    with_filter = "import warnings; warnings.simplefilter('ignore'); import lifetimes"
    yield Row("import", 1, ours, run(with_filter) - bare, "< 0.3 s", "")


def growth(sizes: tuple[int, ...]) -> Iterator[Row]:
    """Time per customer, in microseconds, from small bases to large ones."""
    model = clv.BetaGeoModel()
    for n in sizes:
        data = customers(n)
        seconds, fit = best_on(lambda: afresh(data), model.fit, 2)  # noqa: B023
        note = f"{len(data.compress()):,} distinct histories, log-likelihood {fit.loglik:,.1f}"
        yield Row("BG/NBD fit, µs a customer", n, seconds / n * 1e6, None, "flat", note)
        seconds, _ = best_on(
            lambda: afresh(data),  # noqa: B023
            lambda base: fit.expected_purchases(base, "12 months"),  # noqa: B023
            2,
        )
        yield Row("expected purchases, µs a customer", n, seconds / n * 1e6, None, "flat", "")


def everything(scale: float) -> Iterator[Row]:
    """All cases, at full size for scale 1."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lifetimes' own
        million = int(1_000_000 * scale)
        yield from start_up()
        yield from summary(10 * million)
        yield from fits(million)
        yield from pareto_fits(million // 10)
        yield from every_fit(million // 10)
        yield from residual_transactions(million)
        yield from predictions(million)
        yield from growth((million // 10, million, 10 * million))

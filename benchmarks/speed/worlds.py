"""Simulated customers and logs, the same for every library."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import clvmodels as clv

CDNOW = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}  # Fader, Hardie and Lee (2005), weeks
DAYS = 730  # customers join over two years


def customers(n: int, *, rounded: bool = True, seed: int = 1) -> clv.RFMSummary:
    """BG/NBD customers in weeks; `rounded` puts last purchases on whole days, as logs do."""
    from clvmodels.kernels import beta_geo

    rng = np.random.default_rng(seed)
    T = np.ceil(rng.uniform(0, DAYS, n)) / 7
    zero = np.zeros(n)
    x, t_x = beta_geo.simulate(zero, zero, T, rng, **CDNOW)
    if rounded:
        t_x = np.where(x > 0, np.minimum(np.ceil(t_x * 7) / 7, T), 0.0)
    spend = rng.gamma(6.25 * np.maximum(x, 1)) / rng.gamma(3.74, size=n) * 15.44 / np.maximum(x, 1)
    return clv.RFMSummary(
        customer_id=np.arange(n),
        frequency=x,
        recency=t_x,
        T=T,
        monetary_value=np.where(x > 0, spend, np.nan),
        time_unit="week",
    )


@lru_cache(maxsize=2)
def base(n: int) -> clv.RFMSummary:
    """The rounded ones, simulated once for cases that follow each other."""
    return customers(n)


def unrounded(n: int) -> clv.RFMSummary:
    """Those whose purchases have times, not days."""
    return customers(n, rounded=False)


def afresh(data: Any) -> Any:
    """The same data, not yet grouped into histories, where they keep what was worked out."""
    if isinstance(data, clv.RetentionTable | clv.TimeVaryingSummary):
        return data
    return data.select(slice(None))


def with_covariates(n: int) -> clv.RFMSummary:
    """The same customers with three columns of real numbers, the first of which says something."""
    data, rng = customers(n), np.random.default_rng(2)
    data = data.with_column("z1", np.log1p(data.frequency) + rng.normal(size=n))
    return data.with_column("z2", rng.normal(size=n)).with_column("z3", rng.normal(size=n))


def regular_customers(n: int) -> clv.RFMSummary:
    """BG/CNBD-2 customers in weeks, with the sums of the logs of the times between purchases."""
    world = clv.BetaGeoCNBDModel(k=2).with_params(r=0.8, alpha=2, a=0.9, b=2.5, time_unit="week")
    return world.simulate(n, f"{DAYS // 7} weeks", 1)


def donors(n: int) -> clv.OpportunitySummary:
    """BG/BB customers with up to ten yearly opportunities."""
    world = clv.BetaGeoBetaBinomModel().with_params(
        alpha=1.204, beta=0.75, gamma=0.657, delta=2.783, every="1 year"
    )  # Fader, Hardie and Shang (2010)
    return world.simulate(n, "10 years", 1)


def contracts(n: int) -> clv.RetentionTable:
    """Durations of shifted-beta-geometric contracts, some of them still running."""
    rng = np.random.default_rng(1)
    lasted = rng.geometric(rng.beta(0.668, 3.806, n))  # Fader and Hardie (2007), "high end"
    observed = rng.integers(1, 25, n)
    return clv.RetentionTable.from_durations(
        np.minimum(lasted, observed), lasted <= observed, period="1 month"
    )


def promoted_customers(n: int) -> clv.TimeVaryingSummary:
    """Pareto/NBD customers of half a year to one, who follow promotions of single weeks."""
    rng = np.random.default_rng(1)
    T = rng.uniform(26, 52, n)
    weeks = np.ceil(T).astype(int) + 1
    indptr = np.concatenate([[0], np.cumsum(weeks)])
    started = rng.uniform(0.05, 0.95, n)  # in the first week
    until = np.arange(indptr[-1]) - np.repeat(indptr[:-1], weeks) + np.repeat(started, weeks)
    promoted = (rng.random(indptr[-1]) < 0.3).astype(float)[:, None]
    none = np.zeros(n)
    silent = clv.TimeVaryingSummary(
        clv.RFMSummary.from_arrays(none, none, T, time_unit="week"),
        ("promoted",), indptr, until, promoted, np.zeros((n, 1)),
    )  # fmt: skip
    world = clv.TimeVaryingParetoNBDModel(purchase=("promoted",), dropout=()).with_params(
        r=0.6, alpha=8, s=0.6, beta=12, purchase={"promoted": 1.6}, dropout={}, time_unit="week"
    )
    return world.simulate(silent, 1)


def write_log(path: Path, rows: int, seed: int = 1) -> None:
    """A Parquet log of `rows` purchases by a tenth as many customers over two years."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(seed)
    seconds = rng.integers(0, DAYS * 86_400, rows)
    table = pa.table(
        {
            "customer_id": rng.integers(0, rows // 10, rows),
            "date": pa.array(np.datetime64("2024-01-01", "s") + seconds.astype("timedelta64[s]")),
            "value": rng.gamma(2.0, 20.0, rows).round(2) + 0.01,
        }
    )
    pq.write_table(table, path)

"""Simulated customers and logs, the same for every library."""

from pathlib import Path

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

"""Customers that both sides are given."""

import numpy as np

import clvmodels as clv
from benchmarks.speed.worlds import CDNOW, customers

SAMPLE = 2357  # CDNOW customers
FITTED = 2000  # customers behind the draws by which others are valued
SEGMENTS = 50
SPREAD = 0.3  # between segments, in logs, and in the log odds of dropout


def base(n: int) -> clv.RFMSummary:
    """The CDNOW sample for its own size, else simulated customers."""
    return clv.datasets.load_cdnow_summary() if n == SAMPLE else customers(n)


def segments(each: int, seed: int = 3) -> clv.RFMSummary:
    """BG/NBD customers of segments whose parameters lie around the CDNOW sample's."""
    from clvmodels.kernels import beta_geo

    rng = np.random.default_rng(seed)
    segment = np.repeat(np.arange(SEGMENTS), each)
    rate, shape, odds, total = rng.normal(0, SPREAD, (4, SEGMENTS))
    r = CDNOW["r"] * np.exp(shape)
    alpha = CDNOW["alpha"] * np.exp(shape - rate)
    dropout = 1 / (1 + CDNOW["b"] / CDNOW["a"] * np.exp(-odds))
    stay = (CDNOW["a"] + CDNOW["b"]) * np.exp(total)
    zero, T = np.zeros(len(segment)), rng.integers(26, 79, len(segment)).astype(float)
    x, t_x = beta_geo.simulate(
        zero, zero, T, rng, r=r[segment], alpha=alpha[segment],
        a=(dropout * stay)[segment], b=((1 - dropout) * stay)[segment],
    )  # fmt: skip
    t_x = np.where(x > 0, np.minimum(np.ceil(t_x * 7) / 7, T), 0.0)
    data = clv.RFMSummary.from_arrays(x, t_x, T, time_unit="week")
    return data.with_column("segment", np.array([f"segment {k:02}" for k in segment]))

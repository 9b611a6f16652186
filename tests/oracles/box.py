"""The wide box of parameters and histories on which kernels are compared with the oracles."""

from math import exp

import numpy as np
from hypothesis import strategies as st

LOG_RANGES = {"r": (-3, 3), "alpha": (-2, 6), "a": (-6, 3), "b": (-4, 5)}
LONGEST_AGE, LONGEST_HORIZON, MOST_PURCHASES = 1500.0, 3000.0, 1000

# Underflow to zero is the right answer far out in a tail, and NumPy's default is to be silent.
LOUD = {"divide": "raise", "over": "raise", "invalid": "raise", "under": "ignore"}


def log_uniform(low, high):
    return st.floats(low, high).map(exp)


def parameters(*names):
    """Dictionaries of parameters by name, in the order of `names`."""
    values = st.tuples(*(log_uniform(*LOG_RANGES[name]) for name in names))
    return values.map(lambda v: dict(zip(names, v, strict=True)))


@st.composite
def histories(draw):
    """Triples (x, t_x, T) that can happen, that of a customer first seen today included."""
    x = draw(st.one_of(st.just(0), st.integers(0, 10), st.integers(0, MOST_PURCHASES)))
    if x == 0:
        return 0.0, 0.0, draw(st.one_of(st.just(0.0), st.floats(0.0, LONGEST_AGE)))
    T = draw(st.floats(1e-3, LONGEST_AGE))
    return float(x), T * draw(st.floats(1e-6, 1.0)), T


horizons = st.one_of(log_uniform(-7, 8), st.floats(1e-3, LONGEST_HORIZON))


def random_box(size, seed):
    """Arrays of parameters (by name) and of x, t_x, T and t, spread over the box in logs."""
    rng = np.random.default_rng(seed)
    params = {k: np.exp(rng.uniform(*bounds, size)) for k, bounds in LOG_RANGES.items()}
    T = np.exp(rng.uniform(np.log(1e-2), np.log(LONGEST_AGE), size)) * (rng.random(size) > 0.05)
    x = np.floor(np.exp(rng.uniform(0, np.log(MOST_PURCHASES + 1), size)))
    x = np.where((rng.random(size) < 0.3) | (T == 0), 0.0, x)
    t_x = np.where(x > 0, T * rng.uniform(1e-3, 1, size), 0.0)
    t = np.exp(rng.uniform(np.log(1e-3), np.log(LONGEST_HORIZON), size))
    return params, x, t_x, T, t

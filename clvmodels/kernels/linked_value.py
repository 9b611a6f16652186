"""What to expect of customers whose spend goes with their purchase rate.

Given that a customer is alive at T, the rate is Gamma(r + x, alpha + T) reweighted by the density
of the mean value m at that rate, and dropout is Beta(a, b + x + d), independent of it. Purchases
given both come in closed form; what is left is summed over the nodes of `linked_spend`, with one
table of purchases against the rate for all customers of one number of purchases.
"""

import numpy as np
from numba import njit
from scipy import special as sp

from clvmodels._typing import AnyArray, FloatArray
from clvmodels.kernels.linked_spend import DROP, log_spend, step_of, summit
from clvmodels.kernels.special import log_beta_peak, log_rising

__all__ = ["predictions", "purchases_at"]

_WIDEST = 0.4  # step in logit p
_NEGLIGIBLE = 1e-17
_FARTHEST = 600.0  # in log lambda, where a mean does not exist


def predictions(
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    n: FloatArray,
    m: FloatArray,
    windows: tuple[tuple[float, float, float], ...],
    *,
    r: float,
    alpha: float,
    p: float,
    q: float,
    v: float,
    multiplier: float,
    a: float | None = None,
    b: float | None = None,
    d: int = 0,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """P(alive), and for each window the purchases and their worth that are expected of those alive.

    Shapes (rows,), (windows, rows) and (windows, rows). A window is a force of interest, a
    beginning and an end; the worth is inf where a mean does not exist. Rows with n = 0 say nothing
    of spend. Right to 1e-9.
    """
    g = float(np.log(multiplier))
    alive = np.ones(len(x))
    made, worth = np.empty((2, len(windows), len(x)))
    kinds, kind = np.unique(np.stack([x, n]), axis=1, return_inverse=True)
    for k, (bought, valued) in enumerate(kinds.T):
        some = np.flatnonzero(kind.ravel() == k)
        shape, A = r + bought, p * valued
        step = step_of(shape, A, q if valued else 1.0, g if valued else 0.0)
        with_m = (A, q, np.log(A / q) + np.log(v) - np.log(valued)) if valued else (0.0, 1.0, 0.0)
        where = step, shape, *with_m, g
        value = np.where(valued > 0, m[some], 1.0)
        center, low, high, log_alive = _spans(value, alpha + T[some], alpha / r, *where)
        if a is not None and b is not None and bought + d > 0:
            odds = np.log(a / (b + bought + d - 1)) + shape * np.log1p(
                (T[some] - t_x[some]) / (alpha + t_x[some])
            )
            log_gone = _spans(value, alpha + t_x[some], alpha / r, *where)[3]
            alive[some] = sp.expit(log_alive - log_gone - odds)
        first = low.min()
        rates = np.exp(step * np.arange(first, high.max() + 1))
        dropout = None if a is None or b is None else (a, float(b + bought + d))
        table = np.stack([purchases_at(rates, dropout, *window) for window in windows])
        made[:, some], extra = _averages(
            value, center, low - first, high - first, first, table, alpha / r, *where
        )
        tail = A + q - 1
        if tail > 0 and shape + 1 + g > 0:
            worth[:, some] = p * (v * extra + (valued * value if valued else 0.0) * made[:, some])
            worth[:, some] /= tail
        else:
            worth[:, some] = np.inf
    return alive, made, worth


def purchases_at(
    rate: FloatArray, dropout: tuple[float, float] | None, delta: float, begin: float, end: float
) -> FloatArray:
    """Discounted purchases in (begin, end] of a customer alive now who buys at `rate`.

    The mean over p ~ Beta(*dropout) of the integral of rate e^(-(delta + rate p) t); p = 0 where
    `dropout` is None. What would make the tails of the sum over logit p long is taken out in closed
    form: the integrand is like f(0) (1 - p)^k near p = 0 and like f(1) p near p = 1.
    """

    def given(p: FloatArray | float) -> FloatArray:
        force = delta + rate[:, None] * p
        with np.errstate(under="ignore"):
            if np.isinf(end):
                return np.asarray(rate[:, None] * np.exp(-force * begin) / force)
            length = end - begin
            return np.asarray(
                rate[:, None] * np.exp(-force * begin) * length * sp.exprel(-force * length)
            )

    at_0 = given(0.0)[:, 0]
    if dropout is None:
        return at_0
    a, b = dropout
    p, log_kept, weight = _beta_rule(a, b, float(log_beta_peak(np.array(a), np.array(b))))
    at_1 = given(1.0)[:, 0]
    k = np.maximum(1.0, rate * _mean_time(delta, begin, end))
    with np.errstate(under="ignore"):
        rest = given(p) - at_0[:, None] * np.exp(k[:, None] * log_kept) - at_1[:, None] * p
        power = np.asarray(a)
        spared = np.exp(log_rising(np.asarray(b), power) - log_rising(b + k, power))
    out: FloatArray = at_0 * spared + at_1 * a / (a + b) + rest @ weight
    return out


def _mean_time(delta: float, begin: float, end: float) -> float:
    """When the window's discounted time comes on average."""
    if np.isinf(end):
        return begin + 1 / delta
    z, length = delta * (end - begin), end - begin
    if abs(z) < 1e-4:
        return begin + length / 2
    return float(begin + length * (1 / z - 1 / np.expm1(z))) if z < 700 else begin + 1 / delta


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _beta_rule(a: float, b: float, log_peak: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Nodes p, log(1 - p), and weights for means over Beta(a, b) of what vanishes at 0 and 1."""
    peak, log_q_peak = a / (a + b), np.log(b / (a + b))
    spread = np.sqrt(1 / (a + 1) + 1 / (b + 1))
    step = min(_WIDEST, 0.5 * spread)
    start = np.log((a + 1) / (b + 1)) - np.log(a / b)
    nodes = []
    for direction in (-1.0, 1.0):
        k = 0 if direction > 0 else 1
        largest = 0.0
        while True:
            u = start + direction * k * step  # logit p, measured from the peak
            odds = a / b * np.exp(u)
            p, log_q = odds / (1 + odds), -np.log1p(odds)
            # near the peak of a narrow density the difference of logs would lose its digits
            fall = np.log1p(peak * np.expm1(u)) if abs(u) < 1 else log_q_peak - log_q
            weight = np.exp(log_peak + a * u - (a + b) * fall)
            nodes.append((p, log_q, weight * step))
            bound = weight * p / (1 + odds)
            largest = max(largest, bound)
            if k * step > 3 * spread and bound <= _NEGLIGIBLE * largest:
                break
            k += 1
    out = np.empty((3, len(nodes)))
    for i, node in enumerate(nodes):
        out[0, i], out[1, i], out[2, i] = node
    return out[0], out[1], out[2]


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _term(w: float, shape: float, A: float, q: float, t: float, g: float) -> float:
    spend: float = log_spend(t + g * w, A, q)[0] if A > 0 else 0.0
    out: float = shape * (w - np.expm1(w)) + spend
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _spans(
    m: FloatArray,
    age: FloatArray,
    per_mean: float,
    step: float,
    shape: float,
    A: float,
    q: float,
    t: float,
    g: float,
) -> tuple[FloatArray, AnyArray, AnyArray, FloatArray]:
    """Where the nodes of each row lie, and the log of the mean of the spend factor over them.

    Centre of log lambda, and first and last k with nodes at log lambda = k x step. The nodes reach
    far enough for means of what grows like lambda^(1 + g) too.
    """
    rows = len(m)
    center, total_log = np.empty(rows), np.empty(rows)
    ends = np.empty((2, rows), np.int64)
    for i in range(rows):
        center[i] = np.log(shape / age[i])
        t_0 = t - np.log(m[i]) + g * (center[i] + np.log(per_mean))
        start = summit(shape, A, q, t_0, g) if A > 0 else 0.0
        middle = int(np.round((center[i] + start) / step))
        top = highest = -np.inf
        total = 0.0
        for side in (1, -1):
            k = middle if side > 0 else middle - 1
            while True:
                w = k * step - center[i]
                term = _term(w, shape, A, q, t_0, g)
                if term > top:
                    total = total * np.exp(top - term) + 1.0
                    top = term
                else:
                    total += np.exp(term - top)
                grown = term + max(0.0, (1 + g) * (w - start))
                highest = max(highest, grown)
                if grown < highest - DROP or abs(w - start) > _FARTHEST:
                    break
                k += side
            ends[(side + 1) // 2, i] = k
        total_log[i] = top + np.log(total)
    return center, ends[0], ends[1], total_log


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _averages(
    m: FloatArray,
    center: FloatArray,
    low: AnyArray,
    high: AnyArray,
    first: int,
    table: FloatArray,
    per_mean: float,
    step: float,
    shape: float,
    A: float,
    q: float,
    t: float,
    g: float,
) -> tuple[FloatArray, FloatArray]:
    """Means of the table's values, and of these times (lambda alpha / r)^g, per window and row."""
    windows, rows = len(table), len(m)
    plain, tilted = np.zeros((windows, rows)), np.zeros((windows, rows))
    for i in range(rows):
        u_0 = center[i] + np.log(per_mean)
        t_0 = t - np.log(m[i]) + g * u_0
        terms = np.empty(high[i] - low[i] + 1)
        for j in range(len(terms)):
            w = (first + low[i] + j) * step - center[i]
            terms[j] = _term(w, shape, A, q, t_0, g)
        terms = np.exp(terms - terms.max())
        total = terms.sum()
        for j in range(len(terms)):
            k = low[i] + j
            w = (first + k) * step - center[i]
            part = terms[j] / total
            lifted = part * np.exp(g * (u_0 + w))
            for h in range(windows):
                plain[h, i] += part * table[h, k]
                tilted[h, i] += lifted * table[h, k]
    return plain, tilted

"""Purchases at every k-th event of a gamma-mixed Poisson process, cut short by geometric dropout.

A customer who is `stage` hidden events past the last purchase sees N more of them, N negative
binomial, and so M = floor((stage + N) / k) occasions to buy. At each occasion a customer who is
still there buys, and then leaves with probability p ~ Beta(a, b). Two means over N and p,

    purchases  E[(1 - (1-p)^M) / p]        survival  E[(1-p)^M],

are computed here in one of two ways, neither of which subtracts large numbers: by their sum over N
where that is short, else by quadrature over p.
"""

import numpy as np
from numba import njit

from clvmodels._typing import AnyArray, FloatArray, IntArray
from clvmodels.kernels import chebyshev
from clvmodels.kernels.grouping import distinct_rows
from clvmodels.kernels.special import log_beta_peak, log_rising

__all__ = ["purchases", "survival"]

_SHORT_MEAN, _SHORT_RATIO = 300.0, 30.0  # hidden events up to which the sum is the faster way
_NEARLY_SURE = 0.05  # 1 - p below which few purchases can come
_FEW = 64  # purchases that are "few" then
_FEWER = 16  # coefficients that never grow, of which so many are enough then
_NOTHING = 40.0  # what is smaller by e^-40 is below rounding
_AGREED = 1e-6  # between two grids: the error of the finer one is about the square of this
_HALVINGS = 24
_LOG_ACCURACY = 23.0  # relative errors of interpolated values: 1e-10
_SHORT, _MANY = 1.0, 20  # ratios up to which the sum is too fast, and as many as are too few


def purchases(
    stage: IntArray, shape: FloatArray, ratio: FloatArray, a: FloatArray, b: FloatArray, *, k: int
) -> FloatArray:
    """Expected purchases; N has a Gamma(shape) rate and an exposure of `ratio` to its scale.

    Discounting asks for the same customers at many ages and horizons, which enter in their ratio
    alone. Where many ratios have all else in common, purchases are interpolated between some.
    Small values keep their digits if there are nodes for the growth from them besides.
    """
    size = np.broadcast_shapes(*map(np.shape, (stage, shape, ratio, a, b)))
    stage = np.broadcast_to(stage, size).ravel()
    shape, ratio, a, b = (np.broadcast_to(v, size).ravel() for v in (shape, ratio, a, b))

    def directly(rows: AnyArray, ratio: FloatArray) -> FloatArray:
        some = stage[rows], shape[rows], ratio, a[rows], b[rows]
        return _either_way(*some, k=k, survival=False)

    curves = _curves(np.column_stack([stage, shape, a, b]), ratio)
    alone = np.ones(len(ratio), dtype=bool)
    for rows in curves:
        alone[rows[1:-1]] = False
    out = np.empty(len(ratio))
    out[alone] = directly(alone, ratio[alone])
    if curves:
        at, points = [], [np.log(ratio[rows]) for rows in curves]
        for rows, point in zip(curves, points, strict=True):
            growth = np.log(out[rows[-1]] / out[rows[0]])
            count = chebyshev.how_many(point[-1] - point[0], _LOG_ACCURACY + growth)
            at.append(chebyshev.nodes(point[0], point[-1], count))
        counts = [len(nodes) for nodes in at]
        owner = np.repeat([rows[0] for rows in curves], counts)
        values = np.split(directly(owner, np.exp(np.concatenate(at))), np.cumsum(counts)[:-1])
        for rows, nodes, point, known in zip(curves, at, points, values, strict=True):
            out[rows] = known @ chebyshev.weights(nodes, point)
    return out.reshape(size)


def _curves(others: FloatArray, ratio: FloatArray) -> list[IntArray]:
    """Rows that differ in a long ratio alone, by rising ratio, where they are many."""
    long = np.flatnonzero((ratio > _SHORT) & np.isfinite(ratio))
    keys = np.ascontiguousarray(others[long], dtype=np.float64)
    _, group = distinct_rows(keys.view(np.uint64))
    order, sizes = long[np.lexsort((ratio[long], group))], np.bincount(group)
    ends = np.cumsum(sizes)
    curves = []
    for i in np.flatnonzero(sizes > _MANY):
        rows = order[ends[i] - sizes[i] : ends[i]]
        length = np.log(ratio[rows[-1]] / ratio[rows[0]])
        if len(rows) > 2 + chebyshev.how_many(length, _LOG_ACCURACY):
            curves.append(rows)
    return curves


def survival(
    stage: IntArray, shape: FloatArray, ratio: FloatArray, a: FloatArray, b: FloatArray, *, k: int
) -> FloatArray:
    """Probability of still being there."""
    return np.minimum(_either_way(stage, shape, ratio, a, b, k=k, survival=True), 1.0)


def _either_way(
    stage: IntArray,
    shape: FloatArray,
    ratio: FloatArray,
    a: FloatArray,
    b: FloatArray,
    *,
    k: int,
    survival: bool,
) -> FloatArray:
    size = np.broadcast_shapes(*map(np.shape, (stage, shape, ratio, a, b)))
    args = [np.broadcast_to(v, size).ravel() for v in (shape, ratio, a, b)]
    shape, ratio, a, b = (np.ascontiguousarray(v, dtype=np.float64) for v in args)
    stage = np.broadcast_to(stage, size).ravel().astype(np.int64)
    short = (ratio <= _SHORT_RATIO) & (shape * ratio <= _SHORT_MEAN)
    short &= np.isfinite(a) & np.isfinite(b)  # NaN would never end a sum
    out = np.empty(len(short))
    expected, alive = _sums(k, *(v[short] for v in (stage, shape, ratio, a, b)))
    out[short] = alive if survival else expected
    far = ~short
    if far.any():
        out[far] = _by_quadrature(k, stage[far], shape[far], ratio[far], a[far], b[far], survival)
    return out.reshape(size)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _sums(
    k: int, stage: IntArray, shape: FloatArray, ratio: FloatArray, a: FloatArray, b: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Both means, as sums of positive terms over N = n."""
    expected, alive = np.zeros(len(stage)), np.zeros(len(stage))
    for i in range(len(stage)):
        success = ratio[i] / (1 + ratio[i])
        mass = np.exp(-shape[i] * np.log1p(ratio[i]))  # P(N = n)
        stays, made = 1.0, 0.0  # after m occasions: P(still there), expected purchases
        m, until, n = 0, k - stage[i], 0
        while True:
            expected[i] += mass * made
            alive[i] += mass * stays
            growth = (shape[i] + n) / (n + 1) * success
            n += 1
            mass *= growth
            until -= 1
            if until == 0:
                made += stays
                stays *= (b[i] + m) / (a[i] + b[i] + m)
                m += 1
                until = k
            left = min(1 - growth, 1 / (1 + ratio[i]))  # growth never exceeds 1 - left again
            if left > 0 and mass * (made + 1 / left) <= 1e-13 * left * expected[i]:
                break
    return expected, alive


def _by_quadrature(
    k: int,
    stage: IntArray,
    shape: FloatArray,
    ratio: FloatArray,
    a: FloatArray,
    b: FloatArray,
    survival: bool,
) -> FloatArray:
    """Integral over p of f(p), the mean given p, against Beta(p; a, b).

    The trapezoidal rule on logit p. What would make the tails long is first taken out in closed
    form: f is like f(0) (1-p)^m near p = 0 and like f(1) p near p = 1. Neither exceeds the chance
    of survival, which may be tiny and yet loses no digits.
    """
    occasions, none, some = _ends(k, stage, shape, ratio)
    if survival:
        at_0, at_1, m = np.ones(len(a)), none, np.maximum(1.0, occasions)
    else:
        at_0, at_1, m = occasions, some, np.maximum(1.0, (shape + 1) * ratio / (2 * k))
    taken_out = at_0 * np.exp(log_rising(b, a) - log_rising(b + m, a)) + at_1 * a / (a + b)
    log_peak = log_beta_peak(a, b)
    rest: FloatArray = _trapezoid(
        k, stage, shape, ratio, a, b, log_peak, at_0, at_1, m, some, taken_out, survival
    )
    value: FloatArray = taken_out + rest
    return value


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _ends(
    k: int, stage: IntArray, shape: FloatArray, ratio: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """E[M], P(M = 0) and P(M > 0); E[M] by roots of unity, as in `_given_p`."""
    mean, none, some = shape * ratio, np.empty(len(shape)), np.empty(len(shape))
    for i in range(len(shape)):
        log_mass = -shape[i] * np.log1p(ratio[i])
        none[i], some[i] = np.exp(log_mass), -np.expm1(log_mass)
        for n in range(1, k - stage[i]):
            log_mass += np.log((shape[i] + n - 1) / n * ratio[i] / (1 + ratio[i]))
            none[i] += np.exp(log_mass)
            some[i] -= np.exp(log_mass)
        for j in range(1, k):
            root = np.exp(2j * np.pi * j / k)
            idle = np.exp(-shape[i] * np.log(1 + ratio[i] * (1 - root)))
            mean[i] += (root ** (stage[i] + 1) / (1 - root) * (1 - idle)).real
    return mean / k, none, some


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _trapezoid(
    k: int,
    stage: IntArray,
    shape: FloatArray,
    ratio: FloatArray,
    a: FloatArray,
    b: FloatArray,
    log_peak: FloatArray,
    at_0: FloatArray,
    at_1: FloatArray,
    m: FloatArray,
    some: FloatArray,
    taken_out: FloatArray,
    survival: bool,
) -> FloatArray:
    """Remainder of `_by_quadrature`, on a grid that is refined until nothing changes any more."""
    out = np.empty(len(shape))
    few = np.empty(_FEW if survival else _FEWER)
    roots = np.exp(2j * np.pi * np.arange(1, k // 2 + 1) / k)
    for i in range(len(shape)):
        turned = roots ** (stage[i] + 1)
        row = (shape[i], ratio[i], a[i], b[i], log_peak[i], at_0[i], at_1[i], m[i])
        _fill(few, k, stage[i], shape[i], ratio[i], some[i], survival)
        start = np.log((a[i] + 1) / (b[i] + 1))
        if survival:
            start = _likeliest(k, shape[i], ratio[i], a[i], b[i])
        start -= np.log(a[i] / b[i])
        spread = np.sqrt(1 / (a[i] + 1) + 1 / (b[i] + 1))
        step = min(0.6, spread)
        # the first grid finds how far to go to the left and to the right of the start
        total, _ = _term(start, k, stage[i], row, roots, turned, few, survival)
        reach = np.zeros(2, np.int64)
        for side in range(2):
            n, going = 0, True
            while going:
                n += 1
                u = start + (n if side else -n) * step
                term, bound = _term(u, k, stage[i], row, roots, turned, few, survival)
                total += term
                enough = 1e-13 * (abs(total) + taken_out[i] / step)
                going = n * step <= 3 * spread or bound > enough
            reach[side] = n
        before = total * step
        for _ in range(_HALVINGS):
            for n in range(-reach[0], reach[1]):
                u = start + (n + 0.5) * step
                total += _term(u, k, stage[i], row, roots, turned, few, survival)[0]
            step, reach = step / 2, 2 * reach
            out[i] = total * step
            if not abs(out[i] - before) > _AGREED * (abs(out[i]) + taken_out[i]):
                break  # negated, so that NaN ends it too
            before = out[i]
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _term(
    u: float,
    k: int,
    stage: int,
    row: tuple[float, ...],
    roots: AnyArray,
    turned: AnyArray,
    few: FloatArray,
    survival: bool,
) -> tuple[float, float]:
    """Integrand at a distance u of logit p from the peak of p^a (1-p)^b, and a bound on it."""
    shape, ratio, a, b, log_peak, at_0, at_1, m = row
    odds = a / b * np.exp(u)
    p, q, log_q = odds / (1 + odds), 1 / (1 + odds), -np.log1p(odds)
    # near the peak of a narrow density the difference of logs would lose its digits
    fall = np.log1p(a / (a + b) * np.expm1(u)) if abs(u) < 1 else -np.log1p(a / b) - log_q
    weight = np.exp(log_peak + a * u - (a + b) * fall)
    f = _given_p(k, stage, shape, ratio, p, q, log_q, roots, turned, few, survival)
    term = weight * (f - at_0 * np.exp(m * log_q) - at_1 * p)
    return term, weight * min(f, at_0 * q, at_0 * p * (m + 1))


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _given_p(
    k: int,
    stage: int,
    shape: float,
    ratio: float,
    p: float,
    q: float,
    log_q: float,
    roots: AnyArray,
    turned: AnyArray,
    few: FloatArray,
    survival: bool,
) -> float:
    """Either mean, given p = 1 - q.

    With z_l the k-th roots of q, the sum over l of z_l^(n + 1) / (1 - z_l) picks the powers of q:
    it is k q / p times q^floor(n / k), and the mean of z^N is (1 + ratio (1 - z))^-shape. `roots`
    are those of unity in the upper half plane, `turned` their powers of stage + 1.
    """
    if q < _NEARLY_SURE:
        quickly: float = _from_few(few, q)
        if quickly >= 0:
            return quickly
    s, away = q, p  # away = 1 - s
    if k == 2:
        s = np.sqrt(q)
        away = p / (1 + s)
    elif k > 2:
        s, away = np.exp(log_q / k), -np.expm1(log_q / k)
    log_idle = -shape * np.log1p(ratio * away)
    total = (np.exp(log_idle) if survival else -np.expm1(log_idle)) / away
    nothing = (log_idle if survival else 0.0) - _NOTHING
    for j in range(len(roots)):
        real, imaginary = away + s * (1 - roots[j].real), -s * roots[j].imag  # of 1 - z
        idle = 0j
        if log_idle > nothing:  # which idle is no larger than
            base = 1 + ratio * real
            size = -0.5 * shape * np.log(base**2 + (ratio * imaginary) ** 2)
            angle = -shape * np.arctan2(ratio * imaginary, base) if size > nothing else 0.0
            idle = np.exp(size) * complex(np.cos(angle), np.sin(angle))
        term = (turned[j] / complex(real, imaginary) * (idle if survival else 1 - idle)).real
        total += term if 2 * (j + 1) == k else 2 * term  # roots come in conjugate pairs
    for _ in range(k - 1 - stage):
        total /= s
    value: float = total / k * (p if survival else 1.0)
    return value


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _fill(
    few: FloatArray, k: int, stage: int, shape: float, ratio: float, some: float, survival: bool
) -> None:
    """Coefficients of q^0, q^1, ... in the mean given p: P(M = m), or P(M > m)."""
    log_mass, n = -shape * np.log1p(ratio), 0
    more = some
    for m in range(len(few)):
        mass = 0.0
        while n < (m + 1) * k - stage:
            mass += np.exp(log_mass)
            log_mass += np.log((shape + n) / (n + 1) * ratio / (1 + ratio))
            n += 1
        if m > 0:
            more = max(0.0, more - mass)
        few[m] = mass if survival else more


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _from_few(few: FloatArray, q: float) -> float:
    """Sum of few[m] q^m; -1 where that needs more terms."""
    total, power, last = 0.0, 1.0, np.inf
    for m in range(len(few)):
        term: float = few[m] * power
        total += term
        if term < last and term < 1e-17 * total:
            return total
        power, last = power * q, term
    return -1.0


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _likeliest(k: int, shape: float, ratio: float, a: float, b: float) -> float:
    """Logit p at which p^a (1-p)^b times the chance of survival is greatest, about."""
    low, high = -700.0, 700.0
    for _ in range(60):
        v = 0.5 * (low + high)
        p, q, log_q = 1 / (1 + np.exp(-v)), 1 / (1 + np.exp(v)), -np.log1p(np.exp(v))
        s, away = np.exp(log_q / k), -np.expm1(log_q / k)
        rises = a * q - b * p > shape * ratio * s * p / k / (1 + ratio * away)
        low, high = (v, high) if rises else (low, v)
    return v

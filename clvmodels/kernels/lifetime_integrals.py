"""Integrals over the age of dropout behind `lifetime`, one customer at a time, compiled.

In the notation of `lifetime`, with S(u) = (c / (c + h(u)))^s, h(u) = (e^(b u) - 1) / b, n = r + x.
Integrals are taken in panels on log(scale + u), where powers of alpha + u and of c + u are
exponentials and the nearest singularity lies pi away. A panel is at most _LONGEST long, and its
integrand falls by at most e^-_STEEPEST; `_nodes` Gauss-Legendre nodes are then good to 1e-11.
"""

import numpy as np
from numba import njit, vectorize

from clvmodels._typing import FloatArray

__all__ = [
    "each_row",
    "lifetime_of",
    "log_odds_gone",
    "log_survival",
    "pmf",
    "restarted",
    "sum_rows",
    "time_alive",
]

_LONGEST = 3.0
_STEEPEST = 25.0
_OUT_OF_SIGHT = 5.0  # log distance from which on a singularity strains no panel
_NEGLIGIBLE = 40.0  # what comes after e^-40 is below rounding
_MOST = 25
_NOTHING = -760.0  # log of what is 0 to a float


def _table() -> tuple[FloatArray, FloatArray]:
    """Nodes and weights on (0, 1) of the Gauss-Legendre rules: row k has those with k nodes."""
    nodes, weights = np.zeros((_MOST + 1, _MOST)), np.zeros((_MOST + 1, _MOST))
    for k in range(1, _MOST + 1):
        x, w = np.polynomial.legendre.leggauss(k)
        nodes[k, :k], weights[k, :k] = (x + 1) / 2, w / 2
    return nodes, weights


_NODES, _WEIGHTS = _table()


@njit(cache=True, nogil=True, error_model="numpy", inline="always")  # type: ignore[untyped-decorator]
def _log1p(z: float) -> float:
    return float(np.log(1 + z) if z > 0.5 else np.log1p(z))  # log1p costs twice as much


@njit(cache=True, nogil=True, error_model="numpy", inline="always")  # type: ignore[untyped-decorator]
def _expm1(z: float) -> float:
    return float(np.exp(z) - 1 if z > 0.5 else np.expm1(z))


@njit(cache=True, nogil=True, error_model="numpy", inline="always")  # type: ignore[untyped-decorator]
def _nodes(length: float, fall: float) -> int:
    """Gauss-Legendre nodes for a panel with singularities pi away, found by trial."""
    return int(min(4 + np.sqrt(5 * fall + 3.5 * length**2), _MOST))


@njit(cache=True, nogil=True, error_model="numpy", inline="always")  # type: ignore[untyped-decorator]
def _grown(u: float, b: float) -> tuple[float, float]:
    """e^(-b u) and e^(-b u) h(u); 1 and u without acceleration."""
    z = b * u
    if z == 0:
        return 1.0, u
    if z < 0.5:
        lost = -np.expm1(-z)
        return 1 - lost, lost / b
    left = np.exp(-z)
    return left, (1 - left) / b


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _log_growth(u: float, c: float, b: float) -> float:
    """Log of (c + h(u)) / c, minus the log of survival per unit of s."""
    left, gained = _grown(u, b)
    rest = gained * (1 / c - b)
    return float(b * u + (np.log(left + gained / c) if rest < -0.5 else _log1p(rest)))


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _panel_scale(a: float, c: float, b: float) -> float:
    """Scale of u for which no singularity comes near log(scale + u), if that can be had."""
    if b == 0:
        return min(a, c)
    beta = b * c
    return a if beta >= 1 else float(min(a, -np.log1p(-beta) / b))


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _fall(u: float, n: float, s: float, a: float, c: float, b: float) -> float:
    """Minus the log of (1 + u / a)^-n times the density of lifetimes at u over that at 0."""
    return float(n * _log1p(u / a) + (s + 1) * _log_growth(u, c, b) - b * u)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _panel(
    y: float,
    end: float,
    fallen: float,
    fall_end: float,
    n: float,
    s: float,
    a: float,
    c: float,
    b: float,
    scale: float,
) -> tuple[float, float, int]:
    """Length, fall and nodes of the panel from y = log(1 + u / scale) on, `fallen` before."""
    length, fall = end - y, fall_end - fallen
    longest, ahead, off = _LONGEST, 0.0, np.pi
    turns = b * scale * np.exp(y + _OUT_OF_SIGHT) > np.pi  # whether the hazard turns in sight
    if turns:
        beta = b * c
        # nearest root of beta + e^(b u) - 1, around which the hazard turns
        shift = 1 + np.log(abs(beta - 1)) / b / scale
        height = (np.pi if beta > 1 else 2 * np.pi) / b / scale
        ahead, off = 0.5 * np.log(shift**2 + height**2) - y, np.arctan2(height, shift)
        near = np.sqrt(ahead**2 + off**2)
        longest = min(longest, 0.7 * near if ahead > 0 else 1.5 * near)
    if length > longest:
        length = longest
        fall = _fall(scale * _expm1(y + length), n, s, a, c, b) - fallen
    while fall > _STEEPEST:
        length *= max(_STEEPEST / fall, 0.02)  # enough at once where the fall is convex in y
        fall = _fall(scale * _expm1(y + length), n, s, a, c, b) - fallen
    strain = length
    if turns:
        way = (np.sqrt(ahead**2 + off**2) + np.sqrt((ahead - length) ** 2 + off**2)) / length
        strain = max(length, 2 * np.pi / np.sqrt(way**2 - 1))
    bends = abs(fall)
    if b * c > 1:
        bends += 8.0
        mode = np.log((b * c - 1) / s) / b  # of the density of lifetimes: panels meet there
        top = np.log1p(max(mode, 0.0) / scale)
        if y + 1e-6 < top < y + length - 1e-6:
            length = top - y
            fall = _fall(mode, n, s, a, c, b) - fallen
            bends = abs(fall) + 8.0
        elif top <= y + 1e-6:
            bends += 16.0
    return length, fall, _nodes(strain, bends)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _odds(n: float, t_x: float, T: float, alpha: float, s: float, c: float, b: float) -> float:
    """Log of P(gone at T) / P(alive at T), with n = r + x."""
    span = T - t_x
    if not span > 0:
        return -np.inf
    left, gained = _grown(t_x, b)
    a, c_x = alpha + t_x, c * left + gained
    per_a, per_c = 1 / a, 1 / c_x
    log_a, log_c = _log1p(span * per_a), _log_growth(span, c_x, b)
    fall_end = n * log_a + (s + 1) * log_c - b * span
    scale = _panel_scale(a, c_x, b)
    end = _log1p(span / scale)
    total, y, fallen = 0.0, 0.0, 0.0
    while y < end and fallen - y < _NEGLIGIBLE:
        length, fall, k = _panel(y, end, fallen, fall_end, n, s, a, c_x, b, scale)
        part = 0.0
        for i in range(k):
            v = y + length * _NODES[k, i]
            u = scale * _expm1(v)
            exponent = v - n * (v if scale == a else _log1p(u * per_a))
            if b == 0:
                exponent -= (s + 1) * (v if scale == c_x else _log1p(u * per_c))
            else:
                left, gained = _grown(u, b)
                exponent -= s * b * u + (s + 1) * np.log(left + gained * per_c)
            part += _WEIGHTS[k, i] * np.exp(exponent)
        total += length * part
        y += length
        fallen += fall
    return float(np.log(s * per_c * scale * total) + s * log_c + n * log_a)


@vectorize(cache=True)  # type: ignore[untyped-decorator]
def log_odds_gone(
    n: float, t_x: float, T: float, alpha: float, s: float, c: float, b: float
) -> float:
    return float(_odds(n, t_x, T, alpha, s, c, b))


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _row(
    x: float,
    t_x: float,
    T: float,
    r: float,
    alpha: float,
    s: float,
    c: float,
    b: float,
    grad: FloatArray,
    hess: FloatArray,
) -> float:
    """Log-likelihood of a customer less log Gamma(r+x) / Gamma(r), with derivatives in logs.

    Fills `grad` and the lower triangle of `hess`, in the order (r, alpha, s, c, b), without b if
    there are four. The row is the log-likelihood of a
    customer alive at T plus log(1 + e^D), D the log odds of being gone. Derivatives of D are
    moments under the integrand's own weight; what is averaged is measured from t_x, where most of
    the weight is, so that nothing large cancels.
    """
    p = len(grad)
    n, age = r + x, alpha + T
    left, gained = _grown(T, b)
    c_T = c * left + gained
    idle = -r * _log1p(T / alpha)
    lasting = -s * _log_growth(T, c, b)
    q_T, C_T, B_T = alpha / age, c * left / c_T, (T - gained) / c_T
    of_b_T = b * T * T / c_T - B_T - B_T**2
    grad[0], grad[1], grad[2], grad[3] = idle, (r * T - x * alpha) / age, lasting, s * gained / c_T
    hess[0, 0], hess[1, 0], hess[1, 1] = idle, r * T / age, -n * q_T * T / age
    hess[2, 0] = hess[2, 1] = hess[3, 0] = hess[3, 1] = 0.0
    hess[2, 2], hess[3, 2], hess[3, 3] = lasting, grad[3], -s * C_T * gained / c_T
    if p == 5:
        grad[4] = -s * B_T
        hess[4, 0] = hess[4, 1] = 0.0
        hess[4, 2], hess[4, 3], hess[4, 4] = -s * B_T, s * C_T * B_T, -s * of_b_T
    value = idle - x * np.log(age) + lasting
    span = T - t_x
    if not span > 0:
        return float(value)

    left, gained = _grown(t_x, b)
    a, c_x = alpha + t_x, c * left + gained
    per_a, per_c = 1 / a, 1 / c_x
    q_x, C_x, B_x = alpha * per_a, c * left * per_c, (t_x - gained) * per_c
    turned = 1 + B_x - b * t_x
    end_a, end_c = _log1p(span * per_a), _log_growth(span, c_x, b)
    fall_end = n * end_a + (s + 1) * end_c - b * span
    scale = _panel_scale(a, c_x, b)
    end = _log1p(span / scale)
    # sums under the weight, of the deviations and of their products; in registers, not arrays
    total = m0 = m1 = m2 = m3 = m4 = m_B = m_CB = m_bb = 0.0
    s00 = s10 = s11 = s20 = s21 = s22 = s30 = s31 = s32 = s33 = 0.0
    s40 = s41 = s42 = s43 = s44 = 0.0
    y, fallen = 0.0, 0.0
    while y < end and fallen - y < _NEGLIGIBLE:
        length, fall, k = _panel(y, end, fallen, fall_end, n, s, a, c_x, b, scale)
        for i in range(k):
            v = y + length * _NODES[k, i]
            u = scale * _expm1(v)
            log_a = v if scale == a else _log1p(u * per_a)
            if b == 0:
                log_c = v if scale == c_x else _log1p(u * per_c)
                per, w, log_ratio = 1 / (c_x + u), u, log_c
            else:
                left, w = _grown(u, b)
                ratio = left + w * per_c
                per, log_ratio = per_c / ratio, np.log(ratio)
                log_c = b * u + log_ratio
            weight = length * _WEIGHTS[k, i] * np.exp(v - n * log_a - s * log_c - log_ratio)
            total += weight
            d_q, d_C = q_x * u / (a + u), C_x * w * per
            w_r, w_q, w_s, w_C = weight * log_a, weight * d_q, weight * log_c, weight * d_C
            m0 += w_r
            m1 += w_q
            m2 += w_s
            m3 += w_C
            s00 += w_r * log_a
            s10 += w_r * d_q
            s11 += w_q * d_q
            s20 += w_s * log_a
            s21 += w_s * d_q
            s22 += w_s * log_c
            s30 += w_C * log_a
            s31 += w_C * d_q
            s32 += w_C * log_c
            s33 += w_C * d_C
            if p == 5:
                z, d_B = b * (t_x + u), (u - w * turned) * per
                B = B_x + d_B
                d_b = b * u - (s + 1) * d_B
                w_b = weight * d_b
                m4 += w_b
                s40 += w_b * log_a
                s41 += w_b * d_q
                s42 += w_b * log_c
                s43 += w_b * d_C
                s44 += w_b * d_b
                m_B += weight * d_B
                m_CB += weight * (C_x - d_C) * B
                m_bb += weight * ((s + 1) * (z * (t_x + u) * per - B - B**2) - z)
        y += length
        fallen += fall
    odds = np.log(s * per_c * scale * total) + s * end_c + n * end_a
    e = np.exp(-abs(odds))
    gone = (1.0 if odds > 0 else e) / (1 + e)
    both = e / (1 + e) ** 2

    # derivatives of the log integrand: first, then second
    per = 1 / total
    m0, m1, m2, m3 = m0 * per, m1 * per, m2 * per, m3 * per
    square_q, square_C = s11 * per, s33 * per
    d_q, d_C = q_T * span * per_a, C_x - C_T
    slope_0, slope_1 = r * (end_a - m0), n * (m1 - d_q)
    slope_2, slope_3 = 1 + s * (end_c - m2), (s + 1) * m3 - s * d_C - C_x
    curve_10 = r * (m1 - d_q)
    curve_11 = n * (d_q * (q_x + q_T - 1) + m1 * (1 - 2 * q_x) + square_q)
    curve_32 = s * (m3 - d_C)
    curve_33 = s * d_C * (C_x + C_T - 1) - C_x * (1 - C_x)
    curve_33 += (s + 1) * (m3 * (1 - 2 * C_x) + square_C)
    k1 = s + 1
    grad[0] += gone * slope_0
    grad[1] += gone * slope_1
    grad[2] += gone * slope_2
    grad[3] += gone * slope_3
    hess[0, 0] += gone * (slope_0 + r * r * (s00 * per - m0 * m0)) + both * slope_0**2
    hess[1, 0] += gone * (curve_10 - r * n * (s10 * per - m0 * m1)) + both * slope_0 * slope_1
    hess[1, 1] += gone * (curve_11 + n * n * (square_q - m1 * m1)) + both * slope_1**2
    hess[2, 0] += gone * r * s * (s20 * per - m0 * m2) + both * slope_0 * slope_2
    hess[2, 1] += both * slope_1 * slope_2 - gone * n * s * (s21 * per - m1 * m2)
    hess[2, 2] += gone * (slope_2 - 1 + s * s * (s22 * per - m2 * m2)) + both * slope_2**2
    hess[3, 0] += both * slope_0 * slope_3 - gone * r * k1 * (s30 * per - m0 * m3)
    hess[3, 1] += gone * n * k1 * (s31 * per - m1 * m3) + both * slope_1 * slope_3
    hess[3, 2] += gone * (curve_32 - s * k1 * (s32 * per - m2 * m3)) + both * slope_2 * slope_3
    hess[3, 3] += gone * (curve_33 + k1 * k1 * (square_C - m3 * m3)) + both * slope_3**2
    if p == 5:
        m4 *= per
        slope_4 = m4 + s * (B_T - B_x) - B_x + b * t_x
        curve_42 = s * (B_T - B_x - m_B * per)
        curve_43 = k1 * m_CB * per - s * C_T * B_T
        curve_44 = s * of_b_T - m_bb * per
        grad[4] += gone * slope_4
        hess[4, 0] += both * slope_0 * slope_4 - gone * r * (s40 * per - m0 * m4)
        hess[4, 1] += gone * n * (s41 * per - m1 * m4) + both * slope_1 * slope_4
        hess[4, 2] += gone * (curve_42 - s * (s42 * per - m2 * m4)) + both * slope_2 * slope_4
        hess[4, 3] += gone * (curve_43 + k1 * (s43 * per - m3 * m4)) + both * slope_3 * slope_4
        hess[4, 4] += gone * (curve_44 + s44 * per - m4 * m4) + both * slope_4**2
    return float(value + max(odds, 0.0) + _log1p(e))


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def sum_rows(
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    weight: FloatArray,
    r: float,
    alpha: float,
    s: float,
    c: float,
    b: float,
    p: int,
) -> tuple[float, FloatArray, FloatArray]:
    """Weighted sum of `_row`."""
    f, grad, hess = 0.0, np.zeros(p), np.zeros((p, p))
    g, h = np.empty(p), np.zeros((p, p))
    for i in range(len(x)):
        w = weight[i]
        f += w * _row(x[i], t_x[i], T[i], r, alpha, s, c, b, g, h)
        for j in range(p):
            grad[j] += w * g[j]
            for k in range(j + 1):
                hess[j, k] += w * h[j, k]
    for j in range(p):
        for k in range(j):
            hess[k, j] = hess[j, k]
    return f, grad, hess


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def each_row(
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    params: FloatArray,
    p: int,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """`_row` with parameters of its own for each row, those of the rate's shape complete."""
    rows = len(x)
    ll, grad, hess = np.empty(rows), np.empty((rows, p)), np.zeros((rows, p, p))
    for i in range(rows):
        r, alpha, s, c, b = params[i]
        h = hess[i]
        ll[i] = _row(x[i], t_x[i], T[i], r, alpha, s, c, b, grad[i], h)
        first = second = 0.0
        for k in range(int(x[i])):  # of log r (r + 1) ... (r + x - 1)
            share = r / (r + k)
            first += share
            second += share * (1 - share)
        grad[i, 0] += first
        h[0, 0] += second
        for j in range(p):
            for k in range(j):
                h[k, j] = h[j, k]
    return ll, grad, hess


@vectorize(cache=True)  # type: ignore[untyped-decorator]
def restarted(t: float, c: float, b: float) -> float:
    """The c(t) of those alive at age t."""
    left, gained = _grown(t, b)
    return float(c * left + gained)


@vectorize(cache=True)  # type: ignore[untyped-decorator]
def log_survival(t: float, s: float, c: float, b: float) -> float:
    """Log of S(t)."""
    return float(-s * _log_growth(t, c, b))


@vectorize(cache=True)  # type: ignore[untyped-decorator]
def time_alive(t: float, s: float, c: float, b: float) -> float:
    """Mean time alive within t: integral of S from 0 to t."""
    if b * t == 0:
        # c ((1 + t/c)^(1-s) - 1) / (1 - s), in a form that is smooth in s at 1
        log_age = np.log1p(t / c)
        z = (1 - s) * log_age
        return float(c * log_age * (np.expm1(z) / z if z != 0 else 1.0))
    scale = _panel_scale(t, c, b)
    end = np.log1p(t / scale)
    fall_end = _fall(t, 0.0, s, t, c, b)
    total, y, fallen = 0.0, 0.0, 0.0
    while y < end and fallen - y < _NEGLIGIBLE:
        length, fall, k = _panel(y, end, fallen, fall_end, 0.0, s, t, c, b, scale)
        part = 0.0
        for i in range(k):
            v = y + length * _NODES[k, i]
            part += _WEIGHTS[k, i] * np.exp(v - s * _log_growth(scale * _expm1(v), c, b))
        total += length * part
        y += length
        fallen += fall
    return float(scale * total)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _end_of_lives(t: float, s: float, c: float, b: float) -> float:
    """Age within t from which on the density of lifetimes, times the age, is below any float."""
    high = t
    if np.log(high * s / c) - _fall(high, 0.0, s, 1.0, c, b) > _NOTHING:
        return t
    low = min(t, c / (s + 1))
    while high > 1.01 * low:
        middle = np.sqrt(low) * np.sqrt(high)
        if np.log(middle * s / c) - _fall(middle, 0.0, s, 1.0, c, b) > _NOTHING:
            low = middle
        else:
            high = middle
    return float(high)


@vectorize(cache=True)  # type: ignore[untyped-decorator]
def pmf(
    k: float, n: float, a: float, t: float, s: float, c: float, b: float, log_choose: float
) -> float:
    """P(k purchases within t) of a Gamma(n, a) rate and a lifetime that begins now.

    Panels on log u, from t down to where u^k leaves nothing; those that hold nothing are skipped.
    """
    if t == 0:
        return 1.0 if k == 0 else 0.0
    span = _log1p(t / a)
    stays = log_choose - n * span - s * _log_growth(t, c, b)
    if k == 0:
        return float(np.exp(stays) + np.exp(stays + _odds(n, 0.0, t, a, s, c, b)))
    stays += k * (np.log(t / a) - span)
    total = np.exp(stays)
    constant = log_choose - k * np.log(a) + np.log(s / c)
    bottom = min(np.log(t), np.log(a / (n + k)), np.log(c / (s + 1))) - _NEGLIGIBLE / (k + 1)
    beta = b * c
    centre = np.log(beta - 1) / b if beta > 1 else 0.0
    last = _end_of_lives(t, s, c, b)
    y, top = np.log(last), constant + (k + 1) * np.log(last) - _fall(last, n + k, s, a, c, b)
    while y > bottom:
        length = min(2.0, y - bottom)
        if beta > 1:
            ahead = y - 0.5 * np.log(centre**2 + (np.pi / b) ** 2)
            near = np.sqrt(ahead**2 + np.arctan2(np.pi / b, centre) ** 2)
            length = min(length, 0.7 * near if ahead > 0 else 1.5 * near)
        length = min(length, _STEEPEST / (k + 1))
        u_top, u = np.exp(y), np.exp(y - length)
        grown = (n + k) * (_log1p(u_top / a) - _log1p(u / a))
        grown += (s + 1) * (_log_growth(u_top, c, b) - _log_growth(u, c, b))
        if grown > _STEEPEST:
            length *= _STEEPEST / grown
            u = np.exp(y - length)
        low = constant + (k + 1) * (y - length) - _fall(u, n + k, s, a, c, b)
        enough = max(np.log(total) - _NEGLIGIBLE, -745.0) if total > 0 else -745.0
        if max(top, low) + _STEEPEST > enough:
            for i in range(_MOST):
                v = y - length * _NODES[_MOST, i]
                u = np.exp(v)
                height = constant + (k + 1) * v - _fall(u, n + k, s, a, c, b)
                total += length * _WEIGHTS[_MOST, i] * np.exp(height)
        y -= length
        top = low
    return float(total)


@vectorize(cache=True)  # type: ignore[untyped-decorator]
def lifetime_of(e: float, c: float, b: float) -> float:
    """Age u at which log((c + h(u)) / c) = e."""
    if b == 0:
        return float(c * np.expm1(min(e, 600.0)))  # longer than any window
    return float(np.log1p(b * c * np.expm1(e)) / b if e < 600 else (np.log(b * c) + e) / b)

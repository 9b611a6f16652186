"""Beta-discrete-Weibull (Fader, Hardie, Liu, Davin and Steenburgh 2018).

S(t | theta) = (1 - theta)^(t^c) with theta ~ Beta(alpha, beta), so that
S(t) = B(alpha, beta + t^c) / B(alpha, beta). With c = 1 it is the shifted-beta-geometric.
"""

import numpy as np

from clvmodels._typing import FloatArray
from clvmodels.kernels.retention import log_beta_ratio

_LARGEST = 230.0  # log of a power t^c from which survival falls as t^(-alpha c) to all digits
_STEP = 0.25  # of the trapezoid rule on log x: 1e-14
_LOW, _FAR = 1e-16, 40.0


def log_kept(
    t0: FloatArray, t: FloatArray, *, alpha: FloatArray, beta: FloatArray, c: FloatArray
) -> FloatArray:
    """Log of S(t) / S(t0)."""
    start, gap, further = _powers(t0, t, c)
    return -log_beta_ratio(alpha, beta + start, gap) - alpha * further


def power_tail(*, alpha: FloatArray, beta: FloatArray, c: FloatArray) -> tuple[FloatArray, float]:
    """Survival falls as t^(-alpha c), from the time (as a log) when t^c exceeds alpha + beta."""
    return np.asarray(alpha * c, dtype=np.float64), float(np.max((np.log(alpha + beta) + 37.0) / c))


def nll_grad_hess(
    theta: FloatArray, kept: FloatArray, lost: FloatArray
) -> tuple[float, FloatArray, FloatArray]:
    """Negative log-likelihood at theta = (alpha, beta, c), its gradient and its exact Hessian.

    `kept` and `lost` are those of `retention.renewals`.
    """
    seen = np.flatnonzero(kept + lost)
    n = np.asarray(seen + 1, dtype=np.float64)
    alpha, beta, c = theta
    drop, first, second = drops(n, alpha, beta, c)
    leave = -np.expm1(-drop)
    nll = kept[seen] @ drop - lost[seen] @ np.log(leave)
    slope = kept[seen] - lost[seen] * np.exp(-drop) / leave
    bend = lost[seen] * np.exp(-drop) / leave**2
    gradient = slope @ first
    hessian = np.einsum("n,nij->ij", slope, second) + np.einsum("n,ni,nj->ij", bend, first, first)
    return float(nll), gradient, hessian


def drops(
    n: FloatArray, alpha: float, beta: float, c: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """By how much log S falls at the n-th renewal, with derivatives in (alpha, beta, c).

    The drop is an integral of positive terms (Frullani's, for a second difference of log-gammas),

        integral e^(-beta x) (1 - e^(-alpha x)) (e^(-u x) - e^(-w x)) / (x (1 - e^-x)) dx

    over x > 0, with u = (n-1)^c and w = n^c. So are its derivatives in alpha and beta: nothing
    cancels where alpha and beta run off together. The trapezoid rule on log x does them all.
    """
    u, gap, further = (p[:, None] for p in _powers(n - 1, n, np.asarray(c, dtype=np.float64)))
    w = u + gap
    y_low = np.log(_LOW / (alpha + beta + w))
    size = int(np.ceil((np.log(_FAR / (beta + u)) - y_low).max() / _STEP))
    x = np.exp(y_low + _STEP * np.arange(size))
    base = _STEP * np.exp(-(beta + u) * x) / -np.expm1(-x)  # times x from dy, over x
    stay, leave = np.exp(-alpha * x), -np.expm1(-alpha * x)
    fall, after = -np.expm1(-gap * x), np.exp(-gap * x)

    log_u, log_w = np.log(np.maximum(n - 1, 1.0))[:, None], np.log(n)[:, None]
    capped_u, capped_w = c * log_u > _LARGEST, c * log_w > _LARGEST
    du, dw = np.where(capped_u, 0.0, u * log_u), np.where(capped_w, 0.0, w * log_w)
    # first and second derivative in c of e^(-u x) - e^(-w x), over e^(-u x)
    turn = x * (dw * after - du)
    turn2 = x * ((log_w * dw - x * dw**2) * after - (log_u * du - x * du**2))

    def integral(*factors: FloatArray) -> FloatArray:
        out: FloatArray = np.prod(factors, axis=0).sum(axis=1)
        return out

    stretch = (log_w * capped_w - log_u * capped_u)[:, 0]  # of what comes after the cap
    drop = integral(base, leave, fall) + alpha * further[:, 0]
    by_alpha = integral(base, x * stay, fall) + further[:, 0]
    by_beta = -integral(base, x * leave, fall)
    by_c = integral(base, leave, turn) + alpha * stretch
    alpha2 = -integral(base, x * x * stay, fall)
    beta2 = integral(base, x * x * leave, fall)
    alpha_c = integral(base, x * stay, turn) + stretch
    beta_c = -integral(base, x * leave, turn)
    c2 = integral(base, leave, turn2)
    first = np.stack([by_alpha, by_beta, by_c], axis=-1)
    second = np.stack(
        [
            np.stack([alpha2, alpha2, alpha_c], axis=-1),
            np.stack([alpha2, beta2, beta_c], axis=-1),
            np.stack([alpha_c, beta_c, c2], axis=-1),
        ],
        axis=-2,
    )
    return drop, first, second


def _powers(
    t0: FloatArray, t: FloatArray, c: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """t0^c, t^c - t0^c, and the growth of the log of the power beyond a cap on it."""
    log_0 = c * np.log(np.where(t0 > 0, t0, 1.0))
    log_1 = c * np.log(np.where(t > 0, t, 1.0))
    start = np.where(t0 > 0, np.exp(np.minimum(log_0, _LARGEST)), 0.0)
    ratio = c * np.log1p((t - t0) / np.where(t0 > 0, t0, 1.0))
    ratio = np.where(log_1 > _LARGEST, np.maximum(_LARGEST - log_0, 0.0), ratio)
    grown = start * np.expm1(np.where(t0 > 0, ratio, 0.0))
    whole = np.where(t > 0, np.exp(np.minimum(log_1, _LARGEST)), 0.0)
    further = np.maximum(log_1 - _LARGEST, 0.0) - np.maximum(log_0 - _LARGEST, 0.0)
    return start, np.where(t0 > 0, grown, whole), further

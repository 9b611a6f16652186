"""Shifted-beta-geometric (Fader and Hardie 2007): geometric lifetimes, theta ~ Beta(alpha, beta).

S(t) = B(alpha, beta + t) / B(alpha, beta), and a share (beta + t - 1) / (alpha + beta + t - 1)
is kept at the t-th renewal.
"""

import numpy as np

from clvmodels._typing import FloatArray
from clvmodels.kernels.retention import log_beta_ratio


def log_kept(t0: FloatArray, t: FloatArray, *, alpha: FloatArray, beta: FloatArray) -> FloatArray:
    """Log of S(t) / S(t0)."""
    return -log_beta_ratio(alpha, beta + t0, t - t0)


def power_tail(*, alpha: FloatArray, beta: FloatArray) -> tuple[FloatArray, float]:
    """Survival falls as t^-alpha, from the time (as a log) when t exceeds alpha + beta by far."""
    return np.asarray(alpha, dtype=np.float64), float(np.log(np.max(alpha + beta)) + 37.0)


def nll_grad_hess(
    theta: FloatArray, kept: FloatArray, lost: FloatArray
) -> tuple[float, FloatArray, FloatArray]:
    """Negative log-likelihood at theta = (alpha, beta), its gradient and its exact Hessian.

    `kept` and `lost` are those of `retention.renewals`.
    """
    alpha, beta = theta
    rest = beta + np.arange(len(kept))
    both, faced = alpha + rest, kept + lost
    nll = kept @ np.log1p(alpha / rest) + lost @ np.log1p(rest / alpha)
    # kept alpha - lost rest, what the share kept exceeds the model's by
    excess = (kept * alpha - lost * rest) / both
    gradient = np.array([(excess / alpha).sum(), -(excess / rest).sum()])
    cross = -(faced / both**2).sum()
    own = (lost / alpha**2).sum(), (kept / rest**2).sum()
    hessian = np.array([[cross + own[0], cross], [cross, cross + own[1]]])
    return float(nll), gradient, hessian

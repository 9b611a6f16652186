"""Geometric lifetimes: every customer leaves at every renewal with the same probability theta."""

import numpy as np

from clvmodels._typing import FloatArray

_LARGEST = 1 - 2.0**-53  # stands for 1, whose log of survival has no value


def log_kept(t0: FloatArray, t: FloatArray, *, theta: FloatArray) -> FloatArray:
    """Log of S(t) / S(t0) = (1 - theta)^(t - t0)."""
    return (t - t0) * np.log1p(-np.minimum(theta, _LARGEST))


def power_tail(*, theta: FloatArray) -> tuple[FloatArray, float]:
    """Survival falls faster than any power of time; e^53 periods are beyond any lifetime."""
    return np.full(np.shape(theta), np.inf), 53.0


def nll_grad_hess(
    odds: FloatArray, kept: FloatArray, lost: FloatArray
) -> tuple[float, FloatArray, FloatArray]:
    """Negative log-likelihood at the odds of leaving, theta / (1 - theta), and its derivatives.

    `kept` and `lost` are those of `retention.renewals`.
    """
    (x,) = odds
    gone, all_ = float(lost.sum()), float((kept + lost).sum())
    nll = all_ * np.log1p(x) - gone * np.log(x)
    gradient = all_ / (1 + x) - gone / x
    hessian = gone / x**2 - all_ / (1 + x) ** 2
    return float(nll), np.array([gradient]), np.array([[hessian]])

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
    theta: FloatArray, kept: FloatArray, lost: FloatArray
) -> tuple[float, FloatArray, FloatArray]:
    """Negative log-likelihood and its derivatives.

    `kept` and `lost` are those of `retention.renewals`.
    """
    churn = min(float(theta[0]), _LARGEST)
    gone, made = float(lost.sum()), float(kept.sum())
    nll = -made * np.log1p(-churn) - gone * np.log(churn)
    gradient = made / (1 - churn) - gone / churn
    hessian = made / (1 - churn) ** 2 + gone / churn**2
    return float(nll), np.array([gradient]), np.array([[hessian]])

"""Pareto/NBD (Schmittlein, Morrison and Colombo 1987): `lifetime` with c = beta and b = 0."""

import numpy as np

from clvmodels._typing import FloatArray
from clvmodels.kernels import lifetime
from clvmodels.kernels.lifetime import tail_counts

__all__ = [
    "bend",
    "loglik",
    "nll_grad_hess",
    "pmf_if_alive",
    "prob_alive",
    "purchases_if_alive",
    "row_derivatives",
    "simulate",
    "survival_if_alive",
    "tail_counts",
]

_NONE = np.zeros(())  # acceleration of dropout


def loglik(
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    s: FloatArray,
    beta: FloatArray,
) -> FloatArray:
    """Log-likelihood per customer: Fader and Hardie (2005), note 009, eq. 18."""
    return lifetime.loglik(x, t_x, T, r=r, alpha=alpha, s=s, c=beta, b=_NONE)


def nll_grad_hess(
    theta: FloatArray,
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    weight: FloatArray,
    tail: FloatArray,
) -> tuple[float, FloatArray, FloatArray]:
    """Negative log-likelihood at theta = (r, alpha, s, beta), its gradient and its exact Hessian.

    `tail` is ``tail_counts(x, weight)``.
    """
    value, grad, hess = lifetime.nll_grad_hess(theta, x, t_x, T, weight, tail)
    return value, grad / theta, (hess - np.diag(grad)) / np.outer(theta, theta)


def row_derivatives(
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    s: FloatArray,
    beta: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Log-likelihood per customer, its gradient and Hessian in the logs of the parameters."""
    return lifetime.row_derivatives(x, t_x, T, r=r, alpha=alpha, s=s, c=beta)


def prob_alive(
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    s: FloatArray,
    beta: FloatArray,
) -> FloatArray:
    """P(alive at T | x, t_x, T)."""
    return lifetime.prob_alive(x, t_x, T, r=r, alpha=alpha, s=s, c=beta, b=_NONE)


def survival_if_alive(
    x: FloatArray,
    T: FloatArray,
    t: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    s: FloatArray,
    beta: FloatArray,
) -> FloatArray:
    """P(alive at T + t | alive at T), ((beta + T) / (beta + T + t))^s."""
    return lifetime.survival_if_alive(x, T, t, r=r, alpha=alpha, s=s, c=beta, b=_NONE)


def purchases_if_alive(
    x: FloatArray,
    T: FloatArray,
    t: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    s: FloatArray,
    beta: FloatArray,
) -> FloatArray:
    """E[Y(t) | alive at T]: note 009, eq. 41, without P(alive)."""
    return lifetime.purchases_if_alive(x, T, t, r=r, alpha=alpha, s=s, c=beta, b=_NONE)


def bend(
    x: FloatArray,
    T: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    s: FloatArray,
    beta: FloatArray,
) -> FloatArray:
    """Time t on which `purchases_if_alive` bends: it is smooth in log(1 + t / bend)."""
    return lifetime.bend(x, T, r=r, alpha=alpha, s=s, c=beta, b=_NONE)


def pmf_if_alive(
    n: FloatArray,
    x: FloatArray,
    T: FloatArray,
    t: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    s: FloatArray,
    beta: FloatArray,
) -> FloatArray:
    """P(Y(t) = n | alive at T)."""
    return lifetime.pmf_if_alive(n, x, T, t, r=r, alpha=alpha, s=s, c=beta, b=_NONE)


def simulate(
    x: FloatArray,
    T: FloatArray,
    t: FloatArray,
    rng: np.random.Generator,
    *,
    r: FloatArray,
    alpha: FloatArray,
    s: FloatArray,
    beta: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Purchases in (T, T+t] of customers alive at T, and the time of the last one after T."""
    return lifetime.simulate(x, T, t, rng, r=r, alpha=alpha, s=s, c=beta, b=_NONE)

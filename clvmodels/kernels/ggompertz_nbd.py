"""GGompertz/NBD (Bemmaor and Glady 2012): `lifetime` with c = beta / b.

The mean of the Gompertz hazard at age u is s b e^(b u) / beta over new customers. As b falls to 0
with c = beta / b fixed the model becomes the Pareto/NBD with c as its beta.
"""

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


def loglik(
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    b: FloatArray,
    s: FloatArray,
    beta: FloatArray,
) -> FloatArray:
    """Log-likelihood per customer: Bemmaor and Glady (2012)."""
    return lifetime.loglik(x, t_x, T, r=r, alpha=alpha, s=s, c=beta / b, b=b)


# logs of lifetime's (r, alpha, s, c, b) from those of (r, alpha, b, s, beta)
_LOGS = np.array(
    [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 1, 0], [0, 0, -1, 0, 1], [0, 0, 1, 0, 0]],
    dtype=np.float64,
)


def nll_grad_hess(
    theta: FloatArray,
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    weight: FloatArray,
    tail: FloatArray,
) -> tuple[float, FloatArray, FloatArray]:
    """Negative log-likelihood at theta = (r, alpha, b, s, beta), its gradient and exact Hessian.

    `tail` is ``tail_counts(x, weight)``.
    """
    r, alpha, b, s, beta = theta
    inner = np.array([r, alpha, s, beta / b, b])
    value, grad, hess = lifetime.nll_grad_hess(inner, x, t_x, T, weight, tail)
    grad, hess = grad @ _LOGS, _LOGS.T @ hess @ _LOGS
    return value, grad / theta, (hess - np.diag(grad)) / np.outer(theta, theta)


def row_derivatives(
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    b: FloatArray,
    s: FloatArray,
    beta: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Log-likelihood per customer, its gradient and Hessian in the logs of the parameters."""
    value, grad, hess = lifetime.row_derivatives(
        x, t_x, T, r=r, alpha=alpha, s=s, c=np.asarray(beta) / b, b=b
    )
    return value, grad @ _LOGS, _LOGS.T @ hess @ _LOGS


def prob_alive(
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    b: FloatArray,
    s: FloatArray,
    beta: FloatArray,
) -> FloatArray:
    """P(alive at T | x, t_x, T)."""
    return lifetime.prob_alive(x, t_x, T, r=r, alpha=alpha, s=s, c=beta / b, b=b)


def survival_if_alive(
    x: FloatArray,
    T: FloatArray,
    t: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    b: FloatArray,
    s: FloatArray,
    beta: FloatArray,
) -> FloatArray:
    """P(alive at T + t | alive at T)."""
    return lifetime.survival_if_alive(x, T, t, r=r, alpha=alpha, s=s, c=beta / b, b=b)


def purchases_if_alive(
    x: FloatArray,
    T: FloatArray,
    t: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    b: FloatArray,
    s: FloatArray,
    beta: FloatArray,
) -> FloatArray:
    """E[Y(t) | alive at T], by quadrature of the survival function."""
    return lifetime.purchases_if_alive(x, T, t, r=r, alpha=alpha, s=s, c=beta / b, b=b)


def bend(
    x: FloatArray,
    T: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    b: FloatArray,
    s: FloatArray,
    beta: FloatArray,
) -> FloatArray:
    """Time t on which `purchases_if_alive` bends: it is smooth in log(1 + t / bend)."""
    return lifetime.bend(x, T, r=r, alpha=alpha, s=s, c=beta / b, b=b)


def pmf_if_alive(
    n: FloatArray,
    x: FloatArray,
    T: FloatArray,
    t: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    b: FloatArray,
    s: FloatArray,
    beta: FloatArray,
) -> FloatArray:
    """P(Y(t) = n | alive at T)."""
    return lifetime.pmf_if_alive(n, x, T, t, r=r, alpha=alpha, s=s, c=beta / b, b=b)


def simulate(
    x: FloatArray,
    T: FloatArray,
    t: FloatArray,
    rng: np.random.Generator,
    *,
    r: FloatArray,
    alpha: FloatArray,
    b: FloatArray,
    s: FloatArray,
    beta: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Purchases in (T, T+t] of customers alive at T, and the time of the last one after T."""
    return lifetime.simulate(x, T, t, rng, r=r, alpha=alpha, s=s, c=beta / b, b=b)

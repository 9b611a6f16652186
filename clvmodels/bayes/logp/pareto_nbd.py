"""Pareto/NBD (Schmittlein, Morrison and Colombo 1987), with its integral by a fixed rule.

With n = r + x, A = alpha + t_x, C = beta + t_x the odds of being gone at T are

    s / C (1 + L/A)^n (1 + L/C)^s  x  integral over u in (0, L) of (1 + u/A)^-n (1 + u/C)^-(s+1),

L = T - t_x. On y = log(1 + u / min(A, C)) one power is an exponential and the other has no
singularity nearer than pi; where the integrand has fallen by e^-_FALL the rest is left out. That
makes _NODES Gauss-Legendre nodes good to 1e-10, with no 2F1 and no difference of any.
"""

import numpy as np

from clvmodels.bayes.logp import nbd
from clvmodels.bayes.logp.parts import Tensor, alive_or_gone

_NODES = 24
_FALL = 28.0
_LONGEST = 600.0  # log of a ratio that no data reach, and whose exponential is a float


def logp(
    x: Tensor,
    t_x: Tensor,
    T: Tensor,
    *,
    r: Tensor,
    alpha: Tensor,
    s: Tensor,
    beta: Tensor,
) -> Tensor:
    """Fader and Hardie (2005), note 009, eq. 18, as alive x (1 + odds of being gone)."""
    import pytensor.tensor as pt

    alive = nbd.logp(x, t_x, T, r=r, alpha=alpha) - s * pt.log1p(T / beta)
    possible = t_x < T
    length = pt.switch(possible, T - t_x, 1.0)
    n, A, C = r + x, alpha + t_x, beta + t_x
    u, weight = _rule(n, s, A, C, length)
    n_, s_, A_, C_ = (pt.shape_padright(pt.as_tensor(v)) for v in (n, s, A, C))
    fall = n_ * pt.log1p(u / A_) + (s_ + 1) * pt.log1p(u / C_)
    integral = pt.sum(weight * pt.exp(-fall), axis=-1)
    odds = pt.log(s / C * integral) + n * pt.log1p(length / A) + s * pt.log1p(length / C)
    return alive_or_gone(alive, odds, possible)


def _rule(n: Tensor, s: Tensor, A: Tensor, C: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
    """Ages u and their weights, of shape (rows, nodes).

    Where the nodes lie matters to nobody, so no gradient flows through them: that of the integral
    is the integral of the integrand's.
    """
    import pytensor.tensor as pt
    from pytensor.gradient import disconnected_grad

    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    n, s, A, C = (disconnected_grad(pt.as_tensor(v)) for v in (n, s, A, C))
    ends = [
        scale * pt.expm1(pt.minimum(_FALL / pt.maximum(power, 1e-9), _LONGEST))
        for scale, power in ((A, n - 1), (C, s))
    ]
    scale = pt.minimum(A, C)
    top = pt.log1p(pt.minimum(length, pt.minimum(*ends)) / scale)
    scale, top = pt.shape_padright(scale), pt.shape_padright(top)
    u = scale * pt.expm1(top * (nodes + 1) / 2)
    return u, (scale + u) * top * weights / 2

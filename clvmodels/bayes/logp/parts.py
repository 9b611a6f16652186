"""What the likelihoods share."""

from typing import Any, TypeAlias

Tensor: TypeAlias = Any
"""A PyTensor variable, or what becomes one: an array, a number."""


def log_rising(z: Tensor, n: Tensor) -> Tensor:
    """Log of Gamma(z + n) / Gamma(z)."""
    import pytensor.tensor as pt

    return pt.gammaln(z + n) - pt.gammaln(z)


def alive_or_gone(alive: Tensor, odds: Tensor, possible: Tensor) -> Tensor:
    """Log of L(alive) + L(gone), from log L(alive) and the log odds of being gone.

    `possible` says where anyone could have left; `odds` must be finite elsewhere too. Softplus has
    a finite gradient however unlikely both branches are, unlike the log of a sum.
    """
    import pytensor.tensor as pt

    return alive + pt.switch(possible, pt.softplus(odds), 0.0)

"""MBG/CNBD-k (Platzer and Reutterer 2016; Reutterer, Platzer and Schroeder 2021).

Bound to `cnbd` with d = 1: dropout can follow the first purchase too.
"""

from types import SimpleNamespace

from clvmodels.kernels import cnbd as family


def bound(k: int) -> SimpleNamespace:
    """The functions of this model for one k."""
    return family.bound(k, d=1)

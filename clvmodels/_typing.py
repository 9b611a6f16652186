"""Aliases shared by every folder."""

from collections.abc import Mapping
from types import ModuleType, SimpleNamespace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
AnyArray: TypeAlias = NDArray[Any]
Params: TypeAlias = Mapping[str, FloatArray]
"""Parameter values by name: arrays of shape (draws, 1), or (draws, customers)."""
Kernel: TypeAlias = ModuleType | SimpleNamespace
"""A model's functions: a module of `clvmodels.kernels`, or what binds a choice to one."""

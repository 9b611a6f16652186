"""Where a posterior lies and how well its draws show it."""

from collections.abc import Mapping
from typing import Any

import arviz as az
import numpy as np


def reached(chains: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Means and sd of parameters of shape (chains, draws, groups), of the first group.

    The smallest bulk ESS and the largest r-hat are those of all groups.
    """
    each = [group for draws in chains.values() for group in np.moveaxis(draws, 2, 0)]
    return {
        "means": {name: float(draws[..., 0].mean()) for name, draws in chains.items()},
        "sds": {name: float(draws[..., 0].std()) for name, draws in chains.items()},
        "ess": min(float(az.ess(group, method="bulk")) for group in each),
        "rhat": max(float(az.rhat(group)) for group in each),
    }

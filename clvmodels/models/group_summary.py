"""What groups are like, and how far each leans on the others."""

from typing import TYPE_CHECKING

import numpy as np

from clvmodels.exceptions import FitError
from clvmodels.inference.estimate import Estimate
from clvmodels.inference.groups import CENTRE, Groups
from clvmodels.inference.traits import Block, TraitMap
from clvmodels.models.fitted import probabilities

if TYPE_CHECKING:
    import pandas as pd


def group_summary(
    estimate: Estimate, groups: Groups | None, blocks: tuple[Block, ...], level: float
) -> "pd.DataFrame":
    """See `FittedModel.group_summary`.

    Shrinkage is a share of the way from ``alone`` to the population; where that way is shorter than
    one posterior sd of the group, on the scale of the priors, the share says nothing: NaN.
    """
    import pandas as pd

    if groups is None:
        raise FitError(
            f"This fit ({estimate.method}) has no groups. Fit with MCMC(groups='segment'), by a "
            "column of the data."
        )
    tails, traits = probabilities(level), TraitMap(blocks, estimate.scales)
    logs = np.log(np.stack([estimate.point[name] for name in traits.parameters], axis=-1))
    eta = traits.forward(logs)  # (draws, columns, traits)
    own, typical = eta[:, 1 : 1 + len(groups)], eta[:, CENTRE].mean(axis=0)
    if estimate.posterior is None:
        alone = np.full(own.shape[1:], np.nan)
    else:
        alone = estimate.posterior.alone
    head = dict(zip(groups.columns, zip(*groups.labels, strict=True), strict=True))
    parts = []
    for k, trait in enumerate(traits.traits):
        values = trait.value(own[:, :, k])
        lo, hi = np.quantile(values, tails, axis=0)
        way = typical[k] - alone[:, k]
        shrinkage = np.full(len(groups), np.nan)
        gone, far = own[:, :, k].mean(axis=0) - alone[:, k], np.abs(way) >= own[:, :, k].std(axis=0)
        np.divide(gone, way, out=shrinkage, where=far & (way != 0))
        parts.append(
            pd.DataFrame(
                {
                    **head,
                    "customers": groups.customers,
                    "trait": trait.name,
                    "estimate": values.mean(axis=0),
                    "sd": values.std(axis=0),
                    "lo": lo,
                    "hi": hi,
                    "alone": trait.value(alone[:, k]),
                    "population": float(trait.value(eta[:, CENTRE, k]).mean()),
                    "shrinkage": shrinkage,
                    "meaning": trait.meaning,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)

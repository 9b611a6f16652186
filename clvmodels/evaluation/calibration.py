"""Predicted against observed, group by group: where a method is wrong, not only by how much."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from clvmodels._typing import FloatArray
from clvmodels.evaluation.bands import (
    knows_its_uncertainty,
    limits,
    nothing_known,
    simulated_counts,
)
from clvmodels.evaluation.conditional import conditional_expectations
from clvmodels.evaluation.holdout import HoldoutComparison
from clvmodels.evaluation.metrics import decile_calibration
from clvmodels.exceptions import ParameterError
from clvmodels.models import averaging
from clvmodels.models.clock import Summary
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.units import Horizon
from clvmodels.value.clv import FittedCLV

if TYPE_CHECKING:
    import pandas as pd

_DECILES: Final = (
    "decile", "customers", "predicted_mean", "actual_mean", "predicted_total", "actual_total",
)  # fmt: skip


def calibration_by_decile(
    comparison: HoldoutComparison, quantity: Literal["value", "purchases"] = "value"
) -> "pd.DataFrame":
    """Predicted and actual value (or purchases) in tenths of the customers, for each method.

    Parameters
    ----------
    comparison : HoldoutComparison
        From `compare_holdout`.
    quantity : {"value", "purchases"}
        What was predicted.

    Returns
    -------
    DataFrame
        method and the columns of `clvmodels.evaluation.metrics.decile_calibration`: decile (1 has
        the method's highest predictions), customers, predicted_mean, actual_mean, predicted_total,
        actual_total.
    """
    if quantity not in ("value", "purchases"):
        raise ParameterError(f"quantity is 'value' or 'purchases', got {quantity!r}.")
    weight = comparison.split.calibration.weight
    frames = {
        str(name): decile_calibration(
            rows[f"actual_{quantity}"], rows[f"predicted_{quantity}"], weight
        )
        for name, rows in comparison.predictions.groupby("method", sort=False)
    }
    return _stack(frames, _DECILES)


def calibration_by_frequency(comparison: HoldoutComparison, last: int = 7) -> "pd.DataFrame":
    """Holdout purchases per customer by number of repeat purchases in calibration.

    The conditional expectations of the papers' figures.

    Parameters
    ----------
    comparison : HoldoutComparison
        From `compare_holdout`.
    last : int
        The last class holds all customers with so many repeat purchases or more.

    Returns
    -------
    DataFrame
        method, frequency ("0", "1", ..., "7+"), customers, predicted_mean, actual_mean, actual_se
        (the standard error of that mean); classes without customers are left out. See
        `conditional_expectations`, which knows further classes.

    References
    ----------
    Fader, Hardie and Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2),
    275-284, figure of the conditional expectations.
    """
    table = conditional_expectations(comparison.split, comparison.predictions, last=last)
    return table.rename(columns={"group": "frequency"})


def no_purchase_calibration(comparison: HoldoutComparison) -> "pd.DataFrame":
    """Probability of no purchase in the holdout against the share who made none, in tenths.

    What a churn score is judged by. Only purchase models give the probability; formulas and
    baselines are left out.

    Parameters
    ----------
    comparison : HoldoutComparison
        From `compare_holdout`.

    Returns
    -------
    DataFrame
        method, decile (1 is least likely to buy), customers, predicted (mean probability of no
        purchase), observed (share without one), lo, hi. If the model is right, the share observed
        lies between lo and hi with probability 90 %: parameters are not known exactly, and who buys
        is chance. Both are NaN where a fit has no uncertainty.
    """
    data, holdout = comparison.split.calibration, comparison.split.holdout
    none = (holdout["purchases"] == 0).to_numpy(np.float64)
    frames = {}
    for name, fit in comparison.models.items():
        if isinstance(fit, FittedCLV):
            chance = fit.purchases.probability_no_purchase(data, comparison.split.horizon)
            tenths = decile_calibration(none, chance, data.weight).rename(
                columns={"predicted_mean": "predicted", "actual_mean": "observed"}
            )
            expected = tenths["predicted_total"].to_numpy()
            ends = _silence_band(fit.purchases, data, comparison.split.horizon, expected)
            size = tenths["customers"].to_numpy()
            low, high = (np.minimum(end / size, 1.0) for end in ends)
            frames[name] = tenths.assign(lo=low, hi=high)
    return _stack(frames, ("decile", "customers", "predicted", "observed", "lo", "hi"))


def _silence_band(
    fit: object, data: Summary, horizon: Horizon, expected: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Ends of the band around how many customers of each tenth buy nothing."""
    if not isinstance(fit, FittedPurchases) or not knows_its_uncertainty(fit.estimate):
        return nothing_known(expected)
    quantities = fit.quantities(data)
    h = quantities.histories(data)
    silent = quantities.pmf(0, fit.clock.length(horizon))
    order = np.argsort(-averaging.mean(silent, fit.estimate.point, h), kind="stable")
    reached = np.cumsum(h.weight[order])
    borders = np.linspace(0, reached[-1], len(expected) + 1)
    begun = np.maximum(borders[:-1, None], reached - h.weight[order])
    members = np.zeros((len(expected), len(h)))
    members[:, order] = np.maximum(np.minimum(borders[1:, None], reached) - begun, 0.0)
    return limits(expected, simulated_counts(fit, {"silent": silent}, h, members)["silent"])


def _stack(frames: "Mapping[str, pd.DataFrame]", columns: Sequence[str]) -> "pd.DataFrame":
    """Frames of several methods under one another, the method in the first column."""
    import pandas as pd

    if not frames:
        return pd.DataFrame(columns=["method", *columns])
    table = pd.concat(frames, names=["method"]).droplevel(1).reset_index()
    return table[["method", *columns]]

"""How many customers bought how often, against how many a model expects."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from clvmodels._typing import FloatArray
from clvmodels.data.histories import Histories
from clvmodels.evaluation.bands import (
    knows_its_uncertainty,
    limits,
    nothing_known,
    simulated_counts,
)
from clvmodels.models import averaging
from clvmodels.models.clock import Summary
from clvmodels.models.fitted_purchases import FittedPurchases

if TYPE_CHECKING:
    import pandas as pd

ACTUAL = "actual"


def frequency_counts(
    fits: Mapping[str, FittedPurchases], data: Summary, top: int = 7
) -> "pd.DataFrame":
    """Customers by number of repeat purchases: counted, and expected by each fit.

    Parameters
    ----------
    fits : mapping of str to FittedPurchases
        Fitted models by the names to show.
    data : RFMSummary or OpportunitySummary
        The customers they were fitted to.
    top : int
        All with at least this many repeat purchases share a class.

    Returns
    -------
    DataFrame
        method ("actual" or a fit's name), purchases (the last counts all from there on),
        customers, lo, hi. Each method's customers add up to those of the summary. If the model is
        right, the number among other customers of these ages lies between lo and hi with
        probability 90 %: parameters are not known exactly, and who buys is chance. Both are NaN
        where a fit has no uncertainty.

    References
    ----------
    Fader, Hardie and Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2),
    275-284, figure 1: expected counts from eq. 8 at each customer's own T.

    Examples
    --------
    >>> import clvmodels as clv
    >>> rfm = clv.datasets.load_cdnow_summary()
    >>> counts = frequency_counts({"BG/NBD": clv.BetaGeoModel().fit(rfm)}, rfm)
    >>> counts[counts.purchases == 0].customers.round().tolist()
    [1411.0, 1408.0]
    """
    import pandas as pd

    classes = np.minimum(data.frequency, top).astype(np.int64)
    counted = np.bincount(classes, data.weights, minlength=top + 1).astype(np.float64)
    columns = {ACTUAL: (counted, *nothing_known(counted))}
    columns |= {name: _expected(fit, data, top) for name, fit in fits.items()}
    parts = [
        pd.DataFrame(
            {
                "method": name,
                "purchases": np.arange(top + 1),
                "customers": customers,
                "lo": low,
                "hi": high,
            }
        )
        for name, (customers, low, high) in columns.items()
    ]
    return pd.concat(parts, ignore_index=True)


def chi_square(counts: "pd.DataFrame", method: str) -> float:
    """Pearson's statistic of a method: 0 for a class where nobody is expected and nobody found.

    Parameters
    ----------
    counts : DataFrame
        From `frequency_counts`.
    method : str
        One of its methods.
    """
    by_method = counts.set_index("method")["customers"]
    observed, expected = (by_method.loc[name].to_numpy() for name in (ACTUAL, method))
    gap = (observed - expected) ** 2
    nobody = np.where(gap > 0, np.inf, 0.0)
    return float(np.divide(gap, expected, out=nobody, where=expected > 0).sum())


def _expected(
    fit: FittedPurchases, data: Summary, top: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Customers of each class, and the ends of the band around them."""
    quantities = fit.quantities(data)
    h = quantities.histories(data)
    zero = np.zeros(len(h))
    ages = Histories.of(zero, zero, h.T, h.weight, h.z if h.z.shape[1] else None)
    evaluates = {str(n): quantities.pmf_by_age(n) for n in range(top)}
    classes = [
        ages.weight @ averaging.mean(evaluate, fit.estimate.point, ages)
        for evaluate in evaluates.values()
    ]
    expected = np.append(classes, max(ages.weight.sum() - sum(classes), 0.0))
    if not knows_its_uncertainty(fit.estimate):
        return expected, *nothing_known(expected)
    drawn = simulated_counts(fit, evaluates, ages, ages.weight[None])
    return expected, *limits(expected, np.hstack([*drawn.values()]))

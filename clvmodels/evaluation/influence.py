"""Customers who move the estimates: the rows of the data that a fit leans on most."""

from typing import TYPE_CHECKING, Final

import numpy as np

from clvmodels._typing import FloatArray, IntArray
from clvmodels.data.summary import RFMSummary
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.models.influence import shifts
from clvmodels.models.spend import FittedSpend

if TYPE_CHECKING:
    import pandas as pd

_SUSPECTS: Final = 200  # histories of each kind to look at: extreme ones move estimates most


def influential_customers(
    fit: FittedPurchases | FittedSpend, data: RFMSummary, most: int = 10
) -> "pd.DataFrame":
    """Customers without whom the estimates would move most.

    Looks at the busiest customers, and of spend also at the highest and lowest mean values. One
    who alone moves the estimates by more than two standard errors deserves a look: a reseller, a
    shared account, an order with a slip of the decimal point.

    Parameters
    ----------
    fit : FittedPurchases or FittedSpend
    data : RFMSummary
        The customers it was fitted to.
    most : int
        How many to list.

    Returns
    -------
    DataFrame
        customer_id, frequency, monetary_value (NaN where there is none), moves: by how many
        standard errors, to first order, the customer moves the estimates; the most first. Of
        several customers with the same history (to 12 digits), the first. Empty where the fit knows
        no standard errors.

    Examples
    --------
    >>> import clvmodels as clv
    >>> rfm = clv.datasets.load_cdnow_summary()
    >>> found = influential_customers(clv.BetaGeoModel().fit(rfm), rfm)
    >>> found[["customer_id", "frequency", "moves"]].head(1).round(2).values.tolist()
    [[1901.0, 21.0, 0.78]]
    """
    import pandas as pd

    columns = ["customer_id", "frequency", "monetary_value", "moves"]
    if fit.estimate.spread is None:
        return pd.DataFrame(columns=columns)
    problem, row_of = fit.likelihood_of(data)
    history = pd.DataFrame({name: _rounded(column) for name, column in problem.data.items()})
    apart = np.flatnonzero(~history.duplicated())
    keys = [-problem.data["x"]]
    if isinstance(fit, FittedSpend):
        keys += [problem.data["m"], -problem.data["m"]]
    suspects = apart[np.unique(np.concatenate([_lowest(key[apart]) for key in keys]))]
    moved = shifts(problem, fit.estimate, suspects)
    order = np.argsort(-moved, kind="stable")[:most]
    known = np.flatnonzero(row_of >= 0)
    _, first = np.unique(row_of[known], return_index=True)  # of each row, as none is empty
    place = known[first][suspects[order]]
    money = data.monetary_value
    return pd.DataFrame(
        {
            "customer_id": data.customer_id[place],
            "frequency": data.frequency[place].astype(np.int64),
            "monetary_value": np.full(len(place), np.nan) if money is None else money[place],
            "moves": moved[order],
        }
    )


def _rounded(values: FloatArray) -> FloatArray:
    """To 40 bits, which is 12 digits: means of the same values in another order are one mean."""
    share, exponent = np.frexp(values)
    rounded: FloatArray = np.ldexp(np.round(np.ldexp(share, 40)), exponent - 40)
    return rounded


def _lowest(key: FloatArray) -> IntArray:
    return np.argsort(key, kind="stable")[:_SUSPECTS]

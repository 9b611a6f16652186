"""When some customers of a log bought: the days (hours) of their purchases."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from clvmodels._typing import AnyArray
from clvmodels.data import expression
from clvmodels.data.audit import count_rows
from clvmodels.data.conventions import Conventions, Moment, ObservationEnd
from clvmodels.data.log import open_log
from clvmodels.data.summary import RFMSummary
from clvmodels.data.transactions import summarize
from clvmodels.exceptions import DataError, rule_broken


class PurchaseDates(NamedTuple):
    """Customers with all of their purchases, the first one included.

    Attributes
    ----------
    summary : RFMSummary
        Of these customers.
    customer : ndarray of shape (purchases,)
        Each purchase's row in the summary; ascending.
    date : ndarray of datetime64 of shape (purchases,)
        Day (hour) of each purchase, ascending for each customer.
    """

    summary: RFMSummary
    customer: AnyArray
    date: AnyArray


def purchase_dates(
    transactions: Any,
    customers: Sequence[Any],
    by: Conventions,
    observation_end: Moment | None = None,
) -> PurchaseDates:
    """Read the purchases of some customers, by the same rules as `rfm_summary`.

    Parameters
    ----------
    transactions : pandas, polars or Arrow table, Ibis table, or path
        The log.
    customers : sequence
        Ids, as they stand in the log.
    by : Conventions
        How to read it.
    observation_end : date, datetime or str, optional
        The last day or instant; of the last purchase of the whole log if not given.

    Raises
    ------
    DataError
        As `rfm_summary`; also if a customer has no purchase.
    """
    import pandas as pd

    wanted = [id.item() if isinstance(id, np.generic) else id for id in customers]
    if not wanted:
        raise DataError("Name at least one customer.")
    with open_log(transactions, by) as log:
        if observation_end is None:
            end = ObservationEnd.after(count_rows(log, None)["last"], by.period)
        else:
            end = ObservationEnd.parse(observation_end, by.period, log.time_zone)
        known = log.rows.customer_id
        if known.type().is_string() != all(isinstance(id, str) for id in wanted):
            raise DataError(
                f"The log's customer ids are of type {known.type()}, those asked for are not: "
                f"{wanted[0]!r}. Give them as they stand in the log."
            )
        some = replace(log, rows=log.rows.filter(known.isin(wanted)))
        bought = expression.purchases(some.rows, by, end)
        found = log.source.fetch_arrays(bought.order_by("customer_id", "period"))
        here = pd.Index(found["customer_id"])
        if missing := [id for id in wanted if id not in here]:
            rule = f"customers must have bought by the end ({end})"
            remedy = "Give ids as they stand in the log, or a later observation_end."
            raise DataError(rule_broken(rule, len(missing), len(wanted), missing, remedy))
        summary = summarize(some, end)
    place = pd.Index(summary.customer_id).get_indexer(here)
    return PurchaseDates(summary, place, found["period"].astype("datetime64[s]"))

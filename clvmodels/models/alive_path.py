"""P(alive) of the same customers as of several dates, as one table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from clvmodels._typing import FloatArray
from clvmodels.exceptions import DataError
from clvmodels.models.clock import Summary

if TYPE_CHECKING:
    import pandas as pd


def alive_path(known: Sequence[tuple[Summary, FloatArray]]) -> "pd.DataFrame":
    """Columns customer_id, date and p_alive, of summaries and the P(alive) of their customers.

    Raises
    ------
    DataError
        If there is no summary, or one does not say as of when it is.
    """
    import pandas as pd

    if not known:
        raise DataError("A path needs summaries, one for each date.")
    rows = []
    for data, alive in known:
        if data.observation_end is None:
            raise DataError(
                "A path needs dates: these summaries have no observation_end. Make them of the "
                "log, each with its own."
            )
        date = pd.Timestamp(data.observation_end)
        rows.append(pd.DataFrame({"customer_id": data.customer_id, "date": date, "p_alive": alive}))
    return pd.concat(rows, ignore_index=True)

"""What became of every row of a transaction log on its way to the summary."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, final

from clvmodels._notebook import listed

if TYPE_CHECKING:
    import pandas as pd


@final
@dataclass(frozen=True)
class DataReport:
    """Counts of the rows read, used, merged and dropped, and the conventions they were read by.

    Every row is accounted for: ``rows_read`` is ``rows_used`` plus the rows dropped (null ids, null
    dates, after the end, missing and zero amounts, refunds), and ``rows_used`` is ``purchases``
    plus what was merged, netted or taken back.

    Attributes
    ----------
    rows_read, rows_used : int
        Rows of the log, and those left once rows were dropped.
    null_ids, null_dates, after_end, missing_amounts, zero_amounts, refunds_dropped : int
        Rows dropped, by the first of these reasons that applies.
    merged : int
        Rows that belong to a purchase already counted in the same period.
    refunds_netted : int
        Refund rows set against purchases.
    purchases_taken_back : int
        Purchases that refunds undid wholly.
    refunds_unmatched : int
        Customers whose refunds exceed what they had bought.
    customers_refunded : int
        Customers with purchases, but with none left after refunds.
    customers, purchases : int
        What the summary counts: purchases include the first of each customer.
    period : str
        "day", "hour" or "opportunity": purchases of one customer within it are one purchase.
    conventions : tuple of str
        How dates, amounts and the end of observation were read, in words.

    Examples
    --------
    >>> print(DataReport(rows_read=3, rows_used=3, merged=1, purchases=2, period="opportunity"))
    3 rows read
    3 rows used
    1 row merged: another purchase of the same customer at the same opportunity
    2 purchases counted, first purchases included
    """

    rows_read: int = 0
    null_ids: int = 0
    null_dates: int = 0
    after_end: int = 0
    missing_amounts: int = 0
    zero_amounts: int = 0
    refunds_dropped: int = 0
    rows_used: int = 0
    merged: int = 0
    refunds_netted: int = 0
    purchases_taken_back: int = 0
    refunds_unmatched: int = 0
    customers_refunded: int = 0
    customers: int = 0
    purchases: int = 0
    period: str = "day"
    conventions: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """One sentence for each count that is not zero, then the conventions."""
        if not self.rows_read:
            return ["No log was read: the summary was given as a table.", *self.conventions]
        same = f"{_AT[self.period]} the same {self.period}"
        told = [
            text.format(_counted(count, noun), same=same)
            for name, (noun, text) in _TEXTS.items()
            if (count := getattr(self, name))
        ]
        return [*told, *self.conventions]

    def to_frame(self) -> "pd.DataFrame":
        """All counts as a DataFrame with the columns item and count."""
        import pandas as pd

        items = [f.name for f in fields(self) if f.type is int]
        return pd.DataFrame({"item": items, "count": [getattr(self, item) for item in items]})

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def _repr_html_(self) -> str:
        return listed(self.lines)


_AT = {"day": "on", "hour": "in", "opportunity": "at"}
_TEXTS = {
    "rows_read": ("row", "{} read"),
    "null_ids": ("row", "{} dropped: no customer id"),
    "null_dates": ("row", "{} dropped: no date"),
    "after_end": ("row", "{} left out: after the end of observation"),
    "missing_amounts": ("row", "{} dropped: no amount"),
    "zero_amounts": ("row", "{} dropped: amount zero"),
    "refunds_dropped": ("row", "{} dropped: a refund"),
    "rows_used": ("row", "{} used"),
    "merged": ("row", "{} merged: another purchase of the same customer {same}"),
    "refunds_netted": ("refund", "{} set against purchases"),
    "purchases_taken_back": ("purchase", "{} wholly taken back by refunds"),
    "refunds_unmatched": ("customer", "{} with refunds beyond what they had bought"),
    "customers_refunded": ("customer", "{} dropped: fully refunded"),
    "customers": ("customer", "{} in the summary"),
    "purchases": ("purchase", "{} counted, first purchases included"),
}


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"

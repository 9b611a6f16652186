"""What became of every row of a transaction log, and its money, on the way to the summary."""

from dataclasses import dataclass, fields
from math import inf, nan
from typing import TYPE_CHECKING, final

from clvmodels._notebook import listed, plain

if TYPE_CHECKING:
    import pandas as pd


@final
@dataclass(frozen=True)
class Amounts:
    """What the amounts of rows add up to, by what became of the rows.

    As with the rows, ``rows_read`` is ``rows_used`` plus the amounts of the rows dropped. Refunds
    are negative. Of rows that are dropped, infinite amounts count for nothing, as missing ones do.

    Attributes
    ----------
    rows_read, null_ids, null_dates, after_end, refunds_dropped, rows_used, refunds_netted : float
        Sums over the rows that `DataReport` counts under these names, to twelve digits of the
        largest: no engine adds up in the same order twice.

    Examples
    --------
    >>> amounts = Amounts(rows_read=200.0, null_ids=50.0, rows_used=150.0)
    >>> amounts.share("null_ids"), Amounts(rows_read=-10.0, null_ids=50.0).share("null_ids")
    (0.25, nan)
    """

    rows_read: float = 0.0
    null_ids: float = 0.0
    null_dates: float = 0.0
    after_end: float = 0.0
    refunds_dropped: float = 0.0
    rows_used: float = 0.0
    refunds_netted: float = 0.0

    def share(self, item: str) -> float:
        """The part that these rows have in the amounts of all rows read.

        All means what is left once every refund of the log is deducted, so that the shares of the
        rows dropped and used add up to one; that of refunds dropped is negative, since the whole
        would be larger without them. NaN where refunds leave nothing, or less than the part: what
        is larger than the whole is no share of it.
        """
        part: float = getattr(self, item)
        if not 0 < self.rows_read < inf or abs(part) > self.rows_read:
            return nan
        return part / self.rows_read


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
    amounts : Amounts or None
        What the amounts of the rows read, dropped, used and netted add up to; None for a log
        without a value column.

    Examples
    --------
    >>> amounts = Amounts(rows_read=200.0, null_ids=50.0, rows_used=150.0)
    >>> print(DataReport(rows_read=4, null_ids=1, rows_used=3, merged=1, amounts=amounts))
    4 rows read
    1 row dropped: no customer id (amounts of 50, 25.0 % of all)
    3 rows used
    1 row merged: another purchase of the same customer on the same day
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
    amounts: Amounts | None = None

    @property
    def lines(self) -> list[str]:
        """One sentence for each count that is not zero, then the conventions.

        Rows dropped tell their money, and its `Amounts.share` of that of all rows read.
        """
        if not self.rows_read:
            return ["No log was read: the summary was given as a table.", *self.conventions]
        same = f"{_AT[self.period]} the same {self.period}"
        told = [
            text.format(_counted(count, noun), same=same) + self._money(name)
            for name, (noun, text) in _TEXTS.items()
            if (count := getattr(self, name))
        ]
        return [*told, *self.conventions]

    def to_frame(self) -> "pd.DataFrame":
        """All counts as a DataFrame with the columns item, count and amount.

        The amount is NaN where there is none: it is known of rows, and not of all of them.
        """
        import pandas as pd

        items = [f.name for f in fields(self) if f.type is int]
        return pd.DataFrame(
            {
                "item": items,
                "count": [getattr(self, item) for item in items],
                "amount": [float(getattr(self.amounts, item, nan)) for item in items],
            }
        )

    def _money(self, item: str) -> str:
        """What dropped rows hold, in brackets."""
        if self.amounts is None or item not in _DROPPED:
            return ""
        amount, share = getattr(self.amounts, item), self.amounts.share(item)
        if not amount or share != share:
            return f" (amounts of {plain(amount)})"
        of_all = f"{100 * share:.1f} %" if abs(share) >= 0.0005 else "below 0.1 %"
        return f" (amounts of {plain(amount)}, {of_all} of all)"

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def _repr_html_(self) -> str:
        return listed(self.lines)


_AT = {"day": "on", "hour": "in", "opportunity": "at"}
_DROPPED = ("null_ids", "null_dates", "after_end", "refunds_dropped")  # zeros hold nothing
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

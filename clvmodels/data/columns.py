"""Columns with one value per customer: how they are kept, and the rules that they must obey."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from clvmodels._typing import AnyArray, FloatArray
from clvmodels.exceptions import DataError, rule_broken

Rule: TypeAlias = tuple[AnyArray, str, str]
"""Where it holds, the rule in words, and what to do where it does not."""

FILL = "Fill or drop those rows."


def read_only(values: AnyArray) -> AnyArray:
    """An array that nobody can change, itself where it is one."""
    # a view may change through the array it looks at; Arrow's memory never changes
    shared = values.flags.writeable or isinstance(values.base, np.ndarray)
    out = values.copy() if shared else values
    out.setflags(write=False)
    return out


def numbers(name: str, values: Any, n: int) -> FloatArray:
    """A column of n numbers, or an error that names it."""
    try:
        out = read_only(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise DataError(f"Column {name!r} must hold numbers: {error}.") from None
    if out.shape != (n,):
        raise DataError(f"Column {name!r} has shape {out.shape}; there are {n:,} customers.")
    return out


def finite_column(ids: AnyArray, columns: Mapping[str, AnyArray], name: str) -> FloatArray:
    """Numbers in a further column, or an error that names it or the rows."""
    if name not in columns:
        have = ", ".join(columns) or "none"
        raise DataError(f"The summary has no column {name!r}; further columns: {have}.")
    values = numbers(name, columns[name], len(ids))
    require(ids, np.isfinite(values), f"{name} must be finite", FILL)
    return values


def require(ids: AnyArray, holds: AnyArray, rule: str, remedy: str) -> None:
    """Raise an error that names customers if a rule does not hold for all."""
    if not holds.all():
        bad = ids[~holds]
        raise DataError(rule_broken(rule, len(bad), len(ids), bad[:5].tolist(), remedy))


def check(
    ids: AnyArray,
    rules: Sequence[Rule],
    columns: Mapping[str, AnyArray],
    builder: str,
) -> None:
    """Check the rules of a summary: those of all summaries first, then its own.

    Parameters
    ----------
    ids : ndarray of shape (customers,)
    rules : sequence of Rule
        Of this kind of summary.
    columns : mapping of str to ndarray
        Further columns.
    builder : str
        The function that makes such a summary of a log.
    """
    import pandas as pd

    if len(ids) == 0:
        raise DataError("The summary has no customers. Check the dates and filters of the log.")
    series = pd.Series(ids)
    one_row = f"Give one row per customer, or build the summary with {builder}."
    for holds, rule, remedy in (
        (series.notna().to_numpy(), "customer_id must not be missing", "Drop or name them."),
        (~series.duplicated().to_numpy(), "customer_id must be unique", one_row),
        *rules,
    ):
        require(ids, holds, rule, remedy)
    for name, values in columns.items():
        if values.shape != (len(ids),):
            raise DataError(
                f"Column {name!r} has shape {values.shape}; there are {len(ids):,} customers."
            )


def optional_rules(
    x: FloatArray, monetary_value: FloatArray | None, weight: FloatArray | None
) -> list[Rule]:
    """Rules for columns that a summary may go without."""
    rules: list[Rule] = []
    if monetary_value is not None:
        known = np.isfinite(monetary_value) | ((x == 0) & ~np.isinf(monetary_value))
        rules.append((known, "monetary_value must be finite where frequency is positive", FILL))
    if weight is not None:
        counts = np.isfinite(weight) & (weight > 0)
        rules.append((counts, "weight must be positive and finite", "Drop rows that count nobody."))
    return rules

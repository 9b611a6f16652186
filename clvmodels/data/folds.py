"""Several splits of one log: what was known at each of some days, and what came after."""

from collections.abc import Iterable
from datetime import timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from clvmodels.data import expression
from clvmodels.data.audit import count_rows
from clvmodels.data.conventions import Conventions, Moment, ObservationEnd
from clvmodels.data.log import Log, open_log
from clvmodels.data.splits import CalibrationHoldoutSplit, UncoveredError, check_cutoff, split_at
from clvmodels.exceptions import DataError, ParameterError
from clvmodels.units import Horizon


class Fold(NamedTuple):
    """One cutoff of a log.

    Attributes
    ----------
    split : CalibrationHoldoutSplit
        What was known at the cutoff, and what customers did after it.
    earlier : CalibrationHoldoutSplit or None
        A split of what was known at the cutoff, for methods that learn from one: its holdout ends
        there, and is as long as that of `split`, or half of what lies before the cutoff if that is
        shorter. None if not asked for, or if there is next to nothing before the cutoff.
    """

    split: CalibrationHoldoutSplit
    earlier: CalibrationHoldoutSplit | None


def rolling_splits(
    transactions: Any,
    by: Conventions,
    cutoffs: Iterable[Moment],
    horizon: Horizon,
    *,
    earlier: bool = False,
) -> list[Fold]:
    """Split a log at each of some cutoffs, the first one first.

    Each split sees the log anew, to the end of its own holdout.

    Raises
    ------
    ParameterError
        If there is no cutoff, or two fall on one day (hour).
    DataError
        If a cutoff lies outside the log, or the log does not cover its holdout.
    """
    asked = [] if isinstance(cutoffs, str) or not isinstance(cutoffs, Iterable) else list(cutoffs)
    if not asked:
        raise ParameterError(f"cutoffs is a list of days, the last ones known; got {cutoffs!r}.")
    with open_log(transactions, by) as log:
        days = [ObservationEnd.parse(cutoff, by.period, log.time_zone) for cutoff in asked]
        days.sort(key=lambda day: day.period)
        twice = {str(b) for a, b in pairwise(days) if a.period == b.period}
        if twice:
            raise ParameterError(
                f"Cutoffs must lie a {by.period} or more apart; given twice: "
                f"{', '.join(sorted(twice))}."
            )
        span = log.source.fetch_row(log.rows.aggregate(**expression.span(log.rows)))
        if span["first"] is None:
            count_rows(log, None)  # says why there is nothing
        folds, broken = [], {}
        for day in days:
            end = day.shift(round(horizon.to(by.period)), by.period)
            try:
                check_cutoff(day, span)
                split = split_at(log, day, end)
                folds.append(Fold(split, _before(log, day, horizon) if earlier else None))
            except UncoveredError as error:
                broken[str(day)] = str(error)
    if broken:
        last = span["last"] - timedelta(days=horizon.to(by.period) * by.period.days)
        remedy = (
            f"choose cutoffs up to {last:%Y-%m-%d}, or a shorter horizon."
            if last > span["first"]
            else "no cutoff is left. Take a shorter horizon."
        )
        told = " ".join(f"{day}: {reason}" for day, reason in list(broken.items())[:3])
        raise DataError(
            f"{len(broken)} of {len(days)} cutoffs cannot be used. {told} The log reaches from "
            f"{span['first']:%Y-%m-%d} to {span['last']:%Y-%m-%d}: with a holdout of "
            f"{horizon}, {remedy}"
        )
    return folds


def _before(log: Log, cutoff: ObservationEnd, horizon: Horizon) -> CalibrationHoldoutSplit | None:
    """A split of what lies before a cutoff."""
    period = log.by.period
    first = count_rows(log, cutoff)["first"]
    known = (cutoff.period - first) // timedelta(days=period.days)
    length = min(round(horizon.to(period)), known // 2)
    if length < 1:
        return None
    try:
        return split_at(log, cutoff.shift(-length, period), cutoff)
    except DataError:  # nobody bought in that time
        return None

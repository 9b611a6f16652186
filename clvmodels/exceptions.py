"""Errors, warnings, and the texts a user may meet in more than one place.

Every class derives from the built-in a caller would expect to catch: bad data and bad units are
``ValueError``s, a fit that cannot be had is a ``RuntimeError``.
"""

from collections.abc import Iterable
from itertools import islice


class ClvError(Exception):
    """Base class of every error that clvmodels raises on purpose."""


class DataError(ClvError, ValueError):
    """The data break a rule: the text gives the rule, the count, the first ids and the remedy."""


class UnitError(ClvError, ValueError):
    """A number came without its unit, or with one that does not fit."""


class ParameterError(ClvError, ValueError):
    """A model parameter or an option lies outside its domain."""


class FitError(ClvError, RuntimeError):
    """The estimates asked for cannot be had from these data."""


class UndefinedMeanError(ClvError, ArithmeticError):
    """The quantity asked for does not exist at these parameters (an infinite mean, say)."""


class ClvWarning(UserWarning):
    """Base class of every warning that clvmodels emits."""


class DataWarning(ClvWarning):
    """The data are usable, but not for everything."""


class FitWarning(ClvWarning):
    """The fit stands, but a part of it should not be relied on."""


def rule_broken(rule: str, count: int, total: int, ids: Iterable[object], remedy: str) -> str:
    """Say what a table of customers did wrong.

    Examples
    --------
    >>> print(rule_broken("recency must not exceed T", 1, 40, ["c7"], "Use one unit for both."))
    recency must not exceed T: broken by 1 of 40 customers, first c7. Use one unit for both.
    """
    shown = ", ".join(str(i) for i in islice(ids, 5))
    return f"{rule}: broken by {count:,} of {total:,} customers, first {shown}. {remedy}"

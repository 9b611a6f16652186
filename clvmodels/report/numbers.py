"""Numbers as people read them: three significant digits, thousands separated, units said."""

import math
import re
from collections.abc import Iterable
from typing import Final

from clvmodels.units import Horizon

MINUS: Final = "\N{MINUS SIGN}"
NONE: Final = "\N{EN DASH}"
NO_BREAK: Final = "\N{NO-BREAK SPACE}"
_TIES: Final = re.compile(rf" (?=%)|(?:(?<=[$£€¥])|(?<=\b[A-Z]{{3}})) (?=[{MINUS}\d])")


def significant(value: float, digits: int = 3, *, zeros: bool = False) -> str:
    """A number to so many significant digits, never in powers of ten unless it is minute.

    Parameters
    ----------
    value : float
    digits : int
    zeros : bool
        Keep zeros at the end of a fraction, as columns of numbers do.

    Examples
    --------
    >>> [significant(v) for v in (1653.42, 0.24259, 12, 1132456, -0.5)]
    ['1,650', '0.243', '12', '1,130,000', '−0.5']
    >>> significant(0.5, zeros=True)
    '0.500'
    """
    if math.isnan(value):
        return NONE
    if math.isinf(value):
        return "infinite" if value > 0 else f"{MINUS}infinite"
    if value == 0:
        return "0"
    if abs(value) < 1e-4:
        return f"{value:.{digits - 1}e}".replace("-", MINUS)
    places = digits - 1 - math.floor(math.log10(abs(value)))
    text = f"{round(abs(value), places):,.{max(places, 0)}f}"
    if "." in text and not zeros:
        text = text.rstrip("0").rstrip(".")
    return f"{MINUS}{text}" if value < 0 else text


def money(value: float, currency: str = "") -> str:
    """An amount to three significant digits, with its currency where one is known.

    Examples
    --------
    >>> money(1132456, "US$"), money(24.6586)
    ('US$ 1,130,000', '24.7')
    """
    text = significant(value)
    return f"{currency} {text}" if currency and text != NONE else text


def tied(text: str) -> str:
    """A text that no line can break between a number and its per cent sign or currency.

    Examples
    --------
    >>> tied("from US$ 5 to 10 %").replace(NO_BREAK, "_")
    'from US$_5 to 10_%'
    """
    return _TIES.sub(NO_BREAK, text)


def in_brackets(currency: str) -> str:
    """A currency behind what it counts, if there is one: " (US$)"."""
    return f" ({currency})" if currency else ""


def count(value: float) -> str:
    """A whole number with its thousands separated."""
    return NONE if math.isnan(value) else f"{value:,.0f}".replace("-", MINUS)


def percent(share: float, digits: int = 2) -> str:
    """A share as a percentage, without a sign of its own unless it is negative.

    Examples
    --------
    >>> percent(0.0400), percent(-0.1234), percent(0.9984), percent(6e-28)
    ('4 %', '−12 %', '99.8 %', 'below 0.01 %')
    """
    if not math.isfinite(share):
        return NONE
    if 0 < share < 1e-4:
        return "below 0.01 %"
    if 0.9 < abs(share) < 1:  # 99.8 % is not 100 %
        digits = max(digits, 3)
    return f"{significant(100 * share, digits)} %"


def duration(horizon: Horizon) -> str:
    """A length of time with no more decimals than one cares for.

    Examples
    --------
    >>> duration(Horizon(272 / 7, "week"))
    '38.9 weeks'
    """
    return str(Horizon(round(horizon.length, 1 if horizon.length >= 10 else 2), horizon.unit))


def signed_percent(share: float) -> str:
    """A deviation as a percentage with one decimal and its sign.

    Examples
    --------
    >>> signed_percent(0.0401), signed_percent(-0.12)
    ('+4.0 %', '−12.0 %')
    """
    return f"{100 * share:+,.1f} %".replace("-", MINUS) if math.isfinite(share) else NONE


def more_or_less(share: float, things: str) -> str:
    """A deviation in words, up to the word before what it is one from.

    Examples
    --------
    >>> [more_or_less(share, "visits") for share in (-0.04, 0.12, 0.001)]
    ['4 % fewer visits than', '12 % more visits than', 'as many visits as']
    """
    if abs(share) < 0.005:
        return f"as many {things} as"
    if math.isinf(share):  # nothing at all to compare with
        return f"more {things} than"
    return f"{percent(abs(share))} {'more' if share > 0 else 'fewer'} {things} than"


def banded(ends: Iterable[float]) -> str:
    """A sentence on what bands cover, where there are any."""
    if all(math.isnan(end) for end in ends):
        return ""
    return (
        " If a model is right, nine in ten counts of other customers like these lie within its "
        "band: parameters are not known exactly, and who buys is chance. Counts that it was fitted "
        "to lie there more often."
    )

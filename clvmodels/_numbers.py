"""Numbers that a user gives."""

from numbers import Integral

from clvmodels.exceptions import ParameterError


def whole_number(name: str, value: object, least: int) -> int:
    """A whole number of at least `least`, or an error that says so."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ParameterError(f"{name} must be a whole number, at least {least}, got {value!r}.")
    return int(value)

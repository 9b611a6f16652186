"""One clear line for whatever goes wrong, and an exit code that says whose fault it was."""

import re
import sys
import warnings
from collections.abc import Sequence
from typing import Any, Final, NoReturn

import typer
from typer.core import TyperGroup

from clvmodels.exceptions import ClvError, ClvWarning, ParameterError, UnitError

USAGE: Final = 2
DATA: Final = 1

_UsageError: Final = typer.BadParameter.__base__  # of click, which typer ships or depends on
# keyword arguments of the functions behind the commands, by the option that sets them
_OPTIONS: Final = {
    "holdout_end": "--observation-end",
    **{
        name: f"--{name.replace('_', '-')}"
        for name in (
            "customer_id", "date", "value", "date_format", "time_zone", "time_unit", "refunds",
            "zero_value", "missing_value", "observation_end", "cutoff", "horizon", "discount",
        )
    },
}  # fmt: skip
_KEYWORD: Final = re.compile(rf"\b({'|'.join(_OPTIONS)})=(?:'([^']*)')?")


class OneLineErrors(TyperGroup):
    """Commands whose errors are told in one line: no traceback, no box."""

    def main(self, args: Sequence[str] | None = None, **settings: Any) -> NoReturn:  # type: ignore[override]
        """Run a command and exit: 0 if all went well, 1 for the data's fault, 2 for the call's."""
        settings["standalone_mode"] = False
        with warnings.catch_warnings():
            warnings.simplefilter("always", ClvWarning)
            warnings.showwarning = _show_warning
            try:
                code = super().main(args, **settings)
            except (UnitError, ParameterError) as error:
                _fail(str(error), USAGE)
            except ClvError as error:
                _fail(str(error), DATA)
            except OSError as error:
                _fail(_reason(error), DATA)
            except typer.Abort:
                _fail("stopped", DATA)
            except _UsageError as error:  # type: ignore[misc]
                _fail(f"{error.format_message()} See --help.", USAGE)
        sys.exit(code if isinstance(code, int) else 0)


def in_option_names(text: str) -> str:
    """A message about keyword arguments, as one about options.

    Examples
    --------
    >>> in_option_names("Give their date_format, such as '%d/%m/%Y', or refunds='drop'.")
    "Give their --date-format, such as '%d/%m/%Y', or --refunds drop."
    """
    text = text.replace("their date_format", "their --date-format")
    text = text.replace("with MCMC()", "with --method mcmc")

    def option(match: re.Match[str]) -> str:
        value = match[2]
        name = _OPTIONS[match[1]]
        if value is None:
            return name
        return f'{name} "{value}"' if " " in value else f"{name} {value}"

    return _KEYWORD.sub(option, text)


def _fail(text: str, code: int) -> NoReturn:
    line = " ".join(in_option_names(text).split())
    sys.stderr.write(f"clvmodels: {line}\n")
    sys.exit(code)


def _reason(error: OSError) -> str:
    if error.strerror is None:
        return str(error)
    return f"{error.strerror}: {error.filename}" if error.filename else error.strerror


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    sys.stderr.write(f"clvmodels: note: {' '.join(in_option_names(str(message)).split())}\n")

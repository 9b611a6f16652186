"""Options that several commands share, and what their texts mean."""

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Protocol, TypeVar, get_type_hints

import typer

from clvmodels.cli.screen import is_watched
from clvmodels.exceptions import ParameterError, UnitError

if TYPE_CHECKING:
    from clvmodels.inference.estimate import Method
    from clvmodels.models.purchases import PurchaseModel
    from clvmodels.models.spend import SpendModel
    from clvmodels.units import DiscountRate, Horizon


class _Titled(Protocol):
    title: ClassVar[str]


_Model = TypeVar("_Model", bound=_Titled)
_LOG: Final = "How the log is read"
_METHODS: Final = {  # and the options that each takes
    "mle": ("strict",),
    "map": ("strict",),
    "laplace": ("draws", "seed", "strict"),
    "mcmc": ("draws", "chains", "groups", "seed", "strict"),
    "bootstrap": ("draws", "seed"),
    "lifetimes": (),
}


Discount = Annotated[str, typer.Option(help="Discount rate; 0.10 is per year as well.")]
Margin = Annotated[str, typer.Option(help="Share of revenue that is profit, 0.30 or 30%.")]
Level = Annotated[float, typer.Option(help="Probability of the intervals.")]
Cutoff = Annotated[
    str | None,
    typer.Option(help="Last day that the methods see.", show_default="middle of the log"),
]
Holdout = Annotated[
    str | None,
    typer.Option(
        "--horizon", help="Length of the holdout, such as '39 weeks'.", show_default="to the end"
    ),
]
Out = Annotated[
    Path | None, typer.Option(help="File to write: .parquet, .csv or .json.", show_default="none")
]


def _reading(text: str) -> Any:
    return typer.Option(help=text, rich_help_panel=_LOG)


@dataclass(frozen=True, kw_only=True)
class LogOptions:
    """Where the log is, and how it is read."""

    path: Annotated[
        str,
        typer.Argument(
            metavar="LOG",
            help="CSV or Parquet file, one row per transaction, or the word cdnow for the "
            "built-in CDNOW log.",
            show_default=False,
        ),
    ]
    customer_id: Annotated[str, _reading("Column of the customer ids.")] = "customer_id"
    date: Annotated[str, _reading("Column of the dates.")] = "date"
    value: Annotated[
        str | None,
        typer.Option(
            help="Column of the amounts.",
            show_default="value, if there is such a column",
            rich_help_panel=_LOG,
        ),
    ] = None
    date_format: Annotated[
        str | None, _reading("How dates are written, such as %m/%d/%Y; ISO dates need nothing.")
    ] = None
    time_zone: Annotated[
        str | None, _reading("On whose clock days begin, such as Europe/Berlin.")
    ] = None
    time_unit: Annotated[
        str | None,
        typer.Option(
            help="Unit of ages: hour, day, week, month, quarter or year.",
            show_default="week; a summary says its own",
            rich_help_panel=_LOG,
        ),
    ] = None
    observation_end: Annotated[
        str | None,
        typer.Option(
            help="Last day to count, such as 1998-06-30.",
            show_default="day of the last purchase",
            rich_help_panel=_LOG,
        ),
    ] = None
    refunds: Annotated[str, _reading("Negative amounts: error, drop, net_same_period or net.")] = (
        "error"
    )
    zero_value: Annotated[str, _reading("Amounts of zero: keep, drop or error.")] = "keep"
    missing_value: Annotated[str, _reading("Rows without an amount: error or drop.")] = "error"


def reads_a_log(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `LogOptions`, in place of its parameter ``log``."""
    shared = get_type_hints(LogOptions, include_extras=True)
    own = inspect.signature(command, eval_str=True).parameters
    parameters = []
    for name, parameter in own.items():
        if name != "log":
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        for field in fields(LogOptions):
            default = inspect.Parameter.empty if field.name == "path" else field.default
            parameters.append(
                inspect.Parameter(
                    field.name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=default,
                    annotation=shared[field.name],
                )
            )

    @wraps(command)
    def with_options(**given: Any) -> None:
        log = LogOptions(**{field.name: given.pop(field.name) for field in fields(LogOptions)})
        command(log=log, **given)

    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {p.name: p.annotation for p in parameters}
    return with_options


_RATE = re.compile(
    r"\s*(?P<number>\d+\.?\d*|\.\d+)\s*(?P<sign>%)?\s*(?:(?:per|an?|/)\s*(?P<unit>[A-Za-z]+))?\s*"
)


def parse_discount(text: str) -> "DiscountRate":
    """A rate such as "10% per year", "0.8% per month" or 0.10, which is per year.

    Raises
    ------
    UnitError
        If the text is no such rate.
    """
    from clvmodels.units import DiscountRate

    match = _RATE.fullmatch(text)
    if match is None or (not match["sign"] and float(match["number"]) >= 1):
        raise UnitError(f"{text!r} is not a discount rate. Write '10% per year' or 0.10.")
    number = float(match["number"]) / (100 if match["sign"] else 1)
    return DiscountRate(number, per=match["unit"] or "year")


def parse_share(text: str) -> float:
    """A margin such as 0.30 or 30%.

    Raises
    ------
    ParameterError
        If the text is no number.
    """
    number = text.removesuffix("%").strip()
    try:
        return float(number) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise ParameterError(
            f"The margin {text!r} is no number: write 0.30 or 30%. A log has no column of margins, "
            "only a summary given to fit can have one."
        ) from None


def parse_margin(text: str) -> float | str:
    """A margin such as 0.30 or 30%, or the name of a column of a summary."""
    try:
        return parse_share(text)
    except ParameterError:
        return text


def parse_horizon(text: str) -> "Horizon | None":
    """A horizon, or None for "lifetime"."""
    from clvmodels.units import Horizon

    return None if text == "lifetime" else Horizon.parse(text)


def parse_model(name: str) -> "PurchaseModel":
    """A purchase model by its slug, such as bg-nbd.

    Raises
    ------
    ParameterError
        If there is none of that name.
    """
    from clvmodels.models.registry import PURCHASE_MODELS

    return _by_slug(name, PURCHASE_MODELS.values())


def parse_contender(name: str) -> str:
    """The title of a purchase model of the league, by its slug.

    Raises
    ------
    ParameterError
        If the league has none of that name.
    """
    from clvmodels.evaluation.entries import LEAGUE_MODELS

    return _by_slug(name, LEAGUE_MODELS).title


def parse_spend(name: str) -> "SpendModel":
    """A spend model by its slug, such as gamma-gamma.

    Raises
    ------
    ParameterError
        If there is none of that name.
    """
    from clvmodels.models.registry import SPEND_MODELS

    return _by_slug(name, SPEND_MODELS.values())


def _by_slug(name: str, models: Iterable[type[_Model]]) -> _Model:
    known = {slug(model.title): model for model in models}
    if name not in known:
        raise ParameterError(f"There is no model {name!r}; there are {', '.join(known)}.")
    return known[name]()


def slug(title: str) -> str:
    """A model's title as an option value: BG/NBD is bg-nbd."""
    return title.lower().replace("/", "-")


def in_the_shell(constructor: str) -> str:
    """A model as Python constructs it, with its option of fit where it has one.

    Examples
    --------
    >>> in_the_shell("ParetoNBDModel()")
    'ParetoNBDModel(), here fit --model pareto-nbd'
    """
    from clvmodels.models.registry import PURCHASE_MODELS

    slugs = {model.__name__: slug(model.title) for model in PURCHASE_MODELS.values()}
    name = constructor.partition("(")[0]
    return f"{constructor}, here fit --model {slugs[name]}" if name in slugs else constructor


def parse_columns(texts: Iterable[str]) -> tuple[str, ...]:
    """Names of columns, each given by itself or several between commas.

    Examples
    --------
    >>> parse_columns(["market,channel", "cohort"])
    ('market', 'channel', 'cohort')
    """
    return tuple(name.strip() for text in texts for name in text.split(",") if name.strip())


def parse_method(
    name: str,
    *,
    draws: int | None = None,
    chains: int | None = None,
    groups: tuple[str, ...] = (),
    seed: int | None = None,
    strict: bool = False,
) -> "Method":
    """A method by its name, with those of its options that are given.

    Raises
    ------
    ParameterError
        If there is none of that name, it has no such option, or a value makes no sense.
    """
    if name not in _METHODS:
        raise ParameterError(f"There is no method {name!r}; there are {', '.join(_METHODS)}.")
    every = {"draws": draws, "chains": chains, "groups": groups, "seed": seed, "strict": strict}
    given = {k: v for k, v in every.items() if not (v is None or v is False or v == ())}
    for option in given:
        if option not in _METHODS[name]:
            takers = " or ".join(m for m, options in _METHODS.items() if option in options)
            raise ParameterError(f"--{option} is for --method {takers}, not {name}.")
    return _construct(name, given)


def _construct(name: str, given: dict[str, Any]) -> "Method":
    from clvmodels.bayes.laplace import Laplace
    from clvmodels.bayes.map import MAP
    from clvmodels.bayes.mcmc import MCMC
    from clvmodels.inference.bootstrap import Bootstrap
    from clvmodels.inference.lifetimes import Lifetimes
    from clvmodels.inference.mle import MLE

    if name == "mcmc":
        return MCMC(**given, progress=is_watched())
    if name == "bootstrap":
        resamples = {"n" if key == "draws" else key: value for key, value in given.items()}
        return Bootstrap(**resamples, progress=is_watched())
    plain: dict[str, Callable[..., Method]] = {
        "mle": MLE, "map": MAP, "laplace": Laplace, "lifetimes": Lifetimes,
    }  # fmt: skip
    return plain[name](**given)

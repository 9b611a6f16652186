"""The command ``backtest``: every method at several days of the past."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from clvmodels.cli import reading, screen
from clvmodels.cli.options import (
    Discount,
    Level,
    LogOptions,
    Margin,
    parse_columns,
    parse_discount,
    parse_share,
    reads_a_log,
    slug,
)
from clvmodels.exceptions import FitError, ParameterError

if TYPE_CHECKING:
    from clvmodels.evaluation.backtest_result import Backtest
    from clvmodels.evaluation.entries import Entry
    from clvmodels.units import DiscountRate

_REGRESSION: Final = "regression"
_KINDS: Final = {  # of methods to compare, by what one types
    "models": "model",
    "bayes": "bayes",
    "lifetimes": "lifetimes",
    "textbook": "textbook",
    "heuristics": "heuristic",
    "baselines": "baseline",
    _REGRESSION: "regression",
}
_QUANTITIES: Final = ("value", "purchases")  # that have a league and a picture
_UNFINISHED: Final = "unfinished"  # folder of what an interrupted backtest has done


@reads_a_log
def backtest(
    log: LogOptions,
    cutoff: Annotated[
        list[str],
        typer.Option(
            help="Last day that the methods see. May be given several times.",
            metavar="DATE",
            show_default="as --cutoffs says",
        ),
    ] = [],  # noqa: B006 - typer makes a list of its own
    cutoffs: Annotated[
        int | None,
        typer.Option(
            help="How many cutoffs, evenly spaced: the last holdout ends with the log, and the "
            "first cutoff has half of what is known at the last one.",
            min=1,
            show_default="4",
        ),
    ] = None,
    horizon: Annotated[
        str | None,
        typer.Option(
            help="Length of every holdout, such as '39 weeks'.",
            show_default="a quarter of the log; with --cutoff, from the last one to its end",
        ),
    ] = None,
    methods: Annotated[
        list[str],
        typer.Option(
            help="What to compare: models, bayes, lifetimes, textbook, heuristics, baselines, "
            "regression (needs scikit-learn), or single models such as bg-nbd, ggompertz-nbd, "
            "bg-cnbd-k. Several between commas.",
            metavar="NAMES",
            show_default="all but regression",
        ),
    ] = [],  # noqa: B006 - typer makes a list of its own
    by: Annotated[
        list[str],
        typer.Option(
            help="Column of the log by whose values metrics are told apart too, such as a segment.",
            metavar="COLUMN",
            show_default="none",
        ),
    ] = [],  # noqa: B006 - typer makes a list of its own
    discount: Discount = "10% per year",
    margin: Margin = "1",
    level: Level = 0.9,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on where an interrupted backtest to --out stopped."),
    ] = False,
    out: Annotated[
        Path, typer.Option(help="Folder for the results; made if it does not exist.")
    ] = Path("clvmodels-backtest"),
) -> None:
    """Judge methods by purchases that came after several days of the past.

    At each cutoff every method sees the log up to that day alone, and foresees the holdout.

    Writes backtest.csv (metrics by method, cutoff and group), league.csv (their
    means over the cutoffs), predictions.parquet, and plots of how far methods are
    from the best: forest-purchases.png, and forest-value.png if there are amounts.

    Example: clvmodels backtest cdnow --cutoff 1997-06-30 --cutoff 1997-09-30 --horizon '39 weeks'
    """
    import rich

    from clvmodels.evaluation.backtest import backtest as run
    from clvmodels.models.fitted import check_level
    from clvmodels.report import backtest_tables, files

    check_level(level)
    if cutoff and cutoffs is not None:
        raise ParameterError("Give either --cutoff, day by day, or how many with --cutoffs.")
    terms = parse_discount(discount), parse_share(margin)
    chosen, groups = parse_columns(methods), parse_columns(by)
    entries = parse_entries(chosen, *terms)
    files.check_folder(out)
    work = out / _UNFINISHED
    if work.exists() and not resume:
        raise ParameterError(
            f"{work} holds what an interrupted backtest has done: add --resume to go on with it, "
            "or delete the folder."
        )
    with screen.step("Reading the log"):
        transactions, log = reading.open_log(log)
        base = reading.summarize(transactions, log)
        days, length = reading.origins(base, log, cutoff, cutoffs or 4, horizon)
    currency = reading.currency_of(log)
    if base.monetary_value is None:
        entries = without_money(entries)
    rich.reconfigure(stderr=True)  # where its bar goes
    found = run(
        entries,
        transactions,
        days,
        length,
        by=groups,
        level=level,
        resume=work,
        progress=screen.is_watched(),
        **reading.conventions(log),
    )
    measured = set(found.frame["quantity"])
    quantities = [quantity for quantity in _QUANTITIES if quantity in measured]
    if not quantities:
        shutil.rmtree(work)  # there is nothing to go on with
        raise FitError(f"Every method failed: {backtest_tables.failures(found)[0]}")
    with screen.step("Writing"):
        written = _write(found, quantities, out, currency)
        shutil.rmtree(work)
    screen.show(
        *(
            backtest_tables.league(found, quantity, currency=currency, full=False)
            for quantity in quantities
        ),
        *backtest_tables.failures(found),
        *[] if "value" in measured else ["The log has no amounts: purchases alone were judged."],
        *(f"wrote {file}" for file in written),
    )


def parse_entries(
    names: Iterable[str], discount: "DiscountRate", margin: float
) -> dict[str, "Entry"]:
    """Methods to compare, by the names of their groups or the slugs of purchase models.

    Without a name, all groups but the regression.

    Raises
    ------
    ParameterError
        If there is none of a name, or scikit-learn is missing for the regression.
    """
    from clvmodels.evaluation.entries import default_models, kind_of, title_of
    from clvmodels.evaluation.heuristics import LearntHiatusRule, TopShare
    from clvmodels.models.gamma_gamma import GammaGammaModel
    from clvmodels.models.registry import PURCHASE_MODELS
    from clvmodels.value.clv import CLVModel

    rules = {title_of(rule): rule for rule in (LearntHiatusRule(), TopShare())}
    league = {**default_models(discount, margin), **rules}
    single = {slug(model.title): model for model in PURCHASE_MODELS.values()}
    found: dict[str, Entry] = {}
    for name in names or (group for group in _KINDS if group != _REGRESSION):
        if name == _REGRESSION:
            found |= _regression()
        elif name in _KINDS:
            found |= {key: entry for key, entry in league.items() if kind_of(entry) == _KINDS[name]}
        elif name in single:
            model = CLVModel(single[name](), GammaGammaModel(), discount=discount, margin=margin)
            found[single[name].title] = model
        else:
            known = ", ".join([*_KINDS, *single])
            raise ParameterError(f"There is no method {name!r}; there are {known}.")
    return found


def _regression() -> dict[str, "Entry"]:
    try:
        from clvmodels.interop.regression import two_part_boosting
    except ImportError as error:
        raise ParameterError(f"No {_REGRESSION}: {error}") from None
    boosting = two_part_boosting()
    return {boosting.title: boosting}


def without_money(entries: Mapping[str, "Entry"]) -> dict[str, "Entry"]:
    """What is left of methods for a log without amounts: models of purchases alone, and no formula.

    Raises
    ------
    ParameterError
        If that is nothing.
    """
    from clvmodels.evaluation.entries import kind_of, purchases_of

    def alone(entry: "Entry") -> "Entry":
        model = purchases_of(entry)
        if model is None:
            return entry
        return (model, entry[1]) if isinstance(entry, tuple) else model

    kept = {name: alone(e) for name, e in entries.items() if kind_of(e) != "textbook"}
    if not kept:
        raise ParameterError("The log has no amounts, without which no formula can be compared.")
    return kept


def _write(found: "Backtest", quantities: Sequence[str], out: Path, currency: str) -> list[Path]:
    import pandas as pd

    from clvmodels._files import whole_file
    from clvmodels.report import files
    from clvmodels.report.backtests import MethodForest

    leagues = {quantity: found.league(quantity) for quantity in quantities}
    league = pd.concat(leagues, names=["quantity"]).reset_index("quantity")
    frames = {
        "backtest.csv": found.frame,
        "league.csv": league,
        "predictions.parquet": found.predictions,
    }
    for name, frame in frames.items():
        files.write_frame(frame, out / name)
    pictures = {quantity: out / f"forest-{quantity}.png" for quantity in _QUANTITIES}
    for quantity in set(pictures).difference(quantities):
        pictures.pop(quantity).unlink(missing_ok=True)  # of a backtest before
    for quantity, picture in pictures.items():
        figure: Any = MethodForest.of(found, quantity=quantity, currency=currency).plot().figure
        with whole_file(picture) as file:
            figure.savefig(file, dpi=200)
    return [*(out / name for name in frames), *pictures.values()]

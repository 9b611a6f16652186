"""The commands ``compare`` and ``report``: methods on one holdout, and what follows from it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from clvmodels.cli import reading, screen
from clvmodels.cli.options import (
    Cutoff,
    Discount,
    Holdout,
    Level,
    LogOptions,
    Margin,
    Out,
    parse_contender,
    parse_discount,
    parse_share,
    reads_a_log,
)

if TYPE_CHECKING:
    from clvmodels.data.splits import CalibrationHoldoutSplit
    from clvmodels.evaluation.holdout import HoldoutComparison
    from clvmodels.units import DiscountRate

_READING: Final = (
    "customer_id", "date", "value", "observation_end", "date_format", "time_zone",
)  # fmt: skip
_POLICIES: Final = ("refunds", "zero_value", "missing_value")
_REPORT: Final = ("report.html", "predictions.parquet", "comparison.csv")


@reads_a_log
def compare(
    log: LogOptions,
    cutoff: Cutoff = None,
    horizon: Holdout = None,
    discount: Discount = "10% per year",
    margin: Margin = "1",
    level: Level = 0.9,
    out: Out = None,
) -> None:
    """Compare models, textbook formulas and baselines on purchases that none of them saw.

    Example: clvmodels compare cdnow --cutoff 1997-09-30 --out comparison.csv
    """
    from clvmodels.report import files, tables

    if out is not None:
        files.check_target(out)
    terms = parse_discount(discount), parse_share(margin)
    with screen.step("Reading the log"):
        transactions, log = reading.open_log(log)
        base = reading.summarize(transactions, log)
        split = reading.split(transactions, log, base, cutoff, horizon)
    comparison = _compare(split, *terms, level)
    screen.show(
        tables.league(comparison, full=False),
        *tables.failures(comparison),
        tables.lifetime(comparison),
    )
    if out is not None:
        files.write_frame(comparison.to_frame(), out)
        screen.show(f"wrote {out}")


@reads_a_log
def report(
    log: LogOptions,
    out: Annotated[
        Path, typer.Option(help="Folder for the report; made if it does not exist.")
    ] = Path("clvmodels-report"),
    cutoff: Cutoff = None,
    horizon: Holdout = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Model that values the customers: bg-nbd, mbg-nbd, pareto-nbd, nbd.",
            show_default="least error per customer in the holdout",
        ),
    ] = None,
    discount: Discount = "10% per year",
    margin: Margin = "1",
    level: Level = 0.9,
    currency: Annotated[
        str | None,
        typer.Option(help="Printed before amounts, such as EUR.", show_default="none, cdnow: US$"),
    ] = None,
) -> None:
    """Report on a log: compare methods on a holdout, value every customer by the best model.

    Writes report.html, the numbers behind each of its tables and figures into the folder frames,
    predictions.parquet and comparison.csv.

    Example: clvmodels report cdnow --margin 30% --out clvmodels-report
    """
    from clvmodels.evaluation.recommend import recommend
    from clvmodels.report import files, findings, html, sections, tables
    from clvmodels.report.study import Study

    name = None if model is None else parse_contender(model)
    terms = parse_discount(discount), parse_share(margin)
    currency = reading.currency_of(log) if currency is None else currency
    files.check_folder(out)
    with screen.step("Reading the log"):
        transactions, log = reading.open_log(log)
        base = reading.summarize(transactions, log)
        how = {name: getattr(log, name) for name in _READING}
        advice = recommend(transactions, **how)
    with screen.step("Splitting it"):
        split = reading.split(transactions, log, base, cutoff, horizon)
    comparison = _compare(split, *terms, level)
    with screen.step("Valuing the customers"):
        study = Study.of(
            comparison, base, source=reading.name_of(log), name=name, advice=advice,
            currency=currency,
        )  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    how |= {name: getattr(log, name) for name in _POLICIES}
    html.write_report(
        study, out, lambda plots: screen.track(plots, "Drawing", len(plots)),
        sections.alive_paths(study, transactions, how),
    )  # fmt: skip
    predictions, league = (out / name for name in _REPORT[1:])
    files.write_frame(study.predictions, predictions)
    files.write_frame(comparison.to_frame(), league)
    screen.show(
        tables.league(comparison, currency=currency, full=False),
        *tables.failures(comparison),
        *(f"\n{text}" for text in findings.all_of(study).values()),
        "",
        *(f"wrote {out / name}" for name in _REPORT),
        f"wrote {out / html.FRAMES}, a file for each table and figure",
    )


def _compare(
    split: "CalibrationHoldoutSplit", discount: "DiscountRate", margin: float | str, level: float
) -> "HoldoutComparison":
    import rich

    from clvmodels.evaluation.holdout import compare_holdout, default_models

    rich.reconfigure(stderr=True)  # where its bar goes
    models = default_models(discount, margin)
    return compare_holdout(models, split, level=level, progress=screen.is_watched())

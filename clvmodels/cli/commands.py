"""The five commands."""

from pathlib import Path
from typing import Annotated

import typer

from clvmodels.cli import reading, screen
from clvmodels.cli.errors import OneLineErrors
from clvmodels.cli.options import (
    LogOptions,
    parse_discount,
    parse_horizon,
    parse_margin,
    parse_method,
    parse_model,
    reads_a_log,
    slug,
)

app = typer.Typer(
    cls=OneLineErrors,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Customer lifetime value from a transaction log: models, money, intervals.",
)

Out = Annotated[
    Path | None, typer.Option(help="File to write: .parquet, .csv or .json.", show_default="none")
]
Discount = Annotated[str, typer.Option(help="Discount rate; 0.10 is per year as well.")]
Margin = Annotated[
    str, typer.Option(help="Share of revenue that is profit, 0.30 or 30%, or a column of it.")
]
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


@app.command()
@reads_a_log
def summarize(log: LogOptions, out: Out = None) -> None:
    """Summarise a log: repeat purchases, recency, age and mean value of each customer.

    Example: clvmodels summarize cdnow --out summary.parquet
    """
    from clvmodels.report import files, tables

    if out is not None:
        files.check_target(out)
    with screen.step("Reading the log"):
        data = reading.summarize(*reading.open_log(log))
    screen.show(repr(data), *(f"- {line}" for line in data.report.lines))
    screen.show(tables.customers(data.to_pandas(), "First customers", most=5))
    if out is not None:
        files.write_frame(data.to_pandas(), out)
        screen.show(f"wrote {out}")


@app.command()
@reads_a_log
def fit(
    log: LogOptions,
    out: Annotated[Path, typer.Option(help="File to write: .json.")],
    model: Annotated[str, typer.Option(help="Purchase model: bg-nbd, mbg-nbd, nbd.")] = "bg-nbd",
    method: Annotated[str, typer.Option(help="mle, bootstrap, or lifetimes.")] = "mle",
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    discount: Discount = "10% per year",
    margin: Margin = "1",
    level: Level = 0.9,
) -> None:
    """Fit a model of purchases, and of spend where the log has amounts, and save it.

    The log may also be a summary written by summarize.

    Example: clvmodels fit cdnow --model mbg-nbd --out model.json
    """
    from clvmodels.models.fitted import FittedModel, check_level
    from clvmodels.models.gamma_gamma import GammaGammaModel
    from clvmodels.report import files, findings, tables
    from clvmodels.value.clv import CLVModel

    check_level(level)
    files.check_target(out, (".json",))
    purchases, how = parse_model(model), parse_method(method, seed)
    terms = parse_discount(discount), parse_margin(margin)
    with screen.step("Reading the log"):
        data = reading.read_customers(log)
    fits: list[FittedModel] = [purchases.fit(data, how)]
    if data.monetary_value is None:
        fits[0].save(out)
    else:
        value = CLVModel(purchases, GammaGammaModel(), *terms).fit(data, how)
        value.save(out)
        fits = [value.purchases, value.spend]
    for fitted in fits:
        screen.show(
            tables.parameters(
                repr(fitted).split(":")[0], fitted.summary(level), level, findings.of_fit(fitted)
            )
        )
    if data.monetary_value is None:
        screen.show("The log has no amounts: purchases were fitted, spend was not.")
    screen.show(f"wrote {out}")

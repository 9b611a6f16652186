"""The commands."""

from pathlib import Path
from typing import Annotated, Final

import typer

from clvmodels.cli import reading, screen
from clvmodels.cli.backtesting import backtest
from clvmodels.cli.comparing import compare, report
from clvmodels.cli.errors import OneLineErrors, in_option_names
from clvmodels.cli.options import (
    Discount,
    Level,
    LogOptions,
    Out,
    in_the_shell,
    parse_columns,
    parse_discount,
    parse_horizon,
    parse_margin,
    parse_method,
    parse_model,
    parse_share,
    parse_spend,
    reads_a_log,
)

app = typer.Typer(
    cls=OneLineErrors,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Customer lifetime value from a transaction log: models, money, intervals.",
)

_ESTIMATION: Final = "How the model is estimated"


@app.command()
@reads_a_log
def recommend(log: LogOptions) -> None:
    """Say which models suit a log, and why; nothing is fitted.

    The log may also be a summary written by summarize, of which less can be told.

    Example: clvmodels recommend cdnow --observation-end 1997-09-30
    """
    from clvmodels.report import tables

    with screen.step("Reading the log"):
        advice = reading.advise(log)
    columns = ("question", "finding", "follows")
    rows = tuple((f.question, f.finding, f.follows) for f in advice.findings)
    screen.show(tables.Table(f"Setting: {advice.setting}", columns, rows, frozenset(columns)))
    screen.show("Models to try, in this order:")
    screen.show(*(f"- {in_the_shell(model)}" for model in advice.models))


@app.command()
@reads_a_log
def summarize(
    log: LogOptions,
    litt: Annotated[
        bool,
        typer.Option(
            "--litt",
            help="Add how regular purchases are, which bg-cnbd-k and mbg-cnbd-k are fitted to.",
        ),
    ] = False,
    keep: Annotated[
        list[str],
        typer.Option(
            help="Column of the log to keep: a segment, market or channel, the same in all of a "
            "customer's rows. May be given several times.",
            metavar="COLUMN",
            show_default="none",
        ),
    ] = [],  # noqa: B006 - typer makes a list of its own
    out: Out = None,
) -> None:
    """Summarise a log: repeat purchases, recency, age and mean value of each customer.

    Example: clvmodels summarize cdnow --out summary.parquet
    """
    from clvmodels.report import files, tables

    if out is not None:
        files.check_target(out)
    with screen.step("Reading the log"):
        data = reading.summarize(*reading.open_log(log), litt=litt, keep=parse_columns(keep))
    screen.show(repr(data), *(f"- {line}" for line in data.report.lines))
    screen.show(tables.customers(data.to_pandas(), "First customers", most=5))
    if out is not None:
        files.write_frame(reading.with_unit(data), out)
        screen.show(f"wrote {out}")


@app.command()
@reads_a_log
def fit(
    log: LogOptions,
    out: Annotated[Path, typer.Option(help="File to write: .json.")],
    model: Annotated[
        str,
        typer.Option(
            help="Purchase model: bg-nbd, mbg-nbd, pareto-nbd, ggompertz-nbd, nbd; bg-cnbd-k or "
            "mbg-cnbd-k for regular purchases (k is chosen)."
        ),
    ] = "bg-nbd",
    spend: Annotated[
        str, typer.Option(help="Spend model: gamma-gamma, or lognormal-normal for heavy tails.")
    ] = "gamma-gamma",
    method: Annotated[
        str,
        typer.Option(
            help="mle, bootstrap or lifetimes; for the posterior under weak priors map (its mode), "
            "laplace (its draws in a second) or mcmc (its draws by Markov chains).",
            rich_help_panel=_ESTIMATION,
        ),
    ] = "mle",
    groups: Annotated[
        list[str],
        typer.Option(
            help="Column by which mcmc pools parameters partially, such as a segment; of a log, "
            "the same in all of a customer's rows. Two, such as market,channel, are nested.",
            metavar="COLUMN",
            show_default="none",
            rich_help_panel=_ESTIMATION,
        ),
    ] = [],  # noqa: B006 - typer makes a list of its own
    draws: Annotated[
        int | None,
        typer.Option(
            help="Draws to keep (of mcmc, per chain), or resamples of the bootstrap.",
            show_default="1000; bootstrap: 200",
            rich_help_panel=_ESTIMATION,
        ),
    ] = None,
    chains: Annotated[
        int | None,
        typer.Option(help="Chains of mcmc.", show_default="4", rich_help_panel=_ESTIMATION),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Seed of what is drawn.", min=0, show_default="0", rich_help_panel=_ESTIMATION
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Fail where the fit cannot be relied on, instead of saying so.",
            rich_help_panel=_ESTIMATION,
        ),
    ] = False,
    discount: Discount = "10% per year",
    margin: Annotated[
        str,
        typer.Option(
            help="Share of revenue that is profit, 0.30 or 30%; for a summary, also the name of "
            "its column of margins."
        ),
    ] = "1",
    level: Level = 0.9,
) -> None:
    """Fit a model of purchases, and of spend where the log has amounts, and save it.

    The log may also be a summary written by summarize: .parquet, .csv or .json.

    With --method mcmc --groups COLUMN, segments share what they have in common.

    Example: clvmodels fit cdnow --model pareto-nbd --spend lognormal-normal --out model.json
    """
    from clvmodels.models.fitted import check_level
    from clvmodels.models.fitted_purchases import FittedPurchases
    from clvmodels.models.spend import FittedSpend
    from clvmodels.report import files, findings, tables
    from clvmodels.value.clv import CLVModel

    check_level(level)
    files.check_target(out, (".json",))
    purchases, money = parse_model(model), parse_spend(spend)
    pooled = parse_columns(groups)
    how = parse_method(method, draws=draws, chains=chains, groups=pooled, seed=seed, strict=strict)
    read_margin = parse_margin if reading.is_summary(log) else parse_share
    terms = parse_discount(discount), read_margin(margin)
    with screen.step("Reading the log"):
        data = reading.read_customers(log, litt=purchases.timed, keep=pooled)
    if isinstance(terms[1], str):
        data.column(terms[1])  # is there, and holds numbers
    parts: list[FittedPurchases | FittedSpend]
    if data.monetary_value is None:
        fitted = purchases.fit(data, how)
        fitted.save(out)
        parts = [fitted]
    else:
        value = CLVModel(purchases, money, *terms).fit(data, how)
        value.save(out)
        parts = [value.purchases, value.spend]
    for part in parts:
        name = part.model.label if isinstance(part, FittedPurchases) else part.model.title
        note = in_option_names(findings.of_fit(part))
        screen.show(tables.parameters(name, part.summary(level), level, note))
        if part.groups is not None:
            screen.show(tables.groups(part.group_summary(level), f"{name} by {'/'.join(pooled)}"))
    if data.monetary_value is None:
        screen.show("The log has no amounts: purchases were fitted, spend was not.")
    screen.show(f"wrote {out}")


@app.command()
@reads_a_log
def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model saved by fit.")],
    log: LogOptions,
    horizon: Annotated[
        str, typer.Option(help="How far ahead: '12 months', '39 weeks', or lifetime.")
    ] = "12 months",
    level: Level = 0.9,
    out: Out = None,
) -> None:
    """Predict with a saved model: purchases and value of each customer, with intervals.

    The log may also be a summary written by summarize: .parquet, .csv or .json.

    Example: clvmodels predict model.json cdnow --out predictions.parquet
    """
    from clvmodels.exceptions import DataError, ParameterError
    from clvmodels.models.fitted_purchases import FittedPurchases
    from clvmodels.models.spend import FittedSpend
    from clvmodels.report import files, tables
    from clvmodels.value.clv import FittedCLV
    from clvmodels.value.correlated import FittedCorrelatedCLV
    from clvmodels.value.storage import load

    length = parse_horizon(horizon)
    if out is not None:
        files.check_target(out)
    if not Path(model).exists():
        raise DataError(f"Cannot read a fitted model from {model}: no such file.")
    fitted = load(model)
    groups = getattr(getattr(fitted, "purchases", fitted), "groups", None)
    with screen.step("Reading the log"):
        data = reading.read_customers(log, keep=() if groups is None else groups.columns)
    with screen.step("Predicting"):
        if isinstance(fitted, FittedCLV | FittedCorrelatedCLV):
            frame = fitted.predict(data, length, level=level)
            total = fitted.totals(data, length, level=level)
        elif isinstance(fitted, FittedSpend):
            frame, total = fitted.predict(data, level=level), None
        elif not isinstance(fitted, FittedPurchases):
            raise ParameterError(
                f"{model} holds a {fitted.model.title} model, which takes no transaction log. "
                "Load it in Python: clvmodels.load."
            )
        elif length is None:
            raise ParameterError("Purchases over a lifetime need not be finite: give --horizon.")
        else:
            frame, total = fitted.predict(data, length, level=level), None
    if total is not None:
        screen.show(tables.totals(total, f"The whole base, {horizon}", level))
    screen.show(tables.customers(frame, f"Customers, {horizon}"))
    if out is not None:
        files.write_frame(frame, out)
        screen.show(f"wrote {out}")


for command in (compare, backtest, report):
    app.command()(command)

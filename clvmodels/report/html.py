"""The report as one page that needs nothing but itself."""

import platform
from collections.abc import Callable, Iterable
from functools import partial
from html import escape
from importlib.metadata import version
from typing import Final, NamedTuple

from clvmodels import __version__
from clvmodels.models.fitted import INTERVAL_DRAWS, FittedModel
from clvmodels.report import findings, style, tables
from clvmodels.report.displays import (
    AliveMatrix,
    Concentration,
    DecileCalibration,
    Display,
    FrequencyHistogram,
    League,
    Shrinkage,
    Tracking,
    ValueDistribution,
)
from clvmodels.report.numbers import count, money, percent, signed_percent, significant
from clvmodels.report.study import Study, best
from clvmodels.report.tables import Table
from clvmodels.units import TimeUnit
from clvmodels.value.clv import FittedCLV
from clvmodels.value.textbook_model import FittedTextbook

_PACKAGES: Final = ("numpy", "scipy", "pandas", "numba", "ibis-framework", "duckdb", "lifetimes")


class Figure(NamedTuple):
    """A picture with its words."""

    title: str
    svg: str
    caption: str


class Card(NamedTuple):
    """A number worth large letters."""

    label: str
    value: str
    detail: str


def displays(study: Study) -> list[Callable[[], Display]]:
    """The plots of a report in their order; each works its numbers out when called."""
    comparison, currency = study.comparison, study.currency
    split = comparison.split
    fits = {name: fit.purchases for name, fit in _models(study).items()}
    rivals = [name for name in (study.name, best(comparison, "textbook")) if name is not None]
    value = study.predictions["lifetime_clv"]
    return [
        lambda: League.of(comparison),
        lambda: DecileCalibration.of(comparison, rivals, currency),
        lambda: Tracking.of(split, fits),
        lambda: Tracking.of(split, fits, cumulative=True),
        lambda: FrequencyHistogram.of(fits, split.calibration),
        lambda: AliveMatrix.of(study.name, study.value.purchases, study.base),
        lambda: ValueDistribution.of(value, currency),
        lambda: Concentration.of({"lifetime value": value}),
        *_shrinkages(study),
    ]


def draw(display: Display) -> Figure:
    """A display as a picture whose colours follow those of the page."""
    svg = display.svg(title=False)
    for colour, name in style.ROLES.items():
        svg = svg.replace(colour, f"var(--{name})")
    label = escape(display.title, quote=True)
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
    return Figure(display.title, svg, display.caption)


def render(study: Study, figures: Iterable[Figure]) -> str:
    """The page, with these figures, as HTML."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("clvmodels.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    comparison, currency = study.comparison, study.currency
    leagues = (tables.league(comparison, q, currency=currency) for q in ("value", "purchases"))
    return environment.get_template("report.html").render(
        source=study.source,
        as_of=study.as_of,
        chosen=study.name,
        cards=_cards(study),
        findings=findings.all_of(study),
        leagues=list(leagues),
        failures=tables.failures(comparison),
        lifetime=tables.lifetime(comparison, currency),
        parameters=_parameters(study),
        figures=list(figures),
        reports=_reports(study),
        settings=_settings(study),
    )


def _models(study: Study) -> dict[str, FittedCLV]:
    """Fitted models of the comparison, the chosen one first; not lifetimes' own fit."""
    table = study.comparison.table
    fits = study.comparison.models
    names = [study.name, *(n for n in table["method"][table["kind"] == "model"] if n != study.name)]
    return {n: fit for n in names if isinstance(fit := fits.get(n), FittedCLV)}


def _shrinkages(study: Study) -> list[Callable[[], Display]]:
    """What pooling did to the leading traits of models with groups."""
    fits = [part for fit in _models(study).values() for part in (fit.purchases, fit.spend)]
    return [
        partial(Shrinkage.of, fit, block.traits[0].name, study.level)
        for fit in fits
        if fit.groups is not None
        for block in fit.model.blocks
    ]


def _cards(study: Study) -> list[Card]:
    year = study.year.set_index("quantity")["estimate"]
    median = float(study.predictions["lifetime_clv"].median())
    missed = study.comparison.table.set_index("method")["value_bias"][study.name]
    equity, customers, currency = study.equity, study.base.customers(), study.currency
    return [
        Card(
            "Customer equity",
            money(equity.estimate, currency),
            f"{percent(study.level)} interval {money(equity.lo)} to {money(equity.hi)}",
        ),
        Card(
            "Customers",
            count(customers),
            f"worth {money(equity.estimate / customers, currency)} on average, half of them less "
            f"than {money(median)}",
        ),
        Card(
            "Next 12 months",
            money(year["discounted value"], currency),
            f"of discounted profit, from {money(year['purchases'])} purchases worth "
            f"{money(year['revenue'])}",
        ),
        Card(
            "Holdout",
            signed_percent(missed),
            f"revenue foreseen by {study.name}, relative to what came",
        ),
    ]


def _parameters(study: Study) -> list[Table]:
    """The fits behind the values, then those behind the comparison."""
    fitted = study.comparison.models
    ours = [study.name, *(name for name in fitted if name != study.name)]
    fits: dict[str, FittedModel] = {
        f"{study.name}, whole log": study.value.purchases,
        f"{study.value.spend.model.title}, whole log": study.value.spend,
    }
    for name in ours:
        if isinstance(fit := fitted[name], FittedCLV):
            fits[f"{name}, calibration"] = fit.purchases
            fits.setdefault(f"{fit.spend.model.title}, calibration", fit.spend)
    out = [
        tables.parameters(title, fit.summary(study.level), study.level, findings.of_fit(fit))
        for title, fit in fits.items()
    ]
    formula = next((fit for fit in fitted.values() if isinstance(fit, FittedTextbook)), None)
    if formula is None:
        return out
    silence = significant(formula.inactivity.to(TimeUnit.DAY))
    note = f"A customer counts as lost after {silence} days of silence."
    inputs = formula.summary(study.level)
    return [
        *out,
        tables.parameters("Inputs of the formulas, calibration", inputs, study.level, note),
    ]


def _reports(study: Study) -> dict[str, list[str]]:
    """What became of the log, and where the split differs from that."""
    lines = study.base.report.lines
    other = [line for line in study.comparison.split.report.lines if line not in lines]
    return {"Behind the values": lines, "Behind the comparison the same, but": other}


def _settings(study: Study) -> Table:
    split = study.comparison.split
    rows = {
        "log": study.source,
        "time unit": str(study.base.time_unit),
        "calibration to": f"{split.calibration.observation_end:%Y-%m-%d}",
        "holdout": str(split.horizon),
        "values as of": study.as_of,
        "model that values": f"{study.name} with {study.value.spend.model.title}",
        "discount rate": findings.rate_in_words(study.value.model.discount),
        "margin": findings.margin_in_words(study.value.model.margin),
        "intervals": f"{percent(study.level)}, {INTERVAL_DRAWS} draws of the parameters, seed 0",
        "standard errors of metrics": "Poisson bootstrap of customers, seed 0",
        "clvmodels": __version__,
        "Python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
    }
    return tables.settings(rows)

"""The report as one page that needs nothing but itself, and the frames behind its numbers."""

import math
import platform
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from clvmodels import __version__
from clvmodels.models.fitted import INTERVAL_DRAWS
from clvmodels.report import findings, phrases, style
from clvmodels.report.display import Display
from clvmodels.report.files import write_frame, write_text
from clvmodels.report.framed import Column, Table, framed
from clvmodels.report.numbers import count, duration, money, percent, signed_percent, tied
from clvmodels.report.sections import Plot, Section, plots, sections
from clvmodels.report.study import Study
from clvmodels.report.values import middle

if TYPE_CHECKING:
    import pandas as pd

PAGE: Final = "report.html"
FRAMES: Final = "frames"
_PACKAGES: Final = ("numpy", "scipy", "pandas", "numba", "ibis-framework", "duckdb", "lifetimes")


class Figure(NamedTuple):
    """A picture with its words, and the name of its frame's file."""

    title: str
    svg: str
    caption: str
    name: str = ""


class Card(NamedTuple):
    """A number worth large letters."""

    label: str
    value: str
    detail: str


def write_report(
    study: Study,
    folder: Path,
    track: Callable[[Sequence[Plot]], Iterable[Plot]] = iter,
    more: Sequence[Plot] = (),
) -> list[str]:
    """Write the page, and beside it a folder with a CSV file for each of its tables and figures.

    Parameters
    ----------
    study : Study
    folder : Path
        Must exist; files of the same names are replaced.
    track : callable
        Goes through the plots, which take most of the time, such as with a progress bar.
    more : sequence of Plot
        To be drawn besides: `alive_paths`, which take the log.

    Returns
    -------
    list of str
        What was written, relative to the folder.
    """
    figures: dict[str, list[Figure]] = {}
    frames = {"summary": summary(study), "segment-of-customers": study.segments.customers}
    for plot in track([*plots(study), *more]):
        display = plot.make()
        figures.setdefault(plot.section, []).append(draw(display)._replace(name=plot.name))
        frames[plot.name] = display.frame
    parts = sections(study, _settings(study), frames)
    for part in parts:
        frames |= part.frames()
    (folder / FRAMES).mkdir(exist_ok=True)
    for name, frame in frames.items():
        write_frame(frame, folder / FRAMES / f"{name}.csv")
    write_text(render(study, parts, figures), folder / PAGE)
    return [PAGE, *(f"{FRAMES}/{name}.csv" for name in frames)]


def draw(display: Display) -> Figure:
    """A display as a picture whose colours follow those of the page."""
    svg = display.svg(title=False)
    for colour, name in style.ROLES.items():
        svg = svg.replace(colour, f"var(--{name})")
    label = escape(display.title, quote=True)
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
    return Figure(display.title, svg, display.caption)


def render(study: Study, parts: Sequence[Section], figures: Mapping[str, Sequence[Figure]]) -> str:
    """The page as HTML: sections, and the figures of each by its id."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("clvmodels.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["tied"] = _tied
    return environment.get_template("report.html").render(
        source=study.source,
        as_of=study.as_of,
        cards=_cards(study),
        findings=findings.all_of(study),
        sections=parts,
        figures=figures,
        frames=FRAMES,
    )


def summary(study: Study) -> "pd.DataFrame":
    """The numbers of the cards: item, estimate, lo, hi."""
    import pandas as pd

    nan = float("nan")
    year = study.year.set_index("quantity")
    own = study.comparison.table.set_index("method").loc[study.name]
    equity, customers = study.equity, study.base.customers()
    lifetime = study.predictions["lifetime_clv"].to_numpy()
    as_good = study.equities["equity"][study.equities["as_good"]]
    rows = [
        ("customer equity", equity.estimate, equity.lo, equity.hi),
        ("customer equity by the models that did best", nan, as_good.min(), as_good.max()),
        ("customer equity by the parameters before the holdout", *study.earlier),
        ("customers", customers, nan, nan),
        ("mean lifetime value", equity.estimate / customers, nan, nan),
        ("median lifetime value", middle(lifetime, study.base.weight), nan, nan),
        *(
            (f"{quantity} within 12 months", *row[["estimate", "lo", "hi"]])
            for quantity, row in year.iterrows()
        ),
        ("holdout revenue foreseen", own["value_predicted"], nan, nan),
        ("holdout revenue", own["value_actual"], nan, nan),
        ("holdout bias", own["value_bias"], nan, nan),
    ]
    return pd.DataFrame(rows, columns=["item", "estimate", "lo", "hi"])


def _tied(text: str) -> str:
    """A number stays on one line with its per cent sign, apart from it, and with its currency."""
    return tied(re.sub(r"(?<=\d)%", " %", text))


def _cards(study: Study) -> list[Card]:
    items = summary(study).set_index("item")
    item, lo, hi = items["estimate"], items["lo"], items["hi"]
    year, models = (
        "discounted value within 12 months",
        "customer equity by the models that did best",
    )
    equity, currency = study.equity, study.currency
    interval = f"{percent(study.level)} interval"
    otherwise = (
        f"; {money(lo[models])} to {money(hi[models])} by the models that did best in the holdout"
        if money(lo[models]) != money(hi[models])
        else ""
    )
    horizon = duration(study.comparison.split.horizon)
    if math.isfinite(study.earlier.estimate):
        otherwise += f"; {money(study.earlier.estimate)} by its parameters of {horizon} before"
    worth = phrases.profit_in_words(study)
    return [
        Card(
            "Customer equity",
            money(equity.estimate, currency),
            f"{interval} {money(equity.lo)} to {money(equity.hi)}{otherwise}",
        ),
        Card(
            "Customers",
            count(item["customers"]),
            f"worth {money(item['mean lifetime value'], currency)} on average, half of them less "
            f"than {money(item['median lifetime value'])}",
        ),
        Card(
            "Next 12 months",
            money(item[year], currency),
            f"of discounted {worth} ({interval} {money(lo[year])} to {money(hi[year])}), from "
            f"{money(item['purchases within 12 months'])} purchases worth "
            f"{money(item['revenue within 12 months'])}",
        ),
        Card(
            "Holdout",
            signed_percent(item["holdout bias"]),
            f"revenue that {study.name} foresaw for {horizon} that it had not seen, relative to "
            "what came",
        ),
    ]


def _draws(study: Study) -> str:
    if study.value.purchases.estimate.is_sample:
        return "all draws of the posterior"
    return f"{INTERVAL_DRAWS} draws of the parameters, seed 0"


def _settings(study: Study) -> Table:
    import pandas as pd

    split, margin = study.comparison.split, study.value.model.margin
    rows = {
        "log": study.source,
        "time unit": str(study.base.time_unit),
        "calibration to": f"{split.calibration.observation_end:%Y-%m-%d}",
        "holdout": duration(split.horizon),
        "values as of": study.as_of,
        "model that values": f"{study.name} with {study.value.spend.model.title}",
        "fitted by": study.value.purchases.estimate.method,
        "discount rate": phrases.rate_in_words(study.value.model.discount),
        "margin": f"column {margin}" if isinstance(margin, str) else percent(margin),
        "intervals": f"{percent(study.level)}, {_draws(study)}",
        "standard errors of metrics": "Poisson bootstrap of customers, seed 0",
        "clvmodels": __version__,
        "Python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
    }
    frame = pd.DataFrame({"setting": list(rows), "value": list(rows.values())})
    columns = [Column("setting", "setting"), Column("value", "value", words=True)]
    return framed(frame, "settings", columns)

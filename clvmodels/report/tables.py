"""Tables as text, for the terminal and for the page alike."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from clvmodels.evaluation.holdout import HoldoutComparison, Quantity
from clvmodels.report.framed import Column, framed
from clvmodels.report.framed import Table as Table
from clvmodels.report.numbers import (
    MINUS,
    NONE,
    count,
    duration,
    money,
    percent,
    signed_percent,
    significant,
)
from clvmodels.report.study import paired

if TYPE_CHECKING:
    import pandas as pd


def share(value: float) -> str:
    """A number between 0 and 1 with three decimals."""
    return NONE if value != value else f"{value:.3f}".replace("-", MINUS)


def cell(value: float, digits: int = 3) -> str:
    """A number of a column of numbers."""
    return significant(value, digits, zeros=True)


def amount(value: float) -> str:
    """An amount of money of a column of such: less than a hundredth is nothing."""
    return cell(value) if not abs(value) < 0.005 else "0"


def interval(lo: float, hi: float) -> str:
    """Both ends, where there are two."""
    return f"{cell(lo)} to {cell(hi)}" if lo < hi else NONE


def with_error(
    text: Callable[[float], str], size: Callable[[float], str]
) -> Callable[[float, float], str]:
    """A number and its standard error, as far as it has one."""

    def told(value: float, error: float) -> str:
        known = value == value and error > 1e-12
        return f"{text(value)} \N{PLUS-MINUS SIGN} {size(error)}" if known else text(value)

    return told


_METRICS: Final[dict[str, tuple[str, Callable[[float], str]]]] = {
    "bias": ("bias", signed_percent),
    "mae": ("MAE", cell),
    "rmse": ("RMSE", cell),
    "spearman": ("rank", share),
    "gini": ("Gini", share),
    "top_decile": ("top 10 %", percent),
}
_NOTE: Final = (
    "Bias: total foreseen relative to what came. MAE, RMSE: error per customer{unit}. Rank "
    "correlation and normalised Gini: how well customers are ranked (1 is perfect). Top 10 %: "
    "share of {what} that came from the tenth of customers predicted highest."
)
CHANCE: Final = (
    "Where the interval holds 0, the difference may be chance. It is a {level} interval for each "
    "method by itself: of a dozen that are as good, one may be set apart by chance alone."
)
"""How to read the intervals of many differences."""


def league(
    comparison: HoldoutComparison,
    quantity: str = "value",
    *,
    currency: str = "",
    full: bool = True,
) -> Table:
    """How every method did on the holdout.

    Parameters
    ----------
    comparison : HoldoutComparison
    quantity : {"value", "purchases"}
        Judged by revenue, or by the number of purchases.
    currency : str
        Of the amounts.
    full : bool
        Whether to give totals, and the standard error of each metric; without them the table fits
        a terminal of 80 columns.
    """
    table = comparison.table.join(
        comparison.table_se.drop(columns=["method", "kind"]).add_suffix("_se")
    )
    columns = [Column("method", "method")]
    if full:
        columns.append(Column("foreseen", f"{quantity}_predicted", significant))
    for metric, (head, text) in _METRICS.items():
        name = f"{quantity}_{metric}"
        size = percent if metric in ("bias", "top_decile") else partial(cell, digits=2)
        columns.append(
            Column(head, f"{name} {name}_se", with_error(text, size))
            if full
            else Column(head, name, text)
        )
    what = "revenue" if quantity == "value" else "purchases"
    unit = f" in {currency}" if quantity == "value" and currency else ""
    actual = significant(table[f"{quantity}_actual"].max())
    return framed(
        table, f"league-{quantity}", columns,
        title=f"Holdout of {duration(comparison.split.horizon)}: {what}, {actual} in all{unit}",
        note=_NOTE.format(unit=unit, what=what) + " Small: standard errors." * full,
    )  # fmt: skip


def differences(
    comparison: HoldoutComparison, quantity: Quantity = "value", *, currency: str = ""
) -> Table:
    """How far every method is from the best one, and whether that can be told from chance."""
    frame = comparison.table.loc[comparison.table["error"] == "", ["method"]]
    columns = [Column("method", "method")]
    span = f"{percent(comparison.level)} interval"
    for metric in ("rmse", "gini"):
        found = paired(comparison, metric, quantity)
        ends = {name: f"{metric}_{name}" for name in ("difference", "se", "lo", "hi", "against")}
        found = found.rename(columns=ends).drop(columns="cutoff")
        frame = frame.merge(found, on="method", how="left")
        best = found[f"{metric}_against"].iloc[0] if len(found) else NONE
        told = f"{metric}_told"
        frame[told] = [
            verdict(lo, hi, metric)
            for lo, hi in zip(frame[f"{metric}_lo"], frame[f"{metric}_hi"], strict=True)
        ]
        head = _METRICS[metric][0]
        columns += [
            Column(f"{head} less that of {best}", f"{metric}_difference", cell),
            Column(f"{span} of {head}", f"{metric}_lo {metric}_hi", interval),
            Column(f"by {head}", told, words=True),
        ]
    unit = f" in {currency}" if quantity == "value" and currency else ""
    what = "revenue" if quantity == "value" else "purchases"
    chance = CHANCE.format(level=percent(comparison.level))
    return framed(
        frame, f"differences-{quantity}", columns,
        title=f"Against the best method: {what}",
        note=(
            f"Both methods are judged by the same customers. RMSE{unit}: error per customer, where "
            f"large errors count more. Gini: how well customers are ranked. {chance}"
        ),
    )  # fmt: skip


def verdict(lo: float, hi: float, metric: str) -> str:
    """What the interval of a difference says of a method."""
    if lo != lo:
        return "the best"
    if lo <= 0 <= hi:
        return "may be as good"
    return "worse" if (lo > 0) == (metric == "rmse") else "better"


def failures(comparison: HoldoutComparison) -> list[str]:
    """Methods that failed, with the reason."""
    failed = comparison.table[comparison.table["error"] != ""]
    return [f"{row.method} failed. {row.error}" for row in failed.itertuples()]


def lifetime(comparison: HoldoutComparison, currency: str = "") -> Table:
    """What each method claims the base is worth over all the future."""
    day = comparison.split.calibration.observation_end
    unit = f", {currency}" if currency else ""
    columns = [
        Column("method", "method"),
        Column("base", "total", cell),
        Column(f"{percent(comparison.level)} interval", "lo hi", interval),
        Column("customer", "per_customer", cell),
        Column("terms", "note", lambda note: note.partition(" Give a horizon")[0], words=True),
    ]
    return framed(
        comparison.lifetime, "lifetime-at-cutoff", columns,
        title=f"Lifetime value of the base as of {day:%Y-%m-%d}{unit}",
        note=(
            "Each method on its own terms, fitted to the calibration period. No formula and no "
            "baseline tells customers who have left from those who stay."
        ),
    )  # fmt: skip


def parameters(
    title: str, summary: "pd.DataFrame", level: float, note: str = "", name: str = "parameters"
) -> Table:
    """Estimates with standard errors; `name` is that of their file."""
    columns = [
        Column("parameter", "parameter", _spaced),
        Column("estimate", "estimate", cell),
        Column("s.e.", "se", partial(cell, digits=2)),
        Column(f"{percent(level)} interval", "lo hi", interval),
    ]
    if "meaning" in summary:
        columns.append(Column("meaning", "meaning", words=True))
    return framed(summary, name, columns, title=title, note=note)


def groups(frame: "pd.DataFrame", title: str, most: int = 20) -> Table:
    """One row per group of a `group_summary`, the largest first: its customers and traits."""
    by = [str(name) for name in frame.columns[: frame.columns.get_loc("customers")]]
    meanings = frame.drop_duplicates("trait").set_index("trait")["meaning"]
    rows = []
    for labels, own in sorted(frame.groupby(by), key=lambda g: -g[1]["customers"].iloc[0])[:most]:
        cells = [
            f"{cell(mean)} ± {cell(sd, 2)}"
            for mean, sd in zip(own["estimate"], own["sd"], strict=True)
        ]
        rows.append((*map(str, labels), count(own["customers"].iloc[0]), *cells))
    rest = len(frame) // len(meanings) - len(rows)
    more = f"And {count(rest)} more groups. " if rest else ""
    told = "; ".join(f"{_spaced(str(trait))}, {meaning}" for trait, meaning in meanings.items())
    return Table(
        title=title,
        columns=(*by, "customers", *(_spaced(str(trait)) for trait in meanings.index)),
        rows=tuple(rows),
        words=frozenset(by),
        note=f"{more}Means of the posterior ± its standard deviation: {told}.",
    )


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def totals(frame: "pd.DataFrame", title: str, level: float, currency: str = "") -> Table:
    """Totals of a base: quantity, estimate and interval."""
    rows = []
    for row in frame.itertuples():
        value: Any = row
        unit = "" if value.quantity == "purchases" else currency
        rows.append(
            (value.quantity, money(value.estimate, unit), f"{money(value.lo)} to {money(value.hi)}")
        )
    return Table(title, ("quantity", "estimate", f"{percent(level)} interval"), tuple(rows))


def settings(rows: dict[str, str], title: str = "") -> Table:
    """Names and values."""
    return Table(title, ("setting", "value"), tuple(rows.items()), frozenset(["value"]))


def customers(frame: "pd.DataFrame", title: str, most: int = 10) -> Table:
    """The first rows of a frame with one row per customer."""
    shown = frame.head(most)
    columns = {str(name): column for name, column in shown.items()}
    words = frozenset(name for name, column in columns.items() if column.dtype.kind not in "iuf")
    texts = [
        [str(v) if name in words or name == "customer_id" else cell(float(v)) for v in column]
        for name, column in columns.items()
    ]
    rest = len(frame) - len(shown)
    return Table(
        title, tuple(columns), tuple(zip(*texts, strict=True)), words,
        f"and {count(rest)} more" if rest else "",
    )  # fmt: skip

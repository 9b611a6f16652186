"""Tables as text, for the terminal and for the page alike."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, final

from clvmodels.evaluation.holdout import HoldoutComparison
from clvmodels.report.numbers import NONE, count, money, percent, signed_percent, significant

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table as RichTable


@final
@dataclass(frozen=True)
class Table:
    """Rows of text under a title.

    Attributes
    ----------
    title : str
    columns : tuple of str
    rows : tuple of tuple of str
    words : frozenset of str
        Columns of words, which stand to the left; the first column always does.
    note : str
        How to read it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: frozenset[str] = frozenset()
    note: str = ""

    def to_rich(self) -> "RichTable":
        """The table for a terminal."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table as RichTable

        out = RichTable(
            title=self.title, caption=self.note or None, box=SIMPLE_HEAD, padding=(0, 1, 0, 0),
            title_justify="left", caption_justify="left", title_style="bold",
        )  # fmt: skip
        for k, column in enumerate(self.columns):
            words = column in self.words
            side: Literal["left", "right"] = "left" if words or k == 0 else "right"
            out.add_column(column, justify=side, no_wrap=not words)
        for row in self.rows:
            out.add_row(*row)
        return out


def _share(value: float) -> str:
    return NONE if value != value else f"{value:.3f}"


def _cell(value: float, digits: int = 3) -> str:
    return significant(value, digits, zeros=True)


_METRICS: Final[dict[str, tuple[str, Callable[[float], str]]]] = {
    "bias": ("bias", signed_percent),
    "mae": ("MAE", _cell),
    "rmse": ("RMSE", _cell),
    "spearman": ("rank", _share),
    "gini": ("Gini", _share),
    "top_decile": ("top 10 %", percent),
}
_NOTE: Final = (
    "Bias: total foreseen relative to what came. MAE, RMSE: error per customer{unit}. Rank "
    "correlation and normalised Gini: how well customers are ranked (1 is perfect). Top 10 %: "
    "share of {what} that came from the tenth of customers predicted highest."
)


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
    table, spread = comparison.table, comparison.table_se
    actual = table[f"{quantity}_actual"].max()
    rows = []
    for k, method in enumerate(table["method"]):
        if table["error"][k]:
            rows.append((method, *[NONE] * (len(_METRICS) + full)))
            continue
        cells = [significant(table[f"{quantity}_predicted"][k])] if full else []
        for metric, (_, text) in _METRICS.items():
            cell = text(table[f"{quantity}_{metric}"][k])
            error = spread[f"{quantity}_{metric}"][k]
            size = percent(error) if metric in ("bias", "top_decile") else _cell(error, 2)
            cells.append(f"{cell} ± {size}" if full and error > 1e-12 else cell)
        rows.append((method, *cells))
    what = "revenue" if quantity == "value" else "purchases"
    unit = f" in {currency}" if quantity == "value" and currency else ""
    return Table(
        title=f"Holdout of {comparison.split.horizon}: {what}, {significant(actual)} in all{unit}",
        columns=("method", *["foreseen"] * full, *(head for head, _ in _METRICS.values())),
        rows=tuple(rows),
        note=_NOTE.format(unit=unit, what=what) + " Small: standard errors." * full,
    )


def failures(comparison: HoldoutComparison) -> list[str]:
    """Methods that failed, with the reason."""
    failed = comparison.table[comparison.table["error"] != ""]
    return [f"{row.method} failed. {row.error}" for row in failed.itertuples()]


def lifetime(comparison: HoldoutComparison, currency: str = "") -> Table:
    """What each method claims the base is worth over all the future."""
    rows = []
    for row in comparison.lifetime.itertuples():
        value: Any = row
        interval = f"{money(value.lo)} to {money(value.hi)}"
        rows.append(
            (
                value.method,
                _cell(value.total),
                interval if value.lo < value.hi else NONE,
                _cell(value.per_customer),
                value.note,
            )
        )
    day = comparison.split.calibration.observation_end
    unit = f", {currency}" if currency else ""
    return Table(
        title=f"Lifetime value of the base as of {day:%Y-%m-%d}{unit}",
        columns=("method", "base", f"{percent(comparison.level)} interval", "customer", "terms"),
        rows=tuple(rows),
        words=frozenset(["terms"]),
        note=(
            "Each method on its own terms, fitted to the calibration period. No formula and no "
            "baseline knows which customers have left."
        ),
    )


def parameters(title: str, summary: "pd.DataFrame", level: float, note: str = "") -> Table:
    """Estimates with standard errors."""
    columns = ["parameter", "estimate", "s.e.", f"{percent(level)} interval"]
    means = summary.get("meaning")
    rows = []
    for k, row in enumerate(summary.itertuples()):
        value: Any = row
        interval = f"{_cell(value.lo)} to {_cell(value.hi)}"
        cells = (
            _spaced(value.parameter),
            _cell(value.estimate),
            _cell(value.se, 2),
            interval if value.lo == value.lo else NONE,
        )
        rows.append(cells if means is None else (*cells, str(means.iloc[k])))
    heads = tuple(columns) if means is None else (*columns, "meaning")
    return Table(title, heads, tuple(rows), frozenset(["meaning"]), note)


def groups(frame: "pd.DataFrame", title: str, most: int = 20) -> Table:
    """One row per group of a `group_summary`, the largest first: its customers and traits."""
    by = [str(name) for name in frame.columns[: frame.columns.get_loc("customers")]]
    meanings = frame.drop_duplicates("trait").set_index("trait")["meaning"]
    rows = []
    for labels, own in sorted(frame.groupby(by), key=lambda g: -g[1]["customers"].iloc[0])[:most]:
        cells = [
            f"{_cell(mean)} ± {_cell(sd, 2)}"
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
        [str(v) if name in words or name == "customer_id" else _cell(float(v)) for v in column]
        for name, column in columns.items()
    ]
    rest = len(frame) - len(shown)
    return Table(
        title, tuple(columns), tuple(zip(*texts, strict=True)), words,
        f"and {count(rest)} more" if rest else "",
    )  # fmt: skip

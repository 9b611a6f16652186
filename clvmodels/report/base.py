"""Tables of the customers: in segments, those at risk, and the data that they come from."""

from datetime import timedelta
from typing import Any, Final

import numpy as np

from clvmodels.data.splits import CalibrationHoldoutSplit
from clvmodels.models.spend import monetary
from clvmodels.report.framed import Column, Table, framed
from clvmodels.report.numbers import count, in_brackets, money, percent
from clvmodels.report.study import Study
from clvmodels.report.tables import CHANCE, cell, interval, share, verdict
from clvmodels.units import Horizon, TimeUnit
from clvmodels.value.clv import FittedCLV
from clvmodels.value.monitor import OVERDUE

FIRST: Final = 20
"""Customers listed on the page; the file has all."""

_ITEMS: Final = {
    "null_ids": "dropped: no customer id",
    "null_dates": "dropped: no date",
    "after_end": "left out: after the end of observation",
    "missing_amounts": "dropped: no amount",
    "zero_amounts": "dropped: amount zero",
    "refunds_dropped": "dropped: refunds",
    "merged": "merged with another purchase of the same day (hour)",
    "refunds_netted": "refunds set against purchases",
    "purchases_taken_back": "purchases wholly taken back by refunds",
    "refunds_unmatched": "customers with refunds beyond what they had bought",
    "customers_refunded": "customers dropped: fully refunded",
}


def segments(study: Study) -> Table:
    """Customers by what they are worth if alive, and by whether they are."""
    unit = in_brackets(study.currency)
    columns = [
        Column("segment", "segment"),
        Column("customers", "customers", count),
        Column("of all", "share_of_customers", percent),
        Column(f"value{unit}", "value", cell),
        Column("of all value", "share_of_value", percent),
        Column(f"each{unit}", "mean_value", cell),
        Column("mean P(alive)", "mean_p_alive", share),
        Column("who is in it", "rule", words=True),
    ]
    return framed(
        study.segments.frame, "segments", columns,
        title="Customers by lifetime value if alive, and P(alive)",
        note=(
            "Each row says what is at stake, not what an action would bring: whether a campaign "
            "keeps customers or wins them back, only an experiment tells. Top, next and last are "
            "shares of the customers who came back. One purchase cannot say who left and who buys "
            "seldom: of customers who bought once, P(alive) is what the model assumes. The segment "
            "of each customer is in segment-of-customers.csv."
        ),
    )  # fmt: skip


def equities(study: Study) -> Table:
    """What the base is worth by every model that did as well as the best one."""
    unit = in_brackets(study.currency)
    columns = [
        Column("model", "method"),
        Column(f"customer equity{unit}", "equity", cell),
        Column(f"{percent(study.level)} interval", "lo hi", interval),
    ]
    if study.equities["note"].any():
        columns.append(Column("why not", "note", words=True))
    return framed(
        study.equities, "equities", columns,
        title=f"Customer equity as of {study.as_of}, by model",
        note=(
            "The model that values the base, and every other model, fitted likewise, whose RMSE in "
            "the holdout cannot be told from the least. Each interval covers the parameters of its "
            "own model."
        ),
    )  # fmt: skip


def rivals(study: Study) -> Table:
    """How every other method differs from the model that values the base."""
    unit = f" in {study.currency}" if study.currency else ""
    frame = study.rivals.drop(columns="cutoff").assign(
        told=[
            verdict(lo, hi, "rmse")
            for lo, hi in zip(study.rivals["lo"], study.rivals["hi"], strict=True)
        ]
    )
    columns = [
        Column("method", "method"),
        Column(f"RMSE less that of {study.name}", "difference", cell),
        Column(f"{percent(study.level)} interval", "lo hi", interval),
        Column("by RMSE", "told", words=True),
    ]
    return framed(
        frame, "rivals", columns,
        title="Against the model that values the base: revenue",
        note=f"RMSE{unit}. {CHANCE.format(level=percent(study.level))}",
    )  # fmt: skip


def warnings(study: Study) -> Table:
    """Who has been silent for longer than an active customer would easily be."""
    currency = in_brackets(study.currency)
    time = f"({study.base.time_unit}s)"
    columns = [
        Column("customer", "customer_id"),
        Column("repeat purchases", "frequency", count),
        Column(f"silent {time}", "silence", cell),
        Column(f"usual interval {time}", "usual_interval", cell),
        Column("chance if active", "p_silence", share),
        Column("P(alive)", "p_alive", share),
        Column(f"worth now{currency}", "value", cell),
        Column(f"had they just bought{currency}", "value_if_recent", cell),
        Column(f"lost to silence{currency}", "value_lost_to_silence", cell),
    ]
    rest = max(0, len(study.warnings) - FIRST)
    return framed(
        study.warnings, "early-warnings", columns, most=FIRST,
        title="Early warnings: silent for longer than chance would have it, most value lost first",
        note=(
            "Chance if active: the probability that a customer who bought like this one, and is "
            f"still active, has been silent for as long; listed up to {percent(OVERDUE)}. Lost to "
            "silence: what the same customer would be expected to be worth more, were the last "
            "purchase only just made; neither a loss so far nor what a campaign would bring back. "
            "Customers who bought once have no rhythm to fall out of, and are left out. "
            f"{f'{count(rest)} more are in the file.' if rest else ''}"
        ).strip(),
    )  # fmt: skip


def rows_of_the_log(study: Study) -> Table:
    """What became of every row."""
    import pandas as pd

    reports = {"values": study.base.report, "comparison": study.comparison.split.report}
    columns = [Column("rows", "item", lambda item: _ITEMS.get(item, item.replace("_", " ")))]
    unit = in_brackets(study.currency)
    frame = pd.DataFrame({"item": reports["values"].to_frame()["item"]})
    for use, report in reports.items():
        told = report.to_frame()
        frame[use] = told["count"]
        columns.append(Column(f"behind the {use}", use, count))
        if report.amounts is not None:
            frame[f"{use}_amount"] = told["amount"]
            columns.append(Column(f"amounts behind the {use}{unit}", f"{use}_amount", cell))
    note = "Every row read is used, merged, netted or dropped for a reason that is listed."
    if len(columns) > 1 + len(reports):
        note += " Amounts are sums over rows, refunds deducted."
    return framed(
        frame, "rows-of-the-log", columns, title="What became of the rows of the log", note=note
    )


def facts(study: Study) -> Table:
    """Size, span and gaps of the data."""
    import pandas as pd

    rows = list(_facts(study))
    frame = pd.DataFrame(rows, columns=["fact", "value", "unit"])
    columns = [Column("what", "fact"), Column("how much", "value unit", _with_unit)]
    return framed(frame, "facts", columns, title="Size and span")


def advice(study: Study) -> Table:
    """What the data say about the choice of a model."""
    columns = [
        Column("question", "question", words=True),
        Column("what the data say", "finding", words=True),
        Column("what follows", "follows", words=True),
    ]
    models = ", ".join(study.advice.models)
    fitted = study.comparison.models.values()
    compared = {type(f.purchases.model).__name__ for f in fitted if isinstance(f, FittedCLV)}
    others = [m for m in study.advice.models if m.partition("(")[0] not in compared]
    unseen = f" Not part of this comparison: {', '.join(others)}." if others else ""
    return framed(
        study.advice.frame, "advice", columns,
        title="What the data say about the choice of a model",
        note=f"Setting: {study.advice.setting}. Models to try, in this order: {models}.{unseen}",
    )  # fmt: skip


def _facts(study: Study) -> list[tuple[str, Any, str]]:
    data, split = study.base, study.comparison.split
    x, m = monetary(data)
    valued, weight = x * data.weights, data.weights
    known = valued > 0
    oldest = Horizon(float(data.T.max()), data.time_unit).to(TimeUnit.DAY)
    end = data.observation_end
    dates: list[tuple[str, Any, str]] = []
    if end is not None and data.calendar is None:
        first = (end - timedelta(days=round(oldest))).date()
        dates = [("first purchase", str(first), ""), ("end of observation", study.as_of, "")]
    customers, once = data.customers(), data.customers(data.frequency == 0)
    purchases = customers + float(weight @ data.frequency)
    per_purchase = float(valued[known] @ m[known] / valued[known].sum()) if known.any() else 0.0
    longest = _longest_gap(split)
    gap = [("longest time without a repeat purchase of anybody", longest, _period(split))]
    return [
        *dates,
        ("span", oldest, "days"),
        ("customers", customers, ""),
        ("purchases, first ones included", purchases, ""),
        ("purchases per customer", purchases / customers, "mean"),
        ("customers who bought once", once, ""),
        ("share who bought once", once / customers, "share"),
        ("mean value of a repeat purchase", per_purchase, study.currency or "money"),
        *(gap if longest else []),
        ("customers who first bought in the holdout", split.newcomers, ""),
    ]


def _longest_gap(split: CalibrationHoldoutSplit) -> int:
    """Periods in a row without a repeat purchase, from the first one to the end of the holdout."""
    bought = np.flatnonzero(split.repeats)
    if not len(bought):
        return len(split.repeats)
    return int(np.diff([*bought, len(split.repeats)]).max()) - 1


def _period(split: CalibrationHoldoutSplit) -> str:
    return "hours" if split.calibration.time_unit is TimeUnit.HOUR else "days"


def _with_unit(value: Any, unit: str) -> str:
    if isinstance(value, str):
        return value
    if unit == "share":
        return percent(value)
    if unit in ("mean", "money"):
        return cell(value)
    if unit in ("", "days", "hours"):
        return f"{count(value)} {unit}".strip()
    return money(value, unit)

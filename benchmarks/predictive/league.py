"""From worlds and methods to lines."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

import clvmodels as clv
from benchmarks.predictive.worlds import World
from benchmarks.results import figure
from clvmodels.evaluation.backtest_result import Backtest
from clvmodels.evaluation.entries import Entry

COLUMNS = (
    "world", "method", "kind", "cutoffs", "quantity", "metric", "value", "se", "from_best",
    "from_best_se",
)  # fmt: skip
WORLD_COLUMNS = ("world", "what", "home", "customers", "transactions", "cutoffs", "horizon")
METRICS: Mapping[str, Sequence[str]] = {
    "purchases": (
        "bias", "mae", "rmse", "spearman", "gini", "log_score", "crps", "coverage",
        "coverage_expected",
    ),
    "value": ("bias", "rmse", "spearman", "gini"),
    "active": ("brier",),
}  # fmt: skip
NEITHER = ("coverage", "coverage_expected")  # good nor bad by themselves
ROUNDING = 1e-5  # of the metric: methods closer than that foresee the same


def judged(world: World, methods: Mapping[str, Entry], seasonal: Mapping[str, Entry]) -> Backtest:
    """All methods in one backtest; `seasonal` ones too where the log tells the seasons.

    Both halves resample the same customers, so differences between them are paired as well.
    """
    shared = {"time_unit": "week", "value": "value", **world.choices}
    found = clv.backtest(methods, world.log, world.cutoffs, world.horizon, **shared)
    if not world.seasons_until:
        return found
    calendar = clv.CalendarIndex.from_log(world.log, observation_end=world.seasons_until)
    told = clv.backtest(
        seasonal, world.log, world.cutoffs, world.horizon, calendar=calendar, **shared
    )
    return replace(found, kinds={**found.kinds, **told.kinds}, trials=found.trials + told.trials)


def lines(name: str, found: Backtest) -> list[list[str]]:
    """Metrics of each method over all cutoffs, and how far it is from the best; failures last."""
    out = []
    for quantity, metrics in METRICS.items():
        league = found.league(quantity)
        for metric in metrics:
            known = league[league[metric].notna()]
            gaps = {} if metric in NEITHER else _gaps(found, metric, quantity, known)
            for row in known.to_dict("records"):
                head = name, row["method"], row["kind"], str(row["cutoffs"]), quantity, metric
                numbers = figure(row[metric]), _error(row[f"{metric}_se"])
                out.append([*head, *numbers, *gaps.get(row["method"], ("", ""))])
    for failure in found.failures.to_dict("records"):
        method = failure["method"]
        out.append([name, method, found.kinds[method], "1", "", "failed", "", "", "", ""])
    return out


def _gaps(
    found: Backtest, metric: str, quantity: str, known: pd.DataFrame
) -> dict[str, tuple[str, str]]:
    """Difference from the best and its standard error, by method; best ones are at 0."""
    together = found.differences(metric, quantity)
    best = together["against"] if len(together) else known["method"]  # which is alone
    least = ROUNDING * known[metric].abs().max()
    gaps = {
        row["method"]: (figure(row["difference"]), _error(row["se"]))
        if abs(row["difference"]) > least
        else ("0", "")
        for row in together.to_dict("records")
    }
    return gaps | dict.fromkeys(best, ("0", ""))


def _error(value: float) -> str:
    """Two digits: a standard error of 200 resamples is good to 5 %."""
    return f"{value:.2g}"


def about(name: str, world: World, found: Backtest) -> list[str]:
    """The line of a world."""
    sizes = [len(split.calibration) for split in found.splits.values()]
    return [
        name,
        world.what,
        world.home,
        " ".join(map(str, sizes)),
        str(len(world.log)),
        " ".join(world.cutoffs),
        world.horizon,
    ]

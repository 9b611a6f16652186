"""From lines to tables: a league for each world, models at home, ranks over all worlds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

Line = Mapping[str, str]
Key = tuple[str, str]  # quantity and metric
RMSE: Key = ("purchases", "rmse")
LEAGUE: Mapping[str, Key] = {
    "RMSE": RMSE,
    "CRPS": ("purchases", "crps"),
    "bias": ("purchases", "bias"),
    "Spearman": ("purchases", "spearman"),
    "Gini": ("purchases", "gini"),
    "coverage": ("purchases", "coverage"),
    "claimed": ("purchases", "coverage_expected"),
    "Brier": ("active", "brier"),
    "RMSE of value": ("value", "rmse"),
    "bias of value": ("value", "bias"),
    "Gini of value": ("value", "gini"),
}
RANKED = tuple(name for name in LEAGUE if name not in ("coverage", "claimed"))
HIGH = ("spearman", "gini")  # is good; of all others, low
CLEAR = 2.0  # standard errors
REGRESSION, SAME_RATE = "gradient boosting, two-part", "same rate as before"
BESIDE = ("BG/NBD", "Pareto/NBD", REGRESSION, SAME_RATE)
BEST_OF = ("textbook", "heuristic")  # kinds
REFITTED = ("lifetimes ", "Bayesian ")  # in front of a model's name


@dataclass(frozen=True)
class Standings:
    """Lines, by world, method, quantity and metric."""

    lines: Mapping[tuple[str, str, str, str], Line]

    @classmethod
    def of(cls, lines: Iterable[Line]) -> "Standings":
        """All but those of failures."""
        found = {}
        for line in lines:
            if line["metric"] != "failed":
                found[line["world"], line["method"], line["quantity"], line["metric"]] = line
        return cls(found)

    @property
    def worlds(self) -> list[str]:
        """Names, in their order."""
        return list(dict.fromkeys(world for world, *_ in self.lines))

    def methods(self, world: str) -> dict[str, str]:
        """Kinds by method: the best by RMSE of purchases first, those that failed last."""
        there = [method for w, method, *key in self.lines if (w, *key) == (world, *RMSE)]
        whole = self._whole(world)
        order = sorted(there, key=lambda name: (name not in whole, self._gap(world, name, RMSE)[0]))
        return {method: self.cell(world, method, RMSE, "kind") for method in order}

    def _whole(self, world: str) -> set[str]:
        """Methods that succeeded at all cutoffs."""
        count = {m: int(line["cutoffs"]) for (w, m, *_), line in self.lines.items() if w == world}
        return {method for method, cutoffs in count.items() if cutoffs == max(count.values())}

    def cell(self, world: str, method: str, key: Key, column: str = "value") -> str:
        """A number as it is written, or nothing."""
        return self.lines.get((world, method, *key), {}).get(column, "")

    def league(self, world: str) -> tuple[list[str], list[list[str]]]:
        """Head and rows of a world's table; the gap is the RMSE beyond the best one's."""
        rows, whole = [], self._whole(world)
        for method in self.methods(world):
            gap, se = (self.cell(world, method, RMSE, c) for c in ("from_best", "from_best_se"))
            numbers = [self.cell(world, method, key) for key in LEAGUE.values()]
            told = f"{gap} ± {se}" if se else "best"
            if method not in whole:
                told = "failed at a cutoff"
            rows.append([method, numbers[0], told, *numbers[1:]])
        head = ["method", *LEAGUE]
        return [*head[:2], "beyond the best", *head[2:]], rows

    def at_home(self, homes: Mapping[str, str]) -> tuple[list[str], list[list[str]]]:
        """How far models are from the best where what they assume is so, by every metric.

        A mean, which is what models foresee, is not what makes the mean absolute error small: that
        is a median. Nor do ties in a ranking cost Spearman's correlation what they cost a user.
        """
        rows = []
        for world, home in homes.items():
            for key in dict.fromkeys((q, m) for w, name, q, m in self.lines if name == home):
                gap, se = (self.cell(world, home, key, c) for c in ("from_best", "from_best_se"))
                if not gap:
                    continue
                best = [m for m in self.methods(world) if self._gap(world, m, key)[0] == 0]
                first = home if home in best else best[0]
                beaten = "no"
                if self._clear(world, home, key):
                    own = any(_model(method) == home for method in best)
                    beaten = "by itself, fitted otherwise" if own else "yes"
                told = f"{gap} ± {se}" if se else gap
                rows.append([world, home, " of ".join(reversed(key)), first, told, beaten])
        return ["world", "at home", "metric", "best", "from the best", "beaten"], rows

    def ranks(self) -> tuple[list[str], list[list[str]]]:
        """Mean rank over worlds of the methods that are in all of them.

        Ties share their ranks; a method that failed at a cutoff shares the last ones of that world.
        """
        shared = self._shared()
        columns = {name: self._mean_ranks(shared, LEAGUE[name]) for name in RANKED}
        rows = [
            [method, *(_rank(ranks.get(method)) for ranks in columns.values())]
            for method in sorted(shared, key=lambda method: columns["RMSE"][method])
        ]
        return ["method", *columns], rows

    def _shared(self) -> set[str]:
        """Methods of all worlds."""
        return set.intersection(*(set(self.methods(world)) for world in self.worlds))

    def _mean_ranks(self, methods: set[str], key: Key) -> dict[str, float]:
        there = sorted(m for m in methods if all(self.cell(w, m, key) for w in self.worlds))
        table = []
        for world in self.worlds:
            whole = self._whole(world)
            values = np.array([float(self.cell(world, method, key)) for method in there])
            size = -values if key[1] in HIGH else np.abs(values)
            table.append(rankdata(np.where([m in whole for m in there], size, np.inf)))
        return dict(zip(there, np.mean(table, axis=0).tolist(), strict=True))

    def beside_best(self, world: str) -> list[str]:
        """The best method by RMSE of purchases, its RMSE, and by how much others' are larger.

        A difference of less than two standard errors, or of nothing in a tenth of a percent, is
        marked by a ≈.
        """
        kinds = self.methods(world)
        best = next(iter(kinds))
        of_kinds = (next((m for m in kinds if kinds[m] == kind), "") for kind in BEST_OF)
        beyond = [self._beyond(world, method) for method in (*BESIDE, *of_kinds)]
        return [best, self.cell(world, best, RMSE), *beyond]

    def _beyond(self, world: str, method: str) -> str:
        value, (gap, _) = self.cell(world, method, RMSE), self._gap(world, method, RMSE)
        if not value or gap == 0:
            return "best" if value else ""
        percent = f"{self._percent(world, method):.1f} %"
        clear = percent != "0.0 %" and self._clear(world, method, RMSE)
        return percent if clear else f"≈ {percent}"

    def in_words(self) -> str:
        """Where the regression is ahead of the models, where it is not, and the same rate."""
        known = [w for w in self.worlds if REGRESSION in self.methods(w)]
        won = [w for w in known if self._gap(w, REGRESSION, RMSE)[0] == 0]
        lost = [w for w in known if w not in won]
        nearest = {w: self._first(w, "model", "bayes") for w in won}
        told = [f"{world} ({self._behind(world, model)})" for world, model in nearest.items()]
        beyond = f"by more than {CLEAR:g} standard errors in"
        ahead = "is ahead nowhere"
        if won:
            clear = _count([self._clear(w, model, RMSE) for w, model in nearest.items()])
            ahead = f"is ahead in {' and '.join(told)}, {beyond} {clear}"
        return (
            f"{len(self._shared())} methods are in every world. Gradient boosting {ahead}; "
            f"elsewhere its error is {self._range(lost, REGRESSION)} larger than the best one's, "
            f"{beyond} {_count([self._clear(w, REGRESSION, RMSE) for w in lost])}. That of the "
            f"same rate for ever is {self._range(self.worlds, SAME_RATE)} larger."
        )

    def _first(self, world: str, *kinds: str) -> str:
        """The best method of these kinds."""
        return next(method for method, kind in self.methods(world).items() if kind in kinds)

    def _behind(self, world: str, method: str) -> str:
        gap, se = self._gap(world, method, RMSE)
        percent = f"{method} {self._percent(world, method):.1f} % behind"
        return f"{percent}, {gap / se:.1f} standard errors" if se else percent

    def _range(self, worlds: Sequence[str], method: str) -> str:
        beyond = [self._percent(world, method) for world in worlds]
        return f"{min(beyond):.1f} to {max(beyond):.1f} %"

    def _percent(self, world: str, method: str) -> float:
        """By how much a method's RMSE is larger than the best one's."""
        value, (gap, _) = float(self.cell(world, method, RMSE)), self._gap(world, method, RMSE)
        return 100 * gap / (value - gap)

    def _gap(self, world: str, method: str, key: Key) -> tuple[float, float]:
        gap, se = (self.cell(world, method, key, c) for c in ("from_best", "from_best_se"))
        return float(gap or "nan"), float(se or 0)

    def _clear(self, world: str, method: str, key: Key) -> bool:
        gap, se = self._gap(world, method, key)
        return abs(gap) > CLEAR * se


def _model(method: str) -> str:
    """The purchase model in a method's name, whatever it is fitted by and goes with."""
    for front in REFITTED:
        method = method.removeprefix(front)
    return method.partition(", ")[0]


def _count(clear: Sequence[bool]) -> str:
    return f"{sum(clear)} of {len(clear)}"


def _rank(mean: float | None) -> str:
    return "" if mean is None else f"{mean:.1f}"

"""What a backtest found, as tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, final

import numpy as np

from clvmodels._files import whole_file
from clvmodels._notebook import captioned, headed, listed
from clvmodels._typing import FloatArray
from clvmodels.data.splits import CalibrationHoldoutSplit
from clvmodels.evaluation.judging import GOALS, SAMPLES, Score
from clvmodels.evaluation.outcomes import Outcome
from clvmodels.exceptions import ParameterError
from clvmodels.units import Horizon
from clvmodels.value._sampling import normal_quantile

if TYPE_CHECKING:
    import pandas as pd

ALL: Final = "all"
_HANDFUL: Final = 5  # customers of whom too few are drawn to tell how sure a metric is
FAILED: Final = "failed"
_COLUMNS: Final = [
    "method", "kind", "cutoff", "group", "customers", "quantity", "metric", "value", "se", "note",
]  # fmt: skip
_COUNTS: Final = ("log_score", "crps", "pit_lo", "pit_hi", "lo", "hi")
_MONEY: Final = ("value_crps", "value_lo", "value_hi")
_FORESEEN: Final = [
    "method", "cutoff", "customer_id", "frequency", "predicted_purchases", "predicted_value",
    "actual_purchases", "actual_value", "p_active", *_COUNTS, *_MONEY,
]  # fmt: skip


class Trial(NamedTuple):
    """One method at one cutoff: what it foresaw and how that was judged, or why it failed."""

    method: str
    cutoff: int
    found: Outcome | None
    scores: list[Score]
    error: str


@final
@dataclass(frozen=True, eq=False, repr=False)
class Backtest:
    """How methods fared at several cutoffs; `backtest` makes it.

    Attributes
    ----------
    kinds : mapping of str to str
        Methods by name: "model", "bayes", "lifetimes", "textbook", "regression",
        "heuristic", "baseline".
    splits : mapping of Timestamp to CalibrationHoldoutSplit
        What was known on the last day of each calibration, and what came after.
    horizon : Horizon
        Length of the holdouts.
    level : float
        Probability of the intervals.
    trials : tuple of Trial
        Every method at every cutoff.
    """

    kinds: Mapping[str, str]
    splits: "Mapping[pd.Timestamp, CalibrationHoldoutSplit]"
    horizon: Horizon
    level: float
    trials: tuple[Trial, ...]

    @property
    def methods(self) -> list[str]:
        """Names of the methods."""
        return list(self.kinds)

    @property
    def cutoffs(self) -> "list[pd.Timestamp]":
        """Last days of the calibrations."""
        return list(self.splits)

    @cached_property
    def frame(self) -> "pd.DataFrame":
        """Every metric of every method, cutoff and group: a tidy table.

        Columns method, kind, cutoff (last day known), group ("all", "frequency 0" to
        "frequency 7+" by repeat purchases known at the cutoff, and a group for each value of the
        columns in `by`), customers, quantity ("purchases", "value", "active"), metric, value, se
        (customers are taken as a sample, predictions as given; NaN for fewer than 5), note. A
        method that failed has one row with the metric "failed", and the reason in its note.
        """
        import pandas as pd

        cutoffs, rows = self.cutoffs, []
        for trial in self.trials:
            head = trial.method, self.kinds[trial.method], cutoffs[trial.cutoff]
            if trial.found is None:
                size = len(self.splits[cutoffs[trial.cutoff]].calibration)
                rows.append((*head, ALL, size, "", FAILED, np.nan, np.nan, trial.error))
                continue
            note = trial.found.forecast.note
            for s in trial.scores:
                error = _spread(s.drawn, s.customers)
                own = s.group, s.customers, s.quantity, s.metric, s.value, error, note
                rows.append((*head, *own))
        return pd.DataFrame(rows, columns=_COLUMNS)

    @cached_property
    def predictions(self) -> "pd.DataFrame":
        """What each method foresaw of each customer, beside what the customer did.

        Columns method, cutoff, customer_id, frequency, predicted_purchases, predicted_value,
        actual_purchases, actual_value, p_active (probability of a purchase within the horizon),
        log_score and crps of the distribution of purchases, pit_lo and pit_hi (its probability of
        fewer purchases than came, and of no more), lo and hi (prediction interval); value_crps,
        value_lo and value_hi of the distribution of revenue. NaN where a method says nothing.
        """
        import pandas as pd

        cutoffs, parts = self.cutoffs, []
        for trial in self.trials:
            if trial.found is None:
                continue
            split = self.splits[cutoffs[trial.cutoff]]
            foreseen, counts, money = trial.found
            columns: dict[str, Any] = {
                "method": trial.method,
                "cutoff": cutoffs[trial.cutoff],
                "customer_id": split.calibration.customer_id,
                "frequency": split.calibration.frequency,
                "predicted_purchases": foreseen.purchases,
                "predicted_value": np.nan if foreseen.revenue is None else foreseen.revenue,
                "actual_purchases": split.holdout_purchases,
                "actual_value": np.nan if split.holdout_value is None else split.holdout_value,
                "p_active": np.nan if foreseen.p_active is None else foreseen.p_active,
            }
            columns |= {n: np.nan if counts is None else getattr(counts, n) for n in _COUNTS}
            columns |= {n: np.nan if money is None else getattr(money, n) for n in _MONEY}
            parts.append(pd.DataFrame(columns))
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=_FORESEEN)

    @property
    def failures(self) -> "pd.DataFrame":
        """method, cutoff and error of what failed."""
        import pandas as pd

        rows = [(t.method, self.cutoffs[t.cutoff], t.error) for t in self.trials if t.error]
        return pd.DataFrame(rows, columns=["method", "cutoff", "error"])

    def league(self, quantity: str = "purchases", group: str = ALL) -> "pd.DataFrame":
        """Metrics of each method, as means over the cutoffs.

        Parameters
        ----------
        quantity : {"purchases", "value", "active"}
        group : str
            Of customers, as in `frame`.

        Returns
        -------
        DataFrame
            One row per method: method, kind, cutoffs (at how many it succeeded), then each metric
            and its standard error, such as rmse and rmse_se. Standard errors count a customer who
            is there at several cutoffs as one. Means over other cutoffs cannot be compared: see
            `differences`. Biases of opposite sign cancel.

        Raises
        ------
        ParameterError
            If nothing was measured of that quantity or group.
        """
        import pandas as pd

        found = self._drawn(quantity, group)
        names = [name for name in GOALS if any(name in own for own in found.values())]
        rows = []
        for method, kind in self.kinds.items():
            own = found.get(method, {})
            row: dict[str, Any] = {"method": method, "kind": kind}
            row["cutoffs"] = max(map(len, own.values()), default=0)
            for name in names:
                scores = list(own.get(name, {}).values())
                value, *drawn = _together(scores) if scores else [np.nan]
                row |= {name: value, f"{name}_se": _spread(np.array(drawn), _customers(scores))}
            rows.append(row)
        return pd.DataFrame(rows)

    def differences(
        self,
        metric: str = "rmse",
        quantity: str = "purchases",
        against: str | None = None,
        group: str = ALL,
        by_cutoff: bool = False,
    ) -> "pd.DataFrame":
        """How far each method is from one of them, customer by customer the same ones.

        Parameters
        ----------
        metric, quantity, group : str
            As in `frame`. Of the bias, its distance from 0: of its mean over the cutoffs, where
            they are taken together.
        against : str, optional
            The method to compare with; the best one if not given, of those with most cutoffs.
        by_cutoff : bool
            Tell the cutoffs apart, instead of the mean over those that both methods have.

        Returns
        -------
        DataFrame
            One row per other method (and cutoff): method, against, cutoffs (how many both have; or
            cutoff), difference, se, lo, hi (normal limits at `level`). Above 0 the method has the
            larger metric. Methods are resampled together, so that what all find difficult does not
            blur what sets them apart.

        Raises
        ------
        ParameterError
            If the metric was not measured, or `against` is no method that has it.
        """
        import pandas as pd

        by_method = {
            name: own[metric] for name, own in self._drawn(quantity, group).items() if metric in own
        }
        if not by_method and any(trial.scores for trial in self.trials):
            there = self.frame[self.frame["quantity"] == quantity]["metric"]
            known = ", ".join(there.unique())
            raise ParameterError(f"No method has {metric!r} of {quantity}; there are {known}.")
        if metric in ("coverage", "coverage_expected", "width"):
            raise ParameterError(f"{metric} is neither good nor bad by itself; compare crps.")
        if against is None:
            against = _best(by_method, metric) if by_method else ""
        elif against not in by_method:
            raise ParameterError(f"{against!r} has no {metric}; use one of {', '.join(by_method)}.")
        z, rows = normal_quantile(self.level), []
        for method, own in by_method.items():
            if method == against:
                continue
            both = [(own[k], by_method[against][k], k) for k in own if k in by_method[against]]
            if by_cutoff:
                each: list[tuple[Any, list[list[Score]]]] = [
                    (self.cutoffs[k], [pair]) for *pair, k in both
                ]
            else:
                each = [(len(both), [pair for *pair, _ in both])]
            for which, pairs in each:
                value, drawn = _gap(pairs, metric) if pairs else (np.nan, np.empty(0))
                se = _spread(drawn, _customers([one for one, _ in pairs]))
                limits = (-np.inf, np.inf) if se == np.inf else (value - z * se, value + z * se)
                rows.append((method, against, which, value, se, *limits))
        over = "cutoff" if by_cutoff else "cutoffs"
        columns = ["method", "against", over, "difference", "se", "lo", "hi"]
        return pd.DataFrame(rows, columns=columns)

    def to_csv(self, path: str | Path) -> None:
        """Write `frame`; the file is there whole or not at all."""
        with whole_file(path) as file:
            self.frame.to_csv(file, index=False)

    def _drawn(self, quantity: str, group: str) -> dict[str, dict[str, dict[int, Score]]]:
        """Scores by method, metric and cutoff."""
        out: dict[str, dict[str, dict[int, Score]]] = {}
        for trial in self.trials:
            for s in trial.scores:
                if (s.quantity, s.group) == (quantity, group):
                    by_metric = out.setdefault(trial.method, {})
                    by_metric.setdefault(s.metric, {})[trial.cutoff] = s
        if not out and any(trial.scores for trial in self.trials):
            there = self.frame[self.frame["metric"] != FAILED]
            known = " and ".join(", ".join(there[c].unique()) for c in ("quantity", "group"))
            raise ParameterError(f"Nothing was measured of {quantity!r} in {group!r}: {known}.")
        return out

    def __repr__(self) -> str:
        parts = [self._title(), self._shown().to_string(index=False)]
        return "\n".join([*parts, *(f"- {line}" for line in self._failed())])

    def _repr_html_(self) -> str:
        shown = captioned(self._shown(), "Means over the cutoffs, ± standard errors")
        return headed(self._title()) + shown + listed(self._failed())

    def _title(self) -> str:
        days = ", ".join(f"{day:%Y-%m-%d}" for day in self.cutoffs)
        sizes = [len(split.calibration) for split in self.splits.values()]
        customers = f"{min(sizes):,}" + (f" to {max(sizes):,}" if min(sizes) < max(sizes) else "")
        newcomers = sum(split.newcomers for split in self.splits.values())
        text = f"Backtest of {self.horizon} after {days}: {customers} customers"
        return text + (f"; {newcomers:,} newcomers are left out" if newcomers else "")

    def _shown(self) -> "pd.DataFrame":
        """The main metrics with standard errors, as text."""
        import pandas as pd

        shown: dict[str, Any] = {"method": list(map(self._counted, self.methods))}
        measured = {score.quantity for trial in self.trials for score in trial.scores}
        for quantity, metric in (
            ("purchases", "bias"),
            ("purchases", "rmse"),
            ("purchases", "crps"),
            ("value", "bias"),
            ("value", "rmse"),
            ("value", "spearman"),
        ):
            if quantity not in measured or metric not in (table := self.league(quantity)):
                continue
            shown[f"{quantity} {metric}"] = [
                "-" if np.isnan(value) else _told(value, error)
                for value, error in zip(table[metric], table[f"{metric}_se"], strict=True)
            ]
        return pd.DataFrame(shown)

    def _counted(self, method: str) -> str:
        """The name of a method, and at how many cutoffs it succeeded if not at all."""
        own = [trial for trial in self.trials if trial.method == method]
        done = sum(not trial.error for trial in own)
        return method if done == len(own) else f"{method} ({done} of {len(own)})"

    def _failed(self) -> list[str]:
        days = self.cutoffs
        return [f"{t.method}, {days[t.cutoff]:%Y-%m-%d}: {t.error}" for t in self.trials if t.error]


def _together(scores: Sequence[Score]) -> FloatArray:
    """Mean over cutoffs of a metric, then that of every resample."""
    mean: FloatArray = np.mean([np.append(s.value, s.drawn) for s in scores], axis=0)
    return mean


def _customers(scores: Sequence[Score]) -> int:
    return max((s.customers for s in scores), default=0)


def _spread(drawn: FloatArray, customers: int) -> float:
    """Standard error from resamples; infinite where the metric is in some, NaN for a handful."""
    known = drawn[~np.isnan(drawn)]
    if customers < _HANDFUL or len(known) <= SAMPLES // 2:
        return np.nan
    if not np.isfinite(known).all():
        return np.inf
    # resampling n customers, like their variance over n, is too sure by one of them
    return float(np.std(known, ddof=1) * np.sqrt(customers / (customers - 1)))


def _gap(pairs: Sequence[Sequence[Score]], metric: str) -> tuple[float, FloatArray]:
    """What sets two methods apart, as means over cutoffs; and in every resample."""
    ones, others = (_size(_together(scores), metric) for scores in zip(*pairs, strict=True))
    with np.errstate(invalid="ignore"):  # infinite both: no difference
        gaps = np.where(ones == others, 0.0, ones - others)
    return float(gaps[0]), gaps[1:]


def _told(value: float, error: float) -> str:
    digits = 3 if abs(value) < 10 else 1
    return f"{value:,.{digits}f} ± {error:,.{digits}f}"


def _size(values: Any, metric: str) -> Any:
    """The metric, or its distance from 0 where that is the goal."""
    return np.abs(values) if GOALS[metric] == "zero" else values


def _best(by_method: Mapping[str, Mapping[int, Score]], metric: str) -> str:
    """The best of the methods that succeeded most often."""
    most = max(map(len, by_method.values()))
    means = {
        name: np.mean([s.value for s in own.values()])
        for name, own in by_method.items()
        if len(own) == most
    }
    sign = -1 if GOALS[metric] == "high" else 1
    return min(means, key=lambda name: sign * _size(means[name], metric))

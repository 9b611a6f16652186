"""Every method, at every one of several days in the past, judged by what came after."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from clvmodels._cores import usable_cores
from clvmodels._numbers import whole_number
from clvmodels._typing import IntArray
from clvmodels.bayes.nuts import shows_progress
from clvmodels.data.calendar import CalendarIndex
from clvmodels.data.conventions import (
    Conventions,
    MissingKeys,
    MissingValue,
    Moment,
    Refunds,
    ZeroValue,
)
from clvmodels.data.folds import Fold, rolling_splits
from clvmodels.data.splits import CalibrationHoldoutSplit
from clvmodels.evaluation.backtest_result import Backtest, Trial
from clvmodels.evaluation.entries import Entry, kind_of, learns, named, purchases_of
from clvmodels.evaluation.judging import Grouping, groupings_of, judge
from clvmodels.evaluation.kept_work import can_travel, kept_outcome, key_of, prepare
from clvmodels.evaluation.outcomes import Outcome, outcome
from clvmodels.exceptions import ParameterError
from clvmodels.models.fitted import check_level
from clvmodels.units import Horizon, HorizonLike, TimeUnit

if TYPE_CHECKING:
    import pandas as pd

_PATIENCE: Final = 3.0  # seconds of work that starting further processes would not shorten


def backtest(
    models: Mapping[str, Entry] | Iterable[Entry],
    transactions: Any,
    cutoffs: Iterable[Moment],
    horizon: HorizonLike,
    *,
    time_unit: TimeUnit | str,
    customer_id: str = "customer_id",
    date: str = "date",
    value: str | None = None,
    date_format: str | None = None,
    time_zone: str | None = None,
    refunds: Refunds = "error",
    zero_value: ZeroValue = "keep",
    missing_value: MissingValue = "error",
    missing_keys: MissingKeys = "drop",
    include_first_value: bool = False,
    calendar: CalendarIndex | None = None,
    keep: Sequence[str] = (),
    by: Sequence[str] = (),
    level: float = 0.9,
    seed: int = 0,
    jobs: int | None = None,
    resume: str | Path | None = None,
    progress: bool | None = None,
) -> Backtest:
    """Judge methods by what customers did after each of several days.

    At each cutoff the summary is made anew from the log before it, every method is fitted to that
    and foresees the holdout, and every customer known at the cutoff is counted, those who never
    came back included; customers who came later are counted as newcomers and left out. Money is
    revenue, as in `compare_holdout`.

    A method that fails at a cutoff is listed with the reason, and the others go on; what it warns
    of is in its note. A method that is not part of this package is fitted once more, to the same
    histories under other customer ids: if it foresees something else then, it knows more than the
    histories, and fails.

    Parameters
    ----------
    models : mapping of str to method, or list of methods
        Unfitted: a purchase model, a `CLVModel`, a pair of one of them and a method such as
        ``Laplace()`` or ``Lifetimes()``, a `TextbookModel`, a baseline or heuristic, a regression
        on RFM features, anything with their ``fit(rfm).predict(rfm, horizon, level=)``.
        `default_models` gives the usual league.
    transactions : pandas, polars or Arrow table, Ibis table, or path
        The log, as for `rfm_summary`.
    cutoffs : iterable of date, datetime or str
        Last days of the calibrations.
    horizon : Horizon or str
        Length of every holdout, such as "39 weeks"; the log must cover the last one.
    time_unit, customer_id, date, value, date_format, time_zone, refunds, zero_value, \
missing_value, missing_keys, include_first_value, calendar, keep
        As for `rfm_summary`.
        What is kept must have been known at every cutoff: a column worked out from the whole log
        tells methods of the holdout.
    by : sequence of str
        Columns of the log by whose values the metrics are told apart too, such as a segment;
        customers without a value belong to no group.
    level : float
        Probability of the prediction intervals, and of those of differences.
    seed : int
        Of the resampling of customers that standard errors come from.
    jobs : int, optional
        Processes to work in; as many as there are cores (up to 8) if not given. Others than the
        first are started when a method is done and three seconds have gone by.
    resume : str or Path, optional
        A folder in which finished work is kept: call again with it after an interruption, or with
        another method, and only what is missing is done. A method of your own is done anew when
        its module has changed, though not when only what it imports has. The folder is joblib's
        cache: use one of your own, which nobody else writes to, and delete it when you are done.
    progress : bool, optional
        Show a bar; in notebooks and terminals if not given.

    Returns
    -------
    Backtest

    Raises
    ------
    ParameterError
        If there is no method, two have the same name, one has been fitted already, or `resume`
        cannot be a folder.
    DataError
        If a cutoff lies outside the log, or the log does not cover its holdout.

    References
    ----------
    Tashman (2000), Out-of-sample tests of forecasting accuracy: an analysis and review,
    International Journal of Forecasting 16(4), 437-450, for rolling origins.

    Examples
    --------
    >>> import clvmodels as clv
    >>> log = clv.datasets.load_cdnow(sample=True)
    >>> found = clv.backtest([clv.BetaGeoModel(), clv.NBDModel()], log, ["1997-09-30"], "39 weeks",
    ...                      time_unit="week")
    >>> found.league()[["method", "mae", "rmse"]].round(3).to_numpy().tolist()
    [['BG/NBD', 0.785, 1.608], ['NBD', 1.041, 1.86]]
    """
    entries, length = named(models), Horizon.parse(horizon)
    check_level(level)
    whole_number("seed", seed, 0)
    workers = usable_cores() if jobs is None else whole_number("jobs", jobs, 1)
    if isinstance(by, str):
        raise ParameterError(f"by takes a list of column names, got {by!r}.")
    conventions = Conventions(
        time_unit=TimeUnit.parse(time_unit),
        customer_id=customer_id,
        date=date,
        value=value,
        date_format=date_format,
        time_zone=time_zone,
        refunds=refunds,
        zero_value=zero_value,
        missing_value=missing_value,
        missing_keys=missing_keys,
        include_first_value=include_first_value,
        litt=any(getattr(purchases_of(entry), "timed", False) for entry in entries.values()),
        calendar=calendar,
        keep=tuple(dict.fromkeys([*keep, *by])),
    )
    earlier = any(learns(entry) for entry in entries.values())
    folds = rolling_splits(transactions, conventions, cutoffs, length, earlier=earlier)
    folder = None if resume is None else prepare(resume)
    tasks = _tasks(entries, folds, tuple(by), level, seed, folder)
    done = {(t.method, t.cutoff): t for t in _shown(_work(tasks, workers), len(tasks), progress)}
    splits = [fold.split for fold in folds]
    return Backtest(
        kinds={name: kind_of(entry) for name, entry in entries.items()},
        splits={_day(split): split for split in splits},
        horizon=splits[0].horizon,
        level=level,
        trials=tuple(done[name, k] for name in entries for k in range(len(folds))),
    )


class _Task(NamedTuple):
    """One method at one cutoff, and how to judge it; kept in a folder, if there is one."""

    method: str
    cutoff: int
    entry: Entry
    fold: Fold
    level: float
    groupings: Sequence[Grouping]
    place: IntArray
    customers: int
    seed: int
    folder: Path | None

    def run(self) -> Trial:
        """Fit, foresee and judge."""
        try:
            found = self._outcome()
            scores = judge(
                found, self.fold.split, self.groupings, self.place, self.customers, self.seed
            )
        except Exception as error:  # whatever a method raises, the others are still wanted
            return self.failed(error)
        return Trial(self.method, self.cutoff, found, scores, "")

    def failed(self, error: Exception) -> Trial:
        """What is left of it."""
        return Trial(self.method, self.cutoff, None, [], f"{type(error).__name__}: {error}")

    def _outcome(self) -> Outcome:
        key = None if self.folder is None else key_of(self.entry, self.fold, self.level)
        entry = _copied(self.entry)
        if self.folder is None:
            return outcome(entry, self.fold, self.level)
        if key is not None:
            return kept_outcome(self.folder, key, entry, self.fold, self.level)
        found = outcome(entry, self.fold, self.level)
        note = f"{found.forecast.note} Not kept in the folder: it cannot be pickled.".strip()
        return found._replace(forecast=found.forecast._replace(note=note))


def _copied(entry: Entry) -> Entry:
    """A copy, since what one cutoff leaves in a method is nothing to the next."""
    try:
        return deepcopy(entry)
    except Exception:  # what holds a lock or a connection cannot be copied
        return entry


def _tasks(
    entries: Mapping[str, Entry],
    folds: Sequence[Fold],
    by: tuple[str, ...],
    level: float,
    seed: int,
    folder: Path | None,
) -> list[_Task]:
    import pandas as pd

    ids = [pd.Index(fold.split.calibration.customer_id) for fold in folds]
    everybody = ids[0].append(ids[1:]).unique()
    out = []
    for k, fold in enumerate(folds):
        place = everybody.get_indexer(ids[k]).astype(np.int64)
        groupings = groupings_of(fold.split, by)
        out += [
            _Task(name, k, entry, fold, level, groupings, place, len(everybody), seed, folder)
            for name, entry in entries.items()
        ]
    return out


def _work(tasks: Sequence[_Task], workers: int) -> Iterator[Trial]:
    """Results as they come: from this process, and from others where the work is long."""
    rest, start = list(tasks), time.monotonic()
    while rest and (workers == 1 or time.monotonic() - start <= _PATIENCE):
        yield rest.pop(0).run()
    yield from _in_processes([task for task in rest if can_travel(task.entry)], workers)
    for task in rest:
        if not can_travel(task.entry):
            yield task.run()


def _in_processes(tasks: Sequence[_Task], workers: int) -> Iterator[Trial]:
    if not tasks:
        return
    from joblib import Parallel, delayed

    waiting = {(task.method, task.cutoff): task for task in tasks}
    pool = Parallel(workers, return_as="generator_unordered")
    try:
        for trial in pool(delayed(_Task.run)(task) for task in tasks):
            del waiting[trial.method, trial.cutoff]
            yield trial
    except Exception as error:  # a process has died, out of memory perhaps
        yield from (task.failed(error) for task in waiting.values())


def _shown(trials: Iterable[Trial], count: int, progress: bool | None) -> Iterator[Trial]:
    from rich.progress import track

    shown = shows_progress(progress)
    yield from track(trials, "Backtesting", total=count, disable=not shown)


def _day(split: CalibrationHoldoutSplit) -> "pd.Timestamp":
    import pandas as pd

    end = split.calibration.observation_end
    assert end is not None  # a summary of a log has one
    return pd.Timestamp(end)

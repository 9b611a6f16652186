"""From options to data: the log, its summary, its split."""

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clvmodels.cli.options import LogOptions
from clvmodels.exceptions import DataError, ParameterError, UnitError

if TYPE_CHECKING:
    import pandas as pd

    from clvmodels.data.splits import CalibrationHoldoutSplit
    from clvmodels.data.summary import RFMSummary
    from clvmodels.evaluation.recommend import Recommendation
    from clvmodels.units import Horizon, TimeUnit

CDNOW: Final = "cdnow"
_SUMMARY: Final = ("frequency", "recency", "T")
_TIME_UNIT: Final = "time_unit"
_POLICIES: Final = ("refunds", "zero_value", "missing_value")
_SAY_SOMETHING: Final = {"path", "customer_id", "time_unit"}  # about a summary


def open_log(log: LogOptions) -> tuple[Any, LogOptions]:
    """The log, and options whose column of amounts and time unit are settled."""
    log = replace(log, time_unit=log.time_unit or "week")
    if log.path == CDNOW:
        from clvmodels.data.datasets import load_cdnow

        frame = load_cdnow()
        return frame, replace(log, value=log.value or "value")
    if log.value is None and "value" in _columns(log.path):
        return log.path, replace(log, value="value")
    return log.path, log


def name_of(log: LogOptions) -> str:
    """What to call the log."""
    return "CDNOW" if log.path == CDNOW else Path(log.path).name


def currency_of(log: LogOptions) -> str:
    """Currency of the amounts, where it is known."""
    return "US$" if log.path == CDNOW else ""


def summarize(
    transactions: Any, log: LogOptions, *, litt: bool = False, keep: Sequence[str] = ()
) -> "RFMSummary":
    """Summary of a log, if asked for with the logs of the times between purchases.

    `keep` names columns that are the same in all of a customer's rows, to have them too.
    """
    from clvmodels.data.transactions import rfm_summary

    how = conventions(log)
    return rfm_summary(
        transactions, observation_end=log.observation_end, litt=litt, keep=keep, **how
    )


def read_customers(
    log: LogOptions, *, litt: bool = False, keep: Sequence[str] = ()
) -> "RFMSummary":
    """Summary of a log with its columns to `keep`, or a summary written earlier with all of its.

    Raises
    ------
    DataError
        If the file cannot be read, or is a summary without the litt that is asked for.
    """
    if not is_summary(log):
        return summarize(*open_log(log), litt=litt, keep=keep)
    from clvmodels.data.summary import RFMSummary

    for option in fields(log):
        if option.name not in _SAY_SOMETHING and getattr(log, option.name) != option.default:
            raise ParameterError(
                f"{log.path} is a summary, about which {option.name}= says nothing. Leave it out, "
                "or give the log."
            )
    frame = _read_summary(log.path)
    if log.customer_id not in frame:
        raise DataError(f"{log.path} has no column {log.customer_id!r}; name it with customer_id=.")
    if litt and "litt" not in frame:
        raise DataError(
            f"{log.path} has no column 'litt', by which the model sees how regular purchases are. "
            "Write the summary with summarize --litt, or give the log."
        )
    unit = _unit_of(frame, log)
    frame = frame.drop(columns=_TIME_UNIT, errors="ignore")
    return RFMSummary.from_frame(
        frame.rename(columns={log.customer_id: "customer_id"}), time_unit=unit
    )


def advise(log: LogOptions) -> "Recommendation":
    """Which models suit a log, or a summary written earlier.

    Raises
    ------
    DataError
        If the file cannot be read.
    ParameterError
        If a policy about amounts is given.
    """
    from clvmodels.evaluation.recommend import recommend

    if is_summary(log):
        return recommend(read_customers(log))
    for policy in _POLICIES:
        if getattr(log, policy) != getattr(LogOptions, policy):
            raise ParameterError(
                f"recommend leaves out refunds and rows without an amount. Use {policy}= with "
                "summarize, and give recommend the summary."
            )
    transactions, log = open_log(log)
    how = {name: told for name, told in conventions(log).items() if name not in _POLICIES}
    return recommend(transactions, observation_end=log.observation_end, **how)


def is_summary(log: LogOptions) -> bool:
    """Whether the file is a summary written earlier."""
    return set(_SUMMARY).issubset(_columns(log.path))


def with_unit(data: "RFMSummary") -> "pd.DataFrame":
    """The table of a summary, with a column that says in which unit its ages are."""
    return data.to_pandas().assign(**{_TIME_UNIT: str(data.time_unit)})


def _unit_of(frame: "pd.DataFrame", log: LogOptions) -> "TimeUnit":
    """The unit that a summary says, or else the one given."""
    from clvmodels.units import TimeUnit

    given = None if log.time_unit is None else TimeUnit.parse(log.time_unit)
    if _TIME_UNIT not in frame:
        if given is None:
            raise UnitError(
                f"{log.path} has no column {_TIME_UNIT!r}: say in which unit its ages are, such as "
                "time_unit='week'."
            )
        return given
    said = {TimeUnit.parse(unit) for unit in frame[_TIME_UNIT].unique()}
    if not said:
        raise DataError(f"{log.path} is empty: it has no rows.")
    if len(said) > 1:
        raise UnitError(f"{log.path} mixes time units: {', '.join(sorted(said))}. Give it one.")
    unit = said.pop()
    if given not in (None, unit):
        raise UnitError(f"The ages in {log.path} are in {unit}s: time_unit='{given}' disagrees.")
    return unit


def _read_summary(path: str) -> "pd.DataFrame":
    import duckdb
    import pandas as pd

    try:
        if _is_parquet(path):
            return pd.read_parquet(path)
        if _is_json(path):
            return pd.DataFrame(_json_rows(path))
        with duckdb.connect() as engine:  # reads ids as it does those of a log: 007 is no 7
            # types by all rows: by the first ones alone, a late 5.5 would be 6 among whole numbers
            frame: pd.DataFrame = engine.read_csv(path, header=True, sample_size=-1).df()
            return frame
    except (OSError, ValueError, duckdb.Error) as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), "")
        raise DataError(f"Cannot read {path}: {reason}") from None


def split(
    transactions: Any,
    log: LogOptions,
    base: "RFMSummary",
    cutoff: str | None,
    horizon: str | None,
) -> "CalibrationHoldoutSplit":
    """Split a log with amounts at a cutoff, or in the middle of the time its summary covers.

    Raises
    ------
    DataError
        If the log has no amounts, or as `calibration_holdout_split` does.
    """
    from clvmodels.data.splits import calibration_holdout_split
    from clvmodels.units import Horizon, TimeUnit

    if base.monetary_value is None:
        raise DataError(f"{log.path} has no column 'value' of amounts; name yours with value=.")
    end = base.observation_end
    assert end is not None  # a summary of a log has one
    oldest = Horizon(float(base.T.max()), base.time_unit)
    # the middle is the end of its first half: the last day (hour) that the methods see
    if base.time_unit is TimeUnit.HOUR:
        last: date = end + timedelta(hours=1, microseconds=-1)
        middle: date = last - timedelta(hours=(round(oldest.to("hour")) + 1) // 2)
    else:
        middle = (end - timedelta(days=(round(oldest.to("day")) + 1) // 2)).date()
        last = end.date()
    return calibration_holdout_split(
        transactions,
        cutoff=middle if cutoff is None else cutoff,
        horizon=horizon,
        holdout_end=(log.observation_end or last) if horizon is None else None,
        **conventions(log),
    )


def origins(
    base: "RFMSummary",
    log: LogOptions,
    cutoffs: Sequence[str],
    count: int,
    horizon: str | None,
) -> tuple[Sequence[str], "Horizon"]:
    """Cutoffs of a backtest and the length of its holdouts, the last of which ends with the log.

    Without a horizon: a quarter of the time that the log covers, or what follows the last of the
    `cutoffs` given. Without cutoffs: so many, from half of what lies before the last one to it.

    Raises
    ------
    DataError
        If the log is too short for that, or a cutoff cannot be read.
    """
    from clvmodels.data.conventions import ObservationEnd
    from clvmodels.units import Horizon, TimeUnit

    period = TimeUnit.HOUR if base.time_unit is TimeUnit.HOUR else TimeUnit.DAY
    step = timedelta(days=period.days)
    assert base.observation_end is not None  # a summary of a log has one
    end = base.observation_end
    oldest = Horizon(float(base.T.max()), base.time_unit)
    if horizon is not None:
        length = Horizon.parse(horizon)
    elif cutoffs:
        days = [ObservationEnd.parse(text, period, log.time_zone).period for text in cutoffs]
        length = Horizon(max((end - max(days)) // step, 1), period)
    else:
        length = Horizon(max(oldest.length // 4, 1), base.time_unit)
    if cutoffs:
        return cutoffs, length
    ahead, span = round(length.to(period)), round(oldest.to(period))
    known = span - ahead
    back = [round(known / 2 * k / max(count - 1, 1)) for k in reversed(range(count))]
    if known < 2 or len(set(back)) < count:
        raise DataError(
            f"The log covers {span:,} {period}s: too few for {count} cutoffs with holdouts of "
            f"{length}. Give a shorter horizon=, or fewer cutoffs."
        )
    last = end + (step - timedelta(microseconds=1) if period is TimeUnit.HOUR else timedelta())
    moments = [last - (ahead + k) * step for k in back]
    if period is TimeUnit.HOUR:
        return [moment.isoformat() for moment in moments], length
    return [f"{moment:%Y-%m-%d}" for moment in moments], length


def conventions(log: LogOptions) -> dict[str, Any]:
    """How the log is read, as keyword arguments."""
    names = ("customer_id", "date", "value", "date_format", "time_zone", "time_unit", *_POLICIES)
    return {name: getattr(log, name) for name in names}


def _json_rows(path: str) -> list[dict[str, Any]]:
    """Rows of a JSON file; none where it holds something else."""
    rows = json.loads(Path(path).read_text(encoding="utf-8"))
    return rows if isinstance(rows, list) and all(isinstance(r, dict) for r in rows) else []


def _is_json(path: str) -> bool:
    return path.lower().endswith(".json")


def _is_parquet(path: str) -> bool:
    return path.lower().endswith((".parquet", ".pq"))


def _columns(path: str) -> Sequence[str]:
    """Names of the columns of a file; none where it cannot be read, which the reader will tell."""
    if not Path(path).is_file():
        return ()
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if _is_parquet(path):
            return list(pq.read_schema(path).names)
        if _is_json(path):
            return list(next(iter(_json_rows(path)), {}))
        return list(map(str, pd.read_csv(path, nrows=0).columns))
    except (OSError, ValueError, pa.ArrowException):
        return ()

"""From options to data: the log, its summary, its split."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clvmodels.cli.options import LogOptions
from clvmodels.exceptions import DataError

if TYPE_CHECKING:
    from clvmodels.data.splits import CalibrationHoldoutSplit
    from clvmodels.data.summary import RFMSummary

CDNOW: Final = "cdnow"
_SUMMARY: Final = {"frequency", "recency", "T"}


def open_log(log: LogOptions) -> tuple[Any, LogOptions]:
    """The log, and options whose column of amounts is settled."""
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


def summarize(transactions: Any, log: LogOptions) -> "RFMSummary":
    """Summary of a log."""
    from clvmodels.data.transactions import rfm_summary

    return rfm_summary(transactions, observation_end=log.observation_end, **_conventions(log))


def read_customers(log: LogOptions) -> "RFMSummary":
    """Summary of a log, or a summary written earlier.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    if not _SUMMARY.issubset(_columns(log.path)):
        return summarize(*open_log(log))
    import pandas as pd

    from clvmodels.data.summary import RFMSummary

    read = pd.read_parquet if _is_parquet(log.path) else pd.read_csv
    try:
        frame = read(log.path)
    except (OSError, ValueError) as error:
        raise DataError(f"Cannot read {log.path}: {error}") from None
    if log.customer_id not in frame:
        raise DataError(f"{log.path} has no column {log.customer_id!r}; name it with customer_id=.")
    return RFMSummary.from_frame(
        frame.rename(columns={log.customer_id: "customer_id"}), time_unit=log.time_unit
    )


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
        **_conventions(log),
    )


def _conventions(log: LogOptions) -> dict[str, Any]:
    names = (
        "customer_id", "date", "value", "date_format", "time_zone", "time_unit", "refunds",
        "zero_value", "missing_value",
    )  # fmt: skip
    return {name: getattr(log, name) for name in names}


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
        return list(map(str, pd.read_csv(path, nrows=0).columns))
    except (OSError, ValueError, pa.ArrowException):
        return ()

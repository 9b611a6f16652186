"""From a log to a summary and to a holdout."""

import pickle
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import pandas as pd

import clvmodels as clv
from benchmarks.accuracy.case import (
    LIFETIMES,
    PYMC_MARKETING,
    Answer,
    Case,
    answered,
    answers,
    is_error,
)
from benchmarks.accuracy.fitting import cdnow
from benchmarks.peers import Peer

Columns = tuple[str, str, str]
NAMES: Columns = ("customer_id", "date", "value")


class Log(NamedTuple):
    """A short log, how each package is asked to summarise it, and what the summary must say."""

    what: str
    rows: list[tuple[Any, ...]]
    ours: Mapping[str, Any]
    theirs: Mapping[str, Any]
    said: Callable[[Any], Answer]
    truth: Answer
    known_by: str
    reference: str = ""
    right: Callable[[Answer], bool] | None = None


def _xtm(frame: Any) -> str:
    row = frame.iloc[0]
    return f"x {row.frequency:g}, t_x {row.recency:g}, T {row['T']:g}, m {row.monetary_value:g}"


def _x(frame: Any) -> float:
    return float(frame["frequency"].iloc[0])


def _m(frame: Any) -> float:
    return float(frame["monetary_value"].iloc[0])


LOGS = (
    Log(
        "summary of dates given as text with a pattern",
        [(1, "11/01/2025", 50.0), (1, "12/20/2025", 60.0), (1, "01/15/2026", 70.0)],
        {"date_format": "%m/%d/%Y"},
        {"datetime_format": "%m/%d/%Y"},
        _xtm,
        "x 2, t_x 75, T 75, m 65",
        "counting days",
        f"{PYMC_MARKETING}2744",
    ),
    Log(
        "summary up to 09:00 of a day with a purchase at 18:00: repeat purchases",
        [(1, "2024-01-01 10:00", 50.0), (1, "2024-01-05 18:00", 60.0)],
        {"observation_end": "2024-01-05 09:00"},
        {"observation_period_end": "2024-01-05 09:00"},
        _x,
        0.0,
        "the purchase came later",
    ),
    Log(
        "summary with an amount that is missing: mean repeat spend",
        [(1, "2024-01-01", 50.0), (1, "2024-01-05", None)],
        {},
        {},
        _m,
        "an error, or a missing mean",
        "0.00 is an amount, a missing one is none",
        "",
        lambda value: is_error(value) or value != value,
    ),
    Log(
        "summary of a purchase that was refunded whole: repeat purchases",
        [(1, "2024-01-01", 100.0), (1, "2024-02-01", 50.0), (1, "2024-02-10", -50.0)],
        {"refunds": "net"},
        {},
        _x,
        0.0,
        "one purchase, one taken back",
        "UCI Online Retail II (https://doi.org/10.24432/C5CG6D) has a log with such rows",
    ),
)


def summaries(peers: Mapping[str, Peer]) -> Iterator[Case]:
    """Each log, asked of all."""
    return (_summary(peers, log) for log in LOGS)


def _summary(peers: Mapping[str, Peer], log: Log) -> Case:
    frame = pd.DataFrame(log.rows, columns=list(NAMES))
    if "date_format" not in log.ours:
        frame["date"] = pd.to_datetime(frame["date"])

    def ours() -> Answer:
        found = clv.rfm_summary(frame, value="value", time_unit="day", **log.ours)
        return log.said(found.to_pandas())

    return Case(
        log.what,
        log.truth,
        log.known_by,
        answered(ours),
        answers(
            peers,
            {
                "lifetimes": lambda: log.said(_lifetimes(frame, **log.theirs)),
                "PyMC-Marketing": lambda: log.said(_pymc(frame, **log.theirs)),
            },
        ),
        log.reference,
        log.right,
    )


def months(peers: Mapping[str, Peer]) -> Iterator[Case]:
    """Months as a unit of time."""
    frame = pd.DataFrame(
        [(1, "2024-01-15", 50.0), (1, "2024-03-15", 60.0), (1, "2024-04-15", 60.0)],
        columns=list(NAMES),
    )
    frame["date"] = pd.to_datetime(frame["date"])
    yield Case(
        "summary in months: repeat purchases",
        2.0,
        "counting",
        answered(lambda: _x(clv.rfm_summary(frame, value="value", time_unit="month").to_pandas())),
        answers(
            peers,
            {
                "lifetimes": lambda: _x(_lifetimes(frame, freq="M")),
                "PyMC-Marketing": lambda: _x(_pymc(frame, time_unit="M")),
            },
        ),
        f"{PYMC_MARKETING}987",
    )


def holdouts(peers: Mapping[str, Peer]) -> Iterator[Case]:
    """Splits of a log in two."""
    rows = [
        ("2024-01-01", 10.0), ("2024-01-10", 10.0), ("2024-01-20", 10.0), ("2024-03-01", 10.0),
        ("2024-03-01", 20.0), ("2024-03-15", 30.0),
    ]  # fmt: skip
    log = pd.DataFrame([(1, *row) for row in rows], columns=list(NAMES))
    log["date"] = pd.to_datetime(log["date"])
    newcomer = pd.DataFrame([(2, pd.Timestamp("2024-03-05"), 25.0)], columns=list(NAMES))
    both = pd.concat([log, newcomer], ignore_index=True)

    def ours(rows: Any) -> Any:
        return clv.calibration_holdout_split(
            rows, cutoff="2024-02-01", holdout_end="2024-04-01", time_unit="day", value="value"
        )

    def mean() -> float:
        row = ours(log).holdout.iloc[0]
        return float(row.value / row.purchases)

    yield Case(
        "holdout of two line items on one day (10 and 20) and one of 30: mean value of a purchase",
        30.0,
        "two purchases of 30",
        answered(mean),
        answers(
            peers,
            {
                "lifetimes": lambda: float(_split(log)["monetary_value_holdout"].iloc[0]),
                "PyMC-Marketing": lambda: float(_pymc_split(log)["test_monetary_value"].iloc[0]),
            },
        ),
        f"{LIFETIMES}371",
    )
    yield Case(
        "customers who first buy in the holdout",
        "1 counted",
        "one of the two customers",
        answered(lambda: f"{ours(both).newcomers} counted"),
        answers(
            peers,
            {
                "lifetimes": lambda: _told(_split(both)),
                "PyMC-Marketing": lambda: _told(_pymc_split(both)),
            },
        ),
        f"{LIFETIMES}310",
    )


def storage(peers: Mapping[str, Peer]) -> Iterator[Case]:
    """A fit that goes to another process."""
    data = cdnow()
    yield Case(
        "pickle of a BG/NBD fit to CDNOW",
        "comes back",
        "what other Python objects do",
        answered(lambda: _returned(clv.BetaGeoModel().fit(data))),
        answers(
            peers,
            {
                "lifetimes": lambda: _returned(peers["lifetimes"].fit("BetaGeoModel", data).fitter),
                "PyMC-Marketing": lambda: _returned(
                    peers["PyMC-Marketing"].fit("BetaGeoModel", data).model
                ),
            },
        ),
        f"{LIFETIMES}97",
    )


def _told(split: Any) -> str:
    more = len(split) - 1
    return f"{more} counted" if more else "left out without a word"


def _returned(fit: Any) -> str:
    pickle.loads(pickle.dumps(fit))
    return "comes back"


def _lifetimes(frame: Any, **options: Any) -> Any:
    from lifetimes.utils import summary_data_from_transaction_data

    return summary_data_from_transaction_data(frame, *NAMES, **options)


def _pymc(frame: Any, **options: Any) -> Any:
    from pymc_marketing.clv.utils import rfm_summary

    return rfm_summary(frame, *NAMES, **options)


def _split(frame: Any, cutoff: str = "2024-02-01", end: str = "2024-04-01", **options: Any) -> Any:
    from lifetimes.utils import calibration_and_holdout_data

    return calibration_and_holdout_data(
        frame, "customer_id", "date", cutoff, observation_period_end=end,
        monetary_value_col="value", **options,
    )  # fmt: skip


def _pymc_split(
    frame: Any, cutoff: str = "2024-02-01", end: str = "2024-04-01", **options: Any
) -> Any:
    from pymc_marketing.clv.utils import rfm_train_test_split

    return rfm_train_test_split(
        frame, "customer_id", "date", cutoff, test_period_end=end,
        monetary_value_col="value", **options,
    )  # fmt: skip

"""What a backtest has done so far, kept in a folder, so that it goes on after an interruption."""

import inspect
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import numpy as np

from clvmodels._version import __version__
from clvmodels.data.folds import Fold
from clvmodels.evaluation.entries import Entry, is_own, learns, model_of
from clvmodels.evaluation.outcomes import Outcome, outcome
from clvmodels.exceptions import ParameterError

_PACKAGES: Final = ("numpy", "scipy", "numba", "lifetimes", "pymc", "nutpie", "scikit-learn")


def prepare(folder: str | Path) -> Path:
    """The folder, made if it is not there.

    Raises
    ------
    ParameterError
        If it cannot be.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ParameterError(f"resume={str(folder)!r} cannot be a folder: {error}.") from None
    return Path(folder)


def key_of(entry: Entry, fold: Fold, level: float) -> str | None:
    """What tells a piece of work from all others; None where a method cannot be told from others.

    A method of the user's own goes in with its code as it is now.
    """
    import joblib

    try:
        method = entry if is_own(entry) and not learns(entry) else _with_its_code(entry)
        key: str = joblib.hash([method, _fingerprint(fold), level, _versions()])
    except Exception:  # there is no end to what pickling may raise
        return None
    return key


def can_travel(entry: Entry) -> bool:
    """Whether a method can be sent to another process."""
    import cloudpickle

    try:
        cloudpickle.dumps(entry)
    except Exception:  # there is no end to what pickling may raise
        return False
    return True


def kept_outcome(folder: Path, key: str, entry: Entry, fold: Fold, level: float) -> Outcome:
    """What was kept under the key, or done now and kept."""
    from joblib import Memory

    ignored = ["entry", "fold", "level"]  # the key knows them
    found: Outcome = Memory(folder, verbose=0).cache(_work, ignore=ignored)(key, entry, fold, level)
    return found


def _work(key: str, entry: Entry, fold: Fold, level: float) -> Outcome:
    return outcome(entry, fold, level)


def _with_its_code(entry: Entry) -> tuple[bytes, str]:
    """A method by value if it was typed into a notebook, else with the text of its module."""
    import cloudpickle

    module = sys.modules.get(type(model_of(entry)).__module__)
    try:
        text = inspect.getsource(module) if module is not None else ""
    except (OSError, TypeError):  # a notebook has no file
        text = ""
    return cloudpickle.dumps(entry), text


def _fingerprint(fold: Fold) -> list[Any]:
    """What tells folds apart; amounts to seven digits, since engines add them up in any order."""
    out: list[Any] = []
    for split in fold:
        if split is None:
            continue
        data = split.calibration
        amounts = data.monetary_value, data.litt, split.holdout_value
        out += [None if values is None else values.astype(np.float32) for values in amounts]
        out += [data.customer_id, data.frequency, data.recency, data.T, dict(data.columns)]
        out += [data.time_unit, data.observation_end, data.time_zone, data.calendar]
        out += [split.horizon, split.holdout_purchases]
    return out


def _versions() -> list[str]:
    return [__version__, sys.version, *map(_version, _PACKAGES)]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""

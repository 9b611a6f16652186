"""Whether a method knows more of the customers than their histories."""

from dataclasses import replace
from typing import Final

import numpy as np

from clvmodels._typing import AnyArray, FloatArray
from clvmodels.data.folds import Fold
from clvmodels.data.summary import RFMSummary
from clvmodels.evaluation.entries import Entry, fit_entry
from clvmodels.evaluation.forecasts import Forecast, forecast
from clvmodels.exceptions import FitError

_ROUNDING: Final = 1e-9  # relative to the forecasts
_CHANCE: Final = 3.0  # how much further a forecast may move than from one fit to the next

_REMEDY: Final = (
    "so it knows more of them than their histories, maybe the holdout itself. What was known at "
    "the cutoff and is the same in all rows of a customer can be kept from the log: keep=[...]."
)


def require_blind(entry: Entry, fold: Fold, found: Forecast) -> None:
    """Fit to the same histories under ids that nobody has: what rests on them foresees the same.

    Who looks the future up, in a log kept from elsewhere, does so by id. Methods that leave
    something to chance may differ as much as they do from one fit to the next.

    Raises
    ------
    FitError
        If the forecast is another one, or there is none any more.
    """
    try:
        moved = _distance(found, _again(entry, _of_strangers(fold)))
    except Exception as error:  # whatever a method raises when it finds nobody
        raise FitError(
            f"It fails when customers have other ids ({type(error).__name__}: {error}), {_REMEDY}"
        ) from error
    if moved > _ROUNDING and moved > _CHANCE * _distance(found, _again(entry, fold)):
        raise FitError(f"It foresees something else when customers have other ids, {_REMEDY}")


def _again(entry: Entry, fold: Fold) -> Forecast:
    data = fold.split.calibration
    return forecast(fit_entry(entry, data, fold.earlier), data, fold.split.horizon)


def _distance(one: Forecast, other: Forecast) -> float:
    """Root mean squared difference of two forecasts, relative to their size; the largest."""
    moved = [0.0]
    for a, b in zip(one[:3], other[:3], strict=True):
        if a is not None and b is not None:
            size = max(_root_mean_square(a), _root_mean_square(b))
            moved.append(_root_mean_square(a - b) / size if size else 0.0)
    return max(moved)


def _root_mean_square(values: FloatArray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _of_strangers(fold: Fold) -> Fold:
    """The same histories under other ids, of the same kind and in the same order."""
    parts = [split for split in fold if split is not None]
    everybody = np.concatenate([split.calibration.customer_id for split in parts])
    step = int(np.ptp(everybody)) + 1 if everybody.dtype.kind in "iu" else 0

    def renamed(data: RFMSummary) -> RFMSummary:
        return replace(data, customer_id=_other(data.customer_id, step))

    earlier = fold.earlier
    if earlier is not None:
        earlier = replace(earlier, calibration=renamed(earlier.calibration))
    return Fold(replace(fold.split, calibration=renamed(fold.split.calibration)), earlier)


def _other(ids: AnyArray, step: int) -> AnyArray:
    if ids.dtype.kind in "iu" and int(ids.max()) + step <= np.iinfo(ids.dtype).max:
        strangers: AnyArray = ids + np.array(step, ids.dtype)
        return strangers
    # a text before a text keeps the order of texts; of others, texts serve as well
    return np.array([f"~{who}" for who in ids.tolist()], dtype=object)

"""Fitted models as small JSON documents: a versioned schema, no pickle, no customer rows.

Fits write themselves with this; `clvmodels.value.storage` reads them, for which it must know every
model.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clvmodels._files import whole_file
from clvmodels._typing import FloatArray, Params
from clvmodels.data.calendar import CalendarIndex
from clvmodels.exceptions import DataError
from clvmodels.inference.estimate import Diagnostics, Estimate, Sampling
from clvmodels.inference.groups import Groups
from clvmodels.models.clock import Clock, OpportunityClock, PlainClock, SeasonalClock
from clvmodels.units import Horizon, TimeUnit

if TYPE_CHECKING:
    from clvmodels.models.fitted_purchases import FittedPurchases
    from clvmodels.models.spend import FittedSpend

FORMAT = "clvmodels"
VERSION = 3
_SAME = "point"  # of replicates that are the draws of the point
_OLDEST = 2  # which knew neither groups nor how posteriors were sampled


def dump_purchases(fit: "FittedPurchases") -> dict[str, Any]:
    """A purchase fit as a JSON document."""
    return {
        "role": "purchases",
        "model": fit.model.key,
        "choices": asdict(fit.model),  # type: ignore[call-overload]
        "clock": _dump_clock(fit.clock),
        "design": None if fit.design is None else fit.design.to_dict(),
        "groups": dump_groups(fit.groups),
        "estimate": dump_estimate(fit.estimate),
    }


def dump_spend(fit: "FittedSpend") -> dict[str, Any]:
    """A spend fit as a JSON document."""
    return {
        "role": "spend",
        "model": fit.model.key,
        "choices": asdict(fit.model),  # type: ignore[call-overload]
        "design": None if fit.design is None else fit.design.to_dict(),
        "groups": dump_groups(fit.groups),
        "estimate": dump_estimate(fit.estimate),
    }


def dump_groups(groups: Groups | None) -> dict[str, Any] | None:
    """Groups as a JSON value."""
    return None if groups is None else groups.to_dict()


def load_groups(document: Mapping[str, Any]) -> Groups | None:
    """The groups of a fit's document; there are none in those of earlier versions."""
    groups = document.get("groups")
    return None if groups is None else Groups.from_dict(groups)


def dump_horizon(horizon: Horizon) -> list[Any]:
    """A horizon as a JSON value."""
    return [horizon.length, str(horizon.unit)]


def load_horizon(document: Any) -> Horizon:
    """The horizon of a value made by `dump_horizon`."""
    return Horizon(*document)


def _dump_clock(clock: Clock) -> dict[str, Any]:
    match clock:
        case PlainClock():
            return {"counts": "time", "unit": str(clock.unit)}
        case SeasonalClock():
            return {
                "counts": "seasonal time",
                "unit": str(clock.unit),
                "calendar": clock.calendar.to_dict(),
                "now": clock.now.isoformat(),
            }
        case OpportunityClock():
            return {"counts": "opportunities", "every": dump_horizon(clock.every)}
    raise TypeError(clock)


def load_clock(document: Mapping[str, Any]) -> Clock:
    """The clock of a fit's document."""
    match document["counts"]:
        case "time":
            return PlainClock(TimeUnit.parse(document["unit"]))
        case "seasonal time":
            return SeasonalClock(
                TimeUnit.parse(document["unit"]),
                CalendarIndex.from_dict(document["calendar"]),
                datetime.fromisoformat(document["now"]),
            )
        case "opportunities":
            return OpportunityClock(load_horizon(document["every"]))
    raise ValueError(document["counts"])


def write_json(document: Mapping[str, Any], path: str | Path) -> None:
    """Write a document as JSON."""
    text = json.dumps({"format": FORMAT, "version": VERSION, **document})
    with whole_file(path) as file:
        file.write_text(text, encoding="utf-8")


def read_json(path: str | Path) -> dict[str, Any]:
    """A document written by `write_json`.

    Raises
    ------
    DataError
        If the file is no such document, or from a newer version.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"Cannot read a fitted model from {path}: {error.strerror}.") from None
    except ValueError as error:
        raise DataError(f"Cannot read a fitted model from {path}: {error}.") from None
    version = document.get("version") if isinstance(document, dict) else None
    if not isinstance(version, int) or document.get("format") != FORMAT:
        raise DataError(f"{path} is not a model saved by clvmodels.")
    if version > VERSION:
        raise DataError(
            f"{path} has schema version {version}, this clvmodels reads up to {VERSION}. "
            "Upgrade clvmodels."
        )
    if version < _OLDEST:
        raise DataError(
            f"{path} was saved by an earlier clvmodels (schema version {version}), which knew "
            "neither clocks nor covariates. Fit again."
        )
    return dict(document)


def dump_estimate(estimate: Estimate) -> dict[str, Any]:
    """An estimate as a JSON document."""
    return {
        "method": estimate.method,
        "point": _dump_params(estimate.point),
        "covariance": _dump_array(estimate.covariance),
        "covariance_note": estimate.covariance_note,
        "spread": _dump_array(estimate.spread),
        "replicates": _SAME if _is_point(estimate) else _dump_params(estimate.replicates),
        "loglik": estimate.loglik,
        "customers": estimate.customers,
        "fingerprint": list(estimate.fingerprint),
        "scales": dict(estimate.scales),
        "diagnostics": asdict(estimate.diagnostics),
    }


def load_estimate(document: Mapping[str, Any]) -> Estimate:
    """The estimate of a fit's document."""
    diagnostics = dict(document["diagnostics"])
    for name in ("boundary", "notes"):
        diagnostics[name] = tuple(diagnostics[name])
    if diagnostics.get("sampling") is not None:
        diagnostics["sampling"] = Sampling(**diagnostics["sampling"])
    point, replicates = _load_params(document["point"]), document["replicates"]
    if point is None:
        raise ValueError("no parameters")
    return Estimate(
        method=document["method"],
        point=point,
        covariance=_load_array(document["covariance"]),
        covariance_note=document["covariance_note"],
        spread=_load_array(document["spread"]),
        replicates=point if replicates == _SAME else _load_params(replicates),
        loglik=document["loglik"],
        customers=document["customers"],
        fingerprint=tuple(document["fingerprint"]),
        scales=document.get("scales", {}),
        diagnostics=Diagnostics(**diagnostics),
    )


def _is_point(estimate: Estimate) -> bool:
    """Whether the replicates are the draws that predictions are averaged over."""
    if estimate.replicates is None:
        return False
    pairs = zip(estimate.point.values(), estimate.replicates.values(), strict=True)
    return all(np.array_equal(values, others) for values, others in pairs)


def _dump_params(params: Params | None) -> dict[str, Any] | None:
    if params is None:
        return None
    return {name: _dump_array(values) for name, values in params.items()}


def _load_params(document: Mapping[str, Any] | None) -> dict[str, FloatArray] | None:
    if document is None:
        return None
    return {name: np.asarray(_load_array(values)) for name, values in document.items()}


def _dump_array(values: FloatArray | None) -> Any:
    """Short arrays as numbers, which JSON keeps to the bit; long ones packed."""
    if values is None:
        return None
    if values.size <= 16:
        return values.tolist()
    packed = base64.b85encode(np.ascontiguousarray(values, dtype="<f8").tobytes()).decode()
    return {"shape": list(values.shape), "float64": packed}


def _load_array(document: Any) -> FloatArray | None:
    if isinstance(document, dict):
        flat = np.frombuffer(base64.b85decode(document["float64"]), dtype="<f8")
        return flat.reshape(document["shape"]).astype(np.float64)
    return None if document is None else np.array(document, dtype=np.float64)

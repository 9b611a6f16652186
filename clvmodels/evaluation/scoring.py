"""All metrics of all methods on the same customers, and how sure they are."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from clvmodels._typing import FloatArray
from clvmodels.evaluation import metrics

if TYPE_CHECKING:
    import pandas as pd

METRICS: Final[Mapping[str, Callable[..., metrics.Metric]]] = {
    "bias": metrics.total_bias,
    "mae": metrics.mae,
    "rmse": metrics.rmse,
    "pearson": metrics.pearson,
    "spearman": metrics.spearman,
    "gini": metrics.normalised_gini,
    "top_decile": metrics.top_decile_capture,
}

_SAMPLES: Final = 100  # standard errors are then good to about 7 %
_ELEMENTS: Final = 1_000_000  # numbers in one temporary array


def scores(
    actual: FloatArray, predicted: Mapping[str, FloatArray], weight: FloatArray
) -> "pd.DataFrame":
    """Totals and metrics, one row per method, indexed by its name."""
    import pandas as pd

    rows = {
        name: {
            "predicted": weight @ values,
            "actual": weight @ actual,
            **{key: metric(actual, values, weight) for key, metric in METRICS.items()},
        }
        for name, values in predicted.items()
    }
    return pd.DataFrame.from_dict(rows, "index", columns=["predicted", "actual", *METRICS])


def standard_errors(
    actual: FloatArray, predicted: Mapping[str, FloatArray], weight: FloatArray
) -> "pd.DataFrame":
    """Standard errors of the metrics, one row per method: see `resampled`."""
    import pandas as pd

    spread = {
        name: {key: _spread(values) for key, values in by_metric.items()}
        for name, by_metric in resampled(actual, predicted, weight, METRICS).items()
    }
    return pd.DataFrame.from_dict(spread, "index", columns=list(METRICS))


def paired_differences(
    actual: FloatArray,
    predicted: Mapping[str, FloatArray],
    weight: FloatArray,
    metric: str,
    against: str | None = None,
) -> "pd.DataFrame":
    """Each method's metric less that of one of them, with the standard error of the difference.

    Both are judged by the same customers, so that much of what moves one metric moves the other,
    and the difference is surer than either.

    Returns
    -------
    DataFrame
        method, against, difference, se: one row for each method but `against`; the best one, if
        it is not named. Of two infinite biases there is no difference (NaN).
    """
    import pandas as pd

    values = {k: float(METRICS[metric](actual, v, weight)) for k, v in predicted.items()}
    best = min(values, key=lambda name: _fault(metric, values[name]), default="")
    reference = against or best
    drawn = resampled(actual, predicted, weight, [metric])
    with np.errstate(invalid="ignore"):  # of two that are infinite there is no difference
        rows = [
            {
                "method": name,
                "against": reference,
                "difference": values[name] - values[reference],
                "se": _spread(drawn[name][metric] - drawn[reference][metric]),
            }
            for name in predicted
            if name != reference
        ]
    return pd.DataFrame(rows, columns=["method", "against", "difference", "se"])


def resampled(
    actual: FloatArray,
    predicted: Mapping[str, FloatArray],
    weight: FloatArray,
    names: Iterable[str],
) -> dict[str, dict[str, FloatArray]]:
    """Metrics of resampled customers, by method and name of the metric.

    Every customer is drawn a Poisson number of times with mean 1, the same for all methods; those
    alike in every respect, a sum of such numbers, which is Poisson too.

    References
    ----------
    Hanley and MacGibbon (2006), Creating non-parametric bootstrap samples using Poisson
    frequencies, Computer Methods and Programs in Biomedicine 83(1), 57-62.
    """
    from clvmodels.kernels.grouping import distinct_rows

    asked = {name: METRICS[name] for name in names}
    keys = np.ascontiguousarray(np.column_stack([actual, *predicted.values()])) + 0.0
    rows, inverse = distinct_rows(keys.view(np.uint64))
    actual, *columns = rows.view(np.float64).T.copy()
    weight = np.bincount(inverse, weight).astype(np.float64)
    rng = np.random.default_rng(0)
    drawn: dict[str, dict[str, list[FloatArray]]] = {
        name: {key: [] for key in asked} for name in predicted
    }
    step = max(1, _ELEMENTS // len(actual))
    for start in range(0, _SAMPLES, step):
        size = (min(step, _SAMPLES - start), len(actual))
        sample = rng.poisson(weight, size).astype(np.float64)
        sample = sample[sample.any(axis=1)]
        for name, values in zip(predicted, columns, strict=True):
            for key, metric in asked.items():
                drawn[name][key].append(np.asarray(metric(actual, values, sample)))
    return {
        name: {key: np.concatenate(parts) for key, parts in by_metric.items()}
        for name, by_metric in drawn.items()
    }


def _fault(metric: str, value: float) -> float:
    """A metric as something of which less is better."""
    if metric == "bias":
        return abs(value)
    return value if metric in ("mae", "rmse") else -value


def _spread(values: FloatArray) -> float:
    """Standard deviation; infinite where some values are."""
    return float(np.std(values, ddof=1)) if np.isfinite(values).all() else np.inf

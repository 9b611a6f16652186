"""The likelihood with covariates, by the chain rule from the derivatives of each row."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from clvmodels._typing import FloatArray
from clvmodels.inference.problem import Objective

if TYPE_CHECKING:
    from clvmodels.models.design import Design

RowDerivatives: TypeAlias = Callable[..., tuple[FloatArray, FloatArray, FloatArray]]
"""A kernel's log-likelihood, gradient and Hessian of each row, in the logs of its parameters."""

_FARTHEST = 50.0  # log of the largest effect, 5e21: so much is taken for any beyond it
_ROWS = 8192  # at once: what they need fits into the cache


def covariate_objective(
    row_derivatives: RowDerivatives, names: Sequence[str], design: "Design"
) -> Callable[[Mapping[str, FloatArray], FloatArray], Objective]:
    """The `compile` function of a likelihood with covariates, for parameters (names..., e^g...).

    The log of each parameter is linear in the logs of what is estimated, so derivatives follow
    from those of each row by the chain rule, with nothing left out.
    """
    size = len(names) + len(design.coefficients)

    def compile_(data: Mapping[str, FloatArray], weight: FloatArray) -> Objective:
        columns = [f"z{k}" for k in range(len(design.means))]
        base = {name: values for name, values in data.items() if name not in columns}
        z = np.column_stack([data[name] for name in columns])
        places, linear = [], []
        for k, name in enumerate(names):
            which, signed = design.acting_on(name, z)
            places.append(np.append(k, len(names) + which))
            linear.append(np.column_stack([np.ones(len(z)), signed]))

        def objective(theta: FloatArray) -> tuple[float, FloatArray, FloatArray]:
            logs = np.log(theta)
            gradient, hessian, nll = np.zeros(size), np.zeros((size, size)), 0.0
            for start in range(0, len(weight), _ROWS):
                rows = slice(start, start + _ROWS)
                params, slopes = dict(zip(names, theta, strict=False)), []
                for name, X, at in zip(names, linear, places, strict=True):
                    slope = X[rows].copy()
                    if len(at) > 1:
                        shift = slope[:, 1:] @ logs[at[1:]]
                        params[name] *= np.exp(bounded(shift))
                        slope[np.abs(shift) > _FARTHEST, 1:] = 0.0
                    slopes.append(slope)
                here = {name: values[rows] for name, values in base.items()}
                ll, first, second = row_derivatives(**here, **params)
                w = weight[rows]
                nll -= float(w @ ll)
                for i, at in enumerate(places):
                    gradient[at] -= slopes[i].T @ (w * first[:, i])
                    for j in range(i + 1):
                        term = slopes[i].T @ ((w * second[:, i, j])[:, None] * slopes[j])
                        hessian[np.ix_(at, places[j])] -= term
                        if j < i:
                            hessian[np.ix_(places[j], at)] -= term.T
            natural = (hessian - np.diag(gradient)) / np.outer(theta, theta)
            return nll, gradient / theta, natural

        return objective

    return compile_


def ridge_penalty(ridge: float, own: int) -> Objective:
    """Half of `ridge` times the sum of squared coefficients, the logs of all but `own` parameters.

    With derivatives in the parameters themselves, as an `Objective` has them.
    """

    def penalty(theta: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        g = np.log(theta)
        g[:own] = 0.0
        bend = np.where(np.arange(len(theta)) < own, 0.0, 1 - g)
        return float(ridge / 2 * g @ g), ridge * g / theta, np.diag(ridge * bend / theta**2)

    return penalty


def bounded(shift: FloatArray) -> FloatArray:
    """Logs of effects, none beyond belief."""
    return np.clip(shift, -_FARTHEST, _FARTHEST)

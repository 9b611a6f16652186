"""Damped Newton minimisation on the logs of positive parameters, with exact derivatives."""

from dataclasses import dataclass
from typing import final

import numpy as np

from clvmodels._typing import FloatArray
from clvmodels.inference.problem import Objective

_GAIN_TOLERANCE = 1e-10  # log-likelihood; differences of 1e-2 are already below any inference
_EXACT = 1e-16  # log-likelihood; parameters within 1e-8 standard errors of the maximum
_NOISE = 1e-13  # relative rounding error of a sum of log-likelihoods
_LONGEST_STEP = 2.0  # in logs: parameters change at most sevenfold in a step


@final
@dataclass(frozen=True, slots=True, eq=False)
class Optimum:
    """Where the search ended: log parameters, value, gradient and Hessian there."""

    log_params: FloatArray
    nll: float
    gradient: FloatArray
    hessian: FloatArray
    evaluations: int

    @property
    def gain_left(self) -> float:
        """Decrease that a Newton step promises (half the squared Newton decrement)."""
        step = _newton_step(self.gradient, self.hessian)
        return float(-0.5 * self.gradient @ step)


def minimise(objective: Objective, start: FloatArray, max_steps: int = 200) -> Optimum:
    """Minimise from `start` (parameters, not logs) until no Newton step promises a gain.

    Along a direction in which the likelihood only approaches its supremum the search walks until
    what is left to gain is below the tolerance; the caller recognises that by the curvature.
    """
    here = evaluate(objective, np.log(start), 1)
    for _ in range(max_steps):
        step = _newton_step(here.gradient, here.hessian)
        slope = float(here.gradient @ step)
        if -0.5 * slope < _GAIN_TOLERANCE:
            return here if -0.5 * slope < _EXACT else _last_step(objective, here, step)
        length = 1.0
        while True:
            there = evaluate(objective, here.log_params + length * step, here.evaluations + 1)
            noise = _NOISE * abs(here.nll)
            if there.nll <= here.nll + 1e-4 * length * slope + noise:
                break
            length *= 0.3
            if length < 1e-8:
                return here
        here = there
    return here


def _last_step(objective: Objective, here: Optimum, step: FloatArray) -> Optimum:
    """Take the step that squares what is left of the error, unless it leads away."""
    there = evaluate(objective, here.log_params + step, here.evaluations + 1)
    return there if np.isfinite(there.nll) and there.gain_left < here.gain_left else here


def evaluate(objective: Objective, log_params: FloatArray, evaluations: int = 1) -> Optimum:
    """Value and derivatives in the logs of the parameters."""
    theta = np.exp(log_params)
    nll, gradient, hessian = objective(theta)
    gradient = gradient * theta
    hessian = hessian * np.outer(theta, theta) + np.diag(gradient)
    if not (np.isfinite(nll) and np.isfinite(hessian).all()):
        nll = np.inf
    return Optimum(log_params, nll, gradient, hessian, evaluations)


def _newton_step(gradient: FloatArray, hessian: FloatArray) -> FloatArray:
    """Newton's step with the curvatures made positive, and no longer than the longest step."""
    curvature, directions = np.linalg.eigh(hessian)
    size = np.abs(curvature)
    size = np.maximum(size, 1e-14 * size.max() + 1e-300)
    step: FloatArray = -directions @ ((directions.T @ gradient) / size)
    longest = float(np.abs(step).max())
    return step * min(1.0, _LONGEST_STEP / longest) if longest > 0 else step

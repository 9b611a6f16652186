"""Damped Newton minimisation on the logs of positive parameters, with exact derivatives."""

from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from clvmodels._typing import FloatArray
from clvmodels.inference.problem import Objective

SETTLED = 1e-6  # log-likelihood that may be left to gain at what passes for a maximum

_GAIN_TOLERANCE = 1e-13  # what the search aims at; rounding may stop it earlier on large data
_NOISE = 1e-11  # relative rounding error of a sum of millions of log-likelihoods
_LONGEST_STEP = 2.0  # in logs: parameters change at most sevenfold in a step

_Flags: TypeAlias = NDArray[np.bool_]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Optimum:
    """Where the search ended: log parameters, value, gradient and Hessian there.

    `free` marks the parameters that are not held by a limit.
    """

    log_params: FloatArray
    nll: float
    gradient: FloatArray
    hessian: FloatArray
    free: _Flags
    evaluations: int

    @property
    def gain_left(self) -> float:
        """Decrease that a Newton step within the limits promises (half the squared decrement)."""
        step = _newton_step(self.gradient, self.hessian, self.free)
        return float(-0.5 * self.gradient @ step)


def minimise(
    objective: Objective, start: FloatArray, limits: FloatArray, max_steps: int = 200
) -> Optimum:
    """Minimise from `start` within `limits` until no Newton step promises a gain.

    Along a direction in which the likelihood only approaches its supremum the search walks until
    what is left to gain is below the tolerance, or a parameter meets its limit and is held there;
    the caller recognises that by the curvature.

    Parameters
    ----------
    objective : Objective
        Of the parameters, not of their logs.
    start : ndarray of shape (parameters,)
        Where to start.
    limits : ndarray of shape (2, parameters)
        Lowest and highest value of each parameter.
    max_steps : int
        Steps after which the search gives up.
    """
    with np.errstate(divide="ignore"):  # a limit of 0 is none
        low, high = np.log(limits)
    here = evaluate(objective, np.clip(np.log(start), low, high), limits)
    gain = np.inf
    for _ in range(max_steps):
        step = _step_inside(here, low, high)
        slope = float(here.gradient @ step)
        before, gain, noise = gain, -0.5 * slope, _NOISE * abs(here.nll)
        stalled = before / 2 < gain < min(noise, SETTLED)
        if gain < _GAIN_TOLERANCE or stalled:
            break
        length = min(1.0, _way_to(low, high, here.log_params, step))
        while True:
            there = evaluate(
                objective,
                np.clip(here.log_params + length * step, low, high),
                limits,
                here.evaluations + 1,
            )
            if there.nll <= here.nll + 1e-4 * length * slope + noise:
                break
            length *= 0.3
            if length < 1e-8:
                return here
        here = there
    return here


def evaluate(
    objective: Objective, log_params: FloatArray, limits: FloatArray, evaluations: int = 1
) -> Optimum:
    """Value and derivatives in the logs of the parameters."""
    theta = np.exp(log_params)
    nll, gradient, hessian = objective(theta)
    gradient = gradient * theta
    hessian = hessian * np.outer(theta, theta) + np.diag(gradient)
    if not (np.isfinite(nll) and np.isfinite(hessian).all()):
        nll = np.inf
    at_limit = np.isclose(theta, limits, rtol=1e-12, atol=0)
    free = ~(at_limit[0] & (gradient > 0) | at_limit[1] & (gradient < 0))
    return Optimum(log_params, nll, gradient, hessian, free, evaluations)


def _step_inside(here: Optimum, low: FloatArray, high: FloatArray) -> FloatArray:
    """Newton's step that does not push a parameter at its limit across it."""
    free = here.free
    while True:
        step = _newton_step(here.gradient, here.hessian, free)
        way = np.where(step < 0, here.log_params - low, high - here.log_params)
        stuck = (step != 0) & (way <= 1e-12)
        if not stuck.any():
            return step
        free = free & ~stuck


def _way_to(low: FloatArray, high: FloatArray, at: FloatArray, step: FloatArray) -> float:
    """Number of steps to the first limit on the way."""
    moving = step != 0
    way = np.where(step < 0, low - at, high - at)[moving] / step[moving]
    return float(way.min(initial=np.inf))


def _newton_step(gradient: FloatArray, hessian: FloatArray, free: _Flags) -> FloatArray:
    """Newton's step with the curvatures made positive, and no longer than the longest step."""
    step = np.zeros(len(gradient))
    if not free.any():
        return step
    curvature, directions = np.linalg.eigh(hessian[np.ix_(free, free)])
    size = np.abs(curvature)
    size = np.maximum(size, 1e-14 * size.max() + 1e-300)
    step[free] = -directions @ ((directions.T @ gradient[free]) / size)
    longest = float(np.abs(step).max())
    return step * min(1.0, _LONGEST_STEP / longest) if longest > 0 else step

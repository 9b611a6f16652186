"""How far single rows of a likelihood move the estimates."""

from dataclasses import replace

import numpy as np

from clvmodels._typing import FloatArray, IntArray
from clvmodels.inference.estimate import Estimate
from clvmodels.inference.problem import Problem

MUCH = 2.0  # standard errors that no customer should move the estimates by


def shifts(problem: Problem, estimate: Estimate, rows: IntArray) -> FloatArray:
    """How many standard errors one customer of each row moves the estimates by."""
    assert estimate.spread is not None  # or there is no telling
    theta = np.array(list(estimate.means.values()))
    out = np.empty(len(rows))
    for k, row in enumerate(rows):
        one = replace(problem.at(np.array([row])).reweighted(np.ones(1)), penalty=None)
        score = one.objective()(theta)[1] * theta
        out[k] = np.linalg.norm(score @ estimate.spread)
    return out

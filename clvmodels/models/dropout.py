"""What a fit says of dropout: whether there is any, and whether the data pin it down."""

from collections.abc import Callable

import numpy as np

from clvmodels._typing import FloatArray, Kernel
from clvmodels.inference.estimate import Estimate
from clvmodels.inference.newton import SETTLED, minimise
from clvmodels.inference.problem import Problem, limits
from clvmodels.models.nbd import RATE, NBDModel

_FAR_FROM_ZERO = 0.25  # standard error of a log: the parameter is then four standard errors above 0
_NO_EVIDENCE = 1.35  # half the 95 % point, 2.71, of the likelihood-ratio test at a boundary
_NOBODY = 1e-4  # mean dropout that no data can tell from none
_NEARLY_ALL = 0.95  # mean P(alive) above which a reader will wonder

Rival = Callable[[Problem, Estimate], float]
"""The least negative log-likelihood without dropout."""


def of_the_nbd(problem: Problem, estimate: Estimate) -> float:
    """The NBD's, to which models of Poisson purchases collapse where nobody drops out."""
    start = np.array([estimate.means["r"], estimate.means["alpha"]])
    return minimise(NBDModel().objective(problem.data, problem.weight), start, limits(RATE)).nll


def evidence_of_dropout(
    kernel: Kernel,
    problem: Problem,
    estimate: Estimate,
    dropout: str,
    without: Rival = of_the_nbd,
    rival: str = "the NBD, which has none, fits",
) -> list[str]:
    """Compare with the same purchases without dropout.

    `dropout` is the parameter that is then 0. Where the standard error of its log is small, it is
    far from 0 and the comparison is foregone.
    """
    assert estimate.loglik is not None
    if estimate.diagnostics.gain_left > SETTLED:  # penalised: no maximum to compare
        return []
    if estimate.spread is not None and dropout not in estimate.diagnostics.boundary:
        error = np.linalg.norm(estimate.spread[estimate.names.index(dropout)])
        if error < _FAR_FROM_ZERO:
            return []
    gain = estimate.loglik + without(problem, estimate)
    if gain <= _NO_EVIDENCE:
        return [
            f"No evidence of dropout: {rival} as well (log-likelihood within {max(gain, 0):.2f}). "
            "P(alive) near 1 then says that nobody seems to leave."
        ]
    x, t_x, T = (problem.data[name] for name in ("x", "t_x", "T"))
    alive = kernel.prob_alive(x, t_x, T, **estimate.means) @ problem.weight / problem.customers
    if alive < _NEARLY_ALL:
        return []
    return [f"Little dropout to be seen: P(alive) averages {alive:.3f}."]


def starts_of_beta(rate: float, shape: float) -> list[FloatArray]:
    """(r, alpha, a, b) to start from: moderate, little and polarised dropout.

    Those who left count in the mean rate, so living customers buy faster than it.
    """
    return [
        np.array([shape, shape / (1.5 * rate), 1.0, 3.0]),
        np.array([shape, shape / rate, 2.0, 40.0]),
        np.array([shape, shape / (2.5 * rate), 0.3, 0.4]),
    ]


def limits_of_beta(estimate: Estimate) -> list[str]:
    """Say so where the data do not pin down a and b."""
    loose = {"a", "b"} & set(estimate.diagnostics.boundary)
    theta = estimate.means
    mean = theta["a"] / (theta["a"] + theta["b"])
    if not loose or mean < _NOBODY:
        return []
    if theta["a"] + theta["b"] > 1:
        return [
            "Customers show no differences in dropout: a and b run off together at "
            f"a / (a + b) = {mean:.3g}."
        ]
    return [
        "Dropout is polarised: some customers leave at once and the rest never do. a and b run "
        f"to 0 together at a / (a + b) = {mean:.3g}."
    ]


def always_alive(problem: Problem, remedy: str) -> list[str]:
    """Say what a model takes for granted of one-time buyers, and which model does not."""
    once = float(problem.weight[problem.data["x"] == 0].sum())
    if not once:
        return []
    return [
        f"{once:,.0f} one-time buyers ({once / problem.customers:.0%}) have P(alive) = 1, however "
        f"old: this model lets nobody leave before a repeat purchase. {remedy} does."
    ]

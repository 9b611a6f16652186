"""How well a posterior predicts each customer from all others, without fitting again."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Protocol, TypeAlias, final, runtime_checkable

import numpy as np
from scipy.special import logsumexp

from clvmodels._notebook import as_lines
from clvmodels._typing import AnyArray, FloatArray, IntArray, Params
from clvmodels.data.opportunities import OpportunitySummary
from clvmodels.data.retention import RetentionTable
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import DataError, FitError
from clvmodels.inference.estimate import Estimate
from clvmodels.inference.problem import Problem
from clvmodels.inference.psis import RELIABLE, smoothed
from clvmodels.models.averaging import columns_at_once, draws_of, side_by_side

Data: TypeAlias = RFMSummary | OpportunitySummary | RetentionTable

_SAME: Final = 1e-9  # relative difference of moments of the same data, by rounding
_SAME_LOGLIK: Final = 1e-6  # of log-likelihoods, whose rounding depends on the order of rows


@runtime_checkable
class WithLikelihood(Protocol):
    """A fitted model that knows the likelihood of each customer."""

    @property
    def estimate(self) -> Estimate: ...
    def likelihood_of(self, data: Any) -> tuple[Problem, IntArray]: ...
    def loglik_of(self, data: Any) -> float: ...


@final
@dataclass(frozen=True, eq=False, repr=False)
class LOO:
    """Leave-one-out predictions of customers.

    Attributes
    ----------
    ids : ndarray of shape (rows,)
        Customers; of a retention table, the cohort of each row.
    weight : ndarray of shape (rows,)
        How many customers each row stands for; one at a time is left out.
    pointwise : ndarray of shape (rows,)
        Expected log predictive density of one customer of the row, given all others.
    gain : ndarray of shape (rows,)
        How much higher the density is with the customer among the fitted.
    pareto_k : ndarray of shape (rows,)
        Above 0.7 the value of the row is unreliable: the customer moves the posterior too far.
    """

    ids: AnyArray
    weight: FloatArray
    pointwise: FloatArray
    gain: FloatArray
    pareto_k: FloatArray

    @property
    def elpd(self) -> float:
        """Expected log predictive density of all customers, each predicted from the others."""
        return float(self.weight @ self.pointwise)

    @property
    def se(self) -> float:
        """Standard error of `elpd`, from the differences between customers."""
        return standard_error(self.pointwise, self.weight)

    @property
    def p_loo(self) -> float:
        """Effective number of parameters; far above their true number, the model does not fit."""
        return float(self.weight @ self.gain)

    @property
    def bad(self) -> AnyArray:
        """Customers whose value is unreliable (k-hat above 0.7), worst first."""
        worst = np.argsort(-self.pareto_k, kind="stable")
        return self.ids[worst][: np.count_nonzero(self.pareto_k > RELIABLE)]

    def __repr__(self) -> str:
        n, bad = self.weight.sum(), self.bad
        told = (
            f"Expected log predictive density of {n:,.0f} customers, each predicted from the "
            f"others: {self.elpd:,.1f} (standard error {self.se:,.1f}), "
            f"{self.elpd / n:,.3f} a head. Effective parameters: {self.p_loo:,.1f}."
        )
        if not len(bad):
            return f"{told} All values can be relied on (k-hat at most {RELIABLE})."
        first = ", ".join(map(str, bad[:5].tolist()))
        return (
            f"{told}\n- {len(bad):,} unreliable (k-hat above {RELIABLE}, at most "
            f"{self.pareto_k.max():.2f}), worst first: {first}. These customers move the "
            "posterior too far to be left out without fitting again."
        )

    _repr_html_ = as_lines


def loo(fit: WithLikelihood, data: Data) -> LOO:
    """Leave-one-out cross-validation of a posterior by Pareto-smoothed importance sampling.

    How probable each customer's observed behaviour is when predicted from all other customers:
    the posterior is not sampled again, its draws are weighted. Compare models by `compare`, which
    pairs customers; the value itself depends on units.

    Parameters
    ----------
    fit : fitted model of purchases, spend or retention
        With draws of the posterior (`MCMC`, `Laplace`), fitted just now or loaded from a file.
    data : RFMSummary, OpportunitySummary or RetentionTable
        What it was fitted to. A row that stands for several customers counts as often; one of them
        is left out, not all.

    Returns
    -------
    LOO
        elpd, se, p_loo, values per customer, and whom to mistrust.

    Raises
    ------
    FitError
        If the fit has no posterior draws.
    DataError
        If it was fitted to other data.

    References
    ----------
    Vehtari, Gelman and Gabry (2017), Practical Bayesian model evaluation using leave-one-out
    cross-validation and WAIC, Statistics and Computing 27, 1413-1432, section 2.

    Examples
    --------
    >>> import clvmodels as clv
    >>> rfm = clv.datasets.load_cdnow_summary()
    >>> found = loo(clv.BetaGeoModel().fit(rfm, clv.Laplace(seed=1)), rfm)
    >>> round(found.elpd / 10), len(found.bad)
    (-959, 0)
    """
    point = fit.estimate.point
    if not fit.estimate.is_sample:
        raise FitError(
            f"Leave-one-out needs draws of the posterior, which {fit.estimate.method} has none of. "
            "Fit with Laplace() or MCMC()."
        )
    problem, row = fit.likelihood_of(data)
    if not np.allclose(problem.fingerprint, fit.estimate.fingerprint, rtol=_SAME, atol=0):
        raise DataError(
            "The model was fitted to other data, or in another time unit or currency. Give the "
            "summary that it was fitted to."
        )
    reached = fit.estimate.loglik
    if reached is not None and not np.isclose(
        fit.loglik_of(data), reached, rtol=_SAME_LOGLIK, atol=0
    ):
        raise DataError(
            "The model was fitted to the same histories with other groups or covariates. Give the "
            "summary that it was fitted to."
        )
    values = np.empty((3, len(problem.weight)))
    step = columns_at_once(draws_of(point))
    pieces = [slice(i, i + step) for i in range(0, len(problem.weight), step)]
    work = partial(_left_out, problem, point)
    for piece, found in zip(pieces, side_by_side(work, pieces), strict=True):
        values[:, piece] = found
    ids, weight = _identity(data)
    kept = row >= 0
    pointwise, gain, k = values[:, row[kept]]
    pointwise += _own_times(problem, point, data, row[kept])
    return LOO(ids[kept], weight[kept], pointwise, gain, k)


def standard_error(pointwise: FloatArray, weight: FloatArray) -> float:
    """Of the sum of values over customers, from their variance: Vehtari et al. (2017), eq. 23."""
    n, centre = weight.sum(), np.average(pointwise, weights=weight)
    return float(np.sqrt(n / max(n - 1, 1) * (weight @ (pointwise - centre) ** 2)))


def _left_out(problem: Problem, point: Params, rows: slice) -> FloatArray:
    """Log density when left out, what being fitted adds to it, and k-hat, of some histories."""
    log_lik = problem.at(rows).log_lik_rows(point)
    log_weights, k = smoothed(-log_lik)
    elpd = logsumexp(log_weights + log_lik, axis=0)
    known = logsumexp(log_lik, axis=0) - np.log(len(log_lik))
    return np.stack([elpd, known - elpd, k])


def _own_times(problem: Problem, point: Params, data: Data, row: IntArray) -> FloatArray:
    """What a customer's own times between purchases add to those of all with the same history.

    It depends on no parameter, so it is taken at the first draw.
    """
    if not isinstance(data, RFMSummary) or data.litt is None or "litt" not in problem.data:
        return np.zeros(len(row))
    first = {name: values[:1] for name, values in point.items()}
    own = {**{name: values[row] for name, values in problem.data.items()}, "litt": data.litt}
    each = replace(problem, data=own, weight=data.weights).log_lik_rows(first)
    own_less_shared: FloatArray = (each - problem.log_lik_rows(first)[:, row])[0]
    return own_less_shared


def _identity(data: Data) -> tuple[AnyArray, FloatArray]:
    if isinstance(data, RetentionTable):
        return data.cohort, data.customers
    return data.customer_id, data.weights

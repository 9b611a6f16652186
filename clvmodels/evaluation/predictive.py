"""How many purchases each customer may make within a horizon: whole distributions, and scores."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, NamedTuple, Self, TypeAlias, final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special as sp

from clvmodels._typing import FloatArray, IntArray, Params
from clvmodels.data.histories import Histories
from clvmodels.exceptions import DataError, rule_broken
from clvmodels.inference.estimate import Estimate
from clvmodels.models import averaging
from clvmodels.models.clock import Summary
from clvmodels.models.fitted import INTERVAL_DRAWS, probabilities
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.models.quantities import Quantities
from clvmodels.units import HorizonLike

_BoolArray: TypeAlias = NDArray[np.bool_]
_LogPmf: TypeAlias = Callable[[int, IntArray], FloatArray]
"""Log of the probability of n purchases, for some rows."""

_REST: Final = 1e-10  # probability of more purchases that need not be told apart
_SLOW_REST: Final = 1e-8  # the same, where it falls slowly or rounding keeps it from falling
_FALL: Final = 1e-3  # by what share a further term must lower it, not to be slow
_MOST: Final = 5_000  # purchases
_SMALLEST: Final = float(np.finfo(np.float64).tiny)  # of the numbers that have all their digits


class CountInterval(NamedTuple):
    """From `lo` to `hi` purchases, both included, and how probable that is; one per customer."""

    lo: IntArray
    hi: IntArray
    probability: FloatArray


@final
@dataclass(frozen=True, slots=True, eq=False)
class CountDistribution:
    """The distribution of each customer's number of purchases within a horizon.

    Probabilities of 0, 1, 2, ... purchases, worked out, not simulated, until more have a
    probability under 1e-10 (1e-8, where that falls slowly). Nobody is taken to make more than
    5,000, but by `log_score`. Customers who share a history share a row.

    Attributes
    ----------
    pmf, cdf : ndarray of shape (probabilities,)
        P(Y = n) and P(Y <= n) for n = 0, 1, ... of the first row, then of the next.
    limited : ndarray of shape (probabilities,)
        E[min(Y, n + 1)], likewise.
    start : ndarray of shape (rows,)
        Where each row begins.
    inverse : ndarray of shape (customers,)
        Each customer's row.
    log_pmf : callable
        Gives log P(Y = n) of some rows for any n.

    References
    ----------
    Gneiting and Raftery (2007), Strictly proper scoring rules, prediction, and estimation, Journal
    of the American Statistical Association 102(477), 359-378; of counts: Czado, Gneiting and Held
    (2009), Predictive model assessment for count data, Biometrics 65(4), 1254-1261.
    """

    pmf: FloatArray
    cdf: FloatArray
    limited: FloatArray
    start: IntArray
    inverse: IntArray
    log_pmf: _LogPmf

    @classmethod
    def of(cls, fit: FittedPurchases, data: Summary, horizon: HorizonLike) -> Self:
        """What a fitted model predicts; of a posterior, averaged over its draws.

        Parameters
        ----------
        fit : FittedPurchases
            A posterior of more than 200 draws counts with 200 of them, evenly spaced.
        data : RFMSummary or OpportunitySummary
            Customers, fitted or not, in any time unit.
        horizon : Horizon or str
            Counted from the end of observation.

        Examples
        --------
        >>> import clvmodels as clv
        >>> fit = clv.BetaGeoModel().with_params(
        ...     r=0.2426, alpha=4.4135, a=0.7929, b=2.4258, time_unit="week")
        >>> customer = clv.RFMSummary.from_arrays([2], [30.43], [38.86], time_unit="week")
        >>> purchases = CountDistribution.of(fit, customer, "39 weeks")
        >>> purchases.p_active.round(3), purchases.mean.round(3)
        (array([0.555]), array([1.226]))
        >>> purchases.interval(0.9).hi, purchases.log_score([2]).round(3)
        (array([4]), array([1.937]))
        """
        quantities = fit.quantities(data)
        h = quantities.histories(data)
        t = fit.clock.length(horizon)
        log_pmf = partial(_log_pmf, quantities, _some_draws(fit.estimate), h, t)
        return cls._up_to_the_tail(log_pmf, len(h), h.inverse)

    @classmethod
    def poisson(cls, mean: ArrayLike) -> Self:
        """Purchases at a rate that is known: what a baseline of constant rates predicts.

        Parameters
        ----------
        mean : array of shape (customers,)
            Expected purchases, 0 or more. Where it is 0, no purchase is possible.

        Raises
        ------
        DataError
            If a mean is negative or not finite.
        """
        given = np.asarray(mean, dtype=np.float64)
        _check(np.isfinite(given) & (given >= 0), "mean must be finite, 0 or more")
        means, inverse = np.unique(given, return_inverse=True)
        return cls._up_to_the_tail(partial(_log_poisson, means), len(means), inverse)

    @classmethod
    def _up_to_the_tail(cls, log_pmf: _LogPmf, rows: int, inverse: IntArray) -> Self:
        """Go on, number by number, with the rows that can still make more purchases."""
        going = np.arange(rows)
        cdf, limited = np.zeros(rows), np.zeros(rows)
        found: list[tuple[IntArray, FloatArray, FloatArray, FloatArray]] = []
        for n in range(_MOST + 1):
            p = np.exp(log_pmf(n, going))
            cdf[going] = np.minimum(cdf[going] + p, 1.0) if n < _MOST else 1.0
            rest = 1.0 - cdf[going]
            limited[going] += rest
            found.append((going, p, cdf[going], limited[going]))
            going = going[(rest > _REST) & ((rest > _SLOW_REST) | (p > _FALL * rest))]
            if not len(going):
                break
        row, pmf, cdf, limited = (np.concatenate(parts) for parts in zip(*found, strict=True))
        order = np.argsort(row, kind="stable")
        start = np.searchsorted(row[order], np.arange(rows))
        return cls(pmf[order], cdf[order], limited[order], start, inverse, log_pmf)

    @property
    def mean(self) -> FloatArray:
        """Expected purchases."""
        return self.limited[self._last]

    @property
    def p_active(self) -> FloatArray:
        """Probability of at least one purchase within the horizon."""
        return 1.0 - self.cdf[self.start[self.inverse]]

    def log_score(self, purchases: ArrayLike) -> FloatArray:
        """Minus the log of the probability given to what happened: less is better.

        Parameters
        ----------
        purchases : array of shape (customers,)
            What each customer bought.

        Returns
        -------
        ndarray of shape (customers,)
            Infinite where what happened was impossible: a purchase at a rate of 0. A model's
            probabilities below 2e-308 count as that, which makes 708.

        Raises
        ------
        DataError
            If there is not one whole number, 0 or more, per customer.
        """
        y = self._counts(purchases)
        at = self.start[self.inverse] + y
        known = at <= self._last
        p = np.where(known, self.pmf[np.minimum(at, self._last)], 0.0)
        unknown = np.flatnonzero(p < _SMALLEST)
        logs = np.log(np.maximum(p, _SMALLEST))
        for n in np.unique(y[unknown]):
            these = unknown[y[unknown] == n]
            logs[these] = self.log_pmf(int(n), self.inverse[these])
        return -logs

    def crps(self, purchases: ArrayLike) -> FloatArray:
        """Continuous ranked probability score: sum over n of (F(n) - 1{y <= n})^2, in purchases.

        For a forecast of one number, the absolute error. Less is better. As the sum of 1 - F(n)
        below y is E[min(Y, y)], it is y - 2 E[min(Y, y)] + sum of (1 - F(n))^2. Parameters,
        returns and errors as for `log_score`, but finite.
        """
        y = self._counts(purchases)
        at = np.minimum(self.start[self.inverse] + y - 1, self._last)
        limited = np.where(y > 0, self.limited[at], 0.0)
        squares = np.add.reduceat((1.0 - self.cdf) ** 2, self.start)
        return np.maximum(y - 2.0 * limited + squares[self.inverse], 0.0)

    def pit(self, purchases: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Ends of the probability integral transform: F(y - 1) and F(y) of what happened.

        Parameters and errors as for `log_score`; `pit_histogram` takes the two.
        """
        y = self._counts(purchases)
        return self._cdf_at(y - 1), self._cdf_at(y)

    def interval(self, level: float) -> CountInterval:
        """Central interval: from the (1 - level) / 2 quantile to the (1 + level) / 2 quantile.

        Counts being discrete, its probability is `level` or more.

        Raises
        ------
        ParameterError
            If `level` is no probability.
        """
        lo, hi = (
            np.add.reduceat((self.cdf < end).astype(np.int64), self.start)[self.inverse]
            for end in probabilities(level)
        )
        return CountInterval(lo, hi, self._cdf_at(hi) - self._cdf_at(lo - 1))

    def _cdf_at(self, n: IntArray) -> FloatArray:
        at = self.start[self.inverse] + n
        inside = self.cdf[np.clip(at, 0, self._last)]
        return np.where(n < 0, 0.0, np.where(at > self._last, 1.0, inside))

    @property
    def _last(self) -> IntArray:
        """Where each customer's row ends."""
        ends: IntArray = np.append(self.start[1:], len(self.pmf)) - 1
        return ends[self.inverse]

    def _counts(self, purchases: ArrayLike) -> IntArray:
        y = np.asarray(purchases, dtype=np.float64)
        if y.shape != self.inverse.shape:
            raise DataError(
                f"Give one number of purchases for each of the {len(self.inverse):,} customers, "
                f"got an array of shape {y.shape}."
            )
        _check((y >= 0) & (y == np.floor(y)) & np.isfinite(y), "purchases must be whole numbers")
        return y.astype(np.int64)


def _check(fine: _BoolArray, rule: str) -> None:
    if not fine.all():
        rows = np.flatnonzero(~fine)
        raise DataError(
            rule_broken(rule, len(rows), len(fine), (f"row {row}" for row in rows), "Mend them.")
        )


def _log_poisson(mean: FloatArray, n: int, rows: IntArray) -> FloatArray:
    out: FloatArray = sp.xlogy(n, mean[rows]) - sp.gammaln(n + 1) - mean[rows]
    return out


def _log_pmf(
    quantities: Quantities, params: Params, h: Histories, t: float, n: int, rows: IntArray
) -> FloatArray:
    """Log-probability of n purchases within t; of one too small for a float, the least log."""
    some = replace(
        h, x=h.x[rows], t_x=h.t_x[rows], T=h.T[rows], z=h.z[rows], weight=h.weight[rows],
        inverse=np.arange(len(rows)),
    )  # fmt: skip
    p = averaging.mean(quantities.pmf(n, t), params, some)
    return np.log(np.maximum(p, _SMALLEST))


def _some_draws(estimate: Estimate) -> Params:
    """The draws of the estimate, or as many of them as tell probabilities well enough."""
    have = averaging.draws_of(estimate.point)
    kept = np.linspace(0, have - 1, min(have, INTERVAL_DRAWS)).astype(np.int64)
    return {name: values[kept] for name, values in estimate.point.items()}

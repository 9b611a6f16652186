"""How much money each customer may spend within a horizon: whole distributions, and scores."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, Self, final

import numpy as np
from numpy.typing import ArrayLike

from clvmodels._numbers import whole_number
from clvmodels._typing import FloatArray, IntArray, Params
from clvmodels.evaluation.predictive import CountDistribution
from clvmodels.exceptions import DataError, ParameterError
from clvmodels.kernels.grouping import distinct_rows
from clvmodels.models.averaging import columns_at_once, draws_of
from clvmodels.models.clock import Summary
from clvmodels.models.fitted import probabilities
from clvmodels.models.pooling import columns_of, own_params
from clvmodels.models.spend import FittedSpend, monetary

_MOST: Final = 1e200  # money: draws end here, so that sums of them are finite


class RevenueScores(NamedTuple):
    """What became of the distributions; each is of shape (customers,).

    Attributes
    ----------
    crps : ndarray
        Continuous ranked probability score, in money: less is better. By chance it may be a little
        below 0 where hardly anything is uncertain.
    pit_lo, pit_hi : ndarray
        P(X < y) and P(X <= y), apart where nothing was spent; `pit_histogram` takes the two.
    lo, hi : ndarray
        Central interval, both ends included.
    probability : ndarray
        Of the interval: its level, and more where nothing at all is bought that often.
    """

    crps: FloatArray
    pit_lo: FloatArray
    pit_hi: FloatArray
    lo: FloatArray
    hi: FloatArray
    probability: FloatArray


@final
@dataclass(frozen=True, slots=True, eq=False)
class RevenueDistribution:
    """The distribution of each customer's revenue within a horizon, before margin or discounting.

    Purchases times what they are worth, which are independent. That nothing is bought has its
    exact probability; what is spent otherwise is drawn: a number of purchases, 1 or more, and
    their values given what is known of the customer. Draws are made anew whenever they are needed,
    a block of customers at a time, and are the same each time. Customers of whom the same is known
    share theirs.

    Attributes
    ----------
    counts : CountDistribution
        Of purchases.
    spend : FittedSpend
    known : ndarray of shape (rows, columns)
        What tells customers apart: their row in `counts`, purchases behind the mean value, mean
        value, and what the parameters of their spend depend on.
    inverse : ndarray of shape (customers,)
        Each customer's row.
    draws : int
        Revenues drawn per row.
    seed : int

    References
    ----------
    Gneiting and Raftery (2007), Strictly proper scoring rules, prediction, and estimation, Journal
    of the American Statistical Association 102(477), 359-378; from draws: Ferro (2014), Fair scores
    for ensemble forecasts, Quarterly Journal of the Royal Meteorological Society 140, 1917-1923,
    and Zamo and Naveau (2018), Estimation of the continuous ranked probability score with limited
    information, Mathematical Geosciences 50(2), 209-234.
    """

    counts: CountDistribution
    spend: FittedSpend
    known: FloatArray
    inverse: IntArray
    draws: int
    seed: int

    @classmethod
    def of(
        cls,
        counts: CountDistribution,
        spend: FittedSpend,
        data: Summary,
        draws: int = 200,
        seed: int = 0,
    ) -> Self:
        """What two fitted models predict; of a posterior, averaged over its draws.

        Parameters
        ----------
        counts : CountDistribution
            Of purchases of the customers in `data`.
        spend : FittedSpend
        data : RFMSummary or OpportunitySummary
            Customers, fitted or not, with monetary values in the currency of the fit.
        draws : int
            Revenues drawn per customer, an even number; 200 make 90 % intervals about 0.2 % too
            wide on average.
        seed : int
            The same seed gives the same distribution.

        Raises
        ------
        DataError
            If the summary has no monetary value, or not as many customers as the counts.
        ParameterError
            If `draws` is odd.

        Examples
        --------
        >>> import clvmodels as clv
        >>> rfm = clv.datasets.load_cdnow_summary()
        >>> value = clv.CLVModel(clv.BetaGeoModel(), clv.GammaGammaModel(), discount=0).fit(rfm)
        >>> counts = CountDistribution.of(value.purchases, rfm, "39 weeks")
        >>> revenue = RevenueDistribution.of(counts, value.spend, rfm)
        >>> found = revenue.held_against(np.zeros(len(rfm)), 0.9)  # had nobody come back
        >>> found.hi[:2].round(-1).tolist(), found.probability[:2].round(3).tolist()
        ([120.0, 30.0], [0.95, 0.95])
        """
        if whole_number("draws", draws, 2) % 2:
            raise ParameterError(f"draws must be even, for they are compared by halves: {draws}.")
        if len(data) != len(counts.inverse):
            raise DataError(
                f"The counts are those of {len(counts.inverse):,} customers, and the summary has "
                f"{len(data):,}: both take the same ones, in the same order."
            )
        x, m = monetary(data)
        says = spend.informative(data)
        columns = [counts.inverse, np.where(says, x, 0.0), np.where(says, m, 0.0)]
        z = columns_of(data, spend.design, spend.groups)
        keys = np.column_stack(columns if z is None else [*columns, z]) + 0.0  # -0.0 is 0.0
        rows, inverse = distinct_rows(keys.view(np.uint64))
        return cls(counts, spend, rows.view(np.float64), inverse, draws, seed)

    def held_against(self, revenue: ArrayLike, level: float) -> RevenueScores:
        """Scores and intervals, beside what customers spent.

        The CRPS is the integral of (F(t) - 1{y <= t})^2; for a forecast of one amount, the
        absolute error. As |X - y| is X + y - 2 min(X, y), it is y - 2 E[min(X, y)] +
        E[min(X, X')] for independent X and X' of the distribution: an average over draws, and one
        over pairs of them, both without bias (a fair score, Ferro 2014). Spend need not
        have a mean, but the lesser of two futures must: of a Gamma-Gamma with p x + q up to 1/2
        the score is infinite, which draws cannot show; they give some large number.

        Parameters
        ----------
        revenue : array of shape (customers,)
            What each customer spent; negative where refunds outweigh it.
        level : float
            Probability of the central intervals: from the (1 - level) / 2 quantile to the
            (1 + level) / 2 quantile (definition 5 of Hyndman and Fan 1996).

        Raises
        ------
        DataError
            If there is not one finite amount per customer.
        ParameterError
            If `level` is no probability.
        """
        y, (low, high) = self._amounts(revenue), probabilities(level)
        none = self.counts.cdf[self.counts.start[self.counts.inverse]]
        crps, pit_lo, pit_hi, lo, hi = np.empty((5, len(y)))
        for some, drawn, lesser_of_two in self._pieces():
            own, nothing, rest = y[some], none[some], 1 - none[some]
            beside = own[:, None]
            lesser = nothing * np.minimum(own, 0) + rest * np.minimum(drawn, beside).mean(axis=1)
            crps[some] = own - 2 * lesser + rest**2 * lesser_of_two
            pit_lo[some] = nothing * (own > 0) + rest * (drawn < beside).mean(axis=1)
            pit_hi[some] = nothing * (own >= 0) + rest * (drawn <= beside).mean(axis=1)
            lo[some], hi[some] = (_quantile(drawn, nothing, tail) for tail in (low, high))
        claimed = np.maximum(high, none) - np.where(none < low, low, 0.0)
        return RevenueScores(crps, pit_lo, pit_hi, lo, hi, claimed)

    def _pieces(self) -> Iterator[tuple[IntArray, FloatArray, FloatArray]]:
        """Some customers, draws of what they spend if anything, the mean of the lesser of two.

        Draws are in ascending order. Pairs have one of each half, which are independent.
        """
        rng = np.random.default_rng(self.seed)
        # distribution functions end to end, each one higher than the one before
        lengths = np.diff(np.append(self.counts.start, len(self.counts.cdf)))
        steps = self.counts.cdf + np.repeat(np.arange(len(lengths)), lengths)
        by_row = np.argsort(self.inverse, kind="stable")
        ends = np.searchsorted(self.inverse[by_row], np.arange(len(self.known) + 1))
        step = columns_at_once(self.draws)
        for first in range(0, len(self.known), step):
            known = self.known[first : first + step]
            made = self._purchases(known[:, 0].astype(np.int64), steps, rng)
            drawn = np.minimum(made * self._values(known, made, rng), _MOST).T
            one, other, ranked = (
                np.sort(part, axis=1) for part in (*np.split(drawn, 2, axis=1), drawn)
            )
            pairs = _lesser(ranked) - _lesser(one) - _lesser(other)
            lesser_of_two = pairs / (self.draws // 2) ** 2
            customers = by_row[ends[first] : ends[first + len(known)]]
            for k in range(0, len(customers), step):
                some = customers[k : k + step]
                place = self.inverse[some] - first
                yield some, ranked[place], lesser_of_two[place]

    def _purchases(self, row: IntArray, steps: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Numbers of purchases given that there is one, of shape (draws, rows).

        By inversion: in each half of the draws, one from each of as many equal parts of their
        distribution.
        """
        half = self.draws // 2
        start, none = self.counts.start[row], self.counts.cdf[self.counts.start[row]]
        last = np.append(self.counts.start, len(steps))[row + 1] - 1
        share = (np.tile(np.arange(half), 2) + rng.random((len(row), self.draws))) / half
        u = none[:, None] + (1 - none[:, None]) * share
        at = np.minimum(np.searchsorted(steps, u + row[:, None]), last[:, None])
        made: FloatArray = np.maximum(at - start[:, None], 1).T.astype(np.float64)
        return made

    def _values(self, known: FloatArray, made: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Mean values of these purchases, at draws of the parameters in any order."""
        x, m, z = known[:, 1], known[:, 2], known[:, 3:]
        fit, point = self.spend, self.spend.estimate.point
        which = rng.permutation(self.draws) * draws_of(point) // self.draws
        params: Params = {name: values[which] for name, values in point.items()}
        if z.shape[1]:
            params = own_params(params, z, fit.design, fit.groups)
        return fit.model.simulate_further(made, x, m, rng, params)

    def _amounts(self, revenue: ArrayLike) -> FloatArray:
        y = np.asarray(revenue, dtype=np.float64)
        if y.shape != self.inverse.shape or not np.isfinite(y).all():
            raise DataError(
                f"Give one finite amount for each of the {len(self.inverse):,} customers, got an "
                f"array of shape {y.shape}."
            )
        return y


def _lesser(ranked: FloatArray) -> FloatArray:
    """Sum of the lesser one over all pairs, per row."""
    return ranked @ np.arange(ranked.shape[1], dtype=np.float64)[::-1]


def _quantile(ranked: FloatArray, none: FloatArray, tail: float) -> FloatArray:
    """Of nothing, with probability `none`, and draws otherwise."""
    draws = ranked.shape[1]
    share = np.maximum(tail - none, 0.0) / np.maximum(1 - none, 1 - tail)
    place = np.clip(share * draws - 0.5, 0, draws - 1)
    below = np.floor(place).astype(np.int64)
    above, part = np.minimum(below + 1, draws - 1), place - below
    rows = np.arange(len(ranked))
    between = (1 - part) * ranked[rows, below] + part * ranked[rows, above]
    return np.where(none < tail, between, 0.0)

"""Bands around what a model expects of counts: how sure its parameters are, and chance besides.

If the model is right, counts of other customers like these lie within their band in nine of ten
cases; those of the customers that it was fitted to do so more often.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

import numpy as np

from clvmodels._typing import FloatArray, IntArray, Params
from clvmodels.data.histories import Histories
from clvmodels.inference.estimate import Estimate
from clvmodels.models.averaging import Evaluate, columnwise_quantiles, draws_of
from clvmodels.models.clock import Summary
from clvmodels.models.fitted import INTERVAL_DRAWS, probabilities
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.models.quantities import Quantities
from clvmodels.models.simulation import purchases_by_age
from clvmodels.models.streaming import Stream, Values, over_histories

LEVEL: Final = 0.9
REST: Final = "rest"
_ROWS: Final = 2000  # histories that a band is worked out from; the expectation is of all
_LIVES: Final = 2000  # simulated customers that the scatter of purchases is measured on
_GRID: Final = 257  # ages at which expected purchases are worked out for every draw


def knows_its_uncertainty(estimate: Estimate) -> bool:
    """Whether there are draws of the parameters, or a covariance to draw from."""
    has = (estimate.replicates, estimate.spread)
    return estimate.is_sample or any(values is not None for values in has)


def parameter_draws(estimate: Estimate) -> Params:
    """As many draws as a band takes, of the posterior or of the sampling distribution."""
    if not estimate.is_sample:
        return estimate.sample(INTERVAL_DRAWS, np.random.default_rng(0))
    have = draws_of(estimate.point)
    rows = np.linspace(0, have - 1, min(have, INTERVAL_DRAWS)).astype(np.int64)
    return {name: values[rows] for name, values in estimate.point.items()}


def limits(expected: FloatArray, drawn: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Ends of the band: quantiles of draws (draws, counts), centred at what is expected."""
    low, high = columnwise_quantiles(drawn - drawn.mean(axis=0), probabilities(LEVEL))
    return np.maximum(expected + low, 0.0), expected + high


def nothing_known(expected: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Ends of a band where there is none."""
    none = np.full(len(expected), np.nan)
    return none, none


def simulated_counts(
    fit: FittedPurchases, evaluates: Mapping[str, Evaluate], h: Histories, members: FloatArray
) -> dict[str, FloatArray]:
    """How many customers of some groups something happens to, of shape (draws, groups).

    Parameters
    ----------
    fit : FittedPurchases
    evaluates : mapping of str to Evaluate
        Probabilities of events that exclude each other; `REST` is that of none of them.
    h : Histories
    members : ndarray of shape (groups, histories)
        How many customers of each group have each history.
    """
    from scipy.sparse import csc_array

    h, members = _some(h, members)
    stream = over_histories(evaluates, parameter_draws(fit.estimate), h)
    sums = _with_squares(stream).sums(csc_array(members))
    rng = np.random.default_rng(0)
    return {name: _happened(sums[name], sums[_squared(name)], rng) for name in (*evaluates, REST)}


def _totals(mean: FloatArray, variance: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Purchases of all customers, (draws, rows), given their mean and variance: gamma-Poisson."""
    excess = np.maximum(variance - mean, 1e-9 * mean + 1e-12)
    rate = rng.gamma(np.maximum(mean**2 / excess, 1e-12)) * excess / np.maximum(mean, 1e-12)
    return rng.poisson(rate).astype(np.float64)


def tracking_band(
    fit: FittedPurchases, data: Summary, ages: FloatArray, customers: FloatArray, each: FloatArray
) -> dict[str, FloatArray]:
    """Ends of the bands around purchases of new customers, row by row and so far.

    Parameters
    ----------
    fit : FittedPurchases
    data : RFMSummary
        Says when their observation ends.
    ages : ndarray of shape (rows, ages)
        How old customers are at the end of each row, 0 before they come.
    customers : ndarray of shape (ages,)
        How many there are of each age.
    each : ndarray of shape (rows, ages)
        Purchases expected of a customer by then.

    Returns
    -------
    dict
        purchases_lo, purchases_hi, cumulative_lo, cumulative_hi, of shape (rows,).
    """
    if not knows_its_uncertainty(fit.estimate):
        return no_band(len(ages))
    rng = np.random.default_rng(0)
    means = _so_far(fit, ages, customers)
    some = _in_proportion(customers, min(_LIVES, len(data)))
    off = _lives(fit.quantities(data), fit.estimate, ages[:, some]) - each[:, some]
    found: dict[str, FloatArray] = {}
    for name, count in (("purchases", _by_row), ("cumulative", np.asarray)):
        mean = np.maximum(count(means), 0.0)
        variance = customers.sum() * np.mean(count(off) ** 2, axis=1)
        low, high = limits(count(each @ customers), _totals(mean.T, variance, rng))
        found |= {f"{name}_lo": low, f"{name}_hi": high}
    return found


def no_band(rows: int) -> dict[str, FloatArray]:
    """Ends of the bands where there are none."""
    names = ("purchases_lo", "purchases_hi", "cumulative_lo", "cumulative_hi")
    return {name: np.full(rows, np.nan) for name in names}


def _by_row(so_far: FloatArray) -> FloatArray:
    return np.diff(so_far, axis=0, prepend=np.zeros_like(so_far[:1]))


def _so_far(fit: FittedPurchases, ages: FloatArray, customers: FloatArray) -> FloatArray:
    """Purchases expected of all customers at each draw of the parameters, (rows, draws)."""
    params = parameter_draws(fit.estimate)
    grid = np.linspace(0, ages.max(), _GRID)
    # straight lines between the ages of a grid: each customer counts at the two next to its own
    place = np.clip(np.searchsorted(grid, ages, side="right") - 1, 0, _GRID - 2)
    share = (ages - grid[place]) / (grid[1] - grid[0])
    counts = np.zeros((len(ages), _GRID))
    row = np.arange(len(ages))[:, None]
    np.add.at(counts, (row, place), (1 - share) * customers)
    np.add.at(counts, (row, place + 1), share * customers)
    one = ({name: values[[k]] for name, values in params.items()} for k in range(draws_of(params)))
    curves = [replace(fit, estimate=Estimate("draw", its)).expected_curve(grid) for its in one]
    return counts @ np.array(curves).T


def _lives(quantities: Quantities, estimate: Estimate, ages: FloatArray) -> FloatArray:
    """Purchases of simulated customers by each of their ages."""
    elapsed = quantities.clock.elapsed(ages.reshape(1, -1)).reshape(ages.shape)
    return purchases_by_age(quantities, estimate, elapsed, seed=0)


def _in_proportion(weight: FloatArray, size: int) -> IntArray:
    """So many places, each as often as its weight says."""
    reached = np.cumsum(weight)
    marks = (np.arange(size) + 0.5) / size * reached[-1]
    places: IntArray = np.minimum(np.searchsorted(reached, marks), len(weight) - 1)
    return places


def _happened(mean: FloatArray, squares: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Numbers of events whose probabilities add up to `mean`, their squares to `squares`.

    The binomial distribution with that mean and variance: exact where the probabilities are equal.
    """
    trials = np.maximum(np.rint(mean**2 / np.maximum(squares, 1e-300)), np.ceil(mean))
    share = np.minimum(mean / np.maximum(trials, 1.0), 1.0)
    return rng.binomial(trials.astype(np.int64), share).astype(np.float64)


def _squared(name: str) -> str:
    return f"{name}, squared"


def _with_squares(stream: Stream) -> Stream:
    """Probabilities, the probability of none of them, and the squares of all."""

    def piece(inner: Any) -> Iterator[Values]:
        for columns, values in inner():
            every = {**values, REST: np.maximum(1.0 - sum(values.values()), 0.0)}
            squares = {_squared(name): its**2 for name, its in every.items()}
            yield columns, {**every, **squares}

    names = (*stream.names, REST)
    pieces = [partial(piece, inner) for inner in stream.pieces]
    return replace(stream, names=(*names, *map(_squared, names)), pieces=pieces)


def _some(h: Histories, members: FloatArray) -> tuple[Histories, FloatArray]:
    """At most so many histories, in proportion to their customers, to stand for all."""
    if len(h) <= _ROWS:
        return h, members
    weight = members.sum(axis=0)
    rows = _in_proportion(weight, _ROWS)
    each = weight[rows]
    some = replace(
        h, x=h.x[rows], t_x=h.t_x[rows], T=h.T[rows], z=h.z[rows], weight=each,
        inverse=np.arange(_ROWS),
    )  # fmt: skip
    return some, members[:, rows] / each * (weight.sum() / _ROWS)

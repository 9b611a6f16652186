"""Draws of predictions, streamed: what is to be said of them without ever holding them all.

A `Stream` has draws of some quantities for each of its columns, which are histories or customers.
They come in pieces that evaluate some columns at all draws; the pieces run side by side, and each
is reduced to what is asked before the next one is taken up.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, final

import numpy as np

from clvmodels._typing import FloatArray, IntArray, Params
from clvmodels.data.histories import Histories
from clvmodels.exceptions import ParameterError
from clvmodels.inference.estimate import Estimate
from clvmodels.models.averaging import (
    Block,
    Evaluate,
    blocks,
    columnwise_quantiles,
    draws_of,
    side_by_side,
)
from clvmodels.models.fitted import INTERVAL_DRAWS

Values: TypeAlias = tuple[IntArray, Mapping[str, FloatArray]]
"""Some columns, and draws of each quantity for them, of shape (draws, columns)."""

_MOST_BYTES = 2e9  # of draws that are handed over


@final
@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """What draws say of each column.

    Attributes
    ----------
    mean, sd : ndarray of shape (columns,)
        The sd is infinite where the mean is. Both leave out infinite draws where so few are
        infinite that these may be spared.
    quantiles : ndarray of shape (probabilities, columns)
    """

    mean: FloatArray
    sd: FloatArray
    quantiles: FloatArray

    @classmethod
    def of(
        cls, values: FloatArray, probabilities: Sequence[float], spared: float = 0.0
    ) -> "Spread":
        """Of the columns of draws of shape (draws, columns), of which a share may be spared."""
        with np.errstate(invalid="ignore"):  # infinite draws, which are seen to below
            apart = values - values[0]  # equal draws have an sd of exactly 0
            mean = values[0] + apart.mean(axis=0)
            size = np.maximum(apart.max(axis=0), -apart.min(axis=0))
            size[size == 0] = 1.0
            apart /= size  # or the squares of large amounts would overflow
            sd = size * apart.std(axis=0)
        undefined = ~np.isfinite(mean)
        mean[undefined], sd[undefined] = values[:, undefined].sum(axis=0), np.inf
        for column in np.flatnonzero(undefined) if spared else ():
            own = values[np.isfinite(values[:, column]), column]
            if len(own) >= (1 - spared) * len(values):
                mean[column], sd[column] = own.mean(), own.std()
        if not probabilities:
            return cls(mean, sd, np.empty((0, len(mean))))
        return cls(mean, sd, columnwise_quantiles(values, tuple(probabilities)))

    def expand(self, histories: Histories) -> "Spread":
        """That of histories, given back per customer."""
        parts = (self.mean, self.sd, self.quantiles)
        return Spread(*(histories.expand(part) for part in parts))


@final
@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """Draws of some quantities, in pieces.

    Attributes
    ----------
    names : tuple of str
        The quantities.
    draws, columns : int
        How many there are.
    pieces : sequence of callable
        Each goes through its columns, in portions that fit into memory.
    spared : float
        Share of infinite draws that mean and sd of a column may leave out.
    """

    names: tuple[str, ...]
    draws: int
    columns: int
    pieces: Sequence[Callable[[], Iterator[Values]]]
    spared: float = 0.0

    def spread(self, probabilities: Sequence[float]) -> dict[str, Spread]:
        """Mean, sd and quantiles of each quantity, per column."""
        n, k = self.columns, len(probabilities)
        out = {name: Spread(np.empty(n), np.empty(n), np.empty((k, n))) for name in self.names}

        def describe(columns: IntArray, values: Mapping[str, FloatArray]) -> None:
            for name, its in values.items():
                some = Spread.of(its, probabilities, self.spared)
                out[name].mean[columns] = some.mean
                out[name].sd[columns] = some.sd
                out[name].quantiles[:, columns] = some.quantiles

        self._each(describe)
        return out

    def sums(self, members: Any) -> dict[str, FloatArray]:
        """Weighted sums over the columns of each group, of shape (draws, groups).

        Parameters
        ----------
        members : sparse array of shape (groups, columns)
            How many customers each column stands for; compressed by column.
        """
        groups = members.shape[0]
        check_size(self.draws, groups, len(self.names), "groups", "Form fewer groups.")
        out = {name: np.zeros((self.draws, groups)) for name in self.names}

        def add_up(piece: Callable[[], Iterator[Values]]) -> dict[str, FloatArray]:
            total: dict[str, FloatArray] = {}
            for columns, values in piece():
                here = members[:, columns]
                for name, its in values.items():
                    total[name] = total.get(name, 0.0) + (here @ its.T).T
            return total

        for part in side_by_side(add_up, self.pieces):
            for name, its in part.items():
                out[name] += its
        return out

    def kept(self) -> dict[str, FloatArray]:
        """All draws of each quantity, of shape (draws, columns)."""
        out = {name: np.empty((self.draws, self.columns)) for name in self.names}

        def keep(columns: IntArray, values: Mapping[str, FloatArray]) -> None:
            for name, its in values.items():
                out[name][:, columns] = its

        self._each(keep)
        return out

    def _each(self, use: Callable[[IntArray, Mapping[str, FloatArray]], None]) -> None:
        def work(piece: Callable[[], Iterator[Values]]) -> None:
            for columns, values in piece():
                use(columns, values)

        for _ in side_by_side(work, self.pieces):
            pass


def over_histories(
    evaluates: Mapping[str, Evaluate], params: Params, histories: Histories
) -> Stream:
    """Draws of quantities per history."""

    def piece(block: Block) -> Iterator[Values]:
        yield block.rows, {name: evaluate(params, block) for name, evaluate in evaluates.items()}

    draws = draws_of(params)
    pieces = [partial(piece, block) for block in blocks(histories, draws)]
    return Stream(tuple(evaluates), draws, len(histories), pieces)


def how_many_draws(*estimates: Estimate) -> int:
    """All draws of a posterior (the most, of several); of maxima, those behind an interval."""
    samples = [draws_of(estimate.point) for estimate in estimates if estimate.is_sample]
    return max(samples, default=INTERVAL_DRAWS)


def drawn(estimate: Estimate, draws: int, rng: np.random.Generator) -> Params:
    """The draws that predictions are averaged over, if as many, or else a sample of that many."""
    if draws_of(estimate.point) == draws:
        return estimate.point
    return estimate.sample(draws, rng)


def check_size(draws: int, columns: int, quantities: int, of: str, remedy: str) -> None:
    """Refuse to hold more draws at once than fit into 2 GB."""
    size = 8.0 * draws * columns * quantities
    if size > _MOST_BYTES:
        raise ParameterError(
            f"{draws:,} draws of {quantities} quantities for {columns:,} {of} would take "
            f"{size / 1e9:,.1f} GB, more than {_MOST_BYTES / 1e9:,.0f} GB. {remedy}"
        )

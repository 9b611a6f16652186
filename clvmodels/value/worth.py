"""What customers' purchases will be worth: how many, times what each is worth, draw by draw."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import final

import numpy as np

from clvmodels._typing import FloatArray, Params
from clvmodels.models.averaging import Block, Evaluate, blocks, columns_at_once, draws_of
from clvmodels.models.clock import Summary
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.models.spend import FittedSpend
from clvmodels.models.streaming import Spread, Stream, Values, drawn, how_many_draws
from clvmodels.models.tables import Grouping

MADE, DISCOUNTED = "made", "discounted"
_QUANTITIES = {  # which purchases, in money, after margin
    "purchases": (MADE, False, False),
    "revenue": (MADE, True, False),
    "value": (MADE, True, True),
    "clv": (DISCOUNTED, True, True),
}


@final
@dataclass(frozen=True, slots=True, eq=False)
class Worth:
    """Purchases in a window, revenue, value and discounted value (clv) of some customers.

    Attributes
    ----------
    purchases : FittedPurchases
    spend : FittedSpend
    data : RFMSummary or OpportunitySummary
        The customers.
    margin : ndarray of shape (customers,)
    evaluates : mapping of str to Evaluate
        Purchases `MADE` in the window, and `DISCOUNTED`.
    """

    purchases: FittedPurchases
    spend: FittedSpend
    data: Summary
    margin: FloatArray
    evaluates: Mapping[str, Evaluate]

    def means(self, *names: str) -> dict[str, FloatArray]:
        """Mean of each quantity, per customer.

        Raises
        ------
        UndefinedMeanError
            If some customer's spend has no mean.
        """
        spend = self.spend.expected_spend(self.data)
        if self._together:
            return {name: its.mean for name, its in self._stream(names).spread(()).items()}
        # separate estimates: the mean of a product is that of the means
        quantities, estimate = self.purchases.quantities(self.data), self.purchases.estimate
        h = quantities.histories(self.data)
        count = {kind: quantities.mean(self.evaluates[kind], estimate, h) for kind in _kinds(names)}
        return {name: _worth(name, count, spend, self.margin) for name in names}

    def spread(self, names: Sequence[str], probabilities: Sequence[float]) -> dict[str, Spread]:
        """Mean, sd and quantiles of each quantity, per customer; errors as of `means`."""
        if self._together:
            self.spend.expected_spend(self.data)
            return self._stream(names).spread(probabilities)
        means = self.means(*names)
        found = self._stream(names).spread(probabilities)
        return {name: replace(its, mean=means[name]) for name, its in found.items()}

    def totals(
        self, names: Sequence[str], grouping: Grouping, probabilities: Sequence[float]
    ) -> dict[str, Spread]:
        """The same of each group's sums."""
        members = grouping.members()
        if self._together:
            self.spend.expected_spend(self.data)
            stream = self._stream(names)
            sums = stream.sums(members)
            found = {
                name: Spread.of(its, probabilities, stream.spared) for name, its in sums.items()
            }
            if all(np.isfinite(its).all() for its in sums.values()):
                return found
            # each customer's mean leaves out other draws: theirs add up
            own = stream.spread(())
            return {
                name: replace(its, mean=members @ own[name].mean) for name, its in found.items()
            }
        means = self.means(*names)
        sums = self._stream(names).sums(members)
        return {
            name: replace(Spread.of(draws, probabilities), mean=members @ means[name])
            for name, draws in sums.items()
        }

    def kept(self, name: str) -> FloatArray:
        """All draws of a quantity, of shape (draws, customers)."""
        return self._stream([name]).kept()[name]

    @property
    def draws(self) -> int:
        """How many draws of purchases and spend there are."""
        return how_many_draws(self.purchases.estimate, self.spend.estimate)

    @property
    def params(self) -> tuple[Params, Params]:
        """Draws of the parameters of purchases and of spend, as many."""
        rng = np.random.default_rng(0)
        purchases = drawn(self.purchases.estimate, self.draws, rng)
        return purchases, drawn(self.spend.estimate, self.draws, rng)

    @property
    def _together(self) -> bool:
        """Whether both are samples of as many draws, so that means are those over these."""
        counts = {draws_of(e.point) for e in (self.purchases.estimate, self.spend.estimate)}
        return counts == {self.draws}

    def _stream(self, names: Sequence[str]) -> Stream:
        """Purchases are evaluated once per history; spend differs between those who share one."""
        params, spend_params = self.params
        h = self.purchases.quantities(self.data).histories(self.data)
        of = self.spend.draws(self.data, spend_params)
        # blocks take histories in this order, so each has a run of the customers sorted by it
        place = np.empty(len(h), dtype=np.int64)
        place[h.by_age] = np.arange(len(h))
        place = place[h.inverse]
        by_place = np.argsort(place, kind="stable")
        ends = np.searchsorted(place[by_place], np.arange(len(h) + 1))
        step = columns_at_once(self.draws)

        def piece(block: Block, done: int) -> Iterator[Values]:
            made = {kind: self.evaluates[kind](params, block) for kind in _kinds(names)}
            customers = by_place[ends[done] : ends[done + len(block.rows)]]
            for k in range(0, len(customers), step):
                some = customers[k : k + step]
                column = place[some] - done
                count = {kind: np.take(its, column, axis=1) for kind, its in made.items()}
                spend, margin = of(some), self.margin[some]
                yield some, {name: _worth(name, count, spend, margin) for name in names}

        pieces, done = [], 0
        for block in blocks(h, self.draws):
            pieces.append(partial(piece, block, done))
            done += len(block.rows)
        return Stream(tuple(names), self.draws, len(self.data), pieces, self.spend.spared)


def _kinds(names: Sequence[str]) -> set[str]:
    return {_QUANTITIES[name][0] for name in names}


def _worth(
    name: str, counts: Mapping[str, FloatArray], spend: FloatArray, margin: FloatArray
) -> FloatArray:
    """A quantity, of purchases and spend of the same shape."""
    kind, in_money, net = _QUANTITIES[name]
    count = counts[kind] * margin if net else counts[kind]
    if not in_money:
        return count
    # nothing where none are made, even if spend has no mean
    return np.multiply(count, spend, out=np.zeros_like(count), where=count != 0)

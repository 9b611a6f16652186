"""What a purchase model says of a history at given parameters, ready to be averaged over draws.

Whatever is conditional on being alive depends on (x, T) alone, so it is evaluated per distinct
pair, multiplied by P(alive) per history, and at few ages where it is smooth in them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self, TypeAlias, final

import numpy as np

from clvmodels._numbers import whole_number
from clvmodels._typing import FloatArray, IntArray, Kernel, Params
from clvmodels.data.histories import Histories
from clvmodels.exceptions import DataError, ParameterError
from clvmodels.inference.groups import Groups
from clvmodels.models import averaging
from clvmodels.models.ages import in_pieces, over_ages
from clvmodels.models.averaging import Block, Evaluate
from clvmodels.models.clock import Clock, Summary, expected_curve
from clvmodels.models.design import Design
from clvmodels.models.pooling import columns_of, columns_of_new, own_params
from clvmodels.models.streaming import Spread, drawn, how_many_draws, over_histories
from clvmodels.units import DiscountRate, Horizon, TimeUnit

if TYPE_CHECKING:
    from clvmodels.inference.estimate import Estimate
    from clvmodels.models.purchases import PurchaseModel

_OfAge: TypeAlias = Callable[[Params, FloatArray, FloatArray], FloatArray]
"""Parameters, x and T of shape (pairs,) to values of shape (draws, pairs)."""

_NODES = 40  # numbers per (x, T) pair while discounting, about
_SEARCH_STEPS = 60  # halvings of log time: to a relative 1e-12 over twenty orders of magnitude
_SOONEST = 1e-6  # of waiting times, in calendar units of the clock


@final
@dataclass(frozen=True, slots=True, eq=False)
class Quantities:
    """A purchase model's quantities as functions of parameters and histories.

    Attributes
    ----------
    model : PurchaseModel
    clock : Clock
        Set to when the observation of the customers ends.
    design : Design or None
        How parameters depend on covariates.
    groups : Groups or None
        Those that have parameters of their own.
    """

    model: "PurchaseModel"
    clock: Clock
    design: Design | None = None
    groups: Groups | None = None

    @property
    def kernel(self) -> Kernel:
        """The model's functions."""
        return self.model.kernel

    def set_to(self, data: Summary) -> Self:
        """The same quantities from the end of observation of `data`."""
        return replace(self, clock=self.clock.set_to(data))

    def histories(self, data: Summary) -> Histories:
        """Distinct histories with their covariates, in the model's time; group after group."""
        h = self.clock.histories(data, columns_of(data, self.design, self.groups))
        return h if self.groups is None else _by_group(h)

    def newcomer(self, covariates: Mapping[str, float] | None) -> Histories:
        """A customer who has just bought for the first time."""
        z = columns_of_new(covariates, 1, self.design, self.groups)[1]
        return Histories.of(np.zeros(1), np.zeros(1), np.zeros(1), z=z if z.size else None)

    # quantities

    def alive(self) -> Evaluate:
        """P(alive)."""
        return self._each_at_its_own(self._alive)

    def alive_after(self, t: float) -> Evaluate:
        """P(alive) after another `t`, whatever is bought until then."""
        later = self._elapsed(t)

        def if_alive(params: Params, x: FloatArray, T: FloatArray) -> FloatArray:
            out: FloatArray = self.kernel.survival_if_alive(x, T, later, **params)
            return out

        return self._if_alive(if_alive)

    def expected(self, begin: float, end: float) -> Evaluate:
        """Purchases expected from `begin` to `end`."""
        t_1, t_2 = self._elapsed(begin), self._elapsed(end)

        def if_alive(params: Params, x: FloatArray, T: FloatArray) -> FloatArray:
            out: FloatArray = self.kernel.purchases_if_alive(x, T, t_2, **params)
            if begin == 0:
                return out
            before: FloatArray = self.kernel.purchases_if_alive(x, T, t_1, **params)
            return np.maximum(out - before, 0.0)

        return self._if_alive(if_alive)

    def pmf(self, n: int, t: float) -> Evaluate:
        """P(exactly n purchases within t)."""
        n, length = whole_number("n", n, 0), self._elapsed(t)

        def if_alive(params: Params, x: FloatArray, T: FloatArray) -> FloatArray:
            out: FloatArray = self.kernel.pmf_if_alive(np.float64(n), x, T, length, **params)
            return out

        def at_their(params: Params, block: Block) -> FloatArray:
            alive = self._alive(params, block)
            out = alive * self._mixed(if_alive, params, block, interpolated=False)
            return out + (1 - alive) if n == 0 else out

        return self._each_at_its_own(at_their)

    def no_purchase(self, t: FloatArray) -> Evaluate:
        """P(no purchase within t), for one `t` per history."""

        def at_their(params: Params, block: Block) -> FloatArray:
            alive = self._alive(params, block)
            length = self.clock.elapsed(t[block.rows])
            silent = [
                self.kernel.pmf_if_alive(np.float64(0), block.x + stage, block.T, length, **params)
                for stage in self._stages
            ]
            return alive * self._over_stages(silent, params, block) + (1 - alive)

        return self._each_at_its_own(at_their)

    def pmf_by_age(self, n: int) -> Evaluate:
        """P(exactly n purchases by their age) of customers of whom only the age is known."""

        def at_their(params: Params, block: Block) -> FloatArray:
            zero = np.zeros(len(block.T))
            alive = self.kernel.prob_alive(zero, zero, zero, **params)
            out: FloatArray = alive * self.kernel.pmf_if_alive(
                np.float64(n), zero, zero, block.T, **params
            )
            return out + (1 - alive) if n == 0 else out

        return self._each_at_its_own(at_their)

    def discounted(self, discount: DiscountRate, begin: float, end: float) -> Evaluate:
        """Purchases from `begin` to `end`, discounted from now."""
        if np.isinf(end) and discount.force(TimeUnit.YEAR) <= 0:
            raise ParameterError(
                f"An infinite future needs a positive discount rate, got {discount}. Give a "
                "positive rate, or a horizon."
            )
        return self._if_alive(
            lambda params, x, T: self.clock.discounted(
                self.kernel, params, x, T, discount, begin, end
            ),
            _NODES,
        )

    def month_end(self, discount: DiscountRate, months: int) -> Evaluate:
        """Purchases booked at the end of each month, as lifetimes does."""
        from clvmodels.kernels.discounting import monthly

        month = self.clock.length(Horizon(1, TimeUnit.MONTH))
        rate = discount.effective(TimeUnit.MONTH)

        def if_alive(params: Params, x: FloatArray, T: FloatArray) -> FloatArray:
            expected, _ = expected_curve(self.kernel, params, x, T)
            return monthly(lambda t: expected(self.clock.elapsed(t)), rate, month, months)

        return self._if_alive(if_alive, _NODES)

    # over draws

    def mean(self, evaluate: Evaluate, estimate: "Estimate", h: Histories) -> FloatArray:
        """Mean over the draws of the estimate, per customer."""
        values: FloatArray = h.expand(averaging.mean(evaluate, estimate.point, h))
        return values

    def spread(
        self,
        evaluates: Mapping[str, Evaluate],
        estimate: "Estimate",
        h: Histories,
        probabilities: Sequence[float],
    ) -> dict[str, Spread]:
        """Mean, sd and quantiles of quantities over the draws of the estimate, per customer."""
        draws = drawn(estimate, how_many_draws(estimate), np.random.default_rng(0))
        found = over_histories(evaluates, draws, h).spread(probabilities)
        if not estimate.is_sample:  # predicted at one point; its draws say how sure that is
            point = {k: averaging.mean(e, estimate.point, h) for k, e in evaluates.items()}
            found = {name: replace(its, mean=point[name]) for name, its in found.items()}
        return {name: its.expand(h) for name, its in found.items()}

    def waiting_time(self, quantile: float, estimate: "Estimate", h: Histories) -> FloatArray:
        """Time by which a purchase has come with probability `quantile`; inf where it never is."""

        def bought_by(t: FloatArray) -> FloatArray:
            return 1 - averaging.mean(self.no_purchase(t), estimate.point, h)

        latest = self.clock.latest
        low, high = np.full(len(h), np.log(_SOONEST)), np.full(len(h), np.log(latest))
        never = bought_by(np.exp(high)) < quantile
        if never.any() and (end := self.clock.known_until) is not None:
            raise DataError(
                f"Of {int(never.sum()):,} histories the purchase may come after the calendar index "
                f"ends, on {end:%Y-%m-%d}. Extend the index, or ask for a lower quantile."
            )
        for _ in range(_SEARCH_STEPS):
            middle = 0.5 * (low + high)
            early = bought_by(np.exp(middle)) < quantile
            low, high = np.where(early, middle, low), np.where(early, high, middle)
        return np.where(never, np.inf, self.clock.moment(np.exp(high)))

    # how they are put together

    def at(self, params: Params, z: FloatArray) -> Params:
        """Parameters of the kernel, of shape (draws, 1), or (draws, rows) where they differ."""
        return own_params(params, z, self.design, self.groups)

    def each_its_own(self, params: Params, draw: IntArray, z: FloatArray) -> Params:
        """Parameters of rows that have a draw each, of shape (rows,)."""
        if self.design is None and self.groups is None:
            return {name: values[draw, 0] for name, values in params.items()}
        out: dict[str, FloatArray] = {}
        for k in np.unique(draw):
            rows = draw == k
            one = self.at({name: values[[k]] for name, values in params.items()}, z[rows])
            for name, values in one.items():
                out.setdefault(name, np.empty(len(draw)))[rows] = values[0]
        return out

    def _each_at_its_own(self, quantity: Evaluate) -> Evaluate:
        """A quantity at the parameters of each history.

        Where these differ by group alone, group by group, so that they are of shape (draws, 1).
        """

        def evaluate(params: Params, block: Block) -> FloatArray:
            if self.groups is None or self.design is not None:
                return quantity(self.at(params, block.z), block)
            place = block.z[:, -1]
            ends = np.flatnonzero(np.diff(place)) + 1
            parts = [_part(block, rows) for rows in np.split(np.arange(len(place)), ends)]
            values = [quantity(self.at(params, part.z[:1]), part) for part in parts]
            return np.concatenate(values, axis=1)

        return evaluate

    def _elapsed(self, t: float) -> FloatArray:
        return self.clock.elapsed(np.array([t]))

    def _alive(self, params: Params, block: Block) -> FloatArray:
        def of(some: slice) -> FloatArray:
            own = _some(params, some)
            out: FloatArray = self.kernel.prob_alive(
                block.x[some], block.t_x[some], block.T[some], **own
            )
            return out

        return in_pieces(of, len(block.x), 1)

    @property
    def _stages(self) -> list[float]:
        return [j / self.model.stages for j in range(self.model.stages)]

    def _if_alive(self, quantity: _OfAge, per_pair: int = 1) -> Evaluate:
        """P(alive) times a quantity of those alive."""

        def at_their(params: Params, block: Block) -> FloatArray:
            return self._alive(params, block) * self._mixed(quantity, params, block, per_pair)

        return self._each_at_its_own(at_their)

    def _mixed(
        self,
        quantity: _OfAge,
        params: Params,
        block: Block,
        per_pair: int = 1,
        interpolated: bool = True,
    ) -> FloatArray:
        """A quantity of (x, T) per history, mixed over the stages of a purchase in the making."""
        smooth = self.model.smooth_in
        interpolated &= bool(smooth) and self.design is None
        shift = float(min((params[name].min() for name in smooth), default=0.0))

        def of_age(x: FloatArray, T: FloatArray) -> FloatArray:
            if interpolated:
                return over_ages(lambda x, T: quantity(params, x, T), x, T, shift, per_pair)
            return in_pieces(
                lambda some: quantity(_some(params, some), x[some], T[some]), len(x), per_pair
            )

        values = [
            np.take(of_age(block.ages_x + stage, block.ages_T), block.pair, axis=-1)
            for stage in self._stages
        ]
        return self._over_stages(values, params, block)

    def _over_stages(self, values: list[FloatArray], params: Params, block: Block) -> FloatArray:
        if len(values) == 1:
            return values[0]
        weights = self.kernel.stage_weights(block.x, block.t_x, block.T, **params)
        out: FloatArray = np.einsum("kij,kij->ij", weights, np.broadcast_arrays(*values))
        return out


def _by_group(h: Histories) -> Histories:
    """The histories in the order of their groups, and in each by x, then T."""
    order = np.lexsort((h.T, h.x, h.z[:, -1]))
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    columns = {name: getattr(h, name)[order] for name in ("x", "t_x", "T", "z", "weight")}
    return replace(h, **columns, inverse=place[h.inverse])


def _part(block: Block, rows: IntArray) -> Block:
    """Some rows of a block, which are ordered by x, then T."""
    x, T = block.x[rows], block.T[rows]
    new = np.append(True, (np.diff(x) > 0) | (np.diff(T) != 0))
    return Block(
        rows=block.rows[rows],
        x=x,
        t_x=block.t_x[rows],
        T=T,
        z=block.z[rows],
        ages_x=x[new],
        ages_T=T[new],
        pair=np.cumsum(new) - 1,
    )


def _some(params: Params, columns: slice) -> Params:
    """Parameters of some columns; those that all share stay as they are."""
    return {
        name: values if values.shape[-1] == 1 else values[:, columns]
        for name, values in params.items()
    }

"""The time that a model counts, beside the calendar's.

Horizons and discount rates are in calendar time. A model may count the same time in another unit,
time that runs faster in season, or opportunities; a clock says how much of it passes.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self, TypeAlias, final

import numpy as np

from clvmodels._typing import FloatArray, Kernel, Params
from clvmodels.data.calendar import CalendarIndex
from clvmodels.data.histories import Histories
from clvmodels.data.opportunities import OpportunitySummary
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import DataError, UnitError
from clvmodels.models.fitted import check_summary
from clvmodels.units import DiscountRate, Horizon, HorizonLike, TimeUnit

if TYPE_CHECKING:
    from collections.abc import Callable

Summary: TypeAlias = RFMSummary | OpportunitySummary
"""One row per customer, in continuous time or by opportunities."""


class Clock(ABC):
    """How a model's time runs while the calendar's does."""

    @property
    def latest(self) -> float:
        """Calendar units after which whatever has not happened is taken never to happen."""
        return 1e9

    @property
    @abstractmethod
    def time_unit(self) -> TimeUnit:
        """Unit of ages and horizons; of opportunities, that of the time between them."""

    @abstractmethod
    def histories(self, data: Summary, z: FloatArray | None) -> Histories:
        """Distinct histories in the model's time; an error if the data run by another clock."""

    @abstractmethod
    def set_to(self, data: Summary) -> Self:
        """The clock as it stands when the observation of `data` ends."""

    @abstractmethod
    def length(self, horizon: HorizonLike) -> float:
        """A horizon as a number of this clock's calendar units."""

    @abstractmethod
    def elapsed(self, t: FloatArray) -> FloatArray:
        """Model time that passes in the next `t` calendar units."""

    @abstractmethod
    def moment(self, t: FloatArray) -> FloatArray:
        """Calendar times found by halving, as moments at which something can happen."""

    @abstractmethod
    def aged(self, t: float) -> float:
        """Model time that has passed in the last `t` calendar units."""

    @property
    def known_until(self) -> datetime | None:
        """When the model's time ends to be known, if it does: `latest` is then not for ever."""
        return None

    @abstractmethod
    def discounted(
        self,
        kernel: Kernel,
        params: Params,
        x: FloatArray,
        T: FloatArray,
        discount: DiscountRate,
        begin: float,
        end: float,
    ) -> FloatArray:
        """Discounted purchases from `begin` to `end`, given alive: of shape (draws, pairs)."""


class _TimeClock(Clock):
    """What clocks of time share, whatever its speed."""

    unit: TimeUnit

    @property
    def time_unit(self) -> TimeUnit:
        """See `Clock.time_unit`."""
        return self.unit

    def length(self, horizon: HorizonLike) -> float:
        """See `Clock.length`."""
        return Horizon.parse(horizon).to(self.unit)

    def moment(self, t: FloatArray) -> FloatArray:
        """See `Clock.moment`."""
        return t


@final
@dataclass(frozen=True, slots=True)
class PlainClock(_TimeClock):
    """Calendar time in one unit."""

    unit: TimeUnit

    @classmethod
    def of(cls, unit: TimeUnit | str) -> Self:
        """The clock that counts a unit, given by name."""
        return cls(TimeUnit.parse(unit))

    def __str__(self) -> str:
        return f"{self.unit}s"

    def histories(self, data: Summary, z: FloatArray | None) -> Histories:
        """See `Clock.histories`."""
        rfm = check_summary(data)
        if rfm.calendar is not None:
            raise DataError(
                "This fit counts calendar time, but the summary's ages are in operational time. "
                "Give a summary made without calendar=, or fit to one made with it."
            )
        return _distinct(rfm, z).scaled(rfm.time_unit.days / self.unit.days)

    def set_to(self, data: Summary) -> Self:
        """See `Clock.set_to`."""
        return self

    def elapsed(self, t: FloatArray) -> FloatArray:
        """See `Clock.elapsed`."""
        return t

    def aged(self, t: float) -> float:
        """See `Clock.aged`."""
        return t

    def discounted(
        self,
        kernel: Kernel,
        params: Params,
        x: FloatArray,
        T: FloatArray,
        discount: DiscountRate,
        begin: float,
        end: float,
    ) -> FloatArray:
        """See `Clock.discounted`."""
        from clvmodels.kernels.discounting import discounted

        delta = discount.force(self.unit)
        expected, scale = expected_curve(kernel, params, x, T)
        if begin == 0:
            return discounted(expected, delta, end, scale)
        # counted from the beginning: a difference of two integrals from now would be all rounding
        before = expected(np.full((*scale.shape, 1), begin))
        later = discounted(
            lambda t: np.maximum(expected(begin + t) - before, 0.0),
            delta,
            end - begin,
            scale + begin,
        )
        return later * math.exp(-delta * begin)


@final
@dataclass(frozen=True, slots=True)
class SeasonalClock(_TimeClock):
    """Operational time: it runs at the speed of a calendar index.

    Attributes
    ----------
    unit : TimeUnit
    calendar : CalendarIndex
    now : datetime
        When the observation of the data ends; of a new customer, the day of acquisition.
    """

    unit: TimeUnit
    calendar: CalendarIndex
    now: datetime

    @property
    def latest(self) -> float:
        """See `Clock.latest`: where dated periods end, the calendar does."""
        if self.calendar.edges is None:
            return 1e9
        left = (self.calendar.edges[-1] - self.now) / timedelta(days=self.unit.days)
        return max(left, 1e-6)

    @property
    def known_until(self) -> datetime | None:
        """See `Clock.known_until`."""
        return None if self.calendar.edges is None else self.calendar.edges[-1]

    def __str__(self) -> str:
        return f"{self.unit}s of operational time"

    def histories(self, data: Summary, z: FloatArray | None) -> Histories:
        """See `Clock.histories`."""
        rfm = check_summary(data)
        if rfm.calendar != self.calendar:
            raise DataError(
                "This fit counts operational time, but the summary's ages are in "
                f"{'calendar time' if rfm.calendar is None else 'that of another calendar'}. Make "
                "the summary with calendar= the index of the fit."
            )
        return _distinct(rfm, z).scaled(rfm.time_unit.days / self.unit.days)

    def set_to(self, data: Summary) -> Self:
        """See `Clock.set_to`."""
        end = check_summary(data).observation_end
        return self if end is None else replace(self, now=end)

    def elapsed(self, t: FloatArray) -> FloatArray:
        """See `Clock.elapsed`."""
        return self.calendar.elapsed(self.now, np.asarray(t, dtype=np.float64), self.unit)

    def aged(self, t: float) -> float:
        """See `Clock.aged`."""
        return -float(self.elapsed(np.array([-t]))[0])

    def discounted(
        self,
        kernel: Kernel,
        params: Params,
        x: FloatArray,
        T: FloatArray,
        discount: DiscountRate,
        begin: float,
        end: float,
    ) -> FloatArray:
        """See `Clock.discounted`.

        Purchases are smooth in operational time, discounting jumps in speed with the calendar: the
        former are evaluated at few nodes, the latter becomes weights of those nodes.
        """
        from clvmodels.kernels.discounting import FAR, nodes_and_weights

        delta = discount.force(self.unit)
        expected, scale = expected_curve(kernel, params, x, T)
        last = min(end, begin + FAR / delta) if delta > 0 else end
        breaks = self.calendar.breaks(self.now, last, self.unit)
        nodes, weights = nodes_and_weights(
            self.elapsed, breaks, delta, begin, last, float(scale.min())
        )
        upto = expected(np.broadcast_to(nodes, (*scale.shape, len(nodes))))
        out: FloatArray = upto @ weights
        return np.maximum(out, 0.0)


@final
@dataclass(frozen=True, slots=True)
class OpportunityClock(Clock):
    """Opportunities to buy, which come at equal distances.

    Attributes
    ----------
    every : Horizon
        Time from one to the next.
    """

    every: Horizon

    @property
    def latest(self) -> float:
        """See `Clock.latest`."""
        return 1e4

    def __str__(self) -> str:
        return f"opportunities every {self.every}"

    @property
    def time_unit(self) -> TimeUnit:
        """See `Clock.time_unit`."""
        return self.every.unit

    def histories(self, data: Summary, z: FloatArray | None) -> Histories:
        """See `Clock.histories`."""
        data = _check_opportunities(data)
        if not np.isclose(self._days, data.every.length * data.every.unit.days, rtol=1e-9):
            raise DataError(
                f"This fit's opportunities come every {self.every}, those of the summary every "
                f"{data.every}."
            )
        return data.compress()

    def set_to(self, data: Summary) -> Self:
        """See `Clock.set_to`."""
        return self

    def length(self, horizon: HorizonLike) -> float:
        """See `Clock.length`."""
        asked = Horizon.parse(horizon)
        count = asked.length * asked.unit.days / self._days
        if abs(count - round(count)) > 1e-9 * max(1.0, count):
            raise UnitError(
                f"Opportunities come every {self.every}: {asked} is no whole number of them."
            )
        return float(round(count))

    def elapsed(self, t: FloatArray) -> FloatArray:
        """See `Clock.elapsed`."""
        return np.floor(t)

    def moment(self, t: FloatArray) -> FloatArray:
        """See `Clock.moment`."""
        return np.rint(t)

    def aged(self, t: float) -> float:
        """See `Clock.aged`."""
        return t

    def discounted(
        self,
        kernel: Kernel,
        params: Params,
        x: FloatArray,
        T: FloatArray,
        discount: DiscountRate,
        begin: float,
        end: float,
    ) -> FloatArray:
        """See `Clock.discounted`."""
        rate = float(np.expm1(discount.force(TimeUnit.DAY) * self._days))
        out: FloatArray = kernel.residual_if_alive(x, T, rate, end, start=begin, **params)
        return out

    @property
    def _days(self) -> float:
        return self.every.length * self.every.unit.days


def clock_of(data: Summary, container: type[Summary]) -> Clock:
    """The clock by which some data run; an error if they are not of the kind wanted."""
    if container is OpportunitySummary:
        return OpportunityClock(_check_opportunities(data).every)
    rfm = check_summary(data)
    if rfm.calendar is None:
        return PlainClock(rfm.time_unit)
    assert rfm.observation_end is not None  # or there would be no operational time
    return SeasonalClock(rfm.time_unit, rfm.calendar, rfm.observation_end)


def _check_opportunities(data: Summary) -> OpportunitySummary:
    if not isinstance(data, OpportunitySummary):
        raise DataError(
            f"This model takes an OpportunitySummary, got {type(data).__name__}: it counts "
            "opportunities, not time. Make one of a log with opportunity_summary."
        )
    return data


def _distinct(data: RFMSummary, z: FloatArray | None) -> Histories:
    if z is None:
        return data.compress()
    return Histories.of(data.frequency, data.recency, data.T, data.weight, z)


def expected_curve(
    kernel: Kernel, params: Params, x: FloatArray, T: FloatArray
) -> "tuple[Callable[[FloatArray], FloatArray], FloatArray]":
    """Purchases expected in model time t of shape (..., nodes), and where their curve bends."""
    spread = {name: values[..., None] for name, values in params.items()}
    scale: FloatArray = kernel.bend(x, T, **params)

    def expected(t: FloatArray) -> FloatArray:
        out: FloatArray = kernel.purchases_if_alive(x[:, None], T[:, None], t, **spread)
        return out

    return expected, scale

"""Everything a fitted purchase model predicts, whichever model and method it came from."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np

from clvmodels._typing import AnyArray, FloatArray, Params
from clvmodels.data.histories import Histories
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import ParameterError
from clvmodels.inference.problem import Parameter
from clvmodels.models import averaging
from clvmodels.models.ages import over_ages
from clvmodels.models.averaging import Block, Evaluate
from clvmodels.models.fitted import (
    INTERVAL_DRAWS,
    FittedModel,
    check_summary,
    probabilities,
    whole_number,
)
from clvmodels.units import DiscountRate, Horizon, HorizonLike, TimeUnit

if TYPE_CHECKING:
    import pandas as pd

    from clvmodels.models.purchases import PurchaseModel

_NODES = 40  # numbers per (x, T) pair while discounting, about


@final
@dataclass(frozen=True, eq=False, repr=False)
class FittedPurchases(FittedModel):
    """A fitted purchase model.

    Predictions take a summary in any time unit and give one value per customer, in its order.
    They are averaged over the parameter draws of the estimate. Expected purchases already contain
    P(alive): do not multiply by it again.

    Attributes
    ----------
    model : PurchaseModel
        What was fitted.
    time_unit : TimeUnit
        What the time parameters count.
    """

    model: "PurchaseModel"
    time_unit: TimeUnit

    @property
    def _parameters(self) -> tuple[Parameter, ...]:
        return self.model.parameters

    @property
    def _title(self) -> str:
        return f"{self.model.title} in {self.time_unit}s"

    def probability_alive(self, data: RFMSummary) -> FloatArray:
        """Probability that each customer has not dropped out by the end of observation.

        Not the probability of a purchase: for that see `probability_no_purchase`. The BG/NBD gives
        1 to every one-time buyer, the NBD to everybody.

        Parameters
        ----------
        data : RFMSummary
            Customers, fitted or not, in any time unit.

        Returns
        -------
        ndarray of shape (customers,)
        """
        return self._per_customer(data, self._alive)

    def expected_purchases(self, data: RFMSummary, horizon: HorizonLike) -> FloatArray:
        """Purchases expected of each customer within `horizon` after the end of observation.

        Parameters
        ----------
        data : RFMSummary
            Customers, fitted or not, in any time unit.
        horizon : Horizon or str
            "39 weeks", "12M", ...; converted to the unit of the fit.

        Returns
        -------
        ndarray of shape (customers,)
            P(alive) is already in it.

        Raises
        ------
        UnitError
            If the horizon is a bare number.

        Examples
        --------
        >>> import clvmodels as clv
        >>> fit = clv.BetaGeoModel().with_params(
        ...     r=0.2426, alpha=4.4135, a=0.7929, b=2.4258, time_unit="week")
        >>> customer = RFMSummary(customer_id=["A"], frequency=[2], recency=[30.43], T=[38.86],
        ...                       monetary_value=None, time_unit="week")
        >>> round(float(fit.expected_purchases(customer, "39 weeks")[0]), 3)
        1.226
        """
        return self._per_customer(data, self._expected(self._length(horizon)))

    def expected_purchases_new_customer(self, horizon: HorizonLike) -> float:
        """Repeat purchases expected of a customer within `horizon` after the first purchase.

        Parameters
        ----------
        horizon : Horizon or str
            Counted from the first purchase, which is not among the expected ones.

        Returns
        -------
        float

        Raises
        ------
        UnitError
            If the horizon is a bare number.
        """
        return self._newcomer(self._expected(self._length(horizon)))

    def expected_curve(self, ages: FloatArray) -> FloatArray:
        """Repeat purchases expected of a customer by each of some ages, in the unit of the fit.

        Returns
        -------
        ndarray of the shape of `ages`
        """
        t = np.asarray(ages, dtype=np.float64).reshape(1, -1)
        zero = np.zeros(1)
        kernel, params = self.model.kernel, self.estimate.point
        total = np.zeros(t.size)
        for k in range(averaging.draws_of(params)):
            one = {name: values[[k]] for name, values in params.items()}
            alive = kernel.prob_alive(zero, zero, zero, **one)
            total += (alive * kernel.purchases_if_alive(zero, zero, t, **one))[0]
        return (total / averaging.draws_of(params)).reshape(np.shape(ages))

    def purchase_pmf(self, data: RFMSummary, n: int, horizon: HorizonLike) -> FloatArray:
        """Probability that each customer makes exactly `n` purchases within `horizon`.

        Parameters
        ----------
        data : RFMSummary
            Customers, fitted or not, in any time unit.
        n : int
            Number of purchases, 0 or more.
        horizon : Horizon or str
            "39 weeks", "12M", ...; converted to the unit of the fit.

        Returns
        -------
        ndarray of shape (customers,)

        Raises
        ------
        ParameterError
            If `n` is negative or not a whole number.

        Examples
        --------
        >>> import clvmodels as clv
        >>> fit = clv.BetaGeoModel().with_params(
        ...     r=0.2426, alpha=4.4135, a=0.7929, b=2.4258, time_unit="week")
        >>> customer = RFMSummary(customer_id=["A"], frequency=[2], recency=[30.43], T=[38.86],
        ...                       monetary_value=None, time_unit="week")
        >>> [round(float(fit.purchase_pmf(customer, n, "39 weeks")[0]), 3) for n in (0, 1)]
        [0.445, 0.239]
        """
        return self._per_customer(data, self._pmf(n, self._length(horizon)))

    def purchase_pmf_new_customer(self, n: int, horizon: HorizonLike) -> float:
        """Probability of exactly `n` repeat purchases within `horizon` after the first purchase.

        Parameters
        ----------
        n : int
            Number of repeat purchases, 0 or more; the first purchase does not count.
        horizon : Horizon or str
            Counted from the first purchase.

        Returns
        -------
        float

        Raises
        ------
        ParameterError
            If `n` is negative or not a whole number.
        """
        return self._newcomer(self._pmf(n, self._length(horizon)))

    def probability_no_purchase(self, data: RFMSummary, horizon: HorizonLike) -> FloatArray:
        """Probability that each customer buys nothing within `horizon`.

        What most people mean by churn: 1 minus it is the chance of seeing the customer again.

        Parameters
        ----------
        data : RFMSummary
            Customers, fitted or not, in any time unit.
        horizon : Horizon or str
            "39 weeks", "12M", ...; converted to the unit of the fit.

        Returns
        -------
        ndarray of shape (customers,)
        """
        return self.purchase_pmf(data, 0, horizon)

    def residual_transactions(
        self,
        data: RFMSummary,
        discount: DiscountRate,
        horizon: HorizonLike | None = None,
        start: HorizonLike | None = None,
    ) -> FloatArray:
        """Discounted expected transactions: over all the future (DERT), or a part of it (DET).

        Parameters
        ----------
        data : RFMSummary
            Customers, fitted or not.
        discount : DiscountRate
            Applied continuously from the end of observation.
        horizon : Horizon or str, optional
            Length of the window; without end if not given.
        start : Horizon or str, optional
            When the window starts; at the end of observation if not given.

        Returns
        -------
        ndarray of shape (customers,)

        Raises
        ------
        ParameterError
            If the future is infinite and the rate is not positive.

        References
        ----------
        Fader and Hardie (2015), Simple probability models for computing CLV and CE, eqs. 3.13-3.15.

        Examples
        --------
        >>> import clvmodels as clv
        >>> from math import log
        >>> fit = clv.BetaGeoModel().with_params(
        ...     r=0.2426, alpha=4.4135, a=0.7929, b=2.4258, time_unit="week")
        >>> customer = RFMSummary(customer_id=["A"], frequency=[2], recency=[30.43], T=[38.86],
        ...                       monetary_value=None, time_unit="week")
        >>> rate = DiscountRate(log(1.15) / 52, "week", "continuous")
        >>> round(float(fit.residual_transactions(customer, rate)[0]), 4)
        5.1696
        """
        evaluate = self._discounted(DiscountRate.parse(discount), *self._window(horizon, start))
        return self._per_customer(data, evaluate)

    def residual_transactions_new_customer(
        self, discount: DiscountRate, horizon: HorizonLike | None = None
    ) -> float:
        """Discounted expected repeat transactions of a just-acquired customer (DET).

        The first purchase is not in it: add 1 for a customer yet to be acquired.

        Parameters
        ----------
        discount : DiscountRate
            Applied continuously from the first purchase.
        horizon : Horizon or str, optional
            Length of the window from the first purchase; without end if not given.

        Returns
        -------
        float

        Raises
        ------
        ParameterError
            If the future is infinite and the rate is not positive.
        """
        window = self._window(horizon, None)
        return self._newcomer(self._discounted(DiscountRate.parse(discount), *window))

    def predict(self, data: RFMSummary, horizon: HorizonLike, level: float = 0.9) -> "pd.DataFrame":
        """One tidy row per customer.

        Parameters
        ----------
        data : RFMSummary
            Customers, fitted or not.
        horizon : Horizon or str
            How far ahead.
        level : float
            Probability of the interval for the *expected* purchases: how sure the expectation is,
            not how much a customer will scatter around it (see `simulate_purchases`).

        Returns
        -------
        DataFrame
            Columns customer_id, p_alive, expected_purchases, expected_purchases_lo,
            expected_purchases_hi; horizon, as-of date and model in ``attrs``.

        Raises
        ------
        ParameterError
            If `level` is not between 0 and 1.

        Examples
        --------
        >>> import clvmodels as clv
        >>> rfm = clv.datasets.load_cdnow_summary()
        >>> table = clv.BetaGeoModel().fit(rfm).predict(rfm, "39 weeks")
        >>> table[["p_alive", "expected_purchases"]].head(2).round(3).to_numpy().tolist()
        [[0.727, 1.226], [0.212, 0.203]]
        """
        import pandas as pd

        expected = self._expected(self._length(horizon))
        low, high = self._interval(data, expected, level)
        frame = pd.DataFrame(
            {
                "customer_id": data.customer_id,
                "p_alive": self.probability_alive(data),
                "expected_purchases": self._per_customer(data, expected),
                "expected_purchases_lo": low,
                "expected_purchases_hi": high,
            }
        )
        frame.attrs.update(self._provenance(data, horizon))
        return frame

    def simulate(self, customers: int, T: HorizonLike, seed: int = 0) -> RFMSummary:
        """Histories of new customers, all observed for `T` after their first purchase.

        Drawn at the estimates; of a posterior, every customer has a draw of parameters.

        Parameters
        ----------
        customers : int
            How many to draw.
        T : Horizon or str
            Time observed since the first purchase, the same for all.
        seed : int
            The same seed gives the same histories.

        Returns
        -------
        RFMSummary
            In the unit of the fit, customers numbered from 0.
        """
        customers = whole_number("customers", customers, 1)
        rng = np.random.default_rng(seed)
        T_here = self._length(T)
        point = self.estimate.point
        drawn = rng.integers(averaging.draws_of(point), size=customers)
        params = {name: values[drawn, 0] for name, values in point.items()}
        zero, age = np.zeros(customers), np.full(customers, T_here)
        alive = rng.random(customers) < self.model.kernel.prob_alive(zero, zero, zero, **params)
        x, t_x = self.model.kernel.simulate(zero, zero, age, rng, **params)
        return RFMSummary(
            customer_id=np.arange(customers),
            frequency=np.where(alive, x, 0.0),
            recency=np.where(alive, t_x, 0.0),
            T=age,
            monetary_value=None,
            time_unit=self.time_unit,
        )

    def simulate_purchases(
        self, data: RFMSummary, horizon: HorizonLike, draws: int = 1000, seed: int = 0
    ) -> FloatArray:
        """Futures of the customers: how many purchases each makes within `horizon`.

        Every draw has parameters of its own, so quantiles over draws are prediction intervals.

        Parameters
        ----------
        data : RFMSummary
            Customers, fitted or not, in any time unit.
        horizon : Horizon or str
            "39 weeks", "12M", ...; converted to the unit of the fit.
        draws : int
            Number of futures; memory grows as draws times customers.
        seed : int
            The same seed gives the same futures.

        Returns
        -------
        ndarray of shape (draws, customers)
        """
        rng = np.random.default_rng(seed)
        draws = whole_number("draws", draws, 1)
        t, kernel = self._length(horizon), self.model.kernel
        x, t_x, T = data.frequency, *self._times(data)
        out = np.empty((draws, len(data)))
        params = self.estimate.sample(draws, rng)
        for k in range(draws):
            one = {name: values[k] for name, values in params.items()}
            alive = rng.random(len(data)) < kernel.prob_alive(x, t_x, T, **one)
            out[k] = np.where(alive, kernel.simulate(x, T, np.full(len(data), t), rng, **one)[0], 0)
        return out

    def save(self, path: str | Path) -> None:
        """Write the fit as JSON: parameters, covariance, diagnostics; no customer rows.

        Parameters
        ----------
        path : str or Path
            The file, replaced if there; `clvmodels.load` reads it back.
        """
        from clvmodels.models.storage import dump_purchases, write_json

        write_json(dump_purchases(self), path)

    # what is evaluated per draw and history

    def _alive(self, params: Params, block: Block) -> FloatArray:
        out: FloatArray = self.model.kernel.prob_alive(block.x, block.t_x, block.T, **params)
        return out

    def _if_alive(
        self,
        quantity: Callable[[Params, FloatArray, FloatArray], FloatArray],
        params: Params,
        block: Block,
        per_pair: int = 1,
    ) -> FloatArray:
        """P(alive) times a quantity of (x, T), per draw and history."""
        shift = float(params["alpha"].min())  # every draw is smooth in log(shift + T)
        values = over_ages(
            lambda x, T: quantity(params, x, T), block.ages_x, block.ages_T, shift, per_pair
        )
        return self._alive(params, block) * np.take(values, block.pair, axis=-1)

    def _expected(self, t: float) -> Evaluate:
        def if_alive(params: Params, x: FloatArray, T: FloatArray) -> FloatArray:
            out: FloatArray = self.model.kernel.purchases_if_alive(x, T, np.float64(t), **params)
            return out

        return lambda params, block: self._if_alive(if_alive, params, block)

    def _pmf(self, n: int, t: float) -> Evaluate:
        n = whole_number("n", n, 0)

        def evaluate(params: Params, block: Block) -> FloatArray:
            if_alive = self.model.kernel.pmf_if_alive(
                np.float64(n), block.ages_x, block.ages_T, np.float64(t), **params
            )
            alive = self._alive(params, block)
            out: FloatArray = alive * np.take(if_alive, block.pair, axis=-1)
            return out + (1 - alive) if n == 0 else out

        return evaluate

    def _discounted(self, discount: DiscountRate, start: float, end: float) -> Evaluate:
        from clvmodels.kernels.discounting import discounted

        delta = discount.force(self.time_unit)
        if np.isinf(end) and delta <= 0:
            raise ParameterError(
                f"An infinite future needs a positive discount rate, got {discount}. Give a "
                "positive rate, or a horizon."
            )

        def integral(expected: Callable[[FloatArray], FloatArray], scale: FloatArray) -> FloatArray:
            if start == 0:
                return discounted(expected, delta, end, scale)
            # counted from the start: a difference of two integrals from now would be all rounding
            before = expected(np.full((*scale.shape, 1), start))
            later = discounted(
                lambda t: np.maximum(expected(start + t) - before, 0.0),
                delta,
                end - start,
                scale + start,
            )
            return later * math.exp(-delta * start)

        return self._integrated(integral)

    def _month_end(self, discount: DiscountRate, months: int) -> Evaluate:
        """Purchases booked at the end of each month, as lifetimes does."""
        from clvmodels.kernels.discounting import monthly

        month = Horizon(1, TimeUnit.MONTH).to(self.time_unit)
        rate = discount.effective(TimeUnit.MONTH)
        return self._integrated(lambda expected, scale: monthly(expected, rate, month, months))

    def _integrated(
        self, integral: Callable[[Callable[[FloatArray], FloatArray], FloatArray], FloatArray]
    ) -> Evaluate:
        """P(alive) times an integral over future time, of shape (..., pairs)."""

        def if_alive(params: Params, x: FloatArray, T: FloatArray) -> FloatArray:
            spread = {name: values[..., None] for name, values in params.items()}
            # mean time to the next purchase: where the curve of expected purchases bends
            scale = (params["alpha"] + T) / np.maximum(1.0, params["r"] + x)
            return integral(
                lambda t: self.model.kernel.purchases_if_alive(x[:, None], T[:, None], t, **spread),
                scale,
            )

        return lambda params, block: self._if_alive(if_alive, params, block, _NODES)

    # from evaluations to customers

    def _per_customer(self, data: RFMSummary, evaluate: Evaluate) -> FloatArray:
        h = self._histories(data)
        values: AnyArray = h.expand(averaging.mean(evaluate, self.estimate.point, h))
        return values

    def _interval(self, data: RFMSummary, evaluate: Evaluate, level: float) -> FloatArray:
        h = self._histories(data)
        draws = self.estimate.sample(INTERVAL_DRAWS, np.random.default_rng(0))
        values: AnyArray = h.expand(averaging.quantiles(evaluate, draws, h, probabilities(level)))
        return values

    def _newcomer(self, evaluate: Evaluate) -> float:
        h = Histories.of(np.zeros(1), np.zeros(1), np.zeros(1))
        return float(averaging.mean(evaluate, self.estimate.point, h)[0])

    def _histories(self, data: RFMSummary) -> Histories:
        """Distinct histories in the unit of the fit."""
        factor = check_summary(data).time_unit.days / self.time_unit.days
        return data.compress().scaled(factor)

    def _times(self, data: RFMSummary) -> tuple[FloatArray, FloatArray]:
        factor = check_summary(data).time_unit.days / self.time_unit.days
        return data.recency * factor, data.T * factor

    def _length(self, horizon: HorizonLike) -> float:
        return Horizon.parse(horizon).to(self.time_unit)

    def _window(
        self, horizon: HorizonLike | None, start: HorizonLike | None
    ) -> tuple[float, float]:
        begin = 0.0 if start is None else self._length(start)
        return begin, begin + (np.inf if horizon is None else self._length(horizon))

    def _provenance(self, data: RFMSummary, horizon: HorizonLike | None) -> dict[str, str]:
        end = data.observation_end
        return {
            "model": self.model.title,
            "method": self.estimate.method,
            "horizon": "unlimited" if horizon is None else str(Horizon.parse(horizon)),
            "as_of": "" if end is None else end.isoformat(),
        }

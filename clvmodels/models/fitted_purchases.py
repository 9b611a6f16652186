"""Everything a fitted purchase model predicts, whichever model and method it came from."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from clvmodels._numbers import whole_number
from clvmodels._typing import FloatArray, IntArray
from clvmodels.exceptions import DataError, ParameterError
from clvmodels.inference.groups import Groups
from clvmodels.inference.problem import Parameter, Problem
from clvmodels.inference.traits import Block
from clvmodels.models import averaging, simulation
from clvmodels.models.alive_path import alive_path
from clvmodels.models.averaging import Evaluate
from clvmodels.models.clock import Clock, Summary, clock_of
from clvmodels.models.design import Design
from clvmodels.models.fitted import FittedModel, check_quantile
from clvmodels.models.purchase_tables import PurchaseTables
from clvmodels.models.quantities import Quantities
from clvmodels.units import DiscountRate, Horizon, HorizonLike, TimeUnit

if TYPE_CHECKING:
    import pandas as pd

    from clvmodels.models.purchases import PurchaseModel


@final
@dataclass(frozen=True, eq=False, repr=False)
class FittedPurchases(PurchaseTables, FittedModel):
    """A fitted purchase model.

    Predictions take a summary in any time unit and give one value per customer, in its order.
    They are averaged over the parameter draws of the estimate. Expected purchases already contain
    P(alive): do not multiply by it again.

    Where the model has covariates, predictions for new customers take their values by name.

    Attributes
    ----------
    model : PurchaseModel
        What was fitted.
    clock : Clock
        The time that the model counts: units of calendar time, seasonal time, or opportunities.
    design : Design or None
        The covariates, as they were standardised for the fit.
    groups : Groups or None
        Those that parameters were pooled over.
    """

    model: "PurchaseModel"
    clock: Clock
    design: Design | None = None
    groups: Groups | None = None

    @property
    def time_unit(self) -> TimeUnit:
        """What the time parameters count."""
        return self.clock.time_unit

    @property
    def _parameters(self) -> tuple[Parameter, ...]:
        effects = () if self.design is None else self.design.parameters_at(self.params)
        return (*self.model.parameters, *effects)

    @property
    def _pooled(self) -> tuple[Groups | None, tuple[Block, ...]]:
        return self.groups, self.model.blocks

    @property
    def _title(self) -> str:
        return f"{self.model.label} in {self.clock}"

    def loglik_of(self, data: Summary) -> float:
        """Log-likelihood of some customers at the estimates: those fitted, or others.

        Parameters
        ----------
        data : RFMSummary or OpportunitySummary
            In the time unit of the fit, which log-likelihoods depend on.

        Raises
        ------
        DataError
            If the data count time otherwise than the fit.
        """
        return self._loglik_of(self.likelihood_of(data)[0])

    def likelihood_of(self, data: Summary) -> tuple[Problem, IntArray]:
        """The likelihood of some customers, and each customer's row in it."""
        if clock_of(data, self.model.container).time_unit is not self.time_unit:
            raise DataError(
                f"Log-likelihoods depend on the time unit, and this fit counts {self.clock}. "
                "Give data in the same unit."
            )
        self.quantities(data).histories(data)  # an error, if they run by another clock
        problem, histories = self.model._problem(data, self.design, self.groups)
        return problem, histories.inverse

    def probability_alive(self, data: Summary, horizon: HorizonLike | None = None) -> FloatArray:
        """Probability that each customer has not dropped out by the end of observation, or later.

        Not the probability of a purchase: for that see `probability_no_purchase`. The BG/NBD gives
        1 to every one-time buyer, the NBD to everybody.

        Parameters
        ----------
        data : RFMSummary or OpportunitySummary
            Customers, fitted or not, in any time unit.
        horizon : Horizon or str, optional
            How long after the end of observation; at its end if not given. What customers buy in
            between is not known, so it only falls.

        Returns
        -------
        ndarray of shape (customers,)
        """
        if horizon is None:
            return self._per_customer(data, lambda q: q.alive())
        t = self.clock.length(horizon)
        return self._per_customer(data, lambda q: q.alive_after(t))

    def probability_alive_path(self, summaries: Iterable[Summary]) -> "pd.DataFrame":
        """P(alive) of the same customers as of several past dates.

        It falls in silence and jumps at each purchase. A summary per date says what was known
        then.

        Parameters
        ----------
        summaries : iterable of RFMSummary or OpportunitySummary
            Of one log, as of different dates.

        Returns
        -------
        DataFrame
            Columns customer_id, date (the end of observation), p_alive; customers appear from
            their first purchase on.

        Raises
        ------
        DataError
            If a summary does not say as of when it is.

        Examples
        --------
        >>> import clvmodels as clv
        >>> log = clv.datasets.load_cdnow().query("customer_id == 111")
        >>> fit = clv.BetaGeoModel().with_params(
        ...     r=0.2426, alpha=4.4135, a=0.7929, b=2.4258, time_unit="week")
        >>> known = [clv.rfm_summary(log, customer_id="customer_id", date="date",
        ...                          time_unit="week", observation_end=date)
        ...          for date in ("1997-06-30", "1997-09-30", "1997-12-31")]
        >>> fit.probability_alive_path(known).p_alive.round(3).tolist()
        [0.872, 0.642, 0.878]
        """
        return alive_path([(data, self.probability_alive(data)) for data in summaries])

    def expected_purchases(
        self, data: Summary, horizon: HorizonLike, start: HorizonLike | None = None
    ) -> FloatArray:
        """Purchases expected of each customer in a window after the end of observation.

        Parameters
        ----------
        data : RFMSummary or OpportunitySummary
            Customers, fitted or not, in any time unit.
        horizon : Horizon or str
            Length of the window: "39 weeks", "12M", ...; converted to the unit of the fit.
        start : Horizon or str, optional
            When the window starts; at the end of observation if not given.

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
        >>> customer = clv.RFMSummary.from_arrays([2], [30.43], [38.86], time_unit="week")
        >>> round(float(fit.expected_purchases(customer, "39 weeks")[0]), 3)
        1.226
        """
        window = self.window(horizon, start)
        return self._per_customer(data, lambda q: q.expected(*window))

    def expected_purchases_new_customer(
        self, horizon: HorizonLike, covariates: Mapping[str, float] | None = None
    ) -> float:
        """Repeat purchases expected of a customer within `horizon` after the first purchase.

        Parameters
        ----------
        horizon : Horizon or str
            Counted from the first purchase, which is not among the expected ones. In seasonal
            time that happens when the observation of the fitted data ends.
        covariates : mapping of str to float, optional
            The customer's covariates, where the model has any.

        Returns
        -------
        float

        Raises
        ------
        UnitError
            If the horizon is a bare number.
        DataError
            If a covariate is missing.
        """
        window = self.window(horizon, None)
        return self._newcomer(covariates, lambda q: q.expected(*window))

    def expected_curve(
        self, ages: FloatArray, covariates: Mapping[str, float] | None = None
    ) -> FloatArray:
        """Repeat purchases expected of a customer by each of some ages, in the unit of the fit.

        Returns
        -------
        ndarray of the shape of `ages`
        """
        given = np.asarray(ages, dtype=np.float64)
        if not (given >= 0).all():
            raise ParameterError("ages must be numbers, 0 or more.")
        t = self.clock.elapsed(given.reshape(1, -1))
        zero, z = np.zeros(1), self._here.newcomer(covariates).z
        kernel, point = self.model.kernel, self.estimate.point
        total = np.zeros(t.size)
        for k in range(averaging.draws_of(point)):
            one = self._here.at({name: values[[k]] for name, values in point.items()}, z)
            alive = kernel.prob_alive(zero, zero, zero, **one)
            total += (alive * kernel.purchases_if_alive(zero, zero, t, **one))[0]
        return (total / averaging.draws_of(point)).reshape(np.shape(ages))

    def purchase_pmf(self, data: Summary, n: int, horizon: HorizonLike) -> FloatArray:
        """Probability that each customer makes exactly `n` purchases within `horizon`.

        Parameters
        ----------
        data : RFMSummary or OpportunitySummary
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
        >>> customer = clv.RFMSummary.from_arrays([2], [30.43], [38.86], time_unit="week")
        >>> [round(float(fit.purchase_pmf(customer, n, "39 weeks")[0]), 3) for n in (0, 1)]
        [0.445, 0.239]
        """
        t = self.clock.length(horizon)
        return self._per_customer(data, lambda q: q.pmf(n, t))

    def purchase_pmf_new_customer(
        self, n: int, horizon: HorizonLike, covariates: Mapping[str, float] | None = None
    ) -> float:
        """Probability of exactly `n` repeat purchases within `horizon` after the first purchase.

        Parameters
        ----------
        n : int
            Number of repeat purchases, 0 or more; the first purchase does not count.
        horizon : Horizon or str
            Counted from the first purchase.
        covariates : mapping of str to float, optional
            The customer's covariates, where the model has any.

        Returns
        -------
        float

        Raises
        ------
        ParameterError
            If `n` is negative or not a whole number.
        """
        t = self.clock.length(horizon)
        return self._newcomer(covariates, lambda q: q.pmf(n, t))

    def probability_no_purchase(self, data: Summary, horizon: HorizonLike) -> FloatArray:
        """Probability that each customer buys nothing within `horizon`.

        What most people mean by churn: 1 minus it is the chance of seeing the customer again.

        Parameters
        ----------
        data : RFMSummary or OpportunitySummary
            Customers, fitted or not, in any time unit.
        horizon : Horizon or str
            "39 weeks", "12M", ...; converted to the unit of the fit.

        Returns
        -------
        ndarray of shape (customers,)
        """
        return self.purchase_pmf(data, 0, horizon)

    def next_purchase_time(self, data: Summary, quantile: float = 0.5) -> FloatArray:
        """Time until each customer's next purchase: by then it has come with this probability.

        Parameters
        ----------
        data : RFMSummary or OpportunitySummary
            Customers, fitted or not, in any time unit.
        quantile : float
            Probability, between 0 and 1. At 0.5, the median.

        Returns
        -------
        ndarray of shape (customers,)
            In the time unit of the fit (opportunities, if it counts those), from the end of
            observation; ``inf`` where the chance of ever buying again is below `quantile`.

        Raises
        ------
        ParameterError
            If `quantile` is not between 0 and 1.

        Examples
        --------
        >>> import clvmodels as clv
        >>> fit = clv.BetaGeoModel().with_params(
        ...     r=0.2426, alpha=4.4135, a=0.7929, b=2.4258, time_unit="week")
        >>> customer = clv.RFMSummary.from_arrays([2], [30.43], [38.86], time_unit="week")
        >>> fit.next_purchase_time(customer, 0.25).round(2), fit.next_purchase_time(customer, 0.75)
        (array([8.95]), array([inf]))
        """
        check_quantile(quantile)
        quantities = self.quantities(data)
        h = quantities.histories(data)
        waits: FloatArray = h.expand(quantities.waiting_time(quantile, self.estimate, h))
        return waits

    def residual_transactions(
        self,
        data: Summary,
        discount: DiscountRate,
        horizon: HorizonLike | None = None,
        start: HorizonLike | None = None,
    ) -> FloatArray:
        """Discounted expected transactions: over all the future (DERT), or a part of it (DET).

        Parameters
        ----------
        data : RFMSummary or OpportunitySummary
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
        >>> customer = clv.RFMSummary.from_arrays([2], [30.43], [38.86], time_unit="week")
        >>> rate = DiscountRate(log(1.15) / 52, "week", "continuous")
        >>> round(float(fit.residual_transactions(customer, rate)[0]), 4)
        5.1696
        """
        rate, window = DiscountRate.parse(discount), self.window(horizon, start)
        return self._per_customer(data, lambda q: q.discounted(rate, *window))

    def residual_transactions_new_customer(
        self,
        discount: DiscountRate,
        horizon: HorizonLike | None = None,
        covariates: Mapping[str, float] | None = None,
    ) -> float:
        """Discounted expected repeat transactions of a just-acquired customer (DET).

        The first purchase is not in it: add 1 for a customer yet to be acquired.

        Parameters
        ----------
        discount : DiscountRate
            Applied continuously from the first purchase.
        horizon : Horizon or str, optional
            Length of the window from the first purchase; without end if not given.
        covariates : mapping of str to float, optional
            The customer's covariates, where the model has any.

        Returns
        -------
        float

        Raises
        ------
        ParameterError
            If the future is infinite and the rate is not positive.
        """
        rate, window = DiscountRate.parse(discount), self.window(horizon, None)
        return self._newcomer(covariates, lambda q: q.discounted(rate, *window))

    def simulate(
        self,
        customers: int,
        T: HorizonLike,
        seed: int = 0,
        covariates: Mapping[str, Any] | None = None,
    ) -> Summary:
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
        covariates : mapping of str to float or ndarray of shape (customers,), optional
            The customers' covariates, where the model has any; kept as columns.

        Returns
        -------
        RFMSummary or OpportunitySummary
            In the unit of the fit, customers numbered from 0.
        """
        customers, age = whole_number("customers", customers, 1), self.clock.length(T)
        return simulation.new_customers(self._here, self.estimate, customers, age, covariates, seed)

    def simulate_purchases(
        self, data: Summary, horizon: HorizonLike, draws: int = 1000, seed: int = 0
    ) -> FloatArray:
        """Futures of the customers: how many purchases each makes within `horizon`.

        Every draw has parameters of its own, so quantiles over draws are prediction intervals.

        Parameters
        ----------
        data : RFMSummary or OpportunitySummary
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
        t, draws = self.clock.length(horizon), whole_number("draws", draws, 1)
        return simulation.futures(self.quantities(data), self.estimate, data, t, draws, seed)

    def save(self, path: str | Path) -> None:
        """Write the fit as JSON: parameters, covariance, diagnostics; no customer rows.

        Parameters
        ----------
        path : str or Path
            The file, replaced if there; `clvmodels.load` reads it back.
        """
        from clvmodels.models.storage import dump_purchases, write_json

        write_json(dump_purchases(self), path)

    # what the value layer builds on

    def quantities(self, data: Summary) -> Quantities:
        """What the model says of histories, from the end of observation of `data`."""
        return self._here.set_to(data)

    def window(self, horizon: HorizonLike | None, start: HorizonLike | None) -> tuple[float, float]:
        """Beginning and end of a window in calendar units of the fit."""
        begin = 0.0 if start is None else self.clock.length(start)
        return begin, begin + (np.inf if horizon is None else self.clock.length(horizon))

    def provenance(self, data: Summary, horizon: HorizonLike | None) -> dict[str, str]:
        """Where a table of predictions comes from, for its ``attrs``."""
        end = data.observation_end
        return {
            "model": self.model.label,
            "method": self.estimate.method,
            "horizon": "unlimited" if horizon is None else str(Horizon.parse(horizon)),
            "as_of": "" if end is None else end.isoformat(),
        }

    @property
    def _here(self) -> Quantities:
        return Quantities(self.model, self.clock, self.design, self.groups)

    def _per_customer(
        self, data: Summary, quantity: Callable[[Quantities], Evaluate]
    ) -> FloatArray:
        quantities = self.quantities(data)
        return quantities.mean(quantity(quantities), self.estimate, quantities.histories(data))

    def _newcomer(
        self,
        covariates: Mapping[str, float] | None,
        quantity: Callable[[Quantities], Evaluate],
    ) -> float:
        h = self._here.newcomer(covariates)
        return float(self._here.mean(quantity(self._here), self.estimate, h)[0])

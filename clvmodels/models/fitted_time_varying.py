"""What a fitted model with time-varying covariates predicts."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, final

import numpy as np

from clvmodels._cores import usable_cores
from clvmodels._numbers import whole_number
from clvmodels._typing import FloatArray, Params
from clvmodels.data.time_varying import TimeVaryingSummary
from clvmodels.exceptions import DataError, ParameterError
from clvmodels.inference.problem import Parameter
from clvmodels.models import averaging
from clvmodels.models.alive_path import alive_path
from clvmodels.models.design import Design
from clvmodels.models.fitted import (
    INTERVAL_DRAWS,
    FittedModel,
    check_quantile,
    probabilities,
)
from clvmodels.units import DiscountRate, Horizon, HorizonLike, TimeUnit

if TYPE_CHECKING:
    import pandas as pd

    from clvmodels.kernels.time_varying_pareto_nbd import Walks
    from clvmodels.models.time_varying_pareto_nbd import TimeVaryingParetoNBDModel

_HALVINGS = 50  # of the time for which covariates are known, to where rounding begins

_Quantity: TypeAlias = "Callable[[Walks, dict[str, Any]], FloatArray]"
"""Walks and one draw of the kernel's parameters to one value per customer."""


@final
@dataclass(frozen=True, eq=False, repr=False)
class FittedTimeVarying(FittedModel):
    """A fitted model with time-varying covariates.

    Predictions take a summary with covariates, in any time unit, and give one value per customer,
    in its order. They look as far ahead as the covariates are known, and hold under these: a
    summary made with other assumptions for the periods to come gives the prediction under those.
    A new customer is one whose first purchase is on the last day observed. Predictions are
    averaged over the parameter draws of the estimate. Expected purchases already contain P(alive).

    Attributes
    ----------
    model : TimeVaryingParetoNBDModel
        What was fitted.
    time_unit : TimeUnit
        What alpha and beta count.
    design : Design
        Means and standard deviations of the covariates, and how they act.
    """

    model: "TimeVaryingParetoNBDModel"
    time_unit: TimeUnit
    design: Design

    @property
    def _parameters(self) -> tuple[Parameter, ...]:
        own = len(self.estimate.names) - len(self.design.parameters)
        return (*self.model.parameters[:own], *self.design.parameters_at(self.params))

    @property
    def _title(self) -> str:
        return f"{self.model.title} in {self.time_unit}s"

    def loglik_of(self, data: TimeVaryingSummary) -> float:
        """Log-likelihood of some customers at the estimates: those fitted, or others.

        Parameters
        ----------
        data : TimeVaryingSummary
            In the time unit of the fit, which log-likelihoods depend on.

        Raises
        ------
        DataError
            If the data count time otherwise than the fit.
        """
        check_walks(data, self.design.covariates.columns)
        if data.rfm.time_unit is not self.time_unit:
            raise DataError(
                f"Log-likelihoods depend on the time unit, and this fit counts {self.time_unit}s. "
                "Give data in the same unit."
            )
        return self._loglik_of(self.model._problem(data, self.design))

    def probability_alive(
        self, data: TimeVaryingSummary, horizon: HorizonLike | None = None
    ) -> FloatArray:
        """Probability that each customer has not dropped out by the end of observation, or later.

        Parameters
        ----------
        data : TimeVaryingSummary
            Customers, fitted or not, in any time unit.
        horizon : Horizon or str, optional
            How long after the end of observation; covariates must cover it.

        Returns
        -------
        ndarray of shape (customers,)

        Raises
        ------
        DataError
            If covariates end within the horizon; customers and first period are named.
        """
        if horizon is None:
            return self._mean(data, _alive)
        from clvmodels.kernels import time_varying_pareto_nbd as kernel

        t = self._ahead(data, horizon)

        def quantity(walks: "Walks", params: dict[str, Any]) -> FloatArray:
            some = {name: params[name] for name in ("s", "beta", "dropout")}
            return _alive(walks, params) * kernel.survival_if_alive(walks, t, **some)

        return self._mean(data, quantity)

    def probability_alive_path(self, summaries: Iterable[TimeVaryingSummary]) -> "pd.DataFrame":
        """P(alive) of the same customers as of several past dates.

        Parameters
        ----------
        summaries : iterable of TimeVaryingSummary
            Of one log, as of different dates.

        Returns
        -------
        DataFrame
            Columns customer_id, date (the end of observation), p_alive.

        Raises
        ------
        DataError
            If a summary does not say as of when it is.
        """
        return alive_path([(data.rfm, self.probability_alive(data)) for data in summaries])

    def expected_purchases(
        self, data: TimeVaryingSummary, horizon: HorizonLike, start: HorizonLike | None = None
    ) -> FloatArray:
        """Purchases expected of each customer within a window after the end of observation.

        Parameters
        ----------
        data : TimeVaryingSummary
            Customers, fitted or not, with covariates that cover the window.
        horizon : Horizon or str
            Length of the window.
        start : Horizon or str, optional
            When the window starts; at the end of observation if not given.

        Returns
        -------
        ndarray of shape (customers,)
            P(alive) is already in it.

        Raises
        ------
        DataError
            If covariates end within the window; customers and first period are named.
        UnitError
            If the horizon is a bare number.

        Examples
        --------
        >>> import pandas as pd
        >>> import clvmodels as clv
        >>> from clvmodels.data.time_varying import time_varying_summary
        >>> from clvmodels.models.time_varying_pareto_nbd import TimeVaryingParetoNBDModel
        >>> log = pd.DataFrame({"customer_id": [7, 7], "date": ["2024-01-03", "2024-01-16"]})
        >>> promo = pd.DataFrame({"customer_id": 7, "promo": [0, 0, 1, 0, 1],
        ...     "period": pd.date_range("2024-01-01", periods=5, freq="7D")})
        >>> walks = time_varying_summary(log, promo, columns=["promo"], time_unit="week",
        ...                              observation_end="2024-01-22")
        >>> fit = TimeVaryingParetoNBDModel(purchase="promo").with_params(r=0.55, alpha=10.6,
        ...     s=0.61, beta=11.7, purchase={"promo": 2.0}, dropout={}, time_unit="week")
        >>> fit.expected_purchases(walks, "2 weeks").round(3)
        array([0.297])
        """
        return self._mean(data, self._expected(data, horizon, start))

    def purchase_pmf(self, data: TimeVaryingSummary, n: int, horizon: HorizonLike) -> FloatArray:
        """Probability that each customer makes exactly `n` purchases within `horizon`.

        Parameters
        ----------
        data : TimeVaryingSummary
            Customers, fitted or not, with covariates that cover the horizon.
        n : int
            Number of purchases, 0 or more.
        horizon : Horizon or str
            Counted from the end of observation.

        Returns
        -------
        ndarray of shape (customers,)

        Raises
        ------
        DataError
            If covariates end within the horizon; customers and first period are named.
        ParameterError
            If `n` is negative or not a whole number.
        """
        from clvmodels.kernels import time_varying_pareto_nbd as kernel

        n, t = whole_number("n", n, 0), self._ahead(data, horizon)

        def quantity(walks: "Walks", params: dict[str, Any]) -> FloatArray:
            alive = _alive(walks, params)
            out = alive * kernel.pmf_if_alive(n, walks, t, **params)
            return out + (1 - alive) if n == 0 else out

        return self._mean(data, quantity)

    def probability_no_purchase(self, data: TimeVaryingSummary, horizon: HorizonLike) -> FloatArray:
        """Probability that each customer buys nothing within `horizon`.

        Parameters
        ----------
        data : TimeVaryingSummary
            Customers, fitted or not, with covariates that cover the horizon.
        horizon : Horizon or str
            Counted from the end of observation.

        Returns
        -------
        ndarray of shape (customers,)
        """
        return self.purchase_pmf(data, 0, horizon)

    def next_purchase_time(self, data: TimeVaryingSummary, quantile: float = 0.5) -> FloatArray:
        """Time until each customer's next purchase: by then it has come with this probability.

        Parameters
        ----------
        data : TimeVaryingSummary
            Customers, fitted or not, in any time unit.
        quantile : float
            Probability, between 0 and 1. At 0.5, the median.

        Returns
        -------
        ndarray of shape (customers,)
            In the time unit of the fit, from the end of observation; ``inf`` where that probability
            is not reached while the covariates are known.

        Raises
        ------
        ParameterError
            If `quantile` is not between 0 and 1.
        """
        from clvmodels.kernels import time_varying_pareto_nbd as kernel

        check_quantile(quantile)
        walks = kernel.merged(self._walks(data))
        count = averaging.draws_of(self.estimate.point)
        draws = [_draw(self.estimate.point, k, self.model) for k in range(count)]
        known = (data.covered_until - data.rfm.T) * (data.rfm.time_unit.days / self.time_unit.days)

        def bought_by(t: FloatArray) -> FloatArray:
            chances = [
                _alive(walks, one) * (1 - kernel.pmf_if_alive(0, walks, t, **one)) for one in draws
            ]
            mean: FloatArray = np.mean(chances, axis=0)
            return mean

        low, high = np.zeros(len(data)), np.maximum(known, 0.0)
        never = bought_by(high) < quantile
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            early = bought_by(middle) < quantile
            low, high = np.where(early, middle, low), np.where(early, high, middle)
        return np.where(never, np.inf, high)

    def residual_transactions(
        self,
        data: TimeVaryingSummary,
        discount: DiscountRate,
        horizon: HorizonLike | None = None,
        start: HorizonLike | None = None,
    ) -> FloatArray:
        """Discounted expected transactions within a window after the end of observation (DET).

        Nobody knows covariates for ever, so the window has an end: a horizon is required.

        Parameters
        ----------
        data : TimeVaryingSummary
            Customers, fitted or not, with covariates that cover the window.
        discount : DiscountRate
            Applied continuously from the end of observation.
        horizon : Horizon or str
            Length of the window.
        start : Horizon or str, optional
            When the window starts; at the end of observation if not given.

        Returns
        -------
        ndarray of shape (customers,)

        Raises
        ------
        ParameterError
            Without a horizon.
        DataError
            If covariates end within the window; customers and first period are named.
        """
        from clvmodels.kernels import time_varying_pareto_nbd as kernel

        if horizon is None:
            raise ParameterError(
                "An infinite future needs covariates for ever. Give a horizon, and a summary whose "
                "covariates cover it: assume values for the periods that nobody knows yet."
            )
        delta = DiscountRate.parse(discount).force(self.time_unit)
        since, t = self._window(data, horizon, start)

        def quantity(walks: "Walks", params: dict[str, Any]) -> FloatArray:
            det = kernel.discounted_if_alive(walks, t, delta, since=since, **params)
            return _alive(walks, params) * det

        return self._mean(data, quantity)

    def predict(
        self, data: TimeVaryingSummary, horizon: HorizonLike, level: float = 0.9
    ) -> "pd.DataFrame":
        """One tidy row per customer.

        Parameters
        ----------
        data : TimeVaryingSummary
            Customers, fitted or not, with covariates that cover the horizon.
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
        DataError
            If covariates end within the horizon; customers and first period are named.
        ParameterError
            If `level` is not between 0 and 1.
        """
        import pandas as pd

        expected = self._expected(data, horizon, None)
        draws = self.estimate.sample(INTERVAL_DRAWS, np.random.default_rng(0))
        tails = probabilities(level)
        low, high = self._over_draws(
            data, expected, draws, lambda values: averaging.columnwise_quantiles(values, tails)
        )
        frame = pd.DataFrame(
            {
                "customer_id": data.rfm.customer_id,
                "p_alive": self.probability_alive(data),
                "expected_purchases": self._mean(data, expected),
                "expected_purchases_lo": low,
                "expected_purchases_hi": high,
            }
        )
        end = data.rfm.observation_end
        frame.attrs.update(
            model=self.model.title,
            method=self.estimate.method,
            horizon=str(Horizon.parse(horizon)),
            as_of="" if end is None else end.isoformat(),
        )
        return frame

    def simulate(self, data: TimeVaryingSummary, seed: int = 0) -> TimeVaryingSummary:
        """Histories that the customers might have had, under the same covariates.

        Parameters
        ----------
        data : TimeVaryingSummary
            Whose ages T and covariates to take; what they bought plays no part.
        seed : int
            The same seed gives the same histories.

        Returns
        -------
        TimeVaryingSummary
            In the unit of `data`. Of a posterior, all customers share one draw of parameters.
        """
        from clvmodels.kernels import time_varying_pareto_nbd as kernel

        rng = np.random.default_rng(seed)
        walks, factor = self._walks(data), data.rfm.time_unit.days / self.time_unit.days
        none = np.zeros(len(data))
        new = walks._replace(x=none, t_x=none, T=none)
        point = self.estimate.point
        drawn = _draw(point, int(rng.integers(averaging.draws_of(point))), self.model)
        x, last, periods = kernel.simulate(new, walks.T, rng, **drawn)
        at_purchases = np.zeros(data.at_purchases.shape)
        np.add.at(
            at_purchases, np.repeat(np.arange(len(data)), x.astype(int)), data.values[periods]
        )
        rfm = replace(
            data.rfm,
            frequency=x,
            recency=np.minimum(last / factor, data.rfm.T),
            monetary_value=None,
            weight=None,
            litt=None,
        )
        return replace(data, rfm=rfm, at_purchases=at_purchases)

    def simulate_purchases(
        self, data: TimeVaryingSummary, horizon: HorizonLike, draws: int = 1000, seed: int = 0
    ) -> FloatArray:
        """Futures of the customers: how many purchases each makes within `horizon`.

        Every draw has parameters of its own, so quantiles over draws are prediction intervals.

        Parameters
        ----------
        data : TimeVaryingSummary
            Customers, fitted or not, with covariates that cover the horizon.
        horizon : Horizon or str
            Counted from the end of observation.
        draws : int
            Number of futures; memory grows as draws times customers.
        seed : int
            The same seed gives the same futures.

        Returns
        -------
        ndarray of shape (draws, customers)

        Raises
        ------
        DataError
            If covariates end within the horizon; customers and first period are named.
        """
        from clvmodels.kernels import time_varying_pareto_nbd as kernel

        draws, t = whole_number("draws", draws, 1), self._ahead(data, horizon)
        rng, walks = np.random.default_rng(seed), self._walks(data)
        params = self.estimate.sample(draws, rng)
        out = np.empty((draws, len(data)))
        for k in range(draws):
            one = _draw(params, k, self.model)
            alive = rng.random(len(data)) < _alive(walks, one)
            out[k] = np.where(alive, kernel.simulate(walks, t, rng, **one)[0], 0.0)
        return out

    def save(self, path: str | Path) -> None:
        """Write the fit as JSON: parameters, covariance, diagnostics; no customer rows.

        Parameters
        ----------
        path : str or Path
            The file, replaced if there; `clvmodels.load` reads it back.
        """
        from clvmodels.models.storage import write_json
        from clvmodels.models.time_varying_pareto_nbd import dump_time_varying

        write_json(dump_time_varying(self), path)

    # from draws to customers

    def _expected(
        self, data: TimeVaryingSummary, horizon: HorizonLike, start: HorizonLike | None
    ) -> _Quantity:
        from clvmodels.kernels import time_varying_pareto_nbd as kernel

        since, t = self._window(data, horizon, start)

        def quantity(walks: "Walks", params: dict[str, Any]) -> FloatArray:
            expected = kernel.purchases_if_alive(walks, t, since=since, **params)
            return _alive(walks, params) * expected

        return quantity

    def _mean(self, data: TimeVaryingSummary, quantity: _Quantity) -> FloatArray:
        return self._over_draws(
            data, quantity, self.estimate.point, lambda values: values.mean(axis=0)
        )

    def _over_draws(
        self,
        data: TimeVaryingSummary,
        quantity: _Quantity,
        params: Params,
        statistic: Callable[[FloatArray], FloatArray],
    ) -> FloatArray:
        """A statistic of (draws, customers), in blocks of customers side by side."""
        from clvmodels.kernels.time_varying_pareto_nbd import merged, take

        walks, count = merged(self._walks(data)), averaging.draws_of(params)
        draws = [_draw(params, k, self.model) for k in range(count)]
        workers = usable_cores()
        size = max(1, min(averaging.ELEMENTS // count, -(-len(data) // workers)))

        def block(start: int) -> FloatArray:
            some = take(walks, np.arange(start, min(start + size, len(data))))
            return statistic(np.stack([quantity(some, one) for one in draws]))

        with ThreadPoolExecutor(workers) as pool:
            return np.concatenate(list(pool.map(block, range(0, len(data), size))), axis=-1)

    def _walks(self, data: TimeVaryingSummary) -> "Walks":
        check_walks(data, self.design.covariates.columns)
        return walks_of(data, self.design, self.time_unit)

    def _ahead(self, data: TimeVaryingSummary, horizon: HorizonLike) -> float:
        return self._window(data, horizon, None)[1]

    def _window(
        self, data: TimeVaryingSummary, horizon: HorizonLike, start: HorizonLike | None
    ) -> tuple[float, float]:
        """Begin and end of a window in the unit of the fit; covariates must cover it."""
        check_walks(data, self.design.covariates.columns)
        unit = data.rfm.time_unit
        begin = 0.0 if start is None else Horizon.parse(start).to(unit)
        end = begin + Horizon.parse(horizon).to(unit)
        data.require_until(end)
        factor = unit.days / self.time_unit.days
        return begin * factor, end * factor


def check_walks(data: TimeVaryingSummary, columns: tuple[str, ...]) -> None:
    """Refuse what is no summary with these covariates, and say how to make one."""
    if not isinstance(data, TimeVaryingSummary):
        raise DataError(
            f"This model takes a TimeVaryingSummary, got {type(data).__name__}. Make one of a log "
            "and a table of covariates with time_varying_summary."
        )
    if missing := [name for name in columns if name not in data.columns]:
        raise DataError(
            f"The summary lacks the covariate(s) {', '.join(missing)}; it has "
            f"{', '.join(data.columns)}. Name them in columns= of time_varying_summary."
        )


def walks_of(data: TimeVaryingSummary, design: Design, unit: TimeUnit) -> "Walks":
    """Customers as the kernel reads them: standardised covariates, times in `unit`."""
    from clvmodels.kernels.time_varying_pareto_nbd import Walks

    names, rfm, factor = design.covariates.columns, data.rfm, data.rfm.time_unit.days / unit.days
    which = [data.columns.index(name) for name in names]
    means, sds = np.array(design.means), np.array(design.sds)
    z = (data.values[:, which] - means) / sds
    bought = (data.at_purchases[:, which] - rfm.frequency[:, None] * means) / sds
    purchase, dropout = (
        [names.index(name) for name in process]
        for process in (design.covariates.purchase, design.covariates.dropout)
    )
    return Walks(
        x=rfm.frequency,
        t_x=rfm.recency * factor,
        T=rfm.T * factor,
        start=data.indptr,
        until=data.until * factor,
        buying=np.ascontiguousarray(z[:, purchase]),
        leaving=np.ascontiguousarray(z[:, dropout]),
        bought=np.ascontiguousarray(bought[:, purchase]),
    )


def _alive(walks: "Walks", params: dict[str, Any]) -> FloatArray:
    from clvmodels.kernels.time_varying_pareto_nbd import prob_alive

    return prob_alive(walks, **params)


def _draw(params: Params, k: int, model: "TimeVaryingParetoNBDModel") -> dict[str, Any]:
    """Draw k as the kernel takes it: coefficients instead of multipliers, in arrays."""
    out: dict[str, Any] = {name: float(params[name][k, 0]) for name in ("r", "alpha", "s", "beta")}
    for process in ("purchase", "dropout"):
        multipliers = [params[f"{process}:{name}"][k, 0] for name in getattr(model, process)]
        out[process] = np.log(np.array(multipliers, dtype=np.float64))
    return out

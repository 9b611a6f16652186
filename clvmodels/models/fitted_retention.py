"""A fitted retention model: one class for all of them, whatever the method."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, final

import numpy as np
from numpy.typing import ArrayLike

from clvmodels._typing import AnyArray, FloatArray, IntArray, Params
from clvmodels.data.retention import RetentionTable
from clvmodels.exceptions import DataError, ParameterError, UndefinedMeanError
from clvmodels.inference.problem import Parameter, Problem
from clvmodels.models.averaging import columnwise_quantiles, draws_of
from clvmodels.models.base_value import BaseValue
from clvmodels.models.fitted import INTERVAL_DRAWS, FittedModel, probabilities, whole_number
from clvmodels.models.retention import RetentionModel, check_retention
from clvmodels.textbook.retention import TIMINGS, Timing
from clvmodels.units import DiscountRate, Horizon, HorizonLike

if TYPE_CHECKING:
    import pandas as pd

    from clvmodels.kernels.retention import LogKept

Evaluate: TypeAlias = Callable[[Params], FloatArray]
"""Parameters of shape (draws, 1) to values of shape (draws, ages)."""

_DRAWS = 50  # evaluated at a time: some megabytes even for daily contracts over a century
_ROUNDING = 1e-9  # of lengths of time in periods


@final
@dataclass(frozen=True, eq=False, repr=False)
class FittedRetention(FittedModel):
    """A fitted retention model; lifetimes count contract periods of the data it was fitted to.

    A customer of age n is in the n-th period, before the n-th renewal; one about to be acquired
    has age 0. Payments come at the acquisition and at every renewal.

    Attributes
    ----------
    model : RetentionModel
        What was fitted.
    period : Horizon
        Length of a contract period.
    """

    model: RetentionModel
    period: Horizon

    @property
    def _parameters(self) -> tuple[Parameter, ...]:
        return self.model.parameters

    @property
    def _title(self) -> str:
        return self.model.title

    def loglik_of(self, data: RetentionTable) -> float:
        """Log-likelihood of some customers at the estimates: those fitted, or others.

        Parameters
        ----------
        data : RetentionTable
            Of contracts as long as those of the fit.
        """
        duration, churned, customers = self._of_this_period(data).distinct()
        point = {name: np.array([[value]]) for name, value in self.params.items()}
        log_kept = self._log_kept(point)
        before = log_kept(np.zeros(1), np.where(churned, duration - 1, duration))[0]
        lost = np.log(-np.expm1(log_kept(duration[churned] - 1, duration[churned])[0]))
        return float(customers @ before + customers[churned] @ lost)

    def likelihood_of(self, data: RetentionTable) -> tuple[Problem, IntArray]:
        """The likelihood of some customers, and each row of the table as a row of it."""
        own = self._of_this_period(data)
        rows = np.arange(len(own.duration))
        return self.model.problem(own.duration, own.churned, own.customers), rows

    def survival(self, renewals: HorizonLike | ArrayLike) -> FloatArray:
        """Share of customers who are still there after so many renewals.

        Parameters
        ----------
        renewals : int, array of int, Horizon or str
            Number of renewals; or a time since the acquisition, of which full periods count.

        Returns
        -------
        float or ndarray of the shape of `renewals`

        Examples
        --------
        >>> from clvmodels.models.shifted_beta_geo import ShiftedBetaGeoModel
        >>> fit = ShiftedBetaGeoModel().with_params(alpha=0.704, beta=1.182, period="1 year")
        >>> fit.survival([0, 1, 7]).round(3).tolist(), float(fit.survival("30 months").round(3))
        ([1.0, 0.627, 0.239], 0.474)
        """
        if isinstance(renewals, str | Horizon):
            renewals = int(self._periods(renewals) + _ROUNDING)
        t = _ages("renewals", renewals)
        return self._average(self._survival(t.ravel().astype(np.float64))).reshape(t.shape)[()]

    def retention_rate(self, age: ArrayLike) -> FloatArray:
        """Share of the customers of an age who renew at the end of the period they are in.

        Parameters
        ----------
        age : int or array of int
            1 for customers in the first period.

        Returns
        -------
        float or ndarray of the shape of `age`
        """
        n = _ages("age", age)
        return self._average(self._rates(n.ravel())).reshape(n.shape)[()]

    def expected_lifetime(self, horizon: HorizonLike | None = None) -> Horizon:
        """Mean time that a new customer stays.

        Parameters
        ----------
        horizon : Horizon or str, optional
            Count only time up to then; all if not given.

        Returns
        -------
        Horizon
            In the unit of `period`; ``discounted_lifetime(0)`` is the same in periods.

        Raises
        ------
        UndefinedMeanError
            If the mean does not exist, and there is no horizon.
        """
        periods = self.discounted_lifetime(0, horizon)
        return Horizon(periods * self.period.length, self.period.unit)

    def discounted_lifetime(
        self,
        discount: DiscountRate | float,
        horizon: HorizonLike | None = None,
        timing: Timing = "first_payment_now",
    ) -> float:
        """Discounted expected lifetime (DEL): the payments of a new customer, of 1 per period.

        Parameters
        ----------
        discount : DiscountRate or 0
            Per any unit; payments a period apart are discounted by its effective rate.
        horizon : Horizon or str, optional
            Count only the payments of this much time, the first one included; a period that it
            cuts counts in part. All if not given.
        timing : {"first_payment_now", "just_acquired", "period_end"}
            A customer about to be acquired, whose first payment comes at once; one who has just
            paid it, so that the next comes with the first renewal (1 less); or one who pays at the
            end of each period.

        Returns
        -------
        float
            Multiply by the payment per period for a value in money.

        Raises
        ------
        UndefinedMeanError
            If the discount rate is 0, there is no horizon, and the mean does not exist.
        ParameterError
            If the rate is negative and there is no horizon, or the timing is unknown.

        References
        ----------
        Fader and Hardie (2015), Simple probability models for computing CLV and CE, eq. 3.8.

        Examples
        --------
        >>> from clvmodels.models.shifted_beta_geo import ShiftedBetaGeoModel
        >>> fit = ShiftedBetaGeoModel().with_params(alpha=0.7637, beta=1.2958, period="1 year")
        >>> round(fit.discounted_lifetime(DiscountRate(0.10, per="year")), 3)
        3.621
        """
        if timing not in TIMINGS:
            raise ParameterError(f"timing is one of {', '.join(TIMINGS)}; got {timing!r}.")
        age = 1 if timing == "just_acquired" else 0
        value = float(self.residual_lifetime(age, discount, horizon))
        return value if timing == "first_payment_now" else value * np.exp(-self._force(discount))

    def residual_lifetime(
        self,
        age: ArrayLike,
        discount: DiscountRate | float,
        horizon: HorizonLike | None = None,
    ) -> FloatArray:
        """Discounted expected residual lifetime (DERL): payments of 1 per period still to come.

        Seen from the end of the period that the customer is in, just before it is known whether
        the contract is renewed: a renewal pays at once.

        Parameters
        ----------
        age : int or array of int
            1 for customers in the first period (n in the paper); 0 for one about to be acquired.
        discount : DiscountRate or 0
            Per any unit; payments a period apart are discounted by its effective rate.
        horizon : Horizon or str, optional
            Count only the payments of this much time, the first one included; a period that it
            cuts counts in part. All if not given.

        Returns
        -------
        float or ndarray of the shape of `age`
            Multiply by the payment per period for a value in money.

        Raises
        ------
        UndefinedMeanError
            If the discount rate is 0, there is no horizon, and the mean does not exist.
        ParameterError
            If the rate is negative and there is no horizon.

        References
        ----------
        Fader and Hardie (2010), Customer-base valuation in a contractual setting, Marketing
        Science 29(1), 85-93, eq. 6; Fader and Hardie (2015), Simple probability models for
        computing CLV and CE, eq. 3.9.

        Examples
        --------
        >>> from clvmodels.models.shifted_beta_geo import ShiftedBetaGeoModel
        >>> fit = ShiftedBetaGeoModel().with_params(alpha=0.764, beta=1.296, period="1 year")
        >>> (100 * fit.residual_lifetime([1, 2, 5], DiscountRate(0.10, "year"))).round().tolist()
        [288.0, 394.0, 568.0]
        """
        n = _ages("age", age)
        value = self._average(self._residual(n.ravel(), discount, horizon))
        if not np.isfinite(value).all():
            raise UndefinedMeanError(
                "The mean lifetime does not exist: survival falls too slowly with age. Give a "
                "positive discount rate, or a horizon."
            )
        return value.reshape(n.shape)[()]

    def predict(
        self,
        data: RetentionTable | Sequence[int],
        discount: DiscountRate | float,
        horizon: HorizonLike | None = None,
        level: float = 0.9,
    ) -> "pd.DataFrame":
        """One tidy row per cohort and age of the customers who are still there.

        Parameters
        ----------
        data : RetentionTable or sequence of int
            Customers, fitted or not; or ages, 0 for a customer about to be acquired.
        discount : DiscountRate or 0
            See `residual_lifetime`.
        horizon : Horizon or str, optional
            See `residual_lifetime`.
        level : float
            Probability of the intervals, from parameter uncertainty.

        Returns
        -------
        DataFrame
            Columns cohort, age and customers (age alone for a sequence), retention_rate (at the
            next renewal) and residual_lifetime, each with ``_lo`` and ``_hi``.

        Raises
        ------
        DataError
            If nobody in the table is still there.
        """
        import pandas as pd

        if isinstance(data, RetentionTable):
            base = _still_there(self._of_this_period(data))
            n = base.age
            head = {"cohort": base.cohort, "age": n, "customers": base.customers}
        else:
            n = _ages("age", data).ravel()
            head = {"age": n}
        lifetimes = self._residual(n, discount, horizon)
        frame = pd.DataFrame(
            {
                **head,
                "retention_rate": self.retention_rate(n),
                **self._ends("retention_rate", self._rates(n), level),
                "residual_lifetime": self.residual_lifetime(n, discount, horizon),
                **self._ends("residual_lifetime", lifetimes, level),
            }
        )
        frame.attrs.update(
            model=self.model.title,
            method=self.estimate.method,
            discount=str(DiscountRate.parse(discount)),
            horizon="unlimited" if horizon is None else str(Horizon.parse(horizon)),
        )
        return frame

    def survival_curve(self, periods: int, level: float = 0.9) -> "pd.DataFrame":
        """Survival and retention rate after 0, 1, ..., `periods` renewals, with intervals.

        Parameters
        ----------
        periods : int
            Number of renewals to look ahead.
        level : float
            Probability of the intervals, from parameter uncertainty.

        Returns
        -------
        DataFrame
            Columns renewals, survival, retention_rate (of the last of these renewals; 1 at 0),
            each of the two with ``_lo`` and ``_hi``.
        """
        import pandas as pd

        t = np.arange(whole_number("periods", periods, 1) + 1)
        survival, rates = self._survival(t.astype(np.float64)), self._rates(t)
        return pd.DataFrame(
            {
                "renewals": t,
                "survival": self._average(survival),
                **self._ends("survival", survival, level),
                "retention_rate": self._average(rates),
                **self._ends("retention_rate", rates, level),
            }
        )

    def base_value(
        self,
        data: RetentionTable,
        payment: float,
        discount: DiscountRate | float,
        horizon: HorizonLike | None = None,
        level: float = 0.9,
    ) -> BaseValue:
        """What the customers who are still there will pay, and what a constant rate makes of it.

        Parameters
        ----------
        data : RetentionTable
            The base, each customer at the end of a period, before the renewal is decided.
        payment : float
            What a customer pays per contract period, or what is earned of it.
        discount : DiscountRate or 0
            See `residual_lifetime`.
        horizon : Horizon or str, optional
            See `residual_lifetime`.
        level : float
            Probability of the interval, from parameter uncertainty.

        Returns
        -------
        BaseValue
            The value with its interval, beside that at one constant retention rate: the one of
            the renewals last faced.

        Raises
        ------
        DataError
            If nobody in the table is still there.
        UndefinedMeanError
            If the discount rate is 0, there is no horizon, and the mean does not exist.

        References
        ----------
        Fader and Hardie (2010), Customer-base valuation in a contractual setting: the perils of
        ignoring heterogeneity, Marketing Science 29(1), 85-93.

        Examples
        --------
        >>> from clvmodels.models.shifted_beta_geo import ShiftedBetaGeoModel
        >>> triangle = {2005: [10000, 8000, 6480], 2006: [10000, 8000], 2007: [10000]}
        >>> table = RetentionTable.from_survivors(triangle, period="1 year")
        >>> fit = ShiftedBetaGeoModel().with_params(alpha=3.8, beta=15.2, period="1 year")
        >>> value = fit.base_value(table, 100, DiscountRate(0.10, per="year"))
        >>> round(value.value), round(value.constant_retention_value)
        (8394699, 7329275)
        """
        base = _still_there(self._of_this_period(data))
        if not np.isfinite(payment):
            raise ParameterError(f"payment must be a finite number, got {payment!r}.")
        evaluate = self._residual(base.age, discount, horizon)
        each = self.residual_lifetime(base.age, discount, horizon)
        total = self._draws(evaluate) @ base.customers * payment
        lo, hi = columnwise_quantiles(total[:, None], probabilities(level))[:, 0]
        rate = data.last_retention_rate
        return BaseValue(
            value=float(payment * (base.customers @ each)),
            lo=float(lo),
            hi=float(hi),
            customers=base.acquired,
            retention_rate=rate,
            constant_retention_value=payment * base.acquired * self._constant(
                rate, self._force(discount), horizon
            ),
            level=level,
        )  # fmt: skip

    def simulate(self, customers: int, periods: int, seed: int = 0) -> RetentionTable:
        """Survivors of a new cohort over its first renewals.

        Drawn at the estimates; of a posterior, every customer has a draw of parameters.

        Parameters
        ----------
        customers : int
            How many to acquire.
        periods : int
            How many renewals they face.
        seed : int
            The same seed gives the same table.

        Returns
        -------
        RetentionTable
            One cohort, with the contract period of the fit.
        """
        from clvmodels.kernels.retention import simulate

        whole_number("customers", customers, 1)
        survival = self.survival(np.arange(whole_number("periods", periods, 1) + 1))
        before = np.maximum(survival[:-1], np.finfo(np.float64).tiny)
        rates = np.minimum(survival[1:] / before, 1.0)
        survivors = simulate(rates, customers, np.random.default_rng(seed))
        return RetentionTable.from_survivors(survivors, period=self.period)

    def save(self, path: str | Path) -> None:
        """Write the fit as JSON: parameters, covariance, diagnostics; no customer rows.

        Parameters
        ----------
        path : str or Path
            The file, replaced if there; `clvmodels.load` reads it back.
        """
        from clvmodels.models.storage import dump_estimate, dump_horizon, write_json

        document = {
            "role": "retention",
            "model": self.model.key,
            "choices": asdict(self.model),  # type: ignore[call-overload]
            "period": dump_horizon(self.period),
            "estimate": dump_estimate(self.estimate),
        }
        write_json(document, path)

    # what is evaluated per draw and age

    def _log_kept(self, params: Params) -> "LogKept":
        return partial(self.model.kernel.log_kept, **params)

    def _of_this_period(self, data: RetentionTable) -> RetentionTable:
        """The table, if its contracts last as long as those of the fit."""
        period = check_retention(data).period
        if not np.isclose(period.to(self.period.unit), self.period.length, rtol=1e-9):
            raise DataError(
                f"The contracts of this fit last {self.period}, those of the table {period}. Fit "
                "the table, or give one with the period of the fit."
            )
        return data

    def _survival(self, t: FloatArray) -> Evaluate:
        return lambda params: np.exp(self._log_kept(params)(np.zeros(1), t))

    def _rates(self, n: IntArray) -> Evaluate:
        """Share kept at each age; all of them at age 0."""
        before = np.maximum(n - 1.0, 0.0)
        return lambda params: np.exp(self._log_kept(params)(before, n.astype(np.float64)))

    def _residual(
        self, n: IntArray, discount: DiscountRate | float, horizon: HorizonLike | None
    ) -> Evaluate:
        from clvmodels.kernels.retention import payments, residual_lifetimes

        force = self._force(discount)
        if horizon is not None:
            length = self._periods(horizon)
            ages = np.arange(n.max(initial=0) + int(np.ceil(length)))
            return lambda params: payments(self._rates(ages)(params), force, n, length)
        if force < 0:
            raise ParameterError(
                f"An infinite future needs a discount rate of 0 or more, got {discount}. Give "
                "one, or a horizon."
            )

        def evaluate(params: Params) -> FloatArray:
            power, settled = self.model.kernel.power_tail(**params)
            oldest = int(n.max(initial=0))
            every = residual_lifetimes(self._log_kept(params), force, oldest, power, settled)
            return every[:, n]

        return evaluate

    def _constant(self, rate: float, force: float, horizon: HorizonLike | None) -> float:
        """The textbook's residual lifetime, r + r^2 v + r^3 v^2 + ..."""
        from clvmodels.kernels.retention import payments

        if horizon is None:
            share = rate * np.exp(-force)
            return float(rate / (1 - share)) if share < 1 else float("inf")
        length = self._periods(horizon)
        rates = np.full((1, int(np.ceil(length)) + 1), rate)
        return float(payments(rates, force, np.ones(1, dtype=np.int64), length)[0, 0])

    # from evaluations to values

    def _average(self, evaluate: Evaluate) -> FloatArray:
        values: FloatArray = self._over_draws(evaluate, self.estimate.point).mean(axis=0)
        return values

    def _draws(self, evaluate: Evaluate) -> FloatArray:
        draws = self.estimate.sample(INTERVAL_DRAWS, np.random.default_rng(0))
        return self._over_draws(evaluate, draws)

    def _ends(self, name: str, evaluate: Evaluate, level: float) -> dict[str, FloatArray]:
        lo, hi = columnwise_quantiles(self._draws(evaluate), probabilities(level))
        return {f"{name}_lo": lo, f"{name}_hi": hi}

    def _over_draws(self, evaluate: Evaluate, params: Params) -> FloatArray:
        return np.concatenate(
            [
                evaluate({name: values[i : i + _DRAWS] for name, values in params.items()})
                for i in range(0, draws_of(params), _DRAWS)
            ]
        )

    def _force(self, discount: DiscountRate | float) -> float:
        return DiscountRate.parse(discount).force(self.period.unit) * self.period.length

    def _periods(self, horizon: HorizonLike) -> float:
        return Horizon.parse(horizon).to(self.period.unit) / self.period.length


def _still_there(data: RetentionTable) -> RetentionTable:
    if not (check_retention(data).customers[~data.churned] > 0).any():
        raise DataError("No customer of the table is still there, so there is nothing to predict.")
    return data.active


def _ages(name: str, values: ArrayLike) -> AnyArray:
    """Whole numbers of at least 0, or an error that says so."""
    given = np.asarray(values)
    whole = given.dtype.kind in "iuf" and bool(
        ((given >= 0) & (given == np.floor(given)) & np.isfinite(given)).all()
    )
    if not whole:
        raise ParameterError(f"{name} must be whole numbers, at least 0, got {values!r}.")
    return given.astype(np.int64)

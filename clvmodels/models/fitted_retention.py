"""A fitted retention model: one class for all of them, whatever the method."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import ArrayLike

from clvmodels._numbers import whole_number
from clvmodels._typing import AnyArray, FloatArray, IntArray
from clvmodels.data.retention import COHORT, RetentionTable
from clvmodels.exceptions import DataError, ParameterError, UndefinedMeanError
from clvmodels.inference.groups import Groups
from clvmodels.inference.problem import Parameter, Problem
from clvmodels.inference.traits import Block
from clvmodels.models.averaging import columnwise_quantiles
from clvmodels.models.base_value import BaseValue
from clvmodels.models.fitted import FittedModel, probabilities
from clvmodels.models.pooling import tell_of_strangers
from clvmodels.models.renewals import OfAges, Renewals, over_draws
from clvmodels.models.retention import RetentionModel, check_retention, places_of
from clvmodels.models.streaming import drawn, how_many_draws
from clvmodels.textbook.retention import TIMINGS, Timing
from clvmodels.units import DiscountRate, Horizon, HorizonLike

if TYPE_CHECKING:
    import pandas as pd

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
    groups : Groups or None
        Cohorts, where each has parameters of its own.
    """

    model: RetentionModel
    period: Horizon
    groups: Groups | None = None

    @property
    def _parameters(self) -> tuple[Parameter, ...]:
        return self.model.parameters

    @property
    def _pooled(self) -> tuple[Groups | None, tuple[Block, ...]]:
        return self.groups, self.model.blocks

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
        return self._loglik_of(self.likelihood_of(data)[0])

    def likelihood_of(self, data: RetentionTable) -> tuple[Problem, IntArray]:
        """The likelihood of some customers, and each row of the table as a row of it."""
        own = self._of_this_period(data)
        rows = np.arange(len(own))
        if self.groups is not None:
            return self.model.by_cohort(own, self.groups), rows
        return self.model.problem(own.duration, own.churned, own.customers), rows

    def survival(
        self, renewals: HorizonLike | ArrayLike, cohort: object | None = None
    ) -> FloatArray:
        """Share of customers who are still there after so many renewals.

        Parameters
        ----------
        renewals : int, array of int, Horizon or str
            Number of renewals; or a time since the acquisition, of which full periods count.
        cohort : object, optional
            Its name, where the fit is by cohort; one that was not seen if not given.

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
            renewals = int(self._renewals.periods(renewals) + _ROUNDING)
        t = _ages("renewals", renewals)
        value = self._average(self._renewals.survival, t.ravel(), self._place(cohort))
        return value.reshape(t.shape)[()]

    def retention_rate(self, age: ArrayLike, cohort: object | None = None) -> FloatArray:
        """Share of the customers of an age who renew at the end of the period they are in.

        Parameters
        ----------
        age : int or array of int
            1 for customers in the first period.
        cohort : object, optional
            Its name, where the fit is by cohort; one that was not seen if not given.

        Returns
        -------
        float or ndarray of the shape of `age`
        """
        n = _ages("age", age)
        value = self._average(self._renewals.rates, n.ravel(), self._place(cohort))
        return value.reshape(n.shape)[()]

    def expected_lifetime(
        self, horizon: HorizonLike | None = None, cohort: object | None = None
    ) -> Horizon:
        """Mean time that a new customer stays.

        Parameters
        ----------
        horizon : Horizon or str, optional
            Count only time up to then; all if not given.
        cohort : object, optional
            Its name, where the fit is by cohort; one that was not seen if not given.

        Returns
        -------
        Horizon
            In the unit of `period`; ``discounted_lifetime(0)`` is the same in periods.

        Raises
        ------
        UndefinedMeanError
            If the mean does not exist, and there is no horizon.
        """
        periods = self.discounted_lifetime(0, horizon, cohort=cohort)
        return Horizon(periods * self.period.length, self.period.unit)

    def discounted_lifetime(
        self,
        discount: DiscountRate | float,
        horizon: HorizonLike | None = None,
        timing: Timing = "first_payment_now",
        cohort: object | None = None,
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
        cohort : object, optional
            Its name, where the fit is by cohort; one that was not seen if not given.

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
        value = float(self.residual_lifetime(age, discount, horizon, cohort))
        if timing == "first_payment_now":
            return value
        return value * float(np.exp(-self._renewals.force(discount)))

    def residual_lifetime(
        self,
        age: ArrayLike,
        discount: DiscountRate | float,
        horizon: HorizonLike | None = None,
        cohort: object | None = None,
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
        cohort : object, optional
            Its name, where the fit is by cohort; one that was not seen if not given.

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
        value = self._lifetimes(n.ravel(), self._place(cohort), discount, horizon)
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
            Customers, fitted or not; or ages, 0 for a customer about to be acquired. Where the fit
            is by cohort, those of a table are of their own, others of one not seen.
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
            n, places = base.age, self._places(base)
            head = {"cohort": base.cohort, "age": n, "customers": base.customers}
        else:
            n, places = _ages("age", data).ravel(), self._place(None)
            head = {"age": n}
        residual = self._renewals.residual(discount, horizon)
        frame = pd.DataFrame(
            {
                **head,
                "retention_rate": self._average(self._renewals.rates, n, places),
                **self._ends("retention_rate", self._renewals.rates, n, places, level),
                "residual_lifetime": self._lifetimes(n, places, discount, horizon),
                **self._ends("residual_lifetime", residual, n, places, level),
            }
        )
        frame.attrs.update(
            model=self.model.title,
            method=self.estimate.method,
            discount=str(DiscountRate.parse(discount)),
            horizon="unlimited" if horizon is None else str(Horizon.parse(horizon)),
        )
        return frame

    def survival_curve(
        self, periods: int, level: float = 0.9, cohort: object | None = None
    ) -> "pd.DataFrame":
        """Survival and retention rate after 0, 1, ..., `periods` renewals, with intervals.

        Parameters
        ----------
        periods : int
            Number of renewals to look ahead.
        level : float
            Probability of the intervals, from parameter uncertainty.
        cohort : object, optional
            Its name, where the fit is by cohort; one that was not seen if not given.

        Returns
        -------
        DataFrame
            Columns renewals, survival, retention_rate (of the last of these renewals; 1 at 0),
            each of the two with ``_lo`` and ``_hi``.
        """
        import pandas as pd

        t = np.arange(whole_number("periods", periods, 1) + 1)
        place = self._place(cohort)
        return pd.DataFrame(
            {
                "renewals": t,
                "survival": self._average(self._renewals.survival, t, place),
                **self._ends("survival", self._renewals.survival, t, place, level),
                "retention_rate": self._average(self._renewals.rates, t, place),
                **self._ends("retention_rate", self._renewals.rates, t, place, level),
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
        places, residual = self._places(base), self._renewals.residual(discount, horizon)
        each = self._lifetimes(base.age, places, discount, horizon)
        total = self._draws(residual, base.age, places) @ base.customers * payment
        lo, hi = columnwise_quantiles(total[:, None], probabilities(level))[:, 0]
        rate = data.last_retention_rate
        return BaseValue(
            value=float(payment * (base.customers @ each)),
            lo=float(lo),
            hi=float(hi),
            customers=base.acquired,
            retention_rate=rate,
            constant_retention_value=payment * base.acquired * self._renewals.constant_residual(
                rate, discount, horizon
            ),
            level=level,
        )  # fmt: skip

    def simulate(
        self, customers: int, periods: int, seed: int = 0, cohort: object | None = None
    ) -> RetentionTable:
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
        cohort : object, optional
            Its name, where the fit is by cohort; one that was not seen if not given.

        Returns
        -------
        RetentionTable
            One cohort, with the contract period of the fit.
        """
        from clvmodels.kernels.retention import simulate

        whole_number("customers", customers, 1)
        survival = self.survival(np.arange(whole_number("periods", periods, 1) + 1), cohort)
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
        from clvmodels.models.storage import dump_estimate, dump_groups, dump_horizon, write_json

        document = {
            "role": "retention",
            "model": self.model.key,
            "choices": asdict(self.model),  # type: ignore[call-overload]
            "period": dump_horizon(self.period),
            "groups": dump_groups(self.groups),
            "estimate": dump_estimate(self.estimate),
        }
        write_json(document, path)

    @property
    def _renewals(self) -> Renewals:
        return Renewals(self.model.kernel, self.period)

    def _of_this_period(self, data: RetentionTable) -> RetentionTable:
        """The table, if its contracts last as long as those of the fit."""
        period = check_retention(data).period
        if not np.isclose(period.to(self.period.unit), self.period.length, rtol=1e-9):
            raise DataError(
                f"The contracts of this fit last {self.period}, those of the table {period}. Fit "
                "the table, or give one with the period of the fit."
            )
        return data

    def _lifetimes(
        self,
        n: IntArray,
        places: IntArray,
        discount: DiscountRate | float,
        horizon: HorizonLike | None,
    ) -> FloatArray:
        value = self._average(self._renewals.residual(discount, horizon), n, places)
        if not np.isfinite(value).all():
            raise UndefinedMeanError(
                "The mean lifetime does not exist: survival falls too slowly with age. Give a "
                "positive discount rate, or a horizon."
            )
        return value

    def _average(self, of: OfAges, n: IntArray, places: IntArray) -> FloatArray:
        values: FloatArray = over_draws(of, n, places, self.estimate.point).mean(axis=0)
        return values

    def _draws(self, of: OfAges, n: IntArray, places: IntArray) -> FloatArray:
        draws = how_many_draws(self.estimate)
        params = drawn(self.estimate, draws, np.random.default_rng(0))
        return over_draws(of, n, places, params)

    def _ends(
        self, name: str, of: OfAges, n: IntArray, places: IntArray, level: float
    ) -> dict[str, FloatArray]:
        lo, hi = columnwise_quantiles(self._draws(of, n, places), probabilities(level))
        return {f"{name}_lo": lo, f"{name}_hi": hi}

    def _places(self, data: RetentionTable) -> IntArray:
        """Where the parameters of each row's cohort are."""
        if self.groups is None:
            return self._place(None)
        places = places_of(self.groups, data)
        tell_of_strangers(self.groups, places, data.cohort, "cohorts")
        return places

    def _place(self, cohort: object | None) -> IntArray:
        """Where the parameters of one cohort are."""
        if self.groups is None:
            if cohort is None:
                return np.zeros(1, dtype=np.int64)
            raise ParameterError(
                f"The parameters of this fit are the same for all cohorts: leave out {cohort!r}, "
                "or fit with MCMC(groups='cohort')."
            )
        if cohort is None:
            return np.array([self.groups.size - 1])
        name = np.array([cohort], dtype=object)
        places = self.groups.places({COHORT: name}, name)
        tell_of_strangers(self.groups, places, name, "cohorts")
        return places


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

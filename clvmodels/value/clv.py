"""Customer lifetime value in money: discounted purchases times expected spend times margin."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, TypeAlias, final, overload

import numpy as np

from clvmodels._notebook import described, headed
from clvmodels._typing import AnyArray, FloatArray
from clvmodels.bayes.priors import parted
from clvmodels.exceptions import DataError, ParameterError, UnitError, rule_broken
from clvmodels.inference.estimate import Method
from clvmodels.models.averaging import Evaluate
from clvmodels.models.clock import Summary, clock_of
from clvmodels.models.fitted import probabilities
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.models.fitted_retention import FittedRetention
from clvmodels.models.fitted_time_varying import FittedTimeVarying
from clvmodels.models.linked_spend import LinkedSpend
from clvmodels.models.purchase_tables import FEWER
from clvmodels.models.purchases import PurchaseModel
from clvmodels.models.retention import RetentionModel
from clvmodels.models.spend import FittedSpend, SpendModel, monetary
from clvmodels.models.streaming import check_size, over_histories
from clvmodels.models.tables import QUANTILES, Grouping, check_quantiles, distribution_table
from clvmodels.models.time_varying_pareto_nbd import TimeVaryingParetoNBDModel
from clvmodels.units import DiscountRate, Horizon, HorizonLike, TimeUnit
from clvmodels.value._flags import ONE_TIME
from clvmodels.value.correlated import FittedCorrelatedCLV, fit_correlated
from clvmodels.value.worth import DISCOUNTED, MADE, Worth

if TYPE_CHECKING:
    import pandas as pd

Timing: TypeAlias = Literal["continuous", "month_end"]


@final
@dataclass(frozen=True, slots=True)
class CLVModel:
    """Value of each customer's future: margin x expected spend x discounted expected purchases.

    Parameters
    ----------
    purchases : PurchaseModel or FittedPurchases
        Model of when customers buy.
    spend : SpendModel or FittedSpend
        Model of what a purchase is worth.
    discount : DiscountRate or 0
        Applied from the end of observation; 0 for none.
    margin : float or str
        Share of spend that is profit, or the name of a column of the summary that holds it.
    timing : {"continuous", "month_end"}
        When purchases are discounted: as they happen, or all of a month's at its end (the
        convention of lifetimes' ``customer_lifetime_value``, for whole months from now).
    correlated : bool
        Fit both together and let spend go with the purchase rate, to see whether it does. For the
        NBD, BG/NBD and MBG/NBD with Gamma-Gamma; spend is taken as independent if not given.

    References
    ----------
    Fader, Hardie and Lee (2005b), RFM and CLV, Journal of Marketing Research 42(4), 415-430:
    CLV = margin x E(Z | m, x) x DERT.

    Examples
    --------
    >>> import clvmodels as clv
    >>> rfm = clv.datasets.load_cdnow_summary()
    >>> model = CLVModel(clv.BetaGeoModel(), clv.GammaGammaModel(),
    ...                  discount=clv.DiscountRate(0.10, per="year"), margin=0.30)
    >>> value = model.fit(rfm)
    >>> value.predict(rfm, horizon="12 months").clv.head(2).round(2).tolist()
    [11.07, 1.41]
    """

    purchases: PurchaseModel | FittedPurchases
    spend: SpendModel | FittedSpend
    discount: DiscountRate
    margin: float | str = 1.0
    timing: Timing = "continuous"
    correlated: bool = False

    def __post_init__(self) -> None:
        for name, value, kinds in (
            ("purchases", self.purchases, (PurchaseModel, FittedPurchases)),
            ("spend", self.spend, (SpendModel, FittedSpend)),
        ):
            if not isinstance(value, kinds):
                raise ParameterError(
                    f"{name} takes a {kinds[0].__name__}, fitted or not, got {value!r}."
                    f"{_elsewhere(value)}"
                )
        object.__setattr__(self, "discount", DiscountRate.parse(self.discount))
        if not isinstance(self.margin, str):
            if not isinstance(self.margin, Real) or not np.isfinite(self.margin) or self.margin > 1:
                raise ParameterError(
                    f"margin is a share of revenue, at most 1, or the name of a column: write 0.3 "
                    f"for 30 %, got {self.margin!r}."
                )
            object.__setattr__(self, "margin", float(self.margin))
        if self.timing not in ("continuous", "month_end"):
            raise ParameterError(f"timing is 'continuous' or 'month_end', got {self.timing!r}.")
        if self.correlated:
            LinkedSpend.of(self.purchases, self.spend)  # an error, where they cannot be
            if self.timing != "continuous":
                raise ParameterError("correlated=True discounts purchases as they happen.")

    def __sklearn_clone__(self) -> Self:
        # what never changes is its own copy
        return self

    def fit(self, data: Summary, method: Method | None = None) -> "FittedCLV | FittedCorrelatedCLV":
        """Fit both models to a summary with monetary values; fitted ones are kept as they are.

        Parameters
        ----------
        data : RFMSummary or OpportunitySummary
            One row per customer, one-time buyers included, with ``monetary_value``.
        method : Method, optional
            Fits both models; ``MLE()`` if not given. Priors go to the model that they are about.

        Returns
        -------
        FittedCLV
            Both fits, and what they are worth; with ``correlated=True`` a `FittedCorrelatedCLV`.

        Raises
        ------
        DataError, FitError
            As the two models do.
        """
        if self.correlated:
            apart = replace(self, correlated=False).fit(data)
            assert isinstance(apart, FittedCLV)
            return fit_correlated(self, apart, data, method)
        purchases, spend = self.purchases, self.spend
        kind = spend.model if isinstance(spend, FittedSpend) else spend
        traits = [trait.name for block in kind.blocks for trait in block.traits]
        known = isinstance(purchases, FittedPurchases), isinstance(spend, FittedSpend)
        first, second = parted(method, traits, known)
        if isinstance(purchases, PurchaseModel):
            purchases = purchases.fit(data, first)
        if isinstance(spend, SpendModel):
            spend = spend.fit(data, second)
        return FittedCLV(self, purchases, spend)

    _repr_html_ = described


@final
@dataclass(frozen=True, eq=False, repr=False)
class FittedCLV:
    """Fitted purchases and spend, and what they are worth.

    Attributes
    ----------
    model : CLVModel
        Discount rate, margin and timing.
    purchases : FittedPurchases
    spend : FittedSpend
    """

    model: CLVModel
    purchases: FittedPurchases
    spend: FittedSpend

    def clv(
        self,
        data: Summary,
        horizon: HorizonLike | None = None,
        start: HorizonLike | None = None,
    ) -> FloatArray:
        """Expected value of each customer's purchases in a window of the future.

        Parameters
        ----------
        data : RFMSummary or OpportunitySummary
            Customers, fitted or not, with monetary values in the currency of the fit.
        horizon : Horizon or str, optional
            Length of the window; all the future if not given.
        start : Horizon or str, optional
            When the window starts; at the end of observation if not given.

        Returns
        -------
        ndarray of shape (customers,)
            Money, discounted to the end of observation.

        Raises
        ------
        DataError
            If the summary has no monetary value.
        ParameterError
            If the future is infinite and the rate is not positive.
        UndefinedMeanError
            If some customer's spend has no mean.

        Examples
        --------
        >>> import clvmodels as clv
        >>> rfm = clv.datasets.load_cdnow_summary()
        >>> model = CLVModel(clv.BetaGeoModel(), clv.GammaGammaModel(),
        ...                  discount=clv.DiscountRate(0.10, per="year"), margin=0.30)
        >>> value = model.fit(rfm)
        >>> value.clv(rfm, "12 months")[:3].round(2).tolist()
        [11.07, 1.41, 2.55]
        >>> value.clv(rfm)[:3].round(2).tolist()  # all the future
        [47.14, 6.49, 13.74]
        """
        return self._worth(data, horizon, start).means("clv")["clv"]

    def predict(
        self,
        data: Summary,
        horizon: HorizonLike | None = None,
        start: HorizonLike | None = None,
        level: float = 0.9,
    ) -> "pd.DataFrame":
        """One tidy row per customer.

        Parameters
        ----------
        data : RFMSummary or OpportunitySummary
            Customers, fitted or not, with monetary values.
        horizon : Horizon or str, optional
            Length of the window; all the future if not given.
        start : Horizon or str, optional
            When the window starts; at the end of observation if not given.
        level : float
            Probability of the interval, which covers the uncertainty of the parameters: how sure
            the expected value is, not how far one customer's future may stray from it.

        Returns
        -------
        DataFrame
            customer_id; p_alive at the end of observation; expected_purchases in the window
            (undiscounted; over all the future, where their number need not be finite, discounted);
            expected_spend per purchase; clv, clv_lo, clv_hi; flags. A limit is infinite where
            the data cannot rule out that the population has no mean spend.

        Raises
        ------
        DataError, ParameterError, UndefinedMeanError
            As for `clv`; ParameterError also if `level` is not between 0 and 1.

        Examples
        --------
        >>> import clvmodels as clv
        >>> rfm = clv.datasets.load_cdnow_summary()
        >>> model = CLVModel(clv.BetaGeoModel(), clv.GammaGammaModel(),
        ...                  discount=clv.DiscountRate(0.10, per="year"), margin=0.30)
        >>> value = model.fit(rfm)
        >>> table = value.predict(rfm, "12 months")
        >>> table[["expected_purchases", "expected_spend", "clv"]].head(1).round(2).values.tolist()
        [[1.56, 24.66, 11.07]]
        """
        import pandas as pd

        tails, worth = probabilities(level), self._worth(data, horizon, start)
        clv = worth.spread(["clv"], tails)["clv"]
        quantities = self.purchases.quantities(data)
        expected, h = worth.evaluates[MADE], quantities.histories(data)
        columns: dict[str, AnyArray] = {
            "customer_id": data.customer_id,
            "p_alive": quantities.mean(quantities.alive(), self.purchases.estimate, h),
            "expected_purchases": quantities.mean(expected, self.purchases.estimate, h),
            "expected_spend": self.spend.expected_spend(data),
            "clv": clv.mean,
            "clv_lo": clv.quantiles[0],
            "clv_hi": clv.quantiles[1],
            "flags": self._flags(data),
        }
        frame = pd.DataFrame(columns)
        frame.attrs.update(self._provenance(data, horizon))
        return frame

    @overload
    def distribution(
        self,
        data: Summary,
        horizon: HorizonLike | None = ...,
        start: HorizonLike | None = ...,
        quantiles: Sequence[float] = ...,
        draws: Literal[False] = ...,
    ) -> "pd.DataFrame": ...
    @overload
    def distribution(
        self,
        data: Summary,
        horizon: HorizonLike | None = ...,
        start: HorizonLike | None = ...,
        quantiles: Sequence[float] = ...,
        *,
        draws: Literal[True],
    ) -> dict[str, FloatArray]: ...
    def distribution(
        self,
        data: Summary,
        horizon: HorizonLike | None = None,
        start: HorizonLike | None = None,
        quantiles: Sequence[float] = QUANTILES,
        draws: bool = False,
    ) -> "pd.DataFrame | dict[str, FloatArray]":
        """How sure each customer's prediction is.

        Over all draws of a posterior; of a maximum, over 200 draws that show how sure it is, while
        the mean is the prediction at the maximum itself.

        Parameters
        ----------
        data, horizon, start
            As for `predict`.
        quantiles : sequence of float
            Probabilities; 0.05 makes the column q05.
        draws : bool
            Hand over the draws themselves.

        Returns
        -------
        DataFrame
            One row per customer and quantity (p_alive, expected_purchases, expected_spend, clv):
            customer_id, quantity, mean, sd, and a column per quantile. With ``draws=True`` a dict
            of quantity to ndarray of shape (draws, customers), in the order of `data`.

        Raises
        ------
        DataError, ParameterError, UndefinedMeanError
            As for `predict`; ParameterError also if the draws asked for would take more than 2 GB,
            or a quantile is no probability.

        Examples
        --------
        >>> import clvmodels as clv
        >>> rfm = clv.datasets.load_cdnow_summary()
        >>> model = CLVModel(clv.BetaGeoModel(), clv.GammaGammaModel(),
        ...                  discount=clv.DiscountRate(0.10, per="year"), margin=0.30)
        >>> table = model.fit(rfm).distribution(rfm, "12 months")
        >>> table.columns.tolist()
        ['customer_id', 'quantity', 'mean', 'sd', 'q05', 'q50', 'q95']
        >>> table.query("quantity == 'clv'")["mean"].head(2).round(2).tolist()
        [11.07, 1.41]
        """
        asked, worth = check_quantiles(quantiles), self._worth(data, horizon, start)
        quantities = self.purchases.quantities(data)
        evaluates = {"p_alive": quantities.alive(), "expected_purchases": worth.evaluates[MADE]}
        h = quantities.histories(data)
        if draws:
            check_size(worth.draws, len(data), 4, "customers", FEWER)
            params, spend_params = worth.params
            of_histories = over_histories(evaluates, params, h).kept()
            return {
                **{name: h.expand(values) for name, values in of_histories.items()},
                **self.spend.stream(data, spend_params).kept(),
                "clv": worth.kept("clv"),
            }
        spreads = {
            **quantities.spread(evaluates, self.purchases.estimate, h, asked),
            "expected_spend": self.spend.spread(data, asked),
            **worth.spread(["clv"], asked),
        }
        table = distribution_table(data.customer_id, spreads, asked)
        table.attrs.update(self._provenance(data, horizon))
        return table

    def totals(
        self,
        data: Summary,
        horizon: HorizonLike | None = None,
        start: HorizonLike | None = None,
        level: float = 0.9,
        by: str | Sequence[str] | None = None,
    ) -> "pd.DataFrame":
        """What the whole base will do and is worth; discounted value is its customer equity.

        Intervals are those of the sums over parameter draws, not sums of customers' bounds. With
        groups, customers of all groups that were not fitted share one draw of a new group's
        parameters, so totals over several such groups have wider intervals than they need.

        Parameters
        ----------
        data : RFMSummary or OpportunitySummary
            The base; rows count as many customers as their weight says.
        horizon, start, level
            As for `predict`.
        by : str or sequence of str, optional
            Columns of the summary: totals for each of their combinations.

        Returns
        -------
        DataFrame
            Columns (those of `by`), quantity, estimate, sd, lo, hi; one row each for purchases,
            revenue, value (after margin) and discounted value. All the future has only the last.

        Raises
        ------
        DataError, ParameterError, UndefinedMeanError
            As for `predict`; DataError also if a column of `by` is missing, or has gaps.

        Examples
        --------
        >>> import clvmodels as clv
        >>> rfm = clv.datasets.load_cdnow_summary()
        >>> model = CLVModel(clv.BetaGeoModel(), clv.GammaGammaModel(),
        ...                  discount=clv.DiscountRate(0.10, per="year"), margin=0.30)
        >>> value = model.fit(rfm)
        >>> value.totals(rfm, "12 months").set_index("quantity").estimate.round().tolist()
        [2095.0, 75916.0, 22775.0, 21808.0]
        """
        tails, worth = probabilities(level), self._worth(data, horizon, start)
        names = ["clv"] if horizon is None else ["purchases", "revenue", "value", "clv"]
        grouping = Grouping.of(data, by)
        totals = worth.totals(names, grouping, tails)
        totals["discounted value"] = totals.pop("clv")
        return grouping.table(totals)

    def __sklearn_clone__(self) -> Self:
        return self

    def save(self, path: str | Path) -> None:
        """Write both fits and the terms as JSON; no customer rows.

        Parameters
        ----------
        path : str or Path
            The file, replaced if there; `clvmodels.load` reads it back.

        Examples
        --------
        >>> import clvmodels as clv
        >>> from tempfile import TemporaryDirectory
        >>> rfm = clv.datasets.load_cdnow_summary()
        >>> value = CLVModel(clv.BetaGeoModel(), clv.GammaGammaModel(), discount=0).fit(rfm)
        >>> with TemporaryDirectory() as folder:
        ...     value.save(f"{folder}/value.json")
        ...     again = clv.load(f"{folder}/value.json")
        >>> bool((again.clv(rfm, "12 months") == value.clv(rfm, "12 months")).all())
        True
        """
        from clvmodels.models.storage import write_json
        from clvmodels.value.storage import dump_clv

        write_json(dump_clv(self), path)

    def __repr__(self) -> str:
        margin = (
            self.model.margin if isinstance(self.model.margin, str) else f"{self.model.margin:g}"
        )
        terms = f"CLV at {self.model.discount}, margin {margin}"
        if self.model.timing == "month_end":
            terms += ", booked at month ends"
        return f"{terms}\n{self.purchases!r}\n{self.spend!r}"

    def _repr_html_(self) -> str:
        head = repr(self).splitlines()[0]
        return headed(head) + self.purchases._repr_html_() + self.spend._repr_html_()

    def _evaluate(
        self, data: Summary, horizon: HorizonLike | None, start: HorizonLike | None
    ) -> Evaluate:
        """Discounted purchases in the window, per draw and history."""
        discount, quantities = self.model.discount, self.purchases.quantities(data)
        if self.model.timing == "continuous":
            return quantities.discounted(discount, *self.purchases.window(horizon, start))
        if horizon is None or start is not None:
            raise UnitError("timing='month_end' needs a horizon, from now on.")
        months = Horizon.parse(horizon).to(TimeUnit.MONTH)
        if abs(months - round(months)) > 1e-9 or months < 1:
            raise UnitError(f"timing='month_end' needs whole months, got {horizon}.")
        return quantities.month_end(discount, round(months))

    def _worth(
        self, data: Summary, horizon: HorizonLike | None, start: HorizonLike | None
    ) -> Worth:
        """Over all the future, purchases need not be finite in number: there, discounted ones."""
        discounted, made = self._evaluate(data, horizon, start), None
        if horizon is not None:
            window = self.purchases.window(horizon, start)
            made = self.purchases.quantities(data).expected(*window)
        evaluates = {DISCOUNTED: discounted, MADE: made or discounted}
        return Worth(self.purchases, self.spend, data, self._margin(data), evaluates)

    def _provenance(self, data: Summary, horizon: HorizonLike | None) -> dict[str, str]:
        terms = {"discount": str(self.model.discount), "margin": str(self.model.margin)}
        return {**self.purchases.provenance(data, horizon), **terms}

    def _margin(self, data: Summary) -> FloatArray:
        clock_of(data, self.purchases.model.container)
        if isinstance(self.model.margin, str):
            margin = data.column(self.model.margin)
            if (too_much := margin > 1).any():
                ids = data.customer_id[too_much].tolist()
                rule = f"{self.model.margin} is a share of revenue and must not exceed 1"
                raise DataError(rule_broken(rule, len(ids), len(data), ids, "Write 0.3 for 30 %."))
            return margin
        return np.full(len(data), self.model.margin)

    def _flags(self, data: Summary) -> AnyArray:
        x, _ = monetary(data)
        flags = np.full(len(data), "", dtype=object)
        flags[x == 0] = f"{ONE_TIME}: base mean spend"
        no_use = (x > 0) & ~self.spend.informative(data)
        flags[no_use] = "mean value not positive: base mean spend"
        return flags


def _elsewhere(model: object) -> str:
    """Where the value of customers is to be had under a model of another role."""
    if isinstance(model, RetentionModel | FittedRetention):
        return " Of contracts, base_value of the fitted model is the value of the base."
    if isinstance(model, TimeVaryingParetoNBDModel | FittedTimeVarying):
        return (
            " With time-varying covariates, the value is margin x expected_spend of the spend "
            "model x residual_transactions of this one, over a horizon that they cover."
        )
    return ""

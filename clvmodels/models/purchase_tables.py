"""Tables of what a fitted purchase model predicts, per customer and for the base."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, overload

import numpy as np

from clvmodels._typing import FloatArray
from clvmodels.inference.estimate import Estimate
from clvmodels.models import averaging
from clvmodels.models.clock import Summary
from clvmodels.models.fitted import probabilities
from clvmodels.models.quantities import Quantities
from clvmodels.models.streaming import Spread, check_size, drawn, how_many_draws, over_histories
from clvmodels.models.tables import QUANTILES, Grouping, check_quantiles, distribution_table
from clvmodels.units import HorizonLike

if TYPE_CHECKING:
    import pandas as pd

FEWER = "Select fewer customers (data.select), or leave draws=False."


class PurchaseTables:
    """The tables of `FittedPurchases`, from the functions that they rest on."""

    estimate: Estimate

    def quantities(self, data: Summary) -> Quantities:
        """What the model says of histories, from the end of observation of `data`."""
        raise NotImplementedError

    def window(self, horizon: HorizonLike | None, start: HorizonLike | None) -> tuple[float, float]:
        """Beginning and end of a window in calendar units of the fit."""
        raise NotImplementedError

    def provenance(self, data: Summary, horizon: HorizonLike | None) -> dict[str, str]:
        """Where a table of predictions comes from, for its ``attrs``."""
        raise NotImplementedError

    def predict(self, data: Summary, horizon: HorizonLike, level: float = 0.9) -> "pd.DataFrame":
        """One tidy row per customer.

        Parameters
        ----------
        data : RFMSummary or OpportunitySummary
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

        tails, quantities = probabilities(level), self.quantities(data)
        h = quantities.histories(data)
        evaluates = {"expected_purchases": quantities.expected(*self.window(horizon, None))}
        expected = quantities.spread(evaluates, self.estimate, h, tails)["expected_purchases"]
        frame = pd.DataFrame(
            {
                "customer_id": data.customer_id,
                "p_alive": quantities.mean(quantities.alive(), self.estimate, h),
                "expected_purchases": expected.mean,
                "expected_purchases_lo": expected.quantiles[0],
                "expected_purchases_hi": expected.quantiles[1],
            }
        )
        frame.attrs.update(self.provenance(data, horizon))
        return frame

    @overload
    def distribution(
        self,
        data: Summary,
        horizon: HorizonLike,
        quantiles: Sequence[float] = ...,
        draws: Literal[False] = ...,
    ) -> "pd.DataFrame": ...
    @overload
    def distribution(
        self,
        data: Summary,
        horizon: HorizonLike,
        quantiles: Sequence[float] = ...,
        *,
        draws: Literal[True],
    ) -> dict[str, FloatArray]: ...
    def distribution(
        self,
        data: Summary,
        horizon: HorizonLike,
        quantiles: Sequence[float] = QUANTILES,
        draws: bool = False,
    ) -> "pd.DataFrame | dict[str, FloatArray]":
        """How sure P(alive) and expected purchases are, customer by customer.

        Over all draws of a posterior; of a maximum, over 200 draws that show how sure it is, while
        the mean is the prediction at the maximum itself.

        Parameters
        ----------
        data : RFMSummary or OpportunitySummary
            Customers, fitted or not.
        horizon : Horizon or str
            How far ahead.
        quantiles : sequence of float
            Probabilities; 0.05 makes the column q05.
        draws : bool
            Hand over the draws themselves.

        Returns
        -------
        DataFrame
            One row per customer and quantity (p_alive, expected_purchases): customer_id, quantity,
            mean, sd, and a column per quantile. With ``draws=True`` a dict of quantity to ndarray
            of shape (draws, customers), in the order of `data`.

        Raises
        ------
        ParameterError
            If the draws asked for would take more than 2 GB, or a quantile is no probability.

        Examples
        --------
        >>> import clvmodels as clv
        >>> rfm = clv.datasets.load_cdnow_summary()
        >>> table = clv.BetaGeoModel().fit(rfm).distribution(rfm, "39 weeks")
        >>> table.columns.tolist()
        ['customer_id', 'quantity', 'mean', 'sd', 'q05', 'q50', 'q95']
        >>> table.loc[:1, "mean"].round(3).tolist()
        [0.727, 1.226]
        """
        asked, quantities = check_quantiles(quantiles), self.quantities(data)
        evaluates = {
            "p_alive": quantities.alive(),
            "expected_purchases": quantities.expected(*self.window(horizon, None)),
        }
        if not draws:
            h = quantities.histories(data)
            spreads = quantities.spread(evaluates, self.estimate, h, asked)
            table = distribution_table(data.customer_id, spreads, asked)
            table.attrs.update(self.provenance(data, horizon))
            return table
        count = how_many_draws(self.estimate)
        check_size(count, len(data), len(evaluates), "customers", FEWER)
        params = drawn(self.estimate, count, np.random.default_rng(0))
        h = quantities.histories(data)
        kept = over_histories(evaluates, params, h).kept()
        return {name: h.expand(values) for name, values in kept.items()}

    def totals(
        self,
        data: Summary,
        horizon: HorizonLike,
        by: str | Sequence[str] | None = None,
        level: float = 0.9,
    ) -> "pd.DataFrame":
        """How many customers there are, are still alive, and how much they will buy.

        Intervals are those of the sums over parameter draws, not sums of customers' bounds. With
        groups, customers of all groups that were not fitted share one draw of a new group's
        parameters, so totals over several such groups have wider intervals than they need.

        Parameters
        ----------
        data : RFMSummary or OpportunitySummary
            The base; rows count as many customers as their weight says.
        horizon : Horizon or str
            How far ahead.
        by : str or sequence of str, optional
            Columns of the summary: a total for each of their combinations.
        level : float
            Probability of the intervals, which say how sure the expected totals are.

        Returns
        -------
        DataFrame
            Columns (those of `by`), quantity, estimate, sd, lo, hi; rows customers, alive and
            purchases.

        Raises
        ------
        DataError
            If a column of `by` is missing, or has gaps.
        ParameterError
            If `level` is not between 0 and 1.

        Examples
        --------
        >>> import clvmodels as clv
        >>> rfm = clv.datasets.load_cdnow_summary()
        >>> totals = clv.BetaGeoModel().fit(rfm).totals(rfm, "39 weeks")
        >>> totals.set_index("quantity").estimate.round(1).to_dict()
        {'customers': 2357.0, 'alive': 1917.3, 'purchases': 1653.4}
        """
        tails, quantities = probabilities(level), self.quantities(data)
        evaluates = {
            "alive": quantities.alive(),
            "purchases": quantities.expected(*self.window(horizon, None)),
        }
        grouping, h = Grouping.of(data, by), quantities.histories(data)
        members = grouping.members(h.inverse, len(h))
        params = drawn(self.estimate, how_many_draws(self.estimate), np.random.default_rng(0))
        sums = over_histories(evaluates, params, h).sums(members)
        totals = {name: Spread.of(draws, tails) for name, draws in sums.items()}
        if not self.estimate.is_sample:
            for name, evaluate in evaluates.items():
                point = averaging.mean(evaluate, self.estimate.point, h)
                totals[name] = replace(totals[name], mean=members @ point)
        customers = members.sum(axis=1)
        certain = Spread(customers, np.zeros_like(customers), np.tile(customers, (2, 1)))
        return grouping.table({"customers": certain, **totals})

"""Customer lifetime value where spend goes with the purchase rate: independence put to the test."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeAlias, final

import numpy as np
from scipy.special import polygamma

from clvmodels._notebook import headed
from clvmodels._typing import AnyArray, FloatArray, Params
from clvmodels.data.histories import Histories
from clvmodels.exceptions import ParameterError, UndefinedMeanError
from clvmodels.inference.estimate import Diagnostics, Estimate, Method
from clvmodels.inference.mle import run
from clvmodels.models.averaging import columnwise_quantiles, draws_of
from clvmodels.models.clock import Summary, clock_of
from clvmodels.models.fitted import INTERVAL_DRAWS, check_summary, probabilities
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.models.linked_spend import LinkedSpend
from clvmodels.models.spend import FittedSpend, monetary
from clvmodels.units import HorizonLike
from clvmodels.value._flags import ONE_TIME

if TYPE_CHECKING:
    import pandas as pd

    from clvmodels.value.clv import CLVModel, FittedCLV

_MOST_DRAWS = 400  # of a posterior that predictions are averaged over, evenly spaced
_OF_LINK = 4000  # draws behind the interval of the elasticity, which cost nothing
_ROWS = 50_000  # whose draws are held together
_LEVEL = 0.9  # of the interval in words

_Drawn: TypeAlias = tuple[FloatArray, FloatArray, FloatArray]
"""P(alive), purchases per window and their worth per window, of histories at one draw."""


@final
@dataclass(frozen=True, eq=False, repr=False)
class FittedCorrelatedCLV:
    """Purchases and spend fitted together, and what they are worth.

    Made to check independence: predictions integrate over each customer's rate and take far longer
    than those of `FittedCLV`. Of a posterior they are means over at most 400 draws, and intervals
    of all methods come from 200. There is no `distribution` and no total by group.

    Attributes
    ----------
    model : CLVModel
        Discount rate and margin.
    apart : FittedCLV
        Both models fitted one by one, by maximum likelihood: as if they were independent.
    estimate : Estimate
        All parameters, with the multiplier e^elasticity last.
    loglik_ratio : float
        Log-likelihood of the joint fit less that of both models apart, at their maxima whatever
        the method.
    """

    model: "CLVModel"
    apart: "FittedCLV"
    estimate: Estimate
    loglik_ratio: float

    @property
    def purchases(self) -> FittedPurchases:
        """The purchase model, fitted without spend."""
        return self.apart.purchases

    @property
    def spend(self) -> FittedSpend:
        """The spend model, fitted without purchases."""
        return self.apart.spend

    @property
    def params(self) -> dict[str, float]:
        """Parameter values by name (posterior means, where there are draws)."""
        return self.estimate.means

    @property
    def diagnostics(self) -> Diagnostics:
        """How the joint fit went."""
        return self.estimate.diagnostics

    def clv(
        self,
        data: Summary,
        horizon: HorizonLike | None = None,
        start: HorizonLike | None = None,
    ) -> FloatArray:
        """Expected value of each customer's purchases in a window of the future.

        Parameters
        ----------
        data, horizon, start
            As for `FittedCLV.clv`.

        Returns
        -------
        ndarray of shape (customers,)
            Money, discounted to the end of observation.

        Raises
        ------
        DataError, ParameterError
            As for `FittedCLV.clv`.
        UndefinedMeanError
            If some customer's spend has no mean.

        Examples
        --------
        >>> import clvmodels as clv
        >>> rfm = clv.datasets.load_cdnow_summary()
        >>> model = clv.CLVModel(clv.BetaGeoModel(), clv.GammaGammaModel(), margin=0.30,
        ...                      discount=clv.DiscountRate(0.10, per="year"), correlated=True)
        >>> value = model.fit(rfm)
        >>> value.clv(rfm, "12 months")[:3].round(1).tolist()
        [10.8, 1.5, 2.2]
        """
        h, _, _, worth = self._means(data, horizon, start)
        return np.asarray(self._margin(data) * h.expand(worth[0]))

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
        data, horizon, start, level
            As for `FittedCLV.predict`.

        Returns
        -------
        DataFrame
            The columns of `FittedCLV.predict`. What customers spent tells of their rates too, so
            p_alive and expected_purchases take it into account; expected_spend is the expected
            value of the purchases in the window over their expected number.

        Raises
        ------
        DataError, ParameterError, UndefinedMeanError
            As for `clv`.
        """
        import pandas as pd

        tails, margin = probabilities(level), self._margin(data)
        h, alive, made, worth = self._means(data, horizon, start)
        ends = h.expand(self._quantiles(data, horizon, start, tails)) * margin
        per_purchase = np.divide(worth[-1], made[-1], out=np.zeros(len(h)), where=made[-1] > 0)
        frame = pd.DataFrame(
            {
                "customer_id": data.customer_id,
                "p_alive": h.expand(alive),
                "expected_purchases": h.expand(made[-1]),
                "expected_spend": h.expand(per_purchase),
                "clv": margin * h.expand(worth[0]),
                "clv_lo": ends.min(axis=0),
                "clv_hi": ends.max(axis=0),
                "flags": self._flags(data),
            }
        )
        provenance = self.purchases.provenance(data, horizon)
        frame.attrs.update(provenance, method=self.estimate.method)
        frame.attrs.update(discount=str(self.model.discount), margin=str(self.model.margin))
        return frame

    def totals(
        self,
        data: Summary,
        horizon: HorizonLike | None = None,
        start: HorizonLike | None = None,
        level: float = 0.9,
    ) -> "pd.DataFrame":
        """What the whole base will do and is worth.

        Parameters
        ----------
        data, horizon, start, level
            As for `FittedCLV.totals`.

        Returns
        -------
        DataFrame
            Columns quantity, estimate, sd, lo, hi; one row each for purchases, revenue, value
            (after margin) and discounted value. All the future has only the last.

        Raises
        ------
        DataError, ParameterError, UndefinedMeanError
            As for `clv`.
        """
        import pandas as pd

        tails, weight = probabilities(level), data.weights
        net = weight * self._margin(data)
        h, _, made, worth = self._means(data, horizon, start)
        of, of_net = (np.bincount(h.inverse, weights=w, minlength=len(h)) for w in (weight, net))

        def sums(made: FloatArray, worth: FloatArray) -> dict[str, float]:
            out = {
                "purchases": made[-1] @ of,
                "revenue": worth[-1] @ of,
                "value": worth[-1] @ of_net,
            }
            out = {} if horizon is None else out
            return {**out, "discounted value": worth[0] @ of_net}

        windows, (n, m) = self._windows(horizon, start), (h.z[:, 0], h.z[:, 1])
        params = self.estimate.sample(INTERVAL_DRAWS, np.random.default_rng(0))
        drawn = [sums(*its[1:]) for its in self._drawn(h, n, m, windows, params)]
        rows = []
        for name, estimate in sums(made, worth).items():
            values = np.array([one[name] for one in drawn])
            low, high = columnwise_quantiles(values[:, None], tails)[:, 0]
            spread = float(values.std()) if np.isfinite(values).all() else np.inf
            rows.append((name, float(estimate), spread, low, high))
        return pd.DataFrame(rows, columns=["quantity", "estimate", "sd", "lo", "hi"])

    def dependence(
        self, data: Summary, horizon: HorizonLike | None = None, level: float = 0.9
    ) -> "pd.DataFrame":
        """How far spend goes with the purchase rate, and what that changes.

        Parameters
        ----------
        data : RFMSummary
            The base whose value is compared.
        horizon : Horizon or str, optional
            Over which it is; all the future if not given.
        level : float
            Probability of the intervals.

        Returns
        -------
        DataFrame
            Columns quantity, estimate, lo, hi; rows elasticity (g: mean spend is proportional to
            the rate to the power g), correlation (of the logs of rate and mean spend across
            customers, g sqrt(psi'(r)) / sqrt(g^2 psi'(r) + psi'(q))), log-likelihood ratio (of the
            joint maximum to the models apart; 1.92 is the 95 % point where there is no effect) and
            change of clv (of the total, as a share). The last two have no interval.

        Raises
        ------
        DataError, ParameterError, UndefinedMeanError
            As for `clv`.
        """
        import pandas as pd

        tails, here = probabilities(level), self.estimate.point
        drawn = self.estimate.sample(_OF_LINK, np.random.default_rng(0))
        rows = []
        for name, of in (("elasticity", _elasticity), ("correlation", _correlation)):
            low, high = np.quantile(of(drawn), tails)
            rows.append((name, float(of(here).mean()), float(low), float(high)))
        joint, apart = (v.clv(data, horizon) @ data.weights for v in (self, self.apart))
        rows.append(("log-likelihood ratio", self.loglik_ratio, np.nan, np.nan))
        rows.append(("change of clv", float(joint / apart - 1), np.nan, np.nan))
        return pd.DataFrame(rows, columns=["quantity", "estimate", "lo", "hi"])

    @property
    def sentence(self) -> str:
        """What the elasticity says, in words."""
        drawn = _elasticity(self.estimate.sample(_OF_LINK, np.random.default_rng(0)))
        low, high = 2 ** np.quantile(drawn, probabilities(_LEVEL)) - 1
        twice = 2 ** float(_elasticity(self.estimate.point).mean()) - 1
        more = "more" if twice >= 0 else "less"
        verdict = (
            "That cannot be told from independence."
            if low <= 0 <= high
            else "Frequency and spend are not independent."
        )
        return (
            f"Customers who buy at twice the rate spend {abs(twice):.1%} {more} per purchase "
            f"({_LEVEL:.0%} interval {low:+.1%} to {high:+.1%}), and the joint fit gains "
            f"{self.loglik_ratio:.2f} log-likelihood. {verdict}"
        )

    def __sklearn_clone__(self) -> Self:
        # what never changes is its own copy
        return self

    def save(self, path: str | Path) -> None:
        """Write all fits and the terms as JSON; no customer rows.

        Parameters
        ----------
        path : str or Path
            The file, replaced if there; `clvmodels.load` reads it back.
        """
        from clvmodels.models.storage import write_json
        from clvmodels.value.storage import dump_correlated

        write_json(dump_correlated(self), path)

    def __repr__(self) -> str:
        values = ", ".join(f"{name} {value:.4g}" for name, value in self.params.items())
        lines = [
            f"CLV at {self.model.discount}, margin {self.model.margin}, frequency and spend linked",
            f"{self.purchases.model.label} with {self.spend.model.title}: {values}",
            f"{self.estimate.method} on {self.estimate.customers:,.0f} customers",
            self.sentence,
        ]
        return "\n".join([*lines, *(f"- {note}" for note in self.diagnostics.notes)])

    def _repr_html_(self) -> str:
        return headed(*repr(self).splitlines())

    # how it is computed

    @property
    def _linked(self) -> LinkedSpend:
        return LinkedSpend.of(self.purchases.model, self.spend.model)

    def _windows(
        self, horizon: HorizonLike | None, start: HorizonLike | None
    ) -> tuple[tuple[float, float, float], ...]:
        """Force of interest, beginning and end: discounted, and where there is an end as they are.

        Over all the future, purchases need not be finite in number: there, discounted ones.
        """
        begin, end = self.purchases.window(horizon, start)
        force = self.model.discount.force(self.purchases.time_unit)
        if horizon is not None:
            return (force, begin, end), (0.0, begin, end)
        if force <= 0:
            raise ParameterError(
                f"An infinite future needs a positive discount rate, got {self.model.discount}. "
                "Give a positive rate, or a horizon."
            )
        return ((force, begin, end),)

    def _histories(self, data: Summary) -> Histories:
        return self._linked.histories(check_summary(data), self.purchases.clock)[0]

    def _drawn(
        self,
        h: Histories,
        n: FloatArray,
        m: FloatArray,
        windows: tuple[tuple[float, float, float], ...],
        params: Params,
    ) -> Iterator[_Drawn]:
        linked = self._linked
        for k in range(draws_of(params)):
            theta = {name: float(values[k, 0]) for name, values in params.items()}
            yield linked.predictions(h, n, m, windows, theta)

    def _means(
        self, data: Summary, horizon: HorizonLike | None, start: HorizonLike | None
    ) -> tuple[Histories, FloatArray, FloatArray, FloatArray]:
        """Histories, and what to expect of them: means over the draws of the estimate."""
        h, windows = self._histories(data), self._windows(horizon, start)
        point = self.estimate.point
        have = draws_of(point)
        rows = np.linspace(0, have - 1, min(have, _MOST_DRAWS)).astype(np.int64)
        params = {name: values[rows] for name, values in point.items()}
        total: list[FloatArray] = []
        for drawn in self._drawn(h, h.z[:, 0], h.z[:, 1], windows, params):
            total = [a + b for a, b in zip(total, drawn, strict=True)] if total else list(drawn)
        alive, made, worth = (part / len(rows) for part in total)
        if not np.isfinite(worth).all():
            raise UndefinedMeanError(self.spend.model.no_mean(self.estimate))
        return h, alive, made, worth

    def _quantiles(
        self,
        data: Summary,
        horizon: HorizonLike | None,
        start: HorizonLike | None,
        tails: tuple[float, float],
    ) -> FloatArray:
        """Limits of the discounted worth, of shape (2, histories)."""
        h, windows = self._histories(data), self._windows(horizon, start)[:1]
        params = self.estimate.sample(INTERVAL_DRAWS, np.random.default_rng(0))
        out = np.empty((2, len(h)))
        for i in range(0, len(h), _ROWS):
            some = np.arange(i, min(i + _ROWS, len(h)))
            part = Histories(h.x[some], h.t_x[some], h.T[some], h.z[some], h.weight[some], some)
            drawn = self._drawn(part, part.z[:, 0], part.z[:, 1], windows, params)
            out[:, some] = columnwise_quantiles(np.array([worth[0] for *_, worth in drawn]), tails)
        return out

    def _margin(self, data: Summary) -> FloatArray:
        return self.apart._margin(data)

    def _flags(self, data: Summary) -> AnyArray:
        n, m = monetary(data)
        flags = np.full(len(data), "", dtype=object)
        flags[n == 0] = f"{ONE_TIME}: spend as of those with this rate"
        flags[(n > 0) & ~(m > 0)] = "mean value not positive: spend as of those with this rate"
        return flags


def fit_correlated(
    model: "CLVModel", apart: "FittedCLV", data: Summary, method: Method | None
) -> FittedCorrelatedCLV:
    """Fit purchases and spend together, from where they are apart."""
    if getattr(method, "groups", None) is not None:
        raise ParameterError("correlated=True knows no groups: leave them out.")
    linked = LinkedSpend.of(apart.purchases.model, apart.spend.model)
    start = {**apart.purchases.params, **apart.spend.params}
    problem = linked.problem(check_summary(data), clock_of(data, linked.purchases.container), start)
    maximum = run(None, problem)
    estimate = maximum if method is None else run(method, problem)
    assert maximum.loglik is not None
    gain = maximum.loglik - apart.purchases.loglik - apart.spend.loglik
    return FittedCorrelatedCLV(model, apart, estimate, gain)


def _elasticity(params: Params) -> FloatArray:
    return np.asarray(np.log(params["multiplier"]))


def _correlation(params: Params) -> FloatArray:
    """Of log rate, of variance psi'(r), and log mean spend, of variance psi'(q) at a given rate."""
    g, rate = _elasticity(params), polygamma(1, params["r"])
    return np.asarray(g * np.sqrt(rate / (g**2 * rate + polygamma(1, params["q"]))))

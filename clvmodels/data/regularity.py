"""How regular the times between purchases are: whether customers buy by the clock or by chance."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, Self, final

import numpy as np

from clvmodels._notebook import captioned, described, lines
from clvmodels._typing import FloatArray
from clvmodels.data import expression
from clvmodels.data.audit import count_rows
from clvmodels.data.conventions import Conventions, Moment, ObservationEnd
from clvmodels.data.log import open_log
from clvmodels.data.summary import RFMSummary
from clvmodels.data.transactions import summarize
from clvmodels.exceptions import DataError, ParameterError
from clvmodels.units import TimeUnit

if TYPE_CHECKING:
    import pandas as pd

LARGEST_K: Final = 20  # more regular than that is a subscription
_Z: Final = 1.6448536269514722  # two-sided 90 %
_FEWEST: Final = 10
_CLOSE: Final = 0.9, 1.1  # shapes that differ little from 1, chance
_SHAPES: Final = (1e-3, 1e6)
"""Shapes looked at: at the upper one, purchases are as good as equally spaced."""


@final
@dataclass(frozen=True)
class ShapeEstimate:
    """Erlang shape k by one method: 1 is a Poisson process, more is more regular.

    Attributes
    ----------
    k : float
        The estimate; it need not be whole.
    se : float
        Its standard error.
    lo, hi : float
        90 % interval.
    customers : int
        Customers with enough purchases to be used.
    """

    k: float
    se: float
    lo: float
    hi: float
    customers: int

    def may_be(self, k: float) -> bool:
        """Whether the interval holds a shape, to the two decimals in which it is told."""
        return round(self.lo, 2) <= k <= round(self.hi, 2)

    _repr_html_ = described


@final
@dataclass(frozen=True, repr=False)
class Regularity:
    """What a log says about the regularity of its purchases; `regularity` makes it.

    Attributes
    ----------
    wheat_morrison : ShapeEstimate
        From the last two times between purchases of each customer.
    maximum_likelihood : ShapeEstimate
        From all of them, given their sum.
    erlang : int
        The whole k of highest likelihood.
    period : str
        "day" or "hour": purchases of one customer within it were one purchase.
    """

    wheat_morrison: ShapeEstimate
    maximum_likelihood: ShapeEstimate
    erlang: int
    period: str

    @property
    def frame(self) -> "pd.DataFrame":
        """method, k, se, lo, hi and customers: one row per method."""
        import pandas as pd

        rows = {
            "Wheat-Morrison": self.wheat_morrison,
            "maximum likelihood": self.maximum_likelihood,
        }
        return pd.DataFrame([{"method": name, **vars(row)} for name, row in rows.items()])

    @property
    def in_words(self) -> str:
        """What follows for the choice of a model, as far as the interval bears it out."""
        best = self.maximum_likelihood
        told = (
            f"k = {best.k:.2f} counted by the {self.period}, 90 % interval {best.lo:.2f} to "
            f"{best.hi:.2f}"
        )
        if best.may_be(1):
            return f"Timing cannot be told from chance ({told}): k = 1 as in BetaGeoModel."
        if _CLOSE[0] <= best.k <= _CLOSE[1]:
            return (
                f"Timing is close to chance ({told}); the difference is small, though beyond "
                "error: k = 1 as in BetaGeoModel."
            )
        if best.k < 1:
            return (
                f"Purchases come in bursts, less regular than chance ({told}): no Erlang shape "
                "fits, and the models of purchases at random (k = 1) come closest."
            )
        if self.erlang > LARGEST_K:
            return (
                f"Timing is very regular, as renewals would be ({told}); the likeliest whole k is "
                f"beyond {LARGEST_K}. If these are contracts, see RetentionTable."
            )
        if best.may_be(self.erlang):
            found = f"Timing is as regular as Erlang-{self.erlang}, within error ({told})"
        else:
            low = math.floor(best.k)
            less = f"Erlang-{low}" if low > 1 else "chance (k = 1)"
            found = (
                f"Timing lies between {less} and Erlang-{low + 1} ({told}); the likeliest whole k "
                f"is {self.erlang}"
            )
        if self.erlang == 1:
            return f"{found}, as in BetaGeoModel."
        of_k = f"(k={self.erlang})"
        return f"{found}: see BetaGeoCNBDModel{of_k} and ModifiedBetaGeoCNBDModel{of_k}."

    def __repr__(self) -> str:
        return f"{self.frame.to_string(index=False)}\n{self.in_words}"

    def _repr_html_(self) -> str:
        return captioned(self.frame, "Erlang shape k, by two methods") + lines(self.in_words)


def regularity(
    transactions: Any,
    *,
    customer_id: str = "customer_id",
    date: str = "date",
    value: str | None = None,
    observation_end: Moment | None = None,
    date_format: str | None = None,
    time_zone: str | None = None,
    period: Literal["day", "hour"] = "day",
) -> Regularity:
    """Estimate how regular the times between a customer's purchases are.

    Customers are taken to differ in how often they buy and to agree in the shape of the times
    between purchases, Erlang-k. Given their sum, the shares of a customer's times are Dirichlet(k),
    whatever the rate and whether or not the customer has left since: that is what is fitted.

    Parameters
    ----------
    transactions, customer_id, date, observation_end, date_format, time_zone
        As in `rfm_summary`. Every row counts as a purchase.
    value : str, optional
        Amounts, of a log with refunds: rows with a negative one are no purchases.
    period : {"day", "hour"}
        Purchases of one customer within it are one purchase. Where many buy again within a few
        days, counting by the day hides short times and looks regular: count by the hour.

    Returns
    -------
    Regularity
        Two estimates of k with standard errors, and in words which models follow.

    Raises
    ------
    DataError
        If the log cannot be read, or fewer than ten customers bought three times.
    ParameterError
        If `period` is neither.

    References
    ----------
    Wheat and Morrison (1990), Estimating Purchase Regularity with Two Interpurchase Times, Journal
    of Marketing Research 27(1), 87-93. Reutterer, Platzer and Schröder (2021), IJRM 38(1), 194-215.

    Examples
    --------
    >>> import clvmodels as clv
    >>> found = regularity(clv.datasets.load_cdnow(sample=True))
    >>> found.erlang, found.maximum_likelihood.customers
    (1, 736)
    """
    if period not in ("day", "hour"):
        raise ParameterError(f"period={period!r} is unknown; choose one of 'day', 'hour'.")
    by = Conventions(
        time_unit=TimeUnit.parse(period),
        customer_id=customer_id,
        date=date,
        value=value,
        date_format=date_format,
        time_zone=time_zone,
        refunds="drop",
        missing_value="drop",
        litt=True,
    )
    with open_log(transactions, by) as log:
        if observation_end is None:
            end = ObservationEnd.after(count_rows(log, None)["last"], by.period)
        else:
            end = ObservationEnd.parse(observation_end, by.period, log.time_zone)
        rfm = summarize(log, end)
        gaps = log.source.fetch_arrays(expression.last_two_gaps(log.rows, by, end))
    n = len(gaps["last"])
    if n < _FEWEST:
        raise DataError(
            f"{n:,} of {len(rfm):,} customers bought three times or more; {_FEWEST} are needed to "
            "tell how regular purchases are. Give a longer log."
        )
    likelihood = _Likelihood.of(rfm)
    return Regularity(
        wheat_morrison=_wheat_morrison(gaps["earlier"] / (gaps["earlier"] + gaps["last"])),
        maximum_likelihood=likelihood.maximum(),
        erlang=likelihood.best_whole(),
        period=by.period.value,
    )


@final
@dataclass(frozen=True, eq=False)
class _Likelihood:
    """Shares of each customer's time between purchases as Dirichlet(k, ..., k).

    ln L = sum over customers of lgamma(x k) - x lgamma(k) + (k - 1) (litt - x ln t_x)
    """

    x: FloatArray
    customers: FloatArray
    logs: float
    """Sum of the logarithms of all shares."""

    @classmethod
    def of(cls, rfm: RFMSummary) -> Self:
        enough = rfm.frequency > 1
        x, t_x, litt = rfm.frequency[enough], rfm.recency[enough], np.asarray(rfm.litt)[enough]
        counts, customers = np.unique(x, return_counts=True)
        return cls(counts, customers.astype(np.float64), float((litt - x * np.log(t_x)).sum()))

    def __call__(self, k: float) -> float:
        from scipy.special import gammaln

        each = gammaln(self.x * k) - self.x * gammaln(k)
        return float(self.customers @ each + (k - 1) * self.logs)

    def slope(self, k: float) -> float:
        from scipy.special import digamma

        each = self.x * (digamma(self.x * k) - digamma(k))
        return float(self.customers @ each + self.logs)

    @cached_property
    def best(self) -> float:
        from scipy.optimize import brentq

        low, high = _SHAPES
        if self.slope(high) > 0:
            return high
        return float(np.exp(brentq(lambda ln_k: self.slope(np.exp(ln_k)), *np.log([low, high]))))

    def best_whole(self) -> int:
        # the likelihood is concave in k
        low = max(int(self.best), 1)
        return max((low, low + 1), key=self)

    def maximum(self) -> ShapeEstimate:
        from scipy.special import polygamma

        k = self.best
        each = self.x * polygamma(1, k) - self.x**2 * polygamma(1, self.x * k)
        se = 1 / np.sqrt(self.customers @ each)
        return _estimate(k, float(se), int(self.customers.sum()))


def _wheat_morrison(shares: FloatArray) -> ShapeEstimate:
    """Shares of the earlier of two times in their sum are Beta(k, k), of variance 1 / (8k + 4)."""
    squares = (shares - 0.5) ** 2
    variance = max(float(squares.mean()), 1 / (8 * _SHAPES[1] + 4))
    se = float(squares.std()) / np.sqrt(len(shares)) / (8 * variance**2)
    return _estimate((1 - 4 * variance) / (8 * variance), float(se), len(shares))


def _estimate(k: float, se: float, customers: int) -> ShapeEstimate:
    factor = float(np.exp(min(_Z * se / k, 100.0)))  # normal on the logarithm of k
    return ShapeEstimate(k=k, se=se, lo=k / factor, hi=k * factor, customers=customers)

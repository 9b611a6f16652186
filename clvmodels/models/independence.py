"""Whether busy customers spend more per purchase: what every spend model takes not to be so."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from clvmodels._notebook import captioned, described, headed
from clvmodels._typing import AnyArray, FloatArray
from clvmodels.data.opportunities import OpportunitySummary
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import DataError

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.95  # of the intervals

_NORMAL = 1.959963984540054  # standard errors either way at that level
_FEWEST = 4  # customers: the standard error of Fisher's z is 1 / sqrt(n - 3)
_ALIKE = 1e-9  # relative differences of spend from which no correlation can be computed
_MEDIUM = 0.3  # Cohen's words for correlations
_STRENGTHS = ((0.1, "very weak"), (_MEDIUM, "weak"), (0.5, "moderate"), (2.0, "strong"))
_REMEDY = " Fit spend to customers of like frequency separately."


@final
@dataclass(frozen=True, slots=True)
class Correlation:
    """A correlation with its 95 % interval."""

    value: float
    lo: float
    hi: float

    def __str__(self) -> str:
        return f"{self.value:.3f} (95 % interval {self.lo:.3f} to {self.hi:.3f})"

    _repr_html_ = described


@final
@dataclass(frozen=True, slots=True, repr=False)
class SpendIndependence:
    """How purchase frequency and the value of purchases go together.

    Attributes
    ----------
    pearson : Correlation
        Of the number of purchases and their mean value.
    spearman : Correlation
        Of their ranks, which no single large order can move.
    customers : float
        How many customers it rests on.
    """

    pearson: Correlation
    spearman: Correlation
    customers: float

    @property
    def sentence(self) -> str:
        """What the correlation of ranks says, in words."""
        if self.spearman.lo <= 0 <= self.spearman.hi:
            return "No relation of the ranks can be told from chance."
        more = "more" if self.spearman.value > 0 else "less"
        size = abs(self.spearman.value)
        strength = next(word for limit, word in _STRENGTHS if size < limit)
        return (
            f"By rank, busier customers spend {more} per purchase; the relation is {strength}."
            + (_REMEDY if size >= _MEDIUM else "")
        )

    @property
    def frame(self) -> "pd.DataFrame":
        """Columns correlation, estimate, lo, hi, customers; rows Pearson and Spearman."""
        import pandas as pd

        return pd.DataFrame(
            [
                {"correlation": name, "estimate": c.value, "lo": c.lo, "hi": c.hi}
                for name, c in (("Pearson", self.pearson), ("Spearman", self.spearman))
            ]
        ).assign(customers=self.customers)

    def __str__(self) -> str:
        return (
            "Frequency and spend are taken as independent; their correlation is "
            f"{self.pearson}, of ranks {self.spearman}. {self.sentence}"
        )

    def __repr__(self) -> str:
        return (
            f"Frequency and spend of {self.customers:,.0f} customers\n"
            f"- correlation {self.pearson}\n- of ranks {self.spearman}\n- {self.sentence}"
        )

    def _repr_html_(self) -> str:
        head, *_ = repr(self).splitlines()
        return headed(head, self.sentence) + captioned(self.frame, "With 95 % intervals")


def spend_independence(data: RFMSummary | OpportunitySummary) -> SpendIndependence:
    """Check what spend models assume: that frequency says nothing of the value of a purchase.

    Rests on the customers that a spend model is fitted to: repeat buyers of positive mean value.
    Where the correlation is far from zero, expected purchases times expected spend is too low
    (or too high, where it is negative) for the best customers.

    Parameters
    ----------
    data : RFMSummary or OpportunitySummary
        With ``monetary_value``; rows count as often as their weight says.

    Returns
    -------
    SpendIndependence
        Pearson's and Spearman's correlation with 95 % intervals, and a sentence in words.

    Raises
    ------
    DataError
        If there is no monetary value, or no correlation can be computed: fewer than four such
        customers, or all alike in frequency or in spend.

    References
    ----------
    The assumption: Fader, Hardie and Lee (2005b), RFM and CLV, Journal of Marketing Research
    42(4), 415-430. Intervals: Fisher's z; for ranks with the variance (1 + r^2 / 2) / (n - 3) of
    Bonett and Wright (2000), Sample size requirements for estimating Pearson, Kendall and Spearman
    correlations, Psychometrika 65(1), 23-28. Words: Cohen (1988), Statistical Power Analysis for
    the Behavioral Sciences, 2nd ed., who calls 0.1 small, 0.3 medium and 0.5 large.

    Examples
    --------
    >>> import clvmodels as clv
    >>> check = spend_independence(clv.datasets.load_cdnow_summary())
    >>> print(check.pearson)
    0.114 (95 % interval 0.051 to 0.176)
    >>> check.sentence
    'By rank, busier customers spend more per purchase; the relation is weak.'
    """
    from clvmodels.models.spend import monetary

    x, m = monetary(data)
    usable: AnyArray = (x > 0) & (m > 0)
    found = correlate(x[usable], m[usable], data.weights[usable])
    if found is None:
        raise DataError(
            f"No correlation of frequency and spend can be computed from "
            f"{data.customers(usable):,.0f} repeat buyers of positive mean value: it takes "
            f"{_FEWEST}, and differences in both."
        )
    return found


def correlate(x: FloatArray, m: FloatArray, weight: FloatArray) -> SpendIndependence | None:
    """Correlations of numbers of purchases and mean values; None where there are none."""
    customers = float(weight.sum())
    if customers < _FEWEST or np.ptp(x) == 0 or np.ptp(m) < _ALIKE * m.max():
        return None
    pearson = _correlation(x, m, weight)
    ranks = _correlation(_midranks(x, weight), _midranks(m, weight), weight)
    return SpendIndependence(
        pearson=_with_interval(pearson, 1 / (customers - 3)),
        spearman=_with_interval(ranks, (1 + ranks**2 / 2) / (customers - 3)),
        customers=customers,
    )


def _with_interval(r: float, variance: float) -> Correlation:
    """An interval by Fisher's z, whose variance is given."""
    z, half = np.arctanh(np.clip(r, -1 + 1e-15, 1 - 1e-15)), _NORMAL * np.sqrt(variance)
    return Correlation(r, float(np.tanh(z - half)), float(np.tanh(z + half)))


def _correlation(x: FloatArray, y: FloatArray, weight: FloatArray) -> float:
    share = weight / weight.sum()
    x, y = x - share @ x, y - share @ y
    r = share @ (x * y) / np.sqrt((share @ x**2) * (share @ y**2))
    return float(np.clip(r, -1.0, 1.0))


def _midranks(values: FloatArray, weight: FloatArray) -> FloatArray:
    _, group = np.unique(values, return_inverse=True)
    size = np.bincount(group, weights=weight)
    ranks: FloatArray = (np.cumsum(size) - size / 2)[group]
    return ranks

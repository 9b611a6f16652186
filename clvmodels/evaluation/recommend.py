"""Which models to try on some data, and why: looks at the data, fits nothing."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from clvmodels._notebook import captioned, described, headed
from clvmodels.data.conventions import Conventions, Moment
from clvmodels.data.log import open_log
from clvmodels.data.opportunities import OpportunitySummary
from clvmodels.data.regularity import LARGEST_K, Regularity, regularity
from clvmodels.data.renewals import fixed_period
from clvmodels.data.retention import RetentionTable
from clvmodels.data.summary import RFMSummary
from clvmodels.data.time_varying import TimeVaryingSummary
from clvmodels.data.transactions import rfm_summary
from clvmodels.exceptions import DataError
from clvmodels.models.independence import spend_independence
from clvmodels.units import TimeUnit

if TYPE_CHECKING:
    import pandas as pd

_FEWEST_DATES: Final = 5
_FEWEST_CUSTOMERS: Final = 30  # who share those dates
_RARE: Final = 3.0  # days between dates of purchase, from which they look like opportunities
_EVEN: Final = 0.2  # of the usual distance: quarters of 90 to 92 days, months, skipped Sundays
_NEARLY_ALL: Final = 0.9

_CONTRACT: Final = ("ShiftedBetaGeoModel()", "BetaDiscreteWeibullModel()")
_OPPORTUNITIES: Final = ("BetaGeoBetaBinomModel()",)


@final
@dataclass(frozen=True)
class Finding:
    """A question, what the data say, and what follows for the choice of a model."""

    question: str
    finding: str
    follows: str

    _repr_html_ = described


@final
@dataclass(frozen=True, repr=False)
class Recommendation:
    """Models to try on some data, with the reasons; `recommend` makes it.

    Attributes
    ----------
    setting : str
        "contractual", "opportunities" or "continuous time".
    models : tuple of str
        How to construct them, in the order to try them.
    findings : tuple of Finding
        What was looked at.
    """

    setting: str
    models: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def frame(self) -> "pd.DataFrame":
        """Columns question, finding, follows."""
        import pandas as pd

        return pd.DataFrame([vars(finding) for finding in self.findings])

    def __repr__(self) -> str:
        lines = [f"{f.question} {f.finding} {f.follows}" for f in self.findings]
        return "\n".join([self._head, *(f"- {line}" for line in lines)])

    def _repr_html_(self) -> str:
        return headed(self._head) + captioned(self.frame, "What the data say")

    @property
    def _head(self) -> str:
        return f"Setting: {self.setting}. Try, in this order: {', '.join(self.models)}."


def recommend(
    data: Any,
    *,
    customer_id: str = "customer_id",
    date: str = "date",
    value: str | None = None,
    time_unit: TimeUnit | str = "day",
    observation_end: Moment | None = None,
    date_format: str | None = None,
    time_zone: str | None = None,
) -> Recommendation:
    """Say which models suit a log or a summary, and why.

    Nothing is fitted. The answers are rules of thumb about the setting; which of the models
    foresees purchases best is for `compare_holdout` to tell.

    Parameters
    ----------
    data : log, RFMSummary, OpportunitySummary or RetentionTable
        A transaction log says most: of a summary it cannot be seen on which dates purchases fell,
        nor how regular they were.
    customer_id, date, value, time_unit, observation_end, date_format, time_zone
        Of a log: as in `rfm_summary`. Rows with a negative value, or none, are left out.

    Returns
    -------
    Recommendation
        Setting, models, and the findings behind them: is it a contract, can customers buy at any
        time, how regular are they, how many bought once, and does spend depend on frequency.

    Raises
    ------
    DataError
        If the log cannot be read.

    Examples
    --------
    >>> import clvmodels as clv
    >>> advice = clv.recommend(clv.datasets.load_cdnow(), value="value")
    >>> advice.setting, advice.models[0]
    ('continuous time', 'ModifiedBetaGeoModel()')
    """
    if isinstance(data, RetentionTable):
        said = Finding("Is it a contract?", "Yes, the table says who left.", "Model survival.")
        return Recommendation("contractual", _CONTRACT, (said,))
    if isinstance(data, OpportunitySummary):
        said = Finding(
            "Can customers buy at any time?",
            f"No, at opportunities: one every {data.every}.",
            "Count opportunities, not time.",
        )
        return Recommendation("opportunities", _OPPORTUNITIES, (said,))
    if isinstance(data, TimeVaryingSummary):
        data = data.rfm
    if isinstance(data, RFMSummary):
        return _of_purchases(data, None)
    rfm = rfm_summary(
        data, customer_id=customer_id, date=date, value=value, time_unit=time_unit,
        observation_end=observation_end, date_format=date_format, time_zone=time_zone,
        refunds="drop", missing_value="drop",
    )  # fmt: skip
    by = Conventions(
        time_unit=TimeUnit.DAY, customer_id=customer_id, date=date, date_format=date_format,
        time_zone=time_zone,
    )  # fmt: skip
    try:
        timing = regularity(
            data, customer_id=customer_id, date=date, value=value, date_format=date_format,
            observation_end=observation_end, time_zone=time_zone,
        )  # fmt: skip
    except DataError:  # too few customers with three purchases
        timing = None
    seen = len(rfm) >= _FEWEST_CUSTOMERS
    return _of_purchases(rfm, timing, seen, _distance_of_dates(data, by) if seen else None)


def _of_purchases(
    rfm: RFMSummary,
    timing: Regularity | None,
    dates_seen: bool = False,
    distance: float | None = None,
) -> Recommendation:
    period = fixed_period(rfm.frequency, rfm.recency, rfm.weights)
    contract = _contract(rfm, period)
    if period is not None:
        return Recommendation("contractual", _CONTRACT, (contract,))
    if distance is not None:
        dates = Finding(
            "Can customers buy at any time?",
            f"Nearly all dates of purchase are about {distance:.3g} days apart, or a multiple.",
            "They look like opportunities: see opportunity_summary.",
        )
        return Recommendation("opportunities", _OPPORTUNITIES, (contract, dates))
    once = rfm.customers(rfm.frequency == 0) / rfm.customers()
    k = _whole(timing)
    findings = [contract, _any_time(dates_seen), _timing(timing, k), _one_time(once)]
    if rfm.monetary_value is not None:
        findings.append(_spend(rfm))
    models = ["ModifiedBetaGeoModel()", "ParetoNBDModel()", "BetaGeoModel()"]
    if 1 < k <= LARGEST_K:
        models.insert(0, f"ModifiedBetaGeoCNBDModel(k={k})")
    return Recommendation("continuous time", tuple(models), tuple(findings))


def _contract(rfm: RFMSummary, period: float | None) -> Finding:
    question = "Is it a contract?"
    if period is None:
        return Finding(
            question,
            "No common period of purchases is seen.",
            "Unless you know of contracts, customers leave unseen.",
        )
    return Finding(
        question,
        "At least four in five of those who bought three times buy about every "
        f"{period:.3g} {rfm.time_unit}s, as if they renewed.",
        "If it is one, you know who left: make a RetentionTable of it.",
    )


def _any_time(dates_seen: bool) -> Finding:
    return Finding(
        "Can customers buy at any time?",
        "No schedule is seen in the dates of purchase."
        if dates_seen
        else "Too few customers, or no log, to see a schedule of dates.",
        "Unless you know of one, count time.",
    )


def _whole(timing: Regularity | None) -> int:
    """The shape for a model to take: 1, chance, where nothing else is borne out."""
    return 1 if timing is None or timing.maximum_likelihood.may_be(1) else timing.erlang


def _timing(timing: Regularity | None, k: int) -> Finding:
    question = "How regular are purchases?"
    if timing is None:
        return Finding(
            question,
            "Too few customers bought three times, or there is no log to see it in.",
            "Take them as random.",
        )
    return Finding(question, timing.in_words, "" if k > 1 else "Take them as random.")


def _one_time(once: float) -> Finding:
    follows = (
        "BetaGeoModel takes them all for alive; ModifiedBetaGeoModel and ParetoNBDModel do not."
        if once > 0
        else "If they were filtered out, put them back: rates are overestimated without them."
    )
    return Finding("How many bought once?", f"{once:.0%} of the customers.", follows)


def _spend(rfm: RFMSummary) -> Finding:
    question = "Do busy customers spend more per purchase?"
    try:
        found = spend_independence(rfm)
    except DataError:
        return Finding(question, "Too few repeat buyers to tell.", "Try GammaGammaModel().")
    return Finding(
        question,
        f"{found.sentence} Rank correlation of {found.customers:,.0f} repeat buyers: "
        f"{found.spearman.value:.2f}.",
        "GammaGammaModel() takes spend for independent of frequency; where its q is 1 or less, "
        "LognormalNormalModel() has a mean.",
    )


def _distance_of_dates(log: Any, by: Conventions) -> float | None:
    """Days from one date of purchase to the next, if all customers buy on the same few dates."""
    with open_log(log, by) as opened:
        day = opened.rows.moment.truncate("D")
        query = (
            opened.rows.select(day=day).distinct().order_by("day").filter(lambda t: t.day.notnull())
        )
        days = opened.source.fetch_arrays(query)["day"]
    if len(days) < _FEWEST_DATES:
        return None
    gaps = np.diff(days.astype("M8[s]")) / np.timedelta64(1, "D")
    usual = float(np.median(gaps))
    even = np.abs(gaps / usual - np.rint(gaps / usual)) <= _EVEN
    return usual if usual >= _RARE and even.mean() >= _NEARLY_ALL else None

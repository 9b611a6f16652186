"""Any regressor as a rival of the models: it learns from an earlier holdout.

A regression has no idea of what happens between customers and time: it sees features of each
customer at a date and what came of them afterwards. So that it can be judged by a holdout which it
has not seen, it learns from one that ended before.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, final

import numpy as np

from clvmodels._notebook import as_lines, described
from clvmodels._typing import AnyArray, FloatArray
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import DataError, ParameterError, UndefinedMeanError
from clvmodels.interop import NEEDS_SKLEARN
from clvmodels.models.fitted import check_level
from clvmodels.models.spend import monetary
from clvmodels.units import Horizon, HorizonLike, TimeUnit

try:
    from sklearn.base import clone, is_classifier, is_regressor
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # comes with it
except ImportError as error:
    raise ImportError(NEEDS_SKLEARN) from error

if TYPE_CHECKING:
    import pandas as pd

    from clvmodels.data.splits import CalibrationHoldoutSplit

_FEWEST: Final = 10  # buyers to learn from
_MANY: Final = 100_000  # customers from which on several threads are worth it
_DECIMALS: Final = 9  # of features: trees tell values apart that differ by rounding alone
_PRIOR: Final = 0.5  # holdouts at the mean rate that each customer is given beside their own


@final
@dataclass(frozen=True, eq=False)
class RegressionMethod:
    """A regressor of scikit-learn's kind on RFM features, as an entry of a backtest.

    It learns from an earlier split of the same log, whose holdout ends where the calibration does
    that it predicts for: what customers looked like then, and what they have bought since. By that
    time the base is older, and purchases have added up. So the features are such as travel, rates
    and shares of a customer's own T rather than counts, and times are told in holdouts:

    =====================  ===================================================================
    feature                of frequency x, recency t_x and T, with times in holdouts learnt
    =====================  ===================================================================
    log_rate               log((x + b / 2) / (T + 1/2)): the rate, after half a holdout more at
                           b, the mean of the base
    silent_share           (T - t_x) / T; 1 where x = 0
    log_silence            log(1 + T - t_x)
    log_silence_in_gaps    log(1 + (T - t_x) x / t_x): the silence by the customer's mean gap
    log_value              log(1 + m): m is the mean value, that of the base where not positive
    log_revenue            log_rate + log_value
    every numeric column   of the summary, as it is; encode others before
    =====================  ===================================================================

    Parameters
    ----------
    regressor : regressor
        Unfitted; clones of it learn purchases and revenue of each customer.
    classifier : classifier, optional
        With one, targets have two parts: it learns who buys at all, and the regressor how much
        those buy who do. Its probability (predict_proba) is also what the method says of being
        active.
    title : str, optional
        Name in tables; that of the regressor's class if not given.

    Raises
    ------
    ParameterError
        If they are no regressor and no classifier of probabilities.

    References
    ----------
    Two-part (hurdle) targets: Cragg (1971), Some Statistical Models for Limited Dependent
    Variables, Econometrica 39(5), 829-844. Learning lifetime value from an earlier period of the
    same log: Vanderveld, Pandey, Han and Parekh (2016), An Engagement-Based Customer Lifetime Value
    System for E-commerce, KDD '16, 293-302.

    Examples
    --------
    >>> import clvmodels as clv
    >>> from sklearn.linear_model import LinearRegression
    >>> log = clv.datasets.load_cdnow(sample=True)
    >>> earlier = clv.calibration_holdout_split(
    ...     log, cutoff="1997-07-01", horizon="13 weeks", time_unit="week", value="value")
    >>> fit = RegressionMethod(LinearRegression()).fit_split(earlier)
    >>> rfm = clv.rfm_summary(log, time_unit="week", value="value", observation_end="1997-09-30")
    >>> fit.predict(rfm, "26 weeks")["flags"][0]
    'regression; learnt over 13 weeks, scaled to 26 weeks in proportion'
    """

    regressor: Any
    classifier: Any = None
    title: str = ""
    kind: ClassVar[str] = "regression"

    def __post_init__(self) -> None:
        if not _is(is_regressor, self.regressor):
            raise ParameterError(f"regressor takes an unfitted regressor, got {self.regressor!r}.")
        if self.classifier is not None and not _is(is_classifier, self.classifier):
            raise ParameterError(
                f"classifier takes an unfitted classifier, got {self.classifier!r}."
            )
        if self.classifier is not None and not hasattr(self.classifier, "predict_proba"):
            raise ParameterError(
                f"{self.classifier!r} gives no probabilities (predict_proba). Put it into a "
                "CalibratedClassifierCV, or take another."
            )
        if not self.title:
            object.__setattr__(self, "title", type(self.regressor).__name__)

    def fit_split(self, split: "CalibrationHoldoutSplit") -> "FittedRegression":
        """Learn from what the customers of a calibration did in its holdout.

        Parameters
        ----------
        split : CalibrationHoldoutSplit
            Earlier than what is to be predicted. Without values, only purchases are learnt.

        Raises
        ------
        DataError
            If fewer than ten customers bought in the holdout, or they spent nothing.
        """
        bought = split.holdout_purchases > 0
        if (buyers := int(bought.sum())) < _FEWEST:
            raise DataError(
                f"Only {buyers:,} of {len(bought):,} customers bought in the earlier holdout "
                f"of {split.horizon}: a regression needs {_FEWEST} to learn from. Use a later "
                "cutoff, or a longer horizon."
            )
        spent = split.holdout_value
        if spent is not None and not spent.any():
            raise DataError(
                "All purchases of the earlier holdout are worth 0, so there is no revenue to "
                "learn. Leave value= out to predict purchases only."
            )
        features = Features.of(split)
        table = features.table(split.calibration)
        learners = bought if self.classifier is not None else np.ones_like(bought)

        def learnt(target: AnyArray) -> Any:
            return clone(self.regressor).fit(table[learners], target[learners].astype(np.float64))

        with _few_threads(len(bought)):
            return FittedRegression(
                method=self,
                features=features,
                active=None if learners.all() else clone(self.classifier).fit(table, bought),
                purchases=learnt(split.holdout_purchases),
                revenue=None if spent is None else learnt(spent),
            )

    _repr_html_ = described


def two_part_boosting(seed: int = 0) -> RegressionMethod:
    """Gradient boosting in two parts, the machine-learning baseline: who buys, and how much.

    200 trees of four leaves for each part, small enough for bases of a few hundred buyers. The
    second part has a Poisson deviance: its predictions are positive, and right in total where it
    learnt.

    Parameters
    ----------
    seed : int
        For the same trees again.

    Examples
    --------
    >>> two_part_boosting().title
    'gradient boosting, two-part'
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    size = {"max_iter": 200, "learning_rate": 0.05, "max_leaf_nodes": 4, "min_samples_leaf": 10}
    size |= {"early_stopping": False}
    return RegressionMethod(
        HistGradientBoostingRegressor(loss="poisson", random_state=seed, **size),
        HistGradientBoostingClassifier(random_state=seed, **size),
        title="gradient boosting, two-part",
    )


@final
@dataclass(frozen=True, eq=False, repr=False)
class FittedRegression:
    """A regression that has learnt from a holdout.

    Attributes
    ----------
    method : RegressionMethod
        What was learnt by.
    features : Features
        How a summary is told to the regressors, and the horizon that they learnt.
    active : classifier or None
        Who buys at all; None if targets have one part, or everybody bought.
    purchases, revenue : regressor
        How many and how much; revenue is None of a log without values.
    """

    method: RegressionMethod
    features: "Features"
    active: Any
    purchases: Any
    revenue: Any

    def predict(
        self, data: RFMSummary, horizon: HorizonLike | None, level: float = 0.9
    ) -> "pd.DataFrame":
        """One row per customer, in the columns of every value model.

        Parameters
        ----------
        data : RFMSummary
            Customers, in any time unit; with values if they were learnt.
        horizon : Horizon or str
            How far ahead. If it is not the one learnt, predictions are scaled in proportion.
        level : float
            There are no intervals: they are empty (NaN) at any level.

        Returns
        -------
        DataFrame
            customer_id; p_alive, empty (NaN): a regression knows of no dropout;
            expected_purchases; if learnt with values, expected_spend per purchase, clv (revenue,
            undiscounted), and clv_lo, clv_hi, both empty (NaN); with a classifier p_active, the
            probability of any purchase; flags. Nothing predicted is negative.

        Raises
        ------
        UndefinedMeanError
            If the horizon is None: all the future cannot be learnt from a holdout.
        DataError
            If a column is missing that was learnt from.
        """
        import pandas as pd

        check_level(level)
        if horizon is None:
            raise UndefinedMeanError(
                "A regression learns from a holdout, which says nothing of all the future. Give a "
                "horizon."
            )
        ahead = Horizon.parse(horizon)
        times = ahead.to(TimeUnit.DAY) / self.features.days
        table = self.features.table(data)
        p_active = np.ones(len(data))

        def expected(part: Any) -> FloatArray:
            amount = np.asarray(part.predict(table), dtype=np.float64)
            return times * p_active * np.maximum(amount, 0.0)

        with _few_threads(len(data)):
            if self.active is not None:
                p_active = self.active.predict_proba(table)[:, 1]
            purchases = expected(self.purchases)
            revenue = None if self.revenue is None else expected(self.revenue)
        empty = np.full(len(data), np.nan)
        columns: dict[str, AnyArray] = {
            "customer_id": data.customer_id,
            "p_alive": empty,
            "expected_purchases": purchases,
        }
        if revenue is not None:
            spend = np.divide(revenue, purchases, out=np.zeros_like(revenue), where=purchases > 0)
            columns |= {"expected_spend": spend, "clv": revenue, "clv_lo": empty, "clv_hi": empty}
        if self.method.classifier is not None:
            columns["p_active"] = 1 - (1 - p_active) ** times
        flag = f"regression; learnt over {self.features.horizon}"
        if not np.isclose(times, 1):
            flag += f", scaled to {ahead} in proportion"
        return pd.DataFrame({**columns, "flags": np.full(len(data), flag, dtype=object)})

    def __repr__(self) -> str:
        return f"FittedRegression: {self.method.title}, learnt over {self.features.horizon}"

    _repr_html_ = as_lines


@final
@dataclass(frozen=True, slots=True)
class Features:
    """How a summary is told to a regressor, in terms of the holdout that is learnt.

    Attributes
    ----------
    horizon : Horizon
        Length of the holdout.
    mean_rate : float
        Repeat purchases of a customer of the base in that length of time.
    mean_value : float or None
        Of a purchase of the base; None without values.
    further : tuple of str
        Numeric columns of the summary.
    """

    horizon: Horizon
    mean_rate: float
    mean_value: float | None
    further: tuple[str, ...]

    @classmethod
    def of(cls, split: "CalibrationHoldoutSplit") -> Self:
        """The features of a calibration and its holdout."""
        data = split.calibration
        watched = data.T.sum() * data.time_unit.days / split.horizon.to(TimeUnit.DAY)
        mean_value = None
        if split.holdout_value is not None:
            purchases, m = monetary(data)
            known = (purchases > 0) & (m > 0)
            mean_value = float(np.average(m[known], weights=purchases[known])) if known.any() else 0
        return cls(
            horizon=split.horizon,
            mean_rate=float((data.frequency.sum() + 1) / (watched + 1)),  # above 0
            mean_value=mean_value,
            further=tuple(name for name, v in data.columns.items() if v.dtype.kind in "biuf"),
        )

    @property
    def days(self) -> float:
        """Length of the holdout in days."""
        return self.horizon.to(TimeUnit.DAY)

    def table(self, data: RFMSummary) -> "pd.DataFrame":
        """One row per customer, one column per feature, all finite.

        Raises
        ------
        DataError
            If a column that was learnt from is missing, or has gaps.
        """
        import pandas as pd

        unit = data.time_unit.days / self.days
        x, t_x, T = data.frequency, data.recency * unit, data.T * unit
        silence, again = T - t_x, x > 0
        rate = (x + _PRIOR * self.mean_rate) / (T + _PRIOR)
        columns = {
            "log_rate": np.log(rate),
            "silent_share": np.where(again, silence / np.where(again, T, 1.0), 1.0),
            "log_silence": np.log1p(silence),
            "log_silence_in_gaps": np.log1p(silence * x / np.where(again, t_x, 1.0)),
        }
        if self.mean_value is not None:
            purchases, m = monetary(data)
            value = np.where((purchases > 0) & (m > 0), m, self.mean_value)
            columns["log_value"] = np.log1p(value)
            columns["log_revenue"] = columns["log_rate"] + columns["log_value"]
        told = {name: values.round(_DECIMALS) for name, values in columns.items()}
        return pd.DataFrame(told | {name: data.column(name) for name in self.further})


def _is(kind: Callable[[Any], bool], estimator: Any) -> bool:
    """What scikit-learn says of an estimator; it raises for what is none."""
    return hasattr(estimator, "__sklearn_tags__") and kind(estimator)


def _few_threads(rows: int) -> Any:
    """One thread for few rows: several wait for each other, on busy cores for most of the time."""
    return threadpool_limits(1 if rows < _MANY else None, user_api="openmp")

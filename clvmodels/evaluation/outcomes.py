"""What one method said of each customer at one cutoff, beside what the customer did."""

import warnings
from typing import NamedTuple

from clvmodels._typing import AnyArray, FloatArray, IntArray
from clvmodels.data.folds import Fold
from clvmodels.data.splits import CalibrationHoldoutSplit
from clvmodels.evaluation.entries import Entry, Fitted, fit_entry, is_own
from clvmodels.evaluation.forecasts import Forecast, forecast
from clvmodels.evaluation.leaks import require_blind
from clvmodels.evaluation.predictive import CountDistribution
from clvmodels.evaluation.predictive_money import RevenueDistribution
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.value.clv import FittedCLV
from clvmodels.value.correlated import FittedCorrelatedCLV


class Counts(NamedTuple):
    """The distribution of each customer's purchases, held against what the customer did.

    Each is of shape (customers,); see `CountDistribution`.
    """

    log_score: FloatArray
    crps: FloatArray
    pit_lo: FloatArray
    pit_hi: FloatArray
    lo: IntArray
    hi: IntArray
    claimed: FloatArray


class Money(NamedTuple):
    """The distribution of each customer's revenue, held against what the customer spent.

    Each is of shape (customers,); see `RevenueDistribution`.
    """

    value_crps: FloatArray
    value_lo: FloatArray
    value_hi: FloatArray
    value_claimed: FloatArray


class Outcome(NamedTuple):
    """A forecast, and what became of it.

    Attributes
    ----------
    forecast : Forecast
        p_active is filled in where there is a distribution.
    counts : Counts or None
        Of methods that give a distribution.
    money : Money or None
        Of those that have purchases and independent spend.
    """

    forecast: Forecast
    counts: Counts | None
    money: Money | None


def outcome(entry: Entry, fold: Fold, level: float) -> Outcome:
    """Fit an entrant to what was known at a cutoff, and let it foresee the holdout.

    One that is not of this package is fitted once more, to the same histories under other ids.

    Parameters
    ----------
    entry : Entry
    fold : Fold
    level : float
        Probability of the prediction intervals.

    Raises
    ------
    FitError
        If it knows more than the histories.
    Exception
        Whatever a method of the user's own raises.
    """
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        data, horizon = fold.split.calibration, fold.split.horizon
        fit = fit_entry(entry, data, fold.earlier)
        found = forecast(fit, data, horizon)
        if not is_own(entry):
            require_blind(entry, fold, found)
        came = held_against(fit, found, fold.split, level)
    remarks = dict.fromkeys(str(warning.message) for warning in told)
    note = " ".join(filter(None, (found.note, *remarks)))
    return came._replace(forecast=came.forecast._replace(note=note))


def held_against(
    fit: Fitted, found: Forecast, split: CalibrationHoldoutSplit, level: float
) -> Outcome:
    """A forecast and, of methods that have them, distributions held against the holdout.

    Parameters
    ----------
    fit : fitted method
        That made the forecast.
    found : Forecast
        Of the calibration's customers, for the horizon of the split.
    split : CalibrationHoldoutSplit
    level : float
        Probability of the prediction intervals.
    """
    purchases = _purchases(fit)
    if purchases is None:
        return Outcome(found, None, None)
    distribution = CountDistribution.of(purchases, split.calibration, split.horizon)
    counts = _counts(distribution, split.holdout_purchases, level)
    money = None
    if isinstance(fit, FittedCLV):
        revenue = RevenueDistribution.of(distribution, fit.spend, split.calibration)
        money = _money(revenue, split.holdout_value, level)
    return Outcome(found._replace(p_active=distribution.p_active), counts, money)


def _counts(distribution: CountDistribution, made: AnyArray, level: float) -> Counts:
    pit_lo, pit_hi = distribution.pit(made)
    lo, hi, claimed = distribution.interval(level)
    return Counts(
        distribution.log_score(made), distribution.crps(made), pit_lo, pit_hi, lo, hi, claimed
    )


def _money(distribution: RevenueDistribution, spent: AnyArray | None, level: float) -> Money | None:
    if spent is None:
        return None
    found = distribution.held_against(spent, level)
    return Money(found.crps, found.lo, found.hi, found.probability)


def _purchases(fit: Fitted) -> FittedPurchases | None:
    """The fitted purchase model of a method, if it has one."""
    if isinstance(fit, FittedCLV | FittedCorrelatedCLV):
        return fit.purchases
    return fit if isinstance(fit, FittedPurchases) else None

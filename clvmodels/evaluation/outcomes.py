"""What one method said of each customer at one cutoff, beside what the customer did."""

import warnings
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from clvmodels._typing import AnyArray, FloatArray, IntArray
from clvmodels.data.folds import Fold
from clvmodels.data.summary import RFMSummary
from clvmodels.evaluation.entries import Entry, Fitted, fit_entry
from clvmodels.evaluation.forecasts import Forecast, forecast
from clvmodels.evaluation.predictive import CountDistribution
from clvmodels.evaluation.predictive_money import RevenueDistribution
from clvmodels.exceptions import FitError
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.value.clv import FittedCLV
from clvmodels.value.correlated import FittedCorrelatedCLV

_ALIKE: Final = 1e-9  # relative: predictions of the same histories, but for rounding


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


def outcome(entry: Entry, fold: Fold, level: float, check_leaks: bool) -> Outcome:
    """Fit an entrant to what was known at a cutoff, and let it foresee the holdout.

    Parameters
    ----------
    entry : Entry
    fold : Fold
    level : float
        Probability of the prediction intervals.
    check_leaks : bool
        Fit it once more, to the same histories under other ids.

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
        if check_leaks:
            _require_blind(entry, fold, found)
        purchases = _purchases(fit)
        counts, money = None, None
        if purchases is not None:
            distribution = CountDistribution.of(purchases, data, horizon)
            counts = _held_against(distribution, fold.split.holdout_purchases, level)
            found = found._replace(p_active=distribution.p_active)
            if isinstance(fit, FittedCLV):
                revenue = RevenueDistribution.of(distribution, fit.spend, data)
                money = _money(revenue, fold.split.holdout_value, level)
    remarks = dict.fromkeys(str(warning.message) for warning in told)
    note = " ".join(filter(None, (found.note, *remarks)))
    return Outcome(found._replace(note=note), counts, money)


def _held_against(distribution: CountDistribution, made: AnyArray, level: float) -> Counts:
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


def _require_blind(entry: Entry, fold: Fold, found: Forecast) -> None:
    """Fit to the same histories under other ids: what rests on them foresees the same.

    Who looks the future up, in a log kept from elsewhere, does so by id.
    """
    others = _under_other_ids(fold)
    if _same(found, _again(entry, others)):
        return
    if not _same(found, _again(entry, fold)):
        return  # chance is at work: two fits to the same data differ as well
    raise FitError(
        "It foresees something else when customers have other ids, so it knows more of them than "
        "their histories, maybe the holdout itself. What was known at the cutoff and is the same "
        "in all rows of a customer can be kept from the log: keep=[...]."
    )


def _again(entry: Entry, fold: Fold) -> Forecast:
    data = fold.split.calibration
    return forecast(fit_entry(entry, data, fold.earlier), data, fold.split.horizon)


def _under_other_ids(fold: Fold) -> Fold:
    ids = fold.split.calibration.customer_id
    order = np.random.default_rng(0).permutation(len(ids))
    other = dict(zip(ids.tolist(), ids[order].tolist(), strict=True))

    def renamed(data: RFMSummary) -> RFMSummary:
        # refunds may have taken away since whom the earlier summary has
        names = np.array([other.get(who, who) for who in data.customer_id.tolist()], ids.dtype)
        return replace(data, customer_id=names)

    earlier = fold.earlier
    if earlier is not None:
        earlier = replace(earlier, calibration=renamed(earlier.calibration))
    return Fold(replace(fold.split, calibration=renamed(fold.split.calibration)), earlier)


def _same(one: Forecast, other: Forecast) -> bool:
    pairs = zip(one[:3], other[:3], strict=True)
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    return all(np.allclose(a, b, rtol=_ALIKE, atol=_ALIKE) for a, b in known)

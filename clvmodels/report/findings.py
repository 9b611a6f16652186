"""What a study found, in plain words."""

from typing import Final

import numpy as np

from clvmodels.models.fitted import FittedModel
from clvmodels.report import doubts
from clvmodels.report.base import FIRST
from clvmodels.report.numbers import MINUS, count, duration, money, percent
from clvmodels.report.phrases import (
    amount,
    counted,
    day,
    listed,
    margin_in_words,
    missed,
    profit_in_words,
    rate_in_words,
)
from clvmodels.report.study import Study, best, paired
from clvmodels.value.monitor import OVERDUE
from clvmodels.value.segments import LOST, ONCE, STATES

_KINDS: Final = {
    "model": "model",
    "textbook": "textbook formula",
    "baseline": "baseline",
}
_REFUNDS: Final = {
    "refunds_netted": "{} refunds were set against purchases.",
    "purchases_taken_back": "{} purchases were wholly taken back by refunds.",
    "refunds_unmatched": "The refunds of {} customers exceed what they had bought.",
    "customers_refunded": "{} customers with nothing left after refunds are not valued.",
}


def all_of(study: Study) -> dict[str, str]:
    """The findings of the summary under their headings."""
    return {
        "What the customers are worth": worth(study),
        "Who holds the value, and who has gone silent": customers(study),
        "How the methods fared": contest(study),
        "What they claim for all the future": claims(study),
        "What the interval leaves out": doubts.caution(study),
        "What became of the data": data(study),
    }


def worth(study: Study) -> str:
    """What the base is worth."""
    year = study.year.set_index("quantity")["estimate"]
    interval = f"{money(study.equity.lo)} to {money(study.equity.hi)}"
    return (
        f"The {count(study.base.customers())} customers are worth "
        f"{money(study.equity.estimate, study.currency)} from {study.as_of} on "
        f"({percent(study.level)} interval {interval}): the {profit_in_words(study)} expected of "
        f"all their future purchases, {margin_in_words(study.value.model.margin)}, discounted at "
        f"{rate_in_words(study.value.model.discount)}. Within 12 months they should make "
        f"{money(year['purchases'])} purchases and bring "
        f"{money(year['revenue'], study.currency)} of revenue. {study.name} with "
        f"{study.value.spend.model.title} says so, fitted to the whole log."
    )


def customers(study: Study) -> str:
    """Who holds the value, and whose silence tells against them."""
    frame = study.segments.frame
    once, came_back = (frame[rows] for rows in (frame["state"] == ONCE, frame["state"] != ONCE))
    told = []
    if len(came_back):
        best_class = came_back["worth"].iloc[0]
        top = came_back[came_back["worth"] == best_class].set_index("state")
        parts = [
            f"{count(top['customers'][state])} {state} ({percent(top['share_of_value'][state])})"
            for state in STATES
            if state in top.index
        ]
        told.append(
            f"Of the {count(came_back['customers'].sum())} customers who came back, the "
            f"{best_class} who would be worth most if still there, and the share of all lifetime "
            f"value that they hold: {', '.join(parts)}."
        )
    if len(once):
        told.append(
            f"The {count(once['customers'].sum())} who bought once hold "
            f"{percent(once['share_of_value'].sum())} of it: whether they left or buy seldom, one "
            "purchase cannot say."
        )
    if len(study.warnings):
        told.append(_silent(study))
    return " ".join(told)


def at_risk(study: Study) -> str:
    """Whose silence tells against them, and how much of it the head of the list stands for."""
    if study.warnings.empty:
        return (
            "Of those who came back before and may still be there, nobody has been silent for "
            f"longer than {percent(1 - OVERDUE)} of active customers with such a history would be."
        )
    lost = study.warnings["customers"] * study.warnings["value_lost_to_silence"]
    if lost.sum() <= 0:
        return _silent(study)
    if len(lost) <= FIRST:  # the list has them all
        return _silent(study)
    first = lost.head(FIRST).sum() / lost.sum()
    return f"{_silent(study)} The {FIRST} at the head of the list stand for {percent(first)} of it."


def _silent(study: Study) -> str:
    """How many have been silent for too long, and what that means for their value."""
    size, lost = study.warnings["customers"], study.warnings["value_lost_to_silence"]
    told = (
        f"{counted(size.sum(), 'customer')} who came back before and may still be there (P(alive) "
        f"of {LOST:g} and more) {'has' if size.sum() == 1 else 'have'} been silent for longer than "
        f"{percent(1 - OVERDUE)} of active customers with such a history would be."
    )
    if (size * lost).sum() <= 0:
        return f"{told} It does not lower what they are expected to be worth."
    return (
        f"{told} Their silence lowers what they are expected to be worth by "
        f"{money((size * lost).sum(), study.currency)}, against customers like them who have only "
        "just bought."
    )


def ranking(study: Study) -> str:
    """Which methods can be told from the best one."""
    found = paired(study.comparison)
    if found.empty:
        return ""
    alike = found["method"][(found["lo"] <= 0) & (found["hi"] >= 0)].tolist()
    best_one = found["against"].iloc[0]
    told = f"{best_one} has the least RMSE of revenue per customer. "
    if not alike:
        return f"{told}Every other method is worse by more than chance would do."
    rest = len(found) - len(alike)
    return (
        f"{told}As good, as far as these customers can tell: {', '.join(alike)}. "
        f"{'All others are' if rest > 1 else 'The other is' if rest else 'None is'} worse by more "
        "than chance would do."
    )


def contest(study: Study) -> str:
    """How the best model did on purchases nobody fitted, against formulas and baselines."""
    split, table = study.comparison.split, study.comparison.table
    found = {noun: name for kind, noun in _KINDS.items() if (name := best(study.comparison, kind))}
    told = [
        f"No method had seen the {duration(split.horizon)} after "
        f"{day(split.calibration.observation_end)}: what each foresaw is held against what came."
    ]
    for noun, name in found.items():
        told.append(
            f"The {noun} with the least RMSE, {name} ({amount(study, name, 'rmse')}), missed a "
            f"customer's revenue by {amount(study, name, 'mae')} on average and foresaw "
            f"{missed(study, name)}."
        )
    if study.name not in found.values():
        told.append(
            f"{study.name}, which values the base, has an RMSE of "
            f"{amount(study, study.name, 'rmse')}, missed a customer's revenue by "
            f"{amount(study, study.name, 'mae')} on average and foresaw "
            f"{missed(study, study.name)}."
        )
    told += _verdicts(study, set(found.values()))
    nearest = str(table["method"].iloc[table["value_bias"].abs().argmin()])
    told.append(
        f"All customers together, {nearest} came nearest: it foresaw {missed(study, nearest)}."
    )
    return " ".join(told)


def _verdicts(study: Study, among: set[str]) -> list[str]:
    """What of the best of each kind the chosen model can be told from, by RMSE."""
    found = study.rivals[study.rivals["method"].isin(among)]
    sides = {
        "better than": found["lo"] > 0,
        "no better than": (found["lo"] <= 0) & (found["hi"] >= 0),
        "worse than": found["hi"] < 0,
    }
    told = [
        f"{how} {' and '.join(found['method'][rows])}" for how, rows in sides.items() if rows.any()
    ]
    if not told:
        return []
    return [f"By RMSE, which weighs large errors most, {study.name} did {listed(told)}."]


def claims(study: Study) -> str:
    """What the methods said at the cutoff, and what has come of it already."""
    comparison, margin = study.comparison, study.value.model.margin
    split, lifetime = comparison.split, comparison.lifetime
    own = lifetime["total"][lifetime["method"] == study.name].iloc[0]
    told = f"At the cutoff, {study.name} put the base at {money(own, study.currency)}"
    others = lifetime[(lifetime["kind"] == "bayes") & (lifetime["method"] != study.name)]
    for name, total in others.set_index("method")["total"].dropna().items():
        told += f", {name} at {money(total)}"
    formulas = lifetime["total"][lifetime["kind"] == "textbook"].dropna()
    if len(formulas):
        told += f", the textbook formulas at {money(formulas.min())} to {money(formulas.max())}"
    if isinstance(margin, str):
        return f"{told}."
    came = margin * comparison.table["value_actual"].max()
    return (
        f"{told}. The {duration(split.horizon)} of the holdout alone brought {money(came)}, "
        f"{margin_in_words(margin)} and not discounted."
    )


def data(study: Study) -> str:
    """What was dropped from the log."""
    report = study.base.report
    split = study.comparison.split
    lost = report.rows_read - report.rows_used
    told = (
        f"Of {count(report.rows_read)} rows, {count(report.rows_used)} were used and "
        f"{count(lost) if lost else 'none'} left out{_unclaimed(study)}."
        if report.rows_read
        else "The log was given as a summary."
    )
    if report.merged:
        told += (
            f" {counted(report.merged, 'row')} {'was' if report.merged == 1 else 'were'} merged "
            f"with another purchase of the same customer on the same {report.period}."
        )
    told += "".join(
        f" {text.format(count(size))}"
        for name, text in _REFUNDS.items()
        if (size := getattr(report, name))
    )
    if split.newcomers:
        told += (
            f" {counted(split.newcomers, 'customer')} first bought in the holdout: valued, but not "
            "part of the comparison."
        )
    return told


def _unclaimed(study: Study) -> str:
    """The money of rows that were left out because they belong to no customer."""
    report = study.base.report
    if report.amounts is None or not report.amounts.null_ids:
        return ""
    share = report.amounts.share("null_ids")
    of_all = f", {percent(share, 3)} of all amounts," if np.isfinite(share) else ""
    return (
        f", {count(report.null_ids)} of them without a customer id: their "
        f"{money(report.amounts.null_ids, study.currency)}{of_all} are in nobody's value"
    )


def of_fit(fit: FittedModel) -> str:
    """How a fit went."""
    estimate, diagnostics = fit.estimate, fit.diagnostics
    went = "Converged" if diagnostics.converged else "Did NOT converge"
    draws = "" if diagnostics.sampling is None else f" {diagnostics.sampling}."
    aic = "" if estimate.is_sample else f", AIC {fit.aic:,.1f}".replace("-", MINUS)
    loglik = f"{fit.loglik:,.2f}".replace("-", MINUS)
    return " ".join(
        [
            f"{went}: {estimate.method} on {count(estimate.customers)} customers, log-likelihood "
            f"{loglik}{aic}.{draws}",
            *diagnostics.notes,
        ]
    )

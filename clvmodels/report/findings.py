"""What a study found, in plain words."""

from typing import Any, Final

import numpy as np

from clvmodels.models.fitted import FittedModel
from clvmodels.report.base import FIRST
from clvmodels.report.checks import fits_of
from clvmodels.report.numbers import count, duration, money, percent
from clvmodels.report.study import Study, best
from clvmodels.units import DiscountRate
from clvmodels.value.segments import LOST, STATES

_KINDS: Final = {
    "model": "model with the least error",
    "textbook": "best textbook formula",
    "baseline": "best baseline",
}


def all_of(study: Study) -> dict[str, str]:
    """The findings of the summary under their headings."""
    return {
        "What the customers are worth": worth(study),
        "Whom to keep, and whom to win back": customers(study),
        "How the methods fared": contest(study),
        "What they claim for all the future": claims(study),
        "What the interval leaves out": caution(study),
        "What became of the data": data(study),
    }


def worth(study: Study) -> str:
    """What the base is worth."""
    year = study.year.set_index("quantity")["estimate"]
    interval = f"{money(study.equity.lo)} to {money(study.equity.hi)}"
    return (
        f"The {count(study.base.customers())} customers are worth "
        f"{money(study.equity.estimate, study.currency)} from {study.as_of} on "
        f"({percent(study.level)} interval {interval}): the profit expected of all their future "
        f"purchases, at {margin_in_words(study.value.model.margin)}, discounted at "
        f"{rate_in_words(study.value.model.discount)}. Within 12 months they should make "
        f"{money(year['purchases'])} purchases and bring "
        f"{money(year['revenue'], study.currency)} of revenue. {study.name} with "
        f"{study.value.spend.model.title} says so, fitted to the whole log."
    )


def customers(study: Study) -> str:
    """Who holds the value, and who may be about to leave with it."""
    frame = study.segments.frame
    best_class = frame["worth"].iloc[0]
    top = frame[frame["worth"] == best_class].set_index("state")
    parts = [
        f"{count(top['customers'][state])} {state} ({percent(top['share_of_value'][state])})"
        for state in STATES
        if state in top.index
    ]
    told = [
        f"The {best_class} of customers who would be worth most if still there, and the share of "
        f"all lifetime value that they hold: {', '.join(parts)}."
    ]
    if len(study.warnings):
        told.append(
            f"Silence has cost {money(study.warnings['at_risk'].sum(), study.currency)} of the "
            f"lifetime value of {count(len(study.warnings))} customers who have bought again "
            "before and may still be there."
        )
    return " ".join(told)


def at_risk(study: Study) -> str:
    """How much of what can be won back the first customers of the list stand for."""
    lost = study.warnings["at_risk"]
    if lost.sum() <= 0:
        return "Nobody's silence has cost any of their value."
    first = lost.head(FIRST).sum() / lost.sum()
    return (
        f"Silence has cost {money(lost.sum(), study.currency)} of the lifetime value of the "
        f"{count(len(lost))} customers who bought again before and may still be there (P(alive) "
        f"of {LOST:g} and more). The {count(min(FIRST, len(lost)))} at the head of the list stand "
        f"for {percent(first)} of it."
    )


def ranking(study: Study) -> str:
    """Which methods can be told from the best one."""
    found = study.comparison.differences("rmse", "value")
    if found.empty:
        return ""
    alike = found["method"][(found["lo"] <= 0) & (found["hi"] >= 0)].tolist()
    best_one = found["against"].iloc[0]
    told = f"{best_one} erred least per customer (RMSE of revenue). "
    if not alike:
        return f"{told}Every other method is worse by more than chance would do."
    rest = len(found) - len(alike)
    return (
        f"{told}As good, as far as these customers can tell: {', '.join(alike)}. "
        f"{'All others are' if rest > 1 else 'The other is' if rest else 'None is'} worse by more "
        "than chance would do."
    )


def checks(study: Study) -> str:
    """Whether the fits went well."""
    failed = [name for name, fit in fits_of(study).items() if not fit.diagnostics.converged]
    told = f"{', '.join(failed)} did NOT converge." if failed else "All fits converged."
    loose = [name for name, fit in fits_of(study).items() if fit.diagnostics.boundary]
    if loose:
        told += f" The data do not pin down all parameters of {'; '.join(loose)}."
    return (
        f"{told} A model earns trust by what it says of purchases that it has not seen: the plots "
        "below hold what it expected against what came."
    )


def contest(study: Study) -> str:
    """How the best model did on purchases nobody fitted, against formulas and baselines."""
    split, table = study.comparison.split, study.comparison.table
    told = [
        f"No method had seen the {duration(split.horizon)} after "
        f"{_day(split.calibration.observation_end)}: what each foresaw is held against what came."
    ]
    for kind, noun in _KINDS.items():
        if name := best(study.comparison, kind):
            told.append(
                f"The {noun}, {name}, erred by {_error(study, name)} per customer and foresaw "
                f"{_missed(study, name)}."
            )
    nearest = str(table["method"].iloc[table["value_bias"].abs().argmin()])
    told.append(
        f"All customers together, {nearest} came nearest: it foresaw {_missed(study, nearest)}."
    )
    return " ".join(told)


def claims(study: Study) -> str:
    """What the methods said at the cutoff, and what has come of it already."""
    comparison, margin = study.comparison, study.value.model.margin
    split, lifetime = comparison.split, comparison.lifetime
    own = lifetime["total"][lifetime["method"] == study.name].iloc[0]
    told = f"At the cutoff, {study.name} put the base at {money(own, study.currency)}"
    formulas = lifetime["total"][lifetime["kind"] == "textbook"].dropna()
    if len(formulas):
        told += f", the textbook formulas at {money(formulas.min())} to {money(formulas.max())}"
    if isinstance(margin, str):
        return f"{told}."
    came = margin * comparison.table["value_actual"].max()
    return (
        f"{told}. The {duration(split.horizon)} of the holdout alone brought {money(came)}, at the "
        "same margin and not discounted."
    )


def caution(study: Study) -> str:
    """What the interval does not cover."""
    year = float(study.year.set_index("quantity")["estimate"]["discounted value"])
    told = [
        "The interval says how sure the model's parameters are, not whether the model is right. "
        f"The holdout tells of the latter: there, {study.name} foresaw "
        f"{_missed(study, study.name)}."
    ]
    if study.equity.estimate > 0:
        told.append(
            f"{percent(year / study.equity.estimate)} of the value falls within 12 months. The "
            "rest is a forecast of years that no holdout here has tested."
        )
    better = study.rivals["method"][study.rivals["hi"] < 0]
    if len(better):
        told.append(
            f"{', '.join(better)} erred less per customer than {study.name}, by more than chance "
            "would do: do not rely on the model before you know why."
        )
    return " ".join(told)


def data(study: Study) -> str:
    """What was dropped from the log."""
    report = study.base.report
    split = study.comparison.split
    lost = report.rows_read - report.rows_used
    told = (
        f"Of {count(report.rows_read)} rows, {count(report.rows_used)} were used and "
        f"{count(lost) if lost else 'none'} left out."
        if report.rows_read
        else "The log was given as a summary."
    )
    if report.merged:
        told += (
            f" {count(report.merged)} were merged with another purchase of the same customer on "
            f"the same {report.period}."
        )
    if split.newcomers:
        told += (
            f" {count(split.newcomers)} customers first bought in the holdout: they are valued, "
            "but were not part of the comparison."
        )
    return told


def of_fit(fit: FittedModel) -> str:
    """How a fit went."""
    estimate, diagnostics = fit.estimate, fit.diagnostics
    went = "Converged" if diagnostics.converged else "Did NOT converge"
    draws = "" if diagnostics.sampling is None else f" {diagnostics.sampling}."
    aic = "" if estimate.is_sample else f", AIC {fit.aic:,.1f}"
    return " ".join(
        [
            f"{went}: {estimate.method} on {count(estimate.customers)} customers, log-likelihood "
            f"{fit.loglik:,.2f}{aic}.{draws}",
            *diagnostics.notes,
        ]
    )


def margin_in_words(margin: float | str) -> str:
    """A margin as people write it."""
    if isinstance(margin, str):
        return f"the margin in column {margin}"
    return f"a margin of {percent(margin)}"


def rate_in_words(rate: DiscountRate) -> str:
    """A discount rate as people write it."""
    continuous = ", compounded continuously" if rate.compounding == "continuous" else ""
    return f"{percent(rate.rate, 3)} per {rate.per}{continuous}"


def _row(study: Study, name: str) -> Any:
    table = study.comparison.table
    return table[table["method"] == name].iloc[0]


def _error(study: Study, name: str) -> str:
    return f"{money(_row(study, name)['value_rmse'], study.currency)}"


def _missed(study: Study, name: str) -> str:
    bias = _row(study, name)["value_bias"]
    if not np.isfinite(bias):
        return "revenue where none came"
    if abs(bias) < 0.005:
        return "the revenue that came, within 0.5 %"
    return f"{percent(abs(bias))} {'more' if bias > 0 else 'less'} revenue than came"


def _day(moment: Any) -> str:
    return f"{moment:%Y-%m-%d}"

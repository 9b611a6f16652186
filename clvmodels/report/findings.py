"""What a study found, in plain words."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from clvmodels.evaluation.frequency import ACTUAL
from clvmodels.models.fitted import FittedModel
from clvmodels.report.base import FIRST
from clvmodels.report.checks import fits_of
from clvmodels.report.numbers import MINUS, count, duration, money, percent, signed_percent
from clvmodels.report.study import Study, best, paired
from clvmodels.units import DiscountRate
from clvmodels.value.monitor import OVERDUE
from clvmodels.value.segments import LOST, ONCE, STATES

if TYPE_CHECKING:
    import pandas as pd

_KINDS: Final = {
    "model": "model",
    "textbook": "textbook formula",
    "baseline": "baseline",
}
_BANDED: Final = {
    "frequencies": "counts of customers by repeat purchases (which it was fitted to)",
    "silence": "shares of customers silent in the holdout",
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
    first = lost.head(FIRST).sum() / lost.sum()
    return (
        f"{_silent(study)} The {count(min(FIRST, len(lost)))} at the head of the list stand for "
        f"{percent(first)} of it."
    )


def _silent(study: Study) -> str:
    """How many have been silent for too long, and what that means for their value."""
    size, lost = study.warnings["customers"], study.warnings["value_lost_to_silence"]
    told = (
        f"{count(size.sum())} customers who came back before and may still be there (P(alive) of "
        f"{LOST:g} and more) have been silent for longer than {percent(1 - OVERDUE)} of active "
        "customers with such a history would be."
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


def checks(study: Study, drawn: "Mapping[str, pd.DataFrame]") -> str:
    """Whether the fits went well, and whether the chosen model says what came.

    Parameters
    ----------
    study : Study
    drawn : mapping of str to DataFrame
        The frames of the plots, as far as there are: frequencies and silence.
    """
    failed = [name for name, fit in fits_of(study).items() if not fit.diagnostics.converged]
    told = f"{', '.join(failed)} did NOT converge." if failed else "All fits converged."
    loose = [name for name, fit in fits_of(study).items() if fit.diagnostics.boundary]
    if loose:
        told += f" The data do not pin down all parameters of {'; '.join(loose)}."
    row = _row(study, study.name)
    told += (
        " Whether a model is right is another matter: the plots below hold it against what came."
    )
    if np.isfinite(row["purchases_bias"]):
        told += (
            f" In the holdout, {study.name}, which values the base, missed the number of purchases "
            f"by {signed_percent(row['purchases_bias'])} and revenue by "
            f"{signed_percent(row['value_bias'])}."
        )
    inside = [
        f"{found} {what}"
        for name, what in _BANDED.items()
        if (found := _inside(drawn.get(name), study.name))
    ]
    if inside:
        told += (
            f" Of what its bands should hold nine times in ten, they hold {' and '.join(inside)}."
        )
    return told + _covered(study)


def _covered(study: Study) -> str:
    """What share of customers kept to their prediction intervals, where there are any."""
    told = []
    for quantity, what in (("purchases", "purchases"), ("value", "revenue")):
        league = study.comparison.judged.league(quantity).set_index("method")
        if "coverage" in league and np.isfinite(held := league["coverage"][study.name]):
            claimed = league["coverage_expected"][study.name]
            told.append(
                f"{percent(held, 3)} of customers kept to their interval of {what}, which should "
                f"hold {percent(claimed, 3)}"
            )
    return f" {'; '.join(told)}." if told else ""


def _inside(frame: "pd.DataFrame | None", name: str) -> str:
    """How many of the counts (shares) of a plot lie within the bands of a model, if it has any."""
    if frame is None:
        return ""
    own = frame[frame["method"] == name]
    seen = own["observed"] if "observed" in own else frame["customers"][frame["method"] == ACTUAL]
    if own["lo"].isna().all():
        return ""
    within = seen.between(own["lo"].to_numpy(), own["hi"].to_numpy())
    return f"{within.sum()} of {len(own)}"


def contest(study: Study) -> str:
    """How the best model did on purchases nobody fitted, against formulas and baselines."""
    split, table = study.comparison.split, study.comparison.table
    found = {noun: name for kind, noun in _KINDS.items() if (name := best(study.comparison, kind))}
    told = [
        f"No method had seen the {duration(split.horizon)} after "
        f"{_day(split.calibration.observation_end)}: what each foresaw is held against what came."
    ]
    for noun, name in found.items():
        told.append(
            f"The {noun} with the least RMSE, {name} ({_amount(study, name, 'rmse')}), missed a "
            f"customer's revenue by {_amount(study, name, 'mae')} on average and foresaw "
            f"{_missed(study, name)}."
        )
    if study.name not in found.values():
        told.append(
            f"{study.name}, which values the base, has an RMSE of "
            f"{_amount(study, study.name, 'rmse')}, missed a customer's revenue by "
            f"{_amount(study, study.name, 'mae')} on average and foresaw "
            f"{_missed(study, study.name)}."
        )
    told += _verdicts(study, set(found.values()))
    nearest = str(table["method"].iloc[table["value_bias"].abs().argmin()])
    told.append(
        f"All customers together, {nearest} came nearest: it foresaw {_missed(study, nearest)}."
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
    return [f"By RMSE, which weighs large errors most, {study.name} did {_listed(told)}."]


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


def caution(study: Study) -> str:
    """What the interval does not cover."""
    year = float(study.year.set_index("quantity")["estimate"]["discounted value"])
    told = [
        "The interval says how sure the model's parameters are, not whether the model is right. "
        f"The holdout tells of the latter: there, {study.name} foresaw "
        f"{_missed(study, study.name)}."
    ]
    as_good = study.equities[study.equities["as_good"]].dropna(subset="equity")
    if len(as_good) > 1:
        least, most = as_good["equity"].min(), as_good["equity"].max()
        span = "" if money(least) == money(most) else f" to {money(most)}"
        told.append(
            f"Nor does it cover the choice of a model: {_listed(as_good['method'])} did equally "
            "well by RMSE, as far as these customers can tell, and put the base at "
            f"{money(least, study.currency)}{span}."
        )
    told += _drift(study)
    if study.equity.estimate > 0:
        told.append(
            f"{percent(year / study.equity.estimate)} of the value falls within 12 months. The "
            "rest is a forecast of years that no holdout here has tested."
        )
    told += _outscored(study)
    better = study.rivals["method"][study.rivals["hi"] < 0]
    if len(better):
        told.append(
            f"{', '.join(better)} did better by RMSE than {study.name}, by more than chance would "
            "do: do not rely on the model before you know why."
        )
    return " ".join(told)


def _drift(study: Study) -> list[str]:
    """What the parameters of the comparison make of the base, where they make something."""
    then, now = study.earlier, study.equity
    if not np.isfinite(then.estimate):
        return []
    told = (
        f"Fitted {duration(study.comparison.split.horizon)} earlier, the same model puts the same "
        f"customers on the same day at {money(then.estimate, study.currency)} "
        f"({money(then.lo)} to {money(then.hi)})"
    )
    if then.lo <= now.hi and now.lo <= then.hi:
        return [f"{told}, which agrees."]
    return [f"{told}: parameters have moved by more than their intervals allow for."]


def _outscored(study: Study) -> list[str]:
    """Models whose distributions of purchases did better, by more than chance would do."""
    table, judged = study.comparison.table, study.comparison.judged
    own = table["method"][table["kind"] == "model"]
    scores = judged.frame[judged.frame["metric"] == "log_score"]["method"]
    if study.name not in set(scores):
        return []
    found = judged.differences("log_score", "purchases", study.name, by_cutoff=True)
    better = found["method"][(found["hi"] < 0) & found["method"].isin(own)]
    if better.empty:
        return []
    return [
        f"By log score, which judges whole distributions of purchases, {_listed(better)} did "
        f"better than {study.name}, by more than chance would do; RMSE judges their means only."
    ]


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
            f" {count(report.merged)} were merged with another purchase of the same customer on "
            f"the same {report.period}."
        )
    told += "".join(
        f" {text.format(count(size))}"
        for name, text in _REFUNDS.items()
        if (size := getattr(report, name))
    )
    if split.newcomers:
        told += (
            f" {count(split.newcomers)} customers first bought in the holdout: they are valued, "
            "but were not part of the comparison."
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


def margin_in_words(margin: float | str) -> str:
    """What share of revenue counts, as people write it."""
    if isinstance(margin, str):
        return f"at the margin in column {margin}"
    return "before any margin" if margin == 1 else f"at a margin of {percent(margin)}"


def profit_in_words(study: Study) -> str:
    """What the amounts of lifetime value are: without a margin, not profit."""
    return "revenue" if study.value.model.margin == 1 else "profit"


def rate_in_words(rate: DiscountRate) -> str:
    """A discount rate as people write it."""
    continuous = ", compounded continuously" if rate.compounding == "continuous" else ""
    return f"{percent(rate.rate, 3)} per {rate.per}{continuous}"


def _row(study: Study, name: str) -> Any:
    table = study.comparison.table
    return table[table["method"] == name].iloc[0]


def _amount(study: Study, name: str, metric: str) -> str:
    error = _row(study, name)[f"value_{metric}"]
    return money(0.0 if error < 0.005 else error, study.currency)


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _missed(study: Study, name: str) -> str:
    row = _row(study, name)
    bias = row["value_bias"]
    if row["value_actual"] == 0:
        return "revenue where none came" if row["value_predicted"] > 0 else "none, and none came"
    if abs(bias) < 0.005:
        return "the revenue that came, within 0.5 %"
    return f"{percent(abs(bias))} {'more' if bias > 0 else 'less'} revenue than came"


def _day(moment: Any) -> str:
    return f"{moment:%Y-%m-%d}"

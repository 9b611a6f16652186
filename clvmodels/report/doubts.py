"""What speaks against trusting a model and its interval, in plain words."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from clvmodels.evaluation.frequency import ACTUAL
from clvmodels.report.checks import fits_of
from clvmodels.report.numbers import duration, money, percent, signed_percent
from clvmodels.report.phrases import listed, missed, result
from clvmodels.report.study import Study, contenders, same_model
from clvmodels.value.clv import FittedCLV

if TYPE_CHECKING:
    import pandas as pd

_BANDED: Final = {
    "frequencies": "counts of customers by repeat purchases (which it was fitted to)",
    "silence": "shares of customers silent in the holdout",
}


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
    row = result(study, study.name)
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


def caution(study: Study) -> str:
    """What the interval does not cover."""
    year = float(study.year.set_index("quantity")["estimate"]["discounted value"])
    told = [
        "The interval says how sure the model's parameters are, not whether the model is right. "
        f"The holdout tells of the latter: there, {study.name} foresaw "
        f"{missed(study, study.name)}."
    ]
    as_good = study.equities[study.equities["as_good"]].dropna(subset="equity")
    if len(as_good) > 1:
        least, most = as_good["equity"].min(), as_good["equity"].max()
        span = "" if money(least) == money(most) else f" to {money(most)}"
        told.append(
            f"Nor does it cover the choice of a model: {listed(as_good['method'])} did equally "
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
    fits = study.comparison.models
    better = [
        name
        for name in study.rivals["method"][study.rivals["hi"] < 0]
        if not (isinstance(fit := fits.get(name), FittedCLV) and same_model(fit, study.value))
    ]
    if better:
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
    judged, own = study.comparison.judged, contenders(study.comparison, study.name)
    scores = judged.frame[judged.frame["metric"] == "log_score"]["method"]
    if study.name not in set(scores):
        return []
    found = judged.differences("log_score", "purchases", study.name, by_cutoff=True)
    better = found["method"][(found["hi"] < 0) & found["method"].isin(list(own))]
    if better.empty:
        return []
    return [
        f"By log score, which judges whole distributions of purchases, {listed(better)} did "
        f"better than {study.name}, by more than chance would do; RMSE judges their means only."
    ]

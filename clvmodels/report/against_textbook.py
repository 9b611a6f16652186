"""Textbook formulas beside the model: what each makes of the base, where they differ, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, final

import numpy as np

from clvmodels._typing import FloatArray
from clvmodels.evaluation.entries import fit_entry
from clvmodels.evaluation.metrics import spearman
from clvmodels.exceptions import ClvError
from clvmodels.report.framed import Column, Table, framed
from clvmodels.report.numbers import (
    count,
    duration,
    in_brackets,
    money,
    percent,
    signed_percent,
    significant,
)
from clvmodels.report.study import YEAR, Study, best
from clvmodels.report.tables import amount, cell, parameters, share
from clvmodels.units import Horizon, TimeUnit
from clvmodels.value.segments import ALIVE, LOST, STATES
from clvmodels.value.textbook_model import FittedTextbook, Formula

if TYPE_CHECKING:
    import pandas as pd

_FORMULAS: Final[Mapping[Formula, tuple[str, str]]] = {
    "value_frequency_lifespan": (
        "margin x purchase value x purchases per year x lifespan",
        "Everybody goes on at their past rate for the same lifespan, however long they have been "
        "silent. Late money counts like early money.",
    ),
    "value_frequency_churn": (
        "margin x purchase value x purchases per period / churn",
        "Everybody leaves at the same churn per period, from today on. Late money counts like "
        "early money.",
    ),
    "annual_spend_years": (
        "margin x annual spend x lifespan",
        "The first purchase counts as if it came every year, and a year is the least time that "
        "customers are known. The same lifespan for everybody, not discounted.",
    ),
    "discounted_profit": (
        "sum of yearly profit / (1 + d)^year over the lifespan",
        "Everybody goes on at their past rate for the same lifespan; profit is discounted by the "
        "year.",
    ),
    "retention": (
        "m r / (1 + d - r) per period",
        "Everybody is retained with the same probability per period, from today on; discounted.",
    ),
}
_GROUPS: Final = ("once", *(state.replace(" ", "_") for state in STATES))
_FAR: Final = 10  # customers of each list


@final
@dataclass(frozen=True, eq=False)
class AgainstTextbook:
    """What formulas and model make of the same customers.

    Attributes
    ----------
    fits : mapping of str to FittedTextbook
        Each formula of the comparison with its inputs from the whole log.
    totals : DataFrame
        method; year and lifetime, of the whole base; per_customer and ratio (to the model's) of the
        lifetime; rank_correlation with the model's, same_top (share of the model's most valuable
        tenth that is in the formula's); holdout_bias. The model comes first. NaN where a formula
        has no finite lifetime.
    groups : DataFrame
        Lifetime value by method of those who bought once, and of those who came back: alive,
        at_risk, lost by the model's P(alive).
    assumptions : DataFrame
        method, formula, assumes.
    over, under : DataFrame
        Customers whom a formula has in its most valuable tenth and furthest above their rank by the
        model, and the other way round: customer_id, frequency, silence, p_alive, formula_rank,
        model_rank, formula_value, model_value.
    formula : str
        Which formula that is: the one with the least RMSE in the holdout.
    """

    fits: Mapping[str, FittedTextbook]
    totals: "pd.DataFrame"
    groups: "pd.DataFrame"
    assumptions: "pd.DataFrame"
    over: "pd.DataFrame"
    under: "pd.DataFrame"
    formula: str

    @classmethod
    def of(cls, study: Study) -> Self | None:
        """Fit the formulas of a study to its whole log; None where it has none."""
        import pandas as pd

        formula = best(study.comparison, "textbook")
        fits = _fits(study)
        if formula is None or formula not in fits:
            return None
        lifetime = {study.name: study.predictions["lifetime_clv"].to_numpy()}
        year = {study.name: study.predictions["clv"].to_numpy()}
        for name, fit in fits.items():
            lifetime[name], year[name] = (_values(fit, study, h) for h in (None, YEAR))
        heads = pd.DataFrame({"method": list(lifetime)})
        totals = pd.DataFrame([_total(study, year[name], lifetime[name]) for name in lifetime])
        bias = study.comparison.table.set_index("method")["value_bias"]
        groups = pd.DataFrame([_by_group(study, values) for values in lifetime.values()])
        texts = [_FORMULAS[fit.model.name] for fit in fits.values()]
        assumptions = pd.DataFrame(texts, columns=["formula", "assumes"])
        assumptions.insert(0, "method", list(fits))
        over, under = _ranked_apart(study, lifetime[formula])
        return cls(
            fits=fits,
            totals=heads.join(totals).assign(holdout_bias=bias.loc[list(lifetime)].to_numpy()),
            groups=heads.join(groups),
            assumptions=assumptions,
            over=over,
            under=under,
            formula=formula,
        )

    def in_words(self, study: Study) -> tuple[str, ...]:
        """What the formulas say beside the model, where they differ most, and what came true."""
        model, formulas = self.totals.iloc[0], self.totals.iloc[1:]
        said = formulas["lifetime"].dropna()
        told = []
        if len(said):
            told.append(
                f"The formulas put the same customers at {money(said.min(), study.currency)} to "
                f"{money(said.max())} over all their future, {study.name} at "
                f"{money(model['lifetime'])}. No formula tells who has left: silence may set the "
                "churn rate, but then that counts for everybody alike. Nor does any let lifespans "
                "differ: the best customers, too, leave after the mean lifespan of all."
            )
        rows = self.groups.set_index("method").to_dict("index")
        own, other = rows[study.name], rows[self.formula]
        if np.isfinite(list(other.values())).all():
            widest = max(_GROUPS, key=lambda group: abs(own[group] - other[group]))
            told.append(
                f"The formula with the least RMSE in the holdout, {self.formula}, differs most "
                f"over {_GROUP_NAMES[widest]}: it gives them {money(other[widest])}, "
                f"{study.name} {money(own[widest])}."
            )
        errors = formulas["holdout_bias"].dropna()
        if len(errors):
            told.append(
                f"In the holdout of {duration(study.comparison.split.horizon)}, {study.name} "
                f"missed revenue by {signed_percent(model['holdout_bias'])}, the formulas by "
                f"{signed_percent(errors.min())} to {signed_percent(errors.max())}. "
                f"{self._who_erred_less(study)}"
            )
        return tuple(told)

    def _who_erred_less(self, study: Study) -> str:
        other = study.rivals[study.rivals["method"] == self.formula].iloc[0]
        if other["lo"] <= 0 <= other["hi"]:
            return f"By RMSE, {study.name} and {self.formula} cannot be told apart."
        first, second = (study.name, self.formula)
        if other["hi"] < 0:
            first, second = second, first
        return f"By RMSE, {first} did better than {second}, by more than chance would do."

    def tables(self, study: Study) -> tuple[Table, ...]:
        """The frames as tables."""
        unit = in_brackets(study.currency)
        once, alive, risk, lost = (count(n) for n in _sizes(study))
        silence = f"silent ({study.base.time_unit}s)"
        ranked = [
            Column("customer", "customer_id"),
            Column("repeat purchases", "frequency", count),
            Column(silence, "silence", cell),
            Column("P(alive)", "p_alive", share),
            Column("rank by formula", "formula_rank", count),
            Column("rank by model", "model_rank", count),
            Column(f"value by formula{unit}", "formula_value", amount),
            Column(f"value by model{unit}", "model_value", amount),
        ]
        found = (
            framed(
                self.totals, "textbook-totals",
                [
                    Column("method", "method"),
                    Column("next 12 months", "year", cell),
                    Column("all the future", "lifetime", cell),
                    Column("per customer", "per_customer", cell),
                    Column("relative to model", "ratio", percent),
                    Column("rank correlation", "rank_correlation", share),
                    Column("same top 10 %", "same_top", percent),
                    Column("holdout bias", "holdout_bias", signed_percent),
                ],
                title=f"Value of the base as of {study.as_of}{unit}",
                note=(
                    "Formulas with inputs from the whole log. Rank correlation: of customers by "
                    "lifetime value, with the model's ranks. Same top 10 %: how many of the tenth "
                    "of customers that the model values highest the formula has in its own."
                ),
            ),
            framed(
                self.groups, "textbook-groups",
                [
                    Column("method", "method"),
                    Column(f"bought once ({once})", "once", cell),
                    Column(f"came back, alive ({alive})", "alive", cell),
                    Column(f"at risk ({risk})", "at_risk", cell),
                    Column(f"lost ({lost})", "lost", cell),
                ],
                title=f"Over whom they differ: lifetime value by kind of customer{unit}",
                note=(
                    f"By the P(alive) of {study.name}: alive from {ALIVE:g} on, lost below "
                    f"{LOST:g}. In brackets, customers."
                ),
            ),
            framed(
                self.assumptions, "textbook-assumptions",
                [
                    Column("method", "method"),
                    Column("formula", "formula", words=True),
                    Column("what it takes for granted", "assumes", words=True),
                ],
                title="Why they differ",
            ),
            *_inputs(self.fits, study.level),
            framed(
                self.over, "textbook-overrates", ranked,
                title=f"Whom {self.formula} ranks far above {study.name}",
                note=(
                    f"In its most valuable tenth, and furthest down by {study.name}, as a rule "
                    "because they have been silent for longer than their past lets expect."
                ),
            ),
            framed(
                self.under, "textbook-underrates", ranked,
                title=f"Whom {self.formula} ranks far below {study.name}",
                note=f"In the most valuable tenth by {study.name}, furthest down by the formula.",
            ),
        )  # fmt: skip
        return tuple(table for table in found if table.rows)


_GROUP_NAMES: Final = {
    "once": "those who bought once",
    "alive": "those who came back and are alive",
    "at_risk": "those who came back and are at risk",
    "lost": "those who came back and are lost",
}


def _fits(study: Study) -> dict[str, FittedTextbook]:
    out = {}
    for name, fit in study.comparison.models.items():
        if isinstance(fit, FittedTextbook):
            whole = fit_entry(study.comparison.entries[name], study.base)
            assert isinstance(whole, FittedTextbook)  # as the fit before it is
            out[name] = whole
    return out


def _values(fit: FittedTextbook, study: Study, horizon: Horizon | None) -> FloatArray:
    """Value of each customer; NaN where the formula has no finite one."""
    try:
        return fit.predict(study.base, horizon, level=study.level)["clv"].to_numpy(np.float64)
    except ClvError:
        return np.full(len(study.base), np.nan)


def _total(study: Study, year: FloatArray, lifetime: FloatArray) -> dict[str, float]:
    weight = study.base.weights
    own = study.predictions["lifetime_clv"].to_numpy()
    total, reference = float(weight @ lifetime), float(weight @ own)
    out = {
        "year": float(weight @ year),
        "lifetime": total,
        "per_customer": total / study.base.customers(),
        "ratio": total / reference if reference else np.nan,
        "rank_correlation": np.nan,
        "same_top": np.nan,
    }
    if np.isfinite(total):
        out["rank_correlation"] = float(spearman(own, lifetime, weight))
        tenth = _tenth(study)
        shared = np.minimum(_within(tenth, own, weight), _within(tenth, lifetime, weight))
        out["same_top"] = float(shared.sum()) / tenth
    return out


def _tenth(study: Study) -> float:
    """Customers in a tenth of the base."""
    return max(1.0, study.base.customers() // 10)


def _within(size: float, values: FloatArray, weight: FloatArray) -> FloatArray:
    """How many customers of each row are among so many most valuable ones."""
    order = np.argsort(-values, kind="stable")
    inside = np.empty_like(weight)
    inside[order] = np.clip(size - np.cumsum(weight[order]) + weight[order], 0.0, weight[order])
    return inside


def _group_of(study: Study) -> FloatArray:
    """Which group each customer is in."""
    state = study.segments.customers["state"].to_numpy()
    came_back = 1.0 + np.argmax(np.equal.outer(np.array(STATES), state), axis=0)
    return np.where(study.base.frequency > 0, came_back, 0.0)


def _by_group(study: Study, values: FloatArray) -> dict[str, float]:
    sums = np.bincount(_group_of(study).astype(np.int64), study.base.weights * values, 4)
    return dict(zip(_GROUPS, sums.tolist(), strict=True))


def _sizes(study: Study) -> list[float]:
    return list(_by_group(study, np.ones(len(study.base))).values())


def _ranked_apart(study: Study, values: FloatArray) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    import pandas as pd

    data, own = study.base, study.predictions["lifetime_clv"].to_numpy()
    frame = pd.DataFrame(
        {
            "customer_id": data.customer_id,
            "frequency": data.frequency.astype(np.int64),
            "silence": data.T - data.recency,
            "p_alive": study.predictions["p_alive"],
            "formula_rank": _ranks(values, data.weights),
            "model_rank": _ranks(own, data.weights),
            "formula_value": values,
            "model_value": own,
        }
    )
    tenth = _tenth(study)
    lists = []
    for above, below in (("formula_rank", "model_rank"), ("model_rank", "formula_rank")):
        gap = frame[below] - frame[above]
        far = gap[(gap > 0) & (frame[above] <= tenth)].nlargest(_FAR).index
        lists.append(frame.loc[far].reset_index(drop=True))
    return lists[0], lists[1]


def _ranks(values: FloatArray, weight: FloatArray) -> FloatArray:
    """1 for the most valuable; customers of equal value share the mean of their ranks."""
    _, group = np.unique(-values, return_inverse=True)
    size = np.bincount(group, weight)
    ranks: FloatArray = (np.cumsum(size) - (size - 1) / 2)[group]
    return ranks


def _inputs(fits: Mapping[str, FittedTextbook], level: float) -> list[Table]:
    """Inputs of the formulas; those that share theirs, once."""
    sets: dict[tuple[float, ...], list[str]] = {}
    for name, fit in fits.items():
        sets.setdefault(tuple(fit.params.values()), []).append(name)
    out = []
    for k, names in enumerate(sets.values()):
        fit = fits[names[0]]
        silence = significant(fit.inactivity.to(TimeUnit.DAY))
        whose = "the formulas" if len(sets) == 1 else " and ".join(names)
        out.append(
            parameters(
                f"Inputs of {whose}, whole log",
                fit.summary(level),
                level,
                f"A customer counts as lost after {silence} days of silence: "
                f"{count(fit.customers_lost)} did. That sets the churn rate and nothing else: the "
                "formula goes on to value them like all others.",
                f"textbook-inputs-{k + 1}",
            )
        )
    return out

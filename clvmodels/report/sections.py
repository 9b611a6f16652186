"""The page in sections: what each says, its tables, and the plots that belong to it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, final

from clvmodels.report import base, checks, doubts, findings, tables
from clvmodels.report.against_textbook import AgainstTextbook
from clvmodels.report.displays import (
    AliveMatrix,
    AlivePath,
    Concentration,
    ConditionalExpectations,
    DecileCalibration,
    Display,
    FrequencyHistogram,
    League,
    ParameterIntervals,
    PITHistogram,
    Reliability,
    Shrinkage,
    SilenceCalibration,
    Tornado,
    Tracking,
    ValueDistribution,
)
from clvmodels.report.framed import Table
from clvmodels.report.study import Study, best, contenders, paired
from clvmodels.value.clv import FittedCLV

if TYPE_CHECKING:
    import pandas as pd

_PATHS: Final = 3
"""Customers whose P(alive) is drawn through time: more would cross too often."""


class Plot(NamedTuple):
    """A display to be made, and where it goes.

    Attributes
    ----------
    section : str
        Id of the section.
    name : str
        Of its frame's file, without the ending.
    make : callable
        Works the numbers out.
    """

    section: str
    name: str
    make: Callable[[], Display]


@final
@dataclass(frozen=True, eq=False)
class Section:
    """A part of the page.

    Attributes
    ----------
    id, title : str
    short : str
        Title in the list of contents.
    lead : sequence of str
        Paragraphs.
    tables : sequence of Table
    points : mapping of str to sequence of str
        Lists under their headings.
    strong : str
        First cell of the rows to stand out.
    """

    id: str
    title: str
    short: str
    lead: Sequence[str] = ()
    tables: Sequence[Table] = ()
    points: Mapping[str, Sequence[str]] = field(default_factory=dict)
    strong: str = ""

    def frames(self) -> "dict[str, pd.DataFrame]":
        """The frames behind its tables."""
        return {t.source.name: t.source.frame for t in self.tables if t.source is not None}


def sections(study: Study, settings: Table, drawn: "Mapping[str, pd.DataFrame]") -> list[Section]:
    """All parts after the summary, in their order; `drawn` are the frames of the plots."""
    comparison, currency = study.comparison, study.currency
    against = AgainstTextbook.of(study)
    of_textbook = (
        []
        if against is None
        else [
            Section(
                "textbook",
                "The textbook formulas beside the model",
                "Textbook",
                against.in_words(study),
                against.tables(study),
                strong=study.name,
            )
        ]
    )
    return [
        Section(
            "customers",
            "Who holds the value, and who has gone silent",
            "Customers",
            (findings.at_risk(study),),
            (base.segments(study), base.warnings(study)),
        ),
        Section(
            "value",
            "How the value is spread, and what moves it",
            "Value",
            (),
            (base.equities(study),),
            strong=study.name,
        ),
        *of_textbook,
        Section(
            "league",
            "League table: purchases that no method had seen",
            "League table",
            (findings.ranking(study),),
            (
                tables.league(comparison, "value", currency=currency),
                tables.differences(comparison, "value", currency=currency),
                *_against_the_chosen(study),
                tables.league(comparison, "purchases"),
                tables.differences(comparison, "purchases"),
                tables.lifetime(comparison, currency),
            ),
            points={"Methods that failed": tables.failures(comparison)},
            strong=study.name,
        ),
        Section(
            "checks",
            "Can the models be trusted?",
            "Checks",
            (doubts.checks(study, drawn),),
            (checks.convergence(study), *checks.distributions(study), *checks.influence(study)),
            points={"Draws of posteriors": checks.draws(study)},
        ),
        Section(
            "data",
            "The data",
            "Data",
            (),
            (base.facts(study), base.rows_of_the_log(study), base.advice(study)),
            points={"How the log was read": study.base.report.conventions},
        ),
        Section(
            "parameters",
            "Appendix: fitted parameters",
            "Parameters",
            tables=[
                tables.parameters(
                    title, fit.summary(study.level), study.level, findings.of_fit(fit),
                    f"parameters-{k + 1}",
                )
                for k, (title, fit) in enumerate(checks.fits_of(study).items())
            ],
        ),
        Section(
            "settings",
            "Appendix: settings, seeds and versions",
            "Settings",
            tables=(settings,),
        ),
    ]  # fmt: skip


def plots(study: Study) -> list[Plot]:
    """The plots of a report; each works its numbers out when called."""
    comparison, currency = study.comparison, study.currency
    split = comparison.split
    fits = {name: fit.purchases for name, fit in _models(study).items()}
    rivals = [name for name in (study.name, best(comparison, "textbook")) if name is not None]
    value, weight = study.predictions["lifetime_clv"], study.base.weight
    chosen_first = replace(comparison, models=_models(study))
    return [
        Plot("value", "values", lambda: ValueDistribution.of(value, currency, weight=weight)),
        Plot(
            "value",
            "concentration",
            lambda: Concentration.of({"lifetime value": value}, weight),
        ),
        Plot(
            "value",
            "tornado",
            lambda: Tornado.of(
                study.value,
                study.base,
                level=study.level,
                currency=currency,
                others=study.otherwise,
            ),
        ),
        Plot("league", "bias", lambda: League.of(comparison)),
        Plot("league", "deciles", lambda: DecileCalibration.of(comparison, rivals, currency)),
        Plot("checks", "tracking", lambda: Tracking.of(split, fits)),
        Plot("checks", "tracking-sums", lambda: Tracking.of(split, fits, cumulative=True)),
        Plot("checks", "frequencies", lambda: FrequencyHistogram.of(fits, split.calibration)),
        Plot("checks", "expectations", lambda: ConditionalExpectations.of(comparison, rivals)),
        Plot("checks", "silence", lambda: SilenceCalibration.of(chosen_first)),
        Plot("checks", "reliability", lambda: Reliability.of(comparison.judged, [study.name])),
        Plot("checks", "pit", lambda: PITHistogram.of(comparison.judged, [study.name])),
        Plot(
            "checks",
            "p-alive",
            lambda: AliveMatrix.of(study.name, study.value.purchases, study.base),
        ),
        *_shrinkages(study),
        *_posteriors(study),
    ]


def alive_paths(study: Study, transactions: Any, how: Mapping[str, Any]) -> list[Plot]:
    """P(alive) through time of the customers that head the early warnings.

    Parameters
    ----------
    study : Study
    transactions : log
        That the study rests on.
    how : mapping of str to str
        How to read it: options of `AlivePath.of`.
    """
    first = study.warnings["customer_id"].head(_PATHS).tolist()
    if not first:
        return []
    fit, level = study.value.purchases, study.level
    make = partial(AlivePath.of, fit, transactions, first, **how, level=level)
    return [Plot("customers", "alive-paths", make)]


def _against_the_chosen(study: Study) -> list[Table]:
    """How the methods differ from the model that values, where that is not the best of all."""
    found = paired(study.comparison)
    if found.empty or found["against"].iloc[0] == study.name:
        return []
    return [base.rivals(study)]


def _models(study: Study) -> dict[str, FittedCLV]:
    """Fitted models of the comparison, the chosen one first."""
    return contenders(study.comparison, study.name)


def _posteriors(study: Study) -> list[Plot]:
    """Parameters by posteriors beside the maximum likelihood of the same model, where there is."""
    fits = {
        name: fit.purchases
        for name, fit in study.comparison.models.items()
        if isinstance(fit, FittedCLV) and not fit.purchases.groups
    }
    peaks = [fit for fit in fits.values() if fit.estimate.method == "MLE"]
    pairs = [
        (name, fit, peak)
        for name, fit in fits.items()
        if fit.estimate.is_sample
        for peak in peaks
        if fit.model == peak.model and set(peak.params) - set(peak.diagnostics.boundary)
    ]
    return [
        Plot(
            "parameters",
            f"posterior-{k + 1}",
            partial(ParameterIntervals.of, {name: fit}, peak, study.level),
        )
        for k, (name, fit, peak) in enumerate(pairs)
    ]


def _shrinkages(study: Study) -> list[Plot]:
    """What pooling did to the leading traits of models with groups."""
    fits = [part for fit in _models(study).values() for part in (fit.purchases, fit.spend)]
    traits = [
        (fit, block.traits[0].name)
        for fit in fits
        if fit.groups is not None
        for block in fit.model.blocks
    ]
    return [
        Plot("parameters", f"groups-{k + 1}", partial(Shrinkage.of, fit, trait, study.level))
        for k, (fit, trait) in enumerate(traits)
    ]

"""Who can enter a comparison: models with their methods, formulas, rules, regressions, your own."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias, get_args, runtime_checkable

from clvmodels.bayes.laplace import Laplace
from clvmodels.bayes.map import MAP
from clvmodels.bayes.mcmc import MCMC
from clvmodels.data.splits import CalibrationHoldoutSplit
from clvmodels.data.summary import RFMSummary
from clvmodels.evaluation.baselines import Baseline, MeanBaseline, SameRateBaseline, ZeroBaseline
from clvmodels.exceptions import FitError, ParameterError
from clvmodels.inference.estimate import Method
from clvmodels.inference.lifetimes import Lifetimes
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.models.gamma_gamma import GammaGammaModel
from clvmodels.models.modified_beta_geo import ModifiedBetaGeoModel
from clvmodels.models.nbd import NBDModel
from clvmodels.models.pareto_nbd import ParetoNBDModel
from clvmodels.models.purchases import PurchaseModel
from clvmodels.models.spend import FittedSpend
from clvmodels.units import DiscountRate, Horizon
from clvmodels.value.clv import CLVModel
from clvmodels.value.textbook_model import Formula, TextbookModel

if TYPE_CHECKING:
    import pandas as pd


class FittedRival(Protocol):
    """A fitted method: one row per customer in the columns of `FittedCLV.predict`.

    An optional column p_active is the probability of at least one purchase within the horizon.
    """

    def predict(
        self, data: RFMSummary, horizon: Horizon | None, *, level: float
    ) -> "pd.DataFrame": ...


Fitted: TypeAlias = FittedRival | FittedPurchases


@runtime_checkable
class Rival(Protocol):
    """A method that can be fitted to a summary: a model, a formula, a baseline, your own."""

    def fit(self, data: RFMSummary) -> Fitted: ...


@runtime_checkable
class Learner(Protocol):
    """A method that learns from what customers did after an earlier day, such as a regression.

    The split lies before the cutoff of the comparison: its holdout ends there.
    """

    def fit_split(self, split: CalibrationHoldoutSplit) -> FittedRival: ...


Entry: TypeAlias = Rival | Learner | tuple[PurchaseModel | CLVModel, Method]
Kind: TypeAlias = Literal[
    "model", "bayes", "lifetimes", "textbook", "regression", "heuristic", "baseline"
]

LEAGUE_MODELS: Final = (BetaGeoModel, ModifiedBetaGeoModel, ParetoNBDModel, NBDModel)
"""The purchase models of `default_models`."""

_FORMULAS: Final[Mapping[str, Formula]] = {
    "value x frequency x lifespan": "value_frequency_lifespan",
    "value x frequency / churn": "value_frequency_churn",
    "annual spend x years": "annual_spend_years",
    "discounted yearly profit": "discounted_profit",
    "retention m r/(1+d-r)": "retention",
}


def default_models(discount: DiscountRate | float, margin: float | str = 1.0) -> dict[str, Entry]:
    """The league: four models, a posterior, lifetimes' fit, five formulas, three baselines.

    Models are fitted by maximum likelihood; the posterior is that of the BG/NBD, by `Laplace`.

    Parameters
    ----------
    discount : DiscountRate or 0
        For lifetime values; a holdout is compared undiscounted.
    margin : float or str
        Share of revenue that is profit, or the name of a column of the summary; for lifetime
        values, too.

    Returns
    -------
    dict
        What `compare_holdout` and `backtest` take: unfitted methods by name. Add your own, or
        leave some out.

    Examples
    --------
    >>> list(default_models(DiscountRate(0.10, per="year")))[:4]
    ['BG/NBD', 'MBG/NBD', 'Pareto/NBD', 'NBD']
    """
    rate = DiscountRate.parse(discount)

    def with_spend(purchases: PurchaseModel) -> CLVModel:
        return CLVModel(purchases, GammaGammaModel(), discount=rate, margin=margin)

    baselines = (SameRateBaseline(), MeanBaseline(), ZeroBaseline())
    return {
        **{model.title: with_spend(model()) for model in LEAGUE_MODELS},
        "Bayesian BG/NBD": (with_spend(BetaGeoModel()), Laplace()),
        "lifetimes BG/NBD": (with_spend(BetaGeoModel()), Lifetimes()),
        **{
            title: TextbookModel(name, discount=rate, margin=margin)
            for title, name in _FORMULAS.items()
        },
        **{baseline.title: baseline for baseline in baselines},
    }


def named(models: Mapping[str, Entry] | Iterable[Entry]) -> dict[str, Entry]:
    """Entries by name: as given, or by what each calls itself.

    Raises
    ------
    ParameterError
        If there is none, if two have the same name, if one cannot be fitted, or if one has been
        fitted already: nobody can tell what it has seen.
    """
    if isinstance(models, Mapping):
        entries = {str(name): entry for name, entry in models.items()}
    elif isinstance(models, Iterable) and not isinstance(models, str | tuple):
        given = list(models)
        names = [title_of(entry) for entry in given]
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise ParameterError(
                f"{len(twice)} of the names stand for several methods: {', '.join(twice)}. Give a "
                "mapping of names to methods."
            )
        entries = dict(zip(names, given, strict=True))
    else:
        raise ParameterError(
            "models is a list of methods, or a mapping of names to methods such as "
            f"default_models(discount); got {type(models).__name__}."
        )
    if not entries:
        raise ParameterError("There is no method to compare: models is empty.")
    for name, entry in entries.items():
        _check(name, entry)
    return entries


def _check(name: str, entry: Entry) -> None:
    if isinstance(entry, tuple) and not _is_pair(entry):
        raise ParameterError(
            f"{name!r} is no pair of a purchase model (or CLVModel) and a method, such as "
            "(BetaGeoModel(), Laplace())."
        )
    model = model_of(entry)
    parts = (model.purchases, model.spend) if isinstance(model, CLVModel) else (model,)
    if any(isinstance(part, FittedPurchases | FittedSpend) for part in parts):
        raise ParameterError(
            f"{name!r} has been fitted already, maybe to the purchases it is to be judged by. "
            "Give the model, not the fit; a method goes with it in a pair: (model, method)."
        )
    if isinstance(model, type):
        raise ParameterError(f"{name!r} is a class. Make one of it: {model.__name__}().")
    kind = getattr(model, "kind", "model")
    if kind not in get_args(Kind):
        raise ParameterError(
            f"{name!r} calls itself {kind!r}; kinds are {', '.join(get_args(Kind))}."
        )
    if not isinstance(model, Rival | Learner):
        raise ParameterError(
            f"{name!r} cannot be fitted: {type(model).__name__} has neither fit(rfm) nor "
            "fit_split(split)."
        )


def _is_pair(entry: tuple[object, ...]) -> bool:
    return len(entry) == 2 and isinstance(entry[0], PurchaseModel | CLVModel)


def title_of(entry: Entry) -> str:
    """What a method calls itself."""
    if isinstance(entry, tuple) and len(entry) == 2:
        model, method = entry
        return f"{title_of(model)}, {type(method).__name__}"
    if isinstance(entry, CLVModel):
        return title_of(purchases_of(entry) or entry)
    if isinstance(entry, PurchaseModel):
        return entry.label
    if isinstance(entry, TextbookModel):
        return next((k for k, name in _FORMULAS.items() if name == entry.name), entry.name)
    return str(getattr(entry, "title", type(entry).__name__))


def model_of(entry: Entry) -> Entry:
    """The model of a pair, or the entry itself."""
    return entry[0] if isinstance(entry, tuple) else entry


def purchases_of(entry: Entry) -> PurchaseModel | None:
    """The purchase model in an entry, if there is one."""
    model = model_of(entry)
    part = model.purchases if isinstance(model, CLVModel) else model
    return part if isinstance(part, PurchaseModel) else None


def kind_of(entry: Entry) -> Kind:
    """Which group of the league an entrant belongs to."""
    if isinstance(entry, tuple):
        method = entry[1]
        if isinstance(method, Lifetimes):
            return "lifetimes"
        return "bayes" if isinstance(method, MAP | Laplace | MCMC) else "model"
    model = entry
    if isinstance(model, TextbookModel):
        return "textbook"
    default: Kind = "baseline" if isinstance(model, Baseline) else "model"
    said: Kind = getattr(model, "kind", default)
    return said


def is_own(entry: Entry) -> bool:
    """Whether an entrant is of this package, and so known to rest on the histories alone."""
    model = model_of(entry)
    parts = (model.purchases, model.spend) if isinstance(model, CLVModel) else (model,)
    return all(type(part).__module__.startswith("clvmodels.") for part in parts)


def learns(entry: Entry) -> bool:
    """Whether an entrant learns from an earlier holdout."""
    return isinstance(entry, Learner)


def fit_entry(
    entry: Entry, data: RFMSummary, earlier: CalibrationHoldoutSplit | None = None
) -> Fitted:
    """Fit an entrant, by its own method if it came with one.

    Raises
    ------
    FitError
        If it learns from an earlier holdout, and there is none.
    """
    if isinstance(entry, tuple):
        model, method = entry
        return model.fit(data, method)
    if earlier is not None and isinstance(entry, Learner):
        return entry.fit_split(earlier)
    if isinstance(entry, Rival):
        return entry.fit(data)
    raise FitError(
        "It learns from an earlier holdout, and there is none: take backtest, which has the log, "
        "and a later cutoff if there is nothing before this one."
    )

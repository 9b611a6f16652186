"""Who takes part: models, a posterior, lifetimes' fits, formulas, rules, a regression."""

import clvmodels as clv
from benchmarks.results import release
from clvmodels.evaluation.entries import Entry
from clvmodels.models.purchases import PurchaseModel

NO_BOOSTING = "scikit-learn is not installed: no gradient boosting."
UNDISCOUNTED = clv.DiscountRate(0.0, per="year")


def methods() -> dict[str, Entry]:
    """All that need no calendar, by name; money is revenue, undiscounted."""
    models = (
        clv.GGompertzNBDModel(),
        clv.BetaGeoCNBDModel(),
        clv.ModifiedBetaGeoCNBDModel(),
    )
    theirs = (clv.ModifiedBetaGeoModel(), clv.ParetoNBDModel())
    rules = (clv.HiatusRule("26 weeks"), clv.LearntHiatusRule(), clv.TopShare(0.2))
    return {
        **clv.default_models(UNDISCOUNTED),
        **{model.title: _with_spend(model) for model in models},
        "BG/NBD, lognormal-normal": clv.CLVModel(
            clv.BetaGeoModel(), clv.LognormalNormalModel(), discount=UNDISCOUNTED
        ),
        **{f"lifetimes {model.title}": (_with_spend(model), clv.Lifetimes()) for model in theirs},
        **{rule.title: rule for rule in rules},
        **_boosting(),
    }


def seasonal_methods() -> dict[str, Entry]:
    """Those that are also told the seasons."""
    models = (clv.BetaGeoModel(), clv.ParetoNBDModel())
    return {f"{model.title}, calendar": _with_spend(model) for model in models}


def _with_spend(purchases: PurchaseModel) -> clv.CLVModel:
    return clv.CLVModel(purchases, clv.GammaGammaModel(), discount=UNDISCOUNTED)


def _boosting() -> dict[str, Entry]:
    if release("scikit-learn") is None:
        return {}
    from clvmodels.interop.regression import two_part_boosting

    method = two_part_boosting()
    return {method.title: method}

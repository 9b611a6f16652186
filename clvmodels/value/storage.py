"""Saved fits of every role, read back by one function."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from clvmodels.exceptions import DataError
from clvmodels.models.covariates import Covariates
from clvmodels.models.design import Design
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.models.fitted_retention import FittedRetention
from clvmodels.models.fitted_time_varying import FittedTimeVarying
from clvmodels.models.purchases import PurchaseModel
from clvmodels.models.registry import (
    OPPORTUNITY_MODELS,
    PURCHASE_MODELS,
    RETENTION_MODELS,
    SPEND_MODELS,
)
from clvmodels.models.spend import FittedSpend, SpendModel
from clvmodels.models.storage import (
    dump_estimate,
    dump_purchases,
    dump_spend,
    load_clock,
    load_estimate,
    load_groups,
    load_horizon,
    read_json,
)
from clvmodels.models.time_varying_pareto_nbd import load_time_varying
from clvmodels.units import DiscountRate
from clvmodels.value.clv import CLVModel, FittedCLV
from clvmodels.value.correlated import FittedCorrelatedCLV

Fitted: TypeAlias = (
    FittedPurchases
    | FittedSpend
    | FittedRetention
    | FittedTimeVarying
    | FittedCLV
    | FittedCorrelatedCLV
)


def dump_clv(fit: FittedCLV) -> dict[str, Any]:
    """Both fits and the terms as a JSON document."""
    discount = fit.model.discount
    return {
        "role": "clv",
        "discount": [discount.rate, str(discount.per), discount.compounding],
        "margin": fit.model.margin,
        "timing": fit.model.timing,
        "purchases": dump_purchases(fit.purchases),
        "spend": dump_spend(fit.spend),
    }


def dump_correlated(fit: FittedCorrelatedCLV) -> dict[str, Any]:
    """The joint fit, with both apart and the terms, as a JSON document."""
    joint = {"estimate": dump_estimate(fit.estimate), "loglik_ratio": fit.loglik_ratio}
    return {**dump_clv(fit.apart), **joint, "role": "correlated_clv"}


def load(path: str | Path) -> Fitted:
    """Read a fit written by its ``save`` method.

    On one machine the predictions are equal to the bit; another may round the last digits
    differently.

    Parameters
    ----------
    path : str or Path
        A JSON file.

    Returns
    -------
    FittedPurchases, FittedSpend, FittedRetention, FittedTimeVarying, FittedCLV, FittedCorrelatedCLV
        What was saved.

    Raises
    ------
    DataError
        If the file is no saved fit, or from a newer version of clvmodels.

    Examples
    --------
    >>> import clvmodels as clv
    >>> from tempfile import TemporaryDirectory
    >>> fit = clv.NBDModel().with_params(r=0.385, alpha=12.072, time_unit="week")
    >>> with TemporaryDirectory() as folder:
    ...     fit.save(f"{folder}/fit.json")
    ...     again = load(f"{folder}/fit.json")
    >>> again.params == fit.params
    True
    """
    document = read_json(path)
    try:
        return _ROLES[document["role"]](document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path} holds no fit that this clvmodels knows: {error!r}.") from error


def _load_purchases(document: Mapping[str, Any]) -> FittedPurchases:
    models = {**PURCHASE_MODELS, **OPPORTUNITY_MODELS}
    model: PurchaseModel = models[document["model"]](**_choices(document))
    return FittedPurchases(
        load_estimate(document["estimate"]),
        model,
        load_clock(document["clock"]),
        _load_design(document, model),
        load_groups(document),
    )


def _load_spend(document: Mapping[str, Any]) -> FittedSpend:
    model = SPEND_MODELS[document["model"]](**_choices(document))
    return FittedSpend(
        load_estimate(document["estimate"]),
        model,
        _load_design(document, model),
        load_groups(document),
    )


def _load_retention(document: Mapping[str, Any]) -> FittedRetention:
    model = RETENTION_MODELS[document["model"]](**document["choices"])
    period = load_horizon(document["period"])
    estimate = load_estimate(document["estimate"])
    return FittedRetention(estimate, model, period, load_groups(document))


def _choices(document: Mapping[str, Any]) -> dict[str, Any]:
    choices = dict(document["choices"])
    if "covariates" in choices:
        choices["covariates"] = Covariates(**choices["covariates"])
    return choices


def _load_design(document: Mapping[str, Any], model: PurchaseModel | SpendModel) -> Design | None:
    if document["design"] is None:
        return None
    return Design.from_dict(document["design"], model.covariates, model.processes)


def _load_clv(document: Mapping[str, Any]) -> FittedCLV:
    purchases, spend = _load_purchases(document["purchases"]), _load_spend(document["spend"])
    model = CLVModel(
        purchases=purchases.model,
        spend=spend.model,
        discount=DiscountRate(*document["discount"]),
        margin=document["margin"],
        timing=document["timing"],
    )
    return FittedCLV(model, purchases, spend)


def _load_correlated(document: Mapping[str, Any]) -> FittedCorrelatedCLV:
    apart = _load_clv(document)
    model = replace(apart.model, correlated=True)
    return FittedCorrelatedCLV(
        model, apart, load_estimate(document["estimate"]), document["loglik_ratio"]
    )


_ROLES: Mapping[str, Callable[[Mapping[str, Any]], Fitted]] = {
    "purchases": _load_purchases,
    "spend": _load_spend,
    "retention": _load_retention,
    "time_varying": load_time_varying,
    "clv": _load_clv,
    "correlated_clv": _load_correlated,
}

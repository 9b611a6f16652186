"""Saved fits of every role, read back by one function."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from clvmodels.exceptions import DataError
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.models.spend import FittedSpend
from clvmodels.models.storage import (
    dump_purchases,
    dump_spend,
    load_purchases,
    load_spend,
    read_json,
)
from clvmodels.units import DiscountRate
from clvmodels.value.clv import CLVModel, FittedCLV


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


def load(path: str | Path) -> FittedPurchases | FittedSpend | FittedCLV:
    """Read a fit written by its ``save`` method.

    On one machine the predictions are equal to the bit; another may round the last digits
    differently.

    Parameters
    ----------
    path : str or Path
        A JSON file.

    Returns
    -------
    FittedPurchases, FittedSpend or FittedCLV
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


def _load_clv(document: Mapping[str, Any]) -> FittedCLV:
    purchases, spend = load_purchases(document["purchases"]), load_spend(document["spend"])
    model = CLVModel(
        purchases=purchases.model,
        spend=spend.model,
        discount=DiscountRate(*document["discount"]),
        margin=document["margin"],
        timing=document["timing"],
    )
    return FittedCLV(model, purchases, spend)


_ROLES: Mapping[str, Callable[[Mapping[str, Any]], FittedPurchases | FittedSpend | FittedCLV]] = {
    "purchases": load_purchases,
    "spend": load_spend,
    "clv": _load_clv,
}

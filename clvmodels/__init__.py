"""Customer lifetime value: models, money, intervals, and the textbook formulas beside them.

Importing this package loads none of its heavy dependencies; each public name arrives when it is
first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clvmodels import textbook as textbook
    from clvmodels.data import datasets as datasets
    from clvmodels.data.simulate import simulate_log as simulate_log
    from clvmodels.data.splits import CalibrationHoldoutSplit as CalibrationHoldoutSplit
    from clvmodels.data.splits import calibration_holdout_split as calibration_holdout_split
    from clvmodels.data.sql import rfm_sql as rfm_sql
    from clvmodels.data.summary import RFMSummary as RFMSummary
    from clvmodels.data.transactions import rfm_summary as rfm_summary
    from clvmodels.evaluation.holdout import compare_holdout as compare_holdout
    from clvmodels.evaluation.holdout import default_models as default_models
    from clvmodels.inference.bootstrap import Bootstrap as Bootstrap
    from clvmodels.inference.lifetimes import Lifetimes as Lifetimes
    from clvmodels.inference.mle import MLE as MLE
    from clvmodels.models.beta_geo import BetaGeoModel as BetaGeoModel
    from clvmodels.models.gamma_gamma import GammaGammaModel as GammaGammaModel
    from clvmodels.models.modified_beta_geo import ModifiedBetaGeoModel as ModifiedBetaGeoModel
    from clvmodels.models.nbd import NBDModel as NBDModel
    from clvmodels.units import DiscountRate as DiscountRate
    from clvmodels.units import Horizon as Horizon
    from clvmodels.units import TimeUnit as TimeUnit
    from clvmodels.value.clv import CLVModel as CLVModel
    from clvmodels.value.storage import load as load
    from clvmodels.value.textbook_model import TextbookModel as TextbookModel

__version__ = "0.1.0"

_HOME = {
    "datasets": "data.datasets",
    "textbook": "textbook",
    "rfm_summary": "data.transactions",
    "rfm_sql": "data.sql",
    "RFMSummary": "data.summary",
    "calibration_holdout_split": "data.splits",
    "CalibrationHoldoutSplit": "data.splits",
    "simulate_log": "data.simulate",
    "compare_holdout": "evaluation.holdout",
    "default_models": "evaluation.holdout",
    "MLE": "inference.mle",
    "Bootstrap": "inference.bootstrap",
    "Lifetimes": "inference.lifetimes",
    "NBDModel": "models.nbd",
    "BetaGeoModel": "models.beta_geo",
    "ModifiedBetaGeoModel": "models.modified_beta_geo",
    "GammaGammaModel": "models.gamma_gamma",
    "CLVModel": "value.clv",
    "TextbookModel": "value.textbook_model",
    "load": "value.storage",
    "DiscountRate": "units",
    "Horizon": "units",
    "TimeUnit": "units",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_HOME[name]}")
    value = getattr(module, name, module)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__

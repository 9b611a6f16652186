"""Customer lifetime value: models, money, intervals, and the textbook formulas beside them.

Importing this package loads none of its heavy dependencies; each public name arrives when it is
first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from clvmodels._version import __version__ as __version__

if TYPE_CHECKING:
    from clvmodels import exceptions as exceptions
    from clvmodels import textbook as textbook
    from clvmodels.bayes.laplace import Laplace as Laplace
    from clvmodels.bayes.map import MAP as MAP
    from clvmodels.bayes.mcmc import MCMC as MCMC
    from clvmodels.bayes.priors import Flat as Flat
    from clvmodels.bayes.priors import GroupSpread as GroupSpread
    from clvmodels.bayes.priors import Prior as Prior
    from clvmodels.data import datasets as datasets
    from clvmodels.data.calendar import CalendarIndex as CalendarIndex
    from clvmodels.data.opportunities import OpportunitySummary as OpportunitySummary
    from clvmodels.data.opportunity_log import opportunity_summary as opportunity_summary
    from clvmodels.data.regularity import regularity as regularity
    from clvmodels.data.retention import RetentionTable as RetentionTable
    from clvmodels.data.simulate import simulate_log as simulate_log
    from clvmodels.data.splits import CalibrationHoldoutSplit as CalibrationHoldoutSplit
    from clvmodels.data.splits import calibration_holdout_split as calibration_holdout_split
    from clvmodels.data.sql import rfm_sql as rfm_sql
    from clvmodels.data.summary import RFMSummary as RFMSummary
    from clvmodels.data.time_varying import TimeVaryingSummary as TimeVaryingSummary
    from clvmodels.data.time_varying import time_varying_summary as time_varying_summary
    from clvmodels.data.transactions import rfm_summary as rfm_summary
    from clvmodels.evaluation.backtest import backtest as backtest
    from clvmodels.evaluation.baselines import MeanBaseline as MeanBaseline
    from clvmodels.evaluation.baselines import SameRateBaseline as SameRateBaseline
    from clvmodels.evaluation.baselines import ZeroBaseline as ZeroBaseline
    from clvmodels.evaluation.compare import compare as compare
    from clvmodels.evaluation.entries import default_models as default_models
    from clvmodels.evaluation.heuristics import HiatusRule as HiatusRule
    from clvmodels.evaluation.heuristics import LearntHiatusRule as LearntHiatusRule
    from clvmodels.evaluation.heuristics import TopShare as TopShare
    from clvmodels.evaluation.holdout import compare_holdout as compare_holdout
    from clvmodels.evaluation.influence import influential_customers as influential_customers
    from clvmodels.evaluation.loo import loo as loo
    from clvmodels.evaluation.prior_predictive import describe_priors as describe_priors
    from clvmodels.evaluation.prior_predictive import prior_predictive as prior_predictive
    from clvmodels.evaluation.recommend import recommend as recommend
    from clvmodels.evaluation.sbc import (
        simulation_based_calibration as simulation_based_calibration,
    )
    from clvmodels.evaluation.sensitivity import prior_sensitivity as prior_sensitivity
    from clvmodels.inference.bootstrap import Bootstrap as Bootstrap
    from clvmodels.inference.lifetimes import Lifetimes as Lifetimes
    from clvmodels.inference.mle import MLE as MLE
    from clvmodels.models.beta_discrete_weibull import (
        BetaDiscreteWeibullModel as BetaDiscreteWeibullModel,
    )
    from clvmodels.models.beta_geo import BetaGeoModel as BetaGeoModel
    from clvmodels.models.beta_geo_beta_binom import BetaGeoBetaBinomModel as BetaGeoBetaBinomModel
    from clvmodels.models.beta_geo_cnbd import BetaGeoCNBDModel as BetaGeoCNBDModel
    from clvmodels.models.covariates import Covariates as Covariates
    from clvmodels.models.gamma_gamma import GammaGammaModel as GammaGammaModel
    from clvmodels.models.geometric_retention import (
        GeometricRetentionModel as GeometricRetentionModel,
    )
    from clvmodels.models.ggompertz_nbd import GGompertzNBDModel as GGompertzNBDModel
    from clvmodels.models.independence import spend_independence as spend_independence
    from clvmodels.models.lognormal_normal import LognormalNormalModel as LognormalNormalModel
    from clvmodels.models.modified_beta_geo import ModifiedBetaGeoModel as ModifiedBetaGeoModel
    from clvmodels.models.modified_beta_geo_cnbd import (
        ModifiedBetaGeoCNBDModel as ModifiedBetaGeoCNBDModel,
    )
    from clvmodels.models.nbd import NBDModel as NBDModel
    from clvmodels.models.pareto_nbd import ParetoNBDModel as ParetoNBDModel
    from clvmodels.models.shifted_beta_geo import ShiftedBetaGeoModel as ShiftedBetaGeoModel
    from clvmodels.models.time_varying_pareto_nbd import (
        TimeVaryingParetoNBDModel as TimeVaryingParetoNBDModel,
    )
    from clvmodels.report import displays as displays
    from clvmodels.units import DiscountRate as DiscountRate
    from clvmodels.units import Horizon as Horizon
    from clvmodels.units import TimeUnit as TimeUnit
    from clvmodels.value.clv import CLVModel as CLVModel
    from clvmodels.value.monitor import early_warnings as early_warnings
    from clvmodels.value.segments import customer_segments as customer_segments
    from clvmodels.value.storage import load as load
    from clvmodels.value.textbook_model import TextbookModel as TextbookModel


_HOME = {
    "datasets": "data.datasets",
    "displays": "report.displays",
    "exceptions": "exceptions",
    "textbook": "textbook",
    "rfm_summary": "data.transactions",
    "rfm_sql": "data.sql",
    "RFMSummary": "data.summary",
    "calibration_holdout_split": "data.splits",
    "CalibrationHoldoutSplit": "data.splits",
    "simulate_log": "data.simulate",
    "opportunity_summary": "data.opportunity_log",
    "OpportunitySummary": "data.opportunities",
    "RetentionTable": "data.retention",
    "time_varying_summary": "data.time_varying",
    "TimeVaryingSummary": "data.time_varying",
    "CalendarIndex": "data.calendar",
    "regularity": "data.regularity",
    "describe_priors": "evaluation.prior_predictive",
    "prior_predictive": "evaluation.prior_predictive",
    "recommend": "evaluation.recommend",
    "compare": "evaluation.compare",
    "loo": "evaluation.loo",
    "prior_sensitivity": "evaluation.sensitivity",
    "simulation_based_calibration": "evaluation.sbc",
    "compare_holdout": "evaluation.holdout",
    "default_models": "evaluation.entries",
    "backtest": "evaluation.backtest",
    "MeanBaseline": "evaluation.baselines",
    "SameRateBaseline": "evaluation.baselines",
    "ZeroBaseline": "evaluation.baselines",
    "HiatusRule": "evaluation.heuristics",
    "LearntHiatusRule": "evaluation.heuristics",
    "TopShare": "evaluation.heuristics",
    "MLE": "inference.mle",
    "Bootstrap": "inference.bootstrap",
    "Lifetimes": "inference.lifetimes",
    "MAP": "bayes.map",
    "Laplace": "bayes.laplace",
    "MCMC": "bayes.mcmc",
    "Prior": "bayes.priors",
    "Flat": "bayes.priors",
    "GroupSpread": "bayes.priors",
    "NBDModel": "models.nbd",
    "BetaGeoModel": "models.beta_geo",
    "ModifiedBetaGeoModel": "models.modified_beta_geo",
    "ParetoNBDModel": "models.pareto_nbd",
    "GGompertzNBDModel": "models.ggompertz_nbd",
    "BetaGeoCNBDModel": "models.beta_geo_cnbd",
    "ModifiedBetaGeoCNBDModel": "models.modified_beta_geo_cnbd",
    "BetaGeoBetaBinomModel": "models.beta_geo_beta_binom",
    "TimeVaryingParetoNBDModel": "models.time_varying_pareto_nbd",
    "Covariates": "models.covariates",
    "GammaGammaModel": "models.gamma_gamma",
    "LognormalNormalModel": "models.lognormal_normal",
    "spend_independence": "models.independence",
    "GeometricRetentionModel": "models.geometric_retention",
    "ShiftedBetaGeoModel": "models.shifted_beta_geo",
    "BetaDiscreteWeibullModel": "models.beta_discrete_weibull",
    "CLVModel": "value.clv",
    "customer_segments": "value.segments",
    "early_warnings": "value.monitor",
    "influential_customers": "evaluation.influence",
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

"""All displays: numbers worth looking at, each a ``frame`` with a ``plot(ax=None)``.

Every display is made by its ``of``, has a ``title`` that says what these data show, and shows
itself in a notebook.
"""

from clvmodels.report.alive_path import AlivePath
from clvmodels.report.backtest_calibration import PITHistogram, Reliability
from clvmodels.report.backtest_ranking import DecileChart, Gains
from clvmodels.report.backtests import MethodForest, MetricOverTime
from clvmodels.report.calibration_ranks import CalibrationRanks
from clvmodels.report.display import Display
from clvmodels.report.expectations import ConditionalExpectations
from clvmodels.report.mixing import MixingDistribution
from clvmodels.report.posteriors import ParameterIntervals, ParameterPosterior
from clvmodels.report.purchases import AliveMatrix, FrequencyHistogram, SilenceCalibration
from clvmodels.report.retention import SurvivalCurve
from clvmodels.report.shrinkage import Shrinkage
from clvmodels.report.tornado import Tornado
from clvmodels.report.tracking import Tracking
from clvmodels.report.values import Concentration, DecileCalibration, League, ValueDistribution

__all__ = [
    "AliveMatrix",
    "AlivePath",
    "CalibrationRanks",
    "Concentration",
    "ConditionalExpectations",
    "DecileCalibration",
    "DecileChart",
    "Display",
    "FrequencyHistogram",
    "Gains",
    "League",
    "MethodForest",
    "MetricOverTime",
    "MixingDistribution",
    "PITHistogram",
    "ParameterIntervals",
    "ParameterPosterior",
    "Reliability",
    "Shrinkage",
    "SilenceCalibration",
    "SurvivalCurve",
    "Tornado",
    "Tracking",
    "ValueDistribution",
]

"""All displays: numbers worth looking at, each a ``frame`` with a ``plot(ax=None)``.

Every display is made by its ``of``, has a ``title`` that says what these data show, and shows
itself in a notebook.
"""

from clvmodels.report.calibration_ranks import CalibrationRanks
from clvmodels.report.display import Display
from clvmodels.report.purchases import AliveMatrix, FrequencyHistogram, SilenceCalibration
from clvmodels.report.retention import SurvivalCurve
from clvmodels.report.shrinkage import Shrinkage
from clvmodels.report.tracking import Tracking
from clvmodels.report.values import Concentration, DecileCalibration, League, ValueDistribution

__all__ = [
    "AliveMatrix",
    "CalibrationRanks",
    "Concentration",
    "DecileCalibration",
    "Display",
    "FrequencyHistogram",
    "League",
    "Shrinkage",
    "SilenceCalibration",
    "SurvivalCurve",
    "Tracking",
    "ValueDistribution",
]

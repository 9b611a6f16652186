"""Every model by its key: the one list that the common tests and stored fits go by."""

from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.gamma_gamma import GammaGammaModel
from clvmodels.models.modified_beta_geo import ModifiedBetaGeoModel
from clvmodels.models.nbd import NBDModel

PURCHASE_MODELS = {m.key: m for m in (NBDModel, BetaGeoModel, ModifiedBetaGeoModel)}
SPEND_MODELS = {m.key: m for m in (GammaGammaModel,)}

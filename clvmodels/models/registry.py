"""Every model by its key: the one list that the common tests and stored fits go by."""

from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.beta_geo_beta_binom import BetaGeoBetaBinomModel
from clvmodels.models.beta_geo_cnbd import BetaGeoCNBDModel
from clvmodels.models.gamma_gamma import GammaGammaModel
from clvmodels.models.lognormal_normal import LognormalNormalModel
from clvmodels.models.modified_beta_geo import ModifiedBetaGeoModel
from clvmodels.models.modified_beta_geo_cnbd import ModifiedBetaGeoCNBDModel
from clvmodels.models.nbd import NBDModel

PURCHASE_MODELS = {
    m.key: m
    for m in (
        NBDModel,
        BetaGeoModel,
        ModifiedBetaGeoModel,
        BetaGeoCNBDModel,
        ModifiedBetaGeoCNBDModel,
    )
}
OPPORTUNITY_MODELS = {m.key: m for m in (BetaGeoBetaBinomModel,)}
SPEND_MODELS = {m.key: m for m in (GammaGammaModel, LognormalNormalModel)}

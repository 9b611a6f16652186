"""Every model by its key: the one list that the common tests and stored fits go by."""

from clvmodels.models.beta_discrete_weibull import BetaDiscreteWeibullModel
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.beta_geo_beta_binom import BetaGeoBetaBinomModel
from clvmodels.models.beta_geo_cnbd import BetaGeoCNBDModel
from clvmodels.models.gamma_gamma import GammaGammaModel
from clvmodels.models.geometric_retention import GeometricRetentionModel
from clvmodels.models.ggompertz_nbd import GGompertzNBDModel
from clvmodels.models.lognormal_normal import LognormalNormalModel
from clvmodels.models.modified_beta_geo import ModifiedBetaGeoModel
from clvmodels.models.modified_beta_geo_cnbd import ModifiedBetaGeoCNBDModel
from clvmodels.models.nbd import NBDModel
from clvmodels.models.pareto_nbd import ParetoNBDModel
from clvmodels.models.shifted_beta_geo import ShiftedBetaGeoModel

PURCHASE_MODELS = {
    m.key: m
    for m in (
        NBDModel,
        ParetoNBDModel,
        GGompertzNBDModel,
        BetaGeoModel,
        ModifiedBetaGeoModel,
        BetaGeoCNBDModel,
        ModifiedBetaGeoCNBDModel,
    )
}
OPPORTUNITY_MODELS = {m.key: m for m in (BetaGeoBetaBinomModel,)}
SPEND_MODELS = {m.key: m for m in (GammaGammaModel, LognormalNormalModel)}
RETENTION_MODELS = {
    m.key: m for m in (GeometricRetentionModel, ShiftedBetaGeoModel, BetaDiscreteWeibullModel)
}

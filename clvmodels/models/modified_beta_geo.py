"""MBG/NBD."""

from dataclasses import dataclass
from typing import ClassVar, final

from clvmodels._typing import Kernel
from clvmodels.models.covariates import Covariates
from clvmodels.models.dropout_at_purchase import DropoutAtPurchaseModel


@final
@dataclass(frozen=True, slots=True)
class ModifiedBetaGeoModel(DropoutAtPurchaseModel):
    """MBG/NBD: as the BG/NBD, but dropout can follow the first purchase too.

    One-time buyers are not all taken for alive, which is what most people expect.

    Parameters
    ----------
    covariates : Covariates, optional
        Columns of the summary that purchase rates and dropout depend on.

    Notes
    -----
    Parameters, all positive:

    - r, a pure number: shape of the gamma purchase rates; small where customers differ much.
    - alpha, in the time unit of the data: scale of those rates, whose mean is r / alpha.
    - a and b, pure numbers: a customer's dropout probability after each purchase is
      Beta(a, b), with mean a / (a + b).

    References
    ----------
    Batislam, Denizel and Filiztekin (2007), Empirical validation and comparison of models for
    customer base analysis, International Journal of Research in Marketing 24(3), 201-209; Hoppe
    and Wagner (2007), Marketing ZFP 3(2), 75-90; erratum Wagner and Hoppe (2008), IJRM 25(3).

    Examples
    --------
    >>> model = ModifiedBetaGeoModel()
    >>> fit = model.with_params(r=.525, alpha=6.183, a=.891, b=1.614, time_unit="week")
    >>> round(fit.expected_purchases_new_customer("52 weeks"), 3)
    1.42
    """

    key: ClassVar[str] = "modified_beta_geo"
    title: ClassVar[str] = "MBG/NBD"
    first_can_be_last: ClassVar[bool] = True

    covariates: Covariates = Covariates()

    @property
    def kernel(self) -> Kernel:
        """See `PurchaseModel.kernel`."""
        from clvmodels.kernels import modified_beta_geo

        return modified_beta_geo

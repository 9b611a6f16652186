"""BG/NBD."""

from dataclasses import dataclass
from typing import ClassVar, final

from clvmodels._typing import Kernel
from clvmodels.models.covariates import Covariates
from clvmodels.models.dropout_at_purchase import DropoutAtPurchaseModel


@final
@dataclass(frozen=True, slots=True)
class BetaGeoModel(DropoutAtPurchaseModel):
    """BG/NBD: Poisson purchases at gamma rates; dropout after a repeat purchase.

    The standard model of non-contractual settings. It takes every one-time buyer for alive, since
    dropout comes only after a repeat purchase; `ModifiedBetaGeoModel` does not.

    Parameters
    ----------
    covariates : Covariates, optional
        Columns of the summary that purchase rates and dropout depend on.

    Notes
    -----
    Parameters, all positive:

    - r, a pure number: shape of the gamma purchase rates; small where customers differ much.
    - alpha, in the time unit of the data: scale of those rates, whose mean is r / alpha.
    - a and b, pure numbers: a customer's dropout probability after each repeat purchase is
      Beta(a, b), with mean a / (a + b).

    References
    ----------
    Fader, Hardie and Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2),
    275-284, eqs. 6 (likelihood), 8 (distribution of purchases), 9 and 10 (expectations).

    Examples
    --------
    >>> fit = BetaGeoModel().with_params(r=.243, alpha=4.414, a=.793, b=2.426, time_unit="week")
    >>> round(fit.expected_purchases_new_customer("52 weeks"), 3)
    1.446
    """

    key: ClassVar[str] = "beta_geo"
    title: ClassVar[str] = "BG/NBD"
    first_can_be_last: ClassVar[bool] = False

    covariates: Covariates = Covariates()

    @property
    def kernel(self) -> Kernel:
        """See `PurchaseModel.kernel`."""
        from clvmodels.kernels import beta_geo

        return beta_geo

"""BG/CNBD-k."""

from dataclasses import dataclass
from typing import ClassVar, final

from clvmodels._typing import Kernel
from clvmodels.models.cnbd import CNBDModel


@final
@dataclass(frozen=True, slots=True)
class BetaGeoCNBDModel(CNBDModel):
    """BG/CNBD-k: purchases more regular than Poisson; dropout after a repeat purchase.

    The BG/NBD for customers who buy at intervals: a silence of twice the usual one then says more.
    It takes every one-time buyer for alive; `ModifiedBetaGeoCNBDModel` does not.

    Parameters
    ----------
    k : int, optional
        Regularity: times between a customer's purchases are Erlang-k, with a coefficient of
        variation of 1 / sqrt(k); k = 1 is the BG/NBD. Chosen by `fit` if not given.

    Notes
    -----
    Parameters, all positive:

    - r, a pure number: shape of the gamma purchase rates; small where customers differ much.
    - alpha, in the time unit of the data: scale of those rates, whose mean is r / (k alpha).
    - a and b, pure numbers: a customer's dropout probability after each repeat purchase is
      Beta(a, b), with mean a / (a + b).

    Fits need the sum of the logs of the times between purchases:
    ``rfm_summary(..., litt=True)``. Predictions do not. All predictions are exact; BTYDplus
    approximates the conditional expectation and rescales it to the right total.

    References
    ----------
    Platzer and Reutterer (2016), Ticking Away the Moments, Marketing Science 35(5), 779-799.
    Reutterer, Platzer and Schroeder (2021), Leveraging purchase regularity for predicting customer
    behavior the easy way, International Journal of Research in Marketing 38(1), 194-215.

    Examples
    --------
    >>> fit = BetaGeoCNBDModel(k=2).with_params(
    ...     r=0.8, alpha=4.0, a=0.9, b=2.5, time_unit="week")
    >>> round(fit.expected_purchases_new_customer("52 weeks"), 3)
    2.504
    """

    key: ClassVar[str] = "beta_geo_cnbd"
    title: ClassVar[str] = "BG/CNBD-k"
    first_can_be_last: ClassVar[bool] = False

    @property
    def kernel(self) -> Kernel:
        """See `PurchaseModel.kernel`."""
        from clvmodels.kernels import beta_geo_cnbd

        return beta_geo_cnbd.bound(self.stages)

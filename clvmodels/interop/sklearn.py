"""A scikit-learn regressor around the models: for pipelines, searches and cross-validation.

scikit-learn's learn from X and y; these models learn from X alone, which holds what each customer
did until now. What came afterwards, y, is for scorers.
"""

from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias, get_args

import numpy as np

from clvmodels._typing import FloatArray
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import DataError, ParameterError, UnitError
from clvmodels.inference.estimate import Method
from clvmodels.interop import NEEDS_SKLEARN
from clvmodels.interop.regression import RegressionMethod, two_part_boosting
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.models.gamma_gamma import GammaGammaModel
from clvmodels.models.purchases import PurchaseModel
from clvmodels.models.spend import SpendModel
from clvmodels.units import DiscountRate, Horizon, HorizonLike, TimeUnit
from clvmodels.value.clv import CLVModel

try:
    from sklearn.base import BaseEstimator, RegressorMixin
    from sklearn.utils.validation import (
        assert_all_finite,
        check_consistent_length,
        check_is_fitted,
        column_or_1d,
        validate_data,
    )
except ImportError as error:
    raise ImportError(NEEDS_SKLEARN) from error

if TYPE_CHECKING:
    from sklearn.utils import Tags

__all__ = ["CLVRegressor", "RegressionMethod", "two_part_boosting"]

Predicts: TypeAlias = Literal["clv", "revenue", "purchases"]

_COLUMNS: Final = ("frequency", "recency", "T", "monetary_value")


class CLVRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # has no types
    """Customers' purchases, revenue or lifetime value as a scikit-learn regressor.

    X has one row per customer: a DataFrame with the columns frequency, recency, T and (but for
    purchases) monetary_value, as `RFMSummary.to_pandas` gives them, and any others that the model
    needs, such as covariates or litt; or an array of the first three or four in that order. Rows
    are taken by their number: a customer_id is left out of account.

    Parameters
    ----------
    model : PurchaseModel, optional
        ``BetaGeoModel()`` if not given.
    spend : SpendModel, optional
        ``GammaGammaModel()`` if not given. Without a part in purchases.
    horizon : Horizon or str, optional
        How far ahead to predict. All the future if not given, of which only the clv has a value,
        and only if discounted.
    time_unit : TimeUnit or str
        Unit of recency and T in X. Must be given.
    predicts : {"clv", "revenue", "purchases"}
        Value with discount and margin, money spent without them, or the number of purchases.
    discount : DiscountRate or 0
        As in `CLVModel`; for the clv.
    margin : float or str
        Share of revenue that is profit, or the column of X that holds it; for the clv.
    method : Method, optional
        How to fit; ``MLE()`` if not given.

    Once fitted, `horizon` and `time_unit` may be set anew; what follows from any other parameter
    takes another fit.

    Attributes
    ----------
    model_ : CLVModel or PurchaseModel
        What was fitted, made of model, spend, predicts, discount and margin.
    fitted_ : FittedCLV or FittedPurchases
        The fitted model, with all that it has to say.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Of a DataFrame.

    Examples
    --------
    >>> import clvmodels as clv
    >>> from sklearn.model_selection import cross_val_score
    >>> split = clv.calibration_holdout_split(
    ...     clv.datasets.load_cdnow(sample=True), cutoff="1997-09-30", horizon="39 weeks",
    ...     time_unit="week")
    >>> X, y = split.calibration.to_pandas(), split.holdout["purchases"]
    >>> model = CLVRegressor(horizon="39 weeks", time_unit="week", predicts="purchases")
    >>> cross_val_score(model, X, y, cv=3, scoring="neg_mean_absolute_error").round(2)
    array([-0.69, -0.81, -0.85])
    """

    def __init__(
        self,
        model: PurchaseModel | None = None,
        spend: SpendModel | None = None,
        *,
        horizon: HorizonLike | None = None,
        time_unit: TimeUnit | str | None = None,
        predicts: Predicts = "clv",
        discount: DiscountRate | float = 0,
        margin: float | str = 1.0,
        method: Method | None = None,
    ) -> None:
        self.model = model
        self.spend = spend
        self.horizon = horizon
        self.time_unit = time_unit
        self.predicts = predicts
        self.discount = discount
        self.margin = margin
        self.method = method

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit the model to what customers did until now.

        Parameters
        ----------
        X : DataFrame or array of shape (customers, 3 or 4)
        y : array of shape (customers,), optional
            What customers did afterwards. Nothing is learnt from it; scorers judge by it.

        Raises
        ------
        UnitError
            If `time_unit` is not given, or the horizon is a bare number.
        ParameterError
            If the model, or what it predicts, is none, or all the future has no finite value.
        DataError
            If rows of X break a rule of `RFMSummary`.
        FitError
            If the method cannot fit the model.
        """
        model = self._model()
        data = self._summary(X, reset=True)
        if y is not None:
            known = column_or_1d(y, warn=True)
            assert_all_finite(known, input_name="y")
            check_consistent_length(X, known)
        self.fitted_, self.model_ = model.fit(data, self.method), model
        return self

    def predict(self, X: Any) -> FloatArray:
        """What is expected of each customer from the end of observation on.

        Parameters
        ----------
        X : DataFrame or array of shape (customers, 3 or 4)
            Customers, fitted or not, in the columns of the fit.

        Returns
        -------
        ndarray of shape (customers,)

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        UnitError
            If `time_unit` or the horizon has been set to what is none.
        ParameterError
            If what was fitted is not what the parameters now ask for.
        DataError
            If rows of X break a rule of `RFMSummary`.
        """
        data = self._customers(X)
        if isinstance(self.fitted_, FittedPurchases):
            assert self.horizon is not None  # checked by _model
            return self.fitted_.expected_purchases(data, self.horizon)
        return self.fitted_.clv(data, self.horizon)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """How well the fit does on customers: higher is better.

        With y, R² of the predictions for it. Without, the mean log-likelihood per customer of X
        itself: when they bought and, where values are modelled, what they spent. So searches and
        cross-validation need no holdout to tell models apart; but the likelihood of models that
        look at times between purchases (litt) is on another scale.

        Parameters
        ----------
        X : DataFrame or array of shape (customers, 3 or 4)
        y : array of shape (customers,), optional
            What came of them.
        sample_weight : array of shape (customers,), optional
            For R².
        """
        if y is not None:
            return float(super().score(X, y, sample_weight))
        data, fit = self._customers(X), self.fitted_
        if isinstance(fit, FittedPurchases):
            return fit.loglik_of(data) / len(data)
        total: float = fit.purchases.loglik_of(data) + fit.spend.loglik_of(data)
        return total / len(data)

    def __sklearn_tags__(self) -> "Tags":
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        tags.regressor_tags.poor_score = True  # nothing is learnt from y
        tags.input_tags.allow_nan = True  # one-time buyers have no monetary_value
        tags.input_tags.positive_only = True
        return tags

    def _model(self) -> PurchaseModel | CLVModel:
        """What is fitted, once all choices are checked."""
        if self.time_unit is None:
            raise UnitError("Say what recency and T are counted in: time_unit='week', for example.")
        if self.predicts not in get_args(Predicts):
            raise ParameterError(
                f"predicts is one of {', '.join(get_args(Predicts))}, got {self.predicts!r}."
            )
        if self.horizon is not None:
            Horizon.parse(self.horizon)
        discount = DiscountRate.parse(self.discount)
        if self.horizon is None and (self.predicts != "clv" or discount.force("year") <= 0):
            raise ParameterError(
                "All the future has a finite value only for predicts='clv' with a positive "
                "discount. Give a horizon, such as '12 months'."
            )
        model = BetaGeoModel() if self.model is None else self.model
        if not isinstance(model, PurchaseModel):
            raise ParameterError(f"model takes an unfitted PurchaseModel, got {model!r}.")
        spend = GammaGammaModel() if self.spend is None else self.spend
        if self.predicts == "clv":
            return CLVModel(model, spend, discount=discount, margin=self.margin)
        if self.predicts == "revenue":
            return CLVModel(model, spend, discount=DiscountRate.parse(0))
        return model

    def _customers(self, X: Any) -> RFMSummary:
        """Customers to say something of, once the fit is what the parameters ask for."""
        check_is_fitted(self)
        if self._model() != self.model_:
            raise ParameterError(
                "model, spend, predicts, discount or margin was set after fit, so the fit is of "
                "something else. Fit again."
            )
        return self._summary(X, reset=False)

    def _summary(self, X: Any, reset: bool) -> RFMSummary:
        """Customers by row number; names and number of columns as scikit-learn has them."""
        import narwhals as nw
        import pandas as pd

        table = nw.from_native(X, eager_only=True, pass_through=True)
        if isinstance(table, nw.DataFrame):
            frame = nw.maybe_reset_index(table.drop("customer_id", strict=False)).to_native()
            validate_data(self, frame, reset=reset, skip_check_array=True)
        else:
            array = validate_data(
                self, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan"
            )
            if array.shape[1] not in (3, 4):
                raise DataError(
                    f"X has {array.shape[1]} feature(s) without names, which must be the first "
                    f"three or all of {', '.join(_COLUMNS)}. Give a DataFrame for others."
                )
            frame = pd.DataFrame(array, columns=list(_COLUMNS[: array.shape[1]]))
        assert self.time_unit is not None  # checked by _model
        return RFMSummary.from_frame(frame, time_unit=self.time_unit)

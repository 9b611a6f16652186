"""Models fitted to the same data, side by side: likelihood, its price in parameters, and fit."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, TypeAlias

import numpy as np
from scipy.special import chdtrc

from clvmodels.data.opportunities import OpportunitySummary
from clvmodels.data.retention import RetentionTable
from clvmodels.data.summary import RFMSummary
from clvmodels.data.time_varying import TimeVaryingSummary
from clvmodels.evaluation.frequency import chi_square, frequency_counts
from clvmodels.evaluation.loo import LOO, WithLikelihood, loo, standard_error
from clvmodels.exceptions import DataError, ParameterError
from clvmodels.inference.estimate import Estimate
from clvmodels.inference.psis import RELIABLE
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.models.fitted_time_varying import FittedTimeVarying
from clvmodels.models.spend import FittedSpend

if TYPE_CHECKING:
    import pandas as pd

Data: TypeAlias = RFMSummary | OpportunitySummary | RetentionTable | TimeVaryingSummary


class _Model(Protocol):
    key: ClassVar[str]
    title: ClassVar[str]


class Fitted(Protocol):
    """A fitted model of any role."""

    @property
    def model(self) -> _Model: ...
    @property
    def estimate(self) -> Estimate: ...
    @property
    def loglik(self) -> float: ...
    @property
    def aic(self) -> float: ...
    @property
    def bic(self) -> float: ...
    def loglik_of(self, data: Any) -> float: ...


_SAME: Final = 1e-6  # relative difference of log-likelihoods of the same data, by rounding
_TOP: Final = 7  # classes of the frequency chi-square: 0, 1, ..., 6, 7 and more
_LEFT_OUT: Final = ("elpd_loo", "elpd_se", "elpd_diff", "elpd_diff_se", "k_bad")
_SPECIAL_CASES: Final[Mapping[str, frozenset[str]]] = {
    "beta_geo": frozenset({"nbd"}),
    "modified_beta_geo": frozenset({"nbd"}),
    "pareto_nbd": frozenset({"nbd"}),
    "ggompertz_nbd": frozenset({"nbd", "pareto_nbd"}),
    "time_varying_pareto_nbd": frozenset({"nbd", "pareto_nbd"}),
    "shifted_beta_geo": frozenset({"geometric_retention"}),
    "beta_discrete_weibull": frozenset({"geometric_retention", "shifted_beta_geo"}),
}
"""What each model turns into at the edge of its parameters."""


def compare(
    fits: Sequence[Fitted] | Mapping[str, Fitted], data: Data | None = None
) -> "pd.DataFrame":
    """Compare models that were fitted to the same data by their likelihood.

    AIC and BIC weigh the log-likelihood against the number of parameters. Where one model is a
    special case of another, the likelihood-ratio test says whether the larger one is worth its
    parameters. Posteriors are compared by leave-one-out cross-validation, which asks how well each
    customer is predicted from all others, whatever the number of parameters. All of this is about
    the data that were fitted: `compare_holdout` compares models, and the textbook formulas, on
    purchases that nobody has seen.

    Parameters
    ----------
    fits : sequence or mapping of str to fitted model
        Two or more, of one role: purchases, spend or retention.
    data : RFMSummary, OpportunitySummary, TimeVaryingSummary or RetentionTable, optional
        What they all were fitted to; beside time-varying covariates, the other models to its `rfm`.
        The frequency chi-square and leave-one-out need it.

    Returns
    -------
    DataFrame
        One row per model, highest elpd_loo first where all have it, else lowest AIC, and those
        without AIC last: model (without names, its own; fits that share it are numbered as they
        were given); parameters (their number, which groups leave uncounted: NaN); loglik; aic and
        bic (NaN of posteriors, which elpd_loo compares); against (the largest of its special cases
        in the list), lr, lr_df, lr_p (the test against it: a small p speaks for the larger model;
        where the special case lies at the edge of the parameters, as that without dropout does, p
        is an upper bound);
        chi_square, chi_df, chi_p (customers with 0, 1, ..., 6, 7 or more repeat purchases, counted
        and expected: a small p speaks against the model); elpd_loo, elpd_se (log predictive density
        of customers left out, and its standard error), elpd_diff, elpd_diff_se (against the best,
        customer by customer: a difference of less than two of its standard errors may be chance),
        k_bad (customers for whom this is unreliable, see `loo`). Empty (NaN) where there is no such
        test, or no `data`: leave-one-out without posterior draws, the ratio test with them or with
        priors.

    Raises
    ------
    DataError
        If a model was fitted to other data, or in another time unit.
    ParameterError
        If there are fewer than two fits, or they are of different roles.
    FitError
        If the parameters of one were given, not fitted.

    References
    ----------
    Fader, Hardie and Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2),
    275-284, table 2.

    Examples
    --------
    >>> import clvmodels as clv
    >>> rfm = clv.datasets.load_cdnow_summary()
    >>> table = compare([clv.NBDModel().fit(rfm), clv.BetaGeoModel().fit(rfm)], rfm)
    >>> table[["model", "loglik", "lr", "chi_square", "chi_p"]].round(2).values.tolist()
    [['BG/NBD', -9582.43, 362.47, 4.82, 0.19], ['NBD', -9763.66, nan, 10.27, 0.07]]
    """
    import pandas as pd

    named = dict(fits) if isinstance(fits, Mapping) else _named(fits)
    if len(named) < 2:
        raise ParameterError("compare takes two models or more, fitted to the same data.")
    if len({_role(fit) for fit in named.values()}) > 1:
        raise ParameterError(
            "compare takes models of one role: of purchases, of spend or of retention. Got "
            f"{', '.join(named)}."
        )
    _check_alike(named)
    seen = {name: _seen(fit, data) for name, fit in named.items()}
    for name, fit in named.items():
        _check_same_data(name, fit, seen[name])
    left_out = _left_out(named, seen)
    table = pd.DataFrame(
        [
            {
                "model": name,
                "parameters": np.nan if _grouping(fit) else len(fit.estimate.names),
                "loglik": fit.loglik,
                "aic": np.nan if fit.estimate.is_sample else fit.aic,
                "bic": np.nan if fit.estimate.is_sample else fit.bic,
                **_ratio_test(fit, named),
                **_frequency_test(fit, seen[name]),
                **_leave_one_out(name, left_out),
            }
            for name, fit in named.items()
        ]
    )
    if len(left_out) == len(named):
        return table.sort_values("elpd_loo", ascending=False, ignore_index=True)
    return table.sort_values("aic", ignore_index=True)


def _named(fits: Sequence[Fitted]) -> dict[str, Fitted]:
    titles = [_title(fit) for fit in fits]
    twice = {title for title, count in Counter(titles).items() if count > 1}
    return {
        f"{title} ({k})" if title in twice else title: fit
        for k, (title, fit) in enumerate(zip(titles, fits, strict=True), start=1)
    }


def _title(fit: Fitted) -> str:
    """What was fitted, in words."""
    title = fit.model.label if isinstance(fit, FittedPurchases) else fit.model.title
    if isinstance(fit, FittedPurchases | FittedSpend) and fit.design is not None:
        title += " with covariates"
    by = _grouping(fit)
    return f"{title} by {' / '.join(by)}" if by else title


def _grouping(fit: Fitted) -> tuple[str, ...]:
    """The columns of the groups that parameters were pooled over; none where they were not."""
    groups = getattr(fit, "groups", None)
    return () if groups is None else groups.columns


def _role(fit: Fitted) -> str:
    if isinstance(fit, FittedPurchases | FittedTimeVarying):
        return "purchases"
    return type(fit).__name__


def _check_alike(named: Mapping[str, Fitted]) -> None:
    """All fits must remember the same observations, in the same units."""
    first, *others = named.items()
    for name, fit in others:
        one, other = first[1].estimate.fingerprint, fit.estimate.fingerprint
        if one and other and len(one) != len(other):  # not all look at all columns
            one, other = one[:1], other[:1]
        if one and other and not np.allclose(one, other, rtol=1e-9, atol=0):
            raise DataError(
                f"{first[0]} and {name} were fitted to other data, or in another time unit or "
                "currency. Fit all models to one summary."
            )


def _seen(fit: Fitted, data: Data | None) -> Data | None:
    """The part of the data that a model looks at."""
    if isinstance(data, TimeVaryingSummary) and not isinstance(fit, FittedTimeVarying):
        return data.rfm
    return data


def _check_same_data(name: str, fit: Fitted, data: Data | None) -> None:
    """The log-likelihood of these data must be the one that the fit reached."""
    if data is None:
        return
    again = fit.loglik_of(data)
    if abs(again - fit.loglik) > _SAME * abs(fit.loglik):
        raise DataError(
            f"{name} was fitted to other data: its log-likelihood was {fit.loglik:,.3f}, and is "
            f"{again:,.3f} here. Fit all models to one summary, in one time unit."
        )


def _ratio_test(fit: Fitted, named: Mapping[str, Fitted]) -> dict[str, Any]:
    smaller = {name: other for name, other in named.items() if _is_special_case(other, fit)}
    if not smaller:
        return {"against": "", "lr": np.nan, "lr_df": np.nan, "lr_p": np.nan}
    name, other = max(smaller.items(), key=lambda item: len(item[1].estimate.names))
    ratio = max(2 * (fit.loglik - other.loglik), 0.0)
    df = len(fit.estimate.names) - len(other.estimate.names)
    return {"against": name, "lr": ratio, "lr_df": df, "lr_p": float(chdtrc(df, ratio))}


def _is_special_case(small: Fitted, large: Fitted) -> bool:
    """Whether `small` is `large` with parameters at their limits, or with fewer coefficients."""
    if len(small.estimate.names) >= len(large.estimate.names):
        return False
    if not (_is_maximum(small) and _is_maximum(large)):
        return False
    key = large.model.key
    if small.model.key not in {key, *_SPECIAL_CASES.get(key, ())}:
        return False
    have = set(large.estimate.names)
    return all(_is_among(name, have) for name in small.estimate.names if ":" in name)


def _is_among(coefficient: str, have: set[str]) -> bool:
    """Whether a coefficient is there, as itself or as two that it holds equal."""
    process, column = coefficient.split(":", 1)
    if coefficient in have:
        return True
    dropout = {f"dropout:{column}", f"dropout_a:{column}"}
    return process == "both" and f"purchase:{column}" in have and bool(dropout & have)


def _is_maximum(fit: Fitted) -> bool:
    """Whether the likelihood is highest at the estimates: no ridge, no prior."""
    covariates = getattr(fit.model, "covariates", None)
    ridge = covariates is not None and covariates.ridge > 0
    return not (ridge or fit.estimate.is_sample or fit.estimate.method.startswith("MAP"))


def _left_out(named: Mapping[str, Fitted], seen: Mapping[str, Data | None]) -> dict[str, LOO]:
    """Leave-one-out of every fit that has posterior draws."""
    found = {}
    for name, fit in named.items():
        data = seen[name]
        if data is None or isinstance(data, TimeVaryingSummary):
            continue
        if fit.estimate.is_sample and isinstance(fit, WithLikelihood):
            found[name] = loo(fit, data)
    return found


def _leave_one_out(name: str, left_out: Mapping[str, LOO]) -> dict[str, float]:
    if name not in left_out:
        return dict.fromkeys(_LEFT_OUT, np.nan)
    own, best = left_out[name], max(left_out.values(), key=lambda other: other.elpd)
    apart = own.pointwise - best.pointwise
    values = (
        own.elpd,
        own.se,
        float(own.weight @ apart),
        standard_error(apart, own.weight),
        float(own.weight[own.pareto_k > RELIABLE].sum()),
    )
    return dict(zip(_LEFT_OUT, values, strict=True))


def _frequency_test(fit: Fitted, data: Data | None) -> dict[str, float]:
    if not (isinstance(fit, FittedPurchases) and isinstance(data, RFMSummary | OpportunitySummary)):
        return {"chi_square": np.nan, "chi_df": np.nan, "chi_p": np.nan}
    counts = frequency_counts({"": fit}, data, _TOP)
    statistic = chi_square(counts, "")
    expected = counts.loc[counts["method"] == "", "customers"]
    df = int((expected > 0).sum()) - 1 - len(fit.estimate.names)
    if df <= 0 or fit.estimate.is_sample:
        return {"chi_square": statistic, "chi_df": np.nan, "chi_p": np.nan}
    return {"chi_square": statistic, "chi_df": df, "chi_p": float(chdtrc(df, statistic))}

"""The league table: every method against purchases that nobody fitted."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, final, get_args

import numpy as np

from clvmodels._files import whole_file
from clvmodels._notebook import captioned, headed, listed
from clvmodels.data.splits import CalibrationHoldoutSplit
from clvmodels.evaluation.backtest_result import Backtest, Trial
from clvmodels.evaluation.entries import (
    Entry,
    Fitted,
    default_models,
    fit_entry,
    kind_of,
)
from clvmodels.evaluation.forecasts import Claim, forecast, lifetime_claim, with_money
from clvmodels.evaluation.judging import groupings_of, judge
from clvmodels.evaluation.outcomes import Outcome, held_against
from clvmodels.exceptions import DataError, ParameterError
from clvmodels.models.fitted import check_level

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["HoldoutComparison", "compare_holdout", "default_models"]

Quantity: TypeAlias = Literal["purchases", "value"]

METRICS: Final = ("bias", "mae", "rmse", "pearson", "spearman", "gini", "top_decile")
"""The metrics of a comparison's table; `judged` has all of them."""


@final
@dataclass(frozen=True, eq=False, repr=False)
class HoldoutComparison:
    """How several methods fared on one holdout.

    Attributes
    ----------
    split : CalibrationHoldoutSplit
        What they were fitted to, and judged by.
    models : mapping of str to fitted method
        By name; those that failed are missing here, and listed in `table`.
    predictions : DataFrame
        Long: method, customer_id, predicted_purchases, predicted_value, actual_purchases,
        actual_value, for the horizon of the split.
    table : DataFrame
        One row per method: method, kind ("model", "bayes", "lifetimes", "textbook", "baseline");
        for purchases and again for value the totals ``_predicted`` and ``_actual`` and the metrics
        ``_bias``, ``_mae``, ``_rmse``, ``_pearson``, ``_spearman``, ``_gini``, ``_top_decile``
        (see `clvmodels.evaluation.metrics`); note; error, which is empty unless the method failed.
    table_se : DataFrame
        Standard errors of those metrics, in columns of the same names: customers are taken as a
        sample, predictions as given. From a Poisson bootstrap with one seed for all methods.
    lifetime : DataFrame
        What each method says the base is worth from the cutoff on, over all the future and on its
        own terms of margin and discounting: method, kind, total, lo, hi, per_customer, note. Empty
        (NaN) where there is no finite value; the note says why.
    level : float
        Probability of the intervals: those in `lifetime` cover the uncertainty of parameters, those
        of customers in `judged` cover chance.
    entries : mapping of str to method
        What was compared, unfitted, by name.
    judged : Backtest
        The same as a backtest at one cutoff, which has more metrics: those of distributions, too.
    """

    split: CalibrationHoldoutSplit
    models: Mapping[str, Fitted]
    predictions: "pd.DataFrame"
    table: "pd.DataFrame"
    table_se: "pd.DataFrame"
    lifetime: "pd.DataFrame"
    level: float
    entries: Mapping[str, Entry]
    judged: Backtest

    def differences(
        self,
        metric: str = "rmse",
        quantity: Quantity = "value",
        against: str | None = None,
    ) -> "pd.DataFrame":
        """How much worse or better than one of them the methods are, and how sure that is.

        Parameters
        ----------
        metric : str
            One of the metrics of `table`; of the bias, its distance from 0.
        quantity : {"value", "purchases"}
            What was predicted.
        against : str, optional
            The method to hold the others against; the best one if not given (of the bias, the one
            nearest to 0).

        Returns
        -------
        DataFrame
            method, against, cutoff, difference (the metric less that of `against`), se, lo, hi:
            one row for each other method that did not fail; see `Backtest.differences`.

        Raises
        ------
        ParameterError
            If the metric, the quantity or the method is not there.

        Examples
        --------
        >>> import clvmodels as clv
        >>> split = clv.calibration_holdout_split(
        ...     clv.datasets.load_cdnow(sample=True), cutoff="1997-09-30", horizon="39 weeks",
        ...     time_unit="week", value="value")
        >>> models = clv.default_models(discount=0)
        >>> pair = {name: models[name] for name in ("BG/NBD", "mean")}
        >>> found = clv.compare_holdout(pair, split).differences("rmse")
        >>> found[["method", "against", "difference"]].round(1).values.tolist()
        [['mean', 'BG/NBD', 16.2]]
        """
        if quantity not in get_args(Quantity):
            raise ParameterError(f"quantity is 'purchases' or 'value', got {quantity!r}.")
        return self.judged.differences(metric, quantity, against, by_cutoff=True)

    def to_frame(self) -> "pd.DataFrame":
        """Table, standard errors (``_se``) and lifetime values: one row per method."""
        errors = self.table_se.drop(columns=["method", "kind"]).add_suffix("_se")
        claims = self.lifetime.drop(columns=["method", "kind"]).add_prefix("lifetime_")
        return self.table.join([errors, claims])

    def to_csv(self, path: str | Path) -> None:
        """Write `to_frame()`; the file is there whole or not at all."""
        with whole_file(path) as file:
            self.to_frame().to_csv(file, index=False)

    def __repr__(self) -> str:
        parts = [self._title(), self._money().to_string(index=False)]
        return "\n".join([*parts, *(f"- {line}" for line in self._failures())])

    def _repr_html_(self) -> str:
        money = captioned(self._money(), "Value per customer, ± standard errors")
        return headed(self._title()) + money + listed(self._failures())

    def _title(self) -> str:
        holdout, newcomers = self.split.holdout, self.split.newcomers
        text = (
            f"Holdout of {self.split.horizon}: {len(holdout):,} customers, "
            f"{holdout['purchases'].sum():,.0f} purchases worth {holdout['value'].sum():,.0f}"
        )
        return text + (f"; {newcomers:,} newcomers are left out" if newcomers else "")

    def _money(self) -> "pd.DataFrame":
        """Value metrics with standard errors, and lifetime values, as text."""
        import pandas as pd

        shown: dict[str, Any] = {"method": self.table["method"]}
        for name in METRICS:
            digits = 2 if name in ("mae", "rmse") else 3
            column = f"value_{name}"
            shown[name] = [
                "-" if np.isnan(value) else f"{value:.{digits}f} ± {error:.{digits}f}"
                for value, error in zip(self.table[column], self.table_se[column], strict=True)
            ]
        shown["lifetime value"] = [
            "-" if np.isnan(total) else f"{total:,.0f}" for total in self.lifetime["total"]
        ]
        return pd.DataFrame(shown)

    def _failures(self) -> list[str]:
        failed = self.table[self.table["error"] != ""]
        return [f"{row.method}: {row.error}" for row in failed.itertuples()]


def compare_holdout(
    models: Mapping[str, Entry],
    split: CalibrationHoldoutSplit,
    *,
    level: float = 0.9,
    progress: bool = False,
) -> HoldoutComparison:
    """Fit every method to the calibration period and judge it by the holdout.

    Purchases and money are both judged, per customer of the calibration period. Money is revenue:
    the actual amounts are neither discounted nor cut to a margin, so neither are the models'
    predictions, whatever discount and margin they carry (those count for `lifetime`). A textbook
    formula is restricted to the horizon, at margin 1 and without acquisition cost; one that
    discounts by itself goes on doing so, and its note says it.

    A method that fails is listed with its error, and the others go on.

    Parameters
    ----------
    models : mapping of str to method
        Unfitted methods by name: `CLVModel`, `TextbookModel`, a baseline, anything with their
        ``fit(rfm).predict(rfm, horizon, level=)``, or a pair of a `CLVModel` and a fitting method
        such as ``Lifetimes()``. `default_models` gives the usual league.
    split : CalibrationHoldoutSplit
        With values.
    level : float
        Probability of the intervals of lifetime values, and of customers' prediction intervals.
    progress : bool
        Show a progress bar.

    Raises
    ------
    ParameterError
        If there is no method to compare, or `level` is no probability.
    DataError
        If the split has no values.

    Examples
    --------
    >>> import clvmodels as clv
    >>> split = clv.calibration_holdout_split(
    ...     clv.datasets.load_cdnow(sample=True), cutoff="1997-09-30", horizon="39 weeks",
    ...     time_unit="week", value="value")
    >>> model = clv.CLVModel(clv.BetaGeoModel(), clv.GammaGammaModel(), discount=0)
    >>> compare_holdout({"BG/NBD": model}, split).table.value_bias.round(3).tolist()
    [-0.156]
    """
    import pandas as pd
    from rich.progress import track

    check_level(level)
    if not isinstance(models, Mapping) or not models:
        raise ParameterError(
            "models is a mapping of names to methods, such as default_models(discount)."
        )
    data, holdout = split.calibration, split.holdout
    if data.monetary_value is None or "value" not in holdout:
        raise DataError(
            "The split has no values, so money cannot be compared. Name the value column of the "
            "log when splitting."
        )
    fitted: dict[str, Fitted] = {}
    outcomes: dict[str, Outcome] = {}
    claims: dict[str, Claim] = {}
    errors = dict.fromkeys(models, "")
    for name, entry in track(models.items(), "Comparing", disable=not progress):
        try:
            fit = fit_entry(entry, data)
            found = with_money(forecast(fit, data, split.horizon))
            outcomes[name] = held_against(fit, found, split, level)
        except Exception as error:  # whatever a method raises, the others are still wanted
            errors[name] = f"{type(error).__name__}: {error}"
            claims[name] = Claim(np.nan, np.nan, np.nan, "not fitted")
        else:
            fitted[name] = fit
            claims[name] = lifetime_claim(fit, data, level)
    judged = _judged(models, outcomes, errors, split, level)
    heads = pd.DataFrame({"method": list(models), "kind": [kind_of(e) for e in models.values()]})
    totals, spreads = _wide(judged)
    lifetime = pd.DataFrame(list(claims.values()))
    lifetime.insert(3, "per_customer", lifetime["total"] / data.customers())
    return HoldoutComparison(
        split=split,
        models=fitted,
        predictions=_long(judged),
        table=heads.join(totals).assign(
            note=[outcomes[name].forecast.note if name in outcomes else "" for name in models],
            error=list(errors.values()),
        ),
        table_se=heads.join(spreads),
        lifetime=heads.join(lifetime),
        level=level,
        entries=dict(models),
        judged=judged,
    )


def _judged(
    models: Mapping[str, Entry],
    outcomes: Mapping[str, Outcome],
    errors: Mapping[str, str],
    split: CalibrationHoldoutSplit,
    level: float,
) -> Backtest:
    """The comparison as a backtest at one cutoff."""
    import pandas as pd

    size = len(split.calibration)
    everybody, each = [groupings_of(split, ())[0]], np.arange(size)
    trials = []
    for name in models:
        found = outcomes.get(name)
        scores = [] if found is None else judge(found, split, everybody, each, size, seed=0)
        trials.append(Trial(name, 0, found, scores, errors[name]))
    end: Any = split.calibration.observation_end  # a calibration has one
    return Backtest(
        kinds={name: kind_of(entry) for name, entry in models.items()},
        splits={pd.Timestamp(end): split},
        horizon=split.horizon,
        level=level,
        trials=tuple(trials),
    )


def _wide(judged: Backtest) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """Totals and metrics, one row per method, and standard errors of the metrics."""
    import pandas as pd

    sums = judged.predictions.groupby("method", sort=False).sum(numeric_only=True)
    totals, spreads = [], []
    for quantity in get_args(Quantity):
        league = judged.league(quantity).set_index("method")
        values = league.reindex(columns=list(METRICS))
        errors = league.reindex(columns=[f"{name}_se" for name in METRICS])
        ends = ("predicted", "actual")
        known = sums.reindex(index=league.index, columns=[f"{end}_{quantity}" for end in ends])
        known.columns = pd.Index(ends)
        totals.append(known.join(values).add_prefix(f"{quantity}_"))
        errors.columns = pd.Index(METRICS)
        spreads.append(errors.add_prefix(f"{quantity}_"))
    first, second = (pd.concat(parts, axis=1).reset_index(drop=True) for parts in (totals, spreads))
    return first.astype(np.float64), second.astype(np.float64)


def _long(judged: Backtest) -> "pd.DataFrame":
    """One row per method and customer."""
    columns = [
        "method", "customer_id", "predicted_purchases", "predicted_value", "actual_purchases",
        "actual_value",
    ]  # fmt: skip
    return judged.predictions[columns].astype({"actual_purchases": np.float64})

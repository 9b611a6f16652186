"""What priors say before the data do: in words, and as the customers that they expect."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

import numpy as np

from clvmodels._notebook import as_lines
from clvmodels._numbers import whole_number
from clvmodels._typing import FloatArray, IntArray, Params
from clvmodels.bayes.priors import GROUPS, Priors, TraitPriors
from clvmodels.data.retention import RetentionTable
from clvmodels.exceptions import FitError, ParameterError
from clvmodels.inference.estimate import Diagnostics, Estimate
from clvmodels.inference.problem import Problem
from clvmodels.inference.traits import Trait, multiplier
from clvmodels.models.clock import Summary
from clvmodels.models.covariates import coefficients
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.models.fitted_retention import FittedRetention
from clvmodels.models.pooling import columns_of, own_params
from clvmodels.models.purchases import PurchaseModel
from clvmodels.models.retention import RetentionModel
from clvmodels.models.spend import FittedSpend, SpendModel, monetary

if TYPE_CHECKING:
    import pandas as pd

Model: TypeAlias = PurchaseModel | SpendModel | RetentionModel
Figures: TypeAlias = dict[str, float]

_CUSTOMERS: Final = 1000  # of a simulated population, and no more than the data have
_RICHEST: Final = 1e300  # spend, so that sums are finite
_HARDLY: Final = 0.02  # of the draws beyond the observed value
_WORDS: Final = {
    "repeat_buyers": "share of repeat buyers",
    "mean_frequency": "mean number of repeat purchases",
    "frequency_q95": "95 % quantile of repeat purchases",
    "silent": "share that is silent in the second half of its time",
    "mean_spend": "mean spend",
    "median_spend": "median spend",
    "spend_q95": "95 % quantile of spend",
    "left_first": "share that leaves at the first renewal",
    "still_there": "share that is still there in the end",
    "mean_renewals": "mean number of renewals",
}
_SHARES: Final = ("repeat_buyers", "silent", "left_first", "still_there")


@final
@dataclass(frozen=True, eq=False, repr=False)
class PriorPredictive:
    """Customers as the priors expect them, beside those that there are.

    Attributes
    ----------
    frame : DataFrame
        One row per draw from the priors: the quantities that priors are about, the parameters, and
        figures of customers simulated from them. Of purchases: repeat_buyers (share),
        mean_frequency, frequency_q95, silent (share without a purchase in the second half of the
        time observed); of spend: mean_spend, median_spend, spend_q95, of customers' mean values;
        of contracts: left_first (share of those who faced a renewal), still_there (share),
        mean_renewals.
    observed : mapping of str to float
        The same figures of the data.
    model : str
        Title of the model.
    """

    frame: "pd.DataFrame"
    observed: Mapping[str, float]
    model: str

    @property
    def quantile(self) -> Figures:
        """Where each observed figure lies: the share of draws below it, and half of those equal."""
        found = {}
        for name, value in self.observed.items():
            drawn = self.frame[name].to_numpy()
            found[name] = float(np.mean(drawn < value) + np.mean(drawn == value) / 2)
        return found

    def __repr__(self) -> str:
        lines = [
            f"{self.model}: {len(self.frame):,} populations drawn from the priors, observed as the "
            "customers of the data are."
        ]
        for name, at in self.quantile.items():
            low, high = (_figure(name, v) for v in np.quantile(self.frame[name], (0.05, 0.95)))
            doubt = " They hardly allow for it." if min(at, 1 - at) < _HARDLY else ""
            lines.append(
                f"- The observed {_WORDS[name]}, {_figure(name, self.observed[name])}, lies at the "
                f"{100 * at:.0f} % quantile of what the priors expect (90 % between {low} and "
                f"{high}).{doubt}"
            )
        return "\n".join(lines)

    _repr_html_ = as_lines


def describe_priors(model: Model, priors: Priors | None = None) -> str:
    """What a Bayesian fit of a model would assume beforehand, in words.

    Parameters
    ----------
    model : purchase, spend or retention model
        With its covariates, if any.
    priors : mapping of str to Prior, Flat or GroupSpread, optional
        As for `MCMC`; all others have their default.

    Returns
    -------
    str
        One line per quantity that has a prior. The last one, of differences between groups, is
        for ``MCMC(groups=...)``.

    Raises
    ------
    ParameterError
        If a prior is for an unknown quantity.
    FitError
        If the model knows no priors.

    Examples
    --------
    >>> import clvmodels as clv
    >>> print(describe_priors(clv.NBDModel(), {"purchases": clv.Prior(2, factor=3)}))
    purchases (mean purchases over the median T, while customers are there): 2, and with
    probability 90 % between 0.667 and 6.
    purchase_cv (coefficient of variation of purchase rates over customers): 1, and with
    probability 90 % between 0.2 and 5.
    groups (how far groups differ): a standard deviation of the groups is a factor of at most 2,
    with probability 90 %.
    """
    known = TraitPriors.of(_traits(model), priors)
    return f"{known.describe()}\n{GROUPS} (how far groups differ): {known.spread.describe()}."


def prior_predictive(
    model: Model,
    data: Summary | RetentionTable,
    priors: Priors | None = None,
    draws: int = 200,
    seed: int = 0,
) -> PriorPredictive:
    """Simulate customers from the priors, to see whether these make sense before fitting.

    Parameters are drawn from the priors, which are relative to the data's own time and money; then
    customers with the data's own T (spend: purchases; contracts: starts) are simulated, at most
    1,000 of them (contracts: all).

    Parameters
    ----------
    model : purchase, spend or retention model
    data : RFMSummary, OpportunitySummary or RetentionTable
        What the model is going to be fitted to.
    priors : mapping of str to Prior, optional
        As for `MCMC`; all others have their default.
    draws : int
        How many populations to draw.
    seed : int
        The same seed gives the same populations.

    Returns
    -------
    PriorPredictive
        Figures of each population, and where the observed ones lie among them. An observed figure
        far out says that the priors contradict the data; priors that are weak on purpose expect
        figures of many orders of magnitude.

    Raises
    ------
    ParameterError
        If a prior is flat or for an unknown quantity, or so wide that nothing can be simulated.
    DataError
        If the model cannot be fitted to such data.

    References
    ----------
    Gelman et al. (2020), Bayesian workflow, arXiv:2011.01808, section 2.4.

    Examples
    --------
    >>> import clvmodels as clv
    >>> found = prior_predictive(clv.BetaGeoModel(), clv.datasets.load_cdnow_summary(), draws=100)
    >>> round(found.observed["repeat_buyers"], 2), 0.05 < found.quantile["repeat_buyers"] < 0.95
    (0.4, True)
    """
    import pandas as pd

    rng = np.random.default_rng(seed)
    _traits(model)  # an error, if it has none
    fit: Any = model.fit(data, _Start())  # type: ignore[arg-type]
    traits = fit.likelihood_of(data)[0].traits
    eta = TraitPriors.of(traits.traits, priors).draw(whole_number("draws", draws, 1), rng)
    theta = np.exp(traits.back(eta))
    params = {name: theta[:, [k]] for k, name in enumerate(traits.parameters)}
    observed, simulate = _populations(fit, data, rng)
    try:
        rows = [simulate({name: v[[k]] for name, v in params.items()}) for k in range(draws)]
    except ValueError as error:  # of a number of purchases beyond what can be counted
        raise ParameterError(
            f"Some priors are too wide to simulate from ({error}). Give a smaller factor."
        ) from None
    columns = {trait.name: trait.value(eta[:, k]) for k, trait in enumerate(traits.traits)}
    columns |= {name: values[:, 0] for name, values in params.items()}
    frame = pd.DataFrame(columns).join(pd.DataFrame(rows))
    return PriorPredictive(frame, observed, model.title)


@final
@dataclass(frozen=True, slots=True)
class _Start:
    """A method that goes no further than where it starts: the fit then knows its data's design."""

    def estimate(self, problem: Problem) -> Estimate:
        if problem.penalty is not None:
            raise ParameterError(
                "A ridge is a prior for maximum likelihood: leave it out, and give priors instead."
            )
        theta = problem.starts(problem.data, problem.weight)[0]
        return Estimate(
            method="start",
            point={name: np.array([[v]]) for name, v in zip(problem.names, theta, strict=True)},
            loglik=-problem.objective()(theta)[0],
            diagnostics=Diagnostics(converged=False, gain_left=np.inf),
        )


def _traits(model: Model) -> tuple[Trait, ...]:
    """All that has a prior, covariates' multipliers included."""
    if not isinstance(model, PurchaseModel | SpendModel | RetentionModel):
        raise ParameterError(
            f"Priors are for models of purchases, spend or retention: {type(model).__name__}."
        )
    blocks = model.blocks
    if not blocks:
        raise FitError(f"{model.title} has no priors: it is fitted by MLE() or Bootstrap() only.")
    if not isinstance(model, RetentionModel):
        effects = coefficients(model.covariates, model.processes)
        blocks += tuple(multiplier(e.name, _multiplies(e.effect.meaning)) for e in effects)
    return tuple(trait for block in blocks for trait in block.traits)


def _multiplies(what: str) -> str:
    return f"what one standard deviation more multiplies {what} by"


def _populations(
    fit: Any, data: Any, rng: np.random.Generator
) -> tuple[Figures, Callable[[Params], Figures]]:
    """Figures of the data, and a function from one draw of parameters to those of a population."""
    if isinstance(fit, FittedPurchases):
        return _purchases(fit, data, rng)
    if isinstance(fit, FittedSpend):
        return _spend(fit, data, rng)
    return _contracts(fit, data, rng)


def _purchases(
    fit: FittedPurchases, data: Summary, rng: np.random.Generator
) -> tuple[Figures, Callable[[Params], Figures]]:
    quantities = fit.quantities(data)
    h = quantities.histories(data)
    rows = _some(h.weight)
    zero, T, z = np.zeros(len(rows)), h.T[rows], h.z[rows]
    kernel, each = quantities.kernel, np.ones(len(rows))

    def simulate(one: Params) -> Figures:
        params = {name: values[0] for name, values in quantities.at(one, z).items()}
        alive = rng.random(len(T)) < kernel.prob_alive(zero, zero, zero, **params)
        x, t_x = (np.where(alive, v, 0.0) for v in kernel.simulate(zero, zero, T, rng, **params))
        return _of_purchases(x, t_x, T, each)

    return _of_purchases(h.x, h.t_x, h.T, h.weight), simulate


def _of_purchases(x: FloatArray, t_x: FloatArray, T: FloatArray, weight: FloatArray) -> Figures:
    watched = weight * (T > 0)
    return {
        "repeat_buyers": float(np.average(x > 0, weights=weight)),
        "mean_frequency": float(np.average(x, weights=weight)),
        "frequency_q95": _quantile(x, weight, 0.95),
        "silent": float(np.average(t_x <= T / 2, weights=watched)),
    }


def _spend(
    fit: FittedSpend, data: Summary, rng: np.random.Generator
) -> tuple[Figures, Callable[[Params], Figures]]:
    x, m = monetary(data)
    usable = (x > 0) & (m > 0)
    buyers = data.select(usable)
    x, m, weight = x[usable], m[usable], buyers.weights
    rows = _some(weight)
    columns = columns_of(buyers, fit.design, None)
    z = np.empty((len(rows), 0)) if columns is None else columns[rows]
    each = np.ones(len(rows))

    def simulate(one: Params) -> Figures:
        own = own_params(one, z, fit.design, None)
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # spend beyond numbers
            drawn = fit.model.simulate(x[rows], rng, own)[0]
        bounded = np.nan_to_num(drawn, nan=0.0, posinf=_RICHEST)
        return _of_spend(np.minimum(bounded, _RICHEST), each)

    return _of_spend(m, weight), simulate


def _of_spend(m: FloatArray, weight: FloatArray) -> Figures:
    return {
        "mean_spend": float(np.average(m, weights=weight)),
        "median_spend": _quantile(m, weight, 0.5),
        "spend_q95": _quantile(m, weight, 0.95),
    }


def _contracts(
    fit: FittedRetention, data: RetentionTable, rng: np.random.Generator
) -> tuple[Figures, Callable[[Params], Figures]]:
    from clvmodels.kernels.retention import renewals, retention_rates
    from clvmodels.kernels.retention import simulate as survivors_of

    # cohorts of one age are alike, and what is known of theirs is the last renewal they faced
    _, cohort = np.unique(data.cohort, return_inverse=True)
    faced = np.zeros(cohort.max() + 1, dtype=np.int64)
    np.maximum.at(faced, cohort, data.duration.astype(np.int64))
    customers = np.bincount(faced[cohort], data.customers)
    acquired, last = float(customers.sum()), int(faced.max())

    def simulate(one: Params) -> Figures:
        rates = retention_rates(partial(fit.model.kernel.log_kept, **one), last)[0]
        kept, lost, still = np.zeros(last), np.zeros(last), 0.0
        for age in np.flatnonzero(customers):
            there = survivors_of(np.minimum(rates[:age], 1.0), round(customers[age]), rng)
            kept[:age] += there[1:]
            lost[:age] -= np.diff(there)
            still += there[-1]
        return _of_contracts(kept, lost, still, acquired)

    there = float(data.customers[~data.churned].sum())
    kept, lost = renewals(data.duration, data.churned, data.customers)
    return _of_contracts(kept, lost, there, acquired), simulate


def _of_contracts(kept: FloatArray, lost: FloatArray, still: float, acquired: float) -> Figures:
    return {
        "left_first": float(lost[0] / (kept[0] + lost[0])),
        "still_there": still / acquired,
        "mean_renewals": float(kept.sum()) / acquired,
    }


def _some(weight: FloatArray) -> IntArray:
    """Rows of at most so many customers, each row as often as its weight says."""
    total = weight.sum()
    size = int(np.clip(np.round(total), 1, _CUSTOMERS))
    places = (np.arange(size) + 0.5) / size * total
    rows: IntArray = np.minimum(np.searchsorted(np.cumsum(weight), places), len(weight) - 1)
    return rows


def _quantile(values: FloatArray, weight: FloatArray, probability: float) -> float:
    """The lowest value that so large a share of the weight does not exceed."""
    order = np.argsort(values)
    reached = np.cumsum(weight[order])
    place = np.searchsorted(reached, probability * reached[-1])
    return float(values[order[min(int(place), len(order) - 1)]])


def _figure(name: str, value: float) -> str:
    return f"{100 * value:.3g} %" if name in _SHARES else f"{value:,.3g}"

"""Whether a method's posteriors are right: simulation-based calibration.

Parameters are drawn from the prior, customers from the parameters, and the posterior from the
customers. If all is right, the rank of the true value among the posterior draws is uniform.
"""

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, final

import numpy as np
from scipy.special import chdtrc

from clvmodels._notebook import as_lines
from clvmodels._numbers import whole_number
from clvmodels._typing import FloatArray, IntArray
from clvmodels.bayes.priors import TraitPriors
from clvmodels.data.opportunities import OpportunitySummary
from clvmodels.data.retention import RetentionTable
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import ClvWarning, DataError, FitError, ParameterError
from clvmodels.inference.estimate import Diagnostics, Estimate, Method
from clvmodels.inference.groups import column_names
from clvmodels.inference.problem import Problem
from clvmodels.inference.psis import RELIABLE
from clvmodels.inference.traits import Scales, TraitMap
from clvmodels.models.purchases import PurchaseModel
from clvmodels.models.retention import RetentionModel
from clvmodels.models.spend import SpendModel
from clvmodels.units import Horizon, HorizonLike

if TYPE_CHECKING:
    import pandas as pd

Model: TypeAlias = PurchaseModel | SpendModel | RetentionModel
Values: TypeAlias = dict[str, float]

LOG_LIKELIHOOD: Final = "log-likelihood"
_DRAWS: Final = (99, 19)  # kept of each posterior: ranks then fall into equal bins
_BINS: Final = (20, 10, 5)
_LEAST_PER_BIN: Final = 5.0  # expected ranks, for the chi-square
_GROUPS: Final = 5
_REPEATS: Final = 0.3  # probability that a purchase is the last, where only spend is modelled
_SPREAD: Final = ": sd between"  # in the names of traits that say how far groups differ
_ALARM: Final = 0.01


@final
@dataclass(frozen=True, eq=False, repr=False)
class Calibration:
    """Ranks of true values among posterior draws, over many simulated data sets.

    Attributes
    ----------
    frame : DataFrame
        replication, parameter, truth, rank (how many draws lie below it), draws, reliable (whether
        the posterior's draws are worth as many independent ones, with k-hat at most 0.7).
    method : str
        What was examined.
    replications : int
        Data sets simulated.
    unfitted : mapping of str to int
        Why data sets could not be fitted, and how many. Whether one can be is a matter of the data
        alone, so that the ranks of all others remain uniform; many say that the priors allow for
        populations that so few customers tell nothing of.
    """

    frame: "pd.DataFrame"
    method: str
    replications: int
    unfitted: Mapping[str, int]

    @property
    def p_value(self) -> dict[str, float]:
        """Per parameter, how probable ranks are that are as uneven as these, if all is right.

        Of the chi-square of ranks in bins of equal width, over the reliable fits: what a method's
        diagnostics warn of is not held against it. That too is a matter of the data alone.
        """
        found = {}
        reliable = self.frame[self.frame["reliable"]]
        for name, own in reliable.groupby("parameter", sort=False):
            counts = rank_counts(own["rank"].to_numpy(), int(own["draws"].iloc[0]))
            expected = counts.sum() / len(counts)
            chi_square = float(((counts - expected) ** 2).sum() / expected)
            found[str(name)] = float(chdtrc(len(counts) - 1, chi_square))
        return found

    @property
    def _fits(self) -> "pd.Series[bool]":
        """Whether each fit is reliable."""
        fits: pd.Series[bool] = self.frame.groupby("replication")["reliable"].first()
        return fits

    def __repr__(self) -> str:
        p_value = self.p_value
        if not p_value:
            return f"{self.method}: no reliable fit among {len(self._fits):,}. Ask for more draws."
        worst = min(p_value, key=lambda name: p_value[name])
        # of several p-values one is small by chance: Bonferroni
        p = min(1.0, p_value[worst] * len(p_value))
        told = (
            f"{self.method}: ranks of {len(p_value)} quantities in {int(self._fits.sum()):,} "
            "simulated data sets. "
        )
        if p < _ALARM:
            told += (
                f"NOT uniform: {worst} least so (p = {p_value[worst]:.2g}). The draws are not "
                "those of the posterior."
            )
        else:
            told += (
                f"No sign that they are not uniform: {worst} least so (p = {p_value[worst]:.2g})."
            )
        lines = [told]
        for reason, count in self.unfitted.items():
            lines.append(f"- {count:,} of {self.replications:,} data sets not fitted. {reason}.")
        doubtful = len(self._fits) - int(self._fits.sum())
        if doubtful:
            lines.append(
                f"- {doubtful:,} fits are unreliable by their own diagnostics: their ranks are in "
                "the frame, but not in the p-values."
            )
        return "\n".join(lines)

    _repr_html_ = as_lines


def simulation_based_calibration(
    model: Model,
    method: Method,
    customers: int = 200,
    horizon: HorizonLike = "52 weeks",
    replications: int = 100,
    seed: int = 0,
    progress: bool = False,
) -> Calibration:
    """Check a method on data whose true parameters are known, drawn from its own priors.

    For every replication the truth comes from the priors, customers from the truth, and a
    posterior from the customers; the rank of the truth among the posterior's draws is uniform if
    model, priors and sampler are what they should be. Ranks that pile up at both ends say that
    posteriors are too narrow, those in the middle too wide, those at one end off to the side.

    Parameters
    ----------
    model : purchase, spend or retention model
        Without covariates.
    method : Method
        `MCMC` or `Laplace` with proper priors. With ``groups`` (of retention models "cohort"), a
        column of that name with five groups of customers is made up.
    customers : int
        Per data set.
    horizon : Horizon or str
        How long customers are observed. Opportunities and contract periods last one of its units.
        Priors are relative to it, and to one unit of money.
    replications : int
        Data sets, each simulated and fitted.
    seed : int
        The same seed gives the same ranks; methods that draw get a seed of their own each time.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Calibration
        Ranks, p-values, and what was left out. Besides each parameter there is the log-likelihood,
        which shows a posterior that ignores the data, and with groups every group and the
        differences between groups.

    Raises
    ------
    ParameterError
        If a prior is flat, the method has no priors, or the model has covariates.
    FitError
        If no data set could be fitted.

    References
    ----------
    Talts, Betancourt, Simpson, Vehtari and Gelman (2018), Validating Bayesian inference algorithms
    with simulation-based calibration, arXiv:1804.06788; on the log-likelihood, Modrák et al.
    (2023), Simulation-based calibration checking for Bayesian computation, Bayesian Analysis.

    Examples
    --------
    >>> import clvmodels as clv
    >>> found = simulation_based_calibration(
    ...     clv.ShiftedBetaGeoModel(), clv.Laplace(), horizon="8 years", replications=25)
    >>> found.frame.parameter.unique().tolist(), min(found.p_value.values()) > 0.01
    (['alpha', 'beta', 'log-likelihood'], True)
    """
    import pandas as pd
    from rich.progress import track

    world = _World.of(model, method, whole_number("customers", customers, 2), horizon)
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    unfitted: Counter[str] = Counter()
    count = whole_number("replications", replications, 1)
    for k in track(range(count), "Calibration", disable=not progress):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ClvWarning)
                truth, estimate = world.replicate(rng)
        except (DataError, FitError) as error:
            unfitted[str(error).split(". ")[0]] += 1
            continue
        rows += [{"replication": k, **row} for row in _ranks(truth, estimate, rng)]
    if not rows:
        raise FitError(
            f"None of {count:,} data sets could be fitted ({next(iter(unfitted))}). Simulate more "
            "customers, or give priors nearer to what is seen in practice."
        )
    name = type(method).__name__
    return Calibration(pd.DataFrame(rows), name, count, dict(unfitted))


def rank_counts(ranks: IntArray, draws: int) -> FloatArray:
    """Ranks in bins of equal width, as many bins as leave five or more in each on average."""
    most = max(len(ranks) / _LEAST_PER_BIN, _BINS[-1])
    bins = next(b for b in _BINS if b <= most and (draws + 1) % b == 0)
    counts = np.bincount((ranks * bins) // (draws + 1), minlength=bins)
    return counts.astype(np.float64)


@final
@dataclass(frozen=True, slots=True)
class _OnScales:
    """A method whose priors are relative to known scales, not to those of the data."""

    method: Method
    scales: Scales

    @property
    def groups(self) -> Any:
        return getattr(self.method, "groups", None)

    def estimate(self, problem: Problem) -> Estimate:
        return self.method.estimate(replace(problem, scales_given=self.scales))


class _Truth(NamedTuple):
    """True parameters of the typical group and of each group, sds between groups, likelihood."""

    centre: Values
    groups: list[Values]
    spreads: FloatArray
    log_likelihood: float


@final
@dataclass(frozen=True, slots=True)
class _World:
    """Where data come from."""

    model: Any
    method: Any
    customers: int
    horizon: Horizon
    traits: TraitMap
    priors: TraitPriors

    @classmethod
    def of(cls, model: Model, method: Method, customers: int, horizon: HorizonLike) -> "_World":
        if getattr(model, "covariates", None):
            raise ParameterError("Calibration is of models without covariates: leave them out.")
        if not hasattr(method, "priors") or not is_dataclass(method):
            raise ParameterError(
                f"Calibration is of methods with priors, Laplace() or MCMC(): got {method!r}."
            )
        if len(column_names(getattr(method, "groups", None) or "none")) > 1:
            raise ParameterError("Calibration is of groups in one column, not of nested ones.")
        length = Horizon.parse(horizon)
        traits = TraitMap(model.blocks, {"time": length.length, "money": 1.0})
        if not traits.blocks:
            raise FitError(f"{model.title} has no priors to draw true parameters from.")
        priors = TraitPriors.of(traits.traits, method.priors)
        return cls(model, method, customers, length, traits, priors)

    def replicate(self, rng: np.random.Generator) -> tuple[_Truth, Estimate]:
        """A truth from the priors, and the posterior of customers simulated from it."""
        eta = self.priors.draw(1, rng)[0]
        centre = self._params(eta)
        method = _OnScales(self._seeded(rng), self.traits.scales)
        if method.groups is None:
            fit = self._true_fit(centre)
            data = self._data(fit, self.customers, rng)
            truth = _Truth(centre, [], np.empty(0), fit.loglik_of(data))
            return truth, self.model.fit(data, method).estimate
        spreads = np.abs(rng.standard_normal(len(eta))) * self.priors.spread.scale
        values = eta + spreads * rng.standard_normal((_GROUPS, len(eta)))
        groups = [self._params(value) for value in values]
        fits = [self._true_fit(own) for own in groups]
        parts = [self._data(fit, max(self.customers // _GROUPS, 1), rng) for fit in fits]
        log_likelihood = sum(fit.loglik_of(part) for fit, part in zip(fits, parts, strict=True))
        data = _stacked(parts, column_names(method.groups)[0])
        truth = _Truth(centre, groups, spreads, log_likelihood)
        return truth, self.model.fit(data, method).estimate

    def _seeded(self, rng: np.random.Generator) -> Method:
        """The method with a seed of its own, and silent."""
        names = {field.name for field in fields(self.method)}
        changes: dict[str, Any] = {}
        if "seed" in names:
            changes["seed"] = int(rng.integers(2**31))
        if "progress" in names:
            changes["progress"] = False
        method: Method = replace(self.method, **changes)
        return method

    def _params(self, eta: FloatArray) -> Values:
        theta = np.exp(self.traits.back(eta)).tolist()
        return dict(zip(self.traits.parameters, theta, strict=True))

    def _true_fit(self, values: Values) -> Any:
        unit = Horizon(1, self.horizon.unit)
        clock: dict[str, Any] = {"time_unit": self.horizon.unit}
        if isinstance(self.model, RetentionModel):
            clock = {"period": unit}
        elif isinstance(self.model, SpendModel):
            clock = {}
        elif self.model.container is OpportunitySummary:
            clock = {"every": unit}
        return self.model.with_params(**values, **clock)

    def _data(self, fit: Any, customers: int, rng: np.random.Generator) -> Any:
        seed = int(rng.integers(2**31))
        if isinstance(self.model, RetentionModel):
            return fit.simulate(customers, int(self.horizon.length), seed)
        if isinstance(self.model, PurchaseModel):
            return fit.simulate(customers, self.horizon, seed)
        x = rng.geometric(_REPEATS, customers).astype(np.float64)
        observed = np.full(customers, self.horizon.length)
        return RFMSummary.from_arrays(
            x, observed, observed, time_unit=self.horizon.unit, monetary_value=fit.simulate(x, seed)
        )  # fmt: skip


def _stacked(parts: list[Any], column: str) -> Any:
    """Customers of several groups in one summary, which names the group in a column."""
    first: Any = parts[0]
    sizes = [len(part) for part in parts]
    group = np.repeat(np.arange(len(parts)), sizes)
    rows: dict[str, Any] = {
        f.name: np.concatenate([getattr(part, f.name) for part in parts])
        for f in fields(first)
        if isinstance(getattr(first, f.name), np.ndarray)
    }
    if isinstance(first, RetentionTable):
        return replace(first, **{**rows, "cohort": group})
    rows["customer_id"] = np.arange(len(group))
    return replace(first, **rows, columns={column: group})


def _ranks(truth: _Truth, estimate: Estimate, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """One row per quantity: its true value, and how many draws lie below it."""
    for quantity, true, draws in _quantities(truth, estimate, rng):
        yield {
            "parameter": quantity,
            "truth": true,
            "rank": int(np.count_nonzero(draws < true)),
            "draws": len(draws),
            "reliable": _is_reliable(estimate.diagnostics, len(draws)),
        }


def _is_reliable(diagnostics: Diagnostics, draws: int) -> bool:
    sampling = diagnostics.sampling
    if sampling is None:
        return diagnostics.converged
    return sampling.ess >= draws and (sampling.pareto_k or 0.0) <= RELIABLE


def _quantities(
    truth: _Truth, estimate: Estimate, rng: np.random.Generator
) -> Iterator[tuple[str, float, FloatArray]]:
    """Name, true value and draws, of as many as are about independent of each other."""
    have = len(next(iter(estimate.point.values())))
    keep = next((n for n in _DRAWS if 2 * n <= have), None)  # of chains, every second at most
    if not estimate.is_sample:
        params, rows = estimate.sample(_DRAWS[0], rng), None
    elif keep is None:
        raise ParameterError(f"Calibration takes {2 * _DRAWS[-1]} draws or more, got {have}.")
    else:
        rows = np.linspace(0, have - 1, keep).astype(np.int64)
        params = {name: values[rows] for name, values in estimate.point.items()}
    for name, values in params.items():
        yield name, truth.centre[name], values[:, 0]
        for k, own in enumerate(truth.groups):
            yield f"{name}, group {k}", own[name], values[:, 1 + k]
    posterior = estimate.posterior
    if posterior is None or rows is None:
        return
    if truth.groups:
        apart = [name for name in posterior.traits if _SPREAD in name]
        for name, spread in zip(apart, truth.spreads, strict=True):
            yield name, float(spread), posterior.traits[name][rows]
    yield LOG_LIKELIHOOD, truth.log_likelihood, posterior.log_lik[rows]

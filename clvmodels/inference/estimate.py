"""What every method returns: parameter values, how sure they are, and how the fit went."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Protocol, final

import numpy as np

from clvmodels._notebook import as_lines
from clvmodels._typing import FloatArray, Params
from clvmodels.inference.problem import Problem
from clvmodels.inference.traits import Scales


class Method(Protocol):
    """A way to estimate: a frozen object that carries its own options."""

    def estimate(self, problem: Problem) -> "Estimate":
        """Estimate the parameters of `problem`."""
        ...


class Posterior(Protocol):
    """What a Bayesian method keeps besides the draws of the parameters.

    Attributes
    ----------
    traits : mapping of str to ndarray of shape (draws,)
        What the priors are about; with groups, of the typical group.
    log_prior, log_lik : ndarray of shape (draws,)
        Log density of the prior and log-likelihood at each draw.
    alone : ndarray of shape (groups, traits)
        Mode of the posterior of each group fitted without the others, on the scale of the priors;
        NaN where it has none.
    container : DataTree or InferenceData
        ArviZ's own: posterior, prior, log_likelihood, observed_data, sample_stats.
    pymc_model : pymc.Model
        The model as PyMC knows it.
    """

    @property
    def traits(self) -> Params: ...
    @property
    def log_prior(self) -> FloatArray: ...
    @property
    def log_lik(self) -> FloatArray: ...
    @property
    def alone(self) -> FloatArray: ...
    @property
    def container(self) -> Any: ...
    @property
    def pymc_model(self) -> Any: ...


@final
@dataclass(frozen=True, slots=True)
class Sampling:
    """How good the draws of a posterior are.

    Attributes
    ----------
    draws, chains : int
        Kept, per chain.
    ess : float
        Independent draws that these are worth: the least bulk effective sample size over the
        parameters of Markov chains, or that of importance weights.
    r_hat : float or None
        The largest over the parameters: chains that agree have 1.
    ess_tail : float or None
        The least effective sample size of the 5 % and 95 % quantiles.
    divergences : int
        Steps of the sampler that went astray.
    e_bfmi : float or None
        The least over the chains: below 0.3 the tails are explored badly.
    pareto_k : float or None
        Of importance weights: above 0.7 they cannot be relied on.
    interrupted : bool
        Whether the sampling was stopped before its end.
    """

    draws: int
    chains: int
    ess: float
    r_hat: float | None = None
    ess_tail: float | None = None
    divergences: int = 0
    e_bfmi: float | None = None
    pareto_k: float | None = None
    interrupted: bool = False

    def __str__(self) -> str:
        chains = "" if self.chains == 1 else f"{self.chains} chains of "
        parts = [f"{chains}{self.draws:,} draws", f"worth {self.ess:,.0f} independent ones"]
        if self.r_hat is not None:
            parts.append(f"r-hat at most {self.r_hat:.3f}")
        if self.e_bfmi is not None:
            parts += [f"{self.divergences:,} divergences", f"E-BFMI at least {self.e_bfmi:.2f}"]
        if self.pareto_k is not None:
            parts.append(f"Pareto k-hat {self.pareto_k:.2f}")
        return ", ".join(parts)


@final
@dataclass(frozen=True, slots=True)
class Diagnostics:
    """How a fit went, as figures and in words.

    Attributes
    ----------
    converged : bool
        Whether gradient and curvature are those of a maximum (or of the limit it runs to).
    gain_left : float
        Log-likelihood that another Newton step would be expected to add.
    gradient_norm : float
        Norm of the gradient in the logs of the parameters.
    condition_number : float
        Ratio of the largest to the smallest curvature.
    evaluations : int
        Evaluations of the likelihood, over all starts.
    starts_agree : bool
        Whether every start led to the same maximum.
    distinct_rows : int
        Rows the likelihood was evaluated on.
    boundary : tuple of str
        Parameters that the data do not pin down.
    notes : tuple of str
        What a reader of the numbers should know.
    sampling : Sampling or None
        How good the draws are, where the method draws from a posterior.
    """

    converged: bool = True
    gain_left: float = 0.0
    gradient_norm: float = 0.0
    condition_number: float = 1.0
    evaluations: int = 0
    starts_agree: bool = True
    distinct_rows: int = 0
    boundary: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    sampling: Sampling | None = None

    def __str__(self) -> str:
        if self.sampling is not None:
            verdict = "" if self.converged else "NOT to be relied on: "
            return "\n".join([f"{verdict}{self.sampling}", *(f"- {note}" for note in self.notes)])
        head = "converged" if self.converged else "NOT converged"
        if self.converged and self.gain_left > 1e-3:
            head = "stopped where the method's penalty holds it"
        figures = (
            f"{head}: at most {self.gain_left:.1e} log-likelihood left to gain, "
            f"condition number {self.condition_number:.1e}, {self.evaluations} evaluations on "
            f"{self.distinct_rows:,} distinct rows"
        )
        return "\n".join([figures, *(f"- {note}" for note in self.notes)])

    def __repr__(self) -> str:
        return str(self)

    _repr_html_ = as_lines


@final
@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """Parameter values with their uncertainty.

    Attributes
    ----------
    method : str
        How the estimate was made, with its options.
    point : mapping of str to ndarray of shape (draws, 1) or (draws, `Groups.size`)
        Values that predictions are averaged over: one draw for a maximum, the whole sample for a
        posterior. With groups, the first column is that of the typical group.
    covariance : ndarray of shape (parameters, parameters) or None
        Of the logs of the parameters.
    covariance_note : str
        Why there is no covariance, where there is none.
    spread : ndarray of shape (parameters, k) or None
        A factor of the covariance in the directions that the data pin down; `sample` draws
        from it.
    replicates : mapping of str to ndarray of shape (n, 1), or None
        Draws from the sampling distribution or the posterior, where the method has them.
    loglik : float or None
        Log-likelihood at the point (of a posterior: at the geometric means of the draws), in the
        time unit and currency of the data.
    customers : float
        Number of customers fitted.
    fingerprint : tuple of float
        Moments of the data fitted; empty where parameters were given.
    scales : mapping of str to float
        The time and money that the traits of a posterior are relative to; empty for others.
    posterior : Posterior or None
        Of Bayesian methods; neither saved nor copied with the fit, since it holds the data.
    """

    method: str
    point: Params
    covariance: FloatArray | None = None
    covariance_note: str = ""
    spread: FloatArray | None = None
    replicates: Params | None = None
    loglik: float | None = None
    customers: float = 0.0
    fingerprint: tuple[float, ...] = ()
    scales: Scales = field(default_factory=dict)
    diagnostics: Diagnostics = field(default_factory=Diagnostics)
    posterior: Posterior | None = None

    def __post_init__(self) -> None:
        point = _frozen(self.point)
        if self.replicates is not None:
            same = self.replicates is self.point  # of a posterior, which is held once
            object.__setattr__(self, "replicates", point if same else _frozen(self.replicates))
        object.__setattr__(self, "point", point)
        for name in ("covariance", "spread"):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, _read_only(value))

    def __reduce__(self) -> tuple[Any, ...]:
        # built anew: mappings that cannot change cannot be pickled either
        state = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "posterior"}
        if state["replicates"] is not None and all(
            state["replicates"][name] is values for name, values in self.point.items()
        ):
            state["replicates"] = None
            state["is_sample"] = True
        params = {name: dict(state[name]) for name in ("point", "replicates") if state[name]}
        return _rebuild, ({**state, **params},)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(self.point)

    @property
    def is_sample(self) -> bool:
        """Whether the point is a sample of a posterior rather than one value."""
        return len(next(iter(self.point.values()))) > 1

    @property
    def means(self) -> dict[str, float]:
        """Mean of each parameter over the draws of the point; of the typical group."""
        return {name: float(values[:, 0].mean()) for name, values in self.point.items()}

    def means_of(self, group: int) -> FloatArray:
        """Geometric mean of each parameter of a group over the draws, in their order.

        Where log-likelihoods are evaluated: the arithmetic means of a skewed posterior may lie
        where the likelihood is next to nothing.
        """
        own = [v[:, 0 if v.shape[1] == 1 else 1 + group] for v in self.point.values()]
        return np.exp([np.log(values).mean() for values in own])

    def sample(self, n: int, rng: np.random.Generator) -> Params:
        """Draw `n` parameter vectors that show how sure the estimate is.

        The method's own draws where it has them, else normal draws of the logs of the parameters
        in the directions that the data pin down; the point itself where nothing is known.
        """
        if self.replicates is not None:
            have = len(next(iter(self.replicates.values())))
            rows = np.arange(have) if have == n else rng.choice(have, n, replace=have < n)
            return {name: values[rows] for name, values in self.replicates.items()}
        centre = np.log(list(self.means.values()))
        if self.spread is None:
            draws = np.broadcast_to(centre, (n, len(centre)))
        else:
            draws = centre + rng.standard_normal((n, self.spread.shape[1])) @ self.spread.T
        return {name: np.exp(draws[:, [k]]) for k, name in enumerate(self.point)}


def _rebuild(state: dict[str, Any]) -> Estimate:
    if state.pop("is_sample", False):  # the draws are written once
        state["replicates"] = state["point"]
    return Estimate(**state)


def _frozen(values: Params) -> Mapping[str, FloatArray]:
    arrays = {name: _read_only(value) for name, value in values.items()}
    return MappingProxyType({k: v.reshape(-1, 1) if v.ndim < 2 else v for k, v in arrays.items()})


def _read_only(value: FloatArray) -> FloatArray:
    # C order: a product with it then rounds the same after a round trip through a file
    array = np.array(value, dtype=np.float64, order="C")
    array.setflags(write=False)
    return array

"""Draws of a posterior, as an estimate and as ArviZ's container."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, final

import numpy as np

from clvmodels._typing import FloatArray, Params
from clvmodels.bayes.density import Density, Pieces, group_names
from clvmodels.exceptions import FitWarning
from clvmodels.inference.estimate import Diagnostics, Estimate

_PRIOR_DRAWS = 1000
_LARGEST = 50_000_000  # numbers of log_likelihood: 400 MB
_AT_ONCE = 4_000_000


@final
@dataclass(frozen=True, eq=False)
class Draws:
    """Draws of positions of a density; see `clvmodels.inference.estimate.Posterior`.

    Attributes
    ----------
    density : Density
    positions : ndarray of shape (chains, draws, dimension)
    log_lik : ndarray of shape (chains x draws,)
        Log-likelihood at each, chain after chain.
    seed : int
        For what is drawn besides: groups not seen, the prior.
    stats : mapping of str to ndarray of shape (chains, draws)
        What the sampler has to say of each draw.
    """

    density: Density
    positions: FloatArray
    log_lik: FloatArray
    seed: int = 0
    stats: Mapping[str, Any] = field(default_factory=dict)

    def estimate(self, method: str, diagnostics: Diagnostics) -> Estimate:
        """The draws as what every method returns."""
        problem, params = self.density.problem, self.params
        found = Estimate(
            method=method,
            point=params,
            covariance=self._covariance,
            replicates=params,
            customers=problem.customers,
            fingerprint=problem.fingerprint,
            scales=problem.scales,
            diagnostics=diagnostics,
            posterior=self,
        )
        count = 1 if problem.groups is None else len(problem.groups)
        means = np.array([found.means_of(group) for group in range(count)])
        return replace(found, loglik=-float(self.density.sums.value_and_gradient(means)[0].sum()))

    @cached_property
    def pieces(self) -> Pieces:
        """All draws, chain after chain, taken apart."""
        return self.density.pieces(self.positions.reshape(-1, self.positions.shape[-1]))

    @cached_property
    def params(self) -> Params:
        """Parameters of shape (draws, 1) or (draws, `Groups.size`)."""
        return self.density.params(self.pieces, np.random.default_rng(self.seed))

    @property
    def _covariance(self) -> FloatArray | None:
        logs = np.log(np.column_stack([values[:, 0] for values in self.params.values()]))
        return np.atleast_2d(np.cov(logs.T)) if len(logs) > 1 else None

    @property
    def traits(self) -> Params:
        """See `Posterior.traits`."""
        return self._traits_of(self.pieces)

    def _traits_of(self, pieces: Pieces) -> Params:
        traits = self.density.traits.traits
        eta = np.hstack([pieces.centre, pieces.shared])
        found = {trait.name: trait.value(eta[:, k]) for k, trait in enumerate(traits)}
        for level, which in enumerate(self._level_names):
            for k, trait in enumerate(traits[: self.density.own]):
                spread = np.exp(pieces.log_spread[:, level, k])
                found[f"{trait.name}: sd between {which}"] = spread
        return found

    @property
    def log_prior(self) -> FloatArray:
        """See `Posterior.log_prior`."""
        return self.density.log_prior(self.pieces)

    @cached_property
    def alone(self) -> FloatArray:
        """See `Posterior.alone`."""
        from clvmodels.inference.mle import best_of_starts, describe

        traits, priors = self.density.traits, self.density.priors
        out = []
        for part in self.density.problem.by_group():
            whole = replace(part, penalty=priors.penalty(traits))
            found = describe(whole, *best_of_starts(whole))
            eta = traits.forward(np.log(list(found.means.values())))
            out.append(eta if found.diagnostics.converged else np.full_like(eta, np.nan))
        return np.array(out)[:, : self.density.own]

    @property
    def pymc_model(self) -> Any:
        """See `Posterior.pymc_model`."""
        from clvmodels.bayes.pymc_model import build

        return build(self.density)

    @cached_property
    def container(self) -> Any:
        """See `Posterior.container`."""
        from clvmodels.bayes.container import to_arviz

        problem, groups = self.density.problem, self.density.problem.groups
        chains = self.positions.shape[:2]
        coords: dict[str, Any] = {}
        if groups is not None:
            coords["group"] = list(group_names(groups))
        dims = {name: ["group"] for name, values in self.params.items() if values.shape[1] > 1}
        sections: dict[str, Any] = {
            "posterior": _by_chain({**self.params, **self.traits}, chains),
            "sample_stats": {"lp": self._log_density.reshape(chains), **self.stats},
            "observed_data": {k: np.asarray(v) for k, v in problem.data.items()}
            | {"customers": problem.weight},
        }
        dims |= {name: ["history"] for name in sections["observed_data"]}
        rows = len(problem.weight)
        coords["history"] = np.arange(rows)
        whole = np.round(problem.weight).astype(np.int64)
        if self._pointwise_fits(int(whole.sum())):
            each = np.repeat(self.log_lik_rows(), whole, axis=1)
            sections["log_likelihood"] = {"customer": each.reshape(*chains, -1)}
            coords["customer_number"] = np.arange(each.shape[1])
            dims["customer"] = ["customer_number"]
        else:
            warnings.warn(
                "The container has no log_likelihood: it would hold more than "
                f"{_LARGEST:,} numbers, or customers count by parts. clv.loo(fit, data) does "
                "without.",
                FitWarning,
                stacklevel=4,
            )
        if (self.density.priors.precision > 0).all():  # flat ones are no distributions
            sections["prior"] = self._prior()
        return to_arviz(sections, coords, dims)

    def log_lik_rows(self) -> FloatArray:
        """Log-likelihood of each row of the problem at each draw, of shape (draws, rows)."""
        problem, draws = self.density.problem, len(self.log_lik)
        out = np.empty((draws, len(problem.weight)))
        step = max(1, _AT_ONCE // draws)
        for start in range(0, len(problem.weight), step):
            some = slice(start, start + step)
            out[:, some] = problem.at(some).log_lik_rows(self.params)
        return out

    def _pointwise_fits(self, customers: int) -> bool:
        whole = np.allclose(self.density.problem.weight, np.round(self.density.problem.weight))
        known = self.density.problem.rows is not None
        return whole and known and customers * len(self.log_lik) <= _LARGEST

    @property
    def _log_density(self) -> FloatArray:
        of_groups = self.density.log_groups(self.pieces, self.density.values(self.pieces))
        return self.log_lik + self.log_prior + of_groups

    @property
    def _level_names(self) -> tuple[str, ...]:
        groups = self.density.problem.groups
        if groups is None:
            return ()
        if not groups.nested:
            return (groups.columns[0],)
        return groups.columns[0], f"{groups.columns[1]} of one {groups.columns[0]}"

    def _prior(self) -> dict[str, FloatArray]:
        rng = np.random.default_rng(self.seed)
        pieces = self.density.prior_draws(_PRIOR_DRAWS, rng)
        drawn = {**self.density.params(pieces, rng), **self._traits_of(pieces)}
        return _by_chain(drawn, (1, _PRIOR_DRAWS))


def _by_chain(values: Params, chains: tuple[int, int]) -> dict[str, FloatArray]:
    """Draws by chain, without an axis of groups where there is one only."""
    return {
        k: v.reshape(*chains, -1) if v.ndim == 2 and v.shape[1] > 1 else v.reshape(chains)
        for k, v in values.items()
    }

"""The no-U-turn sampler on the PyMC model, PyMC's own or NumPyro's."""

import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Literal, TypeAlias

import numpy as np

from clvmodels._cores import usable_cores
from clvmodels._typing import FloatArray, IntArray
from clvmodels.bayes.density import Density
from clvmodels.bayes.nuts import Chains, Whitening
from clvmodels.bayes.pymc_model import build, layout
from clvmodels.exceptions import FitError

External: TypeAlias = Literal["pymc", "numpyro"]

_JITTER = 0.5  # sd of the starting points, of the approximation's 1
_STATS = ("acceptance_rate", "diverging", "energy", "n_steps", "step_size", "tree_depth")


def sample_pymc(
    density: Density,
    whitening: Whitening,
    *,
    sampler: External,
    draws: int,
    chains: int,
    tune: int,
    seed: int,
    target_accept: float,
    progress: bool,
) -> Chains:
    """Sample `density` as a PyMC model; Ctrl-C keeps what PyMC's own sampler drew.

    Chains start around the centre of the whitening. Its covariance is the metric of PyMC's sampler;
    NumPyro's finds its own.

    Raises
    ------
    FitError
        If the sampler is not installed, PyTensor does not know the model's likelihood, or
        the sampling was stopped before it drew anything after tuning.
    """
    _need(sampler, *(("numpyro", "jax") if sampler == "numpyro" else ("pymc",)))
    import pymc as pm

    starts = np.random.default_rng(seed).normal(0, _JITTER, (chains, len(whitening.centre)))
    options: dict[str, Any] = {
        "draws": draws,
        "tune": tune,
        "chains": chains,
        "random_seed": seed,
        "progressbar": progress,
        "compute_convergence_checks": False,
        "initvals": [_values(density, whitening.centre + whitening.spread(u)) for u in starts],
        "var_names": list(layout(density)),
    }
    with build(density) as model, warnings.catch_warnings():
        # no product of matrices here: pytensor, link/c/cmodule.py, default_blas_ldflags
        warnings.filterwarnings("ignore", "PyTensor could not link to a BLAS", UserWarning)
        if sampler == "numpyro":
            from pymc.sampling.jax import sample_numpyro_nuts

            found = sample_numpyro_nuts(
                target_accept=target_accept, jitter=False, chain_method="vectorized", **options
            )
        else:
            metric = _covariance(whitening, _order(density, model))
            step = pm.NUTS(scaling=metric, is_cov=True, target_accept=target_accept)
            cores = min(chains, usable_cores())
            found = pm.sample(step=step, cores=cores, quiet=not progress, **options)
    return _chains(density, found, draws)


def _need(sampler: External, *packages: str) -> None:
    if missing := [name for name in packages if find_spec(name) is None]:
        raise FitError(
            f"The sampler {sampler!r} needs {' and '.join(missing)}. Run `pip install {sampler}`, "
            "or choose sampler='nutpie'."
        )


def _values(density: Density, position: FloatArray) -> dict[str, FloatArray]:
    """The random variables at a position."""
    return {
        name: np.exp(position[at]) if positive else position[at]
        for name, (at, positive) in layout(density).items()
    }


def _positions(density: Density, drawn: Mapping[str, FloatArray]) -> FloatArray:
    """Positions of draws of the random variables, of shape (chains, draws, dimension)."""
    first = next(iter(drawn.values()))
    out = np.empty((*first.shape[:2], density.dimension))
    for name, (at, positive) in layout(density).items():
        out[..., at] = np.log(drawn[name]) if positive else drawn[name]
    return out


def _order(density: Density, model: Any) -> IntArray:
    """Places in a position in the order in which PyMC strings its variables together."""
    places = layout(density)
    names = [model.values_to_rvs[value].name for value in model.continuous_value_vars]
    return np.concatenate([np.ravel(places[name].indices) for name in names])


def _covariance(whitening: Whitening, order: IntArray) -> FloatArray:
    """That of the normal approximation, in the order given."""
    factor = np.array([whitening.spread(axis) for axis in np.eye(len(order))])[:, order]
    out: FloatArray = factor.T @ factor
    return out


def _chains(density: Density, found: Any, draws: int) -> Chains:
    """What ArviZ's container holds, with log densities as the package has them."""
    posterior, stats = found["posterior"], found["sample_stats"]
    drawn = {name: posterior[name].to_numpy() for name in layout(density)}
    positions = _positions(density, drawn)
    if not positions.shape[1]:
        raise FitError("The sampling was stopped before anything was drawn after tuning.")
    log_density = np.apply_along_axis(lambda q: density(q)[0], -1, positions)
    known = {name: stats[name].to_numpy() for name in _STATS if name in stats}
    return Chains(positions, log_density, known, positions.shape[1] < draws)

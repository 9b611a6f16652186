"""What clvmodels does on the same customers; methods with their defaults, but for size and seed."""

import time
from collections.abc import Callable
from typing import Any

import arviz  # noqa: F401  # imports are not counted
import numpy as np
import nutpie  # noqa: F401

import clvmodels as clv
from benchmarks.bayes.reached import reached
from benchmarks.bayes.worlds import FITTED, base, segments
from benchmarks.speed.measure import best_of
from benchmarks.speed.worlds import customers

_MODELS = {"BetaGeoModel": clv.BetaGeoModel, "ParetoNBDModel": clv.ParetoNBDModel}
clv.MCMC, clv.Laplace  # noqa: B018  # names arrive when they are first used


def nuts(model: str, n: int, draws: int, chains: int = 4) -> dict[str, Any]:
    """MCMC from ungrouped customers to a posterior."""
    return _sampled(_MODELS[model](), base(n), clv.MCMC(draws=draws, chains=chains, seed=1))


def grouped(each: int, draws: int, chains: int = 4) -> dict[str, Any]:
    """The same, with parameters pooled over segments."""
    method = clv.MCMC(draws=draws, chains=chains, seed=1, groups="segment")
    return _sampled(clv.BetaGeoModel(), segments(each), method)


def laplace(model: str, n: int, draws: int) -> dict[str, Any]:
    """Laplace with importance sampling; the ESS is that of the weights."""
    data = base(n)
    start = time.perf_counter()
    fit = _MODELS[model]().fit(data, clv.Laplace(draws=draws, seed=1))
    seconds = time.perf_counter() - start
    sampling = fit.diagnostics.sampling
    return {
        "seconds": seconds,
        "ess": sampling.ess,
        "pareto_k": sampling.pareto_k,
        "means": fit.params,
        "sds": {name: float(v.std()) for name, v in fit.estimate.point.items()},
    }


def values(n: int, draws: int) -> dict[str, Any]:
    """Posterior of twelve months of discounted value of `n` customers; the fit not counted."""
    model = clv.CLVModel(
        clv.BetaGeoModel(), clv.GammaGammaModel(), discount=clv.DiscountRate(0.01, per="month")
    )
    value = model.fit(base(FITTED), clv.Laplace(draws=draws, seed=1))
    data = base(n)
    start = time.perf_counter()
    table = value.predict(data, "12 months")
    return {"seconds": time.perf_counter() - start, "mean": float(table.clv.mean())}


def renderings(rows: int) -> dict[str, Any]:
    """Milliseconds of the log posterior and its gradient on distinct histories, in two renderings.

    The kernel as the sampler calls it, on one core, and the PyMC model's function.
    """
    h = customers(3 * rows, rounded=False).compress()
    data = clv.RFMSummary.from_arrays(h.x[:rows], h.t_x[:rows], h.T[:rows], time_unit="week")
    fit = clv.BetaGeoModel().fit(data, clv.Laplace(draws=100, seed=1))
    density, model = fit.estimate.posterior.density, fit.pymc_model
    q = fit.estimate.posterior.positions[0]
    out: dict[str, Any] = {"kernel": _milliseconds(density, q)}
    gradient = density(q[0])[1]
    for name, mode in (("default", None), ("numba", "NUMBA")):
        start = time.perf_counter()
        function = model.logp_dlogp_function(ravel_inputs=True, mode=mode)
        function.set_extra_values({})
        function(q[0])
        out[f"{name} compile"] = time.perf_counter() - start
        out[name] = _milliseconds(function, q)
        other = function(q[0])[1]
        out["difference"] = float(np.abs(other - gradient).max() / np.abs(gradient).max())
    return out


def _milliseconds(function: Callable[[np.ndarray], object], q: np.ndarray) -> float:
    """Shortest of a few runs over positions `q`, per position."""
    return best_of(lambda: [function(position) for position in q])[0] / len(q) * 1000


def _sampled(model: Any, data: clv.RFMSummary, method: Any) -> dict[str, Any]:
    start = time.perf_counter()
    fit = model.fit(data, method)
    seconds = time.perf_counter() - start
    point, sampling = fit.estimate.point, fit.diagnostics.sampling
    return {
        "seconds": seconds,
        "customers": len(data),
        "divergences": sampling.divergences,
        **reached({k: v.reshape(sampling.chains, -1, v.shape[1]) for k, v in point.items()}),
    }

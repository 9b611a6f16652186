"""What PyMC-Marketing does: its defaults, its priors, its samplers."""

import logging
import time
import warnings
from importlib.metadata import version
from typing import Any

import nutpie  # noqa: F401  # imports are not counted
import pymc_marketing.clv as peer

from benchmarks.bayes.reached import reached
from benchmarks.bayes.worlds import FITTED, base

_FRAME_AT_FIT = int(version("pymc-marketing").split(".")[0]) >= 1
_PARAMETERS = {
    "BetaGeoModel": ("r", "alpha", "a", "b"),
    "ParetoNBDModel": ("r", "alpha", "s", "beta"),
}


def fit(model: str, n: int, sampler: str, draws: int) -> dict[str, Any]:
    """Four chains, as many steps of tuning as draws."""
    frame = base(n).to_pandas()[["customer_id", "frequency", "recency", "T"]]
    start = time.perf_counter()
    fitted = _sampled(getattr(peer, model), frame, draws, sampler)
    seconds = time.perf_counter() - start
    posterior = fitted.idata.posterior
    chains = {name: posterior[name].to_numpy()[..., None] for name in _PARAMETERS[model]}
    divergences = int(fitted.idata.sample_stats["diverging"].sum())
    return {"seconds": seconds, "divergences": divergences, **reached(chains)}


def values(n: int, draws: int) -> dict[str, Any]:
    """Posterior of twelve months of discounted value of `n` customers; fits not counted."""
    frame = base(n).to_pandas()
    few = base(FITTED).to_pandas()
    purchases = _sampled(
        peer.BetaGeoModel, few.drop(columns="monetary_value"), draws // 4, "nutpie"
    )
    repeat = few[few.frequency > 0]
    spend = _sampled(peer.GammaGammaModel, repeat, draws // 4, "nutpie")
    frame = frame.fillna({"monetary_value": 0.0})
    start = time.perf_counter()
    clv = spend.expected_customer_lifetime_value(
        purchases, frame, future_t=12, discount_rate=0.01, time_unit="W"
    )
    means = clv.mean(("chain", "draw")).to_numpy()
    clv.quantile([0.05, 0.95], ("chain", "draw"))
    return {"seconds": time.perf_counter() - start, "mean": float(means.mean())}


def _sampled(model: Any, frame: Any, draws: int, sampler: str) -> Any:
    options = {"chains": 4, "draws": draws, "tune": draws, "random_seed": 1, "progressbar": False}
    if not _FRAME_AT_FIT:
        options["nuts_sampler"] = sampler
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("pymc").setLevel(logging.ERROR)
        if _FRAME_AT_FIT:
            built = model()
            built.fit(frame, method="mcmc", **options)
        else:
            built = model(data=frame)
            built.fit(method="mcmc", **options)
    return built

"""The no-U-turn sampler on a density of our own, in whitened coordinates, by nutpie.

Nothing is compiled: the sampler calls the package's kernels, which are. Coordinates are those of
the normal approximation at the mode, so that the sampler starts where others have to get to.
"""

import sys
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from clvmodels._cores import usable_cores
from clvmodels._typing import FloatArray
from clvmodels.bayes.container import few_draws, import_arviz
from clvmodels.exceptions import FitError

_JITTER = 0.5  # sd of the starting points, of the whitened posterior's 1
_STATS = {
    "diverging": "diverging",
    "energy": "energy",
    "n_steps": "n_steps",
    "step_size": "step_size",
    "mean_tree_accept": "acceptance_rate",
    "depth": "tree_depth",
}


class Whitening(NamedTuple):
    """Where a sampler starts, and how it sees a position: q = centre + spread(u)."""

    centre: FloatArray
    spread: Callable[[FloatArray], FloatArray]
    pull: Callable[[FloatArray], FloatArray]


class Chains(NamedTuple):
    """What was drawn.

    Positions of shape (chains, draws, dimension), log densities and statistics of shape (chains,
    draws), and whether the sampling was interrupted.
    """

    positions: FloatArray
    log_density: FloatArray
    stats: dict[str, Any]
    interrupted: bool = False


def sample(
    density: Callable[[FloatArray], tuple[float, FloatArray]],
    whitening: Whitening,
    *,
    draws: int,
    chains: int,
    tune: int,
    seed: int,
    target_accept: float,
    progress: bool,
) -> Chains:
    """Sample `density`; Ctrl-C keeps what was drawn.

    Raises
    ------
    FitError
        If nutpie is not installed, or was stopped before it drew anything after tuning.
    """
    import_arviz()  # which nutpie does too, and not silently
    try:
        import nutpie
        from nutpie.compiled_pyfunc import from_pyfunc
    except ImportError:
        raise FitError(
            "The sampler 'nutpie' is not installed. Run `pip install nutpie`, or choose "
            "sampler='pymc'."
        ) from None
    size = len(whitening.centre)

    def make_density() -> Callable[[FloatArray], tuple[float, FloatArray]]:
        def of_whitened(u: FloatArray) -> tuple[float, FloatArray]:
            value, gradient = density(whitening.centre + whitening.spread(u))
            return value, whitening.pull(gradient)

        return of_whitened

    def make_expand(*_: Any) -> Callable[[FloatArray], dict[str, FloatArray]]:
        return lambda u: {"q": whitening.centre + whitening.spread(u)}

    model = from_pyfunc(
        size,
        make_density,
        make_expand,
        [np.dtype("float64")],
        [(size,)],
        ["q"],
        make_initial_point_fn=lambda s: _JITTER * np.random.default_rng(s).standard_normal(size),
    )
    running = nutpie.sample(
        model,
        draws=draws,
        tune=tune,
        chains=chains,
        cores=min(chains, usable_cores()),
        seed=seed,
        target_accept=target_accept,
        progress_bar=progress,
        save_warmup=False,
        blocking=False,
    )
    interrupted = False
    with few_draws():
        try:
            trace = running.wait()
        except KeyboardInterrupt:
            interrupted = True
            trace = running.abort()
    return _chains(trace, interrupted)


def _chains(trace: Any, interrupted: bool) -> Chains:
    positions = np.asarray(trace["posterior"]["q"].values)
    stats = trace["sample_stats"]
    whole = np.isfinite(positions).all(axis=-1).all(axis=0)  # what all chains have drawn
    if not whole.any():
        raise FitError("The sampling was stopped before anything was drawn after tuning.")
    found = {ours: stats[name].values[:, whole] for name, ours in _STATS.items() if name in stats}
    return Chains(positions[:, whole], stats["logp"].values[:, whole], found, interrupted)


def shows_progress(asked: bool | None) -> bool:
    """Whether to show a bar: as asked, else in notebooks and terminals only."""
    if asked is not None:
        return asked
    if threading.current_thread() is not threading.main_thread():
        return False
    return "ipykernel" in sys.modules or sys.stderr.isatty()

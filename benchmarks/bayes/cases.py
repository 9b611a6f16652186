"""What is run, and what it is held to."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

from benchmarks.bayes.fresh import FailedError, fresh
from benchmarks.bayes.worlds import SAMPLE

MANY, MORE = 100_000, 1_000_000
# draws per chain, where 1,000 would take PyMC-Marketing the better part of an hour or more
THEIRS_OF_MANY, THEIRS_OF_PARETO = 200, 100


def _samplers() -> tuple[str, ...]:
    """What PyMC-Marketing can sample with; nothing if it is not installed."""
    try:
        release = version("pymc-marketing")
    except PackageNotFoundError:
        return ()
    # PyMC 6, which it needs from 1.0 on, takes nutpie by itself
    return ("nutpie",) if int(release.split(".")[0]) >= 1 else ("pymc", "nutpie")


SAMPLERS = _samplers()
ABSENT = "PyMC-Marketing is not installed"
FASTEST = SAMPLERS[-1:]  # where one run takes minutes


class Row(NamedTuple):
    """One line of the table."""

    what: str
    size: int
    unit: str
    ours: float
    theirs: float | None
    target: str
    reached: str

    @property
    def ratio(self) -> float | None:
        """How many times better ours is: more per second, or less of anything else."""
        if self.theirs is None:
            return None
        return self.ours / self.theirs if self.unit == "ESS/s" else self.theirs / self.ours

    @property
    def met(self) -> str:
        """Whether the target is met: ">= n times" is about the ratio, "< n" about ours."""
        sign, _, limit = self.target.partition(" ")
        if not limit:
            return ""
        value = self.ratio if sign == ">=" else self.ours
        if value is None:
            return "no peer"
        bound = float(limit.split()[0])
        return "yes" if (value >= bound if sign == ">=" else value < bound) else "NO"


class Peer(NamedTuple):
    """Runs of PyMC-Marketing's, one for each of its samplers that came to an end, in words."""

    runs: Sequence[Mapping[str, Any]]
    words: str

    @property
    def rate(self) -> float | None:
        """The most effective draws per second."""
        return max(map(_rate, self.runs), default=None)

    @property
    def seconds(self) -> float | None:
        """The shortest time."""
        return min((run["seconds"] for run in self.runs), default=None)


def cdnow() -> Iterator[Row]:
    """BG/NBD on the CDNOW sample."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        empty = {"NUMBA_CACHE_DIR": one}
        run = fresh("ours", "nuts", empty, model="BetaGeoModel", n=SAMPLE, draws=1000)
        empty = {"NUMBA_CACHE_DIR": other, "PYTENSOR_FLAGS": f"base_compiledir={other}"}
        peer = _fitted_by_peer("BetaGeoModel", SAMPLE, 1000, SAMPLERS, empty)
    what = "BG/NBD, MCMC, nothing compiled before"
    yield Row(what, SAMPLE, "s", run["seconds"], peer.seconds, ">= 2 times", peer.words)
    _fitted_by_peer("BetaGeoModel", SAMPLE, 10, SAMPLERS)  # fills the caches on disk
    peer = _fitted_by_peer("BetaGeoModel", SAMPLE, 1000, SAMPLERS)
    yield from _sample("BetaGeoModel", "BG/NBD", peer, ">= 3 times", ">= 2 times")


def pareto() -> Iterator[Row]:
    """Pareto/NBD on the CDNOW sample."""
    peer = _fitted_by_peer("ParetoNBDModel", SAMPLE, THEIRS_OF_PARETO, FASTEST)
    yield from _sample("ParetoNBDModel", "Pareto/NBD", peer, ">= 10 times", "")


def many() -> Iterator[Row]:
    """BG/NBD with 100,000 customers."""
    peer = _fitted_by_peer("BetaGeoModel", MANY, THEIRS_OF_MANY, FASTEST)
    run = fresh("ours", "nuts", model="BetaGeoModel", n=MANY, draws=1000)
    words = f"{_words('ours, 4 x 1,000', run)}; {peer.words}"
    yield Row("BG/NBD, MCMC", MANY, "ESS/s", _rate(run), peer.rate, ">= 8 times", words)
    run = fresh("ours", "laplace", model="BetaGeoModel", n=MANY, draws=1000)
    words = f"{_words('ours, 1,000 draws', run)}; theirs as above"
    yield Row("BG/NBD, Laplace", MANY, "ESS/s", _rate(run), peer.rate, ">= 100 times", words)


def million() -> Iterator[Row]:
    """BG/NBD with a million customers: time and memory."""
    run = fresh("ours", "laplace", model="BetaGeoModel", n=MORE, draws=1000)
    yield Row("BG/NBD, Laplace", MORE, "s", run["seconds"], None, "< 5", _words("ours", run))
    yield Row("BG/NBD, Laplace: peak", MORE, "MB", run["memory"], None, "< 4000", "whole process")
    run = fresh("ours", "nuts", model="BetaGeoModel", n=MORE, draws=500)
    words = _words("ours, 4 x 500", run)
    yield Row("BG/NBD, MCMC", MORE, "s", run["seconds"], None, "< 180", words)
    yield Row("BG/NBD, MCMC: peak", MORE, "MB", run["memory"], None, "< 4000", "whole process")


def values() -> Iterator[Row]:
    """Posterior of the discounted value of every customer."""
    n, few, draws = 200_000, 5_000, 1000
    run = fresh("ours", "values", n=n, draws=draws)
    same = fresh("ours", "values", n=few, draws=draws)
    peer = _by_peer("values", n=few, draws=draws)
    words = [f"mean of {few:,} others {same['mean']:.2f}", peer.words]
    words += [
        f"theirs {done['seconds']:.1f} s and {done['memory']:,.0f} MB for those {few:,}, "
        f"mean {done['mean']:.2f}; time scaled to {n:,}"
        for done in peer.runs
    ]
    theirs = None if peer.seconds is None else peer.seconds * n / few
    reached = "; ".join(filter(None, words))
    what = "12-month discounted CLV, 1,000 draws"
    yield Row(what, n, "s", run["seconds"], theirs, "< 60", reached)
    yield Row(f"{what}: peak", n, "MB", run["memory"], None, "< 2000", "whole process")


def hierarchy() -> Iterator[Row]:
    """BG/NBD pooled over 50 segments of 1,000 customers."""
    run = fresh("ours", "grouped", each=1000, draws=1000)
    words = _words("ours, 4 x 1,000; of the typical group", run)
    size = run["customers"]
    yield Row("hierarchical BG/NBD, MCMC", size, "s", run["seconds"], None, "< 300", words)
    yield Row("its largest r-hat", size, "", run["rhat"], None, "< 1.01", "of all groups")


def renderings() -> Iterator[Row]:
    """One value and gradient of the posterior: our kernel beside our PyTensor expression."""
    for rows in (1_000, 30_000, 100_000):
        run = fresh("ours", "renderings", rows=rows)
        modes = ", ".join(
            f"{run[mode]:.3f} ms {name}, compiled in {run[f'{mode} compile']:.1f} s"
            for mode, name in (("default", "in PyTensor's default mode"), ("numba", "by numba"))
        )
        words = (
            f"theirs is our PyTensor expression: {modes}; "
            f"gradients differ by {run['difference']:.1e} of the largest"
        )
        other = min(run["default"], run["numba"])
        yield Row("value and gradient, BG/NBD", rows, "ms", run["kernel"], other, "", words)


CASES: Mapping[str, Callable[[], Iterator[Row]]] = {
    case.__name__: case for case in (cdnow, pareto, many, million, values, hierarchy, renderings)
}


def _sample(model: str, title: str, peer: Peer, more: str, sooner: str) -> Iterator[Row]:
    """4 x 1,000 draws: effective ones per second, and how long until the posterior is there."""
    fresh("ours", "nuts", model=model, n=SAMPLE, draws=10)  # fills the caches on disk
    run = fresh("ours", "nuts", model=model, n=SAMPLE, draws=1000)
    words = f"{_words('ours, 4 x 1,000', run)}; {peer.words}"
    yield Row(f"{title}, MCMC", SAMPLE, "ESS/s", _rate(run), peer.rate, more, words)
    if sooner:
        seconds = run["seconds"]
        yield Row(f"{title}, MCMC", SAMPLE, "s", seconds, peer.seconds, sooner, "the same fits")
    run = fresh("ours", "laplace", model=model, n=SAMPLE, draws=1000)
    words = f"{_words('ours, 1,000 draws', run)}; theirs as above"
    yield Row(f"{title}, Laplace", SAMPLE, "ESS/s", _rate(run), peer.rate, "", words)


def _fitted_by_peer(
    model: str,
    n: int,
    draws: int,
    samplers: Sequence[str],
    environment: Mapping[str, str] | None = None,
) -> Peer:
    """PyMC-Marketing's fit by each of some samplers."""
    fits = [
        _by_peer("fit", environment, model=model, n=n, sampler=sampler, draws=draws)
        for sampler in samplers
    ]
    words = [
        "; ".join(_words(f"theirs, {sampler}, 4 x {draws:,}", run) for run in fit.runs)
        or f"theirs, {sampler}, 4 x {draws:,}: {fit.words}"
        for sampler, fit in zip(samplers, fits, strict=True)
    ]
    return Peer([run for fit in fits for run in fit.runs], "; ".join(words) or ABSENT)


def _by_peer(task: str, environment: Mapping[str, str] | None = None, **options: Any) -> Peer:
    """One task of PyMC-Marketing's; no run if it is not installed, or failed."""
    if not SAMPLERS:
        return Peer((), ABSENT)
    try:
        return Peer((fresh("theirs", task, environment, **options),), "")
    except FailedError as reason:
        return Peer((), str(reason))


def _rate(run: Mapping[str, Any]) -> float:
    """Effective draws of the slowest parameter per second of the fit."""
    return float(run["ess"] / run["seconds"])


def _words(who: str, run: Mapping[str, Any]) -> str:
    """What was reached: posterior means with standard deviations, and how good the draws are."""
    means = ", ".join(f"{k} {v:.4g} ± {run['sds'][k]:.2g}" for k, v in run["means"].items())
    good = f"Pareto k {run['pareto_k']:.2f}" if "pareto_k" in run else f"r-hat {run['rhat']:.3f}"
    return f"{who}: {run['seconds']:.3g} s, ESS {run['ess']:,.0f}, {good}, {means}"

"""Markov chains from the posterior, with groups if there are any."""

import warnings
from dataclasses import dataclass, replace
from numbers import Real
from typing import Literal, TypeAlias, final, get_args

import numpy as np

from clvmodels._notebook import described
from clvmodels._numbers import whole_number
from clvmodels._typing import FloatArray
from clvmodels.bayes.container import few_draws, import_arviz
from clvmodels.bayes.density import Density
from clvmodels.bayes.laplace import gaussian_at, seeds
from clvmodels.bayes.map import mode
from clvmodels.bayes.nuts import Chains, Whitening, sample, shows_progress
from clvmodels.bayes.posterior import Draws
from clvmodels.bayes.priors import Priors
from clvmodels.bayes.start import start_of_groups
from clvmodels.exceptions import FitError, FitWarning, ParameterError
from clvmodels.inference.estimate import Diagnostics, Estimate, Sampling
from clvmodels.inference.groups import column_names
from clvmodels.inference.problem import Problem

Sampler: TypeAlias = Literal["nutpie", "pymc", "numpyro"]

_TUNE, _TUNE_GROUPS = 300, 700
_ACCEPT, _ACCEPT_GROUPS = 0.9, 0.95
_R_HAT, _ESS_PER_CHAIN, _E_BFMI = 1.01, 100, 0.3  # Vehtari et al. (2021); Betancourt (2016)
_DIVERGENCES = 0.005  # share of the steps from which on the draws are not to be relied on


@final
@dataclass(frozen=True, slots=True)
class MCMC:
    """The posterior by Markov chains (the no-U-turn sampler), pooled over groups if asked.

    Chains start around the mode and know the curvature there, and the likelihood is evaluated on
    distinct histories, so that CDNOW's 2,357 customers take a second or two.

    Parameters
    ----------
    draws : int
        Kept, per chain.
    chains : int
        Four tell more of convergence than one.
    tune : int, optional
        Steps per chain before that; 300, or 700 with groups, if not given.
    seed : int
        The same seed gives the same draws.
    target_accept : float, optional
        Nearer to 1, steps are smaller: the cure for divergences; 0.9, or 0.95 with groups, if not
        given.
    groups : str or (str, str), optional
        A column of the summary, or an outer column and one nested in it (market, channel). Every
        parameter of the population is then partially pooled over the groups: those of many
        customers keep their own, those of few lean on the others.
    priors : mapping of str to Prior, Flat or GroupSpread, optional
        By quantity; those not named have their default, "groups" is for differences between
        groups. `describe_priors` lists them.
    sampler : {"nutpie", "pymc", "numpyro"}
        nutpie draws from the package's own kernels, which needs no compilation; the others from
        the PyMC model (``fit.pymc_model``), which is the same density.
    progress : bool, optional
        Show a bar; in notebooks and terminals if not given.
    strict : bool
        Raise where the diagnostics say that the draws are not to be relied on, instead of warning.

    Raises
    ------
    ParameterError
        If a count is less than 1, `target_accept` is no probability, the sampler is unknown, or a
        prior is for an unknown quantity.
    FitError
        If the sampler is not installed; with ``strict=True``, if chains did not converge.

    References
    ----------
    Hoffman and Gelman (2014), The No-U-Turn Sampler, Journal of Machine Learning Research 15,
    1593-1623. Diagnostics: Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021),
    Rank-normalization, folding, and localization, Bayesian Analysis 16(2), 667-718.

    Examples
    --------
    >>> import clvmodels as clv
    >>> rfm = clv.datasets.load_cdnow_summary()
    >>> fit = clv.BetaGeoModel().fit(rfm, MCMC(draws=200, chains=2, seed=1))
    >>> fit.diagnostics.sampling.chains, round(fit.params["r"], 2)
    (2, 0.24)
    """

    draws: int = 1000
    chains: int = 4
    tune: int | None = None
    seed: int = 0
    target_accept: float | None = None
    groups: str | tuple[str, ...] | None = None
    priors: Priors | None = None
    sampler: Sampler = "nutpie"
    progress: bool | None = None
    strict: bool = False

    def __post_init__(self) -> None:
        for name, least in (("draws", 1), ("chains", 1), ("tune", 1), ("seed", 0)):
            if (value := getattr(self, name)) is not None:
                whole_number(name, value, least)
        accept = self.target_accept
        if accept is not None and not (isinstance(accept, Real) and 0 < accept < 1):
            raise ParameterError(
                f"target_accept is a probability, between 0 and 1: {self.target_accept!r}."
            )
        if self.sampler not in get_args(Sampler):
            raise ParameterError(
                f"sampler is one of {', '.join(get_args(Sampler))}: {self.sampler!r}."
            )
        if self.groups is not None:
            object.__setattr__(self, "groups", column_names(self.groups))

    def estimate(self, problem: Problem) -> Estimate:
        """Draw from the posterior of `problem`."""
        at_mode, density, whitening = _prepared(problem, self.priors, self.strict)
        options = {
            "draws": self.draws,
            "chains": self.chains,
            "tune": self.tune or (_TUNE if problem.groups is None else _TUNE_GROUPS),
            "seed": int(
                np.random.SeedSequence(seeds(self.seed, problem.model)).generate_state(1)[0]
            ),
            "target_accept": self.target_accept
            or (_ACCEPT if problem.groups is None else _ACCEPT_GROUPS),
            "progress": shows_progress(self.progress),
        }
        if self.sampler == "nutpie":
            chains = sample(density, whitening, **options)  # type: ignore[arg-type]
        else:
            from clvmodels.bayes.pymc_sampler import sample_pymc

            chains = sample_pymc(density, whitening, sampler=self.sampler, **options)  # type: ignore[arg-type]
        draws = _draws(density, chains, self.seed)
        diagnostics = self._diagnosed(at_mode.diagnostics, draws, chains)
        if not diagnostics.converged:
            if self.strict:
                raise FitError(str(diagnostics))
            warnings.warn(str(diagnostics), FitWarning, stacklevel=4)
        return draws.estimate(self._name, diagnostics)

    @property
    def _name(self) -> str:
        groups = "" if self.groups is None else f", groups={'/'.join(self.groups)}"
        return f"MCMC(draws={self.draws}, chains={self.chains}, seed={self.seed}{groups})"

    def _diagnosed(self, at_mode: Diagnostics, draws: Draws, chains: Chains) -> Diagnostics:
        """How good the draws are, and what to do where they are not."""
        sampling = _sampling(draws, chains)
        notes, harmless = [], int(sampling.interrupted)
        if sampling.interrupted:
            notes.append(
                f"Interrupted: {sampling.draws:,} of {self.draws:,} draws of each chain were kept."
            )
        if sampling.r_hat is not None and not sampling.r_hat < _R_HAT:
            notes.append(
                f"r-hat is {sampling.r_hat:.3f}, above {_R_HAT}: chains disagree. Draw more, or "
                "give informative priors."
            )
        if sampling.ess < _ESS_PER_CHAIN * sampling.chains and not sampling.interrupted:
            notes.append(
                f"The draws are worth {sampling.ess:,.0f} independent ones, fewer than "
                f"{_ESS_PER_CHAIN} per chain: interval ends are rough. Draw more."
            )
        if sampling.divergences:
            share = sampling.divergences / (sampling.draws * sampling.chains)
            harmless += share <= _DIVERGENCES
            notes.append(
                f"{sampling.divergences:,} of the steps diverged ({share:.2%}): narrow corners of "
                "the posterior may be missing. Raise target_accept towards 0.99, or say more of "
                "how far groups can differ with the prior 'groups'."
            )
        if sampling.e_bfmi is not None and sampling.e_bfmi < _E_BFMI:
            notes.append(
                f"E-BFMI is {sampling.e_bfmi:.2f}, below {_E_BFMI}: tails are explored badly. "
                "Give informative priors."
            )
        failed = len(notes) > harmless
        return replace(
            at_mode,
            converged=not failed,
            notes=tuple(notes),
            sampling=sampling,
            boundary=(),
            distinct_rows=len(draws.density.problem.weight),
        )

    _repr_html_ = described


def _prepared(
    problem: Problem, priors: Priors | None, strict: bool
) -> tuple[Estimate, Density, Whitening]:
    """Mode without groups, density and whitening."""
    whole = problem
    if problem.groups is not None:
        data = {name: values for name, values in problem.data.items() if name != "group"}
        whole = replace(problem, data=data, groups=None)
    at_mode, known = mode(whole, priors, strict, grouped=problem.groups is not None)
    if problem.groups is not None:
        density, whitening = start_of_groups(problem, known, at_mode)
        return at_mode, density, whitening
    density = Density(problem, known)
    centre, factor = gaussian_at(at_mode, density)
    return at_mode, density, Whitening(centre, lambda u: factor @ u, lambda g: g @ factor)


def _draws(density: Density, chains: Chains, seed: int) -> Draws:
    draws = Draws(density, chains.positions, np.empty(0), seed, chains.stats)
    of_groups = density.log_groups(draws.pieces, density.values(draws.pieces))
    log_lik = chains.log_density.ravel() - density.log_prior(draws.pieces) - of_groups
    return replace(draws, log_lik=log_lik)


def _sampling(draws: Draws, chains: Chains) -> Sampling:
    count, kept = chains.positions.shape[:2]
    series = [v.reshape(count, kept, -1) for v in {**draws.params, **draws.traits}.values()]
    each = np.concatenate(series, axis=2)
    r_hat, ess, tail = _figures(each)
    energy = chains.stats.get("energy")
    return Sampling(
        draws=kept,
        chains=count,
        ess=ess,
        r_hat=r_hat,
        ess_tail=tail,
        divergences=int(np.sum(chains.stats.get("diverging", 0))),
        e_bfmi=None if energy is None else _e_bfmi(energy),
        interrupted=chains.interrupted,
    )


def _figures(each: FloatArray) -> tuple[float | None, float, float | None]:
    """The largest r-hat, the least bulk and the least tail effective sample size."""
    chains, draws, _ = each.shape
    if draws < 4:
        return None, float(chains * draws), None
    arviz = import_arviz()
    flat = {"v": each}
    with few_draws():
        tree = arviz.convert_to_dataset(flat) if hasattr(arviz, "convert_to_dataset") else flat
    ess = arviz.ess(tree, method="bulk")["v"].values
    tail = arviz.ess(tree, method="tail")["v"].values
    r_hat = None
    if chains > 1:
        with np.errstate(divide="ignore", invalid="ignore"):  # chains that do not move
            each_r_hat = arviz.rhat(tree)["v"].values
        r_hat = float(np.nan_to_num(each_r_hat, nan=np.inf, posinf=np.inf).max())
    return r_hat, float(np.nanmin(ess)), float(np.nanmin(tail))


def _e_bfmi(energy: FloatArray) -> float | None:
    """Betancourt (2016), arXiv:1604.00695: how fast energies change, over how much they vary."""
    if energy.shape[1] < 4:
        return None
    change = np.mean(np.diff(energy, axis=1) ** 2, axis=1)
    return float(np.min(change / np.maximum(np.var(energy, axis=1), 1e-300)))

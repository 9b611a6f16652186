"""Whether a posterior comes from the data or from its priors."""

from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from clvmodels._typing import FloatArray
from clvmodels.exceptions import FitError
from clvmodels.inference.estimate import Estimate
from clvmodels.inference.psis import RELIABLE, smoothed

if TYPE_CHECKING:
    import pandas as pd

_POWERS: Final = (0.8, 1.25)  # of the prior, or of the likelihood: a little weaker and stronger
_MATTERS: Final = 0.05  # Kallioinen et al. (2024), section 2.3: for a normal, 0.3 sd per doubling


class WithPosterior(Protocol):
    """A fitted model, with draws of its posterior or without."""

    @property
    def estimate(self) -> Estimate: ...


def prior_sensitivity(fit: WithPosterior) -> "pd.DataFrame":
    """How much each quantity of a posterior moves when priors or data count a little more or less.

    The prior, then the likelihood, is raised to powers around 1; draws of the posterior are
    weighted accordingly, not drawn again. Sensitivity is the distance that the distribution of the
    quantity moves (cumulative Jensen-Shannon), per doubling of the power.

    Parameters
    ----------
    fit : fitted model of purchases, spend or retention
        Fitted by `MCMC` or `Laplace`; one that was loaded from a file has only its draws.

    Returns
    -------
    DataFrame
        One row per quantity that priors are about: quantity; prior, likelihood (sensitivity to
        each; from 0.05 on it matters); verdict (in words). All priors together are made stronger
        or weaker.

    Raises
    ------
    FitError
        If the fit has no posterior at hand.

    References
    ----------
    Kallioinen, Paananen, Bürkner and Vehtari (2024), Detecting and diagnosing prior and likelihood
    sensitivity with power-scaling, Statistics and Computing 34, 57.

    Examples
    --------
    >>> import clvmodels as clv
    >>> fit = clv.NBDModel().fit(clv.datasets.load_cdnow_summary(), clv.Laplace(seed=1))
    >>> prior_sensitivity(fit)[["quantity", "verdict"]].values.tolist()
    [['purchases', 'from the data'], ['purchase_cv', 'from the data']]
    """
    import pandas as pd

    posterior = fit.estimate.posterior
    if posterior is None:
        raise FitError(
            f"This fit ({fit.estimate.method}) has no posterior at hand. Fit with MCMC() or "
            "Laplace(); saved and copied fits keep the draws, not the data."
        )
    by_prior, prior_k = _weights(posterior.log_prior)
    by_data, data_k = _weights(posterior.log_lik)
    rows = []
    for name, draws in posterior.traits.items():
        prior, likelihood = _sensitivity(draws, by_prior), _sensitivity(draws, by_data)
        reliable = max(prior_k, data_k) <= RELIABLE
        rows.append((name, prior, likelihood, _verdict(prior, likelihood, reliable)))
    return pd.DataFrame(rows, columns=["quantity", "prior", "likelihood", "verdict"])


def _weights(log_density: FloatArray) -> tuple[FloatArray, float]:
    """Weights of the draws with the density raised to each power, and the larger k-hat."""
    powers = np.array(_POWERS)[:, None] - 1
    log_weights, k = smoothed(powers * (log_density - log_density.max()), axis=1)
    return np.exp(log_weights), float(k.max())


def _sensitivity(draws: FloatArray, weights: FloatArray) -> float:
    """Distance moved per doubling of the power: Kallioinen et al. (2024), section 2.2.2."""
    order = np.argsort(draws, kind="stable")
    moved = [_distance(draws[order], w[order]) for w in weights]
    return sum(moved) / float(np.log2(_POWERS[1]) - np.log2(_POWERS[0]))


def _distance(draws: FloatArray, weights: FloatArray) -> float:
    """Cumulative Jensen-Shannon distance of weighted from unweighted sorted draws, in [0, 1].

    The larger of those from distribution functions and from survival functions.
    """
    gaps = np.diff(draws)
    flat = np.linspace(1 / len(draws), 1 - 1 / len(draws), len(draws) - 1)
    weighted = np.cumsum(weights)[:-1]
    return max(
        _one_sided(gaps, flat, weighted),
        _one_sided(gaps, 1 - flat, np.maximum(1 - weighted, 0.0)),
    )


def _one_sided(gaps: FloatArray, p: FloatArray, q: FloatArray) -> float:
    total = float(gaps @ (p + q))
    if total == 0:  # all draws are the same
        return 0.0
    middle = (p + q) / 2
    divergence = _from(gaps, p, middle) + _from(gaps, q, middle)
    return float(np.sqrt(divergence / total))


def _from(gaps: FloatArray, p: FloatArray, middle: FloatArray) -> float:
    """Half of a cumulative Jensen-Shannon divergence, in bits; not below 0 by rounding."""
    log_ratio = np.log2(np.where(p > 0, p, 1.0)) - np.log2(np.where(p > 0, middle, 1.0))
    return max(float(gaps @ (p * log_ratio + (middle - p) / np.log(2))), 0.0)


def _verdict(prior: float, likelihood: float, reliable: bool) -> str:
    if not reliable:
        return "cannot be told from these draws: fit with other priors, and compare"
    if prior < _MATTERS:
        return "from the data" if likelihood >= _MATTERS else "hardly moved by either"
    if likelihood < _MATTERS:
        return "from the prior: the data say little"
    return "from both, which may disagree: look at the prior"

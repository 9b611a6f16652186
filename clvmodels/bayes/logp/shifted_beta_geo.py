"""Shifted-beta-geometric (Fader and Hardie 2007): each renewal fails with a Beta chance."""

from clvmodels.bayes.logp.parts import Tensor, log_rising


def logp(duration: Tensor, churned: Tensor, *, alpha: Tensor, beta: Tensor) -> Tensor:
    """Log of P(lifetime = duration) where churned, else of surviving `duration` renewals."""
    import pytensor.tensor as pt

    renewed = pt.switch(churned > 0, duration - 1, duration)
    stayed = log_rising(beta, renewed) - log_rising(alpha + beta, renewed)
    left = pt.log(alpha / (alpha + beta + renewed))
    return stayed + pt.switch(churned > 0, left, 0.0)

"""NBD (Ehrenberg 1959): Poisson purchases at gamma rates, nobody ever leaves."""

from clvmodels.bayes.logp.parts import Tensor, log_rising


def logp(x: Tensor, t_x: Tensor, T: Tensor, *, r: Tensor, alpha: Tensor) -> Tensor:
    """Log density of the purchase times (t_x carries no information)."""
    import pytensor.tensor as pt

    return log_rising(r, x) - r * pt.log1p(T / alpha) - x * pt.log(alpha + T)

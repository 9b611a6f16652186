"""Gamma-Gamma spend (Fader, Hardie and Lee 2005b): the mean value m of x purchases."""

from clvmodels.bayes.logp.parts import Tensor


def logp(x: Tensor, m: Tensor, *, p: Tensor, q: Tensor, v: Tensor) -> Tensor:
    """Log density of m: the share x m / (v + x m) is Beta(p x, q)."""
    import pytensor.tensor as pt

    shape, odds = p * x, x * m / v
    log_beta = pt.gammaln(shape) + pt.gammaln(q) - pt.gammaln(shape + q)
    return -log_beta - shape * pt.log1p(1 / odds) - q * pt.log1p(odds) - pt.log(m)

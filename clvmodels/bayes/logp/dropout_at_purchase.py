"""The BG family: Poisson purchases at gamma rates, dropout with probability p after a purchase.

`d` is 1 where customers can drop out right after the first purchase (MBG/NBD), else 0 (BG/NBD).
"""

from clvmodels.bayes.logp import nbd
from clvmodels.bayes.logp.parts import Tensor, alive_or_gone, log_rising


def logp(
    x: Tensor,
    t_x: Tensor,
    T: Tensor,
    *,
    r: Tensor,
    alpha: Tensor,
    a: Tensor,
    b: Tensor,
    d: int,
) -> Tensor:
    """Fader, Hardie and Lee (2005), eq. 6, as alive x (1 + odds of being gone)."""
    import pytensor.tensor as pt

    stays = x + d
    alive = nbd.logp(x, t_x, T, r=r, alpha=alpha) + log_rising(b, stays) - log_rising(a + b, stays)
    odds = pt.log(a / (b + pt.maximum(stays - 1, 0.0)))
    odds = odds + (r + x) * pt.log1p((T - t_x) / (alpha + t_x))
    return alive_or_gone(alive, odds, stays > 0)

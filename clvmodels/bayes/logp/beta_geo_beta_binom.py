"""BG/BB (Fader, Hardie and Shang 2010): opportunities to buy that come one by one."""

import numpy as np

from clvmodels.bayes.logp.parts import Tensor, alive_or_gone, log_rising


def logp(
    x: Tensor,
    t_x: Tensor,
    T: Tensor,
    *,
    alpha: Tensor,
    beta: Tensor,
    gamma: Tensor,
    delta: Tensor,
) -> Tensor:
    """Fader, Hardie and Shang (2010), as alive x (1 + odds of being gone)."""
    alive = log_rising(alpha, x) + log_rising(beta, T - x) - log_rising(alpha + beta, T)
    alive = alive + log_rising(delta, T) - log_rising(gamma + delta, T)
    odds = _log_odds_gone(x, t_x, T, alpha, beta, gamma, delta)
    return alive_or_gone(alive, odds, t_x < T)


def _log_odds_gone(
    x: Tensor, t_x: Tensor, T: Tensor, alpha: Tensor, beta: Tensor, gamma: Tensor, delta: Tensor
) -> Tensor:
    """Deaths after opportunity m = T - 1, T - 2, ..., t_x, each relative to being alive at T.

    Ratios of one death to the next exceed 1, so the earliest has the largest share.
    """
    import pytensor.tensor as pt
    from pytensor.gradient import disconnected_grad

    args = (alpha + x, beta - x, gamma + 1, delta)
    buys, rests, leaves, stays = (pt.shape_padright(pt.as_tensor(v)) for v in args)
    back = pt.arange(1.0, pt.maximum(pt.max(T - t_x), 1.0) + 1)
    m = pt.shape_padright(T) - back
    first = pt.shape_padright(pt.minimum(t_x, T - 1))
    safe = pt.maximum(m, pt.shape_padright(t_x))
    terms = pt.cumsum(pt.log1p(buys / (rests + safe)) + pt.log1p(leaves / (stays + safe)), axis=-1)
    terms = pt.switch(m >= first, terms, -np.inf)
    largest = disconnected_grad(pt.max(terms, axis=-1))
    total = pt.sum(pt.exp(terms - pt.shape_padright(largest)), axis=-1)
    return pt.log(gamma / (gamma + delta + T)) + largest + pt.log(total)

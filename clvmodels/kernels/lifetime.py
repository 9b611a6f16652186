"""NBD with a lifetime: Poisson purchases at gamma rates until a dropout that no purchase triggers.

Purchases come at rate lambda ~ Gamma(r, alpha). The hazard of dropping out is mu ~ Gamma(s, c)
times e^(b u) at age u, so that over customers

    S(u) = (c / (c + h(u)))^s,    h(u) = (e^(b u) - 1) / b.

That is the GGompertz/NBD of Bemmaor and Glady (2012) with beta = b c, and with b = 0, h(u) = u, the
Pareto/NBD with beta = c. The likelihood has a branch for those alive at T and an integral over the
age u at which the others left, all of it positive (Fader and Hardie 2005, note 009):

    L = Gamma(r+x) alpha^r / Gamma(r) {S(T) (alpha+T)^-(r+x) - integral (alpha+u)^-(r+x) dS(u)}.

Lifetimes start again at any age: among those alive at t they are as among new customers with
c(t) = e^(-b t) (c + h(t)) in place of c, which never overflows. Given that a customer is alive at
T, lambda ~ Gamma(r + x, alpha + T) is independent of the lifetime to come, so whatever is
conditional on being alive depends on (x, T) alone.
"""

from collections.abc import Callable

import numpy as np
from scipy import special as sp

from clvmodels._typing import AnyArray, FloatArray
from clvmodels.kernels import lifetime_integrals as integrals
from clvmodels.kernels.nbd import last_of_uniforms
from clvmodels.kernels.special import log_rising, sum_log_rising, tail_counts

__all__ = [
    "bend",
    "log_odds_gone",
    "loglik",
    "nll_grad_hess",
    "pmf_if_alive",
    "prob_alive",
    "purchases_if_alive",
    "row_derivatives",
    "simulate",
    "survival_if_alive",
    "tail_counts",
]


def _quietly(ufunc: Callable[..., AnyArray], *args: FloatArray) -> FloatArray:
    """Call a compiled ufunc, whose warnings mean nothing: it computes both sides of branches."""
    with np.errstate(all="ignore"):
        return np.asarray(ufunc(*args), dtype=np.float64)


def log_odds_gone(
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    s: FloatArray,
    c: FloatArray,
    b: FloatArray,
) -> FloatArray:
    """Log of P(gone at T) / P(alive at T); -inf where there was no time to leave."""
    return _quietly(integrals.log_odds_gone, r + x, t_x, T, alpha, s, c, b)


def loglik(
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    s: FloatArray,
    c: FloatArray,
    b: FloatArray,
) -> FloatArray:
    """Log-likelihood per customer, as alive x (1 + odds)."""
    alive = log_rising(r, x) - r * np.log1p(T / alpha) - x * np.log(alpha + T)
    alive = alive + _quietly(integrals.log_survival, T, s, c, b)
    odds = log_odds_gone(x, t_x, T, r=r, alpha=alpha, s=s, c=c, b=b)
    return alive + np.logaddexp(0.0, odds)


def nll_grad_hess(
    theta: FloatArray,
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    weight: FloatArray,
    tail: FloatArray,
) -> tuple[float, FloatArray, FloatArray]:
    """Negative log-likelihood at theta = (r, alpha, s, c[, b]) with derivatives in the logs.

    `tail` is ``tail_counts(x, weight)``; without b there is no acceleration.
    """
    r, alpha, s, c = (float(v) for v in theta[:4])
    b = float(theta[4]) if len(theta) == 5 else 0.0
    f, grad, hess = integrals.sum_rows(x, t_x, T, weight, r, alpha, s, c, b, len(theta))
    rising, rising_1, rising_2 = sum_log_rising(r, tail)
    grad[0] += r * rising_1
    hess[0, 0] += r * rising_1 + r * r * rising_2
    return -f - rising, -grad, -hess


def row_derivatives(
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    s: FloatArray,
    c: FloatArray,
    b: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Log-likelihood per customer, with gradient and Hessian in the logs of (r, alpha, s, c[, b]).

    Parameters are numbers, or one for each customer.
    """
    params = np.empty((len(x), 5))
    for k, value in enumerate((r, alpha, s, c, 0.0 if b is None else b)):
        params[:, k] = value
    ll, grad, hess = integrals.each_row(x, t_x, T, params, 4 if b is None else 5)
    return ll + log_rising(params[:, 0], x), grad, hess


def prob_alive(
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    s: FloatArray,
    c: FloatArray,
    b: FloatArray,
) -> FloatArray:
    """P(alive at T | x, t_x, T)."""
    return sp.expit(-log_odds_gone(x, t_x, T, r=r, alpha=alpha, s=s, c=c, b=b))


def survival_if_alive(
    x: FloatArray,
    T: FloatArray,
    t: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    s: FloatArray,
    c: FloatArray,
    b: FloatArray,
) -> FloatArray:
    """P(alive at T + t | alive at T); the past purchases and their rate do not matter."""
    value: FloatArray = np.exp(
        _quietly(integrals.log_survival, t, s, _quietly(integrals.restarted, T, c, b), b)
    )
    return value * np.ones(np.broadcast_shapes(*map(np.shape, (x, r, alpha, value))))


def purchases_if_alive(
    x: FloatArray,
    T: FloatArray,
    t: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    s: FloatArray,
    c: FloatArray,
    b: FloatArray,
) -> FloatArray:
    """E[Y(t) | alive at T]: the mean rate (r + x) / (alpha + T) times the mean time alive.

    Rate and lifetime being independent, that needs no correction of any conditional expectation
    (Adler 2022).
    """
    time = _quietly(integrals.time_alive, t, s, _quietly(integrals.restarted, T, c, b), b)
    return (r + x) / (alpha + T) * time


def bend(
    x: FloatArray,
    T: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    s: FloatArray,
    c: FloatArray,
    b: FloatArray,
) -> FloatArray:
    """Time t on which `purchases_if_alive` bends: it is smooth in log(1 + t / bend)."""
    value: FloatArray = _quietly(integrals.restarted, T, c, b) / np.maximum(1.0, s)
    return value * np.ones(np.broadcast_shapes(*map(np.shape, (x, r, alpha, value))))


def pmf_if_alive(
    n: FloatArray,
    x: FloatArray,
    T: FloatArray,
    t: FloatArray,
    *,
    r: FloatArray,
    alpha: FloatArray,
    s: FloatArray,
    c: FloatArray,
    b: FloatArray,
) -> FloatArray:
    """P(Y(t) = n | alive at T): a negative binomial up to the end of the window or of the life."""
    log_choose = log_rising(r + x, n) - sp.gammaln(n + 1)
    return _quietly(
        integrals.pmf,
        n,
        r + x,
        alpha + T,
        t,
        s,
        _quietly(integrals.restarted, T, c, b),
        b,
        log_choose,
    )


def simulate(
    x: FloatArray,
    T: FloatArray,
    t: FloatArray,
    rng: np.random.Generator,
    *,
    r: FloatArray,
    alpha: FloatArray,
    s: FloatArray,
    c: FloatArray,
    b: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Purchases in (T, T+t] of customers alive at T, and the time of the last one after T.

    A lifetime u solves log S(u) = -e / s of an exponential e; purchases stop at its end.
    """
    size = np.broadcast_shapes(*map(np.shape, (x, T, t, r, alpha, s, c, b)))
    rate = rng.gamma(r + x, size=size) / (alpha + T)
    life = _quietly(
        integrals.lifetime_of,
        rng.exponential(size=size) / s,
        _quietly(integrals.restarted, T, c, b),
        b,
    )
    window = np.minimum(life, t)
    count = rng.poisson(rate * window).astype(np.float64)
    return count, last_of_uniforms(count, count, window, rng)

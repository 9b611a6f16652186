"""Customers' histories with covariates that change over time, and the clocks they make.

A rate that is multiplied by e^(g'z), with covariates z that are constant within periods, is a
constant rate on a clock that tells the integral of e^(g'z): piecewise linear in age.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from scipy import special as sp

from clvmodels._typing import FloatArray, IntArray

_STEEPEST = 300.0  # |g'z| beyond which factors are held, for their squares to stay finite


class Walks(NamedTuple):
    """Histories with their covariates.

    Attributes
    ----------
    x, t_x, T : ndarray of shape (customers,)
        Repeat purchases, age at the last one, and age.
    start : ndarray of shape (customers + 1,)
        Customer i has the periods ``start[i]`` to ``start[i + 1]``; the first begins at age 0.
    until : ndarray of shape (periods,)
        Age at which each period ends; a customer's last one goes on for ever.
    buying : ndarray of shape (periods, p)
        Covariates of the purchase rate.
    leaving : ndarray of shape (periods, q)
        Covariates of the dropout hazard.
    bought : ndarray of shape (customers, p)
        Sum of `buying` over the repeat purchases.
    """

    x: FloatArray
    t_x: FloatArray
    T: FloatArray
    start: IntArray
    until: FloatArray
    buying: FloatArray
    leaving: FloatArray
    bought: FloatArray


def take(walks: Walks, rows: IntArray) -> Walks:
    """The walks of some customers."""
    count = np.diff(walks.start)[rows]
    start = np.concatenate([[0], np.cumsum(count)])
    periods = np.repeat(walks.start[rows] - start[:-1], count) + np.arange(start[-1])
    return Walks(
        x=walks.x[rows],
        t_x=walks.t_x[rows],
        T=walks.T[rows],
        start=start,
        until=walks.until[periods],
        buying=walks.buying[periods],
        leaving=walks.leaving[periods],
        bought=walks.bought[rows],
    )


def merged(walks: Walks) -> Walks:
    """The same walks with periods of equal covariates made one: fewer integrals, same values."""
    z = np.hstack([walks.buying, walks.leaving])
    last = np.append((z[1:] != z[:-1]).any(axis=1), True)
    last[walks.start[1:] - 1] = True
    start = np.concatenate([[0], np.cumsum(last)[walks.start[1:] - 1]])
    return walks._replace(
        start=start,
        until=walks.until[last],
        buying=walks.buying[last],
        leaving=walks.leaving[last],
    )


# the clocks


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def factor(z: FloatArray, g: FloatArray) -> float:
    """e^(g'z)."""
    total = 0.0
    for j in range(len(g)):
        total += g[j] * z[j]
    out: float = np.exp(min(max(total, -_STEEPEST), _STEEPEST))
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def clock_at(
    start: IntArray, until: FloatArray, z: FloatArray, g: FloatArray, age: FloatArray
) -> FloatArray:
    """What each customer's clock tells at an age."""
    out = np.zeros(len(age))
    for i in range(len(age)):
        here = 0.0
        for k in range(start[i], start[i + 1]):
            there = age[i] if k == start[i + 1] - 1 else min(until[k], age[i])
            if there > here:
                out[i] += factor(z[k], g) * (there - here)
                here = there
    return out


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def ages_at(
    start: IntArray,
    until: FloatArray,
    z: FloatArray,
    g: FloatArray,
    who: IntArray,
    told: FloatArray,
) -> tuple[FloatArray, IntArray]:
    """Age at which the clock of a customer tells a time, and the period that this falls in."""
    age, period = np.empty(len(who)), np.empty(len(who), np.int64)
    for i in range(len(who)):
        here, rest = 0.0, told[i]
        for k in range(start[who[i]], start[who[i] + 1]):
            speed = factor(z[k], g)
            period[i] = k
            if k == start[who[i] + 1] - 1 or speed * (until[k] - here) >= rest:
                break
            rest -= speed * (until[k] - here)
            here = until[k]
        age[i] = here + rest / speed
    return age, period


# integrals over periods


def _rules(most: int) -> tuple[FloatArray, FloatArray, IntArray, FloatArray]:
    """Gauss-Legendre rules on (0, 1) of 2, 3, ... nodes, end to end, and how far each one reaches.

    A rule of n nodes leaves the fraction width^2n / ((2n+1) C(2n, n)^2) of a power law that falls
    at a relative rate of 1; it is used up to the width at which that is 1e-9.
    """
    count = np.arange(2, most + 1)
    rules = [np.polynomial.legendre.leggauss(int(n)) for n in count]
    reach = (1e-9 * (2 * count + 1) * sp.comb(2 * count, count) ** 2) ** (1 / (2 * count))
    return (
        np.concatenate([0.5 * (nodes + 1) for nodes, _ in rules]),
        np.concatenate([0.5 * weights for _, weights in rules]),
        np.cumsum([0, *count]),
        reach,
    )


NODES, WEIGHTS, RULE, REACH = _rules(12)


@njit(cache=True, nogil=True, error_model="numpy")  # type: ignore[untyped-decorator]
def panel(rest: float, steepness: float) -> tuple[float, int]:
    """How far to go with one rule, and with which."""
    length = min(rest, REACH[-1] / steepness)
    rule = 0
    while rule < len(REACH) - 1 and REACH[rule] < length * steepness:
        rule += 1
    return length, rule

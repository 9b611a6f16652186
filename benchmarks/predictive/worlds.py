"""Logs to judge methods by: real ones, and made ones of which it is known how they came about.

Made ones are of customers who join over a year and are seen for two; purchases have times, which
summaries cut down to days, as they do with real logs. Rates are about twice those of CDNOW.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

import clvmodels as clv

Purchases: TypeAlias = tuple[np.ndarray, np.ndarray]  # whose, and when in weeks
RETAIL = "CLVMODELS_ONLINE_RETAIL"
"""Environment variable with the path of UCI Online Retail II as Parquet: columns customer_id,
invoice_date, quantity and unit_price."""
CUSTOMERS = 8_000
START = np.datetime64("2022-01-03", "us")
JOINING, YEAR, ALL = 52.0, 52.18, 105  # weeks; the last holdout ends in 104
CUTOFFS = (52, 65, 78)  # weeks
PARETO_NBD = {"r": 0.55, "alpha": 5.3, "s": 0.61, "beta": 11.7}  # weeks
BG_NBD = {"r": 0.5, "alpha": 4.4, "a": 0.79, "b": 2.43}
MBG_NBD = {"r": 0.7, "alpha": 6.2, "a": 0.89, "b": 2.6}
SPEND = {"p": 6.25, "q": 3.74, "v": 15.44}  # CDNOW, Fader, Hardie and Lee (2005)
SEASON = (0.7, 0.7, 0.8, 0.8, 0.9, 0.9, 0.8, 0.8, 1.0, 1.2, 1.7, 1.7)  # January to December
SHAPE = 3  # of the times between purchases of regular customers
OWN_TREND, COMMON_TREND = 0.8, np.log(0.5)  # of log rates per year: spread, and the same for all
TAIL = 1.8  # index of the Pareto distribution of customers' spend: it has no variance
LOST_WEEK = 60.0  # when those who joined in a quarter of the year all leave
LOST = (13.0, 26.0)


@dataclass(frozen=True)
class World:
    """A log, and how methods are judged by it.

    Attributes
    ----------
    what : str
        How it came about.
    log : DataFrame
        Columns customer_id, date and value.
    cutoffs : tuple of str
    horizon : str
    home : str
        The method that assumes what is so, if there is one.
    seasons_until : str
        Day up to which the log tells its seasons; empty if no cutoff has two years before it.
    choices : mapping
        Further arguments of `backtest`.
    """

    what: str
    log: pd.DataFrame
    cutoffs: tuple[str, ...]
    horizon: str
    home: str = ""
    seasons_until: str = ""
    choices: Mapping[str, Any] = field(default_factory=dict)


class AbsentError(Exception):
    """The data of a world are not there."""


@dataclass(frozen=True)
class Customers:
    """Who buys how: arrays of shape (customers,), times in weeks.

    Attributes
    ----------
    joined : ndarray
        First purchases.
    rate : ndarray
        Purchases per week while alive.
    until : ndarray
        When customers leave, whatever they do.
    leaves : ndarray
        Probability of leaving after a purchase.
    """

    joined: np.ndarray
    rate: np.ndarray
    until: np.ndarray
    leaves: np.ndarray

    @classmethod
    def pareto_nbd(cls, n: int, rng: np.random.Generator, joining: float = JOINING) -> "Customers":
        """Gamma rates, and lifetimes at gamma rates."""
        joined = rng.uniform(0, joining, n)
        rate = rng.gamma(PARETO_NBD["r"], 1 / PARETO_NBD["alpha"], n)
        lives = rng.exponential(1 / rng.gamma(PARETO_NBD["s"], 1 / PARETO_NBD["beta"], n))
        return cls(joined, rate, joined + lives, np.zeros(n))

    @classmethod
    def bg_nbd(
        cls, n: int, rng: np.random.Generator, *, r: float, alpha: float, a: float, b: float
    ) -> "Customers":
        """Gamma rates, and beta probabilities of leaving after a purchase."""
        joined, forever = rng.uniform(0, JOINING, n), np.full(n, np.inf)
        return cls(joined, rng.gamma(r, 1 / alpha, n), forever, rng.beta(a, b, n))

    def purchases(
        self,
        rng: np.random.Generator,
        end: int = ALL,
        shape: int = 1,
        *,
        first_can_be_last: bool = False,
    ) -> Purchases:
        """Who buys, and when, with Erlang times between purchases: those of all customers."""
        owner, time = np.arange(len(self.joined)), self.joined
        owners, times = [owner], [time]
        while len(owner):
            if first_can_be_last or len(owners) > 1:
                stay = rng.random(len(owner)) >= self.leaves[owner]
                owner, time = owner[stay], time[stay]
            time = time + rng.gamma(shape, size=len(owner)) / (shape * self.rate[owner])
            there = time < np.minimum(self.until[owner], end)
            owner, time = owner[there], time[there]
            owners.append(owner)
            times.append(time)
        return np.concatenate(owners), np.concatenate(times)


def thinned(customers: Customers, rng: np.random.Generator, pace: np.ndarray) -> Purchases:
    """Purchases at random of customers whose rates change: `pace` of shape (customers, weeks).

    Week by week, of purchases at each customer's highest rate as many are kept as the pace says.
    """
    highest = pace.max(axis=1)
    busiest = Customers(
        customers.joined, customers.rate * highest, customers.until, customers.leaves
    )
    owner, time = busiest.purchases(rng, pace.shape[1])
    kept = rng.random(len(owner)) < pace[owner, time.astype(int)] / highest[owner]
    kept[: len(highest)] = True  # first purchases
    return owner[kept], time[kept]


def gamma_gamma(owner: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Values of purchases: gamma around gamma means."""
    scale = SPEND["v"] / rng.gamma(SPEND["q"], size=owner.max() + 1)  # of inverse rates
    return rng.gamma(SPEND["p"], size=len(owner)) * scale[owner]


def heavy_tailed(owner: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Values of purchases: lognormal around Pareto medians."""
    median = 15 * (1 + rng.pareto(TAIL, owner.max() + 1))
    return median[owner] * rng.lognormal(0.0, 0.8, len(owner))


def log_of(owner: np.ndarray, time: np.ndarray, value: np.ndarray) -> pd.DataFrame:
    """Transactions in order of time."""
    order = np.argsort(time)
    date = START + (time[order] * 7 * 86_400e6).astype("m8[us]")
    cents = np.maximum(value[order].round(2), 0.01)
    return pd.DataFrame({"customer_id": owner[order], "date": date, "value": cents})


def day(week: float) -> str:
    """The last day of so many weeks."""
    return str(START.astype("M8[D]") + np.timedelta64(round(week * 7) - 1, "D"))


def made(
    what: str,
    purchases: Purchases,
    rng: np.random.Generator,
    value: Callable[[np.ndarray, np.random.Generator], np.ndarray] = gamma_gamma,
    home: str = "",
) -> World:
    """A world of two years, judged by half a year after each of three days."""
    log = log_of(*purchases, value(purchases[0], rng))
    return World(what, log, tuple(day(week) for week in CUTOFFS), "26 weeks", home)


def at_home(model: str, n: int) -> World:
    """Customers as a model of purchases and Gamma-Gamma have them."""
    rng = np.random.default_rng(1)
    if model == "Pareto/NBD":
        purchases = Customers.pareto_nbd(n, rng).purchases(rng)
    elif model == "BG/NBD":
        purchases = Customers.bg_nbd(n, rng, **BG_NBD).purchases(rng)
    else:
        people = Customers.bg_nbd(n, rng, **MBG_NBD)
        purchases = people.purchases(rng, first_can_be_last=True)
    return made(f"as {model} and Gamma-Gamma have it", purchases, rng, home=model)


def regular(n: int) -> World:
    rng = np.random.default_rng(2)
    people = Customers.bg_nbd(n, rng, **MBG_NBD)
    purchases = people.purchases(rng, shape=SHAPE, first_can_be_last=True)
    what = f"as MBG/NBD, but Erlang-{SHAPE} times between purchases"
    return made(what, purchases, rng, home="MBG/CNBD-k")


def seasonal(n: int) -> World:
    """Over three years, so that seasons are known for two when first needed."""
    rng = np.random.default_rng(3)
    weeks = 170
    months = (START + np.arange(weeks) * np.timedelta64(7, "D")).astype("M8[M]").astype(int) % 12
    people = Customers.pareto_nbd(n, rng, joining=130.0)
    owner, time = thinned(people, rng, np.tile(np.array(SEASON)[months], (n, 1)))
    return World(
        "as Pareto/NBD, but rates follow the months, 0.7 to 1.7",
        log_of(owner, time, gamma_gamma(owner, rng)),
        ("2024-06-30", "2024-09-30", "2024-12-31"),
        "13 weeks",
        seasons_until="2024-06-30",
    )


def drifting(n: int) -> World:
    rng = np.random.default_rng(4)
    people = Customers.pareto_nbd(n, rng)
    trend = rng.normal(0, OWN_TREND, n)
    what = "as Pareto/NBD, but each customer's rate rises or falls, log rates by N(0, 0.8²) a year"
    return made(what, thinned(people, rng, _pace(people, trend)), rng)


def fading(n: int) -> World:
    rng = np.random.default_rng(5)
    people = Customers.pareto_nbd(n, rng)
    what = "as Pareto/NBD, but everybody's rate halves each year"
    return made(what, thinned(people, rng, _pace(people, np.full(n, COMMON_TREND))), rng)


def _pace(people: Customers, trend: np.ndarray) -> np.ndarray:
    """Rates of each week in multiples of those of the first, by the customer's age."""
    age = np.maximum(np.arange(ALL) + 0.5 - people.joined[:, None], 0.0)
    return np.exp(trend[:, None] * age / YEAR)


def heavy_tails(n: int) -> World:
    rng = np.random.default_rng(6)
    purchases = Customers.pareto_nbd(n, rng).purchases(rng)
    what = f"as Pareto/NBD; spend lognormal around Pareto medians of tail index {TAIL}"
    return made(what, purchases, rng, heavy_tailed)


def lost_cohort(n: int) -> World:
    rng = np.random.default_rng(7)
    people = Customers.pareto_nbd(n, rng)
    lost = (LOST[0] <= people.joined) & (people.joined < LOST[1])
    until = np.where(lost, np.minimum(people.until, LOST_WEEK), people.until)
    purchases = Customers(people.joined, people.rate, until, people.leaves).purchases(rng)
    what = "as Pareto/NBD, but a quarter of the customers all leave after 60 weeks"
    return made(what, purchases, rng)


def cdnow(n: int, cutoffs: tuple[str, ...], horizon: str) -> World:
    log = clv.datasets.load_cdnow(sample=False)
    return World("CDNOW, all customers", _some(log, n, 23_570), cutoffs, horizon)


def retail(n: int) -> World:
    path = os.environ.get(RETAIL)
    if not path:
        raise AbsentError(f"{RETAIL} does not say where UCI Online Retail II is: skipped.")
    lines = pd.read_parquet(path).dropna(subset="customer_id")
    log = pd.DataFrame(
        {
            "customer_id": lines["customer_id"].astype(np.int64),
            "date": lines["invoice_date"],
            "value": lines["quantity"] * lines["unit_price"],
        }
    )
    return World(
        "UCI Online Retail II, refunds netted",
        _some(log, n, log["customer_id"].nunique()),
        ("2010-11-30", "2011-02-28", "2011-06-09"),
        "26 weeks",
        choices={"refunds": "net", "zero_value": "drop"},
    )


def _some(log: pd.DataFrame, n: int, whole: int) -> pd.DataFrame:
    """As large a share of the customers as `n` is of the customers of a made world."""
    if n >= CUSTOMERS:
        return log
    ids = np.sort(log["customer_id"].unique())
    chosen = np.random.default_rng(0).choice(ids, whole * n // CUSTOMERS, replace=False)
    return log[log["customer_id"].isin(chosen)]


WORLDS: Mapping[str, Callable[[int], World]] = {
    "cdnow": partial(cdnow, cutoffs=("1997-06-30", "1997-09-30", "1997-12-31"), horizon="26 weeks"),
    "cdnow 39/39": partial(cdnow, cutoffs=("1997-09-30",), horizon="39 weeks"),
    "retail": retail,
    "BG/NBD": partial(at_home, "BG/NBD"),
    "MBG/NBD": partial(at_home, "MBG/NBD"),
    "Pareto/NBD": partial(at_home, "Pareto/NBD"),
    "regular": regular,
    "seasonal": seasonal,
    "drifting": drifting,
    "fading": fading,
    "heavy tails": heavy_tails,
    "lost cohort": lost_cohort,
}

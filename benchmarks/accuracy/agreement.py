"""Every quantity beside the other packages', over CDNOW's 2,357 customers.

Parameters and log-likelihoods compare fits; predictions are compared at the other's parameters, so
that only the arithmetic can differ.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import clvmodels as clv
from benchmarks.accuracy.fitting import cdnow
from benchmarks.peers import Peer

COLUMNS = (
    "model", "quantity", "peer", "values", "largest", "max_abs_diff", "max_rel_diff", "within",
    "agrees", "note",
)  # fmt: skip
MODELS = (clv.BetaGeoModel(), clv.ModifiedBetaGeoModel(), clv.ParetoNBDModel())
MONTHLY = 0.01
ARITHMETIC = 1e-8  # relative, of the same formula in another order
FITS = 1e-3  # relative, of parameters where an optimiser stopped
LOGLIK = 1e-6


@dataclass(frozen=True)
class Agreement:
    """How far apart two packages are in one quantity."""

    model: str
    quantity: str
    peer: str
    ours: np.ndarray
    theirs: np.ndarray
    within: float
    note: str = ""

    @property
    def largest_difference(self) -> float:
        """Absolute."""
        return float(np.abs(self.theirs - self.ours).max())

    @property
    def largest_relative(self) -> float:
        """Relative to ours."""
        return float((np.abs(self.theirs - self.ours) / np.abs(self.ours)).max())

    def line(self) -> list[str]:
        """Its cells, in the order of `COLUMNS`."""
        return [
            self.model,
            self.quantity,
            self.peer,
            str(self.ours.size),
            f"{np.abs(self.ours).max():.6g}",
            f"{self.largest_difference:.1e}",
            f"{self.largest_relative:.1e}",
            f"{self.within:g}",
            "yes" if self.largest_relative <= self.within else "NO",
            self.note,
        ]


def everything(peers: Mapping[str, Peer]) -> Iterator[Agreement]:
    """All models and quantities of all peers."""
    for peer in peers.values():
        for model in MODELS:
            yield from _purchases(model, peer)
        yield from _money(peer)


def _purchases(model: Any, peer: Peer) -> Iterator[Agreement]:
    data, title = cdnow(), model.title
    fit, theirs = model.fit(data), peer.fit(type(model).__name__, data)
    there = model.with_params(**theirs.params, time_unit="week")
    yield _parameters(title, peer, fit, theirs.params)
    yield _loglik(title, peer, fit.loglik, there.loglik_of(data))
    for quantity, mine, other in (
        ("P(alive)", there.probability_alive(data), theirs.probability_alive(data)),
        (
            "expected purchases, 39 weeks",
            there.expected_purchases(data, "39 weeks"),
            theirs.expected_purchases(data, 39.0),
        ),
        (
            "E[X(52 weeks)] of a new customer",
            there.expected_purchases_new_customer("52 weeks"),
            theirs.expected_purchases_new_customer(52.0),
        ),
    ):
        yield Agreement(
            title, quantity, peer.name, np.atleast_1d(mine), np.atleast_1d(other), ARITHMETIC
        )


def _money(peer: Peer) -> Iterator[Agreement]:
    data, model = cdnow(), clv.GammaGammaModel()
    fit, theirs = model.fit(data), peer.fit_spend(data)
    there = model.with_params(**theirs.params)
    yield _parameters(model.title, peer, fit, theirs.params)
    yield _loglik(model.title, peer, fit.loglik, there.loglik_of(data))
    yield Agreement(
        model.title,
        "expected spend",
        peer.name,
        there.expected_spend(data),
        theirs.expected_spend(data),
        ARITHMETIC,
    )
    purchases = peer.fit("BetaGeoModel", data)
    value = clv.CLVModel(
        clv.BetaGeoModel().with_params(**purchases.params, time_unit="week"),
        there,
        discount=clv.DiscountRate(MONTHLY, per="month"),
        timing="month_end",
    ).fit(data)
    yield Agreement(
        "BG/NBD and Gamma-Gamma",
        "CLV, 12 months at 1 % a month",
        peer.name,
        value.clv(data, "12 months"),
        theirs.clv(purchases, data, 12, MONTHLY),
        0.005,
        "booked at month ends; ours come every 4.348 weeks, lifetimes' every 4.345",
    )


def _parameters(title: str, peer: Peer, fit: Any, params: Mapping[str, float]) -> Agreement:
    ours, theirs = (
        np.array([source[name] for name in fit.params]) for source in (fit.params, params)
    )
    note = ", ".join(f"{name} {fit.params[name]:.4g} and {params[name]:.4g}" for name in fit.params)
    return Agreement(title, "parameters", peer.name, ours, theirs, FITS, note)


def _loglik(title: str, peer: Peer, ours: float, theirs: float) -> Agreement:
    note = f"ours is {'higher' if ours >= theirs else 'lower'} by {abs(ours - theirs):.1e}"
    both = np.array([ours]), np.array([theirs])
    return Agreement(title, "log-likelihood at the maximum", peer.name, *both, LOGLIK, note)

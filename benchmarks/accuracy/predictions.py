"""Predictions at given parameters, against 50 digits of the papers' own equations."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import clvmodels as clv
from benchmarks.accuracy import truth
from benchmarks.accuracy.case import LIFETIMES, Case, answered, answers
from benchmarks.peers import Peer

Params = Mapping[str, float]
MODELS = {
    "BetaGeoModel": ("BG/NBD", truth.beta_geo),
    "ModifiedBetaGeoModel": ("MBG/NBD", truth.modified_beta_geo),
    "ParetoNBDModel": ("Pareto/NBD", truth.pareto_nbd),
}
BG = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}  # Fader, Hardie and Lee (2005)
MBG = {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614}
PARETO = {"r": 0.5534, "alpha": 10.5802, "s": 1.0, "beta": 11.6562}
KNOWN_BY = "the paper's equation in 50 digits (mpmath)"


class Customer(NamedTuple):
    """Repeat purchases, age at the last one, age."""

    x: float
    t_x: float
    T: float


TYPICAL = Customer(2, 30.43, 38.86)
CONDITIONAL: tuple[tuple[str, str, Params, Customer, float, str], ...] = (
    ("a typical customer", "BetaGeoModel", BG, TYPICAL, 39, ""),
    ("a one-time buyer, a + b < 1", "BetaGeoModel",
     {"r": 0.11, "alpha": 2.24, "a": 0.31, "b": 0.5}, Customer(0, 0, 1), 30, f"{LIFETIMES}302"),
    ("a one-time buyer, a + b = 1", "BetaGeoModel",
     {"r": 0.24, "alpha": 4.41, "a": 0.5, "b": 0.5}, Customer(0, 0, 38.86), 39, f"{LIFETIMES}442"),
    ("a = 1", "BetaGeoModel", {**BG, "a": 1.0}, TYPICAL, 39, ""),
    ("a = 1 + 1e-12", "BetaGeoModel", {**BG, "a": 1 + 1e-12}, TYPICAL, 39, ""),
    ("500 purchases in 500 days, the next 2,000", "BetaGeoModel", BG,
     Customer(500, 499.5, 500), 2000, ""),
    ("1,000 purchases in 500 days, the next 2,000", "BetaGeoModel", BG,
     Customer(1000, 499.5, 500), 2000, ""),
    ("500 purchases in 500 days, the next 2,000", "ModifiedBetaGeoModel", MBG,
     Customer(500, 499.5, 500), 2000, ""),
    ("1,000 purchases in 500 days, the next 2,000", "ModifiedBetaGeoModel", MBG,
     Customer(1000, 499.5, 500), 2000, ""),
    ("busy, then silent", "ModifiedBetaGeoModel",
     {"r": 0.3109, "alpha": 20.597, "a": 0.0569, "b": 27.0294}, Customer(1000, 95.66, 206.81),
     606.5, ""),
    ("s = 1", "ParetoNBDModel", PARETO, TYPICAL, 39, ""),
    ("busy, then silent", "ParetoNBDModel",
     {"r": 0.4503, "alpha": 0.1881, "s": 0.6543, "beta": 881.06}, Customer(1000, 1.0877, 218.7),
     30, ""),
)  # fmt: skip
NEW: tuple[tuple[str, str, Params, float], ...] = (
    ("a = 1", "BetaGeoModel", {"r": 0.24, "alpha": 4.41, "a": 1.0, "b": 2.43}, 52),
    ("a + b = 1", "BetaGeoModel", {"r": 0.24, "alpha": 4.41, "a": 0.5, "b": 0.5}, 52),
)


def conditional(peers: Mapping[str, Peer]) -> Iterator[Case]:
    """Expected purchases given a history."""
    return (_conditional(peers, *given) for given in CONDITIONAL)


def _conditional(
    peers: Mapping[str, Peer],
    words: str,
    model: str,
    params: Params,
    customer: Customer,
    t: float,
    reference: str,
) -> Case:
    title, oracle = MODELS[model]
    data = clv.RFMSummary.from_arrays(*([v] for v in customer), time_unit="week")
    fit = getattr(clv, model)().with_params(**params, time_unit="week")
    return Case(
        f"{title}, expected purchases: {words}",
        float(_expected(oracle, customer, t, params)),
        KNOWN_BY,
        answered(lambda: float(fit.expected_purchases(data, f"{t} weeks")[0])),
        _asked(peers, model, params, lambda p: float(p.expected_purchases(data, float(t))[0])),
        reference,
    )


def new_customers(peers: Mapping[str, Peer]) -> Iterator[Case]:
    """Expected purchases of a customer of whom nothing is known."""
    return (_new_customer(peers, *given) for given in NEW)


def _new_customer(
    peers: Mapping[str, Peer], words: str, model: str, params: Params, t: float
) -> Case:
    title, oracle = MODELS[model]
    fit = getattr(clv, model)().with_params(**params, time_unit="week")
    return Case(
        f"{title}, expected purchases of a new customer: {words}",
        float(oracle.expected_purchases_new_customer(t, **params)),
        KNOWN_BY,
        answered(lambda: fit.expected_purchases_new_customer(f"{t} weeks")),
        _asked(peers, model, params, lambda p: p.expected_purchases_new_customer(float(t))),
    )


def many_purchases(peers: Mapping[str, Peer]) -> Iterator[Case]:
    """How likely it is that a new customer buys often."""
    n, fit = 200, clv.BetaGeoModel().with_params(**BG, time_unit="week")
    lifetimes = peers.get("lifetimes")
    yield Case(
        f"BG/NBD, probability of {n} purchases in 52 weeks",
        float(truth.beta_geo.pmf(n, 52, **BG)),
        KNOWN_BY,
        answered(lambda: fit.purchase_pmf_new_customer(n, "52 weeks")),
        answers(
            peers,
            {
                "lifetimes": lambda: float(
                    lifetimes.with_params(
                        "BetaGeoModel", **BG
                    ).fitter.probability_of_n_purchases_up_to_time(52.0, n)
                )
            },
        ),
    )


def _asked(
    peers: Mapping[str, Peer], model: str, params: Params, ask: Callable[[Any], float]
) -> dict[str, float | str]:
    calls = {
        name: (lambda peer=peer: ask(peer.with_params(model, **params)))
        for name, peer in peers.items()
    }
    return answers(peers, calls)


def _expected(oracle: Any, customer: Customer, t: float, params: Params) -> Any:
    alive = oracle.prob_alive(*customer, **params)
    return alive * oracle.purchases_if_alive(customer.x, customer.T, t, **params)

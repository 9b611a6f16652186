"""What a purchase is worth, and what a customer is worth."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

import clvmodels as clv
from benchmarks.accuracy import truth
from benchmarks.accuracy.case import (
    LIFETIMES,
    PYMC_MARKETING,
    Case,
    answered,
    answers,
    is_error,
)
from benchmarks.accuracy.fitting import cdnow
from benchmarks.peers import Peer

HEAVY = {"p": 6.25, "q": 0.79, "v": 15.44}  # q < 1: spend has no mean
MONTHLY = 0.01


def no_mean(peers: Mapping[str, Peer]) -> Iterator[Case]:
    """A one-time buyer where the population's spend has no mean."""
    one = clv.RFMSummary.from_arrays(
        [0.0], [0.0], [30.0], monetary_value=[np.nan], time_unit="week"
    )
    calls = {
        name: (lambda peer=peer: float(peer.with_spend_params(**HEAVY).expected_spend(one)[0]))
        for name, peer in peers.items()
    }

    fit = clv.GammaGammaModel().with_params(**HEAVY)
    yield Case(
        "Gamma-Gamma with q = 0.79: expected spend of a one-time buyer",
        "infinite, or an error",
        "v p / (q - 1) is a mean for q > 1 only",
        answered(lambda: float(fit.expected_spend(one)[0])),
        answers(peers, calls),
        f"{LIFETIMES}370",
        lambda value: is_error(value) or value == np.inf,
    )


def missing_spend(peers: Mapping[str, Peer]) -> Iterator[Case]:
    """A one-time buyer has no repeat spend, so his mean is missing."""
    lifetimes, data = peers.get("lifetimes"), cdnow()
    fit = clv.GammaGammaModel().fit(data)
    one = clv.RFMSummary.from_arrays(
        [0.0], [0.0], [30.0], monetary_value=[np.nan], time_unit="week"
    )
    p, q, v = (fit.params[name] for name in "pqv")

    def theirs() -> float:
        fitter = lifetimes.with_spend_params(**fit.params).fitter
        return float(fitter.conditional_expected_average_profit(0.0, np.nan))

    yield Case(
        "Gamma-Gamma on CDNOW: expected spend of a one-time buyer whose mean spend is missing",
        v * p / (q - 1),
        "the population mean",
        answered(lambda: float(fit.expected_spend(one)[0])),
        answers(peers, {"lifetimes": theirs}),
        f"{LIFETIMES}81",
    )


def currency(peers: Mapping[str, Peer]) -> Iterator[Case]:
    """The same spend in cents, with the penalizer that is advised where a fit fails."""
    lifetimes, data = peers.get("lifetimes"), cdnow()
    cents = clv.RFMSummary.from_arrays(
        data.frequency, data.recency, data.T,
        monetary_value=data.monetary_value * 100, time_unit="week",
    )  # fmt: skip

    def mean(params: Mapping[str, float]) -> float:
        return params["v"] * params["p"] / (params["q"] - 1)

    def ours() -> float:
        in_cents, in_dollars = (clv.GammaGammaModel().fit(d, clv.MAP()) for d in (cents, data))
        return mean(in_cents.params) / 100 / mean(in_dollars.params)

    def theirs() -> float:
        in_cents, in_dollars = (lifetimes.fit_spend(d, 0.001).params for d in (cents, data))
        return mean(in_cents) / 100 / mean(in_dollars)

    yield Case(
        "Gamma-Gamma on CDNOW in cents: mean spend beside that in dollars, with a penalizer of "
        "0.001 (ours: default priors)",
        1.0,
        "a currency is no information",
        answered(ours),
        answers(peers, {"lifetimes": theirs}),
        right=lambda value: not isinstance(value, str) and abs(value - 1) < 1e-3,
    )


def defaults(peers: Mapping[str, Peer]) -> Iterator[Case]:
    """12 months at 1 % a month from weekly data, where nothing asks for the unit."""
    data = cdnow()
    model = clv.CLVModel(
        clv.BetaGeoModel(),
        clv.GammaGammaModel(),
        discount=clv.DiscountRate(MONTHLY, per="month"),
        timing="month_end",
    )
    value = model.fit(data)
    yield Case(
        "CLV of CDNOW's customer 1, weekly data, 12 months, arguments that are not asked for left",
        round(_by_months(data, value), 4),
        "12 month ends of 50-digit expected purchases (mpmath); right within 1 %",
        answered(lambda: float(value.clv(data, "12 months")[0])),
        answers(
            peers,
            {
                "lifetimes": lambda: _default_of_lifetimes(peers["lifetimes"], data),
                "PyMC-Marketing": lambda: _default_of_pymc(peers["PyMC-Marketing"], data),
            },
        ),
        f"{LIFETIMES}194 and {PYMC_MARKETING}256",
        lambda answer: (
            not isinstance(answer, str) and abs(answer / _by_months(data, value) - 1) < 0.01
        ),
    )


def alignment(peers: Mapping[str, Peer]) -> Iterator[Case]:
    """Columns with different indexes: whose spend is whose?"""
    lifetimes, frame = peers.get("lifetimes"), cdnow().to_pandas().set_index("customer_id")
    columns = [frame[name] for name in ("frequency", "recency", "T")]
    moved = frame["monetary_value"].fillna(0).reset_index(drop=True)

    def theirs() -> str:
        purchases, spend = (
            lifetimes.fit("BetaGeoModel", cdnow()),
            lifetimes.fit_spend(cdnow()),
        )
        worth = spend.fitter.customer_lifetime_value(
            purchases.fitter, *columns, moved, time=12, discount_rate=MONTHLY, freq="W"
        )
        return f"customer 1 is worth {worth.iloc[0]:.2f}, the last one {worth.iloc[-1]:.2f}"

    yield Case(
        "CLV of CDNOW with spend numbered from 0, all else from 1",
        "an error",
        "rows would be of different customers; customer 1 is worth 36.28",
        answered(
            lambda: str(
                clv.RFMSummary.from_arrays(*columns, monetary_value=moved, time_unit="week")
            )
        ),
        answers(peers, {"lifetimes": theirs}),
        "pandas aligns Series by their indexes before it multiplies them",
        is_error,
    )


def _by_months(data: clv.RFMSummary, value: Any) -> float:
    """Customer 1, from the equations in 50 digits."""
    row = data.frequency[0], data.recency[0], data.T[0]
    month = 365.2425 / 7 / 12
    upto = [
        truth.beta_geo.expected_purchases(*row, month * k, **value.purchases.params) if k else 0
        for k in range(13)
    ]
    spend = truth.gamma_gamma.expected_spend(row[0], data.monetary_value[0], **value.spend.params)
    purchases = sum((upto[k] - upto[k - 1]) / (1 + MONTHLY) ** k for k in range(1, 13))
    return float(spend * purchases)


def _default_of_lifetimes(peer: Any, data: clv.RFMSummary) -> float:
    purchases, spend = peer.fit("BetaGeoModel", data), peer.fit_spend(data)
    columns = (data.frequency, data.recency, data.T, data.monetary_value)
    series = [pd.Series(v).fillna(0) for v in columns]
    return float(spend.fitter.customer_lifetime_value(purchases.fitter, *series)[0])


def _default_of_pymc(peer: Any, data: clv.RFMSummary) -> float:
    purchases, spend = peer.fit("BetaGeoModel", data), peer.fit_spend(data)
    frame = data.to_pandas().fillna({"monetary_value": 0.0})
    worth = spend.model.expected_customer_lifetime_value(
        purchases.model, frame, future_t=12, discount_rate=MONTHLY
    )
    return float(worth.to_numpy().ravel()[0])

"""Fits: small samples, penalties, units, likelihoods, and data that identify nothing."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np

import clvmodels as clv
from benchmarks.accuracy import truth
from benchmarks.accuracy.case import LIFETIMES, Case, answered, answers, is_error
from benchmarks.peers import Peer, PyMCMarketing
from clvmodels.exceptions import FitWarning

HORIZON = 39.0  # weeks
SMALL = (  # 20 customers observed for 40 weeks, simulated at the CDNOW parameters
    ("drop-out hardly differs", 68.92,
     [0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 9, 2, 0, 0, 3, 5, 0, 0, 1, 0],
     [0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 8.8, 29.3, 0, 0, 9.4, 22.2, 0, 0, 3.1, 0]),
    ("drop-out is all or nothing", 84.23,
     [0, 3, 0, 0, 0, 0, 0, 0, 1, 0, 0, 8, 0, 0, 0, 0, 1, 1, 0, 11],
     [0, 22.9, 0, 0, 0, 0, 0, 0, 0.2, 0, 0, 37.6, 0, 0, 0, 0, 0.2, 29.9, 0, 37.1]),
    ("few repeat", 53.91,
     [0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 3, 1, 1],
     [0, 2, 0, 0, 0, 0, 5.9, 0, 0, 0, 12.1, 0, 0, 0, 18.4, 0, 0, 26.7, 3.1, 9.7]),
)  # fmt: skip


@cache
def cdnow() -> clv.RFMSummary:
    """The published summary of 2,357 customers, in weeks."""
    return clv.datasets.load_cdnow_summary()


def small_samples(peers: Mapping[str, Peer]) -> Iterator[Case]:
    """A maximum exists, or a ridge that goes on for ever; there is an answer in either case."""
    return (_small_sample(peers, *given) for given in SMALL)


def _small_sample(
    peers: Mapping[str, Peer], words: str, bound: float, x: list[int], t_x: list[float]
) -> Case:
    model = clv.BetaGeoModel()
    data = clv.RFMSummary.from_arrays(x, t_x, [40.0] * len(x), time_unit="week")

    def there(params: Mapping[str, float]) -> float:
        return -model.with_params(**params, time_unit="week").loglik_of(data)

    def ours() -> float:
        with catch_warnings():
            simplefilter("ignore", FitWarning)  # an answer may come with a word of caution
            return there(model.fit(data).params)

    calls = {
        name: (lambda peer=peer: there(peer.fit("BetaGeoModel", data).params))
        for name, peer in peers.items()
    }
    return Case(
        f"BG/NBD fit to 20 customers, {words}: minus log-likelihood",
        f"at most {bound}",
        "the lowest that scipy's Nelder-Mead finds from 20 random starts",
        answered(ours),
        answers(peers, calls),
        f"{LIFETIMES}335",
        lambda value: not isinstance(value, str) and value <= bound + 0.01,
    )


def penalties(peers: Mapping[str, Peer]) -> Iterator[Case]:
    """What the advice "try a larger penalizer" does to CDNOW."""
    lifetimes, data = peers.get("lifetimes"), cdnow()
    repeat = data.frequency > 0

    def ours(penalizer: float) -> np.ndarray:
        method = clv.Lifetimes(penalizer=penalizer) if penalizer else clv.MLE()
        return clv.BetaGeoModel().fit(data, method).expected_purchases(data, "39 weeks")

    def theirs(penalizer: float) -> np.ndarray:
        fit = lifetimes.fit("BetaGeoModel", data, penalizer)
        return fit.expected_purchases(data, HORIZON)

    yield Case(
        "BG/NBD on CDNOW with penalizer 0.01: customers whose expected purchases are NaN",
        0.0,
        "expectations are finite at any parameters; ours predicts from lifetimes' parameters",
        answered(lambda: float(np.isnan(ours(0.01)).sum())),
        answers(peers, {"lifetimes": lambda: float(np.isnan(theirs(0.01)).sum())}),
        f"{LIFETIMES}442",
    )
    total = float(ours(0)[repeat].sum())
    yield Case(
        "BG/NBD on CDNOW, penalizer 0.1 as often advised: what repeat buyers buy in 39 weeks",
        total,
        "at maximum likelihood; ours has no penalizer, and needs none to converge",
        total,
        answers(peers, {"lifetimes": lambda: float(theirs(0.1)[repeat].sum())}),
        f"{LIFETIMES}333",
    )


def likelihoods(peers: Mapping[str, Peer]) -> Iterator[Case]:
    """What a fit says of its own likelihood, by which models would be compared."""
    lifetimes, data = peers.get("lifetimes"), cdnow()
    fit = clv.BetaGeoModel().fit(data)
    histories = data.compress()
    rows = zip(histories.x, histories.t_x, histories.T, histories.weight, strict=True)
    total = sum(w * truth.beta_geo.loglik(x, t_x, T, **fit.params) for x, t_x, T, w in rows)
    yield Case(
        "BG/NBD on CDNOW: the log-likelihood that the fit reports",
        round(float(total), 2),
        "sum of FHL05's eq. 6 over customers, 50 digits (mpmath); published -9582.4",
        round(fit.loglik, 2),
        answers(
            peers,
            {
                "lifetimes": lambda: (
                    -float(lifetimes.fit("BetaGeoModel", data).fitter._negative_log_likelihood_)
                )
            },
        ),
        f"{LIFETIMES}416",
    )


def units(peers: Mapping[str, Peer]) -> Iterator[Case]:
    """The same customers in hours: a default fit must not change in substance."""
    data = cdnow()
    hours = clv.RFMSummary.from_arrays(
        data.frequency, data.recency * 168, data.T * 168, time_unit="hour"
    )

    def ours() -> float:
        weekly, hourly = (clv.BetaGeoModel().fit(d, clv.MAP()) for d in (data, hours))
        return _share(
            weekly.expected_purchases(data, "39 weeks").sum(),
            hourly.expected_purchases(hours, "39 weeks").sum(),
        )

    def lifetimes() -> float:
        fit = peers["lifetimes"].fit
        return _share(
            fit("BetaGeoModel", data).expected_purchases(data, HORIZON).sum(),
            fit("BetaGeoModel", hours).expected_purchases(hours, HORIZON * 168).sum(),
        )

    def pymc_marketing() -> float:
        peer = peers["PyMC-Marketing"]
        return _share(
            peer.fit("BetaGeoModel", data, flat=False).expected_purchases(data, HORIZON).sum(),
            peer.fit("BetaGeoModel", hours, flat=False)
            .expected_purchases(hours, HORIZON * 168)
            .sum(),
        )

    yield Case(
        "BG/NBD on CDNOW in hours: 39 weeks' purchases beside those of weekly data "
        "(default priors, where there are any)",
        1.0,
        "a unit is no information",
        answered(ours),
        answers(peers, {"lifetimes": lifetimes, "PyMC-Marketing": pymc_marketing}),
        right=lambda value: not isinstance(value, str) and abs(value - 1) < 1e-3,
    )


def nothing_to_learn(peers: Mapping[str, Peer]) -> Iterator[Case]:
    """No repeat purchase says nothing of dropout, which a fit has to say."""
    data = cdnow().select(cdnow().frequency == 0)

    def dropout(params: Mapping[str, float]) -> str:
        return f"a {params['a']:.4g}, b {params['b']:.4g}, no word"

    yield Case(
        "BG/NBD fit to CDNOW's one-time buyers alone",
        "an error or a warning that says so",
        "the likelihood does not depend on a and b where nobody repeats",
        answered(lambda: dropout(clv.BetaGeoModel().fit(data).params)),
        answers(
            peers,
            {"lifetimes": lambda: dropout(peers["lifetimes"].fit("BetaGeoModel", data).params)},
        ),
        f"{LIFETIMES}332",
        is_error,
    )


def broken_rows(peers: Mapping[str, Peer]) -> Iterator[Case]:
    """Rows that no log can lead to."""
    for words, recency in (
        ("a repeat buyer whose last purchase is at age 0", 0.0),
        ("a recency that is missing", np.nan),
    ):
        frame = cdnow().to_pandas().head(50)
        frame.loc[0, "recency"] = recency
        yield _broken_row(peers, words, frame)


def _broken_row(peers: Mapping[str, Peer], words: str, frame: Any) -> Case:
    return Case(
        f"BG/NBD fit with {words}",
        "an error that names the column",
        "no log leads to such a row",
        answered(lambda: _fitted(frame)),
        answers(
            peers,
            {
                "lifetimes": lambda: _by_lifetimes(frame),
                "PyMC-Marketing": lambda: _by_pymc(frame),
            },
        ),
        right=lambda answer: is_error(answer) and "recency" in str(answer),
    )


def _fitted(frame: Any) -> str:
    clv.BetaGeoModel().fit(clv.RFMSummary.from_frame(frame, time_unit="week"))
    return "fitted"


def _by_lifetimes(frame: Any) -> str:
    import lifetimes

    lifetimes.BetaGeoFitter().fit(frame.frequency, frame.recency, frame["T"])
    return "fitted"


def _by_pymc(frame: Any) -> str:
    PyMCMarketing().mode("BetaGeoModel", frame[["customer_id", "frequency", "recency", "T"]])
    return "fitted"


def _share(whole: float, part: float) -> float:
    return float(part / whole)

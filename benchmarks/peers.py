"""The packages beside ours, and the same questions put to each of them.

Both answer at maximum likelihood: lifetimes by its fitters, PyMC-Marketing as the mode under flat
priors. Their own warnings are silenced; ours are not.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any, ClassVar, Protocol

import numpy as np

import clvmodels as clv
from benchmarks.results import release

Params = Mapping[str, float]
PACKAGES = {"lifetimes": "lifetimes", "PyMC-Marketing": "pymc-marketing"}
PARAMETERS = {
    "BetaGeoModel": ("r", "alpha", "a", "b"),
    "ModifiedBetaGeoModel": ("r", "alpha", "a", "b"),
    "ParetoNBDModel": ("r", "alpha", "s", "beta"),
    "GammaGammaModel": ("p", "q", "v"),
}


class Fitted(Protocol):
    """A purchase model of another package, with parameters."""

    params: Params

    def expected_purchases(self, data: clv.RFMSummary, t: float) -> np.ndarray: ...

    def probability_alive(self, data: clv.RFMSummary) -> np.ndarray: ...

    def expected_purchases_new_customer(self, t: float) -> float: ...


class FittedSpend(Protocol):
    """Its Gamma-Gamma model, with parameters."""

    params: Params

    def expected_spend(self, data: clv.RFMSummary) -> np.ndarray: ...

    def clv(
        self, purchases: Any, data: clv.RFMSummary, months: int, monthly: float
    ) -> np.ndarray: ...


class Peer(Protocol):
    """Another package."""

    name: ClassVar[str]

    def fit(self, model: str, data: clv.RFMSummary) -> Fitted: ...

    def fit_spend(self, data: clv.RFMSummary) -> FittedSpend: ...

    def with_params(self, model: str, **params: float) -> Fitted: ...

    def with_spend_params(self, **params: float) -> FittedSpend: ...


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings, logs and prints of others."""
    level = logging.getLogger("pymc").level
    logging.getLogger("pymc").setLevel(logging.ERROR)
    with warnings.catch_warnings(), np.errstate(all="ignore"), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.getLogger("pymc").setLevel(level)


@dataclass(frozen=True)
class Lifetimes:
    """lifetimes, with its defaults."""

    name: ClassVar[str] = "lifetimes"
    _fitters: ClassVar[Mapping[str, str]] = {
        "BetaGeoModel": "BetaGeoFitter",
        "ModifiedBetaGeoModel": "ModifiedBetaGeoFitter",
        "ParetoNBDModel": "ParetoNBDFitter",
        "GammaGammaModel": "GammaGammaFitter",
    }

    def fit(self, model: str, data: clv.RFMSummary, penalizer: float = 0.0) -> "_LifetimesFit":
        np.random.seed(0)  # noqa: NPY002 - its Pareto/NBD starts from a random point
        with quiet():
            fitter = self._fitter(model, penalizer)
            fitter.fit(data.frequency, data.recency, data.T)
        return _LifetimesFit(fitter, _floats(fitter.params_))

    def fit_spend(self, data: clv.RFMSummary, penalizer: float = 0.0) -> "_LifetimesSpend":
        repeat = data.frequency > 0
        with quiet():
            fitter = self._fitter("GammaGammaModel", penalizer)
            fitter.fit(data.frequency[repeat], data.monetary_value[repeat])
        return _LifetimesSpend(fitter, _floats(fitter.params_))

    def with_params(self, model: str, **params: float) -> "_LifetimesFit":
        return _LifetimesFit(self._given(model, params), params)

    def with_spend_params(self, **params: float) -> "_LifetimesSpend":
        return _LifetimesSpend(self._given("GammaGammaModel", params), params)

    def _given(self, model: str, params: Params) -> Any:
        import pandas as pd

        with quiet():
            fitter = self._fitter(model, 0.0)
        fitter.params_ = pd.Series(params)
        # what fit() binds to the columns it was given
        fitter.predict = getattr(
            fitter, "conditional_expected_number_of_purchases_up_to_time", None
        )
        return fitter

    def _fitter(self, model: str, penalizer: float) -> Any:
        import pandas as pd

        had = pd.options.mode.chained_assignment
        import lifetimes

        pd.options.mode.chained_assignment = had  # which its import changes
        return getattr(lifetimes, self._fitters[model])(penalizer)


@dataclass(frozen=True)
class _LifetimesFit:
    fitter: Any
    params: Params

    def expected_purchases(self, data: clv.RFMSummary, t: float) -> np.ndarray:
        with quiet():
            return np.asarray(
                self.fitter.conditional_expected_number_of_purchases_up_to_time(t, *_rows(data))
            )

    def probability_alive(self, data: clv.RFMSummary) -> np.ndarray:
        with quiet():
            return np.asarray(self.fitter.conditional_probability_alive(*_rows(data)))

    def expected_purchases_new_customer(self, t: float) -> float:
        with quiet():
            return float(self.fitter.expected_number_of_purchases_up_to_time(t))


@dataclass(frozen=True)
class _LifetimesSpend:
    fitter: Any
    params: Params

    def expected_spend(self, data: clv.RFMSummary) -> np.ndarray:
        with quiet():
            return np.asarray(
                self.fitter.conditional_expected_average_profit(
                    data.frequency, np.nan_to_num(data.monetary_value)
                )
            )

    def clv(
        self, purchases: _LifetimesFit, data: clv.RFMSummary, months: int, monthly: float
    ) -> np.ndarray:
        """Booked at the ends of months, of 4.345 weeks if `freq` says that data are weekly."""
        import pandas as pd

        columns = [pd.Series(v) for v in (*_rows(data), np.nan_to_num(data.monetary_value))]
        with quiet():
            return np.asarray(
                self.fitter.customer_lifetime_value(
                    purchases.fitter, *columns, time=months, discount_rate=monthly, freq="W"
                )
            )


@dataclass(frozen=True)
class PyMCMarketing:
    """PyMC-Marketing, 0.x or 1.x."""

    name: ClassVar[str] = "PyMC-Marketing"

    def fit(self, model: str, data: clv.RFMSummary, *, flat: bool = True) -> "_PyMCFit":
        frame = data.to_pandas()[["customer_id", "frequency", "recency", "T"]]
        return _PyMCFit(*self.mode(model, frame, flat=flat))

    def fit_spend(self, data: clv.RFMSummary) -> "_PyMCSpend":
        frame = data.to_pandas()
        return _PyMCSpend(*self.mode("GammaGammaModel", frame[frame.frequency > 0]))

    def with_params(self, model: str, **params: float) -> "_PyMCFit":
        return _PyMCFit(self._given(model, params), params)

    def with_spend_params(self, **params: float) -> "_PyMCSpend":
        return _PyMCSpend(self._given("GammaGammaModel", params), params)

    def mode(self, model: str, frame: Any, *, flat: bool = True) -> tuple[Any, Params]:
        """Its model fitted to a frame, and the mode of the posterior."""
        with quiet():
            import pymc_marketing.clv as peer
            from pymc_extras.prior import Prior

            priors = {name: Prior("HalfFlat") for name in PARAMETERS[model]} if flat else None
            make = getattr(peer, model)
            if data_at_fit():
                built = make(model_config=priors)
                built.fit(frame, method="map", progressbar=False)
            else:
                built = make(data=frame, model_config=priors)
                built.fit(method="map", progressbar=False)
            posterior = built.idata.posterior
        return built, {name: float(posterior[name].mean()) for name in PARAMETERS[model]}

    def _given(self, model: str, params: Params) -> Any:
        """A model with a posterior of one draw; its own data are never looked at."""
        with quiet():
            import arviz as az
            import pandas as pd
            import pymc_marketing.clv as peer

            frame = pd.DataFrame(
                {"customer_id": [0, 1], "frequency": [1.0, 2.0], "recency": [1.0, 2.0],
                 "T": [3.0, 3.0], "monetary_value": [1.0, 2.0]}
            )  # fmt: skip
            draw = {name: np.full((1, 1), value) for name, value in params.items()}
            if data_at_fit():
                built = getattr(peer, model)()
                built.build_model(frame)
                built.idata = az.from_dict({"posterior": draw})
            else:
                built = getattr(peer, model)(data=frame)
                built.build_model()
                built.idata = az.from_dict(posterior=draw)
        return built


@dataclass(frozen=True)
class _PyMCFit:
    model: Any
    params: Params

    def expected_purchases(self, data: clv.RFMSummary, t: float) -> np.ndarray:
        with quiet():
            return _means(self.model.expected_purchases(_frame(data), future_t=t))

    def probability_alive(self, data: clv.RFMSummary) -> np.ndarray:
        with quiet():
            return _means(self.model.expected_probability_alive(_frame(data)))

    def expected_purchases_new_customer(self, t: float) -> float:
        import pandas as pd

        frame = pd.DataFrame(
            {"customer_id": [0], "frequency": [0.0], "recency": [0.0], "T": [1.0]}
        )  # only ids are looked at
        with quiet():
            return float(_means(self.model.expected_purchases_new_customer(frame, t=t))[0])


@dataclass(frozen=True)
class _PyMCSpend:
    model: Any
    params: Params

    def expected_spend(self, data: clv.RFMSummary) -> np.ndarray:
        with quiet():
            return _means(self.model.expected_customer_spend(_frame(data)))

    def clv(
        self, purchases: _PyMCFit, data: clv.RFMSummary, months: int, monthly: float
    ) -> np.ndarray:
        """Booked at the ends of months."""
        with quiet():
            return _means(
                self.model.expected_customer_lifetime_value(
                    purchases.model, _frame(data), future_t=months, discount_rate=monthly,
                    time_unit="W",
                )
            )  # fmt: skip


def installed() -> dict[str, Peer]:
    """Those peers that are there, by name."""
    known: tuple[Peer, ...] = (Lifetimes(), PyMCMarketing())
    return {peer.name: peer for peer in known if release(PACKAGES[peer.name])}


def absent() -> list[str]:
    """A line for each peer that is not there."""
    return [
        f"{name} is not installed: skipped."
        for name, package in PACKAGES.items()
        if not release(package)
    ]


def data_at_fit() -> bool:
    """Whether PyMC-Marketing's models take their data when they are fitted."""
    return int(str(release("pymc-marketing")).split(".")[0]) >= 1


def _rows(data: clv.RFMSummary) -> tuple[np.ndarray, ...]:
    return data.frequency, data.recency, data.T


def _frame(data: clv.RFMSummary) -> Any:
    frame = data.to_pandas()
    return frame.fillna({"monetary_value": 0.0}) if "monetary_value" in frame else frame


def _means(array: Any) -> np.ndarray:
    """Averages over draws, one value per customer."""
    return np.asarray(array.mean(("chain", "draw")).to_numpy(), dtype=float).ravel()


def _floats(params: Any) -> dict[str, float]:
    return {str(name): float(value) for name, value in params.items()}

"""Every model's fit beside the BG/NBD's, and DERT beside expected purchases, on the same data."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import clvmodels as clv
from benchmarks.speed.measure import Row, afresh, best_of, best_on
from benchmarks.speed.worlds import (
    contracts,
    customers,
    donors,
    promoted_customers,
    regular_customers,
    with_covariates,
)


def loglik(fit: Any, data: clv.RFMSummary) -> float:
    """Log-likelihood of given parameters."""
    h = data.compress()
    params = {name: np.float64(value) for name, value in fit.params.items()}
    return float(h.weight @ fit.model.kernel.loglik(h.x, h.t_x, h.T, **params))


def pareto_fits(n: int) -> Iterator[Row]:
    """MLE of the Pareto/NBD against lifetimes' search, and of ten times as many customers."""
    import lifetimes

    model, data, more = clv.ParetoNBDModel(), customers(n), customers(10 * n)
    model.fit(customers(1000))  # compile
    ours, fit = best_on(lambda: afresh(data), model.fit)
    seconds, fitter = best_of(
        lambda: lifetimes.ParetoNBDFitter().fit(data.frequency, data.recency, data.T), repeats=1
    )
    params = {name: float(value) for name, value in fitter.params_.items()}
    there = model.with_params(**params, time_unit="week")
    note = (
        f"log-likelihood {fit.loglik:,.3f}, lifetimes {loglik(there, data):,.3f}; "
        f"{len(data.compress()):,} distinct histories"
    )
    yield Row("Pareto/NBD fit", n, ours, seconds, ">= 100", note)
    ten, fit = best_on(lambda: afresh(more), model.fit)
    note = f"log-likelihood {fit.loglik:,.3f}; beside a tenth of the customers"
    yield Row("Pareto/NBD fit", 10 * n, ten, None, "<= 10 times", note, ours)


def every_fit(n: int) -> Iterator[Row]:
    """MLE of the other models beside the BG/NBD's; grouping into histories is counted."""
    bg, data = clv.BetaGeoModel(), customers(n)
    bg.fit(customers(1000))

    def beside() -> float:
        return best_on(lambda: afresh(data), bg.fit)[0]

    named = clv.Covariates(both=("z1", "z2", "z3"))
    tasks: list[tuple[str, Any, Callable[[int], Any]]] = [
        ("NBD", clv.NBDModel(), customers),
        ("MBG/NBD", clv.ModifiedBetaGeoModel(), customers),
        ("Pareto/NBD", clv.ParetoNBDModel(), customers),
        ("GGompertz/NBD", clv.GGompertzNBDModel(), customers),
        ("BG/CNBD-2", clv.BetaGeoCNBDModel(k=2), regular_customers),
        ("MBG/CNBD-2", clv.ModifiedBetaGeoCNBDModel(k=2), regular_customers),
        ("MBG/CNBD, k chosen", clv.ModifiedBetaGeoCNBDModel(), regular_customers),
        ("BG/BB", clv.BetaGeoBetaBinomModel(), donors),
        ("Gamma-Gamma", clv.GammaGammaModel(), customers),
        ("lognormal-normal", clv.LognormalNormalModel(), customers),
        ("geometric", clv.GeometricRetentionModel(), contracts),
        ("sBG", clv.ShiftedBetaGeoModel(), contracts),
        ("BdW", clv.BetaDiscreteWeibullModel(), contracts),
        ("BG/NBD, 3 covariates", clv.BetaGeoModel(covariates=named), with_covariates),
    ]
    for name, model, world in tasks:
        model.fit(world(1000))  # compile
        whole = world(n)
        before = beside()
        ours, fit = best_on(lambda: _anew(whole), model.fit)  # noqa: B023
        times = min(before, beside())  # before and after, for the machine may have other work
        note = f"log-likelihood {fit.loglik:,.3f}; beside the BG/NBD's {times:.4f} s"
        yield Row(f"{name} fit", n, ours, None, "<= 20 times", note, times)
    model = clv.TimeVaryingParetoNBDModel(purchase=("promoted",), dropout=())
    model.fit(promoted_customers(200))
    some, times = promoted_customers(n // 10), beside()
    ours, fit = best_of(lambda: model.fit(some), 1)
    note = (
        f"log-likelihood {fit.loglik:,.3f}; {some.indptr[-1]:,} weeks of customers, beside "
        f"the BG/NBD's {times:.4f} s on {n:,} customers"
    )
    yield Row("Pareto/NBD fit, one covariate by the week", n // 10, ours, None, "", note, times)


def _anew(data: Any) -> Any:
    """The same data without what was worked out from them; durations keep nothing."""
    return data if isinstance(data, clv.RetentionTable) else afresh(data)


def residual_transactions(n: int) -> Iterator[Row]:
    """DERT beside the purchases expected in a year; customers are grouped beforehand."""
    data = customers(n)
    data.compress().by_age  # noqa: B018
    rate = clv.DiscountRate(0.1, per="year")
    bg = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
    mbg = {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614}
    cnbd = {"r": 0.8, "alpha": 2.0, "a": 0.9, "b": 2.5}
    for model, params in (
        (clv.BetaGeoModel(), bg),
        (clv.ModifiedBetaGeoModel(), mbg),
        (clv.ParetoNBDModel(), {"r": 0.553, "alpha": 10.578, "s": 0.606, "beta": 11.669}),
        (clv.BetaGeoCNBDModel(k=2), cnbd),
        (clv.ModifiedBetaGeoCNBDModel(k=2), cnbd),
    ):
        fit = model.with_params(**params, time_unit="week")
        few = customers(1000)
        fit.expected_purchases(few, "1 year"), fit.residual_transactions(few, rate)  # compile
        year, ever, values = np.inf, np.inf, np.zeros(0)
        for _ in range(5):  # in turns, for the machine may have other work
            year = min(year, best_of(lambda: fit.expected_purchases(data, "1 year"), 1)[0])  # noqa: B023
            seconds, values = best_of(lambda: fit.residual_transactions(data, rate), 1)  # noqa: B023
            ever = min(ever, seconds)
        note = (
            f"{values.sum():,.1f} in all, beside the {year:.4f} s of expected purchases in a year; "
            "customers grouped before, P(alive) counted in both"
        )
        yield Row(f"{model.label} DERT", n, ever, None, "<= 3 times", note, year)

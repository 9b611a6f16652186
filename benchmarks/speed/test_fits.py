"""Maximum likelihood with standard errors, from customers not yet grouped into histories.

lifetimes finds the maximum alone. So does PyMC-Marketing, as the mode under flat priors; building
and compiling its model is part of a fit, what earlier fits left in its caches is not.
"""

import pytest

import clvmodels as clv
from benchmarks.speed.measure import best_of
from benchmarks.speed.worlds import (
    afresh,
    base,
    contracts,
    customers,
    donors,
    promoted_customers,
    regular_customers,
    unrounded,
    with_covariates,
)

BG, MBG, PARETO = clv.BetaGeoModel(), clv.ModifiedBetaGeoModel(), clv.ParetoNBDModel()
SIZES = [10**k for k in range(3, 8)]
ROUNDED, UNROUNDED = (base, ""), (unrounded, ", times not rounded to days")
TARGETS = {
    ("BG/NBD fit", 10**6): ">= 50 times",
    ("MBG/NBD fit", 10**6): ">= 50 times",
    ("Pareto/NBD fit", 10**5): ">= 100 times",
}


def _id(value):
    if isinstance(value, tuple):
        return value[1].strip(", ") or "days"
    return None if isinstance(value, str | int) else value.title


@pytest.mark.parametrize(
    ("model", "world", "size"),
    [
        *((model, ROUNDED, n) for n in SIZES for model in (BG, PARETO)),
        (MBG, ROUNDED, 10**6),
        (BG, UNROUNDED, 10**6),
    ],
    ids=_id,
)
def test_fit(model, world, size, timed, say, scaled):
    (simulate, words), n = world, scaled(size)
    what, data = f"{model.title} fit{words}", simulate(n)
    model.fit(customers(1000))  # compile
    target = TARGETS.get((what, size), "")
    fit = timed(model.fit, what=what, size=n, target=target, prepare=lambda: afresh(data))
    say(reached=f"{len(data.compress()):,} distinct histories; log-likelihood {fit.loglik:,.3f}")


@pytest.mark.parametrize(
    ("model", "world", "who", "size"),
    [
        *((BG, ROUNDED, "lifetimes", n) for n in SIZES[:4]),
        *((PARETO, ROUNDED, "lifetimes", n) for n in SIZES[:3]),
        (MBG, ROUNDED, "lifetimes", 10**6),
        (BG, UNROUNDED, "lifetimes", 10**6),
        *((BG, ROUNDED, "PyMC-Marketing", n) for n in SIZES[:4]),
        *((PARETO, ROUNDED, "PyMC-Marketing", n) for n in SIZES[:3]),
    ],
    ids=_id,
)
def test_fit_elsewhere(model, world, who, size, peer, timed, say, scaled):
    (simulate, words), n = world, scaled(size)
    name, data = type(model).__name__, simulate(n)
    peer.fit(name, customers(1000))  # import, and fill the caches of compiled code
    what = f"{model.title} fit{words}"
    fit = timed(lambda: peer.fit(name, data), what=what, size=n, who=who, rounds=1)
    there = model.with_params(**fit.params, time_unit="week").loglik_of(data)
    say(reached=f"{who} {there:,.3f}")


def test_fit_of_ten_times_as_many(timed, say, scaled):
    few, many, beside = base(scaled(10**5)), base(scaled(10**6)), []

    def prepare():
        given = afresh(few)
        beside.append(best_of(lambda: PARETO.fit(given), 1)[0])
        return afresh(many)

    what = "Pareto/NBD fit beside a tenth of the customers"
    timed(PARETO.fit, what=what, size=len(many), target="<= 10 times", prepare=prepare)
    say(beside=min(beside), reached=f"a tenth takes {min(beside):.4f} s")


FAMILY = {
    "NBD": (clv.NBDModel(), base),
    "MBG/NBD": (MBG, base),
    "Pareto/NBD": (PARETO, base),
    "GGompertz/NBD": (clv.GGompertzNBDModel(), base),
    "BG/CNBD-2": (clv.BetaGeoCNBDModel(k=2), regular_customers),
    "MBG/CNBD-2": (clv.ModifiedBetaGeoCNBDModel(k=2), regular_customers),
    "MBG/CNBD with k chosen": (clv.ModifiedBetaGeoCNBDModel(), regular_customers),
    "BG/BB": (clv.BetaGeoBetaBinomModel(), donors),
    "Gamma-Gamma": (clv.GammaGammaModel(), base),
    "lognormal-normal": (clv.LognormalNormalModel(), base),
    "geometric": (clv.GeometricRetentionModel(), contracts),
    "sBG": (clv.ShiftedBetaGeoModel(), contracts),
    "BdW": (clv.BetaDiscreteWeibullModel(), contracts),
    "BG/NBD with 3 covariates": (
        clv.BetaGeoModel(covariates=clv.Covariates(both=("z1", "z2", "z3"))),
        with_covariates,
    ),
    "Pareto/NBD with a covariate by the week, a tenth of the customers": (
        clv.TimeVaryingParetoNBDModel(purchase=("promoted",), dropout=()),
        lambda n: promoted_customers(max(n // 10, 100)),
    ),
}


@pytest.mark.parametrize("name", FAMILY)
def test_fit_beside_the_first(name, timed, say, scaled):
    (model, world), n, beside = FAMILY[name], scaled(10**5), []
    model.fit(world(1000))  # compile
    data, whole = base(n), world(n)

    def prepare():  # in turns, for the machine may have other work
        given = afresh(data)
        beside.append(best_of(lambda: BG.fit(given), 1)[0])
        return afresh(whole)

    slow = isinstance(whole, clv.TimeVaryingSummary)
    target = "" if slow else "<= 20 times"
    what = f"{name} fit beside BG/NBD"
    rounds = 1 if slow else 5
    fit = timed(model.fit, what=what, size=n, target=target, prepare=prepare, rounds=rounds)
    words = f"log-likelihood {fit.loglik:,.3f}; BG/NBD takes {min(beside):.4f} s"
    say(beside=min(beside), reached=words)

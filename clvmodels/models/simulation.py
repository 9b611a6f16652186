"""Histories of new customers and futures of known ones, drawn from a fitted purchase model."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from clvmodels._typing import AnyArray, FloatArray, Params
from clvmodels.data.opportunities import OpportunitySummary
from clvmodels.data.summary import RFMSummary
from clvmodels.inference.estimate import Estimate
from clvmodels.models.averaging import draws_of
from clvmodels.models.clock import OpportunityClock, SeasonalClock, Summary
from clvmodels.models.pooling import columns_of_new
from clvmodels.models.quantities import Quantities


def new_customers(
    quantities: Quantities,
    estimate: Estimate,
    customers: int,
    age: float,
    covariates: Mapping[str, Any] | None,
    seed: int,
) -> Summary:
    """Histories of customers acquired `age` calendar units ago; each has a draw of parameters."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(draws_of(estimate.point), size=customers)
    zero, T = np.zeros(customers), np.full(customers, quantities.clock.aged(age))
    columns, z = columns_of_new(covariates, customers, quantities.design, quantities.groups)
    params = quantities.each_its_own(estimate.point, drawn, z)
    kernel = quantities.kernel
    alive = rng.random(customers) < kernel.prob_alive(zero, zero, zero, **params)
    x, t_x = (np.where(alive, v, 0.0) for v in kernel.simulate(zero, zero, T, rng, **params))
    litt = kernel.draw_litt(x, t_x, rng) if quantities.model.timed else None
    return _summary(quantities, x, t_x, T, litt, columns)


def purchases_by_age(
    quantities: Quantities, estimate: Estimate, ages: FloatArray, seed: int
) -> FloatArray:
    """Repeat purchases of new customers by each of their ages, of the shape of `ages`.

    Ages of shape (times, customers) count the model's time and do not fall; each customer has a
    draw of parameters. What comes next depends on a history only by (x, t_x, T): step by step, the
    histories are those of one life.
    """
    rng = np.random.default_rng(seed)
    customers: int = ages.shape[1]
    z = np.repeat(quantities.newcomer(None).z, customers, axis=0)
    drawn = rng.integers(draws_of(estimate.point), size=customers)
    params = quantities.each_its_own(estimate.point, drawn, z)
    kernel, out = quantities.kernel, np.empty_like(ages)
    x = t_x = T = np.zeros(customers)
    for k, end in enumerate(ages):
        alive = rng.random(customers) < kernel.prob_alive(x, t_x, T, **params)
        stage = _stage(quantities, x, t_x, T, params, rng)
        made, last = kernel.simulate(x + stage, T, end - T, rng, **params)
        made = np.where(alive, made, 0.0)
        t_x = np.where(made > 0, np.minimum(T + last, end), t_x)
        x, T = x + made, end
        out[k] = x
    return out


def futures(
    quantities: Quantities, estimate: Estimate, data: Summary, t: float, draws: int, seed: int
) -> FloatArray:
    """Purchases within `t` calendar units, of shape (draws, customers)."""
    rng = np.random.default_rng(seed)
    h = quantities.histories(data)
    x, t_x, T, z = (values[h.inverse] for values in (h.x, h.t_x, h.T, h.z))
    length = np.full(len(x), quantities.clock.elapsed(np.array([t]))[0])
    kernel, out = quantities.kernel, np.empty((draws, len(x)))
    sample = estimate.sample(draws, rng)
    for k in range(draws):
        one = quantities.at({name: values[[k]] for name, values in sample.items()}, z)
        params: Params = {name: values[0] for name, values in one.items()}
        alive = rng.random(len(x)) < kernel.prob_alive(x, t_x, T, **params)
        made = kernel.simulate(
            x + _stage(quantities, x, t_x, T, params, rng), T, length, rng, **params
        )[0]
        out[k] = np.where(alive, made, 0.0)
    return out


def _stage(
    quantities: Quantities,
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    params: Params,
    rng: np.random.Generator,
) -> FloatArray:
    """How far each next purchase has come, as a share of it."""
    k = quantities.model.stages
    if k == 1:
        return np.zeros(len(x))
    weights = quantities.kernel.stage_weights(x, t_x, T, **params).reshape(k, len(x))
    passed = rng.random(len(x)) > np.cumsum(weights, axis=0)[:-1]
    share: FloatArray = passed.sum(axis=0) / k
    return share


def _summary(
    quantities: Quantities,
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    litt: FloatArray | None,
    columns: Mapping[str, AnyArray],
) -> Summary:
    clock, ids = quantities.clock, np.arange(len(x))
    if isinstance(clock, OpportunityClock):
        return OpportunitySummary(
            customer_id=ids, frequency=x, recency=t_x, opportunities=T, every=clock.every
        )
    seasonal = clock if isinstance(clock, SeasonalClock) else None
    return RFMSummary(
        customer_id=ids,
        frequency=x,
        recency=t_x,
        T=T,
        monetary_value=None,
        time_unit=clock.time_unit,
        litt=litt,
        columns=columns,
        observation_end=seasonal and seasonal.now,
        calendar=seasonal and seasonal.calendar,
    )

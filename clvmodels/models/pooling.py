"""Customers whose parameters differ: by covariates, by group, or by both.

What a history's parameters depend on travels with it as columns z: the standardised covariates,
and last the place of its group among the columns of the parameter arrays.
"""

import warnings
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from clvmodels._typing import AnyArray, FloatArray, IntArray, Params
from clvmodels.exceptions import DataWarning, ParameterError
from clvmodels.inference.estimate import Method
from clvmodels.inference.groups import Groups, column_names, group_of
from clvmodels.models.design import Design, no_covariates


class Customers(Protocol):
    """A summary with further columns."""

    @property
    def customer_id(self) -> AnyArray: ...
    @property
    def columns(self) -> Mapping[str, AnyArray]: ...
    @property
    def weights(self) -> FloatArray: ...


def groups_for(method: Method | None, data: Customers) -> Groups | None:
    """The groups that a method pools over, if it does.

    Raises
    ------
    DataError
        If a column is missing or has gaps.
    """
    asked = getattr(method, "groups", None)
    if asked is None:
        return None
    return Groups.of(column_names(asked), data.columns, data.customer_id, data.weights)


def columns_of(data: Any, design: Design | None, groups: Groups | None) -> FloatArray | None:
    """Columns z of customers; None where there are none."""
    if design is None and groups is None:
        return None
    parts = [] if design is None else [design.matrix(data)]
    if groups is not None:
        places = groups.places(data.columns, data.customer_id)
        tell_of_strangers(groups, places, data.customer_id, "customers")
        parts.append(places[:, None].astype(np.float64))
    return np.hstack(parts)


def columns_of_new(
    given: Mapping[str, Any] | None, customers: int, design: Design | None, groups: Groups | None
) -> tuple[dict[str, AnyArray], FloatArray]:
    """Columns of new customers by name, and their z of shape (customers, columns).

    Without values, customers are average in every covariate, and of a group not seen.
    """
    rest = dict(given or {})
    columns: dict[str, AnyArray] = {}
    parts = [np.empty((customers, 0))]
    places = None
    if groups is not None:
        own = {name: rest.pop(name) for name in groups.columns if name in rest}
        if 0 < len(own) < len(groups.columns):
            raise ParameterError(f"Give all of {', '.join(groups.columns)}, or none.")
        places = np.full(customers, groups.size - 1)
        if own:
            columns = {k: np.broadcast_to(np.asarray(v), customers) for k, v in own.items()}
            places = groups.places(columns, np.arange(customers))
            inner = groups.columns[-1]
            tell_of_strangers(groups, places, columns[inner], f"values of {inner}")
    if design is None:
        no_covariates(rest)
    else:
        numbers = design.columns_of(rest or None, customers)
        columns = {**columns, **numbers}
        parts.append(design.standardised(numbers))
    if places is not None:
        parts.append(places[:, None].astype(np.float64))
    return columns, np.hstack(parts)


def own_params(
    params: Params, z: FloatArray, design: Design | None, groups: Groups | None
) -> Params:
    """Parameters of shape (draws, 1), or (draws, rows) where they differ between rows."""
    if groups is not None:
        params = group_of(params, z[:, -1].astype(np.int64))
        z = z[:, :-1]
    return params if design is None else design.row_params(params, z)


def tell_of_strangers(groups: Groups, places: IntArray, ids: AnyArray, of: str) -> None:
    """Warn where rows are of groups that were not fitted; `of` says what the ids are of."""
    strange = ~groups.seen(places)
    if strange.any():
        first = ", ".join(map(str, dict.fromkeys(ids[strange][:5].tolist())))
        warnings.warn(
            f"{int(strange.sum()):,} of {len(places):,} rows are of a {' / '.join(groups.columns)} "
            f"that was not fitted (first {of}: {first}). They get what is known of a new group: "
            "the population, and how far groups differ. Each draw is one new group that they all "
            "share, so totals over several groups not fitted have wider intervals than need be.",
            DataWarning,
            stacklevel=5,
        )

"""Groups of customers whose parameters are partially pooled: segments, markets, cohorts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Self, final

import numpy as np

from clvmodels._typing import AnyArray, FloatArray, IntArray
from clvmodels.exceptions import DataError, ParameterError, rule_broken

CENTRE = 0  # the column of parameter arrays with the typical group
_TAKEN = ("typical", "not seen")  # columns that are not those of a group
_BETWEEN = " / "  # outer and inner label


@final
@dataclass(frozen=True, eq=False)
class Groups:
    """The groups that a fit saw, and where their parameters are.

    Parameters of grouped fits are of shape (draws, `size`): the typical group, then each group in
    the order of `labels`, then (of nested groups) one not seen of each outer group that was seen,
    and last a group of which nothing was seen.

    Attributes
    ----------
    columns : tuple of str
        One column, or an outer and an inner one that is nested in it.
    labels : tuple of tuple of str
        Per group, its value in each column.
    customers : tuple of float
        How many were fitted of each group.
    """

    columns: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    customers: tuple[float, ...]

    @classmethod
    def of(
        cls,
        columns: Sequence[str],
        table: Mapping[str, AnyArray],
        ids: AnyArray,
        weight: FloatArray,
    ) -> Self:
        """The groups among some rows, each of which stands for `weight` customers.

        Raises
        ------
        DataError
            If a column is missing, has gaps, or labels that cannot be told from those of groups
            not seen.
        """
        labels, group = _groups_present(columns, table, ids)
        _check_names(columns, labels)
        customers = np.bincount(group, weights=weight)
        return cls(tuple(columns), labels, tuple(customers.tolist()))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def names(self) -> tuple[str, ...]:
        """One name per group."""
        return tuple(_BETWEEN.join(label) for label in self.labels)

    @property
    def nested(self) -> bool:
        """Whether groups lie in outer groups."""
        return len(self.columns) == 2

    @cached_property
    def outer(self) -> tuple[str, ...]:
        """Names of the outer groups; none unless nested."""
        return tuple(sorted({label[0] for label in self.labels})) if self.nested else ()

    @cached_property
    def parents(self) -> IntArray:
        """Which outer group each group lies in."""
        place = {name: k for k, name in enumerate(self.outer)}
        return np.array([place[label[0]] for label in self.labels], dtype=np.int64)

    @property
    def size(self) -> int:
        """Columns of parameter arrays."""
        return 2 + len(self) + len(self.outer)

    def places(self, table: Mapping[str, AnyArray], ids: AnyArray) -> IntArray:
        """The column of each customer's parameters.

        Raises
        ------
        DataError
            If a column is missing, or has gaps.
        """
        labels, group = _groups_present(self.columns, table, ids)
        known = {label: 1 + k for k, label in enumerate(self.labels)}
        inner = {name: 1 + len(self) + k for k, name in enumerate(self.outer)}
        unseen = self.size - 1
        places = [known.get(label, inner.get(label[0], unseen)) for label in labels]
        out: IntArray = np.array(places, dtype=np.int64)[group]
        return out

    def names_in(self, table: Mapping[str, AnyArray], ids: AnyArray) -> AnyArray:
        """The name of each customer's group, fitted or not; errors as of `places`."""
        labels, group = _groups_present(self.columns, table, ids)
        return np.array([_BETWEEN.join(label) for label in labels], dtype=object)[group]

    def seen(self, places: IntArray) -> AnyArray:
        """Whether a column of parameters is that of a group that was fitted."""
        return (places > CENTRE) & (places <= len(self))

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "columns": list(self.columns),
            "labels": [list(label) for label in self.labels],
            "customers": list(self.customers),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """The groups of a document made by `to_dict`."""
        labels = tuple(map(tuple, document["labels"]))
        return cls(tuple(document["columns"]), labels, tuple(document["customers"]))


def column_names(groups: object) -> tuple[str, ...]:
    """One or two names of columns, or an error that says so."""
    names = (groups,) if isinstance(groups, str) else groups
    if not isinstance(names, tuple | list) or not all(isinstance(n, str) for n in names):
        raise ParameterError(
            f"groups takes the name of a column, or (outer, inner) for nested groups: {groups!r}."
        )
    if not 1 <= len(set(names)) == len(names) <= 2:
        raise ParameterError(
            f"groups takes one column, or two of which the second is nested: {groups!r}."
        )
    return tuple(names)


def group_of(params: Mapping[str, FloatArray], places: IntArray) -> dict[str, FloatArray]:
    """Parameters of shape (draws, groups) or (draws, 1), per customer where they differ."""
    return {k: v if v.shape[-1] == 1 else v[:, places] for k, v in params.items()}


def _groups_present(
    columns: Sequence[str], table: Mapping[str, AnyArray], ids: AnyArray
) -> tuple[tuple[tuple[str, ...], ...], IntArray]:
    """Labels of the groups among some rows, in their order, and which of them each row is of."""
    parts = [_levels(name, table, ids) for name in columns]
    codes = np.zeros(len(ids), dtype=np.int64)
    for level, labels in parts:
        codes = codes * len(labels) + level
    present, group = np.unique(codes, return_inverse=True)
    places = np.unravel_index(present, [len(labels) for _, labels in parts])
    named = [
        [labels[k] for k in place.tolist()]
        for (_, labels), place in zip(parts, places, strict=True)
    ]
    return tuple(zip(*named, strict=True)), group


def _check_names(columns: Sequence[str], labels: Sequence[tuple[str, ...]]) -> None:
    """Refuse labels by which two columns of parameters would have one name."""
    for column, values in zip(columns, zip(*labels, strict=True), strict=True):
        taken = [
            v for v in dict.fromkeys(values) if v in _TAKEN or (len(columns) > 1 and _BETWEEN in v)
        ]
        if taken:
            raise DataError(
                f"Groups of the column {column} cannot be named {', '.join(map(repr, taken[:5]))}: "
                f"{' and '.join(map(repr, _TAKEN))} stand for groups of no customers, and "
                f"{_BETWEEN!r} joins outer and inner groups. Rename them."
            )


def _levels(
    name: str, table: Mapping[str, AnyArray], ids: AnyArray
) -> tuple[IntArray, tuple[str, ...]]:
    """Codes of a column and what they stand for; whole numbers read alike, however stored."""
    import pandas as pd

    if name not in table:
        raise DataError(
            f"There is no group column {name}; there are {', '.join(table) or 'no columns'}. "
            "Name one of them, or add it with with_column."
        )
    codes, uniques = pd.factorize(np.asarray(table[name]), use_na_sentinel=True)
    gaps = codes < 0
    if gaps.any():
        raise DataError(
            rule_broken(
                f"the group column {name} must have a value for everyone",
                int(gaps.sum()),
                len(ids),
                np.asarray(ids)[gaps].tolist(),
                "Fill it, if need be with a group of their own.",
            )
        )
    texts = [_text(v, name) for v in uniques]
    words = [isinstance(v, str) for v in uniques]
    spelt = {text for text, word in zip(texts, words, strict=True) if word}
    both = spelt & {text for text, word in zip(texts, words, strict=True) if not word}
    if both:
        raise DataError(
            f"The group column {name} has values both as text and as numbers or times: "
            f"{', '.join(sorted(both)[:5])}. Store the column in one type."
        )
    labels = tuple(sorted(set(texts)))
    place = {text: k for k, text in enumerate(labels)}
    return np.array([place[text] for text in texts], dtype=np.int64)[codes], labels


def _text(value: object, name: str) -> str:
    """A label as text, the same for every type that can store the value."""
    import pandas as pd

    if isinstance(value, float | np.floating):
        if not np.isfinite(value):
            raise DataError(
                f"The group column {name} has infinite values. Give these customers a group."
            )
        return str(int(value)) if value == int(value) else str(value)
    if isinstance(value, date | np.datetime64):  # of any resolution
        time = pd.Timestamp(value)
        return str(time).removesuffix(" 00:00:00")
    return str(value)

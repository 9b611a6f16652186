"""Tidy tables of what draws say, per customer and per group of customers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np

from clvmodels._typing import AnyArray, FloatArray, IntArray
from clvmodels.data.columns import FILL, require
from clvmodels.exceptions import DataError, ParameterError
from clvmodels.models.clock import Summary
from clvmodels.models.streaming import Spread

if TYPE_CHECKING:
    import pandas as pd

QUANTILES = (0.05, 0.5, 0.95)
_OF_TOTALS = ("quantity", "estimate", "sd", "lo", "hi")


def check_quantiles(quantiles: Sequence[float]) -> tuple[float, ...]:
    """Probabilities from 0 to 1, or an error that says so."""
    given = quantiles if isinstance(quantiles, Sequence | np.ndarray) else (quantiles,)
    if isinstance(quantiles, Real) or not all(isinstance(p, Real) and 0 <= p <= 1 for p in given):
        raise ParameterError(
            f"quantiles takes a sequence of probabilities, (0.05, 0.5, 0.95) say: {quantiles!r}."
        )
    return tuple(float(p) for p in given)


def distribution_table(
    ids: AnyArray, spreads: Mapping[str, Spread], quantiles: tuple[float, ...]
) -> "pd.DataFrame":
    """One row per customer and quantity: customer_id, quantity, mean, sd, quantiles (q05, ...)."""
    import pandas as pd

    columns: dict[str, AnyArray] = {
        "customer_id": np.repeat(ids, len(spreads)),
        "quantity": np.tile(np.array(list(spreads), dtype=object), len(ids)),
        "mean": _interleaved([s.mean for s in spreads.values()]),
        "sd": _interleaved([s.sd for s in spreads.values()]),
    }
    for k, p in enumerate(quantiles):
        columns[_name(p)] = _interleaved([s.quantiles[k] for s in spreads.values()])
    return pd.DataFrame(columns)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """Which group each customer counts towards.

    Attributes
    ----------
    keys : DataFrame
        One row per group, with its value in each column; no columns where all are one group.
    code : ndarray of shape (customers,)
        Row of each customer's group.
    weight : ndarray of shape (customers,)
        How many customers each row stands for.
    """

    keys: "pd.DataFrame"
    code: IntArray
    weight: FloatArray

    @classmethod
    def of(cls, data: Summary, by: str | Sequence[str] | None) -> Self:
        """Group by one column, by several, or not at all.

        Raises
        ------
        DataError
            If a column is missing, or has gaps.
        """
        import pandas as pd

        weight = data.weights
        if by is None:
            return cls(pd.DataFrame(index=[0]), np.zeros(len(data), dtype=np.int64), weight)
        single = isinstance(by, str) or not isinstance(by, Sequence)
        names = [by] if single else list(dict.fromkeys(by))
        if not names or not all(isinstance(name, str) for name in names):
            raise ParameterError(f"by takes the name of a column, or several: {by!r}.")
        if taken := [name for name in names if name in _OF_TOTALS]:
            raise ParameterError(
                f"The table of totals has a column {taken[0]} of its own: give yours another name."
            )
        have = data.to_pandas()
        if missing := [name for name in names if name not in have]:
            raise DataError(
                f"The summary has no column {missing[0]!r} to group by; its columns: "
                f"{', '.join(map(str, have.columns))}."
            )
        for name in names:
            known = have[name].notna().to_numpy()
            require(data.customer_id, known, f"{name} must be given to group by it", FILL)
        groups = have.groupby(names, sort=True, observed=True)
        keys = groups.size().index.to_frame(index=False)
        return cls(keys, groups.ngroup().to_numpy().astype(np.int64), weight)

    def members(self, column: IntArray | None = None, columns: int | None = None) -> Any:
        """How many customers of each group each column of a stream stands for.

        Parameters
        ----------
        column : ndarray of shape (customers,), optional
            Each customer's column, where several share one.
        columns : int, optional
            Number of columns.

        Returns
        -------
        sparse array of shape (groups, columns)
        """
        from scipy.sparse import coo_array

        place = np.arange(len(self.code)) if column is None else column
        shape = len(self.keys), len(place) if columns is None else columns
        out = coo_array((self.weight, (self.code, place)), shape=shape).tocsc()
        out.eliminate_zeros()  # who counts nobody adds nothing, not 0 times an infinite value
        return out

    def table(self, totals: Mapping[str, Spread]) -> "pd.DataFrame":
        """One row per group and quantity: its keys, quantity, estimate, sd, lo, hi."""
        import pandas as pd

        of = list(totals.values())
        frame = self.keys.loc[np.repeat(np.arange(len(self.keys)), len(of))].reset_index(drop=True)
        values = [
            np.tile(np.array(list(totals), dtype=object), len(self.keys)),
            _interleaved([s.mean for s in of]),
            _interleaved([s.sd for s in of]),
            _interleaved([s.quantiles[0] for s in of]),
            _interleaved([s.quantiles[1] for s in of]),
        ]
        return pd.concat([frame, pd.DataFrame(dict(zip(_OF_TOTALS, values, strict=True)))], axis=1)


def _interleaved(parts: list[FloatArray]) -> FloatArray:
    return np.stack(parts, axis=1).ravel()


def _name(probability: float) -> str:
    """q05, q50, q97.5."""
    percent = f"{100 * probability:.10g}"
    whole, _, rest = percent.partition(".")
    return f"q{whole.zfill(2)}{'.' if rest else ''}{rest}"

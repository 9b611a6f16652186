"""Customers in groups: what each is worth if still there, and whether they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, final

import numpy as np
from numpy.typing import ArrayLike

from clvmodels._notebook import captioned
from clvmodels._typing import AnyArray, FloatArray, IntArray
from clvmodels.exceptions import DataError, ParameterError, rule_broken
from clvmodels.value._flags import ONE_TIME

if TYPE_CHECKING:
    import pandas as pd

ALIVE: Final = 0.7
"""P(alive) from which a customer counts as alive, unless said otherwise."""
LOST: Final = 0.3
"""P(alive) below which a customer counts as lost."""
TOP: Final = (0.2, 0.5)
STATES: Final = ("alive", "at risk", "lost")
"""Of customers who came back."""
ONCE: Final = "bought once"
"""The worth, state and segment of those who did not."""
_NEVER: Final = 1e-12  # a P(alive) from which nothing can be told of the value if alive


@final
@dataclass(frozen=True, eq=False, repr=False)
class Segments:
    """Customers by what they are worth if still there, and by whether they are.

    Attributes
    ----------
    frame : DataFrame
        One row per segment that has customers, by worth and then by state: segment, worth ("top
        20 %"), state ("alive", "at risk", "lost"), customers, share_of_customers, value (of all
        together), share_of_value, mean_value, mean_p_alive, rule (in words). Those who bought once
        come last, with "bought once" for worth and state. Shares of value are NaN where the base
        is worth nothing.
    customers : DataFrame
        One row per customer: customer_id, segment, worth, state, p_alive, value, value_if_alive.
    """

    frame: "pd.DataFrame"
    customers: "pd.DataFrame"

    def __repr__(self) -> str:
        return self.frame.drop(columns=["worth", "state"]).to_string(index=False)

    def _repr_html_(self) -> str:
        shown = self.frame.drop(columns=["worth", "state"])
        return captioned(shown, "Segments")


def customer_segments(
    predictions: "pd.DataFrame",
    *,
    value: str = "clv",
    top: Sequence[float] = TOP,
    alive: float = ALIVE,
    lost: float = LOST,
    weight: ArrayLike | None = None,
) -> Segments:
    """Group customers by what they are worth if still there, and by whether they are.

    A customer's value is P(alive) times what they are worth if alive, which tell of two things:
    how much is at stake, and how sure it still is. What a campaign would keep or bring back does
    not follow from either; an experiment tells.

    Customers who bought once are a segment of their own, without classes of worth. One purchase
    cannot say whether they left or buy seldom, and models settle that by assumption: the BG/NBD
    has them all alive, the Pareto/NBD may have them all lost.

    Parameters
    ----------
    predictions : DataFrame
        One row per customer with customer_id, p_alive and a value, as `FittedCLV.predict` gives.
        Who bought once is told by a column frequency (0), or else by the flags that `predict` sets;
        where there is neither, they are grouped like the others.
    value : str
        Column of the value.
    top : sequence of float
        Borders between classes of the value if alive, as shares of the customers who came back,
        from the most valuable down: (0.2, 0.5) makes the top 20 %, the next 30 % and the last
        50 %. Customers of equal value share a class, so that classes may be larger than their name
        says.
    alive, lost : float
        P(alive) from which a customer counts as alive, and below which as lost; at risk is what
        lies between.
    weight : array of shape (customers,), optional
        How many customers each row stands for; one each if not given. None is negative; rows of
        weight 0 are put into a segment and add nothing to it.

    Returns
    -------
    Segments

    Raises
    ------
    DataError
        If there is no customer, a column is missing, or some customer has no finite value,
        probability or frequency.
    ParameterError
        If `top` is not increasing within 0 and 1, not 0 <= lost <= alive <= 1, or `weight` does not
        give one number from 0 up for each row, some of them positive.

    Examples
    --------
    >>> import clvmodels as clv
    >>> rfm = clv.datasets.load_cdnow_summary()
    >>> model = clv.CLVModel(clv.ParetoNBDModel(), clv.GammaGammaModel(),
    ...                      discount=clv.DiscountRate(0.10, per="year"), margin=0.30)
    >>> found = customer_segments(model.fit(rfm).predict(rfm, "12 months"))
    >>> found.frame[["segment", "customers"]].iloc[[0, 1, -1]].values.tolist()
    [['top 20 %, alive', 125.0], ['top 20 %, at risk', 39.0], ['bought once', 1411.0]]
    """
    import pandas as pd

    borders = _check_borders(top, alive, lost)
    ids, p, worth = _columns(predictions, value)
    w = np.ones(len(ids)) if weight is None else _check_weight(weight, ids)
    known = p > _NEVER
    if_alive = np.divide(worth, p, out=np.zeros_like(worth), where=known)
    once = _bought_once(predictions, ids)
    limits = _limits(if_alive[~once], w[~once], borders)
    row = (if_alive[:, None] < limits).sum(axis=1)
    state = np.where(p >= alive, 0, np.where(p < lost, 2, 1))
    groups = [(c, s) for c in _names(borders) for s in STATES]
    kinds = [*(f"{c}, {s}" for c, s in groups), ONCE]
    code = np.where(once, len(groups), row * len(STATES) + state)
    classes, states = np.array([*groups, (ONCE, ONCE)], dtype=object)[code].T
    customers = pd.DataFrame(
        {
            "customer_id": ids,
            "segment": np.array(kinds, dtype=object)[code],
            "worth": classes,
            "state": states,
            "p_alive": p,
            "value": worth,
            "value_if_alive": if_alive,
        }
    )
    rules = [
        f"{money}; {chance}"
        for money in _money_in_words(limits)
        for chance in _chance_in_words(alive, lost)
    ]
    rules.append("no repeat purchase so far, whatever their P(alive)")
    return Segments(_totals(code, kinds, rules, customers, w), customers)


def _totals(
    code: IntArray,
    kinds: Sequence[str],
    rules: Sequence[str],
    customers: "pd.DataFrame",
    w: FloatArray,
) -> "pd.DataFrame":
    import pandas as pd

    worth, p = (customers[name].to_numpy() for name in ("value", "p_alive"))
    size, total, chance = (
        np.bincount(code, w * v, minlength=len(kinds)) for v in (np.ones_like(w), worth, p)
    )
    there = np.flatnonzero(size)
    whole = total.sum()
    first = [int(np.flatnonzero(code == k)[0]) for k in there]
    return pd.DataFrame(
        {
            "segment": [kinds[k] for k in there.tolist()],
            "worth": customers["worth"].to_numpy()[first],
            "state": customers["state"].to_numpy()[first],
            "customers": size[there],
            "share_of_customers": size[there] / size.sum(),
            "value": total[there],
            "share_of_value": total[there] / whole if whole else np.nan,
            "mean_value": total[there] / size[there],
            "mean_p_alive": chance[there] / size[there],
            "rule": [rules[k] for k in there.tolist()],
        }
    )


def _check_borders(top: Sequence[float], alive: float, lost: float) -> FloatArray:
    borders = np.asarray(top, dtype=np.float64)
    inside = borders.ndim == 1 and len(borders) > 0 and ((borders > 0) & (borders < 1)).all()
    if not inside or (np.diff(borders) <= 0).any():
        raise ParameterError(
            f"top gives increasing shares of the customers between 0 and 1, such as (0.2, 0.5); "
            f"got {top!r}."
        )
    if not 0 <= lost <= alive <= 1:
        raise ParameterError(f"It takes 0 <= lost <= alive <= 1; got lost={lost}, alive={alive}.")
    return borders


def _columns(predictions: "pd.DataFrame", value: str) -> tuple[AnyArray, FloatArray, FloatArray]:
    """Ids, P(alive) and values, checked."""
    needed = ("customer_id", "p_alive", value)
    if missing := [name for name in needed if name not in predictions]:
        raise DataError(
            f"The predictions lack the column(s) {', '.join(missing)}. Take the table that "
            "FittedCLV.predict gives, or name its value column with value=."
        )
    if not len(predictions):
        raise DataError("There is no customer to put into a segment: the predictions are empty.")
    ids = predictions["customer_id"].to_numpy()
    p, worth = (predictions[name].to_numpy(np.float64) for name in needed[1:])
    for bad, rule in (
        (~((p >= 0) & (p <= 1)), "p_alive must be a probability"),
        (~np.isfinite(worth), f"{value} must be finite"),
    ):
        if bad.any():
            text = rule_broken(rule, int(bad.sum()), len(ids), ids[bad], "Leave these out.")
            raise DataError(text)
    return ids, p, worth


def _bought_once(predictions: "pd.DataFrame", ids: AnyArray) -> AnyArray:
    """Who is known to have bought once: by their frequency, or by what `predict` noted."""
    if "frequency" in predictions:
        frequency = predictions["frequency"].to_numpy(np.float64)
        bad = ~(frequency >= 0)
        if bad.any():
            rule, remedy = "frequency must be 0 or more", "Give repeat purchases, or leave it out."
            raise DataError(rule_broken(rule, int(bad.sum()), len(ids), ids[bad], remedy))
        return np.asarray(frequency == 0)
    if "flags" in predictions:
        flags = predictions["flags"].astype(str)
        return np.asarray(flags.str.contains(ONE_TIME, regex=False), dtype=bool)
    return np.zeros(len(ids), dtype=bool)


def _check_weight(weight: ArrayLike, ids: AnyArray) -> FloatArray:
    w = np.asarray(weight, dtype=np.float64)
    if w.shape != ids.shape:
        raise ParameterError(
            f"weight gives one number for each of the {len(ids):,} customers; got shape {w.shape}."
        )
    bad = ~(np.isfinite(w) & (w >= 0))
    if bad.any():
        rule = "weight must be finite and not negative"
        remedy = "Give how many customers each row stands for."
        raise ParameterError(rule_broken(rule, int(bad.sum()), len(ids), ids[bad], remedy))
    if not w.any():
        raise ParameterError("All weights are 0, so there is no customer to put into a segment.")
    return w


def _limits(values: FloatArray, weight: FloatArray, borders: FloatArray) -> FloatArray:
    """Least value of each class but the last, classes counted from the most valuable."""
    if not len(values):
        return np.zeros(len(borders))
    order = np.argsort(-values, kind="stable")
    reached = np.cumsum(weight[order])
    # a share reached but for rounding is reached
    place = np.searchsorted(reached, borders * reached[-1] * (1 - 1e-12))
    limits: FloatArray = values[order][np.minimum(place, len(values) - 1)]
    return limits


def _names(borders: FloatArray) -> list[str]:
    shares = np.diff([0.0, *borders, 1.0])
    heads = ["top", *["next"] * (len(shares) - 2), "last"]
    return [f"{head} {100 * share:.3g} %" for head, share in zip(heads, shares, strict=True)]


def _money_in_words(limits: FloatArray) -> list[str]:
    least = [f"{limit:,.2f}" for limit in limits]
    between = [f"worth {low} to less than {high} if alive" for high, low in pairwise(least)]
    return [
        f"worth at least {least[0]} if alive",
        *between,
        f"worth less than {least[-1]} if alive",
    ]


def _chance_in_words(alive: float, lost: float) -> list[str]:
    return [
        f"P(alive) at least {alive:g}",
        f"P(alive) from {lost:g} to less than {alive:g}",
        f"P(alive) below {lost:g}",
    ]

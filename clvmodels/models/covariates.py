"""Time-invariant covariates: which columns act on which process, and on what parameters.

Fader and Hardie (2007), Incorporating Time-Invariant Covariates into the Pareto/NBD and BG/NBD
Models (note 019). A coefficient g of a standardised column z multiplies a parameter of each
customer by e^(g z), or divides it. Parameters are positive and estimated in logs, so what is
carried is the multiplier e^g, the effect of one standard deviation; that of no effect is 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from numbers import Real
from typing import Any, Literal, TypeAlias, final, get_args

import numpy as np

from clvmodels._notebook import described
from clvmodels.exceptions import ParameterError

ProcessName: TypeAlias = Literal["purchase", "dropout", "both", "spend"]

_PROCESSES = get_args(ProcessName)


@final
@dataclass(frozen=True, slots=True)
class Covariates:
    """Which columns of the summary act on which process.

    Columns are standardised when a model is fitted, with means and standard deviations that are
    kept and applied to whoever is predicted. A positive effect means more: of a higher value
    customers buy faster, drop out faster, spend more.

    Parameters
    ----------
    purchase : str or sequence of str
        Columns that act on the rate of purchases.
    dropout : str or sequence of str
        Columns that act on dropout. The BG family has two coefficients for each, of a and of b.
    both : str or sequence of str
        Columns with one and the same multiplier for purchases and dropout.
    spend : str or sequence of str
        Columns that act on the value of a purchase, for spend models.
    ridge : float
        Adds ridge / 2 times the sum of squared coefficients of the standardised columns to the
        negative log-likelihood: a normal prior with standard deviation ridge**-0.5, on the
        coefficients alone.

    Raises
    ------
    ParameterError
        If a column is named twice for one process, or the ridge is negative.

    References
    ----------
    Fader and Hardie (2007), Incorporating Time-Invariant Covariates into the Pareto/NBD and BG/NBD
    Models, note 019.

    Examples
    --------
    >>> Covariates(purchase="income", dropout=["income", "channel"])
    Covariates(purchase=('income',), dropout=('income', 'channel'))
    """

    purchase: Sequence[str] = ()
    dropout: Sequence[str] = ()
    both: Sequence[str] = ()
    spend: Sequence[str] = ()
    ridge: float = 0.0

    def __post_init__(self) -> None:
        for process in _PROCESSES:
            object.__setattr__(self, process, _names(process, getattr(self, process)))
        for process, names in (("purchase", self.purchase), ("dropout", self.dropout)):
            if twice := [name for name in names if name in self.both]:
                raise ParameterError(
                    f"{twice[0]!r} is named in both= and in {process}=. Once will do: both= is for "
                    "the two processes."
                )
        if isinstance(self.ridge, bool) or not isinstance(self.ridge, Real):
            raise ParameterError(f"ridge must be a number, got {self.ridge!r}.")
        if not (np.isfinite(self.ridge) and self.ridge >= 0):
            raise ParameterError(f"ridge must be 0 or positive, and finite, got {self.ridge!r}.")
        object.__setattr__(self, "ridge", float(self.ridge))

    def __repr__(self) -> str:
        fields = ("purchase", "dropout", "both", "spend", "ridge")
        given = {name: getattr(self, name) for name in fields if getattr(self, name)}
        return f"Covariates({', '.join(f'{name}={value!r}' for name, value in given.items())})"

    def __bool__(self) -> bool:
        return bool(self.columns)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, each once, in the order of their first mention."""
        named = chain(self.purchase, self.dropout, self.both, self.spend)
        return tuple(dict.fromkeys(named))

    _repr_html_ = described


@final
@dataclass(frozen=True, slots=True)
class Effect:
    """One coefficient per column.

    Attributes
    ----------
    name : str
        What comes before the column in the names of its coefficients.
    signs : tuple of (str, int)
        Parameters it acts on: 1 multiplies them by e^(g z), -1 divides them.
    meaning : str
        What the multiplier e^g multiplies.
    reads : int
        Its sign in the effect on the process: -1 where a higher coefficient means less.
    """

    name: str
    signs: tuple[tuple[str, int], ...]
    meaning: str
    reads: int = 1


@final
@dataclass(frozen=True, slots=True)
class Process:
    """What the columns of one field of `Covariates` act on: in words, and by which effects."""

    name: ProcessName
    words: str
    effects: tuple[Effect, ...]


def _process(name: ProcessName, words: str, **signs: int) -> Process:
    """A process with one effect."""
    return Process(name, words, (Effect(name, tuple(signs.items()), words),))


PURCHASE_RATE = _process("purchase", "the purchase rate", alpha=-1)

WHILE_WAITING = (
    PURCHASE_RATE,
    _process("dropout", "the dropout rate", beta=-1),
    _process("both", "the purchase rate and the dropout rate", alpha=-1, beta=-1),
)
"""Of models whose dropout rates are gamma with the scale beta."""

AT_PURCHASE = (
    PURCHASE_RATE,
    Process(
        "dropout",
        "the odds of dropout after a purchase",
        (
            Effect("dropout_a", (("a", 1),), "a, and with it the odds of dropout,"),
            Effect("dropout_b", (("b", 1),), "b, and with it the odds of staying,", -1),
        ),
    ),
    _process("both", "the purchase rate and the odds of dropout after a purchase", alpha=-1, a=1),
)
"""Of models whose dropout after a purchase is beta: its mean odds are a / b."""


def spend_process(scale: str) -> tuple[Process, ...]:
    """Of a spend model whose amounts are proportional to the parameter `scale`."""
    return (_process("spend", "the value of a purchase", **{scale: 1}),)


@final
@dataclass(frozen=True, slots=True)
class Coefficient:
    """An effect of one column; `column` is its place among the columns of the design."""

    name: str
    column: int
    effect: Effect


def coefficients(covariates: Covariates, processes: Sequence[Process]) -> tuple[Coefficient, ...]:
    """The coefficients that a model with these processes has, in the order of its parameters.

    Raises
    ------
    ParameterError
        If columns are named for a process that the model does not have.
    """
    have = {process.name for process in processes}
    for name in _PROCESSES:
        if getattr(covariates, name) and name not in have:
            raise ParameterError(
                f"This model has no {name}= covariates; it takes {', '.join(sorted(have))}."
            )
    columns = covariates.columns
    return tuple(
        Coefficient(f"{effect.name}:{column}", columns.index(column), effect)
        for process in processes
        for effect in process.effects
        for column in getattr(covariates, process.name)
    )


def _names(process: str, given: Any) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else tuple(given)
    for name in names:
        if not isinstance(name, str):
            raise ParameterError(f"{process}= takes names of columns, got {name!r}.")
        if names.count(name) > 1:
            raise ParameterError(f"{process}= names the column {name!r} twice. Name it once.")
    return names

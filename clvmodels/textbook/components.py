"""The component form: what a customer buys, and what they bring besides."""

from dataclasses import dataclass
from typing import final

from numpy.typing import ArrayLike

from clvmodels._notebook import described
from clvmodels.textbook._numbers import Number, finite, margin_share, not_negative, plain, share


@final
@dataclass(frozen=True, eq=False, slots=True)
class ComponentValue:
    """The parts of a customer's value and their sum, in money over one stated time."""

    purchase: Number
    word_of_mouth: Number
    information: Number
    knowledge: Number
    transaction: Number

    @property
    def total(self) -> Number:
        """Sum of the five parts."""
        return sum(self.parts.values())

    @property
    def parts(self) -> dict[str, Number]:
        """The five parts by name."""
        return {name: getattr(self, name) for name in self.__slots__}

    _repr_html_ = described


def component_value(
    spending_capacity: ArrayLike,
    share_of_wallet: ArrayLike,
    unit_margin: ArrayLike,
    *,
    word_of_mouth: ArrayLike = 0.0,
    information: ArrayLike = 0.0,
    knowledge: ArrayLike = 0.0,
    transaction: ArrayLike = 0.0,
) -> ComponentValue:
    """Purchase value + word of mouth + information + knowledge + transaction value.

    Purchase value is spending capacity x share of wallet x unit margin. A bookkeeping scheme for
    any setting, not a forecast: every input is money over the same time (a year, say) and has to
    be assessed by itself, and the parts must not count the same sale twice.

    Parameters
    ----------
    spending_capacity : float or array
        What the customer spends on the category at all suppliers. Not in a log: from surveys or
        panels.
    share_of_wallet : float or array
        Share of it spent here, in [0, 1]: own sales from the log / spending capacity.
    unit_margin : float or array
        Margin per unit of money sold, at most 1.
    word_of_mouth : float or array
        Margin from customers they brought in: referrals in the log x value of a new customer.
    information : float or array
        Worth of the data they give, such as reviews, ratings, and answers.
    knowledge : float or array
        Worth of what the firm learns from them for its products.
    transaction : float or array
        What is saved or earned in dealing with them: cheaper channels, fees; may be negative.

    Returns
    -------
    ComponentValue
        The five parts and their `total`.

    Raises
    ------
    ParameterError
        If the share of wallet is outside [0, 1], the capacity negative, or the margin above 1.

    References
    ----------
    No primary source for this sum is known. Its nearest published relation is customer engagement
    value (lifetime + referral + influencer + knowledge value): Kumar et al. (2010), Undervalued or
    Overvalued Customers, Journal of Service Research 13(3), 297-310.

    Examples
    --------
    >>> value = component_value(2000, 0.3, 0.25, word_of_mouth=40, transaction=-5)
    >>> value.purchase, value.total
    (150.0, 185.0)
    """
    capacity = not_negative("spending_capacity", spending_capacity)
    wallet = share("share_of_wallet", share_of_wallet)
    return ComponentValue(
        purchase=plain(capacity * wallet * margin_share(unit_margin)),
        word_of_mouth=plain(finite("word_of_mouth", word_of_mouth)),
        information=plain(finite("information", information)),
        knowledge=plain(finite("knowledge", knowledge)),
        transaction=plain(finite("transaction", transaction)),
    )

"""Early warnings: who has been silent for longer than a customer like them would be by chance."""

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from clvmodels._typing import FloatArray, Params
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import ParameterError
from clvmodels.models.averaging import Block
from clvmodels.models.fitted import check_summary
from clvmodels.models.fitted_purchases import FittedPurchases
from clvmodels.units import HorizonLike
from clvmodels.value.clv import FittedCLV
from clvmodels.value.segments import LOST

if TYPE_CHECKING:
    import pandas as pd

OVERDUE: Final = 0.1
"""Chance of a silence, were the customer still active, from which down it counts as too long."""


def early_warnings(
    value: FittedCLV,
    data: RFMSummary,
    horizon: HorizonLike | None = None,
    *,
    overdue: float = OVERDUE,
    lost: float = LOST,
) -> "pd.DataFrame":
    """Customers whose silence tells against them: how rare it is, and what it does to their value.

    Whoever buys at random is silent for longer than usual every so often: a silence is a warning
    only where an active customer would rarely keep it up. How rarely follows from the model and
    the customer's own history up to the last purchase. For the NBD, Pareto/NBD and GGompertz/NBD it
    is ((alpha + t_x) / (alpha + T))^(r + x).

    The value is compared with that of the same customer, with as many purchases over as long a
    time, of which the last one were only just made. By the difference, the silence lowers what the
    customer is expected to be worth. Silence is evidence of having left, not its cause: the
    difference is no money lost so far, nor what a campaign would bring back. One-time buyers have
    no rhythm to fall out of, and are left out.

    Parameters
    ----------
    value : FittedCLV
        Fitted purchases and spend.
    data : RFMSummary
        The customers, with monetary values.
    horizon : Horizon or str, optional
        Over which future; all of it if not given.
    overdue : float
        A customer is overdue whose silence, or a longer one, an active customer would show with at
        most this probability. About that share of those still active is flagged in error.
    lost : float
        Customers with a P(alive) below this are left out: a warning would come too late. Where
        dropout is common, a few purchases are too few to be overdue and not yet lost. 0 keeps all.

    Returns
    -------
    DataFrame
        One row per customer, most value lost to silence first: customer_id; frequency (repeat
        purchases); silence since the last purchase and usual_interval (the mean time between
        purchases so far), in the summary's time unit; p_silence, the probability that a customer
        who had bought like this one until the last purchase, and is still active now, would have
        been silent for as long; overdue, whether that is at most `overdue`; p_alive; value;
        value_if_recent, had the last purchase been just now; value_lost_to_silence, the difference.
        Money as by `FittedCLV.clv`. The difference may be negative where purchases are so regular
        that the next one is due. No row where nobody qualifies.

    Raises
    ------
    ParameterError
        If `overdue` or `lost` is no probability; others as for `FittedCLV.clv`.

    Examples
    --------
    >>> import clvmodels as clv
    >>> rfm = clv.datasets.load_cdnow_summary()
    >>> model = clv.CLVModel(clv.BetaGeoModel(), clv.GammaGammaModel(),
    ...                      discount=clv.DiscountRate(0.10, per="year"), margin=0.30)
    >>> found = early_warnings(model.fit(rfm), rfm, "12 months")
    >>> found = found[found.overdue]
    >>> found[["customer_id", "frequency", "p_silence", "p_alive"]].head(1).round(2).values.tolist()
    [[167.0, 13.0, 0.04, 0.36]]
    """
    import pandas as pd

    for name, limit in (("overdue", overdue), ("lost", lost)):
        if not 0 <= limit <= 1:
            raise ParameterError(f"{name} is a probability, between 0 and 1; got {limit!r}.")
    repeat = check_summary(data).frequency > 0
    alive = value.purchases.probability_alive(data)
    rows = np.flatnonzero(repeat & (alive >= lost))
    now = then = chance = np.empty(0)
    if len(rows):
        kept = data.select(rows)
        chance = _chance_of_silence(value.purchases, kept)
        now, then = value.clv(kept, horizon), value.clv(_just_bought(kept), horizon)
    x, t_x = data.frequency[rows], data.recency[rows]
    frame = pd.DataFrame(
        {
            "customer_id": data.customer_id[rows],
            "frequency": x.astype(np.int64),
            "silence": data.T[rows] - t_x,
            "usual_interval": t_x / x,
            "p_silence": chance,
            "overdue": chance <= overdue,
            "p_alive": alive[rows],
            "value": now,
            "value_if_recent": then,
            "value_lost_to_silence": then - now,
        }
    )
    most = "value_lost_to_silence"
    frame = frame.sort_values(most, ascending=False, kind="stable", ignore_index=True)
    frame.attrs.update(value.purchases.provenance(data, horizon))
    return frame


def _chance_of_silence(fit: FittedPurchases, data: RFMSummary) -> FloatArray:
    """P(no purchase since the last one), seen from that one, of those still active now.

    Of all who had bought like this until t_x, some are active at T; this is the share of them who
    have bought nothing in between. By Bayes' rule P(silent, alive at T) is P(alive | silent), which
    is what P(alive) stands for, times P(silent). A purchase that comes about in steps has taken
    none of them when one has just been made.
    """
    quantities = fit.quantities(data)
    kernel = quantities.kernel

    def share(params: Params, block: Block) -> FloatArray:
        own = quantities.at(params, block.z)
        x, t_x, T = block.x, block.t_x, block.T
        stayed = kernel.prob_alive(x, t_x, t_x, **own)
        silent = stayed * kernel.pmf_if_alive(np.float64(0), x, t_x, T - t_x, **own) + 1 - stayed
        both = kernel.prob_alive(x, t_x, T, **own) * silent
        active = stayed * kernel.survival_if_alive(x, t_x, T - t_x, **own)
        # nobody is left of them only where that is less than the least float
        out: FloatArray = np.divide(both, active, out=np.zeros_like(both), where=active > 0)
        return np.minimum(out, 1.0)

    return quantities.mean(share, fit.estimate, quantities.histories(data))


def _just_bought(data: RFMSummary) -> RFMSummary:
    """Repeat buyers with their last purchase at the end of observation.

    Where the timing of purchases is kept too (litt), all times between them grow alike.
    """
    litt = data.litt
    if litt is not None:
        litt = litt + data.frequency * np.log(data.T / data.recency)
    return replace(data, recency=data.T, litt=litt)

"""Early warnings: whose silence tells most against them, while something can still be done."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import ParameterError
from clvmodels.models.fitted import check_summary
from clvmodels.units import HorizonLike
from clvmodels.value.clv import FittedCLV
from clvmodels.value.segments import LOST

if TYPE_CHECKING:
    import pandas as pd


def early_warnings(
    value: FittedCLV,
    data: RFMSummary,
    horizon: HorizonLike | None = None,
    *,
    lost: float = LOST,
) -> "pd.DataFrame":
    """Customers whose silence tells most against them: value now, and had they just bought.

    The comparison is with the same customer, with as many purchases over as long a time, of which
    the last one were only just made. By the difference, the silence lowers what the customer is
    expected to be worth. Silence is evidence of having left, not its cause: the difference is no
    money lost so far, nor what a campaign would bring back. One-time buyers have no rhythm to fall
    out of, and are left out.

    Parameters
    ----------
    value : FittedCLV
        Fitted purchases and spend.
    data : RFMSummary
        The customers, with monetary values.
    horizon : Horizon or str, optional
        Over which future; all of it if not given.
    lost : float
        Customers with a P(alive) below this are left out: a warning would come too late. 0 keeps
        all.

    Returns
    -------
    DataFrame
        One row per customer, the most at risk first: customer_id; frequency (repeat purchases);
        silence since the last purchase and usual_interval (the mean time between purchases so
        far), in the summary's time unit; overdue, whether the silence exceeds the usual interval;
        p_alive; value; value_if_recent, had the last purchase been just now; at_risk, the
        difference. Money as by `FittedCLV.clv`. at_risk may be negative where purchases are so
        regular that the next one is due. No row where nobody qualifies.

    Raises
    ------
    ParameterError
        If `lost` is no probability; others as for `FittedCLV.clv`.

    Examples
    --------
    >>> import clvmodels as clv
    >>> rfm = clv.datasets.load_cdnow_summary()
    >>> model = clv.CLVModel(clv.BetaGeoModel(), clv.GammaGammaModel(),
    ...                      discount=clv.DiscountRate(0.10, per="year"), margin=0.30)
    >>> found = early_warnings(model.fit(rfm), rfm, "12 months")
    >>> found[["customer_id", "frequency", "p_alive", "at_risk"]].head(1).round(2).values.tolist()
    [[1010.0, 5.0, 0.51, 67.95]]
    """
    import pandas as pd

    if not 0 <= lost <= 1:
        raise ParameterError(f"lost is a probability, between 0 and 1; got {lost!r}.")
    repeat = check_summary(data).frequency > 0
    alive = value.purchases.probability_alive(data)
    rows = np.flatnonzero(repeat & (alive >= lost))
    now = then = np.empty(0)
    if len(rows):
        kept = data.select(rows)
        now, then = value.clv(kept, horizon), value.clv(_just_bought(kept), horizon)
    x, t_x = data.frequency[rows], data.recency[rows]
    silence, usual = data.T[rows] - t_x, t_x / x
    frame = pd.DataFrame(
        {
            "customer_id": data.customer_id[rows],
            "frequency": x.astype(np.int64),
            "silence": silence,
            "usual_interval": usual,
            "overdue": silence > usual,
            "p_alive": alive[rows],
            "value": now,
            "value_if_recent": then,
            "at_risk": then - now,
        }
    )
    frame = frame.sort_values("at_risk", ascending=False, kind="stable", ignore_index=True)
    frame.attrs.update(value.purchases.provenance(data, horizon))
    return frame


def _just_bought(data: RFMSummary) -> RFMSummary:
    """Repeat buyers with their last purchase at the end of observation.

    Where the timing of purchases is kept too (litt), all times between them grow alike.
    """
    litt = data.litt
    if litt is not None:
        litt = litt + data.frequency * np.log(data.T / data.recency)
    return replace(data, recency=data.T, litt=litt)

"""Public data sets, read from the files that the lifetimes package ships."""

from pathlib import Path
from typing import TYPE_CHECKING

from clvmodels.data.opportunities import OpportunitySummary
from clvmodels.data.summary import RFMSummary
from clvmodels.exceptions import DataError

if TYPE_CHECKING:
    import pandas as pd


def load_cdnow(sample: bool = False) -> "pd.DataFrame":
    """Load the CDNOW log: customers who first bought CDs in the first quarter of 1997.

    Parameters
    ----------
    sample : bool
        The 1/10 systematic sample of 2,357 customers used in the literature (numbered from 1, as
        in its published summary), instead of all 23,570.

    Returns
    -------
    DataFrame
        One row per purchase (69,659, or 6,919): customer_id (int), date (datetime64), quantity
        (int), value (float, US dollars). Purchases run from 1997-01-01 to 1998-06-30.

    Raises
    ------
    DataError
        If lifetimes, or its file, is not there.

    References
    ----------
    Fader and Hardie (2001), Forecasting Repeat Sales at CDNOW, Interfaces 31(3) Part 2, S94-S107.

    Examples
    --------
    >>> load_cdnow().shape
    (69659, 4)
    """
    import pandas as pd

    columns = ["customer_id", "date", "quantity", "value"]
    log = pd.read_csv(
        _path("CDNOW_sample.txt" if sample else "CDNOW_master.txt"),
        sep=r"\s+",
        header=None,
        skiprows=0 if sample else 1,
        names=["master_id", *columns] if sample else columns,
        dtype={"date": "string"},
    )
    log["date"] = pd.to_datetime(log["date"], format="%Y%m%d")
    return log[columns]


def load_cdnow_summary() -> RFMSummary:
    """Load the published summary of the CDNOW sample, in weeks to 1997-09-30.

    Recency, T and mean values are rounded to two decimals, as in Hardie's spreadsheets; use
    `load_cdnow` and `rfm_summary` for exact ones. Customers without repeat purchases have the
    mean value 0.

    Raises
    ------
    DataError
        If lifetimes, or its file, is not there.

    References
    ----------
    Fader, Hardie and Lee (2005), Marketing Science 24(2), 275-284.

    Examples
    --------
    >>> load_cdnow_summary()
    RFMSummary: 2,357 customers, 946 with repeat purchases, time unit week
    """
    import pandas as pd

    table = pd.read_csv(_path("cdnow_customers_summary_with_transactions.csv"))
    table.columns = ["customer_id", "frequency", "recency", "T", "monetary_value"]
    return RFMSummary.from_frame(table, time_unit="week")


def load_donations() -> OpportunitySummary:
    """Load the donations of 11,104 people who first gave to a public radio station in 1995.

    Six opportunities, the years 1996 to 2001; one row for each of the 22 histories, with the
    number of people who have it as weight.

    Raises
    ------
    DataError
        If lifetimes, or its file, is not there.

    References
    ----------
    Fader, Hardie and Shang (2010), Customer-Base Analysis in a Discrete-Time Noncontractual
    Setting, Marketing Science 29(6), 1086-1108, table 1.

    Examples
    --------
    >>> load_donations()
    OpportunitySummary: 11,104 customers, 7,640 with repeat purchases, opportunities every 1 year
    """
    import pandas as pd

    table = pd.read_csv(_path("donations.csv")).rename(columns={"periods": "opportunities"})
    return OpportunitySummary.from_frame(table, every="1 year", weight="weights")


def _path(name: str) -> Path:
    from importlib.util import find_spec

    # found, not imported: lifetimes changes pandas options, and its data sets need pkg_resources
    spec = find_spec("lifetimes")
    folders = [] if spec is None else spec.submodule_search_locations or []
    for folder in folders:
        if (path := Path(folder) / "datasets" / name).is_file():
            return path
    where = "is not installed" if spec is None else f"has no {name}"
    raise DataError(f"The data sets come with the lifetimes package, which {where}.")

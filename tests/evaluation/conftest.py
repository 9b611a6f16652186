"""Splits and comparisons that several files look at: made once."""

import pytest

from clvmodels.data.datasets import load_cdnow
from clvmodels.data.splits import calibration_holdout_split
from clvmodels.evaluation.holdout import compare_holdout, default_models
from clvmodels.units import DiscountRate

RATE = DiscountRate(0.10, per="year")


def split_of(log):
    return calibration_holdout_split(
        log, cutoff="1997-09-30", horizon="39 weeks", time_unit="week", value="value"
    )


@pytest.fixture(scope="session")
def cdnow_split():
    """39 and 39 weeks of the 1/10 sample, as in the literature."""
    return split_of(load_cdnow(sample=True))


@pytest.fixture(scope="session")
def cdnow_league(cdnow_split):
    # without discounting the models have no lifetime value, whose intervals take most of the time
    return compare_holdout(default_models(discount=0), cdnow_split)


@pytest.fixture(scope="session")
def small_split():
    """Every customer of the sample who came in one fortnight: few distinct histories, quick."""
    log = load_cdnow(sample=True)
    first = log.groupby("customer_id")["date"].transform("min")
    return split_of(log[first.between("1997-02-01", "1997-02-14")])


@pytest.fixture(scope="session")
def small_league(small_split):
    return compare_holdout(default_models(RATE, margin=0.3), small_split)


@pytest.fixture(scope="session")
def fortnight():
    """The log of every customer of the sample who came in one fortnight."""
    log = load_cdnow(sample=True)
    first = log.groupby("customer_id")["date"].transform("min")
    return log[first.between("1997-02-01", "1997-02-14")].reset_index(drop=True)

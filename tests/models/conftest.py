"""Makes the examples beside this file importable, and fits every model to CDNOW once."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from clvmodels.data.datasets import load_cdnow, load_cdnow_summary
from clvmodels.data.transactions import rfm_summary

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def cdnow():
    """The summary that ships with lifetimes, and the regularity of timing from the log."""
    summary = load_cdnow_summary()
    exact = rfm_summary(
        load_cdnow(sample=True), time_unit="week", observation_end="1997-09-30", litt=True
    )
    assert (exact.frequency == summary.frequency).all()
    return replace(summary, litt=exact.litt)


@pytest.fixture(scope="session")
def fits(cdnow):
    from model_examples import MODELS

    return {key: model.fit(cdnow) for key, model in MODELS.items()}

"""Makes the examples beside this file importable, and fits every model to CDNOW once."""

import sys
from pathlib import Path

import pytest

from clvmodels.data.datasets import load_cdnow_summary

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def cdnow():
    return load_cdnow_summary()


@pytest.fixture(scope="session")
def fits(cdnow):
    from model_examples import MODELS

    return {key: model().fit(cdnow) for key, model in MODELS.items()}

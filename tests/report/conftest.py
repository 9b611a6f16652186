"""One split, one comparison and one study, made once."""

import pytest

from clvmodels.data.datasets import load_cdnow
from clvmodels.data.splits import calibration_holdout_split
from clvmodels.data.transactions import rfm_summary
from clvmodels.evaluation.holdout import compare_holdout, default_models
from clvmodels.models.beta_geo import BetaGeoModel
from clvmodels.models.modified_beta_geo import ModifiedBetaGeoModel
from clvmodels.models.nbd import NBDModel
from clvmodels.report.html import write_report
from clvmodels.report.sections import alive_paths
from clvmodels.report.study import Study
from clvmodels.units import DiscountRate


def split_of(log):
    return calibration_holdout_split(
        log, cutoff="1997-09-30", horizon="39 weeks", time_unit="week", value="value"
    )


@pytest.fixture(scope="session")
def cdnow():
    """39 and 39 weeks of the 1/10 sample, as in the literature."""
    return split_of(load_cdnow(sample=True))


@pytest.fixture(scope="session")
def fits(cdnow):
    models = (BetaGeoModel(), ModifiedBetaGeoModel(), NBDModel())
    return {model.title: model.fit(cdnow.calibration) for model in models}


def fortnight():
    """Customers who came in one fortnight: few distinct histories, quick."""
    log = load_cdnow(sample=True)
    first = log.groupby("customer_id")["date"].transform("min")
    return log[first.between("1997-02-01", "1997-02-14")]


def study_of(log):
    models = default_models(DiscountRate(0.10, per="year"), margin=0.3)
    comparison = compare_holdout(models, split_of(log))
    base = rfm_summary(log, time_unit="week", value="value", observation_end="1998-06-30")
    return Study.of(comparison, base, source="a <small> log", currency="US$")


@pytest.fixture(scope="session")
def study():
    return study_of(fortnight())


@pytest.fixture(scope="session")
def silent_study():
    """Nobody came back in the holdout: all its purchases are of newcomers."""
    log = fortnight()
    log.loc[log["date"] > "1997-09-30", "customer_id"] += 1_000_000
    return study_of(log)


@pytest.fixture(scope="session")
def report(study, tmp_path_factory):
    """The folder of a report."""
    folder = tmp_path_factory.mktemp("report")
    how = {"value": "value", "observation_end": "1998-06-30"}
    write_report(study, folder, more=alive_paths(study, fortnight(), how))
    return folder

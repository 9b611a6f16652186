"""A backtest from log to table, and the report after the fits, on the full CDNOW log."""

import clvmodels as clv
from clvmodels.evaluation.entries import default_models, kind_of

MARGIN, RATE = 0.3, clv.DiscountRate(0.1, per="year")
CUTOFFS = ("1997-06-30", "1997-09-30", "1997-12-31", "1998-03-31")
CUSTOMERS = 23_570


def test_backtest(timed, say):
    """Four models by maximum likelihood and four formulas."""
    league = default_models(RATE, MARGIN)
    names = [name for name, entry in league.items() if kind_of(entry) in ("model", "textbook")][:8]
    methods, log = {name: league[name] for name in names}, clv.datasets.load_cdnow()
    done = timed(
        lambda: clv.backtest(
            methods, log, CUTOFFS, "13 weeks", time_unit="week", value="value", progress=False
        ),
        what="backtest of eight methods at four cutoffs",
        size=CUSTOMERS,
        target="< 60 s",
        rounds=1,
    )
    best = done.league("purchases").set_index("method")["rmse"]
    say(reached=f"{', '.join(names)}; least RMSE {best.min():.4f} ({best.idxmin()})")
    assert done.failures.empty


def test_report(timed, say, tmp_path):
    from clvmodels.report.html import write_report
    from clvmodels.report.study import Study

    log = clv.datasets.load_cdnow()
    split = clv.calibration_holdout_split(
        log, cutoff="1997-09-30", horizon="39 weeks", time_unit="week", value="value"
    )
    compared = clv.compare_holdout(default_models(RATE, MARGIN), split)
    base = clv.rfm_summary(log, time_unit="week", value="value")
    written = timed(
        lambda: write_report(Study.of(compared, base, source="CDNOW"), tmp_path),
        what="report after the fits", size=CUSTOMERS, target="< 15 s", rounds=1,
    )  # fmt: skip
    size = (tmp_path / "report.html").stat().st_size
    say(reached=f"the base valued, {len(written)} files, the page has {size / 1e6:.2f} MB")

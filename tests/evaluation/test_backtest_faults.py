"""What a backtest withstands: cheats, failures, odd input, interruptions."""

import threading
import warnings
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

import clvmodels as clv
from clvmodels.evaluation.baselines import MeanBaseline, SameRateBaseline, ZeroBaseline
from clvmodels.evaluation.entries import fit_entry
from clvmodels.exceptions import DataError, FitError, ParameterError

CUTOFFS = ["1997-09-30", "1997-12-31"]
GG = clv.GammaGammaModel()


def run(models, log, cutoffs=CUTOFFS, horizon="13 weeks", **options):
    return clv.backtest(
        models, log, cutoffs, horizon, **{"time_unit": "week", "value": "value", **options}
    )


@pytest.fixture(scope="module")
def log(fortnight):
    return fortnight


@dataclass(frozen=True)
class Spy:
    """Remembers what it was given, and predicts nothing."""

    seen: list

    def __deepcopy__(self, memo):
        return self

    def fit(self, data):
        self.seen.append(data)
        return ZeroBaseline().fit(data)


@dataclass(frozen=True)
class Learns:
    """Remembers the earlier split."""

    seen: list

    def __deepcopy__(self, memo):
        return self

    def fit_split(self, split):
        self.seen.append(split)
        return MeanBaseline().fit(split.calibration)


@dataclass(frozen=True)
class Cheat:
    """Looks the holdout up by customer, in a log that it kept."""

    log: pd.DataFrame
    noise: float = 0.0

    def fit(self, data):
        after = self.log[self.log["date"] > data.observation_end]
        return Looks(after.groupby("customer_id").size(), self.noise)


@dataclass(frozen=True)
class Looks:
    """A cheat who has found what comes."""

    after: pd.Series
    noise: float

    def predict(self, data, horizon, level=0.9):
        made = self.after.reindex(data.customer_id).fillna(0).to_numpy(float)
        made = made + self.noise * np.random.default_rng().random(len(made))
        return pd.DataFrame(
            {"customer_id": data.customer_id, "expected_purchases": made, "clv": 10 * made}
        )


class Breaks:
    """Fails at the second cutoff."""

    def fit(self, data):
        if data.observation_end >= pd.Timestamp("1997-12-01"):
            raise RuntimeError("too late in the year")
        return SameRateBaseline().fit(data)


class Odd:
    """Says wrongly what it is."""

    kind = "regresion"

    def fit(self, data):
        return ZeroBaseline().fit(data)


# --- no method sees the future ---


def test_predictions_do_not_depend_on_the_holdout(log):
    models = [clv.CLVModel(clv.BetaGeoModel(), GG, discount=0), SameRateBaseline(), Spy([])]
    cutoff = pd.Timestamp(CUTOFFS[0])
    other = log[(log["date"] <= cutoff) | (log["customer_id"] % 2 == 0)]
    foreseen = [run(models, rows, CUTOFFS[:1], jobs=1).predictions for rows in (log, other)]
    columns = ["customer_id", "predicted_purchases", "predicted_value", "lo", "hi"]
    pd.testing.assert_frame_equal(foreseen[0][columns], foreseen[1][columns])
    assert foreseen[0]["actual_purchases"].sum() > foreseen[1]["actual_purchases"].sum()


def test_methods_get_the_summary_of_the_log_before_the_cutoff(log):
    seen = []
    run([Spy(seen)], log, jobs=1)
    for data in seen:
        known = log[log["date"] <= data.observation_end]
        again = clv.rfm_summary(
            known, time_unit="week", value="value", observation_end=f"{data.observation_end:%F}"
        )
        # under other ids once, for the check that they make no difference
        assert sorted(data.frequency) == sorted(again.frequency)
        assert data.T.max() == again.T.max()


def test_learners_get_a_split_that_ends_at_the_cutoff(log):
    seen = []
    run([Learns(seen)], log, ["1997-09-30"], "13 weeks", jobs=1)
    ends = {
        split.calibration.observation_end + pd.Timedelta(days=split.horizon.to("day"))
        for split in seen
    }
    assert ends == {pd.Timestamp("1997-09-30")}
    assert {split.horizon.to("week") for split in seen} == {13}
    # at 39 weeks of history, a horizon of 39 weeks is too long to learn from: half of them it is
    seen.clear()
    run([Learns(seen)], log, ["1997-09-30"], "39 weeks", jobs=1)
    first = log["date"].min()
    assert {split.horizon.to("day") for split in seen} == {
        (pd.Timestamp("1997-09-30") - first).days // 2
    }


@pytest.mark.parametrize("noise", [0.0, 1e-6])
def test_a_method_that_looks_the_future_up_is_caught(log, noise):
    found = run({"cheat": Cheat(log, noise), "same": SameRateBaseline()}, log, jobs=1)
    # at every cutoff: nothing of it is in the league
    assert found.failures["method"].tolist() == ["cheat", "cheat"]
    assert found.failures["error"].str.contains("other ids").all()
    assert found.league().set_index("method")["cutoffs"].to_dict() == {"cheat": 0, "same": 2}


def test_ids_of_any_kind_can_be_others(log):
    """Texts, and whole numbers next to the largest there are."""
    for ids in (log["customer_id"].astype(str), log["customer_id"] + (2**63 - 5000)):
        own = log.assign(customer_id=ids)
        found = run({"cheat": Cheat(own), "honest": Sorts()}, own, CUTOFFS[:1], jobs=1)
        assert found.failures["method"].tolist() == ["cheat"]


@dataclass(frozen=True)
class Sorts:
    """Honest, though it sorts by id and then draws at random."""

    def fit(self, data):
        rows = data.to_pandas().sort_values("customer_id").sample(frac=0.5, random_state=1)
        return Rate(rows["frequency"].sum() / rows["T"].sum())


@dataclass(frozen=True)
class Rate:
    """One rate for all."""

    weekly: float

    def predict(self, data, horizon, level=0.9):
        made = np.full(len(data), self.weekly * horizon.to("week"))
        return pd.DataFrame({"customer_id": data.customer_id, "expected_purchases": made})


def test_chance_is_no_leak(log):
    rng = np.random.default_rng(1)

    class Guess:
        def fit(self, data):
            return self

        def predict(self, data, horizon, level=0.9):
            return pd.DataFrame(
                {"customer_id": data.customer_id, "expected_purchases": rng.random(len(data))}
            )

    assert run([Guess()], log, CUTOFFS[:1], jobs=1).failures.empty


def test_fitted_methods_are_refused(log):
    rfm = clv.rfm_summary(log, time_unit="week", value="value")
    fit = clv.BetaGeoModel().fit(rfm)
    for model in (fit, clv.CLVModel(fit, GG, discount=0)):
        with pytest.raises(ParameterError, match="fitted already"):
            run({"known": model}, log)


# --- what may go wrong ---


def test_one_failure_stops_nobody(log):
    found = run([Breaks(), SameRateBaseline()], log, jobs=1)
    assert found.failures[["method", "error"]].to_numpy().tolist() == [
        ["Breaks", "RuntimeError: too late in the year"]
    ]
    failed = found.frame[found.frame["metric"] == "failed"]
    assert failed["cutoff"].tolist() == [found.cutoffs[1]]
    assert failed["note"].tolist() == ["RuntimeError: too late in the year"]
    assert np.isnan(failed["value"]).all()
    assert found.league().set_index("method")["cutoffs"].to_dict() == {
        "Breaks": 1,
        "same rate as before": 2,
    }
    # compared where both are there
    gaps = found.differences("mae", against="same rate as before")
    assert gaps["cutoffs"].tolist() == [1]
    assert "Breaks (1 of 2)" in repr(found)
    assert "too late in the year" in repr(found)
    assert "too late in the year" in found._repr_html_()


def test_a_log_without_values(log):
    found = run([clv.CLVModel(clv.BetaGeoModel(), GG, discount=0), clv.NBDModel()], log, value=None)
    assert found.failures["method"].tolist() == 2 * ["BG/NBD"]
    assert "monetary" in found.failures["error"].iloc[0]
    assert set(found.frame["quantity"]) == {"", "purchases", "active"}


def test_warnings_are_in_the_note(log):
    class Warns:
        def fit(self, data):
            warnings.warn("only just", UserWarning, stacklevel=1)
            return ZeroBaseline().fit(data)

    assert run([Warns()], log, jobs=1).frame["note"].unique().tolist() == ["only just"]


@pytest.mark.parametrize(
    ("cutoffs", "horizon", "text"),
    [
        (["1996-01-01"], "13 weeks", "1 of 1 cutoffs cannot be used"),
        (["1999-01-01"], "13 weeks", "must lie between the first purchase"),
        (["1997-09-30", "1998-06-01"], "13 weeks", "choose cutoffs up to 1998-03-29"),
        (["1997-09-30"], "60 weeks", "or a shorter horizon"),
        (["1997-09-30"], "80 weeks", "no cutoff is left. Take a shorter horizon"),
    ],
)
def test_cutoffs_that_the_log_does_not_cover(log, cutoffs, horizon, text):
    with pytest.raises(DataError, match=text):
        run([ZeroBaseline()], log, cutoffs, horizon)


@pytest.mark.parametrize(
    ("models", "options", "text"),
    [
        ([], {}, "no method"),
        ([ZeroBaseline(), ZeroBaseline()], {}, "1 of the names stand for several methods: zero"),
        ("BG/NBD", {}, "list of methods"),
        ({"text": "BG/NBD"}, {}, "cannot be fitted"),
        ([ZeroBaseline()], {"cutoffs": []}, "list of days"),
        ([ZeroBaseline()], {"cutoffs": "1997-09-30"}, "list of days"),
        ([ZeroBaseline()], {"cutoffs": ["1997-09-30", "1997-09-30"]}, "given twice"),
        (
            [ZeroBaseline()],
            {"cutoffs": ["1997-09-30", datetime(1997, 9, 30, 12)]},
            "a day or more apart",
        ),
        ([ZeroBaseline], {}, "is a class. Make one of it: ZeroBaseline()"),
        ([(clv.BetaGeoModel(), clv.MLE(), 1)], {}, "no pair"),
        ([(ZeroBaseline(), clv.MLE())], {}, "no pair"),
        ({"odd": Odd()}, {}, "calls itself 'regresion'; kinds are model"),
        ([ZeroBaseline()], {"resume": __file__}, "cannot be a folder"),
        ([ZeroBaseline()], {"by": "segment"}, "list of column names"),
        ([ZeroBaseline()], {"jobs": 0}, "jobs must be a whole number"),
        ([ZeroBaseline()], {"level": 1.5}, "level"),
    ],
)
def test_refused(log, models, options, text):
    with pytest.raises(ParameterError, match=text):
        run(models, log, **options)


# --- interrupted, and in several processes ---


class Interrupted:
    """Lets the user press Ctrl-C at the second cutoff."""

    title = "interrupted"
    pressed = True

    def fit(self, data):
        if type(self).pressed and data.observation_end > pd.Timestamp("1997-12-01"):
            raise KeyboardInterrupt
        return ZeroBaseline().fit(data)


def test_an_interrupted_backtest_goes_on(log, tmp_path, monkeypatch):
    from clvmodels.evaluation import kept_work as module

    done = []
    outcome = module.outcome

    def counted(entry, fold, level):
        done.append((type(entry).__name__, fold.split.calibration.observation_end))
        return outcome(entry, fold, level)

    monkeypatch.setattr(module, "outcome", counted)
    models = {"BG/NBD": clv.BetaGeoModel(), "last": Interrupted()}
    with pytest.raises(KeyboardInterrupt):
        run(models, log, jobs=1, resume=tmp_path)
    assert len(done) == 4
    done.clear()
    monkeypatch.setattr(Interrupted, "pressed", False)
    resumed = run(models, log, jobs=1, resume=tmp_path)
    assert [name for name, _ in done] == ["Interrupted"]  # what failed, and nothing else
    fresh = run(models, log, jobs=1)
    pd.testing.assert_frame_equal(resumed.frame, fresh.frame)
    # another model, another horizon: not what was kept
    done.clear()
    run({"BG/NBD": clv.ModifiedBetaGeoModel()}, log, jobs=1, resume=tmp_path)
    run({"BG/NBD": clv.BetaGeoModel()}, log, horizon="12 weeks", jobs=1, resume=tmp_path)
    assert len(done) == 4


def test_what_was_kept_is_not_taken_for_another_calendar(log, tmp_path):
    def months(after):
        start = pd.Series(pd.date_range("1997-01-01", periods=18, freq="MS"))
        level = np.where(start > "1997-09-30", after, 1.0)
        return clv.CalendarIndex.from_frame(pd.DataFrame({"date": start, "index": level}))

    for pace in (1.4, 0.6):
        fresh, kept = (
            run([clv.NBDModel()], log, CUTOFFS[:1], calendar=months(pace), jobs=1, resume=folder)
            for folder in (None, tmp_path)
        )
        pd.testing.assert_frame_equal(kept.frame, fresh.frame)


def test_what_was_kept_is_not_taken_for_a_method_that_was_edited(log, tmp_path):
    def notebook_cell(factor):
        scope = {"__name__": "__main__", "ZeroBaseline": ZeroBaseline, "Rate": Rate}
        exec(f"class Mine:\n    def fit(self, data):\n        return Rate({factor})", scope)
        return scope["Mine"]()

    biases = [
        run({"mine": notebook_cell(f)}, log, CUTOFFS[:1], jobs=1, resume=tmp_path).league()["bias"]
        for f in (0.01, 0.02, 0.01)
    ]
    assert biases[1][0] > biases[0][0] == biases[2][0]


class Locked:
    """Cannot be pickled, nor copied."""

    def __init__(self):
        self.lock = threading.Lock()

    def fit(self, data):
        return ZeroBaseline().fit(data)


def test_methods_that_cannot_be_pickled_are_done_here(log, tmp_path, monkeypatch):
    kept = run([Locked()], log, CUTOFFS[:1], jobs=1, resume=tmp_path)
    assert kept.failures.empty
    assert kept.frame["note"].unique().tolist() == ["Not kept in the folder: it cannot be pickled."]
    monkeypatch.setattr("clvmodels.evaluation.backtest._PATIENCE", 0.0)
    assert run([Locked()], log, jobs=2).failures.empty


def test_what_a_method_learns_at_one_cutoff_is_nothing_to_the_next(log):
    class Remembers:
        fits = 0

        def fit(self, data):
            self.fits += 1
            return Rate(self.fits)

    found = run([Remembers()], log, jobs=1)
    assert found.predictions.groupby("cutoff")["predicted_purchases"].max().tolist() == [13, 13]


@pytest.mark.slow
def test_processes_give_the_same_numbers(log, monkeypatch):
    from clvmodels.evaluation import backtest as module

    monkeypatch.setattr(module, "_PATIENCE", 0.0)  # the pool starts after the first piece of work
    models = [clv.BetaGeoModel(), SameRateBaseline(), MeanBaseline()]
    many, one = (run(models, log, jobs=jobs) for jobs in (2, 1))
    pd.testing.assert_frame_equal(many.frame, one.frame)


@pytest.mark.parametrize(
    ("table", "text"),
    [
        (lambda ids: {"expected_purchases": 1}, "must give a pandas DataFrame, not dict"),
        (lambda ids: pd.DataFrame({"customer_id": ids}), "lacks the columns expected_purchases"),
        (
            lambda ids: pd.DataFrame({"customer_id": ids[::-1], "expected_purchases": 1.0}),
            "not the customers of the summary in its order",
        ),
        (
            lambda ids: pd.DataFrame({"customer_id": ids, "expected_purchases": np.inf}),
            "no finite value",
        ),
    ],
)
def test_predictions_that_cannot_be_used(log, table, text):
    class Odd:
        def fit(self, data):
            return self

        def predict(self, data, horizon, level=0.9):
            return table(data.customer_id)

    found = run([Odd()], log, CUTOFFS[:1], jobs=1)
    assert text in found.failures["error"].iloc[0]
    assert found.predictions.empty
    assert "predicted_purchases" in found.predictions


def test_columns_that_change_within_a_customer(log):
    marked = log.assign(segment=np.arange(len(log)) % 2)
    with pytest.raises(DataError, match="segment must have one value for each customer"):
        run([ZeroBaseline()], marked, by=["segment"])


def test_fit_error_names_the_remedy(log):
    rfm = clv.rfm_summary(log, time_unit="week")
    with pytest.raises(FitError, match="take backtest, which has the log"):
        fit_entry(Learns([]), rfm)

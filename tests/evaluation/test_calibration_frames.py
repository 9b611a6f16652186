"""Frames of predicted against observed: what they hold, and what they leave out."""

import numpy as np
import pytest

from clvmodels.evaluation.baselines import MeanBaseline, ZeroBaseline
from clvmodels.evaluation.calibration import (
    calibration_by_decile,
    calibration_by_frequency,
    no_purchase_calibration,
)
from clvmodels.evaluation.holdout import compare_holdout
from clvmodels.exceptions import ParameterError


def test_deciles_of_each_method(cdnow_league):
    for quantity in ("value", "purchases"):
        table = calibration_by_decile(cdnow_league, quantity)
        assert table.groupby("method", sort=False).size().eq(10).all()
        assert table["method"].unique().tolist() == list(cdnow_league.models)
        totals = table.groupby("method")[["predicted_total", "actual_total"]].sum()
        scores = cdnow_league.table.set_index("method").loc[totals.index]
        for end in ("predicted", "actual"):
            assert totals[f"{end}_total"].to_numpy() == pytest.approx(
                scores[f"{quantity}_{end}"].to_numpy()
            )
    with pytest.raises(ParameterError, match="quantity"):
        calibration_by_decile(cdnow_league, "money")


def test_top_decile_of_the_frame_is_the_metric(cdnow_league):
    table = calibration_by_decile(cdnow_league)
    top = table[table["decile"] == 1].set_index("method")["actual_total"]
    scores = cdnow_league.table.set_index("method")
    assert (top / scores["value_actual"]).to_numpy() == pytest.approx(
        scores["value_top_decile"].to_numpy()
    )


def test_no_purchase_is_calibrated(cdnow_league):
    table = no_purchase_calibration(cdnow_league)
    models = [
        "BG/NBD", "MBG/NBD", "Pareto/NBD", "NBD", "Bayesian BG/NBD", "lifetimes BG/NBD",
    ]  # fmt: skip
    assert table["method"].unique().tolist() == models
    assert table[["predicted", "observed"]].to_numpy().min() >= 0
    share = (cdnow_league.split.holdout["purchases"] == 0).mean()
    overall = table.groupby("method")[["predicted", "observed"]].mean()
    assert overall["observed"].to_numpy() == pytest.approx(share)
    # BG/NBD expects 12 % too few purchases, of not quite as few customers too many
    assert overall["predicted"]["BG/NBD"] == pytest.approx(share, abs=0.03)
    assert overall["predicted"]["NBD"] < share - 0.1
    # and it ranks: least likely to buy first
    bg = table[table["method"] == "BG/NBD"]
    assert (np.diff(bg["predicted"]) <= 0).all()
    assert bg["observed"].iloc[0] - bg["observed"].iloc[-1] > 0.5


def test_frequency_classes_without_customers_are_left_out(small_split):
    comparison = compare_holdout({"mean": MeanBaseline(), "zero": ZeroBaseline()}, small_split)
    table = calibration_by_frequency(comparison, last=50)
    x = small_split.calibration.frequency
    one = table[table["method"] == "zero"]
    assert one["frequency"].astype(int).tolist() == np.unique(x).astype(int).tolist()
    assert one["customers"].sum() == len(x)
    assert no_purchase_calibration(comparison).empty

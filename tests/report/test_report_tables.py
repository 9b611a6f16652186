"""Tables of text, and the numbers in them."""

from dataclasses import replace
from io import StringIO

import pandas as pd
import pytest
from rich.console import Console

from clvmodels.report import numbers, tables


def on_screen(table, width):
    out = StringIO()
    Console(file=out, width=width).print(table.to_rich())
    return out.getvalue()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (999.6, "1,000"),
        (0.00012345, "0.000123"),
        (0.0000123, "1.23e−05"),
        (-1653.42, "−1,650"),
        (float("inf"), "infinite"),
        (float("nan"), "–"),
    ],
)
def test_three_significant_digits(value, text):
    assert numbers.significant(value) == text


def test_nothing_is_said_of_what_is_not_known():
    assert numbers.money(float("nan"), "EUR") == numbers.count(float("nan")) == "–"
    assert numbers.percent(float("nan")) == numbers.signed_percent(float("inf")) == "–"


def test_league_has_a_row_for_every_method(study):
    table = tables.league(study.comparison)
    assert [row[0] for row in table.rows] == study.comparison.table["method"].tolist()
    assert all(len(row) == len(table.columns) for row in table.rows)
    bias = study.comparison.table["value_bias"][0]
    assert table.rows[0][2].startswith(numbers.signed_percent(bias))
    assert " ± " in table.rows[0][2]


def test_short_league_fits_a_terminal(study):
    lines = on_screen(tables.league(study.comparison, full=False), 80)
    assert "…" not in lines
    assert "value x frequency x lifespan" in lines


def test_methods_that_failed_are_listed_with_their_reason(study):
    table = study.comparison.table.assign(error="")
    table.loc[2, "error"] = "FitError: no"
    numbers = table.columns[table.dtypes == "float64"]
    table.loc[2, numbers] = float("nan")
    failed = replace(study.comparison, table=table)
    assert tables.failures(failed) == ["Pareto/NBD failed. FitError: no"]
    assert set(tables.league(failed).rows[2][1:]) == {"–"}


def test_lifetime_values_that_do_not_exist(study):
    rows = {row[0]: row for row in tables.lifetime(study.comparison).rows}
    assert rows["mean"][1:4] == ("–", "–", "–")
    assert "no finite value" in rows["mean"][4]


def test_comparison_frame_has_metrics_errors_and_lifetimes(study):
    frame = study.comparison.to_frame()
    assert len(frame) == len(study.comparison.table)
    assert {"value_rmse", "value_rmse_se", "lifetime_total"} <= set(frame)


def test_parameters_without_errors():
    summary = pd.DataFrame(
        {"parameter": ["r"], "estimate": [0.243], "se": [float("nan")], "lo": [float("nan")],
         "hi": [float("nan")], "meaning": ["shape"]}
    )  # fmt: skip
    table = tables.parameters("BG/NBD", summary, 0.9)
    assert table.rows == (("r", "0.243", "–", "–", "shape"),)


def test_customers_shows_the_first_and_counts_the_rest(study):
    table = tables.customers(study.predictions, "Customers", most=3)
    assert len(table.rows) == 3
    assert table.note == f"and {len(study.predictions) - 3:,} more"

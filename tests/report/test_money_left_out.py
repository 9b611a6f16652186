"""The money of rows that were left out of the log, in the report."""

from dataclasses import replace

import numpy as np
import pytest

from clvmodels.data.quality import Amounts, DataReport
from clvmodels.report import base, findings
from clvmodels.report.numbers import NONE
from clvmodels.report.tables import cell

LOST = DataReport(
    rows_read=1_000,
    null_ids=90,
    after_end=10,
    rows_used=900,
    amounts=Amounts(rows_read=20_000.0, null_ids=2_720.0, after_end=-80.0, rows_used=17_360.0),
)


def with_report(study, report, split=None):
    comparison = study.comparison
    if split is not None:
        comparison = replace(comparison, split=replace(comparison.split, report=split))
    return replace(study, base=replace(study.base, report=report), comparison=comparison)


def test_rows_have_their_amounts_beside_them(study):
    table = base.rows_of_the_log(with_report(study, LOST))
    assert table.columns == (
        "rows",
        "behind the values",
        "amounts behind the values (US$)",
        "behind the comparison",
        "amounts behind the comparison (US$)",
    )
    rows = {row[0]: row[1:3] for row in table.rows}
    assert rows["dropped: no customer id"] == ("90", "2,720")
    assert rows["left out: after the end of observation"] == ("10", "−80.0")
    assert rows["rows used"] == ("900", "17,400")
    assert rows["dropped: no amount"] == ("0", NONE)
    frame = table.source.frame.set_index("item")
    assert frame["values_amount"].to_dict() == pytest.approx(
        LOST.to_frame().set_index("item")["amount"].to_dict(), nan_ok=True
    )
    amounts = study.comparison.split.report.amounts
    assert frame.loc["rows_read", "comparison_amount"] == amounts.rows_read
    assert table.rows[0][4] == cell(amounts.rows_read)


def test_amounts_of_rows_are_those_of_the_log(study):
    frame = base.rows_of_the_log(study).source.frame.set_index("item")
    report = study.base.report
    assert frame.loc["rows_used", "values"] == report.rows_used
    assert frame.loc["rows_used", "values_amount"] == report.amounts.rows_used > 0
    assert np.isnan(frame.loc["purchases", "values_amount"])


def test_rows_without_amounts_have_no_column_for_them(study):
    bare = DataReport(rows_read=9, rows_used=9)
    table = base.rows_of_the_log(with_report(study, bare, bare))
    assert table.columns == ("rows", "behind the values", "behind the comparison")
    assert table.source.frame.columns.tolist() == ["item", "values", "comparison"]
    assert "Amounts" not in table.note
    one = base.rows_of_the_log(replace(with_report(study, bare), currency=""))
    assert one.columns[-1] == "amounts behind the comparison"
    assert len(one.columns) == 4
    assert "Amounts" in one.note


def test_findings_tell_the_money_without_a_customer_id(study):
    text = findings.data(with_report(study, LOST))
    assert text.startswith(
        "Of 1,000 rows, 900 were used and 100 left out, 90 of them without a customer id: their "
        "US$ 2,720, 13.6 % of all amounts, are in nobody's value."
    )


def test_findings_give_no_share_of_what_refunds_have_eaten_up(study):
    amounts = Amounts(rows_read=-5.0, null_ids=2_720.0, rows_used=-2_725.0)
    text = findings.data(with_report(study, replace(LOST, amounts=amounts)))
    assert "90 of them without a customer id: their US$ 2,720 are in nobody's value." in text


@pytest.mark.parametrize(
    "report",
    [
        replace(LOST, amounts=None),
        replace(LOST, amounts=Amounts(rows_read=20_000.0, rows_used=20_000.0)),
    ],
)
def test_findings_say_nothing_of_money_where_there_is_none(study, report):
    assert "without a customer id" not in findings.data(with_report(study, report))
    assert "without a customer id" not in findings.data(study)

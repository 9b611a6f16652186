"""The page: whole, self-contained, saying what the study found, its numbers those of its frames."""

import re
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from clvmodels.report import findings
from clvmodels.report.framed import Table
from clvmodels.report.html import summary, write_report
from clvmodels.report.numbers import money, tied
from clvmodels.report.sections import alive_paths, sections

VOID = {"meta", "br", "img", "link", "hr", "input"}
PARTS = (
    "summary", "customers", "value", "textbook", "league", "checks", "data", "parameters",
    "settings",
)  # fmt: skip


@dataclass
class Seen:
    """A table of the page."""

    frame: str
    heads: list = field(default_factory=list)
    columns: list = field(default_factory=list)
    rows: list = field(default_factory=list)


class Page(HTMLParser):
    """Elements, references, tables and text of a page; fails where tags do not match."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.ids, self.references, self.text = [], [], [], [], []
        self.tables, self.figures, self.cell = [], [], None
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        given = dict(attrs)
        self.references += [
            given[name]
            for name in ("src", "href", "xlink:href", "action", "srcset")
            if name in given
        ]
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "figure":
            self.figures.append(given["data-frame"])
        if tag == "table":
            self.tables.append(Seen(given["data-frame"]))
        if tag == "tr" and "tbody" in self.open:
            self.tables[-1].rows.append([])
        if tag in ("th", "td"):
            self.cell = []
            if given.get("scope") == "col":
                self.tables[-1].columns.append(given["data-columns"].split())

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag in ("th", "td"):
            text = " ".join("".join(self.cell).split())
            where = self.tables[-1].heads if "thead" in self.open else self.tables[-1].rows[-1]
            where.append(text)
            self.cell = None

    def handle_data(self, data):
        self.text.append(data)
        if self.cell is not None:
            self.cell.append(data)


def numbers_in(text):
    """Numbers of a cell with half a unit of the last digit shown; a percentage is a share."""
    found = []
    for shown, mantissa, power, cent in re.findall(
        r"((?<![\w.])[−+]?([\d,]*\d(?:\.\d+)?)(?:e([+−-]?\d+))?)(\s%)?", text
    ):
        value = float(shown.replace("−", "-").replace(",", ""))
        digits = mantissa.replace(",", "")
        places = len(digits.partition(".")[2])
        zeros = len(digits) - len(digits.rstrip("0")) if not places else 0
        unit = 10.0 ** (zeros - places + int(power.replace("−", "-") if power else 0))
        scale = 0.01 if cent else 1.0
        found.append((value * scale, 0.5000001 * unit * scale))
    return found


@pytest.fixture(scope="module")
def html(report):
    return (report / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_page_needs_nothing_but_itself(html, page):
    assert all(r.startswith(("#", "data:", "frames/")) for r in page.references)
    assert "@import" not in html
    assert "url(http" not in html
    assert "default-src &#39;none&#39;" in html or "default-src 'none'" in html
    assert page.tags.count("script") == 1
    assert len(html.encode()) < 1_000_000


def test_page_has_all_its_parts(page):
    for part in PARTS:
        assert part in page.ids
    assert page.tags.count("svg") == page.tags.count("figure") == 15
    assert len(page.ids) == len(set(page.ids))
    targets = [r[1:] for r in page.references if r.startswith("#")]
    assert set(targets) <= set(page.ids)
    assert page.tags.count("main") == page.tags.count("nav") == page.tags.count("h1") == 1


def test_page_says_what_the_base_is_worth_first(page, study):
    text = " ".join(page.text)
    worth = tied(money(study.equity.estimate, "US$"))
    assert worth in text
    assert text.index(worth) < text.index("League table: purchases")


def test_page_tells_of_every_method_and_parameter(page, study):
    for method in study.comparison.table["method"]:
        assert page.text.count(method) >= 3  # two leagues, lifetime values
    for name in ("r", "alpha", "a", "b", "p", "q", "v", "churn per month"):
        assert name in page.text


def test_page_tells_what_became_of_the_data(page, study):
    for line in study.base.report.conventions:
        assert line in page.text
    for finding in study.advice.findings:
        assert finding.question in page.text


def test_page_has_no_leftovers(page):
    text = " ".join(page.text)
    for word in ("nan", "None", "inf ", "0000000", "{{", "e+0"):
        assert word not in text


def test_page_escapes_names(html):
    assert "a <small> log" not in html
    assert "a &lt;small&gt; log" in html


def test_page_suits_telephones_dark_rooms_and_paper(html):
    assert "width=device-width" in html
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html


def test_every_table_and_figure_names_a_file_that_is_there(page, report):
    files = {r for r in page.references if r.startswith("frames/")}
    assert {f"frames/{t.frame}.csv" for t in page.tables} <= files
    assert {f"frames/{name}.csv" for name in page.figures} <= files
    there = {f"frames/{path.name}" for path in (report / "frames").iterdir()}
    assert files <= there
    assert there - files == {"frames/segment-of-customers.csv"}  # named in a note
    names = [t.frame for t in page.tables] + page.figures
    assert len(names) == len(set(names))


def test_the_numbers_of_every_table_are_those_of_its_file(page, report):
    told = 0
    for table in page.tables:
        frame = pd.read_csv(report / "frames" / f"{table.frame}.csv", keep_default_na=True)
        assert len(table.columns) == len(table.heads)
        assert len(table.rows) <= len(frame)
        for k, row in enumerate(table.rows):
            for names, text in zip(table.columns, row, strict=True):
                for name in names:
                    assert name in frame
                known = [frame[name].iloc[k] for name in names]
                if not all(pd.api.types.is_number(v) for v in known):
                    continue
                shown = numbers_in(text)
                if not shown:
                    assert text in ("–", "infinite", "")
                    continue
                for (value, half), number in zip(shown, known, strict=False):
                    assert value == pytest.approx(number, abs=half, rel=1e-9), (table.frame, text)
                    told += 1
    assert told > 400


def test_the_cards_are_those_of_the_summary(page, study, report):
    frame = pd.read_csv(report / "frames" / "summary.csv").set_index("item")
    pd.testing.assert_frame_equal(frame.reset_index(), summary(study))
    for item in ("customer equity", "revenue within 12 months", "median lifetime value"):
        assert money(frame.loc[item, "estimate"]) in " ".join(page.text)
    assert frame.loc["customers", "estimate"] == study.base.customers()


def test_the_summary_counts_customers_not_rows(study):
    weight = np.where(study.base.frequency > 0, 1.0, 50.0)
    base = replace(study.base, weight=weight)
    each = np.repeat(study.predictions["lifetime_clv"], weight.astype(int))
    items = summary(replace(study, base=base)).set_index("item")["estimate"]
    assert items["median lifetime value"] == np.median(each)
    assert items["customers"] == len(each)


def test_the_card_of_the_equity_tells_what_other_models_say(page, study):
    items = summary(study).set_index("item")
    range_of = items.loc["customer equity by the models that did best", ["lo", "hi"]]
    values = study.equities["equity"][study.equities["as_good"]]
    assert range_of.tolist() == [values.min(), values.max()]
    text = f"{money(range_of['lo'])} to {money(range_of['hi'])} by the models that did best"
    assert text in " ".join(page.text)


def test_without_a_margin_nothing_is_called_profit(study):
    whole = replace(study.value, model=replace(study.value.model, margin=1.0))
    said = findings.worth(replace(study, value=whole))
    assert "the revenue expected of all their future purchases, before any margin" in said
    assert "profit" not in said


def test_methods_stand_against_the_model_that_values_where_it_is_not_the_best(study, report):
    assert not (report / "frames" / "rivals.csv").exists()  # those of differences-value.csv
    rivals = study.comparison.differences("rmse", "value", against="NBD")
    other = replace(study, name="NBD", rivals=rivals)
    league = next(s for s in sections(other, Table("", (), ()), {}) if s.id == "league")
    assert league.frames()["rivals"]["difference"].tolist() == rivals["difference"].tolist()


def test_segments_on_the_page_add_up_to_the_base(report, study):
    frame = pd.read_csv(report / "frames" / "segments.csv")
    assert frame["customers"].sum() == study.base.customers()
    assert frame["value"].sum() == pytest.approx(study.equity.estimate)
    whole = pd.read_csv(report / "frames" / "segment-of-customers.csv")
    assert len(whole) == len(study.base)


def test_textbook_frames_add_up(report, study):
    totals = pd.read_csv(report / "frames" / "textbook-totals.csv").set_index("method")
    groups = pd.read_csv(report / "frames" / "textbook-groups.csv").set_index("method")
    assert totals.index[0] == study.name
    assert totals.loc[study.name, "lifetime"] == pytest.approx(study.equity.estimate)
    for method in totals.index:
        assert groups.loc[method].sum() == pytest.approx(totals.loc[method, "lifetime"])
    over = pd.read_csv(report / "frames" / "textbook-overrates.csv")
    assert (over["formula_rank"] < over["model_rank"]).all()


def test_paths_are_those_of_the_first_warnings(study, report):
    frame = pd.read_csv(report / "frames" / "alive-paths.csv")
    first = study.warnings.head(3).set_index("customer_id")["p_alive"]
    last = frame.groupby("customer_id", sort=False)["p_alive"].last()
    assert last.to_dict() == pytest.approx(first.to_dict())
    nobody = replace(study, warnings=study.warnings.head(0))
    assert alive_paths(nobody, None, {}) == []


def test_names_ids_and_currency_are_text(study, tmp_path):
    # what a stranger wrote into a log must not become a part of the page
    evil = "<script>alert(1)</script>"
    ids = [f"{evil}{k}" for k in range(len(study.base))]
    base = replace(study.base, customer_id=ids)
    warned = study.warnings.assign(customer_id=evil)
    write_report(replace(study, currency=evil, base=base, warnings=warned), tmp_path)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert evil not in html
    assert "&lt;script&gt;alert(1)" in html
    assert html.count("<script") == 1


def test_a_study_without_formulas_has_no_section_about_them(study):
    comparison = study.comparison
    table = comparison.table[comparison.table["kind"] != "textbook"].reset_index(drop=True)
    models = {k: v for k, v in comparison.models.items() if k in set(table["method"])}
    spread = comparison.table_se[comparison.table_se["kind"] != "textbook"].reset_index(drop=True)
    without = replace(comparison, table=table, table_se=spread, models=models)
    parts = sections(replace(study, comparison=without), Table("", (), ()), {})
    assert [part.id for part in parts] == [p for p in PARTS[1:] if p != "textbook"]


def test_a_holdout_in_which_nothing_came(silent_study, tmp_path):
    write_report(silent_study, tmp_path)
    text = " ".join(Page((tmp_path / "report.html").read_text(encoding="utf-8")).text)
    assert "revenue where none came" in text
    assert "nan" not in text

"""The page: whole, self-contained, and saying what the study found."""

from html.parser import HTMLParser

import pytest

from clvmodels.report.html import displays, draw, render
from clvmodels.report.numbers import money

VOID = {"meta", "br", "img", "link", "hr", "input"}


class Page(HTMLParser):
    """Elements, references and text of a page; fails where tags do not match."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.ids, self.references, self.text = [], [], [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "action", "srcset"):
                self.references.append(value)
            if name == "id":
                self.ids.append(value)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def html(study):
    return render(study, [draw(display()) for display in displays(study)])


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_page_needs_nothing_but_itself(html, page):
    assert all(r.startswith(("#", "data:")) for r in page.references)
    assert "@import" not in html
    assert "url(http" not in html
    assert "script" not in page.tags
    assert len(html.encode()) < 3_000_000


def test_page_has_all_its_parts(page):
    for part in ("summary", "league", "lifetime", "plots", "parameters", "data", "settings"):
        assert part in page.ids
    assert page.tags.count("svg") == page.tags.count("figure") == 8
    assert len(page.ids) == len(set(page.ids))
    targets = [r[1:] for r in page.references if r.startswith("#")]
    assert set(targets) <= set(page.ids)


def test_page_says_what_the_base_is_worth_first(page, study):
    text = " ".join(page.text)
    worth = money(study.equity.estimate, "US$")
    assert worth in text
    assert text.index(worth) < text.index("League table: purchases")


def test_page_tells_of_every_method_and_parameter(page, study):
    for method in study.comparison.table["method"]:
        assert page.text.count(method) >= 3  # two leagues, lifetime values
    for name in ("r", "alpha", "a", "b", "p", "q", "v", "churn per month"):
        assert name in page.text


def test_page_tells_what_became_of_the_data(page, study):
    for line in study.base.report.lines:
        assert line in page.text
    assert f"Calibration ends with 1997-09-30, that day included; the holdout of {39} weeks" in (
        "".join(page.text)
    )


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

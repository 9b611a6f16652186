"""The page as a browser shows it: no request, no error, readable, usable from the keyboard."""

import base64
import json
import re
import shutil
import time

import pytest

webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="needs chromium and chromedriver on the path"
)


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, report):
    """The page, anew, on a desk in the light."""
    show(browser, 1440)
    browser.get((report / "report.html").as_uri())
    return browser


def show(browser, width, scheme="light"):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def colour_of(browser, name):
    """Channels of one of the page's colours."""
    script = "return getComputedStyle(document.documentElement).getPropertyValue(arguments[0])"
    text = browser.execute_script(script, f"--{name}").strip()
    return [int(text[k : k + 2], 16) / 255 for k in (1, 3, 5)]


def luminance(colour):
    # WCAG 2.2, relative luminance
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_page_asks_for_nothing_and_complains_of_nothing(browser, report):
    for kind in ("performance", "browser"):
        browser.get_log(kind)  # what came before
    page = report / "report.html"
    browser.get(page.as_uri())
    time.sleep(0.2)  # a late request would be one too
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = {
        event["params"]["request"]["url"].partition(",")[0]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    }
    assert page.as_uri() in asked
    assert all(url == page.as_uri() or url.startswith("data:") for url in asked)
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_page_never_scrolls_sideways(page, width):
    show(page, width)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_text_stands_out_in_light_and_dark(page, scheme, dark):
    show(page, 1440, scheme)
    paper = colour_of(page, "paper")
    assert (luminance(paper) < 0.05) == dark
    body = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert [int(c) for c in re.findall(r"\d+", body)] == [round(255 * c) for c in paper]
    for ground in ("paper", "panel", "mark"):
        for ink in ("ink", "soft", "accent"):
            # level AA: 4.5 for text
            assert contrast(colour_of(page, ink), colour_of(page, ground)) >= 4.5, (ink, ground)
    for k in range(6):
        # level AA: 3 for what a picture is made of
        assert contrast(colour_of(page, f"series-{k}"), paper) >= 3, k


def test_pictures_follow_the_colours_of_the_page(page):
    script = """
      const text = document.querySelector("figure svg text");
      return getComputedStyle(text).fill;
    """
    light = page.execute_script(script)
    show(page, 1440, "dark")
    assert page.execute_script(script) != light


def keys(page, table, column):
    cells = table.find_elements(By.CSS_SELECTOR, f"tbody tr > :nth-child({column + 1})")
    return [float(cell.get_attribute("data-value")) for cell in cells]


def test_tables_sort_from_the_keyboard(page):
    table = page.find_element(By.CSS_SELECTOR, "table[data-frame=league-value]")
    heads = table.find_elements(By.CSS_SELECTOR, "thead th")
    column = next(k for k, head in enumerate(heads) if head.text.startswith("RMSE"))
    assert {head.get_attribute("aria-sort") for head in heads} == {"none"}
    button = heads[column].find_element(By.TAG_NAME, "button")
    page.execute_script("arguments[0].focus()", button)
    outline = page.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
    before = keys(page, table, column)
    page.switch_to.active_element.send_keys(Keys.ENTER)
    assert outline == "solid"
    assert heads[column].get_attribute("aria-sort") == "descending"
    assert keys(page, table, column) == sorted(before, reverse=True) != before
    page.switch_to.active_element.send_keys(Keys.SPACE)
    assert heads[column].get_attribute("aria-sort") == "ascending"
    assert keys(page, table, column) == sorted(before)
    first = heads[0].find_element(By.TAG_NAME, "button")
    first.send_keys(Keys.ENTER)
    names = [th.text for th in table.find_elements(By.CSS_SELECTOR, "tbody th")]
    assert names == sorted(names, key=str.casefold)
    assert heads[column].get_attribute("aria-sort") == "none"


def test_cells_without_a_number_go_last_either_way(page):
    table = page.find_element(By.CSS_SELECTOR, "table[data-frame=differences-value]")
    button = table.find_element(By.CSS_SELECTOR, "thead th:nth-child(2) button")
    for _ in range(2):
        button.send_keys(Keys.ENTER)
        cells = table.find_elements(By.CSS_SELECTOR, "tbody td:nth-child(2)")
        assert [cell.text for cell in cells].index("–") == len(cells) - 1


def test_every_link_of_the_contents_leads_somewhere(page):
    links = page.find_elements(By.CSS_SELECTOR, "nav a")
    assert len(links) == 8
    for link in links:
        page.execute_script("arguments[0].click()", link)
        target = page.execute_script(
            "const t = document.querySelector(':target');"
            "return t && [t.id, t.getBoundingClientRect().top, innerHeight];"
        )
        assert target[0] == link.get_attribute("href").partition("#")[2]
        assert -1 <= target[1] < target[2]


def test_the_first_stop_of_the_keyboard_skips_the_contents(page):
    page.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    first = page.switch_to.active_element
    assert first.get_attribute("href").endswith("#main")
    assert first.location["x"] >= 0
    assert page.find_element(By.ID, "main").tag_name == "main"
    assert page.find_element(By.TAG_NAME, "html").get_attribute("lang") == "en"


def test_wide_tables_scroll_by_themselves_from_the_keyboard(page):
    show(page, 360)
    box = page.find_element(By.CSS_SELECTOR, "#league .wide")
    script = "return [arguments[0].scrollWidth, arguments[0].clientWidth, arguments[0].tabIndex]"
    inside, outside, stop = page.execute_script(script, box)
    assert inside > outside
    assert stop == 0
    assert box.get_attribute("aria-label")


def test_page_is_whole_without_scripts(page):
    page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.refresh()
        assert not page.find_elements(By.CSS_SELECTOR, "th button")
        assert len(page.find_elements(By.CSS_SELECTOR, "table tbody tr")) > 100
    finally:
        page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_page_prints(page):
    pdf = base64.b64decode(page.print_page())
    assert pdf.startswith(b"%PDF")
    assert 5 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 30

"""The report of a store with 20 runs, as a browser shows it and as a newcomer reads it."""

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright
from tiny_store import make_store

from tfx_pipeline.report import write_report

pytestmark = pytest.mark.slow

RUNS = 20
WIDTHS = {"desktop": 1280, "phone": 390}
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]


@pytest.fixture(scope="module")
def report(tmp_path_factory, artifacts) -> Path:
    config = make_store(tmp_path_factory.mktemp("store"), *artifacts, runs=RUNS)
    return write_report(config)


@pytest.fixture(scope="module")
def browser():
    path = shutil.which("chromium")
    assert path, "`make browser` installs Chromium"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_opens_alone(report, browser, tmp_path, width, scheme):
    page = browser.new_page(viewport={"width": WIDTHS[width], "height": 900}, color_scheme=scheme)
    messages, requests = [], []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(report.as_uri(), wait_until="load")
    assert messages == []
    assert requests == [report.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width]
    page.screenshot(path=tmp_path / "whole.png", full_page=True)
    assert (tmp_path / "whole.png").stat().st_size > 50_000
    page.close()


def test_text_has_contrast_in_light_and_dark(report, browser):
    """WCAG's 4.5 to 1 for all text, chart labels too, against page and cards."""
    script = """() => {
        const value = name => getComputedStyle(document.documentElement).getPropertyValue(name);
        const light = colour => {
            const part = i => parseInt(colour.trim().slice(1 + 2 * i, 3 + 2 * i), 16) / 255;
            const linear = c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
            return 0.2126 * linear(part(0)) + 0.7152 * linear(part(1)) + 0.0722 * linear(part(2));
        };
        const found = {};
        for (const ink of ["--ink", "--soft", "--accent", "--good", "--bad"])
            for (const ground of ["--page", "--card"]) {
                const [low, high] = [light(value(ink)), light(value(ground))].sort((a, b) => a - b);
                found[ink + ground] = (high + 0.05) / (low + 0.05);
            }
        return found;
    }"""
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.goto(report.as_uri())
        ratios = page.evaluate(script)
        assert min(ratios.values()) >= 4.5, (scheme, ratios)
        page.close()


def test_on_paper_it_is_light_all_tables_are_open_and_nothing_is_cut_off(report, browser):
    """A4 has 703 px between margins of 12 mm."""
    page = browser.new_page(viewport={"width": 703, "height": 1000}, color_scheme="dark")
    page.emulate_media(media="print")
    page.goto(report.as_uri())
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    assert all(table.is_visible() for table in page.locator("table").all())
    assert page.evaluate("document.documentElement.scrollWidth") <= 703
    page.close()


def test_every_chart_says_what_it_shows_and_has_a_table(report, browser):
    page = browser.new_page()
    page.goto(report.as_uri())
    charts = page.locator("figure svg")
    labels = charts.evaluate_all("all => all.map(svg => svg.getAttribute('aria-label'))")
    assert len(labels) >= 13
    assert all(labels)
    for section in ("#quality", "#slices", "#training", "#data"):
        assert page.locator(f"{section} svg").count()
        assert page.locator(f"{section} table").count()
    assert page.locator("html").get_attribute("lang") == "en"
    page.close()


def test_a_newcomer_can_say_what_serves_from_what_and_whether_it_is_better(report, browser):
    page = browser.new_page()
    page.goto(report.as_uri())
    served, change, *more = page.locator("main ul.lead li").all_inner_texts()
    assert re.match(r"Version 7 serves\. The run of 20 Jan 2026 03:00 trained it on [\d,]+", served)
    assert "from 14 Nov 2023 to 12 Mar 2024" in served
    assert change.startswith("Against the model before it, its ndcg@10 is better by 0.")
    assert more[0] == "It is worse for no slice of 50 requests or more, beyond noise."
    # Between the two versions only the seed is another.
    rows = page.locator("#lineage table").nth(1).inner_text()
    assert re.search(r"train\.seed\s+0\s+19", rows)
    outcomes = page.locator("#runs tbody td:nth-child(3)").all_inner_texts()
    assert len(outcomes) == RUNS
    assert outcomes[0] == "◆ blessed and pushed"
    assert outcomes.count("✖ refused") == RUNS / 2
    cells = page.locator("#runs tbody tr").first.locator("td").all_inner_texts()
    assert cells[2] == "2.0, 6.0 of 200"
    assert page.locator("#examples figure").count()
    page.close()

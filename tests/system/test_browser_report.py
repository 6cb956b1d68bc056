"""The report in a real browser: nothing is loaded, nothing overflows, figures are seen."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from physbatch.exact import phases
from physbatch.report import write_report
from physbatch.scaling import transition_order
from tests.system.browsers import IN_BROWSER

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = IN_BROWSER


def _synthetic() -> ModuleType:
    name = "physbatch_synthetic"
    if name not in sys.modules:
        source = Path(__file__).parents[1] / "unit" / "plots" / "synthetic.py"
        spec = importlib.util.spec_from_file_location(name, source)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    synthetic = _synthetic()
    dataset = synthetic.make_dataset("A title with <script>console.error('ran')</script> in it")
    return write_report(
        synthetic.make_analysis(),
        dataset,
        tmp_path_factory.mktemp("report") / "report.html",
        order=transition_order(phases.equilibrium_first_order((50, 100, 200, 400), seed=2)),
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_report_in_a_browser(width: int, scheme: str, browser: Browser, report: Path) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    messages: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(report.as_uri())
    assert messages == []
    assert requests == [report.as_uri()]
    assert page.title() == "A title with <script>console.error('ran')</script> in it"

    assert page.evaluate("document.documentElement.scrollWidth") == width, "the page overflows"
    figures = page.query_selector_all("figure svg")
    assert len(figures) == 7
    for figure in figures:
        box = figure.bounding_box()
        assert figure.is_visible()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["width"] >= 300, "too small to read"
        # Glyphs and markers are drawn by reference; a broken reference would draw nothing.
        assert figure.evaluate(
            "svg => { const uses = [...svg.querySelectorAll('use')];"
            " return uses.length > 20 && uses.every("
            "use => svg.querySelector(use.getAttribute('href')) !== null) }"
        )
        assert (
            figure.evaluate("svg => getComputedStyle(svg).backgroundColor") == "rgb(255, 255, 255)"
        )
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
    smallest = page.evaluate(
        "Math.min(...[...document.querySelectorAll('p, li, td, th, figcaption')]"
        ".map(e => parseFloat(getComputedStyle(e).fontSize)))"
    )
    assert smallest >= 12
    page.close()


@pytest.mark.parametrize("width", [360, 1280])
def test_the_answer_stands_at_the_top(width: int, browser: Browser, report: Path) -> None:
    """What was measured, m_c, the order and how sure are seen without scrolling far."""
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto(report.as_uri())
    answer = page.query_selector(".answer")
    assert answer is not None
    assert answer.bounding_box()["y"] < 200
    cards = page.query_selector_all(".cards div")
    assert [card.query_selector("dt").inner_text() for card in cards] == [
        "Measured",
        "Critical value",
        "Order of the transition",
        "How sure",
    ]
    first_figure = page.query_selector("figure").bounding_box()["y"]
    for card in cards:
        box = card.bounding_box()
        assert box["y"] + box["height"] < (800 if width > 1000 else 1000)
        assert box["y"] + box["height"] < first_figure
        assert box["x"] + box["width"] <= width
    page.close()


def test_everything_is_reached_by_keyboard(browser: Browser, report: Path) -> None:
    """Tab reaches links, tables that scroll, and details, which Enter opens."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(report.as_uri())
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        name = page.evaluate("document.activeElement.tagName")
        if name == "BODY":
            break
        reached.append(name)
        if name == "SUMMARY":
            page.keyboard.press("Enter")
    details = page.query_selector_all("details")
    assert reached.count("SUMMARY") == len(details) >= 5
    assert all(one.evaluate("d => d.open") for one in details)
    assert reached.count("DIV") == len(page.query_selector_all(".scroll"))
    assert page.is_visible("text=@software")
    page.close()


def test_printing_needs_no_colour_and_opens_details(browser: Browser, report: Path) -> None:
    page = browser.new_page(color_scheme="dark")
    page.goto(report.as_uri())
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf()[:4] == b"%PDF"
    page.close()

"""The report in a real browser: nothing is loaded, nothing overflows, figures are seen."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from physbatch.report import write_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="component missing: chromium"),
    pytest.mark.skipif(
        importlib.util.find_spec("playwright") is None, reason="component missing: playwright"
    ),
]

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


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
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    synthetic = _synthetic()
    dataset = synthetic.make_dataset("A title with <script>console.error('ran')</script> in it")
    return write_report(
        synthetic.make_analysis(), dataset, tmp_path_factory.mktemp("report") / "report.html"
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
    assert len(figures) == 6
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

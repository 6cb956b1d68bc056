"""The live collapse page in a real browser, driven by pointer and keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from physbatch.report import write_explore
from physbatch.scaling import collapse, collapse_quality
from physbatch.scaling.data_collapse import quality_of
from physbatch.tables import ScalingTable, make_table
from tests.system.browsers import IN_BROWSER

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


pytestmark = IN_BROWSER


def order_parameter(name: str = "m") -> ScalingTable:
    rng = np.random.default_rng(7)
    size = np.repeat([8.0, 16.0, 32.0], 21)
    control = np.tile(np.linspace(0.9, 1.1, 21), 3)
    x = size * (control - 1)
    value = size**-0.125 * (1.2 - np.tanh(x / 2)) + 0.004 * rng.standard_normal(63)
    return make_table(size, control, {name: value}, {name: np.full(63, 0.004)})


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = order_parameter("m</script><script>console.error('ran')</script>")
    (name,) = table.observables
    fit = collapse(table, name, window="all")
    path = tmp_path_factory.mktemp("explore") / "explore.html"
    return write_explore(
        table, name, path, fit, command=["physbatch", "collapse", "my data.csv", "--size", "L"]
    )


@pytest.fixture
def page(browser: Browser, page_file: Path) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    messages: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(page_file.as_uri())
    yield page
    assert messages == []
    assert requests == [page_file.as_uri()]
    page.close()


def shown_quality(page: Page) -> float:
    page.evaluate("() => new Promise(requestAnimationFrame)")
    page.evaluate("() => new Promise(requestAnimationFrame)")
    return float(page.evaluate("() => document.documentElement.dataset.quality"))


def values(page: Page) -> dict[str, float]:
    found: dict[str, float] = page.evaluate("() => state.values")
    return found


def library_quality(held: dict[str, float], table: ScalingTable) -> float:
    correction = 1 + held["amplitude"] * (table.size / table.size.min()) ** -held["omega"]
    scale = table.size ** held["ratio"] * correction
    (name,) = table.observables
    return quality_of(
        table.size,
        table.size ** held["inverse_nu"] * (table.control - held["c_c"]),
        table.values[name] / scale,
        table.errors[name] / scale,
    )


def test_quality_is_that_of_the_library(page: Page) -> None:
    """To 10 digits, at the optimum, at raw data, with corrections and with sizes left out."""
    table = order_parameter()
    held = values(page)
    direct = collapse_quality(
        table,
        "m",
        c_c=held["c_c"],
        nu=1 / held["inverse_nu"],
        zeta=held["ratio"] / held["inverse_nu"],
    )
    assert shown_quality(page) == pytest.approx(direct, rel=1e-10)
    assert direct < 3
    page.click("#unscaled")
    assert shown_quality(page) == pytest.approx(library_quality(values(page), table), rel=1e-10)
    assert shown_quality(page) > 100
    page.fill("#amplitude-number", "0.2")
    page.fill("#omega-number", "0.7")
    page.fill("#inverse_nu-number", "0.9")
    page.keyboard.press("Tab")
    held = values(page)
    assert (held["amplitude"], held["omega"], held["inverse_nu"]) == (0.2, 0.7, 0.9)
    assert shown_quality(page) == pytest.approx(library_quality(held, table), rel=1e-10)
    page.uncheck("#size-1")
    kept = table.select(table.size != 16.0)
    assert shown_quality(page) == pytest.approx(library_quality(held, kept), rel=1e-10)
    page.uncheck("#size-0")
    assert shown_quality(page) == float("inf")
    assert "not defined" in page.inner_text("#quality")


def test_pointer_and_keyboard_move_the_collapse(page: Page) -> None:
    best = shown_quality(page)
    start = values(page)["inverse_nu"]
    page.focus("#inverse_nu-slider")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert values(page)["inverse_nu"] > start
    assert shown_quality(page) > best
    box = page.locator("#c_c-slider").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    assert values(page)["c_c"] > 1.05
    assert shown_quality(page) > 100 * best
    page.click("#fitted")
    assert shown_quality(page) == pytest.approx(best, rel=1e-12)
    page.fill("#inverse_nu-number", "-3")  # makes no sense, so nothing happens
    page.keyboard.press("Tab")
    assert values(page)["inverse_nu"] == pytest.approx(start)


def test_command_starts_a_fit_from_here(page: Page) -> None:
    page.fill("#c_c-number", "0.98")
    page.keyboard.press("Tab")
    shown_quality(page)
    text = page.inner_text("#command")
    assert text.startswith("physbatch collapse 'my data.csv' --size L --start c_c=0.98 --start nu=")
    nu = float(re.findall(r"nu=([\d.]+)", text)[0])
    zeta = float(re.findall(r"zeta=(-?[\d.]+)", text)[0])
    held = values(page)
    assert nu == pytest.approx(1 / held["inverse_nu"], rel=1e-6)
    assert zeta == pytest.approx(held["ratio"] / held["inverse_nu"], rel=1e-6)
    page.click("#copy")
    page.wait_for_function("() => document.getElementById('copied').textContent !== ''")
    assert page.inner_text("#copied") == "copied"


def test_window_error_bars_residuals_and_picture(page: Page) -> None:
    """What needs no browser of these controls is tested beside the report."""
    page.evaluate(
        """() => {
            const slider = document.getElementById("window-from");
            slider.value = 0.953;
            slider.dispatchEvent(new Event("input"));
        }"""
    )
    table = order_parameter()
    kept = table.select(table.control >= 0.953)
    assert shown_quality(page) == pytest.approx(library_quality(values(page), kept), rel=1e-10)
    assert "--control-min 0.953" in page.inner_text("#command")
    whole = str(page.evaluate("() => picture()"))
    assert whole.startswith("<svg ")
    page.uncheck("#show-residuals")
    page.uncheck("#show-bars")
    assert len(str(page.evaluate("() => picture()"))) < len(whole)


def test_the_region_of_the_fit_and_the_points_of_the_window(page: Page) -> None:
    """The region stands around the knob of the slider at the optimum, the points are saved."""
    for name in ("c_c", "inverse_nu", "ratio"):
        box = page.locator(f"#{name}-region").bounding_box()
        slider = page.locator(f"#{name}-slider").bounding_box()
        assert box is not None
        assert slider is not None
        middle = page.evaluate(
            """(name) => {
                const inner = document.querySelectorAll(`#${name}-region rect`)[1];
                const box = inner.getBoundingClientRect();
                const slider = document.getElementById(`${name}-slider`);
                const share = (slider.value - slider.min) / (slider.max - slider.min);
                const at = slider.getBoundingClientRect();
                return box.x + box.width / 2 - (at.x + 8 + share * (at.width - 16));
            }""",
            name,
        )
        assert abs(middle) < 2.0, name  # pixels
    with page.expect_download() as download:
        page.click("#save-points")
    assert download.value.suggested_filename == "points.csv"
    assert len(download.value.path().read_text().splitlines()) == 64


def test_five_thousand_points_move_smoothly(browser: Browser, tmp_path: Path) -> None:
    """Rescaling, judging and drawing take far less than the 33 ms of 30 frames in a second."""
    rng = np.random.default_rng(1)
    size, control = np.repeat([8.0, 16, 32, 64, 128], 1000), np.tile(np.linspace(0.9, 1.1, 1000), 5)
    value = size**-0.125 * (1.2 - np.tanh(size * (control - 1) / 2))
    value += 0.004 * rng.standard_normal(5000)
    table = make_table(size, control, {"m": value}, {"m": np.full(5000, 0.004)})
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(write_explore(table, "m", tmp_path / "large.html").as_uri())
    page.click("#unscaled")
    fastest = page.evaluate(
        """() => Math.min(...Array.from({length: 30}, (_, k) => {
            state.values.inverse_nu = 0.9 + 0.005 * k;
            const began = performance.now();
            update();
            return performance.now() - began;
        }))"""
    )
    page.close()
    assert fastest < 33.0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_layout(
    width: int,
    scheme: str,
    browser: Browser,
    page_file: Path,
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(page_file.as_uri())
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    drawn = page.evaluate(
        """() => {
            const canvas = document.getElementById("plot");
            const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return new Set(new Uint32Array(pixels.data.buffer)).size;
        }"""
    )
    assert drawn > 20
    assert "quality S" in str(page.get_attribute("#plot", "aria-label"))
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("input")]
            .filter((one) => !one.labels.length && !one.getAttribute("aria-label")).length"""
    )
    assert unnamed == 0
    page.close()


def test_without_a_fit_the_button_says_why(browser: Browser, tmp_path: Path) -> None:
    path = write_explore(order_parameter(), "m", tmp_path / "raw.html")
    page = browser.new_page()
    page.goto(path.as_uri())
    assert page.is_disabled("#fitted")
    assert "no fit was made" in page.inner_text("form")
    page.close()

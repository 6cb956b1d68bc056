"""What notebooks show: studies, tables and results as closed, escaped HTML; a progress bar."""

from __future__ import annotations

import base64
import importlib.util
import io
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from PIL import Image

import physbatch
from physbatch.exact import curie_weiss, phases
from physbatch.exact.planted import first_order
from physbatch.progress import NotebookProgress
from physbatch.scaling import (
    Analysis,
    analyse,
    collapse,
    find_crossings,
    make_table,
    transition_order,
)
from physbatch.scaling.laws.fits import fit_law

NASTY = "<b>m & $x$</b>"


class Table(HTMLParser):
    """The cells of a page whose elements are all closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return analyse(first_order(sizes=(50, 100, 200), replicas=16), resamples=60)


def nasty_table() -> Any:
    size, control = np.repeat([8.0, 16.0, 32.0], 15), np.tile(np.linspace(0.9, 1.1, 15), 3)
    value = np.tanh(size * (control - 1.0)) + 0.01 * np.sin(37.0 * np.arange(45))
    return make_table(size, control, {NASTY: value}, {NASTY: np.full(45, 0.01)}, control_name=NASTY)


OBJECTS: dict[str, Callable[[Analysis], Any]] = {
    "study": lambda _: physbatch.catalogue.study("sparse-vector").model_copy(
        update={"title": NASTY}
    ),
    "table": lambda _: nasty_table(),
    "analysis": lambda analysis: analysis,
    "success curve": lambda analysis: analysis.curves[0],
    "drift": lambda analysis: analysis.drifts[0],
    "jump": lambda analysis: analysis.jumps[0],
    "extrapolation": lambda analysis: analysis.m_c_extrapolation,
    "collapse": lambda _: collapse(nasty_table(), fixed={"zeta": 0.0}, window="all"),
    "crossings": lambda _: find_crossings(
        curie_weiss.table((32, 64, 128), np.linspace(0.9, 1.2, 9)), resamples=50
    ),
    "power law": lambda _: fit_law([8, 16, 32], [1.0, 2.0, 4.1], [0.1] * 3, quantity=NASTY),
    "order": lambda _: transition_order(phases.equilibrium_first_order((50, 100, 200))),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_a_notebook_shows_a_table(name: str, analysis: Analysis) -> None:
    shown = OBJECTS[name](analysis)
    html = shown._repr_html_()
    table = Table(html)
    assert {"table", "caption", "tr", "td"} <= table.tags <= {
        *("table", "caption", "thead", "tbody", "tr", "th", "td", "ul", "li")
    }  # fmt: skip
    assert "<b>" not in html
    assert len(html) < 20_000
    assert len(repr(shown)) < 2_000


def test_a_study_shows_its_fields() -> None:
    study = physbatch.catalogue.study("sparse-vector", size=[50, 100])
    words = Table(study._repr_html_()).words
    assert words[words.index("grid.size") + 1] == "50, 100"
    assert words[words.index("dynamics.kind") + 1] == "greedy"
    assert words[0] == study.title


def test_a_table_shows_ranges() -> None:
    words = Table(nasty_table()._repr_html_()).words
    assert words[words.index("size") + 1] == "45 values from 8 to 32"
    assert words[0] == "ScalingTable"


class Cell:
    """Stands for the output of a notebook cell."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def display(self, shown: Any, *, display_id: bool) -> Cell:
        assert display_id
        self.update(shown)
        return self

    def update(self, shown: Any) -> None:
        self.shown.append(shown._repr_html_())


def test_progress_in_a_notebook_counts_cost_and_cells() -> None:
    cell = Cell()
    progress = NotebookProgress(cell.display, interval=0.0)
    progress.start(total=4, done=1, cost=10.0)
    progress.advance(1, 2.5)
    progress.advance(2, 7.5)
    progress.stop()
    assert ['value="0.0"' in cell.shown[0], 'value="25.0"' in cell.shown[1]] == [True, True]
    assert "1/4 cells" in cell.shown[0]
    assert "2/4 cells" in cell.shown[1]
    assert 'value="100.0"' in cell.shown[-1]
    assert "4/4 cells" in cell.shown[-1]
    assert all(Table(html).tags == {"div", "progress"} for html in cell.shown)


def test_progress_is_not_shown_more_often_than_anyone_sees() -> None:
    cell = Cell()
    progress = NotebookProgress(cell.display, interval=3600.0)
    progress.start(total=1000, done=0, cost=1000.0)
    for _ in range(1000):
        progress.advance(1, 1.0)
    progress.stop()
    assert len(cell.shown) <= 3
    assert "1000/1000 cells" in cell.shown[-1]


def outputs(code: str) -> list[Any]:
    """What a cell shows in a real kernel."""
    for name in ("nbclient", "nbformat", "ipykernel"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"component missing: {name}")
    import nbclient
    import nbformat

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return list(notebook.cells[0].outputs)


def test_a_real_kernel_shows_the_bar_and_the_figure() -> None:
    code = (
        "from physbatch.progress import progress_display\n"
        "progress = progress_display()\n"
        "progress.start(2, 0, 2.0)\n"
        "progress.note('a note')\n"
        "progress.advance(2, 2.0)\n"
        "progress.stop()\n"
    )
    code += (
        "from physbatch.exact.planted import first_order\n"
        "from physbatch.plots import plot_evolution\n"
        "plot_evolution(first_order(sizes=(50,)).isel(time=-1)).figure\n"
    )
    shown = outputs(code)
    bars = [one for one in shown if one.output_type == "display_data"]
    assert len(bars) == 1, "one bar that is shown again in its place"
    assert 'value="100.0"' in bars[0].data["text/html"]
    assert "2/2 cells" in bars[0].data["text/plain"]
    (figure,) = (one for one in shown if one.output_type == "execute_result")
    picture = Image.open(io.BytesIO(base64.b64decode(figure.data["image/png"])))
    assert picture.width == pytest.approx(86 / 25.4 * 240, abs=1)
    assert figure.metadata["image/png"]["width"] == pytest.approx(picture.width / 2, abs=1)

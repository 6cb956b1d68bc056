"""Every figure looks as it did, on a page of the right size, with the same bytes each time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from copy import copy
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import numpy.typing as npt
import pytest
from matplotlib import font_manager
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Affine2D

from physbatch import plots
from physbatch.exact.planted import first_order
from physbatch.plots.saving import figure_bytes
from physbatch.plots.style import journal_style
from tests.unit.plots.gallery import FIGURES, FOLDER, baseline, difference, pixels

#: Root mean square difference, of 255, in the square of the page where it is largest. The same
#: versions of matplotlib and FreeType give 0. One curve that moves by 5 % of the height of its
#: panel gives from 10 (a thin line among many) to 56.
TOLERANCE = 4.0
WIDE = {"overview", "moments", "collapse-joint", "peaks", "order", "theory"}
WIDE |= {"noise-optimum", "noise-temperature", "noise-evidence", "noise-sharpness"}
WIDE |= {"plane", "units", "noise-critical", "noise-gradient"}


#: Those that test_style.py and test_collapse.py look at in many cases.
LAID_OUT = {"overlap", "success", "histograms", "drift", "extrapolation", "jump", "overview"}
LAID_OUT |= {"collapse", "collapse-joint", "windows"}


class Drawn(NamedTuple):
    name: str
    figure: Figure
    picture: npt.NDArray[np.float64]


@pytest.fixture(scope="module", params=FIGURES)
def drawn(request: pytest.FixtureRequest) -> Drawn:
    """One figure after the other, each drawn once."""
    figure = FIGURES[request.param]()
    return Drawn(request.param, figure, pixels(figure))


def a_curve(axes: Axes) -> Artist:
    """A line through data if there is one, else error bars, else the highest bar."""
    lines = [
        line
        for line in axes.get_lines()
        if line.get_transform() == axes.transData and len(line.get_xdata()) > 1
    ]
    bars = sorted(axes.patches, key=lambda bar: bar.get_window_extent().height, reverse=True)
    return [*lines, *axes.collections, *bars][0]


@pytest.mark.pictures
def test_looks_as_it_did_and_a_shift_of_five_percent_is_seen(drawn: Drawn) -> None:
    expected = baseline(drawn.name)
    assert difference(drawn.picture, expected) < TOLERANCE
    axes = drawn.figure.axes[0]
    artist, engine = a_curve(axes), drawn.figure.get_layout_engine()
    before = artist.get_transform()
    drawn.figure.set_layout_engine("none")  # the page stays as it is, only one curve moves
    artist.set_transform(before + Affine2D().translate(0.0, 0.05 * axes.bbox.height))
    moved = difference(pixels(drawn.figure), drawn.picture)
    artist.set_transform(before)
    drawn.figure.set_layout_engine(engine)
    assert moved > 2 * TOLERANCE


def test_the_same_input_gives_the_same_bytes_with_embedded_fonts(drawn: Drawn) -> None:
    pdf = figure_bytes(FIGURES[drawn.name](), "pdf")
    assert pdf == figure_bytes(FIGURES[drawn.name](), "pdf")
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    fonts = re.findall(rb"/BaseFont /(\S+)", pdf)
    assert fonts
    assert all(b"STIX" in font for font in fonts)


def _texts(figure: Figure) -> list[tuple[float, str]]:
    """Size and family of all that is written."""
    figure.draw_without_rendering()
    texts = [text for text in figure.findobj(Text) if text.get_text().strip()]
    return sorted((text.get_fontsize(), text.get_fontfamily()[0]) for text in texts)


def test_every_text_goes_with_the_users_font(drawn: Drawn) -> None:
    before = _texts(FIGURES[drawn.name]())
    with matplotlib.rc_context({"font.family": "DejaVu Sans", "font.size": 17.0}):
        after = _texts(FIGURES[drawn.name]())
    assert {family for _, family in before} == {"STIXGeneral"}
    assert {family for _, family in after} == {"DejaVu Sans"}
    # Larger numbers leave room for fewer ticks, so texts are not the same one by one.
    assert {round(size, 6) for size, _ in after} == {round(2 * size, 6) for size, _ in before}


def test_page_has_the_width_of_a_column(drawn: Drawn) -> None:
    name, figure, _ = drawn
    width = plots.DOUBLE_COLUMN_MM if name in WIDE else plots.SINGLE_COLUMN_MM
    assert figure.get_size_inches()[0] * 25.4 == pytest.approx(width)
    assert figure.get_size_inches()[1] * 25.4 < 240.0, "higher than a page"


def test_texts_do_not_overlap_and_are_whole(drawn: Drawn) -> None:
    name, figure, _ = drawn
    if name in LAID_OUT:
        return
    canvas = FigureCanvasAgg(figure)
    with journal_style():
        canvas.draw()
    renderer = canvas.get_renderer()
    texts = [
        text
        for axes in figure.axes
        for text in (
            *(axes.xaxis.label, axes.yaxis.label),
            *(axes.title, axes._left_title, axes._right_title, *axes.texts),
        )
        if text.get_text() and text.get_visible() and axes.get_visible()
    ]
    boxes = [text.get_window_extent(renderer) for text in texts]
    boxes += [legend.get_window_extent(renderer) for legend in figure.legends]
    for first, second in combinations(boxes, 2):
        assert not first.overlaps(second), f"two texts overlap in {name}"
    for box in boxes:
        assert -0.5 <= box.x0 < box.x1 <= figure.bbox.x1 + 0.5, "text is cut at the side"
        assert -0.5 <= box.y0 < box.y1 <= figure.bbox.y1 + 0.5, "text is cut at the top"
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            labels = [
                label.get_window_extent(renderer)
                for label in axis.get_ticklabels()
                if label.get_text() and label.get_visible() and axes.get_visible()
                and not label.get_rotation() % 90
            ]  # fmt: skip
            for first, second in combinations(labels, 2):
                assert not first.overlaps(second), f"tick labels overlap in {name}"


def test_every_figure_is_in_the_gallery_or_has_tests_of_its_own() -> None:
    functions = {name for name in plots.__all__ if name.startswith("plot_")}
    folder = Path(__file__).parent
    tests = "".join(path.read_text("utf-8") for path in sorted(folder.glob("*.py")))
    assert functions == {name for name in functions if f"{name}(" in tests or f"{name}," in tests}
    assert {path.stem for path in FOLDER.glob("*.png")} == set(FIGURES)


def test_fonts_are_found_with_an_old_list_of_fonts(tmp_path: Path) -> None:
    """The list in the user's folder may come from a matplotlib that shipped fewer fonts."""
    manager = copy(font_manager.fontManager)
    manager.ttflist = [font for font in manager.ttflist if not font.name.startswith("STIX")]
    assert manager.ttflist
    assert len(manager.ttflist) < len(font_manager.fontManager.ttflist)
    font_manager.json_dump(manager, tmp_path / f"fontlist-v{manager.__version__}.json")
    code = (
        "import sys\n"
        "from matplotlib import font_manager\n"
        "assert not [f for f in font_manager.fontManager.ttflist if f.name.startswith('STIX')]\n"
        "from physbatch.exact.planted import first_order\n"
        "from physbatch.plots import figure_bytes, plot_evolution\n"
        "axes = plot_evolution(first_order(sizes=(50,)).isel(time=-1)).ax\n"
        "sys.stdout.buffer.write(figure_bytes(axes.figure, 'pdf'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "MPLCONFIGDIR": str(tmp_path)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    axes = plots.plot_evolution(first_order(sizes=(50,)).isel(time=-1)).ax
    assert done.stdout == figure_bytes(axes.figure, "pdf")

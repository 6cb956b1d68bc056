"""How figures look on paper: sizes, overlaps, fonts, bytes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from types import ModuleType

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from physbatch.errors import OutputError
from physbatch.plots import (
    DOUBLE_COLUMN_MM,
    SINGLE_COLUMN_MM,
    figure_bytes,
    journal_style,
    plot_drift,
    plot_extrapolation,
    plot_histograms,
    plot_overlap,
    plot_overview,
    plot_success,
    save_figure,
    size_palette,
)
from physbatch.plots.style import root_figure
from physbatch.results.estimate import Estimate
from physbatch.scaling.transition.result import Analysis

Draw = Callable[[Analysis], Figure]

FIGURES: dict[str, Draw] = {
    "overlap": lambda a: root_figure(plot_overlap(a)),
    "success": lambda a: root_figure(plot_success(a)),
    "histograms": lambda a: root_figure(plot_histograms(a)),
    "drift": lambda a: root_figure(plot_drift(a)),
    "m_c": lambda a: root_figure(plot_extrapolation(a)),
    "jump": lambda a: root_figure(plot_extrapolation(a, quantity="jump")),
    "overview": lambda a: plot_overview(a).figure,
}


def drawn(figure: Figure) -> FigureCanvasAgg:
    canvas = FigureCanvasAgg(figure)
    with journal_style():
        canvas.draw()
    return canvas


def data_points(axes: Axes) -> list[tuple[float, float]]:
    """Display coordinates of every point that is drawn in data coordinates and seen."""
    frame = axes.get_window_extent()
    return [
        (float(x), float(y))
        for line in axes.get_lines()
        if line.get_transform() == axes.transData and len(line.get_xdata()) > 0
        for x, y in axes.transData.transform(np.column_stack(line.get_data()).astype(float))
        if frame.contains(x, y) or not line.get_clip_on()
    ]


def legend_boxes(figure: Figure, canvas: FigureCanvasAgg) -> list[Bbox]:
    legends = [*figure.legends, *(a.get_legend() for a in figure.axes if a.get_legend())]
    return [legend.get_window_extent(canvas.get_renderer()) for legend in legends]


@pytest.mark.parametrize(
    ("name", "case"),
    [
        *((name, case) for name in FIGURES for case in ("full", "no fits")),
        ("overview", "one size"),
        ("overview", "ratio"),
        ("m_c", "ratio"),
    ],
)
def test_nothing_overlaps(name: str, case: str, synthetic: ModuleType) -> None:
    analysis = {
        "full": lambda: synthetic.make_analysis(),
        "one size": lambda: synthetic.make_analysis((100.0,)),
        "no fits": lambda: synthetic.without_fits(synthetic.make_analysis()),
        "ratio": lambda: synthetic.make_analysis(control_name="batch_ratio"),
    }[case]()
    figure = FIGURES[name](analysis)
    canvas = drawn(figure)
    renderer = canvas.get_renderer()
    boxes = legend_boxes(figure, canvas)
    for axes in figure.axes:
        frame = axes.get_window_extent(renderer)
        for box in boxes:
            assert not box.overlaps(frame), "a legend lies on a panel"
            inside = [box.contains(x, y) for x, y in data_points(axes)]
            assert not any(inside), "a legend lies on data"
        for axis in (axes.xaxis, axes.yaxis):
            shown = [
                label.get_window_extent(renderer)
                for label in axis.get_ticklabels()
                if label.get_visible() and label.get_text()
            ]
            for first, second in combinations(shown, 2):
                assert not first.overlaps(second), f"tick labels overlap in {name}"
    labels = [
        text.get_window_extent(renderer)
        for axes in figure.axes
        for text in (axes.xaxis.label, axes.yaxis.label, axes.title, *axes.texts)
        if text.get_text()
    ]
    labels += [
        text.get_window_extent(renderer)
        for axes in figure.axes
        for text in (axes._left_title, axes._right_title)
        if text.get_text()
    ]
    for first, second in combinations([*labels, *boxes], 2):
        assert not first.overlaps(second), f"two texts overlap in {name}"
    page = figure.bbox
    for box in [*labels, *boxes]:
        assert page.x0 - 0.5 <= box.x0 < box.x1 <= page.x1 + 0.5, "text is cut at the side"
        assert page.y0 - 0.5 <= box.y0 < box.y1 <= page.y1 + 0.5, "text is cut at the top"


@pytest.mark.parametrize("value", [10.1, 12.0, 13.0, 14.2, 15.9])
def test_the_critical_value_is_named_above_its_panel(value: float, analysis: Analysis) -> None:
    axes = plot_success(replace(analysis, m_c=Estimate(value, 0.05))).ax
    renderer = drawn(root_figure(axes)).get_renderer()
    frame = axes.get_window_extent(renderer)
    text = axes.texts[0].get_window_extent(renderer)
    assert frame.x0 - 1 <= text.x0 < text.x1 <= frame.x1 + 1
    assert text.y0 >= frame.y1


@pytest.mark.parametrize("name", FIGURES)
def test_width_is_a_journal_column(name: str, analysis: Analysis) -> None:
    width = DOUBLE_COLUMN_MM if name == "overview" else SINGLE_COLUMN_MM
    assert FIGURES[name](analysis).get_size_inches()[0] * 25.4 == pytest.approx(width)


def test_text_is_not_smaller_than_seven_points(analysis: Analysis) -> None:
    figure = plot_overview(analysis).figure
    drawn(figure)
    sizes = {t.get_fontsize() for t in figure.findobj(matplotlib.text.Text) if t.get_text()}
    assert min(sizes) >= 7.0


@pytest.mark.parametrize("file_format", ["pdf", "png", "svg"])
def test_the_same_results_give_the_same_bytes(file_format: str, analysis: Analysis) -> None:
    figure = plot_overview(analysis).figure
    first = figure_bytes(figure, file_format)
    assert first == figure_bytes(figure, file_format), "the second time it differs"
    assert first == figure_bytes(plot_overview(analysis), file_format)
    assert b"CreationDate" not in first
    assert b"dc:date" not in first


@pytest.mark.pictures  # before matplotlib 3.11 the same figure has other names in each SVG
def test_what_the_user_sets_wins_and_is_kept_for_saving(analysis: Analysis) -> None:
    first = figure_bytes(plot_overlap(analysis).figure, "svg")
    with matplotlib.rc_context({"lines.linewidth": 9, "axes.grid": True}):
        figure = plot_overlap(analysis).figure
        inside = figure_bytes(figure, "svg")
    assert inside != first
    assert figure_bytes(figure, "svg") == inside
    assert figure_bytes(plot_overlap(analysis).figure, "svg") == first
    with matplotlib.style.context("ggplot"):
        assert figure_bytes(plot_overlap(analysis).figure, "svg") not in (first, inside)


def test_a_matplotlibrc_changes_no_bytes(analysis: Analysis, tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("font.size: 30\nlines.linewidth: 9\naxes.grid: True\n")
    words = (
        "import matplotlib; from physbatch.plots import journal_style\n"
        "before = matplotlib.rcParams['font.size']\n"
        "with journal_style(): print(before, matplotlib.rcParams['font.size'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", words],
        env={**os.environ, "MATPLOTLIBRC": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["30.0", "8.5"]


def test_pdf_embeds_truetype_fonts(analysis: Analysis, tmp_path: Path) -> None:
    pdf, png = save_figure(plot_success(analysis).figure, tmp_path / "m_c.v2")
    content = pdf.read_bytes()
    assert (pdf.name, png.name) == ("m_c.v2.pdf", "m_c.v2.png")
    assert b"/FontFile2" in content
    assert b"/Type3" not in content
    fonts = re.findall(rb"/BaseFont /(\S+)", content)
    assert fonts
    assert all(b"STIX" in font for font in fonts)
    boxes = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+)", content)
    assert boxes is not None
    assert float(boxes.group(1)) / 72 * 25.4 == pytest.approx(SINGLE_COLUMN_MM, abs=0.1)


@pytest.mark.parametrize("suffix", ["", ".pdf", ".png"])
def test_saving_takes_either_suffix(suffix: str, tmp_path: Path) -> None:
    written = save_figure(Figure(), tmp_path / f"empty{suffix}")
    assert [file.name for file in written] == ["empty.pdf", "empty.png"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["empty.pdf", "empty.png"]
    # 300 dots per inch, stored as dots per metre.
    assert b"pHYs\x00\x00\x2e\x23\x00\x00\x2e\x23" in written[1].read_bytes()


def test_svg_is_that_file_alone_and_formats_may_be_named(tmp_path: Path) -> None:
    (written,) = save_figure(Figure(), tmp_path / "x.svg")
    assert written.name == "x.svg"
    both = save_figure(Figure(), tmp_path / "z", ("svg", "pdf"))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x.svg", "z.pdf", "z.svg"]
    assert both[0].read_bytes() == written.read_bytes()
    with pytest.raises(OutputError, match="no format 'jpeg'; there is pdf, png, svg"):
        save_figure(Figure(), tmp_path / "x", ["jpeg"])


def test_saving_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        save_figure(Figure(), tmp_path / "file" / "figure")


@pytest.mark.parametrize("count", [1, 2, 4, 7])
def test_colours_darken_with_size(count: int) -> None:
    luminance = [
        0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in size_palette(list(range(count)))
    ]
    assert all(np.diff(luminance) < -0.05)
    assert max(luminance) < 0.75, "too pale for white paper"


def test_the_users_settings_stay(analysis: Analysis) -> None:
    before = dict(matplotlib.rcParams)
    plot_overview(analysis)
    assert dict(matplotlib.rcParams) == before


def test_no_backend_is_chosen() -> None:
    code = (
        "import matplotlib\n"
        "from physbatch.exact.planted import first_order\n"
        "from physbatch.plots import figure_bytes, plot_overview\n"
        "from physbatch.scaling import analyse\n"
        "figure_bytes(plot_overview(analyse(first_order(sizes=(50,)))), 'svg')\n"
        "assert matplotlib.get_backend(auto_select=False) is None\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "MPLBACKEND"}
    done = subprocess.run([sys.executable, "-c", code], check=False, env=environment)
    assert done.returncode == 0


def test_library_does_not_import_matplotlib() -> None:
    code = "import sys, physbatch; sys.exit(int('matplotlib' in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_figure_is_left_to_pyplot(analysis: Analysis) -> None:
    from matplotlib import pyplot

    plot_overview(analysis)
    assert pyplot.get_fignums() == []


@pytest.mark.parametrize(
    "backend",
    ["nonsense", pytest.param("module://matplotlib_inline.backend_inline", marks=pytest.mark.slow)],
)
def test_commands_draw_whatever_backend_is_asked_for(
    backend: str, tmp_path: Path, physbatch_command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """A notebook leaves the name of its own to the commands that it calls, installed or not."""
    rows = [f"{size},{x / 10},{0.9 - x / 12 - size / 400}" for size in (8, 16) for x in range(4)]
    table = "\n".join(["L,T,m,dm", *(f"{row},0.01" for row in rows)])
    (tmp_path / "table.csv").write_text(table)
    absent = tmp_path / "matplotlib_inline.py"
    absent.write_text("raise ImportError('not here')")
    done = physbatch_command(
        *("crossings", tmp_path / "table.csv", "--figure", tmp_path / "x.pdf"),
        env={"MPLBACKEND": backend, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"},
    )
    assert done.returncode == 3, done.stderr  # the curves do not cross
    assert (tmp_path / "x.pdf").stat().st_size > 1000

"""The look of all figures: sizes, colours, markers, and saving with reproducible bytes.

Figures are `matplotlib.figure.Figure` objects; pyplot, its list of open figures and the
backend stay as the user has them.
"""

import io
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
import seaborn
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, Locator, LogLocator, MaxNLocator, NullFormatter

from physbatch.errors import OutputError
from physbatch.files.atomic import write_atomic
from physbatch.typing import FloatArray

#: Widths of one and of two columns in physics journals.
SINGLE_COLUMN_MM = 86.0
DOUBLE_COLUMN_MM = 178.0

#: Colours of what belongs to no size: measured points, the limit N -> infinity, fits, remarks in
#: a panel.
DATA_COLOUR = "#2166ac"
LIMIT_COLOUR = "#b2182b"
FIT_COLOUR = "#4d4d4d"
NOTE_COLOUR = "#595959"

#: Settings that are none of the look.
_NO_LOOK = frozenset(
    {
        *("backend", "backend_fallback", "interactive", "toolbar", "timezone", "date.epoch"),
        *("figure.max_open_warning", "figure.raise_window", "savefig.directory"),
        *("tk.window_focus", "docstring.hardcopy"),
    }
)
#: Points; all other sizes of text are in ratio to the first.
_FONT_SIZE = 8.5
_TEXT_SIZES = {
    "axes.labelsize": 9.0,
    "axes.titlesize": 8.5,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.0,
}
_STYLE_FILE = Path(__file__).with_name("physbatch.mplstyle")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
_MM_PER_INCH = 25.4
_SCREEN_DPI = 240  # in notebooks
_DECADES = 1.5  # a span above which an axis of times is logarithmic

# Matplotlib stamps files with the time of writing; None leaves the stamp out.
_METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "ModDate": None},
    "png": {"Software": "physbatch"},
    "svg": {"Date": None, "Creator": None, "Format": None, "Type": None},
}

SizeStyle = dict[str, Any]

#: The rim of filled markers, which keeps apart those that touch.
WHITE_EDGE: SizeStyle = {"markeredgecolor": "white", "markeredgewidth": 0.4}
#: The marker of the limit of infinite size.
LIMIT_STAR: SizeStyle = {"marker": "*", "markersize": 7, **WHITE_EDGE}
#: Measured points with error bars, above curves.
POINTS: SizeStyle = {"linestyle": "none", "elinewidth": 0.7, "zorder": 3}
#: Hollow markers on curves.
OPEN: SizeStyle = {"markersize": 3.5, "markerfacecolor": "white"}
#: What was found on curves, or chosen among points.
RING: SizeStyle = {
    "marker": "o",
    "markerfacecolor": "none",
    "markeredgecolor": LIMIT_COLOUR,
    "markeredgewidth": 0.9,
}


@contextmanager
def journal_style() -> Iterator[None]:
    """Use the shipped style inside the block; the settings outside stay as they were.

    What you have set yourself (in ``rcParams``, by a style sheet or in ``rc_context``) wins over
    it, and sizes of text that you have not set go with your ``font.size``. A matplotlibrc file
    counts for nothing, so that a figure is the same on every machine.

    Examples
    --------
    >>> import matplotlib
    >>> from physbatch.plots import journal_style
    >>> with journal_style():
    ...     matplotlib.rcParams["pdf.fonttype"], matplotlib.rcParams["font.size"]
    (42, 8.5)
    >>> with matplotlib.rc_context({"font.size": 17}), journal_style():
    ...     matplotlib.rcParams["pdf.fonttype"], matplotlib.rcParams["axes.labelsize"]
    (42, 18.0)
    """
    _know_fonts()
    users = _users_settings()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # all but the backend
        matplotlib.rcParams.update(
            matplotlib.rc_params_from_file(_STYLE_FILE, use_default_template=False)
        )
        matplotlib.rcParams.update({"font.size": users.get("font.size", _FONT_SIZE)})
        sizes: dict[Any, Any] = {name: text_size(size) for name, size in _TEXT_SIZES.items()}
        matplotlib.rcParams.update(sizes | users)
        yield


def _settings() -> dict[Any, Any]:
    """The look that is set now; to read the backend would choose one."""
    known: dict[Any, Any] = {}
    for name in matplotlib.rcParams:
        if name not in _NO_LOOK:
            known[name] = matplotlib.rcParams[name]
    return known


def _users_settings() -> dict[Any, Any]:
    """What the user has set: all that differs from what matplotlib began with."""
    began: dict[Any, Any] = {}
    began.update(matplotlib.rcParamsOrig)
    return {name: value for name, value in _settings().items() if value != began.get(name)}


def text_size(size: float) -> float:
    """A size of text in points where ``font.size`` is that of the shipped style, else in ratio."""
    return float(size * (matplotlib.rcParams["font.size"] / _FONT_SIZE))


def title_style() -> SizeStyle:
    """Of titles of panels."""
    return {"fontsize": text_size(8), "pad": 3}


@cache
def _know_fonts() -> None:
    """Register the fonts that matplotlib ships, once.

    The list of fonts that matplotlib keeps in the user's folder can be older than its fonts;
    then text would silently take another font and have another width.
    """
    known = {Path(font.fname) for font in font_manager.fontManager.ttflist}
    for path in sorted(Path(matplotlib.get_data_path(), "fonts", "ttf").glob("STIX*.ttf")):
        if path not in known:
            font_manager.fontManager.addfont(path)


def size_palette(sizes: Sequence[float]) -> list[tuple[float, float, float]]:
    """One colour per size, from light (small) to dark (large).

    The lightness falls steadily, so that the order survives greyscale and every kind of
    colour blindness.

    Examples
    --------
    >>> from physbatch.plots import size_palette
    >>> len(size_palette([50, 100, 200]))
    3
    """
    count = len(sizes)
    ramp = seaborn.color_palette("viridis_r", as_cmap=True)
    # The lightest end is too pale on white paper; one size alone takes a middle tone.
    places = [0.6] if count == 1 else [0.28 + 0.72 * i / (count - 1) for i in range(count)]
    return [(float(r), float(g), float(b)) for r, g, b, _ in map(ramp, places)]


def size_styles(sizes: Sequence[float], symbol: str = "N") -> dict[float, SizeStyle]:
    """Colour, marker and label of each size, the same in every panel."""
    ordered = sorted({float(size) for size in sizes})
    return {
        size: {
            "color": colour,
            "marker": _MARKERS[index % len(_MARKERS)],
            **WHITE_EDGE,
            "label": f"${symbol} = {size:g}$",
        }
        for index, (size, colour) in enumerate(zip(ordered, size_palette(ordered), strict=True))
    }


class NotebookFigure(Figure):
    """A figure that a notebook shows although pyplot does not know it.

    It is saved with the settings that it was drawn with.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        with journal_style():
            self.settings = _settings()

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        stream = io.BytesIO()
        with matplotlib.rc_context(self.settings):
            self.savefig(stream, format="png", dpi=_SCREEN_DPI, metadata=_METADATA["png"])
        # Half as many points as pixels: sharp on the finer screens as well.
        return stream.getvalue(), {"width": round(self.get_figwidth() * _SCREEN_DPI / 2)}


def figure_in_mm(width: float, height: float) -> Figure:
    """An empty figure of the given width and height in mm."""
    size = (width / _MM_PER_INCH, height / _MM_PER_INCH)
    return NotebookFigure(figsize=size, layout="constrained")


def panel_axes(axes: Axes | None, *, height: float = 64.0) -> Axes:
    """The given axes, or those of a new single-column figure."""
    if axes is not None:
        return axes
    return figure_in_mm(SINGLE_COLUMN_MM, height).add_subplot()


@contextmanager
def size_panel(
    axes: Axes | None, sizes: Sequence[float], *, legend: bool
) -> Iterator[tuple[Axes, dict[float, SizeStyle]]]:
    """A panel in the style of journals, a style for each size, and their legend above it."""
    with journal_style():
        axes, styles = panel_axes(axes), size_styles(sizes)
        yield axes, styles
        if legend:
            size_legend(axes, styles)


def plain_numbers(axis: Axis, locator: Locator | None = None) -> None:
    """Numbers instead of powers of ten on a logarithmic axis, by default at 1, 2 and 5."""
    axis.set_major_locator(locator or LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def panel_grid(figure: Figure | SubFigure, count: int, most_columns: int) -> list[Axes]:
    """So many panels, row by row in rows of at most `most_columns`."""
    columns = min(count, most_columns)
    rows = math.ceil(count / columns)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[count:]:
        axes.remove()
    return list(grid[:count])


def label_decades(axis: Axis, values: npt.ArrayLike) -> None:
    """Labels of a logarithmic axis; a range of few decades also gets some at 2 and 5."""
    shown = np.asarray(values, dtype=np.float64)
    if shown.size and shown.max() < 30.0 * shown.min():
        narrow = shown.max() < 5.0 * shown.min()  # 1, 2 and 5 might be outside
        plain_numbers(axis, MaxNLocator(5, steps=(1, 2, 5, 10)) if narrow else None)
    axis.set_minor_formatter(NullFormatter())


def needs_decades(times: FloatArray) -> bool:
    """Whether times span so much that their axis is logarithmic."""
    return bool(times[-1] > 10**_DECADES * times[times > 0.0][0])


def cell_edges(values: FloatArray, *, logarithmic: bool = True) -> FloatArray:
    """Edges half-way between values, in logarithms on a logarithmic axis."""
    at = np.log(values) if logarithmic else values
    middle = (at[1:] + at[:-1]) / 2
    ends = (middle[0], middle[-1]) if len(at) > 1 else (at[0] + 0.5, at[0] - 0.5)
    edges = np.concatenate([[2 * at[0] - ends[0]], middle, [2 * at[-1] - ends[1]]])
    return np.asarray(np.exp(edges) if logarithmic else edges)


def mark_band(axes: Axes, value: float, error: float, *, alpha: float, **style: Any) -> None:
    """A horizontal band of one error on both sides of a value; nothing without an error."""
    if math.isfinite(error):
        ends = (value - error, value + error)
        axes.axhspan(*ends, color=LIMIT_COLOUR, alpha=alpha, linewidth=0, **style)


def note_above(axes: Axes, words: str, x: float, *, points: float, ha: str = "center") -> None:
    """Red words so many points above some axes, at a fraction `x` of their width."""
    above: SizeStyle = {"xytext": (0, points), "textcoords": "offset points", "va": "bottom"}
    look: SizeStyle = {"ha": ha, "fontsize": text_size(8), "color": LIMIT_COLOUR}
    axes.annotate(words, (x, 1.0), xycoords="axes fraction", **above, **look)


def empty_panel(axes: Axes, words: str) -> None:
    """Say in the middle of a panel why it holds no data."""
    axes.set(xticks=[], yticks=[])
    axes.minorticks_off()
    axes.text(
        0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color=NOTE_COLOUR
    )


def root_figure(axes: Axes) -> Figure:
    """The figure that holds the axes, also through subfigures."""
    figure = axes.get_figure(root=True)
    if figure is None:
        raise ValueError("these axes were removed from their figure; draw into new ones")
    return figure


def size_legend(axes: Axes, styles: dict[float, SizeStyle], *, columns: int = 4) -> None:
    """Put one legend of the sizes above all panels of the figure, where no data are."""
    handles = [Line2D([], [], **style) for style in styles.values()]
    root_figure(axes).legend(
        handles=handles, loc="outside upper center", ncols=min(len(handles), columns)
    )


def figure_bytes(figure: Figure, file_format: str) -> bytes:
    """The figure as a PDF, PNG or SVG file; the same figure gives the same bytes."""
    stream = io.BytesIO()
    settings = figure.settings if isinstance(figure, NotebookFigure) else None
    with matplotlib.rc_context(settings) if settings else journal_style():
        figure.savefig(stream, format=file_format, metadata=_METADATA[file_format])
    return stream.getvalue()


def svg_text(figure: Figure) -> str:
    """The figure as an SVG document."""
    return figure_bytes(figure, "svg").decode("utf-8")


def formats_of(path: Path) -> tuple[str, ...]:
    """What a figure of this name is written as: SVG alone, or PDF and PNG."""
    return ("svg",) if path.suffix.lower() == ".svg" else ("pdf", "png")


def bare_name(path: Path) -> str:
    """The name of a figure without the suffix of a format."""
    known = [f".{file_format}" for file_format in _METADATA]
    return path.stem if path.suffix.lower() in known else path.name


def save_figure(
    figure: Figure, path: str | os.PathLike[str], formats: Sequence[str] | None = None
) -> tuple[Path, ...]:
    """Write the figure, by default as PDF and as PNG (300 dpi), each whole or not at all.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    path : path-like
        Name without suffix, or with ``.pdf`` or ``.png``, where both files are written; with
        ``.svg`` it is that file alone.
    formats : sequence of {"pdf", "png", "svg"}, optional
        Which files to write instead.

    Returns
    -------
    tuple of pathlib.Path
        The files.

    Raises
    ------
    OutputError
        If the folder or the disk does not take a file, or a format is not known.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from matplotlib.figure import Figure
    >>> from physbatch.plots import save_figure
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [file.name for file in save_figure(Figure(), Path(folder) / "empty")]
    ...     [file.name for file in save_figure(Figure(), Path(folder) / "empty.svg")]
    ['empty.pdf', 'empty.png']
    ['empty.svg']
    """
    target = Path(path)
    written = []
    for file_format in formats or formats_of(target):
        if file_format not in _METADATA:
            raise OutputError(
                f"no format {file_format!r}",
                where=str(path),
                remedy=f"there is {', '.join(_METADATA)}",
            )
        file = target.with_name(f"{bare_name(target)}.{file_format}")
        write_atomic(file, figure_bytes(figure, file_format))
        written.append(file)
    return tuple(written)

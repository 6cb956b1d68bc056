"""The look of all figures: sizes, colours, markers, and saving with reproducible bytes.

Figures are `matplotlib.figure.Figure` objects; pyplot, its list of open figures and the
backend stay as the user has them.
"""

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import matplotlib
import numpy as np
import seaborn
from matplotlib import font_manager
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.colors import Colormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from physbatch.errors import AnalysisError

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
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
_MM_PER_INCH = 25.4
_SCREEN_DPI = 240  # in notebooks

#: Matplotlib stamps files with the time of writing; None leaves the stamp out.
METADATA: dict[str, dict[str, Any]] = {
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


def size_palette(
    sizes: Sequence[float], palette: str | Colormap | Sequence[Any] | None = None
) -> list[tuple[float, float, float]]:
    """One colour per size, by default from light (small) to dark (large).

    The lightness falls steadily, so that the order survives greyscale and every kind of
    colour blindness.

    Parameters
    ----------
    sizes : sequence of float
        The sizes.
    palette : str, matplotlib.colors.Colormap or sequence of colours, optional
        Another palette: a name of seaborn or of a colormap, a colormap, or colours.

    Raises
    ------
    physbatch.errors.AnalysisError
        If there is no such palette.

    Examples
    --------
    >>> from physbatch.plots import size_palette
    >>> len(size_palette([50, 100, 200]))
    3
    """
    count = len(sizes)
    if isinstance(palette, Colormap):
        colours = [palette(at) for at in np.linspace(0.0, 1.0, count)]
    elif palette is not None:
        try:
            colours = list(seaborn.color_palette(palette, count))
        except ValueError as error:
            raise AnalysisError(
                f"no palette {palette!r}",
                where="figure",
                remedy="give a name of seaborn or of a colormap, as viridis or deep, or colours",
            ) from error
    else:
        ramp = seaborn.color_palette("viridis_r", as_cmap=True)
        # The lightest end is too pale on white paper; one size alone takes a middle tone.
        steps = [0.6] if count == 1 else [0.28 + 0.72 * i / (count - 1) for i in range(count)]
        colours = list(map(ramp, steps))
    return [to_rgb(colour) for colour in colours]


def size_styles(sizes: Sequence[float], symbol: str = "N") -> dict[float, SizeStyle]:
    """Colour, marker and label of each size, the same in every panel."""
    ordered = sorted({float(size) for size in sizes})
    return {
        size: {
            "color": colour,
            "marker": MARKERS[index % len(MARKERS)],
            **WHITE_EDGE,
            "label": f"${symbol} = {size:g}$",
        }
        for index, (size, colour) in enumerate(zip(ordered, size_palette(ordered), strict=True))
    }


class HasFigure(Protocol):
    """What a function of this package returns."""

    @property
    def figure(self) -> Figure:
        """The figure."""


class NotebookFigure(Figure):
    """A figure that a notebook shows although pyplot does not know it.

    It is saved with the settings that it was drawn with.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        with journal_style():
            self.settings = _settings()

    def draw(self, renderer: RendererBase) -> None:
        """Draw; panels that were removed take no part in the alignment of labels any more."""
        # Matplotlib keeps them among those to align and fails on them.
        for aligned in getattr(self, "_align_label_groups", {}).values():
            for axes in [axes for group in aligned for axes in group]:
                if axes.get_figure() is None:
                    aligned.remove(axes)
        super().draw(renderer)

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        stream = io.BytesIO()
        with matplotlib.rc_context(self.settings):
            self.savefig(stream, format="png", dpi=_SCREEN_DPI, metadata=METADATA["png"])
        # Half as many points as pixels: sharp on the finer screens as well.
        return stream.getvalue(), {"width": round(self.get_figwidth() * _SCREEN_DPI / 2)}


def figure_in_mm(width: float, height: float) -> Figure:
    """An empty figure of the given width and height in mm."""
    size = (width / _MM_PER_INCH, height / _MM_PER_INCH)
    return NotebookFigure(figsize=size, layout="constrained")


def mark_band(axes: Axes, value: float, error: float, *, alpha: float, **style: Any) -> None:
    """A horizontal band of one error on both sides of a value; nothing without an error."""
    if math.isfinite(error):
        ends = (value - error, value + error)
        axes.axhspan(*ends, color=LIMIT_COLOUR, alpha=alpha, linewidth=0, **style)


def empty_panel(axes: Axes, words: str) -> None:
    """Say in the middle of a panel why it holds no data."""
    axes.set(xticks=[], yticks=[])
    axes.minorticks_off()
    axes.text(
        0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color=NOTE_COLOUR
    )


def root_figure(drawn: Artist | HasFigure) -> Figure:
    """The figure of what was drawn, or that holds an axes, also through subfigures."""
    figure = drawn.get_figure(root=True) if isinstance(drawn, Artist) else drawn.figure
    if figure is None:
        raise ValueError("these axes were removed from their figure; draw into new ones")
    return figure


def size_legend(
    axes: Axes | HasFigure, styles: dict[float, SizeStyle], *, columns: int = 4
) -> None:
    """Put one legend of the sizes above all panels of the figure, where no data are."""
    handles = [Line2D([], [], **style) for style in styles.values()]
    root_figure(axes).legend(
        handles=handles, loc="outside upper center", ncols=min(len(handles), columns)
    )

"""Where and how a figure is drawn: the one way in which every kind asks for its panels."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cbook import normalize_kwargs
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Colormap, ListedColormap
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from physbatch.errors import AnalysisError
from physbatch.plots.drawn import Drawn
from physbatch.plots.labels import Labels
from physbatch.plots.layouts import Stack
from physbatch.plots.letters import give_letters, texts_of
from physbatch.plots.options import Options, Where, check_known, page_width
from physbatch.plots.style import (
    DOUBLE_COLUMN_MM,
    LIMIT_COLOUR,
    MARKERS,
    WHITE_EDGE,
    SizeStyle,
    figure_in_mm,
    journal_style,
    size_palette,
    text_size,
    title_style,
)

_MM_PER_INCH = 25.4
_ENTRY_MM = 21.5  # of a legend above the panels
_FEW = Stack(64.0)


class Layout(Protocol):
    """How panels are arranged on a page; see `physbatch.plots.layouts`."""

    @property
    def width(self) -> float:
        """Usual width of the page in mm."""

    def page_height(self, count: int, width: float) -> float:
        """Height of a page with so many panels, in mm."""

    def axes(self, figure: Figure | SubFigure, count: int) -> Sequence[Axes]:
        """The panels."""


class Sheet:
    """Panels to draw into, with the options of the user.

    Every kind of figure names its panels once (`lay_out`) and draws into those that it is given:
    a page of its own has all of them, one axes the first alone.

    Attributes
    ----------
    panels : dict of str to matplotlib.axes.Axes
        Those that there are.
    labels : Labels
        The words on the axes.
    """

    def __init__(self, ax: Where, options: Options) -> None:
        check_known(options)
        self._ax = ax
        self._options = options
        self._page: Figure | SubFigure | None = None
        self._before: set[int] = set()
        self._around: list[Artist] = []
        self._points: list[ErrorbarContainer] = []
        self._curves: list[Line2D] = []
        self.panels: dict[str, Axes] = {}
        self.labels = Labels(options.get("labels", {}))

    # --- panels -------------------------------------------------------------------------

    def lay_out(
        self, names: Sequence[str], layout: Layout = _FEW, *, main: str = ""
    ) -> dict[str, Axes]:
        """The panels that are drawn, by name; residuals are left out where none are wanted.

        One axes takes the panel `main`, by default the first.

        Raises
        ------
        physbatch.errors.AnalysisError
            If axes were given for a panel that this kind does not have.
        """
        if not self._options.get("residuals", True):
            names = [name for name in names if not name.startswith("residuals")]
        if isinstance(self._ax, Axes):
            if self._options.get("residuals") and len(names) > 1:
                raise AnalysisError(
                    "one axes has no room for residuals",
                    where="ax",
                    remedy=f"give axes for {' and '.join(names[:2])}: a mapping of these names",
                )
            self.panels = {main or names[0]: self._ax}
        elif self._ax is None or isinstance(self._ax, (Figure, SubFigure)):
            self._page = self._ax or self._new_page(layout, len(names))
            made = layout.axes(self._page, len(names))
            self.panels = dict(zip(names, made, strict=False))
        else:
            self.panels = _by_name(self._ax, names)
        for axes in self.panels.values():
            self._before |= {id(child) for child in _children(axes)}
        return self.panels

    def add(self, name: str, axes: Axes) -> None:
        """A further panel, such as an inset."""
        self.panels[name] = axes
        self._before |= {id(child) for child in _children(axes)}

    def _new_page(self, layout: Layout, count: int) -> Figure:
        width = page_width(self._options, layout.width, DOUBLE_COLUMN_MM)
        return figure_in_mm(width, layout.page_height(count, width))

    @property
    def first(self) -> Axes:
        """The first panel."""
        return next(iter(self.panels.values()))

    @property
    def own_page(self) -> Figure | SubFigure | None:
        """The page, if all of it belongs to this figure."""
        return self._page

    @property
    def width(self) -> float:
        """Of the page or the first panel, in mm."""
        box = self.first.bbox if self._page is None else self._page.bbox
        return float(box.width / self.first.figure.dpi * _MM_PER_INCH)

    def align(self, *panels: Axes | None) -> None:
        """Put the vertical labels of some panels above one another, on a page of its own."""
        shown = [axes for axes in panels if axes is not None]
        if self._page is not None and shown:
            self._page.align_ylabels(shown)

    # --- look ---------------------------------------------------------------------------

    def colours(self, values: Sequence[float]) -> list[Any]:
        """A colour for each of some ascending values."""
        return list(size_palette(values, self._options.get("palette")))

    def colour_map(self, usual: Colormap | str) -> Colormap | str:
        """The colours of a map."""
        given = self._options.get("palette")
        if given is None or isinstance(given, Colormap):
            return given or usual
        if isinstance(given, str) and given in colormaps:
            return given
        return ListedColormap(size_palette(range(256), given))

    def markers(self, count: int) -> list[str]:
        """A marker for each of some values."""
        given = self._options.get("markers", True)
        if given is True:
            given = MARKERS
        known = ["none"] if given is False else [given] if isinstance(given, str) else list(given)
        return list(itertools.islice(itertools.cycle(known), count))

    def sizes(self, sizes: npt.ArrayLike, name: str = "N", own: str = "") -> dict[float, SizeStyle]:
        """Colour, marker and label of each size, the same in every panel.

        `own` is the symbol of a size whose name has another.
        """
        ordered = np.unique(np.asarray(sizes, dtype=np.float64)).tolist()
        styles = zip(ordered, self.colours(ordered), self.markers(len(ordered)), strict=True)
        return {
            size: {
                "color": colour,
                "marker": marker,
                **WHITE_EDGE,
                "label": self.labels.size_value(name, size, own),
            }
            for size, colour, marker in styles
        }

    # --- what is drawn ------------------------------------------------------------------

    def points(
        self,
        axes: Axes,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        stderr: npt.ArrayLike | None = None,
        **style: Any,
    ) -> ErrorbarContainer:
        """Points with vertical error bars (``xerr`` gives horizontal ones)."""
        look = style | normalize_kwargs(dict(self._options.get("points", {})), Line2D)
        drawn = axes.errorbar(x, y, stderr, **look)
        self._points.append(drawn)
        return drawn

    def curve(self, axes: Axes, x: npt.ArrayLike, y: npt.ArrayLike, **style: Any) -> Line2D:
        """A curve."""
        look = style | normalize_kwargs(dict(self._options.get("curve", {})), Line2D)
        (line,) = axes.plot(x, y, **look)
        self._curves.append(line)
        return line

    def bar(self, mesh: ScalarMappable, axes: Axes | Sequence[Axes], label: str) -> Colorbar | None:
        """The bar of the colours of maps, beside their panels; in axes of the user a part of it."""
        if not self._options.get("legend", True):
            return None
        if self._page is None:
            last = axes if isinstance(axes, Axes) else axes[-1]
            bar = last.figure.colorbar(mesh, cax=last.inset_axes((1.03, 0.0, 0.045, 1.0)))
        else:
            bar = self._page.colorbar(mesh, ax=axes, pad=0.02)
            self._around.append(bar.ax)
        bar.set_label(label)
        return bar

    # --- words --------------------------------------------------------------------------

    @property
    def has_titles(self) -> bool:
        """Whether titles and remarks are wanted."""
        return self._options.get("title", True) is not False

    def title(self, axes: Axes, text: str, **style: Any) -> None:
        """A title above a panel, unless the user wants none or another."""
        given = self._options.get("title", True)
        mine = isinstance(given, str) and axes is self.first
        if given is not False and not mine:
            axes.set_title(text, **(title_style() | style))

    def head(self, text: str, **style: Any) -> None:
        """A title above all panels of an own page."""
        given = self._options.get("title", True)
        if given is True and self._page is not None:
            self._around.append(self._page.suptitle(text, **style))

    def note(self, axes: Axes, words: str, x: float, *, points: float, ha: str = "center") -> None:
        """Red words so many points above a panel, at a fraction `x` of its width."""
        if not self.has_titles:
            return
        above: SizeStyle = {"xytext": (0, points), "textcoords": "offset points", "va": "bottom"}
        look: SizeStyle = {"ha": ha, "fontsize": text_size(8), "color": LIMIT_COLOUR}
        axes.annotate(words, (x, 1.0), xycoords="axes fraction", **above, **look)

    def size_legend(self, styles: dict[float, SizeStyle]) -> None:
        """The legend of the sizes."""
        self.legend([Line2D([], [], **style) for style in styles.values()])

    def legend(
        self,
        handles: Sequence[Any],
        labels: Sequence[str] | None = None,
        *,
        columns: int | None = None,
    ) -> None:
        """A legend above all panels of an own page, else inside of the first panel."""
        if not (self._options.get("legend", True) and handles and self.panels):
            return
        texts = [str(handle.get_label()) for handle in handles] if labels is None else labels
        if self._page is None:
            # What the user has put there already stays.
            if self.first.get_legend() is None or "legend" in self._options:
                self.first.legend(handles, texts, loc="best", fontsize=text_size(7))
            return
        most = columns or max(round(self.width / _ENTRY_MM), 1)
        rows = -(-len(handles) // most)
        above = self._page.legend(
            handles, texts, loc="outside upper center", ncols=-(-len(handles) // rows)
        )
        self._around.append(above)

    def panel_legend(self, axes: Axes, **style: Any) -> None:
        """A legend inside of a panel, of what is labelled there."""
        if self._options.get("legend", True):
            axes.legend(**style)

    def drawn(self) -> Drawn:
        """What was drawn, with fonts that have all its letters."""
        given = self._options.get("title")
        if isinstance(given, str) and self.panels:
            self.first.set_title(given, **title_style())
        artists = [
            child
            for axes in self.panels.values()
            for child in _children(axes)
            if id(child) not in self._before
        ] + self._around
        for artist in (*self.panels.values(), *self._around):
            give_letters(texts_of(artist))
        return Drawn(self.panels, artists, self._points, self._curves)


@contextmanager
def new_sheet(ax: Where, options: Options) -> Iterator[Sheet]:
    """A sheet to draw on in the style of journals, under the settings of the user."""
    with journal_style():
        yield Sheet(ax, options)


def _children(axes: Axes) -> list[Artist]:
    return list(axes.get_children())


def _by_name(given: Any, names: Sequence[str]) -> dict[str, Axes]:
    unknown = [name for name in given if name not in names]
    if unknown or not given:
        raise AnalysisError(
            f"no panel {unknown[0]!r}" if unknown else "no axes",
            where="ax",
            remedy=f"this figure has {', '.join(names)}",
        )
    return {name: given[name] for name in names if name in given}

"""What a figure consists of after it was drawn."""

from collections.abc import Iterable, Mapping, Sequence
from typing import overload

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from physbatch.plots.style import NotebookFigure, root_figure


class Drawn(Sequence[Artist]):
    """All artists of a figure that was drawn, with the axes that hold them.

    It is a sequence of matplotlib's artists: lines, error bars, texts, legends; all of them can
    be changed. A notebook shows the figure where the page is its own.

    Attributes
    ----------
    panels : dict of str to matplotlib.axes.Axes
        The axes that were drawn into, by the names of the panels.
    points : tuple of matplotlib.container.ErrorbarContainer
        Points with error bars, in the order in which they were drawn.
    curves : tuple of matplotlib.lines.Line2D
        Fitted and other curves.

    Examples
    --------
    >>> from physbatch.plots import plot_exponents
    >>> from physbatch.scaling import fit_law
    >>> drawn = plot_exponents(fit_law([16, 32, 64], [1.0, 2.1, 4.2], [0.1, 0.1, 0.1]))
    >>> list(drawn.panels), len(drawn.curves)
    (['law', 'residuals'], 1)
    >>> drawn.curves[0].set_linestyle("--")
    """

    def __init__(
        self,
        panels: Mapping[str, Axes],
        artists: Iterable[Artist],
        points: Iterable[ErrorbarContainer],
        curves: Iterable[Line2D],
    ) -> None:
        self.panels = dict(panels)
        self._artists = tuple(artists)
        self.points = tuple(points)
        self.curves = tuple(curves)

    @property
    def axes(self) -> list[Axes]:
        """The panels in their order."""
        return list(self.panels.values())

    @property
    def ax(self) -> Axes:
        """The first panel."""
        return next(iter(self.panels.values()))

    @property
    def figure(self) -> Figure:
        """The figure that holds all panels."""
        return root_figure(self.ax)

    def __len__(self) -> int:
        return len(self._artists)

    @overload
    def __getitem__(self, index: int) -> Artist: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Artist, ...]: ...
    def __getitem__(self, index: int | slice) -> Artist | tuple[Artist, ...]:
        return self._artists[index]

    def __repr__(self) -> str:
        return f"<{len(self)} artists in {', '.join(self.panels)}>"

    def _repr_png_(self) -> tuple[bytes, dict[str, int]] | None:
        figure = self.figure
        return figure._repr_png_() if isinstance(figure, NotebookFigure) else None

"""How the panels of a new page are arranged."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from physbatch.plots.style import DOUBLE_COLUMN_MM, SINGLE_COLUMN_MM

#: A panel that shares a page with others is not narrower, in mm.
_NARROWEST = 42.0


@dataclass(frozen=True)
class Stack:
    """Panels above one another with a common horizontal axis.

    Attributes
    ----------
    height : float
        Of all panels together, in mm.
    ratios : sequence of float
        Of their heights.
    width : float
        Usual width of the page in mm.
    share : bool
        Whether they have one horizontal axis.
    """

    height: float
    ratios: Sequence[float] = (1.0,)
    width: float = SINGLE_COLUMN_MM
    share: bool = True

    def page_height(self, count: int, width: float) -> float:
        """Less where the last panels are left out."""
        return self.height * sum(self.ratios[:count]) / sum(self.ratios)

    def axes(self, figure: Figure | SubFigure, count: int) -> list[Axes]:
        """The panels from above."""
        grid = figure.subplots(
            count, 1, sharex=self.share, squeeze=False, height_ratios=self.ratios[:count]
        )
        return [axes for (axes,) in grid]


@dataclass(frozen=True)
class Grid:
    """Panels in rows that fill the page: where one row has fewer, they are wider.

    Attributes
    ----------
    height : float
        Of one row, in mm.
    columns : int
        At most so many panels in a row.
    above : float
        Room for what stands above all panels.
    share_y : bool
        Whether the panels of a row have one vertical axis.
    """

    height: float
    columns: int = 3
    above: float = 8.0
    share_y: bool = False
    width: float = DOUBLE_COLUMN_MM

    def rows(self, count: int, width: float) -> list[int]:
        """How many panels each row has, as even as possible."""
        columns = max(min(count, self.columns, int(width / _NARROWEST)), 1)
        rows = math.ceil(count / columns)
        return [count // rows + (row < count % rows) for row in range(rows)]

    def page_height(self, count: int, width: float) -> float:
        """So much for every row, and what stands above."""
        return self.above + self.height * len(self.rows(count, width))

    def axes(self, figure: Figure | SubFigure, count: int) -> list[Axes]:
        """The panels, row by row."""
        rows = self.rows(count, figure.bbox.width / figure.dpi * 25.4)
        fine = math.lcm(*rows)
        grid = figure.add_gridspec(len(rows), fine)
        panels: list[Axes] = []
        for row, length in enumerate(rows):
            step = fine // length
            for column in range(length):
                first = panels[0] if panels and self.share_y else None
                cell = grid[row, column * step : (column + 1) * step]
                panels.append(figure.add_subplot(cell, sharey=first))
                if self.share_y and column:
                    panels[-1].tick_params(labelleft=False)
        return panels

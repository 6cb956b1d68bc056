"""Overlap and success in the plane of any two swept parameters."""

from typing import Unpack

import numpy as np
from matplotlib.axes import Axes

from physbatch.plots.dataset.replicas import SHARE
from physbatch.plots.docstrings import documented
from physbatch.plots.drawn import Drawn
from physbatch.plots.labels import OVERLAP_LABEL, SUCCESS_LABEL, Labels
from physbatch.plots.layouts import Grid
from physbatch.plots.options import Options, Where
from physbatch.plots.sheet import Sheet, new_sheet
from physbatch.plots.ticks import cell_edges, in_decades
from physbatch.scaling.statistics.parameter_planes import ParameterPlane
from physbatch.typing import FloatArray

_WORDS = {
    "learning_rate": r"learning rate $\eta$",
    "degree": "connectivity $d$",
    "temperature": "temperature $T$",
    "pattern_count": "number of patterns $P$",
    "initial_overlap": "initial overlap $r$",
}
_SPAN = 4.0  # ratio of the ends above which an axis is logarithmic


@documented("two columns wide; the panels are called overlap and success")
def plot_plane(plane: ParameterPlane, ax: Where = None, **options: Unpack[Options]) -> Drawn:
    """Draw mean overlap and fraction of success over two swept parameters, as maps.

    Cells without replicas are white. An axis is logarithmic where its ends differ by more than a
    factor of 4.

    Parameters
    ----------
    plane : ParameterPlane
        What `physbatch.scaling.parameter_plane` returned.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> from physbatch.scaling import parameter_plane
    >>> list(plot_plane(parameter_plane(first_order(sizes=(50, 100)))).panels)
    ['overlap', 'success']
    """
    with new_sheet(ax, options) as page:
        panels = page.lay_out(["overlap", "success"], Grid(62.0, 2, above=0.0))
        names = {
            "overlap": page.labels.observable("overlap", OVERLAP_LABEL),
            "success": SUCCESS_LABEL,
        }
        for name, axes in panels.items():
            values = np.ma.masked_invalid(getattr(plane, name))
            low = float(values.min()) if name == "overlap" and values.count() else 0.0
            mesh = axes.pcolormesh(
                _edges(plane.x),
                _edges(plane.y),
                values,
                cmap=page.colour_map(SHARE),
                vmin=low,
                vmax=1.0,
                rasterized=True,
            )
            _label(page, axes, plane)
            page.bar(mesh, axes, names[name])
        return page.drawn()


def _logarithmic(values: FloatArray) -> bool:
    return bool(values[0] > 0.0 and values[-1] > _SPAN * values[0])


def _edges(values: FloatArray) -> FloatArray:
    return cell_edges(values, logarithmic=_logarithmic(values))


def _label(page: Sheet, axes: Axes, plane: ParameterPlane) -> None:
    for letter, name, values in (("x", plane.x_name, plane.x), ("y", plane.y_name, plane.y)):
        words = page.labels.size() if name == "size" else page.labels.control(name)
        if words == Labels({}).control(name):
            words = _WORDS.get(name, words)
        if _logarithmic(values):
            in_decades(axes, letter)
        axes.set(**{f"{letter}label": words})

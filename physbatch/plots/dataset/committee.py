"""The overlaps of hidden units: as matrices through time, and one unit in the plane of R and Q."""

from typing import Literal, Unpack

import numpy as np
import xarray as xr

from physbatch.errors import AnalysisError
from physbatch.plots.docstrings import documented
from physbatch.plots.drawn import Drawn
from physbatch.plots.layouts import Grid, Stack
from physbatch.plots.options import Options, Where
from physbatch.plots.sheet import new_sheet
from physbatch.plots.style import LIMIT_COLOUR, LIMIT_STAR, SizeStyle
from physbatch.scaling.statistics.replica_overlaps import unit_overlaps
from physbatch.theory.flow import Flow

_MAP = Stack(78.0)
_MOST = 6  # matrices beside one another
_SHOWN = 24  # trajectories; more hide each other
_STREAMS = "#b8c0c8"


@documented("two columns wide; the panels are called like the times, ``t = 0`` ...")
def plot_units(
    data: xr.Dataset,
    ax: Where = None,
    *,
    of: Literal["teacher", "student"] = "teacher",
    replica: int = 0,
    **options: Unpack[Options],
) -> Drawn:
    """Draw the overlaps of the hidden units of one replica as matrices, at up to six times.

    The student has specialised where every row has one dark cell of its own.

    Parameters
    ----------
    data : xarray.Dataset
        One cell of a dataset with ``teacher_overlap`` (R) or ``student_overlap`` (Q): one size, one
        control, one value of everything else.
    of : {"teacher", "student"}
        Overlaps of the student's units with those of the teacher, or with each other.
    replica : int
        Which replica.

    Raises
    ------
    physbatch.errors.AnalysisError
        If the data hold no such overlaps, no such replica, or several cells.
    """
    time, matrices = unit_overlaps(data, of, replica)
    rows = np.unique(np.linspace(0, len(time) - 1, min(len(time), _MOST)).round().astype(int))
    names = {f"t = {time[row]:g}": matrices[row] for row in rows}
    most = max(1.0, float(np.nanmax(np.abs(matrices))))
    with new_sheet(ax, options) as page:
        panels = page.lay_out(list(names), Grid(38.0, len(names), above=4.0, share_y=True))
        for name, axes in panels.items():
            matrix = names[name]
            mesh = axes.pcolormesh(
                matrix, cmap=page.colour_map("RdBu_r"), vmin=-most, vmax=most, rasterized=True
            )
            axes.set_xlabel(f"{of} unit")
            if page.own_page is not None:  # the size of axes of the user stays as it is
                axes.set_aspect("equal")
            for axis, count in zip((axes.yaxis, axes.xaxis), matrix.shape, strict=True):
                axis.set_ticks(np.arange(count) + 0.5, [f"{unit + 1}" for unit in range(count)])
            axes.minorticks_off()
            axes.set_ylim(matrix.shape[0], 0)  # rows from above, as in print
            page.title(axes, f"${name}$")
        page.first.set_ylabel("student unit")
        page.bar(mesh, list(panels.values()), "$R$" if of == "teacher" else "$Q$")
        return page.drawn()


@documented("one column wide")
def plot_flow(flow: Flow, ax: Where = None, **options: Unpack[Options]) -> Drawn:
    """Draw the trajectories of replicas in the plane of R and Q, and the flow of the exact ODE.

    Grey streams follow the equations of motion for N -> infinity. Circles are starts, the star is
    the perfect student.

    Parameters
    ----------
    flow : Flow
        What `physbatch.theory.unit_flow` returned.

    Raises
    ------
    physbatch.errors.AnalysisError
        If no replica is left to draw.
    """
    if not len(flow.teacher_overlap):
        raise AnalysisError("no replica stayed finite", where="flow", remedy="look at status")
    with new_sheet(ax, options) as page:
        axes = page.lay_out(["flow"], _MAP)["flow"]
        u, v = (np.ma.masked_invalid(x) for x in (flow.velocity_r, flow.velocity_q))
        look: SizeStyle = {"linewidth": 0.6, "arrowsize": 0.6, "density": 0.9}
        axes.streamplot(flow.r, flow.q, u, v, color=_STREAMS, **look)
        shown = slice(0, _SHOWN)
        (colour,), (marker,) = page.colours([1.0]), page.markers(1)
        for r, q in zip(flow.teacher_overlap[shown], flow.student_overlap[shown], strict=True):
            page.curve(axes, r, q, color=colour, linewidth=0.7, alpha=0.7, zorder=3)
        starts = flow.teacher_overlap[shown, 0], flow.student_overlap[shown, 0]
        look = {"color": colour, "marker": marker, "markersize": 3, "zorder": 4}
        page.points(axes, *starts, linestyle="none", **look)
        axes.plot(1.0, 1.0, color=LIMIT_COLOUR, linestyle="none", zorder=5, **LIMIT_STAR)
        axes.set(xlabel="overlap with the teacher $R$", ylabel="overlap with itself $Q$")
        axes.set(xlim=(flow.r[0], flow.r[-1]), ylim=(flow.q[0], flow.q[-1]))
        page.title(axes, rf"$\eta/m = {flow.rate:.4g}$")
        return page.drawn()

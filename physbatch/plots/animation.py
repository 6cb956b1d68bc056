"""Moving pictures: histograms, units, trajectories and a collapse, as GIF or MP4."""

import math
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, Unpack

import numpy as np
import xarray as xr
from matplotlib import animation
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from physbatch.errors import AnalysisError
from physbatch.files.atomic import write_atomic
from physbatch.plots.dataset.committee import plot_flow, plot_units
from physbatch.plots.drawn import Drawn
from physbatch.plots.labels import OVERLAP_LABEL
from physbatch.plots.options import Options, page_width
from physbatch.plots.scaling.collapse_words import x_label, y_label
from physbatch.plots.sheet import Sheet, new_sheet
from physbatch.plots.style import (
    DOUBLE_COLUMN_MM,
    FIT_COLOUR,
    SINGLE_COLUMN_MM,
    figure_in_mm,
    journal_style,
)
from physbatch.scaling.data_collapse.result import Collapse
from physbatch.scaling.data_collapse.varied import drawn_nu, points_at
from physbatch.scaling.statistics.replica_overlaps import (
    OverlapHistograms,
    overlap_histograms,
    swept_dim,
    unit_overlaps,
)
from physbatch.theory.flow import Flow

_BINS = 40
_MOST_BYTES = 3_000_000
_DPI = (110, 80, 60, 45)  # the first whose file is small enough
_FRAMES = 48  # of a collapse
_SPREAD = 0.4  # by which nu varies on either side, as a share
_HEIGHT_MM = 62.0


class Animation(NamedTuple):
    """Frames that are not drawn yet.

    Attributes
    ----------
    frames : tuple of callables
        Each draws a frame into an empty figure.
    height : float
        Of the figure in mm.
    width : float
        Of the figure in mm.
    """

    frames: tuple[Callable[[Figure], Drawn], ...]
    height: float = _HEIGHT_MM
    width: float = SINGLE_COLUMN_MM


def save_animation(
    moving: Animation, path: str | os.PathLike[str], *, frames_per_second: int = 12
) -> Path:
    """Write an animation as .gif (pillow) or .mp4 (ffmpeg), below 3 MB, whole or not at all.

    Parameters
    ----------
    moving : Animation
        What `animate_histograms`, `animate_units`, `animate_flow` or `animate_collapse` returned.
    path : path-like
        The file; its suffix says which.
    frames_per_second : int
        The pace.

    Returns
    -------
    pathlib.Path
        `path`.

    Raises
    ------
    physbatch.errors.AnalysisError
        For another suffix, without ffmpeg for .mp4, or if it stays too large.
    physbatch.errors.OutputError
        If it cannot be written.
    """
    target = Path(path)
    kind = _writer_for(target)
    for dpi in _DPI:
        with TemporaryDirectory() as folder:
            file = Path(folder, f"moving{target.suffix.lower()}")
            _write(moving, kind(fps=frames_per_second), file, dpi)
            content = file.read_bytes()
        if len(content) < _MOST_BYTES:
            write_atomic(target, content)
            return target
    raise AnalysisError("larger than 3 MB", where=str(path), remedy="take fewer frames")


def _writer_for(path: Path) -> type[animation.PillowWriter | animation.FFMpegWriter]:
    """What writes a file of that suffix."""
    suffix = path.suffix.lower()
    if suffix == ".gif":
        return animation.PillowWriter
    if suffix != ".mp4":
        raise AnalysisError(
            f"no animation is written as {suffix or 'a file without a suffix'}",
            where=str(path),
            remedy="name it .gif or .mp4",
        )
    if not animation.FFMpegWriter.isAvailable():
        raise AnalysisError(
            "there is no ffmpeg to write .mp4",
            where=str(path),
            remedy="install ffmpeg, or name it .gif",
        )
    return animation.FFMpegWriter


def _write(moving: Animation, writer: animation.AbstractMovieWriter, file: Path, dpi: int) -> None:
    with journal_style():
        figure = figure_in_mm(moving.width, moving.height)
        with writer.saving(figure, str(file), dpi):
            for draw in moving.frames:
                figure.clear()
                draw(figure)
                writer.grab_frame()


# --- histograms -------------------------------------------------------------------------


def animate_histograms(data: xr.Dataset, **options: Unpack[Options]) -> Animation:
    """Move the histogram of the overlap through time, or through the transition.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset with one size, and either one control (then it moves in time) or one time (then
        in the control).
    **options
        How to draw: see `physbatch.plots.Options`.

    Returns
    -------
    Animation
        A frame for each time or control.

    Raises
    ------
    physbatch.errors.AnalysisError
        If more than time or control is left besides the replicas.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> len(animate_histograms(first_order(sizes=(100,)).isel(time=-1)).frames)
    13
    """
    along = swept_dim(data)
    histograms = overlap_histograms(data, bins=_BINS)

    def frame(number: int) -> Callable[[Figure], Drawn]:
        return lambda figure: _draw_histogram(figure, histograms, number, along, options)

    count = len(histograms.coordinate)
    return Animation(tuple(map(frame, range(count))), width=_width(options))


def _draw_histogram(
    figure: Figure, histograms: OverlapHistograms, number: int, along: str, options: Options
) -> Drawn:
    with new_sheet(figure, options) as page:
        axes = page.lay_out(["histogram"])["histogram"]
        (colour,) = page.colours([1.0])
        axes.stairs(histograms.share[number], histograms.edges, fill=True, color=colour)
        mean = float(histograms.mean[number])
        if math.isfinite(mean):
            axes.axvline(mean, color=FIT_COLOUR, linewidth=0.9, linestyle="--")
        name = page.labels.observable("overlap", OVERLAP_LABEL)
        ends = (histograms.edges[0], histograms.edges[-1])
        axes.set(xlabel=name, ylabel="fraction of replicas", xlim=ends, ylim=(0.0, 1.0))
        symbol = "t" if along == "time" else page.labels.control_symbol(along)
        page.title(axes, f"${symbol or 'c'} = {histograms.coordinate[number]:g}$")
        return page.drawn()


# --- units and trajectories -------------------------------------------------------------


def animate_units(data: xr.Dataset, *, replica: int = 0, **options: Unpack[Options]) -> Animation:
    """Move the overlaps of the hidden units of one replica through time.

    Parameters
    ----------
    data : xarray.Dataset
        One cell of a dataset of a committee; see `plot_units`.
    replica : int
        Which replica.
    **options
        How to draw: see `physbatch.plots.Options`.

    Returns
    -------
    Animation
        A frame for each time.
    """
    count = len(unit_overlaps(data, "teacher", replica)[0])

    def frame(number: int) -> Callable[[Figure], Drawn]:
        at = data.isel(time=slice(number, number + 1))
        return lambda figure: plot_units(at, figure, replica=replica, **options)

    return Animation(tuple(map(frame, range(count))), width=_width(options))


def animate_flow(flow: Flow, **options: Unpack[Options]) -> Animation:
    """Move replicas along their trajectories in the plane of R and Q.

    Parameters
    ----------
    flow : Flow
        What `physbatch.theory.unit_flow` returned.
    **options
        How to draw: see `physbatch.plots.Options`.

    Returns
    -------
    Animation
        A frame for each time.
    """

    def frame(number: int) -> Callable[[Figure], Drawn]:
        r, q = (x[:, : number + 1] for x in (flow.teacher_overlap, flow.student_overlap))
        part = flow._replace(teacher_overlap=r, student_overlap=q)
        return lambda figure: plot_flow(part, figure, **options)

    count = flow.teacher_overlap.shape[1]
    return Animation(tuple(map(frame, range(count))), height=78.0, width=_width(options))


# --- a collapse -------------------------------------------------------------------------


def animate_collapse(
    result: Collapse, frames: int = _FRAMES, **options: Unpack[Options]
) -> Animation:
    """Move nu up and down about the fitted one: curves fall onto one another and part again.

    Parameters
    ----------
    result : Collapse
        A collapse in powers of the size; its first observable is drawn.
    frames : int
        How many.
    **options
        How to draw: see `physbatch.plots.Options`.

    Returns
    -------
    Animation
        The frames, from the fitted nu to 40 % above, 40 % below and back.

    Raises
    ------
    physbatch.errors.AnalysisError
        If the form has no nu, or the fit found none.
    """
    fitted = points_at(result, 1.0)[0]
    room = 0.05 * np.ptp(fitted.leading)
    low, high = fitted.leading.min() - room, fitted.leading.max() + room
    limits = (float(fitted.x.min()), float(fitted.x.max())), (float(low), float(high))

    def frame(number: int) -> Callable[[Figure], Drawn]:
        factor = 1.0 + _SPREAD * math.sin(2 * math.pi * number / frames)
        return lambda figure: _draw_collapse(figure, result, factor, limits, options)

    return Animation(tuple(map(frame, range(frames))), width=_width(options))


def _draw_collapse(
    figure: Figure,
    result: Collapse,
    factor: float,
    limits: tuple[tuple[float, float], tuple[float, float]],
    options: Options,
) -> Drawn:
    points = points_at(result, factor)[0]
    with new_sheet(figure, options) as page:
        axes = page.lay_out(["collapse"])["collapse"]
        styles = page.sizes(points.size, result.size_name)
        for size, style in styles.items():
            rows = points.size == size
            look = style | {"markersize": 3, "linewidth": 0.6}
            page.curve(axes, points.x[rows], points.leading[rows], **look)
        _label(page, axes, result, points.observable)
        axes.set(xlim=limits[0], ylim=limits[1])
        page.title(axes, rf"$\nu = {factor * drawn_nu(result):.3f}$")
        page.size_legend(styles)
        return page.drawn()


def _label(page: Sheet, axes: Axes, result: Collapse, observable: str) -> None:
    axes.set(xlabel=x_label(page.labels, result), ylabel=y_label(page.labels, result, observable))


def _width(options: Options) -> float:
    return page_width(options, SINGLE_COLUMN_MM, DOUBLE_COLUMN_MM)

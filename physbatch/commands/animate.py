"""Moving pictures on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from physbatch.commands.look import Look
from physbatch.commands.options import Output
from physbatch.commands.output import print_rest
from physbatch.errors import AnalysisError

if TYPE_CHECKING:
    import xarray as xr

    from physbatch.plots import Animation, Options

Kind = Literal["time", "control", "units", "flow"]


def animate_command(
    file: Path,
    *,
    output: Output,
    kind: Kind | None = None,
    size: float | None = None,
    control: float | None = None,
    frames: int = 48,
    pace: int = 12,
    look: Look = Look(),
) -> None:
    """Write a moving picture: a histogram, units, trajectories, or a collapse as nu varies.

    Parameters
    ----------
    file
        A dataset that `physbatch run` wrote, or the results of `physbatch collapse`.
    output
        The picture: .gif, or .mp4 where ffmpeg is installed; below 3 MB.
    kind
        Of a dataset: the histogram of the overlap through time (by default) or through the
        transition (control), overlaps of the units of a committee (units), or R and Q of one
        unit with the exact flow (flow).
    size
        Which size; by default the largest.
    control
        Which control (not for the transition); by default that nearest to where half succeed.
    frames
        At most so many frames.
    pace
        Frames per second.
    """
    from physbatch.files.netcdf import open_netcdf
    from physbatch.plots import save_animation
    from physbatch.results import holds_results, open_results

    if frames < 2 or not 1 <= pace <= 60:
        raise AnalysisError(
            f"{frames} frames at {pace} per second",
            where="--frames, --pace",
            remedy="take 2 frames or more, and a pace from 1 to 60",
        )
    content = open_netcdf(file)
    with look.taken():
        if holds_results(content):
            if (kind, size, control) != (None,) * 3:
                raise AnalysisError(
                    "results of a collapse have one moving picture",
                    where=str(file),
                    remedy="leave --kind, --size and --control out",
                )
            moving = _of_collapse(open_results(file), file, frames, look.options)
        else:
            cell = _cell(content, file, kind or "time", size, control)
            moving = _of_cell(cell, kind or "time", frames, look.options)
        print_rest(figures=[save_animation(moving, output, frames_per_second=pace)])


def _of_collapse(result: object, file: Path, frames: int, options: Options) -> Animation:
    from physbatch.plots import animate_collapse
    from physbatch.scaling import Collapse

    if not isinstance(result, Collapse) or not result.points:
        raise AnalysisError(
            f"no moving picture of {type(result).__name__}",
            where=str(file),
            remedy="give a dataset, or the results of `physbatch collapse`",
        )
    return animate_collapse(result, frames, **options)


def _cell(
    content: xr.Dataset, file: Path, kind: Kind, size: float | None, control: float | None
) -> xr.Dataset:
    """One size of a dataset, and one control or (for the transition) the last time."""
    from physbatch.commands.figures import place, where_half_succeed
    from physbatch.dataset import validate

    data = validate(content, where=str(file))
    sizes = data["size"].values.tolist()
    row = place("size", sizes, sizes[-1] if size is None else size)
    cell = data.isel(size=slice(row, row + 1))
    name = str(data.attrs["control_dim"])
    if kind == "control":
        return cell.isel(time=slice(-1, None))
    controls = data[name].values.tolist()
    at = control
    if at is None:
        at = controls[0] if len(controls) == 1 else where_half_succeed(cell.isel(size=0), name)
    column = place("control", controls, at)
    return cell.isel({name: slice(column, column + 1)})


def _of_cell(cell: xr.Dataset, kind: Kind, frames: int, options: Options) -> Animation:
    from physbatch.plots import animate_flow, animate_histograms, animate_units
    from physbatch.theory import unit_flow

    dim = str(cell.attrs["control_dim"]) if kind == "control" else "time"
    step = -(-cell.sizes[dim] // frames)
    if kind == "flow":
        flow = unit_flow(cell)
        r, q = (x[:, ::step] for x in (flow.teacher_overlap, flow.student_overlap))
        return animate_flow(flow._replace(teacher_overlap=r, student_overlap=q), **options)
    part = cell.isel({dim: slice(None, None, step)})
    if kind == "units":
        return animate_units(part, **options)
    return animate_histograms(part, **options)

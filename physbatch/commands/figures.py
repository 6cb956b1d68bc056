"""Figures of datasets and results on the command line."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from physbatch.commands.look import Look
from physbatch.commands.options import Output
from physbatch.commands.output import print_rest, save_pictures
from physbatch.errors import AnalysisError, DatasetError
from physbatch.results.flags import NOT_EXPONENTIAL

if TYPE_CHECKING:
    import xarray as xr

    from physbatch.plots import Drawn, Options
    from physbatch.scaling.transition.result import Analysis
    from physbatch.theory import Comparison


Kind = Literal[
    "overview", "overlap", "success", "histograms", "drift", "extrapolation", "jump",
    "evolution", "time-series", "order", "phase-diagram", "plane", "units", "flow",
]  # fmt: skip
#: Figures that need single replicas, which results do not hold.
_OF_DATASETS = ("evolution", "time-series", "order", "phase-diagram", "plane", "units", "flow")
#: What can be chosen besides the kind; all others take a run time alone.
_CHOICES = {
    "histograms": ("size", "time"),
    "evolution": ("size", "control", "time"),
    "time-series": ("size", "control"),
    "phase-diagram": ("size",),
    "plane": ("size", "control"),
    "units": ("size", "control"),
    "flow": ("size", "control"),
}
_Name = Annotated[str | None, Parameter(help="For plane: a swept parameter, as learning_rate.")]


@Parameter(name="*")
@dataclass(frozen=True)
class Axes:
    """The axes of the plane of two swept parameters; by default the control and the other one."""

    x: _Name = None
    y: _Name = None


@Parameter(name="*")
@dataclass(frozen=True)
class Beside(Look):
    """How a figure looks, and whether theory stands beside the data."""

    theory: Annotated[
        bool,
        Parameter(
            negative=(),
            help="Draw what theory says for the study of a dataset beside what was measured: "
            "curves and residuals of the overlap, or thresholds, with the fraction that learns.",
        ),
    ] = False


def figure(
    file: Path,
    *,
    output: Output,
    kind: Kind | None = None,
    size: float | None = None,
    control: float | None = None,
    time: float | None = None,
    axes: Axes = Axes(),
    look: Beside = Beside(),
) -> None:
    """Draw the figures of some results, or one kind of figure, as PDF and PNG.

    Parameters
    ----------
    file
        A dataset that `physbatch run` wrote, or results of `physbatch analyse`, `collapse` or
        `order`.
    output
        The figure; both suffixes .pdf and .png are written, for x.svg that file alone. Those
        of a collapse besides its first go to OUTPUT-windows and OUTPUT-corner.
    kind
        Which figure of a dataset or its analysis; by default the overview. evolution,
        time-series, order, phase-diagram, plane (overlap and success over two swept parameters),
        units (overlaps of hidden units through time) and flow (R and Q of one unit, with the
        exact equations) need the dataset.
    size
        For histograms, evolution, time-series, phase-diagram, units and flow: which size; by
        default the largest. For plane: the one that is kept.
    control
        For time-series, evolution, units and flow: which control, by default (but for evolution)
        that nearest to where half succeed. Without it evolution is drawn against the control.
    time
        Run time at which to analyse a dataset, or (evolution) a time at which it was measured;
        by default the last one.
    """
    from physbatch.files.netcdf import open_netcdf
    from physbatch.plots import save_figure
    from physbatch.results import holds_results, kind_of, open_results

    content = open_netcdf(file)
    if look.theory:
        if (kind, size, control) != (None,) * 3 or holds_results(content):
            raise AnalysisError(
                "theory is compared with all of a dataset",
                where=str(file),
                remedy="give the dataset, without --kind, --size and --control",
            )
        print_rest(figures=save_pictures(_with_theory(content, file, time), output, look))
        return
    other_results = holds_results(content) and kind_of(content) != "analysis"
    if other_results and (kind, size, control, time) != (None,) * 4:
        raise AnalysisError(
            "these results have one kind of figure",
            where=str(file),
            remedy="leave --kind, --size, --control and --time out",
        )
    _check_choices(kind or "overview", {"size": size, "control": control, "time": time})
    if other_results:
        written = save_pictures(open_results(file), output, look)
    else:
        choice = _Choice(kind or "overview", size, control, time, axes, look.options)
        with look.taken([*map(str, content.variables), str(content.attrs.get("observable", ""))]):
            written = list(save_figure(_of_dataset(content, file, choice), output, look.formats))
    print_rest(figures=written)


@dataclass(frozen=True)
class _Choice:
    """Which figure of a dataset, and how it is drawn."""

    kind: Kind
    size: float | None
    control: float | None
    time: float | None
    axes: Axes
    options: "Options"


def _check_choices(kind: Kind, given: dict[str, float | None]) -> None:
    """Refuse an option that would change nothing."""
    allowed = _CHOICES.get(kind, ("time",))
    idle = [name for name, value in given.items() if value is not None and name not in allowed]
    if idle:
        raise AnalysisError(
            f"--{idle[0]} means nothing for this figure",
            where=f"--kind {kind}",
            remedy=f"it takes {' and '.join(f'--{name}' for name in allowed)}",
        )
    if kind == "evolution" and None not in (given["control"], given["time"]):
        raise AnalysisError(
            "--control draws histograms of all times, --time those of all controls",
            where="--kind evolution",
            remedy="give one of them",
        )


def _with_theory(content: "xr.Dataset", file: Path, time: float | None) -> "Comparison":
    """A dataset at one of its times, and what theory says."""
    from physbatch.dataset import validate
    from physbatch.theory import compare

    data = validate(content, where=str(file))
    times = data["time"].values.tolist()
    at = len(times) - 1 if time is None else place("time", times, time)
    return compare(data.isel(time=slice(at, at + 1)))


# --- datasets and analyses --------------------------------------------------------------


def _of_dataset(content: "xr.Dataset", file: Path, choice: _Choice) -> "Drawn":
    from physbatch.dataset import validate
    from physbatch.results import holds_results, open_results
    from physbatch.scaling import Analysis, analyse

    if holds_results(content):
        if choice.kind in _OF_DATASETS or choice.time is not None:
            raise DatasetError(
                f"{'--time' if choice.time is not None else choice.kind} needs single replicas",
                where=str(file),
                remedy="give the dataset that `physbatch run` wrote",
            )
        analysis = open_results(file)
        assert isinstance(analysis, Analysis)
        return _of_analysis(analysis, choice)
    data = validate(content, where=str(file))
    if choice.kind not in _OF_DATASETS:
        return _of_analysis(analyse(data, time=choice.time), choice)
    return _of_replicas(data, choice)


def _of_analysis(analysis: "Analysis", choice: _Choice) -> "Drawn":
    from physbatch import plots

    if choice.kind == "histograms":
        known = [jump.size for jump in analysis.jumps]
        if choice.size is not None and choice.size not in known:
            raise _not_there("size", choice.size, known)
        return plots.plot_histograms(analysis, size=choice.size, **choice.options)
    if choice.kind == "jump":
        return plots.plot_extrapolation(analysis, quantity="jump", **choice.options)
    draw: dict[str, Callable[..., Drawn]] = {
        "overview": plots.plot_overview,
        "overlap": plots.plot_overlap,
        "success": plots.plot_success,
        "drift": plots.plot_drift,
        "extrapolation": plots.plot_extrapolation,
    }
    return draw[choice.kind](analysis, **choice.options)


def _of_replicas(data: "xr.Dataset", choice: _Choice) -> "Drawn":
    from physbatch import plots
    from physbatch.noise.stability import stable_range
    from physbatch.scaling import transition_order
    from physbatch.theory import unit_flow

    kind, options = choice.kind, choice.options
    if kind == "order":
        return plots.plot_order(transition_order(data, time=choice.time), **options)
    if kind == "phase-diagram" and "learning_rate" not in data.dims:
        raise AnalysisError(
            "the data do not sweep the learning rate",
            where="--kind phase-diagram",
            remedy="give several values of grid.learning_rate in the study",
        )
    if kind == "plane":
        return _plane(data, choice)
    sizes = data["size"].values.tolist()
    row = place("size", sizes, sizes[-1] if choice.size is None else choice.size)
    if kind == "phase-diagram":
        thresholds = stable_range(data)
        return plots.plot_phase_diagram(data, thresholds, size=float(sizes[row]), **options)
    cell = data.isel(size=row)
    name = str(data.attrs["control_dim"])
    if kind == "evolution" and choice.control is None:
        last = data["time"].values.tolist()
        at = place("time", last, last[-1] if choice.time is None else choice.time)
        return plots.plot_evolution(cell.isel(time=at), **options)
    controls = cell[name].values.tolist()
    chosen = where_half_succeed(cell, name) if choice.control is None else choice.control
    cell = cell.isel({name: place("control", controls, chosen)})
    if kind == "evolution":
        return plots.plot_evolution(cell, **options)
    if kind == "units":
        return plots.plot_units(cell, **options)
    if kind == "flow":
        return plots.plot_flow(unit_flow(cell), **options)
    return _time_series(cell, options)


def _plane(data: "xr.Dataset", choice: _Choice) -> "Drawn":
    """Overlap and success over two parameters, at one size or control where these are not them."""
    from physbatch.plots import plot_plane
    from physbatch.scaling import parameter_plane

    x, y = choice.axes.x or "", choice.axes.y or ""
    name = str(data.attrs["control_dim"])
    more = [dim for dim, n in data["success"].sizes.items() if n > 1 and dim != "replica"]
    size = choice.size
    if size is None and "size" not in (x, y) and len(more) > 2:
        size = float(data["size"].values[-1])
    for dim, value in (("size", size), (name, choice.control)):
        if value is not None:
            at = place(dim, data[dim].values.tolist(), value)
            data = data.isel({dim: slice(at, at + 1)})
    return plot_plane(parameter_plane(data, x, y), **choice.options)


def _time_series(cell: "xr.Dataset", options: "Options") -> "Drawn":
    """Time series, with the law of learning times where it is one."""
    from physbatch.dataset import STATUS_MISSING
    from physbatch.plots import plot_time_series
    from physbatch.scaling.statistics.replica_overlaps import only_dims
    from physbatch.scaling.times.exponential import fit_escape_time
    from physbatch.scaling.times.passages import survival_curve

    watched = only_dims(cell, "replica", "time")
    watched = watched.isel(replica=watched["status"].values != STATUS_MISSING)
    ends = (watched["first_passage_lower"].values, watched["first_passage"].values)
    fit = fit_escape_time(*ends)
    law = None if NOT_EXPONENTIAL.among(fit.flags) else fit
    return plot_time_series(watched, survival_curve(*ends), law, **options)


def where_half_succeed(cell: "xr.Dataset", name: str) -> float:
    """The control at which the fraction of replicas that succeed is nearest to one half."""
    from physbatch.scaling.statistics.replica_overlaps import only_dims

    plane = only_dims(cell.isel(time=-1), "replica", name)
    succeeded = (plane["success"] == 1).transpose(name, "replica").values.mean(axis=1)
    return float(plane[name].values[abs(succeeded - 0.5).argmin()])


def place(name: str, values: list[float], wanted: float) -> int:
    """Where a value stands on its axis."""
    near = [at for at, value in enumerate(values) if math.isclose(value, wanted, rel_tol=1e-9)]
    if not near:
        raise _not_there(name, wanted, values)
    return near[0]


def _not_there(name: str, wanted: float, values: list[float]) -> AnalysisError:
    listed = ", ".join(f"{value:g}" for value in values[:12]) + (
        ", ..." if len(values) > 12 else ""
    )
    return AnalysisError(
        f"there is no {name} {wanted:g}", where=f"--{name}", remedy=f"choose one of {listed}"
    )

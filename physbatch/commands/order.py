"""The order of a transition on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from physbatch.commands.output import keep_others, print_json
from physbatch.errors import AnalysisError

if TYPE_CHECKING:
    from physbatch.scaling.order.result import TransitionOrder

__all__ = ["order"]

OptionalOutput = Annotated[Path | None, Parameter(name=["--output", "-o"])]
Json = Annotated[bool, Parameter(name="--json", negative=())]


def order(
    file: Path,
    *,
    size: str | None = None,
    control: str | None = None,
    observable: str | None = None,
    error: str | None = None,
    kind: Literal["order parameter", "binder"] = "order parameter",
    dimension: Literal["N", "L"] | None = None,
    space_dimension: float | None = None,
    time: float | None = None,
    resamples: int = 100,
    seed: int = 0,
    figure: Path | None = None,
    output: OptionalOutput = None,
    json_: Json = False,
) -> None:
    """Say whether a transition is first order, continuous, a crossover, or undecided.

    Parameters
    ----------
    file
        Samples of an order parameter: rows with the same size and control, or NetCDF. A
        dataset that `physbatch run` wrote is analysed with its times and starts.
    size
        Column of the sizes: a name, or a number that counts from 1.
    control
        Column of the control parameter.
    observable
        Column of the order parameter, which must be intensive.
    error
        Column of its standard error; a curve with errors shows no jump, so that only a
        crossover can be concluded.
    kind
        What a curve with errors is: an order parameter, or its Binder parameter.
    dimension
        Whether sizes are volumes (N) or linear sizes (L).
    space_dimension
        d in N = L^d; samples at linear sizes need it.
    time
        For datasets with a time: which one; by default the last.
    resamples
        Resamples of the bootstrap.
    seed
        Seed of the bootstrap.
    figure
        A figure to write; both suffixes .pdf and .png.
    output
        Where to write the result (NetCDF).
    json_
        Print one JSON object.
    """
    if output is not None:
        keep_others(output, "physbatch_record")
    result = _analysed(
        file,
        {"size": size, "control": control, "observable": observable, "error": error},
        kind=kind,
        dimension=dimension,
        space_dimension=space_dimension,
        time=time,
        resamples=resamples,
        seed=seed,
    )
    written: list[tuple[str, Path]] = []
    if output is not None:
        from physbatch.files.netcdf import save

        save(result.to_dataset(), output)
        written.append(("results", output))
    if figure is not None:
        from physbatch.plots import save_figure
        from physbatch.plots.scaling.order import plot_order
        from physbatch.plots.style import root_figure

        drawn = save_figure(root_figure(plot_order(result)[0]), figure)
        written += [("figure", path) for path in drawn]
    if json_:
        print_json(result.to_json())
        return
    print(result.report())
    for what, path in written:
        print(f"{what:<8} {path}")


def _analysed(
    file: Path,
    columns: dict[str, str | None],
    *,
    kind: Literal["order parameter", "binder"],
    dimension: Literal["N", "L"] | None,
    space_dimension: float | None,
    time: float | None,
    resamples: int,
    seed: int,
) -> TransitionOrder:
    """The result from a dataset of the schema, or from any table."""
    from physbatch.files.netcdf import open_netcdf
    from physbatch.scaling.order.classification import transition_order
    from physbatch.tables.read import read_table
    from physbatch.tables.text import is_netcdf

    shared: dict[str, Any] = {
        "space_dimension": space_dimension,
        "resamples": resamples,
        "seed": seed,
    }
    if is_netcdf(file):
        data = open_netcdf(file)
        if "physbatch_schema" in data.attrs:
            if columns["error"] is not None:
                raise AnalysisError(
                    "a dataset of replicas has no column of errors", where="--error"
                )
            return transition_order(data, columns["observable"], time=time, **shared)
    table = read_table(
        file,
        **columns,
        dimension=dimension,
        time=time,
        minimum_sizes=1,
        minimum_points=1,
    )
    return transition_order(
        table, columns["observable"] and table.observables[0], kind=kind, **shared
    )

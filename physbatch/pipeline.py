"""From the name of a study to its dataset, results, figure and report in one folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from physbatch.errors import AnalysisError

if TYPE_CHECKING:
    import xarray as xr

    from physbatch.scaling import Analysis, TransitionOrder
    from physbatch.study import Study
    from physbatch.sweep.display import ProgressDisplay


class Quick(NamedTuple):
    """What `quick` made.

    Attributes
    ----------
    study : Study
        The study that was simulated.
    data : xarray.Dataset
        Its dataset.
    results : Analysis or None
        What `analyse` says of it; None where it cannot say anything.
    reason : str
        Why not.
    files : dict of str to list of pathlib.Path
        What was written: study, dataset, results, figure, report.
    """

    study: Study
    data: xr.Dataset
    results: Analysis | None
    reason: str
    files: dict[str, list[Path]]

    def __str__(self) -> str:
        said = f"no results: {self.reason}" if self.results is None else self.results.headline()
        listed = [f"{kind:<8} {path}" for kind, paths in self.files.items() for path in paths]
        return "\n".join([said, *listed])


def quick(
    study: str | Study,
    folder: str | os.PathLike[str] | None = None,
    *,
    workers: int | None = None,
    progress: ProgressDisplay | None = None,
    **changes: Any,
) -> Quick:
    """Simulate a study, analyse it, draw it and report on it, all in one folder.

    Interrupted, the same call goes on from the cells that are done.

    Parameters
    ----------
    study : str or Study
        A name in the catalogue, or a study.
    folder : path-like, optional
        Where to write; by default a folder here with the name of the study in the catalogue.
    workers : int, optional
        Worker processes; by default one per core.
    progress : ProgressDisplay, optional
        Where to show progress.
    **changes
        Other values for fields of the grid and of the measurement of a study in the catalogue:
        ``size``, ``batch_size``, ``replicas``, ``duration`` ...

    Returns
    -------
    Quick
        The dataset, the results and what was written; print it.

    Raises
    ------
    physbatch.errors.StudyError
        If there is no such study or field, or a study has no folder.
    physbatch.errors.OutputError
        If the folder holds the dataset of another study, or cannot be written.
    physbatch.errors.InterruptedRun
        After Ctrl-C; finished cells are saved.

    Examples
    --------
    >>> import tempfile
    >>> import physbatch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = physbatch.quick("greedy-unit", folder, workers=1, replicas=8, duration=10)
    ...     [path.name for paths in made.files.values() for path in paths]
    ['study.toml', 'data.nc', 'results.nc', 'figure.pdf', 'figure.png', 'report.html']
    """
    from physbatch.dataset import open_dataset
    from physbatch.files import write_atomic
    from physbatch.sweep.run import run_study

    chosen = _chosen(study, changes)
    home = Path(_name(study) if folder is None else folder)
    run_study(chosen, home / "data.nc", workers=workers, progress=progress)
    data = open_dataset(home / "data.nc")  # as every later call sees it
    write_atomic(home / "study.toml", chosen.to_toml().encode())
    files = {"study": [home / "study.toml"], "dataset": [home / "data.nc"]}
    results, reason = _analysed(data)
    if results is not None:
        files |= _written(data, results, home)
    return Quick(chosen, data, results, reason, files)


def _chosen(study: str | Study, changes: dict[str, Any]) -> Study:
    from physbatch.errors import StudyError
    from physbatch.study import catalogue

    if isinstance(study, str):
        return catalogue.study(study, **changes)
    if changes:
        raise StudyError(
            f"{', '.join(changes)} of a study that is given",
            where="quick",
            remedy="give the name of one in the catalogue, or change the study itself",
        )
    return study


def _name(study: str | Study) -> str:
    from physbatch.errors import StudyError

    if not isinstance(study, str):
        raise StudyError("no folder", where="quick", remedy="say where to write the files")
    return study


def _analysed(data: xr.Dataset) -> tuple[Analysis | None, str]:
    """The results, or why there are none."""
    from physbatch.scaling import analyse

    try:
        return analyse(data), ""
    except AnalysisError as error:
        return None, str(error)


def _written(data: xr.Dataset, results: Analysis, home: Path) -> dict[str, list[Path]]:
    """Results, figure and report as files."""
    from physbatch.plots import draw, save_figure
    from physbatch.report import write_report

    paths = [home / "data.nc", results.save(home / "results.nc")]
    figures = save_figure(draw(results), home / "figure")
    order = order_or_reason(data, results)
    report = write_report(results, data, home / "report.html", paths, order=order)
    return {"results": paths[1:], "figure": list(figures), "report": [report]}


def order_or_reason(data: xr.Dataset, of: Analysis) -> TransitionOrder | str:
    """The order of the transition of an analysis, or why the data do not give it."""
    from physbatch.scaling import transition_order

    try:
        return transition_order(data, of.observable, control=of.control_name, time=of.time)
    except AnalysisError as error:
        return error.what

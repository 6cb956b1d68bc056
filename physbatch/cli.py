"""The command line: it parses, calls the library and prints.

Results go to stdout, logs and progress to stderr. Exit codes: 0 done, 1 a worker failed,
2 bad input, 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import cyclopts
from cyclopts import App, Parameter

import physbatch
from physbatch.commands.output import keep_other_text, keep_others, print_json
from physbatch.errors import DatasetError, PhysbatchError, StudyError

if TYPE_CHECKING:
    import xarray as xr

    from physbatch.scaling import Analysis
    from physbatch.study import Study

__all__ = ["app", "main"]

app = App(
    name="physbatch",
    help="Phase transitions in the mini-batch size: simulate, analyse, draw.",
    version=physbatch.__version__,
    version_flags=["--version"],
    help_format="plaintext",
    result_action="return_value",
)
study_app = App(name="study", help="Look at study files.", help_format="plaintext")
app.command(study_app)
# Analyses of any table of sizes, controls and observables: imported when they are used.
for _name, _home, _help in (
    ("import", "tables:import_", "Read a table of observables and write it as NetCDF."),
    ("export", "tables:export", "Write a table of observables as CSV."),
    ("moments", "moments:moments", "Moments of samples, with errors: Binder, susceptibility ..."),
    ("crossings", "crossings:crossings", "Where the curves of two sizes cross."),
    ("collapse", "collapse:collapse", "Critical point and exponents by data collapse."),
    ("exponents", "exponents:exponents", "Exponents from power laws in the size."),
):
    app.command(f"physbatch.commands.{_home}", name=_name, help=_help)

Output = Annotated[Path, Parameter(name=["--output", "-o"])]
Json = Annotated[bool, Parameter(name="--json", negative=())]


@app.command
def run(
    study: str,
    *,
    output: Output,
    workers: Annotated[int | None, Parameter(name=["--workers", "-w"])] = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> None:
    """Simulate a study and write its dataset; finished cells are never computed twice.

    Parameters
    ----------
    study
        A study file (TOML) or the name of a study in the catalogue.
    output
        The dataset to write (NetCDF). Finished cells are kept in OUTPUT.cells/.
    workers
        Worker processes; by default one per core.
    device
        Where to compute; the data are the same on every device.
    """
    from physbatch.progress import progress_display
    from physbatch.support import require_built
    from physbatch.sweep.run import run_study

    if workers is not None and workers < 1:
        raise StudyError(f"{workers} workers", where="--workers", remedy="give 1 or more")
    resolved = require_built(_load_study(study), where=study)
    run_study(resolved, output, workers=workers, device=device, progress=progress_display())
    print(f"dataset  {output}")


@app.command
def status(output: Path, *, json_: Json = False) -> None:
    """Say how far a run is.

    Parameters
    ----------
    output
        The dataset of the run, finished or not.
    json_
        Print one JSON object.
    """
    from physbatch.dataset import STATUS_MISSING
    from physbatch.support import require_built
    from physbatch.sweep.plan import Plan
    from physbatch.sweep.store import Store

    store = Store(output)
    study = require_built(store.study(), where=str(output))
    plan = Plan(study)
    done = len(store.finished(plan)) if store.folder.exists() else 0
    # Shards may be thrown away once everything is merged.
    merged = output.exists() and bool((_open(output)["status"] != STATUS_MISSING).all())
    done = len(plan) if merged else done
    if json_:
        print_json(
            {
                "study": study.title,
                "study_hash": study.hash(),
                "cells": len(plan),
                "done": done,
                "complete": merged,
                "damaged": store.damaged,
            }
        )
        return
    state = "complete" if merged else "unfinished"
    print(f"{study.title}\n{state}: {done} of {len(plan)} cells done")
    for line in store.damaged:
        print(f"will be computed again: {line}")
    if state == "unfinished":
        print(f"go on with: physbatch run STUDY -o {output}")


@app.command
def analyse(
    dataset: Path,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    time: float | None = None,
    json_: Json = False,
) -> None:
    """Find m_c with its error, its drift with run time, and the jump of the overlap.

    Parameters
    ----------
    dataset
        A dataset that `physbatch run` wrote.
    output
        Where to write the results (NetCDF).
    time
        Run time at which to analyse; by default the last one.
    json_
        Print one JSON object.
    """
    from physbatch.dataset import save

    if output is not None:
        keep_others(output, "physbatch_results")
    result = _analyse(_open(dataset), time)
    if output is not None:
        save(result.to_dataset(), output)
    if json_:
        print_json(result.to_json())
    else:
        print(result)
        if output is not None:
            print(f"results  {output}")


@app.command
def figure(results: Path, *, output: Output) -> None:
    """Draw the overview figure of some results, as PDF and PNG.

    Parameters
    ----------
    results
        Results that `physbatch analyse` wrote, or a dataset to analyse.
    output
        The figure; both suffixes .pdf and .png are written.
    """
    from physbatch.plots import plot_overview, save_figure

    for path in save_figure(plot_overview(_load_analysis(results)), output):
        print(f"figure   {path}")


@app.command
def report(*files: Path, output: Output) -> None:
    """Write one self-contained HTML page: answer, figures, tables, study, provenance.

    Parameters
    ----------
    files
        A dataset, and optionally the results of its analysis.
    output
        The page to write.
    """
    from physbatch.report import write_report

    keep_other_text(output, "<!doctype html")
    data, results = _sort_files(files)
    write_report(results, data, output, files=[str(path) for path in files])
    print(results.headline())
    for path in files:
        print(f"data     {path}")
    print(f"report   {output}")


@app.command
def catalogue(*, json_: Json = False) -> None:
    """List the named studies, one line each; `physbatch run NAME -o OUT.nc` runs one.

    Parameters
    ----------
    json_
        Print one JSON object.
    """
    from physbatch import catalogue as studies

    titles = {name: studies.study(name).title for name in studies.names()}
    if json_:
        print_json(titles)
        return
    width = max(map(len, titles))
    for name, title in titles.items():
        print(f"{name:{width}}  {title}")


@study_app.command
def check(file: str, *, json_: Json = False) -> None:
    """Print the resolved study, its number of cells, and the memory and time it needs.

    Parameters
    ----------
    file
        A study file (TOML) or the name of a study in the catalogue.
    json_
        Print one JSON object.
    """
    from physbatch.support import require_built
    from physbatch.sweep.plan import Plan, estimate
    from physbatch.sweep.run import default_workers

    study = require_built(_load_study(file), where=file)
    cost = estimate(Plan(study))
    if json_:
        print_json(
            {
                "study": study.model_dump(mode="json"),
                "study_hash": study.hash(),
                "cells": cost.cells,
                "core_seconds": cost.core_seconds,
                "dataset_bytes": cost.dataset_bytes,
                "worker_bytes": cost.worker_bytes,
            }
        )
        return
    workers = default_workers()
    print(study.to_toml())
    print(f"# study hash   {study.hash()}")
    print(f"# cells        {cost.cells}")
    print(
        f"# time         about {_duration(cost.core_seconds / workers)} on {workers} cores if no "
        "student learns early"
    )
    print(
        f"# memory       {_megabytes(cost.dataset_bytes)} for the dataset, "
        f"{_megabytes(cost.worker_bytes)} for the replicas of each worker"
    )


# --- helpers ----------------------------------------------------------------------------


def _load_study(name: str) -> Study:
    """A study from a file, or from the catalogue by name."""
    from physbatch import catalogue as studies
    from physbatch.study import Study

    if Path(name).exists() or name not in studies.names():
        if not Path(name).exists() and not name.endswith(".toml"):
            raise StudyError(
                f"no study file and no study in the catalogue is named {name!r}",
                where="study",
                remedy="see `physbatch catalogue`",
            )
        return Study.from_toml(name)
    return studies.study(name)


def _open(path: Path) -> xr.Dataset:
    from physbatch.dataset import open_dataset

    return open_dataset(path)


def _analyse(data: xr.Dataset, time: float | None = None) -> Analysis:
    from physbatch.scaling import analyse as analyse_dataset

    return analyse_dataset(data, time=time)


def _load_analysis(path: Path) -> Analysis:
    """Results from a results file, or made from a dataset."""
    from physbatch.dataset import open_netcdf, validate
    from physbatch.scaling import Analysis

    content = open_netcdf(path)
    if "physbatch_results" in content.attrs:
        return Analysis.from_dataset(content)
    return _analyse(validate(content, where=str(path)))


def _sort_files(files: Sequence[Path]) -> tuple[xr.Dataset, Analysis]:
    """The dataset among some files, and the results, made now if there are none."""
    from physbatch.dataset import open_netcdf, validate
    from physbatch.scaling import Analysis

    data: xr.Dataset | None = None
    results: Analysis | None = None
    for path in files:
        content = open_netcdf(path)
        if "physbatch_results" in content.attrs:
            results = Analysis.from_dataset(content)
        else:
            data = validate(content, where=str(path))
    if data is None:
        raise DatasetError(
            "no dataset among the files", where="report", remedy="give DATASET.nc [RESULTS.nc]"
        )
    if results is None:
        results = _analyse(data)
    elif results.study_hash != data.attrs.get("study_hash"):
        raise DatasetError(
            "the results belong to another study than the dataset",
            where="report",
            remedy="run `physbatch analyse` on this dataset",
        )
    return data, results


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.3g} MB"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after ``physbatch``; by default those of the process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app(words, exit_on_error=False, print_error=False)
    except cyclopts.CycloptsError as error:
        _complain(" ".join(str(error).split()))
        return 2
    except PhysbatchError as error:
        _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _complain("interrupted")
        return 130
    except BrokenPipeError:
        # The reader of our output has gone: there is nobody to tell.
        sys.stderr.close()
        return 0
    except MemoryError:
        _complain("out of memory; use fewer sizes, replicas or measuring times")
        return 2
    return 0


def _complain(message: str) -> None:
    print(f"physbatch: {message}", file=sys.stderr)


def script() -> None:
    """Entry point of the ``physbatch`` command."""
    sys.exit(main())

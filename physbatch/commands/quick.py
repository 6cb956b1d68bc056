"""A study from its name to a report, on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from physbatch.commands.options import Code, Settings, Workers
from physbatch.commands.studies import check_workers, load_study


def quick_command(
    study: str,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    workers: Workers = None,
    set_: Settings = None,
    code: Code = Code(),
) -> int:
    """Simulate a study, analyse it, draw it and report on it, all in one folder.

    Interrupted, the same command goes on from the cells that are done. Exit codes are those of
    run, and 3 if the dataset was written but nothing can be said of it.

    Parameters
    ----------
    study
        The name of a study in the catalogue, or a study file (TOML).
    output
        The folder; by default one here with the name of the study.
    """
    from physbatch.engines.registry import require_built
    from physbatch.pipeline import quick
    from physbatch.progress import progress_display

    check_workers(workers)
    resolved = require_built(code.permitted(load_study(study, set_), study), where=study)
    folder = Path(Path(study).stem) if output is None else output
    made = quick(resolved, folder, workers=workers, progress=progress_display())
    print(made)
    return 0 if made.results is not None else 3

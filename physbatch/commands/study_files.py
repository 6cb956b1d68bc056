"""Study files on the command line: to look at one, and to begin one."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from physbatch.commands.options import Code, Json, Settings
from physbatch.commands.output import print_json, span
from physbatch.commands.studies import load_study
from physbatch.errors import OutputError, StudyError

if TYPE_CHECKING:
    from physbatch.study.model import Study
    from physbatch.sweep.plan import Plan


def check(file: str, *, set_: Settings = None, json_: Json = False, code: Code = Code()) -> None:
    """Print the resolved study, its number of cells, and the memory and time it needs.

    Parameters
    ----------
    file
        A study file (TOML) or the name of a study in the catalogue.
    """
    from physbatch.engines.registry import engine_for, require_built
    from physbatch.sweep.plan import Plan
    from physbatch.sweep.run import default_workers

    study = require_built(code.moved(load_study(file, set_)), where=file)
    plan = Plan(study, engine_for(study))
    known = code.may_run(study)  # what a task costs is known by running its code alone
    if json_:
        print_json(
            {
                "study": study.model_dump(mode="json"),
                "study_hash": study.hash(),
                "cells": len(plan.cells),
                "core_seconds": plan.core_seconds if known else None,
                "dataset_bytes": plan.dataset_bytes,
                "worker_bytes": plan.most_bytes if known else None,
                "end_state_bytes": plan.end_state_bytes if known else None,
                "notes": _notes(study),
            }
        )
        return
    workers = default_workers()
    print(study.to_toml())
    print(f"# study hash   {study.hash()}")
    print(f"# cells        {len(plan.cells)}")
    for note in _notes(study):
        print(f"# note         {note}")
    if not known:
        print("# time, memory  --allow-code runs the code of the task to estimate them")
        return
    print(
        f"# time         about {span(plan.core_seconds / workers)} on {workers} cores if no "
        "student learns early"
    )
    print(
        f"# memory       {_megabytes(plan.dataset_bytes)} for the dataset, "
        f"{_megabytes(plan.most_bytes)} for the replicas of each worker"
    )
    print(f"# end states   {_about_end_states(plan)}")


def _about_end_states(plan: Plan) -> str:
    """Whether a raised duration goes on, and what that costs."""
    size = plan.end_state_bytes
    if not size:
        return "none are kept; a raised duration starts anew"
    return (
        f"at most {_megabytes(size)} in the cells folder, compressed to less; a raised duration "
        "goes on from them"
    )


def _notes(study: Study) -> list[str]:
    """What is easily overlooked."""
    sizes = sorted(
        {
            float(f"{ratio * size:.12g}")
            for size in study.grid.size
            for ratio in study.grid.batch_ratio or ()
            if study.grid.has(size, ratio)
        }
        | set(study.grid.batch_size or ())
    )
    fractional = [m for m in sizes if m != int(m)]
    if not fractional or getattr(study.dynamics, "rounding", "random") == "alternating":
        return []
    return [
        f"m is not whole at {len(fractional)} of {len(sizes)} values, from {fractional[0]:g}: "
        "batches have floor(m) samples or one more; that number is noise common to all units"
    ]


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.3g} MB"


def init(file: Path) -> None:
    """Write a study to begin with, which explains each of its lines.

    Parameters
    ----------
    file
        The study file (TOML) to write; an existing one stays as it is.
    """
    from physbatch.files.atomic import write_atomic

    if file.suffix != ".toml":
        raise StudyError("no name of a study file", where=str(file), remedy="end it with .toml")
    if file.exists():
        raise OutputError("is there already", where=str(file), remedy="name a new file")
    text = (resources.files("physbatch.study") / "template.toml").read_text("utf-8")
    write_atomic(file, text.replace("THIS_FILE", str(file)).encode())
    print(f"study    {file}")
    print(f"look at it with: physbatch study check {file}")

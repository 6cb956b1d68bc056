"""Runs on the command line: run, status, merge, and the script of an array job."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from physbatch.commands.options import Code, Json, Output, Settings, Switch, Workers
from physbatch.commands.output import print_json, span
from physbatch.commands.studies import check_workers, load_study
from physbatch.errors import StudyError

if TYPE_CHECKING:
    from physbatch.sweep.cluster import Cluster
    from physbatch.sweep.lock import Part


@Parameter(name="*")
@dataclass(frozen=True)
class Limits:
    """How much of a study one run may do."""

    cells: Annotated[
        str | None,
        Parameter(
            help="I/N: compute only part I of N, for array jobs; then `physbatch merge OUTPUT`."
        ),
    ] = None
    time_limit: Annotated[
        str | None, Parameter(help="Save and stop after this time: 90s, 55m, 2h or 02:00:00.")
    ] = None
    memory: Annotated[
        str | None,
        Parameter(
            help="What all workers together may use: 500MB or 8GB; by default what is free. Fewer "
            "workers are started if not all of them fit."
        ),
    ] = None


@Parameter(name="*")
@dataclass(frozen=True)
class Workplace:
    """What computes: this machine's processor or GPU, or other machines."""

    device: Annotated[
        Literal["auto", "cpu", "cuda"],
        Parameter(
            help="Where to compute. Discrete weights give the same data on every device, "
            "continuous ones up to rounding."
        ),
    ] = "auto"
    scheduler: Annotated[
        str | None,
        Parameter(
            help="Address of a dask scheduler, tcp://host:8786 or tls://host:8786, whose workers "
            "compute."
        ),
    ] = None
    dask: Annotated[
        Literal["local"] | None,
        Parameter(help="local: dask workers on this machine, listening on 127.0.0.1 only."),
    ] = None
    slurm: Annotated[
        str | None,
        Parameter(
            help="partition=short,hours=2,jobs=10: dask workers in jobs of Slurm, which this "
            "command submits and replaces until it is done; also account, cpus and memory (GB) of "
            "each job, and the network interface that the nodes reach."
        ),
    ] = None
    tls_ca: Annotated[
        Path | None, Parameter(help="Certificate of the authority, for tls:// addresses.")
    ] = None
    tls_cert: Annotated[Path | None, Parameter(help="Own certificate.")] = None
    tls_key: Annotated[Path | None, Parameter(help="Key of the own certificate.")] = None


def run(
    study: str,
    *,
    output: Output,
    workers: Workers = None,
    set_: Settings = None,
    keep_old: Switch = False,
    limits: Limits = Limits(),
    workplace: Workplace = Workplace(),
    code: Code = Code(),
) -> None:
    """Simulate a study and write its dataset; finished cells are never computed twice.

    With a raised duration the cells go on from where they ended.

    Exit codes: 0 done, 1 cells failed, 2 bad input, 75 stopped by the time limit, SIGUSR1, SIGTERM
    or SIGHUP with everything saved (run the same command again), 130 interrupted.

    Parameters
    ----------
    study
        A study file (TOML) or the name of a study in the catalogue.
    output
        The dataset to write (NetCDF). Finished cells are kept in OUTPUT.cells/.
    keep_old
        Keep cells that another revision of the code made; by default they are computed again.
    """
    from physbatch.engines.registry import require_built
    from physbatch.progress import progress_display
    from physbatch.sweep.memory import parse_bytes
    from physbatch.sweep.run import run_part, run_study
    from physbatch.sweep.stopping import parse_duration

    check_workers(workers)
    part = None if limits.cells is None else _part(limits.cells)
    seconds = None if limits.time_limit is None else parse_duration(limits.time_limit)
    cluster = _cluster(workplace)
    resolved = require_built(code.permitted(load_study(study, set_), study), where=study)
    options: dict[str, Any] = {
        "workers": workers,
        "device": workplace.device,
        "progress": progress_display(),
        "time_limit": seconds,
        "memory": None if limits.memory is None else parse_bytes(limits.memory),
        "cluster": cluster,
        "keep_old": keep_old,
    }
    if part is None:
        run_study(resolved, output, **options)
        print(f"dataset  {output}")
        return
    count = run_part(resolved, output, part, **options)
    print(f"part     {part.number} of {part.total}: its {count} cells are done")
    print(f"when all parts are done: physbatch merge {output}")


def _part(text: str) -> Part:
    from physbatch.sweep.lock import Part

    match = re.fullmatch(r"(\d{1,7})/(\d{1,7})", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise StudyError(
            f"{text!r} is no part", where="--cells", remedy="give I/N with I from 1 to N"
        )
    return Part(int(match[1]), int(match[2]))


def _cluster(workplace: Workplace) -> Cluster | None:
    from physbatch.sweep.cluster import Cluster
    from physbatch.sweep.slurm import SlurmWorkers

    scheduler, dask, slurm = workplace.scheduler, workplace.dask, workplace.slurm
    tls = (workplace.tls_ca, workplace.tls_cert, workplace.tls_key)
    given = {"--scheduler": scheduler, "--dask": dask, "--slurm": slurm}
    chosen = [name for name, value in given.items() if value is not None]
    if len(chosen) > 1:
        raise StudyError(f"both {' and '.join(chosen)}", where="run", remedy="give one of them")
    if scheduler is not None and not re.fullmatch(r"(tcp|tls)://\S+:\d{1,5}", scheduler):
        raise StudyError(
            f"{scheduler!r} is no address",
            where="--scheduler",
            remedy="give tcp://host:8786 or tls://host:8786",
        )
    encrypted = scheduler is not None and scheduler.startswith("tls://")
    if any(tls) != all(tls) or (slurm is None and encrypted != any(tls)):
        raise StudyError(
            "a tls:// scheduler and certificates belong together",
            where="--scheduler",
            remedy="give tls://..., --tls-ca, --tls-cert and --tls-key",
        )
    for path in tls:
        if path is not None and not path.is_file():
            raise StudyError("no such file", where=str(path), remedy="check the path")
    if slurm is not None:
        return Cluster("slurm", *tls, SlurmWorkers.parse(slurm))
    address = scheduler or dask
    return None if address is None else Cluster(address, *tls)


def status(output: Path, *, json_: Json = False) -> None:
    """Say how far a run is: done, running, failed and left cells, and the time it needs.

    Parameters
    ----------
    output
        The dataset of the run, finished or not.
    """
    from physbatch.engines.registry import engine_for, require_built
    from physbatch.engines.task_code import runs_own_code
    from physbatch.sweep.plan import Plan
    from physbatch.sweep.status import run_status
    from physbatch.sweep.store import Store

    store = Store(output)
    study = require_built(store.study(), where=str(output))
    plan = Plan(study, engine_for(study))
    state = run_status(store, plan)
    if json_:
        failed = [{"cell": cell, "reason": reason} for cell, reason in state.failed.items()]
        print_json(
            {
                "study": study.title,
                "study_hash": study.hash(),
                "cells": len(plan.cells),
                "done": state.done,
                "old": state.old,
                "running": state.running,
                "failed": failed,
                "left": len(plan.cells) - state.done,
                "seconds_left": state.seconds_left,
                "runs": [str(owner) for owner in state.owners],
                "complete": state.complete,
                "damaged": store.damaged,
            }
        )
        return
    word = "complete" if state.complete else "running" if state.owners else "unfinished"
    print(f"{study.title}\n{word}: {state.done} of {len(plan.cells)} cells done")
    for owner in state.owners:
        print(f"run by   {owner}")
    if state.running:
        print(f"running  {state.running} cells")
    if state.seconds_left is not None and not state.complete:
        print(f"left     about {span(state.seconds_left)} at the pace so far")
    for cell, reason in list(state.failed.items())[:10]:
        print(f"failed   {cell}: {reason}")
    if len(state.failed) > 10:
        print(f"failed   and {len(state.failed) - 10} more cells")
    if state.old:
        print(f"old      {state.old} cells that other code made; run --keep-old keeps them")
    for line in store.damaged:
        print(f"will be computed again: {line}")
    if word == "unfinished":
        allow = " --allow-code" if runs_own_code(study) else ""
        print(f"go on with: physbatch run STUDY -o {output}{allow}")


def merge(output: Path, *sources: Path, partial: bool = False, keep_old: Switch = False) -> None:
    """Write the dataset from the cells that the parts of an array job have computed.

    Parameters
    ----------
    output
        The dataset to write; its cells are in OUTPUT.cells/.
    sources
        Outputs of parts that ran where that folder is not shared: their cells are copied.
    partial
        Write the dataset even if cells are missing; they are marked so.
    keep_old
        Take cells that another revision of the code made where there are no others.
    """
    from physbatch.sweep.run import merge_study

    merge_study(output, sources, partial=partial, keep_old=keep_old)
    print(f"dataset  {output}")


def slurm(
    study: str,
    *,
    output: Output,
    jobs: int = 8,
    cpus: int = 1,
    time: str = "04:00:00",
    partition: str | None = None,
    account: str | None = None,
    allow_code: Switch = False,
) -> None:
    """Print an sbatch script that computes a study as an array job and goes on by itself.

    Parameters
    ----------
    study
        A study file (TOML) or the name of a study in the catalogue.
    output
        The dataset; its folder must be visible on all nodes.
    jobs
        Number of parts.
    cpus
        Cores of each part.
    time
        Time limit of each job; one that needs more is queued again and goes on.
    partition
        Partition of the cluster.
    account
        Account to charge.
    allow_code
        Let the jobs run the code of the task (system.task) that the study names.
    """
    from physbatch.engines.registry import require_built
    from physbatch.sweep.slurm import array_script

    require_built(Code(allow_code).permitted(load_study(study), study), where=study)
    script = array_script(
        study,
        output,
        jobs=jobs,
        cpus=cpus,
        time=time,
        partition=partition,
        account=account,
        allow_code=allow_code,
    )
    print(script, end="")

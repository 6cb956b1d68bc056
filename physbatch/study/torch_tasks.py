"""Studies of a model of one's own in torch: what they may hold, and what names their task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from physbatch.study.checks import check_batches, largest_batch
from physbatch.study.dynamics import SGD, Dynamics
from physbatch.study.grid import Grid
from physbatch.study.measurement import Measurement
from physbatch.study.system import System

#: Tasks of this package, which are no code of the user's.
SHIPPED = "physbatch.tasks."
#: What gradient descent of tasks alone offers.
_OF_TASKS = ("optimizer", "nesterov", "betas", "epsilon")


def split_task(task: str) -> tuple[str, str]:
    """File or module, and class, of a task.

    Examples
    --------
    >>> split_task("parity.py:SparseParity"), split_task("package.module:Name")
    (('parity.py', 'SparseParity'), ('package.module', 'Name'))
    """
    home, _, name = task.rpartition(":")
    return home, name


def task_at(task: str, folder: Path) -> str:
    """The task with its file in full: a path is relative to the folder of the study.

    Examples
    --------
    >>> task_at("physbatch.tasks:MLP", Path("/studies"))
    'physbatch.tasks:MLP'
    """
    home, name = split_task(task)
    return f"{(folder / home).resolve()}:{name}" if home.endswith(".py") else task


def placed(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The content of a study file with the file of its task in full."""
    system = content.get("system")
    if not isinstance(system, dict) or not isinstance(system.get("task"), str):
        return content
    return {**content, "system": {**system, "task": task_at(system["task"], folder)}}


def without_folder(content: dict[str, Any]) -> dict[str, Any]:
    """The content of a study without the folder of its task: a study may be moved."""
    task = content.get("system", {}).get("task")
    if task is None:
        return content
    home, name = split_task(task)
    return {**content, "system": {**content["system"], "task": f"{Path(home).name}:{name}"}}


def refuse_tasks_of_others(dynamics: Dynamics, measurement: Measurement) -> None:
    """ValueError if a study without a task asks for what tasks alone offer."""
    for name in ("replica_overlaps", "gradient_noise"):
        if getattr(measurement, name):
            raise ValueError(f"measurement.{name} is for a system of kind 'torch'")
    if not isinstance(dynamics, SGD):
        return
    named = [name for name in _OF_TASKS if getattr(dynamics, name) != _default(SGD, name)]
    if named:
        raise ValueError(f"dynamics.{named[0]} is for a system of kind 'torch'")


def check_task(system: System, dynamics: Dynamics, grid: Grid, measurement: Measurement) -> None:
    """ValueError if a study of a task makes no sense."""
    if not isinstance(dynamics, SGD) or dynamics.engine != "direct":
        raise ValueError("a system of kind 'torch' is learned by direct sgd")
    if dynamics.loss == "hinge":
        raise ValueError("dynamics.loss 'hinge' is not for a system of kind 'torch'; write loss")
    if grid.replicas_per_graph != 1:
        raise ValueError("grid.replicas_per_graph is not for a system of kind 'torch'")
    if grid.initial_overlap is not None:
        raise ValueError("grid.initial_overlap is not for a system of kind 'torch'")
    twice = sorted(set(system.options) & set(grid.options))
    if twice:
        raise ValueError(f"give option {twice[0]!r} in one place: system, or grid if it is swept")
    if system.pattern_count is not None and grid.pattern_count is not None:
        raise ValueError("give only one of system.pattern_count and grid.pattern_count")
    _check_optimizer(dynamics)
    _check_batches(system, dynamics, grid, measurement)


def _check_optimizer(dynamics: SGD) -> None:
    """What one optimizer has and another lacks."""
    if dynamics.optimizer != "sgd" and (dynamics.momentum or dynamics.nesterov):
        raise ValueError(f"momentum and nesterov are not for the optimizer {dynamics.optimizer!r}")
    if dynamics.nesterov and not dynamics.momentum:
        raise ValueError("nesterov needs a momentum above 0")
    if dynamics.optimizer == "sgd":
        for name in ("betas", "epsilon"):
            if getattr(dynamics, name) != _default(SGD, name):
                raise ValueError(f"{name} is for the optimizers adam and adamw")


def _check_batches(system: System, dynamics: SGD, grid: Grid, measurement: Measurement) -> None:
    """Batches have samples, and fit into the set that they are drawn from."""
    check_batches(grid)
    counts = grid.pattern_count or (() if system.pattern_count is None else (system.pattern_count,))
    if bool(counts) == (dynamics.sampling == "one-pass"):
        raise ValueError(
            "a finite set needs dynamics.sampling with-replacement, subsets or epochs, and these "
            "need a pattern_count"
        )
    if measurement.duration * measurement.sharpness_batches > 2**42:
        raise ValueError("measurement.duration times sharpness_batches is above 2^42")
    largest = largest_batch(dynamics, grid, measurement)
    if counts and dynamics.sampling != "with-replacement" and largest > min(counts):
        raise ValueError(
            f"a batch of {largest:g} distinct samples needs as many, but there are {min(counts)}; "
            "make batches smaller or the pattern count larger"
        )


def _default(model: type[SGD], name: str) -> Any:
    return model.model_fields[name].get_default(call_default_factory=True)

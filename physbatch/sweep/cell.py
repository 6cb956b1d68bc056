"""One cell: draw its systems, run an engine, and turn integers into observables."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

import physbatch
from physbatch.dataset import SCHEMA_VERSION, STATUS_OK, VARIABLES
from physbatch.dynamics.rules import CellRun, Trajectory, acceptance_table, batch_rule
from physbatch.errors import StudyError
from physbatch.streams.keys import stream_keys
from physbatch.study import Greedy
from physbatch.sweep.plan import Cell, Plan
from physbatch.systems.architecture import Architecture
from physbatch.systems.binary import BinarySystem, draw_system

__all__ = ["prepare", "run_cell", "shard_of", "warm_kernels"]

Arrays = dict[str, npt.NDArray[np.generic]]


@dataclass(frozen=True)
class Prepared:
    """A drawn system and its instructions, ready for an engine."""

    system: BinarySystem
    run: CellRun


def prepare(plan: Plan, cell: Cell) -> Prepared:
    """Draw the systems of a cell and translate its physics for an engine."""
    study = plan.study
    point = dict(cell.point)
    keys = stream_keys(plan.seeds, cell.identity)
    architecture = plan.architecture(cell)
    system = draw_system(
        architecture,
        plan.initial_overlap(point),
        keys,
        cell.first_replica,
        cell.replicas,
    )
    dynamics = study.dynamics
    if dynamics.kind == "sgd":  # require_built refuses it with the reason
        raise StudyError("dynamics 'sgd' has no discrete engine")
    ties = dynamics.ties if isinstance(dynamics, Greedy) else "reject"
    temperature = plan.temperature(point)
    run = CellRun(
        batch=batch_rule(cell.batch_size),
        acceptance=acceptance_table(ties=ties, temperature=temperature),
        refresh_each_proposal=dynamics.refresh == "proposal",
        absorbing=temperature is None and ties == "reject",
        times=np.array(plan.times, dtype=np.int64),
        duration=study.measurement.duration,
        test_samples=study.measurement.test_samples,
        dynamics_key=keys.dynamics,
        test_key=keys.test,
        first_replica=cell.first_replica,
    )
    return Prepared(system, run)


def run_cell(plan: Plan, cell: Cell, device: str = "cpu") -> Arrays:
    """Simulate one cell.

    On ``cpu`` the bit-sliced kernel runs, elsewhere the torch definition; both give the
    same integers.

    Returns
    -------
    dict of ndarray
        The schema's variables, shapes (replica, time) or (replica,).
    """
    prepared = prepare(plan, cell)
    if device == "cpu":
        from physbatch.dynamics.bitsliced import run_bitsliced

        trajectory = run_bitsliced(prepared.system, prepared.run)
    else:
        from physbatch.dynamics.definition import run_definition

        trajectory = run_definition(prepared.system, prepared.run, device)
    return _observables(prepared.system.architecture, prepared.run, trajectory)


def _observables(architecture: Architecture, run: CellRun, out: Trajectory) -> Arrays:
    """Ratios of the counted integers, and the interval of the first passage."""
    paths = architecture.outputs * architecture.paths_per_output
    passed = out.first_passage >= 0
    upper = np.where(passed, out.first_passage, np.inf)
    lower = np.where(passed, np.maximum(out.first_passage - 1, 0), run.duration)
    return {
        "overlap": out.path_sum / paths,
        "generalization_error": out.test_wrong / (run.test_samples * architecture.outputs),
        "batch_error": out.batch_wrong / out.batch_bits,
        "first_passage": upper,
        "first_passage_lower": lower.astype(np.float64),
        "success": (out.path_sum[:, -1] == paths).astype(np.int8),
        "status": np.full(len(passed), STATUS_OK, dtype=np.int8),
    }


def shard_of(plan: Plan, cells: Sequence[Cell], results: Sequence[Arrays]) -> xr.Dataset:
    """The cells of one shard as a dataset with dims cell, replica, time."""
    variables = {
        name: (
            ("cell", *spec.dims),
            np.stack([result[name] for result in results]).astype(spec.dtype),
            {"long_name": spec.long_name},
        )
        for name, spec in VARIABLES.items()
    }
    coordinates = {
        dim: ("cell", np.array([cell.coordinate(dim) for cell in cells])) for dim in plan.grid
    }
    first = cells[0].first_replica
    return xr.Dataset(
        variables,
        coords={
            **coordinates,
            "cell_key": ("cell", np.array([cell.key for cell in cells], dtype=np.str_)),
            "replica": np.arange(first, first + cells[0].replicas),
            "time": np.array(plan.times, dtype=np.int64),
        },
        attrs={
            "physbatch_shard": SCHEMA_VERSION,
            "source": f"physbatch {physbatch.__version__}",
            "study": plan.study.canonical_json(),
        },
    )


def warm_kernels(plan: Plan, cells: Sequence[Cell]) -> int:
    """Compile every kernel that these cells need, so that workers find them on disk.

    Returns the number of kernels.
    """
    from physbatch.dynamics.bitsliced import kernel_shape, run_bitsliced

    shapes: dict[tuple[int, ...], Cell] = {}
    for cell in cells:
        shape = kernel_shape(plan.architecture(cell), batch_rule(cell.batch_size))
        known = shapes.get(shape)
        if known is None or cell.size < known.size:
            shapes[shape] = cell
    for cell in shapes.values():
        prepared = prepare(plan, cell)
        one = BinarySystem(
            prepared.system.architecture,
            prepared.system.sources[:1],
            prepared.system.teacher[:1],
            prepared.system.student[:1],
        )
        nothing = CellRun(
            **{
                **prepared.run.__dict__,
                "duration": 0,
                "times": np.zeros(1, dtype=np.int64),
                "test_samples": 1,
            }
        )
        run_bitsliced(one, nothing)
    return len(shapes)


def limit_threads() -> None:
    """One thread per worker: parallelism is over cells, and idle threads would spin."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")

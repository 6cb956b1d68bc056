"""One cell: run its engine, and turn results into shards."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import xarray as xr

import physbatch
from physbatch.dataset import SCHEMA_VERSION
from physbatch.engines.checkpoint import Checkpoint
from physbatch.engines.protocol import Arrays
from physbatch.sweep.plan import Cell, Plan

__all__ = ["limit_threads", "run_cell", "shard_of"]


def run_cell(
    plan: Plan, cell: Cell, device: str = "cpu", checkpoint: Checkpoint | None = None
) -> Arrays:
    """Simulate one cell.

    Parameters
    ----------
    plan, cell
        What to simulate; nothing else changes the data.
    device : str
        Where.
    checkpoint : Checkpoint, optional
        Where the engine finds the state of an earlier run and offers its own.

    Returns
    -------
    dict of ndarray
        The engine's variables, shapes (replica, time, ...) or (replica,).

    Raises
    ------
    CellPaused
        If `checkpoint` stops the cell.
    """
    if checkpoint is None:
        return plan.engine.simulate(plan, cell, device)
    return plan.engine.simulate_resumably(plan, cell, device, checkpoint)


def shard_of(plan: Plan, cells: Sequence[Cell], results: Sequence[Arrays]) -> xr.Dataset:
    """The cells of one shard as a dataset with dims cell, replica, time."""
    variables = {
        name: (
            ("cell", *spec.dims),
            np.stack([result[name] for result in results]).astype(spec.dtype),
            {"long_name": spec.long_name},
        )
        for name, spec in plan.engine.variables(plan).items()
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


def limit_threads() -> None:
    """One thread per worker: parallelism is over cells, and idle threads would spin."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")

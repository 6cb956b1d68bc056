"""What a study costs before it is run: time on one core and memory."""

from __future__ import annotations

from dataclasses import dataclass

from physbatch.engines.protocol import point_bytes
from physbatch.sweep.plan import Plan

__all__ = ["Estimate", "estimate"]


@dataclass(frozen=True)
class Estimate:
    """What a study costs if no replica learns before the end."""

    cells: int
    core_seconds: float
    dataset_bytes: int
    worker_bytes: int


def estimate(plan: Plan) -> Estimate:
    """Number of cells, time on one core and memory of a study."""
    return Estimate(
        cells=len(plan),
        core_seconds=float(plan.costs(plan.cells.ordinals).sum()),
        dataset_bytes=len(plan) // plan.blocks * point_bytes(plan),
        worker_bytes=plan.most_bytes,
    )

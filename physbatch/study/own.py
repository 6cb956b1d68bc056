"""Studies of own code: the short form of their kind, and what they must not hold."""

from __future__ import annotations

from typing import Any

from physbatch.study.dynamics import Dynamics, OwnDynamics
from physbatch.study.grid import Grid
from physbatch.study.measurement import Measurement
from physbatch.study.system import System


def own_kind_in_full(content: Any) -> Any:
    """Write ``dynamics.kind = NAME`` of an own system as ``kind = "own"``, ``engine = NAME``.

    Examples
    --------
    >>> own_kind_in_full({"system": {"kind": "own"}, "dynamics": {"kind": "colouring"}})["dynamics"]
    {'engine': 'colouring', 'kind': 'own'}
    """
    system, dynamics = (
        content.get(part) if isinstance(content, dict) else None for part in ("system", "dynamics")
    )
    if not isinstance(system, dict) or system.get("kind") != "own":
        return content
    if not isinstance(dynamics, dict) or dynamics.get("kind") in (None, "own"):
        return content
    return {**content, "dynamics": {"engine": dynamics["kind"], **dynamics, "kind": "own"}}


def is_own(system: System, dynamics: Dynamics, grid: Grid, measurement: Measurement) -> bool:
    """Whether own code simulates a study; ValueError if only half of it says so."""
    ours = not isinstance(dynamics, OwnDynamics)
    if ours == (system.kind == "own"):
        raise ValueError("own dynamics and a system of kind 'own' belong together")
    if isinstance(dynamics, OwnDynamics):
        measured = measurement.sharpness or measurement.sharpness_batches
        if measurement.unit != "updates" or measured or measurement.gradient_noise:
            raise ValueError(
                "measurement.unit, sharpness, sharpness_batches and gradient_noise are not for "
                "dynamics of own code"
            )
        if grid.initial_overlap is not None:
            raise ValueError("grid.initial_overlap is not for own dynamics; use grid.options")
        _check_options([system.options, dynamics.options, grid.options])
    elif grid.options and system.kind != "torch":
        raise ValueError("grid.options are those of a system of kind 'own' or 'torch'")
    return not ours


def _check_options(places: list[dict[str, Any]]) -> None:
    """Each option stands in one place."""
    names = [name for options in places for name in options]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(
            f"give option {twice[0]!r} in one place: system, dynamics, or grid if it is swept"
        )

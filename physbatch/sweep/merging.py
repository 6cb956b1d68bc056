"""Merging: the cells of many shards become one labelled dataset."""

import datetime
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import xarray as xr

import physbatch
from physbatch.dataset import SCHEMA_VERSION, coordinate, variable_attributes
from physbatch.study.dynamics import SGD
from physbatch.study.model import Study, canonical_json
from physbatch.sweep.ends import words_for_begun
from physbatch.sweep.makers import Maker, attributes_of
from physbatch.sweep.plan import Plan
from physbatch.sweep.refining.decisions import Decision, decision_variables
from physbatch.typing import FloatArray

#: Rectangle of a grid, in numbers of values along each dimension and of replicas.
Slab = dict[str, slice]


def merge(plan: Plan, shards: Iterable[xr.Dataset], slab: Slab | None = None) -> xr.Dataset:
    """Place the cells of many shards into one labelled dataset, without coordinates.

    A pure function: neither the order of the shards nor how cells were grouped into them changes
    a bit of the result. Cells that no shard holds keep the fill values and ``status`` missing. Of
    a `slab` of the grid the shards hold no other cells.
    """
    grid, lengths, first_replica = plan.grid, plan.lengths, 0
    if slab is not None:
        grid = {dim: values[slab[dim]] for dim, values in grid.items()}
        first_replica = slab["replica"].start
        lengths = {**lengths, "replica": slab["replica"].stop - first_replica}
    shape = tuple(len(values) for values in grid.values())
    arrays = {
        name: np.full((*shape, *(lengths[dim] for dim in spec.dims)), spec.fill, dtype=spec.dtype)
        for name, spec in plan.variables.items()
    }
    numbers = {
        dim: {float(value): index for index, value in enumerate(values)}
        for dim, values in grid.items()
    }
    for shard in shards:
        index = tuple(
            np.array([numbers[dim][float(value)] for value in np.atleast_1d(shard[dim].values)])
            for dim in grid
        )
        first = int(shard["replica"].values[0]) - first_replica
        target: tuple[Any, ...] = (*index, slice(first, first + shard.sizes["replica"]))
        for name, spec in plan.variables.items():
            arrays[name][target] = shard[name].transpose("cell", *spec.dims).values
    units = plan.study.time_units
    return xr.Dataset(
        {
            name: ((*grid, *spec.dims), arrays[name], variable_attributes(name, spec, units))
            for name, spec in plan.variables.items()
        }
    )


def frame(
    plan: Plan,
    makers: Counter[Maker],
    begun: Counter[int],
    decisions: Sequence[Decision] = (),
) -> xr.Dataset:
    """Coordinates and attributes of the dataset of a plan, without the variables of its cells.

    `makers` and `begun` count its cells by who made them and by where they began; `decisions` of a
    refinement have chosen some of them.
    """
    attributes = _attributes(plan.study, makers)
    words = words_for_begun(begun, plan.study.time_units)
    if words:
        attributes["continued"] = words
    return xr.Dataset(decision_variables(decisions), _coordinates(plan), attributes)


def _coordinates(plan: Plan) -> dict[str, xr.Variable]:
    study = plan.study
    coordinates = {dim: coordinate(dim, dim, values) for dim, values in plan.grid.items()}
    replicas = np.arange(study.grid.replicas)
    coordinates["replica"] = coordinate("replica", "replica", replicas)
    shared = study.grid.replicas_per_graph
    if shared > 1:
        coordinates["graph"] = coordinate("graph", "replica", replicas // shared)
    times = np.array(plan.times, dtype=np.int64)
    coordinates["time"] = coordinate("time", "time", times, study.time_units)
    for dim, length in plan.lengths.items():
        if dim not in coordinates:
            coordinates[dim] = coordinate(dim, dim, np.arange(length))
    if study.time_units == "step":
        coordinates.update(_other_times(plan))
    if study.grid.control == "batch_ratio":
        dims = ("size", "batch_ratio")
        coordinates["batch_size"] = coordinate("batch_size", dims, plan.batch_sizes)
    return coordinates


def _other_times(plan: Plan) -> dict[str, xr.Variable]:
    """The time of gradient descent in samples, m times steps, and in steps over N."""
    times = np.array(plan.times, dtype=np.float64)
    alpha = times / np.array(plan.grid["size"], dtype=np.float64)[:, None]
    control = plan.study.grid.control
    dims, samples = ["size", control, "time"], plan.batch_sizes[:, :, None] * _batches(plan)
    if control == "batch_size":  # the same at every size
        dims, samples = dims[1:], samples[0]
    return {
        "samples": coordinate("samples", dims, samples),
        "alpha": coordinate("alpha", ("size", "time"), alpha),
    }


def _batches(plan: Plan) -> FloatArray:
    """Batches of the first size that the steps up to each time take."""
    times = np.array(plan.times, dtype=np.int64)
    dynamics = plan.study.dynamics
    if not isinstance(dynamics, SGD) or dynamics.batch_schedule.kind == "constant":
        return times.astype(np.float64)
    schedule = dynamics.batch_schedule
    changing = min(schedule.settled, int(times[-1]))
    batches = np.append(0.0, np.cumsum([schedule.factor(step) for step in range(changing)]))
    after = np.maximum(times - changing, 0) * schedule.factor(changing)
    return np.asarray(batches[np.minimum(times, changing)] + after)


def _attributes(study: Study, makers: Counter[Maker]) -> dict[str, str | int]:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {
        "Conventions": "CF-1.11",
        "title": study.title,
        "comment": study.description,
        "references": "; ".join(study.references),
        "history": f"{now} physbatch {physbatch.__version__}: merged from shards",
        "date_created": now,
        "physbatch_schema": SCHEMA_VERSION,
        "study": study.canonical_json(),
        "study_hash": study.hash(),
        "control_dim": study.grid.control,
        **({"paired": _disorder_hash(study)} if study.seed.paired else {}),
        **attributes_of(makers),
    }


def _disorder_hash(study: Study) -> str:
    """What two paired studies have in common if replica r has the same disorder in both."""
    system = study.system.model_dump(mode="json", exclude_defaults=True)
    seeds = {purpose: study.seed.of(purpose) for purpose in ("wiring", "teacher", "start")}
    text = canonical_json({"system": system, "seeds": seeds})
    return hashlib.sha256(text.encode()).hexdigest()[:16]

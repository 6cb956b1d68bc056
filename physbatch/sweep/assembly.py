"""The dataset of a study from its shards: in memory, or piece by piece if it is large.

A slab is a rectangle of grid points and replicas that fits into memory. Its cells are merged by
`physbatch.sweep.merging.merge`, as those of a small dataset are, and written to their place in
one compressed file; the values are the same, bit for bit.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from physbatch.dataset import STATUS_MISSING, open_dataset, validate, variable_attributes
from physbatch.errors import OutputError
from physbatch.files.netcdf import COMPRESSION, dump, encoding_of, save, save_piecewise
from physbatch.study.grid import REPLICAS_PER_CELL
from physbatch.sweep.ends import add_begun
from physbatch.sweep.makers import Maker
from physbatch.sweep.merging import Slab, frame, merge
from physbatch.sweep.plan import Plan
from physbatch.sweep.refining.decisions import read_decisions
from physbatch.sweep.status import survey
from physbatch.sweep.store import Part, Store, is_present
from physbatch.typing import IntArray

#: A dataset whose variables need more memory is merged and read piece by piece.
IN_MEMORY_BYTES = 256 * 2**20

#: Memory for the variables of a slab.
SLAB_BYTES = 64 * 2**20
#: Largest piece that is compressed by itself.
CHUNK_BYTES = 2**20


def write_dataset(store: Store, plan: Plan, *, partial: bool) -> xr.Dataset:
    """Merge the shards of a store and write its dataset, opened as by `open_whole`.

    OutputError if cells are missing and it may not be `partial`, or if it cannot be written.
    """
    if _is_large(plan):
        large = _LargeMerge(store, plan)
        _require_cells(store, plan, large.missing_points(), partial)
        large.save(store.output)
        return open_whole(store.output, plan)
    makers, begun = Counter[Maker](), Counter[int]()
    variables = merge(plan, _counted(store.parts(plan), makers, begun)).data_vars
    decisions = read_decisions(store.folder)
    merged = validate(frame(plan, makers, begun, decisions).assign(variables))
    lacking = (merged["status"] == STATUS_MISSING).any("replica")
    missing = int((lacking & is_present(merged, plan.study)).sum())
    _require_cells(store, plan, missing, partial)
    save(merged, store.output)
    return merged


def open_whole(path: Path, plan: Plan) -> xr.Dataset:
    """A dataset of a plan; the file of a large one stays open, and values are read on demand."""
    return open_dataset(path, load=not _is_large(plan))


def _is_large(plan: Plan) -> bool:
    return plan.dataset_bytes > IN_MEMORY_BYTES


def _counted(
    parts: Iterable[Part], makers: Counter[Maker], begun: Counter[int]
) -> Iterator[xr.Dataset]:
    """What is wanted of the parts, while their makers and beginnings are counted."""
    for part in parts:
        makers[Maker.of_shard(part.shard.attrs)] += len(part.rows)
        add_begun(begun, part.wanted)
        yield part.wanted


def _require_cells(store: Store, plan: Plan, missing: int, partial: bool) -> None:
    """Refuse to write a dataset that lacks cells, unless it may be `partial`."""
    if missing and not partial:
        damaged = f" ({store.damaged[0]})" if store.damaged else ""
        if survey(store, plan, verify=False).old.any():
            damaged += " (other code has made some: --keep-old takes them)"
        raise OutputError(
            f"cells are missing at {missing} of {plan.point_count} grid points{damaged}",
            where=str(store.output),
            remedy="compute them with `physbatch run`, or merge with --partial",
        )


class _LargeMerge:
    """The merge of a store, in pieces; damaged shards are noted in its `damaged`."""

    def __init__(self, store: Store, plan: Plan) -> None:
        self._store, self._plan = store, plan
        #: For each cell the number of a shard that holds it, or -1, and its row there.
        self._holder, self._row = np.full((2, len(plan)), -1, dtype=np.int32)
        self._names: list[str] = []
        self._makers, self._begun = Counter[Maker](), Counter[int]()
        for part in store.parts(plan):
            self._holder[part.ordinals] = len(self._names)
            self._row[part.ordinals] = part.rows
            self._names.append(part.name)
            self._makers[Maker.of_shard(part.shard.attrs)] += len(part.rows)
            add_begun(self._begun, part.wanted)

    def missing_points(self) -> int:
        """Number of grid points at which cells are missing."""
        lacking = (self._holder.reshape(-1, self._plan.blocks) < 0).any(axis=1)
        present = self._plan.present
        return int(lacking.sum() if present is None else (lacking & present).sum())

    def save(self, target: Path) -> None:
        """Write the dataset; OutputError if it cannot be, an existing file stays untouched."""
        decisions = read_decisions(self._store.folder)
        empty = frame(self._plan, self._makers, self._begun, decisions)
        slabs = list(_slabs(self._plan))

        def write(file: Any) -> None:
            dump(empty, file, encoding_of(empty))
            for name in self._plan.variables:
                _create(file, self._plan, name, slabs[0])
            for slab in slabs:
                part = merge(self._plan, self._shards(slab), slab)
                for name in self._plan.variables:
                    file[name][tuple(slab.values())] = part[name].values

        save_piecewise(target, write)

    def _shards(self, slab: Slab) -> Iterator[xr.Dataset]:
        """The cells of a slab, shard by shard."""
        wanted = self._ordinals(slab)
        for number in np.unique(self._holder[wanted]):
            if number < 0:
                continue
            shard = self._store.open_shard(self._names[number])
            yield shard.isel(cell=self._row[wanted[self._holder[wanted] == number]])

    def _ordinals(self, slab: Slab) -> IntArray:
        """Numbers of the cells of a slab."""
        plan, replicas = self._plan, slab["replica"]
        blocks = slice(replicas.start // REPLICAS_PER_CELL, -(-replicas.stop // REPLICAS_PER_CELL))
        shape = (*(len(values) for values in plan.grid.values()), plan.blocks)
        ranges = [slab[dim] for dim in plan.grid] + [blocks]
        numbers = np.ix_(*(np.arange(along.start, along.stop) for along in ranges))
        return np.asarray(np.ravel_multi_index(numbers, shape)).ravel()


def _slabs(plan: Plan) -> Iterator[Slab]:
    """Rectangles that cover the grid and the replicas, each as large as memory allows."""
    lengths = {
        **{dim: len(values) for dim, values in plan.grid.items()},
        "replica": plan.study.grid.replicas,
    }
    # From the last dimension on: what is contiguous in the file stays together.
    extents = dict.fromkeys(lengths, 1)
    room = max(1, SLAB_BYTES * plan.study.grid.replicas // max(plan.point_bytes, 1))
    extents["replica"] = lengths["replica"]
    if room < lengths["replica"]:
        extents["replica"] = max(room // REPLICAS_PER_CELL, 1) * REPLICAS_PER_CELL
    else:
        room //= lengths["replica"]
        for dim in reversed(plan.grid):
            extents[dim] = min(lengths[dim], max(room, 1))
            room //= extents[dim]
    dims = list(lengths)
    counts = [-(-lengths[dim] // extents[dim]) for dim in dims]
    for numbers in np.ndindex(*counts):
        yield {
            dim: slice(number * extents[dim], min((number + 1) * extents[dim], lengths[dim]))
            for dim, number in zip(dims, numbers, strict=True)
        }


def _create(file: Any, plan: Plan, name: str, slab: Slab) -> None:
    """Define a variable whose chunks do not cross the borders of slabs."""
    spec = plan.variables[name]
    dims = (*plan.grid, *spec.dims)
    extents = [
        slab[dim].stop - slab[dim].start if dim in slab else plan.lengths[dim] for dim in dims
    ]
    dtype = np.dtype(spec.dtype)
    attributes = variable_attributes(name, spec, plan.study.time_units)
    missing = attributes.pop("_FillValue", None)
    variable = file.createVariable(
        name,
        dtype,
        dims,
        **COMPRESSION,
        chunksizes=_chunks(extents, dtype.itemsize),
        chunk_cache=4 * CHUNK_BYTES,
        fill_value=np.nan if dtype.kind == "f" else missing,
    )
    variable.set_auto_maskandscale(False)
    variable.setncatts(attributes)


def _chunks(extents: Sequence[int], itemsize: int) -> list[int]:
    """Divisors of the extents whose product has at most `CHUNK_BYTES`."""
    chunks = list(extents)
    for number, extent in enumerate(extents):
        rest = itemsize * math.prod(chunks[number + 1 :])
        most = min(max(1, CHUNK_BYTES // rest), extent)
        chunks[number] = max(size for size in range(1, most + 1) if extent % size == 0)
    return chunks

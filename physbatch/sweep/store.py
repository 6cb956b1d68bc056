"""The store: immutable shards in ``OUT.nc.cells/``, merged into ``OUT.nc``.

A shard is written whole or not at all and is never edited. What belongs to a study is
decided by the keys of its cells, so shards of other studies in the same folder do no harm.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

import physbatch
from physbatch import dataset
from physbatch.dataset import SCHEMA_VERSION
from physbatch.engines.point import GridPoint
from physbatch.engines.protocol import Arrays
from physbatch.errors import DatasetError, FileBusyError, OutputError, StudyError
from physbatch.files.atomic import read_regular, write_atomic
from physbatch.files.checksums import stated_digest, without_checksum
from physbatch.files.netcdf import open_netcdf, to_bytes
from physbatch.study.comparison import extends
from physbatch.study.measurement import goes_on
from physbatch.study.model import Study
from physbatch.sweep.ends import EndState, end_variables, state_keys
from physbatch.sweep.index import SHARD_NAME, ShardNote
from physbatch.sweep.makers import here
from physbatch.sweep.plan import Plan
from physbatch.typing import IntArray


class Store:
    """Shards of one output.

    Parameters
    ----------
    output : Path
        The merged dataset ``OUT.nc``; shards live in ``OUT.nc.cells/`` beside it.
    keep_old : bool
        Whether cells that another revision of the code made count as cells.

    Raises
    ------
    OutputError
        If the output has no name.
    """

    def __init__(self, output: Path, *, keep_old: bool = False) -> None:
        if not output.name:  # "." or "/"
            raise OutputError("is a folder", where=str(output), remedy="name a file")
        self.output, self.keep_old = output, keep_old
        self.folder = output.with_name(output.name + ".cells")
        #: Shards that could not be read; their cells are computed again.
        self.damaged: list[str] = []

    # --- opening ------------------------------------------------------------------------

    def is_complete(self, study: Study) -> bool:
        """Whether the dataset is there with every cell of this study.

        OutputError if the output belongs to another study or is no dataset. One that the study only
        adds sizes, control values or replicas to is its own.
        """
        if self.output.is_dir():
            raise OutputError("is a folder", where=str(self.output), remedy="name a file with -o")
        if not self.output.exists():
            return False
        remedy = "choose another output with -o, or move the file away"
        try:
            existing = dataset.open_dataset(self.output, load=False)
        except FileBusyError:
            raise
        except DatasetError as error:
            raise OutputError(
                f"exists and is no physbatch dataset ({error.what})",
                where=str(self.output),
                remedy=remedy,
            ) from error
        with existing:
            if existing.attrs.get("study_hash") == study.hash():
                there = existing["status"] != dataset.STATUS_MISSING
                return bool((there | ~is_present(existing, study)).all())
        old = Study.from_json(str(existing.attrs.get("study", "")), where=str(self.output))
        if not extends(study, old):
            raise OutputError(
                f"exists and belongs to another study ({existing.attrs.get('title', '')!r})",
                where=str(self.output),
                remedy=remedy,
            )
        return False

    def begin(self, study: Study) -> None:
        """Note the study beside its shards, for `status` and `merge`; OutputError if it cannot."""
        write_atomic(self.folder / "study.toml", study.to_toml().encode())

    def study(self) -> Study:
        """The study of the run under way, or of the dataset; StudyError if there is neither."""
        source = self.folder / "study.toml"
        if source.is_file():
            return Study.from_toml(source)
        if self.output.exists():
            with dataset.open_dataset(self.output, load=False) as data:
                return Study.from_json(str(data.attrs["study"]), where=str(self.output))
        raise StudyError(
            "no dataset and no unfinished run",
            where=str(self.output),
            remedy="start one with `physbatch run STUDY.toml -o " + str(self.output) + "`",
        )

    def exists(self) -> bool:
        """Whether there is a dataset or a run."""
        return self.output.is_file() or (self.folder / "study.toml").is_file()

    def copy_shards(self, other: Store) -> int:
        """Copy what another store has and this one lacks, and count it; DatasetError if damaged."""
        here = set(self.shard_names())
        fresh = [name for name in other.shard_names() if name not in here]
        for name in fresh:
            source = other.folder / name
            try:
                content = read_regular(source)
            except OSError as error:
                raise DatasetError(
                    f"cannot read ({error.strerror})", where=str(source), remedy="move it away"
                ) from error
            without_checksum(content, where=str(source))
            self.write(name, content)
        return len(fresh)

    # --- shards -------------------------------------------------------------------------

    def shard_path(self, cells: Sequence[GridPoint]) -> Path:
        """File of the shard that holds these cells."""
        name = cells[0].key
        if len(cells) > 1:
            joined = "\n".join(cell.key for cell in cells)
            name = hashlib.sha256(joined.encode()).hexdigest()[:32]
        return self.folder / f"{name}.nc"

    def save(
        self,
        plan: Plan,
        cells: Sequence[GridPoint],
        results: Sequence[Arrays],
        device: str = "cpu",
        ends: Sequence[EndState] = (),
    ) -> ShardNote:
        """Write the shard of some cells of the same replicas, made here on a device.

        `ends` are the end states of the cells, if they have any.
        """
        path = self.shard_path(cells)
        shard = _shard_of(plan, cells, results, device)
        if ends:
            shard = shard.assign(end_variables(cells, ends))
        content = to_bytes(shard)
        self.write(path.name, content)
        return ShardNote(path.name, stated_digest(content)[:16])

    def write(self, name: str, content: bytes) -> None:
        """Write a shard that was made elsewhere."""
        write_atomic(self.folder / name, content)

    def shard_names(self) -> list[str]:
        """Names of all files that look like shards, sorted."""
        if not self.folder.exists():
            return []
        names = (entry.name for entry in os.scandir(self.folder))
        return sorted(name for name in names if SHARD_NAME.fullmatch(name))

    def open_shard(self, name: str) -> xr.Dataset:
        """Load a shard after its checksum was verified; DatasetError if damaged, or no shard."""
        path = self.folder / name
        shard = open_netcdf(path)
        if int(shard.attrs.get("physbatch_shard", 0)) != SCHEMA_VERSION:
            raise DatasetError("not a shard of this schema version", where=str(path))
        _require_variables(shard, {"cell_key", "replica"}, path)
        return shard

    def cells_in(self, plan: Plan, name: str, shard: xr.Dataset) -> CellsInShard:
        """Which rows of a shard are cells of a plan.

        DatasetError if there are any and the shard lacks a variable that the plan measures.
        """
        cells = CellsInShard()
        if not set(plan.grid) <= set(map(str, shard.variables)):
            return cells
        first = int(shard["replica"].values[0])
        columns = {dim: np.atleast_1d(shard[dim].values).tolist() for dim in plan.grid}
        states = state_keys(shard) if goes_on(plan.times, shard["time"].values.tolist()) else None
        keys = np.atleast_1d(shard["cell_key"].values).astype(str).tolist()
        # Before revisions were part of it, the key was that of the content.
        contents = keys
        if "content_key" in shard:
            contents = np.atleast_1d(shard["content_key"].values).astype(str).tolist()
        for row, (key, content) in enumerate(zip(keys, contents, strict=True)):
            ordinal = plan.ordinal({dim: values[row] for dim, values in columns.items()}, first)
            if ordinal is None:
                continue
            cell = plan.cell(ordinal)
            if cell.key == key:
                cells.rows.append(row)
                cells.ordinals.append(ordinal)
            elif cell.content_key == content:
                cells.old_rows.append(row)
                cells.old_ordinals.append(ordinal)
            elif states is not None and cell.state_key == states[row]:
                cells.begun_ordinals.append(ordinal)
        if cells.rows or cells.old_rows:
            _require_variables(shard, set(plan.variables), self.folder / name)
        return cells

    def parts(self, plan: Plan) -> Iterator[Part]:
        """The cells of a plan, each once, shard by shard in the order of names.

        Cells of other code come last, and only where they may be kept and there is no other.
        """
        self.damaged = []
        taken = np.zeros(len(plan), dtype=bool)
        for old in (False, True) if self.keep_old else (False,):
            for name in self.shard_names():
                try:
                    shard = self.open_shard(name)
                    cells = self.cells_in(plan, name, shard)
                except FileBusyError:
                    raise
                except DatasetError as error:
                    if not old:
                        self.damaged.append(str(error))
                    continue
                pairs = [(row, ordinal) for row, ordinal in cells.pairs(old) if not taken[ordinal]]
                if pairs:
                    rows, ordinals = np.array(pairs, dtype=np.int64).T
                    taken[ordinals] = True
                    yield Part(name, shard, rows, ordinals)


def is_present(data: xr.Dataset, study: Study) -> xr.DataArray:
    """At which combinations of size and control a study has cells."""
    sizes, controls = data["size"], data[study.grid.control]
    pairs = [
        [study.grid.has(n, m) for m in controls.values.tolist()] for n in sizes.values.tolist()
    ]
    return xr.DataArray(pairs, dims=("size", study.grid.control))


class Part(NamedTuple):
    """A shard, those of its rows that are wanted, and the numbers of their cells."""

    name: str
    shard: xr.Dataset
    rows: IntArray
    ordinals: IntArray

    @property
    def wanted(self) -> xr.Dataset:
        """The shard without its other rows."""
        if len(self.rows) == self.shard.sizes["cell"]:
            return self.shard
        return self.shard.isel(cell=self.rows)


@dataclass
class CellsInShard:
    """Rows of a shard that are cells of a plan, and their numbers; `old`: made by other code.

    `begun_ordinals` are cells of the plan that can go on from the end of shorter ones there.
    """

    rows: list[int] = field(default_factory=list)
    ordinals: list[int] = field(default_factory=list)
    old_rows: list[int] = field(default_factory=list)
    old_ordinals: list[int] = field(default_factory=list)
    begun_ordinals: list[int] = field(default_factory=list)

    def pairs(self, old: bool) -> list[tuple[int, int]]:
        """Row and number of each cell."""
        if old:
            return list(zip(self.old_rows, self.old_ordinals, strict=True))
        return list(zip(self.rows, self.ordinals, strict=True))


def _shard_of(
    plan: Plan, cells: Sequence[GridPoint], results: Sequence[Arrays], device: str
) -> xr.Dataset:
    """The cells of one shard as a dataset with dims cell, replica, time."""
    variables = {
        name: (
            ("cell", *spec.dims),
            np.stack([result[name] for result in results]).astype(spec.dtype),
            {"long_name": spec.long_name},
        )
        for name, spec in plan.variables.items()
    }
    coordinates = {
        dim: ("cell", np.array([cell.coordinates[dim] for cell in cells])) for dim in plan.grid
    }
    first = cells[0].first_replica
    return xr.Dataset(
        variables,
        coords={
            **coordinates,
            # Bytes of one length are written and read faster than strings.
            "cell_key": ("cell", np.array([cell.key for cell in cells], dtype=np.bytes_)),
            "content_key": ("cell", np.array([cell.content_key for cell in cells], np.bytes_)),
            "replica": np.arange(first, first + cells[0].replicas),
            "time": np.array(plan.times, dtype=np.int64),
        },
        attrs={
            "physbatch_shard": SCHEMA_VERSION,
            "source": f"physbatch {physbatch.__version__}",
            "made_by": here(plan.revision, device).to_json(),
            "study": plan.study.canonical_json(),
        },
    )


def _require_variables(shard: xr.Dataset, names: set[str], path: Path) -> None:
    absent = names - set(map(str, shard.variables))
    if absent:
        raise DatasetError(f"shard lacks {', '.join(sorted(absent))}", where=str(path))

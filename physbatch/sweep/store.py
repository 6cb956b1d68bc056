"""The store: immutable shards in ``OUT.nc.cells/``, merged into ``OUT.nc``.

A shard is written whole or not at all and is never edited. What belongs to a study is
decided by the keys of its cells, so shards of other studies in the same folder do no harm.
"""

from __future__ import annotations

import datetime
import hashlib
import platform
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path

import numpy as np
import xarray as xr

import physbatch
from physbatch import dataset
from physbatch.dataset import SCHEMA_VERSION
from physbatch.errors import DatasetError, OutputError, StudyError
from physbatch.study import Study
from physbatch.sweep.merging import merge
from physbatch.sweep.plan import Cell, Plan

__all__ = ["Store"]

LONG_NAMES = {
    "size": "number of inputs N",
    "batch_size": "mini-batch size m",
    "batch_ratio": "mini-batch size per input m/N",
    "degree": "connectivity d",
    "initial_overlap": "initial overlap per weight",
    "temperature": "temperature T",
    "learning_rate": "learning rate eta",
    "pattern_count": "number of patterns P",
    "replica": "replica",
    "student_unit": "hidden unit of the student",
    "other_student_unit": "hidden unit of the student",
    "teacher_unit": "hidden unit of the teacher",
}


class Store:
    """Shards of one output.

    Parameters
    ----------
    output : Path
        The merged dataset ``OUT.nc``; shards live in ``OUT.nc.cells/`` beside it.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self.folder = output.with_name(output.name + ".cells")
        #: Shards that could not be read; their cells are computed again.
        self.damaged: list[str] = []

    # --- opening ------------------------------------------------------------------------

    def claim(self, study: Study) -> bool:
        """Make sure that the output may be written; True if it is already complete.

        Raises
        ------
        OutputError
            If the output belongs to another study or is no dataset, or if the folder
            cannot be written. Nothing is touched then.
        """
        complete = self._check_existing(study)
        if not complete:
            dataset.write_atomic(self.folder / "study.toml", study.to_toml().encode())
        return complete

    def _check_existing(self, study: Study) -> bool:
        if self.output.is_dir():
            raise OutputError("is a folder", where=str(self.output), remedy="name a file with -o")
        if not self.output.exists():
            return False
        remedy = "choose another output with -o, or move the file away"
        try:
            existing = dataset.open_dataset(self.output)
        except DatasetError as error:
            raise OutputError(
                f"exists and is no physbatch dataset ({error.what})",
                where=str(self.output),
                remedy=remedy,
            ) from error
        if existing.attrs.get("study_hash") != study.hash():
            raise OutputError(
                f"exists and belongs to another study ({existing.attrs.get('title', '')!r})",
                where=str(self.output),
                remedy=remedy,
            )
        return bool((existing["status"] != dataset.STATUS_MISSING).all())

    def study(self) -> Study:
        """The study of this store, from the dataset or from an unfinished run.

        Raises
        ------
        StudyError
            If there is neither.
        """
        if self.output.exists():
            attrs = dataset.open_dataset(self.output).attrs
            return Study.from_json(str(attrs["study"]), where=str(self.output))
        source = self.folder / "study.toml"
        if not source.exists():
            raise StudyError(
                "no dataset and no unfinished run",
                where=str(self.output),
                remedy="start one with `physbatch run STUDY.toml -o " + str(self.output) + "`",
            )
        return Study.from_toml(source)

    # --- shards -------------------------------------------------------------------------

    def shard_path(self, cells: Sequence[Cell]) -> Path:
        """File of the shard that holds these cells."""
        name = cells[0].key
        if len(cells) > 1:
            joined = "\n".join(cell.key for cell in cells)
            name = hashlib.sha256(joined.encode()).hexdigest()[:32]
        return self.folder / f"{name}.nc"

    def save(self, cells: Sequence[Cell], shard: xr.Dataset) -> None:
        """Write a shard."""
        dataset.save(shard, self.shard_path(cells))

    def shards(self, plan: Plan) -> Iterable[xr.Dataset]:
        """Every readable shard, in the order of names."""
        self.damaged = []
        for path in sorted(self.folder.glob("*.nc")):
            try:
                shard = dataset.open_netcdf(path)
                self._check_shard(shard, path, plan)
            except DatasetError as error:
                self.damaged.append(str(error))
                continue
            yield shard

    @staticmethod
    def _check_shard(shard: xr.Dataset, path: Path, plan: Plan) -> None:
        if int(shard.attrs.get("physbatch_shard", 0)) != SCHEMA_VERSION:
            raise DatasetError("not a shard of this schema version", where=str(path))
        absent = {*plan.engine.variables(plan), "cell_key", "replica"} - set(
            map(str, shard.variables)
        )
        if absent:
            raise DatasetError(f"shard lacks {', '.join(sorted(absent))}", where=str(path))

    def finished(self, plan: Plan) -> set[str]:
        """Keys of the cells of a plan that are done."""
        wanted = {cell.key for cell in plan.cells}
        done: set[str] = set()
        for shard in self.shards(plan):
            done.update(wanted.intersection(map(str, shard["cell_key"].values)))
        return done

    # --- merging ------------------------------------------------------------------------

    def merge(self, plan: Plan, device: str) -> xr.Dataset:
        """The labelled dataset of a study from those of its cells that are done."""
        wanted = {cell.key for cell in plan.cells}
        own = []
        for shard in self.shards(plan):
            keys = [str(key) for key in shard["cell_key"].values]
            rows = [row for row, key in enumerate(keys) if key in wanted]
            if rows:
                own.append(shard.isel(cell=rows))
        study = plan.study
        merged = merge(
            own, plan.grid, plan.engine.variables(plan), plan.lengths, study.time_units
        ).assign_coords(self._coordinates(plan))
        merged.attrs.update(_attributes(study, device))
        return dataset.validate(merged)

    @staticmethod
    def _coordinates(plan: Plan) -> dict[str, xr.Variable]:
        coordinates = {
            dim: xr.Variable(dim, np.array(values), {"long_name": LONG_NAMES[dim], "units": "1"})
            for dim, values in plan.grid.items()
        }
        coordinates["replica"] = xr.Variable(
            "replica",
            np.arange(plan.study.grid.replicas),
            {"long_name": LONG_NAMES["replica"], "units": "1"},
        )
        coordinates["time"] = xr.Variable(
            "time",
            np.array(plan.times, dtype=np.int64),
            {"long_name": "time", "units": plan.study.time_units},
        )
        for dim, length in plan.engine.lengths(plan).items():
            coordinates[dim] = xr.Variable(
                dim, np.arange(length), {"long_name": LONG_NAMES[dim], "units": "1"}
            )
        if plan.study.grid.control == "batch_ratio":
            sizes, ratios = plan.grid["size"], plan.grid["batch_ratio"]
            values = [
                [plan.batch_size({"size": size, "batch_ratio": ratio}) for ratio in ratios]
                for size in sizes
            ]
            coordinates["batch_size"] = xr.Variable(
                ("size", "batch_ratio"),
                np.array(values),
                {"long_name": LONG_NAMES["batch_size"], "units": "1"},
            )
        return coordinates


def _attributes(study: Study, device: str) -> dict[str, str | int]:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    source = f"physbatch {physbatch.__version__}"
    packages = ("numpy", "scipy", "numba", "torch", "xarray", "netCDF4")
    versions = " ".join(f"{name}={metadata.version(name)}" for name in packages)
    return {
        "Conventions": "CF-1.11",
        "title": study.title,
        "comment": study.description,
        "source": source,
        "references": "; ".join(study.references),
        "history": f"{now} {source}: merged from shards",
        "date_created": now,
        "physbatch_schema": SCHEMA_VERSION,
        "study": study.canonical_json(),
        "study_hash": study.hash(),
        "package_versions": versions,
        "python_version": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "device": device,
        "control_dim": study.grid.control,
    }

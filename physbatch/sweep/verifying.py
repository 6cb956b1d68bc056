"""Trusting a dataset: recompute some of its cells and compare bit for bit."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from physbatch.dataset import STATUS_MISSING, validate
from physbatch.engines.point import GridPoint
from physbatch.engines.registry import engine_for, require_built, revision_of
from physbatch.engines.task_code import require_permission
from physbatch.errors import DatasetError
from physbatch.files.selections import with_dimension
from physbatch.study.comparison import same_bits
from physbatch.study.model import Study
from physbatch.sweep.makers import differences
from physbatch.sweep.plan import Plan


@dataclass(frozen=True)
class Verification:
    """Cells that were recomputed.

    Attributes
    ----------
    checked, total : int
        Number of cells recomputed, and of cells that the dataset holds.
    values : int
        Number of values compared.
    differences : dict
        Cell in words -> variables whose bits differ; empty if all is well.
    part : str
        What of the grid of its study the dataset holds, in words; empty if all of it.
    """

    checked: int
    total: int
    values: int
    differences: dict[str, tuple[str, ...]]
    part: str = ""


def verify_dataset(
    data: xr.Dataset,
    cells: int = 3,
    *,
    seed: int | None = None,
    device: str = "cpu",
    study: Study | None = None,
) -> Verification:
    """Recompute a random sample of the cells of a dataset from its own attributes.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset that `physbatch.run` wrote.
    cells : int
        How many cells, of those that are there: a selection of xarray leaves some of them.
    seed : int, optional
        Seed of the choice; by default every call looks at other cells.
    device : str
        Where to compute.
    study : Study, optional
        The study of the dataset; needed if it names code of its own, which is run.

    Raises
    ------
    DatasetError
        If no cell of the study is in the dataset, or its coordinates are not those of the study.
    StudyError
        If the dataset names code of its own, and no study was given.

    Examples
    --------
    >>> import tempfile
    >>> from physbatch.study.catalogue import study
    >>> from physbatch.sweep.run import run_study
    >>> small = study("greedy-unit", replicas=4, duration=10)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     data = run_study(small, f"{folder}/unit.nc", workers=1)
    >>> verify_dataset(data, cells=2, seed=1).differences
    {}
    """
    source = str(data.attrs.get("study", ""))
    if study is None:
        study = Study.from_json(source, where="attribute study")
        require_permission(study, False, where="dataset")
    require_built(study)
    plan = Plan(study, engine_for(study))
    data = _with_grid(validate(data), plan)
    _refuse_other_coordinates(data, plan)
    status = data[["status"]].load()
    whole = [
        ordinal
        for ordinal, cell in zip(plan.cells.ordinals.tolist(), plan.cells, strict=True)
        if _is_there(data, cell)
        and not bool((_rows(status, plan, cell, "status") == STATUS_MISSING).any())
    ]
    part = _part(data, plan)
    if not whole:
        raise DatasetError(
            f"holds no cell of its study whole{part and f': it is a part of it ({part})'}",
            where="dataset",
            remedy="verify the dataset that `physbatch run` wrote",
        )
    chance = np.random.default_rng(seed)
    chosen = chance.choice(whole, size=min(cells, len(whole)), replace=False)
    values = 0
    differences: dict[str, tuple[str, ...]] = {}
    for ordinal in sorted(chosen.tolist()):
        cell = plan.cell(ordinal)
        wrong = []
        arrays = plan.engine.simulate(cell, device)
        for name, spec in plan.variables.items():
            there = _rows(data, plan, cell, name)
            values += there.size
            made = np.asarray(arrays[name], dtype=spec.dtype)
            if "time" in spec.dims:
                made = made.take(_times(data, plan), axis=spec.dims.index("time"))
            if not same_bits(made, there):
                wrong.append(name)
        if wrong:
            differences[f"cell {cell}, replica {cell.first_replica}"] = tuple(wrong)
    return Verification(len(chosen), len(whole), values, differences, part)


def what_differs(data: xr.Dataset) -> str:
    """Why honest data may have other bits than this process makes: code, packages, processor."""
    study = Study.from_json(str(data.attrs.get("study", "")), where="attribute study")
    words = differences(data.attrs, revision_of(study), "cpu")
    return ", ".join(words) or "the same code, packages and processor: its values were changed"


def _with_grid(data: xr.Dataset, plan: Plan) -> xr.Dataset:
    """The dataset with the swept parameters as dimensions of which one value was selected."""
    for dim in plan.grid:
        if dim in data.coords and dim not in data.dims:
            data = with_dimension(data, dim, [name for name in plan.variables if name in data])
    return data


def _refuse_other_coordinates(data: xr.Dataset, plan: Plan) -> None:
    """A selection leaves some of the coordinates of a study; others hold no cell."""
    whole = {**plan.grid, "replica": range(plan.study.grid.replicas), "time": plan.times}
    for dim, values in whole.items():
        if dim not in data.dims:
            continue
        others = np.setdiff1d(data[dim].values, np.asarray(values))
        if dim in data["status"].dims:  # sizes with controls of their own leave empty columns
            full = data["status"].sel({dim: others}) != STATUS_MISSING
            others = others[full.any([name for name in full.dims if name != dim]).values]
        if others.size:
            raise DatasetError(
                f"does not match its own study, which has no {dim} {others[0]:g}",
                where=f"coordinate {dim!r}",
            )


def _is_there(data: xr.Dataset, cell: GridPoint) -> bool:
    """Whether the dataset holds the coordinates and all replicas of a cell."""
    replicas = np.arange(cell.first_replica, cell.first_replica + cell.replicas)
    return bool(np.isin(replicas, data["replica"].values).all()) and all(
        dim not in data.dims or value in data[dim].values for dim, value in cell.coordinates.items()
    )


def _part(data: xr.Dataset, plan: Plan) -> str:
    """What of the grid, the replicas and the times of its study a dataset holds, in words."""
    whole = {**plan.grid, "replica": range(plan.study.grid.replicas), "time": plan.times}
    return ", ".join(
        f"{data.sizes[dim]} of {len(values)} {dim.replace('_', ' ')}s"
        for dim, values in whole.items()
        if dim in data.dims and data.sizes[dim] < len(values)
    )


def _times(data: xr.Dataset, plan: Plan) -> list[int]:
    """Places of the times of a dataset among those of its study."""
    return [index for index, time in enumerate(plan.times) if time in data["time"].values]


def _rows(
    data: xr.Dataset, plan: Plan, cell: GridPoint, name: str
) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    """The values of a variable that a cell made, dims as in its specification."""
    try:
        here = data[name].sel(cell.coordinates)
        rows = np.arange(cell.first_replica, cell.first_replica + cell.replicas)
        return here.transpose(*plan.variables[name].dims).sel(replica=rows).values
    except (KeyError, ValueError) as error:
        raise DatasetError(
            f"does not match its own study ({' '.join(str(error).split())[:80]})",
            where=f"variable {name!r}",
        ) from error
